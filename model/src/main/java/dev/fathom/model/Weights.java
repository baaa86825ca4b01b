package dev.fathom.model;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Parameters;
import dev.fathom.engine.TrainedWeight;
import dev.fathom.engine.Weight;
import java.util.ArrayList;
import java.util.List;

/** Looks up a model's parameters by name and keeps the packed matrices, so that all can be packed again after a step. */
final class Weights {
    private final Parameters parameters;
    private final Engine engine;
    private final List<TrainedWeight> packed = new ArrayList<>();

    Weights(Parameters parameters, Engine engine) {
        this.parameters = parameters;
        this.engine = engine;
    }

    /** A matrix or a stack of expert matrices, multiplied at the engine's precision. */
    Weight matrix(String name) {
        return keep(new TrainedWeight(parameters.get(name), engine.gemm()));
    }

    /** A matrix that is multiplied in f32 whatever the precision: a router's. */
    Weight exactMatrix(String name) {
        return keep(new TrainedWeight(parameters.get(name), engine.exactGemm()));
    }

    /** The weight of a norm, a bias, a table. */
    Parameter vector(String name) {
        return parameters.get(name);
    }

    void refresh() {
        packed.forEach(TrainedWeight::refresh);
    }

    private Weight keep(TrainedWeight weight) {
        packed.add(weight);
        return weight;
    }
}
