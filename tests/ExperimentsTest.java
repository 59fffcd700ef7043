// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Takes the changes from README.md's diffs, makes them on copies of Compress.java, looks for what README.md says. */
@DisplayName("The experiments of README.md")
class ExperimentsTest {
  @TempDir static Path folder;

  @BeforeAll
  static void images() throws Exception {
    for (int i = 1; i <= 4; i++) {
      Pictures.write(folder.resolve("IMAGES/picture" + i + ".jpg"), 1600, 1200);
    }
  }

  /** A changed Compress: what java needs to run it. */
  private static List<String> changed(int experiment, Integer... without) throws IOException {
    String readme = Files.readString(Program.project().resolve("README.md"));
    String code = Files.readString(Program.project().resolve("Compress.java"));
    String text = readme.split("### Experiment " + experiment + ":")[1].split("\n##")[0];
    // A change is a line with a minus and the lines with a plus that follow it, within a diff.
    String diffs = Pattern.compile("```diff\n(.*?)```", Pattern.DOTALL).matcher(text).results()
        .map(diff -> diff.group(1)).collect(Collectors.joining("\n"));
    Matcher change = Pattern.compile("^-(.*\n)((?:\\+.*\n)*)", Pattern.MULTILINE).matcher(diffs);
    for (int number = 1; change.find(); number++) {
      if (!List.of(without).contains(number)) {
        assertEquals(2, code.split(Pattern.quote(change.group(1)), -1).length, "once: " + change.group(1));
        code = code.replace(change.group(1), change.group(2).replaceAll("(?m)^\\+", ""));
      }
    }
    Path classes = Files.createTempDirectory(folder, "experiment");
    Path copy = Files.writeString(classes.resolve("Compress.java"), code);
    String classPath = System.getProperty("java.class.path");
    assertEquals(0, ToolProvider.getSystemJavaCompiler().run(null, null, null,
        "-cp", classPath, "-d", classes.toString(), "--release", "21", copy.toString()));
    return List.of("-cp", classes + File.pathSeparator + classPath);
  }

  private static Program.Result run(List<String> java, String... arguments) throws Exception {
    return Program.run(folder, "", Program.java(java, arguments));
  }

  private static List<String> threadsAtWork(Program.Result result) {
    return result.log().stream().filter(line -> line.message().startsWith("["))
        .map(Program.LogLine::thread).distinct().toList();
  }

  private static long created(Program.Result result) {
    return result.log().stream().filter(line -> line.message().startsWith("created ")).count();
  }

  @Test
  @DisplayName("1: without synchronized additions are lost; with it, and the pause, the sum is right")
  void total() throws Exception {
    String size = ", " + Text.size(Program.size(folder.resolve("IMAGES"))) + " -> ";
    Program.Result wrong = run(changed(1), "--threads=4", "IMAGES", "total-1");
    assertFalse(wrong.out().contains(size), wrong.out());
    Program.Result right = run(changed(1, 1), "--threads=4", "IMAGES", "total-2");
    assertTrue(right.out().contains(size), right.out());
  }

  @Test
  @DisplayName("2: without the lock the folder is created more than once; with it, and the pause, once")
  void folderCreatedTwice() throws Exception {
    assertTrue(created(run(changed(2), "--threads=4", "IMAGES", "folder-1")) > 1);
    assertEquals(1, created(run(changed(2, 1), "--threads=4", "IMAGES", "folder-2")));
  }

  @Test
  @DisplayName("3: run() for start() does it all in main, or with virtual threads nothing at all")
  void runForStart() throws Exception {
    List<String> java = changed(3);
    assertEquals(List.of("main"), threadsAtWork(run(java, "--mode=platform", "IMAGES", "run-1")));
    Program.Result virtual = run(java, "IMAGES", "run-2");
    assertEquals(1, virtual.status());
    assertEquals(List.of(), Program.files(folder.resolve("run-2")));
  }

  @Test
  @DisplayName("4: without join the report comes first, and the images are lost, but for platform threads and no exit")
  void joinForgotten() throws Exception {
    List<String> exit = changed(4, 2);
    List<String> noExit = changed(4);
    for (String mode : List.of("virtual", "platform")) {
      Program.Result result = run(exit, "--mode=" + mode, "IMAGES", "join-" + mode);
      assertTrue(result.out().startsWith("4 images (0 compressed, "), result.out());
      assertTrue(result.out().contains("ratio none"), result.out());
      assertEquals(1, result.status());
      assertEquals(List.of(), Program.files(folder.resolve("join-" + mode)));
      run(noExit, "--mode=" + mode, "IMAGES", "no-exit-" + mode);
      assertEquals(mode.equals("virtual") ? 0 : 4, Program.files(folder.resolve("no-exit-" + mode)).size());
    }
  }

