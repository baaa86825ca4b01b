package dev.fathom.infer.grammar;

import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** A place inside a shape, the innermost of those that a text is in; what lies around it is in {@link Pending}. */
sealed interface Frame {
    /** Most spaces behind a line break. */
    int INDENT = 32;

    /** Longest name of an additional member. */
    int LONGEST_KEY = 64;

    /** Bytes of the shortest text from here to the end of this frame. */
    int shortest();

    /** Whether nothing more is needed. */
    default boolean mayEnd() {
        return false;
    }

    /**
     * Takes a byte.
     *
     * @param rest what comes behind this frame
     * @param to hears what is left afterwards, once for each way to read the byte
     */
    void step(int b, Pending rest, Consumer<Pending> to);

    /** All is written. */
    record End() implements Frame {
        @Override
        public int shortest() {
            return 0;
        }

        @Override
        public boolean mayEnd() {
            return true;
        }

        @Override
        public void step(int b, Pending rest, Consumer<Pending> to) {
            // Nothing comes behind the end.
        }
    }

    /** In the middle of fixed bytes. */
    record Fixed(byte[] text, int at) implements Frame {
        @Override
        public int shortest() {
            return text.length - at;
        }

        @Override
        public void step(int b, Pending rest, Consumer<Pending> to) {
            if ((text[at] & 0xff) == b) {
                to.accept(at + 1 == text.length ? rest : rest.behind(new Fixed(text, at + 1)));
            }
        }
    }

    /** Before a shape. */
    record Value(Shape shape) implements Frame {
        @Override
        public int shortest() {
            return shape.shortest();
        }

        @Override
        public void step(int b, Pending rest, Consumer<Pending> to) {
            switch (shape) {
                case Shape.Literal literal -> new Fixed(literal.text, 0).step(b, rest, to);
                case Shape.Choice choice -> {
                    for (Shape alternative : choice.alternatives) {
                        new Value(alternative).step(b, rest, to);
                    }
                }
                case Shape.Sequence sequence -> {
                    Pending all = rest;
                    for (Shape part : sequence.parts.reversed()) {
                        all = all.behind(new Value(part));
                    }
                    all.step(b, to);
                }
                case Shape.Text text -> {
                    if (b == '"') {
                        to.accept(rest.behind(new InText(text.least, text.most, Utf8.COMPLETE)));
                    }
                }
                case Shape.Matching matching -> {
                    if (b == '"') {
                        to.accept(rest.behind(new InPattern(matching.pattern, matching.pattern.start(), false)));
                    }
                }
                case Shape.Number number -> new InNumber(number.range, "").step(b, rest, to);
                case Shape.Array array -> {
                    if (b == '[') {
                        to.accept(rest.behind(new InArray(array, 0)).behind(Spaces.ANY));
                    }
                }
                case Shape.Dictionary object -> {
                    if (b == '{') {
                        to.accept(rest.behind(new InObject(object, 0, InObject.Phase.OPEN, List.of()))
                                .behind(Spaces.ANY));
                    }
                }
            }
        }
    }

    /** White space between the parts of a document: nothing, a space, or a line break with what it is indented by. */
    record Spaces(int more, boolean lineBreak) implements Frame {
        static final Spaces ANY = new Spaces(1, true);

        @Override
        public int shortest() {
            return 0;
        }

        @Override
        public boolean mayEnd() {
            return true;
        }

        @Override
        public void step(int b, Pending rest, Consumer<Pending> to) {
            if (b == ' ' && more > 0) {
                to.accept(more == 1 ? rest : rest.behind(new Spaces(more - 1, false)));
            } else if (b == '\n' && lineBreak) {
                to.accept(rest.behind(new Spaces(INDENT, false)));
            }
            rest.step(b, to);
        }
    }

    /**
     * In a string.
     *
     * @param least characters that are still missing
     * @param most characters that may still come
     * @param utf8 what the last character is waiting for
     */
    record InText(int least, int most, Utf8 utf8) implements Frame {
        @Override
        public int shortest() {
            return least + utf8.missing() + 1;
        }

        @Override
        public void step(int b, Pending rest, Consumer<Pending> to) {
            if (utf8 == Utf8.COMPLETE && b == '"') {
                if (least == 0) {
                    to.accept(rest);
                }
                return;
            }
            Utf8 next = utf8.next(b);
            if (next == null) {
                return;
            }
            boolean begins = utf8 == Utf8.COMPLETE;
            if (begins && most == 0) {
                return;
            }
            boolean counts = most < Integer.MAX_VALUE;
            to.accept(rest.behind(
                    new InText(begins ? Math.max(0, least - 1) : least, begins && counts ? most - 1 : most, next)));
        }
    }

    /** In a string that a pattern describes. @param escaped behind a backslash */
    record InPattern(TextPattern pattern, int state, boolean escaped) implements Frame {
        private static final String ESCAPES = "\"\\ntrf";
        private static final String CHARACTERS = "\"\\\n\t\r\f";

