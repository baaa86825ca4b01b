package dev.fathom.cli;

import dev.fathom.engine.Engine;
import dev.fathom.infer.Completion;
import dev.fathom.infer.GenerationRequest;
import dev.fathom.infer.Generator;
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
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.Charset;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.UserInterruptException;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;

/** A conversation in which every line is a problem of its own: these models were taught to solve problems, not to remember. */
final class Chat {
    private final Screen screen;
    private final List<Task> tasks;
    private final Tokenizer tokenizer;
    private final ProblemCodec codec;
    private final Generator generator;
    private final int positions;
    private final float temperature;
    private final long seed;
    private long asked;

    Chat(Screen screen, ModelPath path, Engine engine, float temperature, long seed) {
        DeepseekModel model = Learning.load(path.directory(), engine);
        this.screen = screen;
        this.tasks = tasksOf(path, screen);
        this.tokenizer = CheckpointReader.open(path.directory()).tokenizer();
        this.codec = new ProblemCodec(tokenizer);
        this.positions = model.config().maxPositionEmbeddings();
        this.generator = new Generator(model, 1, positions);
        this.temperature = temperature;
        this.seed = seed;
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
                .map(task ->
                        task.make(RandomSource.at(seed, 0, 0), task.levels()).prompt())
                .collect(Collectors.joining(" or ", tasks.isEmpty() ? "" : " such as ", ""));
    }

    /** Reads problems until {@code exit} or the end of input. */
    void loop() {
        if (screen.terminals().in() && screen.terminals().out()) {
            loopOnTerminal();
        } else {
            loopOnPipe();
        }
    }

    private void loopOnTerminal() {
        // Asking the terminal about grapheme clusters means waiting for its answers, a third of a second where it gives
        // none.
        try (Terminal terminal =
                TerminalBuilder.builder().system(true).graphemeCluster(false).build()) {
            LineReader reader = LineReaderBuilder.builder()
                    .terminal(terminal)
                    .appName("fathom")
                    .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
                    .build();
            while (true) {
                try {
                    if (isEnd(reader.readLine("> "))) {
                        return;
                    }
                } catch (UserInterruptException e) {
                    // Ctrl-C drops the line that is being typed.
                }
            }
        } catch (EndOfFileException e) {
            return;
        } catch (IOException e) {
            throw new UncheckedIOException("the terminal cannot be opened: " + e.getMessage(), e);
        }
    }

    private void loopOnPipe() {
        // Not closed: standard input is not ours to close.
        BufferedReader reader = new BufferedReader(new InputStreamReader(System.in, charset()));
        try {
            String line = reader.readLine();
            while (line != null && !isEnd(line)) {
                line = reader.readLine();
            }
        } catch (IOException e) {
            throw new UncheckedIOException("standard input cannot be read: " + e.getMessage(), e);
        }
    }

    private static Charset charset() {
        return Charset.forName(System.getProperty("stdin.encoding", "UTF-8"));
    }

    private boolean isEnd(String line) {
        String text = line.strip();
        if (text.equals("exit") || text.equals("quit")) {
            return true;
        }
        if (!text.isEmpty()) {
            answer(text);
        }
        return false;
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
        Completion completion = stream(prompt);
        known.ifPresent(it -> grade(it, completion));
        return true;
    }

    private Completion stream(int[] prompt) {
        ThinkingText text = new ThinkingText(screen);
        StreamingDecoder decoder = tokenizer.streamingDecoder();
        GenerationRequest request = new GenerationRequest(asked++, prompt, positions - prompt.length, temperature);
        Completion completion = generator
                .generate(List.of(request), seed, codec.end(), false, (from, token) -> {
                    if (token != codec.end()) {
                        screen.text(text.show(decoder.add(token)));
                    }
                })
                .getFirst();
        screen.line(text.show(decoder.finish()));
        if (completion.truncated()) {
            screen.note("(cut off after " + completion.tokens().length + " tokens)");
        }
        return completion;
    }

    private void grade(Known known, Completion completion) {
        boolean correct = !completion.truncated()
                && new Grader()
                        .grade(known.task(), known.problem(), codec.response(completion.tokens()))
                        .correct();
        screen.line(screen.dim(correct ? "right" : "not right")
                + screen.dim(", " + completion.tokens().length + " tokens"));
    }
}
