"""The stand-in's dialect: SQL that Redshift accepts runs on PostgreSQL, other SQL is refused."""

import time

import psycopg2
import pytest
from psycopg2 import errors
from support.scratch import count_pages_read, fill, plain, run, value

from warehouse.standin.copy.statement import parse_copy
from warehouse.standin.sql.dialect import has_implicit_commit, translate
from warehouse.standin.sql.refusals import RESERVED
from warehouse.standin.sql.tokens import split_statements, tokenize


def translate_text(sql):
    return translate(tokenize(sql))


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
    "SELECT a, count(*) AS n FROM t GROUP BY 1",
    "SELECT 'ON CONFLICT', 'U&' FROM t /* RETURNING /* nested */ */ WHERE c = 'a''b; SERIAL'",
    'SELECT "returning"."sysdate", "select" FROM t AS "returning" (a, b, c, "sysdate")',
    "SELECT TIMESTAMP 'epoch' + b * INTERVAL '0.001 second' AS start_time FROM t",
    "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b DESC, c) AS rn FROM t",
    "SELECT SUM(a) OVER (PARTITION BY c), COUNT(*) OVER () FROM t",
    "SELECT SUM(a) OVER (ORDER BY b ROWS UNBOUNDED PRECEDING) FROM t",
    "INSERT INTO t (a) WITH x AS (SELECT 1 AS a) SELECT a FROM x",
    "INSERT INTO t (a, c) VALUES (1, 'x'), (2, 'y')",
    "SELECT format, age, qualify FROM (SELECT 1 AS format, 3 AS age, 4 AS qualify) x",
    "SELECT t.a, x.nvl, x.len FROM t JOIN (SELECT 1 AS a, 2 AS nvl, 3 AS len) x ON t.a = x.a",
    "SELECT c::varchar, CAST(a AS VARCHAR), b::int, c::text, a::numeric(8,2), c::char(3) FROM t",
    "SELECT x.a, v.n FROM (SELECT 1 AS a) x (a), t AS y (p, q), (SELECT 1) v (n)",
    "WITH x (a) AS (SELECT 1), format (b) AS (SELECT a FROM x) SELECT b FROM format",
    "WITH x AS (SELECT 1 AS a) UPDATE t SET b = 1 WHERE a IN (SELECT a FROM x)",
    "SELECT a FROM t WHERE (a, b) IN ((1, 2), (3, 4)) OR (a, b) NOT IN (SELECT a, b FROM t)",
    "SELECT a, b FROM t GROUP BY GROUPING SETS ((a, b), (a)), ROLLUP (a, b)",
    "SELECT a FROM t WHERE a IN (1, 2) AND b IN (SELECT a FROM u) OR a BETWEEN (1) AND (2)",
    "SELECT t.a FROM t JOIN u USING (a) ORDER BY (t.a), 1",
    "SELECT CASE WHEN a IN (1, 2) THEN (1) ELSE (SELECT MAX(a) FROM u) END FROM t",
    "UPDATE t SET c = LOWER(c) WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.a = t.a)",
    "SELECT pg_catalog.lower(c) FROM t",
    "EXPLAIN (SELECT a FROM t)",
    "(WITH x AS (SELECT 1 AS a), y (b) AS (SELECT 2) SELECT a FROM x)",
    "SELECT SUM(range) OVER (ORDER BY range ROWS 1 PRECEDING) FROM (SELECT 1 AS range) x"
    " WHERE range BETWEEN 0 AND 5",
    "SELECT a FROM t WHERE a = ANY (SELECT a FROM u)",
    "SELECT a FROM t UNION ALL (SELECT a FROM u) EXCEPT SELECT 1 LIMIT 3",
    "SELECT substring(c from 1 for 2), trim(c) FROM t",
    "SELECT EXISTS (SELECT 1 FROM t), MD5(c || '|' || a), TO_CHAR(d, 'YYYY') FROM t",
    "SELECT now(), CURRENT_DATE",
    "SELECT day, INTERVAL '1' day, NOT hour, year FROM (SELECT a AS day, TRUE AS hour, b year_ FROM t) x,"
    " (SELECT 1 AS year) y",
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
    "ALTER TABLE t RENAME TO renamed",
    "DROP TABLE IF EXISTS t, u",
]


@pytest.mark.parametrize("sql", UNCHANGED)
def test_sql_that_both_accept_stays_as_it_is(connection, sql):
    assert translate_text(sql) == [sql]
    run(connection, TABLES)
    run(connection, sql)


