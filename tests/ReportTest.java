// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("Look, not read: --report, the live line, --dry-run, --quiet")
class ReportTest {
  /** Names, each of a picture of its own width, that a page could take for something else. */
  private static final List<String> STRANGE = List.of("a b.jpg", "50% #1?.jpg", "c:d;&amp;.jpg", "Été ☂ e\u0301.jpg",
      "\"q\" 'p'.jpg", "<img src=x onerror=document.title='owned'>.jpg",
      "x</script><script>document.title='owned'<!--.jpg", "DATA NONCE ${1} \\u0041.jpg");

  /** Run in the page: opens every picture, sorts, filters, drags the divider, and leaves what it saw, a line each. */
  private static final String LOOK = """
      const seen = [], wait = ms => new Promise(done => setTimeout(done, ms));
      const names = () => [...document.querySelectorAll("tbody tr")].map(tr => tr.querySelector("bdi").textContent);
      onerror = message => seen.push("error " + message);
      document.addEventListener("securitypolicyviolation", event => seen.push("violation " + event.blockedURI));
      (async () => {
        for (const button of document.querySelectorAll("td button")) {
          button.click();
          const pair = button.closest("tr").nextSibling, images = [...pair.querySelectorAll("img")];
          for (let i = 0; i < 100 && !images.every(image => image.naturalWidth); i++) await wait(20);
          seen.push("picture " + images.map(i => i.naturalWidth + "=" + i.width) + " " + button.textContent);
          if (seen.length === 1) {
            const slider = pair.querySelector("input"), left = pair.querySelector(".stage").offsetLeft;
            for (const at of [0, 100]) {
              slider.value = at;
              slider.dispatchEvent(new Event("input"));
              const cut = parseFloat(getComputedStyle(images[1]).clipPath.match(/([-.\\d]+)px\\)/)[1]);
              const width = pair.querySelector(".view").clientWidth;
              seen.push("slider " + at + " " + Math.round(cut + left) + " of " + width);
            }
            pair.scrollIntoView();
            slider.value = 25; // its thumb is the divider: a pointer there drags it, and elsewhere meets the picture
            const view = pair.querySelector(".view"), box = view.getBoundingClientRect();
            const met = [.25, .5].map(x => document.elementFromPoint(box.left + x * box.width, box.bottom - 9));
            seen.push("divider " + met.map(element => element === slider));
            for (const movementX of [0, 99]) { // a click, and a drag, which is none
              view.dispatchEvent(new PointerEvent("pointerdown"));
              view.dispatchEvent(new PointerEvent("pointermove", {buttons: 1, movementX}));
              view.dispatchEvent(new MouseEvent("click"));
              seen.push("clicked after " + movementX + " " + view.className);
            }
            document.querySelectorAll("[aria-expanded]")[1].click();
            seen.push("open " + [...document.querySelectorAll("[aria-expanded]")].map(b => b.ariaExpanded));
            dispatchEvent(new KeyboardEvent("keydown", {key: "Escape"}));
            seen.push("closed " + document.querySelectorAll(".pair, [aria-expanded=true]").length);
            button.click();
          }
          button.click();
        }
        for (const header of document.querySelectorAll("th button")) {
          header.click();
          seen.push("up " + header.textContent + " " + names().join("|"));
          header.click();
          seen.push("down " + header.textContent + " " + names().join("|"));
        }
        document.getElementById("failed").click();
        seen.push("failed " + names().join("|"));
        const plot = document.querySelector(".plot"), box = plot.getBoundingClientRect();
        plot.dispatchEvent(new PointerEvent("pointermove", {clientX: box.left, clientY: box.top + 2}));
        seen.push("tip " + document.getElementById("tip").textContent);
        seen.push("title " + document.title);
        for (const entry of performance.getEntriesByType("resource")) seen.push("request " + entry.name);
        onscroll = null;
        document.body.replaceChildren(encodeURIComponent(seen.join("\\n")));
        document.body.id = "seen";
      })();
      """;

  @TempDir Path folder;

