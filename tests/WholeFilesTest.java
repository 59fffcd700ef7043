// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.*;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.*;

@DisplayName("Whole files: each copy is whole or not there, and the originals are safe")
class WholeFilesTest {
  private static final int IMAGES = 40;
  private static final String LIVE = ".compress-00000000000001fe.part";

  @TempDir Path folder;
  private Path images;
  private Path copies;

  @BeforeEach
  void names() {
    images = folder.resolve("IMAGES");
    copies = folder.resolve("COMPRESSED_IMAGES");
  }

  /** The command that runs a line of the shell in which "$@" is the one that starts Compress. */
  private static List<String> script(String line) {
    List<String> command = Program.java(List.of("-XX:-UsePerfData")); // which is a file, too
    command.addAll(0, List.of("sh", "-c", line, "sh"));
    return command;
  }

  /** Starts the main method of a class of this test in a process of its own. */
  private static Process start(Class<?> main, Path argument) throws IOException {
    List<String> command = Program.command(argument.toString());
    command.set(command.indexOf("Compress"), main.getName());
    return new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
  }

  /** Writes a file as copies are written. */
  static void write(Path file, byte[] bytes, WholeFile.Action<Path, Boolean> replaces) throws IOException {
    WholeFile.write(file, Files.readAttributes(Path.of(""), BasicFileAttributes.class), part -> {
      part.write(ByteBuffer.wrap(bytes));
      return null;
    }, replaces);
  }

  private static void write(Path file, byte[] bytes) throws IOException { write(file, bytes, part -> true); }

  // Killed at any moment.

  /** Kills as many runs as the last argument says, with the signals named before it, and prints what was left. */
  public static void main(String[] arguments) throws Exception {
    List<String> signals = List.of(arguments).subList(0, arguments.length - 1);
    int times = Integer.parseInt(arguments[arguments.length - 1]);
    for (Compress.Engine engine : Compress.Engine.values()) {
      Path folder = Files.createTempDirectory("killed");
      System.out.println("engine " + engine + ": " + kill(folder, engine, new Random(), signals, times));
      Program.succeeds(List.of("rm", "-r", folder.toString()));
    }
  }

  @Test
  @DisplayName("runs killed at random moments leave whole copies only, and one run with --update does the rest")
  void killed() throws Exception {
    assertEquals("SIGKILL, SIGINT at 5 random moments of runs over 40 images, then one --update run: "
        + "0 partial files, 40 right ones, 0 leftovers",
        kill(folder, Compress.Engine.auto, new Random(20_261_123), List.of("KILL", "INT"), 5));
  }

  private static String kill(Path folder, Compress.Engine engine, Random random, List<String> signals, int times)
      throws Exception {
    Path copies = folder.resolve("COMPRESSED_IMAGES");
    Path right = folder.resolve("RIGHT");
    for (int i = 0; i < IMAGES; i++) {
      Pictures.write(folder.resolve("IMAGES/picture%02d.jpg".formatted(i)), 300 + i, 200);
    }
    long start = System.nanoTime();
    Program.run(folder, "--engine=" + engine).expect(0, IMAGES + " images, ");
    long duration = System.nanoTime() - start;
    assertTrue(Program.succeeds(List.of("cp", "-a", copies.toString(), right.toString())));
    long partial = 0;
    for (int i = 0; i < times; i++) {
      for (String name : Program.files(right)) {
        if (random.nextBoolean()) {
          Files.deleteIfExists(copies.resolve(name)); // some copies are new and some take the place of an older one
        }
      }
      String option = random.nextBoolean() ? "--update" : "--mode=virtual";
      Process process = new ProcessBuilder(Program.command("--engine=" + engine, option)).directory(folder.toFile())
          .redirectOutput(ProcessBuilder.Redirect.DISCARD).redirectError(ProcessBuilder.Redirect.DISCARD).start();
      TimeUnit.NANOSECONDS.sleep((long) (duration * (0.1 + 0.9 * random.nextDouble())));
      Program.succeeds(List.of("kill", "-" + signals.get(i % signals.size()), Long.toString(process.pid())));
      process.waitFor();
      partial += count(copies, right)[0];
    }
    Program.run(folder, "--engine=" + engine, "--update").expect(0, IMAGES + " images");
    long[] end = count(copies, right);
    return "SIG%s at %d random moments of runs over %d images, then one --update run: "
        .formatted(String.join(", SIG", signals), times, IMAGES)
        + "%d partial files, %d right ones, %d leftovers".formatted(partial + end[0], end[1], end[2]);
  }

