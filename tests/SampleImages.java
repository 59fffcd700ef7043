///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//JAVAC_OPTIONS --release 21
//DEPS info.picocli:picocli:4.7.7
//SOURCES Pictures.java

import static java.lang.StrictMath.*;

import java.awt.*;
import java.awt.geom.*;
import java.awt.image.BufferedImage;
import java.awt.image.DataBufferInt;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.util.*;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import picocli.CommandLine;
import picocli.CommandLine.*;

/**
 * Renders the pictures of IMAGES: a harbour at dusk, mountains in haze, a night sky and a still life.
 *
 * <p>They behave like photographs for a JPEG compressor: fine texture, smooth gradients, soft edges, sensor noise. They
 * are the same to the byte on every run of one JDK, on any number of cores: the only arithmetic is that which IEEE 754
 * and {@link StrictMath} define exactly, and chance is a hash of coordinates. They are painted in linear light, in
 * coordinates that do not depend on their size, then developed as a camera would: noise, lens softness, tone, JPEG.
 */
@Command(name = "SampleImages", mixinStandardHelpOptions = true, usageHelpWidth = 100,
    description = "%nRenders pictures that look and compress like photographs, the same on every run.%n",
    footer = "%nWithout --count: the four pictures of IMAGES, 12 megapixels each.")
public final class SampleImages implements Callable<Integer> {
  /** Rendering takes seconds, copying does not: a corpus has at most so many different images. */
  private static final int DISTINCT = 16;

  @Option(names = "--count", paramLabel = "N",
      description = "N images, image-0001.jpg and so on, the four scenes in turn; after the first 16 they repeat")
  int count;

  @Option(names = "--size", paramLabel = "WxH", description = "with --count: their size in pixels (default: 4000x3000)")
  String size;

  @Parameters(arity = "0..1", paramLabel = "FOLDER", description = "where to (default: IMAGES)")
  Path folder;

  @Spec Model.CommandSpec command;

  /**
   * A picture, and how it is stored: what cameras, phones, editors and the web make of one.
   *
   * @param noise of the sensor
   * @param across pixels for one sample of colour, horizontally; down: vertically
   * @param upright stored lying on its side, with an EXIF orientation
   */
  record Scene(String title, Painter painter, double noise, int across, int down, float quality, boolean upright) {
    byte[] photograph(int width, int height, int seed, boolean upright) throws IOException {
      Frame frame = upright ? new Frame(height, width) : new Frame(width, height);
      painter.paint(frame, seed);
      BufferedImage image = develop(frame, seed, noise);
      return jpeg(upright ? turned(image) : image, upright ? 6 : 1);
    }

    /** A JPEG with an EXIF segment behind JFIF's: one entry of TIFF, tag 0x112, the orientation. */
    private byte[] jpeg(BufferedImage image, int orientation) throws IOException {
      byte[] jpeg = Pictures.jpeg(image, quality, false, across, down);
      byte[] exif = ("\u00ff\u00e1\0\"Exif\0\0MM\0*\0\0\0\b\0\1\1\22\0\3\0\0\0\1\0" + (char) orientation
          + "\0\0\0\0\0\0").getBytes(StandardCharsets.ISO_8859_1);
      return ByteBuffer.allocate(jpeg.length + exif.length).put(jpeg, 0, 20).put(exif).put(jpeg, 20, jpeg.length - 20)
          .array();
    }
  }

  static final List<Scene> SCENES = List.of(
      new Scene("harbour", SampleImages::harbour, 0.00095, 2, 1, 0.95f, false), // 4:2:2, as cameras write it
      new Scene("mountains", SampleImages::mountains, 0.00085, 2, 2, 0.93f, false),
      new Scene("night-sky", SampleImages::night, 0.00095, 2, 2, 0.93f, true),
      new Scene("still-life", SampleImages::stillLife, 0.00120, 1, 1, 0.92f, false)); // 4:4:4

  /** Writes what the arguments ask for. */
  public static void main(String[] arguments) {
    System.setProperty("java.awt.headless", "true");
    System.exit(new CommandLine(new SampleImages()).execute(arguments));
  }

  @Override
  public Integer call() throws IOException {
    int[] sides = Arrays.stream((size == null ? "4000x3000" : size).split("x"))
        .mapToInt(side -> side.matches("[0-9]{1,5}") ? Integer.parseInt(side) : 0).toArray();
    require(sides.length == 2 && min(sides[0], sides[1]) > 0 && (long) sides[0] * sides[1] <= 100_000_000,
        "--size is from 1x1 to 100 megapixels, not " + size);
    require(count >= 0 && (count > 0 || size == null), "--size needs --count, of at least 1");
    require(count == 0 || folder != null, "--count needs a FOLDER");
    Path target = Files.createDirectories(folder == null ? Path.of("IMAGES") : folder);
    byte[][] jpegs = new byte[DISTINCT][];
    for (int i = 0; i < (count == 0 ? SCENES.size() : count); i++) {
      Scene scene = SCENES.get(i % SCENES.size());
      int k = i % DISTINCT;
      jpegs[k] = jpegs[k] != null ? jpegs[k]
          : scene.photograph(sides[0], sides[1], 1 + k / SCENES.size(), count == 0 && scene.upright);
      String name = count == 0 ? scene.title : String.format(Locale.ROOT, "image-%04d", i + 1);
      Files.write(target.resolve(name + ".jpg"), jpegs[k]);
      if (i < DISTINCT) {
        System.out.printf(Locale.ROOT, "%s.jpg %.2f MB%n", target.resolve(name), jpegs[k].length / 1e6);
      }
    }
    return 0;
  }

