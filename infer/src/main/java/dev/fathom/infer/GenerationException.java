package dev.fathom.infer;

/** A response could not be generated; the message says why. */
public final class GenerationException extends RuntimeException {
    private static final long serialVersionUID = 1;

    GenerationException(String message) {
        super(message);
    }
}
