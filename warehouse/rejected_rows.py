"""The rows that a COPY rejected: which they are, why, and what to do about each kind."""

import json
import logging
import re
import time
from datetime import timedelta
from itertools import groupby
from typing import NamedTuple

import psycopg2
from psycopg2 import extensions

from . import DataError
from .advice import advise
from .console import Summary
from .database.errors import RowsRejected, message_of
from .history import STARTED
from .objects import escape
from .signals import INTERRUPTION

log = logging.getLogger(__name__)

REJECTED = re.compile(r"(\d+) record\(s\) could not be loaded")
PATIENCE, PAUSE = 10.0, 0.5  # seconds
MOST_FIELDS = 10  # of the query without raw_line
SKEW = timedelta(minutes=5)  # between the clock of this machine and that of the server
LONGEST_SHOWN = 80  # characters of a value


class Row(NamedTuple):
    """A rejected row as the load-error tables have it, and how many there are.

    alike: of the same file, column and code. rejected: in all. value is None where not known. keys: of
    its document, in small letters, where that is known.
    """

    file: str
    line: int
    column: str
    type: str
    length: str
    code: int
    reason: str
    value: str | None
    alike: int
    rejected: int
    keys: frozenset[str] = frozenset()

    @property
    def kind(self) -> tuple[str, str, int]:
        return self.file, self.column, self.code

    def __str__(self) -> str:
        length = f" {self.length}" if self.length and self.length != "0" else ""
        column = f" column {self.column} ({self.type}{length}):" if self.column else ""
        value = self.value or ""
        if len(value) > LONGEST_SHOWN:
            value = f"{value[:LONGEST_SHOWN - 3]}..."
        shown = f", in {value!r}" if value else ""
        return f"{escape(self.file)}:{self.line}:{column} {self.reason} (error {self.code}){shown}"


def explain_rejected(connection: extensions.connection, error: RowsRejected) -> DataError:
    """The error with the rows that its COPY rejected, to be called after ROLLBACK.

    If the load-error tables cannot be read, it keeps what the server said, and says where to look.
    """
    rows, problem = read_rows(connection, error.table, 1)
    if rows:
        message = "\n".join([f"{error}:", *describe_rows(rows),
                             "  COPY stopped there: the files may hold more such rows.",
                             *advise(rows, error.table),
                             "Or let MAX_ERRORS in dwh.cfg leave such rows out."])
    else:
        why = f" (they could not be read here: {problem})" if problem else ""
        message = (f"{error}: {message_of(error.__cause__)}. Ask sys_load_error_detail or"
                   f" stl_load_errors which{why}. Fix these, or let MAX_ERRORS in dwh.cfg leave"
                   " them out.")
    refused = DataError(message)
    refused.take_notes(error)
    return refused


def count_rejected(cursor: extensions.cursor, max_errors: int) -> int | None:
    """How many rows the COPY just made left out, as it reported itself; None if it reported nothing.

    With max_errors = 0 there are none: it would have failed. Forgets what it said. System views may
    be late (guide: cm_chap_system-tables).
    """
    said = "\n".join(cursor.connection.notices)
    cursor.connection.notices.clear()
    if "record(s)" not in said and max_errors:
        return None
    return sum(map(int, REJECTED.findall(said)))


def warn(connection: extensions.connection, summary: Summary) -> None:
    """Log what the COPYs of a load left out within MAX_ERRORS.

    To be called after COMMIT: a system table that may not be read must not undo a load.
    """
    for line in summary.lines:
        if line.rejected == 0:
            continue
        rows, problem = read_rows(connection, line.table, line.rejected or 0)
        which = "".join(f"\n{row}" for row in describe_rows(rows)) or (
            f"; which ones cannot be told here{f' ({problem})' if problem else ''}")
        how_many = ("rejected an unknown number of" if line.rejected is None else
                    f"rejected {line.rejected:,}")
        log.warning(
            "%s rows of %s, within MAX_ERRORS; SELECT * FROM sys_load_error_detail ORDER BY start_time"
            " DESC shows them all%s", how_many, line.table, which)


# Redshift knows a COPY by other ids in its system views than in pg_last_copy_id(), and uses the ids of
# sessions again (guide: cm_chap_system-tables): a session, a table and a time name it.
LOAD_ERRORS = """-- load errors: rows of a table that this session's COPY rejected, three of a kind
WITH rejected AS (
    SELECT
        TRIM(file_name) AS file_name,
        line_number,
        TRIM(column_name) AS column_name,
        TRIM(column_type) AS column_type,
        TRIM(column_length) AS column_length,
        error_code,
        TRIM(error_message) AS reason,
        ROW_NUMBER() OVER (
            PARTITION BY file_name, column_name, error_code ORDER BY line_number
        ) AS place,
        COUNT(*) OVER (PARTITION BY file_name, column_name, error_code) AS alike,
        COUNT(*) OVER () AS rejected
    FROM sys_load_error_detail
    JOIN pg_class ON pg_class.oid = table_id
    WHERE session_id = pg_backend_pid()
        AND start_time >= %(since)s
        AND relname = %(table)s
)
SELECT
    file_name, line_number, column_name, column_type, column_length, error_code, reason,
    NULL AS value, alike, rejected
FROM rejected
WHERE place <= 3
ORDER BY file_name, column_name, error_code, line_number
LIMIT 30
"""

