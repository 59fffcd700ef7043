// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.awt.Rectangle;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageReadParam;
import javax.imageio.ImageReader;
import javax.imageio.ImageTypeSpecifier;
import javax.imageio.ImageWriter;
import javax.imageio.metadata.IIOMetadata;
import javax.imageio.metadata.IIOMetadataNode;
import javax.imageio.plugins.jpeg.JPEGImageWriteParam;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageOutputStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.NodeList;

@DisplayName("The coefficient engine, against the pixel engine and the JDK's reader")
class EngineTest {
  /** How the JDK's writer is to write a JPEG. */
  private record Form(int quality, int h, int v, boolean progressive, boolean optimized, int restart) {
    static Form of(int quality, int h, int v) {
      return new Form(quality, h, v, false, false, 0);
    }
  }

  private static final Compress.Engine AUTO = Compress.Engine.auto;
  private static final List<BufferedImage> PICTURES = new ArrayList<>();

  /** A part of each of the four photographs, 512 x 384. */
  @BeforeAll
  static void readPictures() throws IOException {
    for (String name : Program.files(Program.project().resolve("IMAGES"))) {
      ImageReader reader = ImageIO.getImageReadersByFormatName("JPEG").next();
      try (ImageInputStream in = ImageIO.createImageInputStream(
          Program.project().resolve("IMAGES").resolve(name).toFile())) {
        reader.setInput(in, true, true);
        ImageReadParam param = reader.getDefaultReadParam();
        param.setSourceRegion(new Rectangle(1000, 1400, 1024, 768));
        param.setSourceSubsampling(2, 2, 0, 0);
        PICTURES.add(reader.read(0, param));
      } finally {
        reader.dispose();
      }
    }
  }

  private static BufferedImage grey(BufferedImage picture) {
    BufferedImage grey = new BufferedImage(picture.getWidth(), picture.getHeight(), BufferedImage.TYPE_BYTE_GRAY);
    grey.getGraphics().drawImage(picture, 0, 0, null);
    return grey;
  }

  private static byte[] encode(BufferedImage picture, Form form) throws IOException {
    ImageWriter writer = ImageIO.getImageWritersByFormatName("JPEG").next();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (MemoryCacheImageOutputStream out = new MemoryCacheImageOutputStream(bytes)) {
      JPEGImageWriteParam param = (JPEGImageWriteParam) writer.getDefaultWriteParam();
      if (form.progressive) {
        param.setProgressiveMode(JPEGImageWriteParam.MODE_DEFAULT);
      }
      param.setOptimizeHuffmanTables(form.optimized);
      IIOMetadata metadata = writer.getDefaultImageMetadata(ImageTypeSpecifier.createFromRenderedImage(picture), param);
      String format = metadata.getNativeMetadataFormatName();
      IIOMetadataNode root = (IIOMetadataNode) metadata.getAsTree(format);
      NodeList tables = root.getElementsByTagName("dqtable");
      for (int i = 0; i < tables.getLength(); i++) {
        ((IIOMetadataNode) tables.item(i)).setUserObject(PixelEngine.table(i == 1, form.quality));
      }
      IIOMetadataNode luminance = (IIOMetadataNode) root.getElementsByTagName("componentSpec").item(0);
      luminance.setAttribute("HsamplingFactor", "" + form.h);
      luminance.setAttribute("VsamplingFactor", "" + form.v);
      if (form.restart > 0) {
        IIOMetadataNode dri = new IIOMetadataNode("dri");
        dri.setAttribute("interval", "" + form.restart);
        root.getElementsByTagName("markerSequence").item(0).insertBefore(dri, root.getElementsByTagName("sof").item(0));
      }
      metadata.setFromTree(format, root);
      writer.setOutput(out);
      writer.write(null, new IIOImage(picture, null, metadata), param);
    } finally {
      writer.dispose();
    }
    return bytes.toByteArray();
  }

  private static byte[] recompress(byte[] jpeg, int quality, Compress.Engine engine) throws Exception {
    return Program.recompress(jpeg, quality, engine);
  }

