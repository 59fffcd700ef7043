///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//JAVAC_OPTIONS --release 21
//RUNTIME_OPTIONS -XX:+UseSerialGC -Djava.awt.headless=true
//DEPS info.picocli:picocli:4.7.7
//DEPS org.tinylog:tinylog-api:2.7.0
//DEPS org.tinylog:tinylog-impl:2.7.0
//DEPS com.twelvemonkeys.imageio:imageio-jpeg:3.14.0

import com.twelvemonkeys.imageio.stream.ByteArrayImageInputStream;
import java.awt.image.BufferedImage;
import java.io.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.util.*;
import java.util.concurrent.*;
import javax.imageio.*;
import javax.imageio.metadata.*;
import javax.imageio.plugins.jpeg.*;
import javax.imageio.stream.MemoryCacheImageOutputStream;
import org.tinylog.Logger;
import org.tinylog.configuration.Configuration;
import org.w3c.dom.NodeList;
import picocli.CommandLine;
import picocli.CommandLine.*;

/** The command: what can be asked for on the command line, checked, and handed to {@link ProcessImages}. */
@Command(
    name = "Compress",
    version = "Compress 1.0, Java ${java.version}, ${os.name}",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    usageHelpWidth = 100,
    usageHelpAutoWidth = true,
    customSynopsis = "jbang Compress.java [OPTIONS] [SOURCE] [DESTINATION]",
    description = "%nRecompresses the JPEG photographs of a folder, one thread per image.%n",
    exitCodeListHeading = "%nExit status:%n",
    exitCodeList = {
      "0:all images are done",
      "1:at least one image failed; all others are done",
      "2:wrong usage; nothing was done"
    },
    footer = {
      "%nThe log goes to standard error, the report to standard output.%n",
      "Examples:",
      "  jbang Compress.java                           IMAGES into COMPRESSED_IMAGES",
      "  jbang Compress.java -q 60 -r Pictures Small   a whole tree, in a better quality",
      "  jbang Compress.java -m sequential             without threads: how much slower is it?",
      "  find Pictures -name '*.jpg' -newer stamp | jbang Compress.java --files-from=- Pictures Small"
    })
public class Compress implements Callable<Integer> {
  /** How the work is spread over threads; spelt as on the command line, and so is Engine. */
  enum Mode { virtual, platform, sequential }

  /** How a JPEG is recompressed. */
  enum Engine { auto, pixels }

  @Parameters(index = "0", defaultValue = "IMAGES", paramLabel = "SOURCE",
      description = "folder of the images (default: ${DEFAULT-VALUE}); never changed")
  Path source;

  @Parameters(index = "1", defaultValue = "COMPRESSED_IMAGES", paramLabel = "DESTINATION",
      description = "folder of the compressed images (default: ${DEFAULT-VALUE}), made if missing")
  Path destination;

  @Option(names = {"-q", "--quality"}, defaultValue = "30", paramLabel = "1..100",
      description = "JPEG quality (default: ${DEFAULT-VALUE})")
  int quality;

  @Option(names = {"-m", "--mode"}, defaultValue = "virtual", paramLabel = "MODE",
      description = "virtual: one virtual thread per image (default); platform: one platform thread per image; "
          + "sequential: no threads, one image after another")
  Mode mode;

  @Option(names = {"-t", "--threads"}, paramLabel = "N",
      description = "at most N images in work at once (default: the number of cores)")
  int threads = Runtime.getRuntime().availableProcessors();

  @Option(names = {"-r", "--recursive"}, description = "subfolders too; DESTINATION gets the same tree")
  boolean recursive;

  @Option(names = {"-u", "--update"}, description = "skip images whose compressed copy is newer than they are")
  boolean update;

  @Option(names = "--files-from", paramLabel = "FILE",
      description = "compress the images that FILE lists, one a line, instead of all in SOURCE; - is standard input")
  String filesFrom;

  @Option(names = "--engine", defaultValue = "auto", paramLabel = "ENGINE",
      description = "auto: by its coefficients where possible, which is fast, by its pixels elsewhere (default); "
          + "pixels: always by its pixels")
  Engine engine;

  @Option(names = "--compare",
      description = "all three modes in turn on the same images, and a table: what do threads bring?")
  boolean compare;

  @Option(names = "--timeline", description = "draw when each image's thread waited and worked")
  boolean timeline;

  @Spec Model.CommandSpec command;

  /** Runs the command; its exit status is the program's. */
  public static void main(String[] arguments) {
    configureLog();
    CommandLine commandLine = new CommandLine(new Compress());
    commandLine.setParameterExceptionHandler((problem, all) -> complain(problem.getMessage() + "; see --help", 2));
    commandLine.setExecutionExceptionHandler((problem, line, all) -> complain(Text.reason(problem), 1));
    System.exit(commandLine.execute(arguments));
  }

  /** The log's columns are the exercise's: the time here, the others in {@link Log}. */
  static void configureLog() {
    Configuration.set("writer", "console");
    Configuration.set("writer.stream", "err");
    Configuration.set("writer.format", "{date: HH:mm:ss.SSS} {message}");
  }

  private static int complain(String message, int exitStatus) {
    System.err.println("Compress: " + message);
    return exitStatus;
  }

  @Override
  public Integer call() throws Exception {
    require(quality >= 1 && quality <= 100, "--quality must be from 1 to 100, not " + quality);
    require(threads >= 1, "--threads must be at least 1, not " + threads);
    require(!compare || !update, "--compare compresses all images again and again: not with --update");
    ImageFiles files = ImageFiles.find(this);
    ProcessImages process = new ProcessImages(this, files.images());
    boolean done = compare ? Comparison.run(this, files.images()) : process.run();
    if (timeline && !compare) {
      Timeline.print(process, process.seconds);
    }
    return done && files.isComplete() ? 0 : 1;
  }

  /** Wrong usage, unless the condition holds. */
  void require(boolean condition, String message) {
    if (!condition) {
      throw new ParameterException(command.commandLine(), message);
    }
  }
}

/** Starts one thread per image, waits until the last has ended, and reports. */
final class ProcessImages {
  private static final Log LOG = new Log(ProcessImages.class);

  final Compress options;
  final CompressionStats stats;
  final List<CompressOneImage> images = new ArrayList<>();
  Compress.Mode mode;
  long start; // nanoseconds, as System.nanoTime has it
  double seconds;

  ProcessImages(Compress options, List<ImageFile> files) {
    this.options = options;
    stats = new CompressionStats(files.size());
    Semaphore permits = new Semaphore(options.threads, true); // fair: first come, first served
    for (ImageFile file : files) {
      images.add(new CompressOneImage(file, options, permits, stats));
    }
  }

  /** Compresses the images and prints the report; returns whether every one of them is done. */
  boolean run() throws InterruptedException {
    LOG.info("%s in %s, %s, %s threads", Text.count(images.size(), "image"), options.source, Text.cores(),
        options.mode == Compress.Mode.sequential ? "no" : options.mode);
    compress(options.mode);
    System.out.println(stats.report(seconds));
    return stats.allDone();
  }

