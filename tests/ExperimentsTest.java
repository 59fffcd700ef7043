// SPDX-License-Identifier: MIT
import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.regex.*;
import java.util.stream.Collectors;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** Takes the changes from README.md's diffs, makes them on copies of Compress.java, looks for what README.md says. */
@DisplayName("The experiments of README.md")
class ExperimentsTest {
  private static final String UNCHANGED = System.getProperty("java.class.path");
  private static final Path COMPRESS = Program.project().resolve("Compress.java");

  @TempDir static Path folder;

  @BeforeAll
  static void images() throws Exception {
    for (int i = 1; i <= 4; i++) { Pictures.write(folder.resolve("IMAGES/picture" + i + ".jpg"), 1600, 1200); }
  }

  private static final String STOPPED = "Compress: stopped after 0 of 4 images; ";

  /** The class path of a Compress with the changes of an experiment, less those of these numbers. */
  private static String changed(int experiment, Integer... without) throws IOException {
    return compiled(folder, code(Files.readString(COMPRESS), experiment, without), "--release", "21");
  }

  /** Some code with the changes of an experiment, less those of these numbers. */
  private static String code(String code, int experiment, Integer... without) throws IOException {
    String diffs = diffs("Experiment " + experiment + ":");
    assertNotEquals("", diffs, "README.md shows no change for experiment " + experiment);
    return edited(code, diffs, without);
  }

  /** The diffs below README.md's heading that begins so, one after the other. */
  private static String diffs(String heading) throws IOException {
    String[] parts = Files.readString(Program.project().resolve("README.md")).split("\n### " + heading);
    assertEquals(2, parts.length, "once: " + heading);
    return Pattern.compile("(?s)```diff\n(.*?)```").matcher(parts[1].split("\n##")[0]).results()
        .map(diff -> diff.group(1))
        .collect(Collectors.joining()).replaceAll("(?m)^-", "\n-"); // what stands between the lines stays
  }

  @Test
  @DisplayName("The French half has the same experiments, with the same changes")
  void french() throws IOException {
    for (int i = 1; i <= 9; i++) {
      assertEquals(diffs("Experiment " + i + ":"), diffs("Expérience " + i + " :"));
    }
  }

  /** Some code with each run of lines after - replaced by the lines after + below it, less those of these numbers. */
  static String edited(String code, String diffs, Integer... without) {
    String edited = "\n" + code;
    Matcher change = Pattern.compile("(?m)(^-.*\n)+(^\\+.*\n)*").matcher(diffs);
    for (int number = 1; change.find(); number++) {
      if (!List.of(without).contains(number)) {
        String old = change.group().replaceAll("(?m)^\\+.*\n|^-", "");
        assertEquals(2, edited.split(Pattern.quote("\n" + old), -1).length, "once: " + old);
        edited = edited.replace("\n" + old, "\n" + change.group().replaceAll("(?m)^-.*\n|^\\+", ""));
      }
    }
    return edited.substring(1);
  }

  /** Compiles a Compress with these options, and returns the class path that java runs it on. */
  static String compiled(Path folder, String code, String... options) throws IOException {
    Path classes = Files.createTempDirectory(folder, "classes");
    Path source = Files.writeString(classes.resolve("Compress.java"), code);
    String classPath = classes + File.pathSeparator + UNCHANGED;
    List<String> arguments = new ArrayList<>(List.of(options));
    arguments.addAll(List.of("-g", "-proc:none", "-cp", classPath, "-d", classes.toString(), source.toString()));
    ByteArrayOutputStream errors = new ByteArrayOutputStream();
    int status = ToolProvider.getSystemJavaCompiler().run(null, null, errors, arguments.toArray(String[]::new));
    assertEquals(0, status, errors.toString());
    return classPath;
  }

  private static List<String> command(String classPath, String... arguments) {
    return Program.java(List.of("-Xmx128m", "-cp", classPath), arguments); // little memory, for experiment 8
  }

  private static Program.Result run(String classPath, String... arguments) throws Exception {
    return Program.run(folder, "", command(classPath, arguments));
  }

  private static long created(Program.Result result) {
    return result.messages("INFO").stream().filter(message -> message.startsWith("created ")).count();
  }

  @Test
  @DisplayName("1: run() for start() does it all in main, or with virtual threads nothing at all")
  void runForStart() throws Exception {
    String changed = changed(1);
    assertEquals(Set.of("main"), run(changed, "--mode=platform", "IMAGES", "run-1").log().stream()
        .filter(line -> line.message().startsWith("[")).map(Program.LogLine::thread).collect(Collectors.toSet()));
    run(changed, "IMAGES", "run-2").expect(1, "", STOPPED);
    assertEquals(List.of(), Program.files(folder.resolve("run-2")));
  }

  @Test
  @DisplayName("2: without join the report comes first, and the images are lost, but for platform threads and no exit")
  void joinForgotten() throws Exception {
    String exit = changed(2, 2);
    String noExit = changed(2);
    for (String mode : List.of("virtual", "platform")) {
      Program.Result result = run(exit, "--mode=" + mode, "IMAGES", "join-" + mode);
      assertFalse(result.expect(1, "4 images (0 compressed, ", STOPPED).out().contains("ratio"), result.out());
      assertEquals(List.of(), Program.files(folder.resolve("join-" + mode)));
      run(noExit, "--mode=" + mode, "IMAGES", "no-exit-" + mode);
      assertEquals(mode.equals("virtual") ? 0 : 4, Program.files(folder.resolve("no-exit-" + mode)).size());
    }
  }

