package dev.fathom.learn.stage;

import dev.fathom.engine.Engine;
import dev.fathom.learn.recipe.PretrainOptions;
import dev.fathom.learn.recipe.Recipe;
import dev.fathom.learn.task.Task;
import dev.fathom.learn.task.Tasks;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.tokenizer.Tokenizer;
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
     * @param secondsPerStep median of the second half of the measurement
     * @param tokensPerStep mean
     * @param warmUpSeconds that the first steps took longer, once per run
     */
    public record Timing(
            DeepseekConfig config,
            PretrainOptions options,
            long steps,
            double secondsPerStep,
            double tokensPerStep,
            double warmUpSeconds) {
        /** Seconds the recipe's pre-training takes. */
        public double stageSeconds() {
            return warmUpSeconds + steps * secondsPerStep;
        }
    }

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
        long tokens = 0;
        double spent = 0;
        while (spent < seconds && durations.size() < steps) {
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
            spent += durations.getLast();
        }
        double steady = median(durations.subList(durations.size() / 2, durations.size()));
        return new Timing(
                model.config(),
                options,
                steps,
                steady,
                (double) tokens / durations.size(),
                Math.max(0, spent - steady * durations.size()));
    }

    private static double median(List<Double> values) {
        double[] sorted = values.stream().mapToDouble(x -> x).sorted().toArray();
        return sorted[sorted.length / 2];
    }
}
