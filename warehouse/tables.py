"""The columns that the CREATE statements declare, compared with those in the database."""

import re
from typing import Iterable

from psycopg2 import extensions

import sql_queries

from . import ConfigError, WarehouseError, history
from .database.errors import explain_ddl
from .database.statements import execute, subject_of
from .database.transactions import refuse_to_wait, transaction, waiting

MAKE_VIEWS = ("missing, of other columns, or the user has no right to SELECT. Run create_tables.py"
              " --views, which keeps the tables (without --views where there are none yet), or GRANT"
              " the right")


def parse_columns(sql: str) -> dict[str, str]:
    """Read the columns that a CREATE statement declares, one a line; a view's have no type.

    In a table the line begins with the column. In a view it ends with it, by itself or after AS.

    >>> parse_columns("-- create t\\nCREATE TABLE t (\\n    a INT,\\n    PRIMARY KEY (a)\\n)")
    {'a': 'INT'}
    >>> parse_columns("CREATE VIEW v AS\\nSELECT\\n    t.a,  -- key\\n    MAX(b) AS c\\nFROM t")
    {'a': '', 'c': ''}
    """
    if is_view(sql):
        body = re.sub(" +--.*", "", sql[sql.index("\nSELECT\n") : sql.index("\nFROM ")])
        columns = re.findall(r"^ +(?:\w+\.|(?:\S.* )?AS )?([a-z_]+),?$", body, re.MULTILINE)
        return dict.fromkeys(columns, "")
    body = sql[sql.index("(\n") : sql.index("\n)")]
    return dict(
        re.findall(r"^    ([a-z_]+)(?: +([A-Z]+(?:\([0-9, ]+\))?))?", body, re.MULTILINE))


EXISTING_COLUMNS = """-- existing columns: the tables and views of the schema, as they are
SELECT
    table_name, column_name, data_type, character_maximum_length, numeric_precision, numeric_scale
FROM information_schema.columns
WHERE table_schema = CURRENT_SCHEMA()
ORDER BY table_name, ordinal_position
"""


def read_columns(cursor: extensions.cursor) -> dict[str, dict[str, str]]:
    """Read the columns of every table and view of the schema, with their types as we declare them.

    Those on which the user has no right may be left out.
    """
    execute(cursor, EXISTING_COLUMNS, {})
    existing: dict[str, dict[str, str]] = {}
    for table, column, *kind in cursor.fetchall():
        existing.setdefault(table, {})[column] = format_type(*kind)
    return existing


def has_our_columns(columns: Iterable[str], sql: str) -> bool:
    """Tell whether these are the columns that a CREATE statement declares; a view's in their order.

    A table's may be in another, as ALTER TABLE … ADD COLUMN puts a column last: every COPY and
    INSERT names its columns.
    """
    ours = parse_columns(sql)
    return list(columns) == list(ours) if is_view(sql) else set(columns) == set(ours)


def is_view(sql: str) -> bool:
    return "\nSELECT\n" in sql


def format_type(name: str, length: int | None, precision: int | None, scale: int | None) -> str:
    """Write a type of information_schema as sql_queries does.

    >>> format_type("character varying", 64, None, None)
    'VARCHAR(64)'
    """
    if name == "character varying":
        return f"VARCHAR({length})"
    if name == "numeric":
        return f"NUMERIC({precision}, {scale})"
    return name.removesuffix(" without time zone").upper()


# What staging_catalogue was in version 0.3.0 and before.
OLDER_CATALOGUE = {
    "song_id", "title", "artist_id", "artist_name", "artist_location", "artist_latitude",
    "artist_longitude", "year", "duration",
}
OLDER_VERSION = (
    "the tables are those of version 0.3.0 or older; this version keeps others. create_tables.py"
    " --force drops them and creates its own, and etl.py then loads every file that is in LOG_DATA and"
    " SONG_DATA now. Until then the older version goes on working."
)


