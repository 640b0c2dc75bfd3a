"""The processes of scripts: each starts a Python of its own, or is a fork of one that has imported the
slow modules already (fork_server.py), which halves the time of a small load.

Both are processes like any other, with a number, streams, an environment and signals.
"""

import atexit
import os
import select
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from multiprocessing import Pipe
from multiprocessing.reduction import send_handle
from pathlib import Path
from typing import Iterable

FORKS = sys.platform == "linux"
# Python, and modules that the fork server has imported, read these variables only when they start.
READ_AT_THE_START = ("PYTHON", "LC_", "LANG", "HOME")


def start(arguments: list, environment: dict[str, str]) -> subprocess.Popen:
    """Start a script in a Python of its own."""
    return subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, cwd="/", env=environment)


class Forked:
    """A fork that runs a script, with as much of subprocess.Popen as the tests use."""

    def __init__(self, server: "ForkServer", arguments: list[str], environment: dict[str, str]):
        self.args = arguments
        self.server = server
        self.returncode: int | None = None
        self.output: list[str] = []
        ours, theirs = zip(*(os.pipe() for _ in range(3)), strict=True)
        self.stdout, self.stderr, self.until_the_end = map(open, ours)
        self.pid = server.ask(arguments, environment, files=theirs)
        for file in theirs:
            os.close(file)

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self.until_the_end], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.until_the_end.close()
            self.returncode = self.server.ask(self.pid)
        return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Return stdout and stderr at the end. Kill the process if it does not end in time."""
        if not self.output:
            with ThreadPoolExecutor(2) as pool, self.stdout, self.stderr:
                reading = [pool.submit(stream.read) for stream in (self.stdout, self.stderr)]
                try:
                    self.wait(timeout)
                except subprocess.TimeoutExpired:
                    self.kill()
                    raise
                self.output = [each.result() for each in reading]
        return tuple(self.output)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(9)


class ForkServer:
    """The program that forks. It ends when its connection closes: with this process at the latest."""

    def __init__(self):
        self.connection, theirs = Pipe()
        with theirs:
            self.process = subprocess.Popen(  # pipes, as Python looks at its streams when it starts
                [sys.executable, Path(__file__).with_name("fork_server.py"), str(theirs.fileno())],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                cwd="/", env={"PATH": os.environ["PATH"]}, pass_fds=[theirs.fileno()])

    def end(self) -> None:
        self.connection.close()
        self.process.communicate()

    def ask(self, *request: object, files: Iterable[int] = ()) -> int:
        try:
            self.connection.send(request)
            for file in files:
                send_handle(self.connection, file, self.process.pid)
            return self.connection.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError(f"the fork server failed: {self.process.communicate()[1]}") from error


@cache
def fork_server() -> ForkServer:
    server = ForkServer()
    atexit.register(server.end)
    return server


def fork(arguments: list, environment: dict[str, str]) -> subprocess.Popen | Forked:
    """Run a script in a fork, or start it if a fork would miss a part of its environment.

    Only on Linux is a fork safe: on macOS it may crash in a system library.
    """
    if not FORKS or any(name.startswith(READ_AT_THE_START) for name in environment):
        return start(arguments, environment)
    return Forked(fork_server(), list(map(str, arguments)), environment)
