"""As on Redshift, deleted rows take space until VACUUM is run."""

import time

import pytest
from support.databases import administrate

DOUBLINGS = 14  # of one row
NAPS = 3  # seconds: enough for a server with an autovacuum each second


@pytest.fixture
def wakeful(server):
    """Let the server's autovacuum, if it has one, look for work each second."""
    for setting in ("SET autovacuum_naptime = 1", "RESET autovacuum_naptime"):
        administrate(server, f"ALTER SYSTEM {setting}")
        administrate(server, "SELECT pg_reload_conf()")
        if "=" in setting:
            yield


@pytest.mark.usefixtures("wakeful")
def test_dead_rows_stay_until_somebody_runs_vacuum(copies):
    def measure_size() -> int:
        return copies.plain(f"SELECT pg_relation_size('{copies.table}')")[0][0]

    copies.create("i INT, name VARCHAR(99)")
    copies.execute(f"INSERT INTO {copies.table} VALUES (1, 'a row')")
    for _ in range(DOUBLINGS):
        copies.execute(f"INSERT INTO {copies.table} SELECT i, name FROM {copies.table}")
    full = measure_size()
    copies.execute(f"DELETE FROM {copies.table}")
    ended = time.monotonic() + NAPS
    while time.monotonic() < ended:
        assert copies.query(f"SELECT COUNT(*) FROM {copies.table}") == [(0,)]
        assert measure_size() == full > 500_000
        time.sleep(0.2)
    copies.execute(f"VACUUM DELETE ONLY {copies.table}")
    assert measure_size() == 0
