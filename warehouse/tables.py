"""Tables and views: compare those in the database with the CREATE statements, and create them."""

import re
from typing import Iterable

from psycopg2 import extensions

import sql_queries

from . import ConfigError, WarehouseError, history
from .database.errors import explain_ddl
from .database.statements import execute, subject_of
from .database.transactions import limiting_waits, raise_if_timed_out, transaction

MAKE_VIEWS = ("missing, defined with other columns, or not readable by this user. Run"
              " create_tables.py --views, which keeps the tables (without --views if there are no"
              " tables yet), or GRANT SELECT to the user")


def parse_columns(sql: str) -> dict[str, str]:
    """Parse the columns and their types from a CREATE statement; columns of a view have no type.

    There must be one column per line. In a table the line begins with the name. In a view it ends with
    the name, alone or after AS.

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
    """Read the columns of every table and view in the schema, with types as in sql_queries.

    Tables on which the user has no privilege may be missing.
    """
    execute(cursor, EXISTING_COLUMNS, {})
    existing: dict[str, dict[str, str]] = {}
    for table, column, *kind in cursor.fetchall():
        existing.setdefault(table, {})[column] = format_type(*kind)
    return existing


def has_our_columns(columns: Iterable[str], sql: str) -> bool:
    """Return whether these are the columns that a CREATE statement declares.

    The order counts for a view only. In a table it may differ, because ALTER TABLE … ADD COLUMN appends
    a column, and every COPY and INSERT names its columns.
    """
    ours = parse_columns(sql)
    return list(columns) == list(ours) if is_view(sql) else set(columns) == set(ours)


def is_view(sql: str) -> bool:
    return "\nSELECT\n" in sql


def format_type(name: str, length: int | None, precision: int | None, scale: int | None) -> str:
    """Format a type of information_schema as it is written in sql_queries.

    >>> format_type("character varying", 64, None, None)
    'VARCHAR(64)'
    """
    if name == "character varying":
        return f"VARCHAR({length})"
    if name == "numeric":
        return f"NUMERIC({precision}, {scale})"
    return name.removesuffix(" without time zone").upper()


# The columns of staging_catalogue up to version 0.3.0, by which that version is recognised.
OLDER_CATALOGUE = {
    "song_id", "title", "artist_id", "artist_name", "artist_location", "artist_latitude",
    "artist_longitude", "year", "duration",
}
OLDER_VERSION = (
    "the tables are those of version 0.3.0 or older, and this version needs other ones. create_tables.py"
    " --force drops them and creates the new ones. etl.py then loads every file that is in LOG_DATA and"
    " SONG_DATA. Until then the older version keeps working."
)


def refuse_name_conflicts(cursor: extensions.cursor, creates: tuple[str, ...]) -> None:
    """Raise ConfigError if a table or view has the name of one of ours, but other columns."""
    existing = read_columns(cursor)
    ours = {subject_of(sql): sql for sql in creates}
    if set(existing.get("staging_catalogue", ())) == OLDER_CATALOGUE:
        raise ConfigError(OLDER_VERSION)
    conflicts = [
        f"{table} ({', '.join(columns)})"
        for table, columns in existing.items()
        if table == "staging_catalogue"
        or table in ours and not has_our_columns(columns, ours[table])
    ]
    if conflicts:
        raise ConfigError(
            "these tables or views do not belong to this toolkit, or not to this version, but have names that"
            f" it needs: {'; '.join(conflicts)}. Set another SCHEMA in dwh.cfg, or drop them with --force."
            " A table under the name of a view, or a view under the name of a table, must be dropped by hand."
        )


TABLE_RIGHTS = """-- table rights: the user's rights to SELECT, INSERT, UPDATE and DELETE
SELECT
    HAS_TABLE_PRIVILEGE(%(table)s, 'SELECT'),
    HAS_TABLE_PRIVILEGE(%(table)s, 'INSERT'),
    HAS_TABLE_PRIVILEGE(%(table)s, 'UPDATE'),
    HAS_TABLE_PRIVILEGE(%(table)s, 'DELETE')
"""


def is_readable(cursor: extensions.cursor, sql: str, existing: dict[str, dict[str, str]]) -> bool:
    """Return whether the table or view of a CREATE statement exists, has our columns and is readable."""
    name = subject_of(sql)
    if not has_our_columns(existing.get(name, ()), sql):
        return False
    execute(cursor, TABLE_RIGHTS, {"table": name})
    return cursor.fetchone()[0]


def list_unreadable_views(cursor: extensions.cursor) -> list[str]:
    """List our views that are missing, have other columns or cannot be read by this user."""
    existing = read_columns(cursor)
    return [subject_of(sql) for sql in sql_queries.create_view_queries
            if not is_readable(cursor, sql, existing)]


COUNT_PLAYS = """-- plays to drop: the number of rows of songplays before a reset
SELECT COUNT(*)
FROM songplays
"""


def describe_plays(cursor: extensions.cursor) -> str:
    """Describe how many plays there are and when they were loaded; '' if this user can read none."""
    if not is_readable(cursor, sql_queries.songplay_table_create, read_columns(cursor)):
        return ""
    execute(cursor, COUNT_PLAYS, {})
    (count,) = cursor.fetchone()
    loaded_at = history.find_last_times(cursor).loaded_at
    when = f"; the last load ended at {loaded_at:%Y-%m-%d %H:%M:%S} UTC" if loaded_at else ""
    return f"{count:,} play{'s' * (count > 1)}{when}" if count else ""


def create_lasting_tables(connection: extensions.connection) -> None:
    """Create and commit the tables that a reset keeps, etl_lock (empty) and loads, if they are missing.

    Existing tables are not touched, because a load may hold them. Raises ConfigError if their columns
    are not ours. There is a second try, in case another reset creates a table at the same moment.
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
                            f"{table} ({', '.join(existing[table])}) does not belong to this"
                            " toolkit, or not to this version, but has a name that it needs. Set another"
                            " SCHEMA in dwh.cfg, or rename or drop it by hand: a reset keeps it, even with"
                            " --force."
                        )
            return
        except ConfigError:
            raise
        except WarehouseError:
            if last_try or connection.closed:
                raise


def run_ddl(cursor: extensions.cursor, sql: str, lock_timeout: int) -> None:
    """Run a DROP or CREATE, which may have to wait for sessions that use the table.

    Raises BusyError if it waits longer than lock_timeout seconds, and ConfigError if an object that is
    not ours prevents it.
    """
    try:
        with limiting_waits(cursor, lock_timeout):
            execute(cursor, sql, {})
    except WarehouseError as error:
        raise_if_timed_out(cursor, subject_of(sql), lock_timeout, error)
        if advice := explain_ddl(error):
            raise ConfigError(f"{error}. {advice}") from error
        raise
