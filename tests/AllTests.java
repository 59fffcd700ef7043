///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//JAVAC_OPTIONS --release 21
//DEPS org.junit.jupiter:junit-jupiter:6.1.3
//DEPS org.junit.platform:junit-platform-launcher:6.1.3
//DEPS com.google.jimfs:jimfs:1.3.0
//SOURCES ../Compress.java
//SOURCES Program.java
//SOURCES Pictures.java
//SOURCES Jpegs.java
//SOURCES *Test.java

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClasspathRoots;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.TestExecutionResult.Status;
import org.junit.platform.engine.UniqueId;
import org.junit.platform.engine.discovery.ClassNameFilter;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/**
 * Runs the tests and prints them as a tree; the last line counts them. Arguments name the test classes to
 * run (default: all). Exit status 0: all passed; 1: a test failed, or there was none.
 */
public class AllTests {
  /** Runs the tests. */
  public static void main(String[] classes) throws Exception {
    System.setProperty("tinylog.level", "off"); // of runs in this process
    Path jar = Path.of(AllTests.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    String names = classes.length == 0 ? ".*Test" : String.join("|", classes);
    LauncherDiscoveryRequest request =
        LauncherDiscoveryRequestBuilder.request()
            .selectors(selectClasspathRoots(Set.of(jar)))
            .filters(ClassNameFilter.includeClassNamePatterns(names))
            // Much of a test is waiting for a program to start: two classes at a time use two cores well.
            .configurationParameter("junit.jupiter.execution.parallel.enabled", "true")
            .configurationParameter("junit.jupiter.execution.parallel.mode.default", "same_thread")
            .configurationParameter("junit.jupiter.execution.parallel.mode.classes.default", "concurrent")
            .configurationParameter("junit.jupiter.execution.parallel.config.executor-service", "WORKER_THREAD_POOL")
            .configurationParameter("junit.jupiter.execution.parallel.config.strategy", "fixed")
            .configurationParameter("junit.jupiter.execution.parallel.config.fixed.parallelism", "2")
            .build();
    Tree tree = new Tree();
    LauncherFactory.create().execute(request, tree);
    TestExecutionSummary summary = tree.getSummary();
    summary.printFailuresTo(new PrintWriter(System.out), 20); // so many lines of a stack
    long skipped = summary.getTestsSkippedCount() + summary.getTestsAbortedCount();
    System.out.printf("%n%d passed, %d failed%s%n", summary.getTestsSucceededCount(), summary.getTotalFailureCount(),
        skipped == 0 ? "" : ", " + skipped + " skipped");
    System.exit(summary.getTotalFailureCount() == 0 && summary.getTestsSucceededCount() > 0 ? 0 : 1);
  }

  /** Counts the tests, and prints those of a class when all of them have ended, below its name. */
  private static final class Tree extends SummaryGeneratingListener {
    private static final Map<Status, String> WORDS =
        Map.of(Status.SUCCESSFUL, "ok", Status.FAILED, "FAILED", Status.ABORTED, "skipped");

    private final Map<UniqueId, StringBuilder> classes = new ConcurrentHashMap<>(); // what is to be printed
    private final Map<UniqueId, Long> started = new ConcurrentHashMap<>(); // nanoseconds, as System.nanoTime has it

    @Override
    public void executionStarted(TestIdentifier test) {
      super.executionStarted(test);
      started.put(test.getUniqueIdObject(), System.nanoTime());
      if (test.isContainer()) { print(test, test.getDisplayName()); }
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
      super.executionSkipped(test, reason);
      print(test, "skipped  " + test.getDisplayName() + "  (" + reason + ")");
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
      super.executionFinished(test, result);
      if (test.isTest() || result.getStatus() != Status.SUCCESSFUL) {
        long milliseconds = (System.nanoTime() - started.get(test.getUniqueIdObject())) / 1_000_000;
        String reason = result.getThrowable().map(Throwable::getMessage).orElse("").lines().findFirst().orElse("");
        print(test, WORDS.get(result.getStatus()) + "  " + test.getDisplayName() + "  (" + milliseconds + " ms)"
            + (reason.isEmpty() ? "" : ": " + reason));
      }
      if (depth(test) == 0) { System.out.print(classes.remove(test.getUniqueIdObject())); }
    }

    /** Keeps a line until the test's class has ended. */
    private void print(TestIdentifier test, String line) {
      UniqueId testClass = test.getUniqueIdObject();
      while (testClass.getSegments().size() > 2) { testClass = testClass.removeLastSegment(); }
      classes.computeIfAbsent(testClass, key -> new StringBuilder())
          .append("  ".repeat(Math.max(0, depth(test)))).append(line).append('\n');
    }

    private static int depth(TestIdentifier test) {
      return test.getUniqueIdObject().getSegments().size() - 2; // 0: a class
    }
  }
}
