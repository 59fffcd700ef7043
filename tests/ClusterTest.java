// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.*;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.*;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

/** README's "On many machines": its lines are taken from there, and run. */
class ClusterTest {
  private static final Path PROJECT = Program.project();
  private static final int IMAGES = 16;

  @TempDir static Path shared; // holds Pictures, the copies of a single run in Single, and compress.jar

  @TempDir Path folder;

  @BeforeAll
  static void makesWhatIsShared() throws Exception {
    for (int i = 0; i < IMAGES; i++) {
      Path original = PROJECT.resolve("IMAGES").resolve(List.of("harbour.jpg", "mountains.jpg").get(i % 2));
      Files.copy(original, Files.createDirectories(shared.resolve("Pictures")).resolve("image-" + i + ".jpg"));
    }
    Program.run(shared, "Pictures", "Single").expect(0, IMAGES + " images, ");
    String export = block("./.jbang/jbang export fatjar");
    export = export.replace("-O compress.jar", "-O '" + shared.resolve("compress.jar") + "'");
    output(PROJECT, Map.of(), shared.resolve("export"), "sh", "-c", export);
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

    String log = output(folder, task, folder.resolve("next"), "bash", "compress.sbatch", "Pictures", "Small");
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

      String sbatch = block("\nsbatch ").lines().skip(1).findFirst().orElseThrow();
      slurm(cluster, sbatch.replace("0-7", "0-3").split(" "));
      Path log = folder.resolve("compress-1_0.log");
      await("the first copy", () -> Files.exists(log) && read(log).contains(" [1/4] "));
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
      start(folder, cluster, slurm.resolve("scancel"), "timeout", "5", "scancel", "--user=root").waitFor();
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
    new SecureRandom().nextBytes(key);
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
    Program.run(folder, "", List.of("cp", "-rl", shared + "/Pictures", shared + "/compress.jar", ".")).expect(0, "");
    Files.writeString(folder.resolve("compress.sbatch"), block("\n#SBATCH"));
    String split = block("\nsbatch ").lines().findFirst().orElseThrow();
    output(folder, Map.of(), folder.resolve("split"), "sh", "-c", split.replace("r/8", "r/" + lists));
  }

  private void assertSameAsSingleRun() throws Exception {
    Program.run(folder, "", List.of("diff", "-r", shared + "/Single", "Small")).expect(0, ""); // hidden ones too
  }

  private long copies() throws IOException {
    return Program.files(folder.resolve("Small")).stream().filter(copy -> !copy.startsWith(".")).count();
  }

  /** The block of code in README that has this in it. */
  private static String block(String part) throws IOException {
    String readme = Files.readString(PROJECT.resolve("README.md"));
    return Stream.of(readme.split("\n```.*\n")).filter(text -> text.contains(part)).findFirst().orElseThrow() + "\n";
  }

  private String slurm(Map<String, String> cluster, String... command) throws Exception {
    return output(folder, cluster, folder.resolve("slurm/command.out"), command);
  }

  /** Runs a command to its end, which must be a success, and returns what it printed. */
  private static String output(Path where, Map<String, String> variables, Path out, String... command)
      throws Exception {
    return printed(start(where, variables, out, command), out);
  }

  private static String printed(Process process, Path out) throws Exception {
    assertTrue(process.waitFor(2, TimeUnit.MINUTES), "still running after two minutes");
    assertEquals(0, process.exitValue(), () -> out + ":\n" + read(out));
    return read(out);
  }

  /** Starts a command on this Java, with these variables more; all its output goes to this file. */
  private static Process start(Path where, Map<String, String> variables, Path out, String... command)
      throws IOException {
    ProcessBuilder builder = new ProcessBuilder(command).directory(where.toFile()).redirectErrorStream(true)
        .redirectOutput(out.toFile());
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    builder.environment().putAll(variables);
    return builder.start();
  }

  private static String read(Path file) { return assertDoesNotThrow(() -> Files.readString(file)); }

  private static void await(String what, Callable<Boolean> condition) throws Exception {
    for (long end = System.nanoTime() + 60_000_000_000L; !condition.call(); Thread.sleep(50)) {
      assertTrue(System.nanoTime() < end, "still waiting for " + what);
    }
  }
}
