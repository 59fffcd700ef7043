///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//JAVAC_OPTIONS --release 21
//SOURCES Pictures.java
//SOURCES SlowMotion.java
//FILES Grade_en.properties
//FILES Grade_fr.properties

import java.awt.image.BufferedImage;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import javax.imageio.plugins.jpeg.JPEGQTable;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;

/**
 * Checks a solution of the exercise, point by point, as a black box: it is run four times on images that are made for
 * the purpose, and judged by what it prints, by what it leaves on the disk, and by what its Java machine tells of it.
 *
 * <ol>
 *   <li>As it is. The machine's flight recorder notes which thread reads and writes which file, and when. If nothing
 *       comes of it because the folder is not created, or the program ends before its threads, it is run once more with
 *       that much of help: the other points are judged all the same.
 *   <li>In slow motion. Two threads meet between the reading and the writing of a total perhaps once in a hundred
 *       thousand runs; here a debugger holds the first one there until a second one comes. Where there is a lock, none
 *       does; where there is none, the second thread is caught in the act, or an addition is lost for certain.
 *   <li>Without threads, {@code --mode=sequential}.
 *   <li>With very many images.
 * </ol>
 */
public final class Grade {
  private static final String USAGE = """
      Usage: jbang tests/Grade.java [--lang=en|fr] SOLUTION.java

      Runs a solution of the exercise on images of its own making and prints, point by point, what works and what does
      not; in French with --lang=fr, or where that is the user's language. The solution is run with JBang: the command
      that the environment variable JBANG names, jbang on the PATH, or .jbang/jbang in this folder, the solution's, or
      one above them.

      What a solution keeps to:
        - run without arguments, it compresses ./IMAGES into ./COMPRESSED_IMAGES, each image under its own name;
        - the argument --mode=sequential makes it do so without threads;
        - the log goes to standard error, a line such as
          10:02:11.633 CompressOneImage      image-1 INFO   harbour.jpg: 3210000 -> 580000 bytes
        - the last line on standard output has the ratio of sizes after / before, as in: ratio 0.187 (or: taux 0.187)

      Exit status:
        0   all points pass
        1   at least one does not
        2   wrong usage
      """;

  private static final String SEQUENTIAL = "--mode=sequential";
  private static final List<String> OTHER_FILES = List.of("notes.txt", "list-of-jpg.txt", "drawing.png");
  private static final Pattern RATIO = Pattern.compile("(?:ratio|taux(?: de compression)?)\\W{0,3}"
      + "(NaN|-?Infinity|-?\\d+(?:[.,](\\d+))?)(\\s?%)?", Pattern.CASE_INSENSITIVE);
  private static final String TIME = "^\\d\\d:\\d\\d:\\d\\d[.,]\\d{3} +";
  private static final String LEVEL = "(?:TRACE|FINE|DEBUG|INFO|WARN|WARNING|ERROR|SEVERE)";
  private static final Pattern LOG_LINE = Pattern.compile(TIME + "(\\S+) +(\\S.*?) +" + LEVEL + " +(\\S.*)$");
  private static final Pattern NO_THREAD = Pattern.compile(TIME + "\\S+ {9,}" + LEVEL + " +\\S.*$");
  private static final Pattern CREATED = // a line that says so of the folder, not of a file in it
      Pattern.compile("^(?!.*(?:already|exist|déjà)).*(?:\\bcreat|\\bcr[ée]{1,2}).*", Pattern.CASE_INSENSITIVE);
  private static final Pattern IMAGE = Pattern.compile("(?:^|[/\\\\])(COMPRESSED_)?IMAGES[/\\\\]([^/\\\\]+)$");

  /** How to run a solution: the command for these options of the Java machine and these arguments. */
  interface Launcher {
    List<String> command(List<String> jvmOptions, List<String> arguments);
  }

  /**
   * What the solution is tried on.
   *
   * @param images how many images there are
   * @param width of each, in pixels; the height is 3/4 of it
   * @param many how many tiny images the last run has; 0: there is no last run
   * @param patience seconds without a sign of life after which a run is given up, once the ratio is printed
   */
  record Scale(int images, int width, int many, int patience) {
    static final Scale CLASSROOM = new Scale(8, 1600, 1000, 10);
  }

  /** A point of the exercise: whether it is done, and what was seen, expected and is to be looked up. */
  record Point(String name, boolean done, String remark) {}

  private final Launcher launcher;
  private final String sourceName;
  private final Scale scale;
  private final Properties texts;
  private final PrintStream progress;
  private final List<Point> points = new ArrayList<>();
  private int patience = 60; // seconds without a sign of life after which a run is given up
  private boolean noJoin; // seen in the first run: the program ends before its threads
  private boolean noFolder; // seen in the first run: nobody creates it

