package dev.fathom.learn.task;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/**
 * Decides for every problem whether it may be trained on or is held out for evaluation.
 *
 * <p>The decision is a hash of the problem's {@linkplain Problem#canonical canonical form} and of nothing else. Splits
 * made with seeds overlap as soon as two generators happen to make the same problem, which for small problems is
 * certain; here a problem is on one side for ever, in every run, whatever made it.
 */
public final class Split {
    /** The share of all problems that is held out. */
    public static final double HELD_OUT_SHARE = 0.1;

    // Changing this text changes the side of every problem, and old and new evaluations can no longer be compared.
    private static final byte[] SALT = "fathom/split/1:".getBytes(StandardCharsets.UTF_8);

    private Split() {}

    /** True if this problem must never be trained on. */
    public static boolean isHeldOut(Problem problem) {
        return isHeldOut(problem.canonical());
    }

    /** True if the problem with this canonical form must never be trained on. */
    public static boolean isHeldOut(String canonical) {
        MessageDigest sha256 = sha256();
        sha256.update(SALT);
        byte[] digest = sha256.digest(canonical.getBytes(StandardCharsets.UTF_8));
        int first32Bits = digest[0] << 24 | (digest[1] & 0xff) << 16 | (digest[2] & 0xff) << 8 | (digest[3] & 0xff);
        return Integer.toUnsignedLong(first32Bits) < HELD_OUT_SHARE * 0x1p32;
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-256", e);
        }
    }
}
