package dev.fathom.bench;

import dev.fathom.engine.Engine;
import dev.fathom.model.DeepseekModel;
import dev.fathom.model.Gpt2Model;
import dev.fathom.model.LlamaModel;
import dev.fathom.model.TrainableModel;
import dev.fathom.model.config.DeepseekConfig;
import dev.fathom.model.config.Gpt2Config;
import dev.fathom.model.config.LlamaConfig;

/**
 * An architecture with its sizes, and how many multiplications and additions a token costs by the usual count: two per weight of every matrix
 * the token passes (of the experts only those it is sent to; the embedding table is no product), and attention over the positions up to its
 * own. Norms, softmax and the optimizer are not counted.
 */
public sealed interface ModelShape {
    /** A model with random weights. */
    TrainableModel create(Engine engine, long seed);

    int vocabSize();

    /** Weights of the matrices that a token passes in training, the head once per prediction. */
    double trainedWeightsPerToken();

    /** Weights of the matrices that a token passes when the next one is sampled. */
    double sampledWeightsPerToken();

    /** Widths of a query and a value summed over heads and layers of attention: the FLOP of a (query, key) pair are twice that. */
    double attentionWidth();

    /** A backward pass has two products for each of the forward pass; a row sees half of the positions on average. */
    default double trainingFlopPerToken(int length) {
        return 6 * trainedWeightsPerToken() + 3 * length * attentionWidth();
    }

    /** Forward only, without attention, which is small beside it for short sequences. */
    default double samplingFlopPerToken() {
        return 2 * sampledWeightsPerToken();
    }

    /** DeepSeek-V3's architecture. */
    record Deepseek(DeepseekConfig config) implements ModelShape {
        @Override
        public TrainableModel create(Engine engine, long seed) {
            return DeepseekModel.random(config, engine, seed);
        }

        @Override
        public int vocabSize() {
            return config.vocabSize();
        }

        @Override
        public double trainedWeightsPerToken() {
            double d = config.hiddenSize();
            double prediction = attention() + mixture() + 2 * d * d + head();
            return sampledWeightsPerToken() + (config.hasPredictionModule() ? prediction : 0);
        }

        @Override
        public double sampledWeightsPerToken() {
            int dense = config.firstKDenseReplace();
            int layers = config.numHiddenLayers();
            double feedForward = dense * 3.0 * config.hiddenSize() * config.intermediateSize();
            return layers * attention() + feedForward + (layers - dense) * mixture() + head();
        }

        @Override
        public double attentionWidth() {
            int layers = config.numHiddenLayers() + (config.hasPredictionModule() ? 1 : 0);
            return (double) layers * config.numAttentionHeads() * (config.queryKeyHeadDim() + config.valueHeadDim());
        }

        private double head() {
            return (double) config.vocabSize() * config.hiddenSize();
        }

        private double attention() {
            double d = config.hiddenSize();
            double heads = config.numAttentionHeads();
            double queries = heads * config.queryKeyHeadDim();
            Integer queryRank = config.queryLoraRank();
            double query = queryRank == null ? d * queries : queryRank * (d + queries);
            double latent = config.keyValueLoraRank();
            return query
                    + d * (latent + config.ropeHeadDim())
                    + latent * heads * (config.nopeHeadDim() + config.valueHeadDim())
                    + heads * config.valueHeadDim() * d;
        }

        /** The router and the experts a token is sent to. */
        private double mixture() {
            double d = config.hiddenSize();
            double experts = config.numExpertsPerToken() + config.numSharedExperts();
            return d * config.numRoutedExperts() + experts * 3 * d * config.moeIntermediateSize();
        }
    }

    /** The Llama family. */
    record Llama(LlamaConfig config) implements ModelShape {
        @Override
        public TrainableModel create(Engine engine, long seed) {
            return LlamaModel.random(config, engine, seed);
        }

        @Override
        public int vocabSize() {
            return config.vocabSize();
        }

        @Override
        public double trainedWeightsPerToken() {
            return sampledWeightsPerToken();
        }

        @Override
        public double sampledWeightsPerToken() {
            double d = config.hiddenSize();
            double attention = 2 * d * config.headDim() * (config.numAttentionHeads() + config.numKeyValueHeads());
            return config.numHiddenLayers() * (attention + 3 * d * config.intermediateSize()) + d * config.vocabSize();
        }

        @Override
        public double attentionWidth() {
            return 2.0 * config.numHiddenLayers() * config.numAttentionHeads() * config.headDim();
        }
    }

    /** GPT-2. */
    record Gpt2(Gpt2Config config) implements ModelShape {
        @Override
        public TrainableModel create(Engine engine, long seed) {
            return Gpt2Model.random(config, engine, seed);
        }

        @Override
        public int vocabSize() {
            return config.vocabSize();
        }

        @Override
        public double trainedWeightsPerToken() {
            return sampledWeightsPerToken();
        }

        @Override
        public double sampledWeightsPerToken() {
            double d = config.hiddenSize();
            return config.numHiddenLayers() * (4 * d * d + 2 * d * config.intermediateSize()) + d * config.vocabSize();
        }

        @Override
        public double attentionWidth() {
            return 2.0 * config.numHiddenLayers() * config.hiddenSize();
        }
    }
}
