// SPDX-License-Identifier: MIT
//SOURCES Grade.java

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Grades the right solutions, the skeleton that students start from, and solutions with one mistake each. */
@DisplayName("Grade: the checklist of the exercise")
class GradeTest {
  private static final Path PROJECT = Program.project();
  private static final Grade.Scale WHOLE = new Grade.Scale(5, 480, 100, 30);
  private static final Grade.Scale SHORT = new Grade.Scale(5, 480, 0, 30);
  private static final Grade.Scale IMPATIENT = new Grade.Scale(5, 480, 0, 3);

  @TempDir static Path folder;

  // Much of a grading is waiting, so that three at once keep two cores busy.
  private static final ExecutorService POOL = Executors.newFixedThreadPool(3);
  private static final Map<String, Future<List<Grade.Point>>> GRADED = new LinkedHashMap<>();

  /**
   * A mistake in the solution that is right otherwise.
   *
   * @param name what is wrong
   * @param fails the only point that it fails
   * @param says what the checklist says of it, among other things
   * @param edits texts of the solution, each followed by the one that replaces it
   */
  private record Mistake(String name, String fails, String says, String... edits) {}

  private static final String THREAD =
      "Thread thread = Thread.ofVirtual().name(\"image-\" + (threads.size() + 1)).start(work);";
  private static final String JOIN = """
          for (Thread thread : threads) {
            thread.join();
          }
      """;

  private static final List<Mistake> MISTAKES = List.of(
      new Mistake("a pool of threads is not shut down", "end", "does not end, although the ratio is printed",
          "List<Thread> threads = new ArrayList<>();",
          "var pool = java.util.concurrent.Executors.newFixedThreadPool(4);\n"
              + "List<java.util.concurrent.Future<?>> threads = new ArrayList<>();",
          THREAD, "var thread = pool.submit(work);",
          JOIN, "for (var thread : threads) try { thread.get(); } catch (Exception e) { LOG.error(\"%s\", e); }"),
      new Mistake("run() for start()", "threads", "One thread, main, compressed all images",
          THREAD, "Thread thread = Thread.ofPlatform().unstarted(work);\nthread.run();"),
      new Mistake("the totals are not synchronized", "totals", "one addition is lost",
          "synchronized void add", "void add"),
      new Mistake("the creation of the folder is not synchronized", "folder", "about to create it at the same time",
          "static synchronized void createFolder", "static void createFolder"),
      new Mistake("the ratio is upside down", "ratio", "that is before / after",
          "(double) sizeAfter / sizeBefore", "(double) sizeBefore / sizeAfter"),
      new Mistake("the quality is 75", "quality", "those of quality 75",
          "saveAsJpeg(picture, compressed, 30)", "saveAsJpeg(picture, compressed, 75)"),
      new Mistake("files are taken that are no .jpg", "images", "drawing.png",
          ".filter(file -> file.toString().endsWith(\".jpg\"))", ""),
      new Mistake("--mode=sequential does nothing", "sequential", "With --mode=sequential 5 threads were at work",
          "List.of(arguments).contains(\"--mode=sequential\")", "false"),
      new Mistake("the threads have no names", "log", "The column of the thread is blank",
          THREAD, "Thread thread = Thread.startVirtualThread(work);"));

  @BeforeAll
  static void startGrading() throws IOException {
    String solution = Files.readString(PROJECT.resolve("tests/solutions/MyCompress.java"));
    for (Mistake mistake : MISTAKES) {
      String code = solution;
      for (int i = 0; i < mistake.edits.length; i += 2) {
        assertEquals(2, code.split(Pattern.quote(mistake.edits[i]), -1).length,
            "in the solution once: " + mistake.edits[i]);
        code = code.replace(mistake.edits[i], mistake.edits[i + 1]);
      }
      grade(mistake.name, "MyCompress", code, mistake.fails.equals("end") ? IMPATIENT : SHORT);
    }
    grade("right", "MyCompress", solution, WHOLE);
    grade("skeleton", "MyCompress", skeleton(), WHOLE);
    grade("Compress", "Compress", Files.readString(PROJECT.resolve("Compress.java")), WHOLE);
  }

  @AfterAll
  static void stopGrading() {
    POOL.shutdownNow();
  }

  private static void grade(String name, String mainClass, String code, Grade.Scale scale) {
    int number = GRADED.size();
    GRADED.put(name, POOL.submit(() -> {
      Path classes = Files.createDirectories(folder.resolve("solution-" + number));
      Path source = Files.writeString(classes.resolve(mainClass + ".java"), code);
      String classPath = System.getProperty("java.class.path");
      ByteArrayOutputStream errors = new ByteArrayOutputStream();
      int status = ToolProvider.getSystemJavaCompiler().run(null, null, errors,
          "-g", "-proc:none", "-cp", classPath, "-d", classes.toString(), "--release", "21", source.toString());
      assertEquals(0, status, errors.toString());
      Grade.Launcher java = (options, arguments) -> {
        List<String> command = new ArrayList<>();
        command.add(ProcessHandle.current().info().command().orElseThrow());
        command.addAll(List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")); // a quick start counts most
        command.addAll(options);
        command.addAll(List.of("-cp", classes + File.pathSeparator + classPath, mainClass));
        command.addAll(arguments);
        return command;
      };
      PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream());
      return Grade.grade(java, source.getFileName().toString(), scale, nowhere);
    }));
  }

