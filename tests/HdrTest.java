// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.*;

import java.awt.image.*;
import java.nio.*;
import java.util.*;
import org.junit.jupiter.api.*;

@DisplayName("What a photograph carries: HDR gain maps, and metadata on request")
class HdrTest {
  private static final byte[] ISO = Jpegs.segment(0xE2, Jpegs.ascii("urn:iso:std:iso:ts:21496:-1\0"), new byte[4]);
  private static final byte[] REMARK = Jpegs.segment(0xFE, "a remark");
  private static final byte[] HDRGM = xmp("<D xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/' hdrgm:Gamma='1'/>");
  private static final byte[] AUXILIARY = xmp("<a:Type>urn:com:apple:photo:2020:aux:hdrgainmap</a:Type>");
  private static final String HEADROOM = "\0\0\u0011\u0011\0\0\"\"\0\0\u0033\u0033\0\0DD"; // of Apple: two rationals
  private static final int MPF_START = 2 + 18 + 8; // where its TIFF structure is, behind JFIF
  private static final int MPF = 8 + 26; // bytes of the segment, less the entries
  private static final BufferedImage PICTURE = Pictures.picture(200, 120, BufferedImage.TYPE_INT_RGB, 5);

  private static final byte[] PLAIN = assertDoesNotThrow(() -> Pictures.jpeg(PICTURE, 0.95f));

  private static Copy recompress(byte[] jpeg, boolean keep) { return recompress(jpeg, Compress.Engine.auto, keep); }

  private static Copy recompress(byte[] jpeg, Compress.Engine engine, boolean keep) {
    Recompressor.Settings settings = Program.settings(75, engine, false, keep);
    return assertDoesNotThrow(() -> Recompressor.recompress(jpeg, settings));
  }

  private static byte[] xmp(String packet) {
    return Jpegs.segment(0xE1, Jpegs.ascii("http://ns.adobe.com/xap/1.0/\0"), Jpegs.ascii(packet));
  }

  /** The XMP of an Ultra HDR picture, with the name of a place, and more items behind the map. */
  private static byte[] container(int length, String more) {
    return xmp("<D xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/' hdrgm:Version='1.0' City='SECRET'><rdf:Seq>"
        + "<rdf:li><C Item:Semantic='Primary' Item:Mime='image/jpeg'/></rdf:li><rdf:li><C Item:Semantic='GainMap' "
        + "Item:Length='" + length + "'/></rdf:li>" + more + "</rdf:Seq></D>");
  }

  /** A grey JPEG a quarter as large, or one in colour half as large, with these segments. */
  private static byte[] map(boolean grey, byte[]... segments) {
    BufferedImage small = Pictures.smooth(grey ? 50 : 100, grey ? 30 : 60);
    return Jpegs.encode(small, Jpegs.Form.of(grey ? "11" : "111111").withHead(segments));
  }

  /** A file of several pictures: the first with these segments and an MPF of these types, the others behind it. */
  private static byte[] file(ByteOrder order, byte[][] head, int[] types, byte[]... others) {
    byte[] jpeg = Jpegs.with(PLAIN, head);
    ByteBuffer entries = ByteBuffer.allocate(16 * (others.length + 1)).order(order);
    int offset = jpeg.length + MPF + entries.capacity() - MPF_START;
    entries.putInt(0x30000).putInt(offset + MPF_START).putLong(0);
    for (int i = 0; i < others.length; offset += others[i++].length) {
      entries.putInt(types[i]).putInt(others[i].length).putInt(offset).putInt(0);
    }
    byte[] mpf = Jpegs.tiff(order, Map.of(0xB002, entries.array()));
    return Jpegs.join(Jpegs.with(jpeg, Jpegs.segment(0xE2, Jpegs.ascii("MPF\0"), mpf)), Jpegs.join(others));
  }

  private static byte[] file(ByteOrder order, byte[] map, byte[]... head) { return file(order, head, new int[1], map); }

