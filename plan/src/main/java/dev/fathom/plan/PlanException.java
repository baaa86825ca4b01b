package dev.fathom.plan;

import org.jspecify.annotations.Nullable;

/** A plan that cannot be made; the message is one line for the user: field, found, expected, and what would fit. */
public final class PlanException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public PlanException(String message) {
        super(message);
    }

    public PlanException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    /** @param field the option or key that is wrong */
    public static PlanException of(String field, Object found, String expected) {
        return new PlanException(field + ": found " + found + ", expected " + expected);
    }
}
