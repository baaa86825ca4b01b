package dev.fathom.model.jinja;

/**
 * A token of a template.
 *
 * @param text for {@code STRING} the value, otherwise as written
 * @param line counted from 1
 */
record Token(Type type, String text, int line) {
    /** Kinds of tokens; the text between tags is one, and so are the beginnings and ends of tags. */
    enum Type {
        DATA,
        VARIABLE_BEGIN,
        VARIABLE_END,
        BLOCK_BEGIN,
        BLOCK_END,
        NAME,
        STRING,
        INTEGER,
        FLOAT,
        OPERATOR,
        END
    }

    boolean is(Type wanted, String wantedText) {
        return type == wanted && text.equals(wantedText);
    }

    String describe() {
        return type == Type.END ? "the end of the template" : "\"" + text + "\"";
    }
}
