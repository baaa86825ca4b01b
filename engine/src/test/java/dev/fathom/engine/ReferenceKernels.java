package dev.fathom.engine;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * {@link Kernels} as the equations are written: scalar, in double, one value after another, with no thought of speed. What the other
 * implementations are tested against. It rounds to float only where a result is stored.
 */
public final class ReferenceKernels implements Kernels {
    @Override
    public String name() {
        return "reference double";
    }

    private static double sigmoid(double x) {
        return 1 / (1 + StrictMath.exp(-x));
    }

    /** A gradient that is not added to begins at zero. */
    private static void begin(Tensor gradient, boolean accumulate) {
        if (!accumulate) {
            gradient.zero();
        }
    }

    private static void plus(Tensor tensor, long row, long column, double value) {
        tensor.set(row, column, (float) (tensor.get(row, column) + value));
    }

    /** Element of a tensor that is a vector, whatever its shape. */
    private static float at(Tensor tensor, long index) {
        return tensor.get(index / tensor.columns(), index % tensor.columns());
    }

    private static int intAt(Tensor tensor, long index) {
        return tensor.getInt(index / tensor.columns(), index % tensor.columns());
    }

    private static void put(Tensor tensor, long index, double value) {
        tensor.set(index / tensor.columns(), index % tensor.columns(), (float) value);
    }

    private static void putInt(Tensor tensor, long index, int value) {
        tensor.setInt(index / tensor.columns(), index % tensor.columns(), value);
    }

    // ---- embedding

    @Override
    public void embedding(Tensor table, Tensor ids, Tensor out) {
        gather(table, ids, out);
    }

    @Override
    public void embeddingBackward(Tensor dOut, Tensor ids, Tensor dTable) {
        for (long j = 0; j < dTable.columns(); j++) {
            double[] sums = new double[Math.toIntExact(dTable.rows())];
            for (long n = 0; n < ids.size(); n++) {
                sums[intAt(ids, n)] += dOut.get(n, j);
            }
            for (int row = 0; row < sums.length; row++) {
                plus(dTable, row, j, sums[row]);
            }
        }
    }

    // ---- elementwise

    @Override
    public void add(Tensor a, Tensor b, Tensor out) {
        for (long n = 0; n < out.rows(); n++) {
            for (long j = 0; j < out.columns(); j++) {
                out.set(n, j, a.get(n, j) + b.get(n, j));
            }
        }
    }

    @Override
    public void addScaled(Tensor x, float factor, Tensor y) {
        for (long n = 0; n < y.rows(); n++) {
            for (long j = 0; j < y.columns(); j++) {
                plus(y, n, j, (double) factor * x.get(n, j));
            }
        }
    }

    @Override
    public void scaleRows(Tensor x, Tensor factors, Tensor out) {
        for (long n = 0; n < x.rows(); n++) {
            for (long i = 0; i < x.columns(); i++) {
                out.set(n, i, (float) ((double) at(factors, n) * x.get(n, i)));
            }
        }
    }

    @Override
    public void addBias(Tensor y, Tensor bias) {
        for (long n = 0; n < y.rows(); n++) {
            for (long j = 0; j < y.columns(); j++) {
                plus(y, n, j, at(bias, j));
            }
        }
    }

    @Override
    public void addBiasBackward(Tensor dy, Tensor dBias) {
        for (long j = 0; j < dy.columns(); j++) {
            double sum = at(dBias, j);
            for (long n = 0; n < dy.rows(); n++) {
                sum += dy.get(n, j);
            }
            put(dBias, j, sum);
        }
    }

    // ---- RMSNorm

    @Override
    public void rmsNorm(
            Tensor x,
            @Nullable Tensor residual,
            Tensor weight,
            float eps,
            @Nullable Tensor sum,
            Tensor y,
            Tensor inverseRms) {
        if (residual != null && sum != null) {
            add(x, residual, sum);
        }
        Tensor input = sum == null ? x : sum;
        for (long n = 0; n < input.rows(); n++) {
            double squares = 0;
            for (long j = 0; j < input.columns(); j++) {
                squares += (double) input.get(n, j) * input.get(n, j);
            }
            double inverse = 1 / Math.sqrt(squares / input.columns() + eps);
            put(inverseRms, n, inverse);
            for (long j = 0; j < input.columns(); j++) {
                y.set(n, j, (float) (at(weight, j) * input.get(n, j) * inverse));
            }
        }
    }