        @Override
        public int shortest() {
            if (!escaped) {
                return pattern.shortest(state) + 1;
            }
            int best = Shape.ENDLESS;
            for (int i = 0; i < CHARACTERS.length(); i++) {
                int next = pattern.next(state, CHARACTERS.charAt(i));
                best = next < 0 ? best : Math.min(best, 1 + pattern.shortest(next) + 1);
            }
            return best;
        }

        @Override
        public void step(int b, Pending rest, Consumer<Pending> to) {
            if (!escaped && b == '"') {
                if (pattern.mayEnd(state)) {
                    to.accept(rest);
                }
            } else if (!escaped && b == '\\') {
                InPattern behind = new InPattern(pattern, state, true);
                if (behind.shortest() < Shape.ENDLESS) {
                    to.accept(rest.behind(behind));
                }
            } else {
                int escape = escaped ? ESCAPES.indexOf(b) : -1;
                int character = escaped ? (escape < 0 ? -1 : CHARACTERS.charAt(escape)) : b < ' ' ? -1 : b;
                int next = character < 0 ? -1 : pattern.next(state, character);
                if (next >= 0) {
                    to.accept(rest.behind(new InPattern(pattern, next, false)));
                }
            }
        }
    }

    /** In a number. */
    record InNumber(NumberRange range, String text) implements Frame {
        @Override
        public int shortest() {
            int remaining = range.remaining(text);
            return remaining < 0 ? Shape.ENDLESS : remaining;
        }

        @Override
        public boolean mayEnd() {
            return range.remaining(text) == 0;
        }

        @Override
        public void step(int b, Pending rest, Consumer<Pending> to) {
            boolean continues = (b >= '0' && b <= '9')
                    || (b == '-' && text.isEmpty())
                    || (b == '.' && !text.isEmpty() && !text.equals("-") && text.indexOf('.') < 0);
            if (continues) {
                InNumber next = new InNumber(range, text + (char) b);
                if (next.shortest() < Shape.ENDLESS) {
                    to.accept(rest.behind(next));
                }
            } else if (mayEnd()) {
                rest.step(b, to);
            }
        }
    }

    /** In an array, behind so many items and the space behind them. */
    record InArray(Shape.Array array, int count) implements Frame {
        @Override
        public int shortest() {
            return array.rest(count);
        }

        @Override
        public void step(int b, Pending rest, Consumer<Pending> to) {
            if (b == ']') {
                if (count >= array.least) {
                    to.accept(rest);
                }
                return;
            }
            if (count >= array.most) {
                return;
            }
            Pending behindItem = rest.behind(new InArray(array, next())).behind(Spaces.ANY);
            if (count == 0) {
                behindItem.behind(new Value(array.item(0))).step(b, to);
            } else if (b == ',') {
                to.accept(behindItem.behind(new Value(array.item(count))).behind(Spaces.ANY));
            }
        }

        /** Items are counted as long as it matters how many there are. */
        private int next() {
            boolean matters = count < array.least || count < array.first.size() || array.most < Integer.MAX_VALUE;
            return matters || count == 0 ? count + 1 : count;
        }
    }

    /**
     * In an object.
     *
     * @param next the first member that may still come
     * @param names of the additional members that are there
     */
    record InObject(Shape.Dictionary object, int next, Phase phase, List<String> names) implements Frame {
        /** Behind the opening brace, behind a member, behind a comma. */
        enum Phase {
            OPEN,
            MEMBER,
            COMMA
        }

        @Override
        public int shortest() {
            if (phase != Phase.COMMA) {
                return object.rest(next, phase == Phase.OPEN);
            }
            int rest = object.rest(next, true);
            return object.mayEnd(next) ? shortestMember() + 1 : rest;
        }

        /** Bytes of the shortest member that may come, without a comma. */
        private int shortestMember() {
            int best = Shape.ENDLESS;
            for (Shape.Member member : object.members.subList(next, object.members.size())) {
                best = Math.min(
                        best, 1 + member.key().length + 1 + member.shape().shortest());
            }
            if (object.additional != null) {
                best = Math.min(best, 1 + new InKey(object, names, "").shortest() - 1);
            }
            return best;
        }

        @Override
        public void step(int b, Pending rest, Consumer<Pending> to) {
            if (b == '}' && phase != Phase.COMMA && object.mayEnd(next)) {
                to.accept(rest);
            } else if (b == ',' && phase == Phase.MEMBER) {
                InObject behind = new InObject(object, next, Phase.COMMA, names);
                if (behind.shortest() < Shape.ENDLESS) {
                    to.accept(rest.behind(behind).behind(Spaces.ANY));
                }
            } else if (b == '"' && phase != Phase.MEMBER) {
                key(rest, to);
            }
        }

