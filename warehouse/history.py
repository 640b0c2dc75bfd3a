"""The history of the warehouse: the table loads, one row per run that succeeded and per reset."""

import os
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

import psycopg2
from psycopg2 import extensions

import sql_queries

from . import BusyError, WarehouseError
from .database.statements import execute
from .database.transactions import undoing, waiting

AGE_TIMEOUT = 5  # seconds for the age of the last run, where this one has waited in vain


def now() -> datetime:
    """The time in UTC without a zone, as a TIMESTAMP holds it."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


RUN = os.urandom(3).hex()  # names this run in the log and in the server's query history
STARTED = now()

LAST_LOADS = """-- list loads: the last runs that succeeded
SELECT
    kind, begun_at, loaded_whole, files, bytes, songplays, with_song, with_artist, changed_plays,
    rejected
FROM loads
ORDER BY begun_at DESC
LIMIT %(most)s
"""

THIS_RUN = """-- find loads: whether the history has this run already
SELECT COUNT(*)
FROM loads
WHERE run = %(run)s
    AND begun_at >= %(since)s
"""

LAST_RUNS = """-- last runs in loads: when one succeeded, if only to find nothing new, and when a reset did
SELECT
    MAX(CASE WHEN kind <> 'reset' THEN finished_at END) AS success,
    MAX(CASE WHEN kind = 'reset' THEN finished_at END) AS reset
FROM loads
"""

NOTHING = dict.fromkeys((
    "loaded_whole", "files", "bytes", "staging_events", "staging_songs", "users", "artists", "songs",
    "songplays", "time", "with_song", "with_artist", "changed_plays", "rejected"))


class Load(NamedTuple):
    """A row of LAST_LOADS. The times are UTC."""

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
           known: dict[str, object] = NOTHING) -> None:
    """Write this run into loads, once; it counts if the caller commits. What is not known is NULL.

    A run that lost the reply to its COMMIT is tried again, and may have been recorded already.
    """
    execute(cursor, THIS_RUN, {"run": RUN, "since": STARTED})
    if not cursor.fetchone()[0]:
        execute(cursor, sql_queries.loads_insert, NOTHING | known | {
            "run": RUN, "kind": kind, "begun_at": begun_at, "finished_at": now()})


def read_last_loads(cursor: extensions.cursor, most: int) -> list[Load]:
    execute(cursor, LAST_LOADS, {"most": most})
    return [Load(*row) for row in cursor.fetchall()]


class LastRuns(NamedTuple):
    """The row of LAST_RUNS: when a run last succeeded and when the tables were last reset. The times
    are UTC; None is never."""

    success: datetime | None
    reset: datetime | None

    @property
    def is_reset_since(self) -> bool:
        """True where the tables were emptied after the last success."""
        return None not in self and self.reset > self.success

    @property
    def loaded_at(self) -> datetime | None:
        """The last success; None where the tables are empty since."""
        return None if self.is_reset_since else self.success


def find_last_runs(cursor: extensions.cursor) -> LastRuns:
    execute(cursor, LAST_RUNS, {})
    return LastRuns(*cursor.fetchone())


def explain_stale(last: LastRuns, hours: int, allowed: str) -> str:
    """Say that no run has succeeded for so many hours, or ever; '' where one has. allowed names the
    setting with the hours."""
    if not last.success:
        return f"no run has ever succeeded ({allowed})"
    age = now() - last.success  # negative, and so not too old, where the clock of that run was ahead
    if age < timedelta(hours=hours):
        return ""
    return f"no run has succeeded for {age.total_seconds() / 3600:,.0f} hours ({allowed})"


def format_age(time: datetime) -> str:
    """Say how long ago that was, rounded down."""
    minutes = (now() - time) // timedelta(minutes=1)
    if minutes < -1:  # clocks are a little apart
        return "by a clock that is ahead of this machine's"
    if minutes < 1:
        return "less than a minute ago"
    count, unit = ((minutes, "minute") if minutes < 60 else (minutes // 60, "hour") if minutes < 2880
                   else (minutes // 1440, "day"))
    return f"{count:,} {unit}{'s' * (count > 1)} ago"


def refuse_stale(cursor: extensions.cursor, hours: int) -> None:
    """Raise WarehouseError where no run has succeeded for so many hours, or none ever has."""
    last = find_last_runs(cursor)
    if stale := explain_stale(last, hours, f"--max-age {hours}"):
        ended = f"; the last that did ended at {last.success:%Y-%m-%d %H:%M:%S} UTC" if last.success else ""
        raise WarehouseError(stale + ended)


class Stale(BusyError):
    """Another run is on its way, as ever, and none has succeeded for a long time: somebody must look."""

    exit_status = 1


def escalate_if_stale(connection: extensions.connection, error: BusyError, hours: int) -> BusyError:
    """The error of a run that waited in vain, as Stale where no run has succeeded for so many hours."""
    try:
        with undoing(connection) as cursor, waiting(cursor, AGE_TIMEOUT):
            last = find_last_runs(cursor)
    except (WarehouseError, psycopg2.Error):  # no table loads, somebody holds it, or a lost connection
        return error
    said = explain_stale(last, hours, f"STALE_AFTER = {hours}")
    if not said or not last.success:  # the first load may take long
        return error
    stale = Stale(f"{said}: {error}")
    stale.take_notes(error)
    return stale