  private Grade(Launcher launcher, String sourceName, Scale scale, Properties texts, PrintStream progress) {
    this.launcher = launcher;
    this.sourceName = sourceName;
    this.scale = scale;
    this.texts = texts;
    this.progress = progress;
  }

  /** Grades the solution named on the command line; see {@link #USAGE}. */
  public static void main(String[] arguments) throws Exception {
    System.exit(run(arguments, System.out, System.err));
  }

  /** Does what {@link #USAGE} says and returns the exit status. */
  static int run(String[] arguments, PrintStream out, PrintStream err) throws Exception {
    List<String> rest = new ArrayList<>(List.of(arguments));
    if (rest.contains("--help") || rest.contains("-h")) {
      out.print(USAGE);
      return 0;
    }
    boolean french = rest.removeIf("--lang=fr"::equals)
        || !rest.removeIf("--lang=en"::equals) && Locale.getDefault().getLanguage().equals("fr");
    Properties texts = texts(french ? "fr" : "en");
    Path solution = rest.size() == 1 ? Path.of(rest.get(0)) : null;
    String wrong = solution == null ? "usage.one" : !Files.exists(solution) ? "usage.missing"
        : !Files.isRegularFile(solution) || !rest.get(0).endsWith(".java") ? "usage.java" : null;
    if (wrong != null) {
      err.println("Grade: " + String.format(texts.getProperty(wrong), solution));
      err.print(wrong.equals("usage.missing") ? "" : USAGE);
      return 2;
    }
    String file = solution.toAbsolutePath().toString();
    String jbang = findJBang(solution);
    Process build = new ProcessBuilder(jbang, "build", file).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    build.getOutputStream().close();
    build.getInputStream().transferTo(err);
    String name = solution.getFileName().toString();
    if (build.waitFor() != 0) {
      out.println(String.format(texts.getProperty("usage.compile"), name));
      return 1;
    }
    Launcher launcher = (options, more) -> {
      List<String> command = new ArrayList<>(List.of(jbang));
      options.forEach(option -> command.add("-R" + option));
      command.add(file);
      command.addAll(more);
      return command;
    };
    List<Point> points = grade(launcher, name, Scale.CLASSROOM, texts, err);
    print(points, name, texts, out);
    return points.stream().allMatch(Point::done) ? 0 : 1;
  }

  /** What the grader says, in the language en or fr. */
  static Properties texts(String language) throws IOException {
    Properties texts = new Properties();
    String name = "/Grade_" + language + ".properties";
    try (Reader in = new InputStreamReader(Grade.class.getResourceAsStream(name), StandardCharsets.UTF_8)) {
      texts.load(in);
    }
    return texts;
  }

  /** The command that starts JBang. */
  private static String findJBang(Path solution) {
    String named = System.getenv("JBANG");
    if (named != null && !named.isBlank()) {
      return named;
    }
    String program = File.separatorChar == '\\' ? "jbang.cmd" : "jbang";
    for (String folder : System.getenv().getOrDefault("PATH", "").split(File.pathSeparator)) {
      if (!folder.isEmpty() && Files.isExecutable(Path.of(folder, program))) {
        return program;
      }
    }
    return Stream.of(Path.of(""), solution).flatMap(start -> Stream.iterate(start.toAbsolutePath(), Objects::nonNull,
        Path::getParent)).map(folder -> folder.resolve(".jbang").resolve("jbang")).filter(Files::isExecutable)
        .map(Path::toString).findFirst().orElse(program); // then the system says that there is none
  }

  /** Prints the checklist; the marks are plain ASCII where the stream's character set has no better ones. */
  static void print(List<Point> points, String title, Properties texts, PrintStream out) {
    boolean utf8 = out.charset().equals(StandardCharsets.UTF_8);
    out.println();
    for (Point point : points) {
      String mark = utf8 ? point.done ? "✓" : "✗" : point.done ? "[x]" : "[ ]";
      String head = mark + " " + String.format("%-12s", texts.getProperty(point.name));
      String remark = point.remark.replaceAll("(?<=«) | (?=[:;?»])", "\u00A0"); // French: no line ends there
      String indent = System.lineSeparator() + " ".repeat(head.length());
      remark = remark.replaceAll("(.{1," + (100 - head.length()) + "})(?: |$)", "$1" + indent).stripTrailing();
      out.println(head + remark.replace('\u00A0', ' '));
    }
    long done = points.stream().filter(Point::done).count();
    String all = done < points.size() ? "" : texts.getProperty("print.all");
    out.printf("%n" + texts.getProperty("print.points") + "%n", title, done, points.size(), all);
  }

