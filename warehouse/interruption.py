"""SIGINT and SIGTERM: what the server is doing is cancelled, and the run rolls back and says so."""

import os
import signal
import threading
from contextlib import contextmanager
from typing import Iterator

import psycopg2

from . import WarehouseError


class Interrupted(WarehouseError):
    """SIGINT or SIGTERM arrived."""

    def __init__(self, number: int):
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_status = 128 + number


class Interruption:
    """SIGINT and SIGTERM while a connection is busy.

    libpq does not return to Python for a signal, so a thread of its own waits for it and cancels
    the statement on the server; the main thread then rolls back. A second signal ends the process
    at once.
    """

    signals = (signal.SIGINT, signal.SIGTERM)

    def __init__(self):
        self.number = 0

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self.number:
            raise Interrupted(self.number)

    @contextmanager
    def ends_at_once(self) -> Iterator[None]:
        """In this block SIGINT ends the process, as SIGTERM does: libpq, which connects, would not
        return to Python for it, and there is nothing to roll back yet."""
        handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, handler)

    @contextmanager
    def cancels(self, connection=None) -> Iterator[None]:
        """In this block a signal cancels what the connection does, if there is one; then Interrupted
        is raised, where there is none by the next check()."""
        signal.pthread_sigmask(signal.SIG_BLOCK, self.signals)
        threading.Thread(target=self.wait, args=(connection,), daemon=True).start()
        try:
            yield
        except WarehouseError as error:
            if self.number and not isinstance(error, Interrupted):
                interrupted = Interrupted(self.number)
                for note in getattr(error, "__notes__", ()):
                    interrupted.add_note(note)
                raise interrupted from error
            raise

    def wait(self, connection) -> None:
        self.number = signal.sigwait(self.signals)
        try:
            if connection:
                connection.cancel()
        except psycopg2.Error:
            pass  # closed meanwhile: nothing is left to cancel
        os._exit(128 + signal.sigwait(self.signals))


INTERRUPTION = Interruption()
