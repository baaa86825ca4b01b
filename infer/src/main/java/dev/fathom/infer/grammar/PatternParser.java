package dev.fathom.infer.grammar;

import java.util.BitSet;

/**
 * Reads regular expressions as JSON schemas have them (ECMA-262): characters, classes, groups, alternatives, counts, and the anchors at the
 * two ends. Look-around and references back are refused: no automaton does them.
 */
final class PatternParser {
    private static final int MOST_REPEATS = 1_000;
    private static final BitSet ANY = range(' ', '~');

    private final String source;
    private final TextPattern.Builder places = new TextPattern.Builder();
    private int at;

    private PatternParser(String source) {
        this.source = source;
    }

    /**
     * @param source an expression that is searched for, as {@code pattern} of JSON schema is: without anchors it may be anywhere in the text
     * @throws SchemaException saying what is not supported
     */
    static TextPattern parse(String source) {
        return new PatternParser(source).parse();
    }

    /** A part of the expression, between two places. */
    private record Part(int first, int last) {}

    private TextPattern parse() {
        int first = places.place();
        int last = places.place();
        do {
            boolean anchored = accept("^");
            Part part = sequence(false);
            boolean closed = accept("$");
            if (!anchored) {
                part = anything(part, true);
            }
            if (!closed) {
                part = anything(part, false);
            }
            places.skip(first, part.first);
            places.skip(part.last, last);
        } while (accept("|"));
        if (at < source.length()) {
            throw unsupported("\"" + source.charAt(at) + "\" at " + at);
        }
        return places.build(first, last);
    }

    private Part anything(Part part, boolean before) {
        int loop = places.place();
        places.step(loop, ANY, loop);
        if (before) {
            places.skip(loop, part.first);
            return new Part(loop, part.last);
        }
        places.skip(part.last, loop);
        return new Part(part.first, loop);
    }

    private Part alternatives() {
        int first = places.place();
        int last = places.place();
        do {
            Part part = sequence(true);
            places.skip(first, part.first);
            places.skip(part.last, last);
        } while (accept("|"));
        return new Part(first, last);
    }

    private Part sequence(boolean inGroup) {
        int first = places.place();
        int end = first;
        while (at < source.length() && "|)".indexOf(source.charAt(at)) < 0 && (inGroup || !atAnchor())) {
            int begin = at;
            Part part = counted(atom(), begin);
            places.skip(end, part.first);
            end = part.last;
        }
        return new Part(first, end);
    }

    private boolean atAnchor() {
        return source.charAt(at) == '$' && (at + 1 == source.length() || source.charAt(at + 1) == '|');
    }

