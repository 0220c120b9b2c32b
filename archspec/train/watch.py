"""Shows people how a training run goes."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, TextIO

WIDTH = 24  # characters of the bar
QUIET = 60.0  # seconds between two lines about steps where nothing can be drawn again


class Progress:
    """A line that shows step, loss, examples a second and the time left.

    On a terminal it is drawn again and again; elsewhere it is written once a minute. Measures get a line each.
    """

    def __init__(self, out: TextIO, now: Callable[[], float] = monotonic) -> None:
        self.out = out
        self.now = now
        self.drawn = False
        self.written = now()
        self.first: tuple[float, int] | None = None  # when the first step was told of, and its number
        self.measures = ""

    def show(self, event: Any) -> None:
        """Show an event of a training job."""
        if event["event"] == "step":
            self._step(event)
        elif event["event"] == "measured":
            self.measures = " ".join(f"{name} {value:.4f}" for name, value in event["result"].items())
            self.say(f"step {event['step']}: {self.measures}")
        elif event["event"] == "skipped":
            self.say(f"skipped: {event['reason']}")

    def _step(self, event: Any) -> None:
        now, step, steps = self.now(), event["step"], event["steps"]
        if self.first is None:
            self.first = now, step
        drawn = self.out.isatty()
        if not drawn and now - self.written < QUIET:
            return
        since, done = now - self.first[0], step - self.first[1]
        pace = done / since if since and done else 0.0
        left = f"{_clock((steps - step) / pace)} left" if pace else ""
        speed = f"{pace * event['batch']:.1f} images/s" if pace else ""
        facts = [f"{step}/{steps}", f"loss {event['loss']:.4f}", self.measures, speed, left]
        line = "  ".join(fact for fact in facts if fact)
        if drawn:
            self.out.write(f"\r\033[K{'█' * (WIDTH * step // steps):░<{WIDTH}} {line}")
            self.out.flush()
            self.drawn = True
        else:
            self.written = now
            self.say(line)

    def say(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        self.out.write(text + "\n")
        self.out.flush()

    def clear(self) -> None:
        """Wipe the line that was drawn."""
        if self.drawn:
            self.out.write("\r\033[K")
            self.out.flush()
            self.drawn = False


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
