-- system_tables: the system tables, views and functions of Redshift that the stand-in has.
--
-- Columns are Redshift's (guide: SYS_LOAD_ERROR_DETAIL, r_STL_LOAD_ERRORS, SYS_LOAD_HISTORY,
-- SYS_LOAD_DETAIL, r_STL_LOAD_COMMITS, r_STL_REPLACEMENTS, r_SVV_TRANSACTIONS). The package sql/
-- writes the name of this schema before the tables' names.

CREATE SCHEMA standin;
GRANT USAGE ON SCHEMA standin TO PUBLIC;

-- The SYS views and the STL tables have different ids for a COPY; those of the STL tables are
-- pg_last_copy_id()'s (guide: cm_chap_system-tables, PG_LAST_COPY_ID).
CREATE SEQUENCE standin.copy_id;
CREATE SEQUENCE standin.query_id START 1000000;
GRANT USAGE ON SEQUENCE standin.copy_id, standin.query_id TO PUBLIC;

CREATE TABLE standin.load (
    copy_id BIGINT, query_id BIGINT, user_id INT, transaction_id BIGINT, session_id INT,
    session_start TIMESTAMPTZ, table_name TEXT, table_id OID, data_source TEXT,
    start_time TIMESTAMP, status TEXT, loaded_rows BIGINT, loaded_bytes BIGINT,
    source_file_count INT, source_file_bytes BIGINT, error_count BIGINT,
    end_time TIMESTAMP DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')
);
CREATE TABLE standin.load_file (
    copy_id BIGINT, n BIGINT, file_name TEXT, file_etag TEXT, bytes BIGINT, lines BIGINT,
    start_time TIMESTAMP, end_time TIMESTAMP
);
-- position and value are kept here only: for a COPY from JSON, Redshift shows 0 and a blank.
CREATE TABLE standin.load_error (
    copy_id BIGINT, n BIGINT, file_name TEXT, line_number BIGINT, column_name TEXT,
    column_type TEXT, column_length TEXT, position INT, error_code INT, error_message TEXT,
    raw_line TEXT, value TEXT
);
CREATE TABLE standin.replacement (
    copy_id BIGINT, n BIGINT, file_name TEXT, line_number BIGINT, column_name TEXT, raw_line TEXT
);
GRANT SELECT, INSERT ON standin.load, standin.load_file, standin.load_error, standin.replacement
TO PUBLIC;

-- The COPYs that the views below show: all to superusers, their own to other users. On Redshift rows
-- may appear late; to imitate that in new sessions, ALTER DATABASE … SET standin.views_late = '3s'.
CREATE VIEW standin.visible_load AS
SELECT l.*
FROM standin.load l JOIN pg_roles r ON r.rolname = current_user
WHERE (r.rolsuper OR r.oid = l.user_id::oid)
    AND l.end_time <= clock_timestamp() AT TIME ZONE 'UTC' - COALESCE(
        NULLIF(current_setting('standin.views_late', true), ''), '0')::interval;

CREATE VIEW standin.sys_load_history AS
SELECT
    user_id, query_id, transaction_id, session_id, current_database()::text AS database_name,
    status, table_name, start_time, end_time,
    (EXTRACT(epoch FROM end_time - start_time) * 1000000)::bigint AS duration, data_source,
    'JSON'::text AS file_format, loaded_rows, loaded_bytes, source_file_count, source_file_bytes,
    source_file_count AS file_count_scanned, source_file_bytes AS file_bytes_scanned,
    error_count, 0::bigint AS copy_job_id
FROM standin.visible_load;

CREATE VIEW standin.sys_load_detail AS
SELECT
    l.user_id, l.query_id, left(f.file_name, 256)::char(256) AS file_name,
    f.bytes AS bytes_scanned, f.lines AS lines_scanned, f.end_time AS record_time,
    1 AS splits_scanned, f.start_time, f.end_time, left(f.file_etag, 256)::char(256) AS file_etag
FROM standin.load_file f JOIN standin.visible_load l USING (copy_id);

CREATE VIEW standin.stl_load_commits AS
SELECT
    l.user_id AS userid, l.copy_id::int AS query, 0 AS slice, ''::char(256) AS name,
    left(f.file_name, 256)::char(256) AS filename, 0 AS byte_offset, f.lines::int AS lines_scanned,
    COALESCE(e.errors, 0)::int AS errors,
    f.end_time AS curtime, 1 AS status, 'JSON'::char(16) AS file_format, 0 AS is_partial,
    0::bigint AS start_offset, 0::bigint AS copy_job_id
FROM standin.load_file f
JOIN standin.visible_load l USING (copy_id)
LEFT JOIN (
    SELECT copy_id, file_name, COUNT(*) AS errors FROM standin.load_error GROUP BY copy_id, file_name
) e USING (copy_id, file_name);

