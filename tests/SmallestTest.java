// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.*;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import java.util.stream.IntStream;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

@DisplayName("--smallest: as good a picture in fewer bytes")
class SmallestTest {
  private static final Compress.Engine AUTO = Compress.Engine.auto;
  private static final List<BufferedImage> PHOTOGRAPHS = EngineTest.photographs(768, 512, 1);

  private static byte[] smallest(byte[] jpeg, int quality) throws IOException {
    Recompressor.Settings settings = Program.settings(quality, AUTO, true, false);
    return Recompressor.recompress(jpeg, settings).bytes();
  }

  /**
   * The mean of SSIM over windows of 8 x 8 samples (Wang et al., IEEE Trans. Image Processing 13, 2004) of luminance at
   * half its size, as MS-SSIM weighs more what is coarser.
   */
  private static double ssim(BufferedImage expected, BufferedImage actual) {
    double[] a = halved(Pictures.grey(expected));
    double[] b = halved(Pictures.grey(actual));
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
    int wide = picture.getWidth();
    double[] half = new double[wide * picture.getHeight() / 4];
    for (int i = 0; i < 4 * half.length; i++) {
      half[i / wide / 2 * (wide / 2) + i % wide / 2] += picture.getRaster().getSample(i % wide, i / wide, 0) / 4.0;
    }
    return half;
  }

  @ParameterizedTest(name = "quality {0}")
  @CsvSource({"20, 0.89", "30, 0.87", "50, 0.91", "75, 0.94", "90, 0.99"})
  @DisplayName("of photographs' kind, copies are smaller by far, nearly as good, and better than others of their size")
  void smaller(int quality, double most) throws IOException {
    double[] bytes = new double[2];
    double[] ssim = new double[3];
    for (BufferedImage photograph : PHOTOGRAPHS) {
      byte[] jpeg = Pictures.jpeg(photograph, 0.97f);
      BufferedImage original = Pictures.decode(jpeg);
      byte[] smallest = smallest(jpeg, quality);
      byte[] usual = Program.recompress(jpeg, quality, AUTO);
      bytes[0] += usual.length;
      bytes[1] += smallest.length;
      ssim[0] += ssim(original, Pictures.decode(usual)) / 4;
      ssim[1] += ssim(original, Pictures.decode(smallest)) / 4;
      for (int lower = quality; usual.length > smallest.length; ) { usual = Program.recompress(jpeg, --lower, AUTO); }
      ssim[2] += ssim(original, Pictures.decode(usual)) / 4;
    }
    assertTrue(bytes[1] < bytes[0] * most, bytes[1] / bytes[0] + " of the bytes");
    assertTrue(ssim[1] > ssim[0] - 0.012, "SSIM: " + Arrays.toString(ssim));
    assertTrue(ssim[1] > ssim[2], "SSIM: " + Arrays.toString(ssim));
  }

  @ParameterizedTest(name = "sampling {0}")
  @ValueSource(strings = {"11", "221111", "211111", "121111", "111111", "212111", "11111111", "22111122"})
  @DisplayName("every kind and size of JPEG: the right picture, and again from the copy")
  void kinds(String sampling) throws IOException {
    int[][] sizes = {{1, 1}, {7, 9}, {8, 8}, {17, 33}, {130, 67}};
    for (int[] size : sizes) {
      BufferedImage picture = Pictures.smooth(size[0], size[1]);
      byte[] jpeg = Jpegs.encode(picture, Jpegs.Form.of(sampling));
      BufferedImage usual = Pictures.decode(Program.recompress(jpeg, 80, AUTO));
      byte[] copy = smallest(jpeg, 80);
      double psnr = Pictures.psnr(usual, copy);
      assertTrue(psnr > 27, size[0] + " x " + size[1] + ": " + psnr + " dB");
      assertTrue(Pictures.psnr(Pictures.decode(copy), Program.recompress(copy, 95, AUTO)) > 33, "again");
    }
  }

  @ParameterizedTest(name = "quality {0}")
  @ValueSource(ints = {1, 30, 100})
  @DisplayName("extreme coefficients and a run of more than 32,767 empty blocks are written as they are")
  void extremes(int quality) throws IOException {
    // Checks of all frequencies in a corner, 40,000 blocks in all.
    BufferedImage picture = Pictures.painted(1600, 1600, BufferedImage.TYPE_BYTE_GRAY, (x, y) -> {
      int size = y % 8 + 1;
      return x < 64 && y < 64 ? (x / size + y / size) % 2 * 0xFFFFFF : 0;
    });
    byte[] jpeg = Pictures.jpeg(picture, 1);
    byte[] copy = smallest(jpeg, quality);
    double usual = Pictures.psnr(Pictures.decode(jpeg), Program.recompress(jpeg, quality, AUTO));
    assertTrue(Pictures.psnr(Pictures.decode(jpeg), copy) > Math.min(usual, 60) - 8, quality + ": against " + usual);
    assertArrayEquals(copy, smallest(jpeg, quality));
  }

