// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Many starts at once, and README's "On many machines": its lines are taken from there, and run. */
class ClusterTest {
  private static final Path PROJECT = Program.project();
  private static final int IMAGES = 24;

  @TempDir static Path shared; // holds Pictures, the copies of a single run in Single, compress.jar and cold
  private static final List<Program.Result> STARTS = new ArrayList<>();

  @TempDir Path folder;

  @BeforeAll
  static void startsAtOnceThenMakesTheJar() throws Exception {
    for (int i = 0; i < IMAGES; i++) {
      Path original = PROJECT.resolve("IMAGES").resolve(List.of("harbour.jpg", "mountains.jpg").get(i % 2));
      Files.copy(original, Files.createDirectories(shared.resolve("Pictures")).resolve("image-" + i + ".jpg"));
    }
    Program.run(shared, "Pictures", "Single");

    // A cache without jars, but with what JBang knows of the libraries, so that it needs no network.
    Path cold = Files.createDirectories(shared.resolve("cold/cache"));
    String jbang = System.getenv().getOrDefault("JBANG_DIR", System.getProperty("user.home") + "/.jbang");
    Path known = Path.of(System.getenv().getOrDefault("JBANG_CACHE_DIR", jbang + "/cache"), "dependency_cache.json");
    if (Files.exists(known)) { Files.copy(known, cold.resolve(known.getFileName())); }
    Map<String, String> here = Map.of("JBANG_DIR", cold.getParent().toString(), "JBANG_CACHE_DIR", cold.toString());
    List<Process> starts = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      starts.add(start(PROJECT, here, shared.resolve("start-" + i), "./.jbang/jbang", "Compress.java", "-V"));
    }
    for (Process start : starts) {
      STARTS.add(new Program.Result(ended(start), read(shared.resolve("start-" + STARTS.size())), ""));
    }
    String export = block(text -> text.startsWith("./.jbang/jbang export fatjar"));
    export = export.replace("-O compress.jar", "-O '" + shared.resolve("compress.jar") + "'");
    int status = ended(start(PROJECT, here, shared.resolve("export"), "sh", "-c", export));
    assertEquals(0, status, () -> read(shared.resolve("export")));
  }

  @Test
  void startsAtOnceOnANewMachineAllSucceed() {
    for (Program.Result start : STARTS) {
      assertEquals(0, start.status(), start.out());
      assertTrue(start.out().contains("Compress 1."), start.out());
    }
  }

  @Test
  void taskThatIsKilledIsFinishedByTheNext() throws Exception {
    prepare(1);
    Map<String, String> task = Map.of("SLURM_ARRAY_TASK_ID", "0", "SLURM_CPUS_PER_TASK", "1");
    Process killed = start(folder, task, folder.resolve("log"), "bash", "compress.sbatch", "Pictures", "Small");
    await("the first copies", () -> copies() >= 3);
    killed.destroyForcibly().waitFor(); // Java's own process: the job file ends with exec
    long before = copies();
    assertTrue(before < IMAGES, "killed too late");

    int status = ended(start(folder, task, folder.resolve("log"), "bash", "compress.sbatch", "Pictures", "Small"));
    assertEquals(0, status, () -> read(folder.resolve("log")));
    String log = read(folder.resolve("log"));
    assertTrue(log.contains("(%d compressed, 0 kept, %d skipped, 0 failed)".formatted(IMAGES - before, before)), log);
    assertSameAsSingleRun();
  }

  @Test
  void arrayOnSlurmWithATaskRequeued() throws Exception {
    assumeTrue(System.getProperty("user.name").equals("root"), "only root can start a cluster");
    for (String tool : List.of("slurmctld", "slurmd", "munged")) {
      assumeTrue(Program.succeeds(List.of("sh", "-c", "command -v " + tool)), tool + " is not installed");
    }
    prepare(4);
    Path slurm = Files.createDirectory(folder.resolve("slurm"));
    Map<String, String> cluster = Map.of("SLURM_CONF", configure(slurm).toString());
    List<Process> daemons = new ArrayList<>();
    try {
      daemons.add(start(slurm, cluster, slurm.resolve("munged.out"), "munged", "--foreground", "--force",
          "--key-file=" + slurm.resolve("key"), "--socket=" + slurm.resolve("socket"), "--seed-file=seed",
          "--pid-file=" + slurm.resolve("munged.pid"), "--log-file=" + slurm.resolve("munged.log")));
      await("munged", () -> Files.exists(slurm.resolve("socket")));
      daemons.add(start(slurm, cluster, slurm.resolve("slurmctld.out"), "slurmctld", "-D", "-c"));
      for (String node : List.of("n1", "n2")) {
        Files.createDirectory(slurm.resolve(node));
        daemons.add(start(slurm, cluster, slurm.resolve(node + ".out"), "slurmd", "-D", "-N", node));
      }
      await("two nodes", () -> slurm(cluster, "sinfo", "-h", "-N", "-t", "idle").lines().count() == 2);

      String sbatch = block(text -> text.contains("\nsbatch ")).lines().skip(1).findFirst().orElseThrow();
      slurm(cluster, sbatch.replace("0-7", "0-3").split(" "));
      Path log = folder.resolve("compress-1_0.log");
      await("the first copy", () -> Files.exists(log) && read(log).contains(" [1/6] "));
      slurm(cluster, "scontrol", "requeue", "1_0");
      await("its end", () -> slurm(cluster, "squeue", "-h", "-r", "-j", "1_0", "-o", "%T").startsWith("PENDING"));
      // Slurm would wait two minutes, for what is left of the first start to go: three seconds are enough here.
      slurm(cluster, "scontrol", "update", "jobid=1_0", "StartTime=now+3");
      await("the end", () -> slurm(cluster, "squeue", "-h").isBlank());

      List<String> tasks = slurm(cluster, "scontrol", "-o", "show", "job", "1").lines().toList();
      assertEquals(4, tasks.size(), tasks::toString);
      for (String task : tasks) {
        assertTrue(task.contains(" JobState=COMPLETED "), () -> task + read(log));
        assertTrue(task.contains(task.contains(" ArrayTaskId=0 ") ? " Restarts=1 " : " Restarts=0 "), task);
      }
      assertTrue(read(log).contains(" skipped, 0 failed)"), read(log));
      assertSameAsSingleRun();
    } finally {
      ended(start(folder, cluster, slurm.resolve("scancel"), "timeout", "5", "scancel", "--user=root"));
      for (Process daemon : daemons.reversed()) {
        daemon.destroy();
        daemon = daemon.waitFor(5, TimeUnit.SECONDS) ? daemon : daemon.destroyForcibly();
        daemon.waitFor();
      }
    }
  }

  /** Writes the configuration of a cluster of two nodes on the loopback interface; returns its path. */
  private static Path configure(Path slurm) throws IOException {
    byte[] key = new byte[1024];
    new java.security.SecureRandom().nextBytes(key);
    Files.write(slurm.resolve("key"), key);
    Files.setPosixFilePermissions(slurm.resolve("key"), PosixFilePermissions.fromString("rw-------"));
    String host = InetAddress.getLocalHost().getHostName().replaceFirst("\\..*", "");
    return Files.writeString(slurm.resolve("slurm.conf"), """
        ClusterName=test
        SlurmctldHost=localhost(127.0.0.1)
        SlurmctldPort=%d
        SlurmUser=root
        SlurmdUser=root
        AuthType=auth/munge
        AuthInfo=socket=HERE/socket
        CredType=cred/munge
        StateSaveLocation=HERE
        SlurmdSpoolDir=HERE/%%n
        SlurmctldPidFile=HERE/slurmctld.pid
        SlurmdPidFile=HERE/slurmd-%%n.pid
        ProctrackType=proctrack/linuxproc
        TaskPlugin=task/none
        MpiDefault=none
        PlugStackConfig=/dev/null
        SelectType=select/cons_tres
        SelectTypeParameters=CR_Core_Memory
        SchedulerParameters=batch_sched_delay=0,sched_interval=1
        NodeName=n1 NodeAddr=127.0.0.1 NodeHostname=%s Port=%d CPUs=2 RealMemory=3000
        NodeName=n2 NodeAddr=127.0.0.1 NodeHostname=%s Port=%d CPUs=2 RealMemory=3000
        PartitionName=all Nodes=n1,n2 Default=YES State=UP
        """.replace("HERE", slurm.toString()).formatted(freePort(), host, freePort(), host, freePort()));
  }

  private static int freePort() throws IOException {
    try (ServerSocket free = new ServerSocket(0)) {
      return free.getLocalPort();
    }
  }

  /** Lays out the folder that README speaks of: Pictures, compress.jar, compress.sbatch, and so many lists. */
  private void prepare(int lists) throws Exception {
    Files.createDirectory(folder.resolve("Pictures"));
    for (String name : Program.files(shared)) {
      if (name.startsWith("Pictures/") || name.equals("compress.jar")) {
        Files.createLink(folder.resolve(name), shared.resolve(name));
      }
    }
    Files.writeString(folder.resolve("compress.sbatch"), block(text -> text.contains("\n#SBATCH")));
    String split = block(text -> text.contains("\nsbatch ")).lines().findFirst().orElseThrow();
    split = split.replace("r/8", "r/" + lists);
    assertEquals(0, ended(start(folder, Map.of(), folder.resolve("split"), "sh", "-c", split)));
  }

  private void assertSameAsSingleRun() throws IOException {
    assertEquals(Program.files(shared.resolve("Single")), Program.files(folder.resolve("Small"))); // hidden ones too
    for (String copy : Program.files(folder.resolve("Small"))) {
      assertEquals(-1, Files.mismatch(shared.resolve("Single").resolve(copy), folder.resolve("Small").resolve(copy)));
    }
  }

  private long copies() throws IOException {
    return Program.files(folder.resolve("Small")).stream().filter(copy -> !copy.startsWith(".")).count();
  }

  /** The block of code in README that is so. */
  private static String block(Predicate<String> wanted) throws IOException {
    String readme = Files.readString(PROJECT.resolve("README.md"));
    return Stream.of(readme.split("\n```.*\n")).filter(wanted).findFirst().orElseThrow() + "\n";
  }

  /** What a command of Slurm prints; fails if it does. */
  private String slurm(Map<String, String> cluster, String... command) throws Exception {
    Path out = folder.resolve("slurm/command.out");
    Files.deleteIfExists(out);
    int status = ended(start(folder, cluster, out, command));
    assertEquals(0, status, () -> String.join(" ", command) + "\n" + read(out));
    return read(out);
  }

  /** Starts a command on this Java, with these variables more; all its output is appended to this file. */
  private static Process start(Path where, Map<String, String> variables, Path out, String... command)
      throws IOException {
    ProcessBuilder builder = new ProcessBuilder(command).directory(where.toFile()).redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(out.toFile()));
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    builder.environment().putAll(variables);
    return builder.start();
  }

  private static int ended(Process process) throws InterruptedException {
    assertTrue(process.waitFor(2, TimeUnit.MINUTES), "still running after two minutes");
    return process.exitValue();
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void await(String what, Callable<Boolean> condition) throws Exception {
    for (long end = System.nanoTime() + 60_000_000_000L; !condition.call(); Thread.sleep(50)) {
      assertTrue(System.nanoTime() < end, "still waiting for " + what);
    }
  }
}