  /** Compresses the images: when it returns, all of them have ended. */
  void compress(Compress.Mode mode) throws InterruptedException {
    this.mode = mode;
    start = System.nanoTime();
    switch (mode) {
      case virtual -> runInThreads(Thread.ofVirtual().name("image-", 1));
      case platform -> runInThreads(Thread.ofPlatform().name("image-", 1));
      case sequential -> images.forEach(CompressOneImage::run); // the same work, all of it in this thread
    }
    seconds = (System.nanoTime() - start) / 1e9;
  }

  private void runInThreads(Thread.Builder builder) throws InterruptedException {
    List<Thread> threads = new ArrayList<>();
    for (CompressOneImage image : images) {
      Thread thread = builder.unstarted(image); // image-1, image-2, ...
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

  final ImageFile file;
  private final Compress options;
  private final Semaphore permits;
  private final CompressionStats stats;
  String thread; // these three are for the timeline
  long started; // nanoseconds, as System.nanoTime has it
  long ended;

  CompressOneImage(ImageFile file, Compress options, Semaphore permits, CompressionStats stats) {
    this.file = file;
    this.options = options;
    this.permits = permits;
    this.stats = stats;
  }

  /**
   * Waits for a permit, compresses, gives the permit back. Virtual threads cost next to nothing, so there is one for
   * every image at once; what they need while they work (memory, cores) is scarce, and the semaphore rations that.
   */
  @Override
  public void run() {
    permits.acquireUninterruptibly();
    thread = Thread.currentThread().getName();
    started = System.nanoTime();
    try {
      compress();
    } finally {
      ended = System.nanoTime();
      permits.release(); // whatever happened, or the images that wait would wait for ever
    }
  }

  /** The work of the thread. Whatever comes of it is counted and logged: one image's problem is not the others'. */
  private void compress() {
    try {
      if (options.update && file.isUpToDate()) {
        LOG.info("%s %s is up to date", stats.add(Outcome.SKIPPED, 0, 0), file.name());
        return;
      }
      int share = Memory.reserve(file.memory(options.engine)); // a second semaphore: large images wait for each other
      try {
        recompress();
      } finally {
        Memory.release(share);
      }
    } catch (Exception | Error problem) {
      LOG.error("%s %s failed: %s", stats.add(Outcome.FAILED, 0, 0), file.name(), Text.reason(problem));
    }
  }

  private void recompress() throws IOException, InterruptedException {
    byte[] original = file.read();
    byte[] compressed = Recompressor.recompress(original, options.quality, options.engine);
    boolean smaller = compressed.length < original.length;
    byte[] copy = smaller ? compressed : original; // never larger than the original
    createFolder(file.copy().toAbsolutePath().getParent());
    WholeFile.write(file.copy(), copy);
    if (smaller && JpegHeader.read(original).brokenIcc) {
      LOG.warn("%s has a damaged colour profile: left out of the copy", file.name());
    }
    String progress = stats.add(smaller ? Outcome.COMPRESSED : Outcome.KEPT, original.length, copy.length);
    LOG.info("%s %s %s -> %s (%.3f)%s in %d ms", progress, file.name(), Text.size(original.length),
        Text.size(copy.length), (double) copy.length / original.length,
        smaller ? "" : " kept: it would not get smaller", (System.nanoTime() - started) / 1_000_000);
  }

  /**
   * Creates the folder unless it is there. Many threads come here at once: the look and the creation must be one step
   * (a critical section, locked on this class), or two threads could both find it missing and both create it.
   */
  static synchronized void createFolder(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      Files.createDirectories(folder);
      LOG.info("created %s", folder.getFileName());
    }
  }
}

/** What became of an image. */
enum Outcome {
  COMPRESSED,
  KEPT, // recompression would not have saved a byte: the copy is the original
  SKIPPED, // its copy is up to date
  FAILED
}

/**
 * The totals of a run. Many threads add to them: every method is a critical section, locked on this object, because
 * {@code total += size} is three steps (read, add, write), and two threads that take them at once lose one addition.
 */
final class CompressionStats {
  private final int total;
  private final int[] images = new int[Outcome.values().length]; // by outcome
  private long sizeBefore; // bytes, of the images compressed or kept
  private long sizeAfter;

  /** The totals of a run over this number of images, all zero. */
  CompressionStats(int total) {
    this.total = total;
  }

  /** Adds an image, with its sizes in bytes, and returns how far the run is: [3/4]. */
  synchronized String add(Outcome outcome, long before, long after) {
    images[outcome.ordinal()]++;
    sizeBefore += before;
    sizeAfter += after;
    return "[" + Arrays.stream(images).sum() + "/" + total + "]";
  }

  synchronized int count(Outcome outcome) {
    return images[outcome.ordinal()];
  }

  synchronized long sizeBefore() {
    return sizeBefore;
  }

  synchronized long sizeAfter() {
    return sizeAfter;
  }

  /** Whether every image is done and none failed. */
  synchronized boolean allDone() {
    return Arrays.stream(images).sum() == total && images[Outcome.FAILED.ordinal()] == 0;
  }

