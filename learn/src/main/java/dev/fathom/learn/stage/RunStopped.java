package dev.fathom.learn.stage;

/** The run was asked to stop and did, after publishing a checkpoint; it can be resumed. Not an error. */
public final class RunStopped extends RuntimeException {
    private static final long serialVersionUID = 1;

    RunStopped(String message) {
        super(message, null, false, false);
    }
}
