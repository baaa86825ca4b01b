package dev.fathom.cli.client;

/** A client of a model, with the settings of {@link Question}. */
public interface Client extends AutoCloseable {
    /** Asks and waits for the whole answer, which is put together from a stream or not. */
    Answer ask(Question question, boolean streamed) throws Exception;

    @Override
    default void close() {}
}
