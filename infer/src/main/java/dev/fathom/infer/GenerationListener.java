package dev.fathom.infer;

/**
 * Hears what happens to one request: in order, never from two threads at once, and nothing after {@link GenerationEvent.End}.
 *
 * <p>The engine's thread calls it between steps and all other requests wait meanwhile: whoever has more to do than to put the event into a
 * queue does it elsewhere. A listener that throws has its request ended.
 */
@FunctionalInterface
public interface GenerationListener {
    void onEvent(GenerationEvent event);
}
