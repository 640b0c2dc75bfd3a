"""The stand-in's dialect: what Redshift takes runs on PostgreSQL, what it refuses is refused."""

import random
import time

import psycopg2
import pytest
from psycopg2 import errors

from warehouse.standin.dialect import commits, translate
from warehouse.standin.tokens import (
    Token,
    first_word,
    identifier,
    literal,
    statements,
    tokenize,
)


def translated(sql):
    return translate(tokenize(sql))


def run(connection, script):
    """Run a Redshift script on PostgreSQL; return the rows of its last statement."""
    with connection.cursor() as cursor:
        for statement in statements(script):
            for sql in translate(statement):
                cursor.execute(sql)
        return cursor.fetchall() if cursor.description else None


def value(connection, expression):
    return run(connection, f"SELECT {expression}")[0][0]


TABLES = """
    CREATE TABLE t (a INT, b BIGINT, c VARCHAR(20), d TIMESTAMP, e NUMERIC(8, 2), "select" INT);
    CREATE TABLE u (a INT, k VARCHAR(MAX));
"""

UNCHANGED = [
    "SELECT 1",
    "-- songs: load the songs\nINSERT INTO t (a, b)\nSELECT a, b FROM t WHERE c = 'x'",
    "-- plays: it's 100% ON CONFLICT\nDELETE FROM t USING u WHERE t.a = u.a",
    "CREATE TABLE etl_lock (locked INT)",
    "CREATE TABLE IF NOT EXISTS n (a INT NOT NULL, b NUMERIC(5,2) DEFAULT 0.5, d DATE)",
    "CREATE TEMP TABLE fresh AS SELECT a FROM t",
    "CREATE OR REPLACE VIEW v AS SELECT a, count(*) AS n FROM t GROUP BY 1",
    "SELECT 'ON CONFLICT', 'U&' FROM t /* RETURNING /* nested */ */ WHERE c = 'a''b; SERIAL'",
    'SELECT "returning"."sysdate", "select" FROM t AS "returning" (a, b, c, "sysdate")',
    "SELECT TIMESTAMP 'epoch' + b * INTERVAL '0.001 second' AS start_time FROM t",
    "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b DESC, c) AS rn FROM t",
    "SELECT SUM(a) OVER (PARTITION BY c), COUNT(*) OVER () FROM t",
    "SELECT SUM(a) OVER (ORDER BY b ROWS UNBOUNDED PRECEDING) FROM t",
    "INSERT INTO t (a) WITH x AS (SELECT 1 AS a) SELECT a FROM x",
    "INSERT INTO t (a, c) VALUES (1, 'x'), (2, 'y')",
    "SELECT format, encode, age, qualify FROM (SELECT 1 AS format, 2 AS encode, 3 AS age,"
    " 4 AS qualify) x",
    "SELECT t.a, x.top, x.len FROM t JOIN (SELECT 1 AS a, 2 AS top, 3 AS len) x ON t.a = x.a",
    "SELECT c::varchar, CAST(a AS VARCHAR(3)), b::int, c::text, a::numeric(8,2) FROM t",
    "SELECT a FROM t WHERE a = ANY (SELECT a FROM u)",
    "SELECT a FROM t UNION ALL (SELECT a FROM u) EXCEPT SELECT 1 LIMIT 3",
    "SELECT substring(c from 1 for 2), trim(c) FROM t",
    "SELECT EXISTS (SELECT 1 FROM t), MD5(c || '|' || a), TO_CHAR(d, 'YYYY') FROM t",
    "SELECT now(), CURRENT_DATE",
    "BEGIN",
    "START TRANSACTION READ ONLY",
    "COMMIT",
    "ROLLBACK",
    "LOCK t",
    "LOCK TABLE t, u",
    "ANALYZE",
    "ANALYZE VERBOSE t",
    "TRUNCATE TABLE t",
    "SET search_path TO public",
    "SET statement_timeout = 0",
    "SET SESSION timezone TO 'UTC'",
    "RESET statement_timeout",
    "ALTER TABLE t ADD COLUMN extra INT DEFAULT 7 NOT NULL",
    "ALTER TABLE t DROP COLUMN a",
    "ALTER TABLE t RENAME TO renamed",
    "DROP TABLE IF EXISTS t, u",
]


@pytest.mark.parametrize("sql", UNCHANGED)
def test_what_both_take_comes_back_as_it_was(postgres, sql):
    assert translated(sql) == [sql]
    run(postgres, "BEGIN")
    run(postgres, TABLES)
    run(postgres, sql)


