"""The system tables, views and functions of Redshift that the stand-in has, in a schema `standin`.

Columns are Redshift's (guide: SYS_LOAD_ERROR_DETAIL, r_STL_LOAD_ERRORS, SYS_LOAD_HISTORY,
r_STL_REPLACEMENTS, r_SVV_TRANSACTIONS); `dialect` points their names to this schema.
"""

import codecs
import re
import tempfile
from datetime import datetime, timezone

from psycopg2 import errorcodes

from warehouse.objects import Object

from ..copy.values import SEPARATOR, Column, Rejected, field

VERSION = "5"

MAX_REPLACEMENTS = 100  # rows of a COPY (guide: r_STL_REPLACEMENTS)

CREATE = """
CREATE SCHEMA standin;
COMMENT ON SCHEMA standin IS
    'sparkify stand-in {version}: what Amazon Redshift has and PostgreSQL has not';
GRANT USAGE ON SCHEMA standin TO PUBLIC;

CREATE SEQUENCE standin.copy_id;
GRANT USAGE ON SEQUENCE standin.copy_id TO PUBLIC;

CREATE TABLE standin.load (
    query_id BIGINT, session_id INT, session_start TIMESTAMPTZ, table_name TEXT,
    table_id OID, data_source TEXT, start_time TIMESTAMP, end_time TIMESTAMP, status TEXT,
    loaded_rows BIGINT, loaded_bytes BIGINT, source_file_count INT, source_file_bytes BIGINT,
    error_count BIGINT
);
CREATE TABLE standin.load_file (
    query_id BIGINT, n BIGINT, file_name TEXT, file_etag TEXT, bytes BIGINT, lines BIGINT,
    start_time TIMESTAMP, end_time TIMESTAMP
);
CREATE TABLE standin.load_error (
    query_id BIGINT, n BIGINT, file_name TEXT, line_number BIGINT, column_name TEXT,
    column_type TEXT, column_length TEXT, position INT, error_code INT, error_message TEXT,
    raw_line TEXT, raw_field_value TEXT
);
CREATE TABLE standin.replacement (
    query_id BIGINT, n BIGINT, file_name TEXT, line_number BIGINT, column_name TEXT, raw_line TEXT
);
GRANT SELECT, INSERT ON standin.load, standin.load_file, standin.load_error, standin.replacement
TO PUBLIC;

CREATE VIEW standin.sys_load_history AS
SELECT
    10 AS user_id, query_id, 0::bigint AS transaction_id, session_id,
    current_database()::text AS database_name, status, table_name, start_time, end_time,
    (EXTRACT(epoch FROM end_time - start_time) * 1000000)::bigint AS duration, data_source,
    'JSON'::text AS file_format, loaded_rows, loaded_bytes, source_file_count, source_file_bytes,
    source_file_count AS file_count_scanned, source_file_bytes AS file_bytes_scanned,
    error_count, NULL::bigint AS copy_job_id
FROM standin.load;

CREATE VIEW standin.sys_load_detail AS
SELECT
    10 AS user_id, query_id, left(file_name, 256)::char(256) AS file_name, bytes AS bytes_scanned,
    lines AS lines_scanned, 1 AS splits_scanned, end_time AS record_time, start_time, end_time,
    left(file_etag, 256)::char(256) AS file_etag
FROM standin.load_file;

CREATE VIEW standin.stl_load_commits AS
SELECT
    10 AS userid, query_id::int AS query, 0 AS slice, ''::char(256) AS name,
    left(file_name, 256)::char(256) AS filename, 0 AS byte_offset, lines::int AS lines_scanned,
    COALESCE(e.errors, 0)::int AS errors,
    end_time AS curtime, 1 AS status, 'JSON'::char(16) AS file_format, 0 AS is_partial,
    0::bigint AS start_offset, 0::bigint AS copy_job_id
FROM standin.load_file f
LEFT JOIN (
    SELECT query_id, file_name, COUNT(*) AS errors FROM standin.load_error GROUP BY query_id, file_name
) e USING (query_id, file_name);

CREATE VIEW standin.sys_load_error_detail AS
SELECT
    10 AS user_id, l.query_id, 0::bigint AS transaction_id, l.session_id,
    current_database()::char(64) AS database_name, l.table_id::int, l.start_time,
    left(e.file_name, 256)::char(256) AS file_name, e.line_number,
    e.column_name::char(127), e.column_type::char(10), e.column_length::char(10), e.position,
    e.error_code, left(e.error_message, 512)::char(512) AS error_message
FROM standin.load_error e JOIN standin.load l USING (query_id)
ORDER BY query_id, n;

CREATE VIEW standin.stl_load_errors AS
SELECT
    10 AS userid, 0 AS slice, l.table_id::int AS tbl, l.start_time AS starttime,
    l.session_id AS session, l.query_id::int AS query,
    left(e.file_name, 256)::char(256) AS filename, e.line_number,
    e.column_name::char(127) AS colname, e.column_type::char(10) AS type,
    e.column_length::char(10) AS col_length, e.position, e.raw_line::char(1024),
    e.raw_field_value::char(1024), e.error_code AS err_code,
    left(e.error_message, 100)::char(100) AS err_reason,
    0 AS is_partial, 0::bigint AS start_offset, NULL::bigint AS copy_job_id
FROM standin.load_error e JOIN standin.load l USING (query_id)
ORDER BY query_id, n;

CREATE VIEW standin.stl_replacements AS
SELECT
    10 AS userid, l.query_id::int AS query, 0 AS slice, l.table_id::int AS tbl,
    l.start_time AS starttime, l.session_id AS session, left(r.file_name, 256)::char(256) AS filename,
    r.line_number, r.column_name::char(127) AS colname, r.raw_line::char(1024)
FROM standin.replacement r JOIN standin.load l USING (query_id)
ORDER BY query_id, n;

CREATE VIEW standin.svv_transactions AS
SELECT
    a.usename::text AS txn_owner, a.datname::text AS txn_db, a.backend_xid::text::bigint AS xid,
    a.pid, a.xact_start AT TIME ZONE 'UTC' AS txn_start, k.mode AS lock_mode,
    k.locktype AS lockable_object_type, k.relation, k.granted
FROM pg_locks k JOIN pg_stat_activity a ON a.pid = k.pid
WHERE k.locktype IN ('relation', 'transactionid')
    AND COALESCE(k.database, a.datid) = (
        SELECT oid FROM pg_database WHERE datname = current_database()
    );

GRANT SELECT ON
    standin.sys_load_history, standin.sys_load_detail, standin.stl_load_commits,
    standin.sys_load_error_detail, standin.stl_load_errors, standin.stl_replacements,
    standin.svv_transactions
TO PUBLIC;

-- The settings are what this session's COPYs left, unless rolled back. A COPY that failed on its
-- data is rolled back always, and counts all the same (guide: PG_LAST_COPY_ID, PG_LAST_COPY_COUNT).
CREATE FUNCTION standin.copied(name text) RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT NULLIF(current_setting('standin.last_copy_' || name, true), '')::bigint $$;
CREATE FUNCTION standin.last_aborted_copy() RETURNS bigint LANGUAGE sql STABLE AS
$$
    SELECT MAX(query_id) FROM standin.load
    WHERE status = 'aborted' AND session_id = pg_backend_pid()
        AND session_start = (SELECT backend_start FROM pg_stat_get_activity(pg_backend_pid()))
$$;
CREATE FUNCTION standin.pg_last_copy_id() RETURNS int LANGUAGE sql STABLE AS
$$ SELECT COALESCE(GREATEST(standin.copied('id'), standin.last_aborted_copy()), -1)::int $$;
CREATE FUNCTION standin.pg_last_copy_count() RETURNS bigint LANGUAGE sql STABLE AS
$$
    SELECT CASE
        WHEN standin.last_aborted_copy() > COALESCE(standin.copied('id'), -1) THEN 0
        ELSE COALESCE(standin.copied('count'), 0)
    END
$$;
CREATE PROCEDURE standin.analyze(relation regclass) LANGUAGE plpgsql AS
$$
DECLARE
    threshold CONSTANT numeric :=
        COALESCE(NULLIF(current_setting('standin.analyze_threshold_percent', true), ''), '10');
    analyzed CONSTANT real := (SELECT reltuples FROM pg_class WHERE oid = relation);
    changed CONSTANT bigint := pg_stat_get_mod_since_analyze(relation)
        + pg_stat_get_xact_tuples_inserted(relation) + pg_stat_get_xact_tuples_updated(relation)
        + pg_stat_get_xact_tuples_deleted(relation);
BEGIN
    IF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = relation), 'USAGE') THEN
        RAISE insufficient_privilege USING MESSAGE =
            format('permission denied: Redshift lets the owner of %s and superusers analyze it',
                   relation);
    END IF;
    IF analyzed <= 0 OR changed >= analyzed * threshold / 100 THEN
        EXECUTE format('ANALYZE %s', relation);
    END IF;
    -- Zone maps are always up to date, whatever the threshold; block ranges have to be told.
    PERFORM brin_summarize_new_values(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
    WHERE indrelid = relation AND amname = 'brin';
END
$$;
CREATE FUNCTION standin.fail(message text, state text) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION USING MESSAGE = message, ERRCODE = state; END $$;
CREATE FUNCTION standin.say(message text) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN RAISE INFO USING MESSAGE = message; END $$;
"""


