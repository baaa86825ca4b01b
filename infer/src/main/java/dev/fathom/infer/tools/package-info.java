/** Calls of functions, in the form that each family of models was trained to write them in. */
@NullMarked
package dev.fathom.infer.tools;

import org.jspecify.annotations.NullMarked;
