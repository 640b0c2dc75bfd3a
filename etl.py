"""Load Sparkify's logs and songs: COPY from S3 into staging, INSERT … SELECT into the star schema.

One run is one transaction: readers see the old tables until it commits, and a run that fails or is
killed leaves them as they were.
"""

import logging
import sys

import sql_queries
from warehouse import DataError, command, statements
from warehouse.statements import execute, subject_of

log = logging.getLogger("warehouse.etl")


def run(config, arguments):
    """Empty every table and load it again from all files under LOG_DATA and SONG_DATA."""
    summary = command.Summary()
    values = statements.values_of(config)
    with command.session(config) as connection:
        with statements.transaction(connection) as cursor:
            statements.lock(cursor, config)
            empty(cursor, values)
            copies = copy(cursor, values, summary)
            check(cursor, values, sql_queries.check_staging_queries)
            warn(cursor, values, sql_queries.warn_staging_queries)
            insert(cursor, values, summary)
            check(cursor, values, sql_queries.check_star_queries)
        log.info("committed %s", summary.total())
        statements.add_history(connection, copies, summary)
    if not arguments.quiet:
        print(summary)


def empty(cursor, values):
    for sql in sql_queries.empty_table_queries:
        execute(cursor, sql, values)


def copy(cursor, values, summary):
    """Fill staging; returns {table: id of its COPY}. values learn how many rows COPY reported."""
    copies = {}
    for sql in sql_queries.copy_table_queries:
        table = subject_of(sql)
        command.PROGRESS.begin(f"copying {table}")
        seconds = execute(cursor, sql, values).seconds
        execute(cursor, sql_queries.last_copy, values)
        copies[table], rows = cursor.fetchone()
        values[f"{table}_rows"] = rows
        summary.add(table, rows, seconds)
        log.info("copied %s: %s rows in %.1f s", table, f"{rows:,}", seconds)
    for sql in sql_queries.analyze_staging_queries:
        execute(cursor, sql, values)
    return copies


def insert(cursor, values, summary):
    """Fill the star schema from staging."""
    for sql in sql_queries.insert_table_queries:
        table = subject_of(sql)
        rows, seconds = execute(cursor, sql, values)
        summary.add(table, rows, seconds)
        log.info("inserted %s: %s rows in %.1f s", table, f"{rows:,}", seconds)
    for sql in sql_queries.analyze_star_queries:
        execute(cursor, sql, values)
    execute(cursor, sql_queries.songplays_matched, values)
    plays, matched = cursor.fetchone()
    log.info("matched %s of %s plays with a song of the catalogue", f"{matched:,}", f"{plays:,}")


def check(cursor, values, checks):
    """Raise DataError with every check that fails, and the rows that make it fail."""
    failures = [failure for sql in checks if (failure := statements.check(cursor, sql, values))]
    if failures:
        raise DataError("\n".join(failures))
    log.info("passed %d checks: %s", len(checks), ", ".join(map(statements.name_of, checks)))


def warn(cursor, values, checks):
    for sql in checks:
        if failure := statements.check(cursor, sql, values):
            log.warning("%s", failure)


if __name__ == "__main__":
    sys.exit(command.main(run, command.parser(__doc__)))
