"""etl.py --check: try every part of the set-up that a load needs, and change nothing.

All parts are tried, even after one has failed. Transactions are rolled back, and the one object that
is written is removed again. Other packages call run().
"""

import argparse
import re
from contextlib import ExitStack

from psycopg2 import extensions

from .. import ConfigError, WarehouseError
from ..config import Config
from ..manifests import Manifests
from ..session import connecting
from ..signals import INTERRUPTION
from . import redshift, storage
from .findings import Findings, NotReady, PreflightWarning

SHORT_TIMEOUT = 60  # seconds; a COPY, or a cluster that resumes, may take longer


def run(config: Config, arguments: argparse.Namespace) -> None:
    """Try everything in the order of a load. Raise NotReady at the end if a load could not run."""
    if arguments.full or arguments.force or arguments.no_reload:
        raise ConfigError(
            "--check changes nothing, so it takes neither --full nor --force nor --no-reload.")
    findings = Findings(arguments.quiet)
    try_settings(findings, config)
    with ExitStack() as stack:
        try_services(findings, log_in(findings, config, stack), config)
    if findings.failures:
        raise NotReady(findings.failures)


def try_services(
    findings: Findings, connection: extensions.connection | None, config: Config
) -> None:
    """Try everything outside of dwh.cfg. The connection is None if the login failed."""
    if connection:
        redshift.try_database(findings, connection, config)
    with Manifests(config.data, connection) as manifests:
        storage.try_storage(findings, connection, config, manifests)


def log_in(findings: Findings, config: Config, stack: ExitStack) -> extensions.connection | None:
    """Return a connection that the stack closes, or None. Signals are handled in both cases."""
    try:
        return stack.enter_context(connecting(config))
    except WarehouseError as error:
        stack.enter_context(INTERRUPTION.cancelling())
        findings.failures.append(error)
        findings.add("FAIL", "login", str(error))
        findings.add("skip", "database", "etl_lock, the tables, rights and COPY need a login")
        return None


def try_settings(findings: Findings, config: Config) -> None:
    ignored = f"; ignored: {', '.join(config.ignored)}" if config.ignored else ""
    findings.add("ok", "configuration", f"{config.path}{ignored}")
    for warning in config.warnings:
        findings.add("warn", "configuration", warning)
    findings.attempt("[LOAD]", inspect_limits, config)
    findings.attempt("[IAM_ROLE]", inspect_role, config.data.iam_role)


def inspect_limits(config: Config) -> str:
    limits = config.limits
    if 0 < limits.statement_timeout < max(SHORT_TIMEOUT, limits.lock_timeout):
        raise PreflightWarning(
            f"STATEMENT_TIMEOUT = {limits.statement_timeout} is too short for a COPY of many files, or"
            f" shorter than LOCK_TIMEOUT = {limits.lock_timeout}. Write 0 for no limit, or allow an hour"
            " (3600).")
    if limits.connect_timeout < SHORT_TIMEOUT and not config.server.is_on_this_machine:
        raise PreflightWarning(
            f"CONNECT_TIMEOUT = {limits.connect_timeout} is short: a cluster that resumes, or a"
            " workgroup that wakes up, may take minutes. Write 120 or more.")
    return ", ".join(f"{name.upper()} = {getattr(limits, name)}" for name in (
        "max_errors", "lock_timeout", "connect_timeout", "statement_timeout"))


def inspect_role(iam_role: str) -> str:
    if iam_role == "default":
        return "the default role of the cluster"
    roles = re.findall("::([0-9]{12}):role/([^,]+)", iam_role)
    return ", then ".join(f"role {name} of account {account}" for account, name in roles)
