package dev.fathom.model;

import static dev.fathom.engine.Initializer.normal;
import static dev.fathom.engine.Initializer.ones;
import static dev.fathom.engine.Initializer.zeros;

import dev.fathom.engine.Initializer;
import dev.fathom.engine.Parameters;
import dev.fathom.model.config.Gpt2Config;

/**
 * The names and shapes of a GPT-2 model's parameters: GPT-2's names, and matrices {@code [outputs, inputs]} as nanoGPT has them. (Files of
 * the released model hold them transposed.)
 */
final class Gpt2Parameters {
    private Gpt2Parameters() {}

    static Parameters.Builder declare(Gpt2Config config) {
        Parameters.Builder builder = new Parameters.Builder();
        Initializer random = normal(config.initializerRange());
        // Every layer adds to the residual stream twice; its variance shall not grow with depth (GPT-2 report, section
        // 2.3).
        Initializer residual = normal(config.initializerRange() / Math.sqrt(2.0 * config.numHiddenLayers()));
        long d = config.hiddenSize();
        boolean bias = config.bias();
        builder.add("transformer.wte.weight", true, random, config.vocabSize(), d)
                .add("transformer.wpe.weight", true, random, config.maxPositionEmbeddings(), d);
        for (int i = 0; i < config.numHiddenLayers(); i++) {
            String layer = layer(i);
            declareNorm(builder, layer + "ln_1", bias, d);
            declareLinear(builder, layer + "attn.c_attn", bias, random, 3 * d, d);
            declareLinear(builder, layer + "attn.c_proj", bias, residual, d, d);
            declareNorm(builder, layer + "ln_2", bias, d);
            declareLinear(builder, layer + "mlp.c_fc", bias, random, config.intermediateSize(), d);
            declareLinear(builder, layer + "mlp.c_proj", bias, residual, d, config.intermediateSize());
        }
        declareNorm(builder, "transformer.ln_f", bias, d);
        return builder;
    }

    /** Prefix of a layer. */
    static String layer(int index) {
        return "transformer.h." + index + ".";
    }

    private static void declareNorm(Parameters.Builder builder, String name, boolean bias, long width) {
        builder.add(name + ".weight", false, ones(), width);
        declareBias(builder, name, bias, width);
    }

    private static void declareLinear(
            Parameters.Builder builder, String name, boolean bias, Initializer initializer, long outputs, long inputs) {
        builder.add(name + ".weight", true, initializer, outputs, inputs);
        declareBias(builder, name, bias, outputs);
    }

    private static void declareBias(Parameters.Builder builder, String name, boolean bias, long width) {
        if (bias) {
            builder.add(name + ".bias", false, zeros(), width);
        }
    }
}
