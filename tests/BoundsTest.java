// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.awt.image.BufferedImage;
import java.awt.image.DataBufferByte;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("Bounds: memory and time, however many and however large the images are")
class BoundsTest {
  private static final Path STATUS = Path.of("/proc/self/status");

  @TempDir Path folder;

  /** Compress, which at its end says how much memory it had at most. */
  static final class Peak {
    public static void main(String[] arguments) {
      Runtime.getRuntime().addShutdownHook(new Thread(() -> {
        try {
          System.out.println(Files.readString(STATUS));
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      }));
      Compress.main(arguments);
    }
  }

  private Program.Result run(List<String> javaOptions, String... arguments) throws Exception {
    List<String> command = Program.java(javaOptions, arguments);
    if (Files.exists(STATUS)) { command.set(command.indexOf("Compress"), Peak.class.getName()); }
    return Program.run(folder, "", command);
  }

  /** The most memory that a run had, in megabytes. */
  private static long peak(Program.Result run) {
    Matcher matcher = Pattern.compile("VmHWM:\\s+(\\d+) kB").matcher(run.out());
    assumeTrue(matcher.find(), "no /proc here");
    return Long.parseLong(matcher.group(1)) / 1_000;
  }

  /** So many names of one file. */
  private void images(int count, byte[] jpeg) throws IOException {
    Path image = Files.write(folder.resolve("image"), jpeg);
    Files.createDirectories(folder.resolve("IMAGES"));
    for (int i = 0; i < count; i++) { Files.createLink(folder.resolve("IMAGES/image" + i + ".jpg"), image); }
  }

  /** A JPEG of nothing but noise: as large in bytes as a JPEG of its size in pixels gets. */
  private static byte[] noise(int width, int height) throws IOException {
    BufferedImage picture = new BufferedImage(width, height, BufferedImage.TYPE_3BYTE_BGR);
    new Random(1).nextBytes(((DataBufferByte) picture.getRaster().getDataBuffer()).getData());
    return Pictures.jpeg(picture, 0.97f);
  }

  @Test
  @DisplayName("images that together need more memory than there is wait for each other")
  void waitForEachOther() throws Exception {
    images(8, noise(1_600, 1_200));
    // Platform threads: virtual ones take turns on the cores.
    run(List.of("-Xmx40m"), "-t", "8", "-m", "platform").expect(0, "8 images, ");
    assertEquals(8, Program.files(folder.resolve("COMPRESSED_IMAGES")).size());
    run(List.of("-Xmx48m"), "-t", "8", "-m", "platform", "--lossless").expect(0, "8 images, ");
    Files.write(folder.resolve("image"), Pictures.jpeg(Pictures.smooth(3_000, 3_000), 0.9f)); // all of them: few bytes
    run(List.of("-Xmx48m"), "-t", "8", "-m", "platform", "--lossless", "IMAGES", "Few").expect(0, "8 images, ");
  }

  @Test
  @DisplayName("so do images with much in their heads: previews, makers' notes")
  void largeHeads() throws Exception {
    byte[] jpeg = Pictures.jpeg(Pictures.smooth(100, 100), 0.9f);
    byte[][] notes = new byte[190][];
    Arrays.fill(notes, Jpegs.segment(0xE4, new byte[65_000]));
    images(16, Jpegs.with(jpeg, notes));
    run(List.of("-Xmx128m"), "-t", "16", "-m", "platform").expect(0, "16 images, ");
  }

  @Test
  @DisplayName("one that never fits fails with what it needs and what to do; doing that is enough")
  void neverFits() throws Exception {
    images(1, noise(2_600, 4_020)); // needs just less than 128 MB of heap: the harder case for the advice
    Program.Result run = run(List.of("-Xmx64m")).expect(1, "");
    Matcher advice = Pattern.compile("image0\\.jpg failed: it needs (\\S+) MB of memory, .* jbang -R-Xmx(\\d+)m ")
        .matcher(run.messages("ERROR").getFirst());
    assertTrue(advice.find(), run.err());
    double share = Double.parseDouble(advice.group(1)) / Integer.parseInt(advice.group(2));
    assertTrue(share > 0.3 && share <= 0.6, advice.group()); // the rest is for garbage, and what else there is
    run(List.of("-Xmx" + advice.group(2) + "m")).expect(0, "1 image, ");
  }

  @Test
  @DisplayName("a file of 100 kB that declares 65,500 x 65,500 pixels fails at once, and takes no memory")
  void declaredSize() throws Exception {
    BufferedImage picture = Pictures.picture(640, 480, BufferedImage.TYPE_INT_RGB, 1);
    images(2, Pictures.jpeg(picture, 0.95f));
    long usual = peak(run(List.of()));
    for (boolean progressive : new boolean[] {false, true}) {
      for (int size : new int[] {20_000, 40_000, 65_500}) {
        byte[] bomb = Jpegs.resized(Pictures.jpeg(picture, 0.95f, progressive), size, size);
        Files.write(folder.resolve("IMAGES/bomb " + size + progressive + ".jpg"), bomb);
      }
    }
    long start = System.nanoTime();
    Program.Result run = run(List.of()).expect(1, "8 images (2 compressed, 0 kept, 0 skipped, 6 failed), ");
    assertTrue(System.nanoTime() - start < 20_000_000_000L, "takes its time");
    for (String error : run.messages("ERROR")) {
      assertTrue(error.matches(".*bomb \\w+\\.jpg failed: (truncated|it needs).*"), error);
    }
    assertTrue(peak(run) < usual + 40, peak(run) + " MB, without them " + usual + " MB");
  }

  @Test
  @DisplayName("1,000 tiny images pass in 14 MB of heap")
  void manyTinyImages() throws Exception {
    images(1_000, Pictures.jpeg(Pictures.smooth(100, 100), 0.9f));
    Program.Result run = run(List.of("-Xmx14m")).expect(0, "1000 images, ");
    assertTrue(peak(run) < 180, peak(run) + " MB");
  }

  @Test
  @DisplayName("10,000 images pass in 11 MB of heap: what a run keeps of each is little, and not its thread")
  void manyImages() throws Exception {
    images(10_000, new byte[0]); // all fail at once: what is left to do is to run threads
    Program.Result run = run(List.of("-Xmx11m"), "--quiet")
        .expect(1, "10000 images (0 compressed, 0 kept, 0 skipped, 10000 failed), ");
    assertFalse(run.err().contains("images failed:"), "a list of them, though the log has nothing else");
  }

  @Test
  @DisplayName("a system that refuses so many threads: the run stops and says so; what it wrote is whole")
  void threadsRefused() throws Exception {
    images(200, Pictures.jpeg(Pictures.smooth(100, 100), 0.9f));
    List<String> java = Program.java(List.of("-Xmx64m", "-Xss100m", "-XX:ReservedCodeCacheSize=32m"), "-t", "1");
    String command = "ulimit -v 6000000; exec " + Program.quoted(java) + " -m ";
    Program.Result withoutThreads = Program.run(folder, "", List.of("sh", "-c", command + "sequential"));
    assumeTrue(withoutThreads.status() == 0, "no such limit here");
    Program.run(folder, "", List.of("sh", "-c", command + "platform"))
        .expect(1, "", "Compress: the system refuses so many threads; --mode=virtual needs ");
    for (String file : Program.files(folder.resolve("COMPRESSED_IMAGES"))) {
      if (!file.startsWith(".")) {
        Pictures.decode(Files.readAllBytes(folder.resolve("COMPRESSED_IMAGES").resolve(file)));
      }
    }
  }
}
