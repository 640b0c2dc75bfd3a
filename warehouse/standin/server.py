"""A private PostgreSQL server: created, started and stopped. Reached by a Unix socket only.

Nothing here knows SQL dialects or Sparkify. The state folder belongs to whoever runs the toolkit:

    sparkify-standin    whose folder this is, and the lock that start and stop hold
    data/               the cluster and server.log; owned by the account that serves
    socket/             the socket, same owner
    socket-folder       a link to the socket's folder, only where the path above is too long for one
"""

import fcntl
import hashlib
import logging
import os
import pwd
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg2
from psycopg2 import errors, sql

from warehouse import ConfigError, WarehouseError

from .binaries import Binaries, find_binaries

logger = logging.getLogger(__name__)

MARKER = "sparkify-standin"
PROJECT = Path(__file__).resolve().parents[2]
PORT = 5432
SUPERUSER = "sparkify"
PATIENCE = 120  # seconds for a start, crash recovery included, and for a stop
LARGEST_LOG = 10_000_000  # bytes
LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107  # bytes in sockaddr_un, without the NUL
SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": 100,
    "shared_buffers": "256MB",
    # In files: /dev/shm is 64 MB in a container, and systemd empties it when its user logs out.
    "dynamic_shared_memory_type": "mmap",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "client_connection_check_interval": "10s",
    # As on Redshift dead rows stay, and cost, until somebody runs VACUUM. PostgreSQL freezes rows all
    # the same before it would run out of transaction ids.
    "autovacuum": "off",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # Statements may carry credentials: the log says what failed, not with which text.
    "log_min_error_statement": "panic",
}


