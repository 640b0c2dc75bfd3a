"""Runs with failures that pass by themselves, and with failures that do not.

Errors that only Redshift raises come from the proxy, in the words recorded on Redshift. All others
really happen in a PostgreSQL.
"""

import contextlib
import re
import signal
import threading
import time

import psycopg2
import pytest
from support.documents import event
from support.project import LASTING, finish
from support.proxy import (
    CONNECT,
    DENIED,
    NO_ROLE,
    Abandon,
    Hold,
    block,
    cut,
    delay,
    fail,
    forward,
    lose_the_reply,
)
from support.runs import NOTHING, assert_refused, expect_refusal
from support.sessions import (
    BETWEEN_INSERTS,
    IN_COPY,
    WAITING,
    connect_to,
    execute,
    wait_until_somebody_waits_for,
    waiting_at,
)
from support.tcp_project import LAST, assert_permanent
from support.tcp_server import find_free_port

from warehouse import WarehouseError, rejected_rows
from warehouse.database import retry, transactions

DOUBT = "the load is either complete or undone. Run it again: that is safe in both cases."


def administrate(server, sql: str) -> None:
    connection = psycopg2.connect(**server.connect_parameters("postgres"))
    connection.autocommit = True
    connection.cursor().execute(sql)
    connection.close()


def list_attempts(said: str) -> list[str]:
    """Return the attempts in a log, from the second on."""
    return re.findall(r"INFO    attempt (\d of \d) in \d+\.\d s: ", said)


# ------------------------------------------------------------- each failure that passes by itself

SLOW_DOWN = "S3ServiceException:Please reduce your request rate.,Status 503,Error SlowDown,Rid 4A"
INTERNAL = "S3ServiceException:We encountered an internal error.,Status 500,Error InternalError"
TRANSIENT = (  # in the order of a run
    ("LOCK etl_lock", "connection lost", cut),
    ("FROM loaded_files", "workgroup resuming", fail(
        "Query cancelled.", "57014", F="../src/pg/src/backend/tcop/node_fault_tolerance.c",
        R="NFTSetupSessionStateOnRestore")),
    ("DELETE FROM songs", "conflict with another transaction", fail(
        "could not complete because of conflict with concurrent transaction")),
    ('COPY "staging_events"', "S3 is busy", fail(SLOW_DOWN, D=block(SLOW_DOWN, 8001))),
    ('COPY "staging_events"', "connection lost", cut),
    ('COPY "staging_songs"', "S3 is busy", fail(INTERNAL, D=block(INTERNAL, 8001))),
    ("INSERT INTO songs", "a table was replaced meanwhile", fail(
        "could not open relation with OID 100155")),
    ("INSERT INTO users", "conflict with another transaction", fail(
        "1023", D="Serializable isolation violation on table - 100155, transactions forming the"
                  " cycle are: 9, 8 (pid:1,2)")),
    ("INSERT INTO users", "a table is newer than the snapshot", fail(
        "1018", D="Relation does not exist")),
    ("INSERT INTO users", "server crashed", fail(
        "terminating connection because of crash of another server process", "57P02")),
    ("INSERT INTO songplays", "connection lost", cut),
    ("INSERT INTO time", "lock not available", fail(
        "canceling statement due to lock timeout", "55P03")),
)


def test_transient_failures_are_tried_again_until_there_are_no_more(
    fresh, proxy, load_fresh, undisturbed, caplog
):
    for statement, _, action in TRANSIENT:
        proxy.on(statement, action)
    fresh.configure(RETRIES=str(len(TRANSIENT)))
    assert load_fresh() == len(TRANSIENT) + 1
    said = [record.message for record in caplog.records if record.message.startswith("attempt ")]
    reasons = [re.search(r"\(([^()]*)\)$", line)[1] for line in said]
    assert reasons == [why for _, why, _ in TRANSIENT]
    assert fresh.snapshot() == undisturbed


