package dev.fathom.bench;

import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/**
 * Milliseconds that two ways of doing the same work took, one directly after the other in one iteration: the speed of a shared machine wanders, the ratio of two neighbours
 * does not. JMH prints both at every iteration, {@link ForkReport} their ratios.
 */
@State(Scope.Thread)
@AuxCounters(AuxCounters.Type.EVENTS)
public class Turns {
    public double measured;
    public double baseline;
}
