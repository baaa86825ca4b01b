package dev.fathom.archfixture.onednn;

import dev.fathom.archfixture.model.ModelThatUsesUnsafe;

/** Breaks a rule: a provider of kernels knows the engine only. */
public final class OneDnnThatKnowsModels {
    ModelThatUsesUnsafe model = new ModelThatUsesUnsafe();
}
