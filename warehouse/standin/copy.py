"""COPY … FROM 's3://…' FORMAT JSON, as Redshift runs it, into a PostgreSQL table.

Files are streamed through `rows` into PostgreSQL's own COPY, in the transaction of the caller. Rows
that cannot be loaded go to the load-error tables by a connection of their own, so that, as on
Redshift, they can be read after ROLLBACK.
"""

import bz2
import gzip
import io
import json
import zlib
from contextlib import contextmanager
from typing import BinaryIO, Callable, Iterator

import psycopg2
from psycopg2 import errors

from .. import objects
from . import catalog, dialect
from .copy_statement import Statement, parsed, quoted
from .rows import Keys, Paths, Reader, jsonpath
from .values import CONVERTERS, Column, Options, Rejected


class Source(io.RawIOBase):
    """What psycopg2 reads the rows from. An exception of the reading is kept: libpq would lose it."""

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

    def __init__(self, statement: Statement, files: list[objects.Object],
                 on_progress: Callable[[int, int], None]):
        self.statement = statement
        self.files = files
        self.on_progress = on_progress
        self.limit = max(1, statement.options.get("maxerror", 0))
        self.errors: list[tuple[str, int, Rejected]] = []
        self.file = ""
        self.bytes_done = 0
        self.bytes_listed = sum(file.size for file in files)
        self.started = catalog.now()

    def reject(self, line: int, rejected: Rejected) -> None:
        self.errors.append((self.file, line, rejected))
        if len(self.errors) >= self.limit:
            raise TooManyErrors

    def chunks(self, reader: Reader) -> Iterator[bytes]:
        """The lines of all files, in the order of their keys."""
        for file in self.files:
            self.file = file.url
            with objects.opened(file.url) as stream:
                counted = Counted(stream, self.count)
                with decompressed(counted, self.statement.options, file.url) as plain:
                    for lines in reader.lines(plain):
                        if lines:
                            yield lines

    def count(self, size: int) -> None:
        self.bytes_done += size
        self.on_progress(self.bytes_done, self.bytes_listed)


class Counted(io.RawIOBase):
    """A stream that reports how many bytes were read from it."""

    def __init__(self, stream: BinaryIO, count: Callable[[int], None]):
        self.stream = stream
        self.count = count

    def readable(self):
        return True

    def readinto(self, buffer):
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size=-1):
        data = self.stream.read(size)
        self.count(len(data))
        return data


@contextmanager
def decompressed(stream: BinaryIO, options: dict, url: str) -> Iterator[BinaryIO]:
    try:
        if "gzip" in options:
            yield gzip.GzipFile(fileobj=stream)
        elif "bzip2" in options:
            yield bz2.BZ2File(stream)
        else:
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise objects.ObjectError(f"{url}: not a whole compressed file: {error}") from error


def run(connection, session, tokens: list[dialect.Token]) -> None:
    """Run a COPY statement in the connection's transaction.

    Raises what Redshift's COPY raises, by way of the server, so that the transaction is failed after
    it. Rejected rows and the history are committed at once, by a connection of their own.
    """
    statement = parsed(tokens)
    with psycopg2.extensions.cursor(connection) as cursor:
        columns = table_columns(cursor, statement)
        try:
            files = source_files(statement)
            mapping = column_mapping(statement, columns)
        except objects.ObjectError as error:
            fail(cursor, f"S3ServiceException: {error}")
        load = Load(statement, files, session.on_progress)
        reader = Reader(columns, mapping, value_options(statement), load.reject)
        cursor.execute("SELECT nextval('standin.copy_id')")
        copy_id = cursor.fetchone()[0]
        problem = send(cursor, load, reader, columns)
        with session.recorder() as recorder:
            catalog.record(recorder, connection, copy_id, load, reader.rows, failed=bool(problem))
        if problem:
            fail(cursor, problem)
        catalog.remember(cursor, copy_id, reader.rows)


def table_columns(cursor, statement: Statement) -> list[Column]:
    """The columns that the COPY fills, in its order; raises UndefinedTable, UndefinedColumn."""
    cursor.execute(
        """
        SELECT attname, typname, atttypmod, attnotnull, attidentity <> ''
        FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
        WHERE attrelid = CAST(%s AS regclass) AND attnum > 0 AND NOT attisdropped
        ORDER BY attnum
        """,
        (statement.table,),
    )
    found = cursor.fetchall()
    every = {name: column(name, *rest) for name, *rest, _ in found}
    listed = statement.columns or [name for name, *_, identity in found if not identity]
    for name in listed:
        if name not in every:
            raise errors.UndefinedColumn(f'column "{name}" of {statement.table} does not exist')
        if every[name].type not in CONVERTERS:
            raise errors.FeatureNotSupported(
                f'COPY into column "{name}" of type {every[name].type} is not emulated')
    return [every[name] for name in listed]


