package dev.fathom.plan.shape;

/**
 * The experts of a mixture-of-experts layer.
 *
 * @param routed number of routed experts
 * @param shared number of shared experts, each as wide as a routed one
 * @param perToken routed experts per token
 * @param inner inner width of one expert
 * @param groups groups of experts for limited routing; 1 for none
 * @param groupsPerToken groups a token may reach
 * @param bias whether the router has a selection bias per expert
 */
public record Experts(int routed, int shared, int perToken, int inner, int groups, int groupsPerToken, boolean bias) {}