  /**
   * Grades a solution.
   *
   * @param launcher runs it
   * @param sourceName the name of its source file, by which its classes are told from those of libraries
   * @param texts the remarks, in the user's language
   * @param progress gets a line before each run
   */
  static List<Point> grade(Launcher launcher, String sourceName, Scale scale, Properties texts, PrintStream progress)
      throws IOException, InterruptedException {
    Path folder = Files.createTempDirectory("grade");
    try {
      Grade grade = new Grade(launcher, sourceName, scale, texts, progress);
      grade.all(folder);
      return grade.points;
    } finally {
      delete(folder);
    }
  }

  private static void delete(Path folder) throws IOException {
    if (Files.exists(folder)) {
      try (Stream<Path> files = Files.walk(folder)) {
        files.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
      }
    }
  }

  private void all(Path folder) throws IOException, InterruptedException {
    Path photos = folder.resolve("photos");
    make(photos, scale.images, i -> Pictures.jpeg(picture(scale.width, i), 0.92f));
    for (String name : OTHER_FILES) {
      if (name.endsWith(".png")) {
        ImageIO.write(picture(160, 99), "png", photos.resolve("IMAGES").resolve(name).toFile());
      } else {
        Files.writeString(photos.resolve("IMAGES").resolve(name), "Not an image.\n");
      }
    }
    progress(1, "plain", scale.images, scale.width, scale.width * 3 / 4);
    Run first = run(photos, List.of(), true, null);
    Run plain = first;
    if (!first.missing().isEmpty() && first.started() && !first.hung) { // help, to see what else it does
      noJoin = first.unfinished > 0;
      if (noJoin) {
        delete(photos.resolve("COMPRESSED_IMAGES"));
        plain = run(photos, List.of(), true, new SlowMotion(sourceName, true));
      }
      noFolder = !Files.exists(photos.resolve("COMPRESSED_IMAGES"));
      if (noFolder) {
        plain = run(photos, List.of(), true, noJoin ? new SlowMotion(sourceName, true) : null);
      }
    }
    if (plain.compressed().isEmpty()) {
      nothingDone(first);
      return;
    }

    // Some lose three quarters, some one: whichever image the totals lack, the ratio tells.
    Path slow = folder.resolve("slow");
    make(slow, 12, i -> i % 3 == 0 ? Pictures.jpeg(picture(160, i), 0.95f) : Pictures.jpeg(picture(400, i), 0.4f));
    progress(2, "slow");
    Run slowly = run(slow, List.of(), false, new SlowMotion(sourceName, false));

    Path threaded = Files.move(photos.resolve("COMPRESSED_IMAGES"), photos.resolve("THREADED"));
    for (String name : OTHER_FILES) {
      Files.delete(photos.resolve("IMAGES").resolve(name)); // they are counted once
    }
    progress(3, "sequential", SEQUENTIAL);
    Run sequential = run(photos, List.of(SEQUENTIAL), true, null);

    Run load = slowly;
    if (scale.many > 0 && !noJoin && slowly.motion.early == null) {
      Path many = folder.resolve("many");
      make(many, scale.many, i -> Pictures.jpeg(picture(32, i), 0.92f));
      Files.createDirectory(many.resolve("COMPRESSED_IMAGES"));
      progress(4, "many", scale.many);
      load = run(many, List.of(), false, null);
    }

    images(first, plain);
    quality(plain, threaded);
    log(plain);
    boolean threads = threads(plain, slowly);
    folder(plain, slowly, load, threads);
    totals(plain, slowly, load);
    ratio(plain, slowly);
    sequential(plain, sequential);
    end(List.of(first, plain, slowly, sequential, load));
  }

  private void progress(int number, String key, Object... values) {
    progress.println(say("progress", number, say("progress." + key, values)));
  }

  private String say(String key, Object... values) {
    return String.format(Locale.ROOT, texts.getProperty(key), values);
  }

  private void pass(String key, Object... values) {
    points.add(new Point(key.substring(0, key.indexOf('.')), true, say(key, values)));
  }

  private void fail(String key, Object... values) {
    points.add(new Point(key.substring(0, key.indexOf('.')), false, say(key, values)));
  }

  // ------------------------------------------------------------------------------------------------------- the points

