package dev.fathom.infer.grammar;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * All texts of a shape, byte by byte. A node stands for everything that may still be written; nodes are found when they are needed and then
 * kept, so that the second text that comes this way costs one array access per byte. Not safe for use by several threads.
 */
final class Automaton {
    /** When there are more nodes they are forgotten; those in use stay with those who use them. */
    private static final int MOST_NODES = 20_000;

    private final Map<Set<Pending>, Node> nodes = new HashMap<>();
    private final Node start;

    /** @param shape one that was measured */
    Automaton(Shape shape) {
        start = node(Set.of(Pending.NONE.behind(new Frame.Value(shape))));
    }

    /** Before the first byte. */
    Node start() {
        return start;
    }

    private Node node(Set<Pending> pending) {
        if (nodes.size() > MOST_NODES) {
            nodes.clear();
        }
        return nodes.computeIfAbsent(pending, Node::new);
    }

    /** A place in a text. */
    final class Node {
        private final Set<Pending> pending;
        private final int shortest;
        private final boolean mayEnd;
        private final @Nullable Node[] next = new Node[256];
        private final boolean[] known = new boolean[256];

        /** The tokens that may come here, once somebody asked. */
        @Nullable
        TokenMask tokens;

        private Node(Set<Pending> pending) {
            this.pending = pending;
            this.shortest = pending.stream().mapToInt(Pending::shortest).min().orElse(Shape.ENDLESS);
            this.mayEnd = pending.stream().anyMatch(Pending::mayEnd);
        }

        /** Bytes of the shortest way to the end. */
        int shortest() {
            return shortest;
        }

        /** Whether the text may end here. */
        boolean mayEnd() {
            return mayEnd;
        }

        /** The place behind a byte, null if it cannot come. */
        @Nullable
        Node next(int b) {
            if (!known[b]) {
                Set<Pending> behind = new HashSet<>();
                for (Pending each : pending) {
                    each.step(b, behind::add);
                }
                behind.removeIf(each -> each.shortest() >= Shape.ENDLESS);
                next[b] = behind.isEmpty() ? null : node(Set.copyOf(behind));
                known[b] = true;
            }
            return next[b];
        }
    }
}
