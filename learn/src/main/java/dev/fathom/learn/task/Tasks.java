package dev.fathom.learn.task;

import dev.fathom.learn.LearnException;
import java.lang.reflect.InvocationTargetException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.stream.Collectors;

/** Finds tasks by name and checks that they keep the promises of {@link Task}. */
public final class Tasks {
    // The stream for the problems that check() makes; no stage draws from it.
    private static final int CHECK_STREAM = 0x6368_6563;

    private Tasks() {}

    /**
     * The task with this name: a built-in task, one announced in {@code META-INF/services}, or a class by its fully
     * qualified name.
     *
     * @throws LearnException naming the known tasks, if there is none
     */
    public static Task find(String name) {
        Map<String, Task> known = known();
        Task task = known.get(name);
        if (task != null) {
            return task;
        }
        if (name.indexOf('.') >= 0) {
            return instantiate(name);
        }
        throw new LearnException("There is no task \"" + name + "\". Known tasks: " + String.join(", ", known.keySet())
                + ". A task of your own is named by its class, for example --task my.package.Reversal.");
    }

    /** Built-in tasks first, then those announced in {@code META-INF/services}, by name. */
    public static Map<String, Task> known() {
        Map<String, Task> tasks = new LinkedHashMap<>();
        for (Task task : List.of(new Multiplication(), new Addition(), new Countdown())) {
            tasks.put(task.name(), task);
        }
        try {
            for (Task task : ServiceLoader.load(Task.class)) {
                Task other = tasks.putIfAbsent(task.name(), task);
                if (other != null) {
                    throw new LearnException("Two tasks are called \"" + task.name() + "\": "
                            + other.getClass().getName() + " and "
                            + task.getClass().getName() + ". Rename one.");
                }
            }
        } catch (ServiceConfigurationError e) {
            throw new LearnException("A task announced in META-INF/services cannot be loaded: " + e.getMessage(), e);
        }
        return tasks;
    }

    /** Every character that any of these tasks uses, each once, in code point order. */
    public static String alphabet(List<Task> tasks) {
        return tasks.stream()
                .flatMap(task -> task.alphabet().codePoints().boxed())
                .distinct()
                .sorted()
                .map(Character::toString)
                .collect(Collectors.joining());
    }

    /**
     * Makes some problems of every level and checks what a run relies on, so that a mistake in a user's task is
     * reported before the first step and not in the middle of a run.
     *
     * @throws LearnException naming the task, the problem and the broken promise
     */
    public static void check(Task task) {
        if (!task.name().matches("[a-z0-9][a-z0-9-]*")) {
            throw new LearnException(task.getClass().getName()
                    + ".name() must be lower-case letters, digits and hyphens, was \"" + task.name() + "\".");
        }
        if (task.levels() < 1) {
            throw new LearnException(
                    "Task " + task.name() + ": levels() must be at least 1, was " + task.levels() + ".");
        }
        for (int level = 1; level <= task.levels(); level++) {
            for (int i = 0; i < 20; i++) {
                Problem problem = task.make(RandomSource.at(0, CHECK_STREAM, i), level);
                checkProblem(task, problem, level);
                Problem again = task.make(RandomSource.at(0, CHECK_STREAM, i), level);
                require(
                        problem.prompt().equals(again.prompt())
                                && problem.canonical().equals(again.canonical()),
                        task,
                        problem,
                        "made twice from the same random numbers, it differs; take all randomness from the"
                                + " RandomSource");
            }
        }
    }

    private static void checkProblem(Task task, Problem problem, int level) {
        require(
                problem.level() == level,
                task,
                problem,
                "its level is " + problem.level() + ", asked for was " + level);
        require(!problem.canonical().isEmpty(), task, problem, "its canonical form is empty");
        checkAlphabet(task, problem, "prompt", problem.prompt());
        for (String answer : List.of("", "\0", "-", "9".repeat(400), "٣", "<answer>")) {
            grade(task, problem, answer);
        }
        Optional<Solution> solution = task.solve(problem, RandomSource.at(1, CHECK_STREAM, level));
        if (solution.isPresent()) {
            checkAlphabet(task, problem, "worked solution", solution.get().thinking());
            checkAlphabet(task, problem, "answer", solution.get().answer());
            require(
                    grade(task, problem, solution.get().answer()),
                    task,
                    problem,
                    "grade() calls the answer of its own worked solution, \""
                            + solution.get().answer() + "\", wrong");
        }
    }

    /**
     * {@link Task#grade}, with an exception turned into an error that says which task and which answer.
     *
     * <p>An exception is not taken for a wrong answer: it would hide a mistake in the task as a reward of 0.
     */
    public static boolean grade(Task task, Problem problem, String answer) {
        try {
            return task.grade(problem, answer);
        } catch (RuntimeException e) {
            throw new LearnException(
                    "Task " + task.name() + ", problem " + problem.canonical() + ": grade() failed with " + e
                            + " on the answer \"" + answer
                            + "\". It must return false for whatever it cannot understand.",
                    e);
        }
    }

    private static void checkAlphabet(Task task, Problem problem, String what, String text) {
        text.codePoints()
                .filter(c -> task.alphabet().indexOf(c) < 0)
                .findFirst()
                .ifPresent(c -> require(
                        false,
                        task,
                        problem,
                        "its " + what + " has the character '" + Character.toString(c)
                                + "', which is not in alphabet()"));
    }

    private static void require(boolean condition, Task task, Problem problem, String complaint) {
        if (!condition) {
            throw new LearnException("Task " + task.name() + ", problem " + problem.prompt() + " : " + complaint + ".");
        }
    }

    private static Task instantiate(String className) {
        ClassLoader context = Thread.currentThread().getContextClassLoader();
        ClassLoader loader = context == null ? Tasks.class.getClassLoader() : context;
        Object made;
        try {
            made = Class.forName(className, true, loader).getConstructor().newInstance();
        } catch (ClassNotFoundException e) {
            throw new LearnException("There is no class " + className + " on the class path.", e);
        } catch (NoSuchMethodException | IllegalAccessException | InstantiationException e) {
            throw new LearnException(
                    className
                            + " cannot be made: a task is a public class with a public constructor without parameters.",
                    e);
        } catch (InvocationTargetException e) {
            throw new LearnException("The constructor of " + className + " failed: " + e.getCause(), e);
        } catch (LinkageError e) {
            throw new LearnException("The class " + className + " cannot be loaded: " + e, e);
        }
        if (made instanceof Task task) {
            return task;
        }
        throw new LearnException(className + " does not implement " + Task.class.getName() + ".");
    }
}