  private void nothingDone(Run run) {
    fail("images.none", run.originals().size(), lastWords(run));
    fail("quality.none");
    fail("log.none");
    fail(run.started() ? "threads.vain" : "threads.none");
    fail(Files.exists(run.folder.resolve("COMPRESSED_IMAGES")) ? "folder.empty" : "folder.missing");
    fail("totals.none");
    fail("ratio.nothing", run.ratioText() == null ? say("ratio.none") : say("ratio.ofNothing", run.ratioText()));
    fail("sequential.later", SEQUENTIAL);
    String status = run.status != 0 ? say("end.status", run.status, "", "") : say("end.idle");
    fail("end.text", run.hung ? hanging(run) : status);
  }

  private void images(Run first, Run run) {
    int all = run.originals().size();
    Set<String> others = new TreeSet<>(run.compressed());
    others.removeAll(run.originals());
    run.works.stream().map(work -> work.image).filter(name -> !run.originals().contains(name)).forEach(others::add);
    if (noJoin) {
      fail("images.noJoin", first.missing().size(), all, run.compressed().size());
    } else if (noFolder) {
      fail("images.noFolder", run.compressed().size(), all);
    } else if (!run.missing().isEmpty()) {
      fail("images.missing", run.missing().size(), all, String.join(", ", run.missing()), lastWords(run));
    } else if (!others.isEmpty()) {
      fail("images.others", all, String.join(", ", others));
    } else {
      pass("images.done", all, all);
    }
  }

  private void quality(Run run, Path copies) throws IOException {
    Set<String> names = new TreeSet<>(run.originals());
    names.retainAll(run.compressed());
    for (String name : names) {
      byte[] copy = Files.readAllBytes(copies.resolve(name));
      BufferedImage before = ImageIO.read(run.folder.resolve("IMAGES").resolve(name).toFile());
      BufferedImage after = null;
      try {
        after = ImageIO.read(new ByteArrayInputStream(copy));
      } catch (IOException e) {
        // It is said below, as of a file that is no image at all.
      }
      int quality = qualityOf(copy);
      int usual = Pictures.jpeg(before, 0.3f).length;
      if (after == null) {
        fail("quality.unreadable", name);
      } else if (after.getWidth() != before.getWidth() || after.getHeight() != before.getHeight()) {
        fail("quality.size", name, after.getWidth(), after.getHeight(), before.getWidth(), before.getHeight());
      } else if (difference(before, after) > 20) {
        fail("quality.other", name);
      } else if (quality != 0 && Math.abs(quality - 30) > 2) {
        fail("quality.tables", name, quality, copy.length, usual);
      } else if (copy.length > 1.2 * usual || copy.length < 0.5 * usual) {
        fail("quality.bytes", name, copy.length, usual);
      } else {
        continue;
      }
      return;
    }
    pass("quality.done");
  }

  private void log(Run run) {
    Set<String> missing = new TreeSet<>(run.originals());
    missing.retainAll(run.compressed());
    String plain = null; // a line that names an image, but not in the columns
    String nameless = null; // one whose column for the thread is blank
    for (String line : run.lines()) {
      Matcher matcher = LOG_LINE.matcher(line);
      boolean columns = matcher.matches();
      for (Iterator<String> names = missing.iterator(); names.hasNext(); ) {
        String name = names.next();
        if (columns && matcher.group(3).contains(name)) {
          names.remove();
        } else if (line.contains(name)) {
          nameless = NO_THREAD.matcher(line).matches() ? line : nameless;
          plain = line;
        }
      }
    }
    if (missing.isEmpty()) {
      pass("log.done");
    } else if (nameless != null) {
      fail("log.nameless", nameless);
    } else if (plain != null) {
      fail("log.columns", plain);
    } else {
      fail("log.missing", String.join(", ", missing));
    }
  }

  private boolean threads(Run run, Run slowly) {
    Map<Long, String> threads = new TreeMap<>();
    run.works.forEach(work -> threads.put(work.threadId, work.threadName));
    int most = Work.atOnce(run.works);
    int images = run.originals().size();
    if (threads.isEmpty()) {
      fail("threads.unseen");
    } else if (threads.size() == 1) {
      fail("threads.one", threads.values().iterator().next());
    } else if (most < 2) {
      fail("threads.inTurn", threads.size());
    } else if (4 * threads.size() < 3 * images) { // a cached pool may use one or two again
      fail("threads.pool", threads.size(), images);
    } else if (slowly.motion.alone()) {
      fail("threads.alone");
    } else {
      pass("threads.done", threads.size(), most);
    }
    return most >= 2;
  }

