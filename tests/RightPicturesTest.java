// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.color.ColorSpace;
import java.awt.color.ICC_Profile;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.provider.EnumSource;

@ParameterizedClass(name = "engine {0}")
@EnumSource
@DisplayName("Pictures stay right")
class RightPicturesTest {
  private static final int QUALITY = 85;

  private final Compress.Engine engine;

  RightPicturesTest(Compress.Engine engine) {
    this.engine = engine;
  }

  private byte[] recompress(byte[] jpeg) throws IOException {
    return Program.recompress(jpeg, QUALITY, engine);
  }

  /** Recompresses and decodes: the picture must be as near as this to what it is expected to be, and of its size. */
  private byte[] assertRight(double decibels, double[][] expected, int width, byte[] jpeg, String what)
      throws IOException {
    byte[] copy = recompress(jpeg);
    BufferedImage picture = Pictures.decode(copy);
    assertEquals(width + "x" + expected[0].length / width, picture.getWidth() + "x" + picture.getHeight(), what);
    assertEquals(expected.length, picture.getRaster().getNumBands(), what);
    double psnr = Pictures.psnr(expected, picture);
    assertTrue(psnr >= decibels, what + ": " + psnr + " dB");
    return copy;
  }

  /** The same for a smooth picture encoded in a form, in colour or grey. */
  private byte[] assertRight(int width, int height, Jpegs.Form form, String what) throws IOException {
    BufferedImage picture = Pictures.smooth(width, height);
    double[][] rgb = Jpegs.rgb(picture);
    double[][] expected = form.ids().length() == 1 ? Arrays.copyOf(Jpegs.ycc(rgb), 1) : rgb;
    return assertRight(32, expected, width, Jpegs.encode(picture, form), what);
  }

  @Test
  @DisplayName("sizes from 1x1 to 33x17, in 4:4:4, 4:2:2, 4:4:0, 4:2:0, 4:1:1, 4:1:0, grey and others")
  void sizes() throws Exception {
    for (String sampling : List.of("111111", "211111", "121111", "221111", "411111", "421111", "11", "22", "222121")) {
      for (int width : new int[] {1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33}) {
        for (int height : new int[] {1, 2, 7, 8, 9, 15, 16, 17}) {
          assertRight(width, height, Jpegs.Form.of(sampling), sampling + " " + width + "x" + height);
        }
      }
    }
  }

  @Test
  @DisplayName("progressive ones, in colour and grey")
  void progressive() throws Exception {
    for (int size : new int[] {1, 15, 16, 17, 100}) {
      BufferedImage colour = Pictures.smooth(size, size / 2 + 1);
      double[][] rgb = Jpegs.rgb(colour);
      assertRight(30, rgb, size, Pictures.jpeg(colour, 0.95f, true), "colour " + size);
      BufferedImage grey = new BufferedImage(size, size / 2 + 1, BufferedImage.TYPE_BYTE_GRAY);
      double[] plane = Jpegs.ycc(rgb)[0];
      for (int i = 0; i < plane.length; i++) {
        grey.getRaster().setSample(i % size, i / size, 0, plane[i]);
      }
      assertRight(32, new double[][] {plane}, size, Pictures.jpeg(grey, 0.95f, true), "grey " + size);
    }
  }

  @Test
  @DisplayName("restart intervals, a scan for each component, and both")
  void scans() throws Exception {
    for (String sampling : List.of("111111", "211111", "121111", "221111", "411111", "11")) {
      for (int restart : new int[] {0, 1, 2, 7, 1000}) {
        Jpegs.Form form = Jpegs.Form.of(sampling).withRestart(restart);
        assertRight(83, 61, form, sampling + " restart " + restart);
        assertRight(83, 61, form.inScans(), sampling + " in scans, restart " + restart);
      }
    }
  }

