"""A run that is repeated until it ends well, where what failed passes by itself.

A run is one transaction. An attempt that failed has left nothing, so the next one begins with
nothing: it connects, locks, lists, plans, loads and commits again.
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


def pauses(first: float, longest: float, growth: int = 2) -> Iterator[float]:
    """Seconds to wait before each next try: ever longer, and spread, so that many who lost the
    same server do not return at once."""
    while True:
        yield min(first, longest) * random.uniform(0.5, 1)
        first *= growth


def repeat(run: Callable[[], Result], limits: Limits) -> Result:
    """Call run until it ends well: up to RETRIES times more where the reason is transient.

    No attempt begins later than RETRY_TIMEOUT seconds after the first. Raises the last error,
    which says how many attempts there were.
    """
    started = time.monotonic()
    in_doubt = False
    for attempt, pause in enumerate(pauses(FIRST_PAUSE, LONGEST_PAUSE, GROWTH), start=1):
        try:
            return run()
        except WarehouseError as error:
            in_doubt = in_doubt or isinstance(error, CommitLost)
            why = explain_transient(error)
            if attempt > 1 and isinstance(error, BusyError):
                why = "perhaps the session that an earlier attempt lost"
            elapsed = time.monotonic() - started
            late = limits.retry_timeout and elapsed + pause > limits.retry_timeout
            if not why or late or attempt > limits.retries:
                if why and limits.retries:
                    attempts = f"{attempt} attempt{'s' * (attempt > 1)}"
                    error.add_note(f"Gave up after {attempts} in {elapsed:.1f} s.")
                if attempt > 1:
                    correct_notes(error, in_doubt)
                raise
            try:
                with INTERRUPTION.sleeping() as sleep:
                    log.info("attempt %d of %d in %.1f s: %s (%s)", attempt + 1,
                             limits.retries + 1, pause, error, why)
                    sleep(pause)
            except Interrupted as interrupted:
                correct_notes(interrupted, in_doubt)
                raise


def correct_notes(error: WarehouseError, in_doubt: bool) -> None:
    """Put right what the last of several attempts says: it does not know of those before it."""
    notes = [note for note in getattr(error, "__notes__", ())
             if note not in (NOTHING_COMMITTED, IN_DOUBT)]
    error.__notes__ = [IN_DOUBT if in_doubt else NOTHING_COMMITTED, *notes]
