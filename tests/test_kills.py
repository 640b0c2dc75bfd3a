"""kill -9 at random instants of a nightly load: nothing lost, nothing doubled, no lock left behind.

The seed gives the instant, a moment after a random line of the log. So short statements and COMMIT are
hit as well, and on a busy machine not all loads die early. --faults=500 takes an afternoon.
"""

import random
import signal
import subprocess
import time
from collections import Counter
from typing import NamedTuple

import pytest
from generate import generate
from support.databases import administrate
from support.project import Project, finish
from support.runs import LINE, NOTHING
from support.sessions import tables_of, wait_until_no_session_is_left

from warehouse.database import errors

Tables = dict[str, list[tuple]]


class Night(NamedTuple):
    """A load of ten files: a log that grew, four new ones and five songs."""

    project: Project
    earlier: str  # the database as it is before
    before: Tables
    after: Tables
    seconds: float  # of an undisturbed load
    lines: int  # of its log with --verbose: one per statement, and others


@pytest.fixture(scope="module")
def a_night(tcp, tmp_path_factory):
    generated = tmp_path_factory.mktemp("generated")
    generate(generated, events=700, songs=25, files=8, users=25, seed=7)
    logs, songs = (
        {str(file.relative_to(generated)): file.read_bytes() for file in sorted(generated.glob(kind))}
        for kind in ("log_data/**/*.json", "song_data/**/*.json"))
    files = [*logs.items(), *songs.items()]
    tonight = files[3:8] + files[-5:]
    grown, whole = tonight[0]

    project = Project(tmp_path_factory.mktemp("night"), tcp, f"night_{tcp.port}")
    project.configure(**tcp.settings(DB_NAME=project.database))
    for name, content in files:
        if (name, content) not in tonight:
            project.write(name, content)
    project.write(grown, whole[: whole.index(b"\n", len(whole) // 2) + 1])
    administrate(tcp, f"CREATE DATABASE {project.database} TEMPLATE template0")
    assert project.run("create_tables.py").returncode == 0
    project.load()
    before = tables_of(project)
    project.disconnect()

    for name, content in tonight:
        project.write(name, content)
    earlier = f"{project.database}_earlier"
    administrate(tcp, f"CREATE DATABASE {earlier} TEMPLATE {project.database}")
    began = time.monotonic()
    log = project.load("--verbose").stderr
    seconds = time.monotonic() - began
    lines = len(LINE.findall(log))
    yield Night(project, earlier, before, tables_of(project), seconds, lines)
    administrate(tcp, f"DROP DATABASE {earlier} WITH (FORCE)")


@pytest.fixture
def night(a_night, tcp):
    """The night, not loaded yet."""
    name = a_night.project.database
    a_night.project.disconnect()
    administrate(tcp, f"DROP DATABASE {name} WITH (FORCE)")
    administrate(tcp, f"CREATE DATABASE {name} TEMPLATE {a_night.earlier}")
    # In a copied database, a crash of PostgreSQL 15 before the first checkpoint makes a sequence
    # repeat values.
    administrate(tcp, "CHECKPOINT")
    a_night.project.configure(RETRIES="3", LOCK_TIMEOUT="60")
    return a_night


def assert_loaded(night: Night) -> None:
    """Assert that the tables are those of an undisturbed load, and name a table that differs."""
    found = tables_of(night.project)
    for table, expected in night.after.items():
        lost, doubled = Counter(expected), Counter(found[table])
        assert not lost - doubled, f"{table} lost {len(list((lost - doubled).elements()))} rows"
        assert not doubled - lost, f"{table} has {len(list((doubled - lost).elements()))} too many"


def start_and_wait(night: Night, chance: random.Random) -> tuple[subprocess.Popen, str]:
    """Start a load and wait for a random instant. Return the process and its log so far."""
    process = night.project.start("etl.py", "--verbose")
    lines, said = chance.randrange(night.lines), ""
    while len(LINE.findall(said)) < lines and (line := process.stderr.readline()):
        said += line
    time.sleep(chance.uniform(0, 2) * night.seconds / night.lines)
    return process, said


def find_last_step(said: str) -> str:
    """Return the last step in a log."""
    return (LINE.findall(said) or ["nothing yet"])[-1]


def test_a_load_killed_at_a_random_instant_leaves_all_or_nothing(night, fault_seed, record_property):
    chance = random.Random(f"etl {fault_seed}")
    process, said = start_and_wait(night, chance)
    process.send_signal(signal.SIGKILL)
    record_property("reached", find_last_step(said + finish(process).stderr))
    if chance.random() < 0.5:  # else the next load starts while the server may still work for the killed one
        wait_until_no_session_is_left(night.project)
        assert tables_of(night.project) in (night.before, night.after)
    night.project.load()
    assert_loaded(night)
    wait_until_no_session_is_left(night.project)


def test_a_server_killed_at_a_random_instant_leaves_all_or_nothing(
    night, tcp, fault_seed, record_property
):
    chance = random.Random(f"server {fault_seed}")
    retries = chance.choice((0, 3))
    night.project.configure(RETRIES=str(retries))
    process, said = start_and_wait(night, chance)
    chance.choice((tcp.crash, tcp.kill))()
    tcp.start()
    night.project.disconnect()
    done = finish(process)
    record_property("reached", f"{retries} retries: {find_last_step(said + done.stderr)}")
    if retries or done.returncode == 0:
        assert done.returncode == 0, done.stderr
        assert_loaded(night)
    elif NOTHING in done.stderr:
        assert tables_of(night.project) == night.before
    else:
        assert errors.IN_DOUBT in done.stderr
        assert tables_of(night.project) in (night.before, night.after)
    night.project.load()
    assert_loaded(night)
    wait_until_no_session_is_left(night.project)