  @Test
  @DisplayName("65,500 pixels wide or high, and not one more")
  void largest() throws Exception {
    byte[] wide = assertRight(65_500, 9, Jpegs.Form.of("221111"), "wide");
    assertRight(9, 65_500, Jpegs.Form.of("221111"), "high");
    for (int size : new int[] {65_501, 65_535}) {
      byte[] wider = Jpegs.resized(wide, size, 9);
      assertTrue(assertThrows(JpegException.class, () -> recompress(wider)).getMessage().startsWith("not supported: "));
    }
  }

  @Test
  @DisplayName("grey stays grey, RGB and YCbCr are told apart as every viewer does")
  void colours() throws Exception {
    byte[] exif = Jpegs.exif(ByteOrder.BIG_ENDIAN, 1, new byte[0]);
    BufferedImage picture = Pictures.smooth(60, 40);
    double[][] rgb = Jpegs.rgb(picture);
    for (String sampling : List.of("111111", "221111")) {
      Jpegs.Form form = Jpegs.Form.of(sampling);
      Map<String, Jpegs.Form> ycc = new LinkedHashMap<>();
      ycc.put("JFIF", form);
      ycc.put("no marker", form.withHead());
      ycc.put("no marker, ids 0 1 2", form.withHead().withIds("\0\1\2"));
      ycc.put("no marker, ids 1 34 35", form.withHead().withIds("\1\42\43"));
      ycc.put("EXIF alone", form.withHead(exif));
      ycc.put("EXIF alone, ids 0 1 2", form.withHead(exif).withIds("\0\1\2"));
      ycc.put("JFIF, ids R G B", form.withIds("RGB"));
      ycc.put("Adobe transform 1", form.withHead(Jpegs.adobe(1)));
      ycc.put("Adobe transform 1, ids R G B", form.withHead(Jpegs.adobe(1)).withIds("RGB"));
      ycc.put("JFIF and Adobe transform 1", form.withHead(Jpegs.JFIF, Jpegs.adobe(1)));
      for (Map.Entry<String, Jpegs.Form> entry : ycc.entrySet()) {
        assertRight(30, rgb, 60, Jpegs.encode(picture, entry.getValue()), entry.getKey() + " " + sampling);
      }
    }
    Jpegs.Form form = Jpegs.Form.of("111111");
    assertRight(30, rgb, 60, Jpegs.encode(60, rgb, form.withHead(Jpegs.adobe(0))), "Adobe transform 0");
    assertRight(30, rgb, 60, Jpegs.encode(60, rgb, form.withHead(Jpegs.adobe(0)).withIds("RGB")), "Adobe 0, ids R G B");
    assertRight(30, rgb, 60, Jpegs.encode(60, rgb, form.withHead().withIds("RGB")), "ids R G B");
    assertRight(30, rgb, 60, Jpegs.encode(60, rgb, form.withHead(exif).withIds("RGB")), "EXIF, ids R G B");
  }

