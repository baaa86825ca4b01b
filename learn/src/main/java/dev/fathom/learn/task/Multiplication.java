package dev.fathom.learn.task;

import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Multiplying two whole numbers. Worked solutions are long multiplication, one digit at a time with written carries.
 */
public final class Multiplication implements Task {
    private record Size(int leftDigits, int rightDigits) {}

    private static final List<Size> LEVELS = List.of(new Size(2, 1), new Size(3, 1), new Size(3, 2));

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
        return "0123456789*+=:; ";
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

    private static final Pattern TYPED = Pattern.compile("([1-9]\\d{0,8})\\*([1-9]\\d{0,8})=?");

    @Override
    public Optional<Problem> read(String text) {
        Matcher matcher = TYPED.matcher(text.replace(" ", ""));
        return matcher.matches()
                ? Optional.of(problem(Long.parseLong(matcher.group(1)), Long.parseLong(matcher.group(2)), levels()))
                : Optional.empty();
    }

    // Columns of a row: the widest left factor. Shorter ones are padded, so that every row has the same shape.
    private static final int WIDTH = 3;

    /**
     * The text format of a worked solution. One row per digit of the right factor, from the units up, each ended by
     * {@code ;}, then the product:
     *
     * <pre>{@code
     * 607*67=
     * 607*7+000:7*7=49+0=49+0=49 0*7=00+4=04+0=04 6*7=42+0=42+0=42 4249;
     * 607*6+424:7*6=42+0=42+4=46 0*6=00+4=04+2=06 6*6=36+0=36+4=40 4066;
     * 40669
     * }</pre>
     *
     * (written without the line breaks). A row restates what it works on: the left factor, this row's digit, and what
     * the row before it left over, which is its result without the last digit. Then come the columns, units first:
     * digit product, plus carry, plus the left-over's digit; the last digit stays in its column and the one before it
     * is the next carry. The row ends with its result read out. The product is the last row's result followed by the
     * last digits of the rows before it. Leading zeros show how wide the columns are; the answer drops them.
     *
     * <p>Small models learn digit arithmetic quickly and find digits far away slowly. So rows all look alike and repeat
     * their operands: each character follows from a few others at places that do not depend on the level.
     */
    private static String longMultiplication(Factors factors) {
        StringBuilder text = new StringBuilder();
        String lastDigits = "";
        long leftOver = 0;
        for (long rest = factors.right; rest > 0; rest /= 10) {
            long result = row(text, factors.left, rest % 10, leftOver);
            text.append(';');
            lastDigits = result % 10 + lastDigits;
            leftOver = result / 10;
        }
        return text.append(Digits.padded(leftOver, WIDTH)).append(lastDigits).toString();
    }

    /** Writes {@code left * digit + leftOver} column by column and returns it. */
    private static long row(StringBuilder text, long left, long digit, long leftOver) {
        text.append(Digits.padded(left, WIDTH)).append('*').append(digit);
        text.append('+').append(Digits.padded(leftOver, WIDTH)).append(':');
        long carry = 0;
        for (int column = 0; column < WIDTH; column++) {
            long leftDigit = Digits.at(left, column);
            long product = leftDigit * digit;
            long sum = product + carry;
            long total = sum + Digits.at(leftOver, column);
            text.append(leftDigit).append('*').append(digit).append('=').append(Digits.padded(product, 2));
            text.append('+').append(carry).append('=').append(Digits.padded(sum, 2));
            text.append('+').append(Digits.at(leftOver, column)).append('=').append(Digits.padded(total, 2));
            text.append(' ');
            carry = total / 10;
        }
        long result = left * digit + leftOver;
        text.append(Digits.padded(result, WIDTH + 1));
        return result;
    }
}
