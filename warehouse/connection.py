"""Config -> a psycopg2 connection, to Redshift or to the PostgreSQL that stands in for it.

Which of the two a host is, its own answer to SELECT version() tells. Nobody else asks.
"""

import logging
from typing import Callable

import psycopg2
from psycopg2 import extensions
from psycopg2.extensions import AsIs

from . import ConfigError, WarehouseError
from .config import Config

log = logging.getLogger(__name__)

# A COPY may be silent for hours, and NAT gateways drop flows that are silent for 350 seconds.
KEEPALIVES = {
    "keepalives": 1, "keepalives_idle": 60, "keepalives_interval": 30, "keepalives_count": 5,
}


def connect(
    config: Config, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> extensions.connection:
    """Connect and settle the session; what that asked of the server is committed.

    on_progress(done, total) is told the bytes read by a COPY, by an engine that can tell.
    Raises WarehouseError.
    """
    try:
        parameters = login(config)
        connection = psycopg2.connect(**parameters)
    except psycopg2.Error as error:
        raise WarehouseError(unreachable(config, error)) from error
    try:
        settle(connection, config, parameters, on_progress)
    except psycopg2.Error as error:
        connection.close()
        raise WarehouseError(f"{config.host}: {str(error).strip()}") from error
    except WarehouseError:
        connection.close()
        raise
    return connection


def reads_folders(connection: extensions.connection) -> bool:
    """Whether COPY reads manifests and files from this machine, as the stand-in does."""
    return connection.cursor_factory is not None


def login(config: Config) -> dict[str, object]:
    """libpq's keywords for user and password. Other ways to log in belong beside this one."""
    if config.is_local:
        from .standin.server import Server

        server = Server()
        server.start()
        server.ensure_database(config.database)
        return server.connect_parameters(config.database)
    parameters = {
        "host": config.host,
        "port": config.port,
        "dbname": config.database,
        "user": config.user,
        "password": config.password,  # '' leaves it to PGPASSWORD or ~/.pgpass
        "sslmode": config.sslmode or ("prefer" if config.is_on_this_machine else "require"),
        "connect_timeout": config.connect_timeout,
        **KEEPALIVES,
    }
    given = {key: value for key, value in parameters.items() if value != ""}
    return given | {"hostaddr": ""}  # keeps PGHOSTADDR out, which would stand before HOST


def settle(
    connection: extensions.connection, config: Config, parameters: dict[str, object],
    on_progress: Callable[[int, int], None],
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        version = cursor.fetchone()[0]
    connection.commit()
    if "Redshift" not in version:
        from .standin.cursor import Session, adopt

        adopt(connection, Session(lambda: psycopg2.connect(**parameters), on_progress))
    with connection.cursor() as cursor:
        cursor.execute("SET search_path TO %(schema)s", {"schema": AsIs(config.schema)})
        cursor.execute("SELECT CURRENT_SCHEMA()")
        if cursor.fetchone()[0] is None:
            raise ConfigError(
                f"SCHEMA is {config.schema}, and {config.user or 'this user'} finds no such schema"
                f" in {config.database}. Create it (CREATE SCHEMA {config.schema}), or set another."
            )
        if config.statement_timeout:
            cursor.execute(
                "SET statement_timeout TO %(ms)s", {"ms": config.statement_timeout * 1000})
    connection.commit()
    engine = version.split(" on ")[0] if "Redshift" not in version else "Amazon Redshift"
    log.debug("connected to %s (%s)", config.host, engine)


def unreachable(config: Config, error: psycopg2.Error) -> str:
    """What a failed login means, and what to look at. libpq gives no code for it, only text."""
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    where = f"cannot connect to {config.host}:{config.port}/{config.database} as {config.user}"
    if "password" in said or "authentication" in said:
        hint = "Check DB_USER and DB_PASSWORD (or PGPASSWORD, ~/.pgpass)."
    elif "database" in said and "does not exist" in said:
        hint = "Check DB_NAME."
    elif "SSL" in said:
        hint = "The server offers no TLS: set SSLMODE = disable only where the network is trusted."
    elif "could not translate host name" in said:
        hint = "Check HOST."
    else:
        hint = ("Is the cluster running and not paused, and does its security group admit this"
                " machine? For a stand-in: is PostgreSQL running?")
    return f"{where}: {said}. {hint}"
