"""Loads of new, changed, missing, empty and archived files, source by source."""

import json

import pytest
from support.documents import event, song
from support.faulty_s3 import refuse as refuse_request
from support.project import FOLDED, LASTING, STAR, Project
from support.runs import expect_refusal, load_by_prefix, load_here
from support.sessions import count_plays, lose_rows
from support.tcp_project import LOG, SONG

from warehouse import rejected_rows


def read_versions(project: Project, table: str) -> dict[tuple, tuple]:
    """Return the place and the writing transaction of each row. They change if it is written again."""
    columns = [name for name, in project.query(
        f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'"
        " ORDER BY ordinal_position")]
    return {row[2:]: row[:2] for row in project.query(
        f"SELECT CAST(ctid AS text), CAST(xmin AS text), {', '.join(columns)} FROM {table}")}


def encode(content: dict | list[dict]) -> bytes:
    documents = content if isinstance(content, list) else [content]
    return "".join(json.dumps(document) + "\n" for document in documents).encode()


# ------------------------------------------------------------------------------------ new or whole

def test_a_changed_song_file_reads_no_log(s3_project, s3, bucket):
    s3_project.load()
    bucket.put_object(Key=SONG[1:], Body=encode(song("SO2", artist_id="AR3")))
    s3.asked.clear()
    s3_project.load()
    read = [line.split()[1] for line in s3.asked if "_data/" in line and "prefix=" not in line]
    assert sorted({url.removeprefix(f"/{bucket.name}") for url in read}) == [
        "/song_data/1.json", "/song_data/2.json"]
    assert s3_project.query("SELECT artist_id FROM songs ORDER BY song_id") == [("AR1",), ("AR3",)]


def test_a_changed_log_file_reads_no_song(s3_project, s3, bucket):
    s3_project.load()
    bucket.put_object(Key=LOG[1:], Body=encode([event(1), event(2)]))
    s3.asked.clear()
    s3_project.load()
    assert any(LOG in line for line in s3.asked)
    assert not any("/song_data/" in line and "prefix=" not in line for line in s3.asked)
    assert count_plays(s3_project) == 2


def test_a_log_that_grew_and_in_which_loaded_lines_were_corrected_is_loaded_whole(s3_project, s3, bucket):
    s3_project.load()
    corrected = [event(1, song="Corrected"), event(2), event(5), event(6), event(7)]
    bucket.put_object(Key=LOG[1:], Body=encode(corrected))
    assert "log_data/1.json grew, and loaded lines were corrected" in s3_project.load().stderr
    assert s3_project.query("SELECT COUNT(*) FROM songplays WHERE song_title = 'Corrected'") == [(1,)]
    found = s3_project.snapshot(STAR + FOLDED)
    s3_project.load("--full")
    assert s3_project.snapshot(STAR + FOLDED) == found


def test_a_log_that_only_grew_is_loaded_as_grown_after_one_look_at_its_beginning(s3_project, s3, bucket):
    s3_project.load()
    old = bucket.Object(LOG[1:]).get()["Body"].read()
    bucket.put_object(Key=LOG[1:], Body=old + encode([event(7)]))
    s3.asked.clear()
    said = s3_project.load().stderr
    assert "0 new, 1 changed" in said and "corrected" not in said
    ranges = [line for line in s3.asked if LOG in line]
    assert len(ranges) == 2, s3.asked  # the comparison, and COPY


def upload_in_parts(bucket, key: str, content: bytes) -> None:
    upload = bucket.Object(key).initiate_multipart_upload()
    part = upload.Part(1).upload(Body=content)
    upload.complete(MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})


UNCOMPARED = {  # how the log was stored when it was loaded, how S3 answers later, and the message
    "of several parts": (upload_in_parts, None, ""),
    "with a key of KMS": (
        lambda bucket, key, content: bucket.put_object(Key=key, Body=content, ServerSideEncryption="aws:kms"),
        None, ""),
    "denied": (
        lambda bucket, key, content: bucket.put_object(Key=key, Body=content),
        refuse_request(403, "AccessDenied"), "Allow s3:ListBucket on the bucket and s3:GetObject"),
}


