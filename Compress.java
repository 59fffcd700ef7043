///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//JAVAC_OPTIONS --release 21 -J-XX:TieredStopAtLevel=1 -XDstringConcat=inline
//RUNTIME_OPTIONS -XX:+UseSerialGC -XX:CompileThresholdScaling=3 -XX:Tier4BackEdgeThreshold=300000
//RUNTIME_OPTIONS -Djava.awt.headless=true -Xlog:disable -Xlog:all=error:stderr
//DEPS info.picocli:picocli:4.7.7
//DEPS org.tinylog:tinylog-api:2.7.0
//DEPS org.tinylog:tinylog-impl:2.7.0
//DEPS com.twelvemonkeys.imageio:imageio-jpeg:3.14.0

import static java.nio.charset.StandardCharsets.*;

import java.awt.image.BufferedImage;
import java.io.*;
import java.lang.invoke.*;
import java.lang.ref.SoftReference;
import java.net.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import java.util.zip.*;
import javax.imageio.*;
import javax.imageio.plugins.jpeg.*;
import javax.imageio.stream.*;
import org.tinylog.Logger;
import org.tinylog.configuration.Configuration;
import picocli.CommandLine;
import picocli.CommandLine.*;

// The lesson ----------------------------------------------------------------------------------------------------------
// ProcessImages starts one thread per image, CompressOneImage is what each thread does, CompressionStats is what they
// share. The rest of this file is what they call.

/** Starts one thread per image, waits until the last has ended, and reports. */
final class ProcessImages {
  private static final Log LOG = new Log(ProcessImages.class);
  private static final int MAX_THREADS = 1_000; // at once: even one that only waits takes 1 kB of memory
  final CompressionStats stats;
  private final Compress options;
  private final List<CompressOneImage> images = new ArrayList<>();

  ProcessImages(Compress options, List<ImageFile> files) {
    this.options = options;
    stats = new CompressionStats(files.size(), options.timeline || options.report != null || options.copyRest);
    Semaphore permits = new Semaphore(options.threads, true); // fair: first come, first served
    for (ImageFile file : files) { images.add(new CompressOneImage(file, options, permits, stats)); }
  }

  /** Compresses the images and prints the ratio; returns whether every one of them is done. */
  boolean processAndReport() throws InterruptedException {
    LOG.info("%s in %s, %s, %s threads", Text.count(images.size(), "image"), options.sources(), Text.cores(),
        options.mode == Compress.Mode.sequential ? "no" : options.mode);
    process(options.mode);
    System.out.println(stats.report());
    return stats.allDone();
  }

  /** Compresses the images: when it returns, all of them have ended. */
  void process(Compress.Mode mode) throws InterruptedException {
    stats.run.begin(mode);
    switch (mode) {
      case virtual -> startAndJoinAll(Thread.ofVirtual().name("image-", 1)); // image-1, image-2, ...
      case platform -> startAndJoinAll(Thread.ofPlatform().name("image-", 1));
      case sequential -> images.forEach(CompressOneImage::run); // the same work, all of it in this thread
    }
    stats.run.end();
  }

  private void startAndJoinAll(Thread.Builder threads) throws InterruptedException {
    for (int from = 0; from < images.size(); from += MAX_THREADS) {
      startAndJoin(images.subList(from, Math.min(from + MAX_THREADS, images.size())), threads);
    }
  }

  /** One thread per image: starts them all, then waits for each. */
  private static void startAndJoin(List<CompressOneImage> images, Thread.Builder builder) throws InterruptedException {
    List<Thread> threads = new ArrayList<>();
    for (CompressOneImage image : images) {
      Thread thread = builder.unstarted(image);
      thread.start(); // not run(): that would do the work in this thread or, of a virtual thread, none at all
      threads.add(thread);
    }
    for (Thread thread : threads) {
      thread.join(); // without it the report would come before the images are done
    }
  }
}

/** Compresses one image. It is {@link Runnable}: a thread of its own runs it. */
record CompressOneImage(ImageFile file, Compress options, Semaphore permits, CompressionStats stats)
    implements Runnable {
  private static final Log LOG = new Log(CompressOneImage.class);

  /**
   * Waits for a permit, compresses, gives the permit back. Virtual threads cost next to nothing, so every image has its
   * own; what they need while they work (memory, cores) is scarce, and the semaphore rations that.
   */
  @Override
  public void run() {
    permits.acquireUninterruptibly();
    long started = System.nanoTime();
    try {
      report(compress());
    } catch (Exception | Error problem) { // one image's problem is not the others'
      report(Result.failed(file, started, problem));
    } finally {
      permits.release(); // whatever happened, or the images that wait would wait for ever
    }
  }

  private void report(Result result) {
    String progress = stats.add(result); // [3/4]
    if (result.outcome() != Outcome.SKIPPED || !LiveLine.on) { result.log(LOG, progress); } // or the live line does
  }

  /** The work of the thread. It throws whatever makes it impossible. */
  private Result compress() throws Exception {
    if (options.update && file.isUpToDate(options.settings())) { return Result.skipped(file); }
    JpegHeader header = file.readHeader();
    try (Memory share = Memory.reserve(header.memory(options.settings()))) { // a second semaphore: large ones wait
      long started = System.nanoTime();
      ImageFile.State original = file.read();
      Copy copy = Recompressor.recompress(original.bytes(), options.settings());
      if (!options.dryRun && createFolder(file.folder())) { LOG.info("created %s", file.folderName()); }
      file.writeCopy(copy, original, options);
      return Result.done(file, started, original.bytes().length, copy);
    }
  }

  /**
   * Creates the folder unless it is there, and returns whether it did. Many threads come here at once: the look and the
   * creation must be one step (a critical section, locked on this class), or two threads could both find it missing.
   */
  static synchronized boolean createFolder(Path folder) throws IOException {
    if (Files.isDirectory(folder)) { return false; }
    Files.createDirectories(folder);
    return true;
  }
}

/**
 * The totals of a run. Many threads add to them: every method is a critical section, locked on this object, because
 * {@code total += size} is three steps (read, add, write), and two threads that take them at once lose one addition.
 */
final class CompressionStats {
  final Run run; // what else is to be told of it: when, and which images
  private final int total; // images, to be done
  private int done; // whatever became of them
  private long sizeBefore; // bytes, of the images compressed or kept
  private long sizeAfter;

  /** The totals of a run over this number of images, all zero. */
  CompressionStats(int total, boolean remember) {
    this.total = total;
    run = new Run(total, remember);
  }

  /** Adds the result of an image, and returns how far the run is: [3/4]. */
  synchronized String add(Result result) {
    run.add(result);
    sizeBefore += result.before();
    sizeAfter += result.after();
    done++;
    LiveLine.show(done, total, sizeBefore, run.seconds(System.nanoTime()));
    return "[" + done + "/" + total + "]";
  }

  /** Whether every image is done and none failed. */
  synchronized boolean allDone() { return done == total && run.count(Outcome.FAILED) == 0; }

  /** Tells how far a run came that something ends before its time, such as Ctrl-C. */
  synchronized void tellIfStopped(boolean dryRun) {
    if (run.mode != null && done < total) {
      LiveLine.on = false;
      LiveLine.clear();
      System.err.println("Compress: stopped after " + done + " of " + Text.count(total, "image")
          + (dryRun ? "" : "; --update goes on from there"));
    }
  }

  /** The last line: how many images, their sizes before and after, the ratio after / before. */
  synchronized String report() {
    String sizes = sizeBefore == 0 ? "" // nothing was compressed
        : Text.sizes(sizeBefore, sizeAfter) + ", ratio " + Text.ratio(sizeBefore, sizeAfter) + ", ";
    return Text.format("%s%s, %sin %.2f s", Text.count(total, "image"), run.outcomes(), sizes, run.seconds());
  }
}

// The command ---------------------------------------------------------------------------------------------------------
// What can be asked for, the log, what is told of a run in the terminal and on a page, and how runs compare.

/** The command: what can be asked for on the command line, checked, and handed to {@link ProcessImages}. */
@Command(
    name = "Compress", version = "Compress 1.0, Java ${java.version}, ${os.name}", mixinStandardHelpOptions = true,
    sortOptions = false, usageHelpWidth = 100, usageHelpAutoWidth = true,
    customSynopsis = "jbang Compress.java [OPTIONS] [SOURCE...] [DESTINATION]",
    description = "%nRecompresses the JPEG photographs of a folder, one thread per image.%n",
    exitCodeListHeading = "%nExit status:%n",
    exitCodeList = {"0:all images are done", "1:at least one failed (all others are done), or the run could not go on",
      "2:wrong usage; nothing was done"},
    footer = {"%nThe log goes to standard error, the report to standard output.%n", "Examples:",
      "  jbang Compress.java                           IMAGES into COMPRESSED_IMAGES",
      "  jbang Compress.java -q 60 -r Pictures Small   a whole tree, in a better quality",
      "  jbang Compress.java -q 60 *.jpg Small         these images",
      "  jbang Compress.java -m sequential             without threads: how much slower is it?",
      "  find Pictures -name '*.jpg' -newer stamp | jbang Compress.java --files-from=- Pictures Small"})
public class Compress implements Callable<Integer> {
  /** How the work is spread over threads, and how a JPEG is recompressed; spelt as on the command line. */
  enum Mode { virtual, platform, sequential }
  enum Engine { auto, pixels }
  List<Path> further = List.of(); // sources
  Path destination = Path.of("COMPRESSED_IMAGES");
  @Spec Model.CommandSpec command;

  @Parameters(index = "0", defaultValue = "IMAGES", paramLabel = "SOURCE",
      description = "folder of the images, or images, or several of both (default: ${DEFAULT-VALUE}); never changed")
  Path source;

  @Parameters(index = "1..*", paramLabel = "DESTINATION", hideParamSyntax = true,
      description = "the last: folder of the compressed images (default: COMPRESSED_IMAGES), made if missing")
  void setOthers(List<Path> others) {
    if (others != null && !others.isEmpty()) {
      further = others.subList(0, others.size() - 1);
      destination = others.getLast();
    }
  }

  @Option(names = {"-q", "--quality"}, defaultValue = "30", paramLabel = "1..100",
      description = "JPEG quality: 30 is small and visibly coarse, as in the exercise (default); 75 to 85 suit albums")
  int quality;
  @Option(names = {"-s", "--smallest"}, description = "fewer bytes for as good a picture, in 2 to 3 times the time")
  boolean smallest;
  @Option(names = {"-l", "--lossless"}, description = "the same picture to the bit in fewer bytes: only codes change")
  boolean lossless;
  @Option(names = "--max-size", paramLabel = "SIZE", defaultValue = "0",
      description = "at most so many bytes a copy, as 500k or 2M (of 1,000): in about the best quality up to -q")
  String maxSize;
  @Option(names = "--threshold", paramLabel = "PERCENT", defaultValue = "0",
      description = "keep an image as it is where its copy would save less than that")
  double threshold;

  @Option(names = {"-m", "--mode"}, defaultValue = "virtual", paramLabel = "MODE",
      description = "virtual (default) or platform: such a thread per image; sequential: one image after another")
  Mode mode;
  @Option(names = {"-t", "--threads"}, paramLabel = "N",
      description = "at most N images in work at once (default: the number of cores)")
  int threads = Runtime.getRuntime().availableProcessors();

  @Option(names = {"-r", "--recursive"}, description = "subfolders too; DESTINATION gets the same tree")
  boolean recursive;
  @Option(names = {"-u", "--update"}, description = "skip images unchanged since these options made their copy")
  boolean update;
  @Option(names = "--overwrite",
      description = "also replace files in DESTINATION that Compress did not make; but never an image itself")
  boolean overwrite;
  @Option(names = "--copy-rest",
      description = "copy other files, and images that fail, as they are: DESTINATION is then as complete as SOURCE")
  boolean copyRest;
  @Option(names = "--files-from", paramLabel = "FILE",
      description = "compress the images that FILE lists, one a line, instead of all in SOURCE; - is standard input")
  String filesFrom;

  @Option(names = {"-k", "--keep-metadata"},
      description = "keep date, place, camera, captions (EXIF, XMP, IPTC, comments) instead of dropping them; what "
          + "makes copies look the same always stays: orientation, colour profile, HDR gain map")
  boolean keepMetadata;
  @Option(names = "--engine", defaultValue = "auto", paramLabel = "ENGINE",
      description = "auto: by coefficients, fast and exact (default); pixels: by pixels, as most do, with ImageIO")
  Engine engine;

  @Option(names = "--compare", description = "all three modes in turn, and a table: what do threads bring?")
  boolean compare;
  @Option(names = "--timeline", description = "draw when each image's thread waited and worked")
  boolean timeline;
  @Option(names = "--report", paramLabel = "FILE.html",
      description = "write a page for the browser: the timeline, and each image beside its copy")
  Path report;
  @Option(names = {"-n", "--dry-run"}, description = "all the work, but write no copy: what would it save?")
  boolean dryRun;
  @Option(names = "--quiet", description = "log warnings and errors only")
  boolean quiet;

  /** Runs the command; its exit status is the program's. */
  public static void main(String[] arguments) {
    Thread.ofPlatform().daemon().start(() -> new Log(Compress.class)); // the log gets ready while picocli does
    CommandLine commandLine = new CommandLine(new Compress()).setExpandAtFiles(false); // @x is a name
    commandLine.setParameterExceptionHandler((problem, all) -> {
      UnmatchedArgumentException.printSuggestions(problem, new PrintWriter(System.err, true)); // for --qualty
      String message = problem.getMessage();
      return complain(message.contains(Text.UNMAPPABLE) ? Text.NO_LETTERS : message + "; see --help", 2);
    });
    commandLine.setExecutionExceptionHandler((problem, line, all) -> complain(Text.reason(problem), 1));
    Thread.currentThread().setUncaughtExceptionHandler((thread, e) -> System.exit(complain(Text.reason(e), 1)));
    System.exit(commandLine.execute(arguments));
  }

  private static int complain(String message, int exitStatus) {
    System.err.println("Compress: " + message);
    return exitStatus;
  }

  @Override
  public Integer call() throws Exception {
    require(quality >= 1 && quality <= 100, "--quality must be from 1 to 100, not " + quality);
    require(maxSize.matches("(?i)\\d{1,12}(\\.\\d+)?[km]?b?"),
        "--max-size: '" + maxSize + "' is no size, as 500k or 2M is");
    require(!lossless || maxSize.equals("0"), "--max-size lowers the quality: not with --lossless");
    require(threshold >= 0 && threshold < 100, "--threshold must be from 0 to less than 100, not " + threshold);
    require(threads >= 1, "--threads must be at least 1, not " + threads);
    boolean asksQuality = command.commandLine().getParseResult().hasMatchedOption("--quality");
    require(!lossless || !smallest && !asksQuality && engine == Engine.auto,
        "--lossless changes nothing that is seen: not with --quality, --smallest or --engine");
    require(!smallest || engine == Engine.auto, "--smallest chooses among coefficients: not with --engine=pixels");
    require(!compare || !update, "--compare compresses all images again and again: not with --update");
    require(report == null || report.toString().matches("(?si).*\\.html?"),
        "--report: the name must end in .html or .htm: " + report);
    require(report == null || Report.mayReplace(report), "--report: there is another file, or no folder: " + report);
    Log.quiet = quiet || compare;
    LiveLine.on = LiveLine.TERMINAL;
    ImageFiles files = ImageFiles.find(this);
    ProcessImages process = new ProcessImages(this, files.images);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> process.stats.tellIfStopped(dryRun)));
    boolean done = compare || process.processAndReport();
    List<Run> runs = compare ? Comparison.run(this, files.images) : List.of(process.stats.run);
    process.stats.run.printFailures();
    files.finish(this, process.stats.run.results());
    if (timeline) { Timeline.print(this, runs); }
    if (report != null && !runs.isEmpty()) { Report.write(this, runs); }
    if (dryRun) {
      System.out.println("Nothing was written" + (report == null ? "" : " but the report") + ": this was a dry run.");
    }
    if (System.out.checkError()) { return complain("the report could not be written", 1); }
    return done && !runs.isEmpty() && files.complete ? 0 : 1;
  }

  String sources() { return source + (further.isEmpty() ? "" : " and " + further.size() + " more"); }

  Recompressor.Settings settings() {
    String bytes = maxSize.toLowerCase(Locale.ROOT).replace("b", "").replace("k", "e3").replace("m", "e6");
    return new Recompressor.Settings(lossless ? Recompressor.Settings.LOSSLESS : quality, engine, smallest,
        keepMetadata, (long) Double.parseDouble(bytes), threshold);
  }

  void require(boolean condition, String message) {
    if (!condition) { throw new ParameterException(command.commandLine(), message); }
  }
}

/** The logger of one class, in the exercise's columns; on a terminal INFO lines have fewer, and are cut at its edge. */
record Log(Class<?> owner) {
  static volatile boolean quiet; // only warnings and errors

  static { // runs once, in the thread that comes first; others that need this class wait for it
    String start = LiveLine.TERMINAL ? "'" + LiveLine.CLEAR + "'" : "HH:mm:ss.SSS' '"; // quoted, or tinylog trims it
    String format = "{date: " + start + "}{message}";
    Configuration.replace(Map.of("writer", "console", "writer.stream", "err", "writer.format", format));
    Logger.isErrorEnabled(); // starts tinylog
  }

  void info(String text, Object... values) {
    if (!quiet) { log(Logger::info, "INFO", text, values); }
  }

  void warn(String text, Object... values) { log(Logger::warn, "WARN", text, values); }
  void error(String text, Object... values) { log(Logger::error, "ERROR", text, values); }

  private void log(Consumer<Object> logger, String level, String text, Object... values) {
    boolean cut = LiveLine.TERMINAL && level.equals("INFO");
    String columns = Text.format(cut ? "%16s %7s " : LiveLine.TERMINAL ? "%16s %7s %s " : "%16s %12s %-6s ",
        owner.getSimpleName(), Thread.currentThread().getName(), level);
    String line = Text.printable(columns + Text.format(text, values));
    logger.accept(cut ? Text.cut(line) : line);
    LiveLine.draw();
  }
}

/** What became of an image. KEPT: nothing saves a byte, its copy is the original. SKIPPED: its copy is up to date. */
enum Outcome { COMPRESSED, KEPT, SKIPPED, FAILED }

/** What became of an image; bytes, or 0; when (System.nanoTime) and how; why it failed, or what its copy lacks. */
record Result(ImageFile file, Outcome outcome, long before, long after, long started, long ended, String thread,
    String how, List<String> remarks) {
  Result(ImageFile file, Outcome outcome, long before, long after, long started, String how, List<String> remarks) {
    this(file, outcome, before, after, started, System.nanoTime(), Thread.currentThread().getName(), how, remarks);
  }

  static Result done(ImageFile file, long started, long before, Copy copy) {
    Outcome outcome = copy.kept() ? Outcome.KEPT : Outcome.COMPRESSED;
    return new Result(file, outcome, before, copy.bytes().length, started, copy.how(), copy.warnings());
  }

  static Result skipped(ImageFile file) {
    return new Result(file, Outcome.SKIPPED, 0, 0, System.nanoTime(), "", List.of());
  }

  static Result failed(ImageFile file, long started, Throwable problem) {
    return new Result(file, Outcome.FAILED, 0, 0, started, "", List.of(Text.reason(problem)));
  }

  long milliseconds() { return (ended - started) / 1_000_000; }

  void log(Log log, String progress) {
    String image = progress + " " + file.name();
    switch (outcome) {
      case FAILED -> log.error("%s failed: %s", image, remarks.getFirst());
      case SKIPPED -> log.info("%s is up to date", image);
      default -> {
        remarks.forEach(remark -> log.warn("%s %s", file.name(), remark));
        log.info("%s %s (%s)%s in %d ms",
            image, Text.sizes(before, after), Text.ratio(before, after), how, milliseconds());
      }
    }
  }
}

/** A run over the images: when, how many had which outcome, and their results. {@link CompressionStats} locks it. */
final class Run {
  final int total; // images
  Compress.Mode mode;
  private long started; // nanoseconds, as System.nanoTime has it
  private long ended;
  double cores; // that it got: seconds of processor time in a second; 0: that is not measured
  private final boolean remember; // the results of all images, which takes memory, or of those that failed
  private final List<Result> results = new ArrayList<>();
  private final int[] images = new int[Outcome.values().length]; // by outcome

  Run(int total, boolean remember) {
    this.total = total;
    this.remember = remember;
  }

  void begin(Compress.Mode mode) {
    this.mode = mode;
    started = System.nanoTime();
  }

  void end() {
    ended = System.nanoTime();
    LiveLine.clear();
  }

  /** How long it took, and how long after its start this time is, which System.nanoTime gave. */
  double seconds() { return seconds(ended); }
  double seconds(long time) { return (time - started) / 1e9; }

  void add(Result result) {
    images[result.outcome().ordinal()]++;
    if (remember || result.outcome() == Outcome.FAILED) { results.add(result); }
  }

  int count(Outcome outcome) { return images[outcome.ordinal()]; }
  List<Result> results() { return results.stream().sorted(Comparator.comparing(r -> r.file().image())).toList(); }

  /** How many images had which outcome, in brackets; nothing where all were compressed. */
  String outcomes() {
    return count(Outcome.COMPRESSED) == total ? "" : Arrays.stream(Outcome.values())
        .map(outcome -> count(outcome) + " " + outcome.name().toLowerCase(Locale.ROOT))
        .collect(Collectors.joining(", ", " (", ")"));
  }

  /** Lists the images that failed once more: the log of a long run has scrolled away, unless it is nothing else. */
  void printFailures() {
    int failed = count(Outcome.FAILED);
    if (failed > 0 && total > 10 && !Log.quiet) {
      System.err.println(Text.count(failed, "image") + " failed:");
      results.stream().filter(result -> result.outcome() == Outcome.FAILED).limit(10).forEach(result ->
          System.err.println(Text.printable("  " + result.file().name() + ": " + result.remarks().getFirst())));
      System.err.print(failed > 10 ? "  and " + (failed - 10) + " more\n" : "");
    }
  }
}

/** Measures what threads bring: the three modes in turn on the same images. */
final class Comparison {
  static final int ROUNDS = 3;

  /** Prints the table and returns the median run of each mode; none if not every image was done each time. */
  static List<Run> run(Compress options, List<ImageFile> files) throws InterruptedException {
    List<Compress.Mode> modes = List.of(Compress.Mode.values()).reversed(); // sequential first
    List<Run> runs = new ArrayList<>();
    for (int i = 0; i < (1 + ROUNDS) * modes.size(); i++) {
      int round = i / modes.size(); // 0 warms up: Java compiles the program as it runs
      Compress.Mode mode = modes.get(i % modes.size());
      String what = round == 0 ? "warming up" : "round " + round + " of " + ROUNDS;
      if (!options.quiet) { System.err.println(what + ": " + mode); }
      ProcessImages process = new ProcessImages(options, files);
      double before = processorTime();
      process.process(mode);
      process.stats.run.cores = (processorTime() - before) / process.stats.run.seconds();
      if (!process.stats.allDone()) {
        System.err.println("Compress: nothing to compare: not all images could be compressed");
        return List.of();
      }
      runs.add(process.stats.run);
    }
    List<Run> medians = modes.stream().map(mode -> runs.stream().skip(modes.size()).filter(run -> run.mode == mode)
        .sorted(Comparator.comparingDouble(Run::seconds)).toList().get(ROUNDS / 2)).toList();
    Run first = medians.getFirst();
    System.out.println("mode        threads  seconds  speed-up  cores");
    medians.forEach(run -> System.out.println(Text.format("%-10s %8d %8.3f %9.2f %6.2f", run.mode,
        run == first ? 1 : run.total, run.seconds(), first.seconds() / run.seconds(), run.cores)));
    System.out.println(Text.format(
        "Medians of %d rounds over %s on %s, at most %d in work at once; Java's start-up is left out.",
        ROUNDS, Text.count(files.size(), "image"), Text.cores(), options.threads));
    if (first.seconds() > 0.1 && first.cores < 0.8) { // shorter is too short for the clock of processor time
      System.out.println("Something else keeps this machine busy: the runs did not get their cores.");
    }
    return medians;
  }

  private static double processorTime() { // of this process, in seconds
    return ProcessHandle.current().info().totalCpuDuration().map(time -> time.toNanos() / 1e9).orElse(Double.NaN);
  }
}

/** Draws runs in the terminal: a row for each image, when its thread waited and worked, on one axis of time. */
final class Timeline {
  private static final int MAX_ROWS = 24;
  static double axis(List<Run> runs) { return runs.stream().mapToDouble(Run::seconds).max().orElse(0); }

