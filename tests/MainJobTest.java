// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.awt.image.BufferedImage;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("The main job: IMAGES into COMPRESSED_IMAGES")
class MainJobTest {
  private static final Path IMAGES = Program.project().resolve("IMAGES");

  @TempDir static Path folder;
  static Path compressed;
  static Program.Result run;

  @BeforeAll
  static void compressTheFourImages() throws Exception {
    Files.createDirectory(folder.resolve("IMAGES"));
    for (String name : Program.files(IMAGES)) {
      Files.copy(IMAGES.resolve(name), folder.resolve("IMAGES").resolve(name));
    }
    run = Program.run(folder);
    compressed = folder.resolve("COMPRESSED_IMAGES");
  }

  @Test
  @DisplayName("exits with 0, and every image has a compressed copy of its size in pixels")
  void everyImageHasItsCopy() throws Exception {
    run.expect(0, "4 images, ");
    assertEquals(4, Program.files(IMAGES).size());
    assertEquals(Program.files(IMAGES), Program.files(compressed));
    for (String name : Program.files(IMAGES)) {
      BufferedImage copy = ImageIO.read(compressed.resolve(name).toFile());
      assertEquals("4000x3000", copy.getWidth() + "x" + copy.getHeight());
    }
  }

  @Test
  @DisplayName("logs in the exercise's columns, and nothing else on standard error")
  void logColumns() {
    assertEquals(run.err().lines().count(), run.log().size(), run.err());
    assertTrue(run.log().getFirst().toString().matches(".*, owner=ProcessImages, thread=main, level=INFO, "
        + "message=4 images in IMAGES, \\d+ cores?, virtual threads]"), run.err());
  }

  @Test
  @DisplayName("has one thread for each image, named image-1 to image-4")
  void oneThreadForEachImage() {
    List<Program.LogLine> images = run.log().stream().filter(line -> line.message().startsWith("[")).toList();
    assertEquals(List.of("image-1", "image-2", "image-3", "image-4"),
        images.stream().map(Program.LogLine::thread).sorted().toList());
    assertEquals(List.of("[1/4]", "[2/4]", "[3/4]", "[4/4]"),
        images.stream().map(line -> line.message().substring(0, 5)).sorted().toList());
  }

  @Test
  @DisplayName("creates the destination once, in one of the image threads")
  void createsTheDestinationOnce() {
    List<Program.LogLine> lines =
        run.log().stream().filter(line -> line.message().equals("created COMPRESSED_IMAGES")).toList();
    assertEquals(1, lines.size(), run.err());
    assertTrue(lines.toString().contains("owner=CompressOneImage, thread=image-"), lines.toString());
  }

  @Test
  @DisplayName("reports the ratio of the sizes on disk")
  void ratioOfTheSizesOnDisk() throws Exception {
    long before = Program.size(IMAGES);
    long after = Program.size(compressed);
    double ratio = (double) after / before;
    String expected = String.format(Locale.ROOT, "4 images, %.2f MB -> %.2f MB, ratio %.3f, in ",
        before / 1e6, after / 1e6, ratio);
    assertTrue(run.out().matches(Pattern.quote(expected) + "\\d+\\.\\d\\d s\\R"), run.out());
    assertTrue(ratio > 0.1 && ratio < 0.3, "not like photographs: " + ratio);
  }

  @Test
  @DisplayName("logs for each image its sizes on disk")
  void sizesOfEachImage() throws Exception {
    for (String name : Program.files(IMAGES)) {
      long before = Files.size(IMAGES.resolve(name));
      long after = Files.size(compressed.resolve(name));
      String expected = String.format(Locale.ROOT, " %s %.2f MB -> %.2f MB (%.3f) in ", name,
          before / 1e6, after / 1e6, (double) after / before);
      Pattern line = Pattern.compile("\\[\\d/4\\]" + Pattern.quote(expected) + "\\d+ ms");
      assertEquals(1, run.messages("INFO").stream().filter(line.asMatchPredicate()).count(), expected + run.err());
    }
  }

  @Test
  @DisplayName("works from one file copied alone beside another folder of photographs, with jbang")
  void copiedAlone() throws Exception {
    Path alone = Files.createDirectory(folder.resolve("alone"));
    Files.copy(Program.project().resolve("Compress.java"), alone.resolve("Compress.java"));
    Pictures.write(alone.resolve("Holiday photos/beach.jpg"));
    String jbang = Program.project().resolve(".jbang/jbang").toString();
    Program.run(alone, "", List.of(jbang, "Compress.java", "Holiday photos", "small")).expect(0, "1 image, ");
    assertEquals(List.of("beach.jpg"), Program.files(alone.resolve("small")));
  }

  @Test
  @DisplayName("starts without JBang, once it has been built, while neither Compress.java nor its jars change")
  void nextStarts() throws Exception {
    Path project = Files.createDirectories(folder.resolve("project/.jbang")).getParent();
    for (String name : List.of("Compress.java", ".jbang/jbang", ".jbang/pom.xml")) {
      Files.copy(Program.project().resolve(name), project.resolve(name), StandardCopyOption.COPY_ATTRIBUTES);
    }
    Pictures.write(project.resolve("IMAGES/beach.jpg"));
    assumeTrue(Program.succeeds(List.of("sh", "-c", "cd '" + project + "' && git init -q && git add . "
        + "&& git -c user.name=a -c user.email=a@b commit -qm published")), "git is not installed");
    Path cache = Files.createDirectory(folder.resolve("cache"));
    Program.run(cache, "", List.of("sh", "-c", "cp -R \"${XDG_CACHE_HOME:-$HOME/.cache}\"/compress-jbang-*[0-9] ."));
    Path path = Files.createDirectory(folder.resolve("path")); // here is a JBang that only says that it was started
    Files.writeString(path.resolve("jbang"), "#!/bin/sh\necho JBang\n");
    assertTrue(path.resolve("jbang").toFile().setExecutable(true));
    List<String> start = List.of("env", "XDG_CACHE_HOME=" + cache, "./.jbang/jbang", "Compress.java", "IMAGES", "Small");
    List<String> without = new ArrayList<>(start);
    without.add(1, "PATH=" + path + File.pathSeparator + System.getenv("PATH"));

    Program.run(project, "", without).expect(0, "JBang");
    Program.run(project, "", start).expect(0, "1 image, "); // builds, where nobody has yet
    Program.run(project, "", start).expect(0, "1 image, ");
    Program.run(project, "", without).expect(0, "1 image, ");
    Path remembered = cache.resolve(Program.files(cache).stream().filter(name -> name.endsWith(".command")).findFirst()
        .orElseThrow());
    String command = Files.readString(remembered);
    assertEquals(Runtime.version().feature() >= 25, command.contains(" -XX:AOTCache="), command);

    Files.writeString(project.resolve("Compress.java"), "// changed\n", StandardOpenOption.APPEND);
    Program.run(project, "", without).expect(0, "JBang");
    Files.copy(Program.project().resolve("Compress.java"), project.resolve("Compress.java"),
        StandardCopyOption.REPLACE_EXISTING);
    Program.run(project, "", without).expect(0, "1 image, ");
    Files.writeString(remembered, command.replaceFirst("\\.jar:", ".gone.jar:"));
    Program.run(project, "", without).expect(0, "JBang");
  }
}