CHANGED = [
    ("SELECT SYSDATE", "(now() AT TIME ZONE 'UTC')"),
    ("SELECT GETDATE()", "date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC')"),
    ("SELECT NVL(c, NVL(c, 'x')) FROM t", "COALESCE(c, COALESCE(c, 'x'))"),
    ("SELECT TOP 5 a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a LIMIT 5"),
    ("SELECT x.a FROM (SELECT TOP 2 a FROM t) x", "(SELECT a FROM t LIMIT 2) x"),
    ("SELECT a FROM t MINUS SELECT a FROM u", "EXCEPT"),
    ("SELECT c::VARCHAR(MAX), a::numeric, CAST(a AS DECIMAL) FROM t",
     "c::varchar(65535), a::numeric(18,0), CAST(a AS numeric(18,0))"),
    ("SELECT a::nvarchar(3) FROM t", "a::varchar(3)"),
    ("SELECT CONVERT(integer, '12')", "CAST('12' AS integer)"),
    ("DELETE t WHERE a = 1", "DELETE FROM t WHERE a = 1"),
    ("TRUNCATE t", "TRUNCATE TABLE t"),
    ("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", "BEGIN READ WRITE"),
    ("ANALYZE t (a) ALL COLUMNS", "ANALYZE t (a)"),
    ("SET query_group TO 'etl'", "SET standin.query_group TO 'etl'"),
    ("SET enable_result_cache_for_session TO off", "standin.enable_result_cache_for_session"),
    ("CREATE TABLE #x (a INT); SELECT a FROM #x", "CREATE TEMP TABLE \"#x\" (a INT)"),
    ("SELECT a INTO #y FROM t; SELECT * FROM #Y", 'INTO TEMP "#y"'),
    ("CREATE TABLE x (a INT DISTKEY SORTKEY, b INT ENCODE az64 NOT NULL)",
     "CREATE TABLE x (a INT, b INT NOT NULL)"),
    ("CREATE TABLE x (a INT) BACKUP NO DISTSTYLE ALL COMPOUND SORTKEY (a)",
     "CREATE TABLE x (a INT)"),
    ("CREATE TABLE x (a INT) DISTSTYLE KEY DISTKEY (\"A\") SORTKEY AUTO ENCODE AUTO",
     "CREATE TABLE x (a INT)"),
    ("CREATE TABLE x DISTKEY (a) INTERLEAVED SORTKEY (a) AS SELECT a FROM t",
     "CREATE TABLE x AS SELECT a FROM t"),
    ("CREATE TABLE x (one, two) DISTSTYLE EVEN AS SELECT a, b FROM t",
     "CREATE TABLE x (one, two) AS SELECT a, b FROM t"),
    ("CREATE TABLE x (a BIGINT IDENTITY(6, 99))",
     "a BIGINT GENERATED ALWAYS AS IDENTITY (START WITH 6 INCREMENT BY 99 MINVALUE 6)"),
    ("CREATE TABLE x (a INT GENERATED BY DEFAULT AS IDENTITY(0, 1) ENCODE raw)",
     "GENERATED BY DEFAULT AS IDENTITY (START WITH 0 INCREMENT BY 1 MINVALUE 0)"),
    ("CREATE TABLE x (a INT IDENTITY(-1,-1))", "MAXVALUE -1"),
    ("CREATE TABLE x (a INT DEFAULT (1 + 2) ENCODE zstd NOT NULL, b INT DEFAULT NULL DISTKEY)",
     "(a INT DEFAULT (1 + 2) NOT NULL, b INT DEFAULT NULL)"),
    ("CREATE TABLE x (a INT -- id\n SORTKEY, -- more\n PRIMARY KEY (a), -- end\n UNIQUE (a))",
     "CREATE TABLE x (a INT -- id\n  NOT NULL"),
    ("CREATE TABLE x (a INT, b INT) DISTKEY (b) /* why */ SORTKEY (a, b)",
     "CREATE TABLE x (a INT, b INT) /* why */; "
     'CREATE INDEX ON x ("b"); CREATE INDEX ON x ("a", "b")'),
    ("CREATE TABLE x (c VARCHAR)", "varchar(256) CONSTRAINT \"c_bytes\""),
    ("CREATE TABLE x (c TEXT)", "varchar(256)"),
    ("CREATE TABLE x (c NVARCHAR(MAX))", 'octet_length("c") <= 65535'),
    ("CREATE TABLE x (c CHARACTER VARYING(9) COLLATE case_sensitive)", "varchar(9)"),
    ("CREATE TABLE x (c BPCHAR, d CHAR)", "char(256)"),
    ("CREATE TABLE x (n NUMERIC, m DECIMAL)", "n numeric(18,0), m numeric(18,0)"),
    ("CREATE TABLE x (d TIMESTAMP DEFAULT SYSDATE, e TIMESTAMP DEFAULT GETDATE() NOT NULL)",
     "DEFAULT (now() AT TIME ZONE 'UTC')"),
    ("CREATE TABLE x (a INT PRIMARY KEY REFERENCES t (a))", "(a INT NOT NULL)"),
    ("CREATE TABLE x (PRIMARY KEY (a), FOREIGN KEY (a) REFERENCES t, a INT NULL, UNIQUE (a))",
     "a INT NOT NULL"),
    ("CREATE TABLE x (LIKE t INCLUDING DEFAULTS)",
     "LIKE t INCLUDING CONSTRAINTS INCLUDING DEFAULTS"),
    ("CREATE TABLE x (sortkey INT, distkey VARCHAR(9) DISTKEY)", "sortkey INT"),
    ('CREATE TABLE x ("encode" INT, c VARCHAR(9) DEFAULT \'x,)SORTKEY\')', "'x,)SORTKEY'"),
    ('CREATE TABLE x ("firstName" VARCHAR(9)); SELECT firstname FROM x', '"firstname"'),
    ("ALTER TABLE t ADD COLUMN n VARCHAR(20) ENCODE lzo DEFAULT 'x' NOT NULL",
     'octet_length("n") <= 20'),
    ("CREATE TABLE x (c VARCHAR(9)); ALTER TABLE x ALTER COLUMN c TYPE VARCHAR(12)", "varchar(9)"),
    ("SELECT APPROXIMATE COUNT(DISTINCT a) FROM t", "SELECT COUNT(DISTINCT a)"),
    ("SELECT EXTRACT(weekday FROM d) FROM t", "EXTRACT(dow FROM d)"),
    ("SELECT DATE_PART(yr, d) FROM t", "DATE_PART('year', d)"),
    ("SELECT LISTAGG(DISTINCT c, ',') WITHIN GROUP (ORDER BY c) FROM t",
     "string_agg(DISTINCT c, ',' ORDER BY c)"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "fragment"), CHANGED)
