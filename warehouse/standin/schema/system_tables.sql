-- system_tables: the system tables, views and functions of Redshift that the stand-in has.
--
-- Columns are Redshift's (guide: SYS_LOAD_ERROR_DETAIL, r_STL_LOAD_ERRORS, SYS_LOAD_HISTORY,
-- r_STL_REPLACEMENTS, r_SVV_TRANSACTIONS); sql/ points their names to this schema.

CREATE SCHEMA standin;
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
