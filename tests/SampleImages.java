///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//JAVAC_OPTIONS --release 21

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.GradientPaint;
import java.awt.Graphics2D;
import java.awt.Paint;
import java.awt.RadialGradientPaint;
import java.awt.RenderingHints;
import java.awt.geom.Ellipse2D;
import java.awt.geom.Path2D;
import java.awt.geom.Point2D;
import java.awt.geom.Rectangle2D;
import java.awt.image.BufferedImage;
import java.awt.image.DataBufferInt;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.function.IntConsumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;
import javax.imageio.stream.ImageOutputStream;

/**
 * Renders the sample pictures: a harbour at dusk, mountains in haze, a night sky and a still life.
 *
 * <p>They behave like photographs for a JPEG compressor: fine texture, smooth gradients, soft
 * edges, sensor noise. They are the same to the byte on every run of one JDK, on any number of
 * cores: the only arithmetic is that which IEEE 754 and {@link StrictMath} define exactly, and
 * chance is a hash of coordinates.
 *
 * <p>Pictures are painted in linear light, in coordinates that do not depend on their size, then
 * developed as a camera would: noise, lens softness, tone curve, JPEG.
 */
public final class SampleImages {

  private static final String USAGE =
      """
      Usage: SampleImages [FOLDER]
             SampleImages --count=N [--size=WxH] FOLDER

      Renders pictures that look and compress like photographs, the same on every run.

      Without --count: the four pictures, 12 megapixels each, into FOLDER (default: IMAGES):
      %s.

        --count=N    N images, image-0001.jpg and so on, the four scenes in turn;
                     after the first %d they repeat
        --size=WxH   their width and height in pixels (default: 4000x3000)
        -h, --help   show this help
      """;

  /** Rendering takes seconds, copying does not: a corpus has at most so many different images. */
  private static final int DISTINCT = 16;

  /** 92 on the scale of libjpeg: what cameras call fine. */
  private static final float QUALITY = 0.92f;

  /** The four scenes, how noisy the sensor is, and how the camera is held. */
  enum Scene {
    HARBOUR("harbour", 0.00095, false, SampleImages::harbour),
    MOUNTAINS("mountains", 0.00085, false, SampleImages::mountains),
    NIGHT_SKY("night-sky", 0.00095, true, SampleImages::night),
    STILL_LIFE("still-life", 0.00120, false, SampleImages::stillLife);

    final String title;
    final double noise;
    final boolean portrait;
    final Painter painter;

    Scene(String title, double noise, boolean portrait, Painter painter) {
      this.title = title;
      this.noise = noise;
      this.portrait = portrait;
      this.painter = painter;
    }

    BufferedImage photograph(int width, int height, int seed) {
      Frame frame = new Frame(width, height);
      painter.paint(frame, seed);
      return develop(frame, seed, noise);
    }
  }

  /**
   * Runs the command.
   *
   * @param args see {@code --help}
   */
  public static void main(String[] args) {
    System.setProperty("java.awt.headless", "true");
    ImageIO.setUseCache(false);
    String folder = null;
    int count = 0;
    int width = 0;
    int height = 0;
    for (String arg : args) {
      if (arg.equals("-h") || arg.equals("--help")) {
        String names =
            Stream.of(Scene.values()).map(s -> s.title + ".jpg").collect(Collectors.joining(", "));
        System.out.printf(USAGE, names, DISTINCT);
        return;
      } else if (arg.matches("--count=[0-9]{1,7}")) {
        count = Integer.parseInt(arg.substring(8));
      } else if (arg.matches("--size=[0-9]{1,5}x[0-9]{1,5}")) {
        String[] sides = arg.substring(7).split("x");
        width = Integer.parseInt(sides[0]);
        height = Integer.parseInt(sides[1]);
        if (width < 1 || height < 1 || width > 65500 || height > 65500) {
          refuse("a JPEG image has 1 to 65500 pixels each way: " + arg);
        } else if ((long) width * height > 100_000_000) {
          refuse("more than 100 megapixels: " + arg);
        }
      } else if (arg.startsWith("-")) {
        refuse("not an option, or not its value: " + arg);
      } else if (folder != null) {
        refuse("more than one folder: " + folder + ", " + arg);
      } else {
        folder = arg;
      }
      if (arg.startsWith("--count") && count == 0) {
        refuse("at least one image: " + arg);
      }
    }
    if (count == 0 && width > 0) {
      refuse("--size needs --count: the four pictures have one size");
    } else if (count > 0 && folder == null) {
      refuse("--count needs a FOLDER");
    }
    try {
      Path target = Files.createDirectories(Path.of(folder == null ? "IMAGES" : folder));
      if (count == 0) {
        pictures(target);
      } else {
        corpus(target, count, width == 0 ? 4000 : width, height == 0 ? 3000 : height);
      }
    } catch (IOException e) {
      System.err.println("SampleImages: cannot write: " + e);
      System.exit(1);
    }
  }

  private static void refuse(String message) {
    System.err.println("SampleImages: " + message + "\nTry --help.");
    System.exit(2);
  }

  /** The four pictures. One is in portrait: stored in landscape, with an EXIF orientation. */
  private static void pictures(Path folder) throws IOException {
    for (Scene scene : Scene.values()) {
      long start = System.nanoTime();
      byte[] jpeg;
      if (scene.portrait) {
        BufferedImage upright = scene.photograph(3000, 4000, 1);
        jpeg = withOrientation6(jpeg(turned(upright)));
      } else {
        jpeg = jpeg(scene.photograph(4000, 3000, 1));
      }
      Path file = folder.resolve(scene.title + ".jpg");
      Files.write(file, jpeg);
      double seconds = (System.nanoTime() - start) / 1e9;
      System.out.printf(Locale.ROOT, "%s %.2f MB in %.1f s%n", file, jpeg.length / 1e6, seconds);
    }
  }

  private static void corpus(Path folder, int count, int width, int height) throws IOException {
    int distinct = Math.min(count, DISTINCT);
    byte[][] jpegs = new byte[distinct][];
    Scene[] scenes = Scene.values();
    long bytes = 0;
    for (int i = 0; i < count; i++) {
      if (i < distinct) {
        Scene scene = scenes[i % scenes.length];
        BufferedImage image = scene.photograph(width, height, 1 + i / scenes.length);
        jpegs[i] = jpeg(image);
        System.err.printf("%d of %d distinct images: %s%n", i + 1, distinct, scene.title);
      }
      byte[] jpeg = jpegs[i % distinct];
      Files.write(folder.resolve(String.format(Locale.ROOT, "image-%04d.jpg", i + 1)), jpeg);
      bytes += jpeg.length;
    }
    String total = String.format(Locale.ROOT, "%.2f MB", bytes / 1e6);
    System.out.printf("%s: %d images of %dx%d, %s%n", folder, count, width, height, total);
  }

  /** Encodes as JPEG: JFIF, 4:2:0, libjpeg's quantization tables for {@link #QUALITY}. */
  private static byte[] jpeg(BufferedImage image) throws IOException {
    ImageWriter writer = ImageIO.getImageWritersByFormatName("jpeg").next();
    ImageWriteParam param = writer.getDefaultWriteParam();
    param.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
    param.setCompressionQuality(QUALITY);
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(4_000_000);
    try (ImageOutputStream out = ImageIO.createImageOutputStream(bytes)) {
      writer.setOutput(out);
      writer.write(null, new IIOImage(image, null, null), param);
    } finally {
      writer.dispose();
    }
    return bytes.toByteArray();
  }

