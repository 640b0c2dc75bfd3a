"""Connecting to a server that is not ready yet, and the exact requests that it gets."""

import contextlib
import itertools
import socket
import threading
import time

import psycopg2
import pytest
from support.recording_server import RESET, SSL_REQUEST, running_recording_server
from support.tcp_server import find_free_port, running_tcp_server

from warehouse import WarehouseError
from warehouse.database import connection, errors, retry
from warehouse.database.connection import connect, make_parameters

SOON = "CONNECT_TIMEOUT = 20\n"


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(connection, "FIRST_PAUSE", 0.02)


def keys(port: int, **changes: str) -> dict[str, str]:
    return {"HOST": "127.0.0.1", "DB_PORT": str(port), "DB_NAME": "dwh", "DB_USER": "IAM:etl",
            "DB_PASSWORD": "x"} | changes


# ------------------------------------------------------------------------------------ what is sent

def test_redshift_is_sent_nothing_that_it_refuses(make_config, monkeypatch):
    monkeypatch.setenv("PGOPTIONS", "-c lock_timeout=5s")  # a parameter that Redshift does not know
    with running_recording_server() as server:
        config = make_config("STATEMENT_TIMEOUT = 90\n", **keys(server.port))
        connect(config, query_group="etl-0a1b2c").close()
    assert server.requests == [SSL_REQUEST]  # and no GSSAPI
    assert server.startups == [{"user": "IAM:etl", "database": "dwh"}]
    assert server.statements == [
        "BEGIN", "SELECT version()", "COMMIT",
        "BEGIN", "SET search_path TO public", "SELECT CURRENT_SCHEMA()",
        "SET query_group TO 'etl-0a1b2c'", "SET statement_timeout TO 90000", "COMMIT"]


