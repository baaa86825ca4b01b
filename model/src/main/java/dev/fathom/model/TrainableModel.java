package dev.fathom.model;

import dev.fathom.engine.Parameters;
import dev.fathom.model.safetensors.NamedTensor;
import java.util.List;

/** A model whose weights are parameters in memory, with gradients: what training needs to know beyond what generation does. */
public sealed interface TrainableModel extends LanguageModel permits DeepseekModel, LlamaModel, Gpt2Model {
    /** All weights. */
    Parameters parameters();

    /** The tensors of a checkpoint, as views into the parameters, under the released names. */
    List<NamedTensor> checkpointTensors();

    /** Packs every matrix again; to be called after the parameters changed. */
    void refresh();
}
