"""Whole loads by the real scripts: small cases in folders, and data sets against the oracle."""

import shutil
import tarfile
from pathlib import Path

import pytest
from generate import generate
from support import REAL_DATA, ROOT, SAMPLE, oracle
from support.cases import CASES, assert_same, read_expected_tables, read_table, settings_of
from support.databases import creating_database
from support.documents import event, song
from support.project import DATA_FOLDERS, STAGING, STAR, Project, copy_data
from support.real_data import needs_real_data
from support.s3 import read_from, upload

import sql_queries
from warehouse.database.statements import subject_of

# -------------------------------------------------------------------------------------------- cases
# A case is a folder: log_data/ and song_data/ as in S3, expected/<table>.csv, and if necessary
# `settings` (lines of dwh.cfg) with the files that they name. In an expected table, NULL is NULL,
# and md5(…) stands for the MD5 of the text in brackets.

@pytest.fixture(scope="module")
def cases_project(server, tables, tmp_path_factory):
    with creating_database(server, tables) as name:
        yield Project(tmp_path_factory.mktemp("cases"), server, name)


def assert_gives_expected_tables(project: Project, case: Path) -> None:
    project.settings["S3"].pop("LOG_JSONPATH", None)
    project.configure(**settings_of(case))
    project.load("--full", "--force")
    expected = read_expected_tables(case)
    assert expected
    assert {table: read_table(project, table) for table in expected} == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_gives_the_expected_tables(cases_project, case):
    copy_data(cases_project, case)
    assert_gives_expected_tables(cases_project, case)


@pytest.mark.parametrize("name", [
    "artist_by_name", "artist_of_several_songs", "artist_of_songs_of_no_year", "closest_duration",
    "latest_event", "latest_event_of_blank_names", "level_change",
    "play_without_length_of_several_songs", "rival_events", "rival_plays_of_two_songs",
    "rivals_as_stored", "rival_songs_that_say_little"])
def test_a_choice_does_not_depend_on_the_order_of_lines(cases_project, name):
    case = ROOT / "tests/cases" / name
    copy_data(cases_project, case)
    for folder in DATA_FOLDERS:
        for file in (cases_project.folder / folder).iterdir():
            lines = file.read_text(encoding="utf-8").splitlines()
            file.write_text("\n".join(reversed(lines)), encoding="utf-8")
    assert_gives_expected_tables(cases_project, case)


def test_among_equally_complete_songs_the_lowest_id_describes_the_artist_even_if_it_comes_last(
    warehouse
):
    warehouse.write("log_data/1.json", {
        "itemInSession": 0, "level": "free", "page": "Home", "sessionId": 1, "ts": 1541030400000})
    for song_id in ("SO2", "SO3", "SO1"):
        warehouse.write(f"song_data/{song_id}.json", {
            "artist_id": "AR1", "artist_name": f"As {song_id} says", "duration": 200.5,
            "song_id": song_id, "title": "The Song", "year": 2001})
        warehouse.load()
    assert warehouse.query("SELECT name FROM artists") == [("As SO1 says",)]


RIVALS = {
    "title": ("B", "A", "C"), "artist_id": ("AR2", "AR1", "AR3"), "artist_name": ("B", "A", "C"),
    "duration": (60, 50, 70), "year": (2001, 2000, 2002), "artist_location": ("B", "A", "C"),
    "artist_latitude": (-19, -20, 20), "artist_longitude": (-19, -20, 20),
}


def test_the_lowest_of_several_versions_of_a_song_counts_in_whichever_column_they_differ(warehouse):
    warehouse.write("log_data/1.json", event(1))
    for column, values in RIVALS.items():
        warehouse.write(f"song_data/{column}.json", [
            song(column, artist_id=column) | {column: value} for value in values])
        warehouse.load()  # one by one: among many rows the right one may come first by chance
    described = warehouse.query(
        "SELECT song_id, title, artist_id, name, duration, songs.year, location, latitude, longitude"
        " FROM songs JOIN artists USING (artist_id)")
    assert {song_id: dict(zip(RIVALS, row, strict=True))[song_id] for song_id, *row in described} == {
        column: min(values) for column, values in RIVALS.items()}


def test_the_higher_of_two_sessions_at_one_instant_describes_the_user(warehouse):
    warehouse.write("song_data/1.json", song())
    warehouse.write("log_data/1.json", [
        event(1, sessionId=1, firstName="A"), event(1, sessionId=2, firstName="Z")])
    warehouse.load()
    assert warehouse.query("SELECT first_name FROM users") == [("Z",)]


