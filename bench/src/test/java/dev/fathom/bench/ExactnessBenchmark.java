package dev.fathom.bench;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Engine.PrecisionChoice;
import dev.fathom.engine.Precision;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What it costs that the bits do not depend on threads: a training step as it is ({@code measured}) beside one whose gradients of weights are summed by
 * {@link PartialSumsGemm} ({@code baseline}), the one reduction that threads would share out otherwise if the bits were free. An iteration is a step of each of two
 * models in one process, in alternating order, and the ratios of these pairs are the result.
 *
 * <p>Half as many pairs warm up as steps of one model would have to: both run the same compiled code.
 *
 * <pre>{@code bench/jmh ExactnessBenchmark -p workload=w1}</pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(5)
@Warmup(iterations = TrainingBenchmark.WARMUP / 2)
@Measurement(iterations = 20)
public class ExactnessBenchmark {
    private static final int SEQUENCES_PER_PASS = 4;

    @Param({"w1", "w2"})
    public String workload = "w1";

    @Param({"2"})
    public int threads = 2;

    private Engine exact = Engine.vector(Precision.F32, 1);
    private Engine free = exact;
    private Steps exactSteps = new Steps(Workload.training("tiny"), exact);
    private Steps freeSteps = exactSteps;
    private boolean exactFirst;

    @Setup(Level.Trial)
    public void setUp() {
        exact.close();
        exact = Engine.open(PrecisionChoice.AUTO, "auto", threads);
        free = PartialSumsGemm.of(Engine.open(PrecisionChoice.AUTO, "auto", threads));
        exactSteps = new Steps(Workload.training(workload), exact);
        freeSteps = new Steps(Workload.training(workload), free);
    }

    @TearDown(Level.Trial)
    public void tearDown() {
        exact.close();
        free.close();
    }

    @Benchmark
    public void pair(Turns turns) {
        exactFirst = !exactFirst;
        if (exactFirst) {
            turns.measured = exactSteps.next();
        }
        turns.baseline = freeSteps.next();
        if (!exactFirst) {
            turns.measured = exactSteps.next();
        }
    }

    /** A model that learns. */
    private static final class Steps {
        private final TrainingLoop loop;
        private final int[][][] batches;
        private int step;

        Steps(Workload workload, Engine engine) {
            loop = TrainingLoop.of(workload, engine, SEQUENCES_PER_PASS);
            batches = ChainData.batches(workload);
        }

        /** @return milliseconds of one step */
        double next() {
            long start = System.nanoTime();
            loop.step(batches[step++ % batches.length]);
            return (System.nanoTime() - start) * 1e-6;
        }
    }
}
