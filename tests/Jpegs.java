// SPDX-License-Identifier: MIT

import java.awt.image.BufferedImage;
import java.io.*;
import java.nio.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import java.util.stream.IntStream;
import javax.imageio.plugins.jpeg.*;

/**
 * Makes the JPEGs that no camera's settings and no library's writer make, and takes JPEGs apart. Its baseline encoder
 * follows ITU-T T.81 and nothing else: it knows no convention about colours and markers, so that tests can break each.
 */
final class Jpegs {
  /** A marker segment: its marker's second byte, the offset of its 0xFF, and the offset behind it. */
  record Segment(int marker, int from, int to) {
    /** Its bytes, marker and length included. */
    byte[] of(byte[] jpeg) { return Arrays.copyOfRange(jpeg, from, to); }
  }

  /**
   * What a JPEG is to look like.
   *
   * @param sampling the components' sampling factors, a digit across and one down for each: "221111" is 4:2:0
   * @param ids the components' identifiers
   * @param direct whether they are R, G, B, or C, M, Y, K; else luminance and chrominance, and K
   * @param restart the restart interval in MCUs, 0 for none
   * @param interleaved whether one scan holds all components, or each has a scan of its own
   * @param head the segments behind SOI
   */
  record Form(String sampling, String ids, boolean direct, int restart, boolean interleaved, byte[]... head) {
    static final Form RGB = new Form("111111", "\1\2\3", true, 0, true, adobe(0));
    static final Form CMYK = new Form("11111111", "\1\2\3\4", true, 0, true, adobe(0));
    static final Form YCCK = new Form("11111111", "\1\2\3\4", false, 0, true, adobe(2));

    /** Grey or YCbCr, by JFIF, or CMYK. */
    static Form of(String sampling) {
      return sampling.length() == 8 ? CMYK.withSampling(sampling)
          : new Form(sampling, "\1\2\3".substring(0, sampling.length() / 2), false, 0, true, JFIF);
    }

    Form withSampling(String factors) { return new Form(factors, ids, direct, restart, interleaved, head); }
    Form withIds(String letters) { return new Form(sampling, letters, direct, restart, interleaved, head); }
    Form withHead(byte[]... segments) { return new Form(sampling, ids, direct, restart, interleaved, segments); }
    Form withRestart(int interval) { return new Form(sampling, ids, direct, interval, interleaved, head); }
    Form inScans() { return new Form(sampling, ids, direct, restart, false, head); }

    /** The samples, one for each component and from 0 to 255, of a pixel. */
    private double[] samples(int pixel) {
      boolean inks = ids.length() == 4; // of which Adobe's programs store what is missing to full ink
      double[] rgb = {pixel >> 16 & 0xFF, pixel >> 8 & 0xFF, pixel & 0xFF};
      double white = inks ? Arrays.stream(rgb).max().getAsDouble() : 255; // less black ink
      if (direct) { return new double[] {255 - white + rgb[0], 255 - white + rgb[1], 255 - white + rgb[2], white}; }
      // As libjpeg has it, YCCK is the YCbCr of the complements of what is stored as C, M and Y.
      double[] coded = inks ? Arrays.stream(rgb).map(value -> white - value).toArray() : rgb;
      double y = 0.299 * coded[0] + 0.587 * coded[1] + 0.114 * coded[2];
      return new double[] {y, (coded[2] - y) / 1.772 + 128, (coded[0] - y) / 1.402 + 128, white};
    }
  }

  /** A picture as these forms store it: CMYK and YCCK in four bands, grey, or as it is. */
  static BufferedImage stored(BufferedImage picture, Form form) {
    if (form.ids.length() != 4) { return form.ids.length() == 1 ? Pictures.grey(picture) : picture; }
    int width = picture.getWidth();
    BufferedImage inks = new BufferedImage(width, picture.getHeight(), BufferedImage.TYPE_4BYTE_ABGR);
    for (int i = 0; i < width * picture.getHeight(); i++) {
      inks.getRaster().setPixel(i % width, i / width, Form.CMYK.samples(picture.getRGB(i % width, i / width)));
    }
    return inks;
  }

  static final byte[] JFIF = segment(0xE0, "JFIF\0\1\1\0\0\1\0\1\0\0");

