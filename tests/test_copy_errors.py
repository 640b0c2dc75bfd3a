"""What a COPY leaves behind when rows or all of it fail, and fuzz."""

import io
import json
import random
import time
import tracemalloc
import uuid
from contextlib import closing, suppress

import psycopg2
import pytest
from support.loading import LAST_COPY, Copies, document, numbers

from warehouse.standin.copy import files, rows


def test_e1_a_row_that_cannot_be_loaded_fails_them_all(copies):
    with pytest.raises(psycopg2.errors.InternalError_) as caught:
        copies.load("i INT", document(1) + '{"i":"x"}\n' + document(3))
    assert caught.value.diag.message_primary == (
        f"Load into table '{copies.table}' failed.  "
        "Check 'sys_load_error_detail' system table for details.")
    assert copies.rows() == []


def test_e2_a_copy_is_undone_by_rollback(copies):
    copies.create("i INT")
    copies.connection.autocommit = False
    copies.copy(copies.write("a", document(1)))
    copies.connection.rollback()
    assert numbers(copies) == []


@pytest.mark.parametrize("statement", [
    pytest.param("COPY {t} FROM '{bad}' IAM_ROLE default JSON", id="E3-data"),
    pytest.param("COPY {t} FROM '{bad}' IAM_ROLE default JSON NOLOAD", id="E7-noload"),
    pytest.param("COPY {t} FROM '{bad}' IAM_ROLE default JSON GZIPP", id="E3-syntax"),
    pytest.param("COPY {t} FROM '{bad}' IAM_ROLE default CSV", id="E3-format"),
    pytest.param("COPY {t} FROM '{bad}x' IAM_ROLE default JSON", id="E3-file"),
    pytest.param("COPY {t} (j) FROM '{bad}' IAM_ROLE default JSON", id="E3-column"),
    pytest.param("COPY nowhere FROM '{bad}' IAM_ROLE default JSON", id="E4"),
])
@pytest.mark.parametrize("how", ["autocommit", "block", "BEGIN"])
def test_a_failed_copy_fails_its_transaction_and_nothing_else(copies, statement, how):
    copies.create("i INT")
    sql = statement.format(t=copies.table, bad=copies.write("bad", '{"i":"x"}'))
    if how == "block":
        copies.connection.autocommit = False
    elif how == "BEGIN":
        copies.execute("BEGIN")
    copies.execute(f"INSERT INTO {copies.table} VALUES (0)")
    with pytest.raises(psycopg2.Error):
        copies.execute(sql)
    if how != "autocommit":
        with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
            copies.query("SELECT 1")
        with pytest.raises(psycopg2.errors.InFailedSqlTransaction):
            copies.execute(sql.replace("GZIPP", "").replace(" CSV", " JSON"))
        copies.execute("ROLLBACK")
    assert numbers(copies) == ([0] if how == "autocommit" else [])


def test_e4_a_table_that_is_missing_has_its_own_code(copies):
    with pytest.raises(psycopg2.errors.UndefinedTable):
        copies.execute(f"COPY nowhere FROM '{copies.write('a', '')}' IAM_ROLE default JSON")


def test_a_copy_in_a_block_leaves_the_block_as_it_was(copies):
    copies.create("i INT")
    copies.connection.autocommit = False
    copies.execute(f"INSERT INTO {copies.table} VALUES (0)")
    copies.copy(copies.write("a", document(1)))
    copies.connection.commit()
    assert numbers(copies) == [0, 1]


def test_e5_a_file_that_vanishes_half_way_fails_the_load_once(copies, put, bucket, monkeypatch):
    monkeypatch.setattr(files, "SMALL", -1)  # none is fetched before its turn
    root = put({"a": document(1), "b": document(2)})
    copies.on_progress = lambda done, total: bucket.Object("b").delete()
    copies.create("i INT")
    with pytest.raises(psycopg2.errors.InternalError_, match="S3ServiceException.*/b.*NoSuchKey"):
        copies.copy(root)
    assert numbers(copies) == []
    assert copies.query(
        "SELECT status, loaded_rows, error_count FROM sys_load_history"
        f" WHERE {LAST_COPY}") == [("aborted", 0, 0)]