@pytest.mark.parametrize("store, answer, reason", UNCOMPARED.values(), ids=UNCOMPARED)
def test_a_grown_log_that_cannot_be_compared_is_loaded_as_grown_with_one_message(
        s3_project, s3, bucket, store, answer, reason):
    store(bucket, LOG[1:], encode([event(1), event(2)]))
    s3_project.load()
    store(bucket, LOG[1:], encode([event(1, song="Zebra"), event(2), event(7)]))
    if answer:
        s3.on(f"GET /{bucket.name}{LOG}", answer)
    said = s3_project.load().stderr
    assert said.count("1.json grew, and was not compared with its loaded content") == 1
    assert reason in said and "run etl.py --full" in said
    # of two versions the first by content stays: "The Song"
    assert s3_project.query("SELECT COUNT(*) FROM songplays WHERE song_title = 'Zebra'") == [(0,)]
    assert "was not compared" not in s3_project.load().stderr


def test_a_grown_local_log_is_loaded_as_grown_with_a_message(loaded):
    loaded.write("log_data/1.json", [event(1, song="Zebra"), event(2), event(7)])
    assert "log_data/1.json grew, and was not compared" in loaded.load().stderr
    assert count_plays(loaded) == 3


def test_a_corrected_song_rewrites_only_the_plays_whose_match_changes(loaded):
    """other.json held the song Another. Now it holds The Song."""
    loaded.write("log_data/2.json", [
        event(3, song="Another"), event(4, song="Third"), event(5, artist="Others")])
    loaded.load()
    before = read_versions(loaded, "songplays")
    loaded.write("song_data/other.json", song("SO0", artist_id="AR0"))
    loaded.load()
    after = read_versions(loaded, "songplays")
    kept = {row: place for row, place in after.items() if before.get(row) == place}
    assert sorted(row[9:11] for row in kept) == [("The Song", "Others"), ("Third", "The Band")]
    assert loaded.query(
        "SELECT song_title, song_id, artist_id FROM songplays WHERE artist_name = 'The Band'"
        " ORDER BY start_time") == [
        ("The Song", "SO0", "AR0"), ("The Song", "SO0", "AR0"), ("Another", None, "AR0"),
        ("Third", None, "AR0")]


def test_whole_songs_leave_users_time_and_all_other_songs_and_artists_untouched(loaded):
    loaded.write("song_data/2.json", song("SO2", artist_id="AR2", artist_name="Others"))
    loaded.load()
    before = {table: read_versions(loaded, table) for table in LASTING}
    loaded.write("song_data/other.json", song("SO0", artist_id="AR9"))
    loaded.load()
    for table in ("users", "latest_events", "time"):
        assert read_versions(loaded, table) == before[table], table
    for table in ("songs", "artists"):
        kept = set(read_versions(loaded, table).items()) & set(before[table].items())
        assert [row[0] for row, _ in kept] in (["SO2"], ["AR2"]), table


def test_whole_logs_leave_songs_artists_and_the_catalogue_untouched(loaded):
    before = {table: read_versions(loaded, table) for table in ("songs", "artists", "catalogue")}
    loaded.write("log_data/1.json", [event(1)])
    loaded.load()
    assert {table: read_versions(loaded, table) for table in before} == before
    assert count_plays(loaded) == 1


def test_a_load_of_songs_runs_nothing_on_users_latest_events_and_time(loaded):
    loaded.write("song_data/late.json", song())
    assert not list_statements_run(loaded) & {
        f"{what} {table}" for what in ("insert", "delete", "choose", "ANALYZE", "touch")
        for table in ("users", "latest_events", "time", "events", "plays")}


