// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("Against libjpeg: what djpeg reads without a warning is compressed, and its picture stays")
class DifferentialTest {
  private static final List<Integer> QUALITIES = List.of(95, 30);
  private static final String MANY = "0: 0-0, 0, 1; 1: 0-0, 0, 0; 2: 0-0, 0, 2; 0: 1-5, 0, 2; 2: 1-63, 0, 1;"
      + "1: 1-63, 0, 1; 0: 6-63, 0, 2; 0: 1-63, 2, 1; 0: 0-0, 1, 0; 0: 1-63, 1, 0; 2: 1-63, 1, 0; 1: 1-63, 1, 0;"
      + "2: 0-0, 2, 1; 2: 0-0, 1, 0;";

  @TempDir Path folder;

  private final List<String> commands = new ArrayList<>(); // each writes a JPEG
  private final List<Double> losses = new ArrayList<>(); // decibels that its copies may be worse than libjpeg's

  private Program.Result sh(List<String> script) throws Exception {
    return Program.run(folder, "", List.of("sh", "-c", String.join("\n", script)));
  }

  /** Files made of the picture: by cjpeg with each of these samplings and each of these options, then by a program. */
  private void add(double loss, String samplings, List<String> options, String... then) {
    for (String sampling : samplings.split(" ")) {
      for (String option : options) {
        String quality = option.contains("-quality") ? "" : "-quality 90 ";
        commands.add("cjpeg " + quality + "-sample " + sampling + " " + option + " in.ppm" + String.join("", then));
        losses.add(loss);
      }
    }
  }

  @Test
  @DisplayName("every sampling, progressive, scans of every kind, restarts, RGB, grey, crops and turns: as near as "
      + "copies that libjpeg makes of the pixels, in the same colours, and djpeg reads them without a warning")
  void pictures() throws Exception {
    assumeTrue(Program.succeeds(List.of("sh", "-c", "command -v cjpeg && command -v djpeg && command -v jpegtran")),
        "cjpeg, djpeg and jpegtran are not installed");
    writePicture();
    Files.writeString(folder.resolve("each"), "0; 1; 2;");
    Files.writeString(folder.resolve("two"), "1, 2; 0;");
    Files.writeString(folder.resolve("many"), MANY);
    String common = "1x1 2x1 1x2 2x2 2x2,1x2,1x2 2x2,2x1,2x1";
    add(0.05, common, List.of("", "-progressive", "-restart 5B -optimize"));
    add(0.05, "1x1 2x2", List.of("-scans two", "-scans many", "-restart 1 -progressive", "-rgb", "-rgb -progressive"));
    add(0.05, "1x1 2x2 4x4", List.of("-grayscale", "-grayscale -progressive -restart 3B"));
    add(0.05, "4x4,4x4,4x4 3x3,3x3,3x3 4x4,2x2,2x2 4x2,2x2,2x2", List.of("-scans each", "-scans many -restart 2B"));
    // Chroma that stays, where libjpeg makes it 4:2:0.
    add(0.5, "4x1 1x4 4x2 2x4 3x1 2x2,2x1,1x2 2x2,2x2,1x1", List.of("", "-progressive -restart 7B"));
    add(0.5, "4x4,1x1,1x1 4x3,2x3,2x3", List.of("-scans each -restart 3B", "-scans many"));
    add(0.5, "2x2,1x1,1x1 1x1,2x2,1x1", List.of("-rgb"));
    add(5, "1x1,2x2,2x2 1x1,2x2,4x4", List.of("-scans each", "-scans many")); // and luminance that is smaller
    add(0.25, "1x1 2x2", List.of("-quality 5", "-quality 75", "-quality 100"));
    add(1, "1x1 2x2", List.of("-quality 95,70 -qslots 0,1,1"));
    for (String turn : List.of("-rotate 90 -trim", "-crop 50x37+13+9", "-grayscale", "-progressive -restart 2B")) {
      add(0.5, "2x1 2x2 4x1", List.of(""), " | jpegtran " + turn);
    }

    List<String> make = new ArrayList<>();
    List<String> read = new ArrayList<>();
    for (int i = 0; i < commands.size(); i++) {
      make.add("{ " + commands.get(i) + " >%d.jpg && djpeg %d.jpg >%d.ppm; } || echo '%s'"
          .replace("%s", commands.get(i)).replace("%d", "" + i));
      for (int quality : QUALITIES) {
        String name = i + "-" + quality;
        make.add("cjpeg -quality " + quality + " -optimize " + i + ".ppm | djpeg >" + name + ".libjpeg");
        read.add("djpeg " + name + ".jpg >" + name + ".ppm");
      }
    }
    assertEquals("", sh(make).out(), "djpeg does not read all");
    for (int i = 0; i < commands.size(); i++) {
      byte[] jpeg = Files.readAllBytes(folder.resolve(i + ".jpg"));
      for (int quality : QUALITIES) {
        byte[] copy =
            assertDoesNotThrow(() -> Program.recompress(jpeg, quality, Compress.Engine.auto), commands.get(i));
        Files.write(folder.resolve(i + "-" + quality + ".jpg"), copy);
      }
    }
    assertEquals("", sh(read).err(), "djpeg warns");
    List<String> wrong = new ArrayList<>();
    for (int i = 0; i < commands.size(); i++) {
      for (int quality : QUALITIES) {
        double copy = psnr(i + ".ppm", i + "-" + quality + ".ppm");
        double other = psnr(i + ".ppm", i + "-" + quality + ".libjpeg");
        if (copy < other - losses.get(i)) {
          wrong.add("%s to %d: %.2f dB, libjpeg's %.2f".formatted(commands.get(i), quality, copy, other));
        }
      }
    }
    assertEquals("", String.join("\n", wrong));
  }

