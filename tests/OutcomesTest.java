// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

@ParameterizedClass(name = "engine {0}")
@EnumSource
@DisplayName("Outcomes: no image is lost, and none pretends to be whole")
class OutcomesTest {
  private static final int QUALITY = 30;

  private final Compress.Engine engine;

  OutcomesTest(Compress.Engine engine) {
    this.engine = engine;
  }

  private byte[] recompress(byte[] jpeg) throws IOException {
    return Program.recompress(jpeg, QUALITY, engine);
  }

  private final List<String> wrong = new ArrayList<>(); // all of a test's, as there are hundreds of cases

  @AfterEach
  void assertNoneWrong() {
    assertEquals(0, wrong.size(), () -> "\n" + String.join("\n", wrong) + "\n");
  }

  private void assertFails(byte[] jpeg, String expected, String what) {
    try {
      recompress(jpeg);
      wrong.add(what + ": accepted");
    } catch (JpegException e) {
      if (!e.getMessage().matches(expected + ".*") || !isUsersWords(e.getMessage())) {
        wrong.add(what + ": " + e.getMessage());
      }
    } catch (IOException | RuntimeException | Error e) {
      wrong.add(what + ": " + e);
    }
  }

  private static boolean isUsersWords(String message) {
    return !message.isBlank() && !message.matches(".*(null|Exception|Error|javax?\\.|@[0-9a-f]{4}).*");
  }

  /** Sound JPEGs of every kind that the engines distinguish. */
  private static Map<String, byte[]> kinds() throws IOException {
    BufferedImage picture = Pictures.picture(100, 70, BufferedImage.TYPE_INT_RGB, 3);
    BufferedImage grey = Pictures.picture(100, 70, BufferedImage.TYPE_BYTE_GRAY, 3);
    Map<String, byte[]> kinds = new LinkedHashMap<>();
    for (String sampling : List.of("221111", "111111", "411111", "11")) {
      Jpegs.Form form = Jpegs.Form.of(sampling);
      kinds.put(sampling, Jpegs.encode(picture, form));
      kinds.put(sampling + " with restarts", Jpegs.encode(picture, form.withRestart(3)));
      kinds.put(sampling + " in scans", Jpegs.encode(picture, form.inScans()));
    }
    kinds.put("progressive", Pictures.jpeg(picture, 0.9f, true));
    kinds.put("progressive grey", Pictures.jpeg(grey, 0.9f, true));
    kinds.put("RGB", Jpegs.encode(100, Jpegs.rgb(picture), Jpegs.Form.of("111111").withHead(Jpegs.adobe(0))));
    kinds.put("CMYK", Jpegs.encode(picture, Jpegs.Form.of("11111111").withHead(Jpegs.adobe(0))));
    // Some that make libjpeg warn before it has read a pixel; of several warnings it gives the first alone.
    kinds.put("unknown Adobe code", Jpegs.encode(picture, Jpegs.Form.of("221111").withHead(Jpegs.adobe(7))));
    kinds.put("marker of a hierarchical JPEG", Jpegs.encode(picture,
        Jpegs.Form.of("411111").withHead(Jpegs.JFIF, Jpegs.segment(0xDF, Jpegs.bytes(0x11)))));
    byte[] jpeg = Jpegs.encode(picture, Jpegs.Form.of("411111"));
    kinds.put("wrong scan parameters", Jpegs.patched(jpeg, Jpegs.scanData(jpeg) - 3, 0, 0, 0));
    return kinds;
  }

