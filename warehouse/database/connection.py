"""Config -> a psycopg2 connection, to Redshift or to the PostgreSQL that stands in for it.

Which of the two a host is, its own answer to SELECT version() tells. Nobody else asks.
"""

import logging
import os
import random
import re
import ssl
import time
from math import ceil
from typing import Callable, Iterator

import psycopg2
from psycopg2 import errorcodes, extensions
from psycopg2.extensions import AsIs

from .. import ConfigError, WarehouseError
from ..config import Config
from ..config.hosts import ON_THIS_MACHINE, kind
from . import logins

log = logging.getLogger(__name__)

# A COPY may be silent for hours, and NAT gateways drop flows that are silent for 350 seconds. A
# peer that does not answer is given up after 60 + 5 × 30 s, whether or not data was on its way.
KEEPALIVES = {
    "keepalives": 1, "keepalives_idle": 60, "keepalives_interval": 30, "keepalives_count": 5,
    "tcp_user_timeout": 210_000,
}
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds between two tries to connect
# libpq gives no code for what it finds out itself, only text; what is not in these lists is not
# tried again.
LOST = (
    "closed the connection unexpectedly|connection has been closed unexpectedly|eof detected|"
    "unexpected eof|connection reset by peer|connection timed out|broken pipe|"
    "no connection to the server|could not (?:receive data from|send data to) server|"
    "connection already closed|terminating connection")
TRANSIENT = re.compile(
    "connection refused|timeout expired|timed out|no route to host|network is unreachable|"
    "no such file or directory\n|could not translate host name|"
    "the database system is (?:starting up|shutting down|in recovery|not yet accepting|not acc)|"
    "too many (?:clients|connections)|connection slots are reserved|connection limit .*exceeded|"
    + LOST, re.IGNORECASE)
