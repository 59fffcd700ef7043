// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.common.jimfs.Configuration;
import com.google.common.jimfs.Jimfs;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystem;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.text.Normalizer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

@DisplayName("Provenance: nothing is replaced but what Compress made, of the same image")
class ProvenanceTest {
  private static final String NOT_OURS =
      "failed: there is a file that Compress did not make (--overwrite replaces it): ";
  private static final String EQUAL = "failed: there is the image itself, or a file equal to it (delete that, if so): ";
  private static final String ITSELF = "failed: its copy would replace the image itself: ";
  private static final String ANOTHER = "failed: its copy would replace that of another image: ";

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

  /** The files below a folder, with their bytes. */
  private static Map<String, byte[]> bytes(Path folder) throws Exception {
    Map<String, byte[]> bytes = new LinkedHashMap<>();
    for (String name : Program.files(folder)) {
      bytes.put(name, Files.readAllBytes(folder.resolve(name)));
    }
    return bytes;
  }

  private static void assertSame(Map<String, byte[]> expected, Path folder) throws Exception {
    for (String name : expected.keySet()) {
      assertArrayEquals(expected.get(name), Files.readAllBytes(folder.resolve(name)), name);
    }
  }

  private static void assertOutcomes(String expected, Path source, Path destination, String... options)
      throws Exception {
    assertEquals(expected, Program.outcomes(source, destination, options).toString());
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
    Map<String, byte[]> originals = bytes(pictures);
    assertOutcomes("{a.jpg=compressed, sub/b.jpg=compressed}", pictures, small, "-r");
    String made = "failed: there is what this copy was made of (exchange the two folders): ";
    assertOutcomes("{a.jpg=" + made + pictures.resolve("a.jpg") + ", sub/b.jpg=" + made
        + pictures.resolve("sub/b.jpg") + "}", small, pictures, "-r", option);
    assertSame(originals, pictures);
    // Nor do they take the place of other originals, by a link to them, whatever is asked for.
    write("Pictures/other/b.jpg");
    originals = bytes(pictures);
    Files.createDirectory(folder.resolve("Linked"));
    Files.createSymbolicLink(folder.resolve("Linked/sub"), pictures.resolve("other"));
    Program.outcomes(pictures, folder.resolve("Linked"), "-r", option);
    assertSame(originals, pictures);
    // The same where the originals are copies themselves.
    Path smaller = folder.resolve("Smaller");
    Map<String, byte[]> copies = bytes(small);
    assertOutcomes("{a.jpg=compressed, sub/b.jpg=compressed}", small, smaller, "-r", "-q10");
    assertFalse(Program.outcomes(smaller, small, "-r", "-q5", option).toString().contains("compressed"));
    assertSame(copies, small);
  }

