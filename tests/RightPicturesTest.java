// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.*;

import java.awt.color.*;
import java.awt.image.BufferedImage;
import java.io.*;
import java.nio.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("Pictures stay right")
class RightPicturesTest {
  private static final int QUALITY = 85;
  private static final BufferedImage SMALL = Pictures.smooth(48, 32);
  private static final byte[] PLAIN = assertDoesNotThrow(() -> Pictures.jpeg(SMALL, 0.95f));
  private static final byte[] CMYK = Jpegs.encode(SMALL, Jpegs.Form.CMYK);

  private static byte[] recompress(byte[] jpeg) {
    return assertDoesNotThrow(() -> Program.recompress(jpeg, QUALITY, Compress.Engine.auto));
  }

  /** Recompresses: the copy must be as near as this to the picture, and of its size. */
  private void assertRight(double decibels, BufferedImage picture, byte[] jpeg, String what) {
    double psnr = assertDoesNotThrow(() -> Pictures.psnr(picture, recompress(jpeg)), what);
    assertTrue(psnr >= decibels, what + ": " + psnr + " dB");
  }

  /** The same for a smooth picture encoded in a form. */
  private void assertRight(int width, int height, Jpegs.Form form, String what) {
    BufferedImage picture = Pictures.smooth(width, height);
    assertRight(32, Jpegs.stored(picture, form), Jpegs.encode(picture, form), what);
  }

  @Test
  @DisplayName("sizes from 1x1 to 100x17, 4:4:4, 4:2:2, 4:4:0, 4:2:0, 4:1:1, 4:1:0, grey, CMYK, others, progressive")
  void sizes() throws Exception {
    for (int width : new int[] {1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 100}) {
      for (int height : new int[] {1, 2, 7, 8, 9, 15, 16, 17}) {
        String size = width + "x" + height;
        for (String sampling : "111111 211111 121111 221111 411111 421111 222222 11 22 222121 11111111 22111122"
            .split(" ")) {
          assertRight(width, height, Jpegs.Form.of(sampling), sampling + " " + size);
        }
        BufferedImage colour = Pictures.smooth(width, height);
        BufferedImage grey = Pictures.grey(colour);
        assertRight(30, colour, Pictures.jpeg(colour, 0.95f, true), "progressive " + size);
        assertRight(32, grey, Pictures.jpeg(grey, 0.95f, true), "progressive grey " + size);
      }
    }
  }

  @Test
  @DisplayName("restart intervals, a scan for each component, and both")
  void scans() {
    for (String sampling : List.of("111111", "211111", "121111", "221111", "411111", "441144", "11", "22111122")) {
      for (int restart : new int[] {0, 1, 2, 7, 1000}) {
        Jpegs.Form form = Jpegs.Form.of(sampling).withRestart(restart);
        if (!sampling.equals("441144")) { assertRight(83, 61, form, sampling + " restart " + restart); } // 33 blocks
        assertRight(83, 61, form.inScans(), sampling + " in scans, restart " + restart);
      }
    }
  }

  @Test
  @DisplayName("65,500 pixels wide or high, and not one more")
  void largest() {
    Jpegs.Form form = Jpegs.Form.of("221111");
    assertRight(65_500, 9, form, "wide");
    assertRight(9, 65_500, form, "high");
    for (int size : new int[] {65_501, 65_535}) {
      byte[] wider = Jpegs.resized(PLAIN, size, 9);
      Exception e = assertThrows(JpegException.class, () -> Program.recompress(wider, QUALITY, Compress.Engine.auto));
      assertTrue(e.getMessage().startsWith("not supported: "), e.getMessage());
    }
  }

