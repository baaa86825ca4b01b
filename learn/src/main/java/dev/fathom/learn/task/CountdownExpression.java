package dev.fathom.learn.task;

import java.util.ArrayList;
import java.util.List;

/**
 * Reads an arithmetic expression and computes it exactly, in fractions; nothing is ever handed to an evaluator.
 *
 * <pre>{@code
 * sum     = product { ("+" | "-") product }
 * product = factor { ("*" | "/") factor }
 * factor  = number | "(" sum ")"
 * number  = one of the given numbers not yet used, in ASCII digits without leading zero
 * }</pre>
 *
 * <p>Because only given numbers are accepted, each once, an expression has few operands and its value fits easily in a
 * {@code long}; because its length is limited, so is the nesting of parentheses.
 */
final class CountdownExpression {
    private static final int MAX_LENGTH = 100;

    private record Fraction(long numerator, long denominator) {}

    /** Ends the reading of an expression that is not one; never leaves this class. */
    private static final class NotAnExpression extends Exception {
        private static final long serialVersionUID = 1;

        NotAnExpression() {
            super(null, null, false, false);
        }
    }

    private final String text;
    private final List<Integer> unused;
    private int position;

    private CountdownExpression(String text, List<Integer> numbers) {
        this.text = text;
        this.unused = new ArrayList<>(numbers);
    }

    /** True if the text is an expression that uses every number exactly once and has the value of the target. */
    static boolean reaches(String text, List<Integer> numbers, int target) {
        if (text.length() > MAX_LENGTH) {
            return false;
        }
        CountdownExpression expression = new CountdownExpression(text, numbers);
        try {
            Fraction value = expression.sum();
            return expression.position == text.length()
                    && expression.unused.isEmpty()
                    && value.numerator == target * value.denominator;
        } catch (NotAnExpression e) {
            return false;
        }
    }

    private Fraction sum() throws NotAnExpression {
        Fraction value = product();
        while (next() == '+' || next() == '-') {
            int sign = text.charAt(position++) == '+' ? 1 : -1;
            Fraction other = product();
            value = new Fraction(
                    value.numerator * other.denominator + sign * other.numerator * value.denominator,
                    value.denominator * other.denominator);
        }
        return value;
    }

    private Fraction product() throws NotAnExpression {
        Fraction value = factor();
        while (next() == '*' || next() == '/') {
            boolean multiply = text.charAt(position++) == '*';
            Fraction other = factor();
            if (!multiply && other.numerator == 0) {
                throw new NotAnExpression(); // division by zero
            }
            value = multiply
                    ? new Fraction(value.numerator * other.numerator, value.denominator * other.denominator)
                    : new Fraction(value.numerator * other.denominator, value.denominator * other.numerator);
        }
        return value;
    }

    private Fraction factor() throws NotAnExpression {
        if (next() != '(') {
            return new Fraction(number(), 1);
        }
        position++;
        Fraction value = sum();
        if (next() != ')') {
            throw new NotAnExpression();
        }
        position++;
        return value;
    }

    private int number() throws NotAnExpression {
        int start = position;
        while (next() >= '0' && next() <= '9') {
            position++;
        }
        String digits = text.substring(start, position);
        for (int i = 0; i < unused.size(); i++) {
            if (unused.get(i).toString().equals(digits)) {
                return unused.remove(i);
            }
        }
        throw new NotAnExpression();
    }

    /** The character at the current position, or NUL (which no rule accepts) at the end. */
    private char next() {
        return position < text.length() ? text.charAt(position) : '\0';
    }
}
