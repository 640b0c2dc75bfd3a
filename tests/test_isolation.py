"""Sessions side by side under both isolation levels that a database of Redshift may have: SNAPSHOT, the
usual one, and SERIALIZABLE (guide: c_serial_isolation)."""

import contextlib
import subprocess
import sys

import pytest
from psycopg2 import extensions
from support import ROOT
from support.documents import event, song
from support.project import ended
from support.sessions import (
    BETWEEN_INSERTS,
    connection_to,
    execute,
    wait_until_no_session_is_left,
    wait_until_somebody_waits_for,
    waiting_at,
)

LEVELS = {"SNAPSHOT": "repeatable read", "SERIALIZABLE": "serializable"}


@pytest.fixture(params=LEVELS)
def side_by_side(request, loaded):
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
def analyst(project):
    """An open transaction that has read the plays and writes a table of its own."""
    execute(project, "CREATE TABLE IF NOT EXISTS favourites (song_title TEXT)")
    with contextlib.closing(connection_to(project)) as connection:
        connection.autocommit = False
        connection.set_session(isolation_level=(
            extensions.ISOLATION_LEVEL_SERIALIZABLE if project.level == "serializable"
            else extensions.ISOLATION_LEVEL_REPEATABLE_READ))
        cursor = connection.cursor()
        cursor.execute("SELECT COUNT(*) FROM songplays")
        assert cursor.fetchone() == (2,)
        yield connection, cursor


def test_during_a_load_the_report_and_status_read_the_old_tables_and_check_says_who_loads(side_by_side):
    side_by_side.configure(LOCK_TIMEOUT="1")
    with waiting_at(side_by_side, BETWEEN_INSERTS) as (loading, holder):
        assert report(side_by_side).startswith("2 plays by ")
        status = side_by_side.run("etl.py", "--status")
        assert status.returncode == 0 and "next load: new and changed files" in status.stdout
        check = side_by_side.run("etl.py", "--check")
        assert check.returncode == 75 and "another load or reset is running (process" in check.stdout
        holder.close()
        assert ended(loading).returncode == 0
    assert report(side_by_side).startswith("4 plays by ")


@pytest.mark.parametrize("second", [("etl.py",), ("etl.py", "--full"), ("create_tables.py",)],
                         ids=["load", "full", "reset"])
def test_a_load_and_what_waits_for_it_both_succeed(side_by_side, second):
    with waiting_at(side_by_side, BETWEEN_INSERTS) as (loading, holder):
        waiting = side_by_side.start(*second)
        wait_until_somebody_waits_for(side_by_side, "etl_lock")
        holder.close()
        first, later = ended(loading), ended(waiting)
    assert (first.returncode, later.returncode) == (0, 0), first.stderr + later.stderr
    plays = side_by_side.query("SELECT COUNT(*) FROM songplays")
    assert plays == [(0 if second == ("create_tables.py",) else 4,)]


def test_an_open_transaction_of_an_analyst_stops_no_load_and_sees_what_it_saw(side_by_side):
    with analyst(side_by_side) as (connection, cursor):
        assert "committed" in side_by_side.load().stderr
        cursor.execute("SELECT COUNT(*) FROM songplays")
        assert cursor.fetchone() == (2,)
        cursor.execute("INSERT INTO favourites SELECT song_title FROM songplays")
        connection.commit()
    wait_until_no_session_is_left(side_by_side)
    assert side_by_side.query("SELECT COUNT(*) FROM songplays") == [(4,)]
