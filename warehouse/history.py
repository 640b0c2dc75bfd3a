"""The history of the warehouse: the table loads, one row per run that succeeded and per reset."""

import os
from datetime import datetime, timezone
from typing import NamedTuple

import psycopg2
from psycopg2 import extensions

import sql_queries

from . import BusyError, WarehouseError
from .database.statements import execute
from .database.transactions import undoing


def now() -> datetime:
    """The time in UTC without a zone, as a TIMESTAMP holds it."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


RUN = os.urandom(3).hex()  # names this run in the log and in the server's query history
STARTED = now()

LAST_LOADS = """-- list loads: the last runs that succeeded
SELECT kind, begun_at, files, bytes, songplays, with_song, with_artist, changed_plays, rejected
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

LAST_SUCCESS = """-- find the last success in loads: when a load ended, or found nothing new
SELECT MAX(finished_at) AS finished_at
FROM loads
WHERE kind <> 'reset'
"""

NOTHING = dict.fromkeys((
    "loaded_whole", "files", "bytes", "staging_events", "staging_songs", "users", "artists", "songs",
    "songplays", "time", "with_song", "with_artist", "changed_plays", "rejected"))


class Load(NamedTuple):
    """A row of LAST_LOADS. The times are UTC."""

    kind: str
    begun_at: datetime
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


def read_last(cursor: extensions.cursor, most: int) -> list[Load]:
    execute(cursor, LAST_LOADS, {"most": most})
    return [Load(*row) for row in cursor.fetchall()]


class Stale(BusyError):
    """Another run is on its way, as ever, and none has succeeded for a long time: somebody must look."""

    exit_status = 1


def name_stale(connection: extensions.connection, error: BusyError, hours: int) -> BusyError:
    """The error of a run that waited in vain, as Stale where no run has succeeded for so many hours."""
    try:
        with undoing(connection) as cursor:
            execute(cursor, LAST_SUCCESS, {})
            (last,) = cursor.fetchone()
    except (WarehouseError, psycopg2.Error):  # no table loads yet, or a connection that is lost
        return error
    age = (now() - last).total_seconds() / 3600 if last else 0
    if age < hours:
        return error
    stale = Stale(f"no run has succeeded for {age:,.0f} hours (STALE_AFTER = {hours}): {error}")
    for note in getattr(error, "__notes__", ()):
        stale.add_note(note)
    return stale
