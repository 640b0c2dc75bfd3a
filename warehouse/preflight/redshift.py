"""etl.py --check: could a load run here? Every part of the set-up is tried; nothing is changed.

A part that fails does not keep the others from being tried. Transactions are rolled back, and the
one object that is written is removed again.
"""

import argparse
import re
from contextlib import ExitStack
from dataclasses import replace

from psycopg2 import errors, extensions
from psycopg2.extensions import quote_ident

import sql_queries

from .. import BusyError, ConfigError, WarehouseError, command, tables
from ..config import LOGINS, Config
from ..config.hosts import ELSEWHERE, kind
from ..database import statements
from ..database.connection import reads_folders
from ..manifests import Manifests
from ..signals import INTERRUPTION
from . import storage
from .findings import Doubt, NotReady, Report

SHORT = 60  # seconds; a COPY, or a cluster that resumes, may well take longer
LOCK_TIMEOUT = 5  # seconds, if dwh.cfg does not say less


def show(config: Config, arguments: argparse.Namespace) -> None:
    """Try everything in the order of a load; at the end raises NotReady if one could not run."""
    if arguments.full or arguments.force or arguments.no_reload:
        raise ConfigError(
            "--check changes nothing, so it takes neither --full nor --force nor --no-reload.")
    report = Report(arguments.quiet)
    check_settings(report, config)
    with ExitStack() as stack:
        check_world(report, logged_in(report, config, stack), config)
    if report.failures:
        raise NotReady(report.failures)


def check_world(report: Report, connection: extensions.connection | None, config: Config) -> None:
    """What lies outside of dwh.cfg; connection is None where nobody could log in."""
    if connection:
        check_database(report, connection, config)
    with Manifests(config, connection) as manifests:
        storage.check(report, connection, config, manifests)


def logged_in(report: Report, config: Config, stack: ExitStack) -> extensions.connection | None:
    """A connection for as long as the stack lasts; without one, signals are minded as well."""
    try:
        return stack.enter_context(command.session(config))
    except WarehouseError as error:
        stack.enter_context(INTERRUPTION.cancels())
        report.failures.append(error)
        report.add("FAIL", "login", str(error))
        report.add("skip", "database", "etl_lock, the tables, rights and COPY need a login")
        return None


# ----------------------------------------------------------------------------------------- settings

def check_settings(report: Report, config: Config) -> None:
    ignored = f"; ignored: {', '.join(config.ignored)}" if config.ignored else ""
    report.add("ok", "configuration", f"{config.path}{ignored}")
    for warning in config.warnings:
        report.add("warn", "configuration", warning)
    report.tried("[LOAD]", check_load_settings, config)
    report.tried("[IAM_ROLE]", check_role, config)


def check_load_settings(config: Config) -> str:
    if 0 < config.statement_timeout < max(SHORT, config.lock_timeout):
        raise Doubt(
            f"STATEMENT_TIMEOUT = {config.statement_timeout} ends any statement after so many"
            f" seconds: too few for a COPY of many files, or fewer than LOCK_TIMEOUT ="
            f" {config.lock_timeout}. Leave it at 0, or allow an hour (3600).")
    if config.connect_timeout < SHORT and not config.is_on_this_machine:
        raise Doubt(
            f"CONNECT_TIMEOUT = {config.connect_timeout}: a cluster that resumes, or a workgroup"
            " that wakes, may take minutes. Leave it at 120.")
    return ", ".join(f"{name.upper()} = {getattr(config, name)}" for name in (
        "max_errors", "lock_timeout", "connect_timeout", "statement_timeout"))


def check_role(config: Config) -> str:
    if config.iam_role == "default":
        return "the default role of the cluster"
    roles = re.findall("::([0-9]{12}):role/([^,]+)", config.iam_role)
    return ", then ".join(f"role {name} of account {account}" for account, name in roles)


# ----------------------------------------------------------------------------------------- database

def check_database(report: Report, connection: extensions.connection, config: Config) -> None:
    report.tried("login", check_login, connection, config)
    report.tried("TLS", check_tls, connection)
    report.tried("engine", check_engine, connection)
    report.tried("etl_lock", check_lock, connection, config)
    for sql in (sql_queries.loads_table_create, *sql_queries.create_table_queries):
        report.tried(statements.subject_of(sql), check_table, connection, sql)
    report.tried("views", check_views, connection)
    report.tried("TEMP tables", check_temporary, connection)


SESSION = """-- session: who is logged in, to what, and whether a load may make its temporary tables
SELECT
    CURRENT_USER, CURRENT_DATABASE(), CURRENT_SCHEMA(), VERSION(),
    HAS_DATABASE_PRIVILEGE(CURRENT_DATABASE(), 'TEMP')
"""


