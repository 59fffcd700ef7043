// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
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
    String expected = String.format(Locale.ROOT, "4 images, %.2f -> %.2f MB, ratio %.3f, in ",
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
      String expected = String.format(Locale.ROOT, " %s %.2f -> %.2f MB (%.3f) in ", name,
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
}
