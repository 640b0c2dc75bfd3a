"""Runs of the scripts: as processes, with checks of their messages, and in this process."""

import contextlib
import re
import subprocess

import etl
from support.project import Project
from warehouse import config, manifests, session
from warehouse.database import retry

NOTHING = "Nothing was committed."
LINE = re.compile(r"^\d{4}-\S+ (?:DEBUG|INFO|ERROR) +(\S+(?: \w+)?)", re.MULTILINE)


def expect_refusal(project: Project, status: int, *parts: str, script: str = "etl.py",
                   rolled_back: bool = True, arguments: tuple[str, ...] = (), **options) -> str:
    """Run a script, which must fail with one message that has all the parts. Return the message."""
    done = project.run(script, *arguments, **options)
    assert_refused(done, status, *parts, rolled_back=rolled_back)
    return done.stderr


def assert_refused(done: subprocess.CompletedProcess, status: int, *parts: str,
                   rolled_back: bool = True) -> None:
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(re.findall(" ERROR ", done.stderr)) == 1, done.stderr
    for part in parts:
        assert part in done.stderr
    assert done.stderr.count(NOTHING) == rolled_back, done.stderr


def create(project, *arguments: str):
    """Run create_tables.py, which must succeed."""
    done = project.run("create_tables.py", *arguments)
    assert done.returncode == 0, done.stderr
    return done


def load_here(project: Project, *arguments: str) -> object:
    """Load in this process, with retries. Return the summary."""
    project.write_config()
    settings = config.read(project.config)
    return retry.run_with_retries(
        lambda: etl.run(settings, etl.make_parser().parse_args(arguments)), settings.limits)


def load_by_prefix(project: Project, monkeypatch) -> None:
    """Load as Redshift does without MANIFESTS: let is_standin, which only asks the connection, say no."""
    project.write_config()
    with monkeypatch.context() as patch:
        patch.setenv("SPARKIFY_STANDIN", str(project.server.folder))
        patch.setattr(manifests, "is_standin", lambda connection: False)
        patch.setattr(session.INTERRUPTION, "cancelling", contextlib.nullcontext)
        etl.run(config.read(project.config), etl.make_parser().parse_args([]))
