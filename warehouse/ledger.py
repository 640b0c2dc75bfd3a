"""The table loaded_files: which files are loaded, in which version."""

from psycopg2 import errorcodes, extensions

from . import ConfigError, WarehouseError, tables
from .database.errors import code_of
from .database.statements import execute
from .objects import Object

LOADED_FILES = """-- list loaded_files: every file loaded so far, in its version
SELECT loaded_into, url, etag, bytes
FROM loaded_files
"""

EARLIER_ROWS = """-- count earlier rows: whether a load by prefix, which leaves no ledger, left any
SELECT COUNT(*)
FROM (
    SELECT 'song' AS what FROM catalogue
    UNION ALL
    SELECT 'event' FROM latest_events
) AS earlier_rows
"""


def read_ledger(cursor: extensions.cursor) -> dict[str, dict[str, Object]]:
    """The loaded files by staging table and url.

    Raises ConfigError where the tables are of an older version.
    """
    try:
        execute(cursor, LOADED_FILES, {})
    except WarehouseError as error:
        if code_of(error) == errorcodes.UNDEFINED_COLUMN:
            raise ConfigError(tables.OLDER_VERSION) from error
        raise
    loaded: dict[str, dict[str, Object]] = {}
    for table, url, etag, size in cursor:
        loaded.setdefault(table, {})[url] = Object(url, size, etag)
    return loaded


def has_earlier_rows(cursor: extensions.cursor) -> bool:
    """Whether an earlier load left rows, as one by prefix does, which leaves no ledger."""
    execute(cursor, EARLIER_ROWS, {})
    return cursor.fetchone()[0] > 0
