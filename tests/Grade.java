///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//JAVAC_OPTIONS --release 21

import com.sun.jdi.AbsentInformationException;
import com.sun.jdi.Bootstrap;
import com.sun.jdi.Field;
import com.sun.jdi.IncompatibleThreadStateException;
import com.sun.jdi.Method;
import com.sun.jdi.ObjectReference;
import com.sun.jdi.ReferenceType;
import com.sun.jdi.StackFrame;
import com.sun.jdi.ThreadReference;
import com.sun.jdi.VMDisconnectedException;
import com.sun.jdi.VirtualMachine;
import com.sun.jdi.connect.Connector;
import com.sun.jdi.connect.IllegalConnectorArgumentsException;
import com.sun.jdi.connect.ListeningConnector;
import com.sun.jdi.event.BreakpointEvent;
import com.sun.jdi.event.ClassPrepareEvent;
import com.sun.jdi.event.Event;
import com.sun.jdi.event.EventSet;
import com.sun.jdi.event.LocatableEvent;
import com.sun.jdi.event.ModificationWatchpointEvent;
import com.sun.jdi.event.MonitorContendedEnterEvent;
import com.sun.jdi.event.VMDisconnectEvent;
import com.sun.jdi.request.ClassPrepareRequest;
import com.sun.jdi.request.EventRequest;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.geom.Ellipse2D;
import java.awt.image.BufferedImage;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.InetAddress;
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
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriter;
import javax.imageio.plugins.jpeg.JPEGImageWriteParam;
import javax.imageio.stream.ImageOutputStream;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;

/**
 * Checks a solution of the exercise, point by point, as a black box: it is run four times on images that are made for
 * the purpose, and judged by what it prints, by what it leaves on the disk, and by what its Java machine tells of it.
 *
 * <ol>
 *   <li>As it is. The machine's flight recorder notes which thread reads and writes which file, and when.
 *   <li>In slow motion. Two threads meet between the reading and the writing of a total perhaps once in a hundred
 *       thousand runs; here a debugger holds the first one there until a second one comes. Where there is a lock, none
 *       does; where there is none, the second thread is caught in the act.
 *   <li>Without threads, {@code --mode=sequential}.
 *   <li>With very many images.
 * </ol>
 */
public final class Grade {
  private static final String USAGE = """
      Usage: jbang tests/Grade.java SOLUTION.java

      Runs a solution of the exercise on images of its own making and prints, point by point, what works and what does
      not. The solution is run with JBang: the command that the environment variable JBANG names, jbang on the PATH, or
      .jbang/jbang in this folder, the solution's, or one above them.

      What a solution keeps to:
        - run without arguments, it compresses ./IMAGES into ./COMPRESSED_IMAGES, each image under its own name;
        - the argument --mode=sequential makes it do so without threads;
        - the log goes to standard error, a line such as
          10:02:11.633 CompressOneImage      image-1 INFO   harbour.jpg: 3210000 -> 580000 bytes
        - the last line on standard output has the ratio of sizes after / before, as in: ratio 0.187

      Exit status:
        0   all points pass
        1   at least one does not
        2   wrong usage
      """;

  private static final String SEQUENTIAL = "--mode=sequential";
  private static final String NONE_SEEN = "No thread was seen to read a file of IMAGES.";
  private static final Pattern RATIO =
      Pattern.compile("ratio\\W{0,3}(NaN|-?Infinity|-?\\d+(?:[.,](\\d+))?)(\\s?%)?", Pattern.CASE_INSENSITIVE);
  private static final String TIME = "^\\d\\d:\\d\\d:\\d\\d[.,]\\d{3} +";
  private static final String LEVEL = "(?:TRACE|FINE|DEBUG|INFO|WARN|WARNING|ERROR|SEVERE)";
  private static final Pattern LOG_LINE = Pattern.compile(TIME + "(\\S+) +(\\S.*?) +" + LEVEL + " +(\\S.*)$");
  private static final Pattern IMAGE = Pattern.compile("(?:^|[/\\\\])(COMPRESSED_)?IMAGES[/\\\\]([^/\\\\]+)$");
  private static final Pattern NO_THREAD = Pattern.compile(TIME + "\\S+ {9,}" + LEVEL + " +\\S.*$");

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
  private final PrintStream progress;
  private final List<Point> points = new ArrayList<>();
  private int patience = 60; // seconds without a sign of life after which a run is given up

  private Grade(Launcher launcher, String sourceName, Scale scale, PrintStream progress) {
    this.launcher = launcher;
    this.sourceName = sourceName;
    this.scale = scale;
    this.progress = progress;
  }

  /** Grades the solution named on the command line; see {@link #USAGE}. */
  public static void main(String[] arguments) throws Exception {
    System.exit(run(arguments, System.out, System.err));
  }

  /** Does what {@link #USAGE} says and returns the exit status. */
  static int run(String[] arguments, PrintStream out, PrintStream err) throws Exception {
    if (Arrays.asList(arguments).contains("--help") || Arrays.asList(arguments).contains("-h")) {
      out.print(USAGE);
      return 0;
    }
    Path solution = arguments.length == 1 ? Path.of(arguments[0]) : null;
    if (solution == null || !Files.isRegularFile(solution) || !arguments[0].endsWith(".java")) {
      err.println("Grade: " + (solution == null ? "one solution is expected" : "not a Java file: " + solution));
      err.print(USAGE);
      return 2;
    }
    String file = solution.toAbsolutePath().toString();
    String jbang = findJBang(solution);
    if (jbang == null) {
      err.println("Grade: no jbang on the PATH and no .jbang/jbang in a folder above; the variable JBANG may name it");
      return 2;
    }
    Process build = new ProcessBuilder(jbang, "build", file).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    build.getOutputStream().close();
    build.getInputStream().transferTo(err);
    if (build.waitFor() != 0) {
      out.println(solution.getFileName() + " does not compile: see above. That comes first.");
      return 1;
    }
    Launcher launcher = (options, rest) -> {
      List<String> command = new ArrayList<>(List.of(jbang));
      options.forEach(option -> command.add("-R" + option));
      command.add(file);
      command.addAll(rest);
      return command;
    };
    List<Point> points = grade(launcher, solution.getFileName().toString(), Scale.CLASSROOM, err);
    print(points, solution.getFileName().toString(), out);
    return points.stream().allMatch(Point::done) ? 0 : 1;
  }

