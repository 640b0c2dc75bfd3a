"""The processes of scripts: each begun by a Python of its own, or forked from one that has imported
what takes long (forge.py), which spares half of the time of a small load.

Either is a process like any other: it has its number, streams, environment and signals.
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

# What Python and the modules that are imported already read of the environment when they start.
READ_AT_THE_START = ("PYTHON", "LC_", "LANG", "HOME")


def started(arguments: list, environment: dict[str, str]) -> subprocess.Popen:
    """The process of a script in a Python of its own."""
    return subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, cwd="/", env=environment)


class Forked:
    """A process as subprocess.Popen describes it, as far as the tests go."""

    def __init__(self, forge: "Forge", arguments: list[str], environment: dict[str, str]):
        self.args = arguments
        self.forge = forge
        self.returncode: int | None = None
        self.said: list[str] = []
        ours, theirs = zip(*(os.pipe() for _ in range(3)), strict=True)
        self.stdout, self.stderr, self.until_the_end = map(open, ours)
        self.pid = forge.answer(arguments, environment, files=theirs)
        for file in theirs:
            os.close(file)

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self.until_the_end], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.until_the_end.close()
            self.returncode = self.forge.answer(self.pid)
        return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it says to its end; where that does not come in time, it is killed."""
        if not self.said:
            with ThreadPoolExecutor(2) as pool, self.stdout, self.stderr:
                reading = [pool.submit(stream.read) for stream in (self.stdout, self.stderr)]
                try:
                    self.wait(timeout)
                except subprocess.TimeoutExpired:
                    self.kill()
                    raise
                self.said = [each.result() for each in reading]
        return tuple(self.said)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(9)


class Forge:
    """The program that forks. It ends when nobody can ask it any more, and with this process."""

    def __init__(self):
        self.asked, theirs = Pipe()
        with theirs:
            self.process = subprocess.Popen(  # with pipes, as Python asks at its start what they are
                [sys.executable, Path(__file__).with_name("forge.py"), str(theirs.fileno())],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                cwd="/", env={"PATH": os.environ["PATH"]}, pass_fds=[theirs.fileno()])

    def end(self) -> None:
        self.asked.close()
        self.process.communicate()

    def answer(self, *asked: object, files: Iterable[int] = ()) -> int:
        try:
            self.asked.send(asked)
            for file in files:
                send_handle(self.asked, file, self.process.pid)
            return self.asked.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError(f"the forge failed: {self.process.communicate()[1]}") from error


@cache
def the_forge() -> Forge:
    forge = Forge()
    atexit.register(forge.end)
    return forge


def forked(arguments: list, environment: dict[str, str]) -> subprocess.Popen | Forked:
    """The process of a script, forked; or of its own where the environment holds what Python or a
    module reads when it starts."""
    if sys.platform != "linux" or any(name.startswith(READ_AT_THE_START) for name in environment):
        return started(arguments, environment)
    return Forked(the_forge(), list(map(str, arguments)), environment)
