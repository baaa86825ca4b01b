/** What a model costs per token: sizes and operation counts, from its config.json. */
@NullMarked
package dev.fathom.plan.shape;

import org.jspecify.annotations.NullMarked;
