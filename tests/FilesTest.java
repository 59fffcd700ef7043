// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
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
  @DisplayName("--update does what is missing, older or empty, as a power cut leaves files, and leaves the rest alone")
  void update() throws Exception {
    images("IMAGES/done.jpg", "IMAGES/edited.jpg", "IMAGES/empty.jpg", "IMAGES/new.jpg");
    assertEquals(0, Program.run(folder).status());
    FileTime past = FileTime.from(Instant.parse("2001-02-03T04:05:06Z"));
    Path copies = folder.resolve("COMPRESSED_IMAGES");
    Files.setLastModifiedTime(folder.resolve("IMAGES/done.jpg"), FileTime.from(past.toInstant().minusSeconds(60)));
    Files.setLastModifiedTime(copies.resolve("done.jpg"), past);
    Files.setLastModifiedTime(copies.resolve("edited.jpg"), past);
    Files.write(copies.resolve("empty.jpg"), new byte[0]);
    Files.delete(copies.resolve("new.jpg"));
    Program.Result result = Program.run(folder, "--update");
    assertEquals(0, result.status(), result.err());
    assertTrue(result.out().startsWith("4 images (3 compressed, 0 kept, 1 skipped, 0 failed), "), result.out());
    assertEquals(past, Files.getLastModifiedTime(copies.resolve("done.jpg")));
    assertTrue(Files.getLastModifiedTime(copies.resolve("edited.jpg")).compareTo(past) > 0);
    assertTrue(Files.size(copies.resolve("empty.jpg")) > 0);
    assertEquals(List.of("done.jpg", "edited.jpg", "empty.jpg", "new.jpg"), files("COMPRESSED_IMAGES"));
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
  @DisplayName("two images of a list whose copies would be one: the second fails, the first is kept")
  void filesFromClash() throws Exception {
    images("x.jpg", "work/x.jpg");
    Program.Result result = Program.run(folder.resolve("work"), "../x.jpg\nx.jpg\n", Program.command("--files-from=-"));
    assertEquals(1, result.status());
    assertEquals(1, result.messages("ERROR").size(), result.err());
    assertTrue(result.messages("ERROR").getFirst().contains("its copy would replace that of"), result.err());
    assertEquals(List.of("x.jpg"), Program.files(folder.resolve("work/COMPRESSED_IMAGES")));
  }

  @Test
  @DisplayName("names that differ in capitals alone are two: of images, copies, originals and folders")
  void capitals() throws Exception {
    assumeFalse(ignoresCapitals(), "this disk takes capitals for small letters");
    images("IMAGES/a.jpg", "IMAGES/A.jpg", "IMAGES/sub/b.jpg", "IMAGES/Sub/b.jpg", "COMPRESSED_IMAGES/sub/B.jpg");
    Program.Result all = Program.run(folder, "-r");
    assertEquals(0, all.status(), all.err());
    assertEquals(List.of("A.jpg", "Sub/b.jpg", "a.jpg", "sub/B.jpg", "sub/b.jpg"), files("COMPRESSED_IMAGES"));
    images("copies/sub/B.JPG", "IMAGES/Sub/c.jpg", "IMAGES/Sub/C.jpg");
    Files.createSymbolicLink(folder.resolve("copies/Sub"), Path.of("sub"));
    Files.createSymbolicLink(folder.resolve("copies/a.jpg"), Path.of("nothing"));
    String list = "IMAGES/sub/b.jpg\ncopies/sub/B.JPG\nIMAGES/Sub/c.jpg\nIMAGES/Sub/C.jpg\n"
        + "IMAGES/a.jpg\nIMAGES/A.jpg\n";
    Program.Result listed = Program.run(folder, list, Program.command("--files-from=-", "IMAGES", "copies"));
    assertEquals(0, listed.status(), listed.err());
    assertEquals(List.of("A.jpg", "a.jpg", "copies/sub/B.JPG", "sub/B.JPG", "sub/C.jpg", "sub/b.jpg", "sub/c.jpg"),
        files("copies"));
    assertEquals(0, Program.run(folder, "IMAGES", "images").status());
    assertEquals(List.of("A.jpg", "a.jpg"), files("images"));
  }

  @Test
  @DisplayName("on a disk that takes capitals for small letters no two images have one copy, and originals stay")
  void noCapitals() throws Exception {
    boolean ignored = ignoresCapitals();
    Path work = Files.createDirectory(folder.resolve("work"));
    Path card = Files.createDirectory(folder.resolve("card"));
    assumeTrue(ignored || mount(card, "mkfs.exfat DISK"), "only root may mount a memory card, and with exfat-fuse");
    try {
      images("a.jpg", "work/A.jpg", "οδος.jpg", "work/ΟΔΟΣ.jpg", "sub/b.jpg", "work/Sub/b.jpg", "work/Sub/c.jpg",
          "straße.jpg", "work/STRAßE.jpg");
      Files.createDirectories(card.resolve("new/Sub")); // sub/b.jpg fails, though it comes first
      for (String name : Program.files(folder)) { // a card's times are of whole seconds
        Files.setLastModifiedTime(folder.resolve(name), FileTime.from(Instant.now().minusSeconds(60)));
      }
      String list = "../a.jpg\nA.jpg\n../οδος.jpg\nΟΔΟΣ.jpg\n../sub/b.jpg\nSub/b.jpg\nSub/c.jpg\n"
          + "../straße.jpg\nSTRAßE.jpg\n";
      for (String outcomes : List.of("5 compressed, 0 kept, 0 skipped, ", "0 compressed, 0 kept, 5 skipped, ")) {
        Program.Result run = Program.run(work, list, Program.command("--files-from=-", "-u", ".", "../card/new"));
        assertEquals(1, run.status(), run.err());
        assertTrue(run.out().startsWith("9 images (" + outcomes), run.out() + run.err());
        assertEquals(4, run.messages("ERROR").size(), run.err());
        assertTrue(run.messages("ERROR").getFirst().contains("its copy would replace "), run.err());
        assertEquals(5, Program.files(card).size());
        assertTrue(ignored || remount(card));
      }
      byte[] original = Files.readAllBytes(folder.resolve("a.jpg"));
      for (String name : List.of("ΟΔΟΣ.jpg", "A.JPG", "STRAßE.jpg")) {
        Files.write(card.resolve(name), original);
        Files.createDirectories(card.resolve("GROßE"));
        Files.write(card.resolve("GROßE").resolve(name), original);
      }
      assertEquals(2, Program.run(folder, "card/GROßE", "card/große").status());
      assertEquals(2, Program.run(folder, "-r", "card/GROßE", "card/große/small").status());
      list = "../a.jpg\n../οδος.jpg\n../card/A.jpg\n../card/οδοσ.jpg\n../straße.jpg\n../card/STRAßE.jpg\n";
      Program.Result run = Program.run(work, list, Program.command("--files-from=-", ".", "../card"));
      assertTrue(run.out().startsWith("6 images (3 compressed, 0 kept, 0 skipped, 3 failed), "), run.out() + run.err());
      assertTrue(ignored || remount(card)); // the driver remembers what it was asked for
      for (String name : List.of("ΟΔΟΣ.jpg", "A.JPG", "STRAßE.jpg", "GROßE/ΟΔΟΣ.jpg", "GROßE/A.JPG")) {
        assertArrayEquals(original, Files.readAllBytes(card.resolve(name)), name);
      }
      assertEquals(14, Program.files(card).size());
    } finally {
      Program.succeeds(List.of("umount", card.toString()));
    }
  }

  /** Whether the disk of the tests takes capitals for small letters. */
  private boolean ignoresCapitals() throws Exception {
    return Files.exists(Files.createDirectories(folder.resolve("case")).resolveSibling("CASE"));
  }

  /** Mounts a file as a disk, after this command that makes something of it. */
  private boolean mount(Path at, String command) throws Exception {
    String disk = "'" + folder.resolve("disk") + "'";
    return Program.succeeds(List.of("sh", "-c", "truncate -s 16M " + disk + " && " + command.replace("DISK", disk)
        + " && mount -t exfat-fuse -o loop " + disk + " '" + at + "'"));
  }

  private boolean remount(Path at) throws Exception {
    return Program.succeeds(List.of("umount", at.toString())) && mount(at, "true");
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
        + " cp IMAGES/a.jpg latin/$name/; done; ln -s latin/$(printf '\\351') in; mkdir copies/$(printf '\\350');"
        + " ln -s copies/$(printf '\\350') out";
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
    assertEquals("4", count.out().strip());
  }

  @Test
  @DisplayName("images whose copies a link in the destination makes one: the second fails; a link is no copy")
  void linkedCopies() throws Exception {
    images("IMAGES/x/a.jpg", "IMAGES/y/a.jpg", "IMAGES/b.jpg", "IMAGES/c.jpg");
    Files.createDirectories(folder.resolve("COMPRESSED_IMAGES/x"));
    Files.createSymbolicLink(folder.resolve("COMPRESSED_IMAGES/y"), Path.of("x"));
    for (String outcomes : List.of("3 compressed, 0 kept, 0 skipped", "1 compressed, 0 kept, 2 skipped")) {
      Program.Result run = Program.run(folder, "-r", "-u");
      assertTrue(run.out().startsWith("4 images (" + outcomes + ", 1 failed), "), run.out());
      assertTrue(run.messages("ERROR").getFirst().contains("y/a.jpg failed: its copy would replace "), run.err());
      Files.delete(folder.resolve("COMPRESSED_IMAGES/c.jpg"));
      Files.createSymbolicLink(folder.resolve("COMPRESSED_IMAGES/c.jpg"), Path.of("b.jpg"));
    }
  }

  @Test
  @DisplayName("the root is no image, nor does an image become its own copy when the root is the destination")
  void root() throws Exception {
    images("a.jpg", "elsewhere/b.jpg");
    byte[] original = Files.readAllBytes(folder.resolve("a.jpg"));
    String list = "/\n" + folder.resolve("a.jpg").toRealPath() + "\n";
    Program.Result run = Program.run(folder, list, Program.command("--files-from=-", "elsewhere", "/"));
    assertEquals(2, run.messages("ERROR").size(), run.err());
    assertArrayEquals(original, Files.readAllBytes(folder.resolve("a.jpg")));
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
  @DisplayName("names with line breaks and escapes cannot write into the log")
  void controlCharacters() throws Exception {
    images("IMAGES/a\nb\u001b[31m.jpg");
    Program.Result result = Program.run(folder, "--timeline");
    assertEquals(0, result.status(), result.err());
    assertEquals(result.err().lines().count(), result.log().size());
    assertTrue(result.err().contains(" a?b?[31m.jpg "), result.err());
    assertTrue(result.out().contains(" a?b?[31m.jpg "), result.out());
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

  @Test
  @DisplayName("a missing folder is wrong usage, and its name is said")
  void missingFolder() throws Exception {
    Program.Result result = Program.run(folder, "nowhere");
    assertEquals(2, result.status());
    assertEquals("Compress: SOURCE is not a folder: nowhere; see --help", result.err().strip());
  }

  @Test
  @DisplayName("what would not get smaller is kept as it was: here, what is compressed already")
  void kept() throws Exception {
    images("IMAGES/a.jpg");
    assertEquals(0, Program.run(folder).status());
    Program.Result result = Program.run(folder, "COMPRESSED_IMAGES", "again");
    assertEquals(0, result.status(), result.err());
    assertTrue(result.out().startsWith("1 image (0 compressed, 1 kept, 0 skipped, 0 failed), "), result.out());
    assertArrayEquals(Files.readAllBytes(folder.resolve("COMPRESSED_IMAGES/a.jpg")),
        Files.readAllBytes(folder.resolve("again/a.jpg")));
  }
}
