"""Connecting by a dwh.cfg, and the PostgreSQL servers that may stand in."""

import contextlib
import re
import uuid
from pathlib import Path

import psycopg2
import pytest
from support.configuration import ask
from support.databases import administering
from support.sessions import wait_until_no_session_is_left
from support.tcp_server import TcpServer

from warehouse import ConfigError, WarehouseError
from warehouse.database.connection import connect, is_standin, make_parameters


@pytest.fixture
def socket_keys(server, database) -> dict[str, str]:
    """The keys of a fresh database, with the folder of the server's socket as HOST."""
    return {"HOST": str(server.socket_folder), "DB_PORT": "5432", "DB_USER": "sparkify",
            "DB_NAME": database}


# ---------------------------------------------------------------------------------- parameters

ONE_TRY = "CONNECT_TIMEOUT = 1\n"  # or two
ENDPOINT = "dwh.abc123.us-west-2.redshift.amazonaws.com"


@pytest.mark.parametrize("host, sslmode", [
    (ENDPOINT, "require"),
    ("dwh.123456789012.us-west-2.redshift-serverless.amazonaws.com", "require"),
    ("db.example.org", "require"),
    ("10.0.0.7", "require"),
    ("localhost", "prefer"),
    ("127.0.0.1", "prefer"),
    ("::1", "prefer"),
    ("/var/run/postgresql", "prefer"),
])
def test_tls_is_required_unless_the_host_is_this_machine(make_config, host, sslmode):
    settings = make_config(HOST=host, DB_NAME="dwh", DB_USER="ann", DB_PASSWORD="x")
    assert make_parameters(settings)["sslmode"] == sslmode
    settings = make_config(HOST=host, DB_NAME="dwh", DB_USER="ann", SSLMODE="verify-full")
    assert make_parameters(settings)["sslmode"] == "verify-full"


def test_the_parameters_are_those_of_dwh_cfg_with_keepalives(make_config):
    settings = make_config("CONNECT_TIMEOUT = 7\n", HOST=ENDPOINT, DB_NAME="dwh", DB_USER="ann",
                           DB_PASSWORD='"a#b %(c)s"')
    parameters = make_parameters(settings)
    assert parameters.items() >= {
        "host": ENDPOINT, "port": 5439, "dbname": "dwh", "user": "ann", "password": "a#b %(c)s",
        "connect_timeout": 7, "keepalives": 1,
    }.items()
    assert 0 < parameters["keepalives_idle"] < 350  # seconds after which a NAT gateway drops a connection


def test_an_empty_password_is_left_to_libpq(make_config):
    settings = make_config(HOST=ENDPOINT, DB_NAME="dwh", DB_USER="ann")
    assert "password" not in make_parameters(settings)


# ------------------------------------------------------------------------------------ stand-ins

def test_a_postgresql_by_tcp_stands_in(make_config, tcp):
    with contextlib.closing(connect(make_config(**tcp.settings()))) as connection:
        assert is_standin(connection)
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE #t (a INT) DISTKEY (a)")  # only on Redshift
            connection.rollback()


def test_a_postgresql_by_socket_stands_in(make_config, socket_keys):
    with contextlib.closing(connect(make_config(**socket_keys))) as connection:
        assert is_standin(connection)


def test_nothing_is_left_open_after_connecting(make_config, socket_keys):
    with contextlib.closing(connect(make_config(**socket_keys))) as connection:
        idle = psycopg2.extensions.TRANSACTION_STATUS_IDLE
        assert connection.info.transaction_status == idle


@pytest.mark.parametrize("how, named", [
    ("ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'", "LATIN1"),
    ("ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'", "SQL_ASCII"),
    ("ENCODING 'UTF8' LC_COLLATE '{other}' LC_CTYPE '{other}'", "{other}"),
])
def test_a_database_of_another_encoding_or_collation_is_refused(
    server, make_config, socket_keys, how, named
):
    with administering(server) as cursor:
        cursor.execute(
            "SELECT collcollate FROM pg_collation WHERE collprovider = 'c' AND collencoding = 6"
            " AND collcollate !~ '^(C|POSIX)' LIMIT 1")
        other = cursor.fetchone()
        if "{other}" in how and not other:
            pytest.skip("this machine has no locale but C")
        name = f"test_{uuid.uuid4().hex[:12]}"
        other, = other or ("",)
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0 {how.replace('{other}', other)}")
        try:
            with pytest.raises(WarehouseError) as raised:
                connect(make_config(**socket_keys | {"DB_NAME": name}))
        finally:
            cursor.execute(f"DROP DATABASE {name}")  # refused if a session were left
    said = str(raised.value)
    assert named.replace("{other}", other) in said
    assert "needs UTF8 and C" in said
    assert "CREATE DATABASE dwh ENCODING 'UTF8' LC_COLLATE 'C'" in said


