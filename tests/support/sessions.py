"""Other sessions in a project's database: they query, change and lock tables, and wait for a load."""

import contextlib
import time

import psycopg2

from support.project import TABLES, Project


def connect_to(project: Project):
    return psycopg2.connect(**project.server.connect_parameters(project.database))


def execute(project: Project, sql: str) -> None:
    project.connection.cursor().execute(sql)


def age_the_history(project, hours: float) -> None:
    """Shift the history so that the newest run ended so many hours ago."""
    execute(project, f"""
        UPDATE loads SET begun_at = begun_at + shift, finished_at = finished_at + shift
        FROM (SELECT now() AT TIME ZONE 'UTC' - interval '{hours} hours' - MAX(finished_at) AS shift
              FROM loads) AS age""")


def count_plays(project: Project) -> int:
    return project.query("SELECT COUNT(*) FROM songplays")[0][0]


def list_relations(project, schema: str = "public") -> set[str]:
    return {name for name, in project.query(
        f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{schema}'")}


def tables_of(project: Project) -> dict[str, list[tuple]]:
    return project.snapshot((*TABLES, "loaded_files"))


def lose_rows(project: Project, change: str) -> None:
    """Let the database silently skip the change of every row."""
    execute(project, "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS"
                     " 'BEGIN RETURN NULL; END'")
    execute(project, f"CREATE TRIGGER lose BEFORE {change} FOR EACH ROW EXECUTE FUNCTION lose()")


def wait_until(project: Project, sql: str) -> None:
    """Poll until the query returns true."""
    deadline = time.monotonic() + 30
    while not project.query(sql)[0][0]:
        assert time.monotonic() < deadline, f"it never came true: {sql}"
        time.sleep(0.02)


def wait_until_no_session_is_left(project: Project) -> None:
    """Wait for the end of all other sessions.

    PostgreSQL checks every two seconds whether the client of a busy session still lives.
    """
    wait_until(project, "SELECT COUNT(*) = 0 FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()")


def hold(project: Project, table: str):
    """Lock a table for every other session, until the returned connection is closed."""
    connection = connect_to(project)
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
    return connection


def wait_until_somebody_waits_for(project: Project, table: str, how_many: int = 1) -> None:
    wait_until(project, f"SELECT COUNT(*) >= {how_many} FROM pg_locks"
                        f" WHERE relation = '{table}'::regclass AND NOT granted")


WAITS = """
CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NEW; END'
"""
IN_COPY = """
CREATE TRIGGER wait_here BEFORE INSERT ON staging_events FOR EACH ROW
WHEN (NEW.iteminsession = 6) EXECUTE FUNCTION wait_here()
"""
BETWEEN_INSERTS = """
CREATE TRIGGER wait_here BEFORE INSERT ON songs FOR EACH STATEMENT EXECUTE FUNCTION wait_here()
"""
WAITING = "locktype = 'advisory' AND NOT granted"


@contextlib.contextmanager
def waiting_at(project: Project, trigger: str):
    """Start a load and wait until it is at the trigger. Yield it, and the session that holds it there.

    Close the session to let the load go on.
    """
    execute(project, WAITS + ";" + trigger)
    with contextlib.closing(connect_to(project)) as holder:
        holder.cursor().execute("SELECT pg_advisory_lock(1)")
        process = project.start("etl.py")
        try:
            wait_until(project, f"SELECT COUNT(*) > 0 FROM pg_locks WHERE {WAITING}")
            yield process, holder
        finally:
            process.kill()
            process.communicate()
