package dev.fathom.cli;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicBoolean;
import me.tongfei.progressbar.DelegatingProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/** A progress bar with rate and time left on a terminal; nothing elsewhere. */
final class ProgressLine implements AutoCloseable {
    private final Screen screen;
    private final AtomicBoolean closed = new AtomicBoolean();
    private final @Nullable ProgressBar bar;

    /** A bar that goes from {@code start} to {@code end}. */
    ProgressLine(Screen screen, String name, String unit, long start, long end) {
        this.screen = screen;
        this.bar = screen.showsProgress() ? bar(name, unit, start, end) : null;
    }

    private ProgressBar bar(String name, String unit, long start, long end) {
        return new ProgressBarBuilder()
                .setTaskName(name)
                .setInitialMax(end)
                .startsFrom(start, Duration.ZERO)
                .setUnit(" " + unit, 1)
                .showSpeed()
                .setStyle(screen.terminals().color() ? ProgressBarStyle.UNICODE_BLOCK : ProgressBarStyle.ASCII)
                .setUpdateIntervalMillis(250)
                // One column less than there are: a full line would move the cursor to the next.
                .setConsumer(new DelegatingProgressBarConsumer(
                        this::draw, Math.min(screen.terminals().width(), 100) - 1))
                .build();
    }

    void stepTo(long step) {
        if (bar != null) {
            bar.stepTo(step);
        }
    }

    /** @param end where the bar ends, as far as is known by now */
    void stepTo(long step, long end) {
        if (bar != null) {
            bar.maxHint(end).stepTo(step);
        }
    }

    private void draw(String text) {
        if (!closed.get()) {
            screen.progress(text);
        }
    }

    @Override
    public void close() {
        if (bar != null) {
            closed.set(true);
            bar.close();
            screen.progress("");
        }
    }
}