  /** What a script leaves that is run in a page, after another that is run before the page's own. */
  private List<String> seen(String page, String before, String script) throws Exception {
    String nonce = "<script nonce=\"" + between(page, "script-src 'nonce-", "'") + "\">";
    Files.writeString(folder.resolve("look #2.html"), page.replace("<body>", nonce + before + "</script><body>")
        .replace("</body>", nonce + script + "</script></body>"));
    List<String> chromium = List.of("chromium", "--headless", "--no-sandbox", "--disable-gpu",
        "--enable-logging=stderr", "--user-data-dir=" + folder.resolve("chromium"), "--virtual-time-budget=20000",
        "--dump-dom", folder.resolve("look #2.html").toUri().toString().replace("#", "%23"));
    assumeTrue(Program.succeeds(List.of("chromium", "--version")), "there is no chromium");
    Program.Result browser = Program.run(folder, "", chromium);
    assertFalse(browser.err().contains(":CONSOLE"), browser.err());
    return URLDecoder.decode(between(browser.out(), "<body id=\"seen\">", "</body>").replace("+", "%2B"),
        StandardCharsets.UTF_8).lines().toList();
  }

  private static String between(String text, String from, String to) {
    int at = text.indexOf(from) + from.length();
    return text.substring(at, text.indexOf(to, at));
  }

  @Test
  @DisplayName("--report shows each picture under its name, however strange, and runs nothing but its own script")
  void page() throws Exception {
    for (String name : STRANGE) {
      Pictures.write(folder.resolve("IMAGES").resolve(name), 100 + 10 * STRANGE.indexOf(name), 50);
    }
    byte[] jpeg = Pictures.jpeg(Pictures.smooth(40, 40), 0.9f);
    Files.write(folder.resolve("IMAGES/kept.jpg"), Program.smallest(jpeg, 30, Compress.Engine.auto));
    Files.write(folder.resolve("IMAGES/warned.jpg"), Jpegs.with(jpeg, Jpegs.icc(new byte[200], 200)));
    Files.writeString(folder.resolve("IMAGES/broken.jpg"), "not a JPEG");
    Program.Result run = Program.run(folder, "-r", "--report=the page #1.html").expect(1, "11 images (");

    String page = Files.readString(folder.resolve("the page #1.html"));
    String data = between(page, "id=\"data\">", "</script>");
    String[] totals = run.out().lines().findFirst().orElseThrow().split(", (ratio )?| -> |in ");
    totals[totals.length - 5] += totals[totals.length - 4].replaceFirst(".* ", " "); // their unit is said once
    for (int i = totals.length - 5; i < totals.length; i++) { // before, after, ratio, seconds
      assertTrue(totals[i].isEmpty() || data.contains("[\"" + totals[i] + "\","), totals[i] + " in " + data);
    }
    String warning = run.messages("WARN").getFirst().substring("warned.jpg ".length());
    assertTrue(data.contains("\"FAILED\",0,0,") && data.contains(",[\"not a JPEG\"]]"), data);
    assertTrue(data.contains(",[\"" + warning + "\"]]"), data);
    assertFalse(data.contains("<") || page.replace("// ", "").contains("//"), "no tag, no address");

    List<String> seen = seen(page, "", LOOK);
    List<String> expected = new ArrayList<>(List.of("picture 40=40,40=40 kept.jpg", "picture 40=40,40=40 warned.jpg",
        "slider 0 0 of \\d+", "slider 100 (\\d+) of \\1", "divider true,false",
        "clicked after 0 view full", "clicked after 99 view full",
        "open false,true(,false)*", "closed 0", "up outcome broken.jpg\\|kept.jpg\\|.*",
        "down outcome .*\\|kept.jpg\\|broken.jpg", "failed broken.jpg", "up ratio broken.jpg\\|.*\\|kept.jpg",
        "down ratio kept.jpg\\|.*\\|broken.jpg", "tip .* · waited \\d+ ms · image-1 worked \\d+ ms",
        "title 11 images .* from IMAGES"));
    for (String name : STRANGE) {
      int width = 100 + 10 * STRANGE.indexOf(name);
      expected.add(Pattern.quote("picture " + width + "=" + width + "," + width + "=" + width + " " + name));
    }
    for (String line : expected) {
      assertEquals(1, seen.stream().filter(Pattern.compile(line).asMatchPredicate()).count(), line + seen);
    }
    assertTrue(seen.stream().noneMatch(line -> line.matches("error .*|violation .*|request (?!file:).*")), "" + seen);
  }

