package dev.fathom.archfixture.model;

import java.util.List;

/** Breaks a rule: parallel streams run in the common pool. */
public final class ModelThatUsesAParallelStream {
    int sum(List<Integer> numbers) {
        return numbers.parallelStream().mapToInt(Integer::intValue).sum();
    }
}
