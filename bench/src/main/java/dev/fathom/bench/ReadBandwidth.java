package dev.fathom.bench;

import dev.fathom.engine.Memory;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import java.util.concurrent.atomic.AtomicLongArray;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/** A pass over memory that only reads: each thread sums a contiguous share of a buffer. */
final class ReadBandwidth {
    private static final VectorSpecies<Long> SPECIES = LongVector.SPECIES_PREFERRED;

    /** Bytes per call: long enough to be worth it, short enough that the compiled method is entered soon. */
    private static final long CHUNK = 1 << 20;

    private ReadBandwidth() {}

    /** One pass over the buffer, whose size is a multiple of a MiB per thread. */
    static double gigabytesPerSecond(Tensor buffer, WorkerPool pool) {
        long bytes = buffer.size() * buffer.dtype().bytes();
        int threads = pool.threads();
        long share = bytes / threads / CHUNK * CHUNK;
        AtomicLongArray sums = new AtomicLongArray(threads);
        long start = System.nanoTime();
        pool.run(threads, (task, worker) -> {
            long from = buffer.address() + task * share;
            long sum = 0;
            for (long offset = 0; offset < share; offset += CHUNK) {
                sum += sum(from + offset, from + offset + CHUNK);
            }
            sums.set(task, sum);
        });
        return threads * share / ((System.nanoTime() - start) * 1e-9) * 1e-9;
    }

    private static long sum(long from, long to) {
        int bytes = SPECIES.vectorByteSize();
        LongVector a = LongVector.zero(SPECIES);
        LongVector b = a;
        LongVector c = a;
        LongVector d = a;
        for (long at = from; at < to; at += 4L * bytes) {
            a = a.add(LongVector.fromMemorySegment(SPECIES, Memory.ALL, at, Memory.ORDER));
            b = b.add(LongVector.fromMemorySegment(SPECIES, Memory.ALL, at + bytes, Memory.ORDER));
            c = c.add(LongVector.fromMemorySegment(SPECIES, Memory.ALL, at + 2L * bytes, Memory.ORDER));
            d = d.add(LongVector.fromMemorySegment(SPECIES, Memory.ALL, at + 3L * bytes, Memory.ORDER));
        }
        return a.add(b).add(c.add(d)).reduceLanes(VectorOperators.ADD);
    }
}