  private void folder(Run plain, Run slowly, Run load, boolean threads) {
    SlowMotion motion = slowly.motion;
    boolean mainIsBusy = plain.works.stream().anyMatch(work -> work.threadName.equals("main")); // parallel streams
    int created = Math.max(plain.creations(), slowly.creations());
    boolean lost = !slowly.missing().isEmpty() && plain.missing().isEmpty() && !motion.creators.isEmpty();
    if (noFolder) {
      fail("folder.missing");
    } else if (motion.failure != null) {
      fail("folder.unknown", motion.failure);
    } else if (motion.creating.met != null) {
      fail("folder.atOnce", motion.creating.met);
    } else if (motion.late.size() > 1) {
      fail("folder.late", motion.late.size(), String.join(", ", motion.late));
    } else if (created > 1) {
      fail("folder.logged", created);
    } else if (lost) {
      fail("folder.lost", String.join(", ", motion.creators), slowly.missing().size(), lastWords(slowly));
    } else if (threads && !mainIsBusy && motion.creators.equals(Set.of("main"))) {
      fail("folder.main");
    } else if (load.compressed().isEmpty()) {
      fail("folder.there", lastWords(load));
    } else {
      boolean one = threads && motion.creators.size() == 1;
      pass("folder.done", one ? say("folder.by", motion.creators.iterator().next()) : "");
    }
  }

  private void totals(Run plain, Run slowly, Run load) {
    SlowMotion motion = slowly.motion;
    boolean trusted = plain.ratioIsRight() && motion.early == null; // or one mistake would count twice
    SlowMotion.Place met = motion.places.values().stream().filter(place -> place.strict && place.met != null).findFirst()
        .orElse(null);
    if (motion.failure != null) {
      fail("totals.unknown", motion.failure);
    } else if (met != null) {
      fail("totals.atOnce", met.what, met.met);
    } else if (motion.mainSizes >= 6) {
      fail("totals.main");
    } else if (trusted && !slowly.ratioIsRight() && slowly.missing().isEmpty()) {
      String where = motion.places.values().stream().filter(place -> place.met != null).map(place -> place.what)
          .collect(Collectors.joining(", "));
      fail("totals.lost", say("ratio.wrong", slowly.ratioText(), slowly.ratio()), where);
    } else if (load != slowly && (load.hung && !plain.hung
        || !load.missing().isEmpty() && plain.missing().isEmpty())) {
      fail("totals.load", load.missing().size(), load.originals().size(), lastWords(load));
    } else if (trusted && load != slowly && !load.ratioIsRight()) {
      fail("totals.many", load.originals().size(), ratioProblem(load));
    } else if (!trusted && motion.places.values().stream().noneMatch(place -> place.images)) {
      fail("totals.unseen");
    } else {
      pass("totals.done", load.originals().size());
    }
  }

  private void ratio(Run plain, Run slowly) {
    SlowMotion motion = slowly.motion;
    if (noJoin || motion.early != null) {
      fail("ratio.early", motion.early == null ? say("ratio.aThread") : motion.early,
          motion.paused == null ? "" : say("ratio.paused", motion.paused));
    } else if (motion.polled != null) {
      fail("ratio.polled", motion.polled);
    } else if (plain.ratioIsRight()) {
      pass("ratio.done", plain.ratioText());
    } else {
      fail("ratio.text", ratioProblem(plain));
    }
  }

  private void sequential(Run threaded, Run run) throws IOException {
    Set<String> threads = new TreeSet<>();
    Set<Long> ids = new HashSet<>();
    run.works.forEach(work -> {
      threads.add(work.threadName);
      ids.add(work.threadId);
    });
    Set<String> different = new TreeSet<>();
    for (String name : run.originals()) {
      Path before = run.folder.resolve("THREADED").resolve(name);
      Path after = run.folder.resolve("COMPRESSED_IMAGES").resolve(name);
      boolean same = Files.exists(before) && Files.exists(after) && Files.mismatch(before, after) < 0;
      if (!same && (Files.exists(before) || Files.exists(after))) {
        different.add(name);
      }
    }
    String names = String.join(", ", threads);
    if (run.hung && !threaded.hung) {
      fail("sequential.hung", SEQUENTIAL, hanging(run));
    } else if (run.compressed().isEmpty()) {
      fail("sequential.nothing", SEQUENTIAL, lastWords(run));
    } else if (ids.size() > 1) {
      fail("sequential.threads", SEQUENTIAL, ids.size(), names);
    } else if (!threads.equals(Set.of("main"))) {
      fail("sequential.thread", SEQUENTIAL, names);
    } else if (!different.isEmpty()) {
      fail("sequential.different", SEQUENTIAL, String.join(", ", different));
    } else {
      pass("sequential.done");
    }
  }