  /** The place in a block of each coefficient in zigzag order: by diagonals, up every other one (T.81 figure A.6). */
  private static final int[] ZIGZAG = IntStream.range(0, 64).boxed().sorted(Comparator.comparing(i -> {
    int diagonal = i / 8 + i % 8;
    return 8 * diagonal + (diagonal % 2 == 0 ? i % 8 : i / 8);
  })).mapToInt(i -> i).toArray();

  private static final int[] STEPS = Arrays.stream(ZIGZAG) // of the quantization table
      .map(i -> JPEGQTable.K1Luminance.getScaledInstance(0.15f, true).getTable()[i]).toArray();

  /** Of frequency u at sample x, at 8 * u + x (T.81 A.3.3). */
  private static final double[] COSINE = IntStream.range(0, 64).mapToDouble(i ->
      Math.cos((2 * (i % 8) + 1) * (i / 8) * Math.PI / 16) * (i < 8 ? Math.sqrt(0.125) : 0.5)).toArray();

  private Jpegs() {}

  /** Encodes a picture as a baseline JPEG of high quality. */
  static byte[] encode(BufferedImage picture, Form form) { return new Encoder(picture, form).encode(); }

  /** T.81, sections A and F.1, as plainly as can be. */
  private static final class Encoder {
    private static final int[][] DC = codes(JPEGHuffmanTable.StdDCLuminance);
    private static final int[][] AC = codes(JPEGHuffmanTable.StdACLuminance);

    private final Form form;
    private final int width;
    private final int height;
    private final int components;
    private final double[][] samples; // by pixel, row by row: one for each component
    private final int hMax;
    private final int vMax;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final StringBuilder bits = new StringBuilder(); // of the scan or its restart interval

    Encoder(BufferedImage picture, Form form) {
      this.form = form;
      width = picture.getWidth();
      height = picture.getHeight();
      components = form.ids.length();
      samples = IntStream.range(0, width * height)
          .mapToObj(i -> form.samples(picture.getRGB(i % width, i / width))).toArray(double[][]::new);
      hMax = IntStream.range(0, components).map(this::h).max().getAsInt();
      vMax = IntStream.range(0, components).map(this::v).max().getAsInt();
    }

    private int h(int c) { return form.sampling.charAt(2 * c) - '0'; }
    private int v(int c) { return form.sampling.charAt(2 * c + 1) - '0'; }

    byte[] encode() {
      byte[] frame = bytes(8, height >> 8, height, width >> 8, width, components);
      for (int c = 0; c < components; c++) { frame = join(frame, bytes(form.ids.charAt(c), h(c) << 4 | v(c), 0)); }
      out.writeBytes(join(bytes(0xFF, 0xD8), join(form.head), segment(0xDB, bytes(0), bytes(STEPS)),
          segment(0xC0, frame), segment(0xC4, bytes(0), table(JPEGHuffmanTable.StdDCLuminance)),
          segment(0xC4, bytes(0x10), table(JPEGHuffmanTable.StdACLuminance))));
      if (form.restart > 0) { out.writeBytes(segment(0xDD, bytes(form.restart >> 8, form.restart))); }
      int together = form.interleaved ? components : 1;
      for (int c = 0; c < components; c += together) { scan(c, c + together); }
      out.writeBytes(bytes(0xFF, 0xD9));
      return out.toByteArray();
    }

    private static byte[] table(JPEGHuffmanTable table) {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      for (short length : table.getLengths()) { bytes.write(length); }
      for (short value : table.getValues()) { bytes.write(value); }
      return bytes.toByteArray();
    }

    /** For each symbol its code and the code's length (T.81 C.2). */
    private static int[][] codes(JPEGHuffmanTable table) {
      int[][] codes = new int[256][];
      int code = 0;
      int next = 0;
      for (int length = 1; length <= 16; length++, code <<= 1) {
        for (int i = 0; i < table.getLengths()[length - 1]; i++) {
          codes[table.getValues()[next++]] = new int[] {code++, length};
        }
      }
      return codes;
    }

