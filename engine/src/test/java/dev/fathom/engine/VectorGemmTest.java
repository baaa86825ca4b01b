package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** {@link VectorGemm} against scalar chains of fused multiply-adds, bit for bit. */
class VectorGemmTest {
    private static final int[] SIZES = {1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 40, 48, 63, 64, 65, 95, 129, 160, 200};

    static Stream<Arguments> cases() {
        Random random = new Random(1);
        Stream.Builder<Arguments> cases = Stream.builder();
        for (Precision precision : Precision.values()) {
            for (int threads = 1; threads <= 3; threads++) {
                // Every kernel and every remainder of rows, then groups, column views and long reductions at random.
                for (int rows : new int[] {0, 1, 2, 3, 4, 5, 11, 12, 13, 23, 24, 25, 97}) {
                    cases.add(Arguments.of(precision, threads, new GemmTestCase(rows, 65, 33, rows % 2 == 0, rows)));
                }
                for (int i = 0; i < 12; i++) {
                    int outputs = SIZES[random.nextInt(SIZES.length)];
                    int inputs = SIZES[random.nextInt(SIZES.length)];
                    int[] rows = new int[1 + random.nextInt(6)];
                    Arrays.setAll(rows, g -> random.nextInt(3) == 0 ? 0 : random.nextInt(70));
                    cases.add(Arguments.of(
                            precision, threads, new GemmTestCase(i, outputs, inputs, random.nextBoolean(), rows)));
                }
                cases.add(Arguments.of(precision, threads, new GemmTestCase(7, 37, 1100, true, 13, 0, 1, 300)));
                cases.add(Arguments.of(precision, threads, new GemmTestCase(8, 1100, 37, false, 1, 130)));
                cases.add(Arguments.of(precision, threads, new GemmTestCase(9, 256, 1024, false, 1)));
            }
        }
        return cases.build();
    }