  @ParameterizedTest(name = "with {0}")
  @ValueSource(strings = {"--mode=virtual", "--update"})
  @DisplayName("Compress Card . : a picture of that name in this folder stays")
  void unrelated(String option) throws Exception {
    write("Card/IMG_0001.jpg", "IMG_0001.jpg");
    byte[] other = Files.readAllBytes(folder.resolve("IMG_0001.jpg"));
    Files.write(folder.resolve("IMG_0001.jpg"), Arrays.copyOf(other, other.length + 1));
    Map<String, byte[]> before = bytes(folder);
    assertOutcomes("{IMG_0001.jpg=" + NOT_OURS + folder.resolve("IMG_0001.jpg") + "}", folder.resolve("Card"), folder,
        option);
    assertSame(before, folder);
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
    assertOutcomes("{a.jpg=compressed, b.jpg=compressed}", folder.resolve("made"), pictures);
    write("Pictures/b.jpg");
    Map<String, byte[]> originals = bytes(pictures);
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
        assertSame(originals, pictures);
        assertSame(originals, small);
      }
    } finally {
      assertEquals(0, Program.run(folder, "", List.of("sh", "-c", unmount)).status());
    }
  }

  @Test
  @DisplayName("DESTINATION is exchanged for a link to the originals while the run goes on: they stay")
  void exchanged() throws Exception {
    write("Pictures/a.jpg", "Pictures/b.jpg");
    Map<String, byte[]> originals = bytes(pictures);
    Compress options = Program.options(pictures, small);
    List<ImageFile> images = ImageFiles.find(options).images;
    Files.createSymbolicLink(small, Path.of("Pictures"));
    assertEquals("{a.jpg=" + ITSELF + small.resolve("a.jpg") + ", b.jpg=" + ITSELF + small.resolve("b.jpg") + "}",
        Program.outcomes(options, images).toString());
    assertSame(originals, pictures);
    ImageFile image = images.getFirst(); // and once more, just before it is written
    ImageFile.State original = image.read();
    Copy copy = Recompressor.recompress(original.bytes(), options.settings());
    Path backup = folder.resolve("Backup");
    Files.createDirectory(backup);
    Files.copy(pictures.resolve("b.jpg"), backup.resolve("a.jpg"));
    Files.delete(small);
    Files.createSymbolicLink(small, backup);
    assertThrows(JpegException.class, () -> image.writeCopy(copy, original, options));
    assertArrayEquals(originals.get("b.jpg"), Files.readAllBytes(backup.resolve("a.jpg")));
  }

  @Test
  @DisplayName("links of the source into the destination, and of the destination into the source, cost no original")
  void links() throws Exception {
    write("Pictures/sub/a.jpg", "Pictures/other/a.jpg", "b.jpg", "Small/c.jpg");
    Files.createDirectories(small);
    Files.createSymbolicLink(small.resolve("sub"), Path.of("../Pictures/sub"));
    Files.createSymbolicLink(small.resolve("other"), Path.of("../Pictures/sub"));
    Files.createSymbolicLink(pictures.resolve("b.jpg"), Path.of("../Small/b.jpg"));
    Files.createSymbolicLink(small.resolve("b.jpg"), Path.of("../b.jpg"));
    Files.createSymbolicLink(pictures.resolve("c.jpg"), Path.of("../Small/c.jpg"));
    Files.createSymbolicLink(pictures.resolve("deep"), Path.of("../Small"));
    Files.writeString(pictures.resolve("sub/.compress-0123456789abcdef.part"), "not ours: images are here");
    Map<String, byte[]> before = bytes(folder);
    assertOutcomes("{b.jpg=" + ITSELF + small.resolve("b.jpg") + ", c.jpg=" + ITSELF + small.resolve("c.jpg")
        + ", other/a.jpg=" + EQUAL + small.resolve("other/a.jpg") + ", sub/a.jpg=" + ITSELF
        + small.resolve("sub/a.jpg") + "}", pictures, small, "-r");
    assertSame(before, folder);
  }

  @Test
  @DisplayName("two cameras' folders into one: the second IMG_0001.jpg fails, with --update and --overwrite too")
  void twoCameras() throws Exception {
    taken("One/IMG_0001.jpg", "2024:05:06 07:08:09");
    taken("Two/IMG_0001.jpg", "2024:05:06 07:08:10");
    assertOutcomes("{IMG_0001.jpg=compressed}", folder.resolve("One"), small);
    Map<String, byte[]> before = bytes(small);
    for (String option : List.of("--mode=virtual", "--update", "--overwrite")) {
      assertOutcomes("{IMG_0001.jpg=" + ANOTHER + small.resolve("IMG_0001.jpg") + "}", folder.resolve("Two"), small,
          option);
      assertSame(before, small);
    }
    taken("One/IMG_0001.jpg", "2024:05:06 07:08:09"); // an edited photograph is itself
    assertOutcomes("{IMG_0001.jpg=compressed}", folder.resolve("One"), small, "-q20");
  }

  @Test
  @DisplayName("a copy that somebody has changed is that person's: editors keep comments")
  void edited() throws Exception {
    write("Pictures/a.jpg");
    assertOutcomes("{a.jpg=compressed}", pictures, small);
    byte[] copy = Files.readAllBytes(small.resolve("a.jpg"));
    assertTrue(new String(copy, 20, 70, StandardCharsets.ISO_8859_1).contains("Compress 30 "));
    copy[copy.length / 2] ^= 1;
    Files.write(small.resolve("a.jpg"), copy);
    assertOutcomes("{a.jpg=" + NOT_OURS + small.resolve("a.jpg") + "}", pictures, small);
    assertOutcomes("{a.jpg=compressed}", pictures, small, "--overwrite");
  }

  @Test
  @DisplayName("what stands there: a file, a link, a folder, a FIFO, what may not be read")
  void standing() throws Exception {
    write("Pictures/dangling.jpg", "Pictures/empty.jpg", "Pictures/file.jpg", "Pictures/folder.jpg",
        "Pictures/link.jpg", "Pictures/same.jpg", "Small/x/x.jpg");
    Files.copy(pictures.resolve("same.jpg"), small.resolve("same.jpg"));
    Files.writeString(small.resolve("empty.jpg"), "");
    Files.writeString(small.resolve("file.jpg"), "somebody's");
    Files.createDirectories(small.resolve("folder.jpg"));
    Files.createSymbolicLink(small.resolve("link.jpg"), Path.of("x/x.jpg"));
    Files.createSymbolicLink(small.resolve("dangling.jpg"), Path.of("nowhere"));
    boolean fifo = Program.succeeds(List.of("mkfifo", small.resolve("pipe.jpg").toString()));
    write(fifo ? "Pictures/pipe.jpg" : "Pictures/empty.jpg");
    String folders = ", folder.jpg=failed: there is a folder where its copy should be: " + small.resolve("folder.jpg");
    String others = (fifo ? ", pipe.jpg=failed: there is no file where its copy should be: " + small.resolve("pipe.jpg")
        : "") + ", same.jpg=" + EQUAL + small.resolve("same.jpg") + "}";
    assertOutcomes("{dangling.jpg=" + NOT_OURS + small.resolve("dangling.jpg") + ", empty.jpg=compressed, file.jpg="
        + NOT_OURS + small.resolve("file.jpg") + folders + ", link.jpg=" + NOT_OURS + small.resolve("link.jpg")
        + others, pictures, small);
    byte[] target = Files.readAllBytes(small.resolve("x/x.jpg"));
    assertOutcomes("{dangling.jpg=compressed, empty.jpg=compressed, file.jpg=compressed" + folders
        + ", link.jpg=compressed" + others, pictures, small, "--overwrite");
    assertArrayEquals(target, Files.readAllBytes(small.resolve("x/x.jpg")));
  }

  @Test
  @DisplayName("what another process puts there while the copy is written is not replaced, nor lost is a part's loss")
  void meanwhile() throws Exception {
    write("Pictures/a.jpg");
    ImageFile.State state = new ImageFile.State(null, FileTime.from(Instant.now()), null);
    Path file = small.resolve("a.jpg");
    Files.createDirectories(small);
    Files.writeString(file, "first");
    int[] calls = new int[1];
    WholeFile.write(file, new byte[10], state, null, part -> {
      if (calls[0]++ == 0) {
        Files.delete(part); // as another machine's run does that does not see the lock
      }
      return true;
    });
    assertEquals(2, calls[0]);
    assertArrayEquals(new byte[10], Files.readAllBytes(file));
    assertEquals(List.of("a.jpg"), Program.files(small));
  }

  @Test
  @DisplayName("a copy has the group of its original or, where that may not be, is closed to its group")
  void group() throws Exception {
    write("Pictures/a.jpg");
    Files.setPosixFilePermissions(pictures.resolve("a.jpg"), PosixFilePermissions.fromString("rw-r-----"));
    assumeTrue(Program.succeeds(List.of("chgrp", "daemon", pictures.resolve("a.jpg").toString())), "only root may");
    assumeTrue(Program.succeeds(List.of("setpriv", "--version")), "setpriv is not installed");
    assertOutcomes("{a.jpg=compressed}", pictures, small);
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
    String[] names = {"Pictures/deleted.jpg", "Pictures/done.jpg", "Pictures/empty.jpg", "Pictures/kept.jpg",
        "Pictures/older.jpg", "Pictures/touched.jpg"};
    write(names);
    byte[] smallest =
        Program.smallest(Files.readAllBytes(folder.resolve("Pictures/kept.jpg")), 30, Compress.Engine.auto);
    Files.write(folder.resolve("Pictures/kept.jpg"), // less what it says of itself: that makes it a picture like others
        Jpegs.spliced(smallest, Jpegs.find(smallest, 0xFE).from(), Jpegs.find(smallest, 0xFE).to(), new byte[0]));
    FileTime past = FileTime.from(Instant.parse("2001-02-03T04:05:06.789012Z"));
    for (String name : names) {
      Files.setLastModifiedTime(folder.resolve(name), past);
    }
    String first = "{deleted.jpg=compressed, done.jpg=compressed, empty.jpg=compressed, kept.jpg=kept, "
        + "older.jpg=compressed, touched.jpg=compressed}";
    String none = first.replaceAll("compressed|kept(?=,)", "skipped").replace("skipped.jpg", "kept.jpg");
    assertOutcomes(first, pictures, small, "-u");
    assertEquals(past, Files.getLastModifiedTime(small.resolve("done.jpg")));
    assertOutcomes(none, pictures, small, "-u");
    Files.delete(small.resolve("deleted.jpg"));
    Files.write(small.resolve("empty.jpg"), new byte[0]);
    Files.setLastModifiedTime(pictures.resolve("touched.jpg"), FileTime.fromMillis(past.toMillis() + 1));
    Files.setLastModifiedTime(pictures.resolve("older.jpg"), FileTime.fromMillis(past.toMillis() - 60_000));
    assertOutcomes(first.replace("done.jpg=compressed", "done.jpg=skipped").replace("=kept", "=skipped"), pictures,
        small, "-u");
    assertOutcomes(none, pictures, small, "-u");
    assertOutcomes(first.replace("=kept", "=compressed"), pictures, small, "-u", "-q10"); // the kept one is ours, too
    assertOutcomes(none, pictures, small, "-u", "-q10");
    assertOutcomes(first, pictures, small, "-u", "--engine=pixels");
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
    assertOutcomes("{a.jpg=compressed}", pictures, small, "-u");
    assertOutcomes("{a.jpg=skipped}", pictures, small, "-u");
  }

  @Test
  @DisplayName("what would not get smaller is kept as it was: here, what is compressed already; and is kept once")
  void kept() throws Exception {
    write("Pictures/a.jpg");
    assertOutcomes("{a.jpg=compressed}", pictures, small);
    Path again = folder.resolve("again");
    assertOutcomes("{a.jpg=kept}", small, again);
    assertOutcomes("{a.jpg=skipped}", small, again, "-u");
    assertOutcomes("{a.jpg=kept}", small, again);
    assertArrayEquals(Files.readAllBytes(small.resolve("a.jpg")), Files.readAllBytes(again.resolve("a.jpg")));
  }

  @Test
  @DisplayName("--recursive with the destination inside the source: copies are not compressed again")
  void inside() throws Exception {
    write("Pictures/a.jpg", "Pictures/sub/b.jpg");
    for (Path inner : List.of(pictures.resolve("Small"), pictures.resolve("sub/Small"))) {
      for (String outcome : List.of("compressed", "skipped")) {
        assertOutcomes("{a.jpg=" + outcome + ", sub/b.jpg=" + outcome + "}", pictures, inner, "-r", "-u");
      }
      Program.run(folder, "", List.of("rm", "-r", inner.toString()));
    }
    assertThrows(CommandLine.ParameterException.class, () -> Program.outcomes(pictures, folder, "-r"));
    Files.createSymbolicLink(folder.resolve("link"), Path.of("Pictures"));
    assertThrows(CommandLine.ParameterException.class, () -> Program.outcomes(pictures, folder.resolve("link")));
    assertThrows(CommandLine.ParameterException.class,
        () -> Program.outcomes(pictures.resolve("sub"), folder.resolve("link"), "-r"));
  }

  // Other systems, in memory.

  /** The systems that Jimfs plays. */
  enum Machine {
    WINDOWS(Configuration.windows(), "C:\\work"),
    MAC(Configuration.osX(), "/work"),
    UNIX(Configuration.unix(), "/work");

    final Configuration configuration;
    final String folder;

    Machine(Configuration configuration, String folder) {
      this.configuration = configuration;
      this.folder = folder;
    }
  }

  @ParameterizedTest
  @EnumSource
  @DisplayName("a whole run, --update, --recursive, --files-from, capitals and accents, kept and failed images on")
  void machines(Machine machine) throws Exception {
    try (FileSystem system = Jimfs.newFileSystem(machine.configuration.toBuilder()
        .setWorkingDirectory(machine.folder).build())) {
      Path source = Files.createDirectories(system.getPath("Bilder"));
      Path destination = system.getPath(machine.folder, "klein");
      byte[] jpeg = Files.readAllBytes(Pictures.write(folder.resolve("a.jpg")));
      Files.write(source.resolve("a.jpg"), jpeg);
      Files.write(source.resolve("CAF\u00C9.JPG"), jpeg);
      Files.write(source.resolve("bad.jpg"), new byte[10]);
      Files.write(Files.createDirectories(source.resolve("Sub dir")).resolve("e\u0301t\u00E9.jpeg"),
          Program.smallest(jpeg, 30, Compress.Engine.auto));
      Files.setLastModifiedTime(source.resolve("a.jpg"), FileTime.fromMillis(1_000_000_000_000L));
      String all = ("{CAF\u00C9.JPG=compressed, Sub dir/\u00E9t\u00E9.jpeg=kept, a.jpg=compressed, "
          + "bad.jpg=failed: not a JPEG}").replace("/", system.getSeparator());
      assertEquals(all, composed(Program.outcomes(source, destination, "-r")));
      String again = all.replace("compressed", "skipped"); // what is kept is done again where there are no attributes
      assertEquals(again, composed(Program.outcomes(source, destination, "-r", "-u")));
      assertEquals(1_000_000_000_000L, Files.getLastModifiedTime(destination.resolve("a.jpg")).toMillis());
      assertEquals(all, composed(Program.outcomes(source, destination, "-r")));
      assertTrue(Arrays.equals(Files.readAllBytes(source.resolve("a.jpg")), jpeg));

      boolean one = machine != Machine.UNIX; // A.JPG is a.jpg
      Files.write(Files.createDirectories(system.getPath("more")).resolve("A.JPG"), jpeg);
      Files.write(system.getPath("list"), "Bilder/a.jpg\nBilder/a.jpg\r\n\nmore/A.JPG\nnix.jpg\n".getBytes());
      Path into = system.getPath("into");
      Map<String, String> listed = Program.outcomes(source, into, "--files-from=list");
      assertEquals(List.of("a.jpg", system.getPath("more", "A.JPG").toString(), "nix.jpg"),
          new ArrayList<>(listed.keySet()));
      Path card = Files.createDirectories(system.getPath("card"));
      Files.write(card.resolve("A.JPG"), jpeg);
      assertEquals("{A.JPG=" + (one ? ANOTHER + system.getPath("into", "A.JPG") : "compressed") + "}",
          Program.outcomes(card, into).toString());
      assertEquals(one ? "{a.jpg=" + EQUAL + system.getPath("card", "a.jpg") + "}" : "{a.jpg=compressed}",
          Program.outcomes(onlyA(source), card).toString());
      assertTrue(Arrays.equals(Files.readAllBytes(card.resolve("A.JPG")), jpeg));
    }
  }

  /** Accents put in one way: some systems list names otherwise than they were given. */
  private static String composed(Object outcomes) {
    return Normalizer.normalize(outcomes.toString(), Normalizer.Form.NFC);
  }

  private static Path onlyA(Path source) throws Exception {
    Path only = Files.createDirectories(source.resolveSibling("only"));
    return Files.copy(source.resolve("a.jpg"), only.resolve("a.jpg"), StandardCopyOption.COPY_ATTRIBUTES).getParent();
  }
}
