package dev.fathom.learn.task;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Adding several whole numbers. Worked solutions add column by column, units first, with written carries. */
public final class Addition implements Task {
    private record Size(int operands, int digits) {}

    private static final List<Size> LEVELS = List.of(new Size(2, 3), new Size(3, 3), new Size(4, 3));

    /** The numbers to add. */
    public record Operands(List<Long> numbers) {
        public Operands {
            numbers = List.copyOf(numbers);
        }

        long sum() {
            return numbers.stream().mapToLong(Long::longValue).sum();
        }
    }

    @Override
    public String name() {
        return "addition";
    }

    @Override
    public int levels() {
        return LEVELS.size();
    }

    @Override
    public String alphabet() {
        return "0123456789+=:; ";
    }

    @Override
    public String describe(int level) {
        Size size = LEVELS.get(level - 1);
        return size.operands + " numbers of " + size.digits + " digits";
    }

    @Override
    public Problem make(RandomSource random, int level) {
        Size size = LEVELS.get(level - 1);
        Long[] numbers = new Long[size.operands];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = random.withDigits(size.digits);
        }
        return problem(Arrays.asList(numbers), level);
    }

    static Problem problem(List<Long> numbers, int level) {
        // The order of the numbers makes no new problem.
        String canonical = numbers.stream().sorted().map(String::valueOf).collect(Collectors.joining("+"));
        String prompt = numbers.stream().map(String::valueOf).collect(Collectors.joining("+", "", "="));
        return new Problem(prompt, canonical, level, new Operands(numbers));
    }

    /** Right is only the sum in plain ASCII decimal digits: no sign, no leading zero, no space. */
    @Override
    public boolean grade(Problem problem, String answer) {
        return answer.equals(Long.toString(problem.data(Operands.class).sum()));
    }

    @Override
    public Optional<Solution> solve(Problem problem, RandomSource random) {
        Operands operands = problem.data(Operands.class);
        return Optional.of(new Solution(columnAddition(operands), Long.toString(operands.sum())));
    }

    private static final Pattern TYPED = Pattern.compile("[1-9]\\d{0,8}(\\+[1-9]\\d{0,8}){1,99}=?");

    @Override
    public Optional<Problem> read(String text) {
        String typed = text.replace(" ", "");
        if (!TYPED.matcher(typed).matches()) {
            return Optional.empty();
        }
        List<Long> numbers = Arrays.stream(typed.replace("=", "").split("\\+", -1))
                .map(Long::valueOf)
                .toList();
        return Optional.of(problem(numbers, levels()));
    }

    // Columns of a row: wide enough for every running sum, so that every row has the same shape.
    private static final int WIDTH = 4;

    /**
     * The text format of a worked solution. One row per addition, joined by {@code ;}, beginning with the last number
     * and going backwards:
     *
     * <pre>{@code
     * 196+599+955=
     * 0955+0599:5+9+0=14 5+9+1=15 9+5+1=15 0+0+1=01 1554;
     * 1554+0196:4+6+0=10 5+9+1=15 5+1+1=07 1+0+0=01 1750
     * }</pre>
     *
     * (written without the line break). A row restates its two operands, then adds the columns, units first: digit,
     * digit and carry; the last digit of each sum stays in its column and the one before it is the next carry. The row
     * ends with its sum read out, which begins the next row. Leading zeros show how wide the columns are; the answer
     * drops them.
     */
    private static String columnAddition(Operands operands) {
        List<Long> backwards = operands.numbers.reversed();
        StringBuilder text = new StringBuilder();
        long sum = backwards.getFirst();
        for (long number : backwards.subList(1, backwards.size())) {
            text.append(text.isEmpty() ? "" : ";");
            sum = row(text, sum, number);
        }
        return text.toString();
    }

    /** Writes {@code sum + number} column by column and returns it. */
    private static long row(StringBuilder text, long sum, long number) {
        text.append(Digits.padded(sum, WIDTH)).append('+').append(Digits.padded(number, WIDTH));
        text.append(':');
        long carry = 0;
        for (int column = 0; column < WIDTH; column++) {
            long total = Digits.at(sum, column) + Digits.at(number, column) + carry;
            text.append(Digits.at(sum, column)).append('+').append(Digits.at(number, column));
            text.append('+').append(carry).append('=').append(Digits.padded(total, 2));
            text.append(' ');
            carry = total / 10;
        }
        text.append(Digits.padded(sum + number, WIDTH));
        return sum + number;
    }
}
