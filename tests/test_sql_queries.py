"""The statements: rules that each keeps, keys that hold where enforced, checks that can fail."""

import ast
import json
import re
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import psycopg2
import pytest
from conftest import ROOT, STAR, new_database
from every_statement import (
    ASKERS, EVERY_STATEMENT, IN_THE_FILE, NAMED, OF_ONE_LINE, RUN_ORDERS, named_in,
)
from loading import copies_on
from psycopg2 import extensions, extras

import etl
import sql_queries
from warehouse import DataError, command, statements
from warehouse.standin import copy_statement, dialect
from warehouse.standin.tokens import first_word, tokenize
from warehouse.tables import declared_columns

SAMPLE = ROOT / "tests/data"

ONE_BY_ONE = {
    "etl_lock_create", "etl_lock_fill", "etl_lock_take", "etl_lock_count", "last_copy",
    "songplays_matched",
}
VALUES = {
    "log_data": "s3://bucket/log_data/",
    "log_jsonpath": "auto ignorecase",
    "song_data": "s3://bucket/song_data/",
    "iam_role": extensions.AsIs("default"),
    "region": "us-west-2",
    "maxerror": 1,
    "staging_events_manifest": "s3://bucket/events.manifest",
    "staging_songs_manifest": "s3://bucket/songs.manifest",
    "loaded_files": "s3://bucket/loaded_files.json",
    "staging_events_rows": 0,
    "staging_songs_rows": 0,
    "copies": (1, 2),
    "copy_id": None,
    "table": "users",
    "top": 10,
}
IN_ORDER = list(IN_THE_FILE.values())
CREATES = {statements.subject_of(sql): sql for sql in sql_queries.create_table_queries}

every_statement = pytest.mark.parametrize("sql", EVERY_STATEMENT.values(), ids=EVERY_STATEMENT)


# -------------------------------------------------------------------------------------------- rules

def code_of(sql: str) -> str:
    """The statement without comments, its texts empty."""
    return re.sub(r"'(?:[^']|'')*'", "''", re.sub(r"--.*", "", sql))


def unknown_placeholders(sql: str) -> list[str]:
    return [name for name in re.findall(r"%\((\w+)\)s", sql) if name not in VALUES]


def lone_percents(sql: str) -> list[str]:
    return re.findall("%", re.sub(r"%\(\w+\)s", "", sql))


def words_not_used_here(sql: str) -> list[str]:
    return re.findall(
        r"\bTRUNCATE\b|\bMERGE\b|SELECT\s+(?:\w+\.)?\*|\bON\s+CONFLICT\b|\bRETURNING\b"
        r"|\bSAVEPOINT\b|\bDISTINCT\s+ON\b|\bCASCADE\b|\bIDENTITY\b",
        code_of(sql), re.IGNORECASE)


def types_without_a_size(sql: str) -> list[str]:
    if "CREATE TABLE" not in sql:
        return []
    return re.findall(
        r"\b(?:VARCHAR|CHAR)\b(?!\s*\(\d+\))|\b(?:NUMERIC|DECIMAL)\b(?!\s*\(\d+,\s*\d+\))|\bTEXT\b",
        code_of(sql), re.IGNORECASE)


def items(text: str) -> int:
    """How many expressions stand between the commas that are in no brackets."""
    while "(" in text:
        text = re.sub(r"\([^()]*\)", "", text)
    return text.count(",") + 1


def insert_counts(sql: str) -> tuple[int, int]:
    """How many columns an INSERT names, and how many its outermost SELECT gives."""
    named, rest = re.search(r"INSERT INTO \w+ \(([^)]*)\)(.*)", code_of(sql), re.DOTALL).groups()
    while "(" in rest:
        rest = re.sub(r"\([^()]*\)", "", rest)
    selected = re.search(r"\bSELECT\s+(?:DISTINCT\b)?(.*?)(?:\bFROM\b|\bWHERE\b)", rest, re.DOTALL)
    return items(named), items(selected[1])


def unequal_insert(sql: str) -> list[tuple[int, int]]:
    if "INSERT INTO" not in sql:
        return []
    named, selected = insert_counts(sql)
    return [] if named == selected else [(named, selected)]


RULES = (unknown_placeholders, lone_percents, words_not_used_here, types_without_a_size,
         unequal_insert)


@every_statement
def test_a_statement_keeps_every_rule(sql):
    assert {rule.__name__: rule(sql) for rule in RULES if rule(sql)} == {}


