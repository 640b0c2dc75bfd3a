"""Retry a run after a transient failure.

A run is one transaction, so a failed attempt leaves nothing behind. The next attempt starts from the
beginning: it connects, locks, lists, plans, loads and commits.
"""

import logging
import random
import time
from typing import Callable, Iterator, TypeVar

from .. import BusyError, WarehouseError
from ..config import Limits
from ..signals import INTERRUPTION, Interrupted
from .errors import IN_DOUBT, NOTHING_COMMITTED, CommitLost, explain_transient

log = logging.getLogger(__name__)

Result = TypeVar("Result")

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds
GROWTH = 4  # a deadlock is over at once, a restart takes a while


def generate_pauses(first: float, longest: float, growth: int = 2) -> Iterator[float]:
    """Yield the seconds to wait before each further attempt, without end.

    They grow, and they are random, so that clients that lost the same server do not all return
    together.
    """
    while True:
        yield min(first, longest) * random.uniform(0.5, 1)
        first *= growth


def run_with_retries(run: Callable[[], Result], limits: Limits) -> Result:
    """Return what run returns. After a transient failure call it again, up to RETRIES times.

    No attempt begins later than RETRY_TIMEOUT seconds after the first. Raise the last error, with a
    note on the number of attempts if it was transient.
    """
    started = time.monotonic()
    in_doubt = False
    for attempt, pause in enumerate(generate_pauses(FIRST_PAUSE, LONGEST_PAUSE, GROWTH), start=1):
        try:
            return run()
        except WarehouseError as error:
            in_doubt = in_doubt or isinstance(error, CommitLost)
            reason = explain_transient(error)
            if attempt > 1 and isinstance(error, BusyError):
                reason = "the lost session of an earlier attempt may still hold the lock"
            elapsed = time.monotonic() - started
            is_late = limits.retry_timeout and elapsed + pause > limits.retry_timeout
            if not reason or is_late or attempt > limits.retries:
                if reason and limits.retries:
                    attempts = f"{attempt} attempt{'s' * (attempt > 1)}"
                    error.add_note(f"Gave up after {attempts} in {elapsed:.1f} s.")
                if attempt > 1:
                    correct_notes(error, in_doubt)
                raise
            try:
                with INTERRUPTION.sleeping() as sleep:
                    log.info("attempt %d of %d in %.1f s: %s (%s)", attempt + 1,
                             limits.retries + 1, pause, error, reason)
                    sleep(pause)
            except Interrupted as interrupted:
                correct_notes(interrupted, in_doubt)
                raise


def correct_notes(error: WarehouseError, in_doubt: bool) -> None:
    """Replace the note on what was committed, because an attempt does not know of earlier ones."""
    notes = [note for note in getattr(error, "__notes__", ())
             if note not in (NOTHING_COMMITTED, IN_DOUBT)]
    error.__notes__ = [IN_DOUBT if in_doubt else NOTHING_COMMITTED, *notes]
