/** From a response to a number: the R1-Zero response format, read strictly, and the rule-based reward. */
@NullMarked
package dev.fathom.learn.reward;

import org.jspecify.annotations.NullMarked;
