///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//JAVAC_OPTIONS --release 21
//RUNTIME_OPTIONS -XX:+UseSerialGC -XX:Tier4BackEdgeThreshold=800000 -Djava.awt.headless=true
//RUNTIME_OPTIONS -Xlog:disable -Xlog:all=error:stderr
//DEPS info.picocli:picocli:4.7.7
//DEPS org.tinylog:tinylog-api:2.7.0
//DEPS org.tinylog:tinylog-impl:2.7.0
//DEPS com.twelvemonkeys.imageio:imageio-jpeg:3.14.0

import com.twelvemonkeys.imageio.stream.ByteArrayImageInputStream;
import java.awt.image.BufferedImage;
import java.io.*;
import java.lang.invoke.*;
import java.net.URI;
import java.nio.*;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.Consumer;
import java.util.regex.*;
import java.util.stream.*;
import java.util.zip.*;
import javax.imageio.*;
import javax.imageio.plugins.jpeg.*;
import javax.imageio.stream.MemoryCacheImageOutputStream;
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
    for (ImageFile file : files) {
      images.add(new CompressOneImage(file, options, permits, stats));
    }
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
final class CompressOneImage implements Runnable {
  private static final Log LOG = new Log(CompressOneImage.class);

  private final ImageFile file;
  private final Compress options;
  private final Semaphore permits;
  private final CompressionStats stats;

  CompressOneImage(ImageFile file, Compress options, Semaphore permits, CompressionStats stats) {
    this.file = file;
    this.options = options;
    this.permits = permits;
    this.stats = stats;
  }

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
    if (result.outcome() != Outcome.SKIPPED || !LiveLine.on) { // or the live line is enough
      result.log(LOG, progress);
    }
  }

  /** The work of the thread. It throws whatever makes it impossible. */
  private Result compress() throws Exception {
    if (options.update && file.isUpToDate(options.settings())) {
      return Result.skipped(file);
    }
    JpegHeader header = file.readHeader();
    try (Memory.Share share = header.reserveMemory(options.settings())) { // a second semaphore: large images wait
      long started = System.nanoTime();
      ImageFile.State original = file.read();
      Copy copy = Recompressor.recompress(original.bytes(), header, options.settings());
      if (!options.dryRun && createFolder(file.folder())) {
        LOG.info("created %s", file.folderName());
      }
      file.writeCopy(copy, original, options);
      return Result.done(file, started, original.bytes().length, copy);
    }
  }

  /**
   * Creates the folder unless it is there, and returns whether it did. Many threads come here at once: the look and the
   * creation must be one step (a critical section, locked on this class), or two threads could both find it missing.
   */
  static synchronized boolean createFolder(Path folder) throws IOException {
    if (Files.isDirectory(folder)) {
      return false;
    }
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
  synchronized boolean allDone() {
    return done == total && run.count(Outcome.FAILED) == 0;
  }

  /** Tells how far a run came that something ends before its time, such as Ctrl-C. */
  synchronized void tellIfStopped(boolean dryRun) {
    if (run.isRunning()) {
      LiveLine.on = false;
      LiveLine.clear();
      System.err.println("Compress: stopped after " + done + " of " + Text.count(total, "image")
          + (dryRun ? "" : "; --update goes on from there"));
    }
  }

  /** The last line: how many images, their sizes before and after, the ratio after / before. */
  synchronized String report() {
    return Text.format("%s%s, %s -> %s, ratio %s, in %.2f s", Text.count(total, "image"), run.outcomes(),
        Text.size(sizeBefore), Text.size(sizeAfter), Text.ratio(sizeBefore, sizeAfter), run.seconds());
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
    exitCodeList = {
      "0:all images are done",
      "1:at least one image failed (all others are done), or the run could not go on or report",
      "2:wrong usage; nothing was done"
    },
    footer = {
      "%nThe log goes to standard error, the report to standard output.%n",
      "Examples:",
      "  jbang Compress.java                           IMAGES into COMPRESSED_IMAGES",
      "  jbang Compress.java -q 60 -r Pictures Small   a whole tree, in a better quality",
      "  jbang Compress.java -q 60 *.jpg Small         these images",
      "  jbang Compress.java -m sequential             without threads: how much slower is it?",
      "  find Pictures -name '*.jpg' -newer stamp | jbang Compress.java --files-from=- Pictures Small"
    })
public class Compress implements Callable<Integer> {
  /** How the work is spread over threads; spelt as on the command line, and so is Engine. */
  enum Mode { virtual, platform, sequential }

  /** How a JPEG is recompressed. */
  enum Engine { auto, pixels }

  @Parameters(index = "0", defaultValue = "IMAGES", paramLabel = "SOURCE",
      description = "folder of the images, or images, or several of both (default: ${DEFAULT-VALUE}); never changed")
  Path source;

  List<Path> further = List.of(); // sources
  Path destination = Path.of("COMPRESSED_IMAGES");

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

  @Option(names = {"-s", "--smallest"},
      description = "far fewer bytes for as good a picture: other tables, a search, progressive; takes twice as long")
  boolean smallest;

  @Option(names = {"-l", "--lossless"},
      description = "the same picture to the bit in fewer bytes: only its codes change")
  boolean lossless;

  @Option(names = "--max-size", paramLabel = "SIZE", converter = Text.SizeConverter.class,
      description = "at most so many bytes a copy, as 500k or 2M (of 1,000): in the best quality that does, from "
          + "--quality downward")
  long maxSize;

  @Option(names = "--threshold", paramLabel = "PERCENT", defaultValue = "0",
      description = "keep an image as it is where its copy would save less than that")
  double threshold;

  @Option(names = {"-m", "--mode"}, defaultValue = "virtual", paramLabel = "MODE",
      description = "virtual: one virtual thread per image (default); platform: one platform thread per image; "
          + "sequential: no threads, one image after another")
  Mode mode;

  @Option(names = {"-t", "--threads"}, paramLabel = "N",
      description = "at most N images in work at once (default: the number of cores)")
  int threads = Runtime.getRuntime().availableProcessors();

  @Option(names = {"-r", "--recursive"}, description = "subfolders too; DESTINATION gets the same tree")
  boolean recursive;

  @Option(names = {"-u", "--update"},
      description = "skip images that have not changed since their copy was made with these options")
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
      description = "auto: by its coefficients, which is fast and exact (default); pixels: by its pixels, as most "
          + "programs do, with ImageIO")
  Engine engine;

  @Option(names = "--compare",
      description = "all three modes in turn on the same images, and a table: what do threads bring?")
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

  @Spec Model.CommandSpec command;

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
    try {
      System.exit(commandLine.execute(arguments));
    } catch (OutOfMemoryError e) { // of this thread; an image's thread takes its own for that image's failure
      System.exit(complain(Text.reason(e), 1));
    }
  }

  private static int complain(String message, int exitStatus) {
    System.err.println("Compress: " + message);
    return exitStatus;
  }

  @Override
  public Integer call() throws Exception {
    require(quality >= 1 && quality <= 100, "--quality must be from 1 to 100, not " + quality);
    require(maxSize >= 0 && (maxSize == 0 || !lossless), "--max-size lowers the quality: not with --lossless");
    require(threshold >= 0 && threshold < 100, "--threshold must be from 0 to less than 100, not " + threshold);
    require(threads >= 1, "--threads must be at least 1, not " + threads);
    boolean asksQuality = command.commandLine().getParseResult().hasMatchedOption("--quality");
    require(!lossless || !smallest && !asksQuality && engine == Engine.auto,
        "--lossless changes nothing that is seen: not with --quality, --smallest or --engine");
    require(!smallest || engine == Engine.auto, "--smallest chooses among coefficients: not with --engine=pixels");
    require(!compare || !update, "--compare compresses all images again and again: not with --update");
    require(report == null || Report.isPage(report), "--report: the name must end in .html or .htm: " + report);
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
    if (timeline) {
      Timeline.print(this, runs);
    }
    if (report != null && !runs.isEmpty()) {
      Report.write(this, runs);
      System.out.println("Wrote " + report + ".");
    }
    if (dryRun) {
      System.out.println("Nothing was written" + (report == null ? "" : " but the report") + ": this was a dry run.");
    }
    if (System.out.checkError()) {
      return complain("the report could not be written", 1);
    }
    return done && !runs.isEmpty() && files.complete ? 0 : 1;
  }

  /** The sources as the log names them. */
  String sources() { return source + (further.isEmpty() ? "" : " and " + further.size() + " more"); }

  /** What shapes a copy. */
  Recompressor.Settings settings() {
    return new Recompressor.Settings(
        lossless ? Recompressor.Settings.LOSSLESS : quality, engine, smallest, keepMetadata, maxSize, threshold);
  }

  /** Wrong usage, unless the condition holds. */
  void require(boolean condition, String message) {
    if (!condition) {
      throw new ParameterException(command.commandLine(), message);
    }
  }
}

/** The logger of one class. tinylog adds the time; class, thread and level stand in the exercise's columns. */
record Log(Class<?> owner) {
  static volatile boolean quiet; // only warnings and errors

  static { // runs once, in the thread that comes first; others that need this class wait for it
    Configuration.set("writer", "console");
    Configuration.set("writer.stream", "err");
    String clear = LiveLine.TERMINAL ? "'" + LiveLine.CLEAR + "'" : ""; // quoted, or tinylog would take it for blanks
    Configuration.set("writer.format", "{date: " + clear + "HH:mm:ss.SSS} {message}");
    Logger.isErrorEnabled(); // starts tinylog
  }

  /** Logs a text with values in it, as {@link String#format} takes them. */
  void info(String text, Object... values) {
    if (!quiet) {
      log(Logger::info, "INFO", text, values);
    }
  }

  void warn(String text, Object... values) { log(Logger::warn, "WARN", text, values); }

  void error(String text, Object... values) { log(Logger::error, "ERROR", text, values); }

  private void log(Consumer<Object> logger, String level, String text, Object... values) {
    String thread = Thread.currentThread().getName();
    logger.accept(Text.printable(
        Text.format("%16s %12s %-6s %s", owner.getSimpleName(), thread, level, Text.format(text, values))));
    LiveLine.draw();
  }
}

/** What became of an image. KEPT: nothing saves a byte, its copy is the original. SKIPPED: its copy is up to date. */
enum Outcome { COMPRESSED, KEPT, SKIPPED, FAILED }

/**
 * What became of one image, when, and in which thread.
 *
 * @param before its size in bytes; 0 if it was skipped or failed
 * @param after the size of its copy; likewise
 * @param started when the work on it began, in nanoseconds as System.nanoTime has it
 * @param ended when it was done
 * @param how what else there is to say of how it was compressed, or empty
 * @param remarks why it failed; or what the copy lacks that the original's look needs
 */
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

  /** Logs it; progress says how far the run is. */
  void log(Log log, String progress) {
    String name = file.name();
    switch (outcome) {
      case FAILED -> log.error("%s %s failed: %s", progress, name, remarks.getFirst());
      case SKIPPED -> log.info("%s %s is up to date", progress, name);
      default -> {
        remarks.forEach(remark -> log.warn("%s %s", name, remark));
        log.info("%s %s %s -> %s (%.3f)%s in %d ms", progress, name, Text.size(before), Text.size(after),
            (double) after / before, how, milliseconds());
      }
    }
  }
}

/**
 * One run over the images: when it began and ended, how many images had which outcome, and the results: of all images
 * if they are to be remembered, which takes memory, else of the first that failed. {@link CompressionStats} locks it.
 */
final class Run {
  static final Comparator<Result> BY_NAME = Comparator.comparing(result -> result.file().image());
  private static final int MOST_FAILURES = 10;
  final int total; // images
  Compress.Mode mode;
  private long started; // nanoseconds, as System.nanoTime has it
  private long ended;
  private final boolean remember;
  private final int[] images = new int[Outcome.values().length]; // by outcome
  private final List<Result> results = new ArrayList<>();

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

  boolean isRunning() { return mode != null && ended == 0; }

  /** How long it took. */
  double seconds() { return seconds(ended); }

  /** How long after its start this time is, which System.nanoTime gave. */
  double seconds(long time) { return (time - started) / 1e9; }

  int threads() { return mode == Compress.Mode.sequential ? 1 : total; }

  void add(Result result) {
    images[result.outcome().ordinal()]++;
    if (remember || result.outcome() == Outcome.FAILED && count(Outcome.FAILED) <= MOST_FAILURES) {
      results.add(result);
    }
  }

  int count(Outcome outcome) { return images[outcome.ordinal()]; }

  List<Result> results() { return results.stream().sorted(BY_NAME).toList(); }

  /** How many images had which outcome, in brackets; nothing where all were compressed. */
  String outcomes() {
    return count(Outcome.COMPRESSED) == total ? "" : Arrays.stream(Outcome.values())
        .map(outcome -> count(outcome) + " " + outcome)
        .collect(Collectors.joining(", ", " (", ")")).toLowerCase(Locale.ROOT);
  }

  /** Lists the images that failed once more: the log of a long run has scrolled away, unless it is nothing else. */
  void printFailures() {
    int failed = count(Outcome.FAILED);
    if (failed > 0 && total > MOST_FAILURES && !Log.quiet) {
      System.err.println(Text.count(failed, "image") + " failed:");
      results.stream().filter(result -> result.outcome() == Outcome.FAILED).limit(MOST_FAILURES).forEach(result ->
          System.err.println(Text.printable("  " + result.file().name() + ": " + result.remarks().getFirst())));
      System.err.print(failed > MOST_FAILURES ? "  and " + (failed - MOST_FAILURES) + " more\n" : "");
    }
  }
}

/** Measures what threads bring: the three modes in turn on the same images. */
final class Comparison {
  static final int ROUNDS = 3;
  private static final List<Compress.Mode> MODES =
      List.of(Compress.Mode.sequential, Compress.Mode.platform, Compress.Mode.virtual);

  /** Prints the table and returns the median run of each mode; none if not every image was done each time. */
  static List<Run> run(Compress options, List<ImageFile> files) throws InterruptedException {
    List<Run> runs = new ArrayList<>();
    for (int round = 0; round <= ROUNDS; round++) { // round 0 warms up: Java compiles the program as it runs
      for (Compress.Mode mode : MODES) {
        if (!options.quiet) {
          System.err.println((round == 0 ? "warming up" : "round " + round + " of " + ROUNDS) + ": " + mode);
        }
        ProcessImages process = new ProcessImages(options, files);
        process.process(mode);
        if (!process.stats.allDone()) {
          System.err.println("Compress: nothing to compare: not all images could be compressed");
          return List.of();
        }
        if (round > 0) {
          runs.add(process.stats.run);
        }
      }
    }
    List<Run> medians = MODES.stream().map(mode -> runs.stream().filter(run -> run.mode == mode)
        .sorted(Comparator.comparingDouble(Run::seconds)).toList().get(ROUNDS / 2)).toList();
    System.out.println("mode        threads  seconds  speed-up");
    medians.forEach(run -> System.out.println(Text.format("%-10s %8d %8.3f %9.2f", run.mode, run.threads(),
        run.seconds(), medians.getFirst().seconds() / run.seconds())));
    System.out.println(Text.format(
        "Medians of %d rounds over %s on %s, at most %d in work at once; Java's start-up is left out.",
        ROUNDS, Text.count(files.size(), "image"), Text.cores(), options.threads));
    return medians;
  }
}

/** Draws runs in the terminal: a row for each image, when its thread waited and worked, on one axis of time. */
final class Timeline {
  private static final int MAX_ROWS = 24;

  /** The length of the axis, in seconds: that of the longest run. */
  static double axis(List<Run> runs) { return runs.stream().mapToDouble(Run::seconds).max().orElse(0); }

  /** Round numbers of seconds that divide the axis in six at most: 1, 2 or 5 times a power of ten apart. */
  static List<String> ticks(double axis) {
    double power = Math.pow(10, Math.floor(Math.log10(axis / 6)));
    double step = power * (axis / power <= 6 ? 1 : axis / power <= 12 ? 2 : axis / power <= 30 ? 5 : 10);
    return DoubleStream.iterate(0, tick -> tick <= axis, tick -> tick + step)
        .mapToObj(tick -> Text.format("%.4f", tick).replaceFirst("\\.?0+$", "")).toList();
  }

  /** Prints the charts of runs that have ended. */
  static void print(Compress options, List<Run> runs) {
    boolean unicode = System.out.charset().newEncoder().canEncode('█');
    String waiting = unicode ? "░" : ".";
    String working = unicode ? "█" : "#";
    String bar = CommandLine.Help.Ansi.AUTO.enabled() ? "\u001b[32m%s\u001b[0m" : "%s"; // a terminal, no NO_COLOR
    for (Run run : runs) {
      List<Result> images = run.results().stream().sorted(Comparator.comparingLong(i -> i.started() - i.ended()))
          .limit(MAX_ROWS).sorted(Run.BY_NAME).toList();
      String which = run.total > MAX_ROWS ? ": the " + MAX_ROWS + " slowest of " + run.total + " images" : "";
      System.out.println("\n" + run.mode + which);
      int label = Math.min(32, images.stream().mapToInt(image -> name(image).length()).max().orElse(0));
      double column = axis(runs) / Math.max(20, options.command.usageMessage().width() - label - 3); // in seconds
      for (Result image : images) {
        int begin = (int) Math.round(run.seconds(image.started()) / column);
        int end = Math.max(begin + 1, (int) Math.round(run.seconds(image.ended()) / column));
        String name = name(image).length() <= label ? name(image) : name(image).substring(0, label - 1) + "~";
        System.out.println(Text.format("%-" + label + "s ", name) + waiting.repeat(begin)
            + Text.format(bar, working.repeat(end - begin)));
      }
      StringBuilder scale = new StringBuilder(" ".repeat(label));
      for (String tick : ticks(axis(runs))) { // the last may be too near the edge, or to the one before
        double at = Math.min(Double.parseDouble(tick), axis(runs) - (tick.length() + 2) * column) / column;
        int gap = label + 1 + (int) Math.round(at) - scale.length();
        if (gap > 0) { scale.append(" ".repeat(gap)).append(tick).append(" s"); }
      }
      System.out.println(scale);
      String who = run.mode == Compress.Mode.sequential ? " image waiting  " : " waiting  ";
      System.out.println(" ".repeat(label + 1) + waiting + who + working + " working");
    }
  }

  private static String name(Result image) {
    return Text.printable(Text.format("%-8s %s", image.thread(), image.file().name()));
  }
}

/**
 * The last line of a terminal while images are in work: how far the run is. Each line of the log clears it, is written
 * in its place, and draws it again below. In whatever order the threads do that, the terminal looks the same.
 */
final class LiveLine {
  static final String CLEAR = "\r\u001b[K";
  static final boolean TERMINAL = isTerminal();
  private static final int WIDTH = 39; // characters: fits every terminal, and Java does not know how wide this one is
  static boolean on;
  private static volatile String line = "";
  private static long next = System.nanoTime(); // when it may change

  /** Whether System.err is a terminal: a device of characters (as is /dev/null). On Windows nobody can tell. */
  private static boolean isTerminal() {
    try {
      return !Set.of("", "dumb").contains(Objects.requireNonNullElse(System.getenv("TERM"), ""))
          && ((int) Files.getAttribute(Path.of("/dev/fd/2"), "unix:mode") & 0xF000) == 0x2000;
    } catch (IOException | RuntimeException e) {
      return false;
    }
  }

  /** Shows how far a run is, ten times a second at most. */
  static void show(int done, int total, long bytes, double seconds) {
    if (on && System.nanoTime() - next >= 0) {
      next = System.nanoTime() + 100_000_000;
      long left = Math.round(seconds / done * (total - done));
      String text = Text.format(
          " %d/%d %.1f MB/s %d:%02d left", done, total, bytes / 1e6 / seconds, left / 60, left % 60);
      int width = Math.max(0, WIDTH - text.length());
      int full = (int) ((long) width * done / total);
      boolean unicode = System.err.charset().newEncoder().canEncode('█');
      line = CLEAR + (unicode ? "█" : "#").repeat(full) + (unicode ? "░" : ".").repeat(width - full) + text;
      draw();
    }
  }

  static void draw() { System.err.print(line); }

  static void clear() {
    line = line.isEmpty() ? "" : CLEAR;
    draw();
  }
}

/**
 * Writes a page for the browser: the totals, when each image waited and worked, and each beside its copy. The page is
 * the text below, with its data as JSON. Its script makes texts of them, never HTML: no name can run as a program.
 */
final class Report {
  private static final String BEGIN = "<!DOCTYPE html>\n<!-- A report of Compress -->\n";

  /** Whether this is the name of a page, and so of no image. */
  static boolean isPage(Path page) { return page.toString().toLowerCase(Locale.ROOT).matches("(?s).*\\.html?"); }

  /** Whether the page may be written: its folder is there, and no file but an earlier report is in its place. */
  static boolean mayReplace(Path page) throws IOException {
    if (!Files.exists(page)) {
      return Files.isDirectory(page.toAbsolutePath().getParent());
    }
    try (InputStream in = Files.isRegularFile(page) ? Files.newInputStream(page) : InputStream.nullInputStream()) {
      return new String(in.readNBytes(BEGIN.length()), StandardCharsets.ISO_8859_1).equals(BEGIN);
    }
  }

  /** Writes the page of these runs over the same images. The last run says what became of them. */
  static void write(Compress options, List<Run> runs) throws IOException {
    if (!mayReplace(options.report)) {
      throw new IOException("--report: there is another file now: " + options.report);
    }
    Run last = runs.getLast();
    List<Result> images = last.results();
    long before = images.stream().mapToLong(Result::before).sum();
    long after = images.stream().mapToLong(Result::after).sum();
    double axis = Timeline.axis(runs);
    List<Object> totals = List.of(
        List.of(Text.size(before), "before"),
        List.of(Text.size(after), "after"),
        List.of(Text.ratio(before, after),
            "ratio, " + (options.lossless ? "lossless" : "in quality " + options.quality)),
        List.of(Text.format("%.2f s", last.seconds()),
            kind(last) + (runs.size() == 1 ? "" : ", median of " + Comparison.ROUNDS)),
        List.of(Text.cores(), "at most " + options.threads + " in work at once"));
    String data = json(List.of(
        Text.count(images.size(), "image") + last.outcomes(), options.sources(),
        String.join(" ", options.command.commandLine().getParseResult().originalArgs()),
        totals, axis * 1e6, Timeline.ticks(axis),
        runs.stream().map(run -> List.of(kind(run), run.seconds(), run.results().stream().map(image -> List.of(
            image.thread(), micros(run, image.started()), micros(run, image.ended()))).toList())).toList(),
        images.stream().map(image -> List.of(image.file().name(), image.outcome() != Outcome.FAILED && !options.dryRun,
            link(options.report, image.file().image()), link(options.report, image.file().copy()),
            image.outcome().name(), image.before(), image.after(),
            List.of(Text.size(image.before()), Text.size(image.after())), image.milliseconds(), image.remarks()))
            .toList()));
    String page = PAGE.replace("NONCE", UUID.randomUUID().toString()); // a secret, so that no other script runs
    Files.writeString(options.report, BEGIN + page.replace("DATA", data));
  }

  private static long micros(Run run, long time) { return Math.round(run.seconds(time) * 1e6); }

