"""Reset the warehouse: drop its tables and views and create them empty, in one transaction.

Only the run history (loads) and the lock table (etl_lock) stay. This is for the initial set-up. After
that, use etl.py --full, which empties and reloads the tables in one transaction and keeps grants and
other people's views.
"""

import logging
import sys

import sql_queries
from warehouse import command, history, tables
from warehouse.database.statements import execute, subject_of
from warehouse.database.transactions import locking, set_timeout, transaction
from warehouse.session import connecting

log = logging.getLogger("warehouse.create_tables")


def run(config, arguments):
    """Drop and create in one transaction. Without --force, never drop a table or view that is not ours.

    After a failure it can be called again, and starts over.
    """
    begun_at = history.now()
    if arguments.views:
        drops = sql_queries.drop_view_queries if arguments.force else ()
        creates = sql_queries.create_view_queries
    else:
        drops = sql_queries.drop_view_queries + sql_queries.drop_table_queries
        creates = sql_queries.create_table_queries + sql_queries.create_view_queries
    with connecting(config) as connection:
        if not arguments.force:  # repeated under the lock; here, a refusal creates nothing
            with transaction(connection) as cursor:
                tables.refuse_name_conflicts(cursor, creates)
        if not arguments.views:  # with --views the tables exist already
            tables.create_lasting_tables(connection)
        with locking(connection, config.limits) as cursor:
            execute(cursor, sql_queries.etl_lock_fill, {})
            if not arguments.force:
                tables.refuse_name_conflicts(cursor, creates)
            plays = "" if arguments.views else tables.describe_plays(cursor)
            for sql in drops + creates:
                tables.run_ddl(cursor, sql, config.limits.lock_timeout)
            set_timeout(cursor, config.limits.statement_timeout)
            if plays:
                log.info("dropped songplays: %s", plays)
            if not arguments.views:
                history.record(cursor, "reset", begun_at)
    log.info("created %s", ", ".join(map(subject_of, creates)))


def make_parser():
    parser = command.make_parser(__doc__, run)
    parser.add_argument(
        "--views", action="store_true",
        help="create or replace the views only; keep the tables and their rows",
    )
    parser.add_argument(
        "--force", action="store_true",
        help="also drop tables and views that have our names but other columns",
    )
    return parser


if __name__ == "__main__":
    sys.exit(command.main(make_parser()))