def test_a_peer_that_is_gone_is_noticed_before_a_nat_gateway_forgets(make_config):
    with running_recording_server() as server:
        with contextlib.closing(connect(make_config(**keys(server.port)))) as connected:
            with socket.socket(fileno=connected.fileno()) as opened:
                option = opened.getsockopt
                assert option(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
                    idle = option(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
                    more = option(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) * option(
                        socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
                    assert idle < 350
                    assert option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == (
                        1000 * (idle + more))
                opened.detach()


# ------------------------------------------------------------------------------ what is waited for

@pytest.mark.parametrize("refusal", [
    "the database system is starting up",
    "the database system is shutting down",
    "the database system is not yet accepting connections",
    "sorry, too many clients already",
    "remaining connection slots are reserved for non-replication superuser connections",
    'connection limit "500" exceeded for non-bootstrap users',
    "terminating connection due to unexpected postmaster exit",
    RESET,
])
def test_a_failure_that_passes_is_waited_for(make_config, quick, caplog, refusal):
    with running_recording_server(refusal, refusal) as server, caplog.at_level("INFO", "warehouse"):
        connect(make_config(SOON, **keys(server.port))).close()
    assert len(server.startups) == 3
    waits = [said for said in caplog.messages if said.startswith("waiting for 127.0.0.1: ")]
    assert len(waits) == 2
    assert (refusal or "closed the connection unexpectedly") in waits[0]
    assert "next try in 0.0 s, giving up in " in waits[0]


@pytest.mark.parametrize("refusal", [
    'password authentication failed for user "etl"',
    'database "dwh" does not exist',
    'no pg_hba.conf entry for host "10.0.0.1", user "etl", database "dwh", SSL off',
    'role "etl" is not permitted to log in',
    'unrecognized configuration parameter "lock_timeout"',
    "anything that is new to us",
])
def test_nothing_else_is_tried_a_second_time(make_config, quick, refusal):
    with running_recording_server(refusal, refusal) as server:
        with pytest.raises(WarehouseError, match=refusal[:25]):
            connect(make_config(SOON, **keys(server.port)))
        assert len(server.startups) == 1


def test_a_server_that_starts_meanwhile_is_reached(make_config, quick, caplog):
    port = find_free_port()
    with contextlib.ExitStack() as stack, caplog.at_level("INFO", "warehouse"):
        starting = threading.Timer(
            0.3, lambda: stack.enter_context(running_recording_server(port=port)))
        starting.start()
        connect(make_config(SOON, **keys(port))).close()
        starting.join()
    assert "waiting for 127.0.0.1: connection to server" in caplog.text
    assert "Connection refused; next try in" in caplog.text


def test_a_user_with_too_many_sessions_waits_for_one_to_end(make_config, quick):
    with running_tcp_server() as server:
        parameters = server.connect_parameters("postgres")
        with contextlib.closing(psycopg2.connect(**parameters)) as other, other:
            other.cursor().execute("CREATE ROLE etl LOGIN PASSWORD 'x' CONNECTION LIMIT 1;"
                                   " GRANT ALL ON DATABASE postgres TO etl")
        held = psycopg2.connect(**parameters | {"user": "etl", "password": "x"})
        threading.Timer(0.3, held.close).start()
        connect(make_config(SOON, **server.settings(DB_USER="etl", DB_PASSWORD="x"))).close()
        assert held.closed


def test_connecting_gives_up_after_connect_timeout(make_config, quick, caplog):
    with running_recording_server(*["the database system is starting up"] * 1000) as server:
        began = time.monotonic()
        with caplog.at_level("INFO", "warehouse"), pytest.raises(WarehouseError) as raised:
            connect(make_config("CONNECT_TIMEOUT = 1\n", **keys(server.port)))
        assert 1 <= time.monotonic() - began < 4
        assert 4 < len(server.startups) < 20  # the pauses grow
    assert "is starting up. Is the cluster running and not paused" in str(raised.value)


@pytest.mark.parametrize("said, waits", [
    ("Name or service not known", False), ("Temporary failure in name resolution", True)])
def test_a_missing_host_is_given_up_after_seconds_and_a_silent_resolver_is_not(
    make_config, quick, monkeypatch, said, waits
):
    tries = []

    def refuse(**parameters):
        tries.append(time.monotonic())
        raise psycopg2.OperationalError(f'could not translate host name "dwh" to address: {said}')

    monkeypatch.setattr(connection.psycopg2, "connect", refuse)
    monkeypatch.setattr(connection, "UNKNOWN_HOST_TIMEOUT", 0.2)
    with pytest.raises(WarehouseError, match="Check HOST"):
        connect(make_config(load="CONNECT_TIMEOUT = 2", **keys(1)))
    assert (tries[-1] - tries[0] > 1) == waits


def test_a_server_that_is_silent_is_given_up(make_config):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(WarehouseError, match="timeout expired. Is the cluster running"):
            connect(make_config("CONNECT_TIMEOUT = 1\n", **keys(silent.getsockname()[1])))


@pytest.mark.parametrize("first, limit, growth", [(0.5, 15, 2), (1, 60, 4)])
def test_pauses_grow_to_a_limit_and_are_spread(first, limit, growth):
    some = [list(itertools.islice(retry.generate_pauses(first, limit, growth), 12)) for _ in range(50)]
    for n, column in enumerate(zip(*some, strict=True)):
        longest = min(first * growth**n, limit)
        assert longest / 2 <= min(column) < max(column) <= longest


def test_the_pauses_between_attempts_are_about_1_and_4_and_16_seconds():
    first, second, third = itertools.islice(
        retry.generate_pauses(retry.FIRST_PAUSE, retry.LONGEST_PAUSE, retry.GROWTH), 3)
    assert first <= 1 < 2 <= second <= 4 < 8 <= third <= 16


def test_a_host_of_two_addresses_is_not_waited_for_if_one_refuses_the_password():
    error = psycopg2.OperationalError(
        'connection to server at "localhost" (127.0.0.1), port 5439 failed: FATAL:  password'
        ' authentication failed for user "etl"\n'
        'connection to server at "localhost" (::1), port 5439 failed: Connection refused\n'
        "\tIs the server running on that host and accepting TCP/IP connections?\n")
    assert len(errors.split_attempts(error)) == 2
    assert not errors.is_login_transient(error)
    assert errors.pick_message(error).endswith('password authentication failed for user "etl"')


def test_each_attempt_asks_for_the_login_again(make_config, quick, monkeypatch):
    logins = []
    monkeypatch.setattr(connection, "make_parameters",
                        lambda config: logins.append(config) or make_parameters(config))
    with running_recording_server("the database system is starting up") as server:
        connect(make_config(SOON, **keys(server.port))).close()
    assert len(logins) == 2
