"""The record of one COPY: its rows in the system tables, and the messages that its session gets."""

import re
import tempfile
from datetime import datetime, timezone

from psycopg2 import errorcodes

from warehouse.objects import Object

from .values import SEPARATOR, Column, Rejected, escape_field

MAX_REPLACEMENTS = 100  # rows of a COPY (guide: r_STL_REPLACEMENTS)
UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Record:
    """The system tables' rows about one COPY.

    Beyond a megabyte they wait on disk: a COPY may reject a hundred thousand rows.
    """

    def __init__(self, cursor, source: str, table_id: int, table_name: str):
        cursor.execute("""
            SELECT
                nextval('standin.copy_id'), nextval('standin.query_id'),
                (SELECT oid FROM pg_roles WHERE rolname = current_user),
                CAST(CAST(pg_current_xact_id() AS text) AS bigint), pg_backend_pid(),
                backend_start, clock_timestamp() AT TIME ZONE 'UTC'
            FROM pg_stat_get_activity(pg_backend_pid())
        """)
        self.ids = cursor.fetchone()
        self.copy_id, self.started = self.ids[0], self.ids[-1]
        self.source, self.table_id, self.table_name = source, table_id, table_name
        self.file_ended = utc_now()
        self.errors = self.files = self.replacements = 0
        self.error_lines = tempfile.SpooledTemporaryFile(1 << 20)
        self.file_lines = tempfile.SpooledTemporaryFile(1 << 20)
        self.replacement_lines = tempfile.SpooledTemporaryFile(1 << 20)

    def __enter__(self) -> "Record":
        return self

    def __exit__(self, *_) -> None:
        self.error_lines.close()
        self.file_lines.close()
        self.replacement_lines.close()

    def add_error(self, url: str, line: int, rejected: Rejected) -> None:
        name, type_name, length = "", "", ""
        if column := rejected.column:
            name, type_name = column.name, "char" if column.type == "bpchar" else column.type
            length = f"{column.size}, {column.scale}" if type_name == "numeric" else str(column.size)
        self.errors += 1
        self.error_lines.write(format_line(
            self.copy_id, self.errors, url, line, name, type_name, length, rejected.position,
            rejected.code, rejected.reason, format_raw_line(rejected.raw_line), rejected.value[:1024],
        ))

    def add_replacement(self, url: str, line: int, column: Column, document: str) -> None:
        """Add a row in which ACCEPTINVCHARS replaced characters; `column` is the first affected."""
        self.replacements += 1
        if self.replacements <= MAX_REPLACEMENTS:
            self.replacement_lines.write(format_line(
                self.copy_id, self.replacements, url, line, column.name, format_raw_line(document)))

    def add_file(self, file: Object, size: int, lines: int) -> None:
        """Add a file whose reading ends now and began when that of the previous file ended."""
        self.files += 1
        started, self.file_ended = self.file_ended, utc_now()
        self.file_lines.write(format_line(
            self.copy_id, self.files, file.url, file.etag, size, lines, started, self.file_ended))

    def write(self, cursor, rows: int, size: int, size_listed: int, failed: bool) -> None:
        """Write everything; the cursor must belong to another connection than the COPY's."""
        values = (
            *self.ids[:-1], self.table_name, self.table_id, self.source, self.started,
            "aborted" if failed else "completed", rows, size, self.files, size_listed, self.errors,
        )
        cursor.execute("INSERT INTO standin.load VALUES %s", (values,))
        for table, lines in (
            ("load_file", self.file_lines), ("load_error", self.error_lines),
            ("replacement", self.replacement_lines),
        ):
            lines.seek(0)
            cursor.copy_expert(
                f"COPY standin.{table} FROM STDIN WITH (DELIMITER '{SEPARATOR}')", lines)


def format_raw_line(document: str) -> str:
    """Return the part of a document that the load-error tables keep, in ASCII as they keep it."""
    return re.sub("[^\\x00-\\x7f]", ".", document[:1024])


def format_line(*values: object) -> bytes:
    """Return a line of PostgreSQL's text format; characters that it cannot store become escapes."""
    fields = [escape_field(value) if isinstance(value, str) else str(value) for value in values]
    line = SEPARATOR.join(fields) + "\n"
    return UNSTORABLE.sub(lambda found: "\\" + ascii(found[0])[1:-1], line).encode()


def fail(cursor, message: str, state: str = errorcodes.INTERNAL_ERROR) -> None:
    """Have the server raise an error, which aborts the transaction like a failed COPY."""
    printable = message.replace("\0", r"\x00").encode("utf-8", "backslashreplace").decode()
    cursor.execute("SELECT standin.fail(%s, %s)", (printable, state))


def remember(cursor, record: Record, table: str, rows: int) -> None:
    """Set the session's last COPY, and send Redshift's messages about a COPY that succeeded."""
    cursor.execute(
        "SELECT set_config('standin.last_copy_id', %s, false),"
        " set_config('standin.last_copy_count', %s, false)",
        (str(record.copy_id), str(rows)),
    )
    messages = [f"{rows} record(s) loaded successfully."]
    if record.errors:
        messages.append(f"{record.errors} record(s) could not be loaded.  "
                    "Check 'sys_load_error_detail' system table for details.")
    for message in messages:
        cursor.execute(
            "SELECT standin.say(%s)", (f"Load into table '{table}' completed, {message}",))


def utc_now() -> datetime:
    """Return the time in UTC without a zone, as Redshift's system tables hold it."""
    return datetime.now(timezone.utc).replace(tzinfo=None)
