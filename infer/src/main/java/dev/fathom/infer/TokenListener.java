package dev.fathom.infer;

/** Hears every token as soon as it is sampled. */
@FunctionalInterface
public interface TokenListener {
    /** Hears nothing. */
    TokenListener NONE = (request, token) -> {};

    void onToken(GenerationRequest request, int token);
}
