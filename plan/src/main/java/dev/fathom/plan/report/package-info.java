/** Plans as text, JSON and an HTML page. */
@NullMarked
package dev.fathom.plan.report;

import org.jspecify.annotations.NullMarked;
