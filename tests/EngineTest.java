// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.*;

import java.awt.image.BufferedImage;
import java.io.*;
import java.lang.management.ManagementFactory;
import java.nio.file.*;
import java.util.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@DisplayName("The coefficient engine, against the pixel engine and the JDK's reader")
class EngineTest {
  private static final Compress.Engine AUTO = Compress.Engine.auto;
  private static final Compress.Engine PIXELS = Compress.Engine.pixels;
  private static final List<BufferedImage> PARTS = parts();
  static final List<BufferedImage> PHOTOGRAPHS = photographs(512, 384, 2);

  /** A part of each of the four photographs, of this size; at a scale of 2, every other pixel. */
  static List<BufferedImage> photographs(int width, int height, int scale) {
    return PARTS.stream().map(part -> Pictures.painted(width, height, BufferedImage.TYPE_INT_RGB,
        (x, y) -> part.getRGB(scale * x, scale * y))).toList();
  }

  /** The part of each that may be taken: it is read once, as that takes a while. */
  private static List<BufferedImage> parts() {
    Path folder = Program.project().resolve("IMAGES");
    return assertDoesNotThrow(() -> Program.files(folder)).stream().map(name -> {
      BufferedImage whole = assertDoesNotThrow(() -> Pictures.decode(Files.readAllBytes(folder.resolve(name))));
      return Pictures.painted(1024, 768, BufferedImage.TYPE_INT_RGB, (x, y) -> whole.getRGB(1000 + x, 1400 + y));
    }).toList();
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({"4:2:0, 2, 2", "4:2:2, 2, 1", "4:4:0, 1, 2", "4:4:4, 1, 1", "grey, 1, 1"})
  @DisplayName("photographs: no copy larger by 0.5 %, none worse by 0.1 dB; on average smaller, as good within 0.02 dB")
  void smallerAndNoWorse(String sampling, int across, int down) throws Exception {
    assertEquals(4, PHOTOGRAPHS.size());
    double size = 0;
    double difference = 0;
    for (BufferedImage picture : PHOTOGRAPHS) {
      BufferedImage original = sampling.equals("grey") ? Pictures.grey(picture) : picture;
      for (float source : new float[] {0.90f, 0.98f}) {
        byte[] jpeg = Pictures.jpeg(original, source, false, across, down);
        BufferedImage decoded = Pictures.decode(jpeg);
        for (int target : new int[] {10, 30, 50}) {
          byte[] coefficients = Program.recompress(jpeg, target, AUTO);
          byte[] pixels = Program.recompress(jpeg, target, PIXELS);
          double ratio = (double) coefficients.length / pixels.length;
          double gain = Pictures.psnr(decoded, coefficients) - Pictures.psnr(decoded, pixels);
          String which = PHOTOGRAPHS.indexOf(picture) + ", " + source + " to " + target;
          assertTrue(ratio <= 1.005 && gain >= -0.1, which + ": size " + ratio + ", " + gain + " dB");
          size += ratio;
          difference += gain;
        }
      }
    }
    assertTrue(size / 24 < 1, "size, on average: " + size / 24); // not 1: that would be the pixel engine's work
    assertTrue(difference / 24 >= -0.02, "PSNR, on average: " + difference / 24);
  }

  @Test
  @DisplayName("qualities from 1 to 100, of source and of copy: a sound JPEG, no worse than by pixels within 0.5 dB")
  void allQualities() throws Exception {
    BufferedImage picture = PHOTOGRAPHS.getFirst().getSubimage(100, 100, 151, 97);
    for (int source = 1; source <= 100; source += 6) {
      byte[] jpeg = Pictures.jpeg(picture, source / 100f);
      BufferedImage decoded = Pictures.decode(jpeg);
      for (int target = 1 + source % 9; target <= 100; target += 9) {
        double coefficients = Pictures.psnr(decoded, Program.recompress(jpeg, target, AUTO));
        double pixels = Pictures.psnr(decoded, Program.recompress(jpeg, target, PIXELS));
        assertTrue(coefficients >= pixels - 0.5, source + " to " + target + ": " + coefficients + ", " + pixels);
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource({"4:2:0, 2, 2", "4:2:2, 2, 1", "4:4:0, 1, 2", "4:4:4, 1, 1"})
  @DisplayName("however the same coefficients are encoded, with tables of 8 or 16 bits: the same copy, byte for byte")
  void encodingsOfTheSameCoefficients(String sampling, int across, int down) throws Exception {
    BufferedImage picture = PHOTOGRAPHS.get(1).getSubimage(0, 0, 301, 203);
    byte[] expected = Program.recompress(Pictures.jpeg(picture, 0.91f, false, across, down), 30, AUTO);
    for (boolean progressive : new boolean[] {false, true}) {
      for (boolean optimized : new boolean[] {false, true}) {
        for (int restart : new int[] {0, 1, 7}) {
          Pictures.Form form = new Pictures.Form(0.91f, progressive, across, down, optimized, restart);
          byte[] jpeg = Pictures.jpeg(picture, form);
          assertEquals(restart > 0, Jpegs.segments(jpeg).stream().anyMatch(s -> s.marker() == 0xDD), "DRI");
          assertArrayEquals(expected, Program.recompress(jpeg, 30, AUTO), form.toString());
          assertArrayEquals(expected, Program.recompress(wide(jpeg, 1), 30, AUTO), "16 bits, " + form);
        }
      }
    }
  }

  @Test
  @DisplayName("where Cb and Cr have tables of their own, neither loses what the other's would")
  void ownTables() throws Exception {
    byte[] jpeg = Jpegs.encode(PHOTOGRAPHS.getFirst().getSubimage(100, 100, 151, 97), Jpegs.Form.of("221111"));
    Jpegs.Segment table = Jpegs.find(jpeg, 0xDB);
    byte[] coarse = table.of(jpeg);
    coarse[4] = 1; // its identifier
    for (int i = 5; i < coarse.length; i++) { coarse[i] *= 3; }
    for (int component : new int[] {1, 2}) {
      byte[] own = Jpegs.patched(jpeg, Jpegs.frame(jpeg).from() + 12 + 3 * component, 1);
      own = Jpegs.spliced(own, table.to(), table.to(), coarse);
      double psnr = Pictures.psnr(Pictures.decode(own), Program.recompress(own, 100, AUTO));
      assertTrue(psnr > 55, "component " + component + ": " + psnr + " dB"); // all of its values can be said
    }
  }

  @Test
  @DisplayName("blocks that only fill up an MCU cost next to nothing")
  void padding() throws Exception {
    BufferedImage white = Pictures.painted(32, 2_000, BufferedImage.TYPE_INT_RGB, (x, y) -> 0xFFFFFF);
    byte[] whole = Program.recompress(Pictures.jpeg(white, 0.9f), 30, AUTO);
    byte[] filled = Program.recompress(Pictures.jpeg(white.getSubimage(0, 0, 24, 2_000), 0.9f), 30, AUTO);
    assertTrue(filled.length <= whole.length, filled.length + " bytes, of a wider picture " + whole.length);
  }

  @Test
  @DisplayName("where quantization steps are larger than 8 bits can say, the picture stays the same")
  void largeSteps() throws Exception {
    BufferedImage faint = Pictures.painted(160, 120, BufferedImage.TYPE_INT_RGB, // a third of the contrast
        (x, y) -> 0x010101 * (128 + (int) (20 * Math.sin(x / 9.0) + 20 * Math.cos(y / 7.0))));
    for (int sampling : new int[] {1, 2}) {
      byte[] wide = wide(Pictures.jpeg(faint, 0.05f, false, sampling, sampling), 3);
      byte[] copy = Program.recompress(wide, 60, AUTO);
      double psnr = Pictures.psnr(Pictures.decode(wide), copy);
      assertTrue(psnr > 50, psnr + " dB");
      assertEquals(0xC0, Jpegs.frame(copy).marker(), "baseline, which knows no such steps");
    }
    BufferedImage grey = Pictures.painted(64, 64, BufferedImage.TYPE_INT_RGB, (x, y) -> 0xBCBCBC);
    byte[] white = wide(Pictures.jpeg(grey, 0.05f), 3);
    byte[] copy = Program.recompress(white, 30, AUTO); // DC three steps of 480, beyond white
    assertEquals(-1, Pictures.decode(Program.recompress(copy, 20, AUTO)).getRGB(9, 9), "a copy is read again");
  }

  @Test
  @DisplayName("halved chroma between two values has the samples that it would have: of 3.5 eighths, none")
  void halfValues() throws Exception {
    BufferedImage nearlyGrey =
        Pictures.painted(16, 16, BufferedImage.TYPE_INT_RGB, (x, y) -> x < 8 ? 0x808082 : 0x818082);
    byte[] jpeg = Jpegs.encode(nearlyGrey, Jpegs.Form.of("111111")); // Cb's DC coefficients are 4 and 3,
    byte[] fine = Jpegs.patched(jpeg, Jpegs.find(jpeg, 0xDB).from() + 5, 1); // in steps of 1
    assertEquals(0xFF808080, Pictures.decode(Program.recompress(fine, 100, AUTO)).getRGB(0, 0));
  }

  @Test
  @DisplayName("chroma far beyond what there is: no difference of DC coefficients takes more bits than baseline's 11")
  void largestDifference() throws Exception {
    BufferedImage halves = Pictures.painted(32, 16, BufferedImage.TYPE_INT_RGB, (x, y) -> x < 16 ? 0xFFFF00 : 0xFF);
    byte[] jpeg = Jpegs.encode(halves, Jpegs.Form.of("111111"));
    byte[] copy = Program.recompress(Jpegs.patched(jpeg, Jpegs.find(jpeg, 0xDB).from() + 5, 6), 100, AUTO);
    Jpegs.Segment codes = Jpegs.find(copy, 0xC4);
    int largest = 0;
    for (int at = codes.from() + 4; at < codes.to(); ) {
      int id = copy[at++];
      int end = at + 16;
      for (int i = 0; i < 16; i++) { end += copy[at + i]; }
      for (at += 16; at < end; at++) { largest = id < 16 ? Math.max(largest, copy[at]) : largest; }
    }
    assertEquals(11, largest);
  }

  /** The same JPEG with its quantization tables in 16 bits, and steps so many times as large. */
  private static byte[] wide(byte[] jpeg, int factor) throws IOException {
    Jpegs.Segment frame = Jpegs.frame(jpeg); // baseline knows no such tables, extended does
    byte[] wide = Jpegs.patched(jpeg, frame.from() + 1, frame.marker() == 0xC0 ? 0xC1 : frame.marker());
    for (Jpegs.Segment segment : Jpegs.segments(jpeg).reversed()) { // so that the places of the others stay
      if (segment.marker() == 0xDB) {
        ByteArrayOutputStream table = new ByteArrayOutputStream();
        for (int at = segment.from() + 4; at < segment.to(); at += 65) {
          table.write(0x10 | jpeg[at]);
          for (int k = 1; k <= 64; k++) {
            table.writeBytes(Jpegs.bytes((jpeg[at + k] & 0xFF) * factor >> 8, (jpeg[at + k] & 0xFF) * factor));
          }
        }
        wide = Jpegs.spliced(wide, segment.from(), segment.to(), Jpegs.segment(0xDB, table.toByteArray()));
      }
    }
    return wide;
  }

  /** 24 x 16 pixels, 4:2:2, 16 scans by cjpeg: bands are refined in other parts than they were sent. */
  private static final String PARTIAL_BANDS =
      "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAUDBAQEAwUEBAQFBQUGBwwIBwcHBw8LCwkMEQ8SEhEPERETFhwXExQaFRERGCEYGh0dHx8fExci"
      + "JCIeJBweHx7/2wBDAQUFBQcGBw4ICA4eFBEUHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh7/wgAR"
      + "CAAQABgDASEAAhEBAxEB/8QAGAAAAwEBAAAAAAAAAAAAAAAAAAIEAwX/xAAWAQEBAQAAAAAAAAAAAAAAAAACAwH/2gAMAwEAAhADEAAAAkaV"
      + "7gZFpVc0B//EABoQAAIDAQEAAAAAAAAAAAAAAAEDAgQTABL/2gAIAQEAAQUCKnoYjUBd4eDf7aJjYs5u/8QAHBABAAEEAwAAAAAAAAAAAAAA"
      + "AQACEBGRMUFh/9oACAEBAAY/A852TrUSoU8nFmf/xAAcEQACAgIDAAAAAAAAAAAAAAAAAQMTAhESIjH/2gAIAQIBAT8BzXJ7K436yPsUn//E"
      + "AB4RAAIBAwUAAAAAAAAAAAAAAAECAAMRIQQSEyIy/9oACAEDAQEJADusbxeVfIq9MNG1SIcn/8QAFBEBAAAAAAAAAAAAAAAAAAAAIP/aAAgB"
      + "AwEKPwEf/9oADAMBAAIAAwAAACEC4//EABsQAAIDAAMAAAAAAAAAAAAAAAABESFRQWFx/9oACAEBAAYUMoI8BZZ6WFN/WnFkHXJ//8QAFRAB"
      + "AQAAAAAAAAAAAAAAAAAAESD/2gAIAQEAFT8ya//EAB4QAQACAgEFAAAAAAAAAAAAAAEAESFBMYGRsdHh/9oACAEBAAE/ITgZ4e1G/iXO3mCH"
      + "4vTfeFhbbAfEaxCLshZ6MT//xAAZEQEAAwEBAAAAAAAAAAAAAAABABFBkbH/2gAIAQIBAR4QNQpdeQ2nYE2EVez/xAAUEQEAAAAAAAAAAAAA"
      + "AAAAAAAg/9oACAECAR8/EB//xAAXEQADAQAAAAAAAAAAAAAAAAAAEBGR/9oACAEDAQo/ECY//8QAFBABAAAAAAAAAAAAAAAAAAAAIP/aAAgB"
      + "AQABAhBWd//EAB8QAQACAgICAwAAAAAAAAAAAAERIQAxUWFBcZGx8P/aAAgBAQADPxBBsktIJR1b6+sYhkiIXzfTFNCMEHZwqMjPTsEXTcOT"
      + "fjAAAEIYOF18ZZDrUFUh6k/X/9oADAMBAAIAAwAAABDj3f/Z";

  @Test
  @DisplayName("progressive scans that refine parts of bands, and of several at once")
  void partialBands() throws Exception {
    byte[] jpeg = Base64.getDecoder().decode(PARTIAL_BANDS);
    double psnr = Pictures.psnr(Pictures.decode(jpeg), Program.recompress(jpeg, 100, AUTO));
    assertTrue(psnr > 33, psnr + " dB"); // some is lost where chroma is halved
  }

  @Test
  @DisplayName("noise at quality 100, the most symbols there are, is exact, and takes no more memory than is reserved")
  void noise() throws Exception {
    Random random = new Random(1);
    byte[] jpeg = Pictures.jpeg(
        Pictures.painted(800, 800, BufferedImage.TYPE_BYTE_GRAY, (x, y) -> 0xFFFFFF * random.nextInt(2)), 1);
    JpegHeader header = JpegHeader.read(jpeg);
    Program.recompress(jpeg, 100, AUTO);
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    byte[] copy = Program.recompress(jpeg, 100, AUTO);
    long taken = threads.getCurrentThreadAllocatedBytes() - before + jpeg.length;
    double psnr = Pictures.psnr(Pictures.decode(jpeg), copy);
    assertTrue(psnr > 60, psnr + " dB");
    long reserved = header.memory(Program.settings(100, AUTO, false, false));
    assertTrue(reserved > taken && reserved < taken * 3, taken + " bytes taken, " + reserved + " reserved");
  }
}
