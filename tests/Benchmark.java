///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//JAVAC_OPTIONS --release 21
//DEPS info.picocli:picocli:4.7.7

import com.sun.management.OperatingSystemMXBean;
import java.awt.image.DataBufferByte;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * Measures Compress against its peers on this machine: whole processes, from start to exit. Each program runs once to
 * warm up (that run gives its bytes, PSNR and memory) and then once a round; its time is the median.
 */
@Command(
    name = "Benchmark",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    usageHelpWidth = 100,
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
      description = "only these programs, separated by commas: ${COMPLETION-CANDIDATES}")
  Set<Name> only = EnumSet.noneOf(Name.class);

  @Option(names = "--compress-options", defaultValue = "", paramLabel = "OPTIONS",
      description = "more options for Compress, all in one argument")
  String compressOptions;

  @Option(names = "--jdk", paramLabel = "HOME", description = "Compress's pixel engine on this other JDK, too")
  Path jdk;

  @Option(names = "--with-jbang", description = "the whole command `jbang Compress.java`, too")
  boolean withJBang;

  @Option(names = "--limit", defaultValue = "600", paramLabel = "SECONDS",
      description = "a run that takes longer has failed (default: ${DEFAULT-VALUE})")
  int limit;

  @Spec CommandSpec command;

  /** The programs that can be measured; on the command line with hyphens. */
  enum Name {
    compress("Compress"),
    jbang("Compress, by `jbang`"),
    pixels("Compress, pixel engine"),
    pixels_jdk("Compress, pixel engine, other JDK"),
    jpegoptim("jpegoptim"),
    pillow_pool("Pillow, a pool"),
    pillow_threads("Pillow, a thread per image"),
    cjpeg("djpeg and cjpeg"),
    vips("vips"),
    sharp("sharp"),
    imagemagick("ImageMagick");

    final String title;

    Name(String title) {
      this.title = title;
    }

    @Override
    public String toString() {
      return name().replace('_', '-');
    }
  }

  /** Measures what the arguments ask for; exits with the status that {@code --help} lists. */
  public static void main(String[] arguments) {
    CommandLine commandLine = new CommandLine(new Benchmark());
    commandLine.setParameterExceptionHandler((problem, all) -> complain(problem.getMessage() + "; see --help", 2));
    commandLine.setExecutionExceptionHandler((problem, line, all) -> complain(problem.getMessage(), 1));
    System.exit(commandLine.execute(arguments));
  }

  private static int complain(String message, int exitStatus) {
    System.err.println("Benchmark: " + message);
    return exitStatus;
  }

  @Override
  public Integer call() throws IOException, InterruptedException {
    Path project = Path.of("").toAbsolutePath();
    while (project != null && !Files.exists(project.resolve("Compress.java"))) {
      project = project.getParent();
    }
    require(project != null, "there is no Compress.java in this folder or above it");
    images = images == null ? project.resolve("IMAGES") : images;
    require(Files.isDirectory(images), "--images is not a folder: " + images);
    require(count >= 1 && rounds >= 1 && limit >= 1, "--count, --rounds and --limit must be at least 1");
    require(quality >= 1 && quality <= 100, "--quality must be from 1 to 100, not " + quality);
    require(jdk == null || Files.isExecutable(jdk.resolve("bin/java")), "--jdk is not the home of a JDK: " + jdk);
    double load = ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
    if (load > CORES / 2.0) {
      System.err.println(text("warning: others use this machine now (load %.1f): the times will not be right", load));
    }
    Path work = Files.createTempDirectory("benchmark");
    // At the exit, so that a benchmark that is interrupted leaves neither processes nor files either.
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly);
      delete(work);
    }));
    Corpus corpus = new Corpus(images, count, work);
    Peers peers = new Peers(this, corpus, new Shell(work.resolve("output"), corpus.list, 600), project, work);
    peers.find(); // with a limit of its own: building Compress may fetch libraries
    Shell shell = new Shell(work.resolve("output"), corpus.list, limit);
    List<Peer> found = peers.all.stream().filter(peer -> peer.problem == null).toList();
    for (Peer peer : found) {
      peer.warmUp(shell, corpus);
    }
    for (int round = 0; round < rounds; round++) {
      for (int i = 0; i < found.size(); i++) {
        found.get((round + i) % found.size()).measure(shell, corpus); // each round starts with another
      }
    }
    report(corpus, peers);
    return !found.isEmpty() && found.stream().allMatch(peer -> peer.problem == null) ? 0 : 1;
  }

  private void require(boolean condition, String message) {
    if (!condition) {
      throw new ParameterException(command.commandLine(), message);
    }
  }

  private void report(Corpus corpus, Peers peers) throws IOException {
    OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    double megapixels = corpus.pixels / 1e6;
    print("Machine: %s, cores: %d, memory: %.0f GB, %s (%s), Java %s (%s).  ",
        find("/proc/cpuinfo", "model name\\s*: (.*)"), CORES, system.getTotalMemorySize() / 1e9,
        find("/etc/os-release", "PRETTY_NAME=\"(.*)\""), system.getArch(), System.getProperty("java.version"),
        System.getProperty("java.vendor"));
    print("Images: %d (%d different), %.1f MP, %.1f MB. Quality: %d. Timed runs of each program: %d, in turn.%n",
        count, corpus.distinct, megapixels, corpus.bytes / 1e6, quality, rounds);
    print("| program | seconds | MP/s | times as long | bytes | PSNR, dB | memory, MB |");
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    List<Peer> done = peers.all.stream().filter(peer -> peer.problem == null).toList();
    double compress = done.stream().filter(peer -> peer.name == Name.compress).mapToDouble(Peer::median).sum();
    for (Peer peer : done) {
      double seconds = peer.median();
      print("| %s | %.2f | %.0f | %s | %,d | %s | %s |", peer.name.title, seconds, megapixels / seconds,
          compress == 0 ? "" : text("%.2f", seconds / compress), peer.bytes,
          Double.isNaN(peer.psnr) ? "" : text("%.3f", peer.psnr),
          peer.memory == 0 ? "" : text("%.0f", peer.memory / 1e6));
    }
    print("");
    peers.all.stream().filter(peer -> peer.problem != null)
        .forEach(peer -> print("%s: %s.  ", peer.name.title, peer.problem));
    print("Seconds: median, the whole process, start included (JBang's own start only where it is named).  ");
    print("Bytes: the %d different images. PSNR: mean of %d of them, against the original, in RGB.  ",
        corpus.distinct, corpus.samples.size());
    print("Memory: resident; of several processes the sum of the peaks of those that were alive at once.%n");
    for (Peer peer : done) {
      print("- %s, %s: `%s`", peer.name.title, peer.version, peers.display(peer.command));
    }
    print("%nLIST holds the images' paths; pillow.py and sharp.js are in the text of tests/Benchmark.java.");
  }

  private static String find(String file, String pattern) throws IOException {
    String text = Files.exists(Path.of(file)) ? Files.readString(Path.of(file)) : "";
    return Pattern.compile(pattern).matcher(text).results().map(match -> match.group(1)).findFirst().orElse("unknown");
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

  /** The images that every program compresses: copies of a folder's, named 0001.jpg and so on. */
  private static final class Corpus {
    private static final int MOST_SAMPLES = 8; // each takes a second for every program

    final Path source;
    final Path destination;
    final Path list; // the images' paths, a zero byte after each: what xargs reads
    final int count;
    final int distinct; // after so many they start again with the first
    final List<String> samples = new ArrayList<>(); // the names of those whose PSNR is measured
    long bytes;
    long pixels;

    Corpus(Path images, int count, Path work) throws IOException {
      source = Files.createDirectory(work.resolve("source"));
      destination = work.resolve("destination");
      list = work.resolve("list");
      this.count = count;
      List<Path> originals;
      try (Stream<Path> files = Files.list(images)) {
        originals = files.filter(file -> file.getFileName().toString().matches("(?i)[^.].*\\.jpe?g")).sorted().toList();
      }
      if (originals.isEmpty()) {
        throw new IOException("no JPEG image in " + images);
      }
      distinct = Math.min(count, originals.size());
      StringBuilder paths = new StringBuilder();
      for (int i = 0; i < count; i++) {
        Path image = source.resolve(name(i));
        Files.copy(originals.get(i % distinct), image); // no link: as many bytes to read as in a real folder
        bytes += Files.size(image);
        pixels += pixels(image, originals.get(i % distinct));
        paths.append(image).append('\0');
      }
      Files.writeString(list, paths);
      for (int i = 0; i < Math.min(distinct, MOST_SAMPLES); i++) {
        samples.add(name(i * distinct / Math.min(distinct, MOST_SAMPLES)));
      }
    }

    private static String name(int index) {
      return text("%04d.jpg", index + 1);
    }

    private static long pixels(Path image, Path original) throws IOException {
      ImageReader reader = ImageIO.getImageReadersByFormatName("jpeg").next();
      try (ImageInputStream in = ImageIO.createImageInputStream(image.toFile())) {
        reader.setInput(in);
        return (long) reader.getWidth(0) * reader.getHeight(0);
      } catch (IOException problem) {
        throw new IOException(original + ": " + problem.getMessage(), problem);
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
      long sum = 0;
      for (int i = 0; i < distinct; i++) {
        sum += destination.resolve(name(i)).toFile().length();
      }
      return sum;
    }

    /** The mean PSNR of the samples in dB; not a number where one cannot be compared. */
    double psnr() {
      return samples.stream().mapToDouble(name -> psnr(source.resolve(name), destination.resolve(name))).average()
          .orElseThrow();
    }

    private static double psnr(Path original, Path copy) {
      try {
        byte[] a = ((DataBufferByte) ImageIO.read(original.toFile()).getRaster().getDataBuffer()).getData();
        byte[] b = ((DataBufferByte) ImageIO.read(copy.toFile()).getRaster().getDataBuffer()).getData();
        long squares = 0;
        for (int i = 0; i < a.length; i++) {
          int difference = (a[i] & 0xFF) - (b[i] & 0xFF);
          squares += difference * difference;
        }
        // A copy that is the original would be infinitely good, and so would be any mean with it in.
        return a.length != b.length ? Double.NaN : Math.min(99, 10 * Math.log10(255.0 * 255.0 * a.length / squares));
      } catch (IOException | RuntimeException unreadable) { // CMYK, for one: the JDK does not read it
        return Double.NaN;
      }
    }
  }

  /** Runs commands: within a time limit, the output kept in a file, the corpus's list as standard input. */
  private record Shell(Path output, Path list, int limit) {
    /** What a command left. The problem is null if it ended well; the memory, in bytes, 0 unless it was watched. */
    record Run(double seconds, String output, String problem, long memory) {}

    Run run(List<String> command, boolean watchMemory) throws IOException, InterruptedException {
      long start = System.nanoTime();
      Process process;
      try {
        process = new ProcessBuilder(command).redirectErrorStream(true)
            .redirectInput(list.toFile()).redirectOutput(output.toFile()).start();
      } catch (IOException problem) {
        return new Run(0, "", "not found", 0);
      }
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
      int status = process.exitValue();
      String problem = status == 0 ? null : "exit status " + status + ", " + text.lines().reduce("", (a, b) -> b);
      return new Run(seconds, text, problem, memory);
    }

    /** What the pattern's groups match in a command's output; null where it fails or nothing matches. */
    String ask(String pattern, Object... command) throws IOException, InterruptedException {
      Run run = run(words(command), false);
      return run.problem != null ? null : Pattern.compile(pattern).matcher(run.output).results()
          .map(match -> Stream.iterate(1, i -> i <= match.groupCount(), i -> i + 1).map(match::group)
              .collect(Collectors.joining(" ")).strip())
          .findFirst().orElse(null);
    }

    /** The bytes resident in a process and those below it: of each that is alive, the most it had until now. */
    private static long memory(Process process) {
      return Stream.concat(Stream.of(process.toHandle()), process.descendants()).mapToLong(handle -> {
        try {
          String kilobytes = find("/proc/" + handle.pid() + "/status", "VmHWM:\\s*(\\d+)");
          return kilobytes.equals("unknown") ? 0 : Long.parseLong(kilobytes) * 1024;
        } catch (IOException ended) {
          return 0;
        }
      }).sum();
    }

    /** A command from strings, numbers, paths and lists of them. */
    static List<String> words(Object... parts) {
      return Arrays.stream(parts).flatMap(part -> part instanceof List<?> list ? list.stream() : Stream.of(part))
          .map(Object::toString).toList();
    }
  }

  /** A program that compresses the corpus, and what was measured of it. */
  private static final class Peer {
    final Name name;
    final String version;
    final List<String> command;
    final List<Double> seconds = new ArrayList<>();
    String problem; // why it is not measured; null if it is
    long bytes;
    double psnr;
    long memory;

    Peer(Name name, String version, List<String> command, String problem) {
      this.name = name;
      this.version = version;
      this.command = command;
      this.problem = problem;
    }

    /** A run that is not timed but looked at. */
    void warmUp(Shell shell, Corpus corpus) throws IOException, InterruptedException {
      memory = run(shell, corpus, true).memory();
      if (problem == null) {
        bytes = corpus.bytesOut();
        psnr = corpus.psnr();
      }
    }

    /** A timed run, unless an earlier run failed. */
    void measure(Shell shell, Corpus corpus) throws IOException, InterruptedException {
      if (problem == null) {
        seconds.add(run(shell, corpus, false).seconds());
      }
    }

    private Shell.Run run(Shell shell, Corpus corpus, boolean warmUp) throws IOException, InterruptedException {
      delete(corpus.destination);
      Files.createDirectory(corpus.destination);
      Shell.Run run = shell.run(command, warmUp);
      long missing = corpus.count - corpus.copies();
      if (run.problem() != null || missing != 0) {
        problem = "failed: " + (run.problem() != null ? run.problem() : missing + " images are missing");
      }
      System.err.println(text("%-15s %-8s %7.3f s%s", name, warmUp ? "warm-up" : "timed", run.seconds(),
          problem == null ? "" : ", " + problem));
      return run;
    }

    double median() {
      List<Double> sorted = seconds.stream().sorted().toList();
      return (sorted.get((sorted.size() - 1) / 2) + sorted.get(sorted.size() / 2)) / 2;
    }
  }

  /** Finds the programs, and gives each the fastest command that does what Compress does. */
  private static final class Peers {
    private static final String PILLOW = """
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
    private static final String SHARP = """
        const [sharpPath, source, destination, quality, workers] = process.argv.slice(2);
        const sharp = require(sharpPath);
        sharp.concurrency(1); // threads within an image: here the images are what runs at once
        const names = require('fs').readdirSync(source).sort().reverse();
        async function work() {
          for (let name; (name = names.pop()); ) {
            await sharp(source + '/' + name).jpeg({ quality: Number(quality) }).toFile(destination + '/' + name);
          }
        }
        Promise.all(Array.from({ length: Number(workers) }, work)).catch((e) => { console.error(e); process.exit(1); });
        """;

    final List<Peer> all = new ArrayList<>(); // those not found, too
    private final Map<String, String> shown = new LinkedHashMap<>(); // what the report says for this machine's paths
    private final Benchmark options;
    private final Corpus corpus;
    private final Shell shell;
    private final Path project;
    private final Path work;

    Peers(Benchmark options, Corpus corpus, Shell shell, Path project, Path work) {
      this.options = options;
      this.corpus = corpus;
      this.shell = shell;
      this.project = project;
      this.work = work;
    }

    void find() throws IOException, InterruptedException {
      shown.put(corpus.source.toString(), "SOURCE");
      shown.put(corpus.destination.toString(), "DESTINATION");
      shown.put(work + "/", "");
      findCompress();
      findPillow();
      findSharp();
      int quality = options.quality;
      // One process for several images saves starts; for too many, some cores are done long before the others.
      List<String> xargsOne = Shell.words("xargs", "-0", "-P", CORES, "-n", 1);
      List<String> xargs = Shell.words("xargs", "-0", "-P", CORES, "-n", Math.clamp(corpus.count / CORES / 8, 1, 4));
      add(Name.jpegoptim, shell.ask("jpegoptim v(\\S+)", "jpegoptim", "--version"),
          xargs, "jpegoptim", "-q", "-s", "-m" + quality, "--all-normal", "--dest=" + corpus.destination);
      add(Name.cjpeg, shell.ask("(\\S*) *version (\\S+)", "sh", "-c", "djpeg -version && cjpeg -version"), xargsOne,
          "sh", "-c", "djpeg \"$1\" | cjpeg -quality " + quality + " -optimize >\"$0/${1##*/}\"", corpus.destination);
      // vipsthumbnail takes many images at once, and leaves them as large as they are if that is below the size.
      add(Name.vips, shell.ask("vips[- ](\\S+)", "vipsthumbnail", "--vips-version"), "env", "VIPS_CONCURRENCY=1", xargs,
          "vipsthumbnail", "--no-rotate", "--size", "100000x100000>",
          "-o", corpus.destination + "/%s.jpg[Q=" + quality + ",optimize_coding,strip]");
      // mogrify takes many images at once, which convert does not.
      add(Name.imagemagick, shell.ask("ImageMagick (\\S+)", "mogrify", "-version"), "env", "MAGICK_THREAD_LIMIT=1",
          xargs, "mogrify", "-path", corpus.destination, "-strip", "-sampling-factor", "4:2:0", "-quality", quality);
      all.sort(Comparator.comparing(peer -> peer.name));
    }

    private void findCompress() throws IOException, InterruptedException {
      Path script = project.resolve("Compress.java");
      Path jbang = project.resolve(".jbang/jbang");
      Shell.Run build = shell.run(Shell.words(jbang, "build", script), false);
      String classpath = shell.ask("(?m)^(/.*\\.jar)$", jbang, "info", "classpath", script);
      if (build.problem() != null || classpath == null) {
        throw new IOException("Compress.java cannot be built: " + build.problem() + "\n" + build.output());
      }
      String java = System.getProperty("java.home") + "/bin/java";
      shown.put(java, "java");
      shown.put(classpath, "CLASSPATH");
      shown.put(project + "/", "");
      List<String> runtimeOptions = Files.readAllLines(script).stream()
          .filter(line -> line.startsWith("//RUNTIME_OPTIONS ")).flatMap(line -> split(line).stream().skip(1)).toList();
      List<String> compress = Shell.words(runtimeOptions, "-cp", classpath, "Compress", "-q", options.quality,
          split(options.compressOptions));
      String version = "Java " + System.getProperty("java.version");
      add(Name.compress, version, java, compress, corpus.source, corpus.destination);
      if (options.withJBang || options.only.contains(Name.jbang)) {
        add(Name.jbang, shell.ask("(\\d\\S+)", jbang, "--version"), jbang, script, "-q", options.quality,
            split(options.compressOptions), corpus.source, corpus.destination);
      }
      addPixels(Name.pixels, version, java, compress);
      if (options.jdk != null) {
        String other = options.jdk.resolve("bin/java").toString();
        shown.put(other, "OTHER_JDK/bin/java");
        addPixels(Name.pixels_jdk, shell.ask("Environment (.*)", other, "-version"), other, compress);
      }
    }

    /** Adds the pixel engine if a trial, on no image, says that this Compress and this JDK can run it. */
    private void addPixels(Name name, String version, String java, List<String> compress)
        throws IOException, InterruptedException {
      Path empty = Files.createDirectories(work.resolve("empty"));
      Shell.Run trial = shell.run(Shell.words(java, compress, "--engine=pixels", empty, corpus.destination), false);
      if (trial.problem() != null) {
        System.err.println(name + ": " + trial.problem());
      }
      add(name, trial.problem() == null ? version : null, java, compress, "--engine=pixels", corpus.source,
          corpus.destination);
    }

    private void findPillow() throws IOException, InterruptedException {
      Path script = Files.writeString(work.resolve("pillow.py"), PILLOW);
      String version = null;
      String python = null;
      for (String candidate : List.of("/usr/bin/python3", "python3")) { // the PATH's is preferred, so it is last
        String found = shell.ask("(?m)^Pillow (.*)$", candidate, "-c", "import sys, PIL.features as f; "
            + "print('Pillow', f.version('pil'), 'libjpeg-turbo', f.version_feature('libjpeg_turbo'))");
        if (found != null) {
          version = found;
          // Python itself: what the PATH has may be a script that takes its time to find it.
          python = shell.ask("(.+)", candidate, "-c", "import sys; print(sys.executable)");
          shown.put(python, "python3");
        }
      }
      add(Name.pillow_pool, version, python, script, corpus.source, corpus.destination, options.quality, CORES);
      add(Name.pillow_threads, version, python, script, corpus.source, corpus.destination, options.quality, 0);
    }

    private void findSharp() throws IOException, InterruptedException {
      Path script = Files.writeString(work.resolve("sharp.js"), SHARP);
      String version = shell.ask("(?m)^sharp (.*)$", "node", "-e", "const v = require('sharp').versions; "
          + "console.log('sharp', v.sharp, 'libvips', v.vips, 'node', process.versions.node)");
      String path = shell.ask("(.+)", "node", "-p", "require.resolve('sharp')");
      if (path != null) {
        shown.put(path, "sharp");
      }
      add(Name.sharp, version, "env", "UV_THREADPOOL_SIZE=" + CORES, "node", script, path, corpus.source,
          corpus.destination, options.quality, CORES);
    }

    private static List<String> split(String words) {
      return words.isBlank() ? List.of() : List.of(words.strip().split("\\s+"));
    }

    /** Adds a program, as missing if it has no version, unless it is not asked for. */
    private void add(Name name, String version, Object... command) {
      if (options.only.isEmpty() || options.only.contains(name) || options.withJBang && name == Name.jbang) {
        boolean found = version != null;
        all.add(new Peer(name, version, found ? Shell.words(command) : List.of(), found ? null : "missing"));
      }
    }

    /** A command as one would type it, without the paths of this machine. */
    String display(List<String> command) {
      List<String> words = new ArrayList<>();
      for (String word : command) {
        for (Map.Entry<String, String> path : shown.entrySet()) {
          word = word.replace(path.getKey(), path.getValue());
        }
        words.add(word.matches("[\\w./=:,%+@-]+") ? word : "'" + word + "'");
      }
      return String.join(" ", words) + (command.contains("xargs") ? " <LIST" : "");
    }
  }
}
