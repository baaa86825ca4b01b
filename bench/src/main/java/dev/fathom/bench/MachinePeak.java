package dev.fathom.bench;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Memory;
import dev.fathom.engine.Precision;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * What the machine can do at best, measured on the spot with as many threads as are measured beside it.
 *
 * @param f32Gflops fused multiply-adds of independent vectors in registers, two FLOP each, in 10^9 per second
 * @param bf16Gflops products of bf16 operands with f32 sums
 * @param bf16Source how the bf16 peak came about
 * @param readGigabytesPerSecond reading memory far larger than the caches, in 10^9 bytes per second
 */
public record MachinePeak(double f32Gflops, double bf16Gflops, String bf16Source, double readGigabytesPerSecond) {
    private static final int ROUNDS = 5;
    private static final long BUFFER = 512L << 20;

    /** Measures, for about a second. The engine's threads are used, and its products if they are bf16. */
    public static MachinePeak measure(Engine engine) {
        double f32 = f32(engine.pool());
        double bf16 = f32;
        String source = "as f32: no matrix product here is faster in bf16";
        if (hasBf16Dot()) {
            bf16 = 2 * f32;
            source = "2 x f32: the processor has avx512_bf16, two products and sums per lane and instruction";
        }
        if (engine.gemm().precision() == Precision.BF16) {
            double product = GemmPeak.gflops(engine);
            if (product > bf16) {
                bf16 = product;
                source = "best matrix product of " + engine.gemm().name();
            }
        }
        return new MachinePeak(f32, bf16, source, readBandwidth(engine.pool()));
    }

    /** The peak of matrix products at this precision. */
    public double gflops(Precision precision) {
        return precision == Precision.BF16 ? bf16Gflops : f32Gflops;
    }

    /** Least seconds for so much arithmetic and memory traffic: the roofline. */
    double seconds(double flops, double bytes, Precision precision) {
        return Math.max(flops / gflops(precision), bytes / readGigabytesPerSecond) * 1e-9;
    }

    private static double f32(WorkerPool pool) {
        double best = 0;
        for (int round = 0; round < ROUNDS; round++) {
            best = Math.max(best, FmaPeak.gflops(pool));
        }
        return best;
    }

    private static double readBandwidth(WorkerPool pool) {
        Tensor buffer = Tensor.zeros(DType.F32, BUFFER / 4);
        // Memory that was never written to is one page of zeros, which the caches hold.
        Memory.ALL.asSlice(buffer.address(), BUFFER).fill((byte) 1);
        double[] rounds = new double[ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            rounds[round] = ReadBandwidth.gigabytesPerSecond(buffer, pool);
        }
        return Arrays.stream(rounds).max().orElseThrow();
    }

    /** Linux says so; elsewhere only what the products reach counts. */
    private static boolean hasBf16Dot() {
        Path file = Path.of("/proc/cpuinfo");
        try {
            return Files.isReadable(file)
                    && Files.readString(file)
                            .lines()
                            .filter(line -> line.startsWith("flags"))
                            .anyMatch(line -> line.contains(" avx512_bf16"));
        } catch (IOException e) {
            return false;
        }
    }
}
