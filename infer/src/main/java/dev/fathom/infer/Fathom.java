package dev.fathom.infer;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Engine.PrecisionChoice;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.chat.ChatMessage;
import dev.fathom.model.chat.ChatTemplate;
import dev.fathom.model.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A model that is ready to talk.
 *
 * <pre>{@code
 * try (Fathom fathom = Fathom.load(Path.of("DeepSeek-R1-Distill-Qwen-1.5B"))) {
 *     Reply.Completed reply = fathom.chat(List.of(ChatMessage.user("What is 17 * 24?")), fathom.defaults()).await();
 *     System.out.println(reply.thinking() + " so: " + reply.answer());
 * }
 * }</pre>
 *
 * <p>Any number of threads may ask at the same time; their responses are generated together.
 */
public final class Fathom implements AutoCloseable {
    private final LoadedModel loaded;
    private final GenerationEngine engine;
    private final @Nullable Engine ownKernels;

    /**
     * How much a model may use.
     *
     * @param keyValueBytes memory for keys and values, of running requests and of the cache together; null for a quarter of the machine's, or less
     *     where that is more than could be used
     * @param maxRunning requests under way at the same time
     * @param maxQueued requests that may wait
     */
    public record Options(@Nullable Long keyValueBytes, int maxRunning, int maxQueued) {
        public static final Options DEFAULT = new Options(null, 64, 256);
    }

    private Fathom(LoadedModel loaded, GenerationEngine.Options options, @Nullable Engine ownKernels) {
        this.loaded = loaded;
        this.ownKernels = ownKernels;
        this.engine = GenerationEngine.start(loaded.model(), loaded.tokenizer(), loaded.endTokens(), options);
    }

    /**
     * Loads a model to run on all processors: a GGUF file, a Hugging Face directory, a run of {@code fathom learn} (its newest checkpoint) or one
     * of its checkpoints.
     *
     * @throws dev.fathom.model.files.ModelFileException saying what is wrong with it
     */
    public static Fathom load(Path path) {
        Engine kernels =
                Engine.open(PrecisionChoice.AUTO, "auto", Runtime.getRuntime().availableProcessors());
        try {
            LoadedModel loaded = LoadedModel.open(path, kernels);
            return new Fathom(loaded, engineOptions(loaded.model(), Options.DEFAULT), kernels);
        } catch (RuntimeException | Error e) {
            kernels.close();
            throw e;
        }
    }

    /** The same with kernels that stay open when this is closed; until then nobody else computes with them. */
    public static Fathom load(Path path, Engine kernels, Options options) {
        LoadedModel loaded = LoadedModel.open(path, kernels);
        return new Fathom(loaded, engineOptions(loaded.model(), options), null);
    }

    /** A model that is in memory already. */
    public static Fathom of(LoadedModel loaded, GenerationEngine.Options options) {
        return new Fathom(loaded, options, null);
    }

    private static GenerationEngine.Options engineOptions(LanguageModel model, Options options) {
        long wanted = (long) options.maxRunning * model.maxPositionEmbeddings();
        Long bytes = options.keyValueBytes;
        long positions = (bytes == null ? MachineMemory.bytes() / 4 : bytes) / KeyValueMemory.bytesPerPosition(model);
        if (positions < 1) {
            throw new IllegalArgumentException("keyValueBytes: found " + bytes + ", expected at least "
                    + KeyValueMemory.bytesPerPosition(model) + ", what one position takes");
        }
        return GenerationEngine.Options.withPositions(Math.min(wanted, positions))
                .withMaxRunning(options.maxRunning)
                .withMaxQueued(options.maxQueued);
    }

    /** What it is called: the last part of its path. */
    public String name() {
        return loaded.name();
    }

    /** What generates. */
    public GenerationEngine engine() {
        return engine;
    }

    public Tokenizer tokenizer() {
        return loaded.tokenizer();
    }

    /** How a conversation becomes a prompt, null for a model without a template. */
    public @Nullable ChatTemplate chatTemplate() {
        return loaded.chatTemplate();
    }

    /** How its makers sample from it ({@code generation_config.json}), or its own distribution where they do not say. */
    public Sampling defaults() {
        return loaded.defaults();
    }

    /** Tokens that end a response. */
    public List<Integer> endTokens() {
        return loaded.endTokens();
    }

    /** What computes, in one line. */
    public String kernels() {
        return loaded.model().engine().describe();
    }

    /** Longest prompt and response together. */
    public int contextLength() {
        return engine.contextLength();
    }

    /** Whether it can hold a conversation: it has a template, or writes R1-Zero's. */
    public boolean canChat() {
        return loaded.canChat();
    }

    /**
     * What a model of a run is given for a text that somebody typed: the problem as it was trained on it, {@code 17*24=} for {@code 17 * 24}. A text
     * that is no problem of the run's tasks stays as it is, and so does every text for a model of no run.
     */
    public String problem(String typed) {
        return loaded.problems().apply(typed);
    }

    /**
     * A conversation as a prompt. A model without a template, but with R1-Zero's tags in its vocabulary, gets the last message as the {@link
     * #problem}.
     *
     * @param messages oldest first
     * @param thinking whether the model is to think first, null for what is usual with it
     * @throws IllegalArgumentException if the model cannot chat, or its template refuses the messages
     */
    public Prompt prompt(List<ChatMessage> messages, @Nullable Boolean thinking) {
        return loaded.prompt(messages, thinking);
    }

    /** Answers the last message of a conversation. */
    public Reply chat(List<ChatMessage> messages, Sampling sampling) {
        return chat(messages, sampling, null);
    }

    /** The same. @param thinking whether the model is to think first, null for what is usual with it */
    public Reply chat(List<ChatMessage> messages, Sampling sampling, @Nullable Boolean thinking) {
        return chat(messages, sampling, thinking, completed -> {});
    }

    Reply chat(
            List<ChatMessage> messages,
            Sampling sampling,
            @Nullable Boolean thinking,
            Consumer<Reply.Completed> whenComplete) {
        return Reply.of(engine, prompt(messages, thinking), sampling, whenComplete);
    }

    /** A conversation that keeps its history. @param system instructions, or null for none */
    public ChatSession session(@Nullable String system) {
        return new ChatSession(this, system);
    }

    /** Continues a text; all of the response is answer. */
    public Reply generate(String prompt, Sampling sampling) {
        return Reply.of(engine, Prompt.ofText(loaded.tokenizer(), prompt), sampling, completed -> {});
    }

    /** Cancels what is under way; {@link GenerationEngine#drain} before it lets that end by itself. */
    @Override
    public void close() {
        engine.close();
        if (ownKernels != null) {
            ownKernels.close();
        }
    }
}
