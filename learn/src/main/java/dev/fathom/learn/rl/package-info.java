/** The arithmetic of GRPO without tensors: advantages, the policy loss and the level curriculum. */
@NullMarked
package dev.fathom.learn.rl;

import org.jspecify.annotations.NullMarked;
