// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.*;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("Outcomes: no image is lost, and none pretends to be whole")
class OutcomesTest {
  private static final int QUALITY = 30;
  private static final String USERS_WORDS = "(?!.*(null|Exception|Error|javax?\\.|@[0-9a-f]{4}))"; // and no others
  private static final String REFUSED =
      USERS_WORDS + "(empty file|not a JPEG|(truncated|corrupt|not supported|it needs).+)";
  private static final long MEMORY = 24 << 20; // bytes: what would take more is left out, for the time's sake
  private static final BufferedImage PICTURE = Pictures.picture(100, 70, BufferedImage.TYPE_INT_RGB, 3);
  private static final Map<String, byte[]> KINDS = assertDoesNotThrow(() -> Jpegs.kinds(100, 70));
  private static final String DAMAGED = "(truncated|corrupt): ";

  private static final Compress.Engine AUTO = Compress.Engine.auto;

  private final List<String> wrong = new ArrayList<>(); // all of a test's, as there are hundreds of cases

  @AfterEach
  void assertNoneWrong() { assertEquals("", String.join("\n", wrong)); }

  private byte[] recompress(byte[] jpeg) { return assertDoesNotThrow(() -> Program.recompress(jpeg, QUALITY, AUTO)); }

  /** It must fail for this reason, with --smallest in the same words. */
  private void assertFails(byte[] jpeg, String reason, String what) {
    String usual = outcome(jpeg, Program.settings(QUALITY, AUTO, false, false));
    String smallest = outcome(jpeg, Program.settings(QUALITY, AUTO, true, false));
    if (!usual.matches("refused: " + reason + ".*") || !usual.equals(smallest)) {
      wrong.add(what + ": " + usual + "; " + smallest);
    }
  }

  /** What becomes of a JPEG: "whole", or "HDR" with a gain map, "refused: " with the reason, "large", or a fault. */
  static String outcome(byte[] jpeg, Recompressor.Settings settings) {
    try {
      JpegHeader header = JpegHeader.read(jpeg);
      if (header.memory(settings) > MEMORY) { return "large"; }
      byte[] copy = Recompressor.recompress(jpeg, settings).bytes();
      BufferedImage picture = Pictures.decode(copy);
      if (picture.getWidth() != header.width || picture.getHeight() != header.height) { return "of another size"; }
      byte[] map = HdrTest.second(copy);
      return map == null || Pictures.decode(map) == null ? "whole" : "HDR";
    } catch (JpegException e) {
      return (e.getMessage().matches(REFUSED) ? "refused: " : "unclear: ") + e.getMessage();
    } catch (Throwable e) {
      String place = Arrays.stream(e.getStackTrace()).map(frame -> " at " + frame).findFirst().orElse("");
      boolean own = settings.keepMetadata() && ("" + e.getMessage()).matches(".*(JFIF|thumbnail).*");
      return own ? "whole" : e + place; // the reader does not know this JFIF, which is the original's
    }
  }

  private record Faulty(String name, byte[] jpeg, String reason) {}

