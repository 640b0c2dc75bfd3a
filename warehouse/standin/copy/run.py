"""COPY … FROM 's3://…' FORMAT JSON, as Redshift runs it, into a PostgreSQL table.

Files are streamed through `rows` into PostgreSQL's own COPY, in the transaction of the caller. Rows
that cannot be loaded go to the load-error tables by a connection of their own, so that, as on
Redshift, they can be read after ROLLBACK.
"""

import io
import re
import sys
from contextlib import contextmanager
from typing import Callable, Iterator, NamedTuple

import psycopg2
from psycopg2 import errorcodes, errors, extensions

from warehouse import objects
from warehouse.jsonpaths import parse_jsonpaths

from ..sql.tokens import Token, quoted
from . import files
from .mapping import Keys, Paths
from .record import Record, fail, remember
from .rows import Reader
from .statement import Statement, parsed
from .types import CONVERTERS
from .values import NULL, SEPARATOR, Column, NotEmulated, Options, Rejected


class Source(io.RawIOBase):
    """What psycopg2 reads the rows from. An exception is kept: libpq would lose it."""

    def __init__(self, chunks: Iterator[bytes]):
        self.chunks = chunks
        self.error: BaseException | None = None

    def readable(self):
        return True

    def read(self, size=-1):
        try:
            # One chunk a call, whatever its size: psycopg2 sends what it gets.
            return next(self.chunks, b"")
        except BaseException as error:
            self.error = error
            raise


class TooManyErrors(Exception):
    """As many rows were rejected as MAXERROR says."""


class Load:
    """One COPY: what it reads, how far it is, and which rows it rejected."""

    def __init__(self, statement: Statement, listed: list[objects.Object], record: Record,
                 on_progress: Callable[[int, int], None]):
        self.options = statement.options
        self.files = listed
        self.record = record
        self.on_progress = on_progress
        self.limit = max(1, self.options.get("maxerror", 0))
        self.bytes_done = 0
        self.bytes_listed = sum(file.size for file in listed)

    def reject(self, url: str, line: int, rejected: Rejected) -> None:
        self.record.add_error(url, line, rejected)
        if self.record.errors >= self.limit and "ignoreallerrors" not in self.options:
            raise TooManyErrors

    def chunks(self, reader: Reader) -> Iterator[bytes]:
        """The lines of all files, in the order of their keys."""
        for file, opening in files.opened_ahead(self.files):
            before = self.bytes_done
            try:
                with opening as stream:
                    plain = files.unpacked(files.Counted(stream, self.count), self.options)
                    yield from reader.lines(plain, file.url)
            except files.NOT_PACKED as error:
                raise objects.ObjectError(
                    f"{file.url}: not a whole compressed file: {error}") from error
            self.record.add_file(file, self.bytes_done - before, reader.lines_scanned)
        yield from reader.rest()

    def count(self, size: int) -> None:
        self.bytes_done += size
        self.on_progress(self.bytes_done, self.bytes_listed)


def run_copy(connection, session, tokens: list[Token]) -> None:
    """Run a COPY statement in the connection's transaction.

    Raises what Redshift's COPY raises, by way of the server, so that the transaction is failed
    after it. Rejected rows and the history are committed at once, by a connection of their own.
    """
    with extensions.cursor(connection) as cursor:
        with failing(cursor):
            statement = parsed(tokens)
            target = target_of(cursor, statement)
            listed = files_of(statement)
            mapping = mapping_of(statement, target.columns, listed)
        with Record(cursor, statement.source, target.oid, target.name) as record:
            load = Load(statement, listed, record, session.on_progress)
            header = statement.options.get("ignoreheader", 0)
            reader = Reader(
                target.columns, mapping, value_options(statement), load.reject,
                record.add_replacement, header)
            problem = send(cursor, statement, target, load.chunks(reader))
            rows = 0 if problem or "noload" in statement.options else reader.rows
            with session.recorder() as recorder:
                record.write(recorder, rows, load.bytes_done, load.bytes_listed, bool(problem))
            if problem:
                fail(cursor, *problem)
            remember(cursor, record, target.name, rows)


