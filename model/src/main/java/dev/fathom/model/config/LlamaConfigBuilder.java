package dev.fathom.model.config;

import dev.fathom.model.config.DeepseekConfig.StorageType;
import dev.fathom.model.config.LlamaConfig.Architecture;
import org.jspecify.annotations.Nullable;

/**
 * Sets the fields of a {@link LlamaConfig} by name; {@link #build} checks them.
 *
 * <p>Starts from a Llama shape that trains on a laptop: every query head with its own keys and values, an untied head.
 */
public final class LlamaConfigBuilder {
    private Architecture architecture = Architecture.LLAMA;
    private int vocabSize = 1;
    private int hiddenSize = 256;
    private int intermediateSize = 688;
    private int numHiddenLayers = 4;
    private int numAttentionHeads = 4;
    private int numKeyValueHeads = 4;
    private int headDim = 64;
    private double rmsNormEpsilon = 1e-6;
    private double ropeTheta = 10_000;
    private @Nullable RopeScaling ropeScaling;
    private int maxPositionEmbeddings = 4096;
    private boolean tieWordEmbeddings = false;
    private double initializerRange = 0.02;
    private @Nullable Integer bosTokenId;
    private @Nullable Integer eosTokenId;
    private StorageType torchDtype = StorageType.FLOAT32;

    LlamaConfigBuilder() {}

    public LlamaConfigBuilder architecture(Architecture value) {
        architecture = value;
        return this;
    }

    public LlamaConfigBuilder vocabSize(int value) {
        vocabSize = value;
        return this;
    }

    public LlamaConfigBuilder hiddenSize(int value) {
        hiddenSize = value;
        return this;
    }

    public LlamaConfigBuilder intermediateSize(int value) {
        intermediateSize = value;
        return this;
    }

    public LlamaConfigBuilder numHiddenLayers(int value) {
        numHiddenLayers = value;
        return this;
    }

    public LlamaConfigBuilder numAttentionHeads(int value) {
        numAttentionHeads = value;
        return this;
    }

    public LlamaConfigBuilder numKeyValueHeads(int value) {
        numKeyValueHeads = value;
        return this;
    }

    public LlamaConfigBuilder headDim(int value) {
        headDim = value;
        return this;
    }

    public LlamaConfigBuilder rmsNormEpsilon(double value) {
        rmsNormEpsilon = value;
        return this;
    }

    public LlamaConfigBuilder ropeTheta(double value) {
        ropeTheta = value;
        return this;
    }

    public LlamaConfigBuilder ropeScaling(@Nullable RopeScaling value) {
        ropeScaling = value;
        return this;
    }

    public LlamaConfigBuilder maxPositionEmbeddings(int value) {
        maxPositionEmbeddings = value;
        return this;
    }

    public LlamaConfigBuilder tieWordEmbeddings(boolean value) {
        tieWordEmbeddings = value;
        return this;
    }

    public LlamaConfigBuilder initializerRange(double value) {
        initializerRange = value;
        return this;
    }

    public LlamaConfigBuilder bosTokenId(@Nullable Integer value) {
        bosTokenId = value;
        return this;
    }

    public LlamaConfigBuilder eosTokenId(@Nullable Integer value) {
        eosTokenId = value;
        return this;
    }

    public LlamaConfigBuilder torchDtype(StorageType value) {
        torchDtype = value;
        return this;
    }

    /**
     * The config.
     *
     * @throws ConfigException naming the first field that is out of range
     */
    public LlamaConfig build() {
        return new LlamaConfig(
                architecture,
                vocabSize,
                hiddenSize,
                intermediateSize,
                numHiddenLayers,
                numAttentionHeads,
                numKeyValueHeads,
                headDim,
                rmsNormEpsilon,
                ropeTheta,
                ropeScaling,
                maxPositionEmbeddings,
                tieWordEmbeddings,
                initializerRange,
                bosTokenId,
                eosTokenId,
                torchDtype);
    }
}