  @Test
  @DisplayName("every outcome is counted once, failures say why, leave nothing new and nothing old harmed")
  void oneOutcomeForEachImage(@TempDir Path folder) throws Exception {
    byte[] good = Pictures.jpeg(Pictures.picture(320, 240, BufferedImage.TYPE_INT_RGB, 1), 0.9f);
    byte[] smallest = Program.smallest(good, QUALITY, AUTO);
    byte[] half = Arrays.copyOf(good, good.length / 2);
    int frame = Jpegs.frame(good).from();
    List<Faulty> faulty = List.of(
        new Faulty("empty.jpg", new byte[0], "empty file"),
        new Faulty("text.jpg", Jpegs.ascii("This is no image."), "not a JPEG"),
        new Faulty("png.jpg", Jpegs.ascii("\211PNG\r\n\32\n\0\0\0\rIHDR"), "not a JPEG"),
        new Faulty("start.jpg", Arrays.copyOf(good, 2), "(not a JPEG|truncated)"),
        new Faulty("header.jpg", Arrays.copyOf(good, frame + 8), "truncated: "),
        new Faulty("half.jpg", half, "truncated: "),
        new Faulty("zeroed.jpg", Jpegs.join(half, new byte[half.length]), DAMAGED),
        new Faulty("twelve.jpg", Jpegs.patched(good, frame, 0xFF, 0xC1, 0, 17, 12), "not supported: 12 bits"),
        new Faulty("arithmetic.jpg", Jpegs.patched(good, frame + 1, 0xC9), "not supported: arithmetic"),
        new Faulty("lossless.jpg", Jpegs.patched(good, frame + 1, 0xC3), "not supported: lossless"),
        new Faulty("hierarchical.jpg", Jpegs.patched(good, frame + 1, 0xC5), "not supported: hierarchical"),
        new Faulty("lines.jpg", Jpegs.resized(good, 320, 0), "not supported: a height"),
        new Faulty("wide.jpg", Jpegs.resized(good, 65_535, 240), "not supported: 65535 x 240"),
        new Faulty("flat.jpg", Jpegs.resized(good, 0, 240), "corrupt: .* width of 0"),
        new Faulty("dangling.jpg", null, "no such file"),
        new Faulty("endless.jpg", null, ".*symbolic links"));
    Path images = Files.createDirectory(folder.resolve("IMAGES"));
    Path copies = folder.resolve("COMPRESSED_IMAGES");
    Files.write(images.resolve("skipped.jpg"), good);
    Program.run(folder).expect(0, "1 image, ");
    Files.createSymbolicLink(images.resolve("dangling.jpg"), Path.of("nowhere.jpg"));
    Files.createSymbolicLink(images.resolve("endless.jpg"), Path.of("endless.jpg"));
    Files.createDirectory(images.resolve("folder.jpg")); // is no image
    Map<String, byte[]> files = new TreeMap<>(Map.of("good.jpg", good, "kept.jpg", smallest));
    faulty.stream().filter(file -> file.jpeg != null).forEach(file -> files.put(file.name, file.jpeg));
    for (String name : files.keySet()) {
      Files.write(images.resolve(name), files.get(name));
      Files.writeString(copies.resolve(name), "older copy of " + name);
    }
    Files.delete(copies.resolve("half.jpg")); // and has none after the run either

    int failed = faulty.size();
    int total = 3 + failed;
    Program.Result run = Program.run(folder, "--update", "--overwrite")
        .expect(1, total + " images (1 compressed, 1 kept, 1 skipped, " + failed + " failed), ");
    Set<String> progress = IntStream.rangeClosed(1, total).mapToObj(n -> "[" + n + "/" + total + "]")
        .collect(Collectors.toSet());
    run.log().forEach(line -> progress.remove(line.message().split(" ")[0]));
    assertEquals(Set.of(), progress, run.err());
    assertEquals(failed, run.messages("ERROR").size(), run.err());
    for (Faulty file : faulty) {
      String messages = run.messages("ERROR").stream().map(error -> error.replaceFirst("^\\[\\d+/\\d+] ", ""))
          .filter(error -> error.startsWith(file.name + " failed: ")).toList().toString();
      assertTrue(messages.matches("\\[\\S+ failed: " + USERS_WORDS + file.reason + ".*]"), file.name + messages);
    }
    // Behind the log only the list of failures, the first ten: no stack traces.
    List<String> end = run.err().lines().skip(run.log().size()).toList();
    assertEquals(List.of(failed + " images failed:", "  and " + (failed - 10) + " more"),
        List.of(end.getFirst(), end.getLast()));
    assertEquals(10, end.stream().filter(line -> line.matches("  \\S+: .+")).count(), run.err());
    assertEquals(12, end.size(), run.err());
    files.remove("half.jpg");
    files.put("skipped.jpg", good);
    assertEquals(List.copyOf(files.keySet()), Program.files(copies));
    for (String name : files.keySet()) {
      byte[] copy = Files.readAllBytes(copies.resolve(name));
      switch (name) {
        case "good.jpg", "skipped.jpg" -> assertArrayEquals(recompress(good), Program.unsigned(copy));
        case "kept.jpg" -> assertArrayEquals(smallest, copy);
        default -> assertEquals("older copy of " + name, Jpegs.text(copy));
      }
    }
  }

  @Test
  @DisplayName("of ten failures the list at the end has all, and speaks of no more")
  void tenFailures(@TempDir Path folder) throws Exception {
    Path images = Pictures.write(folder.resolve("IMAGES/good.jpg")).getParent();
    for (int i = 0; i < 10; i++) { Files.write(images.resolve(i + ".jpg"), new byte[0]); }
    String err = Program.run(folder).expect(1, "11 images (1 compressed, 0 kept, 0 skipped, 10 failed), ").err();
    assertTrue(err.matches("(?s).*\n10 images failed:(\n  \\d\\.jpg: empty file){10}\n"), err);
  }