def test_what_only_redshift_takes_is_translated_and_runs(postgres, script, fragment):
    assert fragment in "; ".join(translate(statements(script)[0]))
    run(postgres, TABLES)
    run(postgres, script)


VALUES = [
    ("EXTRACT(sec FROM TIMESTAMP '2018-11-01 00:00:03.189717')", 3),
    ("EXTRACT(ms FROM TIMESTAMP '2018-11-01 00:00:43.101')", 101),
    ("EXTRACT(epoch FROM TIMESTAMP '2018-11-01 21:01:46.796')", 1541106106),
    ("EXTRACT(dayofweek FROM DATE '2018-11-04')", 0),
    ("EXTRACT('week' FROM DATE '2018-11-04')", 44),
    ("DATE_PART(hr, TIMESTAMP '2018-11-01 21:01:46.796')", 21.0),
    ("DATE_PART('mon', DATE '2018-11-01')", 11.0),
    ("DATEDIFF(year, '2018-12-31', '2019-01-01')", 1),
    ("DATEDIFF(qtr, '2018-12-31', '2019-01-01')", 1),
    ("DATEDIFF('day', '2018-11-02', '2018-11-01 23:59:59')", -1),
    ("DATEDIFF(hour, '2018-11-01 10:59:59', '2018-11-01 11:00:00')", 1),
    ("DATEDIFF(week, '2018-11-03', '2018-11-04')", 1),
    ("DATEDIFF(week, '2018-11-04', '2018-11-10')", 0),
    ("DATEDIFF(week, '2009-01-01', '2009-12-31')", 52),
    ("DATEDIFF(ms, '1970-01-01', '2018-11-01 21:01:46.796')", 1541106106796),
    ("DATEDIFF(month, DATEADD(month, 1, '2018-01-31'), '2018-03-01')", 1),
    ("DATEADD(ms, 1541106106796, '1970-01-01')::varchar", "2018-11-01 21:01:46.796"),
    ("DATEADD(quarter, -1, DATE '2018-11-01')::varchar", "2018-08-01 00:00:00"),
    ("NVL2(NULL, 1, 2)", 2),
    ("NVL(NULL, LEN('abc'))", 3),
    ("DECODE(NULL, 1, 'a', NULL, 'b', 'c')", "b"),
    ("DECODE(3, 1, 'a', 2, 'b')", None),
    ("CONCAT('a', NULL)", None),
    ("CONCAT('a', 1)", "a1"),
    ("CHARINDEX('b', 'abc')", 2),
    ("DATE_TRUNC('mon', TIMESTAMP '2018-11-05')::varchar", "2018-11-01 00:00:00"),
    ("CONVERT_TIMEZONE('America/New_York', '2018-01-01 00:00')::varchar", "2017-12-31 19:00:00"),
    ("CONVERT_TIMEZONE('UTC', 'Asia/Tokyo', '2018-01-01')::varchar", "2018-01-01 09:00:00"),
    ("MEDIAN(x) FROM (SELECT 1 AS x UNION ALL SELECT 2) y", 1.5),
    ("LISTAGG(x, '-') WITHIN GROUP (ORDER BY x DESC) FROM (SELECT 1 AS x UNION SELECT 2) y", "2-1"),
    ("1.5::numeric", 2),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "expected"), VALUES)
