package dev.fathom.onednn;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.fathom.engine.Memory;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/**
 * oneDNN's C functions through the Foreign Function &amp; Memory API.
 *
 * <p>The shared library comes out of the jar {@code org.bytedeco:dnnl} (only the {@code .so} files are used, none of its Java)
 * and is unpacked once per user. The functions are method handles in the components of one record in a static final field, so
 * that the JIT compiles a call to a plain native call. Where the library is missing, the same record holds handles that throw
 * the reason, and nobody needs to ask twice.
 */
final class OneDnnLibrary {
    static final int BF16 = 2;
    static final int F32 = 3;

    static final int ARGUMENT_SOURCE = 1;
    static final int ARGUMENT_TARGET = 17;
    static final int ARGUMENT_WEIGHTS = 33;
    static final int ARGUMENT_SCRATCHPAD = 80;

    static final int QUERY_WEIGHTS = 131;
    static final int QUERY_SCRATCHPAD = 136;

    private static final int ENGINE_CPU = 1;
    private static final int STREAM_IN_ORDER = 1;
    private static final int SCRATCHPAD_USER = 1;
    private static final int FORMAT_ANY = 1;
    private static final int MAX_DIMENSIONS = 12;

    private static final String VERSION = "3.11-1.5.13";
    private static final String RESOURCES = "/org/bytedeco/dnnl/linux-x86_64/";

    private record Functions(
            MethodHandle engineCreate,
            MethodHandle streamCreate,
            MethodHandle attributesCreate,
            MethodHandle attributesSetScratchpad,
            MethodHandle attributesSetPostOperations,
            MethodHandle postOperationsCreate,
            MethodHandle postOperationsAppendSum,
            MethodHandle descriptorStrided,
            MethodHandle descriptorTagged,
            MethodHandle descriptorBytes,
            MethodHandle matmul,
            MethodHandle reorder,
            MethodHandle query,
            MethodHandle primitiveCreate,
            MethodHandle primitiveDestroy,
            MethodHandle execute,
            MethodHandle memoryCreate,
            MethodHandle memoryDestroy,
            MethodHandle memorySetHandle,
            MethodHandle effectiveIsa,
            MethodHandle version,
            MethodHandle setThreads) {}

    private static final String FAILURE;
    private static final Functions CALL;

    static {
        String failure = "";
        SymbolLookup symbols = name -> java.util.Optional.empty();
        try {
            symbols = SymbolLookup.libraryLookup(unpack(), Arena.global());
        } catch (IOException | RuntimeException | UnsatisfiedLinkError e) {
            failure = "oneDNN cannot be loaded: " + e.getMessage();
        }
        FAILURE = failure;
        CALL = bind(symbols, failure);
    }

    private OneDnnLibrary() {}

    /** Why the library could not be loaded, or an empty string. */
    static String failure() {
        return FAILURE;
    }

    /** The unpacked library; unpacks them if this user has not yet done so. */
    private static Path unpack() throws IOException {
        String system = System.getProperty("os.name") + " " + System.getProperty("os.arch");
        if (!system.equals("Linux amd64")) {
            throw new UnsupportedOperationException("the bundled library is for Linux amd64, this is " + system);
        }
        String cache = System.getenv("XDG_CACHE_HOME");
        Path home =
                cache != null && !cache.isEmpty() ? Path.of(cache) : Path.of(System.getProperty("user.home"), ".cache");
        Path directory = home.resolve("fathom").resolve("onednn-" + VERSION);
        try {
            Files.createDirectories(directory);
        } catch (IOException e) {
            directory = Files.createTempDirectory("fathom-onednn");
        }
        // libgomp beside libdnnl is where the latter looks for it ($ORIGIN).
        unpack("libgomp.so.1", directory);
        return unpack("libdnnl.so.3", directory);
    }

