package dev.fathom.archfixture.learn;

import java.util.concurrent.CompletableFuture;

/** Breaks a rule: supplyAsync without an executor runs in the common pool. */
public final class LearnThatUsesTheCommonPoolUnasked {
    CompletableFuture<Integer> number = CompletableFuture.supplyAsync(() -> 1);
}