  private void require(boolean condition, String message) {
    if (!condition) {
      throw new ParameterException(command.commandLine(), message);
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Frames: pictures in linear light, and ways to paint them.
  // -------------------------------------------------------------------------------------------------------------------

  interface Painter {
    void paint(Frame frame, int seed);
  }

  interface Shader {
    V at(double x, double y);
  }

  interface Height {
    double at(double x, double z);
  }

  /** A point, a direction, or a colour in linear light. */
  record V(double x, double y, double z) {
    V plus(double k, V o) {
      return new V(x + k * o.x, y + k * o.y, z + k * o.z);
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
      return times(1 / sqrt(dot(this)));
    }

    V mix(V o, double t) {
      return new V(x + (o.x - x) * t, y + (o.y - y) * t, z + (o.z - z) * t);
    }
  }

  static V v(double x, double y, double z) {
    return new V(x, y, z);
  }

  /** A picture: three floats a pixel. Its coordinates are u, 0 in the middle, and v, from 0.5 at the top to -0.5. */
  record Frame(int width, int height, float[] rgb) {
    Frame(int width, int height) {
      this(width, height, new float[width * height * 3]);
    }

    double u(double column) {
      return (column + 0.5 - width / 2.0) / height;
    }

    double v(double row) {
      return 0.5 - (row + 0.5) / height;
    }

    double half() {
      return width / 2.0 / height;
    }

    /** The row of a v, within the picture. */
    int row(double v) {
      return (int) clamp((0.5 - v) * height, 0, height);
    }

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

    /** Paints the rows from one on, given a colour for each column and row. */
    void rows(int from, Shader shader) {
      IntStream.range(from, height).parallel().forEach(y -> {
        for (int x = 0; x < width; x++) {
          set(x, y, shader.at(x, y));
        }
      });
    }

    /** Paints land from z near to far, seen from a height: it shows where it rises above all the land before it. */
    void columns(double horizon, double focal, double eye, double near, double far, Height land, Shader ground) {
      double step = clamp(4.5 / height, 0.0012, 0.02);
      IntStream.range(0, width).parallel().forEach(x -> {
        double slope = u(x) / focal;
        int filled = height;
        double before = near;
        double last = -9;
        for (double z = near; z < far && filled > 0; z += z * step) {
          double v = (land.at(slope * z, z) - eye) / z * focal + horizon;
          int row = (int) max(0, ceil((0.5 - v) * height - 0.5));
          while (filled > row) {
            double d = mix(before, z, clamp((v(--filled) - last) / (v - last + 1e-12), 0, 1));
            set(x, filled, ground.at(slope * d, d));
          }
          before = z;
          last = v;
        }
      });
    }

    /** Adds a round spot of light with soft edges; one finer than a pixel keeps its light, spread over that pixel. */
    void spot(double u, double v, double size, double flux, V color) {
      double x = u * height + width / 2.0 - 0.5;
      double y = (0.5 - v) * height - 0.5;
      double s = max(0.62, size * height);
      double peak = flux * clamp(size * height / s * size * height / s, 0.05, 1);
      int reach = (int) ceil(s * 3.2);
      for (int yy = max(0, (int) y - reach); yy <= min(height - 1, y + reach); yy++) {
        for (int xx = max(0, (int) x - reach); xx <= min(width - 1, x + reach); xx++) {
          double far = (xx - x) * (xx - x) + (yy - y) * (yy - y);
          set(xx, yy, get(xx, yy).plus(peak * exp(-far / (s * s)), color));
        }
      }
    }

    /** A pen that draws, in the frame's coordinates, on a layer for {@link #composite}. */
    Graphics2D pen(BufferedImage layer) {
      Graphics2D g = layer.createGraphics();
      g.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
      g.setRenderingHint(RenderingHints.KEY_STROKE_CONTROL, RenderingHints.VALUE_STROKE_PURE);
      g.translate(width / 2.0, height / 2.0);
      g.scale(height, -height);
      return g;
    }

    BufferedImage layer() {
      return new BufferedImage(width, height, BufferedImage.TYPE_INT_ARGB);
    }

    /** Lays a drawing over the frame, with some grain. */
    void composite(BufferedImage layer, double grain) {
      int[] drawn = pixels(layer);
      rows(0, (x, y) -> {
        int argb = drawn[(int) y * width + (int) x];
        double n = argb == 0 || grain == 0 ? 1 : 1 + grain * fbm(u(x) * 180, v(y) * 480, 4, 77);
        return argb >>> 24 == 0 ? get(x, y) : get(x, y).mix(light(argb).times(n), (argb >>> 24) / 255.0);
      });
    }
  }

  /** The linear light of a drawn colour: its brightest become lamps. */
  static V light(int argb) {
    int max = max(max(argb >> 16 & 255, argb >> 8 & 255), argb & 255);
    return v(LINEAR[argb >> 16 & 255], LINEAR[argb >> 8 & 255], LINEAR[argb & 255])
        .times(max < 240 ? 1 : 1 + (max - 240) * 0.5);
  }

  /** Direction away from the ground, from its height and the heights a little further on. */
  static V normal(double h, double right, double ahead, double step) {
    return v((h - right) / step, 1, (h - ahead) / step).unit();
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Mountains: ranges on both sides of a valley with mist in it, conifers in front.
  // -------------------------------------------------------------------------------------------------------------------

  static final V SUN = v(-0.62, 0.27, 0.60).unit();

  static void mountains(Frame f, int seed) {
    f.rows(0, (x, y) -> daySky(v(f.u(x) / 1.25, (f.v(y) - 0.06) / 1.25, 1), seed));
    f.columns(0.06, 1.25, 1.25, 0.9, 70, (x, z) -> relief(x, z, seed), (x, z) -> slope(x, z, seed));
    BufferedImage layer = f.layer();
    Graphics2D g = f.pen(layer);
    double[] sizes = {0.055, 0.085, 0.13, 0.20, 0.34, 0.60};
    for (int rank = 0; rank < 6; rank++) { // from small ones in the mist to those beside the viewer
      double k = rank / 5.0;
      double gap = sizes[rank] * (0.13 + 0.10 * k);
      for (int n = (int) (f.half() / gap) + 2, i = -n; i <= n; i++) {
        double x = (i + part(i, rank, seed + 50) - 0.5) * gap;
        double rise = smooth(0.05, 0.75, abs(x + 0.12)) * (0.13 - 0.02 * rank) + 0.03 * noise(x * 4, rank, seed);
        if (rank < 5 || abs(x + 0.06) > 0.47) {
          conifer(g, x, -0.43 - 0.035 * rank - 0.15 * k * k + rise,
              sizes[rank] * (0.5 + 0.7 * part(i, rank, seed + 51)), hash(i, rank, seed),
              blend(rgb(0x606a72), rgb(0x0a110f), sqrt(k)), blend(rgb(0xa49270), rgb(0x606222), sqrt(k)));
        }
      }
    }
    f.composite(layer, 0);
  }

  /** Height of the land with its trees, in kilometres: cones of up to 18 metres, one in each square of 8 metres. */
  static double relief(double x, double z, int seed) {
    double h = land(x, z, z < 4 ? 10 : z < 12 ? 9 : 8, seed);
    double best = 0;
    for (int i = 0; i < 9 && z < 9 && h < 1.35; i++) {
      int ix = cell(x * 120) + i % 3 - 1;
      int iz = cell(z * 120) + i / 3 - 1;
      double off = hypot(x * 120 - ix - part(ix, iz, seed + 9), z * 120 - iz - part(ix, iz, seed + 10));
      best = max(best, (0.35 + 0.65 * part(ix, iz, seed + 11)) * (1 - off * 1.3));
    }
    return h + best * 0.018 * smooth(1.35, 1.1, h) * smooth(9, 6, z);
  }

  static double land(double x, double z, int octaves, int seed) {
    double wx = x + 0.5 * noise(x * 0.4, z * 0.4, seed + 1);
    double wz = z + 0.5 * noise(x * 0.4, z * 0.4, seed + 2);
    double valley = abs(x - 0.25 * z + 0.2 - 0.9 * sin(z * 0.35 + seed));
    double range = (0.12 + 0.88 * smooth(0.1, 1.5 + 0.12 * z, valley)) * (0.35 + 0.16 * min(z, 16))
        * (0.95 + 0.5 * noise(x * 0.17 + 3, z * 0.13, seed + 7));
    double peak = 2.1 * bump(x - 4.2, 2.45) * bump(z - 15, 3.16);
    return 0.15 + range * ridges(wx * 0.33, wz * 0.33, octaves, seed)
        + peak * (0.55 + 0.45 * ridges(wx * 0.3 + 7, wz * 0.3, octaves - 1, seed + 5));
  }

  /** Colour of the land at a place: rock, woods, snow, in sun or shadow, through haze and the mist of the valleys. */
  static V slope(double x, double z, int seed) {
    double e = 0.0006 * z + 0.001;
    double h = relief(x, z, seed);
    V normal = normal(h, relief(x + e, z, seed), relief(x, z + e, seed), e);
    double lit = max(0, normal.dot(SUN));
    double shade = 1;
    for (double s = 0.03 + e; lit > 0 && s < 3.5 && shade > 0; s *= 1.45) {
      shade = min(shade, (h + s * SUN.y - land(x + s * SUN.x, z + s * SUN.z, 4, seed) + 0.02) * 9 / s + 0.25);
    }
    double n = fbm(x * 9, z * 9, 4, seed + 3);
    double snow = smooth(1.75, 2.15, h + 0.35 * n) * smooth(0.50, 0.68, normal.y + 0.1 * n);
    double wood = smooth(1.5, 1.15, h + 0.3 * n) * smooth(0.35, 0.6, normal.y + 0.2 * n + (z < 9 ? 0.3 : 0))
        * (1 + 0.5 * noise(x * 160, z * 160, seed + 8) * smooth(9, 5, z));
    V light = v(5.6, 3.4, 1.5).times(lit * clamp(shade, 0, 1)).plus(0.5 + 0.5 * normal.y, v(0.26, 0.36, 0.60));
    V color = v(0.17, 0.145, 0.13).times(0.8 + 0.4 * noise(x * 2 + n, h * 40 + z, seed + 4))
        .mix(v(0.040 + 0.016 * n, 0.056 + 0.020 * n, 0.021), wood).mix(v(0.86, 0.90, 0.97), snow).times(light);
    double rise = (h - 1.25) / 0.75;
    double haze = 1 - exp(-0.046 * z * (abs(rise) < 1e-3 ? 1 : (1 - exp(-rise)) / rise)); // thins out upwards
    double top = 0.52 + 0.12 * fbm(x * 1.1, z * 0.5, 5, seed + 6);
    double mist = smooth(top + 0.1, top - 0.25, h) * smooth(1.0, 4, z) * 0.94;
    double far = hypot(x, z);
    V air = air(v(x / far, 0, z / far), 1 - 0.92 * exp(-far / 11));
    return color.mix(air.times(1.06).plus(0.02, v(1, 1, 1)), mist).mix(air, haze);
  }

  /** Colour of hazy air, golden towards the sun. */
  static V air(V way, double golden) {
    return v(0.32, 0.41, 0.62).plus(golden * pow(max(0, way.x * SUN.x + way.z * SUN.z), 4), v(1.35, 0.58, -0.06));
  }

  static V daySky(V way, int seed) {
    double up = max(0, way.y);
    double glow = pow(max(0, way.unit().dot(SUN)), 6);
    V color = air(way.unit(), 1).mix(v(0.10, 0.22, 0.50), 1 - exp(-up * 4.2)).plus(glow, v(0.55, 0.33, 0.08));
    double p = 1 / (up + 0.12); // clouds on a plane high above, drawn out by the wind
    double x = way.x * p * 0.7 + 0.3 * noise(way.x * p, p, seed + 31);
    double cloud = smooth(-0.05, 0.55, fbm(x * 0.8 + p * 0.25, p * 1.6, 7, seed + 30)) * smooth(0.02, 0.22, up);
    return color.mix(v(0.98 + 0.5 * glow, 0.80 + 0.3 * glow, 0.74), cloud * 0.75);
  }

  /** Draws a conifer, lit from the left: a trunk, and tiers of branches with hanging needles, finer on taller trees. */
  static void conifer(Graphics2D g, double x, double y, double size, int seed, Color dark, Color lit) {
    stroke(g, dark, size * 0.016, x, y - size * 0.2, x, y + size * 0.97);
    double fine = clamp(size * 7, 0.7, 3);
    int tiers = (int) (34 * sqrt(fine) + 8);
    int needles = (int) (8 * fine);
    g.setStroke(new BasicStroke((float) (size * 0.006 / pow(fine, 1.5))));
    for (int i = tiers * 8 + 7; i >= 0; i--) {
      double t = (double) (i / 8) / tiers;
      double turn = abs(part(i, 0, seed) * 2 - 1) * 2 - 1;
      double reach = size * (0.012 + 0.23 * t * (1 - 0.22 * t)) * (0.55 + 0.6 * part(i, 1, seed));
      double from = y + size * (1 - 0.95 * t + 0.012 * (part(i, 2, seed) * 2 - 1));
      double droop = reach * (0.18 + 0.35 * part(i, 3, seed));
      Path2D branch = line(x, from, x + turn * reach, from - droop * 0.8);
      for (int j = 0; j <= needles; j++) {
        double q = (double) j / needles;
        double nx = x + turn * reach * q;
        double ny = from - droop * q * (1.4 - 0.6 * q);
        double hang = size * 0.012 * (0.5 + part(i, j, seed + 1)) * (1.2 - 0.5 * q);
        branch.moveTo(nx, ny + hang * 0.3);
        branch.lineTo(nx + hang * (turn * 0.6 + 1.2 * (part(i, j, seed + 2) - 0.5)), ny - hang / sqrt(fine));
      }
      g.setColor(blend(dark, lit, clamp(0.15 - turn * 0.55 + (part(i, 4, seed) - 0.5) * 0.5, 0, 1) * (1 - t * 0.3)));
      g.draw(branch);
    }
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Night sky: the Milky Way over a lake, a tent on the near shore.
  // -------------------------------------------------------------------------------------------------------------------

  static void night(Frame f, int seed) {
    f.rows(0, (x, y) -> nightSky(f.u(x), f.v(y), seed));
    for (int n = 0; n < 190_000 * f.half(); n++) { // stars, more where the galaxy is bright; few bright, many faint
      double u = (part(n, 0, seed + 66) * 2 - 1) * f.half();
      double v = part(n, 1, seed + 66) * 0.8 - 0.3;
      if (part(n, 2, seed + 66) < 0.3 + galaxy(u, v, seed)) {
        double flux = min(18, 0.009 / (part(n, 3, seed + 66) + 0.00008)) + 0.03;
        V color = part(n, 4, seed + 66) > 0.7 ? v(1.15, 0.92, 0.72) : v(0.85, 0.92, 1.2);
        f.spot(u, v, 0.00030 + 0.00016 * sqrt(min(flux, 9)), flux, color);
        f.spot(u, v, 0.0026, flux > 1.2 ? flux * 0.012 : 0, color);
      }
    }
    f.columns(-0.255, 1, 0.03, 5, 30, (x, z) -> nightLand(x, z, seed), (x, z) -> nightSlope(x, z, seed));
    f.rows(f.row(-0.255), (x, y) -> water(f, null, (int) x, (int) y, -0.255, 1.2, seed).times(0.8));
    BufferedImage layer = f.layer();
    Graphics2D g = f.pen(layer);
    for (int i = 0; i < 17; i++) {
      double x = f.half() + 0.02 - 0.012 * i * (0.6 + 0.4 * part(i, 1, seed + 69));
      double size = (i % 2 == 0 ? 0.42 : 0.24) * (1 - i * 0.05) * (0.8 + 0.4 * part(i, 2, seed + 69));
      conifer(g, i % 2 == 0 ? -x : x, -0.43, size, seed * 31 + i, rgb(0x05080c), rgb(0x161614));
    }
    g.setPaint(new RadialGradientPaint(new Point2D.Double(0.123, -0.386), 0.075f, new float[] {0, 0.45f, 1},
        new Color[] {rgb(0xefd892), rgb(0xe89234), rgb(0x783212)}));
    g.fill(new Arc2D.Double(0.06, -0.51, 0.146, 0.16, 0, -180, Arc2D.CHORD)); // the tent, a lamp in it
    stroke(g, new Color(84, 32, 8, 130), 0.0014, 0.099, -0.43, 0.107, -0.38, 0.133, -0.351, 0.150, -0.38, 0.156, -0.43);
    for (int i = 0; i < 16_000; i++) { // grass, the nearest last, lit by the tent
      double u = (part(i, 1, seed + 72) * 2 - 1) * (f.half() + 0.1);
      double v = -0.412 - 0.09 * i / 16_000 + 0.2 * u * u + 0.012 * fbm(u * 6, i / 4000, 5, seed + 70);
      double lit = exp(-7 * hypot(u - 0.13, (v + 0.405) * 2.2)) * (0.3 + 0.7 * part(i, 2, seed + 74));
      double lean = (part(i, 3, seed + 75) - 0.5) * 0.008;
      g.setColor(blend(rgb(0x07090c), rgb(0xcd963e), lit));
      g.setStroke(new BasicStroke(0.0007f));
      g.draw(line(u, v - 0.09, u, v, u + lean * 0.4, v + 0.008, u + lean, v + 0.012 * (0.5 + part(i, 4, seed + 76))));
    }
    f.composite(layer, 0);
    f.spot(0.13, -0.385, 0.10, 0.10, v(1, 0.55, 0.18));
    f.spot(0.13, -0.385, 0.04, 0.22, v(1, 0.6, 0.22));
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

  static double nightLand(double x, double z, int seed) {
    double rise = smooth(6.5 + 0.8 * noise(x * 0.5, 3, seed), 15, z);
    double pass = 0.45 + 0.55 * smooth(0, 3.2, abs(x + 0.7));
    return rise * pass * (0.4 + 2.5 * ridges(x * 0.36 + 2.3, z * 0.36 + 1.7, 9, seed + 67)) - 0.01;
  }

  static V nightSlope(double x, double z, int seed) {
    double e = 0.0007 * z;
    double h = nightLand(x, z, seed);
    V normal = normal(h, nightLand(x + e, z, seed), nightLand(x, z + e, seed), e);
    double n = fbm(x * 6, z * 6, 4, seed + 68);
    double snow = smooth(0.42, 0.62, normal.y + 0.15 * n) * smooth(0.35, 0.9, h + 0.4 * n);
    return v(0.72, 0.86, 1.15)
        .times(mix(0.10, 0.75, snow) * (0.02 + 0.11 * max(0, normal.dot(v(-0.75, 0.45, -0.35)))))
        .mix(v(0.042, 0.046, 0.062), 1 - exp(-0.035 * z * exp(-h * 1.1)));
  }

  /** Mirrors in waves what is above the horizon, and a drawing over it; waves finer than a pixel scatter instead. */
  static V water(Frame f, int[] drawn, int px, int py, double horizon, double eye, int seed) {
    double u = f.u(px);
    double down = max(0.0005, horizon - f.v(py));
    double z = eye / down;
    double across = 0;
    double along = 0;
    double rough = 0;
    double wave = 7;
    for (int i = 0; i < 8; i++, wave *= 0.45) {
      double k = smooth(0.9, 0.25, z * z / eye / f.height / wave); // by the length of a pixel on the water, in metres
      double steep = i == 0 ? 0.010 : i < 3 ? 0.017 : 0.014;
      across += k == 0 ? 0 : k * steep * noise(u * z / wave + i * 7, z / wave, seed + 22 + i);
      along += k == 0 ? 0 : k * steep * noise(u * z / wave * 0.7 + i * 5, z / wave * 1.2, seed + 32 + i);
      rough += (1 - k) * (1 - k) * steep * steep;
    }
    V sum = v(0, 0, 0);
    int samples = 6 + (int) (9 * smooth(25, 120, z));
    for (int i = 0; i < samples; i++) {
      int h = hash(px, py, seed + 40 + i);
      double jitter = sqrt(rough) * 0.8 * ((h & 255) + (h >>> 8 & 255) - 255) / 150;
      double up = abs(down - 2 * (along + jitter)) * f.height;
      double side = 2 * (across + sqrt(rough) * 0.8 * (h >> 24) / 128) * down * f.height;
      int x = (int) clamp(px + side, 0, f.width - 1);
      double line = (0.5 - horizon) * f.height;
      int argb = drawn == null ? 0 : drawn[(int) clamp(line + up, 0, f.height - 1) * f.width + x];
      sum = sum.plus(1.0 / samples, f.get(x, line - up).mix(light(argb), (argb >>> 24) / 255.0));
    }
    return v(0.003, 0.010, 0.016).plus(clamp(0.92 - 1.25 * (down + along * 3), 0.25, 0.95), sum);
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Harbour: sailing boats, a town with lamps, a lighthouse, a jetty; metres, x to the right, z into the picture.
  // -------------------------------------------------------------------------------------------------------------------

  static final double SEA = -0.06; // v of the horizon
  static final double EYE = 4; // height of the eye above the water, in metres

  static void harbour(Frame f, int seed) {
    f.rows(0, (x, y) -> duskSky(f.u(x), abs(f.v(y) - SEA), seed));
    BufferedImage mirror = f.layer();
    BufferedImage above = f.layer();
    shore(f.pen(mirror), -1, seed);
    shore(f.pen(above), 1, seed);
    int[] drawn = pixels(mirror);
    f.rows(f.row(SEA), (x, y) -> water(f, drawn, (int) x, (int) y, SEA, EYE, seed));
    f.composite(above, 0.22);
    for (int i = 0; i < 16; i++) {
      double x = i == 14 ? 4.1 : i == 15 ? -95 : -14 + i * 13;
      double z = i == 14 ? 25.5 : i == 15 ? 220 : 148;
      double v = SEA + ((i == 14 ? 4.9 : i == 15 ? 21.2 : 6.2) - EYE) / z;
      f.spot(x / z, v, 0.25 / z, 6, v(1, 0.62, 0.24));
      f.spot(x / z, v, 1.4 / z, 0.5, v(1, 0.62, 0.24));
      f.spot(x / z, v, 4.5 / z, 0.13, v(1, 0.62, 0.24));
    }
  }

  static V duskSky(double u, double up, int seed) {
    double sun = bump(u + 0.22, 0.56);
    double low = exp(-up * 9);
    V color = v(0.035, 0.070, 0.170).plus(bump(up, 0.3), v(0.24, 0.125, 0.12)).plus(low, v(0.30, 0.10, 0.02))
        .plus(low * sun, v(1.05, 0.36, 0.02));
    double p = 1 / (up + 0.07); // clouds, their undersides on fire where they thin out
    double x = u * p * 0.55 + 0.25 * noise(u * p, p, seed + 20) + 5;
    double n = fbm(x, p * 0.9, 8, seed + 21);
    double fire = smooth(-0.25, 0.35, n - fbm(x, p * 0.9 + 0.12, 5, seed + 21) + 0.1) * exp(-up * 2.6);
    return color.mix(v(0.13, 0.12, 0.21).plus(fire * (0.35 + 0.75 * sun), v(1.25, 0.42, 0.20)),
        smooth(-0.02, 0.55, n) * smooth(0.0, 0.10, up) * 0.8);
  }

  /** A pen for a thing at a place: units of so many metres; side -1 draws its reflection. */
  static Graphics2D at(Graphics2D g, double x, double z, int side, double unit) {
    Graphics2D m = (Graphics2D) g.create();
    m.translate(x / z, SEA - EYE / z);
    m.scale(unit / z, side * abs(unit) / z);
    return m;
  }

  /** Draws all that stands on land and water, the farthest first. */
  static void shore(Graphics2D g, int side, int seed) {
    for (int i = 0; i < 2; i++) {
      Path2D hill = line(-900, -6);
      for (double x = -900; x <= 900; x += 2) {
        double h = 70 - 34 * i + (60 - 25 * i) * fbm(x * 0.004 + i * 9, i, 4, seed + 11);
        hill.lineTo(x, h * smooth(-700 + 420 * i, 60 + 100 * i, x) + 10 - 6 * i
            + 2.2 * abs(noise(x * 0.23, i, seed + 16)) + noise(x * 0.9, i, seed + 17));
      }
      hill.lineTo(900, -6);
      Graphics2D m = at(g, 0, 900 - 400 * i, side, 1);
      m.setPaint(upwards(90 - 30 * i, i == 0 ? 0x865e70 : 0x4a3c54, 0, i == 0 ? 0xa47074 : 0x6c5060));
      m.fill(hill);
    }
    Graphics2D m = at(g, -95, 220, side, 1); // the lighthouse
    fill(m, rgb(0x2a2430), -80, -1, -80, 2.8, 26, 2.8, 30, -1);
    fill(m, across(-2.5, 0xd69678, 2.5, 0x5c526a), -2.6, 2, -1.7, 19, 1.7, 19, 2.6, 2);
    fill(m, across(-2.5, 0xa83424, 2.5, 0x481a22), -2.3, 7, -2.05, 12, 2.05, 12, 2.3, 7);
    fill(m, rgb(0x241c22), -2.5, 19, -2.5, 19.8, 2.5, 19.8, 2.5, 19, 1.6, 22.4, 0, 24.2, -1.6, 22.4);
    fill(m, rgb(0xfff0be), -1.2, 19.8, -1.2, 22.4, 1.2, 22.4, 1.2, 19.8);
    m = at(g, 0, 150, side, 1); // the town: a church, houses, the quay
    fill(m, across(60, 0x604a50, 66, 0x42384a), 60, 2, 60, 25, 66, 25, 66, 2);
    fill(m, across(60, 0x463644, 66, 0x322c3e), 59.5, 24.6, 63, 40, 66.5, 24.6);
    fill(m, rgb(0xeece8c), 62.2, 20.7, 62.2, 22.3, 63.8, 22.3, 63.8, 20.7);
    double x = -24;
    for (int i = 0; x < 130; i++) {
      double width = 6 + 4 * part(i, 0, seed + 13);
      house(m, x, width, 8.5 + 5 * part(i, 1, seed + 13), i, seed);
      x += width + (part(i, 2, seed + 13) > 0.8 ? 1.5 : 0);
    }
    fill(m, upwards(2.4, 0x5c4a42, 0, 0x221e24), -30, -1, -30, 2.4, 200, 2.4, 200, -1);
    for (int i = 0; i < 14; i++) {
      stroke(m, rgb(0x1e1a1e), 0.14, (-14 + i * 13) * 150 / 148.0, 2, (-14 + i * 13) * 150 / 148.0, 6);
    }
    int[] hulls = {0xcec4c8, 0x2c3a5c, 0xbcb0ac, 0x782c28};
    double[][] fleet = {{38, 128, 9}, {-40, 118, -10}, {22, 104, -9}, {52, 98, 11}, {-34, 92, 9.5}, {8, 84, 10},
        {33, 76, -10}, {-13, 66, -9}, {-27.5, 54, 11}, {10, 44, -9.5}, {-4.5, 21, 7}};
    for (int i = 0; i < fleet.length; i++) {
      boat(at(g, fleet[i][0] + 2 * (part(i, 7, seed) - 0.5), fleet[i][1], side, fleet[i][2]),
          rgb(hulls[i + seed & 3]), fleet[i][2] > 0, part(i, 8, seed) > 0.4);
    }
    jetty(g, side, seed);
  }

  static void house(Graphics2D m, double x, double w, double h, int i, int seed) {
    int[] walls = {0x7a483a, 0x866846, 0x4e4e62, 0x8a7464, 0x623432};
    Color wall = rgb(walls[(hash(i, 5, seed) >>> 8) % walls.length]);
    m.setPaint(upwards(2, blend(wall, rgb(0xe8964e), 0.5).getRGB(), 7.5, wall.getRGB()));
    m.fill(line(x, 1, x, h, x + w, h, x + w, 1));
    double in = part(i, 6, seed) > 0.5 ? w / 2 : 0.5;
    double top = in > 0.5 ? h + w * 0.42 : h + 2.6;
    fill(m, rgb(0x382226), x - 0.2, h - 0.1, x + in, top, x + w - in, top, x + w + 0.2, h - 0.1);
    stroke(m, rgb(0x3c2c2e), 0.8, x + w * 0.75, h, x + w * 0.75, h + 3.4);
    int columns = (int) (w / 2);
    for (int k = 0; k < columns; k++) {
      double wx = x + (k + 0.5) * w / columns;
      for (double wy = 3.1; wy + 1.9 < h; wy += 2.7) {
        double on = part(i * 16 + k, (int) wy, seed + 14);
        Color pane = on > 0.62 ? blend(rgb(0xc4742e), rgb(0xfcce7a), on * 2 - 1.1) : rgb(0x282434);
        fill(m, rgb(0x80685c), wx - 0.6, wy - 0.1, wx - 0.6, wy + 1.5, wx + 0.6, wy + 1.5, wx + 0.6, wy - 0.1);
        fill(m, pane, wx - 0.48, wy, wx - 0.48, wy + 1.4, wx - 0.05, wy + 1.4, wx - 0.05, wy);
        fill(m, pane, wx + 0.05, wy, wx + 0.05, wy + 1.4, wx + 0.48, wy + 1.4, wx + 0.48, wy);
      }
    }
  }

  /** A sailing boat, one unit long, with the bow on the right and the water at 0. */
  static void boat(Graphics2D m, Color hull, boolean right, boolean lamp) {
    int warm = blend(hull, rgb(0xf09664), 0.35).getRGB();
    int cold = blend(hull, rgb(0x34304a), 0.55).getRGB();
    fill(m, across(-0.5, right ? warm : cold, 0.5, right ? cold : warm), -0.5, 0.085, -0.46, -0.02, 0.4, -0.02, 0.46,
        0.03, 0.54, 0.118, 0.35, 0.095, 0.1, 0.08, -0.2, 0.08);
    fill(m, rgb(0x2e222a), -0.466, 0.008, -0.46, -0.02, 0.4, -0.02, 0.44, 0.01);
    fill(m, rgb(0x968688), -0.22, 0.078, -0.19, 0.125, 0.1, 0.128, 0.24, 0.087);
    stroke(m, blend(hull, rgb(0xfadcc8), 0.4), 0.006, 0.54, 0.118, 0.35, 0.095, 0.1, 0.08, -0.2, 0.08, -0.5, 0.085);
    for (int i = 0; i < 4; i++) {
      stroke(m, lamp ? rgb(0xf6be68) : rgb(0x282636), 0.016, -0.14 + i * 0.07, 0.102, -0.115 + i * 0.07, 0.102);
    }
    stroke(m, rgb(0x5c4a4c), 0.011, 0.06, 0.1, 0.055, 1.28);
    stroke(m, rgb(0x343a5c), 0.034, 0.03, 0.205, -0.38, 0.192); // the boom, with the sail furled
    stroke(m, rgb(0x423840), 0.0028, 0.53, 0.115, 0.055, 1.24, -0.49, 0.09);
    stroke(m, rgb(0x423840), 0.0028, 0.1, 0.08, 0.13, 0.72, 0.055, 1.2, -0.02, 0.72, 0.02, 0.08);
  }

  /** A wooden jetty that leads from the viewer's feet into the picture, with a lamp at its end. */
  static void jetty(Graphics2D g, int side, int seed) {
    for (double z = 26; z > 3; z -= 0.24) {
      int i = (int) (z * 10);
      double n = z - 0.22;
      double a = SEA + (1.25 * side - EYE) / z;
      double b = SEA + (1.25 * side - EYE) / n;
      double c = SEA + (0.95 * side - EYE) / n;
      double warm = exp((z - 26) * 0.22);
      Color wood = blend(rgb(0x1e181c), blend(rgb(0x745e58), rgb(0xeca056), warm), 0.65 + 0.35 * part(i, 1, seed));
      if (side > 0) {
        fill(g, wood, 2.7 / z, a, 4.9 / z, a, 4.9 / n, b, 2.7 / n, b);
      }
      fill(g, blend(rgb(0x161116), wood, 0.35), 2.7 / n, b, 4.9 / n, b, 4.9 / n, c, 2.7 / n, c);
      fill(g, rgb(0x141014), 2.7 / z, a, 2.7 / n, b, 2.7 / n, c, 2.7 / z, c);
      for (int k = 0; k < 2 && i % 31 < 3 && z < 25; k++) {
        Color lit = blend(rgb(0x865c4c), rgb(0xeca05a), warm);
        Graphics2D m = at(g, 2.6 + 2.4 * k, z, side, 1);
        fill(m, across(-0.16, lit.getRGB(), 0.14, 0x1e181e), -0.15, -0.6, -0.15, 2.1, 0.15, 2.1, 0.15, -0.6);
        m.setColor(blend(lit, rgb(0x5a4646), 0.5));
        m.fill(new Ellipse2D.Double(-0.15, 2.05, 0.3, 0.1));
      }
    }
    stroke(at(g, 4.1, 25.5, side, 1), rgb(0x221c1e), 0.12, 0, 1.2, 0, 4.7);
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Still life: fruit on a linen cloth, by tracing rays.
  // -------------------------------------------------------------------------------------------------------------------

  static final int VASE = 0;
  static final int APPLE = 1;
  static final int PEAR = 2;
  static final int LEMON = 3;
  static final int ORANGE = 4; // from here on they are balls
  static final int GRAPE = 5;
  static final V WINDOW = v(-0.72, 0.60, -0.42).unit(); // the light comes from there
  static final V WINDOW_X = v(-0.42, 0, 0.72).unit();
  static final V WINDOW_Y = WINDOW.cross(WINDOW_X);

  /** A ball around an axis, shaped further according to its kind. */
  record Solid(int kind, int seed, V center, V axis, double radius) {
    /** From a place in the room to one where the radius is 1 and the axis points up. */
    V local(V p) {
      V right = (abs(axis.y) > 0.9 ? v(0, 0, 1) : v(0, 1, 0)).cross(axis).unit();
      return v(p.dot(right), p.dot(axis), p.dot(right.cross(axis))).times(1 / radius);
    }

    /** About the distance to the surface, where the radius is 1; negative inside. */
    double distance(V p) {
      double n = sqrt(p.dot(p));
      double c = p.y / (n + 1e-9);
      double h = p.y + 1.3;
      double profile = mix(mix(mix(0.46, 0.92, smooth(-0.25, 0.95, h)), 0.25, smooth(0.95, 2.05, h)), 0.46,
          smooth(2.05, 2.75, h));
      return switch (kind) {
        case VASE -> max(max((hypot(p.x, p.z) - profile) * 0.75, h - 2.6), -h);
        case APPLE -> (n - 0.96 - 0.035 * c + 0.42 * exp((c - 1) * 8) + 0.2 * exp((-1 - c) * 16)) * 0.8;
        case PEAR -> (n - 0.88 - 0.1 * c * max(0, c) - 0.5 * exp((c - 1) * 12) + 0.1 * exp((c - 1) * 90)) * 0.8;
        case LEMON -> (n - 0.86 - 0.14 * c * c - 0.24 * exp((abs(c) - 1) * 16)) * 0.8;
        default -> n - 1;
      };
    }

    double bound() {
      return radius * (kind == VASE ? 1.7 : kind == PEAR ? 1.5 : kind < ORANGE ? 1.26 : 1);
    }

    /** Distance from o, in direction d, to where the ray enters the solid; limit if not before that. */
    double meet(V o, V d, double limit) {
      V c = center.plus(-1, o);
      double b = c.dot(d);
      double h = b * b - c.dot(c) + bound() * bound();
      if (h < 0 || b < 0) {
        return limit;
      }
      double t = max(b - sqrt(h), 1e-3);
      double gap = kind < ORANGE ? 1 : 0;
      for (int i = 0; i < 110 && t < min(b + sqrt(h), limit) && gap > 0.0008; i++) {
        gap = distance(local(o.plus(t, d).plus(-1, center)));
        t += gap * radius;
      }
      return gap > 0.006 ? limit : min(t, limit);
    }
  }

  static void stillLife(Frame f, int seed) {
    List<Solid> solids = new ArrayList<>();
    double[][] fruit = {{VASE, -1.35, 1.3, 0.55, 1, 0, 1, 0}, {PEAR, 0.15, 0.56, 0.45, 0.62, 0.1, 1, 0.05},
        {PEAR, 2.05, 0.5, 0.55, 0.58, 0.95, 0.22, -0.35}, {APPLE, -0.42, 0.54, -0.75, 0.6, -0.25, 1, -0.38},
        {APPLE, 1.12, 0.52, 0.1, 0.57, 0.35, 0.85, -0.5}, {ORANGE, 0.72, 0.47, -1.15, 0.49, 0.4, 0.8, -0.5},
        {ORANGE, 0.95, 0.49, 1.35, 0.51, -0.4, 0.8, -0.3}, {LEMON, -1.42, 0.36, -1.1, 0.42, 0.9, 0.05, -0.35},
        {LEMON, -2.35, 0.36, -0.25, 0.42, 0.5, 0.1, 0.8}};
    for (double[] s : fruit) {
      solids.add(new Solid((int) s[0], solids.size() + seed, v(s[1], s[2], s[3]), v(s[5], s[6], s[7]).unit(), s[4]));
    }
    V[] grapes = new V[46]; // strewn over a tapering heap, then pushed apart until they touch
    for (int i = 0; i < grapes.length; i++) {
      double k = part(i, 0, seed + 90);
      double wide = 0.46 * (1 - 0.7 * k * k);
      grapes[i] = v(1.66 + 0.80 * k + wide * (part(i, 1, seed + 90) * 2 - 1), 0.1 + (0.75 - 0.55 * k)
          * part(i, 4, seed + 90), -0.75 - 0.75 * k + wide * (part(i, 2, seed + 90) * 2 - 1));
    }
    for (int round = 0; round < 60 * grapes.length; round++) {
      int i = round % grapes.length;
      grapes[i] = v(grapes[i].x, max(0.16, grapes[i].y - 0.004), grapes[i].z);
      for (int j = 0; j < i; j++) {
        V d = grapes[i].plus(-1, grapes[j]);
        double far = sqrt(d.dot(d)) + 1e-9;
        double push = max(0, (0.32 - far) / far * 0.25);
        grapes[i] = grapes[i].plus(push, d);
        grapes[j] = grapes[j].plus(-push, d);
      }
    }
    for (int i = 0; i < grapes.length; i++) {
      double radius = 0.15 + 0.025 * part(i, 3, 9);
      solids.add(new Solid(GRAPE, i, grapes[i], v(part(i, 5, seed) - 0.5, 0.8, 0.1).unit(), radius));
    }
    f.rows(0, (x, y) -> { // two rays for a pixel
      V color = v(0, 0, 0);
      for (double k = -0.25; k < 0.5; k += 0.5) {
        double up = f.v(y + k) / 1.85;
        V ray = v(f.u(x + k) / 1.85, up - 0.175, 1 + 0.175 * up).unit();
        color = color.plus(0.5, see(v(0.1, 2.9, -9), ray, solids, true));
      }
      return color;
    });
  }

  /** The light that comes to o from a direction. */
  static V see(V o, V d, List<Solid> solids, boolean mirrors) {
    double floor = d.y < 0 ? -o.y / d.y : 99;
    double t = min(floor, d.z > 0 ? (7 - o.z) / d.z : 99);
    Solid s = null;
    for (Solid solid : solids) {
      double meet = solid.meet(o, d, t);
      s = meet < t ? solid : s;
      t = meet;
    }
    V p = o.plus(t, d);
    if (s == null) {
      double far = pow(p.x - 3.4, 2) * 0.07 + pow(p.y - 2.6, 2) * 0.10; // from the middle of the light on the wall
      double n = 1 + 0.10 * fbm(p.x * 0.8, p.y * 0.8, 6, 320) + 0.05 * noise(p.x * 6, p.y * 6, 321);
      return t >= 99 ? v(0.05, 0.05, 0.06)
          : t == floor ? table(p, solids) : v(0.150, 0.135, 0.112).times((0.16 + 0.95 * exp(-far)) * n);
    }
    V q = s.local(p.plus(-1, s.center));
    V[] axes = {v(1, 0, 0), v(0, 1, 0), v(0, 0, 1)};
    V n = v(0, 0, 0);
    for (V axis : axes) { // the gradient of distance and pores, along the room's axes
      V beside = s.local(p.plus(0.003, axis).plus(-1, s.center));
      n = n.plus(s.distance(beside) - s.distance(q) - pores(s, beside) + pores(s, q), axis);
    }
    n = n.unit();
    double lit = clamp(s.kind == GRAPE ? (n.dot(WINDOW) + 0.45) / 1.45 : n.dot(WINDOW), 0, 1) * shade(p, solids, s);
    double open = open(p, n, solids, s);
    V light = v(3.1, 2.75, 2.25).times(lit).plus(open * (0.16 + 0.10 * n.y + 0.12 * max(0, -n.x)), v(0.95, 1, 1.15))
        .plus(open * clamp(0.5 - 0.5 * n.y, 0, 1) * exp(-p.y * 0.6) * 0.55, v(0.62, 0.50, 0.38));
    // A glossy surface mirrors the window, and the vase all of the room.
    V r = d.plus(-2 * n.dot(d), n);
    double blur = s.kind == VASE ? 0.012 : 0.10;
    double a = abs(r.dot(WINDOW_X));
    double b = abs(r.dot(WINDOW_Y));
    double pane = r.dot(WINDOW) < 0 || n.dot(WINDOW) < -0.2 ? 0 : smooth(0.008 - blur, 0.008 + blur, min(a, b))
        * smooth(0.17 + blur, 0.17 - blur, a) * smooth(0.26 + blur, 0.26 - blur, b);
    V room = s.kind == VASE && mirrors ? see(p.plus(0.02, n), r, solids, false) : v(0.04, 0.04, 0.044).times(open);
    double gloss = new double[] {1, 0.75, 0.35, 0.5, 0.5, 0.7}[s.kind];
    double fresnel = (0.04 + 0.45 * pow(max(0, 1 + n.dot(d)), 5)) * gloss;
    return skin(s, q).times(light).plus(fresnel, room.plus(pane * (s.kind == VASE ? 26 : 9), v(1, 1, 1)));
  }

  /** How deep the pores of a peel are. */
  static double pores(Solid s, V q) {
    double k = s.kind == ORANGE ? 26 : 19;
    return s.kind != ORANGE && s.kind != LEMON ? 0
        : 0.0055 * (min(0.15, noise3(q, k, s.seed)) + 0.3 * noise3(q, k * 0.3, s.seed + 1));
  }

  static V skin(Solid s, V q) {
    int seed = s.seed + 200;
    double fine = noise3(q, 9, seed);
    double rho = hypot(q.x, q.z) + 0.05;
    double pole = q.y / hypot(rho, q.y);
    double spots = smooth(0.45, 0.65, noise3(q, 30, seed + 3));
    return switch (s.kind) {
      case VASE -> v(0.006, 0.035, 0.075)
          .mix(v(0.022, 0.10, 0.135), 0.5 + 0.5 * noise3(v(q.x, q.y * 0.4, q.z), 3, seed))
          .mix(v(0.22, 0.15, 0.08), smooth(1.15, 1.3, q.y)).times(q.y > 1.29 && rho < 0.4 ? 0.1 : 1 - 0.5 * spots);
      case APPLE -> {
        V along = v(q.x / rho, q.y * 0.13, q.z / rho);
        double streak = 0.55 * noise3(along, 9, seed) + 0.28 * noise3(along, 24, seed) + 0.45 * q.x - 0.25 * q.y;
        yield v(0.52, 0.33, 0.05).mix(v(0.34, 0.016, 0.016), smooth(-0.55, 0.45, streak + 0.2 * fine + 0.3))
            .mix(v(0.55, 0.43, 0.31), 0.35 * spots).mix(v(0.30, 0.22, 0.14), 0.7 * smooth(0.80, 0.97, pole));
      }
      case PEAR -> v(0.31, 0.29, 0.055).mix(v(0.47, 0.13, 0.055), smooth(0.0, 1.0, 0.7 * q.x + 0.4 * fine))
          .mix(v(0.1, 0.05, 0.02), 0.45 * spots + 0.3 * smooth(0, 0.8, noise3(q, 5, seed)));
      case LEMON, ORANGE -> (s.kind == ORANGE ? v(0.64, 0.17, 0.012) : v(0.60, 0.37, 0.028))
          .plus(0.04 * fine + 4 * pores(s, q), v(1, 0.8, 0))
          .mix(v(0.16, 0.16, 0.06), smooth(0.985, 1.0, abs(pole) + 0.012 * fine));
      default -> v(0.022 + 0.045 * part(s.seed, 3, 5), 0.006, 0.020)
          .mix(v(0.13, 0.11, 0.17), 0.38 * smooth(-0.4, 0.7, noise3(q, 2.5, seed) + 0.4 * noise3(q, 6, seed)));
    };
  }

  /** Worn boards, and over them a linen cloth with folds. */
  static V table(V p, List<Solid> solids) {
    double x = p.x;
    double z = p.z;
    double hem = x + 1.55 - 0.22 * sin(z * 1.3) - 0.12 * noise(z * 1.7, 2, 301) - 0.25 * z;
    double cloth = smooth(-0.012, 0.012, hem);
    double weave = sin(x * 260 + 3 * noise(x * 9, z * 60, 302)) + sin(z * 260 + 3 * noise(x * 60, z * 9, 303))
        + 1.6 * (noise(x * 6, z * 130, 304) + noise(x * 130, z * 6, 305));
    double board = z * 1.15 + 50.35;
    int plank = cell(board);
    double grain = (0.62 + 0.28 * fbm(x * 1.3 + plank * 17, z * 26, 5, 306)
        + 0.14 * sin(26 * noise(x * 0.25 + plank * 5.3, z * 2.2, 307)))
        * smooth(0.0, 0.02, min(board - plank, 1 - board + plank));
    V color = v(0.21, 0.115, 0.060).times(max(0.05, grain) * mix(0.45, 1, smooth(0, -0.14, hem))).mix(v(1.0, 0.93, 0.80)
        .times(0.46 + 0.025 * weave * clamp(1.6 - abs(z + 0.9) * 0.35, 0, 1)), cloth);
    double far = exp(-(pow(x + 0.5, 2) + pow(z + 0.4, 2)) * 0.022);
    V normal = normal(folds(x, z), folds(x + 0.012, z), folds(x, z + 0.012), 0.012);
    double lit = shade(p, solids, null) * far * max(0, mix(WINDOW.y, normal.dot(WINDOW), cloth));
    return color.times(v(3.1, 2.75, 2.25).times(lit)
        .plus(open(p, v(0, 1, 0), solids, null) * (0.4 + 0.6 * far), v(0.20, 0.22, 0.24)));
  }

  static double folds(double x, double z) {
    return 0.02 * noise(x * 4, z * 4, 312) - 0.42 * hypot(0.055, noise(x * 0.55 + 0.35 * z + 4, z * 0.5 - 0.3 * x, 310))
        - 0.22 * hypot(0.055, noise(x * 0.9 - 0.5 * z, z * 0.35 + x * 0.5 + 7, 311));
  }

  /** How much of the window's light arrives past the solids, taken as balls. It is wide, so shadows are soft. */
  static double shade(V p, List<Solid> solids, Solid self) {
    double light = 1;
    for (Solid s : solids) {
      V c = s.center.plus(-1, p);
      double b = c.dot(WINDOW);
      double away = sqrt(max(0, c.dot(c) - b * b));
      light *= s == self || b <= 0 ? 1 : smooth(-1, 1, (away - 0.92 * s.radius) / (0.16 * max(b, 0.01)));
    }
    return light;
  }

  /** How much of the room a point sees past the things around it. */
  static double open(V p, V n, List<Solid> solids, Solid self) {
    double open = self == null ? 1 : clamp(0.45 + p.y * 0.8 + 0.5 * n.y, 0.25, 1);
    for (Solid s : solids) {
      V c = s.center.plus(-1, p);
      double k = s.radius * s.radius / c.dot(c);
      open *= s == self || k < 1 / 9.0 ? 1
          : 1 - clamp(c.dot(n) / sqrt(c.dot(c)) * 0.8 + 0.2, 0, 1) * (min(1, k) - 1 / 9.0);
    }
    return open;
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Drawing, the camera, and arithmetic.
  // -------------------------------------------------------------------------------------------------------------------

  static int[] pixels(BufferedImage image) {
    return ((DataBufferInt) image.getRaster().getDataBuffer()).getData();
  }

  static Path2D line(double... xy) {
    Path2D p = new Path2D.Double();
    p.moveTo(xy[0], xy[1]);
    for (int i = 2; i < xy.length; i += 2) {
      p.lineTo(xy[i], xy[i + 1]);
    }
    return p;
  }

  static void fill(Graphics2D g, Paint paint, double... xy) {
    g.setPaint(paint);
    g.fill(line(xy));
  }

  static void stroke(Graphics2D g, Color color, double width, double... xy) {
    g.setColor(color);
    g.setStroke(new BasicStroke((float) width, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND));
    g.draw(line(xy));
  }

  /** Gradients along x, and along y. */
  static Paint across(double from, int a, double to, int b) {
    return new GradientPaint((float) from, 0, rgb(a), (float) to, 0, rgb(b));
  }

  static Paint upwards(double from, int a, double to, int b) {
    return new GradientPaint(0, (float) from, rgb(a), 0, (float) to, rgb(b));
  }

  static Color rgb(int rgb) {
    return new Color(rgb);
  }

  static Color blend(Color a, Color b, double mix) {
    double t = clamp(mix, 0, 1);
    return new Color((int) mix(a.getRed(), b.getRed(), t), (int) mix(a.getGreen(), b.getGreen(), t),
        (int) mix(a.getBlue(), b.getBlue(), t));
  }

  static final double[] LINEAR = IntStream.range(0, 256).mapToDouble(i -> i / 255.0)
      .map(s -> s <= 0.04045 ? s / 12.92 : pow((s + 0.055) / 1.055, 2.4)).toArray(); // IEC 61966-2-1

  /** What the sensor and the camera's processor make of the light: noise, lens softness, tone. */
  static BufferedImage develop(Frame f, int seed, double grain) {
    // Square root of light, so that dark tones have enough entries; a filmic curve, then sRGB.
    byte[] curve = new byte[4096];
    for (int i = 0; i < curve.length; i++) {
      double x = i / 4095.0 * 3 * i / 4095.0 * 3;
      double y = clamp(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0, 1);
      curve[i] = (byte) round(255 * (y <= 0.0031308 ? y * 12.92 : 1.055 * pow(y, 1 / 2.4) - 0.055));
    }
    int w = f.width;
    float[] raw = f.rgb;
    IntStream.range(0, f.height).parallel().forEach(y -> {
      for (int x = 0, i = y * w * 3; x < w; x++, i += 3) {
        int a = hash(x, y, seed + 1001);
        int b = hash(x, y, seed + 1002);
        double luma = (a & 255) + (a >>> 8 & 255) + (a >>> 16 & 255) + (a >>> 24) - 510;
        double[] noise = {luma + (b >>> 16 & 255) + (b >>> 24) - 255, luma,
            luma + 1.4 * ((b & 255) + (b >>> 8 & 255) - 255)};
        for (int c = 0; c < 3; c++) { // shot noise grows with the light, read noise does not
          raw[i + c] += (float) (noise[c] * grain * sqrt(0.0004 + 0.02 * raw[i + c]));
        }
      }
    });
    BufferedImage image = new BufferedImage(w, f.height, BufferedImage.TYPE_INT_RGB);
    int[] pixels = pixels(image);
    IntStream.range(0, f.height).parallel().forEach(y -> {
      int up = (y == 0 ? 0 : -3) * w;
      int down = (y == f.height - 1 ? 0 : 3) * w;
      for (int x = 0; x < w; x++) {
        int left = x == 0 ? 0 : -3;
        int right = x == w - 1 ? 0 : 3;
        double off = f.u(x) * f.u(x) + f.v(y) * f.v(y);
        double vignette = 1 / (1 + 0.35 * off + 0.2 * off * off);
        for (int i = (y * w + x) * 3, end = i + 3; i < end; i++) {
          double s = 0.48 * raw[i] + 0.09 * (raw[i + left] + raw[i + right] + raw[i + up] + raw[i + down])
              + 0.04 * (raw[i + up + left] + raw[i + up + right] + raw[i + down + left] + raw[i + down + right]);
          int tone = curve[(int) min(4095, sqrt(max(0, s * vignette)) * 1365)] & 255;
          pixels[y * w + x] = pixels[y * w + x] << 8 | tone;
        }
      }
    });
    return image;
  }

  /** Turns a picture a quarter to the left, as a camera held upright stores it. */
  static BufferedImage turned(BufferedImage upright) {
    BufferedImage image = new BufferedImage(upright.getHeight(), upright.getWidth(), BufferedImage.TYPE_INT_RGB);
    for (int y = 0; y < image.getHeight(); y++) {
      for (int x = 0; x < image.getWidth(); x++) {
        image.setRGB(x, y, upright.getRGB(upright.getWidth() - 1 - y, x));
      }
    }
    return image;
  }

  static double mix(double a, double b, double t) {
    return a + (b - a) * t;
  }

  /** 0 where x is at from, 1 where it is at to, smooth in between. */
  static double smooth(double from, double to, double x) {
    double t = clamp((x - from) / (to - from), 0, 1);
    return t * t * (3 - 2 * t);
  }

  static int cell(double x) {
    return (int) floor(x);
  }

  /** A hill in the middle, 1 high and about as wide. */
  static double bump(double x, double width) {
    return exp(-x * x / (width * width));
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

  /** Gradient noise (K. Perlin), about -1 to 1. */
  static double noise(double x, double y, int seed) {
    int ix = cell(x);
    int iy = cell(y);
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

  static double gradient(int h, double x, double y) {
    return ((h & 0xffff) * (1 / 32768.0) - 1) * x + ((h >>> 16) * (1 / 32768.0) - 1) * y;
  }

  /** Noise in space: two slices of noise in the plane, drifting so that nothing is drawn out. */
  static double noise3(V p, double scale, int seed) {
    int slice = cell(p.z * scale);
    double f = p.z * scale - slice;
    double x = p.x * scale + 0.37 * f;
    double y = p.y * scale - 0.29 * f;
    double next = noise(x - 0.37, y + 0.29, seed + (slice + 1) * 7919);
    return mix(noise(x, y, seed + slice * 7919), next, f * f * (3 - 2 * f)) * 1.15;
  }

  /** Octaves of noise, each turned and half as strong as the one before. */
  static double fbm(double x, double y, int octaves, int seed) {
    double sum = 0;
    double a = 0.7;
    for (int i = 0; i < octaves; i++, a *= 0.5) {
      sum += a * noise(x, y, seed + i * 131);
      double t = 1.62 * x + 1.18 * y;
      y = 1.62 * y - 1.18 * x;
      x = t;
    }
    return sum;
  }

  /** Octaves of ridges: each is rough only where the one before is high, as on real mountains. */
  static double ridges(double x, double y, int octaves, int seed) {
    double sum = 0;
    double a = 0.6;
    double weight = 1;
    for (int i = 0; i < octaves; i++, a *= 0.47) {
      double n = 1 - abs(noise(x, y, seed + i * 131)) * 1.25;
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
