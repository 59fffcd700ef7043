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

import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.UniqueId;
import org.junit.platform.engine.discovery.ClassNameFilter;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

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
    System.out.printf("%n%d passed, %d failed%s%n", tree.passed, tree.failed,
        tree.skipped == 0 ? "" : ", " + tree.skipped + " skipped");
    System.exit(tree.failed == 0 && tree.passed > 0 ? 0 : 1);
  }

  /** Prints the tests of a class when all of them have ended, below its name; at the end, why some failed. */
  private static final class Tree implements TestExecutionListener {
    private final Map<String, StringBuilder> classes = new ConcurrentHashMap<>(); // by unique id: what is to be printed
    private final Map<String, Long> started = new ConcurrentHashMap<>(); // nanoseconds, as System.nanoTime has it
    private final StringBuffer failures = new StringBuffer();
    int passed;
    int failed;
    int skipped;

    @Override
    public void executionStarted(TestIdentifier test) {
      started.put(test.getUniqueId(), System.nanoTime());
      if (!test.isTest() && test.getParentId().isPresent()) {
        print(test, test.getDisplayName());
      }
    }

    @Override
    public synchronized void executionSkipped(TestIdentifier test, String reason) {
      skipped++;
      print(test, "skipped  " + test.getDisplayName() + "  (" + reason + ")");
    }

    @Override
    public synchronized void executionFinished(TestIdentifier test, TestExecutionResult result) {
      long milliseconds = (System.nanoTime() - started.get(test.getUniqueId())) / 1_000_000;
      String name = test.getDisplayName() + "  (" + milliseconds + " ms)";
      if (result.getStatus() == TestExecutionResult.Status.FAILED) {
        failed++;
        print(test, "FAILED  " + name);
        result.getThrowable().ifPresent(problem -> explain(test, problem));
      } else if (test.isTest() && result.getStatus() == TestExecutionResult.Status.ABORTED) {
        skipped++;
        print(test, "skipped  " + name + ": " + result.getThrowable().map(Throwable::getMessage).orElse(""));
      } else if (test.isTest()) {
        passed++;
        print(test, "ok  " + name);
      }
      if (depth(test) == 0) {
        StringBuilder text = classes.remove(test.getUniqueId());
        System.out.print(text == null ? "" : text);
      }
    }

    private void explain(TestIdentifier test, Throwable problem) {
      failures.append('\n').append(test.getDisplayName()).append('\n').append(problem).append('\n');
      for (StackTraceElement frame : problem.getStackTrace()) {
        if (frame.getClassName().contains("Test") && !frame.getClassName().contains(".")) {
          failures.append("    at ").append(frame).append('\n');
        }
      }
    }

    @Override
    public void testPlanExecutionFinished(TestPlan plan) {
      System.out.print(failures);
    }

    /** Keeps a line until the test's class has ended. */
    private void print(TestIdentifier test, String line) {
      UniqueId testClass = test.getUniqueIdObject();
      while (testClass.getSegments().size() > 2) {
        testClass = testClass.removeLastSegment();
      }
      classes.computeIfAbsent(testClass.toString(), key -> new StringBuilder())
          .append("  ".repeat(depth(test))).append(line).append('\n');
    }

    private static int depth(TestIdentifier test) {
      return test.getUniqueIdObject().getSegments().size() - 2; // 0: a class
    }
  }
}