  @Test
  @DisplayName("--compare --report speaks French where the browser does, and says which threads and what median it shows")
  void french() throws Exception {
    for (int i = 10; i < 40; i++) { Pictures.write(folder.resolve("IMAGES/before " + i + ".jpg")); }
    Program.run(folder, "--compare", "--report=r.html").expect(0, "");
    String page = Files.readString(folder.resolve("r.html"));
    assertTrue(page.contains(" s\",\"virtual threads, median of 3\"]"), page);
    List<String> seen = seen(page, "Object.defineProperty(navigator, 'language', {value: 'fr-CH'});", """
        const plot = document.querySelector(".plot"), box = plot.getBoundingClientRect();
        plot.dispatchEvent(new PointerEvent("pointermove", {clientX: box.left, clientY: box.bottom - 1}));
        const text = document.documentElement.lang + "\\n" + document.body.innerText;
        onscroll = null;
        document.body.replaceChildren(encodeURIComponent(text));
        document.body.id = "seen";
        """);
    for (String line : List.of("fr", "30 images de IMAGES", "threads virtuels, médiane de 3", ".*l'image attend.*",
        "séquentiel", "accélération 1,00", "image avant après taux temps résultat",
        "before 10\\.jpg .* \\d,\\d+ \\d+ ms compressée",
        "before 39\\.jpg · .*o → .*o · a attendu \\d+ ms · main a travaillé \\d+ ms")) {
      assertTrue(seen.stream().anyMatch(text -> text.replaceAll("\\s+", " ").strip().matches(line)), line + seen);
    }
  }

  @Test
  @DisplayName("links are relative, and of what JSON or HTML could take for its own nothing stands in the page")
  void escapes() {
    assertEquals("./a%20b/%25%23.jpg", Report.link(Path.of("/x/r.html"), Path.of("/x/a b/%#.jpg")));
    assertEquals("./../y/c:d.jpg", Report.link(Path.of("/x/r.html"), Path.of("/y/c:d.jpg")));
    assertEquals("./../../c.jpg", Report.link(Path.of("/x/y/z/../z/r.html"), Path.of("/x/./c.jpg")));
    assertEquals("[\"\\u003c/a\\u003e \\u0022\\u005c\\u000a\\u2028\\ud83d\\ude00é\",1,[]]",
        Report.json(List.of("</a> \"\\\n\u2028😀é", 1, List.of())));
  }

  @Test
  @DisplayName("the sizes of an image and of its copy have one unit, said once, on the log's line and in the report")
  void units() throws Exception {
    byte[] jpeg = Pictures.jpeg(Pictures.smooth(40, 40), 0.9f);
    byte[] large = Jpegs.with(jpeg, Jpegs.segment(0xFE, "x".repeat(5_000))); // its copy has less than 1,000 bytes
    Files.write(Files.createDirectories(folder.resolve("IMAGES")).resolve("a.jpg"), large);
    Program.Result run = Program.run(folder).expect(0, "1 image, ");
    for (String line : List.of(run.messages("INFO").getLast(), run.out())) {
      assertTrue(line.matches("(?s).* \\d\\.\\d -> 0\\.\\d kB.*"), line);
    }
    assertEquals("130.0 -> 69.4 kB", Text.sizes(130_000, 69_400));
    assertEquals("1.00 -> 0.07 MB", Text.sizes(1_000_000, 69_400));
  }

