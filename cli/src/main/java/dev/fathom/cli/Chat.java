package dev.fathom.cli;

import dev.fathom.engine.Engine;
import dev.fathom.infer.FinishReason;
import dev.fathom.infer.Generation;
import dev.fathom.infer.GenerationEngine;
import dev.fathom.infer.GenerationEvent.End;
import dev.fathom.infer.GenerationEvent.Tokens;
import dev.fathom.infer.Prompt;
import dev.fathom.infer.ReasoningFormat;
import dev.fathom.infer.Sampling;
import dev.fathom.learn.LearnException;
import dev.fathom.learn.reward.Grader;
import dev.fathom.learn.stage.Learning;
import dev.fathom.learn.stage.ProblemCodec;
import dev.fathom.learn.task.Problem;
import dev.fathom.learn.task.RandomSource;
import dev.fathom.learn.task.Task;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.checkpoint.CheckpointReader;
import dev.fathom.model.tokenizer.StreamingDecoder;
import dev.fathom.model.tokenizer.Tokenizer;
import dev.fathom.model.tokenizer.TokenizerException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ExitCode;

/** A conversation in which every line is a problem of its own: these models were taught to solve problems, not to remember. */
final class Chat implements AutoCloseable {
    private final Screen screen;
    private final List<Task> tasks;
    private final Tokenizer tokenizer;
    private final ProblemCodec codec;
    private final GenerationEngine engine;
    private final int positions;
    private final Sampling sampling;
    private long asked;

    /** @param sampling with a seed */
    Chat(Screen screen, ModelPath path, Engine kernels, Sampling sampling) {
        DeepseekModel model = Learning.load(path.directory(), kernels);
        this.screen = screen;
        this.tasks = tasksOf(path, screen);
        this.tokenizer = CheckpointReader.open(path.directory()).tokenizer();
        this.codec = new ProblemCodec(tokenizer);
        this.positions = model.config().maxPositionEmbeddings();
        this.sampling = sampling;
        this.engine = GenerationEngine.start(
                model,
                tokenizer,
                List.of(codec.end()),
                GenerationEngine.Options.withPositions(positions).withMaxRunning(1));
    }

    /** The tasks only grade here, so a chat goes on without them. */
    private static List<Task> tasksOf(ModelPath path, Screen screen) {
        try {
            return path.tasks();
        } catch (LearnException e) {
            screen.note("Answers are not graded: " + e.getMessage());
            return List.of();
        }
    }

    /** A problem of each task, for someone who does not know what to type. */
    String examples() {
        return tasks.stream()
                .map(task -> task.make(RandomSource.at(Objects.requireNonNull(sampling.seed()), 0, 0), task.levels())
                        .prompt())
                .collect(Collectors.joining(" or ", tasks.isEmpty() ? "" : " such as ", ""));
    }

    /** Reads problems until {@code exit} or the end of input. */
    void loop() {
        TypedLines.read(screen.terminals(), this::answer);
    }

    /** A problem that someone typed, and the task that knows it. */
    private record Known(Task task, Problem problem) {}

    /**
     * Streams a response to what was typed.
     *
     * @return false if the model cannot read it; why has been said
     */
    boolean answer(String typed) {
        Optional<Known> known = tasks.stream()
                .flatMap(task -> task.read(typed).map(problem -> new Known(task, problem)).stream())
                .findFirst();
        int[] prompt;
        try {
            prompt = codec.prompt(known.map(it -> it.problem().prompt()).orElse(typed));
        } catch (TokenizerException e) {
            screen.note("The model cannot read this: " + e.getMessage());
            return false;
        }
        if (prompt.length >= positions) {
            screen.note("The model cannot read this: it has " + prompt.length + " tokens, problem and response together"
                    + " may have " + positions);
            return false;
        }
        Response response = stream(prompt);
        known.ifPresent(it -> grade(it, response));
        return true;
    }

    /** Streams the response. */
    private Response stream(int[] prompt) {
        ThinkingText text = new ThinkingText(screen);
        StreamingDecoder decoder = tokenizer.streamingDecoder();
        Response response = new Response();
        CountDownLatch ended = new CountDownLatch(1);
        Generation generation =
                engine.submit(new Prompt(prompt, ReasoningFormat.ANSWER_TAGS), sampling, asked++, event -> {
                    switch (event) {
                        case Tokens more ->
                            more.tokens().forEach(token -> {
                                response.tokens.add(token.id());
                                if (token.id() != codec.end()) {
                                    screen.text(text.show(decoder.add(token.id())));
                                }
                            });
                        case End end -> {
                            response.end = end;
                            ended.countDown();
                        }
                    }
                });
        TypedLines.stoppable(generation::cancel, () -> await(ended));
        screen.line(text.show(decoder.finish()));
        End end = Objects.requireNonNull(response.end);
        switch (end.reason()) {
            case STOP -> {}
            case LENGTH -> screen.note("(cut off after " + response.tokens.size() + " tokens)");
            case CANCELLED -> screen.note("(stopped after " + response.tokens.size() + " tokens)");
            case ERROR -> throw new CommandException(ExitCode.SOFTWARE, "generation failed: " + end.error());
        }
        return response;
    }

    /** What was heard of a response. */
    private static final class Response {
        final List<Integer> tokens = new ArrayList<>();
        volatile @Nullable End end;

        boolean isWhole() {
            return end != null && end.reason() == FinishReason.STOP;
        }

        int[] ids() {
            return tokens.stream().mapToInt(Integer::intValue).toArray();
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CommandException(ExitCode.SOFTWARE, "interrupted while the model was answering");
        }
    }

    private void grade(Known known, Response response) {
        boolean correct = response.isWhole()
                && new Grader()
                        .grade(known.task(), known.problem(), codec.response(response.ids()))
                        .correct();
        screen.line(
                screen.dim(correct ? "right" : "not right") + screen.dim(", " + response.tokens.size() + " tokens"));
    }

    @Override
    public void close() {
        engine.close();
    }
}
