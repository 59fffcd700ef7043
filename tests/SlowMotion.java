// SPDX-License-Identifier: MIT

import com.sun.jdi.AbsentInformationException;
import com.sun.jdi.ArrayReference;
import com.sun.jdi.Bootstrap;
import com.sun.jdi.ByteValue;
import com.sun.jdi.ClassNotLoadedException;
import com.sun.jdi.Field;
import com.sun.jdi.IncompatibleThreadStateException;
import com.sun.jdi.InvalidTypeException;
import com.sun.jdi.Location;
import com.sun.jdi.LongValue;
import com.sun.jdi.Method;
import com.sun.jdi.ObjectReference;
import com.sun.jdi.ReferenceType;
import com.sun.jdi.StackFrame;
import com.sun.jdi.StringReference;
import com.sun.jdi.ThreadReference;
import com.sun.jdi.VMDisconnectedException;
import com.sun.jdi.Value;
import com.sun.jdi.VirtualMachine;
import com.sun.jdi.connect.Connector;
import com.sun.jdi.connect.IllegalConnectorArgumentsException;
import com.sun.jdi.connect.ListeningConnector;
import com.sun.jdi.event.AccessWatchpointEvent;
import com.sun.jdi.event.BreakpointEvent;
import com.sun.jdi.event.ClassPrepareEvent;
import com.sun.jdi.event.Event;
import com.sun.jdi.event.EventSet;
import com.sun.jdi.event.ModificationWatchpointEvent;
import com.sun.jdi.event.MonitorContendedEnterEvent;
import com.sun.jdi.event.MonitorContendedEnteredEvent;
import com.sun.jdi.event.StepEvent;
import com.sun.jdi.event.ThreadDeathEvent;
import com.sun.jdi.event.ThreadStartEvent;
import com.sun.jdi.event.VMDisconnectEvent;
import com.sun.jdi.request.AccessWatchpointRequest;
import com.sun.jdi.request.BreakpointRequest;
import com.sun.jdi.request.ClassPrepareRequest;
import com.sun.jdi.request.EventRequest;
import com.sun.jdi.request.EventRequestManager;
import com.sun.jdi.request.StepRequest;
import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Where threads can meet. The first is held until another comes: then both go on, and have met. */
final class Place {
  final String what; // a field, or an object and a line, as it is told
  final boolean strict; // meeting here is a mistake in itself; elsewhere the sizes that are lost are
  final Map<Long, Set<Long>> threads = new HashMap<>(); // that came, by object; object 0 if it is static
  boolean images; // threads other than main came
  int arrivals;
  int holds;
  String met; // the names of two threads

