// SPDX-License-Identifier: MIT
import com.sun.jdi.*;
import com.sun.jdi.connect.*;
import com.sun.jdi.event.*;
import com.sun.jdi.request.*;
import java.io.*;
import java.net.InetAddress;
import java.nio.file.Path;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.*;
import java.util.regex.*;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;

/**
 * A debugger that sees which threads open the images, and makes rare meetings of threads certain.
 *
 * <p>An image thread is one that opens a file of IMAGES, by whatever method. In slow motion each is held there, until
 * all of them are or wait: so many are at work at the same time. One goes first, alone, and shows what it reads and
 * changes; then the others follow. A thread that has read what the first one changed is held before it can write:
 * whoever changes it meanwhile was not kept out, by whatever lock, and one of the two additions is lost. The last
 * thread is held at each step: if the main thread ends, or prints the ratio, it has not waited.
 *
 * <p>A thread is held until no other one can go on, however long that takes on a busy machine.
 */
final class SlowMotion {
  private static final int HOLDS = 2; // at each place; the first threads may be slow, as the machine is not warm
  private static final int WAVE = 4; // threads that are let go together
  private static final int LINES = 3; // after a read, at which a thread is held: a lock may have ended there
  private static final int TOO_MANY = 200; // arrivals: this is no total
  private static final int OFTEN = 8; // what an arrival of the first image thread counts
  private static final int POLLS = 30; // so often the main thread pauses or looks: it waits in its way
  private static final long STILL = 150_000_000; // ns without a thread that runs: threads may wait in turns
  private static final long SPINNING = 5_000_000_000L; // ns in which a thread runs, and nothing comes of it
  private static final Set<String> OF_THE_JDK = // threads and groups of threads
      Set.of("DestroyJavaVM", "system", "InnocuousThreadGroup", "CarrierThreads");
  private static final Set<String> NUMBERS = Set.of("int", "long", "float", "double", "java.lang.Integer",
      "java.lang.Long", "java.lang.Float", "java.lang.Double", "java.math.BigInteger", "java.math.BigDecimal");
  private static final Pattern METHOD = // as javap has it
      Pattern.compile("(?m)^  (?:.* )?([^ (]+)\\(.*\\R    descriptor: (.*)$");
  private static final String INSTRUCTION = "(?m)^ +(\\d+): (?:([ilfda]a%s)|invoke(?:virtual|interface) .*ethod "
      + "java/(?:util|lang/invoke)/(?:\\w+/)*([\\w$]+\\.(?:%s)\\w*):.*)$";
  private static final Pattern READ = Pattern.compile(INSTRUCTION.formatted("load", "get(?!And)|contains"));
  private static final Pattern CHANGE = Pattern.compile(INSTRUCTION.formatted("store", "put|add|set|push|offer|merge"
      + "|comput|replace|accept|update|accumulate|get(?=And)|compareAnd|weakCompareAnd|lazySet|increment"));
  private static final Pattern UNSAFE = // not java.util.Collections$SynchronizedMap and the like
      Pattern.compile("java\\.util\\.((?!Vector|Hashtable|Stack|Properties)\\w+)");

  /** Where threads can meet. */
  static final class Place {
    String what; // a field, or a line, as it is told
    final Map<Location, Integer> holds = new HashMap<>(); // by instruction; null: any
    final Set<Long> changers = new HashSet<>(); // the threads that changed it, without main
    boolean total; // it was changed by the size of a file
    boolean unsafe; // two threads must not change it at the same time, whatever comes of it
    String met; // the names of two threads
    String lost; // of two threads, the second of which wrote what it had read before the first one wrote
    String changer; // the thread that changed it last
    final Map<Long, Long> read = new HashMap<>(); // by thread: when it read it last, in changes
    long changes;

    Place(String what) {
      this.what = what;
    }

    /** Whether a thread is to be held here once more, as it was not yet so many times: a few instructions at most. */
    boolean holds(Location location, int most) {
      int times = holds.getOrDefault(location, 0);
      boolean once = times < most && holds.values().stream().mapToInt(each -> each).sum() < 3 * most;
      holds.put(location, once ? times + 1 : times);
      return once;
    }
  }

  private final Place creating = new Place("COMPRESSED_IMAGES");
  final Place saving = new Place("JPEGImageWriter.write");
  final Place decoding = new Place("JPEGImageReader.read");
  final Map<String, Place> places = new TreeMap<>(); // what may be a total, each field of each object

