"""The psycopg2 cursor that speaks Redshift: it translates SQL and carries out COPY."""

import functools
from contextlib import contextmanager
from typing import Callable, Iterator

import psycopg2
from psycopg2 import errorcodes, errors, extensions

from . import schema
from .binaries import OLDEST_SUPPORTED
from .copy.run import run_copy
from .sql import dialect
from .sql.aliases import has_lateral_alias, inline_alias
from .sql.edit import MAX_STATEMENT_BYTES
from .sql.server_errors import explain_error
from .sql.tokens import Token, first_word, split_statements


class CopyContext:
    """What the COPYs of one connection need from the caller.

    connect() opens another connection to the same database; on_progress(done, total) receives how
    many bytes a COPY has read so far, and how many it has to read in all.
    """

    def __init__(self, connect: Callable[[], extensions.connection],
                 on_progress: Callable[[int, int], None]):
        self.connect = connect
        self.on_progress = on_progress

    @contextmanager
    def recording(self) -> Iterator[extensions.cursor]:
        """Give a cursor of another connection, and commit its transaction at the end."""
        connection = self.connect()
        # Redshift's isolation level does not apply to its system tables (guide: c_serial_isolation).
        connection.set_session(isolation_level=extensions.ISOLATION_LEVEL_READ_COMMITTED)
        try:
            with connection, connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()


class Cursor(extensions.cursor):
    """A cursor that takes Redshift's SQL. SQL that Redshift does not have raises an error."""

    def __init__(self, context: CopyContext, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.context = context

    def execute(self, query, vars=None):
        text = self.mogrify(query, vars) if vars is not None else query
        if isinstance(text, bytes):
            text = text.decode()
        elif not isinstance(text, str):  # psycopg2.sql
            text = text.as_string(self)
        for tokens in split_statements(text):
            self.run_statement(tokens)

    def executemany(self, query, vars_list):
        for vars in vars_list:
            self.execute(query, vars)

    def run_statement(self, tokens: list[Token]) -> None:
        """Run one Redshift statement."""
        if sum(len(token.text) for token in tokens) > MAX_STATEMENT_BYTES:
            raise errors.StatementTooComplex("Redshift takes statements of up to 16 MB")
        if first_word(tokens) == "copy":
            run_copy(self.connection, self.context, tokens)
            return
        translated = dialect.translate(tokens)
        if dialect.is_refused_in_transaction(tokens) and (
            not self.connection.autocommit or self._is_in_transaction()
        ):
            raise errors.ActiveSqlTransaction(
                "Redshift changes the type of a column only outside of transactions; set"
                " connection.autocommit = True first")
        for statement in translated:
            self.send_translated(statement)
        if dialect.has_implicit_commit(tokens):
            self.connection.commit()
            if self._is_in_transaction():  # begun by a BEGIN in SQL, of which psycopg2 does not know
                super().execute("COMMIT")

    def send_translated(self, statement: str) -> None:
        """Execute a translated statement, inlining any lateral alias that the server rejects.

        Raises the server's error, explained if the stand-in may be the cause.
        """
        # CREATE OR REPLACE VIEW is translated into a DO block.
        may_have_alias = not self.name and (
            statement.startswith("DO ") or has_lateral_alias(statement))
        # psycopg2 sends BEGIN only while it believes that no transaction is open. It may be wrong:
        # SQL such as COMMIT ends one unnoticed.
        starts_transaction = not self.connection.autocommit and (
            self.connection.status == extensions.STATUS_READY)
        needs_savepoint = may_have_alias and (starts_transaction or self._is_in_transaction())
        if needs_savepoint:
            self._execute_raw("SAVEPOINT standin")
        while True:
            try:
                super().execute(statement)
                break
            except psycopg2.Error as error:
                query = error.diag.internal_query or statement
                position = error.diag.internal_position or error.diag.statement_position
                inlined = None
                if may_have_alias and position and error.pgcode == errorcodes.UNDEFINED_COLUMN:
                    inlined = inline_alias(query, int(position))
                if not inlined:
                    raise explain_error(error, query) from None
                statement = statement.replace(query, inlined)
            if needs_savepoint:
                self._execute_raw("ROLLBACK TO SAVEPOINT standin")
        if needs_savepoint:
            self._execute_raw("RELEASE SAVEPOINT standin")

    def _execute_raw(self, command: str) -> None:
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


def adopt(connection: extensions.connection, context: CopyContext) -> None:
    """Make a PostgreSQL connection speak Redshift, and commit what that changes in the database.

    Raises psycopg2.NotSupportedError if the server is older than OLDEST_SUPPORTED, or the database
    does not have encoding UTF8 and collation C, as Redshift's have.
    """
    major, minor = divmod(connection.server_version, 10_000)
    if major < OLDEST_SUPPORTED:
        version = f"{major}.{minor // 100 if major < 10 else minor}"
        raise psycopg2.NotSupportedError(f"the server is PostgreSQL {version}; to stand in for"
                                         f" Redshift it needs {OLDEST_SUPPORTED} or newer")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_encoding_to_char(encoding), datcollate, 'B' < 'a' FROM pg_database"
            " WHERE datname = current_database()")
        encoding, collation, sorts_by_bytes = cursor.fetchone()
        if encoding != "UTF8" or not sorts_by_bytes:
            raise psycopg2.NotSupportedError(
                f"the database has encoding {encoding} and collation {collation}; to stand in for"
                " Redshift it needs UTF8 and C. Create one: CREATE DATABASE dwh ENCODING 'UTF8'"
                " LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        schema.install(cursor)
        cursor.execute("SET TIME ZONE 'UTC'")
        # As on Redshift, a backslash is an escape character in every '…'; psycopg2 then doubles it in
        # values.
        cursor.execute("SET standard_conforming_strings = off; SET escape_string_warning = off")
        cursor.execute("SET work_mem = '256MB'")  # a load joins and sorts whole tables
        cursor.execute("SET random_page_cost = 1.1")  # most pages that it reads are in memory
        # Redshift uses a nested loop only for joins without an equality. PostgreSQL also chooses
        # one after a bad estimate, which takes minutes without an index.
        cursor.execute("SET enable_nestloop = off")
        # A client that was killed must not keep its locks until its statement ends.
        cursor.execute("SET client_connection_check_interval = '2s'")
        cursor.execute("SELECT current_setting('default_transaction_isolation') = 'serializable'")
        (is_serializable,) = cursor.fetchone()
    connection.commit()
    # A database has SNAPSHOT isolation unless it was created SERIALIZABLE (guide: r_CREATE_DATABASE).
    connection.set_session(isolation_level=extensions.ISOLATION_LEVEL_SERIALIZABLE if is_serializable
                           else extensions.ISOLATION_LEVEL_REPEATABLE_READ)
    connection.cursor_factory = functools.partial(Cursor, context)
