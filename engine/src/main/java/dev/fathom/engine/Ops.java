package dev.fathom.engine;

import dev.fathom.engine.quant.StoredMatrix;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The operations models are written in. With a {@link Tape} they are differentiable; without one they only compute. Either way
 * the forward kernels are the same calls, which is why what is sampled and what is trained agree to the bit.
 *
 * <p>With a tape, results live in the {@link Workspace} until its next reset. Without one, nothing but the residual stream outlives an addition to it
 * ({@link #addNorm}): results before the addition are overwritten after the next, so that a whole model runs in memory the caches hold.
 *
 * <p>What only products read is made in their type ({@link Precision#operands()}): the results of norms and activations, the rows of experts, and the gradients of
 * what feeds activations and experts' sums. The residual stream, all reductions and everything else are F32.
 *
 * <p>Shapes: {@code N} rows of the packed batch.
 */
public final class Ops {
    /** Bytes of logits at a time: they stay in the last-level cache from the product that makes them to the softmax. */
    private static final long LOGITS_BYTES = 4 << 20;

    /** Fewer rows at a time would fetch the weights of a large vocabulary too often. */
    private static final long LEAST_LOGITS_ROWS = 256;

    /** The same where they are sampled and nothing else is made of them: they stay in the second-level cache. */
    private static final long SAMPLED_BYTES = 1 << 20;

    /** Fewer rows at a time would fetch the weights of a large vocabulary too often, see {@link #LEAST_LOGITS_ROWS}. */
    private static final long LEAST_SAMPLED_ROWS = 64;

    private final Engine engine;
    private final Kernels kernels;
    private final DType operands;
    private final Workspace workspace;
    private final @Nullable Tape tape;
    private final @Nullable PassMemory memory;
    private Workspace results;
    private int branch;

    private Ops(Engine engine, DType operands, Workspace workspace, @Nullable Tape tape) {
        this.engine = engine;
        this.kernels = engine.kernels();
        this.operands = operands;
        this.workspace = workspace;
        this.tape = tape;
        this.results = workspace;
        this.memory = tape == null ? null : new PassMemory(workspace, engine.pool());
    }

    /** Operations that record their backward pass. */
    public static Ops recording(Engine engine, Workspace workspace, Tape tape) {
        return new Ops(engine, engine.gemm().precision().operands(), workspace, tape);
    }

    /** Operations that only compute. */
    public static Ops inference(Engine engine, Workspace workspace) {
        return inference(engine, engine.gemm().precision().operands(), workspace);
    }

    /** Operations that only compute, with weights that want their operands in this type: {@link Weight#operands()}. */
    public static Ops inference(Engine engine, DType operands, Workspace workspace) {
        return new Ops(engine, operands, workspace, null);
    }

    public Workspace workspace() {
        return workspace;
    }

    public Kernels kernels() {
        return kernels;
    }

    private Variable result(long... shape) {
        return result(DType.F32, shape);
    }

    private Variable result(DType type, long... shape) {
        return variable(memory == null ? results.allocate(type, shape) : memory.allocate(type, shape));
    }

    /** A result that nothing but products reads: in the type they multiply, half the memory in bf16. */
    private Variable operand(long... shape) {
        return result(operands, shape);
    }

    /** The residual stream goes on in other memory; what it was made from may be overwritten after the next time. */
    private void beginBranch() {
        if (tape == null) {
            results = workspace.branch(branch);
            branch ^= 1;
        }
    }

    private Variable variable(Tensor value) {
        return new Variable(value, memory);
    }

    private void record(Runnable backward) {
        if (tape != null) {
            tape.record(backward);
        }
    }

    /** Records the operation that made a variable: after its backward pass nobody reads the variable's gradient again. */
    private void record(Variable result, Runnable backward) {
        record(() -> {
            backward.run();
            result.releaseGradient();
        });
    }

    /** Says that nobody will read this value again, not in the backward pass either: its memory serves other results. */
    public void forget(Variable x) {
        x.releaseValue();
    }

    /** The same value without its history: no gradient flows back. */
    public Variable detach(Variable x) {
        return variable(x.value());
    }

    /** Rows of the embedding table {@code [vocabulary, d]}; ids I32 {@code [N]}. */
    public Variable embedding(Parameter table, Tensor ids) {
        Variable out = result(ids.size(), table.value().columns());
        kernels.embedding(table.value(), ids, out.value());
        record(out, () -> kernels.embeddingBackward(out.gradient(), ids, table.gradient()));
        return out;
    }

    /** Rows of an embedding table {@code [vocabulary, d]} that nobody trains; ids I32 {@code [N]}. */
    public Variable embedding(StoredMatrix table, Tensor ids) {
        Checks.indices("token ids", ids, ids.size(), table.rows());
        Variable out = result(ids.size(), table.columns());
        for (int n = 0; n < ids.size(); n++) {
            table.decode(ids.getInt(0, n), 1, out.value().rows(n, n + 1));
        }
        return out;
    }

    /** {@code y = W x} for every row. */
    public Variable linear(Variable x, Weight weight) {
        return linear(x, weight, RowGroups.single(x.value().rows()));
    }

    /** {@code y = W_g x} for the rows of each group. */
    public Variable linear(Variable x, Weight weight, RowGroups groups) {
        return linear(x, weight, groups, DType.F32);
    }

    private Variable linear(Variable x, Weight weight, RowGroups groups, DType type) {
        Variable y = result(type, x.value().rows(), weight.outputs());
        weight.forward(x.value(), groups, y.value());
        record(y, () -> trained(weight).backward(y.gradient(), x, groups));
        return y;
    }

    private static TrainedWeight trained(Weight weight) {
        if (weight instanceof TrainedWeight trained) {
            return trained;
        }
        throw new IllegalStateException("a released model's weights are not trained: they have no gradient");
    }

    /** {@code y = W x + b} for every row; without a bias, {@code y = W x}. */
    public Variable linear(Variable x, Weight weight, @Nullable Parameter bias) {
        Variable y = linear(x, weight);
        if (bias != null) {
            kernels.addBias(y.value(), bias.value());
            record(() -> kernels.addBiasBackward(y.gradient(), bias.gradient()));
        }
        return y;
    }

    /**
     * Multiplies part of each head by that head's own matrix: {@code y[n,h][to ..] = W_h x[n,h][from ..]}. Not differentiable.
     *
     * @param x {@code [N, heads * width]}
     * @param from first of the {@code weight.inputs()} elements of each head that are read
     * @param weight one group per head
     * @param y {@code [N, heads * width]}, of another width
     * @param to first of the {@code weight.outputs()} elements of each head that are written
     */
    public void linearPerHead(Variable x, int heads, int from, Weight weight, Variable y, int to) {
        int rows = Math.toIntExact(x.value().rows());
        int inputs = Math.toIntExact(weight.inputs());
        int outputs = Math.toIntExact(weight.outputs());
        int[] offsets = new int[heads + 1];
        for (int h = 1; h <= heads; h++) {
            offsets[h] = h * rows;
        }
        Tensor in = byHead(x.value(), heads, from, inputs);
        Tensor out = byHead(y.value(), heads, to, outputs);
        if (rows == 1) { // the heads lie one below the other already
            weight.forward(in, new RowGroups(offsets), out);
            return;
        }
        Tensor packedIn = results.allocate(DType.F32, (long) heads * rows, inputs);
        Tensor packedOut = results.allocate(DType.F32, (long) heads * rows, outputs);
        for (int n = 0; n < rows; n++) {
            for (int h = 0; h < heads; h++) {
                Memory.copy(in.rowAddress((long) n * heads + h), packedIn.rowAddress((long) h * rows + n), 4L * inputs);
            }
        }
        weight.forward(packedIn, new RowGroups(offsets), packedOut);
        for (int n = 0; n < rows; n++) {
            for (int h = 0; h < heads; h++) {
                Memory.copy(
                        packedOut.rowAddress((long) h * rows + n), out.rowAddress((long) n * heads + h), 4L * outputs);
            }
        }
    }

    /** Copies part of each head: {@code y[n,h][to .. to + width] = x[n,h][from .. from + width]}. Not differentiable. */
    public void copyPerHead(Variable x, int heads, int from, int width, Variable y, int to) {
        Tensor source = byHead(x.value(), heads, from, width);
        Tensor target = byHead(y.value(), heads, to, width);
        target.copyFrom(source);
    }

    /** Part of every head of {@code [N, heads * headDim]} as {@code [N * heads, width]}. */
    private Tensor byHead(Tensor x, int heads, int from, int width) {
        if (tape != null) {
            throw new IllegalStateException("operations per head have no backward pass");
        }
        return x.reshape(x.rows() * heads, x.columns() / heads).columns(from, from + width);
    }

    /** RMSNorm with a learned weight {@code [d]}, for products to read. */
    public Variable rmsNorm(Variable x, Parameter weight, float eps) {
        Variable y = operand(x.value().rows(), x.value().columns());
        rmsNormInto(x, weight, eps, y);
        return y;
    }

    /** RMSNorm into part of an existing variable, such as one half of a concatenation. */
    public void rmsNormInto(Variable x, Parameter weight, float eps, Variable y) {
        Tensor inverseRms = results.allocate(DType.F32, x.value().rows());
        kernels.rmsNorm(x.value(), null, weight.value(), eps, null, y.value(), inverseRms);
        record(y, () -> normBackward(y, x, weight, inverseRms));
    }

    private void normBackward(Variable y, Variable x, Parameter weight, Tensor inverseRms) {
        boolean accumulate = x.hasGradient();
        kernels.rmsNormBackward(
                y.gradient(),
                x.value(),
                weight.value(),
                inverseRms,
                x.gradientToWrite(),
                accumulate,
                weight.gradient());
    }

    /** An undefined value to be filled. */
    public Variable uninitialized(long rows, long columns) {
        return filledLater(result(rows, columns));
    }

    /** An undefined operand of products, to be filled by {@link #rmsNormInto}. */
    public Variable uninitializedOperand(long rows, long columns) {
        return filledLater(operand(rows, columns));
    }

    private Variable filledLater(Variable whole) {
        record(whole::releaseGradient);
        return whole;
    }

    /** A residual stream after an addition, and its norm, for products to read. */
    public record Residual(Variable sum, Variable normed) {}

    /**
     * {@code sum = x + delta} and its RMSNorm in one pass over memory. The residual rule: delta comes from x's own branch and is added nowhere else, so its
     * value is forgotten, and in the backward pass it has read its gradient before x's norm adds to the tensor both share.
     */
    public Residual addNorm(Variable x, Variable delta, Parameter weight, float eps) {
        beginBranch();
        long rows = x.value().rows();
        long width = x.value().columns();
        Variable sum = result(rows, width);
        Variable normed = operand(rows, width);
        Tensor inverseRms = results.allocate(DType.F32, rows);
        kernels.rmsNorm(x.value(), delta.value(), weight.value(), eps, sum.value(), normed.value(), inverseRms);
        delta.releaseValue();
        record(normed, () -> {
            normBackward(normed, sum, weight, inverseRms);
            delta.borrowGradient(sum, kernels);
            x.takeGradient(sum, kernels);
            sum.releaseGradient();
        });
        return new Residual(sum, normed);
    }

    /** RMSNorm of each head of {@code [N, heads * headDim]} by itself, with one weight {@code [headDim]} for all. */
    public Variable rmsNormHeads(Variable x, int heads, Parameter weight, float eps) {
        long rows = x.value().rows();
        Variable y = result(rows, x.value().columns());
        Tensor inverseRms = results.allocate(DType.F32, rows, heads);
        kernels.rmsNormHeads(x.value(), heads, weight.value(), eps, y.value(), inverseRms);
        record(
                y,
                () -> kernels.rmsNormHeadsBackward(
                        y.gradient(), x.value(), heads, weight.value(), inverseRms, x.gradient(), weight.gradient()));
        return y;
    }

    /** {@code sum = x + delta} and its LayerNorm in one pass over memory, under the residual rule of {@link #addNorm}. */
    public Residual addLayerNorm(Variable x, Variable delta, Parameter weight, @Nullable Parameter bias, float eps) {
        beginBranch();
        long rows = x.value().rows();
        long width = x.value().columns();
        Variable sum = result(rows, width);
        Variable normed = operand(rows, width);
        Tensor mean = results.allocate(DType.F32, rows);
        Tensor inverseDeviation = results.allocate(DType.F32, rows);
        kernels.layerNorm(
                x.value(),
                delta.value(),
                weight.value(),
                bias == null ? null : bias.value(),
                eps,
                sum.value(),
                normed.value(),
                mean,
                inverseDeviation);
        delta.releaseValue();
        record(normed, () -> {
            kernels.layerNormBackward(
                    normed.gradient(),
                    sum.value(),
                    weight.value(),
                    mean,
                    inverseDeviation,
                    sum.gradient(),
                    weight.gradient(),
                    bias == null ? null : bias.gradient());
            delta.borrowGradient(sum, kernels);
            x.takeGradient(sum, kernels);
            sum.releaseGradient();
        });
        return new Residual(sum, normed);
    }

    /** RoPE in place on part of each head; see {@link Kernels#rope}. */
    public void rope(Variable x, int heads, int headDim, int offset, Tensor positions, RopeTable table) {
        kernels.rope(x.value(), heads, headDim, offset, positions, table, false);
        record(() -> kernels.rope(x.gradient(), heads, headDim, offset, positions, table, true));
    }

    /** RoPE in place on pairs of halves; see {@link Kernels#ropeHalves}. */
    public void ropeHalves(Variable x, int heads, int headDim, int offset, Tensor positions, RopeTable table) {
        kernels.ropeHalves(x.value(), heads, headDim, offset, positions, table, false);
        record(() -> kernels.ropeHalves(x.gradient(), heads, headDim, offset, positions, table, true));
    }

    /** Keys and values of the batch's sequences in one layer, being filled and then attended to. */
    public final class KeyValues {
        private final KeyValueStore store;
        private final Segments segments;
        private @Nullable KeyValueStore gradient;

        private KeyValues(KeyValueStore store, Segments segments) {
            this.store = store;
            this.segments = segments;
        }

        /** What {@link #attention}'s backward pass has written. */
        private KeyValueStore gradient() {
            if (gradient == null) {
                throw new IllegalStateException("keys and values were stored that nobody attended to");
            }
            return gradient;
        }

        /** Undefined, for {@link #attention}'s backward pass to write. */
        private KeyValueStore gradientToWrite() {
            if (gradient != null) {
                throw new IllegalStateException("keys and values were attended to twice");
            }
            PassMemory free = Objects.requireNonNull(memory);
            gradient = store.gradient(shape -> free.allocate(DType.F32, shape));
            return gradient;
        }

        private Tensor gradientOf(Variable source, int offset, int headStride, int width) {
            return source.gradientOfOnlyUse(new Variable.Columns(offset, width, headStride, store.heads()));
        }

        private void releaseGradient() {
            KeyValueStore last = gradient;
            if (last != null) {
                Objects.requireNonNull(memory).release(last.data());
                gradient = null;
            }
        }

        /** Part of each head's key; see {@link Kernels#storeKeys}. */
        public void storeKeys(Variable source, int offset, int headStride, int width, int dim) {
            kernels.storeKeys(source.value(), offset, headStride, width, dim, segments, store);
            record(() -> kernels.storeKeysBackward(
                    gradient(),
                    dim,
                    segments,
                    gradientOf(source, offset, headStride, width),
                    offset,
                    headStride,
                    width));
        }

        /** Each head's value; see {@link Kernels#storeValues}. */
        public void storeValues(Variable source, int offset, int headStride) {
            kernels.storeValues(source.value(), offset, headStride, segments, store);
            record(() -> kernels.storeValuesBackward(
                    gradient(),
                    segments,
                    gradientOf(source, offset, headStride, store.valueDim()),
                    offset,
                    headStride));
        }

        /**
         * The keys of one head at all positions up to each segment's last, one segment after the other, {@code [positions, keyDim]}. Not
         * differentiable.
         */
        public Variable readKeys(int head) {
            long positions = 0;
            for (int s = 0; s < segments.count(); s++) {
                positions += segments.position()[s] + segments.rowCount()[s];
            }
            Variable keys = uninitialized(positions, store.keyDim());
            long from = 0;
            for (int s = 0; s < segments.count(); s++) {
                long to = from + segments.position()[s] + segments.rowCount()[s];
                store.readKeys(segments.slot()[s], head, keys.value().rows(from, to));
                from = to;
            }
            return keys;
        }

        /** Causal attention of these queries {@code [N, heads * keyDim]} over what is stored. */
        public Variable attention(Variable q, int heads, float scale) {
            Variable out = result(q.value().rows(), (long) heads * store.valueDim());
            Tensor logSumExp = results.allocate(DType.F32, q.value().rows(), heads);
            kernels.attention(q.value(), heads, scale, segments, store, out.value(), logSumExp);
            record(
                    out,
                    () -> kernels.attentionBackward(
                            out.gradient(),
                            q.value(),
                            out.value(),
                            logSumExp,
                            heads,
                            scale,
                            segments,
                            store,
                            q.gradientOfOnlyUse(
                                    new Variable.Columns(0, q.value().columns(), 0, 1)),
                            gradientToWrite()));
            return out;
        }
    }

    /** Starts the attention of a layer over this store: a cache when generating, fresh memory when training. */
    public KeyValues keyValues(KeyValueStore store, Segments segments) {
        KeyValues keyValues = new KeyValues(store, segments);
        record(keyValues::releaseGradient);
        return keyValues;
    }

    /** Memory for keys and values that are used before the next addition to the residual stream, and no longer; not differentiable. */
    public KeyValueStore temporaryKeyValues(Segments segments, int heads, int keyDim, int valueDim) {
        if (tape != null) {
            throw new IllegalStateException("keys and values of a recorded pass are needed for its gradients");
        }
        return KeyValueStore.in(results, kernels.temporaryKeyValueType(), segments, heads, keyDim, valueDim);
    }

    /** {@code silu(gate) * up} with {@code [gate ; up] = W x} for every row, for products to read. */
    public Variable swiGlu(Variable x, Weight gateUp) {
        return swiGlu(x, gateUp, RowGroups.single(x.value().rows()));
    }

    /**
     * {@code silu(gate) * up} with {@code [gate ; up] = W_g x} for the rows of each group, {@code [N, 2f]} to {@code [N, f]}, for products to read. Gate and up,
     * the widest rows of a model, need be no more exact than what is made of them.
     */
    public Variable swiGlu(Variable x, Weight weight, RowGroups groups) {
        Variable gateUp = linear(x, weight, groups, weight.roundedResult());
        Variable out = operand(gateUp.value().rows(), gateUp.value().columns() / 2);
        kernels.swiGlu(gateUp.value(), out.value());
        record(out, () -> kernels.swiGluBackward(out.gradient(), gateUp.value(), gateUp.gradientOfOnlyUse(operands)));
        return out;
    }

    /**
     * {@code gelu(x + bias)}, for products to read; x is used nowhere else, so that the gradient of the bias is the sum of x's over the rows.
     */
    public Variable gelu(Variable x, @Nullable Parameter bias) {
        Variable out = operand(x.value().rows(), x.value().columns());
        kernels.gelu(x.value(), bias == null ? null : bias.value(), out.value());
        record(out, () -> {
            if (x.hasGradient()) {
                throw new IllegalStateException("the input of gelu is used a second time");
            }
            kernels.geluBackward(out.gradient(), x.value(), bias == null ? null : bias.value(), x.gradient());
            if (bias != null) {
                kernels.addBiasBackward(x.gradient(), bias.gradient());
            }
        });
        return out;
    }

    /**
     * Where the tokens of a batch go.
     *
     * @param chosen I32 {@code [N, topK]}
     * @param gates {@code [N, topK]}
     * @param rowOf I32 {@code [N, topK]}, row of the expert-sorted order
     * @param tokenOf I32 {@code [N * topK]}
     * @param groups rows of each expert
     * @param balanceLoss the sequence-wise balance loss of this batch, 0 without one
     */
    public record Routed(
            Tensor chosen, Variable gates, Tensor rowOf, Tensor tokenOf, RowGroups groups, double balanceLoss) {}

    /** Chooses experts from router logits; a positive alpha adds the sequence-wise balance loss to the gradient. */
    public Routed route(Variable logits, Tensor bias, Routing routing, float balanceAlpha, Segments segments) {
        long rows = logits.value().rows();
        Tensor scores = results.allocate(DType.F32, rows, routing.experts());
        Tensor chosen = workspace.allocate(DType.I32, rows, routing.topK());
        Variable gates = result(rows, routing.topK());
        kernels.route(logits.value(), bias, routing, scores, chosen, gates.value());
        Tensor dScores = tape != null && balanceAlpha > 0 ? results.allocate(DType.F32, rows, routing.experts()) : null;
        double balanceLoss =
                dScores == null ? 0 : kernels.balanceLoss(scores, chosen, routing, segments, balanceAlpha, dScores);
        record(
                gates,
                () -> kernels.routeBackward(
                        gates.gradient(), dScores, scores, chosen, gates.value(), routing, logits.gradient()));
        Tensor rowOf = results.allocate(DType.I32, rows, routing.topK());
        Tensor tokenOf = results.allocate(DType.I32, rows * routing.topK());
        RowGroups groups = kernels.sortByExpert(chosen, routing.experts(), rowOf, tokenOf);
        return new Routed(chosen, gates, rowOf, tokenOf, groups, balanceLoss);
    }

    /** Copies each token's row to the places of its experts: {@code [N * topK, d]}, sorted by expert. */
    public Variable dispatch(Variable x, Routed routed) {
        Variable out =
                result(x.value().dtype(), routed.tokenOf().size(), x.value().columns());
        kernels.gather(x.value(), routed.tokenOf(), out.value());
        record(out, () -> {
            boolean accumulate = x.hasGradient();
            kernels.gatherBackward(out.gradient(), routed.rowOf(), x.gradientToWrite(), accumulate);
        });
        return out;
    }

    /** {@code shared + Σ gate * expert output}, in rank order; both are made by products and used nowhere else. */
    public Variable combine(Variable shared, Variable expertOut, Routed routed) {
        Variable y = result(shared.value().rows(), shared.value().columns());
        kernels.combine(
                shared.value(),
                expertOut.value(),
                routed.rowOf(),
                routed.gates().value(),
                y.value());
        shared.releaseValue();
        record(y, () -> {
            kernels.combineBackward(
                    y.gradient(),
                    expertOut.value(),
                    routed.rowOf(),
                    routed.gates().value(),
                    expertOut.gradientOfOnlyUse(operands),
                    routed.gates().gradient());
            shared.takeGradient(y, kernels);
        });
        return y;
    }

    /** Only these rows of x, for the head of a generation step; not differentiable. */
    public Variable selectRows(Variable x, Tensor rows) {
        if (tape != null) {
            throw new IllegalStateException("selectRows has no backward pass");
        }
        Variable out = variable(
                results.allocate(x.value().dtype(), rows.size(), x.value().columns()));
        kernels.gather(x.value(), rows, out.value());
        return out;
    }

    /**
     * Log-probabilities of the target tokens, from which every loss is made.
     *
     * @param logProbs {@code [N]}, 0 where the target is negative
     * @param entropy {@code [N]} in nats
     */
    public record TokenLogProbs(Variable logProbs, Tensor entropy) {}

    /**
     * The output head and the log-softmax at the targets (I32 {@code [N]}, negative: none). Logits exist a few rows at a time: what the backward pass
     * needs of them, up to a factor of the row, is kept as an operand of its products.
     */
    public TokenLogProbs tokenLogProbs(Variable hidden, Weight head, Tensor targets, float inverseTemperature) {
        long rows = hidden.value().rows();
        long vocabulary = head.outputs();
        long chunk = Math.clamp(LOGITS_BYTES / (4 * vocabulary), LEAST_LOGITS_ROWS, Math.max(LEAST_LOGITS_ROWS, rows));
        Variable logProbs = result(rows);
        Tensor entropy = results.allocate(DType.F32, rows);
        Tensor slopes = tape == null ? null : results.allocate(operands, rows, vocabulary);
        Tensor slopeScales = tape == null ? null : results.allocate(DType.F32, rows);
        Tensor inPlace = operands == DType.F32 ? slopes : null;
        Tensor logits = inPlace != null ? inPlace : results.allocate(DType.F32, Math.min(chunk, rows), vocabulary);
        for (long from = 0; from < rows; from += chunk) {
            long to = Math.min(rows, from + chunk);
            Tensor some = inPlace != null ? inPlace.rows(from, to) : logits.rows(0, to - from);
            head.forward(hidden.value().rows(from, to), RowGroups.single(to - from), some);
            kernels.logProbs(
                    some,
                    targets.slice(from, to - from),
                    inverseTemperature,
                    logProbs.value().slice(from, to - from),
                    entropy.slice(from, to - from),
                    slopes == null ? null : slopes.rows(from, to),
                    slopeScales == null ? null : slopeScales.slice(from, to - from));
        }
        if (slopes != null && slopeScales != null) {
            record(logProbs, () -> headBackward(hidden, trained(head), slopes, slopeScales, logProbs.gradient()));
        }
        return new TokenLogProbs(logProbs, entropy);
    }

    /** With {@code dLogits[n] = f[n] slopes[n]}: {@code dW = Σ slopes[n] (f[n] hidden[n])ᵀ} and {@code dHidden[n] = f[n] Wᵀ slopes[n]}. */
    private void headBackward(
            Variable hidden, TrainedWeight head, Tensor slopes, Tensor slopeScales, Tensor dLogProbs) {
        PassMemory free = Objects.requireNonNull(memory);
        RowGroups all = RowGroups.single(slopes.rows());
        Tensor factors = free.allocate(DType.F32, slopes.rows(), 1);
        kernels.scaleRows(dLogProbs.reshape(slopes.rows(), 1), slopeScales, factors);
        Tensor scaled = free.allocate(operands, hidden.value().shape());
        kernels.scaleRows(hidden.value(), factors, scaled);
        head.backwardWeight(slopes, scaled, all);
        free.release(scaled);
        Tensor dHidden =
                hidden.hasGradient() ? free.allocate(DType.F32, hidden.value().shape()) : null;
        Tensor product = dHidden == null ? hidden.gradientToWrite() : dHidden;
        head.gemm().backwardInput(slopes, all, head.packed(), product, false);
        kernels.scaleRows(product, factors, product);
        free.release(factors);
        if (dHidden != null) {
            kernels.add(hidden.gradient(), dHidden, hidden.gradient());
            free.release(dHidden);
        }
    }

    /**
     * Samples the token after each row from the output head, see {@link Kernels#sample}; not differentiable. Some rows at a time, whose logits are
     * still in the caches when they are read.
     */
    public void sample(
            Variable hidden, Weight head, Tensor temperatures, Tensor uniforms, Tensor tokens, Tensor logProbs) {
        long rows = hidden.value().rows();
        long most = Math.clamp(
                SAMPLED_BYTES / (4 * head.outputs()), LEAST_SAMPLED_ROWS, Math.max(LEAST_SAMPLED_ROWS, rows));
        Tensor logits = results.allocate(DType.F32, Math.min(most, rows), head.outputs());
        for (long from = 0; from < rows; from += most) {
            long count = Math.min(most, rows - from);
            Tensor part = logits.rows(0, count);
            Tensor input = hidden.value().rows(from, from + count);
            head.forward(input, RowGroups.single(count), part);
            kernels.sample(
                    part,
                    temperatures.slice(from, count),
                    uniforms.slice(from, count),
                    tokens.slice(from, count),
                    logProbs.slice(from, count));
        }
    }

    /** Logits {@code [N, vocabulary]} of all rows; not differentiable. */
    public Tensor logits(Variable hidden, Weight head) {
        Tensor logits = results.allocate(DType.F32, hidden.value().rows(), head.outputs());
        head.forward(hidden.value(), RowGroups.single(hidden.value().rows()), logits);
        return logits;
    }
}