class Interrupted(BaseException):
    """What a signal handler raises."""


@pytest.mark.parametrize("options", ["JSON", "JSON NOLOAD"])
@pytest.mark.parametrize("autocommit", [True, False])
def test_an_interrupt_passes_through_unchanged(copies, options, autocommit):
    interrupt = Interrupted("now")

    def on_progress(done, total):
        raise interrupt

    copies.on_progress = on_progress
    copies.create("i INT")
    copies.connection.autocommit = autocommit
    with pytest.raises(Interrupted) as caught:
        copies.copy(copies.write("a", document(1)), options)
    assert caught.value is interrupt
    copies.connection.rollback()
    assert numbers(copies) == []


def test_progress_is_told_in_bytes(copies):
    told = []
    copies.on_progress = lambda done, total: told.append((done, total))
    copies.load("i INT", document(1) * 100_000)
    assert told[-1] == (800_000, 800_000) and len(told) > 3


@pytest.mark.parametrize("maxerror, wrong, fails", [
    (None, 1, True), (0, 1, True), (1, 1, True), (2, 1, False), (2, 2, True), (3, 2, False),
    (100_000, 50, False),
], ids=lambda value: f"E6 {value}")
def test_a_load_fails_at_maxerror_errors(copies, maxerror, wrong, fails):
    content = "".join(document(i) if i >= wrong else '{"i":"x"}\n' for i in range(wrong + 3))
    options = "" if maxerror is None else f"MAXERROR {maxerror}"
    if fails:
        with pytest.raises(psycopg2.errors.InternalError_):
            copies.load("i INT", content, options)
        assert len(copies.errors()) == max(1, maxerror or 0)
    else:
        assert copies.load("i INT", content, options) == [(i,) for i in range(wrong, wrong + 3)]
        assert copies.errors() == [(i + 1, "i", 1207) for i in range(wrong)]


def test_e6_errors_are_counted_over_all_files_and_listed_in_their_order(copies):
    for name in "abc":
        copies.write(f"d/{name}", '{"i":"x"}\n{"i":}\n' + document(7))
    copies.create("i INT")
    copies.copy(f"{copies.folder}/d/", "JSON MAXERROR 7")
    assert numbers(copies) == [7, 7, 7]
    assert copies.errors("TRIM(file_name), line_number") == [
        (f"{copies.folder}/d/{name}", line) for name in "abc" for line in (1, 2)]
    with pytest.raises(psycopg2.errors.InternalError_):
        copies.copy(f"{copies.folder}/d/", "JSON MAXERROR 6")


def test_e7_ignoreallerrors_has_no_limit(copies):
    assert copies.load("i INT", '{"i":"x"}\n' * 100_001 + document(1), "IGNOREALLERRORS") == [(1,)]
    assert copies.query("SELECT error_count FROM sys_load_history"
                        f" WHERE {LAST_COPY}") == [(100_001,)]


def test_e7_noload_checks_and_loads_nothing(copies):
    assert copies.load("i INT", document(1), "NOLOAD") == []
    assert copies.query("SELECT pg_last_copy_count()") == [(0,)]


def test_rejected_rows_take_no_memory(copies):
    content = ('{"i":"' + "x" * 900 + '"}\n') * 12_000
    path = copies.write("a", content)
    del content
    copies.create("i INT")
    tracemalloc.start()
    try:
        copies.copy(path, "JSON MAXERROR 100000")
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert copies.query("SELECT COUNT(*) FROM sys_load_error_detail"
                        f" WHERE {LAST_COPY}") == [(12_000,)]


# What the system tables and the session know afterwards.


