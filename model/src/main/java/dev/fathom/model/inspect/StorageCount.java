package dev.fathom.model.inspect;

import dev.fathom.model.inspect.ModelSummary.Storage;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Adds up tensors by type, and parameters with and without the routed experts. */
final class StorageCount {
    private final Map<String, Storage> types = new TreeMap<>();
    private long parameters;
    private long routed;
    private long bytes;

    /**
     * Counts a tensor.
     *
     * @param isParameter whether its elements are learned
     * @param isRouted whether they belong to experts of which a token uses only some
     */
    void add(String type, long elements, long size, boolean isParameter, boolean isRouted) {
        Storage before = types.getOrDefault(type, new Storage(type, 0, 0, 0));
        types.put(type, new Storage(type, before.tensors() + 1, before.elements() + elements, before.bytes() + size));
        bytes += size;
        parameters += isParameter ? elements : 0;
        routed += isParameter && isRouted ? elements : 0;
    }

    long parameters() {
        return parameters;
    }

    /** Parameters that a token uses if it goes to {@code used} of {@code experts} experts. */
    long activeParameters(long used, long experts) {
        return experts < 1 ? parameters : parameters - routed + Math.round((double) routed / experts * used);
    }

    long bytes() {
        return bytes;
    }

    List<Storage> largestFirst() {
        return types.values().stream()
                .sorted(Comparator.comparingLong(Storage::bytes).reversed())
                .toList();
    }
}
