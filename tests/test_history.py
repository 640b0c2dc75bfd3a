"""The table loads: one row per run that succeeded, and per reset."""

import re
import shutil
from datetime import datetime, timedelta, timezone

import pytest
from support import ROOT
from support.databases import speaking_redshift
from support.documents import event, song
from support.project import Project
from support.proxy import lose_the_reply
from support.runs import expect_refusal, load_by_prefix
from support.sessions import age_the_history, execute
from support.tcp_project import LAST

COUNTS = ("files", "staging_events", "staging_songs", "users", "artists", "songs", "songplays", "time",
          "with_song", "with_artist", "rejected")


def list_kinds(project: Project) -> list[str]:
    """Return the kinds of the runs in the history, in its order."""
    return [kind for kind, in project.query("SELECT kind FROM loads ORDER BY begun_at, finished_at")]


def read_last_load(project: Project) -> dict:
    row, = project.query(f"SELECT {', '.join(COUNTS)} FROM loads ORDER BY begun_at DESC LIMIT 1")
    return dict(zip(COUNTS, row, strict=True))


def test_the_history_counts_the_files_rows_and_matches_of_a_load(warehouse):
    warehouse.write("song_data/1.json", song())
    warehouse.write("log_data/1.json", [event(1), event(2, song="Another"), event(3, artist="Nobody"),
                                        event(4, page="Home", userId="8")])
    began = datetime.now(timezone.utc).replace(tzinfo=None)
    summary = warehouse.load().stdout
    assert list_kinds(warehouse) == ["reset", "load"]
    assert read_last_load(warehouse) == {
        "files": 2, "staging_events": 4, "staging_songs": 1, "users": 2, "artists": 1, "songs": 1,
        "songplays": 3, "time": 3, "with_song": 1, "with_artist": 2, "rejected": 0}
    for table, rows in re.findall(r"^(staging_events|users|songplays) .*?(\d+) +[0-9.]+$", summary,
                                  re.MULTILINE):
        assert int(rows) == read_last_load(warehouse)[table]
    (run, begun, finished, size, whole), = warehouse.query(
        "SELECT run, begun_at, finished_at, bytes, loaded_whole FROM loads WHERE kind = 'load'")
    assert re.fullmatch("[0-9a-f]{6}", run)
    seconds = float(summary.split()[-1])
    assert began <= begun and timedelta(seconds=seconds / 2) < finished - begun
    assert finished - begun < timedelta(seconds=seconds + 0.01)
    assert size == sum(file.stat().st_size for file in warehouse.folder.glob("*_data/*"))
    assert whole is None


def test_the_history_counts_earlier_plays_that_get_a_song_apart_from_new_ones(loaded):
    loaded.write("log_data/2.json", [event(5)])
    loaded.write("song_data/late.json", song())
    loaded.load()
    assert loaded.query("SELECT songplays, with_song, changed_plays FROM loads"
                        " ORDER BY begun_at DESC LIMIT 1") == [(1, 1, 2)]


def test_a_run_that_found_nothing_new_is_recorded_and_one_that_failed_is_not(loaded):
    loaded.load()
    loaded.write("log_data/2.json", [event(5, ts="soon")])
    expect_refusal(loaded, 3, "rows were rejected")
    loaded.load("--status")
    loaded.load("--dry-run")
    assert list_kinds(loaded) == ["reset", "load", "nothing new"]
    assert loaded.query("SELECT files, songplays, rejected FROM loads WHERE kind = 'nothing new'") == [
        (None, None, None)]


def test_the_history_gives_the_reason_for_a_whole_load(loaded, monkeypatch):
    def read_reason() -> str | None:
        return loaded.query("SELECT loaded_whole FROM loads ORDER BY begun_at DESC LIMIT 1")[0][0]

    loaded.write("log_data/2.json", [event(5)])
    loaded.load()
    assert read_reason() is None
    loaded.write("song_data/other.json", song("SO9"))
    loaded.write("log_data/2.json", [event(6)])
    loaded.load()
    assert read_reason() == (f"log file {loaded.folder}/log_data/2.json changed without growing;"
                             f" song file {loaded.folder}/song_data/other.json changed")
    loaded.load("--full")
    assert read_reason() == "--full"
    load_by_prefix(loaded, monkeypatch)
    assert read_reason() == "MANIFESTS is not set, so every file is copied by prefix"
    assert read_last_load(loaded)["files"] is None and read_last_load(loaded)["songplays"] == 3
    loaded.load()
    assert read_reason() == "the tables hold rows of a load by prefix"


