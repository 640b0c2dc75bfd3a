"""The part of etl.py --check that is about S3: listing, reading, writing, and COPY itself."""

from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator, NamedTuple

from psycopg2 import extensions
from psycopg2.extensions import AsIs

import sql_queries

from .. import DataError, WarehouseError, aws, objects, rejected_rows, tables
from ..config import LOGINS, Config, Data
from ..database.connection import is_standin
from ..database.errors import RowsRejected
from ..database.statements import execute, subject_of, values_of
from ..database.transactions import undoing
from ..jsonpaths import parse_jsonpaths
from ..manifests import Manifests, format_rows
from ..objects import Object, ObjectError
from ..plan import Plan, Source, list_files, list_sources
from .findings import Doubt, Findings, Untried

SAMPLE = 64 * 1024  # bytes read of an object
CHECKED = Plan(  # what is written to MANIFESTS, for COPY to read
    Source("staging_events", new=[Object("s3://bucket/check", 1, "check")]), Source("staging_songs"))


class Sample(NamedTuple):
    """A file under a prefix that could be read, of how many."""

    url: str
    prefix: str
    files: int
    bytes: int

    def __str__(self) -> str:
        return (f"{self.files:,} objects, {self.bytes:,} bytes under {self.prefix}; could read one of"
                " them")


class Written(NamedTuple):
    """An object that was written; its version, where the bucket keeps versions."""

    url: str
    version: str

    def __str__(self) -> str:
        return f"wrote {self.url}"


def try_storage(findings: Findings, connection: extensions.connection | None, config: Config,
                manifests: Manifests) -> None:
    """connection is None where nobody could log in."""
    standin = is_standin(connection) if connection else config.server.is_on_this_machine
    # By prefix only the cluster reads S3, so this machine need not; COPY then proves what it can.
    data = config.data
    needed = bool(data.manifests or standin)
    places = [data.log_data, data.song_data, data.log_jsonpath, data.manifests]
    if any(map(objects.is_s3, places)) or any(getattr(config.server, name) for name in LOGINS):
        findings.attempt("AWS", find_identity, data.region)
    # A file of each for COPY to read; where none can be listed here and need not be, all of them.
    files = {}
    for table, setting, prefix in list_sources(data):
        sample = findings.attempt(setting, find_sample, setting, prefix, needed=needed)
        files[f"{table}_files"] = sample.url if sample else "" if needed else prefix
    findings.attempt("LOG_JSONPATH", find_jsonpaths, data.log_jsonpath, needed=needed)
    for bucket in sorted({objects.split_s3(place)[0] for place in places if objects.is_s3(place)}):
        findings.attempt("REGION", find_region, data, bucket, standin)
    with writing_object(findings, connection, manifests) as url:
        if connection:
            try_copies(findings, connection, config, files | {"loaded_files": url})


def find_identity(region: str) -> str:
    """Who AWS takes this machine for. Nothing needs it, so it is not waited for."""
    try:
        client = aws.make_client("sts", fallback=region, connect_timeout=3, read_timeout=5,
                                 retries={"mode": "standard", "total_max_attempts": 1})
        return f"this machine is {client.get_caller_identity()['Arn']}"
    except Exception as error:
        if not aws.is_aws_error(error):
            raise
        raise Untried("who this machine is to AWS is not known:"
                      f" {aws.explain_error(error, 'STS', {})}") from error


def find_sample(setting: str, prefix: str) -> Sample:
    """List a prefix and read an object of it."""
    files = list_files(setting, prefix)
    smallest = min(files, key=lambda file: file.size or float("inf"))
    with objects.opening(smallest.url) as stream:
        stream.read(SAMPLE)
    return Sample(smallest.url, prefix, len(files), sum(file.size for file in files))


