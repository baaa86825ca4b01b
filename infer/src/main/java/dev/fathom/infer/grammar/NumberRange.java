package dev.fathom.infer.grammar;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Numbers between bounds, as decimals without exponents: which digits may come next, so that some number of the range can still be reached.
 * The question is answered exactly: the numbers that begin with some digits are intervals, one for each count of digits that may follow.
 */
final class NumberRange {
    /** Digits before the point, unless the bounds have more. */
    private static final int INTEGER_DIGITS = 16;

    /** Digits behind the point, unless the bounds have more. */
    private static final int FRACTION_DIGITS = 8;

    /** Remembered answers; they are few, because a number has few beginnings. */
    private static final int MOST_REMEMBERED = 10_000;

    private static final BigDecimal LARGE = BigDecimal.ONE.movePointRight(INTEGER_DIGITS);

    static final NumberRange ANY = new NumberRange(Bound.NONE, Bound.NONE, null, false);
    static final NumberRange ANY_INTEGER = new NumberRange(Bound.NONE, Bound.NONE, null, true);

    /** An end of a range. @param value null for no bound */
    record Bound(@Nullable BigDecimal value, boolean exclusive) {
        static final Bound NONE = new Bound(null, false);
    }

    private final BigDecimal least;
    private final BigDecimal most;
    private final BigDecimal step;
    private final int integerDigits;
    private final int fractionDigits;
    private final Map<String, Integer> remembered = new HashMap<>();

    /**
     * @param lower no number is below it
     * @param upper no number is above it
     * @param multipleOf what the number is a multiple of, null for any
     * @param integer whether it is to be whole
     */
    NumberRange(Bound lower, Bound upper, @Nullable BigDecimal multipleOf, boolean integer) {
        // Numbers of more digits than usual are written only where the other bound asks for them.
        BigDecimal low = isBeyond(lower, upper, -1) ? null : lower.value;
        BigDecimal high = isBeyond(upper, lower, 1) ? null : upper.value;
        int fraction = Math.max(FRACTION_DIGITS, Math.max(scale(low), Math.max(scale(high), scale(multipleOf))));
        BigDecimal unit = BigDecimal.ONE.movePointLeft(integer ? 0 : fraction);
        this.step = multipleOf == null ? unit : leastCommonMultiple(multipleOf, unit);
        this.fractionDigits = integer ? 0 : fraction;
        this.integerDigits = Math.max(INTEGER_DIGITS, Math.max(digits(low), digits(high)));
        BigDecimal width = BigDecimal.ONE.movePointRight(integerDigits);
        this.least = low == null ? width.negate() : lower.exclusive ? above(low) : low;
        this.most =
                high == null ? width : upper.exclusive ? above(high.negate()).negate() : high;
    }

    private static boolean isBeyond(Bound bound, Bound other, int sign) {
        return bound.value != null
                && bound.value.signum() == sign
                && bound.value.abs().compareTo(LARGE) > 0
                && (other.value == null
                        || other.value.multiply(BigDecimal.valueOf(sign)).compareTo(LARGE) <= 0);
    }

    /** The smallest multiple of the step above a number. */
    private BigDecimal above(BigDecimal value) {
        return value.divide(step, 0, RoundingMode.FLOOR).add(BigDecimal.ONE).multiply(step);
    }

    private static int scale(@Nullable BigDecimal value) {
        return value == null ? 0 : Math.max(0, value.stripTrailingZeros().scale());
    }

    private static int digits(@Nullable BigDecimal value) {
        return value == null ? 0 : Math.max(1, value.precision() - value.scale());
    }

    private static BigDecimal leastCommonMultiple(BigDecimal a, BigDecimal b) {
        int scale = Math.max(scale(a), scale(b));
        BigInteger x = a.movePointRight(scale).toBigIntegerExact();
        BigInteger y = b.movePointRight(scale).toBigIntegerExact();
        return new BigDecimal(x.divide(x.gcd(y)).multiply(y)).movePointLeft(scale);
    }