CHANGED = [
    ("SELECT SYSDATE", "(now() AT TIME ZONE 'UTC')"),
    ("SELECT GETDATE()", "date_trunc('second', statement_timestamp() AT TIME ZONE 'UTC')"),
    ("SELECT NVL(c, NVL(c, 'x')) FROM t", "COALESCE(c, COALESCE(c, 'x'))"),
    ("SELECT TOP 5 a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a LIMIT 5"),
    ("SELECT x.a FROM (SELECT TOP 2 a FROM t) x", "(SELECT a FROM t LIMIT 2) x"),
    ("SELECT a FROM t MINUS SELECT a FROM u", "EXCEPT"),
    ("SELECT c::VARCHAR(MAX), a::numeric, CAST(a AS DECIMAL) FROM t",
     "redshift.cut(CAST(c AS text), 65535) AS varchar(65535)), a::numeric(18,0), CAST(a AS numeric"),
    ("SELECT a::nvarchar(3) FROM t", "CAST(redshift.cut(CAST(a AS text), 3) AS varchar(3)) FROM"),
    ("SELECT t.c::varchar(3), 'a' || c::varchar(2) FROM t", "'a' || CAST(redshift.cut(CAST(c AS"),
    ("SELECT (a + 1)::varchar(3)::int FROM t", "CAST(redshift.cut(CAST((a + 1) AS text), 3)"),
    ("SELECT a::double precision::varchar(3) FROM t", "CAST(a::double precision AS text), 3)"),
    ("SELECT x.c::varchar(3)::varchar(2) FROM t x", "CAST(CAST(redshift.cut(CAST(x.c AS text)"),
    ("SELECT NVL2(c::varchar(3), LEN(c)::varchar(1), c) FROM t", "CAST(LENGTH(c) AS text), 1)"),
    ("SELECT CASE WHEN a = 1 THEN c ELSE c END::varchar(3) FROM t", "CAST(CASE WHEN a = 1 THEN"),
    ("SELECT COUNT(*) OVER ()::varchar(3) FROM t", "CAST(COUNT(*) OVER () AS text), 3)"),
    ("SELECT DATE '2018-11-01'::varchar(4) FROM t", "CAST(DATE '2018-11-01' AS text), 4)"),
    ("SELECT a FROM t WHERE 'x'::varchar(3) LIKE 'x'::varchar(3)", "LIKE CAST(redshift.cut"),
    ("SELECT CONVERT(varchar(2), 'abc')", "redshift.cut(CAST('abc' AS text), 2)"),
    ("SELECT LISTAGG(c) WITHIN GROUP (ORDER BY a)::varchar(9) FROM t", "AS text), 9)"),
    ("SELECT LISTAGG(c) WITHIN GROUP (ORDER BY a) AS user, 1 AS table FROM t", "AS user, 1 AS table"),
    ("SELECT EXTRACT(day FROM d) day, 1 year FROM t", "d)) AS int) AS day, 1 AS year FROM t"),
    ("SELECT (a) day, CASE WHEN a = 1 THEN b END hour, a month FROM t", "(a) AS day, CASE WHEN a = 1 THEN"
     " b END AS hour, a AS month FROM t"),
    ("CREATE TEMP TABLE fresh AS SELECT a FROM t", "CALL redshift.count_bytes('fresh')"),
    ("RESET ALL", "RESET standin.query_group"),
    ("SET timezone TO DEFAULT", "SET TIME ZONE 'UTC'"),
    ("SELECT ANY_VALUE(a), REPLICATE('a', 2) FROM t", "MIN(a), redshift.fit(repeat('a', 2)"),
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
     "CREATE TABLE x (a INT, b INT) /* why */; CALL redshift.map_zones('x', ARRAY['a', 'b'])"),
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
    ("ALTER TABLE t DROP COLUMN a", "CALL redshift.refuse_key('t', 'a'); ALTER TABLE t DROP COLUMN a"),
    ("ALTER TABLE t ALTER COLUMN a ENCODE zstd; SET TIME ZONE 'UTC'; SHOW TIME ZONE", ""),
    ("SELECT APPROXIMATE COUNT(DISTINCT a) FROM t", "SELECT COUNT(DISTINCT a)"),
    ("SELECT EXTRACT(weekday FROM d) FROM t", "EXTRACT(dow FROM d)"),
    ("SELECT DATE_PART(yr, d) FROM t", "DATE_PART('year', d)"),
    ("SELECT LISTAGG(DISTINCT c, ',') WITHIN GROUP (ORDER BY c) FROM t",
     "redshift.fit(string_agg(DISTINCT c, ',' ORDER BY c), 'LISTAGG')"),
    ("SELECT DECODE(a, 1, 2)FROM t WHERE NVL2(a, 1, 2)IN (1)", "END)FROM t"),
    ("CREATE TABLE x (a INT PRIMARY KEY) BACKUP NO DISTKEY (a)", "CREATE TABLE x (a INT NOT NULL)"),
    ("CREATE TABLE x (a INT IDENTITY NOT NULL)", "START WITH 1 INCREMENT BY 1 MINVALUE 1"),
]  # fmt: skip