def test_a_server_that_cannot_be_reached_for_a_moment_is_waited_for(
    fresh, proxy, load_fresh, undisturbed
):
    for action in (
        cut,
        delay(0.1),
        fail("sorry, too many clients already", "53300", S="FATAL"),
        fail("the database system is starting up", "57P03", S="FATAL"),
    ):
        proxy.on(fresh.database, action, of=CONNECT)
    load_fresh()
    assert fresh.snapshot() == undisturbed


def test_a_workgroup_that_wakes_up_at_login_is_waited_for(fresh, proxy, load_fresh, undisturbed, caplog):
    proxy.on("SELECT version()", fail("Query cancelled.", "57014"))
    assert load_fresh() == 1
    assert "waiting for 127.0.0.1: Query cancelled" in caplog.text
    assert fresh.snapshot() == undisturbed


def test_a_stale_start_in_redshifts_words_begins_again_without_a_new_attempt(
    fresh, proxy, load_fresh, undisturbed
):
    proxy.on("UPDATE etl_lock", fail("1023", D="Serializable isolation violation on table - 1"))
    fresh.configure(RETRIES="0")
    assert load_fresh() == 1
    assert fresh.snapshot() == undisturbed


def test_a_commit_whose_reply_is_lost_is_recognised_as_done(fresh, proxy, load_fresh, undisturbed, caplog):
    proxy.on("COMMIT", lose_the_reply, after=LAST)
    assert load_fresh() == 2
    assert DOUBT not in caplog.records[-1].message
    assert "found nothing new" in caplog.text and "committed" not in caplog.text
    assert fresh.snapshot() == undisturbed


def test_a_commit_that_never_arrived_is_repeated(fresh, proxy, load_fresh, undisturbed, caplog):
    proxy.on("COMMIT", cut, after=LAST)
    assert load_fresh() == 2
    assert caplog.text.count("committed 7 tables") == 1 and "found nothing new" not in caplog.text
    assert fresh.snapshot() == undisturbed


# ------------------------------------------------------------------------- really, in a real server

AT_COMMIT = """
CREATE CONSTRAINT TRIGGER wait_here AFTER INSERT ON time DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION wait_here()
"""


@pytest.mark.parametrize("trigger", [IN_COPY, BETWEEN_INSERTS, AT_COMMIT],
                         ids=["COPY", "INSERT", "COMMIT"])
def test_a_load_survives_a_restart_of_the_server(fresh, tcp, undisturbed, trigger):
    with waiting_at(fresh, trigger) as (process, _):
        tcp.crash()
        tcp.start()
        fresh.disconnect()
        done = finish(process)
    assert done.returncode == 0, done.stderr
    assert "2 of 4" in list_attempts(done.stderr)
    assert len(done.stdout.splitlines()) == 9  # the summary of the attempt that succeeded, alone
    assert fresh.snapshot() == undisturbed


