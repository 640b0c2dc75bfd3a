"""What the system tables and the session show after a COPY, as on Redshift."""

import time
import uuid
from contextlib import closing, suppress

import psycopg2
import pytest
from support.loading import LAST_COPY, Copies, document


def query_last_copy(copies, columns: str) -> list[tuple]:
    """Return what the stand-in recorded about the rows that the last COPY rejected."""
    return copies.plain(f"SELECT {columns} FROM standin.load_error"
                        " WHERE copy_id = (SELECT MAX(copy_id) FROM standin.load) ORDER BY n")


def test_stl_load_errors_shows_of_json_what_redshift_shows(copies):
    """The value is blank, its position is 0, and raw_line starts at the document."""
    content = '{"i":1}\n{"i":"1é","x":\n[1]}\n{"i":2}\n'
    with pytest.raises(psycopg2.errors.InternalError_):
        copies.load("i INT, t VARCHAR(20)", content)
    copies.cursor.execute("SELECT * FROM stl_load_errors WHERE query = pg_last_copy_id()")
    names = [column.name for column in copies.cursor.description]
    assert names == (
        "userid slice tbl starttime session query filename line_number colname type col_length"
        " position raw_line raw_field_value err_code err_reason is_partial start_offset copy_job_id"
    ).split()
    found = {name: value.rstrip() if isinstance(value, str) else value
             for name, value in zip(names, copies.cursor.fetchone(), strict=True)}
    oid, = copies.query(f"SELECT CAST(CAST('{copies.table}' AS regclass) AS oid)")
    assert (found["tbl"],) == oid and found["session"] == copies.connection.info.backend_pid
    expected = dict(line_number=3, colname="i", type="int4", col_length="0", position=0,
                    err_code=1207, raw_line='{"i":"1.","x":\n[1]}\n{"i":2}', raw_field_value="",
                    err_reason="Invalid digit, Value 'é', Pos 1, Type: Integer", copy_job_id=0)
    assert {name: found[name] for name in expected} == expected
    assert query_last_copy(copies, "position, value") == [(1, "1é")]  # not read by the toolkit


@pytest.mark.parametrize("kind, value, length", [
    ("VARCHAR(3)", '"long"', "3"), ("CHAR(2)", '"long"', "2"), ("DECIMAL(8,2)", '"x"', "8, 2"),
    ("DECIMAL(18,0)", '"x"', "18, 0"), ("BIGINT", '"x"', "0"), ("TIMESTAMP", '"x"', "0"),
])
def test_the_type_and_length_of_the_column_are_shown(copies, kind, value, length):
    with pytest.raises(psycopg2.errors.InternalError_):
        copies.load(f"v {kind}", f'{{"v":{value}}}')
    name = {"VARCHAR(3)": "varchar", "CHAR(2)": "char", "BIGINT": "int8",
            "TIMESTAMP": "timestamp"}.get(kind, "numeric")
    assert copies.errors("TRIM(column_type), TRIM(column_length)") == [(name, length)]


def test_text_that_no_column_can_hold_is_shown_escaped(copies):
    with pytest.raises(psycopg2.errors.InternalError_):
        copies.load("v VARCHAR(9)", b'{"v":"a\\u0000\xff\\\\t\\ud800"}')
    assert query_last_copy(copies, "value") == [(r"a\x00\udcff\t\ud800",)]


def test_replaced_characters_are_listed(copies):
    """There is one line per row, about the first such column, and at most a hundred lines."""
    content = b'{"v":"ok"}\n{"v":"a\xff","w":"b\xff"}\n' + b'{"w":"\xff"}\n' * 120
    copies.fill("v VARCHAR(9), w VARCHAR(9)", content, "ACCEPTINVCHARS AS '^'")
    assert copies.rows()[1:3] == [("a^", "b^"), (None, "^")]
    listed = copies.query("SELECT line_number, TRIM(colname), TRIM(raw_line) FROM stl_replacements"
                          " WHERE query = pg_last_copy_id() AND session = pg_backend_pid()")
    assert listed[:2] == [(2, "v", '{"v":"a.","w":"b."}'), (3, "w", '{"w":"."}')]
    assert len(listed) == 100
    copies.fill("v VARCHAR(9)", b'{"v":"a"}', "ACCEPTINVCHARS")
    assert copies.query(
        "SELECT COUNT(*) FROM stl_replacements WHERE query = pg_last_copy_id()") == [(0,)]


