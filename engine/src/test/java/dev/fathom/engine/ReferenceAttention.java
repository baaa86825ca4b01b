package dev.fathom.engine;

/**
 * Attention, its key/value store and rotary embeddings as the equations are written: scalar, in double, one value after another. What
 * {@link VectorAttention}, {@link VectorKeyValues} and {@link VectorRope} are tested against. Rounds to float only where a result is
 * stored.
 */
final class ReferenceAttention {
    private static final int TILE = KeyValueStore.TILE;

    private ReferenceAttention() {}

    /** Column of key dimension d of a slot and head in its tile's row of the store. */
    static long keyColumn(KeyValueStore store, long slot, int head, int d) {
        return (long) head * store.tileFloats() + (long) d * TILE + slot % TILE;
    }

    /** Column of value dimension d. */
    static long valueColumn(KeyValueStore store, long slot, int head, int d) {
        return (long) head * store.tileFloats() + (long) TILE * store.keyDim() + slot % TILE * store.valueDim() + d;
    }

    static float key(KeyValueStore store, long slot, int head, int d) {
        return store.data().get(slot / TILE, keyColumn(store, slot, head, d));
    }

    static float value(KeyValueStore store, long slot, int head, int d) {
        return store.data().get(slot / TILE, valueColumn(store, slot, head, d));
    }

    /** {@code (x0, x1) -> (x0 cos - x1 sin, x0 sin + x1 cos)}. */
    static void rope(Tensor x, int heads, int headDim, int offset, Tensor positions, RopeTable table, boolean inverse) {
        for (long n = 0; n < x.rows(); n++) {
            int position = positions.getInt(n / positions.columns(), n % positions.columns());
            for (int h = 0; h < heads; h++) {
                for (int i = 0; i < table.cos().columns(); i++) {
                    long column = (long) h * headDim + offset + 2L * i;
                    double x0 = x.get(n, column);
                    double x1 = x.get(n, column + 1);
                    double cos = table.cos().get(position, i);
                    double sin = inverse
                            ? -table.sin().get(position, i)
                            : table.sin().get(position, i);
                    x.set(n, column, (float) (x0 * cos - x1 * sin));
                    x.set(n, column + 1, (float) (x0 * sin + x1 * cos));
                }
            }
        }
    }

    /** The same rotation of {@code (x[i], x[i + pairs])}. */
    static void ropeHalves(
            Tensor x, int heads, int headDim, int offset, Tensor positions, RopeTable table, boolean inverse) {
        long pairs = table.cos().columns();
        for (long n = 0; n < x.rows(); n++) {
            int position = positions.getInt(n / positions.columns(), n % positions.columns());
            for (int h = 0; h < heads; h++) {
                for (long i = 0; i < pairs; i++) {
                    long column = (long) h * headDim + offset + i;
                    double x0 = x.get(n, column);
                    double x1 = x.get(n, column + pairs);
                    double cos = table.cos().get(position, i);
                    double sin = (inverse ? -1 : 1) * table.sin().get(position, i);
                    x.set(n, column, (float) (x0 * cos - x1 * sin));
                    x.set(n, column + pairs, (float) (x0 * sin + x1 * cos));
                }
            }
        }
    }

    static void storeKeys(
            Tensor source, int offset, int headStride, int width, int dim, Segments segments, KeyValueStore store) {
        for (int s = 0; s < segments.count(); s++) {
            for (int r = 0; r < segments.rowCount()[s]; r++) {
                long slot = segments.slot()[s] + segments.position()[s] + r;
                for (int h = 0; h < store.heads(); h++) {
                    for (int d = 0; d < width; d++) {
                        float x = source.get(segments.rowStart()[s] + r, offset + (long) h * headStride + d);
                        store.data().set(slot / TILE, keyColumn(store, slot, h, dim + d), x);
                    }
                }
            }
        }
    }

    static void storeKeysBackward(
            KeyValueStore dStore, int dim, Segments segments, Tensor dSource, int offset, int headStride, int width) {
        for (int s = 0; s < segments.count(); s++) {
            for (int r = 0; r < segments.rowCount()[s]; r++) {
                long slot = segments.slot()[s] + segments.position()[s] + r;
                for (int h = 0; h < dStore.heads(); h++) {
                    for (int d = 0; d < width; d++) {
                        long row = segments.rowStart()[s] + r;
                        long column = offset + (long) h * headStride + d;
                        float before = h > 0 && headStride == 0 ? dSource.get(row, column) : 0;
                        dSource.set(row, column, before + key(dStore, slot, h, dim + d));
                    }
                }
            }
        }
    }

    static void storeValues(Tensor source, int offset, int headStride, Segments segments, KeyValueStore store) {
        for (int s = 0; s < segments.count(); s++) {
            for (int r = 0; r < segments.rowCount()[s]; r++) {
                long slot = segments.slot()[s] + segments.position()[s] + r;
                for (int h = 0; h < store.heads(); h++) {
                    for (int d = 0; d < store.valueDim(); d++) {
                        float x = source.get(segments.rowStart()[s] + r, offset + (long) h * headStride + d);
                        store.data().set(slot / TILE, valueColumn(store, slot, h, d), x);
                    }
                }
            }
        }
    }

