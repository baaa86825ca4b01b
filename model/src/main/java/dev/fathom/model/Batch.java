package dev.fathom.model;

import dev.fathom.engine.DType;
import dev.fathom.engine.Segments;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Workspace;
import java.util.List;

/**
 * Token rows of several sequences packed one after another, without padding.
 *
 * @param ids I32 {@code [N]}
 * @param positions I32 {@code [N]}, each row's place in its own sequence
 * @param segments which rows belong to which sequence, and where its keys and values lie
 * @param generated per segment: true for rows after the prompt, generated or drafted, which come one or a few at a time; false for rows of prompts
 *     and of training. Where a sum can be taken in two ways (multi-head latent attention of a released model) this and a row's position decide, and nothing else
 *     about the batch does
 */
public record Batch(Tensor ids, Tensor positions, Segments segments, boolean[] generated) {

    /** Whole sequences from position 0, each attending to itself only. */
    public static Batch packed(List<int[]> sequences, Workspace workspace) {
        int[] lengths = sequences.stream().mapToInt(sequence -> sequence.length).toArray();
        Segments segments = Segments.packed(lengths);
        return of(sequences, segments, new boolean[lengths.length], workspace);
    }

    /** Continuations: the tokens of segment s stand at {@code segments.position()[s]} and after. */
    public static Batch of(List<int[]> tokens, Segments segments, boolean[] generated, Workspace workspace) {
        Tensor ids = workspace.allocate(DType.I32, segments.rows());
        Tensor positions = workspace.allocate(DType.I32, segments.rows());
        for (int s = 0; s < segments.count(); s++) {
            int[] sequence = tokens.get(s);
            int start = segments.rowStart()[s];
            for (int i = 0; i < sequence.length; i++) {
                ids.setInt(0, start + i, sequence[i]);
                positions.setInt(0, start + i, segments.position()[s] + i);
            }
        }
        return new Batch(ids, positions, segments, generated);
    }

    /** Number of token rows. */
    public int rows() {
        return segments.rows();
    }
}
