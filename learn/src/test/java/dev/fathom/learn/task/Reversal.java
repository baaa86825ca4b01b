package dev.fathom.learn.task;

/** The user's task of {@link Task}'s documentation, found as a service and by its class name. */
public final class Reversal implements Task {
    @Override
    public String name() {
        return "reversal";
    }

    @Override
    public int levels() {
        return 3;
    }

    @Override
    public String alphabet() {
        return "abcdefgh>";
    }

    @Override
    public Problem make(RandomSource random, int level) {
        StringBuilder word = new StringBuilder();
        for (int i = 0; i < 2 + 2 * level; i++) {
            word.append((char) random.between('a', 'h'));
        }
        return new Problem(word + ">", word.toString(), level, word.toString());
    }

    @Override
    public boolean grade(Problem problem, String answer) {
        return new StringBuilder(problem.data(String.class))
                .reverse()
                .toString()
                .equals(answer);
    }
}
