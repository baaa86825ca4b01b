package dev.fathom.learn.stage;

import dev.fathom.learn.reward.ResponseFormat;
import dev.fathom.learn.task.Problem;
import dev.fathom.learn.task.Solution;
import dev.fathom.learn.task.Task;
import dev.fathom.learn.task.Tasks;
import dev.fathom.model.tokenizer.CharacterTokenizer;
import dev.fathom.model.tokenizer.SpecialTokens;
import dev.fathom.model.tokenizer.Tokenizer;
import java.util.List;

/**
 * Problems and responses as token ids: {@code <bos>prompt} is what the model is given, {@code <think>…</think><answer>…</answer><eos>} what it
 * writes.
 */
public final class ProblemCodec {
    private final Tokenizer tokenizer;
    private final int begin;
    private final int end;

    /** @throws IllegalArgumentException if the tokenizer has no tokens for the beginning and the end of a document */
    public ProblemCodec(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        this.begin = tokenizer.bosId().orElseThrow(() -> new IllegalArgumentException("the tokenizer has no <bos>"));
        this.end = tokenizer.eosId().orElseThrow(() -> new IllegalArgumentException("the tokenizer has no <eos>"));
    }

    /** The tokenizer of a run: one token per character that any of the tasks uses, the template's tags atomic. */
    public static CharacterTokenizer tokenizerFor(List<Task> tasks) {
        return CharacterTokenizer.of(Tasks.alphabet(tasks), SpecialTokens.REASONING);
    }

    /** The token that ends a response. */
    public int end() {
        return end;
    }

    /** {@code <bos>prompt}. */
    public int[] prompt(String prompt) {
        int[] text = tokenizer.encode(prompt);
        int[] ids = new int[text.length + 1];
        ids[0] = begin;
        System.arraycopy(text, 0, ids, 1, text.length);
        return ids;
    }

    /** A pre-training document. @param trainOnPrompt whether the problem's own text counts in the loss too */
    TrainingSequence document(Problem problem, Solution solution, boolean trainOnPrompt) {
        int[] prompt = prompt(problem.prompt());
        int[] response = tokenizer.encode(ResponseFormat.format(solution.thinking(), solution.answer()));
        int[] ids = new int[prompt.length + response.length + 1];
        System.arraycopy(prompt, 0, ids, 0, prompt.length);
        System.arraycopy(response, 0, ids, prompt.length, response.length);
        ids[ids.length - 1] = end;
        return new TrainingSequence(ids, trainOnPrompt ? 1 : prompt.length);
    }

    /** The text of a response without its end token. */
    public String response(int[] tokens) {
        int length = tokens.length > 0 && tokens[tokens.length - 1] == end ? tokens.length - 1 : tokens.length;
        return tokenizer.decode(tokens, 0, length);
    }
}
