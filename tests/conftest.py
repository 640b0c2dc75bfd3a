"""Real servers for the tests: a private PostgreSQL for the session, S3 by moto over HTTP, real processes."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Iterator

import psycopg2
import pytest
from tcp_server import make_certificates, tcp_server

from warehouse import config
from warehouse.standin.cursor import Session, adopt
from warehouse.standin.server import Server

ROOT = Path(__file__).resolve().parent.parent
REAL_DATA = ROOT.parent / "shared" / "sparkify-data"

STAR = ("songplays", "users", "songs", "artists", "time")
STAGING = ("staging_events", "staging_songs")
FOLDED = ("catalogue", "latest_events")
TABLES = (*STAGING, *FOLDED, *STAR)


@pytest.fixture(scope="session")
def server():
    """A private PostgreSQL, gone with its folder at the end. Not under pytest's own folder: when root
    runs the tests, another account serves and must be able to get there."""
    folder = Path(tempfile.mkdtemp(prefix="sparkify-tests-"))
    folder.chmod(0o711)
    server = Server(folder / "standin")
    try:
        server.start()
        with maintenance(server) as cursor:  # what it holds need not survive the machine
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                cursor.execute(f"ALTER SYSTEM SET {setting} = off")
            cursor.execute("SELECT pg_reload_conf()")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def tcp():
    """A server that asks for a password, and that a test may crash if it starts it again."""
    with tcp_server() as server:
        yield server


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A folder with those of make_certificates."""
    if not shutil.which("openssl"):
        pytest.skip("needs the openssl command to make certificates")
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture(scope="session")
def tls_server(certificates):
    """A server that asks for a password and speaks TLS."""
    with tcp_server(certificates) as server:
        yield server


@contextmanager
def maintenance(server: Server) -> Iterator[psycopg2.extensions.cursor]:
    """A cursor for what no transaction may hold."""
    with closing(psycopg2.connect(**server.connect_parameters("postgres"))) as connection:
        connection.autocommit = True
        yield connection.cursor()


@contextmanager
def new_database(server: Server, template: str = "template0") -> Iterator[str]:
    """The name of a database like the template (UTF8, C), dropped at the end."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with maintenance(server) as cursor:
        # By files: the other way writes every page to the log as well.
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield name
    finally:
        with maintenance(server) as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(server):
    """The name of a fresh database."""
    with new_database(server) as name:
        yield name


@pytest.fixture
def postgres(server, database):
    """A plain psycopg2 connection to the fresh database."""
    connection = psycopg2.connect(**server.connect_parameters(database))
    yield connection
    connection.close()


@pytest.fixture
def redshift(server, database):
    """A connection to the fresh database that speaks Redshift."""

    def connect():
        return psycopg2.connect(**server.connect_parameters(database))

    connection = connect()
    adopt(connection, Session(connect, lambda done, total: None))
    yield connection
    connection.close()


@pytest.fixture
def no_libpq_environment(monkeypatch):
    """libpq's own settings come from the test alone."""
    for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE",
                 "PGSERVICE", "PGSSLMODE", "PGSSLROOTCERT", "PGAPPNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGPASSFILE", "/dev/null")


@pytest.fixture
def configured(tmp_path, no_libpq_environment):
    """A function that reads a dwh.cfg with these keys in [CLUSTER]."""

    def configured(load: str = "", **cluster: str) -> config.Config:
        path = tmp_path / "dwh.cfg"
        lines = [f"{key} = {value}" for key, value in cluster.items()]
        path.write_text("[CLUSTER]\n" + "\n".join(lines) + "\n[S3]\nLOG_DATA = s3://abc/l\n"
                        "SONG_DATA = s3://abc/s\nREGION = us-west-2\n"
                        "[IAM_ROLE]\nARN = default\n[LOAD]\n" + load)
        return config.read(path)

    return configured


class Project:
    """A folder with a dwh.cfg and data, and the two scripts run on it as processes of their own."""

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
        """Set keys of [S3], [LOAD] or [CLUSTER]; the file is written anew at the next run."""
        for key, value in settings.items():
            of_a_load = key in ("MAX_ERRORS", "MAX_RELOAD", "RETRIES") or key.endswith("_TIMEOUT")
            section = "S3" if key in ("LOG_DATA", "SONG_DATA", "LOG_JSONPATH", "REGION", "MANIFESTS") else (
                "LOAD" if of_a_load else "CLUSTER")
            self.settings[section][key] = value

    def write_config(self) -> None:
        self.config.write_text("".join(
            f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
            for section, keys in self.settings.items()
        ))

    def write(self, name: str, content: str | bytes | list[dict] | dict) -> Path:
        """A data file: text, bytes, one JSON document, or a list of them a line each."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            content = "".join(json.dumps(document) + "\n" for document in content)
        elif isinstance(content, dict):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def start(self, script: str, *arguments: str, configured: bool = True) -> subprocess.Popen:
        """The process of a script, running. It sees little of the environment, as under cron.

        configured=False leaves dwh.cfg as the test wrote it."""
        if configured:
            self.write_config()
        environment = {
            "PATH": os.environ["PATH"],
            "SPARKIFY_STANDIN": str(self.server.folder),
            "TMPDIR": str(self.folder),  # what a killed run leaves goes with the test's folder
            **self.environment,
        }
        return subprocess.Popen(
            [sys.executable, ROOT / script, "--config", self.config, *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd="/", env=environment,
        )

    def run(self, script: str, *arguments: str, **options) -> subprocess.CompletedProcess:
        """Run a script to its end: its exit status, stdout and stderr."""
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
        """For the test's own questions. It holds no transaction open, so nobody waits for it."""
        connection = psycopg2.connect(**self.server.connect_parameters(self.database))
        connection.autocommit = True
        return connection

    def disconnect(self) -> None:
        """Before the database is copied or dropped, or after its server died; query() connects anew."""
        if "connection" in vars(self):
            self.connection.close()
            del self.connection

    def query(self, sql: str) -> list[tuple]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def rows(self, table: str) -> list[tuple]:
        """All rows of a table in a fixed order, without when they were loaded."""
        columns = [name for name, in self.query(
            "SELECT column_name FROM information_schema.columns"
            f" WHERE table_name = '{table}' AND column_name <> 'loaded_at' ORDER BY ordinal_position")]
        listed = ", ".join(columns)
        return self.query(f"SELECT {listed} FROM {table} ORDER BY {listed}")

    def snapshot(self, tables: tuple[str, ...] = TABLES) -> dict[str, list[tuple]]:
        return {table: self.rows(table) for table in tables}


