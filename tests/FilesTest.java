// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("Files: which images are compressed, and where their copies go")
class FilesTest {
  @TempDir Path folder;

  private void images(String... names) throws Exception {
    for (String name : names) {
      Pictures.write(folder.resolve(name));
    }
  }

  private List<String> files(String name) throws Exception {
    return Program.files(folder.resolve(name));
  }

  @Test
  @DisplayName("names with spaces, accents and emoji, .JPG and .jpeg; nothing hidden, no other files")
  void names() throws Exception {
    assumeTrue(System.getProperty("sun.jnu.encoding").equals("UTF-8"), "file names are not UTF-8 here");
    String[] names = {"a b.jpg", "l'été à Liège.jpg", "sunset 🌅.jpg", "UPPER.JPG", "long.jpeg", "日本.jpg", "%s $HOME.jpg"};
    for (String name : names) {
      images("IMAGES/" + name);
    }
    images("IMAGES/._hidden.jpg", "IMAGES/sub/deeper.jpg", "IMAGES/picture.jpg.txt");
    Files.writeString(folder.resolve("IMAGES/notes.txt"), "not an image");
    Program.Result result = Program.run(folder);
    assertEquals(0, result.status(), result.err());
    assertEquals(List.of(names).stream().sorted().toList(), files("COMPRESSED_IMAGES"));
    assertTrue(result.err().contains("sunset 🌅.jpg"), result.err());
  }

  @Test
  @DisplayName("--recursive keeps the tree, without hidden folders")
  void recursive() throws Exception {
    images("IMAGES/top.jpg", "IMAGES/2024/may/a.jpg", "IMAGES/2025/a.jpg", "IMAGES/.trash/gone.jpg");
    assertEquals(0, Program.run(folder).status());
    assertEquals(List.of("top.jpg"), files("COMPRESSED_IMAGES"));
    Program.Result result = Program.run(folder, "--recursive");
    assertEquals(0, result.status(), result.err());
    assertEquals(List.of("2024/may/a.jpg", "2025/a.jpg", "top.jpg"), files("COMPRESSED_IMAGES"));
  }

  @Test
  @DisplayName("--files-from takes a list from a file: those images and no others, blank lines passed over")
  void filesFromFile() throws Exception {
    images("IMAGES/a.jpg", "IMAGES/b.jpg", "IMAGES/sub/c.jpg", "elsewhere/d.jpg");
    Files.writeString(folder.resolve("list"), "IMAGES/a.jpg\n\nIMAGES/sub/c.jpg\r\nelsewhere/d.jpg\nIMAGES/a.jpg\n");
    Program.Result result = Program.run(folder, "--files-from=list");
    assertEquals(0, result.status(), result.err());
    assertEquals(List.of("a.jpg", "elsewhere/d.jpg", "sub/c.jpg"), files("COMPRESSED_IMAGES"));
    assertTrue(result.out().startsWith("3 images, "), result.out());
  }

  @Test
  @DisplayName("--files-from=- takes the list from standard input")
  void filesFromStandardInput() throws Exception {
    images("IMAGES/a.jpg", "IMAGES/b.jpg");
    Program.Result result = Program.run(folder, "IMAGES/b.jpg\n", Program.command("--files-from=-"));
    assertEquals(0, result.status(), result.err());
    assertEquals(List.of("b.jpg"), files("COMPRESSED_IMAGES"));
  }

  @Test
  @DisplayName("--files-from driven by xargs -P: four processes share one list and one destination")
  void filesFromXargs() throws Exception {
    List<String> expected = new ArrayList<>();
    for (int i = 10; i < 34; i++) {
      images("IMAGES/" + i + ".jpg");
      expected.add(i + ".jpg");
    }
    Files.writeString(folder.resolve("run.sh"),
        "printf '%s\\n' \"$@\" | " + Program.quoted(Program.command("--files-from=-")) + "\n");
    Program.Result result = Program.run(folder, "",
        List.of("sh", "-c", "ls IMAGES/*.jpg | xargs -P4 -n6 sh run.sh"));
    assertEquals(0, result.status(), result.err());
    assertEquals(4, result.out().lines().filter(line -> line.startsWith("6 images, ")).count(), result.out());
    assertEquals(expected, files("COMPRESSED_IMAGES"));
  }

  @Test
  @DisplayName("a list's paths that lead out of the source stay inside the destination")
  void filesFromStaysInside() throws Exception {
    images("up.jpg", "work/absolute.jpg", "other/same.jpg", "work/IMAGES/in.jpg");
    Path work = folder.resolve("work");
    String list = String.join("\n", "../up.jpg", work.resolve("absolute.jpg").toString(), "IMAGES/../../other/same.jpg",
        "IMAGES/in.jpg");
    Program.Result result = Program.run(work, list, Program.command("--files-from=-"));
    assertEquals(0, result.status(), result.err());
    String absolute = work.resolve("absolute.jpg").toString().substring(1);
    assertEquals(List.of(absolute, "in.jpg", "other/same.jpg", "up.jpg").stream().sorted().toList(),
        Program.files(work.resolve("COMPRESSED_IMAGES")));
  }

