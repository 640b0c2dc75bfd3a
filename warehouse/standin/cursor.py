"""The psycopg2 cursor that speaks Redshift: what is executed is translated, COPY is carried out."""

import functools
from contextlib import contextmanager
from typing import Callable, Iterator

import psycopg2
from psycopg2 import errorcodes, errors, extensions

from . import schema
from .binaries import OLDEST
from .copy.run import run_copy
from .sql import dialect
from .sql.aliases import inline_alias, uses_alias
from .sql.edit import MOST_BYTES
from .sql.faults import explain
from .sql.tokens import Token, first_word, statements


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
        # The isolation of Redshift's transactions is not about its system tables (c_serial_isolation).
        connection.set_session(isolation_level=extensions.ISOLATION_LEVEL_READ_COMMITTED)
        try:
            with connection, connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()


class Cursor(extensions.cursor):
    """A cursor whose SQL is Redshift's. What Redshift lacks raises an error that says so."""

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
        if sum(len(t.text) for t in tokens) > MOST_BYTES:
            raise errors.StatementTooComplex("Redshift takes statements of up to 16 MB")
        if first_word(tokens) == "copy":
            run_copy(self.connection, self.session, tokens)
            return
        translated = dialect.translate(tokens)
        if dialect.runs_alone(tokens) and (
            not self.connection.autocommit or self._is_in_transaction()
        ):
            raise errors.ActiveSqlTransaction(
                "Redshift changes the type of a column outside of transactions only; set"
                " connection.autocommit = True first")
        for statement in translated:
            self.send(statement)
        if dialect.commits(tokens):
            self.connection.commit()
            if self._is_in_transaction():  # one that BEGIN began, which psycopg2 does not know
                super().execute("COMMIT")

    def send(self, statement: str) -> None:
        """Execute what was translated; whose the fault may be is said with the error."""
        # A view is replaced by a DO.
        aliased = not self.name and (statement.startswith("DO ") or uses_alias(statement))
        # psycopg2 sends a BEGIN of its own unless it has sent one: one may have been ended in SQL.
        begins = not self.connection.autocommit and (
            self.connection.status == extensions.STATUS_READY)
        saved = aliased and (begins or self._is_in_transaction())
        if saved:
            self._aside("SAVEPOINT standin")
        while True:
            try:
                super().execute(statement)
                break
            except psycopg2.Error as error:
                query = error.diag.internal_query or statement
                position = error.diag.internal_position or error.diag.statement_position
                inlined = None
                if aliased and position and error.pgcode == errorcodes.UNDEFINED_COLUMN:
                    inlined = inline_alias(query, int(position))
                if not inlined:
                    raise explain(error, query) from None
                statement = statement.replace(query, inlined)
            if saved:
                self._aside("ROLLBACK TO SAVEPOINT standin")
        if saved:
            self._aside("RELEASE SAVEPOINT standin")

    def _aside(self, command: str) -> None:
        with self.connection.cursor(cursor_factory=extensions.cursor) as cursor:
            cursor.execute(command)

    def _is_in_transaction(self) -> bool:
        status = self.connection.info.transaction_status
        return status != extensions.TRANSACTION_STATUS_IDLE

    def copy_expert(self, *args, **kwargs):
        raise errors.FeatureNotSupported(
            # r_COPY
            "Redshift has no COPY … FROM STDIN and no COPY … TO; it copies from S3,"
            " COPY table FROM 's3://…'")

    copy_from = copy_to = copy_expert

    def callproc(self, *args, **kwargs):
        raise errors.FeatureNotSupported(
            "the stand-in does not emulate Redshift's procedures; write the statements themselves")


def adopt(connection: extensions.connection, session: Session) -> None:
    """Make a PostgreSQL connection speak Redshift from now on, and commit what that needs.

    Raises psycopg2.NotSupportedError where the database cannot stand in: its server must be new
    enough, its encoding UTF8 and its collation C, as Redshift's are.
    """
    major, minor = divmod(connection.server_version, 10_000)
    if major < OLDEST:
        version = f"{major}.{minor // 100 if major < 10 else minor}"
        raise psycopg2.NotSupportedError(f"the server is PostgreSQL {version}; to stand in for"
                                         f" Redshift it needs {OLDEST} or newer")
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
        schema.install(cursor)
        cursor.execute("SET TIME ZONE 'UTC'")
        # A backslash escapes in every '…', and psycopg2 doubles it in values, as with Redshift.
        cursor.execute("SET standard_conforming_strings = off; SET escape_string_warning = off")
        cursor.execute("SET work_mem = '256MB'")  # a load joins and sorts everything it brings
        cursor.execute("SET random_page_cost = 1.1")  # of what it reads most lies in memory
        # Redshift joins by hash or merge, and in a nested loop only where there is no equality.
        # PostgreSQL takes the loop after a misjudged estimate, too: minutes, without an index.
        cursor.execute("SET enable_nestloop = off")
        # A client that was killed must not keep its locks until its statement ends.
        cursor.execute("SET client_connection_check_interval = '2s'")
        cursor.execute("SELECT current_setting('default_transaction_isolation') = 'serializable'")
        (is_serializable,) = cursor.fetchone()
    connection.commit()
    # SNAPSHOT is what a database has, unless it was made SERIALIZABLE (guide: r_CREATE_DATABASE).
    connection.set_session(isolation_level=extensions.ISOLATION_LEVEL_SERIALIZABLE if is_serializable
                           else extensions.ISOLATION_LEVEL_REPEATABLE_READ)
    connection.cursor_factory = functools.partial(Cursor, session)
