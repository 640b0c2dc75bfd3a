"""What one load does: which files it copies, which statements of sql_queries it runs, what it refuses."""

import logging
from typing import NamedTuple

from psycopg2 import extensions

import sql_queries

from . import ConfigError, DataError, WarehouseError, ledger, objects
from .config import Data
from .objects import Object

log = logging.getLogger(__name__)

LONGEST_REASON = 1000  # characters of a reason, in the history
NO_MANIFESTS = "MANIFESTS is not set, so every file is copied by prefix"
LOADED_BY_PREFIX = "the tables hold rows of a load by prefix"


class Source(NamedTuple):
    """The files for one staging table, as listed, and what a load does with them.

    new and changed are those that differ from what is loaded; whole: all of them are loaded, for the
    reason why. vanished: urls that are loaded but no longer listed. first: none was loaded before.
    """

    table: str
    listed: list[Object] = []
    new: list[Object] = []
    changed: list[Object] = []
    vanished: list[str] = []
    whole: bool = False
    reason: str = ""
    is_first: bool = False

    @property
    def files(self) -> list[Object]:
        """The files that this load takes, in the order of their keys."""
        return self.listed if self.whole else sorted(self.new + self.changed)

    @property
    def to_copy(self) -> list[Object]:
        """Those of them that hold anything: what Redshift makes of an empty one is not known."""
        return [file for file in self.files if file.size]

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)


class Copy(NamedTuple):
    """A COPY with what follows it: ANALYZE, the checks, and those that only warn."""

    source: Source
    sql: str
    analyze: str
    checks: tuple[str, ...]
    warnings: tuple[str, ...]


class Plan(NamedTuple):
    """The two sources of a load.

    full: every table is emptied first and all files are loaded, for the reason why. by_prefix: so
    too, and the files are neither listed nor recorded.
    """

    logs: Source
    songs: Source
    full: bool = False
    reason: str = ""
    by_prefix: bool = False

    @property
    def sources(self) -> tuple[Source, Source]:
        return self.logs, self.songs

    @property
    def has_nothing_new(self) -> bool:
        return not self.by_prefix and not any(source.files for source in self.sources)

    @property
    def loads_logs(self) -> bool:
        return self.by_prefix or bool(self.logs.to_copy)

    @property
    def loads_songs(self) -> bool:
        return self.by_prefix or bool(self.songs.to_copy)

    @property
    def totals(self) -> dict[str, object]:
        """What the history keeps of a plan."""
        whole = self.reason or "; ".join(source.reason for source in self.sources if source.whole)
        size = {"files": sum(len(source.files) for source in self.sources),
                "bytes": sum(source.bytes for source in self.sources)}
        return {"loaded_whole": whole[:LONGEST_REASON] or None} | ({} if self.by_prefix else size)

    # The statements of a load, in the order of its steps. A statement about the plays between
    # %(first_play)s and %(last_play)s is skipped where there are none.

    @property
    def reserve_queries(self) -> tuple[str, ...]:
        return (sql_queries.reserve_queries
                + (sql_queries.reserve_log_queries if self.loads_logs else ())
                + (sql_queries.reserve_song_queries if self.loads_songs else ()))

    @property
    def empty_queries(self) -> tuple[str, ...]:
        queries = sql_queries.empty_staging_queries
        if self.full:
            return queries + sql_queries.empty_table_queries
        return queries + (sql_queries.empty_log_queries if self.logs.whole else ())

    @property
    def copies(self) -> list[Copy]:
        copy_events, copy_songs = sql_queries.copy_table_queries
        analyze_events, analyze_songs = sql_queries.analyze_staging_queries
        copies = []
        if self.loads_logs:
            copies.append(Copy(
                self.logs, copy_events, analyze_events, sql_queries.check_staging_events_queries,
                sql_queries.warn_staging_events_queries))
        if self.loads_songs:
            copies.append(Copy(
                self.songs, copy_songs, analyze_songs, sql_queries.check_staging_songs_queries,
                sql_queries.warn_staging_songs_queries))
        return copies

    @property
    def replace_queries(self) -> list[str]:
        """What replaces in the star schema what the new rows change."""
        if not self.copies:  # the only file to load is one that is empty now
            return []
        queries = [*sql_queries.prepare_queries]
        if self.loads_songs:
            queries += sql_queries.keep_catalogue_queries
            if self.songs.whole:
                queries += sql_queries.empty_song_queries
            queries += sql_queries.touch_song_queries
        if self.loads_logs:
            queries += sql_queries.touch_play_queries
        if self.loads_songs:
            queries += sql_queries.touch_earlier_play_queries
        queries += sql_queries.match_queries
        if self.loads_songs:
            queries += sql_queries.replace_song_queries
            if self.songs.whole:
                queries += sql_queries.whole_song_queries
        if self.loads_logs:
            queries += sql_queries.replace_log_queries
        return queries + [*sql_queries.analyze_play_queries]

    @property
    def star_checks(self) -> tuple[str, ...]:
        return (
            (sql_queries.check_song_queries if self.loads_songs else ())
            + (sql_queries.check_log_queries if self.loads_logs else ()))

    @property
    def record_queries(self) -> tuple[str, ...]:
        return () if self.by_prefix else sql_queries.record_queries

    @property
    def ledger_checks(self) -> tuple[str, ...]:
        return () if self.by_prefix else sql_queries.check_ledger_queries