  @Test
  @DisplayName("grey stays grey, RGB and YCbCr are told apart as every viewer does")
  void colours() {
    byte[] exif = Jpegs.exif(ByteOrder.BIG_ENDIAN, 1);
    for (String sampling : List.of("111111", "221111")) {
      Jpegs.Form form = Jpegs.Form.of(sampling);
      assertRight(sampling + ", ", Map.of("JFIF, ids 1 1 1", form.withIds("\1\1\1"))); // told apart by their order
      assertRight(sampling + ", ", Map.of("JFIF", form,
          "JFIF, ids R G B", form.withIds("RGB"),
          "JFIF and Adobe transform 1", form.withHead(Jpegs.JFIF, Jpegs.adobe(1)),
          "Adobe transform 1", form.withHead(Jpegs.adobe(1)),
          "Adobe transform 1, ids R G B", form.withHead(Jpegs.adobe(1)).withIds("RGB"),
          "EXIF alone", form.withHead(exif),
          "EXIF alone, ids 0 1 2", form.withHead(exif).withIds("\0\1\2"),
          "no marker", form.withHead(),
          "no marker, ids 0 1 2", form.withHead().withIds("\0\1\2"),
          "no marker, ids 1 34 35", form.withHead().withIds("\1\42\43")));
    }
    assertRight("RGB, ", Map.of("Adobe transform 0", Jpegs.Form.RGB,
        "Adobe transform 0, ids R G B", Jpegs.Form.RGB.withIds("RGB"),
        "ids R G B", Jpegs.Form.RGB.withIds("RGB").withHead(),
        "EXIF, ids R G B", Jpegs.Form.RGB.withIds("RGB").withHead(exif)));
  }

  @Test
  @DisplayName("RGB stays RGB, in its sampling")
  void rgb() {
    for (String sampling : List.of("112211", "111111")) {
      byte[] copy = recompress(Jpegs.encode(SMALL, Jpegs.Form.RGB.withSampling(sampling)));
      assertEquals(sampling, Jpegs.sampling(copy));
      assertTrue(app(0, copy).isEmpty() && app(14, copy).size() == 1);
    }
    assertRight(83, 61, Jpegs.Form.RGB.withSampling("112211"), "uneven");
  }

  @Test
  @DisplayName("a quantization step of 0 makes its coefficients 0, as other readers have it")
  void stepOfZero() throws Exception {
    for (String kind : List.of("221111", "211111", "111111", "11", "CMYK", "YCCK", "progressive", "progressive grey")) {
      byte[] jpeg = Jpegs.kinds(48, 32).get(kind);
      for (int k : new int[] {0, 1, 4}) {
        byte[] zero = Jpegs.patched(jpeg, Jpegs.find(jpeg, 0xDB).from() + 5 + k, 0);
        assertRight(30, Pictures.decode(zero), zero, kind + ", step " + k);
      }
    }
  }

  private void assertRight(String kind, Map<String, Jpegs.Form> forms) {
    forms.forEach((what, form) -> assertRight(30, Jpegs.stored(SMALL, form), Jpegs.encode(SMALL, form), kind + what));
  }

  @Test
  @DisplayName("CMYK and YCCK stay as they are, whatever says so; Adobe's mark, by which readers invert inks, stays")
  void cmyk() {
    Jpegs.Form cmyk = Jpegs.Form.CMYK;
    Jpegs.Form ycck = Jpegs.Form.YCCK;
    Map<String, Jpegs.Form> forms = Map.of("CMYK, Adobe transform 0", cmyk,
        "CMYK, Adobe transform 0, ids C M Y K", cmyk.withIds("CMYK"),
        "CMYK, JFIF", cmyk.withHead(Jpegs.JFIF),
        "CMYK, no marker", cmyk.withHead(),
        "CMYK, no marker, ids C M Y K", cmyk.withHead().withIds("CMYK"),
        "YCCK, Adobe transform 2", ycck,
        "YCCK, Adobe transform 1", ycck.withHead(Jpegs.adobe(1)), // unknown ones are taken for 2
        "YCCK, Adobe transform 7", ycck.withHead(Jpegs.adobe(7)),
        "YCCK, JFIF", ycck.withHead(Jpegs.JFIF, Jpegs.adobe(2)),
        "YCCK, 4:2:0", ycck.withSampling("22111122"));
    assertRight("", forms);
    forms.forEach((kind, form) -> {
      byte[] jpeg = Jpegs.encode(SMALL, form);
      assertEquals(app(14, jpeg).size(), app(14, recompress(jpeg)).size(), kind);
    });
  }

  /** The application data of a JPEG of this number. */
  private static List<byte[]> app(int number, byte[] jpeg) {
    return Jpegs.segments(jpeg).stream().filter(s -> s.marker() == 0xE0 + number).map(s -> s.of(jpeg)).toList();
  }

  /** Recompresses: the copy must have this orientation, and nothing else in its EXIF; no EXIF, where it is upright. */
  private byte[] assertTurned(int expected, byte[] jpeg, String what) {
    byte[] copy = recompress(jpeg);
    byte[] exif = Jpegs.exif(ByteOrder.BIG_ENDIAN, Map.of(0x0112, expected));
    assertArrayEquals(expected == 1 ? new byte[0] : exif, Jpegs.join(app(1, copy).toArray(byte[][]::new)), what);
    return copy;
  }

