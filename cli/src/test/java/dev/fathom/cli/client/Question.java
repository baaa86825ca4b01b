package dev.fathom.cli.client;

/** What every client asks, each in its own words. All say "Hello" with {@link #SEED}, at most {@link #TOKENS} tokens, of which {@link #THOUGHTS} are thoughts. */
public enum Question {
    /** Nothing more. */
    PLAIN,
    /** One tool, {@code weather} with a {@code city} that is Rome or Oslo, and it has to be called. */
    TOOL,
    /** The answer has to be {@code {"age": N}} with N from 0 to 9. */
    SCHEMA;

    static final long SEED = 7;
    static final int TOKENS = 90;
    static final int THOUGHTS = 20;

    /** The tool's parameters. */
    static final String PARAMETERS =
            "{\"type\": \"object\", \"properties\": {\"city\": {\"type\": \"string\", \"enum\": [\"Rome\", \"Oslo\"]}}, \"required\": [\"city\"]}";

    /** What the answer has to be. */
    static final String AGE =
            "{\"type\": \"object\", \"properties\": {\"age\": {\"type\": \"integer\", \"enum\": [0, 1, 2, 3]}}, \"required\": [\"age\"], \"additionalProperties\": false}";
}
