package dev.fathom.serve.api;

/**
 * What all parts of a response have in common.
 *
 * @param created seconds since 1970
 */
public record Origin(String id, long created, String model, String systemFingerprint) {}
