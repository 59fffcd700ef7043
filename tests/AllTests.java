///usr/bin/env jbang "$0" "$@" ; exit $?
// SPDX-License-Identifier: MIT
//JAVA 21+
// Most code runs once here: the second compiler of the JVM costs more than it brings.
//JAVAC_OPTIONS --release 21 -J-XX:TieredStopAtLevel=1
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1
//DEPS org.junit.jupiter:junit-jupiter:6.1.3
//DEPS org.junit.platform:junit-platform-launcher:6.1.3
//DEPS com.google.jimfs:jimfs:1.3.0
//SOURCES ../Compress.java
//SOURCES Program.java
//SOURCES Pictures.java
//SOURCES Jpegs.java
//SOURCES *Test.java

import static java.util.Comparator.comparingInt;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClasspathRoots;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.ClassOrderer;
import org.junit.jupiter.api.ClassOrdererContext;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.TestExecutionResult.Status;
import org.junit.platform.engine.discovery.ClassNameFilter;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/**
 * Runs the tests and prints a line of each as it ends; the last line counts them. Arguments name the test classes
 * to run (default: all). Exit status 0: all passed; 1: a test failed, or there was none.
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
            // Much of a test is waiting for a program: three at a time use two cores well, the longest first.
            .configurationParameter("junit.jupiter.testclass.order.default", LongestFirst.class.getName())
            .configurationParameter("junit.jupiter.execution.parallel.enabled", "true")
            .configurationParameter("junit.jupiter.execution.parallel.mode.default", "same_thread")
            .configurationParameter("junit.jupiter.execution.parallel.mode.classes.default", "concurrent")
            .configurationParameter("junit.jupiter.execution.parallel.config.executor-service", "WORKER_THREAD_POOL")
            .configurationParameter("junit.jupiter.execution.parallel.config.strategy", "fixed")
            .configurationParameter("junit.jupiter.execution.parallel.config.fixed.parallelism", "3")
            .build();
    Lines lines = new Lines();
    LauncherFactory.create().execute(request, lines);
    TestExecutionSummary summary = lines.getSummary();
    summary.printFailuresTo(new PrintWriter(System.out), 20); // so many lines of a stack
    long skipped = summary.getTestsSkippedCount() + summary.getTestsAbortedCount();
    System.out.printf("%n%d passed, %d failed%s%n", summary.getTestsSucceededCount(), summary.getTotalFailureCount(),
        skipped == 0 ? "" : ", " + skipped + " skipped");
    System.exit(summary.getTotalFailureCount() == 0 && summary.getTestsSucceededCount() > 0 ? 0 : 1);
  }

  /** So that none of these is left alone at the end. */
  static final class LongestFirst implements ClassOrderer {
    private static final List<String> LONG =
        List.of("LauncherTest", "WholeFilesTest", "FilesTest", "ExperimentsTest", "GradeTest");

    @Override
    public void orderClasses(ClassOrdererContext all) {
      all.getClassDescriptors().sort(comparingInt(test -> -LONG.indexOf(test.getTestClass().getName())));
    }
  }

  /** Counts the tests, and prints each as it ends, with its class; of one that takes long, every while that it runs. */
  private static final class Lines extends SummaryGeneratingListener {
    private static final Map<Status, String> WORDS =
        Map.of(Status.SUCCESSFUL, "ok", Status.FAILED, "FAILED", Status.ABORTED, "skipped");
    private static final int WHILE = 10; // seconds

    private final Map<TestIdentifier, Long> running = new ConcurrentHashMap<>(); // since when, as System.nanoTime has it
    private TestPlan plan;

    Lines() {
      Thread.ofPlatform().daemon().start(() -> {
        while (true) {
          LockSupport.parkNanos(WHILE * 1_000_000_000L);
          running.keySet().stream().filter(test -> test.isTest() && seconds(test) >= WHILE)
              .forEach(test -> print("running", test, ""));
        }
      });
    }

    @Override
    public void testPlanExecutionStarted(TestPlan all) {
      super.testPlanExecutionStarted(all);
      plan = all;
    }

    @Override
    public void executionStarted(TestIdentifier test) {
      super.executionStarted(test);
      running.put(test, System.nanoTime());
    }

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
      super.executionSkipped(test, reason);
      print("skipped", test, ": " + reason);
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
      super.executionFinished(test, result);
      if (test.isTest() || result.getStatus() != Status.SUCCESSFUL) {
        String reason = result.getThrowable().map(Throwable::getMessage).orElse("").lines().findFirst().orElse("");
        print(WORDS.get(result.getStatus()), test, reason.isEmpty() ? "" : ": " + reason);
      }
      running.remove(test);
    }

    private double seconds(TestIdentifier test) {
      return (System.nanoTime() - running.getOrDefault(test, System.nanoTime())) / 1e9;
    }

    private void print(String word, TestIdentifier test, String reason) {
      String name = "";
      for (TestIdentifier of = test; of.getParentId().isPresent(); of = plan.getParent(of).get()) {
        boolean isClass = of.getUniqueIdObject().getSegments().size() == 2;
        name = (isClass ? of.getLegacyReportingName() : " > " + of.getDisplayName()) + name;
      }
      System.out.println(String.format(Locale.ROOT, "%-7s %5.1f s  %s%s", word, seconds(test), name, reason));
    }
  }
}
