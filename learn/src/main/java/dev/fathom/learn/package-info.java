/**
 * Learning: {@code Task} and the built-in tasks, datasets and packing, the stages (pretrain, sft, rl, reject, distill,
 * eval), recipes, run directories.
 *
 * <p>Does not know HTTP or Spark.
 */
@NullMarked
package dev.fathom.learn;

import org.jspecify.annotations.NullMarked;