  static void print(Compress options, List<Run> runs) {
    boolean terminal = CommandLine.Help.Ansi.AUTO.enabled(); // and no NO_COLOR
    String bar = terminal ? "\u001b[32m%s\u001b[0m" : "%s";
    for (Run run : runs) {
      Set<Result> slowest = run.results().stream().sorted(Comparator.comparingLong(i -> i.started() - i.ended()))
          .limit(MAX_ROWS).collect(Collectors.toSet());
      Map<String, Result> rows = new LinkedHashMap<>();
      run.results().stream().filter(slowest::contains).forEach(image ->
          rows.put(Text.printable(Text.format("%-8s %s", image.thread(), image.file().name())), image));
      int label = Math.min(32, rows.keySet().stream().mapToInt(String::length).max().orElse(0));
      int columns = Math.max(20, options.command.usageMessage().width() - label - 3); // of the axis
      StringBuilder chart = new StringBuilder("\n" + run.mode
          + (run.total > MAX_ROWS ? ": the " + MAX_ROWS + " slowest of " + run.total + " images" : ""));
      rows.forEach((name, image) -> {
        int from = (int) Math.round(run.seconds(image.started()) / axis(runs) * columns);
        int to = Math.max(from + 1, (int) Math.round(run.seconds(image.ended()) / axis(runs) * columns));
        chart.append(Text.format("%n%-" + label + "." + label + "s ", name)).append("░".repeat(from))
            .append(Text.format(bar, "█".repeat(to - from)));
      });
      String indent = "\n" + " ".repeat(label + 1);
      chart.append(Text.format("%s0 s%" + (columns - 5) + ".3f s%1$s░ waiting  █ working", indent, axis(runs)));
      String cut = chart.toString().replaceAll("(?m)^.+$", terminal ? Text.cut("$0") : "$0");
      System.out.println(Text.shown(System.out, cut));
    }
  }
}

/** The last line of a terminal: how far the run is. Each line of the log clears it, and draws it again below. */
final class LiveLine {
  static final String CLEAR = "\r\u001b[K";
  // Whether System.err is a terminal: a device of characters (as is /dev/null). On Windows nobody can tell.
  static final boolean TERMINAL = !System.getenv().getOrDefault("TERM", "").matches("|dumb") && Objects.equals(0x2000,
      WholeFile.ifSupported(() -> (int) Files.getAttribute(Path.of("/dev/fd/2"), "unix:mode") & 0xF000));
  private static final int WIDTH = 39; // characters: fits every terminal, and Java does not know how wide this one is
  static boolean on;
  private static volatile String line = "";
  private static long next = System.nanoTime(); // when it may change

  static void show(int done, int total, long bytes, double seconds) {
    if (on && System.nanoTime() - next >= 0) {
      next = System.nanoTime() + 100_000_000;
      long left = Math.round(seconds / done * (total - done));
      String text = Text.format(
          " %d/%d %.1f MB/s %d:%02d left", done, total, bytes / 1e6 / seconds, left / 60, left % 60);
      int width = Math.max(0, WIDTH - text.length());
      int full = (int) ((long) width * done / total);
      line = CLEAR + Text.shown(System.err, "█".repeat(full) + "░".repeat(width - full)) + text;
      draw();
    }
  }

  static void draw() { System.err.print(line); }

  static void clear() {
    line = line.isEmpty() ? "" : CLEAR;
    draw();
  }
}

/** Writes a page for the browser: PAGE with its data as JSON. Its script makes texts of them: no name can run. */
final class Report {
  private static final String BEGIN = "<!DOCTYPE html>\n<!-- A report of Compress -->\n";

  /** Whether the page may be written: its folder is there, and no file but an earlier report is in its place. */
  static boolean mayReplace(Path page) throws IOException {
    if (!Files.exists(page)) { return Files.isDirectory(page.toAbsolutePath().getParent()); }
    try (InputStream in = Files.isRegularFile(page) ? Files.newInputStream(page) : InputStream.nullInputStream()) {
      return new String(in.readNBytes(BEGIN.length()), ISO_8859_1).equals(BEGIN);
    }
  }

  static void write(Compress options, List<Run> runs) throws IOException {
    Path file = options.report;
    if (!mayReplace(file)) { throw new IOException("--report: there is another file now: " + file); }
    Run last = runs.getLast(); // it says what became of the images
    List<Result> images = last.results();
    long before = images.stream().mapToLong(Result::before).sum();
    long after = images.stream().mapToLong(Result::after).sum();
    List<List<String>> totals = List.of(
        List.of(Text.size(before), "before"), List.of(Text.size(after, before), "after"),
        List.of(Text.ratio(before, after),
            "ratio, " + (options.lossless ? "lossless" : "in quality " + options.quality)),
        List.of(Text.format("%.2f s", last.seconds()),
            kind(last) + (runs.size() == 1 ? "" : ", median of " + Comparison.ROUNDS)),
        List.of(Text.cores(), "at most " + options.threads + " in work at once"));
    String data = json(List.of(Text.count(images.size(), "image") + last.outcomes(), options.sources(),
        String.join(" ", options.command.commandLine().getParseResult().originalArgs()), totals, Timeline.axis(runs),
        runs.stream().map(run -> List.of(kind(run), run.seconds(), run.results().stream().map(image ->
            List.of(image.thread(), run.seconds(image.started()), run.seconds(image.ended()))).toList())).toList(),
        images.stream().map(image -> List.of(image.file().name(), image.outcome() != Outcome.FAILED && !options.dryRun,
            link(file, image.file().image()), link(file, image.file().copy()), image.outcome().name(), image.before(),
            image.after(), Text.size(image.before()), Text.size(image.after(), image.before()), image.milliseconds(),
            image.remarks())).toList()));
    String page = PAGE.replace("NONCE", UUID.randomUUID().toString()); // a secret, so that no other script runs
    Files.writeString(file, BEGIN + page.replace("DATA", data));
    System.out.println("Wrote " + file + ".");
  }

  private static String kind(Run run) { return run.mode + (run.mode == Compress.Mode.sequential ? "" : " threads"); }

  /** The relative URL that leads from the page to a file, made of the bytes of the names. */
  static String link(Path page, Path file) {
    Path from = page.toAbsolutePath().normalize().getParent();
    Path to = file.toAbsolutePath().normalize();
    Path root = from.getRoot();
    return !root.equals(to.getRoot()) ? to.toUri().toString()
        : root.resolve(from.relativize(to)).toUri().toString().replaceFirst(Pattern.quote("" + root.toUri()), "./");
  }

  /** A list, a number or a text. In a text, all but letters, digits and harmless signs are escaped. */
  static String json(Object value) {
    return switch (value) {
      case List<?> list -> list.stream().map(Report::json).collect(Collectors.joining(",", "[", "]"));
      case String text -> text.chars().mapToObj(c ->
          (c < 127 ? c >= ' ' && "\"\\<>&'".indexOf(c) < 0 : Character.isLetterOrDigit((char) c))
              ? Character.toString(c) : Text.format("\\u%04x", c)).collect(Collectors.joining("", "\"", "\""));
      default -> value.toString();
    };
  }

  private static final String PAGE = """
    <html lang=en><head><meta charset=utf-8><meta name=viewport content="width=device-width"><title>Compress</title>
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; base-uri 'none'; form-action 'none';
      img-src 'self' file:; style-src 'nonce-NONCE'; script-src 'nonce-NONCE'"><style nonce="NONCE">
      :root { color-scheme: light dark; --card: light-dark(#f2f5f8, #1b252f); --ink: light-dark(#14202b, #f0f4f8);
        --paper: light-dark(#fff, #10171e); --soft: light-dark(#566575, #a3b2c0); --wait: light-dark(#ccd6df, #3a4957);
        --work: light-dark(#0a66c2, #4db2ff); --tall: calc(100vh - 9rem) } .plot { cursor: crosshair; contain: size }
      html { font: clamp(16px, 1.35vw, 26px)/1.4 system-ui, sans-serif; background: var(--paper); color: var(--ink) }
      body { max-width: 90rem; margin: 0 auto; padding: 1rem 4vw 4rem; overflow-wrap: anywhere } p { margin: 0 0 .6rem }
      p, small, i, .tiles div { color: var(--soft); font-style: normal } .wait, .grid { color: var(--wait) }
      h1 { font-size: 1.7rem; line-height: 1.2; margin: .6rem 0 .2rem } h2 { font-size: 1.4rem; margin: 2rem 0 .2rem }
      h3 { display: flex; flex-wrap: wrap; column-gap: 1rem; margin: .9rem 0 0; font-size: 1.25rem }
      h3 span { font-weight: normal } h3 span:first-child { margin-left: auto } path { stroke: currentcolor }
      .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .7rem; margin: 1rem 0 }
      .tiles div { background: var(--card); border-radius: .6rem; padding: .6rem .9rem }
      .tiles b { font-size: 1.4rem; color: var(--ink) } .work, h3 b, td button { color: var(--work) }
      small, .tiles b { display: block } .grid { stroke-width: 1; vector-effect: non-scaling-stroke }
      .chart { display: grid; grid-template-columns: minmax(8rem, 24%) 1fr; column-gap: .8rem }
      .labels { display: grid; grid-auto-rows: var(--row); align-items: center } svg { width: 100%; height: 100% }
      .labels div { overflow: hidden; text-overflow: ellipsis; white-space: nowrap } .axis i { position: absolute }
      .axis { grid-column: 2; position: relative; height: 1.6rem; white-space: nowrap } .axis i + i { translate: -50% }
      #tip { position: fixed; z-index: 2; width: max-content; max-width: 92vw; padding: .2rem .7rem; border-radius: 9px;
        pointer-events: none; background: var(--ink); color: var(--paper) } #tip:empty { display: none }
      table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums }
      tr { border-bottom: 1px solid var(--wait) } .FAILED, .FAILED small { color: light-dark(#b3261e, #ff8a80) }
      th, td { padding: .35rem 0 .35rem 1rem; text-align: right; white-space: nowrap;
        &:first-child { text-align: left; white-space: normal; padding-left: 0 } }
      button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer }
      td button { text-decoration: underline; text-align: left } [aria-sort]::after { content: "↑" }
      .COMPRESSED small { color: light-dark(#8a5300, #ffc069) } [aria-sort=descending]::after { content: "↓" }
      .view { overflow: hidden; width: 0; min-width: 100%; max-height: var(--tall); container-type: inline-size;
        user-select: none; cursor: zoom-in } .frame { position: relative; overflow: hidden; background: var(--card) }
      .under { display: flex; justify-content: space-between } @media (pointer: coarse) { .full { overflow: auto } }
      .stage { display: grid; width: max-content; margin: auto } img + img { clip-path: inset(0 0 0 var(--cut)) }
      img { max-width: min(100cqw, var(--width)); max-height: var(--tall) } .stage > * { grid-area: 1 / 1 }
      .full img { width: var(--width); max-width: none; max-height: none } .full { cursor: grab }
      [type=range] { position: absolute; inset: 0 -1.5rem; width: calc(100% + 3rem); margin: 0; cursor: ew-resize;
        appearance: none; background: none; pointer-events: none; filter: drop-shadow(0 0 2px #000);
        --thumb: radial-gradient(circle, #fff 1rem, #0000 0), linear-gradient(90deg, #0000 47%, #fff 0 53%, #0000 0) }
      ::-webkit-slider-thumb { appearance: none; width: 3rem; height: 100vh; background: var(--thumb);
        pointer-events: auto } ::-moz-range-thumb { border: 0; width: 3rem; height: 100vh; background: var(--thumb);
        pointer-events: auto } @media (max-width: 700px) { .labels i { display: none } th, td { padding: .1rem 0;
        &:first-child { grid-column: 1 / -1 } } tr { display: grid; grid: none / 5fr 5fr 4fr 5fr 7fr; font-size: 80% } }
    </style></head><body><h1></h1><p id=command></p><div class=tiles></div><section>
    <h2>When each image waited, and was worked on</h2><p><b class=wait>██</b> <span>the image waits</span>&emsp;
    <b class=work>██</b> <span>a thread works</span></section><h2>The images</h2><div id=tip></div>
    <p id=hint>Open one to see original and copy under one slider; a click shows them at 100 %.</p>
    <label><input type=checkbox id=failed> <span>only what failed</span></label><table><thead><tbody></table>
    <script type="application/json" id="data">DATA</script><script nonce="NONCE">
      const french = {"When each image waited, and was worked on": "Quand chaque image a attendu, puis a été traitée",
        "Open one to see original and copy under one slider; a click shows them at 100 %.":
        "Ouvrez-en une pour voir l'original et la copie sous un même curseur ; un clic les montre à 100 %.",
        "the image waits": "l'image attend", "a thread works": "un thread travaille", "The images": "Les images",
        "only what failed": "seulement les échecs", "rows, one for each image": "lignes, une par image", from: "de",
        "its copy is up to date": "sa copie est à jour", "it would not get smaller": "elle ne serait pas plus petite",
        "not there any more": "n'est plus là", copy: "copie", before: "avant", after: "après", ratio: "taux",
        time: "temps", outcome: "résultat", compressed: "compressée", kept: "gardée", skipped: "sautée",
        failed: "en échec", "virtual threads": "threads virtuels", "platform threads": "threads de plateforme",
        sequential: "séquentiel", "median of": "médiane de", "speed-up": "accélération", "in quality": "en qualité",
        lossless: "sans perte", cores: "cœurs", core: "cœur", "at most": "au plus", "in work at once": "à la fois",
        waited: "a attendu", worked: "a travaillé", B: "o", kB: "ko", MB: "Mo", GB: "Go"};
      const phrases = new RegExp(`\\\\b(${Object.keys(french).join("|")})(?!\\\\w)`, "g");
      const say = text => !navigator.language.startsWith("fr") ? text : text.replace(phrases, words => french[words])
          .replace(/(\\d)\\.(\\d)/g, "$1,$2").replace(/(\\d\\d|[2-9]) (\\S+ée)/g, "$1 $2s"); // 0,5 and 2 gardées
      const find = selector => document.querySelector(selector), tip = find("#tip"), failed = find("#failed");
      const make = (tag, set, ...inside) => { // texts become texts, whatever is in them; a name is set as textContent
        const element = Object.assign(document.createElement(tag), set);
        return element.append(...inside.map(part => part.at ? say(part) : part)), element;
      };
      const [title, source, command, tiles, axis, runs, rows] = JSON.parse(find("#data").textContent);
      document.documentElement.lang = say("kept") === "kept" ? "en" : "fr";
      document.querySelectorAll("h2, #hint, span").forEach(it => it.textContent = say(it.textContent));
      document.title = find("h1").textContent = say(title + " from ") + source;
      find("#command").textContent = "jbang Compress.java " + command;
      find("thead").append(make("tr", {}, ...["image", "before", "after", "ratio", "time", "outcome"].map(text =>
          make("th", {}, make("button", {}, text)))));
      find(".tiles").append(...tiles.map(([value, meaning]) => make("div", {}, make("b", {}, value), meaning)));
      const name = i => make("bdi", {textContent: rows[i][0]});
      const images = rows.map(([, there, original, copy, outcome, before, after, size, smaller, ms, remarks], i) => {
        const word = outcome.toLowerCase(), ratio = before && after / before;
        const why = {SKIPPED: say("its copy is up to date"), KEPT: say("it would not get smaller")}[outcome];
        const onclick = ({currentTarget: it}) => close() === it
            || (it.ariaExpanded = true, it.closest("tr").after(pair([original, copy])));
        const cells = [...before ? [size, smaller, ratio.toFixed(3), ms + " ms"] : "––––", word];
        return make("tr", {className: outcome, what: before ? size + " → " + smaller : word,
            keys: [rows[i][0], before, after, ratio, ms, "FKSC".indexOf(outcome[0])]},
            make("td", {}, there ? make("button", {ariaExpanded: false, onclick}, name(i)) : name(i),
                ...(why ? [why] : remarks).map(textContent => make("small", {textContent}))),
            ...cells.map(text => make("td", {}, text)));
      }), sorted = [...images];
      const step = [1, 2, 5, 10].map(n => n * 10 ** Math.floor(Math.log10(axis / 6))).find(step => axis / step <= 6);
      const ticks = [...Array(1 + axis / step | 0).keys()].map(i => i * step); // seconds, round ones
      for (const [mode, seconds, times] of runs) {
        const n = times.length, few = n <= 24, path = draw => times.map(draw).join("");
        const plot = make("div", {className: "plot", onmouseleave: () => tip.replaceChildren(), innerHTML: `
          <svg viewBox="0 0 ${axis} ${n}" preserveAspectRatio="none" stroke-width="${Math.max(.75, n / 100)}">
          <path class="wait" d="${path(([, from], i) => `M0 ${i + .5}H${from}`)}"/>
          <path class="grid" d="${ticks.map(tick => `M${tick} 0V${n}`).join("")}"/><path class="work" d="${
            path(([, from, to], i) => `M${from} ${i + .5}H${Math.max(to, from + axis / 600)}`)}"/></svg>`}); // numbers
        plot.onpointermove = plot.onpointerdown = ({clientX, clientY}) => {
          const box = plot.getBoundingClientRect(), i = Math.min(n - 1, (clientY - box.top) / box.height * n | 0);
          const [thread, from, to] = times[i], text = seconds => Math.round(seconds * 1e3) + " ms";
          tip.replaceChildren(name(i), say(` · ${images[i].what} · waited ${text(from)} · `), thread,
              say(` worked ${text(to - from)}`));
          tip.style = `left: ${Math.min(clientX, innerWidth - tip.offsetWidth)}px; bottom: ${innerHeight - clientY}px`;
        };
        const labels = make("div", {className: "labels"}, ...few ? times.map(([thread], i) =>
            make("div", {}, make("i", {}, thread), " ", name(i))) : [n + " rows, one for each image"]);
        const chart = make("div", {className: "chart", style: `--row: ${few ? 1.8 : 26}rem`}, labels, plot);
        find("section").append(make("h3", {}, mode, make("span", {}, seconds.toFixed(3) + " s"), ...runs.length > 1
            ? [make("span", {}, "speed-up ", make("b", {}, (runs[0][1] / seconds).toFixed(2)))] : []), chart);
      }
      find(".chart:last-child").append(make("div", {className: "axis"}, ...ticks.map(tick =>
          make("i", {style: `left: min(${tick * 100 / axis}%, 100% - 1.5em)`}, +tick.toPrecision(2) + " s"))));
      const close = (open = find("[aria-expanded=true]")) => // one image at most is open
          (find(".pair")?.remove(), open?.setAttribute("aria-expanded", false), open);
      addEventListener("keydown", ({key}) => key === "Escape" && close()?.focus());
      const body = find("tbody"), wanted = row => !failed.checked || row.className === "FAILED";
      const more = () => body.append(...sorted.filter(row => !row.isConnected && wanted(row)).slice(0, 100));
      const show = failed.onchange = () => (close(), body.replaceChildren(), more());
      show(), failed.parentNode.hidden = images.every(row => row.className !== "FAILED");
      onscroll = () => (tip.replaceChildren(), body.getBoundingClientRect().bottom < 2 * innerHeight && more());
      find("thead").onclick = ({target}) => {
        const th = target.closest("th"), i = th.cellIndex, up = th.ariaSort === "ascending" ? -1 : 1;
        find("[aria-sort]")?.removeAttribute("aria-sort"), th.ariaSort = up > 0 ? "ascending" : "descending";
        sorted.sort(({keys: a}, {keys: b}) => up * (a[i].localeCompare?.(b[i]) ?? a[i] - b[i])), show();
      };
      const pair = pictures => { // the copy to the right of the slider's thumb; fits the window, or at 100 %
        const stage = make("div", {className: "stage"}), view = make("div", {className: "view"}, stage);
        const slider = make("input", {type: "range", step: "any", ariaLabel: "original, " + say("copy")});
        const place = slider.oninput = view.onscroll = () => stage.style.setProperty("--cut",
            view.scrollLeft - stage.offsetLeft + slider.value / 100 * view.clientWidth + "px");
        new ResizeObserver(() => (place(), view.closest("td").scrollIntoView({block: "nearest"}))).observe(stage);
        const zoom = ({clientX = innerWidth / 2, clientY = innerHeight / 2}) => { // this point goes to the middle
          const {left, top, width} = stage.getBoundingClientRect();
          view.classList.toggle("full");
          const by = stage.clientWidth / width;
          view.scrollTo((clientX - left) * by - view.clientWidth / 2, (clientY - top) * by - view.clientHeight / 2);
        };
        let moved = 0; // pixels: a drag is no click
        view.onpointerdown = () => moved = 0;
        view.onpointermove = ({buttons, movementX: right, movementY: down}) =>
            buttons && (moved += Math.abs(right) + Math.abs(down), view.scrollBy(-right, -down));
        view.onclick = event => moved < 5 && zoom(event);
        stage.append(...pictures.map(src => make("img", {src, draggable: false, onload() {
          stage.style.setProperty("--width", this.naturalWidth / devicePixelRatio + "px");
        }, onerror: () => view.replaceChildren(say("not there any more"), ": " + src)})));
        return make("tr", {className: "pair"}, make("td", {colSpan: 6}, make("div", {className: "frame"}, view, slider),
            make("div", {className: "under"}, "original", make("button", {onclick: () => zoom({})}, "100 %"), "copy")));
      };
    </script></body></html>
    """;
}

/** Words and numbers for people, the same in every country. */
final class Text {
  static final String UNMAPPABLE = "unmappable characters"; // in Java's message, where the locale is C
  static final String NO_LETTERS = "the locale lacks letters of a name; try LC_ALL=C.UTF-8 jbang Compress.java";
  static String format(String text, Object... values) { return String.format(Locale.ROOT, text, values); }
  /** A text in which file names cannot begin new lines or command the terminal. */
  static String printable(String text) { return text.replaceAll("\\p{IsControl}", "?"); }
  /** The line, cut at the edge of the terminal: automatic wrap (DECAWM) is off, and what ran into the edge deleted. */
  static String cut(String line) { return "\u001b[?7l" + line + "\u001b[K\u001b[?7h"; }

  /** The text with plain signs for blocks, where the stream's charset lacks those. */
  static String shown(PrintStream out, String text) {
    return out.charset().newEncoder().canEncode('█') ? text : text.replace('█', '#').replace('░', '.');
  }

  static String count(int number, String thing) { return number + " " + thing + (number == 1 ? "" : "s"); }
  static String cores() { return count(Runtime.getRuntime().availableProcessors(), "core"); }
  static String ratio(long before, long after) { return before == 0 ? "none" : format("%.3f", 1.0 * after / before); }
  /** A size in bytes, decimal units: 512 B, 12.8 kB, 3.21 MB, 1.20 GB; in the unit of a larger size. */
  static String size(long bytes) { return size(bytes, bytes); }
  static String size(long bytes, long larger) {
    return larger < 1_000 ? bytes + " B" : larger < 1_000_000 ? format("%.1f kB", bytes / 1e3)
        : larger < 1_000_000_000 ? format("%.2f MB", bytes / 1e6) : format("%.2f GB", bytes / 1e9);
  }

  static String sizes(long before, long after) { return size(before).split(" ")[0] + " -> " + size(after, before); }

  static String reason(Throwable problem) {
    return switch (problem) {
      case NoSuchFileException e -> "no such file: " + e.getFile();
      case FileAlreadyExistsException e -> "there is a file where a folder should be: " + e.getFile();
      case AccessDeniedException e -> "permission denied: " + e.getFile();
      case FileSystemException e when e.getReason() != null -> e.getReason() + ": " + e.getFile();
      case IOException e when e.getMessage() != null -> e.getMessage();
      case DirectoryIteratorException e -> reason(e.getCause());
      case InvalidPathException e when e.getMessage().contains(UNMAPPABLE) -> NO_LETTERS;
      case OutOfMemoryError e when String.valueOf(e.getMessage()).contains("native thread") ->
          "the system refuses so many threads; --mode=virtual needs the fewest";
      case OutOfMemoryError e -> "not enough memory: give Java more, as in jbang -R-Xmx2g Compress.java";
      default -> problem.toString();
    };
  }
}

// Files ---------------------------------------------------------------------------------------------------------------
// Which images there are and where their copies go; a copy is whole or not there, and replaces nothing but itself.

// An image, where its copy goes, and why it cannot be compressed, or null. There is one for each: it holds no more.
record ImageFile(Path image, Source source, String problem) {
  private static final int CLOCK_TICK = 50; // milliseconds; file systems note times that are up to a few old,
  private static final int LONG_TICK = 2_100; // or whole seconds (ext3, HFS+), even ones alone (FAT)
  private static final int CHUNK = 1 << 16; // bytes; Java passes each on in a buffer of its size outside the heap
  private static final int MOST = Integer.MAX_VALUE - 8; // bytes that an array holds
  private static final String ANOTHER =
      "its copy would replace that of another image (or of this one, of another EXIF date: delete that, if so)";
  private static final Map<Path, Path> PLANNED = new ConcurrentHashMap<>(); // the places that a dry run has given away

  /** An image as it was read: its bytes, when it was changed last, and who may read it. */
  record State(byte[] bytes, BasicFileAttributes attributes) {}
  String name() { return (ImageFiles.isEmpty(source.place(image)) ? image : source.place(image)).toString(); }
  Path copy() { return source.destination().resolve(source.place(image)); }
  Path folder() { return copy().toAbsolutePath().getParent(); }

  /** What the log calls the folder of the copy: its path from DESTINATION on, by its name. */
  String folderName() {
    return source.destination().toAbsolutePath().resolve("..").normalize().relativize(folder().normalize()).toString();
  }

  /** What tells the image from others: its path, relative to the source if it is in there. A URI: it has all bytes. */
  private String identity() {
    return source.root().toUri().relativize(image.toAbsolutePath().normalize().toUri()).toString();
  }

  private Provenance provenance(String options, long identity, BasicFileAttributes attributes) {
    int state = (int) Provenance.hash(identity() + "\n" + attributes.lastModifiedTime().toMillis());
    return new Provenance(options, attributes.size(), identity, state);
  }

