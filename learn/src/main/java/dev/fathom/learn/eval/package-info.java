/** Evaluation statistics: pass@1, pass@k, confidence intervals, per level. */
@NullMarked
package dev.fathom.learn.eval;

import org.jspecify.annotations.NullMarked;
