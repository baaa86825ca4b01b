package dev.fathom.bench;

import dev.fathom.engine.WorkerPool;
import java.util.concurrent.atomic.AtomicReferenceArray;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Fused multiply-adds on vectors that never leave the registers, in enough independent chains to hide their latency: 24 where there are 32
 * vector registers, 12 where there are 16; the better of the two counts.
 */
final class FmaPeak {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final int REPEATS = 20_000;
    private static final int CALLS = 100;

    private FmaPeak() {}

    @FunctionalInterface
    private interface Chains {
        float run(int repeats);
    }

    /** All threads of the pool together. */
    static double gflops(WorkerPool pool) {
        return Math.max(gflops(pool, 24, FmaPeak::chains24), gflops(pool, 12, FmaPeak::chains12));
    }

    private static double gflops(WorkerPool pool, int count, Chains chains) {
        int threads = pool.threads();
        AtomicReferenceArray<Float> sums = new AtomicReferenceArray<>(threads);
        double best = 0;
        for (int call = 0; call < CALLS; call++) {
            long start = System.nanoTime();
            pool.run(threads, (task, worker) -> sums.set(task, chains.run(REPEATS)));
            double seconds = (System.nanoTime() - start) * 1e-9;
            best = Math.max(best, 2.0 * SPECIES.length() * count * REPEATS * threads / seconds * 1e-9);
        }
        return best;
    }

    private static float chains24(int repeats) {
        FloatVector x = FloatVector.broadcast(SPECIES, 0.9999999f);
        FloatVector y = FloatVector.broadcast(SPECIES, 1e-9f);
        FloatVector a0 = FloatVector.broadcast(SPECIES, 0);
        FloatVector a1 = FloatVector.broadcast(SPECIES, 1);
        FloatVector a2 = FloatVector.broadcast(SPECIES, 2);
        FloatVector a3 = FloatVector.broadcast(SPECIES, 3);
        FloatVector a4 = FloatVector.broadcast(SPECIES, 4);
        FloatVector a5 = FloatVector.broadcast(SPECIES, 5);
        FloatVector a6 = FloatVector.broadcast(SPECIES, 6);
        FloatVector a7 = FloatVector.broadcast(SPECIES, 7);
        FloatVector a8 = FloatVector.broadcast(SPECIES, 8);
        FloatVector a9 = FloatVector.broadcast(SPECIES, 9);
        FloatVector a10 = FloatVector.broadcast(SPECIES, 10);
        FloatVector a11 = FloatVector.broadcast(SPECIES, 11);
        FloatVector a12 = FloatVector.broadcast(SPECIES, 12);
        FloatVector a13 = FloatVector.broadcast(SPECIES, 13);
        FloatVector a14 = FloatVector.broadcast(SPECIES, 14);
        FloatVector a15 = FloatVector.broadcast(SPECIES, 15);
        FloatVector a16 = FloatVector.broadcast(SPECIES, 16);
        FloatVector a17 = FloatVector.broadcast(SPECIES, 17);
        FloatVector a18 = FloatVector.broadcast(SPECIES, 18);
        FloatVector a19 = FloatVector.broadcast(SPECIES, 19);
        FloatVector a20 = FloatVector.broadcast(SPECIES, 20);
        FloatVector a21 = FloatVector.broadcast(SPECIES, 21);
        FloatVector a22 = FloatVector.broadcast(SPECIES, 22);
        FloatVector a23 = FloatVector.broadcast(SPECIES, 23);
        for (int r = 0; r < repeats; r++) {
            a0 = a0.fma(x, y);
            a1 = a1.fma(x, y);
            a2 = a2.fma(x, y);
            a3 = a3.fma(x, y);
            a4 = a4.fma(x, y);
            a5 = a5.fma(x, y);
            a6 = a6.fma(x, y);
            a7 = a7.fma(x, y);
            a8 = a8.fma(x, y);
            a9 = a9.fma(x, y);
            a10 = a10.fma(x, y);
            a11 = a11.fma(x, y);
            a12 = a12.fma(x, y);
            a13 = a13.fma(x, y);
            a14 = a14.fma(x, y);
            a15 = a15.fma(x, y);
            a16 = a16.fma(x, y);
            a17 = a17.fma(x, y);
            a18 = a18.fma(x, y);
            a19 = a19.fma(x, y);
            a20 = a20.fma(x, y);
            a21 = a21.fma(x, y);
            a22 = a22.fma(x, y);
            a23 = a23.fma(x, y);
        }
        return a0.add(a1)
                .add(a2)
                .add(a3)
                .add(a4)
                .add(a5)
                .add(a6)
                .add(a7)
                .add(a8)
                .add(a9)
                .add(a10)
                .add(a11)
                .add(a12)
                .add(a13)
                .add(a14)
                .add(a15)
                .add(a16)
                .add(a17)
                .add(a18)
                .add(a19)
                .add(a20)
                .add(a21)
                .add(a22)
                .add(a23)
                .reduceLanes(VectorOperators.ADD);
    }

    private static float chains12(int repeats) {
        FloatVector x = FloatVector.broadcast(SPECIES, 0.9999999f);
        FloatVector y = FloatVector.broadcast(SPECIES, 1e-9f);
        FloatVector a0 = FloatVector.broadcast(SPECIES, 0);
        FloatVector a1 = FloatVector.broadcast(SPECIES, 1);
        FloatVector a2 = FloatVector.broadcast(SPECIES, 2);
        FloatVector a3 = FloatVector.broadcast(SPECIES, 3);
        FloatVector a4 = FloatVector.broadcast(SPECIES, 4);
        FloatVector a5 = FloatVector.broadcast(SPECIES, 5);
        FloatVector a6 = FloatVector.broadcast(SPECIES, 6);
        FloatVector a7 = FloatVector.broadcast(SPECIES, 7);
        FloatVector a8 = FloatVector.broadcast(SPECIES, 8);
        FloatVector a9 = FloatVector.broadcast(SPECIES, 9);
        FloatVector a10 = FloatVector.broadcast(SPECIES, 10);
        FloatVector a11 = FloatVector.broadcast(SPECIES, 11);
        for (int r = 0; r < repeats; r++) {
            a0 = a0.fma(x, y);
            a1 = a1.fma(x, y);
            a2 = a2.fma(x, y);
            a3 = a3.fma(x, y);
            a4 = a4.fma(x, y);
            a5 = a5.fma(x, y);
            a6 = a6.fma(x, y);
            a7 = a7.fma(x, y);
            a8 = a8.fma(x, y);
            a9 = a9.fma(x, y);
            a10 = a10.fma(x, y);
            a11 = a11.fma(x, y);
        }
        return a0.add(a1)
                .add(a2)
                .add(a3)
                .add(a4)
                .add(a5)
                .add(a6)
                .add(a7)
                .add(a8)
                .add(a9)
                .add(a10)
                .add(a11)
                .reduceLanes(VectorOperators.ADD);
    }
}