  /** The last line: how many images, their sizes before and after, the ratio after / before. */
  synchronized String report(double seconds) {
    StringBuilder outcomes = new StringBuilder();
    if (images[Outcome.COMPRESSED.ordinal()] < total) {
      for (Outcome outcome : Outcome.values()) {
        outcomes.append(outcomes.isEmpty() ? " (" : ", ");
        outcomes.append(images[outcome.ordinal()]).append(' ').append(outcome.name().toLowerCase(Locale.ROOT));
      }
      outcomes.append(')');
    }
    String ratio = sizeBefore == 0 ? "none" : Text.format("%.3f", (double) sizeAfter / sizeBefore);
    return Text.format("%s%s, %s -> %s, ratio %s, in %.2f s", Text.count(total, "image"), outcomes,
        Text.size(sizeBefore), Text.size(sizeAfter), ratio, seconds);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The lesson ends here. Below are the log and the measuring of runs, and then the engine room: files, pixels, JPEG.
// ---------------------------------------------------------------------------------------------------------------------

/** The logger of one class. tinylog adds the time; class, thread and level stand in the exercise's columns. */
record Log(Class<?> owner) {
  static volatile boolean quiet; // only warnings and errors

  /** Logs a text with values in it, as {@link String#format} takes them. */
  void info(String text, Object... values) {
    if (!quiet) {
      Logger.info(line("INFO", text, values));
    }
  }

  void warn(String text, Object... values) {
    Logger.warn(line("WARN", text, values));
  }

  void error(String text, Object... values) {
    Logger.error(line("ERROR", text, values));
  }

  private String line(String level, String text, Object... values) {
    String thread = Thread.currentThread().getName();
    return Text.format("%16s %12s %-6s %s", owner.getSimpleName(), thread, level, Text.format(text, values));
  }
}

/** Measures what threads bring: the three modes in turn on the same images. */
final class Comparison {
  private static final int ROUNDS = 3;

  private Comparison() {}

  /** Prints the table, and the timelines if they are asked for; returns whether every image was done each time. */
  static boolean run(Compress options, List<ImageFile> files) throws InterruptedException {
    Map<Compress.Mode, List<ProcessImages>> runs = new LinkedHashMap<>();
    boolean done = true;
    Log.quiet = true;
    for (int round = 0; done && round <= ROUNDS; round++) { // round 0 warms up: Java compiles the program as it runs
      for (Compress.Mode mode : List.of(Compress.Mode.sequential, Compress.Mode.platform, Compress.Mode.virtual)) {
        System.err.printf("%s: %s%n", round == 0 ? "warming up" : "round " + round + " of " + ROUNDS, mode);
        ProcessImages run = new ProcessImages(options, files);
        run.compress(mode);
        done &= run.stats.allDone();
        if (round > 0) {
          runs.computeIfAbsent(mode, key -> new ArrayList<>()).add(run);
        }
      }
    }
    if (!done) {
      System.err.println("Compress: nothing to compare: not all images could be compressed");
      return false;
    }
    runs.values().forEach(list -> list.sort(Comparator.comparingDouble(run -> run.seconds)));
    ProcessImages sequential = runs.get(Compress.Mode.sequential).get(ROUNDS / 2); // the median
    System.out.println("mode        threads  seconds  speed-up");
    runs.forEach((mode, list) -> {
      double seconds = list.get(ROUNDS / 2).seconds;
      System.out.println(Text.format("%-10s %8d %8.3f %9.2f", mode,
          mode == Compress.Mode.sequential ? 1 : files.size(), seconds, sequential.seconds / seconds));
    });
    System.out.printf("Medians of %d rounds over %s on %s, at most %d in work at once; Java's start-up is left out.%n",
        ROUNDS, Text.count(files.size(), "image"), Text.cores(),
        options.threads);
    if (options.timeline) {
      Timeline.print(sequential, sequential.seconds);
      Timeline.print(runs.get(Compress.Mode.virtual).get(ROUNDS / 2), sequential.seconds);
    }
    return true;
  }
}

/** Draws a run in the terminal: a row for each image, when its thread waited and worked, on one axis of time. */
final class Timeline {
  private static final int MAX_ROWS = 24;

  private Timeline() {}

  /** Prints the chart of a run that has ended, on an axis of this many seconds. */
  static void print(ProcessImages run, double axis) {
    boolean unicode = System.out.charset().newEncoder().canEncode('█');
    boolean colour = CommandLine.Help.Ansi.AUTO.enabled(); // a terminal, and no NO_COLOR
    List<CompressOneImage> images = new ArrayList<>(run.images);
    System.out.print("\n" + run.mode);
    if (images.size() > MAX_ROWS) {
      images.sort(Comparator.comparingLong(image -> image.started - image.ended));
      images.subList(MAX_ROWS, images.size()).clear();
      images.sort(Comparator.comparingLong(image -> image.started));
      System.out.printf(": the %d slowest of %d images", MAX_ROWS, run.images.size());
    }
    int label = Math.min(32, images.stream().mapToInt(image -> name(image).length()).max().orElse(0));
    int columns = Math.max(20, run.options.command.usageMessage().width() - label - 3);
    System.out.println();
    for (CompressOneImage image : images) {
      int begin = (int) Math.round((image.started - run.start) / 1e9 / axis * columns);
      int end = Math.max(begin + 1, (int) Math.round((image.ended - run.start) / 1e9 / axis * columns));
      String name = name(image).length() <= label ? name(image) : name(image).substring(0, label - 1) + "~";
      String working = (unicode ? "█" : "#").repeat(end - begin);
      System.out.println(Text.format("%-" + label + "s ", name) + (unicode ? "░" : ".").repeat(begin)
          + (colour ? "\u001b[32m" + working + "\u001b[0m" : working));
    }
    StringBuilder ticks = new StringBuilder();
    double step = step(axis);
    for (int i = 0; i * step <= axis; i++) {
      int at = (int) Math.round(i * step / axis * columns);
      ticks.append(" ".repeat(Math.max(0, at - ticks.length()))).append(Text.format("%.3f s", i * step).replaceFirst("\\.?0+ s", " s"));
    }
    System.out.println(" ".repeat(label + 1) + ticks);
    System.out.println(" ".repeat(label + 1) + (unicode ? "░ waiting  █ working" : ". waiting  # working"));
  }

  private static String name(CompressOneImage image) {
    return Text.format("%-8s %s", image.thread, image.file.name());
  }

  /** A round number of seconds, 1, 2 or 5 times a power of ten, that divides the axis into at most six parts. */
  private static double step(double axis) {
    double step = Math.pow(10, Math.floor(Math.log10(axis / 6)));
    for (double factor : new double[] {1, 2, 5}) {
      if (axis / (step * factor) <= 6) {
        return step * factor;
      }
    }
    return step * 10;
  }
}

/** Words and numbers for people, the same in every country. */
final class Text {
  private Text() {}

  static String format(String text, Object... values) {
    return String.format(Locale.ROOT, text, values);
  }

  /** A number of things: 1 image, 4 images. */
  static String count(int number, String thing) {
    return number + " " + thing + (number == 1 ? "" : "s");
  }

  static String cores() {
    return count(Runtime.getRuntime().availableProcessors(), "core");
  }

  /** A size in bytes, decimal units: 512 B, 12.8 kB, 3.21 MB, 1.20 GB. */
  static String size(long bytes) {
    if (bytes < 1_000) {
      return bytes + " B";
    } else if (bytes < 100_000) {
      return format("%.1f kB", bytes / 1e3);
    } else if (bytes < 1_000_000_000) {
      return format("%.2f MB", bytes / 1e6);
    }
    return format("%.2f GB", bytes / 1e9);
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
      case OutOfMemoryError e -> "not enough memory: give Java more, as in jbang -R-Xmx2g Compress.java";
      default -> problem.toString();
    };
  }
}

/**
 * An image and its compressed copy.
 *
 * @param image the original
 * @param copy where the compressed copy goes
 * @param name what the log calls it
 * @param problem why it cannot be compressed, or null
 */
record ImageFile(Path image, Path copy, String name, String problem) {
  private static final int CLOCK_TICK = 50; // milliseconds; file systems note times that are up to a few old

  /** Whether the copy is newer than the image. */
  boolean isUpToDate() throws IOException {
    return problem == null
        && Files.exists(copy)
        && Files.getLastModifiedTime(copy).compareTo(Files.getLastModifiedTime(image)) > 0;
  }

  /** How much heap the image needs while it is in work, in bytes, as its header tells. */
  long memory(Compress.Engine engine) throws IOException {
    if (problem != null) {
      throw new JpegException(problem);
    }
    if (Files.exists(image) && !Files.isRegularFile(image)) {
      throw new JpegException(Files.isDirectory(image) ? "a folder" : "not a file that can be read twice");
    }
    // The header is at the start; but it may hold a preview and a maker's notes, each of megabytes.
    for (int length = 1 << 16; ; length *= 8) {
      byte[] start;
      try (InputStream in = Files.newInputStream(image)) {
        start = in.readNBytes(length);
      }
      try {
        return Recompressor.memory(JpegHeader.read(start), Files.size(image), engine);
      } catch (JpegException e) {
        if (start.length < length || length >= 1 << 25) {
          throw e;
        }
      }
    }
  }

