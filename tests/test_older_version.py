"""A warehouse of version 0.3.0: it is recognised, left alone, and replaced only with --force."""

import contextlib
from pathlib import Path

import pytest
from support.documents import event, song
from support.project import Project
from support.runs import create, expect_refusal
from support.sessions import execute, list_relations

from warehouse import config
from warehouse.database import connection

OLDER = (Path(__file__).parent / "version_0_3_0.sql").read_text()
NAMED = ("the tables are those of version 0.3.0 or older", "create_tables.py --force drops them")


def run_sql(project: Project, text: str, monkeypatch) -> None:
    """Run Redshift's SQL on the stand-in."""
    project.write_config()
    monkeypatch.setenv("SPARKIFY_STANDIN", str(project.server.folder))
    with contextlib.closing(connection.connect(config.read(project.config))) as redshift:
        with redshift, redshift.cursor() as cursor:
            for statement in text.rstrip().rstrip(";").split(";\n"):
                cursor.execute(statement)


@pytest.fixture
def older(project, monkeypatch):
    """A warehouse that version 0.3.0 has filled, and files for the next load."""
    run_sql(project, OLDER, monkeypatch)
    project.write("log_data/1.json", [event(1), event(2)])
    project.write("song_data/1.json", song())
    return project


def read_everything(project: Project) -> dict[str, list[tuple]]:
    return project.snapshot(tuple(sorted(list_relations(project))))


@pytest.mark.parametrize("command", [
    "etl.py", "etl.py --full --force", "etl.py --no-reload", "etl.py --status", "etl.py --dry-run",
    "create_tables.py", "create_tables.py --views"])
def test_an_older_warehouse_is_named_with_what_to_do_and_left_alone(older, command):
    script, *arguments = command.split()
    before = read_everything(older)
    only_reads = {"--status", "--dry-run"} & set(arguments)
    expect_refusal(older, 2, *NAMED, script=script, arguments=arguments, rolled_back=not only_reads)
    assert read_everything(older) == before


def test_force_replaces_an_older_warehouse_and_the_next_load_brings_every_file(older):
    create(older, "--force")
    assert "staging_catalogue" not in list_relations(older)
    assert {"catalogue", "latest_events", "loads", "top_songs"} <= list_relations(older)
    older.load()
    assert older.query("SELECT COUNT(*), COUNT(song_id) FROM songplays") == [(2, 2)]
    assert "found nothing new" in older.load().stderr
    create(older)


def test_a_staging_catalogue_of_other_columns_is_a_foreign_table(project):
    execute(project, "CREATE TABLE staging_catalogue (song_id TEXT, note TEXT)")
    expect_refusal(project, 2, "do not belong to this toolkit",
                   "staging_catalogue (song_id, note)", "--force",
                   script="create_tables.py")
    assert list_relations(project) == {"staging_catalogue"}
    create(project, "--force")
    assert "staging_catalogue" not in list_relations(project)
