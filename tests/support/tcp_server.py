"""A PostgreSQL that asks for a password on a port of 127.0.0.1, like a database on another host."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator

import pytest

from warehouse.standin.server import Server

CANARY = "canary-Xq7%#pw"


def find_free_port() -> int:
    """Return a port on which no program listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class TcpServer:
    """The server, with the methods that Project uses."""

    user, password = "analyst", CANARY

    def __init__(self, folder: Path):
        self.folder = folder
        self.port = find_free_port()
        # PostgreSQL refuses root, so postgres runs it.
        self.account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.binaries = Server(folder / "standin").binaries().folder

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs on the data, as the server's account."""
        account = self.account
        who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        done = subprocess.run(
            [self.binaries / program, "-D", "data", *arguments], cwd=self.folder, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **who)
        assert done.returncode == 0, done.stdout

    def create(self, certificates: Path | None = None) -> None:
        (self.folder / "password").write_text(self.password)
        if self.account:
            for path in (self.folder, self.folder / "password"):
                os.chown(path, self.account.pw_uid, self.account.pw_gid)
        self.run("initdb", "--auth=scram-sha-256", "--pwfile=password", f"--username={self.user}",
                 "--encoding=UTF8", "--locale=C", "--no-sync")
        for name in ("server.crt", "server.key") if certificates else ():
            path = shutil.copy(certificates / name, self.folder / "data")
            os.chmod(path, 0o600)
            if self.account:
                os.chown(path, self.account.pw_uid, self.account.pw_gid)
        if certificates:
            with open(self.folder / "data" / "postgresql.conf", "a") as settings:
                settings.write("ssl = on\n")

    def start(self) -> None:
        self.run("pg_ctl", "start", "-w", "-s", "-l", "log", "-o",
                 f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
                 " -c fsync=off -c autovacuum=off -c dynamic_shared_memory_type=mmap"
                 " -c log_statement=all")

    def crash(self) -> None:
        """Stop the server as a crash does: no client is notified and nothing is written."""
        self.run("pg_ctl", "stop", "-s", "-m", "immediate")

    def kill(self) -> None:
        """kill -9 the server and its child processes, and wait until they are gone."""
        pid = (self.folder / "data" / "postmaster.pid").read_text().split()[0]
        serving = subprocess.run(["pgrep", "-P", pid], capture_output=True, text=True).stdout.split()
        deadline = time.monotonic() + 30
        for process in map(int, (pid, *serving)):
            with suppress(ProcessLookupError):
                while True:
                    os.kill(process, signal.SIGKILL)
                    assert time.monotonic() < deadline, f"process {process} does not die"
                    time.sleep(0.01)

    def connect_parameters(self, database: str) -> dict:
        return {"host": "127.0.0.1", "port": self.port, "dbname": database,
                "user": self.user, "password": self.password}

    def settings(self, **changes: str) -> dict[str, str]:
        """The keys of [CLUSTER] that name this server."""
        return {"HOST": "127.0.0.1", "DB_PORT": str(self.port), "DB_NAME": "postgres",
                "DB_USER": self.user, "DB_PASSWORD": f'"{self.password}"'} | changes


def make_certificates(folder: Path) -> None:
    """Make root.crt and other.crt, two authorities, and server.crt for localhost, signed by root."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes")
    for name in ("root", "other"):
        openssl("req", "-x509", *key, "-keyout", f"{name}.key", "-out", f"{name}.crt",
                "-days", "2", "-subj", f"/CN=authority {name}")
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "root.crt", "-CAkey", "root.key",
            "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.crt")


@contextmanager
def running_tcp_server(certificates: Path | None = None) -> Iterator[TcpServer]:
    """Run a fresh server, and remove it at the end.

    With a folder of certificates it uses TLS. It logs every statement.
    """
    folder = Path(tempfile.mkdtemp(prefix="sparkify-tcp-"))
    server = TcpServer(folder)
    try:
        server.create(certificates)
        server.start()
        try:
            yield server
        finally:
            server.crash()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def tcp():
    """A server that asks for a password. A test may crash it, but must start it again."""
    with running_tcp_server() as server:
        yield server


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    """A folder with the certificates of make_certificates."""
    if not shutil.which("openssl"):
        pytest.skip("needs the openssl command to make certificates")
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture(scope="session")
def tls_server(certificates):
    """A server that asks for a password and uses TLS."""
    with running_tcp_server(certificates) as server:
        yield server
