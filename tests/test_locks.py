"""etl_lock: what a load waits for, how long, and how it names the holder."""

import contextlib

import pytest
from support.documents import event, song
from support.proxy import replace_by
from support.runs import NOTHING, expect_refusal, load_here
from support.sessions import age_the_history, connect_to, execute, hold

from warehouse import BusyError, history
from warehouse.database import transactions


def slow_down_etl_lock(project, seconds: float) -> None:
    """Slow down updates of etl_lock, as a busy or cold warehouse may."""
    execute(project, f"CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
                     f" $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END $$;"
                     f" CREATE TRIGGER slow BEFORE UPDATE ON etl_lock"
                     f" FOR EACH ROW EXECUTE FUNCTION slow()")


def test_lock_timeout_bounds_the_lock_and_not_the_statement_after_it(loaded):
    loaded.configure(LOCK_TIMEOUT="1")
    slow_down_etl_lock(loaded, 2.5)
    loaded.write("log_data/2.json", [event(5)])
    assert "committed" in loaded.load().stderr


def test_statement_timeout_still_bounds_the_statement_after_the_lock(loaded):
    loaded.configure(LOCK_TIMEOUT="60", STATEMENT_TIMEOUT="1")
    slow_down_etl_lock(loaded, 30)
    expect_refusal(loaded, 1, "increment etl_lock", "raise STATEMENT_TIMEOUT in dwh.cfg")


def test_the_wait_for_the_lock_ends_even_if_the_servers_timeout_does_not_cover_it(
        fresh, proxy, load_fresh, monkeypatch):
    monkeypatch.setattr(transactions, "GRACE", 0.5)
    fresh.configure(LOCK_TIMEOUT="1", RETRIES="0")
    proxy.on("SET statement_timeout TO 1000", replace_by("SET statement_timeout TO 0"))
    with contextlib.closing(hold(fresh, "etl_lock")):
        with pytest.raises(BusyError, match=r"This run waited 1 s \(LOCK_TIMEOUT\) and gave up"):
            load_fresh()


def test_a_session_that_only_read_etl_lock_is_named_as_one(loaded):
    loaded.configure(LOCK_TIMEOUT="1")
    with contextlib.closing(connect_to(loaded)) as analyst:
        analyst.autocommit = False
        analyst.cursor().execute("SELECT * FROM etl_lock")
        pid = analyst.info.backend_pid
        said = expect_refusal(loaded, 75, "a session that only read etl_lock keeps it locked",
                              f"process {pid} of ", f"SELECT pg_terminate_backend({pid})")
    assert "another load" not in said


@pytest.mark.parametrize("script", ["etl.py", "create_tables.py"])
def test_a_run_that_waits_in_vain_exits_1_if_none_has_succeeded_for_stale_after(loaded, script):
    loaded.configure(LOCK_TIMEOUT="1", STALE_AFTER="40")
    age_the_history(loaded, 41)
    with contextlib.closing(hold(loaded, "etl_lock")):
        expect_refusal(loaded, 1, "no run has succeeded for 41 hours (STALE_AFTER = 40): another load or"
                       " reset is running", script=script)


def test_a_reset_is_no_success_and_a_load_that_found_nothing_new_is_one(loaded):
    loaded.configure(LOCK_TIMEOUT="1", STALE_AFTER="40")
    age_the_history(loaded, 41)
    execute(loaded, "UPDATE loads SET finished_at = finished_at + interval '41 hours'"
                    " WHERE kind = 'reset'")
    with contextlib.closing(hold(loaded, "etl_lock")):
        expect_refusal(loaded, 1, "no run has succeeded for 41 hours")
    assert "found nothing new" in loaded.load().stderr
    with contextlib.closing(hold(loaded, "etl_lock")):
        expect_refusal(loaded, 75, "another load or reset is running")


def test_a_warehouse_in_which_no_run_has_ever_succeeded_is_not_stale(fresh):
    fresh.configure(LOCK_TIMEOUT="1")
    age_the_history(fresh, 1000)  # of the reset
    with contextlib.closing(hold(fresh, "etl_lock")):
        expect_refusal(fresh, 75, "another load or reset is running")


@pytest.mark.parametrize("used, arguments, named", [
    ("SELECT * FROM songplays", (), "songplays"),
    ("INSERT INTO users (user_id, level) VALUES (0, 'free')", (), "users"),
    ("SELECT * FROM top_songs", ("--views",), "top_songs"),
])
def test_create_tables_names_the_session_that_keeps_a_table_in_use(loaded, used, arguments, named):
    loaded.configure(LOCK_TIMEOUT="1")
    before = loaded.snapshot()
    with contextlib.closing(connect_to(loaded)) as analyst:
        analyst.autocommit = False
        analyst.cursor().execute(used)
        pid = analyst.info.backend_pid
        expect_refusal(loaded, 75, f"for {named}: process {pid} of ", "in an open transaction. Let it"
                       " COMMIT,", f"SELECT pg_terminate_backend({pid})", script="create_tables.py",
                       arguments=arguments)
    assert loaded.snapshot() == before


new_or_full = pytest.mark.parametrize("arguments", [(), ("--full",)], ids=["new", "full"])


@pytest.mark.parametrize("table", ["users", "catalogue"])
@new_or_full
def test_a_load_names_the_session_that_keeps_it_from_writing_a_table(loaded, table, arguments):
    loaded.configure(LOCK_TIMEOUT="1")
    loaded.write("log_data/2.json", [event(5)])
    loaded.write("song_data/9.json", song("SO9"))
    with contextlib.closing(hold(loaded, table)) as holder:
        pid = holder.info.backend_pid
        expect_refusal(loaded, 75, f"waited 1 s (LOCK_TIMEOUT) for {table}:"
                       f" process {pid} of ", f"SELECT pg_terminate_backend({pid})", arguments=arguments)
    assert "committed" in loaded.load(*arguments).stderr


@new_or_full
def test_a_load_names_the_session_that_keeps_it_from_writing_the_history(loaded, monkeypatch, arguments):
    monkeypatch.setenv("SPARKIFY_STANDIN", str(loaded.server.folder))
    monkeypatch.setattr(history, "AGE_TIMEOUT", 1)  # seconds of waiting in vain for the age of the last run
    loaded.configure(LOCK_TIMEOUT="1")
    loaded.write("log_data/2.json", [event(5)])
    before = loaded.snapshot()
    with contextlib.closing(hold(loaded, "loads")) as holder:
        pid = holder.info.backend_pid
        with pytest.raises(BusyError) as raised:
            load_here(loaded, *arguments)
    assert f"waited 1 s (LOCK_TIMEOUT) for loads: process {pid} of " in str(raised.value)
    assert f"SELECT pg_terminate_backend({pid})" in str(raised.value)
    assert (raised.value.exit_status, raised.value.__notes__) == (75, [NOTHING])
    assert loaded.snapshot() == before
    assert "committed" in loaded.load(*arguments).stderr


def test_a_load_of_logs_does_not_wait_for_a_session_that_uses_the_songs(loaded):
    loaded.configure(LOCK_TIMEOUT="1")
    loaded.write("log_data/2.json", [event(5)])
    with contextlib.closing(connect_to(loaded)) as analyst:
        analyst.autocommit = False
        analyst.cursor().execute("INSERT INTO artists (artist_id, name) VALUES ('AR77', 'x')")
        assert "committed" in loaded.load().stderr