  /** The command that starts JBang, or null. */
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
    for (Path start : List.of(Path.of(""), solution)) {
      for (Path folder = start.toAbsolutePath(); folder != null; folder = folder.getParent()) {
        Path launcher = folder.resolve(".jbang").resolve("jbang");
        if (Files.isExecutable(launcher)) {
          return launcher.toString();
        }
      }
    }
    return null;
  }

  /** Prints the checklist; the marks are plain ASCII where the stream's character set has no better ones. */
  static void print(List<Point> points, String title, PrintStream out) {
    boolean utf8 = out.charset().equals(StandardCharsets.UTF_8);
    out.println();
    for (Point point : points) {
      String mark = utf8 ? point.done ? "✓" : "✗" : point.done ? "[x]" : "[ ]";
      String head = mark + " " + String.format("%-12s", point.name);
      out.println(wrap(head + point.remark, head.length()));
    }
    long done = points.stream().filter(Point::done).count();
    out.printf("%n%s: %d of %d points%s%n", title, done, points.size(), done == points.size() ? ", all done" : "");
  }

  /** Breaks a text into lines of at most 100 columns; all but the first are indented. */
  private static String wrap(String text, int indent) {
    StringBuilder lines = new StringBuilder();
    int column = 0;
    for (String word : text.split("(?<=\\S) ")) {
      if (column > 0 && column + 1 + word.length() > 100) {
        lines.append(System.lineSeparator()).append(" ".repeat(indent));
        column = indent;
      } else if (column > 0) {
        lines.append(' ');
        column++;
      }
      lines.append(word);
      column += word.length();
    }
    return lines.toString();
  }

  /**
   * Grades a solution.
   *
   * @param launcher runs it
   * @param sourceName the name of its source file, by which its classes are told from those of libraries
   * @param progress gets a line before each run
   */
  static List<Point> grade(Launcher launcher, String sourceName, Scale scale, PrintStream progress)
      throws IOException, InterruptedException {
    Path folder = Files.createTempDirectory("grade");
    try {
      Grade grade = new Grade(launcher, sourceName, scale, progress);
      grade.all(folder);
      return grade.points;
    } finally {
      try (Stream<Path> files = Files.walk(folder)) {
        files.sorted(Comparator.reverseOrder()).map(Path::toFile).forEach(File::delete);
      }
    }
  }

  private void all(Path folder) throws IOException, InterruptedException {
    Path photos = folder.resolve("photos");
    Pictures.make(photos.resolve("IMAGES"), "photo-", scale.images, scale.width);
    Pictures.makeOtherFiles(photos.resolve("IMAGES"));
    progress.printf("1 of 4: %d images of %d x %d pixels%n", scale.images, scale.width, scale.width * 3 / 4);
    Run plain = run(photos, List.of(), Observer.RECORDER);
    if (plain.compressed().isEmpty()) {
      nothingDone(plain);
      return;
    }

    Path slow = folder.resolve("slow");
    Pictures.make(slow.resolve("IMAGES"), "slow-", 12, 160);
    progress.println("2 of 4: 12 small images, in slow motion");
    Run slowly = run(slow, List.of(), Observer.DEBUGGER);

    Path threaded = Files.move(photos.resolve("COMPRESSED_IMAGES"), photos.resolve("THREADED"));
    for (String name : Pictures.OTHER_FILES) {
      Files.delete(photos.resolve("IMAGES").resolve(name)); // they are counted once
    }
    progress.println("3 of 4: without threads, " + SEQUENTIAL);
    Run sequential = run(photos, List.of(SEQUENTIAL), Observer.RECORDER);

    Run load = slowly;
    if (scale.many > 0) {
      Path many = folder.resolve("many");
      Pictures.make(many.resolve("IMAGES"), "tiny-", scale.many, 32);
      Files.createDirectory(many.resolve("COMPRESSED_IMAGES"));
      progress.printf("4 of 4: %d tiny images%n", scale.many);
      load = run(many, List.of(), Observer.NONE);
    }

    images(plain);
    quality(plain, threaded);
    log(plain);
    boolean threads = threads(plain);
    folder(plain, slowly, load, threads);
    totals(plain, slowly, load);
    ratio(plain);
    sequential(plain, sequential);
    end(List.of(plain, slowly, sequential, load));
  }

  private void add(String name, boolean done, String remark, Object... values) {
    points.add(new Point(name, done, String.format(Locale.ROOT, remark, values)));
  }

  // ------------------------------------------------------------------------------------------------------- the points

  private void nothingDone(Run run) {
    boolean created = Files.exists(run.folder.resolve("COMPRESSED_IMAGES"));
    boolean early = run.status == 0 && (created || !run.works.isEmpty());
    add("images", false, "None of the %d images is in COMPRESSED_IMAGES.%s %s", run.originals().size(), run.lastWords(),
        early ? "Something was begun: did the program end before its threads? They have to be waited for (join)."
            : "Hints 2 and 3: scan the folder, compress each image.");
    add("quality", false, "There is no compressed image to look at. Hint 3: save in quality 30.");
    add("log", false, "No line of the log names an image. Hint 1: a logger per class, and a line for each image.");
    add("threads", false, "No thread was seen at work on an image. Hint 1: one thread per image.");
    add("folder", false, "COMPRESSED_IMAGES %s. Hint 4: one of the image threads creates it.",
        created ? "was created, but is empty" : "was not created");
    add("totals", false, "Nothing was added up. Hint 5: the threads add up the sizes before and after.");
    add("ratio", false, "%s. The statement: the ratio of all sizes after / before, as last line: ratio 0.187",
        run.ratioText() == null ? "No ratio was printed" : "The ratio printed, " + run.ratioText() + ", is of nothing");
    add("sequential", false, "Comes last, when the threads work. The statement: the same without threads, for %s.",
        SEQUENTIAL);
    add("end", false, "%s", run.hung ? run.hanging()
        : run.status != 0 ? "The exit status is " + run.status + "; 0 was expected."
        : "The program ends as it should, but nothing was done before that.");
  }

  private void images(Run run) {
    Set<String> missing = new TreeSet<>(run.originals());
    missing.removeAll(run.compressed());
    Set<String> others = new TreeSet<>(run.compressed());
    others.removeAll(run.originals());
    run.works.stream().map(work -> work.image).filter(name -> !run.originals().contains(name)).forEach(others::add);
    int all = run.originals().size();
    if (!missing.isEmpty()) {
      boolean begun = run.works.stream().anyMatch(work -> missing.contains(work.image));
      add("images", false, "%d of %d images are not in COMPRESSED_IMAGES: %s.%s %s", missing.size(), all,
          String.join(", ", missing), run.lastWords(), begun
              ? "They were begun: did the program end before its threads? Virtual ones have to be waited for (join)."
              : "They were not even read. Hints 2 and 3.");
    } else if (!others.isEmpty()) {
      add("images", false, "All %d .jpg files are compressed, but these were taken as well: %s. Expected: only names "
          + "that end in .jpg. Hint 2.", all, String.join(", ", others));
    } else {
      add("images", true, "%d of %d .jpg files compressed, nothing else", all, all);
    }
  }

  private void quality(Run run, Path copies) throws IOException {
    Path originals = run.folder.resolve("IMAGES");
    Set<String> names = new TreeSet<>(run.originals());
    names.retainAll(run.compressed());
    for (String name : names) {
      byte[] copy = Files.readAllBytes(copies.resolve(name));
      BufferedImage before = ImageIO.read(originals.resolve(name).toFile());
      BufferedImage after = null;
      try {
        after = ImageIO.read(copies.resolve(name).toFile());
      } catch (IOException e) {
        // It is said below, as of a file that is no image at all.
      }
      String problem = after == null ? "is not a readable image"
          : after.getWidth() != before.getWidth() || after.getHeight() != before.getHeight()
              ? String.format("has %d x %d pixels, its original %d x %d", after.getWidth(), after.getHeight(),
                  before.getWidth(), before.getHeight())
          : Pictures.difference(before, after) > 20 ? "shows another picture than its original" : null;
      if (problem != null) {
        add("quality", false, "The compressed %s %s. Hint 3.", name, problem);
        return;
      }
      int quality = Pictures.quality(copy);
      long usual = Pictures.jpeg(before, 30).length;
      if (quality != 0 && Math.abs(quality - 30) > 2) {
        add("quality", false, "The quantization tables of %s are those of quality %d; expected: 30. It has %,d bytes, "
            + "where %,d are usual. Hint 3.", name, quality, copy.length, usual);
        return;
      }
      if (copy.length > 1.2 * usual || copy.length < 0.6 * usual) {
        add("quality", false, "%s has %,d bytes, where %,d are usual for quality 30 with optimized Huffman tables. "
            + "Hint 3.", name, copy.length, usual);
        return;
      }
    }
    add("quality", true, "quality 30, same pictures, sizes as usual for it");
  }

  private void log(Run run) {
    List<String> lines = new ArrayList<>(run.err);
    lines.addAll(run.out);
    Set<String> missing = new TreeSet<>(run.originals());
    missing.retainAll(run.compressed());
    String plain = null; // a line that names an image, but not in the columns
    String nameless = null; // one whose column for the thread is blank
    for (String line : lines) {
      Matcher matcher = LOG_LINE.matcher(line);
      boolean columns = matcher.matches();
      for (Iterator<String> names = missing.iterator(); names.hasNext();) {
        String name = names.next();
        if (columns && matcher.group(3).contains(name)) {
          names.remove();
        } else if (line.contains(name) && NO_THREAD.matcher(line).matches()) {
          nameless = line;
        } else if (line.contains(name)) {
          plain = line;
        }
      }
    }
    if (missing.isEmpty()) {
      add("log", true, "a line for each image, with time, class, thread and level");
    } else if (nameless != null) {
      add("log", false, "The column of the thread is blank: \"%s\". Virtual threads have no name unless they get one: "
          + "Thread.ofVirtual().name(...). Hint 1.", nameless);
    } else if (plain != null) {
      add("log", false, "This line names an image, but is not in the exercise's columns (time with milliseconds, "
          + "class, thread, level, message): \"%s\". Hints 1 and 6.", plain);
    } else {
      add("log", false, "No line of the log names %s. Expected: a line for each image, with time, class, thread and "
          + "level. Hint 1.", String.join(", ", missing));
    }
  }

  private boolean threads(Run run) {
    Map<Long, String> threads = new TreeMap<>();
    run.works.forEach(work -> threads.put(work.threadId, work.threadName));
    int most = Work.atOnce(run.works);
    if (most >= 2) {
      add("threads", true, "%d threads at work, up to %d at the same time", threads.size(), most);
    } else if (threads.isEmpty()) {
      add("threads", false, "%s Hint 1: each thread reads an image.", NONE_SEEN);
    } else if (threads.size() == 1) {
      add("threads", false, "One thread, %s, compressed all images. Expected: one thread per image, at the same time. "
          + "Hint 1; it is start() that starts a thread: run() runs its work in the thread that calls it.",
          threads.values().iterator().next());
    } else {
      add("threads", false, "There are %d threads, but never two at work at the same time. Expected: all are started "
          + "before the first is waited for (join), and no lock is held while an image is compressed. Hint 1.",
          threads.size());
    }
    return most >= 2;
  }

  private void folder(Run plain, Run slowly, Run load, boolean threads) {
    long created = Stream.concat(plain.err.stream(), plain.out.stream())
        .filter(line -> line.matches("(?i).*\\bcreat(ed|ing)\\b.*") && line.matches(".*COMPRESSED_IMAGES(?![/\\\\]).*"))
        .count();
    boolean mainIsBusy = plain.works.stream().anyMatch(work -> work.threadName.equals("main")); // parallel streams
    SlowMotion motion = slowly.motion;
    if (motion.failure != null) {
      add("folder", false, "Could not be checked: %s", motion.failure);
    } else if (motion.creatingAtOnce != null) {
      add("folder", false, "Two threads were about to create it at the same time, %s: both had found it missing. "
          + "Expected: looking and creating are one critical section, which one thread at a time can enter. Hint 4.",
          motion.creatingAtOnce);
    } else if (created > 1) {
      add("folder", false, "The log says %d times that it was created. Expected: once. Hint 4.", created);
    } else if (threads && !mainIsBusy && motion.creators.equals(Set.of("main"))) {
      add("folder", false,
          "The main thread creates it. Expected: one of the image threads does, in a critical section. Hint 4.");
    } else if (load.compressed().isEmpty()) {
      add("folder", false, "With COMPRESSED_IMAGES there before the start, nothing was compressed.%s Expected: it is "
          + "created only if it does not exist. Hint 4.", load.lastWords());
    } else {
      add("folder", true, "created once%s; used as it is if it exists",
          threads && !motion.creators.isEmpty() ? ", by " + String.join(", ", motion.creators) : "");
    }
  }

  private void totals(Run plain, Run slowly, Run load) {
    SlowMotion motion = slowly.motion;
    Set<String> missing = new HashSet<>(load.originals());
    missing.removeAll(load.compressed());
    boolean trusted = plain.ratioProblem() == null; // or a wrong ratio would count against the totals too
    if (motion.failure != null) {
      add("totals", false, "Could not be checked: %s", motion.failure);
    } else if (motion.addingAtOnce != null) {
      add("totals", false, "Two threads were about to write %s at the same time, %s: each had added to the same old "
          + "value, and one addition is lost%s. Expected: a critical section, with one lock for all threads. Hint 5.",
          motion.variable, motion.addingAtOnce, !trusted || slowly.ratioProblem() == null ? "" : String.format(
              Locale.ROOT, " (ratio printed: %s, on the disk: %.3f)", slowly.ratioText(), slowly.ratio()));
    } else if (load.hung && !plain.hung || !missing.isEmpty() && plain.compressed().containsAll(plain.originals())) {
      add("totals", false, "Under load, %d of %d images were not compressed.%s", missing.size(),
          load.originals().size(), load.lastWords());
    } else if (trusted && slowly.ratioProblem() != null) {
      add("totals", false, "When the threads get into each other's way: %s Hint 5.", slowly.ratioProblem());
    } else if (trusted && load.ratioProblem() != null) {
      add("totals", false, "With %d images: %s Hint 5.", load.originals().size(), load.ratioProblem());
    } else {
      add("totals", true, "no addition lost in slow motion; %d images at once went well", load.originals().size());
    }
  }

  private void ratio(Run run) {
    String problem = run.ratioProblem();
    if (problem == null) {
      add("ratio", true, "%s, as on the disk", run.ratioText());
    } else {
      add("ratio", false, "%s", problem);
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
    if (run.hung && !threaded.hung) {
      add("sequential", false, "With %s: %s", SEQUENTIAL, run.hanging());
    } else if (run.compressed().isEmpty()) {
      add("sequential", false, "With %s nothing was compressed.%s The statement's last paragraph.", SEQUENTIAL,
          run.lastWords());
    } else if (ids.size() > 1) {
      add("sequential", false, "With %s %d threads were at work: %s. Expected: the main thread alone, one image after "
          + "another. The statement's last paragraph.", SEQUENTIAL, ids.size(), String.join(", ", threads));
    } else if (!threads.equals(Set.of("main"))) {
      add("sequential", false, "With %s: %s Expected: the main thread does the work.", SEQUENTIAL,
          threads.isEmpty() ? NONE_SEEN : "the thread " + String.join(", ", threads) + " did the work.");
    } else if (!different.isEmpty()) {
      add("sequential", false, "With %s the compressed images are not the same as with threads, byte for byte: %s.",
          SEQUENTIAL, String.join(", ", different));
    } else {
      add("sequential", true, "the main thread alone; the same files, byte for byte");
    }
  }

  private void end(List<Run> runs) {
    for (Run run : runs) {
      if (run.hung) {
        add("end", false, "%s", run.hanging());
        return;
      }
      if (run.status != 0) {
        add("end", false, "The exit status is %d%s; 0 was expected.%s", run.status,
            run.arguments.isEmpty() ? "" : " with " + SEQUENTIAL, run.lastWords());
        return;
      }
    }
    add("end", true, "each run ended by itself, exit status 0");
  }

  // --------------------------------------------------------------------------------------------------------- the runs

  /** What watches a run. */
  private enum Observer { NONE, RECORDER, DEBUGGER }

  private Run run(Path folder, List<String> arguments, Observer observer) throws IOException, InterruptedException {
    List<String> options = new ArrayList<>();
    // On one core virtual threads take turns image by image: never two at once, through no fault of the solution's.
    options.add("-XX:ActiveProcessorCount="
        + Math.max(observer == Observer.DEBUGGER ? 4 : 2, Runtime.getRuntime().availableProcessors()));
    Path recording = folder.resolve("recording.jfr");
    SlowMotion motion = null;
    if (observer == Observer.RECORDER) {
      options.add("-Xlog:jfr+startup=off");
      options.add("-XX:StartFlightRecording:settings=none,filename=" + recording.getFileName()
          + ",+jdk.FileRead#enabled=true,+jdk.FileRead#threshold=0ns"
          + ",+jdk.FileWrite#enabled=true,+jdk.FileWrite#threshold=0ns");
    } else if (observer == Observer.DEBUGGER) {
      motion = new SlowMotion(sourceName);
      options.add("-agentlib:jdwp=transport=dt_socket,server=n,suspend=y,address=" + motion.listen());
    }
    Run run = new Run(folder, arguments, motion);
    run.start(launcher.command(options, arguments), patience, Math.min(patience, scale.patience));
    if (motion != null) {
      motion.close();
    }
    if (run.hung) {
      patience = 20; // it was long enough once
    }
    if (Files.exists(recording)) {
      if (Files.size(recording) > 0) { // or the program had to be killed
        run.works.addAll(Work.read(recording));
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
          if (!process.waitFor(3, TimeUnit.SECONDS)) {
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
          if (RATIO.matcher(line).find()) {
            ratioPrinted = true;
          }
          lastSign = System.nanoTime();
        }
      } catch (IOException e) {
        lines.add(e.toString()); // the process was killed
      }
    }

    /** The names of the images. */
    Set<String> originals() {
      return sizesBefore.keySet().stream().filter(name -> name.endsWith(".jpg")).collect(Collectors.toSet());
    }

    /** The names of all files in COMPRESSED_IMAGES. */
    Set<String> compressed() {
      return sizesAfter.keySet();
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

    /** The last ratio printed, as it was printed, or null. */
    String ratioText() {
      Matcher matcher = ratioMatcher();
      return matcher == null ? null : matcher.group(1) + (matcher.group(3) == null ? "" : matcher.group(3));
    }

    private Matcher ratioMatcher() {
      for (List<String> lines : List.of(out, err)) {
        for (String line : lines.reversed()) {
          Matcher matcher = RATIO.matcher(line);
          if (matcher.find()) {
            return matcher;
          }
        }
      }
      return null;
    }

    /** What is wrong with the ratio printed, or null. */
    String ratioProblem() {
      Matcher matcher = ratioMatcher();
      if (matcher == null) {
        return "No ratio was printed. Expected: a last line such as \"ratio 0.187\".";
      }
      int decimals = matcher.group(2) == null ? 0 : matcher.group(2).length();
      int percent = matcher.group(3) == null ? 1 : 100;
      double printed = Double.parseDouble(matcher.group(1).replace(',', '.')) / percent;
      double expected = ratio();
      double unit = Math.pow(10, -decimals) / percent; // of the last digit: rounded up, rounded down, all is right
      if (Math.abs(printed - expected) <= 1.01 * Math.clamp(unit, 0.001, 0.01)) {
        return null;
      }
      String problem =
          String.format(Locale.ROOT, "The ratio printed is %s, on the disk it is %.3f", ratioText(), expected);
      if (Math.abs(printed * expected - 1) < 0.01) {
        return problem + ": that is before / after. The statement: after / before.";
      }
      return problem + ". Was it printed before the last thread had ended (join), or are sizes missing in the totals?";
    }

    String hanging() {
      return "The program does not end" + (ratioMatcher() == null ? "" : ", although the ratio is printed")
          + ": it was stopped. Either an executor is not shut down, or a thread waits for what never comes.";
    }

    /** The last thing that the program said of an error, as a sentence, or nothing. */
    String lastWords() {
      for (String line : err) {
        if (line.matches(".*(Exception|Error)\\b.*") || LOG_LINE.matcher(line).matches() && line.contains(" ERROR ")) {
          return " It says: \"" + line.strip() + "\".";
        }
      }
      return hung ? " " + hanging() : "";
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

    /** What the flight recorder noted. */
    static List<Work> read(Path recording) throws IOException {
      List<RecordedEvent> events = new ArrayList<>(RecordingFile.readAllEvents(recording));
      events.sort(Comparator.comparing(RecordedEvent::getStartTime));
      Map<Long, Work> current = new HashMap<>(); // by thread
      List<Work> all = new ArrayList<>();
      for (RecordedEvent event : events) {
        String path = event.getString("path");
        Matcher matcher = IMAGE.matcher(path == null ? "" : path);
        if (event.getThread() == null || !matcher.find()) {
          continue;
        }
        Work work = current.get(event.getThread().getJavaThreadId());
        if (matcher.group(1) == null && (work == null || !work.image.equals(matcher.group(2)))) {
          work = new Work(event, matcher.group(2));
          current.put(work.threadId, work);
          all.add(work);
        }
        if (work != null) {
          work.end = Math.max(work.end, nanoseconds(event.getEndTime()));
        }
      }
      return all;
    }

    private static long nanoseconds(Instant time) {
      return time.getEpochSecond() * 1_000_000_000 + time.getNano();
    }

    /** At most how many threads worked at the same time. */
    static int atOnce(List<Work> works) {
      int most = 0;
      for (Work one : works) {
        Set<Long> threads = new HashSet<>();
        for (Work other : works) {
          if (other.begin <= one.begin && one.begin < other.end) {
            threads.add(other.threadId);
          }
        }
        most = Math.max(most, threads.size());
      }
      return most;
    }
  }

  // ------------------------------------------------------------------------------------------------------ slow motion

  /**
   * A debugger that makes rare meetings of threads certain. It stops each thread that is about to create a folder, or
   * to write a variable that other threads have written before it, and holds it for a moment, while all others run on.
   * Whoever arrives at the same place meanwhile was not kept out by a lock.
   *
   * <p>A thread that is about to write a total has read its old value and added to it: whatever another thread writes
   * now is lost.
   */
  private static final class SlowMotion {
    private static final long HOLD = 1000; // milliseconds
    private static final int HOLDS = 2; // at each place; the first threads may be slow, as the machine is not warm
    private static final int TOO_MANY = 100; // writes to fields that a thread has for itself: these are no totals
    private static final Set<String> NUMBERS = Set.of("int", "long", "float", "double", "java.lang.Integer",
        "java.lang.Long", "java.lang.Float", "java.lang.Double", "java.math.BigInteger", "java.math.BigDecimal");
    private static final Map<String, Set<String>> METHODS = Map.of(
        "java.nio.file.Files", Set.of("createDirectory", "createDirectories"),
        "java.io.File", Set.of("mkdir", "mkdirs"),
        "java.util.concurrent.atomic.AtomicLong", Set.of("set"),
        "java.util.concurrent.atomic.AtomicInteger", Set.of("set"));

    /** The names of two threads that were both about to create the folder, or null. */
    String creatingAtOnce;

    /** The names of two threads that were both about to write the same variable, or null. */
    String addingAtOnce;

    /** That variable. */
    String variable;

    /** The threads that were about to create the folder. */
    final Set<String> creators = new TreeSet<>();

    /** Why nothing could be seen, or null. */
    String failure;

    private final String sourceName;
    private final Map<String, Place> places = new HashMap<>();
    private final List<Held> held = new ArrayList<>();
    private ListeningConnector connector;
    private Map<String, Connector.Argument> arguments;
    private Thread debugger;

    /** Where threads can meet: the creation of the folder, or a variable, in all the objects that have it. */
    private static final class Place {
      final String variable; // null: the folder
      final Map<Long, Set<Long>> threads = new HashMap<>(); // that wrote it, by object; object 0 if it is static
      int writes;
      int holds;
      boolean decided;

      Place(String variable) {
        this.variable = variable;
      }
    }

    /** A thread that is held. */
    private record Held(Place place, long object, ThreadReference thread, EventSet events, long until) {}

    SlowMotion(String sourceName) {
      this.sourceName = sourceName;
    }

    /** Waits for a program to come to be debugged, and returns the address it has to be told. */
    String listen() throws IOException {
      connector = Bootstrap.virtualMachineManager().listeningConnectors().stream()
          .filter(candidate -> candidate.transport().name().equals("dt_socket"))
          .findFirst()
          .orElseThrow();
      arguments = connector.defaultArguments();
      arguments.get("localAddress").setValue(InetAddress.getLoopbackAddress().getHostAddress());
      try {
        String address = connector.startListening(arguments);
        debugger = Thread.ofPlatform().daemon().start(this::debug);
        return address;
      } catch (IllegalConnectorArgumentsException e) {
        throw new IOException(e);
      }
    }

    /** Call it when the program has ended. */
    void close() throws IOException, InterruptedException {
      try {
        connector.stopListening(arguments);
      } catch (IllegalConnectorArgumentsException e) {
        // It has stopped by itself.
      }
      debugger.join();
    }

    private void debug() {
      try {
        VirtualMachine machine = connector.accept(arguments);
        try {
          watch(machine);
        } catch (VMDisconnectedException e) {
          // The program has ended, as it should.
        } catch (IncompatibleThreadStateException | RuntimeException e) {
          failure = e.toString();
          machine.dispose(); // whoever is held goes on
        }
      } catch (IOException | IllegalConnectorArgumentsException e) {
        failure = "the program did not get to its start";
      } catch (InterruptedException e) {
        failure = e.toString();
      }
    }

    /** Until the program ends. */
    private void watch(VirtualMachine machine) throws InterruptedException, IncompatibleThreadStateException {
      ClassPrepareRequest classes = machine.eventRequestManager().createClassPrepareRequest();
      // The fewer classes make the program stop, the less is it disturbed.
      Stream.of("java.", "javax.", "jdk.", "sun.", "com.sun.", "com.twelvemonkeys.", "org.tinylog.", "picocli.")
          .forEach(prefix -> classes.addClassExclusionFilter(prefix + "*"));
      classes.setSuspendPolicy(EventRequest.SUSPEND_EVENT_THREAD);
      classes.enable();
      EventRequest locks = machine.eventRequestManager().createMonitorContendedEnterRequest();
      locks.setSuspendPolicy(EventRequest.SUSPEND_EVENT_THREAD);
      locks.enable();
      for (String name : METHODS.keySet()) {
        machine.classesByName(name).forEach(this::watchMethods);
        ClassPrepareRequest request = machine.eventRequestManager().createClassPrepareRequest();
        request.addClassFilter(name);
        request.setSuspendPolicy(EventRequest.SUSPEND_EVENT_THREAD);
        request.enable();
      }
      while (true) {
        EventSet events = machine.eventQueue().remove(held.isEmpty() ? 1000 : 10);
        if (events != null) {
          boolean hold = false;
          for (Event event : events) {
            if (event instanceof VMDisconnectEvent) {
              return;
            } else if (event instanceof ClassPrepareEvent prepared) {
              watchClass(prepared.referenceType());
            } else if (event instanceof ModificationWatchpointEvent writing) {
              hold |= arrivesAtField(writing, events);
            } else if (event instanceof BreakpointEvent entering) {
              hold |= arrivesAtMethod(entering, events);
            } else if (event instanceof MonitorContendedEnterEvent locked) {
              letGo(one -> ownsLock(one, locked.monitor())); // another thread was kept out: all there was to see
            }
          }
          if (!hold) {
            events.resume();
          }
        }
        letGo(one -> one.place.decided || events == null && System.nanoTime() > one.until);
      }
    }

    private void letGo(Predicate<Held> which) {
      List<Held> some = held.stream().filter(which).toList();
      held.removeAll(some);
      some.forEach(one -> one.events.resume());
    }

    private static boolean ownsLock(Held one, ObjectReference lock) {
      try {
        return one.thread.ownedMonitors().contains(lock);
      } catch (IncompatibleThreadStateException e) {
        throw new IllegalStateException(e); // it is held: it is suspended
      }
    }

    private void watchClass(ReferenceType type) {
      if (METHODS.containsKey(type.name())) {
        watchMethods(type);
      } else if (isStudents(type)) {
        for (Field field : type.fields()) {
          if (!field.isFinal() && NUMBERS.contains(field.typeName())) {
            EventRequest request =
                type.virtualMachine().eventRequestManager().createModificationWatchpointRequest(field);
            request.setSuspendPolicy(EventRequest.SUSPEND_EVENT_THREAD);
            request.enable();
          }
        }
      }
    }

    private void watchMethods(ReferenceType type) {
      for (Method method : type.methods()) {
        if (METHODS.get(type.name()).contains(method.name())) {
          EventRequest request =
              type.virtualMachine().eventRequestManager().createBreakpointRequest(method.location());
          request.setSuspendPolicy(EventRequest.SUSPEND_EVENT_THREAD);
          request.enable();
        }
      }
    }

    private boolean isStudents(ReferenceType type) {
      try {
        return type.name().indexOf('.') < 0 || type.sourceName().equals(sourceName);
      } catch (AbsentInformationException e) {
        return false;
      }
    }

    private boolean arrivesAtField(ModificationWatchpointEvent event, EventSet events) {
      Field field = event.field();
      Method method = event.location().method();
      if (method.isConstructor() || method.isStaticInitializer()) {
        return false; // no other thread knows of the object yet
      }
      Place place = places.computeIfAbsent(field.declaringType().name() + "." + field.name(), Place::new);
      long object = event.object() == null ? 0 : event.object().uniqueID();
      Set<Long> threads = place.threads.computeIfAbsent(object, unused -> new HashSet<>());
      threads.add(event.thread().uniqueID());
      boolean shared = threads.size() > 1;
      if (++place.writes > TOO_MANY && !shared || place.decided || place.holds == HOLDS) {
        event.request().disable();
      }
      return shared && meet(place, object, event, events);
    }

    private boolean arrivesAtMethod(BreakpointEvent event, EventSet events) throws IncompatibleThreadStateException {
      List<StackFrame> frames = event.thread().frames();
      if (frames.size() < 2 || !isStudents(frames.get(1).location().declaringType())) {
        return false;
      }
      String name = event.location().declaringType().name();
      if (name.contains("Atomic")) {
        String variable = "an " + name.substring(name.lastIndexOf('.') + 1);
        long object = frames.get(0).thisObject().uniqueID();
        return meet(places.computeIfAbsent(variable, Place::new), object, event, events);
      }
      creators.add(named(event.thread()));
      return meet(places.computeIfAbsent("", unused -> new Place(null)), 0, event, events);
    }

    /** A thread arrives. Returns whether it is held; if another one is held here, they have met, and both go on. */
    private boolean meet(Place place, long object, LocatableEvent event, EventSet events) {
      if (place.decided || place.holds == HOLDS && held.isEmpty()) {
        return false;
      }
      for (Held other : held) {
        if (other.place == place && other.object == object) {
          place.decided = true;
          String threads = named(other.thread) + " and " + named(event.thread());
          if (place.variable == null) {
            creatingAtOnce = threads;
          } else if (addingAtOnce == null) {
            addingAtOnce = threads;
            variable = place.variable;
          }
          return false;
        }
      }
      if (place.holds == HOLDS) {
        return false;
      }
      place.holds++;
      held.add(new Held(place, object, event.thread(), events, System.nanoTime() + HOLD * 1_000_000));
      return true;
    }

    private static String named(ThreadReference thread) {
      return thread.name().isEmpty() ? "one without a name" : thread.name();
    }
  }

  // ----------------------------------------------------------------------------------------------------- the pictures

  /** Makes the images that the solution is tried on, and judges what it makes of them. */
  private static final class Pictures {
    static final List<String> OTHER_FILES = List.of("notes.txt", "list-of-jpg.txt", "drawing.png");

    private static final int[] LUMINANCE = { // ITU-T T.81, table K.1: the quantization steps that a quality scales
      16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
      14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
      18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
      49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99
    };

    private Pictures() {}

    /** Makes a folder with this many JPEG files of quality 92, each with another picture of other detail. */
    static void make(Path folder, String name, int images, int width) throws IOException {
      Files.createDirectories(folder);
      List<IOException> problems = IntStream.range(0, images).parallel().mapToObj(i -> {
        try {
          byte[] jpeg = jpeg(draw(width, width * 3 / 4, i), 92);
          Files.write(folder.resolve(name + (i + 1) + ".jpg"), jpeg);
          return null;
        } catch (IOException e) {
          return e;
        }
      }).filter(problem -> problem != null).toList();
      if (!problems.isEmpty()) {
        throw problems.get(0);
      }
    }

    /** Files that are no .jpg: a text, a text whose name has jpg in it, a picture of another format. */
    static void makeOtherFiles(Path folder) throws IOException {
      Files.writeString(folder.resolve(OTHER_FILES.get(0)), "Not an image.\n");
      Files.writeString(folder.resolve(OTHER_FILES.get(1)), "Not an image either.\n");
      ImageIO.write(draw(160, 120, 99), "png", folder.resolve(OTHER_FILES.get(2)).toFile());
    }

    /** Discs on a gradient, under noise: in size and detail much like a photograph. */
    private static BufferedImage draw(int width, int height, int seed) {
      Random random = new Random(seed);
      BufferedImage picture = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
      Graphics2D graphics = picture.createGraphics();
      graphics.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
      graphics.setPaint(new java.awt.GradientPaint(0, 0, color(random, 255), width, height, color(random, 255)));
      graphics.fillRect(0, 0, width, height);
      for (int i = 0; i < 60; i++) {
        double size = width * (0.01 + 0.2 * random.nextDouble() * random.nextDouble());
        graphics.setPaint(color(random, 160));
        graphics.fill(new Ellipse2D.Double(random.nextDouble() * width - size / 2,
            random.nextDouble() * height - size / 2, size, size));
      }
      graphics.dispose();
      int[] line = new int[width];
      int grain = 4 + 3 * (seed % 5); // so that no two images are compressed alike
      for (int y = 0; y < height; y++) {
        picture.getRGB(0, y, width, 1, line, 0, width);
        for (int x = 0; x < width; x++) {
          int noise = random.nextInt(2 * grain + 1) - grain;
          line[x] = add(line[x] >> 16, noise) << 16 | add(line[x] >> 8, noise) << 8 | add(line[x], noise);
        }
        picture.setRGB(0, y, width, 1, line, 0, width);
      }
      return picture;
    }

    private static Color color(Random random, int alpha) {
      return new Color(random.nextInt(256), random.nextInt(256), random.nextInt(256), alpha);
    }

    private static int add(int sample, int noise) {
      return Math.clamp((sample & 0xFF) + noise, 0, 255);
    }

    /** A JPEG of the picture, of a quality from 1 to 100, with optimized Huffman tables. */
    static byte[] jpeg(BufferedImage picture, int quality) throws IOException {
      JPEGImageWriteParam settings = new JPEGImageWriteParam(Locale.ROOT);
      settings.setCompressionMode(JPEGImageWriteParam.MODE_EXPLICIT);
      settings.setCompressionQuality(quality / 100f);
      settings.setOptimizeHuffmanTables(true);
      ImageWriter writer = ImageIO.getImageWritersByFormatName("jpeg").next();
      java.io.ByteArrayOutputStream bytes = new java.io.ByteArrayOutputStream();
      try (ImageOutputStream out = new javax.imageio.stream.MemoryCacheImageOutputStream(bytes)) {
        writer.setOutput(out);
        writer.write(null, new IIOImage(picture, null, null), settings);
      } finally {
        writer.dispose();
      }
      return bytes.toByteArray();
    }

    /** The mean difference of two pictures of one size, 0 to 255, taken on some of the pixels. */
    static double difference(BufferedImage a, BufferedImage b) {
      long sum = 0;
      int pixels = 0;
      for (int y = 0; y < a.getHeight(); y += 7) {
        for (int x = 0; x < a.getWidth(); x += 7) {
          int p = a.getRGB(x, y);
          int q = b.getRGB(x, y);
          sum += Math.abs((p & 0xFF) - (q & 0xFF)) + Math.abs((p >> 8 & 0xFF) - (q >> 8 & 0xFF))
              + Math.abs((p >> 16 & 0xFF) - (q >> 16 & 0xFF));
          pixels += 3;
        }
      }
      return (double) sum / pixels;
    }

    /** The quality whose quantization table is nearest to the first one of a JPEG, or 0 if it has none. */
    static int quality(byte[] jpeg) {
      int at = 2;
      while (at + 4 < jpeg.length && (jpeg[at] & 0xFF) == 0xFF) {
        int marker = jpeg[at + 1] & 0xFF;
        int length = (jpeg[at + 2] & 0xFF) << 8 | jpeg[at + 3] & 0xFF;
        if (marker == 0xDB && jpeg[at + 4] == 0 && length >= 67) { // DQT, 8 bits a step, table 0
          int sum = 0;
          for (int i = 0; i < 64; i++) {
            sum += jpeg[at + 5 + i] & 0xFF;
          }
          int all = sum;
          return IntStream.rangeClosed(1, 100)
              .boxed()
              .min(Comparator.comparingInt(quality -> Math.abs(all - steps(quality))))
              .orElseThrow();
        }
        at += 2 + length;
      }
      return 0;
    }

    /** The sum of the luminance steps of a quality, on libjpeg's scale. */
    private static int steps(int quality) {
      int percent = quality < 50 ? 5000 / quality : 200 - 2 * quality;
      return Arrays.stream(LUMINANCE).map(step -> Math.clamp((step * percent + 50) / 100, 1, 255)).sum();
    }
  }
}
