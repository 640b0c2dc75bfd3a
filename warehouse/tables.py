"""What the CREATE statements declare, held against what the database has."""

import re

import psycopg2
from psycopg2 import extensions

import sql_queries

from . import ConfigError
from .statements import execute, message_of, name_of, subject_of

OTHERS_DEPEND = "2BP01"


def declared_columns(sql: str) -> list[str]:
    """The columns of a CREATE TABLE statement of sql_queries, which has one to a line.

    >>> declared_columns("-- create t\\nCREATE TABLE t (\\n    a INT,\\n    PRIMARY KEY (a)\\n)")
    ['a']
    """
    body = sql[sql.index("(\n") : sql.rindex("\n)")]
    return re.findall(r"^    ([a-z_]+) +[A-Z]", body, re.MULTILINE)


def declares_table(sql: str) -> bool:
    return "\nCREATE TABLE " in sql


def refuse_strangers(cursor: extensions.cursor, creates: tuple[str, ...], values: dict) -> None:
    """Raise ConfigError if a table stands in the way whose columns are not ours."""
    execute(cursor, sql_queries.existing_columns, values)
    existing: dict[str, list[str]] = {}
    for table, column in cursor.fetchall():
        existing.setdefault(table, []).append(column)
    strangers = [
        f"{table} ({', '.join(existing[table])})"
        for table, columns in ((subject_of(sql), declared_columns(sql)) for sql in creates if declares_table(sql))
        if table in existing and existing[table] != columns
    ]
    if strangers:
        raise ConfigError(
            f"these tables are in the way and are not of this toolkit: {'; '.join(strangers)}."
            " Set another SCHEMA in dwh.cfg, or drop them with --force."
        )


def run_ddl(cursor: extensions.cursor, sql: str, values: dict) -> None:
    """Run a DROP or CREATE; raises ConfigError where somebody else's view stands on our table."""
    try:
        cursor.execute(sql, values)
    except psycopg2.Error as error:
        if error.pgcode == OTHERS_DEPEND or "depend on it" in str(error):
            raise ConfigError(
                f"{name_of(sql)}: {message_of(error)}. Drop what depends on it first; or use etl.py,"
                " which reloads the tables as they stand."
            ) from error
        raise
