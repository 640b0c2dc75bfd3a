"""SIGINT and SIGTERM: cancel the statement on the server, so that the run rolls back and reports it."""

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
    """Handler of SIGINT and SIGTERM while a statement runs or the run waits.

    libpq does not return to Python for a signal. A background thread therefore waits for it and cancels
    the statement on the server, and the main thread rolls back. If S3 or the server does not answer in
    time, the process ends without a rollback, and the server rolls back by itself. A second signal ends
    the process at once.
    """

    signals = (signal.SIGINT, signal.SIGTERM)
    stop_signal = signal.SIGUSR1  # ends the background thread
    patience = 1.5  # seconds from a signal to the end; orchestrators send SIGKILL after a few

    def __init__(self):
        self.number = 0
        self.reported = False  # set once the error message of the run is logged
        self.committing = threading.Lock()  # held while COMMIT runs

    def raise_if_interrupted(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self.number:
            raise Interrupted(self.number)

    @contextmanager
    def sleeping(self) -> Iterator[Callable[[float], None]]:
        """Yield a sleep function that raises Interrupted as soon as a signal comes."""
        wake = threading.Event()

        def sleep(seconds: float) -> None:
            wake.wait(seconds)
            self.raise_if_interrupted()

        with self.watching(wake.set):
            yield sleep

    @contextmanager
    def ending_at_once(self) -> Iterator[None]:
        """Let SIGINT end the process during this block, as SIGTERM does.

        For connecting: libpq would not return to Python, and there is nothing to roll back yet.
        """
        handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, handler)

    @contextmanager
    def cancelling(self, connection=None) -> Iterator[None]:
        """Let a signal during this block cancel the statement of the connection, and raise Interrupted.

        Without a connection, the next raise_if_interrupted() raises it.
        """
        try:
            with self.watching(lambda: connection and cancel(connection)):
                yield
        except WarehouseError as error:
            if self.number and not isinstance(error, Interrupted):
                interrupted = Interrupted(self.number)
                interrupted.take_notes(error)
                raise interrupted from error
            raise

    @contextmanager
    def watching(self, stop: Callable[[], None]) -> Iterator[None]:
        """Let a background thread record a signal during this block and call stop."""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*self.signals, self.stop_signal))
        watcher = threading.Thread(target=self.watch, args=(stop,), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            # Not joined, because a cancellation may wait for a server that does not answer.
            signal.pthread_kill(watcher.ident, self.stop_signal)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def watch(self, stop: Callable[[], None]) -> None:
        """Wait for signals, in the background thread."""
        while (number := signal.sigwait((*self.signals, self.stop_signal))) != self.stop_signal:
            if self.number:
                os._exit(128 + number)
            self.number = number
            # Each in its own thread, because this one must wait for a second signal.
            for act in (stop, self.end_late):
                threading.Thread(target=act, daemon=True).start()

    def end_late(self) -> None:
        """End the process if it still runs after patience seconds.

        Never between COMMIT and the server's answer, and not before the run had time to report the
        answer.
        """
        time.sleep(self.patience)
        while self.committing.locked():
            with self.committing:
                pass
            time.sleep(self.patience)
        if not self.reported:
            log.error("%s. The server rolls back what was not committed.", Interrupted(self.number))
        os._exit(128 + self.number)


def cancel(connection) -> None:
    """Cancel the statement of a connection, from a child process.

    psycopg2 holds the GIL until the server answers the cancellation, which may be never.
    """
    child = os.fork()
    if not child:
        try:
            os.closerange(0, 1 << 16)  # also the session's socket, so that the server sees it close
            signal.alarm(10)
            connection.cancel()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


INTERRUPTION = Interruption()