  @Test
  @DisplayName("--report takes the place of an earlier report, and of no other file, even one made meanwhile")
  void replaces() throws Exception {
    Pictures.write(folder.resolve("IMAGES/a.jpg"));
    Set<String> nonces = new HashSet<>();
    for (String name : List.of("r.html", "r.html", "R.HTM")) {
      String out = Program.run(folder, "--report=" + name).expect(0, "1 image").out();
      assertTrue(out.endsWith("\nWrote " + name + ".\n"), out);
      nonces.add(between(Files.readString(folder.resolve(name)), "script-src 'nonce-", "'"));
    }
    assertEquals(3, nonces.size(), "each page has a secret of its own");
    Path other = Files.writeString(folder.resolve("other.html"), "not a report");
    Program.run(folder, "--report=other.html").expect(2, "", "there is another file");
    Compress options = Program.options(null, null);
    options.report = other;
    String problem = assertThrows(IOException.class, () -> Report.write(options, List.of())).getMessage();
    assertEquals("--report: there is another file now: " + other, problem);
    assertEquals("not a report", Files.readString(other));
  }

  @Test
  @DisplayName("--dry-run says what a run would, and leaves nothing, not even a folder")
  void dryRun() throws Exception {
    Pictures.write(folder.resolve("IMAGES/a.jpg"));
    Path part = Files.createDirectory(folder.resolve("COMPRESSED_IMAGES")).resolve(".compress-0123456789abcdef.part");
    Files.writeString(part, "of a killed run");
    List<String> before = Program.files(folder);
    String dry = Program.run(folder, "-n", "--report=dry.html").expect(0, "1 image, ").out();
    Path page = folder.resolve("dry.html");
    assertTrue(Files.readString(page).contains("[\"a.jpg\",false,"), "offers a copy that is not there");
    Files.delete(page);
    assertEquals(before, Program.files(folder));
    Files.delete(part);
    Files.delete(part.getParent());
    Program.run(folder, "-n").expect(0, "1 image, ");
    assertFalse(Files.exists(part.getParent()));
    assertTrue(dry.endsWith("\nNothing was written but the report: this was a dry run.\n"), dry);
    Program.run(folder).expect(0, dry.substring(0, dry.indexOf(", in ") + 5));
    Program.run(folder, "-n", "-u").expect(0, "1 image (0 compressed, 0 kept, 1 skipped, 0 failed), in ");
    Files.writeString(folder.resolve("COMPRESSED_IMAGES/a.jpg"), "not ours");
    Program.run(folder, "-n").expect(1, "", "there is a file that Compress did not make"); // as it would
  }

  @Test
  @DisplayName("--quiet leaves warnings, errors and the report")
  void quiet() throws Exception {
    Pictures.write(folder.resolve("IMAGES/a.jpg"));
    Files.writeString(folder.resolve("IMAGES/b.jpg"), "not a JPEG");
    Program.Result run = Program.run(folder, "--quiet")
        .expect(1, "2 images (1 compressed, 0 kept, 0 skipped, 1 failed)", "/2] b.jpg failed");
    assertEquals(List.of("ERROR"), run.log().stream().map(Program.LogLine::level).toList());
    assertEquals("", Program.run(folder, "--quiet", "--compare", "--files-from=/dev/null").err());
  }

  @Test
  @DisplayName("the live line is below the log, 39 columns wide, gone at the end; none with TERM=dumb or elsewhere")
  void liveLine() throws Exception {
    Program.assumeTerminal();
    Pictures.write(folder.resolve("IMAGES/a.jpg"));
    Pictures.write(folder.resolve("IMAGES/b.jpg"));
    List<String> terminal = new ArrayList<>(List.of("env", "TERM=xterm", "script", "-qec",
        Program.quoted(Program.java(List.of("-Dstderr.encoding=US-ASCII"))), "/dev/null"));
    String out = Program.run(folder, "", terminal).out();
    String line = between(out, "\u001b[K#", "\r");
    assertTrue(line.matches("#*\\.* [12]/2 [\\d.]+ MB/s 0:\\d\\d left"), line);
    assertEquals(38, line.length());
    assertTrue(out.matches("(?s).*left\r\u001b\\[K2 images, .*"), out);
    List<String> left = Program.command();
    left.set(left.indexOf("Compress"), Left.class.getName());
    terminal.set(4, Program.quoted(left));
    String shown = Program.run(folder, "", terminal).out();
    assertTrue(shown.contains(" 1/31 2.0 MB/s 1:15 left"), shown);
    terminal.set(4, Program.quoted(Program.command()));
    terminal.set(1, "TERM=dumb");
    assertFalse(Program.run(folder, "", terminal).out().contains("\u001b"));
    assertFalse(Program.run(folder).err().contains("\u001b"));
  }

