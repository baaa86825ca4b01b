package dev.fathom.infer;

import java.nio.file.Path;
import java.util.function.UnaryOperator;

/**
 * How models of runs want to be asked: a text that somebody typed, such as {@code 17 * 24}, becomes the problem that a task of the run knows,
 * {@code 17*24=}. Tasks are code that belongs to those who train, so a provider is found by {@link java.util.ServiceLoader}: module {@code
 * learn} has it.
 */
public interface ProblemReader {
    /**
     * The problems of a run.
     *
     * @param run a directory with {@code run.json}
     * @return from what is typed to what the model is given; what is no problem of the run's tasks stays as it is
     */
    UnaryOperator<String> problemsOf(Path run);
}
