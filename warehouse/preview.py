"""etl.py --status and --dry-run: show what a load would do, without changing anything."""

import argparse

from psycopg2 import extensions
from psycopg2.extensions import AsIs

import sql_queries

from . import history
from .config import Config
from .console import format_table
from .database.statements import values_of
from .database.transactions import rolling_back
from .manifests import Manifests
from .objects import escape
from .plan import NO_MANIFESTS, Plan, describe_plan, explain_refusal, make_plan
from .session import connecting

MOST_FILES = 20  # shown by name
MOST_LOADS = 5
MOST_HOURS = 99_999
# A load reads these from its new rows, so a dry run prints their names.
SPANS = {name: AsIs(name) for name in ("first_play", "last_play", "first_changed", "last_changed")}


def show_status(config: Config, arguments: argparse.Namespace) -> str | None:
    """Compare the files with the ledger, and describe the next load and the last ones (--status).

    With --max-age, raise WarehouseError first if the last success is too old. With --quiet as well,
    print nothing else.
    """
    with connecting(config) as connection:
        if arguments.max_age:
            with rolling_back(connection) as cursor:
                history.refuse_stale(cursor, arguments.max_age)
            if arguments.quiet:
                return None
        with (
            Manifests(config.data, connection) as manifests,
            rolling_back(connection) as cursor,
        ):
            plan = make_plan(cursor, config.data, by_prefix=False, full=arguments.full,
                             may_reload=not arguments.no_reload)
            if not manifests.location:  # the files are shown even so
                plan = plan._replace(full=True, reason=NO_MANIFESTS, by_prefix=True)
            refusal = "" if plan.by_prefix else explain_refusal(
                plan, config.limits.max_reload, full=arguments.full, force=arguments.force)
            next_load = f"next load: refused, because {refusal}" if refusal else describe_next_load(plan)
            return format_status(plan, next_load, cursor)


def show_dry_run(config: Config, arguments: argparse.Namespace) -> str:
    """List the files that a load would take, and its statements with their values (--dry-run)."""
    with (
        connecting(config) as connection,
        Manifests(config.data, connection) as manifests,
        rolling_back(connection) as cursor,
    ):
        plan = make_plan(cursor, config.data, by_prefix=not manifests.location, full=arguments.full,
                         may_reload=not arguments.no_reload)
        return "\n\n".join([describe_files(plan), *bind_statements(cursor, config, manifests, plan)])


def format_status(plan: Plan, next_load: str, cursor: extensions.cursor) -> str:
    """Format the result of --status: a line per source, vanished files, the next load, the last loads.

    A line counts the objects and their bytes, and how many are loaded, new and changed.
    """
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
    gone = f"vanished (loaded files that are no longer there): {len(vanished):,}" + "".join(
        f"\n  {escape(url)}" for url in vanished[:MOST_FILES])
    if len(vanished) > MOST_FILES:
        gone += f"\n  … and {len(vanished) - MOST_FILES:,} more"
    return "\n".join([table, gone, next_load, format_loads(cursor)])


def describe_next_load(plan: Plan) -> str:
    """Describe what the next load would do."""
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
    """Format the age of the last success, and the last successful runs, the latest first."""
    last = history.find_last_times(cursor)
    success = "none" if not last.success else (
        f"{last.success:%Y-%m-%d %H:%M:%S} UTC, {history.format_age(last.success)}")
    if last.has_been_reset:
        success += "; the tables have been reset since"
    lines = [
        (f"{load.begun_at:%Y-%m-%d %H:%M:%S}", "whole load" if load.loaded_whole else load.kind,
         *("" if count is None else f"{count:,}" for count in (
             load.files, load.bytes, load.songplays, load.with_song, load.with_artist,
             load.changed_plays, load.rejected)))
        for load in history.read_last_loads(cursor, MOST_LOADS)
    ]
    heads = ("started (UTC)", "kind", "files", "bytes", "songplays", "with song", "with artist",
             "changed plays", "rejected")
    return f"last success: {success}\n\n{format_table([heads, *lines])}"


def parse_hours(text: str) -> int:
    if not (text.isdecimal() and len(text) < 6 and int(text)):
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 to {MOST_HOURS:,}")
    return int(text)


def describe_files(plan: Plan) -> str:
    """List the files that would be loaded, as SQL comments."""
    lines = [f"-- dry run: {describe_plan(plan)}"]
    for source in plan.sources:
        files = source.files
        lines += [
            f"--   {source.table}: {escape(file.url)} ({file.size:,} bytes)" for file in files[:MOST_FILES]
        ]
        if len(files) > MOST_FILES:
            lines.append(f"--   {source.table}: … and {len(files) - MOST_FILES:,} more")
    return "\n".join(lines)


def bind_statements(cursor, config: Config, manifests: Manifests, plan: Plan) -> list[str]:
    """Bind the statements of a load, in order, to the values that are known before it."""
    if plan.has_nothing_new:
        return []
    values = values_of(config) | manifests.make_values(plan) | SPANS
    return [f"{cursor.mogrify(sql, values).decode().strip()};" for sql in list_statements(plan)]


def list_statements(plan: Plan) -> list[str]:
    """List the statements of etl.run in order.

    Left out are those that only read for the plan or the summary, and the INSERT into loads.
    """
    queries = [sql_queries.etl_lock_take, sql_queries.etl_lock_increment, *plan.write_lock_queries,
               *plan.empty_queries]
    for copy in plan.copies:
        queries += [copy.sql, copy.analyze, *copy.checks, *copy.warnings]
    return [*queries, *plan.replace_queries, *plan.star_checks, *plan.record_queries,
            *plan.ledger_checks]
