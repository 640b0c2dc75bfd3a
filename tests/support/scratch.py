"""A connection that speaks Redshift, for tests of SQL: one per module, with an empty schema per test."""


import pytest
from psycopg2 import extensions

from support.databases import creating_database, speaking_redshift


@pytest.fixture(scope="module")
def module_connection(server):
    with creating_database(server) as name, speaking_redshift(server, name) as connection:
        yield connection


@pytest.fixture
def connection(module_connection):
    """The module's connection, rolled back, with an empty schema `scratch`."""
    module_connection.rollback()
    with module_connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS scratch CASCADE; CREATE SCHEMA scratch")
        cursor.execute("SET search_path TO scratch")
    module_connection.commit()
    yield module_connection
    module_connection.rollback()
    module_connection.autocommit = False


def run(connection, script: str) -> list[tuple]:
    """Run a Redshift script. Return the rows of its last statement."""
    with connection.cursor() as cursor:
        cursor.execute(script)
        return cursor.fetchall() if cursor.description else []


def value(connection, expression: str) -> object:
    return run(connection, f"SELECT {expression}")[0][0]


def plain(connection, sql: str) -> list[tuple]:
    """Run SQL that PostgreSQL accepts and Redshift does not. Return its rows."""
    with connection.cursor(cursor_factory=extensions.cursor) as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def list_indexes(connection, table: str = "x") -> list[str]:
    """Return the indexes of a table, each as its method and columns: brin (a, b)."""
    found = plain(connection, f"SELECT indexdef FROM pg_indexes WHERE tablename = '{table}'")
    return [text.split(" USING ")[1] for text, in found]


def fill(connection, first: int, last: int) -> None:
    """Insert rows into x (n, wide) in the order of n, eight per page."""
    plain(connection, f"""INSERT INTO x
        SELECT n, repeat('x', 900) FROM generate_series({first}, {last}) AS n""")


def count_pages_read(connection, source: str) -> int:
    """Return how many pages a count of the rows of a source (table WHERE condition) reads."""
    explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT COUNT(*) FROM {source}"
    (((explained,),),) = plain(connection, explain)
    return sum(explained["Plan"][f"{kind} {what} Blocks"]
               for kind in ("Shared", "Local") for what in ("Hit", "Read"))
