package dev.fathom.archfixture.engine;

import dev.fathom.archfixture.model.ModelThatUsesUnsafe;

/** Breaks a rule: the engine does not know models. */
public final class EngineThatKnowsModels {
    ModelThatUsesUnsafe model = new ModelThatUsesUnsafe();
}
