/** Released models from one format to the other, and from one type of numbers to another. */
@NullMarked
package dev.fathom.model.convert;

import org.jspecify.annotations.NullMarked;
