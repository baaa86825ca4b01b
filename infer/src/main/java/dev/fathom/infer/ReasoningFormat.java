package dev.fathom.infer;

/** How a response separates thinking from answer. */
public enum ReasoningFormat {
    /** It does not: every text is answer. */
    NONE,
    /** It may begin with {@code <think>}. */
    TAGGED,
    /** The prompt ends in {@code <think>}: it begins with a thought and answers behind {@code </think>} (DeepSeek-R1's template). */
    OPEN,
    /** {@code <think>…</think><answer>…</answer>}: R1-Zero's template (arXiv 2501.12948, table 1). The tags around the answer are left out, too. */
    ANSWER_TAGS
}
