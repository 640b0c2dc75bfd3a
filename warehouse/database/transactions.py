"""Transactions: one that commits, one that rolls back, and that of a load, which holds etl_lock."""

import threading
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Iterable, Iterator, NamedTuple

import psycopg2
from psycopg2 import errorcodes, extensions

import sql_queries

from .. import BusyError, WarehouseError
from ..config import Limits
from ..progress import PROGRESS
from ..signals import INTERRUPTION, cancel
from .errors import IN_DOUBT, NOTHING_COMMITTED, CommitLost, code_of, is_conflict, message_of
from .statements import execute

MAX_STARTS = 20  # of a load that finds its snapshot outdated
GRACE = 2  # seconds that the server has to end a wait before this side cancels it


@contextmanager
def transaction(connection: extensions.connection) -> Iterator[extensions.cursor]:
    """Commit at the end of the block. Roll back on any error, and add a note to it that says so.

    Raise CommitLost if the outcome of COMMIT is unknown.
    """
    try:
        with connection.cursor() as cursor:
            yield cursor
        INTERRUPTION.raise_if_interrupted()
    except BaseException as error:
        with suppress(psycopg2.Error):  # the server rolls back if the connection is lost
            connection.rollback()
        error.add_note(NOTHING_COMMITTED)
        raise
    try:
        with PROGRESS.showing("COMMIT"), INTERRUPTION.committing:
            connection.commit()
    except psycopg2.Error as error:
        is_lost = connection.closed  # if not, the server has answered, and has rolled back
        message = f"COMMIT: {message_of(error)}"
        failure = CommitLost(message) if is_lost else WarehouseError(message)
        failure.add_note(IN_DOUBT if is_lost else NOTHING_COMMITTED)
        raise failure from error


@contextmanager
def rolling_back(connection: extensions.connection) -> Iterator[extensions.cursor]:
    """Roll back at the end of the block, which only reads or tries something."""
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        if not connection.closed:
            connection.rollback()


@contextmanager
def locking(connection: extensions.connection, limits: Limits) -> Iterator[extensions.cursor]:
    """Run the block in a transaction that holds etl_lock and sees everything committed before.

    Raise BusyError, which names the holder of the lock, after LOCK_TIMEOUT seconds.
    """
    for _ in range(MAX_STARTS):
        with transaction(connection) as cursor:
            if not take_lock(cursor, limits):
                continue
            yield cursor
            return
    busy = BusyError("other loads keep committing; this one could not begin. Try again later.")
    busy.add_note(NOTHING_COMMITTED)
    raise busy


def take_lock(cursor: extensions.cursor, limits: Limits) -> bool:
    """Take etl_lock. Return False if another load committed while this one waited.

    Then this transaction may not see what that load committed, and must begin again. LOCK_TIMEOUT
    bounds the LOCK but not the UPDATE after it, which may be slow on a busy or cold warehouse.
    """
    try:
        wait_for_lock(cursor, limits.lock_timeout)
        set_timeout(cursor, limits.statement_timeout)
        execute(cursor, sql_queries.etl_lock_increment, {})
    except WarehouseError as error:
        if isinstance(error.__cause__, psycopg2.Error) and is_conflict(error.__cause__):
            with suppress(psycopg2.Error):
                cursor.connection.rollback()
            return False
        raise
    return True


def wait_for_lock(cursor: extensions.cursor, seconds: int) -> None:
    """LOCK etl_lock. Raise BusyError, which names its holder, after this many seconds."""
    try:
        with limiting_waits(cursor, seconds):
            execute(cursor, sql_queries.etl_lock_take, {})
    except WarehouseError as error:
        if code_of(error) != errorcodes.QUERY_CANCELED or INTERRUPTION.number:
            raise
        raise BusyError(
            f"{describe_lock_holder(cursor)} This run waited {seconds} s (LOCK_TIMEOUT) and gave up. Try"
            " again later.") from error


@contextmanager
def limiting_waits(cursor: extensions.cursor, seconds: int) -> Iterator[None]:
    """Limit each statement in this block to this many seconds, but at least one.

    Use it for statements that take long only if they wait for a lock. The server's statement_timeout
    ends them. No page of the guide states that it covers such a wait, so this side cancels
    them a little later.
    """
    seconds = max(1, seconds)
    set_timeout(cursor, seconds)
    with cancelling_after(cursor.connection, seconds + GRACE):
        yield


