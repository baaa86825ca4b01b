package dev.fathom.model;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Parameters;
import dev.fathom.engine.TrainedWeight;
import dev.fathom.engine.Weight;
import dev.fathom.model.config.DeepseekConfig;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Weights that are trained: parameters, and their packed matrices, so that all can be packed again after a step. */
final class TrainedWeights implements Weights {
    private final Parameters parameters;
    private final Engine engine;
    private final List<TrainedWeight> packed = new ArrayList<>();

    TrainedWeights(Parameters parameters, Engine engine) {
        this.parameters = parameters;
        this.engine = engine;
    }

    Parameters parameters() {
        return parameters;
    }

    @Override
    public Embedding embedding(String name) {
        return new Embedding.Trained(parameters.get(name));
    }

    /** Multiplied at the engine's precision. */
    @Override
    public Weight matrix(String name) {
        return keep(new TrainedWeight(parameters.get(name), engine.gemm()));
    }

    @Override
    public Weight exactMatrix(String name) {
        return keep(new TrainedWeight(parameters.get(name), engine.exactGemm()));
    }

    @Override
    public Parameter vector(String name) {
        return parameters.get(name);
    }

    @Override
    public @Nullable LatentProjection latentProjection(DeepseekConfig config, String prefix) {
        return null;
    }

    void refresh() {
        packed.forEach(TrainedWeight::refresh);
    }

    private Weight keep(TrainedWeight weight) {
        packed.add(weight);
        return weight;
    }
}
