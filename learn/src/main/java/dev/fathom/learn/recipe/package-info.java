/** Recipes: the stages of a run and their options as validated records, read from and written to JSON. */
@NullMarked
package dev.fathom.learn.recipe;

import org.jspecify.annotations.NullMarked;
