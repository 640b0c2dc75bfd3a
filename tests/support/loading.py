"""COPYs of small files, each into a fresh table, on one connection that speaks Redshift."""

import uuid
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest

from support.databases import creating_database
from warehouse.standin.cursor import CopyContext, adopt

# The rows of the session's last COPY in the SYS views, which number COPYs on their own.
LAST_COPY = ("query_id = (SELECT MAX(query_id) FROM sys_load_history"
             " WHERE session_id = pg_backend_pid())")


class Copies:
    """Run COPYs in autocommit, of files in the test's own folder."""

    def __init__(self, connect, folder: Path):
        self.connect = connect
        self.folder = folder
        self.on_progress = lambda done, total: None
        self.connection = connect()
        adopt(self.connection, CopyContext(connect, lambda *done: self.on_progress(*done)))
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.table = ""

    def execute(self, sql: str) -> None:
        self.cursor.execute(sql)

    def query(self, sql: str) -> list[tuple]:
        self.cursor.execute(sql)
        return self.cursor.fetchall()

    def plain(self, sql: str) -> list[tuple]:
        """Run PostgreSQL's SQL on a connection of its own. Return the rows."""
        with closing(self.connect()) as connection, connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def write(self, name: str, content: str | bytes) -> str:
        """Write a file. Return its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def create(self, columns: str) -> str:
        """Create a table. Return its name."""
        self.table = f"t_{uuid.uuid4().hex[:8]}"
        self.execute(f"CREATE TABLE {self.table} ({columns})")
        return self.table

    def load(self, *args, **kwargs) -> list[tuple]:
        """COPY a file into a fresh table. Return its rows in the order in which they were loaded."""
        self.fill(*args, **kwargs)
        return self.rows()

    def fill(self, columns: str, content: str | bytes, options: str = "", json: str = "'auto'",
             listed: str = "") -> None:
        """COPY a file into a fresh table."""
        path = self.write(f"{uuid.uuid4().hex}/data", content)
        self.create(columns)
        self.copy(path, f"JSON {json} {options}", listed)

    def copy(self, source: str, options: str = "JSON 'auto'", listed: str = "") -> None:
        self.execute(f"COPY {self.table} {listed} FROM '{source}' IAM_ROLE default {options}")

    def rows(self) -> list[tuple]:
        return self.query(f"SELECT * FROM {self.table}")

    def errors(self, columns: str = "line_number, TRIM(column_name), error_code") -> list[tuple]:
        """Return the rows that the last COPY rejected."""
        return self.query(
            f"SELECT {columns} FROM sys_load_error_detail WHERE {LAST_COPY}")


@contextmanager
def opening_copies(server, folder: Path):
    """Yield Copies on a database of their own."""
    with creating_database(server) as name:
        copies = Copies(lambda: psycopg2.connect(**server.connect_parameters(name)), folder)
        with closing(copies.connection):
            yield copies


@pytest.fixture(scope="module")
def module_copies(server, tmp_path_factory):
    with opening_copies(server, tmp_path_factory.mktemp("copies")) as copies:
        yield copies


@pytest.fixture
def copies(module_copies, tmp_path):
    copies = module_copies
    copies.folder = tmp_path
    copies.on_progress = lambda done, total: None
    yield copies
    if not copies.connection.closed:
        copies.connection.rollback()
        copies.connection.autocommit = True


def document(i: int) -> str:
    return f'{{"i":{i}}}\n'


def numbers(copies) -> list[int]:
    return [i for i, in copies.rows()]
