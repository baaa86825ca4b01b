package dev.fathom.learn.stage;

import dev.fathom.engine.Engine;
import dev.fathom.learn.Json;
import dev.fathom.learn.LearnException;
import dev.fathom.learn.recipe.EvalOptions;
import dev.fathom.learn.recipe.PretrainOptions;
import dev.fathom.learn.recipe.Recipe;
import dev.fathom.learn.recipe.RlOptions;
import dev.fathom.learn.recipe.StageOptions;
import dev.fathom.learn.report.Report;
import dev.fathom.learn.run.RunDirectory;
import dev.fathom.learn.task.Task;
import dev.fathom.learn.task.Tasks;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.checkpoint.CheckpointReader;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfigFile;
import dev.fathom.model.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * A whole run: the stages of its recipe one after another, from random weights (or a model to start from) to the report. A run that was
 * interrupted anywhere goes on from its newest checkpoint and ends with the same bytes.
 */
public final class Learning {
    private Learning() {}

    /**
     * Runs what is not done yet.
     *
     * @param run the directory, locked by this process
     * @param startFrom a model directory to start from instead of random weights; only looked at where the run has no checkpoint
     * @param stopRequested asked after every step; once true, the run saves and ends with {@link RunStopped}
     */
    public static void run(
            RunDirectory run,
            Recipe recipe,
            long seed,
            Engine engine,
            @Nullable Path startFrom,
            RunListener listener,
            BooleanSupplier stopRequested) {
        List<Task> tasks = recipe.tasks().stream().map(Tasks::find).toList();
        tasks.forEach(Tasks::check);
        Tokenizer tokenizer = startFrom == null
                ? ProblemCodec.tokenizerFor(tasks)
                : CheckpointReader.open(startFrom).tokenizer();
        DeepseekModel model = startFrom == null
                ? DeepseekModel.random(config(recipe, tokenizer), engine, seed)
                : load(startFrom, engine);
        ProblemCodec codec = new ProblemCodec(tokenizer);
        Checkpoints checkpoints = new Checkpoints(run, tokenizer);
        Session session = new Session(run, model, codec, tasks, seed, checkpoints, listener, stopRequested);
        listener.runStarted(
                run.path(),
                engine.describe(),
                model.parameters().count(),
                model.config().activeParameterCount());

        RunState state = checkpoints.restore(session).orElse(RunState.start());
        while (state.stage() < recipe.stages().size()) {
            StageOptions stage = recipe.stages().get(state.stage());
            state = switch (stage) {
                case PretrainOptions options -> new Pretrain(session, options, state.stage()).run(state);
                case RlOptions options -> new Reinforce(session, options, state.stage()).run(state);
                case EvalOptions options -> evaluate(session, options, label(recipe, state.stage()), state);
            };
            session.stageFinished();
            state = state.nextStage();
            Report.write(run.path());
        }
        run.update(run.info().withStatus("finished"));
        Report.write(run.path());
    }

    /**
     * Finds out what can be known before the first step: whether the tasks can be found and keep their promises, whether there is
     * text to pre-train on, whether the model's config is one, whether its sequences are long enough.
     *
     * @param startFrom as in {@link #run}
     * @throws LearnException or a model file's error, saying what is wrong
     */
    public static void check(Recipe recipe, @Nullable Path startFrom) {
        List<Task> tasks = recipe.tasks().stream().map(Tasks::find).toList();
        tasks.forEach(Tasks::check);
        if (tasks.stream().map(Task::name).distinct().count() < tasks.size()) {
            throw new LearnException(
                    "Two tasks of recipe " + recipe.name() + " have the same name: " + recipe.tasks() + ".");
        }
        Tokenizer tokenizer = startFrom == null
                ? ProblemCodec.tokenizerFor(tasks)
                : CheckpointReader.open(startFrom).tokenizer();
        DeepseekConfig config = startFrom == null
                ? config(recipe, tokenizer)
                : CheckpointReader.open(startFrom).config();
        ProblemCodec codec = new ProblemCodec(tokenizer);
        for (StageOptions stage : recipe.stages()) {
            for (Task task : tasks) {
                switch (stage) {
                    case PretrainOptions options -> {
                        ProblemText.requireSolutions(task);
                        ProblemCheck.documents(task, codec, config);
                    }
                    case RlOptions options -> ProblemCheck.responses(task, codec, config, options.maxResponseTokens());
                    case EvalOptions options ->
                        ProblemCheck.responses(task, codec, config, options.maxResponseTokens());
                }
            }
        }
    }

    static DeepseekConfig config(Recipe recipe, Tokenizer tokenizer) {
        ObjectNode json = Json.MAPPER.valueToTree(recipe.model());
        json.put("vocab_size", tokenizer.vocabularySize());
        json.put("bos_token_id", tokenizer.bosId().orElseThrow());
        json.put("eos_token_id", tokenizer.eosId().orElseThrow());
        return DeepseekConfigFile.parse(json, "recipe " + recipe.name() + ", model");
    }

    /** The model of a checkpoint or any other Hugging Face directory of a DeepSeek-V3 model. */
    public static DeepseekModel load(Path directory, Engine engine) {
        CheckpointReader reader = CheckpointReader.open(directory);
        DeepseekModel model = DeepseekModel.empty(reader.config(), engine);
        reader.readWeights(model.checkpointTensors());
        model.refresh();
        return model;
    }

    /** An evaluation is of the model that the stage before it made: the base model, or R1-Zero. */
    private static String label(Recipe recipe, int stage) {
        for (int i = stage - 1; i >= 0; i--) {
            switch (recipe.stages().get(i)) {
                case PretrainOptions before -> {
                    return "base";
                }
                case RlOptions before -> {
                    return "R1-Zero";
                }
                case EvalOptions before -> {}
            }
        }
        return "start";
    }

    private static RunState evaluate(Session session, EvalOptions options, String label, RunState start) {
        if (start.step() == 1) {
            return start; // done before the interruption; its line is in the metrics
        }
        session.stageStarted(EvalOptions.STAGE, start, 1);
        long startNanos = System.nanoTime();
        Evaluator.Result result = session.evaluator()
                .evaluate(options, label, 4, (done, responses) -> session.evaluating(label, done, responses));
        double seconds = (System.nanoTime() - startNanos) * 1e-9;
        RunState state = start.advance(0, result.tokens(), seconds);
        session.evaluated(label, state, result);
        session.stepDone(state, 1, 1);
        return state;
    }
}