  private static String kind(Run run) { return run.mode + (run.mode == Compress.Mode.sequential ? "" : " threads"); }

  /** The relative URL that leads from the page to a file, made of the bytes of the names. */
  static String link(Path page, Path file) {
    if (!page.toAbsolutePath().getRoot().equals(file.toAbsolutePath().getRoot())) {
      return file.toUri().toString();
    }
    String[] from = page.toAbsolutePath().normalize().getParent().toUri().toString().split("/");
    String[] to = file.toAbsolutePath().normalize().toUri().toString().split("/");
    int same = 0;
    while (same < from.length && same < to.length - 1 && from[same].equals(to[same])) {
      same++;
    }
    return "./" + "../".repeat(from.length - same) + String.join("/", Arrays.asList(to).subList(same, to.length));
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
    <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; base-uri 'none'; form-action 'none';
      img-src 'self' file:; style-src 'nonce-NONCE'; script-src 'nonce-NONCE'">
    <title>Compress</title>
    <style nonce="NONCE">
      :root { color-scheme: light dark; --paper: #fff; --card: #f2f5f8; --ink: #14202b; --soft: #566575;
        --line: #cfd8e0; --wait: #ccd6df; --work: #0a66c2; --bad: #b3261e; --warn: #8a5300; accent-color: var(--work) }
      @media screen and (prefers-color-scheme: dark) { :root { --paper: #10171e; --card: #1b252f; --ink: #f0f4f8;
        --soft: #a3b2c0; --line: #34424f; --wait: #3a4957; --work: #4db2ff; --bad: #ff8a80; --warn: #ffc069 } }
      html { font: clamp(16px, 1.35vw, 26px)/1.4 system-ui, sans-serif; background: var(--paper); color: var(--ink) }
      body { max-width: 90rem; margin: 0 auto; padding: 1rem 4vw 4rem; overflow-wrap: anywhere }
      * { box-sizing: border-box } p { color: var(--soft); margin: 0 0 .6rem } [type=range] { width: 100%; margin: 0 }
      h1 { font-size: 1.7rem; line-height: 1.2; margin: .6rem 0 .2rem } h2 { font-size: 1.4rem; margin: 2rem 0 .2rem }
      .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .7rem; margin: 1rem 0 }
      .tiles div { background: var(--card); border-radius: .6rem; padding: .6rem .9rem; color: var(--soft) }
      .tiles b { display: block; font-size: 1.4rem; color: var(--ink) } .key.wait::before { background: var(--wait) }
      .key { margin-right: 1em } .key::before { content: ""; display: inline-block; width: 1.6em; height: .8em;
        margin-right: .4em; background: var(--work); print-color-adjust: exact }
      h3 { display: flex; flex-wrap: wrap; column-gap: 1rem; margin: .9rem 0 0; font-size: 1.25rem }
      h3 b { color: var(--work) } h3 span { font-weight: normal } h3 span:first-child { margin-left: auto }
      .chart { display: grid; grid-template-columns: minmax(8rem, 24%) 1fr; column-gap: .8rem }
      .labels { display: grid; grid-auto-rows: var(--row); align-items: center; white-space: nowrap }
      .labels div { overflow: hidden; text-overflow: ellipsis } i { font-style: normal; color: var(--soft) }
      svg { display: block; width: 100%; height: 100%; cursor: crosshair } .work { stroke: var(--work) }
      .wait { stroke: var(--wait) } .grid { stroke: var(--line); vector-effect: non-scaling-stroke }
      .axis { grid-column: 2; position: relative; height: 1.6rem; color: var(--soft); white-space: nowrap }
      .axis span { position: absolute } .axis span + span { transform: translateX(-50%) }
      #tip { position: fixed; z-index: 2; max-width: 92vw; padding: .2rem .7rem; border-radius: .4rem;
        pointer-events: none; background: var(--ink); color: var(--paper) } #tip:empty { display: none }
      table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums }
      tr { border-bottom: 1px solid var(--line) } small { display: block; color: var(--soft) }
      th, td { padding: .35rem 0 .35rem 1rem; text-align: right; white-space: nowrap }
      th:first-child, td:first-child { text-align: left; white-space: normal; padding-left: 0 }
      button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer;
        text-align: left } td button { color: var(--work); text-decoration: underline; text-underline-offset: .2em }
      [aria-sort=ascending]::after { content: "↑" } [aria-sort=descending]::after { content: "↓" }
      .COMPRESSED small { color: var(--warn) } .FAILED, .FAILED small { color: var(--bad) }
      .view { overflow: hidden; width: 0; min-width: 100%; max-height: calc(100vh - 9rem); background: var(--card);
        container-type: inline-size; user-select: none; cursor: zoom-in; touch-action: pan-y }
      .stage { display: grid; width: max-content; margin: auto } .stage > *, .stage::after { grid-area: 1 / 1 }
      img { max-width: min(100cqw, var(--width)); max-height: calc(100vh - 9rem) }
      .full { cursor: grab; touch-action: none } .full img { width: var(--width); max-width: none; max-height: none }
      .stage::before, .stage::after { z-index: 1; grid-area: 1 / 1; background: #fff; box-shadow: 0 0 4px #000;
        translate: calc(var(--cut) - 50%); cursor: ew-resize; content: ""; width: 3px }
      .stage::before { content: "↔"; position: sticky; top: calc(50% - 1rem); width: 2rem; z-index: 2; color: #000;
        border-radius: 1rem; text-align: center; line-height: 2rem; align-self: start }
      img + img { clip-path: inset(0 0 0 var(--cut)) } .under { display: flex; justify-content: space-between }
      @media (max-width: 700px) {
        .chart { grid-template-columns: 1fr } .labels, .plot { grid-area: 1 / 1 } .axis { grid-column: 1 }
        .labels { z-index: 1; pointer-events: none; align-items: start; grid-auto-rows: calc(1.4 * var(--row)) }
        tr { display: grid; grid-template-columns: 5fr 5fr 4fr 5fr 7fr; font-size: .85rem } th, td { padding: .1rem 0 }
        th:first-child, td:first-child { grid-column: 1 / -1 } .few path { stroke-width: .4; translate: 0 .25px }
      }
    </style></head>
    <body><h1></h1><p id="command"></p><div class="tiles"></div>
    <section><h2>When each image waited, and was worked on</h2>
    <p><span class="key wait">the image waits</span> <span class="key">a thread works</span></p></section>
    <h2>The images</h2><p id="hint">Open one to see original and copy under one slider; a click shows them at 100 %.</p>
    <label><input type="checkbox" id="failed"> <span>only what failed</span></label>
    <table><thead><tr></tr></thead><tbody></tbody></table><p id="end"></p><div id="tip"></div>
    <script type="application/json" id="data">DATA</script>
    <script nonce="NONCE">
      const french = {
        "When each image waited, and was worked on": "Quand chaque image a attendu, puis a été traitée",
        "Open one to see original and copy under one slider; a click shows them at 100 %.":
        "Ouvrez-en une pour voir l'original et la copie sous un même curseur ; un clic les montre à 100 %.",
        "the image waits": "l'image attend", "a thread works": "un thread travaille",
        "The images": "Les images", "only what failed": "seulement les manquées",
        "rows, one for each image": "lignes, une par image", from: "de",
        "its copy is up to date": "sa copie est à jour", "it would not get smaller": "elle ne serait pas plus petite",
        "not there any more": "n'est plus là", copy: "copie", before: "avant", after: "après", ratio: "taux",
        time: "temps", outcome: "résultat", compressed: "compressée", kept: "gardée", skipped: "sautée",
        failed: "manquée", "virtual threads": "threads virtuels", "platform threads": "threads de plateforme",
        sequential: "séquentiel", "median of": "médiane de", "speed-up": "accélération",
        "in quality": "en qualité", lossless: "sans perte",
        cores: "cœurs", core: "cœur", "at most": "au plus", "in work at once": "à la fois", waited: "a attendu",
        worked: "a travaillé", B: "o", kB: "ko", MB: "Mo", GB: "Go"};
      const phrases = new RegExp(`\\\\b(${Object.keys(french).join("|")})(?!\\\\w)`, "g");
      const say = text => !navigator.language.startsWith("fr") ? text : text.replace(phrases, words => french[words])
          .replace(/(\\d)\\.(\\d)/g, "$1,$2").replace(/(\\d\\d|[2-9]) (\\S+ée)/g, "$1 $2s"); // 0,5 and 2 gardées
      const find = selector => document.querySelector(selector), body = find("tbody"), tip = find("#tip");
      const make = (tag, set, ...inside) => { // texts become texts, whatever is in them; a name is set as textContent
        const element = Object.assign(document.createElement(tag), set);
        return element.append(...inside.map(part => part.at ? say(part) : part)), element;
      };
      const [title, source, command, tiles, axis, ticks, runs, rows] = JSON.parse(find("#data").textContent);
      const heads = ["image", "before", "after", "ratio", "time", "outcome"], ranks = "FAILED KEPT SKIPPED COMPRESSED";
      const images = rows.map(([name, there, original, copy, outcome, before, after, sizes, ms, remarks]) =>
          ({name, there, original, copy, outcome, before, sizes, ms, remarks,
            keys: [name, before, after, before && after / before, ms, ranks.indexOf(outcome)]})), sorted = [...images];
      document.documentElement.lang = say("kept") === "kept" ? "en" : "fr";
      document.querySelectorAll("h2, #hint, .key, label span").forEach(it => it.textContent = say(it.textContent));
      find("thead tr").append(...heads.map(text => make("th", {}, make("button", {}, text))));
      document.title = find("h1").textContent = say(title + " from ") + source;
      find("#command").textContent = "jbang Compress.java " + command;
      find(".tiles").append(...tiles.map(([value, meaning]) => make("div", {}, make("b", {}, value), meaning)));
      for (const [mode, seconds, times] of runs) {
        const n = times.length, few = n <= 24, path = draw => times.map(draw).join("");
        const plot = make("div", {className: "plot", innerHTML: `
          <svg viewBox="0 0 ${axis} ${n}" preserveAspectRatio="none">
          <path class="wait" stroke-width="${few ? .75 : 1}" d="${path(([, from], i) => `M0 ${i + .5}H${from}`)}"/>
          <path class="grid" d="${ticks.map(tick => `M${tick * 1e6} 0V${n}`).join("")}"/>
          <path class="work" stroke-width="${Math.max(.75, n / 100)}" d="${path(([, from, to], i) =>
            `M${from} ${i + .5}H${Math.max(to, from + axis / 600)}`)}"/></svg>`}); // numbers alone
        plot.onpointermove = plot.onpointerdown = ({clientX, clientY}) => {
          const box = plot.getBoundingClientRect(), i = Math.floor((clientY - box.top) / box.height * n);
          if (times[i]) {
            const [thread, from, to] = times[i], {name, before, sizes, outcome} = images[i];
            const what = before ? sizes.join(" → ") : outcome.toLowerCase();
            const [waited, worked] = [from, to - from].map(micros => Math.round(micros / 1e3) + " ms");
            tip.replaceChildren(make("bdi", {textContent: name}), say(` · ${what} · waited ${waited} · `),
                thread, say(` worked ${worked}`));
            tip.style.left = Math.max(8, Math.min(clientX + 16, innerWidth - tip.offsetWidth - 8)) + "px";
            tip.style.top = (clientY + 64 < innerHeight ? clientY + 20 : clientY - 48) + "px";
          }
        };
        plot.onmouseleave = () => tip.replaceChildren();
        const chart = make("div", {className: few ? "chart few" : "chart"}, make("div", {className: "labels"}, ...few
            ? times.map(([thread], i) => make("div", {}, make("i", {textContent: thread + " "}),
                make("bdi", {textContent: images[i].name}))) : [n + " rows, one for each image"]), plot);
        chart.style.setProperty("--row", n <= 8 ? "2.1rem" : few ? "1.6rem" : "26rem");
        const speedUp = make("span", {}, "speed-up ", make("b", {}, (runs[0][1] / seconds).toFixed(2)));
        find("section").append(make("h3", {}, mode, make("span", {}, seconds.toFixed(3) + " s"),
            runs.length > 1 ? speedUp : ""), chart);
      }
      find(".chart:last-child").append(make("div", {className: "axis"}, ...ticks.map(tick =>
          make("span", {style: `left: min(${tick * 1e8 / axis}%, 100% - 1.5em)`}, tick + " s"))));
      const toggle = (button, image) => { // one image at most is open
        const open = find("[aria-expanded=true]");
        find(".pair")?.remove(), open?.setAttribute("aria-expanded", false);
        if (open === button) { return open?.focus(); }
        button.ariaExpanded = true, button.closest("tr").after(pair(image));
      };
      addEventListener("keydown", ({key}) => key === "Escape" && toggle(find("[aria-expanded=true]")));
      const row = image => {
        const {before, sizes, keys, ms, outcome} = image, name = make("bdi", {textContent: image.name});
        const why = {SKIPPED: "its copy is up to date", KEPT: "it would not get smaller"}[outcome];
        const notes = why ? [say(why)] : image.remarks;
        const cells = [...before ? [...sizes, keys[3].toFixed(3), ms + " ms"] : "––––", outcome.toLowerCase()];
        return make("tr", {className: outcome}, make("td", {}, image.there
            ? make("button", {ariaExpanded: false, onclick() { toggle(this, image); }}, name) : name,
            ...notes.map(textContent => make("small", {textContent}))), ...cells.map(text => make("td", {}, text)));
      };
      const failed = find("#failed"), wanted = ({outcome}) => !failed.checked || outcome === "FAILED";
      const more = () => { // the next hundred
        const shown = body.querySelectorAll("tr:not(.pair)").length;
        body.append(...sorted.filter(wanted).slice(shown, shown + 100).map(row));
      };
      const again = failed.onchange = () => (body.replaceChildren(), more());
      again(), failed.parentNode.hidden = images.every(image => image.outcome !== "FAILED");
      onscroll = () => (tip.textContent = "", find("#end").getBoundingClientRect().top < 2 * innerHeight && more());
      find("thead").onclick = ({target}) => {
        const th = target.closest("th"), up = th.ariaSort === "ascending" ? -1 : 1, key = it => it.keys[th.cellIndex];
        find("[aria-sort]")?.removeAttribute("aria-sort"), th.ariaSort = up > 0 ? "ascending" : "descending";
        sorted.sort((a, b) => up * (key(a).localeCompare?.(key(b)) ?? key(a) - key(b))), again();
      };
      const pair = ({original, copy}) => { // the copy to the right of the slider; fits the window, or at 100 %
        const stage = make("div", {className: "stage"}), view = make("div", {className: "view"}, stage);
        const slider = make("input", {type: "range", step: "any", ariaLabel: "original, " + say("copy")});
        const x = () => slider.value / 100 * view.clientWidth; // of the divider
        slider.oninput = view.onscroll = () =>
            stage.style.setProperty("--cut", view.scrollLeft - stage.offsetLeft + x() + "px");
        const place = () => (slider.oninput(), view.parentNode.scrollIntoView({block: "nearest"}));
        new ResizeObserver(place).observe(stage); // as the images come, and the zoom and the window change
        const zoom = (across, down) => { // this point of the picture goes to the middle
          view.classList.toggle("full");
          view.scrollTo(across * stage.clientWidth - view.clientWidth / 2,
              down * stage.clientHeight - view.clientHeight / 2);
        };
        let last, divider, moved; // of a drag: its last event, what it takes, whether it is more than a click
        const at = event => event.clientX - view.getBoundingClientRect().left;
        view.onpointerdown = event => {
          view.setPointerCapture(event.pointerId);
          [last, moved] = [event, Math.abs(at(event) - x()) < 24];
          divider = moved || !view.classList.contains("full");
        };
        view.onpointermove = event => {
          const right = event.clientX - last?.clientX, down = event.clientY - last?.clientY;
          if (view.hasPointerCapture(event.pointerId) && (moved ||= Math.hypot(right, divider ? 0 : down) > 4)) {
            divider ? slider.value = at(event) / view.clientWidth * 100 : view.scrollBy(-right, -down);
            last = event, slider.oninput();
          }
        };
        view.onclick = ({clientX, clientY}) => {
          const {left, top, width, height} = stage.getBoundingClientRect();
          moved || zoom((clientX - left) / width, (clientY - top) / height);
        };
        stage.append(...[original, copy].map(src => make("img", {src, draggable: false, onload() {
          stage.style.setProperty("--width", this.naturalWidth / devicePixelRatio + "px");
        }, onerror: () => view.replaceChildren(say("not there any more"), ": " + src)})));
        const full = make("button", {onclick: () => zoom(.5, .5)}, "100 %");
        return make("tr", {className: "pair"}, make("td", {colSpan: 6}, view, slider,
            make("div", {className: "under"}, "original", full, "copy")));
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

  /** A number of things: 1 image, 4 images. */
  static String count(int number, String thing) { return number + " " + thing + (number == 1 ? "" : "s"); }

  static String cores() { return count(Runtime.getRuntime().availableProcessors(), "core"); }

  static String ratio(long before, long after) {
    return before == 0 ? "none" : format("%.3f", (double) after / before);
  }

  /** A size in bytes, decimal units: 512 B, 12.8 kB, 3.21 MB, 1.20 GB. */
  static String size(long bytes) {
    return bytes < 1_000 ? bytes + " B" : bytes < 100_000 ? format("%.1f kB", bytes / 1e3)
        : bytes < 1_000_000_000 ? format("%.2f MB", bytes / 1e6) : format("%.2f GB", bytes / 1e9);
  }

  /** Reads a size: 500000, 500k or 0.5M, k and M being 1,000 and 1,000,000 bytes. */
  static final class SizeConverter implements ITypeConverter<Long> {
    @Override
    public Long convert(String text) {
      Matcher size = Pattern.compile("(\\d{1,12}(?:\\.\\d{1,6})?)([kM]?)B?", Pattern.CASE_INSENSITIVE).matcher(text);
      if (!size.matches()) {
        throw new TypeConversionException("'" + text + "' is no size, as 500k or 2M is");
      }
      String unit = size.group(2).toLowerCase(Locale.ROOT);
      return (long) (Double.parseDouble(size.group(1)) * (unit.isEmpty() ? 1 : unit.equals("k") ? 1e3 : 1e6));
    }
  }

  /** Why an image failed. */
  static String reason(Throwable problem) {
    return switch (problem) {
      case JpegException e -> e.getMessage();
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

/**
 * An image and its compressed copy. There is one for each image of a run, so it holds no more than it must.
 *
 * @param image the original
 * @param source where it was found, and where its copy goes
 * @param problem why it cannot be compressed, or null
 */
record ImageFile(Path image, Source source, String problem) {
  private static final int CLOCK_TICK = 50; // milliseconds; file systems note times that are up to a few old,
  private static final int LONG_TICK = 2_100; // or whole seconds (ext3, HFS+), even ones alone (FAT)
  private static final int CHUNK = 1 << 16; // bytes; Java reads each by way of a buffer of its size outside the heap
  private static final int MOST = Integer.MAX_VALUE - 8; // bytes that an array holds

  /** An image as it was read: its bytes, when it was changed last, and who may read it (null: everybody). */
  record State(byte[] bytes, FileTime time, PosixFileAttributes access) {}

  /** What the log calls it. */
  String name() {
    Path place = source.place(image);
    return (ImageFiles.isEmpty(place) ? image : place).toString();
  }

  /** Where the compressed copy goes. */
  Path copy() { return source.destination().resolve(source.place(image)); }

  /** The folder of the copy. */
  Path folder() {
    Path copy = copy().toAbsolutePath();
    return copy.getParent() == null ? copy : copy.getParent();
  }

  /** What the log calls that folder: its path from DESTINATION on, by its name. */
  String folderName() {
    int above = Math.max(0, source.destination().toAbsolutePath().getNameCount() - 1);
    return folder().subpath(above, folder().getNameCount()).toString();
  }

  /** What tells the image from others: its path, relative to the source if it is in there. A URI: it has all bytes. */
  private String identity() {
    return source.root().toUri().relativize(image.toAbsolutePath().normalize().toUri()).toString();
  }

  private int stateOf(FileTime time) { return (int) Provenance.hash(identity() + "\n" + time.toMillis()); }

  /** Whether the copy was made of the image as it is, with these settings, and has its time, as rsync has it. */
  boolean isUpToDate(Recompressor.Settings settings) throws IOException {
    boolean there = problem == null && Files.isRegularFile(copy(), LinkOption.NOFOLLOW_LINKS);
    Provenance copy = there ? Provenance.of(copy(), false) : null;
    if (copy == null) {
      return false;
    }
    FileTime time = Files.getLastModifiedTime(image);
    long size = Files.size(image);
    String options = copy.isAsIs() ? copy.options() : settings.letters();
    return (copy.isAsIs() ? Files.size(copy()) == size : Files.size(copy()) <= size)
        && copy.equals(new Provenance(options, size, copy.identity(), stateOf(time)))
        && Math.abs(Files.getLastModifiedTime(copy()).toMillis() - time.toMillis()) <= 2_000; // FAT notes even seconds
  }

  /** Writes the copy, unless it would replace anything but an older copy of this image. */
  void writeCopy(Copy copy, State original, Compress options) throws IOException {
    byte[] jpeg = original.bytes();
    long identity = Provenance.hash(identity() + "\n" + copy.taken());
    if (options.dryRun) {
      if (Files.exists(copy(), LinkOption.NOFOLLOW_LINKS)) {
        replaces(image, identity, jpeg.length, options.overwrite); // or fails as it would
      }
      return;
    }
    byte[] attribute =
        new Provenance(options.settings().letters(), jpeg.length, identity, stateOf(original.time())).sign(copy);
    WholeFile.write(copy(), copy.bytes(), original, attribute,
        part -> replaces(part, identity, jpeg.length, options.overwrite));
  }

  /**
   * Copies the file byte for byte. What stands in its place stays, unless Compress copied it there of this file.
   *
   * @param again whether the next run with --update is to compress the image all the same
   */
  void copyAsIs(boolean again) throws IOException {
    if (Files.exists(copy(), LinkOption.NOFOLLOW_LINKS) && !replacesAsIs(image)) {
      return;
    }
    CompressOneImage.createFolder(folder());
    long size = Files.size(image);
    FileTime time = Files.getLastModifiedTime(image);
    Provenance provenance =
        new Provenance(Provenance.AS_IS, size, Provenance.hash(identity()), again ? 0 : stateOf(time));
    WholeFile.write(copy(), state(null, time), part -> {
      CRC32 checksum = new CRC32();
      long copied = Files.copy(image, new CheckedOutputStream(Channels.newOutputStream(part), checksum));
      check(copied == size && Files.getLastModifiedTime(image).equals(time), "it changes while it is copied");
      return provenance.text(checksum.getValue());
    }, this::replacesAsIs);
  }

  private boolean replacesAsIs(Path part) throws IOException {
    if (Files.mismatch(part, copy()) < 0) {
      return false;
    }
    Provenance found =
        Files.isRegularFile(copy(), LinkOption.NOFOLLOW_LINKS) ? Provenance.of(copy(), true) : null;
    check(found != null && found.isAsIs() && found.identity() == Provenance.hash(identity()),
        "there is a file that Compress did not copy");
    return true;
  }

  // Whether the part is to take the place of the file that stands where the copy goes; false: that is equal, and stays.
  // A JpegException says why neither. No path is compared: links, mounts, disks without capitals are all one case. Of
  // two images with one place, the copy of the first to be done stays (a list's are told apart before).
  private boolean replaces(Path part, long identity, long size, boolean overwrite) throws IOException {
    Path copy = copy();
    BasicFileAttributes there = Files.readAttributes(copy, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    refuseItself();
    if (there.isRegularFile()) {
      Provenance found = Provenance.of(copy, true);
      boolean ours = found != null && found.identity() == (found.isAsIs() ? Provenance.hash(identity()) : identity);
      // A copy is smaller than its image or, if that is no copy itself, as large. So none replaces what it was made of.
      if (ours && (there.size() < size || there.size() == size && Provenance.of(image, false) == null)
          || there.size() == 0) { // a power cut can leave files with nothing in them
        return true;
      } else if (!part.equals(image) && Files.mismatch(part, copy) < 0) {
        return false;
      }
      check(ours || found == null, "its copy would replace that of another image");
      check(Files.mismatch(image, copy) >= 0, "there is the image itself, or a file equal to it (delete that, if so)");
    }
    check(!there.isDirectory(), "there is a folder where its copy should be");
    check(!there.isOther(), "there is no file where its copy should be");
    Provenance own = Provenance.of(image, false);
    // Of a copy's copy only the last original's size is known; the first was larger.
    boolean mayBeOwn = own != null
        && (there.size() == own.size() || there.size() > own.size() && Provenance.of(image, true) != null);
    check(!mayBeOwn, "there may be what this image, a copy itself, was made of (exchange the two folders)");
    check(overwrite, "there is a file that Compress did not make (--overwrite replaces it)");
    for (Path of : source.all()) {
      boolean within = Files.exists(copy) && Files.exists(of); // or links that lead nowhere
      check(!within || !copy.toRealPath().startsWith(of.toRealPath()), "there is a file of SOURCE");
    }
    return true;
  }

  private void refuseItself() throws IOException {
    check(!ImageFiles.isSame(image, copy()), "its copy would replace the image itself");
  }

  private void check(boolean condition, String message) throws JpegException {
    if (!condition) {
      throw new JpegException(message + ": " + copy());
    }
  }

  /** Reads what stands in front of the picture; throws whatever makes a copy impossible. */
  JpegHeader readHeader() throws IOException {
    if (problem != null) {
      throw new JpegException(problem);
    } else if (Files.exists(image) && !Files.isRegularFile(image)) {
      throw new JpegException(Files.isDirectory(image) ? "a folder" : "not a file that can be read twice");
    } else if (Files.size(image) > MOST) {
      throw new JpegException("too large: at most 2 GB");
    }
    refuseItself();
    // The header is at the start; but it may hold a preview and a maker's notes, each of megabytes.
    for (int length = 1 << 16; ; length *= 8) {
      long size = Files.size(image);
      int least = (int) Math.min(length, size);
      try (Memory.Share share = Memory.reserve(3L * least)) { // a profile in it is copied
        return JpegHeader.read(read(least), size);
      } catch (JpegException e) {
        if (!e.isCutShort() || size <= length || length >= 1 << 28) {
          throw e;
        }
      }
    }
  }

  /** Reads the image; a JpegException if 20 attempts find it changing. */
  State read() throws IOException, InterruptedException {
    for (int attempt = 0; attempt < 20; attempt++) {
      FileTime modified = Files.getLastModifiedTime(image);
      int tick = modified.toMillis() % 1_000 == 0 ? LONG_TICK : CLOCK_TICK;
      long age = System.currentTimeMillis() - modified.toMillis();
      if (age >= 0 && age < tick) {
        Thread.sleep(tick - age); // two changes within one tick have the same time
        continue;
      }
      byte[] bytes = read((int) Math.min(Files.size(image), MOST));
      if (Files.size(image) == bytes.length && Files.getLastModifiedTime(image).equals(modified)) {
        return state(bytes, modified);
      }
    }
    throw new JpegException("it changes while it is read");
  }

  private State state(byte[] bytes, FileTime time) throws IOException {
    PosixFileAttributeView access = Files.getFileAttributeView(image, PosixFileAttributeView.class);
    return new State(bytes, time, access == null ? null : access.readAttributes());
  }

  /** Its first bytes: so many, or all if it has fewer. */
  private byte[] read(int length) throws IOException {
    byte[] bytes = new byte[length];
    int size = 0;
    try (InputStream in = Files.newInputStream(image)) {
      for (int n = CHUNK; n == CHUNK; size += n) {
        n = in.readNBytes(bytes, size, Math.min(CHUNK, length - size));
      }
    }
    return size == length ? bytes : Arrays.copyOf(bytes, size);
  }
}

/**
 * Where images are found, and where their copies go.
 *
 * @param root the folder whose tree the copies have, absolute and without ".."; of a named image, the one that it is in
 * @param all the sources of the run, as they were named
 */
record Source(Path root, Path destination, List<Path> all) {
  /**
   * Where the copy of an image belongs below the destination. What lies in the source folder keeps its place there. Of
   * any other path the root and every ".." are left out, as tar does it: no list leads out of the destination.
   */
  Path place(Path image) {
    Path full = image.toAbsolutePath().normalize();
    Path place = full.startsWith(root) ? root.relativize(full) : image.getFileSystem().getPath("");
    if (ImageFiles.isEmpty(place)) {
      for (Path part : image.normalize()) {
        place = part.toString().equals("..") ? place : place.resolve(part);
      }
    }
    return place;
  }
}

/** Finds the images to compress, and what else there is. */
final class ImageFiles {
  private static final Log LOG = new Log(ProcessImages.class);
  final List<ImageFile> images = new ArrayList<>(); // by name; a list's in its own order
  private final List<ImageFile> rest = new ArrayList<>(); // other files
  private final List<Source> sources = new ArrayList<>();
  private final Map<Path, Path> byPlace = new HashMap<>(); // where two may have one
  boolean complete = true; // every folder could be read

  private ImageFiles() {}

  /** Finds the images that the command asks for; what cannot end well is wrong usage. */
  static ImageFiles find(Compress options) throws IOException {
    List<Path> all = Stream.concat(Stream.of(options.source), options.further.stream()).toList();
    Path destination = options.destination;
    String list = options.filesFrom;
    boolean free = !Files.exists(destination, LinkOption.NOFOLLOW_LINKS); // first: another run may just be creating it
    boolean there = Files.isDirectory(destination);
    options.require(list == null || all.size() == 1, "--files-from: there can be only one SOURCE");
    ImageFiles files = new ImageFiles();
    for (Path source : all) {
      options.require(!isEmpty(source) && !isEmpty(destination), "SOURCE or DESTINATION is empty; . is this folder");
      options.require(list != null || Files.exists(source, LinkOption.NOFOLLOW_LINKS),
          "SOURCE is not there: " + source);
      boolean isFolder = list != null || Files.isDirectory(source);
      Path root = isFolder ? source : source.toAbsolutePath().getParent();
      options.require(!isSame(root, destination), "DESTINATION is SOURCE: the originals would be replaced");
      options.require(!there || !options.recursive || !root.toRealPath().startsWith(destination.toRealPath()),
          "with --recursive SOURCE may not be inside DESTINATION");
      files.sources.add(new Source(root.toAbsolutePath().normalize(), destination, all));
    }
    options.require(free || there, "DESTINATION is not a folder: " + destination);
    if (list == null) {
      for (int i = 0; i < all.size(); i++) {
        files.scan(all.get(i), files.sources.get(i), options.recursive);
      }
      files.images.sort(Comparator.comparing(ImageFile::image));
    } else {
      Path file = options.source.getFileSystem().getPath(list);
      options.require(list.equals("-") || !Files.isDirectory(file) && Files.isReadable(file),
          "--files-from: cannot read " + list);
      try (InputStream in = list.equals("-") ? System.in : Files.newInputStream(file)) {
        files.readList(in, files.sources.getFirst());
      }
    }
    if (!options.dryRun) {
      files.clearLeftovers();
    }
    return files;
  }

  /** What is left when the images are done: the rest is copied, and told, and so are copies without an image. */
  void finish(Compress options, List<Result> results) {
    int copied = 0;
    Set<ImageFile> again = new HashSet<>(); // with more memory they may be done
    for (Result result : results) {
      if (options.copyRest && result.outcome() == Outcome.FAILED && result.file().problem() == null) {
        rest.add(result.file());
        if (result.remarks().getFirst().contains("memory")) {
          again.add(result.file());
        }
      }
    }
    boolean copies = options.copyRest && !options.dryRun;
    for (ImageFile file : copies ? rest : List.<ImageFile>of()) {
      try {
        if (file.problem() != null) {
          throw new JpegException(file.problem());
        } else if (!options.update || !file.isUpToDate(options.settings())) {
          file.copyAsIs(again.contains(file));
        }
        copied++;
      } catch (IOException e) {
        LOG.error("%s was not copied: %s", file.name(), Text.reason(e));
        complete = false;
      }
    }
    if (!rest.isEmpty()) {
      int count = copies ? copied : rest.size();
      String endings = rest.stream().map(ImageFiles::ending).distinct().sorted().collect(Collectors.joining(", "));
      String what = options.copyRest ? "copied" : "left alone";
      String verb = options.copyRest && options.dryRun ? "would be" : count == 1 ? "was" : "were";
      System.out.println(
          Text.printable(Text.format("%s (%s) %s %s", Text.count(count, "other file"), endings, verb, what)));
    }
    if (options.update && options.filesFrom == null && Files.isDirectory(options.destination)) {
      printOrphans(options);
    }
  }

  private static String ending(ImageFile file) {
    String name = file.image().getFileName().toString();
    return name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
  }

  /** Says how many copies have no image any more: it was renamed or deleted. */
  private void printOrphans(Compress options) {
    List<Path> roots = sources.stream().map(Source::root).distinct().toList();
    try (Stream<Path> files = Files.walk(options.destination, options.recursive ? Integer.MAX_VALUE : 1)) {
      List<String> orphans = new ArrayList<>();
      for (Path file : (Iterable<Path>) files::iterator) {
        String place = options.destination.relativize(file).toString();
        if (Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS) && !isHidden(file)
            && roots.stream().noneMatch(root -> Files.exists(root.resolve(place), LinkOption.NOFOLLOW_LINKS))
            && Provenance.of(file, false) != null) {
          orphans.add("\n  " + Text.printable(place));
        }
      }
      if (!orphans.isEmpty()) {
        System.out.println(orphans.size() + (orphans.size() == 1 ? " copy has" : " copies have") + " no image in "
            + options.sources() + " any more" + (options.dryRun ? String.join("", orphans) : ""));
      }
    } catch (IOException | UncheckedIOException e) {
      LOG.warn("copies without an image were not counted: %s", Text.reason(e));
    }
  }

  /** Adds a named image, or all in a folder: .jpg and .jpeg in any case, but no hidden files, and no copies. */
  private void scan(Path start, Source source, boolean recursive) throws IOException {
    int depth = recursive ? Integer.MAX_VALUE : 1;
    Files.walkFileTree(start, Set.of(FileVisitOption.FOLLOW_LINKS), depth, new SimpleFileVisitor<>() {
      @Override
      public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
        try {
          boolean copies = folder.toRealPath().startsWith(real(source.destination()));
          return !folder.equals(start) && (copies || isHidden(folder))
              ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
        } catch (IOException e) { // it has vanished since it was opened
          visitFileFailed(folder, e);
          return FileVisitResult.SKIP_SUBTREE;
        }
      }

      @Override
      public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        boolean isJpeg = name.endsWith(".jpg") || name.endsWith(".jpeg");
        // A link that leads nowhere counts: the user has lost an image.
        if ((!isHidden(file) || file.equals(start)) && (attributes.isRegularFile() || attributes.isSymbolicLink())) {
          add(file, source, isJpeg ? images : rest, source.all().size() > 1);
        }
        return FileVisitResult.CONTINUE;
      }

      @Override
      public FileVisitResult visitFileFailed(Path file, IOException problem) {
        if (isHidden(file) && !file.equals(start)) {
          return FileVisitResult.CONTINUE;
        } else if (problem instanceof FileSystemLoopException) {
          LOG.warn("%s leads back to a folder that it is in: not followed", file);
        } else {
          LOG.error("%s cannot be read: %s", file, Text.reason(problem));
          complete = false;
        }
        return FileVisitResult.CONTINUE;
      }

      @Override
      public FileVisitResult postVisitDirectory(Path folder, IOException problem) {
        return problem == null ? FileVisitResult.CONTINUE : visitFileFailed(folder, problem);
      }
    });
  }

  /** Adds a file; if two may have one place, the second to have it fails. */
  private void add(Path file, Source source, List<ImageFile> files, boolean mayMeet) throws IOException {
    Path before = mayMeet ? byPlace.putIfAbsent(source.place(file), file) : null;
    if (before == null || !before.equals(file) && !isSame(before, file)) {
      files.add(new ImageFile(file, source, before == null ? null : "its copy would replace that of " + before));
    }
  }

  /** Adds the images that a list names, one path a line. Blank lines are passed over. */
  private void readList(InputStream in, Source source) throws IOException {
    FileSystem system = source.destination().getFileSystem();
    BufferedReader lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.ISO_8859_1)); // bytes, that is
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      line = line.replaceFirst("^\u00EF\u00BB\u00BF", ""); // a byte order mark, as some editors write it
      if (line.isBlank()) {
        continue;
      }
      try {
        Path image = path(line, system);
        if (isEmpty(source.place(image))) {
          images.add(new ImageFile(image, source, "a folder"));
        } else {
          add(image, source, images, true);
        }
      } catch (IllegalArgumentException e) {
        String shown = line.substring(0, Math.min(100, line.length())).replaceAll("[^ -~]|[<>:\"|?*]", "_");
        images.add(new ImageFile(system.getPath(shown), source, "not a file name on this system"));
      }
    }
  }

  /** The path of these bytes, each given as a character. Only from a URI does Java make it whatever the locale is. */
  private static Path path(String bytes, FileSystem system) {
    if (bytes.length() > 1 << 16) {
      throw new InvalidPathException("", "too long"); // for every system
    } else if (system != FileSystems.getDefault() || !system.getSeparator().equals("/")) {
      return system.getPath(new String(bytes.getBytes(StandardCharsets.ISO_8859_1), StandardCharsets.UTF_8));
    }
    String uri = Pattern.compile("[^/]").matcher(("/" + bytes).replaceAll("/+", "/"))
        .replaceAll(b -> Text.format("%%%02X", (int) b.group().charAt(0)));
    Path path = Path.of(URI.create("file://" + uri));
    return bytes.startsWith("/") ? path : path.subpath(0, path.getNameCount());
  }

  /** Whether a path has no name in it: it is then the folder that it is resolved against. */
  static boolean isEmpty(Path path) { return path.toString().isEmpty(); }

  /** Whether both are there and are one file. */
  static boolean isSame(Path a, Path b) throws IOException {
    return Files.exists(a) && Files.exists(b) && Files.isSameFile(a, b);
  }

  /** The folder without links in its path; as it is if it is not there. */
  private static Path real(Path folder) {
    try {
      return folder.toRealPath();
    } catch (IOException e) {
      return folder;
    }
  }

  private static boolean isHidden(Path path) { return String.valueOf(path.getFileName()).startsWith("."); }

  /** Deletes what killed runs left in the folders of the copies; but nothing where images are. */
  private void clearLeftovers() {
    List<ImageFile> files = Stream.concat(images.stream(), rest.stream()).toList();
    Set<Path> ofImages = files.stream().map(file -> file.image().toAbsolutePath().resolveSibling("")).distinct()
        .map(ImageFiles::real).collect(Collectors.toSet());
    for (Path folder : files.stream().map(ImageFile::folder).distinct().filter(Files::exists).toList()) {
      try {
        if (!ofImages.contains(folder.toRealPath())) {
          WholeFile.clearLeftovers(folder);
        }
      } catch (IOException | DirectoryIteratorException e) {
        LOG.warn("%s may hold leftovers of a run that was killed: %s", folder, Text.reason(e));
      }
    }
  }
}

