package dev.fathom.model.config;

import dev.fathom.model.files.ModelFileException;
import org.jspecify.annotations.Nullable;

/** A model config that cannot be read, is out of range, or asks for something this engine does not compute. */
public final class ConfigException extends ModelFileException {
    private static final long serialVersionUID = 1;

    ConfigException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    /** @param key the Hugging Face name of the field */
    static ConfigException of(String key, Object found, String expected) {
        return new ConfigException(key + ": found " + found + ", expected " + expected, null);
    }

    /** The same error, saying in which file. */
    public ConfigException in(String source) {
        return new ConfigException(source + ": " + getMessage(), this);
    }
}
