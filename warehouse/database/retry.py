"""Which failures pass by themselves, and a run that is repeated until it ends well.

A run is one transaction. An attempt that failed has left nothing, so the next one begins with
nothing: it connects, locks, lists, plans, loads and commits anew.
"""

import logging
import re
import time
from typing import Callable, TypeVar

import psycopg2
from psycopg2 import errorcodes

from .. import BusyError, WarehouseError
from ..config import Config
from ..signals import INTERRUPTION, Interrupted
from .connection import LOST, TRANSIENT, Unreachable, pauses
from .statements import IN_DOUBT, NOTHING_COMMITTED, STALE, CommitLost, message_of

log = logging.getLogger(__name__)

Result = TypeVar("Result")

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds
GROWTH = 4  # a deadlock is over at once, a restart takes a while

CODES = {
    errorcodes.ADMIN_SHUTDOWN: "session ended by the server",
    errorcodes.CRASH_SHUTDOWN: "server crashed",
    errorcodes.CANNOT_CONNECT_NOW: "server starting or stopping",
    errorcodes.TOO_MANY_CONNECTIONS: "too many connections",
    errorcodes.SERIALIZATION_FAILURE: "conflict with another transaction",
    errorcodes.DEADLOCK_DETECTED: "deadlock",
    errorcodes.LOCK_NOT_AVAILABLE: "a lock was not to be had",
}

# The second is for what the stand-in's COPY connects to besides.
TEXTS_WITHOUT_CODE = ((LOST, "connection lost"), (TRANSIENT.pattern, "server not reachable"))

# Redshift has one code for most of what happens in it, rejected rows included.
TEXTS_OF_REDSHIFT = (
    (STALE.pattern, "conflict with another transaction"),
    (r"could not open relation with OID", "a table was replaced meanwhile"),
    (r"S3ServiceException.*(Status 50[03]|SlowDown|InternalError|ServiceUnavailable)",
     "S3 is busy"),
)

# The function of Redshift that cancels the statement on which a serverless workgroup woke up.
RESUMING = "NFTSetupSessionStateOnRestore"


def why_transient(error: WarehouseError) -> str:
    """Why the same run may succeed a little later, in a few words; '' if it would not.

    Connecting is patient by itself, so a run that could not connect is not repeated.
    """
    cause = error.__cause__
    if isinstance(error, Unreachable) or not isinstance(cause, psycopg2.Error):
        return ""
    if error.exit_status != WarehouseError.exit_status:
        return ""
    if isinstance(error, CommitLost):
        return "connection lost"
    if cause.pgcode == errorcodes.QUERY_CANCELED and cause.diag.source_function == RESUMING:
        return "workgroup resuming"
    if cause.pgcode not in (None, errorcodes.INTERNAL_ERROR):
        return CODES.get(cause.pgcode, "")
    texts = TEXTS_OF_REDSHIFT if cause.pgcode else TEXTS_WITHOUT_CODE
    said = message_of(cause)
    return next((why for text, why in texts if re.search(text, said, re.IGNORECASE)), "")


def repeated(run: Callable[[], Result], config: Config) -> Result:
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
            why = why_transient(error)
            if attempt > 1 and isinstance(error, BusyError):
                why = "perhaps the session that an earlier attempt lost"
            elapsed = time.monotonic() - started
            late = config.retry_timeout and elapsed + pause > config.retry_timeout
            if not why or late or attempt > config.retries:
                if why and config.retries:
                    attempts = f"{attempt} attempt{'s' * (attempt > 1)}"
                    error.add_note(f"Gave up after {attempts} in {elapsed:.1f} s.")
                if attempt > 1:
                    say_what_is_committed(error, in_doubt)
                raise
            try:
                with INTERRUPTION.sleeper() as sleep:
                    log.info("attempt %d of %d in %.1f s: %s (%s)", attempt + 1,
                             config.retries + 1, pause, error, why)
                    sleep(pause)
            except Interrupted as interrupted:
                say_what_is_committed(interrupted, in_doubt)
                raise


def say_what_is_committed(error: WarehouseError, in_doubt: bool) -> None:
    """Put right what the last of several attempts says: it does not know of those before it."""
    notes = [note for note in getattr(error, "__notes__", ())
             if note not in (NOTHING_COMMITTED, IN_DOUBT)]
    error.__notes__ = [IN_DOUBT if in_doubt else NOTHING_COMMITTED, *notes]
