package dev.fathom.bench;

import dev.fathom.engine.DType;
import dev.fathom.engine.Engine;
import dev.fathom.engine.Gemm;
import dev.fathom.engine.Kernels;
import dev.fathom.engine.KeyValueStore;
import dev.fathom.engine.Precision;
import dev.fathom.engine.RowGroups;
import dev.fathom.engine.Segments;
import dev.fathom.engine.Tensor;
import dev.fathom.engine.WorkerPool;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import org.jspecify.annotations.Nullable;

/**
 * One call of {@link Kernels} or {@link Gemm}, and what it has to do, read off its arguments.
 *
 * <p>Every operation of a step is such a call, so that two proxies see all of them without the engine knowing.
 *
 * @param target the kernels or products called
 * @param arguments live tensors, not copies
 */
record Call(Object target, Method method, Object[] arguments) {

    /** Hears of every call once it has returned. */
    @FunctionalInterface
    interface Listener {
        /**
         * One call at a time.
         *
         * @param seconds on the caller's clock, the other threads' share of the work included; of a call that had one thread, while the others made calls
         *     of their own, its share of that clock
         */
        void onCall(Call call, double seconds);
    }

    /** The same engine, watched. */
    static Engine watch(Engine engine, Listener listener) {
        WorkerPool pool = engine.pool();
        Gemm gemm = watched(Gemm.class, engine.gemm(), pool, listener);
        Gemm exact =
                engine.exactGemm() == engine.gemm() ? gemm : watched(Gemm.class, engine.exactGemm(), pool, listener);
        return new Engine(
                watched(Kernels.class, engine.kernels(), pool, listener),
                gemm,
                exact,
                engine.storedGemm(),
                pool,
                engine.note());
    }

