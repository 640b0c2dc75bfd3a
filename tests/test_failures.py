"""Messages for the engineer woken at six in the morning. A failure leaves the tables as they were."""

import contextlib
import json
import re
import signal
import socket
import subprocess
import time

import pytest
from generate import generate
from support.databases import creating_database
from support.documents import event, song
from support.processes import start
from support.project import STAR, Project, finish
from support.runs import assert_refused, expect_refusal
from support.s3 import read_aws_environment
from support.sessions import (
    BETWEEN_INSERTS,
    IN_COPY,
    count_plays,
    execute,
    hold,
    lose_rows,
    wait_until,
    wait_until_no_session_is_left,
    wait_until_somebody_waits_for,
    waiting_at,
)
from support.tcp_server import CANARY, find_free_port

# ------------------------------------------------------------------------------------ the settings

def test_a_missing_dwh_cfg(project):
    expect_refusal(project, 2, f"{project.config}: there is no such file", "--config FILE",
                   configured=False, rolled_back=False)


def test_an_empty_dwh_cfg(project):
    project.config.write_text("")
    expect_refusal(project, 2, f"{project.config}: 5 settings are missing",
                   "[CLUSTER] HOST", "[S3] LOG_DATA, [S3] SONG_DATA", "Write, for example, HOST = local",
                   configured=False, rolled_back=False)


@pytest.mark.parametrize("script", ["etl.py", "create_tables.py"])
def test_all_five_mistakes_of_a_dwh_cfg_are_reported(project, script):
    project.config.write_text(
        "[CLUSTER]\nHOST = local\nDB_PORT = 54z9\nSSLMODE = maybe\n"
        "[S3]\nLOG_DAT = log_data/\nSONG_DATA = 's3://Bad_Bucket/x'\n[LOAD]\nMAX_ERRORS = -1\n")
    said = expect_refusal(project, 2, ":3: DB_PORT is '54z9'", ":4: SSLMODE is 'maybe'",
                          ":6: [S3] LOG_DAT is not a setting; did you mean LOG_DATA?",
                          ":7: SONG_DATA is 's3://Bad_Bucket/x'", ":9: MAX_ERRORS is '-1'",
                          script=script, configured=False, rolled_back=False)
    assert said.count(f"{project.config}:") == 5


# ------------------------------------------------------------------------------------ the database

@pytest.fixture
def guarded(tmp_path, tcp):
    """A project on the server that asks for a password, with a database of its own."""
    with creating_database(tcp) as name:
        project = Project(tmp_path, tcp, name)
        project.configure(**tcp.settings(DB_NAME=name))
        yield project


def test_a_wrong_password(guarded):
    guarded.configure(DB_PASSWORD="wrong")
    expect_refusal(guarded, 1, f"cannot connect to 127.0.0.1:{guarded.server.port}/{guarded.database}"
                   " as analyst", 'password authentication failed for user "analyst"',
                   "Check DB_USER and DB_PASSWORD", rolled_back=False)


def test_no_password_at_all(guarded):
    guarded.configure(DB_PASSWORD="")
    expect_refusal(guarded, 1, "no password supplied", "DB_PASSWORD (or PGPASSWORD, ~/.pgpass)",
                   rolled_back=False)


def test_a_database_that_does_not_exist(guarded):
    guarded.configure(DB_NAME="nowhere")
    expect_refusal(guarded, 1, '"nowhere" does not exist', "Check DB_NAME.", rolled_back=False)


@pytest.mark.parametrize("script", ["etl.py", "create_tables.py"])
def test_a_server_that_is_down(project, script):
    project.configure(HOST="127.0.0.1", DB_PORT=str(find_free_port()), DB_USER="analyst",
                      CONNECT_TIMEOUT="1", RETRIES="0")
    said = expect_refusal(project, 1, "cannot connect to 127.0.0.1:", "Connection refused",
                          "is PostgreSQL running?", script=script, rolled_back=False)
    *waits, last = said.splitlines()
    assert all(" waiting for 127.0.0.1: " in line for line in waits)
    assert "ERROR" in last


