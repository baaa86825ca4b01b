package dev.fathom.model;

import dev.fathom.engine.Parameter;
import dev.fathom.engine.Weight;
import dev.fathom.model.config.DeepseekConfig;
import org.jspecify.annotations.Nullable;

/**
 * Where a model's layers find their weights, by the names of {@link LlamaParameters} and {@link DeepseekParameters}: parameters that are trained, or
 * tensors of a released file.
 */
interface Weights {
    /** A table of rows to look up. */
    Embedding embedding(String name);

    /** A matrix or a stack of expert matrices. */
    Weight matrix(String name);

    /** A matrix that is multiplied in f32 whatever the precision: a router's. */
    Weight exactMatrix(String name);

    /** The weight of a norm, or a bias. */
    Parameter vector(String name);

    /**
     * The up-projection of a layer's latents in the forms that generation multiplies by; null where keys and values are kept expanded, because
     * training adds in that order and generation must add the same.
     *
     * @param prefix of the layer's attention
     */
    @Nullable
    LatentProjection latentProjection(DeepseekConfig config, String prefix);
}
