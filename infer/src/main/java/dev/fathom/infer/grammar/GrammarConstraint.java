package dev.fathom.infer.grammar;

import dev.fathom.infer.TokenConstraint;

/**
 * An answer that a grammar describes. As long as there is room for its shortest text, the answer is complete when it ends, even where the limit
 * of tokens cuts every other answer: near the limit only those tokens may come behind which it can still be completed, a byte per token.
 */
public final class GrammarConstraint implements TokenConstraint {
    /** What documents are written with, all of which must be tokens by themselves, so that every place has a way on. */
    private static final String NEEDED = "{}[]\":,-.0123456789aeflnrstu";

    private final TokenTable table;
    private final Automaton automaton;
    private final int shortest;

    /**
     * @param shape what the answer is
     * @throws SchemaException if nothing fulfils the shape, or the vocabulary cannot write it
     */
    GrammarConstraint(Shape shape, TokenTable table) {
        Shape.measure(shape);
        if (shape.shortest() >= Shape.ENDLESS) {
            throw new SchemaException("", "no finite text fulfils the schema");
        }
        for (char c : NEEDED.toCharArray()) {
            if (!table.has(c)) {
                throw new SchemaException(
                        "", "the vocabulary of this model cannot write JSON: it has no token \"" + c + "\"");
            }
        }
        this.table = table;
        this.automaton = new Automaton(shape);
        this.shortest = shape.shortest();
    }

    /** Tokens that there must be room for, the one that ends the response included. */
    public int leastTokens() {
        return shortest + 1;
    }

    @Override
    public State start() {
        return new Place(automaton.start());
    }

    private final class Place implements State {
        private final Automaton.Node node;

        Place(Automaton.Node node) {
            this.node = node;
        }

        @Override
        public void allow(long[] mask, int remaining) {
            TokenMask all = node.tokens;
            if (all == null) {
                all = table.mask(node, Integer.MAX_VALUE);
                node.tokens = all;
            }
            // Behind this token there is room for all others but the one that ends the response.
            int room = remaining - 2;
            long[] words =
                    all.longest() <= room ? all.words() : table.mask(node, room).words();
            for (int i = 0; i < Math.min(mask.length, words.length); i++) {
                mask[i] |= words[i];
            }
        }

        @Override
        public boolean mayEnd() {
            return node.mayEnd();
        }

        @Override
        public State next(int token) {
            Automaton.Node next = node;
            for (byte b : table.bytes(token)) {
                next = next.next(b & 0xff);
                if (next == null) {
                    throw new IllegalArgumentException("token " + token + " was not allowed here");
                }
            }
            return new Place(next);
        }
    }
}
