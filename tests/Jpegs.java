// SPDX-License-Identifier: MIT

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.imageio.plugins.jpeg.JPEGHuffmanTable;
import javax.imageio.plugins.jpeg.JPEGQTable;

/**
 * Makes the JPEGs that no camera's settings and no library's writer make, and takes JPEGs apart. Its baseline encoder
 * follows ITU-T T.81 and nothing else: it knows no convention about colours and markers, so that tests can break each.
 */
final class Jpegs {
  /** A marker segment: its marker's second byte, the offset of its 0xFF, and the offset behind it. */
  record Segment(int marker, int from, int to) {
    /** Its bytes, marker and length included. */
    byte[] of(byte[] jpeg) {
      return Arrays.copyOfRange(jpeg, from, to);
    }
  }

  /**
   * What a JPEG is to look like.
   *
   * @param ids the components' identifiers
   * @param sampling their sampling factors, a digit across and one down for each: "221111" is 4:2:0
   * @param head the segments behind SOI
   * @param restart the restart interval in MCUs, 0 for none
   * @param interleaved whether one scan holds all components, or each has a scan of its own
   */
  record Form(String ids, String sampling, byte[] head, int restart, boolean interleaved) {
    static Form of(String sampling) {
      return new Form("\1\2\3\4".substring(0, sampling.length() / 2), sampling, JFIF, 0, true);
    }

    Form withIds(String newIds) {
      return new Form(newIds, sampling, head, restart, interleaved);
    }

    Form withHead(byte[]... segments) {
      return new Form(ids, sampling, join(segments), restart, interleaved);
    }

    Form withRestart(int interval) {
      return new Form(ids, sampling, head, interval, interleaved);
    }

    Form inScans() {
      return new Form(ids, sampling, head, restart, false);
    }
  }

  static final byte[] JFIF = {-1, (byte) 0xE0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0};

  private static final int[] ZIGZAG = {
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63
  };

  private static final double[] COSINE = new double[64]; // of frequency u at sample x, at 8 * u + x

  static {
    for (int i = 0; i < 64; i++) {
      COSINE[i] = Math.cos((2 * (i % 8) + 1) * (i / 8) * Math.PI / 16) * (i < 8 ? Math.sqrt(0.125) : 0.5);
    }
  }

  private Jpegs() {}

  // Planes of samples: one array for each component, row by row, from 0 to 255.

  /** The planes R, G, B of a picture. */
  static double[][] rgb(BufferedImage picture) {
    int width = picture.getWidth();
    double[][] planes = new double[3][width * picture.getHeight()];
    for (int i = 0; i < planes[0].length; i++) {
      int pixel = picture.getRGB(i % width, i / width);
      for (int c = 0; c < 3; c++) {
        planes[c][i] = pixel >> 16 - 8 * c & 0xFF;
      }
    }
    return planes;
  }

  /** The planes Y, Cb, Cr of R, G, B as JFIF has them; what comes after the third plane is left as it is. */
  static double[][] ycc(double[][] rgb) {
    double[][] planes = rgb.clone();
    for (int c = 0; c < 3; c++) {
      planes[c] = new double[rgb[0].length];
    }
    for (int i = 0; i < rgb[0].length; i++) {
      double y = 0.299 * rgb[0][i] + 0.587 * rgb[1][i] + 0.114 * rgb[2][i];
      planes[0][i] = y;
      planes[1][i] = (rgb[2][i] - y) / 1.772 + 128;
      planes[2][i] = (rgb[0][i] - y) / 1.402 + 128;
    }
    return planes;
  }

  /** The planes of cyan, magenta, yellow and black ink for R, G, B: 255 is full ink. */
  static double[][] inks(double[][] rgb) {
    double[][] planes = new double[4][rgb[0].length];
    for (int i = 0; i < rgb[0].length; i++) {
      double black = 255 - Math.max(rgb[0][i], Math.max(rgb[1][i], rgb[2][i]));
      planes[3][i] = black;
      for (int c = 0; c < 3; c++) {
        planes[c][i] = 255 - rgb[c][i] - black;
      }
    }
    return planes;
  }

  static double[][] inverted(double[][] planes) {
    return Arrays.stream(planes).map(plane -> Arrays.stream(plane).map(v -> 255 - v).toArray())
        .toArray(double[][]::new);
  }