def test_functions_answer_as_on_redshift(postgres, expression, expected):
    assert value(postgres, expression) == expected


REFUSED = [
    ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "DELETE … USING and INSERT … SELECT"),
    ("INSERT INTO t VALUES (1) ON CONFLICT (a) DO NOTHING", "ON CONFLICT"),
    ("INSERT INTO t VALUES (1) RETURNING a", "RETURNING"),
    ("DELETE FROM t RETURNING a", "RETURNING"),
    ("SELECT DISTINCT ON (a) a FROM t", "ROW_NUMBER"),
    ("SELECT count(*) FILTER (WHERE a = 1) FROM t", "FILTER"),
    ("SELECT * FROM t, LATERAL (SELECT 1) x", "LATERAL"),
    ("SELECT * FROM (VALUES (1)) v (x)", "VALUES"),
    ("VALUES (1)", "VALUES"),
    ("TABLE t", "TABLE t"),
    ("SELECT sum(a) OVER w FROM t WINDOW w AS (PARTITION BY b)", "WINDOW"),
    ("SELECT a FROM t FETCH FIRST 3 ROWS ONLY", "LIMIT"),
    ("SELECT a FROM t FOR UPDATE", "FOR UPDATE"),
    ("SELECT a FROM t TABLESAMPLE SYSTEM (1)", "TABLESAMPLE"),
    ("WITH x AS (DELETE FROM t WHERE a = 1) SELECT 1", "change data"),
    ("WITH x AS (SELECT 1 AS a) INSERT INTO t (a) SELECT a FROM x", "INSERT INTO t WITH"),
    ("WITH x AS MATERIALIZED (SELECT 1) SELECT 1", "MATERIALIZED"),
    ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", "DELETE … USING"),
    ("SAVEPOINT s", "savepoints"),
    ("ROLLBACK TO SAVEPOINT s", "savepoints"),
    ("RELEASE s", "savepoints"),
    ("TRUNCATE t, u", "one table"),
    ("TRUNCATE t CASCADE", "one table"),
    ("DO $$ BEGIN END $$", "DO"),
    ("EXPLAIN ANALYZE SELECT 1", "EXPLAIN"),
    ("CREATE UNIQUE INDEX i ON t (a)", "indexes"),
    ("REINDEX TABLE t", "statement"),
    ("CREATE SEQUENCE s", "IDENTITY"),
    ("CREATE TYPE mood AS ENUM ('a')", "types"),
    ("CREATE EXTENSION hstore", "such an object"),
    ("CREATE OR REPLACE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION f()", "such an object"),
    ("CREATE TABLE IF NOT EXISTS x AS SELECT 1", "IF NOT EXISTS"),
    ("CREATE UNLOGGED TABLE x (a INT)", "UNLOGGED"),
    ("CREATE TABLE x (a INT) TABLESPACE pg_default", "TABLESPACE"),
    ("CREATE TABLE x (a INT) PARTITION BY RANGE (a)", "SORTKEY"),
    ("CREATE TABLE x (a INT) INHERITS (t)", "INHERITS"),
    ("CREATE TABLE x (a INT) WITH (fillfactor=70)", "WITH"),
    ("CREATE TEMP TABLE x (a INT) ON COMMIT DROP", "ON"),
    ("CREATE TABLE x (a INT CHECK (a > 0))", "CHECK"),
    ("CREATE TABLE x (a INT, CHECK (a > 0))", "CHECK"),
    ("CREATE TABLE x (a INT GENERATED ALWAYS AS (1) STORED)", "GENERATED"),
    ("CREATE TABLE x (a INT GENERATED BY DEFAULT AS IDENTITY)", "seed"),
    ("CREATE TABLE x (a INT REFERENCES t (a) ON DELETE CASCADE)", "ON"),
    ("CREATE TABLE x (a INT, FOREIGN KEY (a) REFERENCES t (a) DEFERRABLE)", "DEFERRABLE"),
    ("CREATE TABLE x (a SERIAL)", "IDENTITY"),
    ("CREATE TABLE x (a JSONB)", "no type JSONB"),
    ("CREATE TABLE x (a UUID)", "no type UUID"),
    ("CREATE TABLE x (a INT[])", "arrays"),
    ("CREATE TABLE x (a SUPER)", "emulate"),
    ("CREATE TABLE x (a INTERVAL)", "INTERVAL"),
    ("CREATE TABLE x (a VARCHAR(65536))", "65535"),
    ("CREATE TABLE x (a CHAR(4097))", "4096"),
    ("CREATE TABLE x (a NUMERIC(39, 2))", "38"),
    ("CREATE TABLE x (c TEXT(20))", "no TEXT(20)"),
    ("CREATE TABLE x (a VARCHAR(9) IDENTITY(0,1))", "BIGINT"),
    ("CREATE TABLE x (a INT ENCODE pglz)", "encoding"),
    ("CREATE TABLE x (a VARCHAR(9) COLLATE case_insensitive)", "LOWER"),
    ("CREATE TABLE x (a INT DISTKEY, b INT DISTKEY)", "one DISTKEY"),
    ("CREATE TABLE x (a INT) DISTKEY (b)", '"b"'),
    ("CREATE TABLE x (a INT) SORTKEY (a, b)", '"b"'),
    ("CREATE TABLE x (a INT) DISTSTYLE EVEN DISTKEY (a)", "DISTSTYLE EVEN"),
    ("CREATE TABLE x (a INT) DISTSTYLE KEY", "DISTKEY"),
    ("CREATE TABLE x (a INT) DISTSTYLE SOME", "DISTSTYLE"),
    ("CREATE TABLE x (a INT, DISTKEY (a))", "after the list"),
    ("CREATE TABLE x (timestamp BIGINT)", "reserved"),
    ("CREATE TABLE tag (a BIGINT)", "reserved"),
    ("CREATE TABLE x (LIKE t INCLUDING ALL)", "INCLUDING DEFAULTS"),
    ("CREATE TABLE x (LIKE t, PRIMARY KEY (a))", "columns of LIKE"),
    ("CREATE TABLE x (LIKE t) SORTKEY (a)", "columns of LIKE"),
    ("CREATE TABLE x (LIKE t, b INT) SORTKEY (b)", "parent's keys"),
    ("CREATE TABLE x (c VARCHAR(MAX 9))", "VARCHAR(MAX 9)"),
    ("ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT", "IF NOT EXISTS"),
    ("ALTER TABLE t ADD COLUMN x INT, ADD COLUMN y INT", "one action"),
    ("ALTER TABLE t ALTER COLUMN a SET NOT NULL", "VARCHAR"),
    ("ALTER TABLE t ALTER COLUMN a TYPE BIGINT", "VARCHAR"),
    ("COPY t FROM STDIN", "S3"),
    ("LISTEN x", "statement"),
    ("SELECT pg_advisory_lock(1)", "PG_ADVISORY_LOCK"),
    ("PREPARE TRANSACTION 'x'", "two-phase"),
    ("SET lock_timeout = 0", "lock_timeout"),
    ("SET synchronous_commit TO off", "synchronous_commit"),
    ("LOCK t IN SHARE MODE", "MODE"),
    ("LOCK t NOWAIT", "NOWAIT"),
    ("SELECT '{}'::jsonb", "no type JSONB"),
    ("SELECT CAST('x' AS uuid)", "no type UUID"),
    ("SELECT json '{}'", "no type JSON"),
    ("SELECT B'101'", "BIT"),
    ("SELECT c ->> 'x' FROM t", "JSON"),
    ("SELECT ARRAY[1, 2]", "arrays"),
    ("SELECT a FROM t WHERE a = ANY ('{1,2}')", "IN (…)"),
    ("SELECT U&'x'", "U&"),
    ("SELECT $$x$$", "dollar"),
    ("SELECT string_agg(c, ',') FROM t", "LISTAGG"),
    ("SELECT jsonb_build_object('a', 1)", "JSONB_BUILD_OBJECT"),
    ("SELECT * FROM generate_series(1, 3)", "GENERATE_SERIES"),
    ("SELECT pg_catalog.clock_timestamp()", "CLOCK_TIMESTAMP"),
    ("SELECT now() FROM t", "leader node"),
    ("INSERT INTO t (d) VALUES (current_timestamp)", "leader node"),
    ("CREATE TABLE x (d TIMESTAMP DEFAULT CURRENT_TIMESTAMP)", "leader node"),
    ("SELECT a IS NOT DISTINCT FROM b FROM t", "IS DISTINCT FROM"),
    ("SELECT format('%s', 1)", "FORMAT"),
    ("SELECT concat('a', 'b', 'c')", "2 arguments"),
    ("SELECT concat_ws(',', 'a')", "CONCAT_WS"),
    ("SELECT to_timestamp(1541106106)", "arguments"),
    ("SELECT split_part(c, ',', -1) FROM t", "SPLIT_PART"),
    ("SELECT a FROM t t1 QUALIFY ROW_NUMBER() OVER (ORDER BY a) = 1", "ROW_NUMBER in a subquery"),
    ("SELECT sum(a) OVER (ORDER BY b) FROM t", "default frame"),
    ("SELECT last_value(a) OVER (PARTITION BY b ORDER BY c) FROM t", "default frame"),
    ("SELECT rank() OVER (ORDER BY b ROWS UNBOUNDED PRECEDING) FROM t", "no frame"),
    ("SELECT EXTRACT(isodow FROM d) FROM t", "date part"),
    ("SELECT DATEADD(fortnight, 1, d) FROM t", "date part"),
    ("CREATE VIEW v AS SELECT 1 AS a WITH NO SCHEMA BINDING", "NO SCHEMA BINDING"),
    ("INSERT INTO t (a) VALUES (1), ((SELECT 2))", "subquery"),
    ("SELECT 'open", "character 8"),
    ("SELECT /* open /* */", "character 8"),
    ("SELECT (1", "without"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "said"), REFUSED)
