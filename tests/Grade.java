///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//JAVAC_OPTIONS --release 21
//SOURCES Pictures.java

import com.sun.jdi.AbsentInformationException;
import com.sun.jdi.ArrayReference;
import com.sun.jdi.Bootstrap;
import com.sun.jdi.ByteValue;
import com.sun.jdi.ClassNotLoadedException;
import com.sun.jdi.Field;
import com.sun.jdi.IncompatibleThreadStateException;
import com.sun.jdi.InvalidTypeException;
import com.sun.jdi.Location;
import com.sun.jdi.LongValue;
import com.sun.jdi.Method;
import com.sun.jdi.ObjectReference;
import com.sun.jdi.ReferenceType;
import com.sun.jdi.StackFrame;
import com.sun.jdi.StringReference;
import com.sun.jdi.ThreadReference;
import com.sun.jdi.VMDisconnectedException;
import com.sun.jdi.Value;
import com.sun.jdi.VirtualMachine;
import com.sun.jdi.connect.Connector;
import com.sun.jdi.connect.IllegalConnectorArgumentsException;
import com.sun.jdi.connect.ListeningConnector;
import com.sun.jdi.event.AccessWatchpointEvent;
import com.sun.jdi.event.BreakpointEvent;
import com.sun.jdi.event.ClassPrepareEvent;
import com.sun.jdi.event.Event;
import com.sun.jdi.event.EventSet;
import com.sun.jdi.event.ModificationWatchpointEvent;
import com.sun.jdi.event.MonitorContendedEnterEvent;
import com.sun.jdi.event.MonitorContendedEnteredEvent;
import com.sun.jdi.event.StepEvent;
import com.sun.jdi.event.ThreadDeathEvent;
import com.sun.jdi.event.ThreadStartEvent;
import com.sun.jdi.event.VMDisconnectEvent;
import com.sun.jdi.request.AccessWatchpointRequest;
import com.sun.jdi.request.BreakpointRequest;
import com.sun.jdi.request.ClassPrepareRequest;
import com.sun.jdi.request.EventRequest;
import com.sun.jdi.request.EventRequestManager;
import com.sun.jdi.request.StepRequest;
import java.awt.image.BufferedImage;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.InetAddress;
import java.nio.ByteBuffer;
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
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
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
  private static final Map<String, String> FRENCH = Map.of("quality", "qualité", "log", "journal", "folder", "dossier",
      "totals", "totaux", "ratio", "taux", "sequential", "séquentiel", "end", "fin");

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
  private final boolean french;
  private final PrintStream progress;
  private final List<Point> points = new ArrayList<>();
  private int patience = 60; // seconds without a sign of life after which a run is given up
  private boolean noJoin; // seen in the first run: the program ends before its threads
  private boolean noFolder; // seen in the first run: nobody creates it

  private Grade(Launcher launcher, String sourceName, Scale scale, boolean french, PrintStream progress) {
    this.launcher = launcher;
    this.sourceName = sourceName;
    this.scale = scale;
    this.french = french;
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
    Path solution = rest.size() == 1 ? Path.of(rest.get(0)) : null;
    String wrong = solution == null ? french ? "une solution est attendue" : "one solution is expected"
        : !Files.exists(solution) ? (french ? "ce fichier n'existe pas : " : "no such file: ") + solution
        : !Files.isRegularFile(solution) || !rest.get(0).endsWith(".java")
            ? (french ? "pas un fichier Java : " : "not a Java file: ") + solution : null;
    if (wrong != null) {
      err.println("Grade: " + wrong);
      err.print(solution == null || Files.exists(solution) ? USAGE : "");
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
    String name = solution.getFileName().toString();
    if (build.waitFor() != 0) {
      out.println(name + (french ? " ne se compile pas : voir ci-dessus. C'est par là qu'il faut commencer."
          : " does not compile: see above. That comes first."));
      return 1;
    }
    Launcher launcher = (options, more) -> {
      List<String> command = new ArrayList<>(List.of(jbang));
      options.forEach(option -> command.add("-R" + option));
      command.add(file);
      command.addAll(more);
      return command;
    };
    List<Point> points = grade(launcher, name, Scale.CLASSROOM, french, err);
    print(points, name, french, out);
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
  static void print(List<Point> points, String title, boolean french, PrintStream out) {
    boolean utf8 = out.charset().equals(StandardCharsets.UTF_8);
    out.println();
    for (Point point : points) {
      String mark = utf8 ? point.done ? "✓" : "✗" : point.done ? "[x]" : "[ ]";
      String name = french ? FRENCH.getOrDefault(point.name, point.name) : point.name;
      String head = mark + " " + String.format("%-12s", name);
      out.println(wrap(head + point.remark, head.length()));
    }
    long done = points.stream().filter(Point::done).count();
    String all = done < points.size() ? "" : french ? ", tout est fait" : ", all done";
    out.printf(french ? "%n%s : %d points sur %d%s%n" : "%n%s: %d of %d points%s%n", title, done, points.size(), all);
  }

  /** Breaks a text into lines of at most 100 columns; all but the first are indented. */
  private static String wrap(String text, int indent) {
    StringBuilder lines = new StringBuilder();
    int column = 0;
    for (String word : text.split("(?<=[^\\s«]) (?![:;?»])")) {
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
   * @param french whether the remarks are in French
   * @param progress gets a line before each run
   */
  static List<Point> grade(Launcher launcher, String sourceName, Scale scale, boolean french, PrintStream progress)
      throws IOException, InterruptedException {
    Path folder = Files.createTempDirectory("grade");
    try {
      Grade grade = new Grade(launcher, sourceName, scale, french, progress);
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
    progress(1, "%d images of %d x %d pixels", "%d images de %d x %d pixels", scale.images, scale.width,
        scale.width * 3 / 4);
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
    progress(2, "12 small images, in slow motion", "12 petites images, au ralenti");
    Run slowly = run(slow, List.of(), false, new SlowMotion(sourceName, false));

    Path threaded = Files.move(photos.resolve("COMPRESSED_IMAGES"), photos.resolve("THREADED"));
    for (String name : OTHER_FILES) {
      Files.delete(photos.resolve("IMAGES").resolve(name)); // they are counted once
    }
    progress(3, "without threads, %s", "sans threads, %s", SEQUENTIAL);
    Run sequential = run(photos, List.of(SEQUENTIAL), true, null);

    Run load = slowly;
    if (scale.many > 0 && !noJoin && slowly.motion.early == null) {
      Path many = folder.resolve("many");
      make(many, scale.many, i -> Pictures.jpeg(picture(32, i), 0.92f));
      Files.createDirectory(many.resolve("COMPRESSED_IMAGES"));
      progress(4, "%d tiny images", "%d images minuscules", scale.many);
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

  private void progress(int number, String english, String french, Object... values) {
    progress.println(number + (this.french ? " sur 4 : " : " of 4: ") + say(english, french, values));
  }

  private String say(String english, String french, Object... values) {
    return String.format(Locale.ROOT, this.french ? french : english, values);
  }

  private void pass(String name, String english, String french, Object... values) {
    points.add(new Point(name, true, say(english, french, values)));
  }

  private void fail(String name, String english, String french, Object... values) {
    points.add(new Point(name, false, say(english, french, values)));
  }

  // ------------------------------------------------------------------------------------------------------- the points

  private void nothingDone(Run run) {
    boolean created = Files.exists(run.folder.resolve("COMPRESSED_IMAGES"));
    fail("images", "None of the %d images is in COMPRESSED_IMAGES.%s Hints 2 and 3: scan the folder, compress each "
        + "image.", "Aucune des %d images n'est dans COMPRESSED_IMAGES.%s Indications 2 et 3 : parcourir le dossier, "
        + "compresser chaque image.", run.originals().size(), lastWords(run));
    fail("quality", "There is no compressed image to look at. Hint 3: save in quality 30.",
        "Il n'y a aucune image compressée à regarder. Indication 3 : enregistrer en qualité 30.");
    fail("log", "No line of the log names an image. Hint 1: a logger per class, and a line for each image.",
        "Aucune ligne du journal ne nomme une image. Indication 1 : un logger par classe, une ligne par image.");
    fail("threads", run.started() ? "Threads were started, but nothing came of them. Hint 1: each compresses an image."
        : "No thread was seen at work on an image. Hint 1: one thread per image.", run.started()
        ? "Des threads ont démarré, mais sans résultat. Indication 1 : chacun compresse une image."
        : "Aucun thread n'a travaillé sur une image. Indication 1 : un thread par image.");
    fail("folder", created ? "COMPRESSED_IMAGES was created, but is empty. Hint 4."
        : "COMPRESSED_IMAGES was not created. Hint 4: one of the image threads creates it.", created
        ? "COMPRESSED_IMAGES a été créé, mais il est vide. Indication 4."
        : "COMPRESSED_IMAGES n'a pas été créé. Indication 4 : un des threads d'image le crée.");
    fail("totals", "Nothing was added up. Hint 5: the threads add up the sizes before and after.",
        "Rien n'a été additionné. Indication 5 : les threads cumulent les tailles avant et après.");
    fail("ratio", "%s. The statement: the ratio of all sizes after / before, as last line: ratio 0.187",
        "%s. L'énoncé : le rapport des tailles après / avant, en dernière ligne : taux 0.187", run.ratioText() == null
            ? say("No ratio was printed", "Aucun taux n'a été affiché")
            : say("The ratio printed, %s, is of nothing", "Le taux affiché, %s, n'est celui de rien", run.ratioText()));
    fail("sequential", "Comes last, when the threads work. The statement: the same without threads, for %s.",
        "Vient en dernier, quand les threads marchent. L'énoncé : la même chose sans threads, pour %s.", SEQUENTIAL);
    fail("end", "%s", "%s", run.hung ? hanging(run)
        : run.status != 0 ? say("The exit status is %d; 0 was expected.", "Le code de retour est %d au lieu de 0.",
            run.status)
        : say("The program ends as it should, but nothing was done before that.",
            "Le programme se termine comme il faut, mais sans avoir rien fait."));
  }

  private void images(Run first, Run run) {
    int all = run.originals().size();
    Set<String> others = new TreeSet<>(run.compressed());
    others.removeAll(run.originals());
    run.works.stream().map(work -> work.image).filter(name -> !run.originals().contains(name)).forEach(others::add);
    if (noJoin) {
      fail("images", "The program ended before its threads, %d of %d images are missing: main has to wait for each "
          + "thread with join(). Virtual threads do not keep a program alive. (Held back by the grader until they had "
          + "ended, they compress %d.)", "Le programme s'est terminé avant ses threads, il manque %d images sur %d : "
          + "main doit attendre chaque thread avec join(). Des threads virtuels ne gardent pas un programme en vie. "
          + "(Quand le correcteur retient la fin, ils en compressent %d.)", first.missing().size(), all,
          run.compressed().size());
    } else if (noFolder) {
      fail("images", "No image could be saved, for nobody creates COMPRESSED_IMAGES: see the point folder. (Where the "
          + "grader creates it, %d of %d are compressed.)", "Aucune image n'a pu être enregistrée, car personne ne "
          + "crée COMPRESSED_IMAGES : voir le point dossier. (Si le correcteur le crée, %d sur %d sont compressées.)",
          run.compressed().size(), all);
    } else if (!run.missing().isEmpty()) {
      fail("images", "%d of %d images are not in COMPRESSED_IMAGES: %s.%s Hints 2 and 3; and every thread that was "
          + "started has to be waited for (join).", "%d images sur %d ne sont pas dans COMPRESSED_IMAGES : %s.%s "
          + "Indications 2 et 3 ; et chaque thread démarré doit être attendu (join).", run.missing().size(), all,
          String.join(", ", run.missing()), lastWords(run));
    } else if (!others.isEmpty()) {
      fail("images", "All %d .jpg files are compressed, but these were taken as well: %s. Expected: only names that "
          + "end in .jpg. Hint 2.", "Les %d fichiers .jpg sont compressés, mais ceux-ci ont été pris aussi : %s. "
          + "Attendu : seuls les noms qui finissent par .jpg. Indication 2.", all, String.join(", ", others));
    } else {
      pass("images", "%d of %d .jpg files compressed, nothing else", "%d fichiers .jpg sur %d compressés, rien d'autre",
          all, all);
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
        fail("quality", "The compressed %s is not a readable image. Hint 3.",
            "L'image compressée %s n'est pas lisible. Indication 3.", name);
      } else if (after.getWidth() != before.getWidth() || after.getHeight() != before.getHeight()) {
        fail("quality", "The compressed %s has %d x %d pixels, its original %d x %d. Hint 3.",
            "L'image compressée %s a %d x %d pixels, l'original %d x %d. Indication 3.", name, after.getWidth(),
            after.getHeight(), before.getWidth(), before.getHeight());
      } else if (difference(before, after) > 20) {
        fail("quality", "The compressed %s shows another picture than its original. Hint 3.",
            "L'image compressée %s ne montre pas la même chose que l'original. Indication 3.", name);
      } else if (quality != 0 && Math.abs(quality - 30) > 2) {
        fail("quality", "The quantization tables of %s are those of quality %d; expected: 30. It has %d bytes, where "
            + "%d are usual. Hint 3.", "Les tables de quantification de %s sont celles de la qualité %d ; attendu : "
            + "30. Elle a %d octets au lieu de %d. Indication 3.", name, quality, copy.length, usual);
      } else if (copy.length > 1.2 * usual || copy.length < 0.5 * usual) {
        fail("quality", "%s has %d bytes, where %d are usual for quality 30. Hint 3.",
            "%s a %d octets, alors que %d sont habituels en qualité 30. Indication 3.", name, copy.length, usual);
      } else {
        continue;
      }
      return;
    }
    pass("quality", "quality 30, same pictures, sizes as usual for it",
        "qualité 30, mêmes images, tailles habituelles pour elle");
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
      pass("log", "a line for each image, with time, class, thread and level",
          "une ligne par image, avec heure, classe, thread et niveau");
    } else if (nameless != null) {
      fail("log", "The column of the thread is blank: \"%s\". Virtual threads have no name unless they get one: "
          + "Thread.ofVirtual().name(\"image-\" + i); for an executor: "
          + "Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name(\"image-\", 1).factory()). Hint 1.",
          "La colonne du thread est vide : « %s ». Un thread virtuel n'a pas de nom si on ne lui en donne pas : "
          + "Thread.ofVirtual().name(\"image-\" + i) ; pour un exécuteur : "
          + "Executors.newThreadPerTaskExecutor(Thread.ofVirtual().name(\"image-\", 1).factory()). Indication 1.",
          nameless);
    } else if (plain != null) {
      fail("log", "This line names an image, but is not in the exercise's columns (time with milliseconds, class, "
          + "thread, level, message): \"%s\". Hints 1 and 6.", "Cette ligne nomme une image, mais n'est pas dans les "
          + "colonnes de l'exercice (heure avec millisecondes, classe, thread, niveau, message) : « %s ». Indications "
          + "1 et 6.", plain);
    } else {
      fail("log", "No line of the log names %s. Expected: a line for each image, with time, class, thread and level. "
          + "Hint 1.", "Aucune ligne du journal ne nomme %s. Attendu : une ligne par image, avec heure, classe, thread "
          + "et niveau. Indication 1.", String.join(", ", missing));
    }
  }

  private boolean threads(Run run, Run slowly) {
    Map<Long, String> threads = new TreeMap<>();
    run.works.forEach(work -> threads.put(work.threadId, work.threadName));
    int most = Work.atOnce(run.works);
    int images = run.originals().size();
    if (threads.isEmpty()) {
      fail("threads", "No thread was seen to read a file of IMAGES. Hint 1: each thread reads an image.",
          "Aucun thread n'a lu un fichier d'IMAGES. Indication 1 : chaque thread lit une image.");
    } else if (threads.size() == 1) {
      fail("threads", "One thread, %s, compressed all images. Expected: one thread per image, at the same time. Hint "
          + "1; it is start() that starts a thread: run() runs its work in the thread that calls it.",
          "Un seul thread, %s, a compressé toutes les images. Attendu : un thread par image, en même temps. Indication "
          + "1 ; c'est start() qui démarre un thread : run() fait son travail dans le thread qui l'appelle.",
          threads.values().iterator().next());
    } else if (most < 2) {
      fail("threads", "There are %d threads, but never two at work at the same time. Expected: all are started before "
          + "the first is waited for (join), and no lock is held while an image is compressed. Hint 1.",
          "Il y a %d threads, mais jamais deux au travail en même temps. Attendu : tous démarrent avant que le premier "
          + "soit attendu (join), et aucun verrou n'est tenu pendant qu'une image est compressée. Indication 1.",
          threads.size());
    } else if (4 * threads.size() < 3 * images) { // a cached pool may use one or two again
      fail("threads", "%d threads compressed %d images: a pool. Expected: one thread per image. Hint 1; virtual "
          + "threads cost so little that nobody needs a pool of them.", "%d threads ont compressé %d images : un pool. "
          + "Attendu : un thread par image. Indication 1 ; un thread virtuel coûte si peu qu'il n'en faut pas de pool.",
          threads.size(), images);
    } else if (slowly.motion.alone()) {
      fail("threads", "No two threads ever save a picture at the same time: while one did, all others waited for it. "
          + "Expected: no lock is held while an image is compressed. Hint 1.", "Jamais deux threads n'enregistrent une "
          + "image en même temps : pendant que l'un le fait, tous les autres l'attendent. Attendu : aucun verrou n'est "
          + "tenu pendant qu'une image est compressée. Indication 1.");
    } else {
      pass("threads", "%d threads at work, up to %d at the same time",
          "%d threads au travail, jusqu'à %d en même temps", threads.size(), most);
    }
    return most >= 2;
  }

  private void folder(Run plain, Run slowly, Run load, boolean threads) {
    SlowMotion motion = slowly.motion;
    boolean mainIsBusy = plain.works.stream().anyMatch(work -> work.threadName.equals("main")); // parallel streams
    int created = Math.max(plain.creations(), slowly.creations());
    boolean lost = !slowly.missing().isEmpty() && plain.missing().isEmpty() && !motion.creators.isEmpty();
    if (noFolder) {
      fail("folder", "COMPRESSED_IMAGES was not created. Hint 4: one of the image threads creates it, in a critical "
          + "section.", "COMPRESSED_IMAGES n'a pas été créé. Indication 4 : un des threads d'image le crée, dans une "
          + "section critique.");
    } else if (motion.failure != null) {
      fail("folder", "Could not be checked: %s", "N'a pas pu être vérifié : %s", motion.failure);
    } else if (motion.creating.met != null) {
      fail("folder", "Two threads were about to create it at the same time, %s: both had found it missing. Expected: "
          + "looking and creating are one critical section, which one thread at a time can enter. Hint 4.",
          "Deux threads allaient le créer en même temps, %s : les deux ne l'avaient pas trouvé. Attendu : regarder et "
          + "créer sont une seule section critique, où un seul thread entre à la fois. Indication 4.",
          motion.creating.met);
    } else if (motion.late.size() > 1) {
      fail("folder", "%d threads created it, one after the other, %s: each had found it missing before. Expected: the "
          + "look is inside the critical section, with the creation. Hint 4.", "%d threads l'ont créé, l'un après "
          + "l'autre, %s : chacun avait vu avant qu'il manquait. Attendu : on regarde à l'intérieur de la section "
          + "critique, là où l'on crée. Indication 4.", motion.late.size(), String.join(", ", motion.late));
    } else if (created > 1) {
      fail("folder", "By the log %d threads created it. Expected: one, once. Hint 4.",
          "D'après le journal, %d threads l'ont créé. Attendu : un seul, une fois. Indication 4.", created);
    } else if (lost) {
      fail("folder", "While %s was creating it, others went on, and could not save %d images.%s Expected: whoever does "
          + "not create it waits until it is there. Hint 4.", "Pendant que %s le créait, d'autres ont continué, sans "
          + "pouvoir enregistrer %d images.%s Attendu : qui ne le crée pas attend qu'il existe. Indication 4.",
          String.join(", ", motion.creators), slowly.missing().size(), lastWords(slowly));
    } else if (threads && !mainIsBusy && motion.creators.equals(Set.of("main"))) {
      fail("folder", "The main thread creates it. Expected: one of the image threads does, in a critical section. Hint "
          + "4.", "C'est le thread main qui le crée. Attendu : un des threads d'image, dans une section critique. "
          + "Indication 4.");
    } else if (load.compressed().isEmpty()) {
      fail("folder", "With COMPRESSED_IMAGES there before the start, nothing was compressed.%s Expected: it is created "
          + "only if it does not exist. Hint 4.", "Quand COMPRESSED_IMAGES existe dès le départ, rien n'est "
          + "compressé.%s Attendu : il n'est créé que s'il n'existe pas. Indication 4.", lastWords(load));
    } else {
      pass("folder", "created once%s; used as it is if it exists", "créé une fois%s ; utilisé tel quel s'il existe",
          !threads || motion.creators.isEmpty() || motion.creators.size() > 1 ? ""
              : say(", by %s", ", par %s", motion.creators.iterator().next()));
    }
  }

  private void totals(Run plain, Run slowly, Run load) {
    SlowMotion motion = slowly.motion;
    boolean trusted = plain.ratioIsRight() && motion.early == null; // or one mistake would count twice
    Place met = motion.places.values().stream().filter(place -> place.strict && place.met != null).findFirst()
        .orElse(null);
    if (motion.failure != null) {
      fail("totals", "Could not be checked: %s", "N'a pas pu être vérifié : %s", motion.failure);
    } else if (met != null) {
      fail("totals", "Two threads were about to change %s at the same time, %s: each starts from the same old value, "
          + "and one addition is lost. Expected: a critical section, with one lock for all threads. Hint 5.", "Deux "
          + "threads allaient modifier %s en même temps, %s : chacun part de la même ancienne valeur, et une addition "
          + "est perdue. Attendu : une section critique, avec un seul verrou pour tous. Indication 5.", met.what,
          met.met);
    } else if (motion.mainSizes >= 6) {
      fail("totals", "The main thread takes the sizes of the compressed files. Expected: each thread takes those of "
          + "its image, and adds them to the totals in a critical section. Hint 5.", "C'est le thread main qui prend "
          + "les tailles des fichiers compressés. Attendu : chaque thread prend celles de son image, et les ajoute aux "
          + "totaux dans une section critique. Indication 5.");
    } else if (trusted && !slowly.ratioIsRight() && slowly.missing().isEmpty()) {
      String where = motion.places.values().stream().filter(place -> place.met != null).map(place -> place.what)
          .collect(Collectors.joining(", "));
      fail("totals", "When threads meet, an addition is lost: %s Two of them were at the same time at: %s. Expected: "
          + "reading, adding and writing are one critical section. Hint 5.", "Quand des threads se rencontrent, une "
          + "addition est perdue : %s Deux étaient en même temps à : %s. Attendu : lire, ajouter et écrire forment une "
          + "seule section critique. Indication 5.", ratioProblem(slowly), where);
    } else if (load != slowly && (load.hung && !plain.hung
        || !load.missing().isEmpty() && plain.missing().isEmpty())) {
      fail("totals", "Under load, %d of %d images were not compressed.%s",
          "Sous charge, %d images sur %d n'ont pas été compressées.%s", load.missing().size(), load.originals().size(),
          lastWords(load));
    } else if (trusted && load != slowly && !load.ratioIsRight()) {
      fail("totals", "With %d images: %s Hint 5.", "Avec %d images : %s Indication 5.", load.originals().size(),
          ratioProblem(load));
    } else if (!trusted && motion.places.values().stream().noneMatch(place -> place.images)) {
      fail("totals", "No thread was seen to add anything up. Hint 5: the threads add up the sizes before and after.",
          "Aucun thread n'a rien additionné. Indication 5 : les threads cumulent les tailles avant et après.");
    } else {
      pass("totals", "no addition lost in slow motion; %d images at once went well",
          "aucune addition perdue au ralenti ; %d images à la fois se sont bien passées", load.originals().size());
    }
  }

  private void ratio(Run plain, Run slowly) {
    SlowMotion motion = slowly.motion;
    if (noJoin || motion.early != null) {
      fail("ratio", "It came while %s was still at work: main does not wait until every thread has ended%s. Expected: "
          + "join() of each thread, then the ratio.", "Il est arrivé pendant que %s travaillait encore : main n'attend "
          + "pas la fin de chaque thread%s. Attendu : join() de chaque thread, puis le taux.",
          motion.early == null ? say("a thread", "un thread") : motion.early, motion.paused == null ? ""
              : say(" but a limited time (%s)", ", mais un temps limité (%s)", motion.paused));
    } else if (motion.polled != null) {
      fail("ratio", "The main thread looks at %s again and again, without a lock, until the threads have ended: "
          + "nothing promises that it ever sees what they write. Expected: join() of each thread.", "Le thread main "
          + "regarde %s encore et encore, sans verrou, jusqu'à la fin des threads : rien ne garantit qu'il voie ce "
          + "qu'ils écrivent. Attendu : join() de chaque thread.", motion.polled);
    } else if (plain.ratioIsRight()) {
      pass("ratio", "%s, as on the disk", "%s, comme sur le disque", plain.ratioText());
    } else {
      fail("ratio", "%s", "%s", ratioProblem(plain));
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
      fail("sequential", "With %s: %s", "Avec %s : %s", SEQUENTIAL, hanging(run));
    } else if (run.compressed().isEmpty()) {
      fail("sequential", "With %s nothing was compressed.%s The statement's last paragraph.",
          "Avec %s rien n'a été compressé.%s Dernier paragraphe de l'énoncé.", SEQUENTIAL, lastWords(run));
    } else if (ids.size() > 1) {
      fail("sequential", "With %s %d threads were at work: %s. Expected: the main thread alone, one image after "
          + "another. The statement's last paragraph.", "Avec %s %d threads ont travaillé : %s. Attendu : le thread "
          + "main seul, une image après l'autre. Dernier paragraphe de l'énoncé.", SEQUENTIAL, ids.size(), names);
    } else if (!threads.equals(Set.of("main"))) {
      fail("sequential", "With %s the thread %s did the work. Expected: the main thread does.",
          "Avec %s c'est le thread %s qui a travaillé. Attendu : le thread main.", SEQUENTIAL, names);
    } else if (!different.isEmpty()) {
      fail("sequential", "With %s the compressed images are not the same as with threads, byte for byte: %s.",
          "Avec %s les images compressées ne sont pas les mêmes qu'avec les threads, octet par octet : %s.", SEQUENTIAL,
          String.join(", ", different));
    } else {
      pass("sequential", "the main thread alone; the same files, byte for byte",
          "le thread main seul ; les mêmes fichiers, octet par octet");
    }
  }

  private void end(List<Run> runs) {
    for (Run run : runs) {
      if (run.hung) {
        fail("end", "%s", "%s", hanging(run));
        return;
      }
      if (run.status != 0 && !(noFolder && run == runs.get(0))) {
        fail("end", "The exit status is %d%s; 0 was expected.%s", "Le code de retour est %d%s, au lieu de 0.%s",
            run.status, run.arguments.isEmpty() ? "" : say(" with %s", " avec %s", SEQUENTIAL), lastWords(run));
        return;
      }
    }
    pass("end", "each run ended by itself, exit status 0",
        "chaque exécution s'est terminée d'elle-même, code de retour 0");
  }

  private String ratioProblem(Run run) {
    if (run.ratioText() == null) {
      return say("No ratio was printed. Expected: a last line such as \"ratio 0.187\".",
          "Aucun taux n'a été affiché. Attendu : une dernière ligne telle que « taux 0.187 ».");
    }
    String problem = say("The ratio printed is %s, on the disk it is %.3f", "Le taux affiché est %s, sur le disque il "
        + "est %.3f", run.ratioText(), run.ratio());
    return problem + (Math.abs(run.ratioPrinted() * run.ratio() - 1) < 0.01
        ? say(": that is before / after. The statement: after / before.",
            " : c'est avant / après. L'énoncé : après / avant.")
        : say(". Was it printed before the last thread had ended (join), or are sizes missing in the totals?",
            ". A-t-il été affiché avant la fin du dernier thread (join), ou manque-t-il des tailles aux totaux ?"));
  }

  private String hanging(Run run) {
    return say("The program does not end%s: it was stopped. Either an executor is not shut down, or a thread waits for "
        + "what never comes.", "Le programme ne se termine pas%s : il a été arrêté. Soit un exécuteur n'est pas fermé, "
        + "soit un thread attend ce qui ne vient jamais.",
        run.ratioText() == null ? "" : say(", although the ratio is printed", ", alors que le taux est affiché"));
  }

  /** The first thing that the program said of an error, as a sentence, or nothing. */
  private String lastWords(Run run) {
    for (String line : run.err) {
      if (line.matches(".*(Exception|Error)\\b.*") || LOG_LINE.matcher(line).matches() && line.contains(" ERROR ")) {
        return say(" It says: \"%s\".", " Il dit : « %s ».", line.strip());
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
      patience = 20; // it was long enough once
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
          ratioPrinted |= RATIO.matcher(line).find();
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

    /** The last ratio printed, as it was printed, or null. */
    String ratioText() {
      Matcher matcher = ratioMatcher();
      return matcher == null ? null : matcher.group(1) + (matcher.group(3) == null ? "" : matcher.group(3));
    }

    double ratioPrinted() {
      Matcher matcher = ratioMatcher();
      return Double.parseDouble(matcher.group(1).replace(',', '.')) / (matcher.group(3) == null ? 1 : 100);
    }

    /** Whether the ratio printed is that on the disk: rounded up, rounded down, all is right. */
    boolean ratioIsRight() {
      Matcher matcher = ratioMatcher();
      if (matcher == null) {
        return false;
      }
      int decimals = matcher.group(2) == null ? 0 : matcher.group(2).length();
      double unit = Math.pow(10, -decimals) / (matcher.group(3) == null ? 1 : 100); // of the last digit
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

  // ------------------------------------------------------------------------------------------------------ slow motion

  /** Where threads can meet. The first is held until another comes: then both go on, and have met. */
  private static final class Place {
    final String what; // a field, or an object and a line, as it is told
    final boolean strict; // meeting here is a mistake in itself; elsewhere the sizes that are lost are
    final Map<Long, Set<Long>> threads = new HashMap<>(); // that came, by object; object 0 if it is static
    boolean images; // threads other than main came
    int arrivals;
    int holds;
    String met; // the names of two threads

    Place(String what, boolean strict) {
      this.what = what;
      this.strict = strict;
    }
  }

  /**
   * A debugger that makes rare meetings of threads certain. It stops each thread that is about to create the folder, to
   * save a picture, or to change what other threads have changed before it (a field, an array, a list, a map), and
   * holds it for a moment, while all others run on. Whoever comes to the same place meanwhile was not kept out by a lock.
   *
   * <p>A thread that is about to write a total has read its old value and added to it: whatever another thread writes
   * now is lost. And while the very first image thread is held, the main thread must wait: if it ends, or prints the
   * ratio, it has not waited for that thread. So that nobody waits for this, its pauses end at once.
   */
  private static final class SlowMotion {
    private static final long HOLD = 4000; // milliseconds
    private static final int HOLDS = 2; // at each place; the first threads may be slow, as the machine is not warm
    private static final int TOO_MANY = 100; // arrivals at what a thread has for itself: these are no totals
    private static final Pattern CHANGES = Pattern.compile("(put|add|set|push|offer|merge|comput|replace|accept|update"
        + "|accumulate|get(?=And)|compareAnd|weakCompareAnd|lazySet|increment).*");
    private static final Set<String> NUMBERS = Set.of("int", "long", "float", "double", "java.lang.Integer",
        "java.lang.Long", "java.lang.Float", "java.lang.Double", "java.math.BigInteger", "java.math.BigDecimal");
    private static final Map<String, Set<String>> METHODS = Map.of(
        "java.nio.file.Files", Set.of("createDirectory", "createDirectories", "exists", "notExists", "isDirectory"),
        "java.io.File", Set.of("mkdir", "mkdirs", "exists", "isDirectory"),
        "com.sun.imageio.plugins.jpeg.JPEGImageWriter", Set.of("write"),
        "java.util.concurrent.locks.AbstractQueuedSynchronizer", Set.of("acquire")); // to wait for a Lock
    private static final Map<String, Set<String>> METHODS_OF_MAIN = Map.of(
        "java.nio.file.Files", Set.of("size", "readAttributes"),
        "java.io.File", Set.of("length"),
        "java.lang.Thread", Set.of("sleep", "join"),
        "java.lang.Runtime", Set.of("exit", "halt"));

    final Place creating = new Place("COMPRESSED_IMAGES", true);
    final Place creatingAtomically = new Place("COMPRESSED_IMAGES", false); // where the first alone succeeds, and knows
    final Place saving = new Place("JPEGImageWriter.write", false);
    final Map<String, Place> places = new TreeMap<>(); // what may be a total

    /** The threads that called for the creation of the folder; those of them that had looked before. */
    final Set<String> creators = new TreeSet<>();
    final Set<String> late = new TreeSet<>();

    /** The image thread that the main thread did not wait for, or null; how it paused instead. */
    String early;
    String paused;

    /** The field that the main thread looked at again and again instead of waiting, or null. */
    String polled;

    /** How often the main thread took the size of a compressed file. */
    int mainSizes;

    /** Why nothing could be seen, or null. */
    String failure;

    private final String sourceName;
    private final boolean gentle; // only the program's end is held back, until its threads have ended
    private final Set<Long> looked = new HashSet<>(); // threads
    private final Map<Long, Integer> contended = new HashMap<>(); // by monitor: how many wait for it
    private final Map<Long, ObjectReference> queued = new HashMap<>(); // Locks that threads had to wait for
    private final Set<Long> virtual = new HashSet<>(); // threads that live
    private final Map<String, Integer> reads = new HashMap<>(); // by the main thread, by place
    private final Map<Location, String> sites = new HashMap<>(); // of the solution's code: where it changes an object
    private final List<BreakpointRequest> entries = new ArrayList<>(); // into its methods
    private final List<Held> held = new ArrayList<>();
    private ListeningConnector connector;
    private Map<String, Connector.Argument> arguments;
    private Thread debugger;
    private BooleanSupplier ratioPrinted;
    private VirtualMachine machine;
    private EventRequestManager requests;
    private ThreadReference main;
    private boolean begun; // an image thread has come
    private Held first; // image thread, which main has to wait for
    private long mainWaitsSince;
    private EventSet mainsEnd;
    private long ended; // when main did, or 0

    /** A thread that is held. */
    private record Held(Place place, long object, ThreadReference thread, EventSet events, long until) {}

    SlowMotion(String sourceName, boolean gentle) {
      this.sourceName = sourceName;
      this.gentle = gentle;
    }

    /** Whether no two threads ever saved a picture at the same time, though one waited for it. */
    boolean alone() {
      return saving.met == null && saving.holds == HOLDS;
    }

    /** Waits for a program to come to be debugged, and returns the address it has to be told. */
    String listen(BooleanSupplier ratioPrinted) throws IOException {
      this.ratioPrinted = ratioPrinted;
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
        machine = connector.accept(arguments);
        requests = machine.eventRequestManager();
        try {
          watch();
        } catch (VMDisconnectedException e) {
          // The program has ended, as it should.
        } catch (InvalidTypeException | ClassNotLoadedException | RuntimeException e) {
          failure = e.toString();
          try {
            machine.dispose(); // whoever is held goes on
          } catch (VMDisconnectedException gone) {
            // The program has ended meanwhile.
          }
        }
      } catch (IOException | IllegalConnectorArgumentsException e) {
        failure = "the program did not get to its start";
      } catch (InterruptedException e) {
        failure = e.toString();
      }
    }

    /** Until the program ends. */
    private void watch() throws InterruptedException, InvalidTypeException, ClassNotLoadedException {
      main = machine.allThreads().stream().filter(thread -> thread.name().equals("main")).findFirst().orElseThrow();
      enable(requests.createThreadStartRequest(), EventRequest.SUSPEND_NONE);
      enable(requests.createThreadDeathRequest(), EventRequest.SUSPEND_EVENT_THREAD);
      METHODS_OF_MAIN.keySet().forEach(name -> machine.classesByName(name).forEach(this::watchMethods));
      if (!gentle) {
        ClassPrepareRequest classes = requests.createClassPrepareRequest();
        // The fewer classes make the program stop, the less is it disturbed.
        Stream.of("java.", "javax.", "jdk.", "sun.", "com.sun.", "com.twelvemonkeys.", "org.tinylog.", "picocli.")
            .forEach(prefix -> classes.addClassExclusionFilter(prefix + "*"));
        enable(classes, EventRequest.SUSPEND_EVENT_THREAD);
        enable(requests.createMonitorContendedEnterRequest(), EventRequest.SUSPEND_EVENT_THREAD);
        enable(requests.createMonitorContendedEnteredRequest(), EventRequest.SUSPEND_NONE);
        for (String name : METHODS.keySet()) {
          machine.classesByName(name).forEach(this::watchMethods);
          ClassPrepareRequest request = requests.createClassPrepareRequest();
          request.addClassFilter(name);
          enable(request, EventRequest.SUSPEND_EVENT_THREAD);
        }
      }
      while (true) {
        EventSet events = machine.eventQueue().remove(held.isEmpty() && mainsEnd == null ? 1000 : 10);
        if (events != null) {
          boolean hold = false;
          for (Event event : events) {
            if (event instanceof VMDisconnectEvent) {
              return;
            }
            hold = hold || arrives(event, events);
          }
          if (!hold) {
            events.resume();
          }
        }
        mainWaits();
        letGo(one -> one != first && one.place.met != null || events == null && System.nanoTime() > one.until);
        long since = System.nanoTime() - ended;
        if (mainsEnd != null && held.isEmpty() && (virtual.isEmpty() ? since > 1_500_000_000L : since > 20e9)) {
          mainsEnd.resume();
          mainsEnd = null;
        }
      }
    }

    /** Something happens; returns whether its thread is held. */
    private boolean arrives(Event event, EventSet events)
        throws InvalidTypeException, ClassNotLoadedException {
      try {
        return sees(event, events);
      } catch (IncompatibleThreadStateException e) {
        return false; // it goes on already
      }
    }

    private boolean sees(Event event, EventSet events)
        throws IncompatibleThreadStateException, InvalidTypeException, ClassNotLoadedException {
      switch (event) {
        case ClassPrepareEvent prepared -> watchClass(prepared.referenceType());
        case ThreadStartEvent start -> {
          if (start.thread().isVirtual()) {
            virtual.add(start.thread().uniqueID());
          }
        }
        case ThreadDeathEvent death -> {
          virtual.remove(death.thread().uniqueID());
          if (begun) { // it could do without the folder that another is about to create
            letGo(one -> one.place == creating || one.place == creatingAtomically);
          }
          return death.thread().equals(main) && mainEnds(events);
        }
        case MonitorContendedEnterEvent locked -> {
          contended.merge(locked.monitor().uniqueID(), 1, Integer::sum);
          letGo(one -> one != first && keepsOut(one.thread)); // another thread was kept out: all there was to see
        }
        case MonitorContendedEnteredEvent entered -> contended.merge(entered.monitor().uniqueID(), -1, Integer::sum);
        case AccessWatchpointEvent reading -> mainReads(reading);
        case ModificationWatchpointEvent writing -> {
          return arrivesAtField(writing, events);
        }
        case StepEvent step -> {
          requests.deleteEventRequest(step.request());
          return arrivesInObject(step, events);
        }
        case BreakpointEvent there -> {
          if (entries.contains(there.request()) && !begun && !there.thread().equals(main)) {
            return begins(there.thread(), events);
          } else if (sites.containsKey(there.location())) {
            return arrivesAtSite(there, events);
          } else if (!isStudents(there.location().declaringType())) {
            return there.thread().equals(main) && METHODS_OF_MAIN.getOrDefault(
                there.location().declaringType().name(), Set.of()).contains(there.location().method().name())
                ? mainArrives(there, events) : arrivesAtMethod(there, events);
          }
        }
        default -> { }
      }
      return false;
    }

    private static void enable(EventRequest request, int policy) {
      request.setSuspendPolicy(policy);
      request.enable();
    }

    private void letGo(Predicate<Held> which) {
      List<Held> some = held.stream().filter(which).toList();
      held.removeAll(some);
      some.forEach(one -> one.events.resume());
    }

    /** Whether a thread has a lock that another one waits for. It must be suspended. */
    private boolean keepsOut(ThreadReference thread) {
      return monitors(thread).stream().anyMatch(monitor -> contended.getOrDefault(monitor.uniqueID(), 0) > 0)
          || queued.values().stream().anyMatch(lock -> thread.equals(owner(lock)));
    }

    private static List<ObjectReference> monitors(ThreadReference thread) {
      try {
        return thread.ownedMonitors();
      } catch (IncompatibleThreadStateException e) {
        throw new IllegalStateException(e); // it is held: it is suspended
      }
    }

    /** The thread that has a ReentrantLock or the like, or null. */
    private static Value owner(ObjectReference lock) {
      Field field = lock.referenceType().fieldByName("exclusiveOwnerThread");
      return field == null ? null : lock.getValue(field);
    }

    // ---- where to stop

    private void watchClass(ReferenceType type) {
      if (METHODS.containsKey(type.name())) {
        watchMethods(type);
      } else if (isStudents(type) && !type.name().contains("/")) { // not what lambdas are made of
        for (Field field : type.fields()) {
          if (!field.isFinal()) {
            enable(requests.createModificationWatchpointRequest(field), EventRequest.SUSPEND_EVENT_THREAD);
            if (!field.isVolatile()) {
              AccessWatchpointRequest reading = requests.createAccessWatchpointRequest(field);
              reading.addThreadFilter(main);
              enable(reading, EventRequest.SUSPEND_EVENT_THREAD);
            }
          }
        }
        Code code = new Code(type);
        for (Method method : type.methods()) {
          if (!method.isAbstract() && !method.isNative() && !method.isStaticInitializer() && !method.isConstructor()) {
            if (!begun) {
              entries.add(breakAt(method.location()));
            }
            code.changes(method).forEach((at, what) -> {
              Location location = method.locationOfCodeIndex(at);
              sites.put(location, what);
              breakAt(location);
            });
          }
        }
      }
    }

    private void watchMethods(ReferenceType type) {
      for (Method method : type.methods()) {
        if (METHODS_OF_MAIN.getOrDefault(type.name(), Set.of()).contains(method.name())
            && !(method.name().equals("join") && method.argumentTypeNames().isEmpty())) { // that is what is wanted
          BreakpointRequest request = requests.createBreakpointRequest(method.location());
          request.addThreadFilter(main);
          enable(request, EventRequest.SUSPEND_EVENT_THREAD);
        } else if (!gentle && METHODS.getOrDefault(type.name(), Set.of()).contains(method.name())
            && (!method.name().equals("acquire") || method.argumentTypeNames().size() > 1)) {
          breakAt(method.location());
        }
      }
    }

    private BreakpointRequest breakAt(Location location) {
      BreakpointRequest request = requests.createBreakpointRequest(location);
      enable(request, EventRequest.SUSPEND_EVENT_THREAD);
      return request;
    }

    private boolean isStudents(ReferenceType type) {
      try {
        return type.name().indexOf('.') < 0 || type.sourceName().equals(sourceName);
      } catch (AbsentInformationException e) {
        return false;
      }
    }

    // ---- the main thread

    private boolean begins(ThreadReference thread, EventSet events) {
      begun = true;
      requests.deleteEventRequests(entries);
      entries.clear();
      if (ended > 0 || ratioPrinted.getAsBoolean()) {
        early = named(thread);
        return false;
      }
      first = new Held(new Place("", false), 0, thread, events, System.nanoTime() + 6_000_000_000L);
      held.add(first);
      return true;
    }

    /** Lets the first image thread go when the main thread is seen to wait for it, or not to. */
    private void mainWaits() {
      if (first == null || !held.contains(first)) {
        return;
      }
      long now = System.nanoTime();
      mainWaitsSince = main.status() != ThreadReference.THREAD_STATUS_WAIT ? 0
          : mainWaitsSince == 0 ? now : mainWaitsSince;
      if (ended > 0 || ratioPrinted.getAsBoolean()) {
        early = named(first.thread);
      }
      if (early != null || polled != null || mainWaitsSince > 0 && now - mainWaitsSince > 600_000_000) {
        letGo(one -> one == first);
      }
    }

    private boolean mainEnds(EventSet events) {
      if (ended == 0) {
        ended = System.nanoTime();
        mainWaits();
        if (gentle || !begun || early != null) {
          mainsEnd = events;
          return true;
        }
      }
      return false;
    }

    private boolean mainArrives(BreakpointEvent event, EventSet events)
        throws IncompatibleThreadStateException, InvalidTypeException, ClassNotLoadedException {
      Method method = event.location().method();
      List<Value> values = main.frame(0).getArgumentValues();
      switch (method.name()) {
        case "exit", "halt" -> {
          return mainEnds(events);
        }
        case "sleep", "join" -> {
          boolean short_ = !(values.get(0) instanceof LongValue time) || time.value() > 0 && time.value() < 60_000;
          if (!gentle && short_ && early == null && (!begun || held.contains(first))) {
            paused = method.name() + "(" + values.get(0) + ")";
            main.forceEarlyReturn(method.returnTypeName().equals("void") ? machine.mirrorOfVoid()
                : machine.mirrorOf(false));
          }
        }
        default -> {
          if (begun && path(main.frame(0)).contains("COMPRESSED_IMAGES")) {
            mainSizes++;
          }
        }
      }
      return false;
    }

    private void mainReads(AccessWatchpointEvent event) {
      String field = event.field().declaringType().name() + "." + event.field().name();
      boolean locked = !monitors(main).isEmpty() || Stream.of("NonfairSync", "FairSync")
          .flatMap(name -> machine.classesByName("java.util.concurrent.locks.ReentrantLock$" + name).stream())
          .flatMap(type -> type.instances(0).stream()).anyMatch(lock -> main.equals(owner(lock)));
      if (first != null && held.contains(first) && !locked) {
        if (reads.merge(event.location().toString(), 1, Integer::sum) >= 10) {
          polled = field;
        }
      } else if (reads.merge(field, 1, Integer::sum) > TOO_MANY) {
        event.request().disable();
      }
    }

    // ---- the others

    private boolean arrivesAtMethod(BreakpointEvent event, EventSet events) throws IncompatibleThreadStateException {
      ThreadReference thread = event.thread();
      Method method = event.location().method();
      String name = method.name();
      if (name.equals("acquire")) {
        ObjectReference lock = thread.frame(0).thisObject();
        queued.put(lock.uniqueID(), lock);
        letGo(one -> one != first && one.thread.equals(owner(lock)));
        return false;
      }
      if (name.equals("write")) {
        return begun && !thread.equals(main) && meet(saving, 0, thread, events);
      }
      if (thread.frameCount() < 2 || !isStudents(thread.frame(1).location().declaringType())
          || !path(thread.frame(0)).endsWith("COMPRESSED_IMAGES")) {
        return false;
      }
      if (name.contains("xist") || name.equals("isDirectory")) {
        looked.add(thread.uniqueID());
        return false;
      }
      Location caller = thread.frame(1).location();
      byte[] code = caller.method().bytecodes();
      boolean ignored = code[(int) caller.codeIndex() + 3] == 0x57; // pop: who succeeded is not asked
      creators.add(named(thread));
      if (name.equals("createDirectory") || name.startsWith("mkdir") && !ignored) {
        return meet(creatingAtomically, 0, thread, events);
      }
      if (looked.contains(thread.uniqueID())) {
        late.add(named(thread));
      }
      return meet(creating, 0, thread, events);
    }

    private boolean arrivesAtField(ModificationWatchpointEvent event, EventSet events) {
      Method method = event.location().method();
      if (method.isConstructor() || method.isStaticInitializer()) {
        return false; // no other thread knows of the object yet
      }
      String name = event.field().declaringType().name() + "." + event.field().name();
      return arrivesAt(name, NUMBERS.contains(event.field().typeName()), event.object(), event.thread(),
          event.request(), events);
    }

    /** At an instruction that changes an array, or calls a method that changes an object: one step on it is known. */
    private boolean arrivesAtSite(BreakpointEvent event, EventSet events) {
      String what = sites.get(event.location());
      if (what.endsWith("[]")) {
        return arrivesAt(what + " (" + event.location() + ")", false, null, event.thread(), event.request(), events);
      }
      Place place = places.get(event.location().toString());
      if (place != null && (place.met != null || ++place.arrivals > TOO_MANY)) {
        event.request().disable();
        return false;
      }
      places.computeIfAbsent(event.location().toString(), key -> new Place(what + " (" + key + ")", false));
      StepRequest step = requests.createStepRequest(event.thread(), StepRequest.STEP_MIN, StepRequest.STEP_INTO);
      step.putProperty("site", event.location().toString());
      step.addCountFilter(1);
      enable(step, EventRequest.SUSPEND_EVENT_THREAD);
      return false;
    }

    private boolean arrivesInObject(StepEvent event, EventSet events) throws IncompatibleThreadStateException {
      ObjectReference object = event.thread().frame(0).thisObject();
      if (object == null || isStudents(event.location().declaringType())) {
        return false;
      }
      String type = object.referenceType().name();
      boolean unsafe = type.matches("java\\.util\\.(?!Vector|Hashtable|Stack|Properties)\\w+"); // not Collections$...
      String site = (String) event.request().getProperty("site");
      String what = unsafe ? type.substring("java.util.".length()) + " (" + site + ")" : site;
      return arrivesAt(what, unsafe, object, event.thread(), null, events);
    }

    private boolean arrivesAt(String what, boolean strict, ObjectReference object, ThreadReference thread,
        EventRequest request, EventSet events) {
      Place place = places.computeIfAbsent(what, key -> new Place(what, strict));
      place.images |= !thread.equals(main);
      long id = object == null ? 0 : object.uniqueID();
      Set<Long> threads = place.threads.computeIfAbsent(id, key -> new HashSet<>());
      threads.add(thread.uniqueID());
      boolean shared = threads.size() > 1;
      if (request != null && (place.met != null || ++place.arrivals > TOO_MANY && !shared)) {
        request.disable();
      }
      return shared && meet(place, id, thread, events);
    }

    /** A thread arrives. Returns whether it is held; if another one is held here, they have met, and both go on. */
    private boolean meet(Place place, long object, ThreadReference thread, EventSet events) {
      if (place.met != null) {
        return false;
      }
      for (Held other : held) {
        if (other.place == place && other.object == object && !other.thread.equals(thread)) {
          place.met = named(other.thread) + ", " + named(thread);
          return false;
        }
      }
      if (place.holds == HOLDS || place == saving && virtual.size() == 1) {
        return false;
      }
      place.holds++;
      if (keepsOut(thread)) {
        return false; // others wait for a lock that it has: all there was to see
      }
      held.add(new Held(place, object, thread, events, System.nanoTime() + HOLD * 1_000_000));
      return true;
    }

    /** The path that a method of Files or File is called with. */
    private static String path(StackFrame frame) {
      ObjectReference path = frame.thisObject() != null ? frame.thisObject()
          : (ObjectReference) frame.getArgumentValues().get(0);
      Field field = path == null ? null : path.referenceType().fieldByName("path");
      Value value = field == null ? null : path.getValue(field);
      if (value instanceof ArrayReference bytes) { // of a UnixPath
        StringBuilder text = new StringBuilder();
        bytes.getValues().forEach(one -> text.append((char) (((ByteValue) one).value() & 0xFF)));
        return text.toString();
      }
      return value instanceof StringReference text ? text.value() : "";
    }

    private static String named(ThreadReference thread) {
      return thread.name().isEmpty() ? "?" : thread.name();
    }
  }

  /** The bytecode of a class: where does it store into arrays, and call methods that change objects of java.util? */
  private static final class Code {
    /** The lengths of the instructions 0 to 201 (JVMS chapter 6); 0: it varies. */
    private static final String LENGTHS = "1".repeat(16) + "23233" + "22222" + "1".repeat(28) + "22222" + "1".repeat(73)
        + "3" + "1".repeat(20) + "3".repeat(16) + "200" + "1".repeat(6) + "3".repeat(7) + "553231133"
        + "110" + "43355";
    private static final int LASTORE = 0x50;
    private static final int DASTORE = 0x52;
    private static final int INVOKEVIRTUAL = 0xB6;
    private static final int INVOKEINTERFACE = 0xB9;

    private final Object[] pool; // JVMS 4.4: strings, and references to other entries

    Code(ReferenceType type) {
      pool = new Object[type.constantPoolCount()];
      try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(type.constantPool()))) {
        for (int i = 1; i < pool.length; i++) {
          int tag = in.readUnsignedByte();
          switch (tag) {
            case 1 -> pool[i] = in.readUTF();
            case 7, 8, 16, 19, 20 -> pool[i] = new int[] {in.readUnsignedShort()};
            case 9, 10, 11, 12, 17, 18 -> pool[i] = new int[] {in.readUnsignedShort(), in.readUnsignedShort()};
            case 15 -> in.skipNBytes(3);
            default -> {
              in.skipNBytes(tag < 5 ? 4 : 8);
              i += tag < 5 ? 0 : 1; // long and double count twice
            }
          }
        }
      } catch (IOException e) {
        throw new IllegalStateException(e);
      }
    }

    private Object at(int index, int part) {
      return pool[((int[]) pool[index])[part]];
    }

    /** By the index of the instruction: what it changes. */
    Map<Integer, String> changes(Method method) {
      Map<Integer, String> changes = new TreeMap<>();
      ByteBuffer code = ByteBuffer.wrap(method.bytecodes());
      for (int i = 0; i < code.limit(); i += length(code, i)) {
        int instruction = code.get(i) & 0xFF;
        if (instruction == LASTORE || instruction == DASTORE) {
          changes.put(i, instruction == LASTORE ? "long[]" : "double[]");
        } else if (instruction == INVOKEVIRTUAL || instruction == INVOKEINTERFACE) {
          int reference = code.getShort(i + 1) & 0xFFFF;
          String owner = (String) pool[((int[]) at(reference, 0))[0]];
          String name = (String) pool[((int[]) at(reference, 1))[0]];
          if (owner.startsWith("java/util/") && SlowMotion.CHANGES.matcher(name).matches()) {
            changes.put(i, owner.substring(owner.lastIndexOf('/') + 1) + "." + name);
          }
        }
      }
      return changes;
    }

    private static int length(ByteBuffer code, int at) {
      int aligned = at + 4 & ~3;
      return switch (code.get(at) & 0xFF) {
        case 0xAA -> aligned + 16 + 4 * (code.getInt(aligned + 8) - code.getInt(aligned + 4)) - at; // tableswitch
        case 0xAB -> aligned + 8 + 8 * code.getInt(aligned + 4) - at; // lookupswitch
        case 0xC4 -> (code.get(at + 1) & 0xFF) == 0x84 ? 6 : 4; // wide
        default -> LENGTHS.charAt(code.get(at) & 0xFF) - '0';
      };
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
    List<IOException> problems = IntStream.range(0, images).parallel().mapToObj(i -> {
      try {
        Files.write(originals.resolve("photo-" + (i + 1) + ".jpg"), image.make(i));
        return null;
      } catch (IOException e) {
        return e;
      }
    }).filter(problem -> problem != null).toList();
    if (!problems.isEmpty()) {
      throw problems.get(0);
    }
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
