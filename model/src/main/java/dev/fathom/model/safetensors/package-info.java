/**
 * The safetensors format: eight bytes of header length, a JSON header with type, shape and place of every tensor, then the raw
 * little-endian data without gaps. Files are mapped, never copied to the heap; a damaged header is an error before any data is
 * touched.
 */
@NullMarked
package dev.fathom.model.safetensors;

import org.jspecify.annotations.NullMarked;
