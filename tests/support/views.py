"""The views, and one warehouse for many small loads on which they are queried."""

import pytest

import sql_queries
from support.documents import song
from support.project import Project
from warehouse.database.statements import subject_of
from warehouse.tables import parse_columns

VIEWS = {subject_of(sql): list(parse_columns(sql)) for sql in sql_queries.create_view_queries}
DAY = 86_400_000  # milliseconds


@pytest.fixture
def emptied(module_warehouse):
    """The module's warehouse without files: etl.py --full replaces what an earlier test loaded."""
    for folder in ("log_data", "song_data"):
        for file in (module_warehouse.folder / folder).iterdir():
            file.unlink()
    return module_warehouse


def load_events(project: Project, events: list[dict], *songs: dict) -> Project:
    project.write("log_data/1.json", events)
    for number, document in enumerate(songs or (song("SOOTHER", title="Another"),)):
        project.write(f"song_data/{number}.json", document)
    project.load("--full", "--force")
    return project
