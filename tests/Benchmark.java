///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//JAVAC_OPTIONS --release 21
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
    customSynopsis = "jbang tests/Benchmark.java [OPTIONS]",
    description = "%nMeasures Compress against its peers on this machine and prints a table in Markdown.%n",
    exitCodeListHeading = "%nExit status:%n",
    exitCodeList = {
      "0:every program found is measured",
      "1:a program failed (the report says why), or nothing could be measured",
      "2:wrong usage"
    },
    footer = "%nThe report goes to standard output, each run as it ends to standard error.")
public class Benchmark implements Callable<Integer> {
  private static final int CORES = Runtime.getRuntime().availableProcessors();

  @Option(names = "--images", paramLabel = "FOLDER", description = "JPEG images (default: the project's IMAGES)")
  Path images;

  @Option(names = "--count", defaultValue = "80", paramLabel = "N",
      description = "repeat the images up to this number (default: ${DEFAULT-VALUE})")
  int count;

  @Option(names = "--rounds", defaultValue = "5", paramLabel = "N",
      description = "timed runs of each program (default: ${DEFAULT-VALUE})")
  int rounds;

  @Option(names = "--quality", defaultValue = "30", paramLabel = "1..100",
      description = "JPEG quality (default: ${DEFAULT-VALUE})")
  int quality;

  @Option(names = "--only", split = ",", paramLabel = "NAME",
      description = "only these programs, separated by commas: compress, jbang, smallest, pixels, jpegoptim, pillow, "
          + "pillow-threads, cjpeg, vips, sharp, mozjpeg, imagemagick")
  Set<String> only = new HashSet<>();

  @Option(names = "--kinds", description = "the same pictures as 4:2:0, 4:2:2, 4:4:4, progressive, grey JPEG, in turn")
  boolean kinds;

  @Option(names = "--start", description = "how long `jbang Compress.java` takes, and what part of it JBang is")
  boolean start;

  @Option(names = "--equal", description = "how many bytes each program needs for copies that look equally good")
  boolean equal;

  @Option(names = "--limit", defaultValue = "600", paramLabel = "SECONDS",
      description = "a run that takes longer has failed (default: ${DEFAULT-VALUE})")
  int limit;

  @Spec Model.CommandSpec command;

  private Path project;
  private Path work;
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
  private static final String COMPRESS = "\"$JAVA\" $OPTIONS -cp \"$CLASSPATH\" Compress -q $QUALITY ";
  private static final String FOLDERS = "\"$SOURCE\" \"$DESTINATION\"";
  // One process for several images saves starts; for too many, some cores are done long before the others.
  private static final String XARGS = "xargs -0 -P $CORES -n $EACH ";

  private static final List<Peer> PEERS = List.of(
      new Peer("compress", "Compress", "echo Java $VERSION", COMPRESS + FOLDERS),
      new Peer("jbang", "Compress, by `jbang`", "\"$JBANG\" --version",
          "\"$JBANG\" \"$SCRIPT\" -q $QUALITY " + FOLDERS),
      new Peer("smallest", "Compress, --smallest", "echo Java $VERSION", COMPRESS + "--smallest " + FOLDERS),
      new Peer("pixels", "Compress, pixel engine", "echo Java $VERSION", COMPRESS + "--engine=pixels " + FOLDERS),
      new Peer("jpegoptim", "jpegoptim", "jpegoptim --version | sed -n 's/^jpegoptim v\\([^ ]*\\).*/\\1/p'",
          XARGS + "jpegoptim -q -s -m$QUALITY --all-normal --dest=\"$DESTINATION\" <\"$LIST\""),
      new Peer("pillow", "Pillow, a pool", PILLOW, "\"$PYTHON\" pillow.py " + FOLDERS + " $QUALITY $CORES"),
      new Peer("pillow-threads", "Pillow, a thread per image", PILLOW,
          "\"$PYTHON\" pillow.py " + FOLDERS + " $QUALITY 0"),
      new Peer("cjpeg", "djpeg and cjpeg", "djpeg -version 2>&1 && cjpeg -version 2>&1",
          "xargs -0 -P $CORES -n 1 sh -c 'djpeg \"$1\" | cjpeg -quality $QUALITY -optimize >\"$0/${1##*/}\"' "
              + "\"$DESTINATION\" <\"$LIST\""),
      // vipsthumbnail takes many images at once, and leaves them as large as they are if that is below the size.
      new Peer("vips", "vips", "vipsthumbnail --vips-version", "VIPS_CONCURRENCY=1 " + XARGS
          + "vipsthumbnail --no-rotate --size '100000x100000>' "
          + "-o \"$DESTINATION/%s.jpg[Q=$QUALITY,optimize_coding,strip]\" <\"$LIST\""),
      new Peer("sharp", "sharp", SHARP, "UV_THREADPOOL_SIZE=$CORES node sharp.js " + FOLDERS + " $QUALITY $CORES"),
      new Peer("mozjpeg", "sharp, mozjpeg", SHARP,
          "UV_THREADPOOL_SIZE=$CORES node sharp.js " + FOLDERS + " $QUALITY $CORES mozjpeg"),
      // mogrify takes many images at once, which convert does not.
      new Peer("imagemagick", "ImageMagick", "mogrify -version | sed -n '1s/.*ImageMagick \\([^ ]*\\).*/\\1/p'",
          "MAGICK_THREAD_LIMIT=1 " + XARGS
              + "mogrify -path \"$DESTINATION\" -strip -sampling-factor 4:2:0 -quality $QUALITY <\"$LIST\""));

