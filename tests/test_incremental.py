"""A nightly run loads what is new, and files in any order give the same warehouse."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import time
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from generate import generate
from support import REAL_DATA
from support.databases import creating_database
from support.documents import event, song
from support.project import DATA_FOLDERS, LASTING, Project, finish
from support.real_data import needs_real_data
from support.runs import load_by_prefix
from support.s3 import read_aws_environment
from support.sessions import BETWEEN_INSERTS, count_plays, hold, wait_until_somebody_waits_for, waiting_at

from warehouse import config
from warehouse.database.statements import name_of

# ------------------------------------------------------------------------------ order and batches

class History:
    """A history of a set of files: steps that add, grow and change files until all are final.

    Everything is drawn from the seed, so a failure can be repeated.
    """

    def __init__(self, final: Path, seed: int):
        self.final = final
        self.random = random.Random(seed)
        logs = sorted(final.glob("log_data/**/*.json"))
        songs = sorted(final.glob("song_data/**/*.json"))
        self.steps = [self.whole(file) for file in logs + songs]
        grown = self.random.sample(logs, 2)
        changed = self.random.sample(songs, 3)
        self.steps = [step for step in self.steps if step[0] not in grown + changed]
        self.random.shuffle(self.steps)
        for file in grown:
            self.place_in_order(file, [self.beginning(file), self.whole(file)])
        for file in changed:
            self.place_in_order(file, [self.other_song(file), self.whole(file)])

    def whole(self, file: Path) -> tuple[Path, bytes]:
        return file, file.read_bytes()

    def beginning(self, file: Path) -> tuple[Path, bytes]:
        lines = file.read_bytes().splitlines(keepends=True)
        return file, b"".join(lines[: self.random.randrange(1, len(lines))])

    def other_song(self, file: Path) -> tuple[Path, bytes]:
        song = json.loads(file.read_bytes())
        song |= {"title": "Something Else", "artist_id": "ARELSEWHERE", "artist_name": "Nobody"}
        return file, json.dumps(song).encode()

    def place_in_order(self, file: Path, versions: list) -> None:
        """Put the versions of a file among the steps, the earlier ones first."""
        places = sorted(self.random.sample(range(len(self.steps)), len(versions)), reverse=True)
        for place, version in zip(places, reversed(versions), strict=True):
            self.steps.insert(place, version)

    def batches(self, count: int) -> list[list[tuple[Path, bytes]]]:
        """Return the steps in batches of random sizes."""
        cuts = sorted(self.random.sample(range(1, len(self.steps)), count - 1))
        return [self.steps[a:b] for a, b in pairwise([0, *cuts, len(self.steps)])]


def write_batch(project: Project, final: Path, batch: list[tuple[Path, bytes]]) -> None:
    for file, content in batch:
        project.write(str(file.relative_to(final)), content)


def run_and_kill(project: Project, after: float) -> None:
    process = project.start("etl.py")
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def has_both_sources(project: Project) -> bool:
    return all(any(project.folder.glob(f"{folder}/**/*.json")) for folder in DATA_FOLDERS)


@pytest.fixture(scope="module")
def final_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("final")
    generate(folder, events=900, songs=70, files=5, users=25, seed=7)
    return folder


@pytest.fixture(scope="module")
def full_load(final_files, server, tables, tmp_path_factory):
    """The tables after one full load of the final files."""
    with creating_database(server, tables) as name:
        project = Project(tmp_path_factory.mktemp("full"), server, name)
        shutil.copytree(final_files, project.folder, dirs_exist_ok=True)
        project.load()
        return project.snapshot(LASTING)


def test_any_order_and_batches_give_the_tables_of_one_full_load(
    warehouse, final_files, full_load, order_seed
):
    history = History(final_files, order_seed)
    for batch in history.batches(6):
        write_batch(warehouse, final_files, batch)
        if not has_both_sources(warehouse):
            continue
        if history.random.random() < 0.4:
            run_and_kill(warehouse, after=history.random.uniform(0, 0.3))
        warehouse.load()
        if history.random.random() < 0.3:
            warehouse.load()
    warehouse.load()
    assert warehouse.snapshot(LASTING) == full_load
    warehouse.load("--full")
    assert warehouse.snapshot(LASTING) == full_load


@needs_real_data
def test_thirty_nights_of_real_logs_with_late_songs_give_the_tables_of_one_load(warehouse, real_songs):
    random.Random(1).shuffle(real_songs)
    files = [b"\n".join(real_songs[nth::300]) for nth in range(300)]  # of fifty songs
    for night, log in enumerate(sorted(REAL_DATA.glob("log_data/**/*.json"))):
        warehouse.write(f"log_data/{log.name}", log.read_bytes())
        if night % 3 == 0:
            for nth in range(night // 3, 300, 10):
                warehouse.write(f"song_data/{nth}.json", files[nth])
        warehouse.load("--quiet")
    by_nights = warehouse.snapshot(LASTING)
    warehouse.load("--full")
    assert warehouse.snapshot(LASTING) == by_nights
    assert {table: len(rows) for table, rows in by_nights.items()} == {
        "songplays": 6820, "users": 97, "songs": 14896, "artists": 9553, "time": 6813,
        "catalogue": 14896, "latest_events": 97,
    }
    assert warehouse.query("SELECT COUNT(song_id), COUNT(artist_id) FROM songplays") == [(333, 4299)]


# ------------------------------------------------------------------------------------- small cases

def test_a_run_with_nothing_new_says_so_and_changes_nothing(loaded):
    before = loaded.snapshot()
    done = loaded.load()
    assert "found nothing new" in done.stderr
    assert done.stdout == ""
    assert loaded.snapshot() == before


def test_a_late_song_is_matched_with_earlier_plays(loaded):
    assert loaded.query("SELECT song_id FROM songplays") == [(None,), (None,)]
    loaded.write("song_data/late.json", song())
    loaded.load()
    assert loaded.query("SELECT song_id, artist_id FROM songplays") == [("SO1", "AR1")] * 2


def test_a_later_song_that_is_nearer_in_length_takes_over_the_play(loaded):
    loaded.write("song_data/far.json", song("SO1", duration=190.0))
    loaded.load()
    loaded.write("song_data/near.json", song("SO2", duration=200.0))
    loaded.load()
    assert loaded.query("SELECT song_id FROM songplays") == [("SO2",)] * 2


def test_a_second_file_for_a_song_id_may_take_its_plays_away(loaded):
    loaded.write("song_data/b.json", song(title="The Song"))
    loaded.load()
    # The first by content is the one whose title comes first.
    loaded.write("song_data/a.json", song(title="A Song", artist_id="AR2", artist_name="Other"))
    loaded.load()
    assert loaded.query("SELECT song_id FROM songplays") == [(None,)] * 2
    assert loaded.query("SELECT artist_id FROM artists ORDER BY 1") == [("AR0",), ("AR2",)]


def test_a_grown_log_file_adds_its_new_events_only(loaded):
    loaded.write("log_data/1.json", [event(1), event(2), event(3)])
    done = loaded.load()
    assert "1 changed" in done.stderr
    assert loaded.query("SELECT COUNT(*) FROM songplays") == [(3,)]
    assert loaded.query("SELECT COUNT(*) FROM loaded_files") == [(2,)]


def test_staging_holds_the_rows_of_the_last_load_only(loaded):
    loaded.write("log_data/2.json", [event(5)])
    loaded.load()
    assert loaded.query("SELECT iteminsession FROM staging_events") == [(5,)]
    assert loaded.query("SELECT COUNT(*) FROM staging_songs") == [(0,)]
    assert "found nothing new" in loaded.load().stderr
    assert loaded.query("SELECT iteminsession FROM staging_events") == [(5,)]


def test_a_changed_song_file_makes_the_songs_whole_and_is_named(loaded):
    loaded.write("song_data/same.json", song("SO5", artist_id="AR5"))
    loaded.load()
    loaded.write("song_data/other.json", song("SO9"))
    loaded.write("log_data/2.json", [event(5)])
    done = loaded.load()
    assert re.search(r"all for staging_songs are loaded, because song file \S+/other.json changed$",
                     done.stderr, re.MULTILINE)
    assert loaded.query("SELECT song_id FROM staging_songs ORDER BY 1") == [("SO5",), ("SO9",)]
    assert loaded.query("SELECT song_id FROM songs ORDER BY 1") == [("SO5",), ("SO9",)]
    assert loaded.query("SELECT iteminsession FROM staging_events") == [(5,)]
    by_change = loaded.snapshot(LASTING)
    loaded.load("--full")
    assert loaded.snapshot(LASTING) == by_change


@pytest.mark.parametrize("events", [[event(1)], [event(1), event(2, level="paid")]],
                         ids=["smaller", "of the same size"])
def test_a_log_file_that_changed_without_growing_makes_the_logs_whole_and_is_named(loaded, events):
    loaded.write("log_data/1.json", events)
    loaded.write("song_data/late.json", song())
    done = loaded.load()
    assert re.search(r"all for staging_events are loaded, because log file \S+/1.json changed without"
                     r" growing$", done.stderr, re.MULTILINE)
    assert loaded.query("SELECT song_id FROM staging_songs") == [("SO1",)]
    by_change = loaded.snapshot(LASTING)
    loaded.load("--full")
    assert loaded.snapshot(LASTING) == by_change
    assert len(by_change["songplays"]) == len(by_change["time"]) == len(events)
    assert [row[4] for row in by_change["users"]] == [events[-1]["level"]]


def test_a_vanished_file_stays_loaded_and_a_full_load_is_refused_unless_forced(loaded):
    (loaded.folder / "log_data/1.json").unlink()
    loaded.write("log_data/2.json", [event(5)])
    assert "files of staging_events that are gone and stay loaded: 1" in loaded.load().stderr
    before = loaded.snapshot()
    done = loaded.run("etl.py", "--full")
    assert done.returncode == 3
    assert "1.json" in done.stderr and "--full --force" in done.stderr
    assert "Nothing was committed." in done.stderr
    assert loaded.snapshot() == before
    assert "files of staging_events that are gone and lose their rows: 1" in loaded.load(
        "--full", "--force").stderr
    assert loaded.query("SELECT COUNT(*) FROM songplays") == [(1,)]


def test_an_older_event_that_comes_late_does_not_set_a_user_back(loaded):
    loaded.write("log_data/2.json", [event(9, level="paid")])
    loaded.load()
    loaded.write("log_data/0.json", [event(0, level="free")])
    loaded.load()
    assert loaded.query("SELECT level FROM users") == [("paid",)]


def test_an_earlier_play_keeps_its_content_unless_a_new_rival_comes_first_in_order(loaded):
    """The result is that of both at once, of which the first location in order counts."""
    loaded.write("log_data/2.json", [event(1, location="Zurich"), event(2, location="Aachen")])
    loaded.load()
    assert loaded.query("SELECT location FROM songplays ORDER BY start_time") == [
        ("Nome, AK",), ("Aachen",)]


def test_blanks_at_the_end_of_a_quoted_user_agent_are_dropped(loaded):
    loaded.write("log_data/2.json", [event(5, userAgent='"Opera "')])
    loaded.load()
    assert loaded.query("SELECT DISTINCT user_agent FROM songplays ORDER BY 1") == [
        ("Mozilla",), ("Opera",)]


def read_rows_written(project: Project, table: str) -> str:
    """Load. Return the number of rows written to a table according to the summary."""
    lines = [line.split() for line in project.load().stdout.splitlines()]
    return next(cells[-2] for cells in lines if cells[0] == table)


def test_a_load_writes_the_users_of_its_own_events_only(loaded):
    loaded.write("log_data/2.json", [event(5, userId="8")])
    assert read_rows_written(loaded, "users") == "1"


def test_a_late_song_of_the_same_title_by_others_touches_no_earlier_play(loaded):
    loaded.write("song_data/late.json", song(artist_name="Others"))
    assert read_rows_written(loaded, "songplays") == "0"


def test_a_load_counts_its_own_plays_of_an_instant(loaded):
    loaded.write("log_data/2.json", [event(1, userId="8")])
    said = loaded.load().stderr
    assert "plays inserted: 1, with a song in the catalogue: 0, with an artist in it: 1" in said


def test_repeats_of_a_play_are_left_out_and_counted(loaded):
    loaded.write("log_data/2.json", [event(5), event(6), event(5)])
    loaded.write("log_data/3.json", [event(6), event(7, page="Home"), event(7, page="Home")])
    before = count_plays(loaded)
    assert "duplicate plays in the new files, left out: 2" in loaded.load().stderr
    assert count_plays(loaded) == before + 2
    loaded.write("log_data/4.json", [event(8)])
    assert "duplicate plays" not in loaded.load().stderr


def test_files_are_recorded_with_the_load_that_brought_them(loaded):
    rows = loaded.query("SELECT url, bytes, etag <> '' FROM loaded_files ORDER BY url")
    assert rows == [
        (str(file), file.stat().st_size, True)
        for file in sorted(loaded.folder.glob("*_data/*.json"))
    ]
    assert loaded.query("SELECT DISTINCT loaded_into FROM loaded_files ORDER BY 1") == [
        ("staging_events",), ("staging_songs",)]
    loaded.write("log_data/2.json", [event(5)])
    loaded.load()
    assert loaded.query(
        "SELECT COUNT(DISTINCT loaded_at), COUNT(*) FROM loaded_files") == [(2, 3)]


# -------------------------------------------------------------------------------- status, dry run

def test_status_counts_what_is_listed_loaded_new_changed_and_vanished(loaded):
    before = loaded.snapshot()
    loaded.write("log_data/2.json", [event(5)])
    loaded.write("log_data/1.json", [event(1), event(2), event(3)])
    (loaded.folder / "song_data/other.json").unlink()
    loaded.write("song_data/new.json", song())
    done = loaded.load("--status")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["for", "objects", "bytes", "loaded", "new", "changed"]
    assert lines[1][0] == "staging_events" and lines[1][3:] == ["0", "1", "1"]
    assert lines[2][0] == "staging_songs" and lines[2][3:] == ["0", "1", "0"]
    assert "vanished (loaded files that are no longer there): 1" in done.stdout
    assert "other.json" in done.stdout
    assert loaded.snapshot() == before


def test_status_says_whether_the_next_load_has_anything_to_do(loaded):
    assert "next load: nothing to do" in loaded.load("--status").stdout
    loaded.write("log_data/2.json", [event(5)])
    assert "new and changed files" in loaded.load("--status").stdout


def test_status_says_when_the_last_success_was_if_there_was_one(warehouse):
    warehouse.write("log_data/1.json", [event(1)])
    warehouse.write("song_data/1.json", song())
    assert "last success: none" in warehouse.load("--status").stdout
    warehouse.load()
    assert re.search("last success: 20..-", warehouse.load("--status").stdout)


def test_a_dry_run_says_how_many_files_it_does_not_name(loaded):
    for number in range(25):
        loaded.write(f"log_data/new{number}.json", [event(5)])
    assert "… and 5 more" in loaded.load("--dry-run").stdout


@pytest.mark.parametrize("name, content", [
    ("log_data/2.json", [event(5)]), ("song_data/2.json", song()), ("song_data/other.json", song())],
    ids=["a new log", "a new song", "a changed song"])
def test_a_dry_run_prints_files_and_statements_in_the_order_of_a_run_and_changes_nothing(
    loaded, name, content
):
    loaded.write(name, content)
    before = loaded.snapshot()
    dry = loaded.load("--dry-run")
    assert name in dry.stdout and "log_data/1.json" not in dry.stdout
    assert loaded.snapshot() == before
    printed = list_statement_names(dry.stdout)
    verbose = loaded.load("--verbose")
    assert printed == [
        name for name in re.findall(r" DEBUG +(.+) in [0-9.]+ s$", verbose.stderr, re.MULTILINE)
        if name not in ("list loaded_files", "last copy", "find loads", "insert loads",
                        "SET statement_timeout TO %(ms)s")
    ]


def list_statement_names(dry_run: str) -> list[str]:
    """Return the names of the statements that a dry run prints after the list of files."""
    _, *printed = dry_run.rstrip().split("\n\n")
    return [name_of(sql.removesuffix(";")) for sql in printed]


def test_a_dry_run_of_a_full_load_says_why_and_empties_first(loaded):
    loaded.write("song_data/other.json", song("SO9"))
    printed = loaded.load("--dry-run", "--full").stdout
    assert "all are loaded, because --full" in printed.splitlines()[0]
    assert printed.index("DELETE FROM songplays") < printed.index("COPY staging_events")


def test_a_dry_run_of_whole_songs_says_why_and_empties_nothing_of_the_logs(loaded):
    loaded.write("song_data/other.json", song("SO9"))
    printed = loaded.load("--dry-run").stdout
    assert "all for staging_songs are loaded, because song file" in printed.splitlines()[0]
    emptied = re.findall(r"^DELETE FROM (\w+(?: WHERE loaded_into .+)?);$", printed, re.MULTILINE)
    assert emptied == ["staging_events", "staging_songs", "catalogue",
                       "loaded_files WHERE loaded_into = 'staging_songs'"]
    assert not re.search(r"DELETE FROM (songplays|time|users|latest_events)\b(?! WHERE FALSE)", printed)
    assert "COPY staging_events" not in printed


def test_a_dry_run_writes_no_manifest(loaded):
    loaded.configure(MANIFESTS="manifests/")
    loaded.write("log_data/2.json", [event(5)])
    loaded.load("--dry-run")
    assert not (loaded.folder / "manifests").exists()
    loaded.load()
    written = sorted(path.name.partition("-")[2].partition("-")[2]
                     for path in (loaded.folder / "manifests").iterdir())
    assert written == ["loaded_files.json", "staging_events.manifest"]


# ------------------------------------------------------------------------------------- at one time

def test_the_second_of_two_loads_at_once_waits_and_finds_nothing_new(loaded):
    loaded.write("log_data/2.json", [event(5)])
    holder = hold(loaded, "users")
    first = loaded.start("etl.py")
    wait_until_somebody_waits_for(loaded, "users")
    second = loaded.start("etl.py")
    wait_until_somebody_waits_for(loaded, "etl_lock")
    holder.close()
    assert first.communicate()[1].count("committed") == 1
    assert "found nothing new" in second.communicate()[1]
    assert (first.returncode, second.returncode) == (0, 0)
    assert loaded.query("SELECT COUNT(*) FROM songplays") == [(3,)]


def test_a_load_that_waits_too_long_exits_75_and_says_who_is_loading(loaded):
    loaded.configure(LOCK_TIMEOUT="1")
    loaded.write("log_data/2.json", [event(5)])
    loaded.write("song_data/9.json", song("SO9"))
    with waiting_at(loaded, BETWEEN_INSERTS) as (first, holder):
        second = loaded.run("etl.py")
        assert second.returncode == 75
        assert "another load or reset is running (process" in second.stderr
        assert "Nothing was committed." in second.stderr
        assert "attempt" not in second.stderr  # it has waited already
        holder.close()
        assert finish(first).returncode == 0


def test_a_load_with_a_lock_timeout_of_0_gives_up(loaded):
    loaded.configure(LOCK_TIMEOUT="0")
    with contextlib.closing(hold(loaded, "etl_lock")):
        process = loaded.start("etl.py")
        process.communicate(timeout=15)
    assert process.returncode == 75


def test_redshifts_words_for_a_lock_timeout_mean_that_another_load_is_running(loaded, monkeypatch):
    """Redshift says the same when statement_timeout ends a statement and when a user does."""
    from warehouse import BusyError
    from warehouse.database import connection, transactions

    monkeypatch.setenv("SPARKIFY_STANDIN", str(loaded.server.folder))
    monkeypatch.setattr(transactions.sql_queries, "etl_lock_take", (
        "-- lock etl_lock: as Redshift fails\n"
        "SELECT standin.fail('Query (150) canceled on user''s request', '57014')"))
    settings = config.read(loaded.config)
    with contextlib.closing(connection.connect(settings)) as late:
        with pytest.raises(BusyError, match="another load or reset is running"):
            with transactions.locking(late, settings.limits):
                pass


def test_a_file_that_vanishes_between_listing_and_copy_stops_the_load(loaded):
    loaded.write("log_data/2.json", [event(5)])
    before = loaded.snapshot()
    holder = hold(loaded, "staging_events")
    process = loaded.start("etl.py")
    wait_until_somebody_waits_for(loaded, "staging_events")
    gone = (loaded.folder / "log_data/2.json").rename(loaded.folder / "away.json")
    holder.close()
    _, said = process.communicate()
    assert process.returncode == 1
    assert "log_data/2.json" in said and "Nothing was committed." in said
    assert loaded.snapshot() == before
    gone.rename(loaded.folder / "log_data/2.json")
    loaded.load()
    assert loaded.query("SELECT COUNT(*) FROM songplays") == [(3,)]


def test_a_file_replaced_between_listing_and_copy_is_loaded_as_found_and_again_next_time(loaded):
    loaded.write("log_data/2.json", [event(5)])
    holder = hold(loaded, "staging_events")
    process = loaded.start("etl.py")
    wait_until_somebody_waits_for(loaded, "staging_events")
    loaded.write("log_data/2.json", [event(5), event(6)])
    holder.close()
    process.communicate()
    assert process.returncode == 0
    assert loaded.query("SELECT COUNT(*) FROM songplays") == [(4,)]
    assert "1 changed" in loaded.load().stderr
    assert loaded.query("SELECT COUNT(*) FROM songplays") == [(4,)]
    assert "found nothing new" in loaded.load().stderr


def test_a_manifest_that_cannot_be_written_stops_the_load(loaded):
    loaded.write("manifests", "a file and not a folder")
    loaded.configure(MANIFESTS="manifests/")
    loaded.write("log_data/2.json", [event(5)])
    before = loaded.snapshot()
    done = loaded.run("etl.py")
    assert done.returncode == 1
    assert "manifests" in done.stderr and "Nothing was committed." in done.stderr
    assert loaded.snapshot() == before
    os.remove(loaded.folder / "manifests")
    loaded.load()


def test_manifests_go_to_s3_and_name_exactly_the_new_objects(loaded, bucket, monkeypatch):
    loaded.environment = read_aws_environment()
    loaded.configure(
        LOG_DATA=f"s3://{bucket.name}/log_data/", SONG_DATA=f"s3://{bucket.name}/song_data/",
        MANIFESTS=f"s3://{bucket.name}/manifests", REGION="us-west-2",
    )
    for nth in range(3):
        before = {found.key for found in bucket.objects.filter(Prefix="manifests/")}
        bucket.put_object(Key=f"log_data/{nth}.json", Body=json.dumps(event(10 + nth)).encode())
        bucket.put_object(Key="song_data/1.json", Body=json.dumps(song()).encode())
        loaded.load("--force")
    assert loaded.query("SELECT COUNT(*) FROM songplays") == [(5,)]
    [written] = [found for found in bucket.objects.filter(Prefix="manifests/")
                 if "events" in found.key and found.key not in before]
    assert json.loads(written.get()["Body"].read())["entries"] == [{
        "url": f"s3://{bucket.name}/log_data/2.json", "mandatory": True,
        "meta": {"content_length": len(json.dumps(event(12)))},
    }]


# ------------------------------------------------------------------------------------ by prefix

def capitalise_keys(document: dict) -> dict:
    return {key.upper(): value for key, value in document.items()}


def test_a_load_by_prefix_and_a_load_by_manifest_give_the_same_tables(loaded, monkeypatch):
    """The files need every option of COPY, and one row of each is rejected."""
    loaded.configure(MAX_ERRORS="1")
    loaded.write("log_data/2.json", [
        capitalise_keys(event(5, song="The Song  ", length=200.500006)), event(6, ts="yesterday")])
    loaded.write("song_data/2.json", [
        capitalise_keys(song(title="The Song  ", duration=200.500006, artist_latitude=35.149676)),
        song("SO2", duration="long")])
    loaded.load("--full")
    by_manifest = loaded.snapshot()
    assert loaded.query("SELECT song_title, length FROM songplays WHERE song_id = 'SO1'"
                        " ORDER BY start_time DESC LIMIT 1") == [("The Song", Decimal("200.50001"))]
    load_by_prefix(loaded, monkeypatch)
    assert loaded.query("SELECT COUNT(*) FROM loaded_files") == [(0,)]
    assert loaded.snapshot() == by_manifest


def test_from_loads_by_prefix_to_manifests_and_back_nothing_is_doubled(loaded, monkeypatch):
    before = loaded.snapshot()
    load_by_prefix(loaded, monkeypatch)
    assert loaded.snapshot() == before
    assert loaded.query("SELECT COUNT(*) FROM loaded_files") == [(0,)]
    load_by_prefix(loaded, monkeypatch)
    assert loaded.snapshot() == before
    assert "rows of a load by prefix" in loaded.load().stderr
    assert loaded.snapshot() == before
    assert "found nothing new" in loaded.load().stderr


# ------------------------------------------------------------------------------------ stale start

def test_a_load_whose_snapshot_is_older_than_another_loads_commit_begins_again(loaded, monkeypatch):
    """On Redshift the snapshot may be older than the lock. Here the test makes it older."""
    from warehouse.database import connection, transactions

    monkeypatch.setenv("SPARKIFY_STANDIN", str(loaded.server.folder))
    settings = config.read(loaded.config)
    late = connection.connect(settings)
    with late.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM songplays")
        loaded.write("log_data/2.json", [event(5)])
        loaded.load()
        assert not transactions.take_lock(cursor, settings.limits)
    with transactions.locking(late, settings.limits) as cursor:
        cursor.execute("SELECT COUNT(*) FROM songplays")
        assert cursor.fetchone() == (3,)
    late.close()