@contextmanager
def failing(cursor) -> Iterator[None]:
    """Have the server raise what was raised here: only then is the transaction failed."""
    try:
        yield
    except objects.ObjectError as error:
        fail(cursor, f"S3ServiceException: {error}")
    except psycopg2.Error as error:
        name = re.sub("(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).upper()
        if error.pgcode or not hasattr(errorcodes, name):
            raise
        fail(cursor, str(error), getattr(errorcodes, name))


class Target(NamedTuple):
    """The table of a COPY, and the columns that it fills, in its order."""

    oid: int
    name: str
    columns: list[Column]


def target_of(cursor, statement: Statement) -> Target:
    """Look the target up; raises what Redshift raises where it cannot be loaded."""
    cursor.execute(
        "SELECT oid, relname, relkind FROM pg_class WHERE oid = CAST(%s AS regclass)",
        (statement.table,),
    )
    oid, name, kind = cursor.fetchone()
    if kind not in ("r", "p"):
        raise errors.WrongObjectType(f"Redshift's COPY: {statement.table} is not a table")
    cursor.execute(
        """
        SELECT attname, typname, atttypmod, attnotnull, atthasdef, attidentity
        FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
        WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
        ORDER BY attnum
        """,
        (oid,),
    )
    found = cursor.fetchall()
    every = {row[0]: column(*row[:4]) for row in found}
    identities = {row[0]: row[5] for row in found if row[5]}
    listed = listed_columns(statement, every, identities)
    defaults = {row[0] for row in found if row[4]} | identities.keys()
    for missing in every.keys() - defaults - set(listed):
        if every[missing].required:
            raise errors.NotNullViolation(
                f'Redshift\'s COPY: column "{missing}" is NOT NULL, has no DEFAULT, is not listed')
    return Target(oid, name, [every[name] for name in listed])


def listed_columns(
    statement: Statement, every: dict[str, Column], identities: dict[str, str]
) -> list[str]:
    """The names of the columns to fill (guide: copy-parameters-column-mapping)."""
    explicit = "explicit_ids" in statement.options
    listed = statement.columns or [name for name in every if explicit or name not in identities]
    for name in listed:
        if name not in every:
            raise errors.UndefinedColumn(f'column "{name}" of {statement.table} does not exist')
        if every[name].type not in CONVERTERS:
            raise errors.FeatureNotSupported(
                f"the stand-in does not emulate Redshift's COPY into column \"{name}\" of type"
                f" {every[name].type}")
        if identities.get(name) == "a" and not explicit:
            raise errors.FeatureNotSupported(
                f"Redshift's COPY: IDENTITY column \"{name}\" needs EXPLICIT_IDS")
    if len(set(listed)) < len(listed):
        raise errors.DuplicateColumn("Redshift's COPY: a column is listed more than once")
    if explicit and not (identities and identities.keys() <= set(listed)):
        raise errors.FeatureNotSupported(
            "Redshift's COPY: EXPLICIT_IDS needs the table's IDENTITY column in the column list")
    return list(listed)


def column(name: str, type_name: str, modifier: int, required: bool) -> Column:
    """A column from the catalogue; its modifier holds length, or precision and scale, plus 4."""
    if type_name == "numeric":
        return Column(name, type_name, (modifier - 4) >> 16, (modifier - 4) & 0x7FF, required)
    return Column(name, type_name, max(modifier - 4, 0), 0, required)


def files_of(statement: Statement) -> list[objects.Object]:
    """The files to read; raises ObjectError."""
    try:
        if "manifest" in statement.options:
            return files.of_manifest(statement.source)
        return files.listed(statement.source)
    except ValueError as error:  # a NUL in the url
        raise objects.ObjectError(f"{statement.source!r}: {error}") from error


def mapping_of(
    statement: Statement, columns: list[Column], listed: list[objects.Object]
) -> Keys | Paths:
    """How a document's values find their columns; raises ObjectError."""
    how = statement.options["json"]
    if how in ("auto", "auto ignorecase"):
        return Keys(columns, ignorecase=how != "auto")
    if how == "noshred":
        raise errors.FeatureNotSupported(
            "the stand-in does not emulate Redshift's COPY with JSON 'noshred'")
    try:
        paths = parse_jsonpaths(objects.read(how))
    except ValueError as error:
        raise objects.ObjectError(f"{how} is not a JSONPaths file: {error}") from error
    except objects.ObjectError as error:
        raise objects.ObjectError(f"the JSONPaths file {error}") from error
    if any(file.url == how for file in listed):
        raise objects.ObjectError(
            f"{how}: the JSONPaths file lies under {statement.source} and would be read as data")
    if paths is None:
        return Keys(columns, ignorecase=False)
    if len(paths) != len(columns):
        raise objects.ObjectError(
            "Number of jsonpaths and the number of columns should match. JSONPath size: "
            f"{len(paths)}, Number of columns in table or column list: {len(columns)}")
    return Paths(paths)


def value_options(statement: Statement) -> Options:
    return Options(**{
        name: value for name, value in statement.options.items() if name in Options._fields
    })


@contextmanager
def unprinted() -> Iterator[list[psycopg2.Error]]:
    """Where the server ends a session amid a COPY, psycopg2 prints why and raises something vague.

    Nothing is printed in this block; the reasons are in the list that it gives.
    """
    reasons = []
    hook = sys.excepthook

    def keep(kind, error, trace):
        while error and not isinstance(error, psycopg2.Error):
            error = error.__cause__ or error.__context__
        reasons.extend([error] if error else [])

    sys.excepthook = keep
    try:
        yield reasons
    finally:
        sys.excepthook = hook


def send(
    cursor, statement: Statement, target: Target, chunks: Iterator[bytes]
) -> tuple[str, ...]:
    """Stream the rows to the server; returns what to say of a failure, else ()."""
    status = cursor.connection.info.transaction_status
    in_block = status == extensions.TRANSACTION_STATUS_INTRANS
    if in_block:
        cursor.execute("SAVEPOINT copy_begins")
    source = Source(chunks)
    listed = ", ".join(quoted(column.name) for column in target.columns)
    lost = []
    try:
        if "noload" in statement.options:
            while source.read():
                pass
        else:
            with unprinted() as lost:
                cursor.copy_expert(
                    f"COPY {statement.table} ({listed}) FROM STDIN"
                    f" WITH (DELIMITER '{SEPARATOR}', NULL '{NULL}')", source)
    except (psycopg2.Error, TooManyErrors, NotEmulated, objects.ObjectError) as error:
        if cursor.connection.closed and lost:
            raise lost[0] from error
        if cursor.connection.closed or not source.error:
            raise
        problem = problem_of(source.error, target.name)
        if not problem:
            raise source.error from error
        if in_block:
            cursor.execute("ROLLBACK TO SAVEPOINT copy_begins")
        return problem
    if in_block:
        cursor.execute("RELEASE SAVEPOINT copy_begins")
    return ()


def problem_of(error: BaseException, table: str) -> tuple[str, ...]:
    """What to say of an error of the reading, and its SQLSTATE; () for one of another kind."""
    if isinstance(error, objects.ObjectError):
        return (f"S3ServiceException: {error}",)
    if isinstance(error, TooManyErrors):
        return (f"Load into table '{table}' failed.  "
                "Check 'sys_load_error_detail' system table for details.",)
    if isinstance(error, NotEmulated):
        return (f"the stand-in does not emulate Redshift's COPY {error}",
                errorcodes.FEATURE_NOT_SUPPORTED)
    return ()