def test_a_load_of_logs_writes_and_checks_nothing_of_songs(loaded):
    loaded.write("log_data/2.json", [event(5)])
    ran = list_statements_run(loaded)
    assert "insert songplays" in ran
    assert not any(name.split()[-1] in ("songs", "artists", "catalogue", "touched_songs")
                   and not name.startswith("match ") for name in ran), ran
    assert not any(name.startswith(("catalogue_", "songs_", "artists_")) for name in ran), ran


def list_statements_run(project: Project) -> set[str]:
    """Load. Return the names of the executed statements."""
    said = project.load("--verbose").stderr
    return {line.partition(" DEBUG ")[2].strip().rpartition(" in ")[0]
            for line in said.splitlines() if " DEBUG " in line}


def test_plays_that_a_load_writes_again_do_not_count_as_changed(loaded):
    loaded.write("log_data/1.json", [event(1), event(2), event(3)])
    loaded.write("song_data/late.json", song())
    assert "update songplays" not in list_statements_run(loaded)
    assert loaded.query("SELECT COUNT(song_id) FROM songplays") == [(3,)]


def test_a_night_without_a_play_brings_its_users_and_touches_no_play(loaded):
    before = {table: read_versions(loaded, table) for table in ("songplays", "time")}
    loaded.write("log_data/2.json", [
        event(5, page="Home", level="paid"), event(6, page="Home", userId="8")])
    ran = list_statements_run(loaded)
    assert loaded.query("SELECT user_id, level FROM users ORDER BY 1") == [(7, "paid"), (8, "free")]
    assert {table: read_versions(loaded, table) for table in before} == before
    assert not ran & {"delete songplays", "insert time", "songplays_unique", "time_unique"}
    assert "users_unique" in ran


# -------------------------------------------------------------------------------------- MAX_RELOAD

DUE = {
    "a changed song": ("song_data/other.json", song("SO0", title="Zebra", artist_id="AR0")),
    "a changed log": ("log_data/1.json", [event(1)]),
}
due = pytest.mark.parametrize("name, content", DUE.values(), ids=DUE)
EVERYTHING = (*LASTING, "staging_events", "staging_songs", "loaded_files", "loads")


def size_of(project: Project, name: str) -> int:
    """Return the size of a file, the only one of its source."""
    return (project.folder / name).stat().st_size


@due
def test_a_reload_above_max_reload_is_refused_with_three_ways_out(loaded, name, content):
    loaded.write(name, content)
    size = size_of(loaded, name)
    loaded.configure(MAX_RELOAD=str(size - 1))
    before = loaded.snapshot(EVERYTHING)
    expect_refusal(loaded, 3, f"{size:,} bytes, more than MAX_RELOAD = {size - 1:,}.", "changed",
                   "all files of staging_", "(1 in total)", "etl.py --no-reload", "etl.py --force",
                   "etl.py --full to load")
    assert loaded.snapshot(EVERYTHING) == before


@due
@pytest.mark.parametrize("limit, arguments", [(0, ()), (-1, ("--full",)), (-1, ("--force",))],
                         ids=["not above it", "--full", "--force"])
def test_a_reload_up_to_max_reload_or_asked_for_is_done(
    loaded, name, content, limit, arguments
):
    loaded.write(name, content)
    loaded.configure(MAX_RELOAD=str(size_of(loaded, name) + limit))
    loaded.load(*arguments)
    by_reload = loaded.snapshot(LASTING)
    assert "found nothing new" in loaded.load().stderr
    loaded.load("--full")
    assert loaded.snapshot(LASTING) == by_reload


def test_max_reload_does_not_bind_new_and_grown_files(loaded):
    loaded.configure(MAX_RELOAD="0")
    loaded.write("log_data/1.json", [event(1), event(2), event(3)])
    loaded.write("song_data/2.json", song())
    loaded.load()
    assert count_plays(loaded) == 3


def test_max_reload_does_not_bind_a_first_load_or_loads_by_prefix_or_the_first_one_after_them(
    warehouse, monkeypatch
):
    warehouse.configure(MAX_RELOAD="0")
    warehouse.write("log_data/1.json", [event(1)])
    warehouse.write("song_data/1.json", song())
    warehouse.load()
    for _ in range(2):
        load_by_prefix(warehouse, monkeypatch)
    assert "rows of a load by prefix" in warehouse.load().stderr
    assert count_plays(warehouse) == 1