def install(cursor) -> None:
    """Create the schema unless the database has it; commits nothing. Two may do so at once."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('sparkify stand-in'))")
    cursor.execute("SELECT obj_description(to_regnamespace('standin'), 'pg_namespace')")
    comment = cursor.fetchone()[0]
    if comment and comment.startswith(f"sparkify stand-in {VERSION}:"):
        return
    if comment and comment.startswith("sparkify stand-in "):
        cursor.execute("DROP SCHEMA standin CASCADE")
    cursor.execute(CREATE.replace("{version}", VERSION))


class Record:
    """What the system tables will say of one COPY.

    Rejected rows wait on disk, so that a hundred thousand of them take no memory.
    """

    def __init__(self, cursor, source: str, table_id: int, table_name: str):
        cursor.execute(
            "SELECT nextval('standin.copy_id'), backend_start"
            " FROM pg_stat_get_activity(pg_backend_pid())")
        self.copy_id, self.session_start = cursor.fetchone()
        self.session_id = cursor.connection.info.backend_pid
        self.source, self.table_id, self.table_name = source, table_id, table_name
        self.started = self.file_ended = now()
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

    def add_error(self, file: str, line: int, rejected: Rejected) -> None:
        name, kind, length = "", "", ""
        if column := rejected.column:
            name, kind = column.name, "char" if column.type == "bpchar" else column.type
            length = f"{column.size},{column.scale}" if column.scale else str(column.size or "")
        self.errors += 1
        self.error_lines.write(text_line(
            self.copy_id, self.errors, file, line, name, kind, length, rejected.position,
            rejected.code, rejected.reason, raw(rejected.raw_line), rejected.value[:1024],
        ))

    def add_replacement(self, file: str, line: int, column: Column, document: str) -> None:
        """A row whose first invalid characters, in this column, ACCEPTINVCHARS replaced."""
        self.replacements += 1
        if self.replacements <= MAX_REPLACEMENTS:
            self.replacement_lines.write(text_line(
                self.copy_id, self.replacements, file, line, column.name, raw(document)))

    def add_file(self, file: Object, size: int, lines: int) -> None:
        """A file that was read since the one before it, or since the COPY began."""
        self.files += 1
        started, self.file_ended = self.file_ended, now()
        self.file_lines.write(text_line(
            self.copy_id, self.files, file.url, file.etag, size, lines, started, self.file_ended))

    def write(self, cursor, rows: int, size: int, size_listed: int, failed: bool) -> None:
        """Write it all; the cursor is of another connection than the COPY's."""
        values = (
            self.copy_id, self.session_id, self.session_start, self.table_name, self.table_id,
            self.source, self.started, now(), "aborted" if failed else "completed", rows, size,
            self.files, size_listed, self.errors,
        )
        cursor.execute("INSERT INTO standin.load VALUES %s", (values,))
        for table, lines in (
            ("load_file", self.file_lines), ("load_error", self.error_lines),
            ("replacement", self.replacement_lines),
        ):
            lines.seek(0)
            cursor.copy_expert(
                f"COPY standin.{table} FROM STDIN WITH (DELIMITER '{SEPARATOR}')", lines)


