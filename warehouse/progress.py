"""How far a long step is: a line that changes on a terminal, else a log line now and then.

A thread of its own shows it, for the one that runs the step waits for the server: the bytes read
where the step reports them, else how long it has been running.
"""

import logging
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import Iterator

from .signals import INTERRUPTION

log = logging.getLogger(__name__)


class Progress:
    """The one step that runs. Nothing is shown unless `shown` is set before."""

    first = 1.0  # seconds before anything is shown on a terminal
    between = {True: 0.2, False: 30.0}  # seconds between two showings, on a terminal or not
    look = 0.2  # seconds between two looks of the thread

    def __init__(self):
        self.shown = False
        self.step = ""
        self.bytes = ()
        self.started = self.due = 0.0
        self.standing = False
        self.lock = threading.RLock()  # of the line on the terminal; never held while logging
        self.thread = None

    @contextmanager
    def during(self, step: str) -> Iterator[None]:
        """In this block the step runs."""
        terminal = sys.stderr.isatty()
        with self.lock:
            self.clear()
            self.started = time.monotonic()
            self.due = self.started + (self.first if terminal else self.between[False])
            self.step, self.bytes = step, ()
        if self.shown and not self.thread:
            self.thread = threading.Thread(target=self.watch, daemon=True)
            self.thread.start()
        try:
            yield
        finally:
            with self.lock:
                self.clear()
                self.step = ""

    def __call__(self, done: int, total: int) -> None:
        """Report the bytes read so far of those listed; cheap enough for every chunk."""
        INTERRUPTION.check()
        self.bytes = done, total

    def watch(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTION.signals)  # they are not for it
        while True:
            time.sleep(self.look)
            self.show()

    def show(self) -> None:
        """Show the step if it is time to."""
        now = time.monotonic()
        if not self.step or now < self.due:
            return
        terminal = sys.stderr.isatty()
        with self.lock:
            if not self.step or now < self.due:  # it ended meanwhile, and perhaps another began
                return
            self.due = now + self.between[terminal]
            text = f"{self.step}: running for {now - self.started:,.0f} s"
            if self.bytes:
                text = f"{self.step}: {self.bytes[0] / 1e6:,.1f} of {self.bytes[1] / 1e6:,.1f} MB"
            if terminal:
                self.write(f"\r\033[K{text}")
                self.standing = True
        if not terminal:
            log.info("%s", text)

    def clear(self) -> None:
        """Remove the line from the terminal."""
        with self.lock:
            if self.standing:
                self.write("\r\033[K")
                self.standing = False

    @staticmethod
    def write(text: str) -> None:
        with suppress(OSError, ValueError):  # the terminal may have gone; the load goes on
            sys.stderr.write(text)
            sys.stderr.flush()


PROGRESS = Progress()