  /** How many copies are not whole, how many are, and how many parts there are; there must be nothing else. */
  private static long[] count(Path copies, Path right) throws IOException {
    long[] count = new long[3];
    for (String name : Program.files(copies)) {
      boolean isCopy = Files.exists(right.resolve(name));
      assertTrue(isCopy || name.matches("\\.compress-.*\\.part"), name);
      count[!isCopy ? 2 : Files.mismatch(right.resolve(name), copies.resolve(name)) < 0 ? 1 : 0]++;
    }
    return count;
  }

  @Test
  @DisplayName("who reads a copy while it is replaced, or when its writer was killed, sees the older one or the newer")
  void replaced() throws Exception {
    Path file = folder.resolve("large");
    Random random = new Random(3);
    for (int i = 0; i < 5; i++) {
      Files.deleteIfExists(file);
      Process process = start(Writer.class, file);
      while (!Files.exists(file) && process.isAlive()) { Thread.sleep(1); }
      for (int reading = 0; reading < 12; reading++) { assertTrue(Writer.isWhole(Files.readAllBytes(file))); }
      Thread.sleep(random.nextInt(100));
      process.destroyForcibly().waitFor(); // SIGKILL
      assertTrue(Writer.isWhole(Files.readAllBytes(file)));
      WholeFile.clearLeftovers(folder);
      assertEquals(List.of("large"), Program.files(folder));
    }
  }

  /** In a process of its own: writes a file of 8 MB again and again, all of it one number. */
  static final class Writer {
    public static void main(String[] arguments) throws IOException {
      byte[][] versions = {bytes(1), bytes(2)};
      for (int i = 0; ; i++) { write(Path.of(arguments[0]), versions[i % 2]); }
    }

    static byte[] bytes(int i) {
      byte[] bytes = new byte[8_000_000 + i];
      Arrays.fill(bytes, (byte) i);
      return bytes;
    }

    static boolean isWhole(byte[] bytes) { return bytes.length > 0 && Arrays.equals(bytes, bytes(bytes[0])); }
  }

  @Test
  @DisplayName("a run clears what killed runs left, but neither what a live one writes nor any other hidden file")
  void leftovers() throws Exception {
    Pictures.write(images.resolve("a.jpg"));
    Pictures.write(images.resolve("sub/b.jpg"));
    Files.createDirectories(copies.resolve("sub"));
    for (String name : List.of(".compress-0123456789abcdef.part", "sub/.compress-00000000000000ff.part", LIVE,
        ".compress-dead.part", ".compress-notes.txt", ".other.part", "compress-1.part", ".hidden")) {
      Files.writeString(copies.resolve(name), "something");
    }
    assertTrue(Program.succeeds(List.of("mkfifo", copies.resolve(".compress-1111111111111111.part").toString())));
    try (FileChannel live = FileChannel.open(copies.resolve(LIVE), StandardOpenOption.WRITE)) {
      assertTrue(live.tryLock() != null);
      Program.run(folder, "-r").expect(0, "2 images");
    }
    assertEquals(List.of(LIVE, ".compress-dead.part", ".compress-notes.txt", ".hidden", ".other.part", "a.jpg",
        "compress-1.part", "sub/b.jpg"), Program.files(copies));
    Program.run(folder, "-r", "--update").expect(0, "2 images");
    assertFalse(Files.exists(copies.resolve(LIVE))); // its writer is gone now
  }

  @Test
  @DisplayName("a leftover that may not be opened is named, and stays; those behind it are cleared")
  void closedLeftovers() throws Exception {
    Pictures.write(images.resolve("a.jpg"));
    Files.createDirectory(copies);
    List<String> left = new ArrayList<>();
    for (int i = 0; i < 8; i++) { // a folder gives its files in any order
      Path part = Files.writeString(copies.resolve(".compress-000000000000000" + i + ".part"), "something");
      if (i % 2 == 0) {
        Files.setPosixFilePermissions(part, Set.of());
        left.add(part.getFileName().toString());
      }
    }
    List<String> bound = Program.withoutPrivileges(script("exec \"$@\""));
    Program.Result run = Program.run(folder, "", bound).expect(0, "1 image, ");
    left.forEach(part -> assertTrue(run.messages("WARN").toString().contains(part), run.err()));
    left.add("a.jpg");
    assertEquals(left, Program.files(copies));
  }