  /** Whether the copy was made of the image as it is, with these settings, and has its time, as rsync has it. */
  boolean isUpToDate(Recompressor.Settings settings) throws IOException {
    boolean there = problem == null && Files.isRegularFile(copy(), LinkOption.NOFOLLOW_LINKS);
    Provenance found = there ? Provenance.of(copy(), false) : null;
    if (found == null) { return false; }
    BasicFileAttributes now = attributes();
    long copied = Files.size(copy());
    long age = Files.getLastModifiedTime(copy()).toMillis() - now.lastModifiedTime().toMillis();
    return (copied == now.size() || copied < now.size() && !found.isAsIs()) && Math.abs(age) <= 2_000 // as FAT notes it
        && found.equals(provenance(found.isAsIs() ? Provenance.AS_IS : settings.letters(), found.identity(), now));
  }

  void writeCopy(Copy copy, State original, Compress options) throws IOException {
    byte[] bytes = copy.bytes();
    long identity = Provenance.hash(identity() + "\n" + copy.taken());
    Provenance made = provenance(options.settings().letters(), identity, original.attributes());
    write(made, original.attributes(), options, copy.kept() ? image : null, part -> {
      byte[] attribute = made.sign(copy);
      for (int written = 0; written < bytes.length; ) {
        written += part.write(ByteBuffer.wrap(bytes, written, Math.min(CHUNK, bytes.length - written)));
      }
      return attribute;
    });
  }

  /** Copies the file byte for byte. The next run with --update may be to compress it again all the same. */
  void copyAsIs(Compress options, boolean again) throws IOException {
    if (ImageFiles.isSame(image, copy()) && ImageFiles.isWithin(copy(), source.destination())) { return; } // linked
    BasicFileAttributes now = attributes();
    Provenance made = provenance(Provenance.AS_IS + (again ? "-again" : ""), Provenance.hash(identity()), now);
    write(made, now, options, image, part -> {
      CRC32 checksum = new CRC32();
      long copied = Files.copy(image, new CheckedOutputStream(Channels.newOutputStream(part), checksum));
      check(copied == now.size() && Files.getLastModifiedTime(image).equals(now.lastModifiedTime()),
          "it changes while it is copied");
      return made.text(checksum.getValue());
    });
  }

  /** Writes what was made of the image. A file that will be equal to it stands for the part before there is one. */
  private void write(Provenance made, BasicFileAttributes original, Compress options, Path equal,
      WholeFile.Action<FileChannel, byte[]> content) throws IOException {
    refuse();
    if (Files.exists(copy(), LinkOption.NOFOLLOW_LINKS) && !replaces(equal, made, options.overwrite)) { return; }
    if (options.dryRun) { // the next to have this place would find a copy there
      Path first = PLANNED.putIfAbsent(ImageFiles.real(folder()).resolve(copy().getFileName()), image);
      check(first == null || first.equals(image), ANOTHER);
    } else {
      CompressOneImage.createFolder(folder());
      WholeFile.write(copy(), original, content, part -> replaces(part, made, options.overwrite));
    }
  }

  // Whether the part is to replace the file that stands where the copy goes; false: that is equal, and stays. No path
  // is compared: links, mounts, disks without capitals are one case. Of two images with one place, the first done wins.
  private boolean replaces(Path part, Provenance made, boolean overwrite) throws IOException {
    BasicFileAttributes there = Files.readAttributes(copy(), BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    check(!there.isDirectory(), "there is a folder where its copy should be");
    check(!there.isOther(), "there is no file where its copy should be");
    boolean file = there.isRegularFile(); // or a link
    Provenance found = file ? Provenance.of(copy(), true) : null;
    boolean asIs = found != null && found.isAsIs();
    boolean ours = found != null && found.identity() == (asIs ? Provenance.hash(identity()) : made.identity());
    // A copy is smaller than its image or, if that is no copy itself, as large. So none replaces what it was made of.
    if (file && there.size() == 0 || ours && (made.isAsIs() ? asIs : there.size() < made.size()
        || there.size() == made.size() && Provenance.of(image, false) == null)) {
      return true; // a power cut can leave files with nothing in them
    }
    if (file && part != null && Files.mismatch(part, copy()) < 0) { return false; }
    check(!made.isAsIs(), "there is a file that Compress did not copy");
    check(ours || found == null, ANOTHER);
    check(!file || Files.mismatch(image, copy()) >= 0,
        "there is the image itself, or a file equal to it (delete that, if so)");
    Provenance own = Provenance.of(image, false);
    // Of a copy's copy only the last original's size is known; the first was larger.
    boolean mayBeOwn = own != null
        && (there.size() == own.size() || there.size() > own.size() && Provenance.of(image, true) != null);
    check(!mayBeOwn, "there may be what this image, a copy itself, was made of (exchange the two folders)");
    check(overwrite, "there is a file that Compress did not make (--overwrite replaces it)");
    for (Path of : source.all()) { check(!ImageFiles.isWithin(copy(), of), "there is a file of SOURCE"); }
    return true;
  }

  private void refuse() throws IOException {
    if (problem != null) { throw new JpegException(problem); }
    check(!ImageFiles.isSame(image, copy()), "its copy would replace the image itself");
  }

  private void check(boolean condition, String message) throws JpegException {
    if (!condition) { throw new JpegException(message + ": " + copy()); }
  }

  /** Reads what stands in front of the picture; throws whatever makes a copy impossible. */
  JpegHeader readHeader() throws IOException {
    refuse();
    if (Files.exists(image) && !Files.isRegularFile(image)) {
      throw new JpegException(Files.isDirectory(image) ? "a folder" : "not a file that can be read twice");
    }
    if (Files.size(image) > MOST) { throw new JpegException("too large: at most 2 GB"); }
    // The header is at the start; but it may hold a preview and a maker's notes, each of megabytes.
    for (int length = 1 << 16; ; length *= 8) {
      int least = (int) Math.min(length, Files.size(image));
      try (Memory share = Memory.reserve(3L * least)) { // a profile in it is copied
        return new JpegHeader(read(least), Files.size(image));
      } catch (JpegException e) {
        if (!e.getMessage().equals(JpegException.CUT_SHORT) || least < length || length >= 1 << 28) { throw e; }
      }
    }
  }

  /** Reads the image; a JpegException if 20 attempts find it changing. */
  State read() throws IOException, InterruptedException {
    for (int attempt = 0; attempt < 20; attempt++) {
      BasicFileAttributes now = attributes();
      long modified = now.lastModifiedTime().toMillis();
      long age = System.currentTimeMillis() - modified;
      int tick = modified % 1_000 == 0 ? LONG_TICK : CLOCK_TICK;
      if (age >= 0 && age < tick) { Thread.sleep(tick - age); } // two changes within one tick have the same time
      byte[] bytes = read((int) Math.min(now.size(), MOST));
      if (bytes.length == Files.size(image) && Files.getLastModifiedTime(image).equals(now.lastModifiedTime())) {
        return new State(bytes, now);
      }
    }
    throw new JpegException("it changes while it is read");
  }

  private BasicFileAttributes attributes() throws IOException {
    PosixFileAttributeView posix = Files.getFileAttributeView(image, PosixFileAttributeView.class);
    return posix != null ? posix.readAttributes() : Files.readAttributes(image, BasicFileAttributes.class);
  }

  private byte[] read(int length) throws IOException {
    byte[] bytes = new byte[length];
    int size = 0;
    try (InputStream in = Files.newInputStream(image)) {
      for (int n = CHUNK; n == CHUNK; size += n) { n = in.readNBytes(bytes, size, Math.min(CHUNK, length - size)); }
    }
    return size == length ? bytes : Arrays.copyOf(bytes, size);
  }
}

// Where images are found, and where their copies go, with the tree of the root, a folder, absolute and without "..".
record Source(Path root, Path destination, List<Path> all) {
  // Where the copy of an image belongs below the destination. What lies in the source folder keeps its place there. Of
  // any other path the root and every ".." are left out, as tar does it: no list leads out of the destination.
  Path place(Path image) {
    Path full = image.toAbsolutePath().normalize();
    Path place = full.startsWith(root) ? root.relativize(full) : image.getFileSystem().getPath("");
    if (ImageFiles.isEmpty(place)) {
      for (Path part : image.normalize()) { place = part.toString().equals("..") ? place : place.resolve(part); }
    }
    return place;
  }
}

/** Finds the images to compress, and what else there is. */
final class ImageFiles {
  static final Log LOG = new Log(ProcessImages.class);
  final List<ImageFile> images = new ArrayList<>(); // by name; a list's in its own order
  private final List<ImageFile> rest = new ArrayList<>(); // other files
  private final Set<Path> roots = new HashSet<>(); // of the sources
  private final Set<Path> open = new HashSet<>(); // the folders that are being read
  private final Map<Path, Path> byPlace = new HashMap<>(); // where two may have one
  boolean complete = true; // every folder could be read

  /** Finds the images that the command asks for; what cannot end well is wrong usage. */
  static ImageFiles find(Compress options) throws IOException {
    List<Path> all = Stream.concat(Stream.of(options.source), options.further.stream()).toList();
    Path destination = options.destination;
    boolean listed = options.filesFrom != null;
    options.require(!listed || all.size() == 1, "--files-from: there can be only one SOURCE");
    options.require(!Files.exists(destination, LinkOption.NOFOLLOW_LINKS) // first: another run may just be creating it
        || Files.isDirectory(destination), "DESTINATION is not a folder: " + destination);
    ImageFiles files = new ImageFiles();
    for (Path named : all) {
      options.require(!isEmpty(named) && !isEmpty(destination), "SOURCE or DESTINATION is empty; . is this folder");
      options.require(listed && named.toString().equals("IMAGES") // or nobody named it
          || Files.exists(named, LinkOption.NOFOLLOW_LINKS), "SOURCE is not there: " + named);
      Path root = listed || Files.isDirectory(named) ? named : named.toAbsolutePath().getParent();
      options.require(!isSame(root, destination), "DESTINATION is SOURCE: the originals would be replaced");
      options.require(!options.recursive || !isWithin(root, destination),
          "with --recursive SOURCE may not be inside DESTINATION");
      Source source = new Source(root.toAbsolutePath().normalize(), destination, all);
      files.roots.add(source.root());
      if (listed) {
        files.readList(options, source);
      } else {
        files.scan(named, source, true, options.recursive);
      }
    }
    if (!listed) { files.images.sort(Comparator.comparing(ImageFile::image)); }
    if (!options.dryRun) { files.clearLeftovers(); }
    return files;
  }

  /** What is left when the images are done: the rest is copied, and told, and so are copies without an image. */
  void finish(Compress options, List<Result> results) {
    List<Result> failed = results.stream().filter(result -> options.copyRest
        && result.outcome() == Outcome.FAILED && result.file().problem() == null).toList();
    failed.forEach(result -> rest.add(result.file()));
    Set<ImageFile> again = failed.stream().filter(result -> result.remarks().getFirst().contains("memory"))
        .map(Result::file).collect(Collectors.toSet()); // with more memory they may be done
    List<ImageFile> told = options.copyRest ? new ArrayList<>() : rest; // those copied now, or all
    for (ImageFile file : options.copyRest ? rest : List.<ImageFile>of()) {
      try {
        if (options.update && file.isUpToDate(options.settings())) { continue; }
        file.copyAsIs(options, again.contains(file));
        told.add(file);
      } catch (IOException e) {
        LOG.error("%s was not copied: %s", file.name(), Text.reason(e));
        complete = false;
      }
    }
    if (!told.isEmpty()) {
      String endings = told.stream().map(file -> file.image().getFileName().toString())
          .map(name -> name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT))
          .distinct().sorted().collect(Collectors.joining(", "));
      String verb = options.copyRest && options.dryRun ? " would be" : told.size() == 1 ? " was" : " were";
      String what = Text.count(told.size(), "other file") + " (" + Text.printable(endings) + ")";
      System.out.println(what + verb + (options.copyRest ? " copied" : " left alone"));
    }
    if (options.update && options.filesFrom == null && Files.exists(options.destination)) { printOrphans(options); }
  }

  /** Says how many copies have no image any more: it was renamed or deleted. */
  private void printOrphans(Compress options) {
    try (Stream<Path> files = Files.find(options.destination, options.recursive ? Integer.MAX_VALUE : 1,
        (file, attributes) -> attributes.isRegularFile() && !isHidden(file))) {
      List<String> orphans = files.map(options.destination::relativize)
          .filter(place -> roots.stream().noneMatch(in -> Files.exists(in.resolve(place), LinkOption.NOFOLLOW_LINKS))
              && WholeFile.ifSupported(() -> Provenance.of(options.destination.resolve(place), false)) != null)
          .map(place -> "\n  " + Text.printable(place.toString())).toList();
      if (!orphans.isEmpty()) {
        System.out.println(orphans.size() + (orphans.size() == 1 ? " copy has" : " copies have") + " no image in "
            + options.sources() + " any more" + (options.dryRun ? String.join("", orphans) : ""));
      }
    } catch (IOException | UncheckedIOException e) {
      LOG.warn("copies without an image were not counted: %s", Text.reason(e));
    }
  }

  /** Adds a file, or what is in a folder: no hidden files, and no copies. */
  private void scan(Path path, Source source, boolean named, boolean recursive) {
    try {
      // A link that leads nowhere counts as a file: the user has lost an image.
      if (Files.isRegularFile(path) || !Files.exists(path) && Files.readAttributes(path, BasicFileAttributes.class,
          LinkOption.NOFOLLOW_LINKS).isSymbolicLink()) {
        add(path, source, path.toString().matches("(?is).*\\.jpe?g") ? images : rest, source.all().size() > 1);
      } else if (Files.isDirectory(path) && (named || recursive && !isWithin(path, source.destination()))) {
        Path folder = path.toRealPath();
        if (!open.add(folder)) {
          LOG.warn("%s leads back to a folder that it is in: not followed", path);
          return;
        }
        try (DirectoryStream<Path> within = Files.newDirectoryStream(path, file -> !isHidden(file))) {
          for (Path file : within) { scan(file, source, false, recursive); }
        } finally {
          open.remove(folder);
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      LOG.error("%s cannot be read: %s", path, Text.reason(e));
      complete = false;
    }
  }

  /** Adds a file; if two may have one place, the second to have it fails. */
  private void add(Path file, Source source, List<ImageFile> files, boolean mayMeet) throws IOException {
    boolean isFolder = isEmpty(source.place(file));
    Path before = mayMeet && !isFolder ? byPlace.putIfAbsent(source.place(file), file) : null;
    if (before == null || !before.equals(file) && !isSame(before, file)) {
      String problem = isFolder ? "a folder" : before == null ? null : "its copy would replace that of " + before;
      files.add(new ImageFile(file, source, problem));
    }
  }

  private void readList(Compress options, Source source) throws IOException {
    FileSystem system = source.destination().getFileSystem();
    Path list = options.filesFrom.equals("-") ? null : system.getPath(options.filesFrom);
    options.require(list == null || !Files.isDirectory(list) && Files.isReadable(list),
        "--files-from: cannot read " + list);
    try (BufferedReader lines = new BufferedReader(new InputStreamReader( // a character for each byte
        list == null ? System.in : Files.newInputStream(list), ISO_8859_1))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        line = line.replaceFirst("^\u00EF\u00BB\u00BF", ""); // a byte order mark, as some editors write it
        if (line.isBlank()) { continue; }
        try {
          add(path(line, system), source, images, true);
        } catch (IllegalArgumentException e) {
          String shown = line.substring(0, Math.min(100, line.length())).replaceAll("[^ -~]|[<>:\"|?*]", "_");
          images.add(new ImageFile(system.getPath(shown), source, "not a file name on this system"));
        }
      }
    }
  }

  /** The path of these bytes, each given as a character. Only from a URI does Java make it whatever the locale is. */
  private static Path path(String bytes, FileSystem system) {
    if (bytes.length() > 1 << 16) { throw new InvalidPathException("", "too long"); } // for every system
    if (system != FileSystems.getDefault() || !system.getSeparator().equals("/")) {
      return system.getPath(new String(bytes.getBytes(ISO_8859_1), UTF_8));
    }
    String uri = "%2F" + URLEncoder.encode(bytes, ISO_8859_1).replace("+", "%20");
    Path path = Path.of(URI.create("file://" + uri.replaceAll("(%2F)+", "/")));
    return bytes.startsWith("/") ? path : path.subpath(0, path.getNameCount());
  }

  /** Whether a path has no name in it: it is then the folder that it is resolved against. */
  static boolean isEmpty(Path path) { return path.toString().isEmpty(); }

  static boolean isSame(Path a, Path b) throws IOException {
    return Files.exists(a) && Files.exists(b) && Files.isSameFile(a, b);
  }

  static boolean isWithin(Path a, Path b) throws IOException {
    return Files.exists(a) && Files.exists(b) && a.toRealPath().startsWith(b.toRealPath());
  }

  /** The folder without links in as much of its path as is there. */
  static Path real(Path folder) {
    Path real = WholeFile.ifSupported(folder::toRealPath);
    Path parent = folder.getParent();
    return real != null ? real : parent == null ? folder : real(parent).resolve(folder.getFileName());
  }

  private static boolean isHidden(Path path) { return String.valueOf(path.getFileName()).startsWith("."); }

  /** Deletes what killed runs left in the folders of the copies; but nothing where images are. */
  private void clearLeftovers() {
    List<ImageFile> files = Stream.concat(images.stream(), rest.stream()).filter(f -> f.problem() == null).toList();
    Set<Path> ofImages = files.stream().map(file -> file.image().toAbsolutePath().getParent()).distinct()
        .map(ImageFiles::real).collect(Collectors.toSet());
    files.stream().map(ImageFile::folder).distinct().map(ImageFiles::real).distinct()
        .filter(folder -> !ofImages.contains(folder) && Files.exists(folder)).forEach(WholeFile::clearLeftovers);
  }
}

// What a copy says of itself, in an APP9 segment (galleries show comments) behind JFIF or EXIF: that Compress made it,
// with which options, of how many bytes; then hashes of the image's identity (its place, and when it was taken: two
// cameras have an IMG_0001.jpg), of its state (its place, and when it was changed), and of the copy, as editors keep
// segments. Only what is as it was written is replaced. A kept copy, the original, says it in an extended attribute.
record Provenance(String options, long size, long identity, int state) {
  static final Pattern TEXT = Pattern.compile("Compress.(\\S+) +(\\d{1,19}) (\\p{XDigit}{16}) (\\p{XDigit}{8}) (.{8})");
  static final String ATTRIBUTE = "user:compress";
  static final String AS_IS = "copied"; // in place of options: with none of them
  boolean isAsIs() { return options.startsWith(AS_IS); }

  static long hash(String text) { // FNV-1a, 64 bits
    long hash = 0xcbf29ce484222325L;
    for (byte b : text.getBytes(UTF_8)) { hash = (hash ^ b & 0xFF) * 0x100000001b3L; }
    return hash ^ hash >>> 32;
  }

  /** Its text, equally long for all sizes: a copy that is compressed again does not get smaller by it. */
  byte[] text(long checksum) {
    return Text.format("Compress\0%s %10d %016x %08x %08x", options, size, identity, state, checksum)
        .getBytes(ISO_8859_1);
  }

  /** A copy's segments with room for its provenance, which {@link #sign} fills in when the copy is complete. */
  static byte[] into(byte[] segments, Recompressor.Settings settings, long size) {
    byte[] text = new Provenance(settings.letters(), size, 0, 0).text(0);
    int at = start(segments, 0) - 4;
    return ByteBuffer.allocate(segments.length + text.length + 4).put(segments, 0, at).putShort((short) 0xFFE9)
        .putShort((short) (text.length + 2)).put(text).put(segments, at, segments.length - at).array();
  }

  /** Where the text starts if segments do here: behind JFIF or EXIF, which are to be first, a marker and a length. */
  private static int start(byte[] jpeg, int at) {
    boolean behind = jpeg.length > at + 3 && (jpeg[at + 1] & 0xFE) == Marker.APP0;
    return at + 4 + (behind ? 2 + ((jpeg[at + 2] & 0xFF) << 8 | jpeg[at + 3] & 0xFF) : 0);
  }

  /** Fills in the text in a copy that is complete but for it; for a kept one, returns it: it becomes an attribute. */
  byte[] sign(Copy copy) {
    byte[] text = text(0); // the checksum is that of the copy with zeros in its own place
    ByteBuffer place = copy.kept() ? ByteBuffer.wrap(text)
        : ByteBuffer.wrap(copy.bytes(), start(copy.bytes(), 2), text.length).slice().put(0, text);
    CRC32 checksum = new CRC32();
    checksum.update(copy.bytes());
    place.put(0, text(checksum.getValue()));
    return copy.kept() ? text : null;
  }

  /** What a file says of itself, or null. If it is to be as it was written, and any byte is not, that is null, too. */
  static Provenance of(Path file, boolean asWritten) throws IOException {
    byte[] attribute = (byte[]) WholeFile.ifSupported(() -> Files.getAttribute(file, ATTRIBUTE)); // null: none
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file))) {
      return of(in, attribute, asWritten);
    }
  }

  static Provenance of(InputStream in, byte[] attribute, boolean asWritten) throws IOException {
    byte[] head = in.readNBytes(6);
    int start = start(head, 2);
    head = Arrays.copyOf(head, start + 100); // no more, for --update reads it of every copy
    head = Arrays.copyOf(head, 6 + in.readNBytes(head, 6, start + 94));
    Matcher text = TEXT.matcher(new String(attribute == null ? head : attribute, ISO_8859_1));
    text.region(attribute == null ? Math.min(start, head.length) : 0, text.regionEnd());
    if (!text.lookingAt()) { return null; }
    if (attribute == null) { Arrays.fill(head, text.start(5), text.end(5), (byte) '0'); }
    CRC32 checksum = new CRC32();
    for (int n = head.length; asWritten && n > 0; n = in.read(head)) { checksum.update(head, 0, n); }
    return asWritten && !text.group(5).equals(Text.format("%08x", checksum.getValue())) ? null
        : new Provenance(text.group(1), Long.parseLong(text.group(2)), Long.parseUnsignedLong(text.group(3), 16),
            Integer.parseUnsignedInt(text.group(4), 16));
  }
}

