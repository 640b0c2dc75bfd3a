"""The statements: rules that each keeps, keys that hold where enforced, checks that can fail."""

import ast
import json
import re
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import psycopg2
import pytest
from draw_erd import read_table
from psycopg2 import extensions, extras
from psycopg2.extensions import AsIs
from support import ROOT, SAMPLE
from support.databases import creating_database
from support.every_statement import (
    ASKERS,
    EVERY_STATEMENT,
    IN_THE_FILE,
    NAMED,
    OF_ONE_LINE,
    RUN_ORDERS,
    find_statements,
)
from support.loading import opening_copies
from support.project import STAR

import etl
import sql_queries
from warehouse import DataError, console
from warehouse.database import statements
from warehouse.plan import Plan, Source
from warehouse.standin.copy import statement
from warehouse.standin.sql import dialect
from warehouse.standin.sql.tokens import first_word, tokenize
from warehouse.tables import parse_columns

SOME_TIME = datetime(2018, 11, 1)
VALUES = {
    "log_jsonpath": "auto ignorecase",
    "iam_role": AsIs("default"),
    "region": "us-west-2",
    "maxerror": 1,
    "noload": AsIs(""),
    "staging_events_files": "s3://bucket/events.manifest",
    "staging_events_manifest": AsIs("MANIFEST"),
    "staging_events_rows": 0,
    "staging_songs_files": "s3://bucket/songs.manifest",
    "staging_songs_manifest": AsIs("MANIFEST"),
    "staging_songs_rows": 0,
    "loaded_files": "s3://bucket/loaded_files.json",
    **dict.fromkeys(("first_play", "last_play", "first_changed", "last_changed"), SOME_TIME),
    **dict.fromkeys(parse_columns(sql_queries.loads_table_create)),
    "table": "users",
    "top": 10,
    "limit": 5,
    "since": datetime(2018, 11, 1),
}
WHOLE = Plan(  # all files of both sources, by prefix
    Source("staging_events", whole=True, reason="a test", is_first_load=True),
    Source("staging_songs", whole=True, reason="a test", is_first_load=True), full=True,
    reason="a test", by_prefix=True)
CREATES = {statements.subject_of(sql): sql
           for sql in sql_queries.create_lasting_queries + sql_queries.create_table_queries}

every_statement = pytest.mark.parametrize("sql", EVERY_STATEMENT.values(), ids=EVERY_STATEMENT)


# -------------------------------------------------------------------------------------------- rules

def code_of(sql: str) -> str:
    """Return the statement without comments and with empty string literals."""
    return re.sub(r"'(?:[^']|'')*'", "''", re.sub(r"--.*", "", sql))


def unknown_placeholders(sql: str) -> list[str]:
    return [name for name in re.findall(r"%\((\w+)\)s", sql) if name not in VALUES]


def lone_percents(sql: str) -> list[str]:
    return re.findall("%", re.sub(r"%\(\w+\)s", "", sql))


def words_not_used_here(sql: str) -> list[str]:
    return re.findall(
        r"\bTRUNCATE\b|\bMERGE\b|SELECT\s+(?:\w+\.)?\*|\bON\s+CONFLICT\b|\bRETURNING\b"
        r"|\bSAVEPOINT\b|\bDISTINCT\s+ON\b|\bCASCADE\b|\bIDENTITY\b",
        re.sub(r'"\w+"', '""', code_of(sql)), re.IGNORECASE)


def types_without_a_size(sql: str) -> list[str]:
    if "CREATE TABLE" not in sql:
        return []
    return re.findall(
        r"\b(?:VARCHAR|CHAR)\b(?!\s*\(\d+\))|\b(?:NUMERIC|DECIMAL)\b(?!\s*\(\d+,\s*\d+\))|\bTEXT\b",
        code_of(sql), re.IGNORECASE)


def items(text: str) -> int:
    """Count the expressions in a list. Commas in brackets do not separate them."""
    while "(" in text:
        text = re.sub(r"\([^()]*\)", "", text)
    return text.count(",") + 1


def insert_counts(sql: str) -> tuple[int, int]:
    """Return the number of columns of an INSERT, and of its VALUES or outermost SELECT."""
    code = re.sub(r"%\(\w+\)s", "x", code_of(sql))
    named, rest = re.search(r"INSERT INTO \w+ \(([^)]*)\)(.*)", code, re.DOTALL).groups()
    if rest.split()[0] == "VALUES":
        return items(named), items(rest.strip().removeprefix("VALUES").strip(" (\n)"))
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
    (unequal_insert, "INSERT INTO t (a, b)\nVALUES (%(a)s)"),
])
def test_a_rule_notices_a_statement_that_breaks_it(rule, sql):
    assert rule(sql)


