package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Function;

/** An implementation of attention against {@link ReferenceAttention}, in double, whose gradients {@link VectorAttentionTest} holds against finite differences. */
public final class AttentionAccuracy {
    /** Lengths of the packed sequences and the shape of the heads. */
    record Shape(int[] lengths, int heads, int storeHeads, int keyDim, int valueDim) {
        @Override
        public String toString() {
            return java.util.Arrays.toString(lengths) + " " + heads + "/" + storeHeads + " heads " + keyDim + "/"
                    + valueDim;
        }
    }

    private final Function<WorkerPool, AttentionKernels> open;
    private final double tolerance;

    /** @param tolerance of outputs, relative to 1 plus their size */
    public AttentionAccuracy(Function<WorkerPool, AttentionKernels> open, double tolerance) {
        this.open = open;
        this.tolerance = tolerance;
    }

    private static List<Shape> shapes() {
        List<Shape> shapes = new ArrayList<>(List.of(
                new Shape(new int[] {1}, 1, 1, 1, 1),
                new Shape(new int[] {16}, 1, 1, 16, 16),
                new Shape(new int[] {17, 1, 2, 3}, 2, 2, 24, 17),
                new Shape(new int[] {60, 33}, 4, 4, 48, 32),
                new Shape(new int[] {129, 5, 64}, 4, 2, 40, 48),
                new Shape(new int[] {31}, 4, 1, 80, 64),
                new Shape(new int[] {2, 1, 1}, 16, 1, 36, 31),
                new Shape(new int[] {200}, 2, 2, 5, 70),
                new Shape(new int[0], 1, 1, 8, 8)));
        Random random = new Random(7);
        for (int i = 0; i < 20; i++) {
            int[] lengths = new int[1 + random.nextInt(6)];
            for (int s = 0; s < lengths.length; s++) {
                lengths[s] = 1 + random.nextInt(90);
            }
            int storeHeads = 1 + random.nextInt(3);
            shapes.add(new Shape(
                    lengths,
                    storeHeads * (1 + random.nextInt(4)),
                    storeHeads,
                    1 + random.nextInt(70),
                    1 + random.nextInt(70)));
        }
        return shapes;
    }

    private AttentionCase make(Shape shape, long seed) {
        return AttentionCase.random(
                open, new Random(seed), shape.lengths, shape.heads, shape.storeHeads, shape.keyDim, shape.valueDim);
    }

    private static void assertClose(Tensor actual, Tensor expected, double tolerance, String what) {
        assertThat(actual.rows()).isEqualTo(expected.rows());
        for (long r = 0; r < expected.rows(); r++) {
            for (long c = 0; c < expected.columns(); c++) {
                assertThat(actual.get(r, c)).as("%s[%d, %d]", what, r, c).isCloseTo(expected.get(r, c), within((float)
                        (tolerance * (1 + Math.abs(expected.get(r, c))))));
            }
        }
    }

    public void forwardIsTheReference() {
        shapes().forEach(this::forwardIsTheReference);
    }

    private void forwardIsTheReference(Shape shape) {
        AttentionCase c = make(shape, 1);
        try (WorkerPool pool = new WorkerPool(2)) {
            c.forward(pool);
        }
        Tensor out = Tensor.zeros(DType.F32, c.out().rows(), c.out().columns());
        Tensor lse = Tensor.zeros(DType.F32, c.logSumExp().rows(), c.logSumExp().columns());
        ReferenceAttention.attention(c.q(), c.heads(), c.scale(), c.segments(), c.exactStore(), out, lse);
        assertClose(c.out(), out, tolerance, shape + " out");
        assertClose(c.logSumExp(), lse, 2e-6, shape + " logSumExp");
    }

    public void backwardIsTheReference() {
        shapes().forEach(this::backwardIsTheReference);
    }

    private void backwardIsTheReference(Shape shape) {
        Random random = new Random(3);
        AttentionCase c = make(shape, 2);
        Tensor dOut = AttentionCase.gaussian(
                AttentionCase.type(open), random, c.out().rows(), c.out().columns());
        KeyValueStore dStore = c.emptyStore();
        KeyValueStore expectedStore = c.emptyStore();
        // Gradients are written: what was there before shall not show.
        Tensor dq = AttentionCase.gaussian(random, c.q().rows(), c.q().columns());
        Tensor expected = Tensor.zeros(DType.F32, c.q().rows(), c.q().columns());
        Tensor others = AttentionCase.gaussian(random, dOut.rows(), dOut.columns());
        ReferenceAttention.attentionBackward(
                others,
                c.q(),
                c.out(),
                c.logSumExp(),
                c.heads(),
                c.scale(),
                c.segments(),
                c.exactStore(),
                expected,
                expectedStore);
        dStore.data().copyFrom(expectedStore.data());
        try (WorkerPool pool = new WorkerPool(2)) {
            c.forward(pool);
            open.apply(pool)
                    .attentionBackward(
                            dOut,
                            c.q(),
                            c.out(),
                            c.logSumExp(),
                            c.heads(),
                            c.scale(),
                            c.segments(),
                            c.store(),
                            dq,
                            dStore);
        }
        ReferenceAttention.attentionBackward(
                dOut,
                c.q(),
                c.out(),
                c.logSumExp(),
                c.heads(),
                c.scale(),
                c.segments(),
                c.exactStore(),
                expected,
                expectedStore);
        assertClose(dq, expected, 3 * tolerance, shape + " dq");
        // Everything but the used positions must be as it was: compared with the rest.
        assertClose(dStore.data(), expectedStore.data(), 6 * tolerance, shape + " dStore");
    }

    public void largeScoresStayFinite() {
        AttentionCase c = AttentionCase.random(open, new Random(8), new int[] {40}, 2, 2, 16, 16);
        for (long r = 0; r < c.q().rows(); r++) {
            for (long k = 0; k < c.q().columns(); k++) {
                c.q().set(r, k, c.q().get(r, k) * 1e4f);
            }
        }
        try (WorkerPool pool = new WorkerPool(1)) {
            c.forward(pool);
        }
        Tensor out = Tensor.zeros(DType.F32, c.out().rows(), c.out().columns());
        ReferenceAttention.attention(
                c.q(), c.heads(), c.scale(), c.segments(), c.exactStore(), out, Tensor.zeros(DType.F32, 40, 2));
        // Scores of 1e4 have an absolute error of 1e-3, and so have the weights.
        assertClose(c.out(), out, Math.max(2e-2, tolerance), "out");
    }

    public void refusesWhatDoesNotFit() {
        AttentionCase c = AttentionCase.random(open, new Random(9), new int[] {20, 3}, 4, 2, 8, 8);
        try (WorkerPool pool = new WorkerPool(1)) {
            AttentionKernels attention = open.apply(pool);
            assertThatThrownBy(() -> attention.attention(c.q(), 3, 1f, c.segments(), c.store(), c.out(), c.logSumExp()))
                    .hasMessageContaining("3 query heads cannot share 2");
            KeyValueStore small = KeyValueStore.allocate(c.store().data().dtype(), 32, 2, 8, 8);
            assertThatThrownBy(() -> attention.attention(c.q(), 4, 1f, c.segments(), small, c.out(), c.logSumExp()))
                    .hasMessageContaining("segment 1 uses slots 32..35");
            assertThatThrownBy(() -> attention.attention(
                            c.q().columns(0, 8), 4, 1f, c.segments(), c.store(), c.out(), c.logSumExp()))
                    .hasMessageContaining("queries must be F32 [23, 32]");
        }
    }
}
