"""SIGINT and SIGTERM: what the server is doing is cancelled, and the run rolls back and says so."""

import logging
import os
import signal
import threading
import time
from contextlib import contextmanager
from typing import Callable, Iterator

from . import WarehouseError

log = logging.getLogger(__name__)


class Interrupted(WarehouseError):
    """SIGINT or SIGTERM arrived."""

    def __init__(self, number: int):
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.exit_status = 128 + number


class Interruption:
    """SIGINT and SIGTERM while a connection is busy, or while nothing is done but wait.

    libpq does not return to Python for a signal, so a thread of its own waits for it and cancels
    the statement on the server; the main thread then rolls back. Where that takes too long, S3 or
    the server being silent, the process ends without: the server rolls back what it has lost. A
    second signal ends the process at once.
    """

    signals = (signal.SIGINT, signal.SIGTERM)
    stop_signal = signal.SIGUSR1  # which only ever tells the thread that it is not needed any more
    patience = 1.5  # seconds from a signal to the end; orchestrators kill after a few

    def __init__(self):
        self.number = 0
        self.reported = False  # the user, by whoever ends the run in order
        self.committing = threading.Lock()  # held while COMMIT is on its way

    def raise_if_interrupted(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self.number:
            raise Interrupted(self.number)

    @contextmanager
    def sleeping(self) -> Iterator[Callable[[float], None]]:
        """What waits for some seconds; it raises Interrupted as soon as a signal comes."""
        woken = threading.Event()

        def sleep(seconds: float) -> None:
            woken.wait(seconds)
            self.raise_if_interrupted()

        with self.calling(woken.set):
            yield sleep

    @contextmanager
    def ending_at_once(self) -> Iterator[None]:
        """In this block SIGINT ends the process, as SIGTERM does: libpq, which connects, would not
        return to Python for it, and there is nothing to roll back yet."""
        handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, handler)

    @contextmanager
    def cancelling(self, connection=None) -> Iterator[None]:
        """In this block a signal cancels what the connection does, if there is one; then Interrupted
        is raised, where there is none by the next check()."""
        try:
            with self.calling(lambda: connection and cancel(connection)):
                yield
        except WarehouseError as error:
            if self.number and not isinstance(error, Interrupted):
                interrupted = Interrupted(self.number)
                interrupted.take_notes(error)
                raise interrupted from error
            raise

    @contextmanager
    def calling(self, stop: Callable[[], None]) -> Iterator[None]:
        """In this block a signal is noted and stop called, by another thread."""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*self.signals, self.stop_signal))
        watcher = threading.Thread(target=self.watch, args=(stop,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            # Not joined: a cancellation may wait for a server that does not answer.
            signal.pthread_kill(watcher.ident, self.stop_signal)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def watch(self, stop: Callable[[], None]) -> None:
        while (number := signal.sigwait((*self.signals, self.stop_signal))) != self.stop_signal:
            if self.number:
                os._exit(128 + number)
            self.number = number
            # Each in its own thread: this one goes on to wait for the second signal.
            for act in (stop, self.end_late):
                threading.Thread(target=act, daemon=True).start()

    def end_late(self) -> None:
        """End the process if it is still there after a while; but not between COMMIT and the
        server's answer, nor before the run could say what that was."""
        time.sleep(self.patience)
        while self.committing.locked():
            with self.committing:
                pass
            time.sleep(self.patience)
        if not self.reported:
            log.error("%s. The server undoes what was not committed.", Interrupted(self.number))
        os._exit(128 + self.number)


def cancel(connection) -> None:
    """Cancel what the connection does, in a process of its own: psycopg2 holds Python's lock until
    the server has answered, which may be never."""
    child = os.fork()
    if not child:
        try:
            os.closerange(0, 1 << 16)  # the session's socket, too: the server shall see it end
            signal.alarm(10)
            connection.cancel()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


INTERRUPTION = Interruption()