/**
 * What a copy says of itself, in a comment segment (T.81 B.2.4.5) behind JFIF or EXIF: that Compress made it, with
 * which options, of an image of which size; then checksums of the image's identity, of its state, and of the copy
 * itself, since editors keep comments. Compress replaces a file only if it says so and is as it was written. A kept
 * copy is the original byte for byte: an extended attribute says it, where the file system has those.
 *
 * @param size of the image, in bytes
 * @param identity a hash of its place and of when it was taken: the IMG_0001.jpg of two cameras are not one
 * @param state of its identity and of when it was changed last
 */
record Provenance(String options, long size, long identity, int state) {
  static final Pattern TEXT = Pattern.compile("Compress (\\S+) +(\\d{1,19}) (\\p{XDigit}{16}) (\\p{XDigit}{8}) (.{8})");
  static final String ATTRIBUTE = "user:compress";
  static final String AS_IS = "copied"; // in place of options: with none of them

  boolean isAsIs() { return options.equals(AS_IS); }

  /** FNV-1a, 64 bits. */
  static long hash(String text) {
    long hash = 0xcbf29ce484222325L;
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      hash = (hash ^ b & 0xFF) * 0x100000001b3L;
    }
    return hash ^ hash >>> 32;
  }

  /** Its text, equally long for all sizes: a copy that is compressed again does not get smaller by it. */
  byte[] text(long checksum) {
    return Text.format("Compress %s %10d %016x %08x %08x", options, size, identity, state, checksum)
        .getBytes(StandardCharsets.ISO_8859_1);
  }

  /** A copy's segments with room for its provenance, which {@link #sign} fills in when the copy is complete. */
  static byte[] into(byte[] segments, Recompressor.Settings settings, long size) {
    byte[] text = new Provenance(settings.letters(), size, 0, 0).text(0);
    int at = start(segments, 0) - 4;
    return ByteBuffer.allocate(segments.length + text.length + 4).put(segments, 0, at).putShort((short) 0xFFFE)
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
    try (InputStream in = Files.newInputStream(file)) {
      return of(in, attribute(file), asWritten);
    }
  }

  /** The same of a file's bytes, and of its attribute or null. */
  static Provenance of(InputStream in, byte[] attribute, boolean asWritten) throws IOException {
    byte[] head = in.readNBytes(6);
    head = Arrays.copyOf(head, start(head, 2) + 100); // no more, for --update reads it of every copy
    head = Arrays.copyOf(head, 6 + in.readNBytes(head, 6, head.length - 6));
    Matcher text = TEXT.matcher(new String(attribute == null ? head : attribute, StandardCharsets.ISO_8859_1));
    text.region(attribute == null ? Math.min(start(head, 2), head.length) : 0, text.regionEnd());
    if (!text.lookingAt()) {
      return null;
    }
    if (attribute == null) {
      Arrays.fill(head, text.start(5), text.end(5), (byte) '0');
    }
    CRC32 checksum = new CRC32();
    for (int n = head.length; asWritten && n > 0; n = in.read(head)) {
      checksum.update(head, 0, n);
    }
    return asWritten && !text.group(5).equals(Text.format("%08x", checksum.getValue())) ? null
        : new Provenance(text.group(1), Long.parseLong(text.group(2)), Long.parseUnsignedLong(text.group(3), 16),
            Integer.parseUnsignedInt(text.group(4), 16));
  }

  /** The attribute in which a file says it, or null. */
  private static byte[] attribute(Path file) {
    try {
      return (byte[]) Files.getAttribute(file, ATTRIBUTE);
    } catch (IOException | RuntimeException e) {
      return null; // it has none, or the file system has none
    }
  }
}

/** Writes files whole or not at all: beside their final name first, and then renamed in one step. */
final class WholeFile {
  private static final Log LOG = new Log(ProcessImages.class);
  private static final Pattern PART = Pattern.compile("\\.compress-[0-9a-f]{16}\\.part");
  private static final Set<PosixFilePermission> CLOSED = PosixFilePermissions.fromString("rw-------");
  private static final long LAST_BYTE = Long.MAX_VALUE - 1; // the one that is locked: on Windows nobody can read that
  private static final int CHUNK = 1 << 20; // bytes; the channel copies each to a buffer of that size outside the heap

  /** Decides, where there is a file already, whether the part replaces it. If not, it stays, and the part goes. */
  interface Replacement {
    boolean isDue(Path part) throws IOException;
  }

  /** Writes a part, and returns its attribute, or null. */
  interface Content {
    byte[] writeTo(FileChannel part) throws IOException;
  }

  /** Something that not every file system can do. */
  private interface Step {
    void take() throws IOException;
  }

  /** Takes a step if the file system can, and returns whether it did. A file that has vanished is another matter. */
  private static boolean ifSupported(Step step) throws NoSuchFileException {
    try {
      step.take();
      return true;
    } catch (NoSuchFileException e) {
      throw e;
    } catch (IOException | UnsupportedOperationException e) {
      return false;
    }
  }

  /** Writes the file; it gets the time and the access of the original and, unless null, this attribute. */
  static void write(Path file, byte[] bytes, ImageFile.State original, byte[] attribute, Replacement replacement)
      throws IOException {
    write(file, original, part -> {
      for (int written = 0; written < bytes.length; ) {
        written += part.write(ByteBuffer.wrap(bytes, written, Math.min(CHUNK, bytes.length - written)));
      }
      return attribute;
    }, replacement);
  }

  static void write(Path file, ImageFile.State original, Content content, Replacement replacement) throws IOException {
    for (int attempt = 1; ; attempt++) {
      try {
        tryToWrite(file, original, content, replacement);
        return;
      } catch (NoSuchFileException e) { // another run took the part for a leftover: locks are not shared everywhere
        if (attempt == 20 || !Files.isDirectory(file.toAbsolutePath().getParent())) {
          throw e;
        }
      }
    }
  }

  private static void tryToWrite(Path file, ImageFile.State original, Content content, Replacement replacement)
      throws IOException {
    Path part = file.resolveSibling(Text.format(".compress-%016x.part", ThreadLocalRandom.current().nextLong()));
    boolean posix = original.access() != null;
    FileAttribute<?>[] closed = {PosixFilePermissions.asFileAttribute(CLOSED)};
    try (FileChannel channel = FileChannel.open(part, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
        posix ? closed : new FileAttribute<?>[0])) {
      ifSupported(() -> channel.lock(LAST_BYTE, 1, false)); // until it is complete, or the process ends, however
      if (posix) {
        setAccess(part, original.access()); // while it is empty
      }
      byte[] attribute = content.writeTo(channel);
      if (attribute != null) {
        // Only now: that opens and closes the part, which gives the lock back.
        ifSupported(() -> Files.setAttribute(part, Provenance.ATTRIBUTE, attribute));
      }
      ifSupported(() -> Files.setLastModifiedTime(part, original.time())); // if not, --update does the image again
      rename(part, file, replacement);
    } finally {
      Files.deleteIfExists(part);
    }
  }

