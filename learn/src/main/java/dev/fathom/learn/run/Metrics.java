package dev.fathom.learn.run;

import dev.fathom.learn.Json;
import dev.fathom.learn.LearnException;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * One line of {@code metrics.jsonl}. A metric that does not apply to a stage is absent, and none is ever NaN.
 *
 * <pre>{@code
 * run.metrics().append(new Metrics("rl", step).set(Metrics.REWARD, reward).set(Metrics.ENTROPY, entropy).toJson());
 * }</pre>
 */
public final class Metrics {
    public static final String STAGE = "stage";
    public static final String STEP = "step";
    /** Tokens trained on (pretrain) or sampled (rl, eval) in this stage so far. */
    public static final String TOKENS = "tokens";
    /** Seconds of this stage so far, without interruptions. */
    public static final String SECONDS = "seconds";
    /** Mean loss since the line before, in nats per token where it is a cross-entropy. */
    public static final String LOSS = "loss";
    /** Mean reward of all sampled responses. */
    public static final String REWARD = "reward";
    /** Share of right responses among all sampled. */
    public static final String ACCURACY = "accuracy";
    /** Mean tokens per response, end of sequence included. */
    public static final String RESPONSE_LENGTH = "responseLength";
    /** Share of responses that were cut off at the limit. */
    public static final String TRUNCATED = "truncated";
    /** Share of groups whose rewards were all equal. */
    public static final String DEAD_GROUPS = "deadGroups";
    /** Mean entropy of the sampling distribution, nats per token. */
    public static final String ENTROPY = "entropy";
    /** Largest difference between a sampled token's log-probability in the sampler and in the trainer; 0. */
    public static final String MAX_ABS_DELTA_LOG_PROB = "maxAbsDeltaLogProb";
    /** Tokens and layers for which sampler and trainer chose different experts; 0. */
    public static final String ROUTING_DISAGREEMENTS = "routingDisagreements";
    /** Largest expert load above its fair share, relative to it, over all layers (MaxVio). */
    public static final String MAX_VIO = "maxVio";

    public static final String TOKENS_PER_SECOND = "tokensPerSecond";
    public static final String LEARNING_RATE = "learningRate";
    /** Global norm before clipping. */
    public static final String GRADIENT_NORM = "gradientNorm";
    /** Mean level of the problems of this step. */
    public static final String LEVEL = "level";
    /** Per layer with experts, each expert's share of the load times the number of experts: 1 is fair. */
    public static final String EXPERT_LOAD = "expertLoad";
    /** Share of right responses on held-out problems, on the steps that evaluate. */
    public static final String HELD_OUT_ACCURACY = "heldOutAccuracy";
    /** Mean tokens per response on held-out problems, on the steps that evaluate. */
    public static final String HELD_OUT_RESPONSE_LENGTH = "heldOutResponseLength";
    /** On lines of stage {@code eval}: which model was evaluated, such as {@code base} or {@code R1-Zero}. */
    public static final String LABEL = "label";
    /** On lines of stage {@code eval}: the {@link dev.fathom.learn.eval.Evaluation}. */
    public static final String EVALUATION = "evaluation";

    private final ObjectNode line = Json.MAPPER.createObjectNode();

    public Metrics(String stage, long step) {
        line.put(STAGE, stage).put(STEP, step);
    }

    public Metrics set(String name, long value) {
        line.put(name, value);
        return this;
    }

    public Metrics set(String name, String value) {
        line.put(name, value);
        return this;
    }

    /** @throws LearnException if the value is not a finite number: the run has diverged */
    public Metrics set(String name, double value) {
        line.put(name, requireFinite(name, value));
        return this;
    }

    /** A table, for example {@link #EXPERT_LOAD} as {@code [layer][expert]}. */
    public Metrics set(String name, double[][] rows) {
        ArrayNode table = line.putArray(name);
        for (double[] row : rows) {
            ArrayNode values = table.addArray();
            for (double value : row) {
                // Four digits: plenty for a picture, and the file stays small.
                values.add(Math.round(requireFinite(name, value) * 1e4) / 1e4);
            }
        }
        return this;
    }

    public Metrics set(String name, ObjectNode object) {
        line.set(name, object);
        return this;
    }

    public ObjectNode toJson() {
        return line;
    }

    private double requireFinite(String name, double value) {
        if (!Double.isFinite(value)) {
            throw new LearnException("Stage " + line.get(STAGE).asString() + ", step "
                    + line.get(STEP).asLong() + ": " + name + " is " + value
                    + ". The run has diverged; begin again with a lower learningRate.peak.");
        }
        return value;
    }
}