def test_a_password_is_shown_nowhere(guarded):
    guarded.launch = start  # so that ps shows its arguments
    guarded.write("log_data/1.json", [event(1)])
    guarded.write("song_data/1.json", song())
    created = guarded.run("create_tables.py", "--verbose")
    holder = hold(guarded, "songs")
    loading = guarded.start("etl.py", "--verbose")
    wait_until_somebody_waits_for(guarded, "songs")
    processes = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True).stdout
    holder.close()
    loaded = finish(loading)
    guarded.configure(DB_USER="nobody")
    failed = guarded.run("etl.py", "--verbose")
    assert (created.returncode, loaded.returncode, failed.returncode) == (0, 0, 1)
    assert "etl.py --config" in processes
    for said in (processes, *(text for done in (created, loaded, failed)
                              for text in (done.stdout, done.stderr))):
        assert CANARY not in said


def test_etl_before_create_tables(project):
    project.write("log_data/1.json", [event(1)])
    project.write("song_data/1.json", song())
    expect_refusal(project, 1, '"etl_lock" does not exist', "Run create_tables.py first.")
    assert project.run("create_tables.py").returncode == 0
    project.load()
    assert count_plays(project) == 1


def test_somebody_elses_users_table(loaded):
    execute(loaded, "DROP TABLE users CASCADE; CREATE TABLE users (email TEXT, joined DATE)")
    execute(loaded, "INSERT INTO users VALUES ('ann@example.org', '2018-11-01')")
    before = loaded.snapshot()
    expect_refusal(loaded, 2, "users (email, joined)", "do not belong to this toolkit", "Set another SCHEMA",
                   "--force", script="create_tables.py")
    assert loaded.snapshot() == before


# ------------------------------------------------------------------------------------ the objects

@pytest.mark.parametrize("prefix", ["no_such_folder/", "log_data/1.jsonl", "empty/"])
@pytest.mark.parametrize("arguments", [(), ("--full",)])
def test_a_log_data_that_names_no_object_empties_nothing(loaded, prefix, arguments):
    (loaded.folder / "empty").mkdir()
    before = loaded.snapshot()
    loaded.configure(LOG_DATA=prefix)
    expect_refusal(loaded, 1, f"LOG_DATA: there is no object under {loaded.folder / prefix}",
                   "dwh.cfg", arguments=arguments)
    assert loaded.snapshot() == before
    loaded.configure(LOG_DATA="log_data/")
    loaded.load(*arguments)
    assert loaded.snapshot() == before


def test_a_song_data_bucket_that_does_not_exist(loaded, bucket):
    loaded.environment = read_aws_environment()
    before = loaded.snapshot()
    loaded.configure(SONG_DATA="s3://no-such-bucket-at-all/songs", REGION="us-west-2")
    expect_refusal(loaded, 1, "s3://no-such-bucket-at-all/songs", "NoSuchBucket",
                   "Is the bucket's name right?")
    assert loaded.snapshot() == before


# ------------------------------------------------------------------------------------ the data

LONG_NAME = "Motörhead " * 100  # 1,000 letters, 1,100 bytes
BAD_FILES = {
    "a line that is not JSON": (
        "log_data/2.json", json.dumps(event(5)) + '\n{"ts": 15411, "page": oops}\n',
        ("log_data/2.json:2:", "JSON", "(error ")),
    "a ts that is text": (
        "log_data/2.json", [event(5), event(6, ts="yesterday")],
        ("log_data/2.json:2: column ts (int8)", "'yesterday'", "(error 1207)")),
    "a userId of letters": (
        "log_data/2.json", [event(5), event(6, userId="abc")],
        ("log_data/2.json:2: column userid (int8)", "'abc'", "(error 1207)")),
    "an over-long artist name in a log": (
        "log_data/2.json", [event(5), event(6, artist=LONG_NAME)],
        ("log_data/2.json:2: column artist (", "1024", "(error 1204)", "more than 1,024 bytes")),
    "an over-long artist name in a song": (
        "song_data/2.json", song("SO2", artist_name=LONG_NAME),
        ("song_data/2.json:1: column artist_name (", "1024", "(error 1204)", "more than 1,024 bytes")),
    "an event without a ts": (
        "log_data/2.json", [event(5), {k: v for k, v in event(6).items() if k != "ts"}],
        ("log_data/2.json:2: column ts (int8)", "(error ")),
}


