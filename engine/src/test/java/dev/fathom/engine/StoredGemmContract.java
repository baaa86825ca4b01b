package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.fathom.engine.quant.QuantizedType;
import dev.fathom.engine.quant.StoredMatrix;
import dev.fathom.engine.quant.StoredTestWeights;
import dev.fathom.engine.quant.StoredWeights;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Function;

/** What every {@link StoredGemm} must keep: results near the product in double, and rows that depend on nothing but themselves, to the bit. */
public final class StoredGemmContract {
    /** Multiples of what some and not all of the kernels take at once. */
    private static final int[] BLOCKS = {1, 2, 3, 5, 8};

    private StoredGemmContract() {}

    /**
     * @param roundsX whether x may become integers of eight bits: then each element is off by a 254th of the largest of its 32, and by what their scale
     *     is rounded by
     */
    public static void everyTypeIsNearTheProductInDouble(Function<WorkerPool, StoredGemm> open, boolean roundsX) {
        Random random = new Random(1);
        try (WorkerPool pool = new WorkerPool(2)) {
            StoredGemm gemm = open.apply(pool);
            for (QuantizedType type : QuantizedType.values()) {
                for (int blocks : BLOCKS) {
                    // Of plain numbers any, and sometimes what a kernel takes at once.
                    int columns = (type.blockSize() == 1 ? blocks % 2 == 0 ? 32 : 37 : type.blockSize()) * blocks;
                    for (int outputs : new int[] {1, 15, 16, 33, 100}) {
                        StoredMatrix matrix = StoredTestWeights.random(type, outputs, columns, random);
                        check(gemm, type + " x " + blocks, matrix, random.nextInt(1, 34), roundsX, random);
                    }
                }
            }
            for (int columns : new int[] {1, 100, 128, 384, 500}) {
                StoredMatrix matrix = StoredTestWeights.randomFloat8(150, columns, random);
                check(gemm, "E4M3", matrix, random.nextInt(1, 34), roundsX, random);
            }
        }
    }

    private static void check(
            StoredGemm gemm, String name, StoredMatrix matrix, int rows, boolean roundsX, Random random) {
        int outputs = (int) matrix.rows();
        int columns = (int) matrix.columns();
        Tensor x = GemmTestCase.random(random, rows, columns + 5).columns(2, 2 + columns);
        Tensor y = Tensor.zeros(DType.F32, rows, outputs + 3).columns(1, 1 + outputs);
        gemm.forward(x, RowGroups.single(rows), gemm.prepare(StoredWeights.of(matrix)), y);
        Tensor weights = Tensor.zeros(DType.F32, outputs, columns);
        matrix.decode(0, outputs, weights);
        for (int r = 0; r < rows; r++) {
            double[] tolerance = new double[columns];
            for (int i = 0; i < columns; i++) {
                double largest = 0;
                for (int j = i / 32 * 32; roundsX && j < Math.min(columns, i / 32 * 32 + 32); j++) {
                    largest = Math.max(largest, Math.abs(x.get(r, j)));
                }
                // An integer is off by half a step of its block; the steps, by a 2048th of themselves. bf16 is nearer.
                double rounding = largest * (1 / 254.0 + 1 / 2048.0);
                // The sums of n random products are as large as √n of them. n roundings by 2^-24 of that come to 2^-24
                // times n products, which is the sum of their magnitudes; this is sixteen times that.
                tolerance[i] = rounding + 0x1p-20 * Math.abs(x.get(r, i));
            }
            for (int n = 0; n < outputs; n++) {
                double sum = 0;
                double bound = 1e-30;
                for (int i = 0; i < columns; i++) {
                    sum += (double) x.get(r, i) * weights.get(n, i);
                    bound += tolerance[i] * Math.abs(weights.get(n, i));
                }
                assertThat(Math.abs(y.get(r, n) - sum))
                        .as(
                                "%s %s of [%d, %d], row %d of %d, output %d",
                                gemm.name(), name, outputs, columns, r, rows, n)
                        .isLessThanOrEqualTo(bound);
            }
        }
    }

    /** Every number of rows from 1 to 33, alone and among other groups, in every place, on one to three threads. */
    public static void aRowDoesNotDependOnItsBatch(Function<WorkerPool, StoredGemm> open) {
        for (QuantizedType type : QuantizedType.values()) {
            int columns = type.blockSize() == 1 ? 96 : Math.max(96, type.blockSize());
            aRowDoesNotDependOnItsBatch(
                    open, type.name(), random -> StoredTestWeights.random(type, 40, columns, random));
        }
        for (int columns : new int[] {100, 256}) {
            aRowDoesNotDependOnItsBatch(open, "E4M3", random -> StoredTestWeights.randomFloat8(140, columns, random));
        }
    }

