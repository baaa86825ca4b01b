package dev.fathom.engine;

import java.util.ArrayList;
import java.util.List;

/**
 * Reverse-mode differentiation over coarse operations: each {@link Ops operation} records how to carry the gradient from its
 * result to its arguments, and {@link #backward()} runs the records in reverse. About ten records per transformer layer.
 */
public final class Tape {
    private final List<Runnable> records = new ArrayList<>();

    void record(Runnable backward) {
        records.add(backward);
    }

    /** Carries the gradients that the caller has put into the results back to every parameter, and forgets the records. */
    public void backward() {
        for (Runnable record : records.reversed()) {
            record.run();
        }
        records.clear();
    }
}
