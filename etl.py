"""Load new files from S3 into the warehouse: COPY to staging, INSERT … SELECT into the star schema.

One run is one transaction. Readers see the old tables until it commits, and a run that fails or is
killed changes nothing. The same files give the same tables, whatever order they arrive in.
"""

import logging
import sys

import sql_queries
from warehouse import DataError, command, history, preflight, preview, rejected_rows
from warehouse.console import Summary
from warehouse.database import statements
from warehouse.database.statements import has_empty_span, name_of, run_all, subject_of
from warehouse.database.transactions import locking, take_write_locks
from warehouse.manifests import Manifests
from warehouse.plan import describe_plan, make_plan, refuse_archived, refuse_reload
from warehouse.session import connecting

log = logging.getLogger("warehouse.etl")


def run(config, arguments):
    """Run one load: lock, list, copy, check, update the star schema, check, record, commit.

    Returns the summary to print, or None. After a failure it can be called again, and starts over.
    """
    summary = Summary()
    with connecting(config) as connection:
        with (
            Manifests(config.data, connection) as manifests,
            locking(connection, config.limits) as cursor,
        ):
            plan = make_plan(cursor, config.data, by_prefix=not manifests.location,
                             full=arguments.full, may_reload=not arguments.no_reload)
            if plan.has_nothing_new:
                log.info("found nothing new: %s", describe_plan(plan))
                history.record(cursor, "nothing new", summary.begun_at)
                return None
            refuse_reload(plan, config.limits.max_reload,
                          full=arguments.full, force=arguments.force)
            refuse_archived(plan)
            log.info("found %s", describe_plan(plan))
            take_write_locks(cursor, plan.write_lock_queries, config.limits)
            values = statements.values_of(config) | manifests.write(plan)
            run_all(cursor, values, plan.empty_queries)
            copy(cursor, values, plan, summary)
            replace(cursor, values, plan, summary)
            check(cursor, values, plan.star_checks)
            run_all(cursor, values, plan.record_queries)
            check(cursor, values, plan.ledger_checks)
            history.record(cursor, "load", summary.begun_at, plan.totals | summary.totals)
        log.info("committed %s", summary.format_total())
        rejected_rows.warn(connection, summary)
    return None if arguments.quiet else summary


def copy(cursor, values, plan, summary):
    """Fill staging and check it. values also gets the number of rows that each COPY reported."""
    for source, sql, analyze, checks, warnings in plan.copies:
        seconds = statements.run(cursor, sql, values).seconds
        rejected = rejected_rows.count_rejected(cursor, values["maxerror"] - 1)
        run_all(cursor, values, [sql_queries.last_copy, analyze])
        rows = values[f"{source.table}_rows"] = values["copied"]
        files = None if plan.by_prefix else len(source.to_copy)
        summary.add_copy(source.table, rows, seconds, files, rejected)
        log.info("copied %s in %.1f s, rows: %s", source.table, seconds, f"{rows:,}")
        check(cursor, values, checks, source.to_copy)
        warn(cursor, values, warnings)


def replace(cursor, values, plan, summary):
    """Replace the rows of the star schema that this load touches.

    values also gets what the SELECTs return: the time spans of the touched and of the changed plays, and
    the numbers of duplicate and of inserted plays.
    """
    for sql in plan.replace_queries:
        rows, seconds = statements.run(cursor, sql, values)
        if sql in (*sql_queries.insert_table_queries, sql_queries.songplay_table_update):
            summary.add(subject_of(sql), rows, seconds)
            log.info("%s in %.1f s, rows: %s", name_of(sql), seconds, f"{rows:,}")
        if sql == sql_queries.songplay_table_update:
            summary.changed_plays = rows
    if plan.loads_logs and values["first_play"]:
        summary.with_song, summary.with_artist = values["with_song"], values["with_artist"]
        log.info("plays inserted: %s, with a song in the catalogue: %s, with an artist in it: %s",
                 *(f"{values[name]:,}" for name in ("plays", "with_song", "with_artist")))
        if values["duplicates"]:
            log.info("duplicate plays in the new files, left out: %s", f"{values['duplicates']:,}")


def check(cursor, values, checks, files=()):
    """Run the checks. Raises a DataError that names every failed check, with examples of offending rows.

    files are searched for these rows, so that the message can name file and line.
    """
    checks = [sql for sql in checks if not has_empty_span(sql, values)]
    failures = [failure for sql in checks
                if (failure := statements.find_failure(cursor, sql, values, files))]
    if failures:
        raise DataError("\n".join([*failures, "Fix the files and run etl.py again."]))
    if checks:
        log.info("passed %s", ", ".join(map(name_of, checks)))


def warn(cursor, values, checks):
    """Run the checks and log a warning for each one that fails."""
    for sql in checks:
        if failure := statements.find_failure(cursor, sql, values):
            log.warning("%s", failure)


def make_parser():
    parser = command.make_parser(__doc__, run)
    reload_options = parser.add_mutually_exclusive_group()
    reload_options.add_argument(
        "--full", action="store_true",
        help="empty all tables (the history stays) and load all files, in one transaction")
    reload_options.add_argument(
        "--no-reload", action="store_true",
        help="load only new and changed files, even if a change calls for all files: corrected lines may"
             " keep their old rows until the next --full")
    parser.add_argument("--force", action="store_true",
                        help="allow a reload that is larger than MAX_RELOAD or that loses the rows of files"
                             " that are gone from S3")
    mode_options = parser.add_mutually_exclusive_group()
    mode_options.add_argument(
        "--status", action="store_const", dest="run", const=preview.show_status,
        help="compare S3 with what is loaded and show the last five runs; change nothing")
    mode_options.add_argument(
        "--check", action="store_const", dest="run", const=preflight.run,
        help="test whether a load could run here; change nothing")
    mode_options.add_argument(
        "--dry-run", action="store_const", dest="run", const=preview.show_dry_run,
        help="print the files to load and the statements in order; change nothing")
    parser.add_argument("--max-age", type=preview.parse_hours, metavar="HOURS",
                        help="with --status: exit 1 if no run has succeeded for this many hours;"
                             " --quiet prints only that error")
    parser.required_options["max_age"] = "--status", preview.show_status
    return parser


if __name__ == "__main__":
    sys.exit(command.main(make_parser()))
