"""A private PostgreSQL for the session, a fresh database for a test, and connections to it."""

import shutil
import tempfile
import uuid
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Iterator

import psycopg2
import pytest

from warehouse.standin.cursor import CopyContext, adopt
from warehouse.standin.server import Server


@contextmanager
def administering(server: Server) -> Iterator[psycopg2.extensions.cursor]:
    """Yield a cursor for statements that no transaction may contain."""
    with closing(psycopg2.connect(**server.connect_parameters("postgres"))) as connection:
        connection.autocommit = True
        yield connection.cursor()


def administrate(server: Server, sql: str) -> None:
    with administering(server) as cursor:
        cursor.execute(sql)


@contextmanager
def creating_database(server: Server, template: str = "template0") -> Iterator[str]:
    """Yield the name of a copy of the template (UTF8, C). Drop the copy at the end."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with administering(server) as cursor:
        # FILE_COPY, because the other strategy also writes every page to the log.
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield name
    finally:
        with administering(server) as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def speaking_redshift(
    server: Server, database: str, **options: str
) -> Iterator[psycopg2.extensions.connection]:
    """Yield a connection that speaks Redshift. The options are libpq's."""
    connect = partial(psycopg2.connect, **server.connect_parameters(database), **options)
    with closing(connect()) as connection:
        adopt(connection, CopyContext(connect, lambda done, total: None))
        yield connection


@pytest.fixture(scope="session")
def server():
    """A private PostgreSQL, removed with its folder at the end.

    The folder is not in pytest's own: if root runs the tests, the server runs as another account, which
    may not enter that.
    """
    folder = Path(tempfile.mkdtemp(prefix="sparkify-tests-"))
    folder.chmod(0o711)
    server = Server(folder / "standin")
    try:
        server.start()
        with administering(server) as cursor:  # its data need not survive a crash of the machine
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                cursor.execute(f"ALTER SYSTEM SET {setting} = off")
            cursor.execute("SELECT pg_reload_conf()")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture
def database(server):
    """The name of a fresh database."""
    with creating_database(server) as name:
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
    with speaking_redshift(server, database) as connection:
        yield connection