  final Map<Long, String> workers = new LinkedHashMap<>(); // the threads that opened an image, also main
  final Map<Long, String> creators = new LinkedHashMap<>(); // those that called for the creation of the folder
  final Set<String> late = new TreeSet<>(); // those of them that had found it missing, and create it all the same
  final Set<Long> made = new HashSet<>(); // threads, by the solution
  int started; // of its threads
  Map<String, Long> cutShort; // the sizes of the copies when the program would have ended before its threads, or null
  String exit; // the thread that called System.exit(), or null
  int atOnce; // image threads at most
  String early; // the image thread that the main thread did not wait for, or null
  String paused; // how it paused instead, or null
  String unfinished; // the file that was measured before it was closed, or null
  int mainSizes; // how often it took the size of a compressed file
  String thrown; // the last exception that came to the solution, and where, or null
  String failure; // why nothing could be seen, or null
  volatile long lastAct; // when the debugger last stopped a thread or let it go; 0: the program has not begun

  private final String sourceName;
  private final String nameless; // the name of threads that have none
  private final boolean slow; // otherwise it only looks on, and keeps the program alive until its threads have ended
  private final Path folder; // in which the program runs
  private final long images; // that it has
  private final Set<Long> looked = new HashSet<>(); // threads
  private final Set<ThreadReference> threads = ConcurrentHashMap.newKeySet(); // the solution's, alive, without main
  private final Set<ThreadReference> spinning = new HashSet<>(); // that run, and nothing comes of it
  private final Map<String, Set<Long>> opened = new HashMap<>(); // images, by threads
  private final Set<String> writing = new HashSet<>(); // the copies that are open
  private final Map<String, Integer> reads = new HashMap<>(); // by the main thread without a lock, by field
  private final List<Held> held = new ArrayList<>();
  private final Set<Held> joined = new HashSet<>(); // for whom a newcomer was let go
  private ListeningConnector connector;
  private Map<String, Connector.Argument> arguments;
  private Thread debugger;
  private BooleanSupplier ratioPrinted;
  private VirtualMachine machine;
  private EventRequestManager requests;
  private ThreadReference main;
  private EventSet events; // what just happened; null if nothing did, or its thread is held
  private ThreadReference last; // image thread, held at each step
  private ThreadReference scout; // the first image thread to go, alone
  private boolean shown; // and it has gone as far as it can
  private int pauses; // of the main thread
  private long lastRun; // when last a thread was seen that neither is held nor waits
  private long lastEvent; // of another thread than main
  private EventSet theEnd;
  private long ended; // when main did, or 0

  /**
   * A thread that is held.
   *
   * @param place null: at an image that it opens
   * @param line after it read; -1: it did not
   */
  private record Held(Place place, ThreadReference thread, EventSet events, int line) {}

  /** What to do at an event. */
  private interface Handler<E extends Event> {
    void handle(E event) throws Exception;
  }

  SlowMotion(String sourceName, String nameless, boolean slow, Path folder, long images) {
    this.sourceName = sourceName;
    this.nameless = nameless;
    this.slow = slow;
    this.folder = folder;
    this.images = images;
  }

  /** Whether no two threads ever decoded or saved a picture at the same time, though one waited for it. */
  boolean alone() {
    return Stream.of(decoding, saving)
        .anyMatch(place -> place.met == null && place.holds.getOrDefault(null, 0) >= HOLDS);
  }

  /** The field that the main thread looked at again and again instead of waiting, or null. */
  String polled() {
    return reads.keySet().stream().filter(field -> reads.get(field) >= POLLS)
        .filter(field -> places.values().stream()
            .anyMatch(place -> place.what.equals(field) && !place.changers.isEmpty()))
        .findFirst().orElse(null);
  }

  /** Waits for a program to come to be debugged, and returns the address it has to be told. */
  String listen(BooleanSupplier ratioPrinted) throws IOException, IllegalConnectorArgumentsException {
    this.ratioPrinted = ratioPrinted;
    connector = Bootstrap.virtualMachineManager().listeningConnectors().stream()
        .filter(candidate -> candidate.transport().name().equals("dt_socket")).findFirst().orElseThrow();
    arguments = connector.defaultArguments();
    arguments.get("localAddress").setValue(InetAddress.getLoopbackAddress().getHostAddress());
    String address = connector.startListening(arguments);
    debugger = Thread.ofPlatform().daemon().start(this::debug);
    return address;
  }

  /** Call it when the program has ended. */
  void close() throws IOException, IllegalConnectorArgumentsException, InterruptedException {
    connector.stopListening(arguments);
    debugger.join();
  }

