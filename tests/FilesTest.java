// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayName("Files: which images are compressed, and where their copies go")
class FilesTest {
  @TempDir Path folder;

  private void images(String... names) throws Exception {
    for (String name : names) { Pictures.write(folder.resolve(name)); }
  }

  private List<String> files(String name) throws Exception { return Program.files(folder.resolve(name)); }

  private Program.Result shell(String command) throws Exception {
    return Program.run(folder, "", List.of("bash", "-c", command));
  }

  @Test
  @DisplayName("names with spaces, accents and emoji, .JPG and .jpeg; nothing hidden, no other files")
  void names() throws Exception {
    assumeTrue(System.getProperty("sun.jnu.encoding").equals("UTF-8"), "file names are not UTF-8 here");
    String[] names = {"a b.jpg", "l'été à Liège.jpg", "sunset 🌅.jpg", "UPPER.JPG", "long.jpeg", "日本.jpg", "%s $HOME.jpg"};
    images(Stream.of(names).map("IMAGES/"::concat).toArray(String[]::new));
    images("IMAGES/._hidden.jpg", "IMAGES/sub/deeper.jpg", "IMAGES/picture.jpg.txt");
    Files.writeString(folder.resolve("IMAGES/notes.txt"), "not an image");
    long tomorrow = System.currentTimeMillis() + 86_400_000; // by a camera's clock; nobody waits for it
    Files.setLastModifiedTime(folder.resolve("IMAGES/UPPER.JPG"), FileTime.fromMillis(tomorrow));
    Program.run(folder).expect(0, "7 images, ", "sunset 🌅.jpg");
    assertEquals(Stream.of(names).sorted().toList(), files("COMPRESSED_IMAGES"));
  }

  @ParameterizedTest(name = "{0}")
  @DisplayName("the images of the folder, or of a list, have their copies at their places, and no others")
  @CsvSource(delimiter = '|', nullValues = "none", textBlock = """
      a folder, and nothing below it | IMAGES/top.jpg IMAGES/2024/a.jpg | --mode=virtual | '' \
          | '1 image, ' | top.jpg
      --recursive keeps the tree, without hidden folders \
          | IMAGES/top.jpg IMAGES/2024/may/a.jpg IMAGES/2025/a.jpg IMAGES/.trash/gone.jpg | --recursive | '' \
          | '3 images, ' | 2024/may/a.jpg 2025/a.jpg top.jpg
      a list in a file: those images and no others, each once, blank lines passed over \
          | IMAGES/a.jpg IMAGES/b.jpg IMAGES/sub/c.jpg elsewhere/d.jpg | --files-from=list \
          | IMAGES/a.jpg\\n\\nIMAGES/sub/c.jpg\\r\\nelsewhere/d.jpg\\n./IMAGES/a.jpg\\n \
          | '3 images, ' | a.jpg elsewhere/d.jpg sub/c.jpg
      a list from standard input | IMAGES/a.jpg IMAGES/b.jpg | --files-from=- | IMAGES/b.jpg\\n \
          | '1 image, ' | b.jpg
      a byte order mark before it | IMAGES/a.jpg | --files-from=- | \uFEFFIMAGES/a.jpg\\n \
          | '1 image, ' | a.jpg
      an empty folder: no error, and no destination is made | IMAGES/notes.txt | --mode=virtual | '' \
          | '0 images, 0 B -> 0 B, ratio none, in ' | none
      """)
  void places(String what, String images, String option, String list, String report, String copies) throws Exception {
    images(images.split(" "));
    Files.writeString(folder.resolve("list"), list.translateEscapes());
    Program.run(folder, list.translateEscapes(), Program.command(option)).expect(0, report);
    assertEquals(copies == null ? List.of() : List.of(copies.split(" ")), files("COMPRESSED_IMAGES"));
    assertEquals(copies != null, Files.exists(folder.resolve("COMPRESSED_IMAGES")));
  }