def test_a_load_survives_the_end_of_its_session_during_a_copy(fresh, undisturbed):
    with waiting_at(fresh, IN_COPY) as (process, holder):
        fresh.query(f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE {WAITING}")
        holder.close()
        done = finish(process)
    assert done.returncode == 0, done.stderr
    assert list_attempts(done.stderr) == ["2 of 4"]
    assert "terminating connection due to administrator command (session ended" in done.stderr
    assert fresh.snapshot() == undisturbed


@pytest.mark.parametrize("hours", [0, 41])
def test_a_load_waits_for_the_end_of_a_session_that_it_lost_itself(
    fresh, proxy, load_fresh, undisturbed, caplog, hours
):
    execute(fresh, "INSERT INTO loads (run, kind, begun_at, finished_at) VALUES ('a', 'load',"
                   f" LOCALTIMESTAMP - interval '{hours} hours', LOCALTIMESTAMP - interval '{hours} hours')")
    ghost = proxy.on("INSERT INTO users", Abandon())

    def end_the_ghost(session, message):
        ghost.release.set()
        forward(session, message)

    proxy.on("svv_transactions", end_the_ghost)  # the query for the holder, after a wait in vain
    fresh.configure(LOCK_TIMEOUT="1")
    assert load_fresh() == 3
    assert "attempt 3 of 4" in caplog.text and "another load or reset is running" in caplog.text
    assert fresh.snapshot() == undisturbed


def test_a_load_survives_a_deadlock(fresh, undisturbed):
    execute(fresh, f"ALTER DATABASE {fresh.database} SET deadlock_timeout = '10ms'")
    with waiting_at(fresh, BETWEEN_INSERTS) as (process, holder):
        with contextlib.closing(connect_to(fresh)) as other, other.cursor() as cursor:
            cursor.execute("SET deadlock_timeout = '1h'")  # so that the server cancels the load
            cursor.execute("LOCK TABLE loaded_files IN EXCLUSIVE MODE")
            blocked = threading.Thread(target=cursor.execute, args=("LOCK TABLE artists",))
            blocked.start()
            wait_until_somebody_waits_for(fresh, "artists")
            holder.close()
            blocked.join()
        done = finish(process)
    assert done.returncode == 0, done.stderr
    assert list_attempts(done.stderr) == ["2 of 4"] and "deadlock detected" in done.stderr
    assert fresh.snapshot() == undisturbed


def test_a_load_survives_a_change_of_its_rows_by_another_session(fresh, load_fresh, undisturbed):
    load_fresh()
    fresh.write("log_data/2.json", [event(6)])
    with waiting_at(fresh, IN_COPY) as (process, holder):
        execute(fresh, "UPDATE latest_events SET lastname = 'Other'")
        holder.close()
        done = finish(process)
    assert done.returncode == 0, done.stderr
    assert list_attempts(done.stderr) == ["2 of 4"] and "could not serialize access" in done.stderr
    assert fresh.snapshot(LASTING) == {table: undisturbed[table] for table in LASTING}


def test_create_tables_is_tried_again(fresh, proxy):
    execute(fresh, "DROP TABLE songplays CASCADE")
    proxy.on("CREATE TABLE songplays", cut)
    done = fresh.run("create_tables.py")
    assert done.returncode == 0, done.stderr
    assert list_attempts(done.stderr) == ["2 of 4"]
    assert fresh.query("SELECT COUNT(*) FROM songplays") == [(0,)]


# ------------------------------------------------------------------------------------ the last word

def test_a_load_that_fails_every_time_says_how_often_and_how_long(fresh, proxy):
    before = fresh.snapshot()
    fresh.configure(RETRIES="1")
    proxy.on("INSERT INTO users", cut, times=9)
    said = expect_refusal(fresh, 1, "insert users: server closed the connection unexpectedly",
                          arguments=("--quiet",))
    assert re.search(r"Nothing was committed\. Gave up after 2 attempts in \d+\.\d s\.$", said)
    assert len(said.splitlines()) == 1
    assert fresh.snapshot() == before


def test_a_commit_whose_reply_is_lost_at_the_last_attempt_is_reported_as_in_doubt(
    fresh, proxy, undisturbed
):
    fresh.configure(RETRIES="0")
    proxy.on("COMMIT", lose_the_reply, after=LAST)
    expect_refusal(fresh, 1, DOUBT, rolled_back=False)
    assert fresh.snapshot() == undisturbed


def test_a_load_that_is_tried_again_and_succeeds_is_quiet(fresh, proxy, undisturbed):
    proxy.on("INSERT INTO users", cut)
    done = fresh.run("etl.py", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert fresh.snapshot() == undisturbed


def test_no_attempt_begins_after_retry_timeout(fresh, proxy, load_fresh, monkeypatch):
    for pause in ("FIRST_PAUSE", "LONGEST_PAUSE"):
        monkeypatch.setattr(retry, pause, 4.0)  # at least half of it is a pause
    fresh.configure(RETRY_TIMEOUT="1")
    proxy.on("LOCK etl_lock", cut, times=9)
    with pytest.raises(WarehouseError) as raised:
        load_fresh()
    assert re.fullmatch(r"Gave up after 1 attempt in \d\.\d s\.", raised.value.__notes__[-1])


def test_a_connection_that_is_lost_meanwhile_does_not_hide_an_error(fresh):
    with contextlib.closing(connect_to(fresh)) as lost:
        pid = lost.info.backend_pid
        with (
            pytest.raises(WarehouseError, match="no object") as raised,
            transactions.transaction(lost) as cursor,
        ):
            cursor.execute("SELECT 1")
            fresh.query(f"SELECT pg_terminate_backend({pid}, 10000)")
            raise WarehouseError("there is no object under log_data/")
    assert raised.value.__notes__ == [NOTHING]


def test_a_failure_after_a_commit_in_doubt_does_not_say_that_nothing_was_committed(
    fresh, proxy, load_fresh, undisturbed
):
    proxy.on("COMMIT", lose_the_reply, after=LAST)
    proxy.on("LOCK etl_lock", fail("permission denied for relation etl_lock", "42501"), after=LAST)
    with pytest.raises(WarehouseError, match="lock etl_lock: permission denied") as raised:
        load_fresh()
    assert len(raised.value.__notes__) == 1 and raised.value.__notes__[0].endswith(DOUBT)
    assert fresh.snapshot() == undisturbed


def test_a_signal_ends_the_pause_at_once(fresh, proxy):
    proxy.on("LOCK etl_lock", cut, times=9)
    process = fresh.start("etl.py")
    while "attempt 3 of 4" not in process.stderr.readline():
        pass  # it comes after a pause of two seconds or more
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert time.monotonic() - sent < 1.5
    assert_refused(done, 130, "interrupted by SIGINT")


def test_a_signal_in_the_pause_after_a_commit_in_doubt_leaves_the_doubt(fresh, proxy):
    proxy.on("COMMIT", lose_the_reply, after=LAST)
    process = fresh.start("etl.py")
    while "attempt 2 of 4" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGTERM)
    assert_refused(finish(process), 143, "interrupted by SIGTERM", DOUBT, rolled_back=False)


def send_a_signal_that_cancels_nothing(process, proxy) -> None:
    cancelled = threading.Event()

    def come_to_nothing(session, message):
        cancelled.set()
        raise ConnectionError

    proxy.on("", come_to_nothing, of=CONNECT)
    process.send_signal(signal.SIGTERM)
    cancelled.wait()


def test_a_signal_that_comes_while_commit_is_on_its_way_does_not_hide_that_it_was_done(
    fresh, proxy, undisturbed
):
    commit = proxy.on("COMMIT", Hold(), after=LAST)
    process = fresh.start("etl.py")
    commit.reached.wait()
    send_a_signal_that_cancels_nothing(process, proxy)
    time.sleep(2.5)  # longer than a signal lets any statement but COMMIT run
    commit.release.set()
    done = finish(process)
    assert done.returncode == 0 and "committed 7 tables" in done.stderr
    assert fresh.snapshot() == undisturbed


def test_a_signal_that_comes_during_the_last_statement_keeps_commit_from_being_sent(fresh, proxy):
    before = fresh.snapshot()
    last = proxy.on(LAST, Hold())
    process = fresh.start("etl.py")
    last.reached.wait()
    send_a_signal_that_cancels_nothing(process, proxy)
    last.release.set()
    assert_refused(finish(process), 143, "interrupted by SIGTERM")
    assert fresh.snapshot() == before


# ------------------------------------------------------------------ what does not pass by itself

PERMANENT = {
    "syntax": ("INSERT INTO users", fail("syntax error at or near \"FROM\"", "42601"), 1),
    "disk full": ("INSERT INTO users", fail("could not extend file", "53100"), 1),
    "timeout": ("INSERT INTO users", fail("Query (150) canceled on user's request", "57014"), 1),
    "access denied": ('COPY "staging_events"', fail(DENIED, D=block(DENIED, 8001)), 1),
    "role": ('COPY "staging_events"', fail(NO_ROLE, D=block(NO_ROLE, 8001)), 1),
    "nonexistent table": ("INSERT INTO users", fail("Cannot insert into nonexistent table"), 1),
    "rows rejected": ('COPY "staging_events"', fail(
        "Load into table 'staging_events' failed.  Check 'stl_load_errors' system table for"
        " details."), 3),
}


def test_permanent_failures_are_not_tried_again(fresh, proxy, load_fresh, caplog, monkeypatch):
    monkeypatch.setattr(rejected_rows, "PATIENCE", 0.5)  # there are no such lines
    before = fresh.snapshot()
    for statement, action, status in PERMANENT.values():
        proxy.on(statement, action)
        assert_permanent(load_fresh, status, caplog)
    assert fresh.snapshot() == before


def test_a_fault_in_the_database_is_not_tried_again(fresh, load_fresh, caplog):
    for sql, part in (
        ("DROP VIEW listening_by_user; ALTER TABLE users ALTER last_name TYPE VARCHAR(2)",
         "insert users: value too long"),
        ("ALTER TABLE users DROP COLUMN gender", 'touch users: column "gender"'),
        ("ALTER TABLE users ADD COLUMN gender VARCHAR(8); CREATE UNIQUE INDEX ON songs (title)",
         "insert songs: duplicate key"),
        ("DROP TABLE users", "Run create_tables.py first"),
    ):
        execute(fresh, sql)
        assert part in assert_permanent(load_fresh, 1, caplog)


def test_a_right_that_is_missing_is_not_tried_again(fresh, loader, load_fresh, caplog):
    said = assert_permanent(load_fresh, 1, caplog)
    assert "ANALYZE staging_events: permission denied: on Redshift only superusers and the owner of" in said
    assert "make it the owner of the tables" in said
    execute(fresh, "REVOKE SELECT ON loaded_files FROM loader")
    said = assert_permanent(load_fresh, 1, caplog)
    assert "permission denied for table loaded_files. Let an administrator grant" in said


@pytest.mark.parametrize("settings, part", [
    ({"DB_PASSWORD": "wrong"}, "password authentication failed"),
    ({"DB_NAME": "nowhere"}, "does not exist"),
    ({"SSLMODE": "require"}, "server does not support SSL"),
])
def test_a_login_that_is_wrong_is_not_tried_again(fresh, load_fresh, caplog, settings, part):
    fresh.configure(**settings)
    assert part in assert_permanent(load_fresh, 1, caplog, rolled_back=False)


def test_a_server_that_is_down_is_waited_for_and_then_not_tried_again(fresh, load_fresh, caplog):
    fresh.configure(DB_PORT=str(find_free_port()), CONNECT_TIMEOUT="1")
    assert "Connection refused" in assert_permanent(load_fresh, 1, caplog, rolled_back=False)
    assert "waiting for 127.0.0.1" in caplog.text


def test_a_cancelled_statement_is_not_tried_again(fresh):
    with waiting_at(fresh, BETWEEN_INSERTS) as (process, _):
        fresh.query(f"SELECT pg_cancel_backend(pid) FROM pg_locks WHERE {WAITING}")
        done = finish(process)
    assert_refused(done, 1, "insert songs: canceling statement due to user request")
    assert list_attempts(done.stderr) == []


def test_a_statement_that_takes_too_long_is_not_tried_again(fresh):
    fresh.configure(STATEMENT_TIMEOUT="1")
    with waiting_at(fresh, BETWEEN_INSERTS) as (process, _):
        done = finish(process)
    assert_refused(done, 1, "insert songs: canceling statement due to statement timeout")
    assert list_attempts(done.stderr) == []


def test_a_commit_that_the_server_refuses_is_not_in_doubt(fresh, load_fresh, caplog):
    execute(fresh, """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN RAISE ''not today''; END';
        CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON time DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION refuse()""")
    before = fresh.snapshot()
    assert assert_permanent(load_fresh, 1, caplog) == "COMMIT: not today"
    assert fresh.snapshot() == before