  /** Gives the part its final name. One thread at a time, for looking at what is there and moving are two steps. */
  private static synchronized void rename(Path part, Path file, Replacement replacement) throws IOException {
    // A link, unlike a move, never replaces what another process has put there meanwhile.
    if (!ifSupported(() -> Files.createLink(file, part))
        && (!Files.exists(file, LinkOption.NOFOLLOW_LINKS) || replacement.isDue(part))) {
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  /** Gives a part the group and the permissions of the original; if it may not have the group, none for its own. */
  private static void setAccess(Path part, PosixFileAttributes original) throws IOException {
    PosixFileAttributeView view = Files.getFileAttributeView(part, PosixFileAttributeView.class);
    Set<PosixFilePermission> mode = EnumSet.copyOf(original.permissions());
    mode.removeIf(permission -> permission.name().endsWith("EXECUTE"));
    mode.addAll(CLOSED);
    if (!view.readAttributes().group().equals(original.group())
        && !ifSupported(() -> view.setGroup(original.group()))) {
      mode.removeIf(permission -> permission.name().startsWith("GROUP"));
    }
    ifSupported(() -> view.setPermissions(mode));
  }

  /** Deletes what killed runs left in a folder. What another run is writing just now is locked, and stays. */
  static void clearLeftovers(Path folder) throws IOException {
    try (DirectoryStream<Path> parts = Files.newDirectoryStream(folder, path ->
        PART.matcher(path.getFileName().toString()).matches()
            && Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS))) { // a FIFO would have us wait
      for (Path part : parts) {
        try (FileChannel channel = FileChannel.open(part, StandardOpenOption.WRITE)) {
          if (channel.tryLock(LAST_BYTE, 1, false) != null) {
            Files.delete(part);
          }
        } catch (NoSuchFileException e) {
          continue; // the other run has finished it meanwhile
        } catch (IOException e) {
          LOG.warn("%s, left by a run that was killed, stays: %s", part, Text.reason(e));
        }
      }
    }
  }
}

/**
 * Shares the heap out, so that however many and however large the images are, those in work at once fit in it. An image
 * keeps its permit while it waits here; no deadlock comes of it, for whoever has memory waits for nothing more.
 */
final class Memory {
  private static final int UNIT = 1 << 20; // bytes
  private static final double USABLE = 0.6; // of the heap: an array must fit in one generation of it, and garbage waits
  private static final int TOTAL = (int) (Runtime.getRuntime().maxMemory() * USABLE / UNIT);
  private static final Semaphore FREE = new Semaphore(TOTAL, true);

  /** Memory that is reserved until it is closed. */
  record Share(int units) implements AutoCloseable {
    @Override
    public void close() { FREE.release(units); }
  }

  /** Waits until this many bytes are free and takes them. */
  static Share reserve(long bytes) throws JpegException {
    long units = bytes / UNIT + 1;
    if (units > TOTAL) {
      long heap = (long) (units / USABLE / 0.95 / 64 + 1) * 64; // of -Xmx a twentieth is not there to use
      throw new JpegException(Text.format(
          "it needs %s of memory, more than there is; try jbang -R-Xmx%dm Compress.java", Text.size(bytes), heap));
    }
    FREE.acquireUninterruptibly((int) units);
    return new Share((int) units);
  }
}

// Recompressing -------------------------------------------------------------------------------------------------------
// From the bytes of an image to those of its copy: by its coefficients, or by its pixels as everybody else does.

/**
 * The copy of an image.
 *
 * @param bytes a whole JPEG
 * @param kept whether it is the original: recompression would not have saved enough
 * @param taken when the original was, as {@link Exif} has it
 * @param how what else the log says of it, or empty
 * @param warnings what was left out of it though it was part of how the original looked
 */
record Copy(byte[] bytes, boolean kept, String taken, String how, List<String> warnings) {}

/** Recompresses the bytes of a JPEG. */
final class Recompressor {
  /**
   * What shapes a copy.
   *
   * @param quality 1 to 100, on libjpeg's scale; or LOSSLESS: every coefficient stays as it is
   * @param smallest whether as good a picture is to take as few bytes as can be: see {@link Smallest}
   * @param keepMetadata whether the copy has all of the original's, or only what makes it look the same
   * @param maxSize how many bytes the copy may take; 0: any number
   * @param threshold how many per cent the copy must save, or the original is kept
   */
  record Settings(int quality, Compress.Engine engine, boolean smallest, boolean keepMetadata, long maxSize,
      double threshold) {
    static final int LOSSLESS = 101;

    Settings(int quality, Compress.Engine engine, boolean smallest, boolean keepMetadata) {
      this(quality, engine, smallest, keepMetadata, 0, 0);
    }

    Settings lossless() { return new Settings(LOSSLESS, engine, false, keepMetadata, 0, 0); }

    Settings withQuality(int other) { return new Settings(other, engine, smallest, keepMetadata, maxSize, threshold); }

    /** In short, for the copy to remember: the quality, and a letter for each that is not as usual. */
    String letters() {
      return (isLossless() ? "lossless" : quality) + (byPixels() ? "p" : "") + (smallest ? "s" : "")
          + (keepMetadata ? "k" : "") + (maxSize > 0 ? "m" + maxSize : "") + (threshold > 0 ? "t" + threshold : "");
    }

    boolean byPixels() {
      return engine == Compress.Engine.pixels;
    }

    boolean isLossless() {
      return quality == LOSSLESS;
    }
  }

  /** The copy of a JPEG of this header; throws a JpegException where none can be made. */
  static Copy recompress(byte[] jpeg, JpegHeader first, Settings settings) throws IOException {
    JpegHeader header = first.isOf(jpeg) ? first : JpegHeader.read(jpeg); // the file may have changed meanwhile
    Set<String> warnings = new LinkedHashSet<>();
    GainMap map = GainMap.find(jpeg, header, header.memory(settings) - jpeg.length, warnings);
    JpegHeader.Kind kind = settings.byPixels() ? PixelEngine.kind(header) : Sampling.of(header, settings).kind();
    byte[] metadata = Metadata.of(jpeg, header, kind, map, settings.keepMetadata);
    metadata = Provenance.into(metadata, settings, jpeg.length);
    if (header.icc.broken()) {
      warnings.add("has a colour profile that cannot be used: left out of the copy");
    }
    // What --smallest has once chosen for this quality it would choose from again, and lose a little more.
    Provenance own = settings.smallest ? Provenance.of(new ByteArrayInputStream(jpeg), null, true) : null;
    boolean again = own != null && own.options().equals(settings.letters());
    byte[] copy = Metadata.join(picture(jpeg, header, again ? settings.lossless() : settings), metadata, map);
    boolean fits = settings.maxSize == 0 || jpeg.length <= settings.maxSize;
    if (copy.length >= jpeg.length || fits && copy.length > jpeg.length * (1 - settings.threshold / 100)) {
      String why = copy.length >= jpeg.length ? "it would not get smaller" : "it would hardly get smaller";
      return new Copy(jpeg, true, header.exif.taken(), " kept: " + why, List.of());
    }
    String how = "";
    if (settings.maxSize > 0 && copy.length > settings.maxSize) {
      int quality = settings.quality;
      byte[] best = null;
      SizeSearch search = new SizeSearch(quality, copy.length, settings.maxSize);
      while ((quality = search.next()) > 0) {
        copy = Metadata.join(picture(jpeg, header, settings.withQuality(quality)), metadata, map);
        best = search.tried(quality, copy.length) ? copy : best;
      }
      copy = best == null ? copy : best;
      how = " in quality " + search.quality();
      if (best == null) {
        warnings.add("takes " + Text.size(copy.length) + " even in quality 1, more than --max-size");
      }
    }
    return new Copy(copy, false, header.exif.taken(), how, List.copyOf(warnings));
  }

  private static byte[] picture(byte[] jpeg, JpegHeader header, Settings settings) throws IOException {
    return settings.byPixels() ? PixelEngine.recompress(jpeg, header, settings.quality)
        : CoefficientEngine.recompress(jpeg, header, settings);
  }
}

/**
 * Looks for the best quality at which a copy takes at most so many bytes, in few passes: the logarithm of its size is
 * nearly a straight line over that of its quantization steps.
 */
final class SizeSearch {
  private static final double FULL = 0.9; // of the bytes: that is good enough
  private final double most; // bytes
  private int low; // the best quality known to fit; 0: none
  private int high; // the lowest known to be too much
  private double step; // logarithm of the steps tried last,
  private double size; // and of the size that it took
  private double lowSize; // bytes
  private double slope = -0.7;

  SizeSearch(int quality, long size, long most) {
    this.most = most;
    high = quality;
    step = logarithm(quality);
    this.size = Math.log(size);
  }

  /** The quality to try next, or 0: no other is worth it. */
  int next() {
    if (high - low <= 1 || lowSize >= FULL * most) {
      return 0;
    }
    double percent = Math.exp(step + (Math.log(most * (1 + FULL) / 2) - size) / slope); // see StandardTables.steps
    double quality = percent > 100 ? 5000 / percent : 100 - percent / 2;
    return Math.clamp(Math.round(quality), low + 1, high - 1);
  }

  /** Takes note of the size of a copy of this quality; returns whether it fits. */
  boolean tried(int quality, long bytes) {
    double nowStep = logarithm(quality);
    double nowSize = Math.log(bytes);
    slope = nowStep == step ? slope : Math.clamp((nowSize - size) / (nowStep - step), -1.5, -0.2);
    step = nowStep;
    size = nowSize;
    if (bytes > most) {
      high = quality;
      return false;
    }
    low = quality;
    lowSize = bytes;
    return true;
  }

  /** The best quality that fits, or 1 if none does. */
  int quality() { return Math.max(low, 1); }

  private static double logarithm(int quality) {
    return Math.log(Math.max(1, quality < 50 ? 5000.0 / quality : 200 - 2 * quality));
  }
}

/**
 * Recompresses a JPEG by way of its pixels, as most programs do: TwelveMonkeys reads them, the JDK writes them. It is
 * here to be compared with. What libjpeg makes up for damaged data stays; CMYK becomes sRGB, without its profile.
 */
final class PixelEngine {
  /** How the copy's components make a colour. */
  static JpegHeader.Kind kind(JpegHeader header) {
    return header.kind == JpegHeader.Kind.GREY ? JpegHeader.Kind.GREY : JpegHeader.Kind.YCBCR;
  }

  /** The bytes of heap that it takes: the file twice, the pixels (of inks as sRGB, too), what is written. */
  static long memory(JpegHeader header) throws JpegException {
    long samples = (long) header.width * header.height * header.components.size();
    if (samples > Integer.MAX_VALUE) {
      throw new JpegException("not supported by --engine=pixels: " + Text.size(samples) + " of pixels");
    }
    long pixels = (long) header.width * header.height;
    return 2L * header.fileSize + (header.isCmyk() ? 2 : 1) * samples + 2 * pixels + (1 << 20);
  }

  /** Recompresses a JPEG, without its metadata. */
  static byte[] recompress(byte[] jpeg, JpegHeader header, int quality) throws IOException {
    ImageReader reader = ImageIO.getImageReadersByFormatName("JPEG").next();
    ImageWriter writer = ImageIO.getImageWritersByFormatName("JPEG").next();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(1 << 16);
    try (MemoryCacheImageOutputStream out = new MemoryCacheImageOutputStream(bytes)) {
      reader.setInput(new ByteArrayImageInputStream(bare(jpeg, header)), true, true);
      BufferedImage picture = reader.read(0);
      JPEGImageWriteParam param = (JPEGImageWriteParam) writer.getDefaultWriteParam();
      param.setOptimizeHuffmanTables(true);
      param.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
      param.setCompressionQuality(quality / 100f); // the writer rounds the tables a little differently from libjpeg
      writer.setOutput(out);
      writer.write(null, new IIOImage(picture, null, null), param);
    } catch (IOException | RuntimeException e) {
      throw new JpegException("--engine=pixels cannot read it: " + e.getMessage());
    } finally {
      reader.dispose();
      writer.dispose();
    }
    return bytes.toByteArray();
  }

  /** The JPEG without metadata: a profile would turn the numbers into others, but for inks, which need it. */
  private static byte[] bare(byte[] jpeg, JpegHeader header) throws JpegException {
    ByteArrayOutputStream out = new ByteArrayOutputStream(jpeg.length);
    out.write(jpeg, 0, 2);
    Segments s = new Segments(jpeg, 2);
    for (s.next(); s.marker != Marker.SOS; s.next()) {
      boolean needed = !Marker.isAppOrComment(s.marker) || s.is(Marker.APP0, "JFIF") || s.isAdobe()
          || s.is(Marker.APP2, "ICC_PROFILE") && header.isCmyk() && !header.icc.broken();
      if (needed && !Marker.isStandalone(s.marker)) {
        out.write(jpeg, s.start - 4, s.end - s.start + 4);
      }
    }
    out.write(jpeg, header.firstScan, jpeg.length - header.firstScan);
    return out.toByteArray();
  }
}

// Header --------------------------------------------------------------------------------------------------------------
// The segments in front of the picture (T.81 annex B): what they say, and which of them a copy gets; gain maps.

/** A JPEG that cannot be recompressed; the message says why, in a user's words. */
final class JpegException extends IOException {
  private static final long serialVersionUID = 1L;
  private static final String CUT_SHORT = "truncated: the data ends within the header";

  JpegException(String message) { super(message); }

  /** Of a header that ends before it is complete. */
  static JpegException cutShort() {
    return new JpegException(CUT_SHORT);
  }

  /** Whether more of the file might help. */
  boolean isCutShort() { return getMessage().equals(CUT_SHORT); }

  /** Throws unless this part of the JPEG is sound. */
  static void check(boolean sound, String part) throws JpegException {
    if (!sound) {
      throw new JpegException("corrupt: " + part);
    }
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
  static boolean isStandalone(int marker) {
    return marker == TEM || (marker >= RST0 && marker <= EOI);
  }

  /** Whether this is application data or a comment: nothing that decoding needs (T.81 B.2.4.5-6). */
  static boolean isAppOrComment(int marker) {
    return (marker >= APP0 && marker <= 0xEF) || marker == COM;
  }

  /** Whether this starts a frame, of any process (T.81 table B.1). */
  static boolean isFrame(int marker) {
    return marker >= SOF0 && marker <= 0xCF && marker != DHT && marker != JPG && marker != DAC;
  }
}

/** Walks over the marker segments of a JPEG (T.81 B.1.1): {@link #next} moves to the next one. */
final class Segments {
  static final int MAX = 65_533; // bytes of parameters
  static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);
  static final VarHandle INTS = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.BIG_ENDIAN);
  final byte[] jpeg;
  int marker; // the second byte of the marker, see Marker
  int start; // of the parameters, behind the marker and the length
  int end; // of the segment: where the next marker is expected

  /** Starts the walk at this offset, where a marker is expected. */
  Segments(byte[] jpeg, int offset) {
    this.jpeg = jpeg;
    end = offset;
  }

  /** Moves to the next segment, over fill bytes (B.1.1.2) and, as libjpeg does, over bytes that belong to none. */
  void next() throws JpegException {
    int p = end;
    while (p + 2 <= jpeg.length && (jpeg[p] != -1 || jpeg[p + 1] == 0 || jpeg[p + 1] == -1)) {
      p++;
    }
    if (p + 2 > jpeg.length) {
      throw JpegException.cutShort();
    }
    marker = jpeg[p + 1] & 0xFF;
    start = p + 2;
    end = start;
    if (!Marker.isStandalone(marker)) {
      if (start + 2 > jpeg.length) {
        throw JpegException.cutShort();
      }
      end = start + u16(start);
      start += 2;
      JpegException.check(end >= start, "a header segment of impossible length");
      if (end > jpeg.length) {
        throw JpegException.cutShort();
      }
    }
  }

  int size() { return end - start; }

  /** The parameters, a character for each byte. */
  String text() { return new String(jpeg, start, size(), StandardCharsets.ISO_8859_1); }

  /** Whether this is such a segment: its parameters begin with this ASCII text and a zero byte, as those of APPn do. */
  boolean is(int marker, String name) {
    int n = name.length();
    return this.marker == marker && size() > n && jpeg[start + n] == 0
        && name.equals(new String(jpeg, start, n, StandardCharsets.ISO_8859_1));
  }

  /** Whether this is Adobe's mark of how the colours are coded. */
  boolean isAdobe() { return marker == Marker.APP0 + 14 && size() >= 12 && text().startsWith("Adobe"); }
  int u16(int at) { return (jpeg[at] & 0xFF) << 8 | jpeg[at + 1] & 0xFF; }

  /** Where entropy-coded data that starts here ends: at the next marker that is not a restart marker. */
  static int endOfScan(byte[] jpeg, int from) {
    for (int p = indexOf0xFF(jpeg, from, jpeg.length); p + 1 < jpeg.length; p = indexOf0xFF(jpeg, p + 1, jpeg.length)) {
      int next = jpeg[p + 1] & 0xFF;
      if (next != 0 && next != 0xFF && (next & 0xF8) != Marker.RST0) {
        return p;
      }
    }
    return jpeg.length;
  }

  /** Where the next 0xFF is, or to where none was found: looks at eight bytes at once. */
  static int indexOf0xFF(byte[] bytes, int from, int to) {
    int p = from;
    while (p <= to - 8) {
      long eight = (long) LONGS.get(bytes, p);
      if ((eight & ~eight - 0x0101010101010101L & 0x8080808080808080L) != 0) {
        break;
      }
      p += 8;
    }
    while (p < to && bytes[p] != -1) {
      p++;
    }
    return p;
  }
}

/**
 * What the marker segments of a JPEG say (T.81 annex B), up to its first scan. No length in the file
 * is believed unchecked, and nothing is allocated for what is merely declared.
 */
final class JpegHeader {
  /** How the components make a colour, by the rules of libjpeg's {@code default_decompress_parms}. */
  enum Kind { GREY, YCBCR, RGB, CMYK, YCCK }

  /** A component of the frame (T.81 B.2.2): identifier, sampling factors, quantization table. */
  record Component(int id, int h, int v, int tq) {}

  /** What libjpeg, and so nearly every reader, takes at most. */
  static final int MAX_DIMENSION = 65500;
  int process; // the SOF marker: Marker.SOF0 baseline, SOF1 extended, SOF2 progressive...
  int precision; // bits per sample
  int height; // pixels; 0: defined by a DNL segment after the first scan
  int width; // pixels
  List<Component> components;
  final Kind kind; // null: none of them
  Exif exif = Exif.NONE;
  final Icc icc;
  Tiff mpf = Tiff.NONE; // multi-picture format (CIPA DC-007); empty: none
  int mpfStart; // where in the file it begins
  String hdr = ""; // the XMP and the ISO 21496-1 segments, a character for each byte
  final boolean adobe; // Adobe's APP14 segment was found
  final int firstScan; // offset of the first SOS marker
  final long fileSize; // bytes
  private final long checksum; // of the file up to the first scan

  private JpegHeader(byte[] jpeg, long fileSize) throws JpegException {
    this.fileSize = fileSize;
    Segments segments = new Segments(jpeg, 2);
    List<byte[]> profile = new ArrayList<>();
    boolean jfif = false;
    int transform = -1; // of the Adobe APP14 segment: 0 none, 1 YCbCr, 2 YCCK; -1: no segment
    int from = segments.end;
    for (segments.next(); segments.marker != Marker.SOS; from = segments.end, segments.next()) {
      int marker = segments.marker;
      if (Marker.isFrame(marker)) {
        JpegException.check(components == null, "it declares its size twice");
        readFrame(segments);
      } else if (segments.is(Marker.APP0, "JFIF") && segments.size() >= 14) {
        jfif = true;
      } else if (segments.is(Marker.APP1, "Exif") && !exif.isTurned()) {
        exif = Exif.read(jpeg, segments.start + 6, segments.end);
      } else if (segments.is(Marker.APP2, "MPF") && mpf == Tiff.NONE) {
        mpfStart = segments.start + 4;
        mpf = Tiff.at(Arrays.copyOfRange(jpeg, mpfStart, segments.end), 0, segments.end - mpfStart);
      } else if (segments.is(Marker.APP1, Metadata.XMP) || segments.is(Marker.APP2, GainMap.ISO)) {
        hdr += hdr.length() > 2 * Segments.MAX ? "" : segments.text(); // there is one of each, in sound files
      } else if (segments.is(Marker.APP2, "ICC_PROFILE")) {
        profile.add(Arrays.copyOfRange(jpeg, segments.start + 12, segments.end));
      } else if (segments.isAdobe()) {
        transform = jpeg[segments.start + 11] & 0xFF;
      } else if (Marker.isStandalone(marker)) {
        JpegException.check(marker != Marker.EOI, "there is no picture in it");
        JpegException.check(marker != Marker.SOI, "a second image starts at byte " + from);
      } else if (marker == Marker.JPG || marker < Marker.SOF0 || marker >= 0xF0) {
        JpegException.check(marker == Marker.COM, "a reserved marker at byte " + from);
      }
    }
    JpegException.check(components != null, "the picture's size is missing");
    kind = kind(transform, jfif);
    icc = Icc.read(profile, kind == Kind.GREY ? "GRAY" : isCmyk() ? "CMYK" : "RGB ");
    adobe = transform >= 0;
    firstScan = segments.start - 4;
    checksum = checksum(jpeg);
  }

  /** Reads the segments up to the first scan of a whole JPEG. */
  static JpegHeader read(byte[] jpeg) throws JpegException {
    return read(jpeg, jpeg.length);
  }

  /** Reads them from the first bytes of a file of this size, in bytes; a JpegException that is cut short wants more. */
  static JpegHeader read(byte[] jpeg, long fileSize) throws JpegException {
    if (jpeg.length == 0) {
      throw new JpegException("empty file");
    }
    if (jpeg.length < 4 || (jpeg[0] & jpeg[2] & 0xFF) != 0xFF || (jpeg[1] & 0xFF) != Marker.SOI) {
      throw new JpegException("not a JPEG");
    }
    return new JpegHeader(jpeg, fileSize);
  }

