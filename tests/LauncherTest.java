// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Starts Compress by .jbang/jbang, in a copy of the project that is no clone of git's, with a home of its own. */
@DisplayName("The launcher")
class LauncherTest {
  @TempDir static Path folder;
  private static Path home; // has JBang and the libraries
  private static Path only; // a PATH before the others, with a JBang that only says that it was started
  private static Path project;
  private static final List<Process> starts = new ArrayList<>();

  @BeforeAll
  static void copies() throws Exception {
    assumeTrue(Files.isExecutable(Path.of("/bin/sh")), "it is a script of sh");
    home = Files.createDirectory(folder.resolve("home"));
    Program.run(home, "", List.of("sh", "-c", """
        mkdir -p .cache .jbang/cache
        cp -R "${XDG_CACHE_HOME:-$HOME/.cache}"/compress-jbang-*[0-9] .cache
        cp -R "$HOME/.jbang/bin" .jbang
        cp "${JBANG_CACHE_DIR:-${JBANG_DIR:-$HOME/.jbang}/cache}/dependency_cache.json" .jbang/cache"""));
    only = Files.createDirectory(folder.resolve("path"));
    Files.writeString(only.resolve("jbang"), "#!/bin/sh\necho JBang\n");
    assertTrue(only.resolve("jbang").toFile().setExecutable(true));
    project = project("it's a \"clone\" of $HOME");
    List<Path> clones = List.of(project, project("other"), project);
    for (int i = 0; i < clones.size(); i++) { // one of them builds, or one for each clone
      starts.add(new ProcessBuilder(command(home, "IMAGES", "Small-" + i)).directory(clones.get(i).toFile())
          .redirectErrorStream(true).redirectOutput(folder.resolve("start-" + i).toFile()).start());
    }
    for (Process start : starts) { start.waitFor(); }
  }

  @BeforeEach
  void forget() throws Exception {
    Files.deleteIfExists(remembered());
  }

  @Test
  @DisplayName("builds for clones that start at once, and more than once each, on a cold cache")
  void startsAtOnce() throws Exception {
    for (int i = 0; i < starts.size(); i++) {
      String log = Files.readString(folder.resolve("start-" + i));
      assertEquals(0, starts.get(i).exitValue(), log);
      assertTrue(log.contains("1 image, "), log);
    }
  }

  private static Path project(String name) throws Exception {
    Path project = Files.createDirectories(folder.resolve(name).resolve(".jbang")).getParent();
    for (String file : List.of("Compress.java", ".jbang/jbang", ".jbang/pom.xml")) {
      Files.copy(Program.project().resolve(file), project.resolve(file), StandardCopyOption.COPY_ATTRIBUTES);
    }
    Pictures.write(project.resolve("IMAGES/beach.jpg"));
    return project;
  }

  private static Path remembered() throws Exception {
    List<String> files = Program.files(home.resolve(".cache"));
    return home.resolve(".cache").resolve(
        files.stream().filter(name -> name.endsWith(".command")).findFirst().orElse("none"));
  }

  /** The command that starts Compress in that home. */
  private static List<String> command(Path home, String... arguments) {
    List<String> command = new ArrayList<>(List.of("env", "-u", "XDG_CACHE_HOME", "-u", "JBANG_CACHE_DIR",
        "HOME=" + home, "JBANG_DIR=" + home.resolve(".jbang"), "JAVA_HOME=" + System.getProperty("java.home"),
        "./.jbang/jbang", "Compress.java"));
    command.addAll(List.of(arguments));
    return command;
  }

  private static Program.Result start() throws Exception {
    return Program.run(project, "", command(home, "IMAGES", "Small"));
  }

  /** A start that would show whether JBang was started. */
  private static Program.Result startWithOtherJBang() throws Exception {
    List<String> command = command(home, "IMAGES", "Small");
    command.add(command.indexOf("./.jbang/jbang"), "PATH=" + only + File.pathSeparator + System.getenv("PATH"));
    return Program.run(project, "", command);
  }

  @Test
  @DisplayName("goes without JBang, once that has built, while neither Compress.java nor its jars change")
  void nextStarts() throws Exception {
    startWithOtherJBang().expect(0, "JBang");
    start().expect(0, "1 image, ");
    startWithOtherJBang().expect(0, "1 image, ", "thread"); // the log is there, too
    String command = Files.readString(remembered());

    Files.writeString(project.resolve("Compress.java"), "// changed\n", StandardOpenOption.APPEND);
    startWithOtherJBang().expect(0, "JBang");
    Files.copy(Program.project().resolve("Compress.java"), project.resolve("Compress.java"),
        StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.COPY_ATTRIBUTES);
    startWithOtherJBang().expect(0, "1 image, ");
    Files.writeString(remembered(), command.replaceFirst("\\.jar:", ".gone.jar:"));
    startWithOtherJBang().expect(0, "JBang");
    Files.writeString(remembered(), command.substring(0, command.length() / 2)); // damaged
    startWithOtherJBang().expect(0, "JBang");
    start().expect(0, "1 image, ");
    startWithOtherJBang().expect(0, "1 image, ");
  }

  @Test
  @DisplayName("passes every argument as it is, empty ones too, at the first start and the next")
  void emptyArgument() throws Exception {
    for (int i = 0; i < 2; i++) {
      Program.run(project, "", command(home, "")).expect(2, "", "is empty");
      Program.run(project, "", command(home, "it's \"$HOME\" *")).expect(2, "", "it's \"$HOME\" *");
    }
  }

  @Test
  @DisplayName("keeps no archive that could be damaged, and leaves nothing but the copies in the project")
  void keepsNoArchive() throws Exception {
    start().expect(0, "1 image, ");
    assertEquals(List.of(),
        Program.files(home).stream().filter(name -> name.matches(".*\\.(jsa|aot).*")).toList());
    assertEquals(List.of("Compress.java", "IMAGES", "Small"), List.of(project.toFile()
        .list((in, name) -> !name.matches("\\..*|Small-\\d"))).stream().sorted().toList());
  }

  @Test
  @DisplayName("works where its home is read-only, as on the nodes of some clusters")
  void readOnlyHome() throws Exception {
    Path readOnly = folder.resolve("read-only");
    Program.run(folder, "", List.of("cp", "-R", home.toString(), readOnly.toString())).expect(0, "");
    Program.run(folder, "", List.of("chmod", "-R", "a-w", readOnly.toString())).expect(0, "");
    try {
      List<String> command = Program.withoutPrivileges(command(readOnly, "IMAGES", "Small"));
      Program.run(project, "", command).expect(0, "1 image, ");
      assertEquals(Program.files(home), Program.files(readOnly));
    } finally {
      Program.run(folder, "", List.of("chmod", "-R", "u+w", readOnly.toString()));
    }
  }

  @Test
  @DisplayName("says what to do where its home is cold and cannot be written to")
  void nowhereToWrite() throws Exception {
    assumeTrue(Files.isDirectory(Path.of("/proc")), "not Linux");
    List<String> command = new ArrayList<>(List.of("env", "PATH=/usr/bin:/bin")); // without an installed JBang
    command.addAll(command(Path.of("/proc/nowhere"), "IMAGES", "Small"));
    Program.run(project, "", command).expect(1, "", "cannot write to /proc/nowhere/.cache: set XDG_CACHE_HOME");
  }
}
