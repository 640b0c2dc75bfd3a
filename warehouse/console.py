"""Output of a run: the standard streams, the log, and the summary at the end of a load."""

import argparse
import logging
import os
import sys
import time
from typing import NamedTuple

from . import WarehouseError
from .history import now
from .objects import escape_lines
from .progress import PROGRESS


def open_streams() -> None:
    """Open those of stdin, stdout and stderr that the caller of this process has closed.

    Otherwise the next socket would get the free file descriptor, and output would be written into it.
    Characters that the encoding of stdout cannot represent are printed as question marks.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))
    sys.stdout.reconfigure(errors="replace")


def say(text: object) -> None:
    """Print to stdout. A reader that stops early, such as head, is not an error.

    Raises WarehouseError if stdout cannot be written, as on a full disk.
    """
    try:
        print(escape_lines(str(text)), flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes stdout again at exit
        if not isinstance(error, BrokenPipeError):
            raise WarehouseError(f"standard output: {error.strerror}. Only this output was lost.") from error


# ---------------------------------------------------------------------------------------------- log

class LineHandler(logging.StreamHandler):
    """Log to stderr, after clearing the progress line."""

    def emit(self, record):
        PROGRESS.clear()
        super().emit(record)

    def format(self, record):
        return escape_lines(super().format(record))


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
    PROGRESS.enabled = not arguments.quiet


# ------------------------------------------------------------------------------------------ summary

class Line(NamedTuple):
    """A line of the summary, about one table.

    files is None if they were copied by prefix, or if no COPY filled the table. rejected is None if the
    COPY did not report it.
    """

    table: str
    rows: int
    seconds: float
    is_copy: bool = False
    files: int | None = None
    rejected: int | None = 0


class Summary:
    """The table that a load prints at its end: files, rows, rejected rows and seconds per table."""

    def __init__(self):
        self.lines: list[Line] = []
        self.with_song: int | None = None  # inserted plays that match a song, or None if no logs were loaded
        self.with_artist: int | None = None  # inserted plays that have an artist, or None
        self.changed_plays = 0  # earlier plays that got another song or artist
        self.started = time.monotonic()  # the same moment as begun_at, to measure seconds
        self.begun_at = now()

    def add_copy(self, table: str, rows: int, seconds: float, files: int | None,
                 rejected: int | None) -> None:
        self.lines.append(Line(table, rows, seconds, True, files, rejected))

    def add(self, table: str, rows: int, seconds: float) -> None:
        """Add rows of a table. songplays may be added twice, and keeps one line."""
        for index, line in enumerate(self.lines):
            if line.table == table:
                self.lines[index] = line._replace(
                    rows=line.rows + rows, seconds=line.seconds + seconds)
                return
        self.lines.append(Line(table, rows, seconds))

    @property
    def rejected(self) -> int | None:
        """The number of rows that the COPYs rejected; None if one of them did not report it."""
        counts = [line.rejected for line in self.lines]
        return None if None in counts else sum(counts)

    @property
    def totals(self) -> dict[str, int | None]:
        """Values for columns of `loads`: rows by table (of songplays only the inserted ones) and counts."""
        rows = {line.table: line.rows for line in self.lines}
        if "songplays" in rows:
            rows["songplays"] -= self.changed_plays
        return rows | {"with_song": self.with_song, "with_artist": self.with_artist,
                       "changed_plays": self.changed_plays, "rejected": self.rejected}

    def format_total(self) -> str:
        return f"{len(self.lines)} tables in {time.monotonic() - self.started:.1f} s"

    def __str__(self) -> str:
        lines = [
            ("table", "files", "rows", "rejected", "seconds"),
            *(
                (line.table, "" if line.files is None else f"{line.files:,}", f"{line.rows:,}",
                 "" if not line.is_copy else "?" if line.rejected is None else f"{line.rejected:,}",
                 f"{line.seconds:.2f}")
                for line in self.lines
            ),
            ("total", "", "", "", f"{time.monotonic() - self.started:.2f}"),
        ]
        if self.rejected == 0:
            lines = [(*line[:3], line[4]) for line in lines]
        return format_table(lines)


def format_table(lines: list[tuple[str, ...]]) -> str:
    """Format lines of cells as a text table: first column left-aligned, others right-aligned."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines
    )
