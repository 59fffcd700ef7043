// SPDX-License-Identifier: MIT

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;
import picocli.CommandLine;

/** Runs Compress as a user does: by its command line, in a process of its own. */
final class Program {
  /** A line of the log, in its columns. */
  record LogLine(String time, String owner, String thread, String level, String message) {}

  /** What a run left: its exit status, standard output, standard error. */
  record Result(int status, String out, String err) {
    private static final Pattern COLUMNS =
        Pattern.compile("(\\d\\d:\\d\\d:\\d\\d\\.\\d{3}) (.{16}) (.{12}) (INFO  |WARN  |ERROR ) (.*)");

    /** The lines of the log, less those that are not in its columns. */
    List<LogLine> log() {
      return err.lines().map(COLUMNS::matcher).filter(Matcher::matches)
          .map(m -> new LogLine(m.group(1), m.group(2).strip(), m.group(3).strip(), m.group(4).strip(), m.group(5)))
          .toList();
    }

    /** Checks its exit status, how its report on standard output starts, and what stands in its log; returns itself. */
    Result expect(int status, String report, String... log) {
      Assertions.assertEquals(status, this.status, err);
      Assertions.assertTrue(out.startsWith(report), () -> "not \"" + report + "\": " + out + err);
      for (String text : log) { Assertions.assertTrue(err.contains(text), () -> "no \"" + text + "\": " + err); }
      return this;
    }

    /** The messages of the log at this level. */
    List<String> messages(String level) {
      return log().stream().filter(line -> line.level().equals(level)).map(LogLine::message).toList();
    }
  }

  private static final List<String> JAVA = List.of(ProcessHandle.current().info().command().orElseThrow(),
      "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xlog:disable", "-cp", System.getProperty("java.class.path"));
  /** What the JVM keeps of the classes of a start: with it the next ones take a quarter less of processor time. */
  private static final String ARCHIVE = archive();

  private Program() {}

