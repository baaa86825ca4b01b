package dev.fathom.plan;

import dev.fathom.plan.hardware.Hardware;
import dev.fathom.plan.hardware.Precision;
import dev.fathom.plan.shape.Experts;
import dev.fathom.plan.shape.ModelShape;

/** How long messages take. Within a node over the fast links, between nodes over the network. */
final class CommunicationModel {
    private final ModelShape shape;
    private final Hardware hardware;
    private final Layout layout;

    CommunicationModel(ModelShape shape, Hardware hardware, Layout layout) {
        this.shape = shape;
        this.hardware = hardware;
        this.layout = layout;
    }

    /**
     * Dispatch and combine of one layer with experts, one way (DeepSeek-V3 section 3.2.2): a token goes once to each node it needs,
     * over the network, and from there over the fast links to each device it needs. Both legs flow at once, so the slower one counts. Tokens travel in
     * the training precision, what experts return in BF16.
     *
     * @param tokens of one device
     */
    double allToAll(double tokens) {
        Experts experts = shape.experts();
        if (experts == null || layout.expert() == 1) {
            return 0;
        }
        double bytes = tokens * shape.hidden() * ((layout.precision() == Precision.FP8 ? 1 : 2) + 2);
        int perNode = Math.max(1, hardware.devicesPerNode() / layout.tensor());
        int nodes = Math.ceilDiv(layout.expert(), perNode);
        double devices = destinations(experts, layout.expert());
        double withinNode = bytes * devices / hardware.nodeBytesPerSecond().value();
        if (nodes == 1) {
            return withinNode;
        }
        double betweenNodes = bytes
                * destinations(experts, nodes)
                / hardware.networkBytesPerSecond().value();
        return Math.max(withinNode, betweenNodes);
    }

    /**
     * Of {@code places} equal shares of the experts, how many a token reaches. With group-limited routing all that the groups allow: groups
     * are chosen for their best experts, so hardly one is chosen in vain. Without groups each of a token's experts is anywhere.
     */
    private static double destinations(Experts experts, int places) {
        if (experts.groups() > 1) {
            double perGroup = Math.max(1.0, (double) places / experts.groups());
            return Math.min(Math.min(places, experts.groupsPerToken() * perGroup), experts.perToken());
        }
        return places * (1 - Math.pow(1 - 1.0 / places, experts.perToken()));
    }

    /** Sending a micro-batch's hidden states to the next stage; the two directions of DualPipe share the port. */
    double handOver(double tokens) {
        double bytes = 2.0 * tokens * shape.hidden() / layout.tensor();
        boolean inNode = layout.devicesPerPipeline() <= hardware.devicesPerNode();
        double rate = (inNode ? hardware.nodeBytesPerSecond() : hardware.networkBytesPerSecond()).value();
        return layout.pipeline() == 1 ? 0 : bytes / rate * (layout.schedule().isPaired() ? 2 : 1);
    }

    /**
     * Gathering and scattering of hidden states in one layer, one way, under tensor parallelism with sequence parallelism: a gather before
     * and a scatter after each of attention and feed-forward part.
     *
     * @param tokens of all devices that share the matrices
     */
    double tensorParallel(double tokens) {
        int share = layout.tensor();
        if (share == 1) {
            return 0;
        }
        double bytes = 4 * 2.0 * tokens * shape.hidden() * (share - 1) / share;
        boolean inNode = share <= hardware.devicesPerNode();
        return bytes / (inNode ? hardware.nodeBytesPerSecond() : hardware.networkBytesPerSecond()).value();
    }

    /**
     * Reducing gradients and gathering updated weights over the replicas, first within the node, then between nodes with the
     * share that is left.
     *
     * @param parameters of one device
     * @param replicas devices with the same parameters
     * @param inNode how many of them are in one node
     * @param bytesEach bytes per parameter that every device receives and sends
     */
    double allReduce(double parameters, int replicas, int inNode, double bytesEach) {
        int local = Math.min(replicas, Math.max(1, inNode));
        double bytes = parameters * bytesEach;
        double within =
                bytes * (local - 1) / local / hardware.nodeBytesPerSecond().value();
        double groups = (double) replicas / local;
        double between = bytes
                / local
                * (groups - 1)
                / groups
                / hardware.networkBytesPerSecond().value();
        return within + between;
    }
}
