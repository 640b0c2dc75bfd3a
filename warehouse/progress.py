"""Progress of a long step: one line that is updated on a terminal, otherwise a log line now and then.

A background thread shows it, because the main thread waits for the server. It shows the bytes read if
the step reports them, otherwise how long the step has been running.
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
    """The progress of the one step that runs. Nothing is shown unless enabled is set."""

    delay = 1.0  # seconds before a step is first shown on a terminal
    interval = {True: 0.2, False: 30.0}  # seconds between updates, by whether stderr is a terminal
    poll = 0.2  # seconds that the thread sleeps at a time

    def __init__(self):
        self.enabled = False
        self.step = ""
        self.bytes = ()
        self.started = self.next_at = 0.0
        self.is_drawn = False
        self.lock = threading.RLock()  # guards the line on the terminal; never held while logging
        self.thread = None

    @contextmanager
    def showing(self, step: str) -> Iterator[None]:
        """Show the progress of this step while the block runs."""
        is_terminal = sys.stderr.isatty()
        with self.lock:
            self.clear()
            self.started = time.monotonic()
            self.next_at = self.started + (self.delay if is_terminal else self.interval[False])
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
        """Report the bytes read so far, and the total. Cheap enough to call for every chunk."""
        INTERRUPTION.raise_if_interrupted()
        self.bytes = done, total

    def watch(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTION.signals)  # the main thread handles them
        while True:
            time.sleep(self.poll)
            self.show()

    def show(self) -> None:
        """Show the step if the next update is due."""
        now = time.monotonic()
        if not self.step or now < self.next_at:
            return
        is_terminal = sys.stderr.isatty()
        with self.lock:
            if not self.step or now < self.next_at:  # the step ended while this thread waited for the lock
                return
            self.next_at = now + self.interval[is_terminal]
            text = f"{self.step}: running for {now - self.started:,.0f} s"
            if self.bytes:
                text = f"{self.step}: {self.bytes[0] / 1e6:,.1f} of {self.bytes[1] / 1e6:,.1f} MB"
            if is_terminal:
                self.write(f"\r\033[K{text}")
                self.is_drawn = True
        if not is_terminal:
            log.info("%s", text)

    def clear(self) -> None:
        """Remove the line from the terminal."""
        with self.lock:
            if self.is_drawn:
                self.write("\r\033[K")
                self.is_drawn = False

    @staticmethod
    def write(text: str) -> None:
        with suppress(OSError, ValueError):  # the terminal may be closed; the load goes on
            sys.stderr.write(text)
            sys.stderr.flush()


PROGRESS = Progress()
