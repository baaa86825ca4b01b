package dev.fathom.plan;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Which experts lie where, with more slots than experts, so that devices are equally busy: the planner published as deepseek-ai/EPLB. Where
 * groups of experts divide evenly over nodes it keeps each group on one node (hierarchical), so that group-limited tokens stay there; otherwise
 * it places over all devices at once (global).
 *
 * @param slots the expert in each slot; the slots of a device follow each other
 * @param devices how many devices share the slots
 */
public record ExpertPlacement(int[] slots, int devices) {

    /**
     * @param loads of each expert, in any unit
     * @param slots at least one per expert, a multiple of {@code devices}
     * @param groups of consecutive experts
     */
    public static ExpertPlacement plan(double[] loads, int slots, int groups, int nodes, int devices) {
        check(loads, slots, groups, nodes, devices);
        boolean hierarchical = groups % nodes == 0;
        ExpertPlacement planned = hierarchical
                ? hierarchical(loads, slots, groups, nodes, devices)
                : hierarchical(loads, slots, 1, 1, devices);
        // Packing greedily can lose against experts as they come; then they stay as they come.
        ExpertPlacement naive = naive(loads.length, slots, devices);
        return planned.imbalance(loads) <= naive.imbalance(loads) ? planned : naive;
    }

    /** Experts in order, and the first ones once more in the slots that are left. */
    public static ExpertPlacement naive(int experts, int slots, int devices) {
        return new ExpertPlacement(
                IntStream.range(0, slots).map(i -> i % experts).toArray(), devices);
    }

    private static void check(double[] loads, int slots, int groups, int nodes, int devices) {
        int experts = loads.length;
        if (Arrays.stream(loads).anyMatch(load -> !(load >= 0) || Double.isInfinite(load))) {
            throw PlanException.of("loads", Arrays.toString(loads), "non-negative numbers");
        }
        if (devices < 1 || nodes < 1 || devices % nodes != 0) {
            throw PlanException.of("--gpus", devices, "a multiple of the " + nodes + " nodes");
        }
        if (slots % devices != 0 || slots < experts) {
            int nearest = Math.ceilDiv(Math.max(slots, experts), devices) * devices;
            throw PlanException.of(
                    "--slots",
                    slots,
                    "a multiple of the " + devices + " devices, at least the " + experts + " experts; the nearest is "
                            + nearest);
        }
        if (groups < 1 || experts % groups != 0) {
            throw PlanException.of(
                    "--groups",
                    groups,
                    "a divisor of the " + experts + " experts; the nearest is "
                            + TrainingPlanner.nearestDivisor(experts, groups));
        }
    }

    private static ExpertPlacement hierarchical(double[] loads, int slots, int groups, int nodes, int devices) {
        int perGroup = loads.length / groups;
        double[] groupLoads = new double[groups];
        for (int e = 0; e < loads.length; e++) {
            groupLoads[e / perGroup] += loads[e];
        }
        int[] placed = new int[slots];
        int next = 0;
        for (List<Integer> nodeGroups : pack(groupLoads, nodes)) {
            int[] experts = nodeGroups.stream()
                    .flatMapToInt(g -> IntStream.range(g * perGroup, (g + 1) * perGroup))
                    .toArray();
            int[] copies =
                    replicate(Arrays.stream(experts).mapToDouble(e -> loads[e]).toArray(), slots / nodes);
            int[] replicas = IntStream.range(0, experts.length)
                    .flatMap(i -> IntStream.range(0, copies[i]).map(copy -> i))
                    .toArray();
            double[] shares = Arrays.stream(replicas)
                    .mapToDouble(i -> loads[experts[i]] / copies[i])
                    .toArray();
            for (List<Integer> device : pack(shares, devices / nodes)) {
                for (int replica : device) {
                    placed[next++] = experts[replicas[replica]];
                }
            }
        }
        return new ExpertPlacement(placed, devices);
    }

    /** Equally many items per pack: from the heaviest on, each into the lightest pack that has room. */
    static List<List<Integer>> pack(double[] weights, int packs) {
        int room = weights.length / packs;
        List<List<Integer>> contents = new ArrayList<>();
        for (int p = 0; p < packs; p++) {
            contents.add(new ArrayList<>());
        }
        double[] sums = new double[packs];
        int[] order = IntStream.range(0, weights.length)
                .boxed()
                .sorted(Comparator.comparingDouble(i -> -weights[i]))
                .mapToInt(i -> i)
                .toArray();
        for (int item : order) {
            int lightest = -1;
            for (int p = 0; p < packs; p++) {
                if (contents.get(p).size() < room && (lightest < 0 || sums[p] < sums[lightest])) {
                    lightest = p;
                }
            }
            contents.get(lightest).add(item);
            sums[lightest] += weights[item];
        }
        return contents;
    }

    /** One copy of each, and every further slot for whoever's copies are the busiest. */
    static int[] replicate(double[] loads, int slots) {
        int[] copies = new int[loads.length];
        Arrays.fill(copies, 1);
        for (int slot = loads.length; slot < slots; slot++) {
            int busiest = 0;
            for (int e = 1; e < loads.length; e++) {
                if (loads[e] / copies[e] > loads[busiest] / copies[busiest]) {
                    busiest = e;
                }
            }
            copies[busiest]++;
        }
        return copies;
    }

    /** Slots per expert. */
    public int[] copies(int experts) {
        int[] copies = new int[experts];
        for (int expert : slots) {
            copies[expert]++;
        }
        return copies;
    }

    /** Experts of one device. */
    public int[] device(int device) {
        int each = slots.length / devices;
        return Arrays.copyOfRange(slots, device * each, (device + 1) * each);
    }

    /** Load of the busiest device relative to the mean; 1 is fair, and what all devices wait for. */
    public double imbalance(double[] loads) {
        int[] copies = copies(loads.length);
        double busiest = 0;
        double sum = 0;
        for (int d = 0; d < devices; d++) {
            double load = Arrays.stream(device(d))
                    .mapToDouble(e -> loads[e] / copies[e])
                    .sum();
            busiest = Math.max(busiest, load);
            sum += load;
        }
        return sum == 0 ? 1 : busiest / (sum / devices);
    }
}
