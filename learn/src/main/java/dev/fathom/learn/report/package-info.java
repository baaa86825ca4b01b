/** {@code report.html}: one self-contained page made from the files of a run directory alone. */
@NullMarked
package dev.fathom.learn.report;

import org.jspecify.annotations.NullMarked;
