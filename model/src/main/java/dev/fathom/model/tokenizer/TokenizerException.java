package dev.fathom.model.tokenizer;

import dev.fathom.model.files.ModelFileException;
import org.jspecify.annotations.Nullable;

/** A tokenizer file that cannot be read or is of an unsupported kind, or text or ids the tokenizer has no token for. */
public final class TokenizerException extends ModelFileException {
    private static final long serialVersionUID = 1;

    TokenizerException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    TokenizerException(String message) {
        this(message, null);
    }
}