  @Test
  @DisplayName("on a terminal INFO lines are short, and cut at its edge; errors are whole, and wrapping stays on")
  void linesOnTerminal() throws Exception {
    Program.assumeTerminal();
    Path images = Files.createDirectory(folder.resolve("IMAGES"));
    for (String name : Program.files(Program.project().resolve("IMAGES"))) {
      Files.copy(Program.project().resolve("IMAGES").resolve(name), images.resolve(name));
    }
    String longName = "Noël chez mamie, ".repeat(4) + ".jpg";
    Pictures.write(images.resolve(longName));
    Files.writeString(images.resolve("broken " + longName), "not a JPEG");
    List<String> lines = Program.run(folder, "", List.of("env", "TERM=xterm", "script", "-qec",
        Program.quoted(Program.command()), "/dev/null")).out().lines().toList();
    Pattern unwrapped = Pattern.compile("\u001b\\[K\u001b\\[\\?7l(.*)\u001b\\[K\u001b\\[\\?7h");
    List<String> cut = lines.stream().map(unwrapped::matcher).filter(Matcher::matches).map(m -> m.group(1)).toList();
    assertEquals(1 + 1 + 5, cut.size(), "" + lines); // how many, the folder, and the images
    assertEquals(2 * cut.size(), String.join("", lines).split("\u001b\\[\\?7").length - 1, "" + lines);
    for (String line : cut) {
      assertTrue(line.matches(" *(ProcessImages +main|CompressOneImage image-.) (6 images|created|\\[./6]) .*"), line);
      assertTrue(line.contains(longName) || line.replaceAll(" \\d+ ms", " 999 ms").length() < 80, line);
    }
    String error = "\u001b[KCompressOneImage image-2 ERROR [] broken " + longName + " failed: not a JPEG";
    assertTrue(lines.stream().anyMatch(line -> line.replaceFirst("[1-6]/6", "").equals(error)), "" + lines);
    assertEquals(1 + 6, Program.run(folder).log().size()); // elsewhere with all columns
  }

  /** In a process of its own, for its terminal: how far a run is of which one image in 31 was done in 2.5 seconds. */
  static final class Left {
    public static void main(String[] arguments) {
      LiveLine.on = true;
      LiveLine.show(1, 31, 5_000_000, 2.5);
    }
  }

  @Test
  @DisplayName("--timeline of many images shows the slowest, each in its row")
  void timeline() throws Exception {
    Path small = folder.resolve("IMAGES/0.jpg");
    Files.write(Files.createDirectories(small.getParent()).resolve("0.jpg"),
        Pictures.jpeg(Pictures.smooth(16, 16), 0.9f));
    for (int i = 1; i < 25; i++) { Files.createLink(folder.resolve("IMAGES/" + i + ".jpg"), small); }
    Pictures.write(folder.resolve("IMAGES/slow.jpg"), 1600, 1200);
    String out = Program.run(folder, "-m", "sequential", "--timeline").expect(0, "26 images, ").out(); // the first is slow, too
    assertTrue(out.contains("\nsequential: the 24 slowest of 26 images\n"), out);
    assertTrue(out.lines().anyMatch(line -> line.matches("main +slow\\.jpg +[.░]+[#█]+")), out);
    long working = out.lines().filter(line -> line.matches("main +\\w+\\.jpg +[.░]*[#█]+")).count();
    assertEquals(24, working, "each has a bar, however short its work: " + out);
  }
}
