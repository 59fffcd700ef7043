///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//DEPS org.tinylog:tinylog-api:2.7.0
//DEPS org.tinylog:tinylog-impl:2.7.0
//DEPS com.twelvemonkeys.imageio:imageio-jpeg:3.14.0

// One right solution: the skeleton of `jbang init --template=exercise` with its TODOs done. GradeTest.java turns it
// into wrong ones, a mistake at a time.

import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriter;
import javax.imageio.plugins.jpeg.JPEGImageWriteParam;
import javax.imageio.stream.ImageOutputStream;
import org.tinylog.Logger;
import org.tinylog.configuration.Configuration;

/** The program: sets up the log and has the images processed. */
public class MyCompress {
  static final Path IMAGES = Path.of("IMAGES");
  static final Path COMPRESSED_IMAGES = Path.of("COMPRESSED_IMAGES");

  public static void main(String[] arguments) throws Exception {
    Log.setUp();
    boolean sequential = List.of(arguments).contains("--mode=sequential");
    new ProcessImages().run(sequential);
  }
}

/** Scans the folder IMAGES and starts one thread per image. */
class ProcessImages {
  private static final Log LOG = new Log(ProcessImages.class);

  void run(boolean sequential) throws IOException, InterruptedException {
    List<Path> images = scan();
    LOG.info("%d images in %s", images.size(), MyCompress.IMAGES);
    CompressionStats stats = new CompressionStats();
    List<Thread> threads = new ArrayList<>();
    for (Path image : images) {
      CompressOneImage work = new CompressOneImage(image, stats);
      if (sequential) {
        work.run();
      } else {
        Thread thread = Thread.ofVirtual().name("image-" + (threads.size() + 1)).start(work);
        threads.add(thread);
      }
    }
    for (Thread thread : threads) {
      thread.join();
    }
    System.out.printf(Locale.ROOT, "ratio %.3f%n", stats.ratio());
  }

  /** The images to compress. */
  private List<Path> scan() throws IOException {
    if (!Files.isDirectory(MyCompress.IMAGES)) {
      LOG.error("there is no folder %s here", MyCompress.IMAGES);
      return List.of();
    }
    try (Stream<Path> files = Files.list(MyCompress.IMAGES)) {
      return files.filter(file -> file.toString().endsWith(".jpg")).sorted().toList();
    }
  }
}

/** Compresses one image. A thread runs it. */
class CompressOneImage implements Runnable {
  private static final Log LOG = new Log(CompressOneImage.class);

  private final Path image;
  private final CompressionStats stats;

  CompressOneImage(Path image, CompressionStats stats) {
    this.image = image;
    this.stats = stats;
  }

  @Override
  public void run() {
    try {
      createFolder(MyCompress.COMPRESSED_IMAGES);
      BufferedImage picture = ImageIO.read(image.toFile());
      Path compressed = MyCompress.COMPRESSED_IMAGES.resolve(image.getFileName());
      saveAsJpeg(picture, compressed, 30);
      stats.add(Files.size(image), Files.size(compressed));
      LOG.info("%s: %d -> %d bytes", image.getFileName(), Files.size(image), Files.size(compressed));
    } catch (IOException e) {
      LOG.error("%s: %s", image.getFileName(), e);
    }
  }

  /** Creates the folder if it does not exist. */
  private static synchronized void createFolder(Path folder) throws IOException {
    if (!Files.exists(folder)) {
      Files.createDirectories(folder);
      LOG.info("created %s", folder);
    }
  }

  /** Saves a picture as a JPEG of a quality from 1 to 100, with optimized Huffman tables. */
  private static void saveAsJpeg(BufferedImage picture, Path file, int quality) throws IOException {
    JPEGImageWriteParam settings = new JPEGImageWriteParam(Locale.ROOT);
    settings.setCompressionMode(JPEGImageWriteParam.MODE_EXPLICIT);
    settings.setCompressionQuality(quality / 100f);
    settings.setOptimizeHuffmanTables(true);
    ImageWriter writer = ImageIO.getImageWritersByFormatName("jpeg").next();
    try (ImageOutputStream out = ImageIO.createImageOutputStream(file.toFile())) {
      writer.setOutput(out);
      writer.write(null, new IIOImage(picture, null, null), settings);
    } finally {
      writer.dispose();
    }
  }
}

/** The sizes of all images, added up. Many threads add to them. */
class CompressionStats {
  private long sizeBefore; // bytes
  private long sizeAfter;

  /** Adds the sizes of one image, in bytes. */
  synchronized void add(long before, long after) {
    sizeBefore += before;
    sizeAfter += after;
  }

  /** The size of all images after compression / before it. */
  synchronized double ratio() {
    return (double) sizeAfter / sizeBefore;
  }
}

/** The logger of one class: each line has the time, the class, the thread and the level in columns. */
record Log(Class<?> owner) {
  static void setUp() {
    Configuration.set("writer", "console");
    Configuration.set("writer.stream", "err");
    Configuration.set("writer.format", "{date: HH:mm:ss.SSS} {message}");
  }

  /** Logs a text with values in it, as String.format takes them. */
  void info(String text, Object... values) {
    Logger.info(line("INFO", text, values));
  }

  void error(String text, Object... values) {
    Logger.error(line("ERROR", text, values));
  }

  private String line(String level, String text, Object... values) {
    String thread = Thread.currentThread().getName();
    String message = String.format(Locale.ROOT, text, values);
    return String.format("%16s %12s %-6s %s", owner.getSimpleName(), thread, level, message);
  }
}