  /** Reads the frame's header (T.81 B.2.2). */
  private void readFrame(Segments s) throws JpegException {
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

  /** Whether its colours are inks, as they are or as YCCK. */
  boolean isCmyk() { return kind == Kind.CMYK || kind == Kind.YCCK; }

  /** Whether this is the header of a whole file. */
  boolean isOf(byte[] jpeg) {
    return jpeg.length == fileSize && checksum(jpeg) == checksum;
  }

  private long checksum(byte[] jpeg) {
    CRC32 crc = new CRC32();
    crc.update(jpeg, 0, firstScan);
    return crc.getValue();
  }

  /** How much heap, in bytes, recompressing the JPEG takes; an exception if it cannot be done. */
  long memory(Recompressor.Settings settings) throws JpegException {
    check();
    long metadata = settings.keepMetadata() ? 4L * firstScan : 0;
    return metadata + (settings.byPixels() ? PixelEngine.memory(this) : CoefficientEngine.memory(this, settings));
  }

  /** Waits for as much heap as that. */
  Memory.Share reserveMemory(Recompressor.Settings settings) throws JpegException {
    return Memory.reserve(memory(settings));
  }

  /** Refuses what cannot be recompressed, or what cannot be whole in a file of its size. */
  void check() throws JpegException {
    if (unsupported() != null) {
      throw new JpegException("not supported: " + unsupported());
    }
    long blocks = 0; // A.2.4, of the components as they are, without what fills their last MCUs up
    for (Component c : components) {
      blocks += Math.ceilDiv((long) width * c.h, 8 * maxH()) * Math.ceilDiv((long) height * c.v, 8 * maxV());
    }
    int bits = process == Marker.SOF2 ? 1 : 2; // that a block takes at least
    if ((fileSize - firstScan) * 8 < blocks * bits) {
      throw new JpegException("truncated: far too short for " + width + " x " + height + " pixels");
    }
  }

  /** The horizontal sampling factor of the component that is sampled most (T.81 A.1.1). */
  int maxH() { return components.stream().mapToInt(Component::h).max().orElse(1); }

  /** The vertical one. */
  int maxV() { return components.stream().mapToInt(Component::v).max().orElse(1); }

  private String unsupported() {
    return process > 0xC8 ? "arithmetic coding"
        : process == 0xC3 ? "lossless JPEG"
        : process > Marker.SOF2 ? "hierarchical JPEG"
        : precision != 8 ? precision + " bits per sample"
        : height == 0 ? "a height that only the end of the data tells"
        : Math.max(width, height) > MAX_DIMENSION
            ? width + " x " + height + " pixels, at most " + MAX_DIMENSION + " are"
        : kind == null ? components.size() + " colour components" : null;
  }

  /** Whether all components are sampled alike. */
  boolean isEvenlySampled() {
    return components.stream().allMatch(c -> c.h == maxH() && c.v == maxV());
  }
}

/** Chooses the segments that stand in front of a copy's tables: what it keeps of its original's metadata. */
final class Metadata {
  static final String XMP = "http://ns.adobe.com/xap/1.0/";

  private static final byte[] JFIF = // a whole segment: version 1.01, square pixels, no thumbnail
      {-1, (byte) 0xE0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0};

  /**
   * The segments by which a copy, of this kind of colours, looks the same: JFIF or Adobe's mark, EXIF with next to
   * nothing, what leads to the gain map, and the ICC profile, unless it is for inks that the copy no longer has. To
   * keep, all of the original's instead, byte for byte and in their order, but for what would be wrong of the copy.
   */
  static byte[] of(byte[] jpeg, JpegHeader header, JpegHeader.Kind kind, GainMap map, boolean keep)
      throws JpegException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    boolean jfif = kind == JpegHeader.Kind.GREY || kind == JpegHeader.Kind.YCBCR;
    boolean profile = !header.icc.broken() && (!header.isCmyk() || kind == header.kind);
    if (!keep) {
      if (jfif) {
        out.writeBytes(JFIF);
      }
      header.exif.writeTo(out, map != null && map.needsNotes());
    }
    if (!jfif && (header.adobe || kind == JpegHeader.Kind.RGB)) { // inks are the other way round without it
      char transform = kind == JpegHeader.Kind.YCCK ? '\2' : '\0';
      write(out, Marker.APP0 + 14, "Adobe\0\144\0\0\0\0" + transform);
    }
    Segments s = new Segments(jpeg, 2);
    for (s.next(); s.marker != Marker.SOS; s.next()) {
      boolean icc = s.is(Marker.APP2, "ICC_PROFILE");
      if (!Marker.isAppOrComment(s.marker) || s.isAdobe() || s.is(Marker.APP2, "MPF") || icc && !profile
          || s.is(Marker.APP0, "JFIF") && !jfif
          || Provenance.TEXT.matcher(s.text()).matches()) { // of another copy
        continue;
      }
      boolean xmp = s.is(Marker.APP1, XMP);
      if (keep) {
        write(out, s.marker, xmp ? GainMap.withLengths(s.text(), map) : s.text());
      } else if (map != null && (s.is(Marker.APP2, GainMap.ISO) || xmp && s.text().contains(GainMap.ADOBE))) {
        write(out, s.marker, xmp ? map.xmp() : s.text()); // of its own: the original's may say who was where
      }
    }
    if (!keep && profile) {
      header.icc.writeTo(out);
    }
    return out.toByteArray();
  }

  /** Writes a segment with a byte for each character. */
  static void write(ByteArrayOutputStream out, int marker, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    out.writeBytes(new byte[] {-1, (byte) marker, (byte) (bytes.length + 2 >> 8), (byte) (bytes.length + 2)});
    out.writeBytes(bytes);
  }

  /** The copy: a picture as an engine writes it, with these segments for its own, and the gain map behind it. */
  static byte[] join(byte[] written, byte[] metadata, GainMap map) throws JpegException {
    Segments s = new Segments(written, 2);
    int from;
    do {
      from = s.end;
      s.next();
    } while (Marker.isAppOrComment(s.marker));
    int size = 2 + metadata.length + (map == null ? 0 : GainMap.MPF) + written.length - from;
    ByteBuffer copy = ByteBuffer.allocate(size + (map == null ? 0 : map.jpeg().length));
    copy.put(written, 0, 2).put(metadata);
    if (map != null) {
      map.putMpf(copy, size);
      copy.put(size, map.jpeg());
    }
    copy.put(written, from, written.length - from);
    return copy.array();
  }
}

/**
 * The gain map that makes an HDR picture of a photograph: a JPEG of its own behind it, in the form of Ultra HDR, of ISO
 * 21496-1 or of Apple. MPF (CIPA DC-007) says where, or a container in XMP. What else is found there is left out of
 * copies: previews, the other picture of a stereo pair, films.
 *
 * @param jpeg as it goes into the copy; its metadata are the original's, byte for byte
 * @param pictureFlags MPF's attributes of the picture, and
 * @param flags those of the map
 * @param needsNotes whether the maker's notes in the picture's EXIF say how bright it is to be, as Apple's do
 */
record GainMap(byte[] jpeg, int pictureFlags, int flags, boolean needsNotes) {
  static final String ADOBE = "http://ns.adobe.com/hdr-gain-map/1.0/"; // the namespace of Ultra HDR
  static final String ISO = "urn:iso:std:iso:ts:21496:-1";
  private static final String APPLE = "urn:com:apple:photo:2020:aux:hdrgainmap";
  private static final Pattern SEMANTIC = Pattern.compile("Item:Semantic(?:=[\"']|>)(\\w+)");
  private static final Pattern LENGTH = Pattern.compile("(Item:Length(?:=[\"']|>))(\\d{1,10})");
  private static final Pattern FILM = Pattern.compile("((?:MotionPhoto|MicroVideo)(?:=[\"']|>))1");
  private static final Map<Integer, String> NAMES = Map.of(0x10001, "a preview", 0x10002, "a preview", // by attributes
      0x20001, "a part of a panorama", 0x20002, "a picture of a stereo pair", 0x20003, "a view from another angle");
  static final int MPF = 90; // bytes of the segment for two pictures
  private static final int MAX_PICTURES = 16;
  private static final Recompressor.Settings LOSSLESS =
      new Recompressor.Settings(Recompressor.Settings.LOSSLESS, Compress.Engine.auto, false, true);

  /** What stands, or should stand, at a place in the file. */
  private record Part(long from, long size, int flags) {}

  /**
   * The gain map of a JPEG, or null; warns of all that is left out.
   *
   * @param memory bytes of heap that may be used
   */
  static GainMap find(byte[] jpeg, JpegHeader header, long memory, Set<String> warnings) throws JpegException {
    List<Part> parts = new ArrayList<>();
    byte[] entries = header.mpf.values(header.mpf.directory(), 0xB002, 1);
    Tiff list = new Tiff(entries, 0, entries.length, header.mpf.little());
    for (int at = 16; at + 16 <= Math.min(entries.length, MAX_PICTURES * 16); at += 16) {
      long from = header.mpfStart + list.number(at + 8, 4);
      parts.add(new Part(from, list.number(at + 4, 4), (int) list.number(at, 4)));
    }
    readContainer(header.hdr, jpeg, parts, warnings);
    if (parts.isEmpty() && isGainMap(header.hdr)) {
      parts.add(new Part(0, 0, 0));
    }
    GainMap map = null;
    for (Part part : parts) {
      String name = NAMES.getOrDefault(part.flags & 0xFFFFFF, "a second picture"); // CIPA DC-007 table 4
      try {
        int from = Math.clamp(part.from, 0, jpeg.length);
        JpegException.check(from > header.firstScan && from + part.size <= jpeg.length, "not where the file says");
        byte[] found = Arrays.copyOfRange(jpeg, from, from + (int) part.size);
        JpegHeader own = JpegHeader.read(found);
        if (map == null && isGainMap(own.hdr)) {
          boolean needsNotes = Stream.of(ADOBE, ISO, "HDRGainMapHeadroom").noneMatch(own.hdr::contains);
          JpegException.check(!needsNotes || header.exif.headroom().length > 0, "the maker's notes lack its headroom");
          int pictureFlags = entries.length == 0 ? 0x30000 : (int) list.number(0, 4); // else: the first of several
          map = new GainMap(checked(found, own, memory), pictureFlags, part.flags, needsNotes);
          continue;
        }
      } catch (JpegException e) {
        name = (isGainMap(header.hdr) ? "an HDR gain map" : name) + " that cannot be used (" + e.getMessage() + ")";
      }
      warnings.add("has " + name + " behind the picture: left out of the copy");
    }
    return map;
  }

  private static boolean isGainMap(String hdr) { return Stream.of(ADOBE, ISO, APPLE).anyMatch(hdr::contains); }

  /** Reads what XMP says of things behind the picture: they end where the file ends. */
  private static void readContainer(String xmp, byte[] jpeg, List<Part> parts, Set<String> warnings) {
    boolean mpf = !parts.isEmpty();
    boolean film = FILM.matcher(xmp).find();
    long from = jpeg.length;
    String[] items = xmp.split("<rdf:li");
    for (int i = items.length - 1; i > 0; i--) {
      Matcher semantic = SEMANTIC.matcher(items[i]);
      String name = semantic.find() ? semantic.group(1) : "Primary";
      Matcher length = LENGTH.matcher(items[i]);
      long size = length.find() ? Long.parseLong(length.group(2)) : 0;
      from -= size;
      film |= name.equals("MotionPhoto");
      if (name.equals("GainMap") && !mpf) {
        parts.add(new Part(from, size, 0));
      } else if (!List.of("Primary", "GainMap", "MotionPhoto").contains(name)) {
        warnings.add("has a second picture, " + name + ", behind the picture: left out of the copy");
      }
    }
    int end = jpeg.length - 4; // Samsung's cameras end a file with a list of what they put behind the picture
    film |= "SEFT".equals(new String(jpeg, end, 4, StandardCharsets.ISO_8859_1))
        && new String(jpeg, StandardCharsets.ISO_8859_1).contains("MotionPhoto_Data");
    if (film) {
      warnings.add("has a film (Motion Photo) behind the picture: left out of the copy");
    }
  }

  // A gain map that is whole, to be kept, with better codes for the same coefficients, which costs nothing: coarser
  // steps would cost decibels of the HDR picture, more than the photograph's own do.
  private static byte[] checked(byte[] map, JpegHeader header, long memory) throws JpegException {
    header.check();
    JpegException.check(CoefficientEngine.memory(header, LOSSLESS) <= memory, "larger than its picture");
    byte[] coded = CoefficientEngine.recompress(map, header, LOSSLESS);
    coded = Metadata.join(coded, Metadata.of(map, header, header.kind, null, true), null);
    map = coded.length < map.length ? coded : map;
    boolean ended = map[map.length - 2] == -1 && map[map.length - 1] == (byte) Marker.EOI;
    return ended ? map : ByteBuffer.allocate(map.length + 2).put(map).putShort((short) 0xFFD9).array();
  }

  /** Puts the MPF segment of a copy in which the map begins at this offset. */
  void putMpf(ByteBuffer copy, int from) {
    int start = copy.position() + 8; // offsets count from here
    copy.putShort((short) 0xFFE2).putShort((short) (MPF - 2));
    copy.put("MPF\0MM\0*".getBytes(StandardCharsets.ISO_8859_1)).putInt(8).putShort((short) 3);
    Exif.entry(copy, 0xB000, 7, 4, '0' << 24 | '1' << 16 | '0' << 8 | '0'); // the version
    Exif.entry(copy, 0xB001, 4, 1, 2); // the number of pictures
    Exif.entry(copy, 0xB002, 7, 32, 50); // of each: attributes, size, offset, and none that belong to it
    copy.putInt(0).putInt(pictureFlags).putInt(from).putLong(0);
    copy.putInt(flags).putInt(jpeg.length).putInt(from - start).putInt(0);
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
    String[] items = xmp.split("(?=<rdf:li)");
    for (int i = 0; i < items.length; i++) {
      int length = map != null && items[i].contains("GainMap") ? map.jpeg.length : 0;
      items[i] = items[i].contains("Primary") ? items[i] : LENGTH.matcher(items[i]).replaceAll("$1" + length);
    }
    String right = FILM.matcher(String.join("", items)).replaceAll("$10");
    return right.length() <= Segments.MAX ? right : xmp;
  }
}

/** A TIFF structure (TIFF 6.0 section 2), in either byte order, as in EXIF and MPF; offsets count from its start. */
record Tiff(byte[] bytes, int start, int end, boolean little) {
  static final Tiff NONE = new Tiff(new byte[0], 0, 0, false);

  /** The one that starts here; empty if none does. */
  static Tiff at(byte[] bytes, int start, int end) {
    int order = end - start < 8 || bytes[start] != bytes[start + 1] ? 0 : bytes[start];
    Tiff tiff = new Tiff(bytes, start, end, order == 'I');
    return (order == 'I' || order == 'M') && tiff.number(2, 2) == 42 ? tiff : NONE;
  }

  /** A number of so many bytes at an offset; both must lie within. */
  long number(long offset, int size) {
    long value = 0;
    for (int i = 0; i < size; i++) {
      value = value << 8 | bytes[start + (int) offset + (little ? size - 1 - i : i)] & 0xFF;
    }
    return value;
  }

  /** Where the first directory is; 0: nowhere. */
  long directory() { return start == end ? 0 : number(4, 4); }

  /** Where a tag's entry in a directory is: tag, type, count, value or its offset; -1: nowhere. */
  private long entry(long directory, int tag) {
    if (directory < 8 || directory > end - start - 2) {
      return -1;
    }
    long entries = number(directory, 2);
    for (long at = directory + 2; entries > 0 && at + 12 <= end - start; entries--, at += 12) {
      if (number(at, 2) == tag) {
        return at;
      }
    }
    return -1;
  }

  /** The first value of a tag, of ASCII the first 4 characters; -1: none. */
  long value(long directory, int tag) {
    long at = entry(directory, tag);
    return switch (at < 0 ? 0 : (int) number(at + 2, 2)) {
      case 1 -> number(at + 8, 1); // BYTE
      case 2 -> new Tiff(bytes, start, end, false).number(at + 8, 4); // ASCII
      case 3 -> number(at + 8, 2); // SHORT
      case 4, 9 -> number(at + 8, 4); // LONG, SLONG
      default -> -1;
    };
  }

  /** The values of a tag, of so many bytes each, as they are, where they are more than 4 bytes; empty: none. */
  byte[] values(long directory, int tag, int bytesEach) {
    long at = entry(directory, tag);
    long size = at < 0 ? 0 : number(at + 4, 4) * bytesEach;
    long offset = size <= 4 ? 0 : number(at + 8, 4);
    int from = start + (int) Math.min(offset, end - start);
    return size > 4 && size <= end - from ? Arrays.copyOfRange(bytes, from, from + (int) size) : new byte[0];
  }
}

/**
 * What EXIF says of how a photograph looks, and when it was taken.
 *
 * @param orientation tag 0x0112 as it is: 1 upright, to 8; -1: none
 * @param adobeRgb as cameras mark it, by EXIF alone (DCF 2.0): without it colours look dull
 * @param taken DateTimeOriginal, tag 0x9003: 2024:05:06 07:08:09; or empty
 * @param headroom of an HDR gain map, as Apple's maker's notes have it: tags 0x21 and 0x30, two rationals; or empty
 */
record Exif(int orientation, boolean adobeRgb, String taken, byte[] headroom) {
  static final Exif NONE = new Exif(-1, false, "", new byte[0]);
  private static final int R03 = 'R' << 24 | '0' << 16 | '3' << 8; // InteroperabilityIndex of Adobe RGB
  private static final byte[] APPLE = "Apple iOS\0\0\1MM".getBytes(StandardCharsets.ISO_8859_1); // a directory follows

  /** Reads the TIFF structure of an EXIF segment. */
  static Exif read(byte[] jpeg, int start, int end) {
    Tiff tiff = Tiff.at(jpeg, start, end);
    long photograph = tiff.value(tiff.directory(), 0x8769);
    long interoperability = tiff.value(photograph, 0xA005);
    byte[] notes = tiff.values(photograph, 0x927C, 1);
    Tiff apple = new Tiff(notes, 0, Arrays.mismatch(notes, APPLE) == APPLE.length ? notes.length : 0, false);
    byte[] headroom = Arrays.copyOf(apple.values(APPLE.length, 0x21, 8), 16);
    byte[] gain = apple.values(APPLE.length, 0x30, 8);
    System.arraycopy(gain, 0, headroom, 8, Math.min(gain.length, 8));
    return new Exif((int) tiff.value(tiff.directory(), 0x0112), tiff.value(interoperability, 1) == R03,
        new String(tiff.values(photograph, 0x9003, 1), StandardCharsets.ISO_8859_1).replaceAll("[\0 ]+$", ""),
        gain.length == 8 ? headroom : new byte[0]);
  }

  /** Whether it has an orientation, be it one that does not exist: then no later segment counts. */
  boolean isTurned() { return orientation >= 0; }

  /** Writes a segment, big endian, of orientation, mark of Adobe RGB, headroom, and no more; none of none of them. */
  void writeTo(ByteArrayOutputStream out, boolean withHeadroom) {
    int turned = orientation > 8 ? 1 : Math.max(orientation, 1);
    if (turned == 1 && !adobeRgb && !withHeadroom) {
      return;
    }
    int entries = (adobeRgb ? 2 : 0) + (withHeadroom ? 1 : 0); // in the directory of the photograph's data
    int interoperability = entries == 0 ? 26 : 44 + 12 * entries; // offsets count from behind "Exif" and two zeros
    int notes = interoperability + (adobeRgb ? 18 : 0);
    ByteBuffer exif = ByteBuffer.allocate(10 + notes + (withHeadroom ? APPLE.length + 46 : 0));
    exif.putShort((short) 0xFFE1).putShort((short) (exif.capacity() - 2));
    exif.put("Exif\0\0MM\0*".getBytes(StandardCharsets.ISO_8859_1)).putInt(8).putShort((short) (entries > 0 ? 2 : 1));
    entry(exif, 0x0112, 3, 1, turned << 16);
    if (entries > 0) {
      entry(exif, 0x8769, 4, 1, 38);
      exif.putInt(0).putShort((short) entries);
    }
    if (withHeadroom) {
      entry(exif, 0x927C, 7, APPLE.length + 46, notes);
    }
    if (adobeRgb) {
      entry(exif, 0xA001, 3, 1, 0xFFFF << 16); // colour space: none that EXIF names
      entry(exif, 0xA005, 4, 1, interoperability);
      exif.putInt(0).putShort((short) 1);
      entry(exif, 1, 2, 4, R03);
    }
    exif.putInt(0);
    if (withHeadroom) {
      exif.put(APPLE).putShort((short) 2);
      entry(exif, 0x21, 10, 1, APPLE.length + 30);
      entry(exif, 0x30, 10, 1, APPLE.length + 38);
      exif.putInt(0).put(headroom);
    }
    out.writeBytes(exif.array());
  }

  static void entry(ByteBuffer exif, int tag, int type, int count, int value) {
    exif.putShort((short) tag).putShort((short) type).putInt(count).putInt(value);
  }
}

/**
 * An ICC profile, as it lies in the segments of a JPEG (ICC.1 annex B.4).
 *
 * @param profile whole, or null
 * @param broken whether there is one, but incomplete or not credible
 */
record Icc(byte[] profile, boolean broken) {
  private static final int HEADER = 128; // bytes, ICC.1 section 7.2
  private static final int PART = 65519; // a segment's 65,533 bytes less the 14 of its own header

  /** Puts the parts, each with its number and how many there are, in order: a profile for this colour space. */
  static Icc read(List<byte[]> parts, String space) {
    Icc broken = new Icc(null, !parts.isEmpty());
    parts.sort(Comparator.comparingInt(part -> part.length < 2 ? 0 : part[0] & 0xFF));
    ByteArrayOutputStream whole = new ByteArrayOutputStream();
    int number = 0;
    for (byte[] part : parts) {
      if (part.length < 2 || (part[0] & 0xFF) != ++number || (part[1] & 0xFF) != parts.size()) {
        return broken;
      }
      whole.write(part, 2, part.length - 2);
    }
    ByteBuffer profile = ByteBuffer.wrap(whole.toByteArray()); // big endian, as it is
    int size = profile.capacity() < HEADER ? 0 : profile.getInt(0);
    boolean credible = size >= HEADER && size <= profile.capacity()
        && new String(profile.array(), 16, 4, StandardCharsets.ISO_8859_1).equals(space)
        && new String(profile.array(), 36, 4, StandardCharsets.ISO_8859_1).equals("acsp")
        && tagsAreWithin(profile, size);
    return credible ? new Icc(Arrays.copyOf(profile.array(), size), false) : broken; // less what it was padded with
  }

  /** ICC.1 section 7.3: every tag lies within the profile. */
  private static boolean tagsAreWithin(ByteBuffer profile, int size) {
    long tags = size < HEADER + 4 ? size : Integer.toUnsignedLong(profile.getInt(HEADER));
    for (int at = HEADER + 4; tags > 0; tags--, at += 12) {
      if (at + 12 > size
          || Integer.toUnsignedLong(profile.getInt(at + 4)) + Integer.toUnsignedLong(profile.getInt(at + 8)) > size) {
        return false;
      }
    }
    return true;
  }

  /** Writes its segments, if there is a sound profile. */
  void writeTo(ByteArrayOutputStream out) {
    int size = profile == null ? 0 : profile.length;
    int parts = (size + PART - 1) / PART;
    for (int i = 0; i < parts; i++) {
      Metadata.write(out, Marker.APP2, "ICC_PROFILE\0" + (char) (i + 1) + (char) parts
          + new String(profile, i * PART, Math.min(size - i * PART, PART), StandardCharsets.ISO_8859_1));
    }
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
  private static final int[] LUMINANCE = JPEGQTable.K1Luminance.getTable();
  private static final int[] CHROMINANCE = JPEGQTable.K2Chrominance.getTable();

  /** The 64 steps, in zigzag order, that libjpeg uses at a quality of 1 to 100. */
  static int[] steps(boolean chrominance, int quality) {
    int percent = quality < 50 ? 5000 / quality : 200 - 2 * quality;
    int[] base = chrominance ? CHROMINANCE : LUMINANCE;
    int[] steps = new int[64];
    for (int k = 0; k < 64; k++) {
      steps[k] = Math.clamp((base[ZIGZAG[k]] * percent + 50) / 100, 1, 255);
    }
    return steps;
  }
}

/**
 * The quantization tables of {@code --smallest}: finer than annex K's where eyes notice, coarser where not. Made of
 * published ones: luminance the geometric mean, 7 to 3, of jpegli's for 4:2:0 (lib/jpegli/quant.cc, which also says how
 * low frequencies grow less) and mozjpeg's default by N. Robidoux (jcparam.c); chrominance of jpegli's for
 * Cr and Cb. How coarse they are is found out for each photograph.
 */
final class PerceptualTables {
  private static final int[] LUMINANCE = { // at quality 50
    10, 10, 16, 17, 27, 31, 37, 43, 10, 13, 17, 21, 30, 30, 38, 42,
    16, 17, 21, 25, 32, 39, 43, 52, 17, 21, 25, 31, 39, 44, 49, 58,
    27, 30, 32, 39, 45, 52, 63, 69, 31, 30, 39, 44, 52, 61, 64, 80,
    37, 38, 43, 49, 63, 64, 73, 80, 43, 42, 52, 58, 69, 80, 80, 75
  };

