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
import java.util.Properties;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Grades Compress, the skeleton that students start from, and the solutions of tests/solutions/variants.md. */
@DisplayName("Grade: the checklist of the exercise")
class GradeTest {
  private static final Path PROJECT = Program.project();
  private static final Grade.Scale WHOLE = new Grade.Scale(8, 480, 100, 30);
  private static final Grade.Scale SHORT = new Grade.Scale(8, 480, 0, 30);
  private static final Grade.Scale IMPATIENT = new Grade.Scale(8, 480, 0, 3);

  @TempDir static Path folder;

  // Much of a grading is waiting, so that three at once keep two cores busy.
  private static final ExecutorService POOL = Executors.newFixedThreadPool(3);
  private static final Map<String, Future<List<Grade.Point>>> GRADED = new LinkedHashMap<>();

  /**
   * A solution with some lines changed.
   *
   * @param fails the points that it fails, as a list; or: right
   * @param name what is changed
   * @param suite whether it is graded in each run of the tests
   * @param says what the checklist says of it, among other things
   */
  private record Variant(String fails, String name, boolean suite, String says, String code) {
    private static final Pattern SECTION =
        Pattern.compile("(?ms)^## ([a-z, ]+): (.*?)( \\*)?\\n\\n(?:> (.*?)\\n\\n)?```diff\\n(.*?)^```");

    static List<Variant> all() throws IOException {
      String solution = Files.readString(PROJECT.resolve("tests/solutions/MyCompress.java"));
      return SECTION.matcher(Files.readString(PROJECT.resolve("tests/solutions/variants.md"))).results()
          .map(section -> new Variant(section.group(1), section.group(2), section.group(3) != null,
              section.group(4) == null ? "" : section.group(4), edited(solution, section.group(5))))
          .toList();
    }

    /** The solution with the lines after - replaced by those after +. */
    private static String edited(String solution, String diff) {
      String code = solution;
      for (Matcher edit = Pattern.compile("((?:-.*\\n)+)((?:\\+.*\\n)*)").matcher(diff); edit.find(); ) {
        String old = edit.group(1).replaceAll("(?m)^-", "");
        assertEquals(2, ("\n" + code).split(Pattern.quote("\n" + old), -1).length, "in the solution once: " + old);
        code = ("\n" + code).replace("\n" + old, "\n" + edit.group(2).replaceAll("(?m)^\\+", "")).substring(1);
      }
      return code;
    }

    Grade.Scale scale() {
      return fails.equals("end") ? IMPATIENT : SHORT;
    }

    String title() {
      return fails + ": " + name;
    }

    List<String> failing() {
      return fails.equals("right") ? List.of() : List.of(fails.split(", "));
    }
  }

  /**
   * Grades all variants, or those whose title matches the first argument, as often as the second one says, and prints
   * which points they fail each time.
   */
  public static void main(String[] arguments) throws Exception {
    folder = Files.createTempDirectory("grades");
    int times = arguments.length < 2 ? 1 : Integer.parseInt(arguments[1]);
    for (Variant variant : Variant.all()) {
      if (arguments.length == 0 || variant.title().matches(arguments[0])) {
        for (int i = 1; i <= times; i++) {
          grade(variant.title() + " " + i, "MyCompress", variant.code, variant.scale());
        }
      }
    }
    if (arguments.length > 0 && "Compress".matches(arguments[0])) {
      for (int i = 1; i <= times; i++) {
        grade("right: Compress.java " + i, "Compress", Files.readString(PROJECT.resolve("Compress.java")), WHOLE);
      }
    }
    int wrong = 0;
    for (Map.Entry<String, Future<List<Grade.Point>>> graded : GRADED.entrySet()) {
      String fails = String.join(", ", failing(graded.getValue().get()));
      boolean expected = graded.getKey().startsWith((fails.isEmpty() ? "right" : fails) + ": ");
      System.out.println((expected ? "ok     " : "WRONG  ") + graded.getKey() + " -> " + fails);
      if (!expected) {
        wrong++;
        System.out.println(text(graded.getValue().get(), "en", StandardCharsets.UTF_8));
      }
    }
    System.out.printf("%d gradings, %d not as expected%n", GRADED.size(), wrong);
    System.exit(wrong == 0 ? 0 : 1);
  }

