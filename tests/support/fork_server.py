"""A program that forks itself to run scripts. support/processes.py starts it and sends it requests.

It imports what takes longest and is not part of the scripts: psycopg2, boto3, the stand-in. Each fork
imports the script's own modules itself, and ends as Python ends: at the top level of this program.
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


def import_shared_modules() -> None:
    sys.path[0] = str(ROOT)  # as when a script in that folder is run
    import warehouse.standin as standin

    inner = (module.name for module in pkgutil.walk_packages(standin.__path__, "warehouse.standin."))
    for name in (*MODULES, *inner):
        if not name.endswith("__main__"):
            importlib.import_module(name)


def serve(client: Connection) -> str:
    """Answer requests until the client is gone. In each fork, return the script that it must run.

    A request is either the arguments and the environment of a script, followed by its stdout, its
    stderr and a file that it holds open until it ends; or the number of a process that has ended.
    """
    while True:
        try:
            request = client.recv()
        except EOFError:
            sys.exit()
        if len(request) == 1:
            client.send(os.waitstatus_to_exitcode(os.waitpid(*request, 0)[1]))
            continue
        files = [recv_handle(client) for _ in range(3)]
        if not os.fork():
            stdout, stderr, _ = files
            look_fresh(*request, stdout, stderr)
            client.send(os.getpid())
            client.close()
            return request[0][0]
        for file in files:
            os.close(file)


def look_fresh(arguments: list[str], environment: dict[str, str], stdout: int, stderr: int) -> None:
    """Make this process look like a Python that has just started."""
    for file, number in ((stdout, 1), (stderr, 2)):
        os.dup2(file, number)
        os.close(file)
    os.environ.update(environment)
    time.tzset()
    tempfile.tempdir = None
    sys.argv = list(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    client = Connection(int(sys.argv[1]))
    signal.signal(signal.SIGINT, lambda *_: None)  # a terminal sends Ctrl-C to this process as well
    import_shared_modules()
    gc.freeze()
    runpy.run_path(serve(client), run_name="__main__")