@pytest.mark.parametrize("name, content, parts", BAD_FILES.values(), ids=BAD_FILES)
def test_rows_that_are_rejected(loaded, name, content, parts):
    before = loaded.snapshot()
    loaded.write(name, content)
    said = expect_refusal(loaded, 3, *parts, "\nOr set MAX_ERRORS in dwh.cfg to leave such rows out.",
                          arguments=("--quiet",))
    assert len(said.splitlines()) == 5
    assert loaded.snapshot() == before
    loaded.write("log_data/2.json", [event(5), event(6)])
    loaded.write("song_data/2.json", song("SO2"))
    loaded.load()
    assert count_plays(loaded) == 4


def test_a_ts_in_seconds_fails_a_check_that_names_the_rows(loaded):
    before = loaded.snapshot()
    loaded.write("log_data/2.json", [event(number, ts=1541105830 + number) for number in range(5, 9)])
    expect_refusal(loaded, 3, "check staging_events_ts_plausible failed", "ts is in milliseconds",
                   "4 rows, for example ts = 15411058", "sessionid = 1", "log_data/2.json:1)",
                   "log_data/2.json:2); ", "log_data/2.json:3)")
    assert loaded.snapshot() == before
    loaded.write("log_data/2.json", [event(5)])
    loaded.load()
    assert count_plays(loaded) == 3


def test_prefixes_that_overlap(loaded):
    before = loaded.snapshot()
    loaded.write("data/1.json", [event(3)])
    loaded.write("data/songs/1.json", song())
    loaded.configure(LOG_DATA="data/", SONG_DATA="data/songs/")
    expect_refusal(loaded, 2, "SONG_DATA is under LOG_DATA, so the COPY of LOG_DATA would read it",
                   "its own location", rolled_back=False)
    assert loaded.snapshot() == before


def test_as_many_rejected_rows_as_max_errors_allows_are_left_out_with_a_warning(loaded):
    loaded.configure(MAX_ERRORS="2")
    loaded.write("log_data/2.json", [event(5, ts="a"), event(6), event(7, userId="b")])
    done = loaded.load("--quiet")
    assert " WARNING rejected rows of staging_events, within MAX_ERRORS: 2; " in done.stderr
    assert count_plays(loaded) == 3


def test_one_rejected_row_more_than_max_errors_allows_stops_the_load(loaded):
    before = loaded.snapshot()
    loaded.configure(MAX_ERRORS="1")
    loaded.write("log_data/2.json", [event(5, ts="a"), event(6), event(7, userId="b")])
    expect_refusal(loaded, 3, "log_data/2.json:1: column ts", "log_data/2.json:3: column userid")
    assert loaded.snapshot() == before


def test_a_hundred_events_without_a_play_cause_a_warning_with_their_pages(loaded):
    events = [event(number, page="nextsong" if number % 2 else "Home") for number in range(5, 106)]
    loaded.write("log_data/2.json", events)
    said = loaded.load("--quiet").stderr
    assert "of 100 events or more, some have the page NextSong" in said
    assert "page = nextsong, events = 51" in said and "page = Home, events = 50" in said


def test_a_column_that_is_empty_in_a_hundred_events_causes_a_warning_and_the_load_goes_on(loaded):
    loaded.write("log_data/2.json", [event(number, gender=None) for number in range(5, 105)])
    done = loaded.load("--quiet")
    assert " WARNING " in done.stderr and "gender = 0" in done.stderr
    assert count_plays(loaded) == 102


# ------------------------------------------------------------------------------------ the checks

@pytest.mark.parametrize("table", STAR)
def test_a_star_that_misses_a_row_is_not_committed(loaded, table):
    loaded.write("log_data/2.json", [event(5, userId="8")])
    loaded.write("song_data/2.json", song("SO2", artist_id="AR2"))
    before = loaded.snapshot()
    lose_rows(loaded, f"INSERT ON {table}")
    expect_refusal(loaded, 3, "check ", " failed", "run etl.py again")
    assert loaded.snapshot() == before


