package dev.fathom.plan.report;

import dev.fathom.plan.Calibration.Constant;
import dev.fathom.plan.hardware.Hardware;
import java.util.List;
import tools.jackson.databind.node.ObjectNode;

/** A plan for people, for programs, and as a page. */
public interface Report {
    List<String> text();

    ObjectNode json();

    /**
     * One HTML page that needs nothing else.
     *
     * @param command that makes it again
     */
    String html(String command);

    /** Measurements of others that the plan rests on. */
    List<Constant> constants();

    /** The device whose figures it rests on. */
    Hardware hardware();

    /** {@link #constants} and {@link #hardware} with their sources. */
    default List<String> explanation() {
        return Explanation.lines(constants(), hardware());
    }
}
