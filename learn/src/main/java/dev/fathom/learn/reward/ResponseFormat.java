package dev.fathom.learn.reward;

/**
 * Reads a response of the R1-Zero template (DeepSeek-R1, table 1), strictly:
 *
 * <pre>{@code <think>thinking</think><answer>answer</answer>}</pre>
 *
 * <p>Exactly one thinking block, then exactly one answer block, nothing before, between or after. A reward parser is
 * what a policy optimises against, so everything doubtful is malformed: a second {@code <answer>}, a tag inside a
 * block, an unclosed block (a truncated response), a trailing space. What stands between the answer tags is handed on
 * as it is, to be compared and never evaluated.
 *
 * <p>The text is the decoded response without prompt and end-of-sequence token. If a prompt ends with {@code <think>},
 * put that tag in front of the response first.
 */
public final class ResponseFormat {
    public static final String THINK = "<think>";
    public static final String END_THINK = "</think>";
    public static final String ANSWER = "<answer>";
    public static final String END_ANSWER = "</answer>";

    /** Longer responses are malformed, so that reading one stays cheap whatever it holds. */
    public static final int MAX_CHARACTERS = 1 << 20;

    /** Longer answers are malformed: a grader never sees more. */
    public static final int MAX_ANSWER_CHARACTERS = 1000;

    private ResponseFormat() {}

    /** A response with thinking and answer: what a model of this format would write. */
    public static String format(String thinking, String answer) {
        return THINK + thinking + END_THINK + ANSWER + answer + END_ANSWER;
    }

    /** What a response turned out to be. */
    public sealed interface Parsed {
        /** One thinking block, one answer. */
        record WellFormed(String thinking, String answer) implements Parsed {}

        /** Anything else, with the first reason. */
        record Malformed(Flaw flaw) implements Parsed {}
    }

    /** Why a response is malformed. */
    public enum Flaw {
        TOO_LONG,
        DOES_NOT_START_WITH_THINK,
        THINK_NOT_CLOSED,
        NO_ANSWER_AFTER_THINK,
        ANSWER_NOT_CLOSED,
        ANSWER_TOO_LONG,
        TEXT_AFTER_ANSWER,
        TAG_INSIDE_BLOCK
    }

    public static Parsed parse(String response) {
        if (response.length() > MAX_CHARACTERS) {
            return new Parsed.Malformed(Flaw.TOO_LONG);
        }
        if (!response.startsWith(THINK)) {
            return new Parsed.Malformed(Flaw.DOES_NOT_START_WITH_THINK);
        }
        int thinkingEnd = response.indexOf(END_THINK);
        if (thinkingEnd < 0) {
            return new Parsed.Malformed(Flaw.THINK_NOT_CLOSED);
        }
        int answerTag = thinkingEnd + END_THINK.length();
        if (!response.startsWith(ANSWER, answerTag)) {
            return new Parsed.Malformed(Flaw.NO_ANSWER_AFTER_THINK);
        }
        int answerStart = answerTag + ANSWER.length();
        int answerEnd = response.indexOf(END_ANSWER, answerStart);
        if (answerEnd < 0) {
            return new Parsed.Malformed(Flaw.ANSWER_NOT_CLOSED);
        }
        if (answerEnd - answerStart > MAX_ANSWER_CHARACTERS) {
            return new Parsed.Malformed(Flaw.ANSWER_TOO_LONG);
        }
        if (answerEnd + END_ANSWER.length() != response.length()) {
            return new Parsed.Malformed(Flaw.TEXT_AFTER_ANSWER);
        }
        String thinking = response.substring(THINK.length(), thinkingEnd);
        String answer = response.substring(answerStart, answerEnd);
        if (containsTag(thinking) || containsTag(answer)) {
            return new Parsed.Malformed(Flaw.TAG_INSIDE_BLOCK);
        }
        return new Parsed.WellFormed(thinking, answer);
    }

    private static boolean containsTag(String text) {
        return text.contains(THINK) || text.contains(END_THINK) || text.contains(ANSWER) || text.contains(END_ANSWER);
    }
}
