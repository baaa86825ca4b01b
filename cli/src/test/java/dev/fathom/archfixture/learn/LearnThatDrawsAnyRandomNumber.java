package dev.fathom.archfixture.learn;

import java.util.Random;

/** Breaks a rule: a random number depends on its counter, not on how often one was drawn. */
public final class LearnThatDrawsAnyRandomNumber {
    Random random = new Random(1);
}