def of_last_copy(copies, columns: str) -> list[tuple]:
    """What the stand-in knows of the rows that the last COPY rejected."""
    return copies.plain(f"SELECT {columns} FROM standin.load_error"
                        " WHERE copy_id = (SELECT MAX(copy_id) FROM standin.load) ORDER BY n")


def test_stl_load_errors_tells_of_json_what_redshift_tells(copies):
    """A blank and a zero for the value, and the text from the document on."""
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
    assert of_last_copy(copies, "position, value") == [(1, "1é")]  # which the toolkit does not read


@pytest.mark.parametrize("kind, value, length", [
    ("VARCHAR(3)", '"long"', "3"), ("CHAR(2)", '"long"', "2"), ("DECIMAL(8,2)", '"x"', "8, 2"),
    ("DECIMAL(18,0)", '"x"', "18, 0"), ("BIGINT", '"x"', "0"), ("TIMESTAMP", '"x"', "0"),
])
def test_the_type_and_length_of_the_column_are_told(copies, kind, value, length):
    with pytest.raises(psycopg2.errors.InternalError_):
        copies.load(f"v {kind}", f'{{"v":{value}}}')
    name = {"VARCHAR(3)": "varchar", "CHAR(2)": "char", "BIGINT": "int8",
            "TIMESTAMP": "timestamp"}.get(kind, "numeric")
    assert copies.errors("TRIM(column_type), TRIM(column_length)") == [(name, length)]


def test_text_that_no_column_can_hold_is_shown_escaped(copies):
    with pytest.raises(psycopg2.errors.InternalError_):
        copies.load("v VARCHAR(9)", b'{"v":"a\\u0000\xff\\\\t\\ud800"}')
    assert of_last_copy(copies, "value") == [(r"a\x00\udcff\t\ud800",)]


def test_replaced_characters_are_listed(copies):
    """One line for a row, with the first column that needed it; a hundred at most."""
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


def test_the_views_tell_session_transaction_user_and_table(copies):
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


def test_a_user_sees_what_became_of_his_own_copies_and_a_superuser_of_all(copies):
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
    """Copies on a connection made after the views of its database were made a second late."""
    database = copies.connection.info.dbname
    copies.plain(f"ALTER DATABASE {database} SET standin.views_late = '1s'")
    try:
        late = Copies(copies.connect, copies.folder)
        with closing(late.connection):
            yield late
    finally:
        copies.plain(f"ALTER DATABASE {database} RESET standin.views_late")


def test_the_views_may_tell_late(late):
    """As on Redshift, whose system views have another consistency than tables."""
    tables = ("sys_load_history", "sys_load_error_detail", "stl_load_errors", "stl_load_commits",
              "sys_load_detail")

    def counts() -> list[int]:
        return [late.query(f"SELECT COUNT(*) FROM {table}")[0][0] for table in tables]

    time.sleep(1)  # until all is told of the COPYs of other tests
    before = counts()
    late.load("i INT", document(1) + '{"i":"x"}', "MAXERROR 2")
    ended = time.monotonic()
    assert counts() == before
    assert late.query("SELECT pg_last_copy_count()") == [(1,)]  # the session knows at once
    while counts() != [count + 1 for count in before]:
        assert time.monotonic() < ended + 5
        time.sleep(0.05)
    assert time.monotonic() > ended + 0.7


def test_redshifts_notices_are_the_connections(copies):
    del copies.connection.notices[:]
    copies.load("i INT", document(1) * 2 + '{"i":"x"}\n', "MAXERROR 2")
    assert copies.connection.notices == [
        f"INFO:  Load into table '{copies.table}' completed, 2 record(s) loaded successfully.\n",
        f"INFO:  Load into table '{copies.table}' completed, 1 record(s) could not be loaded.  "
        "Check 'sys_load_error_detail' system table for details.\n",
    ]