def test_a_reason_longer_than_the_column_is_cut(loaded):
    folder = "/".join(["song_data", *["ö" + "o" * 240] * 5])
    for number in range(2):
        loaded.write(f"{folder}/1.json", song("SO1", year=number))
        loaded.load()
    whole, = loaded.query("SELECT loaded_whole FROM loads ORDER BY begun_at DESC LIMIT 1")[0]
    assert whole.startswith("song file") and len(whole) == 1000


def test_the_history_survives_a_reset_and_status_shows_the_last_five(loaded):
    before = loaded.query("SELECT * FROM loads ORDER BY begun_at")
    for number in (5, 6):
        loaded.write(f"log_data/{number}.json", [event(number)])
        loaded.load()
    assert loaded.run("create_tables.py").returncode == 0
    assert re.search("^last success: 20.* UTC, less than a minute ago; the tables have been reset since$",
                     loaded.load("--status").stdout, re.MULTILINE)
    loaded.load()
    loaded.load()
    assert loaded.query("SELECT * FROM loads ORDER BY begun_at")[: len(before)] == before
    assert list_kinds(loaded) == ["reset", "load", "load", "load", "reset", "load", "nothing new"]
    shown = loaded.load("--status").stdout.partition("last success: ")[2].splitlines()
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC, less than a minute ago", shown[0])
    assert shown[2].split()[2:] == ["kind", "files", "bytes", "songplays", "with", "song", "with",
                                    "artist", "changed", "plays", "rejected"]
    assert [re.split("  +", line)[1] for line in shown[3:]] == [
        "nothing new", "load", "reset", "load", "load"]
    assert shown[4].split()[3:] == [
        "4", f"{sum(file.stat().st_size for file in loaded.folder.glob('*_data/*')):,}", "4", "0", "4",
        "0", "0"]


def test_status_names_a_whole_load_as_one(loaded):
    loaded.load("--full")
    newest, first = loaded.load("--status").stdout.splitlines()[-3:-1]
    assert [re.split("  +", line)[1] for line in (newest, first)] == ["whole load", "load"]


# ------------------------------------------------------------------------- how old the last success is

def read_success_line(project: Project) -> str:
    return re.search("^last success: (.*)$", project.load("--status").stdout, re.MULTILINE)[1]


@pytest.mark.parametrize("hours, said", [
    (0.501, "30 minutes"), (1.02, "1 hour"), (3.5, "3 hours"), (47.9, "47 hours"), (50, "2 days")])
def test_status_says_how_old_the_last_success_is(loaded, hours, said):
    age_the_history(loaded, hours)
    finished, = loaded.query("SELECT finished_at FROM loads WHERE kind = 'load'")[0]
    assert read_success_line(loaded) == f"{finished:%Y-%m-%d %H:%M:%S} UTC, {said} ago"


def test_a_run_that_found_nothing_new_is_the_last_success(loaded):
    age_the_history(loaded, 100)
    loaded.load()
    assert read_success_line(loaded).endswith(" UTC, less than a minute ago")


def test_a_success_by_a_clock_that_is_ahead_has_no_negative_age(loaded):
    age_the_history(loaded, -5)
    assert read_success_line(loaded).endswith(" UTC, by a clock that is ahead of this machine's")
    assert loaded.load("--status", "--max-age", "1", "--quiet").stdout == ""


def test_max_age_fails_if_no_run_has_succeeded_for_so_long(loaded):
    age_the_history(loaded, 35.9)
    assert "last success: " in loaded.load("--status", "--max-age", "36").stdout
    done = loaded.load("--status", "--max-age", "36", "--quiet")
    assert (done.stdout, done.stderr) == ("", "")
    age_the_history(loaded, 41.02)
    assert loaded.run("create_tables.py").returncode == 0  # a reset is no success
    finished, = loaded.query("SELECT finished_at FROM loads WHERE kind = 'load'")[0]
    said = expect_refusal(
        loaded, 1, "no run has succeeded for 41 hours (--max-age 36); the last success ended"
        f" at {finished:%Y-%m-%d %H:%M:%S} UTC", arguments=("--status", "--max-age", "36", "--quiet"),
        rolled_back=False)
    assert len(said.splitlines()) == 1