OF_A_LOAD = {sql for name, order in RUN_ORDERS.items()
             if not name.startswith(("create_", "drop_")) for sql in order}
OF_ANY_TIME = {
    sql_queries.earlier_plays_create: "the one scan, for the artists of songs that come late",
    sql_queries.songplays_span: "after all songs were loaded again every play is checked",
    "DELETE FROM songplays": "all logs are loaded again",
    "DELETE FROM time": "all logs are loaded again",
    "DELETE FROM songplays WHERE FALSE": "it takes the write lock, and no row is read",
    "DELETE FROM time WHERE FALSE": "it takes the write lock, and no row is read",
}


def reads_of_any_time(sql: str) -> list[str]:
    """Return each read of songplays or time, or deletion from them, without a span of start_time.

    Redshift finds the blocks by the span.
    """
    reads = re.findall(r"\b(?:FROM|JOIN|USING|UPDATE)\s+(songplays|time)\b", code_of(sql))
    spans = re.findall(r"\bstart_time BETWEEN %\(first_(\w+)\)s AND %\(last_\1\)s", code_of(sql))
    return reads[len(spans):]


def test_a_load_reads_songplays_and_time_within_a_span_unless_there_is_a_reason():
    assert len(OF_A_LOAD) > 60
    assert {sql for sql in OF_A_LOAD if reads_of_any_time(sql)} == set(OF_ANY_TIME)


@pytest.mark.parametrize("sql", [
    "DELETE FROM songplays USING touched_plays WHERE songplays.start_time = touched_plays.start_time",
    "DELETE FROM x USING songplays WHERE x.start_time = songplays.start_time",
    "SELECT start_time FROM touched_plays LEFT JOIN\n    time ON time.start_time = touched_plays.start_time",
    "SELECT start_time FROM songplays WHERE start_time > %(first_play)s",
    "SELECT start_time FROM songplays WHERE start_time BETWEEN %(first_play)s AND %(last_changed)s",
    "UPDATE songplays SET song_id = NULL -- start_time BETWEEN %(first_play)s AND %(last_play)s",
    "SELECT start_time FROM songplays JOIN time ON songplays.start_time = time.start_time"
    " WHERE songplays.start_time BETWEEN %(first_play)s AND %(last_play)s",
])
def test_a_read_without_a_span_is_noticed(sql):
    assert len(reads_of_any_time(sql)) == 1


def moves_of_rows(sql: str) -> list[str]:
    """Return songplays and time if a statement joins them without start_time, their DISTKEY."""
    code = code_of(sql)
    if not re.search(r"\bJOIN\b|\bUSING\b|\bUPDATE\b", code):
        return []
    joined = re.findall(r"\b(?:FROM|JOIN|UPDATE)\s+(songplays|time)\b(?!\s+WHERE)", code)
    return [] if re.search(r"\w\.start_time = \w+\.start_time", code) else joined


def test_a_load_joins_songplays_and_time_by_the_key_that_distributes_them():
    joined_after_counting = {sql_queries.songplays_songs_known, sql_queries.changed_plays_known}
    assert {sql for sql in OF_A_LOAD if moves_of_rows(sql)} <= joined_after_counting
    for table in ("touched_plays", "changed_plays"):
        assert "DISTKEY (start_time)" in getattr(sql_queries, f"{table}_create")


@pytest.mark.parametrize("sql", [
    "DELETE FROM songplays USING touched_plays WHERE songplays.songplay_id = touched_plays.songplay_id",
    "SELECT x FROM touched_plays JOIN songplays ON songplays.songplay_id = touched_plays.songplay_id",
])
def test_a_join_that_moves_rows_is_noticed(sql):
    assert moves_of_rows(sql) == ["songplays"]


def test_only_the_ledger_uses_the_time_of_the_transaction():
    """The ledger finds the files of the current load by it."""
    times = r"\b(?:SYSDATE|GETDATE|CURRENT_DATE|CURRENT_TIMESTAMP|NOW)\b"
    assert {name for name, sql in EVERY_STATEMENT.items() if re.search(times, code_of(sql))} == {
        "loaded_files_table_create", "loaded_files_unique", "loaded_files_forget"}


