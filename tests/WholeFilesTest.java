// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@DisplayName("Whole files: each copy is whole or not there, and the originals are safe")
class WholeFilesTest {
  private static final int IMAGES = 40;
  private static final String LIVE = ".compress-00000000000001fe.part";
  private static final ImageFile.State NOW =
      new ImageFile.State(null, FileTime.from(Instant.now()), null);

  @TempDir Path folder;
  private Path images;
  private Path copies;

  @BeforeEach
  void names() {
    images = folder.resolve("IMAGES");
    copies = folder.resolve("COMPRESSED_IMAGES");
  }

  // Killed at any moment.

  /** Kills as many runs as the last argument says, with the signals named before it, and prints what was left. */
  public static void main(String[] arguments) throws Exception {
    List<String> signals = List.of(arguments).subList(0, arguments.length - 1);
    int times = Integer.parseInt(arguments[arguments.length - 1]);
    for (Compress.Engine engine : Compress.Engine.values()) {
      Path folder = Files.createTempDirectory("killed");
      Killer killer = new Killer(folder, engine, System.nanoTime());
      System.out.println("engine " + engine + ": " + killer.kill(signals, times));
      Program.run(folder, "", List.of("rm", "-r", folder.toString()));
    }
  }

  @ParameterizedTest(name = "engine {0}")
  @EnumSource
  @DisplayName("runs killed at random moments leave whole copies only, and one run with --update does the rest")
  void killed(Compress.Engine engine) throws Exception {
    assertEquals("SIGKILL, SIGINT at 5 random moments of runs over 40 images, then one --update run: "
        + "0 partial files, 40 right ones, 0 leftovers",
        new Killer(folder, engine, 20_261_123).kill(List.of("KILL", "INT"), 5));
  }

  /** Starts runs and kills them. */
  private static final class Killer {
    private final Path folder;
    private final Path copies;
    private final Compress.Engine engine;
    private final Map<String, byte[]> expected = new TreeMap<>();
    private final Random random;
    private int partial;

    Killer(Path folder, Compress.Engine engine, long seed) throws IOException {
      this.folder = folder;
      this.engine = engine;
      copies = folder.resolve("COMPRESSED_IMAGES");
      random = new Random(seed);
      for (int i = 0; i < IMAGES; i++) {
        String name = "picture%02d.jpg".formatted(i);
        Pictures.write(folder.resolve("IMAGES").resolve(name), 300 + i, 200);
        expected.put(name, null);
      }
    }

    String kill(List<String> signals, int times) throws Exception {
      long start = System.nanoTime();
      assertEquals(0, Program.run(folder, "--engine=" + engine).status());
      long duration = System.nanoTime() - start;
      for (String name : expected.keySet()) {
        expected.put(name, Files.readAllBytes(copies.resolve(name)));
      }
      for (int i = 0; i < times; i++) {
        for (String name : expected.keySet()) {
          if (random.nextBoolean()) {
            Files.deleteIfExists(copies.resolve(name)); // some copies are new and some take the place of an older one
          }
        }
        List<String> command = new ArrayList<>(Program.command("--engine=" + engine));
        if (random.nextBoolean()) {
          command.add("--update");
        }
        Process process = new ProcessBuilder(command).directory(folder.toFile())
            .redirectOutput(ProcessBuilder.Redirect.DISCARD).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        TimeUnit.NANOSECONDS.sleep((long) (duration * (0.1 + 0.9 * random.nextDouble())));
        Program.succeeds(List.of("kill", "-" + signals.get(i % signals.size()), Long.toString(process.pid())));
        process.waitFor();
        check(false);
      }
      assertEquals(0, Program.run(folder, "--engine=" + engine, "--update").status());
      int others = check(true);
      String runs = "SIG%s at %d random moments of runs over %d images, then one --update run: "
          .formatted(String.join(", SIG", signals), times, IMAGES);
      int right = Program.files(copies).size() - others;
      return runs + "%d partial files, %d right ones, %d leftovers".formatted(partial, right, others);
    }

    /** Counts the copies that are not whole; returns how many other files there are. */
    private int check(boolean complete) throws IOException {
      int others = 0;
      for (String name : Program.files(copies)) {
        if (!expected.containsKey(name)) {
          assertTrue(name.matches("\\.compress-.*\\.part"), name);
          others++;
        } else if (!Arrays.equals(expected.get(name), Files.readAllBytes(copies.resolve(name)))) {
          partial++;
        }
      }
      assertTrue(!complete || Program.files(copies).containsAll(expected.keySet()), "copies are missing");
      return others;
    }
  }

