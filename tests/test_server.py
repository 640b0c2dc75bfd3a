"""The private PostgreSQL server: real servers in folders of their own, which are removed."""

import logging
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
import pytest
from support import ROOT

from warehouse import ConfigError, WarehouseError
from warehouse.standin import binaries
from warehouse.standin import server as server_module
from warehouse.standin.server import Server

START = "from warehouse.standin.server import Server; s = Server(); s.start(); print(s.folder)"
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
with_cluster = pytest.mark.usefixtures("cluster")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@contextmanager
def making_folder():
    """Yield a folder that the server's account can reach, unlike pytest's own folders."""
    folder = Path(tempfile.mkdtemp(prefix="standin-test-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for marker in folder.rglob(server_module.MARKER):
            Server(marker.parent).stop()
        shutil.rmtree(folder)


@pytest.fixture
def place():
    with making_folder() as folder:
        yield folder


@pytest.fixture
def server(place):
    return Server(place / "state")


@pytest.fixture(scope="module")
def stopped():
    """A server that has its cluster."""
    with making_folder() as folder:
        server = Server(folder / "state")
        server.start()
        server.stop()
        yield server


@pytest.fixture
def cluster(server, stopped):
    """A copy of a cluster, with its owners, because creating one takes long."""
    subprocess.run(["cp", "-a", stopped.folder, server.folder], check=True)


def ask(server, statement, database="postgres"):
    with closing(psycopg2.connect(**server.connect_parameters(database))) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def postmaster(server):
    return int((server.data / "postmaster.pid").read_text().split()[0])


def kill(server):
    """Send SIGKILL to the server, as the kernel does when memory runs out."""
    pid = postmaster(server)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not server.is_running())


def wait_until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def python(*arguments, project=ROOT, **environment):
    """Return the command and the environment of a Python process with `project` on its path."""
    kept = {key: value for key, value in os.environ.items() if key != "SPARKIFY_STANDIN"}
    return {"args": [sys.executable, *arguments], "cwd": "/",
            "env": kept | {"PYTHONPATH": str(project)} | environment}


def test_a_server_starts_from_nothing_answers_and_stops(server, caplog):
    caplog.set_level(logging.INFO)
    assert not server.is_running()
    assert not server.folder.exists()
    server.start()
    assert server.is_running()
    assert ask(server, "SELECT 1") == 1
    assert [record.message.split()[0] for record in caplog.records] == ["created", "started"]
    assert "python -m warehouse.standin psql" in caplog.text
    assert server.stop()
    assert not server.is_running()
    assert not server.stop()


@with_cluster
def test_a_second_start_changes_nothing_and_is_quick(server, caplog):
    server.start()
    pid = postmaster(server)
    caplog.set_level(logging.INFO)
    began = time.monotonic()
    Server(server.folder).start()
    assert time.monotonic() - began < 0.5
    assert postmaster(server) == pid
    assert not caplog.records


@with_cluster
def test_a_server_is_reached_by_its_socket_only_in_any_environment(server, monkeypatch):
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nonexistent")
    server.start()
    assert ask(server, "SHOW listen_addresses") == ""
    assert ask(server, "SELECT inet_server_addr()") is None
    assert server.socket_folder.stat().st_mode & 0o777 == 0o700


@linux_only
@with_cluster
def test_no_tcp_port_is_listened_on_and_the_lock_is_not_inherited(server):
    server.start()
    pid = postmaster(server)
    files = {os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    tcp = "".join(Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")
                  if Path(f"/proc/net/{name}").exists())
    listed = {f"socket:[{line.split()[9]}]" for line in tcp.splitlines() if ":" in line}
    assert any(name.startswith("socket:") for name in files)
    assert not files & listed
    assert str(server.folder / server_module.MARKER) not in files


@with_cluster
def test_databases_are_created_once_however_many_ask(server):
    server.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(server.ensure_database, ["dwh", "dwh", "dwh", 'a "b" c']))
    server.ensure_database("dwh")
    statement = ("SELECT pg_encoding_to_char(encoding) || ' ' || datcollate || ' ' || datctype"
                 " FROM pg_database WHERE datname = current_database()")
    assert ask(server, statement, "dwh") == "UTF8 C C"
    assert ask(server, "SELECT current_database()", 'a "b" c') == 'a "b" c'


def test_two_processes_may_start_a_server_at_once(server):
    command = python("-c", START, SPARKIFY_STANDIN=str(server.folder))
    both = [subprocess.Popen(**command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            for _ in range(2)]
    assert [process.communicate(timeout=20)[0].decode() for process in both] == (
        [f"{server.folder}\n"] * 2)
    assert [process.returncode for process in both] == [0, 0]
    assert ask(server, "SELECT 1") == 1


def test_piped_output_does_not_hang_and_the_server_has_its_own_session(server):
    command = python("-c", START, SPARKIFY_STANDIN=str(server.folder))
    done = subprocess.run(**command, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (0, f"{server.folder}\n")
    assert os.getsid(postmaster(server)) == postmaster(server)


@with_cluster
def test_a_server_starts_again_with_its_data_after_kill_9(server):
    server.start()
    ask(server, "CREATE TABLE kept AS SELECT 7 AS n")
    with closing(psycopg2.connect(**server.connect_parameters("postgres"))):  # an orphan session
        kill(server)
        server.start()
    assert ask(server, "SELECT n FROM kept") == 7


@linux_only
@with_cluster
def test_a_pid_that_now_belongs_to_another_program_is_no_server(server):
    server.start()
    owner = server.data.stat().st_uid
    kill(server)
    identity = {"user": owner} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "60"], cwd="/", **identity) as other:
        try:
            for file in (server.data / "postmaster.pid",
                         server.socket_folder / ".s.PGSQL.5432.lock"):
                _, rest = file.read_text().split("\n", 1)
                file.write_text(f"{other.pid}\n{rest}")
            assert not server.stop()
            server.start()
            assert ask(server, "SELECT 1") == 1
            assert other.poll() is None
        finally:
            other.kill()


@with_cluster
def test_a_server_that_lost_its_socket_is_replaced(server):
    server.start()
    pid = postmaster(server)
    shutil.rmtree(server.socket_folder)
    assert not server.is_running()
    server.start()
    assert ask(server, "SELECT 1") == 1
    assert postmaster(server) != pid


def test_a_killed_initdb_leaves_nothing_in_the_way(server):
    command = python("-c", START, SPARKIFY_STANDIN=str(server.folder))
    with subprocess.Popen(**command) as process:
        wait_until(lambda: any(server.folder.glob("data.new-*/base")))
        process.kill()
    assert not server.data.exists()
    (server.folder / "data.new-older" / "base").mkdir(parents=True)
    server.start()
    assert ask(server, "SELECT 1") == 1
    assert not (server.folder / "data.new-older").exists()


def test_a_path_too_long_for_a_socket_gets_a_short_folder(place):
    server = Server(place / ("x" * 60) / ("ü" * 40) / "a $HOME \"b\" 'c'")
    server.start()
    short = server.socket_folder
    assert short.parent == Path("/tmp")
    assert ask(server, "SELECT 1") == 1
    assert Server(server.folder).is_running()
    kill(server)
    shutil.rmtree(short)  # as a reboot does
    server.start()
    assert ask(server, "SELECT 1") == 1
    server.stop()
    assert not server.socket_folder.exists()


@with_cluster
def test_a_socket_folder_that_others_may_write_is_not_trusted(server):
    server.start()
    server.socket_folder.chmod(0o777)
    assert not server.is_running()
    server.socket_folder.chmod(0o700)


def test_a_folder_with_foreign_content_is_refused_and_kept(server):
    server.folder.mkdir()
    thesis = server.folder / "thesis.txt"
    thesis.write_text("years of work")
    for action in (server.start, server.stop, server.is_running):
        with pytest.raises(WarehouseError, match="files that are not the stand-in's"):
            action()
    assert [path.name for path in server.folder.iterdir()] == ["thesis.txt"]
    assert thesis.read_text() == "years of work"


@root_only
def test_a_folder_of_somebody_else_is_refused(server):
    server.folder.mkdir()
    os.chown(server.folder, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(WarehouseError, match="not a folder of the user who runs this"):
        server.start()


@root_only
def test_a_state_folder_that_the_account_cannot_reach_is_named(place):
    (place / "closed").mkdir(mode=0o700)
    with pytest.raises(WarehouseError, match="may not enter .*/closed/state"):
        Server(place / "closed" / "state").start()
    assert (place / "closed").stat().st_mode & 0o777 == 0o700


def test_the_project_may_be_in_a_folder_closed_to_the_account(place):
    project = place / "closed"
    shutil.copytree(ROOT / "warehouse", project / "warehouse")
    project.chmod(0o700)
    # Without SPARKIFY_STANDIN: root has its folder in /var/lib, others here.
    command = python("-c", START, project=project, XDG_STATE_HOME=str(place))
    done = subprocess.run(**command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    server = Server(Path(done.stdout.strip()))
    try:
        assert server.folder.name.startswith("sparkify-standin-")
        assert ask(server, "SELECT 1") == 1
        assert str(project) in (server.folder / server_module.MARKER).read_text()
    finally:
        server.stop()
        shutil.rmtree(server.folder)


def test_the_default_folder_is_absolute_and_per_project(monkeypatch):
    monkeypatch.setenv("SPARKIFY_STANDIN", "relative")
    with pytest.raises(ConfigError, match="'relative'; expected an absolute path"):
        Server()
    monkeypatch.delenv("SPARKIFY_STANDIN")
    first = server_module.default_folder()
    monkeypatch.setattr(server_module, "PROJECT", Path("/elsewhere"))
    assert first.is_absolute()
    assert first != server_module.default_folder()


def test_without_home_or_a_right_to_write_the_folder_is_a_temporary_one(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.delenv("SPARKIFY_STANDIN", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    folder = server_module.default_folder()
    assert folder.parent == Path(tempfile.gettempdir())
    assert folder.name.startswith("sparkify-standin-12345-")


def test_without_postgresql_the_message_says_how_to_install_it(server, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(binaries, "INSTALL_FOLDERS", ())
    with pytest.raises(WarehouseError, match="needs PostgreSQL 15 or newer") as caught:
        server.start()
    assert "\nInstall it: " in str(caught.value)


@with_cluster
def test_a_cluster_of_a_version_that_is_gone_says_so(server):
    server.start()
    server.stop()
    (server.data / "PG_VERSION").write_text("99\n")
    with pytest.raises(WarehouseError, match="created by PostgreSQL 99, whose programs are gone"):
        server.start()


@pytest.fixture
def older(tmp_path, monkeypatch):
    """The folder of the only PostgreSQL on this machine, which claims to be version 14.12."""
    for name in ("initdb", "pg_ctl", "postgres"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.12'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binaries, "INSTALL_FOLDERS", ())
    return tmp_path


def test_an_older_postgresql_is_not_used_and_the_message_says_where_it_is(older):
    with pytest.raises(WarehouseError) as caught:
        binaries.find_binaries(None, {})
    first, second, third = str(caught.value).splitlines()
    assert first == f"the stand-in needs PostgreSQL 15 or newer (found: 14.12 in {older.resolve()})."
    assert second.startswith("Install it: ")
    assert third == "If that gives an older one, see https://www.postgresql.org/download"


def test_a_cluster_of_an_older_postgresql_says_so(older):
    with pytest.raises(WarehouseError) as caught:
        binaries.find_binaries("14", {})
    assert str(caught.value) == (
        "the stand-in's cluster was created by PostgreSQL 14, and the stand-in needs 15 or newer.\n"
        "Set SPARKIFY_STANDIN to a new folder and load again.")


@with_cluster
def test_a_start_that_fails_shows_the_end_of_the_log_and_a_long_log_is_put_aside(
        server, monkeypatch):
    server.start()
    server.stop()
    monkeypatch.setattr(server_module, "MAX_LOG_SIZE", 10)
    with open(server.data / "postgresql.conf", "a") as file:
        file.write("nonsense = 1\n")
    with pytest.raises(WarehouseError, match="did not start.*\n.*nonsense") as caught:
        server.start()
    assert len(str(caught.value).splitlines()) <= 3
    assert (server.data / "server.log.1").exists()


def test_status_psql_and_stop_say_what_they_find(server):
    def run_command(*arguments):
        options = python("-m", "warehouse.standin", *arguments, SPARKIFY_STANDIN=str(server.folder))
        done = subprocess.run(**options, capture_output=True, text=True, timeout=20)
        return done.returncode, done.stdout + done.stderr

    assert run_command("status")[0] == 3
    assert run_command("psql") == (
        1, f"there is no stand-in in {server.folder} yet. Run create_tables.py first.\n")
    server.start()
    server.ensure_database("dwh")
    code, text = run_command("status")
    assert code == 0
    assert all(part in text for part in ("PostgreSQL", str(server.socket_folder), "dwh ("))
    assert run_command("stop") == (0, f"stopped the stand-in in {server.folder}\n")
    assert run_command("stop") == (0, f"the stand-in was not running in {server.folder}\n")
    assert run_command("status")[0] == 3
    code, text = run_command("psql", "-Atc", "SELECT current_database()")  # starts it
    assert (code, text.splitlines()[0]) == (0, "dwh")
    assert "started PostgreSQL" in text
    assert run_command("psql", "postgres", "-Atc", "SELECT 1 + 1") == (0, "2\n")
    assert run_command("nonsense")[0] == 2