@pytest.mark.parametrize("rule, sql", [
    (unknown_placeholders, "SELECT %(nobody)s"),
    (lone_percents, "SELECT 1 WHERE song LIKE '100%'"),
    (words_not_used_here, "TRUNCATE songs"),
    (words_not_used_here, "MERGE INTO songs USING staging_songs"),
    (words_not_used_here, "SELECT *\nFROM songs"),
    (words_not_used_here, "SELECT songs.* FROM songs"),
    (words_not_used_here, "INSERT INTO t (a) SELECT 1 ON CONFLICT DO NOTHING"),
    (words_not_used_here, "DELETE FROM t RETURNING a"),
    (words_not_used_here, "SELECT DISTINCT ON (a) a FROM t"),
    (words_not_used_here, "DROP TABLE t CASCADE"),
    (types_without_a_size, "CREATE TABLE t (a VARCHAR)"),
    (types_without_a_size, "CREATE TABLE t (a TEXT)"),
    (types_without_a_size, "CREATE TABLE t (a NUMERIC)"),
    (types_without_a_size, "CREATE TABLE t (a NUMERIC(9))"),
    (unequal_insert, "INSERT INTO t (a, b)\nWITH x AS (SELECT 1, 2) SELECT f(a, b) FROM x"),
    (unequal_insert, "INSERT INTO t (a) SELECT DISTINCT a, b FROM x"),
])
def test_a_rule_notices_who_breaks_it(rule, sql):
    assert rule(sql)


@pytest.mark.parametrize("sql", NAMED.values(), ids=NAMED)
def test_the_first_line_is_a_name_and_a_purpose(sql):
    assert re.fullmatch(r"-- [a-z]\w*( [a-z]\w*)*: [a-zA-Z]\S*( \S+)*", sql.splitlines()[0])
    assert sql.endswith("\n") and not sql.endswith("\n\n")
    assert statements.purpose_of(sql)
    assert ";" not in code_of(sql)


@pytest.mark.parametrize("sql", OF_ONE_LINE)
def test_a_statement_of_one_line_is_its_own_name(sql):
    assert re.fullmatch(r"(DROP (TABLE|VIEW) IF EXISTS|DELETE FROM|ANALYZE) [a-z_]+", sql)
    assert statements.name_of(sql) == sql
    assert statements.subject_of(sql) == sql.split()[-1]
    assert statements.purpose_of(sql) == ""


def test_a_name_stands_for_one_statement_except_for_a_copy_by_manifest_or_by_prefix():
    names = [statements.name_of(sql) for sql in EVERY_STATEMENT.values()]
    assert sorted(name for name in set(names) if names.count(name) > 1) == [
        "copy staging_events", "copy staging_songs"]
    assert sorted(names) == sorted([*set(names), "copy staging_events", "copy staging_songs"])


def test_every_statement_has_one_place_in_the_run_orders_or_is_used_by_itself():
    placed = [sql for order in RUN_ORDERS.values() for sql in order]
    ours = IN_THE_FILE | OF_ONE_LINE
    used = {name: placed.count(sql) + (name in ONE_BY_ONE) for name, sql in ours.items()}
    assert {name: times for name, times in used.items() if times != 1} == {}
    assert len(placed) + len(ONE_BY_ONE) == len(ours)


@pytest.mark.parametrize("module", ASKERS, ids=lambda module: module.__name__)
def test_a_statement_that_stands_beside_the_function_that_asks_is_asked_there(module):
    code = Path(module.__file__).read_text()
    assert named_in(module)
    assert [name for name in named_in(module) if len(re.findall(rf"\b{name}\b", code)) < 2] == []


def test_no_other_module_holds_a_statement():
    modules = (ROOT / "warehouse").glob("*.py")
    assert {file.stem for file in modules if re.search(r'^\w+ = """-- ', file.read_text(), re.M)} == {
        module.__name__.rpartition(".")[2] for module in ASKERS}


def test_the_run_orders_have_the_names_that_such_projects_use():
    assert {"drop_table_queries", "create_table_queries", "copy_table_queries",
            "insert_table_queries"} <= set(RUN_ORDERS)


def test_the_docstring_lists_the_parts_of_the_file_in_their_order():
    *parts, last = re.findall(r"^# -+ ([a-z ]+)$", (ROOT / "sql_queries.py").read_text(), re.MULTILINE)
    assert sql_queries.__doc__.splitlines()[0] == f"The SQL of the warehouse: {', '.join(parts)}."
    assert last == "run order"