  Place(String what, boolean strict) {
    this.what = what;
    this.strict = strict;
  }
}

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
  private static final long HOLD = 4000; // milliseconds
  private static final int HOLDS = 2; // at each place; the first threads may be slow, as the machine is not warm
  private static final int TOO_MANY = 100; // arrivals at what a thread has for itself: these are no totals
  static final Pattern CHANGES = Pattern.compile("(put|add|set|push|offer|merge|comput|replace|accept|update"
      + "|accumulate|get(?=And)|compareAnd|weakCompareAnd|lazySet|increment).*");
  private static final Set<String> NUMBERS = Set.of("int", "long", "float", "double", "java.lang.Integer",
      "java.lang.Long", "java.lang.Float", "java.lang.Double", "java.math.BigInteger", "java.math.BigDecimal");
  private static final Map<String, Set<String>> METHODS = Map.of(
      "java.nio.file.Files", Set.of("createDirectory", "createDirectories", "exists", "notExists", "isDirectory"),
      "java.io.File", Set.of("mkdir", "mkdirs", "exists", "isDirectory"),
      "com.sun.imageio.plugins.jpeg.JPEGImageWriter", Set.of("write"),
      "java.util.concurrent.locks.AbstractQueuedSynchronizer", Set.of("acquire")); // to wait for a Lock
  private static final Map<String, Set<String>> METHODS_OF_MAIN = Map.of(
      "java.nio.file.Files", Set.of("size", "readAttributes"),
      "java.io.File", Set.of("length"),
      "java.lang.Thread", Set.of("sleep", "join"),
      "java.lang.Runtime", Set.of("exit", "halt"));

  final Place creating = new Place("COMPRESSED_IMAGES", true);
  final Place creatingAtomically = new Place("COMPRESSED_IMAGES", false); // where the first alone succeeds, and knows
  final Place saving = new Place("JPEGImageWriter.write", false);
  final Map<String, Place> places = new TreeMap<>(); // what may be a total

  /** The threads that called for the creation of the folder; those of them that had looked before. */
  final Set<String> creators = new TreeSet<>();
  final Set<String> late = new TreeSet<>();

  /** The image thread that the main thread did not wait for, or null; how it paused instead. */
  String early;
  String paused;

  /** The field that the main thread looked at again and again instead of waiting, or null. */
  String polled;

  /** How often the main thread took the size of a compressed file. */
  int mainSizes;

  /** Why nothing could be seen, or null. */
  String failure;

  private final String sourceName;
  private final boolean gentle; // only the program's end is held back, until its threads have ended
  private final Set<Long> looked = new HashSet<>(); // threads
  private final Map<Long, Integer> contended = new HashMap<>(); // by monitor: how many wait for it
  private final Map<Long, ObjectReference> queued = new HashMap<>(); // Locks that threads had to wait for
  private final Set<Long> virtual = new HashSet<>(); // threads that live
  private final Map<String, Integer> reads = new HashMap<>(); // by the main thread, by place
  private final Map<Location, String> sites = new HashMap<>(); // of the solution's code: where it changes an object
  private final List<BreakpointRequest> entries = new ArrayList<>(); // into its methods
  private final List<Held> held = new ArrayList<>();
  private ListeningConnector connector;
  private Map<String, Connector.Argument> arguments;
  private Thread debugger;
  private BooleanSupplier ratioPrinted;
  private VirtualMachine machine;
  private EventRequestManager requests;
  private ThreadReference main;
  private boolean begun; // an image thread has come
  private Held first; // image thread, which main has to wait for
  private long mainWaitsSince;
  private EventSet mainsEnd;
  private long ended; // when main did, or 0

  /** A thread that is held. */
  private record Held(Place place, long object, ThreadReference thread, EventSet events, long until) {}

  SlowMotion(String sourceName, boolean gentle) {
    this.sourceName = sourceName;
    this.gentle = gentle;
  }

  /** Whether no two threads ever saved a picture at the same time, though one waited for it. */
  boolean alone() {
    return saving.met == null && saving.holds == HOLDS;
  }

  /** Waits for a program to come to be debugged, and returns the address it has to be told. */
  String listen(BooleanSupplier ratioPrinted) throws IOException {
    this.ratioPrinted = ratioPrinted;
    connector = Bootstrap.virtualMachineManager().listeningConnectors().stream()
        .filter(candidate -> candidate.transport().name().equals("dt_socket"))
        .findFirst()
        .orElseThrow();
    arguments = connector.defaultArguments();
    arguments.get("localAddress").setValue(InetAddress.getLoopbackAddress().getHostAddress());
    try {
      String address = connector.startListening(arguments);
      debugger = Thread.ofPlatform().daemon().start(this::debug);
      return address;
    } catch (IllegalConnectorArgumentsException e) {
      throw new IOException(e);
    }
  }

  /** Call it when the program has ended. */
  void close() throws IOException, InterruptedException {
    try {
      connector.stopListening(arguments);
    } catch (IllegalConnectorArgumentsException e) {
      // It has stopped by itself.
    }
    debugger.join();
  }

  private void debug() {
    try {
      machine = connector.accept(arguments);
      requests = machine.eventRequestManager();
      try {
        watch();
      } catch (VMDisconnectedException e) {
        // The program has ended, as it should.
      } catch (InvalidTypeException | ClassNotLoadedException | RuntimeException e) {
        failure = e.toString();
        try {
          machine.dispose(); // whoever is held goes on
        } catch (VMDisconnectedException gone) {
          // The program has ended meanwhile.
        }
      }
    } catch (IOException | IllegalConnectorArgumentsException | InterruptedException e) {
      failure = e.toString(); // the program did not get to its start
    }
  }

  /** Until the program ends. */
  private void watch() throws InterruptedException, InvalidTypeException, ClassNotLoadedException {
    main = machine.allThreads().stream().filter(thread -> thread.name().equals("main")).findFirst().orElseThrow();
    enable(requests.createThreadStartRequest(), EventRequest.SUSPEND_NONE);
    enable(requests.createThreadDeathRequest(), EventRequest.SUSPEND_EVENT_THREAD);
    METHODS_OF_MAIN.keySet().forEach(name -> machine.classesByName(name).forEach(this::watchMethods));
    if (!gentle) {
      ClassPrepareRequest classes = requests.createClassPrepareRequest();
      // The fewer classes make the program stop, the less is it disturbed.
      Stream.of("java.", "javax.", "jdk.", "sun.", "com.sun.", "com.twelvemonkeys.", "org.tinylog.", "picocli.")
          .forEach(prefix -> classes.addClassExclusionFilter(prefix + "*"));
      enable(classes, EventRequest.SUSPEND_EVENT_THREAD);
      enable(requests.createMonitorContendedEnterRequest(), EventRequest.SUSPEND_EVENT_THREAD);
      enable(requests.createMonitorContendedEnteredRequest(), EventRequest.SUSPEND_NONE);
      for (String name : METHODS.keySet()) {
        machine.classesByName(name).forEach(this::watchMethods);
        ClassPrepareRequest request = requests.createClassPrepareRequest();
        request.addClassFilter(name);
        enable(request, EventRequest.SUSPEND_EVENT_THREAD);
      }
    }
    while (true) {
      EventSet events = machine.eventQueue().remove(held.isEmpty() && mainsEnd == null ? 1000 : 10);
      if (events != null) {
        boolean hold = false;
        for (Event event : events) {
          if (event instanceof VMDisconnectEvent) {
            return;
          }
          hold = hold || arrives(event, events);
        }
        if (!hold) {
          events.resume();
        }
      }
      mainWaits();
      letGo(one -> one != first && one.place.met != null || events == null && System.nanoTime() > one.until);
      long since = System.nanoTime() - ended;
      if (mainsEnd != null && held.isEmpty() && (virtual.isEmpty() ? since > 1_500_000_000L : since > 20e9)) {
        mainsEnd.resume();
        mainsEnd = null;
      }
    }
  }

  /** Something happens; returns whether its thread is held. */
  private boolean arrives(Event event, EventSet events) throws InvalidTypeException, ClassNotLoadedException {
    try {
      return sees(event, events);
    } catch (IncompatibleThreadStateException e) {
      return false; // it goes on already
    }
  }

  private boolean sees(Event event, EventSet events)
      throws IncompatibleThreadStateException, InvalidTypeException, ClassNotLoadedException {
    switch (event) {
      case ClassPrepareEvent prepared -> watchClass(prepared.referenceType());
      case ThreadStartEvent start -> {
        if (start.thread().isVirtual()) {
          virtual.add(start.thread().uniqueID());
        }
      }
      case ThreadDeathEvent death -> {
        virtual.remove(death.thread().uniqueID());
        if (begun) { // it could do without the folder that another is about to create
          letGo(one -> one.place == creating || one.place == creatingAtomically);
        }
        return death.thread().equals(main) && mainEnds(events);
      }
      case MonitorContendedEnterEvent locked -> {
        contended.merge(locked.monitor().uniqueID(), 1, Integer::sum);
        letGo(one -> one != first && keepsOut(one.thread)); // another thread was kept out: all there was to see
      }
      case MonitorContendedEnteredEvent entered -> contended.merge(entered.monitor().uniqueID(), -1, Integer::sum);
      case AccessWatchpointEvent reading -> mainReads(reading);
      case ModificationWatchpointEvent writing -> {
        return arrivesAtField(writing, events);
      }
      case StepEvent step -> {
        requests.deleteEventRequest(step.request());
        return arrivesInObject(step, events);
      }
      case BreakpointEvent there -> {
        if (entries.contains(there.request()) && !begun && !there.thread().equals(main)) {
          return begins(there.thread(), events);
        } else if (sites.containsKey(there.location())) {
          return arrivesAtSite(there, events);
        } else if (!isStudents(there.location().declaringType())) {
          return there.thread().equals(main) && METHODS_OF_MAIN.getOrDefault(
              there.location().declaringType().name(), Set.of()).contains(there.location().method().name())
              ? mainArrives(there, events) : arrivesAtMethod(there, events);
        }
      }
      default -> { }
    }
    return false;
  }

  private static void enable(EventRequest request, int policy) {
    request.setSuspendPolicy(policy);
    request.enable();
  }

  private void letGo(Predicate<Held> which) {
    List<Held> some = held.stream().filter(which).toList();
    held.removeAll(some);
    some.forEach(one -> one.events.resume());
  }

  /** Whether a thread has a lock that another one waits for. It must be suspended. */
  private boolean keepsOut(ThreadReference thread) {
    return monitors(thread).stream().anyMatch(monitor -> contended.getOrDefault(monitor.uniqueID(), 0) > 0)
        || queued.values().stream().anyMatch(lock -> thread.equals(owner(lock)));
  }

  private static List<ObjectReference> monitors(ThreadReference thread) {
    try {
      return thread.ownedMonitors();
    } catch (IncompatibleThreadStateException e) {
      throw new IllegalStateException(e); // it is held: it is suspended
    }
  }

  /** The thread that has a ReentrantLock or the like, or null. */
  private static Value owner(ObjectReference lock) {
    Field field = lock.referenceType().fieldByName("exclusiveOwnerThread");
    return field == null ? null : lock.getValue(field);
  }

  // ---- where to stop

  private void watchClass(ReferenceType type) {
    if (METHODS.containsKey(type.name())) {
      watchMethods(type);
    } else if (isStudents(type) && !type.name().contains("/")) { // not what lambdas are made of
      for (Field field : type.fields()) {
        if (!field.isFinal()) {
          enable(requests.createModificationWatchpointRequest(field), EventRequest.SUSPEND_EVENT_THREAD);
          if (!field.isVolatile()) {
            AccessWatchpointRequest reading = requests.createAccessWatchpointRequest(field);
            reading.addThreadFilter(main);
            enable(reading, EventRequest.SUSPEND_EVENT_THREAD);
          }
        }
      }
      Code code = new Code(type);
      for (Method method : type.methods()) {
        if (!method.isAbstract() && !method.isNative() && !method.isStaticInitializer() && !method.isConstructor()) {
          if (!begun) {
            entries.add(breakAt(method.location()));
          }
          code.changes(method).forEach((at, what) -> {
            Location location = method.locationOfCodeIndex(at);
            sites.put(location, what);
            breakAt(location);
          });
        }
      }
    }
  }

  private void watchMethods(ReferenceType type) {
    for (Method method : type.methods()) {
      if (METHODS_OF_MAIN.getOrDefault(type.name(), Set.of()).contains(method.name())
          && !(method.name().equals("join") && method.argumentTypeNames().isEmpty())) { // that is what is wanted
        BreakpointRequest request = requests.createBreakpointRequest(method.location());
        request.addThreadFilter(main);
        enable(request, EventRequest.SUSPEND_EVENT_THREAD);
      } else if (!gentle && METHODS.getOrDefault(type.name(), Set.of()).contains(method.name())
          && (!method.name().equals("acquire") || method.argumentTypeNames().size() > 1)) {
        breakAt(method.location());
      }
    }
  }

  private BreakpointRequest breakAt(Location location) {
    BreakpointRequest request = requests.createBreakpointRequest(location);
    enable(request, EventRequest.SUSPEND_EVENT_THREAD);
    return request;
  }

  private boolean isStudents(ReferenceType type) {
    try {
      return type.name().indexOf('.') < 0 || type.sourceName().equals(sourceName);
    } catch (AbsentInformationException e) {
      return false;
    }
  }

  // ---- the main thread

  private boolean begins(ThreadReference thread, EventSet events) {
    begun = true;
    requests.deleteEventRequests(entries);
    entries.clear();
    if (ended > 0 || ratioPrinted.getAsBoolean()) {
      early = named(thread);
      return false;
    }
    first = new Held(new Place("", false), 0, thread, events, System.nanoTime() + 6_000_000_000L);
    held.add(first);
    return true;
  }

  /** Lets the first image thread go when the main thread is seen to wait for it, or not to. */
  private void mainWaits() {
    if (first == null || !held.contains(first)) {
      return;
    }
    long now = System.nanoTime();
    mainWaitsSince = main.status() != ThreadReference.THREAD_STATUS_WAIT ? 0
        : mainWaitsSince == 0 ? now : mainWaitsSince;
    if (ended > 0 || ratioPrinted.getAsBoolean()) {
      early = named(first.thread);
    }
    if (early != null || polled != null || mainWaitsSince > 0 && now - mainWaitsSince > 600_000_000) {
      letGo(one -> one == first);
    }
  }

  private boolean mainEnds(EventSet events) {
    if (ended == 0) {
      ended = System.nanoTime();
      mainWaits();
      if (gentle || !begun || early != null) {
        mainsEnd = events;
        return true;
      }
    }
    return false;
  }

  private boolean mainArrives(BreakpointEvent event, EventSet events)
      throws IncompatibleThreadStateException, InvalidTypeException, ClassNotLoadedException {
    Method method = event.location().method();
    List<Value> values = main.frame(0).getArgumentValues();
    switch (method.name()) {
      case "exit", "halt" -> {
        return mainEnds(events);
      }
      case "sleep", "join" -> {
        boolean brief = !(values.get(0) instanceof LongValue time) || time.value() > 0 && time.value() < 60_000;
        if (!gentle && brief && early == null && (!begun || held.contains(first))) {
          paused = method.name() + "(" + values.get(0) + ")";
          main.forceEarlyReturn(method.returnTypeName().equals("void") ? machine.mirrorOfVoid()
              : machine.mirrorOf(false));
        }
      }
      default -> {
        if (begun && path(main.frame(0)).contains("COMPRESSED_IMAGES")) {
          mainSizes++;
        }
      }
    }
    return false;
  }

  private void mainReads(AccessWatchpointEvent event) {
    String field = event.field().declaringType().name() + "." + event.field().name();
    boolean locked = !monitors(main).isEmpty() || Stream.of("NonfairSync", "FairSync")
        .flatMap(name -> machine.classesByName("java.util.concurrent.locks.ReentrantLock$" + name).stream())
        .flatMap(type -> type.instances(0).stream()).anyMatch(lock -> main.equals(owner(lock)));
    if (first != null && held.contains(first) && !locked) {
      if (reads.merge(event.location().toString(), 1, Integer::sum) >= 10) {
        polled = field;
      }
    } else if (reads.merge(field, 1, Integer::sum) > TOO_MANY) {
      event.request().disable();
    }
  }

  // ---- the others

  private boolean arrivesAtMethod(BreakpointEvent event, EventSet events) throws IncompatibleThreadStateException {
    ThreadReference thread = event.thread();
    Method method = event.location().method();
    String name = method.name();
    if (name.equals("acquire")) {
      ObjectReference lock = thread.frame(0).thisObject();
      queued.put(lock.uniqueID(), lock);
      letGo(one -> one != first && one.thread.equals(owner(lock)));
      return false;
    }
    if (name.equals("write")) {
      return begun && !thread.equals(main) && meet(saving, 0, thread, events);
    }
    if (thread.frameCount() < 2 || !isStudents(thread.frame(1).location().declaringType())
        || !path(thread.frame(0)).endsWith("COMPRESSED_IMAGES")) {
      return false;
    }
    if (name.contains("xist") || name.equals("isDirectory")) {
      looked.add(thread.uniqueID());
      return false;
    }
    Location caller = thread.frame(1).location();
    byte[] code = caller.method().bytecodes();
    boolean ignored = code[(int) caller.codeIndex() + 3] == 0x57; // pop: who succeeded is not asked
    creators.add(named(thread));
    if (name.equals("createDirectory") || name.startsWith("mkdir") && !ignored) {
      return meet(creatingAtomically, 0, thread, events);
    }
    if (looked.contains(thread.uniqueID())) {
      late.add(named(thread));
    }
    return meet(creating, 0, thread, events);
  }

  private boolean arrivesAtField(ModificationWatchpointEvent event, EventSet events) {
    Method method = event.location().method();
    if (method.isConstructor() || method.isStaticInitializer()) {
      return false; // no other thread knows of the object yet
    }
    String name = event.field().declaringType().name() + "." + event.field().name();
    return arrivesAt(name, NUMBERS.contains(event.field().typeName()), event.object(), event.thread(),
        event.request(), events);
  }

  /** At an instruction that changes an array, or calls a method that changes an object: one step on it is known. */
  private boolean arrivesAtSite(BreakpointEvent event, EventSet events) {
    String what = sites.get(event.location());
    if (what.endsWith("[]")) {
      return arrivesAt(what + " (" + event.location() + ")", false, null, event.thread(), event.request(), events);
    }
    Place place = places.get(event.location().toString());
    if (place != null && (place.met != null || ++place.arrivals > TOO_MANY)) {
      event.request().disable();
      return false;
    }
    places.computeIfAbsent(event.location().toString(), key -> new Place(what + " (" + key + ")", false));
    StepRequest step = requests.createStepRequest(event.thread(), StepRequest.STEP_MIN, StepRequest.STEP_INTO);
    step.putProperty("site", event.location().toString());
    step.addCountFilter(1);
    enable(step, EventRequest.SUSPEND_EVENT_THREAD);
    return false;
  }

  private boolean arrivesInObject(StepEvent event, EventSet events) throws IncompatibleThreadStateException {
    ObjectReference object = event.thread().frame(0).thisObject();
    if (object == null || isStudents(event.location().declaringType())) {
      return false;
    }
    String type = object.referenceType().name();
    boolean unsafe = type.matches("java\\.util\\.(?!Vector|Hashtable|Stack|Properties)\\w+"); // not Collections$...
    String site = (String) event.request().getProperty("site");
    String what = unsafe ? type.substring("java.util.".length()) + " (" + site + ")" : site;
    return arrivesAt(what, unsafe, object, event.thread(), null, events);
  }

  private boolean arrivesAt(String what, boolean strict, ObjectReference object, ThreadReference thread,
      EventRequest request, EventSet events) {
    Place place = places.computeIfAbsent(what, key -> new Place(what, strict));
    place.images |= !thread.equals(main);
    long id = object == null ? 0 : object.uniqueID();
    Set<Long> threads = place.threads.computeIfAbsent(id, key -> new HashSet<>());
    threads.add(thread.uniqueID());
    boolean shared = threads.size() > 1;
    if (request != null && (place.met != null || ++place.arrivals > TOO_MANY && !shared)) {
      request.disable();
    }
    return shared && meet(place, id, thread, events);
  }

  /** A thread arrives. Returns whether it is held; if another one is held here, they have met, and both go on. */
  private boolean meet(Place place, long object, ThreadReference thread, EventSet events) {
    if (place.met != null) {
      return false;
    }
    for (Held other : held) {
      if (other.place == place && other.object == object && !other.thread.equals(thread)) {
        place.met = named(other.thread) + ", " + named(thread);
        return false;
      }
    }
    if (place.holds == HOLDS || place == saving && virtual.size() == 1) {
      return false;
    }
    place.holds++;
    if (keepsOut(thread)) {
      return false; // others wait for a lock that it has: all there was to see
    }
    held.add(new Held(place, object, thread, events, System.nanoTime() + HOLD * 1_000_000));
    return true;
  }

  /** The path that a method of Files or File is called with. */
  private static String path(StackFrame frame) {
    ObjectReference path = frame.thisObject() != null ? frame.thisObject()
        : (ObjectReference) frame.getArgumentValues().get(0);
    Field field = path == null ? null : path.referenceType().fieldByName("path");
    Value value = field == null ? null : path.getValue(field);
    if (value instanceof ArrayReference bytes) { // of a UnixPath
      StringBuilder text = new StringBuilder();
      bytes.getValues().forEach(one -> text.append((char) (((ByteValue) one).value() & 0xFF)));
      return text.toString();
    }
    return value instanceof StringReference text ? text.value() : "";
  }

  private static String named(ThreadReference thread) {
    return thread.name().isEmpty() ? "?" : thread.name();
  }
}

