package dev.fathom.model.config;

import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The rotary settings of a {@code config.json}: base and scaling, which transformers 5 keeps in one object {@code rope_parameters}.
 *
 * @param theta base of the frequencies
 * @param scaling null for none
 */
record RopeKeys(double theta, @Nullable RopeScaling scaling) {
    /** @param absent base where the config has none, NaN where it must have one */
    static RopeKeys read(ConfigKeys keys, double absent) {
        JsonNode parameters = keys.take("rope_parameters");
        JsonNode scaling = keys.take("rope_scaling");
        if (parameters == null) {
            double theta = Double.isNaN(absent) ? keys.number("rope_theta") : keys.number("rope_theta", absent);
            return new RopeKeys(theta, scaling == null ? null : scaling(ConfigKeys.of("rope_scaling", scaling)));
        }
        if (scaling != null) {
            throw ConfigException.of("rope_scaling", "it beside rope_parameters", "one of the two");
        }
        ConfigKeys inner = ConfigKeys.of("rope_parameters", parameters);
        double theta = inner.number("rope_theta", keys.number("rope_theta", absent));
        keys.skip("rope_theta");
        return new RopeKeys(theta, scaling(inner));
    }

    private static @Nullable RopeScaling scaling(ConfigKeys keys) {
        String type = keys.text("rope_type", keys.text("type", "default"));
        keys.skip("type"); // some configs have both names
        RopeScaling scaling = switch (type) {
            case "default" -> null;
            case "yarn" -> yarn(keys);
            case "linear" -> new RopeScaling.Linear(keys.number("factor"));
            case "llama3" ->
                new RopeScaling.Llama3(
                        keys.number("factor"),
                        keys.number("low_freq_factor"),
                        keys.number("high_freq_factor"),
                        keys.integer("original_max_position_embeddings"));
            default ->
                throw ConfigException.of(
                        keys.name("rope_type"), "\"" + type + "\"", "\"default\", \"linear\", \"llama3\" or \"yarn\"");
        };
        keys.refuseRest();
        return scaling;
    }

    private static YarnScaling yarn(ConfigKeys keys) {
        double factor = keys.number("factor");
        double mscale = keys.number("mscale", 1);
        double multiplier = keys.number("attn_factor", 1);
        // transformers has the whole temperature under another name
        double usual = 0.1 * mscale * StrictMath.log(factor) + 1;
        return new YarnScaling(
                factor,
                keys.integer("original_max_position_embeddings"),
                keys.number("beta_fast", 32),
                keys.number("beta_slow", 1),
                mscale,
                keys.number("mscale_all_dim", 1),
                multiplier * (keys.number("attention_factor", usual) / usual));
    }

    /** Writes {@code rope_theta} and {@code rope_scaling}. */
    static void write(ObjectNode json, double theta, @Nullable RopeScaling ropeScaling) {
        json.put("rope_theta", theta);
        if (ropeScaling == null) {
            json.putNull("rope_scaling");
            return;
        }
        ObjectNode scaling = json.putObject("rope_scaling");
        switch (ropeScaling) {
            case YarnScaling yarn -> {
                type(scaling, "yarn").put("factor", yarn.factor());
                scaling.put("original_max_position_embeddings", yarn.originalMaxPositionEmbeddings());
                scaling.put("beta_fast", yarn.betaFast());
                scaling.put("beta_slow", yarn.betaSlow());
                scaling.put("mscale", yarn.mscale());
                scaling.put("mscale_all_dim", yarn.mscaleAllDim());
                if (yarn.temperatureFactor() != 1) {
                    scaling.put("attention_factor", yarn.attentionFactor());
                }
            }
            case RopeScaling.Linear linear -> type(scaling, "linear").put("factor", linear.factor());
            case RopeScaling.Llama3 llama ->
                type(scaling, "llama3")
                        .put("factor", llama.factor())
                        .put("low_freq_factor", llama.lowFrequencyFactor())
                        .put("high_freq_factor", llama.highFrequencyFactor())
                        .put("original_max_position_embeddings", llama.originalMaxPositionEmbeddings());
            case RopeScaling.Divisors divisors ->
                throw ConfigException.of(
                        "rope_freqs.weight",
                        divisors.factors().size() + " divisors",
                        "a rope_scaling that config.json can say");
        }
    }

    /** transformers up to 4.44 reads "type", later ones "rope_type". */
    private static ObjectNode type(ObjectNode scaling, String type) {
        return scaling.put("type", type).put("rope_type", type);
    }
}
