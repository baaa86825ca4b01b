package dev.fathom.bench;

import dev.fathom.engine.quant.QuantizedType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Expanding a row of quantized weights to floats, and the same as the specification writes it.
 *
 * <pre>{@code bench/jmh DecodeBenchmark -p type=Q4_K}</pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5) // vector code is bimodal: look at every fork
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class DecodeBenchmark {
    /** Elements of a row: the hidden size of DeepSeek-V3. */
    private static final int COLUMNS = 7168;

    @Param
    public QuantizedType type = QuantizedType.Q8_0;

    private final MemorySegment blocks = blocks();
    private final MemorySegment floats = Arena.ofAuto().allocate(4L * COLUMNS, 64);

    /** Bytes that are valid in every type; as binary16 scales they are normal numbers. */
    private static MemorySegment blocks() {
        MemorySegment segment = Arena.ofAuto().allocate(4L * COLUMNS, 64);
        for (long i = 0; i < segment.byteSize(); i++) {
            segment.set(ValueLayout.JAVA_BYTE, i, (byte) (0x20 + i % 16));
        }
        return segment;
    }

    @Benchmark
    public MemorySegment vector() {
        type.decode(blocks, 0, floats, 0, COLUMNS);
        return floats;
    }

    @Benchmark
    public MemorySegment reference() {
        type.decodeReference(blocks, 0, floats, 0, COLUMNS);
        return floats;
    }
}