  /** What {@code jbang init --template=exercise MyCompress.java} makes. */
  private static String skeleton() throws IOException {
    return Files.readString(PROJECT.resolve(".jbang/exercise.java.qute")).replace("{baseName}", "MyCompress")
        .replace("\\{", "{");
  }

  private static List<String> failing(List<Grade.Point> points) {
    return points.stream().filter(point -> !point.done()).map(Grade.Point::name).toList();
  }

  private static String text(List<Grade.Point> points, Charset charset) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    Grade.print(points, "MyCompress.java", new PrintStream(bytes, true, charset));
    return bytes.toString(charset);
  }

  @Test
  @DisplayName("Compress.java passes every point")
  void compressPasses() throws Exception {
    List<Grade.Point> points = GRADED.get("Compress").get();
    assertEquals(List.of(), failing(points), text(points, StandardCharsets.UTF_8));
    assertEquals(9, points.size());
  }

  @Test
  @DisplayName("so does a student's solution")
  void solutionPasses() throws Exception {
    List<Grade.Point> points = GRADED.get("right").get();
    assertEquals(List.of(), failing(points), text(points, StandardCharsets.UTF_8));
  }

  @Test
  @DisplayName("the skeleton passes none, and says what is to be done")
  void skeletonIsToBeDone() throws Exception {
    List<Grade.Point> points = GRADED.get("skeleton").get();
    assertEquals(points.stream().map(Grade.Point::name).toList(), failing(points));
    assertEquals(9, points.size());
    String skeleton = skeleton();
    for (int number = 1; number <= 6; number++) {
      assertTrue(skeleton.contains("// TODO " + number + ": "), "the place of TODO " + number);
      assertTrue(skeleton.contains("\n          TODO " + number + "  "), "TODO " + number + " in the list");
    }
  }

  @Test
  @DisplayName("the solution is the skeleton with its TODOs done")
  void solutionContainsSkeleton() throws Exception {
    String skeleton = skeleton();
    String code = skeleton.substring(skeleton.indexOf("import "))
        .replaceAll("(?s)    // Delete what.*?\"\"\"\\);\n", ""); // the list of what is to be done
    Iterator<String> solution =
        Files.readString(PROJECT.resolve("tests/solutions/MyCompress.java")).lines().map(GradeTest::bare).iterator();
    for (String line : code.lines().toList()) {
      boolean found = bare(line).isEmpty();
      while (!found && solution.hasNext()) {
        found = solution.next().equals(bare(line));
      }
      assertTrue(found, "not in the solution, or not in this order: " + line);
    }
  }

  /** A line less comments, and less what a student adds within a line. */
  private static String bare(String line) {
    return line.replaceAll("//.*", "").replace("synchronized ", "").replaceAll("\\.filter\\(.*?\"\\)\\)", "").strip();
  }

  @TestFactory
  @DisplayName("a mistake fails its own point and no other")
  Stream<DynamicTest> mistakes() {
    return MISTAKES.stream().map(mistake -> DynamicTest.dynamicTest(mistake.fails + ": " + mistake.name, () -> {
      List<Grade.Point> points = GRADED.get(mistake.name).get();
      String text = text(points, StandardCharsets.UTF_8);
      assertEquals(List.of(mistake.fails), failing(points), text);
      assertTrue(text.replaceAll("\\s+", " ").contains(mistake.says), text);
    }));
  }

  @Test
  @DisplayName("the checklist is plain ASCII where the terminal knows no more")
  void ascii() {
    List<Grade.Point> points =
        List.of(new Grade.Point("images", true, "all there"), new Grade.Point("ratio", false, "wrong"));
    assertTrue(text(points, StandardCharsets.UTF_8).contains("✓ images      all there"));
    assertEquals("""

        [x] images      all there
        [ ] ratio       wrong

        MyCompress.java: 1 of 2 points
        """, text(points, StandardCharsets.US_ASCII).replace(System.lineSeparator(), "\n"));
  }

  @Test
  @DisplayName("wrong usage: exit status 2")
  void usage() throws Exception {
    for (String[] arguments : List.of(new String[] {}, new String[] {"a.java", "b.java"}, new String[] {"none.java"})) {
      ByteArrayOutputStream err = new ByteArrayOutputStream();
      assertEquals(2, Grade.run(arguments, System.out, new PrintStream(err)));
      assertTrue(err.toString().contains("Usage:"), err.toString());
    }
  }
}