  private static final int[] CHROMINANCE = {
    13, 11, 23, 24, 40, 44, 53, 71, 11, 18, 23, 29, 45, 43, 73, 58,
    23, 23, 32, 36, 43, 62, 169, 65, 24, 29, 36, 44, 50, 54, 61, 88,
    40, 45, 43, 50, 45, 52, 46, 111, 44, 43, 62, 54, 52, 69, 92, 66,
    53, 73, 169, 61, 46, 92, 69, 65, 71, 58, 65, 88, 111, 66, 65, 255
  };
  private static final double[] GROWTH = {1, 0.66, 0.77, 0.8, 0.93}; // exponents, by diagonal; beyond: 1
  private static final double KNEE = 0.34; // the coarseness below which all steps grow alike

  // How much is seen of an error of LUMINANCE's or CHROMINANCE's steps, by component and diagonal; beyond as the last.
  private static final float[][] SEEN = {{1.7f, 7.6f, 12, 8, 3.2f, 3.2f, 8, 8, 8, 100}, {0.4f}, {4, 9, 9, 9, 15}};

  /** By how much, about, the steps at a quality of 1 to 100 are those at 50. */
  static double coarseness(int quality) {
    return quality < 50 ? Math.pow(50.0 / quality, 1.24) : Math.max(2 - quality / 50.0, 0.02);
  }

  /** By index: how much an error counts that is to be chosen: those of fine details are seen sooner than they cost. */
  static double weight(int k) { return 1 + Math.max(0, diagonal(k) - 2) / 12.0; }

  /** By index: how much is seen of an error of 1 in a component, as by Butteraugli, which for Cb is next to nothing. */
  static float[] seen(int component) {
    float[] seen = new float[64];
    float[] weights = SEEN[Math.min(component, 2)];
    for (int k = 0; k < 64; k++) {
      int place = StandardTables.ZIGZAG[k];
      int base = component > 0 ? CHROMINANCE[place] : LUMINANCE[place];
      seen[k] = weights[Math.min(diagonal(k), weights.length - 1)] / (base * base);
    }
    return seen;
  }

  private static int diagonal(int k) { return (StandardTables.ZIGZAG[k] >> 3) + (StandardTables.ZIGZAG[k] & 7); }

  /** The 64 steps, in zigzag order. */
  static int[] steps(boolean chrominance, double coarse) {
    int[] steps = new int[64];
    double low = Math.clamp(Math.log(coarse) + 0.7, 0, 1); // at low quality chroma's means count more, details less
    for (int k = 0; k < 64; k++) {
      int place = StandardTables.ZIGZAG[k];
      int diagonal = diagonal(k);
      double growth = Math.pow(Math.max(coarse, KNEE), diagonal < GROWTH.length ? GROWTH[diagonal] : 1);
      double base = chrominance ? CHROMINANCE[place] * Math.pow(k == 0 ? 0.8 : 1.2, low) : LUMINANCE[place];
      steps[k] = (int) Math.clamp(Math.round(base * growth * Math.min(1, coarse / KNEE)), 1L, 255L);
    }
    return steps;
  }
}

// Reading -------------------------------------------------------------------------------------------------------------
// From the bits of a scan to rows of blocks: Huffman codes, sequential and progressive scans (T.81 annexes F, G).

/**
 * A Huffman code for decoding (T.81 annex C and F.2.2.3). What an AC code means is said by an entry: the number of bits
 * that code and value take (bits 0 to 7), by how much the index of the coefficient advances (8 to 15), and the value.
 * END as advance means end of block (END + r: end of band run of category r, in progressive scans), INVALID no code.
 */
final class HuffmanCode {
  static final int END = 128;
  static final int INVALID = 64;
  static final int LIMITS = 128;
  static final int LARGE_FILE = 1 << 18; // bytes from which on it is worth to make large tables
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
    bits = dc || d.length < LARGE_FILE ? 10 : 13;
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
    while (length <= 16 && sixteen >= limit[length]) {
      length++;
    }
    return length > 16 ? 0 : length << 8 | symbols[base[length] + (sixteen >> 16 - length)] & 0xFF;
  }

  /** The entry of the AC code that comes next; at least 31 bits must be there. */
  int entry(long next) {
    int code = code(next);
    int length = code >> 8;
    int run = code >> 4 & 15;
    int size = code & 15;
    if (size > 0) {
      return extend(next << length, size) << 16 | run + 1 << 8 | length + size;
    }
    boolean end = run == 0 || progressive;
    return code == 0 ? INVALID << 8 | 1 : (run == 15 ? 16 : end ? END + run : INVALID) << 8 | length;
  }

  /** The value of so many bits that come next (F.2.2.1, figure F.12). */
  static int extend(long bits, int size) {
    return (int) (bits >>> 1 >>> 63 - size) + (1 - (1 << size) & (int) ~(bits >> 63));
  }