@pytest.fixture
def project(tmp_path, server, database):
    """An empty project on a fresh database."""
    return Project(tmp_path, server, database)


@pytest.fixture(scope="session")
def tables(server, tmp_path_factory):
    """The name of a database in which create_tables.py has run, to make others like it."""
    with new_database(server) as name:
        done = Project(tmp_path_factory.mktemp("tables"), server, name).run("create_tables.py")
        assert done.returncode == 0, done.stderr
        yield name


@pytest.fixture
def warehouse(tmp_path, server, tables):
    """A project whose tables are created."""
    with new_database(server, tables) as name:
        yield Project(tmp_path, server, name)


class Loaded:
    """A project that was loaded, to begin many tests with.

    Each gets a copy of the database and its files at the same paths, with the same times, for by
    these the project knows them.
    """

    def __init__(self, project: Project, folder: Path):
        project.load()
        project.disconnect()
        self.project = project
        self.files = shutil.copytree(project.folder, folder)

    @contextmanager
    def copied(self) -> Iterator[Project]:
        shutil.rmtree(self.project.folder)
        self.project.folder.mkdir()
        with new_database(self.project.server, self.project.database) as name:
            project = Project(self.project.folder, self.project.server, name)
            shutil.copytree(self.files, project.folder, dirs_exist_ok=True)
            project.write_config()  # which names the copy of the database
            yield project


@pytest.fixture(scope="module")
def module_warehouse(tmp_path_factory, server, tables):
    with new_database(server, tables) as name:
        yield Project(tmp_path_factory.mktemp("warehouse"), server, name)


@pytest.fixture(scope="session")
def s3_endpoint():
    """The url of a moto server: S3 over real HTTP."""
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


S3_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-west-2",
}


@pytest.fixture
def bucket(s3_endpoint, monkeypatch):
    """A boto3 Bucket that is empty and new; this process's and the projects' S3 is moto's."""
    import boto3

    from warehouse import objects

    for key, value in {**S3_ENVIRONMENT, "AWS_ENDPOINT_URL_S3": s3_endpoint}.items():
        monkeypatch.setenv(key, value)
    objects.s3.cache_clear()
    bucket = boto3.resource("s3").Bucket(f"test-{uuid.uuid4().hex[:12]}")
    bucket.create(CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    yield bucket
    bucket.objects.delete()
    bucket.delete()
    objects.s3.cache_clear()


def pytest_addoption(parser):
    parser.addoption("--part", type=int, choices=(1, 2),
                     help="run one half of the test files only (tests/run.py runs both at once)")
    parser.addoption("--orders", type=int, default=4, metavar="N",
                     help="how many random orders of files to load (default: 4)")
    parser.addoption("--faults", type=int, default=2, metavar="N",
                     help="at how many random instants to kill etl.py, and the server (default: 2)")
    parser.addoption("--inputs", type=int, default=4000, metavar="N",
                     help="how many texts to read as dwh.cfg and as COPY (default: 4000)")
    parser.addoption("--documents", type=int, default=4000, metavar="N",
                     help="how many documents COPY's quick and careful way read (default: 4000)")


@pytest.fixture(scope="session")
def inputs(pytestconfig) -> int:
    return pytestconfig.getoption("--inputs")


@pytest.fixture(scope="session")
def documents_compared(pytestconfig) -> int:
    return pytestconfig.getoption("--documents")


def pytest_generate_tests(metafunc):
    for seed, option in (("order_seed", "--orders"), ("fault_seed", "--faults")):
        if seed in metafunc.fixturenames:
            metafunc.parametrize(seed, range(metafunc.config.getoption(option)))


def pytest_collection_modifyitems(config, items):
    """Leave out the files of the other part: of their names in order, every second one."""
    if part := config.getoption("--part"):
        names = sorted({item.path for item in items})
        ours = set(names[part - 1 :: 2])
        config.hook.pytest_deselected(items=[item for item in items if item.path not in ours])
        items[:] = [item for item in items if item.path in ours]