@pytest.mark.parametrize(("script", "fragment"), CHANGED)
def test_sql_of_redshift_alone_is_translated_and_runs(connection, script, fragment):
    assert fragment in "; ".join(translate(split_statements(script)[0]))
    run(connection, TABLES)
    run(connection, script)


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
    ("1.5::numeric", 2),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "expected"), VALUES)
def test_functions_answer_as_on_redshift(connection, expression, expected):
    assert value(connection, expression) == expected


REFUSED = [
    ("WITH x AS (DELETE FROM t WHERE a = 1) SELECT 1", "change data"),
    ("WITH x AS (SELECT 1 AS a) INSERT INTO t (a) SELECT a FROM x", "INSERT INTO t WITH"),
    ("CREATE OR REPLACE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION f()", "OR REPLACE TRIGGER"),
    ("CREATE TABLE x (a INT GENERATED BY DEFAULT AS IDENTITY)", "seed"),
    ("CREATE TABLE x (a INT REFERENCES t (a) ON DELETE CASCADE)", "ON"),
    ("CREATE TABLE x (a INT, FOREIGN KEY (a) REFERENCES t (a) DEFERRABLE)", "DEFERRABLE"),
    ("CREATE TABLE x (a JSONB)", "no type JSONB"),
    ("CREATE TABLE x (a, b INT)", "Redshift expects a type here, not ,"),
    ("ALTER TABLE t ADD COLUMN a", "Redshift expects a type here, not the end of the statement"),
    ("CREATE TABLE x (c TEXT(20))", "no TEXT(20)"),
    ("CREATE TABLE x (a VARCHAR(9) IDENTITY(0,1))", "BIGINT"),
    ("CREATE TABLE x (a INT ENCODE pglz)", "encoding"),
    ("CREATE TABLE x (a INT) DISTKEY (b)", '"b"'),
    ("CREATE TABLE x (a INT) SORTKEY (a, b)", '"b"'),
    ("CREATE TABLE x (a INT) DISTSTYLE KEY", "DISTKEY"),
    ("CREATE TABLE x (a INT) DISTSTYLE SOME", "DISTSTYLE"),
    ("CREATE TABLE x (a INT, DISTKEY (a))", "after the list"),
    ("CREATE TABLE x (LIKE t, PRIMARY KEY (a))", "columns of LIKE"),
    ("CREATE TABLE x (LIKE t) SORTKEY (a)", "columns of LIKE"),
    ("CREATE TABLE x (LIKE t, b INT) SORTKEY (b)", "parent's keys"),
    ("CREATE TABLE x (c VARCHAR(MAX 9))", "VARCHAR(MAX 9)"),
    ("ALTER TABLE t ADD COLUMN IF NOT EXISTS a INT", "IF NOT EXISTS"),
    ("ALTER TABLE t ALTER COLUMN a TYPE BIGINT", "VARCHAR"),
    ("SET synchronous_commit TO off", "synchronous_commit"),
    ("SET", "Redshift expects a setting here, not the end of the statement"),
    ("LOCK t IN SHARE MODE", "MODE"),
    ("LOCK t NOWAIT", "NOWAIT"),
    ("SELECT json '{}'", "no type JSON"),
    ("SELECT B'101'", "BIT"),
    ("SELECT c ->> 'x' FROM t", "write columns of their own, filled by COPY's JSONPaths"),
    ("SELECT pg_catalog.clock_timestamp()", "CLOCK_TIMESTAMP"),
    ("INSERT INTO t (d) VALUES (current_timestamp)", "leader node"),
    ("SELECT last_value(a) OVER (PARTITION BY b ORDER BY c) FROM t", "default frame"),
    ("SELECT DATEADD(fortnight, 1, d) FROM t", "date part"),
    ("SELECT 'open", "character 8"),
    ("SELECT /* open /* */", "character 8"),
    ("SELECT (1", "without"),
    ("SELECT \"string_agg\"(c, ',') FROM t", "STRING_AGG"),
    ("SELECT int4('3')", "INT4"),
    (f"SELECT {'DECODE(' * 40} 1 {', 1, 2, 3, 4)' * 40}", "16 MB"),
    (f"SELECT 1 AS a INTO {'n' * 64}", "the stand-in takes names of up to 63 bytes, not of 64"),
    ("SELECT text(3)", "CAST"),
    ("SELECT (a, b) FROM t", "row values"),
    ("SELECT a FROM t ORDER BY (a, b)", "row values"),
    ("SELECT a FROM t WHERE (a, b) = (1, 2)", "row values"),
    ("SELECT ROW(1, 2)", "ROW"),
    ("SELECT log(2, 8)", "1 arguments"),
    ("SELECT SUM(a) OVER (ORDER BY b RANGE UNBOUNDED PRECEDING) FROM t", "ROWS"),
    ("SELECT a FROM ONLY t", "ONLY"),
    ("INSERT INTO t AS x (a) VALUES (1)", "alias"),
    ("EXPLAIN (COSTS off) SELECT 1", "EXPLAIN"),
    ("CREATE TABLE x AS SELECT 1 AS a WITH NO DATA", "WITH [NO] DATA"),
    ("CREATE TEMP VIEW v AS SELECT 1 AS a", "TEMP"),
    ("SELECT c COLLATE \"C\" FROM t", "COLLATE"),
    ("CALL f(1)", "procedures"),
    ("ALTER VIEW v RENAME TO w", "ALTER VIEW"),
    ("CREATE TABLE x (a INT, constraint INT)", "PRIMARY KEY"),
    ("SELECT '\\x41'", "the character itself"),
    ("SELECT CAST(a) FROM t", "CAST(value AS type)"),
    ("SELECT a FROM t MINUS", "reserved"),
    ("SELECT x.sysdate FROM t x", "reserved"),
    ("SELECT a FROM t AS sysdate", "reserved"),
    ("CREATE VIEW new AS SELECT 1 AS a", "reserved"),
    ("CREATE TABLE x AS SELECT a AS open FROM t", "reserved"),
    ("SELECT a END::varchar(3) FROM t", "CASE"),
    ("SELECT * FROM (SELECT a, b FROM t) PIVOT (COUNT(*) FOR a IN (1, 2))", "PIVOT"),
    ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE",
     "the stand-in does not emulate Redshift's MERGE; write DELETE … USING and INSERT … SELECT"),
    ("/* x */ explain merge INTO t USING u ON t.a = u.a REMOVE DUPLICATES", "Redshift's MERGE"),
    ("PREPARE p (INT) AS MERGE INTO t USING u ON t.a = u.a REMOVE DUPLICATES", "Redshift's MERGE"),
    ("CREATE MATERIALIZED VIEW v AS SELECT 1 AS a",
     "the stand-in does not emulate Redshift's materialized views; write CREATE VIEW, or"
     " CREATE TABLE AS"),
    ("REFRESH MATERIALIZED VIEW v", "Redshift's materialized views"),
    ("ALTER MATERIALIZED VIEW v AUTO REFRESH YES", "Redshift's materialized views"),
    ("EXPLAIN CREATE MATERIALIZED VIEW v AS SELECT 1 AS a", "Redshift's materialized views"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "said"), REFUSED)