# ------------------------------------------------------------------------------------------- deciding

def list_sources(data: Data) -> list[tuple[str, str, str]]:
    """Staging table, setting and prefix of each source."""
    return [("staging_events", "LOG_DATA", data.log_data),
            ("staging_songs", "SONG_DATA", data.song_data)]


def list_files(
    setting: str, prefix: str, loaded: dict[str, Object] | None = None
) -> list[Object]:
    """The files of a setting; WarehouseError if the prefix names none.

    A key that ends in / marks a folder, and an empty object that was never loaded holds nothing. One
    that was loaded and is empty now has changed.
    """
    files = [
        file for file in objects.list_objects(prefix)
        if file.size and not file.url.endswith("/") or file.url in (loaded or {})
    ]
    if not any(file.size for file in files):
        wildcards = (" COPY knows no wildcards: write the text that the keys begin with."
                     if set("*?[") & set(prefix) else "")
        raise WarehouseError(
            f"{setting}: there is no object under {objects.escape(prefix)}.{wildcards} Check it in dwh.cfg,"
            " and that this machine may list it."
        )
    return files


def make_plan(
    cursor: extensions.cursor, data: Data, *, by_prefix: bool, full: bool = False, reload: bool = True
) -> Plan:
    """Decide what to load: compare what is listed with what is loaded, for all files at once.

    full: load everything again. reload=False: load what changed like what is new. by_prefix: load
    everything and list nothing. Raises ConfigError where the tables are of an older version.
    """
    loaded = ledger.read_ledger(cursor)
    if by_prefix:
        sources = (Source(table, whole=True, reason=NO_MANIFESTS, is_first=True)
                   for table, *_ in list_sources(data))
        return Plan(*sources, full=True, reason=NO_MANIFESTS, by_prefix=True)
    why = "--full" if full else ""
    if not full and not loaded and ledger.has_earlier_rows(cursor):
        why = LOADED_BY_PREFIX
    sources = []
    for table, setting, prefix in list_sources(data):
        known = loaded.get(table, {})
        source = compare_files(table, list_files(setting, prefix, known), known)
        if not full:
            refuse_swapped(setting, source, loaded)
        reason = why or (explain_whole(source, known) if reload else "")
        sources.append(source._replace(whole=bool(reason), reason=reason, is_first=not known))
    return Plan(*sources, full=bool(why), reason=why)


