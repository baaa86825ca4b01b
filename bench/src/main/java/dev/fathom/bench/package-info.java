/**
 * JMH benchmarks of the kernels and the workloads that are run side by side with other engines. Knows every module; no
 * module knows it.
 */
@NullMarked
package dev.fathom.bench;

import org.jspecify.annotations.NullMarked;
