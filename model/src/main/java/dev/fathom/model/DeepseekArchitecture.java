package dev.fathom.model;

import dev.fathom.engine.Engine;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.DeepseekConfigFile;
import dev.fathom.model.release.GgufConfig;
import dev.fathom.model.release.ModelSource;
import dev.fathom.model.release.ReleasedTensors;
import java.util.Set;

/** DeepSeek-V2, V2-Lite, V2.5, V3, V3.1 and R1. */
public final class DeepseekArchitecture implements Architecture {
    @Override
    public Set<String> names() {
        return Set.of("DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM", "deepseek2");
    }

    @Override
    public LanguageModel open(ModelSource source, Engine engine) {
        DeepseekConfig released =
                switch (source) {
                    case ModelSource.Directory directory ->
                        DeepseekConfigFile.parse(
                                directory.config(), directory.configFile().toString());
                    case ModelSource.File file -> GgufConfig.deepseek(file.gguf());
                };
        ReleasedTensors tensors = source.tensors();
        String module = DeepseekParameters.layer(released.numHiddenLayers());
        // Converters often leave the multi-token-prediction module out and the config as it was.
        boolean predicts = released.numNextnPredictLayers() > 0 && tensors.has(module + "eh_proj.weight");
        DeepseekConfig config =
                predicts ? released : released.toBuilder().numNextnPredictLayers(0).build();
        if (predicts) {
            tensors.ignore(module + "embed_tokens.weight"); // copies of the main model's, which the module shares
            tensors.ignore(module + "shared_head.head.weight");
        }
        if (config.tieWordEmbeddings()) {
            tensors.ignore("lm_head.weight");
        }
        ReleasedWeights weights = new ReleasedWeights(
                engine, tensors, DeepseekParameters.declare(config), DeepseekParameters::parts);
        Transformer model = Transformer.of(config, engine, weights);
        tensors.requireAllTaken();
        return model;
    }
}