  @Test
  @DisplayName("--files-from driven by xargs -P: four processes share one list and one destination")
  void filesFromXargs() throws Exception {
    List<String> expected = IntStream.range(10, 34).mapToObj(i -> i + ".jpg").toList();
    images(expected.stream().map("IMAGES/"::concat).toArray(String[]::new));
    Files.writeString(folder.resolve("run.sh"),
        "printf '%s\\n' \"$@\" | " + Program.quoted(Program.command("--files-from=-")) + "\n");
    Program.Result result = shell("ls IMAGES/*.jpg | xargs -P4 -n6 sh run.sh").expect(0, "6 images, ");
    assertEquals(4, result.out().lines().filter(line -> line.startsWith("6 images, ")).count(), result.out());
    assertEquals(expected, files("COMPRESSED_IMAGES"));
  }

  @Test
  @DisplayName("a destination that another run creates at this very moment is a folder like any other")
  void createdMeanwhile() throws Exception {
    Compress options = Program.options(Files.createDirectory(folder.resolve("IMAGES")), null);
    for (int n = 0; n < 1_000; n++) { // the moment is one of microseconds: another one for each
      Path destination = folder.resolve("copies-" + n);
      long moment = System.nanoTime() + 200_000;
      long other = moment + (n % 100 - 80) * 500;
      FutureTask<Path> creation = new FutureTask<>(() -> {
        while (System.nanoTime() < other) { Thread.onSpinWait(); }
        return Files.createDirectory(destination);
      });
      Thread.startVirtualThread(creation);
      options.destination = destination;
      while (System.nanoTime() < moment) { Thread.onSpinWait(); }
      assertEquals(List.of(), ImageFiles.find(options).images);
      creation.get();
    }
  }

  @Test
  @DisplayName("a list's paths that lead out of the source stay inside the destination")
  void filesFromStaysInside() throws Exception {
    images("up.jpg", "work/absolute.jpg", "other/same.jpg", "work/IMAGES/in.jpg");
    Path work = folder.resolve("work");
    String list = String.join("\n", "../up.jpg", work.resolve("absolute.jpg").toString(), "IMAGES/../../other/same.jpg",
        "IMAGES/in.jpg");
    Program.run(work, list, Program.command("--files-from=-")).expect(0, "4 images, ");
    String absolute = work.resolve("absolute.jpg").toString().substring(1);
    assertEquals(Stream.of(absolute, "in.jpg", "other/same.jpg", "up.jpg").sorted().toList(),
        files("work/COMPRESSED_IMAGES"));
  }

  @Test
  @DisplayName("a listed file that is missing fails, the others are done")
  void filesFromMissing() throws Exception {
    images("IMAGES/a.jpg");
    Program.Result result = Program.run(folder, "IMAGES/nix.jpg\nIMAGES/a.jpg\n", Program.command("--files-from=-"))
        .expect(1, "2 images (1 compressed, 0 kept, 0 skipped, 1 failed), ");
    assertTrue(result.messages("ERROR").getFirst().contains("nix.jpg failed: no such file"), result.err());
    assertEquals(List.of("a.jpg"), files("COMPRESSED_IMAGES"));
  }

  @Test
  @DisplayName("a folder that vanishes while the tree is walked is an error, and the images of the others are done")
  void vanishingFolder() throws Exception {
    images("IMAGES/a.jpg", "IMAGES/sub/b.jpg");
    // The folder that a process is in: it can be opened though it is deleted, as if that came just after.
    Program.Result result = shell("mkdir COMPRESSED_IMAGES gone && cd gone && ln -s /proc/$$/cwd ../IMAGES/gone && rmdir ../gone"
        + " && (cd \"$OLDPWD\" && " + Program.quoted(Program.command("-r")) + ")");
    assumeTrue(Files.isDirectory(Path.of("/proc/self")), "there is no /proc");
    result.expect(1, "2 images, ", "IMAGES/gone cannot be read: no such file");
    assertEquals(List.of("a.jpg", "sub/b.jpg"), files("COMPRESSED_IMAGES"));
  }

