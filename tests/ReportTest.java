// SPDX-License-Identifier: MIT

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
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
            const view = pair.querySelector(".view"), box = view.getBoundingClientRect();
            view.setPointerCapture = view.hasPointerCapture = () => true; // there is no such pointer
            for (const [type, x] of [["down", 1], ["move", .5], ["move", .25], ["up", .25]]) {
              view.dispatchEvent(new PointerEvent("pointer" + type, {clientX: box.left + x * box.width}));
            }
            view.dispatchEvent(new MouseEvent("click"));
            seen.push("dragged to " + Math.round(slider.value) + " " + view.className);
            view.dispatchEvent(new PointerEvent("pointerdown", {clientX: box.left + box.width / 2}));
            view.dispatchEvent(new MouseEvent("click"));
            seen.push("clicked " + view.className);
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
    String[] totals = run.out().strip().split(", (ratio )?| -> |in ");
    for (int i = totals.length - 4; i < totals.length; i++) { // before, after, ratio, seconds
      assertTrue(totals[i].isEmpty() || data.contains("[\"" + totals[i] + "\","), totals[i] + " in " + data);
    }
    String warning = run.messages("WARN").getFirst().substring("warned.jpg ".length());
    assertTrue(data.contains("\"FAILED\",0,0,") && data.contains(",[\"not a JPEG\"]]"), data);
    assertTrue(data.contains(",[\"" + warning + "\"]]"), data);
    assertFalse(data.contains("<") || page.replace("// ", "").contains("//"), "no tag, no address");

    List<String> seen = seen(page, "", LOOK);
    List<String> expected = new ArrayList<>(List.of("picture 40=40,40=40 kept.jpg", "picture 40=40,40=40 warned.jpg",
        "slider 0 0 of \\d+", "slider 100 (\\d+) of \\1", "dragged to 25 view", "clicked view full",
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
    for (String line : List.of("fr", "30 images de IMAGES", "threads virtuels, médiane de 3", "l'image attend .*",
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
  @DisplayName("--report takes the place of an earlier report, and of no other file, even one made meanwhile")
  void replaces() throws Exception {
    Pictures.write(folder.resolve("IMAGES/a.jpg"));
    for (int i = 0; i < 2; i++) { Program.run(folder, "--report=r.html").expect(0, "1 image"); }
    Files.createDirectory(folder.resolve("COMPRESSED"));
    Program.run(folder, "--report=COMPRESSED/a.jpg", "IMAGES", "COMPRESSED")
        .expect(1, "1 image, ", "there is another file now: COMPRESSED/a.jpg");
    assertEquals(-1, Files.readAllBytes(folder.resolve("COMPRESSED/a.jpg"))[0]);
  }

  @Test
  @DisplayName("--dry-run says what a run would, and leaves nothing, not even a folder")
  void dryRun() throws Exception {
    Pictures.write(folder.resolve("IMAGES/a.jpg"));
    Path part = Files.writeString(folder.resolve("IMAGES/.compress-12345.part"), "of a killed run");
    List<String> before = Program.files(folder);
    String dry = Program.run(folder, "-n").expect(0, "1 image, ").out();
    assertEquals(before, Program.files(folder));
    assertFalse(Files.exists(folder.resolve("COMPRESSED_IMAGES")));
    Files.delete(part);
    assertTrue(dry.endsWith("\nNothing was written: this was a dry run.\n"), dry);
    Program.run(folder).expect(0, dry.substring(0, dry.indexOf(", in ") + 5));
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
    assumeTrue(Files.isExecutable(Path.of("/usr/bin/script")), "script makes the terminal");
    Pictures.write(folder.resolve("IMAGES/a.jpg"));
    Pictures.write(folder.resolve("IMAGES/b.jpg"));
    List<String> terminal = new ArrayList<>(List.of("env", "TERM=xterm", "script", "-qec",
        Program.quoted(Program.java(List.of("-Dstderr.encoding=US-ASCII"))), "/dev/null"));
    String out = Program.run(folder, "", terminal).out();
    String line = between(out, "\u001b[K#", "\r");
    assertTrue(line.matches("#*\\.* [12]/2 [\\d.]+ MB/s 0:\\d\\d left"), line);
    assertEquals(38, line.length());
    assertTrue(out.matches("(?s).*left\r\u001b\\[K2 images, .*"), out);
    terminal.set(1, "TERM=dumb");
    assertFalse(Program.run(folder, "", terminal).out().contains("\u001b"));
    assertFalse(Program.run(folder).err().contains("\u001b"));
  }
}