class Server:
    """The server of one state folder. Making the object touches nothing; `start` does the work."""

    def __init__(self, folder: Path | None = None):
        self.folder = Path(folder).resolve() if folder else default_folder()
        self.data = self.folder / "data"
        self.log_file = self.data / "server.log"
        self.name = f"sparkify-{_digest(self.folder)}"  # in the server's command line: it is ours

    @property
    def socket_folder(self) -> Path:
        link = self.folder / "socket-folder"
        if not self._socket_fits() and link.is_symlink():
            return Path(os.readlink(link))
        return self.folder / "socket"

    def connect_parameters(self, database: str) -> dict:
        """Return psycopg2's keyword arguments; the empty hostaddr keeps PGHOSTADDR out."""
        return {"host": str(self.socket_folder), "hostaddr": "", "port": PORT,
                "user": SUPERUSER, "dbname": database}

    def running(self) -> bool:
        return self._answer() is not None

    def start(self) -> None:
        """Create the cluster if it is missing and start it; return when it takes connections.

        Raises WarehouseError where there is no PostgreSQL, or it does not start, or the folder is
        not ours.
        """
        try:
            with self._locked():
                if self._ready():
                    logger.debug("the stand-in ran already in %s", self.folder)
                else:
                    self._start()
        except OSError as error:
            raise WarehouseError(f"cannot start the stand-in in {self.folder}: {error}. "
                                 "SPARKIFY_STANDIN may name another folder.") from error

    def stop(self) -> bool:
        """End the server, rolling back what runs on it; return whether there was one."""
        if not self._is_ours():
            return False
        with self._locked():
            if pid := self._postmaster():
                self._end(pid)
            if (link := self.folder / "socket-folder").is_symlink():
                with suppress(OSError):
                    os.rmdir(os.readlink(link))
                link.unlink()
            return pid is not None

    def ensure_database(self, name: str) -> None:
        """Create the database (UTF8, C collation) unless it exists; the server must run."""
        with closing(psycopg2.connect(**self.connect_parameters("postgres"))) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if cursor.fetchone():
                return
            # Another process may be as fast.
            with suppress(errors.DuplicateDatabase, errors.UniqueViolation):
                cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' "
                                       "LC_COLLATE 'C' LC_CTYPE 'C'").format(sql.Identifier(name)))

    def binaries(self) -> Binaries:
        """Return the programs that fit this cluster, or for a new one the newest there are."""
        major = (self.data / "PG_VERSION").read_text().strip() if self.data.exists() else None
        return find_binaries(major, _identity(self._account()))

    def _is_ours(self) -> bool:
        """Tell whether the state folder is there; raise if it is somebody else's."""
        try:
            status = os.lstat(self.folder)
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise WarehouseError(f"{self.folder} is not a folder of the user who runs this. "
                                 "SPARKIFY_STANDIN may name another one for the stand-in.")
        entries = os.listdir(self.folder)
        marked = (self.folder / MARKER).exists()  # after listdir: whoever fills it marks it first
        if entries and not marked:
            raise WarehouseError(f"{self.folder} holds files that are not the stand-in's. "
                                 "SPARKIFY_STANDIN must name an empty folder or a new one.")
        return marked

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._is_ours()
        descriptor = os.open(self.folder / MARKER, os.O_RDWR | os.O_CREAT, 0o600)  # not inherited
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not os.fstat(descriptor).st_size:
                text = f"State of the Sparkify stand-in (a private PostgreSQL) of {PROJECT}\n"
                os.write(descriptor, os.fsencode(text))
            yield
        finally:
            os.close(descriptor)

    def _answer(self) -> str | None:
        """Return None where no server listens, else its refusal, empty if it takes connections."""
        if not self._is_ours() or not self.data.exists():
            return None
        if not _is_private(self.socket_folder, self.data.stat().st_uid):
            return None
        try:
            psycopg2.connect(**self.connect_parameters("postgres"), connect_timeout=5).close()
        except psycopg2.OperationalError as error:
            return str(error) if "FATAL:" in str(error) else None
        return ""

    def _ready(self) -> bool:
        """Wait while the server starts, recovers or shuts down; return whether it is up."""
        deadline = time.monotonic() + PATIENCE
        while "the database system is" in ((answer := self._answer()) or ""):
            if time.monotonic() > deadline:
                raise WarehouseError(f"the stand-in in {self.folder} is not ready after {PATIENCE} "
                                     f"seconds: {answer.strip()}\nIts log: {self.log_file}")
            time.sleep(0.1)
        return answer is not None

    def _start(self) -> None:
        account = self._account()
        binaries = self.binaries()
        self._open_folder_to(account)
        served = f", served by the account {account.pw_name}" if account else ""
        if not self.data.exists():
            self._create(binaries, account)
            logger.info("created a PostgreSQL %s cluster for the stand-in in %s%s",
                        binaries.version, self.folder, served)
        self._place_socket(account)
        self._clear_the_way()
        self._launch(binaries, account)
        logger.info("started PostgreSQL %s for the stand-in in %s%s (psql: python -m "
                    "warehouse.standin psql; stop: python -m warehouse.standin stop)",
                    binaries.version, self.folder, served)

    def _account(self) -> pwd.struct_passwd | None:
        """Return who serves where root runs us, since PostgreSQL refuses root; None: we do."""
        if os.geteuid() != 0:
            return None
        if self.data.exists():
            return pwd.getpwuid(self.data.stat().st_uid)
        for name in ("postgres", "nobody"):
            with suppress(KeyError):
                return pwd.getpwnam(name)
        raise WarehouseError("PostgreSQL refuses to run as root, and there is no account postgres "
                             "or nobody. Run this as an ordinary user.")

    def _open_folder_to(self, account: pwd.struct_passwd | None) -> None:
        """Let the serving account pass through the state folder, and nobody else."""
        if not account:
            self.folder.chmod(0o700)
            return
        os.chown(self.folder, -1, account.pw_gid)
        self.folder.chmod(0o710)
        status, _ = self._run(account, "/bin/sh", "-c", 'cd "$1"', "sh", self.folder)
        if status:
            raise WarehouseError(f"the account {account.pw_name}, which serves since PostgreSQL "
                                 f"refuses root, may not enter {self.folder}.\nSPARKIFY_STANDIN "
                                 "must name a folder that it can reach, for example in /var/lib.")

    def _create(self, binaries: Binaries, account: pwd.struct_passwd | None) -> None:
        """Make the cluster under another name first: one that is half made never counts."""
        for debris in self.folder.glob("data.new-*"):
            shutil.rmtree(debris, ignore_errors=True)
        fresh = _new_folder("data.new-", self.folder, account)
        status, output = self._run(
            account, binaries.folder / "initdb", "-D", fresh.name, "-E", "UTF8", "--locale=C",
            "-A", "trust", f"--username={SUPERUSER}", "--no-sync")
        if status:
            shutil.rmtree(fresh, ignore_errors=True)
            raise WarehouseError(f"{binaries.folder}/initdb failed in {self.folder}:\n"
                                 f"{_gist(output)}")
        fresh.rename(self.data)

    def _socket_fits(self) -> bool:
        path = self.folder / "socket" / f".s.PGSQL.{PORT}"
        return len(os.fsencode(path)) <= LONGEST_SOCKET

    def _place_socket(self, account: pwd.struct_passwd | None) -> None:
        if _is_private(self.socket_folder, self.data.stat().st_uid):
            return
        if self._socket_fits():
            fresh = _new_folder("socket.new-", self.folder, account)
            fresh.rename(self.folder / "socket")
        else:
            link = self.folder / "socket-folder"
            link.unlink(missing_ok=True)
            # Not TMPDIR: it may be as long, or closed to the account that serves.
            link.symlink_to(_new_folder(f"{self.name}-", Path("/tmp"), account))

    def _postmaster(self) -> int | None:
        """Return the process number of our server if it lives, even if it does not answer."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n")[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if self.name in _command_line(pid) else None

    def _clear_the_way(self) -> None:
        """End a server that nobody can reach; forget one that is dead."""
        if pid := self._postmaster():
            self._end(pid)
        # PostgreSQL would take any process of that number for a server: another program after a
        # reboot, or the zombie that stays where the first process of a container reaps nobody.
        # What is left of a real server it still finds by its shared memory.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.socket_folder / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _end(self, pid: int) -> None:
        os.kill(pid, signal.SIGINT)  # "fast": ends sessions, writes a checkpoint
        deadline = time.monotonic() + PATIENCE
        while self._postmaster() == pid:
            if time.monotonic() > deadline:
                raise WarehouseError(f"PostgreSQL (process {pid}) in {self.folder} does not stop. "
                                     f"Its log: {self.log_file}")
            time.sleep(0.02)

    def _launch(self, binaries: Binaries, account: pwd.struct_passwd | None) -> None:
        if self.log_file.exists() and self.log_file.stat().st_size > LARGEST_LOG:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        for _ in range(50):
            # -l takes the server's output: no pipe of ours stays open in it.
            status, output = self._run(
                account, binaries.folder / "pg_ctl", "start", "-s", "-w", "-t", str(PATIENCE),
                "-D", "data", "-l", "data/server.log", "-o", self._options())
            if status == 0:
                return
            if self.log_file.exists():
                output = self.log_file.read_text(errors="replace")
            reason = _gist(output)
            if "still in use" not in reason:
                break
            time.sleep(0.2)  # sessions of a server that was killed need a moment to notice
        raise WarehouseError(f"PostgreSQL {binaries.version} did not start. Its log, "
                             f"{self.log_file}, ends:\n{reason}")

    def _options(self) -> str:
        settings = dict(SETTINGS, cluster_name=self.name)
        # Relative to data/, where the server works: such a path needs no quoting.
        settings["unix_socket_directories"] = (
            "../socket" if self._socket_fits() else self.socket_folder)
        return " ".join(f"-c {shlex.quote(f'{key}={value}')}" for key, value in settings.items())

    def _run(self, account: pwd.struct_passwd | None, *command: str | Path) -> tuple[int, str]:
        """Run a program in the state folder as the account; return exit status and output."""
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith(("PG", "LC_"))}
        # In a session of its own: Ctrl-C in the terminal must not reach the server.
        done = subprocess.run(
            command, cwd=self.folder, env=environment | {"LC_ALL": "C"}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", **_identity(account))
        return done.returncode, done.stdout


def default_folder() -> Path:
    """Return SPARKIFY_STANDIN, or a folder for this project where its user keeps such state."""
    if chosen := os.environ.get("SPARKIFY_STANDIN"):
        if not os.path.isabs(chosen):
            raise ConfigError(f"SPARKIFY_STANDIN is '{chosen}'; expected an absolute path.")
        return Path(chosen).resolve()
    name = f"sparkify-standin-{_digest(PROJECT)}"
    if os.geteuid() == 0:
        base = "/var/lib"  # not root's home, which the account that serves may not enter
    else:
        base = os.environ.get("XDG_STATE_HOME", "")
        base = base if os.path.isabs(base) else os.path.expanduser("~/.local/state")
        with suppress(OSError):
            os.makedirs(base, exist_ok=True)
    if os.path.isabs(base) and os.access(base, os.W_OK | os.X_OK):
        return Path(base, name)
    return Path(tempfile.gettempdir(), f"sparkify-standin-{os.geteuid()}-{_digest(PROJECT)}")


def _identity(account: pwd.struct_passwd | None) -> dict:
    if not account:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _new_folder(prefix: str, parent: Path, account: pwd.struct_passwd | None) -> Path:
    """Make a folder that only the account, or else we, may enter."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def _is_private(folder: Path, owner: int) -> bool:
    """Tell whether nobody but the owner can have put a socket there."""
    if not os.path.lexists(folder):
        return False
    status = os.lstat(folder)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == owner and not status.st_mode & 0o077


def _command_line(pid: int) -> str:
    """Return how the process was called; empty if there is none."""
    if os.path.exists("/proc/self/cmdline"):
        with suppress(OSError):
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes())
        return ""
    done = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True)
    return done.stdout


def _gist(output: str) -> str:
    """Return the last two lines, without the farewell that follows the reason."""
    lines = [line for line in output.splitlines()
             if line.strip() and not re.search("system is shut down|: removing ", line)]
    return "\n".join(lines[-2:])


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
