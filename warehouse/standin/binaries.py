"""The PostgreSQL programs of this machine: on PATH, named by pg_config, or in the usual folders."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from warehouse import WarehouseError

OLDEST_SUPPORTED = 15
INSTALL_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/opt/homebrew/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


class Binaries(NamedTuple):
    """The folder with initdb, pg_ctl and postgres of one version; `number` is (16, 4) for 16.4."""

    number: tuple[int, ...]
    folder: Path

    @property
    def version(self) -> str:
        return ".".join(map(str, self.number))


def find_binaries(major: str | None, identity: dict) -> Binaries:
    """Return the newest PostgreSQL, of the major version if one is given.

    `identity` holds the subprocess arguments that select the user who must be able to run it. Raises
    WarehouseError if there is none.
    """
    installed = [binaries for folder in dict.fromkeys(_find_folders())
                 if (binaries := _inspect(folder, identity))]
    usable = [binaries for binaries in installed
              if binaries.number[0] >= OLDEST_SUPPORTED and major in (None, str(binaries.number[0]))]
    if usable:
        return max(usable)
    versions = ", ".join(f"{binaries.version} in {binaries.folder}" for binaries in installed)
    if major and int(major) < OLDEST_SUPPORTED:
        raise WarehouseError(f"the stand-in's cluster was created by PostgreSQL {major}, and the "
                             f"stand-in needs {OLDEST_SUPPORTED} or newer.\nSet SPARKIFY_STANDIN to "
                             "a new folder and load again.")
    if major:
        raise WarehouseError(f"the stand-in's cluster was created by PostgreSQL {major}, whose "
                             f"programs are gone (found: {versions or 'none'}).\nInstall PostgreSQL "
                             f"{major} again, or set SPARKIFY_STANDIN to a new folder and load again.")
    raise WarehouseError(f"the stand-in needs PostgreSQL {OLDEST_SUPPORTED} or newer (found: "
                         f"{versions or 'none'}).\nInstall it: {_suggest_install()}"
                         + "\nIf that gives an older one, see https://www.postgresql.org/download"
                         * bool(installed))


def _find_folders() -> Iterator[Path]:
    for entry in os.get_exec_path():
        program = Path(entry, "initdb")
        if program.is_absolute() and os.access(program, os.X_OK):
            # /usr/local/bin may hold a link to initdb alone; the other programs are beside its target.
            yield program.resolve().parent
    with suppress(OSError):
        done = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True)
        yield Path(done.stdout.strip())
    for pattern in INSTALL_FOLDERS:
        yield from Path("/").glob(pattern.lstrip("/"))


def _inspect(folder: Path, identity: dict) -> Binaries | None:
    if not all(os.access(folder / name, os.X_OK) for name in ("initdb", "pg_ctl", "postgres")):
        return None
    try:
        done = subprocess.run([folder / "postgres", "--version"], cwd="/", text=True,
                              capture_output=True, **identity)
    except OSError:
        return None
    match = re.search(r"PostgreSQL\) (\d+)(?:\.(\d+))?", done.stdout)
    return Binaries(tuple(int(part) for part in match.groups() if part), folder) if match else None


def _suggest_install() -> str:
    if sys.platform == "darwin":
        return "brew install postgresql@16"
    command = ("apt-get install postgresql" if os.path.exists("/usr/bin/apt-get") else
               "dnf install postgresql15-server" if os.path.exists("/usr/bin/dnf") else None)
    sudo = "sudo " if os.geteuid() else ""
    return sudo + command if command else "see https://www.postgresql.org/download"
