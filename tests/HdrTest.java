// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.*;

import java.awt.image.*;
import java.io.IOException;
import java.nio.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.regex.*;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

@ParameterizedClass(name = "engine {0}")
@EnumSource
@DisplayName("What a photograph carries: HDR gain maps, and metadata on request")
class HdrTest {
  private static final int MUTANTS = 1_000; // for each engine
  private static final byte[] ISO = Jpegs.segment(0xE2, Jpegs.ascii("urn:iso:std:iso:ts:21496:-1\0"), new byte[4]);
  private static final byte[] REMARK = Jpegs.segment(0xFE, Jpegs.ascii("a remark"));
  private static final byte[] HDRGM = xmp("<D xmlns:hdrgm='http://ns.adobe.com/hdr-gain-map/1.0/' hdrgm:Gamma='1'/>");
  private static final byte[] AUXILIARY = xmp("<a:Type>urn:com:apple:photo:2020:aux:hdrgainmap</a:Type>");
  private static final BufferedImage PICTURE = Pictures.picture(200, 120, BufferedImage.TYPE_INT_RGB, 5);

  private final Compress.Engine engine;

  HdrTest(Compress.Engine engine) {
    this.engine = engine;
  }

  private Copy recompress(byte[] jpeg, boolean keep) throws IOException {
    return Recompressor.recompress(jpeg, new Recompressor.Settings(75, engine, false, keep));
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
  private static byte[] map(boolean grey, byte[]... segments) throws IOException {
    BufferedImage small = Pictures.smooth(grey ? 50 : 100, grey ? 30 : 60);
    return Jpegs.encode(small, Jpegs.Form.of(grey ? "11" : "111111").withHead(segments));
  }

  /** A file of several pictures: the first with these segments and an MPF of these types, the others behind it. */
  private static byte[] file(ByteOrder order, byte[][] head, int[] types, byte[]... others) throws IOException {
    ByteBuffer mpf = ByteBuffer.allocate(50 + 16 * (others.length + 1)).order(order);
    mpf.put(Jpegs.ascii(order == ByteOrder.BIG_ENDIAN ? "MM" : "II")).putShort((short) 42).putInt(8);
    mpf.putShort((short) 1).putShort((short) 0xB002).putShort((short) 7).putInt(mpf.capacity() - 50).putInt(50);
    byte[] jpeg = Jpegs.with(Pictures.jpeg(PICTURE, 0.95f), head);
    int at = 2 + 18 + 8; // behind JFIF, where the header of MPF comes to stand
    int offset = jpeg.length + mpf.capacity() + 8 - at;
    mpf.position(50).putInt(0x30000).putInt(offset + at).position(66);
    for (int i = 0; i < others.length; offset += others[i++].length) {
      mpf.putInt(types[i]).putInt(others[i].length).putInt(offset).putInt(0);
    }
    return Jpegs.join(Jpegs.with(jpeg, Jpegs.segment(0xE2, Jpegs.ascii("MPF\0"), mpf.array())), Jpegs.join(others));
  }

  private static byte[] file(ByteOrder order, byte[] map, byte[]... head) throws IOException {
    return file(order, head, new int[1], map);
  }

  /** EXIF with Apple's maker's notes: headroom, gain, and a serial number that is nobody's business. */
  private static byte[] apple() {
    ByteBuffer notes = ByteBuffer.allocate(90).put(Jpegs.ascii("Apple iOS\0\0\1MM")).putShort((short) 3);
    notes.putInt(0x00210000 | 10).putInt(1).putInt(56).putInt(0x00300000 | 10).putInt(1).putInt(64);
    notes.putInt(0x00400000 | 2).putInt(7).putInt(72).putInt(0).putInt(101).putInt(100).putInt(3).putInt(1000);
    notes.put(Jpegs.ascii("SERIAL"));
    ByteBuffer tiff = ByteBuffer.allocate(50 + 90).put(Jpegs.ascii("MM\0*")).putInt(8).putShort((short) 1);
    tiff.putShort((short) 0x8769).putShort((short) 4).putInt(1).putInt(26).putInt(0).putShort((short) 1);
    tiff.putShort((short) 0x927C).putShort((short) 7).putInt(90).putInt(50).position(50).put(notes.array());
    return Jpegs.segment(0xE1, Jpegs.ascii("Exif\0\0"), tiff.array());
  }

  /** The second picture of a file, found by MPF as viewers do: it must be all that stands behind the first. */
  private static byte[] second(byte[] jpeg) throws IOException {
    for (Jpegs.Segment s : Jpegs.segments(jpeg)) {
      if (s.marker() == 0xE2 && Jpegs.contains(Arrays.copyOfRange(s.of(jpeg), 4, 8), "MPF\0")) {
        ByteBuffer mpf = ByteBuffer.wrap(jpeg, s.from() + 8, s.to() - s.from() - 8).slice();
        assertEquals(2, mpf.getInt(30), "pictures");
        int from = s.from() + 8 + mpf.getInt(74);
        assertEquals(from, mpf.getInt(54), "the first one's size");
        assertEquals(jpeg.length, from + mpf.getInt(70), "the second one's end");
        assertArrayEquals(new byte[] {-1, (byte) 0xD9}, Arrays.copyOfRange(jpeg, from - 2, from));
        return Arrays.copyOfRange(jpeg, from, jpeg.length);
      }
    }
    return null;
  }

  /** The application data and comments of a JPEG, but for JFIF, MPF and, if so, XMP. */
  private static List<String> metadata(byte[] jpeg, boolean withXmp) throws IOException {
    List<String> metadata = new ArrayList<>();
    for (Jpegs.Segment s : Jpegs.segments(jpeg)) {
      String text = new String(s.of(jpeg), StandardCharsets.ISO_8859_1);
      if ((s.marker() >= 0xE0 || s.marker() == 0xFE) && !text.matches("(?s).{4}(MPF\0|JFIF\0|Compress ).*")
          && (withXmp || !text.contains("xap/1.0"))) {
        metadata.add(text);
      }
    }
    return metadata;
  }

  /** Files of every form, by its name. */
  private static Map<String, byte[]> forms() throws IOException {
    Map<String, byte[]> forms = new LinkedHashMap<>();
    for (ByteOrder order : List.of(ByteOrder.BIG_ENDIAN, ByteOrder.LITTLE_ENDIAN)) {
      byte[] grey = map(true, HDRGM, Jpegs.JFIF, REMARK);
      forms.put("XMP, " + order, file(order, grey, container(grey.length, "")));
      forms.put("ISO, " + order, file(order, map(false, ISO, REMARK), ISO));
      forms.put("Apple, " + order, file(order, map(true, AUXILIARY), apple()));
    }
    byte[] grey = map(true, HDRGM);
    forms.put("XMP alone", Jpegs.join(Jpegs.with(Pictures.jpeg(PICTURE, 0.95f), container(grey.length, "")), grey));
    return forms;
  }

  @Test
  @DisplayName("gain maps of every form stay, pixel for pixel, with their own metadata; MPF and XMP lead to them")
  void kept() throws Exception {
    for (Map.Entry<String, byte[]> form : forms().entrySet()) {
      for (boolean keep : new boolean[] {false, true}) {
        byte[] jpeg = form.getValue();
        int from = new String(jpeg, StandardCharsets.ISO_8859_1).lastIndexOf("\u00FF\u00D8\u00FF");
        byte[] map = Arrays.copyOfRange(jpeg, from, jpeg.length);
        Copy copy = recompress(jpeg, keep);
        assertEquals(List.of(), copy.warnings(), form.getKey());
        byte[] kept = second(copy.bytes());
        assertEquals(metadata(map, true), metadata(kept, true), form.getKey());
        assertTrue(kept.length <= map.length, form.getKey());
        assertArrayEquals(pixels(map), pixels(kept), form.getKey());
        assertTrue(Pictures.psnr(Jpegs.rgb(PICTURE), Pictures.decode(copy.bytes())) > 28, form.getKey());
        assertTrue(copy.bytes().length < jpeg.length, form.getKey());
        assertEquals(metadata(jpeg, false), keep ? metadata(copy.bytes(), false) : metadata(jpeg, false));
        assertEquals(keep && Jpegs.contains(jpeg, "SECRET"), Jpegs.contains(copy.bytes(), "SECRET"), form.getKey());
        assertEquals(Jpegs.contains(jpeg, "ts:21496"), Jpegs.contains(copy.bytes(), "ts:21496"));
        if (Jpegs.contains(jpeg, "Item:Length")) {
          Matcher length = Pattern.compile("Item:Length=.(\\d+)").matcher(
              new String(copy.bytes(), StandardCharsets.ISO_8859_1));
          assertTrue(length.find() && Integer.parseInt(length.group(1)) == kept.length, form.getKey());
        }
        if (form.getKey().startsWith("Apple") && !keep) { // of the maker's notes nothing but what the map needs
          assertArrayEquals(JpegHeader.read(jpeg).exif.headroom(), JpegHeader.read(copy.bytes()).exif.headroom());
          assertEquals(16, JpegHeader.read(jpeg).exif.headroom().length);
          assertFalse(Jpegs.contains(copy.bytes(), "SERIAL"));
        }
        assertArrayEquals(kept, second(recompress(copy.bytes(), keep).bytes()), "once more: " + form.getKey());
      }
    }
  }

  private static byte[] pixels(byte[] jpeg) throws IOException {
    return ((DataBufferByte) Pictures.decode(jpeg).getRaster().getDataBuffer()).getData();
  }

  @Test
  @DisplayName("damaged maps, an MPF that lies, previews, stereo, films: a warning each that says so, and a plain copy")
  void leftOut() throws Exception {
    byte[] map = map(true, HDRGM);
    byte[] other = map(false, Jpegs.JFIF);
    byte[] head = container(map.length, "");
    byte[] good = file(ByteOrder.BIG_ENDIAN, map, head);
    int entry = 2 + 18 + 8 + 66; // the map's in MPF
    Map<byte[], String> files = new LinkedHashMap<>();
    files.put(Jpegs.patched(good, entry + 8, 0x7F), "HDR gain map.*not where");
    files.put(Jpegs.patched(good, entry + 8, 0xFF), "HDR gain map.*not where");
    files.put(Jpegs.patched(good, entry + 4, 0x01), "HDR gain map.*not where");
    files.put(Jpegs.patched(good, entry + 11, good[entry + 11] + 1), "HDR gain map.*(not where|not a JPEG)");
    files.put(Arrays.copyOf(good, good.length - 1), "HDR gain map.*not where");
    files.put(Jpegs.patched(file(ByteOrder.BIG_ENDIAN, map(true, ISO), ISO), 28, 'x'), "HDR gain map.*not where");
    byte[] cut = Arrays.copyOf(map, map.length - 200);
    files.put(file(ByteOrder.BIG_ENDIAN, cut, head), "HDR gain map.*truncated");
    byte[] damaged = Jpegs.patched(map, Jpegs.scanData(map) + 9, 0xFF, 0x91);
    files.put(file(ByteOrder.BIG_ENDIAN, damaged, head), "HDR gain map.*(truncated|corrupt)");
    BufferedImage huge = new BufferedImage(3_000, 3_000, BufferedImage.TYPE_BYTE_GRAY);
    byte[] large = Jpegs.with(Pictures.jpeg(huge, 0.9f), HDRGM);
    files.put(file(ByteOrder.BIG_ENDIAN, large, head), "HDR gain map.*larger than its picture");
    files.put(file(ByteOrder.BIG_ENDIAN, map(true, AUXILIARY)), "cannot be used.*headroom");
    String[] names = {"a preview", "a preview", "panorama", "stereo", "angle"};
    int[] types = {0x10001, 0x10002, 0x20001, 0x20002, 0x20003};
    for (int i = 0; i < types.length; i++) {
      files.put(file(ByteOrder.BIG_ENDIAN, new byte[0][], new int[] {types[i] | 1 << 31}, other), names[i]);
    }
    files.put(file(ByteOrder.LITTLE_ENDIAN, new byte[0][], new int[] {0x10001, 0x10002}, other, other), "a preview");
    String film = "<rdf:li><C Item:Semantic='MotionPhoto' Item:Length='1000' Item:Padding='8'/></rdf:li>";
    byte[] plain = Pictures.jpeg(PICTURE, 0.95f);
    files.put(Jpegs.join(Jpegs.with(plain, xmp("<D GCamera:MotionPhoto=\"1\">" + film)), new byte[1000]), "a film");
    files.put(Jpegs.join(Jpegs.with(plain, xmp("<D GCamera:MicroVideo=\"1\"/>")), new byte[1000]), "a film");
    files.put(Jpegs.join(plain, Jpegs.ascii("MotionPhoto_Data"), new byte[99], Jpegs.ascii("SEFT")), "a film");
    byte[] sdr = recompress(plain, false).bytes();
    for (Map.Entry<byte[], String> file : files.entrySet()) {
      Copy copy = recompress(file.getKey(), false);
      assertEquals(1, copy.warnings().size(), file.getValue() + copy.warnings());
      assertTrue(copy.warnings().getFirst().matches("has .*" + file.getValue() + ".* left out of the copy"),
          file.getValue() + copy.warnings());
      assertArrayEquals(Program.unsigned(sdr), Program.unsigned(copy.bytes()), file.getValue());
      String kept = new String(recompress(file.getKey(), true).bytes(), StandardCharsets.ISO_8859_1);
      assertFalse(kept.matches("(?s).*(Item:Length='[1-9]|(MotionPhoto|MicroVideo)=\"1).*"), file.getValue());
    }
    byte[] live = Jpegs.join(file(ByteOrder.BIG_ENDIAN, map, container(map.length, film)), new byte[1008]);
    byte[] colour = map(false, ISO); // whose end marker is missing, and is put there
    byte[] open = file(ByteOrder.BIG_ENDIAN, Arrays.copyOf(colour, colour.length - 2), ISO);
    assertArrayEquals(colour, second(recompress(open, false).bytes()));
    Copy copy = recompress(live, false); // HDR, and a film behind it
    assertEquals(1, copy.warnings().size());
    assertArrayEquals(pixels(map), pixels(second(copy.bytes())));
  }

  @Test
  @DisplayName("--keep-metadata: EXIF, XMP and its extension, IPTC, comments stay byte for byte and in order, and once")
  void keepMetadata() throws Exception {
    byte[][] head = {
      REMARK, Jpegs.exif(ByteOrder.LITTLE_ENDIAN, 6, Pictures.jpeg(Pictures.smooth(16, 16), 0.5f)),
      xmp("<x City='SECRET'/>"), Jpegs.segment(0xE1, Jpegs.ascii("http://ns.adobe.com/xmp/extension/\0GUID")),
      Jpegs.segment(0xED, Jpegs.ascii("IPTC")), Jpegs.segment(0xFE, new byte[65_533]),
      Jpegs.segment(0xEF, Jpegs.ascii("more")), REMARK
    };
    byte[] jpeg = Jpegs.with(Pictures.jpeg(PICTURE, 0.95f), head);
    assertEquals(head.length, metadata(jpeg, true).size());
    assertEquals(metadata(jpeg, true), metadata(recompress(jpeg, true).bytes(), true));
    assertEquals(1, metadata(recompress(jpeg, false).bytes(), true).size()); // the orientation
    byte[] exif = Jpegs.adobeRgb(8);
    byte[] bare = Jpegs.encode(PICTURE, Jpegs.Form.of("211111").withHead(exif, Jpegs.adobe(1)));
    byte[] copy = recompress(bare, true).bytes(); // has no JFIF, as the original has none
    assertArrayEquals(exif, Arrays.copyOfRange(copy, 2, 2 + exif.length));
    assertFalse(Jpegs.contains(copy, "JFIF"));
    assertTrue(Pictures.psnr(Jpegs.rgb(PICTURE), Pictures.decode(copy)) > 28);
    byte[] inks = Jpegs.encode(PICTURE, Jpegs.Form.of("11111111").withHead(Jpegs.adobe(0), exif, REMARK));
    byte[] screen = recompress(inks, true).bytes(); // sRGB: no more Adobe RGB
    assertEquals(metadata(inks, true).subList(1, 3).toString().replace("R03", "R98"),
        metadata(screen, true).toString());
  }

  @Test
  @DisplayName("1,000 mutants of HDR files each become a whole JPEG, its gain map whole, or a clear error")
  void mutants() throws Exception {
    List<byte[]> forms = List.copyOf(forms().values());
    int hdr = 0;
    int sdr = 0;
    for (int seed = 0; seed < MUTANTS; seed++) {
      Random random = new Random(seed);
      byte[] jpeg = forms.get(seed % forms.size()).clone();
      try {
        for (int i = random.nextInt(4); i >= 0; i--) { // bits, many of them in the head, where MPF and XMP are
          jpeg[2 + random.nextInt(random.nextBoolean() ? 200 : jpeg.length - 2)] ^= (byte) (1 << random.nextInt(8));
        }
        jpeg = random.nextBoolean() ? jpeg : HostileTest.mutated(jpeg, random);
      } catch (IOException e) {
        // Its segments cannot be told apart any more: so it stays.
      }
      try {
        boolean smallest = random.nextInt(8) == 0;
        Recompressor.Settings settings = new Recompressor.Settings(30, engine, smallest, random.nextBoolean());
        if (Recompressor.memory(JpegHeader.read(jpeg), jpeg.length, settings) < 24 << 20) {
          byte[] copy = Recompressor.recompress(jpeg, settings).bytes();
          Pictures.decode(copy);
          byte[] map = second(copy);
          hdr += map != null && Pictures.decode(map) != null ? 1 : 0;
          sdr += map == null ? 1 : 0;
        }
      } catch (IOException e) { // or the reader does not know this JFIF, which is the original's
        assertTrue(e.getMessage().matches(e instanceof JpegException
            ? "(not a JPEG|truncated|corrupt|not supported|it needs).*" : ".*(JFIF|thumbnail).*"), seed + ": " + e);
      }
    }
    assertTrue(hdr > MUTANTS / 20 && sdr > MUTANTS / 20, hdr + " HDR, " + sdr + " not");
  }
}
