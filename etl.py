"""Load what is new in S3 into the warehouse: COPY to staging, INSERT … SELECT into the star schema.

One run is one transaction: readers see the old tables until it commits, and a run that fails or is
killed leaves them as they were. The same files give the same tables, in whatever order they come.
"""

import logging
import sys

import sql_queries
from warehouse import DataError, checkup, command, ledger, load_errors, preview, statements
from warehouse.manifests import Manifests
from warehouse.statements import execute, subject_of

log = logging.getLogger("warehouse.etl")


def run(config, arguments):
    """One load: lock, list, copy, check, replace what the new rows touch, check, record, commit.

    Returns what to print. It begins anew when it is called again after a failure.
    """
    if arguments.check:
        return checkup.show(config, arguments)
    summary = command.Summary()
    with command.session(config) as connection:
        if arguments.status or arguments.dry_run:
            return preview.shown(connection, config, arguments)
        with (
            Manifests(config, connection) as manifests,
            statements.locked(connection, config) as cursor,
        ):
            plan = manifests.plan(cursor, full=arguments.full)
            if plan.nothing_new:
                log.info("found nothing new: %s", ledger.counted(plan))
                return None
            if not arguments.force:
                ledger.refuse_loss(plan)
            log.info("found %s", ledger.counted(plan))
            values = statements.values_of(config) | manifests.write(plan)
            if plan.full:
                log.info("emptying every table first: %s", plan.full)
                run_all(cursor, values, sql_queries.empty_table_queries)
            copy(cursor, values, manifests.copies(plan), summary)
            check(cursor, values, sql_queries.check_staging_queries)
            warn(cursor, values, sql_queries.warn_staging_queries)
            replace(cursor, values, summary)
            check(cursor, values, sql_queries.check_star_queries)
            run_all(cursor, values, manifests.records(plan))
            check(cursor, values, sql_queries.check_ledger_queries)
        log.info("committed %s", summary.total())
        if config.max_errors:
            load_errors.warn(connection, summary)
    return None if arguments.quiet else summary


def run_all(cursor, values, queries):
    for sql in queries:
        execute(cursor, sql, values)


def copy(cursor, values, copies, summary):
    """Fill staging. values learn how many rows each COPY reported, for the checks."""
    for sql, files in copies:
        table = subject_of(sql)
        seconds = execute(cursor, sql, values).seconds
        execute(cursor, sql_queries.last_copy, values)
        copy_id, rows = cursor.fetchone()
        values[f"{table}_rows"] = rows
        summary.add(table, rows, seconds, files, copy_id)
        log.info("copied %s: %s rows in %.1f s", table, f"{rows:,}", seconds)
    run_all(cursor, values, sql_queries.analyze_staging_queries)


def replace(cursor, values, summary):
    """In the star schema, delete and insert again what the new rows touch."""
    run_all(cursor, values, sql_queries.touch_queries)
    run_all(cursor, values, sql_queries.delete_table_queries)
    for sql in sql_queries.insert_table_queries:
        table = subject_of(sql)
        rows, seconds = execute(cursor, sql, values)
        summary.add(table, rows, seconds)
        log.info("inserted %s: %s rows in %.1f s", table, f"{rows:,}", seconds)
    run_all(cursor, values, sql_queries.analyze_star_queries)
    execute(cursor, sql_queries.songplays_matched, values)
    plays, matched = cursor.fetchone()
    log.info("matched %s of these %s plays with a song", f"{matched:,}", f"{plays:,}")


def check(cursor, values, checks):
    """Raise DataError with every check that fails, and the rows that make it fail."""
    failures = [failure for sql in checks if (failure := statements.check(cursor, sql, values))]
    if failures:
        raise DataError("\n".join([*failures, "Mend the files and run etl.py again."]))
    log.info("passed %s", ", ".join(map(statements.name_of, checks)))


def warn(cursor, values, checks):
    for sql in checks:
        if failure := statements.check(cursor, sql, values):
            log.warning("%s", failure)


def options():
    parser = command.parser(__doc__)
    parser.add_argument("--full", action="store_true",
                        help="empty every table and load all files, in one transaction")
    parser.add_argument("--force", action="store_true",
                        help="let a full load lose the rows of files that are gone from S3")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--status", action="store_true",
                      help="compare S3 with what is loaded; change nothing")
    what.add_argument("--check", action="store_true",
                      help="try whether a load could run here; change nothing")
    what.add_argument("--dry-run", action="store_true",
                      help="print the files to load and the statements in order; change nothing")
    return parser


if __name__ == "__main__":
    sys.exit(command.main(run, options()))