  /** Encodes planes of this width as a baseline JPEG of high quality. */
  static byte[] encode(int width, double[][] planes, Form form) {
    return new Encoder(width, planes, form).encode();
  }

  /** Encodes a picture in this form: grey, YCbCr, or with four components CMYK, as Adobe's programs do. */
  static byte[] encode(BufferedImage picture, Form form) {
    double[][] planes = rgb(picture);
    planes = form.ids.length() == 4 ? inverted(inks(planes)) : ycc(planes);
    return encode(picture.getWidth(), Arrays.copyOf(planes, form.ids.length()), form);
  }

  /** T.81, sections A and F.1, as plainly as can be. */
  private static final class Encoder {
    private final int width;
    private final int height;
    private final double[][] planes;
    private final Form form;
    private final int[] steps;
    private final int hMax;
    private final int vMax;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private int bits; // not yet written
    private int count; // how many they are

    Encoder(int width, double[][] planes, Form form) {
      this.width = width;
      this.height = planes[0].length / width;
      this.planes = planes;
      this.form = form;
      steps = JPEGQTable.K1Luminance.getScaledInstance(0.15f, true).getTable();
      int h = 0;
      int v = 0;
      for (int c = 0; c < planes.length; c++) {
        h = Math.max(h, h(c));
        v = Math.max(v, v(c));
      }
      hMax = h;
      vMax = v;
    }

    private int h(int c) {
      return form.sampling.charAt(2 * c) - '0';
    }

    private int v(int c) {
      return form.sampling.charAt(2 * c + 1) - '0';
    }

    byte[] encode() {
      out.writeBytes(new byte[] {-1, (byte) 0xD8});
      out.writeBytes(form.head);
      byte[] table = new byte[65];
      for (int k = 0; k < 64; k++) {
        table[k + 1] = (byte) steps[ZIGZAG[k]];
      }
      out.writeBytes(segment(0xDB, table));
      byte[] frame = new byte[6 + 3 * planes.length];
      ByteBuffer.wrap(frame).put((byte) 8).putShort((short) height).putShort((short) width).put((byte) planes.length);
      for (int c = 0; c < planes.length; c++) {
        frame[6 + 3 * c] = (byte) form.ids.charAt(c);
        frame[7 + 3 * c] = (byte) (h(c) << 4 | v(c));
      }
      out.writeBytes(segment(0xC0, frame));
      out.writeBytes(segment(0xC4, bytes(0), table(JPEGHuffmanTable.StdDCLuminance)));
      out.writeBytes(segment(0xC4, bytes(0x10), table(JPEGHuffmanTable.StdACLuminance)));
      if (form.restart > 0) {
        out.writeBytes(segment(0xDD, bytes(form.restart >> 8, form.restart)));
      }
      if (form.interleaved) {
        int[] all = new int[planes.length];
        Arrays.setAll(all, c -> c);
        scan(all);
      } else {
        for (int c = 0; c < planes.length; c++) {
          scan(c);
        }
      }
      out.writeBytes(new byte[] {-1, (byte) 0xD9});
      return out.toByteArray();
    }

    private static byte[] table(JPEGHuffmanTable table) {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      for (short[] part : List.of(table.getLengths(), table.getValues())) {
        for (short value : part) {
          bytes.write(value);
        }
      }
      return bytes.toByteArray();
    }