  private void debug() {
    try {
      machine = connector.accept(arguments);
      requests = machine.eventRequestManager();
      main = machine.allThreads().stream().filter(thread -> thread.name().equals("main")).findFirst().orElseThrow();
      watch();
      while (true) { awaitEvents(); }
    } catch (VMDisconnectedException e) {
      // The program has ended, as it should.
    } catch (Exception e) {
      failure = e.toString();
      try {
        if (machine != null) {
          machine.dispose(); // whoever is held goes on
        }
      } catch (VMDisconnectedException gone) {
        // The program has ended meanwhile.
      }
    }
  }

  /** Waits for something to happen, and holds its thread or lets it and others go. */
  @SuppressWarnings("unchecked") // the handler of a request takes its events
  private void awaitEvents() throws Exception {
    events = machine.eventQueue().remove(held.isEmpty() && theEnd == null ? 1000 : 10);
    EventSet came = events;
    lastAct = came == null ? lastAct : System.nanoTime();
    for (Event event : came == null ? Set.<Event>of() : came) {
      if (event instanceof LocatableEvent there && !there.thread().equals(main)) { lastEvent = System.nanoTime(); }
      if (event.request() != null) {
        try {
          ((Handler<Event>) event.request().getProperty("handler")).handle(event);
        } catch (IncompatibleThreadStateException | ObjectCollectedException e) {
          // It goes on already.
        }
      }
    }
    if (events != null) { events.resume(); }
    if (held.isEmpty() && theEnd == null) { return; }
    mainWaits();
    long now = System.nanoTime();
    boolean busy = runs();
    if (busy && now - lastEvent > SPINNING) { // such as for a lock that it tries again and again
      threads.stream().filter(this::isRunning).forEach(spinning::add);
      spinning.add(main);
    }
    lastRun = busy || now - lastEvent < STILL ? now : lastRun;
    if (now - lastRun > STILL) {
      lastRun = now;
      lastAct = now;
      if (held.isEmpty()) {
        theEnd.resume();
        theEnd = null;
      } else {
        letSomeGo();
      }
    }
  }

  /** Whether a thread can go on that is not held: if none can, there is no more to see until one is let go. */
  private boolean runs() {
    boolean mainRuns = ended == 0 && pauses < POLLS && reads.values().stream().noneMatch(times -> times >= POLLS)
        && isRunning(main);
    return mainRuns || threads.stream().anyMatch(this::isRunning);
  }

  private boolean isRunning(ThreadReference thread) {
    if (spinning.contains(thread) || held.stream().anyMatch(one -> one.thread.equals(thread))) { return false; }
    try {
      int status = thread.status();
      return status == ThreadReference.THREAD_STATUS_RUNNING
          || status == ThreadReference.THREAD_STATUS_SLEEPING && workers.containsKey(thread.uniqueID());
    } catch (ObjectCollectedException e) {
      return false;
    }
  }

  private void hold(Place place, ThreadReference thread, int line) {
    if (events != null) {
      held.add(new Held(place, thread, events, line));
      lastRun = System.nanoTime();
      events = null;
    }
  }

  private void letGo(Collection<Held> some) {
    lastRun = System.nanoTime();
    held.removeAll(some);
    for (Held one : some) {
      if (one.line >= 0 && one.line < LINES && one.place.met == null && !Objects.equals(one.thread, last)) {
        afterStep(one.thread, StepRequest.STEP_LINE, StepRequest.STEP_OVER, event -> {
          if (one.place.read.containsKey(one.thread.uniqueID())) { hold(one.place, one.thread, one.line + 1); }
        });
      }
      one.events.resume();
    }
  }

  /** All wait: whoever is held at a place goes on, once a newcomer has been let go for it; else some at images. */
  private void letSomeGo() {
    List<Held> opening = held.stream().filter(one -> one.place == null).toList();
    Optional<Held> atPlace = held.stream().filter(one -> one.place != null)
        .min(Comparator.comparing(one -> one.place == creating)); // others may go on without the folder
    atOnce = Math.max(atOnce, opening.size());
    shown = scout != null;
    if (atPlace.isPresent()) {
      Held one = atPlace.get();
      if ((shown || one.place == creating) && opening.size() > 1 && joined.add(one)) {
        letGo(opening.subList(0, 1));
      } else {
        letGo(List.of(one));
      }
    } else if (scout == null) {
      scout = opening.getFirst().thread;
      letGo(opening.subList(0, 1));
    } else if (opened.size() < images || opening.size() > 1) {
      boolean more = opened.size() < images;
      letGo(opening.subList(0, Math.min(WAVE, more ? opening.size() : opening.size() - 1)));
    } else {
      last = opening.getFirst().thread;
      letGo(opening);
    }
  }

