/**
 * What it costs to train and to serve a model on a cluster, computed from its config, without a tensor: parameters, FLOPs,
 * memory, communication, pipeline schedules, hours and dollars. docs/plan.md says what is calibrated and what is predicted.
 */
@NullMarked
package dev.fathom.plan;

import org.jspecify.annotations.NullMarked;
