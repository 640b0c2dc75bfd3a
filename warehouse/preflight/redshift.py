"""The database part of etl.py --check: login, TLS, lock, tables, views and rights.

An inspect_ or try_ function for one part returns a sentence if all is well, and raises if not.
"""

import re
from dataclasses import replace

from psycopg2 import errors, extensions
from psycopg2.extensions import quote_ident

import sql_queries

from .. import BusyError, WarehouseError, tables
from ..config import AWS_LOGINS, Config, Limits, Server
from ..config.hosts import ELSEWHERE, classify
from ..database.connection import is_standin
from ..database.statements import execute, subject_of
from ..database.transactions import describe_lock_holder, rolling_back, take_lock
from .findings import Findings, PreflightWarning

LOCK_TIMEOUT = 5  # seconds; dwh.cfg may set less


def try_database(findings: Findings, connection: extensions.connection, config: Config) -> None:
    findings.attempt("login", inspect_login, connection, config.server)
    findings.attempt("TLS", inspect_tls, connection)
    findings.attempt("engine", inspect_engine, connection)
    findings.attempt("etl_lock", try_lock, connection, config.limits)
    for sql in (sql_queries.loads_table_create, *sql_queries.create_table_queries):
        findings.attempt(subject_of(sql), inspect_table, connection, sql)
    findings.attempt("views", inspect_views, connection)
    findings.attempt("TEMP tables", inspect_temporary, connection)


SESSION = """-- session: user, database, schema, version, and the right to create temporary tables
SELECT
    CURRENT_USER, CURRENT_DATABASE(), CURRENT_SCHEMA(), VERSION(),
    HAS_DATABASE_PRIVILEGE(CURRENT_DATABASE(), 'TEMP')
"""


def read_session(connection: extensions.connection) -> tuple:
    """Return user, database, schema, version, and the right to create temporary tables."""
    with rolling_back(connection) as cursor:
        execute(cursor, SESSION, {})
        return cursor.fetchone()


def inspect_login(connection: extensions.connection, server: Server) -> str:
    user, database, schema, *_ = read_session(connection)
    by = "by the password of DB_PASSWORD" if server.password else "by PGPASSWORD or ~/.pgpass, if any"
    for name in AWS_LOGINS:
        if value := getattr(server, name):
            by = f"by {name.upper()} = {value}"
    if server.is_local:
        by = "on the private server of this machine"
    address = f"{connection.info.host}:{connection.info.port}/{database}"
    return f"{user} at {address}, schema {schema}, {by}"


def inspect_tls(connection: extensions.connection) -> str:
    info = connection.info
    kind = classify(info.host)
    mode = info.dsn_parameters.get("sslmode", "")
    if kind in ELSEWHERE and not info.ssl_in_use:
        raise PreflightWarning(f"none: anyone on the way to {info.host} can read and change all data."
                               " Write SSLMODE = verify-full.")
    if kind in ELSEWHERE and mode not in ("verify-ca", "verify-full"):
        raise PreflightWarning(f"{info.ssl_attribute('protocol')}, but the server's certificate is not"
                               " verified. Write SSLMODE = verify-full.")
    if not info.ssl_in_use:
        return f"none, and none needed: the server is on this machine ({kind})"
    return f"{info.ssl_attribute('protocol')}, SSLMODE = {mode}"


def inspect_engine(connection: extensions.connection) -> str:
    version = read_session(connection)[3]
    if is_standin(connection):
        return f"{' '.join(version.split()[:2])}, standing in for Amazon Redshift"
    return f"Amazon {version[version.index('Redshift'):]}"


def try_lock(connection: extensions.connection, limits: Limits) -> str:
    """Take the lock as a load does, and roll back at once."""
    seconds = min(limits.lock_timeout, LOCK_TIMEOUT)
    with rolling_back(connection) as cursor:
        try:
            is_free = take_lock(cursor, replace(limits, lock_timeout=seconds))
        except BusyError as error:
            raise BusyError(f"{describe_lock_holder(cursor)} Check again when it has ended.") from error
        except WarehouseError as error:
            if isinstance(error.__cause__, errors.InsufficientPrivilege):
                raise explain_missing_right("SELECT, UPDATE, DELETE", "TABLE etl_lock", connection) from error
            raise
    return "free" if is_free else "free again: another load has just committed"


TABLE_OWNER = """-- table owner: the owner of a table, and whether the user is a superuser
SELECT t.tableowner, u.usesuper
FROM pg_tables t
CROSS JOIN pg_user u
WHERE t.schemaname = CURRENT_SCHEMA() AND t.tablename = %(table)s AND u.usename = CURRENT_USER
"""
# The tables that a load analyzes, which only their owner or a superuser may do (guide: r_ANALYZE).
ANALYZED = {subject_of(sql) for order in vars(sql_queries).values() if isinstance(order, tuple)
            for sql in order if sql.startswith("ANALYZE ")}
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")  # the columns of TABLE_RIGHTS
NEEDED = {"loads": ("SELECT", "INSERT"), "songplays": RIGHTS}  # what a load needs
NEEDED_BY_DEFAULT = ("SELECT", "INSERT", "DELETE")  # on all other tables


