package dev.fathom.infer;

import dev.fathom.infer.GenerationEvent.End;
import dev.fathom.infer.GenerationEvent.Tokens;
import dev.fathom.infer.KeyValueMemory.Span;
import dev.fathom.infer.SampledToken.LogProbs;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A request on its way through the engine: its tokens, how far they are computed, its text. All but {@link #cancel} is for the engine's thread. */
final class Sequence implements Generation {
    final Sampling sampling;
    final long seed;
    final long choice;
    final int promptLength;

    /** Prompt and response. */
    int[] tokens;

    int length;

    /** Tokens whose keys and values are in memory. */
    int computed;

    /** Positions for which the multi-token-prediction layer has keys and values: from here, */
    int guessesBegin;

    /** to here. */
    int guessedTo = -1;

    /** Longest this may become. */
    final int limit;

    /** How often each token is in the response, for penalties. */
    final TokenCounts counts = new TokenCounts();

    /** How often each token is in prompt and response, for the repetition penalty. */
    final TokenCounts promptAndResponse = new TokenCounts();

    private @Nullable Span span;
    private boolean begun;
    private int cached;
    private final GenerationListener listener;
    private final TextStream text;
    private final TokenRoles roles;
    private final ReasoningFormat format;
    private int reasoningTokens;
    private boolean ended;
    private boolean guessed;
    private int guesses;
    private int rightGuesses;
    private TokenConstraint.@Nullable State place;
    private final List<SampledToken> news = new ArrayList<>();
    private final StringBuilder newThinking = new StringBuilder();
    private final StringBuilder newAnswer = new StringBuilder();
    private @Nullable FinishReason reason;
    private volatile boolean cancelled;

    Sequence(
            Prompt prompt,
            Sampling sampling,
            long seed,
            long choice,
            int limit,
            TextStream text,
            TokenRoles roles,
            GenerationListener listener) {
        this.sampling = sampling;
        this.seed = seed;
        this.choice = choice;
        this.promptLength = prompt.tokens().length;
        this.tokens = Arrays.copyOf(prompt.tokens(), promptLength + 16);
        this.length = promptLength;
        this.limit = limit;
        this.text = text;
        this.roles = roles;
        this.format = prompt.format();
        this.listener = listener;
        if (sampling.constraint() != null) {
            place = sampling.constraint().start();
        }
        if (sampling.repetitionPenalty() != 1) {
            for (int token : prompt.tokens()) {
                promptAndResponse.add(token, 1);
            }
        }
    }

    @Override
    public void cancel() {
        cancelled = true;
    }

    @Override
    public long seed() {
        return seed;
    }

    boolean isCancelled() {
        return cancelled;
    }

    /** Takes its place in memory, where some of its tokens may be computed already; true the first time. */
    boolean begin(Span place) {
        span = place;
        computed = place.length();
        boolean first = !begun;
        if (first) {
            begun = true;
            cached = computed;
        }
        return first;
    }

    /** Its place in memory. */
    Span span() {
        return Objects.requireNonNull(span, "a sequence that has not begun");
    }

    boolean hasSpan() {
        return span != null;
    }

    /** Leaves its place in memory. */
    Span giveUp() {
        Span place = span();
        span = null;
        computed = 0;
        guessedTo = -1;
        guessed = false;
        return place;
    }

    /** Why it ended, null while it goes on. */
    @Nullable
    FinishReason reason() {
        return reason;
    }

    /** What the constraint allows next, null for everything. @param vocabulary ids there are */
    long @Nullable [] allowed(int vocabulary) {
        TokenConstraint.State at = place;
        if (at == null || text.isThinking()) {
            return null;
        }
        long[] mask = new long[(vocabulary + 63) >> 6];
        at.allow(mask, limit - length);
        if (format == ReasoningFormat.TAGGED && length == promptLength && roles.beginOfThinking() >= 0) {
            mask[roles.beginOfThinking() >> 6] |= 1L << roles.beginOfThinking();
        }
        if (at.mayEnd()) {
            roles.ends().stream().forEach(id -> mask[id >> 6] |= 1L << id);
        }
        for (long word : mask) {
            if (word != 0) {
                return mask;
            }
        }
        throw new IllegalStateException("the constraint allows neither a token nor the end at token "
                + (length - promptLength) + " of the response");
    }

    /** The token that comes next whatever the model says, -1 if there is none: thinking beyond its budget is closed. */
    int forcedToken(int ahead) {
        Integer budget = sampling.thinkingBudget();
        if (budget == null || ahead > 0 || !text.isThinking() || reasoningTokens < budget) {
            return -1;
        }
        return roles.endOfThinking();
    }

    /** Whether a guess for the token behind the last could count: there is room for both, and nothing but the model decides on them. */
    boolean mayGuess() {
        Integer budget = sampling.thinkingBudget();
        return length + 1 < limit
                && sampling.constraint() == null
                && (budget == null || !text.isThinking() || reasoningTokens + 1 < budget);
    }

    /** Puts a guess where the next token will be. */
    void setGuess(int token) {
        makeRoomForToken();
        tokens[length] = token;
        guessed = true;
    }

    /** Whether there is a guess for the next token. */
    boolean hasGuess() {
        return guessed;
    }

    /** Forgets the guess. */
    void dropGuess() {
        guessed = false;
    }

    /** A guess was computed. @param right whether it came true */
    void countGuess(boolean right) {
        guesses++;
        rightGuesses += right ? 1 : 0;
    }

    private void makeRoomForToken() {
        if (length == tokens.length) {
            tokens = Arrays.copyOf(tokens, 2 * length);
        }
    }

    /** Takes the next token of the response. */
    void append(int token, @Nullable LogProbs logProbs) {
        boolean thinking = text.isThinking();
        makeRoomForToken();
        guessed = false;
        tokens[length++] = token;
        if (sampling.presencePenalty() != 0 || sampling.frequencyPenalty() != 0) {
            counts.add(token, 1);
        }
        if (sampling.repetitionPenalty() != 1) {
            promptAndResponse.add(token, 1);
        }
        if (roles.ends().get(token)) {
            reason = FinishReason.STOP;
        } else {
            show(text.add(token));
            thinking |= text.isThinking();
            if (place != null && !thinking) {
                place = place.next(token);
            }
            if (text.stop() != null) {
                reason = FinishReason.STOP;
            } else if (length == limit) {
                reason = FinishReason.LENGTH;
            }
        }
        reasoningTokens += thinking ? 1 : 0;
        news.add(new SampledToken(token, thinking, logProbs));
    }

    private void show(TextStream.Text more) {
        newThinking.append(more.thinking());
        newAnswer.append(more.answer());
    }

    /** Tells the listener what is new, and the end if it has come. */
    void report() {
        if (reason != null) {
            end(reason, null);
        } else {
            reportTokens();
        }
    }

    private void reportTokens() {
        if (!news.isEmpty() || !newThinking.isEmpty() || !newAnswer.isEmpty()) {
            Tokens event = new Tokens(newThinking.toString(), newAnswer.toString(), List.copyOf(news));
            news.clear();
            newThinking.setLength(0);
            newAnswer.setLength(0);
            listener.onEvent(event);
        }
    }

    /** Whether the listener was told, or is being told, that it has ended. */
    boolean hasEnded() {
        return ended;
    }

    /** Ends it and tells the listener. */
    void end(FinishReason why, @Nullable String error) {
        ended = true;
        reason = why;
        boolean thinkingCut = text.isThinking();
        show(text.finish());
        Usage usage = new Usage(promptLength, cached, length - promptLength, reasoningTokens, guesses, rightGuesses);
        try {
            reportTokens();
        } finally {
            listener.onEvent(new End(why, text.stop(), thinkingCut, usage, error));
        }
    }
}