  @BeforeAll
  static void startGrading() throws IOException {
    for (Variant variant : Variant.all()) {
      if (variant.suite) {
        grade(variant.title(), "MyCompress", variant.code, variant.scale());
      }
    }
    grade("solution", "MyCompress", Files.readString(PROJECT.resolve("tests/solutions/MyCompress.java")), WHOLE);
    grade("skeleton", "MyCompress", skeleton("en"), SHORT);
    grade("Compress", "Compress", Files.readString(PROJECT.resolve("Compress.java")), WHOLE);
  }

  @AfterAll
  static void stopGrading() {
    POOL.shutdownNow();
  }

  private static void grade(String name, String mainClass, String code, Grade.Scale scale) {
    int number = GRADED.size();
    boolean preview = name.contains("(preview)");
    GRADED.put(name, POOL.submit(() -> {
      Path classes = Files.createDirectories(folder.resolve("solution-" + number));
      Path source = Files.writeString(classes.resolve(mainClass + ".java"), code);
      String classPath = System.getProperty("java.class.path");
      List<String> compile = new ArrayList<>(List.of("-g", "-proc:none", "-cp", classPath, "-d", classes.toString(),
          "--release", preview ? "" + Runtime.version().feature() : "21", source.toString()));
      compile.addAll(preview ? List.of("--enable-preview") : List.of());
      ByteArrayOutputStream errors = new ByteArrayOutputStream();
      int status = ToolProvider.getSystemJavaCompiler().run(null, null, errors, compile.toArray(String[]::new));
      assertEquals(0, status, errors.toString());
      Grade.Launcher java = (options, arguments) -> {
        List<String> command = new ArrayList<>();
        command.add(ProcessHandle.current().info().command().orElseThrow());
        command.addAll(List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")); // a quick start counts most
        command.addAll(preview ? List.of("--enable-preview") : List.of());
        command.addAll(options);
        command.addAll(List.of("-cp", classes + File.pathSeparator + classPath, mainClass));
        command.addAll(arguments);
        return command;
      };
      PrintStream nowhere = new PrintStream(OutputStream.nullOutputStream());
      return Grade.grade(java, source.getFileName().toString(), scale, Grade.texts("en"), nowhere);
    }));
  }

  /** What {@code jbang init --template=exercise -Dlang=LANG MyCompress.java} makes. */
  private static String skeleton(String language) throws IOException {
    boolean french = language.equals("fr");
    return Files.readString(PROJECT.resolve(".jbang/exercise.java.qute"))
        .replaceAll("(?s)\\{#if lang == 'fr'\\}\\n(.*?)\\{#else\\}\\n(.*?)\\{/if\\}\\n", french ? "$1" : "$2")
        .replace("{baseName}", "MyCompress").replace("\\{", "{");
  }

  private static List<String> failing(List<Grade.Point> points) {
    return points.stream().filter(point -> !point.done()).map(Grade.Point::name).toList();
  }

  private static String text(List<Grade.Point> points, String language, Charset charset) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    Grade.print(points, "MyCompress.java", Grade.texts(language), new PrintStream(bytes, true, charset));
    return bytes.toString(charset);
  }

  private static void assertPasses(String name) throws Exception {
    List<Grade.Point> points = GRADED.get(name).get();
    assertEquals(List.of(), failing(points), text(points, "en", StandardCharsets.UTF_8));
    assertEquals(9, points.size());
  }

  @Test
  @DisplayName("Compress.java passes every point")
  void compressPasses() throws Exception {
    assertPasses("Compress");
  }

  @Test
  @DisplayName("so does a student's solution")
  void solutionPasses() throws Exception {
    assertPasses("solution");
  }

