// SPDX-License-Identifier: MIT
import static org.junit.jupiter.api.Assertions.*;

import java.nio.file.*;
import java.util.List;
import org.junit.jupiter.api.*;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("The classroom: --compare and --timeline")
class ClassroomTest {
  @TempDir Path folder;

  private void images(int count) throws Exception {
    for (int i = 1; i <= count; i++) { Pictures.write(folder.resolve(String.format("IMAGES/picture%02d.jpg", i))); }
  }

  /** What Compress prints of so many images, to an output of this encoding. */
  private String printed(int images, String encoding, String... options) throws Exception {
    images(images);
    List<String> command = Program.java(List.of("-Dstdout.encoding=" + encoding), options);
    return Program.run(folder, "", command).expect(0, "").out();
  }

  /** The rows of a timeline, one for each image. */
  static List<String> rows(String chart) {
    return chart.lines().filter(line -> line.startsWith("image-") || line.startsWith("main ")).toList();
  }

  @Test
  @DisplayName("--compare prints a table of the three modes, with a quiet log, and the images are compressed")
  void compare() throws Exception {
    images(4);
    Program.Result result = Program.run(folder, "--compare").expect(0, "", "round 3 of 3: virtual");
    assertLinesMatch("""
        mode        threads  seconds  speed-up  cores
        sequential        1 +\\d+\\.\\d{3}      1\\.00 +\\d+\\.\\d\\d
        platform          4 +\\d+\\.\\d{3} +\\d+\\.\\d\\d +\\d+\\.\\d\\d
        virtual           4 +\\d+\\.\\d{3} +\\d+\\.\\d\\d +\\d+\\.\\d\\d
        Medians of 3 rounds over 4 images on .*
        """.lines(), result.out().lines().filter(line -> !line.startsWith("Something else keeps this machine busy")));
    assertEquals(List.of(), result.log(), "the log is quiet");
    assertEquals("warming up: sequential", result.err().lines().findFirst().orElse(""));
    assertEquals(Program.files(folder.resolve("IMAGES")), Program.files(folder.resolve("COMPRESSED_IMAGES")));
  }

  @Test
  @DisplayName("--compare of images that fail compares nothing, says so, and exits with 1")
  void compareFailing() throws Exception {
    images(1);
    Files.writeString(folder.resolve("IMAGES/broken.jpg"), "not a JPEG");
    Program.Result result = Program.run(folder, "--compare");
    assertEquals("", result.expect(1, "", "broken.jpg failed: not a JPEG", "nothing to compare").out());
  }

  @Test
  @DisplayName("--timeline draws a row for each image, waiting and working, on one axis; where it must, in ASCII")
  void timeline() throws Exception {
    String chart = printed(5, "US-ASCII", "--timeline", "--threads=1");
    assertLinesMatch("""
        5 images, .*

        virtual
        image-1  picture01\\.jpg \\.*#+
        image-2  picture02\\.jpg \\.*#+
        image-3  picture03\\.jpg \\.*#+
        image-4  picture04\\.jpg \\.*#+
        image-5  picture05\\.jpg \\.*#+
         +0 s( +[\\d.]+ s)+
         +\\. waiting  # working
        """.lines(), chart.lines());
    List<String> rows = rows(chart);
    assertTrue(rows.stream().allMatch(row -> row.length() <= 100), chart);
    assertTrue(rows.get(4).indexOf('#') > rows.get(0).indexOf('#'), chart);
  }

  @Test
  @DisplayName("--timeline of more images than rows shows the slowest and says so, in blocks where it can")
  void timelineOfMany() throws Exception {
    String chart = printed(30, "UTF-8", "--timeline");
    assertTrue(chart.contains("virtual: the 24 slowest of 30 images"), chart);
    assertEquals(24, rows(chart).size());
    assertTrue(chart.contains("░ waiting  █ working"), chart);
  }

  @Test
  @DisplayName("--compare --timeline draws the three modes on one scale")
  void compareTimeline() throws Exception {
    String chart = printed(3, "US-ASCII", "--compare", "--timeline");
    List<String> rows = rows(chart);
    assertEquals(9, rows.size(), chart);
    assertTrue(rows.subList(0, 3).stream().allMatch(row -> row.startsWith("main     picture0")), chart);
    assertTrue(rows.subList(3, 9).stream().allMatch(row -> row.startsWith("image-")), chart);
    List<String> axes = chart.lines().filter(line -> line.matches(" +0 s .*")).toList();
    assertEquals(List.of(axes.get(0), axes.get(0), axes.get(0)), axes);
  }

  @Test
  @DisplayName("colour on a terminal only, as wide as the terminal, and never with NO_COLOR")
  void colour() throws Exception {
    Program.assumeTerminal();
    images(2);
    assertFalse(Program.run(folder, "--timeline").out().contains("\u001b["), "no terminal");
    String coloured = onTerminal("-u NO_COLOR");
    assertTrue(coloured.contains("\u001b[32m"), coloured);
    List<String> rows = rows(coloured.replaceAll("\u001b\\[[?\\d]*[a-zA-Z]", ""));
    assertEquals(2, rows.size(), coloured);
    for (String row : rows) { assertTrue(row.length() <= 60, row); }
    assertEquals(5, coloured.split("\n\u001b\\[\\?7l").length - 1, "not cut where it is narrower: " + coloured);
    String plain = onTerminal("NO_COLOR=1");
    assertEquals(2, rows(plain).size(), plain);
    assertFalse(plain.contains("\u001b["), plain);
  }

  /** What --timeline prints on a terminal of 60 columns, with this change of the environment. */
  private String onTerminal(String change) throws Exception {
    String compress = Program.quoted(Program.command("--timeline"));
    String command = "stty cols 60; env " + change + " TERM=xterm " + compress + " 2>/dev/null";
    return Program.run(folder, "", List.of("script", "-qec", command, "/dev/null")).out();
  }
}