  // ---- where to stop

  private void watch() {
    on(requests.createThreadStartRequest(), (ThreadStartEvent event) -> {
      ThreadReference thread = event.thread();
      if (!thread.equals(main) && ended == 0 | theEnd != null // else it is a shutdown hook
          && Stream.of(thread.name(), thread.threadGroup().name()).noneMatch(OF_THE_JDK::contains)) {
        threads.add(thread);
        started++;
      }
    });
    on(requests.createThreadDeathRequest(), (ThreadDeathEvent event) -> {
      threads.remove(event.thread());
      if (event.thread().equals(main)) { ends(threads.stream().allMatch(SlowMotion::isDaemon)); }
    });
    stopAt("java.lang.Runtime", "exit|halt", null, this::exits);
    stopAt("java.io.FileInputStream", "open", null, event -> opens(event, 0, false));
    stopAt("java.io.FileOutputStream", "open", null, event -> opens(event, 0, true));
    stopAt("java.io.RandomAccessFile", "open", null, event -> opens(event, 0, true));
    stopAt("sun.nio.ch.FileChannelImpl", "open", null, event -> opens(event, 1, true));
    if (!slow) {
      stopAt("java.lang.Thread", "<init>", null, this::makesThread);
      on(requests.createExceptionRequest(null, true, true), this::throwsException);
      return;
    }
    stopAt("java.io.FileOutputStream", "close", null, this::closes);
    stopAt("java.io.RandomAccessFile", "close", null, this::closes);
    stopAt("sun.nio.ch.FileChannelImpl", "implCloseChannel", null, this::closes);
    stopAt("java.lang.Thread", "sleep|join", main, this::mainPauses);
    stopAt("java.lang.Object", "wait", main, this::mainPauses);
    stopAt("java.util.concurrent.locks.LockSupport", "parkNanos", main, this::mainPauses);
    stopAt("java.util.concurrent.CountDownLatch", "await", main, this::mainPauses);
    Stream.of("ThreadPoolExecutor", "ThreadPerTaskExecutor", "ForkJoinPool", "Executors$DelegatedExecutorService")
        .forEach(type -> stopAt("java.util.concurrent." + type, "awaitTermination", main, this::mainPauses));
    stopAt("java.util.concurrent.Semaphore", "tryAcquire", main, this::mainPauses);
    Stream.of("ReentrantLock", "StampedLock", "ReentrantReadWriteLock$ReadLock", "ReentrantReadWriteLock$WriteLock")
        .forEach(type -> stopAt("java.util.concurrent.locks." + type, "\\w*([lL]ock|OptimisticRead)", main,
            event -> reads.clear()));
    stopAt("java.util.concurrent.Semaphore", "\\w*[aA]cquire\\w*", main, event -> reads.clear());
    stopAt("java.nio.file.Files", "size|readAttributes", null, this::measures);
    stopAt("java.io.File", "length", null, this::measures);
    stopAt("java.nio.file.Files", "exists|notExists|isDirectory|createDirector.*", null, this::arrivesAtFolder);
    stopAt("java.io.File", "exists|isDirectory|mkdirs?", null, this::arrivesAtFolder);
    stopAt("com.sun.imageio.plugins.jpeg.JPEGImageWriter", "write", null, event -> works(saving, event.thread()));
    stopAt("com.sun.imageio.plugins.jpeg.JPEGImageReader", "read", null, event -> works(decoding, event.thread()));
    ClassPrepareRequest classes = requests.createClassPrepareRequest();
    // The fewer classes make the program stop, the less is it disturbed.
    Stream.of("java.", "javax.", "jdk.", "sun.", "com.sun.", "com.twelvemonkeys.", "org.tinylog.", "picocli.")
        .forEach(prefix -> classes.addClassExclusionFilter(prefix + "*"));
    on(classes, (ClassPrepareEvent event) -> watchClass(event.referenceType()));
  }

  private static <E extends Event> void on(EventRequest request, Handler<E> handler) {
    request.putProperty("handler", handler);
    request.setSuspendPolicy(EventRequest.SUSPEND_EVENT_THREAD);
    request.enable();
  }

