"""The plan of a load: which files it copies, which statements it runs, and what it refuses to do."""

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
    """The files for one staging table, and which of them a load takes.

    listed are all files that exist now. new ones are not in the ledger, and changed ones are there in
    another version. vanished are urls in the ledger that do not exist now. whole means that all listed
    files are loaded, for the given reason. is_first_load means that no file was loaded before.
    """

    table: str
    listed: list[Object] = []
    new: list[Object] = []
    changed: list[Object] = []
    vanished: list[str] = []
    whole: bool = False
    reason: str = ""
    is_first_load: bool = False

    @property
    def files(self) -> list[Object]:
        """The files that this load takes, ordered by key."""
        return self.listed if self.whole else sorted(self.new + self.changed)

    @property
    def to_copy(self) -> list[Object]:
        """Those of the files that are not empty. The guide does not say how COPY treats an empty file."""
        return [file for file in self.files if file.size]

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)


class Copy(NamedTuple):
    """A COPY and what follows it: ANALYZE, the checks, and the checks that only warn."""

    source: Source
    sql: str
    analyze: str
    checks: tuple[str, ...]
    warnings: tuple[str, ...]


class Plan(NamedTuple):
    """The two sources of a load.

    full means that every table is emptied first and all files are loaded, for the given reason.
    by_prefix means the same, but the files are neither listed nor recorded in the ledger.
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
        """Values for the columns of `loads`."""
        whole = self.reason or "; ".join(source.reason for source in self.sources if source.whole)
        size = {"files": sum(len(source.files) for source in self.sources),
                "bytes": sum(source.bytes for source in self.sources)}
        return {"loaded_whole": whole[:LONGEST_REASON] or None} | ({} if self.by_prefix else size)

    # The statements of a load, in the order of its steps. Statements about the plays between
    # %(first_play)s and %(last_play)s are skipped if there are none.

    @property
    def write_lock_queries(self) -> tuple[str, ...]:
        return (sql_queries.write_lock_queries
                + (sql_queries.write_lock_log_queries if self.loads_logs else ())
                + (sql_queries.write_lock_song_queries if self.loads_songs else ()))

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
        """The statements that replace the touched rows of the star schema."""
        if not self.copies:  # every file to load is empty now
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


# ------------------------------------------------------------------------------------------ decisions

def list_sources(data: Data) -> list[tuple[str, str, str]]:
    """List the staging table, the setting and the prefix of each source."""
    return [("staging_events", "LOG_DATA", data.log_data),
            ("staging_songs", "SONG_DATA", data.song_data)]


def list_files(
    setting: str, prefix: str, loaded: dict[str, Object] | None = None
) -> list[Object]:
    """List the files of a setting. Raises WarehouseError if there are none, or if all are empty.

    Keys that end in / mark folders and are left out. So are empty objects, unless they are in the
    ledger: those have changed.
    """
    files = [
        file for file in objects.list_objects(prefix)
        if file.size and not file.url.endswith("/") or file.url in (loaded or {})
    ]
    if not any(file.size for file in files):
        wildcards = (" COPY has no wildcards: write the text that the keys begin with."
                     if set("*?[") & set(prefix) else "")
        raise WarehouseError(
            f"{setting}: there is no object under {objects.escape(prefix)}, or only empty ones.{wildcards}"
            " Check it in dwh.cfg, and check that this machine may list it."
        )
    return files


def make_plan(
    cursor: extensions.cursor, data: Data, *, by_prefix: bool, full: bool = False,
    may_reload: bool = True
) -> Plan:
    """Decide what to load by comparing the files that exist with the ledger.

    full loads everything again. may_reload=False never loads a source whole, so that changed files are
    loaded like new ones. by_prefix loads everything and lists nothing. Raises ConfigError if the tables
    are those of an older version or if the sources look swapped.
    """
    loaded = ledger.read_ledger(cursor)
    if by_prefix:
        sources = (Source(table, whole=True, reason=NO_MANIFESTS, is_first_load=True)
                   for table, *_ in list_sources(data))
        return Plan(*sources, full=True, reason=NO_MANIFESTS, by_prefix=True)
    reason = "--full" if full else ""
    if not full and not loaded and ledger.has_earlier_rows(cursor):
        reason = LOADED_BY_PREFIX
    sources = []
    for table, setting, prefix in list_sources(data):
        earlier = loaded.get(table, {})
        source = compare_files(table, list_files(setting, prefix, earlier), earlier)
        if not full:
            refuse_swapped(setting, source, loaded)
        why_whole = reason or (explain_whole(source, earlier) if may_reload else "")
        sources.append(source._replace(
            whole=bool(why_whole), reason=why_whole, is_first_load=not earlier))
    return Plan(*sources, full=bool(reason), reason=reason)


def refuse_swapped(setting: str, source: Source, loaded: dict[str, dict[str, Object]]) -> None:
    """Raise ConfigError if a new file of a source was loaded into the other table before."""
    for table, files in loaded.items():
        elsewhere = [file.url for file in source.new if file.url in files]
        if table != source.table and elsewhere:
            raise ConfigError(
                f"{setting}: {objects.escape(elsewhere[0])} was loaded into {table} before: are LOG_DATA"
                " and SONG_DATA swapped in dwh.cfg? If they were swapped in that earlier load, run"
                " etl.py --full.")


def compare_files(table: str, files: list[Object], loaded: dict[str, Object]) -> Source:
    """Sort the files of a source into new, changed and vanished."""
    listed = {file.url for file in files}
    return Source(
        table,
        files,
        [file for file in files if file.url not in loaded],
        [file for file in files if loaded.get(file.url, file).etag != file.etag],
        sorted(url for url in loaded if url not in listed),
    )


def explain_whole(source: Source, loaded: dict[str, Object]) -> str:
    """Return the reason why all files of a source must be loaded again; '' if there is none.

    A log file that only grew needs no reload: the load recognises the events that the file had before. Any
    other change may remove or correct rows that are loaded.
    """
    if source.table != "staging_events":
        return format_first("song file {} changed", source.changed)
    shrunk = [file for file in source.changed if file.size <= loaded[file.url].size]
    if shrunk:
        return format_first("log file {} changed without growing", shrunk)
    uncompared, problem = [], ""
    for file in source.changed:
        try:
            has_only_grown = objects.has_only_grown(file, loaded[file.url])
        except objects.ObjectError as error:
            has_only_grown, problem = None, problem if uncompared else f" ({error})"
        if has_only_grown is False:
            return format_first("log file {} grew, and loaded lines were corrected", [file])
        if has_only_grown is None:
            uncompared.append(file)
    log_uncompared(uncompared, problem)
    return ""


def log_uncompared(files: list[Object], problem: str) -> None:
    """Log which files grew but could not be compared with their loaded content, if any."""
    if files:
        log.info("%s%s. If loaded lines were corrected in it, run etl.py --full",
                 format_first("log file {} grew, and was not compared with its loaded content", files),
                 problem)


def format_first(message: str, files: list[Object]) -> str:
    """Fill a message with the url of the first file and the number of others; '' if there are no files."""
    if not files:
        return ""
    more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
    return message.format(f"{objects.escape(files[0].url)}{more}")


def describe_plan(plan: Plan) -> str:
    """Describe for the log which files were found, and what is loaded whole and why."""
    if plan.by_prefix:
        return f"everything to load: {plan.reason}"
    parts = [
        f"files for {source.table}: {len(source.listed):,} ({len(source.new):,} new,"
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
    "Run etl.py --no-reload to load only the new and changed files: corrected lines may then keep their"
    " old rows until the next etl.py --full. Or run etl.py --force to load these files again anyway, or"
    " etl.py {full} to load all logs and songs again."
)


def refuse_reload(plan: Plan, max_reload: int, *, full: bool, force: bool) -> None:
    """Raise DataError if a whole load of a source would lose rows or is larger than max_reload bytes.

    full is a request for a whole load, of any size. force allows everything.
    """
    if refusal := explain_refusal(plan, max_reload, full=full, force=force):
        raise DataError(refusal)


def explain_refusal(plan: Plan, max_reload: int, *, full: bool, force: bool) -> str:
    """Return why this plan is refused, and what the user can do instead; '' if it is not refused."""
    refusals = []
    for source in plan.sources:
        if force or source.is_first_load or not source.whole:
            continue
        sentence = f"all files of {source.table} ({len(source.listed):,} in total) would be loaded again"
        sentence += "" if full else f", because {source.reason}"
        if source.vanished:
            names = ", ".join(map(objects.escape, source.vanished[:3]))
            names += ", …" if len(source.vanished) > 3 else ""
            refusals.append(f"{sentence}. That would lose the rows of loaded files that are gone"
                            f" ({len(source.vanished):,}): {names}.")
        elif source.bytes > max_reload and not full:
            refusals.append(f"{sentence}. They have {source.bytes:,} bytes, more than MAX_RELOAD ="
                            f" {max_reload:,}.")
    if not refusals:
        return ""
    if full:
        return "\n".join([*refusals, "Restore these files, or run etl.py --full --force."])
    gone = any(source.vanished for source in plan.sources)
    return "\n".join([*refusals, WAYS_OUT.format(full="--full --force" if gone else "--full")])


def refuse_archived(plan: Plan) -> None:
    """Raise ObjectError if this load would read an object that is archived in S3 and not restored."""
    for source in plan.sources:
        objects.refuse_archived(source.to_copy)
