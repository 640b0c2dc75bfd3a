"""etl.py --status and --dry-run: what S3 has, what a load would do. Nothing is changed."""

import argparse

from psycopg2 import extensions

import sql_queries

from . import ledger, statements
from .command import table_of
from .config import Config
from .manifests import NOTHING_COPIED, Manifests

MOST_FILES = 20  # are shown by name


def shown(
    connection: extensions.connection, config: Config, arguments: argparse.Namespace
) -> str:
    """The status or the dry run, as text."""
    with Manifests(config, connection) as manifests, statements.transaction(connection) as cursor:
        if arguments.status:
            plan = ledger.plan(cursor, config, arguments.full)
            if not manifests.place:
                plan = plan._replace(full=manifests.plan(cursor, arguments.full).full)
            return status(plan, cursor)
        plan = manifests.plan(cursor, arguments.full)
        return "\n\n".join([files(plan), *bound(cursor, config, manifests, plan)])


LAST_LOAD = """-- last load: when files were last loaded
SELECT MAX(loaded_at)
FROM loaded_files
"""


def status(plan: ledger.Plan, cursor: extensions.cursor) -> str:
    """A line per source: objects and bytes listed, and how many of them are loaded, new, changed."""
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
    statements.execute(cursor, LAST_LOAD, {})
    last = cursor.fetchone()[0]
    table = table_of([("for", "objects", "bytes", "loaded", "new", "changed"), *lines])
    gone = f"vanished: {len(plan.vanished):,} loaded files are no longer there" + "".join(
        f"\n  {url}" for url in plan.vanished[:MOST_FILES])
    if len(plan.vanished) > MOST_FILES:
        gone += f"\n  … and {len(plan.vanished) - MOST_FILES:,} more"
    when = f"last load: {last:%Y-%m-%d %H:%M:%S} UTC" if last else "last load: none"
    due = f"next load: full, because {plan.full}" if plan.full else (
        "next load: nothing to do" if plan.nothing_new else "next load: new and changed files")
    return "\n".join([table, gone, when, due])


def files(plan: ledger.Plan) -> str:
    """The files that would be loaded, as SQL comments."""
    lines = [f"-- dry run: {ledger.counted(plan)}"]
    if plan.full:
        lines.append(f"-- full load: {plan.full}")
    for source in plan.sources:
        chosen = plan.files(source)
        lines += [
            f"--   {source.table}: {file.url} ({file.size:,} bytes)" for file in chosen[:MOST_FILES]
        ]
        if len(chosen) > MOST_FILES:
            lines.append(f"--   {source.table}: … and {len(chosen) - MOST_FILES:,} more")
    return "\n".join(lines)


def bound(cursor, config: Config, manifests: Manifests, plan: ledger.Plan) -> list[str]:
    """The statements of a load in their order, with their values."""
    if plan.nothing_new:
        return []
    values = statements.values_of(config) | manifests.urls(plan) | NOTHING_COPIED
    return [f"{cursor.mogrify(sql, values).decode().strip()};" for sql in in_order(manifests, plan)]


def in_order(manifests: Manifests, plan: ledger.Plan) -> list[str]:
    """What etl.run executes, in its order, but for what it only reads to plan and to report."""
    return [
        sql_queries.etl_lock_take,
        sql_queries.etl_lock_count,
        *(sql_queries.empty_table_queries if plan.full else ()),
        *(sql for sql, _ in manifests.copies(plan)),
        *sql_queries.analyze_staging_queries,
        *sql_queries.check_staging_queries,
        *sql_queries.warn_staging_queries,
        *sql_queries.touch_queries,
        *sql_queries.delete_table_queries,
        *sql_queries.insert_table_queries,
        *sql_queries.analyze_star_queries,
        *sql_queries.check_star_queries,
        *manifests.records(plan),
        *(sql_queries.check_ledger_queries),
    ]
