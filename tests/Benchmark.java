///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//JAVAC_OPTIONS --release 21 -J-XX:TieredStopAtLevel=1
//DEPS info.picocli:picocli:4.7.7
//SOURCES Pictures.java

import com.sun.management.OperatingSystemMXBean;
import java.awt.Rectangle;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.*;
import javax.imageio.*;
import javax.imageio.stream.ImageInputStream;
import picocli.CommandLine;
import picocli.CommandLine.*;

/**
 * Measures Compress against its peers on this machine: whole processes, from start to exit. Each program runs once to
 * warm up (that run gives its bytes, PSNR and memory) and then once a round; its time is the median.
 */
@Command(name = "Benchmark", mixinStandardHelpOptions = true, sortOptions = false, usageHelpWidth = 100,
    showDefaultValues = true, customSynopsis = "jbang tests/Benchmark.java [OPTIONS]",
    description = "Measures Compress against its peers on this machine and prints a table in Markdown.")
public class Benchmark implements Callable<Integer> {
  private static final int CORES = Runtime.getRuntime().availableProcessors();
  private static final int LIMIT = 600; // seconds: a run that takes longer has failed
  private static final int ALL = Integer.MAX_VALUE; // images: as many as there are, each once
  private static final String FAILED = ": failed: ";

  @Option(names = {"--images", "--source"}, paramLabel = "FOLDER",
      description = "JPEG images (default: the project's IMAGES)")
  Path images;
  @Option(names = "--count", defaultValue = "80", description = "repeat the images up to this number")
  int count;
  @Option(names = "--rounds", defaultValue = "5", description = "timed runs of each program")
  int rounds;
  @Option(names = "--quality", defaultValue = "30", description = "JPEG quality, 1 to 100")
  int quality;
  @Option(names = "--only", split = ",", paramLabel = "NAME", description = "only these programs, separated by commas, "
      + "compared with the first: hello, jbang, compress, smallest, pixels, jpegoptim, pillow, sharp, mozjpeg, jpegli, "
      + "lossless, jpegoptim-lossless, jpegtran, mozjpeg-jpegtran")
  Set<String> only;
  @Option(names = "--kinds", description = "the same pictures as 4:2:0, 4:2:2, 4:4:4, progressive, grey JPEG, in turn")
  boolean kinds;
  @Option(names = "--start", description = "how long `jbang Compress.java` takes, and what part of it JBang is")
  boolean start;
  @Option(names = "--equal", description = "how many bytes each program needs for copies that look equally good")
  boolean equal;
  @Option(names = "--lossless", description = "what changes nothing that is seen: Compress --lossless and its peers")
  boolean lossless;
  @Spec Model.CommandSpec command;

  private Path work;
  private Path source;
  private Path destination;
  private final Map<String, String> variables = new TreeMap<>(); // of the commands below
  private final List<String> problems = new ArrayList<>();

  /**
   * A program that can be measured.
   *
   * @param name on the command line
   * @param version a shell command that prints it, or fails where the program is missing
   * @param command a shell command that compresses all images, as fast as the program can
   */
  private record Peer(String name, String title, String version, String command) {}