@pytest.mark.parametrize("sql", NAMED.values(), ids=NAMED)
def test_the_first_line_is_a_name_and_a_purpose(sql):
    assert re.fullmatch(r"-- [a-z]\w*( [a-z]\w*)*: [a-zA-Z]\S*( \S+)*", sql.splitlines()[0])
    assert sql.endswith("\n") and not sql.endswith("\n\n")
    assert statements.purpose_of(sql)
    assert ";" not in code_of(sql)


@pytest.mark.parametrize("sql", OF_ONE_LINE)
def test_a_statement_of_one_line_is_its_own_name(sql):
    assert re.fullmatch(r"(DROP (TABLE|VIEW) IF EXISTS|DELETE FROM|ANALYZE) [a-z_]+( WHERE .+)?", sql)
    assert statements.name_of(sql) == sql
    assert statements.purpose_of(sql) == ""


def test_a_name_stands_for_one_statement():
    names = [statements.name_of(sql) for sql in EVERY_STATEMENT.values()]
    assert [name for name in names if names.count(name) > 1] == []


def test_every_statement_and_every_run_order_is_used():
    files = (ROOT / "etl.py", ROOT / "create_tables.py", *(ROOT / "warehouse").rglob("*.py"))
    used = set(re.findall(r"\bsql_queries\.(\w+)", "".join(map(Path.read_text, files))))
    placed = {sql for order in RUN_ORDERS.values() for sql in order}
    assert set(RUN_ORDERS) - used == set()
    assert [name for name, sql in IN_THE_FILE.items() if name not in used and sql not in placed] == []


@pytest.mark.parametrize("module", ASKERS, ids=lambda module: module.__name__)
def test_a_statement_in_the_package_is_used_in_its_own_module(module):
    """For a question, the module is the one that uses all of QUESTIONS."""
    code = Path(module.__file__).read_text()
    assert find_statements(module)
    names = {name.partition(".")[0] for name in find_statements(module)}
    assert [name for name in names if len(re.findall(rf"\b{name}\b", code)) < 2] == []
    assert code.count('"""-- ') == len(find_statements(module))


def test_no_other_module_holds_a_statement():
    modules = (ROOT / "warehouse").rglob("*.py")
    found = {file.stem for file in modules
             if re.search(r'^(\w+ = | +sql=)"""-- ', file.read_text(), re.MULTILINE)}
    assert found == {module.__name__.rpartition(".")[2] for module in ASKERS}


def test_the_run_orders_have_the_names_that_such_projects_use():
    assert {"drop_table_queries", "create_table_queries", "copy_table_queries",
            "insert_table_queries"} <= set(RUN_ORDERS)


def test_the_docstring_lists_the_parts_of_the_file_in_their_order():
    """Compared by the first word of each, because two parts are about what a load touches."""
    *parts, last = re.findall(r"^# -+ (\w+)", (ROOT / "sql_queries.py").read_text(), re.MULTILINE)
    told = sql_queries.__doc__.splitlines()[0].partition(": ")[2].rstrip(".").split(", ")
    assert [part.split()[0] for part in told] == list(dict.fromkeys(parts))
    assert last == "run"


def test_a_load_inserts_later_into_each_table_that_it_deletes_from():
    queries = [*WHOLE.replace_queries, sql_queries.loaded_files_copy]
    deletes = {place: found[1] for place, sql in enumerate(queries)
               if (found := re.search(r"^DELETE FROM (\w+) ?(?:USING|WHERE|\n)", sql, re.MULTILINE))}
    assert len(deletes) >= 7
    for place, table in deletes.items():
        assert any(re.search(f"^(INSERT INTO|COPY) {table} ", sql, re.MULTILINE)
                   for sql in queries[place:]), table


def test_the_summary_counts_the_rows_of_statements_that_a_load_runs():
    assert set(sql_queries.insert_table_queries) <= set(WHOLE.replace_queries)


def test_sql_queries_is_data_and_nothing_else():
    _, *body = ast.parse((ROOT / "sql_queries.py").read_text()).body
    for node in body:
        assert isinstance(node, ast.Assign), f"line {node.lineno}"
        is_order = isinstance(node.value, ast.Tuple)
        for value in node.value.elts if is_order else [node.value]:
            is_text = isinstance(value, ast.Constant) and isinstance(value.value, str)
            assert is_text or (is_order and isinstance(value, ast.Name)), f"line {value.lineno}"


