///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//JAVAC_OPTIONS --release 21 -J-XX:TieredStopAtLevel=1
//DEPS info.picocli:picocli:4.7.7
//SOURCES Pictures.java

import static java.lang.StrictMath.*;

import java.awt.*;
import java.awt.geom.*;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.*;
import java.util.stream.*;
import picocli.CommandLine;
import picocli.CommandLine.*;

/**
 * Renders a harbour at dusk, mountains in haze, a night sky and a still life, as an earlier program did for IMAGES.
 *
 * <p>They behave like photographs for a JPEG compressor: fine texture, smooth gradients, soft edges, sensor noise. They
 * are the same to the byte on every run of one JDK, on any number of cores: the only arithmetic is that which IEEE 754
 * and {@link StrictMath} define exactly, and chance is a hash of coordinates. They are painted in linear light, in
 * coordinates that do not depend on their size, then developed as a camera would: noise, lens softness, tone, JPEG.
 */
@Command(name = "SampleImages", mixinStandardHelpOptions = true, usageHelpWidth = 100,
    description = "%nRenders pictures that look and compress like photographs, the same on every run.%n")
public final class SampleImages implements Callable<Integer> {
  /** Rendering takes seconds, copying does not: a corpus has at most so many different images. */
  private static final int DISTINCT = 16;

  @Option(names = "--count", paramLabel = "N", defaultValue = "4",
      description = "N images, image-0001.jpg and so on, the four scenes in turn; after the first 16 they repeat")
  int count;

  @Option(names = "--size", paramLabel = "WxH", defaultValue = "4000x3000", split = "x",
      description = "their size in pixels (default: ${DEFAULT-VALUE})")
  int[] size;

  @Parameters(paramLabel = "FOLDER", description = "where to")
  Path folder;

  @Spec Model.CommandSpec command;

  /**
   * A picture, and how it is stored: as cameras, phones, editors and the web do it. A sample of colour is for so many
   * pixels across and down; what is upright lies on its side, with an EXIF orientation.
   */
  record Scene(ObjIntConsumer<Frame> painter, int across, int down, float quality, boolean upright) {
    byte[] photograph(int width, int height, int seed) throws IOException {
      Frame frame = upright ? new Frame(height, width) : new Frame(width, height);
      painter.accept(frame, seed);
      byte[] jpeg = Pictures.jpeg(frame.develop(seed, upright), quality, false, across, down);
      // Behind JFIF's segment one of EXIF: a TIFF file of one entry, tag 0x112, the orientation.
      byte[] exif = ("\u00ff\u00e1\0\"Exif\0\0MM\0*\0\0\0\b\0\1\1\22\0\3\0\0\0\1\0" + (upright ? '\6' : '\1')
          + "\0\0\0\0\0\0").getBytes(StandardCharsets.ISO_8859_1);
      return ByteBuffer.allocate(jpeg.length + exif.length).put(jpeg, 0, 20).put(exif).put(jpeg, 20, jpeg.length - 20)
          .array();
    }
  }

  static final List<Scene> SCENES = List.of(
      new Scene(SampleImages::harbour, 2, 1, 0.95f, false), // 4:2:2, as cameras write it
      new Scene(SampleImages::mountains, 2, 2, 0.93f, false),
      new Scene(SampleImages::night, 2, 2, 0.93f, true),
      new Scene(SampleImages::stillLife, 1, 1, 0.92f, false)); // 4:4:4

  /** Writes what the arguments ask for. */
  public static void main(String[] arguments) {
    System.setProperty("java.awt.headless", "true");
    System.exit(new CommandLine(new SampleImages()).execute(arguments));
  }

  @Override
  public Integer call() throws IOException {
    if (count < 1 || size.length != 2 || min(size[0], size[1]) < 1 || (long) size[0] * size[1] > 100_000_000) {
      throw new ParameterException(command.commandLine(), "--count is 1 or more, --size from 1x1 to 100 megapixels");
    }
    Files.createDirectories(folder);
    List<byte[]> jpegs = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      Path file = folder.resolve(String.format(Locale.ROOT, "image-%04d.jpg", i + 1));
      if (i < DISTINCT) {
        jpegs.add(SCENES.get(i % SCENES.size()).photograph(size[0], size[1], 1 + i / SCENES.size()));
        double kB = jpegs.get(i).length / 1e3;
        System.out.printf(Locale.ROOT, kB < 1_000 ? "%s %.1f kB%n" : "%s %.2f MB%n", file, kB < 1_000 ? kB : kB / 1e3);
      }
      Files.write(file, jpegs.get(i % DISTINCT));
    }
    return 0;
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Frames: pictures in linear light, ways to paint them, and the noise that all texture comes from.
  // -------------------------------------------------------------------------------------------------------------------

  /** A point, a direction, or a colour in linear light. */
  record V(double x, double y, double z) {
    static final V BLACK = new V(0, 0, 0);
    static final V UP = new V(0, 1, 0);

    V plus(double k, V o) { return new V(x + k * o.x, y + k * o.y, z + k * o.z); }
    V minus(V o) { return plus(-1, o); }
    V times(double k) { return new V(x * k, y * k, z * k); }
    V times(V o) { return new V(x * o.x, y * o.y, z * o.z); }
    V mix(V o, double t) { return plus(t, o.minus(this)); }
    V each(DoubleUnaryOperator f) { return new V(f.applyAsDouble(x), f.applyAsDouble(y), f.applyAsDouble(z)); }
    double dot(V o) { return x * o.x + y * o.y + z * o.z; }
    double length() { return sqrt(dot(this)); }
    V unit() { return times(1 / length()); }
  }

  static V v(double x, double y, double z) { return new V(x, y, z); }

  interface Shader { V at(double u, double v); }

  interface Land { double height(double x, double z, int octaves); }