  @Test
  @DisplayName("every outcome is counted once, failures say why, leave nothing new and nothing old harmed")
  void oneOutcomeForEachImage(@TempDir Path folder) throws Exception {
    byte[] good = Pictures.jpeg(Pictures.picture(320, 240, BufferedImage.TYPE_INT_RGB, 1), 0.9f);
    byte[] smallest = Program.smallest(good, QUALITY, engine);
    int frame = Jpegs.frame(good).from();
    Path png = folder.resolve("picture.png");
    ImageIO.write(Pictures.picture(40, 30, BufferedImage.TYPE_INT_RGB, 1), "png", png.toFile());

    Map<String, byte[]> sound = new LinkedHashMap<>();
    sound.put("good.jpg", good);
    sound.put("kept.jpg", smallest);
    sound.put("skipped.jpg", good);
    Map<String, byte[]> faulty = new TreeMap<>();
    Map<String, String> reasons = new LinkedHashMap<>();
    add(faulty, reasons, "empty", new byte[0], "empty file");
    add(faulty, reasons, "text", Jpegs.ascii("This is no image."), "not a JPEG");
    add(faulty, reasons, "png", Files.readAllBytes(png), "not a JPEG");
    add(faulty, reasons, "start", Arrays.copyOf(good, 2), "(not a JPEG|truncated)");
    add(faulty, reasons, "header", Arrays.copyOf(good, frame + 8), "truncated: ");
    add(faulty, reasons, "half", Arrays.copyOf(good, good.length / 2), "truncated: ");
    add(faulty, reasons, "zeroed", Jpegs.join(Arrays.copyOf(good, good.length / 2), new byte[good.length / 2]),
        "(truncated|corrupt): ");
    add(faulty, reasons, "twelve", Jpegs.patched(good, frame, 0xFF, 0xC1, 0, 17, 12), "not supported: 12 bits");
    add(faulty, reasons, "arithmetic", Jpegs.patched(good, frame + 1, 0xC9), "not supported: arithmetic");
    add(faulty, reasons, "lossless", Jpegs.patched(good, frame + 1, 0xC3), "not supported: lossless");
    add(faulty, reasons, "hierarchical", Jpegs.patched(good, frame + 1, 0xC5), "not supported: hierarchical");
    add(faulty, reasons, "lines", Jpegs.resized(good, 320, 0), "not supported: a height");
    add(faulty, reasons, "wide", Jpegs.resized(good, 65_535, 240), "not supported: 65535 x 240");
    add(faulty, reasons, "flat", Jpegs.resized(good, 0, 240), "corrupt: .* width of 0");
    Path images = Files.createDirectory(folder.resolve("IMAGES"));
    Path copies = folder.resolve("COMPRESSED_IMAGES");
    Files.write(images.resolve("skipped.jpg"), sound.remove("skipped.jpg"));
    assertEquals(0, Program.run(folder, "--engine=" + engine).status());
    for (Map<String, byte[]> files : List.of(sound, faulty)) {
      for (Map.Entry<String, byte[]> file : files.entrySet()) {
        Files.write(images.resolve(file.getKey()), file.getValue());
        Files.writeString(copies.resolve(file.getKey()), "older copy of " + file.getKey());
      }
    }
    Files.createSymbolicLink(images.resolve("dangling.jpg"), Path.of("nowhere.jpg"));
    reasons.put("dangling.jpg", "no such file");
    Files.createSymbolicLink(images.resolve("endless.jpg"), Path.of("endless.jpg"));
    reasons.put("endless.jpg", ".*symbolic links");
    Files.createDirectory(images.resolve("folder.jpg")); // is no image
    Files.delete(copies.resolve("half.jpg")); // and has none after the run either

    Program.Result run = Program.run(folder, "--engine=" + engine, "--update", "--overwrite");
    assertEquals(1, run.status(), run.err());
    int total = 1 + sound.size() + reasons.size();
    String outcomes = " images (1 compressed, 1 kept, 1 skipped, " + reasons.size() + " failed), ";
    assertTrue(run.out().startsWith(total + outcomes), run.out());
    Map<String, String> failures = new TreeMap<>();
    Pattern pattern = Pattern.compile("\\[\\d+/" + total + "] (\\S+) failed: (.+)");
    for (String error : run.messages("ERROR")) {
      Matcher matcher = pattern.matcher(error);
      assertTrue(matcher.matches(), error);
      assertEquals(null, failures.put(matcher.group(1), matcher.group(2)), "once");
    }
    assertEquals(reasons.keySet().stream().sorted().toList(), List.copyOf(failures.keySet()));
    reasons.forEach((name, reason) -> {
      String message = failures.get(name);
      assertTrue(message.matches(reason + ".*") && isUsersWords(message), name + ": " + message);
    });
    // Behind the log only the list of failures, the first ten: no stack traces.
    List<String> end = run.err().lines().skip(run.log().size()).toList();
    assertEquals(List.of(reasons.size() + " images failed:", "  and " + (reasons.size() - 10) + " more"),
        List.of(end.getFirst(), end.getLast()));
    assertEquals(10, end.stream().filter(line -> line.matches("  \\S+: .+")).count(), run.err());
    assertEquals(12, end.size(), run.err());
    for (String name : Program.files(copies)) {
      byte[] copy = Files.readAllBytes(copies.resolve(name));
      switch (name) {
        case "good.jpg", "skipped.jpg" -> assertArrayEquals(recompress(good), Program.unsigned(copy));
        case "kept.jpg" -> assertArrayEquals(smallest, copy);
        default -> assertEquals("older copy of " + name, new String(copy, "US-ASCII"));
      }
    }
    List<String> left = new ArrayList<>(sound.keySet());
    left.addAll(faulty.keySet());
    left.add("skipped.jpg");
    left.remove("half.jpg");
    assertEquals(left.stream().sorted().toList(), Program.files(copies));
  }