@pytest.mark.parametrize("only_event, only_song", [
    (event(1), song(duration="long")), (event(1, userId=""), song())], ids=["events", "songs"])
def test_a_load_by_prefix_is_known_by_its_events_or_its_songs_alone(
    warehouse, monkeypatch, only_event, only_song
):
    warehouse.configure(MAX_ERRORS="1")
    warehouse.write("log_data/1.json", [only_event])
    warehouse.write("song_data/1.json", only_song)
    load_by_prefix(warehouse, monkeypatch)
    assert "rows of a load by prefix" in warehouse.load().stderr


# ------------------------------------------------------------------------------------- --no-reload

@pytest.mark.parametrize("title, counts", [("Zebra", "Another"), ("Aardvark", "Aardvark")])
def test_without_a_reload_a_changed_song_competes_with_its_old_version(
    loaded, title, counts
):
    loaded.write("song_data/2.json", song("SO2", title="Second"))
    loaded.load()
    loaded.write("song_data/other.json", song("SO0", title=title, artist_id="AR0"))
    loaded.configure(MAX_RELOAD="0")
    loaded.load("--no-reload")
    assert loaded.query("SELECT title FROM songs ORDER BY song_id") == [(counts,), ("Second",)]
    assert loaded.query("SELECT COUNT(*) FROM staging_songs") == [(1,)]
    assert "found nothing new" in loaded.load().stderr


@pytest.mark.parametrize("events, locations", [
    ([event(1)], ["Nome, AK", "Nome, AK"]),
    ([event(1, location="Zug, AK"), event(2, location="Ajo, AZ")], ["Nome, AK", "Ajo, AZ"]),
], ids=["a line less", "lines corrected"])
def test_without_a_reload_a_changed_log_doubles_and_loses_nothing(
    loaded, events, locations
):
    loaded.write("log_data/1.json", events)
    loaded.configure(MAX_RELOAD="0")
    loaded.load("--no-reload")
    assert loaded.query("SELECT location FROM songplays ORDER BY start_time") == [
        (location,) for location in locations]
    assert "found nothing new" in loaded.load().stderr


def test_a_full_load_without_a_reload_is_a_contradiction(loaded):
    done = loaded.run("etl.py", "--full", "--no-reload")
    assert done.returncode == 2
    assert "argument --no-reload: not allowed with argument --full" in done.stderr


# ------------------------------------------------------------------------------------------- gone

@pytest.fixture
def two_of_each(loaded):
    """The project with a second log and a second song."""
    loaded.write("log_data/2.json", [event(5)])
    loaded.write("song_data/2.json", song("SO2", artist_id="AR2"))
    loaded.load()
    return loaded


def test_a_vanished_log_does_not_stop_a_reload_of_the_songs(two_of_each):
    (two_of_each.folder / "log_data/2.json").unlink()
    two_of_each.write("song_data/2.json", song("SO2", artist_id="AR3"))
    said = two_of_each.load().stderr
    assert "files of staging_events that are gone and stay loaded: 1" in said
    assert "all for staging_songs are loaded" in said
    assert count_plays(two_of_each) == 3
    assert two_of_each.query("SELECT artist_id FROM songs ORDER BY 1") == [("AR0",), ("AR3",)]


def test_a_vanished_song_does_not_stop_a_reload_of_the_logs(two_of_each):
    (two_of_each.folder / "song_data/2.json").unlink()
    two_of_each.write("log_data/2.json", [event(6)])
    assert "files of staging_songs that are gone and stay loaded: 1" in two_of_each.load().stderr
    assert two_of_each.query("SELECT COUNT(*), COUNT(song_id) FROM songplays") == [(3, 3)]
    assert two_of_each.query("SELECT COUNT(*) FROM songs") == [(2,)]


