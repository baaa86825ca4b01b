package dev.fathom.infer.grammar;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * What may be written in a place. Shapes may contain themselves, by way of {@link Choice}s that are filled later; so they are compared by
 * identity, and how long the shortest text of each is ({@link #shortest}) is found when all are there.
 */
abstract sealed class Shape {
    /** No text is this long. */
    static final int ENDLESS = 1 << 28;

    private int shortest = ENDLESS;

    /** Bytes of the shortest text, {@link #ENDLESS} if there is none. */
    final int shortest() {
        return shortest;
    }

    /** What this shape consists of. */
    abstract List<Shape> parts();

    /** The length of the shortest text as far as those of the parts are known. */
    abstract int measure();

    /** Finds the shortest texts of a shape and of all it consists of. */
    static void measure(Shape root) {
        List<Shape> all = new ArrayList<>();
        collect(root, all, java.util.Collections.newSetFromMap(new java.util.IdentityHashMap<>()));
        boolean changed = true;
        while (changed) {
            changed = false;
            for (Shape shape : all.reversed()) {
                int length = Math.min(ENDLESS, shape.measure());
                changed |= length < shape.shortest;
                shape.shortest = Math.min(shape.shortest, length);
            }
        }
    }

    private static void collect(Shape shape, List<Shape> all, Set<Shape> seen) {
        if (seen.add(shape)) {
            all.add(shape);
            shape.parts().forEach(part -> collect(part, all, seen));
        }
    }

    private static int sum(List<Shape> shapes) {
        long sum = 0;
        for (Shape shape : shapes) {
            sum += shape.shortest;
        }
        return (int) Math.min(sum, ENDLESS);
    }

    /** These bytes and no others. */
    static final class Literal extends Shape {
        final byte[] text;

        Literal(byte[] text) {
            this.text = text;
        }

        static Literal of(String text) {
            return new Literal(text.getBytes(StandardCharsets.UTF_8));
        }

        @Override
        List<Shape> parts() {
            return List.of();
        }

        @Override
        int measure() {
            return text.length;
        }
    }

    /** One of several; filled when they are known. */
    static final class Choice extends Shape {
        final List<Shape> alternatives = new ArrayList<>();

        static Choice of(List<? extends Shape> alternatives) {
            Choice choice = new Choice();
            choice.alternatives.addAll(alternatives);
            return choice;
        }

        @Override
        List<Shape> parts() {
            return alternatives;
        }

        @Override
        int measure() {
            return alternatives.stream().mapToInt(Shape::shortest).min().orElse(ENDLESS);
        }
    }

    /** One after another. */
    static final class Sequence extends Shape {
        final List<Shape> parts;

        Sequence(Shape... parts) {
            this.parts = List.of(parts);
        }

        @Override
        List<Shape> parts() {
            return parts;
        }

        @Override
        int measure() {
            return sum(parts);
        }
    }

    /** A string of so many characters. */
    static final class Text extends Shape {
        final int least;
        final int most;

        Text(int least, int most) {
            this.least = least;
            this.most = most;
        }

        @Override
        List<Shape> parts() {
            return List.of();
        }

        @Override
        int measure() {
            return least <= most ? 2 + least : ENDLESS;
        }
    }

    /** A string that a pattern describes. */
    static final class Matching extends Shape {
        final TextPattern pattern;

        Matching(TextPattern pattern) {
            this.pattern = pattern;
        }

        @Override
        List<Shape> parts() {
            return List.of();
        }

        @Override
        int measure() {
            return 2 + pattern.shortest(pattern.start());
        }
    }

    /** A number. */
    static final class Number extends Shape {
        final NumberRange range;

        Number(NumberRange range) {
            this.range = range;
        }

        @Override
        List<Shape> parts() {
            return List.of();
        }

        @Override
        int measure() {
            int length = range.remaining("");
            return length < 0 ? ENDLESS : length;
        }
    }

    /** An array. */
    static final class Array extends Shape {
        final List<Shape> first;
        final @Nullable Shape others;
        final int least;
        final int most;

        /**
         * @param first the shapes of the first items
         * @param others of all further ones, null if there may be none
         */
        Array(List<Shape> first, @Nullable Shape others, int least, int most) {
            this.first = first;
            this.others = others;
            this.least = least;
            this.most = others == null ? Math.min(most, first.size()) : most;
        }

        /** The shape of an item below {@link #most}. */
        Shape item(int index) {
            if (index < first.size()) {
                return first.get(index);
            }
            if (others == null) {
                throw new IndexOutOfBoundsException(index);
            }
            return others;
        }

        @Override
        List<Shape> parts() {
            List<Shape> parts = new ArrayList<>(first);
            if (others != null) {
                parts.add(others);
            }
            return parts;
        }

        @Override
        int measure() {
            return least <= most ? 1 + rest(0) : ENDLESS;
        }

        /** Bytes from behind so many items to the end, with the comma that comes next. */
        int rest(int count) {
            long bytes = 1;
            for (int i = count; i < least; i++) {
                bytes += item(i).shortest() + (i > 0 ? 1 : 0);
            }
            return (int) Math.min(bytes, ENDLESS);
        }
    }

    /**
     * A property of an object.
     *
     * @param key its name as JSON writes it, without the opening and with the closing quote
     */
    record Member(String name, byte[] key, Shape shape, boolean required) {}

    /** An object: its members in their order, then additional ones. */
    static final class Dictionary extends Shape {
        final List<Member> members;
        final @Nullable Shape additional;
        final Set<String> names;

        /** @param additional what other members may be, null if there may be none */
        Dictionary(List<Member> members, @Nullable Shape additional) {
            this.members = members;
            this.additional = additional;
            this.names = members.stream().map(Member::name).collect(Collectors.toUnmodifiableSet());
        }

        @Override
        List<Shape> parts() {
            List<Shape> parts = new ArrayList<>();
            members.forEach(member -> parts.add(member.shape));
            if (additional != null) {
                parts.add(additional);
            }
            return parts;
        }

        @Override
        int measure() {
            return 1 + rest(0, true);
        }

        /** Bytes from before a member to the end. @param first whether no member was written yet */
        int rest(int next, boolean first) {
            long bytes = 1;
            boolean comma = !first;
            for (Member member : members.subList(next, members.size())) {
                if (member.required) {
                    bytes += (comma ? 1 : 0) + 1 + member.key.length + 1 + member.shape.shortest();
                    comma = true;
                }
            }
            return (int) Math.min(bytes, ENDLESS);
        }

        boolean mayEnd(int next) {
            return members.subList(next, members.size()).stream().noneMatch(Member::required);
        }
    }

    /** Any JSON value. */
    static Shape any() {
        Choice any = new Choice();
        any.alternatives.addAll(List.of(
                new Text(0, Integer.MAX_VALUE),
                new Number(NumberRange.ANY),
                Literal.of("true"),
                Literal.of("false"),
                Literal.of("null"),
                new Array(List.of(), any, 0, Integer.MAX_VALUE),
                new Dictionary(List.of(), any)));
        return any;
    }
}
