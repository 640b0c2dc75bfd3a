"""The psycopg2 cursor that speaks Redshift: what is executed is translated, COPY is carried out."""

import functools
from contextlib import contextmanager
from typing import Callable, Iterator

import psycopg2
from psycopg2 import errors, extensions

from . import catalog, copy, dialect
from .tokens import Token, first_word, statements


class Session:
    """What the cursors of one connection share.

    connect() opens another connection to the same database; on_progress(done, total) is called with
    the bytes read by a COPY.
    """

    def __init__(self, connect: Callable[[], extensions.connection],
                 on_progress: Callable[[int, int], None]):
        self.connect = connect
        self.on_progress = on_progress

    @contextmanager
    def recorder(self) -> Iterator[extensions.cursor]:
        """A cursor of another connection, whose transaction is committed at the end."""
        connection = self.connect()
        try:
            with connection, connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()


class Cursor(extensions.cursor):
    """A cursor whose SQL is Redshift's. A statement that Redshift lacks raises an error saying so."""

    def __init__(self, session: Session, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.session = session

    def execute(self, query, vars=None):
        text = self.mogrify(query, vars) if vars is not None else query
        if isinstance(text, bytes):
            text = text.decode()
        elif not isinstance(text, str):  # psycopg2.sql
            text = text.as_string(self)
        for tokens in statements(text):
            self.run(tokens)

    def executemany(self, query, vars_list):
        for vars in vars_list:
            self.execute(query, vars)

    def run(self, tokens: list[Token]) -> None:
        """One Redshift statement."""
        if first_word(tokens) == "copy":
            copy.run(self.connection, self.session, tokens)
            return
        for statement in dialect.translate(tokens):
            super().execute(statement)
        if dialect.commits(tokens):
            self.connection.commit()

    def copy_expert(self, *args, **kwargs):
        raise errors.FeatureNotSupported(
            "Redshift has no COPY … FROM STDIN and no COPY … TO; it copies from S3,"
            " COPY table FROM 's3://…'")

    copy_from = copy_to = copy_expert


def adopt(connection: extensions.connection, session: Session) -> None:
    """Make a PostgreSQL connection speak Redshift from now on, and commit what that needs.

    Raises psycopg2.NotSupportedError where the database cannot stand in: its encoding must be UTF8
    and its collation C, as Redshift's are.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_encoding_to_char(encoding), datcollate, 'B' < 'a' FROM pg_database"
            " WHERE datname = current_database()")
        encoding, collation, by_bytes = cursor.fetchone()
        if encoding != "UTF8" or not by_bytes:
            raise psycopg2.NotSupportedError(
                f"the database has encoding {encoding} and collation {collation}; to stand in for"
                " Redshift it needs UTF8 and C. Create one: CREATE DATABASE dwh ENCODING 'UTF8'"
                " LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        catalog.install(cursor)
        cursor.execute("SET TIME ZONE 'UTC'")
        cursor.execute("SET work_mem = '128MB'")  # a load joins and sorts everything it brings
        cursor.execute("SET random_page_cost = 1.1")  # of what it reads most lies in memory
        if connection.server_version >= 140000:
            # A client that was killed must not keep its locks until its statement ends.
            cursor.execute("SET client_connection_check_interval = '2s'")
    connection.commit()
    connection.set_session(isolation_level=extensions.ISOLATION_LEVEL_REPEATABLE_READ)
    connection.cursor_factory = functools.partial(Cursor, session)