  private static final String PILLOW = "\"$PYTHON\" -c 'import PIL.features as f; "
      + "print(f.version(\"pil\"), \"libjpeg-turbo\", f.version_feature(\"libjpeg_turbo\"))'";
  private static final String SHARP = "node -p 'v = require(\"sharp\").versions; v.sharp + \" libvips \" + v.vips'";
  private static final String JAVA = "\"$JAVA\" $OPTIONS -cp \"$CLASSPATH\" Compress ";
  private static final String COMPRESS = JAVA + "-q $QUALITY ";
  private static final String FOLDERS = "\"$SOURCE\" \"$DESTINATION\"";
  private static final String JPEGOPTIM = "jpegoptim --version | sed -n 's/^jpegoptim v\\([^ ]*\\).*/\\1/p'";
  private static final String EACH_FILE = "xargs -0 -P $CORES -n 1 sh -c ";
  private static final List<String> LOSSLESS =
      List.of("lossless", "jpegoptim-lossless", "jpegtran", "mozjpeg-jpegtran");
  private static final List<Peer> PEERS = List.of(
      new Peer("hello", "a bare hello world, by `.jbang/jbang`", "\"$JBANG\" --version", "\"$JBANG\" hello.java"),
      new Peer("jbang", "Compress, by `.jbang/jbang`", "\"$JBANG\" --version",
          "\"$JBANG\" \"$SCRIPT\" -q $QUALITY " + FOLDERS),
      new Peer("compress", "Compress", "echo Java $VERSION", COMPRESS + FOLDERS),
      new Peer("smallest", "Compress, --smallest", "echo Java $VERSION", COMPRESS + "--smallest " + FOLDERS),
      new Peer("pixels", "Compress, pixel engine", "echo Java $VERSION", COMPRESS + "--engine=pixels " + FOLDERS),
      // One process for several images saves starts; for too many, some cores are done long before the others.
      new Peer("jpegoptim", "jpegoptim", JPEGOPTIM,
          "xargs -0 -P $CORES -n $EACH jpegoptim -q -s -m$QUALITY --all-normal --dest=\"$DESTINATION\" <\"$LIST\""),
      new Peer("pillow", "Pillow, a pool", PILLOW, "\"$PYTHON\" pillow.py " + FOLDERS + " $QUALITY $CORES"),
      new Peer("sharp", "sharp", SHARP, "UV_THREADPOOL_SIZE=$CORES node sharp.js " + FOLDERS + " $QUALITY $CORES"),
      new Peer("mozjpeg", "sharp, mozjpeg", SHARP,
          "UV_THREADPOOL_SIZE=$CORES node sharp.js " + FOLDERS + " $QUALITY $CORES mozjpeg"),
      new Peer("jpegli", "jpegli, 4:2:0", "cjpegli --version 2>&1 | sed -n 's/^cjpegli v\\([^ ]*\\).*/\\1/p' | head -1",
          EACH_FILE + "'cjpegli \"$1\" \"$DESTINATION/${1##*/}\" -q $QUALITY --chroma_subsampling=420' -- <\"$LIST\""),
      new Peer("lossless", "Compress, --lossless", "echo Java $VERSION",
          JAVA + "--lossless " + FOLDERS),
      new Peer("jpegoptim-lossless", "jpegoptim --all-progressive", JPEGOPTIM,
          "xargs -0 -P $CORES -n $EACH jpegoptim -q -s --all-progressive --dest=\"$DESTINATION\" <\"$LIST\""),
      new Peer("jpegtran", "jpegtran -optimize -progressive", "jpegtran -version 2>&1 | head -1",
          EACH_FILE + "'jpegtran -copy none -optimize -progressive \"$1\" >\"$DESTINATION/${1##*/}\"' -- <\"$LIST\""),
      new Peer("mozjpeg-jpegtran", "mozjpeg's jpegtran", "mozjpeg-jpegtran -version 2>&1 | head -1",
          EACH_FILE + "'mozjpeg-jpegtran -copy none \"$1\" >\"$DESTINATION/${1##*/}\"' -- <\"$LIST\""));

  private static final String HELLO_JAVA =
      "class hello { public static void main(String[] arguments) { System.out.println(\"hello\"); } }";
  private static final String PILLOW_PY = """
      import os, sys
      from concurrent.futures import ThreadPoolExecutor
      from PIL import Image
      source, destination, quality, workers = *sys.argv[1:3], *map(int, sys.argv[3:])
      def compress(name):
          image, compressed = os.path.join(source, name), os.path.join(destination, name)
          Image.open(image).save(compressed, "JPEG", optimize=True, quality=quality)
      with ThreadPoolExecutor(workers) as pool:
          list(pool.map(compress, sorted(os.listdir(source))))
      """;
  private static final String SHARP_JS = """
      const [source, destination, quality, workers, mozjpeg] = process.argv.slice(2);
      const sharp = require('sharp');
      sharp.concurrency(1); // threads within an image: here the images are what runs at once
      const names = require('fs').readdirSync(source).sort().reverse();
      async function work() {
        for (let name; (name = names.pop()); ) {
          await sharp(source + '/' + name).jpeg({ quality: Number(quality), mozjpeg: mozjpeg !== undefined })
            .toFile(destination + '/' + name);
        }
      }
      Promise.all(Array.from({ length: Number(workers) }, work)).catch((e) => { console.error(e); process.exit(1); });
      """;