  private void end(List<Run> runs) {
    for (Run run : runs) {
      if (run.hung) {
        fail("end.text", hanging(run));
        return;
      }
      if (run.status != 0 && !(noFolder && run == runs.get(0))) {
        String how = run.arguments.isEmpty() ? "" : say("end.with", SEQUENTIAL);
        fail("end.status", run.status, how, lastWords(run));
        return;
      }
    }
    pass("end.done");
  }

  private String ratioProblem(Run run) {
    if (run.ratioText() == null) {
      return say("ratio.noneAtAll");
    }
    String problem = say("ratio.wrong", run.ratioText(), run.ratio());
    boolean upsideDown = Math.abs(run.ratioPrinted() * run.ratio() - 1) < 0.01;
    return problem + say(upsideDown ? "ratio.upsideDown" : "ratio.tooSoon");
  }

  private String hanging(Run run) {
    return say("end.hung", run.ratioText() == null ? "" : say("end.although"));
  }

  /** The first thing that the program said of an error, as a sentence, or nothing. */
  private String lastWords(Run run) {
    for (String line : run.err) {
      if (line.matches(".*(Exception|Error)\\b.*") || LOG_LINE.matcher(line).matches() && line.contains(" ERROR ")) {
        return say("end.says", line.strip());
      }
    }
    return run.hung ? " " + hanging(run) : "";
  }

  // --------------------------------------------------------------------------------------------------------- the runs

  /** Runs the solution in this folder, which the flight recorder or a debugger may watch. */
  private Run run(Path folder, List<String> arguments, boolean record, SlowMotion motion)
      throws IOException, InterruptedException {
    if (noFolder) {
      Files.createDirectories(folder.resolve("COMPRESSED_IMAGES"));
    }
    List<String> options = new ArrayList<>();
    // On one core virtual threads take turns image by image: never two at once, through no fault of the solution's. And
    // a pool of as many threads as there are cores must not look like one thread per image.
    int cores = Math.clamp(Runtime.getRuntime().availableProcessors(), motion == null ? 2 : 4, 4);
    options.add("-XX:ActiveProcessorCount=" + cores);
    Path recording = folder.resolve("recording.jfr");
    if (record) {
      options.add("-Xlog:jfr+startup=off");
      options.add("-XX:StartFlightRecording:settings=none,filename=" + recording.getFileName()
          + ",+jdk.FileRead#enabled=true,+jdk.FileRead#threshold=0ns"
          + ",+jdk.FileWrite#enabled=true,+jdk.FileWrite#threshold=0ns"
          + ",+jdk.VirtualThreadStart#enabled=true,+jdk.VirtualThreadEnd#enabled=true");
    }
    Run run = new Run(folder, arguments, motion);
    if (motion != null) {
      options.add("-agentlib:jdwp=transport=dt_socket,server=n,suspend=y,address="
          + motion.listen(() -> run.ratioPrinted));
    }
    run.start(launcher.command(options, arguments), patience, Math.min(patience, scale.patience));
    if (motion != null) {
      motion.close();
    }
    if (run.hung) {
      patience = 40; // a program that hangs does so again
    }
    if (Files.exists(recording)) {
      if (Files.size(recording) > 0) { // or the program had to be killed
        run.read(RecordingFile.readAllEvents(recording));
      }
      Files.delete(recording);
    }
    return run;
  }

  /** One run of the solution, and what came of it. */
  private static final class Run {
    final Path folder;
    final List<String> arguments;
    final SlowMotion motion;
    final List<String> out = new ArrayList<>();
    final List<String> err = new ArrayList<>();
    final List<Work> works = new ArrayList<>();
    Map<String, Long> sizesBefore; // in bytes, by name, when the run had ended
    Map<String, Long> sizesAfter;
    int virtual; // threads started
    int unfinished; // of these, had not ended when the program did
    int status;
    boolean hung;
    private volatile long lastSign = System.nanoTime();
    private volatile boolean ratioPrinted;

    Run(Path folder, List<String> arguments, SlowMotion motion) {
      this.folder = folder;
      this.arguments = arguments;
      this.motion = motion;
    }

