///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//JAVAC_OPTIONS --release 21 -J-XX:TieredStopAtLevel=1
//SOURCES Pictures.java
//SOURCES SlowMotion.java
//FILES Grade_en.properties
//FILES Grade_fr.properties
import java.awt.image.BufferedImage;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;
import java.util.stream.*;
import javax.imageio.ImageIO;
import javax.imageio.plugins.jpeg.JPEGQTable;

/**
 * Checks a solution of the exercise, point by point, as a black box: it is run four times on images that are made for
 * the purpose, and judged by what it prints, by what it leaves on the disk, and by what its Java machine tells of it.
 *
 * <ol>
 *   <li>As it is. A debugger looks on, and keeps the program alive until its threads have ended. Where nobody creates
 *       the folder, that is done for it, in a second run: the other points are judged all the same.
 *   <li>In slow motion. Two threads meet between the reading and the writing of a total perhaps once in a hundred
 *       thousand runs; here a debugger holds one that has read it, until the others can go no further: see {@link
 *       SlowMotion}.
 *   <li>Without threads, {@code --mode=sequential}.
 *   <li>With very many images.
 * </ol>
 */
public final class Grade {
  private static final int PATIENCE = 40; // seconds without a sign of life after which a run is given up
  private static final String SEQUENTIAL = "--mode=sequential";
  private static final String POINTS = "images quality log threads folder totals ratio sequential end";
  private static final List<String> OTHER_FILES = List.of("notes.txt", "list-of-jpg.txt", "drawing.png");
  private static final long DISK = 300_000_000; // bytes that a solution may fill
  private static final int OUTPUT = 10_000_000; // bytes that it may print
  private static final String NUMBERS = "(?iu)\\b(?:ratio|taux|rapport)\\b.*?(?<![\\d.,])(%s)(?![\\d.,]*\\d)(\\s?%%)%s"
      + "(?!\\s?(?:bytes|octets|[kKMG]i?[Bo]|ms|s|images?|fichiers|files|\\.jpg)\\b)";
  private static final List<Pattern> RATIO = Stream.of( // decimals come first, for other numbers may stand before them
      NUMBERS.formatted("NaN|-?Infinity|-?\\d+[.,](\\d+)", "?"), NUMBERS.formatted("-?\\d+()", ""),
      NUMBERS.formatted("-?\\d+()", "?")).map(Pattern::compile).toList();
  private static final String TIME = "^(?:.*?[\\sT\\[])?\\d\\d:\\d\\d:\\d\\d[.,]\\d{3}\\S* +";
  private static final String LEVEL =
      "\\[?(?:TRACE|FINE|DEBUG|INFOS?|WARN|WARNING|ERROR|SEVERE|GRAVE|AVERTISSEMENT)]?:?";
  private static final Pattern LOG_LINE = Pattern.compile(TIME + "(\\S+) +(\\S.*?) +" + LEVEL + " +(\\S.*)$");
  private static final Pattern EXCEPTION = Pattern.compile(
      "(?<=Exception in thread \"[^\"]{0,99}\" )[A-Za-z][\\w.]*(?::.*)?$|\\b(?:\\w+\\.)+\\w*(?:Exception|Error)\\b.*");
  private static final Pattern NO_THREAD = Pattern.compile(TIME + "\\S+ {9,}" + LEVEL + " +\\S.*$");

  /** How to run a solution: the command for these options of the Java machine and these arguments. */
  interface Launcher {
    List<String> command(List<String> jvmOptions, List<String> arguments);
  }

  /**
   * What the solution is tried on.
   *
   * @param width of each of the 8 images, in pixels; the height is 3/4 of it
   * @param many how many tiny images the last run has; 0: there is no last run
   * @param patience the same seconds once the ratio is printed, or a run was given up before; twice that if it is idle
   */
  record Scale(int width, int many, int patience) {
    static final Scale CLASSROOM = new Scale(1600, 1000, 10);
  }

  /** A point of the exercise: whether it is done, and what was seen, expected and is to be looked up. */
  record Point(String name, boolean done, String remark) {}

  private final Launcher launcher;
  private final String sourceName;
  private final Scale scale;
  private final ResourceBundle texts;
  private final PrintStream progress;
  private int patience = PATIENCE;
  private boolean noJoin; // seen in the first run: the program ends before its threads
  private boolean noFolder; // seen in the first run: nobody creates it
  private String exit; // seen in the first run: the thread that called System.exit(), or null

  private Grade(Launcher launcher, String sourceName, Scale scale, ResourceBundle texts, PrintStream progress) {
    this.launcher = launcher;
    this.sourceName = sourceName;
    this.scale = scale;
    this.texts = texts;
    this.progress = progress;
  }

