package dev.fathom.learn.stage;

import dev.fathom.infer.Completion;
import dev.fathom.infer.GenerationRequest;
import dev.fathom.infer.Generator;
import dev.fathom.infer.TokenListener;
import dev.fathom.learn.recipe.RlOptions;
import dev.fathom.learn.reward.Grader;
import dev.fathom.learn.reward.Reward;
import dev.fathom.learn.rl.Advantages;
import dev.fathom.learn.rl.LevelCurriculum;
import dev.fathom.learn.run.Metrics;
import dev.fathom.learn.task.Problem;
import dev.fathom.learn.task.Problems;
import dev.fathom.learn.task.RandomSource;
import dev.fathom.learn.task.Task;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * The experience of one reinforcement-learning step: problems of the training split, a group of sampled responses to each, their rewards.
 *
 * <p>With dynamic sampling (DAPO, arXiv 2503.14476) groups in which all rewards are equal are set aside and others drawn in their place,
 * for a bounded number of rounds.
 */
final class Rollouts {
    /** Philox stream of the problems ("prob"). */
    private static final int PROBLEMS = 0x70726f62;

    private static final int MAX_ROUNDS = 128;

    private final List<Task> tasks;
    private final RlOptions options;
    private final ProblemCodec codec;
    private final Generator generator;
    private final long seed;
    private final Grader grader;

    Rollouts(List<Task> tasks, RlOptions options, ProblemCodec codec, Generator generator, long seed) {
        this.tasks = tasks;
        this.options = options;
        this.codec = codec;
        this.generator = generator;
        this.seed = seed;
        this.grader = new Grader(options.formatWeight());
    }

    /** A problem, the responses to it and what they were worth. */
    record Group(Task task, Problem problem, List<Completion> completions, List<Reward> rewards) {
        double[] totals() {
            return rewards.stream().mapToDouble(Reward::total).toArray();
        }

        int correct() {
            return (int) rewards.stream().filter(Reward::correct).count();
        }

        boolean isDead() {
            return Advantages.isDead(totals());
        }
    }

    /**
     * @param all every group that was sampled
     * @param live the groups to train on
     * @param levels the curriculum after these groups
     */
    record Experience(List<Group> all, List<Group> live, Map<String, LevelCurriculum> levels) {
        /** Sampled tokens, those of groups that are not trained on included. */
        long responseTokens() {
            return all.stream()
                    .flatMap(group -> group.completions().stream())
                    .mapToLong(completion -> completion.tokens().length)
                    .sum();
        }

        /** What a line of metrics says about the rollout. */
        void describe(Metrics metrics, double seconds) {
            List<Reward> rewards =
                    all.stream().flatMap(group -> group.rewards().stream()).toList();
            double count = rewards.size();
            long truncated = all.stream()
                    .flatMap(group -> group.completions().stream())
                    .filter(Completion::truncated)
                    .count();
            metrics.set(
                            Metrics.REWARD,
                            rewards.stream().mapToDouble(Reward::total).sum() / count)
                    .set(
                            Metrics.ACCURACY,
                            rewards.stream().filter(Reward::correct).count() / count)
                    .set(
                            "wellFormed",
                            rewards.stream().filter(Reward::wellFormed).count() / count)
                    .set(Metrics.RESPONSE_LENGTH, responseTokens() / count)
                    .set(Metrics.TRUNCATED, truncated / count)
                    .set(Metrics.DEAD_GROUPS, all.stream().filter(Group::isDead).count() / (double) all.size())
                    .set(
                            Metrics.LEVEL,
                            all.stream()
                                    .mapToInt(group -> group.problem.level())
                                    .average()
                                    .orElse(0))
                    .set("rolloutSeconds", seconds);
        }
    }

    /** Samples the experience of a step; levels holds every task's curriculum and is updated as groups come in. */
    Experience sample(long step, Map<String, LevelCurriculum> levels) {
        List<Group> all = new ArrayList<>();
        List<Group> live = new ArrayList<>();
        int rounds = options.dynamicSampling() ? 1 + options.maxResampleRounds() : 1;
        for (int round = 0; round < rounds && live.size() < options.groupsPerStep(); round++) {
            List<Group> groups = round(step, round, all.size(), options.groupsPerStep() - live.size(), levels);
            for (Group group : groups) {
                levels.computeIfPresent(
                        group.task.name(),
                        (name, curriculum) -> curriculum.observe(
                                options.curriculum(), group.problem.level(), group.correct(), group.rewards.size()));
                if (!options.dynamicSampling() || !group.isDead()) {
                    live.add(group);
                }
            }
            all.addAll(groups);
        }
        return new Experience(all, live, levels);
    }

    /** @param before groups that this step has sampled already: tasks take turns over the whole step */
    private List<Group> round(long step, int round, int before, int count, Map<String, LevelCurriculum> levels) {
        List<Task> groupTasks = new ArrayList<>();
        List<Problem> problems = new ArrayList<>();
        List<GenerationRequest> requests = new ArrayList<>();
        for (int g = 0; g < count; g++) {
            // Unique over the run: names the problem's random numbers, and with the member's number the sample's.
            long place = (step * MAX_ROUNDS + round) * options.groupsPerStep() + g;
            Task task = tasks.get(Math.floorMod(step * options.groupsPerStep() + before + g, tasks.size()));
            RandomSource random = RandomSource.at(seed, PROBLEMS, place);
            LevelCurriculum curriculum = levels.get(task.name());
            int level = curriculum == null ? task.levels() : curriculum.draw(options.curriculum(), random);
            Problem problem = new Problems(task).train(random, level);
            groupTasks.add(task);
            problems.add(problem);
            for (int member = 0; member < options.groupSize(); member++) {
                requests.add(new GenerationRequest(
                        place * options.groupSize() + member,
                        codec.prompt(problem.prompt()),
                        options.maxResponseTokens(),
                        (float) options.temperature()));
            }
        }
        List<Completion> completions = generator.generate(requests, seed, codec.end(), true, TokenListener.NONE);
        List<Group> groups = new ArrayList<>();
        for (int g = 0; g < count; g++) {
            List<Completion> members = completions.subList(g * options.groupSize(), (g + 1) * options.groupSize());
            List<Reward> rewards = new ArrayList<>();
            for (Completion completion : members) {
                rewards.add(
                        completion.truncated()
                                ? Reward.CUT_OFF
                                : grader.grade(
                                        groupTasks.get(g), problems.get(g), codec.response(completion.tokens())));
            }
            groups.add(new Group(groupTasks.get(g), problems.get(g), members, rewards));
        }
        return groups;
    }
}
