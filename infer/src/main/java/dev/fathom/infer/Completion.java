package dev.fathom.infer;

/**
 * A sampled response.
 *
 * @param request what was asked
 * @param tokens the response, its end token included if it came
 * @param logProbs log-probability of each token under the distribution it was sampled from (of temperature 1 where greedy)
 * @param truncated whether {@code maxTokens} cut it before its end token
 * @param experts the experts chosen for every row the model saw (prompt, then response without its last token), per row and mixture
 *     {@code topK} ids: what training must choose again; empty unless asked for
 */
public record Completion(
        GenerationRequest request, int[] tokens, float[] logProbs, boolean truncated, short[] experts) {

    /** Prompt and response in one array. */
    public int[] sequence() {
        int[] prompt = request.prompt();
        int[] all = new int[prompt.length + tokens.length];
        System.arraycopy(prompt, 0, all, 0, prompt.length);
        System.arraycopy(tokens, 0, all, prompt.length, tokens.length);
        return all;
    }
}
