package dev.fathom.learn.task;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The numbers game: reach a target from given numbers with + - * / and parentheses, each number used exactly once.
 *
 * <p>A problem is {@code 22:3 5 7=} and an answer an expression, {@code 3*5+7}. There is usually more than one right
 * answer, so the grader computes the value of the expression with {@link CountdownExpression}. A worked solution tries
 * expressions until one fits.
 */
public final class Countdown implements Task {
    private record Size(int numbers, int largest) {}

    private static final List<Size> LEVELS = List.of(new Size(3, 9), new Size(4, 9), new Size(4, 25));
    private static final int LARGEST_TARGET = 200;

    /** The numbers, the target, and the expression the problem was made from. */
    public record Numbers(List<Integer> numbers, int target, String expression) {
        public Numbers {
            numbers = List.copyOf(numbers);
        }
    }

    @Override
    public String name() {
        return "countdown";
    }

    @Override
    public int levels() {
        return LEVELS.size();
    }

    @Override
    public String alphabet() {
        return "0123456789+-*/()=:; ";
    }

    @Override
    public String describe(int level) {
        Size size = LEVELS.get(level - 1);
        return size.numbers + " numbers up to " + size.largest;
    }

    @Override
    public Problem make(RandomSource random, int level) {
        Size size = LEVELS.get(level - 1);
        while (true) {
            List<Integer> numbers = IntStream.range(0, size.numbers)
                    .mapToObj(i -> random.between(1, size.largest))
                    .toList();
            Part whole = combine(numbers, random);
            if (whole.value <= LARGEST_TARGET) {
                return problem(numbers, whole, level);
            }
        }
    }

    private static Problem problem(List<Integer> numbers, Part whole, int level) {
        String target = whole.value + ":";
        String prompt = target + join(numbers) + "=";
        String canonical = target + join(numbers.stream().sorted().toList());
        return new Problem(prompt, canonical, level, new Numbers(numbers, whole.value, whole.text));
    }

    private static String join(List<Integer> numbers) {
        return numbers.stream().map(String::valueOf).collect(Collectors.joining(" "));
    }

    @Override
    public boolean grade(Problem problem, String answer) {
        Numbers data = problem.data(Numbers.class);
        return CountdownExpression.reaches(answer, data.numbers, data.target);
    }

    /**
     * The text format of a worked solution: up to three tries that miss, then the one that fits, each as {@code
     * expression=value;}.
     */
    @Override
    public Optional<Solution> solve(Problem problem, RandomSource random) {
        Numbers data = problem.data(Numbers.class);
        StringBuilder text = new StringBuilder();
        for (int misses = random.between(0, 3); misses > 0; misses--) {
            Part attempt = combine(data.numbers, random);
            if (attempt.value != data.target) {
                text.append(attempt.text).append('=').append(attempt.value).append(';');
            }
        }
        text.append(data.expression).append('=').append(data.target).append(';');
        return Optional.of(new Solution(text.toString(), data.expression));
    }

    private static final Pattern TYPED = Pattern.compile("(\\d{1,6}):(\\d{1,4}(?: \\d{1,4}){1,7})=?");

    @Override
    public Optional<Problem> read(String text) {
        Matcher matcher = TYPED.matcher(text.strip());
        if (!matcher.matches()) {
            return Optional.empty();
        }
        List<Integer> numbers = Arrays.stream(matcher.group(2).split(" ", -1))
                .map(Integer::valueOf)
                .toList();
        // Whether the target can be reached nobody has said, so there is no expression that reaches it.
        return Optional.of(problem(numbers, new Part(Integer.parseInt(matcher.group(1)), "", ' '), levels()));
    }

    /** A positive whole number and how it was reached; {@code operator} is the last one applied, or a space. */
    private record Part(int value, String text, char operator) {
        String asLeft(char outer) {
            boolean needed = isSum() && (outer == '*' || outer == '/');
            return needed ? "(" + text + ")" : text;
        }

        String asRight(char outer) {
            boolean needed = switch (outer) {
                case '-', '*' -> isSum();
                case '/' -> operator != ' ';
                default -> false;
            };
            return needed ? "(" + text + ")" : text;
        }

        private boolean isSum() {
            return operator == '+' || operator == '-';
        }
    }

    /** Joins all numbers in random order with random operators; every intermediate value is a positive whole number. */
    private static Part combine(List<Integer> numbers, RandomSource random) {
        List<Part> parts = new ArrayList<>();
        numbers.forEach(n -> parts.add(new Part(n, Integer.toString(n), ' ')));
        while (parts.size() > 1) {
            Part left = parts.remove((int) random.below(parts.size()));
            Part right = parts.remove((int) random.below(parts.size()));
            parts.add(join(left, right, random));
        }
        return parts.getFirst();
    }

    private static Part join(Part left, Part right, RandomSource random) {
        char operator = random.pick(List.of('+', '-', '*', '/'));
        boolean allowed = switch (operator) {
            case '-' -> left.value > right.value;
            case '*' -> (long) left.value * right.value <= 10_000;
            case '/' -> left.value % right.value == 0;
            default -> true;
        };
        if (!allowed) {
            operator = '+';
        }
        int value = switch (operator) {
            case '-' -> left.value - right.value;
            case '*' -> left.value * right.value;
            case '/' -> left.value / right.value;
            default -> left.value + right.value;
        };
        return new Part(value, left.asLeft(operator) + operator + right.asRight(operator), operator);
    }
}
