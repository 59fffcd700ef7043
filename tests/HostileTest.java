// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.*;

import java.awt.color.*;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.ByteOrder;
import java.util.*;
import java.util.concurrent.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.parallel.Isolated;

@Isolated("it measures memory, and uses two cores itself")
@DisplayName("Hostile input: JPEGs damaged in every way")
class HostileTest {
  private static final int MUTANTS = 10_500;
  private static final int THREADS = 2;
  private static final int TIME = 20; // seconds for one; it takes less than a millisecond
  private static final long GROWTH = 4 << 20; // bytes

  private static final List<String> WHOLE = List.of("whole", "HDR");
  private static final List<byte[]> SOURCES = assertDoesNotThrow(HostileTest::sources);

  /** Runs mutants again, by the numbers that failures name. */
  public static void main(String[] seeds) {
    for (String seed : seeds) { System.out.println(seed + ": " + outcome(mutant(Long.parseLong(seed)))); }
  }

  private static List<byte[]> sources() throws IOException {
    List<byte[]> sources = new ArrayList<>(Jpegs.kinds(33, 17).values());
    sources.addAll(HdrTest.forms().values());
    byte[] plain = Pictures.jpeg(Pictures.picture(64, 48, BufferedImage.TYPE_INT_RGB, 1), 0.8f);
    byte[] profile = ICC_Profile.getInstance(ColorSpace.CS_sRGB).getData();
    sources.addAll(List.of(plain, Jpegs.with(plain, Jpegs.exif(ByteOrder.BIG_ENDIAN, 8)),
        Jpegs.with(Jpegs.with(plain, Jpegs.icc(profile, 1_000)), Jpegs.exif(ByteOrder.LITTLE_ENDIAN, 6))));
    return sources;
  }

  /** The JPEG of this number: always the same one, with one to three things done to it. */
  private static byte[] mutant(long seed) {
    Random random = new Random(seed);
    byte[] jpeg = SOURCES.get(random.nextInt(SOURCES.size())).clone();
    for (int i = random.nextInt(3); i >= 0; i--) {
      try {
        jpeg = mutated(jpeg, random);
      } catch (IllegalArgumentException e) {
        continue; // its segments cannot be told apart any more
      }
    }
    return jpeg;
  }

  private static byte[] mutated(byte[] jpeg, Random random) {
    int length = jpeg.length;
    if (length < 8) { return jpeg; }
    int at = random.nextInt(length);
    int to = Math.min(length, at + 1 + random.nextInt(1 << random.nextInt(10)));
    int any = random.nextInt(256);
    int extreme = new int[] {0, 1, 2, 3, 4, 0x10, 0x11, 0x7F, 0x80, 0xF0, 0xFE, 0xFF, any, any}[random.nextInt(14)];
    return switch (random.nextInt(15)) {
      case 0 -> { // bits, anywhere or in the head
        int reach = random.nextBoolean() ? length : Math.min(length, 200);
        for (int i = random.nextInt(8); i >= 0; i--) { jpeg[random.nextInt(reach)] ^= (byte) (1 << random.nextInt(8)); }
        yield jpeg;
      }
      case 1 -> Jpegs.patched(jpeg, random.nextInt(Jpegs.scanData(jpeg)), extreme); // a byte of the header
      case 2 -> Jpegs.spliced(jpeg, at, to); // bytes cut out
      case 3 -> Jpegs.spliced(jpeg, at, at, Arrays.copyOfRange(jpeg, at, to)); // bytes repeated
      case 4 -> Arrays.copyOf(jpeg, at); // the end cut off
      case 5 -> Jpegs.join(Arrays.copyOf(jpeg, at), new byte[length - at]); // or overwritten
      case 6 -> Jpegs.spliced(jpeg, at, random.nextBoolean() ? at : to, (byte) -1, (byte) any); // a marker anywhere
      case 7 -> { // the end of another image
        byte[] other = SOURCES.get(random.nextInt(SOURCES.size()));
        byte[] end = Arrays.copyOfRange(other, random.nextInt(other.length), other.length);
        yield Jpegs.join(Arrays.copyOf(jpeg, at), end);
      }
      default -> {
        List<Jpegs.Segment> segments = Jpegs.segments(jpeg);
        Jpegs.Segment segment = segments.get(random.nextInt(segments.size()));
        Jpegs.Segment place = segments.get(random.nextInt(segments.size()));
        yield mutated(jpeg, segment, place, extreme, random);
      }
    };
  }

