package dev.fathom.model.chat;

import tools.jackson.databind.node.ObjectNode;

/**
 * A function that a model may ask to have called.
 *
 * @param name what the model calls it
 * @param description what it is for
 * @param parameters the JSON schema of its arguments, an object's
 */
public record ToolDefinition(String name, String description, ObjectNode parameters) {}