  private static void add(
      Map<String, byte[]> files, Map<String, String> reasons, String name, byte[] jpeg, String reason) {
    files.put(name + ".jpg", jpeg);
    reasons.put(name + ".jpg", reason);
  }

  @Test
  @DisplayName("an image or a folder without the right to read it is a failure, the others are done")
  void unreadable(@TempDir Path folder) throws Exception {
    Pictures.write(folder.resolve("IMAGES/a.jpg"));
    Path secret = Pictures.write(folder.resolve("IMAGES/secret.jpg"));
    Pictures.write(folder.resolve("IMAGES/closed/b.jpg"));
    assertTrue(secret.toFile().setReadable(false) && folder.resolve("IMAGES/closed").toFile().setReadable(false));
    List<String> command = Program.withoutPrivileges(Program.command("-r", "--engine=" + engine));
    Program.Result run = Program.run(folder, "", command);
    Files.delete(secret);
    Program.Result without = Program.run(folder, "", command);
    assertTrue(folder.resolve("IMAGES/closed").toFile().setReadable(true)); // so that it can be deleted
    assertEquals(1, run.status(), run.err());
    assertEquals(1, without.status(), without.err()); // what is in the folder is not done
    assertTrue(run.out().startsWith("2 images (1 compressed, 0 kept, 0 skipped, 1 failed), "), run.out());
    assertEquals(2, run.messages("ERROR").size(), run.err());
    String errors = String.join("\n", run.messages("ERROR"));
    assertTrue(errors.contains("closed cannot be read: permission denied"), errors);
    assertTrue(errors.contains(" secret.jpg failed: permission denied"), errors);
    assertEquals(List.of("a.jpg"), Program.files(folder.resolve("COMPRESSED_IMAGES")));
  }

  @Test
  @DisplayName("an image cut off anywhere fails, whatever its kind")
  void truncated() throws Exception {
    for (Map.Entry<String, byte[]> kind : kinds().entrySet()) {
      byte[] jpeg = kind.getValue();
      Pictures.decode(recompress(jpeg)); // whole, it does not fail
      int last = jpeg.length - 3; // all but the end marker, and a byte of the picture
      for (int length = last; length > 0; length -= length > last - 4 ? 1 : 1 + last / 40) {
        assertFails(Arrays.copyOf(jpeg, length), "(truncated: |corrupt: |not a JPEG)", kind.getKey() + " of " + length);
        // The same with an end marker, as some programs close what they could not finish.
        byte[] closed = Jpegs.join(Arrays.copyOf(jpeg, length), Jpegs.bytes(0xFF, 0xD9));
        if (length > Jpegs.scanData(jpeg) && !kind.getKey().startsWith("progressive")) {
          assertFails(closed, "(truncated: |corrupt: )", kind.getKey() + " of " + length + ", closed");
        }
      }
    }
  }

  @Test
  @DisplayName("an image with bytes of its picture missing or repeated fails")
  void missingBytes() throws Exception {
    for (Map.Entry<String, byte[]> kind : kinds().entrySet()) {
      byte[] jpeg = kind.getValue();
      int data = Jpegs.scanData(jpeg);
      for (int at = data; at < jpeg.length - 300; at += (jpeg.length - data) / 7) {
        assertFails(Jpegs.spliced(jpeg, at, at + 250), "(truncated|corrupt): ", kind.getKey() + " cut at " + at);
        byte[] twice = Jpegs.spliced(jpeg, at + 250, at + 250, Arrays.copyOfRange(jpeg, at, at + 250));
        assertFails(twice, "(truncated|corrupt): ", kind.getKey() + " repeated at " + at);
      }
    }
  }