  private static byte[] mutated(byte[] jpeg, Jpegs.Segment segment, Jpegs.Segment place, int extreme, Random random) {
    return switch (random.nextInt(7)) {
      case 0 -> Jpegs.spliced(jpeg, segment.from(), segment.to()); // a segment missing
      case 1 -> Jpegs.spliced(jpeg, place.from(), place.from(), segment.of(jpeg)); // once more, elsewhere
      case 2 -> { // another length
        int length = Jpegs.u16(jpeg, segment.from() + 2) + random.nextInt(9) - 4;
        yield Jpegs.patched(jpeg, segment.from() + 2, random.nextBoolean() ? extreme : length >> 8, length);
      }
      case 3 -> { // another marker
        int marker = random.nextBoolean() ? place.marker() : 0xC0 + random.nextInt(64);
        yield Jpegs.patched(jpeg, segment.from() + 1, marker);
      }
      case 4 -> { // another byte in the segment, near its start, where its counts are
        int reach = Math.min(segment.to() - segment.from(), 4 + (1 << random.nextInt(8)));
        int from = segment.from() + Math.min(4, reach - 1);
        yield Jpegs.patched(jpeg, from + random.nextInt(Math.max(1, reach - 4)), extreme);
      }
      case 5 -> { // another size in pixels
        int[] sizes = {0, 1, 7, 8, 9, 16, 17, 1 + random.nextInt(100), random.nextInt(65_536), 65_500, 65_501, 65_535};
        yield Jpegs.resized(jpeg, sizes[random.nextInt(sizes.length)], sizes[random.nextInt(sizes.length)]);
      }
      default -> { // a restart interval
        byte[] interval = Jpegs.segment(0xDD, Jpegs.bytes(random.nextInt(2), extreme));
        yield Jpegs.spliced(jpeg, place.from(), place.from(), interval);
      }
    };
  }

  /** What became of a JPEG. */
  private static String outcome(byte[] jpeg) {
    Random random = new Random(Arrays.hashCode(jpeg)); // always the same settings
    boolean smallest = random.nextInt(8) == 0;
    boolean keep = random.nextBoolean();
    return OutcomesTest.outcome(jpeg, Program.settings(30, Compress.Engine.auto, smallest, keep));
  }

  @Test
  @DisplayName("10,500 mutants each become a whole JPEG of their size, its gain map whole, or a clear error, in "
      + "bounded time and memory; what they are mutants of is sound")
  void mutants() throws Exception {
    SOURCES.forEach(source -> assertTrue(WHOLE.contains(outcome(source)), outcome(source)));
    List<String> wrong = new ArrayList<>();
    Map<String, Integer> counts = new TreeMap<>(); // of outcomes
    long before = 0; // used memory once all is loaded and compiled
    ExecutorService pool = Executors.newFixedThreadPool(THREADS);
    Deque<Future<String>> results = new ArrayDeque<>();
    for (int seed = 0; seed < MUTANTS; seed++) {
      long number = seed;
      results.add(pool.submit(() -> outcome(mutant(number))));
    }
    for (int seed = 0; seed < MUTANTS; seed++) {
      before = seed == MUTANTS / 4 ? usedMemory() : before;
      String outcome = assertDoesNotThrow(() -> results.remove().get(TIME, TimeUnit.SECONDS), "mutant " + seed);
      if (!outcome.matches("whole|HDR|refused: .*|large")) { wrong.add(seed + ": " + outcome); }
      counts.merge(outcome.split(":")[0], 1, Integer::sum);
    }
    pool.shutdown();
    assertEquals("", String.join("\n", wrong));
    assertTrue(counts.get("whole") > MUTANTS / 10 && counts.get("HDR") > MUTANTS / 100
        && counts.get("refused") > MUTANTS / 2, counts.toString());
    long growth = usedMemory() - before;
    assertTrue(growth < GROWTH, "memory grew by " + growth + " bytes");
  }

  private static long usedMemory() {
    System.gc();
    return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
  }
}
