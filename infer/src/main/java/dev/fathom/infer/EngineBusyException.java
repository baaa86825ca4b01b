package dev.fathom.infer;

/** More requests wait than the engine keeps; later it may take this one. */
public final class EngineBusyException extends RuntimeException {
    private static final long serialVersionUID = 1;

    EngineBusyException(int queued) {
        super("the queue is full: " + queued + " requests wait already");
    }
}