def test_what_redshift_refuses_is_refused_by_name(sql, said):
    with pytest.raises(psycopg2.Error, match="Redshift") as refusal:
        translated(sql)
    assert said in str(refusal.value)


NOTHING_TO_DO = [
    "ALTER TABLE t ADD PRIMARY KEY (a)",
    "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (a)",
    "ALTER TABLE t ALTER DISTKEY a",
    "-- nothing but a comment",
    "",
]


@pytest.mark.parametrize("sql", NOTHING_TO_DO)
def test_what_redshift_does_not_enforce_is_no_statement(sql):
    assert translated(sql) == []


@pytest.mark.parametrize("form", ["", " FULL", " SORT ONLY", " DELETE ONLY", " REINDEX"])
def test_a_vacuum_is_a_vacuum(postgres, form):
    run(postgres, TABLES)
    postgres.commit()
    postgres.autocommit = True
    assert translated(f"VACUUM{form} t TO 75 PERCENT") == ["VACUUM t"]
    assert translated(f"VACUUM{form}") == ["VACUUM"]
    run(postgres, f"VACUUM{form} t")


def test_analyze_skips_a_table_that_changed_little(redshift):
    cursor = redshift.cursor()

    def rows_known_after(script):
        cursor.execute(script)
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 't'")
        return cursor.fetchone()[0]

    cursor.execute("CREATE TABLE t (a INT); INSERT INTO t SELECT 1 FROM pg_attribute LIMIT 1000")
    redshift.commit()
    time.sleep(1.1)  # PostgreSQL reports what changed once a second
    cursor.execute("SELECT 1")
    redshift.commit()
    assert rows_known_after("ANALYZE t") == 1000
    redshift.commit()
    cursor.execute("INSERT INTO t SELECT 1 FROM pg_attribute LIMIT 50")
    assert rows_known_after('ANALYZE "T" PREDICATE COLUMNS') == 1000
    cursor.execute("SET analyze_threshold_percent TO 5")
    assert rows_known_after("-- statistics: of the tables touched\nANALYZE public.t") == 1050