  /**
   * A lookup by the next bits that takes as many AC codes at once as it can: those of coefficients that no limit
   * lets pass are merely passed over, around one that may. It holds the number of bits (0 to 5), the advance (6 to 13),
   * and the one {@link Coefficient} (from 15), with the advance up to it as index. In front of all that stand LIMITS
   * more: by index, what a coefficient must be over to be kept.
   */
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
    int coefficient = 0;
    int advance = 0;
    while (advance < END) {
      int entry = entry(next << used);
      int magnitude = Math.abs(entry >> 16);
      int sum = advance + (entry >> 8 & 0xFF);
      boolean keep = magnitude > small;
      if (used + (entry & 0xFF) > bits || sum > 63 && sum != advance + END || magnitude > 0x1FF
          || keep && coefficient != 0) {
        break;
      }
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
  private static final int STRAY = 8; // bytes behind the picture that libjpeg has taken in and does not look at
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
  private int untilRestart;
  private int restarts;

  ScanReader(byte[] data, int position, int end, int restartInterval) {
    this.data = data;
    this.position = position;
    this.end = end;
    this.restartInterval = restartInterval;
    untilRestart = restartInterval > 0 ? restartInterval : Integer.MAX_VALUE;
  }

  /** Before each block: sees to it that its bytes are there. */
  void prepare() throws JpegException {
    if (next > safe) {
      fill();
    }
  }

  private void fill() throws JpegException {
    if (left() < 0) {
      throw damaged("");
    }
    filled -= next >> 3;
    System.arraycopy(piece, next >> 3, piece, 0, filled);
    next &= 7;
    while (filled < PIECE && !complete) {
      int stop = Math.min(end, position + PIECE - filled);
      int next = Segments.indexOf0xFF(data, position, stop);
      System.arraycopy(data, position, piece, filled, next - position);
      filled += next - position;
      position = next;
      while (next < stop && position + 1 < end && data[position + 1] == -1) { // fill bytes (B.1.1.2)
        position++;
      }
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

  /** Takes up to 32 bits. */
  int take(int n) {
    int value = (int) (bits(next) >>> 1 >>> 63 - n);
    next += n;
    return value;
  }

  /** Takes the difference of a DC coefficient to the one before (F.2.2.1). */
  int difference(HuffmanCode dc) throws JpegException {
    long bits = bits(next);
    int code = dc.code(bits);
    if (code == 0) {
      throw damaged("a code that means nothing");
    }
    int length = code >> 8;
    int size = code & 15;
    next += length + size;
    return HuffmanCode.extend(bits << length, size);
  }

  /**
   * Takes coefficients behind index k up to an index of 63 at most (F.2.2.2), and puts those that are over the
   * lookup's limit for their index into kept, from this place on. The JIT inlines up to 325 bytes (FreqInlineSize).
   *
   * @return the place behind the last
   */
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
    if (index + advance > to && advance < HuffmanCode.END) {
      throw damaged("a code that means nothing");
    }
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
        if (symbol == 0 || size > 1 || k == 64 && size > 0) {
          throw damaged("a code that means nothing");
        }
      }
      long below = -1L >>> 64 - k;
      int n = Long.bitCount(known & rest & below);
      corrections = corrections << n | (n > 31 ? (long) take(n - 32) << 32 | take(32) & 0xFFFFFFFFL : take(n));
      rest &= ~(below << 1 | 1);
      if (value != 0) {
        rows.set(block, k, value << low, low);
      }
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
    if (untilRestart-- > 0) {
      return false;
    }
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

/**
 * From the quantization steps of the source to those of the copy: each coefficient becomes the nearest multiple of its
 * new step. Ties go down: they are frequent, and rounding them up costs 2 % of the file and gains nothing.
 */
final class Requantizer {
  private static final double DEAD_ZONE = 0.5001; // of a new step: up to here an AC coefficient becomes zero
  private static final int SHIFT = 19; // of fixed-point numbers
  static final int[] ALL = new int[64]; // limits that everything but zero passes
  static final Requantizer EXACT = new Requantizer(steps(1), 1, steps(1)); // for coefficients that stay as they are

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
    most = isExact ? Short.MAX_VALUE : 1023;
    for (int k = 0; k < 64; k++) {
      double ratio = isExact ? 1 : (double) source[k] / (target[k] * fraction);
      multiplier[k] = (int) (ratio * (1 << SHIFT) + 0.5); // a cast saturates
      limit[k] = (int) Math.min(DEAD_ZONE / ratio, Short.MAX_VALUE);
    }
    int largest = largest(dcStep);
    dc = IntStream.range(-largest, isExact ? -largest : largest + 1).map(i -> nearest(i * dcStep)).toArray();
  }

  /** The same step for all. */
  static int[] steps(int step) {
    int[] steps = new int[64];
    Arrays.fill(steps, step);
    return steps;
  }

  /** No DC coefficient of 8-bit samples is beyond this, in such steps; there is some room for overshoot. */
  static int largest(int step) { return 2048 / Math.max(step, 1) + 1; }

  /** The new value of the magnitude of an AC coefficient that passed: 1 to 1023. */
  int level(int magnitude, int k) {
    // Rounded at a little less than a half, so that ties go down although the multiplier is rounded itself.
    long product = (long) magnitude * multiplier[k] + (1 << SHIFT - 1) - (1 << SHIFT - 7);
    return (int) Math.min(Math.max(product >> SHIFT, 1), most);
  }

  /** The magnitude of an AC coefficient in new steps, not rounded. */
  float steps(int magnitude, int k) { return (float) magnitude * multiplier[k] / (1 << SHIFT); }

  /** The new value of a DC coefficient. */
  int dc(int value) {
    int largest = dc.length >> 1;
    return isExact ? value : dc[Math.clamp(value, -largest, largest) + largest];
  }

  // The new value, -1024 to 1023 so that differences fit (F.1.2.1), of a DC coefficient that is not quantized. In
  // smooth areas it alone makes the samples, an eighth of it, rounded: besides its own error, the one after that
  // rounding counts. Their weights, 5 and 12, are found by trial.
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

/**
 * A component of the copy: its quantized coefficients, by row of blocks. They are kept until their frequencies have
 * given the best code. Each is a symbol of a sequential scan (T.81 F.1.2): a char with RRRRSSSS in the low byte, the
 * value bits of a small one above, the highest bit set on a block's last. 8 or more value bits follow in a char of
 * their own. A DC coefficient is its difference to that of the block before, in the order of the MCUs.
 */
final class Symbols {
  static final int LAST = 0x8000;
  static final int FULL = LAST | 0x10; // ends a block without end of block code: 63 is not zero
  static final int BLOCK = 260; // bytes of a row that a block takes at most
  private static final char[] SMALL = new char[256]; // for -127 to 127, as sign and magnitude

  static {
    for (int m = 1; m < 128; m++) {
      int size = Coefficient.size(m);
      SMALL[m] = (char) (m << 8 | size);
      SMALL[m | 128] = (char) ((1 << size) - 1 - m << 8 | size);
    }
  }

  final char[][] rows; // those included that only fill up MCUs
  final short[] dc; // by block, in the order of the MCUs: the value itself
  final int[] dcCounts = new int[256]; // of symbols
  final int[] acCounts = new int[256];
  private final char[][] mcuRow; // the rows in work
  private final int[] sizes; // of what is in them
  private int first; // of these
  private int blocks;

  Symbols(BlockGrid grid) {
    rows = new char[grid.mcusHigh() * grid.v()][];
    dc = new short[grid.mcusWide() * grid.h() * rows.length];
    mcuRow = new char[grid.v()][grid.mcusWide() * grid.h() * BLOCK / 2];
    sizes = new int[grid.v()];
  }

  /** Adds a block in row y of the MCU row: its DC value; of the others kept[from] to kept[to - 1]. */
  void add(int y, int value, Requantizer requantizer, int[] kept, int from, int to) {
    char[] row = mcuRow[y];
    int last = sizes[y];
    int difference = value - (blocks == 0 ? 0 : dc[blocks - 1]);
    dc[blocks++] = (short) value;
    int sign = difference >> 31;
    int size = put(row, last, 0, (difference ^ sign) - sign, sign, dcCounts);
    int before = 0;
    for (int i = from; i < to; i++) {
      int k = Coefficient.index(kept[i]);
      int zeros = k - before - 1;
      for (; zeros > 15; zeros -= 16) {
        row[size++] = 0xF0;
        acCounts[0xF0]++;
      }
      last = size;
      int level = requantizer.level(Coefficient.magnitude(kept[i]), k);
      size = put(row, size, zeros << 4, level, Coefficient.sign(kept[i]), acCounts);
      before = k;
    }
    if (before < 63) {
      row[last] |= LAST;
      acCounts[0]++;
    } else {
      row[size++] = FULL;
    }
    sizes[y] = size;
  }

  /** Adds a block that only fills up an MCU, the cheapest there is: without a difference, and empty. */
  void addPadding(int y) {
    dc[blocks] = dc[blocks++ - 1];
    mcuRow[y][sizes[y]++] = LAST;
    dcCounts[0]++;
    acCounts[0]++;
  }

  /** Puts a symbol, and its value, at this place of a row, and counts it; returns the place behind. */
  private static int put(char[] row, int at, int run, int magnitude, int sign, int[] counts) {
    if (magnitude < 128) {
      int symbol = SMALL[magnitude | sign & 128] + run;
      row[at] = (char) symbol;
      counts[symbol & 0xFF]++;
      return at + 1;
    }
    int bits = Coefficient.size(magnitude);
    row[at] = (char) (run | bits);
    row[at + 1] = (char) ((magnitude ^ sign) & (1 << bits) - 1);
    counts[run | bits]++;
    return at + 2;
  }

  /** Ends a row of MCUs. */
  void endMcuRow() {
    for (int y = 0; y < sizes.length; y++) {
      rows[first++] = Arrays.copyOf(mcuRow[y], sizes[y]);
      sizes[y] = 0;
    }
  }
}

/** The best Huffman code for counted symbols, of at most 16 bits (T.81 annex K.2). */
final class OptimalCode {
  private static final int MAX_VALUE = 11; // bits

  /** By symbol: the code, moved up by the size of its value, << 5 | the bits of both. */
  final int[] codes = new int[256];
  final long bits; // that all the symbols take, values included
  private final int[] lengths = new int[17]; // how many codes there are of each
  private final byte[] symbols = new byte[256]; // by length of code
  private int total;

  /** Throws a JpegException where a symbol's code and value might not fit in 27 bits. */
  OptimalCode(int[] counts) throws JpegException {
    int[] weights = counts.clone();
    int[] size = codeSizes(weights);
    while (size[256] > 16) { // the longest; in place of figure K.3: what is rare counts for more
      Arrays.setAll(weights, s -> (weights[s] + 1) / 2);
      size = codeSizes(weights);
    }
    for (int s = 0; s < 256; s++) {
      lengths[size[s]]++;
    }
    int[] place = new int[17]; // by length: where its next symbol goes
    for (int length = 2; length <= 16; length++) {
      place[length] = place[length - 1] + lengths[length - 1];
    }
    for (int s = 0; s < 256; s++) {
      if (size[s] > 0) {
        symbols[place[size[s]]++] = (byte) s;
      }
    }
    long sum = 0;
    int code = 0;
    for (int length = 1; length <= 16; length++, code <<= 1) { // figure K.4, annex C
      for (; total < place[length]; total++) {
        int s = symbols[total] & 0xFF;
        int all = length + (s & 15);
        if ((s & 15) > MAX_VALUE) {
          throw new JpegException("not supported: coefficients of more than " + MAX_VALUE + " bits");
        }
        codes[s] = code++ << (s & 15) + 5 | all;
        sum += (long) counts[s] * all;
      }
    }
    bits = sum;
  }

  /** Figure K.1: the two rarest are joined until all are; symbol 256, rarer than all, takes the code of all ones. */
  private static int[] codeSizes(int[] counts) {
    PriorityQueue<Long> rarest = new PriorityQueue<>(); // frequency << 10 | symbol, or beyond them what is joined
    rarest.add(256L);
    for (int s = 0; s < 256; s++) {
      if (counts[s] > 0) {
        rarest.add((long) counts[s] << 10 | s);
      }
    }
    int[] joined = new int[514]; // into what
    for (int next = 257; rarest.size() > 1; next++) {
      long first = rarest.poll();
      long second = rarest.poll();
      joined[(int) first & 1023] = next;
      joined[(int) second & 1023] = next;
      rarest.add((first >> 10) + (second >> 10) << 10 | next);
    }
    int[] size = new int[257];
    for (int s = 0; s <= 256; s++) {
      for (int up = joined[s]; up > 0; up = joined[up]) {
        size[s]++;
      }
    }
    return size;
  }

  /** The bits of its table. */
  int tableBits() {
    return (17 + total) * 8;
  }

  /** Writes the table for a DHT segment (B.2.4.2), with its class and identifier. */
  void writeTo(ByteArrayOutputStream out, int id) {
    out.write(id);
    for (int length = 1; length <= 16; length++) {
      out.write(lengths[length]);
    }
    out.write(symbols, 0, total);
  }
}

/**
 * A scan of a copy (T.81 B.2.3): all coefficients, as in baseline JPEG (F.1.2); or in progressive JPEG (annex G) those
 * of DC, or of one component a band of the others; and of these all bits but the lowest, or one bit more. Its symbols
 * are counted first, which gives the best codes, and then written.
 */
final class CopyScan {
  static final int MAX_END_RUN = 0x7FFF; // G.1.2.2
  private static final int MAX_CORRECTIONS = 1_000; // bits that wait for a code; libjpeg has as much room
  private static final int AC = 2; // codes: 0 and 1 of DC coefficients, and from here on two of the others

  private final Plane[] planes; // one, or all
  private final int from; // Ss: index of the first coefficient
  private final int to; // Se: and of the last
  private final int high; // Ah: the lowest bit known before; 0: none
  private final int low; // Al: the lowest bit known behind
  private final int[][] counts = new int[4][]; // of symbols, by code
  private final OptimalCode[] codes = new OptimalCode[4]; // or null
  private long bits; // that it takes; while symbols are counted, of what has no code
  private CopyWriter out; // null: symbols are counted
  private final int[] found = new int[64]; // the coefficients of a block
  private int endRun; // EOBRUN: blocks that have ended and are not coded yet
  private final byte[] corrections = new byte[MAX_CORRECTIONS + 64]; // of these blocks, and of the one in work
  private int waiting; // how many of them

  CopyScan(int from, int to, int high, int low, Plane... planes) {
    this.planes = planes;
    this.from = from;
    this.to = to;
    this.high = high;
    this.low = low;
  }

  /** Makes the best codes; returns how many bits it takes, going by one in so many rows of blocks. */
  long count(int everyRow) throws JpegException {
    out = null;
    bits = 0;
    Arrays.setAll(counts, i -> new int[256]);
    go(everyRow);
    bits *= everyRow;
    for (int i = 0; i < 4; i++) {
      codes[i] = Arrays.stream(counts[i]).anyMatch(n -> n > 0) ? new OptimalCode(counts[i]) : null;
      bits += codes[i] == null ? 0 : codes[i].bits * everyRow + codes[i].tableBits();
    }
    return bits;
  }

  /** Writes it, with its tables and its header. */
  void write(CopyWriter out) {
    this.out = out;
    ByteArrayOutputStream tables = new ByteArrayOutputStream();
    for (int i : new int[] {0, AC, 1, AC + 1}) {
      if (codes[i] != null) {
        codes[i].writeTo(tables, i < AC ? i : 0x10 + i - AC);
      }
    }
    ByteBuffer header = ByteBuffer.allocate(2 * planes.length + 4).put((byte) planes.length);
    for (Plane plane : planes) {
      int table = from > 0 ? 0 : plane.table;
      header.put((byte) (plane.index + 1)).put((byte) (table << 4 | (to == 0 ? 0 : table)));
    }
    header.put((byte) from).put((byte) to).put((byte) (high << 4 | low));
    out.beginScan(tables.toByteArray(), header.array(), bits);
    go(1);
    out.endScan();
  }

  private void go(int everyRow) {
    if (from > 0) {
      band(everyRow);
    } else if (to == 0) {
      dc();
    } else if (out != null) {
      sequential();
    } else {
      for (Plane plane : planes) {
        Arrays.setAll(counts[plane.table], s -> counts[plane.table][s] + plane.symbols.dcCounts[s]);
        Arrays.setAll(counts[AC + plane.table], s -> counts[AC + plane.table][s] + plane.symbols.acCounts[s]);
      }
    }
  }

  /** Writes all coefficients, MCU by MCU (A.2.3): the rows have their blocks in that order. */
  private void sequential() {
    int blocks = Arrays.stream(planes).mapToInt(plane -> plane.copy.h() * plane.copy.v()).sum(); // of an MCU
    int[][] dc = new int[blocks][]; // by block: its codes,
    int[][] ac = new int[blocks][];
    int[] line = new int[blocks]; // and which of the MCU's rows it is in
    char[][] rows = new char[blocks][]; // by that
    int[] places = new int[blocks];
    int wide = planes[0].copy.mcusWide();
    for (int y = 0; y < planes[0].copy.mcusHigh(); y++) {
      int n = 0;
      int lines = 0;
      for (Plane plane : planes) {
        for (int j = 0; j < plane.copy.v(); j++, lines++) {
          rows[lines] = plane.symbols.rows[y * plane.copy.v() + j];
          places[lines] = 0;
          for (int i = 0; i < plane.copy.h(); i++, n++) {
            dc[n] = codes[plane.table].codes;
            ac[n] = codes[AC + plane.table].codes;
            line[n] = lines;
          }
        }
      }
      for (int x = 0; x < wide; x++) {
        for (int i = 0; i < n; i++) {
          places[line[i]] = out.block(rows[line[i]], places[line[i]], dc[i], ac[i]);
        }
      }
    }
  }

  /** DC coefficients, MCU by MCU: of each the difference to the one before (F.1.2.1). */
  private void dc() {
    int mcus = planes[0].copy.mcusWide() * planes[0].copy.mcusHigh();
    for (int mcu = 0; mcu < mcus; mcu++) {
      for (Plane plane : planes) {
        int blocks = plane.copy.h() * plane.copy.v();
        for (int i = mcu * blocks; i < mcu * blocks + blocks; i++) {
          int difference = plane.symbols.dc[i] - (i == 0 ? 0 : plane.symbols.dc[i - 1]);
          int size = Coefficient.size(Math.abs(difference));
          put(plane.table, size, difference + (difference >> 31) & (1 << size) - 1);
        }
      }
    }
  }

  private void band(int everyRow) {
    BlockGrid grid = planes[0].copy;
    for (int y = 0; y < grid.high(); y += everyRow) {
      char[] row = planes[0].symbols.rows[y];
      int at = 0;
      for (int x = 0; x < grid.wide(); x++) {
        int symbol = row[at];
        at += (symbol & 15) < 8 ? 1 : 2; // the DC coefficient
        int k = 0;
        int n = 0;
        while (symbol < Symbols.LAST) {
          symbol = row[at++];
          int size = symbol & 15;
          k += (symbol >> 4 & 15) + 1;
          if (size > 0) {
            int value = size < 8 ? symbol >> 8 & 0x7F : row[at++];
            boolean negative = value >> size - 1 == 0;
            int magnitude = (negative ? (1 << size) - 1 - value : value) >> low;
            if (magnitude > 0 && k >= from && k <= to) {
              found[n++] = Coefficient.of(negative, magnitude, k);
            }
          }
        }
        if (high == 0) {
          begin(n);
        } else {
          refine(n);
        }
      }
    }
    endBlocks(waiting);
  }

  /** Codes the coefficients found in a block (G.1.2.2). */
  private void begin(int n) {
    int before = from - 1; // index of the last one coded
    for (int i = 0; i < n; i++) {
      endBlocks(0);
      int run = Coefficient.index(found[i]) - before - 1;
      for (; run > 15; run -= 16) {
        put(AC, 0xF0, 0);
      }
      int magnitude = Coefficient.magnitude(found[i]);
      int size = Coefficient.size(magnitude);
      put(AC, run << 4 | size, (magnitude ^ Coefficient.sign(found[i])) & (1 << size) - 1);
      before = Coefficient.index(found[i]);
    }
    if (before < to && ++endRun == MAX_END_RUN) {
      endBlocks(0);
    }
  }

  /** Codes the coefficients found in a block that become known with this bit, and corrects the others (G.1.2.3). */
  private void refine(int n) {
    int last = n; // behind the last that becomes known
    while (last > 0 && Coefficient.magnitude(found[last - 1]) > 1) {
      last--;
    }
    int first = waiting; // of this block's corrections
    int before = from - 1;
    int run = 0; // of zeros that are not coded yet
    for (int i = 0; i < n; i++) {
      int magnitude = Coefficient.magnitude(found[i]);
      run += Coefficient.index(found[i]) - before - 1;
      before = Coefficient.index(found[i]);
      for (; run > 15 && i < last; run -= 16) {
        first = endBlocks(first);
        put(AC, 0xF0, 0);
        correct(first);
      }
      if (magnitude > 1) {
        corrections[waiting++] = (byte) (magnitude & 1);
      } else {
        first = endBlocks(first);
        put(AC, run << 4 | 1, Coefficient.sign(found[i]) + 1);
        correct(first);
        run = 0;
      }
    }
    if ((before < to || waiting > first) && ++endRun == MAX_END_RUN || waiting > MAX_CORRECTIONS - 64) {
      endBlocks(waiting);
    }
  }

  /** Codes that blocks have ended, with the corrections before first, which are theirs; returns where first is now. */
  private int endBlocks(int first) {
    if (endRun == 0) {
      return first;
    }
    int size = Coefficient.size(endRun) - 1;
    put(AC, size << 4, 0);
    plain(endRun - (1 << size), size);
    endRun = 0;
    int behind = waiting - first;
    waiting = first;
    correct(0);
    System.arraycopy(corrections, first, corrections, 0, behind);
    waiting = behind;
    return 0;
  }

  /** Writes the corrections that wait from this one on. */
  private void correct(int first) {
    for (int i = first; i < waiting; i++) {
      plain(corrections[i], 1);
    }
    waiting = first;
  }

  private void put(int code, int symbol, int value) {
    if (out == null) {
      counts[code][symbol]++;
    } else {
      out.put((codes[code].codes[symbol] >>> 5) + value, codes[code].codes[symbol] & 31);
    }
  }

  /** Puts bits that have no code. */
  private void plain(int value, int length) {
    if (out == null) {
      bits += length;
    } else {
      out.put(value, length);
    }
  }
}

/**
 * Some of a component's AC coefficients, in {@code --smallest}: what of them is worth its bits, going by what codes of
 * a progressive scan (T.81 G.1.2.2) have cost so far.
 */
final class Band {
  private static final int END = 0; // of a block's coefficients
  private static final float SURE = 1.5f; // steps: what is larger does not become zero
  final int first; // index: Ss
  final int last; // Se
  private final float[] bits = new float[256]; // what a symbol and its value cost; 0: that a block ends
  private final int[] counts = new int[256]; // of the symbols chosen so far, which tell the costs
  private int blocks;
  private final int[] index = new int[65]; // of the coefficients of a block, from 1; 0 stands for its begin
  private final int[] high = new int[65]; // the nearest level,
  private final float[] highGain = new float[65]; // and by how much the error is less than that of zero
  private final float[] lowGain = new float[65]; // the same for a level less by one
  private final float[] least = new float[65]; // the least cost of what follows if the coefficient remains,
  private final int[] next = new int[65]; // the one that then remains next, or END,
  private final int[] level = new int[65]; // and its level
  private int endRun; // EOBRUN: blocks that have ended and are not coded yet

  Band(int first, int last) {
    this.first = first;
    this.last = last;
    for (int s = 0; s < 256; s++) { // at first: short runs and small values are frequent
      int size = s & 15;
      counts[s] = size == 0 || size > 10 ? 1 : 2048 >> Math.min(11, (s >> 5) + 2 * size);
    }
    counts[0] = 512;
    look();
  }

  private void look() {
    double all = Arrays.stream(counts).sum();
    double ends = 0;
    int runs = 0;
    for (int s = 0; s < 256; s++) {
      bits[s] = (float) (Math.log(all / (counts[s] + 0.25)) / Math.log(2)) + (s & 15);
      if ((s & 15) == 0 && s != 0xF0) {
        ends += counts[s] * (bits[s] + (s >> 4));
        runs += counts[s];
      }
    }
    bits[0] = (float) ends / runs;
  }

  /**
   * Chooses of a block's coefficients kept[from] to kept[to - 1] those, and those levels of them, for which the
   * weighted squares of errors, in steps, and lambda times the bits are least in sum. Puts them into chosen from n on.
   *
   * @return the place behind the last
   */
  int choose(Requantizer requantizer, float[] weights, float lambda, int[] kept, int from, int to, int[] chosen,
      int n) {
    int sure = to - from; // the one next to which others need not be looked at
    boolean mayEnd = true;
    for (int i = to - from; i >= 0; i--) {
      int k = i == 0 ? first - 1 : Coefficient.index(kept[from + i - 1]);
      index[i] = k;
      float minimum = !mayEnd ? Float.MAX_VALUE : k < last && i > 0 ? lambda * bits[0] : 0;
      next[i] = END;
      for (int j = i + 1; j <= sure; j++) {
        int run = index[j] - k - 1;
        int symbol = (run & 15) << 4 | Coefficient.size(high[j]);
        float rest = least[j] + lambda * (run >> 4) * bits[0xF0];
        float cost = rest + lambda * bits[symbol] - highGain[j];
        if (cost < minimum) {
          minimum = cost;
          next[i] = j;
          level[i] = high[j];
        }
        cost = rest + lambda * bits[symbol - 1] - lowGain[j]; // if that is of less bits: else it is no gain
        if (cost < minimum) {
          minimum = cost;
          next[i] = j;
          level[i] = high[j] - 1;
        }
      }
      least[i] = minimum;
      if (i > 0) {
        float steps = requantizer.steps(Coefficient.magnitude(kept[from + i - 1]), k);
        int nearest = Math.clamp((int) (steps + 0.4999f), 1, 1023);
        int less = nearest - 1;
        high[i] = nearest;
        highGain[i] = weights[k] * nearest * (2 * steps - nearest);
        lowGain[i] = less == 0 || Coefficient.size(less) == Coefficient.size(nearest)
            ? Float.NEGATIVE_INFINITY : weights[k] * less * (2 * steps - less);
        sure = steps > SURE ? i : sure;
        mayEnd &= steps <= SURE;
      }
    }
    int end = n;
    for (int i = 0; next[i] != END; i = next[i]) {
      int coefficient = kept[from + next[i] - 1];
      chosen[end++] = Coefficient.of(Coefficient.sign(coefficient) < 0, level[i], Coefficient.index(coefficient));
    }
    count(chosen, n, end);
    return end;
  }

  private void count(int[] chosen, int from, int to) {
    int k = first - 1;
    for (int i = from; i < to; i++) {
      endBlocks();
      int run = Coefficient.index(chosen[i]) - k - 1;
      k = Coefficient.index(chosen[i]);
      counts[0xF0] += run >> 4;
      counts[(run & 15) << 4 | Coefficient.size(Coefficient.magnitude(chosen[i]))]++;
    }
    if (k < last && ++endRun == CopyScan.MAX_END_RUN) {
      endBlocks();
    }
    if ((++blocks & 8191) == 0 || blocks >= 128 && Integer.bitCount(blocks) == 1) { // more often while they are few
      look();
    }
  }

  private void endBlocks() {
    if (endRun > 0) {
      counts[Coefficient.size(endRun) - 1 << 4]++;
      endRun = 0;
    }
  }
}

/**
 * Chooses the AC coefficients of a component for {@code --smallest}: rate-distortion optimal quantization, as
 * mozjpeg's. Where errors are seen less, in what is busy, very dark or very bright, bits count more.
 */
final class Smallest {
  private static final float[] LAMBDA = {0.077f, 0.078f}; // the error that a bit is worth: luminance, chrominance

  final int[] chosen = new int[64]; // the coefficients of a block
  private final Plane plane;
  private final Band[] bands = {new Band(1, 2), new Band(3, 63)};
  private final float strength; // of lambda; 0: all is rounded, as by libjpeg
  private final float[] weights = new float[64]; // by index
  private final float[] seen;
  private final float[] visible; // by MCU: how much is seen of errors, as the first component tells
  private int lastMcu = -1;
  private int blocks; // of it

  Smallest(Plane plane, double coarse, float strength, float[] visible) {
    this.plane = plane;
    this.strength = strength;
    this.visible = visible;
    seen = PerceptualTables.seen(plane.table == 0 ? 0 : plane.index);
    int[] wanted = PerceptualTables.steps(plane.isCoarse, coarse);
    for (int k = 0; k < 64; k++) { // errors count in the steps of the quality, though the source's are larger
      double ratio = (double) plane.requantizer.target[k] / wanted[k];
      weights[k] = (float) (ratio * ratio * PerceptualTables.weight(k));
    }
  }

  /** How much is seen of errors in a block; of the first component it also tells the others. */
  float look(int mcu, int value, int[] kept, int from, int to) {
    int place = Math.min(mcu, visible.length - 1); // more only where components have scans, and so MCUs, of their own
    if (plane.index > 0) {
      return visible[place];
    }
    float energy = 0;
    for (int i = from; i < to; i++) {
      float exact = exact(kept[i]);
      energy += exact * exact;
    }
    double light = Math.log((Math.max(value * plane.requantizer.dcStep / 8.0 + 128, 0) + 20) / 110);
    float here = (float) Math.exp(-0.2 * Math.log((energy + 300) / 3000) - 0.4 * light * light);
    blocks = mcu == lastMcu ? blocks + 1 : 1;
    lastMcu = mcu;
    float before = blocks == 1 ? 0 : visible[place];
    visible[place] = before + (here - before) / blocks; // the mean
    return here;
  }

  /** Chooses of a block's kept[from] to kept[to - 1], value being that of DC; returns how many there are in chosen. */
  int choose(int mcu, int value, int[] kept, int from, int to) {
    float lambda = strength * LAMBDA[plane.table] / look(mcu, value, kept, from, to);
    int n = 0;
    int start = from;
    for (Band band : bands) {
      int end = start;
      while (end < to && Coefficient.index(kept[end]) <= band.last) {
        end++;
      }
      n = band.choose(plane.requantizer, weights, lambda, kept, start, end, chosen, n);
      start = end;
    }
    return n;
  }

  /** How much would be seen of the errors of a block. */
  double error(int mcu, int value, int[] kept) {
    int n = choose(mcu, value, kept, 0, kept.length);
    Requantizer requantizer = plane.requantizer;
    float miss = requantizer.dc(value) * requantizer.target[0] - value * requantizer.dcStep;
    float lost = seen[0] * miss * miss;
    for (int i = 0, j = 0; i < kept.length; i++) {
      int k = Coefficient.index(kept[i]);
      boolean stays = j < n && Coefficient.index(chosen[j]) == k;
      float error = exact(kept[i]) - (stays ? Coefficient.magnitude(chosen[j]) * requantizer.target[k] : 0);
      lost += seen[k] * error * error;
      j += stays ? 1 : 0;
    }
    return lost * visible[Math.min(mcu, visible.length - 1)];
  }

  private float exact(int coefficient) {
    int k = Coefficient.index(coefficient);
    return plane.requantizer.steps(Coefficient.magnitude(coefficient), k) * plane.requantizer.target[k];
  }
}

/** About a thousand MCUs of a photograph, a seventh at most: what would be seen of a copy's errors in them. */
final class Sample {
  private record Block(Plane plane, int mcu, int dc, int[] kept) {}

  private final List<Block> blocks = new ArrayList<>();
  private final double share;

  Sample(JpegHeader header) {
    share = Math.min(1 / 7.0, 256_000.0 / header.width / header.height);
  }

  void add(Plane plane, int mcu, int dc, int[] kept, int from, int to) {
    if (mcu * 0.6180339887 % 1 < share) { // the golden ratio: evenly
      blocks.add(new Block(plane, mcu, dc, Arrays.copyOfRange(kept, from, to)));
    }
  }

  /** What is seen with the planes' requantizers. */
  double error(Plane[] planes, double coarse, float strength) {
    float[] visible = new float[planes[0].copy.mcusWide() * planes[0].copy.mcusHigh()];
    Smallest[] chooser =
        Arrays.stream(planes).map(plane -> new Smallest(plane, coarse, strength, visible)).toArray(Smallest[]::new);
    int luminance = planes[0].copy.h() * planes[0].copy.v(); // blocks that one of another component counts for
    double sum = 0;
    for (Block block : blocks) {
      int c = block.plane.index;
      sum += chooser[c].error(block.mcu, block.dc, block.kept) * (c == 0 ? 1 : luminance);
    }
    return sum;
  }
}

/** Writes a copy (T.81 figure B.2): its segments, and its scans bit by bit. */
final class CopyWriter {
  private static final int SAMPLE = 16; // rows of blocks, at least
  private static final int MAX_LOW = 3; // bits that come later
  private static final int[] BAND_ENDS = {5, 2, 8, 63, 18}; // more bring next to nothing

  private byte[] out = new byte[1024];
  private int position;
  private long bits; // not written yet, right-aligned
  private int count;

  /** The copy without metadata: baseline, or on request progressive where that is smaller. */
  static byte[] write(JpegHeader header, Plane[] planes, boolean mayBeProgressive) throws JpegException {
    boolean together = Arrays.stream(planes).allMatch(Plane::isInterleaved);
    Plane[][] groups = together
        ? new Plane[][] {planes} : Arrays.stream(planes).map(plane -> new Plane[] {plane}).toArray(Plane[][]::new);
    List<CopyScan> scans = new ArrayList<>();
    List<CopyScan> script = new ArrayList<>();
    for (Plane[] group : groups) {
      scans.add(new CopyScan(0, 63, 0, 0, group));
      script.add(new CopyScan(0, 0, 0, 0, group));
    }
    long least = count(scans, 1);
    boolean progressive = false;
    if (mayBeProgressive) {
      for (Plane plane : planes) {
        script.addAll(script(plane));
      }
      progressive = count(script, 1) < least;
      scans = progressive ? script : scans;
    }
    CopyWriter writer = new CopyWriter();
    writer.begin(header, planes, progressive);
    for (CopyScan scan : scans) {
      scan.write(writer);
    }
    return ByteBuffer.allocate(writer.position + 2).put(writer.out, 0, writer.position).putShort((short) 0xFFD9)
        .array(); // EOI
  }

  private static long count(List<CopyScan> scans, int everyRow) throws JpegException {
    long bits = 0;
    for (CopyScan scan : scans) {
      bits += scan.count(everyRow);
    }
    return bits;
  }

  /**
   * The scans of a component's AC coefficients that take the fewest bits, as a sample of its rows tells: how many bits
   * come later in scans of their own, and where the band of low frequencies ends.
   */
  private static List<CopyScan> script(Plane plane) throws JpegException {
    int everyRow = Math.max(1, plane.copy.high() / SAMPLE);
    List<CopyScan> refinements = new ArrayList<>();
    List<CopyScan> best = List.of();
    long least = Long.MAX_VALUE;
    long refined = 0;
    for (int low = 0; low <= MAX_LOW; low++) {
      if (low > 0) {
        refinements.addFirst(new CopyScan(1, 63, low, low - 1, plane));
        refined += refinements.getFirst().count(everyRow);
      }
      long before = least;
      for (int end : BAND_ENDS) {
        List<CopyScan> scans = new ArrayList<>(List.of(new CopyScan(1, end, 0, low, plane)));
        if (end < 63) {
          scans.add(new CopyScan(end + 1, 63, 0, low, plane));
        }
        long bits = count(scans, everyRow) + refined;
        if (bits < least) {
          least = bits;
          scans.addAll(refinements);
          best = scans;
        }
      }
      if (least == before) {
        break;
      }
    }
    return best;
  }

  /** Writes what stands before the scans: the start, the quantization tables (B.2.4.1), the frame (B.2.2). */
  private void begin(JpegHeader header, Plane[] planes, boolean progressive) {
    ByteArrayOutputStream tables = new ByteArrayOutputStream();
    List<int[]> written = new ArrayList<>();
    ByteBuffer frame = ByteBuffer.allocate(6 + 3 * planes.length).put((byte) 8);
    frame.putShort((short) header.height).putShort((short) header.width).put((byte) planes.length);
    boolean anyWide = false;
    for (Plane plane : planes) {
      int[] steps = plane.requantizer.target;
      int id = 0; // components of the same steps share a table
      while (id < written.size() && !Arrays.equals(written.get(id), steps)) {
        id++;
      }
      if (id == written.size()) {
        boolean wide = Arrays.stream(steps).anyMatch(step -> step > 255);
        anyWide |= wide;
        written.add(steps);
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

  private void segment(int marker, byte[] parameters) {
    makeRoom(parameters.length + 4);
    ByteBuffer segment = ByteBuffer.wrap(out, position, parameters.length + 4);
    segment.putShort((short) (0xFF00 | marker)).putShort((short) (parameters.length + 2)).put(parameters);
    position = segment.position();
  }

  /** Begins a scan: its Huffman tables, its header, and room for so many bits. */
  void beginScan(byte[] tables, byte[] header, long expected) {
    if (tables.length > 0) {
      segment(Marker.DHT, tables);
    }
    segment(Marker.SOS, header);
    makeRoom(expected / 8 + expected / 1024 + 64); // some for zeros behind 0xFF
  }

  /** Writes the block at this place of a row by these codes; returns the place behind. */
  int block(char[] row, int from, int[] dc, int[] ac) {
    int at = from;
    int[] codes = dc;
    while (true) {
      int symbol = row[at++];
      int code = codes[symbol & 0xFF];
      int value = (symbol & 15) < 8 ? symbol >> 8 & 0x7F : row[at++];
      put((code >>> 5) + value, code & 31);
      if (symbol >= Symbols.LAST) {
        if (symbol != Symbols.FULL) {
          put(ac[0] >>> 5, ac[0] & 31);
        }
        return at;
      }
      codes = ac;
    }
  }

  /** Writes the lowest bits of a value, at most 31. */
  void put(int value, int length) {
    bits = bits << length | value;
    count += length;
    if (count >= 32) {
      count -= 32;
      int four = (int) (bits >>> count);
      makeRoom(8);
      if ((four & ~four - 0x01010101 & 0x80808080) == 0) { // none of the bytes is 0xFF
        Segments.INTS.set(out, position, four);
        position += 4;
      } else {
        for (int shift = 24; shift >= 0; shift -= 8) {
          put(four >> shift & 0xFF);
        }
      }
    }
  }

  private void put(int octet) {
    out[position++] = (byte) octet;
    if (octet == 0xFF) { out[position++] = 0; } // B.1.1.5
  }

  /** Ends the data of a scan. */
  void endScan() {
    put(0x7F, 7); // the last byte is filled up with ones
    makeRoom(8);
    for (; count >= 8; count -= 8) {
      put((int) (bits >>> count - 8 & 0xFF));
    }
    count = 0;
  }

  private void makeRoom(long octets) {
    if (octets > out.length - position) {
      long room = Math.max(position + octets, out.length + out.length / 8 + 64L);
      out = Arrays.copyOf(out, (int) Math.min(room, Integer.MAX_VALUE - 8));
    }
  }
}

// Engine --------------------------------------------------------------------------------------------------------------
// From a source to its copy: its components, tables and scans, all of which are decoded side by side; other colours.

/**
 * The blocks of a component.
 *
 * @param h how many an MCU of its scans is wide: the sampling factor, or 1 where it is alone in them (T.81 A.2.2)
 * @param v and high
 * @param wide how many hold what is visible of the picture, from left to right
 * @param high and from above
 */
record BlockGrid(int h, int v, int wide, int high) {
  /** Of a component with these sampling factors, where the largest are hMax and vMax (T.81 A.1.1). */
  static BlockGrid of(JpegHeader header, int h, int v, int hMax, int vMax) {
    return new BlockGrid(h, v, Math.ceilDiv(Math.ceilDiv(header.width * h, hMax), 8),
        Math.ceilDiv(Math.ceilDiv(header.height * v, vMax), 8));
  }

  int mcusWide() {
    return Math.ceilDiv(wide, h);
  }

  int mcusHigh() {
    return Math.ceilDiv(high, v);
  }
}

/** One component on its way through the engine: what it is in the source, and what it becomes in the copy. */
final class Plane {
  static final int UNSEEN = 99;
  final JpegHeader.Component component;
  final int index; // in the frame
  final int sampling; // of the copy: its factors, as in the frame
  final int table; // of the copy's Huffman codes: 0, or of chrominance 1
  final boolean isCoarse; // it gets the steps of chrominance, which are made for 4:2:0
  final BlockGrid source;
  final BlockGrid copy;
  int[] steps; // of the source's quantization table
  final int[] low = new int[64]; // lowest bit known of each coefficient (successive approximation)
  Requantizer requantizer;
  Symbols symbols; // of the copy; null where only a sample is taken
  Sample sample; // or null
  Smallest smallest; // null: coefficients are rounded
  ChromaDownsampler downsampler; // null: none

  Plane(JpegHeader.Component component, int index, int sampling, int table, boolean isCoarse, BlockGrid source,
      BlockGrid copy) {
    this.component = component;
    this.index = index;
    this.sampling = sampling;
    this.table = table;
    this.isCoarse = isCoarse;
    this.source = source;
    this.copy = copy;
    Arrays.fill(low, UNSEEN);
  }

  /** Whether it may share a scan with other components. */
  boolean isInterleaved() {
    return sampling == (copy.h() << 4 | copy.v());
  }

  /** Adds a block of the copy, in row y of its MCU: its DC value; of the others kept[from] to kept[to - 1]. */
  void add(int mcu, int y, int dc, int[] kept, int from, int to) {
    if (sample != null) {
      sample.add(this, mcu, dc, kept, from, to);
    } else if (smallest == null) {
      symbols.add(y, requantizer.dc(dc), requantizer, kept, from, to);
    } else if (requantizer.isExact) {
      smallest.look(mcu, dc, kept, from, to);
      symbols.add(y, dc, requantizer, kept, from, to);
    } else {
      int n = smallest.choose(mcu, dc, kept, from, to);
      symbols.add(y, requantizer.dc(dc), Requantizer.EXACT, smallest.chosen, 0, n);
    }
  }
}

/** The blocks of a component in the MCU rows in work: of each, its DC coefficient and a list of the others kept. */
final class BlockRows {
  static final int BLOCK = 410; // bytes that a block takes, in progressive JPEG
  final int[] limits; // by index: up to this magnitude coefficients are not kept
  final int stride; // blocks in a row, those included that fill up the last MCU
  final int[] dc; // by block
  final int[] kept; // Coefficients: those of a block from 64 times its index on
  final int[] ends; // by block: the place behind its last in kept
  final short[] values; // by block, in zigzag order: DC and the wanted, where scans make them exact one after the other
  final long[] nonzero; // by block: a bit for each coefficient that is not zero, but for DC
  final long[] wanted; // and for each of them that may still be over its limit at the end

  BlockRows(int wide, int high, int[] limits, boolean progressive) {
    this.limits = limits;
    int blocks = wide * high;
    stride = wide;
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
        int magnitude = Math.abs(values[at + k]);
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
      for (int k = 0; k < 64; k++, at += bytes) {
        steps[k] = bytes == 1 ? s.jpeg[at] & 0xFF : s.u16(at);
      }
      quantization[id] = steps;
    }
  }

  /** B.2.4.2. Whether a table is sound is not asked before a scan needs it, as in libjpeg. */
  void readHuffman(Segments s) throws JpegException {
    for (int at = s.start; at < s.end; ) {
      int id = s.jpeg[at++] & 0xFF;
      int total = 16;
      for (int i = 0; i < 16 && at + i < s.end; i++) {
        total += s.jpeg[at + i] & 0xFF;
      }
      JpegException.check((id & 0xEC) == 0 && total <= 16 + 256 && s.end - at >= total, "a Huffman table");
      huffman[id] = at;
      at += total;
    }
  }

  /** The code of this class and identifier. */
  HuffmanCode code(byte[] jpeg, int id, boolean progressive) throws JpegException {
    JpegException.check(huffman[id] > 0, "a Huffman table is missing");
    return new HuffmanCode(jpeg, huffman[id], id < 16, progressive);
  }
}

/** A component in a scan: what decodes it, and where its blocks are put. */
final class ScanComponent {
  Plane plane;
  HuffmanCode dc;
  HuffmanCode ac;
  int[] lookup; // of ac
  BlockRows rows;
  BlockGrid grid; // its MCUs are one block if it is alone in the scan (A.2.2)
  int largest; // magnitude of a DC coefficient; beyond it samples are white or black
  int prediction; // the DC coefficient before
}

/**
 * A scan (T.81 B.2.3, F.2, annex G). All scans of an image are decoded side by side, one MCU row at a time, so that a
 * few rows of the image are in memory and never the whole.
 */
final class Scan {
  final boolean isAll; // of the picture, and so can be decoded at once
  final ScanReader in;
  private final ScanComponent[] components;
  private final boolean progressive;
  private final int from; // Ss, Se, Ah, Al: what coefficients it has, and which bits of them
  private final int to;
  private final int high;
  private final int low;
  private final int[] found = new int[64]; // coefficients of a block

  /** Reads the header of a scan of these components. */
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
      while (index < frame.length && (frame[index].component.id() != id || (taken >> index & 1) > 0)) {
        index++;
      }
      JpegException.check(index < frame.length && taken >> index == 0, "the header of a scan"); // the frame's order
      taken |= 1 << index;
      Plane plane = frame[index];
      for (int k = from; k <= to; k++) { // that these coefficients are due (G.1.1.1)
        JpegException.check(plane.low[k] == (high == 0 ? Plane.UNSEEN : high), "scans that contradict each other");
        plane.low[k] = low;
      }
      plane.steps = plane.steps == null ? tables.quantization[plane.component.tq()] : plane.steps; // at its first scan
      JpegException.check(plane.steps != null, "a quantization table is missing");
      ScanComponent c = new ScanComponent();
      components[i] = c;
      c.plane = plane;
      c.dc = from + high > 0 ? null : tables.code(jpeg, codes >> 4 & 15, progressive);
      c.ac = to == 0 ? null : tables.code(jpeg, 16 + (codes & 15), progressive);
      c.grid = n > 1 ? plane.source : new BlockGrid(1, 1, plane.source.wide(), plane.source.high());
      c.largest = Requantizer.largest(plane.steps[0]);
    }
    isAll = !progressive && n == frame.length;
    int end = isAll ? jpeg.length : Segments.endOfScan(jpeg, s.end);
    in = new ScanReader(jpeg, s.end, end, tables.restartInterval);
  }

  /** Before its rows: where the blocks of each component are put. */
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
      for (int x = 0; x < grid.mcusWide(); x++) {
        boolean restarts = in.passRestart();
        for (ScanComponent c : components) {
          c.prediction = restarts ? 0 : c.prediction;
          int block = (row * c.plane.source.v() + sub) * c.rows.stride + x * c.grid.h();
          for (int i = 0; i < c.grid.v(); i++, block += c.rows.stride) {
            for (int j = 0; j < c.grid.h(); j++) {
              block(c, block + j);
            }
          }
        }
      }
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
        int value = Math.clamp((long) Coefficient.value(found[i]) << low, -Short.MAX_VALUE, Short.MAX_VALUE);
        rows.set(block, Coefficient.index(found[i]), value, low);
      }
    }
  }