def test_what_a_load_deletes_is_inserted_by_the_next_statement():
    deletes = list(map(IN_ORDER.index, sql_queries.delete_table_queries))
    inserts = list(map(IN_ORDER.index, sql_queries.insert_table_queries))
    assert [place + 1 for place in sorted(deletes)] == inserts


def test_sql_queries_is_data_and_nothing_else():
    _, *body = ast.parse((ROOT / "sql_queries.py").read_text()).body
    for node in body:
        assert isinstance(node, ast.Assign), f"line {node.lineno}"
        is_order = isinstance(node.value, ast.Tuple)
        for value in node.value.elts if is_order else [node.value]:
            is_text = isinstance(value, ast.Constant) and isinstance(value.value, str)
            assert is_text or (is_order and isinstance(value, ast.Name)), f"line {value.lineno}"


@pytest.mark.parametrize(
    "trial, prefix", list(zip(sql_queries.try_copy_queries,
                              (*sql_queries.copy_prefix_queries, sql_queries.loaded_files_copy))),
    ids=lambda sql: sql.partition("\n")[0])
def test_etl_check_tries_the_copy_of_a_load_with_noload(trial, prefix):
    assert trial.partition("\n")[2] == prefix.partition("\n")[2] + "NOLOAD\n"


@pytest.mark.parametrize(
    "sql", sql_queries.copy_table_queries + sql_queries.copy_prefix_queries,
    ids=lambda sql: sql.partition("\n")[0])
def test_a_copy_fills_every_column_of_its_table_but_loaded_at(sql):
    listed = re.search(r"\(([^)]*)\)", code_of(sql))[1]
    assert re.split(r"[,\s]+", listed.strip()) == [
        column for column in declared_columns(CREATES[statements.subject_of(sql)])
        if column != "loaded_at"]


def test_the_tables_are_emptied_and_dropped_in_the_same_order():
    assert [statements.subject_of(sql) for sql in sql_queries.empty_table_queries] == [
        statements.subject_of(sql) for sql in sql_queries.drop_table_queries]
    assert {statements.subject_of(sql) for sql in sql_queries.drop_table_queries} == set(CREATES)


@every_statement
def test_the_stand_in_accepts_the_statement(sql):
    bound = sql % {name: extensions.adapt(value).getquoted().decode()
                   for name, value in VALUES.items()}
    tokens = tokenize(bound)
    if first_word(tokens) == "copy":
        assert copy_statement.parsed(tokens)
    else:
        assert dialect.translate(tokens)
        assert not dialect.commits(tokens)


def test_the_stand_in_would_refuse_what_redshift_refuses():
    with pytest.raises(psycopg2.NotSupportedError):
        dialect.translate(tokenize("INSERT INTO users (user_id) SELECT 1 ON CONFLICT DO NOTHING"))


# -------------------------------------------------------------------------------- a load in process

def values_for(folder) -> dict[str, object]:
    """The sample, loaded by prefix, and a ledger of its files, written into the folder."""
    ledger = folder / "loaded_files.json"
    ledger.write_text("".join(
        json.dumps({"url": str(file), "etag": "1", "bytes": file.stat().st_size}) + "\n"
        for file in SAMPLE.rglob("*_data/**/*.json")))
    return VALUES | {
        "log_data": f"{SAMPLE}/log_data/",
        "log_jsonpath": f"{SAMPLE}/log_json_path.json",
        "song_data": f"{SAMPLE}/song_data/",
        "loaded_files": str(ledger),
    }


def load_sample(cursor, values) -> None:
    """What etl.py does between BEGIN and COMMIT, without the checks."""
    etl.run_all(cursor, values, sql_queries.create_table_queries)
    summary = command.Summary()
    etl.copy(cursor, values, [(sql, None) for sql in sql_queries.copy_prefix_queries], summary)
    etl.replace(cursor, values, summary)
    etl.run_all(cursor, values, sql_queries.record_queries)


@pytest.fixture(scope="module")
def sample_load(server, tmp_path_factory):
    """A load of the sample that is never committed: its cursor and the values of its SQL."""
    folder = tmp_path_factory.mktemp("sample_load")
    with copies_on(server, folder) as copies:
        copies.connection.autocommit = False
        values = values_for(folder)
        with copies.connection.cursor() as cursor:
            load_sample(cursor, values)
            yield SimpleNamespace(cursor=cursor, values=values, connection=copies.connection)
        copies.connection.rollback()