/** Writes files whole or not at all: beside their final name first, and then renamed in one step. */
final class WholeFile {
  private static final Pattern PART = Pattern.compile("\\.compress-[0-9a-f]{16}\\.part");
  private static final FileAttribute<?>[] CLOSED =
      {PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))};
  private static final long LAST_BYTE = Long.MAX_VALUE - 1; // the one that is locked: on Windows nobody can read that
  private static Path part(Path of, long id) { return of.resolveSibling(Text.format(".compress-%016x.part", id)); }
  private static FileLock lock(FileChannel part) { return ifSupported(() -> part.lock(LAST_BYTE, 1, false)); }

  interface Action<P, R> { R on(P part) throws IOException; }

  /** What a step returns, if the file system can take it; else null. */
  static <T> T ifSupported(Callable<T> step) {
    try {
      return step.call();
    } catch (Exception e) {
      return null;
    }
  }

  /** Writes a file with the time and the access of its original; where there is one, only if the part replaces it. */
  static void write(Path file, BasicFileAttributes original, Action<FileChannel, byte[]> content,
      Action<Path, Boolean> replaces) throws IOException {
    for (int attempt = 1; ; attempt++) {
      Path part = part(file, ThreadLocalRandom.current().nextLong());
      try (FileChannel channel = FileChannel.open(part, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
          original instanceof PosixFileAttributes ? CLOSED : new FileAttribute<?>[0])) {
        FileLock lock = lock(channel); // until the process ends, however
        if (original instanceof PosixFileAttributes access) { setAccess(part, access); } // while it is empty
        byte[] attribute = content.on(channel);
        if (attribute != null) { ifSupported(() -> Files.setAttribute(part, Provenance.ATTRIBUTE, attribute)); }
        ifSupported(() -> Files.setLastModifiedTime(part, original.lastModifiedTime())); // if not, it is done again
        ifSupported(() -> {
          lock.release(); // Java does not know that it is gone: these steps open the part and close it
          return lock(channel);
        });
        if (!Files.exists(part)) { throw new NoSuchFileException("" + part); }
        rename(part, file, replaces);
        return;
      } catch (NoSuchFileException e) { // another run took the part for a leftover: locks are not shared everywhere
        if (attempt == 100 || !Files.isDirectory(file.toAbsolutePath().getParent())) { throw e; }
      } finally {
        Files.deleteIfExists(part); // it is there if a step failed, as on a full disk
      }
    }
  }

  // Gives the part its final name. A link never replaces what another process has put there meanwhile. Looking at what
  // is there and moving do: that is for one thread at a time, and for the process that has locked a file for this name.
  private static synchronized void rename(Path part, Path file, Action<Path, Boolean> replaces) throws IOException {
    Path turn = part(file, Provenance.hash(file.getFileName().toString().toUpperCase(Locale.ROOT))); // as exFAT has it
    for (boolean done = ifSupported(() -> Files.createLink(file, part)) != null; !done; ) {
      try (FileChannel channel = FileChannel.open(turn, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
        lock(channel);
        long size = channel.truncate(0).write(ByteBuffer.allocate(ThreadLocalRandom.current().nextInt(1, 4096)));
        done = Objects.equals(size, ifSupported(() -> Files.size(turn))); // or it is another: this one was deleted
        if (done && (!Files.exists(file, LinkOption.NOFOLLOW_LINKS) || replaces.on(part))) {
          Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        }
        if (done) { ifSupported(() -> Files.deleteIfExists(turn)); }
      }
    }
  }

  /** Gives a part the group and the permissions of the original; if it may not have the group, none for its own. */
  private static void setAccess(Path part, PosixFileAttributes original) throws IOException {
    boolean grouped = original.group().equals(Files.getAttribute(part, "posix:group"))
        || ifSupported(() -> Files.setAttribute(part, "posix:group", original.group())) != null;
    String others = PosixFilePermissions.toString(original.permissions()).substring(3).replace('x', '-');
    String mode = "rw-" + (grouped ? others : "---" + others.substring(3));
    ifSupported(() -> Files.setPosixFilePermissions(part, PosixFilePermissions.fromString(mode)));
  }

  /** Deletes what killed runs left in a folder. What another run is writing just now is locked, and stays. */
  static void clearLeftovers(Path folder) {
    try (DirectoryStream<Path> parts = Files.newDirectoryStream(folder, path ->
        PART.matcher(path.getFileName().toString()).matches()
            && Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS))) { // a FIFO would have us wait
      for (Path part : parts) {
        try (FileChannel channel = FileChannel.open(part, StandardOpenOption.WRITE)) {
          if (channel.tryLock(LAST_BYTE, 1, false) != null) { Files.delete(part); }
        } catch (NoSuchFileException e) {
          continue; // the other run has finished it meanwhile
        } catch (IOException e) {
          ImageFiles.LOG.warn("%s, left by a run that was killed, stays: %s", part, Text.reason(e));
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      ImageFiles.LOG.warn("%s may hold leftovers of a run that was killed: %s", folder, Text.reason(e));
    }
  }
}

/** Shares the heap out, so that images in work at once fit in it. No deadlock: who has a share waits for no other. */
record Memory(int units) implements AutoCloseable {
  private static final int UNIT = 1 << 20; // bytes
  private static final double USABLE = 0.6; // of the heap: an array must fit in one generation of it, and garbage waits
  private static final int TOTAL = (int) (Runtime.getRuntime().maxMemory() * USABLE / UNIT);
  private static final Semaphore FREE = new Semaphore(TOTAL, true);

  /** Waits until this many bytes are free and takes them until it is closed. */
  static Memory reserve(long bytes) throws JpegException {
    long units = bytes / UNIT + 1;
    if (units > TOTAL) {
      long heap = (long) (units / USABLE / 0.95 / 64 + 1) * 64; // of -Xmx a twentieth is not there to use
      throw new JpegException(Text.format(
          "it needs %s of memory, more than there is; try jbang -R-Xmx%dm Compress.java", Text.size(bytes), heap));
    }
    FREE.acquireUninterruptibly((int) units);
    return new Memory((int) units);
  }

  @Override
  public void close() { FREE.release(units); }
}

// Recompressing -------------------------------------------------------------------------------------------------------
// From the bytes of an image to those of its copy: by its coefficients, or by its pixels as everybody else does.

/** A copy, or the original where that is kept; when it was taken; what the log adds; what of its look is left out. */
record Copy(byte[] bytes, boolean kept, String taken, String how, List<String> warnings) {}

/** Recompresses a JPEG, whose copy has these segments and, behind the picture, this gain map or null. */
record Recompressor(byte[] jpeg, JpegHeader header, byte[] metadata, GainMap map) {
  private static final double FULL = 0.9; // of the bytes of --max-size: that is good enough

  /** What shapes a copy: a quality as libjpeg has it, or LOSSLESS; its bytes at most, or 0; how many % it must save. */
  record Settings(int quality, Compress.Engine engine, boolean smallest, boolean keepMetadata, long maxSize,
      double threshold) {
    static final int LOSSLESS = 101;

    Settings lossless() { return new Settings(LOSSLESS, Compress.Engine.auto, false, keepMetadata, 0, 0); }

    /** In short, for the copy to remember: the quality, and a letter for each that is not as usual. */
    String letters() {
      return (isLossless() ? "lossless" : quality) + (byPixels() ? "p" : "") + (smallest ? "s" : "")
          + (keepMetadata ? "k" : "") + (maxSize > 0 ? "m" + maxSize : "") + (threshold > 0 ? "t" + threshold : "");
    }

    boolean byPixels() { return engine == Compress.Engine.pixels; }
    boolean isLossless() { return quality == LOSSLESS; }
    boolean isProgressive() { return smallest || isLossless(); } // as copies are
  }

  static Copy recompress(byte[] jpeg, Settings settings) throws IOException {
    JpegHeader header = JpegHeader.read(jpeg);
    Set<String> warnings = new LinkedHashSet<>();
    GainMap map = GainMap.find(jpeg, header, settings, warnings);
    boolean same = !settings.byPixels() || header.kind == JpegHeader.Kind.GREY; // colours
    byte[] metadata = Metadata.of(jpeg, header, same ? header.kind : JpegHeader.Kind.YCBCR, map,
        same || !header.isCmyk(), settings.keepMetadata);
    if (header.icc.broken()) { warnings.add("has a colour profile that cannot be used: left out of the copy"); }
    // What --smallest has once chosen for this quality it would choose from again, and lose a little more.
    Provenance own = settings.smallest ? Provenance.of(new ByteArrayInputStream(jpeg), null, true) : null;
    boolean again = own != null && own.options().equals(settings.letters());
    Recompressor parts = new Recompressor(jpeg, header, Provenance.into(metadata, settings, jpeg.length), map);
    byte[] copy = parts.copy(again ? settings.lossless() : settings);
    boolean fits = settings.maxSize == 0 || jpeg.length <= settings.maxSize;
    Copy result = !fits && copy.length > settings.maxSize ? parts.fit(copy, settings, warnings)
        : new Copy(copy, false, header.exif.taken(), "", List.copyOf(warnings));
    long saved = jpeg.length - result.bytes().length;
    boolean kept = saved <= 0 || fits && saved < jpeg.length * settings.threshold / 100;
    String how = saved > 0 ? " kept: it would save less than --threshold" : " kept: it would not get smaller";
    return kept ? new Copy(jpeg, true, header.exif.taken(), how, fits ? List.of() : result.warnings()) : result;
  }

  private byte[] copy(Settings settings) throws IOException {
    byte[] picture = settings.byPixels() ? PixelEngine.recompress(jpeg, header, settings.quality)
        : CoefficientEngine.recompress(jpeg, header, settings);
    return Metadata.join(picture, metadata, map);
  }

  /** The copy of the best quality that takes at most --max-size, or of quality 1, where this one takes more. */
  private Copy fit(byte[] copy, Settings settings, Set<String> warnings) throws IOException {
    int low = 0; // the best quality known to fit; 0: none
    int high = settings.quality; // the lowest known to be too much
    // Few passes: the logarithm of the size in bytes is nearly a straight line over that of the quantization steps.
    double steps = Math.log(StandardTables.percent(high));
    double size = Math.log(copy.length);
    double slope = -0.7;
    while (high - low > 1 && (low == 0 || copy.length < FULL * settings.maxSize)) {
      double percent = Math.exp(steps + (Math.log(settings.maxSize * (1 + FULL) / 2) - size) / slope);
      long wanted = Math.round(percent > 100 ? 5000 / percent : 100 - percent / 2); // see StandardTables.percent
      int quality = Math.clamp(wanted, low + 1, high - 1);
      byte[] tried = copy(new Settings(quality, settings.engine, settings.smallest, settings.keepMetadata, 0, 0));
      double change = Math.log(StandardTables.percent(quality)) - steps;
      slope = Math.clamp((Math.log(tried.length) - size) / change, -1.5, -0.2);
      steps += change;
      size = Math.log(tried.length);
      boolean fits = tried.length <= settings.maxSize;
      copy = fits || low == 0 ? tried : copy;
      low = fits ? quality : low;
      high = fits ? high : quality;
    }
    if (low == 0) { warnings.add("takes " + Text.size(copy.length) + " even in quality 1, more than --max-size"); }
    return new Copy(copy, false, header.exif.taken(), " in quality " + Math.max(low, 1), List.copyOf(warnings));
  }
}

/** Recompresses a JPEG by its pixels, as most programs do, to be compared with. CMYK becomes sRGB, without profile. */
final class PixelEngine {
  /** The bytes of heap that it takes: the file twice, the pixels (of inks as sRGB, too), what is written. */
  static long memory(JpegHeader header) {
    long samples = (header.isCmyk() ? 2 : 1) * header.components.size();
    return 2L * header.fileSize + (samples + 2) * header.width * header.height + (1 << 20);
  }

  static byte[] recompress(byte[] jpeg, JpegHeader header, int quality) throws IOException {
    ImageWriter writer = ImageIO.getImageWritersByFormatName("JPEG").next();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(1 << 16);
    try (MemoryCacheImageOutputStream out = new MemoryCacheImageOutputStream(bytes)) {
      // A profile would turn the numbers into others: only inks need it.
      byte[] head = Metadata.of(jpeg, header, header.kind, null, header.isCmyk(), false);
      InputStream in = new ByteArrayInputStream(Metadata.join(jpeg, head, null));
      BufferedImage picture = ImageIO.read(new MemoryCacheImageInputStream(in));
      JPEGImageWriteParam param = (JPEGImageWriteParam) writer.getDefaultWriteParam();
      param.setOptimizeHuffmanTables(true);
      param.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
      param.setCompressionQuality(quality / 100f); // the writer rounds the tables a little differently from libjpeg
      writer.setOutput(out);
      writer.write(null, new IIOImage(picture, null, null), param);
    } catch (IOException | RuntimeException e) {
      throw new JpegException("--engine=pixels cannot read it: " + e.getMessage());
    } finally {
      writer.dispose();
    }
    return bytes.toByteArray();
  }
}

// Header --------------------------------------------------------------------------------------------------------------
// The segments in front of the picture (T.81 annex B): what they say, and which of them a copy gets; gain maps.

/** A JPEG that cannot be recompressed; the message says why, in a user's words. */
final class JpegException extends IOException {
  private static final long serialVersionUID = 1L;
  static final String CUT_SHORT = "truncated: the data ends within the header"; // more of the file might help
  JpegException(String message) { super(message); }

  static void check(boolean sound, String part) throws JpegException {
    if (!sound) { throw new JpegException("corrupt: " + part); }
  }
}

/** The marker codes of T.81 table B.1 that are used here: the byte that follows 0xFF. */
final class Marker {
  static final int SOF0 = 0xC0, SOF2 = 0xC2; // start of frame: baseline, progressive
  static final int DHT = 0xC4, DQT = 0xDB, DAC = 0xCC; // Huffman, quantization, arithmetic coding tables
  static final int SOI = 0xD8, EOI = 0xD9, SOS = 0xDA; // start and end of image, start of scan
  static final int RST0 = 0xD0, DRI = 0xDD; // restart, to 0xD7; restart interval
  static final int DNL = 0xDC; // number of lines, behind the first scan
  static final int APP0 = 0xE0, APP1 = 0xE1, APP2 = 0xE2; // application data, to 0xEF: JFIF; EXIF, XMP; ICC profiles
  static final int COM = 0xFE; // comment
  static final int JPG = 0xC8, TEM = 0x01; // reserved; for temporary use in arithmetic coding

  /** Whether this is a marker without a length and parameters (T.81 B.1.1.3). */
  static boolean isStandalone(int marker) { return marker == TEM || (marker >= RST0 && marker <= EOI); }
  /** Whether this is application data or a comment: nothing that decoding needs (T.81 B.2.4.5-6). */
  static boolean isAppOrComment(int marker) { return (marker >= APP0 && marker <= 0xEF) || marker == COM; }
  /** Whether this starts a frame, of any process (T.81 table B.1). */
  static boolean isFrame(int marker) { return marker >> 4 == 0xC && marker != DHT && marker != JPG && marker != DAC; }
}

/** Walks over the marker segments of a JPEG (T.81 B.1.1): {@link #next} moves to the next one. */
final class Segments {
  static final int MAX = 65_533; // bytes of parameters
  static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);
  static final VarHandle INTS = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.BIG_ENDIAN);
  final byte[] jpeg;
  int marker; // the second byte of the marker, see Marker
  int start; // of the parameters, behind the marker and the length
  int lost; // bytes before it that belong to no segment
  int end = 2; // of the segment: where the next marker is expected; at first behind SOI
  Segments(byte[] jpeg) { this.jpeg = jpeg; }

  /** Moves to the next segment, over fill bytes (B.1.1.2) and, as libjpeg does, over bytes that belong to none. */
  void next() throws JpegException {
    int p = end;
    for (lost = 0; p + 2 <= jpeg.length && (jpeg[p] != -1 || jpeg[p + 1] == 0 || jpeg[p + 1] == -1); p++) {
      lost += jpeg[p] == -1 ? 0 : 1;
    }
    marker = p + 2 > jpeg.length ? 0 : jpeg[p + 1] & 0xFF;
    boolean alone = Marker.isStandalone(marker);
    start = alone ? p + 2 : p + 4;
    end = alone ? start : start > jpeg.length ? Integer.MAX_VALUE : start - 2 + u16(start - 2);
    JpegException.check(end >= start, "a header segment of impossible length");
    if (end > jpeg.length) { throw new JpegException(JpegException.CUT_SHORT); }
  }

  int size() { return end - start; }
  int u16(int at) { return (jpeg[at] & 0xFF) << 8 | jpeg[at + 1] & 0xFF; }
  /** The parameters, a character for each byte. */
  String text() { return text(jpeg, start, size()); }
  static String text(byte[] bytes, int from, int size) { return new String(bytes, from, size, ISO_8859_1); }

  /** Whether this is such a segment: its parameters begin with this ASCII text and a zero byte, as those of APPn do. */
  boolean is(int marker, String name) {
    return this.marker == marker && size() > name.length() && jpeg[start + name.length()] == 0
        && text(jpeg, start, name.length()).equals(name);
  }

  boolean isAdobe() { return marker == Marker.APP0 + 14 && size() >= 12 && text().startsWith("Adobe"); }

  /** Where entropy-coded data that starts here ends: at the next marker that is not a restart marker. */
  static int endOfScan(byte[] jpeg, int from) {
    for (int p = indexOf0xFF(jpeg, from, jpeg.length); p + 1 < jpeg.length; p = indexOf0xFF(jpeg, p + 1, jpeg.length)) {
      int next = jpeg[p + 1] & 0xFF;
      if (next != 0 && next != 0xFF && (next & 0xF8) != Marker.RST0) { return p; }
    }
    return jpeg.length;
  }

  /** Where the next 0xFF is, or to where none was found: looks at eight bytes at once. */
  static int indexOf0xFF(byte[] bytes, int from, int to) {
    int p = from;
    for (; p <= to - 8; p += 8) {
      long eight = (long) LONGS.get(bytes, p);
      if ((eight & ~eight - 0x0101010101010101L & 0x8080808080808080L) != 0) { break; }
    }
    while (p < to && bytes[p] != -1) { p++; }
    return p;
  }
}

/** What the segments in front of the first scan say (T.81 annex B): unchecked, nothing is believed or allocated. */
final class JpegHeader {
  /** How the components make a colour, by the rules of libjpeg's {@code default_decompress_parms}. */
  enum Kind { GREY, YCBCR, RGB, CMYK, YCCK }
  /** A component of the frame (T.81 B.2.2): identifier, sampling factors, quantization table. */
  record Component(int id, int h, int v, int tq) {}

  int process; // the SOF marker: Marker.SOF0 baseline, SOF1 extended, SOF2 progressive...
  int precision; // bits per sample
  int width, height; // pixels; a height of 0: defined by a DNL segment after the first scan
  List<Component> components;
  int maxH = 1, maxV = 1; // the largest of their sampling factors
  final Kind kind; // null: none of them
  Exif exif = Exif.NONE;
  final Icc icc;
  String more = ""; // what may lead behind the picture: XMP, the segments of ISO 21496-1 and MPF, as text
  final boolean adobe; // Adobe's APP14 segment was found
  final int firstScan; // offset of the first SOS marker
  final long fileSize; // bytes

  /** Reads it from the first bytes of a file of this size, in bytes; a JpegException of CUT_SHORT wants more. */
  JpegHeader(byte[] jpeg, long fileSize) throws JpegException {
    this.fileSize = fileSize;
    if (jpeg.length < 4 || (jpeg[0] & jpeg[2]) != -1 || jpeg[1] != (byte) Marker.SOI) {
      throw new JpegException(jpeg.length == 0 ? "empty file" : "not a JPEG");
    }
    Segments segments = new Segments(jpeg);
    List<String> profile = new ArrayList<>();
    boolean jfif = false;
    int transform = -1; // of the Adobe APP14 segment: 0 none, 1 YCbCr, 2 YCCK; -1: no segment
    for (segments.next(); segments.marker != Marker.SOS; segments.next()) {
      if (Marker.isFrame(segments.marker)) {
        readFrame(segments);
      } else if (segments.is(Marker.APP0, "JFIF") && segments.size() >= 14) {
        jfif = true;
      } else if (segments.is(Marker.APP1, "Exif") && segments.size() >= 14 && exif.orientation() < 0) {
        exif = Exif.read(jpeg, segments.start + 6, segments.end);
      } else if (segments.is(Marker.APP1, Metadata.XMP) || segments.is(Marker.APP2, GainMap.ISO)
          || segments.is(Marker.APP2, "MPF")) {
        more += more.length() > 2 * Segments.MAX ? "" : segments.text(); // there is one of each, in sound files
      } else if (segments.is(Marker.APP2, "ICC_PROFILE")) {
        profile.add(segments.text().substring(12));
      } else if (segments.isAdobe()) {
        transform = jpeg[segments.start + 11] & 0xFF;
      } else {
        JpegException.check(segments.marker != Marker.EOI, "there is no picture in it");
        JpegException.check(segments.marker != Marker.SOI, "a second image starts within its header");
      }
    }
    JpegException.check(components != null, "the picture's size is missing");
    kind = kind(transform, jfif);
    icc = Icc.read(profile, kind == Kind.GREY ? "GRAY" : isCmyk() ? "CMYK" : "RGB ");
    adobe = transform >= 0;
    firstScan = segments.start - 4;
  }

  static JpegHeader read(byte[] jpeg) throws JpegException { return new JpegHeader(jpeg, jpeg.length); }

  private void readFrame(Segments s) throws JpegException {
    JpegException.check(components == null, "it declares its size twice");
    int n = s.size() < 6 ? 0 : s.jpeg[s.start + 5] & 0xFF;
    JpegException.check(n > 0 && s.size() == 6 + 3 * n, "the declaration of its size");
    process = s.marker;
    precision = s.jpeg[s.start] & 0xFF;
    height = s.u16(s.start + 1);
    width = s.u16(s.start + 3);
    JpegException.check(width > 0, "it declares a width of 0 pixels");
    components = new ArrayList<>();
    for (int at = s.start + 6; at < s.end; at += 3) {
      int sampling = s.jpeg[at + 1] & 0xFF;
      Component c = new Component(s.jpeg[at] & 0xFF, sampling >> 4, sampling & 15, s.jpeg[at + 2] & 0xFF);
      JpegException.check(c.h >= 1 && c.h <= 4 && c.v >= 1 && c.v <= 4 && c.tq <= 3,
          "impossible sampling of a colour component");
      components.add(c);
      maxH = Math.max(maxH, c.h);
      maxV = Math.max(maxV, c.v);
    }
  }

  private Kind kind(int adobeTransform, boolean jfif) {
    boolean named = components.stream().limit(3).map(c -> (char) c.id).toList().equals(List.of('R', 'G', 'B'));
    return switch (components.size()) {
      case 1 -> Kind.GREY;
      case 3 -> !jfif && (adobeTransform == 0 || adobeTransform < 0 && named) ? Kind.RGB : Kind.YCBCR;
      case 4 -> adobeTransform <= 0 ? Kind.CMYK : Kind.YCCK;
      default -> null;
    };
  }

  boolean isCmyk() { return kind == Kind.CMYK || kind == Kind.YCCK; }

  /** How much heap, in bytes, recompressing the JPEG takes; refuses what cannot be done, or be whole in its size. */
  long memory(Recompressor.Settings settings) throws JpegException {
    String unsupported = process > 0xC8 ? "arithmetic coding" : process == 0xC3 ? "lossless JPEG"
        : process > Marker.SOF2 ? "hierarchical JPEG" : precision != 8 ? precision + " bits per sample"
        : height == 0 ? "a height that only the end of the data tells"
        : Math.max(width, height) > 65_500 ? width + " x " + height + " pixels, at most 65500 are" // as for libjpeg
        : kind == null ? components.size() + " colour components" : null;
    if (unsupported != null) { throw new JpegException("not supported: " + unsupported); }
    int blocks = components.stream().mapToInt( // A.2.4, without what fills their last MCUs up
        c -> Math.ceilDiv(width * c.h, 8 * maxH) * Math.ceilDiv(height * c.v, 8 * maxV)).sum();
    if ((fileSize - firstScan) * 8 < blocks * (isProgressive() ? 1 : 2)) { // bits that a block takes at least
      throw new JpegException("truncated: far too short for " + width + " x " + height + " pixels");
    }
    long map = GainMap.mayBe(more) ? CoefficientEngine.memory(this, settings.lossless()) : 0; // as large as the picture
    long own = settings.byPixels() ? PixelEngine.memory(this) : CoefficientEngine.memory(this, settings);
    return (settings.keepMetadata() ? 4L * firstScan : 0) + Math.max(map, own);
  }

  boolean isProgressive() { return process == Marker.SOF2; }
}

/** Chooses the segments that stand in front of a copy's tables: what it keeps of its original's metadata. */
final class Metadata {
  static final String XMP = "http://ns.adobe.com/xap/1.0/";
  private static final String JFIF = segment(Marker.APP0, "JFIF\0\1\1\0\0\1\0\1\0\0"); // 1.01, square pixels

  // The segments by which a copy looks the same: JFIF or Adobe's mark, EXIF with next to nothing, what leads to the
  // gain map, the ICC profile. To keep, all of the original's instead, but for what would be wrong of the copy.
  static byte[] of(byte[] jpeg, JpegHeader header, JpegHeader.Kind kind, GainMap map, boolean withProfile,
      boolean keep) throws JpegException {
    boolean jfif = kind == JpegHeader.Kind.GREY || kind == JpegHeader.Kind.YCBCR;
    boolean profile = withProfile && !header.icc.profile().isEmpty();
    StringBuilder out = new StringBuilder(keep || !jfif ? "" : JFIF);
    out.append(keep ? "" : header.exif.segment(map != null && map.needsNotes()));
    if (!jfif && (header.adobe || kind == JpegHeader.Kind.RGB)) { // inks are the other way round without it
      out.append(segment(Marker.APP0 + 14, "Adobe\0\144\0\0\0\0" + (kind == JpegHeader.Kind.YCCK ? '\2' : '\0')));
    }
    Segments s = new Segments(jpeg);
    for (s.next(); s.marker != Marker.SOS; s.next()) {
      boolean xmp = s.is(Marker.APP1, XMP);
      boolean leads = map != null && (s.is(Marker.APP2, GainMap.ISO) || xmp && s.text().contains(GainMap.ADOBE));
      boolean wrong = !Marker.isAppOrComment(s.marker) || s.isAdobe() || s.is(Marker.APP2, "MPF")
          || !profile && s.is(Marker.APP2, "ICC_PROFILE") || !jfif && s.is(Marker.APP0, "JFIF")
          || Provenance.TEXT.matcher(s.text()).matches(); // of another copy
      if (keep ? !wrong : leads) { // of XMP a new one: the original's may say who was where
        out.append(segment(s.marker, !xmp ? s.text() : keep ? GainMap.withLengths(s.text(), map) : map.xmp()));
      }
    }
    return out.append(keep || !profile ? "" : header.icc.segments()).toString().getBytes(ISO_8859_1);
  }

  /** A segment with a byte for each character, and itself a character for each byte. */
  static String segment(int marker, String text) {
    int length = text.length() + 2;
    return new String(new char[] {0xFF, (char) marker, (char) (length >> 8), (char) (length & 0xFF)}) + text;
  }

  /** The copy: a picture as an engine writes it, with these segments for its own, and the gain map behind it. */
  static byte[] join(byte[] written, byte[] metadata, GainMap map) throws JpegException {
    Segments s = new Segments(written);
    int from = 2;
    for (s.next(); Marker.isAppOrComment(s.marker); s.next()) { from = s.end; }
    int mpf = 2 + metadata.length;
    int end = mpf + (map == null ? 0 : GainMap.MPF) + written.length - from;
    ByteBuffer copy = ByteBuffer.allocate(end + (map == null ? 0 : map.jpeg().length)).put(written, 0, 2).put(metadata);
    if (map != null) { copy.put(map.mpf(mpf, end)).put(end, map.jpeg()); }
    return copy.put(written, from, written.length - from).array();
  }
}

// The gain map that makes an HDR picture of a photograph: a JPEG of its own behind it, in the form of Ultra HDR, of ISO
// 21496-1 or of Apple, whose notes in the photograph's EXIF say how bright it is. Where MPF (CIPA DC-007) or XMP speak
// of one it is looked for, as the place that they give may be wrong. Copies lack other pictures, and films.
record GainMap(byte[] jpeg, boolean needsNotes) {
  static final String ADOBE = "http://ns.adobe.com/hdr-gain-map/1.0/"; // the namespace of Ultra HDR
  static final String ISO = "urn:iso:std:iso:ts:21496:-1";
  private static final String APPLE = "urn:com:apple:photo:2020:aux:hdrgainmap";
  private static final Pattern LENGTH = Pattern.compile("(Item:Length(?:=[\"']|>))(\\d{1,10})");
  private static final Pattern FILM = Pattern.compile("((?:MotionPhoto|MicroVideo)(?:=[\"']|>))1");
  private static final Pattern MORE = Pattern.compile("MPF\0|Item:Semantic|" + FILM);
  static final int MPF = 90; // bytes of the segment for two pictures