def test_sql_that_redshift_refuses_is_refused_by_name(sql, said):
    with pytest.raises(psycopg2.Error, match="Redshift") as refusal:
        translate_text(sql)
    assert said in str(refusal.value)


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_a_reserved_word_is_a_label_after_as_and_no_column(connection, word):
    run(connection, TABLES)
    run(connection, f"SELECT a AS {word}, b AS n FROM t ORDER BY n")
    for sql in (f"CREATE TABLE x AS SELECT a AS {word} FROM t", f"SELECT a AS {word} INTO x FROM t",
                f"ALTER TABLE t ADD COLUMN {word} INT", f"SELECT x.a FROM t AS {word}"):
        with pytest.raises(psycopg2.Error, match="Redshift"):
            translate_text(sql)
    with pytest.raises(psycopg2.Error, match="Redshift"):
        parse_copy(tokenize(f"COPY t ({word}) FROM 's3://b/k' IAM_ROLE default JSON 'auto'"))


NOTHING_TO_DO = [
    "ALTER TABLE t ADD UNIQUE (a)",
    "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (a)",
    "ALTER TABLE t ALTER DISTKEY a",
    "-- nothing but a comment",
    "",
]


@pytest.mark.parametrize("sql", NOTHING_TO_DO)
def test_sql_without_an_effect_here_becomes_no_statement(sql):
    assert translate_text(sql) == []


