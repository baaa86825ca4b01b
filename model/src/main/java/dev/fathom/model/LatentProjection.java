package dev.fathom.model;

import dev.fathom.engine.Weight;

/**
 * The up-projection {@code [k_C ; v] = W_UKV c} of multi-head latent attention, whole and taken apart (DeepSeek-V2, arXiv 2405.04434 section 2.1.3).
 *
 * @param keyValueUp {@code [heads * (nope + value), latent]}: keys and values of a latent
 * @param keyAbsorbed one group per head, {@code [latent, nope]}, {@code W_UK} transposed: a query as latents see it
 * @param valueUp one group per head, {@code [value, latent]}: the value of a sum of latents
 */
record LatentProjection(Weight keyValueUp, Weight keyAbsorbed, Weight valueUp) {}