    @Override
    public void rmsNormBackward(
            Tensor dy, Tensor x, Tensor weight, Tensor inverseRms, Tensor dx, boolean accumulate, Tensor dWeight) {
        begin(dx, accumulate);
        int width = Math.toIntExact(x.columns());
        double[] weightSums = new double[width];
        for (long n = 0; n < x.rows(); n++) {
            double inverse = at(inverseRms, n);
            double dot = 0;
            for (int j = 0; j < width; j++) {
                dot += (double) at(weight, j) * dy.get(n, j) * x.get(n, j);
                weightSums[j] += dy.get(n, j) * x.get(n, j) * inverse;
            }
            for (int j = 0; j < width; j++) {
                double direct = inverse * at(weight, j) * dy.get(n, j);
                plus(dx, n, j, direct - x.get(n, j) * inverse * inverse * inverse / width * dot);
            }
        }
        for (int j = 0; j < width; j++) {
            put(dWeight, j, at(dWeight, j) + weightSums[j]);
        }
    }

    @Override
    public void rmsNormHeads(Tensor x, int heads, Tensor weight, float eps, Tensor y, Tensor inverseRms) {
        long width = weight.size();
        for (long n = 0; n < x.rows(); n++) {
            for (int h = 0; h < heads; h++) {
                double squares = 0;
                for (long j = h * width; j < (h + 1) * width; j++) {
                    squares += (double) x.get(n, j) * x.get(n, j);
                }
                double inverse = 1 / Math.sqrt(squares / width + eps);
                put(inverseRms, n * heads + h, inverse);
                for (long j = 0; j < width; j++) {
                    y.set(n, h * width + j, (float) (at(weight, j) * x.get(n, h * width + j) * inverse));
                }
            }
        }
    }

    /** Head by head through the backward pass of whole rows. */
    @Override
    public void rmsNormHeadsBackward(
            Tensor dy, Tensor x, int heads, Tensor weight, Tensor inverseRms, Tensor dx, Tensor dWeight) {
        long width = weight.size();
        for (int h = 0; h < heads; h++) {
            Tensor inverse = Tensor.zeros(DType.F32, x.rows());
            for (long n = 0; n < x.rows(); n++) {
                put(inverse, n, at(inverseRms, n * heads + h));
            }
            rmsNormBackward(
                    dy.columns(h * width, (h + 1) * width),
                    x.columns(h * width, (h + 1) * width),
                    weight,
                    inverse,
                    dx.columns(h * width, (h + 1) * width),
                    true,
                    dWeight);
        }
    }

    // ---- LayerNorm

    @Override
    public void layerNorm(
            Tensor x,
            @Nullable Tensor residual,
            Tensor weight,
            @Nullable Tensor bias,
            float eps,
            @Nullable Tensor sum,
            Tensor y,
            Tensor mean,
            Tensor inverseDeviation) {
        if (residual != null && sum != null) {
            add(x, residual, sum);
        }
        Tensor input = sum == null ? x : sum;
        for (long n = 0; n < input.rows(); n++) {
            double average = 0;
            for (long j = 0; j < input.columns(); j++) {
                average += input.get(n, j) / (double) input.columns();
            }
            double variance = 0;
            for (long j = 0; j < input.columns(); j++) {
                variance += Math.pow(input.get(n, j) - average, 2) / input.columns();
            }
            double inverse = 1 / Math.sqrt(variance + eps);
            put(mean, n, average);
            put(inverseDeviation, n, inverse);
            for (long j = 0; j < input.columns(); j++) {
                double normed = (input.get(n, j) - average) * inverse;
                y.set(n, j, (float) (at(weight, j) * normed + (bias == null ? 0 : at(bias, j))));
            }
        }
    }