  @Test
  @DisplayName("what cameras and programs leave before the end is no damage, stray bytes are; a flat picture is whole")
  void ends() throws Exception {
    for (Map.Entry<String, byte[]> kind : kinds().entrySet()) {
      byte[] jpeg = kind.getValue();
      int end = jpeg.length - 2;
      for (int[] left : new int[][] {{0}, {0, 0, 0, 0}, {0xFF}, {0xFF, 0xD3}, {0xFF, 0xD0, 0xFF, 0xD1}, {0xFF, 0}}) {
        recompress(Jpegs.spliced(jpeg, end, end, Jpegs.bytes(left)));
      }
      for (int n = 1; n <= 5; n++) {
        byte[] stray = Jpegs.spliced(jpeg, end, end, "UUUUU".substring(0, n).getBytes());
        assertFails(stray, "corrupt: stray data", kind.getKey() + " with " + n + " bytes before its end");
      }
      recompress(Jpegs.with(jpeg, Jpegs.segment(0xDC, Jpegs.bytes(0, 1)))); // DNL ahead of the frame
    }
    byte[] scans = Pictures.jpeg(Pictures.picture(100, 70, BufferedImage.TYPE_INT_RGB, 3), 0.9f, true);
    int data = Jpegs.scanData(scans);
    int next = data;
    while (scans[next] != -1 || scans[next + 1] == 0) {
      next++;
    }
    assertFails(Jpegs.spliced(scans, data, next), "truncated: ", "a scan without data");
    BufferedImage flat = new BufferedImage(300, 200, BufferedImage.TYPE_INT_RGB); // two bits a block
    recompress(recompress(Pictures.jpeg(flat, 0.9f)));
  }

  @Test
  @DisplayName("restart markers that are missing, doubled, swapped or strange are damage")
  void restartMarkers() throws Exception {
    for (String sampling : List.of("221111", "411111", "11")) {
      BufferedImage picture = Pictures.picture(100, 70, BufferedImage.TYPE_INT_RGB, 3);
      byte[] jpeg = Jpegs.encode(picture, Jpegs.Form.of(sampling).withRestart(5));
      List<Integer> markers = new ArrayList<>();
      for (int i = Jpegs.scanData(jpeg); i < jpeg.length - 1; i++) {
        if (jpeg[i] == -1 && (jpeg[i + 1] & 0xF8) == 0xD0) {
          markers.add(i);
        }
      }
      int a = markers.get(1);
      int b = markers.get(2);
      Map<String, byte[]> damaged = new LinkedHashMap<>();
      damaged.put("missing", Jpegs.spliced(jpeg, a, a + 2));
      damaged.put("doubled", Jpegs.spliced(jpeg, a, a, jpeg[a], jpeg[a + 1]));
      damaged.put("wrong number", Jpegs.patched(jpeg, a + 1, 0xD5));
      damaged.put("interval missing", Jpegs.spliced(jpeg, a, b));
      damaged.put("intervals swapped", Jpegs.join(Arrays.copyOf(jpeg, a), Arrays.copyOfRange(jpeg, b, b + 40),
          Arrays.copyOfRange(jpeg, a, b), Arrays.copyOfRange(jpeg, b + 40, jpeg.length)));
      damaged.put("another marker instead", Jpegs.patched(jpeg, a + 1, 0xC4));
      Jpegs.Segment interval = Jpegs.find(jpeg, 0xDD);
      for (int n = 1; n <= 5; n++) {
        damaged.put(n + " stray bytes before", Jpegs.spliced(jpeg, a, a, "UUUUU".substring(0, n).getBytes()));
      }
      damaged.put("no interval declared", Jpegs.spliced(jpeg, interval.from(), interval.to()));
      for (Map.Entry<String, byte[]> entry : damaged.entrySet()) {
        assertFails(entry.getValue(), "(truncated|corrupt): ", sampling + ": " + entry.getKey());
      }
    }
  }

