package dev.fathom.model.safetensors;

import dev.fathom.engine.Tensor;
import dev.fathom.model.files.CheckpointException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/** Fills the tensors of a model from a file, all or none: the file is compared with the model before anything is copied. */
public final class TensorLoader {
    private static final int SHOWN = 5;

    private TensorLoader() {}

    /**
     * Copies every target from the file.
     *
     * @param ignored tells which tensors of the file this model does not need
     * @throws CheckpointException that lists everything missing, unexpected, or of another shape or type; no target has changed
     *     then
     */
    public static void load(Safetensors file, List<NamedTensor> targets, Predicate<String> ignored) {
        List<String> missing = new ArrayList<>();
        List<String> shapes = new ArrayList<>();
        List<String> types = new ArrayList<>();
        Set<String> unexpected = new HashSet<>(file.names());
        unexpected.removeIf(ignored);
        for (StoredTensor tensor : file.tensors()) {
            if (tensor.scales() != null) {
                unexpected.remove(tensor.scales().name()); // read with its matrix
            }
        }
        for (NamedTensor target : targets) {
            unexpected.remove(target.name());
            Tensor view = target.view();
            file.find(target.name())
                    .ifPresentOrElse(
                            stored -> {
                                if (!Arrays.equals(stored.dimensions(), view.shape())) {
                                    shapes.add(
                                            difference(target.name(), stored.shape(), Arrays.toString(view.shape())));
                                } else if (!stored.isConvertibleTo(view.dtype())) {
                                    types.add(difference(
                                            target.name(),
                                            stored.type(),
                                            view.dtype().name()));
                                }
                            },
                            () -> missing.add(target.name()));
        }
        List<String> problems = new ArrayList<>();
        describe(problems, "missing", missing);
        describe(problems, "unexpected", unexpected.stream().sorted().toList());
        describe(problems, "of another shape", shapes);
        describe(problems, "of a type that cannot be converted", types);
        if (!problems.isEmpty()) {
            throw new CheckpointException(
                    file.source() + ": checkpoint of another model: " + String.join("; ", problems));
        }
        for (NamedTensor target : targets) {
            file.get(target.name()).copyTo(target.view());
        }
    }

    private static String difference(String name, Object found, String expected) {
        return name + ": found " + found + ", expected " + expected;
    }

    private static void describe(List<String> problems, String kind, List<String> tensors) {
        if (!tensors.isEmpty()) {
            String more = tensors.size() > SHOWN ? ", and " + (tensors.size() - SHOWN) + " more" : "";
            problems.add(tensors.size() + (tensors.size() == 1 ? " tensor " : " tensors ") + kind + " ("
                    + String.join(", ", tensors.subList(0, Math.min(SHOWN, tensors.size()))) + more + ")");
        }
    }
}