    /** @param begin where the atom begins in the source: repeating it means reading it again */
    private Part counted(Part atom, int begin) {
        int end = at;
        int least;
        int most;
        if (accept("*")) {
            least = 0;
            most = -1;
        } else if (accept("+")) {
            least = 1;
            most = -1;
        } else if (accept("?")) {
            least = 0;
            most = 1;
        } else if (at < source.length() && source.charAt(at) == '{') {
            int close = source.indexOf('}', at);
            String[] bounds =
                    close < 0 ? new String[0] : source.substring(at + 1, close).split(",", -1);
            try {
                least = Integer.parseInt(bounds[0]);
                most = bounds.length == 1 ? least : bounds[1].isEmpty() ? -1 : Integer.parseInt(bounds[1]);
            } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
                throw unsupported("the count at " + at);
            }
            at = close + 1;
        } else {
            return atom;
        }
        accept("?"); // Fewest first: the same texts match.
        if (least > MOST_REPEATS || most > MOST_REPEATS || (most >= 0 && most < least)) {
            throw unsupported("the count at " + end);
        }
        int after = at;
        int first = places.place();
        int here = first;
        Part next = atom;
        boolean used = false;
        int finish = places.place();
        for (int i = 0; i < Math.max(least, most); i++) {
            if (used) {
                at = begin;
                next = atom();
            }
            used = true;
            if (i >= least) {
                places.skip(here, finish);
            }
            places.skip(here, next.first);
            here = next.last;
        }
        if (most < 0) {
            if (used) {
                at = begin;
                next = atom();
            }
            int loop = places.place();
            places.skip(here, loop);
            places.skip(loop, next.first);
            places.skip(next.last, loop);
            here = loop;
        }
        places.skip(here, finish);
        at = after;
        return new Part(first, finish);
    }

    private Part atom() {
        char c = source.charAt(at++);
        return switch (c) {
            case '(' -> {
                if (accept("?") && !accept(":")) {
                    throw unsupported("the group at " + (at - 2));
                }
                Part part = alternatives();
                if (!accept(")")) {
                    throw unsupported("a group without an end");
                }
                yield part;
            }
            case '[' -> one(characterClass());
            case '.' -> one(ANY);
            case '\\' -> one(escape());
            case '^', '$', '*', '+', '?', '{' -> throw unsupported("\"" + c + "\" at " + (at - 1));
            default -> one(only(c));
        };
    }

    private Part one(BitSet characters) {
        int first = places.place();
        int last = places.place();
        places.step(first, characters, last);
        return new Part(first, last);
    }

    private BitSet characterClass() {
        boolean not = accept("^");
        BitSet set = new BitSet();
        while (!accept("]")) {
            if (at >= source.length()) {
                throw unsupported("a class without an end");
            }
            BitSet item = classItem();
            if (at + 1 < source.length() && source.charAt(at) == '-' && source.charAt(at + 1) != ']') {
                at++;
                BitSet end = classItem();
                if (item.cardinality() != 1 || end.cardinality() != 1 || end.length() < item.length()) {
                    throw unsupported("the range that ends at " + at);
                }
                item = range(item.length() - 1, end.length() - 1);
            }
            set.or(item);
        }
        if (not) {
            BitSet others = (BitSet) ANY.clone();
            others.andNot(set);
            return others;
        }
        return set;
    }

    private BitSet classItem() {
        char c = source.charAt(at++);
        return c == '\\' ? escape() : only(c);
    }

    private BitSet escape() {
        if (at >= source.length()) {
            throw unsupported("\"\\\" at the end");
        }
        char c = source.charAt(at++);
        return switch (c) {
            case 'd' -> range('0', '9');
            case 'D' -> not(range('0', '9'));
            case 'w' -> word();
            case 'W' -> not(word());
            case 's' -> space();
            case 'S' -> not(space());
            case 'n' -> only('\n');
            case 't' -> only('\t');
            case 'r' -> only('\r');
            case 'f' -> only('\f');
            case 'x' -> code(2);
            case 'u' -> code(4);
            default -> {
                if (Character.isLetterOrDigit(c)) {
                    throw unsupported("\"\\" + c + "\"");
                }
                yield only(c);
            }
        };
    }

    private BitSet code(int digits) {
        try {
            char c = (char) Integer.parseInt(source.substring(at, at + digits), 16);
            at += digits;
            return only(c);
        } catch (NumberFormatException | IndexOutOfBoundsException e) {
            throw unsupported("the code at " + at);
        }
    }

    private BitSet only(char c) {
        BitSet set = new BitSet();
        // Beyond ASCII nothing is written, which is not the same as nothing being allowed: the set stays empty.
        if (c < 0x7f && (c >= ' ' || "\n\t\r\f".indexOf(c) >= 0)) {
            set.set(c);
        }
        return set;
    }

    private static BitSet range(int from, int to) {
        BitSet set = new BitSet();
        set.set(Math.min(from, 0x7f), Math.min(to + 1, 0x7f));
        return set;
    }

    private static BitSet word() {
        BitSet set = range('0', '9');
        set.or(range('A', 'Z'));
        set.or(range('a', 'z'));
        set.set('_');
        return set;
    }

    private static BitSet space() {
        BitSet set = new BitSet();
        " \t\n\r\f".chars().forEach(set::set);
        return set;
    }

    private static BitSet not(BitSet set) {
        BitSet others = (BitSet) ANY.clone();
        others.andNot(set);
        return others;
    }

    private boolean accept(String text) {
        boolean found = source.startsWith(text, at);
        at += found ? text.length() : 0;
        return found;
    }

    private static SchemaException unsupported(String what) {
        return new SchemaException("", "patterns with " + what + " are not supported");
    }
}