  /** Turns a picture a quarter to the left, as a camera held upright stores it. */
  private static BufferedImage turned(BufferedImage upright) {
    int width = upright.getWidth();
    int height = upright.getHeight();
    BufferedImage image = new BufferedImage(height, width, BufferedImage.TYPE_INT_RGB);
    int[] from = pixels(upright);
    int[] to = pixels(image);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        to[(width - 1 - x) * height + y] = from[y * width + x];
      }
    }
    return image;
  }

  /** Puts an EXIF segment after JFIF's: turn a quarter to the right to see it upright. */
  private static byte[] withOrientation6(byte[] jpeg) {
    byte[] exif =
        HexFormat.ofDelimiter(" ")
            .parseHex(
                "ff e1 00 22 45 78 69 66 00 00 " // APP1, 34 bytes, "Exif"
                    + "4d 4d 00 2a 00 00 00 08 " // TIFF, big endian, its directory at 8
                    + "00 01 01 12 00 03 00 00 00 01 00 06 00 00 " // orientation (short): 6
                    + "00 00 00 00"); // no other directory
    int start = 2 + 2 + ((jpeg[4] & 255) << 8 | jpeg[5] & 255); // start of image, then APP0
    byte[] result = new byte[jpeg.length + exif.length];
    System.arraycopy(jpeg, 0, result, 0, start);
    System.arraycopy(exif, 0, result, start, exif.length);
    System.arraycopy(jpeg, start, result, start + exif.length, jpeg.length - start);
    return result;
  }

  // ---------------------------------------------------------------- frames

  interface Painter {
    void paint(Frame frame, int seed);
  }

  /** A point, a direction, or a colour in linear light. */
  record V(double x, double y, double z) {
    V plus(V o) {
      return new V(x + o.x, y + o.y, z + o.z);
    }

    V plus(double k, V o) {
      return new V(x + k * o.x, y + k * o.y, z + k * o.z);
    }

    V minus(V o) {
      return new V(x - o.x, y - o.y, z - o.z);
    }

    V times(double k) {
      return new V(x * k, y * k, z * k);
    }

    V times(V o) {
      return new V(x * o.x, y * o.y, z * o.z);
    }

    double dot(V o) {
      return x * o.x + y * o.y + z * o.z;
    }

    V cross(V o) {
      return new V(y * o.z - z * o.y, z * o.x - x * o.z, x * o.y - y * o.x);
    }

    V unit() {
      return times(1 / Math.sqrt(dot(this)));
    }

    V mix(V o, double t) {
      return new V(x + (o.x - x) * t, y + (o.y - y) * t, z + (o.z - z) * t);
    }
  }

  static V v(double x, double y, double z) {
    return new V(x, y, z);
  }

  /** A picture in linear light: three floats per pixel, row by row. */
  record Frame(int width, int height, float[] rgb) {
    Frame(int width, int height) {
      this(width, height, new float[width * height * 3]);
    }

    /** Horizontal coordinate of a column: 0 in the middle; 1 is the height of the picture. */
    double u(double column) {
      return (column + 0.5 - width / 2.0) / height;
    }

    /** Vertical coordinate of a row: 0 in the middle, 0.5 at the top, -0.5 at the bottom. */
    double v(double row) {
      return 0.5 - (row + 0.5) / height;
    }

    /** Half of the width, in the coordinates of {@link #u}. */
    double half() {
      return width / 2.0 / height;
    }

    /** The pixel at a column and row, or the nearest one. */
    V get(double column, double row) {
      int i = ((int) clamp(row, 0, height - 1) * width + (int) clamp(column, 0, width - 1)) * 3;
      return new V(rgb[i], rgb[i + 1], rgb[i + 2]);
    }

    void set(int x, int y, V c) {
      int i = (y * width + x) * 3;
      rgb[i] = (float) c.x;
      rgb[i + 1] = (float) c.y;
      rgb[i + 2] = (float) c.z;
    }
  }

  interface Height {
    double at(double x, double z);
  }

  interface Shader {
    V at(double x, double y);
  }

  static void parallel(int from, int to, IntConsumer body) {
    IntStream.range(from, to).parallel().forEach(body);
  }

  /** Paints the rows from one on, given a colour for each column and row. */
  static void rows(Frame f, int from, Shader shader) {
    parallel(
        from,
        f.height,
        y -> {
          for (int x = 0; x < f.width; x++) {
            f.set(x, y, shader.at(x, y));
          }
        });
  }

  /** Where the horizon is in the frame, focal length, height of the eye, nearest and farthest z. */
  record View(double horizon, double focal, double eye, double near, double far) {}

  /**
   * Paints a landscape column by column, each from the viewer's feet to the far end: land shows
   * where it rises above all the land before it. What is above the land stays as it was.
   */
  static void columns(Frame f, View view, Height land, Shader ground) {
    double step = clamp(4.5 / f.height, 0.0012, 0.02);
    parallel(
        0,
        f.width,
        x -> {
          double slope = f.u(x) / view.focal;
          int filled = f.height;
          double before = 0;
          double last = -9;
          for (double z = view.near; z < view.far && filled > 0; z += z * step) {
            double v = (land.at(slope * z, z) - view.eye) / z * view.focal + view.horizon;
            int row = (int) Math.max(0, Math.ceil((0.5 - v) * f.height - 0.5));
            while (filled > row) {
              filled--;
              double k = clamp((f.v(filled) - last) / (v - last + 1e-12), 0, 1);
              double d = before == 0 ? z : mix(before, z, k);
              f.set(x, filled, ground.at(slope * d, d));
            }
            before = z;
            last = v;
          }
        });
  }

  /** Direction away from the ground, from its height and the heights a little further on. */
  static V normal(double h, double right, double ahead, double step) {
    return v((h - right) / step, 1, (h - ahead) / step).unit();
  }

  /** Adds a round spot of light with soft edges. */
  static void spot(Frame f, double u, double v, double size, double flux, V color) {
    double x = u * f.height + f.width / 2.0 - 0.5;
    double y = (0.5 - v) * f.height - 0.5;
    double s = Math.max(0.62, size * f.height);
    // A spot finer than a pixel keeps its light, spread over that pixel.
    double part = size * f.height / s;
    double peak = flux * clamp(part * part, 0.05, 1);
    int reach = (int) Math.ceil(s * 3.2);
    for (int yy = Math.max(0, (int) y - reach); yy <= Math.min(f.height - 1, y + reach); yy++) {
      for (int xx = Math.max(0, (int) x - reach); xx <= Math.min(f.width - 1, x + reach); xx++) {
        double far = (xx - x) * (xx - x) + (yy - y) * (yy - y);
        f.set(xx, yy, f.get(xx, yy).plus(peak * exp(-far / (s * s)), color));
      }
    }
  }

  // ---------------------------------------------------------------- mountains

  static final V SUN = v(-0.62, 0.27, 0.60).unit();

  static void mountains(Frame f, int seed) {
    View view = new View(0.06, 1.25, 1.25, 0.9, 70);
    rows(
        f,
        0,
        (x, y) -> {
          double up = (f.v(y) - view.horizon) / view.focal;
          return daySky(v(f.u(x) / view.focal, up, 1), seed);
        });
    columns(f, view, (x, z) -> relief(x, z, seed), (x, z) -> slope(x, z, view.eye, seed));
    forest(f, seed);
  }

  /** Height of the land with its trees, in kilometres. */
  static double relief(double x, double z, int seed) {
    double h = land(x, z, z < 4 ? 10 : z < 12 ? 9 : 8, seed);
    return z > 9 || h > 1.35 ? h : h + trees(x, z, seed) * smooth(1.35, 1.1, h) * smooth(9, 6, z);
  }

  /** Ranges on both sides of a winding valley, taller far away, and one high peak. */
  static double land(double x, double z, int octaves, int seed) {
    double wx = x + 0.5 * noise(x * 0.4, z * 0.4, seed + 1);
    double wz = z + 0.5 * noise(x * 0.4, z * 0.4, seed + 2);
    double side = Math.abs(x - 0.25 * z + 0.2 - 0.9 * sin(z * 0.35 + seed));
    double range = 0.12 + 0.88 * smooth(0.1, 1.5 + 0.12 * z, side);
    range *= (0.35 + 0.16 * Math.min(z, 16));
    range *= 0.95 + 0.5 * noise(x * 0.17 + 3, z * 0.13, seed + 7);
    double peak = 2.1 * exp(-((x - 4.2) * (x - 4.2) + (z - 15) * (z - 15) * 0.6) / 6);
    return 0.15
        + range * ridges(wx * 0.33, wz * 0.33, octaves, seed)
        + peak * (0.55 + 0.45 * ridges(wx * 0.3 + 7, wz * 0.3, octaves - 1, seed + 5));
  }

  /** Conifers seen from afar: a cone, up to 18 metres high, in each square of 8 metres. */
  static double trees(double x, double z, int seed) {
    int ix = floor(x * 120);
    int iz = floor(z * 120);
    double best = 0;
    for (int i = ix - 1; i <= ix + 1; i++) {
      for (int j = iz - 1; j <= iz + 1; j++) {
        int h = hash(i, j, seed + 9);
        double dx = x * 120 - i - (h & 255) / 255.0;
        double dz = z * 120 - j - (h >> 8 & 255) / 255.0;
        double size = 0.35 + (h >>> 16 & 255) / 255.0 * 0.65;
        best = Math.max(best, size * (1 - Math.sqrt(dx * dx + dz * dz) * 1.3));
      }
    }
    return best * 0.018;
  }

  /** Colour of the land at a place, through the air between it and the eye. */
  static V slope(double x, double z, double eye, int seed) {
    double e = 0.0006 * z + 0.001;
    double h = relief(x, z, seed);
    V normal = normal(h, relief(x + e, z, seed), relief(x, z + e, seed), e);
    double lit = Math.max(0, normal.dot(SUN));
    double shade = 1;
    for (double s = 0.03 + e; lit > 0 && s < 3.5 && shade > 0; s *= 1.45) {
      double over = h + s * SUN.y - land(x + s * SUN.x, z + s * SUN.z, 4, seed) + 0.02;
      shade = Math.min(shade, over * 9 / s + 0.25);
    }
    lit *= clamp(shade, 0, 1);
    double n = fbm(x * 9, z * 9, 4, seed + 3);
    double snow = smooth(1.75, 2.15, h + 0.35 * n) * smooth(0.50, 0.68, normal.y + 0.1 * n);
    double flat = normal.y + 0.2 * n + (z < 9 ? 0.3 : 0);
    double wood = smooth(1.5, 1.15, h + 0.3 * n) * smooth(0.35, 0.6, flat);
    wood *= 1 + 0.5 * noise(x * 160, z * 160, seed + 8) * smooth(9, 5, z);
    V rock = v(0.17, 0.145, 0.13).times(0.8 + 0.4 * noise(x * 2 + n, h * 40 + z, seed + 4));
    V green = v(0.040 + 0.016 * n, 0.056 + 0.020 * n, 0.021);
    V light = v(5.6, 3.4, 1.5).times(lit).plus(0.5 + 0.5 * normal.y, v(0.26, 0.36, 0.60));
    V color = rock.mix(green, wood).mix(v(0.86, 0.90, 0.97), snow).times(light);
    // Haze thins out upwards; mist lies in the valleys.
    double rise = (h - eye) / 0.75;
    double mean = Math.abs(rise) < 1e-3 ? 1 : (1 - exp(-rise)) / rise;
    double haze = 1 - exp(-0.046 * z * mean);
    double top = 0.52 + 0.12 * fbm(x * 1.1, z * 0.5, 5, seed + 6);
    double mist = smooth(top + 0.1, top - 0.25, h) * smooth(1.0, 4, z) * 0.94;
    double far = Math.sqrt(x * x + z * z);
    V air = air(v(x / far, 0, z / far), 1 - 0.92 * exp(-far / 11));
    return color.mix(air.times(1.06).plus(v(0.02, 0.02, 0.02)), mist).mix(air, haze);
  }

  /** Colour of hazy air, golden towards the sun. */
  static V air(V way, double golden) {
    double toSun = Math.max(0, way.x * SUN.x + way.z * SUN.z);
    double glow = golden * toSun * toSun * toSun * toSun;
    return v(0.32, 0.41, 0.62).plus(glow, v(1.35, 0.58, -0.06));
  }

  static V daySky(V way, int seed) {
    double up = Math.max(0, way.y);
    double s = Math.max(0, way.unit().dot(SUN));
    double glow = s * s * s * s * s * s;
    V color = air(way.unit(), 1).mix(v(0.10, 0.22, 0.50), 1 - exp(-up * 4.2));
    color = color.plus(glow, v(0.55, 0.33, 0.08));
    // Clouds on a plane high above, drawn out by the wind.
    double p = 1 / (up + 0.12);
    double x = way.x * p * 0.7 + 0.3 * noise(way.x * p, p, seed + 31);
    double n = fbm(x * 0.8 + p * 0.25, p * 1.6, 7, seed + 30);
    double cloud = smooth(-0.05, 0.55, n) * smooth(0.02, 0.22, up) * 0.75;
    return color.mix(v(0.98 + 0.5 * glow, 0.80 + 0.3 * glow, 0.74), cloud);
  }

  /** Ranks of conifers, from small ones in the mist to those beside the viewer. */
  static void forest(Frame f, int seed) {
    BufferedImage layer = layer(f);
    Graphics2D g = pen(layer, f);
    double[] sizes = {0.055, 0.085, 0.13, 0.20, 0.34, 0.60};
    for (int rank = 0; rank < 6; rank++) {
      double k = rank / 5.0;
      Color dark = blend(rgb(96, 106, 114), rgb(10, 17, 15), Math.sqrt(k));
      Color lit = blend(rgb(164, 146, 112), rgb(96, 98, 34), Math.sqrt(k));
      double gap = sizes[rank] * (0.13 + 0.10 * k);
      int n = (int) (f.half() / gap) + 2;
      for (int i = -n; i <= n; i++) {
        int h = hash(i, rank, seed + 50);
        double x = (i + (h & 255) / 255.0 - 0.5) * gap;
        double rise = smooth(0.05, 0.75, Math.abs(x + 0.12)) * (0.13 - 0.02 * rank);
        double base = -0.43 - 0.035 * rank - 0.15 * k * k + rise + 0.03 * noise(x * 4, rank, seed);
        double size = sizes[rank] * (0.5 + 0.7 * part(i, rank, seed + 51));
        if (rank < 5 || Math.abs(x + 0.06) > 0.47) {
          conifer(g, x, base, size, h, dark, lit);
        }
      }
    }
    composite(f, layer, 0);
  }

  /** Draws a conifer, lit from the left: a trunk, and tiers of branches with hanging needles. */
  static void conifer(
      Graphics2D g, double x, double y, double size, int seed, Color dark, Color lit) {
    g.setColor(dark);
    g.setStroke(new BasicStroke((float) (size * 0.016)));
    g.draw(line(x, y - size * 0.2, x, y + size * 0.97));
    // Taller trees have finer needles, and more of them.
    double fine = clamp(size * 7, 0.7, 3);
    int tiers = (int) (34 * Math.sqrt(fine) + 8);
    int needles = (int) (8 * fine);
    g.setStroke(new BasicStroke((float) (size * 0.006 / (fine * Math.sqrt(fine)))));
    for (int i = tiers * 8 + 7; i >= 0; i--) {
      double t = (double) (i / 8) / tiers;
      double turn = Math.abs(part(i, 0, seed) * 2 - 1) * 2 - 1;
      double reach = size * (0.012 + 0.23 * t * (1 - 0.22 * t)) * (0.55 + 0.6 * part(i, 1, seed));
      double from = y + size * (1 - 0.95 * t + 0.012 * (part(i, 2, seed) * 2 - 1));
      double droop = reach * (0.18 + 0.35 * part(i, 3, seed));
      Path2D branch = line(x, from, x + turn * reach, from - droop * 0.8);
      for (int j = 0; j <= needles; j++) {
        double q = (double) j / needles;
        double nx = x + turn * reach * q;
        double ny = from - droop * q * (1.4 - 0.6 * q);
        double hang = size * 0.012 * (0.5 + part(i, j, seed + 1)) * (1.2 - 0.5 * q);
        double lean = turn * hang * 0.6 + hang * 1.2 * (part(i, j, seed + 2) - 0.5);
        branch.moveTo(nx, ny + hang * 0.3);
        branch.lineTo(nx + lean, ny - hang / Math.sqrt(fine));
      }
      double light = clamp(0.15 - turn * 0.55 + (part(i, 4, seed) - 0.5) * 0.5, 0, 1);
      g.setColor(blend(dark, lit, light * (1 - t * 0.3)));
      g.draw(branch);
    }
  }

  // ---------------------------------------------------------------- night sky

  static final double SHORE = -0.255; // where the far shore of the lake is, in the frame

  static void night(Frame f, int seed) {
    rows(f, 0, (x, y) -> nightSky(f.u(x), f.v(y), seed));
    stars(f, seed);
    View view = new View(SHORE, 1.0, 0.03, 5, 30);
    columns(f, view, (x, z) -> nightLand(x, z, seed), (x, z) -> nightSlope(x, z, seed));
    rows(f, (int) clamp((0.5 - SHORE) * f.height, 0, f.height), (x, y) -> lake(f, x, y, seed));
    camp(f, seed);
  }

  static V nightSky(double u, double v, int seed) {
    double low = exp(-(v + 0.26) * 5.5);
    double town = exp(-((u - 0.12) * (u - 0.12) * 9 + (v + 0.24) * (v + 0.24) * 30));
    double air = 1 + 0.35 * fbm(u * 1.5 + v, v * 3, 4, seed + 60);
    double m = galaxy(u, v, seed);
    double core = m * exp(-((v + 0.02) * (v + 0.02) * 9));
    double nebula = smooth(0.35, 0.9, fbm(u * 9, v * 9, 4, seed + 62)) * m * 0.5;
    return v(0.010, 0.018, 0.040)
        .plus(low * air, v(0.030, 0.046, 0.055))
        .plus(town * air, v(0.16, 0.085, 0.035))
        .plus(m, v(0.14, 0.15, 0.22))
        .plus(core, v(0.15, 0.075, -0.04))
        .plus(nebula, v(0.30, 0, 0.12));
  }

  /** The Milky Way: how bright, 0 to about 1.4, with its dark lanes of dust. */
  static double galaxy(double u, double v, int seed) {
    double d = u * 0.90 + v * 0.44 + 0.01 + 0.035 * fbm(u * 2, v * 2, 3, seed + 63);
    double along = v * 0.90 - u * 0.44;
    double width = 0.085 + 0.07 * exp(-(along + 0.02) * (along + 0.02) * 14);
    double band = exp(-d * d / (width * width));
    double cloud = fbm(u * 5 + 3, v * 5, 8, seed + 64);
    double lane = fbm(d * 11 + 0.8 * cloud, along * 4.2, 8, seed + 65);
    double split = exp(-(d - 0.012) * (d - 0.012) / 0.0016);
    double dust = smooth(-0.12, 0.5, lane + 0.50 * split - 0.18) * (0.35 + 0.65 * band);
    double bright = band * (0.55 + 0.7 * exp(-along * along * 5));
    return bright * Math.max(0.05, 0.70 + cloud) * (1 - 0.88 * dust);
  }

  /** Scatters stars, more of them where the galaxy is bright; few bright ones, many faint ones. */
  static void stars(Frame f, int seed) {
    for (int n = 0; n < 190_000 * f.half(); n++) {
      double u = (part(n, 0, seed + 66) * 2 - 1) * f.half();
      double v = part(n, 1, seed + 66) * 0.8 - 0.3;
      if (part(n, 2, seed + 66) < 0.3 + galaxy(u, v, seed)) {
        double flux = Math.min(18, 0.009 / (part(n, 3, seed + 66) + 0.00008)) + 0.03;
        V color = part(n, 4, seed + 66) > 0.7 ? v(1.15, 0.92, 0.72) : v(0.85, 0.92, 1.2);
        double size = 0.00030 + 0.00016 * Math.sqrt(Math.min(flux, 9));
        spot(f, u, v, size, flux, color);
        if (flux > 1.2) {
          spot(f, u, v, size * 5, flux * 0.012, color);
        }
      }
    }
    for (double t = 0; t < 1; t += 0.002) { // a meteor
      spot(f, 0.13 * t - 0.24, 0.30 - 0.085 * t, 0.0004, t * t * (1 - t) * 1.75, v(0.9, 1, 0.9));
    }
  }

  static double nightLand(double x, double z, int seed) {
    double rise = smooth(6.5 + 0.8 * noise(x * 0.5, 3, seed), 15, z);
    double pass = 0.45 + 0.55 * smooth(0, 3.2, Math.abs(x + 0.7));
    return rise * pass * (0.4 + 2.5 * ridges(x * 0.36 + 2.3, z * 0.36 + 1.7, 9, seed + 67)) - 0.01;
  }

  static V nightSlope(double x, double z, int seed) {
    double e = 0.0007 * z;
    double h = nightLand(x, z, seed);
    V normal = normal(h, nightLand(x + e, z, seed), nightLand(x, z + e, seed), e);
    double lit = Math.max(0, normal.dot(v(-0.75, 0.45, -0.35)));
    double n = fbm(x * 6, z * 6, 4, seed + 68);
    double snow = smooth(0.42, 0.62, normal.y + 0.15 * n) * smooth(0.35, 0.9, h + 0.4 * n);
    V color = v(0.72, 0.86, 1.15).times(mix(0.10, 0.75, snow) * (0.02 + 0.11 * lit));
    return color.mix(v(0.042, 0.046, 0.062), 1 - exp(-0.035 * z * exp(-h * 1.1)));
  }

  /** What is above the shore, upside down, blurred by ripples. */
  static V lake(Frame f, double x, double y, int seed) {
    double near = SHORE - f.v(y);
    double z = 0.03 / (near + 0.002);
    double wave = fbm(f.u(x) * z * 160, z * 34, 3, seed + 71) * (0.01 + 0.05 * near);
    V sum = v(0, 0, 0);
    for (int k = 0; k < 4; k++) {
      int h = hash((int) x, (int) y, seed + 80 + k);
      double spread = ((h & 255) + (h >>> 8 & 255) - 255) / 255.0 * (0.002 + 0.03 * near);
      double up = Math.max(0.0005, near + wave + spread);
      sum = sum.plus(f.get(x + (h >>> 24) / 128.0 - 1, (0.5 - SHORE - up) * f.height));
    }
    return v(0.001, 0.002, 0.004).plus(0.25 * (0.72 - 0.9 * near), sum);
  }

  /** The near shore: grass, conifers, and a tent with a lamp inside. */
  static void camp(Frame f, int seed) {
    BufferedImage layer = layer(f);
    Graphics2D g = pen(layer, f);
    double edge = f.half() + 0.1;
    double tentX = 0.13;
    double tentY = -0.405;
    for (int i = 0; i < 17; i++) {
      boolean left = i % 2 == 0;
      double x = f.half() + 0.02 - 0.012 * i * (0.6 + 0.4 * part(i, 1, seed + 69));
      double size = (left ? 0.42 : 0.24) * (1 - i * 0.05) * (0.8 + 0.4 * part(i, 2, seed + 69));
      Color lit = left ? rgb(22, 22, 20) : rgb(14, 17, 22);
      conifer(g, left ? -x : x, -0.43, size, seed * 31 + i, rgb(5, 8, 12), lit);
    }
    for (int rank = 0; rank < 5; rank++) {
      if (rank == 1) {
        tent(g, tentX, tentY, 0.075);
      }
      Path2D ground = line(-edge, -0.6);
      for (double u = -edge; u < edge; u += 0.002) {
        ground.lineTo(u, bank(u, rank, seed));
      }
      ground.lineTo(edge, -0.6);
      g.setColor(rgb(9 - rank, 11 - rank, 14 - rank));
      g.fill(ground);
      g.setStroke(new BasicStroke(0.0007f));
      for (int i = 0; i < 2600; i++) {
        double u = (part(i, rank, seed + 72) * 2 - 1) * edge;
        double v = bank(u, rank, seed) - 0.006 - 0.010 * part(i, rank, seed + 73);
        double far = Math.sqrt((u - tentX) * (u - tentX) + (v - tentY) * (v - tentY) * 5);
        double lit = exp(-far * 9) * (0.3 + 0.7 * part(i, rank, seed + 74));
        g.setColor(blend(rgb(10, 13, 15), rgb(205, 150, 62), rank > 0 ? lit : lit * 0.3));
        double lean = (part(i, rank, seed + 75) - 0.5) * 0.008;
        double tip = v + 0.012 * (0.5 + part(i, rank, seed + 76));
        g.draw(line(u, v, u + lean * 0.4, v + 0.008, u + lean, tip));
      }
    }
    composite(f, layer, 0);
    spot(f, tentX, tentY + 0.02, 0.10, 0.10, v(1, 0.55, 0.18));
    spot(f, tentX, tentY + 0.02, 0.04, 0.22, v(1, 0.6, 0.22));
  }

  static double bank(double u, int rank, int seed) {
    return -0.412 - 0.018 * rank + 0.2 * u * u + 0.012 * fbm(u * 6, rank, 5, seed + 70);
  }

  static void tent(Graphics2D g, double x, double y, double size) {
    Graphics2D t = (Graphics2D) g.create();
    t.translate(x, y);
    t.scale(size, size);
    float[] stops = {0, 0.45f, 1};
    Color[] glow = {rgb(239, 216, 146), rgb(232, 146, 52), rgb(120, 50, 18)};
    Paint canvas = new RadialGradientPaint(new Point2D.Double(-0.1, 0.25), 1, stops, glow);
    fill(t, canvas, "M -.95 -.1 Q -.62 .55 -.05 .72 Q .6 .58 1 -.1");
    Color dim = new Color(84, 32, 8, 130);
    stroke(t, dim, 0.018, "M -.42 -.1 Q -.35 .35 -.05 .72 Q .22 .4 .3 -.1");
    stroke(t, rgb(40, 22, 12), 0.012, "M -.95 -.1 L -1.35 -.16 M 1 -.1 L 1.35 -.18");
    // Somebody sits inside.
    String head = "Q -.25 .36 -.13 .37 Q -.01 .36 -.07 .18 ";
    fill(t, dim, "M -.32 -.1 Q -.3 .14 -.19 .18 " + head + "Q .04 .14 .06 -.1");
  }

  // ---------------------------------------------------------------- harbour

  static final double SEA = -0.06; // where the horizon is, in the frame
  static final double EYE = 4; // height of the eye above the water, in metres

  static void harbour(Frame f, int seed) {
    rows(f, 0, (x, y) -> duskSky(f.u(x), Math.abs(f.v(y) - SEA), seed));
    BufferedImage mirror = layer(f);
    BufferedImage above = layer(f);
    shore(pen(mirror, f), -1, seed);
    shore(pen(above, f), 1, seed);
    int[] drawn = pixels(mirror);
    int line = (int) clamp((0.5 - SEA) * f.height, 0, f.height);
    rows(f, line, (x, y) -> water(f, drawn, (int) x, (int) y, seed));
    composite(f, above, 0.22);
    for (int i = 0; i < 14; i++) {
      lamp(f, -14 + i * 13.0, 148, 6.2);
    }
    lamp(f, 4.1, 25.5, 4.9);
    lamp(f, -95, 220, 21.2);
  }

  static void lamp(Frame f, double x, double z, double height) {
    double v = SEA + (height - EYE) / z;
    V color = v(1, 0.62, 0.24);
    spot(f, x / z, v, 0.25 / z, 6, color);
    spot(f, x / z, v, 1.4 / z, 0.5, color);
    spot(f, x / z, v, 4.5 / z, 0.13, color);
  }

  static V duskSky(double u, double up, int seed) {
    double sun = exp(-(u + 0.22) * (u + 0.22) * 3.2);
    double low = exp(-up * 9);
    V color = v(0.035, 0.070, 0.170).plus(exp(-up * up * 11), v(0.24, 0.125, 0.12));
    color = color.plus(low, v(0.30, 0.10, 0.02)).plus(low * sun, v(1.05, 0.36, 0.02));
    // Clouds, their undersides on fire where they thin out.
    double p = 1 / (up + 0.07);
    double x = u * p * 0.55 + 0.25 * noise(u * p, p, seed + 20);
    double n = fbm(x + 5, p * 0.9, 8, seed + 21);
    double under = fbm(x + 5, p * 0.9 + 0.12, 5, seed + 21);
    double fire = smooth(-0.25, 0.35, n - under + 0.1) * exp(-up * 2.6) * (0.35 + 0.75 * sun);
    V cloud = v(0.13, 0.12, 0.21).plus(fire, v(1.25, 0.42, 0.20));
    return color.mix(cloud, smooth(-0.02, 0.55, n) * smooth(0.0, 0.10, up) * 0.8);
  }

  /** Mirrors sky and drawing in waves; those finer than a pixel scatter instead. */
  static V water(Frame f, int[] drawn, int px, int py, int seed) {
    double u = f.u(px);
    double down = SEA - f.v(py);
    double z = EYE / down;
    double foot = z * z / EYE / f.height; // length of a pixel on the water, in metres
    double across = 0;
    double along = 0;
    double rough = 0;
    double wave = 7;
    for (int i = 0; i < 8; i++, wave *= 0.45) {
      double k = smooth(0.9, 0.25, foot / wave);
      double steep = i == 0 ? 0.010 : i < 3 ? 0.017 : 0.014;
      if (k > 0) {
        across += k * steep * noise(u * z / wave + i * 7, z / wave, seed + 22 + i);
        along += k * steep * noise(u * z / wave * 0.7 + i * 5, z / wave * 1.2, seed + 32 + i);
      }
      rough += (1 - k) * (1 - k) * steep * steep;
    }
    rough = Math.sqrt(rough) * 0.8;
    V sum = v(0, 0, 0);
    int samples = 6 + (int) (9 * smooth(25, 120, z));
    for (int i = 0; i < samples; i++) {
      int h = hash(px, py, seed + 40 + i);
      double jitter = ((h & 255) + (h >>> 8 & 255) - 255) / 150.0;
      double up = Math.abs(down - 2 * (along + rough * jitter)) * f.height;
      double side = 2 * (across + rough * (h >> 24) / 128.0) * down * f.height;
      int x = (int) clamp(px + side, 0, f.width - 1);
      double horizon = (0.5 - SEA) * f.height;
      int argb = drawn[(int) clamp(horizon + up, 0, f.height - 1) * f.width + x];
      sum = sum.plus(f.get(x, horizon - up).mix(light(argb), (argb >>> 24) / 255.0));
    }
    double clear = clamp(0.92 - 1.25 * (down + along * 3), 0.25, 0.95);
    return v(0.003, 0.010, 0.016).plus(clear / samples, sum);
  }

  /** A pen for metres, at x metres to the right and z metres away; side -1 draws the reflection. */
  static Graphics2D at(Graphics2D g, double x, double z, int side) {
    Graphics2D m = (Graphics2D) g.create();
    m.translate(x / z, SEA - EYE / z);
    m.scale(1 / z, side / z);
    return m;
  }

  /** Draws all that stands on land and water, the farthest first. */
  static void shore(Graphics2D g, int side, int seed) {
    for (int i = 0; i < 2; i++) {
      hills(at(g, 0, 900 - 400 * i, side), i, seed);
    }
    lighthouse(at(g, -95, 220, side), seed);
    quay(at(g, 0, 150, side), seed);
    Color[] hulls = {rgb(206, 196, 200), rgb(44, 58, 92), rgb(188, 176, 172), rgb(120, 44, 40)};
    double[][] fleet = {
      {38, 128, 9},
      {-40, 118, -10},
      {22, 104, -9},
      {52, 98, 11},
      {-34, 92, 9.5},
      {8, 84, 10},
      {33, 76, -10},
      {-13, 66, -9},
      {-27.5, 54, 11}
    };
    for (int i = 0; i < fleet.length; i++) {
      double length = fleet[i][2];
      Graphics2D m = at(g, fleet[i][0] + 3 * (part(i, 7, seed) - 0.5), fleet[i][1], side);
      m.scale(length, Math.abs(length));
      sailingBoat(m, hulls[i + seed & 3], part(i, 8, seed) > 0.5, length > 0);
    }
    Graphics2D m = at(g, 10.5, 46, side);
    m.scale(-11, 11);
    fishingBoat(m);
    m = at(g, -3.4, 15.5, side);
    m.scale(4.4, 4.4);
    rowingBoat(m, side);
    jetty(g, side, seed);
  }

  static void hills(Graphics2D m, int i, int seed) {
    Path2D hill = line(-900, -6);
    for (double x = -900; x <= 900; x += 2) {
      double h = 70 - 34 * i + (60 - 25 * i) * fbm(x * 0.004 + i * 9, i, 4, seed + 11);
      double woods = 2.2 * Math.abs(noise(x * 0.23, i, seed + 16)) + noise(x * 0.9, i, seed + 17);
      hill.lineTo(x, h * smooth(-700 + 420 * i, 60 + 100 * i, x) + 10 - 6 * i + woods);
    }
    hill.lineTo(900, -6);
    Paint far = upwards(90, rgb(134, 94, 112), 0, rgb(164, 112, 116));
    m.setPaint(i == 0 ? far : upwards(60, rgb(74, 60, 84), 0, rgb(108, 80, 96)));
    m.fill(hill);
  }

  static void lighthouse(Graphics2D m, int seed) {
    Path2D mole = line(-80, -1);
    for (double x = -80; x <= 26; x += 1.5) {
      mole.lineTo(x, 2.6 + 0.7 * noise(x, 0, seed));
    }
    mole.lineTo(30, -1);
    m.setColor(rgb(42, 36, 48));
    m.fill(mole);
    Paint white = across(-2.5, rgb(214, 150, 120), 2.5, rgb(92, 82, 106));
    fill(m, white, "M -2.6 2 L -1.7 19 1.7 19 2.6 2");
    Paint red = across(-2.5, rgb(168, 52, 36), 2.5, rgb(72, 26, 34));
    fill(m, red, "M -2.3 7 L -2.05 12 2.05 12 2.3 7");
    fill(m, rgb(36, 28, 34), "M -2.5 19 L -2.5 19.8 2.5 19.8 2.5 19 M -1.6 22.4 L 0 24.2 1.6 22.4");
    box(m, rgb(255, 240, 190), -1.2, 19.8, 2.4, 2.6);
  }

  /** The church, the houses in front of it, the quay and its lamps. */
  static void quay(Graphics2D m, int seed) {
    fill(m, across(60, rgb(96, 74, 80), 66, rgb(66, 56, 74)), "M 60 2 L 60 25 66 25 66 2");
    fill(m, across(60, rgb(70, 54, 68), 66, rgb(50, 44, 62)), "M 59.5 24.6 L 63 40 66.5 24.6");
    disc(m, rgb(238, 206, 140), 62, 20.5, 2, 2);
    fill(m, rgb(42, 36, 50), "M 61 14 L 61 17 Q 61.5 18 62 17 L 62 14");
    fill(m, rgb(42, 36, 50), "M 64 14 L 64 17 Q 64.5 18 65 17 L 65 14");
    double x = -24;
    for (int i = 0; x < 130; i++) {
      double width = 6 + 4 * part(i, 0, seed + 13);
      house(m, x, width, 8.5 + 5 * part(i, 1, seed + 13), i, seed);
      x += width + (part(i, 2, seed + 13) > 0.8 ? 1.5 : 0);
    }
    fill(m, upwards(2.4, rgb(92, 74, 66), 0, rgb(34, 30, 36)), "M -30 -1 L -30 2.4 200 2.4 200 -1");
    for (int i = 0; i < 14; i++) {
      double at = (-14 + i * 13.0) * 150 / 148;
      box(m, rgb(30, 26, 30), at - 0.07, 2, 0.14, 4);
      disc(m, rgb(255, 226, 150), at - 0.28, 5.9, 0.56, 0.6);
    }
  }

  static void house(Graphics2D m, double x, double w, double h, int i, int seed) {
    int[] walls = {0x7a483a, 0x866846, 0x4e4e62, 0x8a7464, 0x623432};
    Color wall = new Color(walls[(hash(i, 5, seed) >>> 8) % walls.length]);
    m.setPaint(upwards(2, blend(wall, rgb(232, 150, 78), 0.5), 7.5, wall));
    m.fill(line(x, 1, x, h, x + w, h, x + w, 1));
    boolean gable = part(i, 6, seed) > 0.5;
    double in = gable ? w / 2 : 0.5;
    double top = gable ? h + w * 0.42 : h + 2.6;
    m.setPaint(upwards(h, rgb(58, 32, 34), h + 3, rgb(48, 34, 44)));
    m.fill(line(x - 0.2, h - 0.1, x + in, top, x + w - in, top, x + w + 0.2, h - 0.1));
    box(m, rgb(60, 44, 46), x + w * 0.7, h, 0.8, 3.6);
    int columns = (int) (w / 2);
    for (int k = 0; k < columns; k++) {
      double wx = x + (k + 0.5) * w / columns - 0.5;
      for (double wy = 3.1; wy + 1.9 < h; wy += 2.7) {
        double on = part(i * 16 + k, (int) wy, seed + 14);
        Color lit = blend(rgb(196, 116, 46), rgb(252, 206, 122), on * 2 - 1.1);
        box(m, rgb(128, 104, 92), wx - 0.12, wy - 0.12, 1.24, 1.64);
        box(m, on > 0.62 ? lit : rgb(40, 36, 52), wx, wy, 1, 1.4);
        box(m, rgb(90, 74, 66), wx + 0.46, wy, 0.08, 1.4);
        box(m, rgb(90, 74, 66), wx, wy + 0.8, 1, 0.07);
      }
    }
  }

  // Boats are one unit long, with the bow on the right and the water at 0.

  static void sailingBoat(Graphics2D m, Color hull, boolean lamp, boolean toRight) {
    Color warm = blend(hull, rgb(240, 150, 100), 0.35);
    Color cold = blend(hull, rgb(52, 48, 74), 0.55);
    Paint side = across(-0.5, toRight ? warm : cold, 0.5, toRight ? cold : warm);
    String deck = "Q 0 .055 -.5 .085";
    fill(m, side, "M -.5 .085 L -.46 -.02 .4 -.02 Q .47 .03 .54 .118 " + deck);
    fill(m, rgb(46, 34, 42), "M -.466 .008 L -.46 -.02 .4 -.02 .44 .01");
    stroke(m, blend(hull, rgb(250, 220, 200), 0.4), 0.006, "M .54 .118 " + deck);
    fill(m, rgb(150, 134, 136), "M -.22 .07 L -.19 .125 Q .06 .135 .24 .082");
    for (int i = 0; i < 4; i++) {
      disc(m, lamp ? rgb(246, 190, 104) : rgb(40, 38, 54), -0.15 + i * 0.07, 0.092, 0.045, 0.018);
    }
    stroke(m, rgb(92, 74, 76), 0.011, "M .06 .1 L .055 1.28"); // mast
    stroke(m, rgb(52, 58, 92), 0.034, "M .03 .205 L -.38 .192"); // boom, with the sail furled
    Color wire = rgb(66, 56, 64);
    stroke(m, wire, 0.0028, "M .53 .115 L .055 1.24 -.49 .09 M -.02 .72 L .13 .72");
    stroke(m, wire, 0.0028, "M .1 .08 L .13 .72 .055 1.2 -.02 .72 .02 .08");
    stroke(m, wire, 0.0028, "M .5 .165 L .2 .145 -.1 .14 -.46 .15");
    if (lamp) {
      disc(m, rgb(255, 240, 210), 0.045, 1.27, 0.02, 0.02);
    }
  }

  static void fishingBoat(Graphics2D m) {
    String deck = "Q .15 .085 -.48 .1";
    Paint blue = upwards(0.2, rgb(40, 92, 116), 0, rgb(18, 40, 60));
    fill(m, blue, "M -.48 .1 L -.44 -.02 .38 -.02 Q .46 .06 .52 .2 " + deck);
    fill(m, rgb(96, 30, 30), "M -.446 .012 L -.44 -.02 .38 -.02 .41 .015");
    stroke(m, rgb(206, 190, 180), 0.014, "M .52 .2 " + deck);
    Paint cabin = across(-0.1, rgb(120, 112, 122), 0.25, rgb(206, 172, 150));
    fill(m, cabin, "M -.08 .1 L -.08 .36 .22 .36 .24 .11");
    fill(m, rgb(60, 40, 40), "M -.11 .36 L -.1 .385 .24 .385 .25 .36");
    for (int i = 0; i < 3; i++) {
      box(m, rgb(243, 206, 136), -0.05 + i * 0.09, 0.255, 0.068, 0.072);
    }
    Color dark = rgb(58, 46, 48);
    stroke(m, dark, 0.013, "M -.22 .1 L -.22 .72 M .08 .38 L .08 .62 M -.22 .2 L -.44 .55");
    stroke(m, dark, 0.004, "M -.46 .11 L -.44 .55 -.22 .7 .08 .6 .51 .2");
    for (int i = 0; i < 5; i++) {
      Color buoy = i % 2 == 0 ? rgb(206, 92, 40) : rgb(190, 170, 150);
      disc(m, buoy, -0.40 + i * 0.055, 0.075 + 0.01 * (i % 3), 0.045, 0.05);
    }
  }

  static void rowingBoat(Graphics2D m, int side) {
    String rim = "M -.5 .13 Q .1 .07 .56 .16 ";
    Paint hull = across(-0.5, rgb(196, 120, 84), 0.5, rgb(84, 56, 62));
    fill(m, hull, "M -.5 .13 Q -.46 0 -.38 -.02 L .36 -.02 Q .5 .04 .56 .16 Q .1 .07 -.5 .13");
    Color seam = new Color(60, 34, 32, 140);
    stroke(m, seam, 0.006, "M -.47 .095 Q .1 .045 .53 .12 M -.44 .06 Q .1 .02 .5 .085");
    stroke(m, seam, 0.006, "M -.42 .025 Q .1 -.005 .46 .05");
    if (side > 0) { // the water does not see into the boat
      fill(m, upwards(0.2, rgb(58, 36, 28), 0.08, rgb(96, 66, 46)), rim + "Q .1 .235 -.5 .13");
      fill(m, rgb(150, 112, 80), "M -.2 .115 L -.16 .165 -.08 .17 -.12 .11");
      fill(m, rgb(150, 112, 80), "M .14 .11 L .16 .175 .24 .175 .22 .11");
      stroke(m, rgb(226, 170, 124), 0.012, rim);
      stroke(m, rgb(214, 160, 118), 0.012, "M -.3 .2 L .62 .065"); // an oar
    }
  }

  /** A wooden jetty that leads from the viewer's feet into the picture, with a lamp at its end. */
  static void jetty(Graphics2D g, int side, int seed) {
    for (double z = 26; z > 3; z -= 0.24) {
      int i = (int) (z * 10);
      double near = z - 0.22;
      double a = SEA + (1.25 * side - EYE) / z;
      double b = SEA + (1.25 * side - EYE) / near;
      double c = SEA + (0.95 * side - EYE) / near;
      double warm = exp((z - 26) * 0.22);
      Color lit = blend(rgb(116, 94, 88), rgb(236, 160, 86), warm);
      Color wood = blend(rgb(30, 24, 28), lit, 0.65 + 0.35 * part(i, 1, seed + 15));
      double l = 2.7 - 0.06 * part(i, 2, seed + 15);
      double r = 4.9 + 0.06 * part(i, 3, seed + 15);
      if (side > 0) {
        g.setColor(wood);
        g.fill(line(l / z, a, r / z, a, r / near, b, l / near, b));
      }
      g.setColor(blend(rgb(22, 17, 22), wood, 0.35));
      g.fill(line(l / near, b, r / near, b, r / near, c, l / near, c));
      g.setColor(rgb(20, 16, 20));
      g.fill(line(2.7 / z, a, 2.7 / near, b, 2.7 / near, c, 2.7 / z, c));
      if (i % 31 < 3 && z < 25) {
        post(at(g, 2.6, z, side), warm);
        post(at(g, 5, z, side), warm);
      }
    }
    Graphics2D m = at(g, 4.1, 25.5, side);
    box(m, rgb(34, 28, 30), -0.06, 1.2, 0.12, 3.6);
    disc(m, rgb(255, 232, 160), -0.17, 4.7, 0.34, 0.4);
  }

  static void post(Graphics2D m, double warm) {
    Color lit = blend(rgb(134, 92, 76), rgb(236, 160, 90), warm);
    m.setPaint(across(-0.16, lit, 0.14, rgb(30, 24, 30)));
    m.fill(line(-0.15, -0.6, -0.15, 2.1, 0.15, 2.1, 0.15, -0.6));
    disc(m, blend(lit, rgb(90, 70, 70), 0.5), -0.15, 2.05, 0.3, 0.1);
  }

  // ---------------------------------------------------------------- still life

  enum Kind {
    VASE,
    APPLE,
    PEAR,
    LEMON,
    ORANGE,
    GRAPE,
    PETAL,
    TWIG,
    LEAF,
    STAMEN
  }

  /** The window that lights the table: its direction, its edges, and its light. */
  static final V WINDOW = v(-0.72, 0.60, -0.42).unit();

  static final V WINDOW_X = v(-0.42, 0, 0.72).unit();
  static final V WINDOW_Y = WINDOW.cross(WINDOW_X);
  static final V DAYLIGHT = v(3.1, 2.75, 2.25);

  /** A ball, stretched by radii along three axes, and shaped further according to its kind. */
  record Solid(Kind kind, int seed, V center, V right, V axis, V ahead, V radii) {
    Solid(Kind kind, int seed, V center, V axis, V radii) {
      this(kind, seed, center, sideways(axis), axis, sideways(axis).cross(axis), radii);
    }

    private static V sideways(V axis) {
      return (Math.abs(axis.y) > 0.9 ? v(0, 0, 1) : v(0, 1, 0)).cross(axis).unit();
    }

    /** From a direction in the room to the same one before stretching. */
    V local(V p) {
      return v(p.dot(right) / radii.x, p.dot(axis) / radii.y, p.dot(ahead) / radii.z);
    }

    /** From a gradient before stretching to one in the room. */
    V room(V g) {
      return right.times(g.x / radii.x).plus(g.y / radii.y, axis).plus(g.z / radii.z, ahead);
    }

    boolean ball() {
      return kind.compareTo(Kind.ORANGE) >= 0;
    }

    /** Radius, before stretching, of a ball that holds the shape. */
    double bound() {
      return ball() ? 1 : kind == Kind.VASE ? 1.7 : kind == Kind.PEAR ? 1.5 : 1.26;
    }

    /** About the distance to the surface, before stretching; negative inside. */
    double distance(V p) {
      if (kind == Kind.VASE) {
        double h = p.y + 1.3;
        double belly = mix(0.46, 0.92, smooth(-0.25, 0.95, h));
        double neck = mix(0.92, 0.25, smooth(0.95, 2.05, h));
        double lip = mix(0.25, 0.46, smooth(2.05, 2.75, h));
        double r = h < 0.95 ? belly : h < 2.05 ? neck : lip;
        return Math.max(Math.max((Math.sqrt(p.x * p.x + p.z * p.z) - r) * 0.75, h - 2.6), -h);
      }
      double n = Math.sqrt(p.dot(p));
      double c = p.y / (n + 1e-9);
      double r =
          switch (kind) {
            case APPLE -> 0.96 + 0.035 * c - 0.42 * exp((c - 1) * 8) - 0.2 * exp((-1 - c) * 16);
            case LEMON -> 0.86 + 0.14 * c * c + 0.24 * exp((Math.abs(c) - 1) * 16);
            default -> // a pear
                0.88 + 0.1 * c * Math.max(0, c) + 0.5 * exp((c - 1) * 12) - 0.1 * exp((c - 1) * 90);
          };
      return (n - r) * 0.8;
    }
  }

  record Ball(V center, double radius) {}

  /** Things close together, in a ball, and the balls that stand for them in shadows. */
  record Group(Ball bound, List<Solid> solids, List<Ball> balls) {
    Group(V center, double radius, List<Solid> solids) {
      this(new Ball(center, radius), solids, solids.stream().flatMap(Group::balls).toList());
    }

    private static Stream<Ball> balls(Solid s) {
      if (s.kind == Kind.VASE) {
        double[][] rings = {{-0.85, 0.62}, {-0.3, 0.84}, {0.3, 0.55}, {0.9, 0.25}, {1.25, 0.36}};
        return Stream.of(rings).map(b -> new Ball(s.center.plus(b[0], s.axis), b[1]));
      }
      double r = (s.radii.x + s.radii.y + s.radii.z) / 3 * (s.kind == Kind.PETAL ? 0.7 : 0.95);
      boolean fine = s.kind == Kind.TWIG || s.kind == Kind.STAMEN;
      return fine ? Stream.of() : Stream.of(new Ball(s.center, r));
    }
  }

  static void stillLife(Frame f, int seed) {
    List<Group> groups = arrange(seed);
    float[] depth = new float[f.width * f.height];
    V eye = v(0.1, 2.9, -9);
    rows(
        f,
        0,
        (x, y) -> {
          V d = ray(f, x - 0.25, y - 0.25);
          Hit hit = find(eye, d, groups);
          double z = hit.t * d.z;
          V color = see(eye, d, hit, groups);
          // Edges get a second ray.
          V d2 = ray(f, x + 0.25, y + 0.25);
          Hit hit2 = find(eye, d2, groups);
          if (hit2.solid != hit.solid) {
            z = Math.min(z, hit2.t * d2.z);
            color = color.mix(see(eye, d2, hit2, groups), 0.5);
          }
          depth[(int) y * f.width + (int) x] = (float) z;
          return color;
        });
    defocus(f, depth, 9.0);
  }

  static V ray(Frame f, double x, double y) {
    double up = f.v(y) / 1.66;
    return v(f.u(x) / 1.66, up - 0.135, 1 + 0.135 * up).unit();
  }

  /** Puts the vase, the branches and the fruit on the table. */
  static List<Group> arrange(int seed) {
    List<Group> groups = new ArrayList<>();
    put(groups, Kind.VASE, 0, v(-1.35, 1.3, 0.55), 1, v(0, 1, 0));
    put(groups, Kind.PEAR, 1, v(0.15, 0.56, 0.45), 0.62, v(0.10, 1, 0.05));
    put(groups, Kind.PEAR, 2, v(2.05, 0.50, 0.55), 0.58, v(0.95, 0.22, -0.35));
    put(groups, Kind.APPLE, 3, v(-0.42, 0.54, -0.75), 0.60, v(-0.25, 1, -0.38));
    put(groups, Kind.APPLE, 4, v(1.12, 0.52, 0.10), 0.57, v(0.35, 0.85, -0.5));
    put(groups, Kind.ORANGE, 5, v(0.72, 0.47, -1.15), 0.49, v(0.4, 0.8, -0.5));
    put(groups, Kind.ORANGE, 6, v(0.95, 0.49, 1.35), 0.51, v(-0.4, 0.8, -0.3));
    put(groups, Kind.LEMON, 7, v(-1.42, 0.36, -1.10), 0.42, v(0.9, 0.05, -0.35));
    put(groups, Kind.LEMON, 8, v(-2.35, 0.36, -0.25), 0.42, v(0.5, 0.10, 0.8));
    groups.add(grapes(seed));
    branch(groups, seed, v(-1.33, 2.45, 0.55), v(0.62, 0.74, -0.05), 1.75, true);
    branch(groups, seed + 7, v(-1.37, 2.45, 0.55), v(-0.62, 0.80, 0.1), 1.15, true);
    branch(groups, seed + 5, v(-1.35, 2.45, 0.5), v(0.97, 0.30, -0.25), 1.5, true);
    V stem = v(0.021, 0.14, 0.021);
    List<Solid> stems = new ArrayList<>();
    stems.add(new Solid(Kind.TWIG, 1, v(0.245, 1.56, 0.5), v(0.3, 1, 0.1).unit(), stem));
    stems.add(new Solid(Kind.TWIG, 2, v(-0.52, 1.0, -0.90), v(-0.1, 1, -0.25).unit(), stem));
    stems.add(new Solid(Kind.TWIG, 3, v(1.27, 0.93, -0.12), v(0.5, 0.9, -0.2).unit(), stem));
    groups.add(new Group(v(0.4, 1.1, -0.2), 1.6, stems));
    blossom(groups, v(-0.75, 0.09, -2.05), v(0.2, 1, -0.35), 0.16, seed);
    blossom(groups, v(1.30, 0.09, -2.2), v(-0.3, 1, -0.6), 0.15, seed + 1);
    return groups;
  }

  static void put(List<Group> groups, Kind kind, int seed, V center, double r, V axis) {
    Solid s = new Solid(kind, seed, center, axis.unit(), v(r, r, r));
    groups.add(new Group(center, r * s.bound(), List.of(s)));
  }

  /** A bunch of grapes: balls strewn over a tapering heap, then pushed apart until they touch. */
  static Group grapes(int seed) {
    V[] g = new V[46];
    double r = 0.16;
    for (int i = 0; i < g.length; i++) {
      double k = part(i, 0, seed + 90);
      V wide = v(0.46, 0, 0.46).times(1 - 0.7 * k * k);
      V any = v(part(i, 1, seed + 90) * 2 - 1, 0, part(i, 2, seed + 90) * 2 - 1);
      double y = 0.1 + (0.75 - 0.55 * k) * part(i, 4, seed + 90);
      g[i] = v(1.66 + 0.80 * k, y, -0.75 - 0.75 * k).plus(wide.times(any));
    }
    for (int round = 0; round < 60; round++) {
      for (int i = 0; i < g.length; i++) {
        g[i] = v(g[i].x, Math.max(r, g[i].y - 0.004), g[i].z);
        for (int j = 0; j < i; j++) {
          V d = g[i].minus(g[j]);
          double far = Math.sqrt(d.dot(d)) + 1e-9;
          double push = Math.max(0, (2 * r - far) / far * 0.25);
          g[i] = g[i].plus(push, d);
          g[j] = g[j].plus(-push, d);
        }
      }
    }
    List<Solid> grapes = new ArrayList<>();
    for (int i = 0; i < g.length; i++) {
      V axis = v(part(i, 5, seed) - 0.5, 0.8, part(i, 6, seed) - 0.5).unit();
      double size = r * (0.9 + 0.17 * part(i, 3, seed + 90));
      grapes.add(new Solid(Kind.GRAPE, i, g[i], axis, v(size, size * 1.1, size)));
    }
    return new Group(v(2.15, 0.35, -1.05), 1.5, grapes);
  }

  /** Grows a twig that bends, with blossoms, leaves and smaller twigs. */
  static void branch(List<Group> groups, int seed, V at, V way, double length, boolean twigs) {
    List<Solid> wood = new ArrayList<>();
    int n = 9;
    double step = length / n;
    V p = at;
    for (int i = 0; i < n; i++) {
      way = way.plus(0.30, any(i, 1, seed + 91)).plus(v(0, -0.03, 0)).unit();
      double thick = 0.036 * (1.1 - 0.7 * i / n) * (twigs ? 1 : 0.65);
      V half = v(thick, step * 0.62, thick);
      wood.add(new Solid(Kind.TWIG, i, p.plus(step / 2, way), way, half));
      p = p.plus(step, way);
      if (i > 1 && part(i, 7, seed + 92) < 0.62) {
        V out = any(i, 4, seed + 92).plus(v(0, 0.2, -0.3)).unit();
        blossom(groups, p.plus(0.14, out), out, 0.15 + 0.05 * part(i, 8, seed + 92), seed + i);
      }
      if (part(i, 9, seed + 92) < 0.5) {
        V leaf = way.plus(1.6, any(i, 10, seed)).unit();
        wood.add(new Solid(Kind.LEAF, i, p.plus(0.2, leaf), leaf, v(0.075, 0.2, 0.02)));
      }
      if (twigs && i % 3 == 2) {
        V aside = way.plus(v(i % 2 == 0 ? 0.9 : -0.7, 0.2, -0.3)).unit();
        branch(groups, seed + 20 + i, p, aside, length * 0.34, false);
      }
    }
    groups.add(new Group(at.mix(p, 0.5), length / 2 + 0.45, wood));
  }

  /** A vector that depends only on the arguments, each part from -0.5 to 0.5. */
  static V any(int i, int k, int seed) {
    return v(part(i, k, seed) - 0.5, part(i, k + 1, seed) - 0.5, part(i, k + 2, seed) - 0.5);
  }

  static void blossom(List<Group> groups, V at, V face, double size, int seed) {
    List<Solid> parts = new ArrayList<>();
    V up = face.unit();
    V side = v(up.y, -up.x, 0.001).unit();
    V other = up.cross(side);
    for (int i = 0; i < 5; i++) {
      double a = i * 1.2566 + seed;
      V out = side.times(cos(a)).plus(sin(a), other).plus(0.25 + 0.3 * part(i, 9, seed), up).unit();
      V across = up.cross(out).unit();
      V half = v(size * 0.46, size * 0.58, size * 0.10);
      V center = at.plus(size * 0.62, out);
      parts.add(new Solid(Kind.PETAL, seed + i, center, across, out, across.cross(out), half));
    }
    for (int i = 0; i < 9; i++) {
      double r = size * 0.32 * part(i, 1, seed);
      V center =
          at.plus(size * 0.38, up).plus(r * cos(i * 0.698), side).plus(r * sin(i * 0.698), other);
      parts.add(new Solid(Kind.STAMEN, i, center, up, v(1, 1, 1).times(size * 0.055)));
    }
    groups.add(new Group(at, size * 1.35, parts));
  }

  /** Where a ray of light ends: how far, and on what; the table and the wall are no solids. */
  record Hit(double t, Solid solid) {}

  static Hit find(V o, V d, List<Group> groups) {
    double table = d.y < 0 ? -o.y / d.y : 99;
    double wall = d.z > 0 ? (7 - o.z) / d.z : 99;
    double t = Math.min(table, wall);
    Solid solid = null;
    for (Group g : groups) {
      V c = g.bound.center.minus(o);
      double b = c.dot(d);
      if (c.dot(c) - b * b < g.bound.radius * g.bound.radius && b > -g.bound.radius) {
        for (Solid s : g.solids) {
          double meet = meet(s, o, d, t);
          if (meet < t) {
            t = meet;
            solid = s;
          }
        }
      }
    }
    return new Hit(t, solid);
  }

  /** Distance from o, in direction d, to where the ray enters a solid; limit if not before that. */
  static double meet(Solid s, V o, V d, double limit) {
    V p = s.local(o.minus(s.center));
    V w = s.local(d);
    double ww = w.dot(w);
    double b = p.dot(w) / ww;
    double h = b * b - (p.dot(p) - s.bound() * s.bound()) / ww;
    if (h < 0) {
      return limit;
    }
    h = Math.sqrt(h);
    double t = -b - h;
    if (s.ball()) {
      return t > 1e-4 ? t : limit;
    }
    t = Math.max(t, 1e-3);
    double speed = 1 / Math.sqrt(ww);
    double gap = 1;
    for (int i = 0; i < 110 && t < Math.min(h - b, limit) && gap > 0.0008; i++) {
      gap = s.distance(p.plus(t, w));
      t += gap * speed;
    }
    return gap > 0.006 ? limit : t;
  }

  /** The light that comes along a ray, from where it ends. */
  static V see(V o, V d, Hit hit, List<Group> groups) {
    V p = o.plus(hit.t, d);
    Solid s = hit.solid;
    if (s == null) {
      boolean room = hit.t >= 99; // behind the viewer
      return room ? v(0.05, 0.05, 0.06) : p.z > 6.99 ? wall(p.x, p.y) : table(p, groups);
    }
    V q = s.local(p.minus(s.center));
    V gradient = q;
    if (!s.ball()) {
      double e = 0.004;
      double here = s.distance(q);
      double x = s.distance(q.plus(v(e, 0, 0))) - here;
      double y = s.distance(q.plus(v(0, e, 0))) - here;
      gradient = v(x, y, s.distance(q.plus(v(0, 0, e))) - here);
    }
    Look look = look(s, q);
    V n = s.room(gradient).unit().minus(s.room(look.bump)).unit();
    double facing = -n.dot(d);
    double sun = n.dot(WINDOW);
    double lit = clamp((sun + look.through) / (1 + look.through), 0, 1) * shade(p, groups, s);
    double open = open(p, n, groups, s);
    double sky = open * (0.16 + 0.10 * n.y + 0.12 * Math.max(0, -n.x));
    double bounce = open * clamp(0.5 - 0.5 * n.y, 0, 1) * exp(-p.y * 0.6) * 0.55;
    V light = DAYLIGHT.times(lit).plus(sky, v(0.95, 1, 1.15)).plus(bounce, v(0.62, 0.50, 0.38));
    // Mirrors: the vase shows the room, all else only the window.
    boolean vase = s.kind == Kind.VASE;
    double edge = Math.max(0, 1 - facing);
    double fresnel = (0.04 + 0.45 * edge * edge * edge * edge * edge) * look.gloss;
    V r = d.plus(2 * facing, n);
    double pane = sun < -0.2 ? 0 : pane(r, vase ? 0.012 : 0.10) * (vase ? 26 : 9);
    V room = v(0.05, 0.05, 0.055).times(0.8 * open);
    if (vase && o.z < -8) {
      V off = p.plus(0.02, n); // so that the ray does not end where it starts
      room = see(off, r, find(off, r, groups), groups).times(1.1);
    }
    return look.color.times(light).plus(fresnel, room.plus(pane, v(1, 1, 1)));
  }

  /** How much of the window's light arrives. The light is wide, so shadows are soft. */
  static double shade(V p, List<Group> groups, Solid self) {
    double light = 1;
    for (Group g : groups) {
      if (shadow(p, g.bound) < 1) {
        for (Ball ball : g.balls) {
          light *= own(ball, self) ? 1 : shadow(p, ball);
        }
      }
    }
    return light;
  }

  static double shadow(V p, Ball ball) {
    V c = ball.center.minus(p);
    double b = c.dot(WINDOW);
    double far = c.dot(c);
    if (b <= 0 && far > ball.radius * ball.radius) {
      return 1;
    }
    double wide = 0.16 * Math.max(b, 0.01);
    double away = Math.max(0, far - b * b);
    double reach = ball.radius + wide;
    return away > reach * reach ? 1 : smooth(-1, 1, (Math.sqrt(away) - ball.radius) / wide);
  }

  static boolean own(Ball b, Solid self) {
    return self != null && b.center.x == self.center.x && b.center.z == self.center.z;
  }

  /** How much of the room a point sees past the things around it. */
  static double open(V p, V n, List<Group> groups, Solid self) {
    double open = self == null ? 1 : clamp(0.45 + p.y * 0.8 + 0.5 * n.y, 0.25, 1);
    for (Group g : groups) {
      V way = g.bound.center.minus(p);
      if (way.dot(way) < 6.25 * g.bound.radius * g.bound.radius) {
        for (Ball ball : g.balls) {
          V c = ball.center.minus(p);
          double far = c.dot(c);
          double size = ball.radius * ball.radius;
          if (far < 9 * size && !own(ball, self)) {
            double over = clamp(c.dot(n) / Math.sqrt(far) * 0.8 + 0.2, 0, 1);
            open *= 1 - over * (Math.min(1, size / far) - 1 / 9.0);
          }
        }
      }
    }
    return open;
  }

  /** The window as seen in a glossy surface: four panes. */
  static double pane(V r, double blur) {
    double a = Math.abs(r.dot(WINDOW_X));
    double b = Math.abs(r.dot(WINDOW_Y));
    double bars = smooth(0.008 - blur, 0.008 + blur, a) * smooth(0.008 - blur, 0.008 + blur, b);
    double frame = smooth(0.17 + blur, 0.17 - blur, a) * smooth(0.26 + blur, 0.26 - blur, b);
    return r.dot(WINDOW) < 0 ? 0 : frame * bars;
  }

  /** Colour, gloss, how much light comes through, and how the surface is bent. */
  record Look(V color, double gloss, double through, V bump) {
    Look(V color, double gloss, double through) {
      this(color, gloss, through, v(0, 0, 0));
    }
  }

  static Look look(Solid s, V q) {
    int seed = s.seed + 200;
    double fine = noise3(q, 9, seed);
    double rho = Math.sqrt(q.x * q.x + q.z * q.z) + 0.05;
    double pole = q.y / Math.sqrt(rho * rho + q.y * q.y);
    return switch (s.kind) {
      case VASE -> {
        double h = q.y + 1.3;
        V around = v(q.x, 0, q.z);
        double drip = 0.42 + 0.10 * noise3(around, 3.5, seed) + 0.05 * noise3(around, 9, seed);
        double glazed = smooth(drip, drip + 0.025, h);
        double pool = 0.5 + 0.5 * noise3(v(q.x, h * 0.4, q.z), 3, seed + 1);
        V clay = v(0.30 + 0.04 * fine, 0.19 + 0.03 * fine, 0.11);
        V glaze = v(0.006, 0.035, 0.075).mix(v(0.022, 0.10, 0.135), pool);
        glaze = glaze.mix(v(0.22, 0.15, 0.08), smooth(2.45, 2.6, h));
        V color = clay.mix(glaze, glazed).times(1 - 0.5 * smooth(0.45, 0.7, noise3(q, 38, seed)));
        boolean hollow = h > 2.59 && rho < 0.40;
        yield new Look(hollow ? v(0.01, 0.01, 0.01) : color, 0.15 + 0.85 * glazed, 0);
      }
      case APPLE -> {
        V along = v(q.x / rho, q.y * 0.13, q.z / rho);
        double streak = 0.55 * noise3(along, 9, seed) + 0.28 * noise3(along, 24, seed);
        double ripe = 0.45 * q.x - 0.25 * q.y + (s.seed == 3 ? 0.45 : 0.1);
        double blush = smooth(-0.55, 0.45, streak + fine * 0.2 + ripe);
        V color = v(0.52, 0.33, 0.05).mix(v(0.34, 0.016, 0.016), blush);
        color = color.mix(v(0.55, 0.43, 0.31), 0.35 * smooth(0.60, 0.72, noise3(q, 30, seed + 3)));
        yield new Look(color.mix(v(0.30, 0.22, 0.14), 0.7 * smooth(0.80, 0.97, pole)), 0.75, 0);
      }
      case PEAR -> {
        double rust = smooth(0.0, 0.8, noise3(q, 5, seed) * 0.6 + noise3(q, 10, seed) * 0.4);
        double spots = 0.45 * smooth(0.40, 0.58, noise3(q, 30, seed + 3)) + 0.4 * rust;
        double blush = smooth(0.0, 1.0, 0.7 * q.x + 0.4 * fine);
        V color = v(0.31, 0.29, 0.055).mix(v(0.47, 0.13, 0.055), blush);
        yield new Look(color.times(v(1 - 0.7 * spots, 1 - 0.9 * spots, 1 - spots)), 0.35, 0);
      }
      case ORANGE, LEMON -> {
        boolean orange = s.kind == Kind.ORANGE;
        double k = orange ? 26 : 19;
        double h = pores(q, k, seed);
        double e = 0.06 / k;
        double x = pores(q.plus(v(e, 0, 0)), k, seed) - h;
        double y = pores(q.plus(v(0, e, 0)), k, seed) - h;
        V bump = v(x, y, pores(q.plus(v(0, 0, e)), k, seed) - h).times(0.0045 / e);
        V peel = orange ? v(0.64, 0.17, 0.012) : v(0.60, 0.37, 0.028);
        V color = peel.plus(0.04 * (fine + h), v(1, 0.8, 0));
        double tip = smooth(0.985, 1.0, Math.abs(pole) + 0.012 * fine);
        yield new Look(color.mix(v(0.16, 0.16, 0.06), tip), 0.5, 0, bump);
      }
      case GRAPE -> {
        double bloom = 0.38 * smooth(-0.4, 0.7, noise3(q, 2.5, seed) + 0.4 * noise3(q, 6, seed));
        V skin = v(0.022 + 0.045 * part(s.seed, 3, 5), 0.006, 0.020);
        yield new Look(skin.mix(v(0.13, 0.11, 0.17), bloom), 0.9 - 0.7 * bloom, 0.45);
      }
      case PETAL -> {
        double vein = 0.07 * noise(q.x * 16, q.y * 2, seed) + 0.05 * fine;
        V color = v(0.86, 0.70, 0.71).mix(v(0.86, 0.30, 0.40), smooth(-0.3, -1, q.y));
        yield new Look(color.plus(v(vein, vein, vein)), 0, 0.6);
      }
      case TWIG -> new Look(v(0.10 + 0.04 * fine, 0.065 + 0.03 * fine, 0.045), 0, 0);
      case LEAF -> {
        double vein = smooth(0.10, 0.03, Math.abs(q.x)) * 0.06;
        V color = v(0.09 + vein + 0.03 * fine, 0.20 + vein + 0.04 * fine, 0.035 + vein);
        yield new Look(color, 0.4, 0.4);
      }
      case STAMEN -> new Look(v(0.75, 0.50, 0.10), 0, 0);
    };
  }

  static double pores(V q, double k, int seed) {
    return Math.min(0.15, noise3(q, k, seed)) + 0.3 * noise3(q, k * 0.3, seed + 1);
  }

  /** Worn boards, and over them a linen cloth with folds. */
  static V table(V p, List<Group> groups) {
    double x = p.x;
    double z = p.z;
    double hem = x + 1.55 - 0.22 * sin(z * 1.3) - 0.12 * noise(z * 1.7, 2, 301) - 0.25 * z;
    double e = 0.012;
    V normal = normal(folds(x, z), folds(x + e, z), folds(x, z + e), e);
    double fine = clamp(1.6 - Math.abs(z + 0.9) * 0.35, 0, 1);
    double warp = sin(x * 260 + 3 * noise(x * 9, z * 60, 302));
    double weft = sin(z * 260 + 3 * noise(x * 60, z * 9, 303));
    double slub = noise(x * 6, z * 130, 304) + noise(x * 130, z * 6, 305);
    double weave = 0.46 + fine * (0.025 * (warp + weft) + 0.04 * slub);
    // Boards run across; the gaps between them are dark, and so is the shadow under the hem.
    double board = z * 1.15 + 50.35;
    int plank = floor(board);
    double rings = sin(26 * noise(x * 0.25 + plank * 5.3, z * 2.2, 307));
    double grain = 0.62 + 0.28 * fbm(x * 1.3 + plank * 17, z * 26, 5, 306) + 0.14 * rings;
    grain *= smooth(0.0, 0.02, Math.min(board - plank, 1 - board + plank));
    V wood =
        v(0.21, 0.115, 0.060).times(Math.max(0.05, grain) * mix(0.45, 1, smooth(0, -0.14, hem)));
    double cloth = smooth(-0.012, 0.012, hem);
    V color = wood.mix(v(1.0, 0.93, 0.80).times(weave), cloth);
    double far = exp(-((x + 0.5) * (x + 0.5) + (z + 0.4) * (z + 0.4)) * 0.022);
    double slope = Math.max(0, mix(WINDOW.y, normal.dot(WINDOW), cloth));
    double open = open(p, v(0, 1, 0), groups, null) * (0.4 + 0.6 * far);
    V light = DAYLIGHT.times(shade(p, groups, null) * far * slope);
    return color.times(light.plus(open, v(0.20, 0.22, 0.24)));
  }

  static double folds(double x, double z) {
    double a = noise(x * 0.55 + 0.35 * z + 4, z * 0.5 - 0.3 * x, 310);
    double b = noise(x * 0.9 - 0.5 * z, z * 0.35 + x * 0.5 + 7, 311);
    double large = 0.42 * Math.sqrt(a * a + 0.003) + 0.22 * Math.sqrt(b * b + 0.003);
    return 0.02 * noise(x * 4, z * 4, 312) - large;
  }

  static V wall(double x, double y) {
    double far = (x - 3.4) * (x - 3.4) * 0.07 + (y - 2.6) * (y - 2.6) * 0.10;
    double n = 1 + 0.10 * fbm(x * 0.8, y * 0.8, 6, 320) + 0.05 * noise(x * 6, y * 6, 321);
    return v(0.150, 0.135, 0.112).times((0.16 + 0.95 * exp(-far)) * n);
  }

  /** Blurs what is nearer or farther than the focus, as a lens of wide aperture does. */
  static void defocus(Frame f, float[] depth, double focus) {
    Frame sharp = new Frame(f.width, f.height, f.rgb.clone());
    float[] blur = new float[depth.length]; // radius in pixels
    for (int i = 0; i < depth.length; i++) {
      double off = Math.abs(1 / depth[i] - 1 / focus) - 0.008;
      blur[i] = (float) (Math.max(0, off) * 0.16 * f.height);
    }
    rows(
        f,
        0,
        (x, y) -> {
          double r = blur[(int) y * f.width + (int) x];
          int n = r < 0.7 ? 1 : (int) Math.min(24, 8 + r);
          double turn = part((int) x, (int) y, 330) * 6.2832;
          V total = sharp.get(x, y);
          double sum = 1;
          for (int i = 1; i < n; i++) {
            double far = r * Math.sqrt((double) i / n);
            double sx = clamp(x + far * cos(turn + i * 2.39996) + 0.5, 0, f.width - 1);
            double sy = clamp(y + far * sin(turn + i * 2.39996) + 0.5, 0, f.height - 1);
            // Sharp things do not bleed into what is blurred behind them.
            double weight = clamp(blur[(int) sy * f.width + (int) sx] - far + 1, 0, 1);
            total = total.plus(weight, sharp.get(sx, sy));
            sum += weight;
          }
          return total.times(1 / sum);
        });
  }

  // ---------------------------------------------------------------- drawing

  static BufferedImage layer(Frame f) {
    return new BufferedImage(f.width, f.height, BufferedImage.TYPE_INT_ARGB);
  }

  static int[] pixels(BufferedImage image) {
    return ((DataBufferInt) image.getRaster().getDataBuffer()).getData();
  }

  /** A pen that draws in the coordinates of the frame. */
  static Graphics2D pen(BufferedImage layer, Frame f) {
    Graphics2D g = layer.createGraphics();
    g.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
    g.setRenderingHint(RenderingHints.KEY_STROKE_CONTROL, RenderingHints.VALUE_STROKE_PURE);
    g.translate(f.width / 2.0, f.height / 2.0);
    g.scale(f.height, -f.height);
    return g;
  }

  /** Lays a drawing over a frame. Its brightest colours become lights. */
  static void composite(Frame f, BufferedImage layer, double grain) {
    int[] drawn = pixels(layer);
    rows(
        f,
        0,
        (x, y) -> {
          int argb = drawn[(int) y * f.width + (int) x];
          V below = f.get(x, y);
          if (argb >>> 24 == 0) {
            return below;
          }
          double n = grain == 0 ? 1 : 1 + grain * fbm(f.u(x) * 180, f.v(y) * 480, 4, 77);
          return below.mix(light(argb).times(n), (argb >>> 24) / 255.0);
        });
  }

  static V light(int argb) {
    int r = argb >> 16 & 255;
    int g = argb >> 8 & 255;
    int b = argb & 255;
    int max = Math.max(Math.max(r, g), b);
    return v(LINEAR[r], LINEAR[g], LINEAR[b]).times(max < 240 ? 1 : 1 + (max - 240) * 0.5);
  }

  static Path2D line(double... xy) {
    Path2D p = new Path2D.Double();
    p.moveTo(xy[0], xy[1]);
    for (int i = 2; i < xy.length; i += 2) {
      p.lineTo(xy[i], xy[i + 1]);
    }
    return p;
  }

  /** A path in the notation of SVG: M moves, L draws lines, Q curves; all coordinates absolute. */
  static Path2D path(String svg) {
    Path2D p = new Path2D.Double();
    char way = 'M';
    String[] t = svg.split("[ ,]+");
    for (int i = 0; i < t.length; ) {
      if (Character.isLetter(t[i].charAt(0))) {
        way = t[i++].charAt(0);
      }
      double x = Double.parseDouble(t[i++]);
      double y = Double.parseDouble(t[i++]);
      switch (way) {
        case 'M' -> p.moveTo(x, y);
        case 'L' -> p.lineTo(x, y);
        default -> p.quadTo(x, y, Double.parseDouble(t[i++]), Double.parseDouble(t[i++]));
      }
    }
    return p;
  }

  static void fill(Graphics2D g, Paint paint, String svg) {
    g.setPaint(paint);
    g.fill(path(svg));
  }

  static void stroke(Graphics2D g, Color color, double width, String svg) {
    g.setColor(color);
    g.setStroke(new BasicStroke((float) width, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND));
    g.draw(path(svg));
  }

  static void box(Graphics2D g, Color color, double x, double y, double width, double height) {
    g.setColor(color);
    g.fill(new Rectangle2D.Double(x, y, width, height));
  }

  static void disc(Graphics2D g, Color color, double x, double y, double width, double height) {
    g.setColor(color);
    g.fill(new Ellipse2D.Double(x, y, width, height));
  }

  /** A gradient from a to b, along x or along y. */
  static Paint across(double from, Color a, double to, Color b) {
    return new GradientPaint((float) from, 0, a, (float) to, 0, b);
  }

  static Paint upwards(double from, Color a, double to, Color b) {
    return new GradientPaint(0, (float) from, a, 0, (float) to, b);
  }

  static Color rgb(int r, int g, int b) {
    return new Color(r, g, b);
  }

  static Color blend(Color a, Color b, double mix) {
    double t = clamp(mix, 0, 1);
    return new Color(
        (int) mix(a.getRed(), b.getRed(), t),
        (int) mix(a.getGreen(), b.getGreen(), t),
        (int) mix(a.getBlue(), b.getBlue(), t));
  }

  // ---------------------------------------------------------------- camera

  static final double[] LINEAR = new double[256];

  static {
    for (int i = 0; i < 256; i++) {
      double s = i / 255.0;
      LINEAR[i] = s <= 0.04045 ? s / 12.92 : StrictMath.pow((s + 0.055) / 1.055, 2.4);
    }
  }

  /** What the sensor and the camera's processor make of the light: noise, lens softness, tone. */
  static BufferedImage develop(Frame f, int seed, double grain) {
    // Square root of light, so that dark tones have enough entries; a filmic curve, then sRGB.
    byte[] curve = new byte[4096];
    for (int i = 0; i < curve.length; i++) {
      double x = i / 4095.0 * 3;
      x *= x;
      double y = clamp(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1);
      double s = y <= 0.0031308 ? y * 12.92 : 1.055 * StrictMath.pow(y, 1 / 2.4) - 0.055;
      curve[i] = (byte) Math.round(s * 255);
    }
    int w = f.width;
    int h = f.height;
    float[] raw = f.rgb;
    parallel(
        0,
        h,
        y -> {
          for (int x = 0, i = y * w * 3; x < w; x++, i += 3) {
            int a = hash(x, y, seed + 1001);
            int b = hash(x, y, seed + 1002);
            double luma = (a & 255) + (a >>> 8 & 255) + (a >>> 16 & 255) + (a >>> 24) - 510;
            double blue = (b & 255) + (b >>> 8 & 255) - 255;
            double red = (b >>> 16 & 255) + (b >>> 24) - 255;
            add(raw, i, (luma + red) * grain);
            add(raw, i + 1, luma * grain);
            add(raw, i + 2, (luma + 1.4 * blue) * grain);
          }
        });
    BufferedImage image = new BufferedImage(w, h, BufferedImage.TYPE_INT_RGB);
    int[] pixels = pixels(image);
    parallel(
        0,
        h,
        y -> {
          int up = (y == 0 ? 0 : -1) * w * 3;
          int down = (y == h - 1 ? 0 : 1) * w * 3;
          for (int x = 0; x < w; x++) {
            int left = x == 0 ? 0 : -3;
            int right = x == w - 1 ? 0 : 3;
            double off = f.u(x) * f.u(x) + f.v(y) * f.v(y);
            double vignette = 1 / (1 + 0.35 * off + 0.2 * off * off);
            int pixel = 0;
            for (int i = (y * w + x) * 3, end = i + 3; i < end; i++) {
              double s =
                  0.48 * raw[i]
                      + 0.09 * (raw[i + left] + raw[i + right] + raw[i + up] + raw[i + down])
                      + 0.04 * (raw[i + up + left] + raw[i + up + right])
                      + 0.04 * (raw[i + down + left] + raw[i + down + right]);
              double q = Math.sqrt(Math.max(0, s * vignette)) * (4095 / 3.0);
              pixel = pixel << 8 | curve[(int) Math.min(4095, q)] & 255;
            }
            pixels[y * w + x] = pixel;
          }
        });
    return image;
  }

  /** Adds noise to a sample: shot noise grows with the light, read noise does not. */
  static void add(float[] raw, int i, double noise) {
    raw[i] += (float) (noise * Math.sqrt(0.0004 + 0.02 * raw[i]));
  }

  // ---------------------------------------------------------------- arithmetic

  static double clamp(double x, double low, double high) {
    return Math.max(low, Math.min(high, x));
  }

  static double mix(double a, double b, double t) {
    return a + (b - a) * t;
  }

  /** 0 where x is at from, 1 where it is at to, smooth in between. */
  static double smooth(double from, double to, double x) {
    double t = clamp((x - from) / (to - from), 0, 1);
    return t * t * (3 - 2 * t);
  }

  static int floor(double x) {
    return (int) Math.floor(x);
  }

  static double exp(double x) {
    if (x < -80) {
      return 0;
    }
    double t = Math.min(x, 80) * 1.4426950408889634;
    double n = Math.floor(t);
    double f = (t - n) * 0.6931471805599453;
    double p = 1 + f * (1 + f / 2 * (1 + f / 3 * (1 + f / 4 * (1 + f / 5 * (1 + f / 6)))));
    return p * Double.longBitsToDouble((long) n + 1023 << 52);
  }

  static double sin(double x) {
    double t = x * 0.15915494309189535;
    t -= Math.floor(t + 0.5);
    double y = 8 * t - 16 * t * Math.abs(t);
    return y + 0.225 * (y * Math.abs(y) - y);
  }

  static double cos(double x) {
    return sin(x + 1.5707963267948966);
  }

  static int hash(int x, int y, int seed) {
    int h = x * 0x27d4eb2d ^ y * 0x165667b1 ^ seed * 0x9e3779b1;
    h = (h ^ h >>> 15) * 0x85ebca6b;
    h = (h ^ h >>> 13) * 0xc2b2ae35;
    return h ^ h >>> 16;
  }

  /** A number from 0 to 1 that depends only on the arguments. */
  static double part(int x, int y, int seed) {
    return (hash(x, y, seed) >>> 8) / 16777216.0;
  }

  /** Gradient noise, about -1 to 1. */
  static double noise(double x, double y, int seed) {
    int ix = floor(x);
    int iy = floor(y);
    double fx = x - ix;
    double fy = y - iy;
    double u = fx * fx * fx * (fx * (fx * 6 - 15) + 10);
    double v = fy * fy * fy * (fy * (fy * 6 - 15) + 10);
    double a = gradient(hash(ix, iy, seed), fx, fy);
    double b = gradient(hash(ix + 1, iy, seed), fx - 1, fy);
    double c = gradient(hash(ix, iy + 1, seed), fx, fy - 1);
    double d = gradient(hash(ix + 1, iy + 1, seed), fx - 1, fy - 1);
    return 1.5 * mix(mix(a, b, u), mix(c, d, u), v);
  }

  /** Noise in space: two slices of noise in the plane, drifting so that nothing is drawn out. */
  static double noise3(V p, double scale, int seed) {
    double z = p.z * scale;
    int slice = floor(z);
    double f = z - slice;
    double x = p.x * scale + 0.37 * f;
    double y = p.y * scale - 0.29 * f;
    double a = noise(x, y, seed + slice * 7919);
    double b = noise(x - 0.37, y + 0.29, seed + (slice + 1) * 7919);
    return mix(a, b, f * f * (3 - 2 * f)) * 1.15;
  }

  static double gradient(int h, double x, double y) {
    return ((h & 0xffff) * (1 / 32768.0) - 1) * x + ((h >>> 16) * (1 / 32768.0) - 1) * y;
  }

  /** Octaves of noise, each turned and half as strong as the one before. */
  static double fbm(double x, double y, int octaves, int seed) {
    double sum = 0;
    double a = 0.5;
    for (int i = 0; i < octaves; i++, a *= 0.5) {
      sum += a * noise(x, y, seed + i * 131);
      double t = 1.62 * x + 1.18 * y;
      y = 1.62 * y - 1.18 * x;
      x = t;
    }
    return sum * 1.4;
  }

  /** Octaves of ridges: each is rough only where the one before is high, as on real mountains. */
  static double ridges(double x, double y, int octaves, int seed) {
    double sum = 0;
    double a = 0.6;
    double weight = 1;
    for (int i = 0; i < octaves; i++, a *= 0.47) {
      double n = 1 - Math.abs(noise(x, y, seed + i * 131)) * 1.25;
      n *= n * weight;
      sum += a * n;
      weight = clamp(n * 1.6, 0, 1);
      double t = 1.62 * x + 1.18 * y;
      y = 1.62 * y - 1.18 * x;
      x = t;
    }
    return sum;
  }
}
