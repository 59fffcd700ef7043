// SPDX-License-Identifier: MIT
//SOURCES Jpegs.java

import java.awt.image.*;
import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.function.IntBinaryOperator;
import javax.imageio.*;
import javax.imageio.metadata.*;
import javax.imageio.plugins.jpeg.JPEGImageWriteParam;
import javax.imageio.stream.*;

/** Makes small JPEGs for the tests: waves of colour with some noise, of high quality unless said otherwise. */
final class Pictures {
  /** What the JDK's writer is to write: quality from 0.0 to 1.0, pixels for a sample of colour, MCUs to a restart. */
  record Form(float quality, boolean progressive, int across, int down, boolean optimized, int restart) {}

  private Pictures() {}

  /** A picture of these colours at x and y: 0xRRGGBB. */
  static BufferedImage painted(int width, int height, int type, IntBinaryOperator rgb) {
    BufferedImage picture = new BufferedImage(width, height, type);
    for (int i = 0; i < width * height; i++) {
      picture.setRGB(i % width, i / width, rgb.applyAsInt(i % width, i / width));
    }
    return picture;
  }

  /** A picture of its own for each seed. */
  static BufferedImage picture(int width, int height, int type, long seed) {
    Random random = new Random(seed);
    double phase = random.nextDouble() * 10;
    return painted(width, height, type, (x, y) -> {
      int noise = random.nextInt(24);
      int red = (int) (110 + 100 * Math.sin(x / 23.0 + phase)) + noise;
      int green = (int) (110 + 100 * Math.cos(y / 31.0 + phase)) + noise;
      int blue = (int) (110 + 100 * Math.sin((x + y) / 41.0)) + noise;
      return red << 16 | green << 8 | blue;
    });
  }

  /** The same in colours that JPEG keeps nearly as they are: no noise, no edges. */
  static BufferedImage smooth(int width, int height) {
    return painted(width, height, BufferedImage.TYPE_INT_RGB, (x, y) -> {
      int red = (int) (150 + 90 * Math.sin(x / 40.0));
      int green = (int) (110 + 90 * Math.cos(y / 30.0));
      int blue = (int) (60 + 50 * Math.sin((x - y) / 50.0));
      return red << 16 | green << 8 | blue;
    });
  }

  /** The luminance of a picture, as JPEGs have it. */
  static BufferedImage grey(BufferedImage picture) {
    int width = picture.getWidth();
    BufferedImage grey = new BufferedImage(width, picture.getHeight(), BufferedImage.TYPE_BYTE_GRAY);
    for (int i = 0; i < width * picture.getHeight(); i++) {
      int rgb = picture.getRGB(i % width, i / width);
      double y = 0.299 * (rgb >> 16 & 0xFF) + 0.587 * (rgb >> 8 & 0xFF) + 0.114 * (rgb & 0xFF);
      grey.getRaster().setSample(i % width, i / width, 0, Math.round(y));
    }
    return grey;
  }

  /** The bytes of a JPEG, 4:2:0, of a quality from 0.0 to 1.0, sequential or progressive. */
  static byte[] jpeg(BufferedImage picture, float quality) throws IOException { return jpeg(picture, quality, false); }

  static byte[] jpeg(BufferedImage picture, float quality, boolean progressive) throws IOException {
    return jpeg(picture, quality, progressive, 2, 2);
  }

  /** The same, with so many pixels for a sample of colour, across and down. */
  static byte[] jpeg(BufferedImage picture, float quality, boolean progressive, int across, int down)
      throws IOException {
    return jpeg(picture, new Form(quality, progressive, across, down, false, 0));
  }

  /** The bytes of a JPEG of this form. */
  static byte[] jpeg(BufferedImage picture, Form form) throws IOException {
    ImageWriter writer = ImageIO.getImageWritersByFormatName("JPEG").next();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (MemoryCacheImageOutputStream out = new MemoryCacheImageOutputStream(bytes)) {
      JPEGImageWriteParam param = (JPEGImageWriteParam) writer.getDefaultWriteParam();
      param.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
      param.setCompressionQuality(form.quality);
      param.setProgressiveMode(form.progressive ? ImageWriteParam.MODE_DEFAULT : ImageWriteParam.MODE_DISABLED);
      param.setOptimizeHuffmanTables(form.optimized);
      IIOMetadata metadata = writer.getDefaultImageMetadata(new ImageTypeSpecifier(picture), param);
      IIOMetadataNode tree = (IIOMetadataNode) metadata.getAsTree(metadata.getNativeMetadataFormatName());
      IIOMetadataNode luma = (IIOMetadataNode) tree.getElementsByTagName("componentSpec").item(0);
      boolean grey = picture.getRaster().getNumBands() == 1;
      luma.setAttribute("HsamplingFactor", Integer.toString(grey ? 1 : form.across));
      luma.setAttribute("VsamplingFactor", Integer.toString(grey ? 1 : form.down));
      if (form.restart > 0) {
        IIOMetadataNode interval = new IIOMetadataNode("dri");
        interval.setAttribute("interval", Integer.toString(form.restart));
        tree.getLastChild().insertBefore(interval, tree.getElementsByTagName("sof").item(0));
      }
      metadata.setFromTree(metadata.getNativeMetadataFormatName(), tree);
      writer.setOutput(out);
      writer.write(null, new IIOImage(picture, null, metadata), param);
    } finally {
      writer.dispose();
    }
    return bytes.toByteArray();
  }