LOAD_ERRORS_WITH_VALUES = """-- load errors with values: the same, which serverless workgroups do not tell
WITH rejected AS (
    SELECT
        TRIM(filename) AS file_name,
        line_number,
        TRIM(colname) AS column_name,
        TRIM(type) AS column_type,
        TRIM(col_length) AS column_length,
        err_code,
        TRIM(err_reason) AS reason,
        RTRIM(raw_field_value) AS value,
        raw_line,
        ROW_NUMBER() OVER (
            PARTITION BY filename, colname, err_code ORDER BY line_number
        ) AS place,
        COUNT(*) OVER (PARTITION BY filename, colname, err_code) AS alike,
        COUNT(*) OVER () AS rejected
    FROM stl_load_errors
    JOIN pg_class ON pg_class.oid = tbl
    WHERE session = pg_backend_pid()
        AND starttime >= %(since)s
        AND relname = %(table)s
)
SELECT
    file_name, line_number, column_name, column_type, column_length, err_code, reason, value,
    alike, rejected, raw_line
FROM rejected
WHERE place <= 3
ORDER BY file_name, column_name, err_code, line_number
LIMIT 30
"""


def read_rows(
    connection: extensions.connection, table: str, expected: int
) -> tuple[list[Row], str]:
    """The first rejected rows of each kind, and why there are none where that is known.

    The views may be late, so they are asked again for PATIENCE seconds, until they show as many rows
    as are expected.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        rows, problem = read_rows_once(connection, table)
        enough = bool(rows) and rows[0].rejected >= expected
        if enough or problem or INTERRUPTION.number or time.monotonic() > deadline:
            return rows, problem
        time.sleep(PAUSE)


def read_rows_once(connection: extensions.connection, table: str) -> tuple[list[Row], str]:
    """The rejected rows that the views show now, and why there are none where neither can be asked.

    Redshift fills sys_load_error_detail everywhere, and stl_load_errors, which alone may have the
    values, not for serverless workgroups (guide: r_STL_LOAD_ERRORS).
    """
    found, problems = [], []
    asked = {"table": table, "since": STARTED - SKEW}
    for sql in (LOAD_ERRORS, LOAD_ERRORS_WITH_VALUES):
        try:
            found.append([make_row(*row) for row in fetch_rows(connection, sql, asked)])
        except psycopg2.Error as error:
            found.append([])
            problems.append(message_of(error))
    rows, with_values = found
    values = {(*row.kind, row.line): row for row in with_values}
    rows = [values.get((*row.kind, row.line), row) for row in rows] or with_values
    return rows, problems[0] if len(problems) == 2 else ""


def make_row(*fields) -> Row:
    """A Row of the fields of either query.

    The value is sought in raw_line where it is blank, as it is of every JSON load on a cluster.
    """
    *known, raw_line = fields if len(fields) > MOST_FIELDS else (*fields, "")
    row = Row(*("" if field is None else field for field in known))
    document = read_document(raw_line)
    value = row.value or document.get(row.column, "")
    return row._replace(
        value=value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
        keys=frozenset(document))


def read_document(raw_line: str) -> dict[str, object]:
    """The document that raw_line begins with, its keys in small letters; {} where that is cut off.

    >>> read_document('{"userId": "abc"}{"userId": "7"')
    {'userid': 'abc'}
    """
    try:
        document, _ = json.JSONDecoder().raw_decode(raw_line.lstrip())
    except (ValueError, RecursionError):
        return {}
    return {key.lower(): value for key, value in document.items()} if isinstance(document, dict) else {}


def fetch_rows(connection: extensions.connection, sql: str, values: dict) -> list[tuple]:
    """The rows of a query in a transaction of its own; raises psycopg2.Error."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()
    finally:
        if not connection.closed:
            connection.rollback()


def describe_rows(rows: list[Row]) -> list[str]:
    """A line for each row, and how many more there are like them, or of other kinds."""
    lines, told = [], 0
    for _, alike in groupby(rows, key=lambda row: row.kind):
        alike = list(alike)
        lines += [f"  {row}" for row in alike]
        told += alike[0].alike
        if more := alike[0].alike - len(alike):
            lines.append(f"  {escape(alike[0].file)}: and {more:,} more like these")
    if rows and rows[0].rejected > told:
        lines.append(f"  and {rows[0].rejected - told:,} more in other files or columns")
    return lines