  /** Peak signal to noise ratio of a JPEG to a picture, in dB, over all samples of RGB or grey. */
  private static double psnr(BufferedImage expected, byte[] jpeg) throws IOException {
    BufferedImage actual = Pictures.decode(jpeg);
    assertEquals(expected.getWidth(), actual.getWidth());
    assertEquals(expected.getHeight(), actual.getHeight());
    double sum = 0;
    long n = 0;
    for (int y = 0; y < expected.getHeight(); y++) {
      for (int x = 0; x < expected.getWidth(); x++) {
        for (int shift = 0; shift <= 16; shift += 8, n++) {
          int difference = (expected.getRGB(x, y) >> shift & 255) - (actual.getRGB(x, y) >> shift & 255);
          sum += difference * difference;
        }
      }
    }
    return 10 * Math.log10(255.0 * 255.0 * n / Math.max(sum, 1e-9));
  }

  @ParameterizedTest(name = "luminance sampling {0}")
  @ValueSource(strings = {"2x2", "2x1", "1x2", "1x1", "grey"})
  @DisplayName("photographs: no copy larger by 0.5 %, none worse by 0.1 dB; on average smaller, as good within 0.02 dB")
  void smallerAndNoWorse(String sampling) throws Exception {
    boolean grey = sampling.equals("grey");
    int h = grey ? 1 : sampling.charAt(0) - '0';
    int v = grey ? 1 : sampling.charAt(2) - '0';
    int cases = 0;
    double size = 0;
    double difference = 0;
    for (BufferedImage picture : PICTURES) {
      BufferedImage original = grey ? grey(picture) : picture;
      for (int source : new int[] {90, 98}) {
        byte[] jpeg = encode(original, Form.of(source, h, v));
        BufferedImage decoded = Pictures.decode(jpeg);
        for (int target : new int[] {10, 30, 50}) {
          byte[] coefficients = recompress(jpeg, target, Compress.Engine.auto);
          byte[] pixels = recompress(jpeg, target, Compress.Engine.pixels);
          double ratio = (double) coefficients.length / pixels.length;
          double gain = psnr(decoded, coefficients) - psnr(decoded, pixels);
          String which = PICTURES.indexOf(picture) + ", " + source + " to " + target;
          assertTrue(ratio <= 1.005 && gain >= -0.1, which + ": size " + ratio + ", " + gain + " dB");
          cases++;
          size += ratio;
          difference += gain;
        }
      }
    }
    assertEquals(24, cases);
    assertTrue(size / 24 < 1, "size, on average: " + size / 24);
    assertTrue(difference / 24 >= -0.02, "PSNR, on average: " + difference / 24);
  }

  @Test
  @DisplayName("qualities from 1 to 100, of source and of copy: a sound JPEG, no worse than by pixels within 0.5 dB")
  void allQualities() throws Exception {
    BufferedImage picture = PICTURES.getFirst().getSubimage(100, 100, 151, 97);
    for (int source = 1; source <= 100; source += 6) {
      byte[] jpeg = encode(picture, Form.of(source, 2, 2));
      BufferedImage decoded = Pictures.decode(jpeg);
      for (int target = 1 + source % 9; target <= 100; target += 9) {
        double coefficients = psnr(decoded, recompress(jpeg, target, Compress.Engine.auto));
        double pixels = psnr(decoded, recompress(jpeg, target, Compress.Engine.pixels));
        assertTrue(coefficients >= pixels - 0.5, source + " to " + target + ": " + coefficients + ", " + pixels);
      }
    }
  }

  @Test
  @DisplayName("however the same coefficients are encoded, the copy is the same, byte for byte")
  void encodingsOfTheSameCoefficients() throws Exception {
    for (int[] sampling : new int[][] {{2, 2}, {2, 1}, {1, 2}, {1, 1}}) {
      BufferedImage picture = PICTURES.get(1).getSubimage(0, 0, 301, 203);
      Form form = Form.of(91, sampling[0], sampling[1]);
      byte[] expected = recompress(encode(picture, form), 30, Compress.Engine.auto);
      for (boolean progressive : new boolean[] {false, true}) {
        for (boolean optimized : new boolean[] {false, true}) {
          for (int restart : new int[] {0, 1, 7}) {
            Form other = new Form(91, sampling[0], sampling[1], progressive, optimized, restart);
            byte[] jpeg = encode(picture, other);
            assertEquals(restart > 0, Jpegs.segments(jpeg).stream().anyMatch(s -> s.marker() == 0xDD), "DRI");
            assertArrayEquals(expected, recompress(jpeg, 30, Compress.Engine.auto), other.toString());
          }
        }
      }
    }
  }

