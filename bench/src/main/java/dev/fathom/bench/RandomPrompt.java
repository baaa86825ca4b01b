package dev.fathom.bench;

/** Prompts of random tokens: the same here and in {@code llama.mjs} and {@code llama_streams.mjs}, which measure llama.cpp. */
final class RandomPrompt {
    /** Tokens are drawn from the first so many of the vocabulary: ordinary ones in all models. */
    private static final int TOKENS = 700;

    private RandomPrompt() {}

    /**
     * The sequence of the C standard's example generator.
     *
     * @param number another beginning for each
     */
    static int[] of(int number, int tokens, int vocabularySize) {
        int[] prompt = new int[tokens];
        int state = 12345 + number;
        for (int i = 0; i < tokens; i++) {
            state = (state * 1103515245 + 12345) & 0x7fffffff;
            prompt[i] = (state >>> 8) % Math.min(TOKENS, vocabularySize);
        }
        return prompt;
    }
}
