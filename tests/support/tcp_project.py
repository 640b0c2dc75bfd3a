"""A project with files to load, on the server that asks for a password. Its scripts connect through a
proxy, or read their files from an S3 that may fail."""

import contextlib

import pytest

from support.databases import creating_database
from support.documents import event, song
from support.project import Project
from support.runs import NOTHING, load_here
from support.s3 import S3_ENVIRONMENT
from support.sessions import execute
from warehouse import WarehouseError
from warehouse.database import retry

LOG, SONG = "/log_data/1.json", "/song_data/2.json"
LAST = "insert loads"  # the last statement of a load before COMMIT


@contextlib.contextmanager
def making_project(folder, server, port: int, template: str = "template0"):
    """Yield a project with files to load, on a database of its own."""
    with creating_database(server, template) as name:
        project = Project(folder, server, name)
        project.configure(**server.settings(DB_NAME=name, DB_PORT=str(port)))
        project.write("log_data/1.json", [event(1), event(2), event(5), event(6)])
        project.write("song_data/1.json", song())
        project.write("song_data/2.json", song("SO2", artist_id="AR2"))
        yield project


@pytest.fixture(scope="session")
def tcp_tables(tcp, tmp_path_factory):
    """The name of a database with empty tables."""
    with making_project(tmp_path_factory.mktemp("tcp_tables"), tcp, tcp.port) as project:
        assert project.run("create_tables.py").returncode == 0
        yield project.database


@pytest.fixture(scope="module")
def undisturbed(tcp, tcp_tables, tmp_path_factory):
    """The tables after an undisturbed load of the same files."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with making_project(folder, tcp, tcp.port, tcp_tables) as project:
        project.load()
        yield project.snapshot()


@pytest.fixture
def fresh(tmp_path, tcp, tcp_tables, proxy):
    """A project with empty tables and files to load. Its scripts connect through the proxy."""
    with making_project(tmp_path, tcp, proxy.port, tcp_tables) as project:
        yield project


@pytest.fixture
def load_fresh(fresh, monkeypatch, caplog):
    """A function that loads in this process, with short pauses, and returns the number of attempts."""
    monkeypatch.setattr(retry, "LONGEST_PAUSE", 0.01)

    def load_fresh() -> int:
        caplog.clear()
        with caplog.at_level("INFO", "warehouse"):
            load_here(fresh)
        return 1 + sum(record.message.startswith("attempt ") for record in caplog.records)

    return load_fresh


def assert_permanent(load, status: int, caplog, rolled_back: bool = True) -> str:
    """Load, which must fail at the first attempt. Return the message."""
    with pytest.raises(WarehouseError) as raised:
        load()
    assert raised.value.exit_status == status
    assert not [record for record in caplog.records if record.message.startswith("attempt")]
    assert getattr(raised.value, "__notes__", []) == [NOTHING] * rolled_back
    return str(raised.value)


@pytest.fixture
def loader(fresh):
    """Let the project's scripts log in as a user who owns nothing."""
    execute(fresh, "CREATE ROLE loader LOGIN PASSWORD 'canary-loader';"
                   " GRANT ALL ON ALL TABLES IN SCHEMA public TO loader")
    fresh.configure(DB_USER="loader", DB_PASSWORD="canary-loader")
    yield
    execute(fresh, "DROP OWNED BY loader; DROP ROLE loader")


@pytest.fixture
def stored(tmp_path, tcp, tcp_tables, bucket, s3):
    """A project with empty tables whose files are in S3."""
    with making_project(tmp_path, tcp, tcp.port, tcp_tables) as project:
        for file in project.folder.glob("*_data/*.json"):
            key = str(file.relative_to(project.folder))
            bucket.put_object(Key=key, Body=file.read_bytes())
        project.configure(LOG_DATA=f"s3://{bucket.name}/log_data/", REGION="us-west-2",
                          SONG_DATA=f"s3://{bucket.name}/song_data/")
        yield project


@pytest.fixture
def s3_project(stored, s3):
    """The project `stored`, whose scripts read the S3 that may fail."""
    stored.environment = {**S3_ENVIRONMENT, "AWS_ENDPOINT_URL_S3": s3.url}
    return stored
