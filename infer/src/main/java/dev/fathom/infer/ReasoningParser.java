package dev.fathom.infer;

/**
 * Separates thinking from answer while text arrives, for models that write {@code <think>…</think>} before they answer
 * (DeepSeek-R1, arXiv 2501.12948). What might be the beginning of a tag is held back until it is clear, so that no half of
 * {@code </think>} is ever shown. Not for several threads.
 *
 * <p>Only the first thinking counts, and only at the beginning: a tag in the answer is part of the answer. White space around
 * the thinking and before the answer behind it belongs to the format and is left out; without thinking the text is untouched.
 */
public final class ReasoningParser {
    private static final String BEGIN = "<think>";
    private static final String END = "</think>";

    private enum State {
        /** Nothing but white space so far. */
        BEGINNING,
        THINKING,
        /** Behind {@code </think>}, nothing but white space so far. */
        BETWEEN,
        ANSWERING
    }

    /**
     * What became certain.
     *
     * @param thinking to be added to the thinking, often empty
     * @param answer to be added to the answer, often empty
     */
    public record Piece(String thinking, String answer) {}

    private State state;

    /** Text that arrived and is not certain. */
    private final StringBuilder held = new StringBuilder();

    /** White space behind the thinking so far, which counts only if more thinking follows. */
    private final StringBuilder spaces = new StringBuilder();

    private boolean thought;

    /** @param startsThinking whether the prompt ends in an open {@code <think>}: the text begins with a thought */
    public ReasoningParser(boolean startsThinking) {
        state = startsThinking ? State.THINKING : State.BEGINNING;
    }

    /** Takes the next text of the model. */
    public Piece add(String text) {
        held.append(text);
        return read(false);
    }

    /** The text has ended; what was held back is what it looks like. */
    public Piece finish() {
        return read(true);
    }

    /** Whether the text that arrived last was thinking, that is, whether an answer is still to come. */
    public boolean isThinking() {
        return state == State.THINKING;
    }

    private Piece read(boolean end) {
        StringBuilder thinking = new StringBuilder();
        StringBuilder answer = new StringBuilder();
        if (state == State.BEGINNING) {
            int start = firstVisible();
            if (held.indexOf(BEGIN, start) == start) {
                held.delete(0, start + BEGIN.length());
                state = State.THINKING;
            } else if (end || !BEGIN.startsWith(held.substring(start))) {
                state = State.ANSWERING;
            }
        }
        if (state == State.THINKING) {
            int close = held.indexOf(END);
            int certain = close >= 0 ? close : held.length() - (end ? 0 : beginningOfEnd());
            think(held.substring(0, certain), thinking);
            held.delete(0, close >= 0 ? close + END.length() : certain);
            if (close >= 0) {
                spaces.setLength(0);
                state = State.BETWEEN;
            }
        }
        if (state == State.BETWEEN) {
            int start = firstVisible();
            held.delete(0, start);
            if (!held.isEmpty()) {
                state = State.ANSWERING;
            }
        }
        if (state == State.ANSWERING) {
            answer.append(held);
            held.setLength(0);
        }
        return new Piece(thinking.toString(), answer.toString());
    }

    /** Passes text on without the white space around all of it. */
    private void think(String text, StringBuilder thinking) {
        int from = 0;
        while (!thought && from < text.length() && Character.isWhitespace(text.charAt(from))) {
            from++;
        }
        int to = text.length();
        while (to > from && Character.isWhitespace(text.charAt(to - 1))) {
            to--;
        }
        if (to > from) {
            thought = true;
            thinking.append(spaces).append(text, from, to);
            spaces.setLength(0);
        }
        spaces.append(text, Math.max(from, to), text.length());
    }

    private int firstVisible() {
        int start = 0;
        while (start < held.length() && Character.isWhitespace(held.charAt(start))) {
            start++;
        }
        return start;
    }

    /** Length of the longest end of the text that could become {@code </think>}. */
    private int beginningOfEnd() {
        for (int length = Math.min(END.length() - 1, held.length()); length > 0; length--) {
            if (END.startsWith(held.substring(held.length() - length))) {
                return length;
            }
        }
        return 0;
    }
}