# --------------------------------------------------------------------------------------------- keys

def with_keys(sql: str) -> str:
    """A CREATE TABLE as PostgreSQL takes it, its keys kept."""
    kept = [line for line in sql.splitlines()
            if not re.match(r"(DISTSTYLE|DISTKEY|SORTKEY)\b", line)]
    return "\n".join(kept).replace("SYSDATE", "CURRENT_TIMESTAMP")


@pytest.fixture(scope="module")
def plain(server):
    """A plain connection to an empty database."""
    with new_database(server) as name, closing(
            psycopg2.connect(**server.connect_parameters(name))) as connection:
        yield connection


@pytest.fixture
def keyed(plain):
    """A cursor on plain PostgreSQL, with every table and its keys enforced."""
    with plain.cursor() as cursor:
        for sql in sql_queries.create_table_queries:
            cursor.execute(with_keys(sql))
        yield cursor
    plain.rollback()


def star_of(load) -> dict[str, list[tuple]]:
    rows = {}
    for table in STAR:
        columns = ", ".join(declared_columns(CREATES[table]))
        load.cursor.execute(f"SELECT {columns} FROM {table}")
        rows[table] = load.cursor.fetchall()
    return rows


def insert(cursor, table: str, rows: list[tuple]) -> None:
    extras.execute_values(cursor, f"INSERT INTO {table} VALUES %s", rows, page_size=1000)


def insert_star(cursor, star: dict[str, list[tuple]]) -> None:
    """In the order in which the tables are created, which is one that the keys allow."""
    for table in CREATES:
        if table in star:
            insert(cursor, table, star[table])


def test_the_tables_are_created_with_keys_and_dropped_without_cascade(keyed):
    constraints = "SELECT contype, COUNT(*) FROM pg_constraint WHERE contype IN ('p', 'f') AND" \
                  " connamespace = 'public'::regnamespace GROUP BY contype ORDER BY contype"
    keyed.execute(constraints)
    assert keyed.fetchall() == [("f", 5), ("p", 6)]
    for sql in sql_queries.drop_table_queries:
        keyed.execute(sql)
    keyed.execute("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'")
    assert keyed.fetchone() == (0,)


def test_dropping_in_the_order_of_creation_would_fail(keyed):
    with pytest.raises(psycopg2.errors.DependentObjectsStillExist):
        for sql in reversed(sql_queries.drop_table_queries):
            keyed.execute(sql)


def test_the_star_of_the_sample_keeps_the_keys_where_they_are_enforced(keyed, sample_load):
    star = star_of(sample_load)
    insert_star(keyed, star)
    for table in STAR:
        keyed.execute(f"SELECT COUNT(*) FROM {table}")
        assert keyed.fetchone() == (len(star[table]),)
        assert star[table]


@pytest.mark.parametrize("table", STAR)
def test_a_second_row_of_the_same_key_would_be_refused(keyed, sample_load, table):
    star = star_of(sample_load)
    insert_star(keyed, star)
    with pytest.raises(psycopg2.errors.UniqueViolation):
        insert(keyed, table, star[table][:1])


@pytest.mark.parametrize("table", [table for table in STAR if table != "songplays"])
def test_a_star_without_one_of_its_dimensions_would_be_refused(keyed, sample_load, table):
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        insert_star(keyed, star_of(sample_load) | {table: []})


# ------------------------------------------------------------------------------------------- checks

CHECKS = {statements.name_of(sql): sql for sql in (
    *sql_queries.check_staging_queries, *sql_queries.warn_staging_queries,
    *sql_queries.check_star_queries, *sql_queries.check_ledger_queries)}

A_SONG = "song_id = (SELECT MIN(song_id) FROM staging_songs)"
AN_EVENT = "ts = (SELECT MIN(ts) FROM staging_events)"
A_NEXT_SONG = "ts = (SELECT MIN(ts) FROM staging_events WHERE page = 'NextSong')"
A_PLAY = "songplay_id = (SELECT MIN(songplay_id) FROM songplays)"
A_MATCHED_PLAY = "songplay_id = (SELECT MIN(songplay_id) FROM songplays WHERE song_id IS NOT NULL)"
AN_UNMATCHED_PLAY = "songplay_id = (SELECT MIN(songplay_id) FROM songplays WHERE song_id IS NULL)"
A_USER = "user_id = (SELECT MIN(user_id) FROM users)"
A_PLAYER = "user_id = (SELECT MIN(user_id) FROM songplays)"
AN_ARTIST = "artist_id = (SELECT MIN(artist_id) FROM artists)"
AN_INSTANT = "start_time = (SELECT MIN(start_time) FROM time)"