def find_jsonpaths(how: str) -> str:
    if how == "auto ignorecase":
        return "auto ignorecase: each key fills the column of its name"
    if how == "auto":
        raise Doubt("auto finds no key with a capital letter, such as sessionId. Write auto"
                    " ignorecase, or name a JSONPaths file.")
    declared = tables.parse_columns(sql_queries.staging_events_table_create)
    needed = f"It needs {len(declared)} paths, for these columns: {', '.join(declared)}."
    try:
        paths = parse_jsonpaths(objects.read(how))
    except ValueError as error:
        raise WarehouseError(f"{how} is not a JSONPaths file: {error}. {needed}") from error
    if paths is None:
        raise DataError(f'{how} has no key "jsonpaths", so COPY would ignore it and take keys as'
                        f" they are. {needed}")
    if len(paths) != len(declared):
        plural = "s" * (len(paths) != 1)
        raise WarehouseError(f"{how} has {len(paths)} path{plural}. {needed}")
    return f"{len(paths)} paths for as many columns in {how}"


def find_region(data: Data, bucket: str, standin: bool) -> str:
    region = objects.find_region(bucket)
    if not region:
        raise Untried(f"S3 does not tell where the bucket {bucket} is")
    if region == data.region:
        return f"the bucket {bucket} is in {region}"
    said = (f"the bucket {bucket} is in {region}, and REGION is {data.region}: COPY on Redshift"
            f" would be refused. Write REGION = {region} under [S3].")
    raise Doubt(said) if standin else WarehouseError(said)


# ---------------------------------------------------------------------------------------- MANIFESTS

@contextmanager
def writing_object(
    findings: Findings, connection: extensions.connection | None, manifests: Manifests
) -> Iterator[str]:
    """An object under MANIFESTS that is there within the block only; its url, '' if it is not."""
    url = manifests.make_url("check.json") if manifests.place else ""
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


def write_object(connection: extensions.connection | None, url: str) -> Written:
    if not url and connection:
        raise Doubt("not set, so every run on Redshift copies every file again. Write"
                    " MANIFESTS = s3://bucket/prefix/ where this machine may write.")
    if not url:
        raise Untried("not set, which only Redshift minds")
    try:
        return Written(url, objects.write_new(url, format_rows(CHECKED)))
    except ObjectError as error:
        with suppress(ObjectError):  # S3 may have it although its answer was lost
            objects.remove(url)
        raise ObjectError(f"{error} etl.py writes its manifests there.") from error


def remove_object(written: Written) -> tuple[str, str, str]:
    """Remove the object; returns the finding."""
    try:
        objects.remove(*written)
    except ObjectError as error:
        return "warn", "MANIFESTS", f"{error} The object is left: delete it. A load deletes none."
    return "ok", "MANIFESTS", "removed it again"


# --------------------------------------------------------------------------------------------- COPY

def try_copies(findings: Findings, connection: extensions.connection, config: Config,
               files: dict[str, str]) -> None:
    """Let the server read what a load would, by the same COPYs: with its role, in REGION, by its own
    rules. NOLOAD: they read and convert all of a file, and load nothing."""
    if findings.busy:
        findings.add("skip", "COPY", "not tried while another load is running")
        return
    values = values_of(config) | files | {
        "staging_events_manifest": AsIs(""), "staging_songs_manifest": AsIs(""),
        "noload": AsIs("NOLOAD")}
    copies = (*sql_queries.copy_table_queries, sql_queries.loaded_files_copy)
    for sql, source in zip(copies, files, strict=True):
        findings.attempt("COPY", try_copy, connection, sql, values, source)


def try_copy(connection: extensions.connection, sql: str, values: dict, source: str) -> str:
    table = subject_of(sql)
    if not values[source]:
        raise Untried(f"{table}: there is no file for it to read")
    try:
        with undoing(connection) as cursor:
            execute(cursor, sql, values)
    except RowsRejected as error:
        raise rejected_rows.explain_rejected(connection, error) from error
    return f"{table}: read {values[source]}, loaded nothing"
