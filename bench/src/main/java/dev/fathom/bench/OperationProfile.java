package dev.fathom.bench;

import dev.fathom.engine.Engine;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.Kernels;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Segments;
import dev.fathom.engine.Tensor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Where the time of a step goes: an {@link Engine} whose kernels and matrix products are watched call by call.
 *
 * <p>Every operation of a step is one call of {@link Kernels} or {@link Gemm}, on the caller's thread, so two proxies see all of them without the
 * engine knowing. A call's bytes are those of the tensors it names, each touched once: the least that it must move.
 */
public final class OperationProfile {
    /**
     * One operation, summed over its calls.
     *
     * @param name method of {@link Kernels} or {@link Gemm}; a matrix product's with its size, such as {@code forward 256x192}
     * @param seconds on the caller's clock, the other threads' share of the work included
     * @param flops multiplications and additions of its matrix products, 0 for operations that only pass over memory
     * @param bytes of the tensors it names, each once
     */
    public record Operation(String name, long calls, double seconds, double flops, double bytes) {
        Operation plus(double moreSeconds, double moreFlops, double moreBytes) {
            return new Operation(name, calls + 1, seconds + moreSeconds, flops + moreFlops, bytes + moreBytes);
        }
    }

    private final Map<String, Operation> operations = new LinkedHashMap<>();
    private boolean enabled;

    /** The same engine, watched. */
    public Engine watch(Engine engine) {
        Gemm gemm = watched(Gemm.class, engine.gemm());
        Gemm exact = engine.exactGemm() == engine.gemm() ? gemm : watched(Gemm.class, engine.exactGemm());
        return new Engine(watched(Kernels.class, engine.kernels()), gemm, exact, engine.pool(), engine.note());
    }

    /** Forgets what was seen and begins to count. */
    public void start() {
        operations.clear();
        enabled = true;
    }

    /** Stops counting. */
    public void stop() {
        enabled = false;
    }

    /** What was seen, most time first. */
    public List<Operation> operations() {
        List<Operation> sorted = new ArrayList<>(operations.values());
        sorted.sort(Comparator.comparingDouble(Operation::seconds).reversed());
        return sorted;
    }

    private <T> T watched(Class<T> type, T target) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, args) -> {
            Object[] arguments = args == null ? new Object[0] : args;
            long start = System.nanoTime();
            try {
                return method.invoke(target, arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            } finally {
                if (enabled && method.getReturnType() != String.class) {
                    add(method, arguments, (System.nanoTime() - start) * 1e-9);
                }
            }
        }));
    }

    private void add(Method method, Object[] arguments, double seconds) {
        double flops = Work.flops(method.getName(), arguments);
        String name = Work.name(method.getName(), arguments);
        operations.merge(
                name,
                new Operation(name, 1, seconds, flops, Work.bytes(arguments)),
                (old, now) -> old.plus(now.seconds(), now.flops(), now.bytes()));
    }

    /** What a call has to do, read off its arguments. */
    private static final class Work {
        private Work() {}

        static String name(String method, Object[] arguments) {
            return switch (method) {
                case "forward", "backwardInput" -> {
                    Gemm.Packed weights = (Gemm.Packed) arguments[2];
                    yield method + " " + weights.inputs() + "x" + weights.outputs()
                            + (weights.groups() > 1 ? "x" + weights.groups() : "");
                }
                case "backwardWeight" -> {
                    RowGroups groups = (RowGroups) arguments[2];
                    yield method + " " + ((Tensor) arguments[1]).columns() + "x" + ((Tensor) arguments[0]).columns()
                            + (groups.count() > 1 ? "x" + groups.count() : "");
                }
                case "adamW" -> method + " " + ((Tensor) arguments[0]).size();
                default -> method;
            };
        }

        static double flops(String method, Object[] arguments) {
            return switch (method) {
                case "forward", "backwardInput" -> {
                    Gemm.Packed weights = (Gemm.Packed) arguments[2];
                    yield 2.0 * ((RowGroups) arguments[1]).rows() * weights.inputs() * weights.outputs();
                }
                case "backwardWeight" ->
                    2.0
                            * ((RowGroups) arguments[2]).rows()
                            * ((Tensor) arguments[0]).columns()
                            * ((Tensor) arguments[1]).columns();
                case "attention" ->
                    2.0 * visible((Segments) arguments[3]) * (int) arguments[1] * width((KeyValueStore) arguments[4]);
                // Scores again, then dV, dP, dQ and dK: five products where the forward pass has two.
                case "attentionBackward" ->
                    5.0 * visible((Segments) arguments[6]) * (int) arguments[4] * width((KeyValueStore) arguments[7]);
                default -> 0;
            };
        }

        /** Pairs of a query and a key it sees. */
        private static double visible(Segments segments) {
            double pairs = 0;
            for (int s = 0; s < segments.count(); s++) {
                double rows = segments.rowCount()[s];
                pairs += rows * segments.position()[s] + rows * (rows + 1) / 2;
            }
            return pairs;
        }

        private static double width(KeyValueStore store) {
            return store.keyDim() + store.valueDim();
        }

        static double bytes(Object[] arguments) {
            double bytes = 0;
            for (Object argument : arguments) {
                if (argument instanceof Tensor tensor) {
                    bytes += (double) tensor.size() * tensor.dtype().bytes();
                } else if (argument instanceof Gemm.Packed weights) {
                    bytes += 4.0 * weights.groups() * weights.inputs() * weights.outputs();
                } else if (argument instanceof KeyValueStore store) {
                    bytes += 4.0 * store.data().size();
                }
            }
            return bytes;
        }
    }
}
