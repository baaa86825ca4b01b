package dev.fathom.archfixture.plan;

import dev.fathom.archfixture.learn.LearnThatPrints;

/** Breaks a rule: plans do not know learning. */
public final class PlanThatKnowsLearning {
    LearnThatPrints stage = new LearnThatPrints();
}