  @Test
  @DisplayName("tables that are missing or damaged fail, and so does a component that never comes")
  void tables() throws Exception {
    for (Map.Entry<String, byte[]> kind : kinds().entrySet()) {
      byte[] jpeg = kind.getValue();
      for (int marker : new int[] {0xDB, 0xC4, 0xC0}) {
        Jpegs.Segment table = marker == 0xC0 ? Jpegs.frame(jpeg) : Jpegs.find(jpeg, marker);
        String what = kind.getKey() + " " + Integer.toHexString(marker);
        if (marker != 0xC4 || !kind.getKey().startsWith("progressive")) { // whose tables may be replaced before use
          assertFails(Jpegs.spliced(jpeg, table.from(), table.to()), "(truncated|corrupt): ", what + " missing");
        }
        assertFails(Jpegs.patched(jpeg, table.from() + 2, 0, 1), "corrupt: ", what + " with a length of 1");
        assertFails(Jpegs.patched(jpeg, table.from() + 2, 0xFF, 0xFF), "(truncated|corrupt): ", what + " of 64 kB");
      }
      Jpegs.Segment codes = Jpegs.find(jpeg, 0xC4);
      byte[] overfull = Jpegs.patched(jpeg, codes.from() + 5, 3);
      assertFails(overfull, "corrupt: ", kind.getKey() + " with three codes of one bit");
      byte[] ones = Jpegs.spliced(jpeg, codes.to(), codes.to(), (byte) 12); // a code more: that of all ones
      if (jpeg[codes.from() + 4] == 0 && codes.to() - codes.from() == 33) { // the standard table of DC codes, alone
        ones = Jpegs.patched(Jpegs.patched(ones, codes.from() + 3, 32), codes.from() + 13, 2);
        assertFails(ones, "corrupt: ", kind.getKey() + " with a code of all ones");
      }
      Jpegs.Segment steps = Jpegs.find(jpeg, 0xDB);
      assertFails(Jpegs.patched(jpeg, steps.from() + 4, 9), "corrupt: ", kind.getKey() + " with a table 9");
      assertFails(Jpegs.patched(jpeg, steps.from() + 9, 0), "corrupt: ", kind.getKey() + " with a step of 0");
    }
    byte[] scans = kinds().get("221111 in scans");
    List<Integer> starts = new ArrayList<>();
    for (int i = 2; i < scans.length - 1; i++) {
      if (scans[i] == -1 && scans[i + 1] == (byte) 0xDA) {
        starts.add(i);
      }
    }
    assertEquals(3, starts.size());
    assertFails(Jpegs.spliced(scans, starts.get(2), scans.length - 2), "(truncated|corrupt): ", "third scan missing");
    assertFails(Jpegs.spliced(scans, starts.get(1), starts.get(2)), "(truncated|corrupt): ", "second scan missing");
    assertFails(Jpegs.patched(scans, starts.get(2) + 5, 1), "corrupt: ", "first component comes twice");
  }

  @Test
  @DisplayName("components that share an identifier are not taken for one another")
  void sharedIdentifiers() throws Exception {
    BufferedImage grey = new BufferedImage(8, 8, BufferedImage.TYPE_INT_RGB); // a block of each component, all zeros
    for (int i = 0; i < 64; i++) {
      grey.setRGB(i % 8, i / 8, 0x808080);
    }
    for (int third : new int[] {3, 1}) {
      byte[] jpeg = Jpegs.encode(grey, Jpegs.Form.of("111111").withIds("\1\2" + (char) third).inScans());
      int next = Jpegs.scanData(jpeg);
      while (jpeg[next] != -1) {
        next++;
      }
      byte[] scan = Jpegs.segment(0xDA, Jpegs.bytes(2, 2, 0, third, 0, 0, 63, 0)); // the other two components
      byte[] both = Jpegs.join(Arrays.copyOf(jpeg, next), scan, Jpegs.bytes(0x28, 0xAF, 0xFF, 0xD9));
      if (third == 3) {
        recompress(both);
      } else {
        assertFails(both, "corrupt: ", "two components of identifier 1");
      }
    }
  }
}