  @Test
  @DisplayName("quantization tables of 16 bits are read as those of 8 bits are")
  void wideTables() throws Exception {
    byte[] jpeg = encode(PICTURES.get(2), Form.of(90, 2, 2));
    byte[] wide = wide(jpeg, 1);
    assertTrue(wide.length >= jpeg.length + 128);
    assertArrayEquals(recompress(jpeg, 30, Compress.Engine.auto), recompress(wide, 30, Compress.Engine.auto));
  }

  @Test
  @DisplayName("and where their steps are larger than 8 bits can say, the picture stays the same")
  void largeSteps() throws Exception {
    BufferedImage faint = new BufferedImage(160, 120, BufferedImage.TYPE_INT_RGB); // a third of the contrast
    for (int i = 0; i < 160 * 120; i++) {
      int value = 128 + (int) (20 * Math.sin(i % 160 / 9.0) + 20 * Math.cos(i / 160 / 7.0));
      faint.setRGB(i % 160, i / 160, value << 16 | value << 8 | value);
    }
    for (int sampling : new int[] {1, 2}) {
      byte[] wide = wide(encode(faint, Form.of(5, sampling, sampling)), 3);
      double[][] expected = Jpegs.rgb(Pictures.decode(wide));
      for (Compress.Engine engine : Compress.Engine.values()) {
        double psnr = Pictures.psnr(expected, Pictures.decode(recompress(wide, 60, engine)));
        assertTrue(psnr > 50, engine + ": " + psnr + " dB");
      }
    }
  }

  /** The same JPEG with its quantization tables in 16 bits, and steps so many times as large. */
  private static byte[] wide(byte[] jpeg, int factor) throws IOException {
    byte[] wide = jpeg;
    // From the last table to the first, so that the places of the others stay.
    List<Jpegs.Segment> segments = new ArrayList<>(Jpegs.segments(jpeg));
    for (Jpegs.Segment segment : segments.reversed()) {
      if (segment.marker() == 0xDB) {
        ByteArrayOutputStream table = new ByteArrayOutputStream();
        for (int at = segment.from() + 4; at < segment.to(); at += 65) {
          table.write(0x10 | jpeg[at]);
          for (int k = 1; k <= 64; k++) {
            table.write((jpeg[at + k] & 0xFF) * factor >> 8);
            table.write((jpeg[at + k] & 0xFF) * factor);
          }
        }
        wide = Jpegs.spliced(wide, segment.from(), segment.to(), Jpegs.segment(0xDB, table.toByteArray()));
      }
    }
    return Jpegs.patched(wide, Jpegs.frame(wide).from() + 1, 0xC1); // baseline knows no such tables, extended does
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
    double psnr = Pictures.psnr(Jpegs.rgb(Pictures.decode(jpeg)), Pictures.decode(recompress(jpeg, 100, AUTO)));
    assertTrue(psnr > 33, psnr + " dB"); // some is lost where chroma is halved
  }

  @Test
  @DisplayName("noise at quality 100, the most symbols there are, is exact, and takes no more memory than is reserved")
  void noise() throws Exception {
    BufferedImage noise = new BufferedImage(800, 800, BufferedImage.TYPE_BYTE_GRAY);
    Random random = new Random(1);
    for (int i = 0; i < 800 * 800; i++) {
      noise.getRaster().setSample(i % 800, i / 800, 0, 255 * random.nextInt(2));
    }
    byte[] jpeg = encode(noise, Form.of(100, 1, 1));
    JpegHeader header = JpegHeader.read(jpeg);
    recompress(jpeg, 100, AUTO);
    var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    byte[] copy = recompress(jpeg, 100, AUTO);
    long taken = threads.getCurrentThreadAllocatedBytes() - before + jpeg.length;
    double psnr = Pictures.psnr(Jpegs.rgb(Pictures.decode(jpeg)), Pictures.decode(copy));
    assertTrue(psnr > 60, psnr + " dB");
    long reserved = CoefficientEngine.memory(header, jpeg.length, false);
    assertTrue(reserved > taken && reserved < taken * 3, taken + " bytes taken, " + reserved + " reserved");
  }

