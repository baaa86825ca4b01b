package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.function.Function;

/** What every {@link Gemm} must keep: results near the exact chains of {@link VectorGemm}, and rows that depend on nothing but themselves, to the bit. */
public final class GemmContract {
    private GemmContract() {}

    public static void aRowDoesNotDependOnItsBatch(Precision precision, Function<WorkerPool, Gemm> open) {
        for (int threads = 1; threads <= 3; threads++) {
            try (WorkerPool pool = new WorkerPool(threads);
                    Gemm gemm = open.apply(pool)) {
                BatchInvariance.check(gemm, 192, 128, 1, 2, 3, 4, 5, 12, 13, 48, 97, 300);
                BatchInvariance.check(gemm, 45, 601, 1, 2, 7, 33, 64, 129);
                BatchInvariance.check(gemm, 688, 256, 1, 2, 9, 100);
            }
        }
    }

    /** Products that are part of a task run on that task's thread, in its memory: many at once are what each is alone. */
    public static void productsMayBePartsOfTasks(Function<WorkerPool, Gemm> open) {
        try (WorkerPool pool = new WorkerPool(3);
                Gemm gemm = open.apply(pool)) {
            GemmTestCase operands = new GemmTestCase(9, 40, 130, true, 29);
            Products alone = Products.of(gemm, operands, operands.x, operands.dy);
            pool.run(60, (task, worker) -> {
                Products inside = Products.of(gemm, operands, operands.x, operands.dy);
                Tensors.assertSameBits("y", inside.y, alone.y);
                Tensors.assertSameBits("dx", inside.dx, alone.dx);
                Tensors.assertSameBits("dw", inside.dw, alone.dw);
            });
        }
    }

    public static void resultsDifferFromExactChainsByRoundingOnly(
            Precision precision, Function<WorkerPool, Gemm> open) {
        try (WorkerPool pool = new WorkerPool(2);
                Gemm gemm = open.apply(pool);
                Gemm exact = new VectorGemm(precision, pool)) {
            compare(gemm, exact, new GemmTestCase(1, 65, 33, true, 0, 13, 1, 300));
            compare(gemm, exact, new GemmTestCase(2, 1, 1, false, 3));
            compare(gemm, exact, new GemmTestCase(3, 700, 130, true, 77, 0));
            compare(gemm, exact, new GemmTestCase(4, 33, 1100, false, 1, 2, 3, 0, 129));
            compare(gemm, exact, new GemmTestCase(5, 16, 16, false, 0));
            compare(gemm, exact, new GemmTestCase(7, 50, 40, false, 1203, 0, 530));
        }
    }

    private static void compare(Gemm gemm, Gemm exact, GemmTestCase operands) {
        int rows = operands.groups.rows();
        Gemm.Packed packed = gemm.pack(operands.weights);
        Gemm.Packed exactPacked = exact.pack(operands.weights);
        Tensor y = Tensor.zeros(DType.F32, rows, operands.outputs + 3).columns(1, 1 + operands.outputs);
        Tensor exactY = Tensor.zeros(DType.F32, rows, operands.outputs);
        gemm.forward(operands.x, operands.groups, packed, y);
        exact.forward(operands.x, operands.groups, exactPacked, exactY);
        near(operands + ", y", y, exactY);
        Tensor dx = Tensor.zeros(DType.F32, rows, operands.inputs);
        Tensor exactDx = Tensor.zeros(DType.F32, rows, operands.inputs);
        for (boolean accumulate : new boolean[] {false, true, true}) {
            gemm.backwardInput(operands.dy, operands.groups, packed, dx, accumulate);
            exact.backwardInput(operands.dy, operands.groups, exactPacked, exactDx, accumulate);
            near(operands + ", dx, accumulate " + accumulate, dx, exactDx);
        }
        Tensor dw = Tensor.zeros(DType.F32, operands.groups.count(), operands.outputs, operands.inputs);
        Tensor exactDw = Tensor.zeros(DType.F32, operands.groups.count(), operands.outputs, operands.inputs);
        for (boolean accumulate : new boolean[] {true, false, true}) {
            gemm.backwardWeight(operands.dy, operands.x, operands.groups, dw, accumulate);
            exact.backwardWeight(operands.dy, operands.x, operands.groups, exactDw, accumulate);
            near(operands + ", dw, accumulate " + accumulate, dw, exactDw);
        }
    }

    /** Products of the test's operands are around 30, sums of a thousand of them around 1000: 1e-2 is rounding. */
    private static void near(String what, Tensor found, Tensor expected) {
        float[] values = found.toFloats();
        float[] wanted = expected.toFloats();
        for (int i = 0; i < wanted.length; i++) {
            assertThat(values[i])
                    .as("%s at %d", what, i)
                    .isCloseTo(wanted[i], within(1e-2f + 1e-4f * Math.abs(wanted[i])));
        }
    }

    public static void aWeightGradientDependsOnlyOnItsGroup(Precision precision, Function<WorkerPool, Gemm> open) {
        aWeightGradientDependsOnlyOnItsGroup(open, 333);
        aWeightGradientDependsOnlyOnItsGroup(open, 1555);
    }

