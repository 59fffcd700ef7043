// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.color.ColorSpace;
import java.awt.color.ICC_Profile;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Isolated("it measures memory, and uses two cores itself")
@DisplayName("Hostile input: JPEGs damaged in every way")
class HostileTest {
  private static final int MUTANTS = 10_500; // for each engine
  private static final int THREADS = 2;
  private static final long MEMORY = 24 << 20; // bytes: what would take more is left out, for the time's sake
  private static final long TIME = 20_000_000_000L; // nanoseconds for one; it takes less than a millisecond
  private static final long GROWTH = 4 << 20; // bytes

  private static final List<byte[]> SOURCES = sources();

  /** Runs mutants again, by the numbers that failures name. */
  public static void main(String[] seeds) throws Exception {
    for (String seed : seeds) {
      for (Compress.Engine engine : Compress.Engine.values()) {
        System.out.println(seed + ", engine " + engine + ": " + outcome(mutant(Long.parseLong(seed)), engine));
      }
    }
  }

  private static List<byte[]> sources() {
    try {
      BufferedImage picture = Pictures.picture(64, 48, BufferedImage.TYPE_INT_RGB, 1);
      BufferedImage small = Pictures.picture(33, 17, BufferedImage.TYPE_INT_RGB, 2);
      BufferedImage grey = Pictures.picture(40, 40, BufferedImage.TYPE_BYTE_GRAY, 3);
      byte[] plain = Pictures.jpeg(picture, 0.8f);
      List<byte[]> sources = new ArrayList<>(List.of(plain, Pictures.jpeg(small, 0.9f), Pictures.jpeg(grey, 0.8f),
          Pictures.jpeg(picture, 0.8f, true), Pictures.jpeg(grey, 0.8f, true)));
      for (String sampling : List.of("221111", "211111", "121111", "111111", "411111", "11")) {
        sources.add(Jpegs.encode(small, Jpegs.Form.of(sampling)));
        sources.add(Jpegs.encode(small, Jpegs.Form.of(sampling).withRestart(2)));
      }
      sources.add(Jpegs.encode(small, Jpegs.Form.of("221111").inScans()));
      sources.add(Jpegs.encode(33, Jpegs.rgb(small), Jpegs.Form.of("111111").withHead(Jpegs.adobe(0))));
      sources.add(Jpegs.encode(small, Jpegs.Form.of("11111111").withHead(Jpegs.adobe(2))));
      byte[] profile = ICC_Profile.getInstance(ColorSpace.CS_sRGB).getData();
      sources.add(Jpegs.with(Jpegs.with(plain, Jpegs.icc(profile, 1_000).toArray(byte[][]::new)),
          Jpegs.exif(ByteOrder.LITTLE_ENDIAN, 6, new byte[0])));
      sources.add(Jpegs.with(plain, Jpegs.exif(ByteOrder.BIG_ENDIAN, 8, new byte[0])));
      return sources;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** The JPEG of this number: always the same one, with one to three things done to it. */
  static byte[] mutant(long seed) {
    Random random = new Random(seed);
    byte[] jpeg = SOURCES.get(random.nextInt(SOURCES.size())).clone();
    for (int i = random.nextInt(3); i >= 0; i--) {
      try {
        jpeg = mutated(jpeg, random);
      } catch (IOException e) {
        continue; // its segments cannot be told apart any more
      }
    }
    return jpeg;
  }

  static byte[] mutated(byte[] jpeg, Random random) throws IOException {
    int length = jpeg.length;
    if (length < 8) {
      return jpeg;
    }
    int at = random.nextInt(length);
    int to = Math.min(length, at + 1 + random.nextInt(1 << random.nextInt(10)));
    int any = random.nextInt(256);
    int extreme = new int[] {0, 1, 2, 3, 4, 0x10, 0x11, 0x7F, 0x80, 0xF0, 0xFE, 0xFF, any, any}[random.nextInt(14)];
    switch (random.nextInt(14)) {
      case 0: // bits, anywhere
        for (int i = random.nextInt(8); i >= 0; i--) {
          jpeg[random.nextInt(length)] ^= (byte) (1 << random.nextInt(8));
        }
        return jpeg;
      case 1: // a byte of the header
        return Jpegs.patched(jpeg, random.nextInt(Jpegs.scanData(jpeg)), extreme);
      case 2: // bytes cut out
        return Jpegs.spliced(jpeg, at, to);
      case 3: // bytes repeated
        return Jpegs.spliced(jpeg, at, at, Arrays.copyOfRange(jpeg, at, to));
      case 4: // the end cut off, or a part of it overwritten
        byte[] start = Arrays.copyOf(jpeg, at);
        return random.nextBoolean() ? start : Jpegs.join(start, new byte[length - at]);
      case 5: // a marker anywhere
        return Jpegs.spliced(jpeg, at, random.nextBoolean() ? at : Math.min(length, at + 2), (byte) -1, (byte) any);
      case 6: // the end of another image
        byte[] other = SOURCES.get(random.nextInt(SOURCES.size()));
        byte[] end = Arrays.copyOfRange(other, random.nextInt(other.length), other.length);
        return Jpegs.join(Arrays.copyOf(jpeg, at), end);
      default:
        List<Jpegs.Segment> segments = Jpegs.segments(jpeg);
        Jpegs.Segment segment = segments.get(random.nextInt(segments.size()));
        Jpegs.Segment place = segments.get(random.nextInt(segments.size()));
        return mutated(jpeg, segment, place, extreme, random);
    }
  }

  private static byte[] mutated(byte[] jpeg, Jpegs.Segment segment, Jpegs.Segment place, int extreme, Random random)
      throws IOException {
    switch (random.nextInt(7)) {
      case 0: // a segment missing
        return Jpegs.spliced(jpeg, segment.from(), segment.to());
      case 1: // a segment once more, elsewhere
        return Jpegs.spliced(jpeg, place.from(), place.from(), segment.of(jpeg));
      case 2: // another length
        int length = Jpegs.u16(jpeg, segment.from() + 2) + random.nextInt(9) - 4;
        return Jpegs.patched(jpeg, segment.from() + 2, random.nextBoolean() ? extreme : length >> 8, length);
      case 3: // another marker
        int marker = random.nextBoolean() ? place.marker() : 0xC0 + random.nextInt(64);
        return Jpegs.patched(jpeg, segment.from() + 1, marker);
      case 4: // another byte in the segment, near its start, where its counts are
        int reach = Math.min(segment.to() - segment.from(), 4 + (1 << random.nextInt(8)));
        int from = segment.from() + Math.min(4, reach - 1);
        return Jpegs.patched(jpeg, from + random.nextInt(Math.max(1, reach - 4)), extreme);
      case 5: // another size in pixels
        int[] sizes = {0, 1, 7, 8, 9, 16, 17, 1 + random.nextInt(100), random.nextInt(65_536), 65_500, 65_501, 65_535};
        return Jpegs.resized(jpeg, sizes[random.nextInt(sizes.length)], sizes[random.nextInt(sizes.length)]);
      default: // a restart interval
        byte[] interval = Jpegs.segment(0xDD, Jpegs.bytes(random.nextInt(2), extreme));
        return Jpegs.spliced(jpeg, place.from(), place.from(), interval);
    }
  }

  /** What became of a JPEG: "whole", "refused: " with the reason, "large", or what must not be. */
  private static String outcome(byte[] jpeg, Compress.Engine engine) {
    try {
      JpegHeader header = JpegHeader.read(jpeg);
      Recompressor.Settings settings = new Recompressor.Settings(30, engine, false, false);
      if (Recompressor.memory(header, jpeg.length, settings) > MEMORY) {
        return "large";
      }
      byte[] copy = Recompressor.recompress(jpeg, settings).bytes();
      BufferedImage picture = Pictures.decode(copy);
      boolean sizeIsRight = picture.getWidth() == header.width && picture.getHeight() == header.height;
      return sizeIsRight ? "whole" : "a copy of another size";
    } catch (JpegException e) {
      boolean clear = e.getMessage().matches("(empty file|not a JPEG|(truncated|corrupt|not supported|it needs).+)");
      return clear && !e.getMessage().matches(".*(null|Exception|java).*") ? "refused: " + e.getMessage()
          : "an unclear message: " + e.getMessage();
    } catch (Throwable e) {
      StackTraceElement[] trace = e.getStackTrace();
      return e + (trace.length == 0 ? "" : " at " + trace[0]);
    }
  }

  @ParameterizedTest(name = "engine {0}")
  @EnumSource
  @DisplayName("10,500 mutants each become a whole JPEG of their size or a clear error, in bounded time and memory")
  void mutants(Compress.Engine engine) throws Exception {
    AtomicInteger next = new AtomicInteger();
    AtomicInteger whole = new AtomicInteger();
    AtomicInteger refused = new AtomicInteger();
    Queue<String> wrong = new ConcurrentLinkedQueue<>();
    long[] started = new long[THREADS];
    int[] seeds = new int[THREADS];
    List<Thread> threads = new ArrayList<>();
    for (int t = 0; t < THREADS; t++) {
      int worker = t;
      threads.add(Thread.ofPlatform().daemon().start(() -> {
        for (int seed = next.getAndIncrement(); seed < MUTANTS; seed = next.getAndIncrement()) {
          synchronized (started) {
            seeds[worker] = seed;
            started[worker] = System.nanoTime();
          }
          byte[] jpeg = mutant(seed);
          String outcome = outcome(jpeg, engine);
          if (outcome.equals("whole") && !outcome(jpeg, Compress.Engine.auto).equals("whole")) {
            wrong.add(seed + ": overlooks what the other engine refuses");
          } else if (outcome.equals("whole")) {
            whole.incrementAndGet();
          } else if (outcome.startsWith("refused: ") || outcome.equals("large")) {
            refused.incrementAndGet();
          } else {
            wrong.add(seed + ": " + outcome);
          }
        }
      }));
    }
    long before = 0; // used memory once all is loaded and compiled
    for (int t = 0; t < THREADS; t++) {
      while (!threads.get(t).join(Duration.ofMillis(100))) {
        if (before == 0 && next.get() > MUTANTS / 4) {
          before = usedMemory();
        }
        synchronized (started) {
          assertTrue(System.nanoTime() - started[t] < TIME, "hangs: " + seeds[t]);
        }
      }
    }
    assertEquals(0, wrong.size(), () -> "\n" + String.join("\n", wrong) + "\n");
    assertEquals(MUTANTS, whole.get() + refused.get());
    assertTrue(whole.get() > MUTANTS / 10 && refused.get() > MUTANTS / 4, whole + " whole, " + refused + " refused");
    long growth = usedMemory() - before;
    assertTrue(before == 0 || growth < GROWTH, "memory grew by " + growth + " bytes");
  }

  private static long usedMemory() {
    System.gc();
    return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
  }

  @Test
  @DisplayName("what they are mutants of is sound")
  void soundSources() {
    for (byte[] source : SOURCES) {
      for (Compress.Engine engine : Compress.Engine.values()) {
        assertEquals("whole", outcome(source, engine));
      }
    }
  }
}