  /** Stops a thread, or any if it is null, that calls a method of a class of the JDK with such a name. */
  private void stopAt(String type, String names, ThreadReference thread, Handler<BreakpointEvent> handler) {
    Consumer<ReferenceType> stop = loaded -> loaded.methods().stream()
        .filter(method -> method.name().matches(names) && method.location() != null && !method.isNative())
        .forEach(method -> {
          BreakpointRequest request = requests.createBreakpointRequest(method.location());
          Optional.ofNullable(thread).ifPresent(request::addThreadFilter);
          on(request, handler);
        });
    List<ReferenceType> loaded = machine.classesByName(type);
    loaded.forEach(stop);
    if (loaded.isEmpty()) {
      ClassPrepareRequest request = requests.createClassPrepareRequest();
      request.addClassFilter(type);
      on(request, (ClassPrepareEvent event) -> stop.accept(event.referenceType()));
    }
  }

  private void afterStep(ThreadReference thread, int size, int depth, Handler<StepEvent> handler) {
    if (requests.stepRequests().stream().anyMatch(request -> request.thread().equals(thread))) { return; }
    StepRequest step = requests.createStepRequest(thread, size, depth);
    step.addCountFilter(1);
    on(step, (StepEvent event) -> {
      requests.deleteEventRequest(step);
      handler.handle(event);
    });
  }

  private void watchClass(ReferenceType type) {
    if (!isSolutions(type) || type.name().contains("/")) { // what lambdas are made of
      return;
    }
    for (Field field : type.fields()) {
      if (!field.isFinal()) {
        on(requests.createModificationWatchpointRequest(field), this::changesField);
        on(requests.createAccessWatchpointRequest(field), this::readsField);
      }
    }
    StringWriter code = new StringWriter();
    String classPath = String.join(File.pathSeparator, ((PathSearchingVirtualMachine) machine).classPath());
    ToolProvider.findFirst("javap").orElseThrow().run(new PrintWriter(code), new PrintWriter(System.err),
        "-c", "-p", "-s", "-cp", classPath, type.name());
    for (String member : code.toString().split("\\R\\R")) {
      METHOD.matcher(member).results().flatMap(head -> type.methodsByName(head.group(1), head.group(2)).stream())
          .forEach(method -> {
            CHANGE.matcher(member).results().filter(change -> !"aastore".equals(change.group(2))
                || code.toString().contains("aaload")).forEach(change -> stopAtChange(
                method.locationOfCodeIndex(Long.parseLong(change.group(1))), change.group(2), change.group(3)));
            READ.matcher(member).results().forEach(read -> stopAtRead(
                method.locationOfCodeIndex(Long.parseLong(read.group(1)))));
          });
    }
  }

  private boolean isSolutions(ReferenceType type) {
    try {
      return type.name().indexOf('.') < 0 || type.sourceName().equals(sourceName);
    } catch (AbsentInformationException e) {
      return false;
    }
  }

  // ---- files

  /** A thread opens a file: at an image it is held. */
  private void opens(BreakpointEvent event, int argument, boolean perhapsToWrite) throws Exception {
    ThreadReference thread = event.thread();
    List<Value> values = thread.frame(0).getArgumentValues();
    if (!(values.get(argument) instanceof StringReference path)) { return; }
    String file = path.value();
    if (perhapsToWrite && isIn("COMPRESSED_IMAGES", file)) { writing.add(new File(file).getName()); }
    if (isIn("IMAGES", file)) {
      workers.putIfAbsent(thread.uniqueID(), named(thread));
      boolean first = opened.computeIfAbsent(new File(file).getName(), name -> new HashSet<>()).add(thread.uniqueID());
      if (slow && first && !thread.equals(main)) { hold(null, thread, -1); }
    }
  }

  private static boolean isIn(String folder, String file) {
    String parent = new File(file).getParent();
    return parent != null && new File(parent).getName().equals(folder);
  }

  private void closes(BreakpointEvent event) throws Exception {
    if (field(event.thread().frame(0).thisObject(), "path") instanceof StringReference path) {
      writing.remove(new File(path.value()).getName());
    }
  }

  private void measures(BreakpointEvent event) throws Exception {
    ThreadReference thread = event.thread();
    if (workers.isEmpty() || thread.frameCount() < 2 || !isSolutions(thread.frame(1).location().declaringType())) {
      return;
    }
    String file = path(thread);
    if (isIn("COMPRESSED_IMAGES", file)) {
      String name = new File(file).getName();
      unfinished = writing.contains(name) ? name : unfinished;
      mainSizes += thread.equals(main) && !workers.containsKey(main.uniqueID()) ? 1 : 0;
    }
  }