  /** Grades the solution named on the command line; see the text usage.help. */
  public static void main(String[] arguments) throws Exception { System.exit(run(arguments, System.out, System.err)); }

  /** Does what usage.help says and returns the exit status. */
  static int run(String[] arguments, PrintStream out, PrintStream err) throws Exception {
    return run(arguments, Scale.CLASSROOM, out, err);
  }

  static int run(String[] arguments, Scale scale, PrintStream out, PrintStream err) throws Exception {
    List<String> rest = new ArrayList<>(List.of(arguments));
    boolean french = rest.removeIf("--lang=fr"::equals)
        || !rest.removeIf("--lang=en"::equals) && Locale.getDefault().getLanguage().equals("fr");
    ResourceBundle texts = texts(french ? "fr" : "en");
    if (rest.contains("--help") || rest.contains("-h")) {
      out.print(texts.getString("usage.help"));
      return 0;
    }
    Optional<String> csv = rest.stream().filter(option -> option.startsWith("--csv=")).findFirst();
    csv.ifPresent(rest::remove);
    Map<String, Path> solutions;
    try {
      solutions = solutions(rest, texts);
    } catch (IllegalArgumentException wrong) {
      err.println("Grade: " + wrong.getMessage());
      return 2;
    }
    Path first = Path.of(rest.getFirst());
    Collection<List<Point>> all = solutions.size() == 1 && !Files.isDirectory(first) && csv.isEmpty()
        ? List.of(gradeOne(first.getFileName().toString(), first, scale, texts, out, err))
        : gradeAll(solutions, csv.map(option -> Path.of(option.substring("--csv=".length()))), scale, texts, out, err);
    return all.stream().flatMap(List::stream).allMatch(Point::done) ? 0 : 1;
  }

  /** The files that are named, and those in folders that are, by the names under which they are told of. */
  private static Map<String, Path> solutions(List<String> arguments, ResourceBundle texts) throws IOException {
    Map<String, Path> solutions = new LinkedHashMap<>();
    for (String argument : arguments) {
      Path path = Path.of(argument);
      String wrong = argument.startsWith("-") ? "usage.option" : Files.notExists(path) ? "usage.missing"
          : Files.isDirectory(path) || argument.endsWith(".java") ? null : "usage.java";
      if (wrong != null) { throw new IllegalArgumentException(say(texts, wrong, argument)); }
      try (Stream<Path> files = Files.walk(path)) {
        files.filter(file -> file.toString().endsWith(".java")).sorted().forEach(file ->
            solutions.put(arguments.size() == 1 && !file.equals(path) ? path.relativize(file) + "" : file + "", file));
      }
    }
    if (solutions.isEmpty()) { throw new IllegalArgumentException(say(texts, "usage.one")); }
    return solutions;
  }

  /** Builds and grades a solution, and prints its checklist. */
  private static List<Point> gradeOne(String name, Path solution, Scale scale, ResourceBundle texts, PrintStream out,
      PrintStream err) throws Exception {
    String file = solution.toAbsolutePath().toString();
    String jbang = findJBang(solution);
    Process build = new ProcessBuilder(jbang, "build", file).redirectErrorStream(true).start();
    build.getOutputStream().close();
    build.getInputStream().transferTo(err);
    if (build.waitFor() != 0) {
      String compile = say(texts, "usage.compile", name);
      out.println(compile);
      return none(compile);
    }
    Launcher launcher = (options, more) -> Stream.of(Stream.of(jbang), options.stream().map(option -> "-R" + option),
        Stream.of(file), more.stream()).flatMap(part -> part).toList();
    List<Point> points = grade(launcher, solution.getFileName().toString(), scale, texts, err);
    print(points, name, texts, out);
    return points;
  }

