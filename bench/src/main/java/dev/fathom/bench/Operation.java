package dev.fathom.bench;

import dev.fathom.engine.Precision;

/**
 * One kind of operation, summed over its calls.
 *
 * @param name see {@link Call#name}
 * @param flops multiplications and additions, 0 for operations that only pass over memory
 * @param bytes of the tensors it names, each once: the least that it must move
 * @param leastSeconds what the machine would need at its peaks: the larger of arithmetic and memory
 */
record Operation(String name, long calls, double seconds, double flops, double bytes, double leastSeconds) {

    static Operation of(
            String name, double seconds, double flops, double bytes, Precision precision, MachinePeak peak) {
        return new Operation(name, 1, seconds, flops, bytes, peak.seconds(flops, bytes, precision));
    }

    static Operation of(Call call, double seconds, MachinePeak peak) {
        return of(call.name(), seconds, call.flops(), call.bytes(), call.precision(), peak);
    }

    Operation plus(Operation other) {
        return new Operation(
                name,
                calls + other.calls,
                seconds + other.seconds,
                flops + other.flops,
                bytes + other.bytes,
                leastSeconds + other.leastSeconds);
    }

    double gflops() {
        return flops / seconds * 1e-9;
    }

    double gigabytesPerSecond() {
        return bytes / seconds * 1e-9;
    }

    /** 1 is the roofline. Above 1 the operands came from caches, which are faster than the memory the roofline is drawn with. */
    double rooflineFraction() {
        return leastSeconds / seconds;
    }
}
