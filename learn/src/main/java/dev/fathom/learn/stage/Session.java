package dev.fathom.learn.stage;

import dev.fathom.engine.AdamW;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Muon;
import dev.fathom.engine.Optimizer;
import dev.fathom.engine.Philox;
import dev.fathom.infer.Generator;
import dev.fathom.learn.LearnException;
import dev.fathom.learn.eval.Evaluation;
import dev.fathom.learn.recipe.EvalOptions;
import dev.fathom.learn.recipe.OptimizerOptions;
import dev.fathom.learn.recipe.RlOptions;
import dev.fathom.learn.run.Metrics;
import dev.fathom.learn.run.RunDirectory;
import dev.fathom.learn.run.Sample;
import dev.fathom.learn.task.Task;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.TrainableModel;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** What the stages of a run share: the model, the tasks, the run directory, and how to report, save and stop. */
final class Session {
    /** Philox stream of the stages' seeds ("stag"). */
    private static final int STAGES = 0x73746167;

    private final RunDirectory directory;
    private final DeepseekModel model;
    private final ProblemCodec codec;
    private final List<Task> tasks;
    private final long seed;
    private final Checkpoints checkpoints;
    private final RunListener listener;
    private final BooleanSupplier stopRequested;
    private @Nullable Generator generator;
    private @Nullable DeepseekModel reference;
    private String stage = "";

    Session(
            RunDirectory directory,
            DeepseekModel model,
            ProblemCodec codec,
            List<Task> tasks,
            long seed,
            Checkpoints checkpoints,
            RunListener listener,
            BooleanSupplier stopRequested) {
        this.directory = directory;
        this.model = model;
        this.codec = codec;
        this.tasks = tasks;
        this.seed = seed;
        this.checkpoints = checkpoints;
        this.listener = listener;
        this.stopRequested = stopRequested;
    }

    DeepseekModel model() {
        return model;
    }

    ProblemCodec codec() {
        return codec;
    }

    List<Task> tasks() {
        return tasks;
    }

    long seed() {
        return seed;
    }

    /** The seed of one stage, so that two stages of a kind do not draw the same documents, problems and samples. */
    long seed(int stageNumber) {
        return Philox.bits(seed, STAGES, stageNumber, 0);
    }

    /** Made when it is first needed: its key/value slots take memory that pre-training has no use for. */
    Generator generator() {
        Generator made = generator;
        if (made == null) {
            made = Generator.forBatches(model);
            generator = made;
        }
        return made;
    }

    Evaluator evaluator() {
        return new Evaluator(tasks, codec, generator(), seed);
    }

    /** The optimizer of a stage; its moments are the model's. */
    Optimizer optimizer(OptimizerOptions options) {
        return optimizer(model.engine(), options);
    }

    static Optimizer optimizer(Engine engine, OptimizerOptions options) {
        AdamW adamW = new AdamW(
                engine.kernels(),
                (float) options.beta1(),
                (float) options.beta2(),
                1e-8f,
                (float) options.weightDecay(),
                options.clipNorm());
        return switch (options.kind()) {
            case ADAMW -> adamW;
            case MUON -> new Muon(adamW, engine.gemm(), TrainableModel::isHiddenMatrix, 0.95f, Muon.JORDAN);
        };
    }

    /** At its first step a stage that trains starts with an empty optimizer: another stage's moments are of another loss. */
    void stageStarted(String name, RunState state, long steps) {
        stage = name;
        if (state.step() == 0 && !name.equals(EvalOptions.STAGE)) {
            model.parameters().firstMoments().zero();
            model.parameters().secondMoments().zero();
        }
        listener.stageStarted(name, state.step(), steps);
    }

    /** Writes a line of metrics. */
    void report(Metrics metrics) {
        directory.metrics().append(metrics.toJson());
        listener.reported(metrics.toJson());
    }

    void evaluated(String label, RunState state, Evaluator.Result result) {
        for (Sample sample : result.samples()) {
            directory.samples().append(sample.toJson());
            listener.sampled(sample);
        }
        report(state.metrics(EvalOptions.STAGE)
                .set(Metrics.LABEL, label)
                .set(Metrics.EVALUATION, result.evaluation().toJson()));
        listener.evaluated(label, result.evaluation());
    }

    /** Stops here, too: an evaluation takes a while, changes nothing, and begins again when the run goes on. */
    void evaluating(String label, long done, long responses) {
        if (stopRequested.getAsBoolean()) {
            throw new RunStopped("stopped while evaluating " + label);
        }
        listener.evaluating(label, done, responses);
    }

    /** The held-out figures of the moment: one response to each of a few of the hardest problems. */
    Evaluation.Score probe(RlOptions options) {
        int perTask = Math.max(1, options.evaluationProblems() / tasks.size());
        List<Integer> hardest = tasks.stream().map(Task::levels).distinct().toList();
        EvalOptions small = new EvalOptions(perTask, hardest, 1, 1, 1.0, options.maxResponseTokens(), false);
        return evaluator()
                .evaluate(small, "", 0, (done, all) -> {})
                .evaluation()
                .hardest();
    }

    /** To be called after every step: saves where it is time to, and stops where it was asked for. */
    void stepDone(RunState state, long steps, int checkpointEverySteps) {
        listener.stepDone(stage, state.step(), steps);
        boolean stop = stopRequested.getAsBoolean() && state.step() < steps;
        if (state.step() % checkpointEverySteps == 0 || state.step() == steps || stop) {
            save(state);
        }
        if (stop) {
            throw new RunStopped("stopped after step " + state.step() + " of " + steps + " of stage " + stage);
        }
    }

    void save(RunState state) {
        checkpoints.publish(model, reference, state, stage);
    }

    void stageFinished() {
        listener.stageFinished(stage);
    }

    /** Makes the current policy the reference of the KL penalty. */
    void refreshReference() {
        DeepseekModel copy = reference == null ? DeepseekModel.empty(model.config(), model.engine()) : reference;
        copy.parameters().values().copyFrom(model.parameters().values());
        copy.refresh();
        reference = copy;
    }

    void setReference(@Nullable DeepseekModel restored) {
        reference = restored;
    }

    /** Log-probabilities of the sequences' targets under the reference model. */
    float[][] referenceLogProbs(List<TrainingSequence> sequences, RlOptions options) {
        DeepseekModel policy = reference;
        if (policy == null) {
            throw new LearnException(
                    "klCoefficient is " + options.klCoefficient() + " but there is no reference model");
        }
        return Trainer.score(policy, sequences, 1f / (float) options.temperature());
    }
}
