/**
 * What is measured and how: the workloads that other engines are compared on, the loops that run them, where the time of an operation goes,
 * and what the machine could do. {@code fathom bench} is the command; JMH benchmarks of single kernels are among the tests.
 */
@NullMarked
package dev.fathom.bench;

import org.jspecify.annotations.NullMarked;