  /** Measures what the arguments ask for; exits with 1 if a program failed or none is there, with 2 for wrong usage. */
  public static void main(String[] arguments) {
    Locale.setDefault(Locale.ROOT);
    System.exit(new CommandLine(new Benchmark()).setExecutionExceptionHandler((problem, line, all) -> {
      System.err.println("Benchmark: " + problem.getMessage());
      return 1;
    }).execute(arguments));
  }

  @Override
  public Integer call() throws IOException {
    Path project = Stream.iterate(Path.of("").toAbsolutePath(), Objects::nonNull, Path::getParent)
        .filter(folder -> Files.exists(folder.resolve("Compress.java"))).findFirst().orElse(null);
    require(project != null, "there is no Compress.java in this folder or above it");
    images = (images == null ? project.resolve("IMAGES") : images).toAbsolutePath();
    require(Files.isDirectory(images), "--images is not a folder: " + images);
    require(count >= 1 && rounds >= 1, "--count and --rounds must be at least 1");
    require(quality >= 1 && quality <= 100, "--quality must be from 1 to 100, not " + quality);
    require(only == null || names().containsAll(only), "--only knows " + String.join(", ", names()));
    double load = ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
    if (load > CORES / 2.0) {
      System.err.printf("warning: others use this machine now (load %.1f): the times will not be right%n", load);
    }
    work = Files.createTempDirectory("benchmark");
    source = work.resolve("source");
    destination = work.resolve("destination");
    // At the exit, so that a benchmark that is interrupted leaves neither processes nor files either.
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly);
      delete(work);
    }));
    prepare(project);
    print("Machine: %s, cores: %d, memory: %.0f GB, %s (%s), Java %s (%s).  ",
        find("/proc/cpuinfo", "model name\\s*: (.*)"), CORES,
        ((OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getTotalMemorySize() / 1e9,
        find("/etc/os-release", "PRETTY_NAME=\"(.*)\""), System.getProperty("os.arch"),
        System.getProperty("java.version"), System.getProperty("java.vendor"));
    if (start) {
      measureStart();
    } else if (equal) {
      compareBytes();
    } else if (kinds) {
      measureKinds();
    } else {
      measurePrograms();
    }
    problems.forEach(problem -> print("%s.  ", problem));
    return problems.stream().anyMatch(problem -> problem.contains(FAILED)) ? 1 : 0;
  }

  private void require(boolean condition, String message) {
    if (!condition) { throw new ParameterException(command.commandLine(), message); }
  }

  /** Builds Compress, writes the scripts, and sets the variables that commands use. */
  private void prepare(Path project) throws IOException {
    Files.writeString(work.resolve("hello.java"), HELLO_JAVA);
    Files.writeString(work.resolve("pillow.py"), PILLOW_PY);
    Files.writeString(work.resolve("sharp.js"), SHARP_JS);
    Path script = project.resolve("Compress.java");
    variables.putAll(Map.of("JBANG", project.resolve(".jbang/jbang").toString(), "SCRIPT", script.toString(),
        "JAVA", System.getProperty("java.home") + "/bin/java", "VERSION", System.getProperty("java.version"),
        "SOURCE", source.toString(), "DESTINATION", destination.toString(), "LIST", work.resolve("list").toString(),
        "CORES", "" + CORES, "EACH", "" + Math.clamp(count / CORES / 8, 1, 4), "QUALITY", "" + quality));
    String start = "\"$JBANG\" \"$SCRIPT\" --version >&2 && "; // builds, and is remembered
    Run build = run(start + "\"$JBANG\" info classpath \"$SCRIPT\" | tail -1");
    if (build.problem != null) {
      throw new IOException("Compress.java cannot be built: " + build.problem + "\n" + build.output);
    }
    String classpath = build.output.lines().reduce("", (a, b) -> b);
    variables.put("CLASSPATH", classpath);
    String options = Files.readAllLines(script).stream().filter(line -> line.startsWith("//RUNTIME_OPTIONS "))
        .map(line -> line.substring(18)).collect(Collectors.joining(" "));
    variables.put("OPTIONS", options);
    variables.put("PYTHON", run("for p in python3 /usr/bin/python3; do "
        + "$p -c 'import sys, PIL; print(sys.executable)' 2>/dev/null && break; done").output);
  }

  private static List<String> names() { return PEERS.stream().map(Peer::name).toList(); }

  /** The programs that --only names, else these, if they are there; those that are not become problems. */
  private List<Peer> find(Collection<String> names) throws IOException {
    List<Peer> found = new ArrayList<>();
    for (String name : only == null ? names : only) {
      Peer peer = PEERS.get(names().indexOf(name));
      Run run = run(peer.version);
      if (run.problem == null && !run.output.isEmpty()) {
        found.add(peer);
      } else {
        problems.add(peer.title + ": missing");
      }
    }
    if (found.isEmpty()) { throw new IOException("nothing to measure: " + String.join(", ", problems)); }
    return found;
  }

  /** The table of programs: time, bytes, PSNR and memory. */
  private void measurePrograms() throws IOException {
    Corpus corpus = new Corpus(count, null);
    Set<String> others = Set.of("hello", "jbang", "jpegli");
    List<Peer> peers = find(lossless ? LOSSLESS
        : names().stream().filter(name -> !others.contains(name) && !LOSSLESS.contains(name)).toList());
    List<Result> results = measure(peers, corpus, rounds, List.of(PSNR));
    print("Images: %d (%d different), %.1f MP, %.1f MB. Quality: %d. Timed runs of each program: %d, in turn.",
        count, corpus.distinct, corpus.pixels / 1e6, corpus.bytes / 1e6, quality, rounds);
    table("program | seconds | MP/s | times as long | bytes | PSNR, dB | memory, MB", results.stream().map(result ->
        String.format("%s | %.2f | %.0f | %.2f | %,d | %.3f | %.0f", result.peer.title, result.median(),
            corpus.pixels / 1e6 / result.median(), result.median() / results.get(0).median(), result.bytes(),
            result.means[0], result.memory / 1e6)));
    print("%nSeconds: median, the whole process, start included (JBang's own start only where it is named).  ");
    print("Bytes: the %d different images. PSNR: their mean, against the original, in RGB.  ", corpus.distinct);
    print("Memory: resident; of several processes the sum of the peaks of those that were alive at once.%n");
    for (Peer peer : peers) {
      print("- %s, %s: `%s`", peer.title, run(peer.version).output.lines().findFirst().orElse(""), peer.command);
    }
    print("%nOPTIONS: `%s`. LIST holds the images' paths, a zero byte after each; EACH is %s.  ",
        variables.get("OPTIONS").replaceAll("=/[^ ]*/", "=.../"), variables.get("EACH"));
    print("pillow.py and sharp.js are in the text of tests/Benchmark.java.");
  }

  /** The table of kinds of JPEG: Compress, and how much longer others take. */
  private void measureKinds() throws IOException {
    List<Peer> peers = find(List.of("compress", "jpegoptim", "pillow"));
    List<String> rows = new ArrayList<>();
    for (Kind kind : KINDS) {
      Corpus corpus = new Corpus(count, kind);
      StringBuilder row = new StringBuilder(String.format("%s | %.1f", kind.title, corpus.bytes / 1e6));
      List<Result> results = measure(peers, corpus, rounds, List.of());
      results.forEach(result -> row.append(String.format(" | %.2f | %.2f | %,d", result.median(),
          result.median() / results.get(0).median(), result.bytes())));
      rows.add(row.toString());
    }
    print("%d images a run, the same pictures in each kind, written by Java at quality 95. Quality: %d. "
        + "Timed runs: %d, in turn.", count, quality, rounds);
    table("kind | MB" + peers.stream().map(peer -> " | " + peer.title + ", s | times as long | bytes")
        .collect(Collectors.joining()), rows.stream());
  }

  /** The table of the start: the whole command, in turn with one that does nothing. */
  private void measureStart() throws IOException {
    Corpus corpus = new Corpus(ALL, null);
    int runs = Math.max(10, rounds);
    List<Result> results = measure(find(List.of("hello", "jbang", "compress")), corpus, runs, List.of());
    print("Medians of %d runs, in turn, on %d images.", runs, corpus.count);
    table("command | seconds | times as long", results.stream().map(result -> String.format("%s | %.2f | %.2f",
        result.peer.title, result.median(), result.median() / results.get(0).median())));
  }

  private static final List<Integer> FIRST_QUALITIES = List.of(30, 50, 75, 90); // of Pillow
  private static final List<Integer> QUALITIES = List.of(20, 30, 42, 52, 64, 75, 84, 91, 95); // of the others

  /** The tables of bytes at equal quality: each program's bytes where its copies look as good as the first one's. */
  private void compareBytes() throws IOException {
    List<Peer> peers = find(List.of("pillow", "compress", "smallest", "mozjpeg", "jpegli"));
    Corpus corpus = new Corpus(ALL, null);
    List<Measure> measures = new ArrayList<>(EYES);
    measures.removeIf(measure -> run("command -v " + measure.command).problem != null);
    if (measures.isEmpty()) {
      problems.add("ssimulacra2 and butteraugli_main: missing");
      measures.add(PSNR);
    }
    Map<Peer, List<Result>> results = new HashMap<>(); // one for each quality
    for (Peer peer : peers) {
      for (int quality : peer == peers.get(0) ? FIRST_QUALITIES : QUALITIES) {
        variables.put("QUALITY", Integer.toString(quality));
        results.computeIfAbsent(peer, key -> new ArrayList<>()).addAll(measure(List.of(peer), corpus, 0, measures));
      }
    }
    String first = peers.get(0).title.replaceFirst(",.*", "");
    for (int m = 0; m < measures.size(); m++) {
      List<String> rows = new ArrayList<>();
      for (int q = 0; q < FIRST_QUALITIES.size(); q++) {
        Result goal = results.get(peers.get(0)).get(q);
        StringBuilder row = new StringBuilder(String.format("%d | %.3f", FIRST_QUALITIES.get(q), goal.means[m]));
        for (Peer peer : peers.subList(1, peers.size())) {
          int measure = m;
          DoubleSummaryStatistics logarithms = IntStream.range(0, corpus.distinct)
              .mapToDouble(i -> Math.log(bytesAt(goal.each[measure][i], results.get(peer), measure, i) / goal.sizes[i]))
              .filter(ratio -> !Double.isNaN(ratio)).summaryStatistics();
          double mean = logarithms.getCount() == 0 ? Double.NaN : Math.exp(logarithms.getAverage());
          row.append(String.format(" | %.3f (%.3f to %.3f)", mean, Math.exp(logarithms.getMin()),
              Math.exp(logarithms.getMax())));
        }
        rows.add(row.toString());
      }
      print("%nBytes of %d copies that look as good as %s's by %s, as parts of its bytes: "
          + "the geometric mean, the best and the worst.", corpus.distinct, first, measures.get(m).title);
      table(first + "'s quality | its mean"
          + peers.stream().skip(1).map(peer -> " | " + peer.title).collect(Collectors.joining()), rows.stream());
    }
  }

  /** The bytes at which an image would have a value: between two qualities their logarithm is nearly straight. */
  private static double bytesAt(double goal, List<Result> points, int measure, int image) {
    for (int i = 0; i < points.size(); i++) {
      Result before = points.get(Math.max(0, i - 1)); // the first is its own: a goal that it reaches exactly
      double from = before.each[measure][image] - goal;
      double to = points.get(i).each[measure][image] - goal;
      if (from * to <= 0) {
        double part = from == to ? 0 : from / (from - to);
        return before.sizes[image] * Math.pow((double) points.get(i).sizes[image] / before.sizes[image], part);
      }
    }
    return Double.NaN; // further than any of them
  }

  /** Runs each program once to look at what it makes, then in turn, each round beginning with another. */
  private List<Result> measure(List<Peer> peers, Corpus corpus, int rounds, List<Measure> measures) throws IOException {
    List<Result> results = peers.stream().map(peer -> new Result(peer, measures.size())).toList();
    for (int round = -1; round < rounds; round++) {
      for (int i = 0; i < peers.size(); i++) {
        Result result = results.get((Math.max(round, 0) + i) % peers.size());
        if (result.failed) { continue; }
        delete(destination);
        Files.createDirectory(destination);
        Run run = run(result.peer.command, round < 0);
        long missing = result.peer.command.contains("DESTINATION") ? corpus.missing() : 0;
        String problem = run.problem != null ? run.problem : missing > 0 ? missing + " images are missing" : null;
        System.err.printf("%-15s %-8s %7.3f s %s%n", result.peer.name, round < 0 ? "warm-up" : "timed", run.seconds,
            Objects.requireNonNullElse(problem, ""));
        if (problem != null) {
          result.failed = true;
          problems.add(result.peer.title + FAILED + problem);
        } else if (round < 0) {
          result.memory = run.memory;
          result.sizes = corpus.sizesOut();
          for (int m = 0; m < measures.size(); m++) {
            result.each[m] = corpus.each(measures.get(m));
            result.means[m] = Arrays.stream(result.each[m]).average().orElse(Double.NaN);
          }
        } else {
          result.seconds.add(run.seconds);
        }
      }
    }
    return results;
  }

  /** What was measured of a program: of one that failed, not a number. */
  private static final class Result {
    final Peer peer;
    final List<Double> seconds = new ArrayList<>();
    final double[] means; // of each measure
    final double[][] each; // by measure: of each image
    long[] sizes = {}; // of each, in bytes
    boolean failed;
    long memory;

    Result(Peer peer, int measures) {
      this.peer = peer;
      means = new double[measures];
      each = new double[measures][];
      Arrays.fill(means, Double.NaN);
    }

    long bytes() { return Arrays.stream(sizes).sum(); }

    double median() {
      List<Double> sorted = seconds.stream().sorted().toList();
      return failed ? Double.NaN : (sorted.get((sorted.size() - 1) / 2) + sorted.get(sorted.size() / 2)) / 2;
    }
  }

  /** What a command left. The problem is null if it ended well; memory is in bytes. */
  private record Run(double seconds, String output, String problem, long memory) {}

  private Run run(String command) { return run(command, false); }

  /** Runs a shell command with the variables, within a time limit; to watch its memory takes some time. */
  private Run run(String command, boolean watchMemory) {
    try {
      Path output = work.resolve("output");
      ProcessBuilder builder = new ProcessBuilder("sh", "-c", command).directory(work.toFile())
          .redirectErrorStream(true).redirectOutput(output.toFile());
      builder.environment().putAll(variables);
      long start = System.nanoTime();
      Process process = builder.start();
      long memory = 0;
      boolean ended = false;
      while (!ended && System.nanoTime() - start < LIMIT * 1_000_000_000L) {
        ended = process.waitFor(watchMemory ? 10 : LIMIT * 1000L, TimeUnit.MILLISECONDS);
        memory = watchMemory ? Math.max(memory, memory(process)) : 0;
      }
      double seconds = (System.nanoTime() - start) / 1e9;
      if (!ended) {
        List<ProcessHandle> children = process.descendants().toList();
        process.destroyForcibly().waitFor(); // before its children, because xargs would start others
        children.forEach(ProcessHandle::destroyForcibly);
        return new Run(seconds, "", "stopped after " + LIMIT + " s", 0);
      }
      String text = new String(Files.readAllBytes(output)).strip();
      String problem = process.exitValue() == 0 ? null
          : "exit status " + process.exitValue() + ", " + text.lines().reduce("", (a, b) -> b);
      return new Run(seconds, text, problem, memory);
    } catch (IOException | InterruptedException problem) {
      return new Run(0, "", problem.toString(), 0);
    }
  }

  /** The bytes resident in a process and those below it: of each that is alive, the most it had until now. */
  private static long memory(Process process) {
    return Stream.concat(Stream.of(process.toHandle()), process.descendants())
        .map(handle -> find("/proc/" + handle.pid() + "/status", "VmHWM:\\s*(\\d+)"))
        .mapToLong(kilobytes -> kilobytes.equals("unknown") ? 0 : Long.parseLong(kilobytes) * 1024).sum();
  }

  private static String find(String file, String pattern) {
    try {
      return Pattern.compile(pattern).matcher(Files.readString(Path.of(file))).results().map(match -> match.group(1))
          .findFirst().orElse("unknown");
    } catch (IOException notThere) { // or not any more
      return "unknown";
    }
  }

  private static void print(String format, Object... values) { System.out.println(format.formatted(values)); }

  /** Prints a table in Markdown: a line of heads, then one for each row, the cells parted by bars. */
  private static void table(String heads, Stream<String> rows) {
    print("%n| %s |%n| --- |%s", heads, " ---: |".repeat(heads.split("\\|").length - 1));
    rows.forEach(row -> print("| %s |", row));
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
    } catch (IOException ignored) {
      // Not there, or it stays: the folder is a temporary one.
    }
  }

  /** A kind of JPEG, made of pictures of a type that BufferedImage names: so many pixels share a sample of colour. */
  private record Kind(String title, int type, boolean progressive, int across, int down) {}

  private static final List<Kind> KINDS = List.of(
      new Kind("4:2:0", BufferedImage.TYPE_3BYTE_BGR, false, 2, 2),
      new Kind("4:2:2", BufferedImage.TYPE_3BYTE_BGR, false, 2, 1),
      new Kind("4:4:4", BufferedImage.TYPE_3BYTE_BGR, false, 1, 1),
      new Kind("4:2:0, progressive", BufferedImage.TYPE_3BYTE_BGR, true, 2, 2),
      new Kind("grey", BufferedImage.TYPE_BYTE_GRAY, false, 1, 1));

  /**
   * How alike two pictures are.
   *
   * @param command that prints it for two files, the number behind the last space; null: computed here
   */
  private record Measure(String title, String command) {}

  private static final Measure PSNR = new Measure("PSNR", null);
  private static final List<Measure> EYES = List.of(
      new Measure("SSIMULACRA2 in the middle of each picture", "ssimulacra2"),
      new Measure("Butteraugli's 3-norm in the middle of each picture", "butteraugli_main"));

  /** Peak signal to noise ratio in RGB, dB. */
  private static double psnr(BufferedImage a, BufferedImage b) {
    int[] p = a.getRGB(0, 0, a.getWidth(), a.getHeight(), null, 0, a.getWidth());
    int[] q = b.getRGB(0, 0, a.getWidth(), a.getHeight(), null, 0, a.getWidth());
    double squares = IntStream.range(0, p.length * 3)
        .mapToDouble(i -> Math.pow((p[i / 3] >> i % 3 * 8 & 255) - (q[i / 3] >> i % 3 * 8 & 255), 2)).sum();
    // A copy that is the original would be infinitely good, and so would be any mean with it in.
    return Math.min(99, 10 * Math.log10(255.0 * 255.0 * 3 * p.length / squares));
  }

  /** Writes the middle of a picture as PNG: for all of 12 megapixels the programs take half a minute. */
  private static void writeMiddle(BufferedImage picture, Path file) throws IOException {
    Rectangle all = new Rectangle(picture.getWidth(), picture.getHeight());
    Rectangle middle = new Rectangle(all.width / 2 - 400, all.height / 2 - 400, 800, 800).intersection(all);
    ImageIO.write(picture.getSubimage(middle.x, middle.y, middle.width, middle.height), "png", file.toFile());
  }

  /** The images that every program compresses: copies of a folder's, named 0001.jpg and so on. */
  private final class Corpus {
    final int count;
    final int distinct; // after so many they start again with the first
    long bytes;
    long pixels;

    /** Copies so many images, or each once, in a kind; where that is null, as they are. */
    Corpus(int number, Kind kind) throws IOException {
      delete(source);
      Files.createDirectory(source);
      List<Path> originals;
      try (Stream<Path> files = Files.list(images)) {
        originals = files.filter(file -> file.getFileName().toString().matches("(?i)[^.].*\\.jpe?g")).sorted().toList();
      }
      if (originals.isEmpty()) { throw new IOException("no JPEG image in " + images); }
      count = number == ALL ? originals.size() : number;
      distinct = Math.min(count, originals.size());
      ImageReader reader = ImageIO.getImageReadersByFormatName("jpeg").next();
      StringBuilder paths = new StringBuilder();
      for (int i = 0; i < count; i++) {
        Path image = source.resolve(name(i));
        if (kind != null && i < distinct) {
          write(ImageIO.read(originals.get(i).toFile()), kind, image);
        } else { // no link: as many bytes to read as in a real folder
          Files.copy(kind == null ? originals.get(i % distinct) : source.resolve(name(i % distinct)), image);
        }
        bytes += Files.size(image);
        try (ImageInputStream in = ImageIO.createImageInputStream(image.toFile())) {
          reader.setInput(in);
          pixels += (long) reader.getWidth(0) * reader.getHeight(0);
        }
        paths.append(image).append('\0');
      }
      Files.writeString(work.resolve("list"), paths);
    }

    private static String name(int index) { return String.format("%04d.jpg", index + 1); }

    private static void write(BufferedImage picture, Kind kind, Path file) throws IOException {
      BufferedImage image = new BufferedImage(picture.getWidth(), picture.getHeight(), kind.type);
      image.getGraphics().drawImage(picture, 0, 0, null);
      Files.write(file, Pictures.jpeg(image, 0.95f, kind.progressive, kind.across, kind.down));
    }

    /** How many images have no compressed copy, or an empty one. */
    long missing() {
      return IntStream.range(0, count).filter(i -> destination.resolve(name(i)).toFile().length() == 0).count();
    }

    /** The sizes of the compressed copies of the images that differ. */
    long[] sizesOut() {
      return IntStream.range(0, distinct).mapToLong(i -> destination.resolve(name(i)).toFile().length()).toArray();
    }

    /** A measure of each of the images that differ; not a number where one cannot be read, such as CMYK. */
    double[] each(Measure measure) throws IOException {
      double[] values = new double[distinct];
      for (int i = 0; i < distinct; i++) {
        try {
          BufferedImage image = ImageIO.read(source.resolve(name(i)).toFile());
          BufferedImage copy = ImageIO.read(destination.resolve(name(i)).toFile());
          if (measure == PSNR) {
            values[i] = psnr(image, copy);
          } else {
            writeMiddle(image, work.resolve("a.png"));
            writeMiddle(copy, work.resolve("b.png"));
            values[i] = Double.parseDouble(run(measure.command + " a.png b.png").output.replaceFirst("(?s).*\\s", ""));
          }
        } catch (IIOException unreadable) {
          values[i] = Double.NaN;
        }
      }
      return values;
    }
  }
}