  @Test
  @DisplayName("all eight orientations, in EXIF of both byte orders, go into a segment with nothing else in it")
  void orientation() throws Exception {
    int size = recompress(PLAIN).length;
    for (ByteOrder order : List.of(ByteOrder.BIG_ENDIAN, ByteOrder.LITTLE_ENDIAN)) {
      for (int orientation = 0; orientation <= 9; orientation++) {
        byte[] exif = Jpegs.exif(order, orientation, PLAIN);
        int expected = orientation < 1 || orientation > 8 ? 1 : orientation;
        String what = order + " " + orientation;
        byte[] copy = assertTurned(expected, Jpegs.with(PLAIN, exif), what);
        assertEquals(size + (expected == 1 ? 0 : 36), copy.length, what); // and nothing of the rest
        assertTurned(expected, copy, "once more: " + what);
        assertTrue(Pictures.psnr(SMALL, copy) > 30, what); // not turned itself
        assertTurned(expected, Jpegs.encode(SMALL, Jpegs.Form.of("221111").withHead(exif)), "without JFIF: " + what);
      }
    }
  }

  @Test
  @DisplayName("an orientation of another type, or in a second EXIF segment, as readers take it, stays")
  void oddOrientation() {
    byte[] exif = Jpegs.exif(ByteOrder.LITTLE_ENDIAN, 6, PLAIN);
    int tag = 4 + 6 + 22; // marker, length, "Exif"; the second entry
    for (int type : new int[] {1, 3, 4, 9}) {
      assertTurned(6, Jpegs.with(PLAIN, Jpegs.patched(exif, tag + 2, type)), "type " + type);
    }
    byte[] without = Jpegs.patched(exif, tag, 0x13);
    assertTurned(1, Jpegs.with(PLAIN, without), "none");
    assertTurned(6, Jpegs.with(PLAIN, without, exif), "in the second segment");
    assertTurned(6, Jpegs.with(PLAIN, Jpegs.patched(exif, tag + 4, 2)), "two values");
  }

  @Test
  @DisplayName("Adobe RGB, as cameras mark it in EXIF without a profile, stays marked")
  void adobeRgb() {
    for (int orientation : new int[] {1, 8}) {
      byte[] exif = Jpegs.adobeRgb(orientation);
      assertArrayEquals(exif, app(1, recompress(Jpegs.with(PLAIN, exif))).getFirst());
    }
  }

  @Test
  @DisplayName("position, thumbnails, maker's notes, XMP and comments are gone; so is what stands behind the image")
  void privateData() throws Exception {
    byte[] thumbnail = Pictures.jpeg(Pictures.smooth(16, 16), 0.5f);
    byte[] jpeg = Jpegs.join(
        Jpegs.with(PLAIN,
            Jpegs.segment(0xE0, Jpegs.ascii("JFXX\0\20"), thumbnail),
            Jpegs.exif(ByteOrder.LITTLE_ENDIAN, 6, thumbnail),
            Jpegs.segment(0xE1, "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>SECRET</x:xmpmeta>"),
            Jpegs.segment(0xE1, "http://ns.adobe.com/xmp/extension/\0SECRET"),
            Jpegs.segment(0xE2, "MPF\0SECRET"),
            Jpegs.segment(0xED, "Photoshop 3.0\0SECRET"),
            Jpegs.segment(0xEE, Jpegs.ascii("Adobe"), Jpegs.bytes(0, 100, 0, 0, 0, 0, 1), Jpegs.ascii("SECRET")),
            Jpegs.segment(0xEF, "SECRET"),
            Jpegs.segment(0xFE, "SECRET")),
        Jpegs.ascii("SECRET"), thumbnail);
    byte[] copy = assertTurned(6, jpeg, "private data");
    for (String secret : List.of("SECRET", "MAKER", "2024", "http", "JFXX", "Photoshop")) {
      assertTrue(Jpegs.contains(jpeg, secret), secret);
      assertFalse(Jpegs.contains(copy, secret), secret);
    }
    assertEquals(List.of(0xE0, 0xE9, 0xE1, 0xDB, 0xC0, 0xC4, 0xDA),
        Jpegs.segments(copy).stream().map(Jpegs.Segment::marker).distinct().toList());
    assertEquals(recompress(PLAIN).length + 36, copy.length);
  }

