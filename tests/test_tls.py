"""TLS on a real PostgreSQL with the test's own certificates."""

import contextlib
import shutil

import pytest
from support.configuration import ask

from warehouse import ConfigError, WarehouseError
from warehouse.database import connection
from warehouse.database.connection import connect

IS_ENCRYPTED = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.fixture
def settings(make_config, tls_server):
    """A function that reads a dwh.cfg with these keys and with the server's name as HOST."""
    return lambda **keys: make_config(**tls_server.settings(HOST="localhost") | keys)


def refusal(config, caplog) -> str:
    """Return the message of a connection that fails at once, without waiting."""
    with pytest.raises(WarehouseError) as raised:
        connect(config)
    assert "waiting" not in caplog.text
    return str(raised.value)


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
def test_the_right_authority_passes(settings, certificates, sslmode):
    assert ask(settings(SSLMODE=sslmode, SSLROOTCERT=certificates / "root.crt"), IS_ENCRYPTED)


def test_tls_is_used_without_any_setting(settings):
    assert ask(settings(), IS_ENCRYPTED)


def test_an_authority_alone_means_verify_full(settings, certificates):
    config = settings(SSLROOTCERT=certificates / "root.crt")
    assert connection.make_parameters(config)["sslmode"] == "verify-full"


def test_the_file_of_the_authority_is_relative_to_dwh_cfg(settings, certificates, tmp_path):
    shutil.copy(certificates / "root.crt", tmp_path)
    assert ask(settings(SSLMODE="verify-full", SSLROOTCERT="root.crt"), IS_ENCRYPTED)


@pytest.mark.parametrize("sslmode", ["verify-ca", "verify-full"])
def test_another_authority_is_refused_with_what_to_do(settings, certificates, caplog, sslmode):
    other = certificates / "other.crt"
    said = refusal(settings(SSLMODE=sslmode, SSLROOTCERT=other), caplog)
    assert "certificate verify failed" in said
    assert f"No authority in {other} signed the server's certificate. Redshift's is in" in said
    assert "for your own server, name the PEM file of its authority." in said


def test_the_right_authority_and_another_name_is_refused(settings, certificates, caplog):
    said = refusal(settings(HOST="127.0.0.1", SSLMODE="verify-full",
                            SSLROOTCERT=certificates / "root.crt"), caplog)
    assert 'does not match host name "127.0.0.1"' in said
    assert "HOST must be the name in the certificate, not an address or alias." in said


def test_verify_ca_takes_another_name(settings, certificates):
    assert ask(settings(HOST="127.0.0.1", SSLMODE="verify-ca",
                        SSLROOTCERT=certificates / "root.crt"), IS_ENCRYPTED)


def test_a_file_of_authorities_that_is_not_there(settings, tmp_path, caplog):
    said = refusal(settings(SSLMODE="verify-full", SSLROOTCERT="nowhere.crt"), caplog)
    assert f'"{tmp_path}/nowhere.crt" does not exist' in said
    assert "Check SSLROOTCERT: it names a PEM file, or is system." in said


@pytest.mark.parametrize("keys", [
    {"SSLMODE": "verify-full"}, {"SSLROOTCERT": "system"},
    {"SSLMODE": "verify-full", "SSLROOTCERT": "System"}])
def test_the_authorities_of_the_system_are_found_and_used(
    settings, certificates, caplog, monkeypatch, keys
):
    config = settings(**keys)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "root.crt"))
    assert ask(config, IS_ENCRYPTED)
    monkeypatch.delenv("SSL_CERT_FILE")
    with contextlib.suppress(ConfigError):  # a machine without authorities
        bundle = connection.find_system_roots()
        assert f"No authority in {bundle} signed" in refusal(config, caplog)


def test_a_machine_without_authorities_says_what_to_install(settings, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere")
    monkeypatch.setattr(connection, "BUNDLES", ())
    with pytest.raises(ConfigError, match="Install ca-certificates, or name a PEM file"):
        connect(settings(SSLMODE="verify-full"))
