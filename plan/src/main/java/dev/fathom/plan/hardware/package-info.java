/** The devices a plan is for, as data files with a source for every number. */
@NullMarked
package dev.fathom.plan.hardware;

import org.jspecify.annotations.NullMarked;
