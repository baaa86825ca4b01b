/**
 * Models as others released them: the tensors and the config of a Hugging Face directory or a GGUF file under one set of names, and what a file says
 * about generating with it.
 */
@NullMarked
package dev.fathom.model.release;

import org.jspecify.annotations.NullMarked;
