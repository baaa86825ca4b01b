package dev.fathom.model.chat;

/**
 * A call that a model asked for.
 *
 * @param id ties the result to the call
 * @param name of the function
 * @param arguments a JSON object as text, the way the model wrote it
 */
public record ToolCall(String id, String name, String arguments) {}
