package dev.fathom.cli;

import dev.fathom.plan.Calibration;
import dev.fathom.plan.Cluster;
import dev.fathom.plan.LayoutSearch;
import dev.fathom.plan.LayoutSearch.Candidate;
import dev.fathom.plan.PlanException;
import dev.fathom.plan.PublishedJob;
import dev.fathom.plan.TrainingPhase;
import dev.fathom.plan.TrainingPlanner;
import dev.fathom.plan.TrainingRequest;
import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.report.LayoutsReport;
import dev.fathom.plan.report.Quantity;
import dev.fathom.plan.shape.ModelShape;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** {@code fathom plan search}: the best layouts of a cluster. */
@Command(
        name = "search",
        mixinStandardHelpOptions = true,
        versionProvider = VersionProvider.class,
        description = "Look for the fastest layouts of a cluster that fit into its memory.")
final class PlanSearchCommand implements Callable<Integer> {
    private static final int SHOWN = 10;

    @ParentCommand
    private PlanCommand plan;

    @Spec
    private CommandSpec spec;

    @Mixin
    private PlanOptions options;

    @Parameters(index = "0", paramLabel = "MODEL", description = PlanOptions.MODEL)
    private String model;

    @Option(names = "--gpus", required = true, paramLabel = "N", description = "How many.")
    private String gpus;

    @Option(names = "--tokens", paramLabel = "N", description = "Tokens to train on. Default: as published, or 1T.")
    private @Nullable String tokens;

    @Option(names = "--batch", paramLabel = "N", description = "Sequences per step. Default: as published, or 1024.")
    private @Nullable Integer batch;

    @Option(
            names = "--sequence-length",
            paramLabel = "N",
            description = "Tokens per sequence. Default: as published, or 4096.")
    private @Nullable Integer sequenceLength;

    @Override
    public Integer call() {
        ModelShape shape = PlanOptions.shape(model);
        Hardware hardware =
                options.hardware(PublishedJob.of(model).map(PublishedJob::gpu).orElse(null));
        if (hardware == null) {
            throw PlanException.of(
                    "--gpu", "nothing", "a device, such as h100: how " + model + " was trained is not known here");
        }
        Cluster cluster = new Cluster(hardware, Math.round(Quantity.parse("--gpus", gpus)));
        TrainingPhase phase = new TrainingRequest(
                        model,
                        shape,
                        hardware,
                        cluster.devices(),
                        tokens == null
                                ? PublishedJob.of(model)
                                        .map(job -> job.phases().getFirst().tokens())
                                        .orElse(1e12)
                                : Double.valueOf(Quantity.parse("--tokens", tokens)),
                        batch,
                        sequenceLength,
                        TrainingRequest.Choice.NONE)
                .phases()
                .getFirst();
        Precision asked = options.precision();
        Precision precision = asked != null
                ? asked
                : PublishedJob.of(model)
                        .map(job -> job.layout().precision())
                        .filter(hardware::has)
                        .orElse(hardware.reference());
        List<Candidate> found = new LayoutSearch(new TrainingPlanner(Calibration.PUBLISHED))
                .search(shape, cluster, precision, phase, SHOWN);
        if (found.isEmpty()) {
            throw new PlanException("--gpus: found " + cluster.devices()
                    + ", expected a number that some layout divides, with at" + " least one of the " + phase.batch()
                    + " sequences of a step (--batch) for every pipeline");
        }
        options.print(plan.screen(spec), new LayoutsReport(shape, cluster, found), spec);
        return found.getFirst().fits() ? ExitCode.OK : ExitCode.USAGE;
    }
}