    private static void aWeightGradientDependsOnlyOnItsGroup(Function<WorkerPool, Gemm> open, int rows) {
        GemmTestCase operands = new GemmTestCase(6, 130, 70, false, 0, rows, 5, 64);
        int[] bits = null;
        for (int threads = 1; threads <= 3; threads++) {
            try (WorkerPool pool = new WorkerPool(threads);
                    Gemm gemm = open.apply(pool)) {
                Tensor all = Tensor.zeros(DType.F32, 4, 130, 70);
                gemm.backwardWeight(operands.dy, operands.x, operands.groups, all, false);
                Tensor second = Tensor.zeros(DType.F32, 1, 130, 70);
                Tensor dy = operands.dy.rows(0, rows);
                gemm.backwardWeight(dy, operands.x.rows(0, rows), RowGroups.single(rows), second, true);
                int[] whole = BatchInvariance.bits(all.toFloats());
                int[] alone = BatchInvariance.bits(second.toFloats());
                assertThat(java.util.Arrays.copyOfRange(whole, 130 * 70, 2 * 130 * 70))
                        .isEqualTo(alone);
                if (bits != null) {
                    assertThat(whole).as("%d threads", threads).isEqualTo(bits);
                }
                bits = whole;
            }
        }
    }

    /** An operand in BF16 is what an F32 operand of the same values is, to the bit, in any size and as a column view. */
    public static void operandsMayBeBf16(Function<WorkerPool, Gemm> open) {
        try (WorkerPool pool = new WorkerPool(2);
                Gemm gemm = open.apply(pool)) {
            for (int inputs : new int[] {1, 2, 31, 64, 256, 601, 1100, 2048}) {
                GemmTestCase operands =
                        new GemmTestCase(inputs, 3 + inputs % 140, inputs, inputs % 3 == 0, 33, 0, 1, 130);
                Tensor x = Tensors.rounded(operands.x);
                Tensor dy = Tensors.rounded(operands.dy);
                Products wide = Products.of(gemm, operands, Tensors.widened(x), Tensors.widened(dy));
                Products narrow = Products.of(gemm, operands, x, dy);
                String what = operands.toString();
                Tensors.assertSameBits(what + ", y", narrow.y, wide.y);
                Tensors.assertSameBits(what + ", dx", narrow.dx, wide.dx);
                Tensors.assertSameBits(what + ", dw", narrow.dw, wide.dw);
                if (gemm.roundedResult() == DType.BF16) {
                    Tensor y = Tensors.rounded(narrow.y);
                    y.zero();
                    gemm.forward(x, operands.groups, gemm.pack(operands.weights), y);
                    Tensors.assertSameBits(what + ", rounded y", y, Tensors.rounded(narrow.y));
                }
            }
        }
    }

    private record Products(Tensor y, Tensor dx, Tensor dw) {
        static Products of(Gemm gemm, GemmTestCase operands, Tensor x, Tensor dy) {
            int rows = operands.groups.rows();
            Gemm.Packed packed = gemm.pack(operands.weights);
            Tensor y = Tensor.zeros(DType.F32, rows, operands.outputs);
            Tensor dx = Tensor.zeros(DType.F32, rows, operands.inputs);
            Tensor dw = Tensor.zeros(DType.F32, operands.groups.count(), operands.outputs, operands.inputs);
            gemm.forward(x, operands.groups, packed, y);
            gemm.backwardInput(dy, operands.groups, packed, dx, false);
            gemm.backwardInput(dy, operands.groups, packed, dx, true);
            gemm.backwardWeight(dy, x, operands.groups, dw, false);
            return new Products(y, dx, dw);
        }
    }

    public static void refreshSeesNewWeights(Precision precision, Function<WorkerPool, Gemm> open) {
        try (WorkerPool pool = new WorkerPool(2);
                Gemm gemm = open.apply(pool)) {
            GemmTestCase before = new GemmTestCase(1, 80, 60, false, 5, 9);
            GemmTestCase after = new GemmTestCase(2, 80, 60, false, 5, 9);
            Gemm.Packed packed = gemm.pack(before.weights);
            gemm.backwardInput(after.dy, after.groups, packed, Tensor.zeros(DType.F32, 14, 60), false);
            before.weights.copyFrom(after.weights);
            packed.refresh();
            compareWith(gemm, packed, gemm.pack(after.weights), after);
        }
    }

    private static void compareWith(Gemm gemm, Gemm.Packed refreshed, Gemm.Packed fresh, GemmTestCase operands) {
        Tensor found = Tensor.zeros(DType.F32, 14, 80);
        Tensor expected = Tensor.zeros(DType.F32, 14, 80);
        gemm.forward(operands.x, operands.groups, refreshed, found);
        gemm.forward(operands.x, operands.groups, fresh, expected);
        assertThat(found.toFloats()).isEqualTo(expected.toFloats());
        Tensor foundInput = Tensor.zeros(DType.F32, 14, 60);
        Tensor expectedInput = Tensor.zeros(DType.F32, 14, 60);
        gemm.backwardInput(operands.dy, operands.groups, refreshed, foundInput, false);
        gemm.backwardInput(operands.dy, operands.groups, fresh, expectedInput, false);
        assertThat(foundInput.toFloats()).isEqualTo(expectedInput.toFloats());
    }

    public static void weightsOfAnotherGemmAreRefused(Function<WorkerPool, Gemm> open) {
        try (WorkerPool pool = new WorkerPool(1);
                Gemm gemm = open.apply(pool);
                Gemm other = new VectorGemm(Precision.F32, pool)) {
            Gemm.Packed packed = other.pack(Tensor.zeros(DType.F32, 4, 4));
            Tensor x = Tensor.zeros(DType.F32, 1, 4);
            assertThatThrownBy(() -> gemm.forward(x, RowGroups.single(1), packed, x))
                    .hasMessage("weights were packed by another Gemm: VectorPanels");
        }
    }
}