  /** A picture: three floats a pixel. Its coordinates are u, 0 in the middle, and v, from 0.5 at the top to -0.5. */
  record Frame(int width, int height, float[] rgb) {
    Frame(int width, int height) { this(width, height, new float[width * height * 3]); }

    double right() { return width / 2.0 / height; }
    double uOf(double column) { return (column + 0.5) / height - right(); }
    double vOf(double row) { return 0.5 - (row + 0.5) / height; }

    /** The number of the pixel that is nearest to a place. */
    int pixel(double u, double v) {
      int row = (int) clamp((0.5 - v) * height, 0, height - 1);
      return row * width + (int) clamp((u + right()) * height, 0, width - 1);
    }

    V at(double u, double v) {
      int i = pixel(u, v) * 3;
      return new V(rgb[i], rgb[i + 1], rgb[i + 2]);
    }

    void set(double u, double v, V color) {
      int i = pixel(u, v) * 3;
      rgb[i] = (float) color.x;
      rgb[i + 1] = (float) color.y;
      rgb[i + 2] = (float) color.z;
    }

    /** Paints all that is below a v. */
    void paint(double top, Shader shader) {
      IntStream.range((int) ((0.5 - top) * height), height).parallel().forEach(row -> {
        for (int column = 0; column < width; column++) { set(uOf(column), vOf(row), shader.at(uOf(column), vOf(row))); }
      });
    }

    /** Paints land from z near to far, seen from a height: it shows where it rises above all the land before it. */
    void land(double horizon, double focal, double eye, double near, double far, Land land, Shader ground) {
      double step = 1 + clamp(4.5 / height, 0.0012, 0.02);
      IntStream.range(0, width).parallel().forEach(column -> {
        double side = uOf(column) / focal;
        double last = -9;
        int row = height; // all below it is painted
        for (double z = near; z < far && row > 0; z *= step) {
          double v = (land.height(side * z, z, 9) - eye) / z * focal + horizon;
          for (; row > 0 && vOf(row - 1) < v; row--) {
            double d = z / mix(step, 1, clamp((vOf(row - 1) - last) / (v - last), 0, 1));
            set(uOf(column), vOf(row - 1), ground.at(side * d, d));
          }
          last = v;
        }
      });
    }

    /** Ruffles the water below a horizon, where everything has been painted upside down. */
    void ruffle(double horizon, double eye, int seed) {
      Frame mirror = new Frame(width, height, rgb.clone());
      paint(horizon, (u, v) -> {
        double down = horizon - v;
        double z = eye / down;
        V tilt = V.BLACK; // across, along, and by waves finer than a pixel, which scatter instead
        for (double wave = 7; wave > 0.02; wave *= 0.45) {
          double seen = smooth(0.9, 0.25, z * z / eye / height / wave);
          V slope = v(noise(u * z / wave, z / wave, seed + 22), noise(u * z / wave, z / wave, seed + 23), 0);
          tilt = tilt.plus(0.015 * seen, slope).plus(0.006 * (1 - seen), v(0, 0, 1));
        }
        V sum = V.BLACK;
        for (int i = 0; i < 12; i++) {
          double up = abs(down - 2 * (tilt.y + tilt.z * bell(pixel(u, v), i, seed + 40)));
          double side = 2 * down * (tilt.x + tilt.z * bell(pixel(u, v), i, seed + 42));
          sum = sum.plus(1 / 12.0, mirror.at(u + side, horizon - up));
        }
        return v(0.003, 0.010, 0.016).plus(clamp(0.92 - 1.25 * (down + tilt.y * 3), 0.25, 0.95), sum);
      });
    }

    /** Adds a round spot of light with soft edges; one finer than a pixel keeps its light, spread over that pixel. */
    void spot(double u, double v, double size, V color) {
      double s = max(0.62 / height, size);
      int reach = (int) (s * height * 3.2) + 1;
      for (int i = 0; i <= 2 * reach; i++) {
        for (int j = 0; j <= 2 * reach; j++) {
          double x = uOf(floor((u + right()) * height) + i - reach);
          double y = vOf(floor((0.5 - v) * height) + j - reach);
          double k = bump(hypot(x - u, y - v), s) * max(0.05, size * size / s / s);
          if (abs(x) < right() && abs(y) < 0.5) { set(x, y, at(x, y).plus(k, color)); }
        }
      }
    }

    /** Lays over the frame what is drawn in its coordinates, with some grain. */
    void draw(Consumer<Graphics2D> drawing) {
      BufferedImage layer = new BufferedImage(width, height, BufferedImage.TYPE_INT_ARGB);
      Graphics2D g = layer.createGraphics();
      g.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
      g.setRenderingHint(RenderingHints.KEY_STROKE_CONTROL, RenderingHints.VALUE_STROKE_PURE);
      g.translate(width / 2.0, height / 2.0);
      g.scale(height, -height);
      drawing.accept(g);
      paint(0.5, (u, v) -> {
        int argb = layer.getRGB(pixel(u, v) % width, pixel(u, v) / width);
        V drawn = argb == 0 ? V.BLACK : light(argb).times(1 + 0.1 * fbm(u * 180, v * 480, 4, 77));
        return at(u, v).mix(drawn, (argb >>> 24) / 255.0);
      });
    }

    /** What the sensor and the camera's processor make of the light: noise, lens softness, tone. */
    BufferedImage develop(int seed, boolean turned) {
      paint(0.5, (u, v) -> {
        int i = pixel(u, v);
        V noise = v(0.7 * bell(i, 0, seed), 0, bell(i, 1, seed)).plus(bell(i, 2, seed), v(1, 1, 1));
        V spread = at(u, v).each(light -> 0.17 * sqrt(0.0004 + 0.02 * max(0, light))); // of reading, and of photons
        return at(u, v).plus(1, noise.times(spread));
      });
      Frame developed = turned ? new Frame(height, width) : new Frame(width, height);
      developed.paint(0.5, (x, y) -> {
        double u = turned ? y * width / height : x; // a quarter to the left, as a camera held upright stores it
        double v = turned ? -x * width / height : y;
        V sum = V.BLACK;
        for (int i = 0; i < 9; i++) {
          V near = at(u + (i % 3 - 1.0) / height, v + (i / 3 - 1.0) / height);
          sum = sum.plus(i == 4 ? 0.48 : i % 2 == 1 ? 0.09 : 0.04, near);
        }
        return sum.times(1 - 0.3 * (u * u + v * v)).each(SampleImages::tone); // darker towards the corners
      });
      BufferedImage image = new BufferedImage(developed.width, developed.height, BufferedImage.TYPE_INT_RGB);
      image.getRaster().setPixels(0, 0, developed.width, developed.height, developed.rgb);
      return image;
    }
  }

