package dev.fathom.plan;

/**
 * What one micro-batch costs a device in one stage, in seconds.
 *
 * @param forward computing, forward
 * @param input computing gradients of inputs, with what is recomputed
 * @param weight computing gradients of weights
 * @param allToAll tokens to experts and back, one way through the stage
 */
public record StageCost(double forward, double input, double weight, double allToAll) {}
