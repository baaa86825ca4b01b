package dev.fathom.archfixture.serve;

import dev.fathom.archfixture.learn.LearnThatPrints;

/** Breaks a rule: the server reads the files of runs and knows nothing of how they come about. */
public final class ServeThatKnowsLearning {
    LearnThatPrints stage = new LearnThatPrints();
}