  @Test
  @DisplayName("CMYK and YCCK, inverted as Adobe's programs write and all viewers read them, become right-looking sRGB")
  void cmyk() throws Exception {
    Color skin = new Color(240, 180, 150);
    Color[] colours = {Color.WHITE, Color.BLACK, Color.GRAY, Color.RED, Color.GREEN, Color.BLUE, skin};
    BufferedImage patches = new BufferedImage(32 * colours.length, 32, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = patches.createGraphics();
    for (int i = 0; i < colours.length; i++) {
      graphics.setColor(colours[i]);
      graphics.fillRect(32 * i, 0, 32, 32);
    }
    graphics.dispose();
    double[][] inks = Jpegs.inks(Jpegs.rgb(patches));
    double[][] stored = Jpegs.inverted(inks);
    // As libjpeg has it, YCCK is the YCbCr of the complements of what is stored as C, M and Y.
    double[][] ycck = Jpegs.ycc(inks);
    ycck[3] = stored[3];
    Jpegs.Form form = Jpegs.Form.of("11111111").withHead(Jpegs.adobe(0));
    Map<String, byte[]> jpegs = new LinkedHashMap<>();
    jpegs.put("CMYK, inverted, Adobe transform 0", Jpegs.encode(patches.getWidth(), stored, form));
    jpegs.put("CMYK, inverted, ids C M Y K", Jpegs.encode(patches.getWidth(), stored, form.withIds("CMYK")));
    // Where nothing says so, every viewer takes them for inverted too.
    jpegs.put("CMYK, no marker", Jpegs.encode(patches.getWidth(), stored, form.withHead()));
    jpegs.put("CMYK, no marker, ids C M Y K",
        Jpegs.encode(patches.getWidth(), stored, form.withHead().withIds("CMYK")));
    jpegs.put("CMYK, JFIF", Jpegs.encode(patches.getWidth(), stored, form.withHead(Jpegs.JFIF)));
    for (int transform : new int[] {2, 1, 7}) { // unknown ones are taken for 2
      form = form.withHead(Jpegs.adobe(transform));
      jpegs.put("YCCK, inverted, Adobe transform " + transform, Jpegs.encode(patches.getWidth(), ycck, form));
    }
    jpegs.put("YCCK, JFIF", Jpegs.encode(patches.getWidth(), ycck, form.withHead(Jpegs.JFIF, Jpegs.adobe(2))));
    form = new Jpegs.Form("\1\2\3\4", "22111122", Jpegs.adobe(2), 0, true);
    jpegs.put("YCCK, 4:2:0", Jpegs.encode(patches.getWidth(), ycck, form));
    for (Map.Entry<String, byte[]> entry : jpegs.entrySet()) {
      BufferedImage picture = Pictures.decode(recompress(entry.getValue()));
      assertEquals(3, picture.getRaster().getNumBands());
      for (int i = 0; i < colours.length; i++) {
        Color colour = new Color(picture.getRGB(32 * i + 16, 16));
        String what = entry.getKey() + ": " + colours[i] + " became " + colour;
        float[] expected = Color.RGBtoHSB(colours[i].getRed(), colours[i].getGreen(), colours[i].getBlue(), null);
        float[] actual = Color.RGBtoHSB(colour.getRed(), colour.getGreen(), colour.getBlue(), null);
        // Inks are no lights: of the printed blue and green a good deal is lost, but their hue stays.
        assertTrue(Math.abs(expected[2] - actual[2]) < (expected[1] > 0.9 ? 0.5 : 0.25), what);
        if (expected[1] == 0) {
          assertTrue(actual[1] * actual[2] < 0.15, what);
        } else {
          double turn = Math.abs(expected[0] - actual[0]);
          assertTrue(Math.min(turn, 1 - turn) < 0.1 && actual[1] > 0.2, what);
        }
      }
    }
  }

  @Test
  @DisplayName("all eight orientations, in EXIF of both byte orders, go into a segment with nothing else in it")
  void orientation() throws Exception {
    BufferedImage picture = Pictures.smooth(48, 32);
    byte[] plain = Pictures.jpeg(picture, 0.95f);
    byte[] pixels = recompress(plain);
    for (ByteOrder order : List.of(ByteOrder.BIG_ENDIAN, ByteOrder.LITTLE_ENDIAN)) {
      for (int orientation = 0; orientation <= 9; orientation++) {
        byte[] exif = Jpegs.exif(order, orientation, plain);
        byte[] alone = Jpegs.encode(picture, Jpegs.Form.of("221111").withHead(exif));
        for (byte[] jpeg : List.of(Jpegs.with(plain, exif), alone)) {
          byte[] copy = recompress(jpeg);
          int expected = orientation < 1 || orientation > 8 ? 1 : orientation;
          assertEquals(expected, orientation(copy), order + " " + orientation);
          assertEquals(expected, orientation(recompress(copy)), "once more: " + order + " " + orientation);
          assertTrue(Pictures.psnr(Jpegs.rgb(picture), Pictures.decode(copy)) > 30); // not turned itself
        }
        byte[] copy = recompress(Jpegs.with(plain, exif));
        int size = orientation > 1 && orientation < 9 ? Jpegs.find(copy, 0xE1).of(copy).length : 0;
        assertTrue(size <= 40, size + " bytes");
        assertEquals(pixels.length + size, copy.length); // and nothing of the rest
      }
    }
  }

  @Test
  @DisplayName("an orientation of another type, or in a second EXIF segment, as readers take it, stays")
  void oddOrientation() throws Exception {
    byte[] plain = Pictures.jpeg(Pictures.smooth(48, 32), 0.95f);
    byte[] exif = Jpegs.exif(ByteOrder.LITTLE_ENDIAN, 6, plain);
    int tag = 4 + 6 + 22; // marker, length, "Exif"; the second entry
    for (int type : new int[] {1, 3, 4, 9}) {
      assertEquals(6, orientation(recompress(Jpegs.with(plain, Jpegs.patched(exif, tag + 2, type)))), "type " + type);
    }
    byte[] without = Jpegs.patched(exif, tag, 0x13);
    assertEquals(1, orientation(recompress(Jpegs.with(plain, without))));
    assertEquals(6, orientation(recompress(Jpegs.with(plain, without, exif))));
    assertEquals(6, orientation(recompress(Jpegs.with(plain, Jpegs.patched(exif, tag + 4, 2)))), "two values");
  }

  @Test
  @DisplayName("Adobe RGB, as cameras mark it in EXIF without a profile, stays marked; CMYK becomes sRGB, and is not")
  void adobeRgb() throws Exception {
    BufferedImage picture = Pictures.smooth(48, 32);
    for (int orientation : new int[] {1, 8}) {
      byte[] exif = Jpegs.adobeRgb(orientation);
      byte[] copy = recompress(Jpegs.with(Pictures.jpeg(picture, 0.95f), exif));
      assertArrayEquals(exif, Jpegs.find(copy, 0xE1).of(copy));
    }
    byte[] cmyk = Jpegs.encode(picture, Jpegs.Form.of("11111111").withHead(Jpegs.adobe(0), Jpegs.adobeRgb(8)));
    assertEquals(8, orientation(recompress(cmyk)));
  }

  /** The orientation that a viewer finds, 1 where there is none; every other tag is an error. */
  private static int orientation(byte[] jpeg) throws IOException {
    int orientation = 1;
    for (Jpegs.Segment segment : Jpegs.segments(jpeg)) {
      if (segment.marker() == 0xE1) {
        ByteBuffer tiff = ByteBuffer.wrap(segment.of(jpeg), 10, segment.to() - segment.from() - 10).slice();
        tiff.order(tiff.get(0) == 'M' ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
        assertEquals(42, tiff.getShort(2));
        int directory = tiff.getInt(4);
        assertEquals(1, tiff.getShort(directory), "tags");
        assertEquals(0x0112, tiff.getShort(directory + 2));
        assertEquals(3, tiff.getShort(directory + 4), "type SHORT");
        assertEquals(1, tiff.getInt(directory + 6), "one value");
        assertEquals(0, tiff.getInt(directory + 14), "a next directory");
        orientation = tiff.getShort(directory + 10);
      }
    }
    return orientation;
  }

  @Test
  @DisplayName("position, thumbnails, maker's notes, XMP and comments are gone; so is what stands behind the image")
  void privateData() throws Exception {
    byte[] plain = Pictures.jpeg(Pictures.smooth(48, 32), 0.95f);
    byte[] thumbnail = Pictures.jpeg(Pictures.smooth(16, 16), 0.5f);
    byte[] jpeg = Jpegs.join(
        Jpegs.with(plain,
            Jpegs.segment(0xE0, Jpegs.ascii("JFXX\0\20"), thumbnail),
            Jpegs.exif(ByteOrder.LITTLE_ENDIAN, 6, thumbnail),
            Jpegs.segment(0xE1, Jpegs.ascii("http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>SECRET</x:xmpmeta>")),
            Jpegs.segment(0xE1, Jpegs.ascii("http://ns.adobe.com/xmp/extension/\0SECRET")),
            Jpegs.segment(0xE2, Jpegs.ascii("MPF\0SECRET")),
            Jpegs.segment(0xED, Jpegs.ascii("Photoshop 3.0\0SECRET")),
            Jpegs.segment(0xEE, Jpegs.ascii("Adobe"), Jpegs.bytes(0, 100, 0, 0, 0, 0, 1), Jpegs.ascii("SECRET")),
            Jpegs.segment(0xEF, Jpegs.ascii("SECRET")),
            Jpegs.segment(0xFE, Jpegs.ascii("SECRET"))),
        Jpegs.ascii("SECRET"), thumbnail);
    byte[] copy = recompress(jpeg);
    for (String secret : List.of("SECRET", "MAKER", "2024", "http", "JFXX", "Photoshop")) {
      assertTrue(Jpegs.contains(jpeg, secret), secret);
      assertFalse(Jpegs.contains(copy, secret), secret);
    }
    for (Jpegs.Segment segment : Jpegs.segments(copy)) {
      assertTrue(List.of(0xE0, 0xFE, 0xE1, 0xDB, 0xC0, 0xC4, 0xDA).contains(segment.marker()), segment.toString());
    }
    assertEquals(6, orientation(copy));
    assertEquals(recompress(plain).length, copy.length - Jpegs.find(copy, 0xE1).of(copy).length);
  }

  /** The JDK's profile of a colour space, filled up to this many bytes. */
  private static byte[] profile(int space, int size) {
    byte[] profile = ICC_Profile.getInstance(space).getData();
    byte[] filled = Arrays.copyOf(profile, Math.max(size, profile.length));
    ByteBuffer.wrap(filled).putInt(filled.length);
    return filled;
  }

  /** A profile (ICC.1 section 7) of a printer that has black ink only; without its tables it is of no use. */
  private static byte[] blackPrinter(boolean tables) {
    byte[] points = new byte[16 * 3]; // L*, a*, b* where each ink is 0 or 100 %; black is the last one
    for (int inks = 0; inks < 16; inks++) {
      System.arraycopy(Jpegs.bytes(inks % 2 == 0 ? 255 : 0, 128, 128), 0, points, inks * 3, 3);
    }
    byte[] toLab = lut8(4, 3, points);
    byte[] fromLab = lut8(3, 4, new byte[8 * 4]);
    ByteBuffer profile = ByteBuffer.allocate(156 + toLab.length + fromLab.length);
    profile.putInt(profile.capacity()).position(8).putInt(0x02400000); // version 2.4
    profile.put(Jpegs.ascii("prtrCMYKLab ")).position(36).put(Jpegs.ascii("acsp"));
    profile.position(68).putInt(0xF6D6).putInt(0x10000).putInt(0xD32D); // D50
    profile.position(128).putInt(tables ? 2 : 0);
    profile.put(Jpegs.ascii("A2B0")).putInt(156).putInt(toLab.length);
    profile.put(Jpegs.ascii("B2A0")).putInt(156 + toLab.length).putInt(fromLab.length);
    return profile.put(toLab).put(fromLab).array();
  }

  /** A table of type lut8Type (ICC.1 section 10.10) whose curves are straight, of two points in each dimension. */
  private static byte[] lut8(int in, int out, byte[] points) {
    ByteBuffer table = ByteBuffer.allocate(48 + in * 256 + points.length + out * 256);
    table.put(Jpegs.ascii("mft1")).putInt(0).put(Jpegs.bytes(in, out, 2, 0));
    for (int i = 0; i < 9; i++) {
      table.putInt(i % 4 == 0 ? 0x10000 : 0); // the identity
    }
    for (int i = 0; i < in * 256; i++) {
      table.put((byte) i);
    }
    table.put(points);
    while (table.hasRemaining()) {
      table.put((byte) (table.position() - 48 - points.length));
    }
    return table.array();
  }

  @Test
  @DisplayName("CMYK becomes sRGB by its ICC profile, which is then left out")
  void cmykProfile() throws Exception {
    BufferedImage picture = new BufferedImage(32, 32, BufferedImage.TYPE_INT_RGB);
    Graphics2D graphics = picture.createGraphics();
    graphics.setColor(Color.RED);
    graphics.fillRect(0, 0, 32, 32);
    graphics.dispose();
    double[][] stored = Jpegs.inverted(Jpegs.inks(Jpegs.rgb(picture)));
    byte[] red = Jpegs.encode(32, stored, Jpegs.Form.of("11111111").withHead(Jpegs.adobe(0)));
    byte[] copy = recompress(Jpegs.with(red, segments(blackPrinter(true), 1_000)));
    Color colour = new Color(Pictures.decode(copy).getRGB(16, 16)); // red has no black in it: paper, on that printer
    assertTrue(Math.min(colour.getGreen(), colour.getBlue()) > 240, colour.toString());
    assertNull(profile(copy));
  }

  /** The ICC profile in a JPEG, put together from its segments, or null. */
  private static byte[] profile(byte[] jpeg) throws IOException {
    ByteArrayOutputStream profile = new ByteArrayOutputStream();
    int number = 0;
    for (Jpegs.Segment segment : Jpegs.segments(jpeg)) {
      if (segment.marker() == 0xE2) {
        byte[] bytes = segment.of(jpeg);
        assertEquals(++number, bytes[16]);
        profile.write(bytes, 18, bytes.length - 18);
      }
    }
    return number == 0 ? null : profile.toByteArray();
  }

  @Test
  @DisplayName("ICC profiles of RGB and grey, in one segment or many, in any order, stay byte for byte")
  void profiles() throws Exception {
    BufferedImage picture = Pictures.smooth(48, 32);
    byte[] colour = Pictures.jpeg(picture, 0.95f);
    byte[] grey = Jpegs.encode(picture, Jpegs.Form.of("11"));
    byte[] named = Jpegs.encode(48, Jpegs.rgb(picture), Jpegs.Form.of("111111").withHead().withIds("RGB"));
    for (int size : new int[] {0, 65_519, 65_520, 200_000}) {
      byte[] profile = profile(ColorSpace.CS_sRGB, size);
      assertArrayEquals(profile, profile(recompress(Jpegs.with(colour, segments(profile, 65_519)))), "of " + size);
      assertArrayEquals(profile, profile(recompress(Jpegs.with(named, segments(profile, 65_519)))), "RGB, of " + size);
      byte[] light = profile(ColorSpace.CS_GRAY, size);
      assertArrayEquals(light, profile(recompress(Jpegs.with(grey, segments(light, 65_519)))), "grey, of " + size);
    }
    byte[] profile = profile(ColorSpace.CS_sRGB, 9_000);
    List<byte[]> shuffled = Jpegs.icc(profile, 1_000);
    Collections.reverse(shuffled);
    shuffled.add(3, Jpegs.segment(0xFE, Jpegs.ascii("between")));
    assertArrayEquals(profile, profile(recompress(Jpegs.with(colour, shuffled.toArray(byte[][]::new)))));
    assertRight(30, Jpegs.rgb(picture), 48, Jpegs.with(colour, segments(profile, 500)), "picture");
  }

  private static byte[][] segments(byte[] profile, int size) {
    return Jpegs.icc(profile, size).toArray(byte[][]::new);
  }

  /** JPEGs whose ICC profile is of no use, by what is wrong with it. */
  private static Map<String, byte[]> brokenProfiles() throws IOException {
    byte[] profile = profile(ColorSpace.CS_sRGB, 9_000);
    byte[][] parts = segments(profile, 3_000);
    Map<String, byte[][]> broken = new LinkedHashMap<>();
    broken.put("a part is missing", new byte[][] {parts[0], parts[2]});
    broken.put("a part comes twice", new byte[][] {parts[0], parts[1], parts[1]});
    broken.put("a part comes twice, and all are there", new byte[][] {parts[0], parts[1], parts[2], parts[1]});
    broken.put("part 0", new byte[][] {Jpegs.patched(parts[0], 16, 0), parts[1], parts[2]});
    broken.put("wrong number of parts", new byte[][] {Jpegs.patched(parts[0], 17, 2), parts[1], parts[2]});
    broken.put("no parts at all", new byte[][] {Jpegs.segment(0xE2, Jpegs.ascii("ICC_PROFILE\0"))});
    broken.put("longer than its parts", segments(Jpegs.patched(profile, 0, 1), 3_000));
    broken.put("shorter than a header", segments(Arrays.copyOf(profile, 100), 3_000));
    broken.put("no signature", segments(Jpegs.patched(profile, 36, 'x'), 3_000));
    broken.put("too many tags", segments(Jpegs.patched(profile, 128, 1), 3_000));
    broken.put("a tag beyond the end", segments(Jpegs.patched(profile, 136, 1), 3_000));
    broken.put("of another colour space", segments(profile(ColorSpace.CS_GRAY, 0), 3_000));
    Map<String, byte[]> jpegs = new LinkedHashMap<>();
    byte[] plain = Pictures.jpeg(Pictures.smooth(48, 32), 0.95f);
    broken.forEach((what, segments) -> jpegs.put(what, Jpegs.with(plain, segments)));
    return jpegs;
  }

  @Test
  @DisplayName("a broken ICC profile is left out, and the picture is right")
  void brokenProfile() throws Exception {
    for (Map.Entry<String, byte[]> entry : brokenProfiles().entrySet()) {
      double[][] rgb = Jpegs.rgb(Pictures.smooth(48, 32));
      assertNull(profile(assertRight(30, rgb, 48, entry.getValue(), entry.getKey())), entry.getKey());
    }
    byte[] cmyk = Jpegs.encode(Pictures.smooth(48, 32), Jpegs.Form.of("11111111").withHead(Jpegs.adobe(0)));
    byte[] withProfile = Jpegs.with(cmyk, segments(profile(ColorSpace.CS_sRGB, 0), 1_000));
    assertArrayEquals(recompress(cmyk), recompress(withProfile), "CMYK with a profile of RGB");
  }

  @Test
  @DisplayName("a broken ICC profile gives a warning that names the image; a kept image is the same to the byte")
  void warnings(@TempDir Path folder) throws Exception {
    Files.createDirectory(folder.resolve("IMAGES"));
    int number = 0;
    for (byte[] jpeg : brokenProfiles().values()) {
      Files.write(folder.resolve("IMAGES/broken" + number++ + ".jpg"), jpeg);
    }
    byte[] cmyk = Jpegs.encode(Pictures.smooth(48, 32), Jpegs.Form.of("11111111").withHead(Jpegs.adobe(0)));
    byte[] printer = blackPrinter(true);
    byte[] oneWay = Jpegs.patched(printer, 132, 'x');
    byte[] otherWay = Jpegs.patched(printer, 144, 'x');
    for (byte[] useless : List.of(blackPrinter(false), oneWay, otherWay)) {
      Files.write(folder.resolve("IMAGES/broken" + number++ + ".jpg"), Jpegs.with(cmyk, segments(useless, 1_000)));
    }
    Files.write(folder.resolve("IMAGES/inks.jpg"), Jpegs.with(cmyk, segments(printer, 1_000)));
    byte[] plain = Pictures.jpeg(Pictures.picture(200, 200, BufferedImage.TYPE_INT_RGB, 7), 0.95f);
    byte[] turned = Jpegs.with(plain, Jpegs.exif(ByteOrder.LITTLE_ENDIAN, 6, new byte[0]));
    byte[] kept = Program.smallest(turned, QUALITY, engine);
    assertEquals(6, orientation(kept));
    Files.write(folder.resolve("IMAGES/kept.jpg"), kept);
    byte[] sound = Jpegs.with(plain, segments(profile(ColorSpace.CS_sRGB, 0), 1_000));
    Files.write(folder.resolve("IMAGES/sound.jpg"), sound);
    Program.Result run = Program.run(folder, "--engine=" + engine, "-q", "" + QUALITY);
    assertEquals(0, run.status(), run.err());
    assertArrayEquals(kept, Files.readAllBytes(folder.resolve("COMPRESSED_IMAGES/kept.jpg")));
    assertEquals(number, run.messages("WARN").size(), run.err());
    for (int i = 0; i < number; i++) {
      String name = "broken" + i + ".jpg";
      assertTrue(run.messages("WARN").stream().anyMatch(line -> line.contains(name)), run.err());
    }
  }

  @Test
  @DisplayName("fill bytes, remarks between the segments, bytes behind the end, and no end at all are no damage")
  void harmless() throws Exception {
    double[][] rgb = Jpegs.rgb(Pictures.smooth(48, 32));
    for (boolean progressive : new boolean[] {false, true}) {
      BufferedImage source = Pictures.smooth(48, 32);
      byte[] jpeg = progressive ? Pictures.jpeg(source, 0.95f, true)
          : Jpegs.encode(source, Jpegs.Form.of("221111").withRestart(2));
      byte[] filled = jpeg;
      List<Jpegs.Segment> segments = new ArrayList<>(Jpegs.segments(jpeg));
      Collections.reverse(segments);
      for (Jpegs.Segment segment : segments) {
        byte[] fill = Jpegs.join(Jpegs.segment(0xFE, Jpegs.ascii("remark")), Jpegs.bytes(-1, -1, -1));
        filled = Jpegs.spliced(filled, segment.from(), segment.from(), fill);
      }
      int end = jpeg.length - 2;
      String kind = progressive ? "progressive: " : "sequential: ";
      assertRight(30, rgb, 48, filled, kind + "fill bytes and remarks");
      byte[] everywhere = jpeg;
      for (int i = end; i >= Jpegs.scanData(jpeg); i--) {
        boolean isMarker = jpeg[i] == -1 && jpeg[i + 1] != 0;
        everywhere = isMarker ? Jpegs.spliced(everywhere, i, i, Jpegs.bytes(-1, -1, -1)) : everywhere;
      }
      assertRight(30, rgb, 48, everywhere, kind + "fill bytes between and behind the scans");
      assertRight(30, rgb, 48, Jpegs.join(jpeg, new byte[1000]), kind + "zeros behind the end");
      assertRight(30, rgb, 48, Jpegs.join(jpeg, jpeg), kind + "a second image behind the end");
      assertRight(30, rgb, 48, Arrays.copyOf(jpeg, end), kind + "no end marker");
    }
  }

  @Test
  @DisplayName("sixteen threads at once make the same copies as one")
  void threads() throws Exception {
    List<byte[]> jpegs = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      BufferedImage picture = Pictures.smooth(40 + i, 30);
      jpegs.add(Pictures.jpeg(picture, 0.9f, i % 2 == 0));
      jpegs.add(Jpegs.encode(picture, Jpegs.Form.of(i % 2 == 0 ? "211111" : "11111111").withHead(Jpegs.adobe(0))));
    }
    List<byte[]> expected = new ArrayList<>();
    for (byte[] jpeg : jpegs) {
      expected.add(recompress(jpeg));
    }
    List<Callable<byte[]>> tasks = new ArrayList<>();
    for (int i = 0; i < 10 * jpegs.size(); i++) {
      byte[] jpeg = jpegs.get(i % jpegs.size());
      tasks.add(() -> recompress(jpeg));
    }
    try (ExecutorService pool = Executors.newFixedThreadPool(16)) {
      int i = 0;
      for (Future<byte[]> copy : pool.invokeAll(tasks)) {
        assertArrayEquals(expected.get(i++ % jpegs.size()), copy.get());
      }
    }
  }
}