  @Test
  @DisplayName("names in letters that the locale does not have are as good as others")
  void otherLetters() throws Exception {
    images("IMAGES/a.jpg");
    // In ISO 8859-1, as cards and archives of long ago have them: no valid UTF-8, and not what C knows.
    String copy = "mkdir latin copies; for e in '\\351' '\\350'; do name=$(printf $e); mkdir latin/$name;"
        + " cp IMAGES/a.jpg latin/$name.jpg; cp IMAGES/a.jpg latin/$name/; done;"
        + " ln -s latin/$(printf '\\351') in; mkdir copies/$(printf '\\352');"
        + " ln -s copies/$(printf '\\352') out";
    assumeTrue(shell(copy).status() == 0, "this disk takes UTF-8 only");
    for (String locale : List.of("C", "C.UTF-8")) {
      for (String arguments : List.of(" -r latin copies", " in out")) {
        shell("LC_ALL=" + locale + " " + Program.quoted(Program.command()) + arguments).expect(0, "");
      }
    }
    assertEquals("5", shell("find copies -name '*.jpg' | wc -l").out().strip());
  }

  @Test
  @DisplayName("where the locale lacks the letters of an argument, the error names the remedy, which helps")
  void remedy() throws Exception {
    assumeTrue(System.getProperty("sun.jnu.encoding").equals("UTF-8"), "file names are not UTF-8 here");
    images("Été/a.jpg");
    for (String arguments : List.of(" Été", " --files-from=Été IMAGES")) {
      Program.Result result = shell("mkdir -p IMAGES; LC_ALL=C " + Program.quoted(Program.command()) + arguments);
      result.expect(arguments.startsWith(" --") ? 1 : 2, "", "; try LC_ALL=C.UTF-8 jbang Compress.java");
      assertEquals(1, result.err().lines().count(), result.err());
    }
    shell("LC_ALL=C.UTF-8 " + Program.quoted(Program.command()) + " Été").expect(0, "1 image, ");
  }

  @Test
  @DisplayName("a list's names are bytes, in any locale; a line of 50 MB is no name; @x and 3 GB are what they are")
  void listedBytes() throws Exception {
    images("IMAGES/a.jpg", "IMAGES/@x/b.jpg");
    String latin = "(cd IMAGES && cp a.jpg \"$(printf '\\351').jpg\" && truncate -s 3G big.jpg"
        + " && cp a.jpg \"$(printf '\\303\\251').jpg\""
        + " && printf 'IMAGES/\\351.jpg\\nIMAGES/\\303\\251.jpg\\nIMAGES/big.jpg\\n'" // the list
        + " && head -c 50000000 /dev/zero | tr '\\0' x && echo && echo IMAGES/a.jpg)";
    assumeTrue(shell(latin + " >/dev/null").status() == 0, "this disk takes UTF-8 only");
    for (String locale : List.of("C", "C.UTF-8")) {
      shell(latin + " | LC_ALL=" + locale + " " + Program.quoted(Program.command("--files-from=-", "IMAGES", locale)))
          .expect(1, "5 images (3 compressed, 0 kept, 0 skipped, 2 failed), ",
              "big.jpg failed: too large: at most 2 GB", ": not a file name on this system");
    }
    Program.run(folder, "IMAGES/@x", "@out").expect(0, "1 image, ");
    assertEquals(List.of("b.jpg"), files("@out"));
    Program.run(folder.resolve("IMAGES"), "@x", "out").expect(0, "1 image, ");
  }

  @Test
  @DisplayName("names with line breaks and escapes cannot write into the log")
  void controlCharacters() throws Exception {
    images("IMAGES/a\nb\u001b[31m\u009b\u0085.jpg");
    Program.Result result = Program.run(folder, "--timeline").expect(0, "1 image, ", " a?b?[31m??.jpg ");
    assertEquals(result.err().lines().count(), result.log().size());
    assertTrue(result.out().contains(" a?b?[31m??.jpg "), result.out());
  }
}