def test_analyze_knows_temporary_tables(redshift):
    cursor = redshift.cursor()
    cursor.execute("CREATE TABLE #t (a INT); INSERT INTO #t VALUES (1), (2); ANALYZE #t")
    cursor.execute("SELECT reltuples FROM pg_class WHERE relname = '#t'")
    assert cursor.fetchone() == (2,)


def test_varchar_counts_bytes(postgres):
    run(postgres, "CREATE TABLE x (narrow VARCHAR(8), wide VARCHAR(9))")
    run(postgres, "INSERT INTO x (wide) VALUES ('あいう')")
    with pytest.raises(errors.CheckViolation, match="narrow_bytes"):
        run(postgres, "INSERT INTO x (narrow) VALUES ('あいう')")


def test_char_takes_ascii_only(postgres):
    run(postgres, "CREATE TABLE x (c CHAR(3)); INSERT INTO x VALUES ('ab')")
    with pytest.raises(errors.CheckViolation, match="c_bytes"):
        run(postgres, "INSERT INTO x VALUES ('é')")


def test_an_altered_length_counts_bytes_too(postgres):
    run(postgres, "CREATE TABLE x (c VARCHAR(3)); ALTER TABLE x ALTER COLUMN c TYPE VARCHAR(6)")
    run(postgres, "INSERT INTO x VALUES ('éé')")
    with pytest.raises(errors.CheckViolation):
        run(postgres, "INSERT INTO x VALUES ('éééé')")


