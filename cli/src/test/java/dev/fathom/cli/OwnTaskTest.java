package dev.fathom.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import javax.tools.JavaCompiler;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A task that a user compiled, on the class path as FATHOM_CLASSPATH puts it there. */
class OwnTaskTest {
    private static final String TASK = """
            package my.tasks;

            import dev.fathom.learn.task.Problem;
            import dev.fathom.learn.task.RandomSource;
            import dev.fathom.learn.task.Solution;
            import dev.fathom.learn.task.Task;
            import java.util.Optional;

            public class NAME implements Task {
                public String name() { return "reversal"; }
                public int levels() { return 2; }
                public String alphabet() { return "abcdefgh>"; }
                public Problem make(RandomSource random, int level) {
                    StringBuilder word = new StringBuilder();
                    for (int i = 0; i < 2 + 2 * level; i++) {
                        word.append((char) random.between('a', 'h'));
                    }
                    return new Problem(word + ">", word.toString(), level, word.toString());
                }
                public boolean grade(Problem problem, String answer) {
                    return new StringBuilder(problem.data(String.class)).reverse().toString().equals(answer);
                }
                SOLVE
            }
            """;
    private static final String SOLVE = """
            public Optional<Solution> solve(Problem problem, RandomSource random) {
                String word = problem.data(String.class);
                return Optional.of(new Solution(word, new StringBuilder(word).reverse().toString()));
            }
            """;

    @TempDir
    static Path folder;

    private static Path recipe;

    @BeforeAll
    static void compile() throws Exception {
        recipe = Fathom.tinyRecipe(folder);
        compile("Reversal", SOLVE);
        compile("Unsolved", "");
    }

    private static void compile(String name, String solve) throws Exception {
        Path source = folder.resolve(name + ".java");
        Files.writeString(source, TASK.replace("NAME", name).replace("SOLVE", solve));
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        int status = compiler.run(
                null,
                null,
                null,
                "-d",
                folder.toString(),
                "-cp",
                System.getProperty("java.class.path"),
                source.toString());
        assertThat(status).isZero();
    }

    @Test
    void isLearnedLikeAnyOther() throws Exception {
        Path run = folder.resolve("run");
        Fathom.Result result = Fathom.finish(
                Fathom.process(
                        folder.toString(), "learn", "--recipe", recipe, "--task", "my.tasks.Reversal", "--out", run),
                folder);

        assertThat(result.exitCode()).as(result.err()).isZero();
        assertThat(result.out()).contains("  reversal 2").contains("tasks my.tasks.Reversal");
        assertThat(result.lastLine()).isEqualTo(run.toString());

        // Without the class path the task is missing, and the message says which.
        assertThat(Fathom.run("eval", run).err()).contains("There is no class my.tasks.Reversal");
        assertThat(Fathom.run("chat", run, "--prompt", "abcd>").exitCode()).isZero();
    }

    @Test
    void withoutWorkedSolutionsIsNoTextToPretrainOn() throws Exception {
        Path run = folder.resolve("unsolved");
        Fathom.Result result = Fathom.finish(
                Fathom.process(
                        folder.toString(), "pretrain", "--recipe", recipe, "--task", "my.tasks.Unsolved", "--out", run),
                folder);

        assertThat(result.exitCode()).isEqualTo(2);
        assertThat(result.err().strip().lines()).hasSize(1);
        assertThat(result.err()).contains("Task reversal has no worked solutions (Task.solve)");
        assertThat(run).doesNotExist();
    }
}
