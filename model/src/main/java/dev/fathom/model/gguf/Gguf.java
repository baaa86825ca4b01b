package dev.fathom.model.gguf;

import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.files.MappedFile;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A model in one GGUF file, or in parts named {@code ...-00001-of-0000N.gguf}. Files are mapped into memory; a mapping lives as long as a tensor
 * of it is reachable.
 *
 * <p>Everything that can be wrong with a file is found when it is opened, as a {@link CheckpointException} that names file, field, found and
 * expected value.
 */
public final class Gguf {
    /** Which part of a split model a file is, from 0. */
    private static final String SPLIT_NUMBER = "split.no";

    private static final String SPLIT_COUNT = "split.count";
    private static final String SPLIT_TENSORS = "split.tensors.count";
    private static final Pattern SPLIT_NAME = Pattern.compile("(.*)-(\\d{5})-of-(\\d{5})\\.gguf");

    private final Path source;
    private final int version;
    private final GgufMetadata metadata;
    private final Map<String, GgufTensor> tensors;

    private Gguf(Path source, int version, GgufMetadata metadata, Map<String, GgufTensor> tensors) {
        this.source = source;
        this.version = version;
        this.metadata = metadata;
        this.tensors = Collections.unmodifiableMap(tensors);
    }

    /** Opens a file; of a split model, the first part, which stands for all. */
    public static Gguf open(Path file) {
        GgufHeader first = GgufHeader.read(file, MappedFile.map(file));
        GgufMetadata metadata = first.metadata();
        Map<String, GgufTensor> tensors = new LinkedHashMap<>();
        addAll(tensors, first);
        int parts = metadata.has(SPLIT_COUNT) ? metadata.size(SPLIT_COUNT) : 1;
        if (parts > 1) {
            openOtherParts(file, metadata, parts, tensors);
        }
        return new Gguf(file, first.version(), metadata, tensors);
    }

    private static void openOtherParts(Path file, GgufMetadata metadata, int parts, Map<String, GgufTensor> tensors) {
        Matcher name = SPLIT_NAME.matcher(String.valueOf(file.getFileName()));
        String expected = String.format(Locale.ROOT, "<name>-00001-of-%05d.gguf", parts);
        boolean fits = name.matches() && Integer.parseInt(name.group(3)) == parts;
        if (!fits || Integer.parseInt(name.group(2)) != 1 || metadata.size(SPLIT_NUMBER) != 0) {
            throw CheckpointException.of(
                    file,
                    "file name",
                    "part " + (metadata.size(SPLIT_NUMBER) + 1L) + " of " + parts,
                    "the first part, named " + expected);
        }
        for (int part = 1; part < parts; part++) {
            Path other = file.resolveSibling(
                    String.format(Locale.ROOT, "%s-%05d-of-%05d.gguf", name.group(1), part + 1, parts));
            GgufHeader header = GgufHeader.read(other, MappedFile.map(other));
            if (header.metadata().size(SPLIT_NUMBER) != part
                    || header.metadata().size(SPLIT_COUNT) != parts) {
                throw CheckpointException.of(
                        other,
                        SPLIT_NUMBER + ", " + SPLIT_COUNT,
                        header.metadata().size(SPLIT_NUMBER) + ", "
                                + header.metadata().size(SPLIT_COUNT),
                        part + ", " + parts);
            }
            addAll(tensors, header);
        }
        if (metadata.has(SPLIT_TENSORS) && metadata.size(SPLIT_TENSORS) != tensors.size()) {
            throw CheckpointException.of(
                    file, SPLIT_TENSORS, metadata.size(SPLIT_TENSORS), tensors.size() + ", the tensors of all parts");
        }
    }

    private static void addAll(Map<String, GgufTensor> tensors, GgufHeader header) {
        for (GgufTensor tensor : header.tensors()) {
            GgufTensor other = tensors.put(tensor.name(), tensor);
            if (other != null) {
                throw CheckpointException.of(
                        tensor.file(),
                        tensor.name(),
                        "name",
                        "a second use after " + other.file(),
                        "a name of its own");
            }
        }
    }

    /** The file, or the first part of a split model. */
    public Path source() {
        return source;
    }

    /** 2 or 3. */
    public int version() {
        return version;
    }

    /** Metadata; of a split model, that of the first part. */
    public GgufMetadata metadata() {
        return metadata;
    }

    /** All tensors, in the order of the file. */
    public Collection<GgufTensor> tensors() {
        return tensors.values();
    }

    /** Names of all tensors. */
    public Set<String> names() {
        return tensors.keySet();
    }

    /** The tensor of this name. */
    public Optional<GgufTensor> find(String name) {
        return Optional.ofNullable(tensors.get(name));
    }

    /**
     * The tensor of this name.
     *
     * @throws CheckpointException if there is none
     */
    public GgufTensor get(String name) {
        return find(name).orElseThrow(() -> CheckpointException.of(source, name, "entry", "nothing", "the tensor"));
    }
}