  private void arrivesAtFolder(BreakpointEvent event) throws Exception {
    ThreadReference thread = event.thread();
    String name = event.location().method().name();
    Location caller = thread.frameCount() < 2 ? null : thread.frame(1).location();
    if (caller == null || !isSolutions(caller.declaringType())
        || !new File(path(thread)).getName().equals("COMPRESSED_IMAGES")) {
      return;
    }
    if (name.contains("xist") || name.equals("isDirectory")) {
      looked.add(thread.uniqueID());
      return;
    }
    creators.put(thread.uniqueID(), named(thread));
    byte[] code = caller.method().bytecodes();
    boolean ignored = code[(int) caller.codeIndex() + 3] == 0x57; // pop: who succeeded is not asked
    boolean hadLooked = looked.contains(thread.uniqueID());
    boolean atomic = !hadLooked || name.equals("createDirectory") || name.startsWith("mkdir") && !ignored;
    if (!atomic) { late.add(named(thread)); }
    if (creating.holds(null, HOLDS)) { hold(creating, thread, -1); }
  }

  /** An image thread decodes or saves a picture: another one comes if none is kept out. */
  private void works(Place place, ThreadReference thread) {
    boolean others = threads.stream().anyMatch(other -> !other.equals(thread) && workers.containsKey(other.uniqueID()));
    if (!thread.equals(main) && shown && others && !thread.equals(last)) { meet(place, thread); }
  }

  private void makesThread(BreakpointEvent event) throws Exception {
    Optional<ReferenceType> maker = event.thread().frames().stream().map(frame -> frame.location().declaringType())
        .filter(type -> !type.name().matches("java\\.lang\\.\\w*Thread.*|java\\.util\\.concurrent\\..*")).findFirst();
    if (maker.filter(this::isSolutions).isPresent()) { made.add(event.thread().frame(0).thisObject().uniqueID()); }
  }

  /** An exception that comes to the solution, caught there or not. */
  private void throwsException(ExceptionEvent event) throws Exception {
    Location caught = event.catchLocation();
    for (StackFrame frame : event.thread().frames()) {
      Location at = frame.location();
      if (isSolutions(at.declaringType())) {
        String type = event.exception().type().name();
        thrown = (field(event.exception(), "detailMessage") instanceof StringReference message
            ? type + ": " + message.value() : type) + " (" + named(event.thread()) + ", " + at + ")";
        return;
      }
      if (caught != null && at.method().equals(caught.method())) { return; }
    }
  }

  /** Where the threads of the solution are in it, such as: main ProcessImages:61. */
  List<String> whereabouts() {
    List<String> lines = new ArrayList<>();
    for (ThreadReference thread : Stream.concat(Stream.of(main), threads.stream()).toList()) {
      try {
        thread.suspend();
        thread.frames().stream().map(StackFrame::location).filter(at -> isSolutions(at.declaringType())).findFirst()
            .ifPresent(at -> lines.add(named(thread) + " " + at));
        thread.resume();
      } catch (IncompatibleThreadStateException | RuntimeException e) {
        // It has ended, or is let go in this moment.
      }
    }
    return lines;
  }

  // ---- the main thread

  /** The main thread must not go on while an image thread is held. */
  private void mainWaits() {
    if (early == null && !held.isEmpty() && (ended > 0 || ratioPrinted.getAsBoolean())) {
      early = held.stream().filter(one -> workers.containsKey(one.thread.uniqueID()))
          .map(one -> named(one.thread)).findFirst().orElse(null);
    }
  }

  /** The main thread has come to its end, and is held until the others have come to theirs. */
  private void ends(boolean cuts) {
    if (ended == 0) {
      ended = System.nanoTime();
      lastEvent = ended;
      lastRun = ended;
      mainWaits();
      if (!threads.isEmpty()) {
        cutShort = cuts ? Grade.sizes(folder.resolve("COMPRESSED_IMAGES")) : cutShort;
        theEnd = events;
        events = null;
      }
    }
  }

  /** A thread ends the program: if it is another one than main, it may not, for there is more to be seen. */
  private void exits(BreakpointEvent event) throws Exception {
    exit = exit == null ? named(event.thread()) : exit;
    if (event.thread().equals(main)) {
      ends(true);
    } else {
      cutShort = cutShort == null ? Grade.sizes(folder.resolve("COMPRESSED_IMAGES")) : cutShort;
      event.thread().forceEarlyReturn(machine.mirrorOfVoid());
    }
  }

  /** Whether the program may end before this thread. */
  private static boolean isDaemon(ThreadReference thread) {
    return thread.isVirtual() || ((BooleanValue) field((ObjectReference) field(thread, "holder"), "daemon")).value();
  }

