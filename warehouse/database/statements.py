"""Runs the statements of sql_queries.py: by name, in a transaction, with errors that say which."""

import logging
import re
import time
from contextlib import contextmanager, suppress
from typing import Iterable, Iterator, NamedTuple

import psycopg2
from psycopg2 import errorcodes, extensions
from psycopg2.extensions import AsIs

import sql_queries

from .. import BusyError, DataError, WarehouseError
from ..config import Config
from ..progress import PROGRESS
from ..signals import INTERRUPTION

log = logging.getLogger(__name__)

NOTHING_COMMITTED = "Nothing was committed."
IN_DOUBT = ("The connection was lost while a COMMIT was on its way, so the load is either complete"
            " or undone. Run it again: that is safe in both cases.")
LOAD_FAILED = re.compile(r"Check '(stl_load_errors|sys_load_error_detail)'")
STALE = re.compile(
    r"\b1023\b|serializable isolation violation|conflict with concurrent transaction",
    re.IGNORECASE)
MOST_STALE_STARTS = 20
FIRSTS = ("first_play", "first_changed")  # of the spans that statements are about
OFFENDING = "SELECT *, COUNT(*) OVER () AS found\nFROM (\n<check>) AS offending\nLIMIT 3\n"


class Done(NamedTuple):
    """What a statement did: rows changed or found, and how long it took."""

    rows: int
    seconds: float


class RowsRejected(DataError):
    """A COPY failed because of its data; the load-error tables know which rows."""


class CommitLost(WarehouseError):
    """The connection was lost during COMMIT; nobody here knows whether it was carried out."""


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
        "log_jsonpath": config.log_jsonpath,
        # DEFAULT is a keyword of IAM_ROLE and not a string.
        "iam_role": AsIs("default") if config.iam_role == "default" else config.iam_role,
        "region": config.region,
        "maxerror": config.max_errors + 1,  # COPY fails at this many
        "noload": AsIs(""),
    }


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
    text = "" if name == sql else f"\n{sql.strip()}"
    log.debug("%s in %.3f s%s", name, done.seconds, text)
    return done


def explained(name: str, error: psycopg2.Error) -> WarehouseError:
    said = message_of(error)
    if LOAD_FAILED.search(said):
        return RowsRejected(f"{name}: rows were rejected")
    if error.pgcode == errorcodes.UNDEFINED_TABLE:
        return WarehouseError(f"{name}: {said}. Run create_tables.py first.")
    # Redshift's words for a timeout do not tell it from a cancellation by hand.
    if error.pgcode == errorcodes.QUERY_CANCELED and not INTERRUPTION.number:
        return WarehouseError(
            f"{name}: {said}. If it ran out of time, STATEMENT_TIMEOUT in dwh.cfg allows more.")
    advice = next((advice for told, advice in NEXT_STEPS if told.search(said)), "")
    return WarehouseError(f"{name}: {said}. {advice}" if advice else f"{name}: {said}")


# What Redshift says of a COPY that it cannot begin (guide: s3serviceexception-error,
# r_Load_Error_Reference, copy-parameters-data-format), and what helps. The first that fits counts:
# of a manifest that cannot be read it says the reason of S3, too.
NEXT_STEPS = tuple((re.compile(told, re.IGNORECASE), advice) for told, advice in (
    (r"Status 301|PermanentRedirect|in a different region|using the specified endpoint",
     "Set REGION in dwh.cfg to the region of the buckets; data, manifests and JSONPaths file must"
     " lie in one."),
    (r"Status 403|Error AccessDenied",
     "Allow the role of [IAM_ROLE] ARN s3:ListBucket on the bucket and s3:GetObject on its"
     " objects, and kms:Decrypt if a key of KMS encrypts them."),
    (r"not authorized to assume IAM Role|not authorized to get credentials of role",
     "Attach the role of [IAM_ROLE] ARN to the cluster or namespace, and let its trust policy name"
     " redshift.amazonaws.com (serverless: redshift-serverless.amazonaws.com)."),
    (r"S3 prefix .* does not exist",
     "Check LOG_DATA and SONG_DATA in dwh.cfg: a prefix is the text that keys begin with, in small"
     " and capital letters."),
    (r"Status 404|NoSuchKey|NoSuchBucket|is mandatory in the manifest",
     "Check LOG_DATA, SONG_DATA, LOG_JSONPATH and MANIFESTS in dwh.cfg; if an object went away"
     " between listing and COPY, run again."),
    (r"Number of jsonpaths and the number of columns",
     "The file of LOG_JSONPATH needs a path for each column of staging_events that COPY fills, in"
     " their order. Correct it, or leave LOG_JSONPATH out: then keys are matched by name."),
    (r"JSONPath",
     "Correct the file of LOG_JSONPATH: one object {\"jsonpaths\": [\"$['key']\", …]} that fits"
     " the documents. Without LOG_JSONPATH keys are matched by name."),
    (r"reading manifest file|COPY with MANIFEST|is not a manifest|objects of the manifest",
     "etl.py writes new manifests in every run: nothing else may write under MANIFESTS. Check"
     " that, and run again."),
    (r"could not (extend|write to) file|No space left on device|\bdisk full\b",
     "Free space on the disks of the database (on Redshift: drop tables, VACUUM, or resize), and run"
     " again."),
    (r"permission denied",
     "Let an administrator grant this user that right, or make it the owner of the tables."),
))