  /** The bytes of the image, all of one state of it. */
  byte[] read() throws IOException, InterruptedException {
    long age = System.currentTimeMillis() - Files.getLastModifiedTime(image).toMillis();
    if (age >= 0 && age < CLOCK_TICK) {
      Thread.sleep(CLOCK_TICK - age); // two changes within one tick have the same time
    }
    FileTime modified = Files.getLastModifiedTime(image);
    byte[] bytes = Files.readAllBytes(image);
    if (Files.size(image) != bytes.length || !Files.getLastModifiedTime(image).equals(modified)) {
      throw new JpegException("it changed while it was read");
    }
    return bytes;
  }
}

/** Finds the images to compress and says where the copy of each belongs. */
final class ImageFiles {
  private static final Log LOG = new Log(ProcessImages.class);

  private final Path source;
  private final Path destination;
  private final List<ImageFile> images = new ArrayList<>();
  private final Map<Path, ImageFile> byCopy = new HashMap<>(); // so that no two images share one copy
  private boolean complete = true;

  private ImageFiles(Path source, Path destination) {
    this.source = source;
    this.destination = destination;
  }

  /** The images that the command asks for; it is wrong usage where originals could be overwritten. */
  static ImageFiles find(Compress options) throws IOException {
    Path source = options.source;
    Path destination = options.destination;
    String list = options.filesFrom;
    options.require(list != null || Files.isDirectory(source), "SOURCE is not a folder: " + source);
    options.require(Files.isDirectory(destination) || !Files.exists(destination, LinkOption.NOFOLLOW_LINKS),
        "DESTINATION is not a folder: " + destination);
    Path from = real(source);
    Path to = real(destination);
    options.require(!from.equals(to), "DESTINATION is SOURCE: the originals would be replaced");
    options.require(!options.recursive || !from.startsWith(to) && !to.startsWith(from),
        "with --recursive neither of SOURCE and DESTINATION may be inside the other");
    options.require(list == null || list.equals("-") || Files.isReadable(Path.of(list)),
        "--files-from: cannot read " + list);
    ImageFiles files = new ImageFiles(source, destination);
    if (list == null) {
      files.scan(options.recursive);
    } else {
      files.readList(list);
    }
    files.protectOriginals();
    files.clearLeftovers();
    return files;
  }

  /** Every image in the source folder: .jpg and .jpeg in any case, but no hidden files. */
  private void scan(boolean recursive) throws IOException {
    int depth = recursive ? Integer.MAX_VALUE : 1;
    Path target = real(destination);
    Files.walkFileTree(source, Set.of(FileVisitOption.FOLLOW_LINKS), depth, new SimpleFileVisitor<>() {
      @Override
      public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) throws IOException {
        if (!folder.equals(source) && folder.toRealPath().startsWith(target)) {
          LOG.warn("%s leads into the destination: not followed", folder);
          return FileVisitResult.SKIP_SUBTREE;
        }
        return isHidden(folder) && !folder.equals(source) ? FileVisitResult.SKIP_SUBTREE : FileVisitResult.CONTINUE;
      }

      @Override
      public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        boolean isJpeg = name.endsWith(".jpg") || name.endsWith(".jpeg");
        // A link that leads nowhere counts: it is an image that the user has lost.
        if (isJpeg && !isHidden(file) && (attributes.isRegularFile() || attributes.isSymbolicLink())) {
          add(file, source.relativize(file));
        }
        return FileVisitResult.CONTINUE;
      }

      @Override
      public FileVisitResult visitFileFailed(Path file, IOException problem) {
        if (problem instanceof FileSystemLoopException) {
          LOG.warn("%s leads back to a folder that it is in: not followed", file);
        } else {
          LOG.error("%s cannot be read: %s", file, Text.reason(problem));
          complete = false;
        }
        return FileVisitResult.CONTINUE;
      }
    });
    images.sort(Comparator.comparing(ImageFile::image));
  }

  /** The images that a list names, one path a line; "-" is standard input. Blank lines are passed over. */
  private void readList(String list) throws IOException {
    InputStream in = list.equals("-") ? System.in : Files.newInputStream(Path.of(list));
    try (BufferedReader reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
      for (String line = reader.readLine(); line != null; line = reader.readLine()) {
        if (!line.isBlank()) {
          addListed(line);
        }
      }
    }
  }

  /**
   * What lies in the source folder keeps its place there; of any other path the root and every ".." are left out, as
   * tar does it: whatever a list names, its copy stays within the destination.
   */
  private void addListed(String line) {
    Path image;
    try {
      image = Path.of(line);
    } catch (InvalidPathException e) {
      images.add(new ImageFile(source, destination, line, "not a file name on this system"));
      return;
    }
    Path full = image.toAbsolutePath().normalize();
    Path folder = source.toAbsolutePath().normalize();
    Path place = full.startsWith(folder) ? folder.relativize(full) : Path.of("");
    if (place.toString().isEmpty()) {
      for (Path part : image.normalize()) {
        place = part.toString().equals("..") ? place : place.resolve(part);
      }
    }
    if (place.toString().isEmpty()) {
      images.add(new ImageFile(image, destination, line, "a folder"));
    } else {
      add(image, place);
    }
  }

  private void add(Path image, Path place) {
    String name = place.toString();
    Path copy = destination.resolve(place);
    ImageFile before = byCopy.get(copy);
    if (before == null) {
      ImageFile file = new ImageFile(image, copy, name, null);
      byCopy.put(copy, file);
      images.add(file);
    } else if (!before.image().toAbsolutePath().normalize().equals(image.toAbsolutePath().normalize())) {
      images.add(new ImageFile(image, copy, name, "its copy would replace that of " + before.name()));
    }
  }

  /** The path without links and "..", as far as it exists: two such paths are equal where the folders are the same. */
  private static Path real(Path path) throws IOException {
    Path full = path.toAbsolutePath();
    if (Files.exists(full)) {
      return full.toRealPath();
    }
    return full.getParent() == null ? full : real(full.getParent()).resolve(full.getFileName()).normalize();
  }

  private static Path parent(Path path) {
    return path.toAbsolutePath().getParent();
  }

  private static boolean isHidden(Path path) {
    return path.getFileName() != null && path.getFileName().toString().startsWith(".");
  }

  /** An image whose copy would replace an image of this run, itself or another, fails instead. */
  private void protectOriginals() throws IOException {
    Path target = real(destination);
    Set<Path> originals = new HashSet<>(); // those that lie where copies go
    for (ImageFile file : images) {
      Path original = real(file.image());
      if (original.startsWith(target)) {
        originals.add(original);
      }
    }
    for (int i = 0; i < images.size() && !originals.isEmpty(); i++) {
      ImageFile file = images.get(i);
      if (originals.contains(real(parent(file.copy())).resolve(file.copy().getFileName()))) {
        images.set(i, new ImageFile(file.image(), file.copy(), file.name(), "its copy would replace an original"));
      }
    }
  }

  /** Deletes what runs that were killed left in the folders of the copies. */
  private void clearLeftovers() {
    for (Path folder : new HashSet<>(images.stream().map(file -> parent(file.copy())).toList())) {
      try {
        WholeFile.clearLeftovers(folder);
      } catch (IOException e) {
        LOG.warn("%s may hold leftovers of a run that was killed: %s", folder, Text.reason(e));
      }
    }
  }

  /** The images, by name; a list's in its own order. */
  List<ImageFile> images() {
    return images;
  }

  /** Whether every folder could be read. */
  boolean isComplete() {
    return complete;
  }
}

