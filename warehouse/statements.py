"""Runs the statements of sql_queries.py: by name, in a transaction, with errors that say which."""

import logging
import re
import time
from contextlib import contextmanager
from typing import Iterator, NamedTuple

import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import AsIs

import sql_queries

from . import BusyError, DataError, WarehouseError
from .config import Config
from .interruption import INTERRUPTION
from .progress import PROGRESS

log = logging.getLogger(__name__)

NOTHING_COMMITTED = "Nothing was committed."
LOAD_FAILED = re.compile(r"Check '(stl_load_errors|sys_load_error_detail)'")
CANCELLED = "57014"
SERIALIZATION_FAILURE = "40001"
STALE = re.compile(r"\b1023\b|conflict with concurrent transaction", re.IGNORECASE)
MOST_STALE_STARTS = 20
UNDEFINED_TABLE = "42P01"


class Done(NamedTuple):
    """What a statement did: rows changed or found, and how long it took."""

    rows: int
    seconds: float


class RowsRejected(DataError):
    """A COPY failed because of its data; the load-error tables know which rows."""


def name_of(sql: str) -> str:
    """The name of a statement.

    >>> name_of("-- copy staging_events: every log file under LOG_DATA\\nCOPY …")
    'copy staging_events'
    """
    return sql.partition("\n")[0].removeprefix("-- ").partition(":")[0]


def subject_of(sql: str) -> str:
    """The table that a statement is about: the last word of its name."""
    return name_of(sql).split()[-1]


def purpose_of(sql: str) -> str:
    """What the first line of a statement says after its name."""
    return sql.partition("\n")[0].partition(": ")[2]


def values_of(config: Config) -> dict[str, object]:
    """What the placeholders of sql_queries.py stand for."""
    return {
        "log_data": config.log_data,
        "log_jsonpath": config.log_jsonpath,
        "song_data": config.song_data,
        # DEFAULT is a keyword of IAM_ROLE and not a string.
        "iam_role": AsIs("default") if config.iam_role == "default" else config.iam_role,
        "region": config.region,
        "maxerror": config.max_errors + 1,  # COPY fails at this many
    }


@contextmanager
def transaction(connection: extensions.connection) -> Iterator[extensions.cursor]:
    """One transaction: committed at the end, rolled back on any error, which then says so."""
    try:
        with connection.cursor() as cursor:
            yield cursor
    except BaseException as error:
        if not connection.closed:
            connection.rollback()
        error.add_note(NOTHING_COMMITTED)
        raise
    try:
        with PROGRESS.during("COMMIT"):
            connection.commit()
    except psycopg2.Error as error:
        raise WarehouseError(
            f"COMMIT: {message_of(error)}. The connection was lost while it was committed, so the"
            " load is either complete or undone. Run it again: that is safe in both cases."
        ) from error


@contextmanager
def undone(connection: extensions.connection) -> Iterator[extensions.cursor]:
    """One transaction, rolled back at the end, for who only looks."""
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        if not connection.closed:
            connection.rollback()


def execute(cursor: extensions.cursor, sql: str, values: dict[str, object]) -> Done:
    """Run one statement; raises WarehouseError with its name."""
    name = name_of(sql)
    INTERRUPTION.check()
    started = time.monotonic()
    try:
        with PROGRESS.during(name):
            cursor.execute(sql, values)
    except psycopg2.Error as error:
        raise explained(name, error) from error
    done = Done(cursor.rowcount, time.monotonic() - started)
    log.debug("%s in %.3f s\n%s", name, done.seconds, sql.strip())
    return done


def explained(name: str, error: psycopg2.Error) -> WarehouseError:
    said = message_of(error)
    if LOAD_FAILED.search(said):
        return RowsRejected(f"{name}: rows were rejected")
    if error.pgcode == UNDEFINED_TABLE:
        return WarehouseError(f"{name}: {said}. Run create_tables.py first.")
    # Redshift's words for a timeout do not tell it from a cancellation by hand.
    if error.pgcode == CANCELLED and not INTERRUPTION.number:
        return WarehouseError(
            f"{name}: {said}. If it ran out of time, STATEMENT_TIMEOUT in dwh.cfg allows more.")
    return WarehouseError(f"{name}: {said}")


def message_of(error: psycopg2.Error) -> str:
    """The server's message with its detail, without the quotation of the statement."""
    diagnosis = error.diag
    if not diagnosis.message_primary:
        return " ".join(str(error).split()) or type(error).__name__
    return ". ".join(filter(None, (diagnosis.message_primary, diagnosis.message_detail)))