  /** The gain map of a JPEG, or null; warns of all that is left out. */
  static GainMap find(byte[] jpeg, JpegHeader header, Recompressor.Settings settings, Set<String> warnings)
      throws JpegException {
    long memory = header.memory(settings) - jpeg.length;
    boolean samsung = Segments.text(jpeg, jpeg.length - 4, 4).equals("SEFT"); // of a list of what it put there
    if (!samsung && !mayBe(header.more)) { return null; }
    String all = Segments.text(jpeg, 0, jpeg.length);
    if (FILM.matcher(header.more).find() || samsung && all.contains("MotionPhoto_Data")) {
      warnings.add("has a film (Motion Photo) behind the picture: left out of the copy");
    }
    GainMap map = null;
    String more = header.more;
    String problem = "there is none";
    int at = all.indexOf("\u00FF\u00D8\u00FF", header.firstScan); // SOI and a marker: in no sound scan
    for (int n = 0; at >= 0 && n < 16; n++, at = all.indexOf("\u00FF\u00D8\u00FF", at + 2)) {
      try {
        JpegHeader own = JpegHeader.read(Arrays.copyOfRange(jpeg, at, jpeg.length));
        int end = all.indexOf("\u00FF\u00D9", at + own.firstScan) + 2;
        byte[] found = Arrays.copyOfRange(jpeg, at, end < 2 ? jpeg.length : end); // a map can do without an end
        at += own.firstScan;
        more += own.more;
        if (map == null && isGainMap(own.more)) {
          map = of(found, header.exif, settings.lossless(), memory);
        } else {
          String size = own.width < header.width ? "smaller" : "second";
          warnings.add("has a " + size + " picture behind it: left out of the copy");
        }
      } catch (JpegException e) {
        problem = e.getMessage();
      }
    }
    if (map == null && isGainMap(more)) {
      warnings.add("has an HDR gain map that cannot be used (" + problem + "): left out of the copy");
    }
    return map;
  }

  static boolean mayBe(String more) { return isGainMap(more) || MORE.matcher(more).find(); }
  private static boolean isGainMap(String more) { return Stream.of(ADOBE, ISO, APPLE).anyMatch(more::contains); }

  /** The map with better codes for the same coefficients: coarser steps would cost decibels of the HDR picture. */
  private static GainMap of(byte[] map, Exif exif, Recompressor.Settings lossless, long memory) throws JpegException {
    JpegHeader header = JpegHeader.read(map);
    boolean needsNotes = Stream.of(ADOBE, ISO, "HDRGainMapHeadroom").noneMatch(header.more::contains);
    JpegException.check(!needsNotes || !exif.headroom().isEmpty(), "the maker's notes lack its headroom");
    JpegException.check(header.memory(lossless) <= memory, "larger than its picture");
    byte[] coded = CoefficientEngine.recompress(map, header, lossless);
    return new GainMap(Metadata.join(coded, Metadata.of(map, header, header.kind, null, true, true), null), needsNotes);
  }

  /** The MPF segment at an offset of a copy in which the map begins at another one. */
  byte[] mpf(int at, int from) {
    String head = "MPF\0" + Tiff.START // the version, the number of pictures, 16 bytes of each
        + Tiff.directory(0xB000_0007, 4, 0x30313030, 0xB001_0004, 1, 2, 0xB002_0007, 32, 50);
    // Of each: its type (the picture itself), size, offset (from behind "MPF"), and none that belong to it.
    String pictures = Tiff.ints(0x30000, from, 0, 0, 0, jpeg.length, from - at - 8, 0);
    return Metadata.segment(Marker.APP2, head + pictures).getBytes(ISO_8859_1);
  }

  /** An XMP packet that says there is a map, and how large it is, and nothing else. */
  String xmp() {
    return Metadata.XMP + "\0" + """
        <x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
        <rdf:Description rdf:about="" xmlns:hdrgm="%s" hdrgm:Version="1.0"
        xmlns:Container="http://ns.google.com/photos/1.0/container/"
        xmlns:Item="http://ns.google.com/photos/1.0/container/item/"><Container:Directory><rdf:Seq>
        <rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" Item:Mime="image/jpeg"/></rdf:li>
        <rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" Item:Mime="image/jpeg"
        Item:Length="%d"/></rdf:li></rdf:Seq></Container:Directory></rdf:Description></rdf:RDF></x:xmpmeta>
        """.formatted(ADOBE, jpeg.length);
  }

  /** An XMP packet with the length of the map, if there is one, and of all else behind the picture as what it is: 0. */
  static String withLengths(String xmp, GainMap map) {
    String items = Arrays.stream(xmp.split("(?=<rdf:li)")).map(item -> item.contains("Primary") ? item
        : LENGTH.matcher(item).replaceAll("$1" + (map != null && item.contains("GainMap") ? map.jpeg.length : 0)))
        .collect(Collectors.joining());
    String right = FILM.matcher(items).replaceAll("$10");
    return right.length() <= Segments.MAX ? right : xmp;
  }
}

/** A TIFF structure (TIFF 6.0 section 2), as in EXIF; offsets count from its start. What is written is big endian. */
record Tiff(ByteBuffer bytes) {
  static final String START = "MM\0*\0\0\0\b"; // the byte order, 42, and that the first directory follows
  private static final int[] SIZES = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8}; // bytes of a value, by type

  /** The bytes of the value of a tag in the directory there, or of the first of several; empty: none, or not within. */
  ByteBuffer value(int directory, int tag, boolean first) {
    try {
      int entries = directory < 8 ? 0 : bytes.getShort(directory) & 0xFFFF;
      for (int at = directory + 2; entries > 0; entries--, at += 12) {
        if ((bytes.getShort(at) & 0xFFFF) == tag) {
          int size = SIZES[bytes.getShort(at + 2)] * (first ? 1 : bytes.getInt(at + 4));
          return bytes.slice(size <= 4 ? at + 8 : bytes.getInt(at + 8), size).order(bytes.order());
        }
      }
    } catch (IndexOutOfBoundsException e) {
      // as if there were none
    }
    return ByteBuffer.allocate(0);
  }

  /** The first value of a tag, if that is a whole number; -1: none. */
  int number(int directory, int tag) {
    ByteBuffer value = value(directory, tag, true);
    int size = value.remaining();
    return size == 1 ? value.get() & 0xFF : size == 2 ? value.getShort() & 0xFFFF : size == 4 ? value.getInt() : -1;
  }

  String text(int directory, int tag) { return ISO_8859_1.decode(value(directory, tag, false)).toString(); }

  /** A directory of entries of three numbers each: tag and type, count, value or its offset. */
  static String directory(int... entries) { return "\0" + (char) (entries.length / 3) + ints(entries) + "\0\0\0\0"; }

  static String ints(int... values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length);
    bytes.asIntBuffer().put(values);
    return ISO_8859_1.decode(bytes).toString();
  }
}

// What EXIF says of how a photograph looks: its orientation (1 upright, to 8; -1: none); if its colours are Adobe RGB
// (DCF 2.0); when it was taken, as 2024:05:06 07:08:09; two rationals of Apple's notes: its HDR headroom. Or empty.
record Exif(int orientation, boolean adobeRgb, String taken, String headroom) {
  static final Exif NONE = new Exif(-1, false, "", "");
  private static final String APPLE = "Apple iOS\0\0\1MM"; // a directory follows

  static Exif read(byte[] jpeg, int start, int end) {
    boolean little = Segments.text(jpeg, start, 4).equals("II*\0");
    ByteBuffer bytes = ByteBuffer.wrap(jpeg, start, end - start).slice();
    Tiff tiff = new Tiff(bytes.order(little ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN));
    int first = little || bytes.getInt(0) == 0x4D4D002A ? bytes.getInt(4) : -1;
    int photograph = tiff.number(first, 0x8769);
    Tiff notes = new Tiff(tiff.value(photograph, 0x927C, false).order(ByteOrder.BIG_ENDIAN));
    int apple = tiff.text(photograph, 0x927C).startsWith(APPLE) ? APPLE.length() : -1;
    String headroom = notes.text(apple, 0x21) + notes.text(apple, 0x30);
    return new Exif(tiff.number(first, 0x0112), tiff.text(tiff.number(photograph, 0xA005), 1).startsWith("R03"),
        tiff.text(photograph, 0x9003).replaceAll("[\0 ]+$", ""), headroom.length() == 16 ? headroom : "");
  }

  /** Its segment for a copy: orientation, headroom or mark of Adobe RGB, and no more; empty: it has none of them. */
  String segment(boolean withHeadroom) {
    int turned = orientation > 8 ? 1 : Math.max(orientation, 1);
    String notes = APPLE + Tiff.directory(0x0021_000A, 1, 44, 0x0030_000A, 1, 52) + headroom;
    String photograph = withHeadroom ? Tiff.directory(0x927C_0007, notes.length(), 56) + notes
        : !adobeRgb ? "" : Tiff.directory(0xA001_0003, 1, 0xFFFF_0000, 0xA005_0004, 1, 68) // no space that EXIF names
            + Tiff.directory(0x0001_0002, 4, 'R' << 24 | '0' << 16 | '3' << 8); // InteroperabilityIndex
    String tags = photograph.isEmpty() ? Tiff.directory(0x0112_0003, 1, turned << 16)
        : Tiff.directory(0x0112_0003, 1, turned << 16, 0x8769_0004, 1, 38) + photograph;
    return turned == 1 && photograph.isEmpty() ? "" : Metadata.segment(Marker.APP1, "Exif\0\0" + Tiff.START + tags);
  }
}

/** An ICC profile in the segments of a JPEG (ICC.1 annex B.4), a character for each byte; empty: none, or broken. */
record Icc(String profile, boolean broken) {
  private static final int HEADER = 128; // bytes (ICC.1 section 7.2)
  private static final int PART = 65_519; // a segment's 65,533 bytes less the 14 of its own header

  /** Puts the parts, each with its number and how many there are, in order: a profile for this colour space. */
  static Icc read(List<String> parts, String space) {
    Collections.sort(parts);
    StringBuilder whole = new StringBuilder();
    int number = 0;
    for (String part : parts) {
      if (!part.startsWith("" + (char) ++number + (char) parts.size())) { return new Icc("", true); }
      whole.append(part, 2, part.length());
    }
    ByteBuffer bytes = ByteBuffer.wrap(whole.toString().getBytes(ISO_8859_1)); // big endian, as it is
    int size = bytes.capacity() < HEADER ? 0 : bytes.getInt(0);
    boolean credible = size > HEADER && size <= bytes.capacity()
        && whole.substring(16, 20).equals(space) && whole.substring(36, 40).equals("acsp");
    return new Icc(credible ? whole.substring(0, size) : "", !credible && number > 0); // less what it was padded with
  }

  String segments() {
    int n = Math.ceilDiv(profile.length(), PART);
    return IntStream.range(0, n).mapToObj(i -> "ICC_PROFILE\0" + (char) (i + 1) + (char) n
        + profile.substring(i * PART, Math.min((i + 1) * PART, profile.length())))
        .map(part -> Metadata.segment(Marker.APP2, part)).collect(Collectors.joining());
  }
}

/** The example quantization tables of T.81 annex K.1 and the zigzag order of figure A.6. */
final class StandardTables {
  /** The place in a block, row by row, of each coefficient in zigzag order. */
  static final int[] ZIGZAG = {
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63
  };

  /** The 64 steps, in zigzag order, that libjpeg uses at a quality of 1 to 100. */
  static int[] steps(boolean chrominance, int quality) {
    int[] base = (chrominance ? JPEGQTable.K2Chrominance : JPEGQTable.K1Luminance).getTable();
    return Arrays.stream(ZIGZAG).map(k -> Math.clamp((base[k] * (int) percent(quality) + 50) / 100, 1, 255)).toArray();
  }

  /** How many per cent of those of annex K they are. */
  static double percent(int quality) { return Math.max(quality < 50 ? 5000.0 / quality : 200 - 2 * quality, 1); }
}

// The quantization tables of --smallest, made of published ones, and changed a little by trial: luminance the geometric
// mean, 7 to 3, of jpegli's for 4:2:0 (lib/jpegli/quant.cc) and N. Robidoux's in mozjpeg; chrominance jpegli's.
final class PerceptualTables {
  private static final int[] LUMINANCE = { // at quality 50
    8, 10, 16, 17, 27, 31, 33, 39, 10, 13, 17, 21, 30, 27, 34, 38, 16, 17, 21, 25, 29, 35, 39, 47, 17, 21, 25, 28,
    35, 40, 44, 52, 27, 30, 29, 35, 40, 47, 57, 62, 31, 27, 35, 40, 47, 55, 58, 72, 33, 34, 39, 44, 57, 58, 66, 72,
    39, 38, 47, 52, 62, 72, 72, 68
  };
  private static final int[] CHROMINANCE = {
    8, 13, 32, 30, 43, 47, 57, 76, 13, 25, 28, 31, 48, 46, 78, 62, 32, 28, 34, 39, 46, 66, 181, 70, 30, 31, 39, 47,
    54, 58, 65, 94, 43, 48, 46, 54, 48, 56, 49, 119, 47, 46, 66, 58, 56, 74, 98, 71, 57, 78, 181, 65, 49, 98, 74,
    70, 76, 62, 70, 94, 119, 71, 70, 255
  };

  // How much is seen of an error of LUMINANCE's or CHROMINANCE's steps, by component and diagonal; beyond as the last.
  private static final float[][] SEEN = {{4.5f, 9, 9, 12, 3.4f, 6, 7, 6.5f, 6.5f, 40}, {0.5f},
    {0.45f, 0.8f, 3.7f, 5.8f, 8.7f}};

  /** By index: how much is seen of an error of 1 in a component, as by Butteraugli, which for Cb is next to nothing. */
  static float[] seen(int component) {
    float[] seen = new float[64];
    float[] weights = SEEN[Math.min(component, 2)];
    for (int k = 0; k < 64; k++) {
      int base = base(component > 0, k);
      seen[k] = weights[Math.min(diagonal(k), weights.length - 1)] / (base * base);
    }
    return seen;
  }

  static int base(boolean chroma, int k) { return (chroma ? CHROMINANCE : LUMINANCE)[StandardTables.ZIGZAG[k]]; }
  static int diagonal(int k) { return (StandardTables.ZIGZAG[k] >> 3) + (StandardTables.ZIGZAG[k] & 7); }

  static int[] steps(boolean chrominance, double coarse) {
    return IntStream.range(0, 64).map(k -> Math.clamp(Math.round(base(chrominance, k) * coarse), 1, 255)).toArray();
  }
}

// Reading -------------------------------------------------------------------------------------------------------------
// From the bits of a scan to rows of blocks: Huffman codes, sequential and progressive scans (T.81 annexes F, G).

// A Huffman code for decoding (T.81 annex C and F.2.2.3). An entry says what an AC code means: how many bits code and
// value take (bits 0 to 7), by how much the index advances (8 to 15; END + r: end of band run), and the value.
final class HuffmanCode {
  static final int END = 128;
  static final int INVALID = 64; // the advance of no code: it leads out of every block
  static final int LIMITS = 128;
  static final int NONE = 255; // advance in a lookup where the bits do not hold even one code and its value
  final int bits; // that are looked up
  private final char[] codes; // by those bits: length << 8 | symbol; 0: more of them
  private final int[] limit = new int[17]; // by length: the first 16 bits beyond its codes
  private final int[] base = new int[17]; // by length: index of the first symbol less first code
  private final byte[] symbols;
  private final boolean progressive;

  /** Reads the table whose 16 counts stand at this offset (B.2.4.2), the symbols behind them. */
  HuffmanCode(byte[] d, int at, boolean dc, boolean progressive) throws JpegException {
    this.progressive = progressive;
    bits = dc || d.length < 1 << 18 ? 10 : 13; // a large table takes its time
    codes = new char[1 << bits];
    symbols = Arrays.copyOfRange(d, at + 16, at + 16 + 256); // at most; what stands behind them has no code
    int code = 0;
    int index = 0;
    for (int length = 1; length <= 16; length++, code <<= 1) {
      base[length] = index - code;
      for (int end = index + (d[at + length - 1] & 0xFF); index < end; code++, index++) {
        boolean sound = code + 1 < 1 << length && (!dc || (symbols[index] & 0xF0) == 0); // C.2: all ones is no code
        JpegException.check(sound, "a Huffman table");
        if (length <= bits) {
          int shift = bits - length;
          Arrays.fill(codes, code << shift, code + 1 << shift, (char) (length << 8 | symbols[index] & 0xFF));
        }
      }
      limit[length] = code << 16 - length;
    }
  }

  /** The code that comes next in left-aligned bits, as length << 8 | symbol; 0 if it is undefined. */
  int code(long next) {
    int known = codes[(int) (next >>> 64 - bits)];
    return known != 0 ? known : longer((int) (next >>> 48));
  }

  private int longer(int sixteen) {
    int length = bits + 1;
    while (length <= 16 && sixteen >= limit[length]) { length++; }
    return length > 16 ? 0 : length << 8 | symbols[base[length] + (sixteen >> 16 - length)] & 0xFF;
  }

  /** The entry of the AC code that comes next; at least 31 bits must be there. */
  int entry(long next) {
    int code = code(next);
    int length = code >> 8;
    int run = code >> 4 & 15;
    int size = code & 15;
    if (size > 0 && size < 15) { return extend(next << length, size) << 16 | run + 1 << 8 | length + size; }
    int end = END + (progressive ? run : 0); // of a block of a sequential scan: any run but 15, as in libjpeg
    return code == 0 || size > 14 ? INVALID << 8 | 1 : (run == 15 ? 16 : end) << 8 | length;
  }

  /** The value of so many bits that come next (F.2.2.1, figure F.12). */
  static int extend(long bits, int size) {
    return (int) (bits >>> 1 >>> 63 - size) + (1 - (1 << size) & (int) ~(bits >> 63));
  }

  // A lookup by the next bits that takes as many AC codes at once as it can: those of coefficients that no limit lets
  // pass are merely passed over, around one that may. It holds the number of bits (0 to 5), the advance (6 to 13), and
  // the one Coefficient (from 15). In front stand LIMITS more: by index, what a coefficient must be over to be kept.
  int[] lookup(int[] limits) {
    int small = Short.MAX_VALUE;
    int[] lookup = new int[LIMITS + (1 << bits)];
    for (int k = 1; k < 64; k++) {
      small = Math.min(small, limits[k]);
      lookup[k] = Coefficient.of(true, limits[k], LIMITS - 1);
    }
    for (int prefix = 0; prefix < 1 << bits; prefix++) {
      lookup[LIMITS + prefix] = several((long) prefix << 64 - bits, small);
    }
    return lookup;
  }

  private int several(long next, int small) {
    int used = 0;
    int advance = 0;
    int coefficient = 0;
    while (advance < END) {
      int entry = entry(next << used);
      int magnitude = Math.abs(entry >> 16);
      int sum = advance + (entry >> 8 & 0xFF);
      boolean keep = magnitude > small;
      boolean fits = used + (entry & 0xFF) <= bits && (sum <= 63 || sum == advance + END) && magnitude <= 0x1FF;
      if (!fits || keep && coefficient != 0) { break; }
      used += entry & 0xFF;
      advance = sum;
      coefficient = keep ? Coefficient.of(entry < 0, magnitude, sum) : coefficient;
    }
    return coefficient << 15 | (used == 0 ? NONE : advance) << 6 | used;
  }
}

/** The entropy-coded data of a scan (T.81 B.1.1.5, F.2.2), read up to the marker that ends it. */
final class ScanReader {
  private static final int PIECE = 8192; // bytes
  private static final int BLOCK = 264; // bytes: more than a block takes, 64 codes and values of 31 bits at most
  private static final int ZEROS = BLOCK + 24; // bytes behind what is there of the data
  static final int STRAY = 8; // bytes behind the picture that libjpeg has taken in and does not look at
  int position; // of the next byte of the data to take into the piece
  int endRun; // EOBRUN (G.1.2.2): blocks that end without a code
  int percent; // of the picture that is decoded: to say where something is wrong
  final int end; // of the data
  private final byte[] data;
  private final byte[] piece = new byte[PIECE + ZEROS]; // of the data, without the zeros behind 0xFF (B.1.1.5)
  private int filled; // how much of it is data
  private int next; // bit of it to take
  private int safe = -1; // up to this bit in it there are those of a whole block
  private boolean complete; // behind it there is a marker, or nothing
  private final int restartInterval; // in MCUs; 0: none
  private int untilRestart; // MCUs
  private int restarts; // markers that were passed

  ScanReader(byte[] data, int position, int end, int restartInterval) {
    this.data = data;
    this.position = position;
    this.end = end;
    this.restartInterval = restartInterval;
    untilRestart = restartInterval > 0 ? restartInterval : Integer.MAX_VALUE;
  }

  /** Before each block: sees to it that its bytes are there. */
  void prepare() throws JpegException {
    if (next > safe) { fill(); }
  }

  private void fill() throws JpegException {
    if (left() < 0) { throw damaged(""); }
    filled -= next >> 3;
    System.arraycopy(piece, next >> 3, piece, 0, filled);
    next &= 7;
    while (filled < PIECE && !complete) {
      int stop = Math.min(end, position + PIECE - filled);
      int next = Segments.indexOf0xFF(data, position, stop);
      System.arraycopy(data, position, piece, filled, next - position);
      filled += next - position;
      position = next;
      while (next < stop && position + 1 < end && data[position + 1] == -1) { position++; } // fill bytes (B.1.1.2)
      complete = next == end || next < stop && (position + 1 == end || data[position + 1] != 0);
      if (next < stop && !complete) {
        piece[filled++] = -1;
        position += 2;
      }
    }
    Arrays.fill(piece, filled, filled + ZEROS, (byte) 0);
    safe = (complete ? filled : filled - BLOCK) * 8;
  }

  /** How many bits of the piece are still to be taken; less than 0: bits were taken that are not there. */
  private int left() { return filled * 8 - next; }
  /** At least 57 bits, left-aligned, from this bit of the piece on. */
  private long bits(int from) { return (long) Segments.LONGS.get(piece, from >> 3) << (from & 7); }

  int take(int n) {
    int value = (int) (bits(next) >>> 1 >>> 63 - n);
    next += n;
    return value;
  }

  /** Takes the difference of a DC coefficient to the one before (F.2.2.1). */
  int difference(HuffmanCode dc) throws JpegException {
    long bits = bits(next);
    int code = dc.code(bits);
    if (code == 0) { throw damaged("a code that means nothing"); }
    int length = code >> 8;
    next += length + (code & 15);
    return HuffmanCode.extend(bits << length, code & 15);
  }

  // Takes coefficients behind index k up to an index of 63 at most (F.2.2.2), and puts those that are over the
  // lookup's limit into kept, from this place on; returns the place behind. The JIT inlines up to 325 bytes of it.
  int coefficients(HuffmanCode code, int[] lookup, int k, int to, int[] kept, int n) throws JpegException {
    int next = this.next;
    int shift = 64 - code.bits;
    int state = k << 6; // the index, and in the lowest 6 bits how many bits of a word have been taken
    do {
      long word = bits(next);
      int entry;
      int coefficient;
      do { // the hot loop: no calls that stay, few variables for few registers, no branch on what is kept
        entry = lookup[HuffmanCode.LIMITS + (int) (word >>> shift)];
        word <<= entry; // by its lowest 6 bits
        coefficient = (entry >>> 15) + (state >>> 6);
        kept[n] = coefficient;
        n += over(lookup, coefficient);
        state += entry & 0x3FFF;
      } while (state < to << 6 && (state & 63) <= 44);
      int index = state >>> 6;
      if (index > to && (index < HuffmanCode.END || index >= HuffmanCode.END + to)) { // too many codes, or none
        n -= over(lookup, coefficient);
        state -= entry & 0x3FFF;
        next += state & 63;
        entry = takeCode(code, next, state >>> 6, to);
        state = (state >>> 6) + (entry >> 8 & 0xFF) << 6 | entry & 63;
        coefficient = Coefficient.of(entry < 0, Math.abs(entry >> 16), state >>> 6 & 63); // any, of an end
        kept[n] = coefficient;
        n += over(lookup, coefficient);
      }
      next += state & 63;
      state &= ~63;
    } while (state < to << 6);
    this.next = next;
    return n;
  }

  /** 1 if a coefficient is over its limit, else 0. */
  private static int over(int[] lookup, int coefficient) {
    return lookup[coefficient & HuffmanCode.LIMITS - 1] - coefficient >>> 31;
  }

  /** Takes the AC code at this bit, and EOBRUN if it has one (G.1.2.2); returns its entry, those bits counted in. */
  private int takeCode(HuffmanCode code, int from, int index, int to) throws JpegException {
    int entry = code.entry(bits(from));
    int advance = entry >> 8 & 0xFF;
    next = from + (entry & 0xFF); // for what is taken or wrong here
    if (index + advance > to && advance < HuffmanCode.END) { throw damaged("a code that means nothing"); }
    int category = Math.max(advance - HuffmanCode.END, 0);
    endRun = (1 << category) - 1 + take(category);
    return entry + category;
  }

