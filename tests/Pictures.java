// SPDX-License-Identifier: MIT

import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Random;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.ImageTypeSpecifier;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;
import javax.imageio.metadata.IIOMetadata;
import javax.imageio.stream.MemoryCacheImageInputStream;
import javax.imageio.stream.MemoryCacheImageOutputStream;
import org.w3c.dom.Element;

/** Makes small JPEGs for the tests: waves of colour with some noise, of high quality unless said otherwise. */
final class Pictures {
  private Pictures() {}

  /** A picture of its own for each seed. */
  static BufferedImage picture(int width, int height, int type, long seed) {
    BufferedImage picture = new BufferedImage(width, height, type);
    Random random = new Random(seed);
    double phase = random.nextDouble() * 10;
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        int noise = random.nextInt(24);
        int red = (int) (110 + 100 * Math.sin(x / 23.0 + phase)) + noise;
        int green = (int) (110 + 100 * Math.cos(y / 31.0 + phase)) + noise;
        int blue = (int) (110 + 100 * Math.sin((x + y) / 41.0)) + noise;
        picture.setRGB(x, y, red << 16 | green << 8 | blue);
      }
    }
    return picture;
  }

  /** The same in colours that JPEG keeps nearly as they are: no noise, no edges. */
  static BufferedImage smooth(int width, int height) {
    BufferedImage picture = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        int red = (int) (150 + 90 * Math.sin(x / 40.0));
        int green = (int) (110 + 90 * Math.cos(y / 30.0));
        int blue = (int) (60 + 50 * Math.sin((x - y) / 50.0));
        picture.setRGB(x, y, red << 16 | green << 8 | blue);
      }
    }
    return picture;
  }

  /** The bytes of a JPEG, 4:2:0, of a quality from 0.0 to 1.0. */
  static byte[] jpeg(BufferedImage picture, float quality) throws IOException {
    return jpeg(picture, quality, false);
  }

  /** The bytes of a JPEG, sequential or progressive. */
  static byte[] jpeg(BufferedImage picture, float quality, boolean progressive) throws IOException {
    return jpeg(picture, quality, progressive, 2, 2);
  }

  /** The same, with so many pixels for a sample of colour, across and down. */
  static byte[] jpeg(BufferedImage picture, float quality, boolean progressive, int across, int down)
      throws IOException {
    ImageWriter writer = ImageIO.getImageWritersByFormatName("JPEG").next();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (MemoryCacheImageOutputStream out = new MemoryCacheImageOutputStream(bytes)) {
      ImageWriteParam param = writer.getDefaultWriteParam();
      param.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
      param.setCompressionQuality(quality);
      param.setProgressiveMode(progressive ? ImageWriteParam.MODE_DEFAULT : ImageWriteParam.MODE_DISABLED);
      IIOMetadata metadata = writer.getDefaultImageMetadata(new ImageTypeSpecifier(picture), param);
      Element tree = (Element) metadata.getAsTree(metadata.getNativeMetadataFormatName());
      Element luma = (Element) tree.getElementsByTagName("componentSpec").item(0);
      boolean grey = picture.getRaster().getNumBands() == 1;
      luma.setAttribute("HsamplingFactor", Integer.toString(grey ? 1 : across));
      luma.setAttribute("VsamplingFactor", Integer.toString(grey ? 1 : down));
      metadata.setFromTree(metadata.getNativeMetadataFormatName(), tree);
      writer.setOutput(out);
      writer.write(null, new IIOImage(picture, null, metadata), param);
    } finally {
      writer.dispose();
    }
    return bytes.toByteArray();
  }

  /** The picture in a JPEG, read by the JDK alone; fails where it warns of anything but the colour profile. */
  static BufferedImage decode(byte[] jpeg) throws IOException {
    ImageReader reader = null;
    for (Iterator<ImageReader> readers = ImageIO.getImageReadersByFormatName("JPEG"); readers.hasNext(); ) {
      ImageReader next = readers.next();
      reader = next.getClass().getName().startsWith("com.sun.") ? next : reader;
    }
    try (MemoryCacheImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(jpeg))) {
      String[] warning = new String[1];
      reader.addIIOReadWarningListener((source, text) ->
          warning[0] = text.startsWith("Embedded color") ? warning[0] : text);
      reader.setInput(in, true, true);
      BufferedImage picture = reader.read(0);
      if (warning[0] != null) {
        throw new IOException(warning[0]);
      }
      return picture;
    } finally {
      reader.dispose();
    }
  }

  /** How near a picture is to planes of red, green and blue, or of grey: decibels, infinite where they are equal. */
  static double psnr(double[][] expected, BufferedImage picture) {
    double sum = 0;
    int width = picture.getWidth();
    for (int i = 0; i < expected[0].length; i++) {
      int pixel = picture.getRGB(i % width, i / width);
      for (int c = 0; c < expected.length; c++) {
        int value = expected.length == 1 ? picture.getRaster().getSample(i % width, i / width, 0) : pixel >> 16 - 8 * c;
        sum += Math.pow(expected[c][i] - (value & 0xFF), 2);
      }
    }
    return 10 * Math.log10(255 * 255 / (sum / expected.length / expected[0].length));
  }

  /** Writes a colour JPEG of this size, its picture different from the others by its name. */
  static Path write(Path file, int width, int height) throws IOException {
    Files.createDirectories(file.toAbsolutePath().getParent());
    BufferedImage picture = picture(width, height, BufferedImage.TYPE_INT_RGB, file.getFileName().hashCode());
    return Files.write(file, jpeg(picture, 0.92f));
  }

  /** Writes a colour JPEG of a common small size. */
  static Path write(Path file) throws IOException {
    return write(file, 320, 240);
  }
}
