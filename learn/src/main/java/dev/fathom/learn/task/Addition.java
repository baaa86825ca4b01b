package dev.fathom.learn.task;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** Adding several whole numbers. Worked solutions add column by column, units first, with written carries. */
public final class Addition implements Task {
    private record Size(int operands, int digits) {}

    private static final List<Size> LEVELS = List.of(new Size(2, 2), new Size(3, 3), new Size(4, 3), new Size(5, 3));

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
        return "0123456789+=;";
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

    /**
     * The text format of a worked solution. One group per column, from the units up, ended by {@code ;}: the carry, then each
     * number's digit with the running sum.
     *
     * <pre>{@code
     * 00+7=07+8=15;01+4=05+3=08;085        for 47+38
     * }</pre>
     *
     * The last digit of a running sum stays in its column, the one before it is the next carry. Then the columns are read out. Leading
     * zeros show how wide the columns are; the answer drops them.
     */
    private static String columnAddition(Operands operands) {
        int width = operands.numbers.stream()
                .mapToInt(n -> Long.toString(n).length())
                .max()
                .orElseThrow();
        StringBuilder text = new StringBuilder();
        StringBuilder result = new StringBuilder();
        int carry = 0;
        long place = 1;
        for (int column = 0; column < width; column++) {
            int sum = carry;
            text.append(twoDigits(sum));
            for (long number : operands.numbers) {
                int digit = (int) (number / place % 10);
                sum += digit;
                text.append('+').append(digit).append('=').append(twoDigits(sum));
            }
            text.append(';');
            result.append(sum % 10);
            carry = sum / 10;
            place *= 10;
        }
        return text.append(carry).append(result.reverse()).toString();
    }

    private static String twoDigits(int value) {
        return value < 10 ? "0" + value : Integer.toString(value);
    }
}
