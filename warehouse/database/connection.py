"""Connect to the server of a Config: to Redshift, or to a PostgreSQL that stands in for it.

SELECT version() decides which of the two it is; other modules call is_standin().
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
from .errors import AUTHENTICATION, NO_SUCH_NAME, explain_login, is_login_transient, pick_message
from .retry import generate_pauses

log = logging.getLogger(__name__)

# A COPY may be silent for hours, and NAT gateways drop connections that are silent for 350 seconds.
# A peer that does not answer is given up after 60 + 5 × 30 s, even if sent data is not acknowledged.
KEEPALIVES = {
    "keepalives": 1, "keepalives_idle": 60, "keepalives_interval": 30, "keepalives_count": 5,
    "tcp_user_timeout": 210_000,
}
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # seconds between two attempts to connect
UNKNOWN_HOST_TIMEOUT = 5  # seconds, if the resolver answers that there is no such host
BUNDLES = (  # certificate authorities: Debian, Amazon Linux and Fedora, macOS and Alpine
    "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def connect(
    config: Config, on_progress: Callable[[int, int], None] = lambda done, total: None,
    query_group: str = "",
) -> extensions.connection:
    """Connect, prepare the session and commit, so that no transaction is left open.

    Failures that waiting may cure (a workgroup that wakes up, a cluster that resumes, a restart) are
    retried for CONNECT_TIMEOUT seconds. Other failures are not: five wrong passwords lock a user
    (guide: behavior-changes). One exception: if a secret has a new password, that is tried once.
    on_progress(done, total) receives the bytes that a COPY has read; only the stand-in calls it.
    Raise LoginFailed if the server refuses or does not answer, or another WarehouseError if AWS
    supplies no login or a setting is wrong.
    """
    deadline = time.monotonic() + config.limits.connect_timeout
    parameters, is_rotated = make_parameters(config), False
    for pause in generate_pauses(FIRST_PAUSE, LONGEST_PAUSE):
        left = deadline - time.monotonic()
        try:
            return connect_once(config, parameters | make_timeout(left), on_progress, query_group)
        except psycopg2.Error as error:
            problem = error
        left = deadline - time.monotonic()
        if NO_SUCH_NAME.search(pick_message(problem)):  # retried, as a new cluster may get its name soon
            left -= max(0, config.limits.connect_timeout - UNKNOWN_HOST_TIMEOUT)
        if is_login_transient(problem) and left > 0:
            logins.refuse_if_reported_paused(config.server)
            pause = min(pause, left)
            log.info("waiting for %s: %s; next try in %.1f s, giving up in %.0f s",
                     parameters["host"], pick_message(problem), pause, left)
            time.sleep(pause)
            parameters = make_parameters(config)
        elif (config.server.secret and not is_rotated
              and AUTHENTICATION.search(pick_message(problem))
              and (fresh := make_parameters(config)) != parameters):
            log.info("the password in SECRET = %s has changed; trying the new one",
                     config.server.secret)
            parameters, is_rotated = fresh, True
        else:
            raise explain_login(config.server, parameters, problem) from problem
    raise AssertionError("generate_pauses() does not end")


def make_timeout(seconds: float) -> dict[str, int]:
    return {"connect_timeout": max(2, ceil(seconds))}  # libpq rounds, so 1 may be too short


def connect_once(
    config: Config, parameters: dict[str, object], on_progress: Callable[[int, int], None],
    query_group: str,
) -> extensions.connection:
    """Try to connect once. Close the connection before raising psycopg2.Error or WarehouseError."""
    connection = psycopg2.connect(**parameters)
    try:
        prepare_session(connection, config, parameters, on_progress, query_group)
    except BaseException:
        connection.close()
        raise
    return connection


def is_standin(connection: extensions.connection) -> bool:
    """Return True if the server stands in for Redshift. Its COPY then reads local files too."""
    return connection.cursor_factory is not None  # adopt() sets one


def make_parameters(config: Config) -> dict[str, object]:
    """Return libpq's keywords and values. AWS supplies what dwh.cfg leaves out; see logins.

    Redshift refuses options and application_name, so neither is sent.
    """
    if config.server.is_local:
        return start_standin(config.server.database)
    login = logins.find_login(config.server)
    parameters = {
        "host": login.host,
        "port": login.port,
        "dbname": login.database,
        "user": login.user,
        "password": login.password,  # '': libpq takes it from PGPASSWORD or ~/.pgpass
        **choose_tls(config.server, login.host),
        **make_timeout(config.limits.connect_timeout),
        **KEEPALIVES,
        "gssencmode": "disable",  # libpq would try it first if this machine has a Kerberos ticket
    }
    parameters = {key: value for key, value in parameters.items() if value != ""}
    # Override PGHOSTADDR, which would replace HOST, and PGOPTIONS, which Redshift refuses.
    return parameters | {"hostaddr": "", "options": ""}


def start_standin(database: str) -> dict[str, object]:
    """Start the private server, create the database if it is missing, and return libpq's keywords."""
    from ..standin.server import Server as Standin

    standin = Standin()
    standin.start()
    try:
        standin.ensure_database(database)
    except psycopg2.Error as error:
        raise WarehouseError(f"the server in {standin.folder}: {pick_message(error)}") from error
    return standin.connect_parameters(database)


def choose_tls(server: Server, host: str) -> dict[str, str]:
    """Return sslmode and sslrootcert. Only SSLMODE = disable allows plain text to another machine."""
    is_here = classify(host) in ON_THIS_MACHINE
    mode = server.sslmode or (
        "verify-full" if server.sslrootcert else "prefer" if is_here else "require")
    roots = server.sslrootcert or ("system" if mode == "verify-full" else "")
    return {"sslmode": mode, "sslrootcert": find_system_roots() if roots == "system" else roots}


def find_system_roots() -> str:
    """Return the file of the authorities that this machine trusts. SSL_CERT_FILE may name it.

    libpq knows the word system too. But the OpenSSL in psycopg2-binary then looks in the folder
    where it was built, which this machine does not have.
    """
    for path in (ssl.get_default_verify_paths().cafile, *BUNDLES):
        if path and os.path.isfile(path):
            return path
    raise ConfigError("SSLROOTCERT is system, but this machine has no file of certificate"
                      " authorities. Install ca-certificates, or name a PEM file.")


def prepare_session(
    connection: extensions.connection, config: Config, parameters: dict[str, object],
    on_progress: Callable[[int, int], None], query_group: str,
) -> None:
    """Detect a stand-in, set the schema, query group and statement timeout, and commit."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        version = cursor.fetchone()[0]
    connection.commit()
    if "Redshift" not in version:
        from ..standin.cursor import CopyContext, adopt

        adopt(connection, CopyContext(lambda: psycopg2.connect(**parameters), on_progress))
    schema = config.server.schema
    with connection.cursor() as cursor:
        cursor.execute("SET search_path TO %(schema)s", {"schema": AsIs(schema)})
        cursor.execute("SELECT CURRENT_SCHEMA()")
        if cursor.fetchone()[0] is None:
            raise ConfigError(
                f"SCHEMA is {schema}, but {parameters.get('user', 'this user')} finds no"
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
