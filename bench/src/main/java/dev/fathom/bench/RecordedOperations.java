package dev.fathom.bench;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The operations that a real step of a workload makes, with their live operands, ready to be made again one by one: every kernel there is gets
 * measured at the sizes that count, and no list has to be kept in step by hand.
 *
 * <p>Making a call again changes numbers (gradients add up, RoPE turns on, memory has been used again), not how long it takes; integers, which say where
 * to read, are kept as they were. Operands that fit into the caches stay there, where in a step other operations push them out: {@code fathom bench train} shows
 * the operations in their company.
 */
final class RecordedOperations implements Call.Listener {
    /** Names the first operation of every generation step. */
    private static final String FIRST = "embedding";

    private final Map<String, Recorded> operations = new LinkedHashMap<>();
    private final Thread thread = Thread.currentThread();
    private boolean lastStepOnly;

    /** An operation and how often a step makes it. */
    record Recorded(String name, Call call, int calls) {}

    private RecordedOperations() {}

    /** Of a training step whose sequences go through the model together. */
    static List<Recorded> ofTraining(Workload workload, Engine engine) {
        RecordedOperations recorder = new RecordedOperations();
        TrainingLoop loop = TrainingLoop.of(workload, Call.watch(engine, recorder), workload.sequences());
        loop.step(ChainData.batch(workload, 0));
        return List.copyOf(recorder.operations.values());
    }

    /** Of the last step of a rollout, when every sequence adds one row; where threads share the sequences out, of this thread's part. */
    static List<Recorded> ofRollout(Workload workload, Engine engine) {
        RecordedOperations recorder = new RecordedOperations();
        // The steps before have given their memory back.
        recorder.lastStepOnly = true;
        RolloutBenchmark.generateOnce(workload, Call.watch(engine, recorder));
        return List.copyOf(recorder.operations.values());
    }

    /** The three products of a linear layer of this size. */
    static List<Recorded> ofShape(ProductShape shape, Engine engine) {
        RecordedOperations recorder = new RecordedOperations();
        Gemm gemm = Call.watch(engine, recorder).gemm();
        RowGroups groups = shape.groups();
        Tensor x = Tensor.zeros(DType.F32, shape.rows(), shape.inputs());
        Tensor y = Tensor.zeros(DType.F32, shape.rows(), shape.outputs());
        Tensor weights = Tensor.zeros(DType.F32, shape.experts(), shape.outputs(), shape.inputs());
        Gemm.Packed packed = gemm.pack(weights);
        gemm.forward(x, groups, packed, y);
        gemm.backwardInput(y, groups, packed, x, false);
        gemm.backwardWeight(y, x, groups, weights, false);
        return List.copyOf(recorder.operations.values());
    }

    @Override
    public void onCall(Call call, double seconds) {
        if (Thread.currentThread() != thread) {
            return;
        }
        if (lastStepOnly && call.method().getName().equals(FIRST)) {
            operations.clear();
        }
        String name = (lastStepOnly ? "decode: " : "") + call.label();
        operations.merge(
                name,
                new Recorded(name, call.withOwnIntegers(), 1),
                (old, again) -> new Recorded(name, old.call, old.calls + 1));
    }
}
