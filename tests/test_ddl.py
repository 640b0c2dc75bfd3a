"""CREATE TABLE and ALTER TABLE on the stand-in: bytes, keys, identities."""

import random
import string

import pytest
from psycopg2 import errors
from support.scratch import count_pages_read, fill, list_indexes, run, value


def test_an_altered_length_counts_bytes_too(connection):
    connection.autocommit = True
    run(connection, "CREATE TABLE x (c VARCHAR(3)); ALTER TABLE x ALTER COLUMN c TYPE VARCHAR(6)")
    run(connection, "INSERT INTO x VALUES ('éé')")
    with pytest.raises(errors.CheckViolation):
        run(connection, "INSERT INTO x VALUES ('éééé')")


@pytest.mark.parametrize("script, rows", [
    pytest.param("CREATE TABLE x (sortkey INT, distkey INT); INSERT INTO x VALUES (1, 2);"
                 " SELECT sortkey, distkey FROM x", [(1, 2)], id="D6"),
    pytest.param("CREATE TABLE x (a VARCHAR(9) DEFAULT 'x,)', b VARCHAR(20) DEFAULT ';SORTKEY (a)',"
                 " c INT); INSERT INTO x (c) VALUES (1); SELECT * FROM x",
                 [("x,)", ";SORTKEY (a)", 1)], id="D7"),
    pytest.param("CREATE TABLE x (at TIMESTAMP DEFAULT getdate(), i INT); INSERT INTO x (i) VALUES (1);"
                 " SELECT at <= SYSDATE FROM x", [(True,)], id="D13"),
    pytest.param("CREATE TABLE x (a INT); ALTER TABLE x ADD COLUMN n VARCHAR(20) ENCODE lzo;"
                 " ALTER TABLE x ADD COLUMN m INT DEFAULT 5 NOT NULL; INSERT INTO x (a) VALUES (1);"
                 " SELECT * FROM x", [(1, None, 5)], id="D14"),
    pytest.param("CREATE TABLE x (a INT); ALTER TABLE x ADD FOREIGN KEY (a) REFERENCES y (b);"
                 " INSERT INTO x VALUES (1); SELECT * FROM x", [(1,)], id="D15"),
    pytest.param("CREATE TABLE x (a INT PRIMARY KEY); INSERT INTO x VALUES (1), (1); SELECT * FROM x",
                 [(1,), (1,)], id="D16"),
])
def test_d6_to_d16_tables_are_made_as_redshift_makes_them(connection, script, rows):
    assert run(connection, script) == rows


def test_d5_a_key_stands_after_the_columns(connection):
    with pytest.raises(errors.Error, match=r"write DISTKEY \(…\) after the list"):
        run(connection, "CREATE TABLE x (id INT, DISTKEY (id), name VARCHAR(9))")


@pytest.mark.parametrize("create, mapped", [
    ("TABLE x (a INT, b INT) COMPOUND SORTKEY (b, a)", "(b, a)"),
    ("TABLE x (a INT, b INT) INTERLEAVED SORTKEY (a, b)", "(a, b)"),
    ("TABLE x (a INT PRIMARY KEY, b INT DISTKEY SORTKEY, c INT UNIQUE)", "(b)"),
    ("TABLE x (\"Order\" INT, PRIMARY KEY (\"Order\")) SORTKEY (\"Order\")", '("order")'),
    ("TEMP TABLE x (a INT) SORTKEY (a)", "(a)"),
    ("TABLE IF NOT EXISTS x (a INT SORTKEY)", "(a)"),
    ("TABLE x DISTKEY (a) SORTKEY (b, a) AS SELECT 1 AS a, 2 AS b", "(b, a)"),
    ("TEMP TABLE x (n, m) SORTKEY (m) AS SELECT 1, 2", "(m)"),
    ("TABLE x (a INT, b INT, PRIMARY KEY (a), UNIQUE (b)) DISTKEY (a) SORTKEY AUTO", ""),
    ("TABLE x DISTKEY (a) AS SELECT 1 AS a", ""),
])
def test_a_new_table_has_block_ranges_on_its_sort_key_and_no_other_index(
        connection, create, mapped):
    run(connection, f"CREATE {create}")
    assert list_indexes(connection) == ([f"brin {mapped}"] if mapped else [])


def test_block_ranges_end_before_a_boolean_a_text_that_may_not_fit_and_the_33rd_column(connection):
    run(connection, "CREATE TABLE x (a INT, b BOOLEAN, c INT) SORTKEY (a, b, c)")
    assert list_indexes(connection) == ["brin (a)"]
    run(connection, "CREATE TABLE y (a VARCHAR(1024), b CHAR(1024), c VARCHAR(MAX), d INT)"
                    " SORTKEY (a, b, c, d)")
    assert list_indexes(connection, "y") == ["brin (a, b)"]
    run(connection, "CREATE TABLE z SORTKEY (a, c) AS SELECT 1 AS a, 'b' || a AS c FROM y")
    assert list_indexes(connection, "z") == ["brin (a)"]
    names = [f"c{n}" for n in range(40)]
    run(connection, f"CREATE TABLE w ({' INT, '.join(names)} INT) SORTKEY ({', '.join(names)})")
    assert list_indexes(connection, "w") == [f"brin ({', '.join(names[:32])})"]
    run(connection, "CREATE TABLE v (a BOOLEAN SORTKEY)")
    assert list_indexes(connection, "v") == []


