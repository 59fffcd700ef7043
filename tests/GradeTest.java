// SPDX-License-Identifier: MIT
//SOURCES Grade.java
import static org.junit.jupiter.api.Assertions.*;

import java.io.*;
import java.nio.charset.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;
import java.util.stream.*;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.*;
import org.junit.jupiter.params.provider.*;

/**
 * Grades Compress, the skeleton that students start from, and the solutions of tests/solutions/variants.md. A run of the
 * tests grades a few of them. All of them, or those whose title matches, so many times each:
 * {@code ./.jbang/jbang --main=GradeTest tests/AllTests.java '.*' 10}.
 */
@DisplayName("Grade: the checklist of the exercise")
class GradeTest {
  private static final String POINTS = "images, quality, log, threads, folder, totals, ratio, sequential, end";

  // Much of a grading is waiting, so that three at once keep two cores busy.
  private static final ExecutorService POOL =
      Executors.newFixedThreadPool(3, Thread.ofPlatform().daemon().factory());

  @TempDir static Path folder;

  /**
   * A solution of the exercise.
   *
   * @param fails the points that it fails, as a list; or: right
   * @param name what it is, or what is changed in tests/solutions/MyCompress.java
   * @param suite whether it is graded in each run of the tests
   * @param says what the checklist says of it, among other things
   */
  private record Solution(String fails, String name, boolean suite, String says, Grade.Scale scale, String code) {
    private static final Pattern VARIANT =
        Pattern.compile("(?ms)^## ([a-z, ]+): (.*?)( \\*)?\\n\\n(?:> (.*?)\\n\\n)?```diff\\n(.*?)^```");

    static Stream<Solution> all() throws IOException {
      Grade.Scale whole = new Grade.Scale(480, 100, 30);
      Grade.Scale brief = new Grade.Scale(480, 0, 30);
      Grade.Scale impatient = new Grade.Scale(480, 0, 3);
      String right = read("tests/solutions/MyCompress.java");
      Stream<Solution> variants = VARIANT.matcher(read("tests/solutions/variants.md")).results()
          .map(variant -> new Solution(variant.group(1), variant.group(2), variant.group(3) != null,
              Objects.requireNonNullElse(variant.group(4), ""), variant.group(1).contains("end") ? impatient : brief,
              ExperimentsTest.edited(right, variant.group(5))));
      return Stream.concat(variants, Stream.of(
          new Solution("right", "MyCompress.java", false, "", whole, right),
          new Solution("right", "Compress.java", false, "", whole, read("Compress.java")),
          new Solution(POINTS, "the skeleton", true, "0 of 9 points", brief, skeleton("en"))));
    }

    String title() { return fails + ": " + name; }