def test_a_bare_numeric_has_no_decimals(postgres):
    run(postgres, "CREATE TABLE x (n NUMERIC); INSERT INTO x VALUES (244.84526)")
    assert value(postgres, "n FROM x") == 245


def test_keys_are_not_enforced_but_not_null_is(postgres):
    run(postgres, "CREATE TABLE x (id INT, PRIMARY KEY (id)); INSERT INTO x VALUES (1), (1)")
    with pytest.raises(errors.NotNullViolation):
        run(postgres, "INSERT INTO x VALUES (NULL)")


def test_keys_become_plain_indexes_each_once():
    sql = "CREATE TABLE s.x (a INT PRIMARY KEY DISTKEY, b INT) SORTKEY (b, a)"
    assert translated(sql)[1:] == [
        'CREATE INDEX ON s.x ("a")', 'CREATE INDEX ON s.x ("b", "a")'
    ]  # fmt: skip


def test_a_key_too_wide_for_an_index_has_none(postgres):
    run(postgres, "CREATE TABLE x (c VARCHAR(MAX) SORTKEY)")
    run(postgres, "INSERT INTO x SELECT repeat(MD5('x'), 2000)")


def test_a_table_that_is_there_gets_its_indexes_once(postgres):
    create = "CREATE TABLE IF NOT EXISTS x (a INT PRIMARY KEY)"
    run(postgres, f"{create}; {create}; CREATE TABLE IF NOT EXISTS x (b INT SORTKEY)")
    assert value(postgres, "count(*) FROM pg_indexes WHERE tablename = 'x'") == 1


def test_a_copied_table_keeps_its_byte_checks(postgres):
    run(postgres, "CREATE TABLE x (c VARCHAR(2)); CREATE TABLE #y (LIKE x)")
    with pytest.raises(errors.CheckViolation):
        run(postgres, "INSERT INTO #y VALUES ('éé')")


def test_long_columns_have_distinct_byte_checks(postgres):
    name = "c" * 60
    run(postgres, f"CREATE TABLE x ({name}a VARCHAR(2), {name}b VARCHAR(2))")


def test_identity_counts_from_its_seed(postgres):
    run(postgres, "CREATE TABLE x (i BIGINT IDENTITY(0, 2), a INT)")
    run(postgres, "INSERT INTO x (a) VALUES (1), (1)")
    assert run(postgres, "SELECT i FROM x ORDER BY i") == [(0,), (2,)]


def test_the_tables_of_a_typical_project_run(postgres):
    run(postgres, """
        CREATE TABLE IF NOT EXISTS staging_events (
            artist VARCHAR, auth VARCHAR (20), "firstName" VARCHAR(256) ENCODE lzo, length FLOAT,
            level VARCHAR(10), registration NUMERIC(18, 1), ts BIGINT NOT NULL SORTKEY DISTKEY,
            "timestamp" TIMESTAMP DEFAULT SYSDATE, userId INTEGER);
        CREATE TABLE IF NOT EXISTS users (
            user_id INT NOT NULL PRIMARY KEY SORTKEY, level VARCHAR(10) DEFAULT 'free' NOT NULL)
            diststyle all;
        CREATE TABLE IF NOT EXISTS "time" (start_time TIMESTAMP SORTKEY PRIMARY KEY, hour INT,
            weekday INT) DISTSTYLE ALL;
        CREATE TABLE IF NOT EXISTS songplays (
            songplay_id BIGINT IDENTITY(0,1) PRIMARY KEY,
            start_time TIMESTAMP NOT NULL REFERENCES time (start_time),
            user_id INT NOT NULL, level TEXT,
            CONSTRAINT played_by FOREIGN KEY (user_id) REFERENCES users (user_id))
            DISTSTYLE KEY DISTKEY (start_time) INTERLEAVED SORTKEY (start_time, user_id);
        INSERT INTO staging_events (ts, userid, level) VALUES (1541106106796, 8, 'free');
        INSERT INTO songplays (start_time, user_id, level)
            SELECT TIMESTAMP 'epoch' + ts * INTERVAL '0.001 second', userid, level
            FROM staging_events;
        INSERT INTO time SELECT start_time, EXTRACT(hr FROM start_time),
            EXTRACT(weekday FROM start_time) FROM songplays;
        """)
    assert run(postgres, "SELECT songplay_id, start_time::varchar FROM songplays") == [
        (0, "2018-11-01 21:01:46.796")
    ]
    assert run(postgres, "SELECT hour, weekday FROM time") == [(21, 4)]