    private void scan(int... components) {
      byte[] header = new byte[4 + 2 * components.length];
      header[0] = (byte) components.length;
      for (int i = 0; i < components.length; i++) {
        header[1 + 2 * i] = (byte) form.ids.charAt(components[i]);
      }
      header[header.length - 2] = 63;
      out.writeBytes(segment(0xDA, header));
      int[] previous = new int[planes.length];
      boolean alone = components.length == 1; // then an MCU is one block, whatever the sampling (T.81 A.2.2)
      int across = alone ? ceil(ceil(width * h(components[0]), hMax), 8) : ceil(width, 8 * hMax);
      int down = alone ? ceil(ceil(height * v(components[0]), vMax), 8) : ceil(height, 8 * vMax);
      for (int mcu = 0; mcu < across * down; mcu++) {
        if (form.restart > 0 && mcu > 0 && mcu % form.restart == 0) {
          flush();
          out.writeBytes(new byte[] {-1, (byte) (0xD0 | mcu / form.restart - 1 & 7)});
          Arrays.fill(previous, 0);
        }
        for (int c : components) {
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
      double[] samples = new double[64];
      for (int i = 0; i < 64; i++) {
        samples[i] = sample(c, column * 8 + i % 8, row * 8 + i / 8) - 128;
      }
      double[] half = new double[64];
      for (int i = 0; i < 64; i++) {
        for (int x = 0; x < 8; x++) {
          half[i] += samples[i / 8 * 8 + x] * COSINE[i % 8 * 8 + x];
        }
      }
      int[] levels = new int[64];
      for (int k = 0; k < 64; k++) {
        double sum = 0;
        for (int y = 0; y < 8; y++) {
          sum += half[y * 8 + ZIGZAG[k] % 8] * COSINE[ZIGZAG[k] / 8 * 8 + y];
        }
        levels[k] = (int) Math.round(sum / steps[ZIGZAG[k]]);
      }
      put(DC, 0, levels[0] - previous);
      int run = 0;
      for (int k = 1; k < 64; k++) {
        if (levels[k] == 0) {
          run++;
        } else {
          for (; run > 15; run -= 16) {
            put(AC, 0xF0, 0);
          }
          put(AC, run << 4, levels[k]);
          run = 0;
        }
      }
      if (run > 0) {
        put(AC, 0, 0);
      }
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
        sum += planes[c][py * width + px];
      }
      return sum / (wide * high);
    }

    private static final int[][] DC = codes(JPEGHuffmanTable.StdDCLuminance);
    private static final int[][] AC = codes(JPEGHuffmanTable.StdACLuminance);

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

    private void put(int[][] codes, int symbol, int level) {
      int size = 32 - Integer.numberOfLeadingZeros(Math.abs(level));
      int[] code = codes[symbol | size];
      put(code[0], code[1]);
      put((level < 0 ? level - 1 : level) & (1 << size) - 1, size);
    }

    private void put(int value, int size) {
      for (int i = size - 1; i >= 0; i--) {
        bits = bits << 1 | value >> i & 1;
        if (++count == 8) {
          out.write(bits);
          if ((bits & 0xFF) == 0xFF) {
            out.write(0);
          }
          count = 0;
        }
      }
    }

    private void flush() {
      if (count > 0) {
        put(0x7F, 8 - count);
      }
    }

    private static int ceil(int a, int b) {
      return (a + b - 1) / b;
    }
  }

  // Segments.

