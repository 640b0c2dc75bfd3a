"""The part of etl.py --check that is about S3: listing, reading, writing, and COPY itself."""

from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator

from psycopg2 import extensions
from psycopg2.extensions import AsIs

import sql_queries

from .. import DataError, WarehouseError, aws, ledger, objects, rejected_rows, tables
from ..config import LOGINS, Config
from ..database import statements
from ..database.connection import reads_folders
from ..jsonpaths import jsonpaths
from ..manifests import Manifests
from ..objects import Object, ObjectError
from ..plan import Plan, Source
from .findings import Doubt, Report, Untried

SAMPLE = 64 * 1024  # bytes read of an object
CHECKED = Plan(  # what is written to MANIFESTS, for COPY to read
    Source("staging_events", new=[Object("s3://bucket/check", 1, "check")]), Source("staging_songs"))


def check(report: Report, connection: extensions.connection | None, config: Config,
          manifests: Manifests) -> None:
    """connection is None where nobody could log in."""
    standin = reads_folders(connection) if connection else config.is_on_this_machine
    # By prefix only the cluster reads S3, so this machine need not; COPY then proves what it can.
    spare = not config.manifests and not standin
    places = {"LOG_DATA": config.log_data, "SONG_DATA": config.song_data,
              "LOG_JSONPATH": config.log_jsonpath, "MANIFESTS": config.manifests}
    if any(map(objects.is_s3, places.values())) or any(getattr(config, name) for name in LOGINS):
        report.tried("AWS", check_identity, config)
    # A file of each for COPY to read; where none can be listed here and need not be, all of them.
    samples = {setting: places[setting] if spare else "" for setting in ("LOG_DATA", "SONG_DATA")}
    for setting in samples:
        report.tried(
            setting, check_source, config, setting, places[setting], samples, spare=spare)
    report.tried("LOG_JSONPATH", check_jsonpaths, config, spare=spare)
    buckets = {objects.split_s3(place)[0] for place in places.values() if objects.is_s3(place)}
    for bucket in sorted(buckets):
        report.tried("REGION", check_region, config, bucket, standin)
    with written(report, connection, manifests) as url:
        if connection:
            check_copies(report, connection, config, samples, url)


def check_identity(config: Config) -> str:
    """Who AWS takes this machine for. Nothing needs it, so it is not waited for."""
    try:
        client = aws.client("sts", fallback=config.region, connect_timeout=3, read_timeout=5,
                            retries={"mode": "standard", "total_max_attempts": 1})
        return f"this machine is {client.get_caller_identity()['Arn']}"
    except Exception as error:
        if not aws.is_aws(error):
            raise
        raise Untried("who this machine is to AWS is not known:"
                      f" {aws.explanation(error, 'STS', {})}") from error


def check_source(config: Config, setting: str, prefix: str, samples: dict[str, str]) -> str:
    """List a prefix and read an object of it, which is put among the samples."""
    files = ledger.list_files(config, setting, prefix)
    smallest = min(files, key=lambda file: file.size or float("inf"))
    with objects.opened(smallest.url) as stream:
        stream.read(SAMPLE)
    samples[setting] = smallest.url
    total = sum(file.size for file in files)
    return f"{len(files):,} objects, {total:,} bytes under {prefix}; could read one of them"


def check_jsonpaths(config: Config) -> str:
    how = config.log_jsonpath
    if how == "auto ignorecase":
        return "auto ignorecase: each key fills the column of its name"
    if how == "auto":
        raise Doubt("auto finds no key with a capital letter, such as sessionId. Write auto"
                    " ignorecase, or name a JSONPaths file.")
    declared = tables.declared_columns(sql_queries.staging_events_table_create)
    needed = f"It needs {len(declared)} paths, for these columns: {', '.join(declared)}."
    try:
        paths = jsonpaths(objects.read(how))
    except ValueError as error:
        raise WarehouseError(f"{how} is not a JSONPaths file: {error}. {needed}") from error
    if paths is None:
        raise DataError(f'{how} has no key "jsonpaths", so COPY would ignore it and take keys as'
                        f" they are. {needed}")
    if len(paths) != len(declared):
        plural = "s" * (len(paths) != 1)
        raise WarehouseError(f"{how} has {len(paths)} path{plural}. {needed}")
    return f"{len(paths)} paths for as many columns in {how}"