@pytest.mark.parametrize("noload", ["", "NOLOAD"])
@pytest.mark.parametrize("manifest", ["", "MANIFEST"])
@pytest.mark.parametrize("sql", [*sql_queries.copy_table_queries, sql_queries.loaded_files_copy],
                         ids=statements.subject_of)
def test_there_is_one_copy_per_table_for_manifest_or_prefix_and_with_noload_or_without(
    sql, manifest, noload
):
    values = VALUES | {"noload": AsIs(noload), "staging_events_manifest": AsIs(manifest),
                       "staging_songs_manifest": AsIs(manifest)}
    copy = statement.parse_copy(tokenize(bind(sql, values)))
    table = statements.subject_of(sql)
    assert copy.table == f'"{table}"'
    assert ("noload" in copy.options) == bool(noload)
    assert ("manifest" in copy.options) == (bool(manifest) and table != "loaded_files")
    assert list(copy.columns) == [
        column for column in parse_columns(CREATES[table]) if column != "loaded_at"]


def test_every_table_is_emptied_and_dropped_but_for_the_lock_and_the_history():
    dropped = {statements.subject_of(sql) for sql in sql_queries.drop_table_queries}
    emptied = {statements.subject_of(sql)
               for sql in sql_queries.empty_staging_queries + sql_queries.empty_table_queries}
    assert emptied == set(CREATES) - {"etl_lock", "loads"}
    assert dropped == emptied | {"staging_catalogue"}  # of an older version


def bind(sql: str, values: dict[str, object]) -> str:
    return sql % {name: extensions.adapt(value).getquoted().decode()
                  for name, value in values.items()}


@every_statement
def test_the_stand_in_accepts_the_statement(sql):
    tokens = tokenize(bind(sql, VALUES))
    if first_word(tokens) == "copy":
        assert statement.parse_copy(tokens)
    else:
        assert dialect.translate(tokens)
        assert not dialect.has_implicit_commit(tokens)


def test_the_stand_in_would_refuse_what_redshift_refuses():
    with pytest.raises(psycopg2.NotSupportedError):
        dialect.translate(tokenize("INSERT INTO users (user_id) SELECT 1 ON CONFLICT DO NOTHING"))


# -------------------------------------------------------------------------------- a load in process

def values_for(folder) -> dict[str, object]:
    """Write a ledger of the sample's files. Return the values of a load of the sample by prefix."""
    ledger = folder / "loaded_files.json"
    ledger.write_text("".join(
        json.dumps({"url": str(file), "etag": "1", "bytes": file.stat().st_size,
                    "loaded_into": "staging_events"}) + "\n"
        for file in SAMPLE.rglob("*_data/**/*.json")))
    return VALUES | {
        "log_jsonpath": f"{SAMPLE}/log_json_path.json",
        "staging_events_files": f"{SAMPLE}/log_data/",
        "staging_events_manifest": AsIs(""),
        "staging_songs_files": f"{SAMPLE}/song_data/",
        "staging_songs_manifest": AsIs(""),
        "loaded_files": str(ledger),
    }


def load_sample(cursor, values) -> None:
    """Run what etl.run does between BEGIN and COMMIT, without the checks of the star.

    changed_plays_known is then about every play, as after a load of all songs but no logs.
    """
    etl.run_all(cursor, values, sql_queries.create_table_queries)
    summary = console.Summary()
    etl.run_all(cursor, values, WHOLE.empty_queries)
    etl.copy(cursor, values, WHOLE, summary)
    etl.replace(cursor, values, WHOLE, summary)
    etl.run_all(cursor, values, sql_queries.record_queries)
    etl.run_all(cursor, values, sql_queries.whole_song_queries)


@pytest.fixture(scope="module")
def sample_load(server, tmp_path_factory):
    """An uncommitted load of the sample: its cursor and the values of its SQL."""
    folder = tmp_path_factory.mktemp("sample_load")
    with opening_copies(server, folder) as copies:
        copies.connection.autocommit = False
        values = values_for(folder)
        with copies.connection.cursor() as cursor:
            load_sample(cursor, values)
            yield SimpleNamespace(cursor=cursor, values=values, connection=copies.connection)
        copies.connection.rollback()


# --------------------------------------------------------------------------------------------- keys