    private static <T> T watched(Class<T> type, T target, WorkerPool pool, Listener listener) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, (proxy, method, args) -> {
            Call call = new Call(target, method, args == null ? new Object[0] : args);
            long start = System.nanoTime();
            Object result = call.invoke(target);
            double seconds = (System.nanoTime() - start) * 1e-9;
            if (call.computes()) {
                synchronized (listener) {
                    listener.onCall(call, seconds * pool.parallelism() / pool.threads());
                }
            }
            return result;
        }));
    }

    /** The same call with integers of its own: memory that is used again must not turn a row number into anything else. */
    Call withOwnIntegers() {
        Object[] own = arguments.clone();
        for (int i = 0; i < own.length; i++) {
            if (own[i] instanceof Tensor tensor && tensor.dtype() == DType.I32) {
                Tensor copy = Tensor.zeros(DType.I32, tensor.shape());
                copy.copyFrom(tensor);
                own[i] = copy;
            }
        }
        return new Call(target, method, own);
    }

    /** Makes the call again, on these kernels or products. */
    @Nullable
    Object invoke(Object onTarget) {
        try {
            return method.invoke(onTarget, arguments);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof RuntimeException known) {
                throw known;
            }
            throw new IllegalStateException(method + " failed", e.getCause());
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(method + " cannot be called", e);
        }
    }

    /** Not a question such as {@link Gemm#name()}, nor the packing of weights when a model is made. */
    private boolean computes() {
        return arguments.length > 0 && !method.getName().equals("pack");
    }

    boolean isProduct() {
        return target instanceof Gemm;
    }

    /** Of the operands that are multiplied: of matrix products as the engine was opened, of attention as keys and values are kept, else f32. */
    Precision precision() {
        if (target instanceof Gemm gemm) {
            return gemm.precision();
        }
        boolean attends = method.getName().startsWith("attention");
        return attends && find(KeyValueStore.class).data().dtype() == DType.BF16 ? Precision.BF16 : Precision.F32;
    }

    /** The method; of a matrix product with the weight's size, {@code inputs x outputs [x experts]}. */
    String name() {
        return isProduct() ? method.getName() + " " + size() : method.getName();
    }

    /** The name with the rows, and for all but matrix products the width, of the first tensor. */
    String label() {
        Tensor first = firstTensor();
        return isProduct()
                ? method.getName() + " " + first.rows() + "x" + size()
                : method.getName() + " " + first.rows() + "x" + first.columns();
    }

    private String size() {
        boolean ofGradient = method.getName().equals("backwardWeight");
        RowGroups groups = (RowGroups) arguments[ofGradient ? 2 : 1];
        long inputs = ofGradient ? ((Tensor) arguments[1]).columns() : weights().inputs();
        long outputs = ofGradient ? firstTensor().columns() : weights().outputs();
        return inputs + "x" + outputs + (groups.count() > 1 ? "x" + groups.count() : "");
    }

    private Tensor firstTensor() {
        for (Object argument : arguments) {
            if (argument instanceof Tensor tensor) {
                return tensor;
            }
            if (argument instanceof KeyValueStore store) {
                return store.data();
            }
        }
        throw new IllegalStateException(method + " has no tensor");
    }

    private Gemm.Packed weights() {
        return (Gemm.Packed) arguments[2];
    }

    /** Multiplications and additions of matrix products and attention; 0 for operations that mostly pass over memory. */
    double flops() {
        return switch (method.getName()) {
            case "forward", "backwardInput" ->
                2.0
                        * ((RowGroups) arguments[1]).rows()
                        * weights().inputs()
                        * weights().outputs();
            case "backwardWeight" ->
                2.0
                        * ((RowGroups) arguments[2]).rows()
                        * ((Tensor) arguments[0]).columns()
                        * ((Tensor) arguments[1]).columns();
            case "attention" -> 2.0 * attended();
            // Scores again, then dV, dP, dQ and dK: five products where the forward pass has two.
            case "attentionBackward" -> 5.0 * attended();
            default -> 0;
        };
    }

    /** Numbers of keys and values that all queries of all heads see together. */
    private double attended() {
        return visiblePairs(find(Segments.class)) * integer("heads") * width(find(KeyValueStore.class));
    }

    /** Pairs of a query and a key it sees. */
    private static double visiblePairs(Segments segments) {
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

    /**
     * Of the tensors it names, each moved once: the least there is to move. Of keys and values the positions that are copied or seen; AdamW's
     * parameters and moments are read and written.
     */
    double bytes() {
        return switch (method.getName()) {
            case "storeKeys", "storeKeysBackward" -> copied(integer("width"));
            case "storeValues", "storeValuesBackward" ->
                copied(find(KeyValueStore.class).valueDim());
            // Of the table only the rows that are looked up.
            case "embedding", "embeddingBackward" -> 2 * embedded();
            case "adamW" -> named() * 7 / 4;
            default -> named();
        };
    }

    /** Bytes of the batch's rows. */
    private double embedded() {
        Tensor rows = (Tensor) arguments[method.getName().equals("embedding") ? 2 : 0];
        return (double) rows.size() * rows.dtype().bytes();
    }

    private double named() {
        double bytes = 0;
        for (Object argument : arguments) {
            if (argument instanceof Tensor tensor) {
                bytes += (double) tensor.size() * tensor.dtype().bytes();
            } else if (argument instanceof Gemm.Packed weights) {
                double each = precision() == Precision.BF16 ? 2 : 4;
                bytes += each * weights.groups() * weights.inputs() * weights.outputs();
            } else if (argument instanceof KeyValueStore store) {
                double each = store.data().dtype().bytes();
                bytes += each * positions(find(Segments.class)) * store.heads() * width(store);
            }
        }
        return bytes;
    }

    /** So much of each head's key or value, read here and written there. */
    private double copied(int width) {
        KeyValueStore store = find(KeyValueStore.class);
        return (4.0 + store.data().dtype().bytes()) * find(Segments.class).rows() * store.heads() * width;
    }

    /** Positions that the sequences have by now. */
    private static double positions(Segments segments) {
        double positions = 0;
        for (int s = 0; s < segments.count(); s++) {
            positions += segments.position()[s] + segments.rowCount()[s];
        }
        return positions;
    }

    /** The argument of this name: classes are compiled with the names of their parameters. */
    private int integer(String name) {
        for (int i = 0; i < arguments.length; i++) {
            if (method.getParameters()[i].getName().equals(name)) {
                return (int) arguments[i];
            }
        }
        throw new IllegalStateException(method + " has no parameter " + name);
    }

    private <T> T find(Class<T> type) {
        for (Object argument : arguments) {
            if (type.isInstance(argument)) {
                return type.cast(argument);
            }
        }
        throw new IllegalStateException(method + " has no " + type.getSimpleName());
    }
}