    /** Writes a scan of the components from one to another. */
    private void scan(int from, int to) {
      byte[] header = bytes(to - from);
      for (int c = from; c < to; c++) { header = join(header, bytes(form.ids.charAt(c), 0)); }
      out.writeBytes(segment(0xDA, header, bytes(0, 63, 0)));
      int[] previous = new int[components];
      boolean alone = to == from + 1; // then an MCU is one block, whatever the sampling (T.81 A.2.2)
      int across = alone ? ceil(ceil(width * h(from), hMax), 8) : ceil(width, 8 * hMax);
      int down = alone ? ceil(ceil(height * v(from), vMax), 8) : ceil(height, 8 * vMax);
      for (int mcu = 0; mcu < across * down; mcu++) {
        if (form.restart > 0 && mcu > 0 && mcu % form.restart == 0) {
          flush();
          out.writeBytes(bytes(0xFF, 0xD0 | mcu / form.restart - 1 & 7));
          Arrays.fill(previous, 0);
        }
        for (int c = from; c < to; c++) {
          int h = alone ? 1 : h(c);
          int v = alone ? 1 : v(c);
          for (int i = 0; i < h * v; i++) {
            previous[c] = block(c, mcu % across * h + i % h, mcu / across * v + i / h, previous[c]);
          }
        }
      }
      flush();
    }

    /** Writes a block and returns its DC coefficient. */
    private int block(int c, int column, int row, int previous) {
      double[] values = new double[64];
      Arrays.setAll(values, i -> sample(c, column * 8 + i % 8, row * 8 + i / 8) - 128);
      int[] levels = new int[64];
      for (int k = 0; k < 64; k++) {
        int u = ZIGZAG[k] % 8 * 8;
        int v = ZIGZAG[k] / 8 * 8;
        double sum = 0;
        for (int i = 0; i < 64; i++) { sum += values[i] * COSINE[u + i % 8] * COSINE[v + i / 8]; }
        levels[k] = (int) Math.round(sum / STEPS[k]);
      }
      put(DC, 0, levels[0] - previous);
      int run = 0;
      for (int k = 1; k < 64; k++) {
        if (levels[k] == 0) {
          run++;
        } else {
          for (; run > 15; run -= 16) { put(AC, 0xF0, 0); }
          put(AC, run << 4, levels[k]);
          run = 0;
        }
      }
      if (run > 0) { put(AC, 0, 0); }
      return levels[0];
    }

    /** A component's sample: the mean of the pixels that it stands for; beyond the edge, the edge's. */
    private double sample(int c, int x, int y) {
      int wide = hMax / h(c);
      int high = vMax / v(c);
      double sum = 0;
      for (int i = 0; i < wide * high; i++) {
        int px = Math.min(width - 1, x * wide + i % wide);
        int py = Math.min(height - 1, y * high + i / wide);
        sum += samples[py * width + px][c];
      }
      return sum / (wide * high);
    }

    private void put(int[][] codes, int symbol, int level) {
      int size = 32 - Integer.numberOfLeadingZeros(Math.abs(level));
      int[] code = codes[symbol | size];
      put(code[0], code[1]);
      put((level < 0 ? level - 1 : level) & (1 << size) - 1, size);
    }

    private void put(int value, int size) {
      for (int i = size - 1; i >= 0; i--) { bits.append(value >> i & 1); }
    }

    /** Writes the bits, the last byte filled up with ones. */
    private void flush() {
      while (bits.length() % 8 > 0) { bits.append(1); }
      for (int i = 0; i < bits.length(); i += 8) {
        int octet = Integer.parseInt(bits, i, i + 8, 2);
        out.writeBytes(octet == 0xFF ? bytes(0xFF, 0) : bytes(octet));
      }
      bits.setLength(0);
    }

    private static int ceil(int a, int b) { return (a + b - 1) / b; }
  }

  /** Sound JPEGs of this size, of every kind that the engines distinguish, by what they are. */
  static Map<String, byte[]> kinds(int width, int height) throws IOException {
    BufferedImage picture = Pictures.picture(width, height, BufferedImage.TYPE_INT_RGB, 3);
    Map<String, byte[]> kinds = new LinkedHashMap<>();
    for (String sampling : List.of("221111", "211111", "121111", "111111", "411111", "11")) {
      Form form = Form.of(sampling);
      kinds.put(sampling, encode(picture, form));
      kinds.put(sampling + " with restarts", encode(picture, form.withRestart(3)));
      kinds.put(sampling + " in scans", encode(picture, form.inScans()));
    }
    kinds.put("progressive", Pictures.jpeg(picture, 0.9f, true));
    kinds.put("progressive grey", Pictures.jpeg(Pictures.grey(picture), 0.9f, true));
    kinds.put("RGB", encode(picture, Form.RGB));
    kinds.put("CMYK", encode(picture, Form.CMYK));
    kinds.put("YCCK", encode(picture, Form.YCCK));
    // Some that make libjpeg warn before it has read a pixel; of several warnings it gives the first alone.
    kinds.put("unknown Adobe code", encode(picture, Form.of("221111").withHead(adobe(7))));
    Form form = Form.of("411111");
    kinds.put("marker of a hierarchical JPEG", encode(picture, form.withHead(JFIF, segment(0xDF, bytes(0x11)))));
    byte[] jpeg = encode(picture, form);
    kinds.put("wrong scan parameters", patched(jpeg, scanData(jpeg) - 3, 0, 0, 0));
    return kinds;
  }