def test_max_reload_is_for_all_files_of_each_source_by_itself(two_of_each):
    for name, content in DUE.values():
        two_of_each.write(name, content)
    larger = max(sum(file.stat().st_size for file in (two_of_each.folder / source).iterdir())
                 for source in ("log_data", "song_data"))
    two_of_each.configure(MAX_RELOAD=str(larger - 1))
    expect_refusal(two_of_each, 3, "(2 in total) would be loaded again",
                   f"{larger:,} bytes, more than MAX_RELOAD")
    two_of_each.configure(MAX_RELOAD=str(larger))
    two_of_each.load()


@pytest.mark.parametrize("gone, changed, content", [
    ("song_data/2.json", *DUE["a changed song"]), ("log_data/2.json", *DUE["a changed log"])],
    ids=["songs", "logs"])
def test_a_vanished_file_stops_a_reload_of_its_own_source_unless_forced(
    two_of_each, gone, changed, content
):
    (two_of_each.folder / gone).unlink()
    two_of_each.write(changed, content)
    before = two_of_each.snapshot(EVERYTHING)
    expect_refusal(two_of_each, 3, changed, "would lose the rows of loaded files that are gone (1)", gone,
                   "etl.py --no-reload", "etl.py --force", "etl.py --full --force")
    assert two_of_each.snapshot(EVERYTHING) == before
    two_of_each.load("--force")
    by_force = two_of_each.snapshot(LASTING)
    assert "found nothing new" in two_of_each.load().stderr
    two_of_each.load("--full")
    assert two_of_each.snapshot(LASTING) == by_force


def test_a_vanished_file_does_not_stop_a_load_without_a_reload(two_of_each):
    (two_of_each.folder / "song_data/2.json").unlink()
    two_of_each.write("song_data/other.json", song("SO9"))
    two_of_each.load("--no-reload")
    assert two_of_each.query("SELECT song_id FROM songs ORDER BY 1") == [("SO0",), ("SO2",), ("SO9",)]


def test_a_full_load_that_would_lose_a_song_is_refused_unless_forced(two_of_each):
    (two_of_each.folder / "song_data/2.json").unlink()
    before = two_of_each.snapshot(EVERYTHING)
    expect_refusal(two_of_each, 3, "all files of staging_songs (1 in total)", "song_data/2.json",
                   "--full --force", arguments=("--full",))
    assert two_of_each.snapshot(EVERYTHING) == before
    two_of_each.load("--full", "--force")
    assert two_of_each.query("SELECT song_id FROM songs") == [("SO0",)]


# ------------------------------------------------------------------------------------------- empty

def test_an_empty_file_is_no_file(loaded):
    loaded.write("log_data/empty.json", "")
    loaded.write("song_data/empty.json", "")
    said = loaded.load().stderr
    assert ("found nothing new: files for staging_events: 1 (0 new, 0 changed);"
            " files for staging_songs: 1 (0 new, 0 changed)") in said
    assert loaded.query("SELECT COUNT(*) FROM loaded_files") == [(2,)]
    assert "next load: nothing to do" in loaded.load("--status").stdout


def test_the_rows_of_a_log_that_is_empty_now_go_and_come_again(two_of_each):
    two_of_each.write("log_data/1.json", "")
    assert "log_data/1.json changed without growing" in two_of_each.load().stderr
    assert count_plays(two_of_each) == 1
    assert two_of_each.query("SELECT bytes FROM loaded_files WHERE url LIKE '%log_data/1.json'") == [
        (0,)]
    assert "found nothing new" in two_of_each.load().stderr
    two_of_each.write("log_data/1.json", [event(1)])
    two_of_each.load()
    assert count_plays(two_of_each) == 2


def test_the_song_of_a_file_that_is_empty_now_goes(two_of_each):
    two_of_each.write("song_data/2.json", "")
    two_of_each.load()
    assert two_of_each.query("SELECT song_id FROM songs") == [("SO0",)]
    assert two_of_each.query("SELECT COUNT(song_id) FROM songplays") == [(0,)]
    assert "found nothing new" in two_of_each.load().stderr


