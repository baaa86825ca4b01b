package dev.fathom.learn.recipe;

/**
 * Options of pre-training: from random weights to a model of the tasks' language.
 *
 * <p>Most documents are a problem and its bare answer, a minority is worked out. The base model then mostly guesses, but is able to
 * work a problem out, and reinforcement learning has something to select from.
 *
 * @param tokens tokens to train on
 * @param batchTokens tokens per optimizer step, in whole documents
 * @param workedShare share of documents with a worked solution; the others have empty thinking
 * @param mtpLossWeight weight of the multi-token-prediction loss (DeepSeek-V3: 0.3, later 0.1)
 * @param learningRate the learning rate over the stage
 * @param optimizer the optimizer
 * @param router balancing of the experts' load
 * @param reportEverySteps optimizer steps per line of {@code metrics.jsonl}
 * @param checkpointEverySteps optimizer steps between checkpoints
 */
public record PretrainOptions(
        long tokens,
        int batchTokens,
        double workedShare,
        double mtpLossWeight,
        LearningRate learningRate,
        OptimizerOptions optimizer,
        RouterOptions router,
        int reportEverySteps,
        int checkpointEverySteps)
        implements StageOptions {
    public static final String STAGE = "pretrain";

    public PretrainOptions {
        Check.atLeast("tokens", tokens, 1);
        Check.between("batchTokens", batchTokens, 64, 1 << 24);
        Check.between("workedShare", workedShare, 0, 1);
        Check.between("mtpLossWeight", mtpLossWeight, 0, 1);
        Check.atLeast("reportEverySteps", reportEverySteps, 1);
        Check.atLeast("checkpointEverySteps", checkpointEverySteps, 1);
    }

    public static PretrainOptions defaults() {
        return new PretrainOptions(
                12_000_000,
                8192,
                0.2,
                0.3,
                LearningRate.cosine(2e-3),
                OptimizerOptions.adamw(),
                new RouterOptions(1e-3, 1e-4),
                20,
                200);
    }

    @Override
    public String stage() {
        return STAGE;
    }
}