@pytest.mark.parametrize("form", ["", " FULL", " SORT ONLY", " DELETE ONLY", " REINDEX"])
def test_a_vacuum_is_a_vacuum(connection, form):
    run(connection, TABLES)
    connection.commit()
    connection.autocommit = True
    assert translate_text(f"VACUUM{form} t TO 75 PERCENT") == ["VACUUM t"]
    assert translate_text(f"VACUUM{form}") == ["VACUUM"]
    run(connection, f"VACUUM{form} t")


def test_analyze_skips_a_table_that_changed_little(redshift):
    cursor = redshift.cursor()

    def count_known_rows(script):
        cursor.execute(script)
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 't'")
        return cursor.fetchone()[0]

    cursor.execute("CREATE TABLE t (a INT); INSERT INTO t SELECT 1 FROM pg_attribute LIMIT 1000")
    redshift.commit()
    time.sleep(1.1)  # PostgreSQL reports what changed once a second
    cursor.execute("SELECT 1")
    redshift.commit()
    assert count_known_rows("ANALYZE t") == 1000
    redshift.commit()
    cursor.execute("INSERT INTO t SELECT 1 FROM pg_attribute LIMIT 50")
    assert count_known_rows('ANALYZE "T" PREDICATE COLUMNS') == 1000
    cursor.execute("SET analyze_threshold_percent TO 5")
    assert count_known_rows("-- statistics: of the tables touched\nANALYZE public.t") == 1050


def test_analyze_knows_temporary_tables(redshift):
    cursor = redshift.cursor()
    cursor.execute("CREATE TABLE #t (a INT); INSERT INTO #t VALUES (1), (2); ANALYZE #t")
    cursor.execute("SELECT reltuples FROM pg_class WHERE relname = '#t'")
    assert cursor.fetchone() == (2,)


def test_analyze_brings_block_ranges_up_to_date_below_its_threshold_and_in_a_transaction(redshift):
    run(redshift, "CREATE TABLE x (n INT, wide VARCHAR(900)) SORTKEY (n)")
    fill(redshift, 1, 10000)
    plain(redshift, "SELECT pg_stat_force_next_flush()")
    redshift.commit()
    run(redshift, "ANALYZE x")
    redshift.commit()
    fill(redshift, 10001, 10900)
    assert count_pages_read(redshift, "x WHERE n BETWEEN 1 AND 10") > 200
    run(redshift, "ANALYZE x")
    assert value(redshift, "reltuples FROM pg_class WHERE relname = 'x'") == 10000
    assert count_pages_read(redshift, "x WHERE n BETWEEN 1 AND 10") < 140
    assert count_pages_read(redshift, "x WHERE n BETWEEN 10801 AND 10810") < 140


def test_only_the_owner_and_superusers_analyze_a_table(redshift):
    run(redshift, "CREATE TABLE x (n INT SORTKEY)")
    plain(redshift, "CREATE ROLE guest; GRANT ALL ON x TO guest; SET ROLE guest")
    with pytest.raises(errors.InsufficientPrivilege, match="on Redshift only superusers and the owner of x"):
        run(redshift, "ANALYZE x")


def test_comments_and_layout_survive_in_a_table():
    sql = "-- songs: one row a song\nCREATE TABLE x (\n  a INT, -- ENCODE raw\n  b INT SORTKEY)"
    assert translate_text(sql)[0] == sql.replace(" SORTKEY", "")


def test_parameters_of_psycopg2_may_still_be_unbound():
    sql = "SELECT TOP %(n)s a FROM t WHERE a = %(a)s AND d < DATEADD(day, %(d)s, SYSDATE)"
    text = translate_text(sql)[0]
    assert text.endswith(" LIMIT %(n)s")
    assert text.count("%") == 3


def test_system_names_are_found_in_the_schema_of_the_stand_in():
    sql = "SELECT pg_last_copy_count(), e.line_number FROM stl_load_errors e"
    assert translate_text(sql) == [
        "SELECT standin.pg_last_copy_count(), e.line_number FROM standin.stl_load_errors e"
    ]
    assert translate_text("SELECT * FROM stl_load_commits, sys_load_detail") == [
        "SELECT * FROM standin.stl_load_commits, standin.sys_load_detail"
    ]
    assert translate_text("SELECT * FROM pg_catalog.svv_transactions") == [
        "SELECT * FROM standin.svv_transactions"
    ]
    untouched = "SELECT x.sys_load_history FROM \"sys_load_history\" x -- stl_load_errors"
    assert translate_text(untouched) == [untouched]


def test_only_truncate_commits():
    assert has_implicit_commit(tokenize("-- empty: now\nTRUNCATE t"))
    assert not has_implicit_commit(tokenize("DELETE FROM t"))
    assert not has_implicit_commit([])