  /** EXIF with Apple's maker's notes, always big endian: headroom, gain, a serial number that is nobody's business. */
  private static byte[] apple(ByteOrder order) {
    Map<?, ?> notes = Map.of(0x21, new int[] {0x1111, 0x2222}, 0x30, new int[] {0x3333, 0x4444}, 0x40, "SERIAL");
    byte[] start = Jpegs.ascii("Apple iOS\0\0\1MM");
    byte[] all = Jpegs.join(start, Jpegs.directory(ByteOrder.BIG_ENDIAN, start.length, notes));
    return Jpegs.exif(order, Map.of(0x8769, Map.of(0x927C, all)));
  }

  /** The second picture of a file, found by MPF as viewers do: it must be all that stands behind the first. */
  static byte[] second(byte[] jpeg) {
    Jpegs.Segment s = Jpegs.segments(jpeg).stream()
        .filter(app -> Jpegs.text(app.of(jpeg)).matches("(?s)\377\342..MPF\0.*")).findFirst().orElse(null);
    if (s == null) { return null; }
    ByteBuffer mpf = ByteBuffer.wrap(jpeg, s.from() + 8, s.to() - s.from() - 8).slice();
    assertEquals(2, mpf.getInt(30), "pictures");
    int from = s.from() + 8 + mpf.getInt(74);
    assertEquals(from, mpf.getInt(54), "the first one's size");
    assertEquals(jpeg.length, from + mpf.getInt(70), "the second one's end");
    assertArrayEquals(Jpegs.bytes(0xFF, 0xD9), Arrays.copyOfRange(jpeg, from - 2, from));
    return Arrays.copyOfRange(jpeg, from, jpeg.length);
  }

  /** The application data and comments of a JPEG, but for JFIF, MPF and, if so, XMP. */
  private static List<String> metadata(byte[] jpeg, boolean withXmp) {
    return Jpegs.segments(jpeg).stream().filter(s -> s.marker() >= 0xE0).map(s -> Jpegs.text(s.of(jpeg)))
        .filter(text -> !text.matches("(?s).{4}(MPF\0|JFIF\0|Compress\0).*"))
        .filter(text -> withXmp || !text.contains("xap/1.0")).toList();
  }

  /** Files of every form, by its name. */
  static Map<String, byte[]> forms() {
    Map<String, byte[]> forms = new LinkedHashMap<>();
    for (ByteOrder order : List.of(ByteOrder.BIG_ENDIAN, ByteOrder.LITTLE_ENDIAN)) {
      byte[] grey = map(true, HDRGM, Jpegs.JFIF, REMARK);
      forms.put("XMP, " + order, file(order, grey, container(grey.length, "")));
      forms.put("ISO, " + order, file(order, map(false, ISO, REMARK), ISO));
      forms.put("Apple, " + order, file(order, map(true, AUXILIARY), apple(order)));
    }
    byte[] grey = map(true, HDRGM);
    forms.put("XMP alone", Jpegs.join(Jpegs.with(PLAIN, container(grey.length, "")), grey));
    return forms;
  }

  @Test
  @DisplayName("gain maps of every form stay, pixel for pixel, with their own metadata; MPF and XMP lead to them")
  void kept() throws Exception {
    for (Map.Entry<String, byte[]> form : forms().entrySet()) {
      for (boolean keep : new boolean[] {false, true}) {
        String what = form.getKey() + (keep ? ", all" : "");
        byte[] jpeg = form.getValue();
        byte[] map = Arrays.copyOfRange(jpeg, Jpegs.text(jpeg).lastIndexOf("\u00FF\u00D8\u00FF"), jpeg.length);
        Copy made = recompress(jpeg, keep);
        byte[] copy = made.bytes();
        byte[] kept = second(copy);
        assertEquals(List.of(), made.warnings(), what);
        assertTrue(Jpegs.text(copy).matches("(?s).*MPF\0.{50}\0\3\0\0.*"), what + ": the primary picture's type");
        assertEquals(metadata(map, true), metadata(kept, true), what);
        assertTrue(kept.length < map.length && copy.length < jpeg.length, what);
        assertArrayEquals(pixels(map), pixels(kept), what);
        assertTrue(Pictures.psnr(PICTURE, copy) > 28, what);
        assertTrue(!keep || metadata(jpeg, false).equals(metadata(copy, false)), what);
        assertEquals(keep && Jpegs.contains(jpeg, "SECRET"), Jpegs.contains(copy, "SECRET"), what);
        assertEquals(keep && Jpegs.contains(jpeg, "SERIAL"), Jpegs.contains(copy, "SERIAL"), what);
        assertEquals(Jpegs.contains(jpeg, HEADROOM), Jpegs.contains(copy, HEADROOM), what);
        assertEquals(Jpegs.contains(jpeg, "ts:21496"), Jpegs.contains(copy, "ts:21496"), what);
        boolean right = Jpegs.text(copy).matches("(?s).*Item:Length=.%d['\"].*".formatted(kept.length));
        assertEquals(Jpegs.contains(jpeg, "Item:Length"), right, what);
        byte[] again = recompress(copy, keep).bytes();
        assertArrayEquals(kept, second(again), "once more: " + what);
        assertEquals(2, Jpegs.text(again).split("\u00FF\u00E9..Compress\0").length, "says once what made it: " + what);
        byte[] byPixels = recompress(jpeg, Compress.Engine.pixels, keep).bytes();
        assertArrayEquals(kept, second(byPixels), "by pixels: " + what); // only the picture itself
      }
    }
  }