  /** Grades the solutions of a class, two at once: a line for each as they come, then a table; remarks beside each. */
  private static Collection<List<Point>> gradeAll(Map<String, Path> solutions, Optional<Path> csv, Scale scale,
      ResourceBundle texts, PrintStream out, PrintStream err) throws Exception {
    Map<String, List<Point>> all = new ConcurrentHashMap<>();
    int cores = Runtime.getRuntime().availableProcessors();
    try (ExecutorService pool = Executors.newFixedThreadPool(Math.clamp(cores, 1, 2))) {
      solutions.forEach((name, solution) -> pool.submit(() -> {
        Path remarks = Path.of(solution.toString().replaceFirst("\\.java$", "-grade.txt"));
        List<Point> points;
        try (PrintStream text = new PrintStream(Files.newOutputStream(remarks), true, StandardCharsets.UTF_8)) {
          points = gradeOne(name, solution, scale, texts, text, text);
        } catch (Exception | Error e) { // the others are graded all the same
          points = none(e.toString());
          err.println(name + ": " + e);
        }
        all.put(name, points);
        String failed = points.stream().filter(point -> !point.done).map(point -> texts.getString(point.name))
            .collect(Collectors.joining(", "));
        out.println(say(texts, "print.points", name, sum(points), points.size(),
            failed.isEmpty() ? texts.getString("print.all") : say(texts, "print.failed", failed)));
      }));
    }
    int width = solutions.keySet().stream().mapToInt(String::length).max().orElse(0);
    List<String> heads = Stream.of(POINTS.split(" ")).map(texts::getString).toList();
    out.printf("%n%-" + width + "s  %s%n", "", String.join(" ", heads));
    List<String> lines = new ArrayList<>(List.of("solution," + POINTS.replace(' ', ',') + ",sum"));
    for (String name : solutions.keySet()) {
      List<Point> points = all.get(name);
      List<String> marks = points.stream().map(point -> point.done ? "1" : "0").toList();
      out.printf("%-" + width + "s ", name);
      for (int i = 0; i < marks.size(); i++) {
        out.printf(" %-" + heads.get(i).length() + "s", points.get(i).done ? "1" : ".");
      }
      out.println(" " + sum(points));
      lines.add("\"" + name.replace("\"", "\"\"") + "\"," + String.join(",", marks) + "," + sum(points));
    }
    if (csv.isPresent()) { Files.write(csv.get(), lines); }
    return all.values();
  }

  private static long sum(List<Point> points) { return points.stream().filter(Point::done).count(); }

  /** No point is done, and why. */
  private static List<Point> none(String why) {
    return Stream.of(POINTS.split(" ")).map(name -> new Point(name, false, why)).toList();
  }

  /** What the grader says, in the language en or fr. */
  static ResourceBundle texts(String language) { return ResourceBundle.getBundle("Grade", Locale.of(language)); }

  /** The command that starts JBang. */
  private static String findJBang(Path solution) {
    String named = System.getenv().getOrDefault("JBANG", "");
    String program = File.separatorChar == '\\' ? "jbang.cmd" : "jbang";
    return !named.isBlank() ? named : Stream.of(Path.of(""), solution).map(Path::toAbsolutePath)
        .flatMap(start -> Stream.iterate(start, Objects::nonNull, Path::getParent))
        .map(folder -> folder.resolve(".jbang").resolve(program)).filter(Files::isExecutable).map(Path::toString)
        .findFirst().orElse(program); // on the PATH
  }

  /** Prints the checklist; the marks are plain ASCII where the stream's character set has no better ones. */
  static void print(List<Point> points, String title, ResourceBundle texts, PrintStream out) {
    boolean utf8 = out.charset().equals(StandardCharsets.UTF_8);
    out.println();
    for (Point point : points) {
      String mark = utf8 ? point.done ? "✓" : "✗" : point.done ? "[x]" : "[ ]";
      String head = mark + " " + String.format("%-12s", texts.getString(point.name));
      String remark = point.remark.replaceAll("(?<=«) | (?=[:;?»])", "\u00A0"); // French: no line ends there
      String indent = System.lineSeparator() + " ".repeat(head.length());
      remark = remark.replaceAll("(.{1," + (100 - head.length()) + "})(?: |$)", "$1" + indent).stripTrailing();
      out.println(head + remark.replace('\u00A0', ' '));
    }
    String all = sum(points) < points.size() ? "" : texts.getString("print.all");
    out.printf("%n" + texts.getString("print.points") + "%n", title, sum(points), points.size(), all);
  }

  /**
   * Grades a solution.
   *
   * @param launcher runs it
   * @param sourceName the name of its source file, by which its classes are told from those of libraries
   * @param texts the remarks, in the user's language
   * @param progress gets a line before each run
   */
  static List<Point> grade(Launcher launcher, String sourceName, Scale scale, ResourceBundle texts,
      PrintStream progress) throws Exception {
    Path folder = Files.createTempDirectory("grade");
    try {
      return new Grade(launcher, sourceName, scale, texts, progress).points(folder);
    } finally {
      delete(folder);
    }
  }

  private static void delete(Path folder) throws IOException {
    if (!Files.exists(folder)) { return; }
    try (Stream<Path> files = Files.walk(folder)) {
      files.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
    }
  }

