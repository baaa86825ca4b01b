package dev.fathom.learn.recipe;

/** The options of one stage of a {@link Recipe}. In JSON the key {@code stage} says which kind it is. */
public sealed interface StageOptions permits PretrainOptions, RlOptions, EvalOptions {
    /** The kind: {@code pretrain}, {@code rl} or {@code eval}. */
    String stage();
}
