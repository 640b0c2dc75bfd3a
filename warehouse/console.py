"""What a run prints: streams, log lines, and the summary that ends a load."""

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
    """Open what whoever started this has closed of stdin, stdout and stderr: else the next socket
    would get its number, and with it what is written there.

    Characters that stdout's encoding lacks are replaced, as stderr's are already.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))
    sys.stdout.reconfigure(errors="replace")


def say(text: object) -> None:
    """Print to stdout, up to where a reader like head has enough.

    Raises WarehouseError where stdout is full.
    """
    try:
        print(escape_lines(str(text)), flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes once more at its end
        if not isinstance(error, BrokenPipeError):
            raise WarehouseError(f"standard output: {error.strerror}. Only what was to be printed"
                                 " there is lost.") from error


# ---------------------------------------------------------------------------------------------- log

class LineHandler(logging.StreamHandler):
    """Logs to stderr, first clearing a progress line that stands there."""

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
    """A table in the summary. Of a COPY files is None where they were copied by prefix, and rejected
    where it did not report how many."""

    table: str
    rows: int
    seconds: float
    is_copy: bool = False
    files: int | None = None
    rejected: int | None = 0


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

    def add_copy(self, table: str, rows: int, seconds: float, files: int | None,
                 rejected: int | None) -> None:
        self.lines.append(Line(table, rows, seconds, True, files, rejected))

    def add(self, table: str, rows: int, seconds: float) -> None:
        """Add a line; rows of a table that has one already, as songplays may, are added to it."""
        for place, line in enumerate(self.lines):
            if line.table == table:
                self.lines[place] = line._replace(
                    rows=line.rows + rows, seconds=line.seconds + seconds)
                return
        self.lines.append(Line(table, rows, seconds))

    @property
    def rejected(self) -> int | None:
        """How many rows the COPYs left out; None if one of them did not report it."""
        counts = [line.rejected for line in self.lines]
        return None if None in counts else sum(counts)

    @property
    def totals(self) -> dict[str, int | None]:
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
    """Lines of cells as text: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines
    )
