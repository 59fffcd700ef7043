// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.common.jimfs.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.text.Normalizer;
import java.time.Instant;
import java.util.*;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;
import picocli.CommandLine;

@DisplayName("Provenance: nothing is replaced but what Compress made, of the same image")
class ProvenanceTest {
  /** Why an image failed: what assertOutcomes calls it, and what Compress says before the path of the copy. */
  private static final Map<String, String> REASONS = Map.of(
      "NOT_OURS", "there is a file that Compress did not make (--overwrite replaces it)",
      "EQUAL", "there is the image itself, or a file equal to it (delete that, if so)",
      "ITSELF", "its copy would replace the image itself",
      "ANOTHER", "its copy would replace that of another image "
          + "(or of this one, of another EXIF date: delete that, if so)",
      "MADE_OF", "there may be what this image, a copy itself, was made of (exchange the two folders)",
      "SOURCE", "there is a file of SOURCE",
      "FOLDER", "there is a folder where its copy should be",
      "NO_FILE", "there is no file where its copy should be");

  @TempDir Path folder;
  private Path pictures;
  private Path small;

  @BeforeEach
  void names() throws Exception {
    pictures = folder.resolve("Pictures");
    small = folder.resolve("Small");
  }

  private void write(String... names) throws Exception {
    for (String name : names) {
      Pictures.write(folder.resolve(name));
    }
  }

  /** The files below a folder, with hashes of their bytes. */
  private static Map<String, Integer> state(Path folder) throws Exception {
    Map<String, Integer> state = new TreeMap<>();
    for (String name : Program.files(folder)) {
      state.put(name, Arrays.hashCode(Files.readAllBytes(folder.resolve(name))));
    }
    return state;
  }

  private static void assertOutcomes(String expected, Path source, Path destination, String... options)
      throws Exception {
    assertOutcomes(expected, destination, Program.outcomes(source, destination, options));
  }

  /** What became of each image, by its name, is this; for a failure, one of REASONS and the path of the copy. */
  private static void assertOutcomes(String expected, Path destination, Map<String, String> outcomes) {
    outcomes.replaceAll((name, outcome) -> REASONS.keySet().stream()
        .filter(word -> outcome.equals("failed: " + REASONS.get(word) + ": " + destination.resolve(name)))
        .findAny().orElse(outcome));
    // Some systems list names with their accents put otherwise than they were given.
    assertEquals("{" + expected + "}", Normalizer.normalize(outcomes.toString(), Normalizer.Form.NFC));
  }

  private void link(String name, String target) throws Exception {
    Path link = folder.resolve(name);
    Files.createDirectories(link.getParent());
    Files.createSymbolicLink(link, Path.of(target));
  }

  /** EXIF with nothing but a DateTimeOriginal, in front of everything else. */
  private void taken(String name, String when) throws Exception {
    byte[] exif = ("Exif\0\0MM\0*\0\0\0\b\0\1\u0087\u0069\0\4\0\0\0\1\0\0\0\u001A\0\0\0\0"
        + "\0\1\u0090\3\0\2\0\0\0\u0014\0\0\0\u002C\0\0\0\0" + when + "\0").getBytes(StandardCharsets.ISO_8859_1);
    Path file = Pictures.write(folder.resolve(name));
    Files.write(file, Jpegs.with(Files.readAllBytes(file), Jpegs.segment(0xE1, exif)));
  }

  // Ways in which originals were lost.

