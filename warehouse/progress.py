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

    delay = 1.0  # seconds before anything is shown on a terminal
    interval = {True: 0.2, False: 30.0}  # seconds between two showings, on a terminal or not
    poll = 0.2  # seconds between two looks of the thread

    def __init__(self):
        self.enabled = False
        self.step = ""
        self.bytes = ()
        self.started = self.next_at = 0.0
        self.is_drawn = False
        self.lock = threading.RLock()  # of the line on the terminal; never held while logging
        self.thread = None

    @contextmanager
    def showing(self, step: str) -> Iterator[None]:
        """In this block the step runs."""
        terminal = sys.stderr.isatty()
        with self.lock:
            self.clear()
            self.started = time.monotonic()
            self.next_at = self.started + (self.delay if terminal else self.interval[False])
            self.step, self.bytes = step, ()
        if self.enabled and not self.thread:
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
        INTERRUPTION.raise_if_interrupted()
        self.bytes = done, total

    def watch(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTION.signals)  # they are not for it
        while True:
            time.sleep(self.poll)
            self.show()

    def show(self) -> None:
        """Show the step if it is time to."""
        now = time.monotonic()
        if not self.step or now < self.next_at:
            return
        terminal = sys.stderr.isatty()
        with self.lock:
            if not self.step or now < self.next_at:  # it ended meanwhile, and perhaps another began
                return
            self.next_at = now + self.interval[terminal]
            text = f"{self.step}: running for {now - self.started:,.0f} s"
            if self.bytes:
                text = f"{self.step}: {self.bytes[0] / 1e6:,.1f} of {self.bytes[1] / 1e6:,.1f} MB"
            if terminal:
                self.write(f"\r\033[K{text}")
                self.is_drawn = True
        if not terminal:
            log.info("%s", text)

    def clear(self) -> None:
        """Remove the line from the terminal."""
        with self.lock:
            if self.is_drawn:
                self.write("\r\033[K")
                self.is_drawn = False

    @staticmethod
    def write(text: str) -> None:
        with suppress(OSError, ValueError):  # the terminal may have gone; the load goes on
            sys.stderr.write(text)
            sys.stderr.flush()


PROGRESS = Progress()