    private static void aRowDoesNotDependOnItsBatch(
            Function<WorkerPool, StoredGemm> open, String type, Function<Random, StoredMatrix> matrix) {
        Random random = new Random(type.hashCode());
        List<List<StoredMatrix>> groups = new ArrayList<>();
        for (int g = 0; g < 3; g++) {
            groups.add(List.of(matrix.apply(random)));
        }
        StoredWeights weights = new StoredWeights(groups);
        Tensor x = GemmTestCase.random(random, 70, weights.inputs());
        int[][] whole = null;
        for (int threads = 1; threads <= 3; threads++) {
            try (WorkerPool pool = new WorkerPool(threads)) {
                StoredGemm gemm = open.apply(pool);
                StoredGemm.Prepared prepared = gemm.prepare(weights);
                int[][] all = rows(gemm, prepared, x, 0, 70, 0);
                if (whole != null) {
                    assertThat(all).as("%s, %d threads", type, threads).isEqualTo(whole);
                }
                whole = all;
                for (int size = 1; size <= 33; size++) {
                    int from = random.nextInt(1, 70 - size);
                    int[][] alone = rows(gemm, prepared, x.rows(from, from + size), 0, size, 0);
                    int[][] among = rows(gemm, prepared, x, from, size, 70 - size - from);
                    int[][] expected = Arrays.copyOfRange(whole, from, from + size);
                    assertThat(alone).as("%s: %d rows alone", type, size).isEqualTo(expected);
                    assertThat(among).as("%s: %d rows among others", type, size).isEqualTo(expected);
                }
            }
        }
    }

    /** The bits of the rows of the middle of three groups. */
    private static int[][] rows(
            StoredGemm gemm, StoredGemm.Prepared prepared, Tensor x, int before, int size, int behind) {
        Tensor y = Tensor.zeros(DType.F32, before + size + behind, prepared.outputs());
        RowGroups groups = new RowGroups(new int[] {0, before, before + size, before + size + behind});
        gemm.forward(x, groups, prepared, y);
        return Arrays.copyOfRange(BatchInvariance.rows(y), before, before + size);
    }

    /**
     * A row of x that is zero but for one number gives back a column of the decoded weights times that number: every bit of every weight is read
     * right. It is a number that eight bits have, so that x does not round; with an added offset the kernel may round in another place.
     */
    public static void singleNumbersGiveBackTheWeights(Function<WorkerPool, StoredGemm> open) {
        Random random = new Random(11);
        for (QuantizedType type : QuantizedType.values()) {
            int columns = type.blockSize() == 1 ? 64 : 2 * type.blockSize();
            boolean offset = switch (type) {
                case Q4_1, Q5_1, Q2_K, Q4_K, Q5_K -> true;
                default -> false;
            };
            StoredMatrix matrix = StoredTestWeights.random(type, 35, columns, random);
            singleNumbersGiveBackTheWeights(open, type.name(), matrix, 127, offset ? 0x1p-20 : 0);
        }
        for (int columns : new int[] {128, 300, 384}) {
            StoredMatrix matrix = StoredTestWeights.allFloat8(270, columns);
            singleNumbersGiveBackTheWeights(open, "E4M3", matrix, 1, 0);
        }
    }

    private static void singleNumbersGiveBackTheWeights(
            Function<WorkerPool, StoredGemm> open, String type, StoredMatrix matrix, float number, double tolerance) {
        int columns = (int) matrix.columns();
        int outputs = (int) matrix.rows();
        Tensor weights = Tensor.zeros(DType.F32, outputs, columns);
        matrix.decode(0, outputs, weights);
        Tensor x = Tensor.zeros(DType.F32, columns, columns);
        for (int i = 0; i < columns; i++) {
            x.set(i, i, number);
        }
        try (WorkerPool pool = new WorkerPool(2)) {
            StoredGemm gemm = open.apply(pool);
            Tensor y = Tensor.zeros(DType.F32, columns, outputs);
            gemm.forward(x, RowGroups.single(columns), gemm.prepare(StoredWeights.of(matrix)), y);
            for (int n = 0; n < outputs; n++) {
                float largest = 0;
                for (int i = 0; i < columns; i++) {
                    largest = Math.max(largest, Math.abs(weights.get(n, i)));
                }
                for (int i = 0; i < columns; i++) {
                    float expected = number * weights.get(n, i) + 0f; // a zero has lost its sign
                    assertThat((double) y.get(i, n))
                            .as("%s %s: row %d, column %d", gemm.name(), type, n, i)
                            .isCloseTo(expected, within(tolerance * number * largest));
                }
            }
        }
    }

