/** Requests and responses of the OpenAI API as records, and what can be wrong with them. Knows no web server. */
@NullMarked
package dev.fathom.serve.api;

import org.jspecify.annotations.NullMarked;