def raw(document: str) -> str:
    """As much of a document as the load-error tables keep, in ASCII as they keep it."""
    return re.sub("[^\\x00-\\x7f]", ".", document[:1024])


def text_line(*values: object) -> bytes:
    """A line of PostgreSQL's text format; what it cannot store is written as \\x00 or \\udc80."""
    fields = [field(value) if isinstance(value, str) else str(value) for value in values]
    line = SEPARATOR.join(fields) + "\n"
    return line.replace("\0", r"\\x00").encode("utf-8", "doubly_escaped")


def doubly_escaped(error: UnicodeError) -> tuple[str, int]:
    shown = error.object[error.start : error.end].encode("ascii", "backslashreplace").decode()
    return shown.replace("\\", r"\\"), error.end


codecs.register_error("doubly_escaped", doubly_escaped)


def fail(cursor, message: str, state: str = errorcodes.INTERNAL_ERROR) -> None:
    """Let the server raise the error, which fails the transaction as a COPY's failure does."""
    sayable = message.replace("\0", r"\x00").encode("utf-8", "backslashreplace").decode()
    cursor.execute("SELECT standin.fail(%s, %s)", (sayable, state))


def remember(cursor, record: Record, table: str, rows: int) -> None:
    """Let the session know of a COPY that succeeded, and say what Redshift says of it."""
    cursor.execute(
        "SELECT set_config('standin.last_copy_id', %s, false),"
        " set_config('standin.last_copy_count', %s, false)",
        (str(record.copy_id), str(rows)),
    )
    said = [f"{rows} record(s) loaded successfully."]
    if record.errors:
        said.append(f"{record.errors} record(s) could not be loaded.  "
                    "Check 'sys_load_error_detail' system table for details.")
    for sentence in said:
        cursor.execute(
            "SELECT standin.say(%s)", (f"Load into table '{table}' completed, {sentence}",))


def now() -> datetime:
    """The time in UTC without a zone, as Redshift's system tables hold it."""
    return datetime.now(timezone.utc).replace(tzinfo=None)