  @Test
  @DisplayName("the skeleton passes none, and says what is to be done")
  void skeletonIsToBeDone() throws Exception {
    List<Grade.Point> points = GRADED.get("skeleton").get();
    assertEquals(points.stream().map(Grade.Point::name).toList(), failing(points));
    assertEquals(9, points.size());
    for (String skeleton : List.of(skeleton("en"), skeleton("fr"))) {
      for (int number = 1; number <= 6; number++) {
        assertTrue(skeleton.matches("(?s).*// TODO " + number + " ?: .*"), "the place of TODO " + number);
        assertTrue(skeleton.contains("\n          TODO " + number + "  "), "TODO " + number + " in the list");
      }
    }
  }

  @Test
  @DisplayName("the solution is the skeleton, English or French, with its TODOs done")
  void solutionContainsSkeleton() throws Exception {
    for (String skeleton : List.of(skeleton("en"), skeleton("fr"))) {
      String code = skeleton.substring(skeleton.indexOf("import "))
          .replaceAll("(?s)    // (Delete|Effacez) .*?\"\"\"\\);\n", ""); // the list of what is to be done
      Iterator<String> solution = bare(Files.readString(PROJECT.resolve("tests/solutions/MyCompress.java")));
      for (Iterator<String> lines = bare(code); lines.hasNext(); ) {
        String line = lines.next();
        boolean found = line.isEmpty();
        while (!found && solution.hasNext()) {
          found = solution.next().equals(line);
        }
        assertTrue(found, "not in the solution, or not in this order: " + line);
      }
    }
  }

  /** The lines of some code less comments, and less what a student adds within a line. */
  private static Iterator<String> bare(String code) {
    return code.lines().map(line -> line.replaceAll("//.*|/\\*\\*.*", "").replace("synchronized ", "")
        .replaceAll("\\.filter\\(.*?\"\\)\\)", "").strip()).iterator();
  }

  @TestFactory
  @DisplayName("a mistake fails its own points and no other, and what is right passes")
  Stream<DynamicTest> variants() throws IOException {
    return Variant.all().stream().filter(Variant::suite).map(variant -> DynamicTest.dynamicTest(
        variant.title(), () -> {
          List<Grade.Point> points = GRADED.get(variant.title()).get();
          String text = text(points, "en", StandardCharsets.UTF_8);
          assertEquals(variant.failing(), failing(points), text);
          assertTrue(text.replaceAll("\\s+", " ").contains(variant.says), text);
        }));
  }

  @Test
  @DisplayName("no two variants are the same")
  void variantsDiffer() throws IOException {
    List<Variant> variants = Variant.all();
    assertEquals(variants.size(), variants.stream().map(Variant::code).collect(Collectors.toSet()).size());
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
    Properties english = Grade.texts("en");
    Properties french = Grade.texts("fr");
    assertEquals(english.keySet(), french.keySet());
    for (String key : english.stringPropertyNames()) {
      assertEquals(values(english.getProperty(key)), values(french.getProperty(key)), key);
    }
  }

  /** The places for values in a text, in order: what {@link String#format} fills in. */
  private static List<String> values(String text) {
    return Pattern.compile("%[.\\d]*\\w").matcher(text).results().map(MatchResult::group).toList();
  }

  @Test
  @DisplayName("wrong usage: exit status 2; a missing file is said to be missing")
  void usage() throws Exception {
    Map<String, String> wrong = Map.of("", "one solution is expected", "a.java b.java", "one solution is expected",
        "none.java", "no such file: none.java", ".", "not a Java file: .", "--lang=fr none.java", "n'existe pas");
    for (Map.Entry<String, String> one : wrong.entrySet()) {
      ByteArrayOutputStream err = new ByteArrayOutputStream();
      String[] arguments = one.getKey().isEmpty() ? new String[0] : one.getKey().split(" ");
      assertEquals(2, Grade.run(arguments, System.out, new PrintStream(err)));
      assertTrue(err.toString().contains(one.getValue()), err.toString());
    }
  }
}
