// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@DisplayName("--smallest: as good a picture in fewer bytes")
class SmallestTest {
  private static byte[] smallest(byte[] jpeg, int quality, Compress.Engine engine) throws IOException {
    Recompressor.Settings settings = new Recompressor.Settings(quality, engine, true, false);
    Recompressor.memory(JpegHeader.read(jpeg), jpeg.length, settings);
    return Recompressor.recompress(jpeg, settings).bytes();
  }

  private static byte[] smallest(byte[] jpeg, int quality) throws IOException {
    return smallest(jpeg, quality, Compress.Engine.auto);
  }

  private static byte[] usual(byte[] jpeg, int quality) throws IOException {
    return Program.recompress(jpeg, quality, Compress.Engine.auto);
  }

  private static double psnr(BufferedImage expected, byte[] jpeg) throws IOException {
    BufferedImage actual = Pictures.decode(jpeg);
    assertEquals(expected.getWidth() + " x " + expected.getHeight(), actual.getWidth() + " x " + actual.getHeight());
    return Pictures.psnr(Jpegs.rgb(expected), actual);
  }

  /**
   * The mean of SSIM over windows of 8 x 8 samples (Wang et al., IEEE Trans. Image Processing 13, 2004) of luminance at
   * half its size, as MS-SSIM weighs more what is coarser.
   */
  private static double ssim(BufferedImage expected, BufferedImage actual) {
    double[] a = halved(expected);
    double[] b = halved(actual);
    int wide = expected.getWidth() / 2;
    double all = 0;
    int n = 0;
    for (int at = 0; at + 7 * wide + 8 <= a.length; at += at % wide + 16 <= wide ? 8 : 8 * wide - at % wide, n++) {
      double[] sum = new double[5];
      for (int i = 0; i < 64; i++) {
        double s = a[at + i / 8 * wide + i % 8];
        double t = b[at + i / 8 * wide + i % 8];
        sum[0] += s / 64;
        sum[1] += t / 64;
        sum[2] += s * s / 64;
        sum[3] += t * t / 64;
        sum[4] += s * t / 64;
      }
      double means = sum[0] * sum[1];
      double squares = sum[0] * sum[0] + sum[1] * sum[1];
      all += (2 * means + 6.5) * (2 * (sum[4] - means) + 58.5) / ((squares + 6.5) * (sum[2] + sum[3] - squares + 58.5));
    }
    return all / n;
  }

  private static double[] halved(BufferedImage picture) {
    double[] y = Jpegs.ycc(Jpegs.rgb(picture))[0];
    int wide = picture.getWidth();
    double[] half = new double[y.length / 4];
    for (int i = 0; i < y.length; i++) {
      half[i / wide / 2 * (wide / 2) + i % wide / 2] += y[i] / 4;
    }
    return half;
  }

  @ParameterizedTest(name = "quality {0}")
  @CsvSource({"20, 0.86", "30, 0.84", "50, 0.86", "75, 0.90", "90, 0.96"})
  @DisplayName("of photographs' kind, copies are smaller by far, nearly as good, and better than others of their size")
  void smaller(int quality, double most) throws IOException {
    double[] bytes = new double[2];
    double[] ssim = new double[3];
    for (String name : Program.files(Program.project().resolve("IMAGES"))) {
      byte[] whole = Files.readAllBytes(Program.project().resolve("IMAGES").resolve(name));
      byte[] jpeg = Pictures.jpeg(Pictures.decode(whole).getSubimage(1000, 1400, 768, 512), 0.97f);
      BufferedImage original = Pictures.decode(jpeg);
      byte[] smallest = smallest(jpeg, quality);
      byte[] usual = usual(jpeg, quality);
      bytes[0] += usual.length;
      bytes[1] += smallest.length;
      ssim[0] += ssim(original, Pictures.decode(usual)) / 4;
      ssim[1] += ssim(original, Pictures.decode(smallest)) / 4;
      for (int lower = quality; usual.length > smallest.length; ) {
        usual = usual(jpeg, --lower);
      }
      ssim[2] += ssim(original, Pictures.decode(usual)) / 4;
    }
    assertTrue(bytes[1] < bytes[0] * most, bytes[1] / bytes[0] + " of the bytes");
    assertTrue(ssim[1] > ssim[0] - 0.012, "SSIM: " + Arrays.toString(ssim));
    assertTrue(ssim[1] > ssim[2], "SSIM: " + Arrays.toString(ssim));
  }

