/**
 * What a model is to learn: the interface users implement, the built-in tasks, and the split into training and held-out
 * problems.
 */
@NullMarked
package dev.fathom.learn.task;

import org.jspecify.annotations.NullMarked;