  private List<Point> points(Path folder) throws Exception {
    Path photos = makeImages(folder.resolve("photos"), 8, scale.width, 0.98f, 0.03f);
    for (String name : OTHER_FILES) {
      ImageIO.write(picture(160, 99), "png", photos.resolve("IMAGES").resolve(name).toFile());
    }
    Path compressed = photos.resolve("COMPRESSED_IMAGES");
    progress(1, "plain", 8, scale.width, scale.width * 3 / 4);
    Run plain = run(photos, List.of(), motion(photos, false));
    if (!Files.exists(compressed) && !plain.motion.workers.isEmpty()) { // help, to see what else it does
      noFolder = true;
      plain = run(photos, List.of(), motion(photos, false));
    }
    if (plain.after.isEmpty()) { return nothingDone(plain); }
    noJoin = plain.motion.cutShort != null && !plain.motion.cutShort.equals(plain.after);
    exit = plain.motion.exit;

    // Each loses another share: whichever images the totals lack, the ratio tells.
    Path slow = makeImages(folder.resolve("slow"), 12, 400, 1, 0.05f);
    progress(2, "slow");
    Run slowly = run(slow, List.of(), motion(slow, true));
    noJoin &= slowly.motion.paused == null; // that it waited for too short a time is told of the ratio

    Path threaded = Files.move(compressed, photos.resolve("THREADED"));
    for (String name : OTHER_FILES) {
      Files.delete(photos.resolve("IMAGES").resolve(name)); // they are counted once
    }
    progress(3, "sequential", SEQUENTIAL);
    Run sequential = run(photos, List.of(SEQUENTIAL), motion(photos, false));

    Run load = slowly;
    if (scale.many > 0 && !noJoin && slowly.motion.early == null && plain.stopped == null) {
      Path many = makeImages(folder.resolve("many"), scale.many, 32, 0.92f, 0);
      Files.createDirectory(many.resolve("COMPRESSED_IMAGES"));
      progress(4, "many", scale.many);
      load = run(many, List.of(), null);
    }
    Point totals = totals(plain, slowly, sequential, load);
    // What threads lose is told of the totals, not of the ratio; that they do not end, of the end.
    Run whole = plain.stopped == null ? plain : sequential;
    Run counted = plain.ratioIsRight() || totals.done ? whole : sequential;
    Point quality = quality(plain, threaded);
    quality = quality.done ? quality(slowly, slow.resolve("COMPRESSED_IMAGES")) : quality;
    return List.of(images(plain), quality, log(whole), threads(slowly), folder(plain, slowly, load), totals,
        ratio(counted, slowly), sequential(plain, sequential), end(plain, List.of(plain, slowly, sequential, load)));
  }

  private SlowMotion motion(Path folder, boolean slow) {
    long images = sizes(folder.resolve("IMAGES")).keySet().stream().filter(name -> name.endsWith(".jpg")).count();
    return new SlowMotion(sourceName, say("threads.nameless"), slow, folder, images);
  }

  /** Makes a folder IMAGES of this many images, in a new folder: each of a quality so much less than the one before. */
  private static Path makeImages(Path folder, int images, int width, float quality, float less) throws IOException {
    Path originals = Files.createDirectories(folder.resolve("IMAGES"));
    for (int i = 1; i <= images; i++) {
      byte[] jpeg = Pictures.jpeg(picture(width, i * 0x9E3779B9), quality - i * less);
      Files.write(originals.resolve("photo-" + i + ".jpg"), jpeg);
    }
    return folder;
  }

  private static BufferedImage picture(int width, int seed) {
    return Pictures.picture(width, width * 3 / 4, BufferedImage.TYPE_INT_RGB, seed);
  }

  private void progress(int number, String key, Object... values) {
    progress.println(say("progress", number, say("progress." + key, values)));
  }

  private String say(String key, Object... values) { return say(texts, key, values); }

  private static String say(ResourceBundle texts, String key, Object... values) {
    return String.format(Locale.ROOT, texts.getString(key), Stream.of(values).map(value ->
        value instanceof Collection<?> names ? names.toString().replaceAll("^\\[|\\]$", "") : value).toArray());
  }

  /** The point of this text's name: done, or what is wrong. */
  private Point point(String key, Object... values) {
    return new Point(key.substring(0, key.indexOf('.')), key.endsWith(".done"), say(key, values).strip());
  }

  // ------------------------------------------------------------------------------------------------------- the points

  private List<Point> nothingDone(Run run) {
    boolean unstarted = run.motion.started == 0 && !run.motion.made.isEmpty();
    String cause = unstarted ? say("images.unstarted", run.motion.made.size())
        : run.status != 0 && run.stopped == null ? say("images.died", run.status, lastWords(run))
        : say("images.none", run.images(),
            run.motion.exit == null ? lastWords(run) : " " + say("images.exit", run.motion.exit));
    return Stream.of(POINTS.split(" ")).map(name -> name.equals("images") ? new Point(name, false, cause)
        : name.equals("end") && unstarted && run.status == 0 ? point("end.done")
        : new Point(name, false, say("points.unseen"))).toList();
  }

