package dev.fathom.bench;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.Kernels;
import dev.fathom.engine.Precision;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import java.lang.reflect.Proxy;
import java.util.HashMap;
import java.util.Map;

/**
 * What exactness forbids, to measure what it costs: each thread sums the gradient of a weight over the rows that it happens to take, for itself and from one product of a
 * step to the next, and the sums are added up once, when the optimizer asks for the gradients' norm. No thread reads what another one wrote or waits for it, but the bits
 * depend on who took what. Everything else is the other implementation's, kernels included; stacks of experts are, too, as threads have groups of their own there.
 */
final class PartialSumsGemm implements Gemm {
    /** Rows that a thread takes at a time: as many as the kernels go over at once. */
    static final int ROWS = 256;

    private final Engine engine;
    private final Gemm gemm;
    private final WorkerPool pool;

    /** By the address of the gradient. */
    private final Map<Long, Sums> gradients = new HashMap<>();

    private PartialSumsGemm(Engine engine) {
        this.engine = engine;
        this.gemm = engine.gemm();
        this.pool = engine.pool();
    }

    /** This engine with products by partial sums. */
    static Engine of(Engine engine) {
        PartialSumsGemm gemm = new PartialSumsGemm(engine);
        Object kernels = Proxy.newProxyInstance(
                Kernels.class.getClassLoader(), new Class<?>[] {Kernels.class}, (proxy, method, arguments) -> {
                    if (method.getName().equals("sumOfSquares")) {
                        gemm.addUp();
                    }
                    return new Call(engine.kernels(), method, arguments).invoke(engine.kernels());
                });
        return new Engine(
                (Kernels) kernels, gemm, engine.exactGemm(), engine.storedGemm(), engine.pool(), engine.note());
    }

    /** The sums of one gradient: the first worker's is the gradient itself, and each other worker has one of its own. */
    private static final class Sums {
        final Tensor[] sums;

        /** Whether a worker's sum holds anything of this step. */
        final boolean[] begun;

        Sums(Tensor gradient, int workers) {
            sums = new Tensor[workers];
            begun = new boolean[workers];
            sums[0] = gradient;
            for (int worker = 1; worker < workers; worker++) {
                sums[worker] = Tensor.zeros(DType.F32, gradient.rows(), gradient.columns());
            }
        }
    }

    @Override
    public void backwardWeight(Tensor dy, Tensor x, RowGroups groups, Tensor dw, boolean accumulate) {
        int rows = groups.rows();
        if (groups.count() > 1 || rows < ROWS * pool.threads()) {
            gemm.backwardWeight(dy, x, groups, dw, accumulate);
            return;
        }
        Tensor gradient = dw.reshape(dy.columns(), x.columns());
        Sums all = gradients.computeIfAbsent(dw.address(), address -> new Sums(gradient, pool.threads()));
        all.begun[0] = accumulate;
        pool.run((rows + ROWS - 1) / ROWS, (task, worker) -> {
            long from = (long) task * ROWS;
            long to = Math.min(rows, from + ROWS);
            RowGroups mine = RowGroups.single(to - from);
            gemm.backwardWeight(dy.rows(from, to), x.rows(from, to), mine, all.sums[worker], all.begun[worker]);
            all.begun[worker] = true;
        });
        if (!all.begun[0]) {
            gradient.zero();
        }
    }

    /** Adds the other workers' sums to the gradients. */
    private void addUp() {
        for (Sums all : gradients.values()) {
            for (int worker = 1; worker < all.sums.length; worker++) {
                if (all.begun[worker]) {
                    engine.kernels().add(all.sums[0], all.sums[worker], all.sums[0]);
                    all.begun[worker] = false;
                }
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
