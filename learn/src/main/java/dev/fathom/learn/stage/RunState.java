package dev.fathom.learn.stage;

import dev.fathom.learn.Json;
import dev.fathom.learn.rl.LevelCurriculum;
import dev.fathom.learn.run.Metrics;
import java.util.Map;
import java.util.TreeMap;
import tools.jackson.databind.node.ObjectNode;

/**
 * Where a run stands: with the weights and moments of the same moment, all it takes to go on as if nothing had happened. Random
 * numbers need no state, they are functions of the seed and of these counters.
 *
 * @param stage index of the stage in the recipe
 * @param step steps of that stage that are done
 * @param updates optimizer steps of that stage that are done
 * @param tokens tokens of that stage so far
 * @param seconds time spent in that stage so far; a report, nothing depends on it
 * @param levels where the curriculum of each task stands
 */
public record RunState(
        int stage, long step, long updates, long tokens, double seconds, Map<String, LevelCurriculum> levels) {
    public RunState {
        levels = new TreeMap<>(levels);
    }

    /** Before the first step of the first stage. */
    static RunState start() {
        return new RunState(0, 0, 0, 0, 0, Map.of());
    }

    RunState nextStage() {
        return new RunState(stage + 1, 0, 0, 0, 0, Map.of());
    }

    RunState advance(long moreUpdates, long moreTokens, double moreSeconds) {
        return new RunState(stage, step + 1, updates + moreUpdates, tokens + moreTokens, seconds + moreSeconds, levels);
    }

    RunState withLevels(Map<String, LevelCurriculum> newLevels) {
        return new RunState(stage, step, updates, tokens, seconds, newLevels);
    }

    /** A line of metrics with the counters of this moment. */
    Metrics metrics(String stageName) {
        return new Metrics(stageName, step).set(Metrics.TOKENS, tokens).set(Metrics.SECONDS, seconds);
    }

    ObjectNode toJson() {
        return Json.MAPPER.valueToTree(this);
    }

    static RunState fromJson(ObjectNode json) {
        return Json.MAPPER.treeToValue(json, RunState.class);
    }
}
