"""What is under LOG_DATA and SONG_DATA, compared with loaded_files: what a load has to do."""

import argparse
import json

from psycopg2 import errorcodes, extensions

from . import ConfigError, DataError, WarehouseError, objects, tables
from .config import Config
from .database.statements import execute
from .objects import Object
from .plan import Plan, Source

NO_MANIFESTS = "MANIFESTS is not set, so every file is copied by prefix"
LOADED_BY_PREFIX = "the tables hold rows of a load by prefix"

LOADED_FILES = """-- list loaded_files: every file loaded so far, in its version
SELECT loaded_into, url, etag, bytes
FROM loaded_files
"""

EARLIER_ROWS = """-- count earlier rows: whether a load by prefix, which leaves no ledger, left any
SELECT COUNT(*)
FROM (
    SELECT 'song' AS what FROM catalogue
    UNION ALL
    SELECT 'event' FROM latest_events
) AS earlier_rows
"""


def list_sources(config: Config) -> list[tuple[str, str, str]]:
    """Staging table, setting and prefix of each source."""
    return [("staging_events", "LOG_DATA", config.log_data),
            ("staging_songs", "SONG_DATA", config.song_data)]


def list_files(
    config: Config, setting: str, prefix: str, loaded: dict[str, Object] | None = None
) -> list[Object]:
    """The files of a setting; WarehouseError if the prefix names none.

    A key that ends in / marks a folder, and an empty object that was never loaded holds nothing. One
    that was loaded and is empty now has changed.
    """
    files = [
        file for file in objects.listed(prefix)
        if file.size and not file.url.endswith("/") or file.url in (loaded or {})
    ]
    if not any(file.size for file in files):
        raise WarehouseError(
            f"{setting}: there is no object under {prefix}. Check it in {config.path.name}, and that"
            " this machine may list it."
        )
    return files


def plan(
    cursor: extensions.cursor, config: Config, full: bool = False, reload: bool = True
) -> Plan:
    """Compare what is listed with what is loaded, for all files at once.

    full: everything is loaded again. reload=False: what changed is loaded like what is new. Raises
    ConfigError where the tables are of an older version.
    """
    loaded = read_ledger(cursor)
    why = "--full" if full else "" if loaded else explain_first_with_manifests(cursor)
    sources = []
    for table, setting, prefix in list_sources(config):
        known = loaded.get(table, {})
        source = compare(table, list_files(config, setting, prefix, known), known)
        sources.append(source._replace(
            whole=why or (reload and explain_whole(source, known)) or "", first=not known))
    return Plan(*sources, full=why)


def read_ledger(cursor: extensions.cursor) -> dict[str, dict[str, Object]]:
    """The loaded files by staging table and url."""
    try:
        execute(cursor, LOADED_FILES, {})
    except WarehouseError as error:
        if getattr(error.__cause__, "pgcode", "") == errorcodes.UNDEFINED_COLUMN:
            raise ConfigError(tables.OLDER_VERSION) from error
        raise
    loaded: dict[str, dict[str, Object]] = {}
    for table, url, etag, size in cursor:
        loaded.setdefault(table, {})[url] = Object(url, size, etag)
    return loaded


def explain_first_with_manifests(cursor: extensions.cursor) -> str:
    execute(cursor, EARLIER_ROWS, {})
    return LOADED_BY_PREFIX if cursor.fetchone()[0] else ""


def compare(table: str, files: list[Object], loaded: dict[str, Object]) -> Source:
    listed = {file.url for file in files}
    return Source(
        table,
        files,
        [file for file in files if file.url not in loaded],
        [file for file in files if loaded.get(file.url, file).etag != file.etag],
        sorted(url for url in loaded if url not in listed),
    )


def explain_whole(source: Source, loaded: dict[str, Object]) -> str:
    """Why all files of a source are loaded again, or ''.

    A log file that grew has the events it had, which are recognised. Any other change takes back
    something that it said before.
    """
    what, changed = "song file {} changed", source.changed
    if source.table == "staging_events":
        what = "log file {} changed without growing"
        changed = [file for file in changed if file.size <= loaded[file.url].size]
    if not changed:
        return ""
    more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
    return what.format(f"{changed[0].url}{more}")


def describe(plan: Plan) -> str:
    """What the plan found and what is loaded whole, for the log."""
    if plan.by_prefix:
        return f"everything to load: {plan.full}"
    parts = [
        f"{len(source.listed):,} files for {source.table} ({len(source.new):,} new,"
        f" {len(source.changed):,} changed)"
        for source in plan.sources
    ]
    for source in plan.sources:
        if source.vanished:
            fate = "lose their rows" if source.whole else "stay loaded"
            parts.append(
                f"files of {source.table} that are gone and {fate}: {len(source.vanished):,}")
    if plan.full:
        parts.append(f"all are loaded, because {plan.full}")
    else:
        parts += [f"all for {source.table} are loaded, because {source.whole}"
                  for source in plan.sources if source.whole]
    return "; ".join(parts)


WAYS_OUT = (
    "Run etl.py --no-reload to load the changed files like grown ones (known events stay, and corrected"
    " lines may keep their old rows until the next etl.py --full), or etl.py --force to load these files"
    " again all the same, or etl.py {full} to load all logs and songs again."
)


def refuse_reload(plan: Plan, config: Config, arguments: argparse.Namespace) -> None:
    """Raise DataError where a source would be loaded whole and lose rows of vanished files, or has
    more than MAX_RELOAD bytes and nobody asked for it. --force allows both."""
    if refusal := explain_refusal(plan, config, arguments):
        raise DataError(refusal)


def explain_refusal(plan: Plan, config: Config, arguments: argparse.Namespace) -> str:
    """Why the load of a plan is refused, and the ways out; '' if it is not."""
    refused = []
    for source in plan.sources:
        if arguments.force or source.first or not source.whole:
            continue
        what = f"all {len(source.listed):,} files of {source.table} are to be loaded again"
        what += "" if arguments.full else f" ({source.whole})"
        if source.vanished:
            names = ", ".join(source.vanished[:3]) + (", …" if len(source.vanished) > 3 else "")
            refused.append(f"{what}, but {len(source.vanished):,} loaded files are gone and their rows"
                           f" would be lost: {names}.")
        elif source.bytes > config.max_reload and not arguments.full:
            refused.append(f"{what}: {source.bytes:,} bytes, more than MAX_RELOAD ="
                           f" {config.max_reload:,}.")
    if not refused:
        return ""
    if arguments.full:
        return "\n".join([*refused, "Bring them back, or run etl.py --full --force."])
    gone = any(source.vanished for source in plan.sources)
    return "\n".join([*refused, WAYS_OUT.format(full="--full --force" if gone else "--full")])


def refuse_archived(plan: Plan) -> None:
    """Raise ObjectError where this load would read an object that is archived and not restored."""
    for source in plan.sources:
        objects.refuse_archived(source.to_copy)


def format_rows(plan: Plan) -> bytes:
    """The rows for loaded_files, as JSON for its COPY."""
    return "".join(
        json.dumps({"url": file.url, "etag": file.etag, "bytes": file.size,
                    "loaded_into": source.table}, ensure_ascii=False) + "\n"
        for source in plan.sources for file in source.files
    ).encode()