    void start(List<String> command, int patience, int patienceAtEnd) throws IOException, InterruptedException {
      Process process = new ProcessBuilder(command).directory(folder.toFile()).start();
      process.getOutputStream().close();
      List<Thread> readers = List.of(
          Thread.ofVirtual().start(() -> collect(process.getInputStream(), out)),
          Thread.ofVirtual().start(() -> collect(process.getErrorStream(), err)));
      long start = System.nanoTime();
      while (!process.waitFor(20, TimeUnit.MILLISECONDS)) {
        double silent = (System.nanoTime() - lastSign) / 1e9;
        double all = (System.nanoTime() - start) / 1e9;
        if (silent > (ratioPrinted ? patienceAtEnd : patience) || all > 5 * patience) { // nor may it talk for ever
          hung = true;
          process.descendants().forEach(ProcessHandle::destroy);
          process.destroy(); // gently at first: the flight recorder still has to write
          if (!process.waitFor(20, TimeUnit.SECONDS)) {
            process.descendants().forEach(ProcessHandle::destroyForcibly);
            process.destroyForcibly().waitFor();
          }
        }
      }
      status = process.exitValue();
      for (Thread reader : readers) {
        reader.join();
      }
      sizesBefore = sizes(folder.resolve("IMAGES"));
      sizesAfter = sizes(folder.resolve("COMPRESSED_IMAGES"));
    }

    private static Map<String, Long> sizes(Path folder) throws IOException {
      Map<String, Long> sizes = new TreeMap<>();
      if (Files.isDirectory(folder)) {
        try (Stream<Path> files = Files.list(folder)) {
          files.forEach(file -> sizes.put(file.getFileName().toString(), file.toFile().length()));
        }
      }
      return sizes;
    }

    private void collect(InputStream in, List<String> lines) {
      try (BufferedReader reader = new BufferedReader(new InputStreamReader(in))) {
        for (String line = reader.readLine(); line != null; line = reader.readLine()) {
          lines.add(line);
          ratioPrinted |= RATIO.matcher(line).find() && !line.contains(".jpg"); // not that of one image
          lastSign = System.nanoTime();
        }
      } catch (IOException e) {
        lines.add(e.toString()); // the process was killed
      }
    }

    /** Takes from the flight recorder which thread worked on which image, and which threads there were. */
    private void read(List<RecordedEvent> events) {
      Map<Long, Work> current = new HashMap<>(); // by thread
      events.sort(Comparator.comparing(RecordedEvent::getStartTime));
      for (RecordedEvent event : events) {
        String type = event.getEventType().getName();
        if (type.startsWith("jdk.VirtualThread")) {
          virtual += type.endsWith("Start") ? 1 : 0;
          unfinished += type.endsWith("Start") ? 1 : -1;
          continue;
        }
        String path = event.getString("path");
        Matcher matcher = IMAGE.matcher(path == null ? "" : path);
        if (event.getThread() == null || !matcher.find()) {
          continue;
        }
        Work work = current.get(event.getThread().getJavaThreadId());
        if (matcher.group(1) == null && (work == null || !work.image.equals(matcher.group(2)))) {
          work = new Work(event, matcher.group(2));
          current.put(work.threadId, work);
          works.add(work);
        }
        if (work != null) {
          work.end = Math.max(work.end, Work.nanoseconds(event.getEndTime()));
        }
      }
    }

    /** Whether a thread was started, or an image read. */
    boolean started() {
      return virtual > 0 || !works.isEmpty();
    }

    /** The names of the images. */
    Set<String> originals() {
      return sizesBefore.keySet().stream().filter(name -> name.endsWith(".jpg")).collect(Collectors.toSet());
    }

    /** The names of all files in COMPRESSED_IMAGES. */
    Set<String> compressed() {
      return sizesAfter.keySet();
    }

    /** The names of the images that are not there. */
    Set<String> missing() {
      Set<String> missing = new TreeSet<>(originals());
      missing.removeAll(compressed());
      return missing;
    }

    List<String> lines() {
      return Stream.concat(err.stream(), out.stream()).toList();
    }

    /** How many threads say in the log that they created the folder. */
    int creations() {
      Set<String> threads = new HashSet<>();
      for (String line : lines()) {
        Matcher columns = LOG_LINE.matcher(line);
        if (CREATED.matcher(line).matches() && line.matches(".*COMPRESSED_IMAGES(?![/\\\\]).*")) {
          threads.add(columns.matches() ? columns.group(2) : line);
        }
      }
      return threads.size();
    }

    /** The ratio of the sizes on the disk. */
    double ratio() {
      double before = 0;
      double after = 0;
      for (Map.Entry<String, Long> file : sizesAfter.entrySet()) {
        if (file.getValue() > 0) { // not what a thread began, and failed to write
          before += sizesBefore.getOrDefault(file.getKey(), 0L);
          after += file.getValue();
        }
      }
      return after / before;
    }

