"""The storage part of etl.py --check: list, read and write objects, and let COPY read them.

A function for one part returns a sentence, or an object with one, if all is well. If not, it raises.
"""

from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator, NamedTuple

from psycopg2 import extensions
from psycopg2.extensions import AsIs

import sql_queries

from .. import DataError, WarehouseError, aws, objects, rejected_rows, tables
from ..config import AWS_LOGINS, Config, Data
from ..database.connection import is_standin
from ..database.errors import RowsRejected
from ..database.statements import execute, subject_of, values_of
from ..database.transactions import rolling_back
from ..jsonpaths import parse_jsonpaths
from ..manifests import Manifests, format_rows
from ..objects import Object, ObjectError
from ..plan import Plan, Source, list_files, list_sources
from .findings import Findings, PreflightSkipped, PreflightWarning

SAMPLE_BYTES = 64 * 1024  # read from one object
EXAMPLE_PLAN = Plan(  # its ledger rows are written to MANIFESTS, for COPY to read
    Source("staging_events", new=[Object("s3://bucket/check", 1, "check")]), Source("staging_songs"))


class Sample(NamedTuple):
    """A file that could be read, and the number and size of all files under its prefix."""

    url: str
    prefix: str
    files: int
    bytes: int

    def __str__(self) -> str:
        return (f"{self.files:,} objects, {self.bytes:,} bytes under {self.prefix}; reading one of them"
                " works")


class WrittenObject(NamedTuple):
    """An object that was written, with its version if the bucket keeps versions."""

    url: str
    version: str

    def __str__(self) -> str:
        return f"wrote {self.url}"


def try_storage(findings: Findings, connection: extensions.connection | None, config: Config,
                manifests: Manifests) -> None:
    """Try everything about S3 or folders. The connection is None if the login failed."""
    standin = is_standin(connection) if connection else config.server.is_on_this_machine
    # A load by prefix reads S3 only on the cluster, so failures here are warnings, and COPY decides.
    data = config.data
    needed = bool(data.manifests or standin)
    locations = [data.log_data, data.song_data, data.log_jsonpath, data.manifests]
    if any(map(objects.is_s3, locations)) or any(getattr(config.server, name) for name in AWS_LOGINS):
        findings.attempt("AWS", inspect_identity, data.region)
    # COPY reads one file of each prefix, or the whole prefix if it cannot and need not be listed here.
    files = {}
    for table, setting, prefix in list_sources(data):
        sample = findings.attempt(setting, read_sample, setting, prefix, needed=needed)
        files[f"{table}_files"] = sample.url if sample else "" if needed else prefix
    findings.attempt("LOG_JSONPATH", inspect_jsonpaths, data.log_jsonpath, needed=needed)
    for bucket in sorted({objects.split_s3(uri)[0] for uri in locations if objects.is_s3(uri)}):
        findings.attempt("REGION", inspect_region, data, bucket, standin)
    with writing_object(findings, connection, manifests) as url:
        if connection:
            try_copies(findings, connection, config, files | {"loaded_files": url})


def inspect_identity(region: str) -> str:
    """Return the AWS identity of this machine. No load needs it, so the timeouts are short."""
    try:
        client = aws.make_client("sts", fallback=region, connect_timeout=3, read_timeout=5,
                                 retries={"mode": "standard", "total_max_attempts": 1})
        return f"this machine is {client.get_caller_identity()['Arn']}"
    except Exception as error:
        if not aws.is_aws_error(error):
            raise
        raise PreflightSkipped("AWS did not report the identity of this machine:"
                               f" {aws.explain_error(error, 'STS', {})}") from error


def read_sample(setting: str, prefix: str) -> Sample:
    """List a prefix and read the smallest file under it."""
    files = list_files(setting, prefix)
    smallest = min(files, key=lambda file: file.size or float("inf"))
    with objects.opening(smallest.url) as stream:
        stream.read(SAMPLE_BYTES)
    return Sample(smallest.url, prefix, len(files), sum(file.size for file in files))


