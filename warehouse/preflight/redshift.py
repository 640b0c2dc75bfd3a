"""The part of etl.py --check that is about the database: login, lock, tables, rights."""

import re
from dataclasses import replace

from psycopg2 import errors, extensions
from psycopg2.extensions import quote_ident

import sql_queries

from .. import BusyError, WarehouseError, tables
from ..config import LOGINS, Config, Limits, Server
from ..config.hosts import ELSEWHERE, kind
from ..database.connection import is_standin
from ..database.statements import execute, subject_of
from ..database.transactions import describe_load, take_lock, undoing
from .findings import Doubt, Findings

LOCK_TIMEOUT = 5  # seconds, if dwh.cfg does not say less


def try_database(findings: Findings, connection: extensions.connection, config: Config) -> None:
    findings.attempt("login", find_login, connection, config.server)
    findings.attempt("TLS", find_tls, connection)
    findings.attempt("engine", find_engine, connection)
    findings.attempt("etl_lock", try_lock, connection, config.limits)
    for sql in (sql_queries.loads_table_create, *sql_queries.create_table_queries):
        findings.attempt(subject_of(sql), find_table, connection, sql)
    findings.attempt("views", find_views, connection)
    findings.attempt("TEMP tables", find_temporary, connection)


SESSION = """-- session: who is logged in, to what, and whether a load may make its temporary tables
SELECT
    CURRENT_USER, CURRENT_DATABASE(), CURRENT_SCHEMA(), VERSION(),
    HAS_DATABASE_PRIVILEGE(CURRENT_DATABASE(), 'TEMP')
"""


def read_session(connection: extensions.connection) -> tuple:
    """User, database, schema, version, and whether temporary tables may be made."""
    with undoing(connection) as cursor:
        execute(cursor, SESSION, {})
        return cursor.fetchone()


def find_login(connection: extensions.connection, server: Server) -> str:
    user, database, schema, *_ = read_session(connection)
    by = "by the password of DB_PASSWORD" if server.password else "by libpq's password, if any"
    for name in LOGINS:
        if value := getattr(server, name):
            by = f"by {name.upper()} = {value}"
    if server.is_local:
        by = "on the private server of this machine"
    where = f"{connection.info.host}:{connection.info.port}/{database}"
    return f"{user} at {where}, schema {schema}, {by}"


def find_tls(connection: extensions.connection) -> str:
    info = connection.info
    what = kind(info.host)
    mode = info.dsn_parameters.get("sslmode", "")
    if what in ELSEWHERE and not info.ssl_in_use:
        raise Doubt(f"none: who is on the way to {info.host} can read and change everything. Write"
                    " SSLMODE = verify-full.")
    if what in ELSEWHERE and mode not in ("verify-ca", "verify-full"):
        raise Doubt(f"{info.ssl_attribute('protocol')}, but nobody checks that {info.host} is who"
                    " answers. Write SSLMODE = verify-full.")
    if not info.ssl_in_use:
        return f"none, and none needed: the server is on this machine ({what})"
    return f"{info.ssl_attribute('protocol')}, SSLMODE = {mode}"


def find_engine(connection: extensions.connection) -> str:
    version = read_session(connection)[3]
    if is_standin(connection):
        return f"{' '.join(version.split()[:2])}, standing in for Amazon Redshift"
    return f"Amazon {version[version.index('Redshift'):]}"


def try_lock(connection: extensions.connection, limits: Limits) -> str:
    """As a load takes the lock, but not for long: it is rolled back at once."""
    seconds = min(limits.lock_timeout, LOCK_TIMEOUT)
    with undoing(connection) as cursor:
        try:
            free = take_lock(cursor, replace(limits, lock_timeout=seconds))
        except BusyError as error:
            raise BusyError(f"{describe_load(cursor)} Check again when it has ended.") from error
        except WarehouseError as error:
            if isinstance(error.__cause__, errors.InsufficientPrivilege):
                raise explain_missing_right("SELECT, UPDATE, DELETE", "TABLE etl_lock", connection) from error
            raise
    return "free" if free else "free again: another load has just committed"


