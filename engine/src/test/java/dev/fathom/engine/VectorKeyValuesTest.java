package dev.fathom.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Copies are exact and gradients are added in order, so everything equals {@link ReferenceAttention} to the bit. */
class VectorKeyValuesTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void storesAndAddsLikeTheReference(int threads) {
        Random random = new Random(21);
        for (int round = 0; round < 30; round++) {
            int heads = 1 + random.nextInt(4);
            int nope = 1 + random.nextInt(40);
            int rope = 1 + random.nextInt(20);
            int valueDim = 1 + random.nextInt(40);
            int keyDim = nope + rope;
            int count = 1 + random.nextInt(5);
            int[] rowStart = new int[count];
            int[] rowCount = new int[count];
            int[] position = new int[count];
            long[] slot = new long[count];
            int rows = 0;
            long slots = 0;
            for (int s = 0; s < count; s++) {
                rowStart[s] = rows;
                rowCount[s] = 1 + random.nextInt(100);
                position[s] = random.nextInt(40);
                slot[s] = slots;
                rows += rowCount[s];
                slots += (position[s] + rowCount[s] + 15) / 16 * 16;
            }
            Segments segments = new Segments(count, rowStart, rowCount, position, slot);
            // [nope | value] per head, as W_UKV gives them, inside a wider matrix; one shared rotary part.
            int headStride = nope + valueDim;
            Tensor expanded = AttentionCase.gaussian(random, rows, heads * headStride + 3L)
                    .columns(2, heads * headStride + 3L);
            Tensor shared = AttentionCase.gaussian(random, rows, rope + 5L);
            KeyValueStore actual = KeyValueStore.allocate(DType.F32, slots, heads, keyDim, valueDim);
            KeyValueStore expected = KeyValueStore.allocate(DType.F32, slots, heads, keyDim, valueDim);
            Tensor dExpanded = AttentionCase.gaussian(random, rows, (long) heads * headStride);
            Tensor dShared = AttentionCase.gaussian(random, rows, rope + 5L);
            Tensor dExpandedReference = Tensor.zeros(DType.F32, rows, (long) heads * headStride);
            Tensor dSharedReference = Tensor.zeros(DType.F32, rows, rope + 5L);
            dExpandedReference.copyFrom(dExpanded);
            dSharedReference.copyFrom(dShared);
            try (WorkerPool pool = new WorkerPool(threads)) {
                VectorKeyValues keyValues = new VectorKeyValues(pool, new VectorAttention(pool));
                keyValues.storeKeys(expanded, 0, headStride, nope, 0, segments, actual);
                keyValues.storeKeys(shared, 5, 0, rope, nope, segments, actual);
                keyValues.storeValues(expanded, nope, headStride, segments, actual);
                ReferenceAttention.storeKeys(expanded, 0, headStride, nope, 0, segments, expected);
                ReferenceAttention.storeKeys(shared, 5, 0, rope, nope, segments, expected);
                ReferenceAttention.storeValues(expanded, nope, headStride, segments, expected);
                assertThat(AttentionCase.bits(actual.data())).isEqualTo(AttentionCase.bits(expected.data()));
                keyValues.storeKeysBackward(actual, 0, segments, dExpanded, 0, headStride, nope);
                keyValues.storeKeysBackward(actual, nope, segments, dShared, 5, 0, rope);
                keyValues.storeValuesBackward(actual, segments, dExpanded, nope, headStride);
                ReferenceAttention.storeKeysBackward(actual, 0, segments, dExpandedReference, 0, headStride, nope);
                ReferenceAttention.storeKeysBackward(actual, nope, segments, dSharedReference, 5, 0, rope);
                ReferenceAttention.storeValuesBackward(actual, segments, dExpandedReference, nope, headStride);
                assertThat(AttentionCase.bits(dExpanded)).isEqualTo(AttentionCase.bits(dExpandedReference));
                assertThat(AttentionCase.bits(dShared)).isEqualTo(AttentionCase.bits(dSharedReference));
            }
        }
    }

    @Test
    void refusesWhatDoesNotFit() {
        Segments segments = Segments.packed(new int[] {20});
        KeyValueStore store = KeyValueStore.allocate(DType.F32, 32, 2, 8, 8);
        Tensor source = Tensor.zeros(DType.F32, 20, 16);
        try (WorkerPool pool = new WorkerPool(1)) {
            VectorKeyValues keyValues = new VectorKeyValues(pool, new VectorAttention(pool));
            assertThatThrownBy(() -> keyValues.storeKeys(source, 0, 8, 8, 1, segments, store))
                    .hasMessageContaining("key dimensions 1..9 of a store of 8");
            assertThatThrownBy(() -> keyValues.storeValues(source, 1, 8, segments, store))
                    .hasMessageContaining("at least 17");
            Segments shifted = new Segments(1, new int[] {0}, new int[] {20}, new int[] {0}, new long[] {8});
            assertThatThrownBy(() -> keyValues.storeValues(source, 0, 8, shifted, store))
                    .hasMessageContaining("from a multiple of 16");
        }
    }
}