def inspect_jsonpaths(log_jsonpath: str) -> str:
    if log_jsonpath == "auto ignorecase":
        return "auto ignorecase: each key fills the column of its name"
    if log_jsonpath == "auto":
        raise PreflightWarning("auto ignores every key with a capital letter, such as sessionId. Write"
                               " auto ignorecase, or name a JSONPaths file.")
    declared = tables.parse_columns(sql_queries.staging_events_table_create)
    needed = f"It needs {len(declared)} paths, for these columns: {', '.join(declared)}."
    try:
        paths = parse_jsonpaths(objects.read(log_jsonpath))
    except ValueError as error:
        raise WarehouseError(f"{log_jsonpath} is not a JSONPaths file: {error}. {needed}") from error
    if paths is None:
        raise DataError(f'{log_jsonpath} has no key "jsonpaths", so COPY would ignore the file and'
                        f" match keys as auto does. {needed}")
    if len(paths) != len(declared):
        number = "1 path" if len(paths) == 1 else f"{len(paths)} paths"
        raise WarehouseError(f"{log_jsonpath} has {number}. {needed}")
    return f"{len(paths)} paths in {log_jsonpath}, one for each column"


def inspect_region(data: Data, bucket: str, standin: bool) -> str:
    region = objects.find_region(bucket)
    if not region:
        raise PreflightSkipped(f"S3 does not report the region of the bucket {bucket}")
    if region == data.region:
        return f"the bucket {bucket} is in {region}"
    message = (f"the bucket {bucket} is in {region}, but REGION is {data.region}: Redshift would refuse"
               f" the COPY. Write REGION = {region} under [S3].")
    raise PreflightWarning(message) if standin else WarehouseError(message)


# ---------------------------------------------------------------------------------------- MANIFESTS

@contextmanager
def writing_object(
    findings: Findings, connection: extensions.connection | None, manifests: Manifests
) -> Iterator[str]:
    """Write an object under MANIFESTS, and remove it after the block. Yield its URL, or ''."""
    url = manifests.make_url("check.json") if manifests.location else ""
    folders = [] if objects.is_s3(url) else [
        folder for folder in Path(url).parents if not folder.exists()]
    written = None
    try:
        written = findings.attempt("MANIFESTS", write_object, connection, url)
        yield url if written else ""
    finally:
        finding = remove_object(written) if written else None
        for folder in folders:
            with suppress(OSError):
                folder.rmdir()
        if finding:
            findings.add(*finding)


def write_object(connection: extensions.connection | None, url: str) -> WrittenObject:
    if not url and connection:
        raise PreflightWarning("not set, so every run on Redshift copies every file again. Write"
                               " MANIFESTS = s3://bucket/prefix/ where this machine may write.")
    if not url:
        raise PreflightSkipped("not set; only a load on Redshift needs it")
    try:
        return WrittenObject(url, objects.write_new(url, format_rows(EXAMPLE_PLAN)))
    except ObjectError as error:
        with suppress(ObjectError):  # S3 may have written it even if its answer was lost
            objects.remove(url)
        raise ObjectError(f"{error} etl.py writes its manifests there.") from error


def remove_object(written: WrittenObject) -> tuple[str, str, str]:
    """Remove the object. Return the finding: verdict, part, message."""
    try:
        objects.remove(*written)
    except ObjectError as error:
        return "warn", "MANIFESTS", f"{error} The object is still there: delete it. A load never deletes one."
    return "ok", "MANIFESTS", "removed it"


# --------------------------------------------------------------------------------------------- COPY

def try_copies(findings: Findings, connection: extensions.connection, config: Config,
               files: dict[str, str]) -> None:
    """Run the COPYs of a load on the server with NOLOAD: they read and convert files, and load nothing.

    They use the role in ARN and the REGION, and the server's own rules.
    """
    if findings.is_busy:
        findings.add("skip", "COPY", "not tried while another load is running")
        return
    values = values_of(config) | files | {
        "staging_events_manifest": AsIs(""), "staging_songs_manifest": AsIs(""),
        "noload": AsIs("NOLOAD")}
    copies = (*sql_queries.copy_table_queries, sql_queries.loaded_files_copy)
    for sql, placeholder in zip(copies, files, strict=True):
        findings.attempt("COPY", try_copy, connection, sql, values, placeholder)


def try_copy(connection: extensions.connection, sql: str, values: dict, placeholder: str) -> str:
    table = subject_of(sql)
    if not values[placeholder]:
        raise PreflightSkipped(f"{table}: there is no file for it to read")
    try:
        with rolling_back(connection) as cursor:
            execute(cursor, sql, values)
    except RowsRejected as error:
        raise rejected_rows.explain_rejected(connection, error) from error
    return f"{table}: read {values[placeholder]}, loaded nothing"
