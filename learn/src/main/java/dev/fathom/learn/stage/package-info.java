/**
 * The stages that make a model, each read from top to bottom: {@link dev.fathom.learn.stage.Pretrain}, {@link
 * dev.fathom.learn.stage.Reinforce}, {@link dev.fathom.learn.stage.Evaluator}; and {@link dev.fathom.learn.stage.Learning}, which runs a whole
 * recipe and resumes it.
 */
@NullMarked
package dev.fathom.learn.stage;

import org.jspecify.annotations.NullMarked;