  private Point images(Run run) {
    int all = run.images();
    List<String> others = run.after.keySet().stream().filter(name -> !run.done().contains(name)).toList();
    if (noJoin) {
      long cut = run.done().stream().filter(name -> !run.after.get(name).equals(run.motion.cutShort.get(name))).count();
      String how = exit == null ? say("images.noJoin") : say("images.exit", exit);
      return point("images.early", cut, all, how, run.done().size());
    }
    if (noFolder) { return point("images.noFolder", run.done().size(), all); }
    if (!run.missing().isEmpty()) {
      String names = others.isEmpty() ? "" : say("images.names", others);
      return point("images.missing", lastWords(run), run.missing().size(), all, run.missing(), names);
    }
    return others.isEmpty() ? point("images.done", all, all) : point("images.others", all, others);
  }

  private Point quality(Run run, Path copies) throws IOException {
    for (String name : run.done()) {
      byte[] copy = Files.readAllBytes(copies.resolve(name));
      BufferedImage before = ImageIO.read(run.folder.resolve("IMAGES").resolve(name).toFile());
      BufferedImage after = null;
      try {
        after = ImageIO.read(new ByteArrayInputStream(copy));
      } catch (IOException e) {
        // It is said below, as of a file that is no image at all.
      }
      if (after == null) { return point("quality.unreadable", name); }
      int width = before.getWidth();
      int height = before.getHeight();
      if (after.getWidth() != width || after.getHeight() != height) {
        return point("quality.size", name, after.getWidth(), after.getHeight(), width, height);
      }
      if (after.getType() != before.getType() || Pictures.psnr(before, after) < 20) {
        return point("quality.other", name);
      }
      int quality = qualityOf(copy);
      int usual = Pictures.jpeg(before, 0.3f).length;
      if (Math.abs(quality - 30) > 2) { return point("quality.tables", name, quality, copy.length, usual); }
      if (copy.length > 1.2 * usual || copy.length < 0.5 * usual) {
        return point("quality.bytes", name, copy.length, usual);
      }
    }
    return point("quality.done");
  }

  /** The quality whose quantization table is nearest to the first one of a JPEG; that asked for if it has none. */
  private static int qualityOf(byte[] jpeg) {
    int at = 2;
    while (at + 69 < jpeg.length && (jpeg[at + 1] & 0xFF) != 0xDB) { // DQT
      at += 2 + ((jpeg[at + 2] & 0xFF) << 8 | jpeg[at + 3] & 0xFF);
    }
    if (at + 69 >= jpeg.length) { return 30; }
    int steps = IntStream.range(at + 5, at + 69).map(i -> jpeg[i] & 0xFF).sum();
    return IntStream.rangeClosed(1, 100).boxed()
        .min(Comparator.comparingInt(quality -> Math.abs(steps - steps(quality)))).orElseThrow();
  }

  /** The sum of the luminance steps of a quality, on libjpeg's scale (ITU-T T.81, table K.1). */
  private static int steps(int quality) {
    float scale = quality < 50 ? 50f / quality : 2 - 0.02f * quality;
    return Arrays.stream(JPEGQTable.K1Luminance.getScaledInstance(scale, true).getTable()).sum();
  }

  private Point log(Run run) {
    List<String> messages = run.lines.stream().filter(LOG_LINE.asMatchPredicate()).toList();
    List<String> missing = run.done().stream()
        .filter(name -> messages.stream().noneMatch(message -> message.contains(name))).toList();
    if (missing.isEmpty()) { return point("log.done"); }
    List<String> lines = run.lines.stream().filter(line -> missing.stream().anyMatch(line::contains)).toList();
    if (lines.isEmpty()) { return point("log.missing", missing); }
    return point(NO_THREAD.matcher(lines.getLast()).matches() ? "log.nameless" : "log.columns", lines.getLast());
  }

  private Point threads(Run slowly) {
    SlowMotion motion = slowly.motion;
    int threads = motion.workers.size() - (motion.workers.containsValue("main") ? 1 : 0);
    if (motion.workers.isEmpty()) { return point("threads.unseen"); }
    if (threads < 2) { return point("threads.one", motion.workers.values().iterator().next()); }
    if (motion.atOnce < 2) { return point("threads.inTurn", threads); }
    if (4 * threads < 3 * slowly.images()) { // a cached pool may use one or two again
      return point("threads.pool", threads, slowly.images());
    }
    return motion.alone() ? point("threads.alone") : point("threads.done", threads, motion.atOnce);
  }

