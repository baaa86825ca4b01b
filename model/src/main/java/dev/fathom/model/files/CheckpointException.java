package dev.fathom.model.files;

import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** A checkpoint or weight file that is missing, damaged, of another model, or could not be written. */
public final class CheckpointException extends ModelFileException {
    private static final long serialVersionUID = 1;

    public CheckpointException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    public CheckpointException(String message) {
        this(message, null);
    }

    /** A field of a file with a value it cannot have. */
    public static CheckpointException of(Path file, String field, Object found, String expected) {
        return new CheckpointException(file + ": " + field + ": found " + found + ", expected " + expected);
    }

    /** A field of one tensor with a value it cannot have. */
    public static CheckpointException of(Path file, String tensor, String field, Object found, String expected) {
        return of(file, "tensor \"" + shorten(tensor) + "\": " + field, found, expected);
    }

    /** The operating system could not read or write, for example because the disk is full. */
    public static CheckpointException io(Path file, String action, IOException e) {
        return new CheckpointException(file + ": cannot be " + action + " (" + Json.describe(e) + ")", e);
    }

    /** A damaged header can hold a name of megabytes. */
    private static String shorten(String name) {
        return name.length() <= 200 ? name : name.substring(0, 197) + "...";
    }
}
