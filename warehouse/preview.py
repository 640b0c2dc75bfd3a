"""etl.py --status and --dry-run: what S3 has, what a load would do. Nothing is changed."""

import argparse

from psycopg2 import extensions
from psycopg2.extensions import AsIs

import sql_queries

from . import history
from .config import Config
from .console import format_table
from .database.statements import values_of
from .database.transactions import undoing
from .manifests import Manifests
from .objects import escape
from .plan import NO_MANIFESTS, Plan, describe_plan, explain_refusal, make_plan
from .session import connecting

MOST_FILES = 20  # are shown by name
MOST_LOADS = 5
MOST_HOURS = 99_999
# A load reads these from its new rows.
SPANS = {name: AsIs(name) for name in ("first_play", "last_play", "first_changed", "last_changed")}


def show_status(config: Config, arguments: argparse.Namespace) -> str | None:
    """--status: what is listed and loaded, what is due, and the last loads. With --max-age it fails,
    before it lists, where the last success is too old; and says no more if it is to be quiet."""
    with connecting(config) as connection:
        if arguments.max_age:
            with undoing(connection) as cursor:
                history.refuse_stale(cursor, arguments.max_age)
            if arguments.quiet:
                return None
        with (
            Manifests(config.data, connection) as manifests,
            undoing(connection) as cursor,
        ):
            plan = make_plan(cursor, config.data, by_prefix=False, full=arguments.full,
                             reload=not arguments.no_reload)
            if not manifests.place:  # what is listed is still shown
                plan = plan._replace(full=True, reason=NO_MANIFESTS, by_prefix=True)
            refusal = "" if plan.by_prefix else explain_refusal(
                plan, config.limits.max_reload, full=arguments.full, force=arguments.force)
            due = f"next load: refused, because {refusal}" if refusal else describe_next_load(plan)
            return format_status(plan, due, cursor)


def show_dry_run(config: Config, arguments: argparse.Namespace) -> str:
    """--dry-run: the files that a load would take, and its statements with their values."""
    with (
        connecting(config) as connection,
        Manifests(config.data, connection) as manifests,
        undoing(connection) as cursor,
    ):
        plan = make_plan(cursor, config.data, by_prefix=not manifests.place, full=arguments.full,
                         reload=not arguments.no_reload)
        return "\n\n".join([describe_files(plan), *bind_statements(cursor, config, manifests, plan)])


def format_status(plan: Plan, due: str, cursor: extensions.cursor) -> str:
    """A line per source: objects and bytes listed, and how many of them are loaded, new, changed; what
    is due, and the last loads."""
    lines = [
        (
            source.table,
            f"{len(source.listed):,}",
            f"{sum(file.size for file in source.listed):,}",
            f"{len(source.listed) - len(source.new) - len(source.changed):,}",
            f"{len(source.new):,}",
            f"{len(source.changed):,}",
        )
        for source in plan.sources
    ]
    table = format_table([("for", "objects", "bytes", "loaded", "new", "changed"), *lines])
    vanished = [url for source in plan.sources for url in source.vanished]
    gone = f"vanished: {len(vanished):,} loaded files are no longer there" + "".join(
        f"\n  {escape(url)}" for url in vanished[:MOST_FILES])
    if len(vanished) > MOST_FILES:
        gone += f"\n  … and {len(vanished) - MOST_FILES:,} more"
    return "\n".join([table, gone, due, format_loads(cursor)])


def describe_next_load(plan: Plan) -> str:
    """What the next load will do."""
    if plan.has_nothing_new:
        return "next load: nothing to do"
    if plan.full:
        return f"next load: all files, because {plan.reason}"
    parts = [
        f"all files for {source.table}, because {source.reason}" if source.whole
        else f"new and changed files for {source.table}"
        for source in plan.sources if source.files
    ]
    return f"next load: {'; '.join(parts)}"


def format_loads(cursor: extensions.cursor) -> str:
    """The age of the last success, and the last runs that succeeded, the latest first."""
    last = history.find_last_runs(cursor)
    success = "none" if not last.success else (
        f"{last.success:%Y-%m-%d %H:%M:%S} UTC, {history.format_age(last.success)}")
    if last.is_reset_since:
        success += "; the tables were reset since"
    lines = [
        (f"{load.begun_at:%Y-%m-%d %H:%M:%S}", "whole load" if load.loaded_whole else load.kind,
         *("" if count is None else f"{count:,}" for count in (
             load.files, load.bytes, load.songplays, load.with_song, load.with_artist,
             load.changed_plays, load.rejected)))
        for load in history.read_last_loads(cursor, MOST_LOADS)
    ]
    heads = ("begun (UTC)", "kind", "files", "bytes", "songplays", "with song", "with artist",
             "changed plays", "rejected")
    return f"last success: {success}\n\n{format_table([heads, *lines])}"


def parse_hours(text: str) -> int:
    if not (text.isdecimal() and len(text) < 6 and int(text)):
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1 to {MOST_HOURS:,}")
    return int(text)


def describe_files(plan: Plan) -> str:
    """The files that would be loaded, as SQL comments."""
    lines = [f"-- dry run: {describe_plan(plan)}"]
    for source in plan.sources:
        chosen = source.files
        lines += [
            f"--   {source.table}: {escape(file.url)} ({file.size:,} bytes)" for file in chosen[:MOST_FILES]
        ]
        if len(chosen) > MOST_FILES:
            lines.append(f"--   {source.table}: … and {len(chosen) - MOST_FILES:,} more")
    return "\n".join(lines)


def bind_statements(cursor, config: Config, manifests: Manifests, plan: Plan) -> list[str]:
    """The statements of a load in their order, with their values as far as they are known yet."""
    if plan.has_nothing_new:
        return []
    values = values_of(config) | manifests.make_values(plan) | SPANS
    return [f"{cursor.mogrify(sql, values).decode().strip()};" for sql in list_statements(plan)]


def list_statements(plan: Plan) -> list[str]:
    """What etl.run executes, in its order, but for what it only reads to plan and to report."""
    queries = [sql_queries.etl_lock_take, sql_queries.etl_lock_count, *plan.reserve_queries,
               *plan.empty_queries]
    for copy in plan.copies:
        queries += [copy.sql, copy.analyze, *copy.checks, *copy.warnings]
    return [*queries, *plan.replace_queries, *plan.star_checks, *plan.record_queries,
            *plan.ledger_checks]