  @Test
  @DisplayName("5: a permit that is never given back: the program does not end")
  void permitKept() throws Exception {
    Path log = folder.resolve("permit.log");
    Process process = new ProcessBuilder(Program.java(changed(5), "--threads=2", "IMAGES", "permit"))
        .directory(folder.toFile()).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    try {
      assertFalse(process.waitFor(6, TimeUnit.SECONDS), "it ended");
      assertEquals(2, Files.readString(log).lines().filter(line -> line.contains("/4] ")).count());
    } finally {
      process.destroyForcibly();
    }
  }

  @Test
  @DisplayName("6: platform threads are threads of the system, hundreds of them; of virtual ones a few dozen are")
  void platformThreads() throws Exception {
    assumeTrue(Files.isDirectory(Path.of("/proc/self")), "threads are counted in /proc");
    byte[] tiny = Pictures.jpeg(Pictures.picture(16, 16, 1, 1), 0.9f);
    Files.createDirectory(folder.resolve("TINY"));
    for (int i = 0; i < 1_500; i++) {
      Files.write(folder.resolve("TINY/" + i + ".jpg"), tiny);
    }
    assertTrue(mostThreads(Program.java(changed(6), "--threads=1", "TINY", "tiny-1")) > 300);
    assertTrue(mostThreads(Program.java(List.of(), "--threads=1", "TINY", "tiny-2")) < 100);
  }

  /** The most threads that the system counted in a process while it ran. */
  private static int mostThreads(List<String> command) throws Exception {
    Process process = new ProcessBuilder(command).directory(folder.toFile()).redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
    int most = 0;
    while (process.isAlive()) {
      try {
        String status = Files.readString(Path.of("/proc/" + process.pid() + "/status"));
        most = Math.max(most, Integer.parseInt(status.replaceAll("(?s).*Threads:\\s*(\\d+).*", "$1")));
      } catch (IOException | NumberFormatException e) {
        break; // it has just ended
      }
      Thread.sleep(5);
    }
    process.waitFor();
    return most;
  }

  @Test
  @DisplayName("7: without the semaphores memory runs out; with them the same heap is enough")
  void semaphoresRemoved() throws Exception {
    String[] arguments = {"--mode=platform", "--engine=pixels", "--timeline", "LARGE", "large"};
    Path large = Pictures.write(folder.resolve("LARGE/picture.jpg"), 4000, 3000);
    for (int i = 1; i <= 3; i++) {
      Files.copy(large, folder.resolve("LARGE/picture" + i + ".jpg"));
    }
    List<String> small = List.of("-Xmx128m");
    Program.Result with = Program.run(folder, "", Program.java(small, arguments));
    assertEquals(0, with.status(), with.err());
    List<String> java = new ArrayList<>(changed(7));
    java.addAll(small);
    Program.Result without = run(java, arguments);
    assertEquals(1, without.status(), without.err());
    assertTrue(without.err().contains("failed: not enough memory"), without.err());
    List<String> bars = without.out().lines().filter(line -> line.startsWith("image-")).toList();
    assertEquals(4, bars.size(), without.out()); // all begin at the left, or nearly
    assertTrue(bars.stream().allMatch(bar -> bar.matches("image-\\d +\\S+jpg +[░.]{0,6}[█#].*")), without.out());
  }

  @Test
  @DisplayName("8: with one permit the bars of the timeline do not overlap")
  void onePermit() throws Exception {
    Program.Result result = run(changed(8), "--timeline", "IMAGES", "one");
    List<String> bars = result.out().lines().filter(line -> line.startsWith("image-")).toList();
    assertEquals(4, bars.size(), result.out());
    List<Integer> begins = bars.stream().map(bar -> Math.max(bar.indexOf('█'), bar.indexOf('#'))).sorted().toList();
    List<Integer> ends = bars.stream().map(String::length).sorted().toList();
    for (int i = 1; i < 4; i++) {
      assertTrue(begins.get(i) >= ends.get(i - 1) - 1, result.out());
    }
  }

  @Test
  @DisplayName("9: quality 90 gives several times the ratio of quality 30")
  void quality() throws Exception {
    double low = ratio(Program.run(folder, "IMAGES", "quality-30"));
    double high = ratio(run(changed(9), "IMAGES", "quality-90"));
    assertTrue(high > 2 * low, low + " and " + high);
  }

  private static double ratio(Program.Result result) {
    return Double.parseDouble(result.out().replaceAll("(?s).*ratio ([\\d.]+),.*", "$1"));
  }
}
