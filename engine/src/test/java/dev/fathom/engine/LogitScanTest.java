package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Against loops, over awkward sizes. */
class LogitScanTest {
    @Test
    void agreesWithLoops() {
        try (WorkerPool pool = new WorkerPool(1)) {
            for (int size : new int[] {1, 2, 15, 16, 17, 31, 33, 64, 100, 1000, 4099}) {
                Tensor logits = Tensor.zeros(DType.F32, 3, size);
                for (int i = 0; i < size; i++) {
                    logits.set(1, i, i % 7 == 6 ? Float.NEGATIVE_INFINITY : 3 * Philox.gaussian(size, 1, 0, i));
                }
                float[] row = Arrays.copyOfRange(logits.toFloats(), size, 2 * size);
                float max = row[0];
                for (float logit : row) {
                    max = Math.max(max, logit);
                }
                assertThat(LogitScan.largest(logits, 1)).isEqualTo(max);
                double sum = 0;
                for (float logit : row) {
                    sum += Math.exp((logit - max) / 0.7);
                }
                assertThat(LogitScan.sumOfExponentials(logits, 1, 1 / 0.7f, max, pool, 0))
                        .isCloseTo((float) sum, within((float) sum * 1e-5f));
                for (float threshold : new float[] {max, 0, max - 2, -Float.MAX_VALUE, Float.NEGATIVE_INFINITY}) {
                    int[] found = new int[size];
                    int count = LogitScan.atLeast(logits, 1, threshold, found);
                    assertThat(Arrays.copyOf(found, count))
                            .isEqualTo(IntStream.range(0, size)
                                    .filter(i -> row[i] >= threshold)
                                    .toArray());
                }
                int from = size / 3;
                LogitScan.fill(logits, 1, from, size, 5);
                for (int i = 0; i < size; i++) {
                    assertThat(logits.get(1, i)).isEqualTo(i < from ? row[i] : 5);
                    assertThat(logits.get(0, i)).isZero();
                    assertThat(logits.get(2, i)).isZero();
                }
            }
        }
    }
}