  /** The next DC coefficient of a component, as far as its bits are given (F.2.2.1, G.1.2.1). */
  private int nextDc(ScanComponent c) throws JpegException {
    c.prediction += in.difference(c.dc);
    return Math.clamp((long) c.prediction << low, -c.largest, c.largest);
  }
}

/**
 * Chroma to half its width, its height or both, in the frequency domain: of two neighbours or of four a block is made,
 * and no samples. The means of pairs of a block's eight samples are four numbers, and so have but four frequencies: two
 * of the eight, w and 8 - w, become one of them, the fourth none. Those of two neighbours make eight again.
 */
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

  /** Makes the block at this row and column of the copy, in row y of its MCU, of those in work from this row on. */
  void deliver(int row, int column, int mcu, int y, BlockRows rows, int first) {
    int n = 0;
    for (int k = gather(row, column, rows, first) ? 1 : 64; k < 64; k++) {
      float value = block[StandardTables.ZIGZAG[k]];
      int magnitude = (int) (Math.abs(value) * FRACTION);
      if (magnitude > plane.requantizer.limit[k]) {
        kept[n++] = Coefficient.of(value < 0, Math.min(magnitude, Short.MAX_VALUE), k);
      }
    }
    plane.add(mcu, y, (int) Math.ceil(block[0] - 0.5f), kept, 0, n); // ties go down: Requantizer's of samples go up
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
    for (int i = 0; across == 2 && i < 64; i += 8) {
      join(i, 1, narrow);
    }
    for (int i = 0; down == 2 && i < 8; i++) {
      join(i, 8, low);
    }
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

/** RGB to YCbCr as JFIF has it: it is linear, and so the same for coefficients as for samples. */
final class ColourConverter {
  private static final float[][] WEIGHTS = { // of red, green, blue, in Y, Cb, Cr (JFIF 1.02, ITU-R BT.601)
    {0.299f, 0.587f, 0.114f}, {-0.168736f, -0.331264f, 0.5f}, {0.5f, -0.418688f, -0.081312f}
  };

  /** Converts the blocks in work; the steps of what it makes are all 1, and what is within these limits is left out. */
  static void convert(int[][] steps, BlockRows[] rows, int[][] limits) {
    for (int block = 0; block < rows[0].dc.length; block++) {
      int[][] values = new int[3][64];
      for (int c = 0; c < 3; c++) {
        values[c][0] = rows[c].dc[block] * steps[c][0];
        for (int i = block * 64; i < rows[c].ends[block]; i++) {
          int k = Coefficient.index(rows[c].kept[i]);
          values[c][k] = Coefficient.value(rows[c].kept[i]) * steps[c][k];
        }
      }
      for (int c = 0; c < 3; c++) {
        float[] weights = WEIGHTS[c];
        rows[c].ends[block] = block * 64;
        for (int k = 0; k < 64; k++) {
          int value = Math.round(weights[0] * values[0][k] + weights[1] * values[1][k] + weights[2] * values[2][k]);
          if (k == 0) {
            rows[c].dc[block] = value;
          } else if (Math.abs(value) > limits[c][k]) {
            int magnitude = Math.min(Math.abs(value), Short.MAX_VALUE);
            rows[c].kept[rows[c].ends[block]++] = Coefficient.of(value < 0, magnitude, k);
          }
        }
      }
    }
  }
}

/**
 * What becomes of the components of a frame: which colours they are of, and their sampling. Chroma gets half the width
 * and height of luminance (4:2:0) where it has the same, or half in one direction; any other sampling stays. Chroma
 * becomes so many times, 1 or 2, narrower across, and lower down.
 */
record Sampling(JpegHeader header, JpegHeader.Kind kind, int across, int down) {
  private static final int MAX_BLOCKS = 10; // in an MCU of several components (B.2.3)

  static Sampling of(JpegHeader header, Recompressor.Settings settings) {
    boolean converts = header.kind == JpegHeader.Kind.RGB && !settings.isLossless() && header.isEvenlySampled();
    JpegHeader.Kind kind = converts ? JpegHeader.Kind.YCBCR : header.kind;
    boolean mayHalve = kind == JpegHeader.Kind.YCBCR && !settings.isLossless();
    int across = mayHalve ? toHalf(header.components.stream().mapToInt(JpegHeader.Component::h).toArray()) : 0;
    int down = mayHalve ? toHalf(header.components.stream().mapToInt(JpegHeader.Component::v).toArray()) : 0;
    return across * down == 0 ? new Sampling(header, kind, 1, 1) : new Sampling(header, kind, across, down);
  }

  /** What to divide chroma's samples by, so that they are half as many as luminance's; 0: it cannot be done so. */
  private static int toHalf(int[] factors) {
    return factors[1] != factors[2] ? 0 : factors[0] == factors[1] ? 2 : factors[0] == 2 * factors[1] ? 1 : 0;
  }

  Plane[] planes() {
    int[] h = factors(header.components.stream().mapToInt(JpegHeader.Component::h).toArray(), across);
    int[] v = factors(header.components.stream().mapToInt(JpegHeader.Component::v).toArray(), down);
    int hMax = Arrays.stream(h).max().orElse(1);
    int vMax = Arrays.stream(v).max().orElse(1);
    int blocks = IntStream.range(0, h.length).map(i -> h[i] * v[i]).sum(); // in an MCU of all components
    Plane[] planes = new Plane[h.length];
    for (int i = 0; i < planes.length; i++) {
      JpegHeader.Component c = header.components.get(i);
      BlockGrid source = planes.length == 1 ? BlockGrid.of(header, 1, 1, 1, 1) // an MCU is one block (A.2.2)
          : BlockGrid.of(header, c.h(), c.v(), header.maxH(), header.maxV());
      BlockGrid copy = BlockGrid.of(header, h[i], v[i], hMax, vMax);
      copy = blocks <= MAX_BLOCKS ? copy : new BlockGrid(1, 1, copy.wide(), copy.high());
      boolean chrominance = (kind == JpegHeader.Kind.YCBCR || kind == JpegHeader.Kind.YCCK) && (i == 1 || i == 2);
      boolean coarse = chrominance && h[0] == 2 * h[i] && v[0] == 2 * v[i] && planes.length == 3;
      planes[i] = new Plane(c, i, h[i] << 4 | v[i], chrominance ? 1 : 0, coarse, source, copy);
    }
    return planes;
  }

  /** Sampling factors of the copy, of those of the source: the first so many times as large, all as small as can be. */
  private static int[] factors(int[] factors, int luminance) {
    factors[0] *= luminance;
    IntStream common = IntStream.range(2, 5).filter(d -> Arrays.stream(factors).allMatch(factor -> factor % d == 0));
    int divisor = common.max().orElse(1);
    return Arrays.stream(factors).map(factor -> factor / divisor).toArray();
  }

  boolean converts() { return kind != header.kind; }
  boolean halves() { return across * down > 1; }

  /** How many MCU rows of the source are in work at once, so that no pair of chroma's rows is parted. */
  int rowsAtOnce() { return down == 2 && header.components.get(1).v() % 2 == 1 ? 2 : 1; }
}

/**
 * Recompresses a JPEG without ever making pixels: its Huffman codes are decoded, each coefficient is divided by the new
 * quantization step instead of the old one, and encoded again. Damaged data is an error.
 */
final class CoefficientEngine {
  private static final int[] ONES = Requantizer.steps(1);
  private static final int MAX_SCANS = 100; // ten are usual; each is a pass over the picture

  private final byte[] jpeg;
  private final JpegHeader header;
  private final boolean progressive;
  private final Recompressor.Settings settings;
  private final double coarse; // of --smallest: by how much the steps are those at quality 50
  private final Sample sample; // to be taken instead of a copy, or null
  private final Sampling sampling;
  private final Plane[] planes;
  private final Tables tables = new Tables();
  private final List<Scan> scans = new ArrayList<>(); // to be decoded side by side

  private CoefficientEngine(byte[] jpeg, JpegHeader header, Recompressor.Settings settings, double coarse,
      Sample sample) {
    this.jpeg = jpeg;
    this.header = header;
    this.settings = settings;
    this.coarse = coarse;
    this.sample = sample;
    progressive = header.process == Marker.SOF2;
    sampling = Sampling.of(header, settings);
    planes = sampling.planes();
  }

  /** The bytes of heap that recompressing such a file takes at most, the file itself included. */
  static long memory(JpegHeader header, Recompressor.Settings settings) {
    Sampling sampling = Sampling.of(header, settings);
    long bytes = header.fileSize * (settings.quality() > 90 ? 8 : 5); // the file, its symbols, the copy
    for (Plane plane : sampling.planes()) {
      BlockGrid source = plane.source;
      bytes += (long) source.mcusWide() * source.h() * source.v() * sampling.rowsAtOnce() * BlockRows.BLOCK;
      bytes += 2L * plane.copy.wide() * plane.copy.high() + (long) plane.copy.wide() * Symbols.BLOCK;
    }
    boolean manyTables = header.process == Marker.SOF2 && header.fileSize >= HuffmanCode.LARGE_FILE;
    return bytes + (manyTables ? MAX_SCANS * 60_000L : 1 << 20);
  }

  /**
   * Recompresses a JPEG; one that has all of the picture, but no end marker, is whole.
   *
   * @return a JPEG of the same size in pixels without metadata; baseline, or with {@code smallest} what is smaller
   * @throws JpegException if a part of the picture is missing or damaged
   */
  static byte[] recompress(byte[] jpeg, JpegHeader header, Recompressor.Settings settings) throws JpegException {
    double coarse = settings.smallest() ? coarseness(jpeg, header, settings) : 1;
    CoefficientEngine engine = new CoefficientEngine(jpeg, header, settings, coarse, null);
    engine.decode();
    return CopyWriter.write(header, engine.planes, settings.smallest() || settings.isLossless());
  }

  /** How coarse the steps of --smallest may be, 1 being those at quality 50, to look as good as libjpeg's. */
  private static double coarseness(byte[] jpeg, JpegHeader header, Recompressor.Settings settings)
      throws JpegException {
    double start = PerceptualTables.coarseness(settings.quality());
    Sample sample = new Sample(header);
    CoefficientEngine engine = new CoefficientEngine(jpeg, header, settings, start / 2, sample); // what less is lost
    engine.decode();
    for (Plane plane : engine.planes) {
      plane.requantizer = engine.requantizer(plane, StandardTables.steps(plane.isCoarse, settings.quality()));
    }
    double goal = sample.error(engine.planes, 1, 0);
    double coarse = start / 3;
    for (double step = 3; step > 1.01; step = Math.sqrt(step)) {
      for (Plane plane : engine.planes) {
        plane.requantizer = engine.requantizer(plane, PerceptualTables.steps(plane.isCoarse, coarse * step));
      }
      coarse *= sample.error(engine.planes, coarse * step, 1) <= goal ? step : 1;
    }
    return coarse;
  }

  /** Goes through the segments, and decodes the scans: one that is all of the picture as soon as it comes. */
  private void decode() throws JpegException {
    Segments segments = new Segments(jpeg, 2);
    boolean done = false;
    boolean ended = false;
    while (!ended && (scans.isEmpty() || segments.end + 2 <= jpeg.length)) {
      segments.next();
      boolean early = segments.start <= header.firstScan + 4; // and so seen by JpegHeader
      switch (segments.marker) {
        case Marker.DQT -> tables.readQuantization(segments);
        case Marker.DHT -> tables.readHuffman(segments);
        case Marker.DRI -> {
          JpegException.check(segments.size() == 2, "the restart interval");
          tables.restartInterval = segments.u16(segments.start);
        }
        case Marker.SOS -> done |= readScan(segments);
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
    if (!done) {
      decodeScans();
    }
  }

  /** Reads a scan's header, and where it ends. True if the scan was all of the picture, and is decoded. */
  private boolean readScan(Segments s) throws JpegException {
    JpegException.check(scans.size() < MAX_SCANS, "too many scans");
    Scan scan = new Scan(s, tables, planes, progressive);
    scans.add(scan);
    if (scan.isAll) {
      decodeScans();
    }
    s.end = scan.isAll ? scan.in.position : scan.in.end;
    return scan.isAll;
  }

  // Chooses the new quantization steps: the standard tables at the quality, but nowhere finer than the source's, which
  // would cost bytes and only make the values less exact. (Halved chroma has values between the source's steps; and
  // steps over 255 cannot be written in baseline JPEG.)
  private Requantizer requantizer(Plane plane, int[] target) {
    boolean halved = sampling.halves() && plane.table == 1;
    for (int k = 0; k < 64 && !halved; k++) {
      int source = plane.steps[k];
      double least = settings.smallest() ? 1.5 * source : source; // a little coarser only doubles the errors
      target[k] = source > 0 && source <= 255 && target[k] < least ? source : target[k];
    }
    return new Requantizer(halved ? ONES : plane.steps, halved ? ChromaDownsampler.FRACTION : 1, target);
  }

  /** Decodes all scans side by side, and makes the blocks of the copy of a few rows of MCUs after the other. */
  private void decodeScans() throws JpegException {
    int high = planes[0].source.mcusHigh();
    int rowsAtOnce = sampling.rowsAtOnce();
    BlockRows[] rows = new BlockRows[planes.length];
    int[][] steps = new int[planes.length][]; // of the source
    int[][] limits = new int[planes.length][];
    float[] visible = new float[settings.smallest() ? planes[0].copy.mcusWide() * planes[0].copy.mcusHigh() : 0];
    for (Plane plane : planes) {
      int c = plane.index;
      steps[c] = plane.steps;
      plane.steps = sampling.converts() ? ONES : plane.steps;
      int[] wanted = settings.isLossless() ? plane.steps
          : settings.smallest() ? PerceptualTables.steps(plane.isCoarse, coarse)
          : StandardTables.steps(plane.isCoarse, settings.quality());
      plane.requantizer = requantizer(plane, wanted);
      plane.sample = sample;
      plane.symbols = sample == null ? new Symbols(plane.copy) : null;
      plane.smallest = settings.smallest() ? new Smallest(plane, coarse, 1, visible) : null;
      boolean halved = sampling.halves() && plane.table == 1;
      plane.downsampler = halved ? new ChromaDownsampler(plane, sampling.across(), sampling.down()) : null;
      limits[c] = halved ? plane.downsampler.limits : plane.requantizer.limit;
      int wide = plane.source.mcusWide() * plane.source.h();
      int[] kept = sampling.converts() ? Requantizer.ALL : limits[c];
      rows[c] = new BlockRows(wide, plane.source.v() * rowsAtOnce, kept, progressive);
    }
    for (Scan scan : scans) {
      scan.start(rows);
    }
    for (int y = 0; y < high; ) {
      int first = y;
      for (int stop = Math.min(y + rowsAtOnce, high); y < stop; y++) {
        for (Scan scan : scans) {
          scan.decodeRow(y, high, y - first);
        }
      }
      for (BlockRows blocks : rows) {
        blocks.list();
      }
      if (sampling.converts()) {
        ColourConverter.convert(steps, rows, limits);
      }
      for (Plane plane : planes) {
        deliver(plane, rows[plane.index], first);
      }
    }
    for (Scan scan : scans) {
      scan.in.checkEnd();
    }
  }

  /** Makes the blocks of the copy, in the order of its MCUs, from those in work, which begin with this MCU row. */
  private void deliver(Plane plane, BlockRows blocks, int firstMcuRow) {
    BlockGrid copy = plane.copy;
    int down = plane.downsampler == null ? 1 : sampling.down();
    int first = firstMcuRow * plane.source.v() / down; // row of the copy
    int end = first + plane.source.v() * sampling.rowsAtOnce() / down;
    for (int top = first; top < Math.min(end, copy.high()); top += copy.v()) {
      for (int left = 0; left < copy.wide(); left += copy.h()) {
        int mcu = top / copy.v() * copy.mcusWide() + left / copy.h();
        for (int y = top; y < top + copy.v(); y++) {
          for (int x = left; x < left + copy.h(); x++) {
            int row = (y - first) * down; // of those in work
            if (x >= copy.wide() || y >= copy.high()) {
              if (sample == null) {
                plane.symbols.addPadding(y - top);
              }
            } else if (plane.downsampler != null) {
              plane.downsampler.deliver(y, x, mcu, y - top, blocks, row);
            } else {
              int block = row * blocks.stride + x;
              plane.add(mcu, y - top, blocks.dc[block], blocks.kept, block * 64, blocks.ends[block]);
            }
          }
        }
      }
      if (sample == null) {
        plane.symbols.endMcuRow();
      }
    }
  }
}