  /** Takes one more bit of the coefficients known in a band, and those that become known with it (G.1.2.3). */
  void refine(HuffmanCode code, long band, int low, BlockRows rows, int block) throws JpegException {
    long known = rows.nonzero[block] & band;
    long zeros = band & ~known;
    int zero = -1; // which of these the next coefficient is
    long corrections = 0; // a bit for each known: whether its magnitude grows
    for (long rest = band; rest != 0; ) {
      int value = 0;
      int k = 64; // the coefficients known before it are corrected
      if (endRun == 0) {
        long bits = bits(next);
        int symbol = code.code(bits);
        int length = symbol >> 8;
        int run = symbol >> 4 & 15;
        int size = symbol & 15;
        next += length + size;
        if (size == 0 && run < 15) {
          endRun = (1 << run) + take(run);
        } else {
          zero += run + 1;
          value = size == 0 ? 0 : (int) (~(bits << length) >> 63) | 1;
          k = zero > 63 ? 64 : Long.numberOfTrailingZeros(Long.expand(1L << zero, zeros)); // 64: there are fewer
        }
        if (symbol == 0 || size > 1 || k == 64 && size > 0) { throw damaged("a code that means nothing"); }
      }
      long below = -1L >>> 64 - k;
      int n = Long.bitCount(known & rest & below);
      corrections = corrections << n | (n > 31 ? (long) take(n - 32) << 32 | take(32) & 0xFFFFFFFFL : take(n));
      rest &= ~(below << 1 | 1);
      if (value != 0) { rows.set(block, k, value << low, low); }
    }
    endRun = Math.max(endRun - 1, 0);
    corrections = Long.reverse(corrections << -Long.bitCount(known)); // the first is the lowest
    for (long grow = Long.expand(corrections, known) & rows.wanted[block]; grow != 0; grow &= grow - 1) {
      int i = block * 64 + Long.numberOfTrailingZeros(grow);
      rows.values[i] += (short) ((rows.values[i] >> 15 | 1) << low);
    }
  }

  /** Before each MCU: moves behind the restart marker that is due (E.2.4), and nothing else; true if one was. */
  boolean passRestart() throws JpegException {
    if (untilRestart-- > 0) { return false; }
    untilRestart = restartInterval - 1;
    fill();
    int marker = Marker.RST0 + (restarts++ & 7);
    if (!complete || left() > 7 || position + 1 >= end || (data[position + 1] & 0xFF) != marker) {
      throw damaged("a restart marker is missing");
    }
    position += 2;
    next = filled * 8;
    safe = -1;
    complete = false;
    endRun = 0;
    return true;
  }

  /** After the last MCU: a marker must be next, or nothing; not before it what djpeg would call extraneous. */
  void checkEnd() throws JpegException {
    fill();
    int stray = left() >> 3;
    for (int stop = Segments.endOfScan(data, position); position < stop; position++) {
      stray += data[position] == -1 ? 0 : 1;
    }
    JpegException.check(stray <= STRAY, "stray data behind the picture");
  }

  /** What is wrong, and where; past the end of the data nothing else is wrong. */
  JpegException damaged(String what) {
    String where = " after " + percent + " % of the picture";
    return new JpegException(left() < 0 ? "truncated: the data ends" + where : "corrupt: " + what + "," + where);
  }
}

// Requantizing --------------------------------------------------------------------------------------------------------
// From the steps of the source to those of the copy, and from any sampling of chroma to 4:2:0.

/** Turns coefficients into multiples of the new steps. Ties go down: up, they cost 2 % of bytes and gain nothing. */
final class Requantizer {
  private static final double DEAD_ZONE = 0.5001; // of a new step: up to here an AC coefficient becomes zero
  private static final int SHIFT = 19; // of fixed-point numbers
  static final int MOST_DC = 1024 + 128; // beyond it, far from white, Scan takes a source for damaged
  static final int[] ALL = new int[64]; // limits that everything but zero passes
  static final int[] ONES = IntStream.generate(() -> 1).limit(64).toArray(); // steps
  static final Requantizer EXACT = new Requantizer(ONES, 1, ONES); // for coefficients that stay as they are
  final int[] target; // steps, in zigzag order
  final int dcStep; // the source's
  final int[] limit = new int[64]; // by index: the largest magnitude that becomes 0
  final boolean isExact; // nothing changes
  private final int most; // magnitude of a new AC coefficient
  private final int[] multiplier = new int[64];
  private final int[] dc; // by DC coefficient, 0 being in the middle: its new value

  /** For AC coefficients in fractions of the source's steps: 1 for whole ones. */
  Requantizer(int[] source, int fraction, int[] target) {
    this.target = target;
    dcStep = source[0];
    isExact = fraction == 1 && Arrays.equals(source, target);
    most = isExact ? Coefficient.MAX : 1023;
    for (int k = 0; k < 64; k++) {
      double ratio = isExact ? 1 : (double) source[k] / (target[k] * fraction);
      multiplier[k] = (int) (ratio * (1 << SHIFT) + 0.5); // a cast saturates
      limit[k] = (int) Math.min(DEAD_ZONE / ratio, Short.MAX_VALUE);
    }
    int largest = MOST_DC / Math.max(dcStep, 1) + 1;
    dc = new int[isExact ? 0 : 2 * largest + 1];
    for (int i = 0; i < dc.length; i++) { dc[i] = nearest(Math.clamp((i - largest) * dcStep, -MOST_DC, MOST_DC)); }
  }

  /** The new value of the magnitude of an AC coefficient that passed: 1 to 1023. */
  int level(int c) {
    // Rounded at a little less than a half, so that ties go down although the multiplier is rounded itself.
    long product = (long) Coefficient.magnitude(c) * multiplier[Coefficient.index(c)] + (63 << SHIFT - 7); // 64: a half
    return (int) Math.min(Math.max(product >> SHIFT, 1), most);
  }

  /** The magnitude of an AC coefficient in new steps, not rounded. */
  float steps(int c) { return (float) Coefficient.magnitude(c) * multiplier[Coefficient.index(c)] / (1 << SHIFT); }
  float exact(int coefficient) { return steps(coefficient) * target[Coefficient.index(coefficient)]; }

  int dc(int value) {
    int largest = dc.length >> 1;
    return isExact ? value : dc[Math.clamp(value, -largest, largest) + largest];
  }

  // The new value of a DC coefficient, -1024 to 1023 so that differences fit (F.1.2.1). In smooth areas it alone makes
  // the samples, an eighth of it, rounded: the error after that counts, too. The weights, 5 and 12, are found by trial.
  private int nearest(int value) {
    int lower = Math.floorDiv(value, target[0]);
    int low = lower * target[0];
    int high = low + target[0];
    int sample = value + 4 >> 3;
    int lowError = 5 * (value - low) + 12 * Math.abs(sample - (low + 4 >> 3));
    int highError = 5 * (high - value) + 12 * Math.abs(sample - (high + 4 >> 3));
    boolean down = lowError == highError ? lower >= 0 : lowError < highError;
    return Math.clamp(down ? lower : lower + 1, -1024, 1023);
  }
}

/** A coefficient in one int: its index in zigzag order in bits 0 to 6, sign in bit 7, magnitude in those above. */
final class Coefficient {
  static final int MAX = 0x3FFF; // magnitude: 14 bits, for 15 are OptimalCode.PLAIN
  static int of(boolean negative, int magnitude, int index) { return magnitude << 8 | (negative ? 128 : 0) | index; }
  static int index(int coefficient) { return coefficient & 63; }
  static int magnitude(int coefficient) { return coefficient >> 8; }
  static int value(int coefficient) { return (magnitude(coefficient) ^ sign(coefficient)) - sign(coefficient); }
  /** 0, or -1 where it is negative. */
  static int sign(int coefficient) { return coefficient << 24 >> 31; }
  /** How many bits a magnitude, or a value of this magnitude, has (T.81 table F.1). */
  static int size(int magnitude) { return 32 - Integer.numberOfLeadingZeros(magnitude); }
}

// Writing -------------------------------------------------------------------------------------------------------------
// From blocks to the best Huffman codes for them: baseline or progressive, and a search for --smallest.

/** The best Huffman code for counted symbols, of at most 16 bits (T.81 annex K.2). */
final class OptimalCode {
  static final int PLAIN = 15; // in place of a size, which is less: as many bits as the run says, without a code
  static final OptimalCode NONE = new OptimalCode(new int[256], false);
  final long[] codes = new long[256]; // by symbol: the code, moved up by the size of its value, << 5 | the bits of both
  private final byte[] table = new byte[16 + 256]; // as in DHT: how many codes there are of each length, and symbols
  private int total; // of these
  private long bits; // that all the symbols take, values included

  /** In a scan that refines, sizes of 2 to 7 stand for 1, with that many bits less one behind its value. */
  OptimalCode(int[] counts, boolean refines) {
    int[] sums = new int[256];
    for (int s = 0; s < 256; s++) { sums[s - behind(s, refines)] += (s & 15) == PLAIN ? 0 : counts[s]; }
    long[] rarest = rarest(sums, 0);
    int[] size = sizes(rarest);
    for (int shift = 1; size[0] > 16; shift++) { // the longest; in place of figure K.3: what is rare counts for more
      rarest = rarest(sums, shift);
      size = sizes(rarest);
    }
    int code = 0;
    for (int i = rarest.length - 1, length = 1; i > 0; i--) { // figure K.4, annex C
      code <<= size[i] - length;
      length = size[i];
      int s = (int) rarest[i] & 0xFF;
      table[length - 1]++;
      table[16 + total++] = (byte) s;
      codes[s] = (long) code++ << (s & 15) + 5 | length + (s & 15);
    }
    for (int s = 0; s < 256; s++) {
      int behind = behind(s, refines);
      codes[s] = (s & 15) == PLAIN ? s >> 4 : (codes[s - behind] & ~31) << behind | (codes[s - behind] & 31) + behind;
      bits += counts[s] * (codes[s] & 31);
    }
  }

  private static int behind(int s, boolean refines) { return refines && (s & 15) % PLAIN > 1 ? (s & 15) - 1 : 0; }

  /** The symbols that there are, frequency << 9 | symbol; and 256, rarer than all, which takes the code of all ones. */
  private static long[] rarest(int[] counts, int shift) {
    long[] symbols = new long[257];
    int n = 0;
    symbols[n++] = 256;
    for (int s = 0; s < 256; s++) {
      long frequency = counts[s] + (1L << shift) - 1 >> shift; // rounded up: none is lost
      if (frequency > 0) { symbols[n++] = frequency << 9 | s; }
    }
    Arrays.sort(symbols, 0, n);
    return Arrays.copyOf(symbols, n);
  }

  // Figure K.1: the two rarest are joined until all are. Joined ones come rarest first, too: the next is always the
  // first symbol left or the first joined one left.
  private static int[] sizes(long[] rarest) {
    int n = rarest.length;
    long[] joined = new long[n]; // their frequencies
    int[] into = new int[2 * n]; // of symbols, and of those joined behind them
    int symbol = 0;
    int pair = 0;
    for (int next = 0; next < n - 1; next++) {
      for (int i = 0; i < 2; i++) {
        boolean alone = symbol < n && (pair == next || rarest[symbol] >> 9 <= joined[pair]);
        joined[next] += alone ? rarest[symbol] >> 9 : joined[pair];
        into[alone ? symbol++ : n + pair++] = n + next;
      }
    }
    int[] sizes = new int[2 * n];
    for (int i = 2 * n - 3; i >= 0; i--) { sizes[i] = sizes[into[i]] + 1; }
    return sizes;
  }

  /** The bits that it takes: those of the symbols, so many times, and those of its table. */
  long bits(int times) { return bits * times + (total == 0 ? 0 : (17 + total) * 8); }

  /** Writes the table for a DHT segment (B.2.4.2), with its class and identifier; none if there are no symbols. */
  void writeTo(ByteArrayOutputStream out, int id) {
    if (total > 0) {
      out.write(id);
      out.write(table, 0, 16 + total);
    }
  }
}

/** Arrays that images use one after the other: new ones must be zeroed, and are in the garbage collector's way. */
record Pool<T>(Supplier<T> maker, Queue<SoftReference<T>> free) {
  Pool(Supplier<T> maker) { this(maker, new ConcurrentLinkedQueue<>()); }

  T take() {
    SoftReference<T> next = free.poll();
    T array = next == null ? null : next.get();
    return array == null ? maker.get() : array;
  }

  void giveBack(T array) { free.add(new SoftReference<>(array)); }
}

// The AC coefficients of a component of the copy, for progressive scans, by the bits of their magnitudes. A block has
// six longs, of which five have a bit for each coefficient, the first on the left: whether its magnitude has bit 0, 1,
// 2, one above, and whether it is negative; the last is where its magnitudes that have one above begin among those.
final class Levels {
  static final int MAX_LOW = 3; // bits that are looked at one by one
  static final int BLOCK = 6; // longs
  static final Pool<char[]> CHARS = new Pool<>(() -> new char[1 << 16]);
  private static final Pool<long[]> LONGS = new Pool<>(() -> new long[BLOCK << 11]); // 2048 blocks
  final long[] bit = new long[MAX_LOW + 1]; // of the block read last: which have this bit (not of the last),
  final long[] nonzero = new long[MAX_LOW + 1]; // and which this bit or one above
  long negative;
  private int first; // where its large magnitudes begin
  private final int wide; // blocks in a row, those included that only fill up MCUs
  private final long[][] blocks;
  private final List<char[]> pieces = new ArrayList<>(); // of the large magnitudes
  private char[] large = {}; // of a block,
  private int size; // and what is in the last of them

  Levels(BlockGrid grid) {
    wide = grid.fullWide();
    blocks = new long[(grid.blocks() >> 11) + 1][];
    Arrays.setAll(blocks, i -> LONGS.take());
  }

  /** Adds the block at this place: kept[from] to kept[to - 1], which are requantized. */
  void add(int x, int y, int[] kept, int from, int to) {
    long[] some = blocks[y * wide + x >> 11];
    int at = (y * wide + x & 2047) * BLOCK;
    if (size > large.length - 64) { // more than a block has
      large = CHARS.take();
      pieces.add(large);
      size = 0;
    }
    some[at + 5] = pieces.size() - 1L << 16 | size;
    long bit0 = 0;
    long bit1 = 0;
    long bit2 = 0;
    long above = 0;
    long negative = 0;
    for (int i = from; i < to; i++) {
      int k = Coefficient.index(kept[i]);
      long magnitude = Coefficient.magnitude(kept[i]);
      bit0 |= (magnitude & 1) << ~k;
      bit1 |= (magnitude >> 1 & 1) << ~k;
      bit2 |= (magnitude >> 2 & 1) << ~k;
      negative |= (kept[i] >> 7 & 1L) << ~k;
      if (magnitude > 7) {
        above |= 1L << ~k;
        large[size++] = (char) magnitude;
      }
    }
    some[at] = bit0;
    some[at + 1] = bit1;
    some[at + 2] = bit2;
    some[at + 3] = above;
    some[at + 4] = negative;
  }

  void read(int x, int y) {
    long[] some = blocks[y * wide + x >> 11];
    int at = (y * wide + x & 2047) * BLOCK;
    nonzero[3] = some[at + 3];
    for (int i = 2; i >= 0; i--) {
      bit[i] = some[at + i];
      nonzero[i] = nonzero[i + 1] | bit[i];
    }
    negative = some[at + 4];
    first = (int) some[at + 5] & 0xFFFF;
    large = pieces.get((int) some[at + 5] >> 16);
  }

  void giveBack() {
    for (long[] some : blocks) { LONGS.giveBack(some); }
    pieces.forEach(CHARS::giveBack);
  }

  int magnitude(int k) {
    if ((nonzero[3] >>> ~k & 1) != 0) { return large[first + Long.bitCount(nonzero[3] & ~(-1L >>> k))]; }
    return (int) (bit[0] >>> ~k & 1 | (bit[1] >>> ~k & 1) << 1 | (bit[2] >>> ~k & 1) << 2);
  }
}

// A scan of a copy (T.81 B.2.3): all coefficients, as in baseline JPEG (F.1.2); or in progressive JPEG (annex G) those
// of DC, or of one component a band of the others; and of these all bits but the lowest, or one bit more. Its symbols
// are kept until their frequencies have given the best codes: a char is a symbol, RRRRSSSS, in the low byte, less than
// 8 bits of its value above; more follow in a char of their own.
final class CopyScan {
  static final int LAST = 0x8000; // from here on a char is the last of its block: an end of block code follows,
  static final int FULL = LAST | OptimalCode.PLAIN; // or, after this, none
  static final int END = 0xFF; // of a piece; no symbol that begins a block
  private static final int BLOCK = 260; // chars: more than a block takes
  private static final int MAX_END_RUN = 0x7FFF; // G.1.2.2
  private static final int MAX_BEHIND = 6; // corrections in one char with a symbol
  private static final int AC = 2; // codes: 0 and 1 of DC coefficients, and from here on two of the others
  final Plane[] planes; // one, or all
  private final int from, to, high, low; // Ss, Se, Ah, Al: coefficients; lowest bits known before (0: none), behind
  private final long band; // a bit for each of these coefficients
  private final int[][] counts = new int[4][256]; // of symbols, by code
  private final OptimalCode[] codes = new OptimalCode[4];
  private long bits; // that it takes
  private final int[] acCounts = counts[AC];
  private final Deque<char[]> pieces = new ArrayDeque<>(); // of the symbols
  private char[] piece = {}; // in work
  private int size; // of what is in it
  private int endRun; // EOBRUN: blocks that have ended and are not coded yet
  private char[] endPiece; // where they will be
  private int endPlace;

  CopyScan(int from, int to, int high, int low, Plane... planes) {
    this.planes = planes;
    this.from = from;
    this.to = to;
    this.high = high;
    this.low = low;
    band = -1L >>> from & -1L << 63 - to;
    for (int i = 0; from == 0 && i < planes.length; i++) { planes[i].scan = this; }
  }

  /** Scans of all coefficients up to this one: one of all components or, where that may not be, one of each. */
  static List<CopyScan> sequential(Plane[] planes, int to) {
    boolean together = Arrays.stream(planes).allMatch(p -> p.sampling == (p.copy.h() << 4 | p.copy.v()));
    return together ? List.of(new CopyScan(0, to, 0, 0, planes))
        : Arrays.stream(planes).map(plane -> new CopyScan(0, to, 0, 0, plane)).toList();
  }

  /** Adds the next block of the MCUs: its DC value; of the others kept[from] to kept[to - 1], if the scan has them. */
  void add(Plane plane, int value, Requantizer requantizer, int[] kept, int from, int to) {
    makeRoom(true);
    int[] ac = counts[AC + plane.table];
    int difference = value - plane.last;
    int sign = difference >> 31;
    int symbol = size; // the last
    int at = put(symbol, 0, (difference ^ sign) - sign, sign, counts[plane.table]);
    plane.last = value;
    int before = 0;
    for (int i = this.to > 0 ? from : to; i < to; i++) {
      int k = Coefficient.index(kept[i]);
      int zeros = k - before - 1;
      for (; zeros > 15; zeros -= 16) { at = put(at, 0xF0, 0, 0, ac); }
      int level = requantizer.level(kept[i]);
      symbol = at;
      at = put(at, zeros << 4, level, Coefficient.sign(kept[i]), ac);
      before = k;
    }
    if (before < 63) {
      piece[symbol] |= LAST;
      ac[0] += this.to > 0 ? 1 : 0;
    } else {
      piece[at++] = FULL;
    }
    size = at;
  }

  /** Puts a magnitude behind zeros, so many << 4, with its sign, at this place; returns the place behind. */
  private int put(int at, int run, int magnitude, int sign, int[] counts) {
    int size = Coefficient.size(magnitude);
    counts[run | size]++;
    return put(at, run | size, (magnitude ^ sign) & (1 << size) - 1);
  }

  /** Whether its value stands in the same char: it has less than 8 bits, as those of OptimalCode.PLAIN have. */
  static boolean isSmall(int symbol) { return (symbol + 1 & 15) <= 8; }

  /** Puts a symbol and its value at this place; returns the place behind. */
  private int put(int at, int symbol, int value) {
    if (isSmall(symbol)) {
      piece[at] = (char) (value << 8 | symbol);
      return at + 1;
    }
    piece[at] = (char) symbol;
    piece[at + 1] = (char) value;
    return at + 2;
  }

  private void makeRoom(boolean keep) {
    if (size > piece.length - BLOCK) {
      if (size > 0 && keep) { endPiece(); }
      piece = size == 0 || keep ? Levels.CHARS.take() : piece;
      size = 0;
    }
  }

  private void endPiece() {
    if (from > 0) { put(FULL, 0); }
    piece[size] = END;
    pieces.add(piece);
  }

  /** Finds the symbols of a component's band, of one in so many rows of blocks; if they are not kept, counts them. */
  private void code(int everyRow, boolean keep) {
    BlockGrid grid = planes[0].copy;
    Levels block = planes[0].levels;
    for (int y = 0; y < grid.high(); y += everyRow) {
      for (int x = 0; x < grid.wide(); x++) {
        block.read(x, y);
        makeRoom(keep);
        code(block);
      }
    }
    endRun();
  }

  /** Makes the best codes; returns how many bits all takes, the symbols being those of one in so many rows. */
  long bits(int everyRow, boolean keep) {
    if (codes[3] == null) { // scripts share scans
      if (from > 0) { code(everyRow, keep); }
      endPiece();
      if (!keep) { Levels.CHARS.giveBack(pieces.removeLast()); }
      for (int i = 0; i < 4; i++) {
        codes[i] = from > 0 && i != AC ? OptimalCode.NONE : new OptimalCode(counts[i], from > 0 && high > 0);
        bits += codes[i].bits(everyRow);
      }
    }
    return bits;
  }

  void write(CopyWriter out) {
    bits(1, true);
    ByteArrayOutputStream tables = new ByteArrayOutputStream();
    for (int i : new int[] {0, AC, 1, AC + 1}) { codes[i].writeTo(tables, i / AC << 4 | i % AC); }
    ByteBuffer header = ByteBuffer.allocate(2 * planes.length + 4).put((byte) planes.length);
    List<long[]> mcu = new ArrayList<>(); // by block: the codes of its first symbol, and of the others
    for (Plane plane : planes) {
      int table = from > 0 ? 0 : plane.table;
      header.put((byte) (plane.index + 1)).put((byte) (table << 4 | (to == 0 ? 0 : table)));
      List<long[]> both = List.of(codes[from > 0 ? AC : table].codes, codes[AC + table].codes);
      for (int i = plane.copy.h() * plane.copy.v(); i > 0; i--) { mcu.addAll(both); }
    }
    header.put((byte) from).put((byte) to).put((byte) (high << 4 | low));
    if (tables.size() > 0) { out.segment(Marker.DHT, tables.toByteArray()); }
    out.segment(Marker.SOS, header.array());
    long[][] blocks = mcu.toArray(new long[0][]);
    for (int next = 0; !pieces.isEmpty(); Levels.CHARS.giveBack(pieces.removeFirst())) {
      next = out.blocks(pieces.getFirst(), blocks, next);
    }
    piece = null; // nobody holds what the pool has
    out.endScan();
  }

  /** Codes what of a block becomes known (G.1.2.2), and a bit more of what was known before (G.1.2.3). */
  private void code(Levels block) {
    long known = high == 0 ? 0 : block.nonzero[high] & band; // and not corrected yet
    long zeros = band & ~block.nonzero[low];
    long added = band & ~known & ~zeros;
    if (added != 0) { endRun(); }
    for (long rest = added; rest != 0; ) {
      int k = Long.numberOfLeadingZeros(rest);
      long behind = -1L >>> k; // from k on
      int run = Long.bitCount(zeros & ~behind);
      for (; run > 15; run -= 16) {
        for (int i = 0; i < 15; i++) { zeros ^= Long.highestOneBit(zeros); }
        long left = Long.highestOneBit(zeros) - 1;
        zeros &= left;
        put(0xF0, 0);
        correct(block, known & ~left);
        known &= left;
      }
      int magnitude = high > 0 ? 1 : block.magnitude(k) >> low;
      int size = Coefficient.size(magnitude);
      int value = (int) (magnitude ^ -(block.negative >>> ~k & 1)) & (1 << size) - 1;
      long passed = known & ~behind;
      int n = Long.bitCount(passed);
      if (n <= MAX_BEHIND) {
        put(run << 4 | size + n, value << n | (int) Long.compress(block.bit[low], passed));
      } else {
        put(run << 4 | size, value);
        correct(block, passed);
      }
      known &= behind;
      zeros &= behind;
      rest &= behind >>> 1;
    }
    if ((added >>> ~to & 1) == 0) { // the band's last is not among them
      if (endRun++ == 0) {
        endPiece = piece;
        endPlace = size;
        size += 3;
      }
      correct(block, known);
      if (endRun == MAX_END_RUN) { endRun(); }
    }
  }

  /** Codes that blocks have ended, in front of their corrections. */
  private void endRun() {
    if (endRun > 0) {
      char[] last = piece;
      int behind = size;
      int bits = Coefficient.size(endRun) - 1;
      piece = endPiece;
      size = endPlace;
      put(bits << 4, 0);
      int low = Math.min(bits, 7);
      put(bits - low << 4 | OptimalCode.PLAIN, endRun - (1 << bits) >> low);
      put(low << 4 | OptimalCode.PLAIN, endRun & (1 << low) - 1);
      piece = last;
      size = behind;
      endRun = 0;
    }
  }

  /** Puts the lowest bit of these coefficients, without a code. */
  private void correct(Levels block, long which) {
    long values = Long.compress(block.bit[low], which);
    for (int n = Long.bitCount(which); n > 0; n -= 7) {
      int m = Math.min(n, 7);
      put(m << 4 | OptimalCode.PLAIN, (int) (values >>> n - m) & (1 << m) - 1);
    }
  }