  @Test
  @DisplayName("a process killed within its writing leaves the older file or the newer one")
  void killedWhileWriting() throws Exception {
    Path file = folder.resolve("large");
    Random random = new Random(3);
    for (int i = 0; i < 5; i++) {
      List<String> command = Program.java(List.of(), file.toString());
      command.set(command.indexOf("Compress"), Writer.class.getName());
      Files.deleteIfExists(file);
      Process process = new ProcessBuilder(command).inheritIO().start();
      while (!Files.exists(file) && process.isAlive()) {
        Thread.sleep(1);
      }
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
      for (int i = 0; ; i++) {
        WholeFile.write(Path.of(arguments[0]), versions[i % 2], NOW, null, part -> true);
      }
    }

    static byte[] bytes(int i) {
      byte[] bytes = new byte[8_000_000 + i % 256];
      Arrays.fill(bytes, (byte) i);
      return bytes;
    }

    static boolean isWhole(byte[] bytes) {
      return bytes.length > 0 && Arrays.equals(bytes, bytes(bytes[0] & 0xFF));
    }
  }

  @Test
  @DisplayName("who reads a copy while it is replaced sees the older one or the newer one")
  void readWhileWritten() throws Exception {
    Path file = folder.resolve("large");
    WholeFile.write(file, Writer.bytes(0), NOW, null, part -> true);
    AtomicBoolean done = new AtomicBoolean();
    Thread writer = Thread.ofPlatform().start(() -> {
      for (int i = 1; !done.get(); i++) {
        try {
          WholeFile.write(file, Writer.bytes(i), NOW, null, part -> true);
        } catch (IOException e) {
          throw new AssertionError(e);
        }
      }
    });
    for (int i = 0; i < 60; i++) {
      assertTrue(Writer.isWhole(Files.readAllBytes(file)));
    }
    done.set(true);
    writer.join();
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
      assertEquals(0, Program.run(folder, "-r").status());
    }
    assertEquals(List.of(LIVE, ".compress-dead.part", ".compress-notes.txt", ".hidden", ".other.part", "a.jpg",
        "compress-1.part", "sub/b.jpg"), Program.files(copies));
    assertEquals(0, Program.run(folder, "-r", "--update").status());
    assertFalse(Files.exists(copies.resolve(LIVE))); // its writer is gone now
  }

  @Test
  @DisplayName("two runs that share a destination do not take each other's unfinished copies away")
  void sharedDestination() throws Exception {
    List<String> command = Program.java(List.of(), folder.toString());
    command.set(command.indexOf("Compress"), Clearer.class.getName());
    Process clearer = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    try {
      assertEquals('!', clearer.getInputStream().read()); // it has begun
      long end = System.nanoTime() + 1_500_000_000L;
      for (int i = 0; i < 10 || System.nanoTime() < end; i++) {
        WholeFile.write(folder.resolve("copy" + i % 10), new byte[10], NOW, null, part -> true);
      }
      assertTrue(clearer.isAlive());
    } finally {
      clearer.destroyForcibly().waitFor();
    }
    assertEquals(10, Program.files(folder).size());
  }

  /** In a process of its own: clears a folder of leftovers again and again, as runs do when they begin. */
  static final class Clearer {
    public static void main(String[] arguments) throws IOException {
      System.out.print("!");
      System.out.flush();
      while (true) {
        WholeFile.clearLeftovers(Path.of(arguments[0]));
      }
    }
  }

  // Disks and permissions.

  /** Two images, one of which has a copy larger than 32 kB; an older copy of each is there. */
  private void smallAndLarge() throws Exception {
    Pictures.write(images.resolve("a-small.jpg"));
    Pictures.write(images.resolve("b-large.jpg"), 800, 500);
    Files.createDirectory(copies);
    Files.writeString(copies.resolve("b-large.jpg"), "older copy");
  }

  private void assertLargeFailed(Program.Result run, String reason) throws IOException {
    assertEquals(1, run.status(), run.err());
    assertTrue(run.out().startsWith("2 images (1 compressed, 0 kept, 0 skipped, 1 failed), "), run.out());
    assertEquals(1, run.messages("ERROR").size(), run.err());
    assertTrue(run.messages("ERROR").getFirst().matches(".*b-large\\.jpg failed: " + reason + ".*"), run.err());
    assertEquals(List.of("a-small.jpg", "b-large.jpg"), Program.files(copies));
    assertEquals("older copy", Files.readString(copies.resolve("b-large.jpg")));
    Pictures.decode(Files.readAllBytes(copies.resolve("a-small.jpg")));
  }

  @ParameterizedTest(name = "engine {0}")
  @EnumSource
  @DisplayName("a copy for which there is no room fails, leaves nothing, and the older copy stays")
  void fileTooLarge(Compress.Engine engine) throws Exception {
    smallAndLarge();
    List<String> java = Program.java(List.of("-XX:-UsePerfData"), "--engine=" + engine, "-q", "85", "--overwrite");
    String command = "ulimit -f 64; exec " + Program.quoted(java);
    assertLargeFailed(Program.run(folder, "", List.of("sh", "-c", command)), "File too large");
  }

  @Test
  @DisplayName("a full disk: the same")
  void noSpace() throws Exception {
    Files.createDirectory(copies);
    assumeTrue(Program.succeeds(List.of("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", copies.toString())),
        "only root may mount a small disk");
    try {
      Files.write(copies.resolve("filler"), new byte[20_000]);
      Files.move(copies.resolve("filler"), copies.resolve("filled"));
      Path disk = copies;
      copies = folder.resolve("elsewhere");
      smallAndLarge();
      Files.copy(copies.resolve("b-large.jpg"), disk.resolve("b-large.jpg"), StandardCopyOption.REPLACE_EXISTING);
      copies = disk;
      Program.Result run = Program.run(folder, "-q", "85", "-t", "1", "--overwrite"); // or the large one takes the small one's room
      Files.delete(copies.resolve("filled"));
      assertLargeFailed(run, "No space left on device");
    } finally {
      assertTrue(Program.succeeds(List.of("umount", folder.resolve("COMPRESSED_IMAGES").toString())));
    }
  }

  @Test
  @DisplayName("a destination without the right to write: every image fails, older copies stay")
  void readOnly() throws Exception {
    Pictures.write(images.resolve("a.jpg"));
    Pictures.write(images.resolve("b.jpg"));
    Files.createDirectory(copies);
    Files.writeString(copies.resolve("a.jpg"), "older copy");
    assertTrue(copies.toFile().setWritable(false));
    Program.Result run = Program.run(folder, "", Program.withoutPrivileges(Program.command("--overwrite")));
    assertTrue(copies.toFile().setWritable(true));
    assertEquals(1, run.status(), run.err());
    assertTrue(run.out().startsWith("2 images (0 compressed, 0 kept, 0 skipped, 2 failed), "), run.out());
    assertTrue(run.messages("ERROR").stream().allMatch(line -> line.contains("failed: permission denied")), run.err());
    assertEquals(List.of("a.jpg"), Program.files(copies));
    assertEquals("older copy", Files.readString(copies.resolve("a.jpg")));
  }

  @Test
  @DisplayName("where a folder is wanted and a file is, or a file and a folder is, the image fails and says so")
  void inTheWay() throws Exception {
    for (String name : List.of("sub/a.jpg", "b.jpg", "c.jpg")) {
      Pictures.write(images.resolve(name));
    }
    Files.createDirectories(copies.resolve("b.jpg/full"));
    Files.writeString(copies.resolve("sub"), "a file");
    Program.Result run = Program.run(folder, "-r");
    assertEquals(1, run.status(), run.err());
    assertTrue(run.out().startsWith("3 images (1 compressed, 0 kept, 0 skipped, 2 failed), "), run.out());
    String errors = String.join("\n", run.messages("ERROR"));
    assertTrue(errors.matches("(?s).*b\\.jpg failed: [^\n]*a folder [^\n]*COMPRESSED_IMAGES/b\\.jpg.*"), errors);
    assertTrue(errors.matches("(?s).*sub/a\\.jpg failed: [^\n]*a file [^\n]*COMPRESSED_IMAGES/sub.*"), errors);
    assertEquals(List.of("c.jpg", "sub"), Program.files(copies));
    assertEquals("a file", Files.readString(copies.resolve("sub")));
  }

  @Test
  @DisplayName("a destination that is a link to nowhere fails and says so")
  void danglingDestination() throws Exception {
    Pictures.write(images.resolve("a.jpg"));
    Files.createSymbolicLink(copies, Path.of("nowhere"));
    Program.Result run = Program.run(folder);
    assertTrue(run.status() != 0);
    assertTrue(run.err().contains("DESTINATION is not a folder: COMPRESSED_IMAGES"), run.err());
  }

  // Sources that vanish and change.

  @ParameterizedTest(name = "engine {0}")
  @EnumSource
  @DisplayName("a source that vanishes while the run goes on fails by its name, the others are done")
  void vanishes(Compress.Engine engine) throws Exception {
    byte[] jpeg = Pictures.jpeg(Pictures.picture(600, 400, 1, 7), 0.95f);
    Files.createDirectory(images);
    for (int i = 10; i < 50; i++) {
      Files.write(images.resolve(i + ".jpg"), jpeg);
    }
    Thread thief = Thread.startVirtualThread(() -> {
      try {
        while (!Files.exists(copies.resolve("10.jpg"))) {
          Thread.sleep(1);
        }
        Files.delete(images.resolve("49.jpg"));
      } catch (IOException | InterruptedException e) {
        throw new AssertionError(e);
      }
    });
    Program.Result run = Program.run(folder, "-m", "sequential", "--engine=" + engine);
    thief.join();
    assertEquals(1, run.status(), run.err());
    assertTrue(run.out().startsWith("40 images (39 compressed, 0 kept, 0 skipped, 1 failed), "), run.out());
    assertTrue(run.messages("ERROR").getFirst().matches(".* 49\\.jpg failed: no such file: .*"), run.err());
    assertEquals(39, Program.files(copies).size());
  }

  @Test
  @DisplayName("a source that changes now and then is read whole; one that never stops changing fails")
  void changes() throws Exception {
    ImageFile image = new ImageFile(folder.resolve("changing.jpg"), null, null);
    try (Changer changer = new Changer(image.image(), false)) {
      readWhole(image, 2);
      changer.pause = 10;
      Thread.sleep(250); // until the last long pause is over
      JpegException problem = assertThrows(JpegException.class, image::read);
      assertEquals("it changes while it is read", problem.getMessage());
    }
  }

  @Test
  @DisplayName("so it is on a file system that notes whole seconds")
  void changesByTheSecond() throws Exception {
    ImageFile image = new ImageFile(folder.resolve("changing.jpg"), null, null);
    try (Changer changer = new Changer(image.image(), true)) {
      readWhole(image, 5);
    }
  }

  private static void readWhole(ImageFile image, int seconds) throws Exception {
    long end = System.nanoTime() + seconds * 1_000_000_000L;
    for (int i = 1; System.nanoTime() < end; i++) {
      byte[] read = image.read().bytes();
      assertTrue(read.length == Changer.LENGTH && read[0] == read[read.length - 1], "torn: number " + i);
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
            FileTime time = Files.getLastModifiedTime(file);
            Files.setLastModifiedTime(file, FileTime.from(time.toInstant().truncatedTo(ChronoUnit.SECONDS)));
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
    for (String access : List.of("rw-------", "rw-r--r--", "r--r-----", "rwxr-x---")) {
      Files.setPosixFilePermissions(
          Pictures.write(images.resolve(access + ".jpg")), PosixFilePermissions.fromString(access));
    }
    Program.Result run = Program.run(folder, "", List.of("sh", "-c", "umask 022; exec "
        + Program.quoted(Program.command())));
    assertEquals(0, run.status(), run.err());
    for (String access : List.of("rw-------", "rw-r--r--", "r--r-----", "rwxr-x---")) {
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
      Program.Result run = Program.run(folder, "-r");
      assertEquals(0, run.status(), run.err());
      assertTrue(run.messages("WARN").stream().anyMatch(line -> line.contains("up leads back")), run.err());
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
    if (Program.succeeds(List.of("mkfifo", work.resolve("fifo.jpg").toString()))) {
      strange.add("fifo.jpg");
    }
    List<String> command = new ArrayList<>(List.of("timeout", "20"));
    command.addAll(Program.command("--files-from=-"));
    String list = String.join("\n", strange) + "\nIMAGES/a.jpg\n../outside.jpg\n";
    Program.Result run = Program.run(work, list, command);
    assertEquals(1, run.status(), run.err());
    assertTrue(run.out().startsWith((strange.size() + 2) + " images (2 compressed, 0 kept, 0 skipped, " + strange.size()
        + " failed), "), run.out() + run.err());
    assertEquals(strange.size(), run.messages("ERROR").size(), run.err());
    for (String error : run.messages("ERROR")) {
      assertTrue(error.matches("(?s)\\[\\d+/\\d+] .* failed: .*[a-z].*") && !error.contains("Exception"), error);
    }
    assertEquals(List.of("a.jpg", "outside.jpg"), Program.files(work.resolve("COMPRESSED_IMAGES")));
    assertArrayEquals(outside, Files.readAllBytes(folder.resolve("outside.jpg")));
  }
}
