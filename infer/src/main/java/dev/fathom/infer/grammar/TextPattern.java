package dev.fathom.infer.grammar;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The strings that a regular expression describes, as an automaton that has no dead ends. Characters are those of ASCII: the language is a part
 * of the expression's, which is all a constraint needs.
 *
 * <p>States of the automaton are sets of places in the expression (Thompson's construction), made as they are needed.
 */
final class TextPattern {
    /** More places than this and the expression is refused. */
    static final int MOST_PLACES = 5_000;

    private static final int MOST_STATES = 20_000;
    private static final int CHARACTERS = 128;

    /** One character leads from one place to another. */
    private record Step(BitSet characters, int to) {}

    private final List<List<Step>> steps = new ArrayList<>();
    private final List<List<Integer>> skips = new ArrayList<>();
    private int last;

    /** Bytes to the end from each place. */
    private int[] distance = new int[0];

    private final List<BitSet> states = new ArrayList<>();
    private final Map<BitSet, Integer> numbers = new HashMap<>();
    private final List<int[]> next = new ArrayList<>();
    private int start;

    private TextPattern() {}

    /** Builds the places of an expression: {@link PatternParser} calls this from the inside out. */
    static final class Builder {
        private final TextPattern pattern = new TextPattern();

        /** A new place. */
        int place() {
            if (pattern.steps.size() >= MOST_PLACES) {
                throw new SchemaException("", "the pattern is too large");
            }
            pattern.steps.add(new ArrayList<>());
            pattern.skips.add(new ArrayList<>());
            return pattern.steps.size() - 1;
        }

        /** One of the characters leads from one place to the other. */
        void step(int from, BitSet characters, int to) {
            pattern.steps.get(from).add(new Step(characters, to));
        }

        /** Nothing leads from one place to the other. */
        void skip(int from, int to) {
            pattern.skips.get(from).add(to);
        }

        /** @throws SchemaException if no text matches */
        TextPattern build(int first, int last) {
            pattern.last = last;
            pattern.measure();
            if (pattern.distance[first] >= Shape.ENDLESS) {
                throw new SchemaException("", "no text of ASCII characters matches the pattern");
            }
            BitSet set = new BitSet();
            set.set(first);
            pattern.start = pattern.number(pattern.closure(set));
            return pattern;
        }
    }

    /** How many bytes a character takes in a JSON string. */
    static int width(int character) {
        return character == '"' || character == '\\' || character < ' ' ? 2 : 1;
    }

    private void measure() {
        distance = new int[steps.size()];
        java.util.Arrays.fill(distance, Shape.ENDLESS);
        distance[last] = 0;
        boolean changed = true;
        while (changed) {
            changed = false;
            for (int place = steps.size() - 1; place >= 0; place--) {
                int best = distance[place];
                for (Step step : steps.get(place)) {
                    int width = step.characters.stream()
                            .map(TextPattern::width)
                            .min()
                            .orElse(Shape.ENDLESS);
                    best = Math.min(best, distance[step.to] + width);
                }
                for (int to : skips.get(place)) {
                    best = Math.min(best, distance[to]);
                }
                changed |= best < distance[place];
                distance[place] = best;
            }
        }
    }

    private BitSet closure(BitSet places) {
        BitSet all = new BitSet();
        List<Integer> open = new ArrayList<>(places.stream().boxed().toList());
        while (!open.isEmpty()) {
            int place = open.removeLast();
            // A place from which there is no way to the end is none.
            if (distance[place] < Shape.ENDLESS && !all.get(place)) {
                all.set(place);
                open.addAll(skips.get(place));
            }
        }
        return all;
    }

    private int number(BitSet set) {
        Integer known = numbers.get(set);
        if (known != null) {
            return known;
        }
        if (states.size() >= MOST_STATES) {
            throw new IllegalStateException("the automaton of a pattern has more than " + MOST_STATES + " states");
        }
        int[] unknown = new int[CHARACTERS];
        java.util.Arrays.fill(unknown, Integer.MIN_VALUE);
        states.add(set);
        next.add(unknown);
        numbers.put(set, states.size() - 1);
        return states.size() - 1;
    }

    /** The state before the first character. */
    int start() {
        return start;
    }

    /** The state after a character, -1 if it cannot come here. */
    int next(int state, int character) {
        if (character >= CHARACTERS) {
            return -1;
        }
        int[] known = next.get(state);
        if (known[character] == Integer.MIN_VALUE) {
            BitSet to = new BitSet();
            states.get(state).stream()
                    .forEach(place -> steps.get(place).stream()
                            .filter(step -> step.characters.get(character))
                            .forEach(step -> to.set(step.to)));
            BitSet closed = closure(to);
            known[character] = closed.isEmpty() ? -1 : number(closed);
        }
        return known[character];
    }

    /** Whether the text may end here. */
    boolean mayEnd(int state) {
        return states.get(state).get(last);
    }

    /** Bytes to the nearest end. */
    int shortest(int state) {
        return states.get(state).stream().map(place -> distance[place]).min().orElse(Shape.ENDLESS);
    }
}