    /** The last ratio printed, or null. */
    private Matcher printed() {
      return Stream.of(out.reversed(), err.reversed()).flatMap(List::stream).map(RATIO::matcher).filter(Matcher::find)
          .findFirst().orElse(null);
    }

    /** As it was printed, or null. */
    String ratioText() {
      Matcher printed = printed();
      return printed == null ? null : printed.group(1) + (printed.group(3) == null ? "" : printed.group(3));
    }

    double ratioPrinted() {
      Matcher printed = printed();
      return Double.parseDouble(printed.group(1).replace(',', '.')) / (printed.group(3) == null ? 1 : 100);
    }

    /** Whether the ratio printed is that on the disk: rounded up, rounded down, all is right. */
    boolean ratioIsRight() {
      Matcher printed = printed();
      if (printed == null) {
        return false;
      }
      int decimals = printed.group(2) == null ? 0 : printed.group(2).length();
      double unit = Math.pow(10, -decimals) / (printed.group(3) == null ? 1 : 100); // of the last digit
      return Math.abs(ratioPrinted() - ratio()) <= 1.01 * Math.clamp(unit, 0.001, 0.01);
    }
  }

  /** A thread works on an image: from its first look at the file to its last write. */
  private static final class Work {
    final long threadId;
    final String threadName;
    final String image;
    final long begin; // nanoseconds
    long end;

    private Work(RecordedEvent event, String image) {
      threadId = event.getThread().getJavaThreadId();
      String name = event.getThread().getJavaName();
      threadName = name == null || name.isEmpty() ? "without a name" : name;
      this.image = image;
      begin = nanoseconds(event.getStartTime());
    }

    private static long nanoseconds(Instant time) {
      return time.getEpochSecond() * 1_000_000_000 + time.getNano();
    }

    /** At most how many threads worked at the same time. */
    static int atOnce(List<Work> works) {
      return works.stream().mapToInt(one -> (int) works.stream()
          .filter(other -> other.begin <= one.begin && one.begin < other.end)
          .map(other -> other.threadId).distinct().count()).max().orElse(0);
    }
  }

  // ----------------------------------------------------------------------------------------------------- the pictures

  /** An image of a number, as a file. */
  private interface Image {
    byte[] make(int number) throws IOException;
  }

  /** Makes a folder IMAGES of this many images. */
  private static void make(Path folder, int images, Image image) throws IOException {
    Path originals = Files.createDirectories(folder.resolve("IMAGES"));
    IntStream.range(0, images).parallel().forEach(i -> {
      try {
        Files.write(originals.resolve("photo-" + (i + 1) + ".jpg"), image.make(i));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    });
  }

  private static BufferedImage picture(int width, int seed) {
    return Pictures.picture(width, width * 3 / 4, BufferedImage.TYPE_INT_RGB, seed);
  }

  /** The mean difference of two pictures of one size, 0 to 255, taken on some of the pixels. */
  private static double difference(BufferedImage a, BufferedImage b) {
    return IntStream.range(0, a.getHeight() / 7).flatMap(y -> IntStream.range(0, a.getWidth() / 7).map(x -> {
      int p = a.getRGB(7 * x, 7 * y);
      int q = b.getRGB(7 * x, 7 * y);
      return IntStream.of(0, 8, 16).map(shift -> Math.abs((p >> shift & 0xFF) - (q >> shift & 0xFF))).sum();
    })).average().orElse(0) / 3;
  }

  /** The quality whose quantization table is nearest to the first one of a JPEG, or 0 if it has none. */
  private static int qualityOf(byte[] jpeg) {
    int at = 2;
    while (at + 4 < jpeg.length && (jpeg[at] & 0xFF) == 0xFF) {
      int length = (jpeg[at + 2] & 0xFF) << 8 | jpeg[at + 3] & 0xFF;
      if ((jpeg[at + 1] & 0xFF) == 0xDB && jpeg[at + 4] == 0 && length >= 67) { // DQT, 8 bits a step, table 0
        int start = at + 5;
        int steps = IntStream.range(start, start + 64).map(i -> jpeg[i] & 0xFF).sum();
        return IntStream.rangeClosed(1, 100).boxed()
            .min(Comparator.comparingInt(quality -> Math.abs(steps - steps(quality)))).orElseThrow();
      }
      at += 2 + length;
    }
    return 0;
  }

  /** The sum of the luminance steps of a quality, on libjpeg's scale (ITU-T T.81, table K.1). */
  private static int steps(int quality) {
    float scale = quality < 50 ? 50f / quality : 2 - 0.02f * quality;
    return Arrays.stream(JPEGQTable.K1Luminance.getScaledInstance(scale, true).getTable()).sum();
  }
}
