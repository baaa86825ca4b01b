/**
 * The server: the OpenAI API with DeepSeek's {@code reasoning_content} over one generation engine, a page to chat with the model and a
 * dashboard of training runs. Each endpoint is a class; what may be wrong with a request is an {@link dev.fathom.serve.api.ApiException}.
 */
@NullMarked
package dev.fathom.serve;

import org.jspecify.annotations.NullMarked;