def twice(table: str, row: str) -> str:
    """SQL that makes a row of a table a double."""
    return f"INSERT INTO {table} SELECT * FROM {table} WHERE {row}"


def without(table: str, row: str) -> str:
    return f"DELETE FROM {table} WHERE {row}"


def altered(table: str, change: str, row: str) -> str:
    return f"UPDATE {table} SET {change} WHERE {row}"


def one_more_play(**changes: str) -> str:
    """SQL that invents a play: as one that is there, with these columns otherwise."""
    columns = ["songplay_id", "start_time", "user_id", "level", "session_id", "is_new"]
    selected = ", ".join(changes.get(column, column) for column in columns)
    return (f"INSERT INTO touched_plays ({', '.join(columns)}) SELECT {selected}"
            f" FROM touched_plays WHERE {A_PLAY}")


def nullable_columns(table: str) -> list[str]:
    return [column for column in declared_columns(CREATES[table])
            if not re.search(rf"^    {column} .*NOT NULL", CREATES[table], re.MULTILINE)]


DEFECTS = [
    ("staging_events_complete", "a lost event", without("staging_events", AN_EVENT)),
    ("staging_events_complete", "an event too many", twice("staging_events", AN_EVENT)),
    ("staging_songs_complete", "a lost song", without("staging_songs", A_SONG)),
    ("staging_songs_complete", "a song too many", twice("staging_songs", A_SONG)),
    ("staging_events_required", "a blank page", altered("staging_events", "page = ''", AN_EVENT)),
    ("staging_events_required", "a blank level", altered("staging_events", "level = ''", AN_EVENT)),
    ("staging_events_ts_plausible", "seconds",
     altered("staging_events", "ts = ts / 1000", AN_EVENT)),
    ("staging_events_ts_plausible", "microseconds",
     altered("staging_events", "ts = ts * 1000", AN_EVENT)),
    *(("staging_songs_required", f"a blank {column}",
       altered("staging_songs", f"{column} = ''", A_SONG))
      for column in ("song_id", "title", "artist_id", "artist_name")),
    *((f"{table}_filled", f"no {column}", altered(table, f"{column} = NULL", "1 = 1"))
      for table in ("staging_events", "staging_songs") for column in nullable_columns(table)),
    ("staging_catalogue_unique", "a song twice", twice("staging_catalogue", A_SONG)),
    ("staging_catalogue_unique", "a missing song", without("staging_catalogue", A_SONG)),
    ("users_unique", "a user twice", twice("users", A_USER)),
    ("users_unique", "a missing user", without("users", A_USER)),
    ("songs_unique", "a song twice", twice("songs", A_SONG)),
    ("songs_unique", "a missing song", without("songs", A_SONG)),
    ("artists_unique", "an artist twice", twice("artists", AN_ARTIST)),
    ("songplays_unique", "a play twice", twice("songplays", A_PLAY)),
    ("songplays_unique", "a missing play", without("songplays", A_PLAY)),
    ("time_unique", "an instant twice", twice("time", AN_INSTANT)),
    ("time_unique", "a missing instant", without("time", AN_INSTANT)),
    ("songplays_complete", "a missing play", without("songplays", A_PLAY)),
    ("songplays_complete", "a play under another id",
     altered("songplays", "songplay_id = 'another'", A_PLAY)),
    ("songplays_real", "a play under another id", one_more_play(songplay_id="'invented'")),
    ("songplays_real", "a play at another time",
     one_more_play(start_time="start_time + INTERVAL '0.001 second'")),
    ("songplays_real", "a play of another user", one_more_play(user_id="user_id + 1000000")),
    ("songplays_real", "a play without its user", one_more_play(user_id="CAST(NULL AS BIGINT)")),
    ("songplays_real", "a play in another session",
     one_more_play(session_id="session_id + 1000000")),
    ("songplays_real", "a play that was another page",
     altered("staging_events", "page = 'Home'", A_NEXT_SONG)),
    ("songplays_users_known", "a missing user", without("users", A_PLAYER)),
    ("songplays_songs_known", "a missing song",
     without("songs", f"song_id = (SELECT song_id FROM songplays WHERE {A_MATCHED_PLAY})")),
    ("songplays_songs_known", "an unknown song",
     altered("songplays", "song_id = 'SOUNKNOWN'", A_MATCHED_PLAY)),
    ("songplays_songs_known", "the artist of another song",
     altered("songplays", "artist_id = (SELECT MIN(artist_id) FROM artists WHERE artist_id <>"
             f" (SELECT artist_id FROM songplays WHERE {A_MATCHED_PLAY}))", A_MATCHED_PLAY)),
    ("songplays_songs_known", "a song without its artist",
     altered("songplays", "artist_id = NULL", A_MATCHED_PLAY)),
    ("songplays_songs_known", "an artist without a song",
     altered("songplays", f"artist_id = (SELECT artist_id FROM artists WHERE {AN_ARTIST})",
             AN_UNMATCHED_PLAY)),
    ("songs_artists_known", "a missing artist", without("artists", AN_ARTIST)),
    ("loaded_files_unique", "a file twice in this load",
     twice("loaded_files", "url = (SELECT MIN(url) FROM loaded_files)")),
    ("loaded_files_unique", "an earlier version of a file",
     "INSERT INTO loaded_files (url, etag, bytes, loaded_at)"
     " SELECT MIN(url), 'earlier', 1, TIMESTAMP '2018-11-01 00:00:00' FROM loaded_files"),
]