  private static byte[] pixels(byte[] jpeg) {
    Raster raster = assertDoesNotThrow(() -> Pictures.decode(jpeg)).getRaster();
    return ((DataBufferByte) raster.getDataBuffer()).getData();
  }

  @Test
  @DisplayName("damaged maps, previews, stereo, films: a warning each that says so, and a plain copy; an MPF that lies "
      + "harms nothing")
  void leftOut() throws Exception {
    byte[] map = map(true, HDRGM);
    byte[] other = map(false, Jpegs.JFIF);
    byte[] head = container(map.length, "");
    byte[] good = file(ByteOrder.BIG_ENDIAN, map, head);
    Map<byte[], String> files = new LinkedHashMap<>();
    files.put(Arrays.copyOf(good, good.length - map.length), "HDR gain map.*there is none");
    byte[] cut = Arrays.copyOf(map, map.length - 200);
    files.put(file(ByteOrder.BIG_ENDIAN, cut, head), "HDR gain map.*truncated");
    byte[] damaged = Jpegs.patched(map, Jpegs.scanData(map) + 9, 0xFF, 0x91);
    files.put(file(ByteOrder.BIG_ENDIAN, damaged, head), "HDR gain map.*(truncated|corrupt)");
    BufferedImage huge = new BufferedImage(3_000, 3_000, BufferedImage.TYPE_BYTE_GRAY);
    byte[] large = Jpegs.with(Pictures.jpeg(huge, 0.9f), HDRGM);
    files.put(file(ByteOrder.BIG_ENDIAN, large, head), "HDR gain map.*larger than its picture");
    files.put(file(ByteOrder.BIG_ENDIAN, map(true, AUXILIARY)), "cannot be used.*headroom");
    int[] previews = {0x10001, 0x10002};
    files.put(file(ByteOrder.LITTLE_ENDIAN, new byte[0][], previews, other, other), "a smaller picture");
    files.put(file(ByteOrder.BIG_ENDIAN, new byte[0][], new int[] {0x20002}, PLAIN), "a second picture"); // stereo
    files.put(Jpegs.join(Jpegs.with(PLAIN, xmp("<C Item:Semantic='Depth'/>")), other), "a smaller picture");
    String film = "<rdf:li><C Item:Semantic='MotionPhoto' Item:Length='1000' Item:Padding='8'/></rdf:li>";
    files.put(Jpegs.join(Jpegs.with(PLAIN, xmp("<D GCamera:MotionPhoto=\"1\">" + film)), new byte[1000]), "a film");
    files.put(Jpegs.join(Jpegs.with(PLAIN, xmp("<D GCamera:MicroVideo=\"1\"/>")), new byte[1000]), "a film");
    files.put(Jpegs.join(PLAIN, Jpegs.ascii("MotionPhoto_Data"), new byte[99], Jpegs.ascii("SEFT")), "a film");
    byte[] sdr = recompress(PLAIN, false).bytes();
    files.forEach((file, reason) -> {
      Copy copy = recompress(file, false);
      assertTrue(copy.warnings().toString().matches("\\[has [^,]*" + reason + "[^,]* left out of the copy]"),
          reason + ": " + copy.warnings());
      assertArrayEquals(Program.unsigned(sdr), Program.unsigned(copy.bytes()), reason);
      String kept = Jpegs.text(recompress(file, true).bytes());
      assertFalse(kept.matches("(?s).*(Item:Length='[1-9]|(MotionPhoto|MicroVideo)=\"1).*"), reason);
    });
    int entry = MPF_START + 26 + 16; // the map's in MPF
    byte[] odd = file(ByteOrder.BIG_ENDIAN, map(true, ISO), ISO);
    for (byte[] lie : List.of(Jpegs.patched(good, entry + 8, 0x7F), Jpegs.patched(good, entry + 8, 0xFF),
        Jpegs.patched(good, entry + 4, 0x01), Jpegs.patched(good, entry + 11, good[entry + 11] + 1),
        Jpegs.join(good, new byte[1]), Jpegs.patched(odd, 28, 'x'))) { // of place, of size, no TIFF
      Copy copy = recompress(lie, false);
      assertEquals(List.of(), copy.warnings());
      assertArrayEquals(pixels(map), pixels(second(copy.bytes())));
    }
    byte[] live = Jpegs.join(file(ByteOrder.BIG_ENDIAN, map, container(map.length, film + "<D MotionPhoto='1'/>")), new byte[1008]);
    byte[] colour = map(false, ISO); // whose end marker is missing, and is put there
    byte[] open = file(ByteOrder.BIG_ENDIAN, Arrays.copyOf(colour, colour.length - 2), ISO);
    assertArrayEquals(pixels(colour), pixels(second(recompress(open, false).bytes())));
    byte[] third = file(ByteOrder.BIG_ENDIAN, new byte[][] {ISO}, new int[] {0x10001, 0}, other, colour);
    assertArrayEquals(pixels(colour), pixels(second(recompress(third, false).bytes()))); // behind a preview
    Copy copy = recompress(live, false); // HDR, and a film behind it
    assertEquals(1, copy.warnings().size());
    assertArrayEquals(pixels(map), pixels(second(copy.bytes())));
  }