  private Point folder(Run plain, Run slowly, Run load) {
    SlowMotion motion = slowly.motion;
    boolean threads = motion.atOnce >= 2;
    Collection<String> creators = new TreeSet<>(motion.creators.values());
    if (noFolder) { return point("folder.missing"); }
    if (motion.failure != null) { return point("folder.unknown", motion.failure); }
    if (motion.late.size() > 1) { return point("folder.late", motion.late.size(), motion.late); }
    if (!slowly.missing().isEmpty() && plain.missing().isEmpty() && !creators.isEmpty()
        && slowly.lines.stream().anyMatch(line -> line.matches(".*(NoSuchFile|FileNotFound|NullPointer).*"))) {
      return point("folder.lost", creators, slowly.missing().size(), lastWords(slowly));
    }
    if (threads && !creators.isEmpty() && Collections.disjoint(motion.creators.keySet(), motion.workers.keySet())) {
      return creators.contains("main") ? point("folder.main") : point("folder.other", creators);
    }
    if (load.after.isEmpty()) { return point("folder.there", lastWords(load)); }
    return point("folder.done", threads && creators.size() == 1 ? say("folder.by", creators) : "");
  }

  private Point totals(Run plain, Run slowly, Run sequential, Run load) {
    SlowMotion motion = slowly.motion;
    boolean right = plain.ratioIsRight() || sequential.ratioIsRight();
    boolean trusted = right && motion.early == null; // or one mistake would count twice
    if (motion.failure != null) { return point("totals.unknown", motion.failure); }
    List<SlowMotion.Place> places = motion.places.values().stream()
        .filter(place -> place.met != null || place.lost != null).toList();
    for (SlowMotion.Place place : places) {
      if (place.lost != null && place.total) { return point("totals.atOnce", place.what, place.lost); }
      if (place.met != null && place.unsafe) { return point("totals.unsafe", place.what, place.met); }
    }
    if (motion.mainSizes >= 6) { return point("totals.main"); }
    if (motion.unfinished != null) { return point("totals.unfinished", motion.unfinished); }
    if (trusted && !places.isEmpty() && slowly.printed() != null && slowly.missing().isEmpty()
        && !slowly.ratioIsRight()) {
      return point("totals.lost", say("ratio.wrong", slowly.printed().text, slowly.ratio()),
          places.stream().map(place -> place.what).distinct().toList());
    }
    if (load != slowly) {
      boolean stopped = load.stopped != null && plain.stopped == null;
      if (stopped || !load.missing().isEmpty() && plain.missing().isEmpty()) {
        return point("totals.load", load.missing().size(), load.images(), lastWords(load));
      }
      if (trusted && !load.ratioIsRight()) { return point("totals.many", load.images(), ratioProblem(load)); }
    }
    boolean seen = trusted || motion.places.values().stream().anyMatch(place -> !place.changers.isEmpty());
    return seen ? point("totals.done", load.images()) : point("totals.unseen");
  }

  private Point ratio(Run run, Run slowly) {
    SlowMotion motion = slowly.motion;
    boolean cut = noJoin && (exit == null || exit.equals("main"));
    if (cut || motion.early != null) {
      return point("ratio.early", motion.early == null ? say("ratio.aThread") : motion.early,
          motion.paused == null ? "" : say("ratio.paused", motion.paused));
    }
    if (motion.polled() != null) { return point("ratio.polled", motion.polled()); }
    return run.ratioIsRight() ? point("ratio.done", run.printed().text) : point("ratio.text", ratioProblem(run));
  }

  private Point sequential(Run threaded, Run run) throws IOException {
    List<String> threads = run.motion.workers.values().stream().sorted().toList();
    Set<String> different = new TreeSet<>();
    for (String name : run.before.keySet()) {
      Path before = run.folder.resolve("THREADED").resolve(name);
      Path after = run.folder.resolve("COMPRESSED_IMAGES").resolve(name);
      if (Files.exists(before) != Files.exists(after) || Files.exists(after) && Files.mismatch(before, after) >= 0) {
        different.add(name);
      }
    }
    if (run.stopped != null && threaded.stopped == null) { return point("sequential.hung", SEQUENTIAL, run.stopped); }
    boolean told = toldBefore(threaded, run);
    if (told) { different.removeAll(run.missing()); }
    if (run.after.isEmpty() && !told) { return point("sequential.nothing", SEQUENTIAL, lastWords(run)); }
    if (threads.size() > 1) { return point("sequential.threads", SEQUENTIAL, threads.size(), threads); }
    if (!threads.contains("main") && !(told && threads.isEmpty())) {
      return point("sequential.thread", SEQUENTIAL, threads);
    }
    return different.isEmpty() ? point("sequential.done") : point("sequential.different", SEQUENTIAL, different);
  }

  private Point end(Run plain, List<Run> runs) {
    for (Run run : runs) {
      if (run.stopped != null) { return point("end.text", run.stopped); }
      if (run.status != 0 && !toldBefore(plain, run)) {
        String how = run.arguments.isEmpty() ? "" : say("end.with", SEQUENTIAL);
        return point("end.status", run.status, how, lastWords(run));
      }
    }
    return point("end.done");
  }