  @Test
  @DisplayName("a copy's copy loses next to nothing more, and still less at a higher quality")
  void again(@TempDir Path folder) throws Exception {
    BufferedImage picture = Pictures.picture(400, 300, BufferedImage.TYPE_INT_RGB, 3);
    byte[] copy = smallest(Pictures.jpeg(picture, 0.95f), 50);
    Path first = Files.createDirectories(folder.resolve("IMAGES"));
    Files.write(first.resolve("a.jpg"), Pictures.jpeg(picture, 0.95f));
    Program.run(folder, "-s", "-q50", "IMAGES", "ONCE").expect(0, "1 image");
    Program.run(folder, "-s", "-q50", "ONCE", "TWICE").expect(0, "1 image");
    byte[] second = Files.readAllBytes(folder.resolve("TWICE/a.jpg"));
    assertEquals(100, Math.min(100, Pictures.psnr(Pictures.decode(copy), second)), "exactly the same");
    byte[] coarse = Program.recompress(Pictures.jpeg(picture, 0.95f), 30, AUTO);
    double finer = Pictures.psnr(Pictures.decode(coarse), smallest(coarse, 90)); // errors count in its steps
    assertTrue(finer > 100, finer + " dB");
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
    assertTrue(!Arrays.equals(StandardTables.steps(false, 30), steps), Arrays.toString(steps));
  }

  @Test
  @DisplayName("of a tiny picture, whose tables are most of the copy, it is no larger than without")
  void tiny() throws IOException {
    for (int size : new int[] {3, 12, 30}) {
      byte[] jpeg = Pictures.jpeg(Pictures.picture(size, size, BufferedImage.TYPE_INT_RGB, 1), 0.95f);
      for (int quality : new int[] {30, 75}) {
        int usual = Program.recompress(jpeg, quality, AUTO).length;
        int smallest = smallest(jpeg, quality).length;
        assertTrue(smallest <= usual + 2, size + " pixels, quality " + quality + ": " + smallest + ", not " + usual);
      }
    }
  }

  @Test
  @DisplayName("where details are red, and so their errors are seen, Cr's quantization steps are finer than Cb's")
  void red() throws IOException {
    for (int colour : new int[] {0xFF2010, 0x2010FF}) { // red, blue
      boolean red = colour == 0xFF2010;
      BufferedImage picture = Pictures.painted(320, 320, BufferedImage.TYPE_INT_RGB,
          (x, y) -> (x / 12 * 7 + y / 12 * 3) % 5 < 3 ? colour : 0x606060);
      byte[] copy = smallest(Pictures.jpeg(picture, 0.95f), 50);
      int frame = Jpegs.find(copy, Jpegs.frame(copy).marker()).from();
      int table = Jpegs.find(copy, 0xDB).from() + 5; // tables of 64 steps of a byte each, behind their identifier
      double[] sums = IntStream.of(15, 18).map(at -> table + 65 * copy[frame + at]).mapToDouble(from ->
          IntStream.range(from, from + 64).map(at -> copy[at] & 0xFF).sum()).toArray();
      assertEquals(red, sums[1] < sums[0] * 0.9, Arrays.toString(sums));
      assertEquals(red, copy[frame + 15] != copy[frame + 18], "they have different tables");
    }
  }

  @Test
  @DisplayName("of a picture that is nearly all white, where libjpeg's error of DC is large, the copy is no worse")
  void white() throws IOException {
    BufferedImage picture = Pictures.painted(1920, 1440, BufferedImage.TYPE_INT_RGB, // so large that no copy is tiny
        (x, y) -> (int) (254 - 220 / (1 + Math.exp((Math.hypot(x, y - 450) / 3 - 120) / 14))) * 0x010101);
    byte[] jpeg = Pictures.jpeg(picture, 0.87f);
    double usual = Pictures.psnr(Pictures.decode(jpeg), Program.recompress(jpeg, 30, AUTO));
    double smallest = Pictures.psnr(Pictures.decode(jpeg), smallest(jpeg, 30));
    assertTrue(smallest > usual + 1, smallest + " dB, not " + usual);
  }

  @Test
  @DisplayName("a picture that was in the same quality once, and saved in a finer one, is no larger and no worse by it")
  void savedTwice() throws IOException {
    BufferedImage once = Pictures.decode(Program.recompress(Pictures.jpeg(PHOTOGRAPHS.get(0), 0.97f), 75, AUTO));
    byte[] twice = Pictures.jpeg(once, 0.95f);
    byte[] usual = Program.recompress(twice, 75, AUTO);
    byte[] smallest = smallest(twice, 75);
    double loss = Pictures.psnr(Pictures.decode(twice), usual) - Pictures.psnr(Pictures.decode(twice), smallest);
    assertTrue(loss < 0.1 && smallest.length < usual.length, loss + " dB, " + smallest.length + ", " + usual.length);
    byte[] fresh = Pictures.jpeg(PHOTOGRAPHS.get(0), 0.97f);
    assertTrue(smallest(fresh, 1).length < smallest(fresh, 2).length, "of quality 1, where nearly all steps are 255");
  }

  @Test
  @DisplayName("with --engine=pixels, which has no coefficients to choose among, it is wrong usage")
  void byPixels() throws Exception {
    Program.run(Program.project(), "--smallest", "--engine=pixels", "--dry-run")
        .expect(2, "", "not with --engine=pixels");
  }
}
