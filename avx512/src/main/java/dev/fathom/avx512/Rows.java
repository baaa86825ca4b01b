package dev.fathom.avx512;

/** Rows of something at an address, {@code stride} bytes apart. */
record Rows(long address, long stride) {}
