"""create_tables.py resets the warehouse, and drops tables of others only with --force."""

import contextlib
import re

import psycopg2
import pytest
from draw_erd import read_table
from support.documents import event, song
from support.project import Project, finish
from support.runs import assert_refused, create, expect_refusal
from support.sessions import count_plays, execute, hold, list_relations, wait_until_somebody_waits_for

import sql_queries
from warehouse import tables

LASTING = {"etl_lock", "loads"}
OUR_TABLES = LASTING | {"loaded_files", "staging_events", "staging_songs", "catalogue",
                        "latest_events", "users", "songs", "artists", "time", "songplays"}
CREATES = {tables.subject_of(sql): sql
           for sql in sql_queries.create_lasting_queries + sql_queries.create_table_queries}
OUR_VIEWS = {tables.subject_of(sql) for sql in sql_queries.create_view_queries}
OURS = OUR_TABLES | OUR_VIEWS


def test_a_fresh_database_gets_every_table_and_view(project):
    done = create(project)
    assert list_relations(project) == OURS
    assert done.stdout == ""
    assert "created loaded_files, staging_events" in done.stderr


def test_a_reset_empties_every_table_and_the_next_load_brings_everything_again(loaded):
    before = loaded.snapshot()
    create(loaded)
    assert list_relations(loaded) == OURS
    for table in OUR_TABLES - LASTING:
        assert loaded.query(f"SELECT COUNT(*) FROM {table}") == [(0,)]
    loaded.load()
    assert loaded.snapshot() == before


# ------------------------------------------------------------------------------ what is dropped

def list_drops(project: Project, *arguments: str) -> list[str]:
    """Run create_tables.py. Return what the log says of dropped plays."""
    return re.findall("dropped songplays: (.*)$", create(project, *arguments).stderr, re.MULTILINE)


def test_a_reset_says_how_many_plays_it_drops_and_when_they_were_loaded(loaded):
    finished, = loaded.query("SELECT finished_at FROM loads WHERE kind = 'load'")[0]
    assert list_drops(loaded, "--views") == []
    assert list_drops(loaded) == [f"2 plays; the last load ended at {finished:%Y-%m-%d %H:%M:%S} UTC"]
    assert list_drops(loaded) == []
    execute(loaded, "INSERT INTO songplays (songplay_id, start_time, level, session_id)"
                    " VALUES (MD5('1'), '2018-11-09 09:09:09', 'free', 0)")
    assert list_drops(loaded) == ["1 play"]  # by no load in the history


def test_a_reset_logs_the_dropped_plays_before_it_commits(loaded):
    loaded.configure(RETRIES="0")
    execute(loaded, "ALTER TABLE loads ADD CHECK (kind <> 'reset') NOT VALID")  # the last statement
    said = expect_refusal(loaded, 1, "insert loads: ", script="create_tables.py")
    assert said.index("dropped songplays: 2 plays; ") < said.index("insert loads: ")
    assert count_plays(loaded) == 2


def test_a_reset_without_plays_mentions_none(project):
    assert list_drops(project) == []
    assert list_drops(project) == []


@pytest.mark.parametrize("change", [
    "DROP TABLE songplays CASCADE",
    "DROP TABLE songplays CASCADE; CREATE TABLE songplays (played TEXT);"
    " INSERT INTO songplays VALUES ('once')"], ids=["missing", "other columns"])
def test_a_table_of_plays_that_is_missing_or_not_ours_stops_no_reset(loaded, change):
    execute(loaded, change)
    assert list_drops(loaded, "--force") == []
    assert list_relations(loaded) == OURS