@pytest.mark.parametrize("half", ["artist_latitude", "artist_longitude"])
def test_an_older_song_with_coordinates_describes_the_artist_before_one_with_half_of_them(
    warehouse, half
):
    warehouse.write("log_data/1.json", event(1))
    warehouse.write("song_data/1.json", song("SO1", artist_location="A", year=2010) | {half: 1})
    warehouse.write("song_data/2.json", song(
        "SO2", artist_location="B", artist_latitude=1, artist_longitude=1, year=1990))
    warehouse.load()
    assert warehouse.query("SELECT location FROM artists") == [("B",)]


# ------------------------------------------------------------------------------------------- oracle

@pytest.fixture(scope="module")
def sample_project(server, tables, tmp_path_factory):
    """The shipped sample, loaded from its folder."""
    with creating_database(server, tables) as name:
        project = Project(tmp_path_factory.mktemp("sample"), server, name)
        copy_data(project, SAMPLE)
        project.configure(LOG_JSONPATH="log_json_path.json")
        project.load()
        yield project


@pytest.fixture(scope="module")
def sample_star(sample_project):
    return sample_project.snapshot(STAR)


def test_the_sample_gives_the_tables_of_the_oracle(sample_star):
    assert_same(sample_star, oracle.star_schema(SAMPLE))
    matched = [play for play in sample_star["songplays"] if play[4] is not None]
    assert 0 < len(matched) < len(sample_star["songplays"])


@pytest.mark.parametrize("seed", [11, 12])
def test_generated_data_gives_the_tables_of_the_oracle(warehouse, seed):
    generate(warehouse.folder, events=1500, songs=90, seed=seed)
    warehouse.load()
    assert_same(warehouse.snapshot(STAR), oracle.star_schema(warehouse.folder))


@needs_real_data
def test_the_real_data_gives_the_tables_of_the_oracle_and_the_known_counts(warehouse):
    shutil.copytree(REAL_DATA / "log_data", warehouse.folder / "log_data", dirs_exist_ok=True)
    with tarfile.open(REAL_DATA / "song_data.tar.gz") as archive:
        archive.extractall(warehouse.folder, filter="data")
    warehouse.load()
    star = warehouse.snapshot(STAR)
    assert_same(star, oracle.star_schema(warehouse.folder))
    assert {table: len(rows) for table, rows in star.items()} == {
        "songplays": 6820, "users": 97, "songs": 14896, "artists": 9553, "time": 6813}
    assert warehouse.query("SELECT COUNT(song_id), COUNT(artist_id) FROM songplays") == [(333, 4299)]
    for view in map(subject_of, sql_queries.create_view_queries):
        assert warehouse.query(f"SELECT SUM(plays) FROM {view}") == [(6820,)], view
    assert warehouse.query(
        "SELECT (SELECT COUNT(*) FROM staging_events), (SELECT COUNT(*) FROM staging_songs)"
    ) == [(8056, 14896)]
    assert warehouse.query(
        "SELECT DISTINCT to_char(start_time, 'MS') FROM (SELECT start_time FROM songplays"
        " UNION ALL SELECT start_time FROM time) moments") == [("796",)]


# ------------------------------------------------------------------------------ again, and from S3

def test_a_second_run_and_a_full_run_give_the_same_tables_ids_included(sample_project, sample_star):
    staged = sample_project.snapshot(STAGING)
    assert "found nothing new" in sample_project.load().stderr
    assert_same(sample_project.snapshot(STAR), sample_star)
    assert "all are loaded, because --full" in sample_project.load("--full").stderr
    assert_same(sample_project.snapshot(STAR), sample_star)
    assert_same(sample_project.snapshot(STAGING), staged)


def test_the_sample_from_s3_gives_the_tables_of_the_sample_from_a_folder(
    warehouse, bucket, sample_star
):
    upload(bucket, SAMPLE, sorted(SAMPLE.rglob("*.json")))
    read_from(warehouse, bucket)
    warehouse.load()
    assert_same(warehouse.snapshot(STAR), sample_star)


@needs_real_data
def test_the_real_logs_from_s3_give_the_tables_of_the_oracle(warehouse, bucket):
    logs = sorted((REAL_DATA / "log_data").rglob("*.json"))
    songs = sorted((SAMPLE / "song_data").rglob("*.json"))[:100]
    upload(bucket, REAL_DATA, logs)
    upload(bucket, SAMPLE, [SAMPLE / "log_json_path.json", *songs])
    read_from(warehouse, bucket)
    warehouse.load()
    for folder, files in ((REAL_DATA, logs), (SAMPLE, songs)):
        for file in files:
            warehouse.write(str(file.relative_to(folder)), file.read_bytes())
    assert_same(warehouse.snapshot(STAR), oracle.star_schema(warehouse.folder))