def test_comments_and_layout_survive_in_a_table():
    sql = "-- songs: one row a song\nCREATE TABLE x (\n  a INT, -- ENCODE raw\n  b INT SORTKEY)"
    assert translated(sql)[0] == sql.replace(" SORTKEY", "")


def test_parameters_of_psycopg2_may_still_be_unbound():
    sql = "SELECT TOP %(n)s a FROM t WHERE a = %(a)s AND d < DATEADD(day, %(d)s, SYSDATE)"
    text = translated(sql)[0]
    assert text.endswith(" LIMIT %(n)s")
    assert text.count("%") == 3


def test_system_names_are_found_in_the_schema_of_the_stand_in():
    sql = "SELECT pg_last_copy_count(), e.line_number FROM stl_load_errors e"
    assert translated(sql) == [
        "SELECT standin.pg_last_copy_count(), e.line_number FROM standin.stl_load_errors e"
    ]
    assert translated("SELECT * FROM stl_load_commits, sys_load_detail") == [
        "SELECT * FROM standin.stl_load_commits, standin.sys_load_detail"
    ]
    assert translated("SELECT * FROM pg_catalog.svv_transactions") == [
        "SELECT * FROM standin.svv_transactions"
    ]
    untouched = "SELECT x.sys_load_history FROM \"sys_load_history\" x -- stl_load_errors"
    assert translated(untouched) == [untouched]


def test_a_script_is_cut_at_its_semicolons():
    found = statements("SELECT ';'; -- a;b\n; /* c;d */ SELECT $$;$$;;")
    assert ["".join(t.text for t in s).strip() for s in found] == [
        "SELECT ';'", "/* c;d */ SELECT $$;$$"
    ]  # fmt: skip


def test_only_truncate_commits():
    assert commits(tokenize("-- empty: now\nTRUNCATE t"))
    assert not commits(tokenize("DELETE FROM t"))
    assert not commits([])
    assert first_word(tokenize("/* x */ Copy t")) == "copy"
    assert first_word(tokenize("(SELECT 1)")) == ""


@pytest.mark.parametrize(("text", "expected"), [
    ("'it''s'", "it's"), (r"'a\n'", r"a\n"), (r"E'a\n\'\x41\101\u00e9'''", "a\n'AAé'"),
    ("$$a'b$$", "a'b"), ("$tag$a$$b$tag$", "a$$b"),
])  # fmt: skip
def test_literals_have_values(text, expected):
    (token,) = tokenize(text)
    assert token.kind == "string"
    assert literal(token) == expected


@pytest.mark.parametrize(("text", "expected"), [
    ("Users", "users"), ('"firstName"', "firstname"), ('"a""B"', 'a"b'), ("#Tmp", "#tmp"),
])  # fmt: skip
def test_names_fold_to_lower_case_even_when_quoted(text, expected):
    (token,) = tokenize(text)
    assert identifier(token) == expected


def test_tokens_have_kinds():
    assert tokenize('a."b"::int>=1.5e3--x') == [
        Token("word", "a"), Token("op", "."), Token("name", '"b"'), Token("op", "::"),
        Token("word", "int"), Token("op", ">="), Token("number", "1.5e3"), Token("comment", "--x"),
    ]  # fmt: skip


def test_any_text_is_cut_into_tokens_that_give_it_again():
    dice = random.Random(1)
    alphabet = "ab_E1.'\"$-/*\\;:|(),<>#%u&\n é\0\ud800"
    for _ in range(5000):
        text = "".join(dice.choices(alphabet, k=dice.randrange(40)))
        try:
            assert "".join(t.text for t in tokenize(text)) == text
        except errors.SyntaxError:
            pass


def test_any_soup_of_tokens_is_translated_or_refused():
    dice = random.Random(2)
    heads = [tokenize(s) for s in UNCHANGED + [s for s, _ in CHANGED + REFUSED[:-3]]]
    words = sorted({t.text for head in heads for t in head if t.kind != "comment"})
    for n in range(20000):
        tokens = list(dice.choice(heads)) if n % 2 else tokenize("CREATE TABLE t (")
        for _ in range(dice.randrange(1, 9)):
            at = dice.randrange(len(tokens) + 1)
            tokens[at : at + dice.randrange(3)] = tokenize(f" {dice.choice(words)} ")
        if n % 3 == 0:
            del tokens[dice.randrange(len(tokens)) :]
        try:
            assert all(isinstance(sql, str) for sql in translate(tokens))
        except psycopg2.Error as error:
            assert "Redshift" in str(error)
