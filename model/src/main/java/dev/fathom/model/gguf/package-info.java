/**
 * The GGUF format, versions 2 and 3: metadata, the tensors' names, shapes, types and places, then their data. Files are mapped, never copied to
 * the heap; a damaged header is an error before any data is touched.
 *
 * <pre>
 * file     magic "GGUF", uint32 version, uint64 number of tensors, uint64 number of metadata entries,
 *          entry[], info[], padding to the alignment, data
 * entry    string key, uint32 type of value, value
 * info     string name, uint32 rank, uint64 dimension[rank] (the last of the shape first), uint32 type, uint64 offset in data
 * string   uint64 length, UTF-8 bytes
 * array    uint32 type of element, uint64 length, elements (which may be arrays)
 * </pre>
 *
 * All numbers are little-endian; offsets of tensors are multiples of {@code general.alignment}, or of 32 without it.
 */
@NullMarked
package dev.fathom.model.gguf;

import org.jspecify.annotations.NullMarked;
