package dev.fathom.learn.stage;

import dev.fathom.learn.task.Problem;
import dev.fathom.learn.task.RandomSource;
import dev.fathom.learn.task.Task;

/** A task that can only grade. */
public final class Parity implements Task {
    @Override
    public String name() {
        return "parity";
    }

    @Override
    public int levels() {
        return 1;
    }

    @Override
    public String alphabet() {
        return "01?";
    }

    @Override
    public Problem make(RandomSource random, int level) {
        String bits = Long.toBinaryString(random.withDigits(4));
        return new Problem(bits + "?", bits, level, bits);
    }

    @Override
    public boolean grade(Problem problem, String answer) {
        long ones = problem.data(String.class).chars().filter(c -> c == '1').count();
        return answer.equals(Long.toString(ones % 2));
    }
}