# ------------------------------------------------------------------------- password and schema

def test_pgpassword_is_used_if_db_password_is_empty(make_config, tcp, monkeypatch):
    settings = make_config(**tcp.settings(DB_PASSWORD=""))
    with pytest.raises(WarehouseError, match="no password supplied.*PGPASSWORD"):
        connect(settings)
    monkeypatch.setenv("PGPASSWORD", tcp.password)
    assert ask(settings, "SELECT current_user") == tcp.user


def test_pgpassfile_is_used_if_db_password_is_empty(make_config, tcp, monkeypatch, tmp_path):
    file = tmp_path / "pgpass"
    file.write_text(f"127.0.0.1:{tcp.port}:*:{tcp.user}:{tcp.password}\n")
    file.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert ask(make_config(**tcp.settings(DB_PASSWORD="")), "SELECT current_user") == tcp.user


def test_db_password_takes_precedence_over_pgpassword(make_config, tcp, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", "wrong")
    assert ask(make_config(**tcp.settings()), "SELECT current_user") == tcp.user


def test_no_error_shows_the_password(make_config, tcp):
    with pytest.raises(WarehouseError) as raised:
        connect(make_config(**tcp.settings(DB_USER="nobody")))
    assert "as nobody" in str(raised.value)
    assert tcp.password not in str(raised.value)
    assert tcp.password not in repr(make_config(**tcp.settings()))


def test_names_are_looked_up_in_the_schema_of_dwh_cfg(make_config, socket_keys, postgres):
    postgres.cursor().execute("CREATE SCHEMA music; CREATE TABLE music.t AS SELECT 7 AS a")
    postgres.commit()
    assert ask(make_config(**socket_keys, SCHEMA="music"), "SELECT a FROM t") == 7


def test_a_schema_that_does_not_exist_is_named_and_no_session_is_left(
    make_config, socket_keys, project
):
    with pytest.raises(ConfigError, match="SCHEMA is nowhere.*CREATE SCHEMA nowhere"):
        connect(make_config(**socket_keys, SCHEMA="nowhere"))
    wait_until_no_session_is_left(project)


def test_statement_timeout_is_that_of_the_session(make_config, socket_keys):
    settings = make_config("STATEMENT_TIMEOUT = 90\n", **socket_keys)
    with contextlib.closing(connect(settings)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        assert cursor.fetchone() == ("90s",)


def test_the_run_is_named_in_its_session_and_in_the_log(make_config, socket_keys, caplog):
    with caplog.at_level("INFO", "warehouse"), contextlib.closing(
            connect(make_config(**socket_keys), query_group="etl-0a1b2c")) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SHOW query_group")
            assert cursor.fetchone() == ("etl-0a1b2c",)
    assert "(PostgreSQL " in caplog.text and ") as query group etl-0a1b2c" in caplog.text


# ---------------------------------------------------------------------------------- environment

@pytest.mark.parametrize("name", ["PGHOST", "PGHOSTADDR"])
def test_the_environment_does_not_divert_local(make_config, server, database, monkeypatch, name):
    monkeypatch.setenv("SPARKIFY_STANDIN", str(server.folder))
    monkeypatch.setenv(name, "192.0.2.1")  # no server is there
    settings = make_config("CONNECT_TIMEOUT = 2\n", HOST="local", DB_NAME=database)
    assert ask(settings, "SELECT current_database()") == database


@pytest.mark.parametrize("name", ["PGHOST", "PGHOSTADDR"])
def test_the_environment_does_not_divert_a_host(make_config, tcp: TcpServer, monkeypatch, name):
    monkeypatch.setenv(name, "192.0.2.1")
    settings = make_config("CONNECT_TIMEOUT = 2\n", **tcp.settings())
    assert ask(settings, "SELECT setting FROM pg_settings WHERE name = 'port'") == str(tcp.port)


def test_a_host_that_does_not_exist(make_config):
    with pytest.raises(WarehouseError, match=r"cannot connect to no\.such\.host\.invalid.*Check HOST"):
        connect(make_config(ONE_TRY, HOST="no.such.host.invalid", DB_NAME="dwh", DB_USER="ann"))


def test_a_socket_folder_without_a_server(make_config, tmp_path: Path):
    with pytest.raises(WarehouseError) as raised:
        connect(make_config(ONE_TRY, HOST=str(tmp_path), DB_PORT="5432", DB_NAME="dwh",
                            DB_USER="ann"))
    assert re.search(re.escape(str(tmp_path)) + ".*is PostgreSQL running", str(raised.value))


def test_a_server_without_tls_is_refused_where_tls_is_required(make_config, tcp):
    with pytest.raises(WarehouseError, match="SSLMODE = disable only where the network is trusted"):
        connect(make_config(**tcp.settings(SSLMODE="require")))