  private void put(int symbol, int value) {
    acCounts[symbol & 0xFF]++;
    size = put(size, symbol, value);
  }
}

// Chooses the AC coefficients of a component for --smallest: rate-distortion optimal quantization, as
// mozjpeg's. Where errors are seen less, in what is busy, very dark or very bright, bits count more.
final class Smallest {
  private static final float ROUNDING = 0.38f; // up: a lower level often takes fewer bits
  private static final float SURE = 1.5f; // steps: what is larger does not become zero
  private static final float[] BITS = new float[256]; // of a symbol and its value, about, as in progressive scans

  static {
    for (int s = 0; s < 256; s++) { BITS[s] = Math.min(15, 0.65f * (s >> 4) + 2.3f * (s & 15) - 0.3f) + (s & 15); }
    BITS[0xF0] = 13;
    BITS[0] = 2; // that a block ends, mostly one of several
  }

  final int[] chosen = new int[64]; // the coefficients of a block
  private final Plane plane;
  final Requantizer requantizer;
  private final float[] weights = new float[64]; // by index
  private final float[] visible; // by MCU: how much is seen of errors, as its last block of the first component tells
  private final float lambda; // the error that a bit is worth; 0: it only rounds
  private final int[] index = new int[65]; // of the coefficients of a block, from 1; 0 stands for its begin
  private final int[] level = new int[65]; // the nearest,
  private final float[] gain = new float[65]; // and by how much its error is less than that of zero
  private final float[] least = new float[65]; // the least cost of what follows if the coefficient remains,
  private final int[] next = new int[65]; // and the one that then remains next; 0: none

  Smallest(Plane plane, Requantizer requantizer, int[] wanted, float[] visible, float lambda) {
    this.plane = plane;
    this.requantizer = requantizer;
    this.visible = visible;
    this.lambda = lambda;
    for (int k = 0; k < 64; k++) { // errors count in the steps of the quality, though the source's are larger;
      double ratio = (double) requantizer.target[k] / wanted[k]; // and more in fine details
      weights[k] = (float) (ratio * ratio * (1 + Math.max(0, PerceptualTables.diagonal(k) - 2) / 8.0));
    }
  }

  /** How much is seen of errors in a block; of the first component it also tells the others. */
  float look(int x, int y, int value, int[] kept, int from, int to) {
    int place = plane.mcu(x, y);
    if (plane.index > 0) { return visible[place]; }
    double energy = 0;
    for (int i = from; i < to; i++) { energy += Math.pow(requantizer.exact(kept[i]), 2); }
    double light = Math.log((Math.max(value * requantizer.dcStep / 8.0 + 128, 0) + 20) / 110);
    double busy = Math.sqrt(Math.sqrt(Math.sqrt((energy + 1000) / 3000)));
    return visible[place] = (float) (Math.exp(-0.4 * light * light) / busy);
  }

  // Chooses of a block's kept[from] to kept[to - 1] those for which the weighted squares of errors, in steps, and
  // lambda times the bits are least in sum; lambda is 0 if it only rounds. Returns how many there are in chosen.
  int choose(float look, int[] kept, int from, int to) {
    float lambda = this.lambda / look;
    int sure = to - from; // the one next to which others need not be looked at
    boolean mayEnd = true;
    for (int i = to - from; i >= 0; i--) {
      int k = i == 0 ? 0 : Coefficient.index(kept[from + i - 1]);
      index[i] = k;
      least[i] = !mayEnd ? Float.MAX_VALUE : k < 63 && i > 0 ? lambda * BITS[0] : 0;
      next[i] = 0;
      for (int j = i + 1; j <= sure; j++) {
        int run = index[j] - k - 1;
        float cost = least[j] - gain[j]
            + lambda * ((run >> 4) * BITS[0xF0] + BITS[(run & 15) << 4 | Coefficient.size(level[j])]);
        if (cost < least[i]) {
          least[i] = cost;
          next[i] = j;
        }
      }
      if (i > 0) {
        float steps = requantizer.steps(kept[from + i - 1]);
        level[i] = lambda == 0 ? requantizer.level(kept[from + i - 1]) : Math.clamp((int) (steps + ROUNDING), 1, 1023);
        gain[i] = weights[k] * level[i] * (2 * steps - level[i]);
        sure = steps > SURE ? i : sure;
        mayEnd &= steps <= SURE;
      }
    }
    int n = 0;
    for (int i = next[0]; i > 0; i = next[i]) {
      chosen[n++] = Coefficient.of(Coefficient.sign(kept[from + i - 1]) < 0, level[i], index[i]);
    }
    return n;
  }
}

/** MCUs of about 128,000 pixels of a photograph: what is seen of errors in them, more in what is red. */
final class Sample {
  private record Block(float look, double red, float dc, int[] kept) {} // red: how many times more is seen
  private final Map<Plane, List<Block>> blocks = new LinkedHashMap<>(); // in order, for sums that are always the same
  private final long share; // of 2 to the power of 32

  Sample(JpegHeader header) { share = (long) (0x1p32 * Math.min(1, 128_000.0 / header.width / header.height)); }

  /** Whether it has this MCU: by the golden ratio, and so evenly. */
  boolean takes(int mcu) { return (mcu * 0x9E3779B9L & 0xFFFFFFFFL) < share; }

  void add(Plane plane, float look, int value, int[] kept, int from, int to) {
    float dc = value * plane.requantizer.dcStep;
    double red = plane.table > 0 && plane.index == 2 && dc > 0 ? 1 + dc * dc / 5e4 : 1; // Cr
    List<Block> some = blocks.computeIfAbsent(plane, p -> new ArrayList<>());
    some.add(new Block(look, red, dc, Arrays.copyOfRange(kept, from, to)));
  }

  /** By what a component's steps are to be multiplied, as its details are in what is red; 1 if it is hardly less. */
  double scale(Plane plane) {
    double all = 1;
    double seen = 1;
    for (Block block : blocks.get(plane)) {
      double energy = IntStream.of(block.kept).mapToDouble(c -> Math.pow(plane.requantizer.exact(c), 2)).sum();
      all += energy;
      seen += energy * block.red;
    }
    return all / seen > 0.8 ? 1 : Math.pow(all / seen, 0.45); // a table of its own takes bytes, too
  }

  /** What is seen of the errors where these choose the coefficients. */
  double error(Function<Plane, Smallest> choosers) {
    double sum = 0;
    int[] few = new int[64];
    double[] exact = new double[64]; // by index
    for (Plane plane : blocks.keySet()) {
      Smallest smallest = choosers.apply(plane);
      int[] steps = smallest.requantizer.target;
      float[] seen = PerceptualTables.seen(plane.table == 0 ? 0 : plane.index);
      double lost = 0;
      for (Block block : smallest.requantizer.isExact ? List.<Block>of() : blocks.get(plane)) {
        double errors = seen[0] * Math.pow(block.dc - Math.rint(block.dc / steps[0]) * steps[0], 2);
        int n = 0;
        for (int coefficient : block.kept) {
          int k = Coefficient.index(coefficient);
          exact[k] = plane.requantizer.exact(coefficient);
          errors += seen[k] * exact[k] * exact[k];
          few[n] = coefficient;
          n += exact[k] > 0.5 * steps[k] ? 1 : 0; // others become 0
        }
        n = smallest.choose(block.look, few, 0, n);
        for (int i = 0; i < n; i++) {
          int k = Coefficient.index(smallest.chosen[i]);
          double value = Coefficient.magnitude(smallest.chosen[i]) * steps[k];
          errors += seen[k] * value * (value - 2 * exact[k]);
        }
        lost += block.look * block.look * block.red * errors;
      }
      sum += lost / blocks.get(plane).size();
    }
    return sum;
  }
}

/** Writes a copy (T.81 figure B.2): its segments, and its scans bit by bit. */
final class CopyWriter {
  private static final int PIECE = 1 << 16; // bytes
  private static final List<Integer> BAND_ENDS = List.of(5, 2, 8, 63, 18); // more bring next to nothing
  private static final List<Integer> LOWS = List.of(0, 1, 2, Levels.MAX_LOW);
  private final List<ByteBuffer> full = new ArrayList<>(); // what is written, in pieces
  private byte[] out = new byte[1024]; // the last of them
  private int position;
  private long bits; // not written yet, right-aligned
  private int count;

  /** The copy without metadata, baseline or progressive. */
  static byte[] write(JpegHeader header, Plane[] planes, List<CopyScan> scans, boolean progressive) {
    CopyWriter copy = new CopyWriter(header, planes, progressive);
    for (CopyScan scan : scans) { scan.write(copy); }
    for (Plane plane : progressive ? planes : new Plane[0]) {
      for (CopyScan scan : script(plane)) { scan.write(copy); }
      plane.levels.giveBack();
      plane.levels = null;
    }
    copy.full.add(ByteBuffer.wrap(copy.out, 0, copy.position));
    ByteBuffer all = ByteBuffer.allocate(copy.full.stream().mapToInt(ByteBuffer::limit).sum() + 2);
    copy.full.forEach(all::put);
    return all.putShort((short) (0xFF00 | Marker.EOI)).array();
  }

  // The scans of a component's AC coefficients that take the fewest bits, as a sample of its rows tells: how many bits
  // come later in scans of their own, and where the band of low frequencies ends.
  private static List<CopyScan> script(Plane plane) {
    Map<List<Integer>, CopyScan> known = new HashMap<>(); // scripts share scans
    int about = best(plane, BAND_ENDS, some -> script(plane, 0, some, known));
    int low = best(plane, LOWS, some -> script(plane, some, about, known));
    int end = best(plane, BAND_ENDS, some -> script(plane, low, some, known));
    return script(plane, low, end, new HashMap<>());
  }

  private static List<CopyScan> script(Plane plane, int low, int end, Map<List<Integer>, CopyScan> known) {
    List<List<Integer>> scans = new ArrayList<>(List.of(List.of(1, end, 0, low)));
    if (end < 63) { scans.add(List.of(end + 1, 63, 0, low)); }
    for (int bit = low; bit > 0; bit--) { scans.add(List.of(1, 63, bit, bit - 1)); }
    return scans.stream().map(scan -> known.computeIfAbsent(scan,
        key -> new CopyScan(scan.get(0), scan.get(1), scan.get(2), scan.get(3), plane))).toList();
  }

  /** The value whose scans take the fewest bits. */
  private static int best(Plane plane, List<Integer> values, Function<Integer, List<CopyScan>> scans) {
    return Collections.min(values, Comparator.comparing(
        value -> scans.apply(value).stream().mapToLong(scan -> scan.bits(everyRow(plane), false)).sum()));
  }

  private static int everyRow(Plane plane) { return Math.max(1, plane.copy.wide() * plane.copy.high() / 2_000); }

  /** Writes what stands before the scans: the start, the quantization tables (B.2.4.1), the frame (B.2.2). */
  private CopyWriter(JpegHeader header, Plane[] planes, boolean progressive) {
    ByteArrayOutputStream tables = new ByteArrayOutputStream();
    List<IntBuffer> written = new ArrayList<>();
    ByteBuffer frame = ByteBuffer.allocate(6 + 3 * planes.length).put((byte) 8);
    frame.putShort((short) header.height).putShort((short) header.width).put((byte) planes.length);
    boolean anyWide = false;
    for (Plane plane : planes) {
      int[] steps = plane.requantizer.target;
      int id = written.indexOf(IntBuffer.wrap(steps)); // components of the same steps share a table
      if (id < 0) {
        id = written.size();
        boolean wide = Arrays.stream(steps).max().orElse(0) > 255;
        anyWide |= wide;
        written.add(IntBuffer.wrap(steps));
        tables.write(wide ? id | 0x10 : id);
        for (int step : steps) {
          tables.writeBytes(wide ? new byte[] {(byte) (step >> 8), (byte) step} : new byte[] {(byte) step});
        }
      }
      frame.put((byte) (plane.index + 1)).put((byte) plane.sampling).put((byte) id);
    }
    out[position++] = -1;
    out[position++] = (byte) Marker.SOI;
    segment(Marker.DQT, tables.toByteArray());
    segment(progressive ? Marker.SOF2 : anyWide ? Marker.SOF0 + 1 : Marker.SOF0, frame.array());
  }

  void segment(int marker, byte[] parameters) {
    makeRoom(parameters.length + 4);
    ByteBuffer segment = ByteBuffer.wrap(out, position, parameters.length + 4);
    segment.putShort((short) (0xFF00 | marker)).putShort((short) (parameters.length + 2)).put(parameters);
    position = segment.position();
  }

  /** Writes a piece of a scan's symbols with the codes of an MCU's blocks, this one being next; returns the next. */
  int blocks(char[] piece, long[][] mcu, int next) {
    for (int at = 0; piece[at] != CopyScan.END; next = next + 2 == mcu.length ? 0 : next + 2) {
      at = block(piece, at, mcu[next], mcu[next + 1]);
    }
    return next;
  }

  private int block(char[] piece, int at, long[] codes, long[] others) { // called often, it is compiled soon
    int symbol;
    do { // the hot loop
      symbol = piece[at++];
      long code = codes[symbol & 0xFF];
      put(code, CopyScan.isSmall(symbol) ? symbol >> 8 & 0x7F : piece[at++]);
      codes = others;
    } while (symbol < CopyScan.LAST);
    if (symbol != CopyScan.FULL) { put(others[0], 0); }
    return at;
  }

  /** Writes a code with its value. */
  private void put(long code, int value) {
    bits = bits << (code & 31) | (code >> 5) + value;
    count += (int) code & 31;
    if (count >= 32) {
      count -= 32;
      int four = (int) (bits >>> count);
      makeRoom(8);
      if ((four & ~four - 0x01010101 & 0x80808080) == 0) { // none of the bytes is 0xFF
        Segments.INTS.set(out, position, four);
        position += 4;
      } else {
        for (int shift = 24; shift >= 0; shift -= 8) { put(four >> shift & 0xFF); }
      }
    }
  }

  private void put(int octet) {
    out[position++] = (byte) octet;
    if (octet == 0xFF) { out[position++] = 0; } // B.1.1.5
  }

  void endScan() {
    bits = bits << 7 | 0x7F; // the last byte is filled up with ones
    makeRoom(8);
    for (count += 7; count >= 8; count -= 8) { put((int) (bits >>> count - 8 & 0xFF)); }
    count = 0;
  }

  private void makeRoom(int octets) {
    if (octets > out.length - position) {
      full.add(ByteBuffer.wrap(out, 0, position));
      out = new byte[Math.max(PIECE, octets)];
      position = 0;
    }
  }
}

// Engine --------------------------------------------------------------------------------------------------------------
// From a source to its copy: its components, tables and scans, all of which are decoded side by side.

// The blocks of a component: how many an MCU of its scans has across and down, its sampling factors or 1 where it is
// alone in them (T.81 A.2.2); and how many hold what is visible of the picture.
record BlockGrid(int h, int v, int wide, int high) {
  /** Of a component with these sampling factors, where the largest are hMax and vMax (T.81 A.1.1). */
  static BlockGrid of(JpegHeader header, int h, int v, int hMax, int vMax) {
    return new BlockGrid(h, v, Math.ceilDiv(Math.ceilDiv(header.width * h, hMax), 8),
        Math.ceilDiv(Math.ceilDiv(header.height * v, vMax), 8));
  }

  int mcusWide() { return Math.ceilDiv(wide, h); }
  int mcusHigh() { return Math.ceilDiv(high, v); }
  /** With those that only fill up MCUs. */
  int fullWide() { return mcusWide() * h; }
  int blocks() { return fullWide() * mcusHigh() * v; }
}

/** One component on its way through the engine: what it is in the source, and what it becomes in the copy. */
final class Plane {
  static final int UNSEEN = 99;
  private static final int MAX_BLOCKS = 10; // in an MCU of several components (B.2.3)
  final JpegHeader.Component component;
  final int index; // in the frame
  final int sampling; // of the copy: its factors, as in the frame
  final int table; // of the copy's Huffman codes: 0, or of chrominance 1
  final boolean isCoarse; // it gets the steps of chrominance, which are made for 4:2:0
  final BlockGrid source;
  final BlockGrid copy; // progressive: no MCUs of several rows, as DC mostly differs least from its left neighbour
  int[] steps; // of the source's quantization table
  final int[] low = new int[64]; // lowest bit known of each coefficient (successive approximation)
  Requantizer requantizer;
  CopyScan scan; // of the copy: all coefficients, or those of DC,
  int last; // the DC coefficient added to it last
  Levels levels; // and the others, if it is progressive
  Sample sample; // to be taken instead of a copy, or null
  Smallest smallest; // null: coefficients are rounded
  ChromaDownsampler downsampler; // null: none

  // The one of this index where these are all sampling factors of the copy.
  Plane(JpegHeader header, int index, int[] h, int[] v, boolean progressive) {
    this.index = index;
    component = header.components.get(index);
    sampling = h[index] << 4 | v[index];
    boolean chrominance = (header.kind == JpegHeader.Kind.YCBCR || header.kind == JpegHeader.Kind.YCCK)
        && index % 3 > 0;
    table = chrominance ? 1 : 0;
    isCoarse = chrominance && h[0] == 2 * h[index] && v[0] == 2 * v[index] && h.length == 3;
    source = h.length == 1 ? BlockGrid.of(header, 1, 1, 1, 1) // an MCU is one block (A.2.2)
        : BlockGrid.of(header, component.h(), component.v(), header.maxH, header.maxV);
    int hMax = 0; // no streams where each image has several: a start that is cold runs them slowly
    int vMax = 0;
    int blocks = 0;
    for (int i = 0; i < h.length; i++) {
      hMax = Math.max(hMax, h[i]);
      vMax = Math.max(vMax, v[i]);
      blocks += h[i] * v[i];
    }
    BlockGrid grid = BlockGrid.of(header, h[index], v[index], hMax, vMax);
    copy = blocks > MAX_BLOCKS || vMax > 1 && progressive ? new BlockGrid(1, 1, grid.wide(), grid.high()) : grid;
    Arrays.fill(low, UNSEEN);
  }

  /** Adds the block at this place of the copy: its DC value; of the others kept[from] to kept[to - 1]. */
  void add(int x, int y, int dc, int[] kept, int from, int to) {
    float look = smallest == null ? 1 : smallest.look(x, y, dc, kept, from, to);
    if (sample != null) {
      sample.add(this, look, dc, kept, from, to);
    } else if (smallest == null || requantizer.isExact) {
      put(x, y, requantizer.dc(dc), requantizer, kept, from, to);
    } else {
      int n = smallest.choose(look, kept, from, to);
      put(x, y, requantizer.dc(dc), Requantizer.EXACT, smallest.chosen, 0, n);
    }
  }

  /** The MCU that has the block at this place, by all components' sampling factors. */
  int mcu(int x, int y) { return y / (sampling & 15) * Math.ceilDiv(copy.wide(), sampling >> 4) + x / (sampling >> 4); }

  /** Adds a block that only fills up an MCU, the cheapest there is: without a difference, and empty. */
  void addPadding(int x, int y) { put(x, y, last, null, null, 0, 0); }

  private void put(int x, int y, int value, Requantizer requantizer, int[] kept, int from, int to) {
    if (levels != null) { levels.add(x, y, kept, from, to); }
    scan.add(this, value, requantizer, kept, from, to);
  }
}

/** The blocks of a component in the MCU rows in work: of each, its DC coefficient and a list of the others kept. */
final class BlockRows {
  static final int BLOCK = 410; // bytes that a block takes, in progressive JPEG
  final int[] limits; // by index: up to this magnitude coefficients are not kept
  final int stride; // blocks in a row, those included that fill up the last MCU
  int first; // the row of the copy that begins with them
  final int[] dc; // by block
  final int[] kept; // Coefficients: those of a block from 64 times its index on
  final int[] ends; // by block: the place behind its last in kept
  final short[] values; // by block, in zigzag order: DC and the wanted, where scans make them exact one after the other
  final long[] nonzero; // by block: a bit for each coefficient that is not zero, but for DC
  final long[] wanted; // and for each of them that may still be over its limit at the end

  BlockRows(BlockGrid grid, int rowsAtOnce, int[] limits, boolean progressive) {
    this.limits = limits;
    stride = grid.fullWide();
    int blocks = stride * grid.v() * rowsAtOnce;
    dc = new int[blocks];
    kept = new int[blocks * 64];
    ends = new int[blocks];
    values = new short[progressive ? blocks * 64 : 0];
    nonzero = new long[progressive ? blocks : 0];
    wanted = new long[nonzero.length];
  }

  /** Sets a coefficient whose low bits, so many, are still to come. */
  void set(int block, int k, int value, int low) {
    values[block * 64 + k] = (short) value;
    nonzero[block] |= 1L << k;
    wanted[block] |= (long) (limits[k] - (Math.abs(value) | (1 << low) - 1) >>> 31) << k;
  }

  /** After the scans of MCU rows: makes lists of the values, and makes these zero for the next. */
  void list() {
    for (int block = 0; block < nonzero.length; block++) {
      int at = block * 64;
      int n = at;
      for (long rest = wanted[block]; rest != 0; rest &= rest - 1) {
        int k = Long.numberOfTrailingZeros(rest);
        int magnitude = Math.min(Math.abs(values[at + k]), Coefficient.MAX);
        kept[n] = Coefficient.of(values[at + k] < 0, magnitude, k);
        n += limits[k] - magnitude >>> 31;
      }
      dc[block] = values[at];
      ends[block] = n;
      nonzero[block] = 0;
      wanted[block] = 0;
    }
  }
}

/** The tables that stand between the scans, and hold for those behind (T.81 B.2.4). */
final class Tables {
  private static final JPEGHuffmanTable[] USUAL = {JPEGHuffmanTable.StdDCLuminance,
      JPEGHuffmanTable.StdDCChrominance, JPEGHuffmanTable.StdACLuminance, JPEGHuffmanTable.StdACChrominance};
  final int[][] quantization = new int[4][]; // by identifier: what was defined last
  private final int[] huffman = new int[32]; // where they stand, by class (0 DC, 16 AC) and identifier; 0: nowhere
  int restartInterval;

  /** B.2.4.1. */
  void readQuantization(Segments s) throws JpegException {
    for (int at = s.start; at < s.end; ) {
      int bytes = 1 + (s.jpeg[at] >> 4 & 15);
      int id = s.jpeg[at++] & 15;
      JpegException.check(bytes <= 2 && id <= 3 && s.end - at >= 64 * bytes, "a quantization table");
      int[] steps = new int[64];
      for (int k = 0; k < 64; k++, at += bytes) { steps[k] = bytes == 1 ? s.jpeg[at] & 0xFF : s.u16(at); }
      quantization[id] = steps;
    }
  }

  /** B.2.4.2. Whether a table is sound is not asked before a scan needs it, as in libjpeg. */
  void readHuffman(Segments s) throws JpegException {
    for (int at = s.start; at < s.end; ) {
      int id = s.jpeg[at++] & 0xFF;
      int total = 16;
      for (int i = 0; i < 16 && at + i < s.end; i++) { total += s.jpeg[at + i] & 0xFF; }
      JpegException.check((id & 0xEC) == 0 && total <= 16 + 256 && s.end - at >= total, "a Huffman table");
      huffman[id] = at;
      at += total;
    }
  }

  /** The code of a table; where a sequential scan has none, as in frames of films, libjpeg takes the usual (K.3). */
  HuffmanCode code(byte[] jpeg, int id, boolean progressive) throws JpegException {
    int at = huffman[id];
    JpegException.check(at > 0 || !progressive && (id & 15) < 2, "a Huffman table is missing");
    return new HuffmanCode(at > 0 ? jpeg : usual(USUAL[id >> 3 | id & 1]), at, id < 16, progressive);
  }

  private static byte[] usual(JPEGHuffmanTable table) {
    ByteBuffer bytes = ByteBuffer.allocate(16 + 256);
    for (short count : table.getLengths()) { bytes.put((byte) count); }
    for (short symbol : table.getValues()) { bytes.put((byte) symbol); }
    return bytes.array();
  }
}

/** A component in a scan: what decodes it, and where its blocks are put. */
final class ScanComponent {
  Plane plane;
  HuffmanCode dc, ac;
  int[] lookup; // of ac
  BlockRows rows;
  BlockGrid grid; // its MCUs are one block if it is alone in the scan (A.2.2)
  int prediction; // the DC coefficient before
  int white, glaring; // its magnitude in blocks of white or black, as encoders have it; how many are beyond that
}

// A scan (T.81 B.2.3, F.2, annex G). All scans of an image are decoded side by side, one MCU row at a time, so that a
// few rows of the image are in memory and never the whole.
final class Scan {
  private static final int MAX_GLARING = 8; // blocks of a component: damaged data soon has more, photographs have none
  final boolean isAll; // of the picture, and so can be decoded at once
  final ScanReader in;
  private final ScanComponent[] components;
  private final boolean progressive;
  private final int from, to, high, low; // Ss, Se, Ah, Al: what coefficients it has, and which bits of them
  private final int[] found = new int[64]; // coefficients of a block
  private final ScanComponent[] mcu = new ScanComponent[64]; // by block of an MCU: its component,
  private final int[] places = new int[64]; // where it is put,
  private final int[] steps = new int[64]; // and by how much farther that of the next MCU

