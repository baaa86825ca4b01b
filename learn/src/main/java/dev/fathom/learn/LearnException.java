package dev.fathom.learn;

/**
 * Something outside the program is wrong: an option, a recipe file, a run directory, a user's {@code Task}.
 *
 * <p>The message is written for the person who can put it right: it names the file or field, what was found, what was
 * expected and what to do. A command-line front end prints it without a stack trace.
 */
public final class LearnException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public LearnException(String message) {
        super(message);
    }

    public LearnException(String message, Throwable cause) {
        super(message, cause);
    }
}