def check_region(config: Config, bucket: str, standin: bool) -> str:
    region = objects.region_of(bucket)
    if not region:
        raise Untried(f"S3 does not tell where the bucket {bucket} is")
    if region == config.region:
        return f"the bucket {bucket} is in {region}"
    said = (f"the bucket {bucket} is in {region}, and REGION is {config.region}: COPY on Redshift"
            f" would be refused. Write REGION = {region} under [S3].")
    raise Doubt(said) if standin else WarehouseError(said)


# ---------------------------------------------------------------------------------------- MANIFESTS

@contextmanager
def written(
    report: Report, connection: extensions.connection | None, manifests: Manifests
) -> Iterator[str]:
    """An object under MANIFESTS that is there within the block only; its url, '' if it is not."""
    url, versions = manifests.url("check.json") if manifests.place else "", []
    folders = [] if objects.is_s3(url) else [
        folder for folder in Path(url).parents if not folder.exists()]
    try:
        report.tried("MANIFESTS", write, connection, url, versions)
        yield url if versions else ""
    finally:
        finding = removed(url, versions[0]) if versions else None
        for folder in folders:
            with suppress(OSError):
                folder.rmdir()
        if finding:
            report.add(*finding)


def write(connection: extensions.connection | None, url: str, versions: list[str]) -> str:
    """Write the object; its version is put into the list."""
    if not url and connection:
        raise Doubt("not set, so every run on Redshift copies every file again. Write"
                    " MANIFESTS = s3://bucket/prefix/ where this machine may write.")
    if not url:
        raise Untried("not set, which only Redshift minds")
    try:
        versions.append(objects.write_new(url, ledger.format_rows(CHECKED)))
    except ObjectError as error:
        with suppress(ObjectError):  # S3 may have it although its answer was lost
            objects.remove(url)
        raise ObjectError(f"{error} etl.py writes its manifests there.") from error
    return f"wrote {url}"


def removed(url: str, version: str) -> tuple[str, str, str]:
    """Remove the object; returns the finding."""
    try:
        objects.remove(url, version)
    except ObjectError as error:
        return "warn", "MANIFESTS", f"{error} The object is left: delete it. A load deletes none."
    return "ok", "MANIFESTS", "removed it again"


# --------------------------------------------------------------------------------------------- COPY

def check_copies(report: Report, connection: extensions.connection, config: Config,
                 samples: dict[str, str], url: str) -> None:
    """Let the server read what a load would, by the same COPYs: with its role, in REGION, by its own
    rules. NOLOAD: they read and convert all of a file, and load nothing."""
    if report.busy:
        report.add("skip", "COPY", "not tried while another load is running")
        return
    files = {"staging_events_files": samples["LOG_DATA"],
             "staging_songs_files": samples["SONG_DATA"], "loaded_files": url}
    values = statements.values_of(config) | files | {
        "staging_events_manifest": AsIs(""), "staging_songs_manifest": AsIs(""),
        "noload": AsIs("NOLOAD")}
    copies = (*sql_queries.copy_table_queries, sql_queries.loaded_files_copy)
    for sql, source in zip(copies, files, strict=True):
        report.tried("COPY", check_copy, connection, sql, values, source)


def check_copy(connection: extensions.connection, sql: str, values: dict, source: str) -> str:
    table = statements.subject_of(sql)
    if not values[source]:
        raise Untried(f"{table}: there is no file for it to read")
    try:
        with statements.undone(connection) as cursor:
            statements.execute(cursor, sql, values)
    except statements.RowsRejected as error:
        raise rejected_rows.refusal(connection, error) from error
    return f"{table}: read {values[source]}, loaded nothing"