def keep_keys(sql: str) -> str:
    """Translate a CREATE TABLE for PostgreSQL, but keep its keys."""
    kept = [line for line in sql.splitlines()
            if not re.match(r"(DISTSTYLE|DISTKEY|SORTKEY)\b", line)]
    return "\n".join(kept).replace("SYSDATE", "CURRENT_TIMESTAMP")


@pytest.fixture(scope="module")
def plain(server):
    """A plain connection to an empty database."""
    with creating_database(server) as name, closing(
            psycopg2.connect(**server.connect_parameters(name))) as connection:
        yield connection


@pytest.fixture
def keyed(plain):
    """A cursor on plain PostgreSQL, with every table and its keys enforced."""
    with plain.cursor() as cursor:
        for sql in CREATES.values():
            cursor.execute(keep_keys(sql))
        yield cursor
    plain.rollback()


def star_of(load) -> dict[str, list[tuple]]:
    rows = {}
    for table in STAR:
        columns = ", ".join(parse_columns(CREATES[table]))
        load.cursor.execute(f"SELECT {columns} FROM {table}")
        rows[table] = load.cursor.fetchall()
    return rows


def insert(cursor, table: str, rows: list[tuple]) -> None:
    extras.execute_values(cursor, f"INSERT INTO {table} VALUES %s", rows, page_size=1000)


def insert_star(cursor, star: dict[str, list[tuple]]) -> None:
    """Insert in the order in which the tables are created, which the keys allow."""
    for table in CREATES:
        if table in star:
            insert(cursor, table, star[table])


def test_the_tables_are_created_with_keys_and_dropped_without_cascade(keyed):
    constraints = "SELECT contype, COUNT(*) FROM pg_constraint WHERE contype IN ('p', 'f') AND" \
                  " connamespace = 'public'::regnamespace GROUP BY contype ORDER BY contype"
    keyed.execute(constraints)
    assert keyed.fetchall() == [("f", 5), ("p", 5)]
    for sql in sql_queries.drop_table_queries:
        keyed.execute(sql)
    keyed.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    assert keyed.fetchall() == [("etl_lock",), ("loads",)]


def test_the_star_alone_declares_keys():
    """The planner trusts a key. The checks of other tables count rows, and a planner that trusts a
    PRIMARY KEY there might skip that."""
    assert {table for table, sql in CREATES.items() if re.search(" KEY ", code_of(sql))} == set(STAR)


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

CHECKS = {statements.name_of(sql): sql for name, order in RUN_ORDERS.items()
          if name.startswith(("check_", "warn_")) for sql in order}

A_SONG = "song_id = (SELECT MIN(song_id) FROM staging_songs)"
A_CATALOGUE_SONG = "song_id = (SELECT MIN(song_id) FROM catalogue)"
AN_EVENT = "ts = (SELECT MIN(ts) FROM staging_events)"
A_LATEST_EVENT = "userid = (SELECT MIN(userid) FROM latest_events)"
A_NEXT_SONG = "ts = (SELECT MIN(ts) FROM staging_events WHERE page = 'NextSong')"
A_PLAY = "songplay_id = (SELECT MIN(songplay_id) FROM songplays)"
A_MATCHED_PLAY = "songplay_id = (SELECT MIN(songplay_id) FROM songplays WHERE song_id IS NOT NULL)"
AN_UNMATCHED_PLAY = "songplay_id = (SELECT MIN(songplay_id) FROM songplays WHERE song_id IS NULL)"
ANOTHER_ARTIST = ("(SELECT MIN(artist_id) FROM artists WHERE artist_id <>"
                  f" (SELECT artist_id FROM songplays WHERE {A_MATCHED_PLAY}))")
A_SONG_OF_SEVERAL = (  # a played song, whose artist has others under the same name
    "song_id = (SELECT MIN(plays.song_id) FROM songplays AS plays JOIN catalogue AS others"
    " ON others.artist_id = plays.artist_id AND others.artist_name = plays.artist_name"
    " AND others.song_id <> plays.song_id)")
A_USER = "user_id = (SELECT MIN(user_id) FROM users)"
A_PLAYER = "user_id = (SELECT MIN(user_id) FROM songplays)"
AN_ARTIST = "artist_id = (SELECT MIN(artist_id) FROM artists)"
AN_INSTANT = "start_time = (SELECT MIN(start_time) FROM time)"


def double(table: str, row: str) -> str:
    """Return SQL that doubles a row of a table."""
    return f"INSERT INTO {table} SELECT * FROM {table} WHERE {row}"