    /**
     * How many characters are missing behind the beginning of a number, at least; 0 if it is one already, -1 if nothing makes it one of
     * these.
     */
    int remaining(String text) {
        Integer known = remembered.get(text);
        if (known == null) {
            if (remembered.size() > MOST_REMEMBERED) {
                remembered.clear();
            }
            known = find(text);
            remembered.put(text, known);
        }
        return known;
    }

    private int find(String text) {
        if (text.isEmpty() || text.equals("-")) {
            int best = text.isEmpty() ? more(remaining("-")) : -1;
            for (char digit = '0'; digit <= '9'; digit++) {
                best = fewer(best, more(remaining(text + digit)));
            }
            return best;
        }
        boolean negative = text.startsWith("-");
        String digits = negative ? text.substring(1) : text;
        int point = digits.indexOf('.');
        String whole = point < 0 ? digits : digits.substring(0, point);
        if (whole.length() > integerDigits || (whole.length() > 1 && whole.startsWith("0"))) {
            return -1;
        }
        if (point >= 0) {
            int decimals = digits.length() - point - 1;
            return decimals > fractionDigits ? -1 : fraction(new BigDecimal(digits + "0"), decimals, negative, 0);
        }
        int best = exists(new BigDecimal(whole), new BigDecimal(whole), step, negative) ? 0 : -1;
        boolean mayGrow = !whole.equals("0");
        for (int more = 0; more <= (mayGrow ? integerDigits - whole.length() : 0) && best != 0; more++) {
            BigDecimal first = new BigDecimal(whole).movePointRight(more);
            BigDecimal last = first.add(BigDecimal.ONE.movePointRight(more)).subtract(BigDecimal.ONE);
            if (more > 0 && exists(first, last, wholeStep(), negative)) {
                best = fewer(best, more);
            }
            for (int decimals = 1; decimals <= fractionDigits; decimals++) {
                BigDecimal unit = BigDecimal.ONE.movePointLeft(decimals);
                BigDecimal end = last.add(BigDecimal.ONE).subtract(unit);
                if (exists(first, end, leastCommonMultiple(step, unit), negative)) {
                    best = fewer(best, more + 1 + decimals);
                    break;
                }
            }
        }
        return best;
    }

    private BigDecimal wholeStep() {
        return leastCommonMultiple(step, BigDecimal.ONE);
    }

    /** What is missing behind a point and so many decimals. */
    private int fraction(BigDecimal value, int decimals, boolean negative, int from) {
        for (int more = Math.max(from, decimals == 0 ? 1 : 0); decimals + more <= fractionDigits; more++) {
            BigDecimal unit = BigDecimal.ONE.movePointLeft(decimals + more);
            BigDecimal end = value.add(BigDecimal.ONE.movePointLeft(decimals)).subtract(unit);
            if (exists(value, end, leastCommonMultiple(step, unit), negative)) {
                return more;
            }
        }
        return -1;
    }

    /** Whether a multiple of the step lies in both the interval and the range. @param negative the interval is that of the absolute value */
    private boolean exists(BigDecimal first, BigDecimal last, BigDecimal multiple, boolean negative) {
        BigDecimal low = negative ? last.negate() : first;
        BigDecimal high = negative ? first.negate() : last;
        if (negative && high.signum() == 0) {
            // "-0" is 0 to a validator and not to everybody else.
            high = multiple.negate();
        }
        low = low.max(least);
        high = high.min(most);
        if (low.compareTo(high) > 0) {
            return false;
        }
        BigDecimal candidate = low.divide(multiple, 0, RoundingMode.CEILING).multiply(multiple);
        return candidate.compareTo(high) <= 0;
    }

    private static int more(int count) {
        return count < 0 ? -1 : count + 1;
    }

    private static int fewer(int a, int b) {
        return a < 0 ? b : b < 0 ? a : Math.min(a, b);
    }
}