  @Test
  @DisplayName("--keep-metadata: EXIF, XMP and its extension, IPTC, comments stay byte for byte and in order, and once")
  void keepMetadata() throws Exception {
    byte[][] head = {
      REMARK, Jpegs.exif(ByteOrder.LITTLE_ENDIAN, 6, Pictures.jpeg(Pictures.smooth(16, 16), 0.5f)),
      xmp("<x City='SECRET'/>"), Jpegs.segment(0xE1, "http://ns.adobe.com/xmp/extension/\0GUID"),
      Jpegs.segment(0xED, "IPTC"), Jpegs.segment(0xFE, new byte[65_533]),
      Jpegs.segment(0xEF, "more"), REMARK
    };
    byte[] jpeg = Jpegs.with(PLAIN, head);
    assertEquals(head.length, metadata(jpeg, true).size());
    assertEquals(metadata(jpeg, true), metadata(recompress(jpeg, true).bytes(), true));
    assertEquals(1, metadata(recompress(jpeg, false).bytes(), true).size()); // the orientation
    byte[] map = map(true, HDRGM);
    byte[] full = container(1, " ".repeat(65_537 - container(1, "").length)); // has no room for the map's real length
    byte[] hdr = file(ByteOrder.BIG_ENDIAN, map, full);
    byte[] same = recompress(hdr, true).bytes();
    assertEquals(metadata(hdr, true), metadata(same, true));
    assertArrayEquals(pixels(map), pixels(second(same)));
    byte[] exif = Jpegs.adobeRgb(8);
    byte[] bare = Jpegs.encode(PICTURE, Jpegs.Form.of("211111").withHead(exif, Jpegs.adobe(1)));
    byte[] copy = recompress(bare, true).bytes(); // has no JFIF, as the original has none
    assertArrayEquals(exif, Arrays.copyOfRange(copy, 2, 2 + exif.length));
    assertFalse(Jpegs.contains(copy, "JFIF"));
    assertTrue(Pictures.psnr(PICTURE, copy) > 28);
    byte[] inks = Jpegs.encode(PICTURE, Jpegs.Form.CMYK.withHead(Jpegs.adobe(0), exif, REMARK));
    assertEquals(metadata(inks, true), metadata(recompress(inks, true).bytes(), true));
  }
}