def test_max_age_lists_nothing_and_needs_no_right_but_select_on_loads(loaded):
    shutil.rmtree(loaded.folder / "log_data")
    role = f"{loaded.database}_monitor"
    execute(loaded, f"CREATE ROLE {role} LOGIN; GRANT SELECT ON loads TO {role}")
    loaded.configure(HOST=str(loaded.server.socket_folder), DB_PORT="5432", DB_USER=role)
    try:
        done = loaded.load("--status", "--max-age", "36", "--quiet")
        assert (done.stdout, done.stderr) == ("", "")
    finally:
        execute(loaded, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_warehouse_in_which_no_run_has_ever_succeeded_is_too_old(warehouse):
    warehouse.write("log_data/1.json", [event(1)])
    warehouse.write("song_data/1.json", song())
    expect_refusal(warehouse, 1, "no run has ever succeeded (--max-age 99999)",
                   arguments=("--status", "--max-age", "99999"), rolled_back=False)
    assert "last success: none" in warehouse.load("--status").stdout


def test_a_warehouse_without_tables_is_too_old(project):
    expect_refusal(project, 1, '"loads" does not exist', "Run create_tables.py first",
                   arguments=("--status", "--max-age", "36"), rolled_back=False)


# --------------------------------------------------------------------------- what the guide asks of it

GUIDE = (ROOT / "deploy" / "README.md").read_text()


def query_alarms(project: Project) -> tuple[int | None, int, int]:
    """Run the guide's query as SQL of Redshift.

    Return the hours since the last success, loads with rejected rows, and whole loads not asked for.
    """
    sql, = re.findall("```sql\n([^`]*FROM loads.*?)```", GUIDE, re.DOTALL)
    with speaking_redshift(project.server, project.database) as redshift, redshift.cursor() as cursor:
        cursor.execute(sql)
        assert [column.name for column in cursor.description] == [
            "hours_since_success", "loads_with_rejected_rows", "whole_loads_unasked"]
        found, = cursor.fetchall()
    return found


def test_the_guides_query_finds_hours_rejected_rows_and_whole_loads_nobody_asked_for(loaded):
    assert query_alarms(loaded) == (0, 0, 0)
    loaded.load("--full")
    assert query_alarms(loaded) == (0, 0, 0)
    loaded.write("log_data/1.json", [event(3)])  # changed without growing
    loaded.load()
    assert query_alarms(loaded) == (0, 0, 1)
    loaded.configure(MAX_ERRORS="1")
    loaded.write("log_data/2.json", [event(5, ts="soon"), event(6)])
    loaded.load()
    assert query_alarms(loaded) == (0, 1, 1)
    execute(loaded, "UPDATE loads SET rejected = NULL WHERE rejected = 1")  # COPY did not tell
    assert query_alarms(loaded) == (0, 1, 1)
    age_the_history(loaded, 40.5)
    assert loaded.run("create_tables.py").returncode == 0
    assert query_alarms(loaded) == (40, 0, 0)
    execute(loaded, "DELETE FROM loads WHERE kind <> 'reset'")
    assert query_alarms(loaded) == (None, 0, 0)


def test_the_guides_line_for_a_monitor_is_quiet_or_fails_with_a_message(loaded):
    command, = re.findall(r"etl\.py (--status .*)", GUIDE)
    done = loaded.run("etl.py", *command.split())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    age_the_history(loaded, 36)
    expect_refusal(loaded, 1, "no run has succeeded for 36 hours", arguments=tuple(command.split()),
                   rolled_back=False)


def test_a_run_whose_commit_was_in_doubt_is_recorded_once(fresh, proxy, load_fresh):
    proxy.on("COMMIT", lose_the_reply, after=LAST)
    assert load_fresh() == 2
    assert list_kinds(fresh) == ["reset", "load"]
    proxy.on("COMMIT", lose_the_reply, after=LAST)
    assert fresh.run("create_tables.py").returncode == 0
    assert list_kinds(fresh) == ["reset", "load", "reset"]
    assert fresh.query("SELECT COUNT(DISTINCT run) FROM loads") == [(3,)]


@pytest.mark.parametrize("arguments", [(), ("--force",)], ids=["", "--force"])
def test_somebody_elses_table_of_that_name_is_named_and_kept(project, arguments):
    execute(project, "CREATE TABLE loads (weight INT)")
    expect_refusal(project, 2, "loads (weight) does not belong to this toolkit",
                   "Set another SCHEMA", "by hand",
                   script="create_tables.py", arguments=arguments)
    assert project.query("SELECT table_name FROM information_schema.tables"
                         " WHERE table_schema = 'public'") == [("loads",)]
