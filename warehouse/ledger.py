"""What is under LOG_DATA and SONG_DATA, held against loaded_files: what a load has to do."""

import json
from typing import NamedTuple

from psycopg2 import extensions

from . import DataError, WarehouseError, objects
from .config import Config
from .objects import Object
from .statements import execute


class Source(NamedTuple):
    """The files for one staging table, as listed; new and changed are those of them to load."""

    table: str
    listed: list[Object]
    new: list[Object]
    changed: list[Object]

    @property
    def to_load(self) -> list[Object]:
        return self.new + self.changed


class Plan(NamedTuple):
    """What a load would do.

    vanished: urls that are loaded but no longer listed. full: why every table is emptied first and
    all files are loaded, '' if only new ones are.
    """

    sources: list[Source]
    vanished: list[str]
    full: str

    def files(self, source: Source) -> list[Object]:
        """The files of a source that this load copies, in the order of their keys."""
        return source.listed if self.full else sorted(source.to_load)

    @property
    def all_files(self) -> list[Object]:
        return [file for source in self.sources for file in self.files(source)]

    @property
    def nothing_new(self) -> bool:
        return not self.full and not self.all_files


def listed_sources(config: Config) -> list[tuple[str, list[Object]]]:
    """Table and files for each setting."""
    return [("staging_events", listed(config, "LOG_DATA", config.log_data)),
            ("staging_songs", listed(config, "SONG_DATA", config.song_data))]


def listed(config: Config, setting: str, prefix: str) -> list[Object]:
    """The files of a setting; WarehouseError if the prefix names no object at all."""
    files = objects.listed(prefix)
    if not files:
        raise WarehouseError(
            f"{setting}: there is no object under {prefix}. Check it in {config.path.name}, and"
            " that this machine may list it."
        )
    return files


LOADED_FILES = """-- list loaded_files: every file loaded so far, in its version
SELECT url, etag, bytes
FROM loaded_files
"""


def plan(cursor: extensions.cursor, config: Config, full: bool = False) -> Plan:
    """Compare what is listed with what is loaded, for all files at once."""
    sources = listed_sources(config)
    execute(cursor, LOADED_FILES, {})
    loaded = {url: Object(url, size, etag) for url, etag, size in cursor}
    compared = [compare(table, files, loaded) for table, files in sources]
    listed = {file.url for source in compared for file in source.listed}
    vanished = [url for url in loaded if url not in listed]
    reason = "--full" if full else reason_for_full(cursor, loaded, compared)
    return Plan(compared, sorted(vanished), reason)


def compare(table: str, files: list[Object], loaded: dict[str, Object]) -> Source:
    return Source(
        table,
        files,
        [file for file in files if file.url not in loaded],
        [file for file in files if loaded.get(file.url, file).etag != file.etag],
    )


STAGING_ROWS = """-- count staging: rows, also those of a load by prefix, which leaves no ledger
SELECT (SELECT COUNT(*) FROM staging_events) + (SELECT COUNT(*) FROM staging_songs)
"""


def reason_for_full(cursor: extensions.cursor, loaded: dict, sources: list[Source]) -> str:
    """Why new files cannot simply be added, or ''."""
    if not loaded:
        execute(cursor, STAGING_ROWS, {})
        return "the tables hold rows of a load by prefix" if cursor.fetchone()[0] else ""
    # A log file that grew has the events it had, which are recognised. Any other change takes
    # something back, and what it said before is still in staging.
    logs, songs = sources
    otherwise = [file for file in logs.changed if file.size <= loaded[file.url].size]
    for what, files in (
        ("song file {} changed", songs.changed), ("log file {} changed without growing", otherwise),
    ):
        if files:
            more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
            return what.format(f"{files[0].url}{more}")
    return ""


def counted(plan: Plan) -> str:
    """What the plan found, for the log."""
    parts = [
        f"{len(source.listed):,} files for {source.table} ({len(source.new):,} new,"
        f" {len(source.changed):,} changed)"
        for source in plan.sources
    ]
    if plan.vanished:
        fate = "lose their rows" if plan.full else "stay loaded"
        parts.append(f"loaded files that are gone and {fate}: {len(plan.vanished):,}")
    return "; ".join(parts) or plan.full


def refuse_loss(plan: Plan) -> None:
    """Raise DataError if a full load would lose the rows of files that are gone."""
    if plan.full and plan.vanished:
        shown = ", ".join(plan.vanished[:3]) + (", …" if len(plan.vanished) > 3 else "")
        raise DataError(
            f"a full load is due ({plan.full}), but {len(plan.vanished):,} loaded files are gone and"
            f" their rows would be lost: {shown}. Bring them back, or run etl.py --full --force."
        )


def lines(files: list[Object]) -> bytes:
    """The rows for loaded_files, as JSON for its COPY."""
    return "".join(
        json.dumps({"url": file.url, "etag": file.etag, "bytes": file.size}) + "\n"
        for file in files
    ).encode()