@pytest.mark.parametrize("table, name, content", [
    ("songs", "song_data/2.json", song("SO2", artist_id="AR2")),
    ("users", "log_data/2.json", [event(5, userId="8")])], ids=["songs", "logs"])
def test_a_load_of_one_source_alone_checks_what_it_wrote(loaded, table, name, content):
    loaded.write(name, content)
    before = loaded.snapshot()
    lose_rows(loaded, f"INSERT ON {table}")
    expect_refusal(loaded, 3, f"check {table}_unique failed")
    assert loaded.snapshot() == before


def test_a_load_of_all_songs_finds_a_play_of_an_unknown_song_among_those_it_does_not_touch(loaded):
    loaded.write("song_data/2.json", song("SO2", artist_id="AR2", artist_name="Others"))
    loaded.load()
    execute(loaded, "UPDATE songplays SET song_id = 'SOUNKNOWN'")
    loaded.write("song_data/2.json", song("SO2", artist_id="AR3", artist_name="Others"))
    expect_refusal(loaded, 3, "check changed_plays_known failed", "song_id = SOUNKNOWN")


def test_a_ledger_with_two_versions_of_a_file_is_not_committed(loaded):
    loaded.write("log_data/1.json", [event(1), event(2), event(3)])
    before = loaded.snapshot()
    lose_rows(loaded, "DELETE ON loaded_files")
    expect_refusal(
        loaded, 3,
        " failed. It expects: the ledger has each file of this load exactly once. It found: ",
        "log_data/1.json")
    assert loaded.snapshot() == before


# ------------------------------------------------------------------------- killed and interrupted

@contextlib.contextmanager
def stopping_at(project: Project, trigger: str):
    """Start a load of one more file, and yield it while it waits at the trigger."""
    project.write("log_data/2.json", [event(5), event(6)])
    project.write("song_data/2.json", song("SO2", artist_id="AR2"))
    with waiting_at(project, trigger) as (process, _):
        yield process


@pytest.mark.parametrize("trigger", [IN_COPY, BETWEEN_INSERTS], ids=["in COPY", "between INSERTs"])
def test_a_kill_leaves_the_previous_tables(loaded, trigger):
    before = loaded.snapshot()
    with stopping_at(loaded, trigger) as process:
        assert loaded.snapshot() == before
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert loaded.snapshot() == before
    wait_until_no_session_is_left(loaded)
    assert loaded.snapshot() == before
    loaded.load()
    assert count_plays(loaded) == 4


def test_a_load_may_begin_at_once_after_a_kill(loaded):
    with stopping_at(loaded, BETWEEN_INSERTS) as process:
        process.kill()
        process.communicate()
        again = loaded.start("etl.py")
        wait_until_somebody_waits_for(loaded, "etl_lock")
    done = finish(again)
    assert done.returncode == 0, done.stderr
    assert count_plays(loaded) == 4


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("trigger", [IN_COPY, BETWEEN_INSERTS], ids=["in COPY", "between INSERTs"])
def test_a_signal_stops_a_load_that_waits_for_the_server(loaded, trigger, number, status):
    before = loaded.snapshot()
    with stopping_at(loaded, trigger) as process:
        process.send_signal(number)
        assert_refused(finish(process), status, f"interrupted by {number.name}")
        assert loaded.snapshot() == before
        wait_until(loaded, "SELECT COUNT(*) = 1 FROM pg_stat_activity"  # the holder
                           " WHERE datname = current_database() AND pid <> pg_backend_pid()")
    loaded.load()
    assert count_plays(loaded) == 4