def delete(table: str, row: str) -> str:
    return f"DELETE FROM {table} WHERE {row}"


def alter(table: str, change: str, row: str) -> str:
    return f"UPDATE {table} SET {change} WHERE {row}"


def invent_play(**changes: str) -> str:
    """Return SQL that adds a copy of a play, with other values in these columns."""
    columns = ["songplay_id", "start_time", "user_id", "level", "session_id"]
    selected = ", ".join(changes.get(column, column) for column in columns)
    return (f"INSERT INTO touched_plays ({', '.join(columns)}) SELECT {selected}"
            f" FROM touched_plays WHERE {A_PLAY}")


AN_EVENT_OF_A_STRANGER = (
    "INSERT INTO staging_events (userid, sessionid, iteminsession, ts, page, level)"
    " SELECT MAX(userid) + 1, 1, 0, MAX(ts), 'Home', 'free' FROM staging_events")


# Columns whose key only newer logs have: no check of *_filled names them.
MAY_BE_EMPTY: set[str] = set()


def nullable_columns(table: str) -> list[str]:
    return [column for column in parse_columns(CREATES[table])
            if not re.search(rf"^    {column} .*NOT NULL", CREATES[table], re.MULTILINE)
            and column not in MAY_BE_EMPTY]


DEFECTS = [
    ("staging_events_complete", "a lost event", delete("staging_events", AN_EVENT)),
    ("staging_events_complete", "an event too many", double("staging_events", AN_EVENT)),
    ("staging_songs_complete", "a lost song", delete("staging_songs", A_SONG)),
    ("staging_songs_complete", "a song too many", double("staging_songs", A_SONG)),
    ("staging_events_required", "a blank page", alter("staging_events", "page = ''", AN_EVENT)),
    ("staging_events_required", "a blank level", alter("staging_events", "level = ''", AN_EVENT)),
    ("staging_events_ts_plausible", "seconds",
     alter("staging_events", "ts = ts / 1000", AN_EVENT)),
    ("staging_events_ts_plausible", "microseconds",
     alter("staging_events", "ts = ts * 1000", AN_EVENT)),
    *(("staging_songs_required", f"a blank {column}",
       alter("staging_songs", f"{column} = ''", A_SONG))
      for column in ("song_id", "title", "artist_id", "artist_name")),
    *((f"{table}_filled", f"no {column}", alter(table, f"{column} = NULL", "1 = 1"))
      for table in ("staging_events", "staging_songs") for column in nullable_columns(table)),
    ("staging_events_next_song", "no play",
     alter("staging_events", "page = 'Home'", "page = 'NextSong'")),
    ("staging_events_levels", "another level", alter("staging_events", "level = 'trial'", AN_EVENT)),
    ("catalogue_unique", "a song twice", double("catalogue", A_CATALOGUE_SONG)),
    ("catalogue_unique", "a missing song", delete("catalogue", A_CATALOGUE_SONG)),
    ("catalogue_first", "a later title",
     alter("catalogue", "title = title || 'z'", A_CATALOGUE_SONG)),
    ("catalogue_first", "the same but for the last of its columns",
     alter("catalogue", "artist_longitude = NULL",
           "song_id = (SELECT MIN(song_id) FROM catalogue WHERE artist_longitude IS NOT NULL)")),
    ("latest_events_unique", "a user twice", double("latest_events", A_LATEST_EVENT)),
    ("latest_events_unique", "a missing user", delete("latest_events", A_LATEST_EVENT)),
    ("latest_events_unique", "a missing user of another page", AN_EVENT_OF_A_STRANGER),
    ("latest_events_latest", "an earlier event",
     alter("latest_events", "ts = ts - 1", A_LATEST_EVENT)),
    ("latest_events_latest", "the same but for the last of its columns",
     alter("latest_events", "gender = 'Z'", A_LATEST_EVENT)),
    ("users_unique", "a user twice", double("users", A_USER)),
    ("users_unique", "a missing user", delete("users", A_USER)),
    ("users_unique", "a missing user of another page", AN_EVENT_OF_A_STRANGER),
    ("songs_unique", "a song twice", double("songs", A_SONG)),
    ("songs_unique", "a missing song", delete("songs", A_SONG)),
    ("songs_unique", "a song that should be gone", delete("catalogue", A_CATALOGUE_SONG)),
    ("artists_unique", "an artist twice", double("artists", AN_ARTIST)),
    ("artists_unique", "a missing artist", delete("artists", AN_ARTIST)),
    ("artists_unique", "an artist that should be gone", delete("catalogue", AN_ARTIST)),
    ("songplays_unique", "a play twice", double("songplays", A_PLAY)),
    ("songplays_unique", "a missing play", delete("songplays", A_PLAY)),
    ("songplays_unique", "a play under another id",
     alter("songplays", "songplay_id = 'another'", A_PLAY)),
    ("songplays_unique", "a touched play at another time",
     invent_play(start_time="start_time + INTERVAL '0.001 second'")),
    ("time_unique", "an instant twice", double("time", AN_INSTANT)),
    ("time_unique", "a missing instant", delete("time", AN_INSTANT)),
    ("touched_plays_complete", "a touched play too few", delete("touched_plays", A_PLAY)),
    ("touched_plays_complete", "a touched play under another id", invent_play(songplay_id="'invented'")),
    ("touched_plays_complete", "a play that was another page",
     alter("staging_events", "page = 'Home'", A_NEXT_SONG)),
    ("songplays_real", "a play that was another page",
     alter("staging_events", "page = 'Home'", A_NEXT_SONG)),
    ("songplays_real", "a play of another user",
     alter("songplays", "user_id = user_id + 1000000", A_PLAY)),
    ("songplays_real", "a play without its user", alter("songplays", "user_id = NULL", A_PLAY)),
    ("songplays_real", "a play in another session",
     alter("songplays", "session_id = session_id + 1000000", A_PLAY)),
    ("songplays_real", "an event at another time", alter("staging_events", "ts = ts + 1", A_NEXT_SONG)),
    ("songplays_users_known", "a missing user", delete("users", A_PLAYER)),
    *((check, what, defect) for check in ("songplays_songs_known", "changed_plays_known")
      for what, defect in (
          ("a missing song",
           delete("catalogue", f"song_id = (SELECT song_id FROM songplays WHERE {A_MATCHED_PLAY})")),
          ("an unknown song", alter("songplays", "song_id = 'SOUNKNOWN'", A_MATCHED_PLAY)),
          ("the artist of another song",
           alter("songplays", f"artist_id = {ANOTHER_ARTIST}", A_MATCHED_PLAY)),
          ("a song whose artist has the name by another",
           alter("catalogue", "artist_name = 'Renamed'", A_SONG_OF_SEVERAL)),
          ("a song without its artist", alter("songplays", "artist_id = NULL", A_MATCHED_PLAY)),
          ("an unknown artist", alter("songplays", "artist_id = 'ARUNKNOWN'", AN_UNMATCHED_PLAY)),
          ("an artist of another name",
           alter("songplays", f"artist_id = {ANOTHER_ARTIST}", AN_UNMATCHED_PLAY)))),
    # Found by the check of songs before that check read the catalogue.
    ("songs_unique", "the missing song of a play",
     delete("songs", f"song_id = (SELECT song_id FROM songplays WHERE {A_MATCHED_PLAY})")),
    ("songs_artists_known", "a missing artist", delete("artists", AN_ARTIST)),
    ("loaded_files_unique", "a file twice in this load",
     double("loaded_files", "url = (SELECT MIN(url) FROM loaded_files)")),
    ("loaded_files_unique", "an earlier version of a file",
     "INSERT INTO loaded_files (url, etag, bytes, loaded_into, loaded_at)"
     " SELECT MIN(url), 'earlier', 1, 'staging_events', TIMESTAMP '2018-11-01 00:00:00'"
     " FROM loaded_files"),
]