def refuse_foreign_tables(cursor: extensions.cursor, creates: tuple[str, ...]) -> None:
    """Raise ConfigError if a table or view stands in the way whose columns are not ours."""
    existing = read_columns(cursor)
    ours = {subject_of(sql): sql for sql in creates}
    if set(existing.get("staging_catalogue", ())) == OLDER_CATALOGUE:
        raise ConfigError(OLDER_VERSION)
    strangers = [
        f"{table} ({', '.join(columns)})"
        for table, columns in existing.items()
        if table == "staging_catalogue"
        or table in ours and not has_our_columns(columns, ours[table])
    ]
    if strangers:
        raise ConfigError(
            "these tables or views are in the way and are not of this toolkit, or of another version:"
            f" {'; '.join(strangers)}. Set another SCHEMA in dwh.cfg, or drop them: with --force, or"
            " by hand where a table has the name of a view of ours or a view that of a table."
        )


TABLE_RIGHTS = """-- table rights: whether the user may read, fill, change and empty a table
SELECT
    HAS_TABLE_PRIVILEGE(%(table)s, 'SELECT'),
    HAS_TABLE_PRIVILEGE(%(table)s, 'INSERT'),
    HAS_TABLE_PRIVILEGE(%(table)s, 'UPDATE'),
    HAS_TABLE_PRIVILEGE(%(table)s, 'DELETE')
"""


def is_readable(cursor: extensions.cursor, sql: str, existing: dict[str, dict[str, str]]) -> bool:
    """Tell whether what a CREATE statement makes is there, with our columns, and for this user to read."""
    name = subject_of(sql)
    if not has_our_columns(existing.get(name, ()), sql):
        return False
    execute(cursor, TABLE_RIGHTS, {"table": name})
    return cursor.fetchone()[0]


def list_unreadable_views(cursor: extensions.cursor) -> list[str]:
    """List our views that are missing, have other columns, or may not be read by this user."""
    existing = read_columns(cursor)
    return [subject_of(sql) for sql in sql_queries.create_view_queries
            if not is_readable(cursor, sql, existing)]


COUNT_PLAYS = """-- plays to drop: how many songplays holds before a reset
SELECT COUNT(*)
FROM songplays
"""


def describe_plays(cursor: extensions.cursor) -> str:
    """Say how many plays there are and of when; '' where there are none that this user may read."""
    if not is_readable(cursor, sql_queries.songplay_table_create, read_columns(cursor)):
        return ""
    execute(cursor, COUNT_PLAYS, {})
    (count,) = cursor.fetchone()
    loaded_at = history.find_last_runs(cursor).loaded_at
    when = f", the last load was of {loaded_at:%Y-%m-%d %H:%M:%S} UTC" if loaded_at else ""
    return f"{count:,} play{'s' * (count > 1)}{when}" if count else ""


def create_lasting_tables(connection: extensions.connection) -> None:
    """Create what a reset keeps, etl_lock without its row and loads, where missing; commit it.

    What is there is not touched: a load may hold it. Raises ConfigError if its columns are not ours.
    Where another reset creates it at the same moment, the second try finds it.
    """
    for last_try in (False, True):
        try:
            with transaction(connection) as cursor:
                existing = read_columns(cursor)
                for sql in sql_queries.create_lasting_queries:
                    table = subject_of(sql)
                    if table not in existing:
                        execute(cursor, sql, {})
                    elif not has_our_columns(existing[table], sql):
                        raise ConfigError(
                            f"{table} ({', '.join(existing[table])}) is in the way and is not of this"
                            " toolkit, or of another version. Set another SCHEMA in dwh.cfg, or rename"
                            " or drop it by hand: a reset keeps a table of this name, even with --force."
                        )
            return
        except ConfigError:
            raise
        except WarehouseError:
            if last_try or connection.closed:
                raise


def run_ddl(cursor: extensions.cursor, sql: str, lock_timeout: int) -> None:
    """Run a DROP or CREATE, which takes no time but to wait for those who use the table.

    Raises ConfigError where something that is not ours stops it, and BusyError where somebody's
    transaction does for so many seconds.
    """
    try:
        with waiting(cursor, lock_timeout):
            execute(cursor, sql, {})
    except WarehouseError as error:
        refuse_to_wait(cursor, subject_of(sql), lock_timeout, error)
        if advice := explain_ddl(error):
            raise ConfigError(f"{error}. {advice}") from error
        raise