  /** Runs a program of libjpeg's, or of node's; null if it is not installed, or did not do without a warning. */
  private static byte[] output(byte[] input, String... command) throws Exception {
    Path file = Files.createTempFile("compress", null);
    try {
      Process process = new ProcessBuilder(command).redirectOutput(file.toFile())
          .redirectError(ProcessBuilder.Redirect.DISCARD).start();
      try (OutputStream out = process.getOutputStream()) {
        out.write(input);
      } catch (IOException e) {
        return null; // it did not want it
      }
      return process.waitFor() == 0 ? Files.readAllBytes(file) : null;
    } catch (IOException e) {
      return null;
    } finally {
      Files.delete(file);
    }
  }

  @Test
  @DisplayName("what djpeg reads without a warning is compressed: by cjpeg's options, jpegtran's, and jpeg-js")
  void asDjpegReads() throws Exception {
    BufferedImage picture = PICTURES.get(2).getSubimage(200, 100, 151, 103);
    ByteArrayOutputStream ppm = new ByteArrayOutputStream();
    ppm.writeBytes(Jpegs.ascii("P6 151 103 255\n"));
    for (int i = 0; i < 151 * 103; i++) {
      int rgb = picture.getRGB(i % 151, i / 151);
      ppm.writeBytes(Jpegs.bytes(rgb >> 16, rgb >> 8, rgb));
    }
    assumeTrue(output(ppm.toByteArray(), "cjpeg") != null, "cjpeg, djpeg and jpegtran are not installed");
    Path scans = Files.writeString(Files.createTempFile("compress", ".txt"), "0,1,2: 0-0, 0, 4; 0: 1-63, 0, 0;"
        + "1: 1-63, 0, 0; 2: 1-63, 0, 0; 0,1,2: 0-0, 4, 3; 0,1,2: 0-0, 3, 2; 0,1,2: 0-0, 2, 1; 0,1,2: 0-0, 1, 0;");
    Map<String, byte[]> variants = new LinkedHashMap<>();
    for (String quality : List.of("5", "75", "100")) {
      for (String sampling : List.of("1x1", "2x1", "1x2", "2x2", "4x1", "2x4", "1x1,2x2,1x1")) {
        for (String options : List.of("", "-optimize", "-progressive", "-restart 1", "-restart 7B -progressive",
            "-scans " + scans, "-rgb", "-qslots 2,3,3", "-grayscale")) {
          String command = ("cjpeg -quality " + quality + " -sample " + sampling + " " + options).strip();
          variants.put(command, output(ppm.toByteArray(), command.split(" ")));
        }
      }
    }
    for (String options : List.of("-rotate 90 -trim", "-crop 50x37+13+9", "-grayscale", "-progressive -restart 2B")) {
      for (String of : List.of("cjpeg -quality 75 -sample 2x1", "cjpeg -quality 75 -sample 2x2 -progressive")) {
        String command = "jpegtran " + options;
        variants.put(command + " of " + of, output(variants.get(of), command.split(" ")));
      }
    }
    Files.delete(scans);
    for (int width = 8; width < 60; width += 5) { // found by NODE_PATH
      String script = "const d = Buffer.alloc(" + width * 40 + "); for (let i in d) d[i] = i * i >> 5;"
          + "process.stdout.write(require('jpeg-js').encode({data: d, width: " + width + ", height: 10}, 80).data)";
      variants.put("jpeg-js " + width, output(new byte[0], "node", "-e", script));
    }
    List<String> wrong = new ArrayList<>();
    int read = 0;
    for (Map.Entry<String, byte[]> variant : variants.entrySet()) {
      if (variant.getValue() != null && output(variant.getValue(), "djpeg") != null) {
        read++;
        try {
          recompress(variant.getValue(), 30, AUTO);
        } catch (JpegException e) {
          wrong.add(variant.getKey() + ": " + e.getMessage());
        }
      }
    }
    assertEquals(List.of(), wrong);
    assertTrue(read > 150, "only " + read);
  }

  @Test
  @DisplayName("it does the work: what it makes is not what the pixel engine makes")
  void isUsed() throws Exception {
    byte[] jpeg = encode(PICTURES.getFirst(), Form.of(92, 2, 2));
    byte[] coefficients = recompress(jpeg, 30, Compress.Engine.auto);
    byte[] pixels = recompress(jpeg, 30, Compress.Engine.pixels);
    assertFalse(Arrays.equals(coefficients, pixels));
    assertTrue(coefficients.length < pixels.length, coefficients.length + " and " + pixels.length);
  }
}
