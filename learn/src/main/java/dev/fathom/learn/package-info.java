/**
 * Learning: {@code Task} and the built-in tasks, rewards, the stages (pretrain, rl, eval), recipes, run directories, reports.
 *
 * <p>Does not know HTTP or Spark.
 */
@NullMarked
package dev.fathom.learn;

import org.jspecify.annotations.NullMarked;