  @Test
  @DisplayName("two runs that share a destination do not take each other's unfinished copies away")
  void sharedDestination() throws Exception {
    Process clearer = start(Clearer.class, folder);
    try {
      assertEquals('!', clearer.getInputStream().read()); // it has begun
      long end = System.nanoTime() + 800_000_000L;
      for (int i = 0; i < 10 || System.nanoTime() < end; i++) { write(folder.resolve("copy" + i % 10), new byte[10]); }
      assertTrue(clearer.isAlive());
    } finally {
      clearer.destroyForcibly().waitFor();
    }
    assertEquals(10, Program.files(folder).size());
  }

  @Test
  @DisplayName("where links cannot tell two runs apart that want one name at one instant, the second sees the first's "
      + "copy; one that is killed meanwhile stops nobody, and leaves nothing that is not cleared")
  void oneName() throws Exception {
    for (boolean killed : new boolean[] {false, true}) {
      Path file = Files.write(folder.resolve("a.jpg"), new byte[0]); // counts as none, but no link can be made there
      Process rival = start(Rival.class, file);
      try {
        assertEquals('!', rival.getInputStream().read()); // it has looked, and is about to move its copy
        if (killed) { rival.destroyForcibly().waitFor(); }
        write(file, new byte[10], part -> {
          assertEquals(killed ? 0 : 20, Files.size(file));
          return killed;
        });
        assertEquals(killed, rival.waitFor() != 0);
      } finally {
        rival.destroyForcibly();
      }
      WholeFile.clearLeftovers(folder);
      assertEquals(List.of("a.jpg"), Program.files(folder));
      assertEquals(killed ? 10 : 20, Files.size(file));
    }
  }

  /** In a process of its own: writes a file, and takes its time between looking at what is there and moving. */
  static final class Rival {
    public static void main(String[] arguments) throws IOException {
      Path file = Path.of(arguments[0]);
      write(file, new byte[20], part -> {
        boolean free = Files.size(file) == 0;
        System.out.print("!");
        System.out.flush();
        LockSupport.parkNanos(500_000_000);
        return free;
      });
    }
  }

  @Test
  @DisplayName("a copy's part is locked as long as it is written")
  void locked() throws Exception {
    Path file = Files.writeString(folder.resolve("a.jpg"), "older copy");
    write(file, new byte[10], part -> {
      // In the same process a lock that another thread has is an exception.
      assertThrows(OverlappingFileLockException.class, () -> WholeFile.clearLeftovers(folder));
      return true;
    });
    assertEquals(10, Files.size(file));
  }

  /** In a process of its own: clears a folder of leftovers again and again, as runs do when they begin. */
  static final class Clearer {
    public static void main(String[] arguments) throws IOException {
      System.out.print("!");
      System.out.flush();
      while (true) { WholeFile.clearLeftovers(Path.of(arguments[0])); }
    }
  }

  // Disks and permissions.