  @Test
  @DisplayName("an image or a folder without the right to read it is a failure, the others are done")
  void unreadable(@TempDir Path folder) throws Exception {
    Pictures.write(folder.resolve("IMAGES/a.jpg"));
    Path secret = Pictures.write(folder.resolve("IMAGES/secret.jpg"));
    Path closed = Pictures.write(folder.resolve("IMAGES/closed/b.jpg")).getParent();
    assertTrue(secret.toFile().setReadable(false) && closed.toFile().setReadable(false));
    List<String> command = Program.withoutPrivileges(Program.command("-r"));
    Program.Result run = Program.run(folder, "", command);
    Files.delete(secret);
    Program.Result without = Program.run(folder, "", command);
    assertTrue(closed.toFile().setReadable(true)); // so that it can be deleted
    run.expect(1, "2 images (1 compressed, 0 kept, 0 skipped, 1 failed), ", "closed cannot be read: permission denied",
        " secret.jpg failed: permission denied");
    assertEquals(2, run.messages("ERROR").size(), run.err());
    without.expect(1, ""); // what is in the folder is not done
    assertEquals(List.of("a.jpg"), Program.files(folder.resolve("COMPRESSED_IMAGES")));
  }

  @Test
  @DisplayName("an image cut off anywhere, or with bytes of its picture missing or repeated, fails, whatever its kind")
  void truncated() {
    KINDS.forEach((kind, jpeg) -> {
      assertDoesNotThrow(() -> Pictures.decode(recompress(jpeg)), kind); // whole
      int data = Jpegs.scanData(jpeg);
      int last = jpeg.length - 3; // all but the end marker, and a byte of the picture
      for (int length = last; length > 0; length -= length > last - 4 ? 1 : 1 + last / 40) {
        byte[] cut = Arrays.copyOf(jpeg, length);
        assertFails(cut, "(truncated: |corrupt: |not a JPEG)", kind + " of " + length);
        // The same with an end marker, as some programs close what they could not finish.
        if (length > data && !kind.startsWith("progressive")) {
          assertFails(Jpegs.join(cut, Jpegs.bytes(0xFF, 0xD9)), DAMAGED, kind + " of " + length + ", closed");
        }
      }
      for (int at = data; at < jpeg.length - 300; at += (jpeg.length - data) / 7) {
        assertFails(Jpegs.spliced(jpeg, at, at + 250), DAMAGED, kind + " cut at " + at);
        byte[] twice = Jpegs.spliced(jpeg, at + 250, at + 250, Arrays.copyOfRange(jpeg, at, at + 250));
        assertFails(twice, DAMAGED, kind + " repeated at " + at);
      }
    });
  }

  @Test
  @DisplayName("what programs leave before and behind the end, fill bytes, remarks, bytes that belong to no segment, "
      + "no end at all, a few stray bytes behind a scan are no damage, more of them are; a flat picture is whole")
  void harmless() throws Exception {
    KINDS.forEach((kind, jpeg) -> {
      int end = jpeg.length - 2;
      byte[] filled = jpeg;
      for (int marker : IntStream.of(Jpegs.markers(jpeg)).boxed().toList().reversed()) {
        filled = Jpegs.spliced(filled, marker, marker, Jpegs.bytes(0xFF, 0xFF, 0xFF));
      }
      for (Jpegs.Segment segment : Jpegs.segments(jpeg).reversed()) {
        filled = Jpegs.spliced(filled, segment.from(), segment.from(),
            Jpegs.join(Jpegs.segment(0xFE, "remark"), Jpegs.bytes(0xFF, 0xFF, 0xFF)));
      }
      List<byte[]> harmless = new ArrayList<>(List.of(filled, Jpegs.join(jpeg, new byte[1000]), Jpegs.join(jpeg, jpeg),
          Arrays.copyOf(jpeg, end), Jpegs.with(jpeg, Jpegs.segment(0xDC, "\0\1")))); // DNL ahead of the frame
      for (String left : List.of("\0", "\0\0\0\0", "\377", "\377\323", "\377\320\377\321", "\377\0", "U", "U\0UUU")) {
        harmless.add(Jpegs.spliced(jpeg, end, end, Jpegs.ascii(left)));
      }
      for (String lost : List.of("U", "\0\0", "\377\0U", "U".repeat(99))) {
        byte[] file = jpeg;
        for (Jpegs.Segment segment : Jpegs.segments(jpeg).reversed()) {
          file = segment.from() == 2 ? file : Jpegs.spliced(file, segment.from(), segment.from(), Jpegs.ascii(lost));
        }
        harmless.add(file);
      }
      for (byte[] file : harmless) { assertArrayEquals(recompress(jpeg), recompress(file), kind); }
      for (String stray : List.of("U".repeat(20), "\0".repeat(20), "\377\320" + "U".repeat(20))) {
        byte[] file = Jpegs.spliced(jpeg, end, end, Jpegs.ascii(stray));
        assertFails(file, "corrupt: stray data", kind + " with " + stray.length() + " bytes before its end");
      }
    });
    byte[] scans = KINDS.get("progressive");
    byte[] without = Jpegs.spliced(scans, Jpegs.scanData(scans), Jpegs.markers(scans)[0]);
    assertFails(without, "truncated: ", "a scan without data");
    int last = IntStream.of(Jpegs.markers(scans)).filter(at -> scans[at + 1] == (byte) 0xDA).max().getAsInt();
    assertFails(Jpegs.patched(scans, last, 0xD0), "corrupt: a part that cannot", "a scan without marker");
    BufferedImage flat = new BufferedImage(300, 200, BufferedImage.TYPE_INT_RGB); // two bits a block
    recompress(recompress(Pictures.jpeg(flat, 0.9f)));
    byte[] large = Pictures.jpeg(new BufferedImage(3_000, 3_000, BufferedImage.TYPE_BYTE_GRAY), 0.9f);
    Recompressor.Settings smallest = Program.settings(QUALITY, AUTO, true, false);
    recompress(Recompressor.recompress(large, smallest).bytes()); // one bit, in progressive JPEG
  }