def message_of(error: psycopg2.Error) -> str:
    """The server's message with its detail, without the quotation of the statement."""
    diagnosis = error.diag
    if not diagnosis.message_primary:
        return " ".join(str(error).split()) or type(error).__name__
    said = (diagnosis.message_primary, without_frame(diagnosis.message_detail or ""))
    return ". ".join(part.strip().rstrip(".") for part in said if part)


def without_frame(detail: str) -> str:
    """Redshift frames many details and repeats the message in them; what is new stays.

    >>> without_frame("\\n  ------\\n  error:  No.\\n  code:  8001\\n  query:  77\\n  ------")
    'code 8001, query 77'
    """
    if "-----" not in detail:
        return " ".join(detail.split())
    fields = dict(re.findall(r"^\s*(\w+): +(.*\S)", detail, re.MULTILINE))
    told = (key for key in ("context", "code", "query") if key in fields)
    return ", ".join(f"{key} {fields[key]}" for key in told)


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
        with suppress(psycopg2.Error):
            cursor.connection.rollback()
        if STALE.search(message_of(error)) or error.pgcode == errorcodes.SERIALIZATION_FAILURE:
            return False
        if error.pgcode != errorcodes.QUERY_CANCELED or INTERRUPTION.number:
            raise explained(name_of(sql_queries.etl_lock_take), error) from error
        raise BusyError(
            f"another load or reset is running{holder(cursor)}; this one waited"
            f" {config.lock_timeout} s (LOCK_TIMEOUT) and stops. Try again later."
        ) from error
    return True


LOCK_HOLDER = """-- lock holder: who holds etl_lock, and since when
SELECT pid, TRIM(txn_owner) AS txn_owner, txn_start
FROM svv_transactions
WHERE relation = CAST('etl_lock' AS regclass) AND granted
ORDER BY txn_start
LIMIT 1
"""


def holder(cursor: extensions.cursor) -> str:
    """Who holds the lock, as far as the server tells."""
    try:
        cursor.execute(LOCK_HOLDER)
        row = cursor.fetchone()
    except psycopg2.Error:
        with suppress(psycopg2.Error):
            cursor.connection.rollback()
        return ""
    return f" (process {row[0]} of {row[1]}, since {row[2]:%H:%M:%S} UTC)" if row else ""


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
        values |= zip((column.name for column in cursor.description), cursor.fetchone())
    return done


def run_all(cursor: extensions.cursor, values: dict[str, object], queries: Iterable[str]) -> None:
    for sql in queries:
        run(cursor, sql, values)


def check(cursor: extensions.cursor, sql: str, values: dict[str, object]) -> str:
    """Run a check; returns '' if it passes, else a sentence with up to three rows that offend.

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
        ", ".join(f"{name} = {value!s}" for name, value in zip(names, row)) for row in rows
    )
    found = rows[0][-1]
    many = f"{found:,} rows, for example " if found > len(rows) else ""
    return f"check {name_of(sql)} failed ({purpose_of(sql)}): {many}{shown}"
