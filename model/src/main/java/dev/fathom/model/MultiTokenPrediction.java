package dev.fathom.model;

import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Ops;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.RopeTable;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Variable;
import dev.fathom.engine.Weight;
import dev.fathom.model.config.DeepseekConfig;

/**
 * Multi-token prediction at depth 1 (DeepSeek-V3, arXiv 2412.19437 section 2.2): from the main model's state at token i and the
 * embedding of token i+1 it predicts token i+2.
 *
 * <pre>
 * h'  = W_eh [ RMSNorm_e(Emb(t_{i+1})) ; RMSNorm_h(h_i) ]     concatenation order of the released weights
 * out = Head( RMSNorm_s( Layer(h') ) )                        embedding and head are the main model's
 * </pre>
 *
 * The paper does not say whether h_i is taken before or after the main model's final norm. Here it is the residual stream
 * before it (as in DeepSeek-V4's code); the speculative decoder must do the same.
 */
final class MultiTokenPrediction {
    private final Embedding embedding;
    private final Parameter embeddingNorm;
    private final Parameter hiddenNorm;
    private final Weight projection;
    private final DecoderLayer layer;
    private final Parameter headNorm;
    private final float eps;

    MultiTokenPrediction(
            DeepseekConfig config, RopeTable rope, Weights weights, String prefix, Embedding embedding, int mixture) {
        this.embedding = embedding;
        this.embeddingNorm = weights.vector(prefix + "enorm.weight");
        this.hiddenNorm = weights.vector(prefix + "hnorm.weight");
        this.projection = weights.matrix(prefix + "eh_proj.weight");
        this.layer = DecoderLayer.of(config, rope, weights, prefix, mixture);
        this.headNorm = weights.vector(prefix + "shared_head.norm.weight");
        this.eps = (float) config.rmsNormEpsilon();
    }

    DecoderLayer layer() {
        return layer;
    }

    /**
     * @param hidden the main model's residual stream {@code [N, hidden]}
     * @param nextIds I32 {@code [N]}: the token that follows each row's
     * @return the normed states the shared head turns into predictions of the token after next
     */
    Variable forward(Ops ops, Variable hidden, Tensor nextIds, Batch batch, KeyValueStore store, RoutingLog log) {
        long width = hidden.value().columns();
        Variable joined = ops.uninitializedOperand(hidden.value().rows(), 2 * width);
        ops.rmsNormInto(embedding.lookUp(ops, nextIds), embeddingNorm, eps, joined.columns(0, width));
        ops.rmsNormInto(hidden, hiddenNorm, eps, joined.columns(width, 2 * width));
        Variable x = ops.linear(joined, projection);
        Ops.Residual in = new Ops.Residual(x, ops.rmsNorm(x, layer.inputNorm(), eps));
        return layer.forward(ops, in, headNorm, batch, store, log).normed();
    }
}
