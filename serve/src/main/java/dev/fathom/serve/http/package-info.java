/** What the server adds to the web server: clients that leave are noticed, and clients that stall are let go. */
@NullMarked
package dev.fathom.serve.http;

import org.jspecify.annotations.NullMarked;
