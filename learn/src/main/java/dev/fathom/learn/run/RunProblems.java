package dev.fathom.learn.run;

import dev.fathom.infer.ProblemReader;
import dev.fathom.learn.LearnException;
import dev.fathom.learn.task.Problem;
import dev.fathom.learn.task.Task;
import dev.fathom.learn.task.Tasks;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;

/** What people type, as the problems that a run's model was trained on. */
public final class RunProblems implements ProblemReader {
    private static final System.Logger LOGGER = System.getLogger(RunProblems.class.getName());

    /**
     * The tasks of a run, by the names in its recipe.
     *
     * @throws LearnException if one is not on the class path
     */
    public static List<Task> tasks(RunInfo info) {
        return info.recipe().get("tasks") instanceof List<?> names
                ? names.stream().map(String::valueOf).map(Tasks::find).toList()
                : List.of();
    }

    @Override
    public UnaryOperator<String> problemsOf(Path run) {
        List<Task> tasks;
        try {
            tasks = tasks(RunDirectory.readInfo(run));
        } catch (LearnException e) {
            LOGGER.log(
                    System.Logger.Level.WARNING,
                    "{0}: problems are given to the model as they are typed: {1}",
                    run,
                    Objects.toString(e.getMessage()));
            return UnaryOperator.identity();
        }
        return typed -> tasks.stream()
                .flatMap(task -> task.read(typed).stream())
                .map(Problem::prompt)
                .findFirst()
                .orElse(typed);
    }
}
