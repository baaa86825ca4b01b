package dev.fathom.infer.grammar;

/** A schema that is not supported, or that nothing fulfils. */
public final class SchemaException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final String path;

    /**
     * @param path where in the schema, such as {@code .properties.age.minimum}; empty for the schema itself
     * @param message what is wrong there
     */
    SchemaException(String path, String message) {
        super(message);
        this.path = path;
    }

    /** Where in the schema, such as {@code .properties.age.minimum}; empty for the schema itself. */
    public String path() {
        return path;
    }
}
