/** A Fathom model in the same process as LangChain4j's {@code ChatModel} and {@code StreamingChatModel}, thinking included. */
@NullMarked
package dev.fathom.langchain4j;

import org.jspecify.annotations.NullMarked;
