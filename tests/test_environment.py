"""Hostile surroundings of etl.py: little memory or disk, no folder or terminal, a closed output."""

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import ROOT
from support.documents import event, song
from support.project import Project
from support.runs import assert_refused
from support.sessions import count_plays
from support.tcp_project import making_project
from support.tcp_server import TcpServer

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs the limits and devices of Linux")


def load_by(shell: str, project: Project,
            *command: str | Path) -> subprocess.CompletedProcess:
    """Run etl.py, or another command, by a shell script, in which "$@" is the command."""
    project.write_config()
    return subprocess.run(
        ["sh", "-c", shell, "sh", sys.executable, *(command or [ROOT / "etl.py"]), "--config",
         project.config],
        capture_output=True, text=True, cwd=project.folder,
        env=project.process_environment | {"PYTHONPATH": str(ROOT)})


# Root may read everything unless it gives up that right.
MERE_USER = "" if os.geteuid() else "setpriv --bounding-set=-dac_override,-dac_read_search"

# ------------------------------------------------------------------------------------------- disks

BEYOND_A_SEGMENT = 16 * 1024 * 1024 + 4096  # bytes; segments of the log have 16 MB


@contextmanager
def limiting_file_size(size: int, server: TcpServer):
    """Limit the size of the server's files, in bytes, for sessions that begin in this block.

    A size within a page lets the server write a part of the page, as on a full disk.
    """
    postmaster = (server.folder / "data" / "postmaster.pid").read_text().split()[0]
    account = server.account
    who = {"user": account.pw_uid, "group": account.pw_gid} if account else {}

    def limit(soft: str) -> None:
        subprocess.run(["prlimit", "--pid", postmaster, f"--fsize={soft}:"], check=True, **who)

    limit(str(size))
    try:
        yield
    finally:
        limit("unlimited")


@linux
def test_a_full_disk_of_the_database_leaves_all_as_it_was(tmp_path, tcp, tcp_tables):
    with making_project(tmp_path, tcp, tcp.port, tcp_tables) as project:
        project.load()
        before = project.snapshot()
        wide = {"page": "Home", "artist": "x" * 1000, "userAgent": "y" * 800}
        project.write("log_data/2.json", [event(n, **wide) for n in range(100, 9100)])
        with limiting_file_size(BEYOND_A_SEGMENT, tcp):
            assert_refused(project.run("etl.py"), 1, "copy staging_events: could not extend file",
                           "Free up disk space on the database server")
        assert project.snapshot() == before
        project.load()
        assert project.query("SELECT COUNT(*) FROM staging_events") == [(9000,)]


@linux
@pytest.mark.parametrize("which, status", [
    (">/dev/full", 1), ("2>/dev/full", 120),  # 120 is Python's own status: no message can be written any more
])
def test_a_disk_full_of_output_loses_no_load(loaded, which, status):
    loaded.write("log_data/2.json", [event(3)])
    done = load_by(f'"$@" {which}', loaded)
    assert done.returncode == status
    assert count_plays(loaded) == 3


@linux
def test_a_full_disk_for_the_manifests_stops_the_load(loaded):
    loaded.write("log_data/2.json", [event(3)])
    loaded.configure(MANIFESTS=str(loaded.folder / "manifests"))
    before = loaded.snapshot()
    done = load_by('ulimit -f 0 && exec "$@"', loaded)  # as if every disk of this machine were full
    assert_refused(done, 1, str(loaded.folder / "manifests"), "File too large")
    assert loaded.snapshot() == before
    loaded.load()
    assert count_plays(loaded) == 3


@linux
@pytest.mark.parametrize("make, says", [
    ("truncate -s 1G {}", "is larger than 1 MB"),
    ("mkdir {}", "is a folder"),
    ("mkfifo {}", "is not a regular file"),
    ("ln -s /dev/zero {}", "is not a regular file"),
    ("ln -s /dev/stdin {}", "is not a regular file"),
    ("{python} -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"dwh.cfg\")'", "cannot be read"),
    ("touch {} && chmod 0 {}", "this user may not read it"),
], ids=["1 GB", "a folder", "a FIFO", "endless", "stdin", "a socket", "unreadable"])
def test_a_dwh_cfg_that_cannot_be_read_is_one_message_at_once(tmp_path, make, says):
    config = tmp_path / "dwh.cfg"
    make = make.replace("{}", "dwh.cfg").format(python=sys.executable)
    done = subprocess.run(
        ["sh", "-c", f'{make} && ulimit -d 100000 && exec {MERE_USER} "$@"', "sh", sys.executable,
         ROOT / "etl.py", "--config", config],
        capture_output=True, text=True, cwd=tmp_path, stdin=subprocess.PIPE)
    assert_refused(done, 2, f"{config}: {says}", rolled_back=False)
    assert len(done.stderr.splitlines()) == 1


# ---------------------------------------------------------------------------------- the environment

@pytest.mark.parametrize("shell", [
    'mkdir gone && cd gone && rmdir ../gone && exec "$@"', 'umask 077 && exec "$@" >&-',
    'exec "$@" 2>&-', 'exec "$@" <&- >&- 2>&-',
], ids=["a folder that is gone", "no stdout, umask 077", "no stderr", "no streams"])
def test_a_load_and_a_report_need_no_folder_and_no_streams(loaded, shell):
    loaded.write("log_data/2.json", [event(3)])
    done = load_by(shell, loaded)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert count_plays(loaded) == 3
    file = loaded.folder / "report.html"
    done = load_by(shell, loaded, "-m", "warehouse.report", "--html", file)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    assert ">3<" in file.read_text()


def test_a_failure_needs_no_streams(loaded):
    loaded.write("log_data/2.json", [event(3), "no event"])
    assert load_by('exec "$@" <&- >&- 2>&-', loaded).returncode == 3
    assert count_plays(loaded) == 2


@linux
def test_a_load_needs_no_folder_that_it_may_enter(tmp_path, tcp, tcp_tables):
    with making_project(tmp_path, tcp, tcp.port, tcp_tables) as project:
        done = load_by(f'mkdir locked && cd locked && chmod 0 . && exec {MERE_USER} "$@"', project)
        assert done.returncode == 0, done.stderr
        assert count_plays(project) == 4


# ------------------------------------------------------------------------------------------ memory

def make_line(number: int, size: int) -> str:
    """Return an event as a line of so many bytes, most of them in a key without a column."""
    line = json.dumps(event(number, other=""))
    return line[:-2] + "x" * (size - len(line) - 1) + '"}\n'


@linux
def test_sixty_megabytes_beyond_what_python_and_boto3_take_are_enough(loaded):
    with open(loaded.folder / "log_data/2.json", "w") as log:
        log.writelines(make_line(100 + n, 20_000) for n in range(5000))
    for n in range(2000):
        loaded.write(f"song_data/many/{n}.json", song(f"SOM{n}", title=f"Song {n}"))
    measured = subprocess.run(
        [sys.executable, "-c", "import etl; print(open('/proc/self/status').read())"], cwd=ROOT,
        capture_output=True, text=True, check=True).stdout
    usual = int(re.search(r"VmData:\s+(\d+) kB", measured)[1])
    done = load_by(f'ulimit -d {usual + 60 * 1024} && exec "$@"', loaded)
    assert done.returncode == 0, done.stderr
    assert count_plays(loaded) == 5002
    assert loaded.query("SELECT COUNT(*) FROM songs") == [(2001,)]
