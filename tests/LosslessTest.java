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

  /** A copy of these bytes by the command line. */
  private byte[] lossless(byte[] jpeg, String... options) throws Exception {
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
  @DisplayName("orientation and profile stay, the rest with -k; a second run changes nothing")
  void metadata() throws Exception {
    byte[] picture = Pictures.jpeg(Pictures.picture(200, 150, BufferedImage.TYPE_3BYTE_BGR, 1), 0.9f);
    byte[] jpeg = Jpegs.with(picture, Jpegs.segment(0xFE, "a remark".getBytes()));
    byte[] copy = lossless(jpeg);
    assertFalse(Jpegs.contains(copy, "a remark"));
    assertTrue(Jpegs.contains(lossless(jpeg, "-k"), "a remark"));
    assertArrayEquals(copy, lossless(copy), "kept");
  }

  @Test
  @DisplayName("jpegtran sees the same coefficients in the copy; its progressive copy is no smaller")
  void jpegtran() throws Exception {
    assumeTrue(Program.succeeds(java.util.List.of("jpegtran", "-version")), "jpegtran is not installed");
    for (String name : new String[] {"harbour", "mountains"}) {
      Path image = Program.project().resolve("IMAGES/" + name + ".jpg");
      byte[] copy = lossless(Files.readAllBytes(image));
      Path made = folder.resolve("COMPRESSED_IMAGES/a.jpg");
      byte[] before = output("sh", "-c", "jpegtran -copy none '" + image + "' | djpeg");
      assertArrayEquals(before, output("sh", "-c", "jpegtran -copy none '" + made + "' | djpeg"), name);
      int theirs = output("jpegtran", "-copy", "none", "-optimize", "-progressive", image.toString()).length;
      assertTrue(copy.length <= theirs, copy.length + " against " + theirs);
    }
  }

  private static byte[] output(String... command) throws Exception {
    Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    byte[] bytes = process.getInputStream().readAllBytes();
    assertEquals(0, process.waitFor(), String.join(" ", command));
    return bytes;
  }
}
