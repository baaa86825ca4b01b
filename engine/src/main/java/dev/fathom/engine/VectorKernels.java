package dev.fathom.engine;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * {@link Kernels} on the JDK's Vector API, for any vector width. This class only says where each operation lives; each class behind it
 * explains one topic, forward and backward side by side.
 */
public final class VectorKernels implements Kernels {
    private final WorkerPool pool;
    private final VectorElementwise elementwise;
    private final VectorNorm norm;
    private final VectorHeadNorm headNorm;
    private final VectorLayerNorm layerNorm;
    private final VectorBias bias;
    private final VectorRope rope;
    private final VectorKeyValues keyValues;
    private final AttentionKernels attention;
    private final RowKernels rows;
    private final VectorRouter router;
    private final VectorExperts experts;
    private final VectorLogProbs logProbs;
    private final VectorOptimizer optimizer;

    /** All on the Vector API. */
    public VectorKernels(WorkerPool pool) {
        this(pool, new VectorAttention(pool), new VectorRows(pool));
    }

    /**
     * @param attention who computes attention
     * @param rows who computes the forward operations on single rows
     */
    public VectorKernels(WorkerPool pool, AttentionKernels attention, RowKernels rows) {
        this.pool = pool;
        elementwise = new VectorElementwise(pool, rows);
        norm = new VectorNorm(pool, rows);
        headNorm = new VectorHeadNorm(pool, rows);
        layerNorm = new VectorLayerNorm(pool);
        bias = new VectorBias(pool, rows);
        rope = new VectorRope(pool, rows);
        keyValues = new VectorKeyValues(pool, attention);
        this.attention = attention;
        this.rows = rows;
        router = new VectorRouter(pool);
        experts = new VectorExperts(pool, rows);
        logProbs = new VectorLogProbs(pool, rows);
        optimizer = new VectorOptimizer(pool);
    }

    @Override
    public String name() {
        List<String> others = new ArrayList<>();
        if (!(rows instanceof VectorRows)) {
            others.add("rows in " + rows.name());
        }
        if (!(attention instanceof VectorAttention)) {
            others.add("attention in " + attention.name());
        }
        String name = new VectorRows(pool).name();
        return others.isEmpty() ? name : name + " with " + String.join(" and ", others);
    }

    /** The same, but for attention on keys and values in F32. */
    VectorKernels withFloatKeyValues() {
        return new VectorKernels(pool, new VectorAttention(pool), rows);
    }

    /** The same, but for keys and values in eight bits. */
    VectorKernels withQuantizedKeyValues() {
        return new VectorKernels(pool, new QuantizedAttention(pool, attention), rows);
    }

    @Override
    public DType keyValueType() {
        return attention.keyValueType();
    }

    @Override
    public DType temporaryKeyValueType() {
        return attention.temporaryType();
    }

    @Override
    public void embedding(Tensor table, Tensor ids, Tensor out) {
        elementwise.embedding(table, ids, out);
    }

    @Override
    public void embeddingBackward(Tensor dOut, Tensor ids, Tensor dTable) {
        elementwise.embeddingBackward(dOut, ids, dTable);
    }

    @Override
    public void add(Tensor a, Tensor b, Tensor out) {
        elementwise.add(a, b, out);
    }

    @Override
    public void addScaled(Tensor x, float factor, Tensor y) {
        elementwise.addScaled(x, factor, y);
    }

    @Override
    public void scaleRows(Tensor x, Tensor factors, Tensor out) {
        elementwise.scaleRows(x, factors, out);
    }

    @Override
    public void addBias(Tensor y, Tensor bias) {
        this.bias.addBias(y, bias);
    }

    @Override
    public void addBiasBackward(Tensor dy, Tensor dBias) {
        bias.addBiasBackward(dy, dBias);
    }

    @Override
    public void rmsNorm(
            Tensor x,
            @Nullable Tensor residual,
            Tensor weight,
            float eps,
            @Nullable Tensor sum,
            Tensor y,
            Tensor inverseRms) {
        norm.rmsNorm(x, residual, weight, eps, sum, y, inverseRms);
    }

    @Override
    public void rmsNormBackward(
            Tensor dy, Tensor x, Tensor weight, Tensor inverseRms, Tensor dx, boolean accumulate, Tensor dWeight) {
        norm.rmsNormBackward(dy, x, weight, inverseRms, dx, accumulate, dWeight);
    }

    @Override
    public void rmsNormHeads(Tensor x, int heads, Tensor weight, float eps, Tensor y, Tensor inverseRms) {
        headNorm.rmsNormHeads(x, heads, weight, eps, y, inverseRms);
    }

