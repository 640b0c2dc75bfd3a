"""The system tables, views and functions of Redshift that the stand-in has, in a schema `standin`.

Columns are Redshift's (guide: SYS_LOAD_ERROR_DETAIL, r_STL_LOAD_ERRORS, SYS_LOAD_HISTORY,
r_SVV_TRANSACTIONS); `dialect` points their names to this schema.
"""

from datetime import datetime, timezone

from psycopg2.extras import execute_values

VERSION = "1"

CREATE = """
CREATE SCHEMA standin;
COMMENT ON SCHEMA standin IS 'sparkify stand-in {version}: what Amazon Redshift has and PostgreSQL has not';
GRANT USAGE ON SCHEMA standin TO PUBLIC;

CREATE SEQUENCE standin.copy_id;
GRANT USAGE ON SEQUENCE standin.copy_id TO PUBLIC;

CREATE TABLE standin.load (
    query_id BIGINT PRIMARY KEY, session_id INT, table_name TEXT, table_id OID, data_source TEXT,
    start_time TIMESTAMP, end_time TIMESTAMP, status TEXT,
    loaded_rows BIGINT, loaded_bytes BIGINT, source_file_count INT, source_file_bytes BIGINT
);
CREATE TABLE standin.load_error (
    query_id BIGINT, file_name TEXT, line_number BIGINT, column_name TEXT, column_type TEXT,
    column_length TEXT, error_code INT, error_message TEXT, raw_field_value TEXT
);
CREATE INDEX ON standin.load_error (query_id);
GRANT SELECT, INSERT ON standin.load, standin.load_error TO PUBLIC;

CREATE VIEW standin.sys_load_history AS
SELECT
    10 AS user_id, query_id, 0::bigint AS transaction_id, session_id,
    current_database()::text AS database_name, status, table_name, start_time, end_time,
    (EXTRACT(epoch FROM end_time - start_time) * 1000000)::bigint AS duration, data_source,
    'JSON'::text AS file_format, loaded_rows, loaded_bytes, source_file_count, source_file_bytes,
    source_file_count AS file_count_scanned, source_file_bytes AS file_bytes_scanned,
    (SELECT COUNT(*) FROM standin.load_error e WHERE e.query_id = l.query_id) AS error_count,
    NULL::bigint AS copy_job_id
FROM standin.load l;

CREATE VIEW standin.sys_load_error_detail AS
SELECT
    10 AS user_id, l.query_id, 0::bigint AS transaction_id, l.session_id,
    current_database()::char(64) AS database_name, l.table_id::int, l.start_time,
    left(e.file_name, 256)::char(256) AS file_name, e.line_number,
    e.column_name::char(127), e.column_type::char(10), e.column_length::char(10), 0 AS position,
    e.error_code, left(e.error_message, 512)::char(512) AS error_message
FROM standin.load_error e JOIN standin.load l USING (query_id);

CREATE VIEW standin.stl_load_errors AS
SELECT
    10 AS userid, 0 AS slice, l.table_id::int AS tbl, l.start_time AS starttime,
    l.session_id AS session, l.query_id::int AS query, left(e.file_name, 256)::char(256) AS filename,
    e.line_number, e.column_name::char(127) AS colname, e.column_type::char(10) AS type,
    e.column_length::char(10) AS col_length, 0 AS position,
    left(e.raw_field_value, 1024)::char(1024) AS raw_line,
    left(e.raw_field_value, 1024)::char(1024) AS raw_field_value,
    e.error_code AS err_code, left(e.error_message, 100)::char(100) AS err_reason,
    0 AS is_partial, 0::bigint AS start_offset, NULL::bigint AS copy_job_id
FROM standin.load_error e JOIN standin.load l USING (query_id);

CREATE VIEW standin.svv_transactions AS
SELECT
    a.usename::text AS txn_owner, a.datname::text AS txn_db, a.backend_xid::text::bigint AS xid,
    a.pid, a.xact_start AT TIME ZONE 'UTC' AS txn_start, k.mode AS lock_mode,
    k.locktype AS lockable_object_type, k.relation, k.granted
FROM pg_locks k JOIN pg_stat_activity a ON a.pid = k.pid
WHERE k.locktype IN ('relation', 'transactionid')
    AND (k.database IS NULL OR k.database = (SELECT oid FROM pg_database WHERE datname = current_database()));

GRANT SELECT ON
    standin.sys_load_history, standin.sys_load_error_detail, standin.stl_load_errors,
    standin.svv_transactions
TO PUBLIC;

CREATE FUNCTION standin.pg_last_copy_id() RETURNS int LANGUAGE sql STABLE AS
$$ SELECT COALESCE(NULLIF(current_setting('standin.last_copy_id', true), ''), '-1')::int $$;
CREATE FUNCTION standin.pg_last_copy_count() RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT COALESCE(NULLIF(current_setting('standin.last_copy_count', true), ''), '0')::bigint $$;
CREATE FUNCTION standin.fail(message text) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION USING MESSAGE = message, ERRCODE = 'XX000'; END $$;
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


def record(cursor, connection, copy_id: int, load, rows: int, failed: bool) -> None:
    """Write a COPY and the rows it rejected to the history; the cursor is of another connection."""
    cursor.execute(
        """
        INSERT INTO standin.load VALUES (
            %s, %s, %s, NULL, %s, %s, now() AT TIME ZONE 'UTC', %s, %s, %s, %s, %s
        )
        """,
        (
            copy_id, connection.info.backend_pid, load.statement.table.replace('"', ""),
            load.statement.source, load.started, "aborted" if failed else "completed",
            0 if failed else rows, load.bytes_done, len(load.files), load.bytes_listed,
        ),
    )
    execute_values(
        cursor,
        "INSERT INTO standin.load_error VALUES %s",
        [error_row(copy_id, *error) for error in load.errors],
    )


def error_row(copy_id: int, file: str, line: int, rejected) -> tuple:
    column = rejected.column
    length = "" if not column else f"{column.size},{column.scale}" if column.scale else str(column.size or "")
    return (
        copy_id, shown(file), line, column.name if column else "", column.type if column else "",
        length, rejected.code, shown(rejected.reason), shown(rejected.value[:1024]),
    )


def shown(text: str) -> str:
    """Text that PostgreSQL can store, with what it cannot (NUL, lone surrogates) written as \\x00."""
    return text.replace("\0", r"\x00").encode("utf-8", "backslashreplace").decode()


def remember(cursor, copy_id: int, rows: int) -> None:
    """What pg_last_copy_id() and pg_last_copy_count() answer in this session from now on."""
    cursor.execute(
        "SELECT set_config('standin.last_copy_id', %s, false),"
        " set_config('standin.last_copy_count', %s, false)",
        (str(copy_id), str(rows)),
    )


def now() -> datetime:
    """The time in UTC without a zone, as Redshift's system tables hold it."""
    return datetime.now(timezone.utc).replace(tzinfo=None)
