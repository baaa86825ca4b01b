package dev.fathom.archfixture.learn;

import java.util.concurrent.ForkJoinPool;

/** Breaks a rule: nobody uses the common pool. */
public final class LearnThatUsesTheCommonPool {
    ForkJoinPool pool = ForkJoinPool.commonPool();
}