    @Override
    public void rmsNormHeadsBackward(
            Tensor dy, Tensor x, int heads, Tensor weight, Tensor inverseRms, Tensor dx, Tensor dWeight) {
        headNorm.rmsNormHeadsBackward(dy, x, heads, weight, inverseRms, dx, dWeight);
    }

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
        layerNorm.layerNorm(x, residual, weight, bias, eps, sum, y, mean, inverseDeviation);
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
        layerNorm.layerNormBackward(dy, x, weight, mean, inverseDeviation, dx, dWeight, dBias);
    }

    @Override
    public void rope(Tensor x, int heads, int headDim, int offset, Tensor positions, RopeTable table, boolean inverse) {
        rope.rope(x, heads, headDim, offset, positions, table, inverse);
    }

    @Override
    public void ropeHalves(
            Tensor x, int heads, int headDim, int offset, Tensor positions, RopeTable table, boolean inverse) {
        rope.ropeHalves(x, heads, headDim, offset, positions, table, inverse);
    }

    @Override
    public void storeKeys(
            Tensor source, int offset, int headStride, int width, int dim, Segments segments, KeyValueStore store) {
        keyValues.storeKeys(source, offset, headStride, width, dim, segments, store);
    }

    @Override
    public void storeKeysBackward(
            KeyValueStore dStore, int dim, Segments segments, Tensor dSource, int offset, int headStride, int width) {
        keyValues.storeKeysBackward(dStore, dim, segments, dSource, offset, headStride, width);
    }

    @Override
    public void storeValues(Tensor source, int offset, int headStride, Segments segments, KeyValueStore store) {
        keyValues.storeValues(source, offset, headStride, segments, store);
    }

    @Override
    public void storeValuesBackward(
            KeyValueStore dStore, Segments segments, Tensor dSource, int offset, int headStride) {
        keyValues.storeValuesBackward(dStore, segments, dSource, offset, headStride);
    }

    @Override
    public void attention(
            Tensor q, int heads, float scale, Segments segments, KeyValueStore store, Tensor out, Tensor logSumExp) {
        attention.attention(q, heads, scale, segments, store, out, logSumExp);
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
        attention.attentionBackward(dOut, q, out, logSumExp, heads, scale, segments, store, dq, dStore);
    }

    @Override
    public void swiGlu(Tensor gateUp, Tensor out) {
        elementwise.swiGlu(gateUp, out);
    }

    @Override
    public void swiGluBackward(Tensor dOut, Tensor gateUp, Tensor dGateUp) {
        elementwise.swiGluBackward(dOut, gateUp, dGateUp);
    }

    @Override
    public void gelu(Tensor x, @Nullable Tensor bias, Tensor out) {
        this.bias.gelu(x, bias, out);
    }

    @Override
    public void geluBackward(Tensor dOut, Tensor x, @Nullable Tensor bias, Tensor dx) {
        this.bias.geluBackward(dOut, x, bias, dx);
    }

    @Override
    public void route(Tensor logits, Tensor bias, Routing routing, Tensor scores, Tensor chosen, Tensor gates) {
        router.route(logits, bias, routing, scores, chosen, gates);
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
        router.routeBackward(dGates, dScores, scores, chosen, gates, routing, dLogits);
    }

    @Override
    public double balanceLoss(
            Tensor scores, Tensor chosen, Routing routing, Segments segments, float alpha, Tensor dScores) {
        return router.balanceLoss(scores, chosen, routing, segments, alpha, dScores);
    }

    @Override
    public RowGroups sortByExpert(Tensor chosen, int experts, Tensor rowOf, Tensor tokenOf) {
        return this.experts.sortByExpert(chosen, experts, rowOf, tokenOf);
    }

    @Override
    public void gather(Tensor x, Tensor tokenOf, Tensor out) {
        this.experts.gather(x, tokenOf, out);
    }

    @Override
    public void gatherBackward(Tensor dOut, Tensor rowOf, Tensor dx, boolean accumulate) {
        this.experts.gatherBackward(dOut, rowOf, dx, accumulate);
    }

    @Override
    public void combine(@Nullable Tensor shared, Tensor expertOut, Tensor rowOf, Tensor gates, Tensor y) {
        this.experts.combine(shared, expertOut, rowOf, gates, y);
    }

    @Override
    public void combineBackward(
            Tensor dy, Tensor expertOut, Tensor rowOf, Tensor gates, Tensor dExpertOut, Tensor dGates) {
        this.experts.combineBackward(dy, expertOut, rowOf, gates, dExpertOut, dGates);
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
        this.logProbs.logProbs(logits, targets, inverseTemperature, logProbs, entropy, slopes, slopeScales);
    }

    @Override
    public void sample(Tensor logits, Tensor temperatures, Tensor uniforms, Tensor tokens, Tensor logProbs) {
        this.logProbs.sample(logits, temperatures, uniforms, tokens, logProbs);
    }

    @Override
    public double sumOfSquares(Tensor x) {
        return optimizer.sumOfSquares(x);
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
        optimizer.adamW(
                parameters,
                gradients,
                firstMoments,
                secondMoments,
                learningRate,
                beta1,
                beta2,
                eps,
                decay,
                gradScale,
                step);
    }
}