@pytest.fixture(scope="module")
def large_log(tmp_path_factory):
    """The text of a log that takes seconds to copy."""
    folder = tmp_path_factory.mktemp("large")
    generate(folder, events=2000, songs=5, files=1)
    text, = (file.read_text() for file in folder.glob("log_data/**/*.json"))
    return f"{text}\n" * 100


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_a_copy_that_nothing_blocks(loaded, large_log, number, status):
    before = loaded.snapshot()
    loaded.write("log_data/2.json", large_log)
    process = loaded.start("etl.py")
    wait_until(loaded, "SELECT COUNT(*) > 0 FROM pg_stat_activity"
                       " WHERE query LIKE 'COPY%staging_events%FROM STDIN%' AND state = 'active'"
                       " AND datname = current_database() AND pid <> pg_backend_pid()")
    sent = time.monotonic()
    process.send_signal(number)
    assert_refused(finish(process), status, f"interrupted by {number.name}")
    assert time.monotonic() - sent < 5
    wait_until_no_session_is_left(loaded)
    assert loaded.snapshot() == before


def test_a_session_that_the_server_ends_during_a_copy_is_one_message(loaded):
    before = loaded.snapshot()
    loaded.configure(RETRIES="0")
    with stopping_at(loaded, IN_COPY) as process:
        execute(loaded, "SELECT pg_terminate_backend(pid) FROM pg_locks"
                        " WHERE locktype = 'advisory' AND NOT granted")
        done = finish(process)
    assert_refused(done, 1, "copy staging_events: terminating connection due to administrator"
                            " command")
    assert all(re.match(r"\d{4}-", line) for line in done.stderr.splitlines()), done.stderr
    assert loaded.snapshot() == before
    loaded.load()
    assert count_plays(loaded) == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_whose_server_does_not_answer(project, number):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        project.configure(HOST="127.0.0.1", DB_PORT=str(silent.getsockname()[1]), DB_USER="ann")
        process = project.start("etl.py")
        try:
            connection, _ = silent.accept()
            with connection:
                connection.recv(1)
                process.send_signal(number)
                assert process.wait(timeout=10) == -number  # a shell reports them as 143 or 130
        finally:
            process.kill()
            process.communicate()


# ------------------------------------------------------------------------------- create_tables.py

def test_create_tables_waits_for_a_load_and_then_empties(loaded):
    with stopping_at(loaded, BETWEEN_INSERTS) as loading:
        resetting = loaded.start("create_tables.py")
        wait_until_somebody_waits_for(loaded, "etl_lock")
        execute(loaded, "SELECT pg_terminate_backend(pid) FROM pg_locks"
                        " WHERE locktype = 'advisory' AND granted")
        done, reset = finish(loading), finish(resetting)
    assert done.returncode == 0, done.stderr
    assert reset.returncode == 0, reset.stderr
    assert count_plays(loaded) == 0


def test_create_tables_that_waits_too_long_exits_75_and_says_who_is_loading(loaded):
    loaded.configure(LOCK_TIMEOUT="1")
    before = loaded.snapshot()
    with stopping_at(loaded, BETWEEN_INSERTS):
        (pid,), = loaded.query("SELECT DISTINCT pid FROM pg_locks"
                               " WHERE relation = 'etl_lock'::regclass AND granted")
        expect_refusal(loaded, 75, f"another load or reset is running (process {pid} of ", " UTC;",
                       f"to end it: SELECT pg_terminate_backend({pid})",
                       "LOCK_TIMEOUT", "Try again later.", script="create_tables.py")
        assert loaded.snapshot() == before


def test_create_tables_that_is_killed_midway_changes_nothing(loaded):
    before = loaded.snapshot()
    holder = hold(loaded, "artists")
    resetting = loaded.start("create_tables.py")
    wait_until_somebody_waits_for(loaded, "artists")
    resetting.kill()
    resetting.communicate()
    holder.close()
    wait_until_no_session_is_left(loaded)
    assert loaded.snapshot() == before
    assert loaded.run("create_tables.py").returncode == 0


def test_create_tables_that_is_interrupted_midway_changes_nothing(loaded):
    before = loaded.snapshot()
    holder = hold(loaded, "artists")
    resetting = loaded.start("create_tables.py")
    wait_until_somebody_waits_for(loaded, "artists")
    resetting.send_signal(signal.SIGTERM)
    assert_refused(finish(resetting), 143, "interrupted by SIGTERM")
    holder.close()
    assert loaded.snapshot() == before
