/** What a model on disk is, told from its headers alone: nothing is loaded. */
@NullMarked
package dev.fathom.model.inspect;

import org.jspecify.annotations.NullMarked;
