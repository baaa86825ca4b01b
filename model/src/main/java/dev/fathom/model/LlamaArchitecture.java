package dev.fathom.model;

import dev.fathom.engine.Engine;
import dev.fathom.model.config.LlamaConfig;
import dev.fathom.model.config.LlamaConfigFile;
import dev.fathom.model.release.GgufConfig;
import dev.fathom.model.release.ModelSource;
import dev.fathom.model.release.ReleasedTensors;
import java.util.Set;

/** Llama 2 and 3, Qwen2 and 2.5, Qwen3 without experts, and what was made from them: the distillations of DeepSeek-R1. */
public final class LlamaArchitecture implements Architecture {
    @Override
    public Set<String> names() {
        return Set.of("LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM", "llama", "qwen2", "qwen3");
    }

    /** The config of such a model. */
    public static LlamaConfig config(ModelSource source) {
        return switch (source) {
            case ModelSource.Directory directory ->
                LlamaConfigFile.parse(directory.config(), directory.configFile().toString());
            case ModelSource.File file -> GgufConfig.llama(file.gguf());
        };
    }

    @Override
    public Kept kept(ModelSource source) {
        LlamaConfig config = config(source);
        return new Kept(
                config.numHiddenLayers(),
                new LanguageModel.KeyValueShape(config.numKeyValueHeads(), config.headDim(), config.headDim()));
    }

    @Override
    public LanguageModel open(ModelSource source, Engine engine) {
        LlamaConfig config = config(source);
        ReleasedTensors tensors = source.tensors();
        if (config.tieWordEmbeddings()) {
            tensors.ignore("lm_head.weight");
        }
        ReleasedWeights weights = new ReleasedWeights(
                engine,
                tensors,
                LlamaParameters.declare(config),
                (name, rows) -> LlamaParameters.parts(config, name, rows));
        boolean neighbours = source.architecture().equals("llama");
        Transformer model =
                Transformer.of(config, engine, weights, neighbours ? RotaryPairs.NEIGHBOURS : RotaryPairs.HALVES);
        tensors.requireAllTaken();
        return model;
    }
}