  @Test
  @DisplayName("a listed file that is missing fails, the others are done")
  void filesFromMissing() throws Exception {
    images("IMAGES/a.jpg");
    Program.Result result =
        Program.run(folder, "IMAGES/nix.jpg\nIMAGES/a.jpg\n", Program.command("--files-from=-"));
    assertEquals(1, result.status());
    assertTrue(result.messages("ERROR").getFirst().contains("nix.jpg failed: no such file"), result.err());
    assertEquals(List.of("a.jpg"), files("COMPRESSED_IMAGES"));
    assertTrue(result.out().startsWith("2 images (1 compressed, 0 kept, 0 skipped, 1 failed), "), result.out());
  }

  @Test
  @DisplayName("names in letters that the locale does not have are as good as others")
  void otherLetters() throws Exception {
    images("IMAGES/a.jpg");
    Files.createDirectory(folder.resolve("latin"));
    // In ISO 8859-1, as cards and archives of long ago have them: no valid UTF-8, and not what C knows.
    String copy = "for e in '\\351' '\\350'; do name=$(printf $e); mkdir latin/$name; cp IMAGES/a.jpg latin/$name.jpg;"
        + " cp IMAGES/a.jpg latin/$name/; done; ln -s latin/$(printf '\\351') in; mkdir copies/$(printf '\\352');"
        + " ln -s copies/$(printf '\\352') out";
    Files.createDirectory(folder.resolve("copies"));
    assumeTrue(Program.run(folder, "", List.of("bash", "-c", copy)).status() == 0, "this disk takes UTF-8 only");
    for (String locale : List.of("C", "C.UTF-8")) {
      for (List<String> arguments : List.of(List.of("-r", "latin", "copies"), List.of("in", "out"))) {
        List<String> command = new ArrayList<>(List.of("env", "LC_ALL=" + locale));
        command.addAll(Program.command(arguments.toArray(String[]::new)));
        Program.Result run = Program.run(folder, "", command);
        assertEquals(0, run.status(), run.err());
      }
    }
    Program.Result count = Program.run(folder, "", List.of("bash", "-c", "find copies -name '*.jpg' | wc -l"));
    assertEquals("5", count.out().strip());
  }

  @Test
  @DisplayName("a list may begin with a byte order mark, and empty names of folders are refused")
  void markAndNothing() throws Exception {
    images("IMAGES/a.jpg");
    Program.Result list = Program.run(folder, "\uFEFFIMAGES/a.jpg\n", Program.command("--files-from=-"));
    assertTrue(list.out().startsWith("1 image, "), list.err());
    for (String[] arguments : new String[][] {{"IMAGES", ""}, {"", "out"}}) {
      Program.Result result = Program.run(folder, arguments);
      assertEquals(2, result.status(), result.err());
      assertTrue(result.err().contains("is empty"), result.err());
    }
  }

  @Test
  @DisplayName("a list's names are bytes, in any locale; a line of 50 MB is no name; @x and 3 GB are what they are")
  void listedBytes() throws Exception {
    images("IMAGES/a.jpg", "IMAGES/@x/b.jpg");
    String latin = "(cd IMAGES && cp a.jpg \"$(printf '\\351').jpg\" && truncate -s 3G big.jpg"
        + " && cp a.jpg \"$(printf '\\303\\251').jpg\""
        + " && printf 'IMAGES/\\351.jpg\\nIMAGES/\\303\\251.jpg\\nIMAGES/big.jpg\\n'" // the list
        + " && head -c 50000000 /dev/zero | tr '\\0' x && echo && echo IMAGES/a.jpg)";
    List<String> setUp = List.of("sh", "-c", latin + " >/dev/null");
    assumeTrue(Program.run(folder, "", setUp).status() == 0, "this disk takes UTF-8 only");
    for (String locale : List.of("C", "C.UTF-8")) {
      String run = latin + " | LC_ALL=" + locale + " "
          + Program.quoted(Program.command("--files-from=-", "IMAGES", locale));
      Program.Result result = Program.run(folder, "", List.of("sh", "-c", run));
      assertTrue(result.out().startsWith("5 images (3 compressed, 0 kept, 0 skipped, 2 failed), "), result.err());
      assertTrue(result.err().contains("big.jpg failed: too large: at most 2 GB"), result.err());
      assertTrue(result.err().contains(": not a file name on this system"), result.err());
    }
    assertEquals(0, Program.run(folder, "", Program.command("IMAGES/@x", "@out")).status());
    assertEquals(List.of("b.jpg"), files("@out"));
    Program.Result at = Program.run(folder.resolve("IMAGES"), "", Program.command("@x", "out"));
    assertTrue(at.out().startsWith("1 image, "), at.err());
  }

  @Test
  @DisplayName("names with line breaks and escapes cannot write into the log")
  void controlCharacters() throws Exception {
    images("IMAGES/a\nb\u001b[31m\u009b\u0085.jpg");
    Program.Result result = Program.run(folder, "--timeline");
    assertEquals(0, result.status(), result.err());
    assertEquals(result.err().lines().count(), result.log().size());
    assertTrue(result.err().contains(" a?b?[31m??.jpg "), result.err());
    assertTrue(result.out().contains(" a?b?[31m??.jpg "), result.out());
  }

  @Test
  @DisplayName("an empty folder is no error: 0 images, and no destination is made")
  void emptyFolder() throws Exception {
    Files.createDirectory(folder.resolve("IMAGES"));
    Program.Result result = Program.run(folder);
    assertEquals(0, result.status(), result.err());
    assertTrue(result.out().startsWith("0 images, 0 B -> 0 B, ratio none, in "), result.out());
    assertFalse(Files.exists(folder.resolve("COMPRESSED_IMAGES")));
  }
}
