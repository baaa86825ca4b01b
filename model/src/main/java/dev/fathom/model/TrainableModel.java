package dev.fathom.model;

import dev.fathom.engine.Parameter;
import dev.fathom.engine.Parameters;
import dev.fathom.model.safetensors.NamedTensor;
import java.util.List;

/** A model whose weights are parameters in memory, with gradients: what training needs to know beyond what generation does. */
public sealed interface TrainableModel extends LanguageModel permits DeepseekModel, LlamaModel, Gpt2Model {
    /** How the names of embeddings of tokens and positions and of the head end, in the architectures there are. */
    List<String> EMBEDDINGS = List.of("embed_tokens.weight", "lm_head.weight", "wte.weight", "wpe.weight");

    /** All weights. */
    Parameters parameters();

    /** The tensors of a checkpoint, as views into the parameters, under the released names. */
    List<NamedTensor> checkpointTensors();

    /** Whether a parameter is a matrix, or a stack of them, between hidden states: not an embedding and not the head. Those are what Muon moves. */
    static boolean isHiddenMatrix(Parameter parameter) {
        return parameter.value().rank() >= 2 && EMBEDDINGS.stream().noneMatch(parameter.name()::endsWith);
    }

    /** Packs every matrix again; to be called after the parameters changed. */
    void refresh();
}