def inspect_table(connection: extensions.connection, create: str) -> str:
    """Compare columns, types and rights with what a load needs. A longer VARCHAR will do."""
    table, declared = subject_of(create), tables.parse_columns(create)
    with rolling_back(connection) as cursor:
        existing = tables.read_columns(cursor).get(table)
        if not existing:
            raise WarehouseError("there is no such table, or the user has no right to it. Run"
                                 " create_tables.py, or GRANT the rights.")
        execute(cursor, tables.TABLE_RIGHTS, {"table": table})
        rights = dict(zip(RIGHTS, cursor.fetchone(), strict=True))
        execute(cursor, TABLE_OWNER, {"table": table})
        owner, is_superuser = cursor.fetchone() or ("", True)
    needed = NEEDED.get(table, NEEDED_BY_DEFAULT)
    differences = [f"{column} is {existing.get(column, 'missing')} and should be {kind}"
                   for column, kind in declared.items() if not is_as_good(existing.get(column, ""), kind)]
    if differences:
        raise WarehouseError(
            f"{'; '.join(differences)}. {advise_columns(create, declared, existing, differences)}")
    if missing := ", ".join(right for right in needed if not rights[right]):
        raise explain_missing_right(missing, f"TABLE {table}", connection)
    user = connection.info.user
    if table in ANALYZED and user != owner and not is_superuser:
        raise WarehouseError(f"a load analyzes it, which only its owner {owner} may do. Let an"
                             f" administrator run: ALTER TABLE {table} OWNER TO"
                             f" {quote_ident(user, connection)}")
    others = [column for column in existing if column not in declared]
    more = f" (and others, not of this toolkit: {', '.join(others)})" if others else ""
    return f"{len(declared)} columns{more}; the user may {', '.join(needed)}"


def advise_columns(create: str, declared: dict[str, str], existing: dict[str, str],
                   differences: list[str]) -> str:
    """Return how to make the columns right: by ALTER TABLE, if the table is ours but for a column or two.

    A table that lacks more may be somebody else's, and a column with a DEFAULT would stay NULL.
    """
    table = subject_of(create)
    missing = [column for column in declared if column not in existing]
    alters = "; ".join(f"ALTER TABLE {table} ADD COLUMN {column} {declared[column]}" for column in missing)
    reset = ("create_tables.py keeps this table: rename or drop it by hand, or set another SCHEMA."
             if create in sql_queries.create_lasting_queries else
             "create_tables.py creates the tables again, empty (with --force if it refuses this one). Or set"
             " another SCHEMA.")
    has_default = any(re.search(rf"^    {column} .* DEFAULT ", create, re.MULTILINE) for column in missing)
    if not missing or len(missing) < len(differences) or len(missing) > 2 or has_default:
        return reset
    return f"To keep the rows, run: {alters}. Otherwise {reset}"


def inspect_views(connection: extensions.connection) -> str:
    with rolling_back(connection) as cursor:
        unreadable = tables.list_unreadable_views(cursor)
    if unreadable:
        raise PreflightWarning(
            f"{', '.join(unreadable)}: {tables.MAKE_VIEWS}. A load needs none of them.")
    return f"{len(sql_queries.create_view_queries)} views; the user may SELECT"


def is_as_good(existing: str, declared: str) -> bool:
    """Return True if a column of the existing type takes every value of the declared one.

    >>> is_as_good("VARCHAR(64)", "VARCHAR(32)"), is_as_good("VARCHAR(16)", "VARCHAR(32)")
    (True, False)
    """
    lengths = [re.fullmatch(r"VARCHAR\(([0-9]+)\)", kind) for kind in (existing, declared)]
    if all(lengths):
        return int(lengths[0][1]) >= int(lengths[1][1])
    return existing == declared


def explain_missing_right(rights: str, target: str, connection: extensions.connection) -> WarehouseError:
    user = quote_ident(connection.info.user, connection)
    return WarehouseError("a load needs a right that the user does not have. Let an owner run: GRANT"
                          f" {rights} ON {target} TO {user}")


def inspect_temporary(connection: extensions.connection) -> str:
    _, database, *_, is_allowed = read_session(connection)
    # Redshift may return text (guide: r_HAS_DATABASE_PRIVILEGE).
    if str(is_allowed).lower() not in ("true", "t"):
        raise explain_missing_right("TEMP", f'DATABASE "{database}"', connection)
    return "the user may create them"