    /** Matrices of one group below each other, of several types, as files have query, key and value; the same as each of them alone. */
    public static void partsAreBelowEachOther(Function<WorkerPool, StoredGemm> open) {
        Random random = new Random(7);
        int columns = 512;
        List<StoredMatrix> parts = List.of(
                StoredTestWeights.random(QuantizedType.Q4_K, 35, columns, random),
                StoredTestWeights.random(QuantizedType.BF16, 16, columns, random),
                StoredTestWeights.random(QuantizedType.Q6_K, 3, columns, random),
                StoredTestWeights.randomFloat8(70, columns, random),
                StoredTestWeights.random(QuantizedType.F32, 1, columns, random));
        try (WorkerPool pool = new WorkerPool(2)) {
            StoredGemm gemm = open.apply(pool);
            for (int rows : new int[] {1, 9}) {
                Tensor x = GemmTestCase.random(random, rows, columns);
                Tensor y = Tensor.zeros(DType.F32, rows, 125);
                gemm.forward(x, RowGroups.single(rows), gemm.prepare(new StoredWeights(List.of(parts))), y);
                int output = 0;
                for (StoredMatrix part : parts) {
                    Tensor alone = Tensor.zeros(DType.F32, rows, part.rows());
                    gemm.forward(x, RowGroups.single(rows), gemm.prepare(StoredWeights.of(part)), alone);
                    Tensor found = y.columns(output, output + part.rows());
                    assertThat(BatchInvariance.rows(found)).isEqualTo(BatchInvariance.rows(alone));
                    output += (int) part.rows();
                }
            }
        }
    }

    /** What is not a number in x or in a weight must not look like one in y. */
    public static void notANumberStaysVisible(Function<WorkerPool, StoredGemm> open) {
        try (WorkerPool pool = new WorkerPool(1)) {
            StoredGemm gemm = open.apply(pool);
            aWeightThatIsNoNumberStaysVisible(gemm);
            for (QuantizedType type :
                    List.of(QuantizedType.Q8_0, QuantizedType.Q4_K, QuantizedType.BF16, QuantizedType.F32)) {
                StoredMatrix matrix = StoredTestWeights.random(type, 20, 512, new Random(3));
                Tensor x = Tensor.zeros(DType.F32, 2, 512);
                x.set(1, 300, Float.NaN);
                Tensor y = Tensor.zeros(DType.F32, 2, 20);
                gemm.forward(x, RowGroups.single(2), gemm.prepare(StoredWeights.of(matrix)), y);
                for (int n = 0; n < 20; n++) {
                    assertThat(y.get(0, n)).as("%s", type).isZero();
                    assertThat(y.get(1, n)).as("%s", type).isNaN();
                }
            }
        }
    }

    /** The two E4M3 NaNs, each alone in its row, with one row of x and with many. */
    private static void aWeightThatIsNoNumberStaysVisible(StoredGemm gemm) {
        StoredMatrix.Float8Blocks matrix = StoredTestWeights.allFloat8(40, 256);
        matrix.data().set(ValueLayout.JAVA_BYTE, 3 * 256 + 77, (byte) 0x7f);
        matrix.data().set(ValueLayout.JAVA_BYTE, 37 * 256 + 200, (byte) 0xff);
        for (int rows : new int[] {1, 8, 40}) {
            Tensor x = GemmTestCase.random(new Random(5), rows, 256);
            Tensor y = Tensor.zeros(DType.F32, rows, 40);
            gemm.forward(x, RowGroups.single(rows), gemm.prepare(StoredWeights.of(matrix)), y);
            for (int r = 0; r < rows; r++) {
                for (int n = 0; n < 40; n++) {
                    assertThat(Float.isNaN(y.get(r, n))).as("output %d", n).isEqualTo(n == 3 || n == 37);
                }
            }
        }
    }

    public static void wrongShapesAreRefused(Function<WorkerPool, StoredGemm> open) {
        try (WorkerPool pool = new WorkerPool(1)) {
            StoredGemm gemm = open.apply(pool);
            StoredGemm.Prepared prepared =
                    gemm.prepare(StoredWeights.of(StoredTestWeights.random(QuantizedType.Q8_0, 8, 64, new Random(1))));
            Tensor y = Tensor.zeros(DType.F32, 2, 8);
            assertThatThrownBy(() -> gemm.forward(Tensor.zeros(DType.F32, 2, 32), RowGroups.single(2), prepared, y))
                    .hasMessageContaining("x must be F32 [2, 64]");
            RowGroups two = new RowGroups(new int[] {0, 1, 2});
            assertThatThrownBy(() -> gemm.forward(Tensor.zeros(DType.F32, 2, 64), two, prepared, y))
                    .hasMessage("2 groups of rows for 1 weight matrices");
        }
    }
}
