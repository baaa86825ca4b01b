package dev.fathom.infer.grammar;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** What is still to be written: the rest of a frame, then what lies around it. An immutable stack that knows its hash and its shortest text. */
final class Pending {
    /** Nothing. */
    static final Pending NONE = new Pending(new Frame.End(), null);

    private final Frame frame;
    private final @Nullable Pending rest;
    private final int shortest;
    private final int hash;

    private Pending(Frame frame, @Nullable Pending rest) {
        this.frame = frame;
        this.rest = rest;
        this.shortest = Math.min(Shape.ENDLESS, frame.shortest() + (rest == null ? 0 : rest.shortest));
        this.hash = 31 * frame.hashCode() + (rest == null ? 0 : rest.hash);
    }

    /** The same behind a frame. */
    Pending behind(Frame first) {
        return new Pending(first, this);
    }

    /** Bytes of the shortest text to the end. */
    int shortest() {
        return shortest;
    }

    /** Whether the text may end here. */
    boolean mayEnd() {
        return frame.mayEnd() && (rest == null || rest.mayEnd());
    }

    /** Takes a byte; {@code to} hears what is left, once for each way to read it. */
    void step(int b, Consumer<Pending> to) {
        frame.step(b, rest == null ? this : rest, to);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return this == other
                || (other instanceof Pending that
                        && hash == that.hash
                        && frame.equals(that.frame)
                        && java.util.Objects.equals(rest, that.rest));
    }

    @Override
    public int hashCode() {
        return hash;
    }
}