/** The bytecode of a class: where does it store into arrays, and call methods that change objects of java.util? */
final class Code {
  /** The lengths of the instructions 0 to 201 (JVMS chapter 6); 0: it varies. */
  private static final String LENGTHS = "1".repeat(16) + "23233" + "22222" + "1".repeat(28) + "22222" + "1".repeat(73)
      + "3" + "1".repeat(20) + "3".repeat(16) + "200" + "1".repeat(6) + "3".repeat(7) + "553231133"
      + "110" + "43355";
  private static final int LASTORE = 0x50;
  private static final int DASTORE = 0x52;
  private static final int INVOKEVIRTUAL = 0xB6;
  private static final int INVOKEINTERFACE = 0xB9;

  private final Object[] pool; // JVMS 4.4: strings, and references to other entries

  Code(ReferenceType type) {
    pool = new Object[type.constantPoolCount()];
    try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(type.constantPool()))) {
      for (int i = 1; i < pool.length; i++) {
        int tag = in.readUnsignedByte();
        switch (tag) {
          case 1 -> pool[i] = in.readUTF();
          case 7, 8, 16, 19, 20 -> pool[i] = new int[] {in.readUnsignedShort()};
          case 9, 10, 11, 12, 17, 18 -> pool[i] = new int[] {in.readUnsignedShort(), in.readUnsignedShort()};
          case 15 -> in.skipNBytes(3);
          default -> {
            in.skipNBytes(tag < 5 ? 4 : 8);
            i += tag < 5 ? 0 : 1; // long and double count twice
          }
        }
      }
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private Object at(int index, int part) {
    return pool[((int[]) pool[index])[part]];
  }

  /** By the index of the instruction: what it changes. */
  Map<Integer, String> changes(Method method) {
    Map<Integer, String> changes = new TreeMap<>();
    ByteBuffer code = ByteBuffer.wrap(method.bytecodes());
    for (int i = 0; i < code.limit(); i += length(code, i)) {
      int instruction = code.get(i) & 0xFF;
      if (instruction == LASTORE || instruction == DASTORE) {
        changes.put(i, instruction == LASTORE ? "long[]" : "double[]");
      } else if (instruction == INVOKEVIRTUAL || instruction == INVOKEINTERFACE) {
        int reference = code.getShort(i + 1) & 0xFFFF;
        String owner = (String) pool[((int[]) at(reference, 0))[0]];
        String name = (String) pool[((int[]) at(reference, 1))[0]];
        if (owner.startsWith("java/util/") && SlowMotion.CHANGES.matcher(name).matches()) {
          changes.put(i, owner.substring(owner.lastIndexOf('/') + 1) + "." + name);
        }
      }
    }
    return changes;
  }

  private static int length(ByteBuffer code, int at) {
    int aligned = at + 4 & ~3;
    return switch (code.get(at) & 0xFF) {
      case 0xAA -> aligned + 16 + 4 * (code.getInt(aligned + 8) - code.getInt(aligned + 4)) - at; // tableswitch
      case 0xAB -> aligned + 8 + 8 * code.getInt(aligned + 4) - at; // lookupswitch
      case 0xC4 -> (code.get(at + 1) & 0xFF) == 0x84 ? 6 : 4; // wide
      default -> LENGTHS.charAt(code.get(at) & 0xFF) - '0';
    };
  }
}
