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
from .console import Summary
from .database.errors import RowsRejected, message_of
from .history import STARTED
from .signals import INTERRUPTION

log = logging.getLogger(__name__)

REJECTED = re.compile(r"(\d+) record\(s\) could not be loaded")
PATIENCE, PAUSE = 10.0, 0.5  # seconds
SKEW = timedelta(minutes=5)  # between the clock of this machine and that of the server
LONGEST_SHOWN = 80  # characters of a value
LONGEST_REPORTED = 1024  # stl_load_errors cuts values there


class Row(NamedTuple):
    """A rejected row as the load-error tables have it, and how many there are.

    alike: of the same file, column and code. rejected: in all. value is None where not known.
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
        return f"{self.file}:{self.line}:{column} {self.reason} (error {self.code}){shown}"


def explain_rejected(connection: extensions.connection, error: RowsRejected) -> DataError:
    """The error with the rows that its COPY rejected, to be called after ROLLBACK.

    If the load-error tables cannot be read, it keeps what the server said, and says where to look.
    """
    rows, problem = read_rows(connection, error.table, 1)
    if rows:
        message = "\n".join([f"{error}:", *listed(rows),
                             "  COPY stopped there: the files may hold more such rows.", *advice(rows),
                             "Or let MAX_ERRORS in dwh.cfg leave such rows out."])
    else:
        why = f" (they could not be read here: {problem})" if problem else ""
        message = (f"{error}: {message_of(error.__cause__)}. Ask sys_load_error_detail or"
                   f" stl_load_errors which{why}. Fix these, or let MAX_ERRORS in dwh.cfg leave"
                   " them out.")
    refused = DataError(message)
    for note in getattr(error, "__notes__", ()):
        refused.add_note(note)
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
        which = "".join(f"\n{row}" for row in listed(rows)) or (
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
        TRIM(raw_field_value) AS value,
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
        if problem or len(rows) > 0 and rows[0].rejected >= expected or time.monotonic() > deadline:
            return rows, problem
        time.sleep(PAUSE)
        INTERRUPTION.check()


def read_rows_once(connection: extensions.connection, table: str) -> tuple[list[Row], str]:
    """The rejected rows that the views show now, and why there are none where one cannot be asked.

    Redshift fills sys_load_error_detail everywhere, and stl_load_errors, which alone may have the
    values, not for serverless workgroups (guide: r_STL_LOAD_ERRORS).
    """
    found, problem = [], ""
    asked = {"table": table, "since": STARTED - SKEW}
    for sql in (LOAD_ERRORS, LOAD_ERRORS_WITH_VALUES):
        try:
            found.append([make_row(*row) for row in fetched(connection, sql, asked)])
        except psycopg2.Error as error:
            found.append([])
            problem = problem or message_of(error)
    rows, with_values = found
    values = {(*row.kind, row.line): row.value for row in with_values}
    rows = [row._replace(value=values.get((*row.kind, row.line))) for row in rows]
    rows = rows or with_values
    return rows, "" if rows else problem


def make_row(*fields) -> Row:
    """A Row of the fields of either query. The value is sought in raw_line where it is blank, as it is
    of every JSON load on a cluster."""
    known = Row(*("" if field is None else field for field in fields[: len(Row._fields)]))
    raw_line = fields[len(Row._fields) :]
    return known if known.value or not raw_line else known._replace(value=find_value(*raw_line, known.column))


def find_value(raw_line: str, column: str) -> str:
    """The value of a column in the document that raw_line begins with; '' where that is cut off.

    >>> find_value('{"userId": "abc", "ts": 1}{"userId": "7"', "userid")
    'abc'
    """
    try:
        document, _ = json.JSONDecoder().raw_decode(raw_line.lstrip())
    except (ValueError, RecursionError):
        return ""
    values = {key.lower(): value for key, value in document.items()} if isinstance(document, dict) else {}
    value = values.get(column, "")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def fetched(connection: extensions.connection, sql: str, values: dict) -> list[tuple]:
    """The rows of a query in a transaction of its own; raises psycopg2.Error."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()
    finally:
        if not connection.closed:
            connection.rollback()


def listed(rows: list[Row]) -> list[str]:
    """A line for each row, and how many more there are like them, or of other kinds."""
    lines, told = [], 0
    for _, alike in groupby(rows, key=lambda row: row.kind):
        alike = list(alike)
        lines += [f"  {row}" for row in alike]
        told += alike[0].alike
        if more := alike[0].alike - len(alike):
            lines.append(f"  {alike[0].file}: and {more:,} more like these")
    if rows and rows[0].rejected > told:
        lines.append(f"  and {rows[0].rejected - told:,} more in other files or columns")
    return lines


def advice(rows: list[Row]) -> list[str]:
    """What to do, a sentence for each column and code."""
    ordered = sorted(rows, key=lambda row: (row.column, row.code))
    by_kind = groupby(ordered, key=lambda row: (row.column, row.code))
    return list(dict.fromkeys(next_step(list(alike)) for _, alike in by_kind))


def next_step(rows: list[Row]) -> str:
    """What to do about rows of one column and code (guide: r_Load_Error_Reference)."""
    column, kind, code = rows[0].column, rows[0].type, rows[0].code
    if "JSONPath" in rows[0].reason:
        return ("The documents do not fit the paths: correct the file of LOG_JSONPATH, or leave it"
                " out.")
    if code == 1204 and "char" in kind:
        return widening(rows)
    return {
        1204: f"Correct the numbers in the files: {column} takes {kind} {rows[0].length}.",
        1205: f"Write dates in the files as YYYY-MM-DD, or say how {column} is written by"
              " DATEFORMAT in the COPY of sql_queries.py.",
        1206: f"Write timestamps in the files as YYYY-MM-DD HH:MI:SS, or say how {column} is"
              " written by TIMEFORMAT in the COPY of sql_queries.py ('epochmillisecs' for"
              " milliseconds since 1970).",
        1207: f"Correct the values in the files: {column} takes digits only, as of type {kind}.",
        1213: f"Let every document have {column}. Where the logs have it under another name, correct"
              " LOG_JSONPATH.",
        1216: "Correct the JSON of the files: whole objects, one after the other, as text in UTF-8"
              " without a byte order mark, not packed.",
        1220: "Save the files as UTF-8, without NUL characters.",
        1221: "Save the files as UTF-8.",
        1222: f"Correct the numbers in the files, or let {column} be BIGINT in sql_queries.py.",
    }.get(code, "Correct the files.")


def widening(rows: list[Row]) -> str:
    """What to do about texts that are too long; columns count bytes."""
    column = rows[0].column
    values = [row.value or "" for row in rows]
    longest = max(len(value.encode()) for value in values)
    if any(len(value) >= LONGEST_REPORTED for value in values):
        need = f"more than {longest:,} bytes"
    elif longest:
        need = f"at least {longest:,} bytes"
    else:
        need = "the bytes of the longest text"
    return (f"Shorten the texts in the files, or widen {column} to {need}: ALTER TABLE … ALTER"
            f" COLUMN {column} TYPE VARCHAR(…), the same in sql_queries.py, and where it is inserted.")
