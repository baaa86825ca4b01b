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

/**
 * What exactness forbids, to measure what it costs: each thread sums the gradient of a weight for itself, over the rows that it happens to take, and in the end the sums are
 * added up. No thread reads what another one wrote, but the bits depend on who took what. Everything else is the other implementation's, kernels included; stacks of
 * experts are, too, as threads have groups of their own there.
 *
 * <p>To keep the sums until the end of a step instead was no faster: they are read and written again by every product, and those of one matrix after another do not stay in
 * the caches.
 */
final class PartialSumsGemm implements Gemm {
    /** Rows that a thread takes at a time: as many as the kernels go over at once. */
    static final int ROWS = 256;

    private final Engine engine;
    private final Gemm gemm;
    private final WorkerPool pool;

    /** By the size of the gradient, a sum for each worker but the first, whose sum is the gradient itself. */
    private final Map<List<Long>, Tensor[]> sums = new HashMap<>();

    private PartialSumsGemm(Engine engine) {
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
        int workers = pool.threads();
        if (groups.count() > 1 || rows < ROWS * workers) {
            gemm.backwardWeight(dy, x, groups, dw, accumulate);
            return;
        }
        Tensor[] others = sums.computeIfAbsent(
                List.of(dy.columns(), x.columns()),
                size -> IntStream.range(1, workers)
                        .mapToObj(worker -> Tensor.zeros(DType.F32, dy.columns(), x.columns()))
                        .toArray(Tensor[]::new));
        Tensor whole = dw.reshape(dy.columns(), x.columns());
        boolean[] begun = new boolean[workers];
        begun[0] = accumulate;
        pool.run((rows + ROWS - 1) / ROWS, (task, worker) -> {
            long from = (long) task * ROWS;
            long to = Math.min(rows, from + ROWS);
            Tensor sum = worker == 0 ? whole : others[worker - 1];
            gemm.backwardWeight(dy.rows(from, to), x.rows(from, to), RowGroups.single(to - from), sum, begun[worker]);
            begun[worker] = true;
        });
        if (!begun[0]) {
            whole.zero();
        }
        for (int worker = 1; worker < workers; worker++) {
            if (begun[worker]) {
                engine.kernels().add(whole, others[worker - 1], whole);
            }
        }
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