TABLE_OWNER = """-- table owner: who may analyze a table, and whether the user may analyze any
SELECT t.tableowner, u.usesuper
FROM pg_tables t
CROSS JOIN pg_user u
WHERE t.schemaname = CURRENT_SCHEMA() AND t.tablename = %(table)s AND u.usename = CURRENT_USER
"""
# The tables of which a load makes statistics (guide: r_ANALYZE: by their owner or a superuser).
ANALYZED = {subject_of(sql) for order in vars(sql_queries).values() if isinstance(order, tuple)
            for sql in order if sql.startswith("ANALYZE ")}
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")  # as TABLE_RIGHTS asks for them
NEEDED = {"loads": ("SELECT", "INSERT"), "songplays": RIGHTS}  # by a load, of these tables
NEEDED_ELSEWHERE = ("SELECT", "INSERT", "DELETE")


def find_table(connection: extensions.connection, create: str) -> str:
    """The columns and their types, and what the user may do. A longer VARCHAR is as good."""
    table, wanted = subject_of(create), tables.parse_columns(create)
    with undoing(connection) as cursor:
        found = tables.read_columns(cursor).get(table)
        if not found:
            raise WarehouseError("there is no such table, or the user has no right to it. Run"
                                 " create_tables.py, or GRANT the rights.")
        execute(cursor, tables.TABLE_RIGHTS, {"table": table})
        has = dict(zip(RIGHTS, cursor.fetchone(), strict=True))
        execute(cursor, TABLE_OWNER, {"table": table})
        owner, is_superuser = cursor.fetchone() or ("", True)
    needed = NEEDED.get(table, NEEDED_ELSEWHERE)
    wrong = [f"{column} is {found.get(column, 'missing')} and should be {of_type}"
             for column, of_type in wanted.items() if not is_as_good(found.get(column, ""), of_type)]
    if wrong:
        raise WarehouseError(
            f"{'; '.join(wrong)}. create_tables.py makes the tables again, empty (--force if it"
            " refuses this one); or set another SCHEMA.")
    if missing := ", ".join(right for right in needed if not has[right]):
        raise explain_missing_right(missing, f"TABLE {table}", connection)
    user = connection.info.user
    if table in ANALYZED and user != owner and not is_superuser:
        raise WarehouseError(f"a load analyzes it, which only its owner may, and that is {owner}. Let an"
                             f" administrator run: ALTER TABLE {table} OWNER TO"
                             f" {quote_ident(user, connection)}")
    others = [column for column in found if column not in wanted]
    more = f" (and not of this toolkit: {', '.join(others)})" if others else ""
    return f"{len(wanted)} columns{more}; the user may {', '.join(needed)}"


def find_views(connection: extensions.connection) -> str:
    with undoing(connection) as cursor:
        unreadable = tables.list_unreadable_views(cursor)
    if unreadable:
        raise Doubt(f"{', '.join(unreadable)}: {tables.MAKE_VIEWS}. A load needs none of them.")
    return f"{len(sql_queries.create_view_queries)} views; the user may SELECT"


def is_as_good(found: str, wanted: str) -> bool:
    """Whether a column of one type takes every value of the other.

    >>> is_as_good("VARCHAR(64)", "VARCHAR(32)"), is_as_good("VARCHAR(16)", "VARCHAR(32)")
    (True, False)
    """
    lengths = [re.fullmatch(r"VARCHAR\(([0-9]+)\)", kind) for kind in (found, wanted)]
    if all(lengths):
        return int(lengths[0][1]) >= int(lengths[1][1])
    return found == wanted


def explain_missing_right(rights: str, what: str, connection: extensions.connection) -> WarehouseError:
    user = quote_ident(connection.info.user, connection)
    return WarehouseError("the user lacks a right that a load needs. Let an owner run: GRANT"
                          f" {rights} ON {what} TO {user}")


def find_temporary(connection: extensions.connection) -> str:
    _, database, *_, allowed = read_session(connection)
    # On Redshift it may be a text (guide: r_HAS_DATABASE_PRIVILEGE).
    if str(allowed).lower() not in ("true", "t"):
        raise explain_missing_right("TEMP", f'DATABASE "{database}"', connection)
    return "the user may make them"
