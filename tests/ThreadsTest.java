// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.LocalTime;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("Threads: what the exercise warns of")
class ThreadsTest {
  @TempDir Path folder;

  @Test
  @DisplayName("the three modes make the same files; every image has a thread of its own, in sequential none")
  void modes() throws Exception {
    for (int i = 0; i < 6; i++) { Pictures.write(folder.resolve("IMAGES/picture" + i + ".jpg"), 400 + 40 * i, 300); }
    String own = "[image-1, image-2, image-3, image-4, image-5, image-6]";
    String one = "[main, main, main, main, main, main]";
    for (String mode : List.of("virtual", "platform", "sequential")) {
      Program.Result run = Program.run(folder, "--mode=" + mode, "IMAGES", mode).expect(0, "6 images, ");
      assertEquals(mode.equals("sequential") ? one : own, run.log().stream()
          .filter(line -> line.message().startsWith("[")).map(Program.LogLine::thread).sorted().toList().toString());
      for (String name : Program.files(folder.resolve("IMAGES"))) {
        assertEquals(-1, Files.mismatch(folder.resolve("virtual/" + name), folder.resolve(mode + "/" + name)), name);
      }
    }
  }

  @Test
  @DisplayName("the totals stay exact when 10,000 virtual threads add at once")
  void totalsStayExact() throws Exception {
    int additions = 100; // by each thread, so that the threads meet
    CompressionStats stats = new CompressionStats(10_000 * additions, false);
    Result result = new Result(null, Outcome.COMPRESSED, 7, 3, 0, 0, "image-1", "", List.of());
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int i = 0; i < 10_000; i++) {
        threads.execute(() -> IntStream.range(0, additions).forEach(k -> stats.add(result)));
      }
    }
    assertTrue(stats.allDone());
    assertFalse(new CompressionStats(1, false).allDone(), "one of one is not done");
    assertTrue(stats.report().startsWith("1000000 images, 7.00 MB -> 3.00 MB, ratio 0.429, in "), stats.report());
  }

  @Test
  @DisplayName("exactly one of 200 threads creates the destination, each of 30 times")
  void oneThreadCreatesTheDestination() throws Exception {
    List<String> command = Program.java(List.of(), folder.toString());
    command.set(command.indexOf("Compress"), FolderRace.class.getName());
    Program.Result race = Program.run(folder, "", command).expect(0, "");
    assertEquals(30, race.err().lines().filter(line -> line.contains("created made-")).count(), race.err());
  }

  /** In a process of its own, for its log: 200 threads at once want a folder; 30 times, each time another one. */
  static final class FolderRace {
    public static void main(String[] arguments) throws Exception {
      for (int round = 0; round < 30; round++) {
        Path destination = Path.of(arguments[0], "made-" + round);
        CountDownLatch gate = new CountDownLatch(1);
        try (ExecutorService threads = Executors.newThreadPerTaskExecutor(Thread.ofPlatform().factory())) {
          for (int i = 0; i < 200; i++) {
            threads.execute(() -> {
              try {
                gate.await();
                if (CompressOneImage.createFolder(destination)) {
                  System.err.println("created " + destination.getFileName());
                }
              } catch (Exception e) {
                e.printStackTrace();
                System.exit(1);
              }
            });
          }
          gate.countDown();
        }
      }
    }
  }

  @Test
  @DisplayName("--compare shows the median of three rounds, and the warm-up counts for nothing")
  void median() throws Exception {
    Path image = Pictures.write(folder.resolve("IMAGES/a.jpg"));
    Files.createLink(folder.resolve("IMAGES/b.jpg"), image);
    List<String> command = Program.command("--compare", "IMAGES", "out");
    command.set(command.indexOf("Compress"), Rounds.class.getName());
    command.add(command.indexOf(Rounds.class.getName()), "-Dimage=" + image);
    Program.Result run = Program.run(folder, "", command).expect(0, "mode ");
    assertFalse(run.err().contains("INFO"), run.err()); // a log would take a part of the time
    double seconds = Double.parseDouble(run.out().replaceAll("(?s).*\nvirtual +2 +(\\S+) .*", "$1"));
    assertTrue(seconds > 0.4 && seconds < 1.4, "of 2, 0 and 1 seconds, about: " + run.out());
    assertTrue(run.out().matches("(?s).*\nsequential +1 .*\nvirtual +2 +\\S+ +0\\.\\d\\d +0\\.\\d\\d\n.*"),
        "slower than without, and most of the time asleep: " + run.out());
  }

  /**
   * Compress, in which reading the image takes long in some rounds: an image that was changed in this second by a clock
   * of whole seconds is waited for, until it has been as it is for 2.1 seconds.
   */
  static final class Rounds {
    public static void main(String[] arguments) {
      System.setErr(new PrintStream(System.err) {
        @Override
        public void println(String line) {
          super.println(line);
          int age = line.equals("round 1 of 3: virtual") ? 0 : line.equals("round 3 of 3: virtual") ? 1 : 10;
          try {
            while (age < 10 && System.currentTimeMillis() % 1_000 > 500) { Thread.sleep(10); }
            long second = System.currentTimeMillis() / 1_000 - age;
            Files.setLastModifiedTime(Path.of(System.getProperty("image")), FileTime.fromMillis(second * 1_000));
          } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
          }
        }
      });
      Compress.main(arguments);
    }
  }

  @Test
  @DisplayName("with --threads=1 images are in work one after another, by default as many at once as there are cores")
  void threadsBoundTheWork() throws Exception {
    for (int i = 0; i < 8; i++) { Pictures.write(folder.resolve("IMAGES/picture" + i + ".jpg"), 1200, 900); }
    assertEquals(0, overlaps(Program.run(folder, "--threads=1", "IMAGES", "one")));
    if (Runtime.getRuntime().availableProcessors() > 1) {
      assertTrue(overlaps(Program.run(folder, "IMAGES", "several")) > 0);
    }
  }

  /** How many images were begun more than 3 ms before one that was begun earlier had ended, as the log tells it. */
  private static int overlaps(Program.Result run) {
    run.expect(0, "8 images, ");
    List<long[]> times = new ArrayList<>();
    for (Program.LogLine line : run.log()) {
      if (line.message().startsWith("[")) {
        long end = LocalTime.parse(line.time()).toNanoOfDay() / 1_000_000;
        long duration = Long.parseLong(line.message().replaceAll(".* in (\\d+) ms", "$1"));
        times.add(new long[] {end - duration, end});
      }
    }
    assertEquals(8, times.size());
    times.sort(Comparator.comparingLong(time -> time[0]));
    int overlaps = 0;
    for (int i = 1; i < times.size(); i++) { overlaps += times.get(i)[0] < times.get(i - 1)[1] - 3 ? 1 : 0; }
    return overlaps;
  }
}
