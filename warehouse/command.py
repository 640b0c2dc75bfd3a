"""The shell of both scripts: arguments, log, signals, progress, summary, exit status."""

import argparse
import logging
import os
import signal
import sys
import textwrap
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, NamedTuple

from psycopg2 import extensions

import sql_queries

from . import WarehouseError, __version__, rejected_rows
from .config import Config, read
from .database import retry, statements
from .database.connection import connect
from .history import RUN, now
from .progress import PROGRESS
from .signals import INTERRUPTION

log = logging.getLogger(__name__)

BESIDE_THE_SCRIPTS = Path(sql_queries.__file__).resolve().parent

EXIT_STATUS = """\
exit status:
  0        done, or nothing to do
  1        the outside world failed: database, network, S3; rolled back
  2        wrong usage or configuration; nothing was changed
  3        the data was refused: rejected rows or a failed check; rolled back
  75       another load is running; try again later
  130, 143 interrupted; rolled back
"""


def parser(description: str) -> argparse.ArgumentParser:
    """A parser with the options that both scripts share."""
    options = argparse.ArgumentParser(
        description="\n\n".join(textwrap.fill(part, 79) for part in description.split("\n\n")),
        epilog=EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # --fo must not be --force
    )
    options.add_argument(
        "--config", metavar="FILE", type=Path, default=BESIDE_THE_SCRIPTS / "dwh.cfg",
        help="configuration file (default: dwh.cfg beside etl.py)",
    )
    loudness = options.add_mutually_exclusive_group()
    loudness.add_argument("--quiet", action="store_true", help="print only warnings and errors")
    loudness.add_argument("--verbose", action="store_true", help="log every statement")
    options.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return options


def main(
    run: Callable[[Config, argparse.Namespace], object], options: argparse.ArgumentParser
) -> int:
    """Run a script and print what it returns, if anything; returns its exit status.

    A failure is one message on stderr; one that is transient is tried again first.

    An exception that is not ours keeps its traceback: it is a bug in the toolkit.
    """
    open_streams()
    arguments = options.parse_args()
    start_log(arguments)
    try:
        config = read(arguments.config)
        for warning in config.warnings:
            log.warning("%s", warning)
        if config.ignored:
            log.info("ignored in %s: %s", config.path.name, ", ".join(config.ignored))
        if (report := retry.repeated(lambda: run(config, arguments), config)) is not None:
            say(report)
        return 0
    except WarehouseError as error:
        return failed(error, error.exit_status)
    except KeyboardInterrupt as error:
        return failed(error, 128 + signal.SIGINT)
    except MemoryError as error:
        error.add_note("There is too little memory: free some, and run again.")
        return failed(error, 1)
    except Exception as error:
        traceback.print_exc()
        return failed(error, 1)


def open_streams() -> None:
    """Open what whoever started this has closed of stdin, stdout and stderr: else the next socket
    would get its number, and with it what is written there.

    Characters that stdout's encoding lacks are replaced, as stderr's are already.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))
    sys.stdout.reconfigure(errors="replace")


@contextmanager
def session(config: Config) -> Iterator[extensions.connection]:
    """A connection that signals interrupt, closed at the end. Rejected rows are explained."""
    with INTERRUPTION.ends_at_once():
        connection = connect(config, PROGRESS, f"{Path(sys.argv[0]).stem}-{RUN}")
    try:
        with INTERRUPTION.cancels(connection):
            try:
                yield connection
            except statements.RowsRejected as error:
                raise rejected_rows.refusal(connection, error) from error
    finally:
        connection.close()


def say(text: object) -> None:
    """Print to stdout, up to where a reader like head has enough.

    Raises WarehouseError where stdout is full.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes once more at its end
        if not isinstance(error, BrokenPipeError):
            raise WarehouseError(f"standard output: {error.strerror}. Only what was to be printed"
                                 " there is lost.") from error


def failed(error: BaseException, status: int) -> int:
    said, notes = str(error) or type(error).__name__, getattr(error, "__notes__", ())
    if notes and said[-1] not in ".!?":
        said += "."
    log.error("%s", " ".join([said, *notes]))
    INTERRUPTION.told = True
    return status


# ---------------------------------------------------------------------------------------------- log

class LineHandler(logging.StreamHandler):
    """Logs to stderr, first clearing a progress line that stands there."""

    def emit(self, record):
        PROGRESS.clear()
        super().emit(record)


def start_log(arguments: argparse.Namespace) -> None:
    handler = LineHandler()
    formatter = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger = logging.getLogger("warehouse")
    logger.addHandler(handler)
    logger.setLevel(
        logging.DEBUG if arguments.verbose else logging.WARNING if arguments.quiet else logging.INFO
    )
    PROGRESS.shown = not arguments.quiet


# ------------------------------------------------------------------------------------------ summary

class Line(NamedTuple):
    """A table in the summary; files, rejected rows and the COPY's id are those of a staging table.

    files is None where they were copied by prefix.
    """

    table: str
    rows: int
    seconds: float
    files: int | None
    rejected: int | None
    copy_id: int | None


class Summary:
    """The table that ends a run: a line per table with files, rows written and seconds; and how
    many were rejected within MAX_ERRORS, if any."""

    def __init__(self):
        self.lines: list[Line] = []
        self.with_song: int | None = None  # this and the next: of the plays that were inserted
        self.with_artist: int | None = None
        self.changed_plays = 0  # earlier plays that have another song or artist now
        self.started = time.monotonic()
        self.begun_at = now()

    def add(self, table: str, rows: int, seconds: float, files: int | None = None,
            rejected: int | None = None, copy_id: int | None = None) -> None:
        """Add a line; rows of a table that has one already, as songplays may, are added to it."""
        for place, line in enumerate(self.lines):
            if line.table == table:
                self.lines[place] = line._replace(
                    rows=line.rows + rows, seconds=line.seconds + seconds)
                return
        self.lines.append(Line(table, rows, seconds, files, rejected, copy_id))

    @property
    def rejected(self) -> int:
        return sum(line.rejected or 0 for line in self.lines)

    @property
    def totals(self) -> dict[str, int]:
        """What the history keeps of a load; rows by table, of songplays the inserted ones."""
        rows = {line.table: line.rows for line in self.lines}
        if "songplays" in rows:
            rows["songplays"] -= self.changed_plays
        return rows | {"with_song": self.with_song, "with_artist": self.with_artist,
                       "changed_plays": self.changed_plays, "rejected": self.rejected}

    def total(self) -> str:
        return f"{len(self.lines)} tables in {time.monotonic() - self.started:.1f} s"

    def __str__(self) -> str:
        lines = [
            ("table", "files", "rows", "rejected", "seconds"),
            *(
                (line.table, "" if line.files is None else f"{line.files:,}", f"{line.rows:,}",
                 "" if line.rejected is None else f"{line.rejected:,}",
                 f"{line.seconds:.2f}")
                for line in self.lines
            ),
            ("total", "", "", "", f"{time.monotonic() - self.started:.2f}"),
        ]
        if not self.rejected:
            lines = [(*line[:3], line[4]) for line in lines]
        return table_of(lines)


def table_of(lines: list[tuple[str, ...]]) -> str:
    """Lines of cells as text: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines
    )
