package dev.fathom.model.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.fathom.engine.quant.QuantizedType;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** ggml reads what we write, where FATHOM_GGML names a {@code libggml-base}. */
class GgmlReaderTest {
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    @TempDir
    Path folder;

    private SymbolLookup ggml;

    @Test
    void readsWhatWeWrite() throws Throwable {
        String library = Objects.requireNonNullElse(System.getenv("FATHOM_GGML"), "");
        assumeTrue(!library.isEmpty() && Files.exists(Path.of(library)), "FATHOM_GGML names no libggml-base");
        ggml = SymbolLookup.libraryLookup(Path.of(library), Arena.global());
        Path file = folder.resolve("ours.gguf");
        Map<String, GgufValue> metadata = new LinkedHashMap<>();
        metadata.put("general.architecture", GgufValue.string("llama"));
        metadata.put("llama.block_count", GgufValue.uint32(7));
        metadata.put("tokenizer.ggml.tokens", GgufValue.strings(List.of("a", "中")));
        GgufWriter.write(
                file,
                metadata,
                List.of(
                        zeros("norm", QuantizedType.F32, List.of(5L)),
                        zeros("up", QuantizedType.Q4_K, List.of(2L, 3L, 256L)),
                        zeros("head", QuantizedType.Q8_0, List.of(4L, 32L))));

        try (Arena arena = Arena.ofConfined()) {
            MemorySegment model = (MemorySegment) function(
                            "gguf_init_from_file",
                            FunctionDescriptor.of(
                                    ValueLayout.ADDRESS,
                                    ValueLayout.ADDRESS,
                                    MemoryLayout.structLayout(
                                            ValueLayout.JAVA_BOOLEAN,
                                            MemoryLayout.paddingLayout(7),
                                            ValueLayout.ADDRESS)))
                    .invoke(arena.allocateFrom(file.toString()), noAllocation(arena));
            assertThat(model).as("ggml refuses the file").isNotEqualTo(MemorySegment.NULL);
            assertThat(number("gguf_get_n_kv", model)).isEqualTo(3);
            assertThat(number("gguf_get_n_tensors", model)).isEqualTo(3);
            Gguf ours = Gguf.open(file);
            long data = ours.get("norm").data().address();
            for (String name : ours.names()) {
                long id = (long) function(
                                "gguf_find_tensor",
                                FunctionDescriptor.of(LONG, ValueLayout.ADDRESS, ValueLayout.ADDRESS))
                        .invoke(model, arena.allocateFrom(name));
                assertThat(ofTensor("gguf_get_tensor_offset", model, id))
                        .isEqualTo(ours.get(name).data().address() - data);
                assertThat(ofTensor("gguf_get_tensor_size", model, id))
                        .isEqualTo(ours.get(name).data().byteSize());
            }
        }
    }

    private static GgufWriter.Entry zeros(String name, QuantizedType type, List<Long> shape) {
        long elements = shape.stream().reduce(1L, Math::multiplyExact);
        return new GgufWriter.Entry(
                name, type, shape, channel -> channel.write(ByteBuffer.allocate((int) type.bytes(elements))));
    }

    /** {@code struct gguf_init_params { bool no_alloc; struct ggml_context ** ctx; }}. */
    private static MemorySegment noAllocation(Arena arena) {
        MemorySegment parameters = arena.allocate(16, 8);
        parameters.set(ValueLayout.JAVA_BOOLEAN, 0, true);
        return parameters;
    }

    private MethodHandle function(String name, FunctionDescriptor descriptor) {
        return Linker.nativeLinker().downcallHandle(ggml.findOrThrow(name), descriptor);
    }

    private long number(String name, MemorySegment model) throws Throwable {
        return (long)
                function(name, FunctionDescriptor.of(LONG, ValueLayout.ADDRESS)).invoke(model);
    }

    private long ofTensor(String name, MemorySegment model, long id) throws Throwable {
        return (long) function(name, FunctionDescriptor.of(LONG, ValueLayout.ADDRESS, LONG))
                .invoke(model, id);
    }
}
