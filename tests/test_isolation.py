"""Concurrent sessions under both isolation levels of a Redshift database: SNAPSHOT, the usual one, and
SERIALIZABLE (guide: c_serial_isolation)."""

import contextlib
import subprocess
import sys

import pytest
from psycopg2 import extensions
from support import ROOT
from support.documents import event, song
from support.project import finish
from support.sessions import (
    BETWEEN_INSERTS,
    connect_to,
    execute,
    wait_until_no_session_is_left,
    wait_until_somebody_waits_for,
    waiting_at,
)

LEVELS = {"SNAPSHOT": "repeatable read", "SERIALIZABLE": "serializable"}


@pytest.fixture(params=LEVELS)
def isolated(request, loaded):
    """A warehouse of two plays in a database of this isolation level, with a file and a song to load."""
    level = LEVELS[request.param]
    execute(loaded, f"ALTER DATABASE {loaded.database} SET default_transaction_isolation = '{level}'")
    loaded.write("log_data/2.json", [event(5), event(6)])
    loaded.write("song_data/9.json", song("SONEW", title="New"))
    loaded.level = level
    return loaded


def report(project) -> str:
    project.write_config()
    done = subprocess.run(
        [sys.executable, "-m", "warehouse.report", "--config", project.config], cwd=ROOT, text=True,
        capture_output=True, env=project.process_environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextlib.contextmanager
def analysing(project):
    """Yield an open transaction that has read the plays. It may write a table of its own."""
    execute(project, "CREATE TABLE IF NOT EXISTS favourites (song_title TEXT)")
    with contextlib.closing(connect_to(project)) as connection:
        connection.autocommit = False
        connection.set_session(isolation_level=(
            extensions.ISOLATION_LEVEL_SERIALIZABLE if project.level == "serializable"
            else extensions.ISOLATION_LEVEL_REPEATABLE_READ))
        cursor = connection.cursor()
        cursor.execute("SELECT COUNT(*) FROM songplays")
        assert cursor.fetchone() == (2,)
        yield connection, cursor


def test_during_a_load_the_report_and_status_read_the_old_tables_and_check_says_who_loads(isolated):
    isolated.configure(LOCK_TIMEOUT="1")
    with waiting_at(isolated, BETWEEN_INSERTS) as (loading, holder):
        assert report(isolated).startswith("2 plays by ")
        status = isolated.run("etl.py", "--status")
        assert status.returncode == 0 and "next load: new and changed files" in status.stdout
        check = isolated.run("etl.py", "--check")
        assert check.returncode == 75 and "another load or reset is running (process" in check.stdout
        holder.close()
        assert finish(loading).returncode == 0
    assert report(isolated).startswith("4 plays by ")


@pytest.mark.parametrize("second", [("etl.py",), ("etl.py", "--full"), ("create_tables.py",)],
                         ids=["load", "full", "reset"])
def test_a_load_and_the_run_that_waits_for_it_both_succeed(isolated, second):
    with waiting_at(isolated, BETWEEN_INSERTS) as (loading, holder):
        waiting = isolated.start(*second)
        wait_until_somebody_waits_for(isolated, "etl_lock")
        holder.close()
        first, later = finish(loading), finish(waiting)
    assert (first.returncode, later.returncode) == (0, 0), first.stderr + later.stderr
    plays = isolated.query("SELECT COUNT(*) FROM songplays")
    assert plays == [(0 if second == ("create_tables.py",) else 4,)]


def test_an_analysts_open_transaction_stops_no_load_and_keeps_its_view(isolated):
    with analysing(isolated) as (connection, cursor):
        assert "committed" in isolated.load().stderr
        cursor.execute("SELECT COUNT(*) FROM songplays")
        assert cursor.fetchone() == (2,)
        cursor.execute("INSERT INTO favourites SELECT song_title FROM songplays")
        connection.commit()
    wait_until_no_session_is_left(isolated)
    assert isolated.query("SELECT COUNT(*) FROM songplays") == [(4,)]