  @Test
  @DisplayName("restart markers that are missing, doubled, swapped or strange are damage")
  void restartMarkers() {
    for (String sampling : List.of("221111", "411111", "11")) {
      byte[] jpeg = Jpegs.encode(PICTURE, Jpegs.Form.of(sampling).withRestart(5));
      int a = Jpegs.markers(jpeg)[1];
      int b = Jpegs.markers(jpeg)[2];
      Jpegs.Segment interval = Jpegs.find(jpeg, 0xDD);
      Map<String, byte[]> damaged = new LinkedHashMap<>();
      damaged.put("missing", Jpegs.spliced(jpeg, a, a + 2));
      damaged.put("doubled", Jpegs.spliced(jpeg, a, a, jpeg[a], jpeg[a + 1]));
      damaged.put("wrong number", Jpegs.patched(jpeg, a + 1, 0xD5));
      damaged.put("interval missing", Jpegs.spliced(jpeg, a, b));
      damaged.put("intervals swapped", Jpegs.join(Arrays.copyOf(jpeg, a), Arrays.copyOfRange(jpeg, b, b + 40),
          Arrays.copyOfRange(jpeg, a, b), Arrays.copyOfRange(jpeg, b + 40, jpeg.length)));
      damaged.put("another marker instead", Jpegs.patched(jpeg, a + 1, 0xC4));
      damaged.put("no interval declared", Jpegs.spliced(jpeg, interval.from(), interval.to()));
      for (int n = 1; n <= 5; n++) {
        damaged.put(n + " stray bytes before", Jpegs.spliced(jpeg, a, a, Jpegs.ascii("U".repeat(n))));
      }
      damaged.forEach((what, file) -> assertFails(file, DAMAGED, sampling + ": " + what));
    }
  }