@contextmanager
def undone_afterwards(load):
    """What happens within is undone, and the load's transaction goes on. Redshift has no
    savepoints, so they are made behind the stand-in's back."""
    with load.connection.cursor(cursor_factory=extensions.cursor) as behind:
        behind.execute("SAVEPOINT before")
        try:
            yield
        finally:
            behind.execute("ROLLBACK TO SAVEPOINT before")


def test_every_check_has_a_defect_to_find():
    assert {name for name, _, _ in DEFECTS} == set(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_passes_on_a_good_load(sample_load, name):
    assert statements.check(sample_load.cursor, CHECKS[name], sample_load.values) == ""


@pytest.mark.parametrize(
    "name, defect", [(name, defect) for name, _, defect in DEFECTS],
    ids=[f"{name}-{what}".replace(" ", "_") for name, what, _ in DEFECTS])
def test_a_check_fails_on_its_defect_and_passes_again_without(sample_load, name, defect):
    sql = CHECKS[name]
    with undone_afterwards(sample_load):
        sample_load.cursor.execute(defect)
        assert sample_load.cursor.rowcount > 0
        failure = statements.check(sample_load.cursor, sql, sample_load.values)
        assert failure.startswith(f"check {name} failed ({statements.purpose_of(sql)}): ")
        assert " = " in failure
    assert statements.check(sample_load.cursor, sql, sample_load.values) == ""


def test_a_failed_check_names_three_rows_and_counts_them_all(sample_load):
    with undone_afterwards(sample_load):
        sample_load.cursor.execute("DELETE FROM users")
        sql = sql_queries.users_unique
        failure = statements.check(sample_load.cursor, sql, sample_load.values)
    users = len(star_of(sample_load)["users"])
    assert users > 3
    assert f": {users:,} rows, for example user_id = " in failure
    assert failure.count("times = 0") == 3


def test_all_checks_that_fail_are_told_at_once(sample_load):
    with undone_afterwards(sample_load):
        sample_load.cursor.execute(without("users", A_PLAYER))
        with pytest.raises(DataError) as raised:
            etl.check(sample_load.cursor, sample_load.values, sql_queries.check_star_queries)
    failed = re.findall(r"^check (\w+) failed", str(raised.value), re.MULTILINE)
    assert failed == ["users_unique", "songplays_users_known"]


def test_a_column_may_be_empty_in_a_few_events(sample_load):
    """A night of a handful of events may well have no play in it."""
    sql = sql_queries.staging_events_filled
    with undone_afterwards(sample_load):
        sample_load.cursor.execute(altered("staging_events", "song = NULL", "1 = 1"))
        sample_load.cursor.execute(without("staging_events", "page = 'NextSong'"))
        sample_load.cursor.execute(
            "DELETE FROM staging_events WHERE ts > (SELECT MAX(ts) FROM (SELECT ts FROM"
            " staging_events ORDER BY ts LIMIT 50) first_ones)")
        assert statements.check(sample_load.cursor, sql, sample_load.values) == ""
