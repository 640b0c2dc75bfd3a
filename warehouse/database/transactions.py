"""Transactions: one that commits, one that is undone, and the one of a load, which holds etl_lock."""

from contextlib import contextmanager, suppress
from typing import Iterator

import psycopg2
from psycopg2 import errorcodes, extensions

import sql_queries

from .. import BusyError, WarehouseError
from ..config import Limits
from ..progress import PROGRESS
from ..signals import INTERRUPTION
from .errors import IN_DOUBT, NOTHING_COMMITTED, CommitLost, explain, is_stale, message_of
from .statements import name_of

MOST_STALE_STARTS = 20


@contextmanager
def transaction(connection: extensions.connection) -> Iterator[extensions.cursor]:
    """One transaction: committed at the end, rolled back on any error, which then says so.

    Raises CommitLost where the outcome of COMMIT is not known.
    """
    try:
        with connection.cursor() as cursor:
            yield cursor
        INTERRUPTION.check()
    except BaseException as error:
        with suppress(psycopg2.Error):  # a connection that is lost has rolled back by itself
            connection.rollback()
        error.add_note(NOTHING_COMMITTED)
        raise
    try:
        with PROGRESS.during("COMMIT"), INTERRUPTION.committing:
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
    raise BusyError("other loads keep committing; this one could not begin. Try again later.")


def take_lock(cursor: extensions.cursor, limits: Limits) -> bool:
    """Take etl_lock; False if another load committed while this one waited, so that it must begin
    again: what this transaction sees may be older than what that load committed."""
    try:
        cursor.execute("SET statement_timeout TO %s", (max(1, limits.lock_timeout) * 1000,))
        with PROGRESS.during(name_of(sql_queries.etl_lock_take)):
            cursor.execute(sql_queries.etl_lock_take)
        cursor.execute(sql_queries.etl_lock_count)
        cursor.execute("SET statement_timeout TO %s", (limits.statement_timeout * 1000,))
    except psycopg2.Error as error:
        with suppress(psycopg2.Error):
            cursor.connection.rollback()
        if is_stale(error):
            return False
        if error.pgcode != errorcodes.QUERY_CANCELED or INTERRUPTION.number:
            raise explain(name_of(sql_queries.etl_lock_take), error) from error
        raise BusyError(
            f"another load or reset is running{describe_holder(cursor)}; this one waited"
            f" {limits.lock_timeout} s (LOCK_TIMEOUT) and stops. Try again later."
        ) from error
    return True


LOCK_HOLDER = """-- lock holder: who holds etl_lock, and since when
SELECT pid, TRIM(txn_owner) AS txn_owner, txn_start
FROM svv_transactions
WHERE relation = CAST('etl_lock' AS regclass) AND granted
ORDER BY txn_start
LIMIT 1
"""


def describe_holder(cursor: extensions.cursor) -> str:
    """Who holds the lock, as far as the server tells."""
    try:
        cursor.execute(LOCK_HOLDER)
        row = cursor.fetchone()
    except psycopg2.Error:
        with suppress(psycopg2.Error):
            cursor.connection.rollback()
        return ""
    return f" (process {row[0]} of {row[1]}, since {row[2]:%H:%M:%S} UTC)" if row else ""


