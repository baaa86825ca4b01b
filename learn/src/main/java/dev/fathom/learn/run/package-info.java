/** Run directories: everything one run leaves behind, safe against kill -9 and against a second process. */
@NullMarked
package dev.fathom.learn.run;

import org.jspecify.annotations.NullMarked;
