package dev.fathom.cli.client;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a client understood.
 *
 * @param thinking apart from the answer
 * @param content what its user sees, empty beside a call
 */
public record Answer(String thinking, String content, List<Call> calls) {
    /** A tool that the model wants to be called. @param arguments JSON */
    public record Call(String name, String arguments) {}

    static Answer of(@Nullable String thinking, @Nullable String content, List<Call> calls) {
        return new Answer(thinking == null ? "" : thinking, content == null ? "" : content, calls);
    }
}
