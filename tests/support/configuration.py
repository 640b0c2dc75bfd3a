"""A dwh.cfg of a few keys, and queries on a session that connects by it."""

import contextlib

import pytest

from warehouse import config
from warehouse.database.connection import connect


@pytest.fixture
def no_libpq_environment(monkeypatch):
    """Hide the settings of libpq that this machine has."""
    for name in ("PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE",
                 "PGSERVICE", "PGSSLMODE", "PGSSLROOTCERT", "PGAPPNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PGPASSFILE", "/dev/null")


@pytest.fixture
def make_config(tmp_path, no_libpq_environment):
    """A function that writes a dwh.cfg with these keys in [CLUSTER], and reads it."""

    def make_config(load: str = "", **cluster: str) -> config.Config:
        path = tmp_path / "dwh.cfg"
        lines = [f"{key} = {value}" for key, value in cluster.items()]
        path.write_text("[CLUSTER]\n" + "\n".join(lines) + "\n[S3]\nLOG_DATA = s3://abc/l\n"
                        "SONG_DATA = s3://abc/s\nREGION = us-west-2\n"
                        "[IAM_ROLE]\nARN = default\n[LOAD]\n" + load)
        return config.read(path)

    return make_config


def ask(settings: config.Config, sql: str):
    """Return the answer of a session that connect() makes."""
    with contextlib.closing(connect(settings)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]