  @ParameterizedTest(name = "{0}")
  @DisplayName("a copy that cannot be written fails for its reason and leaves nothing, what stood there stays")
  @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
      no room in a file | ulimit -f 64; exec "$@" -q 85 --overwrite \
          | 1 compressed | large.jpg failed: File too large | large.jpg=older copy, small.jpg=a copy
      a full disk | if mount -t tmpfs -o size=44k tmpfs $COPIES; then printf 'older copy' >$COPIES/large.jpg; \
          exec "$@" -q 85 -t 1 --overwrite; fi; exit 77 \
          | 1 compressed | large.jpg failed: No space left on device | large.jpg=older copy, small.jpg=a copy
      no right to write | chmod a-w $COPIES; exec "$@" --overwrite \
          | 0 compressed | large.jpg failed: permission denied; small.jpg failed: permission denied \
          | large.jpg=older copy
      a folder in the way | mkdir -p $COPIES/small.jpg/full; exec "$@" --overwrite \
          | 1 compressed | small.jpg failed: [^;]*a folder [^;]*COMPRESSED_IMAGES/small.jpg | large.jpg=a copy
      a file in the way | mv IMAGES/small.jpg IMAGES/sub; echo >$COPIES/sub 'a file'; exec "$@" -r --overwrite \
          | 1 compressed | sub/small.jpg failed: [^;]*a file [^;]*COMPRESSED_IMAGES/sub | large.jpg=a copy, sub=a file
      """)
  void unwritable(String what, String line, String compressed, String reasons, String left) throws Exception {
    Pictures.write(images.resolve("small.jpg"));
    Pictures.write(images.resolve("large.jpg"), 800, 500); // its copy has more than 32 kB
    Files.createDirectory(images.resolve("sub"));
    Files.writeString(Files.createDirectory(copies).resolve("large.jpg"), "older copy");
    List<String> script = script(line.replace("$COPIES", "COMPRESSED_IMAGES"));
    boolean isBound = line.startsWith("chmod"); // root may write everywhere
    Program.Result run = Program.run(folder, "", isBound ? Program.withoutPrivileges(script) : script);
    try {
      assumeTrue(run.status() != 77, "only root may mount a small disk");
      int failed = reasons.split("; ").length;
      run.expect(1, "2 images (" + compressed + ", 0 kept, 0 skipped, " + failed + " failed), ");
      String errors = run.messages("ERROR").stream().map(error -> error.replaceFirst("^\\S+ ", "")).sorted()
          .collect(Collectors.joining("; "));
      assertTrue(errors.matches(reasons.replace("; ", "[^;]*; ") + "[^;]*"), errors);
      Map<String, String> found = new TreeMap<>();
      for (String name : Program.files(copies)) {
        byte[] bytes = Files.readAllBytes(copies.resolve(name));
        found.put(name, bytes[0] == -1 && Pictures.decode(bytes) != null ? "a copy" : Jpegs.text(bytes).strip());
      }
      assertEquals("{" + left + "}", found.toString());
    } finally {
      Program.succeeds(List.of("umount", copies.toString()));
      copies.toFile().setWritable(true);
    }
  }

  @Test
  @DisplayName("a destination that is a link to nowhere fails and says so")
  void danglingDestination() throws Exception {
    Pictures.write(images.resolve("a.jpg"));
    Files.createSymbolicLink(copies, Path.of("nowhere"));
    Program.run(folder).expect(2, "", "DESTINATION is not a folder: COMPRESSED_IMAGES");
  }

  // Sources that vanish and change.

  @Test
  @DisplayName("a source that vanishes while the run goes on fails by its name, the others are done")
  void vanishes() throws Exception {
    for (String name : List.of("a.jpg", "b.jpg", "c.jpg")) { Pictures.write(images.resolve(name)); }
    Compress options = Program.options(images, copies);
    List<ImageFile> found = ImageFiles.find(options).images;
    Files.delete(images.resolve("b.jpg"));
    assertEquals("{a.jpg=compressed, b.jpg=failed: no such file: " + images.resolve("b.jpg") + ", c.jpg=compressed}",
        Program.outcomes(options, found).toString());
    assertEquals(List.of("a.jpg", "c.jpg"), Program.files(copies));
  }

  @ParameterizedTest(name = "on a file system that notes whole seconds: {0}")
  @ValueSource(booleans = {false, true})
  @DisplayName("a source that changes now and then is read whole; one that never stops changing fails")
  void changes(boolean wholeSeconds) throws Exception {
    ImageFile image = new ImageFile(folder.resolve("changing.jpg"), null, null);
    try (Changer changer = new Changer(image.image(), wholeSeconds)) {
      long end = System.nanoTime() + (wholeSeconds ? 5 : 2) * 1_000_000_000L;
      for (int i = 1; System.nanoTime() < end; i++) {
        byte[] read = image.read().bytes();
        assertTrue(read.length == Changer.LENGTH && read[0] == read[read.length - 1], "torn: number " + i);
      }
      if (!wholeSeconds) {
        changer.pause = 10;
        Thread.sleep(250); // until the last long pause is over
        JpegException problem = null;
        for (int i = 0; i < 10 && problem == null; i++) { // a busy machine may stop the changer for a while
          try {
            image.read();
          } catch (JpegException e) {
            problem = e;
          }
        }
        assertNotNull(problem, "read although it never stops changing");
        assertEquals("it changes while it is read", problem.getMessage());
      }
    }
  }

  /** Changes a file in its place, over and over; in each of its states the first byte is the last one's equal. */
  private static final class Changer implements AutoCloseable {
    static final int LENGTH = 50_000_000; // takes long enough to read

    private final Path file;
    private final boolean wholeSeconds;
    private final Thread thread = Thread.ofPlatform().unstarted(this::run);
    volatile int pause = 200; // milliseconds; 0: stop

    Changer(Path file, boolean wholeSeconds) throws IOException {
      this.file = file;
      this.wholeSeconds = wholeSeconds;
      Files.write(file, new byte[LENGTH]);
      thread.start();
    }

    private void run() {
      try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
        for (int state = 0; pause > 0; state++) {
          out.seek(0);
          out.write(state);
          out.seek(LENGTH - 1);
          out.write(state);
          if (wholeSeconds) {
            long time = Files.getLastModifiedTime(file).toMillis();
            Files.setLastModifiedTime(file, FileTime.fromMillis(time - time % 1_000));
          }
          Thread.sleep(!wholeSeconds ? pause : state % 10 == 9 ? 2_500 : 40);
        }
      } catch (IOException | InterruptedException e) {
        throw new AssertionError(e);
      }
    }

    @Override
    public void close() throws InterruptedException {
      pause = 0;
      thread.join();
    }
  }

  // Paths.

  @Test
  @DisplayName("who may not read an original may not read its copy")
  void access() throws Exception {
    List<String> originals = List.of("rw-------", "rw-r--r--", "r--r-----", "rwxr-x---");
    for (String access : originals) {
      Path image = Pictures.write(images.resolve(access + ".jpg"));
      Files.setPosixFilePermissions(image, PosixFilePermissions.fromString(access));
    }
    Program.run(folder, "", script("umask 022; exec \"$@\"")).expect(0, "4 images, ");
    for (String access : originals) {
      String copy = PosixFilePermissions.toString(Files.getPosixFilePermissions(copies.resolve(access + ".jpg")));
      assertEquals("rw" + access.substring(2).replace('x', '-'), copy);
    }
  }

  @Test
  @DisplayName("links that form a loop, or lead from the source to the destination, are not followed")
  void loops() throws Exception {
    Pictures.write(images.resolve("a.jpg"));
    Pictures.write(images.resolve("sub/b.jpg"));
    Files.createSymbolicLink(images.resolve("sub/up"), Path.of(".."));
    Files.createSymbolicLink(images.resolve("self"), Path.of("self"));
    Files.createSymbolicLink(images.resolve("results"), Path.of("../COMPRESSED_IMAGES"));
    Files.createDirectory(copies);
    for (int i = 0; i < 2; i++) {
      Program.run(folder, "-r").expect(0, "2 images", "WARN   IMAGES/sub/up leads back");
      assertEquals(List.of("a.jpg", "sub/b.jpg"), Program.files(copies));
    }
  }

  @Test
  @DisplayName("a list of anything but images: each line fails, nothing leaves the destination, nothing hangs")
  void strangeLists() throws Exception {
    Pictures.write(folder.resolve("work/IMAGES/a.jpg"));
    byte[] outside = Files.readAllBytes(Pictures.write(folder.resolve("outside.jpg")));
    Path work = folder.resolve("work");
    List<String> strange = new ArrayList<>(List.of("..", "/", ".", "IMAGES", "IMAGES/..", "../../../../nix.jpg",
        "/dev/null", "/dev/zero", "nul\0byte.jpg", "IMAGES/a.jpg/b.jpg", "x".repeat(300) + ".jpg"));
    if (Program.succeeds(List.of("mkfifo", work.resolve("fifo.jpg").toString()))) { strange.add("fifo.jpg"); }
    List<String> command = new ArrayList<>(List.of("timeout", "20"));
    command.addAll(Program.command("--files-from=-"));
    String list = String.join("\n", strange) + "\nIMAGES/a.jpg\n../outside.jpg\n";
    int failed = strange.size();
    Program.Result run = Program.run(work, list, command)
        .expect(1, failed + 2 + " images (2 compressed, 0 kept, 0 skipped, " + failed + " failed), ");
    assertEquals(failed, run.messages("ERROR").size(), run.err());
    for (String error : run.messages("ERROR")) {
      assertTrue(error.matches("(?s)\\[\\d+/\\d+] .* failed: .*[a-z].*") && !error.contains("Exception"), error);
    }
    assertEquals(List.of("a.jpg", "outside.jpg"), Program.files(work.resolve("COMPRESSED_IMAGES")));
    assertArrayEquals(outside, Files.readAllBytes(folder.resolve("outside.jpg")));
  }
}
