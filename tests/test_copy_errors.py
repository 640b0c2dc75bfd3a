"""What remains of a COPY if some of its rows fail or all of it does, and fuzz."""

import io
import json
import random
import tracemalloc

import psycopg2
import pytest
from support.loading import LAST_COPY, document, numbers

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
    monkeypatch.setattr(files, "SMALL", -1)  # no object is fetched ahead
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
    """The exception of a signal handler."""


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


def test_progress_is_reported_in_bytes(copies):
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
    bad = '{"i":"x"} ' * 100_001  # in one line: a row shows what follows it, and line ends take time
    assert copies.load("i INT", bad + document(1), "IGNOREALLERRORS") == [(1,)]
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


def make_line(i: int) -> str:
    return json.dumps({
        "artist": f"Ärtist {i}", "n": i, "length": i + 0.12345, "ts": 1541030415796 + i,
        "at": "2018-11-01 10:00:00", "ok": bool(i % 2), "more": {"list": [i, None]},
    })


@pytest.mark.parametrize("seed", range(25))
def test_bytes_at_random_cost_only_the_lines_they_hit(copies, seed, monkeypatch):
    chance = random.Random(seed)
    monkeypatch.setattr(rows, "CHUNK", chance.choice((50, 1000, 128 * 1024)))
    good = [make_line(i).encode() + b"\n" for i in range(300)]
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
