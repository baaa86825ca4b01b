/** Conversations as the text that a model was trained on: the template comes with the checkpoint. */
@NullMarked
package dev.fathom.model.chat;

import org.jspecify.annotations.NullMarked;