@pytest.mark.parametrize("name", ["log_data/2.json", "song_data/2.json"])
def test_without_a_reload_a_file_that_is_empty_now_is_recorded_and_keeps_its_rows(two_of_each, name):
    before = two_of_each.snapshot(LASTING)
    two_of_each.write(name, "")
    two_of_each.load("--no-reload")
    assert two_of_each.snapshot(LASTING) == before
    assert "found nothing new" in two_of_each.load().stderr


def test_a_log_in_s3_that_is_empty_now_is_recorded_and_not_in_the_manifest(s3_project, bucket):
    bucket.put_object(Key="log_data/2.json", Body=encode(event(9)))
    s3_project.configure(MANIFESTS=f"s3://{bucket.name}/manifests/")
    s3_project.load()
    bucket.objects.filter(Prefix="manifests/").delete()
    bucket.put_object(Key="log_data/2.json", Body=b"")
    s3_project.load()
    assert count_plays(s3_project) == 4
    [manifest] = [found for found in bucket.objects.filter(Prefix="manifests/")
                  if found.key.endswith("staging_events.manifest")]
    entries = json.load(manifest.get()["Body"])["entries"]
    assert [entry["url"].rpartition("/")[2] for entry in entries] == ["1.json"]
    assert s3_project.query("SELECT bytes FROM loaded_files WHERE url LIKE '%log_data/2.json'") == [(0,)]


@pytest.mark.parametrize("arguments", [(), ("--full",), ("--force",), ("--no-reload",)],
                         ids=lambda arguments: " ".join(arguments))
def test_a_prefix_whose_only_file_is_empty_now_is_an_error_and_nothing_is_emptied(
    loaded, arguments
):
    before = loaded.snapshot(EVERYTHING)
    loaded.write("log_data/1.json", "")
    expect_refusal(loaded, 1,
                   f"LOG_DATA: there is no object under {loaded.folder}/log_data/, or only empty ones.",
                   arguments=arguments)
    assert loaded.snapshot(EVERYTHING) == before


# ---------------------------------------------------------------------------------------- archived

ARCHIVES = pytest.mark.parametrize("archive", ["GLACIER", "DEEP_ARCHIVE"])


@ARCHIVES
def test_a_new_log_that_is_archived_stops_the_load_and_is_named(s3_project, bucket, archive):
    s3_project.load()
    before = s3_project.snapshot(EVERYTHING)
    bucket.put_object(Key="log_data/2.json", Body=encode(event(9)))
    bucket.put_object(Key="log_data/3.json", Body=encode(event(10)), StorageClass=archive)
    expect_refusal(s3_project, 1, f"s3://{bucket.name}/log_data/3.json is archived in {archive}, and this"
                   " load would read it", "Restore it")
    assert s3_project.snapshot(EVERYTHING) == before


@ARCHIVES
def test_a_loaded_log_that_is_archived_stops_only_a_load_that_would_read_it(s3_project, bucket, archive):
    s3_project.load()
    bucket.put_object(Key=LOG[1:], Body=bucket.Object(LOG[1:]).get()["Body"].read(),
                      StorageClass=archive)
    assert "found nothing new" in s3_project.load().stderr
    bucket.put_object(Key="log_data/2.json", Body=encode(event(9)))
    s3_project.load()
    assert count_plays(s3_project) == 5
    bucket.put_object(Key=SONG[1:], Body=encode(song("SO2", artist_id="AR3")))
    s3_project.load()
    before = s3_project.snapshot(EVERYTHING)
    expect_refusal(s3_project, 1, f"{LOG} is archived in {archive}, and this load would read it",
                   arguments=("--full",))
    assert s3_project.snapshot(EVERYTHING) == before