CREATE VIEW standin.sys_load_error_detail AS
SELECT
    l.user_id, l.query_id, l.transaction_id, l.session_id,
    current_database()::char(64) AS database_name, l.table_id::int, l.start_time,
    left(e.file_name, 256)::char(256) AS file_name, e.line_number,
    e.column_name::char(127), e.column_type::char(10), e.column_length::char(10), 0 AS position,
    e.error_code, left(e.error_message, 512)::char(512) AS error_message
FROM standin.load_error e JOIN standin.visible_load l USING (copy_id)
ORDER BY copy_id, n;

CREATE VIEW standin.stl_load_errors AS
SELECT
    l.user_id AS userid, 0 AS slice, l.table_id::int AS tbl, l.start_time AS starttime,
    l.session_id AS session, l.copy_id::int AS query,
    left(e.file_name, 256)::char(256) AS filename, e.line_number,
    e.column_name::char(127) AS colname, e.column_type::char(10) AS type,
    e.column_length::char(10) AS col_length, 0 AS position, e.raw_line::char(1024),
    ''::char(1024) AS raw_field_value, e.error_code AS err_code,
    left(e.error_message, 100)::char(100) AS err_reason,
    0 AS is_partial, 0::bigint AS start_offset, 0::bigint AS copy_job_id
FROM standin.load_error e JOIN standin.visible_load l USING (copy_id)
ORDER BY copy_id, n;

CREATE VIEW standin.stl_replacements AS
SELECT
    l.user_id AS userid, l.copy_id::int AS query, 0 AS slice, l.table_id::int AS tbl,
    l.start_time AS starttime, l.session_id AS session,
    left(r.file_name, 256)::char(256) AS filename, r.line_number,
    r.column_name::char(127) AS colname, r.raw_line::char(1024)
FROM standin.replacement r JOIN standin.visible_load l USING (copy_id)
ORDER BY copy_id, n;

CREATE VIEW standin.svv_transactions AS
SELECT
    a.usename::text AS txn_owner, a.datname::text AS txn_db, a.backend_xid::text::bigint AS xid,
    a.pid, a.xact_start AT TIME ZONE 'UTC' AS txn_start, k.mode AS lock_mode,
    k.locktype AS lockable_object_type, k.relation::int AS relation, k.granted
FROM pg_locks k JOIN pg_stat_activity a ON a.pid = k.pid
WHERE k.locktype IN ('relation', 'transactionid')
    AND COALESCE(k.database, a.datid) = (
        SELECT oid FROM pg_database WHERE datname = current_database()
    );

GRANT SELECT ON
    standin.visible_load, standin.sys_load_history, standin.sys_load_detail,
    standin.stl_load_commits, standin.sys_load_error_detail, standin.stl_load_errors,
    standin.stl_replacements, standin.svv_transactions
TO PUBLIC;

-- This session's COPYs leave their id and count in settings, which a rollback resets. A COPY that
-- fails on its data is always rolled back; it is the last COPY nevertheless, so it is looked up
-- in the table (guide: PG_LAST_COPY_ID, PG_LAST_COPY_COUNT).
CREATE FUNCTION standin.last_copy(name text) RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT NULLIF(current_setting('standin.last_copy_' || name, true), '')::bigint $$;
CREATE FUNCTION standin.last_aborted_copy() RETURNS bigint LANGUAGE sql STABLE AS
$$
    SELECT MAX(copy_id) FROM standin.load
    WHERE status = 'aborted' AND session_id = pg_backend_pid()
        AND session_start = (SELECT backend_start FROM pg_stat_get_activity(pg_backend_pid()))
$$;
CREATE FUNCTION standin.pg_last_copy_id() RETURNS int LANGUAGE sql STABLE AS
$$ SELECT COALESCE(GREATEST(standin.last_copy('id'), standin.last_aborted_copy()), -1)::int $$;
CREATE FUNCTION standin.pg_last_copy_count() RETURNS bigint LANGUAGE sql STABLE AS
$$
    SELECT CASE
        WHEN standin.last_aborted_copy() > COALESCE(standin.last_copy('id'), -1) THEN 0
        ELSE COALESCE(standin.last_copy('count'), 0)
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
            format('permission denied: on Redshift only superusers and the owner of %s may analyze it',
                   relation);
    END IF;
    IF analyzed <= 0 OR changed >= analyzed * threshold / 100 THEN
        EXECUTE format('ANALYZE %s', relation);
    END IF;
    -- Zone maps are always up to date; block ranges must be summarized, even below the threshold.
    PERFORM brin_summarize_new_values(indexrelid)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
    WHERE indrelid = relation AND amname = 'brin';
END
$$;
CREATE FUNCTION standin.fail(message text, state text) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION USING MESSAGE = message, ERRCODE = state; END $$;
CREATE FUNCTION standin.say(message text) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN RAISE INFO USING MESSAGE = message; END $$;