  @ParameterizedTest(name = "sampling {0}")
  @ValueSource(strings = {"11", "221111", "211111", "121111", "111111", "212111", "11111111", "22111122"})
  @DisplayName("every kind and size of JPEG: the right picture, by both engines, and again from the copy")
  void kinds(String sampling) throws IOException {
    int[][] sizes = {{1, 1}, {7, 9}, {8, 8}, {17, 33}, {130, 67}};
    for (int[] size : sizes) {
      BufferedImage picture = Pictures.smooth(size[0], size[1]);
      Jpegs.Form form = Jpegs.Form.of(sampling);
      byte[] jpeg = Jpegs.encode(picture, sampling.length() == 8 ? form.withHead(Jpegs.adobe(0)) : form);
      BufferedImage usual = Pictures.decode(usual(jpeg, 80));
      for (Compress.Engine engine : Compress.Engine.values()) {
        byte[] copy = smallest(jpeg, 80, engine);
        assertTrue(psnr(usual, copy) > 27, sampling + " " + Arrays.toString(size) + ": " + psnr(usual, copy));
        for (Compress.Engine next : Compress.Engine.values()) {
          assertTrue(psnr(Pictures.decode(copy), Program.recompress(copy, 95, next)) > 33, "again, " + next);
        }
      }
    }
  }

  @ParameterizedTest(name = "quality {0}")
  @ValueSource(ints = {1, 30, 100})
  @DisplayName("extreme coefficients and a run of more than 32,767 empty blocks are written as they are")
  void extremes(int quality) throws IOException {
    BufferedImage picture = new BufferedImage(1600, 1600, BufferedImage.TYPE_BYTE_GRAY);
    for (int i = 0; i < 64 * 64; i++) { // checks of all frequencies in a corner, 40,000 blocks in all
      int block = i / 64 % 8 + 1;
      picture.getRaster().setSample(i % 64, i / 64, 0, (i % 64 / block + i / 64 / block) % 2 * 255);
    }
    byte[] jpeg = Pictures.jpeg(picture, 1);
    byte[] copy = smallest(jpeg, quality);
    double usual = psnr(Pictures.decode(jpeg), usual(jpeg, quality));
    assertTrue(psnr(Pictures.decode(jpeg), copy) > Math.min(usual, 60) - 6, quality + ": against " + usual);
    assertArrayEquals(copy, smallest(jpeg, quality));
  }

  @Test
  @DisplayName("a copy's copy loses next to nothing more, and still less at a higher quality")
  void again() throws IOException {
    BufferedImage picture = Pictures.picture(400, 300, BufferedImage.TYPE_INT_RGB, 3);
    byte[] copy = smallest(Pictures.jpeg(picture, 0.95f), 50);
    byte[] second = smallest(copy, 50);
    double rest = (double) second.length / copy.length;
    assertTrue(rest > 0.9 && rest < 1.01, rest + " of the bytes");
    byte[] coarse = usual(Pictures.jpeg(picture, 0.95f), 30);
    double finer = psnr(Pictures.decode(coarse), smallest(coarse, 90)); // errors count in the steps of quality 90
    assertTrue(finer > 100, finer + " dB");
    assertTrue(psnr(picture, second) > psnr(picture, copy) - 0.3, psnr(picture, copy) + " " + psnr(picture, second));
  }

  @Test
  @DisplayName("small copies are baseline, as that is smaller; others progressive")
  void process() throws IOException {
    byte[] small = smallest(Pictures.jpeg(Pictures.picture(40, 30, BufferedImage.TYPE_INT_RGB, 1), 0.95f), 30);
    byte[] large = smallest(Pictures.jpeg(Pictures.picture(640, 480, BufferedImage.TYPE_INT_RGB, 1), 0.95f), 30);
    assertEquals(Marker.SOF0, Jpegs.frame(small).marker());
    assertEquals(Marker.SOF2, Jpegs.frame(large).marker());
    int table = Jpegs.find(large, 0xDB).from() + 5; // luminance's, in zigzag order
    int[] steps = IntStream.range(table, table + 64).map(at -> large[at] & 0xFF).toArray();
    assertArrayEquals(PerceptualTables.steps(false, 30), steps);
  }

  @Test
  @DisplayName("damaged data fail in the same words as without it")
  void damaged() throws IOException {
    byte[] jpeg = Pictures.jpeg(Pictures.picture(320, 240, BufferedImage.TYPE_INT_RGB, 5), 0.9f);
    for (int part = 1; part < 8; part++) {
      byte[] cut = Arrays.copyOf(jpeg, jpeg.length * part / 8);
      byte[] torn = Jpegs.spliced(jpeg, jpeg.length * part / 8, jpeg.length * part / 8 + 9, (byte) -1, (byte) 0xD3);
      for (byte[] damaged : new byte[][] {cut, torn}) {
        String usual = assertThrows(JpegException.class, () -> usual(damaged, 30)).getMessage();
        assertEquals(usual, assertThrows(JpegException.class, () -> smallest(damaged, 30)).getMessage());
      }
    }
  }
}
