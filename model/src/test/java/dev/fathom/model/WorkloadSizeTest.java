package dev.fathom.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Parameter;
import dev.fathom.engine.Precision;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.Gpt2Config;
import dev.fathom.model.config.LlamaConfig;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;

/** The models that training speed is measured on have exactly the trained parameters of their PyTorch counterparts. */
class WorkloadSizeTest {
    /** Dense: width 256, six layers, four heads of 64, SwiGLU 688, tied head. */
    @Test
    void denseWorkload() {
        LlamaConfig config = LlamaConfig.builder()
                .vocabSize(4096)
                .hiddenSize(256)
                .intermediateSize(688)
                .numHiddenLayers(6)
                .numAttentionHeads(4)
                .numKeyValueHeads(4)
                .headDim(64)
                .maxPositionEmbeddings(256)
                .tieWordEmbeddings(true)
                .build();
        assertThat(config.parameterCount()).isEqualTo(5_795_072);
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            assertThat(trained(LlamaModel.random(config, engine, 1))).isEqualTo(5_795_072);
        }
    }

    /** DeepSeek-style: latent attention without a query latent, one dense layer, sixteen experts of which two, MTP, tied head. */
    @Test
    void mixtureOfExpertsWorkload() {
        DeepseekConfig config = DeepseekConfig.builder()
                .vocabSize(4096)
                .hiddenSize(256)
                .intermediateSize(688)
                .moeIntermediateSize(128)
                .numHiddenLayers(6)
                .firstKDenseReplace(1)
                .numAttentionHeads(4)
                .queryLoraRank(null)
                .keyValueLoraRank(64)
                .nopeHeadDim(32)
                .ropeHeadDim(16)
                .valueHeadDim(32)
                .numRoutedExperts(16)
                .numSharedExperts(1)
                .numExpertsPerToken(2)
                .routedScalingFactor(1)
                .numNextnPredictLayers(1)
                .maxPositionEmbeddings(256)
                .tieWordEmbeddings(true)
                .initializerRange(0.02)
                .build();
        try (Engine engine = Engine.vector(Precision.F32, 1)) {
            DeepseekModel model = DeepseekModel.random(config, engine, 1);
            assertThat(trained(model)).isEqualTo(12_596_160);
            assertThat(model.parameters().count()).as("with routing biases").isEqualTo(12_596_160 + 6 * 16);
        }
    }

    @Test
    void gpt2() {
        assertThat(Gpt2Config.small(50_257).parameterCount()).isEqualTo(124_439_808);
        for (boolean bias : new boolean[] {true, false}) { // nanoGPT's character model
            Gpt2Config config = new Gpt2Config(65, 64, 128, 4, 4, 1e-5, bias, 0.02);
            try (Engine engine = Engine.vector(Precision.F32, 1)) {
                Gpt2Model model = Gpt2Model.random(config, engine, 1);
                assertThat(model.parameters().count()).isEqualTo(config.parameterCount());
                assertThat(trained(model)).isEqualTo(config.parameterCount());
            }
        }
    }

    private static long trained(TrainableModel model) {
        return StreamSupport.stream(model.parameters().spliterator(), false)
                .filter(Parameter::trained)
                .mapToLong(Parameter::size)
                .sum();
    }
}
