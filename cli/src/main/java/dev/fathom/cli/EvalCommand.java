package dev.fathom.cli;

import dev.fathom.engine.Engine;
import dev.fathom.infer.Generator;
import dev.fathom.learn.Json;
import dev.fathom.learn.recipe.EvalOptions;
import dev.fathom.learn.stage.Evaluator;
import dev.fathom.learn.stage.Learning;
import dev.fathom.learn.stage.ProblemCodec;
import dev.fathom.learn.task.Task;
import dev.fathom.learn.task.Tasks;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.checkpoint.CheckpointReader;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;
import tools.jackson.databind.node.ObjectNode;

/** {@code fathom eval}: how often a model is right on held-out problems. */
@Command(
        name = "eval",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description =
                "Evaluate a model on held-out problems: pass@1 as the mean over samples with its 95 %% interval, pass@k,"
                        + " greedy, mean response length, per level.")
final class EvalCommand implements Callable<Integer> {
    @ParentCommand
    private Main main;

    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "RUN|MODEL", description = "A run or a model directory.")
    private Path path;

    @Option(names = "--checkpoint", paramLabel = "NAME", description = "A checkpoint of the run. Default: the newest.")
    private @Nullable String checkpoint;

    @Option(
            names = "--problems",
            paramLabel = "N",
            description = "Different problems per level and task. Default: the run's, or 500.")
    private @Nullable Integer problems;

    @Option(names = "--samples", paramLabel = "K", description = "Responses per problem. Default: the run's, or 8.")
    private @Nullable Integer samples;

    @Option(names = "--k", paramLabel = "K", description = "Of pass@k, at most --samples. Default: --samples.")
    private @Nullable Integer k;

    @Option(
            names = {"--tasks", "--task"},
            paramLabel = "NAME",
            split = ",",
            description = "Tasks instead of the run's, several with commas.")
    private @Nullable List<String> tasks;

    @Option(
            names = "--levels",
            paramLabel = "LEVEL",
            split = ",",
            description = "Levels, several with commas. Default: the run's, or all.")
    private @Nullable List<Integer> levels;

    @Option(names = "--temperature", paramLabel = "T", description = "Of sampling. Default: the run's, or 1.")
    private @Nullable Double temperature;

    @Option(
            names = "--max-response-tokens",
            paramLabel = "N",
            description =
                    "Longest response; a longer one is cut off and wrong. Default: the run's, or 256 if the model can"
                            + " hold as many beside the problem.")
    private @Nullable Integer maxResponseTokens;

    @Option(
            names = "--seed",
            paramLabel = "N",
            description = "Seed of sampling. The problems are always the same. Default: ${DEFAULT-VALUE}.",
            defaultValue = "1")
    private long seed;

    @Option(names = "--json", description = "Print the result as one JSON object on standard output.")
    private boolean json;

    @Mixin
    private EngineOptions engineOptions;

    @Override
    public Integer call() {
        Screen screen = json ? main.screen(spec).onStandardError() : main.screen(spec);
        ModelPath model = ModelPath.find(path, checkpoint);
        List<Task> asked =
                tasks == null ? model.tasks() : tasks.stream().map(Tasks::find).toList();
        if (asked.isEmpty()) {
            throw new CommandException(
                    ExitCode.USAGE, path + " comes from no run, so name the tasks: --tasks multiplication,addition");
        }
        int positions = CheckpointReader.open(model.directory()).config().maxPositionEmbeddings();
        // A run's own limit fits its model; for a model from elsewhere a quarter of the positions is left to the
        // problem.
        boolean ofRun = !model.tasks().isEmpty();
        EvalOptions options = options(model.evaluation(), ofRun ? positions : positions - positions / 4);
        try (Engine engine = engineOptions.open()) {
            DeepseekModel weights = Learning.load(model.directory(), engine);
            ProblemCodec codec =
                    new ProblemCodec(CheckpointReader.open(model.directory()).tokenizer());
            String label = Objects.toString(model.directory().getFileName());
            screen.line(engine.describe());
            screen.line("model: " + model.directory());
            Evaluator evaluator = new Evaluator(asked, codec, Generator.forBatches(weights), seed);
            Evaluator.Result result;
            try (ProgressLine bar = new ProgressLine(screen, "eval", "responses", 0, 1)) {
                result = evaluator.evaluate(options, label, 0, bar::stepTo);
            }
            if (json) {
                ObjectNode object = result.evaluation().toJson();
                object.put("model", model.directory().toString());
                main.screen(spec).line(Json.MAPPER.writeValueAsString(object));
            } else {
                screen.line("");
                EvaluationText.lines(label, result.evaluation()).forEach(screen::line);
            }
            return ExitCode.OK;
        }
    }

    /** @param longest response that leaves room for the problem */
    private EvalOptions options(EvalOptions usual, int longest) {
        int count = samples == null ? usual.samplesPerProblem() : samples;
        return new EvalOptions(
                problems == null ? usual.problemsPerLevel() : problems,
                levels == null ? usual.levels() : levels,
                count,
                k == null ? count : k,
                temperature == null ? usual.temperature() : temperature,
                maxResponseTokens == null ? Math.min(usual.maxResponseTokens(), longest) : maxResponseTokens,
                true);
    }
}
