package dev.fathom.model.jinja;

import dev.fathom.model.files.ModelFileException;
import org.jspecify.annotations.Nullable;

/** A template that cannot be read or rendered, or that says itself that a conversation does not fit it. */
public final class TemplateException extends ModelFileException {
    private static final long serialVersionUID = 1;

    public TemplateException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    TemplateException(String message) {
        this(message, null);
    }
}