    @Override
    public void layerNormBackward(
            Tensor dy,
            Tensor x,
            Tensor weight,
            Tensor mean,
            Tensor inverseDeviation,
            Tensor dx,
            Tensor dWeight,
            @Nullable Tensor dBias) {
        int width = Math.toIntExact(x.columns());
        double[] weightSums = new double[width];
        for (long n = 0; n < x.rows(); n++) {
            double inverse = at(inverseDeviation, n);
            double[] normed = new double[width];
            double[] g = new double[width];
            double meanG = 0;
            double meanAlong = 0;
            for (int j = 0; j < width; j++) {
                normed[j] = (x.get(n, j) - (double) at(mean, n)) * inverse;
                g[j] = (double) at(weight, j) * dy.get(n, j);
                meanG += g[j] / width;
                meanAlong += g[j] * normed[j] / width;
                weightSums[j] += dy.get(n, j) * normed[j];
            }
            for (int j = 0; j < width; j++) {
                plus(dx, n, j, inverse * (g[j] - meanG - normed[j] * meanAlong));
            }
        }
        for (int j = 0; j < width; j++) {
            put(dWeight, j, at(dWeight, j) + weightSums[j]);
        }
        if (dBias != null) {
            addBiasBackward(dy, dBias);
        }
    }

    // ---- GELU

    @Override
    public void gelu(Tensor x, @Nullable Tensor bias, Tensor out) {
        for (long n = 0; n < x.rows(); n++) {
            for (long j = 0; j < x.columns(); j++) {
                double u = x.get(n, j) + (bias == null ? 0.0 : at(bias, j));
                out.set(n, j, (float) (u / 2 * (1 + tanhOfGelu(u))));
            }
        }
    }

