package dev.fathom.bench;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;

/** The best matrix product that an engine does, over a few shapes whose operands stay in caches. */
final class GemmPeak {
    private static final int[][] SHAPES = {{1024, 512, 512}, {2048, 512, 1024}, {2048, 1024, 1024}};
    private static final int CALLS = 30;

    private GemmPeak() {}

    static double gflops(Engine engine) {
        double best = 0;
        for (int[] shape : SHAPES) {
            long rows = shape[0];
            long inputs = shape[1];
            long outputs = shape[2];
            Gemm gemm = engine.gemm();
            Tensor x = ones(rows, inputs);
            Tensor y = ones(rows, outputs);
            Gemm.Packed weights = gemm.pack(ones(outputs, inputs));
            RowGroups all = RowGroups.single(rows);
            for (int call = 0; call < CALLS; call++) {
                long start = System.nanoTime();
                gemm.forward(x, all, weights, y);
                best = Math.max(best, 2.0 * rows * inputs * outputs / (System.nanoTime() - start));
            }
        }
        return best;
    }

    private static Tensor ones(long rows, long columns) {
        Tensor tensor = Tensor.zeros(DType.F32, rows, columns);
        for (long row = 0; row < rows; row++) {
            for (long column = 0; column < columns; column++) {
                tensor.set(row, column, 1);
            }
        }
        return tensor;
    }
}
