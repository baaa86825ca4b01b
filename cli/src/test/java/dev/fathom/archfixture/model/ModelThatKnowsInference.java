package dev.fathom.archfixture.model;

import dev.fathom.archfixture.infer.InferThatKnowsLearning;

/** Breaks a rule: a model does not know sampling. */
public final class ModelThatKnowsInference {
    InferThatKnowsLearning engine = new InferThatKnowsLearning();
}
