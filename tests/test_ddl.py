"""CREATE TABLE and ALTER TABLE on the stand-in: bytes, keys, identities."""

import pytest
from psycopg2 import errors
from scratch import connection, module_connection, run, value  # noqa: F401 (fixtures)

from warehouse.standin.dialect import translate
from warehouse.standin.tokens import tokenize


def translated(sql):
    return translate(tokenize(sql))


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


def test_keys_become_plain_indexes_each_once():
    sql = "CREATE TABLE s.x (a INT PRIMARY KEY DISTKEY, b INT) SORTKEY (b, a)"
    assert translated(sql)[1:] == [
        'CREATE INDEX ON s.x ("a")', 'CREATE INDEX ON s.x ("b", "a")'
    ]  # fmt: skip


def test_a_key_too_wide_for_an_index_has_none(connection):
    run(connection, "CREATE TABLE x (c VARCHAR(MAX) SORTKEY)")
    run(connection, "INSERT INTO x SELECT repeat(MD5('x'), 2000)")


def test_a_table_that_is_there_gets_its_indexes_once(connection):
    create = "CREATE TABLE IF NOT EXISTS x (a INT PRIMARY KEY)"
    run(connection, f"{create}; {create}; CREATE TABLE IF NOT EXISTS x (b INT SORTKEY)")
    assert value(connection, "count(*) FROM pg_indexes WHERE tablename = 'x'") == 1


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


def test_a_length_that_a_query_gave_can_be_altered(connection):
    connection.autocommit = True
    run(connection, "CREATE TABLE x AS SELECT CAST('a' AS VARCHAR(1)) AS c")
    run(connection, "ALTER TABLE x ALTER COLUMN c TYPE VARCHAR(4)")
    run(connection, "INSERT INTO x VALUES ('éé')")