    List<Grade.Point> grade() throws Exception {
      String[] preview = {"--enable-preview", "--release", "" + Runtime.version().feature()};
      boolean isPreview = name.contains("(preview)");
      // Under the name of the program that Program runs, and found before it.
      String classPath = ExperimentsTest.compiled(folder, code.replace("MyCompress", "Compress"),
          isPreview ? preview : new String[] {"--release", "21"});
      Grade.Launcher java = (options, arguments) -> {
        List<String> all = new ArrayList<>(options);
        all.addAll(List.of("-cp", classPath));
        all.addAll(isPreview ? List.of(preview[0]) : List.of());
        return Program.java(all, arguments.toArray(String[]::new));
      };
      PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream());
      return Grade.grade(java, "Compress.java", scale, Grade.texts("en"), nowhere);
    }
  }

  private record Grading(Solution solution, Future<List<Grade.Point>> points) {
    static List<Grading> start(Stream<Solution> solutions) {
      return solutions.map(solution -> new Grading(solution, POOL.submit(solution::grade))).toList();
    }

    String fails() throws Exception {
      String fails = points.get().stream().filter(point -> !point.done()).map(Grade.Point::name)
          .collect(Collectors.joining(", "));
      return fails.isEmpty() ? "right" : fails;
    }

    String text() throws Exception { return GradeTest.text(points.get(), "en", StandardCharsets.UTF_8); }

    /** Whether it names the cause. */
    boolean says() throws Exception { return text().replaceAll("\\s+", " ").contains(solution.says); }
  }

  /**
   * Grades all solutions, or those whose title matches the first argument, as often as the second one says, and prints
   * which points they fail each time, and why.
   */
  public static void main(String[] arguments) throws Exception {
    folder = Files.createTempDirectory("grades");
    String title = arguments.length > 0 ? arguments[0] : ".*";
    int times = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 1;
    int wrong = 0;
    List<Grading> gradings = Grading.start(Solution.all().filter(solution -> solution.title().matches(title))
        .flatMap(solution -> Stream.generate(() -> solution).limit(times)));
    for (Grading grading : gradings) {
      boolean expected = grading.fails().equals(grading.solution.fails) && grading.says();
      System.out.println((expected ? "ok     " : "WRONG  ") + grading.solution.title() + " -> " + grading.fails());
      grading.points.get().stream().filter(point -> !point.done())
          .forEach(point -> System.out.println("       " + point.name() + ": " + point.remark()));
      wrong += expected ? 0 : 1;
    }
    System.out.printf("%d gradings, %d not as expected%n", gradings.size(), wrong);
    System.exit(wrong == 0 ? 0 : 1);
  }

  private static String read(String file) throws IOException {
    return Files.readString(Program.project().resolve(file));
  }

  /** What {@code jbang init --template=exercise -Dlang=LANG MyCompress.java} makes. */
  private static String skeleton(String language) throws IOException {
    return read(".jbang/exercise.java.qute")
        .replaceAll("(?s)\\{#if lang == 'fr'\\}\\n(.*?)\\{#else\\}\\n(.*?)\\{/if\\}\\n",
            language.equals("fr") ? "$1" : "$2")
        .replace("{baseName}", "MyCompress").replace("\\{", "{");
  }

  private static String text(List<Grade.Point> points, String language, Charset charset) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    Grade.print(points, "MyCompress.java", Grade.texts(language), new PrintStream(bytes, true, charset));
    return bytes.toString(charset);
  }

  @TestFactory
  @DisplayName("a mistake fails its own points and no other")
  Stream<DynamicTest> solutions() throws IOException {
    return Grading.start(Solution.all().filter(Solution::suite)).stream()
        .map(grading -> DynamicTest.dynamicTest(grading.solution.title(), () -> {
          assertEquals(grading.solution.fails, grading.fails(), grading.text());
          assertTrue(grading.says(), grading.text());
          List<String> names = grading.points.get().stream().map(Grade.Point::name).toList();
          assertEquals(POINTS, String.join(", ", names));
        }));
  }

  @Test
  @DisplayName("the command that users type: what is right has all points, a class gets a table, a CSV and remarks")
  void commandLine() throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
    Grade.Scale small = new Grade.Scale(480, 0, 30);
    // Compress has all points, too, and takes a minute: it is graded by main, and its points are tests elsewhere.
    String right = Program.project().resolve("tests/solutions/MyCompress.java").toString();
    assertEquals(0, Grade.run(new String[] {"--lang=en", right}, small, out, out), bytes.toString());
    Path students = Files.createDirectory(folder.resolve("class"));
    Files.writeString(students.resolve("Crash.java"),
        "class Crash { public static void main(String[] arguments) { throw new IllegalStateException(\"why\"); } }");
    Files.writeString(students.resolve("Typo.java"), "class Typo {");
    Path csv = folder.resolve("class.csv");
    bytes.reset();
    assertEquals(1, Grade.run(new String[] {"--lang=en", "--csv=" + csv, students.toString()}, small, out, out));
    assertTrue(bytes.toString().contains("Typo.java: 0 of 9 points: images, quality"), bytes.toString());
    assertEquals(List.of("solution,images,quality,log,threads,folder,totals,ratio,sequential,end,sum",
        "\"Crash.java\",0,0,0,0,0,0,0,0,0,0", "\"Typo.java\",0,0,0,0,0,0,0,0,0,0"), Files.readAllLines(csv));
    String remarks = Files.readString(students.resolve("Crash-grade.txt"));
    assertTrue(remarks.contains("IllegalStateException: why"), remarks);
  }

  @ParameterizedTest(name = "the skeleton has a place for each TODO, and lists them; done, it is the solution: {0}")
  @ValueSource(strings = {"en", "fr"})
  void skeletonIsPartOfSolution(String language) throws IOException {
    String skeleton = skeleton(language);
    for (int number = 1; number <= 6; number++) {
      assertTrue(skeleton.matches("(?s).*// TODO " + number + " ?: .*"), "the place of TODO " + number);
      assertTrue(skeleton.contains("\n          TODO " + number + "  "), "TODO " + number + " in the list");
    }
    String code = skeleton.substring(skeleton.indexOf("import "))
        .replaceAll("(?s)    // (Delete|Effacez) .*?\"\"\"\\);\n", ""); // the list of what is to be done
    List<String> rest = bare(read("tests/solutions/MyCompress.java"));
    for (String line : bare(code)) {
      assertTrue(rest.contains(line), "not in the solution, or not in this order: " + line);
      rest = rest.subList(rest.indexOf(line) + 1, rest.size());
    }
  }

  /** The lines of some code less comments, and less what a student adds within a line. */
  private static List<String> bare(String code) {
    return code.lines().map(line -> line.replaceAll("//.*|/\\*\\*.*", "").replace("synchronized ", "")
        .replaceAll("\\.filter\\(.*?\"\\)\\)", "").strip()).filter(line -> !line.isEmpty()).toList();
  }

  @Test
  @DisplayName("no two solutions are the same")
  void solutionsDiffer() throws IOException {
    List<String> codes = Solution.all().map(Solution::code).toList();
    assertEquals(codes.size(), codes.stream().distinct().count());
  }

  @Test
  @DisplayName("the checklist is plain ASCII where the terminal knows no more, and French where asked for")
  void ascii() throws IOException {
    List<Grade.Point> points =
        List.of(new Grade.Point("images", true, "all there"), new Grade.Point("ratio", false, "wrong"));
    assertTrue(text(points, "en", StandardCharsets.UTF_8).contains("✓ images      all there"));
    assertTrue(text(points, "fr", StandardCharsets.UTF_8).endsWith("MyCompress.java : 1 points sur 2\n"));
    assertEquals("""

        [x] images      all there
        [ ] taux        wrong

        MyCompress.java : 1 points sur 2
        """, text(points, "fr", StandardCharsets.US_ASCII).replace(System.lineSeparator(), "\n"));
  }

  @Test
  @DisplayName("the grader says the same in both languages")
  void languages() throws IOException {
    ResourceBundle english = Grade.texts("en");
    ResourceBundle french = Grade.texts("fr");
    assertEquals(english.keySet(), french.keySet());
    for (String key : english.keySet()) {
      String allButValues = "(?s)(%[.\\d]*\\w)|.";
      String values = english.getString(key).replaceAll(allButValues, "$1");
      assertEquals(values, french.getString(key).replaceAll(allButValues, "$1"), key);
    }
  }

  @ParameterizedTest(name = "wrong usage: {0}: {1}")
  @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
      ""                  | one solution is expected
      a.java b.java       | no such file: a.java
      none.java           | no such file: none.java
      --foo none.java     | unknown option: --foo
      --lang=de none.java | unknown option: --lang=de
      --lang=fr none.java | n'existe pas
      """)
  void usage(String arguments, String says) throws Exception {
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    assertEquals(2, Grade.run(arguments.isEmpty() ? new String[0] : arguments.split(" "), null, new PrintStream(err)));
    assertTrue(err.toString().contains(says), err.toString());
  }

  @Test
  @DisplayName("the scripts that users start build as they start them: the grader, the samples, the benchmark")
  void scripts() throws InterruptedException {
    for (String script : List.of("Grade", "SampleImages", "Benchmark")) {
      Path tests = Program.project().resolve("tests");
      String launcher = Program.project().resolve(".jbang/jbang").toString();
      assertTrue(Program.succeeds(List.of(launcher, "build", tests.resolve(script + ".java").toString())), script);
    }
  }
}