def test_a_table_of_plays_that_may_not_be_read_stops_no_reset(project):
    """Its owner may drop the table but has no right to SELECT."""
    role = f"{project.database}_owner"
    execute(project, f"CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA public TO {role};"
                     f" GRANT CREATE, TEMP ON DATABASE {project.database} TO {role}")
    project.configure(HOST=project.server.connect_parameters("x")["host"], DB_PORT="5432",
                      DB_USER=role)
    try:
        create(project)
        execute(project, f"INSERT INTO songplays (songplay_id, start_time, level, session_id)"
                         f" VALUES (MD5('1'), '2018-11-09 09:09:09', 'free', 0);"
                         f" REVOKE SELECT ON songplays FROM {role}")
        assert list_drops(project) == []
        assert count_plays(project) == 0
    finally:
        execute(project, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_the_lock_and_the_history_are_never_dropped(loaded):
    which = "SELECT 'etl_lock'::regclass::oid, 'loads'::regclass::oid"
    before = loaded.query(which)
    create(loaded)
    create(loaded, "--force")
    assert loaded.query(which) == before
    assert loaded.query("SELECT COUNT(*) FROM etl_lock") == [(1,)]
    assert loaded.query("SELECT kind, songplays FROM loads ORDER BY begun_at DESC LIMIT 3") == [
        ("reset", None), ("reset", None), ("load", 2)]
    assert not any(table in sql for table in LASTING for sql in sql_queries.drop_table_queries)


def test_a_warehouse_of_an_older_version_is_named_and_kept_and_force_replaces_it(loaded):
    before = list_relations(loaded)
    execute(loaded, "ALTER TABLE loaded_files DROP COLUMN loaded_into; CREATE TABLE staging_catalogue"
                    f" ({' TEXT, '.join(tables.OLDER_CATALOGUE)} TEXT)")
    for script in ("create_tables.py", "etl.py"):
        expect_refusal(loaded, 2, "the tables are those of version 0.3.0 or older",
                       "create_tables.py --force", script=script)
    assert count_plays(loaded) == 2
    create(loaded, "--force")
    assert list_relations(loaded) == before
    loaded.load()
    assert count_plays(loaded) == 2


def test_a_table_that_only_has_the_name_of_one_of_an_older_version_is_a_foreign_one(project):
    execute(project, "CREATE TABLE staging_catalogue (email TEXT)")
    expect_refusal(project, 2, "staging_catalogue (email)", "do not belong to this toolkit",
                   script="create_tables.py")


def test_two_resets_at_once_on_a_fresh_database_both_succeed(project):
    for _ in range(4):
        both = [project.start("create_tables.py") for _ in range(2)]
        said = [process.communicate()[1] for process in both]
        assert [process.returncode for process in both] == [0, 0], said
        assert list_relations(project) == OURS
        assert project.query("SELECT COUNT(*) FROM etl_lock") == [(1,)]
        execute(project, f"DROP TABLE {', '.join(OUR_TABLES)} CASCADE")


def test_another_schema_holds_the_tables_and_the_load(project):
    execute(project, "CREATE SCHEMA music; CREATE TABLE users (email TEXT)")
    project.configure(SCHEMA="music")
    project.write("log_data/1.json", [event(1)])
    project.write("song_data/1.json", song())
    create(project)
    project.load()
    assert list_relations(project) == {"users"}
    assert list_relations(project, "music") == OURS
    assert project.query("SELECT COUNT(*) FROM music.songplays") == [(1,)]
    create(project)
    assert project.query("SELECT COUNT(*) FROM music.songplays") == [(0,)]


@pytest.mark.parametrize("script", ["create_tables.py", "etl.py"])
def test_a_schema_that_does_not_exist(project, script):
    project.configure(SCHEMA="nowhere")
    expect_refusal(project, 2, "SCHEMA is nowhere", "CREATE SCHEMA nowhere", script=script,
                   rolled_back=False)


# -------------------------------------------------------------------------- what is not ours

@pytest.mark.parametrize("table", ["users", "time"])
def test_a_foreign_table_is_named_and_kept_and_force_drops_it(project, table):
    execute(project, f"CREATE TABLE {table} (email TEXT, joined DATE)")
    execute(project, f"INSERT INTO {table} VALUES ('ann@example.org', '2018-11-01')")
    expect_refusal(project, 2, f"{table} (email, joined)", "--force", script="create_tables.py")
    assert list_relations(project) == {table}  # not even the lock was created
    assert project.query(f"SELECT COUNT(*) FROM {table}") == [(1,)]
    create(project, "--force")
    assert list_relations(project) == OURS
    assert project.query(f"SELECT COUNT(*) FROM {table}") == [(0,)]


def test_all_foreign_tables_are_named_at_once(project):
    execute(project, "CREATE TABLE users (email TEXT); CREATE TABLE time (now TIME)")
    expect_refusal(project, 2, "time (now); users (email)", script="create_tables.py")


def test_a_foreign_table_that_comes_while_the_reset_waits_for_the_lock_is_named_and_kept(loaded):
    holder = hold(loaded, "etl_lock")
    process = loaded.start("create_tables.py")
    wait_until_somebody_waits_for(loaded, "etl_lock")
    execute(loaded, "DROP TABLE users CASCADE; CREATE TABLE users (email TEXT)")
    holder.close()
    assert_refused(finish(process), 2, "users (email)")
    assert loaded.query("SELECT email FROM users") == []


def read_rows(project) -> dict[str, list[tuple]]:
    """Return all rows that loads write, without loaded_at, and with columns in alphabetical order."""
    columns = {table: ", ".join(sorted({*tables.parse_columns(sql)} - {"loaded_at"}))
               for table, sql in CREATES.items() if table not in LASTING}
    return {table: project.query(f"SELECT {names} FROM {table} ORDER BY {names}")
            for table, names in columns.items()}


def test_a_table_of_ours_to_which_a_column_was_added_later_is_ours_and_is_loaded(loaded):
    """ADD COLUMN puts a column last."""
    loaded.load("--full")
    before = read_rows(loaded)
    execute(loaded, f"DROP VIEW {', '.join(OUR_VIEWS)}")
    for table, sql in CREATES.items():
        for column in read_table(sql).nullable[:1]:
            kind = tables.parse_columns(sql)[column]
            execute(loaded, f"ALTER TABLE {table} DROP COLUMN {column};"
                            f" ALTER TABLE {table} ADD COLUMN {column} {kind}")
    create(loaded, "--views")
    loaded.load("--full")
    assert read_rows(loaded) == before
    create(loaded)
    loaded.load()
    assert read_rows(loaded) == before


def test_a_table_with_a_missing_or_an_extra_column_is_a_foreign_one(loaded):
    execute(loaded, "ALTER TABLE time ADD COLUMN note TEXT;"
                    " ALTER TABLE users DROP COLUMN gender")
    expect_refusal(loaded, 2, "time (start_time, hour, ", ", note); users (user_id, first_name, last_name,"
                   " level)", script="create_tables.py")


def test_a_foreign_view_on_our_table_stops_the_reset_and_is_named(loaded):
    execute(loaded, "CREATE VIEW favourites AS SELECT title FROM songs")
    before = loaded.snapshot()
    for arguments in ((), ("--force",)):
        expect_refusal(loaded, 2, "DROP TABLE IF EXISTS songs: cannot drop table songs", "view favourites",
                       "Drop what depends on it first", "etl.py --full", script="create_tables.py",
                       arguments=arguments)
        assert loaded.snapshot() == before
        assert loaded.query("SELECT * FROM favourites") == [("Another",)]
    loaded.load("--full")
    assert loaded.query("SELECT * FROM favourites") == [("Another",)]
    execute(loaded, "DROP VIEW favourites")
    create(loaded)
    assert count_plays(loaded) == 0


@pytest.mark.parametrize("arguments", [(), ("--force",)])
def test_a_view_in_the_way_is_named_and_kept(project, arguments):
    execute(project, "CREATE TABLE people (email TEXT); CREATE VIEW users AS SELECT * FROM people")
    expect_refusal(project, 2, "users", "SCHEMA", script="create_tables.py", arguments=arguments)
    assert {"people", "users"} <= list_relations(project)
    assert not list_relations(project) & (OURS - {"users"} - LASTING)


def test_a_table_of_another_owner_is_kept(project):
    """information_schema hides it from a user without rights on it, and the server refuses the DROP."""
    role = f"{project.database}_other"
    execute(project, "CREATE TABLE users (email TEXT)")
    execute(project, f"CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA public TO {role};"
                     f" GRANT CREATE ON DATABASE {project.database} TO {role}")
    project.configure(HOST=project.server.connect_parameters("x")["host"], DB_PORT="5432",
                      DB_USER=role)
    try:
        expect_refusal(project, 1, "must be owner of table users", script="create_tables.py")
        assert project.query("SELECT COUNT(*) FROM users") == [(0,)]
    finally:
        execute(project, f"DROP OWNED BY {role}; DROP ROLE {role}")


# ------------------------------------------------------------------------------------- the views

def views_of(project) -> list[tuple]:
    """Return our views by oid and name. A view that is created again has another oid."""
    return project.query("SELECT oid, relname FROM pg_class WHERE relkind = 'v' AND relnamespace ="
                         " 'public'::regnamespace ORDER BY relname")


def test_a_warehouse_made_before_there_were_views_gets_them_and_keeps_its_rows(loaded):
    execute(loaded, f"DROP VIEW {', '.join(OUR_VIEWS)}")
    before, made = loaded.snapshot(), loaded.query("SELECT 'songplays'::regclass::oid")
    done = create(loaded, "--views")
    assert "created top_songs, " in done.stderr and "songplays" not in done.stderr
    assert list_relations(loaded) == OURS
    assert loaded.snapshot() == before
    assert loaded.query("SELECT 'songplays'::regclass::oid") == made
    assert loaded.query("SELECT song_title, plays FROM top_songs") == [("The Song", 2)]


def test_views_that_are_replaced_keep_their_grants_and_other_peoples_views(loaded):
    execute(loaded, "GRANT SELECT ON catalogue_match TO PUBLIC;"
                    " CREATE VIEW favourites AS SELECT plays FROM catalogue_match;"
                    " CREATE OR REPLACE VIEW catalogue_match (plays, catalogue_plays,"
                    " catalogue_percent, artist_plays, artist_percent) AS"
                    " SELECT 7::BIGINT, 7::BIGINT, 7::NUMERIC(5, 2), 7::BIGINT, 7::NUMERIC(5, 2)")
    granted = loaded.query("SELECT relacl::text FROM pg_class WHERE relname = 'catalogue_match'")
    before = views_of(loaded)
    create(loaded, "--views")
    assert views_of(loaded) == before
    assert loaded.query("SELECT plays FROM favourites") == [(2,)]
    assert granted == loaded.query(
        "SELECT relacl::text FROM pg_class WHERE relname = 'catalogue_match'")


def test_a_view_of_other_types_is_replaced_with_force_only(loaded):
    execute(loaded, "DROP VIEW catalogue_match; CREATE VIEW catalogue_match AS SELECT '1' AS plays,"
                    " 1 AS catalogue_plays, 1 AS catalogue_percent, 1 AS artist_plays,"
                    " 1 AS artist_percent")
    expect_refusal(loaded, 2, "create catalogue_match: cannot change data type of view column", "--force",
                   script="create_tables.py", arguments=("--views",))
    create(loaded, "--views", "--force")
    assert loaded.query("SELECT plays FROM catalogue_match") == [(2,)]


def test_views_without_their_tables_are_refused(project):
    expect_refusal(project, 1, "lock etl_lock: ", '"etl_lock" does not exist',
                   "Run create_tables.py first.", script="create_tables.py", arguments=("--views",))
    assert list_relations(project) == set()


@pytest.mark.parametrize("arguments", [(), ("--views",)])
def test_a_view_of_other_columns_is_named_and_kept_and_force_drops_it(loaded, arguments):
    execute(loaded, "DROP VIEW top_songs; CREATE VIEW top_songs AS SELECT title FROM songs")
    before = views_of(loaded)
    expect_refusal(loaded, 2, "top_songs (title)", "do not belong to this toolkit", "--force",
                   script="create_tables.py", arguments=arguments)
    assert views_of(loaded) == before
    create(loaded, *arguments, "--force")
    assert list_relations(loaded) == OURS
    loaded.query("SELECT song_title, plays FROM top_songs")


@pytest.mark.parametrize("columns, arguments", [
    ("email", ()), ("email", ("--views", "--force")),
    ("plays, catalogue_plays, catalogue_percent, artist_plays, artist_percent", ("--views",))])
def test_a_table_in_the_place_of_a_view_is_named_and_kept(loaded, columns, arguments):
    """A view in the place of a table as well: DROP VIEW is for views and DROP TABLE for tables."""
    execute(loaded, "DROP VIEW catalogue_match; CREATE TABLE catalogue_match AS SELECT"
                    f" {', '.join(f'1 AS {column}' for column in columns.split(', '))}")
    before = views_of(loaded)
    expect_refusal(loaded, 2, "catalogue_match", "SCHEMA", script="create_tables.py", arguments=arguments)
    assert views_of(loaded) == before
    assert loaded.query("SELECT COUNT(*) FROM catalogue_match") == [(1,)]


def test_a_foreign_view_on_our_view_stops_both_and_is_named(loaded):
    execute(loaded, "CREATE VIEW favourites AS SELECT song_title FROM top_songs")
    before = views_of(loaded)
    for arguments in ((), ("--views", "--force")):
        expect_refusal(loaded, 2, "DROP VIEW IF EXISTS top_songs: cannot drop view top_songs",
                       "view favourites", "Drop what depends on it first", script="create_tables.py",
                       arguments=arguments)
    assert views_of(loaded) == before


# ------------------------------------------------------------------------------- the statements

def test_the_columns_read_from_the_statements_are_those_of_the_tables_and_views(warehouse):
    with contextlib.closing(
        psycopg2.connect(**warehouse.server.connect_parameters(warehouse.database))
    ) as connection, connection.cursor() as cursor:
        existing = tables.read_columns(cursor)
    declared = {table: tables.parse_columns(sql) for table, sql in CREATES.items()}
    assert declared == {name: existing[name] for name in OUR_TABLES}
    for sql in sql_queries.create_view_queries:
        assert list(tables.parse_columns(sql)) == list(existing[tables.subject_of(sql)])


def test_every_statement_is_seen_with_verbose(project):
    done = create(project, "--verbose")
    for sql in (sql_queries.drop_view_queries + sql_queries.drop_table_queries
                + sql_queries.create_table_queries + sql_queries.create_view_queries):
        assert sql.strip() in done.stderr


def test_a_new_warehouse_has_no_index_but_block_ranges(warehouse):
    """Redshift has no indexes. This also covers the tables behind the system tables."""
    assert warehouse.query(
        "SELECT DISTINCT amname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON"
        " pg_am.oid = relam WHERE relnamespace::regnamespace::text !~ '^(pg_|information_schema)'"
    ) == [("brin",)]
