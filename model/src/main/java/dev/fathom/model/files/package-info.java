/** What every model file shares: strict JSON reading and the errors that name file, field, found and expected value. */
@NullMarked
package dev.fathom.model.files;

import org.jspecify.annotations.NullMarked;
