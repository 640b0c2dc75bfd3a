"""The history of the warehouse: the table loads, one row per run that succeeded and per reset."""

from datetime import datetime, timezone
from typing import NamedTuple

from psycopg2 import extensions

import sql_queries

from .statements import execute

LAST_LOADS = """-- list loads: the last runs that succeeded
SELECT
    run, kind, begun_at, finished_at, loaded_whole, files, bytes, staging_events, staging_songs,
    songplays, with_song, with_artist, rejected
FROM loads
ORDER BY begun_at DESC
LIMIT %(most)s
"""

THIS_RUN = """-- find loads: whether the history has this run already
SELECT COUNT(*) FROM loads WHERE run = %(run)s
"""

NOTHING = dict.fromkeys((
    "loaded_whole", "files", "bytes", "staging_events", "staging_songs", "users", "artists", "songs",
    "songplays", "time", "with_song", "with_artist", "rejected"))


class Load(NamedTuple):
    """A run as LAST_LOADS tells of it. The times are UTC."""

    run: str
    kind: str
    begun_at: datetime
    finished_at: datetime
    loaded_whole: str | None
    files: int | None
    bytes: int | None
    staging_events: int | None
    staging_songs: int | None
    songplays: int | None
    with_song: int | None
    with_artist: int | None
    rejected: int | None


def record(cursor: extensions.cursor, run: str, kind: str, begun_at: datetime,
           known: dict[str, object] = NOTHING) -> None:
    """Write the run into loads; it counts if the caller commits. What is not known is NULL.

    A run whose COMMIT was in doubt is tried again. It may be there already, and is told of once.
    """
    execute(cursor, THIS_RUN, {"run": run})
    if cursor.fetchone()[0] and kind != "load":
        return
    execute(cursor, sql_queries.loads_insert, NOTHING | known | {
        "run": run, "kind": kind, "begun_at": begun_at, "finished_at": now()})


def read_last(cursor: extensions.cursor, most: int) -> list[Load]:
    execute(cursor, LAST_LOADS, {"most": most})
    return [Load(*row) for row in cursor.fetchall()]


def now() -> datetime:
    """The time in UTC without a zone, as a TIMESTAMP holds it."""
    return datetime.now(timezone.utc).replace(tzinfo=None)
