///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
//JAVAC_OPTIONS --release 21
//DEPS org.junit.jupiter:junit-jupiter:6.1.3
//DEPS org.junit.platform:junit-platform-launcher:6.1.3
//SOURCES ../Compress.java
//SOURCES Program.java
//SOURCES Pictures.java
//SOURCES Jpegs.java
//SOURCES *Test.java

import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClasspathRoots;

import java.nio.file.Path;
import java.util.Set;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.discovery.ClassNameFilter;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;

/**
 * Runs the tests and prints them as a tree, as they end; the last line counts them. Arguments name the test classes to
 * run (default: all). Exit status 0: all passed; 1: a test failed, or there was none.
 */
public class AllTests {
  /** Runs the tests. */
  public static void main(String[] classes) throws Exception {
    Path jar = Path.of(AllTests.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    String names = classes.length == 0 ? ".*Test" : String.join("|", classes);
    LauncherDiscoveryRequest request =
        LauncherDiscoveryRequestBuilder.request()
            .selectors(selectClasspathRoots(Set.of(jar)))
            .filters(ClassNameFilter.includeClassNamePatterns(names))
            .build();
    Tree tree = new Tree();
    LauncherFactory.create().execute(request, tree);
    System.out.printf("%n%d passed, %d failed%s%n", tree.passed, tree.failed,
        tree.skipped == 0 ? "" : ", " + tree.skipped + " skipped");
    System.exit(tree.failed == 0 && tree.passed > 0 ? 0 : 1);
  }

  /** Prints each test where it ends, below the name of its class; at the end, the failures with their traces. */
  private static final class Tree implements TestExecutionListener {
    private final StringBuilder failures = new StringBuilder();
    private long started;
    int passed;
    int failed;
    int skipped;

    @Override
    public void executionStarted(TestIdentifier test) {
      started = System.nanoTime();
      if (!test.isTest() && test.getParentId().isPresent()) {
        System.out.println("  ".repeat(test.getUniqueIdObject().getSegments().size() - 2) + test.getDisplayName());
      }
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
      skipped++;
      print("skipped", test, reason);
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
      String milliseconds = (System.nanoTime() - started) / 1_000_000 + " ms";
      switch (result.getStatus()) {
        case SUCCESSFUL -> {
          if (test.isTest()) {
            passed++;
            print("ok", test, milliseconds);
          }
        }
        case ABORTED -> {
          skipped++;
          print("skipped", test, result.getThrowable().map(Throwable::getMessage).orElse(""));
        }
        case FAILED -> {
          failed++;
          print("FAILED", test, milliseconds);
          failures.append('\n').append(test.getDisplayName()).append('\n');
          result.getThrowable().ifPresent(problem -> {
            failures.append(problem).append('\n');
            for (StackTraceElement frame : problem.getStackTrace()) {
              if (frame.getClassName().endsWith("Test")) {
                failures.append("    at ").append(frame).append('\n');
              }
            }
          });
        }
      }
    }

    @Override
    public void testPlanExecutionFinished(TestPlan plan) {
      System.out.print(failures);
    }

    private static void print(String status, TestIdentifier test, String remark) {
      String indent = "  ".repeat(test.getUniqueIdObject().getSegments().size() - 2);
      System.out.println(indent + status + "  " + test.getDisplayName() + "  (" + remark + ")");
    }
  }
}