AUTHENTICATION = re.compile("password|authentication")
HINTS = (
    ("authentication method 13 ", "The server keeps this user's password as SHA-256, which libpq "
     "cannot send. Set it anew, plain or as md5: ALTER USER … PASSWORD …"),
    (AUTHENTICATION, "{who}"),
    ("no pg_hba.conf entry", "The server does not admit this user from this machine."),
    ("database .* does not exist", "Check DB_NAME."),
    ("certificate verify failed", "No authority in {roots} signed the server's certificate. "
     "Redshift's is in SSLROOTCERT = system; for your own server, name the PEM file of its "
     "authority."),
    ("does not match host name", "HOST must be the name in the certificate, no address or alias."),
    ("root certificate file", "Check SSLROOTCERT: it names a PEM file, or is system."),
    ("does not support SSL", "The server offers no TLS: set SSLMODE = disable only where the "
     "network is trusted."),
    ("could not translate host name", "Check HOST."),
    (TRANSIENT, "Is the cluster running and not paused, and does its security group admit this"
     " machine? For a stand-in: is PostgreSQL running?"),
)
BUNDLES = (  # of certificate authorities: Debian, Amazon Linux and Fedora, macOS and Alpine
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


class Unreachable(WarehouseError):
    """No session was to be had, however often it was tried: there is no use in beginning anew."""


def connect(
    config: Config, on_progress: Callable[[int, int], None] = lambda done, total: None,
    query_group: str = "",
) -> extensions.connection:
    """Connect and settle the session; what that asked of the server is committed.

    What may pass by waiting (a workgroup that wakes, a cluster that resumes, a restart) is tried
    again for CONNECT_TIMEOUT seconds. Nothing else is: five wrong passwords lock a user (guide:
    behavior-changes). Only a password from a secret that has changed meanwhile is tried, once.
    on_progress(done, total) is told the bytes read by a COPY, by an engine that can tell.
    Raises Unreachable, or another WarehouseError where it did not come to a try.
    """
    deadline = time.monotonic() + config.connect_timeout
    parameters, rotated = login(config), False
    for pause in pauses(FIRST_PAUSE, LONGEST_PAUSE):
        left = deadline - time.monotonic()
        try:
            return session(config, parameters | timeout(left), on_progress, query_group)
        except psycopg2.Error as error:
            problem, failure = error, unreachable(config, parameters, error)
        left = deadline - time.monotonic()
        if is_transient(problem) and left > 0:
            logins.look_for_a_pause(config)
            pause = min(pause, left)
            log.info("waiting for %s: %s; next try in %.1f s, giving up in %.0f s",
                     parameters["host"], complaint(problem), pause, left)
            time.sleep(pause)
            parameters = login(config)
        elif config.secret and not rotated and AUTHENTICATION.search(complaint(problem)) and (
                (fresh := login(config)) != parameters):
            log.info("the password in SECRET = %s has changed; trying the new one", config.secret)
            parameters, rotated = fresh, True
        else:
            raise Unreachable(failure) from problem
    raise AssertionError("pauses() does not end")


def pauses(first: float, longest: float, growth: int = 2) -> Iterator[float]:
    """Seconds to wait before each next try: ever longer, and spread, so that many who lost the
    same server do not return at once."""
    while True:
        yield min(first, longest) * random.uniform(0.5, 1)
        first *= growth


def timeout(seconds: float) -> dict[str, int]:
    return {"connect_timeout": max(2, ceil(seconds))}  # libpq: 1 may be too short by rounding


def session(
    config: Config, parameters: dict[str, object], on_progress: Callable[[int, int], None],
    query_group: str,
) -> extensions.connection:
    """One try to connect; raises psycopg2.Error or WarehouseError, and leaves nothing open."""
    connection = psycopg2.connect(**parameters)
    try:
        settle(connection, config, parameters, on_progress, query_group)
    except BaseException:
        connection.close()
        raise
    return connection


def reads_folders(connection: extensions.connection) -> bool:
    """Whether COPY reads manifests and files from this machine, as the stand-in does."""
    return connection.cursor_factory is not None


def login(config: Config) -> dict[str, object]:
    """libpq's keywords. AWS is asked where dwh.cfg leaves something to it; see logins.

    Nothing is among them that Redshift would refuse: no options, no application_name.
    """
    if config.is_local:
        from ..standin.server import Server

        server = Server()
        server.start()
        try:
            server.ensure_database(config.database)
        except psycopg2.Error as error:
            raise WarehouseError(f"the server in {server.folder}: {complaint(error)}") from error
        return server.connect_parameters(config.database)
    found = logins.of(config)
    parameters = {
        "host": found.host,
        "port": found.port,
        "dbname": found.database,
        "user": found.user,
        "password": found.password,  # '' leaves it to PGPASSWORD or ~/.pgpass
        **tls(config, found.host),
        **timeout(config.connect_timeout),
        **KEEPALIVES,
        "gssencmode": "disable",  # libpq would ask for it first where this machine has a ticket
    }
    given = {key: value for key, value in parameters.items() if value != ""}
    # Keeps PGHOSTADDR out, which would stand before HOST, and PGOPTIONS, which Redshift refuses.
    return given | {"hostaddr": "", "options": ""}


def tls(config: Config, host: str) -> dict[str, str]:
    """sslmode and sslrootcert: never plain to another machine unless dwh.cfg says disable."""
    here = kind(host) in ON_THIS_MACHINE
    mode = config.sslmode or (
        "verify-full" if config.sslrootcert else "prefer" if here else "require")
    roots = config.sslrootcert or ("system" if mode == "verify-full" else "")
    return {"sslmode": mode, "sslrootcert": system_roots() if roots == "system" else roots}


def system_roots() -> str:
    """The file of the authorities that this machine trusts; SSL_CERT_FILE may name it.

    libpq knows the word system too, but the OpenSSL that comes with psycopg2-binary then looks in
    the folder where it was built, and finds none.
    """
    for path in (ssl.get_default_verify_paths().cafile, *BUNDLES):
        if path and os.path.isfile(path):
            return path
    raise ConfigError("SSLROOTCERT is system, and this machine has no file of certificate"
                      " authorities. Install ca-certificates, or name a PEM file.")


def settle(
    connection: extensions.connection, config: Config, parameters: dict[str, object],
    on_progress: Callable[[int, int], None], query_group: str,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        version = cursor.fetchone()[0]
    connection.commit()
    if "Redshift" not in version:
        from ..standin.cursor import Session, adopt

        adopt(connection, Session(lambda: psycopg2.connect(**parameters), on_progress))
    with connection.cursor() as cursor:
        cursor.execute("SET search_path TO %(schema)s", {"schema": AsIs(config.schema)})
        cursor.execute("SELECT CURRENT_SCHEMA()")
        if cursor.fetchone()[0] is None:
            raise ConfigError(
                f"SCHEMA is {config.schema}, and {parameters.get('user', 'this user')} finds no"
                f" such schema in {parameters['dbname']}. Create it"
                f" (CREATE SCHEMA {config.schema}), or set another.")
        if query_group:  # the query_label of sys_query_history (guide: r_query_group)
            cursor.execute("SET query_group TO %(name)s", {"name": query_group})
        if config.statement_timeout:
            cursor.execute(
                "SET statement_timeout TO %(ms)s", {"ms": config.statement_timeout * 1000})
    connection.commit()
    engine = version.split(" on ")[0] if "Redshift" not in version else "Amazon Redshift"
    log.info("connected to %s (%s)%s", config.host or parameters["host"], engine,
             f" as query group {query_group}" if query_group else "")


def attempts(error: psycopg2.Error) -> list[str]:
    """What libpq said, by address: localhost, for example, has two."""
    said = str(error).strip() or type(error).__name__
    return re.split(r"\n(?=connection to server |could not translate )", said)


def is_transient(error: psycopg2.Error) -> bool:
    """Whether waiting may help. A workgroup that wakes may also cancel the first statement."""
    return isinstance(error, psycopg2.OperationalError) and (
        error.pgcode == errorcodes.QUERY_CANCELED
        or all(TRANSIENT.search(f"{said}\n") for said in attempts(error)))


def complaint(error: psycopg2.Error) -> str:
    """The line that says most: one that is not transient, if there is any."""
    said = attempts(error)
    lasting = [text for text in said if not TRANSIENT.search(f"{text}\n")]
    return (lasting or said)[-1].splitlines()[0]


def unreachable(config: Config, parameters: dict[str, object], error: psycopg2.Error) -> str:
    """What a failed login means, and what to look at."""
    said = complaint(error)
    hint = next((hint for pattern, hint in HINTS if re.search(pattern, f"{said}\n")), "")
    who = "Check DB_USER and DB_PASSWORD (or PGPASSWORD, ~/.pgpass)."
    if config.secret:
        who = f"Check username and password in SECRET = {config.secret}."
    elif config.cluster_identifier or config.workgroup:
        who = "Temporary credentials make no user: has somebody created this one in the database?"
    where = f"{config.host or parameters['host']}:{parameters['port']}/{parameters['dbname']}"
    where += f" as {parameters.get('user', 'this user')}"
    hint = hint.format(who=who, roots=parameters.get("sslrootcert", "~/.postgresql/root.crt"))
    return f"cannot connect to {where}: {said.rstrip('.')}. {hint}".strip()
