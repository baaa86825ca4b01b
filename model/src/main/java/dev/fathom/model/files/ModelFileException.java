package dev.fathom.model.files;

import org.jspecify.annotations.Nullable;

/**
 * A model file that is missing, damaged, of another kind or not supported.
 *
 * <p>The message alone is meant for a user: it names the file, the field, what was found, what was expected. A command line
 * prints it without a stack trace.
 */
public abstract class ModelFileException extends RuntimeException {
    private static final long serialVersionUID = 1;

    protected ModelFileException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