  @Test
  @DisplayName("CMYK as ImageMagick writes it stays CMYK, with as good a picture")
  void inks() throws Exception {
    assumeTrue(Program.succeeds(List.of("sh", "-c", "command -v convert && command -v compare && command -v djpeg")),
        "ImageMagick and djpeg are not installed");
    writePicture();
    sh(List.of("convert in.ppm -colorspace CMYK -quality 92 0.jpg",
        "convert in.ppm -colorspace CMYK -quality 92 -interlace plane -sampling-factor 2x2,1x1,1x1,2x2 1.jpg"));
    for (int i = 0; i < 2; i++) {
      byte[] jpeg = Files.readAllBytes(folder.resolve(i + ".jpg"));
      for (int quality : QUALITIES) {
        String name = i + "-" + quality;
        Files.write(folder.resolve(name + ".jpg"), Program.recompress(jpeg, quality, Compress.Engine.auto));
        Program.Result read = sh(List.of("identify -format %[colorspace] " + name + ".jpg",
            "djpeg " + i + ".jpg >" + i + ".ppm", "djpeg " + name + ".jpg >" + name + ".ppm"));
        assertEquals("CMYK", read.out() + read.err());
        double psnr = psnr(i + ".ppm", name + ".ppm");
        assertTrue(psnr > (quality > 90 ? 42 : 32), name + ": " + psnr + " dB");
      }
    }
  }

  private void writePicture() throws IOException {
    BufferedImage picture = EngineTest.PHOTOGRAPHS.get(2).getSubimage(200, 100, 151, 103);
    byte[] pixels = new byte[3 * 151 * 103];
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = (byte) (picture.getRGB(i / 3 % 151, i / 3 / 151) >> 16 - 8 * (i % 3));
    }
    Files.write(folder.resolve("in.ppm"), Jpegs.join(Jpegs.ascii("P6 151 103 255\n"), pixels));
  }

  /** How near two bitmaps of the same form are, in decibels. */
  private double psnr(String expected, String actual) throws IOException {
    byte[] a = Files.readAllBytes(folder.resolve(expected));
    byte[] b = Files.readAllBytes(folder.resolve(actual));
    String header = Jpegs.text(a).lines().limit(3).toList().toString();
    assertEquals(header, Jpegs.text(b).lines().limit(3).toList().toString(), actual);
    double sum = 0;
    for (int i = 0; i < a.length; i++) { sum += Math.pow((a[i] & 0xFF) - (b[i] & 0xFF), 2); }
    return 10 * Math.log10(255.0 * 255 * a.length / sum);
  }
}
