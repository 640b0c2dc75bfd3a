"""Config -> a psycopg2 connection, to Redshift or to the PostgreSQL that stands in for it.

Which of the two a host is, its own answer to SELECT version() tells. Nobody else asks.
"""

import logging
import os
import ssl
import time
from math import ceil
from typing import Callable

import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import AsIs

from .. import ConfigError, WarehouseError
from ..config import Config, Server
from ..config.hosts import ON_THIS_MACHINE, classify
from . import logins
from .errors import AUTHENTICATION, NO_SUCH_NAME, complaint_of, explain_login, is_login_transient
from .retry import pauses

log = logging.getLogger(__name__)

# A COPY may be silent for hours, and NAT gateways drop flows that are silent for 350 seconds. A
# peer that does not answer is given up after 60 + 5 × 30 s, whether or not data was on its way.
KEEPALIVES = {
    "keepalives": 1, "keepalives_idle": 60, "keepalives_interval": 30, "keepalives_count": 5,
    "tcp_user_timeout": 210_000,
}
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds between two tries to connect
PATIENCE_FOR_A_NAME = 5  # seconds, where the resolver says that there is no such host
BUNDLES = (  # of certificate authorities: Debian, Amazon Linux and Fedora, macOS and Alpine
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


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
    deadline = time.monotonic() + config.limits.connect_timeout
    parameters, rotated = login(config), False
    for pause in pauses(FIRST_PAUSE, LONGEST_PAUSE):
        left = deadline - time.monotonic()
        try:
            return connect_once(config, parameters | timeout(left), on_progress, query_group)
        except psycopg2.Error as error:
            problem = error
        left = deadline - time.monotonic()
        if NO_SUCH_NAME.search(complaint_of(problem)):  # a cluster that is being made may get its name
            left -= max(0, config.limits.connect_timeout - PATIENCE_FOR_A_NAME)
        if is_login_transient(problem) and left > 0:
            logins.look_for_a_pause(config.server)
            pause = min(pause, left)
            log.info("waiting for %s: %s; next try in %.1f s, giving up in %.0f s",
                     parameters["host"], complaint_of(problem), pause, left)
            time.sleep(pause)
            parameters = login(config)
        elif (config.server.secret and not rotated
              and AUTHENTICATION.search(complaint_of(problem))
              and (fresh := login(config)) != parameters):
            log.info("the password in SECRET = %s has changed; trying the new one",
                     config.server.secret)
            parameters, rotated = fresh, True
        else:
            raise explain_login(config.server, parameters, problem) from problem
    raise AssertionError("pauses() does not end")


def timeout(seconds: float) -> dict[str, int]:
    return {"connect_timeout": max(2, ceil(seconds))}  # libpq: 1 may be too short by rounding


def connect_once(
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


def is_standin(connection: extensions.connection) -> bool:
    """Whether the server stands in for Redshift: its COPY reads files of this machine, too."""
    return connection.cursor_factory is not None


def login(config: Config) -> dict[str, object]:
    """libpq's keywords. AWS is asked where dwh.cfg leaves something to it; see logins.

    Nothing is among them that Redshift would refuse: no options, no application_name.
    """
    if config.server.is_local:
        return start_standin(config.server.database)
    found = logins.find_login(config.server)
    parameters = {
        "host": found.host,
        "port": found.port,
        "dbname": found.database,
        "user": found.user,
        "password": found.password,  # '' leaves it to PGPASSWORD or ~/.pgpass
        **tls(config.server, found.host),
        **timeout(config.limits.connect_timeout),
        **KEEPALIVES,
        "gssencmode": "disable",  # libpq would ask for it first where this machine has a ticket
    }
    given = {key: value for key, value in parameters.items() if value != ""}
    # Keeps PGHOSTADDR out, which would stand before HOST, and PGOPTIONS, which Redshift refuses.
    return given | {"hostaddr": "", "options": ""}


def start_standin(database: str) -> dict[str, object]:
    """libpq's keywords for a database of the private server, which is started, and made if missing."""
    from ..standin.server import Server as Standin

    standin = Standin()
    standin.start()
    try:
        standin.ensure_database(database)
    except psycopg2.Error as error:
        raise WarehouseError(f"the server in {standin.folder}: {complaint_of(error)}") from error
    return standin.connect_parameters(database)


def tls(server: Server, host: str) -> dict[str, str]:
    """sslmode and sslrootcert: never plain to another machine unless dwh.cfg says disable."""
    is_here = classify(host) in ON_THIS_MACHINE
    mode = server.sslmode or (
        "verify-full" if server.sslrootcert else "prefer" if is_here else "require")
    roots = server.sslrootcert or ("system" if mode == "verify-full" else "")
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
    schema = config.server.schema
    with connection.cursor() as cursor:
        cursor.execute("SET search_path TO %(schema)s", {"schema": AsIs(schema)})
        cursor.execute("SELECT CURRENT_SCHEMA()")
        if cursor.fetchone()[0] is None:
            raise ConfigError(
                f"SCHEMA is {schema}, and {parameters.get('user', 'this user')} finds no"
                f" such schema in {parameters['dbname']}. Create it"
                f" (CREATE SCHEMA {schema}), or set another.")
        if query_group:  # the query_label of sys_query_history (guide: r_query_group)
            cursor.execute("SET query_group TO %(name)s", {"name": query_group})
        if seconds := config.limits.statement_timeout:
            cursor.execute("SET statement_timeout TO %(ms)s", {"ms": seconds * 1000})
    connection.commit()
    engine = version.split(" on ")[0] if "Redshift" not in version else "Amazon Redshift"
    log.info("connected to %s (%s)%s", config.server.host or parameters["host"], engine,
             f" as query group {query_group}" if query_group else "")