  private static final String PILLOW_PY = """
      import os, sys, threading
      from concurrent.futures import ThreadPoolExecutor
      from PIL import Image
      source, destination, quality, workers = *sys.argv[1:3], *map(int, sys.argv[3:])
      def compress(name):
          image, compressed = os.path.join(source, name), os.path.join(destination, name)
          Image.open(image).save(compressed, "JPEG", optimize=True, quality=quality)
      names = sorted(os.listdir(source))
      if workers:
          with ThreadPoolExecutor(workers) as pool:
              list(pool.map(compress, names))
      else:
          threads = [threading.Thread(target=compress, args=(name,)) for name in names]
          for thread in threads: thread.start()
          for thread in threads: thread.join()
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

  /** Measures what the arguments ask for; exits with the status that {@code --help} lists. */
  public static void main(String[] arguments) {
    CommandLine commandLine = new CommandLine(new Benchmark());
    commandLine.setParameterExceptionHandler((problem, all) -> complain(problem.getMessage() + "; see --help", 2));
    commandLine.setExecutionExceptionHandler((problem, line, all) -> complain(problem.toString(), 1));
    System.exit(commandLine.execute(arguments));
  }

  private static int complain(String message, int exitStatus) {
    System.err.println("Benchmark: " + message);
    return exitStatus;
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    project = Path.of("").toAbsolutePath();
    while (project != null && !Files.exists(project.resolve("Compress.java"))) {
      project = project.getParent();
    }
    require(project != null, "there is no Compress.java in this folder or above it");
    images = (images == null ? project.resolve("IMAGES") : images).toAbsolutePath();
    require(Files.isDirectory(images), "--images is not a folder: " + images);
    require(count >= 1 && rounds >= 1 && limit >= 1, "--count, --rounds and --limit must be at least 1");
    require(quality >= 1 && quality <= 100, "--quality must be from 1 to 100, not " + quality);
    only.forEach(name -> require(PEERS.stream().anyMatch(peer -> peer.name.equals(name)), "--only: no " + name));
    double load = ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
    if (load > CORES / 2.0) {
      System.err.println(text("warning: others use this machine now (load %.1f): the times will not be right", load));
    }
    work = Files.createTempDirectory("benchmark");
    // At the exit, so that a benchmark that is interrupted leaves neither processes nor files either.
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly);
      delete(work);
    }));
    prepare();
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
    return problems.stream().allMatch(problem -> problem.endsWith("missing")) ? 0 : 1;
  }

  private void require(boolean condition, String message) {
    if (!condition) {
      throw new ParameterException(command.commandLine(), message);
    }
  }

  /** Builds Compress, writes the scripts, and sets the variables that commands use. */
  private void prepare() throws IOException, InterruptedException {
    Files.writeString(work.resolve("pillow.py"), PILLOW_PY);
    Files.writeString(work.resolve("sharp.js"), SHARP_JS);
    Path script = project.resolve("Compress.java");
    variables.put("JBANG", project.resolve(".jbang/jbang").toString());
    variables.put("SCRIPT", script.toString());
    variables.put("IMAGES", images.toString());
    variables.put("JAVA", System.getProperty("java.home") + "/bin/java");
    variables.put("VERSION", System.getProperty("java.version"));
    variables.put("SOURCE", work.resolve("source").toString());
    variables.put("DESTINATION", work.resolve("destination").toString());
    variables.put("LIST", work.resolve("list").toString());
    variables.put("CORES", Integer.toString(CORES));
    variables.put("EACH", Integer.toString(Math.clamp(count / CORES / 8, 1, 4)));
    variables.put("QUALITY", Integer.toString(quality));
    Run build = run("\"$JBANG\" build \"$SCRIPT\" >&2 && \"$JBANG\" info classpath \"$SCRIPT\" | tail -1", 600);
    if (build.problem != null) {
      throw new IOException("Compress.java cannot be built: " + build.problem + "\n" + build.output);
    }
    String classpath = build.output.lines().reduce("", (a, b) -> b);
    variables.put("CLASSPATH", classpath);
    String options = Files.readAllLines(script).stream().filter(line -> line.startsWith("//RUNTIME_OPTIONS "))
        .map(line -> line.substring(18)).collect(Collectors.joining(" "));
    Path archive = Path.of(classpath.replaceFirst("\\.jar:.*", ".jsa")); // what //CDS makes at the first run
    variables.put("OPTIONS", options + (Files.exists(archive) ? " -XX:SharedArchiveFile=" + archive : ""));
    variables.put("PYTHON", run("for p in python3 /usr/bin/python3; do "
        + "$p -c 'import sys, PIL; print(sys.executable)' 2>/dev/null && break; done", 60).output);
  }

  /** The programs asked for that are there; those that are not become problems. */
  private List<Peer> find(Collection<String> names) throws IOException, InterruptedException {
    List<Peer> found = new ArrayList<>();
    for (Peer peer : PEERS) {
      if ((only.isEmpty() ? names : only).contains(peer.name)) {
        Run run = run(peer.version, 60);
        if (run.problem == null && !run.output.isEmpty()) {
          found.add(peer);
        } else {
          problems.add(peer.title + ": missing");
        }
      }
    }
    return found;
  }

  /** The table of programs: time, bytes, PSNR and memory. */
  private void measurePrograms() throws IOException, InterruptedException {
    Corpus corpus = new Corpus(images, count, work, null);
    Set<String> all = PEERS.stream().map(Peer::name).collect(Collectors.toSet());
    all.remove("jbang");
    List<Result> results = measure(find(all), corpus);
    print("Images: %d (%d different), %.1f MP, %.1f MB. Quality: %d. Timed runs of each program: %d, in turn.%n",
        count, corpus.distinct, corpus.pixels / 1e6, corpus.bytes / 1e6, quality, rounds);
    print("| program | seconds | MP/s | times as long | bytes | PSNR, dB | memory, MB |");
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (Result result : results) {
      double seconds = result.median();
      print("| %s | %.2f | %.0f | %.2f | %,d | %.3f | %.0f |", result.peer.title, seconds,
          corpus.pixels / 1e6 / seconds, seconds / results.get(0).median(), result.bytes, result.psnr,
          result.memory / 1e6);
    }
    print("%nSeconds: median, the whole process, start included (JBang's own start only where it is named).  ");
    print("Bytes: the %d different images. PSNR: their mean, against the original, in RGB.  ", corpus.distinct);
    print("Memory: resident; of several processes the sum of the peaks of those that were alive at once.%n");
    for (Result result : results) {
      String version = run(result.peer.version, 60).output.lines().findFirst().orElse("");
      print("- %s, %s: `%s`", result.peer.title, version, result.peer.command);
    }
    print("%nOPTIONS: `%s`. LIST holds the images' paths, a zero byte after each; EACH is %s.  ",
        variables.get("OPTIONS").replaceAll("=/[^ ]*/", "=.../"), variables.get("EACH"));
    print("pillow.py and sharp.js are in the text of tests/Benchmark.java.");
  }

  /** The table of kinds of JPEG: Compress, and how much longer others take. */
  private void measureKinds() throws IOException, InterruptedException {
    List<Peer> peers = find(List.of("compress", "jpegoptim", "pillow"));
    print("%d images a run, the same pictures in each kind, written by Java at quality 95. Quality: %d. "
        + "Timed runs: %d, in turn.%n", count, quality, rounds);
    print("| kind | MB |%s", peers.stream().map(peer -> " " + peer.title + ", s | times as long | bytes |")
        .collect(Collectors.joining()));
    print("| --- | ---: |%s", " ---: | ---: | ---: |".repeat(peers.size()));
    for (Kind kind : Kind.values()) {
      Corpus corpus = new Corpus(images, count, work, kind);
      List<Result> results = measure(peers, corpus);
      print("| %s | %.1f |%s", kind.title, corpus.bytes / 1e6, results.stream().map(result -> text(
          " %.2f | %.2f | %,d |", result.median(), result.median() / results.get(0).median(), result.bytes))
          .collect(Collectors.joining()));
    }
  }

  /** The table of the start: the whole command, in turn with one that does nothing. */
  private void measureStart() throws IOException, InterruptedException {
    Files.writeString(work.resolve("hello.java"), """
        class hello {
          public static void main(String[] arguments) {
            System.out.println("hello");
          }
        }
        """);
    Map<String, String> commands = new LinkedHashMap<>();
    commands.put("a bare hello world, by `.jbang/jbang`", "\"$JBANG\" hello.java");
    commands.put("Compress on IMAGES, by `.jbang/jbang`", "\"$JBANG\" \"$SCRIPT\" \"$IMAGES\" \"$DESTINATION\"");
    commands.put("Compress on IMAGES, by `java`", COMPRESS + "\"$IMAGES\" \"$DESTINATION\"");
    Map<String, List<Double>> seconds = new LinkedHashMap<>();
    for (int round = 0; round <= Math.max(10, rounds); round++) { // round 0 builds, and is not counted
      for (Map.Entry<String, String> entry : commands.entrySet()) {
        delete(work.resolve("destination"));
        Run run = run(entry.getValue(), limit);
        if (run.problem != null) {
          throw new IOException(entry.getKey() + ": " + run.problem);
        } else if (round > 0) {
          seconds.computeIfAbsent(entry.getKey(), key -> new ArrayList<>()).add(run.seconds);
        }
      }
    }
    print("%nMedians of %d runs, in turn.%n%n| command | seconds | times as long |%n| --- | ---: | ---: |",
        Math.max(10, rounds));
    double hello = median(seconds.values().iterator().next());
    seconds.forEach((name, times) -> print("| %s | %.2f | %.2f |", name, median(times), median(times) / hello));
  }

  private static final List<Integer> PILLOW_QUALITIES = List.of(30, 50, 75, 90);
  private static final List<Integer> QUALITIES = List.of(20, 30, 42, 52, 64, 75, 84, 91, 95); // of the others

  /** The table of bytes at equal quality: each program's bytes where its copies look as good as Pillow's. */
  private void compareBytes() throws IOException, InterruptedException {
    List<Peer> peers = new ArrayList<>(find(List.of("pillow", "compress", "smallest", "mozjpeg")));
    peers.sort(Comparator.comparing(peer -> !peer.name.equals("pillow")));
    Corpus corpus = new Corpus(images, Integer.MAX_VALUE, work, null);
    List<Measure> measures = Measure.all().stream().filter(measure -> measure.command == null
        || run("command -v " + measure.command, 60).problem == null).toList();
    measures = measures.subList(0, Math.max(1, measures.size() - 1)); // SSIM only where there is no other
    Map<Peer, TreeMap<Integer, double[]>> points = new LinkedHashMap<>(); // for each quality bytes and measures
    for (Peer peer : peers) {
      for (int quality : peer == peers.get(0) ? PILLOW_QUALITIES : QUALITIES) {
        variables.put("QUALITY", Integer.toString(quality));
        Result result = measure(List.of(peer), corpus, 0).get(0);
        double[] point = new double[1 + measures.size()];
        point[0] = result.bytes;
        for (int i = 0; i < measures.size(); i++) {
          point[1 + i] = corpus.mean(measures.get(i), this);
        }
        points.computeIfAbsent(peer, key -> new TreeMap<>()).put(quality, point);
      }
    }
    for (int i = 0; i < measures.size(); i++) {
      print("%nBytes for copies that look as good as Pillow's by %s, in the middle of each picture.%n",
          measures.get(i).title);
      print("| Pillow's quality | its mean | %s |",
          peers.stream().map(peer -> peer.title + " | of Pillow's").collect(Collectors.joining(" | ")));
      print("| ---: | ---: |%s", " ---: | ---: |".repeat(peers.size()));
      for (int quality : PILLOW_QUALITIES) {
        double[] pillow = points.get(peers.get(0)).get(quality);
        StringBuilder row = new StringBuilder(text("| %d | %.3f |", quality, pillow[1 + i]));
        for (Peer peer : peers) {
          double bytes = bytesAt(pillow[1 + i], points.get(peer).values(), 1 + i);
          row.append(text(" %,.0f | %.3f |", bytes, bytes / pillow[0]));
        }
        print("%s", row);
      }
    }
  }

  /** The bytes at which a measure would be reached: between two qualities their logarithm is nearly straight. */
  private static double bytesAt(double goal, Collection<double[]> points, int measure) {
    double[] before = null;
    for (double[] point : points) {
      if (before != null && before[measure] != point[measure]
          && (before[measure] - goal) * (point[measure] - goal) <= 0) {
        double k = (goal - before[measure]) / (point[measure] - before[measure]);
        return Math.exp(Math.log(before[0]) + k * (Math.log(point[0]) - Math.log(before[0])));
      }
      before = point;
    }
    return Double.NaN;
  }

  private List<Result> measure(List<Peer> peers, Corpus corpus) throws IOException, InterruptedException {
    return measure(peers, corpus, rounds);
  }

  /** Runs each program once to look at what it makes, then in turn, each round beginning with another. */
  private List<Result> measure(List<Peer> peers, Corpus corpus, int rounds) throws IOException, InterruptedException {
    List<Result> results = peers.stream().map(Result::new).toList();
    for (int round = -1; round < rounds; round++) {
      for (int i = 0; i < peers.size(); i++) {
        Result result = results.get((Math.max(round, 0) + i) % peers.size());
        if (result.failed) {
          continue;
        }
        delete(corpus.destination);
        Files.createDirectory(corpus.destination);
        Run run = run(result.peer.command, limit, round < 0);
        long missing = corpus.count - corpus.copies();
        String problem = run.problem != null ? run.problem : missing > 0 ? missing + " images are missing" : null;
        System.err.println(text("%-15s %-8s %7.3f s %s", result.peer.name, round < 0 ? "warm-up" : "timed", run.seconds,
            problem == null ? "" : problem));
        if (problem != null) {
          result.failed = true;
          problems.add(result.peer.title + ": failed: " + problem);
        } else if (round < 0) {
          result.bytes = corpus.bytesOut();
          result.memory = run.memory;
          result.psnr = rounds == 0 ? 0 : corpus.mean(Measure.PSNR, this);
        } else {
          result.seconds.add(run.seconds);
        }
      }
    }
    return results.stream().filter(result -> !result.failed).toList();
  }

  /** What was measured of a program. */
  private static final class Result {
    final Peer peer;
    final List<Double> seconds = new ArrayList<>();
    boolean failed;
    long bytes;
    double psnr;
    long memory;

    Result(Peer peer) {
      this.peer = peer;
    }

    double median() {
      return Benchmark.median(seconds);
    }
  }

  private static double median(List<Double> seconds) {
    List<Double> sorted = seconds.stream().sorted().toList();
    return (sorted.get((sorted.size() - 1) / 2) + sorted.get(sorted.size() / 2)) / 2;
  }

  /** What a command left. The problem is null if it ended well; memory is in bytes. */
  private record Run(double seconds, String output, String problem, long memory) {}

  private Run run(String command, int limit) {
    return run(command, limit, false);
  }

  /** Runs a shell command with the variables, within a time limit in seconds; to watch its memory takes some time. */
  private Run run(String command, int limit, boolean watchMemory) {
    try {
      Path output = work.resolve("output");
      ProcessBuilder builder = new ProcessBuilder("sh", "-c", command).directory(work.toFile())
          .redirectErrorStream(true).redirectOutput(output.toFile());
      builder.environment().putAll(variables);
      long start = System.nanoTime();
      Process process = builder.start();
      long memory = 0;
      boolean ended = false;
      while (!ended && System.nanoTime() - start < limit * 1_000_000_000L) {
        ended = process.waitFor(watchMemory ? 10 : limit * 1000L, TimeUnit.MILLISECONDS);
        memory = watchMemory ? Math.max(memory, memory(process)) : 0;
      }
      double seconds = (System.nanoTime() - start) / 1e9;
      if (!ended) {
        List<ProcessHandle> children = process.descendants().toList();
        process.destroyForcibly().waitFor(); // before its children, because xargs would start others
        children.forEach(ProcessHandle::destroyForcibly);
        return new Run(seconds, "", "stopped after " + limit + " s", 0);
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

  private static String text(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  private static void print(String format, Object... values) {
    System.out.println(text(format, values));
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      files.sorted(Comparator.reverseOrder()).forEach(file -> file.toFile().delete());
    } catch (IOException ignored) {
      // Not there, or it stays: the folder is a temporary one.
    }
  }

  /** A kind of JPEG, by how many pixels share a sample of colour. */
  private enum Kind {
    HALF("4:2:0", 2, 2), HORIZONTAL("4:2:2", 2, 1), FULL("4:4:4", 1, 1), PROGRESSIVE("4:2:0, progressive", 2, 2),
    GREY("grey", 1, 1);

    final String title;
    private final int across;
    private final int down;

    Kind(String title, int across, int down) {
      this.title = title;
      this.across = across;
      this.down = down;
    }

    /** Writes a picture as this kind of JPEG, quality 95. */
    void write(BufferedImage picture, Path file) throws IOException {
      BufferedImage image = new BufferedImage(picture.getWidth(), picture.getHeight(),
          this == GREY ? BufferedImage.TYPE_BYTE_GRAY : BufferedImage.TYPE_3BYTE_BGR);
      image.getGraphics().drawImage(picture, 0, 0, null);
      Files.write(file, Pictures.jpeg(image, 0.95f, this == PROGRESSIVE, across, down));
    }
  }

  /**
   * How alike two pictures are.
   *
   * @param command that prints it for two files, the number behind the last space; null: computed here
   */
  private record Measure(String title, String command) {
    static final Measure PSNR = new Measure("PSNR", null);

    static List<Measure> all() {
      return List.of(new Measure("SSIMULACRA2", "ssimulacra2"), new Measure("Butteraugli, 3-norm", "butteraugli_main"),
          new Measure("SSIM", null));
    }

    double of(Path original, Path copy, Benchmark benchmark) throws IOException {
      if (this == PSNR) {
        return psnr(ImageIO.read(original.toFile()), ImageIO.read(copy.toFile()));
      }
      BufferedImage a = middle(original);
      BufferedImage b = middle(copy);
      if (command == null) {
        return ssim(a, b);
      }
      ImageIO.write(a, "png", benchmark.work.resolve("a.png").toFile());
      ImageIO.write(b, "png", benchmark.work.resolve("b.png").toFile());
      Run run = benchmark.run(command + " a.png b.png", benchmark.limit);
      return Double.parseDouble(run.output.replaceFirst("(?s).*\\s", ""));
    }

    /** The middle of a picture: for all of 12 megapixels the programs take half a minute. */
    private static BufferedImage middle(Path file) throws IOException {
      ImageReader reader = ImageIO.getImageReadersByFormatName("jpeg").next();
      try (ImageInputStream in = ImageIO.createImageInputStream(file.toFile())) {
        reader.setInput(in);
        ImageReadParam param = reader.getDefaultReadParam();
        param.setSourceRegion(new Rectangle(reader.getWidth(0) / 2 - 400, reader.getHeight(0) / 2 - 400, 800, 800)
            .intersection(new Rectangle(reader.getWidth(0), reader.getHeight(0))));
        return reader.read(0, param);
      } finally {
        reader.dispose();
      }
    }

    /** Peak signal to noise ratio in RGB, dB. */
    private static double psnr(BufferedImage a, BufferedImage b) {
      long squares = 0;
      for (int y = 0; y < a.getHeight(); y++) {
        int[] row = a.getRGB(0, y, a.getWidth(), 1, null, 0, a.getWidth());
        int[] other = b.getRGB(0, y, a.getWidth(), 1, null, 0, a.getWidth());
        for (int i = 0; i < row.length * 3; i++) {
          int difference = (row[i / 3] >> i % 3 * 8 & 255) - (other[i / 3] >> i % 3 * 8 & 255);
          squares += difference * difference;
        }
      }
      // A copy that is the original would be infinitely good, and so would be any mean with it in.
      return Math.min(99, 10 * Math.log10(255.0 * 255.0 * 3 * a.getWidth() * a.getHeight() / squares));
    }

    /** Structural similarity of green (Wang, Bovik, Sheikh, Simoncelli 2004), windows of 8 x 8, four pixels apart. */
    private static double ssim(BufferedImage a, BufferedImage b) {
      double total = 0;
      int windows = 0;
      for (int y = 0; y + 8 <= a.getHeight(); y += 4) {
        for (int x = 0; x + 8 <= a.getWidth(); x += 4) {
          double[] sums = new double[5]; // of p, q, pp, qq, pq
          for (int i = 0; i < 64; i++) {
            double p = a.getRGB(x + i % 8, y + i / 8) >> 8 & 255;
            double q = b.getRGB(x + i % 8, y + i / 8) >> 8 & 255;
            double[] terms = {p, q, p * p, q * q, p * q};
            Arrays.setAll(sums, k -> sums[k] + terms[k] / 64);
          }
          double means = sums[0] * sums[1];
          double squares = sums[0] * sums[0] + sums[1] * sums[1];
          total += (2 * means + 6.5025) * (2 * (sums[4] - means) + 58.5225)
              / ((squares + 6.5025) * (sums[2] + sums[3] - squares + 58.5225));
          windows++;
        }
      }
      return total / windows;
    }
  }

  /** The images that every program compresses: copies of a folder's, named 0001.jpg and so on. */
  private static final class Corpus {
    final Path source;
    final Path destination;
    final int count;
    final int distinct; // after so many they start again with the first
    long bytes;
    long pixels;

    /** Copies the images up to a number, in a kind; where that is null, as they are. */
    Corpus(Path images, int most, Path work, Kind kind) throws IOException {
      source = work.resolve("source");
      destination = work.resolve("destination");
      delete(source);
      Files.createDirectory(source);
      List<Path> originals;
      try (Stream<Path> files = Files.list(images)) {
        originals = files.filter(file -> file.getFileName().toString().matches("(?i)[^.].*\\.jpe?g")).sorted().toList();
      }
      if (originals.isEmpty()) {
        throw new IOException("no JPEG image in " + images);
      }
      count = most == Integer.MAX_VALUE ? originals.size() : most;
      distinct = Math.min(count, originals.size());
      StringBuilder paths = new StringBuilder();
      for (int i = 0; i < count; i++) {
        Path image = source.resolve(name(i));
        if (kind != null && i < distinct) {
          kind.write(ImageIO.read(originals.get(i).toFile()), image);
        } else { // no link: as many bytes to read as in a real folder
          Files.copy(kind == null ? originals.get(i % distinct) : source.resolve(name(i % distinct)), image);
        }
        bytes += Files.size(image);
        pixels += pixels(image);
        paths.append(image).append('\0');
      }
      Files.writeString(work.resolve("list"), paths);
    }

    private static String name(int index) {
      return text("%04d.jpg", index + 1);
    }

    private static long pixels(Path image) throws IOException {
      ImageReader reader = ImageIO.getImageReadersByFormatName("jpeg").next();
      try (ImageInputStream in = ImageIO.createImageInputStream(image.toFile())) {
        reader.setInput(in);
        return (long) reader.getWidth(0) * reader.getHeight(0);
      } finally {
        reader.dispose();
      }
    }

    /** How many images have a compressed copy that is not empty. */
    long copies() throws IOException {
      try (Stream<Path> files = Files.list(destination)) {
        return files.filter(file -> file.toFile().length() > 0).count();
      }
    }

    /** The size of the compressed copies of the images that differ. */
    long bytesOut() {
      return IntStream.range(0, distinct).mapToLong(i -> destination.resolve(name(i)).toFile().length()).sum();
    }

    /** A measure's mean over the images that differ; not a number where one cannot be read, such as CMYK. */
    double mean(Measure measure, Benchmark benchmark) throws IOException {
      double sum = 0;
      for (int i = 0; i < distinct; i++) {
        try {
          sum += measure.of(source.resolve(name(i)), destination.resolve(name(i)), benchmark);
        } catch (IIOException unreadable) {
          return Double.NaN;
        }
      }
      return sum / distinct;
    }
  }
}