/** Writes files whole or not at all: beside their final name first, and then renamed in one step. */
final class WholeFile {
  private static final String PREFIX = ".compress-";
  private static final String SUFFIX = ".part";
  private static final int CHUNK = 1 << 20; // bytes; the channel copies each to a buffer of that size outside the heap

  private WholeFile() {}

  /** Writes the file, in place of an older one if there is one. */
  static void write(Path file, byte[] bytes) throws IOException {
    if (Files.isDirectory(file)) {
      throw new JpegException("there is a folder where its copy should be: " + file);
    }
    while (!tryToWrite(file, bytes)) {
      continue; // another run took the part for a leftover before it was locked
    }
  }

  private static boolean tryToWrite(Path file, byte[] bytes) throws IOException {
    String unique = Long.toHexString(ThreadLocalRandom.current().nextLong());
    Path part = file.resolveSibling(PREFIX + unique + SUFFIX);
    try (FileChannel channel = FileChannel.open(part, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      try {
        channel.lock(); // until it has its final name; the lock ends with the process, however that ends
      } catch (IOException e) {
        // A file system without locks: nobody takes the part for a leftover there, see below.
      }
      if (Files.notExists(part)) {
        return false;
      }
      for (int written = 0; written < bytes.length; ) {
        written += channel.write(ByteBuffer.wrap(bytes, written, Math.min(CHUNK, bytes.length - written)));
      }
      Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
      return true;
    } finally {
      Files.deleteIfExists(part);
    }
  }

  /** Deletes what runs that were killed left in a folder; what another run is writing just now is locked, and stays. */
  static void clearLeftovers(Path folder) throws IOException {
    if (Files.notExists(folder)) {
      return;
    }
    try (DirectoryStream<Path> parts = Files.newDirectoryStream(folder, PREFIX + "*" + SUFFIX)) {
      for (Path part : parts) {
        try (FileChannel channel = FileChannel.open(part, StandardOpenOption.WRITE)) {
          if (channel.tryLock() != null) {
            Files.delete(part);
          }
        } catch (NoSuchFileException e) {
          continue; // the other run has finished it meanwhile
        }
      }
    }
  }
}

/** Shares the heap out, so that however many and however large the images are, those in work at once fit in it. */
final class Memory {
  private static final int UNIT = 1 << 20; // bytes
  private static final double USABLE = 0.6; // of the heap: an array must fit in one generation of it, and garbage waits

  private static final int TOTAL = (int) (Runtime.getRuntime().maxMemory() * USABLE / UNIT);
  private static final Semaphore FREE = new Semaphore(TOTAL, true);

  private Memory() {}

  /** Waits until this many bytes are free and takes them; returns what {@link #release} is to give back. */
  static int reserve(long bytes) throws JpegException {
    long units = bytes / UNIT + 1;
    if (units > TOTAL) {
      long heap = (long) (bytes / USABLE / UNIT / 64 + 1) * 64;
      throw new JpegException(Text.format("it needs %s of memory, more than there is; try jbang -R-Xmx%dm Compress.java",
          Text.size(bytes), heap));
    }
    FREE.acquireUninterruptibly((int) units);
    return (int) units;
  }

  static void release(int units) {
    FREE.release(units);
  }
}

/** Recompresses the bytes of a JPEG. */
final class Recompressor {
  private Recompressor() {}

  /** How much heap, in bytes, recompressing a JPEG of this header and size takes; an exception if none can do it. */
  static long memory(JpegHeader header, long size, Compress.Engine engine) throws JpegException {
    if (header.unsupported() != null) {
      throw new JpegException(header.unsupported());
    }
    return PixelEngine.memory(header, size);
  }

  /** The JPEG in another quality, 1 to 100 on libjpeg's scale; throws a JpegException where that cannot be done. */
  static byte[] recompress(byte[] jpeg, int quality, Compress.Engine engine) throws IOException {
    JpegHeader header = JpegHeader.read(jpeg);
    return PixelEngine.recompress(jpeg, header, quality);
  }
}

/** Recompresses any JPEG by way of its pixels: TwelveMonkeys reads them, the JDK's writer writes them. */
final class PixelEngine {
  private PixelEngine() {}

  /** The file and its cleaned copy, the pixels (and those of CMYK as read), the file written in chunks and in one. */
  static long memory(JpegHeader header, long size) {
    long pixels = (long) header.width * header.height;
    int bytes = header.components.size() == 4 ? 7 : header.components.size();
    return 2 * size + pixels * bytes + pixels / 2 + (1 << 20);
  }

  static byte[] recompress(byte[] jpeg, JpegHeader header, int quality) throws IOException {
    BufferedImage picture;
    try {
      picture = decode(jpeg, header);
    } catch (JpegException e) {
      throw e;
    } catch (IOException | RuntimeException e) { // EOFException, NullPointerException: what readers throw at damaged data
      throw new JpegException("corrupt: the decoder cannot make sense of it");
    }
    return JpegHeader.withMetadata(encode(picture, quality), header);
  }

  private static BufferedImage decode(byte[] jpeg, JpegHeader header) throws IOException {
    boolean cmyk = header.kind == JpegHeader.Kind.CMYK || header.kind == JpegHeader.Kind.YCCK;
    header.checkScans(jpeg);
    // Without its profile an RGB or grey image is read as its numbers are; the copy gets the profile, unchanged.
    byte[] cleaned = header.cleaned(jpeg, cmyk);
    ImageReader reader = ImageIO.getImageReadersByFormatName("JPEG").next(); // TwelveMonkeys' comes first
    try (ByteArrayImageInputStream in = new ByteArrayImageInputStream(cleaned)) {
      String[] lost = new String[1];
      reader.addIIOReadWarningListener((source, warning) -> lost[0] = losesPixels(warning) ? warning : lost[0]);
      reader.setInput(in, true, true);
      BufferedImage picture = reader.read(0);
      if (lost[0] != null) {
        boolean early = lost[0].toLowerCase(Locale.ROOT).contains("premature end");
        throw new JpegException(early ? "truncated: the data ends before the picture does"
            : "corrupt: " + lost[0].replace("Corrupt JPEG data: ", ""));
      }
      return picture;
    } finally {
      reader.dispose();
    }
  }

  /** Whether a warning of libjpeg's, which the JDK's reader passes on, means that it made pixels up. */
  private static boolean losesPixels(String warning) {
    return warning.startsWith("Corrupt JPEG data")
        || warning.startsWith("Premature end")
        || warning.startsWith("Inconsistent progression");
  }

  private static byte[] encode(BufferedImage picture, int quality) throws IOException {
    ImageWriter writer = ImageIO.getImageWritersByFormatName("JPEG").next();
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(1 << 20);
    try (MemoryCacheImageOutputStream out = new MemoryCacheImageOutputStream(bytes)) {
      JPEGImageWriteParam param = (JPEGImageWriteParam) writer.getDefaultWriteParam();
      param.setOptimizeHuffmanTables(true);
      IIOMetadata metadata = writer.getDefaultImageMetadata(ImageTypeSpecifier.createFromRenderedImage(picture), param);
      setQuality(metadata, quality);
      writer.setOutput(out);
      writer.write(null, new IIOImage(picture, null, metadata), param);
    } finally {
      writer.dispose();
    }
    return bytes.toByteArray();
  }