  /** The main thread pauses for a time: as that is no way to wait for a thread, the pause ends at once. */
  private void mainPauses(BreakpointEvent event) throws Exception {
    Method method = event.location().method();
    List<Value> values = main.frame(0).getArgumentValues();
    double seconds = Double.NaN;
    StringJoiner text = new StringJoiner(", ", method.name() + "(", ")");
    for (int i = 0; i < values.size(); i++) {
      String type = method.argumentTypeNames().get(i);
      if (values.get(i) instanceof LongValue time) {
        seconds = time.value() / (method.name().equals("parkNanos") ? 1e9 : 1e3);
        text.add("" + time.value());
      } else if (values.get(i) instanceof ObjectReference object && type.equals("java.time.Duration")) {
        seconds = ((LongValue) field(object, "seconds")).value();
        text.add("PT" + (long) seconds + "S");
      } else if (values.get(i) instanceof ObjectReference unit && type.endsWith("TimeUnit")) {
        String name = ((StringReference) field(unit, "name")).value();
        seconds *= 1e3 * java.util.concurrent.TimeUnit.valueOf(name).toNanos(1) / 1e9;
        text.add(name);
      }
    }
    boolean ofSolution = main.frameCount() > 1 && isSolutions(main.frame(1).location().declaringType());
    if (ofSolution && seconds < 60 && seconds != 0 && early == null && pauses < POLLS && mayPauseInVain()) {
      pauses++;
      paused = text.toString();
      Value result = switch (method.returnTypeName()) {
        case "void" -> machine.mirrorOfVoid();
        case "boolean" -> machine.mirrorOf(false);
        default -> null;
      };
      if (result != null) { main.forceEarlyReturn(result); }
    }
  }

  private boolean mayPauseInVain() {
    return started > 0
        && (opened.isEmpty() || held.stream().anyMatch(one -> workers.containsKey(one.thread.uniqueID())));
  }

  // ---- totals

  private Place place(String key, String what) { return places.computeIfAbsent(key, unknown -> new Place(what)); }

  private Place place(WatchpointEvent event) {
    String what = named(event.field());
    return place(what + "@" + (event.object() == null ? 0 : event.object().uniqueID()), what);
  }

  private void readsField(AccessWatchpointEvent event) throws IncompatibleThreadStateException {
    Place place = place(event);
    limit(event.request(), event.thread());
    if (event.thread().equals(main)) {
      String type = event.field().typeName();
      if (!held.isEmpty() && !event.field().isVolatile() && (NUMBERS.contains(type) || type.equals("boolean"))
          && main.ownedMonitors().isEmpty()) {
        reads.merge(named(event.field()), 1, Integer::sum);
      }
    } else {
      reads(place, event.thread(), event.location(), 0);
    }
  }

  /** What a thread comes to very often is no total. */
  private void limit(EventRequest request, ThreadReference thread) {
    int times = request.getProperty("times") instanceof Integer before ? before : 0;
    request.putProperty("times", times + (thread.equals(scout) ? OFTEN : 1));
    if (times > TOO_MANY) { request.disable(); }
  }

  /** A thread is about to read what an image thread has changed before: it is held when it has. */
  private void reads(Place place, ThreadReference thread, Location location, int line) {
    place.read.put(thread.uniqueID(), place.changes);
    boolean isLast = thread.equals(last); // if line > 0, the places of a class are one: they may have met at another
    if (shown && place.changers.stream().anyMatch(other -> other != thread.uniqueID())
        && (place.met == null || isLast || line > 0) && place.holds(location, isLast ? 2 * HOLDS : HOLDS)) {
      afterStep(thread, StepRequest.STEP_MIN, StepRequest.STEP_OVER, event -> hold(place, thread, line));
    }
  }

  private void changesField(ModificationWatchpointEvent event) {
    Method method = event.location().method();
    if (method.isConstructor() || method.isStaticInitializer()) { // no other thread knows of the object yet
      return;
    }
    limit(event.request(), event.thread());
    if (event.thread().equals(main)) { return; }
    Place place = place(event);
    place.total |= isSum(event.valueCurrent(), event.valueToBe());
    changes(place, event.thread());
  }

