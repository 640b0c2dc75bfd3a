"""Run the statements of sql_queries.py: their names, their values, and the checks."""

import logging
import time
from typing import Iterable, NamedTuple, Sequence

import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import AsIs

from ..config import Config
from ..objects import Object, escape
from ..progress import PROGRESS
from ..signals import INTERRUPTION
from ..source_lines import find_lines
from .errors import explain_failure

log = logging.getLogger(__name__)

SPAN_STARTS = ("first_play", "first_changed")  # None if no plays are in the span
CHECK_WRAPPER = "SELECT *, COUNT(*) OVER () AS found\nFROM (\n<check>) AS offending\nLIMIT 3\n"


class Result(NamedTuple):
    """The rows that a statement changed or returned, and the seconds that it took."""

    rows: int
    seconds: float


def name_of(sql: str) -> str:
    """Return the name in the first line of a statement. A one-line statement is named by its own text.

    >>> name_of("-- copy staging_events: every log file under LOG_DATA\\nCOPY …")
    'copy staging_events'
    >>> name_of("DELETE FROM users")
    'DELETE FROM users'
    """
    return sql.partition("\n")[0].removeprefix("-- ").partition(":")[0]


def subject_of(sql: str) -> str:
    """Return the last word of a statement's name, which is its table or view."""
    return name_of(sql).split()[-1]


def purpose_of(sql: str) -> str:
    """Return the first line of a statement without its name, or ''."""
    return sql.partition("\n")[0].partition(": ")[2]


def values_of(config: Config) -> dict[str, object]:
    """Return the values of those placeholders in sql_queries.py that dwh.cfg sets."""
    return {
        "log_jsonpath": config.data.log_jsonpath,
        # DEFAULT is a keyword after IAM_ROLE, not a string.
        "iam_role": AsIs("default") if config.data.iam_role == "default" else config.data.iam_role,
        "region": config.data.region,
        "maxerror": config.limits.max_errors + 1,  # COPY fails at this many
        "noload": AsIs(""),
    }


def execute(cursor: extensions.cursor, sql: str, values: dict[str, object]) -> Result:
    """Run one statement. Raise WarehouseError, with the statement's name, if it fails."""
    name = name_of(sql)
    INTERRUPTION.raise_if_interrupted()
    started = time.monotonic()
    try:
        with PROGRESS.showing(name):
            cursor.execute(sql, values)
    except psycopg2.Error as error:
        raise explain_failure(name, error) from error
    result = Result(cursor.rowcount, time.monotonic() - started)
    text = "" if name == sql else f"\n{sql.strip()}"
    log.debug("%s in %.3f s%s", name, result.seconds, text)
    return result


def has_empty_span(sql: str, values: dict[str, object]) -> bool:
    """Return True if a statement is about the plays in a span of time that has none."""
    return any(f"%({name})s" in sql and values.get(name) is None for name in SPAN_STARTS)


def run(cursor: extensions.cursor, sql: str, values: dict[str, object]) -> Result:
    """Run one statement of a load, unless it is about plays in a span that has none.

    A SELECT must return one row, which is added to values under the names of its columns.
    """
    if has_empty_span(sql, values):
        return Result(0, 0.0)
    result = execute(cursor, sql, values)
    if sql.partition("\n")[2].startswith("SELECT"):
        names = (column.name for column in cursor.description)
        values |= zip(names, cursor.fetchone(), strict=True)
    return result


def run_all(cursor: extensions.cursor, values: dict[str, object], queries: Iterable[str]) -> None:
    for sql in queries:
        run(cursor, sql, values)


def find_failure(cursor: extensions.cursor, sql: str, values: dict[str, object],
                 files: Sequence[Object] = ()) -> str:
    """Run a check. Return '' if it passes, else a sentence with up to three offending rows.

    Each row comes with its file and line, if it is found in files. The check runs inside another
    SELECT, which returns only these rows and the number of all: otherwise libpq would read every row
    into memory.
    """
    first_line, _, query = sql.partition("\n")
    execute(cursor, f"{first_line}\n{CHECK_WRAPPER.replace('<check>', query)}", values)
    rows = cursor.fetchall()
    if not rows:
        return ""
    *names, _ = (column.name for column in cursor.description)
    offending = [dict(zip(names, row[:-1], strict=True)) for row in rows]
    examples = "; ".join(
        ", ".join(f"{name} = {escape(str(value))}" for name, value in row.items()) + place
        for row, place in zip(offending, find_lines(files, offending), strict=True)
    )
    count = rows[0][-1]
    many = f"{count:,} rows, for example " if count > len(rows) else ""
    return f"check {name_of(sql)} failed. It expects: {purpose_of(sql)}. It found: {many}{examples}"