    @ParameterizedTest(name = "{0}, {1} threads, {2}")
    @MethodSource("cases")
    void everyElementIsOneChainInIndexOrder(Precision precision, int threads, GemmTestCase operands) {
        try (WorkerPool pool = new WorkerPool(threads);
                Gemm gemm = new VectorGemm(precision, pool)) {
            int rows = operands.groups.rows();
            Gemm.Packed packed = gemm.pack(operands.weights);

            Tensor y = guarded(rows, operands.outputs);
            gemm.forward(operands.x, operands.groups, packed, inner(y));
            assertThat(BatchInvariance.bits(inner(y).toFloats()))
                    .isEqualTo(BatchInvariance.bits(operands.forward(precision)));
            assertGuardsIntact(y);

            for (boolean accumulate : new boolean[] {false, true}) {
                Tensor dx = guarded(rows, operands.inputs);
                gemm.backwardInput(operands.dy, operands.groups, packed, inner(dx), accumulate);
                assertThat(BatchInvariance.bits(inner(dx).toFloats()))
                        .isEqualTo(BatchInvariance.bits(operands.backwardInput(precision, GUARD, accumulate)));
                assertGuardsIntact(dx);
            }

            for (boolean accumulate : new boolean[] {false, true}) {
                Tensor dw = Tensor.zeros(DType.F32, operands.groups.count(), operands.outputs, operands.inputs);
                fill(dw, GUARD);
                gemm.backwardWeight(operands.dy, operands.x, operands.groups, dw, accumulate);
                assertThat(BatchInvariance.bits(dw.toFloats()))
                        .isEqualTo(BatchInvariance.bits(operands.backwardWeight(precision, GUARD, accumulate)));
            }
        }
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void aRowDoesNotDependOnItsBatch(Precision precision) {
        for (int threads = 1; threads <= 3; threads++) {
            try (WorkerPool pool = new WorkerPool(threads);
                    Gemm gemm = new VectorGemm(precision, pool)) {
                BatchInvariance.check(gemm, 192, 128, 1, 2, 3, 4, 5, 12, 13, 48, 97, 300);
                BatchInvariance.check(gemm, 45, 600, 1, 2, 7, 33, 64);
            }
        }
    }

    @Test
    void theInvarianceCheckCanFail() {
        try (WorkerPool pool = new WorkerPool(1);
                Gemm gemm = new BrokenGemm(pool)) {
            assertThatThrownBy(() -> BatchInvariance.check(gemm, 20, 50, 1, 2, 8))
                    .isInstanceOf(AssertionError.class)
                    .hasMessageContaining("in a batch of");
        }
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void operandsMayBeBf16(Precision precision) {
        GemmContract.operandsMayBeBf16(pool -> new VectorGemm(precision, pool));
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void productsMayBePartsOfTasks(Precision precision) {
        GemmContract.productsMayBePartsOfTasks(pool -> new VectorGemm(precision, pool));
    }

    @ParameterizedTest
    @EnumSource(Precision.class)
    void refreshSeesNewWeights(Precision precision) {
        try (WorkerPool pool = new WorkerPool(2);
                Gemm gemm = new VectorGemm(precision, pool)) {
            GemmTestCase before = new GemmTestCase(1, 200, 400, false, 5);
            GemmTestCase after = new GemmTestCase(2, 200, 400, false, 5);
            Gemm.Packed packed = gemm.pack(before.weights);
            Tensor dx = Tensor.zeros(DType.F32, 5, 400);
            gemm.backwardInput(after.dy, after.groups, packed, dx, false);
            before.weights.copyFrom(after.weights);
            packed.refresh();
            Tensor y = Tensor.zeros(DType.F32, 5, 200);
            gemm.forward(after.x, after.groups, packed, y);
            gemm.backwardInput(after.dy, after.groups, packed, dx, false);
            assertThat(y.toFloats()).isEqualTo(after.forward(precision));
            assertThat(dx.toFloats()).isEqualTo(after.backwardInput(precision, 0, false));
        }
    }

    @Test
    void bfloat16RoundingKeepsNanAndInfinity() {
        float[] values = new float[64];
        Arrays.fill(values, 1);
        values[3] = Float.NaN;
        values[4] = Float.intBitsToFloat(0x7f800001); // a NaN whose upper half is infinity's
        values[5] = Float.intBitsToFloat(0xffffffff); // a NaN that overflows when rounded like a number
        values[6] = Float.NEGATIVE_INFINITY;
        values[7] = Float.MAX_VALUE;
        values[8] = -0f;
        try (WorkerPool pool = new WorkerPool(1);
                Gemm gemm = new VectorGemm(Precision.BF16, pool)) {
            Gemm.Packed one = gemm.pack(Tensor.of(new float[] {1}, 1, 1));
            Tensor y = Tensor.zeros(DType.F32, 64, 1);
            gemm.forward(Tensor.of(values, 64, 1), RowGroups.single(64), one, y);
            assertThat(y.get(3, 0)).isNaN();
            assertThat(y.get(4, 0)).isNaN();
            assertThat(y.get(5, 0)).isNaN();
            assertThat(y.get(6, 0)).isEqualTo(Float.NEGATIVE_INFINITY);
            assertThat(y.get(7, 0)).isEqualTo(Float.POSITIVE_INFINITY);
            Gemm.Packed diagonal = gemm.pack(Tensor.of(identity(64), 64, 64));
            Tensor row = Tensor.zeros(DType.F32, 1, 64);
            float[] finite = new float[64];
            for (int i = 0; i < 64; i++) {
                finite[i] = (1 + i / 256f + 0x1p-9f) * (i % 2 == 0 ? 1 : -1);
            }
            gemm.forward(Tensor.of(finite, 1, 64), RowGroups.single(1), diagonal, row);
            for (int i = 0; i < 64; i++) {
                assertThat(row.get(0, i)).isEqualTo(GemmTestCase.operand(finite[i], Precision.BF16));
            }
        }
    }

    @Test
    void wrongShapesAreNamed() {
        try (WorkerPool pool = new WorkerPool(1);
                Gemm gemm = new VectorGemm(Precision.F32, pool)) {
            Gemm.Packed packed = gemm.pack(Tensor.zeros(DType.F32, 8, 4));
            Tensor x = Tensor.zeros(DType.F32, 3, 4);
            Tensor y = Tensor.zeros(DType.F32, 3, 9);
            assertThatThrownBy(() -> gemm.forward(x, RowGroups.single(3), packed, y))
                    .hasMessage("y must be F32 [3, 8], is F32[3, 9]");
            RowGroups two = new RowGroups(new int[] {0, 1, 3});
            assertThatThrownBy(() -> gemm.forward(x, two, packed, y))
                    .hasMessage("2 groups of rows for 1 weight matrices");
        }
    }

    private static float[] identity(int size) {
        float[] values = new float[size * size];
        for (int i = 0; i < size; i++) {
            values[i * size + i] = 1;
        }
        return values;
    }

    private static final float GUARD = 0.7f;

    /** Room for a result with a border that must not be written. */
    private static Tensor guarded(int rows, int columns) {
        Tensor tensor = Tensor.zeros(DType.F32, rows + 2, columns + 3);
        fill(tensor, GUARD);
        return tensor;
    }

    private static void fill(Tensor tensor, float value) {
        for (long r = 0; r < tensor.rows(); r++) {
            for (long c = 0; c < tensor.columns(); c++) {
                tensor.set(r, c, value);
            }
        }
    }

    private static Tensor inner(Tensor guarded) {
        return guarded.rows(1, guarded.rows() - 1).columns(1, guarded.columns() - 2);
    }

    private static void assertGuardsIntact(Tensor guarded) {
        for (long r = 0; r < guarded.rows(); r++) {
            for (long c = 0; c < guarded.columns(); c++) {
                if (r == 0 || r == guarded.rows() - 1 || c == 0 || c >= guarded.columns() - 2) {
                    assertThat(guarded.get(r, c)).as("border at [%d, %d]", r, c).isEqualTo(GUARD);
                }
            }
        }
    }

    /** Sums the first half of the reduction last when the batch is small, as a library might choose another kernel. */
    private static final class BrokenGemm implements Gemm {
        private final Gemm gemm;

        BrokenGemm(WorkerPool pool) {
            gemm = new VectorGemm(Precision.F32, pool);
        }

        @Override
        public String name() {
            return "broken";
        }

        @Override
        public Precision precision() {
            return gemm.precision();
        }

        @Override
        public Packed pack(Tensor weights) {
            return new BrokenPacked(weights, gemm.pack(weights));
        }

        @Override
        public void forward(Tensor x, RowGroups groups, Packed weights, Tensor y) {
            BrokenPacked broken = (BrokenPacked) weights;
            if (groups.rows() >= 4) {
                gemm.forward(x, groups, broken.packed, y);
                return;
            }
            int inputs = Math.toIntExact(broken.inputs());
            for (int g = 0; g < groups.count(); g++) {
                for (int r = groups.from(g); r < groups.to(g); r++) {
                    for (int n = 0; n < broken.outputs(); n++) {
                        float sum = 0;
                        for (int i = 0; i < inputs; i++) {
                            int k = (i + inputs / 2) % inputs;
                            sum = Math.fma(x.get(r, k), broken.weights.get(g * broken.outputs() + n, k), sum);
                        }
                        y.set(r, n, sum);
                    }
                }
            }
        }

        @Override
        public void backwardInput(Tensor dy, RowGroups groups, Packed weights, Tensor dx, boolean accumulate) {
            gemm.backwardInput(dy, groups, ((BrokenPacked) weights).packed, dx, accumulate);
        }

        @Override
        public void backwardWeight(Tensor dy, Tensor x, RowGroups groups, Tensor dw, boolean accumulate) {
            gemm.backwardWeight(dy, x, groups, dw, accumulate);
        }

        @Override
        public void close() {}
    }

    private record BrokenPacked(Tensor weights, Gemm.Packed packed) implements Gemm.Packed {
        @Override
        public int groups() {
            return packed.groups();
        }

        @Override
        public long outputs() {
            return packed.outputs();
        }

        @Override
        public long inputs() {
            return packed.inputs();
        }

        @Override
        public void refresh() {
            packed.refresh();
        }
    }
}
