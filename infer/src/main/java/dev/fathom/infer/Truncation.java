package dev.fathom.infer;

/**
 * Top-k, top-p and min-p: finds the tokens that stay without sorting the vocabulary. Tokens are ordered by their logit, of equal ones the lower
 * id first.
 *
 * <p>Only the tokens near the largest logit are looked at, then those a little farther away, until they are enough.
 */
final class Truncation {
    /** How far below the largest logit to look first, in nats: where text is predictable, a few dozen tokens. */
    private static final float FIRST_REACH = 4;

    private int[] ids = new int[0];
    private float[] logits = new float[0];

    /** Leaves out what the settings leave out. */
    void apply(LogitRow row, float inverseTemperature, int topK, double topP, double minP) {
        int k = topK == 0 ? row.size() : Math.min(topK, row.size());
        if (k == row.size() && topP == 1 && minP == 0) {
            return;
        }
        if (ids.length < row.size()) {
            ids = new int[row.size()];
            logits = new float[row.size()];
        }
        float max = row.largest();
        double all = k == row.size() && topP < 1 ? row.sumOfExponentials(inverseTemperature, max) : 0;
        int count = 0;
        for (float reach = FIRST_REACH; ; reach *= 2) {
            boolean last = reach > 256;
            count = row.atLeast(last ? -Float.MAX_VALUE : max - reach / inverseTemperature, ids);
            boolean enough = k < row.size()
                    ? count >= k
                    : topP < 1 ? mass(row, count, inverseTemperature, max) >= topP * all : reach >= -Math.log(minP);
            if (enough || last) {
                break;
            }
        }
        for (int i = 0; i < count; i++) {
            logits[i] = row.get(ids[i]);
        }
        if (k < count) {
            selectLargest(count, k);
            count = k;
        }
        if (topP < 1) {
            double total = k < row.size() ? mass(row, count, inverseTemperature, max) : all;
            count = selectMass(count, topP * total, inverseTemperature, max);
        }
        if (minP > 0) {
            float least = (float) Math.log(minP);
            int kept = 0;
            for (int i = 0; i < count; i++) {
                if ((logits[i] - max) * inverseTemperature >= least) {
                    swap(kept++, i);
                }
            }
            count = kept;
        }
        row.exclude(0, row.size());
        for (int i = 0; i < count; i++) {
            row.set(ids[i], logits[i]);
        }
    }

    private double mass(LogitRow row, int count, float inverseTemperature, float max) {
        double mass = 0;
        for (int i = 0; i < count; i++) {
            mass += Math.exp((row.get(ids[i]) - max) * inverseTemperature);
        }
        return mass;
    }

    /** Brings the k first in order to the front (quickselect). */
    private void selectLargest(int count, int k) {
        int from = 0;
        int to = count;
        while (to - from > 1) {
            int pivot = partition(from, to);
            if (pivot + 1 == k || pivot == k) {
                return;
            }
            if (pivot < k) {
                from = pivot + 1;
            } else {
                to = pivot;
            }
        }
    }

    /**
     * Brings the fewest first in order that together reach a mass to the front, and returns how many: quickselect that counts mass instead of
     * elements.
     */
    private int selectMass(int count, double mass, float inverseTemperature, float max) {
        int from = 0;
        int to = count;
        double before = 0;
        while (to - from > 1) {
            int pivot = partition(from, to);
            double front = 0;
            for (int i = from; i <= pivot; i++) {
                front += Math.exp((logits[i] - max) * inverseTemperature);
            }
            double last = Math.exp((logits[pivot] - max) * inverseTemperature);
            if (before + front - last >= mass) {
                to = pivot;
            } else if (before + front >= mass) {
                return pivot + 1;
            } else {
                before += front;
                from = pivot + 1;
            }
        }
        return Math.min(count, from + 1);
    }

    /** Moves a pivot to its place in order, what comes before it to the front, and returns its index. */
    private int partition(int from, int to) {
        swap(to - 1, medianOfThree(from, (from + to) >>> 1, to - 1));
        int place = from;
        for (int i = from; i < to - 1; i++) {
            if (before(i, to - 1)) {
                swap(place++, i);
            }
        }
        swap(place, to - 1);
        return place;
    }

    private int medianOfThree(int a, int b, int c) {
        if (before(a, b)) {
            return before(b, c) ? b : before(a, c) ? c : a;
        }
        return before(a, c) ? a : before(b, c) ? c : b;
    }

    private boolean before(int a, int b) {
        return logits[a] > logits[b] || (logits[a] == logits[b] && ids[a] < ids[b]);
    }

    private void swap(int a, int b) {
        int id = ids[a];
        float logit = logits[a];
        ids[a] = ids[b];
        logits[a] = logits[b];
        ids[b] = id;
        logits[b] = logit;
    }
}