  /** Puts libjpeg's tables in: those that the writer's own quality (0.0 to 1.0) makes are rounded differently. */
  private static void setQuality(IIOMetadata metadata, int quality) throws IIOInvalidTreeException {
    String format = metadata.getNativeMetadataFormatName();
    IIOMetadataNode root = (IIOMetadataNode) metadata.getAsTree(format);
    NodeList tables = root.getElementsByTagName("dqtable");
    for (int i = 0; i < tables.getLength(); i++) {
      int[] steps = StandardTables.steps(i == 1, quality);
      int[] natural = new int[64];
      for (int k = 0; k < 64; k++) {
        natural[StandardTables.ZIGZAG[k]] = steps[k];
      }
      ((IIOMetadataNode) tables.item(i)).setUserObject(new JPEGQTable(natural));
    }
    metadata.setFromTree(format, root);
  }
}

/** A JPEG that cannot be recompressed; the message says why, in a user's words. */
final class JpegException extends IOException {
  private static final long serialVersionUID = 1L;

  JpegException(String message) {
    super(message);
  }
}

/** The marker codes of T.81 table B.1 that are used here: the byte that follows 0xFF. */
final class Marker {
  static final int SOF0 = 0xC0; // start of frame: baseline
  static final int SOF1 = 0xC1; // extended sequential
  static final int SOF2 = 0xC2; // progressive
  static final int DHT = 0xC4; // Huffman tables
  static final int JPG = 0xC8; // reserved
  static final int DAC = 0xCC; // arithmetic coding conditioning
  static final int RST0 = 0xD0; // restart, to 0xD7
  static final int SOI = 0xD8; // start of image
  static final int EOI = 0xD9; // end of image
  static final int SOS = 0xDA; // start of scan
  static final int DQT = 0xDB; // quantization tables
  static final int DNL = 0xDC; // number of lines
  static final int DRI = 0xDD; // restart interval
  static final int DHP = 0xDE; // hierarchical progression
  static final int EXP = 0xDF; // expand reference components
  static final int APP0 = 0xE0; // application data, to 0xEF
  static final int COM = 0xFE; // comment
  static final int TEM = 0x01; // for temporary use in arithmetic coding

  private Marker() {}

  /** Whether this is a marker without a length and parameters (T.81 B.1.1.3). */
  static boolean isAlone(int marker) {
    return marker == TEM || (marker >= RST0 && marker <= EOI);
  }

  /** Whether this is application data or a comment: nothing that decoding needs (T.81 B.2.4.5-6). */
  static boolean isRemark(int marker) {
    return (marker >= APP0 && marker <= 0xEF) || marker == COM;
  }

  /** Whether this starts a frame, of any process (T.81 table B.1). */
  static boolean isFrame(int marker) {
    return marker >= SOF0 && marker <= 0xCF && marker != DHT && marker != JPG && marker != DAC;
  }
}

/** Walks over the marker segments of a JPEG (T.81 B.1.1): {@link #next} moves to the next one. */
final class Segments {
  final byte[] jpeg;
  int marker; // the second byte of the marker, see Marker
  int start; // of the parameters, behind the marker and the length
  int end; // of the segment: where the next marker is expected
  boolean garbage; // whether bytes that belong to no segment were skipped

  /** Starts the walk at this offset, where a marker is expected. */
  Segments(byte[] jpeg, int offset) {
    this.jpeg = jpeg;
    end = offset;
  }

  /** Moves to the next segment, over fill bytes (B.1.1.2) and, noting it, over garbage. */
  void next() throws JpegException {
    int p = end;
    while (true) {
      if (p + 2 > jpeg.length) {
        throw new JpegException("truncated: the data ends within the header");
      }
      if ((jpeg[p] & 0xFF) != 0xFF || jpeg[p + 1] == 0) {
        garbage = true;
      } else if ((jpeg[p + 1] & 0xFF) != 0xFF) {
        break;
      }
      p++;
    }
    marker = jpeg[p + 1] & 0xFF;
    start = p + 2;
    end = start;
    if (!Marker.isAlone(marker)) {
      if (start + 2 > jpeg.length) {
        throw new JpegException("truncated: the data ends within the header");
      }
      int length = u16(start);
      end = start + length;
      start += 2;
      if (length < 2) {
        throw new JpegException("corrupt: a header segment of impossible length");
      }
      if (end > jpeg.length) {
        throw new JpegException("truncated: the data ends within the header");
      }
    }
  }

  int size() {
    return end - start;
  }

  /** Whether the parameters begin with this ASCII text and a zero byte, as those of APPn do. */
  boolean isNamed(String name) {
    int n = name.length();
    if (size() <= n || jpeg[start + n] != 0) {
      return false;
    }
    return name.equals(new String(jpeg, start, n, StandardCharsets.ISO_8859_1));
  }

  private int u16(int at) {
    return (jpeg[at] & 0xFF) << 8 | jpeg[at + 1] & 0xFF;
  }
}

/**
 * What the marker segments of a JPEG say (T.81 annex B), up to its first scan. Read once, for both
 * engines; the fields are not changed afterwards. No length in the file is believed unchecked, and
 * nothing is allocated for what is merely declared.
 */
final class JpegHeader {
  /** How the components make a colour, by the rules of libjpeg's {@code default_decompress_parms}. */
  enum Kind {
    GREY,
    YCBCR,
    RGB,
    CMYK,
    YCCK
  }

  /** A component of the frame (T.81 B.2.2): identifier, sampling factors, quantization table. */
  record Component(int id, int h, int v, int tq) {}

  /** What libjpeg, and so nearly every reader, takes at most. */
  static final int MAX_DIMENSION = 65500;

  private static final int NOTHING = 99; // no scan has brought a bit of this coefficient yet
  private static final int ICC_HEADER = 128; // bytes, ICC.1 section 7.2
  private static final int ICC_PART = 65519; // a segment's 65,533 bytes less the 14 of its own header

  int width; // pixels
  int height; // pixels; 0: defined by a DNL segment after the first scan
  int precision; // bits per sample
  int process; // the SOF marker: Marker.SOF0 baseline, SOF1 extended, SOF2 progressive...
  List<Component> components = List.of();
  Kind kind;
  int orientation = 1; // EXIF tag 0x0112: 1 upright, to 8
  byte[] iccProfile; // whole, or null
  boolean brokenIcc; // there was a profile, but it is incomplete or not credible: it was dropped
  boolean jfif; // a JFIF APP0 segment was found
  int adobeTransform = -1; // of the Adobe APP14 segment: 0 none, 1 YCbCr, 2 YCCK; -1: no segment
  boolean garbage; // bytes between the segments that belong to none; readers skip them
  int firstScan; // offset of the first SOS marker
  private final List<Integer> scanHeaderEnds = new ArrayList<>(); // offsets, known once checkScans() was called

  private JpegHeader() {}