    @Override
    public void geluBackward(Tensor dOut, Tensor x, @Nullable Tensor bias, Tensor dx) {
        for (long n = 0; n < x.rows(); n++) {
            for (long j = 0; j < x.columns(); j++) {
                double u = x.get(n, j) + (bias == null ? 0.0 : at(bias, j));
                double tanh = tanhOfGelu(u);
                double inner = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * u * u);
                plus(dx, n, j, dOut.get(n, j) * ((1 + tanh) / 2 + u / 2 * (1 - tanh * tanh) * inner));
            }
        }
    }

    private static double tanhOfGelu(double u) {
        return StrictMath.tanh(Math.sqrt(2 / Math.PI) * (u + 0.044715 * u * u * u));
    }

    // ---- attention: see ReferenceAttention

    @Override
    public void ropeHalves(
            Tensor x, int heads, int headDim, int offset, Tensor positions, RopeTable table, boolean inverse) {
        ReferenceAttention.ropeHalves(x, heads, headDim, offset, positions, table, inverse);
    }

    @Override
    public void rope(Tensor x, int heads, int headDim, int offset, Tensor positions, RopeTable table, boolean inverse) {
        ReferenceAttention.rope(x, heads, headDim, offset, positions, table, inverse);
    }

    @Override
    public void storeKeys(
            Tensor source, int offset, int headStride, int width, int dim, Segments segments, KeyValueStore store) {
        ReferenceAttention.storeKeys(source, offset, headStride, width, dim, segments, store);
    }

    @Override
    public void storeKeysBackward(
            KeyValueStore dStore, int dim, Segments segments, Tensor dSource, int offset, int headStride, int width) {
        ReferenceAttention.storeKeysBackward(dStore, dim, segments, dSource, offset, headStride, width);
    }

    @Override
    public void storeValues(Tensor source, int offset, int headStride, Segments segments, KeyValueStore store) {
        ReferenceAttention.storeValues(source, offset, headStride, segments, store);
    }

    @Override
    public void storeValuesBackward(
            KeyValueStore dStore, Segments segments, Tensor dSource, int offset, int headStride) {
        ReferenceAttention.storeValuesBackward(dStore, segments, dSource, offset, headStride);
    }

    @Override
    public DType keyValueType() {
        return DType.F32;
    }

    @Override
    public void attention(
            Tensor q, int heads, float scale, Segments segments, KeyValueStore store, Tensor out, Tensor logSumExp) {
        ReferenceAttention.attention(q, heads, scale, segments, store, out, logSumExp);
    }

    @Override
    public void attentionBackward(
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
        ReferenceAttention.attentionBackward(dOut, q, out, logSumExp, heads, scale, segments, store, dq, dStore);
    }

    // ---- SwiGLU

    @Override
    public void swiGlu(Tensor gateUp, Tensor out) {
        long width = out.columns();
        for (long n = 0; n < out.rows(); n++) {
            for (long j = 0; j < width; j++) {
                double gate = gateUp.get(n, j);
                out.set(n, j, (float) (gate * sigmoid(gate) * gateUp.get(n, width + j)));
            }
        }
    }

    @Override
    public void swiGluBackward(Tensor dOut, Tensor gateUp, Tensor dGateUp) {
        begin(dGateUp, false);
        long width = dOut.columns();
        for (long n = 0; n < dOut.rows(); n++) {
            for (long j = 0; j < width; j++) {
                double gate = gateUp.get(n, j);
                double up = gateUp.get(n, width + j);
                double s = sigmoid(gate);
                plus(dGateUp, n, j, dOut.get(n, j) * up * (s + gate * s * (1 - s)));
                plus(dGateUp, n, width + j, dOut.get(n, j) * gate * s);
            }
        }
    }

    // ---- routing

    @Override
    public void route(Tensor logits, Tensor bias, Routing routing, Tensor scores, Tensor chosen, Tensor gates) {
        int experts = routing.experts();
        int perGroup = experts / routing.groups();
        for (long n = 0; n < logits.rows(); n++) {
            // The choice compares f32 numbers, as every implementation does: ties are ties of those.
            double[] score = new double[experts];
            float[] biased = new float[experts];
            for (int i = 0; i < experts; i++) {
                boolean softmax = routing.scoring() == Routing.Scoring.SOFTMAX;
                score[i] = softmax ? softmax(logits, n, i) : sigmoid(logits.get(n, i));
                scores.set(n, i, (float) score[i]);
                biased[i] = (softmax ? (float) score[i] : VectorMath.sigmoid(logits.get(n, i))) + at(bias, i);
            }
            List<Integer> candidates = new ArrayList<>();
            if (routing.groups() == 1) {
                candidates.addAll(IntStream.range(0, experts).boxed().toList());
            } else {
                float[] groupScore = new float[routing.groups()];
                for (int g = 0; g < routing.groups(); g++) {
                    float[] members = java.util.Arrays.copyOfRange(biased, g * perGroup, (g + 1) * perGroup);
                    java.util.Arrays.sort(members);
                    groupScore[g] = routing.scoring() == Routing.Scoring.SOFTMAX
                            ? members[perGroup - 1]
                            : members[perGroup - 1] + members[perGroup - 2];
                }
                IntStream.range(0, routing.groups())
                        .boxed()
                        .sorted(Comparator.comparing((Integer g) -> -groupScore[g])) // stable: lower index first
                        .limit(routing.topGroups())
                        .sorted()
                        .forEach(g -> candidates.addAll(IntStream.range(g * perGroup, (g + 1) * perGroup)
                                .boxed()
                                .toList()));
            }
            int[] best = candidates.stream()
                    .sorted(Comparator.comparing((Integer i) -> -biased[i]))
                    .limit(routing.topK())
                    .mapToInt(Integer::intValue)
                    .toArray();
            double sum = 1;
            if (routing.normalize()) {
                sum = 1e-20;
                for (int expert : best) {
                    sum += score[expert];
                }
            }
            for (int rank = 0; rank < best.length; rank++) {
                chosen.setInt(n, rank, best[rank]);
                gates.set(n, rank, (float) (score[best[rank]] / sum * routing.scale()));
            }
        }
    }

    private static double softmax(Tensor logits, long n, int expert) {
        double max = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < logits.columns(); i++) {
            max = Math.max(max, logits.get(n, i));
        }
        double sum = 0;
        for (int i = 0; i < logits.columns(); i++) {
            sum += StrictMath.exp(logits.get(n, i) - max);
        }
        return StrictMath.exp(logits.get(n, expert) - max) / sum;
    }

    @Override
    public void routeBackward(
            Tensor dGates,
            @Nullable Tensor dScores,
            Tensor scores,
            Tensor chosen,
            Tensor gates,
            Routing routing,
            Tensor dLogits) {
        for (long n = 0; n < scores.rows(); n++) {
            double[] d = new double[routing.experts()];
            for (int i = 0; i < d.length; i++) {
                d[i] = dScores == null ? 0 : dScores.get(n, i);
            }
            double sum = 1e-20;
            double dot = 0;
            for (int rank = 0; rank < routing.topK(); rank++) {
                sum += scores.get(n, chosen.getInt(n, rank));
                dot += (double) dGates.get(n, rank) * scores.get(n, chosen.getInt(n, rank));
            }
            for (int rank = 0; rank < routing.topK(); rank++) {
                double dGate = dGates.get(n, rank);
                // The quotient rule for s_i / sum.
                d[chosen.getInt(n, rank)] +=
                        routing.scale() * (routing.normalize() ? dGate / sum - dot / (sum * sum) : dGate);
            }
            for (int i = 0; i < d.length; i++) {
                double s = scores.get(n, i);
                plus(dLogits, n, i, d[i] * s * (1 - s));
            }
        }
    }

    @Override
    public double balanceLoss(
            Tensor scores, Tensor chosen, Routing routing, Segments segments, float alpha, Tensor dScores) {
        int experts = routing.experts();
        double loss = 0;
        for (int s = 0; s < segments.count(); s++) {
            int from = segments.rowStart()[s];
            int length = segments.rowCount()[s];
            double[] f = new double[experts];
            double[] p = new double[experts];
            for (int n = from; n < from + length; n++) {
                for (int rank = 0; rank < routing.topK(); rank++) {
                    f[chosen.getInt(n, rank)] += (double) experts / (routing.topK() * (double) length);
                }
                double total = rowSum(scores, n);
                for (int i = 0; i < experts; i++) {
                    p[i] += scores.get(n, i) / total / length;
                }
            }
            double weight = (double) length / scores.rows();
            for (int i = 0; i < experts; i++) {
                loss += weight * alpha * f[i] * p[i];
            }
            for (int n = from; n < from + length; n++) {
                double total = rowSum(scores, n);
                for (int i = 0; i < experts; i++) {
                    double gradient = 0;
                    for (int j = 0; j < experts; j++) {
                        double dNormalised = weight * alpha * f[j] / length;
                        gradient += dNormalised * ((i == j ? 1 / total : 0) - scores.get(n, j) / (total * total));
                    }
                    dScores.set(n, i, (float) gradient);
                }
            }
        }
        return loss;
    }

    private static double rowSum(Tensor x, long row) {
        double sum = 0;
        for (long j = 0; j < x.columns(); j++) {
            sum += x.get(row, j);
        }
        return sum;
    }

    // ---- experts

    @Override
    public RowGroups sortByExpert(Tensor chosen, int experts, Tensor rowOf, Tensor tokenOf) {
        int[] offsets = new int[experts + 1];
        int row = 0;
        for (int expert = 0; expert < experts; expert++) {
            offsets[expert] = row;
            for (int t = 0; t < chosen.rows(); t++) {
                for (int rank = 0; rank < chosen.columns(); rank++) {
                    if (chosen.getInt(t, rank) == expert) {
                        rowOf.setInt(t, rank, row);
                        putInt(tokenOf, row, t);
                        row++;
                    }
                }
            }
        }
        offsets[experts] = row;
        return new RowGroups(offsets);
    }

    @Override
    public void gather(Tensor x, Tensor tokenOf, Tensor out) {
        for (long n = 0; n < out.rows(); n++) {
            for (long j = 0; j < out.columns(); j++) {
                out.set(n, j, x.get(intAt(tokenOf, n), j));
            }
        }
    }

    @Override
    public void gatherBackward(Tensor dOut, Tensor rowOf, Tensor dx, boolean accumulate) {
        begin(dx, accumulate);
        for (long t = 0; t < dx.rows(); t++) {
            for (long j = 0; j < dx.columns(); j++) {
                double sum = 0;
                for (long rank = 0; rank < rowOf.columns(); rank++) {
                    sum += dOut.get(rowOf.getInt(t, rank), j);
                }
                plus(dx, t, j, sum);
            }
        }
    }

    @Override
    public void combine(@Nullable Tensor shared, Tensor expertOut, Tensor rowOf, Tensor gates, Tensor y) {
        for (long t = 0; t < y.rows(); t++) {
            for (long j = 0; j < y.columns(); j++) {
                double sum = shared == null ? 0 : shared.get(t, j);
                for (long rank = 0; rank < rowOf.columns(); rank++) {
                    sum += (double) gates.get(t, rank) * expertOut.get(rowOf.getInt(t, rank), j);
                }
                y.set(t, j, (float) sum);
            }
        }
    }

    @Override
    public void combineBackward(
            Tensor dy, Tensor expertOut, Tensor rowOf, Tensor gates, Tensor dExpertOut, Tensor dGates) {
        begin(dExpertOut, false);
        for (long t = 0; t < dy.rows(); t++) {
            for (long rank = 0; rank < rowOf.columns(); rank++) {
                int row = rowOf.getInt(t, rank);
                double dot = 0;
                for (long j = 0; j < dy.columns(); j++) {
                    dot += (double) dy.get(t, j) * expertOut.get(row, j);
                    plus(dExpertOut, row, j, (double) gates.get(t, rank) * dy.get(t, j));
                }
                plus(dGates, t, rank, dot);
            }
        }
    }

    // ---- log-probabilities

    /** {@code log softmax(logits / T)} of a row. */
    static double[] logSoftmax(Tensor logits, long row, double inverseTemperature) {
        double[] z = new double[Math.toIntExact(logits.columns())];
        double max = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < z.length; i++) {
            max = Math.max(max, logits.get(row, i) * inverseTemperature);
        }
        double sum = 0;
        for (int i = 0; i < z.length; i++) {
            sum += StrictMath.exp(logits.get(row, i) * inverseTemperature - max);
        }
        double logSumExp = max + StrictMath.log(sum);
        for (int i = 0; i < z.length; i++) {
            z[i] = logits.get(row, i) * inverseTemperature - logSumExp;
        }
        return z;
    }

    @Override
    public void logProbs(
            Tensor logits,
            Tensor targets,
            float inverseTemperature,
            Tensor logProbs,
            @Nullable Tensor entropy,
            @Nullable Tensor slopes,
            @Nullable Tensor slopeScales) {
        for (long n = 0; n < logits.rows(); n++) {
            double[] z = logSoftmax(logits, n, inverseTemperature);
            int target = intAt(targets, n);
            put(logProbs, n, target < 0 ? 0 : z[target]);
            if (entropy != null) {
                double sum = 0;
                for (double value : z) {
                    sum -= value == Double.NEGATIVE_INFINITY ? 0 : StrictMath.exp(value) * value;
                }
                put(entropy, n, sum);
            }
            if (slopes != null && slopeScales != null) {
                // Any factor of a row will do. Here Z is 1.
                put(slopeScales, n, target < 0 ? 0 : -inverseTemperature);
                for (int i = 0; i < z.length; i++) {
                    slopes.set(n, i, (float) (StrictMath.exp(z[i]) - (i == target ? 1 : 0)));
                }
            }
        }
    }

    @Override
    public void sample(Tensor logits, Tensor temperatures, Tensor uniforms, Tensor tokens, Tensor logProbs) {
        for (long n = 0; n < logits.rows(); n++) {
            float temperature = at(temperatures, n);
            double[] z = logSoftmax(logits, n, temperature == 0 ? 1 : 1 / (double) temperature);
            int token = 0;
            if (temperature == 0) {
                for (int i = 1; i < z.length; i++) {
                    token = logits.get(n, i) > logits.get(n, token) ? i : token;
                }
            } else {
                double cumulative = StrictMath.exp(z[0]);
                while (cumulative <= at(uniforms, n) && token < z.length - 1) {
                    token++;
                    cumulative += StrictMath.exp(z[token]);
                }
            }
            putInt(tokens, n, token);
            put(logProbs, n, z[token]);
        }
    }

    // ---- optimizer

    @Override
    public double sumOfSquares(Tensor x) {
        double sum = 0;
        for (long i = 0; i < x.size(); i++) {
            sum += (double) at(x, i) * at(x, i);
        }
        return sum;
    }

    @Override
    public void adamW(
            Tensor parameters,
            Tensor gradients,
            Tensor firstMoments,
            Tensor secondMoments,
            float learningRate,
            float beta1,
            float beta2,
            float eps,
            float decay,
            float gradScale,
            long step) {
        for (long i = 0; i < parameters.size(); i++) {
            double gradient = (double) at(gradients, i) * gradScale;
            double first = beta1 * (double) at(firstMoments, i) + (1 - (double) beta1) * gradient;
            double second = beta2 * (double) at(secondMoments, i) + (1 - (double) beta2) * gradient * gradient;
            double mean = first / (1 - Math.pow(beta1, step));
            double variance = second / (1 - Math.pow(beta2, step));
            double old = at(parameters, i);
            double update = mean / (Math.sqrt(variance) + eps);
            put(parameters, i, old - learningRate * (double) decay * old - learningRate * update);
            put(firstMoments, i, first);
            put(secondMoments, i, second);
        }
    }
}
