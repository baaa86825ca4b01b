package dev.fathom.learn.stage;

import dev.fathom.engine.DType;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Workspace;
import dev.fathom.model.Batch;
import java.util.ArrayList;
import java.util.List;

/**
 * Some of a step's sequences, packed: as many as the caches like at a time. Gradients of all micro-batches of a step add up.
 *
 * @param first index of the first sequence in the step
 * @param sequences the sequences, in order
 * @param batch their rows: every token but each sequence's last
 * @param next I32 {@code [N]}: the token after each row's
 * @param targets I32 {@code [N]}: the same where its prediction counts, else -1
 * @param targetsAhead I32 {@code [N]}: the token after that, for multi-token prediction, or -1
 */
record MicroBatch(
        int first, List<TrainingSequence> sequences, Batch batch, Tensor next, Tensor targets, Tensor targetsAhead) {

    /** Consecutive sequences of at most {@code maxRows} rows together (one longer sequence stands alone). */
    static List<int[]> split(List<TrainingSequence> sequences, int maxRows) {
        List<int[]> ranges = new ArrayList<>();
        int from = 0;
        int rows = 0;
        for (int i = 0; i < sequences.size(); i++) {
            int add = sequences.get(i).rows();
            if (i > from && rows + add > maxRows) {
                ranges.add(new int[] {from, i});
                from = i;
                rows = 0;
            }
            rows += add;
        }
        if (from < sequences.size()) {
            ranges.add(new int[] {from, sequences.size()});
        }
        return ranges;
    }

    static MicroBatch of(List<TrainingSequence> all, int from, int to, Workspace workspace) {
        List<TrainingSequence> sequences = all.subList(from, to);
        List<int[]> inputs = new ArrayList<>(sequences.size());
        for (TrainingSequence sequence : sequences) {
            inputs.add(java.util.Arrays.copyOf(sequence.ids(), sequence.rows()));
        }
        Batch batch = Batch.packed(inputs, workspace);
        Tensor next = workspace.allocate(DType.I32, batch.rows());
        Tensor targets = workspace.allocate(DType.I32, batch.rows());
        Tensor ahead = workspace.allocate(DType.I32, batch.rows());
        int row = 0;
        for (TrainingSequence sequence : sequences) {
            int[] ids = sequence.ids();
            for (int i = 1; i < ids.length; i++, row++) {
                boolean counts = i >= sequence.firstTarget();
                next.setInt(0, row, ids[i]);
                targets.setInt(0, row, counts ? ids[i] : -1);
                ahead.setInt(0, row, i + 1 < ids.length && i + 1 >= sequence.firstTarget() ? ids[i + 1] : -1);
            }
        }
        return new MicroBatch(from, sequences, batch, next, targets, ahead);
    }

    /** Row of the first target of a sequence, given the row it starts at. */
    int firstTargetRow(int sequence) {
        return batch.segments().rowStart()[sequence] + sequences.get(sequence).firstTarget() - 1;
    }
}
