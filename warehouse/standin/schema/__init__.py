"""The system tables and functions that a PostgreSQL database needs to stand in for Redshift."""

import hashlib
from pathlib import Path

VERSION = "6"  # of the system tables

FOLDER = Path(__file__).parent


def install(cursor) -> None:
    """Create what the database is missing; commits nothing. Two may do so at once.

    System tables of another version are dropped. Functions are only replaced: views of the user
    may stand on them.
    """
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('sparkify stand-in'))")
    mark = f"sparkify stand-in {VERSION}: what Amazon Redshift has and PostgreSQL has not"
    found = comment(cursor, "standin")
    if found != mark:
        if found.startswith("sparkify stand-in "):
            cursor.execute("DROP SCHEMA standin CASCADE")
        cursor.execute((FOLDER / "system_tables.sql").read_text("utf-8"))
        cursor.execute("COMMENT ON SCHEMA standin IS %s", (mark,))
    functions = (FOLDER / "functions.sql").read_text("utf-8")
    whole = f"sparkify stand-in {hashlib.sha256(functions.encode()).hexdigest()}"
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    (superuser,) = cursor.fetchone()
    mark = whole if superuser else f"{whole}, without conversions: no superuser made it"
    if comment(cursor, "redshift") not in (whole, mark):
        cursor.execute(functions)
        cursor.execute("COMMENT ON SCHEMA redshift IS %s", (mark,))


def comment(cursor, schema: str) -> str:
    cursor.execute("SELECT obj_description(to_regnamespace(%s), 'pg_namespace')", (schema,))
    return cursor.fetchone()[0] or ""
