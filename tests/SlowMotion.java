// SPDX-License-Identifier: MIT
import com.sun.jdi.*;
import com.sun.jdi.connect.*;
import com.sun.jdi.event.*;
import com.sun.jdi.request.*;
import java.io.*;
import java.net.InetAddress;
import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;

/**
 * A debugger that makes rare meetings of threads certain. It stops each thread that is about to create the folder, to
 * save a picture, or to change what other threads have changed before it (a field, an array, a list, a map), and
 * holds it for a moment, while all others run on. Whoever comes to the same place meanwhile was not kept out by a lock.
 *
 * <p>A thread that is about to write a total has read its old value and added to it: whatever another thread writes
 * now is lost. And while the very first image thread is held, the main thread must wait: if it ends, or prints the
 * ratio, it has not waited for that thread. So that nobody waits for this, its pauses end at once.
 */
final class SlowMotion {
  private static final long HOLD = 8000; // milliseconds at most; most often all others soon wait
  private static final int HOLDS = 2; // at each place; the first threads may be slow, as the machine is not warm
  private static final int TOO_MANY = 100; // arrivals: this is no total
  private static final Set<String> OF_THE_JDK = // threads and groups of threads
      Set.of("DestroyJavaVM", "system", "InnocuousThreadGroup", "CarrierThreads");
  private static final Set<String> NUMBERS = Set.of("int", "long", "float", "double", "java.lang.Integer",
      "java.lang.Long", "java.lang.Float", "java.lang.Double", "java.math.BigInteger", "java.math.BigDecimal");
  private static final Pattern METHOD = // as javap has it
      Pattern.compile("(?m)^  (?:.* )?([^ (]+)\\(.*\\R    descriptor: (.*)$");
  private static final Pattern CHANGE = Pattern.compile("(?m)^ +(\\d+): (?:([ld]astore)"
      + "|invoke(?:virtual|interface) .*ethod java/util/(?:\\w+/)*([\\w$]+\\.(?:put|add|set|push|offer|merge|comput"
      + "|replace|accept|update|accumulate|get(?=And)|compareAnd|weakCompareAnd|lazySet|increment)\\w*):.*)$");
  private static final Pattern UNSAFE = // not java.util.Collections$SynchronizedMap and the like
      Pattern.compile("java\\.util\\.((?!Vector|Hashtable|Stack|Properties)\\w+)");

  /** Where threads can meet. The first is held until another comes: then both go on, and have met. */
  static final class Place {
    final String what; // a field, or an object and a line, as it is told
    final boolean strict; // meeting here is a mistake in itself; elsewhere the sizes that are lost are
    final Set<ThreadReference> threads = new HashSet<>(); // that came
    int arrivals;
    int holds;
    String met; // the names of two threads

    Place(String what, boolean strict) {
      this.what = what;
      this.strict = strict;
    }
  }

  final Place creating = new Place("COMPRESSED_IMAGES", true);
  final Place creatingAtomically = new Place("COMPRESSED_IMAGES", false); // where the first alone succeeds, and knows
  final Place saving = new Place("JPEGImageWriter.write", false);
  final Map<String, Place> places = new TreeMap<>(); // what may be a total, each field of each object

  final Set<String> creators = new TreeSet<>(); // the threads that called for the creation of the folder
  final Set<String> late = new TreeSet<>(); // those of them that had looked before
  String early; // the image thread that the main thread did not wait for, or null
  String paused; // how it paused instead, or null
  String polled; // the field that it looked at again and again instead of waiting, or null
  int mainSizes; // how often it took the size of a compressed file
  boolean added; // whether other threads changed what may be a total
  String failure; // why nothing could be seen, or null

