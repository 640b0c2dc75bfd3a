"""Transactions: one that commits, one that is undone, and the one of a load, which holds etl_lock."""

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
from .errors import IN_DOUBT, NOTHING_COMMITTED, CommitLost, code_of, is_stale, message_of
from .statements import execute

MOST_STALE_STARTS = 20
GRACE = 2  # seconds between the end of a wait on the server and from here


@contextmanager
def transaction(connection: extensions.connection) -> Iterator[extensions.cursor]:
    """One transaction: committed at the end, rolled back on any error, which then says so.

    Raises CommitLost where the outcome of COMMIT is not known.
    """
    try:
        with connection.cursor() as cursor:
            yield cursor
        INTERRUPTION.raise_if_interrupted()
    except BaseException as error:
        with suppress(psycopg2.Error):  # a connection that is lost has rolled back by itself
            connection.rollback()
        error.add_note(NOTHING_COMMITTED)
        raise
    try:
        with PROGRESS.showing("COMMIT"), INTERRUPTION.committing:
            connection.commit()
    except psycopg2.Error as error:
        lost = connection.closed  # else the server has answered, and has rolled back
        said = f"COMMIT: {message_of(error)}"
        failure = CommitLost(said) if lost else WarehouseError(said)
        failure.add_note(IN_DOUBT if lost else NOTHING_COMMITTED)
        raise failure from error


@contextmanager
def undoing(connection: extensions.connection) -> Iterator[extensions.cursor]:
    """One transaction, rolled back at the end, for reading only."""
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        if not connection.closed:
            connection.rollback()


@contextmanager
def locking(connection: extensions.connection, limits: Limits) -> Iterator[extensions.cursor]:
    """A transaction that holds etl_lock and sees all that was committed before it got the lock.

    Raises BusyError, saying who has the lock, after LOCK_TIMEOUT seconds.
    """
    for _ in range(MOST_STALE_STARTS):
        with transaction(connection) as cursor:
            if not take_lock(cursor, limits):
                continue
            yield cursor
            return
    busy = BusyError("other loads keep committing; this one could not begin. Try again later.")
    busy.add_note(NOTHING_COMMITTED)
    raise busy


def take_lock(cursor: extensions.cursor, limits: Limits) -> bool:
    """Take etl_lock; False if another load committed while this one waited, so that it must begin
    again: what this transaction sees may be older than what that load committed.

    LOCK_TIMEOUT bounds the LOCK and not the UPDATE: on a busy or cold warehouse any may take long.
    """
    try:
        wait_for_lock(cursor, limits.lock_timeout)
        set_timeout(cursor, limits.statement_timeout)
        execute(cursor, sql_queries.etl_lock_count, {})
    except WarehouseError as error:
        if isinstance(error.__cause__, psycopg2.Error) and is_stale(error.__cause__):
            with suppress(psycopg2.Error):
                cursor.connection.rollback()
            return False
        raise
    return True


def wait_for_lock(cursor: extensions.cursor, seconds: int) -> None:
    """LOCK etl_lock; raises BusyError, saying who has it, where that takes longer."""
    try:
        with waiting(cursor, seconds):
            execute(cursor, sql_queries.etl_lock_take, {})
    except WarehouseError as error:
        if code_of(error) != errorcodes.QUERY_CANCELED or INTERRUPTION.number:
            raise
        raise BusyError(
            f"{describe_load(cursor)} This one waited {seconds} s (LOCK_TIMEOUT) and stops. Try again"
            " later.") from error


@contextmanager
def waiting(cursor: extensions.cursor, seconds: int) -> Iterator[None]:
    """Bound the statements in this block, which take no time but to wait for others; at least a second.

    The server's timeout ends them. No page of the guide says that it covers a wait for a lock, so this
    side cancels a little later.
    """
    seconds = max(1, seconds)
    set_timeout(cursor, seconds)
    with cancelling_after(cursor.connection, seconds + GRACE):
        yield


@contextmanager
def cancelling_after(connection: extensions.connection, seconds: float) -> Iterator[None]:
    """Cancel what the connection does in this block if it takes longer; never what comes after it."""
    over, guard = False, threading.Lock()

    def stop() -> None:
        with guard:
            if not over:
                cancel(connection)

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with guard:
            over = True


def set_timeout(cursor: extensions.cursor, seconds: int) -> None:
    """Bound the statements from here on; 0 is no bound."""
    execute(cursor, "SET statement_timeout TO %(ms)s", {"ms": seconds * 1000})


# A load holds etl_lock for itself alone (guide: r_SVV_TRANSACTIONS, r_LOCK).
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


class Holder(NamedTuple):
    """A transaction that holds a table. The time is UTC."""

    pid: int
    owner: str
    start: datetime
    mode: str

    @property
    def end(self) -> str:
        return f"SELECT pg_terminate_backend({self.pid})"


def find_holder(cursor: extensions.cursor, table: str) -> Holder | None:
    """Who else holds a table, as far as the server tells; after what failed, which is rolled back."""
    with suppress(psycopg2.Error):
        cursor.connection.rollback()
    try:
        cursor.execute(LOCK_HOLDER, {"table": table})
        row = cursor.fetchone()
    except psycopg2.Error:
        row = None
    with suppress(psycopg2.Error):
        cursor.connection.rollback()
    return Holder(*row) if row else None


def describe_load(cursor: extensions.cursor) -> str:
    """A sentence about who holds etl_lock, and how to end that."""
    holder = find_holder(cursor, "etl_lock")
    if not holder:
        return "another load or reset is running."
    who = ("another load or reset is running" if holder.mode == "AccessExclusiveLock" else
           "a session that only read etl_lock keeps it locked: its transaction is open")
    return (f"{who} (process {holder.pid} of {holder.owner}, since {holder.start:%Y-%m-%d %H:%M:%S} UTC;"
            f" to end it: {holder.end}).")


def reserve(cursor: extensions.cursor, queries: Iterable[str], limits: Limits) -> None:
    """Take the write locks of tables by statements that delete nothing from them.

    Raises BusyError, saying who uses a table, after LOCK_TIMEOUT seconds.
    """
    for sql in queries:
        try:
            with waiting(cursor, limits.lock_timeout):
                execute(cursor, sql, {})
        except WarehouseError as error:
            refuse_to_wait(cursor, sql.split()[2], limits.lock_timeout, error)
            raise
    set_timeout(cursor, limits.statement_timeout)


def refuse_to_wait(
    cursor: extensions.cursor, table: str, seconds: int, error: WarehouseError
) -> None:
    """Raise BusyError, naming who holds the table, where a statement that only waits ran out of time."""
    if code_of(error) != errorcodes.QUERY_CANCELED or INTERRUPTION.number:
        return
    holder = find_holder(cursor, table)
    who = ("perhaps somebody uses it in an open transaction. Try again later" if not holder else
           f"process {holder.pid} of {holder.owner} has used it since {holder.start:%Y-%m-%d %H:%M:%S} UTC"
           f" in an open transaction. Let it COMMIT, or end it: {holder.end}")
    raise BusyError(f"waited {seconds} s (LOCK_TIMEOUT) for {table}: {who}.") from error