  /** The JDK's profile of a colour space, as one of CMYK where there is none, filled up to this many bytes. */
  private static byte[] profile(int space, int size) {
    boolean inks = space == ColorSpace.TYPE_CMYK;
    byte[] profile = ICC_Profile.getInstance(inks ? ColorSpace.CS_sRGB : space).getData();
    if (inks) { profile = Jpegs.patched(profile, 16, 'C', 'M', 'Y', 'K'); }
    byte[] filled = Arrays.copyOf(profile, Math.max(size, profile.length));
    return ByteBuffer.wrap(filled).putInt(filled.length).array();
  }

  /** The ICC profile in a JPEG, put together from its segments; empty where there is none. */
  private static byte[] profile(byte[] jpeg) {
    ByteArrayOutputStream profile = new ByteArrayOutputStream();
    int number = 0;
    for (byte[] part : app(2, jpeg)) {
      assertEquals(++number, part[16]);
      profile.write(part, 18, part.length - 18);
    }
    return profile.toByteArray();
  }

  @Test
  @DisplayName("ICC profiles of RGB, grey and CMYK, in one segment or many, in any order, stay byte for byte")
  void profiles() {
    Map<byte[], Integer> spaces = Map.of(PLAIN, ColorSpace.CS_sRGB,
        Jpegs.encode(SMALL, Jpegs.Form.RGB.withHead().withIds("RGB")), ColorSpace.CS_sRGB,
        Jpegs.encode(SMALL, Jpegs.Form.of("11")), ColorSpace.CS_GRAY,
        CMYK, ColorSpace.TYPE_CMYK, Jpegs.encode(SMALL, Jpegs.Form.YCCK), ColorSpace.TYPE_CMYK);
    for (Map.Entry<byte[], Integer> jpeg : spaces.entrySet()) {
      for (int size : new int[] {0, 65_519, 65_520, 200_000}) {
        byte[] profile = profile(jpeg.getValue(), size);
        byte[] copy = recompress(Jpegs.with(jpeg.getKey(), Jpegs.icc(profile, 65_519)));
        assertArrayEquals(profile, profile(copy), jpeg.getValue() + " of " + size);
      }
    }
    byte[] profile = profile(ColorSpace.CS_sRGB, 9_000);
    byte[] filled = Jpegs.with(PLAIN, Jpegs.icc(Arrays.copyOf(profile, 9_005), 65_519)); // longer than it says
    assertArrayEquals(profile, profile(recompress(filled)));
    List<byte[]> shuffled = new ArrayList<>(List.of(Jpegs.icc(profile, 1_000)).reversed());
    shuffled.add(3, Jpegs.segment(0xFE, "between"));
    byte[] jpeg = Jpegs.with(PLAIN, shuffled.toArray(byte[][]::new));
    assertArrayEquals(profile, profile(recompress(jpeg)));
    assertRight(30, SMALL, jpeg, "picture");
  }

  /** The segments of ICC profiles of no use, by what is wrong with them. */
  private static Map<String, byte[][]> brokenProfiles() {
    byte[] profile = profile(ColorSpace.CS_sRGB, 9_000);
    byte[][] parts = Jpegs.icc(profile, 3_000);
    Map<String, byte[][]> broken = new HashMap<>();
    broken.put("a part is missing", new byte[][] {parts[0], parts[2]});
    broken.put("a part comes twice", new byte[][] {parts[0], parts[1], parts[1]});
    broken.put("all parts and one twice", new byte[][] {parts[0], parts[1], parts[2], parts[1]});
    broken.put("part 0", new byte[][] {Jpegs.patched(parts[0], 16, 0), parts[1], parts[2]});
    broken.put("wrong number of parts", new byte[][] {Jpegs.patched(parts[0], 17, 2), parts[1], parts[2]});
    broken.put("no parts at all", new byte[][] {Jpegs.segment(0xE2, "ICC_PROFILE\0")});
    broken.put("longer than its parts", Jpegs.icc(Jpegs.patched(profile, 0, 1), 3_000));
    broken.put("shorter than a header", Jpegs.icc(Arrays.copyOf(profile, 100), 3_000));
    broken.put("no signature", Jpegs.icc(Jpegs.patched(profile, 36, 'x'), 3_000));
    broken.put("of another colour space", Jpegs.icc(profile(ColorSpace.CS_GRAY, 0), 3_000));
    broken.put("CMYK, of RGB", parts);
    return broken;
  }

