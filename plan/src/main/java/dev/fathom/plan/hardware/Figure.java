package dev.fathom.plan.hardware;

/**
 * A number and where it comes from.
 *
 * @param value in base units: bytes, FLOP/s, bytes/s, dollars, hours
 */
public record Figure(double value, String source) {}
