// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.awt.image.BufferedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

@DisplayName("The command line")
class OptionsTest {
  @TempDir Path folder;

  @ParameterizedTest(name = "{0}: {1}")
  @DisplayName("wrong usage says what is wrong in one line, exits with 2 and does nothing")
  @CsvSource(delimiter = '|', textBlock = """
      --quality=0              | --quality must be from 1 to 100, not 0
      --quality=101            | --quality must be from 1 to 100, not 101
      --quality=high           | Invalid value for option '--quality': 'high' is not an int
      -q                       | Missing required parameter for option '--quality' (1..100)
      --mode=fast              | expected one of [virtual, platform, sequential] (case-sensitive) but was 'fast'
      --threads=0              | --threads must be at least 1, not 0
      --threads=many           | Invalid value for option '--threads': 'many' is not an int
      --compare --update       | --compare compresses all images again and again: not with --update
      --recursive=maybe        | Invalid value for option '--recursive'
      --update=maybe           | Invalid value for option '--update'
      --files-from=nowhere.txt | --files-from: cannot read nowhere.txt
      --files-from=IMAGES      | --files-from: cannot read IMAGES
      --files-from=nowhere out | SOURCE is not there: out
      --report=no/report.html  | --report: there is another file, or no folder: no/report.html
      --report=IMAGES/new.jpg  | --report: the name must end in .html or .htm: IMAGES/new.jpg
      --report=IMAGES.html.txt | --report: the name must end in .html or .htm: IMAGES.html.txt
      --max-size=big           | is no size, as 500k or 2M is
      --max-size=1k -l         | --max-size lowers the quality: not with --lossless
      -l -s                    | --lossless changes nothing that is seen
      --lossless -q80          | --lossless changes nothing that is seen
      -l --engine=pixels       | --lossless changes nothing that is seen
      --threshold=100          | --threshold must be from 0 to less than 100, not 100.0
      --turbo                  | Unknown option: '--turbo'
      IMAGES out more          | SOURCE is not there: out
      IMAGES IMAGES/a.jpg      | DESTINATION is not a folder: IMAGES/a.jpg
      IMAGES IMAGES            | DESTINATION is SOURCE: the originals would be replaced
      IMAGES IMAGES/../IMAGES/ | DESTINATION is SOURCE: the originals would be replaced
      -r IMAGES .              | with --recursive SOURCE may not be inside DESTINATION
      """)
  void wrongUsage(String arguments, String message) throws Exception {
    Pictures.write(folder.resolve("IMAGES/a.jpg"));
    StringBuilder complaint = new StringBuilder();
    CommandLine command = new CommandLine(new Compress()).setParameterExceptionHandler((problem, all) -> {
      complaint.append(problem.getMessage());
      return 2;
    });
    // In this process: folders as the test has them, not as the command line says.
    String[] words = arguments.replaceAll("(?<![\\w/.-])(?=(IMAGES|out|\\.$))", folder + "/").split(" +");
    assertEquals(2, command.execute(words), complaint.toString());
    assertTrue(complaint.toString().replace(folder + "/", "").contains(message), complaint.toString());
    assertEquals(1, complaint.toString().lines().count(), complaint.toString());
    assertEquals(1, Program.files(folder).size());
  }

  @Test
  @DisplayName("it does so with the program's name in front, and how far a run is counts those that failed")
  void process() throws Exception {
    Program.Result wrong = Program.run(folder, "nowhere");
    assertEquals("2 Compress: SOURCE is not there: nowhere; see --help", wrong.status() + " " + wrong.err().strip());
    assertEquals("", wrong.out());
    Pictures.write(folder.resolve("IMAGES/a.jpg"));
    // Not in the table: if they were taken for this folder, it must not be the one that the tests run in.
    for (String[] names : new String[][] {{"IMAGES", ""}, {"", "out"}}) {
      Program.run(folder, names).expect(2, "", "SOURCE or DESTINATION is empty");
    }
    Files.write(folder.resolve("IMAGES/b.jpg"), new byte[9]);
    Pictures.write(folder.resolve("IMAGES/c.jpg"));
    String log = Program.run(folder, "-m", "sequential").err();
    assertTrue(log.contains("[1/3] a.jpg") && log.contains("[2/3] b.jpg failed") && log.contains("[3/3] c.jpg"), log);
  }

  @Test
  @DisplayName("--help names every option and the exit statuses, on standard output")
  void help() throws Exception {
    Program.Result result = Program.run(folder, "--help").expect(0, "");
    assertEquals("", result.err());
    for (String word : List.of("-q, --quality", "-m, --mode", "-t, --threads", "-r, --recursive", "-u, --update",
        "--copy-rest", "--files-from", "--report", "-n, --dry-run", "--quiet", "-h, --help", "-V, --version",
        "Exit status:", "SOURCE", "DESTINATION")) {
      assertTrue(result.out().contains(word), word);
    }
    assertTrue(result.out().lines().allMatch(line -> line.length() <= 100));
  }