def column(name: str, type_name: str, modifier: int, required: bool) -> Column:
    """A column from the catalogue; its modifier holds the length, or precision and scale, plus 4."""
    if type_name == "numeric":
        return Column(name, type_name, (modifier - 4) >> 16, (modifier - 4) & 0x7FF, required)
    return Column(name, type_name, max(modifier - 4, 0), 0, required)


def source_files(statement: Statement) -> list[objects.Object]:
    """What FROM names: every object under a prefix, or those of a manifest."""
    if "manifest" in statement.options:
        return manifest_files(statement.source)
    files = objects.listed(statement.source)
    if not files:
        _, key = objects.split_s3(statement.source) if objects.is_s3(statement.source) else (
            "", statement.source)
        raise objects.ObjectError(f"The specified S3 prefix '{key}' does not exist")
    return files


def manifest_files(url: str) -> list[objects.Object]:
    """The objects of a manifest (guide: loading-data-files-using-manifest); optional ones may lack."""
    try:
        entries = json.loads(objects.read(url))["entries"]
        wanted = [(entry["url"], bool(entry.get("mandatory", False))) for entry in entries]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise objects.ObjectError(f"{url} is not a manifest: {error!r}") from error
    files = []
    for name, mandatory in wanted:
        exact = [file for file in objects.listed(name) if file.url == name]
        if not exact and mandatory:
            raise objects.ObjectError(
                f"{name} is mandatory in the manifest {url}, and is not there. COPY with MANIFEST "
                "parameter requires full path of an Amazon S3 object")
        files += exact
    if not files:
        raise objects.ObjectError(f"None of the objects of the manifest {url} was found")
    return files


def column_mapping(statement: Statement, columns: list[Column]) -> Keys | Paths:
    """How a document's values find their columns; a JSONPaths file that is wrong fails the COPY."""
    how = statement.options["json"]
    if how in ("auto", "auto ignorecase"):
        return Keys(columns, ignorecase=how != "auto")
    if how == "noshred":
        raise errors.FeatureNotSupported("COPY with JSON 'noshred' is not emulated, though Redshift has it")
    try:
        document = json.loads(objects.read(how))
        if not isinstance(document, dict):
            raise ValueError("it is not one JSON object")
        paths = document.get("jsonpaths")
        if paths is None:
            return Keys(columns, ignorecase=False)
        steps = [jsonpath(path) if isinstance(path, str) else None for path in paths]
    except (ValueError, TypeError) as error:
        raise objects.ObjectError(f"{how} is not a JSONPaths file: {error}") from error
    if None in steps:
        wrong = paths[steps.index(None)]
        raise objects.ObjectError(f"{how}: Invalid JSONPath format: {wrong!r} is not supported")
    if len(steps) != len(columns):
        raise objects.ObjectError(
            "Number of jsonpaths and the number of columns should match. "
            f"JSONPath size: {len(steps)}, Number of columns in table or column list: {len(columns)}")
    return Paths(steps)


def value_options(statement: Statement) -> Options:
    return Options(**{
        name: value for name, value in statement.options.items() if name in Options._fields
    })


def send(cursor, load: Load, reader: Reader, columns: list[Column]) -> str:
    """Stream the rows to the server; returns what Redshift would say of a failure, or ''."""
    statement = load.statement
    in_block = not cursor.connection.autocommit
    if in_block:
        cursor.execute("SAVEPOINT copy_begins")
    source = Source(load.chunks(reader))
    listed = ", ".join(quoted(column.name) for column in columns)
    try:
        if "noload" in statement.options:
            while source.read():
                pass
        else:
            cursor.copy_expert(f"COPY {statement.table} ({listed}) FROM STDIN", source)
    except (psycopg2.Error, TooManyErrors, objects.ObjectError) as error:
        if cursor.connection.closed or not source.error:
            raise
        if isinstance(source.error, objects.ObjectError):
            problem = f"S3ServiceException: {source.error}"
        elif isinstance(source.error, TooManyErrors):
            table = statement.table.rsplit(".", 1)[-1].strip('"')
            problem = (f"Load into table '{table}' failed.  "
                       "Check 'sys_load_error_detail' system table for details.")
        else:
            raise source.error from error
        if in_block:
            cursor.execute("ROLLBACK TO SAVEPOINT copy_begins")
        return problem
    return ""


def fail(cursor, message: str):
    """Let the server raise the error, which fails the transaction as a COPY's failure does."""
    cursor.execute("SELECT standin.fail(%s)", (message,))
