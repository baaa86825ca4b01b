package dev.fathom.bench;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Engine.PrecisionChoice;
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
 * Whole training steps as they are, and with the one reduction that threads would share if the bits were free: gradients of weights by {@link PartialSumsGemm}.
 * Both models learn in turns in one process, so that both meet the machine as it is at that time.
 *
 * <pre>{@code bench/jmh ExactnessBenchmark -p workload=w1,w2}</pre>
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(3)
@Warmup(iterations = 6)
@Measurement(iterations = 10)
public class ExactnessBenchmark {
    private static final int SEQUENCES_PER_PASS = 4;

    @Param({"w1", "w2"})
    public String workload = "w1";

    @Param({"2"})
    public int threads = 2;

    @Param({"EXACT", "PARTIAL_SUMS"})
    public Sums sums = Sums.EXACT;

    /** Who adds up the gradient of a weight. */
    public enum Sums {
        EXACT,
        PARTIAL_SUMS
    }

    private Steps steps = new Steps("tiny", Sums.EXACT, 1);

    @Setup(Level.Trial)
    public void setUp() {
        steps.close();
        steps = new Steps(workload, sums, threads);
    }

    @TearDown(Level.Trial)
    public void tearDown() {
        steps.close();
    }

    @Benchmark
    public double step() {
        return steps.next();
    }

    /** A model that learns. */
    static final class Steps implements AutoCloseable {
        private final Engine engine;
        private final TrainingLoop loop;
        private final int[][][] batches = new int[ChainData.BATCHES][][];
        private int step;

        Steps(String name, Sums sums, int threads) {
            Workload workload = Workload.training(name);
            Engine exact = Engine.open(PrecisionChoice.AUTO, "auto", threads);
            engine = sums == Sums.EXACT ? exact : PartialSumsGemm.of(exact);
            loop = TrainingLoop.of(workload, engine, SEQUENCES_PER_PASS);
            for (int b = 0; b < batches.length; b++) {
                batches[b] =
                        ChainData.batch(b, workload.model().vocabSize(), workload.sequences(), workload.length() + 2);
            }
        }

        /** @return the loss before the step */
        double next() {
            return loop.step(batches[step++ % batches.length]);
        }

        @Override
        public void close() {
            engine.close();
        }
    }
}
