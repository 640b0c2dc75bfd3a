"""The system tables and functions that a PostgreSQL database needs to stand in for Redshift."""

import hashlib
from pathlib import Path

VERSION = "6"  # of the system tables

FOLDER = Path(__file__).parent


def install(cursor) -> None:
    """Create what the database is missing, without a commit; safe to run from two sessions at once.

    System tables of another version are dropped. Functions are replaced, never dropped, because
    views of the user may depend on them.
    """
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('sparkify stand-in'))")
    comment = f"sparkify stand-in {VERSION}: what Amazon Redshift has and PostgreSQL has not"
    current = read_comment(cursor, "standin")
    if current != comment:
        if current.startswith("sparkify stand-in "):
            cursor.execute("DROP SCHEMA standin CASCADE")
        cursor.execute((FOLDER / "system_tables.sql").read_text("utf-8"))
        cursor.execute("COMMENT ON SCHEMA standin IS %s", (comment,))
    functions = (FOLDER / "functions.sql").read_text("utf-8")
    full_comment = f"sparkify stand-in {hashlib.sha256(functions.encode()).hexdigest()}"
    cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    (superuser,) = cursor.fetchone()
    comment = full_comment if superuser else f"{full_comment}, without conversions: no superuser made it"
    if read_comment(cursor, "redshift") not in (full_comment, comment):
        cursor.execute(functions)
        cursor.execute("COMMENT ON SCHEMA redshift IS %s", (comment,))


def read_comment(cursor, schema: str) -> str:
    cursor.execute("SELECT obj_description(to_regnamespace(%s), 'pg_namespace')", (schema,))
    return cursor.fetchone()[0] or ""