  @Test
  @DisplayName("tables that are missing or damaged fail, and so does a component that never comes; where a sequential "
      + "JPEG has no Huffman tables, it has the usual ones, as a frame of a film")
  void tables() {
    KINDS.forEach((kind, jpeg) -> {
      for (int marker : new int[] {0xDB, 0xC4, 0xC0}) {
        Jpegs.Segment table = marker == 0xC0 ? Jpegs.frame(jpeg) : Jpegs.find(jpeg, marker);
        String what = kind + " " + Integer.toHexString(marker);
        byte[] without = jpeg;
        for (Jpegs.Segment each : Jpegs.segments(jpeg).reversed()) {
          without = each.marker() == table.marker() ? Jpegs.spliced(without, each.from(), each.to()) : without;
        }
        if (marker == 0xC4 && !kind.startsWith("progressive")) {
          assertArrayEquals(recompress(jpeg), recompress(without), what + " missing");
        } else {
          assertFails(without, DAMAGED, what + " missing");
        }
        assertFails(Jpegs.patched(jpeg, table.from() + 2, 0, 1), "corrupt: ", what + " with a length of 1");
        assertFails(Jpegs.patched(jpeg, table.from() + 2, 0xFF, 0xFF), DAMAGED, what + " of 64 kB");
      }
      Jpegs.Segment codes = Jpegs.find(jpeg, 0xC4);
      byte[] overfull = Jpegs.patched(jpeg, codes.from() + 5, 3);
      assertFails(overfull, "corrupt: ", kind + " with three codes of one bit");
      if (jpeg[codes.from() + 4] == 0 && codes.to() - codes.from() == 33) { // the standard table of DC codes, alone
        byte[] ones = Jpegs.spliced(jpeg, codes.to(), codes.to(), (byte) 12); // a code more: that of all ones
        ones = Jpegs.patched(Jpegs.patched(ones, codes.from() + 3, 32), codes.from() + 13, 2);
        assertFails(ones, "corrupt: ", kind + " with a code of all ones");
      }
      Jpegs.Segment steps = Jpegs.find(jpeg, 0xDB);
      assertFails(Jpegs.patched(jpeg, steps.from() + 4, 9), "corrupt: ", kind + " with a table 9");
    });
    byte[] scans = KINDS.get("221111 in scans");
    int[] starts = Jpegs.markers(scans); // of the second and the third scan, and the end
    assertEquals(3, starts.length);
    assertFails(Jpegs.spliced(scans, starts[1], starts[2]), DAMAGED, "third scan missing");
    assertFails(Jpegs.spliced(scans, starts[0], starts[1]), DAMAGED, "second scan missing");
    assertFails(Jpegs.patched(scans, starts[1] + 5, 1), "corrupt: ", "first component comes twice");
  }

  @Test
  @DisplayName("what is brighter than white becomes white, what is darker than black black, as by djpeg; much of that "
      + "is damage")
  void impossibleBrightness() throws Exception {
    for (int rgb : new int[] {0xFFFFFF, 0}) {
      for (int size : new int[] {16, 32}) {
        BufferedImage picture = Pictures.painted(size, size, BufferedImage.TYPE_INT_RGB, (x, y) -> rgb);
        byte[] jpeg = Jpegs.encode(picture, Jpegs.Form.of("11"));
        byte[] beyond = Jpegs.patched(jpeg, Jpegs.find(jpeg, 0xDB).from() + 5, 6); // the step of DC, thrice as large
        if (size == 16) {
          assertTrue(Pictures.psnr(Pictures.decode(beyond), recompress(beyond)) > 50, "samples of " + rgb);
        } else {
          assertFails(beyond, "corrupt: too much is brighter than white", "samples of " + rgb);
        }
      }
    }
  }

  @Test
  @DisplayName("a code for zeros that no JPEG has ends its block, as by djpeg")
  void unknownRun() {
    byte[] jpeg = KINDS.get("221111");
    Jpegs.Segment codes = Jpegs.segments(jpeg).stream().filter(s -> s.marker() == 0xC4).toList().getLast();
    byte[] strange = Jpegs.patched(jpeg, codes.from() + 5 + 16 + 3, 0x40); // for the end of a block
    assertArrayEquals(recompress(jpeg), recompress(strange));
  }

  @Test
  @DisplayName("components that share an identifier are not taken for one another; a scan of all has them in order")
  void sharedIdentifiers() {
    BufferedImage grey = Pictures.painted(8, 8, BufferedImage.TYPE_INT_RGB, (x, y) -> 0x808080); // a block of zeros
    for (int third : new int[] {3, 1}) {
      byte[] jpeg = Jpegs.encode(grey, Jpegs.Form.of("111111").withIds("\1\2" + (char) third).inScans());
      byte[] scan = Jpegs.segment(0xDA, Jpegs.bytes(2, 2, 0, third, 0, 0, 63, 0)); // the other two components
      byte[] both = Jpegs.join(
          Arrays.copyOf(jpeg, Jpegs.markers(jpeg)[0]), scan, Jpegs.bytes(0x28, 0xAF, 0xFF, 0xD9));
      if (third == 3) {
        recompress(both);
      } else {
        assertFails(both, "corrupt: ", "two components of identifier 1");
      }
    }
    Jpegs.Form form = Jpegs.Form.of("221111");
    byte[] expected = recompress(Jpegs.encode(PICTURE, form));
    for (String ids : List.of("\1\1\1", "\1\2\2", "\2\1\2")) {
      assertArrayEquals(expected, recompress(Jpegs.encode(PICTURE, form.withIds(ids))));
    }
  }
}