  static byte[] join(byte[]... parts) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      all.writeBytes(part);
    }
    return all.toByteArray();
  }

  static byte[] bytes(int... values) {
    byte[] bytes = new byte[values.length];
    for (int i = 0; i < values.length; i++) {
      bytes[i] = (byte) values[i];
    }
    return bytes;
  }

  static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.ISO_8859_1);
  }

  /** A marker segment with these contents. */
  static byte[] segment(int marker, byte[]... contents) {
    byte[] content = join(contents);
    return join(bytes(0xFF, marker, content.length + 2 >> 8, content.length + 2), content);
  }

  static byte[] adobe(int transform) {
    return segment(0xEE, ascii("Adobe"), bytes(0, 100, 0, 0, 0, 0, transform));
  }

  /** An ICC profile in segments of this many bytes each. */
  static List<byte[]> icc(byte[] profile, int size) {
    List<byte[]> segments = new ArrayList<>();
    int parts = (profile.length + size - 1) / size;
    for (int i = 0; i < parts; i++) {
      byte[] part = Arrays.copyOfRange(profile, i * size, Math.min(profile.length, (i + 1) * size));
      segments.add(segment(0xE2, ascii("ICC_PROFILE\0"), bytes(i + 1, parts), part));
    }
    return segments;
  }

  /** An EXIF segment as cameras write it: maker, orientation, maker's note, GPS position, and a thumbnail. */
  static byte[] exif(ByteOrder order, int orientation, byte[] thumbnail) {
    ByteBuffer tiff = ByteBuffer.allocate(400 + thumbnail.length).order(order);
    tiff.put(ascii(order == ByteOrder.BIG_ENDIAN ? "MM" : "II")).putShort((short) 42).putInt(8);
    tiff.putShort((short) 4);
    entry(tiff, 0x010F, 2, 10, 200); // the maker's name, at 200
    entry(tiff, 0x0112, 3, 1, order == ByteOrder.BIG_ENDIAN ? orientation << 16 : orientation);
    entry(tiff, 0x8769, 4, 1, 100); // the directory of the photograph's data
    entry(tiff, 0x8825, 4, 1, 140); // the directory of the position
    tiff.putInt(240); // the directory of the thumbnail
    tiff.position(100).putShort((short) 1);
    entry(tiff, 0x927C, 7, 10, 212);
    tiff.position(140).putShort((short) 2);
    entry(tiff, 0x0001, 2, 2, order == ByteOrder.BIG_ENDIAN ? 'N' << 24 : 'N');
    entry(tiff, 0x001D, 2, 11, 224); // its date
    tiff.position(200).put(ascii("MAKERNAME"));
    tiff.position(212).put(ascii("MAKERNOTE\0\0\0" + "2024:05:06"));
    tiff.position(240).putShort((short) 2);
    entry(tiff, 0x0201, 4, 1, 300);
    entry(tiff, 0x0202, 4, 1, thumbnail.length);
    tiff.position(300).put(thumbnail);
    return segment(0xE1, ascii("Exif\0\0"), tiff.array());
  }

  /** An EXIF segment with an orientation and the mark of Adobe RGB (DCF 2.0), with nothing else in it. */
  static byte[] adobeRgb(int orientation) {
    ByteBuffer tiff = ByteBuffer.allocate(86).put(ascii("MM")).putShort((short) 42).putInt(8).putShort((short) 2);
    entry(tiff, 0x0112, 3, 1, orientation << 16);
    entry(tiff, 0x8769, 4, 1, 38);
    tiff.position(38).putShort((short) 2);
    entry(tiff, 0xA001, 3, 1, 0xFFFF << 16);
    entry(tiff, 0xA005, 4, 1, 68);
    tiff.position(68).putShort((short) 1);
    entry(tiff, 1, 2, 4, 'R' << 24 | '0' << 16 | '3' << 8);
    return segment(0xE1, ascii("Exif\0\0"), tiff.array());
  }

  private static void entry(ByteBuffer tiff, int tag, int type, int count, int value) {
    tiff.putShort((short) tag).putShort((short) type).putInt(count).putInt(value);
  }

  /** The segments of a JPEG: those before the first scan, and that scan's header, which is the last. */
  static List<Segment> segments(byte[] jpeg) throws IOException {
    List<Segment> segments = new ArrayList<>();
    for (int at = 2; at + 4 <= jpeg.length; ) {
      int marker = jpeg[at + 1] & 0xFF;
      int end = at + 2 + u16(jpeg, at + 2);
      if (jpeg[at] != -1 || end > jpeg.length) {
        break;
      }
      segments.add(new Segment(marker, at, end));
      if (marker == 0xDA) {
        return segments;
      }
      at = end;
    }
    throw new IOException("no scan found");
  }

  /** The first segment of these markers. */
  static Segment find(byte[] jpeg, int... markers) throws IOException {
    return segments(jpeg).stream().filter(s -> Arrays.stream(markers).anyMatch(m -> m == s.marker)).findFirst()
        .orElseThrow(() -> new IOException("no such segment"));
  }

  /** The JPEG's frame header, which says how large it is. */
  static Segment frame(byte[] jpeg) throws IOException {
    return find(jpeg, 0xC0, 0xC1, 0xC2);
  }

  /** Where the data of the first scan begin. */
  static int scanData(byte[] jpeg) throws IOException {
    return segments(jpeg).getLast().to;
  }

  /** A JPEG that has these segments too, behind SOI and JFIF. */
  static byte[] with(byte[] jpeg, byte[]... segments) {
    int at = jpeg[3] == (byte) 0xE0 ? 4 + u16(jpeg, 4) : 2;
    return join(Arrays.copyOf(jpeg, at), join(segments), Arrays.copyOfRange(jpeg, at, jpeg.length));
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
  static byte[] resized(byte[] jpeg, int width, int height) throws IOException {
    return patched(jpeg, frame(jpeg).from + 5, height >> 8, height, width >> 8, width);
  }

  static int u16(byte[] bytes, int at) {
    return (bytes[at] & 0xFF) << 8 | bytes[at + 1] & 0xFF;
  }

  /** Whether the text stands anywhere in the bytes. */
  static boolean contains(byte[] bytes, String text) {
    return new String(bytes, StandardCharsets.ISO_8859_1).contains(text);
  }
}
