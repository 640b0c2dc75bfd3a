"""SIGTERM and SIGINT where no statement can be cancelled: S3 or the server does not answer.

test_failures and test_retries interrupt COPY, INSERT, the login and the pause between attempts.
"""

import signal
import time

import pytest
from support.faulty_s3 import LIST, Stall
from support.project import finish
from support.proxy import CONNECT, Hold, replace_by
from support.runs import assert_refused
from support.sessions import (
    hold,
    wait_until,
    wait_until_no_session_is_left,
    wait_until_somebody_waits_for,
)
from support.tcp_project import LOG

from warehouse.database import transactions
from warehouse.signals import INTERRUPTION, Interrupted

SIGNALS = pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
UNDONE = "The server rolls back what was not committed."
SOON = 10  # seconds: much more than a signal takes, and much less than a load without one


@SIGNALS
@pytest.mark.parametrize("what", [LIST, LOG], ids=["list", "object"])
def test_a_signal_ends_a_load_that_waits_for_s3(s3_project, s3, what, number, status):
    before = s3_project.snapshot()
    stall = s3.on(what, Stall(), 99)
    process = s3_project.start("etl.py")
    stall.reached.wait()
    sent = time.monotonic()
    process.send_signal(number)
    assert_refused(finish(process), status, f"interrupted by {number.name}. {UNDONE}",
                   rolled_back=False)
    assert time.monotonic() - sent < SOON
    wait_until_no_session_is_left(s3_project)
    assert s3_project.snapshot() == before


@SIGNALS
def test_a_signal_ends_a_load_whose_server_is_silent(fresh, proxy, number, status):
    held = proxy.on("INSERT INTO users", Hold())
    process = fresh.start("etl.py")
    held.reached.wait()
    cancelling = proxy.on("", Hold(), of=CONNECT)
    sent = time.monotonic()
    process.send_signal(number)
    cancelling.reached.wait()
    assert_refused(finish(process), status, UNDONE, rolled_back=False)
    assert time.monotonic() - sent < SOON


def test_a_second_signal_ends_a_load_at_once(fresh, proxy):
    held = proxy.on("INSERT INTO users", Hold())
    process = fresh.start("etl.py")
    held.reached.wait()
    cancelling = proxy.on("", Hold(), of=CONNECT)
    process.send_signal(signal.SIGINT)
    cancelling.reached.wait()
    process.send_signal(signal.SIGTERM)
    done = finish(process)
    assert done.returncode == 143 and "ERROR" not in done.stderr


@SIGNALS
def test_a_signal_ends_a_load_that_waits_for_the_lock(fresh, number, status):
    holder = hold(fresh, "etl_lock")
    process = fresh.start("etl.py")
    wait_until_somebody_waits_for(fresh, "etl_lock")
    process.send_signal(number)
    assert_refused(finish(process), status, f"interrupted by {number.name}")
    wait_until(fresh, "SELECT COUNT(*) = 0 FROM pg_locks WHERE NOT granted")
    holder.close()
    wait_until_no_session_is_left(fresh)


@SIGNALS
def test_a_signal_ends_a_load_that_checks(fresh, proxy, undisturbed, number, status):
    proxy.on("-- users_unique", replace_by("SELECT pg_sleep(600)"))
    process = fresh.start("etl.py")
    wait_until(fresh, "SELECT COUNT(*) > 0 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
                      " AND datname = current_database()")
    process.send_signal(number)
    assert_refused(finish(process), status, f"interrupted by {number.name}")
    wait_until_no_session_is_left(fresh)
    fresh.load()
    assert fresh.snapshot() == undisturbed


def test_a_signal_between_the_last_statement_and_commit_undoes_the_load(postgres, monkeypatch):
    with pytest.raises(Interrupted), transactions.transaction(postgres) as cursor:
        cursor.execute("CREATE TABLE late (i INTEGER)")
        monkeypatch.setattr(INTERRUPTION, "number", signal.SIGTERM)
    with postgres.cursor() as cursor:
        cursor.execute("SELECT to_regclass('late')")
        assert cursor.fetchone() == (None,)