  Scan(Segments s, Tables tables, Plane[] frame, boolean progressive) throws JpegException {
    byte[] jpeg = s.jpeg;
    int n = s.size() < 1 ? 0 : jpeg[s.start];
    JpegException.check(n >= 1 && n <= frame.length && s.size() == 4 + 2 * n, "the header of a scan");
    this.progressive = progressive;
    from = progressive ? jpeg[s.end - 3] : 0; // like libjpeg, it does not look what a sequential scan has there
    to = progressive ? jpeg[s.end - 2] : 63;
    high = progressive ? jpeg[s.end - 1] >> 4 & 15 : 0;
    low = progressive ? jpeg[s.end - 1] & 15 : 0;
    boolean band = from == 0 && to == 0 || from > 0 && from <= to && to < 64 && n == 1;
    boolean bit = high == 0 ? low <= 13 : low == high - 1;
    JpegException.check(!progressive || band && bit, "the header of a scan");
    components = new ScanComponent[n];
    int taken = 0; // a bit for each component that the scan has
    for (int i = 0; i < n; i++) {
      int id = jpeg[s.start + 1 + 2 * i] & 0xFF;
      int codes = jpeg[s.start + 2 + 2 * i];
      int index = 0; // where identifiers are not unique, libjpeg takes the first component that the scan has not yet
      while (index < frame.length && (frame[index].component.id() != id || (taken >> index & 1) > 0)) { index++; }
      JpegException.check(index < frame.length && taken >> index == 0, "the header of a scan"); // the frame's order
      taken |= 1 << index;
      Plane plane = frame[index];
      for (int k = from; k <= to; k++) { // that these coefficients are due (G.1.1.1)
        JpegException.check(plane.low[k] == (high == 0 ? Plane.UNSEEN : high), "scans that contradict each other");
        plane.low[k] = low;
      }
      plane.steps = plane.steps == null ? tables.quantization[plane.component.tq()] : plane.steps; // at its first scan
      JpegException.check(plane.steps != null, "a quantization table is missing");
      ScanComponent c = components[i] = new ScanComponent();
      c.plane = plane;
      c.white = Requantizer.MOST_DC / Math.max(plane.steps[0], 1) + 1;
      c.dc = from + high > 0 ? null : tables.code(jpeg, codes >> 4 & 15, progressive);
      c.ac = to == 0 ? null : tables.code(jpeg, 16 + (codes & 15), progressive);
      c.grid = n > 1 ? plane.source : new BlockGrid(1, 1, plane.source.wide(), plane.source.high());
    }
    isAll = !progressive && n == frame.length;
    int end = isAll ? jpeg.length : Segments.endOfScan(jpeg, s.end);
    in = new ScanReader(jpeg, s.end, end, tables.restartInterval);
  }

  void start(BlockRows[] all) {
    for (ScanComponent c : components) {
      c.rows = all[c.plane.index];
      int[] limits = progressive ? Requantizer.ALL : c.rows.limits; // more bits may follow
      c.lookup = to == 0 || high > 0 ? null : c.ac.lookup(limits);
    }
  }

  /** Decodes MCU row y of so many in the frame into this MCU row of those in work. */
  void decodeRow(int y, int of, int row) throws JpegException {
    in.percent = y * 100 / of;
    BlockGrid grid = components[0].grid;
    int rows = components[0].plane.source.v() / grid.v(); // of MCUs of the scan, in one of the frame
    for (int sub = 0; sub < rows && y * rows + sub < grid.mcusHigh(); sub++) {
      int n = 0; // blocks of an MCU
      for (ScanComponent c : components) {
        for (int i = 0; i < c.grid.h() * c.grid.v(); i++) {
          mcu[n] = c;
          steps[n] = c.grid.h();
          places[n++] = (row * c.plane.source.v() + sub + i / c.grid.h()) * c.rows.stride + i % c.grid.h();
        }
      }
      for (int x = grid.mcusWide(); x > 0; x--) { decodeMcu(n); }
    }
  }

  /** Decodes so many blocks; called often, and so compiled soon, unlike the loop over a row. */
  private void decodeMcu(int blocks) throws JpegException {
    if (in.passRestart()) {
      for (ScanComponent c : components) { c.prediction = 0; }
    }
    for (int i = 0; i < blocks; i++) {
      block(mcu[i], places[i]);
      places[i] += steps[i];
    }
  }

  private void block(ScanComponent c, int block) throws JpegException {
    in.prepare();
    BlockRows rows = c.rows;
    if (!progressive) {
      rows.dc[block] = nextDc(c);
      rows.ends[block] = in.coefficients(c.ac, c.lookup, 0, 63, rows.kept, block * 64);
    } else if (from == 0) { // G.1.2.1
      rows.values[block * 64] = (short) (high == 0 ? nextDc(c) : rows.values[block * 64] | in.take(1) << low);
    } else if (high > 0) {
      in.refine(c.ac, -1L << from & -1L >>> 63 - to, low, rows, block);
    } else if (in.endRun > 0) { // blocks in a row that end without code (G.1.2.2)
      in.endRun--;
    } else {
      int n = in.coefficients(c.ac, c.lookup, from - 1, to, found, 0);
      for (int i = 0; i < n; i++) {
        int value = Math.clamp((long) Coefficient.value(found[i]) << low, -Coefficient.MAX, Coefficient.MAX);
        rows.set(block, Coefficient.index(found[i]), value, low);
      }
    }
  }

  /** The next DC coefficient of a component, as far as its bits are given (F.2.2.1, G.1.2.1). */
  private int nextDc(ScanComponent c) throws JpegException {
    c.prediction += in.difference(c.dc);
    long dc = (long) c.prediction << low;
    if (Math.abs(dc) < c.white + (1 << low)) { return (int) dc; } // rounded down to a multiple
    if (++c.glaring > MAX_GLARING) { throw in.damaged("too much is brighter than white or darker than black"); }
    return Math.clamp(dc, -0x2000, 0x1FFF); // so that 14 bits hold a difference
  }
}

// Chroma to half its width, its height or both, in the frequency domain: of two neighbours or of four a block is made,
// and no samples. The means of pairs of a block's eight samples are four numbers, and so have but four frequencies: two
// of the eight, w and 8 - w, become one of them, frequency 4 none. Those of two neighbours make eight again.
final class ChromaDownsampler {
  static final int FRACTION = 16; // results are requantized in sixteenths
  private static final float[] FOLD = new float[8]; // of each frequency: what of it becomes one of the four
  private static final float[] ZEROS = new float[64];
  private static final float[] ODD = new float[16]; // [w * 4 + i]: frequency w of the halves in 2 i + 1 of the whole

  static {
    for (int u = 0; u < 8; u++) {
      double scale = u == 0 ? Math.sqrt(0.125) : u == 4 ? 0 : u < 4 ? 0.5 : -0.5;
      FOLD[u] = (float) (scale * Math.cos(u * Math.PI / 16));
    }
    for (int i = 0; i < 16; i++) {
      for (int x = 1; x < 8; x += 2) {
        ODD[i] += (float) (Math.cos(x * (i >> 2) * Math.PI / 8) * Math.cos(x * (2 * (i & 3) + 1) * Math.PI / 16) / 2);
      }
    }
  }

  final int[] limits = new int[64]; // by index: up to this magnitude it adds next to nothing, less than a 32nd
  private final Plane plane;
  private final int across; // 2: halves the width
  private final int down; // 2: halves the height
  private final float[] block = new float[64]; // row by row: what becomes the copy's
  private final int[] kept = new int[64];
  private final int[] place = new int[64]; // by index: where in the block it is added
  private final float[] scale = new float[64]; // and times what
  private final float[] share = new float[64]; // and what it adds, at most, to 1: from there on more than DC may count

  ChromaDownsampler(Plane plane, int across, int down) {
    this.plane = plane;
    this.across = across;
    this.down = down;
    for (int k = 0; k < 64; k++) {
      int u = StandardTables.ZIGZAG[k] & 7;
      int v = StandardTables.ZIGZAG[k] >> 3;
      scale[k] = plane.steps[k] * (across == 2 ? FOLD[u] : 1) * (down == 2 ? FOLD[v] : 1);
      place[k] = (down == 2 ? Math.min(v, 8 - v) & 3 : v) * 8 + (across == 2 ? Math.min(u, 8 - u) & 3 : u);
      Arrays.fill(block, 0);
      block[place[k]] = scale[k];
      join(false, false);
      for (int i = 1; i < 64; i++) {
        float value = Math.abs(block[StandardTables.ZIGZAG[i]]) * FRACTION;
        share[k] = Math.max(share[k], value / (plane.requantizer.limit[i] + 0.99f));
      }
      limits[k] = (int) Math.min(Short.MAX_VALUE, 1 / 32f / share[k]);
    }
  }

  /** Makes the block at this place of the copy, of those in work from this row on. */
  void deliver(int x, int y, BlockRows rows, int first) {
    int n = 0;
    for (int k = gather(y, x, rows, first) ? 1 : 64; k < 64; k++) {
      float value = block[StandardTables.ZIGZAG[k]];
      int magnitude = (int) (Math.abs(value) * FRACTION);
      if (magnitude > plane.requantizer.limit[k]) {
        kept[n++] = Coefficient.of(value < 0, Math.min(magnitude, Short.MAX_VALUE), k);
      }
    }
    plane.add(x, y, (int) Math.ceil(block[0] - 0.5f), kept, 0, n); // ties go down: Requantizer's of samples go up
  }

  /** False if nothing but the DC coefficient can count, as in smooth areas: then the others are not made. */
  private boolean gather(int row, int column, BlockRows rows, int firstRow) {
    int wide = Math.min(across, plane.source.wide() - column * across); // beyond the edge the picture is mirrored
    int high = Math.min(down, plane.source.high() - row * down);
    for (int i = 0; i < 64; i++) { block[i] = ZEROS[i]; } // Arrays.fill, and so "= 0", slows down all by a tenth
    int corner = firstRow * rows.stride + column * across;
    int dc = 0;
    float shares = 0;
    for (int i = 0; i < wide * high; i++) {
      int dy = i >> wide - 1; // wide is 1 or 2
      int dx = i & wide - 1;
      int from = corner + dy * rows.stride + dx;
      int at = dy * 32 + dx * 4;
      block[at] += rows.dc[from] * scale[0];
      dc += rows.dc[from];
      shares += Math.abs(rows.dc[from] - rows.dc[corner]) * share[0];
      for (int j = from * 64; j < rows.ends[from]; j++) {
        int k = Coefficient.index(rows.kept[j]);
        block[at + place[k]] += Coefficient.value(rows.kept[j]) * scale[k];
        shares += Coefficient.magnitude(rows.kept[j]) * share[k];
      }
    }
    if (shares * across * down < wide * high) {
      block[0] = (float) dc * plane.steps[0] / (wide * high);
      return false;
    }
    join(wide == 1, high == 1);
    return true;
  }

  private void join(boolean narrow, boolean low) {
    for (int i = 0; across == 2 && i < 64; i += 8) { join(i, 1, narrow); }
    for (int i = 0; down == 2 && i < 8; i++) { join(i, 8, low); }
  }

  /** Of the four frequencies of each of two halves, or of one and its mirror image, the eight of the whole. */
  private void join(int at, int step, boolean mirrored) {
    float[] b = block;
    float a0 = b[at];
    float a1 = b[at + step];
    float a2 = b[at + 2 * step];
    float a3 = b[at + 3 * step];
    float b0 = mirrored ? a0 : b[at + 4 * step];
    float b1 = mirrored ? -a1 : b[at + 5 * step];
    float b2 = mirrored ? a2 : b[at + 6 * step];
    float b3 = mirrored ? -a3 : b[at + 7 * step];
    b[at] = (a0 + b0) * (float) Math.sqrt(2);
    b[at + 2 * step] = a1 - b1;
    b[at + 4 * step] = a2 + b2;
    b[at + 6 * step] = a3 - b3;
    for (int i = 0; i < 4; i++) {
      b[at + (2 * i + 1) * step] =
          (a0 - b0) * ODD[i] + (a1 + b1) * ODD[4 + i] + (a2 - b2) * ODD[8 + i] + (a3 + b3) * ODD[12 + i];
    }
  }
}

// What becomes of the sampling of a frame. Chroma gets half the width and height of luminance (4:2:0) where it has the
// same, or half in one direction: it becomes so many times, 1 or 2, narrower across, and lower down. Any other stays.
record Sampling(JpegHeader header, int across, int down) {
  static Sampling of(JpegHeader header, Recompressor.Settings settings) {
    boolean mayHalve = header.kind == JpegHeader.Kind.YCBCR && !settings.isLossless();
    int across = mayHalve ? toHalf(factors(header, true)) : 0;
    int down = mayHalve ? toHalf(factors(header, false)) : 0;
    return across * down == 0 ? new Sampling(header, 1, 1) : new Sampling(header, across, down);
  }

  /** The sampling factors of the source's components, across or down. */
  private static int[] factors(JpegHeader header, boolean across) {
    int[] factors = new int[header.components.size()];
    Arrays.setAll(factors, i -> across ? header.components.get(i).h() : header.components.get(i).v());
    return factors;
  }

  /** What to divide chroma's samples by, so that they are half as many as luminance's; 0: it cannot be done so. */
  private static int toHalf(int[] factors) {
    return factors[1] != factors[2] ? 0 : factors[0] == factors[1] ? 2 : factors[0] == 2 * factors[1] ? 1 : 0;
  }

  Plane[] planes(boolean progressive) {
    int[] h = ofCopy(factors(header, true), across);
    int[] v = ofCopy(factors(header, false), down);
    Plane[] planes = new Plane[h.length];
    for (int i = 0; i < h.length; i++) { planes[i] = new Plane(header, i, h, v, progressive); }
    return planes;
  }

  /** Sampling factors of the copy, of those of the source: the first so many times as large, all as small as can be. */
  private static int[] ofCopy(int[] factors, int luminance) {
    factors[0] *= luminance;
    int common = factors[0]; // divisor: of 1 to 4, or of twice one of these and that itself, one of them or 1
    for (int factor : factors) { common = factor % common == 0 ? common : common % factor == 0 ? factor : 1; }
    for (int i = 0; i < factors.length; i++) { factors[i] /= common; }
    return factors;
  }

  /** How many MCU rows of the source are in work at once, so that no pair of chroma's rows is parted. */
  int rowsAtOnce() { return down == 2 && header.components.get(1).v() % 2 == 1 ? 2 : 1; }
}

// Recompresses a JPEG without ever making pixels: its Huffman codes are decoded, each coefficient is divided by the new
// quantization step instead of the old one, and encoded again. Damaged data is an error.
final class CoefficientEngine {
  private static final int MAX_SCANS = 100; // ten are usual; each is a pass over the picture
  private static final int SMALL = 1 << 17; // bytes: no larger progressive copy would be smaller in baseline
  private final byte[] jpeg;
  private final JpegHeader header;
  private final Recompressor.Settings settings;
  private final double[] coarse; // of --smallest, by component: how coarse its steps are; 0: libjpeg's
  private float[] visible; // see Smallest
  private final boolean progressive; // the copy
  private final Sampling sampling;
  private final Plane[] planes;
  private final Tables tables = new Tables();
  private final List<Scan> scans = new ArrayList<>(); // to be decoded side by side
  private final List<CopyScan> copyScans; // sequential ones

  private CoefficientEngine(byte[] jpeg, JpegHeader header, Recompressor.Settings settings, double[] coarse,
      boolean progressive) {
    this.jpeg = jpeg;
    this.header = header;
    this.settings = settings;
    this.coarse = coarse;
    this.progressive = progressive;
    sampling = Sampling.of(header, settings);
    planes = sampling.planes(progressive);
    copyScans = CopyScan.sequential(planes, progressive ? 0 : 63);
  }

  /** The bytes of heap that recompressing such a file takes at most: file, copies, blocks, tables. */
  static long memory(JpegHeader header, Recompressor.Settings settings) {
    Sampling sampling = Sampling.of(header, settings);
    long sum = header.fileSize * (settings.isProgressive() ? 5 : settings.quality() > 90 ? 16 : 10) / 2; // and copy
    for (Plane plane : sampling.planes(settings.isProgressive())) {
      sum += (long) plane.source.fullWide() * plane.source.v() * sampling.rowsAtOnce() * BlockRows.BLOCK
          + plane.copy.blocks() * (settings.isProgressive() ? 4L + 8 * Levels.BLOCK : 4L);
    }
    return sum + (settings.smallest() ? header.fileSize : 0) + (header.isProgressive() ? MAX_SCANS * 60_000L : 1 << 20);
  }

  // Recompresses a JPEG; one that has all of the picture, but no end marker, is whole. The copy has no metadata; it is
  // baseline; to be smallest or lossless, progressive, or if small what is smaller. JpegException: missing or damaged.
  static byte[] recompress(byte[] jpeg, JpegHeader header, Recompressor.Settings settings) throws JpegException {
    if (!settings.smallest()) { return copy(jpeg, header, settings, null); }
    double[] coarse = coarseness(jpeg, header, settings);
    byte[] copy = copy(jpeg, header, settings, coarse);
    boolean finer = coarse[0] < 0.95 * StandardTables.percent(settings.quality()) / 100; // libjpeg's may change little
    byte[] usual = finer || copy.length < SMALL / 16 ? copy(jpeg, header, settings, new double[4]) : copy;
    return usual.length < copy.length ? usual : copy;
  }

  private static byte[] copy(byte[] jpeg, JpegHeader header, Recompressor.Settings settings, double[] coarse)
      throws JpegException {
    byte[] copy = new CoefficientEngine(jpeg, header, settings, coarse, settings.isProgressive()).copy();
    if (!settings.isProgressive() || copy.length > SMALL) { return copy; }
    byte[] baseline = new CoefficientEngine(copy, JpegHeader.read(copy), settings.lossless(), null, false).copy();
    return baseline.length <= copy.length ? baseline : copy;
  }

  private byte[] copy() throws JpegException {
    decode();
    return CopyWriter.write(header, planes, copyScans, progressive);
  }

  /** How coarse each component's steps of --smallest may be, 1 being at quality 50, to look as good as libjpeg's. */
  private static double[] coarseness(byte[] jpeg, JpegHeader header, Recompressor.Settings settings)
      throws JpegException {
    double start = StandardTables.percent(settings.quality()) / 100; // about
    double[] fine = header.components.stream().mapToDouble(c -> start * 0.35).toArray(); // nearly all less is lost
    CoefficientEngine engine = new CoefficientEngine(jpeg, header, settings, fine, false);
    Sample sample = new Sample(header);
    for (Plane plane : engine.planes) { plane.sample = sample; }
    engine.decode();
    double goal = (1.05 - settings.quality() / 1000.0) * sample.error(plane -> engine.chooser(plane, 0));
    double[] scale = Arrays.stream(engine.planes).mapToDouble(sample::scale).toArray();
    double found = start / 1.25; // up to 1.5 times it: in pictures all white the estimate would allow far more
    for (double step = 1.37; step > 1.01; step = Math.sqrt(step)) {
      double next = found * step;
      found = sample.error(plane -> engine.chooser(plane, next * scale[plane.index])) <= goal ? next : found;
    }
    double coarse = found;
    return Arrays.stream(scale).map(its -> its * coarse).toArray();
  }

  /** Goes through the segments, and decodes the scans: one that is all of the picture as soon as it comes. */
  private void decode() throws JpegException {
    Segments segments = new Segments(jpeg);
    boolean ended = false;
    while (!ended && (scans.isEmpty() || segments.end + 2 <= jpeg.length)) {
      segments.next();
      boolean early = segments.start <= header.firstScan + 4; // and so seen by JpegHeader
      JpegException.check(early || segments.lost <= ScanReader.STRAY, "a part that cannot be made out");
      switch (segments.marker) {
        case Marker.DQT -> tables.readQuantization(segments);
        case Marker.DHT -> tables.readHuffman(segments);
        case Marker.DRI -> {
          JpegException.check(segments.size() == 2, "the restart interval");
          tables.restartInterval = segments.u16(segments.start);
        }
        case Marker.SOS -> {
          JpegException.check(scans.size() < MAX_SCANS, "too many scans");
          Scan scan = new Scan(segments, tables, planes, header.isProgressive());
          scans.add(scan);
          if (scan.isAll) { decodeScans(); }
          segments.end = scan.isAll ? scan.in.position : scan.in.end;
        }
        case Marker.EOI -> ended = true;
        case Marker.DNL -> {} // the height is known from the frame; libjpeg passes it over, wherever it stands
        default -> JpegException.check(early || Marker.isAppOrComment(segments.marker), "a misplaced part");
      }
    }
    for (Plane plane : planes) {
      JpegException.check(plane.low[0] != Plane.UNSEEN, "a colour component is missing");
      if (!ended && Arrays.stream(plane.low).anyMatch(low -> low != 0)) {
        throw new JpegException("truncated: the last scans are missing");
      }
    }
    if (!scans.getFirst().isAll) { decodeScans(); }
  }

  private Smallest chooser(Plane plane, double coarse) { // 0: one that rounds to libjpeg's steps
    int[] wanted = coarse == 0 ? StandardTables.steps(plane.isCoarse, settings.quality())
        : PerceptualTables.steps(plane.isCoarse, coarse);
    Requantizer requantizer = requantizer(plane, wanted.clone(), coarse == 0 ? 1 : 1.5); // between: twice the errors
    return new Smallest(plane, requantizer, wanted, visible, coarse == 0 ? 0 : 0.07f);
  }

  // To the steps wanted, but to the source's where they are less than so many times these: finer ones would cost bytes
  // and be less exact. (Halved chroma has values between the source's steps; baseline JPEG has no steps over 255.)
  private Requantizer requantizer(Plane plane, int[] steps, double least) {
    if (isHalved(plane)) { return new Requantizer(Requantizer.ONES, ChromaDownsampler.FRACTION, steps); }
    for (int k = 0; k < 64; k++) {
      int source = plane.steps[k];
      steps[k] = source > 0 && source <= 255 && steps[k] < least * source ? source : steps[k];
    }
    return new Requantizer(plane.steps, 1, steps);
  }

  private boolean isHalved(Plane plane) { return sampling.across() * sampling.down() > 1 && plane.table == 1; }

  /** Decodes all scans side by side, and makes the blocks of the copy of a few rows of MCUs after the other. */
  private void decodeScans() throws JpegException {
    int high = planes[0].source.mcusHigh();
    int rowsAtOnce = sampling.rowsAtOnce();
    BlockRows[] rows = new BlockRows[planes.length];
    visible = new float[settings.smallest() ? planes[0].copy.mcusWide() * planes[0].copy.mcusHigh() : 0];
    for (Plane plane : planes) {
      plane.smallest = settings.smallest() ? chooser(plane, coarse[plane.index]) : null;
      plane.requantizer = settings.smallest() ? plane.smallest.requantizer
          : settings.isLossless() ? requantizer(plane, plane.steps.clone(), 1)
          : requantizer(plane, StandardTables.steps(plane.isCoarse, settings.quality()), 1);
      plane.levels = progressive ? new Levels(plane.copy) : null;
      plane.downsampler = isHalved(plane) ? new ChromaDownsampler(plane, sampling.across(), sampling.down()) : null;
      int[] limits = isHalved(plane) ? plane.downsampler.limits : plane.requantizer.limit;
      rows[plane.index] = new BlockRows(plane.source, rowsAtOnce, limits, header.isProgressive());
    }
    for (Scan scan : scans) { scan.start(rows); }
    for (int first = 0; first < high; first += rowsAtOnce) {
      for (int y = first; y < Math.min(first + rowsAtOnce, high); y++) {
        for (Scan scan : scans) { scan.decodeRow(y, high, y - first); }
      }
      for (BlockRows blocks : rows) { blocks.list(); }
      for (CopyScan scan : copyScans) { deliver(scan, rows, first); }
    }
    for (Scan scan : scans) { scan.in.checkEnd(); }
  }

  /** Makes the blocks of a scan of the copy, MCU by MCU (A.2.3), from those in work, which begin with this MCU row. */
  private void deliver(CopyScan scan, BlockRows[] rows, int first) {
    Plane leader = scan.planes[0];
    BlockGrid grid = leader.copy;
    for (Plane plane : scan.planes) { rows[plane.index].first = rowOfCopy(plane, first); }
    int end = Math.min(rowOfCopy(leader, first + sampling.rowsAtOnce()) / grid.v(), grid.mcusHigh());
    int wide = grid.mcusWide(); // a division: not once for each of them
    for (int y = rows[leader.index].first / grid.v(); y < end; y++) {
      for (int x = 0; x < wide; x++) {
        for (Plane plane : scan.planes) { deliver(plane, rows[plane.index], x * plane.copy.h(), y * plane.copy.v()); }
      }
    }
  }

  /** Makes the blocks of a component in an MCU, which begin with this one. */
  private void deliver(Plane plane, BlockRows blocks, int left, int top) {
    if (plane.sample != null && !plane.sample.takes(plane.mcu(left, top))) { return; }
    BlockGrid copy = plane.copy;
    for (int y = top; y < top + copy.v(); y++) {
      int row = y - blocks.first << halvings(plane); // of those in work
      for (int x = left; x < left + copy.h(); x++) {
        if (x >= copy.wide() || y >= copy.high()) {
          plane.addPadding(x, y);
        } else if (plane.downsampler != null) {
          plane.downsampler.deliver(x, y, blocks, row);
        } else {
          int block = row * blocks.stride + x;
          plane.add(x, y, blocks.dc[block], blocks.kept, block * 64, blocks.ends[block]);
        }
      }
    }
  }

  /** The row of blocks of the copy that an MCU row of the source begins. */
  private int rowOfCopy(Plane plane, int mcuRow) { return mcuRow * plane.source.v() >> halvings(plane); }
  private int halvings(Plane plane) { return plane.downsampler == null ? 0 : sampling.down() - 1; } // of its height
}