def test_p14_a_plain_connection_is_not_affected(copies):
    copies.create("i INT")
    other = copies.connect()
    with other.cursor() as cursor:
        with pytest.raises(psycopg2.errors.SyntaxError):
            cursor.execute(f"COPY {copies.table} FROM 's3://b/k' IAM_ROLE default JSON")
        other.rollback()
        cursor.copy_expert(f"COPY {copies.table} FROM STDIN", io.StringIO("7\n"))
    other.commit()
    other.close()
    assert numbers(copies) == [7]


def test_secrets_are_nowhere_in_the_database(copies):
    copies.create("i INT")
    path = copies.write("a", document(1))
    for text in ("JSON 'auto'", "CSV", "JSON MAXERROR x"):
        sql = (f"COPY {copies.table} FROM '{path}'"
               f" CREDENTIALS 'aws_access_key_id=AKIA;aws_secret_access_key=hush' {text}")
        try:
            copies.execute(sql)
        except psycopg2.Error as error:
            assert "hush" not in str(error)
    other = copies.connect()
    with other.cursor() as cursor:
        cursor.execute("SELECT STRING_AGG(CAST(l.* AS text), ' ') FROM standin.load l")
        assert "hush" not in cursor.fetchone()[0]
        cursor.execute("SELECT COUNT(*) FROM pg_stat_activity"
                       " WHERE query LIKE '%%hush%%' AND pid <> %s", (other.info.backend_pid,))
        assert cursor.fetchone() == (0,)
    other.close()


# Fuzz.

FIELDS = "artist VARCHAR(60), n INT, length DECIMAL(9,5), ts BIGINT, at TIMESTAMP, ok BOOLEAN"


def log_line(i: int) -> str:
    return json.dumps({
        "artist": f"Ärtist {i}", "n": i, "length": i + 0.12345, "ts": 1541030415796 + i,
        "at": "2018-11-01 10:00:00", "ok": bool(i % 2), "more": {"list": [i, None]},
    })


@pytest.mark.parametrize("seed", range(25))
def test_bytes_at_random_cost_only_the_lines_they_hit(copies, seed, monkeypatch):
    chance = random.Random(seed)
    monkeypatch.setattr(rows, "CHUNK", chance.choice((50, 1000, 128 * 1024)))
    good = [log_line(i).encode() + b"\n" for i in range(300)]
    data, lost = list(good), set()
    for _ in range(chance.randrange(1, 40)):
        i = chance.randrange(300)
        line = bytearray(data[i])
        at = chance.randrange(len(line))
        noise = bytes(chance.choices(range(256), k=chance.randrange(3)))
        line[at : at + chance.randrange(2)] = noise
        data[i] = bytes(line)
        lost |= {i} if line.endswith(b"\n") else {i, i + 1}
    try:
        copies.load(FIELDS, b"".join(data), "ROUNDEC MAXERROR 100000")
    except psycopg2.Error:
        pytest.fail("fewer than 100000 errors failed the load")
    loaded = copies.rows()
    assert {i for i in range(300) if i not in lost} <= {row[1] for row in loaded}
    assert len(loaded) <= 300 + len(lost)
    untouched = [row for row in loaded if row[1] in set(range(300)) - lost]
    assert {row[0] for row in untouched} >= {f"Ärtist {i}" for i in set(range(300)) - lost}


@pytest.mark.parametrize("seed", range(15))
def test_noise_raises_nothing_but_errors_of_psycopg2(copies, seed):
    chance = random.Random(seed)
    alphabet = b'{}[]",:\\ue0 \n\x00\xff\xc3-.tnfalse'
    for _ in range(4):
        data = bytes(chance.choices(alphabet, k=chance.randrange(4000)))
        how = chance.choice(("", "GZIP", "BZIP2", "IGNOREALLERRORS", "MAXERROR 100000 TRIMBLANKS",
                             "ACCEPTINVCHARS IGNOREALLERRORS IGNOREHEADER 3"))
        try:
            copies.load(FIELDS, data, how)
        except psycopg2.Error:
            pass
        assert copies.query(f"SELECT COUNT(*) <= {data.count(b'}') + data.count(b']')}"
                            f" FROM {copies.table}") == [(True,)]