  /** Whether images are missing in a run for a reason that was told of the first one. */
  private boolean toldBefore(Run plain, Run run) {
    return exit != null && noJoin || plain.stopped != null && run.stopped != null
        || run.error() != null && run.error().equals(plain.error()) && !plain.missing().isEmpty();
  }

  private String ratioProblem(Run run) {
    if (run.printed() == null) { return say("ratio.noneAtAll"); }
    double printed = run.printed().value;
    double mean = run.done().stream().mapToDouble(name -> (double) run.after.get(name) / run.before.get(name)).average()
        .orElse(0);
    String why = isNear(printed, 1 / run.ratio()) ? "upsideDown" : isNear(printed, 1 - run.ratio()) ? "saved"
        : isNear(printed, mean) ? "mean" : Double.isFinite(printed) && printed != 0 ? "tooSoon" : "ofNothing";
    return say("ratio.wrong", run.printed().text, run.ratio()) + say("ratio." + why);
  }

  private static boolean isNear(double one, double other) { return Math.abs(one - other) < 0.01 * other; }

  /** The first thing that the program said of an error, as a sentence, or what was seen of one, or nothing. */
  private String lastWords(Run run) {
    return run.lines.stream().filter(line -> EXCEPTION.matcher(line).find()
            || LOG_LINE.matcher(line).matches() && line.contains(" ERROR "))
        .findFirst().map(line -> say("end.says", line.strip()))
        .orElse(run.stopped != null ? " " + run.stopped
            : run.motion != null && run.motion.thrown != null ? say("end.unsaid", run.motion.thrown) : "");
  }

  // --------------------------------------------------------------------------------------------------------- the runs

  /** Runs the solution in this folder; a debugger may watch it. */
  private Run run(Path folder, List<String> arguments, SlowMotion motion) throws Exception {
    if (noFolder) { Files.createDirectories(folder.resolve("COMPRESSED_IMAGES")); }
    Path out = Files.createTempFile(folder, "out", ".txt");
    Path err = Files.createTempFile(folder, "err", ".txt");
    List<String> options = new ArrayList<>();
    // On one core virtual threads take turns image by image: never two at once, through no fault of the solution's. And
    // a pool of as many threads as there are cores must not look like one thread per image.
    int cores = Math.clamp(Runtime.getRuntime().availableProcessors(), motion == null ? 2 : 4, 4);
    options.add("-XX:ActiveProcessorCount=" + cores);
    if (motion != null) {
      options.add("-Djdk.virtualThreadScheduler.parallelism=16"); // for whoever is held or waits may keep one
      options.add("-agentlib:jdwp=transport=dt_socket,server=n,suspend=y,address="
          + motion.listen(() -> Ratio.lastOf(lines(err, out)) != null));
    }
    Process process = new ProcessBuilder(launcher.command(options, arguments)).directory(folder.toFile())
        .redirectOutput(out.toFile()).redirectError(err.toFile()).start();
    process.getOutputStream().close();
    String stopped = stopped(process, folder, out, err, motion);
    if (motion != null) { motion.close(); }
    return new Run(folder, arguments, motion, stopped, process.exitValue(), lines(err, out),
        sizes(folder.resolve("IMAGES")), sizes(folder.resolve("COMPRESSED_IMAGES")));
  }

  /** Waits for a program to end, or ends it, and says why; null: it ended by itself. */
  private String stopped(Process process, Path folder, Path out, Path err, SlowMotion motion) throws Exception {
    long launched = System.nanoTime();
    long start = launched;
    long lastSign = launched;
    long before = bytes(folder);
    double work = 0; // of the cores, in seconds, when it had been silent for a while
    for (long seen = before; !process.waitFor(250, TimeUnit.MILLISECONDS); ) {
      long now = System.nanoTime();
      long bytes = bytes(folder);
      boolean begun = motion == null ? bytes != before : motion.lastAct > 0; // or JBang waits for its lock
      boolean held = motion != null && motion.lastAct > lastSign;
      start = held || !begun && now - launched < 9e9 * PATIENCE ? now : start; // through no fault of its own
      lastSign = bytes != seen ? now : Math.max(start, lastSign);
      seen = bytes;
      double silent = (now - lastSign) / 1e9;
      work = silent < scale.patience ? -1 : work < 0 ? work(process) : work;
      boolean idle = work >= 0 && work(process) - work < 0.05 * (silent - scale.patience);
      String why = Files.size(out) + Files.size(err) > OUTPUT ? say("end.output", OUTPUT / 1_000_000)
          : bytes - before > DISK ? say("end.disk", DISK / 1_000_000)
          : silent < scale.patience && now - start < 4e9 * patience ? null
          : Ratio.lastOf(lines(err, out)) != null ? say("end.hung", say("end.although"))
          : silent > patience || now - start > 4e9 * patience ? say(idle ? "end.hung" : "end.endless", "")
          : silent > 2 * scale.patience && idle ? say("end.hung", "") : null;
      if (why != null) {
        patience = scale.patience; // the next run will hardly end, either
        List<String> where = motion == null || !begun ? List.of() : motion.whereabouts();
        Stream.concat(process.descendants(), Stream.of(process.toHandle())).forEach(ProcessHandle::destroyForcibly);
        process.waitFor();
        return why + (where.isEmpty() ? "" : say("end.where", where.stream().limit(3).toList()));
      }
    }
    return null;
  }