  @Test
  @DisplayName("a broken ICC profile is left out with a warning that names the image, and the picture is right; a kept "
      + "image is the same to the byte")
  void warnings(@TempDir Path folder) throws Exception {
    byte[] noisy = Pictures.jpeg(Pictures.picture(200, 200, BufferedImage.TYPE_INT_RGB, 7), 0.95f);
    byte[] profile = profile(ColorSpace.CS_sRGB, 0);
    byte[] turned = Jpegs.with(noisy, Jpegs.exif(ByteOrder.LITTLE_ENDIAN, 6));
    byte[] kept = Program.smallest(turned, QUALITY, Compress.Engine.auto);
    assertEquals(1, app(1, kept).size());
    Map<String, byte[][]> broken = brokenProfiles();
    Map<String, byte[]> files = new HashMap<>();
    broken.forEach((name, segments) -> files.put(name, Jpegs.with(name.startsWith("CMYK") ? CMYK : PLAIN, segments)));
    files.put("kept", kept);
    files.put("sound", Jpegs.with(noisy, Jpegs.icc(profile, 1_000)));
    Path images = Files.createDirectory(folder.resolve("IMAGES"));
    for (String name : files.keySet()) { Files.write(images.resolve(name + ".jpg"), files.get(name)); }
    Program.Result run = Program.run(folder, "-q", "" + QUALITY).expect(0, "13 images");
    String reason = ".jpg has a colour profile that cannot be used: left out of the copy";
    assertEquals(broken.keySet().stream().map(name -> name + reason).sorted().toList(),
        run.messages("WARN").stream().sorted().toList());
    for (String name : files.keySet()) {
      byte[] copy = Files.readAllBytes(folder.resolve("COMPRESSED_IMAGES/" + name + ".jpg"));
      assertArrayEquals(name.equals("sound") ? profile : new byte[0], profile(copy), name);
      if (name.equals("kept")) {
        assertArrayEquals(kept, copy);
      } else if (name.startsWith("CMYK")) {
        assertArrayEquals(recompress(CMYK), Program.unsigned(copy), name);
      } else {
        assertTrue(name.equals("sound") || Pictures.psnr(SMALL, copy) > 30, name);
      }
    }
  }

  @Test
  @DisplayName("--engine=pixels does the same with pictures, orientation and profile; CMYK becomes sRGB without one")
  void byPixels() throws Exception {
    for (Jpegs.Form form : List.of(Jpegs.Form.of("11"), Jpegs.Form.of("221111"), Jpegs.Form.of("411111"),
        Jpegs.Form.RGB, Jpegs.Form.CMYK, Jpegs.Form.YCCK)) {
      boolean inks = form.ids().length() == 4;
      byte[] profile = profile(form.ids().length() == 1 ? ColorSpace.CS_GRAY : ColorSpace.CS_sRGB, 0);
      byte[] exif = Jpegs.exif(ByteOrder.BIG_ENDIAN, Map.of(0x0112, 6));
      byte[] jpeg = Jpegs.with(Jpegs.encode(SMALL, form), exif);
      byte[] copy = Program.recompress(
          inks ? jpeg : Jpegs.with(jpeg, Jpegs.icc(profile, 65_519)), QUALITY, Compress.Engine.pixels);
      double psnr = Pictures.psnr(form.ids().length() == 1 ? Pictures.grey(SMALL) : SMALL, copy);
      assertTrue(psnr > (inks ? 15 : 32), form + ": " + psnr + " dB");
      assertArrayEquals(exif, app(1, copy).getFirst());
      assertArrayEquals(inks ? new byte[0] : profile, profile(copy));
    }
  }

  @Test
  @DisplayName("sixteen threads at once make the same copies as one")
  void threads() throws Exception {
    List<byte[]> jpegs = List.copyOf(Jpegs.kinds(45, 30).values());
    List<Callable<byte[]>> tasks = jpegs.stream().map(jpeg -> (Callable<byte[]>) () -> recompress(jpeg)).toList();
    try (ExecutorService pool = Executors.newFixedThreadPool(16)) {
      List<Callable<byte[]>> often = Collections.nCopies(10, tasks).stream().flatMap(List::stream).toList();
      List<Future<byte[]>> copies = pool.invokeAll(often);
      for (int i = 0; i < copies.size(); i++) {
        assertArrayEquals(recompress(jpegs.get(i % jpegs.size())), copies.get(i).get());
      }
    }
  }
}
