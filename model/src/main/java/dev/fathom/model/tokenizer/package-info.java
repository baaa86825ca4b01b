/** Text to token ids and back, in files that the Hugging Face {@code tokenizers} library reads to the same ids. */
@NullMarked
package dev.fathom.model.tokenizer;

import org.jspecify.annotations.NullMarked;