def test_a_log_that_is_restored_or_in_an_archive_of_instant_access_is_read(s3_project, bucket):
    bucket.put_object(Key="log_data/2.json", Body=encode(event(9)), StorageClass="GLACIER")
    bucket.Object("log_data/2.json").restore_object(RestoreRequest={"Days": 1})
    bucket.put_object(Key="log_data/3.json", Body=encode(event(10)), StorageClass="GLACIER_IR")
    s3_project.load()
    assert count_plays(s3_project) == 6


# ----------------------------------------------------------------------------------- other letters

def test_names_of_other_letters_stand_unescaped_in_manifests_and_ledger(loaded):
    name = f"{loaded.folder}/log_data/Zoë – 音楽.json"
    loaded.configure(MANIFESTS="manifests/")
    loaded.write(name, [event(5)])
    loaded.load()
    assert loaded.query(f"SELECT COUNT(*) FROM loaded_files WHERE url = '{name}'") == [(1,)]
    for kind in ("staging_events.manifest", "loaded_files.json"):
        written, = (loaded.folder / "manifests").glob(f"*-{kind}")
        assert name in written.read_text(encoding="utf-8"), kind
    assert "found nothing new" in loaded.load().stderr


# ------------------------------------------------------------------------ the artist of late songs

def test_a_late_song_makes_the_artist_of_earlier_plays_known_ambiguous_and_known_again(
    loaded
):
    def artists() -> list[str | None]:
        return [artist for artist, in loaded.query("SELECT artist_id FROM songplays ORDER BY 1")]

    loaded.write("log_data/1.json", [event(1, artist="Late"), event(2, artist="Late"), event(3)])
    loaded.load("--full")
    assert artists() == ["AR0", None, None]
    loaded.write("song_data/late.json", song("SO1", title="Another", artist_name="Late"))
    loaded.load()
    assert artists() == ["AR0", "AR1", "AR1"]
    loaded.write("song_data/namesake.json", song("SO2", artist_id="AR2", title="Third",
                                                 artist_name="Late"))
    loaded.load()
    assert artists() == ["AR0", None, None]
    loaded.write("song_data/late.json", song("SO1", title="Another", artist_name="Renamed"))
    loaded.load()
    assert artists() == ["AR0", "AR2", "AR2"]
    by_nights = loaded.snapshot(LASTING)
    loaded.load("--full")
    assert loaded.snapshot(LASTING) == by_nights


# ------------------------------------------------------------------------------------ rejected rows

def test_rejected_rows_are_counted_by_copys_notice_when_the_views_of_them_are_empty(
    loaded, monkeypatch, caplog
):
    monkeypatch.setenv("SPARKIFY_STANDIN", str(loaded.server.folder))
    monkeypatch.setattr(rejected_rows, "PATIENCE", 0.5)
    lose_rows(loaded, "INSERT ON standin.load_error")
    loaded.configure(MAX_ERRORS="2")
    loaded.write("log_data/2.json", [event(5, ts="a"), event(6), event(7, userId="b")])
    summary = str(load_here(loaded))
    assert ("rejected rows of staging_events, within MAX_ERRORS: 2; " in caplog.text
            and "; this run could not read them" in caplog.text)
    assert summary.splitlines()[1].split()[:4] == ["staging_events", "1", "1", "2"]
    assert loaded.query("SELECT rejected FROM loads ORDER BY begun_at DESC LIMIT 1") == [(2,)]
    assert count_plays(loaded) == 3


# ------------------------------------------------------------------------------ settings in the wrong place

def test_swapped_settings_are_an_error_that_says_so_and_change_nothing(loaded):
    before = loaded.snapshot()
    loaded.configure(LOG_DATA="song_data/", SONG_DATA="log_data/")
    expect_refusal(loaded, 2, "LOG_DATA: ", "was loaded into staging_songs before: are LOG_DATA and SONG_DATA"
                   " swapped")
    assert loaded.snapshot() == before


def test_wildcards_are_called_wildcards(loaded):
    loaded.configure(LOG_DATA="log_data/*.json")
    expect_refusal(loaded, 1, "there is no object under",
                   "COPY has no wildcards: write the text that the keys")