def session(connection: extensions.connection) -> tuple:
    """User, database, schema, version, and whether temporary tables may be made."""
    with statements.undone(connection) as cursor:
        statements.execute(cursor, SESSION, {})
        return cursor.fetchone()


def check_login(connection: extensions.connection, config: Config) -> str:
    user, database, schema, *_ = session(connection)
    by = "by the password of DB_PASSWORD" if config.password else "by libpq's password, if any"
    for name in LOGINS:
        if value := getattr(config, name):
            by = f"by {name.upper()} = {value}"
    if config.is_local:
        by = "on the private server of this machine"
    where = f"{connection.info.host}:{connection.info.port}/{database}"
    return f"{user} at {where}, schema {schema}, {by}"


def check_tls(connection: extensions.connection) -> str:
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


def check_engine(connection: extensions.connection) -> str:
    version = session(connection)[3]
    if reads_folders(connection):
        return f"{' '.join(version.split()[:2])}, standing in for Amazon Redshift"
    return f"Amazon {version[version.index('Redshift'):]}"


def check_lock(connection: extensions.connection, config: Config) -> str:
    """As a load takes the lock, but not for long: it is rolled back at once."""
    seconds = min(config.lock_timeout, LOCK_TIMEOUT)
    with statements.undone(connection) as cursor:
        try:
            free = statements.lock(cursor, replace(config, lock_timeout=seconds))
        except BusyError as error:
            raise BusyError(f"another load or reset is running{statements.holder(cursor)}. Check"
                            " again when it has ended.") from error
        except WarehouseError as error:
            if isinstance(error.__cause__, errors.InsufficientPrivilege):
                raise lacking("SELECT, UPDATE, DELETE", "TABLE etl_lock", connection) from error
            raise
    return "free" if free else "free again: another load has just committed"


RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")  # as TABLE_RIGHTS asks for them
NEEDED = {"loads": ("SELECT", "INSERT"), "songplays": RIGHTS}  # by a load, of these tables
NEEDED_ELSEWHERE = ("SELECT", "INSERT", "DELETE")


def check_table(connection: extensions.connection, create: str) -> str:
    """The columns and their types, and what the user may do. A longer VARCHAR is as good."""
    table, wanted = statements.subject_of(create), tables.declared_columns(create)
    with statements.undone(connection) as cursor:
        found = tables.existing_columns(cursor, {}).get(table)
        if not found:
            raise WarehouseError("there is no such table, or the user has no right to it. Run"
                                 " create_tables.py, or GRANT the rights.")
        statements.execute(cursor, tables.TABLE_RIGHTS, {"table": table})
        has = dict(zip(RIGHTS, cursor.fetchone()))
    needed = NEEDED.get(table, NEEDED_ELSEWHERE)
    wrong = [f"{column} is {found.get(column, 'missing')} and should be {of_type}"
             for column, of_type in wanted.items() if not as_good(found.get(column, ""), of_type)]
    if wrong:
        raise WarehouseError(
            f"{'; '.join(wrong)}. create_tables.py makes the tables anew, empty (--force if it"
            " refuses this one); or set another SCHEMA.")
    if missing := ", ".join(right for right in needed if not has[right]):
        raise lacking(missing, f"TABLE {table}", connection)
    others = [column for column in found if column not in wanted]
    more = f" (and not of this toolkit: {', '.join(others)})" if others else ""
    return f"{len(wanted)} columns{more}; the user may {', '.join(needed)}"


def check_views(connection: extensions.connection) -> str:
    with statements.undone(connection) as cursor:
        unreadable = tables.unreadable_views(cursor)
    if unreadable:
        raise Doubt(f"{', '.join(unreadable)}: {tables.MAKE_VIEWS}. A load needs none of them.")
    return f"{len(sql_queries.create_view_queries)} views; the user may SELECT"


def as_good(found: str, wanted: str) -> bool:
    """Whether a column of one type takes every value of the other.

    >>> as_good("VARCHAR(64)", "VARCHAR(32)"), as_good("VARCHAR(16)", "VARCHAR(32)")
    (True, False)
    """
    lengths = [re.fullmatch(r"VARCHAR\(([0-9]+)\)", kind) for kind in (found, wanted)]
    if all(lengths):
        return int(lengths[0][1]) >= int(lengths[1][1])
    return found == wanted


def lacking(rights: str, what: str, connection: extensions.connection) -> WarehouseError:
    user = quote_ident(connection.info.user, connection)
    return WarehouseError("the user lacks a right that a load needs. Let an owner run: GRANT"
                          f" {rights} ON {what} TO {user}")


def check_temporary(connection: extensions.connection) -> str:
    _, database, *_, allowed = session(connection)
    # On Redshift it may be a text (guide: r_HAS_DATABASE_PRIVILEGE).
    if str(allowed).lower() not in ("true", "t"):
        raise lacking("TEMP", f'DATABASE "{database}"', connection)
    return "the user may make them"
