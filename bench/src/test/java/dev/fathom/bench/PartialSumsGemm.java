package dev.fathom.bench;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.Precision;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * What exactness forbids, to measure what it costs: the gradient of a weight as one sum for each thread over that thread's rows, added up at the end. No thread reads
 * what another one wrote, but the bits depend on how many there are. Everything else is the other implementation's, kernels included; stacks of experts are, too, as
 * threads have groups of their own there.
 */
final class PartialSumsGemm implements Gemm {
    private final Engine engine;
    private final Gemm gemm;
    private final WorkerPool pool;
    private final Map<List<Long>, Tensor[]> partials = new HashMap<>();

    PartialSumsGemm(Engine engine) {
        this.engine = engine;
        this.gemm = engine.gemm();
        this.pool = engine.pool();
    }

    /** This engine with products by partial sums. */
    static Engine of(Engine engine) {
        return new Engine(
                engine.kernels(),
                new PartialSumsGemm(engine),
                engine.exactGemm(),
                engine.storedGemm(),
                engine.pool(),
                engine.note());
    }

    @Override
    public void backwardWeight(Tensor dy, Tensor x, RowGroups groups, Tensor dw, boolean accumulate) {
        int rows = groups.rows();
        int threads = pool.threads();
        if (groups.count() > 1 || rows < 64 * threads) {
            gemm.backwardWeight(dy, x, groups, dw, accumulate);
            return;
        }
        Tensor[] sums = partials.computeIfAbsent(
                List.of(dy.columns(), x.columns()),
                shape -> IntStream.range(1, threads)
                        .mapToObj(thread -> Tensor.zeros(DType.F32, dy.columns(), x.columns()))
                        .toArray(Tensor[]::new));
        pool.run(threads, (task, worker) -> {
            long from = (long) rows * task / threads;
            long to = (long) rows * (task + 1) / threads;
            Tensor sum = task == 0 ? dw.reshape(dy.columns(), x.columns()) : sums[task - 1];
            RowGroups mine = RowGroups.single(to - from);
            gemm.backwardWeight(dy.rows(from, to), x.rows(from, to), mine, sum, task == 0 && accumulate);
        });
        Tensor whole = dw.reshape(dy.columns(), x.columns());
        Stream.of(sums).forEach(sum -> engine.kernels().add(whole, sum, whole));
    }

    @Override
    public String name() {
        return gemm.name() + " with partial sums";
    }

    @Override
    public Precision precision() {
        return gemm.precision();
    }

    @Override
    public DType roundedResult() {
        return gemm.roundedResult();
    }

    @Override
    public Packed pack(Tensor weights) {
        return gemm.pack(weights);
    }

    @Override
    public void forward(Tensor x, RowGroups groups, Packed weights, Tensor y) {
        gemm.forward(x, groups, weights, y);
    }

    @Override
    public void backwardInput(Tensor dy, RowGroups groups, Packed weights, Tensor dx, boolean accumulate) {
        gemm.backwardInput(dy, groups, weights, dx, accumulate);
    }

    @Override
    public void close() {
        gemm.close();
    }
}