    private static Path unpack(String name, Path directory) throws IOException {
        Path target = directory.resolve(name);
        if (Files.exists(target)) {
            return target;
        }
        try (InputStream in = OneDnnLibrary.class.getResourceAsStream(RESOURCES + name)) {
            if (in == null) {
                throw new IOException("org.bytedeco:dnnl:" + VERSION + ":linux-x86_64 is not on the class path");
            }
            // Written beside and renamed: another process never sees half a library.
            Path partial = Files.createTempFile(directory, name, ".partial");
            Files.copy(in, partial, StandardCopyOption.REPLACE_EXISTING);
            Files.move(partial, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        }
        return target;
    }

    private static Functions bind(SymbolLookup symbols, String failure) {
        Binder binder = new Binder(symbols, failure);
        return new Functions(
                binder.status("dnnl_engine_create", ADDRESS, JAVA_INT, JAVA_LONG),
                binder.status("dnnl_stream_create", ADDRESS, JAVA_LONG, JAVA_INT),
                binder.status("dnnl_primitive_attr_create", ADDRESS),
                binder.status("dnnl_primitive_attr_set_scratchpad_mode", JAVA_LONG, JAVA_INT),
                binder.status("dnnl_primitive_attr_set_post_ops", JAVA_LONG, JAVA_LONG),
                binder.status("dnnl_post_ops_create", ADDRESS),
                binder.status("dnnl_post_ops_append_sum", JAVA_LONG, JAVA_FLOAT, JAVA_INT, JAVA_INT),
                binder.status("dnnl_memory_desc_create_with_strides", ADDRESS, JAVA_INT, ADDRESS, JAVA_INT, ADDRESS),
                binder.status("dnnl_memory_desc_create_with_tag", ADDRESS, JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT),
                binder.function("dnnl_memory_desc_get_size", JAVA_LONG, JAVA_LONG),
                binder.status(
                        "dnnl_matmul_primitive_desc_create",
                        ADDRESS,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG),
                binder.status(
                        "dnnl_reorder_primitive_desc_create",
                        ADDRESS,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG,
                        JAVA_LONG),
                binder.function("dnnl_primitive_desc_query_md", JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT),
                binder.status("dnnl_primitive_create", ADDRESS, JAVA_LONG),
                binder.status("dnnl_primitive_destroy", JAVA_LONG),
                binder.status("dnnl_primitive_execute", JAVA_LONG, JAVA_LONG, JAVA_INT, ADDRESS),
                binder.status("dnnl_memory_create", ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG),
                binder.status("dnnl_memory_destroy", JAVA_LONG),
                binder.status("dnnl_memory_set_data_handle", JAVA_LONG, JAVA_LONG),
                binder.function("dnnl_get_effective_cpu_isa", JAVA_INT),
                binder.function("dnnl_version", JAVA_LONG),
                binder.action("omp_set_num_threads", JAVA_INT));
    }

    private record Binder(SymbolLookup symbols, String failure) {
        MethodHandle status(String name, MemoryLayout... arguments) {
            return function(name, JAVA_INT, arguments);
        }

        MethodHandle function(String name, MemoryLayout result, MemoryLayout... arguments) {
            return handle(name, FunctionDescriptor.of(result, arguments));
        }

        MethodHandle action(String name, MemoryLayout... arguments) {
            return handle(name, FunctionDescriptor.ofVoid(arguments));
        }

        private MethodHandle handle(String name, FunctionDescriptor descriptor) {
            return symbols.find(name)
                    .map(symbol -> Linker.nativeLinker().downcallHandle(symbol, descriptor))
                    .orElseGet(() -> throwing(name, descriptor.toMethodType()));
        }

        private MethodHandle throwing(String name, MethodType type) {
            String reason = failure.isEmpty() ? "oneDNN has no function " + name : failure;
            MethodHandle thrower = MethodHandles.throwException(type.returnType(), UnsupportedOperationException.class)
                    .bindTo(new UnsupportedOperationException(reason));
            return MethodHandles.dropArguments(thrower, 0, type.parameterList());
        }
    }

    /** The engine of this process: the CPU. */
    static final class Engine {
        static final long HANDLE = create("engine", out -> (int) CALL.engineCreate.invokeExact(out, ENGINE_CPU, 0L));

        /** Scratch memory of primitives comes from the caller, so that threads can share a primitive. */
        static final long ATTRIBUTES = attributes();

        /** The same, and the product is added to what the target holds. */
        static final long ADDING = adding();

        private Engine() {}

        private static long attributes() {
            long attributes = create("attributes", out -> (int) CALL.attributesCreate.invokeExact(out));
            check("scratchpad mode", () -> (int) CALL.attributesSetScratchpad.invokeExact(attributes, SCRATCHPAD_USER));
            return attributes;
        }

        private static long adding() {
            long attributes = attributes();
            long operations = create("post_ops", out -> (int) CALL.postOperationsCreate.invokeExact(out));
            check("sum", () -> (int) CALL.postOperationsAppendSum.invokeExact(operations, 1f, 0, F32));
            check("post_ops", () -> (int) CALL.attributesSetPostOperations.invokeExact(attributes, operations));
            return attributes;
        }
    }

    /** The calling thread's oneDNN calls use no thread but itself from now on. */
    static void useOneThread() {
        try {
            CALL.setThreads.invokeExact(1);
        } catch (Throwable e) {
            throw failed("omp_set_num_threads", e);
        }
    }

    static int effectiveIsa() {
        try {
            return (int) CALL.effectiveIsa.invokeExact();
        } catch (Throwable e) {
            throw failed("dnnl_get_effective_cpu_isa", e);
        }
    }

    /** The loaded library's version, such as {@code 3.11.0}: the struct behind {@code dnnl_version} begins with three ints. */
    static String version() {
        try {
            long struct = (long) CALL.version.invokeExact();
            return Memory.getInt(struct) + "." + Memory.getInt(struct + 4) + "." + Memory.getInt(struct + 8);
        } catch (Throwable e) {
            throw failed("dnnl_version", e);
        }
    }

    static long stream() {
        return create("stream", out -> (int) CALL.streamCreate.invokeExact(out, Engine.HANDLE, STREAM_IN_ORDER));
    }

    /** A matrix of this type with strides in elements. */
    static long matrix(int type, long rows, long columns, long rowStride, long columnStride) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment dims = dimensions(arena, rows, columns);
            MemorySegment strides = dimensions(arena, rowStride, columnStride);
            return create("matrix", out -> (int) CALL.descriptorStrided.invokeExact(out, 2, dims, type, strides));
        }
    }

    /** A matrix in whatever layout a primitive prefers. */
    static long anyMatrix(int type, long rows, long columns) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment dims = dimensions(arena, rows, columns);
            return create("matrix", out -> (int) CALL.descriptorTagged.invokeExact(out, 2, dims, type, FORMAT_ANY));
        }
    }

    private static MemorySegment dimensions(Arena arena, long first, long second) {
        MemorySegment values = arena.allocate(JAVA_LONG, MAX_DIMENSIONS);
        values.setAtIndex(JAVA_LONG, 0, first);
        values.setAtIndex(JAVA_LONG, 1, second);
        return values;
    }

    static long bytes(long descriptor) {
        try {
            return (long) CALL.descriptorBytes.invokeExact(descriptor);
        } catch (Throwable e) {
            throw failed("dnnl_memory_desc_get_size", e);
        }
    }

    /** @param add whether the product is added to the target */
    static long matmul(long source, long weights, long target, boolean add) {
        long attributes = add ? Engine.ADDING : Engine.ATTRIBUTES;
        return create("matmul", out ->
                (int) CALL.matmul.invokeExact(out, Engine.HANDLE, source, weights, 0L, target, attributes));
    }

    static long reorder(long source, long target) {
        return create("reorder", out ->
                (int) CALL.reorder.invokeExact(out, source, Engine.HANDLE, target, Engine.HANDLE, Engine.ATTRIBUTES));
    }

    /** A memory descriptor of a primitive descriptor, which stays its owner. */
    static long query(long primitiveDescriptor, int what) {
        try {
            return (long) CALL.query.invokeExact(primitiveDescriptor, what, 0);
        } catch (Throwable e) {
            throw failed("dnnl_primitive_desc_query_md", e);
        }
    }

    static long primitive(long primitiveDescriptor) {
        return create("primitive", out -> (int) CALL.primitiveCreate.invokeExact(out, primitiveDescriptor));
    }

    static long memory(long descriptor) {
        return create("memory", out -> (int) CALL.memoryCreate.invokeExact(out, descriptor, Engine.HANDLE, 0L));
    }

    static void destroyPrimitive(long primitive) {
        check("primitive_destroy", () -> (int) CALL.primitiveDestroy.invokeExact(primitive));
    }

    static void destroyMemory(long memory) {
        check("memory_destroy", () -> (int) CALL.memoryDestroy.invokeExact(memory));
    }

    static void point(long memory, long address) {
        try {
            status("memory_set_data_handle", (int) CALL.memorySetHandle.invokeExact(memory, address));
        } catch (Throwable e) {
            throw failed("dnnl_memory_set_data_handle", e);
        }
    }

    /** Runs a primitive on the calling thread. @param arguments pairs of (int argument, pointer memory), 16 bytes each */
    static void execute(long primitive, long stream, MemorySegment arguments) {
        try {
            int count = (int) (arguments.byteSize() / 16);
            status("primitive_execute", (int) CALL.execute.invokeExact(primitive, stream, count, arguments));
        } catch (Throwable e) {
            throw failed("dnnl_primitive_execute", e);
        }
    }

    private interface Creation {
        int create(MemorySegment out) throws Throwable;
    }

    private static long create(String what, Creation creation) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(JAVA_LONG);
            status(what, creation.create(out));
            return out.get(JAVA_LONG, 0);
        } catch (Throwable e) {
            throw failed(what, e);
        }
    }

    private interface Check {
        int run() throws Throwable;
    }

    private static void check(String what, Check call) {
        try {
            status(what, call.run());
        } catch (Throwable e) {
            throw failed(what, e);
        }
    }

    private static void status(String what, int status) {
        if (status != 0) {
            throw new IllegalStateException("oneDNN refused " + what + ": status " + status);
        }
    }

    private static RuntimeException failed(String what, Throwable e) {
        if (e instanceof RuntimeException known) {
            return known;
        }
        if (e instanceof Error error) {
            throw error;
        }
        return new IllegalStateException("oneDNN call " + what + " failed", e);
    }
}