  @ParameterizedTest(name = "with {0}")
  @ValueSource(strings = {"--mode=virtual", "--update", "--overwrite"})
  @DisplayName("SOURCE and DESTINATION swapped: copies do not take the place of what they were made of")
  void swapped(String option) throws Exception {
    write("Pictures/a.jpg", "Pictures/sub/b.jpg");
    Map<String, Integer> originals = state(pictures);
    assertOutcomes("a.jpg=compressed, sub/b.jpg=compressed", pictures, small, "-r");
    assertOutcomes("a.jpg=MADE_OF, sub/b.jpg=MADE_OF", small, pictures, "-r", option);
    assertEquals(originals, state(pictures));
    // Nor do they take the place of other originals, by a link to them, whatever is asked for.
    Pictures.write(pictures.resolve("other/b.jpg"), 200, 100);
    originals = state(pictures);
    link("Linked/sub", "../Pictures/other");
    assertOutcomes("a.jpg=compressed, other/b.jpg=compressed, sub/b.jpg="
        + (option.equals("--overwrite") ? "SOURCE" : "NOT_OURS"), pictures, folder.resolve("Linked"), "-r", option);
    assertEquals(originals, state(pictures));
    // The same where the originals are copies themselves.
    Path smaller = folder.resolve("Smaller");
    Map<String, Integer> copies = state(small);
    assertOutcomes("a.jpg=compressed, sub/b.jpg=compressed", small, smaller, "-r", "-q10");
    assertFalse(Program.outcomes(smaller, small, "-r", "-q5", option).toString().contains("compressed"));
    assertEquals(copies, state(small));
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(delimiter = '|', textBlock = """
      bindfs         | bindfs --no-allow-other Pictures Small           | fusermount -u Small
      bind mount     | mount --bind Pictures Small                      | umount Small
      overlayfs      | mount -t overlay -o lowerdir=Pictures,upperdir=up,workdir=work x Small | umount Small
      fuse-overlayfs | fuse-overlayfs -o lowerdir=Pictures,upperdir=up,workdir=work Small | fusermount -u Small
      """)
  @DisplayName("originals seen through another file system stay, and so do copies that are the originals now")
  void mounted(String name, String mount, String unmount) throws Exception {
    write("made/a.jpg", "made/b.jpg");
    assertOutcomes("a.jpg=compressed, b.jpg=compressed", folder.resolve("made"), pictures);
    write("Pictures/b.jpg");
    Map<String, Integer> originals = state(pictures);
    for (String made : List.of("Small", "up", "work")) {
      Files.createDirectory(folder.resolve(made));
    }
    assumeTrue(Program.run(folder, "", List.of("sh", "-c", mount)).status() == 0, "cannot be mounted here");
    try {
      for (String option : List.of("--update", "--overwrite", "--recursive")) {
        try {
          assertFalse(Program.outcomes(pictures, small, "-q10", option).toString().contains("compressed"));
        } catch (CommandLine.ParameterException e) {
          assertTrue(e.getMessage().startsWith("DESTINATION is SOURCE"), e.getMessage());
        }
        assertEquals(originals, state(pictures));
        assertEquals(originals, state(small));
      }
    } finally {
      assertEquals(0, Program.run(folder, "", List.of("sh", "-c", unmount)).status());
    }
  }

  @Test
  @DisplayName("DESTINATION is exchanged for a link to the originals while the run goes on: they stay")
  void exchanged() throws Exception {
    write("Pictures/a.jpg", "Pictures/b.jpg");
    Map<String, Integer> originals = state(pictures);
    Compress options = Program.options(pictures, small);
    List<ImageFile> images = ImageFiles.find(options).images;
    link("Small", "Pictures");
    assertOutcomes("a.jpg=ITSELF, b.jpg=ITSELF", small, Program.outcomes(options, images));
    assertEquals(originals, state(pictures));
    ImageFile image = images.getFirst(); // and once more, just before it is written
    ImageFile.State original = image.read();
    Copy copy = Recompressor.recompress(original.bytes(), options.settings());
    Path backup = Files.createDirectory(folder.resolve("Backup"));
    Files.copy(pictures.resolve("b.jpg"), backup.resolve("a.jpg"));
    Files.delete(small);
    link("Small", "Backup");
    assertThrows(JpegException.class, () -> image.writeCopy(copy, original, options));
    assertEquals(originals.get("b.jpg"), state(backup).get("a.jpg"));
  }

  @Test
  @DisplayName("links of the source into the destination, and of the destination into the source, cost no original")
  void links() throws Exception {
    write("Pictures/sub/a.jpg", "Pictures/other/a.jpg", "b.jpg", "Small/c.jpg");
    link("Small/sub", "../Pictures/sub");
    link("Small/other", "../Pictures/sub");
    link("Pictures/b.jpg", "../Small/b.jpg");
    link("Small/b.jpg", "../b.jpg");
    link("Pictures/c.jpg", "../Small/c.jpg");
    link("Pictures/deep", "../Small");
    Files.writeString(pictures.resolve("sub/.compress-0123456789abcdef.part"), "not ours: images are here");
    Map<String, Integer> before = state(folder);
    assertOutcomes("b.jpg=ITSELF, c.jpg=ITSELF, other/a.jpg=EQUAL, sub/a.jpg=ITSELF", pictures, small, "-r");
    assertEquals(before, state(folder));
  }

  @Test
  @DisplayName("--dry-run sees, as the run does, that two new images would have one place, by links in the destination")
  void collision() throws Exception {
    write("Pictures/one/a.jpg", "Pictures/one/new/b.jpg", "Pictures/two/a.jpg", "Pictures/two/new/b.jpg");
    Files.createDirectory(folder.resolve("both"));
    link("Small/one", "../both");
    link("Small/two", "../both");
    for (String option : List.of("--dry-run", "--dry-run", "--overwrite")) {
      assertOutcomes("one/a.jpg=compressed, one/new/b.jpg=compressed, two/a.jpg=ANOTHER, two/new/b.jpg=ANOTHER",
          pictures, small, "-r", "--mode=sequential", option);
    }
  }

  @Test
  @DisplayName("two cameras' folders into one: the second IMG_0001.jpg fails, with --update and --overwrite too")
  void twoCameras() throws Exception {
    taken("One/IMG_0001.jpg", "2024:05:06 07:08:09");
    taken("Two/IMG_0001.jpg", "2024:05:06 07:08:10");
    assertOutcomes("IMG_0001.jpg=compressed", folder.resolve("One"), small);
    Map<String, Integer> before = state(small);
    for (String option : List.of("--mode=virtual", "--update", "--overwrite")) {
      assertOutcomes("IMG_0001.jpg=ANOTHER", folder.resolve("Two"), small, option);
      assertEquals(before, state(small));
    }
    taken("One/IMG_0001.jpg", "2024:05:06 07:08:09"); // an edited photograph is itself
    assertOutcomes("IMG_0001.jpg=compressed", folder.resolve("One"), small, "-q20");
  }

  @Test
  @DisplayName("a copy that somebody has changed, or moved and linked, is that person's: editors keep segments")
  void edited() throws Exception {
    write("Pictures/a.jpg");
    FileTime past = FileTime.fromMillis(1_000_000_000_000L);
    Files.setLastModifiedTime(pictures.resolve("a.jpg"), past);
    assertOutcomes("a.jpg=compressed", pictures, small);
    Path file = small.resolve("a.jpg");
    byte[] copy = Files.readAllBytes(file);
    assertTrue(new String(copy, 20, 70, StandardCharsets.ISO_8859_1).contains("Compress\0" + "30 "));
    Files.move(file, folder.resolve("moved.jpg"));
    link("Small/a.jpg", "../moved.jpg");
    assertOutcomes("a.jpg=NOT_OURS", pictures, small, "--update");
    Files.delete(file);
    Files.write(file, Arrays.copyOf(copy, 1_000_000));
    Files.setLastModifiedTime(file, past);
    assertOutcomes("a.jpg=NOT_OURS", pictures, small, "--update"); // by its size
    copy[copy.length / 2] ^= 1;
    Files.write(file, copy);
    assertOutcomes("a.jpg=NOT_OURS", pictures, small, "--update"); // by its time
    assertOutcomes("a.jpg=NOT_OURS", pictures, small);
    assertOutcomes("a.jpg=compressed", pictures, small, "--overwrite");
  }

  @Test
  @DisplayName("the note of a copy is no comment, which galleries show as a caption; that of older copies is ours, too")
  void note() throws Exception {
    write("Pictures/a.jpg");
    assertOutcomes("a.jpg=compressed", pictures, small);
    Path file = small.resolve("a.jpg");
    byte[] copy = Files.readAllBytes(file);
    assertEquals(0, Jpegs.segments(copy).stream().filter(segment -> segment.marker() == 0xFE).count());
    Jpegs.Segment note = Jpegs.find(copy, 0xE9);
    assertEquals("Compress\0" + "30 ", new String(copy, note.from() + 4, 12, StandardCharsets.ISO_8859_1));
    byte[] older = Jpegs.patched(Jpegs.patched(copy, note.from() + 1, 0xFE), note.from() + 12, ' ');
    Arrays.fill(older, note.to() - 8, note.to(), (byte) '0');
    CRC32 checksum = new CRC32();
    checksum.update(older);
    byte[] hex = "%08x".formatted(checksum.getValue()).getBytes(StandardCharsets.ISO_8859_1);
    Files.write(file, Jpegs.spliced(older, note.to() - 8, note.to(), hex));
    Files.setLastModifiedTime(file, Files.getLastModifiedTime(pictures.resolve("a.jpg")));
    assertOutcomes("a.jpg=skipped", pictures, small, "--update");
    assertOutcomes("a.jpg=compressed", pictures, small);
    assertArrayEquals(copy, Files.readAllBytes(file));
  }

  @Test
  @DisplayName("Compress Pictures . : files, links, folders and FIFOs there stay; --overwrite replaces files and links")
  void standing() throws Exception {
    for (String name : List.of("dangling", "empty", "file", "folder", "link", "other", "pipe", "same")) {
      write("Pictures/" + name + ".jpg");
    }
    write("other.jpg", "x/x.jpg");
    Files.write(folder.resolve("other.jpg"), new byte[1], StandardOpenOption.APPEND);
    Files.copy(pictures.resolve("same.jpg"), folder.resolve("same.jpg"));
    Files.createFile(folder.resolve("empty.jpg"));
    Files.writeString(folder.resolve("file.jpg"), "somebody's");
    Files.createDirectories(folder.resolve("folder.jpg"));
    link("link.jpg", "x/x.jpg");
    link("dangling.jpg", "nowhere");
    assertTrue(Program.succeeds(List.of("mkfifo", folder.resolve("pipe.jpg").toString())));
    Map<String, Integer> before = state(folder);
    String stays = "dangling.jpg=NOT_OURS, empty.jpg=%s, file.jpg=NOT_OURS, folder.jpg=FOLDER, link.jpg=NOT_OURS, "
        + "other.jpg=NOT_OURS, pipe.jpg=NO_FILE, same.jpg=EQUAL";
    assertOutcomes(stays.formatted("compressed"), pictures, folder);
    before.put("empty.jpg", state(folder).get("empty.jpg"));
    assertOutcomes(stays.formatted("skipped"), pictures, folder, "--update");
    assertEquals(before, state(folder));
    assertOutcomes(stays.formatted("compressed").replace("NOT_OURS", "compressed"), pictures, folder, "--overwrite");
    assertEquals(before.get("x/x.jpg"), state(folder).get("x/x.jpg")); // the link to it was replaced
  }

  @Test
  @DisplayName("a part that another process deletes while the copy is written is written again")
  void lostPart() throws Exception {
    Path file = Files.writeString(folder.resolve("a.jpg"), "first");
    int[] calls = new int[1];
    WholeFilesTest.write(file, new byte[10], part -> {
      if (calls[0]++ == 0) {
        Files.delete(part); // as another machine's run does that does not see the lock
      }
      return true;
    });
    assertEquals(2, calls[0]);
    assertArrayEquals(new byte[10], Files.readAllBytes(file));
    assertEquals(List.of("a.jpg"), Program.files(folder));
  }

  @Test
  @DisplayName("what another process puts there while the copy is written is not replaced")
  void meanwhile() throws Exception {
    for (int i = 0; i < 1_000; i++) {
      Path file = folder.resolve(i + ".jpg");
      long moment = System.nanoTime() + 100_000 + i * 500L; // another one for each: one of them is the moment
      FutureTask<Boolean> isFirst = new FutureTask<>(() -> {
        while (System.nanoTime() < moment) { Thread.onSpinWait(); }
        return file.toFile().createNewFile();
      });
      Thread.startVirtualThread(isFirst);
      WholeFilesTest.write(file, new byte[10], part -> false);
      assertEquals(isFirst.get() ? 0 : 10, Files.size(file), "number " + i);
    }
  }

  @Test
  @DisplayName("a copy has the group of its original or, where that may not be, is closed to its group")
  void group() throws Exception {
    write("Pictures/a.jpg");
    Files.setPosixFilePermissions(pictures.resolve("a.jpg"), PosixFilePermissions.fromString("rw-r-----"));
    assumeTrue(Program.succeeds(List.of("chgrp", "daemon", pictures.resolve("a.jpg").toString())), "only root may");
    assumeTrue(Program.succeeds(List.of("setpriv", "--version")), "setpriv is not installed");
    assertOutcomes("a.jpg=compressed", pictures, small);
    assertEquals("daemon rw-r-----", access(small.resolve("a.jpg")));
    List<String> nobody = new ArrayList<>(List.of("setpriv", "--clear-groups", "--bounding-set", "-chown"));
    nobody.addAll(Program.command("Pictures", "Closed"));
    assertEquals(0, Program.run(folder, "", nobody).status());
    assertEquals("root rw-------", access(folder.resolve("Closed/a.jpg")));
  }

  private static String access(Path file) throws Exception {
    PosixFileAttributes access = Files.readAttributes(file, PosixFileAttributes.class);
    return access.group() + " " + PosixFilePermissions.toString(access.permissions());
  }

  // --update.

  @Test
  @DisplayName("--update does what is new, changed, replaced by something older, empty, or of other options; no more")
  void update() throws Exception {
    write("Pictures/deleted.jpg", "Pictures/done.jpg", "Pictures/empty.jpg", "Pictures/kept.jpg", "Pictures/longer.jpg",
        "Pictures/older.jpg", "Pictures/touched.jpg");
    Path kept = pictures.resolve("kept.jpg");
    byte[] smallest = Program.smallest(Files.readAllBytes(kept), 30, Compress.Engine.auto);
    Files.write(kept, // less what it says of itself: that makes it a picture like others
        Jpegs.spliced(smallest, Jpegs.find(smallest, 0xE9).from(), Jpegs.find(smallest, 0xE9).to(), new byte[0]));
    FileTime past = FileTime.from(Instant.parse("2001-02-03T04:05:06.789012Z"));
    for (String name : Program.files(pictures)) {
      Files.setLastModifiedTime(pictures.resolve(name), past);
    }
    String first = "deleted.jpg=compressed, done.jpg=compressed, empty.jpg=compressed, kept.jpg=kept, "
        + "longer.jpg=compressed, older.jpg=compressed, touched.jpg=compressed";
    String none = first.replaceAll("=\\w+", "=skipped");
    assertOutcomes(first, pictures, small, "-u");
    assertEquals(past, Files.getLastModifiedTime(small.resolve("done.jpg")));
    assertOutcomes(none, pictures, small, "-u");
    Files.delete(small.resolve("deleted.jpg"));
    Files.write(small.resolve("empty.jpg"), new byte[0]);
    Files.write(pictures.resolve("longer.jpg"), new byte[1], StandardOpenOption.APPEND);
    Files.setLastModifiedTime(pictures.resolve("longer.jpg"), past);
    Files.setLastModifiedTime(pictures.resolve("touched.jpg"), FileTime.fromMillis(past.toMillis() + 1));
    Files.setLastModifiedTime(pictures.resolve("older.jpg"), FileTime.fromMillis(past.toMillis() - 60_000));
    assertOutcomes(first.replace("done.jpg=compressed", "done.jpg=skipped").replace("=kept", "=skipped"), pictures,
        small, "-u");
    assertOutcomes(none, pictures, small, "-u");
    assertOutcomes(first.replace("=kept", "=compressed"), pictures, small, "-u", "-q10"); // the kept one is ours, too
    assertOutcomes(none, pictures, small, "-u", "-q10");
    Files.setLastModifiedTime(small.resolve("done.jpg"), FileTime.fromMillis(past.toMillis() - 1_500)); // as by FAT
    assertOutcomes(none, pictures, small, "-u", "-q10");
    assertOutcomes(first, pictures, small, "-u", "--engine=pixels");
    for (String option : List.of("--keep-metadata", "--smallest", "--threshold=1")) {
      Path copies = folder.resolve(option);
      assertFalse(Program.outcomes(pictures, copies, "-u").toString().contains("skipped"));
      assertFalse(Program.outcomes(pictures, copies, "-u", option).toString().contains("skipped"), option);
    }
  }

  @Test
  @DisplayName("a change that comes while the image is compressed is noticed afterwards")
  void changesLater() throws Exception {
    write("Pictures/a.jpg");
    Files.createDirectory(small);
    Compress options = Program.options(pictures, small, "-u");
    ImageFile image = ImageFiles.find(options).images.getFirst();
    ImageFile.State original = image.read();
    Copy copy = Recompressor.recompress(original.bytes(), options.settings());
    Files.copy(Pictures.write(folder.resolve("newer.jpg")), image.image(), StandardCopyOption.REPLACE_EXISTING);
    image.writeCopy(copy, original, options);
    assertOutcomes("a.jpg=compressed", pictures, small, "-u");
    assertOutcomes("a.jpg=skipped", pictures, small, "-u");
  }

  @Test
  @DisplayName("what would not get smaller is kept as it was: here, what is compressed already; and is kept once")
  void kept() throws Exception {
    write("Pictures/a.jpg");
    assertOutcomes("a.jpg=compressed", pictures, small);
    Path again = folder.resolve("again");
    assertOutcomes("a.jpg=kept", small, again);
    assertOutcomes("a.jpg=skipped", small, again, "-u");
    assertOutcomes("a.jpg=kept", small, again);
    assertArrayEquals(Files.readAllBytes(small.resolve("a.jpg")), Files.readAllBytes(again.resolve("a.jpg")));
  }

  @Test
  @DisplayName("--recursive with the destination inside the source: copies are not compressed again")
  void inside() throws Exception {
    write("Pictures/a.jpg", "Pictures/sub/b.jpg");
    for (Path inner : List.of(pictures.resolve("Small"), pictures.resolve("sub/Small"))) {
      for (String outcome : List.of("compressed", "skipped")) {
        assertOutcomes("a.jpg=" + outcome + ", sub/b.jpg=" + outcome, pictures, inner, "-r", "-u");
      }
      Program.run(folder, "", List.of("rm", "-r", inner.toString()));
    }
    link("link", "Pictures");
    assertThrows(CommandLine.ParameterException.class, () -> Program.outcomes(pictures, folder.resolve("link")));
    assertThrows(CommandLine.ParameterException.class,
        () -> Program.outcomes(pictures.resolve("sub"), folder.resolve("link"), "-r"));
  }

  // Other systems, in memory.

  static Stream<Named<Configuration>> machines() {
    Configuration withoutHardLinks =
        Configuration.unix().toBuilder().setSupportedFeatures(Feature.SYMBOLIC_LINKS, Feature.FILE_CHANNEL).build();
    return Stream.of(Named.of("Windows", Configuration.windows()), Named.of("macOS", Configuration.osX()),
        Named.of("Linux", Configuration.unix()), Named.of("Linux without hard links", withoutHardLinks));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource
  @DisplayName("a whole run, --update, --recursive, --files-from, capitals and accents, kept and failed images on")
  void machines(Configuration machine) throws Exception {
    try (FileSystem system = Jimfs.newFileSystem(machine)) {
      Path source = Files.createDirectories(system.getPath("Bilder"));
      Path destination = system.getPath("klein").toAbsolutePath();
      byte[] jpeg = Files.readAllBytes(Pictures.write(folder.resolve("a.jpg")));
      Files.write(source.resolve("a.jpg"), jpeg);
      Files.write(source.resolve("CAF\u00C9.JPG"), jpeg);
      Files.write(source.resolve("bad.jpg"), new byte[10]);
      Files.write(Files.createDirectories(source.resolve("Sub dir")).resolve("e\u0301t\u00E9.jpeg"),
          Program.smallest(jpeg, 30, Compress.Engine.auto));
      Files.setLastModifiedTime(source.resolve("a.jpg"), FileTime.fromMillis(1_000_000_000_000L));
      Files.write(source.resolve("linked.jpg"), jpeg);
      Files.createSymbolicLink(Files.createDirectory(destination).resolve("linked.jpg"), system.getPath("nowhere"));
      String all = ("CAF\u00C9.JPG=compressed, Sub dir/\u00E9t\u00E9.jpeg=kept, a.jpg=compressed, "
          + "bad.jpg=failed: not a JPEG, linked.jpg=NOT_OURS").replace("/", system.getSeparator());
      assertOutcomes(all, source, destination, "-r");
      String again = all.replace("compressed", "skipped"); // what is kept is done again where there are no attributes
      assertOutcomes(again, source, destination, "-r", "-u");
      assertEquals(1_000_000_000_000L, Files.getLastModifiedTime(destination.resolve("a.jpg")).toMillis());
      assertOutcomes(all, source, destination, "-r");
      assertTrue(Arrays.equals(Files.readAllBytes(source.resolve("a.jpg")), jpeg));

      boolean one = Files.exists(source.resolve("A.JPG")); // A.JPG is a.jpg
      Files.write(Files.createDirectories(system.getPath("more")).resolve("A.JPG"), jpeg);
      Files.write(system.getPath("list"), "Bilder/a.jpg\nBilder/a.jpg\r\n\nmore/A.JPG\nnix.jpg\n".getBytes());
      Path into = system.getPath("into");
      Map<String, String> listed = Program.outcomes(source, into, "--files-from=list");
      assertEquals(List.of("a.jpg", system.getPath("more", "A.JPG").toString(), "nix.jpg"),
          new ArrayList<>(listed.keySet()));
      Path card = Files.createDirectories(system.getPath("card"));
      Files.write(card.resolve("A.JPG"), jpeg);
      assertOutcomes(one ? "A.JPG=ANOTHER" : "A.JPG=compressed", card, into);
      Path only = Files.createDirectories(system.getPath("only"));
      Files.copy(source.resolve("a.jpg"), only.resolve("a.jpg"));
      assertOutcomes(one ? "a.jpg=EQUAL" : "a.jpg=compressed", only, card);
      assertTrue(Arrays.equals(Files.readAllBytes(card.resolve("A.JPG")), jpeg));
    }
  }

  @Test
  @DisplayName("the originals at the head of a chain of copies are not replaced by its end, even with --overwrite")
  void chain() throws Exception {
    byte[] original = Files.readAllBytes(Pictures.write(folder.resolve("a/x.jpg")));
    Program.run(folder, "-q80", "a", "b").expect(0, "1 image");
    Program.run(folder, "-q10", "b", "c").expect(0, "1 image");
    Program.run(folder, "--overwrite", "-q5", "c", "a").expect(1, "1 image", "a copy itself");
    assertArrayEquals(original, Files.readAllBytes(folder.resolve("a/x.jpg")));
  }
}