@contextmanager
def cancelling_after(connection: extensions.connection, seconds: float) -> Iterator[None]:
    """Cancel the statement in this block if the block takes longer. Never cancel a later statement."""
    is_over, guard = False, threading.Lock()

    def stop() -> None:
        with guard:
            if not is_over:
                cancel(connection)

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with guard:
            is_over = True


def set_timeout(cursor: extensions.cursor, seconds: int) -> None:
    """Limit how long each statement may take from now on. 0 removes the limit."""
    execute(cursor, "SET statement_timeout TO %(ms)s", {"ms": seconds * 1000})


# A load holds etl_lock exclusively, so it comes first (guide: r_SVV_TRANSACTIONS, r_LOCK).
LOCK_HOLDER = """-- lock holder: who else holds a table or view, how, and since when
SELECT t.pid, TRIM(t.txn_owner) AS txn_owner, t.txn_start, TRIM(t.lock_mode) AS lock_mode
FROM svv_transactions t
JOIN pg_class c ON c.oid = t.relation
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %(table)s
    AND n.nspname = CURRENT_SCHEMA()
    AND TRIM(t.txn_db) = CURRENT_DATABASE()
    AND t.granted
    AND t.pid <> pg_backend_pid()
ORDER BY CASE WHEN t.lock_mode = 'AccessExclusiveLock' THEN 1 ELSE 2 END, t.txn_start
LIMIT 1
"""


class LockHolder(NamedTuple):
    """A transaction that holds a lock on a table. The time is UTC."""

    pid: int
    owner: str
    start: datetime
    mode: str

    @property
    def termination(self) -> str:
        """The SQL that ends the session."""
        return f"SELECT pg_terminate_backend({self.pid})"


def find_holder(cursor: extensions.cursor, table: str) -> LockHolder | None:
    """Return who else holds a table, or None if the server does not report it.

    Rolls back first, because it is called after a statement failed.
    """
    with suppress(psycopg2.Error):
        cursor.connection.rollback()
    try:
        cursor.execute(LOCK_HOLDER, {"table": table})
        row = cursor.fetchone()
    except psycopg2.Error:
        row = None
    with suppress(psycopg2.Error):
        cursor.connection.rollback()
    return LockHolder(*row) if row else None


def describe_lock_holder(cursor: extensions.cursor) -> str:
    """Return a sentence that names the holder of etl_lock and the SQL that ends its session."""
    holder = find_holder(cursor, "etl_lock")
    if not holder:
        return "another load or reset is running."
    who = ("another load or reset is running" if holder.mode == "AccessExclusiveLock" else
           "a session that only read etl_lock keeps it locked: its transaction is open")
    return (f"{who} (process {holder.pid} of {holder.owner}, since {holder.start:%Y-%m-%d %H:%M:%S} UTC;"
            f" to end it: {holder.termination}).")


def take_write_locks(cursor: extensions.cursor, queries: Iterable[str], limits: Limits) -> None:
    """Take the write locks of tables with DELETE statements that delete no row.

    Raise BusyError, which names who uses a table, after LOCK_TIMEOUT seconds.
    """
    for sql in queries:
        try:
            with limiting_waits(cursor, limits.lock_timeout):
                execute(cursor, sql, {})
        except WarehouseError as error:
            raise_if_timed_out(cursor, sql.split()[2], limits.lock_timeout, error)
            raise
    set_timeout(cursor, limits.statement_timeout)


def raise_if_timed_out(
    cursor: extensions.cursor, table: str, seconds: int, error: WarehouseError
) -> None:
    """Raise BusyError, which names the holder of the table, if the error is a timeout."""
    if code_of(error) != errorcodes.QUERY_CANCELED or INTERRUPTION.number:
        return
    holder = find_holder(cursor, table)
    who = ("another session may be using it in an open transaction. Try again later" if not holder else
           f"process {holder.pid} of {holder.owner} has used it since {holder.start:%Y-%m-%d %H:%M:%S} UTC"
           f" in an open transaction. Let it COMMIT, or end it: {holder.termination}")
    raise BusyError(f"waited {seconds} s (LOCK_TIMEOUT) for {table}: {who}.") from error