  /** Reads the segments up to the first scan. */
  static JpegHeader read(byte[] jpeg) throws JpegException {
    if (jpeg.length == 0) {
      throw new JpegException("empty file");
    }
    if (jpeg.length < 4 || (jpeg[0] & jpeg[2] & 0xFF) != 0xFF || (jpeg[1] & 0xFF) != Marker.SOI) {
      throw new JpegException("not a JPEG");
    }
    JpegHeader header = new JpegHeader();
    Segments segments = new Segments(jpeg, 2);
    List<byte[]> iccParts = new ArrayList<>();
    boolean exif = false;
    while (true) {
      int from = segments.end;
      segments.next();
      int marker = segments.marker;
      if (marker == Marker.SOS) {
        header.firstScan = segments.start - 4;
        break;
      } else if (Marker.isFrame(marker)) {
        header.readFrame(segments);
      } else if (marker == Marker.APP0 && segments.isNamed("JFIF") && segments.size() >= 14) {
        header.jfif = true;
      } else if (marker == Marker.APP0 + 1 && segments.isNamed("Exif") && !exif) {
        exif = true;
        header.orientation = orientation(jpeg, segments.start + 6, segments.end);
      } else if (marker == Marker.APP0 + 2 && segments.isNamed("ICC_PROFILE")) {
        iccParts.add(Arrays.copyOfRange(jpeg, segments.start + 12, segments.end));
      } else if (isAdobe(segments)) {
        header.adobeTransform = jpeg[segments.start + 11] & 0xFF;
      } else if (marker == Marker.EOI) {
        throw new JpegException("corrupt: there is no picture in it");
      } else if (marker == Marker.SOI) {
        throw new JpegException("corrupt: a second image starts at byte " + from);
      } else if (Marker.isAlone(marker)) {
        segments.garbage = true;
      } else if (marker == Marker.JPG || marker < Marker.SOF0 || marker >= 0xF0) {
        if (marker != Marker.COM) {
          throw new JpegException("corrupt: a reserved marker at byte " + from);
        }
      }
    }
    if (header.process == 0) {
      throw new JpegException("corrupt: the picture's size is missing");
    }
    header.garbage = segments.garbage;
    header.kind = header.kindOfComponents();
    header.readIcc(iccParts);
    return header;
  }

  /** Why no engine can recompress this JPEG, in a user's words, or null where one may. */
  String unsupported() {
    if (process > 0xC8) {
      return "not supported: arithmetic coding";
    } else if (process == 0xC3) {
      return "not supported: lossless JPEG";
    } else if (process > Marker.SOF2) {
      return "not supported: hierarchical JPEG";
    } else if (precision != 8) {
      return "not supported: " + precision + " bits per sample";
    } else if (height == 0) {
      return "not supported: a height that only the end of the data tells";
    } else if (width > MAX_DIMENSION || height > MAX_DIMENSION) {
      return "not supported: " + width + " x " + height + " pixels, at most 65500 are";
    } else if (kind == null) {
      return "not supported: " + components.size() + " colour components";
    }
    return null;
  }

  /** T.81 B.2.2. */
  private void readFrame(Segments s) throws JpegException {
    if (process != 0) {
      throw new JpegException("corrupt: it declares its size twice");
    }
    byte[] d = s.jpeg;
    int n = s.size() < 6 ? 0 : d[s.start + 5] & 0xFF;
    if (n == 0 || s.size() != 6 + 3 * n) {
      throw new JpegException("corrupt: the declaration of its size");
    }
    process = s.marker;
    precision = d[s.start] & 0xFF;
    height = (d[s.start + 1] & 0xFF) << 8 | d[s.start + 2] & 0xFF;
    width = (d[s.start + 3] & 0xFF) << 8 | d[s.start + 4] & 0xFF;
    if (width == 0) {
      throw new JpegException("corrupt: it declares a width of 0 pixels");
    }
    List<Component> list = new ArrayList<>();
    for (int p = s.start + 6; p < s.end; p += 3) {
      Component c =
          new Component(d[p] & 0xFF, d[p + 1] >> 4 & 0xF, d[p + 1] & 0xF, d[p + 2] & 0xFF);
      if (c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.tq > 3) {
        throw new JpegException("corrupt: impossible sampling of a colour component");
      }
      list.add(c);
    }
    components = List.copyOf(list);
  }

  private static boolean isAdobe(Segments s) {
    return s.marker == Marker.APP0 + 14
        && s.size() >= 12
        && new String(s.jpeg, s.start, 5, StandardCharsets.ISO_8859_1).equals("Adobe");
  }

  private Kind kindOfComponents() {
    switch (components.size()) {
      case 1:
        return Kind.GREY;
      case 3:
        int a = components.get(0).id;
        int b = components.get(1).id;
        int c = components.get(2).id;
        boolean namedRgb = a == 'R' && b == 'G' && c == 'B';
        boolean rgb = adobeTransform == 0 || (adobeTransform < 0 && namedRgb);
        return rgb && !jfif ? Kind.RGB : Kind.YCBCR;
      case 4:
        return adobeTransform <= 0 ? Kind.CMYK : Kind.YCCK;
      default:
        return null;
    }
  }

  /**
   * Walks over the scans without decoding them. Where one is missing or comes twice, readers make up what it should
   * have brought, without a word.
   */
  void checkScans(byte[] jpeg) throws JpegException {
    int[][] precision = new int[components.size()][64]; // the lowest bit that the scans have brought, of each coefficient
    for (int[] p : precision) {
      Arrays.fill(p, NOTHING);
    }
    boolean ended = false;
    Segments s = new Segments(jpeg, firstScan);
    while (!ended && s.end + 2 <= jpeg.length) {
      s.next();
      ended = s.marker == Marker.EOI;
      if (s.marker == Marker.SOS) {
        readScan(s, precision);
        s.end = endOfScan(jpeg, s.end);
      }
    }
    for (int[] p : precision) {
      if (p[0] == NOTHING) {
        throw new JpegException((ended ? "corrupt" : "truncated") + ": a colour component is missing");
      }
      for (int k = 0; k < 64 && !ended; k++) {
        if (p[k] != 0) {
          throw new JpegException("truncated: the last scans are missing");
        }
      }
    }
  }

  /** T.81 B.2.3. */
  private void readScan(Segments s, int[][] precision) throws JpegException {
    byte[] d = s.jpeg;
    int n = s.size() < 1 ? 0 : d[s.start];
    if (n < 1 || n > 4 || s.size() != 4 + 2 * n) {
      throw new JpegException("corrupt: a scan header");
    }
    int tail = s.end - 3;
    boolean progressive = process == Marker.SOF2;
    int first = progressive ? d[tail] : 0;
    int last = progressive ? d[tail + 1] : 63;
    int before = progressive ? d[tail + 2] >> 4 & 15 : 0;
    int after = progressive ? d[tail + 2] & 15 : 0;
    for (int i = 0; i < n; i++) {
      int[] p = null;
      for (int c = 0; c < components.size() && p == null; c++) {
        p = components.get(c).id == (d[s.start + 1 + 2 * i] & 0xFF) ? precision[c] : null;
      }
      if (p == null || first < 0 || first > last || last > 63) {
        throw new JpegException("corrupt: a scan header");
      }
      for (int k = first; k <= last; k++) {
        if (p[k] != (before == 0 ? NOTHING : before)) {
          throw new JpegException("corrupt: scans that contradict each other");
        }
        p[k] = after;
      }
    }
    scanHeaderEnds.add(s.end);
  }