  private static String archive() {
    try {
      Path folder = Files.createTempDirectory("start");
      Path image = Pictures.write(folder.resolve("a.jpg"));
      Path archive = folder.resolve("classes.jsa");
      List<String> command = new ArrayList<>(JAVA);
      command.addAll(List.of("-XX:ArchiveClassesAtExit=" + archive, "Compress", "--dry-run", folder.toString()));
      run(folder, "", command);
      for (Path path : List.of(folder, image, archive)) { path.toFile().deleteOnExit(); }
      return archive.toString();
    } catch (IOException | InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** The project's folder: the tests run in it or below. */
  static Path project() {
    Path folder = Path.of("").toAbsolutePath();
    while (!Files.exists(folder.resolve("Compress.java"))) { folder = folder.getParent(); }
    return folder;
  }

  /** The command that starts Compress on this JVM, with these arguments. */
  static List<String> command(String... arguments) { return java(List.of(), arguments); }

  /** The command that starts Compress with these options of the JVM: one that starts quickly. */
  static List<String> java(List<String> options, String... arguments) {
    List<String> command = new ArrayList<>(JAVA);
    command.add("-XX:SharedArchiveFile=" + ARCHIVE);
    command.addAll(options);
    command.add("Compress");
    command.addAll(List.of(arguments));
    return command;
  }

  /** A command as a shell takes it. */
  static String quoted(List<String> command) { return "'" + String.join("' '", command) + "'"; }

  /** Runs Compress in this folder. */
  static Result run(Path folder, String... arguments) throws IOException, InterruptedException {
    return run(folder, "", command(arguments));
  }

  /** Runs a command in this folder, with this text on its standard input; fails after two minutes. */
  static Result run(Path folder, String input, List<String> command) throws IOException, InterruptedException {
    Path in = Files.writeString(Files.createTempFile("in", ".txt"), input);
    Path out = Files.createTempFile("out", ".txt");
    Path err = Files.createTempFile("err", ".txt");
    try {
      Process process = new ProcessBuilder(command).directory(folder.toFile())
          .redirectInput(in.toFile()).redirectOutput(out.toFile()).redirectError(err.toFile()).start();
      if (!process.waitFor(2, TimeUnit.MINUTES)) {
        process.destroyForcibly();
        throw new AssertionError("still running after two minutes: " + command);
      }
      return new Result(process.exitValue(), Files.readString(out), Files.readString(err));
    } finally {
      for (Path file : List.of(in, out, err)) { Files.delete(file); }
    }
  }

  /** Options as from the command line, but for folders of any file system. */
  static Compress options(Path source, Path destination, String... options) {
    Compress compress = new Compress();
    new CommandLine(compress).parseArgs(options);
    compress.source = source;
    compress.destination = destination;
    compress.timeline = true; // so that results are remembered
    return compress;
  }

  /** Runs Compress in this process; returns what became of each image, by its name. */
  static SortedMap<String, String> outcomes(Path source, Path destination, String... options) throws Exception {
    Compress compress = options(source, destination, options);
    return outcomes(compress, ImageFiles.find(compress).images);
  }

  /** The same, of these images. */
  static SortedMap<String, String> outcomes(Compress options, List<ImageFile> images) throws Exception {
    ProcessImages process = new ProcessImages(options, images);
    process.process(options.mode);
    SortedMap<String, String> outcomes = new TreeMap<>();
    process.stats.run.results().forEach(result -> outcomes.put(result.file().name(),
        result.outcome().name().toLowerCase(Locale.ROOT)
            + (result.outcome() == Outcome.FAILED ? ": " + result.remarks().getFirst() : "")));
    return outcomes;
  }

  /** A command that runs this one bound by the permissions of files even where the user is root, who is not. */
  static List<String> withoutPrivileges(List<String> command) throws IOException, InterruptedException {
    List<String> bound = new ArrayList<>();
    if (System.getProperty("user.name").equals("root")) {
      bound.addAll(List.of("setpriv", "--bounding-set", "-dac_override,-dac_read_search"));
      Assumptions.assumeTrue(succeeds(bound, "true"), "root may read and write everything here");
    }
    bound.addAll(command);
    return bound;
  }

  /** Skips a test where no terminal can be opened. */
  static void assumeTerminal() throws InterruptedException {
    boolean opens = succeeds(List.of("script", "-qec", "true", "/dev/null"));
    Assumptions.assumeTrue(opens, "no terminal can be opened here");
  }

  /** Whether a command can be run and exits with 0. */
  static boolean succeeds(List<String> command, String... more) throws InterruptedException {
    List<String> all = new ArrayList<>(command);
    all.addAll(List.of(more));
    try {
      return new ProcessBuilder(all).redirectOutput(ProcessBuilder.Redirect.DISCARD)
          .redirectError(ProcessBuilder.Redirect.DISCARD).start().waitFor() == 0;
    } catch (IOException e) {
      return false; // there is no such command
    }
  }

  /** What the program does with an image's bytes, less reading, waiting and writing. */
  static byte[] recompress(byte[] jpeg, int quality, Compress.Engine engine) throws IOException {
    return unsigned(Recompressor.recompress(jpeg, settings(quality, engine, false, false)).bytes());
  }

  static Recompressor.Settings settings(int quality, Compress.Engine engine, boolean smallest, boolean keepMetadata) {
    return new Recompressor.Settings(quality, engine, smallest, keepMetadata, 0, 0);
  }

  /** A copy without what it says of its image in figures. */
  static byte[] unsigned(byte[] copy) {
    Matcher text = Pattern.compile("Compress\0\\S+ ([ \\d]+) ([0-9a-f]{16}) ([0-9a-f]{8}) ([0-9a-f]{8})")
        .matcher(new String(copy, StandardCharsets.ISO_8859_1));
    byte[] unsigned = copy.clone();
    for (int group = 1; group <= 4 && text.find(0); group++) {
      Arrays.fill(unsigned, text.start(group), text.end(group), (byte) '0');
    }
    return unsigned;
  }

  /** What the JPEG becomes when it is recompressed until that saves nothing more: such an image is kept. */
  static byte[] smallest(byte[] jpeg, int quality, Compress.Engine engine) throws IOException {
    byte[] smallest = jpeg;
    for (byte[] next = recompress(jpeg, quality, engine); next.length < smallest.length; ) {
      smallest = next;
      next = recompress(smallest, quality, engine);
    }
    return smallest;
  }

  /** The files below a folder, as sorted paths relative to it; hidden ones too. */
  static List<String> files(Path folder) throws IOException {
    if (!Files.exists(folder)) { return List.of(); }
    try (Stream<Path> paths = Files.walk(folder)) {
      return paths.filter(Files::isRegularFile).map(path -> folder.relativize(path).toString()).sorted().toList();
    }
  }

  /** The sum of the sizes of the files below a folder, in bytes. */
  static long size(Path folder) throws IOException {
    return files(folder).stream().mapToLong(file -> folder.resolve(file).toFile().length()).sum();
  }
}