  /** How long the cores have worked for a process and those that it started, in seconds. */
  private static double work(Process process) {
    return Stream.concat(process.descendants(), Stream.of(process.toHandle()))
        .flatMap(one -> one.info().totalCpuDuration().stream()).mapToLong(Duration::toMillis).sum() / 1e3;
  }

  /** The bytes in a folder, also in those below it. */
  private static long bytes(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files.mapToLong(file -> file.toFile().length()).sum();
    } catch (UncheckedIOException e) {
      return -1; // a file has just gone: a sign of life, too
    }
  }

  private static List<String> lines(Path... files) {
    return Stream.of(files).flatMap(file -> {
      try (InputStream in = Files.newInputStream(file)) {
        return new String(in.readNBytes(OUTPUT)).lines();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }).toList();
  }

  /** The files of a folder: their sizes in bytes, by name. */
  static Map<String, Long> sizes(Path folder) {
    return Stream.ofNullable(folder.toFile().listFiles()).flatMap(Stream::of)
        .collect(Collectors.toMap(File::getName, File::length, Long::sum, TreeMap::new));
  }

  /** A ratio of sizes as it was printed, and how far off it may be: rounded up, rounded down, all is right. */
  private record Ratio(String text, double value, double tolerance) {
    /** The last one in these lines that is not that of one image, or null. */
    static Ratio lastOf(List<String> lines) {
      return lines.reversed().stream().filter(line -> !line.matches(".*photo-\\d+\\.jpg.*"))
          .flatMap(line -> RATIO.stream().map(pattern -> pattern.matcher(line)).filter(Matcher::find).limit(1))
          .findFirst().map(Ratio::of).orElse(null);
    }

    private static Ratio of(MatchResult printed) {
      String percent = Objects.requireNonNullElse(printed.group(3), "");
      int decimals = printed.group(2) == null ? 0 : printed.group(2).length();
      double whole = percent.isEmpty() ? 1 : 100;
      return new Ratio(printed.group(1) + percent, Double.parseDouble(printed.group(1).replace(',', '.')) / whole,
          1.01 * Math.clamp(Math.pow(10, -decimals) / whole, 0.001, 0.01));
    }
  }

  /**
   * One run of the solution, and what came of it.
   *
   * @param stopped why it was stopped; null: it ended by itself
   * @param lines what was printed to standard error, then what to standard output
   * @param before the sizes of the originals in bytes, by name, when it had ended
   * @param after those of the files in COMPRESSED_IMAGES
   */
  private record Run(Path folder, List<String> arguments, SlowMotion motion, String stopped, int status,
      List<String> lines, Map<String, Long> before, Map<String, Long> after) {
    /** The names of the images that are compressed. */
    List<String> done() {
      return before.keySet().stream().filter(name -> name.endsWith(".jpg") && after.containsKey(name)).toList();
    }

    /** The names of the images that are not. */
    List<String> missing() {
      return before.keySet().stream().filter(name -> name.endsWith(".jpg") && !after.containsKey(name)).toList();
    }

    /** The first exception that was printed, without the name of its thread, or null. */
    String error() {
      return lines.stream().map(EXCEPTION::matcher).filter(Matcher::find).findFirst().map(Matcher::group).orElse(null);
    }

    /** How many images there are. */
    int images() { return done().size() + missing().size(); }

    /** The ratio printed, or null. */
    Ratio printed() { return Ratio.lastOf(lines); }

    /** The ratio of the sizes on the disk. */
    double ratio() {
      // Not of what a thread began, and failed to write.
      List<String> written = after.keySet().stream().filter(name -> after.get(name) > 0).toList();
      List<String> originals = done().isEmpty() ? missing() : written; // or they have other names
      return (double) written.stream().mapToLong(after::get).sum()
          / originals.stream().mapToLong(name -> before.getOrDefault(name, 0L)).sum();
    }

    boolean ratioIsRight() { return printed() != null && Math.abs(printed().value - ratio()) <= printed().tolerance; }
  }
}
