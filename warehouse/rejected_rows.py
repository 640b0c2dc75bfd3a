"""The rows that a COPY rejected: read them from the load-error tables and explain them."""

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
from .source_lines import read_document

log = logging.getLogger(__name__)

REJECTED = re.compile(r"(\d+) record\(s\) could not be loaded")
PATIENCE, PAUSE = 10.0, 0.5  # seconds to wait for system views that lag behind, and between two queries
ROW_FIELDS = 10  # columns of LOAD_ERRORS; LOAD_ERRORS_WITH_VALUES also has raw_line
SKEW = timedelta(minutes=5)  # tolerated between the clocks of this machine and the server
LONGEST_VALUE = 80  # characters in a message


class Row(NamedTuple):
    """A rejected row as the load-error tables show it, with two totals.

    alike counts the rejected rows of the same file, column and code, and rejected counts all rows that
    the COPY rejected. value is None if unknown. keys are those of the document, in lower case, if known.
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
        value = "" if self.reason.startswith("Missing data") else self.value or ""
        if len(value) > LONGEST_VALUE:
            value = f"{value[:LONGEST_VALUE - 3]}..."
        quoted = f", in {value!r}" if value else ""
        return f"{escape(self.file)}:{self.line}:{column} {self.reason} (error {self.code}){quoted}"


def explain_rejected(connection: extensions.connection, error: RowsRejected) -> DataError:
    """Make the error for a COPY that failed, with its rejected rows and advice. Call it after ROLLBACK.

    If the load-error tables cannot be read, the error has the server's message and names the tables.
    """
    rows, problem = read_rows(connection, error.table, 1)
    if rows:
        message = "\n".join([f"{error}:", *describe_rows(rows),
                             "  COPY stopped there: the files may hold more such rows.",
                             *advise(rows, error.table),
                             "Or set MAX_ERRORS in dwh.cfg to leave such rows out."])
    else:
        reason = f", which could not be read here ({problem})" if problem else ""
        message = (f"{error}: {message_of(error.__cause__)}. Look for the rows in"
                   f" sys_load_error_detail or stl_load_errors{reason}. Correct them, or set"
                   " MAX_ERRORS in dwh.cfg to leave them out.")
    refused = DataError(message)
    refused.take_notes(error)
    return refused


def count_rejected(cursor: extensions.cursor, max_errors: int) -> int | None:
    """Return how many rows the last COPY rejected, from its own notices; None if it did not report it.

    With max_errors = 0 the number is 0, because the COPY would have failed. The notices are cleared.
    System views are not used, because they may be late (guide: cm_chap_system-tables).
    """
    notices = "\n".join(cursor.connection.notices)
    cursor.connection.notices.clear()
    if "record(s)" not in notices and max_errors:
        return None
    return sum(map(int, REJECTED.findall(notices)))


def warn(connection: extensions.connection, summary: Summary) -> None:
    """Warn about the rows that the COPYs of a load rejected within MAX_ERRORS.

    Call it after COMMIT, so that a system table that cannot be read does not undo the load.
    """
    for line in summary.lines:
        if line.rejected == 0:
            continue
        rows, problem = read_rows(connection, line.table, line.rejected or 0)
        which = "".join(f"\n{row}" for row in describe_rows(rows)) or (
            f"; this run could not read them{f' ({problem})' if problem else ''}")
        how_many = "an unknown number" if line.rejected is None else f"{line.rejected:,}"
        log.warning(
            "rejected rows of %s, within MAX_ERRORS: %s; SELECT * FROM sys_load_error_detail ORDER BY"
            " start_time DESC shows them all%s", line.table, how_many, which)


# The ids of a COPY in the system views differ from pg_last_copy_id(), and Redshift reuses session ids
# (guide: cm_chap_system-tables). Session, table and time together identify the COPY.
LOAD_ERRORS = """-- load errors: rows of a table that this session's COPY rejected, at most three of each kind
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
        ) AS nth_alike,
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
WHERE nth_alike <= 3
ORDER BY file_name, column_name, error_code, line_number
LIMIT 30
"""

LOAD_ERRORS_WITH_VALUES = """-- load errors with values: the same with values, except on serverless workgroups
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
        ) AS nth_alike,
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
WHERE nth_alike <= 3
ORDER BY file_name, column_name, err_code, line_number
LIMIT 30
"""


def read_rows(
    connection: extensions.connection, table: str, expected: int
) -> tuple[list[Row], str]:
    """Read the first rejected rows of each kind. Returns them and, if they cannot be read, the reason.

    The views may be late, so they are queried again for up to PATIENCE seconds, until they show as many
    rows as expected.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        rows, problem = read_rows_once(connection, table)
        enough = bool(rows) and rows[0].rejected >= expected
        if enough or problem or INTERRUPTION.number or time.monotonic() > deadline:
            return rows, problem
        time.sleep(PAUSE)


def read_rows_once(connection: extensions.connection, table: str) -> tuple[list[Row], str]:
    """Read the rejected rows that the views show now. Returns a reason if neither view can be read.

    sys_load_error_detail is filled everywhere. Only stl_load_errors may have the values, and it is not
    filled for serverless workgroups (guide: r_STL_LOAD_ERRORS).
    """
    results, problems = [], []
    parameters = {"table": table, "since": STARTED - SKEW}
    for sql in (LOAD_ERRORS, LOAD_ERRORS_WITH_VALUES):
        try:
            results.append([make_row(*row) for row in fetch_rows(connection, sql, parameters)])
        except psycopg2.Error as error:
            results.append([])
            problems.append(message_of(error))
    rows, with_values = results
    values = {(*row.kind, row.line): row for row in with_values}
    rows = [values.get((*row.kind, row.line), row) for row in rows] or with_values
    return rows, problems[0] if len(problems) == 2 else ""


def make_row(*fields) -> Row:
    """Make a Row from the fields of either query.

    A blank value is looked up in raw_line: on a cluster the value is blank for every JSON load.
    """
    *row_fields, raw_line = fields if len(fields) > ROW_FIELDS else (*fields, "")
    row = Row(*("" if field is None else field for field in row_fields))
    document = read_document(raw_line)
    value = row.value or document.get(row.column, "")
    return row._replace(
        value=value if isinstance(value, str) else json.dumps(value, ensure_ascii=False),
        keys=frozenset(document))


def fetch_rows(connection: extensions.connection, sql: str, values: dict) -> list[tuple]:
    """Fetch the rows of a query in its own transaction. Raises psycopg2.Error."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()
    finally:
        if not connection.closed:
            connection.rollback()


def describe_rows(rows: list[Row]) -> list[str]:
    """Format a line for each row, and lines that count the rows that are left out."""
    lines, counted = [], 0
    for _, group in groupby(rows, key=lambda row: row.kind):
        group = list(group)
        lines += [f"  {row}" for row in group]
        counted += group[0].alike
        if more := group[0].alike - len(group):
            lines.append(f"  {escape(group[0].file)}: and {more:,} more like these")
    if rows and rows[0].rejected > counted:
        lines.append(f"  and {rows[0].rejected - counted:,} more in other files or columns")
    return lines