  /** What a screen is told of a light: a filmic curve, then sRGB (IEC 61966-2-1). */
  static double tone(double light) {
    double x = max(0, light);
    double y = min(1, x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14));
    return 255 * (y <= 0.0031308 ? y * 12.92 : 1.055 * pow(y, 1 / 2.4) - 0.055) + 0.5;
  }

  /** The linear light of a drawn colour: its brightest become lamps. */
  static V light(int rgb) {
    V color = v(rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255);
    double lamp = 1 + 0.5 * max(0, max(color.x, color.y) - 240);
    return color.each(c -> lamp * (c <= 10 ? c / 3294.6 : pow((c / 255 + 0.055) / 1.055, 2.4)));
  }

  static Path2D line(double... xy) {
    Path2D path = new Path2D.Double();
    path.moveTo(xy[0], xy[1]);
    for (int i = 2; i < xy.length; i += 2) { path.lineTo(xy[i], xy[i + 1]); }
    return path;
  }

  static void fill(Graphics2D g, int rgb, double... xy) {
    g.setColor(new Color(rgb));
    g.fill(line(xy));
  }

  static void stroke(Graphics2D g, int rgb, double width, double... xy) {
    g.setColor(new Color(rgb));
    g.setStroke(new BasicStroke((float) width, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND));
    g.draw(line(xy));
  }

  static int blend(int a, int b, double t) {
    return IntStream.of(16, 8, 0).map(bit -> (int) mix(a >> bit & 255, b >> bit & 255, clamp(t, 0, 1)) << bit).sum();
  }

  static double mix(double a, double b, double t) { return a + (b - a) * t; }

  /** 0 where x is at from, 1 where it is at to, smooth in between. */
  static double smooth(double from, double to, double x) {
    double t = clamp((x - from) / (to - from), 0, 1);
    return t * t * (3 - 2 * t);
  }

  /** A hill in the middle, 1 high and about as wide. */
  static double bump(double x, double width) { return exp(-x * x / (width * width)); }

  static int hash(int x, int y, int seed) {
    int h = x * 0x27d4eb2d ^ y * 0x165667b1 ^ seed * 0x9e3779b1;
    h = (h ^ h >>> 15) * 0x85ebca6b;
    h = (h ^ h >>> 13) * 0xc2b2ae35;
    return h ^ h >>> 16;
  }

  /** A number from 0 to 1 that depends only on the arguments. */
  static double part(int x, int y, int seed) { return (hash(x, y, seed) >>> 8) / 16777216.0; }

  /** The same from -2 to 2, mostly near 0. */
  static double bell(int x, int y, int seed) { return 2 * (part(x, y, seed) - part(x, y, ~seed)); }

  /** Gradient noise (K. Perlin), about -1 to 1. */
  static double noise(double x, double y, int seed) {
    double sum = 0;
    for (int i = 0; i < 4; i++) {
      int column = (int) Math.floor(x) + i % 2;
      int row = (int) Math.floor(y) + i / 2;
      int h = hash(column, row, seed);
      double slope = ((h & 0xffff) / 32768.0 - 1) * (x - column) + ((h >>> 16) / 32768.0 - 1) * (y - row);
      sum += 1.5 * slope * fade(abs(x - column)) * fade(abs(y - row));
    }
    return sum;
  }

  static double fade(double t) { return 1 - t * t * t * (t * (t * 6 - 15) + 10); }

  /** Noise in space, from that in three planes. */
  static double noise(V p, int seed) {
    return 0.6 * (noise(p.x + 0.4 * p.z, p.y, seed) + noise(p.y + 0.4 * p.x, p.z, seed + 1)
        + noise(p.z + 0.4 * p.y, p.x, seed + 2));
  }

  /** Octaves of noise, each turned and half as strong as the one before. */
  static double fbm(double x, double y, int octaves, int seed) {
    return octaves == 0 ? 0
        : 0.7 * noise(x, y, seed) + 0.5 * fbm(1.62 * x + 1.18 * y, 1.62 * y - 1.18 * x, octaves - 1, seed + 131);
  }

  /** Octaves of ridges: each is rough only where the one before is high, as on real mountains. */
  static double ridges(double x, double y, double weight, int octaves, int seed) {
    if (octaves == 0) { return 0; }
    double ridge = 1 - abs(noise(x, y, seed)) * 1.25;
    double high = weight * ridge * ridge;
    return 0.6 * high
        + 0.47 * ridges(1.62 * x + 1.18 * y, 1.62 * y - 1.18 * x, min(high * 1.6, 1), octaves - 1, seed + 131);
  }

  /** Direction away from the ground: the height at a place and a little further on says how steep it is. */
  static V normal(DoubleBinaryOperator height, double x, double z, double step) {
    double h = height.applyAsDouble(x, z);
    return v(h - height.applyAsDouble(x + step, z), step, h - height.applyAsDouble(x, z + step)).unit();
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Mountains: ranges on both sides of a valley with mist in it, conifers in front; kilometres.
  // -------------------------------------------------------------------------------------------------------------------

  /** Where light comes from; what the sun or moon gives, the sky, hazy air, and more of it before the sun. */
  record Light(V from, V sun, V sky, V air, V glow) {
    V haze(V way, double golden) { return air.plus(golden * pow(max(0, way.x * from.x + way.z * from.z), 4), glow); }
  }

  static final Light DAY = new Light(v(-0.62, 0.27, 0.60).unit(), v(5.6, 3.4, 1.5), v(0.26, 0.36, 0.60),
      v(0.32, 0.41, 0.62), v(1.35, 0.58, -0.06));
  static final Light MOON = new Light(v(-0.75, 0.45, -0.35).unit(), v(0.079, 0.095, 0.126), v(0.012, 0.014, 0.019),
      v(0.042, 0.046, 0.062), V.BLACK);

  static void mountains(Frame f, int seed) {
    Land land = (x, z, octaves) -> relief(x, z, octaves, seed);
    f.paint(0.5, (u, v) -> daySky(v(u / 1.25, (v - 0.06) / 1.25, 1), seed));
    f.land(0.06, 1.25, 1.25, 0.9, 70, land, (x, z) -> slope(land, DAY, x, z, seed));
    f.draw(g -> {
      for (int i = 0; i < 400; i++) { // from small trees in the mist to those beside the viewer
        double k = i / 399.0;
        double x = f.right() * (2.2 * part(i, 0, seed + 50) - 1.1);
        double y = -0.42 - 0.34 * k * k + smooth(0.05, 0.75, abs(x + 0.12)) * 0.12 + 0.03 * noise(x * 4, k * 5, seed);
        double size = 0.05 * pow(12, k * k) * (0.5 + 0.7 * part(i, 1, seed + 50));
        if (size < 0.3 || abs(x + 0.06) > 0.47) {
          conifer(g, x, y, size, i + 999 * seed, blend(0x606a72, 0x0a110f, sqrt(k)), blend(0xa49270, 0x606222, k));
        }
      }
    });
  }

  /** Height of the land with its trees, one or two in ten metres. */
  static double relief(double x, double z, int octaves, int seed) {
    double wx = x + 0.5 * noise(x * 0.4, z * 0.4, seed + 1);
    double wz = z + 0.5 * noise(x * 0.4, z * 0.4, seed + 2);
    double valley = abs(x - 0.25 * z + 0.2 - 0.9 * sin(z * 0.35 + seed));
    double range = (0.12 + 0.88 * smooth(0.1, 1.5 + 0.12 * z, valley)) * (0.35 + 0.16 * min(z, 16))
        * (0.95 + 0.5 * noise(x * 0.17 + 3, z * 0.13, seed + 7));
    double peak = 2.1 * bump(x - 4.2, 2.45) * bump(z - 15, 3.16);
    double h = 0.15 + range * ridges(wx * 0.33, wz * 0.33, 1, octaves, seed)
        + peak * (0.55 + 0.45 * ridges(wx * 0.3 + 7, wz * 0.3, 1, octaves, seed + 5));
    double trees = 0.014 * smooth(1.35, 1.1, h) * smooth(9, 6, z);
    return octaves < 9 || trees == 0 ? h : h + trees * abs(noise(x * 90, z * 90, seed + 9));
  }

  /** Colour of the land at a place: rock, woods, snow, in sun or shadow, through haze and the mist of the valleys. */
  static V slope(Land land, Light light, double x, double z, int seed) {
    double h = land.height(x, z, 9);
    V normal = normal((a, b) -> land.height(a, b, 9), x, z, 0.0006 * z + 0.001);
    double lit = max(0, normal.dot(light.from));
    for (double s = 0.03; lit > 0 && s < 3.5; s *= 1.45) {
      V p = v(x, h, z).plus(s, light.from);
      lit *= clamp((p.y - land.height(p.x, p.z, 4) + 0.02) * 9 / s + 0.25, 0, 1);
    }
    double n = fbm(x * 9, z * 9, 4, seed + 3);
    double snow = smooth(1.75, 2.15, h + 0.35 * n) * smooth(0.50, 0.68, normal.y + 0.1 * n);
    double wood = smooth(1.5, 1.15, h + 0.3 * n) * smooth(0.35, 0.6, normal.y + 0.2 * n + (z < 9 ? 0.3 : 0));
    V color = v(0.17, 0.145, 0.13).times(0.8 + 0.4 * noise(x * 2 + n, h * 40 + z, seed + 4))
        .mix(v(0.040 + 0.016 * n, 0.056 + 0.020 * n, 0.021), wood).mix(v(0.86, 0.90, 0.97), snow)
        .times(light.sun.times(lit).plus(0.5 + 0.5 * normal.y, light.sky));
    double rise = h - 1.25 + 1e-9;
    double haze = 1 - exp(-0.035 * z * (1 - exp(-rise / 0.75)) / rise); // thins out upwards
    double top = 0.52 + 0.12 * fbm(x * 1.1, z * 0.5, 5, seed + 6);
    double mist = smooth(top + 0.1, top - 0.25, h) * smooth(1.0, 4, z) * 0.94;
    V air = light.haze(v(x, 0, z).unit(), 1 - 0.92 * exp(-hypot(x, z) / 11));
    return color.mix(air.times(1.08), mist).mix(air, haze);
  }

  static V daySky(V way, int seed) {
    double up = max(0, way.y);
    double glow = pow(max(0, way.unit().dot(DAY.from)), 6);
    double p = 1 / (up + 0.12); // clouds on a plane high above, drawn out by the wind
    double x = way.x * p * 0.7 + 0.3 * noise(way.x * p, p, seed + 31);
    double cloud = smooth(-0.05, 0.55, fbm(x * 0.8 + p * 0.25, p * 1.6, 7, seed + 30)) * smooth(0.02, 0.22, up);
    return DAY.haze(way.unit(), 1).mix(v(0.10, 0.22, 0.50), 1 - exp(-up * 4.2)).plus(glow, v(0.55, 0.33, 0.08))
        .mix(v(0.98 + 0.5 * glow, 0.80 + 0.3 * glow, 0.74), cloud * 0.75);
  }

  /** Draws a conifer, lit from the left: a trunk, and from the ground up branches that droop, each a row of needles. */
  static void conifer(Graphics2D g, double x, double y, double size, int seed, int dark, int lit) {
    stroke(g, dark, size * 0.016, x, y - size * 0.2, x, y + size * 0.97);
    float needle = (float) (0.0004 + 0.003 * size);
    for (int i = 0; i < 400 + 800 * sqrt(size); i++) {
      double t = 1 - i / (400 + 800 * sqrt(size));
      double turn = abs(part(i, 0, seed) * 2 - 1) * 2 - 1;
      double reach = size * (0.012 + 0.23 * t * (1 - 0.22 * t)) * (0.55 + 0.6 * part(i, 1, seed));
      double from = y + size * (1 - 0.95 * t);
      double to = from - reach * (0.15 + 0.3 * part(i, 2, seed));
      g.setColor(new Color(blend(dark, lit, (0.4 - turn * 0.55 - 0.5 * part(i, 3, seed)) * (1 - t * 0.3))));
      g.setStroke(new BasicStroke(needle * 4, BasicStroke.CAP_BUTT, BasicStroke.JOIN_BEVEL, 1,
          new float[] {needle / 2, needle / 2}, 0));
      g.draw(new QuadCurve2D.Double(x, from, x + turn * reach * 0.6, to, x + turn * reach, to));
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Night sky: the Milky Way over a lake, a tent on the near shore.
  // -------------------------------------------------------------------------------------------------------------------

  static void night(Frame f, int seed) {
    f.paint(0.5, (u, v) -> nightSky(u, v, seed));
    for (int n = 0; n < 190_000 * f.right(); n++) { // stars, more where the galaxy is bright; few bright, many faint
      double u = (part(n, 0, seed + 66) * 2 - 1) * f.right();
      double v = part(n, 1, seed + 66) * 0.8 - 0.3;
      if (part(n, 2, seed + 66) < 0.3 + galaxy(u, v, seed)) {
        double flux = min(18, 0.009 / (part(n, 3, seed + 66) + 0.00008)) + 0.03;
        V color = v(0.85, 0.92, 1.2).mix(v(1.15, 0.92, 0.72), smooth(0.6, 0.8, part(n, 4, seed + 66))).times(flux);
        f.spot(u, v, 0.00030 + 0.00016 * sqrt(min(flux, 9)), color);
        if (flux > 1.2) { f.spot(u, v, 0.0026, color.times(0.012)); }
      }
    }
    Land land = (x, z, octaves) -> 1.24 + (0.4 + 2.5 * ridges(x * 0.36 + 2.3, z * 0.36 + 1.7, 1, octaves, seed + 67))
        * smooth(6.5 + 0.8 * noise(x * 0.5, 3, seed), 15, z) * (0.45 + 0.55 * smooth(0, 3.2, abs(x + 0.7)));
    f.land(-0.255, 1, 1.27, 5, 30, land, (x, z) -> slope(land, MOON, x, z, seed));
    f.paint(-0.255, (u, v) -> f.at(u, -0.51 - v).times(0.8));
    f.ruffle(-0.255, 1.2, seed);
    f.draw(g -> {
      for (int i = 0; i < 17; i++) {
        double x = f.right() + 0.02 - 0.012 * i * (0.6 + 0.4 * part(i, 1, seed + 69));
        double size = (i % 2 == 0 ? 0.42 : 0.24) * (1 - i * 0.05) * (0.8 + 0.4 * part(i, 2, seed + 69));
        conifer(g, i % 2 == 0 ? -x : x, -0.43, size, seed * 31 + i, 0x05080c, 0x161614);
      }
      g.setPaint(new RadialGradientPaint(new Point2D.Double(0.123, -0.386), 0.075f, new float[] {0, 0.45f, 1},
          new Color[] {new Color(0xefd892), new Color(0xe89234), new Color(0x783212)}));
      g.fill(new Arc2D.Double(0.06, -0.51, 0.146, 0.16, 0, -180, Arc2D.CHORD)); // the tent, a lamp in it
      stroke(g, 0xc27430, 0.0014, 0.099, -0.43, 0.107, -0.38, 0.133, -0.351, 0.150, -0.38, 0.156, -0.43);
      for (int i = 0; i < 16_000; i++) { // grass, the nearest last, lit by the tent
        double u = (part(i, 1, seed + 72) * 2 - 1) * (f.right() + 0.1);
        double v = -0.412 - 0.09 * i / 16_000 + 0.2 * u * u + 0.012 * fbm(u * 6, i / 4000, 5, seed + 70);
        double lit = exp(-7 * hypot(u - 0.13, (v + 0.405) * 2.2)) * (0.3 + 0.7 * part(i, 2, seed + 74));
        double lean = (part(i, 3, seed + 75) - 0.5) * 0.008;
        stroke(g, blend(0x07090c, 0xcd963e, lit), 0.0007, u, v - 0.09, u, v, u + lean * 0.4, v + 0.008, u + lean,
            v + 0.012 * (0.5 + part(i, 4, seed + 76)));
      }
    });
    f.spot(0.13, -0.385, 0.10, v(0.10, 0.055, 0.018));
    f.spot(0.13, -0.385, 0.04, v(0.22, 0.132, 0.048));
  }

  static V nightSky(double u, double v, int seed) {
    double air = 1 + 0.35 * fbm(u * 1.5 + v, v * 3, 4, seed + 60);
    double m = galaxy(u, v, seed);
    double nebula = smooth(0.35, 0.9, fbm(u * 9, v * 9, 4, seed + 62)) * m * 0.5;
    return v(0.010, 0.018, 0.040).plus(exp(-(v + 0.26) * 5.5) * air, v(0.030, 0.046, 0.055))
        .plus(bump(u - 0.12, 0.33) * bump(v + 0.24, 0.18) * air, v(0.16, 0.085, 0.035)) // a town behind the mountains
        .plus(m, v(0.14, 0.15, 0.22)).plus(m * bump(v + 0.02, 0.33), v(0.15, 0.075, -0.04))
        .plus(nebula, v(0.30, 0, 0.12));
  }

  /** The Milky Way: how bright, 0 to about 1.4, with its dark lanes of dust. */
  static double galaxy(double u, double v, int seed) {
    double d = u * 0.90 + v * 0.44 + 0.01 + 0.035 * fbm(u * 2, v * 2, 3, seed + 63);
    double along = v * 0.90 - u * 0.44;
    double band = bump(d, 0.085 + 0.07 * bump(along + 0.02, 0.27));
    double cloud = fbm(u * 5 + 3, v * 5, 8, seed + 64);
    double lane = fbm(d * 11 + 0.8 * cloud, along * 4.2, 8, seed + 65) + 0.50 * bump(d - 0.012, 0.04);
    double dust = smooth(-0.12, 0.5, lane - 0.18) * (0.35 + 0.65 * band);
    return band * (0.55 + 0.7 * bump(along, 0.45)) * max(0.05, 0.70 + cloud) * (1 - 0.88 * dust);
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Harbour: sailing boats before a town with lamps; metres, x to the right, z into the picture.
  // -------------------------------------------------------------------------------------------------------------------

  static final double SEA = -0.06; // v of the horizon

  static void harbour(Frame f, int seed) {
    double[][] fleet = {{38, 128, 9}, {-40, 118, -10}, {22, 104, -9}, {-34, 92, 9.5}, {8, 84, 10},
        {33, 76, -10}, {-13, 66, -9}, {-27.5, 54, 11}, {10, 44, -9.5}, {-4.5, 21, 7}, {4.7, 14, -7}};
    f.paint(0.5, (u, v) -> town(dusk(u, abs(v - SEA), seed), u * 150, abs(v - SEA) * 150, seed));
    f.draw(g -> { for (double[] boat : fleet) { boat(g, boat, -1, seed); } });
    f.ruffle(SEA, 4, seed);
    f.draw(g -> { for (double[] boat : fleet) { boat(g, boat, 1, seed); } });
    for (double u = -0.12; u < 0.7; u += 0.08) { // lamps along the quay
      for (double r = 0.002; r < 0.04; r *= 4) { f.spot(u, SEA + 0.04, r, v(0.5, 0.31, 0.11).times(1e-5 / (r * r))); }
    }
  }

  /** The sky over the sea, and two ranges of hills. */
  static V dusk(double u, double up, int seed) {
    double sun = bump(u + 0.22, 0.56);
    double low = exp(-up * 9);
    double p = 1 / (up + 0.07); // clouds, their undersides on fire where they thin out
    double x = u * p * 0.55 + 0.25 * noise(u * p, p, seed + 20) + 5;
    double n = fbm(x, p * 0.9, 8, seed + 21);
    double fire = smooth(-0.25, 0.35, n - fbm(x, p * 0.9 + 0.12, 5, seed + 21) + 0.1) * exp(-up * 2.6);
    V cloud = v(0.13, 0.12, 0.21).plus(fire * (0.35 + 0.75 * sun), v(1.25, 0.42, 0.20));
    V color = v(0.035, 0.070, 0.170).plus(bump(up, 0.3), v(0.24, 0.125, 0.12)).plus(low, v(0.30, 0.10, 0.02))
        .plus(low * sun, v(1.05, 0.36, 0.02)).mix(cloud, smooth(-0.02, 0.55, n) * smooth(0.0, 0.10, up) * 0.8);
    for (int i = 0; i < 2; i++) {
      double top = (0.10 - 0.02 * i + 0.06 * fbm(u * 3.4 + i * 9, i, 9, seed + 11)) * smooth(-0.8 + 0.3 * i, 0.2, u);
      color = color.mix(v(0.21 - 0.12 * i, 0.11 - 0.06 * i, 0.14 - 0.06 * i), smooth(top + 0.001, top, up));
    }
    return color;
  }

  /** A row of houses on a quay, and a church, before something else. */
  static V town(V behind, double x, double y, int seed) {
    int i = (int) floor(x / 8);
    boolean church = i == 8;
    double side = abs(x - 8 * i - 4); // from the middle of the house
    double eaves = church ? 28 : 10 + 5 * part(i, 1, seed + 13);
    double ridge = eaves + (church ? 17 - 6 * side : min(3, 6 - 1.5 * side));
    if (i < -3 || y > max(eaves, ridge) || church && side > 3) { return behind; }
    double across = abs(x / 2 - floor(x / 2) - 0.5); // of a window, from its middle
    boolean pane = !church && across < 0.25 && across > 0.03 && abs(y / 2.7 - floor(y / 2.7) - 0.5) < 0.28;
    double on = part((int) (x / 2), (int) (y / 2.7) + i * 16, seed + 14);
    int[] walls = {0x5a4a52, 0x7a483a, 0x866846, 0x4e4e62, 0x8a7464, 0x623432};
    V wall = light(walls[church ? 0 : 1 + (int) (part(i, 5, seed) * 5)]).plus(exp(-0.35 * y), v(0.5, 0.2, 0.05));
    V color = y < 2.7 ? light(0x2c2426) : y > eaves ? light(0x382226) : !pane ? wall
        : light(on < 0.6 ? 0x282434 : blend(0xc4742e, 0xfcd07a, on * 2 - 1.1));
    return color.times(0.9 + 0.2 * fbm(x * 3, y * 6, 3, seed));
  }

  /** A sailing boat at a place and of a length, with the bow on the right, or on the left if that is negative. */
  static void boat(Graphics2D all, double[] boat, int side, int seed) {
    double z = boat[1];
    Graphics2D g = (Graphics2D) all.create();
    g.translate((boat[0] + 2 * part((int) z, 7, seed)) / z, SEA - 4 / z);
    g.scale(boat[2] / z, side * abs(boat[2]) / z); // side -1 draws its reflection
    int hull = new int[] {0xcec4c8, 0x2c3a5c, 0xbcb0ac, 0x782c28}[(int) (part((int) z, 8, seed) * 4)];
    fill(g, blend(hull, 0xb06a54, 0.35), -0.5, 0.085, -0.46, -0.02, 0.4, -0.02, 0.46, 0.03, 0.54, 0.118, 0.35, 0.095,
        0.1, 0.08, -0.2, 0.08);
    fill(g, 0x2e222a, -0.466, 0.008, -0.46, -0.02, 0.4, -0.02, 0.44, 0.01);
    fill(g, 0x968688, -0.22, 0.078, -0.19, 0.125, 0.1, 0.128, 0.24, 0.087);
    for (double x = -0.14; x < 0.1; x += 0.07) { stroke(g, 0xf6be68, 0.016, x, 0.102, x + 0.025, 0.102); }
    stroke(g, 0x5c4a4c, 0.011, 0.06, 0.1, 0.055, 1.28);
    stroke(g, 0x343a5c, 0.034, 0.03, 0.205, -0.38, 0.192); // the boom, with the sail furled
    stroke(g, 0x423840, 0.0028, 0.53, 0.115, 0.055, 1.24, -0.49, 0.09);
    stroke(g, 0x423840, 0.0028, 0.1, 0.08, 0.13, 0.72, 0.055, 1.2, -0.02, 0.72, 0.02, 0.08);
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Still life: fruit and a vase on a linen cloth, by tracing rays.
  // -------------------------------------------------------------------------------------------------------------------

  static final V WINDOW = v(-0.72, 0.60, -0.42).unit(); // the light comes from there
  static final V WINDOW_X = v(-0.42, 0, 0.72).unit();
  static final V WINDOW_Y = v(0.43, 0.69, 0.25).unit();

  /**
   * What a solid is: of two colours in a pattern of a scale, which can be drawn out along the axis; no part of it is
   * further than its bound from the centre. Its shape: the radius at the equator, what the cosine and its square add,
   * what the top and the bottom add, each with how pointed it is, and where it is cut off.
   */
  record Kind(int rgb, int other, double scale, double stretch, double pores, double gloss, double bound,
      double... shape) {}

  static final Kind VASE = new Kind(0x15405a, 0x2a6675, 2, 1, 0, 1, 1.8, 0.9, 0.02, 0.1, 0.8, 20, -0.15, 5, 1.65);
  static final Kind APPLE = new Kind(0x9e2222, 0xbf9b3f, 7, 0.13, 0, 0.75, 1.26, 0.96, 0.035, 0, -0.42, 8, -0.2, 16, 9);
  static final Kind PEAR = new Kind(0x979342, 0xb07a42, 3, 1, 0, 0.35, 1.5, 0.88, 0.05, 0.05, 0.42, 11, 0, 1, 9);
  static final Kind LEMON = new Kind(0xcba42e, 0xc49a20, 5, 1, 0.006, 0.5, 1.3, 0.86, 0, 0.14, 0.24, 16, 0.24, 16, 9);
  static final Kind ORANGE = new Kind(0xd1741d, 0xcc681a, 5, 1, 0.006, 0.5, 1, 1, 0, 0, 0, 1, 0, 1, 9);
  static final Kind GRAPE = new Kind(0x3b1127, 0x655d73, 2, 1, 0, 0.7, 1, 1, 0, 0, 0, 1, 0, 1, 9);

  /** A ball around an axis, shaped according to its kind. */
  record Solid(Kind kind, V center, V axis, double radius) {
    /** About the distance to the surface, negative inside. */
    double distance(V p) {
      V q = p.minus(center).times(1 / radius);
      double y = q.dot(axis);
      double c = y / q.length();
      double[] k = kind.shape;
      double size = k[0] + k[1] * c + k[2] * c * c + k[3] * exp((c - 1) * k[4]) + k[5] * exp((-1 - c) * k[6]);
      double pore = kind.pores == 0 ? 0 : kind.pores * min(0.15, noise(q.times(24), 9));
      return max((q.length() - size) * 0.7 - pore, y - k[7]) * radius;
    }

    /** Distance from o, in direction d, to where the ray enters the solid; limit if not before that. */
    double meet(V o, V d, double limit) {
      V c = center.minus(o);
      double b = c.dot(d);
      double h = b * b - c.dot(c) + pow(radius * kind.bound, 2);
      if (h < 0 || b < 0) { return limit; }
      double t = max(b - sqrt(h), 1e-3);
      double gap = 1;
      for (int i = 0; i < 110 && t < min(b + sqrt(h), limit) && gap > 0.0005; i++) {
        gap = distance(o.plus(t, d));
        t += gap;
      }
      return gap > 0.005 ? limit : min(t, limit);
    }

    V normal(V p) {
      double e = 0.002;
      V beside = v(distance(p.plus(e, v(1, 0, 0))), distance(p.plus(e, v(0, 1, 0))), distance(p.plus(e, v(0, 0, 1))));
      return beside.plus(-distance(p), v(1, 1, 1)).unit();
    }

    V color(V p) {
      V q = p.minus(center).times(1 / radius);
      V around = q.plus(-q.dot(axis), axis);
      V place = kind.stretch == 1 ? q : around.unit().plus(kind.stretch * q.dot(axis), axis);
      double pattern = noise(place.times(kind.scale), (int) (center.x * 99)) + 0.3 * noise(q.times(9), 200) - 0.2;
      return light(kind.rgb).mix(light(kind.other), smooth(-0.5, 0.5, pattern))
          .times(1 - 0.4 * smooth(0.45, 0.65, noise(q.times(30), 203))); // spots
    }
  }

  static void stillLife(Frame f, int seed) {
    List<Solid> solids = new ArrayList<>(List.of(
        new Solid(VASE, v(-1.35, 1.0, 0.55), V.UP, 1.15),
        new Solid(PEAR, v(0.15, 0.56, 0.45), v(0.1, 1, 0.05).unit(), 0.62),
        new Solid(PEAR, v(2.05, 0.5, 0.55), v(0.95, 0.22, -0.35).unit(), 0.58),
        new Solid(APPLE, v(-0.42, 0.54, -0.75), v(-0.25, 1, -0.38).unit(), 0.6),
        new Solid(APPLE, v(1.12, 0.52, 0.1), v(0.35, 0.85, -0.5).unit(), 0.57),
        new Solid(ORANGE, v(0.72, 0.47, -1.15), V.UP, 0.49),
        new Solid(ORANGE, v(0.95, 0.49, 1.35), V.UP, 0.51),
        new Solid(LEMON, v(-1.42, 0.36, -1.1), v(0.9, 0.05, -0.35).unit(), 0.42),
        new Solid(LEMON, v(-2.35, 0.36, -0.25), v(0.5, 0.1, 0.8).unit(), 0.42)));
    for (int i = 0; i < 600; i++) { // grapes, where there is room for one
      double k = part(i, 0, seed + 90);
      double side = (1 - 0.6 * k) * (part(i, 1, seed + 90) - 0.5);
      V place = v(1.55 + k + 0.4 * side, 0.16 + 0.1 * (i / 200) * (2 - k), -0.75 - 0.8 * k + side);
      if (solids.stream().allMatch(s -> s.center.minus(place).length() > 0.93 * (s.radius + 0.15))) {
        solids.add(new Solid(GRAPE, place, V.UP, 0.16));
      }
    }
    V eye = v(0.1 * bell(seed, 0, 0), 2.9, -9);
    f.paint(0.5, (u, v) -> see(solids, eye, v(u / 1.85, v / 1.85 - 0.175, 1 + v / 10).unit(), true));
  }

  /** The light that comes to o from a direction. */
  static V see(List<Solid> solids, V o, V d, boolean mirrors) {
    double floor = d.y < 0 ? -o.y / d.y : 99;
    double t = min(floor, d.z > 0 ? (7 - o.z) / d.z : 99);
    Solid s = null;
    for (Solid solid : solids) {
      double meet = solid.meet(o, d, t);
      s = meet < t ? solid : s;
      t = meet;
    }
    V p = o.plus(t, d);
    if (s == null) { return t == floor ? table(solids, p) : wall(p.x, p.y); }
    V n = s.normal(p);
    V r = d.plus(-2 * n.dot(d), n); // a glossy surface mirrors the window and the room
    double a = abs(r.dot(WINDOW_X));
    double b = abs(r.dot(WINDOW_Y));
    double pane = r.dot(WINDOW) < 0 ? 0 : smooth(0, 0.016, min(a, b)) * smooth(0.18, 0.16, a) * smooth(0.27, 0.25, b);
    V room = mirrors ? see(solids, p.plus(0.02, n), r, false) : V.BLACK;
    double fresnel = (0.04 + 0.45 * pow(max(0, 1 + n.dot(d)), 5)) * s.kind.gloss;
    return s.color(p).times(light(solids, p, n)).plus(fresnel, room.plus(pane * 20, v(1, 1, 1)));
  }

  /** What arrives at a place from the window, which is wide, and from all of the room, past the solids around. */
  static V light(List<Solid> solids, V p, V n) {
    double lit = max(0, n.dot(WINDOW));
    double open = 0.7 + 0.3 * n.y;
    for (Solid s : solids) {
      V c = s.center.minus(p);
      double b = c.dot(WINDOW);
      lit *= b <= 0 ? 1 : smooth(-0.16, 0.16, (sqrt(max(0, c.dot(c) - b * b)) - 0.92 * s.radius) / b);
      open *= 1 - 0.8 * clamp(c.dot(n) / c.length() + 0.2, 0, 1) * min(1, s.radius * s.radius / c.dot(c));
    }
    return v(3.1, 2.75, 2.25).times(lit).plus(open, v(0.24, 0.25, 0.27)).times(exp(-0.022 * (p.x * p.x + p.z * p.z)));
  }

  static V wall(double x, double y) {
    double lit = exp(-0.07 * pow(x - 3.4, 2) - 0.1 * pow(y - 2.6, 2));
    return v(0.150, 0.135, 0.112).times((0.16 + 0.95 * lit) * (1 + 0.10 * fbm(x * 0.8, y * 0.8, 6, 320)));
  }

  /** Worn boards, and over them a linen cloth with folds. */
  static V table(List<Solid> solids, V p) {
    double cloth = smooth(-0.012, 0.012, p.x + 1.55 - 0.22 * sin(p.z * 1.3) - 0.25 * p.z);
    double weave = noise(p.x * 30, p.z * 80, 302) + noise(p.x * 80, p.z * 30, 303) + sin(p.x * 260) + sin(p.z * 260);
    double board = floor(p.z * 1.15);
    double seam = smooth(0.5, 0.48, abs(p.z * 1.15 - board - 0.5));
    V wood = v(0.21, 0.115, 0.060).times(max(0.05, seam * (0.6 + 0.5 * fbm(p.x + board * 17, p.z * 26, 5, 306))));
    V normal = normal((x, z) -> -0.4 * hypot(0.06, noise(x * 0.6 + z * 0.3 + 4, z * 0.5 - x * 0.3, 310))
        - 0.2 * hypot(0.06, noise(x * 0.9 - z * 0.5, z * 0.4 + x * 0.5, 311)), p.x, p.z, 0.012);
    return wood.mix(v(1.0, 0.93, 0.80).times(0.46 + 0.03 * weave), cloth)
        .times(light(solids, p, V.UP.mix(normal, cloth)));
  }
}
