package dev.fathom.archfixture.learn;

import java.util.logging.Logger;

/** Breaks a rule: libraries log through System.Logger. */
public final class LearnThatLogsWithJul {
    Logger logger = Logger.getLogger("learn");
}