@contextmanager
def locked(connection: extensions.connection, config: Config) -> Iterator[extensions.cursor]:
    """A transaction that holds etl_lock and sees all that was committed before it got the lock.

    Raises BusyError, saying who has the lock, after LOCK_TIMEOUT seconds.
    """
    for _ in range(MOST_STALE_STARTS):
        with transaction(connection) as cursor:
            if not lock(cursor, config):
                continue
            yield cursor
            return
    raise BusyError("other loads keep committing; this one could not begin. Try again later.")


def lock(cursor: extensions.cursor, config: Config) -> bool:
    """Take etl_lock; False if another load committed while this one waited, so that it must begin
    again: what this transaction sees may be older than what that load committed."""
    try:
        cursor.execute("SET statement_timeout TO %s", (max(1, config.lock_timeout) * 1000,))
        with PROGRESS.during(name_of(sql_queries.etl_lock_take)):
            cursor.execute(sql_queries.etl_lock_take)
        cursor.execute(sql_queries.etl_lock_count)
        cursor.execute("SET statement_timeout TO %s", (config.statement_timeout * 1000,))
    except psycopg2.Error as error:
        cursor.connection.rollback()
        if STALE.search(message_of(error)) or error.pgcode == SERIALIZATION_FAILURE:
            return False
        if error.pgcode != CANCELLED or INTERRUPTION.number:
            raise explained(name_of(sql_queries.etl_lock_take), error) from error
        raise BusyError(
            f"another load or reset is running{holder(cursor)}; this one waited"
            f" {config.lock_timeout} s (LOCK_TIMEOUT) and stops. Try again later."
        ) from error
    return True


def holder(cursor: extensions.cursor) -> str:
    """Who holds the lock, as far as the server tells."""
    try:
        cursor.execute(sql_queries.lock_holder)
        row = cursor.fetchone()
    except psycopg2.Error:
        cursor.connection.rollback()
        return ""
    return f" (process {row[0]} of {row[1]}, since {row[2]:%H:%M:%S} UTC)" if row else ""


def check(cursor: extensions.cursor, sql: str, values: dict[str, object]) -> str:
    """Run a check; returns '' if it passes, else a sentence with the rows that offend."""
    execute(cursor, sql, values)
    rows = cursor.fetchmany(3)
    if not rows:
        return ""
    names = [column.name for column in cursor.description]
    shown = "; ".join(
        ", ".join(f"{name} = {value!s}" for name, value in zip(names, row)) for row in rows
    )
    found = f"{cursor.rowcount:,} rows, for example " if cursor.rowcount > len(rows) else ""
    return f"check {name_of(sql)} failed ({purpose_of(sql)}): {found}{shown}"


def rejected_rows(connection: extensions.connection, error: RowsRejected) -> DataError:
    """The error with the rows that COPY rejected: file, line, column, value, reason.

    To be called after ROLLBACK. If the load-error tables cannot be read, the error says that they
    should be, and keeps its own message.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql_queries.load_errors)
            rows = cursor.fetchall()
        connection.rollback()
    except psycopg2.Error as report_error:
        log.debug("the load-error tables could not be read: %s", message_of(report_error))
        rows = []
    message = f"{error}. SELECT * FROM sys_load_error_detail tells which."
    if rows:
        lines = "\n".join(f"  {rejected_row(*row)}" for row in rows)
        message = f"{error}:\n{lines}\nMend the file, or let MAX_ERRORS in dwh.cfg leave such rows out."
    refusal = DataError(message)
    for note in getattr(error, "__notes__", ()):
        refusal.add_note(note)
    return refusal


def warn_of_rejected_rows(connection: extensions.connection, summary) -> None:
    """Log what the COPYs of a load left out within MAX_ERRORS.

    To be called after COMMIT: a system table that may not be read must not undo a load.
    """
    copies = {line.copy_id: line.table for line in summary.lines if line.copy_id is not None}
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql_queries.load_history, {"copies": tuple(copies)})
            history = cursor.fetchall()
        connection.rollback()
    except psycopg2.Error as error:
        log.debug("the load history could not be read: %s", message_of(error))
        return
    for copy_id, rejected in history:
        if rejected:
            log.warning(
                "rejected %d rows of %s, within MAX_ERRORS: SELECT * FROM sys_load_error_detail"
                " WHERE query_id = %d", rejected, copies[copy_id], copy_id,
            )


def rejected_row(file, line, column, type_name, length, code, reason, value) -> str:
    kind = f" ({type_name}{f' {length}' if length and length != '0' else ''})" if column else ""
    what = f" column {column}{kind}:" if column else ""
    cut = value if not value or len(value) <= 80 else f"{value[:77]}..."
    shown = f", in {cut!r}" if cut else ""
    return f"{file}:{line}:{what} {reason} (error {code}){shown}"
