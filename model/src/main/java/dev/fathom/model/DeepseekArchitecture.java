package dev.fathom.model;

import dev.fathom.engine.Engine;
import dev.fathom.model.config.ConfigException;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfigFile;
import dev.fathom.model.release.GgufConfig;
import dev.fathom.model.release.ModelSource;
import dev.fathom.model.release.ReleasedTensors;
import java.nio.file.Path;
import java.util.Set;

/** DeepSeek-V2, V2-Lite, V2.5, V3, V3.1 and R1. */
public final class DeepseekArchitecture implements Architecture {
    @Override
    public Set<String> names() {
        return Set.of("DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM", "deepseek2");
    }

    /** The config of such a model, without a multi-token-prediction module where the weights have none. */
    public static DeepseekConfig config(ModelSource source) {
        DeepseekConfig config = switch (source) {
            case ModelSource.Directory directory ->
                DeepseekConfigFile.parse(
                        directory.config(), directory.configFile().toString());
            case ModelSource.File file -> GgufConfig.deepseek(file.gguf());
        };
        // Converters often leave the module out and the config as it was.
        String module = DeepseekParameters.layer(config.numHiddenLayers());
        return source.tensors().has(module + "eh_proj.weight")
                ? config
                : config.toBuilder().numNextnPredictLayers(0).build();
    }

    @Override
    public Kept kept(ModelSource source) {
        DeepseekConfig config = config(source);
        return new Kept(config.numHiddenLayers(), LatentMemory.shape(config));
    }

    @Override
    public LanguageModel open(ModelSource source, Engine engine) {
        DeepseekConfig config = config(source);
        ReleasedTensors tensors = source.tensors();
        if (hasPredictionModule(config, source)) {
            String module = DeepseekParameters.layer(config.numHiddenLayers());
            tensors.ignore(module + "embed_tokens.weight"); // copies of the main model's, which the module shares
            tensors.ignore(module + "shared_head.head.weight");
        }
        if (config.tieWordEmbeddings()) {
            tensors.ignore("lm_head.weight");
        }
        ReleasedWeights weights =
                new ReleasedWeights(engine, tensors, DeepseekParameters.declare(config), DeepseekParameters::parts);
        Transformer model = Transformer.of(config, engine, weights);
        tensors.requireAllTaken();
        return model;
    }

    /** Whether there is one; more than one is refused with the name of the file. */
    private static boolean hasPredictionModule(DeepseekConfig config, ModelSource source) {
        try {
            return config.hasPredictionModule();
        } catch (ConfigException e) {
            Path file = source instanceof ModelSource.Directory directory ? directory.configFile() : source.path();
            throw e.in(file.toString());
        }
    }
}