  @Test
  @DisplayName("3, 4: without the locks additions are lost, the folder is created more than once; "
      + "with them, and the pauses, the sum is right, the folder created once")
  void locksRemoved() throws Exception {
    String size = ", " + Text.size(Program.size(folder.resolve("IMAGES"))).replace(" MB", " -> ");
    Program.Result wrong = run(changed(3), "--threads=4", "IMAGES", "total");
    assertFalse(wrong.out().contains(size), wrong.out());
    assertTrue(created(run(changed(4), "--threads=4", "IMAGES", "folder")) > 1);
    String pauses = code(code(Files.readString(COMPRESS), 3, 1), 4, 1);
    Program.Result right = run(compiled(folder, pauses, "--release", "21"), "--threads=4", "IMAGES", "pauses");
    assertTrue(right.out().contains(size), right.out());
    assertEquals(1, created(right));
  }

  @Test
  @DisplayName("5: a permit that is never given back: the program does not end")
  void permitKept() throws Exception {
    Path log = folder.resolve("permit.log");
    Process process = new ProcessBuilder(command(changed(5), "--threads=2", "IMAGES", "permit"))
        .directory(folder.toFile()).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    try {
      assertFalse(process.waitFor(6, TimeUnit.SECONDS), "it ended");
      assertEquals(2, Files.readString(log).lines().filter(line -> line.contains("/4] ")).count());
    } finally {
      process.destroyForcibly();
    }
  }

  @Test
  @DisplayName("6: with one permit the bars of the timeline do not overlap")
  void onePermit() throws Exception {
    Program.Result result = run(UNCHANGED, "--threads=1", "--timeline", "IMAGES", "one");
    List<String> bars = ClassroomTest.rows(result.out());
    assertEquals(4, bars.size(), result.out());
    List<Integer> begins = bars.stream().map(bar -> Math.max(bar.indexOf('█'), bar.indexOf('#'))).sorted().toList();
    List<Integer> ends = bars.stream().map(String::length).sorted().toList();
    for (int i = 1; i < 4; i++) { assertTrue(begins.get(i) >= ends.get(i - 1) - 1, result.out()); }
  }

  @Test
  @DisplayName("7: platform threads are threads of the system, hundreds of them; of virtual ones a few dozen are")
  void platformThreads() throws Exception {
    assumeTrue(Files.isDirectory(Path.of("/proc/self")), "threads are counted in /proc");
    byte[] tiny = Pictures.jpeg(Pictures.picture(16, 16, 1, 1), 0.9f);
    Files.createDirectory(folder.resolve("TINY"));
    for (int i = 0; i < 600; i++) { Files.write(folder.resolve("TINY/" + i + ".jpg"), tiny); }
    assertTrue(mostThreads(command(changed(7), "--mode=platform", "--quiet", "--threads=1", "TINY", "tiny-1")) > 300);
    assertTrue(mostThreads(command(UNCHANGED, "--quiet", "--threads=1", "TINY", "tiny-2")) < 100);
  }

  /** The most threads that the system counted in a process while it ran. */
  private static int mostThreads(List<String> command) throws Exception {
    Process process = new ProcessBuilder(command).directory(folder.toFile()).redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
    int most = 0;
    while (process.isAlive()) {
      String[] threads = new File("/proc/" + process.pid() + "/task").list();
      most = Math.max(most, threads == null ? 0 : threads.length); // null: it has just ended
      Thread.sleep(5);
    }
    return most;
  }

  @Test
  @DisplayName("8: without the semaphores memory runs out; with them the same heap is enough")
  void semaphoresRemoved() throws Exception {
    String[] arguments = {"--mode=platform", "--engine=pixels", "--timeline", "LARGE", "large"};
    Path large = Program.project().resolve("IMAGES/harbour.jpg");
    Files.createDirectory(folder.resolve("LARGE"));
    for (int i = 1; i <= 4; i++) { Files.copy(large, folder.resolve("LARGE/picture" + i + ".jpg")); }
    run(UNCHANGED, arguments).expect(0, "");
    String chart = run(changed(8), arguments).expect(1, "", "failed: not enough memory").out();
    List<String> bars = ClassroomTest.rows(chart);
    assertEquals(4, bars.size(), chart); // all begin at the left, or nearly
    assertTrue(bars.stream().allMatch(bar -> bar.matches("image-\\d +\\S+jpg +[░.]{0,6}[█#].*")), chart);
  }

  @Test
  @DisplayName("9: quality 90 gives several times the ratio of quality 30")
  void quality() throws Exception {
    run(UNCHANGED, "-q", "30", "IMAGES", "quality-30");
    run(UNCHANGED, "-q", "90", "IMAGES", "quality-90");
    long low = Program.size(folder.resolve("quality-30"));
    assertTrue(Program.size(folder.resolve("quality-90")) > 2 * low);
  }
}
