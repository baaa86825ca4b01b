package dev.fathom.infer;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Engine.PrecisionChoice;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Segments;
import dev.fathom.engine.Workspace;
import dev.fathom.model.Batch;
import dev.fathom.model.LlamaModel;
import dev.fathom.model.config.LlamaConfig;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Lets a small model compute while a large one is opened. Until the JVM has compiled the loops over vectors they are slower by a factor of a hundred, and
 * the first prompt would spend most of its time in them; opening is the work of one thread, so another processor has the time to get that over with.
 */
public final class WarmUp {
    /** Enough for every loop to be compiled. */
    private static final int ROUNDS = 3000;

    private static final int ROWS = 2;
    private static final int VOCABULARY = 256;

    private static final LlamaConfig CONFIG = LlamaConfig.builder()
            .architecture(LlamaConfig.Architecture.QWEN2)
            .vocabSize(VOCABULARY)
            .hiddenSize(256)
            .intermediateSize(512)
            .numHiddenLayers(1)
            .numAttentionHeads(4)
            .numKeyValueHeads(2)
            .headDim(64)
            .maxPositionEmbeddings(256)
            .build();

    private static final AtomicBoolean BEGUN = new AtomicBoolean();

    private static volatile boolean over;

    private WarmUp() {}

    /** Begins in a thread of its own, if there is a processor for it; once is enough for a JVM, however often this is called. */
    public static void begin() {
        if (Runtime.getRuntime().availableProcessors() > 1 && BEGUN.compareAndSet(false, true)) {
            Thread.ofPlatform().daemon().name("fathom-warm-up").start(WarmUp::compute);
        }
    }

    /** The large model is there and wants the processors for itself. */
    static void end() {
        over = true;
    }

    private static void compute() {
        try (Engine engine = Engine.open(PrecisionChoice.AUTO, "auto", 1)) {
            LlamaModel model = LlamaModel.random(CONFIG, engine, 0);
            KeyValueStore store = model.allocateKeyValues(64);
            Workspace workspace = new Workspace();
            for (int round = 0; round < ROUNDS && !over; round++) {
                workspace.reset();
                int before = ROWS * (round % 16);
                Segments segments = new Segments(1, new int[1], new int[] {ROWS}, new int[] {before}, new long[1]);
                Batch batch = Batch.of(List.of(new int[ROWS]), segments, new boolean[] {round % 2 == 1}, workspace);
                model.forward(model.inference(workspace), batch, model.newRoutingLog(), layer -> store);
            }
        }
    }
}
