"""The run history: the table `loads`, with one row per successful run of etl.py and one per reset."""

import os
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import psycopg2
from psycopg2 import extensions

import sql_queries

from . import BusyError, WarehouseError
from .database.statements import execute
from .database.transactions import limiting_waits, rolling_back

AGE_TIMEOUT = 5  # seconds to look up the last success, after a lock could not be taken


def now() -> datetime:
    """Return the time in UTC without a time zone, as a TIMESTAMP stores it."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


RUN = os.urandom(3).hex()  # identifies this run in the log and in the server's query history
STARTED = now()

LAST_LOADS = """-- list loads: the last successful runs, resets included
SELECT
    kind, begun_at, loaded_whole, files, bytes, songplays, with_song, with_artist, changed_plays,
    rejected
FROM loads
ORDER BY begun_at DESC
LIMIT %(limit)s
"""

THIS_RUN = """-- find loads: rows of this run, if it was recorded before
SELECT COUNT(*)
FROM loads
WHERE run = %(run)s
    AND begun_at >= %(since)s
"""

LAST_TIMES = """-- last times in loads: of a success, even if it found nothing new, and of a reset
SELECT
    MAX(CASE WHEN kind <> 'reset' THEN finished_at END) AS success,
    MAX(CASE WHEN kind = 'reset' THEN finished_at END) AS reset
FROM loads
"""

NO_DETAILS = dict.fromkeys((
    "loaded_whole", "files", "bytes", "staging_events", "staging_songs", "users", "artists", "songs",
    "songplays", "time", "with_song", "with_artist", "changed_plays", "rejected"))


class HistoryRow(NamedTuple):
    """A row of LAST_LOADS. begun_at is UTC."""

    kind: str
    begun_at: datetime
    loaded_whole: str | None
    files: int | None
    bytes: int | None
    songplays: int | None
    with_song: int | None
    with_artist: int | None
    changed_plays: int | None
    rejected: int | None


def record(cursor: extensions.cursor, kind: str, begun_at: datetime,
           details: dict[str, object] = NO_DETAILS) -> None:
    """Insert this run into loads, unless it is there already. The caller commits.

    details are further columns of loads; the ones left out are NULL. A run is there already if it was
    retried because the connection was lost during its COMMIT.
    """
    execute(cursor, THIS_RUN, {"run": RUN, "since": STARTED})
    if not cursor.fetchone()[0]:
        execute(cursor, sql_queries.loads_insert, NO_DETAILS | details | {
            "run": RUN, "kind": kind, "begun_at": begun_at, "finished_at": now()})


def read_last_loads(cursor: extensions.cursor, limit: int) -> list[HistoryRow]:
    """Read up to this many rows of loads, the latest first."""
    execute(cursor, LAST_LOADS, {"limit": limit})
    return [HistoryRow(*row) for row in cursor.fetchall()]


class LastTimes(NamedTuple):
    """The times, in UTC, of the last successful run and of the last reset; None means never."""

    success: datetime | None
    reset: datetime | None

    @property
    def has_been_reset(self) -> bool:
        """True if the tables were reset after the last success."""
        return None not in self and self.reset > self.success

    @property
    def loaded_at(self) -> datetime | None:
        """The time of the last success; None if the tables have been reset since."""
        return None if self.has_been_reset else self.success


def find_last_times(cursor: extensions.cursor) -> LastTimes:
    execute(cursor, LAST_TIMES, {})
    return LastTimes(*cursor.fetchone())


def explain_stale(last: LastTimes, hours: int, setting: str) -> str:
    """Return a message if no run has succeeded for this many hours, or ever; else ''.

    setting names the option or setting with the number of hours, for the message.
    """
    if not last.success:
        return f"no run has ever succeeded ({setting})"
    age = now() - last.success  # negative if the clock of that run was ahead
    if age < timedelta(hours=hours):
        return ""
    count = round(age / timedelta(hours=1))
    return f"no run has succeeded for {count:,} hour{'s' * (count > 1)} ({setting})"


def format_age(time: datetime) -> str:
    """Format how long ago a time in UTC was, rounded down."""
    minutes = (now() - time) // timedelta(minutes=1)
    if minutes < -1:  # clocks may differ a little
        return "by a clock that is ahead of this machine's"
    if minutes < 1:
        return "less than a minute ago"
    count, unit = ((minutes, "minute") if minutes < 60 else (minutes // 60, "hour") if minutes < 2880
                   else (minutes // 1440, "day"))
    return f"{count:,} {unit}{'s' * (count > 1)} ago"


def refuse_stale(cursor: extensions.cursor, hours: int) -> None:
    """Raise WarehouseError if no run has succeeded for this many hours, or ever."""
    last = find_last_times(cursor)
    if stale := explain_stale(last, hours, f"--max-age {hours}"):
        if last.success:
            stale += f"; the last success ended at {last.success:%Y-%m-%d %H:%M:%S} UTC"
        raise WarehouseError(stale)


class Stale(BusyError):
    """Another session holds the lock and no run has succeeded for a long time: an operator must act."""

    exit_status = 1


def escalate_if_stale(connection: extensions.connection, error: BusyError, hours: int) -> BusyError:
    """Return the error as Stale if no run has succeeded for this many hours, else unchanged.

    Called for a run that did not get a lock. Stale exits with 1, so that it raises an alarm, unlike
    the 75 of BusyError.
    """
    try:
        with rolling_back(connection) as cursor, limiting_waits(cursor, AGE_TIMEOUT):
            last = find_last_times(cursor)
    except (WarehouseError, psycopg2.Error):  # no such table, a lock on it, or no connection
        return error
    reason = explain_stale(last, hours, f"STALE_AFTER = {hours}")
    if not reason or not last.success:  # the first load may take long
        return error
    stale = Stale(f"{reason}: {error}")
    stale.take_notes(error)
    return stale
