package dev.fathom.archfixture.infer;

import dev.fathom.archfixture.learn.LearnThatPrints;

/** Breaks a rule: inference does not know learning. */
public final class InferThatKnowsLearning {
    LearnThatPrints stage = new LearnThatPrints();
}