  /** A thread changes a place: who is held there, since it has read it, has met it. */
  private void changes(Place place, ThreadReference thread) {
    Long read = place.read.remove(thread.uniqueID());
    if (read != null && read < place.changes) { // what another thread added meanwhile is lost
      place.lost = place.changer + ", " + named(thread);
    }
    place.changes++;
    place.changer = named(thread);
    place.changers.add(thread.uniqueID());
    List<Held> met = held.stream()
        .filter(one -> one.place == place && one.line >= 0 && !one.thread.equals(thread)).toList();
    if (!met.isEmpty() && !met.getFirst().thread.equals(last)) {
      place.met = named(met.getFirst().thread) + ", " + named(thread);
      letGo(met);
    }
    if (thread.equals(last) && place.changers.size() > 1 && place.holds(null, HOLDS)) { hold(place, thread, -1); }
  }

  /** Whether a number became larger by the size of a file, or smaller. */
  private boolean isSum(Value before, Value after) {
    double difference = Math.abs(number(after) - number(before));
    return Stream.of("IMAGES", "COMPRESSED_IMAGES").map(name -> folder.resolve(name).toFile().listFiles())
        .filter(Objects::nonNull).flatMap(Stream::of).mapToLong(File::length)
        .anyMatch(size -> size == difference && size > 0);
  }

  /** A number, also one in a box; 0 for what is none. */
  private static double number(Value value) {
    if (value instanceof ObjectReference box && NUMBERS.contains(box.type().name())) {
      return number(field(box, "value"));
    }
    return value instanceof PrimitiveValue number && !(value instanceof BooleanValue) ? number.doubleValue() : 0;
  }

  /** Stops at an instruction that loads from an array, or asks an object: places of one class are one. */
  private void stopAtRead(Location location) {
    BreakpointRequest request = requests.createBreakpointRequest(location);
    on(request, (BreakpointEvent event) -> {
      Place place = place(location.declaringType().name(), location.declaringType().name());
      limit(request, event.thread());
      if (!event.thread().equals(main)) { reads(place, event.thread(), location, LINES - 1); }
    });
  }

  /** Stops at an instruction that stores into an array, or calls what changes an object: a step on, that is known. */
  private void stopAtChange(Location location, String store, String method) {
    BreakpointRequest request = requests.createBreakpointRequest(location);
    on(request, (BreakpointEvent event) -> {
      ThreadReference thread = event.thread();
      Place place = place(location.declaringType().name(), location.declaringType().name());
      limit(request, thread);
      if (thread.equals(main)) { return; }
      place.what = place.met == null ? location.toString() : place.what;
      changes(place, thread);
      if (method != null && events != null) {
        afterStep(thread, StepRequest.STEP_MIN, StepRequest.STEP_INTO, step -> {
          ObjectReference object = thread.frame(0).thisObject();
          Matcher unsafe = UNSAFE.matcher(object == null ? "" : object.referenceType().name());
          boolean ofTexts = thread.frame(0).getArgumentValues().stream().allMatch(StringReference.class::isInstance);
          if (unsafe.matches() && !ofTexts && !isSolutions(step.location().declaringType())) {
            Place collection = place(unsafe.group(1) + object.uniqueID(), unsafe.group(1) + " (" + location + ")");
            collection.unsafe = true;
            collection.changers.add(thread.uniqueID());
            if (collection.changers.size() > 1) { meet(collection, thread); }
          }
        });
      }
    });
  }

  /** A thread arrives, and is held; but if another one is held here, they have met, and both go on. */
  private void meet(Place place, ThreadReference thread) {
    if (place.met != null) { return; }
    for (Held other : held) {
      if (other.place == place && !other.thread.equals(thread)) {
        place.met = named(other.thread) + ", " + named(thread);
        letGo(held.stream().filter(one -> one.place == place).toList());
        return;
      }
    }
    if (place.holds(null, HOLDS)) { hold(place, thread, -1); }
  }

  /** The path that a method of Files or File is called with. */
  private static String path(ThreadReference thread) throws Exception {
    StackFrame frame = thread.frame(0);
    ObjectReference path = frame.thisObject() != null ? frame.thisObject()
        : (ObjectReference) frame.getArgumentValues().get(0);
    Method toString = ((ClassType) path.referenceType()).concreteMethodByName("toString", "()Ljava/lang/String;");
    Value text = path.invokeMethod(thread, toString, List.of(), ObjectReference.INVOKE_SINGLE_THREADED);
    return ((StringReference) text).value();
  }

  /** The value of an object's field, or null if it has none of this name. */
  private static Value field(ObjectReference object, String name) {
    Field field = object.referenceType().fieldByName(name);
    return field == null ? null : object.getValue(field);
  }

  private String named(ThreadReference thread) { return thread.name().isEmpty() ? nameless : thread.name(); }

  private static String named(Field field) { return field.declaringType().name() + "." + field.name(); }
}