FOREIGN_KEYS = [(table.name, column, *referred) for table in map(read_table, CREATES.values())
                for column, referred in table.foreign.items()]


def find_trusted_joins(sql: str) -> list[str]:
    """Return the foreign keys along which a statement joins.

    The planner trusts them, and may skip a join whose result they determine.
    """
    code = code_of(sql)
    tables = set(re.findall(r"\b(?:FROM|JOIN)\s+(\w+)", code))
    return [f"{table}.{column}" for table, column, other, key in FOREIGN_KEYS
            if {table, other} <= tables and re.search(
                rf"\.{column}\s*=\s*\w+\.{key}\b|\.{key}\s*=\s*\w+\.{column}\b"
                rf"|USING\s*\(\s*{column}\b|\bIN\s*\(\s*SELECT\s+{key}\b", code)]


@pytest.mark.parametrize("name", CHECKS)
def test_no_check_joins_along_a_declared_foreign_key(name):
    assert find_trusted_joins(CHECKS[name]) == []


@pytest.mark.parametrize("sql, key", [
    ("SELECT DISTINCT songs.artist_id FROM touched_songs"
     " JOIN songs ON songs.song_id = touched_songs.song_id"
     " LEFT JOIN artists ON artists.artist_id = songs.artist_id WHERE artists.artist_id IS NULL",
     "songs.artist_id"),
    ("SELECT plays.user_id FROM songplays AS plays LEFT JOIN users ON users.user_id = plays.user_id",
     "songplays.user_id"),
    ("SELECT plays.song_id FROM (SELECT DISTINCT song_id FROM songplays) AS plays"
     " LEFT JOIN songs AS known ON plays.song_id = known.song_id", "songplays.song_id"),
    ("SELECT start_time FROM songplays LEFT JOIN time USING (start_time)", "songplays.start_time"),
    ("SELECT artist_id FROM songs WHERE artist_id NOT IN (SELECT artist_id FROM artists)",
     "songs.artist_id"),
])
def test_a_join_along_a_declared_foreign_key_is_noticed(sql, key):
    assert find_trusted_joins(sql) == [key]