  @Test
  @DisplayName("a report that cannot be written is a failure")
  void reportLost() throws Exception {
    Pictures.write(folder.resolve("IMAGES/a.jpg"));
    String closed = "exec " + Program.quoted(Program.command()) + " >&-";
    Program.Result result = Program.run(folder, "", List.of("sh", "-c", closed)).expect(1, "");
    assertTrue(result.err().endsWith("Compress: the report could not be written\n"), result.err());
    assertTrue(Files.exists(folder.resolve("COMPRESSED_IMAGES/a.jpg")));
  }

  @Test
  @DisplayName("--version names the program and the Java that runs it")
  void version() throws Exception {
    Program.run(folder, "--version").expect(0, "Compress 1.0, Java " + System.getProperty("java.version"));
  }

  @ParameterizedTest(name = "{0}")
  @DisplayName("--max-size: no copy is larger, each is nearly as large, in the best quality that is; what never fits says so")
  @ValueSource(strings = {"-s", "-k"})
  void maxSize(String option) throws Exception {
    byte[] busy = Pictures.jpeg(Pictures.picture(600, 400, BufferedImage.TYPE_3BYTE_BGR, 1), 0.95f);
    byte[] large = Pictures.jpeg(Pictures.picture(1200, 800, BufferedImage.TYPE_3BYTE_BGR, 1), 0.95f);
    Files.write(Files.createDirectories(folder.resolve("IMAGES")).resolve("a.jpg"), busy);
    Files.write(folder.resolve("IMAGES/b.jpg"), large);
    int size = busy.length / 2;
    Program.Result run = Program.run(folder, "-q95", option, "--max-size=" + size).expect(0, "2 images");
    for (String name : List.of("a.jpg", "b.jpg")) {
      long copy = Files.size(folder.resolve("COMPRESSED_IMAGES/" + name));
      assertTrue(copy <= size && copy >= size * 0.85, copy + " of " + size);
      assertTrue(run.err().matches("(?s).* " + name + " [^\n]* in quality .*"), run.err());
    }
    if (option.equals("-k")) { // what follows is the same with each
      Program.run(folder, "--max-size=0.1k").expect(0, "2 images", "WARN", "even in quality 1, more than --max-size");
      Program.run(folder, "-q20", "--max-size=1M").expect(0, "2 images");
      byte[] fits = Files.readAllBytes(folder.resolve("COMPRESSED_IMAGES/a.jpg"));
      assertEquals(Program.recompress(busy, 20, Compress.Engine.auto).length + "m1000000".length(), fits.length);
    }
  }

  @Test
  @DisplayName("--max-size holds for images that would only get larger at the quality asked for, too")
  void maxSizeOfCoarse() throws Exception {
    byte[] coarse = Pictures.jpeg(Pictures.picture(600, 400, BufferedImage.TYPE_3BYTE_BGR, 1), 0.3f);
    byte[] small = Program.recompress(coarse, 90, Compress.Engine.auto); // again at 90 there is no byte to save
    Files.write(Files.createDirectories(folder.resolve("IMAGES")).resolve("a.jpg"), small);
    Program.run(folder, "-q90", "--max-size=" + small.length / 2).expect(0, "1 image, ", "in quality");
    assertTrue(Files.size(folder.resolve("COMPRESSED_IMAGES/a.jpg")) <= small.length / 2);
  }

  @Test
  @DisplayName("--threshold keeps what would save less")
  void threshold() throws Exception {
    byte[] jpeg = Pictures.jpeg(Pictures.picture(200, 200, BufferedImage.TYPE_3BYTE_BGR, 1), 0.5f);
    Files.write(Files.createDirectories(folder.resolve("IMAGES")).resolve("a.jpg"), jpeg);
    int saved = 100 - 100 * Program.recompress(jpeg, 40, Compress.Engine.auto).length / jpeg.length; // at least so many
    Program.run(folder, "-q40", "--threshold=" + (saved + 1))
        .expect(0, "1 image (0 compressed, 1 kept", "less than --threshold");
    Program.run(folder, "-q40", "--threshold=" + (saved - 2)).expect(0, "1 image, ");
    var above = new Recompressor.Settings(40, Compress.Engine.auto, false, false, jpeg.length - 1, 99);
    assertFalse(Recompressor.recompress(jpeg, above).kept(), "although it is over --max-size");
  }
}