def refuse_swapped(setting: str, source: Source, loaded: dict[str, dict[str, Object]]) -> None:
    """Raise ConfigError where a new file of a source was loaded before, into the other table."""
    for table, files in loaded.items():
        elsewhere = [file.url for file in source.new if file.url in files]
        if table != source.table and elsewhere:
            raise ConfigError(
                f"{setting}: {objects.escape(elsewhere[0])} was loaded into {table} before: are LOG_DATA"
                " and SONG_DATA swapped in dwh.cfg? If they were swapped then, run etl.py --full.")


def compare_files(table: str, files: list[Object], loaded: dict[str, Object]) -> Source:
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

    A log file that grew has the events it had, which are recognised, unless lines were corrected. Any
    other change takes back something that it said before.
    """
    if source.table != "staging_events":
        return name_first("song file {} changed", source.changed)
    shrunk = [file for file in source.changed if file.size <= loaded[file.url].size]
    if shrunk:
        return name_first("log file {} changed without growing", shrunk)
    unknown, reason = [], ""
    for file in source.changed:
        try:
            is_longer = objects.has_only_grown(file, loaded[file.url])
        except objects.ObjectError as error:
            is_longer, reason = None, f" ({error})"
        if is_longer is False:
            return name_first("log file {} grew, and lines that were loaded were corrected", [file])
        if is_longer is None:
            unknown.append(file)
    log_uncompared(unknown, reason)
    return ""


def log_uncompared(files: list[Object], reason: str) -> None:
    if files:
        log.info("%s%s: if lines that were loaded were corrected, run etl.py --full",
                 name_first("log file {} grew, and was not compared with what was loaded of it", files),
                 reason)


def name_first(what: str, files: list[Object]) -> str:
    """What is said of the first file and of how many more; '' of none."""
    if not files:
        return ""
    more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
    return what.format(f"{objects.escape(files[0].url)}{more}")


def describe_plan(plan: Plan) -> str:
    """What the plan found and what is loaded whole, for the log."""
    if plan.by_prefix:
        return f"everything to load: {plan.reason}"
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
        parts.append(f"all are loaded, because {plan.reason}")
    else:
        parts += [f"all for {source.table} are loaded, because {source.reason}"
                  for source in plan.sources if source.whole]
    return "; ".join(parts)


WAYS_OUT = (
    "Run etl.py --no-reload to load the changed files like grown ones (known events stay, and corrected"
    " lines may keep their old rows until the next etl.py --full), or etl.py --force to load these files"
    " again all the same, or etl.py {full} to load all logs and songs again."
)


def refuse_reload(plan: Plan, max_reload: int, *, full: bool, force: bool) -> None:
    """Raise DataError where a source would be loaded whole and lose rows of vanished files, or has
    more than max_reload bytes and nobody asked for it (full). force allows both."""
    if refusal := explain_refusal(plan, max_reload, full=full, force=force):
        raise DataError(refusal)


def explain_refusal(plan: Plan, max_reload: int, *, full: bool, force: bool) -> str:
    """Why the load of a plan is refused, and the ways out; '' if it is not."""
    refused = []
    for source in plan.sources:
        if force or source.is_first or not source.whole:
            continue
        what = f"all {len(source.listed):,} files of {source.table} are to be loaded again"
        what += "" if full else f" ({source.reason})"
        if source.vanished:
            names = ", ".join(map(objects.escape, source.vanished[:3]))
            names += ", …" if len(source.vanished) > 3 else ""
            refused.append(f"{what}, but {len(source.vanished):,} loaded files are gone and their rows"
                           f" would be lost: {names}.")
        elif source.bytes > max_reload and not full:
            refused.append(f"{what}: {source.bytes:,} bytes, more than MAX_RELOAD ="
                           f" {max_reload:,}.")
    if not refused:
        return ""
    if full:
        return "\n".join([*refused, "Bring them back, or run etl.py --full --force."])
    gone = any(source.vanished for source in plan.sources)
    return "\n".join([*refused, WAYS_OUT.format(full="--full --force" if gone else "--full")])


def refuse_archived(plan: Plan) -> None:
    """Raise ObjectError where this load would read an object that is archived and not restored."""
    for source in plan.sources:
        objects.refuse_archived(source.to_copy)
