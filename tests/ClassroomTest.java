// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("The classroom: --compare and --timeline")
class ClassroomTest {
  private static final String ASCII = "-Dstdout.encoding=US-ASCII";

  @TempDir Path folder;

  private void images(int count) throws Exception {
    for (int i = 1; i <= count; i++) {
      Pictures.write(folder.resolve(String.format("IMAGES/picture%02d.jpg", i)));
    }
  }

  private static List<String> rows(String chart) {
    return chart.lines().filter(line -> line.startsWith("image-") || line.startsWith("main ")).toList();
  }

  @Test
  @DisplayName("--compare prints a table of the three modes, with a quiet log, and the images are compressed")
  void compare() throws Exception {
    images(4);
    Program.Result result = Program.run(folder, "--compare");
    assertEquals(0, result.status(), result.err());
    List<String> lines = result.out().lines().toList();
    assertEquals("mode        threads  seconds  speed-up", lines.get(0));
    assertTrue(lines.get(1).matches("sequential        1 +\\d+\\.\\d{3}      1\\.00"), lines.get(1));
    assertTrue(lines.get(2).matches("platform          4 +\\d+\\.\\d{3} +\\d+\\.\\d\\d"), lines.get(2));
    assertTrue(lines.get(3).matches("virtual           4 +\\d+\\.\\d{3} +\\d+\\.\\d\\d"), lines.get(3));
    assertTrue(lines.get(4).startsWith("Medians of 3 rounds over 4 images on "), lines.get(4));
    assertEquals(List.of(), result.log(), "the log is quiet");
    assertEquals("warming up: sequential", result.err().lines().findFirst().orElse(""));
    assertTrue(result.err().contains("round 3 of 3: virtual"), result.err());
    assertEquals(Program.files(folder.resolve("IMAGES")), Program.files(folder.resolve("COMPRESSED_IMAGES")));
  }

  @Test
  @DisplayName("--compare of images that fail compares nothing, says so, and exits with 1")
  void compareFailing() throws Exception {
    images(1);
    Files.writeString(folder.resolve("IMAGES/broken.jpg"), "not a JPEG");
    Program.Result result = Program.run(folder, "--compare");
    assertEquals(1, result.status());
    assertTrue(result.err().contains("broken.jpg failed: not a JPEG"), result.err());
    assertTrue(result.err().contains("nothing to compare"), result.err());
    assertEquals("", result.out());
  }

  @Test
  @DisplayName("--timeline draws a row for each image, waiting and working, on one axis")
  void timeline() throws Exception {
    images(5);
    Program.Result result = Program.run(folder, "", Program.java(List.of(ASCII), "--timeline", "--threads=1"));
    assertEquals(0, result.status(), result.err());
    List<String> rows = rows(result.out());
    assertEquals(5, rows.size(), result.out());
    for (int i = 0; i < 5; i++) {
      assertTrue(rows.get(i).matches("image-" + (i + 1) + "  picture0" + (i + 1) + "\\.jpg \\.*#+"), rows.get(i));
      assertTrue(rows.get(i).length() <= 100, rows.get(i));
    }
    assertTrue(rows.get(4).indexOf('#') > rows.get(0).indexOf('#'), result.out());
    assertTrue(result.out().contains(". waiting  # working"), result.out());
    assertTrue(result.out().lines().anyMatch(line -> line.matches(" +0 s( +[\\d.]+ s)+")), result.out());
  }

  @Test
  @DisplayName("--timeline of more images than rows shows the slowest and says so")
  void timelineOfMany() throws Exception {
    images(30);
    Program.Result result = Program.run(folder, "", Program.java(List.of(ASCII), "--timeline"));
    assertTrue(result.out().contains("virtual: the 24 slowest of 30 images"), result.out());
    assertEquals(24, rows(result.out()).size());
  }

  @Test
  @DisplayName("--compare --timeline draws the three modes on one scale")
  void compareTimeline() throws Exception {
    images(3);
    Program.Result result = Program.run(folder, "", Program.java(List.of(ASCII), "--compare", "--timeline"));
    List<String> rows = rows(result.out());
    assertEquals(9, rows.size(), result.out());
    assertTrue(rows.subList(0, 3).stream().allMatch(row -> row.startsWith("main     picture0")), result.out());
    assertTrue(rows.subList(3, 9).stream().allMatch(row -> row.startsWith("image-")), result.out());
    List<String> axes = result.out().lines().filter(line -> line.matches(" +0 s .*")).toList();
    assertEquals(List.of(axes.get(0), axes.get(0), axes.get(0)), axes);
  }

  @Test
  @DisplayName("blocks where the output is UTF-8, plain ASCII elsewhere")
  void blocksOrAscii() throws Exception {
    images(1);
    String blocks = Program.run(folder, "", Program.java(List.of("-Dstdout.encoding=UTF-8"), "--timeline")).out();
    assertTrue(blocks.contains("░ waiting  █ working"), blocks);
    String ascii = Program.run(folder, "", Program.java(List.of(ASCII), "--timeline")).out();
    assertTrue(ascii.chars().allMatch(c -> c < 128), ascii);
  }

  @Test
  @DisplayName("colour on a terminal only, as wide as the terminal, and never with NO_COLOR")
  void colour() throws Exception {
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/script")), "script makes the terminal");
    images(2);
    assertFalse(Program.run(folder, "--timeline").out().contains("\u001b["), "no terminal");
    String command = "stty cols 60; " + Program.quoted(Program.command("--timeline")) + " 2>/dev/null";
    List<String> terminal = new ArrayList<>(List.of("env", "-u", "NO_COLOR", "TERM=xterm",
        "script", "-qec", command, "/dev/null"));
    String coloured = Program.run(folder, "", terminal).out();
    assertTrue(coloured.contains("\u001b[32m"), coloured);
    for (String row : rows(coloured)) {
      assertTrue(row.replaceAll("\u001b\\[\\d+m", "").length() <= 60, row);
    }
    terminal.add(1, "NO_COLOR=1");
    terminal.subList(2, 4).clear();
    String plain = Program.run(folder, "", terminal).out();
    assertEquals(2, rows(plain).size(), plain);
    assertFalse(plain.contains("\u001b["), plain);
  }
}