  /**
   * The picture in a JPEG, read by the JDK alone, inks in four bands as they are stored; fails where it warns of
   * anything but the colour profile.
   */
  static BufferedImage decode(byte[] jpeg) throws IOException {
    Iterator<ImageReader> readers = ImageIO.getImageReadersByFormatName("JPEG");
    ImageReader reader = readers.next();
    while (!reader.getClass().getName().startsWith("com.sun.")) { reader = readers.next(); }
    try (MemoryCacheImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(jpeg))) {
      List<String> warnings = new ArrayList<>();
      reader.addIIOReadWarningListener((source, warning) -> warnings.add(warning));
      reader.setInput(in, true, true);
      boolean inks = jpeg[Jpegs.frame(jpeg).from() + 9] == 4; // components
      BufferedImage picture = inks ? inks(reader.readRaster(0, null), jpeg) : reader.read(0);
      warnings.removeIf(warning -> warning.startsWith("Embedded color"));
      if (!warnings.isEmpty()) { throw new IOException(warnings.getFirst()); }
      return picture;
    } finally {
      reader.dispose();
    }
  }

  /** The inks of samples, which the JDK leaves as they are coded. */
  private static BufferedImage inks(Raster coded, byte[] jpeg) {
    boolean ycck = Jpegs.segments(jpeg).stream().anyMatch(s -> s.marker() == 0xEE && jpeg[s.to() - 1] > 0);
    BufferedImage inks = new BufferedImage(coded.getWidth(), coded.getHeight(), BufferedImage.TYPE_4BYTE_ABGR);
    for (int i = 0; i < coded.getWidth() * coded.getHeight(); i++) {
      int[] s = coded.getPixel(i % coded.getWidth(), i / coded.getWidth(), (int[]) null);
      double[] rgb = {s[0] + 1.402 * (s[2] - 128), s[0] - 0.344136 * (s[1] - 128) - 0.714136 * (s[2] - 128),
          s[0] + 1.772 * (s[1] - 128)};
      for (int c = 0; ycck && c < 3; c++) { s[c] = 255 - (int) Math.clamp(Math.round(rgb[c]), 0, 255); }
      inks.getRaster().setPixel(i % coded.getWidth(), i / coded.getWidth(), s);
    }
    return inks;
  }

  /** How near a picture is to the one expected, of its size: decibels, infinite where they are equal. */
  static double psnr(BufferedImage expected, BufferedImage actual) {
    double[] a = samples(expected);
    double[] b = samples(actual);
    if (a.length != b.length || expected.getWidth() != actual.getWidth()) {
      throw new AssertionError(actual + ", expected: " + expected);
    }
    double sum = 0;
    for (int i = 0; i < a.length; i++) { sum += (a[i] - b[i]) * (a[i] - b[i]); }
    return 10 * Math.log10(255 * 255 / (sum / a.length));
  }

  private static double[] samples(BufferedImage picture) {
    return picture.getRaster().getPixels(0, 0, picture.getWidth(), picture.getHeight(), (double[]) null);
  }

  /** The same of the picture in a JPEG. */
  static double psnr(BufferedImage expected, byte[] jpeg) throws IOException { return psnr(expected, decode(jpeg)); }

  /** Writes a colour JPEG of this size, its picture different from the others by its name. */
  static Path write(Path file, int width, int height) throws IOException {
    Files.createDirectories(file.toAbsolutePath().getParent());
    BufferedImage picture = picture(width, height, BufferedImage.TYPE_INT_RGB, file.getFileName().hashCode());
    return Files.write(file, jpeg(picture, 0.92f));
  }

  /** Writes a colour JPEG of a common small size. */
  static Path write(Path file) throws IOException { return write(file, 320, 240); }
}
