"""The nightly run under systemd and cron: units and crontab agree with etl.py and the guide."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest
from support import ROOT

import etl
from warehouse import BusyError, config
from warehouse.signals import INTERRUPTION

DEPLOY = ROOT / "deploy"


def read_unit(name: str) -> dict[str, list[str]]:
    """Return the settings of a unit file."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / name).read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def assert_accepted(command: str) -> None:
    """Assert that a command runs the installed etl.py with options that it has."""
    python, script, *arguments = shlex.split(command)
    assert python.removeprefix("/opt/sparkify/") == ".venv/bin/python"
    assert script == "etl.py"
    etl.make_parser().parse_args(arguments)


def test_the_service_runs_etl_and_fails_only_if_etl_failed():
    service = read_unit("sparkify-etl.service")
    [folder], [command] = service["WorkingDirectory"], service["ExecStart"]
    assert folder == "/opt/sparkify"
    assert_accepted(command)
    assert service["SuccessExitStatus"] == [f"{BusyError.exit_status} {128 + 15}"]
    assert int(service["TimeoutStopSec"][0]) > INTERRUPTION.patience
    retry_timeout = next(s.default for s in config.SETTINGS if s.name == "retry_timeout")
    assert int(service["TimeoutStartSec"][0].removesuffix("h")) * 3600 > retry_timeout
    [failure] = service["OnFailure"]
    assert (DEPLOY / failure).exists()


def test_the_failure_service_hands_the_log_to_notify():
    [command] = read_unit("sparkify-etl-failure.service")["ExecStart"]
    shell = shlex.split(command)
    assert shell[:2] == ["/bin/sh", "-c"] and "--unit=sparkify-etl " in shell[2]
    assert re.search(r"\| \.venv/bin/python -m deploy\.notify \"[^\"]+\"$", shell[2])
    assert read_unit("sparkify-etl-failure.service")["WorkingDirectory"] == ["/opt/sparkify"]


def test_the_timer_makes_up_for_a_missed_night():
    timer = read_unit("sparkify-etl.timer")
    assert timer["Persistent"] == ["true"] and timer["WantedBy"] == ["timers.target"]
    assert re.fullmatch(r"\*-\*-\* \d\d:\d\d:\d\d UTC", timer["OnCalendar"][0])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd")
def test_systemd_accepts_the_units(tmp_path):
    for path in DEPLOY.glob("sparkify-etl*"):  # as if installed in this folder
        (tmp_path / path.name).write_text(
            path.read_text().replace("/opt/sparkify/.venv/bin/python", sys.executable))
    units = sorted(tmp_path.iterdir())
    done = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no", *units],
                          capture_output=True, text=True)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "sparkify" in line]) == (
        0, [])


def test_the_crontab_is_one_that_cron_accepts_and_the_guide_shows():
    text = (DEPLOY / "crontab").read_text()
    mail, job = [line for line in text.splitlines() if line and line[0] != "#"]
    assert text.endswith("\n") and re.fullmatch(r"MAILTO=\S+@\S+", mail)
    minute, hour, *rest, command = job.split(None, 5)
    assert int(minute) < 60 and int(hour) < 24 and rest == ["*", "*", "*"]
    assert not re.search(r"(?<!\\)%", command)
    folder, _, run = command.partition(" && ")
    assert folder == "cd /opt/sparkify"
    assert_accepted(run)
    assert f"```\n{mail}\n{job}\n```" in (DEPLOY / "README.md").read_text()
