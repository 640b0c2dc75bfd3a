"""Whole loads by the real scripts: small cases in folders, and data sets against the oracle."""

import csv
import hashlib
import os
import re
import shutil
import tarfile
from pathlib import Path

import oracle
import pytest
from conftest import REAL_DATA, ROOT, STAGING, STAR, Project, new_database
from generate import generate
from test_incremental import event, song

import sql_queries
from warehouse.database.statements import subject_of

CASES = sorted(path for path in (ROOT / "tests/cases").iterdir() if path.is_dir())
SAMPLE = ROOT / "tests/data"
DATA_FOLDERS = ("log_data", "song_data")

needs_real_data = pytest.mark.skipif(
    not REAL_DATA.is_dir(), reason="the real Sparkify data is not beside the project")


def bring(project: Project, folder: Path) -> None:
    """Make a folder's data, and whatever lies beside it, the data of the project."""
    for name in DATA_FOLDERS:
        shutil.rmtree(project.folder / name)
    shutil.copytree(folder, project.folder, dirs_exist_ok=True)


# -------------------------------------------------------------------------------------------- cases
# A case is a folder: log_data/ and song_data/ as in S3, expected/<table>.csv, and where it needs
# any, `settings` (lines of dwh.cfg) with the files that they name. In an expected table NULL is
# NULL, and md5(…) stands for the MD5 of what is in its brackets.

@pytest.fixture(scope="module")
def cases_project(server, tables, tmp_path_factory):
    with new_database(server, tables) as name:
        yield Project(tmp_path_factory.mktemp("cases"), server, name)


def settings_of(case: Path) -> dict[str, str]:
    file = case / "settings"
    lines = file.read_text().splitlines() if file.exists() else []
    return dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in lines)


def expected_tables(case: Path) -> dict[str, list[list[str | None]]]:
    """Header and rows of each expected table, the rows sorted."""
    tables = {}
    for path in sorted((case / "expected").glob("*.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        tables[path.stem] = [header, *in_order(list(map(expected_value, row)) for row in rows)]
    return tables


def expected_value(cell: str) -> str | None:
    if hashed := re.fullmatch(r"md5\((.*)\)", cell):
        return hashlib.md5(hashed[1].encode(), usedforsecurity=False).hexdigest()
    return None if cell == "NULL" else cell


def found_table(project: Project, table: str) -> list[list[str | None]]:
    """Header and rows of a table as text, the rows sorted."""
    columns = [name for name, in project.query(
        "SELECT column_name FROM information_schema.columns"
        f" WHERE table_name = '{table}' ORDER BY ordinal_position")]
    as_text = ", ".join(f"CAST({column} AS text)" for column in columns)
    rows = project.query(f"SELECT {as_text} FROM {table}")
    return [columns, *in_order(map(list, rows))]


def in_order(rows) -> list[list[str | None]]:
    return sorted(rows, key=oracle.nulls_last)


def assert_gives_expected_tables(project: Project, case: Path) -> None:
    project.settings["S3"].pop("LOG_JSONPATH", None)
    project.configure(**settings_of(case))
    project.load("--full", "--force")
    expected = expected_tables(case)
    assert expected
    assert {table: found_table(project, table) for table in expected} == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_gives_the_expected_tables(cases_project, case):
    bring(cases_project, case)
    assert_gives_expected_tables(cases_project, case)


@pytest.mark.parametrize("name", [
    "artist_by_name", "artist_of_several_songs", "artist_of_songs_of_no_year", "closest_duration",
    "latest_event", "latest_event_of_blank_names", "level_change",
    "play_without_length_of_several_songs", "rival_events", "rival_plays_of_two_songs",
    "rivals_as_stored", "rival_songs_that_say_little"])
def test_a_choice_does_not_depend_on_the_order_of_lines(cases_project, name):
    case = ROOT / "tests/cases" / name
    bring(cases_project, case)
    for folder in DATA_FOLDERS:
        for file in (cases_project.folder / folder).iterdir():
            lines = file.read_text(encoding="utf-8").splitlines()
            file.write_text("\n".join(reversed(lines)), encoding="utf-8")
    assert_gives_expected_tables(cases_project, case)


def test_of_songs_that_say_as_much_the_lowest_id_describes_the_artist_even_if_it_comes_last(
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


def test_of_versions_of_a_song_that_differ_in_any_one_column_the_lowest_counts(warehouse):
    warehouse.write("log_data/1.json", event(1))
    for column, values in RIVALS.items():
        warehouse.write(f"song_data/{column}.json", [
            song(column, artist_id=column) | {column: value} for value in values])
        warehouse.load()  # one by one: among many rows the right one may come first by chance
    described = warehouse.query(
        "SELECT song_id, title, artist_id, name, duration, songs.year, location, latitude, longitude"
        " FROM songs JOIN artists USING (artist_id)")
    assert {song_id: dict(zip(RIVALS, row))[song_id] for song_id, *row in described} == {
        column: min(values) for column, values in RIVALS.items()}


def test_of_two_sessions_at_one_instant_the_higher_number_describes_the_user(warehouse):
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
    with new_database(server, tables) as name:
        project = Project(tmp_path_factory.mktemp("sample"), server, name)
        bring(project, SAMPLE)
        project.configure(LOG_JSONPATH="log_json_path.json")
        project.load()
        yield project


@pytest.fixture(scope="module")
def sample_star(sample_project):
    return sample_project.snapshot(STAR)


def assert_same(found: dict[str, list[tuple]], expected: dict[str, list[tuple]]) -> None:
    """Table by table, because pytest's account of a difference in all of them takes minutes."""
    assert {table: len(rows) for table, rows in found.items()} == {
        table: len(rows) for table, rows in expected.items()}
    for table, rows in expected.items():
        differing = [pair for pair in zip(found[table], rows) if pair[0] != pair[1]]
        assert differing[:3] == [], table


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


def upload(bucket, folder: Path, files: list[Path]) -> None:
    for file in files:
        bucket.upload_file(str(file), str(file.relative_to(folder)))


def read_from(project: Project, bucket) -> None:
    """Let the project load from the bucket and use nothing but it."""
    project.environment = {
        key: value for key, value in os.environ.items() if key.startswith("AWS_")}
    project.configure(
        LOG_DATA=f"s3://{bucket.name}/log_data/", SONG_DATA=f"s3://{bucket.name}/song_data/",
        LOG_JSONPATH=f"s3://{bucket.name}/log_json_path.json",
        MANIFESTS=f"s3://{bucket.name}/manifests/", REGION="us-west-2")


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
    upload(bucket, REAL_DATA, [REAL_DATA / "log_json_path.json", *logs])
    upload(bucket, SAMPLE, songs)
    read_from(warehouse, bucket)
    warehouse.load()
    for folder, files in ((REAL_DATA, logs), (SAMPLE, songs)):
        for file in files:
            warehouse.write(str(file.relative_to(folder)), file.read_bytes())
    assert_same(warehouse.snapshot(STAR), oracle.star_schema(warehouse.folder))
