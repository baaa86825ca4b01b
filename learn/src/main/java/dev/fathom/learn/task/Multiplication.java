package dev.fathom.learn.task;

import java.util.List;
import java.util.Optional;

/** Multiplying two whole numbers. Worked solutions are long multiplication, one digit at a time with written carries. */
public final class Multiplication implements Task {
    private record Size(int leftDigits, int rightDigits) {}

    private static final List<Size> LEVELS = List.of(new Size(2, 1), new Size(2, 2), new Size(3, 2));

    /** The two factors. */
    public record Factors(long left, long right) {
        long product() {
            return left * right;
        }
    }

    @Override
    public String name() {
        return "multiplication";
    }

    @Override
    public int levels() {
        return LEVELS.size();
    }

    @Override
    public String alphabet() {
        return "0123456789*+=; ";
    }

    @Override
    public String describe(int level) {
        Size size = LEVELS.get(level - 1);
        return size.leftDigits + "x" + size.rightDigits + " digits";
    }

    @Override
    public Problem make(RandomSource random, int level) {
        Size size = LEVELS.get(level - 1);
        return problem(random.withDigits(size.leftDigits), random.withDigits(size.rightDigits), level);
    }

    static Problem problem(long left, long right, int level) {
        // The order of the factors makes no new problem.
        String canonical = Math.min(left, right) + "*" + Math.max(left, right);
        return new Problem(left + "*" + right + "=", canonical, level, new Factors(left, right));
    }

    /** Right is only the product in plain ASCII decimal digits: no sign, no leading zero, no space. */
    @Override
    public boolean grade(Problem problem, String answer) {
        return answer.equals(Long.toString(problem.data(Factors.class).product()));
    }

    @Override
    public Optional<Solution> solve(Problem problem, RandomSource random) {
        Factors factors = problem.data(Factors.class);
        return Optional.of(new Solution(longMultiplication(factors), Long.toString(factors.product())));
    }

    /**
     * The text format of a worked solution. One row per digit of the right factor, from the units up, ended by {@code ;}. In
     * a row one group per digit of the left factor, again from the units up:
     *
     * <pre>{@code
     * 4*7=28+0=28          digit product, plus carry
     * 4*2=08+0=08+3=11     digit product, plus carry, plus the digit already standing in this column
     * }</pre>
     *
     * The last digit of each group stays in its column, the one before it is the carry. After the rows the columns are read out,
     * so that every character follows from a few earlier ones. Leading zeros show how wide the columns are; the answer drops them.
     */
    private static String longMultiplication(Factors factors) {
        int[] left = digits(factors.left);
        int[] right = digits(factors.right);
        int[] columns = new int[left.length + right.length];
        StringBuilder text = new StringBuilder();
        for (int row = 0; row < right.length; row++) {
            int carry = 0;
            for (int i = 0; i < left.length; i++) {
                int product = left[i] * right[row];
                int sum = product + carry;
                text.append(i == 0 ? "" : " ").append(left[i]).append('*').append(right[row]);
                text.append('=').append(twoDigits(product));
                text.append('+').append(carry).append('=').append(twoDigits(sum));
                if (row > 0) {
                    text.append('+').append(columns[row + i]);
                    sum += columns[row + i];
                    text.append('=').append(twoDigits(sum));
                }
                columns[row + i] = sum % 10;
                carry = sum / 10;
            }
            columns[row + left.length] = carry;
            text.append(';');
        }
        for (int i = columns.length - 1; i >= 0; i--) {
            text.append(columns[i]);
        }
        return text.toString();
    }

    private static String twoDigits(int value) {
        return value < 10 ? "0" + value : Integer.toString(value);
    }

    /** Decimal digits, units first. */
    private static int[] digits(long number) {
        return new StringBuilder(Long.toString(number))
                .reverse()
                .chars()
                .map(c -> c - '0')
                .toArray();
    }
}