def test_errors_are_there_after_rollback_and_seen_by_others(copies):
    copies.create("i INT")
    copies.connection.autocommit = False
    with pytest.raises(psycopg2.errors.InternalError_):
        copies.copy(copies.write("a", '{"i":"x"}'))
    copies.connection.rollback()
    assert copies.errors() == [(1, "i", 1207)]
    other = copies.connect()
    with other.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM standin.load_error")
        assert cursor.fetchone() > (0,)
        cursor.execute("SELECT standin.pg_last_copy_id(), standin.pg_last_copy_count()")
        assert cursor.fetchone() == (-1, 0)  # the other session made no COPY
    other.close()


def test_the_history_has_a_row_for_each_copy_and_each_file(copies):
    for name, content in (("a", document(1)), ("b", '{"i":"x"}\n' + document(2) + "\n")):
        copies.write(f"d/{name}", content)
    copies.create("i INT")
    copies.copy(f"{copies.folder}/d/", "JSON MAXERROR 2")
    where = f"WHERE {LAST_COPY}"
    assert copies.query(
        "SELECT status, table_name, data_source, file_format, loaded_rows, source_file_count,"
        f" source_file_bytes, error_count, end_time >= start_time FROM sys_load_history {where}"
    ) == [("completed", copies.table, f"{copies.folder}/d/", "JSON", 2, 2, 27, 1, True)]
    view = "standin.sys_load_detail"
    files = [(f"{copies.folder}/d/a", 8, 1), (f"{copies.folder}/d/b", 19, 3)]
    with copies.connect() as other, other.cursor() as cursor:
        cursor.execute(f"SELECT TRIM(file_name), bytes_scanned, lines_scanned FROM {view}"
                       " WHERE query_id = (SELECT MAX(query_id) FROM standin.load) ORDER BY 1")
        assert cursor.fetchall() == files
        cursor.execute("SELECT TRIM(filename), lines_scanned, errors FROM standin.stl_load_commits"
                       " WHERE query = (SELECT MAX(copy_id) FROM standin.load) ORDER BY 1")
        assert cursor.fetchall() == [(files[0][0], 1, 0), (files[1][0], 3, 1)]
    other.close()


def test_the_session_knows_its_last_copy(copies):
    last = "SELECT pg_last_copy_id(), pg_last_copy_count()"
    copies.load("i INT", document(1) * 3)
    first, count = copies.query(last)[0]
    assert count == 3
    with pytest.raises(psycopg2.Error):
        copies.copy("/nowhere")
    assert copies.query(last) == [(first, 3)]  # it failed before the load began
    copies.connection.autocommit = False
    with pytest.raises(psycopg2.Error):
        copies.copy(copies.write("bad", '{"i":"x"}'))
    copies.connection.rollback()
    (failed, count), = copies.query(last)
    assert failed > first and count == 0
    copies.copy(copies.write("good", document(1)))
    assert copies.query(last)[0][1] == 1
    copies.connection.rollback()
    assert copies.query(last) == [(failed, 0)]  # a COPY that is rolled back does not count


def test_the_sys_views_know_a_copy_by_another_number_than_the_stl_tables(copies):
    for wrong in (False, True):
        with suppress(psycopg2.Error):
            copies.load("i INT", '{"i":"x"}\n' if wrong else document(1) + '{"i":"x"}\n', "MAXERROR 2"
                        if not wrong else "")
        last = copies.query("SELECT pg_last_copy_id()")
        for table, column in (("stl_load_errors", "query"), ("sys_load_error_detail", "query_id"),
                              ("sys_load_history", "query_id"), ("sys_load_detail", "query_id"),
                              ("stl_load_commits", "query")):
            found = copies.query(f"SELECT MAX({column}) FROM {table}")
            assert (found == last) == table.startswith("stl_"), table
            assert bool(copies.query(f"SELECT * FROM {table} WHERE {column} = pg_last_copy_id()")
                        ) == table.startswith("stl_"), table


