package dev.fathom.infer;

/**
 * Takes the tags off an answer in R1-Zero's template: {@code <answer>} at its beginning, which may be in the prompt already, and {@code </answer>}
 * at its end. A tag in the middle is part of the answer.
 */
final class AnswerTags {
    private static final String BEGIN = "<answer>";
    private static final String END = "</answer>";

    private boolean begun;
    private final StringBuilder held = new StringBuilder();

    /** What of the answer is certain. */
    String add(String text) {
        held.append(text);
        if (!begun && !BEGIN.startsWith(held.substring(0, Math.min(held.length(), BEGIN.length())))) {
            begun = true;
        } else if (!begun && held.length() >= BEGIN.length()) {
            begun = true;
            held.delete(0, BEGIN.length());
        }
        if (!begun) {
            return "";
        }
        return take(held.length() - beginningOfEnd());
    }

    /** The response has ended: an end tag at its end is none of the answer. */
    String finish() {
        if (held.toString().strip().equals(END)) {
            held.setLength(0);
        }
        return take(held.length());
    }

    private String take(int count) {
        String certain = held.substring(0, count);
        held.delete(0, count);
        return certain;
    }

    /** Length of the end of the text that could be the end tag with white space behind it. */
    private int beginningOfEnd() {
        int at = held.lastIndexOf("<");
        String end = at < 0 ? "" : held.substring(at);
        boolean possible = END.startsWith(end)
                || (end.startsWith(END) && end.substring(END.length()).isBlank());
        return possible ? end.length() : 0;
    }
}
