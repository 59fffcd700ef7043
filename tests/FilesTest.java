// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

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
      a list from standard input, and a byte order mark before it \
          | IMAGES/a.jpg IMAGES/b.jpg | --files-from=- | \uFEFFIMAGES/b.jpg\\n \
          | '1 image, ' | b.jpg
      an empty folder: no error, and no destination is made | IMAGES/notes.txt | --mode=virtual | '' \
          | '0 images, in ' | none
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
    for (int n = 0; n < 300; n++) { // the moment is one of microseconds: another one for each
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
    String copy = "mkdir latin copies others; for e in '\\351' '\\350'; do name=$(printf $e); mkdir latin/$name;"
        + " cp IMAGES/a.jpg latin/$name.jpg; cp IMAGES/a.jpg latin/$name/; done;"
        + " ln -s latin/$(printf '\\351') in; mkdir others/$(printf '\\352');"
        + " ln -s others/$(printf '\\352') out";
    assumeTrue(shell(copy).status() == 0, "this disk takes UTF-8 only");
    for (String locale : List.of("C", "C.UTF-8")) {
      for (String arguments : List.of(" in out", " -r -u latin copies")) {
        Program.Result result = shell("LC_ALL=" + locale + " " + Program.quoted(Program.command()) + arguments);
        assertFalse(result.expect(0, "").out().contains("any more"), result.out()); // each copy's image is found
      }
    }
    assertEquals("5", shell("find copies others -name '*.jpg' | wc -l").out().strip());
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
  @DisplayName("a list's names are bytes, in any locale; a line of 5 MB is no name; @x and 3 GB are what they are")
  void listedBytes() throws Exception {
    images("IMAGES/a.jpg", "IMAGES/@x/b.jpg");
    String latin = "(cd IMAGES && cp a.jpg \"$(printf '\\351').jpg\" && truncate -s 3G big.jpg"
        + " && cp a.jpg \"$(printf '\\303\\251').jpg\""
        + " && printf 'IMAGES/\\351.jpg\\nIMAGES/\\303\\251.jpg\\nIMAGES/big.jpg\\n'" // the list
        + " && head -c 5000000 /dev/zero | tr '\\0' x && echo && echo IMAGES/a.jpg)";
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

  // An album.

  @Test
  @DisplayName("sources are files and folders, the last is the destination; of two of one name the second fails")
  void sources() throws Exception {
    images("IMAGES/a.jpg", "IMAGES/b.jpg", "IMAGES/not-named.jpg", "Two/a.jpg", "Two/sub/c.jpg");
    Files.write(folder.resolve("Two/a.jpg"), new byte[1], StandardOpenOption.APPEND);
    Program.run(folder, "IMAGES/a.jpg", "Small").expect(0, "1 image, ", "1 image in IMAGES/a.jpg, ");
    Program.run(folder, "-r", "IMAGES/b.jpg", "./IMAGES/b.jpg", "Two", "Small")
        .expect(0, "3 images, ", "3 images in IMAGES/b.jpg and 2 more, ");
    assertEquals(List.of("a.jpg", "b.jpg", "sub/c.jpg"), files("Small"));
    Files.delete(folder.resolve("Small/a.jpg"));
    Program.run(folder, "-r", "IMAGES/a.jpg", "IMAGES/b.jpg", "Two", "Small")
        .expect(1, "4 images (3 compressed, 0 kept, 0 skipped, 1 failed), ",
            "a.jpg failed: its copy would replace that of IMAGES/a.jpg");
    Files.writeString(folder.resolve("Small/not-named.jpg"), "somebody's");
    Program.run(folder, "-u", "--overwrite", "IMAGES", "Small")
        .expect(0, "3 images (1 compressed, 0 kept, 2 skipped, 0 failed), ");
    Program.run(folder.resolve("IMAGES"), "a.jpg", ".").expect(2, "", "DESTINATION is SOURCE");
    Program.run(folder, "IMAGES", "nowhere.jpg", "Small").expect(2, "", "SOURCE is not there: nowhere.jpg");
    Program.run(folder, "--files-from=-", "IMAGES", "Two", "Small").expect(2, "", "there can be only one SOURCE");
    assertTrue(Files.mismatch(folder.resolve("IMAGES/a.jpg"), folder.resolve("Two/a.jpg")) > 0);
  }

  @Test
  @DisplayName("other files are left alone, and counted; --copy-rest copies them, and damaged images, once")
  void rest() throws Exception {
    images("IMAGES/a.jpg", "IMAGES/sub/damaged.jpg");
    Path damaged = folder.resolve("IMAGES/sub/damaged.jpg");
    byte[] whole = Files.readAllBytes(damaged);
    Files.write(damaged, Arrays.copyOf(whole, 2_000));
    FileTime past = FileTime.fromMillis(1_000_000_000_000L);
    for (String name : List.of("clip.MP4", "sub/notes", ".hidden", "sub/x.png", "sub/y.png")) {
      Files.writeString(folder.resolve("IMAGES/" + name), "of " + name);
      Files.setLastModifiedTime(folder.resolve("IMAGES/" + name), past);
    }
    Files.writeString(Files.createDirectories(folder.resolve("Album/sub")).resolve("y.png"), "somebody's");
    String out = Program.run(folder, "-r", "IMAGES", "Album").expect(1, "2 images (").out();
    assertTrue(out.endsWith("\n4 other files (mp4, notes, png) were left alone\n"), out);
    out = Program.run(folder, "-r", "-n", "--copy-rest", "IMAGES", "Album")
        .expect(1, "", "sub/y.png was not copied: there is a file that Compress did not copy: ").out();
    assertTrue(out.contains("\n4 other files (jpg, mp4, notes, png) would be copied\n"), out);
    assertEquals(List.of("a.jpg", "sub/y.png"), files("Album"));
    String[] command = {"-r", "-u", "--copy-rest", "IMAGES", "Album"};
    out = Program.run(folder, command).expect(1, "2 images (0 compressed, 0 kept, 1 skipped, 1 failed), ",
        "sub/damaged.jpg failed: ", "sub/y.png was not copied: there is a file that Compress did not copy: ").out();
    assertTrue(out.endsWith("\n4 other files (jpg, mp4, notes, png) were copied\n"), out);
    assertEquals("somebody's", Files.readString(folder.resolve("Album/sub/y.png")));
    assertEquals(past, Files.getLastModifiedTime(folder.resolve("Album/clip.MP4")));
    Files.delete(folder.resolve("Album/sub/y.png"));
    Program.run(folder, command).expect(0, "2 images (0 compressed, 0 kept, 2 skipped, 0 failed), ");
    assertEquals("", shell("diff -rq -x .hidden -x a.jpg IMAGES Album").out());
    // What changes is done again: the damaged image is whole now.
    Files.writeString(folder.resolve("IMAGES/clip.MP4"), "a newer one");
    Files.write(damaged, whole);
    out = Program.run(folder, command).expect(0, "2 images (1 compressed, 0 kept, 1 skipped, 0 failed), ").out();
    assertTrue(out.endsWith("\n1 other file (mp4) was copied\n"), out);
    assertEquals("a newer one", Files.readString(folder.resolve("Album/clip.MP4")));
    assertTrue(Files.size(folder.resolve("Album/sub/damaged.jpg")) < whole.length);
    // A copy that somebody has changed is that person's.
    Files.writeString(folder.resolve("Album/clip.MP4"), "somebody's");
    Program.run(folder, command).expect(1, "2 images (0 compressed, 0 kept, 2 skipped, 0 failed), ");
    assertEquals("somebody's", Files.readString(folder.resolve("Album/clip.MP4")));
  }

  @Test
  @DisplayName("--copy-rest: what is no file in the place of a copy is an error, and a FIFO there is not waited for")
  void restInTheWay() throws Exception {
    images("IMAGES/a.jpg");
    for (String name : List.of("folder.txt", "pipe.txt")) { Files.writeString(folder.resolve("IMAGES/" + name), name); }
    Path copies = Files.createDirectory(folder.resolve("COMPRESSED_IMAGES"));
    Files.createDirectory(copies.resolve("folder.txt"));
    assumeTrue(Program.succeeds(List.of("mkfifo", copies.resolve("pipe.txt").toString())), "there are no FIFOs here");
    shell("timeout 20 " + Program.quoted(Program.command("--copy-rest"))).expect(1, "1 image, ",
        "folder.txt was not copied: there is a folder", "pipe.txt was not copied: there is no file");
  }

  @Test
  @DisplayName("--copy-rest: what is there by a link is as good as a copy; a link that leads to the file is none")
  void restLinked() throws Exception {
    images("IMAGES/a.jpg");
    Path notes = Files.writeString(folder.resolve("IMAGES/notes.txt"), "notes");
    Path copy = Files.createDirectory(folder.resolve("COMPRESSED_IMAGES")).resolve("notes.txt");
    Files.createLink(copy, notes);
    String out = Program.run(folder, "-u", "--copy-rest").expect(0, "1 image, ").out();
    assertTrue(out.endsWith("\n1 other file (txt) was copied\n"), out);
    assertTrue(Files.isSameFile(notes, copy));
    Files.delete(notes); // now the copy is the original
    Files.createSymbolicLink(notes, Path.of("../COMPRESSED_IMAGES/notes.txt"));
    Program.run(folder, "-u", "--copy-rest").expect(0, "1 image (0 compressed, 0 kept, 1 skipped, 0 failed), ");
    Files.delete(notes);
    Files.move(copy, notes);
    Files.createSymbolicLink(copy, Path.of("../IMAGES/notes.txt"));
    Program.run(folder, "-u", "--copy-rest").expect(1, "1 image (0 compressed, 0 kept, 1 skipped, 0 failed), ",
        "notes.txt was not copied: its copy would replace the image itself: ");
    assertEquals("notes", Files.readString(notes));
  }

  @Test
  @DisplayName("what failed for want of memory is copied, and tried again when there is more")
  void restAgain() throws Exception {
    Path large = Program.project().resolve("IMAGES/harbour.jpg");
    Files.copy(large, Files.createDirectory(folder.resolve("IMAGES")).resolve("a.jpg"));
    String[] options = {"-u", "--copy-rest", "--engine=pixels"};
    Program.run(folder, "", Program.java(List.of("-Xmx32m"), options)).expect(1, "1 image (", "of memory");
    assertEquals(-1, Files.mismatch(large, folder.resolve("COMPRESSED_IMAGES/a.jpg")));
    Program.run(folder, options).expect(0, "1 image, ");
  }

  @Test
  @DisplayName("--update says how many copies have no image any more, --dry-run which")
  void orphans() throws Exception {
    images("IMAGES/a.jpg", "IMAGES/sub/b.jpg", "IMAGES/sub/c.jpg");
    assertFalse(Program.run(folder, "-r").expect(0, "").out().contains("any more"));
    images("COMPRESSED_IMAGES/sub/foreign.jpg");
    Files.move(folder.resolve("IMAGES/sub/b.jpg"), folder.resolve("IMAGES/sub/renamed.jpg"));
    String out =
        Program.run(folder, "-r", "-u").expect(0, "3 images (1 compressed, 0 kept, 2 skipped, 0 failed), ").out();
    assertTrue(out.endsWith("\n1 copy has no image in IMAGES any more\n"), out);
    Files.delete(folder.resolve("IMAGES/a.jpg"));
    out = Program.run(folder, "-r", "-u", "-n").expect(0, "2 images (").out();
    assertTrue(out.contains("\n2 copies have no image in IMAGES any more\n  a.jpg\n  sub/b.jpg\n"), out);
    Files.createSymbolicLink(folder.resolve("IMAGES/a.jpg"), Path.of("nowhere.jpg")); // an image that fails
    out = Program.run(folder, "-r", "-u", "-n").expect(1, "3 images (").out();
    assertTrue(out.contains("\n1 copy has no image in IMAGES any more\n  sub/b.jpg\n"), out);
    assertFalse(Program.run(folder, "IMAGES/sub/b.jpg", "-u", "--files-from=/dev/null").out().contains("any more"));
  }

  @Test
  @DisplayName("the log says which folders were created: DESTINATION by its name, those below it by their paths")
  void created() throws Exception {
    images("IMAGES/2024/may/a.jpg", "IMAGES/b.jpg");
    assertEquals(List.of("created Small"), created("IMAGES", "out/Small"));
    assertEquals(List.of("created Small/2024/may"), created("-r", "IMAGES", "out/Small"));
  }

  private List<String> created(String... arguments) throws Exception {
    return Program.run(folder, arguments).messages("INFO").stream().filter(line -> line.startsWith("created")).toList();
  }

  @ParameterizedTest(name = "{0}")
  @ValueSource(strings = {"--recursive", "--dry-run"})
  @DisplayName("the last line of a run that is stopped says how far it came")
  void stopped(String option) throws Exception {
    images("IMAGES/a.jpg", "IMAGES/b.jpg");
    // An image that was changed in this second by a clock of whole seconds is waited for.
    long second = System.currentTimeMillis() / 1_000 * 1_000;
    Files.setLastModifiedTime(folder.resolve("IMAGES/a.jpg"), FileTime.fromMillis(second - 100_000));
    Files.setLastModifiedTime(folder.resolve("IMAGES/b.jpg"), FileTime.fromMillis(second));
    List<String> command = Program.command("-m", "sequential", option);
    Process process = new ProcessBuilder(command).directory(folder.toFile()).start();
    try (BufferedReader log = process.errorReader()) {
      while (!log.readLine().contains("[1/2] a.jpg")) {
        second = System.currentTimeMillis() / 1_000 * 1_000;
        Files.setLastModifiedTime(folder.resolve("IMAGES/b.jpg"), FileTime.fromMillis(second));
      }
      Program.succeeds(List.of("kill", "-TERM", Long.toString(process.pid()))); // INT is ignored behind nohup
      assertEquals("Compress: stopped after 1 of 2 images"
          + (option.equals("--dry-run") ? "" : "; --update goes on from there"), log.readLine());
    }
    assertEquals(143, process.waitFor());
  }

  @Test
  @DisplayName("a failure is told once where the run is short; on a terminal what is up to date is only counted, "
      + "and --quiet keeps the live line")
  void told() throws Exception {
    images("IMAGES/a.jpg", "IMAGES/b.jpg");
    Files.writeString(folder.resolve("IMAGES/damaged.jpg"), "not a JPEG");
    String err = Program.run(folder).expect(1, "").err();
    assertEquals(1, err.split("not a JPEG", -1).length - 1, err);
    assertTrue(Program.run(folder, "-u").err().contains("a.jpg is up to date"));
    Program.assumeTerminal();
    for (String option : List.of("--recursive", "--quiet")) {
      String out = Program.run(folder, "", List.of("env", "TERM=xterm", "script", "-qec",
          Program.quoted(Program.command("-u", option)), "/dev/null")).out();
      assertFalse(out.contains("is up to date"), out);
      assertTrue(out.contains("/3 ") && out.contains("MB/s"), out);
    }
  }
}