def test_the_views_name_session_transaction_user_and_table(copies):
    copies.create("i INT")
    path = copies.write("a", document(1) + '{"i":"x"}\n')
    copies.connection.autocommit = False
    session = copies.connection.info.backend_pid
    (before,), = copies.query("SELECT GETDATE()")
    copies.copy(path, "JSON MAXERROR 2")
    (transaction, user, table), = copies.plain(
        "SELECT a.backend_xid::text::bigint, usesysid, c.oid FROM pg_stat_activity a, pg_class c"
        f" WHERE pid = {session} AND relname = '{copies.table}'")
    copies.connection.commit()
    for view, more in (("sys_load_history", f"'{copies.table}'"), ("sys_load_error_detail", "table_id")):
        (*ids, named, start), = copies.query(
            f"SELECT session_id, transaction_id, user_id, {more}, start_time FROM {view}"
            f" WHERE {LAST_COPY}")
        assert ids == [session, transaction, user] and named in (table, copies.table)
        assert start >= before
    assert copies.query("SELECT session, userid, tbl, starttime FROM stl_load_errors"
                        " WHERE query = pg_last_copy_id()") == [(session, user, table, start)]


def test_a_user_sees_the_outcome_of_his_own_copies_and_a_superuser_of_all(copies):
    with pytest.raises(psycopg2.Error):
        copies.load("i INT", '{"i":"x"}')
    name = f"user_{uuid.uuid4().hex[:8]}"
    copies.plain(f"CREATE ROLE {name}; GRANT INSERT ON {copies.table} TO {name}")
    seen = "SELECT COUNT(*), COUNT(DISTINCT user_id) FROM sys_load_error_detail"
    others = copies.query(seen)
    untranslated = psycopg2.extensions.cursor(copies.connection)
    try:
        untranslated.execute(f"SET ROLE {name}")
        assert copies.query(seen) == [(0, 0)]
        with pytest.raises(psycopg2.errors.InternalError_):
            copies.copy(copies.write("bad", '{"i":"x"}'))
        assert copies.query(seen) == [(1, 1)]
    finally:
        untranslated.execute("RESET ROLE")
        copies.plain(f"DROP OWNED BY {name}; DROP ROLE {name}")
    assert others > [(0, 0)]


@pytest.fixture
def late(copies):
    """Copies on a new connection to a database whose views are a second late."""
    database = copies.connection.info.dbname
    copies.plain(f"ALTER DATABASE {database} SET standin.views_late = '1s'")
    try:
        late = Copies(copies.connect, copies.folder)
        with closing(late.connection):
            yield late
    finally:
        copies.plain(f"ALTER DATABASE {database} RESET standin.views_late")


def test_the_views_may_be_late(late):
    """On Redshift, system views are not consistent with the tables at once."""
    tables = ("sys_load_history", "sys_load_error_detail", "stl_load_errors", "stl_load_commits",
              "sys_load_detail")

    def counts() -> list[int]:
        return [late.query(f"SELECT COUNT(*) FROM {table}")[0][0] for table in tables]

    time.sleep(1)  # until the views show the COPYs of other tests
    before = counts()
    late.load("i INT", document(1) + '{"i":"x"}', "MAXERROR 2")
    ended = time.monotonic()
    assert counts() == before
    assert late.query("SELECT pg_last_copy_count()") == [(1,)]  # the session knows at once
    while counts() != [count + 1 for count in before]:
        assert time.monotonic() < ended + 5
        time.sleep(0.05)
    assert time.monotonic() > ended + 0.7


def test_a_connection_has_redshifts_notices(copies):
    del copies.connection.notices[:]
    copies.load("i INT", document(1) * 2 + '{"i":"x"}\n', "MAXERROR 2")
    assert copies.connection.notices == [
        f"INFO:  Load into table '{copies.table}' completed, 2 record(s) loaded successfully.\n",
        f"INFO:  Load into table '{copies.table}' completed, 1 record(s) could not be loaded.  "
        "Check 'sys_load_error_detail' system table for details.\n",
    ]
