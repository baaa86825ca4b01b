package dev.fathom.bench;

/** Something outside of Fathom that a measurement needs is not there or fails; the message says what to do. */
public final class BenchException extends RuntimeException {
    private static final long serialVersionUID = 1;

    BenchException(String message) {
        super(message);
    }
}