        private void key(Pending rest, Consumer<Pending> to) {
            for (int i = next; i < object.members.size(); i++) {
                Shape.Member member = object.members.get(i);
                to.accept(rest.behind(new InObject(object, i + 1, Phase.MEMBER, names))
                        .behind(Spaces.ANY)
                        .behind(new Value(member.shape()))
                        .behind(Spaces.ANY)
                        .behind(new Fixed(COLON, 0))
                        .behind(new Fixed(member.key(), 0)));
                if (member.required()) {
                    return;
                }
            }
            if (object.additional != null) {
                to.accept(rest.behind(new InKey(object, names, "")));
            }
        }
    }

    /** Between key and value. */
    byte[] COLON = {':'};

    /** In the name of an additional member: any that no other member has. */
    record InKey(Shape.Dictionary object, List<String> names, String text) implements Frame {
        /** The rest of the name, the colon, the value and the brace behind it. */
        @Override
        public int shortest() {
            int longer = 0;
            while (isTaken(text + "x".repeat(longer))) {
                longer++;
            }
            return longer + 1 + 1 + valueAndRest();
        }

        private int valueAndRest() {
            Shape additional = object.additional;
            return (additional == null ? Shape.ENDLESS : additional.shortest()) + 1;
        }

        private boolean isTaken(String name) {
            return name.isEmpty() || object.names.contains(name) || names.contains(name);
        }

        @Override
        public void step(int b, Pending rest, Consumer<Pending> to) {
            Shape additional = object.additional;
            if (b == '"') {
                if (!isTaken(text) && additional != null) {
                    List<String> all = new java.util.ArrayList<>(names);
                    all.add(text);
                    to.accept(rest.behind(new InObject(
                                    object, object.members.size(), InObject.Phase.MEMBER, List.copyOf(all)))
                            .behind(Spaces.ANY)
                            .behind(new Value(additional))
                            .behind(Spaces.ANY)
                            .behind(new Fixed(COLON, 0)));
                }
            } else if (b >= ' ' && b < 0x7f && b != '\\' && (text.length() < LONGEST_KEY || isTaken(text))) {
                to.accept(rest.behind(new InKey(object, names, text + (char) b)));
            }
        }
    }

    /** What a byte within a string is waiting for: the other bytes of a character, or of an escape. */
    enum Utf8 {
        COMPLETE(0),
        ONE(1),
        TWO(2),
        THREE(3),
        /** Behind E0: no overlong character. */
        TWO_HIGH(2),
        /** Behind ED: no surrogate. */
        TWO_LOW(2),
        /** Behind F0: no overlong character. */
        THREE_HIGH(3),
        /** Behind F4: nothing beyond U+10FFFF. */
        THREE_LOW(3),
        ESCAPE(1),
        HEX_1(1),
        HEX_2(2),
        HEX_3(3),
        HEX_4(4),
        /** Behind \\uD: no surrogate. */
        HEX_3_LOW(3);

        private final int missing;

        Utf8(int missing) {
            this.missing = missing;
        }

        /** Bytes to the end of the character. */
        int missing() {
            return missing;
        }

        /** What comes behind this byte, null if it cannot come. */
        @Nullable
        Utf8 next(int b) {
            return switch (this) {
                case COMPLETE -> first(b);
                case ONE -> between(b, 0x80, 0xbf, COMPLETE);
                case TWO -> between(b, 0x80, 0xbf, ONE);
                case THREE -> between(b, 0x80, 0xbf, TWO);
                case TWO_HIGH -> between(b, 0xa0, 0xbf, ONE);
                case TWO_LOW -> between(b, 0x80, 0x9f, ONE);
                case THREE_HIGH -> between(b, 0x90, 0xbf, TWO);
                case THREE_LOW -> between(b, 0x80, 0x8f, TWO);
                case ESCAPE -> b == 'u' ? HEX_4 : "\"\\/bfnrt".indexOf(b) >= 0 ? COMPLETE : null;
                case HEX_4 -> b == 'd' || b == 'D' ? HEX_3_LOW : hex(b, HEX_3);
                case HEX_3 -> hex(b, HEX_2);
                case HEX_3_LOW -> b >= '0' && b <= '7' ? HEX_2 : null;
                case HEX_2 -> hex(b, HEX_1);
                case HEX_1 -> hex(b, COMPLETE);
            };
        }

        private static @Nullable Utf8 first(int b) {
            if (b < 0x80) {
                return b < ' ' || b == '"' ? null : b == '\\' ? ESCAPE : COMPLETE;
            }
            return switch (b) {
                case 0xe0 -> TWO_HIGH;
                case 0xed -> TWO_LOW;
                case 0xf0 -> THREE_HIGH;
                case 0xf4 -> THREE_LOW;
                default -> b < 0xc2 ? null : b < 0xe0 ? ONE : b < 0xf0 ? TWO : b < 0xf4 ? THREE : null;
            };
        }

        private static @Nullable Utf8 between(int b, int least, int most, Utf8 next) {
            return b >= least && b <= most ? next : null;
        }

        private static @Nullable Utf8 hex(int b, Utf8 next) {
            return Character.digit(b, 16) >= 0 && b < 0x80 ? next : null;
        }
    }
}
