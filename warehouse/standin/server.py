"""A private PostgreSQL server on a Unix socket: create, start and stop it.

It knows nothing of SQL dialects, and of Sparkify only the name. The state folder belongs to the user
of the toolkit:

    sparkify-standin    marks the folder as ours; start and stop lock it
    data/               the cluster and server.log; owned by the account that runs the server
    socket/             the socket; same owner
    socket-folder       a link to the socket's folder, if the path of socket/ is too long for a socket
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
TIMEOUT = 120  # seconds for a start, including crash recovery, and for a stop
MAX_LOG_SIZE = 10_000_000  # bytes
MAX_SOCKET_PATH = 103 if sys.platform == "darwin" else 107  # bytes in sockaddr_un, without the NUL
SETTINGS = {
    "listen_addresses": "",
    "port": PORT,
    "unix_socket_permissions": "0700",
    "max_connections": 100,
    "shared_buffers": "256MB",
    # Not in /dev/shm: that has 64 MB in a container, and systemd empties it when its user logs out.
    "dynamic_shared_memory_type": "mmap",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "client_connection_check_interval": "10s",
    # As on Redshift, dead rows stay and cost time until somebody runs VACUUM. PostgreSQL still starts
    # an autovacuum before it runs out of transaction ids.
    "autovacuum": "off",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # Statements may carry credentials, so the log has errors without their statements.
    "log_min_error_statement": "panic",
}


class Server:
    """The server of one state folder. The constructor touches nothing on disk."""

    def __init__(self, folder: Path | None = None):
        self.folder = Path(folder).resolve() if folder else default_folder()
        self.data = self.folder / "data"
        self.log_file = self.data / "server.log"
        # It appears in the server's command line, and so tells our server from other processes.
        self.name = f"sparkify-{_hash_path(self.folder)}"

    @property
    def socket_folder(self) -> Path:
        link = self.folder / "socket-folder"
        if not self._is_path_short_enough() and link.is_symlink():
            return Path(os.readlink(link))
        return self.folder / "socket"

    def connect_parameters(self, database: str) -> dict:
        """Return keyword arguments for psycopg2; the empty hostaddr overrides PGHOSTADDR."""
        return {"host": str(self.socket_folder), "hostaddr": "", "port": PORT,
                "user": SUPERUSER, "dbname": database}

    def is_running(self) -> bool:
        return self._probe() is not None

    def start(self) -> None:
        """Create the cluster if it is missing, start it, and return once it accepts connections.

        Raises WarehouseError if there is no PostgreSQL, it does not start, or the folder is not ours.
        """
        try:
            with self._locking():
                if self._wait_until_ready():
                    logger.debug("the stand-in was already running in %s", self.folder)
                else:
                    self._start()
        except OSError as error:
            raise WarehouseError(f"cannot start the stand-in in {self.folder}: {error}. "
                                 "Set SPARKIFY_STANDIN to another folder.") from error

    def stop(self) -> bool:
        """Stop the server, which rolls back open transactions; return whether it was running."""
        if not self._is_ours():
            return False
        with self._locking():
            if pid := self._find_postmaster():
                self._stop_process(pid)
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
            # Another process may create it at the same time.
            with suppress(errors.DuplicateDatabase, errors.UniqueViolation):
                cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' "
                                       "LC_COLLATE 'C' LC_CTYPE 'C'").format(sql.Identifier(name)))

    def binaries(self) -> Binaries:
        """Return the programs of this cluster's version, or the newest ones for a new cluster."""
        major = (self.data / "PG_VERSION").read_text().strip() if self.data.exists() else None
        return find_binaries(major, _subprocess_identity(self._find_account()))

    def _is_ours(self) -> bool:
        """Return whether the state folder holds our marker; raise WarehouseError if it is not ours."""
        try:
            status = os.lstat(self.folder)
        except FileNotFoundError:
            return False
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise WarehouseError(f"{self.folder} is not a folder of the user who runs this. "
                                 "Set SPARKIFY_STANDIN to another one.")
        entries = os.listdir(self.folder)
        # Looked for after listdir: whoever makes our files makes the marker first.
        is_marked = (self.folder / MARKER).exists()
        if entries and not is_marked:
            raise WarehouseError(f"{self.folder} holds files that are not the stand-in's. "
                                 "Set SPARKIFY_STANDIN to an empty folder or a new one.")
        return is_marked

    @contextmanager
    def _locking(self) -> Iterator[None]:
        """Create the state folder if it is missing, and hold its lock."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._is_ours()
        # The server does not inherit the descriptor (PEP 446); otherwise it would keep the lock.
        descriptor = os.open(self.folder / MARKER, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not os.fstat(descriptor).st_size:
                text = f"State of the Sparkify stand-in (a private PostgreSQL) of {PROJECT}\n"
                os.write(descriptor, os.fsencode(text))
            yield
        finally:
            os.close(descriptor)

    def _probe(self) -> str | None:
        """Connect; return '' on success, the error if the server refuses, None if no server listens."""
        if not self._is_ours() or not self.data.exists():
            return None
        if not _is_private(self.socket_folder, self.data.stat().st_uid):
            return None
        try:
            psycopg2.connect(**self.connect_parameters("postgres"), connect_timeout=5).close()
        except psycopg2.OperationalError as error:
            return str(error) if "FATAL:" in str(error) else None
        return ""

    def _wait_until_ready(self) -> bool:
        """Wait while the server starts, recovers or shuts down; return whether it is up."""
        deadline = time.monotonic() + TIMEOUT
        while "the database system is" in ((error := self._probe()) or ""):
            if time.monotonic() > deadline:
                raise WarehouseError(f"the stand-in in {self.folder} is not ready after {TIMEOUT} "
                                     f"seconds: {error.strip()}\nIts log: {self.log_file}")
            time.sleep(0.1)
        return error is not None

    def _start(self) -> None:
        account = self._find_account()
        binaries = self.binaries()
        self._let_account_enter(account)
        run_by = f", run by the account {account.pw_name}" if account else ""
        if not self.data.exists():
            self._create(binaries, account)
            logger.info("created a PostgreSQL %s cluster for the stand-in in %s%s",
                        binaries.version, self.folder, run_by)
        self._make_socket_folder(account)
        self._remove_leftovers()
        self._launch(binaries, account)
        logger.info("started PostgreSQL %s for the stand-in in %s%s (psql: python -m "
                    "warehouse.standin psql; stop: python -m warehouse.standin stop)",
                    binaries.version, self.folder, run_by)

    def _find_account(self) -> pwd.struct_passwd | None:
        """Return the account to run the server as, or None for our own: PostgreSQL refuses root."""
        if os.geteuid() != 0:
            return None
        if self.data.exists():
            return pwd.getpwuid(self.data.stat().st_uid)
        for name in ("postgres", "nobody"):
            with suppress(KeyError):
                return pwd.getpwnam(name)
        raise WarehouseError("PostgreSQL refuses to run as root, and there is no account postgres "
                             "or nobody to run it. Run this as an ordinary user.")

    def _let_account_enter(self, account: pwd.struct_passwd | None) -> None:
        """Let the server's account, and nobody else, pass through the state folder."""
        if not account:
            self.folder.chmod(0o700)
            return
        os.chown(self.folder, -1, account.pw_gid)
        self.folder.chmod(0o710)
        status, _ = self._run(account, "/bin/sh", "-c", 'cd "$1"', "sh", self.folder)
        if status:
            raise WarehouseError(f"the account {account.pw_name}, which runs the server because "
                                 f"PostgreSQL refuses root, may not enter {self.folder}.\nSet "
                                 "SPARKIFY_STANDIN to a folder that it can reach, for example in "
                                 "/var/lib.")

    def _create(self, binaries: Binaries, account: pwd.struct_passwd | None) -> None:
        """Create the cluster under a temporary name, so that a partial one is never used."""
        for leftover in self.folder.glob("data.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        new_folder = _new_folder("data.new-", self.folder, account)
        status, output = self._run(
            account, binaries.folder / "initdb", "-D", new_folder.name, "-E", "UTF8", "--locale=C",
            "-A", "trust", f"--username={SUPERUSER}", "--no-sync")
        if status:
            shutil.rmtree(new_folder, ignore_errors=True)
            raise WarehouseError(f"{binaries.folder}/initdb failed in {self.folder}:\n"
                                 f"{_last_lines(output)}")
        new_folder.rename(self.data)

    def _is_path_short_enough(self) -> bool:
        path = self.folder / "socket" / f".s.PGSQL.{PORT}"
        return len(os.fsencode(path)) <= MAX_SOCKET_PATH

    def _make_socket_folder(self, account: pwd.struct_passwd | None) -> None:
        if _is_private(self.socket_folder, self.data.stat().st_uid):
            return
        if self._is_path_short_enough():
            new_folder = _new_folder("socket.new-", self.folder, account)
            new_folder.rename(self.folder / "socket")
        else:
            link = self.folder / "socket-folder"
            link.unlink(missing_ok=True)
            # Not in TMPDIR: its path may be too long as well, or closed to the server's account.
            link.symlink_to(_new_folder(f"{self.name}-", Path("/tmp"), account))

    def _find_postmaster(self) -> int | None:
        """Return the process id of our server if it is alive, even if it does not answer."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n")[0])
        except (FileNotFoundError, ValueError):
            return None
        return pid if self.name in _read_command_line(pid) else None

    def _remove_leftovers(self) -> None:
        """Stop a server that nobody can reach, and remove the lock files of a dead one."""
        if pid := self._find_postmaster():
            self._stop_process(pid)
        # PostgreSQL takes any process with the id in postmaster.pid for a server: another program
        # after a reboot, or a zombie in a container whose first process does not reap. It still
        # detects the remains of a real server by their shared memory.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.socket_folder / f".s.PGSQL.{PORT}.lock").unlink(missing_ok=True)

    def _stop_process(self, pid: int) -> None:
        os.kill(pid, signal.SIGINT)  # "fast" shutdown: end sessions, write a checkpoint
        deadline = time.monotonic() + TIMEOUT
        while self._find_postmaster() == pid:
            if time.monotonic() > deadline:
                raise WarehouseError(f"PostgreSQL (process {pid}) in {self.folder} does not stop. "
                                     f"Its log: {self.log_file}")
            time.sleep(0.02)

    def _launch(self, binaries: Binaries, account: pwd.struct_passwd | None) -> None:
        if self.log_file.exists() and self.log_file.stat().st_size > MAX_LOG_SIZE:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        for _ in range(50):
            # With -l the server's output goes to a file, so that it keeps no pipe of ours open.
            status, output = self._run(
                account, binaries.folder / "pg_ctl", "start", "-s", "-w", "-t", str(TIMEOUT),
                "-D", "data", "-l", "data/server.log", "-o", self._format_options())
            if status == 0:
                return
            if self.log_file.exists():
                output = self.log_file.read_text(errors="replace")
            reason = _last_lines(output)
            if "still in use" not in reason:
                break
            time.sleep(0.2)  # the sessions of a killed server take a moment to end
        raise WarehouseError(f"PostgreSQL {binaries.version} did not start. Its log, "
                             f"{self.log_file}, ends:\n{reason}")

    def _format_options(self) -> str:
        settings = dict(SETTINGS, cluster_name=self.name)
        # Relative to data/, the server's working directory: such a path needs no quoting.
        settings["unix_socket_directories"] = (
            "../socket" if self._is_path_short_enough() else self.socket_folder)
        return " ".join(f"-c {shlex.quote(f'{key}={value}')}" for key, value in settings.items())

    def _run(self, account: pwd.struct_passwd | None, *command: str | Path) -> tuple[int, str]:
        """Run a program in the state folder as the account; return exit status and output."""
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith(("PG", "LC_"))}
        # A new session, because Ctrl-C in the terminal must not reach the server.
        done = subprocess.run(
            command, cwd=self.folder, env=environment | {"LC_ALL": "C"}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", **_subprocess_identity(account))
        return done.returncode, done.stdout


def default_folder() -> Path:
    """Return the folder that SPARKIFY_STANDIN names, or else one that is named after this project.

    That one is in the user's state folder (for root in /var/lib), or in the temporary folder if we
    may not write there.
    """
    if setting := os.environ.get("SPARKIFY_STANDIN"):
        if not os.path.isabs(setting):
            raise ConfigError(f"SPARKIFY_STANDIN is '{setting}'; expected an absolute path.")
        return Path(setting).resolve()
    name = f"sparkify-standin-{_hash_path(PROJECT)}"
    if os.geteuid() == 0:
        base = "/var/lib"  # not root's home, which the server's account may not enter
    else:
        base = os.environ.get("XDG_STATE_HOME", "")
        base = base if os.path.isabs(base) else os.path.expanduser("~/.local/state")
        with suppress(OSError):
            os.makedirs(base, exist_ok=True)
    if os.path.isabs(base) and os.access(base, os.W_OK | os.X_OK):
        return Path(base, name)
    return Path(tempfile.gettempdir(), f"sparkify-standin-{os.geteuid()}-{_hash_path(PROJECT)}")


def _subprocess_identity(account: pwd.struct_passwd | None) -> dict:
    if not account:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _new_folder(prefix: str, parent: Path, account: pwd.struct_passwd | None) -> Path:
    """Create a folder that only the account may enter, or only the current user if account is None."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def _is_private(folder: Path, owner: int) -> bool:
    """Return whether the folder exists, is the owner's, and is closed to everybody else."""
    if not os.path.lexists(folder):
        return False
    status = os.lstat(folder)
    return stat.S_ISDIR(status.st_mode) and status.st_uid == owner and not status.st_mode & 0o077


def _read_command_line(pid: int) -> str:
    """Return the command line of a process, or '' if there is none."""
    if os.path.exists("/proc/self/cmdline"):
        with suppress(OSError):
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes())
        return ""
    done = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True)
    return done.stdout


def _last_lines(output: str) -> str:
    """Return the last two lines of an output, leaving out those about shutting down and removing files."""
    lines = [line for line in output.splitlines()
             if line.strip() and not re.search("system is shut down|: removing ", line)]
    return "\n".join(lines[-2:])


def _hash_path(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
