"""COPY … FROM 's3://…' FORMAT JSON, as Redshift runs it, into a PostgreSQL table.

Files are streamed through `rows` into PostgreSQL's own COPY, in the caller's transaction. Rejected
rows go to the load-error tables on a separate connection, so that they survive a ROLLBACK as they
do on Redshift.
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

from ..sql.tokens import Token, quote_name
from . import files
from .mapping import Keys, Paths
from .record import Record, fail, remember
from .rows import Reader
from .statement import Statement, parse_copy
from .types import CONVERTERS
from .values import NULL, SEPARATOR, Column, NotEmulated, Options, Rejected


class RowStream(io.RawIOBase):
    """The stream that psycopg2 reads rows from. It keeps an exception, which libpq would lose."""

    def __init__(self, chunks: Iterator[bytes]):
        self.chunks = chunks
        self.error: BaseException | None = None

    def readable(self):
        return True

    def read(self, size=-1):
        try:
            # One chunk per call; psycopg2 accepts more than `size` bytes.
            return next(self.chunks, b"")
        except BaseException as error:
            self.error = error
            raise


class TooManyErrors(Exception):
    """The number of rejected rows has reached MAXERROR."""


class CopyRun:
    """The reading of one COPY's files: options, progress and rejected rows."""

    def __init__(self, statement: Statement, to_read: list[objects.Object], record: Record,
                 on_progress: Callable[[int, int], None]):
        self.options = statement.options
        self.files = to_read
        self.record = record
        self.on_progress = on_progress
        self.limit = max(1, self.options.get("maxerror", 0))
        self.bytes_done = 0
        self.bytes_listed = sum(file.size for file in to_read)

    def reject(self, url: str, line: int, rejected: Rejected) -> None:
        self.record.add_error(url, line, rejected)
        if self.record.errors >= self.limit and "ignoreallerrors" not in self.options:
            raise TooManyErrors

    def read_chunks(self, reader: Reader) -> Iterator[bytes]:
        """Yield the lines for PostgreSQL of all files, in the order in which the files are listed."""
        for file, opened in files.open_ahead(self.files):
            before = self.bytes_done
            try:
                with opened as raw:
                    counting = files.CountingStream(raw, self.count_bytes)
                    stream = files.decompress(counting, self.options)
                    yield from reader.convert_file(stream, file.url)
            except files.DECOMPRESSION_ERRORS as error:
                raise objects.ObjectError(
                    f"{file.url}: not a whole compressed file: {error}") from error
            self.record.add_file(file, self.bytes_done - before, reader.lines_scanned)
        yield from reader.flush()

    def count_bytes(self, size: int) -> None:
        self.bytes_done += size
        self.on_progress(self.bytes_done, self.bytes_listed)


def run_copy(connection, context, tokens: list[Token]) -> None:
    """Run a COPY statement in the connection's transaction; `context` is cursor.CopyContext.

    Raises the errors of Redshift's COPY through the server, so that they abort the transaction.
    Rejected rows and the history are committed on a separate connection, whatever becomes of that
    transaction.
    """
    with extensions.cursor(connection) as cursor:
        with raising_on_server(cursor):
            statement = parse_copy(tokens)
            target = find_target(cursor, statement)
            to_read = list_files(statement)
            mapping = read_mapping(statement, target.columns, to_read)
        with Record(cursor, statement.source, target.oid, target.name) as record:
            run = CopyRun(statement, to_read, record, context.on_progress)
            header = statement.options.get("ignoreheader", 0)
            reader = Reader(
                target.columns, mapping, select_value_options(statement), run.reject,
                record.add_replacement, header)
            problem = send_rows(cursor, statement, target, run.read_chunks(reader))
            rows = 0 if problem or "noload" in statement.options else reader.rows
            with context.recording() as recorder:
                record.write(recorder, rows, run.bytes_done, run.bytes_listed, bool(problem))
            if problem:
                fail(cursor, *problem)
            remember(cursor, record, target.name, rows)


@contextmanager
def raising_on_server(cursor) -> Iterator[None]:
    """Re-raise errors of the block on the server: only the server's errors abort a transaction."""
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
    """The table of a COPY, and the columns to fill in the order of the COPY."""

    oid: int
    name: str
    columns: list[Column]


def find_target(cursor, statement: Statement) -> Target:
    """Look up the target; raises Redshift's error if it cannot be loaded."""
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
    rows = cursor.fetchall()
    columns = {row[0]: make_column(*row[:4]) for row in rows}
    identities = {row[0]: row[5] for row in rows if row[5]}
    chosen = choose_columns(statement, columns, identities)
    defaults = {row[0] for row in rows if row[4]} | identities.keys()
    for missing in columns.keys() - defaults - set(chosen):
        if columns[missing].required:
            raise errors.NotNullViolation(
                f'Redshift\'s COPY: column "{missing}" is NOT NULL, has no DEFAULT and is not listed')
    return Target(oid, name, [columns[name] for name in chosen])


