package dev.fathom.learn.stage;

import dev.fathom.engine.Engine;
import dev.fathom.learn.recipe.PretrainOptions;
import dev.fathom.learn.recipe.Recipe;
import dev.fathom.learn.task.Task;
import dev.fathom.learn.task.Tasks;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.tokenizer.Tokenizer;
import java.lang.management.CompilationMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;

/** How fast a recipe pre-trains on this machine, from real steps of it that are thrown away. */
public final class StepTimer {
    private StepTimer() {}

    /**
     * What was measured.
     *
     * @param config of the recipe's model, with its vocabulary
     * @param options of the recipe's pre-training
     * @param steps of the whole stage
     * @param pace of the measurement, its first quarter left out
     * @param tokensPerStep mean
     * @param warmUpSeconds that the steps took longer until now, once per run
     */
    public record Timing(
            DeepseekConfig config,
            PretrainOptions options,
            long steps,
            SteadyPace pace,
            double tokensPerStep,
            double warmUpSeconds) {}

    /** @param seconds to measure for */
    public static Timing measure(Recipe recipe, Engine engine, double seconds) {
        PretrainOptions options = recipe.stage(PretrainOptions.class);
        List<Task> tasks = recipe.tasks().stream().map(Tasks::find).toList();
        tasks.forEach(Tasks::check);
        Tokenizer tokenizer = ProblemCodec.tokenizerFor(tasks);
        DeepseekModel model = DeepseekModel.random(Learning.config(recipe, tokenizer), engine, 1);
        ProblemText text = new ProblemText(tasks, options, new ProblemCodec(tokenizer), 1);
        Trainer trainer = Pretrain.trainer(model, options);

        long steps = Math.ceilDiv(options.tokens(), options.batchTokens());
        List<Double> durations = new ArrayList<>();
        List<Double> compiling = new ArrayList<>();
        long tokens = 0;
        double spent = 0;
        while (spent < seconds && durations.size() < steps) {
            double compiled = compilerSeconds();
            long start = System.nanoTime();
            List<TrainingSequence> documents = text.step(durations.size());
            long targets =
                    documents.stream().mapToLong(TrainingSequence::targets).sum();
            double rate = options.learningRate().at((durations.size() + 1.0) / steps);
            tokens += trainer.step(
                            documents,
                            Objective.crossEntropy(targets),
                            Trainer.Observer.NONE,
                            (float) rate,
                            durations.size() + 1L)
                    .tokens();
            durations.add((System.nanoTime() - start) * 1e-9);
            compiling.add(compilerSeconds() - compiled);
            spent += durations.getLast();
        }
        SteadyPace pace = SteadyPace.of(warm(durations), warm(compiling));
        return new Timing(
                model.config(),
                options,
                steps,
                pace,
                (double) tokens / durations.size(),
                Math.max(0, spent - pace.seconds() * durations.size()));
    }

    /** Without the first quarter, which the interpreter took part in. */
    private static double[] warm(List<Double> values) {
        return values.subList(values.size() / 4, values.size()).stream()
                .mapToDouble(x -> x)
                .toArray();
    }

    /** Time the just-in-time compiler has worked; 0 on a JVM that has none or does not say. */
    private static double compilerSeconds() {
        CompilationMXBean compiler = ManagementFactory.getCompilationMXBean();
        return compiler != null && compiler.isCompilationTimeMonitoringSupported()
                ? compiler.getTotalCompilationTime() * 1e-3
                : 0;
    }
}
