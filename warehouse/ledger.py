"""The ledger: the table loaded_files, with each loaded file and its version."""

from psycopg2 import errorcodes, extensions

from . import ConfigError, WarehouseError, tables
from .database.errors import code_of
from .database.statements import execute
from .objects import Object

LOADED_FILES = """-- list loaded_files: every file loaded so far, with its version
SELECT loaded_into, url, etag, bytes
FROM loaded_files
"""

EARLIER_ROWS = """-- count earlier rows: rows of any earlier load, even one by prefix, which fills no ledger
SELECT COUNT(*)
FROM (
    SELECT 'song' AS what FROM catalogue
    UNION ALL
    SELECT 'event' FROM latest_events
) AS earlier_rows
"""


def read_ledger(cursor: extensions.cursor) -> dict[str, dict[str, Object]]:
    """Read the loaded files, by staging table and url.

    Raises ConfigError if the tables are those of an older version.
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
    """Return whether an earlier load left rows. A load by prefix does, without filling the ledger."""
    execute(cursor, EARLIER_ROWS, {})
    return cursor.fetchone()[0] > 0
