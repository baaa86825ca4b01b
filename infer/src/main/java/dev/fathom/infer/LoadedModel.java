package dev.fathom.infer;

import dev.fathom.engine.Engine;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.LanguageModel;
import dev.fathom.model.ReleasedModel;
import dev.fathom.model.chat.ChatMessage;
import dev.fathom.model.chat.ChatTemplate;
import dev.fathom.model.checkpoint.Checkpoint;
import dev.fathom.model.checkpoint.CheckpointReader;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.release.GenerationDefaults;
import dev.fathom.model.tokenizer.Tokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.ServiceLoader;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A model with all that belongs to it.
 *
 * @param name what to call it
 * @param chatTemplate how a conversation becomes a prompt, null for a model without one
 * @param defaults how its makers sample from it
 * @param endTokens tokens that end a response
 * @param problems from what somebody typed to what a model of a run is given ({@link ProblemReader})
 */
public record LoadedModel(
        String name,
        LanguageModel model,
        Tokenizer tokenizer,
        @Nullable ChatTemplate chatTemplate,
        Sampling defaults,
        List<Integer> endTokens,
        UnaryOperator<String> problems) {
    private static final System.Logger LOGGER = System.getLogger(LoadedModel.class.getName());
    private static final String CHECKPOINTS = "checkpoints";
    private static final String RUN = "run.json";

    /** A model that takes what is typed as it is. */
    public LoadedModel(
            String name,
            LanguageModel model,
            Tokenizer tokenizer,
            @Nullable ChatTemplate chatTemplate,
            Sampling defaults,
            List<Integer> endTokens) {
        this(name, model, tokenizer, chatTemplate, defaults, endTokens, UnaryOperator.identity());
    }

    /** Opens a GGUF file, a Hugging Face directory, a run (its newest checkpoint) or a checkpoint of a run. */
    static LoadedModel open(Path path, Engine kernels) {
        Path directory = Files.isRegularFile(path.resolve(RUN)) ? newestCheckpoint(path) : path;
        String name = Objects.toString(path.toAbsolutePath().normalize().getFileName(), "model");
        return Files.isDirectory(directory) && CheckpointReader.open(directory).hasTrainer()
                ? trained(name, CheckpointReader.open(directory), kernels)
                : released(name, ReleasedModel.open(directory, kernels, ReleasedModel.Options.DEFAULT));
    }

    /** With the kernels that trained it: what it says is what it said then. */
    private static LoadedModel trained(String name, CheckpointReader reader, Engine kernels) {
        DeepseekModel model = DeepseekModel.empty(reader.config(), kernels);
        reader.readWeights(model.checkpointTensors());
        model.refresh();
        Tokenizer tokenizer = reader.tokenizer();
        String template = reader.chatTemplate();
        return new LoadedModel(
                name,
                model,
                tokenizer,
                template == null ? null : ChatTemplate.parse(template, reader.directory() + ", chat template"),
                Sampling.DEFAULT,
                tokenizer.eosId().stream().boxed().toList(),
                problems(reader.directory()));
    }

    private static LoadedModel released(String name, ReleasedModel released) {
        return new LoadedModel(
                name,
                released.model(),
                released.tokenizer(),
                released.chatTemplate(),
                sampling(released.generation()),
                List.copyOf(released.stopTokens()));
    }

    /** Of the run that a checkpoint is from; without one, or without its tasks, what is typed stays as it is. */
    private static UnaryOperator<String> problems(Path checkpoint) {
        Path run = checkpoint.toAbsolutePath().resolve("../..").normalize();
        if (!Files.isRegularFile(run.resolve(RUN))) {
            return UnaryOperator.identity();
        }
        return ServiceLoader.load(ProblemReader.class)
                .findFirst()
                .map(reader -> reader.problemsOf(run))
                .orElseGet(() -> {
                    LOGGER.log(
                            System.Logger.Level.WARNING,
                            "{0}: problems are given to the model as they are typed, because module learn, which knows its tasks, is not on the class path",
                            run);
                    return UnaryOperator.identity();
                });
    }

    private static Sampling sampling(GenerationDefaults says) {
        Sampling sampling = Sampling.DEFAULT;
        sampling = says.temperature() == null ? sampling : sampling.withTemperature(says.temperature());
        sampling = says.topK() == null ? sampling : sampling.withTopK(says.topK());
        sampling = says.topP() == null ? sampling : sampling.withTopP(says.topP());
        sampling = says.minP() == null ? sampling : sampling.withMinP(says.minP());
        sampling =
                says.repetitionPenalty() == null ? sampling : sampling.withRepetitionPenalty(says.repetitionPenalty());
        return Boolean.FALSE.equals(says.sampled()) ? sampling.withTemperature(0) : sampling;
    }

    /** Checkpoints are called {@code <stage number>-<stage>-<step>}. */
    private static Path newestCheckpoint(Path run) {
        return Checkpoint.list(run.resolve(CHECKPOINTS)).stream()
                .max(Comparator.comparingLong((Path path) -> number(path, true))
                        .thenComparingLong(path -> number(path, false)))
                .orElseThrow(() -> new CheckpointException(run.resolve(CHECKPOINTS)
                        + ": found no checkpoint, expected at least one: the run has not saved any yet"));
    }

    private static long number(Path checkpoint, boolean first) {
        String name = String.valueOf(checkpoint.getFileName());
        String digits = first ? name.replaceFirst("\\D.*", "") : name.replaceFirst(".*\\D", "");
        return digits.isEmpty() || digits.length() > 18 ? -1 : Long.parseLong(digits);
    }

    boolean canChat() {
        return chatTemplate != null || writesAnswerTags();
    }

    private boolean writesAnswerTags() {
        return tokenizer.id("<think>").isPresent() && tokenizer.id("<answer>").isPresent();
    }

    Prompt prompt(List<ChatMessage> messages, @Nullable Boolean thinking) {
        if (messages.isEmpty()) {
            throw new IllegalArgumentException("messages: found none, expected at least one");
        }
        if (chatTemplate != null) {
            ChatTemplate.Prompt prompt = chatTemplate.render(messages, tokenizer.specialTokens(), thinking);
            return new Prompt(
                    tokenizer.encode(prompt.text()),
                    prompt.opensThinking() ? ReasoningFormat.OPEN : ReasoningFormat.TAGGED);
        }
        if (!writesAnswerTags()) {
            throw new IllegalArgumentException(
                    name + " has no chat template, so it cannot chat; it can continue a text");
        }
        return new Prompt(
                Prompt.document(tokenizer, problems.apply(messages.getLast().content())), ReasoningFormat.ANSWER_TAGS);
    }
}
