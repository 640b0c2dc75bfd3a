"""What one load does: which files it copies, and which statements of sql_queries it runs."""

from typing import NamedTuple

import sql_queries

from .objects import Object

MOST_TOLD = 1000  # characters of a reason, in the history


class Source(NamedTuple):
    """The files for one staging table, as listed, and what a load does with them.

    new and changed are those of them to load. vanished: urls that are loaded but no longer listed.
    whole: why all of them are loaded, '' if only new and changed ones are. first: none of them was
    loaded before.
    """

    table: str
    listed: list[Object] = []
    new: list[Object] = []
    changed: list[Object] = []
    vanished: list[str] = []
    whole: str = ""
    first: bool = False

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

    full: why every table is emptied first and all files are loaded, '' if that is not so.
    by_prefix: files are neither listed nor recorded, and all are loaded.
    """

    logs: Source
    songs: Source
    full: str = ""
    by_prefix: bool = False

    @property
    def sources(self) -> tuple[Source, Source]:
        return self.logs, self.songs

    @property
    def nothing_new(self) -> bool:
        return not self.by_prefix and not any(source.files for source in self.sources)

    @property
    def loads_logs(self) -> bool:
        return self.by_prefix or bool(self.logs.to_copy)

    @property
    def loads_songs(self) -> bool:
        return self.by_prefix or bool(self.songs.to_copy)

    @property
    def whole(self) -> str:
        """What is loaded whole, and why, or ''."""
        return self.full or "; ".join(source.whole for source in self.sources if source.whole)

    @property
    def totals(self) -> dict[str, object]:
        """What the history keeps of a plan."""
        counted = {"files": sum(len(source.files) for source in self.sources),
                   "bytes": sum(source.bytes for source in self.sources)}
        return {"loaded_whole": self.whole[:MOST_TOLD] or None} | ({} if self.by_prefix else counted)

    # The statements of a load, in the order of its steps. A statement about the plays between
    # %(first_play)s and %(last_play)s is skipped where there are none.

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
