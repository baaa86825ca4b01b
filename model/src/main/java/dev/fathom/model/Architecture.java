package dev.fathom.model;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.model.config.ConfigException;
import dev.fathom.model.files.CheckpointException;
import dev.fathom.model.release.ModelSource;
import java.util.ArrayList;
import java.util.List;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeSet;

/** A kind of model that can be run as it was released. Found by {@link ServiceLoader}. */
public interface Architecture {
    /** What released files call it: {@code architectures} in {@code config.json}, {@code general.architecture} in GGUF. */
    Set<String> names();

    /**
     * The model over its mapped weights.
     *
     * @throws ConfigException if its config asks for something that is not computed
     * @throws CheckpointException naming file, tensor, found and expected if a tensor is missing, of another shape or type, or of another architecture
     */
    LanguageModel open(ModelSource source, Engine engine);

    /**
     * What generation keeps of a token.
     *
     * @param layers of the main model
     * @param shape of what each of them keeps
     */
    record Kept(int layers, LanguageModel.KeyValueShape shape) {
        /** Of all layers. */
        public long bytesPerToken(DType type) {
            return layers * KeyValueStore.bytesPerPosition(type, shape.heads(), shape.keyDim(), shape.valueDim());
        }
    }

    /** What generating with this model keeps of a token; reads the config alone. */
    Kept kept(ModelSource source);

    /**
     * The kind of a model.
     *
     * @throws CheckpointException with the names of those known if it is none of them
     */
    static Architecture of(ModelSource source) {
        List<Architecture> known = new ArrayList<>();
        ServiceLoader.load(Architecture.class).forEach(known::add);
        String name = source.architecture();
        return known.stream()
                .filter(architecture -> architecture.names().contains(name))
                .findFirst()
                .orElseThrow(() -> {
                    Set<String> names = new TreeSet<>();
                    known.forEach(architecture -> names.addAll(architecture.names()));
                    return CheckpointException.of(
                            source.path(), "architecture", "\"" + name + "\"", "one of " + String.join(", ", names));
                });
    }
}
