package dev.fathom.learn.stage;

import dev.fathom.engine.Parameters;
import dev.fathom.engine.Tensor;
import dev.fathom.learn.run.RunDirectory;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.checkpoint.Checkpoint;
import dev.fathom.model.checkpoint.CheckpointReader;
import dev.fathom.model.files.DurableFiles;
import dev.fathom.model.safetensors.NamedTensor;
import dev.fathom.model.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/**
 * The checkpoints of a run: {@code checkpoints/<stage number>-<stage>-<step>}, ordered by stage number and step. Each is a Hugging
 * Face model directory with the state of training beside it. Kept are the last one and the last of every stage.
 */
public final class Checkpoints {
    private static final Pattern NAME = Pattern.compile("[0-9]{1,9}-[a-z]+-[0-9]{1,18}");
    private static final String LINES = "metricsLines";
    private static final String SAMPLES = "samplesLines";
    private static final String REFERENCE = "reference";

    private final RunDirectory run;
    private final Tokenizer tokenizer;

    Checkpoints(RunDirectory run, Tokenizer tokenizer) {
        this.run = run;
        this.tokenizer = tokenizer;
    }

    /** The newest checkpoint of a run directory: the model to use. */
    public static Optional<Path> newest(Path runDirectory) {
        return list(runDirectory.resolve("checkpoints")).stream().reduce((before, after) -> after);
    }

    /** The checkpoints of a run as they were made; a directory of another name is none. */
    private static List<Path> list(Path parent) {
        return Checkpoint.list(parent).stream()
                .filter(path -> NAME.matcher(fileName(path)).matches())
                .sorted(Comparator.comparingInt(Checkpoints::stageNumber).thenComparingLong(Checkpoints::step))
                .toList();
    }

    /** Publishes the weights, the optimizer's moments and the state. The lines of metrics up to here belong to it. */
    void publish(DeepseekModel model, @Nullable DeepseekModel reference, RunState state, String stage) {
        Path target = run.checkpoints().resolve(name(state, stage));
        run.metrics().sync();
        run.samples().sync();
        ObjectNode json = state.toJson();
        json.put(LINES, run.metrics().lines());
        json.put(SAMPLES, run.samples().lines());
        json.put(REFERENCE, reference != null);
        List<Path> before = list(run.checkpoints());
        if (before.contains(target)) {
            return; // a stop right after a regular checkpoint: it is there already
        }
        Checkpoint.publish(target, writer -> {
            writer.config(model.config());
            writer.tokenizer(tokenizer, null);
            writer.weights(model.checkpointTensors());
            writer.moments(trainerTensors(model, reference));
            writer.state(json);
        });
        prune();
    }

    /** Deletes all checkpoints but the last of every stage. */
    private void prune() {
        List<Path> all = list(run.checkpoints());
        for (int i = 0; i + 1 < all.size(); i++) {
            if (stageNumber(all.get(i)) == stageNumber(all.get(i + 1))) {
                delete(all.get(i));
            }
        }
    }

    /** Fills the model from the newest checkpoint and cuts metrics and samples back to it; empty if the run has none. */
    Optional<RunState> restore(Session session) {
        DeepseekModel model = session.model();
        Checkpoint.cleanUp(run.checkpoints());
        prune();
        Optional<Path> newest = newest(run.path());
        if (newest.isEmpty()) {
            run.metrics().truncate(0);
            run.samples().truncate(0);
            return Optional.empty();
        }
        CheckpointReader reader = CheckpointReader.open(newest.get());
        reader.readWeights(model.checkpointTensors());
        ObjectNode json = reader.readState();
        DeepseekModel reference =
                json.required(REFERENCE).asBoolean() ? DeepseekModel.empty(model.config(), model.engine()) : null;
        reader.readMoments(trainerTensors(model, reference));
        model.refresh();
        if (reference != null) {
            reference.refresh();
        }
        session.setReference(reference);
        run.metrics().truncate(json.required(LINES).asLong());
        run.samples().truncate(json.required(SAMPLES).asLong());
        json.remove(List.of(LINES, SAMPLES, REFERENCE));
        return Optional.of(RunState.fromJson(json));
    }

    private static List<NamedTensor> trainerTensors(DeepseekModel model, @Nullable DeepseekModel reference) {
        Parameters parameters = model.parameters();
        List<NamedTensor> tensors = new ArrayList<>();
        tensors.add(new NamedTensor("first_moments", flat(parameters.firstMoments())));
        tensors.add(new NamedTensor("second_moments", flat(parameters.secondMoments())));
        if (reference != null) {
            tensors.add(new NamedTensor("reference", flat(reference.parameters().values())));
        }
        return tensors;
    }

    private static Tensor flat(Tensor tensor) {
        return tensor.reshape(tensor.size());
    }

    private static String name(RunState state, String stage) {
        return "%d-%s-%06d".formatted(state.stage(), stage, state.step());
    }

    private static int stageNumber(Path checkpoint) {
        return Integer.parseInt(fileName(checkpoint).split("-", -1)[0]);
    }

    private static long step(Path checkpoint) {
        String name = fileName(checkpoint);
        return Long.parseLong(name.substring(name.lastIndexOf('-') + 1));
    }

    private static String fileName(Path path) {
        return path.getFileName().toString();
    }

    private static void delete(Path checkpoint) {
        try {
            DurableFiles.deleteTree(checkpoint);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot delete the old checkpoint " + checkpoint, e);
        }
    }
}