def choose_columns(
    statement: Statement, columns: dict[str, Column], identities: dict[str, str]
) -> list[str]:
    """Return the names of the columns to fill (guide: copy-parameters-column-mapping).

    `columns` are those of the table by name; `identities` has 'a' (ALWAYS) or 'd' (BY DEFAULT) for
    each IDENTITY column.
    """
    explicit = "explicit_ids" in statement.options
    chosen = statement.columns or [name for name in columns if explicit or name not in identities]
    for name in chosen:
        if name not in columns:
            raise errors.UndefinedColumn(f'column "{name}" of {statement.table} does not exist')
        if columns[name].type not in CONVERTERS:
            raise errors.FeatureNotSupported(
                f"the stand-in does not emulate Redshift's COPY into column \"{name}\" of type"
                f" {columns[name].type}")
        if identities.get(name) == "a" and not explicit:
            raise errors.FeatureNotSupported(
                f"Redshift's COPY: IDENTITY column \"{name}\" needs EXPLICIT_IDS")
    if len(set(chosen)) < len(chosen):
        raise errors.DuplicateColumn("Redshift's COPY: a column is listed more than once")
    if explicit and not (identities and identities.keys() <= set(chosen)):
        raise errors.FeatureNotSupported(
            "Redshift's COPY: EXPLICIT_IDS needs the table's IDENTITY column in the column list")
    return list(chosen)


def make_column(name: str, type_name: str, modifier: int, required: bool) -> Column:
    """Make a column from the catalog; atttypmod is the length, or precision and scale, plus 4."""
    if type_name == "numeric":
        return Column(name, type_name, (modifier - 4) >> 16, (modifier - 4) & 0x7FF, required)
    return Column(name, type_name, max(modifier - 4, 0), 0, required)


def list_files(statement: Statement) -> list[objects.Object]:
    """List the files to read; raises ObjectError."""
    try:
        if "manifest" in statement.options:
            return files.list_manifest(statement.source)
        return files.list_prefix(statement.source)
    except ValueError as error:  # a NUL in the url
        raise objects.ObjectError(f"{statement.source!r}: {error}") from error


def read_mapping(
    statement: Statement, columns: list[Column], to_read: list[objects.Object]
) -> Keys | Paths:
    """Return the mapping that the JSON option names; raises ObjectError."""
    option = statement.options["json"]
    if option in ("auto", "auto ignorecase"):
        return Keys(columns, ignorecase=option != "auto")
    if option == "noshred":
        raise errors.FeatureNotSupported(
            "the stand-in does not emulate Redshift's COPY with JSON 'noshred'")
    try:
        paths = parse_jsonpaths(objects.read(option))
    except ValueError as error:
        raise objects.ObjectError(f"{option} is not a JSONPaths file: {error}") from error
    except objects.ObjectError as error:
        raise objects.ObjectError(f"the JSONPaths file {error}") from error
    if any(file.url == option for file in to_read):
        raise objects.ObjectError(
            f"{option}: the JSONPaths file lies under {statement.source} and would be read as data")
    if paths is None:
        return Keys(columns, ignorecase=False)
    if len(paths) != len(columns):
        raise objects.ObjectError(
            "Number of jsonpaths and the number of columns should match. JSONPath size: "
            f"{len(paths)}, Number of columns in table or column list: {len(columns)}")
    return Paths(paths)


def select_value_options(statement: Statement) -> Options:
    return Options(**{
        name: value for name, value in statement.options.items() if name in Options._fields
    })


@contextmanager
def capturing_errors() -> Iterator[list[psycopg2.Error]]:
    """Collect, in the list it gives, the errors that psycopg2 would print.

    If the server ends the session during a COPY, psycopg2 prints the reason and raises a vague error.
    """
    captured = []
    hook = sys.excepthook

    def keep(kind, error, trace):
        while error and not isinstance(error, psycopg2.Error):
            error = error.__cause__ or error.__context__
        captured.extend([error] if error else [])

    sys.excepthook = keep
    try:
        yield captured
    finally:
        sys.excepthook = hook


def send_rows(
    cursor, statement: Statement, target: Target, chunks: Iterator[bytes]
) -> tuple[str, ...]:
    """Stream the rows to the server; return the message and SQLSTATE of a failure, or ()."""
    status = cursor.connection.info.transaction_status
    in_block = status == extensions.TRANSACTION_STATUS_INTRANS
    if in_block:
        cursor.execute("SAVEPOINT copy_begins")
    stream = RowStream(chunks)
    columns = ", ".join(quote_name(column.name) for column in target.columns)
    captured = []
    try:
        if "noload" in statement.options:
            while stream.read():
                pass
        else:
            with capturing_errors() as captured:
                cursor.copy_expert(
                    f"COPY {statement.table} ({columns}) FROM STDIN"
                    f" WITH (DELIMITER '{SEPARATOR}', NULL '{NULL}')", stream)
    except (psycopg2.Error, TooManyErrors, NotEmulated, objects.ObjectError) as error:
        if cursor.connection.closed and captured:
            raise captured[0] from error
        if cursor.connection.closed or not stream.error:
            raise
        problem = describe_problem(stream.error, target.name)
        if not problem:
            raise stream.error from error
        if in_block:
            cursor.execute("ROLLBACK TO SAVEPOINT copy_begins")
        return problem
    if in_block:
        cursor.execute("RELEASE SAVEPOINT copy_begins")
    return ()


def describe_problem(error: BaseException, table: str) -> tuple[str, ...]:
    """Return the message of a reading error, and its SQLSTATE if not the default; () if unknown."""
    if isinstance(error, objects.ObjectError):
        return (f"S3ServiceException: {error}",)
    if isinstance(error, TooManyErrors):
        return (f"Load into table '{table}' failed.  "
                "Check 'sys_load_error_detail' system table for details.",)
    if isinstance(error, NotEmulated):
        return (f"the stand-in does not emulate Redshift's COPY {error}",
                errorcodes.FEATURE_NOT_SUPPORTED)
    return ()
