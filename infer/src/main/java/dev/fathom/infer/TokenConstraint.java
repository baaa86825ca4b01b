package dev.fathom.infer;

/**
 * What an answer may consist of, token by token: a JSON document, one of several words, a tool call. It is asked before each token of the
 * answer; thinking is free.
 *
 * <p>Called by the engine's thread only, between forward passes, so it should answer within a fraction of a millisecond. One constraint may be
 * shared by any number of requests: all that changes is in its {@link State}, and that is immutable.
 */
public interface TokenConstraint {
    /** Before the first token of an answer. */
    State start();

    /** A place within an answer. */
    interface State {
        /**
         * Adds the ids that may come next to an empty mask. The tokens that end a response are not for the constraint to allow: see
         * {@link #mayEnd}.
         *
         * @param mask bit {@code id % 64} of word {@code id / 64} stands for a token
         * @param remaining tokens that the response may still have, this one and the one that ends it included: what cannot be completed with so
         *     many need not be begun
         */
        void allow(long[] mask, int remaining);

        /** Whether the answer may end here. Where nothing else is allowed, it ends. */
        boolean mayEnd();

        /** The place after this token, which was allowed. */
        State next(int token);
    }
}
