package dev.fathom.model.config;

import dev.fathom.model.config.DeepseekConfig.ScoringFunction;
import dev.fathom.model.config.DeepseekConfig.StorageType;
import dev.fathom.model.config.DeepseekConfig.TopKMethod;
import org.jspecify.annotations.Nullable;

/**
 * Sets the fields of a {@link DeepseekConfig} by name; {@link #build} checks them.
 *
 * <p>Starts from a DeepSeek-V3 shape that trains on a laptop: the proportions of V3 (dense first layer, query latent half and
 * key/value latent a quarter of the hidden size, one shared expert, V3's routing and initialization), no token limit on groups
 * because nothing is distributed, no YaRN, no multi-token prediction.
 */
public final class DeepseekConfigBuilder {
    private int vocabSize = 1;
    private int hiddenSize = 256;
    private int intermediateSize = 704;
    private int moeIntermediateSize = 128;
    private int numHiddenLayers = 4;
    private int firstKDenseReplace = 1;
    private int numAttentionHeads = 4;
    private @Nullable Integer queryLoraRank = 128;
    private int keyValueLoraRank = 64;
    private int nopeHeadDim = 32;
    private int ropeHeadDim = 16;
    private int valueHeadDim = 32;
    private int numRoutedExperts = 16;
    private int numSharedExperts = 1;
    private int numExpertsPerToken = 4;
    private int numGroups = 1;
    private int topGroups = 1;
    private boolean normalizeTopK = true;
    private double routedScalingFactor = 2.5;
    private ScoringFunction scoringFunction = ScoringFunction.SIGMOID;
    private TopKMethod topKMethod = TopKMethod.NOAUX_TC;
    private double rmsNormEpsilon = 1e-6;
    private double ropeTheta = 10_000;
    private @Nullable YarnScaling ropeScaling;
    private int maxPositionEmbeddings = 4096;
    private int numNextnPredictLayers = 0;
    private boolean tieWordEmbeddings = false;
    private double initializerRange = 0.006;
    private @Nullable Integer bosTokenId;
    private @Nullable Integer eosTokenId;
    private StorageType torchDtype = StorageType.FLOAT32;

    DeepseekConfigBuilder() {}

    DeepseekConfigBuilder(DeepseekConfig config) {
        vocabSize = config.vocabSize();
        hiddenSize = config.hiddenSize();
        intermediateSize = config.intermediateSize();
        moeIntermediateSize = config.moeIntermediateSize();
        numHiddenLayers = config.numHiddenLayers();
        firstKDenseReplace = config.firstKDenseReplace();
        numAttentionHeads = config.numAttentionHeads();
        queryLoraRank = config.queryLoraRank();
        keyValueLoraRank = config.keyValueLoraRank();
        nopeHeadDim = config.nopeHeadDim();
        ropeHeadDim = config.ropeHeadDim();
        valueHeadDim = config.valueHeadDim();
        numRoutedExperts = config.numRoutedExperts();
        numSharedExperts = config.numSharedExperts();
        numExpertsPerToken = config.numExpertsPerToken();
        numGroups = config.numGroups();
        topGroups = config.topGroups();
        normalizeTopK = config.normalizeTopK();
        routedScalingFactor = config.routedScalingFactor();
        scoringFunction = config.scoringFunction();
        topKMethod = config.topKMethod();
        rmsNormEpsilon = config.rmsNormEpsilon();
        ropeTheta = config.ropeTheta();
        ropeScaling = config.ropeScaling();
        maxPositionEmbeddings = config.maxPositionEmbeddings();
        numNextnPredictLayers = config.numNextnPredictLayers();
        tieWordEmbeddings = config.tieWordEmbeddings();
        initializerRange = config.initializerRange();
        bosTokenId = config.bosTokenId();
        eosTokenId = config.eosTokenId();
        torchDtype = config.torchDtype();
    }

    public DeepseekConfigBuilder vocabSize(int value) {
        vocabSize = value;
        return this;
    }

    public DeepseekConfigBuilder hiddenSize(int value) {
        hiddenSize = value;
        return this;
    }

    public DeepseekConfigBuilder intermediateSize(int value) {
        intermediateSize = value;
        return this;
    }

    public DeepseekConfigBuilder moeIntermediateSize(int value) {
        moeIntermediateSize = value;
        return this;
    }