@pytest.mark.parametrize("columns", [[3992], [1992] * 2, [117] * 32, [65535]])
def test_a_sort_key_takes_the_widest_texts_even_if_they_cannot_be_compressed(connection, columns):
    listed = ", ".join(f"c{n} VARCHAR({size})" for n, size in enumerate(columns))
    names = ", ".join(f"c{n}" for n in range(len(columns)))
    run(connection, f"CREATE TABLE x ({listed}) SORTKEY ({names})")
    assert list_indexes(connection) == ([f"brin ({names})"] if columns != [65535] else [])
    random.seed(1)
    characters = string.ascii_letters + string.digits
    with connection.cursor() as cursor:
        for _ in range(3):
            row = tuple("".join(random.choices(characters, k=size)) for size in columns)
            cursor.execute("INSERT INTO x VALUES %s; ANALYZE x", [row])


@pytest.mark.parametrize("kind", [
    "SMALLINT", "INT", "BIGINT", "REAL", "FLOAT", "NUMERIC(38, 9)", "CHAR(9)", "VARCHAR(9)", "DATE",
    "TIME", "TIMETZ", "TIMESTAMP", "TIMESTAMPTZ", "INTERVAL YEAR TO MONTH", "INTERVAL DAY TO SECOND",
])
def test_a_column_of_any_type_but_boolean_has_block_ranges(connection, kind):
    run(connection, f"CREATE TABLE x (a {kind} SORTKEY)")
    assert list_indexes(connection) == ["brin (a)"]


def test_a_table_that_is_there_gets_its_block_ranges_once(connection):
    create = "CREATE TABLE IF NOT EXISTS x (a INT SORTKEY)"
    run(connection, f"{create}; {create}; CREATE TABLE IF NOT EXISTS x (b INT SORTKEY)")
    assert list_indexes(connection) == ["brin (a)"]
    run(connection, "CREATE VIEW v AS SELECT a FROM x")
    run(connection, "CREATE TABLE IF NOT EXISTS v (a INT SORTKEY)")


@pytest.mark.parametrize("key", ["DISTKEY (b)", "SORTKEY (a, b)"])
def test_a_key_of_a_table_made_by_a_query_is_one_of_its_columns(connection, key):
    with pytest.raises(errors.UndefinedColumn, match='"b"'):
        run(connection, f"CREATE TABLE x {key} AS SELECT 1 AS a")


@pytest.mark.parametrize("make", [
    "CREATE TABLE made SORTKEY (n) AS SELECT * FROM x",
    "CREATE TEMP TABLE made DISTKEY (n) SORTKEY (n) AS SELECT * FROM x",
    "CREATE TABLE made AS SELECT * FROM x",
    "SELECT * INTO made FROM x",
    "SELECT * INTO #made FROM x",
])
def test_a_table_made_by_a_query_is_analyzed_and_its_block_ranges_are_current(connection, make):
    run(connection, "CREATE TABLE x (n INT, wide VARCHAR(900))")
    fill(connection, 1, 4000)
    run(connection, make)
    name = "#made" if "#" in make else "made"
    assert value(connection, f"reltuples FROM pg_class WHERE relname = '{name}'") == 4000
    assert value(connection, f"COUNT(*) FROM pg_stats WHERE tablename = '{name}'") == 2
    if "SORTKEY" in make:
        assert count_pages_read(connection, "made WHERE n BETWEEN 2001 AND 2010") < 140


def test_a_copied_table_keeps_its_byte_checks(connection):
    run(connection, "CREATE TABLE x (c VARCHAR(2)); CREATE TABLE #y (LIKE x)")
    with pytest.raises(errors.CheckViolation):
        run(connection, "INSERT INTO #y VALUES ('éé')")


def test_long_columns_have_distinct_byte_checks(connection):
    name = "c" * 60
    run(connection, f"CREATE TABLE x ({name}a VARCHAR(2), {name}b VARCHAR(2))")


def test_the_tables_of_a_typical_project_run(connection):
    run(connection, """
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
    assert run(connection, "SELECT songplay_id, start_time::varchar FROM songplays") == [
        (0, "2018-11-01 21:01:46.796")
    ]
    assert run(connection, "SELECT hour, weekday FROM time") == [(21, 4)]


def test_a_table_made_by_a_query_counts_bytes_where_it_knows_the_length(connection):
    run(connection, """
        CREATE TABLE source (narrow VARCHAR(3), "Wide" VARCHAR(MAX), n INT);
        CREATE TABLE made SORTKEY (n) AS SELECT * FROM source;
        SELECT narrow::VARCHAR(4) AS narrow, n INTO #chosen FROM source;
        INSERT INTO made VALUES ('éa', REPEAT('é', 9), 1);
        INSERT INTO #chosen VALUES ('éé', 1);
    """)
    connection.commit()
    for statement in ("INSERT INTO made (narrow) VALUES ('éé')",
                      "INSERT INTO #chosen (narrow) VALUES ('ééa')"):
        with pytest.raises(errors.CheckViolation, match="narrow_bytes"):
            run(connection, statement)
        connection.rollback()


def test_the_length_of_a_column_with_a_default_is_not_altered(connection):
    connection.autocommit = True
    run(connection, "CREATE TABLE x (c VARCHAR(3) DEFAULT 'a')")
    with pytest.raises(errors.FeatureNotSupported, match="Redshift does not change .* DEFAULT"):
        run(connection, "ALTER TABLE x ALTER COLUMN c TYPE VARCHAR(6)")


def test_a_length_that_a_query_gave_can_be_altered(connection):
    connection.autocommit = True
    run(connection, "CREATE TABLE x AS SELECT CAST('a' AS VARCHAR(1)) AS c")
    run(connection, "ALTER TABLE x ALTER COLUMN c TYPE VARCHAR(4)")
    run(connection, "INSERT INTO x VALUES ('éé')")
