package dev.fathom.infer;

/** Why a response ended. */
public enum FinishReason {
    /** The model ended it, or a stop text came. */
    STOP,
    /** {@code maxTokens} are reached, or there is no more room. */
    LENGTH,
    /** Somebody cancelled it, or the engine was closed. */
    CANCELLED,
    /** It failed. */
    ERROR
}
