package dev.fathom.learn.run;

import dev.fathom.learn.Json;
import tools.jackson.databind.node.ObjectNode;

/**
 * One line of {@code samples.jsonl}: a response and what it earned.
 *
 * <p>The report shows transcripts before and after: problems that have a sample under the first and under the last
 * label.
 *
 * @param stage the stage that sampled it
 * @param step the stage's step
 * @param label which model answered, such as {@code base} or {@code R1-Zero}; empty within a stage
 * @param task the task's name
 * @param level the problem's level
 * @param prompt the problem as the model saw it
 * @param response the whole response with its tags, without end-of-sequence token
 * @param correct the answer is right
 * @param reward the reward
 * @param tokens response tokens, end of sequence included
 */
public record Sample(
        String stage,
        long step,
        String label,
        String task,
        int level,
        String prompt,
        String response,
        boolean correct,
        double reward,
        int tokens) {
    public ObjectNode toJson() {
        return Json.MAPPER.valueToTree(this);
    }

    public static Sample fromJson(ObjectNode line) {
        return Json.MAPPER.treeToValue(line, Sample.class);
    }
}