  private static int endOfScan(byte[] jpeg, int from) {
    for (int p = from; p + 1 < jpeg.length; p++) {
      if (jpeg[p] == -1) {
        int next = jpeg[p + 1] & 0xFF;
        if (next != 0 && next != 0xFF && (next & 0xF8) != Marker.RST0) {
          return p;
        }
      }
    }
    return jpeg.length;
  }

  /** The orientation in a TIFF structure of either byte order, or 1 where there is no sound one. */
  private static int orientation(byte[] d, int tiff, int end) {
    if (end - tiff < 8 || d[tiff] != d[tiff + 1] || (d[tiff] != 'I' && d[tiff] != 'M')) {
      return 1;
    }
    boolean little = d[tiff] == 'I';
    long directory = number(d, tiff + 4, 4, little);
    if (number(d, tiff + 2, 2, little) != 42 || directory > end - tiff - 2) {
      return 1;
    }
    int at = tiff + (int) directory;
    long entries = number(d, at, 2, little);
    at += 2;
    for (long i = 0; i < entries && at + 12 <= end; i++, at += 12) {
      if (number(d, at, 2, little) == 0x0112) {
        long type = number(d, at + 2, 2, little); // 3 SHORT, as it must be, or 4 LONG
        long value = number(d, at + 8, type == 4 ? 4 : 2, little);
        boolean sound = (type == 3 || type == 4) && number(d, at + 4, 4, little) == 1;
        return sound && value >= 1 && value <= 8 ? (int) value : 1;
      }
    }
    return 1;
  }

  private static long number(byte[] d, int at, int bytes, boolean little) {
    long value = 0;
    for (int i = 0; i < bytes; i++) {
      value = value << 8 | d[little ? at + bytes - 1 - i : at + i] & 0xFF;
    }
    return value;
  }

  /** Puts the parts of an ICC profile in order (ICC.1 annex B.4) and checks it for credibility. */
  private void readIcc(List<byte[]> parts) {
    if (parts.isEmpty()) {
      return;
    }
    brokenIcc = true; // until it is whole
    byte[][] ordered = new byte[parts.size()][];
    for (byte[] part : parts) {
      int number = part.length < 2 ? 0 : part[0] & 0xFF;
      if (number < 1 || number > ordered.length || (part[1] & 0xFF) != ordered.length) {
        return;
      }
      if (ordered[number - 1] != null) {
        return;
      }
      ordered[number - 1] = part;
    }
    ByteArrayOutputStream whole = new ByteArrayOutputStream();
    for (byte[] part : ordered) {
      whole.write(part, 2, part.length - 2);
    }
    byte[] profile = whole.toByteArray();
    String space =
        kind == Kind.GREY ? "GRAY" : kind == Kind.CMYK || kind == Kind.YCCK ? "CMYK" : "RGB ";
    long size = profile.length < ICC_HEADER ? 0 : number(profile, 0, 4, false);
    if (size >= ICC_HEADER
        && size <= profile.length
        && new String(profile, 16, 4, StandardCharsets.ISO_8859_1).equals(space)
        && new String(profile, 36, 4, StandardCharsets.ISO_8859_1).equals("acsp")) {
      iccProfile = Arrays.copyOf(profile, (int) size); // less what it was padded with
      brokenIcc = false;
    }
  }

  /**
   * A copy of the JPEG with nothing in its head that decoding does not need: a plain JFIF segment
   * in the first place if it had one, an Adobe segment, on request the ICC profile (if it is
   * sound), tables and frame. Its scans are as they were.
   */
  byte[] cleaned(byte[] jpeg, boolean withIcc) throws JpegException {
    ByteArrayOutputStream out = new ByteArrayOutputStream(jpeg.length + 64);
    out.write(0xFF);
    out.write(Marker.SOI);
    if (jfif) {
      out.writeBytes(jfif());
    }
    if (kind != Kind.GREY) { // so that every reader sees the same colours in it as kindOfComponents()
      int transform = kind == Kind.YCBCR ? 1 : kind == Kind.YCCK ? 2 : 0;
      byte[] adobe = {-1, (byte) 0xEE, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, (byte) transform};
      out.writeBytes(adobe);
    }
    if (withIcc && iccProfile != null) {
      writeIcc(out);
    }
    Segments s = new Segments(jpeg, 2);
    for (s.next(); s.marker != Marker.SOS; s.next()) {
      if (!Marker.isAlone(s.marker) && !Marker.isRemark(s.marker)) {
        out.write(jpeg, s.start - 4, s.end - s.start + 4);
      }
    }
    int moved = out.size() - firstScan;
    out.write(jpeg, firstScan, jpeg.length - firstScan);
    byte[] cleaned = out.toByteArray();
    if (process != Marker.SOF2) { // some writers put zeros here: libjpeg warns of them, and then of nothing else
      for (int end : scanHeaderEnds) {
        cleaned[moved + end - 3] = 0;
        cleaned[moved + end - 2] = 63;
        cleaned[moved + end - 1] = 0;
      }
    }
    return cleaned;
  }

  /** A whole JFIF APP0 segment: version 1.01, square pixels, no thumbnail. */
  static byte[] jfif() {
    byte[] jfif = {-1, (byte) 0xE0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0};
    return jfif;
  }

  /**
   * The segments by which a recompressed copy looks the same: EXIF with the orientation alone, if
   * it is not upright, and the ICC profile, unless it is for the CMYK that the copy no longer is.
   */
  byte[] metadata() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    if (orientation != 1) {
      // Length, "Exif", TIFF header (big endian), one directory of one entry, no next directory.
      byte[] exif = {
        -1, (byte) 0xE1, 0, 34, 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1,
        0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, (byte) orientation, 0, 0, 0, 0, 0, 0
      };
      out.writeBytes(exif);
    }
    if (iccProfile != null && kind != Kind.CMYK && kind != Kind.YCCK) {
      writeIcc(out);
    }
    return out.toByteArray();
  }

  private void writeIcc(ByteArrayOutputStream out) {
    int parts = (iccProfile.length + ICC_PART - 1) / ICC_PART;
    for (int i = 0; i < parts; i++) {
      int from = i * ICC_PART;
      int size = Math.min(iccProfile.length - from, ICC_PART);
      out.write(0xFF);
      out.write(Marker.APP0 + 2);
      out.write(size + 16 >> 8);
      out.write(size + 16);
      out.writeBytes("ICC_PROFILE\0".getBytes(StandardCharsets.ISO_8859_1));
      out.write(i + 1);
      out.write(parts);
      out.write(iccProfile, from, size);
    }
  }

  /** A JPEG as ImageIO writes it, with the metadata of its source behind SOI and JFIF. */
  static byte[] withMetadata(byte[] written, JpegHeader source) throws JpegException {
    byte[] metadata = source.metadata();
    if (metadata.length == 0) {
      return written;
    }
    Segments s = new Segments(written, 2);
    s.next();
    int at = s.marker == Marker.APP0 ? s.end : 2;
    ByteArrayOutputStream out = new ByteArrayOutputStream(written.length + metadata.length);
    out.write(written, 0, at);
    out.writeBytes(metadata);
    out.write(written, at, written.length - at);
    return out.toByteArray();
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

  private static final int[] LUMINANCE = { // table K.1
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99
  };

  private static final int[] CHROMINANCE = { // table K.2, filled up with 99
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99
  };

  private StandardTables() {}

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
