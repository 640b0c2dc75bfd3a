"""Statements as sql_queries.py writes them: their names, their values, and running them."""

import logging
import time
from typing import Iterable, NamedTuple, Sequence

import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import AsIs

from ..config import Config
from ..objects import Object, escape, find_line
from ..progress import PROGRESS
from ..signals import INTERRUPTION
from .errors import explain

log = logging.getLogger(__name__)

FIRSTS = ("first_play", "first_changed")  # of the spans that statements are about
OFFENDING = "SELECT *, COUNT(*) OVER () AS found\nFROM (\n<check>) AS offending\nLIMIT 3\n"


class Done(NamedTuple):
    """What a statement did: rows changed or found, and how long it took."""

    rows: int
    seconds: float


def name_of(sql: str) -> str:
    """The name of a statement: that of its first line, or the whole of a statement of one line.

    >>> name_of("-- copy staging_events: every log file under LOG_DATA\\nCOPY …")
    'copy staging_events'
    >>> name_of("DELETE FROM users")
    'DELETE FROM users'
    """
    return sql.partition("\n")[0].removeprefix("-- ").partition(":")[0]


def subject_of(sql: str) -> str:
    """The table that a statement is about: the last word of its name."""
    return name_of(sql).split()[-1]


def purpose_of(sql: str) -> str:
    """What the first line of a statement says after its name; '' if that is all."""
    return sql.partition("\n")[0].partition(": ")[2]


def values_of(config: Config) -> dict[str, object]:
    """What the placeholders of sql_queries.py stand for."""
    return {
        "log_jsonpath": config.data.log_jsonpath,
        # DEFAULT is a keyword of IAM_ROLE and not a string.
        "iam_role": AsIs("default") if config.data.iam_role == "default" else config.data.iam_role,
        "region": config.data.region,
        "maxerror": config.limits.max_errors + 1,  # COPY fails at this many
        "noload": AsIs(""),
    }


def execute(cursor: extensions.cursor, sql: str, values: dict[str, object]) -> Done:
    """Run one statement; raises WarehouseError with its name."""
    name = name_of(sql)
    INTERRUPTION.raise_if_interrupted()
    started = time.monotonic()
    try:
        with PROGRESS.showing(name):
            cursor.execute(sql, values)
    except psycopg2.Error as error:
        raise explain(name, error) from error
    done = Done(cursor.rowcount, time.monotonic() - started)
    text = "" if name == sql else f"\n{sql.strip()}"
    log.debug("%s in %.3f s%s", name, done.seconds, text)
    return done


def is_without_plays(sql: str, values: dict[str, object]) -> bool:
    """Whether a statement is about the plays of a span of time in which there are none."""
    return any(f"%({name})s" in sql and values.get(name) is None for name in FIRSTS)


def run(cursor: extensions.cursor, sql: str, values: dict[str, object]) -> Done:
    """Run one statement of a load, unless it is about plays of a span in which there are none.

    Adds to values what a SELECT finds, by the names of its columns.
    """
    if is_without_plays(sql, values):
        return Done(0, 0.0)
    done = execute(cursor, sql, values)
    if sql.partition("\n")[2].startswith("SELECT"):
        names = (column.name for column in cursor.description)
        values |= zip(names, cursor.fetchone(), strict=True)
    return done


def run_all(cursor: extensions.cursor, values: dict[str, object], queries: Iterable[str]) -> None:
    for sql in queries:
        run(cursor, sql, values)


def check(cursor: extensions.cursor, sql: str, values: dict[str, object],
          files: Sequence[Object] = ()) -> str:
    """Run a check; returns '' if it passes, else a sentence with up to three rows that offend, each
    with its place in the files where that is found.

    It runs within another SELECT, so that no more than these rows and their number come from the
    server: libpq would take all of them into memory.
    """
    first_line, _, query = sql.partition("\n")
    execute(cursor, f"{first_line}\n{OFFENDING.replace('<check>', query)}", values)
    rows = cursor.fetchall()
    if not rows:
        return ""
    *names, _ = (column.name for column in cursor.description)
    shown = "; ".join(
        ", ".join(f"{name} = {escape(str(value))}" for name, value in zip(names, row, strict=False))
        + find_line(files, row[:-1])
        for row in rows
    )
    found = rows[0][-1]
    many = f"{found:,} rows, for example " if found > len(rows) else ""
    return f"check {name_of(sql)} failed ({purpose_of(sql)}): {many}{shown}"
