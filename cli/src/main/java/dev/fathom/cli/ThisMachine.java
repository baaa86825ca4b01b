package dev.fathom.cli;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.Workspace;
import dev.fathom.learn.recipe.Recipe;
import dev.fathom.learn.stage.SteadyPace;
import dev.fathom.learn.stage.StepTimer;
import dev.fathom.plan.Calibration;
import dev.fathom.plan.Cluster;
import dev.fathom.plan.Layout;
import dev.fathom.plan.Recomputation;
import dev.fathom.plan.TrainingJob;
import dev.fathom.plan.TrainingPhase;
import dev.fathom.plan.TrainingPlan;
import dev.fathom.plan.TrainingPlanner;
import dev.fathom.plan.hardware.Figure;
import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.report.TrainingReport;
import dev.fathom.plan.schedule.ScheduleKind;
import dev.fathom.plan.shape.ModelShape;
import dev.fathom.plan.shape.ModelShapes;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * This machine as a device: the matrix product it reaches, and which share of it real training steps reach. The share is one number for all
 * parts of a step, measured at the recipe's shape; for another model it is an extrapolation.
 */
record ThisMachine(StepTimer.Timing timing, Hardware hardware, Calibration calibration) {
    private static final int SIZE = 1024;

    /** @param seconds to train for */
    static ThisMachine measure(Recipe recipe, Engine engine, int seconds) {
        StepTimer.Timing timing = StepTimer.measure(recipe, engine, seconds);
        double product = matrixProduct(engine);
        Precision precision =
                engine.gemm().precision() == dev.fathom.engine.Precision.BF16 ? Precision.BF16 : Precision.F32;
        Figure gemm =
                new Figure(product, "measured here: " + SIZE + " x " + SIZE + " matrices through " + engine.describe());
        Figure none = new Figure(1e12, "one device: nothing is sent");
        Hardware hardware = new Hardware(
                PlanTrainCommand.THIS_MACHINE,
                Machine.describe(),
                1,
                new Figure(memory(), "the operating system"),
                Map.of(precision, gemm),
                Map.of(precision, gemm),
                // Streaming kernels are part of the measured steps, so that they are not counted again.
                new Figure(1e18, "part of the measured steps"),
                none,
                none,
                new Figure(0.01, "electricity: some 50 W at 0.20 dollars per kWh (assumption)"),
                new Figure(8760, "assumption: once a year"));
        ModelShape shape = ModelShapes.of(recipe.name(), timing.config());
        // With all shares 1 a step would take the time of its matrix products; what it takes in fact gives the share.
        TrainingPlan ideal = new TrainingPlanner(shares(1)).plan(job(shape, hardware, timing, 1));
        double share = ideal.step().seconds()
                / ideal.step().tokens()
                * timing.tokensPerStep()
                / timing.pace().seconds();
        return new ThisMachine(timing, hardware, shares(share));
    }

    /** How long a plan takes here. */
    TrainingReport.Here takes(TrainingPlan plan) {
        SteadyPace pace = timing.pace();
        double warmUp = timing.warmUpSeconds();
        double seconds = plan.days() * 86400;
        return new TrainingReport.Here(
                warmUp + seconds,
                warmUp + seconds * pace.fastest() / pace.seconds(),
                warmUp + seconds * pace.slowest() / pace.seconds(),
                warmUp,
                pace.varies());
    }

    /**
     * @param other a model instead of the recipe's
     * @param tokens to train on instead of the recipe's
     */
    TrainingPlan plan(TrainingPlanner planner, @Nullable ModelShape other, @Nullable Double tokens) {
        ModelShape shape = other != null ? other : ModelShapes.of("the recipe's model", timing.config());
        double count = tokens != null ? tokens : timing.steps() * timing.tokensPerStep();
        return planner.plan(job(shape, hardware, timing, count));
    }

    /** A step's tokens as one micro-batch of short sequences, as the recipe's documents are. */
    private static TrainingJob job(ModelShape shape, Hardware hardware, StepTimer.Timing timing, double tokens) {
        Precision precision = hardware.reference();
        int length = 32;
        int sequences = Math.max(1, (int) Math.round(timing.tokensPerStep() / length));
        return new TrainingJob(
                shape,
                new Cluster(hardware, 1),
                new Layout(1, 1, 1, 1, ScheduleKind.ONE_F_ONE_B, 1, sequences, 0, Recomputation.NONE, precision),
                List.of(new TrainingPhase("pre-training", tokens, length, sequences, 1, 0, "")));
    }

    private static Calibration shares(double share) {
        return Calibration.PUBLISHED.withTrainingShare(share, "measured here: real training steps");
    }

    private static double memory() {
        return ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean system
                ? system.getTotalMemorySize()
                : Runtime.getRuntime().maxMemory();
    }

    /** The best rate of a square product, FLOP/s. */
    private static double matrixProduct(Engine engine) {
        Workspace workspace = new Workspace();
        Tensor x = workspace.allocate(DType.F32, SIZE, SIZE);
        Tensor y = workspace.allocate(DType.F32, SIZE, SIZE);
        Gemm.Packed weights = engine.gemm().pack(workspace.allocate(DType.F32, SIZE, SIZE));
        RowGroups rows = RowGroups.single(SIZE);
        double best = Double.MAX_VALUE;
        long end = System.nanoTime() + 1_000_000_000L;
        while (System.nanoTime() < end) {
            long start = System.nanoTime();
            engine.gemm().forward(x, rows, weights, y);
            best = Math.min(best, (System.nanoTime() - start) * 1e-9);
        }
        return 2.0 * SIZE * SIZE * SIZE / best;
    }
}
