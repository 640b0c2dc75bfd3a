"""The tests start a script or fork it. Its output and its exit status are the same."""

import signal
import subprocess

import pytest
from support import ROOT, processes
from support.documents import song
from support.processes import FORKS, Forked, fork, start
from support.sessions import BETWEEN_INSERTS, waiting_at

WAYS = {"started": start, "forked": fork}  # the same where FORKS is False


@pytest.mark.parametrize("arguments", [
    ("etl.py", "--help"), ("etl.py", "--nonsense"), ("etl.py", "--config", "nowhere/dwh.cfg"),
    ("create_tables.py", "--version")], ids=" ".join)
def test_a_forked_script_prints_and_exits_like_a_started_one(project, arguments):
    script, *rest = arguments
    ends = []
    for launch in WAYS.values():
        process = launch([ROOT / script, *rest], project.process_environment)
        stdout, stderr = process.communicate()
        ends.append((stdout, stderr.partition(" ")[2], process.returncode))  # without the time of a log line
    assert ends[0] == ends[1] and (ends[0][0] or ends[0][1])


WHAT_IT_SEES = """
import os, signal, sys, tempfile, time
print(__name__, __file__, sys.argv, sorted(os.environ.items()), os.getcwd(), os.umask(0), os.nice(0))
print(tempfile.gettempdir(), time.strftime("%H %Z", time.gmtime(0)), time.localtime(0)[:5])
print([(number.name, signal.getsignal(number)) for number in sorted(signal.valid_signals())
       if isinstance(number, signal.Signals)], signal.pthread_sigmask(signal.SIG_BLOCK, []))
print([(stream.encoding, stream.errors, stream.line_buffering, stream.isatty(), stream.fileno())
       for stream in (sys.stdin, sys.stdout, sys.stderr)], repr(sys.stdin.read()))
sys.stdout.reconfigure(errors="replace")
"""


def test_a_forked_script_sees_what_a_started_one_sees(tmp_path, project):
    script = tmp_path / "script.py"
    script.write_text(WHAT_IT_SEES)
    environment = project.process_environment | {"TZ": "Asia/Tokyo", "TMPDIR": str(tmp_path)}
    started, forked = (launch([script, "--an", "argument"], environment) for launch in WAYS.values())
    assert started.communicate() == forked.communicate()
    assert started.returncode == forked.returncode == 0


@pytest.mark.parametrize("launch", WAYS.values(), ids=WAYS)
def test_ctrl_c_interrupts_a_script_that_handles_no_signal(tmp_path, project, launch):
    script = tmp_path / "script.py"
    script.write_text("import time\nprint('here', flush=True)\ntime.sleep(60)\n")
    process = launch([script], project.process_environment)
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate()[1]
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("launch", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("number, status", [
    (signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_script_dies_of_a_signal(loaded, launch, number, status):
    loaded.launch = launch
    loaded.write("song_data/2.json", song("SO2", artist_id="AR2"))
    with waiting_at(loaded, BETWEEN_INSERTS) as (process, _):
        assert process.poll() is None
        process.send_signal(number)
        assert process.wait() == status
        assert process.poll() == status


def test_each_forked_script_has_a_process_of_its_own(project):
    forks = [fork([ROOT / "etl.py", "--version"], project.process_environment) for _ in range(3)]
    assert len({process.pid for process in forks}) == 3
    assert [process.communicate()[0] for process in forks] == [forks[0].communicate()[0]] * 3


def launch_version(project, **environment: str) -> type:
    """Launch etl.py --version. Return the class of the process."""
    process = fork([ROOT / "etl.py", "--version"], project.process_environment | environment)
    process.communicate()
    return type(process)


@pytest.mark.parametrize("name", ["PYTHONUTF8", "LC_ALL", "LANG", "HOME"])
def test_a_variable_that_python_reads_when_it_starts_needs_a_python_that_starts(project, name):
    assert launch_version(project) is (Forked if FORKS else subprocess.Popen)
    assert launch_version(project, **{name: "C"}) is subprocess.Popen


def test_platforms_other_than_linux_start_every_script(project, monkeypatch):
    monkeypatch.setattr(processes, "FORKS", False)
    assert launch_version(project) is subprocess.Popen