    public DeepseekConfigBuilder numHiddenLayers(int value) {
        numHiddenLayers = value;
        return this;
    }

    public DeepseekConfigBuilder firstKDenseReplace(int value) {
        firstKDenseReplace = value;
        return this;
    }

    public DeepseekConfigBuilder numAttentionHeads(int value) {
        numAttentionHeads = value;
        return this;
    }

    public DeepseekConfigBuilder queryLoraRank(@Nullable Integer value) {
        queryLoraRank = value;
        return this;
    }

    public DeepseekConfigBuilder keyValueLoraRank(int value) {
        keyValueLoraRank = value;
        return this;
    }

    public DeepseekConfigBuilder nopeHeadDim(int value) {
        nopeHeadDim = value;
        return this;
    }

    public DeepseekConfigBuilder ropeHeadDim(int value) {
        ropeHeadDim = value;
        return this;
    }

    public DeepseekConfigBuilder valueHeadDim(int value) {
        valueHeadDim = value;
        return this;
    }

    public DeepseekConfigBuilder numRoutedExperts(int value) {
        numRoutedExperts = value;
        return this;
    }

    public DeepseekConfigBuilder numSharedExperts(int value) {
        numSharedExperts = value;
        return this;
    }

    public DeepseekConfigBuilder numExpertsPerToken(int value) {
        numExpertsPerToken = value;
        return this;
    }

    public DeepseekConfigBuilder numGroups(int value) {
        numGroups = value;
        return this;
    }

    public DeepseekConfigBuilder topGroups(int value) {
        topGroups = value;
        return this;
    }

    public DeepseekConfigBuilder normalizeTopK(boolean value) {
        normalizeTopK = value;
        return this;
    }

    public DeepseekConfigBuilder routedScalingFactor(double value) {
        routedScalingFactor = value;
        return this;
    }

    public DeepseekConfigBuilder scoringFunction(ScoringFunction value) {
        scoringFunction = value;
        return this;
    }

    public DeepseekConfigBuilder topKMethod(TopKMethod value) {
        topKMethod = value;
        return this;
    }

    public DeepseekConfigBuilder rmsNormEpsilon(double value) {
        rmsNormEpsilon = value;
        return this;
    }

    public DeepseekConfigBuilder ropeTheta(double value) {
        ropeTheta = value;
        return this;
    }

    public DeepseekConfigBuilder ropeScaling(@Nullable YarnScaling value) {
        ropeScaling = value;
        return this;
    }

    public DeepseekConfigBuilder maxPositionEmbeddings(int value) {
        maxPositionEmbeddings = value;
        return this;
    }

    public DeepseekConfigBuilder numNextnPredictLayers(int value) {
        numNextnPredictLayers = value;
        return this;
    }

    public DeepseekConfigBuilder tieWordEmbeddings(boolean value) {
        tieWordEmbeddings = value;
        return this;
    }

    public DeepseekConfigBuilder initializerRange(double value) {
        initializerRange = value;
        return this;
    }

    public DeepseekConfigBuilder bosTokenId(@Nullable Integer value) {
        bosTokenId = value;
        return this;
    }

    public DeepseekConfigBuilder eosTokenId(@Nullable Integer value) {
        eosTokenId = value;
        return this;
    }

    public DeepseekConfigBuilder torchDtype(StorageType value) {
        torchDtype = value;
        return this;
    }

    /**
     * The config.
     *
     * @throws ConfigException naming the first field that is out of range
     */
    public DeepseekConfig build() {
        return new DeepseekConfig(
                vocabSize,
                hiddenSize,
                intermediateSize,
                moeIntermediateSize,
                numHiddenLayers,
                firstKDenseReplace,
                numAttentionHeads,
                queryLoraRank,
                keyValueLoraRank,
                nopeHeadDim,
                ropeHeadDim,
                valueHeadDim,
                numRoutedExperts,
                numSharedExperts,
                numExpertsPerToken,
                numGroups,
                topGroups,
                normalizeTopK,
                routedScalingFactor,
                scoringFunction,
                topKMethod,
                rmsNormEpsilon,
                ropeTheta,
                ropeScaling,
                maxPositionEmbeddings,
                numNextnPredictLayers,
                tieWordEmbeddings,
                initializerRange,
                bosTokenId,
                eosTokenId,
                torchDtype);
    }
}
