package dev.fathom.archfixture.avx512;

import dev.fathom.archfixture.model.ModelThatUsesUnsafe;

/** Breaks a rule: a provider of kernels knows the engine only. */
public final class Avx512ThatKnowsModels {
    ModelThatUsesUnsafe model = new ModelThatUsesUnsafe();
}