  // Segments.

  static byte[] join(byte[]... parts) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (byte[] part : parts) { all.writeBytes(part); }
    return all.toByteArray();
  }

  static byte[] bytes(int... values) {
    byte[] bytes = new byte[values.length];
    for (int i = 0; i < values.length; i++) { bytes[i] = (byte) values[i]; }
    return bytes;
  }

  static byte[] ascii(String text) { return text.getBytes(StandardCharsets.ISO_8859_1); }

  /** A character for each byte. */
  static String text(byte[] bytes) { return new String(bytes, StandardCharsets.ISO_8859_1); }

  /** Whether the text stands anywhere in the bytes. */
  static boolean contains(byte[] bytes, String text) { return text(bytes).contains(text); }

  static byte[] segment(int marker, String text) { return segment(marker, ascii(text)); }

  /** A marker segment with these contents. */
  static byte[] segment(int marker, byte[]... contents) {
    byte[] content = join(contents);
    return join(bytes(0xFF, marker, content.length + 2 >> 8, content.length + 2), content);
  }

  static byte[] adobe(int transform) { return segment(0xEE, ascii("Adobe"), bytes(0, 100, 0, 0, 0, 0, transform)); }

  /** An ICC profile in segments of this many bytes each. */
  static byte[][] icc(byte[] profile, int size) {
    byte[][] segments = new byte[(profile.length + size - 1) / size][];
    for (int i = 0; i < segments.length; i++) {
      byte[] part = Arrays.copyOfRange(profile, i * size, Math.min(profile.length, (i + 1) * size));
      segments[i] = segment(0xE2, ascii("ICC_PROFILE\0"), bytes(i + 1, segments.length), part);
    }
    return segments;
  }

  /** An EXIF segment as cameras write it: maker, orientation, maker's note, GPS position and date, and a thumbnail. */
  static byte[] exif(ByteOrder order, int orientation, byte... thumbnail) {
    return exif(order, Map.of(0x010F, "MAKERNAME", 0x0112, orientation, 0x8769, Map.of(0x927C, ascii("MAKERNOTE")),
        0x8825, Map.of(1, "N", 0x1D, "2024:05:06")), Map.of(0x0201, thumbnail, 0x0202, thumbnail.length));
  }

  /** An EXIF segment with an orientation and the mark of Adobe RGB (DCF 2.0), with nothing else in it. */
  static byte[] adobeRgb(int orientation) {
    return exif(ByteOrder.BIG_ENDIAN,
        Map.of(0x0112, orientation, 0x8769, Map.of(0xA001, 0xFFFF, 0xA005, Map.of(1, "R03"))));
  }

  static byte[] exif(ByteOrder order, Map<?, ?> tags, Map<?, ?>... next) {
    return segment(0xE1, ascii("Exif\0\0"), tiff(order, tags, next));
  }

  /** A TIFF structure of this directory, and maybe a next one. */
  static byte[] tiff(ByteOrder order, Map<?, ?> tags, Map<?, ?>... next) {
    String header = order == ByteOrder.BIG_ENDIAN ? "MM\0*\0\0\0\b" : "II*\0\b\0\0\0";
    return join(ascii(header), directory(order, header.length(), tags, next));
  }

  private record Field(int type, int count, byte[] bytes) {}

  /**
   * A directory of a TIFF structure (TIFF 6.0 section 2), for this offset, and behind it what it leads to. By tag it
   * has numbers (SHORT), texts (ASCII), pairs of numbers (SRATIONAL), bytes (UNDEFINED), and where directories and a
   * thumbnail are (LONG).
   */
  static byte[] directory(ByteOrder order, int offset, Map<?, ?> tags, Map<?, ?>... next) {
    ByteBuffer entries = ByteBuffer.allocate(6 + 12 * tags.size()).order(order).putShort((short) tags.size());
    ByteArrayOutputStream behind = new ByteArrayOutputStream();
    new TreeMap<>(tags).forEach((tag, value) -> {
      int place = offset + entries.capacity() + behind.size();
      Field field = switch (value) {
        case Integer n -> new Field(3, 1, order == ByteOrder.BIG_ENDIAN ? bytes(n >> 8, n) : bytes(n, n >> 8));
        case String text -> new Field(2, text.length() + 1, ascii(text + "\0"));
        case int[] two -> new Field(10, 1, ByteBuffer.allocate(8).order(order).putInt(two[0]).putInt(two[1]).array());
        case Map<?, ?> more -> new Field(4, 1, directory(order, place, more));
        case byte[] thumbnail when tag.equals(0x0201) -> new Field(4, 1, thumbnail);
        default -> new Field(7, ((byte[]) value).length, (byte[]) value);
      };
      entries.putShort(((Integer) tag).shortValue()).putShort((short) field.type).putInt(field.count);
      if (field.type == 4 || field.bytes.length > 4) {
        entries.putInt(place);
        behind.writeBytes(field.bytes);
      } else {
        entries.put(Arrays.copyOf(field.bytes, 4));
      }
    });
    int end = offset + entries.capacity() + behind.size();
    entries.putInt(next.length == 0 ? 0 : end);
    return join(entries.array(), behind.toByteArray(), next.length == 0 ? bytes() : directory(order, end, next[0]));
  }

  /** The segments of a JPEG: those before the first scan, and that scan's header, which is the last. */
  static List<Segment> segments(byte[] jpeg) {
    List<Segment> segments = new ArrayList<>();
    for (int at = 2; at + 4 <= jpeg.length && jpeg[at] == -1; at = segments.getLast().to) {
      segments.add(new Segment(jpeg[at + 1] & 0xFF, at, at + 2 + u16(jpeg, at + 2)));
      if (segments.getLast().to > jpeg.length) { break; }
      if (segments.getLast().marker == 0xDA) { return segments; }
    }
    throw new IllegalArgumentException("no scan found");
  }

  /** The first segment of these markers. */
  static Segment find(byte[] jpeg, int... markers) {
    return segments(jpeg).stream().filter(s -> Arrays.stream(markers).anyMatch(m -> m == s.marker)).findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no such segment"));
  }

  /** The JPEG's frame header, which says how large it is. */
  static Segment frame(byte[] jpeg) { return find(jpeg, 0xC0, 0xC1, 0xC2); }

  /** The sampling factors of its components, two digits each. */
  static String sampling(byte[] jpeg) {
    StringBuilder sampling = new StringBuilder();
    for (int at = frame(jpeg).from + 11; at < frame(jpeg).to; at += 3) {
      sampling.append(jpeg[at] >> 4).append(jpeg[at] & 15);
    }
    return sampling.toString();
  }

  /** Where the data of the first scan begin. */
  static int scanData(byte[] jpeg) { return segments(jpeg).getLast().to; }

  /** Where the markers from the first scan's data on are: restart markers, segments between the scans, EOI. */
  static int[] markers(byte[] jpeg) {
    return IntStream.range(scanData(jpeg), jpeg.length - 1).filter(i -> jpeg[i] == -1 && jpeg[i + 1] != 0).toArray();
  }

  /** A JPEG that has these segments too, behind SOI and JFIF. */
  static byte[] with(byte[] jpeg, byte[]... segments) {
    int at = jpeg[3] == (byte) 0xE0 ? 4 + u16(jpeg, 4) : 2;
    return spliced(jpeg, at, at, join(segments));
  }

  /** A copy with other bytes from an offset on. */
  static byte[] patched(byte[] jpeg, int at, int... values) {
    byte[] copy = jpeg.clone();
    System.arraycopy(bytes(values), 0, copy, at, values.length);
    return copy;
  }

  /** A copy without the bytes from one offset to the other, and others in their place. */
  static byte[] spliced(byte[] jpeg, int from, int to, byte... instead) {
    return join(Arrays.copyOf(jpeg, from), instead, Arrays.copyOfRange(jpeg, to, jpeg.length));
  }

  /** A copy that declares another size in pixels. */
  static byte[] resized(byte[] jpeg, int width, int height) {
    return patched(jpeg, frame(jpeg).from + 5, height >> 8, height, width >> 8, width);
  }

  static int u16(byte[] bytes, int at) { return (bytes[at] & 0xFF) << 8 | bytes[at + 1] & 0xFF; }
}
