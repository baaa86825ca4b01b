/** Model configs: a released Hugging Face {@code config.json} is our config file. */
@NullMarked
package dev.fathom.model.config;

import org.jspecify.annotations.NullMarked;