    static void storeValuesBackward(
            KeyValueStore dStore, Segments segments, Tensor dSource, int offset, int headStride) {
        for (int s = 0; s < segments.count(); s++) {
            for (int r = 0; r < segments.rowCount()[s]; r++) {
                long slot = segments.slot()[s] + segments.position()[s] + r;
                for (int h = 0; h < dStore.heads(); h++) {
                    for (int d = 0; d < dStore.valueDim(); d++) {
                        long column = offset + (long) h * headStride + d;
                        dSource.set(segments.rowStart()[s] + r, column, value(dStore, slot, h, d));
                    }
                }
            }
        }
    }

    static void attention(
            Tensor q, int heads, float scale, Segments segments, KeyValueStore store, Tensor out, Tensor logSumExp) {
        for (int s = 0; s < segments.count(); s++) {
            for (int r = 0; r < segments.rowCount()[s]; r++) {
                int row = segments.rowStart()[s] + r;
                int position = segments.position()[s] + r;
                for (int h = 0; h < heads; h++) {
                    double[] weights = new double[position + 1];
                    double lse = softmax(q, row, h, heads, scale, segments.slot()[s], position, store, weights);
                    logSumExp.set(row, h, (float) lse);
                    int keyValueHead = h / (heads / store.heads());
                    for (int d = 0; d < store.valueDim(); d++) {
                        double sum = 0;
                        for (int j = 0; j <= position; j++) {
                            sum += weights[j] * value(store, segments.slot()[s] + j, keyValueHead, d);
                        }
                        out.set(row, (long) h * store.valueDim() + d, (float) sum);
                    }
                }
            }
        }
    }

    /** Fills the softmax weights of one row and head; returns the log of the denominator. */
    private static double softmax(
            Tensor q,
            int row,
            int head,
            int heads,
            float scale,
            long slot,
            int position,
            KeyValueStore store,
            double[] weights) {
        double max = Double.NEGATIVE_INFINITY;
        for (int j = 0; j <= position; j++) {
            double score = 0;
            for (int d = 0; d < store.keyDim(); d++) {
                score += (double) q.get(row, (long) head * store.keyDim() + d)
                        * key(store, slot + j, head / (heads / store.heads()), d);
            }
            weights[j] = score * scale;
            max = Math.max(max, weights[j]);
        }
        double denominator = 0;
        for (int j = 0; j <= position; j++) {
            weights[j] = StrictMath.exp(weights[j] - max);
            denominator += weights[j];
        }
        for (int j = 0; j <= position; j++) {
            weights[j] /= denominator;
        }
        return max + StrictMath.log(denominator);
    }

    /** Computes the softmax again from q and the keys; {@code out} and {@code logSumExp} are not used. */
    static void attentionBackward(
            Tensor dOut,
            Tensor q,
            Tensor out,
            Tensor logSumExp,
            int heads,
            float scale,
            Segments segments,
            KeyValueStore store,
            Tensor dq,
            KeyValueStore dStore) {
        int keyDim = store.keyDim();
        int valueDim = store.valueDim();
        for (int s = 0; s < segments.count(); s++) {
            int rows = segments.rowCount()[s];
            long slot = segments.slot()[s];
            double[][][] dKeys = new double[store.heads()][rows][keyDim];
            double[][][] dValues = new double[store.heads()][rows][valueDim];
            for (int r = 0; r < rows; r++) {
                int row = segments.rowStart()[s] + r;
                for (int h = 0; h < heads; h++) {
                    int keyValueHead = h / (heads / store.heads());
                    double[] weights = new double[r + 1];
                    softmax(q, row, h, heads, scale, slot, r, store, weights);
                    // p_j = softmax(s)_j:  ds_j = p_j (dp_j - Σ_i p_i dp_i)
                    double[] dWeights = new double[r + 1];
                    double mean = 0;
                    for (int j = 0; j <= r; j++) {
                        for (int d = 0; d < valueDim; d++) {
                            double g = dOut.get(row, (long) h * valueDim + d);
                            dWeights[j] += g * value(store, slot + j, keyValueHead, d);
                            dValues[keyValueHead][j][d] += weights[j] * g;
                        }
                        mean += weights[j] * dWeights[j];
                    }
                    double[] dQuery = new double[keyDim];
                    for (int j = 0; j <= r; j++) {
                        double dScore = weights[j] * (dWeights[j] - mean) * scale;
                        for (int d = 0; d < keyDim; d++) {
                            dQuery[d] += dScore * key(store, slot + j, keyValueHead, d);
                            dKeys[keyValueHead][j][d] += dScore * q.get(row, (long) h * keyDim + d);
                        }
                    }
                    for (int d = 0; d < keyDim; d++) {
                        dq.set(row, (long) h * keyDim + d, (float) dQuery[d]);
                    }
                }
            }
            for (int h = 0; h < store.heads(); h++) {
                for (int j = 0; j < rows; j++) {
                    for (int d = 0; d < keyDim; d++) {
                        dStore.data().set((slot + j) / TILE, keyColumn(dStore, slot + j, h, d), (float) dKeys[h][j][d]);
                    }
                    for (int d = 0; d < valueDim; d++) {
                        long column = valueColumn(dStore, slot + j, h, d);
                        dStore.data().set((slot + j) / TILE, column, (float) dValues[h][j][d]);
                    }
                }
            }
        }
    }
}
