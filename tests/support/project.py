"""A folder with a dwh.cfg and data and a database of its own, on which tests run the two scripts."""

import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Iterator

import psycopg2
import pytest

from support import ROOT, processes
from support.databases import creating_database
from support.documents import event, song
from warehouse.config import SETTINGS
from warehouse.standin.server import Server

STAR = ("songplays", "users", "songs", "artists", "time")
STAGING = ("staging_events", "staging_songs")
FOLDED = ("catalogue", "latest_events")
TABLES = (*STAGING, *FOLDED, *STAR)
LASTING = (*FOLDED, *STAR)  # staging holds only rows of the last load
DATA_FOLDERS = ("log_data", "song_data")

LOAD_KEYS = {setting.key for setting in SETTINGS if setting.section == "LOAD"}


def finish(process: subprocess.Popen) -> subprocess.CompletedProcess:
    stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


class Project:
    """A folder with a dwh.cfg and data. The two scripts run on it in processes of their own."""

    launch = staticmethod(processes.fork)

    def __init__(self, folder: Path, server: Server, database: str):
        self.folder = folder
        self.server = server
        self.database = database
        self.environment = {}
        self.settings = {
            "CLUSTER": {"HOST": "local", "DB_NAME": database},
            "S3": {"LOG_DATA": "log_data/", "SONG_DATA": "song_data/"},
            "LOAD": {},
        }
        (folder / "log_data").mkdir()
        (folder / "song_data").mkdir()

    @property
    def config(self) -> Path:
        return self.folder / "dwh.cfg"

    def configure(self, **settings: str) -> None:
        """Set keys of [S3], [LOAD] or [CLUSTER]. The next run writes the file."""
        for key, value in settings.items():
            section = "S3" if key in ("LOG_DATA", "SONG_DATA", "LOG_JSONPATH", "REGION", "MANIFESTS") else (
                "LOAD" if key in LOAD_KEYS else "CLUSTER")
            self.settings[section][key] = value

    def write_config(self) -> None:
        self.config.write_text("".join(
            f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
            for section, keys in self.settings.items()
        ))

    def write(self, name: str, content: str | bytes | list[dict] | dict) -> Path:
        """Write a data file: text, bytes, one JSON document, or a list of documents, one per line."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            content = "".join(json.dumps(document) + "\n" for document in content)
        elif isinstance(content, dict):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    @property
    def process_environment(self) -> dict[str, str]:
        """The environment of a process: small, as under cron."""
        return {
            "PATH": os.environ["PATH"],
            "SPARKIFY_STANDIN": str(self.server.folder),
            "TMPDIR": str(self.folder),  # leftovers of a killed run vanish with the test's folder
            **self.environment,
        }

    def start(self, script: str, *arguments: str, configured: bool = True) -> subprocess.Popen:
        """Start a script. With configured=False, leave dwh.cfg as the test wrote it."""
        if configured:
            self.write_config()
        return self.launch([ROOT / script, "--config", self.config, *arguments],
                           self.process_environment)

    def run(self, script: str, *arguments: str, **options) -> subprocess.CompletedProcess:
        """Run a script to its end. Return exit status, stdout and stderr."""
        process = self.start(script, *arguments, **options)
        stdout, stderr = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def load(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run etl.py, which must succeed."""
        done = self.run("etl.py", *arguments)
        assert done.returncode == 0, done.stderr
        return done

    @cached_property
    def connection(self) -> psycopg2.extensions.connection:
        """A connection for the test's own queries, in autocommit so that nothing waits for it."""
        connection = psycopg2.connect(**self.server.connect_parameters(self.database))
        connection.autocommit = True
        return connection

    def disconnect(self) -> None:
        """Close the connection before the database is copied or dropped, or after its server died.

        The next query() connects again.
        """
        if "connection" in vars(self):
            self.connection.close()
            del self.connection

    def query(self, sql: str) -> list[tuple]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def rows(self, table: str) -> list[tuple]:
        """Return all rows of a table in a fixed order, without loaded_at."""
        columns = [name for name, in self.query(
            "SELECT column_name FROM information_schema.columns"
            f" WHERE table_name = '{table}' AND column_name <> 'loaded_at' ORDER BY ordinal_position")]
        listed = ", ".join(columns)
        return self.query(f"SELECT {listed} FROM {table} ORDER BY {listed}")

    def snapshot(self, tables: tuple[str, ...] = TABLES) -> dict[str, list[tuple]]:
        return {table: self.rows(table) for table in tables}


def copy_data(project: Project, folder: Path) -> None:
    """Replace the project's data by that of the folder. Copy the other files in the folder as well."""
    for name in DATA_FOLDERS:
        shutil.rmtree(project.folder / name)
    shutil.copytree(folder, project.folder, dirs_exist_ok=True)


@pytest.fixture
def project(tmp_path, server, database):
    """An empty project on a fresh database."""
    return Project(tmp_path, server, database)


@pytest.fixture(scope="session")
def tables(server, tmp_path_factory):
    """The name of a database with empty tables, a template for others."""
    with creating_database(server) as name:
        done = Project(tmp_path_factory.mktemp("tables"), server, name).run("create_tables.py")
        assert done.returncode == 0, done.stderr
        yield name


@pytest.fixture
def warehouse(tmp_path, server, tables):
    """A project whose tables are created."""
    with creating_database(server, tables) as name:
        yield Project(tmp_path, server, name)


@pytest.fixture(scope="module")
def module_warehouse(tmp_path_factory, server, tables):
    with creating_database(server, tables) as name:
        yield Project(tmp_path_factory.mktemp("warehouse"), server, name)


class LoadedProject:
    """A project after a load, of which many tests get a copy.

    A copy has its own database. Its files have the same paths and times, by which the toolkit knows them.
    """

    def __init__(self, project: Project, folder: Path):
        project.load()
        project.disconnect()
        self.project = project
        self.files = shutil.copytree(project.folder, folder)

    @contextmanager
    def copying(self) -> Iterator[Project]:
        shutil.rmtree(self.project.folder)
        self.project.folder.mkdir()
        with creating_database(self.project.server, self.project.database) as name:
            project = Project(self.project.folder, self.project.server, name)
            shutil.copytree(self.files, project.folder, dirs_exist_ok=True)
            project.write_config()  # names the copy of the database
            yield project


@pytest.fixture(scope="session")
def two_plays(server, tables, tmp_path_factory):
    with creating_database(server, tables) as name:
        project = Project(tmp_path_factory.mktemp("two_plays"), server, name)
        project.write("log_data/1.json", [event(1), event(2)])
        project.write("song_data/other.json", song("SO0", title="Another", artist_id="AR0"))
        yield LoadedProject(project, tmp_path_factory.mktemp("loaded") / "files")


@pytest.fixture
def loaded(two_plays):
    """A project that has loaded two plays and one song that does not match them."""
    with two_plays.copying() as project:
        yield project