  private final String sourceName;
  private final Set<Long> looked = new HashSet<>(); // threads
  private final Set<ThreadReference> threads = new HashSet<>(); // of the solution, without main, that live
  private final Map<String, Integer> reads = new HashMap<>(); // by the main thread, by place
  private final List<Held> held = new ArrayList<>();
  private ListeningConnector connector;
  private Map<String, Connector.Argument> arguments;
  private Thread debugger;
  private BooleanSupplier ratioPrinted;
  private VirtualMachine machine;
  private EventRequestManager requests;
  private ThreadReference main;
  private EventSet events; // what just happened; null if nothing did, or its thread is held
  private Held first; // image thread to start, which main has to wait for
  private long lastRun; // when last a thread was seen that neither is held nor waits
  private EventSet mainsEnd;
  private long ended; // when main did, or 0

  /** A thread that is held. */
  private record Held(Place place, ThreadReference thread, EventSet events, long until) {}

  /** What to do at an event. */
  private interface Handler<E extends Event> {
    void handle(E event) throws Exception;
  }

  SlowMotion(String sourceName) {
    this.sourceName = sourceName;
  }

  /** Whether no two threads ever saved a picture at the same time, though one waited for it. */
  boolean alone() { return saving.met == null && saving.holds == HOLDS; }

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
    events = machine.eventQueue().remove(held.isEmpty() && mainsEnd == null ? 1000 : 10);
    boolean quiet = events == null;
    for (Event event : quiet ? Set.<Event>of() : events) {
      if (events != null && event.request() != null) {
        try {
          ((Handler<Event>) event.request().getProperty("handler")).handle(event);
        } catch (IncompatibleThreadStateException e) {
          // It goes on already.
        }
      }
    }
    if (events != null) { events.resume(); }
    mainWaits();
    lastRun = quiet && othersWait() ? lastRun : System.nanoTime();
    boolean stuck = System.nanoTime() - lastRun > 300_000_000; // threads may wait for each other in turns
    letGo(one -> one == first ? early != null || polled != null || stuck && held.size() == 1
        : stuck || one.place.met != null);
    letGo(one -> quiet && System.nanoTime() > one.until);
    long since = System.nanoTime() - ended;
    if (mainsEnd != null && held.isEmpty() && (threads.isEmpty() ? since > 1_500_000_000L : since > 20e9)) {
      mainsEnd.resume();
      mainsEnd = null;
    }
  }

  private Held hold(Place place, ThreadReference thread) {
    Held one = new Held(place, thread, events, System.nanoTime() + HOLD * 1_000_000);
    held.add(one);
    events = null;
    return one;
  }

  private void letGo(Predicate<Held> which) {
    List<Held> some = held.stream().filter(which).toList();
    held.removeAll(some);
    some.forEach(one -> one.events.resume());
  }

  /** Whether all threads that are not held wait, such as for a lock of one that is: there is no more to see. */
  private boolean othersWait() {
    List<ThreadReference> suspended = held.stream().map(Held::thread).toList();
    return (ended > 0 || main.status() != ThreadReference.THREAD_STATUS_RUNNING) && threads.stream()
        .filter(thread -> !suspended.contains(thread)).mapToInt(ThreadReference::status)
        .noneMatch(status -> status == ThreadReference.THREAD_STATUS_RUNNING
            || status == ThreadReference.THREAD_STATUS_SLEEPING);
  }

  // ---- where to stop

  private void watch() {
    on(requests.createThreadStartRequest(), (ThreadStartEvent event) -> {
      ThreadReference thread = event.thread();
      if (!thread.equals(main)
          && Stream.of(thread.name(), thread.threadGroup().name()).noneMatch(OF_THE_JDK::contains)) {
        threads.add(thread);
        if (first == null && (ended == 0 || mainsEnd != null)) { // else it is a shutdown hook
          first = hold(new Place("start", false), thread);
        }
      }
    });
    on(requests.createThreadDeathRequest(), (ThreadDeathEvent event) -> {
      threads.remove(event.thread());
      if (event.thread().equals(main)) { mainEnds(); }
    });
    stopAt("java.lang.Runtime", "exit|halt", main, event -> mainEnds());
    stopAt("java.lang.Thread", "sleep|join", main, this::mainPauses);
    stopAt("java.nio.file.Files", "size|readAttributes", main, this::mainMeasures);
    stopAt("java.io.File", "length", main, this::mainMeasures);
    stopAt("java.nio.file.Files", "exists|notExists|isDirectory|createDirector.*", null, this::arrivesAtFolder);
    stopAt("java.io.File", "exists|isDirectory|mkdirs?", null, this::arrivesAtFolder);
    stopAt("com.sun.imageio.plugins.jpeg.JPEGImageWriter", "write", null, event -> {
      if (!event.thread().equals(main)) { meet(saving, event.thread()); }
    });
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
    Consumer<ReferenceType> stop = loaded -> loaded.methods().stream().filter(method -> method.name().matches(names))
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

  private void watchClass(ReferenceType type) {
    if (!isSolutions(type) || type.name().contains("/")) { // what lambdas are made of
      return;
    }
    for (Field field : type.fields()) {
      if (!field.isFinal()) { on(requests.createModificationWatchpointRequest(field), this::arrivesAtField); }
      if (!field.isFinal() && !field.isVolatile()) {
        AccessWatchpointRequest reading = requests.createAccessWatchpointRequest(field);
        reading.addThreadFilter(main);
        on(reading, this::mainReads);
      }
    }
    StringWriter code = new StringWriter();
    String classPath = String.join(File.pathSeparator, ((PathSearchingVirtualMachine) machine).classPath());
    ToolProvider.findFirst("javap").orElseThrow().run(new PrintWriter(code), new PrintWriter(System.err),
        "-c", "-p", "-s", "-cp", classPath, type.name());
    for (String member : code.toString().split("\\R\\R")) {
      METHOD.matcher(member).results().flatMap(head -> type.methodsByName(head.group(1), head.group(2)).stream())
          .forEach(method -> CHANGE.matcher(member).results().forEach(change -> stopAtChange(
              method.locationOfCodeIndex(Long.parseLong(change.group(1))), change.group(2), change.group(3))));
    }
  }

  private boolean isSolutions(ReferenceType type) {
    try {
      return type.name().indexOf('.') < 0 || type.sourceName().equals(sourceName);
    } catch (AbsentInformationException e) {
      return false;
    }
  }

  // ---- the main thread

  /** The main thread must not go on while the first image thread is held. */
  private void mainWaits() {
    if (held.contains(first) && (ended > 0 || ratioPrinted.getAsBoolean())) { early = named(first.thread); }
  }

  private void mainEnds() {
    if (ended == 0) {
      ended = System.nanoTime();
      mainWaits();
      if (first == null || early != null) {
        mainsEnd = events;
        events = null;
      }
    }
  }

  private void mainPauses(BreakpointEvent event)
      throws IncompatibleThreadStateException, InvalidTypeException, ClassNotLoadedException {
    Method method = event.location().method();
    List<Value> values = main.frame(0).getArgumentValues();
    boolean brief = !values.isEmpty() // join() is what is wanted
        && (!(values.get(0) instanceof LongValue time) || time.value() > 0 && time.value() < 60_000);
    if (brief && early == null && (first == null || held.contains(first))) {
      paused = method.name() + "(" + values.get(0) + ")";
      main.forceEarlyReturn(method.returnTypeName().equals("void") ? machine.mirrorOfVoid() : machine.mirrorOf(false));
    }
  }

  private void mainMeasures(BreakpointEvent event) throws Exception {
    if (first != null && path(main).contains("COMPRESSED_IMAGES")) { mainSizes++; }
  }

  private void mainReads(AccessWatchpointEvent event) throws IncompatibleThreadStateException {
    boolean locked = !main.ownedMonitors().isEmpty() || Stream.of("NonfairSync", "FairSync")
        .flatMap(name -> machine.classesByName("java.util.concurrent.locks.ReentrantLock$" + name).stream())
        .flatMap(type -> type.instances(0).stream())
        .anyMatch(lock -> main.equals(lock.getValue(lock.referenceType().fieldByName("exclusiveOwnerThread"))));
    if (held.contains(first) && !locked) {
      if (reads.merge(event.location().toString(), 1, Integer::sum) >= 10) { polled = named(event.field()); }
    } else if (reads.merge(named(event.field()), 1, Integer::sum) > TOO_MANY) {
      event.request().disable();
    }
  }

  // ---- the others

  private void arrivesAtFolder(BreakpointEvent event) throws Exception {
    ThreadReference thread = event.thread();
    String name = event.location().method().name();
    Location caller = thread.frameCount() < 2 ? null : thread.frame(1).location();
    if (caller == null || !isSolutions(caller.declaringType()) || !path(thread).endsWith("COMPRESSED_IMAGES")) {
      return;
    }
    if (name.contains("xist") || name.equals("isDirectory")) {
      looked.add(thread.uniqueID());
      return;
    }
    creators.add(named(thread));
    byte[] code = caller.method().bytecodes();
    boolean ignored = code[(int) caller.codeIndex() + 3] == 0x57; // pop: who succeeded is not asked
    boolean atomic = name.equals("createDirectory") || name.startsWith("mkdir") && !ignored;
    if (!atomic && looked.contains(thread.uniqueID())) { late.add(named(thread)); }
    meet(atomic ? creatingAtomically : creating, thread);
  }

  private void arrivesAtField(ModificationWatchpointEvent event) {
    Method method = event.location().method();
    if (!method.isConstructor() && !method.isStaticInitializer()) { // else no other thread knows of the object yet
      arrives(named(event.field()), NUMBERS.contains(event.field().typeName()), event.object(), event.thread(),
          event.request());
    }
  }

  /** Stops at an instruction that stores into an array, or calls what changes an object: a step on, that is known. */
  private void stopAtChange(Location location, String store, String method) {
    String where = " (" + location + ")";
    BreakpointRequest request = requests.createBreakpointRequest(location);
    on(request, (BreakpointEvent event) -> {
      if (store != null) {
        arrives((store.equals("lastore") ? "long[]" : "double[]") + where, false, null, event.thread(), request);
        return;
      }
      StepRequest step = requests.createStepRequest(event.thread(), StepRequest.STEP_MIN, StepRequest.STEP_INTO);
      step.addCountFilter(1);
      on(step, (StepEvent stepped) -> {
        requests.deleteEventRequest(step);
        ObjectReference object = stepped.thread().frame(0).thisObject();
        if (object != null && !isSolutions(stepped.location().declaringType())) {
          Matcher unsafe = UNSAFE.matcher(object.referenceType().name());
          String what = unsafe.matches() ? unsafe.group(1) : method;
          arrives(what + where, unsafe.matches(), object, stepped.thread(), request);
        }
      });
    });
  }

  private void arrives(String what, boolean strict, ObjectReference object, ThreadReference thread,
      EventRequest request) {
    long id = object == null ? 0 : object.uniqueID();
    Place place = places.computeIfAbsent(what + id, key -> new Place(what, strict));
    added |= !thread.equals(main);
    place.threads.add(thread);
    if (place.met != null || ++place.arrivals > TOO_MANY) { request.disable(); }
    if (place.threads.size() > 1) { meet(place, thread); }
  }

  /** A thread arrives, and is held; but if another one is held here, they have met, and both go on. */
  private void meet(Place place, ThreadReference thread) {
    if (place.met != null) { return; }
    for (Held other : held) {
      if (other.place == place && !other.thread.equals(thread)) {
        place.met = named(other.thread) + ", " + named(thread);
        return;
      }
    }
    if (place.holds < HOLDS && !(place == saving && threads.size() == 1)) {
      place.holds++;
      hold(place, thread);
    }
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

  private static String named(ThreadReference thread) { return thread.name().isEmpty() ? "?" : thread.name(); }

  private static String named(Field field) { return field.declaringType().name() + "." + field.name(); }
}
