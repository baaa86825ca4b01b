/** Pipeline schedules, simulated event by event. */
@NullMarked
package dev.fathom.plan.schedule;

import org.jspecify.annotations.NullMarked;
