// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.awt.image.BufferedImage;
import java.awt.image.DataBufferByte;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;
import javax.imageio.stream.MemoryCacheImageOutputStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("--lossless: the same picture to the bit, in fewer bytes")
class LosslessTest {
  @TempDir Path folder;

  /** A copy of these bytes. */
  private static byte[] lossless(byte[] jpeg) throws IOException {
    return Program.recompress(jpeg, Recompressor.Settings.LOSSLESS, Compress.Engine.auto);
  }

  /** A copy of these bytes by the command line. */
  private byte[] byCommand(byte[] jpeg, String... options) throws Exception {
    Files.write(Files.createDirectories(folder.resolve("IMAGES")).resolve("a.jpg"), jpeg);
    String[] all = Arrays.copyOf(options, options.length + 2);
    all[options.length] = "--lossless";
    all[options.length + 1] = "--overwrite";
    Program.run(folder, all).expect(0, "1 image");
    return Files.readAllBytes(folder.resolve("COMPRESSED_IMAGES/a.jpg"));
  }

  private static byte[] progressive(BufferedImage picture, float quality) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    ImageWriter writer = ImageIO.getImageWritersByFormatName("JPEG").next();
    try (MemoryCacheImageOutputStream out = new MemoryCacheImageOutputStream(bytes)) {
      ImageWriteParam param = writer.getDefaultWriteParam();
      param.setProgressiveMode(ImageWriteParam.MODE_DEFAULT);
      param.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
      param.setCompressionQuality(quality);
      writer.setOutput(out);
      writer.write(null, new IIOImage(picture, null, null), param);
    } finally {
      writer.dispose();
    }
    return bytes.toByteArray();
  }

  private static void assertSamePixels(byte[] expected, byte[] actual, String what) throws IOException {
    BufferedImage a = Pictures.decode(expected);
    BufferedImage b = Pictures.decode(actual);
    int n = a.getWidth() * a.getHeight() * a.getRaster().getNumBands();
    assertArrayEquals(a.getRaster().getPixels(0, 0, a.getWidth(), a.getHeight(), new int[n]),
        b.getRaster().getPixels(0, 0, b.getWidth(), b.getHeight(), new int[n]), what);
  }

  @ParameterizedTest(name = "sampling {0}")
  @ValueSource(strings = {"11", "111111", "211111", "121111", "221111", "411111", "212111", "11111111", "22111122"})
  @DisplayName("every sampling keeps every sample, and no copy is larger")
  void samplings(String sampling) throws Exception {
    for (int[] size : new int[][] {{1, 1}, {17, 33}, {130, 67}}) {
      byte[] jpeg = Jpegs.encode(Pictures.smooth(size[0], size[1]), Jpegs.Form.of(sampling));
      byte[] copy = lossless(jpeg);
      assertSamePixels(jpeg, copy, size[0] + " x " + size[1]);
      assertTrue(copy.length <= jpeg.length, copy.length + " of " + jpeg.length);
    }
  }

  @ParameterizedTest(name = "quality {0}")
  @ValueSource(floats = {0.6f, 0.75f, 0.9f, 1})
  @DisplayName("progressive sources with all coefficients, or with long runs of empty blocks behind high frequencies")
  void dense(float quality) throws Exception {
    BufferedImage noise = new BufferedImage(130, 120, BufferedImage.TYPE_3BYTE_BGR);
    new Random(1).nextBytes(((DataBufferByte) noise.getRaster().getDataBuffer()).getData());
    Random random = new Random(2);
    BufferedImage strokes = Pictures.painted(300, 200, BufferedImage.TYPE_BYTE_GRAY,
        (x, y) -> x / 40 % 3 == 0 && random.nextInt(3) == 0 ? 0 : 0xFFFFFF);
    for (BufferedImage picture : new BufferedImage[] {noise, strokes}) {
      byte[] jpeg = progressive(picture, quality);
      assertSamePixels(jpeg, lossless(jpeg), "the picture");
    }
  }

  @Test
  @DisplayName("a DC coefficient that comes bit by bit, or is far beyond black; AC coefficients of up to 14 bits")
  void extremes() throws Exception {
    byte[] slow = scan(0, 9, "00"); // -1, of size 1: -512 + 472 = -40
    for (int bit = 8; bit >= 0; bit--) { slow = Jpegs.join(slow, scan(0, bit + 1 << 4 | bit, 472 >> bit & 1)); }
    byte[] jpeg = block(0xC2, 1, 0, slow);
    assertEquals(128 - 40 * 16 / 8, Pictures.decode(lossless(jpeg)).getRaster().getSample(0, 0, 0));
    byte[] far = Jpegs.resized(block(0xC0, 14, 0, scan(63, 0, "010000000000000" + "00" + "0".repeat(15))), 16, 8);
    BufferedImage copied = Pictures.decode(lossless(far)); // differences of 8,192 and -16,383
    assertEquals(Pictures.decode(far).getRaster().getSample(8, 0, 0), copied.getRaster().getSample(8, 0, 0));
    byte[][] remarks = new byte[5][];
    Arrays.fill(remarks, Jpegs.segment(0xFE, new byte[60_000]));
    for (int size : new int[] {10, 13, 14, 15}) {
      byte[] all = block(0xC0, 0, size, scan(63, 0, "0" + ("01" + "0".repeat(size - 1)).repeat(63)));
      if (size < 15) {
        byte[] copy = lossless(all);
        assertTrue(copy.length < all.length, "not kept");
        assertSamePixels(all, copy, size + " bits");
        byte[] large = lossless(Jpegs.with(all, remarks)); // of which more bits are looked up at once
        assertArrayEquals(copy, large, size + " bits in a large file");
      } else {
        String problem = assertThrows(JpegException.class, () -> lossless(all)).getMessage();
        assertTrue(problem.contains("corrupt: a code that means nothing"), problem);
      }
    }
  }

  /** A grey JPEG of one block: its frame's marker, and of its DC and its AC code the one symbol, whose code is 0. */
  private static byte[] block(int frame, int dc, int ac, byte[] scans) {
    byte[] steps = new byte[65];
    Arrays.fill(steps, 1, 65, (byte) 16);
    byte[] counts = Arrays.copyOf(new byte[] {1}, 16);
    return Jpegs.join(Jpegs.bytes(0xFF, 0xD8), Jpegs.segment(0xFE, new byte[2000]), Jpegs.segment(0xDB, steps),
        Jpegs.segment(frame, Jpegs.bytes(8, 0, 8, 0, 8, 1, 1, 0x11, 0)),
        Jpegs.segment(0xC4, Jpegs.bytes(0), counts, Jpegs.bytes(dc, 0x10), counts, Jpegs.bytes(ac)), scans,
        Jpegs.bytes(0xFF, 0xD9));
  }

  /** A scan from DC to this coefficient, of these bits of it (Ah and Al), coded so. */
  private static byte[] scan(int to, int bits, Object code) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(Jpegs.segment(0xDA, Jpegs.bytes(1, 1, 0, 0, to, bits)));
    String data = code + "1111111"; // fills up the last byte
    for (int at = 0; at + 8 <= data.length(); at += 8) {
      int octet = Integer.parseInt(data.substring(at, at + 8), 2);
      out.writeBytes(octet == 0xFF ? Jpegs.bytes(0xFF, 0) : Jpegs.bytes(octet));
    }
    return out.toByteArray();
  }

  @Test
  @DisplayName("orientation and profile stay, the rest with -k; a second run changes nothing")
  void metadata() throws Exception {
    byte[] picture = Pictures.jpeg(Pictures.picture(200, 150, BufferedImage.TYPE_3BYTE_BGR, 1), 0.9f);
    byte[] jpeg = Jpegs.with(picture, Jpegs.segment(0xFE, "a remark".getBytes()));
    byte[] copy = byCommand(jpeg);
    assertFalse(Jpegs.contains(copy, "a remark"));
    assertTrue(Jpegs.contains(byCommand(jpeg, "-k"), "a remark"));
    assertArrayEquals(copy, byCommand(copy), "kept");
  }

  @Test
  @DisplayName("in a sky, which changes from row to row, DC takes few bits: each is less its left neighbour")
  void sky() throws Exception {
    BufferedImage sky = Pictures.painted(1024, 768, BufferedImage.TYPE_INT_RGB, (x, y) -> 0x010101 * (20 + y / 4));
    byte[] whole = Pictures.jpeg(sky, 0.95f, false, 1, 1);
    byte[] halved = Pictures.jpeg(sky, 0.95f, false, 2, 2); // its MCUs have two rows of luminance's blocks
    int expected = byCommand(whole).length + 100;
    int length = byCommand(halved).length;
    assertTrue(length < expected, length + " against " + expected);
  }

  @Test
  @DisplayName("jpegtran sees the same coefficients in the copy; its progressive copy is no smaller")
  void jpegtran() throws Exception {
    assumeTrue(Program.succeeds(java.util.List.of("jpegtran", "-version")), "jpegtran is not installed");
    Path image = Program.project().resolve("IMAGES/harbour.jpg");
    byte[] copy = byCommand(Files.readAllBytes(image));
    Path made = folder.resolve("COMPRESSED_IMAGES/a.jpg");
    byte[] before = output("sh", "-c", "jpegtran -copy none '" + image + "' | djpeg");
    assertArrayEquals(before, output("sh", "-c", "jpegtran -copy none '" + made + "' | djpeg"));
    int theirs = output("jpegtran", "-copy", "none", "-optimize", "-progressive", image.toString()).length;
    assertTrue(copy.length <= theirs, copy.length + " against " + theirs);
  }

  private static byte[] output(String... command) throws Exception {
    Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    byte[] bytes = process.getInputStream().readAllBytes();
    assertEquals(0, process.waitFor(), String.join(" ", command));
    return bytes;
  }
}
