"""A program that runs scripts in processes forked from its own, which has imported what is not the
scripts' and what takes longest: psycopg2, boto3, the stand-in. support/processes.py starts it and asks.

The script's own modules each process imports anew. Its end is Python's own: this program's top level.
"""

import gc
import importlib
import os
import pkgutil
import runpy
import signal
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
MODULES = ("argparse", "logging", "ssl", "traceback", "dataclasses", "psycopg2.errors", "psycopg2.sql",
           "psycopg2.extras", "boto3", "botocore.config", "botocore.session", "botocore.endpoint")


def import_what_is_shared() -> None:
    sys.path[0] = str(ROOT)  # as where a script of that folder is run
    import warehouse.standin as standin

    inner = (module.name for module in pkgutil.walk_packages(standin.__path__, "warehouse.standin."))
    for name in (*MODULES, *inner):
        if not name.endswith("__main__"):
            importlib.import_module(name)


def next_script(asked: Connection) -> str:
    """In a process of its own the script that it is to run; where the asker is gone, no process stays.

    What comes are the arguments and the environment of a script, with the files that are its stdout
    and stderr and one that it holds open to its end; or the number of a process that has ended.
    """
    while True:
        try:
            wanted = asked.recv()
        except EOFError:
            sys.exit()
        if len(wanted) == 1:
            asked.send(os.waitstatus_to_exitcode(os.waitpid(*wanted, 0)[1]))
            continue
        files = [recv_handle(asked) for _ in range(3)]
        if not os.fork():
            stdout, stderr, _ = files
            begin(*wanted, stdout, stderr)
            asked.send(os.getpid())
            asked.close()
            return wanted[0][0]
        for file in files:
            os.close(file)


def begin(arguments: list[str], environment: dict[str, str], stdout: int, stderr: int) -> None:
    """Make of this process what Python is when it has just started."""
    for file, number in ((stdout, 1), (stderr, 2)):
        os.dup2(file, number)
        os.close(file)
    os.environ.update(environment)
    time.tzset()
    tempfile.tempdir = None
    sys.argv = list(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    asking = Connection(int(sys.argv[1]))
    signal.signal(signal.SIGINT, lambda *_: None)  # in a terminal Ctrl-C is for who asks
    import_what_is_shared()
    gc.freeze()
    runpy.run_path(next_script(asking), run_name="__main__")
