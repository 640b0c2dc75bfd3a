"""The cursor that speaks Redshift: transactions, values, and psycopg2's other methods."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psycopg2
import pytest
from psycopg2 import errors, extensions, extras
from support import ROOT
from support.databases import administrate, creating_database, speaking_redshift
from support.scratch import plain, run, value

from warehouse.standin import schema
from warehouse.standin.cursor import adopt


def count_rows(connection):
    connection.rollback()
    return value(connection, "COUNT(*) FROM x")


@pytest.mark.parametrize("before", ["", "INSERT INTO x VALUES (2); "])
@pytest.mark.parametrize("text", ["TRUNCATE x", "-- empty x: now\nTRUNCATE TABLE x"])
def test_truncate_commits(connection, before, text):
    run(connection, "CREATE TABLE x (a INT); INSERT INTO x VALUES (1)")
    connection.commit()
    run(connection, before + text)
    assert connection.info.transaction_status == extensions.TRANSACTION_STATUS_IDLE
    assert count_rows(connection) == 0


def test_truncate_commits_what_begin_began(connection):
    connection.autocommit = True
    run(connection, "CREATE TABLE x (a INT); INSERT INTO x VALUES (1)")
    run(connection, "BEGIN; TRUNCATE x; ROLLBACK")
    assert value(connection, "COUNT(*) FROM x") == 0


def test_truncate_commits_through_executemany(connection):
    run(connection, "CREATE TABLE x (a INT)")
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO x VALUES (%s); TRUNCATE x; INSERT INTO x VALUES (%s)",
                           [(1, 2), (3, 4)])
    assert count_rows(connection) == 0


def test_statements_after_a_truncate_begin_a_new_transaction(connection):
    run(connection, "CREATE TABLE x (a INT); TRUNCATE x; INSERT INTO x VALUES (1)")
    assert count_rows(connection) == 0


def test_a_failed_truncate_commits_nothing(connection):
    run(connection, "CREATE TABLE x (a INT)")
    connection.commit()
    with pytest.raises(errors.UndefinedTable):
        run(connection, "INSERT INTO x VALUES (1); TRUNCATE nowhere")
    assert count_rows(connection) == 0


def test_a_type_is_changed_outside_of_transactions_only(connection):
    change = "ALTER TABLE x ALTER COLUMN c TYPE VARCHAR(9)"
    run(connection, "CREATE TABLE x (c VARCHAR(3))")
    connection.commit()
    with pytest.raises(errors.ActiveSqlTransaction, match="Redshift.*autocommit"):
        run(connection, change)
    connection.rollback()
    connection.autocommit = True
    with pytest.raises(errors.ActiveSqlTransaction, match="Redshift.*autocommit"):
        run(connection, "BEGIN; " + change)
    run(connection, "ROLLBACK; " + change)


@pytest.mark.parametrize("text", [r"a\b", r"\'; DROP TABLE x --", "it's", "%s", "\\", "é\n\t"])
def test_values_come_back_as_they_were(connection, text):
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s, %s", (text, text))
        assert cursor.fetchone() == (text, text)
        run(connection, "CREATE TABLE x (c VARCHAR(99))")
        extras.execute_values(cursor, "INSERT INTO x VALUES %s", [(text,), (text,)])
        cursor.execute("SELECT DISTINCT c FROM x WHERE c = %(c)s", {"c": text})
        assert cursor.fetchall() == [(text,)]


def test_a_session_stays_redshifts_after_reset_all(connection):
    run(connection, "SET timezone TO 'Asia/Tokyo'; SET query_group TO 'etl'; RESET ALL")
    assert value(connection, r"LEN('a\\b'), CURRENT_SETTING('timezone')") == 3
    assert run(connection, "SHOW timezone") == [("UTC",)]
    assert run(connection, "SHOW query_group") == [("",)]


def test_other_methods_of_psycopg2_are_refused(connection):
    with connection.cursor() as cursor:
        for call in (cursor.copy_expert, cursor.copy_from, cursor.copy_to, cursor.callproc):
            with pytest.raises(errors.FeatureNotSupported, match="Redshift"):
                call("x", None)


def test_a_statement_is_refused_before_any_of_its_effects(connection):
    run(connection, "CREATE TABLE x (a INT)")
    connection.commit()
    with pytest.raises(errors.SyntaxError, match="NUL"):
        run(connection, "INSERT INTO x VALUES (1); SELECT '\0'")
    assert connection.info.transaction_status == extensions.TRANSACTION_STATUS_IDLE


@pytest.fixture
def install_schema(connection, monkeypatch, tmp_path):
    """A function that installs the schemas with a change in one place of their texts."""

    def install_schema(file: str = "functions.sql", old: str = "", new: str = "") -> None:
        for name in ("functions.sql", "system_tables.sql"):
            text = (Path(schema.__file__).parent / name).read_text()
            (tmp_path / name).write_text(text.replace(old, new) if name == file else text)
        monkeypatch.setattr(schema, "FOLDER", tmp_path)
        with connection.cursor(cursor_factory=extensions.cursor) as cursor:
            schema.install(cursor)

    return install_schema


def test_new_functions_leave_views_that_stand_on_the_old(connection, install_schema):
    run(connection, "CREATE VIEW v AS SELECT 'añb'::VARCHAR(3) AS c")
    install_schema("functions.sql", "STRICT", "STRICT COST 9")
    cost = "SELECT procost FROM pg_proc WHERE oid = 'redshift.cut'::regproc"
    assert plain(connection, cost) == [(9,)]
    assert value(connection, "c FROM v") == "añ"


@pytest.mark.parametrize("version, left", [(schema.VERSION, 1), ("0", 0)])
def test_system_tables_of_another_version_are_made_again(connection, install_schema, version, left):
    plain(connection, "INSERT INTO standin.load (query_id) VALUES (-7)")
    plain(connection, f"COMMENT ON SCHEMA standin IS 'sparkify stand-in {version}: what Amazon "
                      "Redshift has and PostgreSQL has not'")
    install_schema()
    rows = plain(connection, "SELECT COUNT(*) FROM standin.load WHERE query_id = -7")
    assert rows == [(left,)]


def test_the_schemas_are_found_from_any_folder(tmp_path):
    code = ("from warehouse.standin import schema;"
            "print(*sorted(path.name for path in schema.FOLDER.glob('*.sql')))")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, text=True,
                          capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.stdout.split() == ["functions.sql", "system_tables.sql"], done.stderr


@pytest.mark.parametrize("version, said", [(140012, "14.12"), (90624, "9.6")])
def test_an_older_server_cannot_stand_in(version, said):
    with pytest.raises(psycopg2.NotSupportedError) as caught:
        adopt(SimpleNamespace(server_version=version), None)
    assert str(caught.value) == (
        f"the server is PostgreSQL {said}; to stand in for Redshift it needs 15 or newer")


def test_tables_join_by_a_nested_loop_only_where_there_is_no_equality(connection):
    run(connection, """
        CREATE TABLE x (a INT); INSERT INTO x VALUES (1), (2); ANALYZE x;
        CREATE TABLE y (a INT); INSERT INTO y VALUES (2), (3); ANALYZE y;
    """)
    joins = {"JOIN y ON x.a = y.a": 1, "CROSS JOIN y": 4, "JOIN y ON x.a < y.a": 3}
    for join, rows in joins.items():
        plan = str(run(connection, f"EXPLAIN SELECT x.a FROM x {join}"))
        assert ("Nested Loop" in plan) == (" = " not in join), plan
        assert value(connection, f"COUNT(*) FROM x {join}") == rows


def test_a_user_has_no_conversions_until_a_superuser_adopts_the_database(server):
    comparison = "SELECT 1 WHERE 10 = CAST('10' AS VARCHAR)"
    administrate(server, "CREATE ROLE plain")
    try:
        with creating_database(server) as name:
            administrate(server, f"ALTER DATABASE {name} OWNER TO plain")
            for _ in range(2):
                with speaking_redshift(server, name, options="-c role=plain") as connection:
                    assert value(connection, "ROUND(CAST(1.25 AS FLOAT), 1)") == 1.3
                    with pytest.raises(errors.UndefinedFunction, match="stand-in may be at fault"):
                        run(connection, comparison)
            for options in ("", "-c role=plain"):
                with speaking_redshift(server, name, options=options) as connection:
                    assert run(connection, comparison) == [(1,)]
    finally:
        administrate(server, "DROP ROLE plain")


def test_the_error_of_a_translated_statement_keeps_class_and_code_and_shows_no_string(connection):
    with pytest.raises(errors.SyntaxError) as refusal:
        run(connection, "CREATE USER someone PASSWORD 'Canary1' 'Canary1' -- Canary1")
    assert refusal.value.pgcode == "42601"
    assert "PostgreSQL was sent: CREATE USER someone PASSWORD '…' '…'" in str(refusal.value)
    assert "Canary1" not in str(refusal.value) + str(refusal.value.pgerror)
    assert refusal.value.__cause__ is None and refusal.value.__suppress_context__


@pytest.mark.parametrize("autocommit", [False, True])
def test_a_lateral_alias_leaves_the_transaction_as_it_was(connection, autocommit):
    run(connection, "CREATE TABLE t (a INT, c VARCHAR(9))")
    connection.commit()
    connection.autocommit = autocommit
    run(connection, "BEGIN; INSERT INTO t (a) VALUES (1)")
    assert run(connection, "SELECT a AS x, x + 1 FROM t") == [(1, 2)]
    run(connection, "ROLLBACK")
    assert run(connection, "SELECT COUNT(*) AS n, n + 1 FROM t") == [(0, 1)]


def test_a_named_cursor_reads_on(connection):
    run(connection, "CREATE TABLE t (a INT, c VARCHAR(9))")
    with connection.cursor("named") as cursor:
        cursor.execute("SELECT a AS x FROM t WHERE a = 1 ORDER BY x")
        assert cursor.fetchall() == []


@pytest.mark.parametrize("sql, code", [
    ("SELECT nothing FROM t", "42703"), ("SELECT a FROM nowhere", "42P01"), ("SELECT 1 / 0", "22012"),
    ("SELECT a, COUNT(*) FROM t", "42803"), ("INSERT INTO t (a) SELECT c FROM t", "42804"),
    ("INSERT INTO t (a) VALUES ('x')", "22P02"),
])
def test_an_error_that_redshift_words_alike_stays_plain(connection, sql, code):
    run(connection, "CREATE TABLE t (a INT, c VARCHAR(9))")
    with pytest.raises(psycopg2.Error) as refusal:
        run(connection, sql)
    assert refusal.value.pgcode == code and refusal.value.diag.sqlstate == code
    assert "Redshift" not in str(refusal.value)