@contextmanager
def undoing(load):
    """Undo the block and let the load's transaction go on.

    Redshift has no savepoints, so this bypasses the stand-in.
    """
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
    assert statements.find_failure(sample_load.cursor, CHECKS[name], sample_load.values) == ""


@pytest.mark.parametrize(
    "name, defect", [(name, defect) for name, _, defect in DEFECTS],
    ids=[f"{name}-{what}".replace(" ", "_") for name, what, _ in DEFECTS])
def test_a_check_fails_on_its_defect_and_passes_again_without(sample_load, name, defect):
    sql = CHECKS[name]
    with undoing(sample_load):
        sample_load.cursor.execute(defect)
        assert sample_load.cursor.rowcount > 0
        failure = statements.find_failure(sample_load.cursor, sql, sample_load.values)
        assert failure.startswith(
            f"check {name} failed. It expects: {statements.purpose_of(sql)}. It found: ")
        assert " = " in failure
    assert statements.find_failure(sample_load.cursor, sql, sample_load.values) == ""


def test_a_failed_check_names_three_rows_and_counts_them_all(sample_load):
    with undoing(sample_load):
        sample_load.cursor.execute("DELETE FROM users")
        sql = sql_queries.users_unique
        failure = statements.find_failure(sample_load.cursor, sql, sample_load.values)
    users = len(star_of(sample_load)["users"])
    assert users > 3
    assert f": {users:,} rows, for example user_id = " in failure
    assert failure.count("times = 0") == 3


def test_the_server_sends_three_of_a_thousand_offending_rows(sample_load):
    sql = "-- early: no event is among the first\nSELECT ts FROM staging_events LIMIT 1000\n"
    failure = statements.find_failure(sample_load.cursor, sql, sample_load.values)
    assert sample_load.cursor.rowcount == 3
    assert failure.startswith(
        "check early failed. It expects: no event is among the first. It found: 1,000 rows, "
        "for example ts = ")
    assert failure.count("ts = ") == 3


def test_all_checks_that_fail_are_reported_at_once(sample_load):
    with undoing(sample_load):
        sample_load.cursor.execute(delete("users", A_PLAYER))
        with pytest.raises(DataError) as raised:
            etl.check(sample_load.cursor, sample_load.values, WHOLE.star_checks)
    failed = re.findall(r"^check (\w+) failed", str(raised.value), re.MULTILINE)
    assert failed == ["users_unique", "songplays_users_known"]


def test_a_column_may_be_empty_in_a_few_events(sample_load):
    """A night with few events may have no play."""
    sql = sql_queries.staging_events_filled
    with undoing(sample_load):
        sample_load.cursor.execute(alter("staging_events", "song = NULL", "1 = 1"))
        sample_load.cursor.execute(delete("staging_events", "page = 'NextSong'"))
        sample_load.cursor.execute(
            "DELETE FROM staging_events WHERE ts > (SELECT MAX(ts) FROM (SELECT ts FROM"
            " staging_events ORDER BY ts LIMIT 50) first_ones)")
        assert statements.find_failure(sample_load.cursor, sql, sample_load.values) == ""
