"""What is being done, in one line on a terminal, once it has taken a second; never in a pipe.

A command names its stages (:func:`stage`). While one lasts a thread redraws the line, with the time
since the stage began, or with the time left where the predicted time of the work is known: work
that is divided into stretches says how much of its predicted time it has done (:func:`advance`).
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

DELAY = 1.0
"""Time (s) after which a stage is shown."""

INTERVAL = 0.25
"""Time (s) between two drawings of the line."""

FIRST_SHARE = 0.02
"""Part of the work that must be done before the time left is told: earlier it is a guess."""

T = TypeVar("T")


@dataclass(eq=False)
class Stage:
    """A part of the work that has a name.

    Attributes
    ----------
    text
        Its name, such as ``"fitting"``.
    begun
        When it began, s.
    expected, done
        Predicted time of the work, and that of the part that is done (s); 0 if unknown.
    since
        When the work began whose time is predicted, s; 0 before.
    """

    text: str
    begun: float = field(default_factory=time.perf_counter)
    expected: float = 0.0
    done: float = 0.0
    since: float = 0.0

    def line(self) -> str:
        """Name and time left, or the time since it began."""
        from friedel.runtime.limits import as_time

        now = time.perf_counter()
        share = self.done / self.expected if self.expected > DELAY else 0.0
        if FIRST_SHARE <= share < 1.0:
            left = round((now - self.since) * (1.0 / share - 1.0))
            return f"{self.text}: {share:.0%}, about {as_time(left)} left"
        return f"{self.text}: {now - self.begun:.0f} s"


def _columns() -> int:
    """Width of the terminal of standard error; 80 if that is unknown."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80


class StatusLine:
    """One line on standard error that is drawn over itself, and removed before other output.

    Attributes
    ----------
    is_wanted
        Whether stages are shown; what is pinned is shown in any case.
    is_silent
        Whether nothing is shown at all.
    """

    def __init__(self) -> None:
        self.is_wanted = False
        self.is_silent = False
        self._lock = threading.RLock()
        self._stages: list[Stage] = []
        self._shown = ""
        self._pinned = False
        self._ended = threading.Event()
        self._clock: threading.Thread | None = None

    def is_terminal(self) -> bool:
        """Whether standard error is a terminal."""
        return bool(getattr(sys.stderr, "isatty", bool)())

    def show(self, text: str) -> None:
        """Replace the line by this text, cut at the width of the terminal; by nothing if empty."""
        with self._lock:
            if self.is_silent or not (text or self._shown) or not self.is_terminal():
                return
            text = text[: _columns() - 1]
            if text == self._shown:
                return
            with suppress(OSError, ValueError):
                end = "" if text else "\r"
                print("\r" + text.ljust(len(self._shown)), end=end, file=sys.stderr, flush=True)
            self._shown = text

    def pin(self, text: str) -> None:
        """Show a text at once, in place of the stages, until it is empty."""
        with self._lock:
            self._pinned = bool(text)
            self.show(text)

    @contextmanager
    def stage(self, text: str) -> Iterator[Stage]:
        """A stage of the work, shown while it lasts if stages are wanted."""
        new = Stage(text)
        with self._lock:
            self._stages.append(new)
            if self.is_wanted and self._clock is None and self.is_terminal():
                self._ended.clear()
                self._clock = threading.Thread(target=self._draw, daemon=True)
                self._clock.start()
        try:
            yield new
        finally:
            with self._lock:
                self._stages.remove(new)
                clock = None if self._stages else self._clock
                self._clock = self._clock if self._stages else None
                self.show("")
            if clock is not None:
                self._ended.set()
                clock.join()

    def _draw(self) -> None:
        while not self._ended.wait(INTERVAL):
            with self._lock:
                if not self._stages or self._pinned:
                    continue
                if time.perf_counter() - self._stages[-1].begun > DELAY:
                    self.show(self._stages[-1].line())

    @property
    def text(self) -> str:
        """The name of the present stage."""
        with self._lock:
            return self._stages[-1].text if self._stages else ""

    def change(self, change: Callable[[Stage], object]) -> None:
        """Change the present stage, if there is one."""
        if not self._stages:  # without the lock, which a forked process might find locked
            return
        with self._lock:
            if self._stages:
                change(self._stages[-1])


LINE = StatusLine()
"""The line of this process."""

stage = LINE.stage


def expect(seconds: float) -> None:
    """Say how long the work that begins now is predicted to take (s)."""

    def begin(now: Stage) -> None:
        now.expected, now.done, now.since = seconds, 0.0, 0.0

    LINE.change(begin)


def advance(seconds: float) -> None:
    """Say that work whose predicted time was this (s) is done; 0 as it begins."""

    def add(now: Stage) -> None:
        now.since = now.since or time.perf_counter()
        now.done += seconds

    LINE.change(add)


def counted(items: Sequence[T]) -> Iterator[T]:
    """Go through items, while the present stage says how many have been begun."""

    def rename(text: str) -> None:
        LINE.change(lambda now: setattr(now, "text", text))

    before = LINE.text
    for i, item in enumerate(items):
        rename(f"{before}, {i + 1} of {len(items)}")
        yield item
    rename(before)
