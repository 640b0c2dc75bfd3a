"""Show what the views say: what people listen to, when, where and how long.

It only reads, all in one transaction, so that the numbers agree. Without --html it prints tables.
"""

import argparse
import logging
import os
import shutil
import sys
import textwrap
from datetime import date
from pathlib import Path

from .. import WarehouseError, command
from ..config import Config
from ..database.transactions import undoing
from ..history import RUN
from ..session import connecting
from . import page, questions
from .answers import Answer, Report, describe_total
from .text import cut, format_count, format_value, is_number, measure_width

log = logging.getLogger("warehouse.report")

MOST_DAYS = 62  # in a table on the terminal: two months, the latest
MOST_LISTED = 1000  # songs, artists, …
FEWEST_COLUMNS = 12  # of a text, however narrow the terminal


def run(config: Config, arguments: argparse.Namespace) -> str | None:
    """Read the views; write the page, or return the tables."""
    with connecting(config) as connection, undoing(connection) as cursor:
        report = questions.read(cursor, arguments.top)
    if arguments.html:
        write(arguments.html, page.make_page(report))
        return None
    return format_report(report)


def write(path: Path, text: str) -> None:
    """Write to the file that a link leads to; or into a pipe or a device, which stays one."""
    data = text.encode()
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise WarehouseError(f"{path}: {error.strerror}. Name another file with --html FILE; what"
                             " was there is unchanged.") from error
    log.info("wrote %s: %s bytes", path, f"{len(data):,}")


def replace(path: Path, data: bytes) -> None:
    """Replace the file at once, so that a reader has the whole old page or the whole new one. The
    new one has the mode of the old one."""
    new = path.with_name(f".{path.name}.{RUN}")
    with open(new, "xb") as file:
        try:
            if path.exists():
                shutil.copymode(path, new)
            file.write(data)
            file.close()
            os.replace(new, path)
        finally:
            new.unlink(missing_ok=True)


# --------------------------------------------------------------------------------------- terminal

def format_report(report: Report) -> str:
    head = f"{describe_total(report.total)}\n{report.as_of}"
    return "\n\n".join([head, *map(format_table, report.answers)])


def format_table(answer: Answer) -> str:
    """Write its title, its purpose, and its rows: texts to the left, numbers to the right."""
    screen = shutil.get_terminal_size((100, 0)).columns
    values = list(answer.rows[0].values())
    hidden = max(0, len(answer.rows) - MOST_DAYS) if isinstance(values[0], date) else 0
    numeric = list(map(is_number, values))
    cells = [answer.question.heads] + [
        tuple(map(format_value, row.values())) for row in [*answer.rows[hidden:], *answer.end_rows]]
    widths = [max(map(measure_width, column)) for column in zip(*cells, strict=True)]
    room = screen - sum(size + 2 for size, is_right in zip(widths, numeric, strict=True) if is_right)
    most = fit_width(room, [size for size, is_right in zip(widths, numeric, strict=True)
                            if not is_right])
    widths = [size if is_right else min(size, most) for size, is_right in zip(widths, numeric, strict=True)]
    lines = ["  ".join(pad(*cell) for cell in zip(line, widths, numeric, strict=True)).rstrip()
             for line in cells]
    rule = "  ".join("-" * size for size in widths)
    lines.insert(len(lines) - len(answer.end_rows), rule)
    lines.insert(1, rule)
    if hidden:
        lines.insert(2, f"… {format_count(hidden, 'earlier row')}, which --html shows")
    question = answer.question
    return "\n".join([
        question.title, textwrap.fill(question.purpose, min(screen, 100)), "", *lines])


def fit_width(room: int, sizes: list[int]) -> int:
    """Return how wide a text may be where columns of these sizes share the room: narrow ones leave
    more to the others.

    >>> fit_width(60, [3, 80, 40])
    25
    """
    for left, size in zip(range(len(sizes), 0, -1), sorted(sizes), strict=True):
        share = room // left - 2
        if size > share:
            return max(FEWEST_COLUMNS, share)
        room -= size + 2
    return max(sizes, default=0)


def pad(text: str, size: int, to_the_right: bool) -> str:
    text = cut(text, size)
    blanks = " " * (size - measure_width(text))
    return blanks + text if to_the_right else text + blanks


# ---------------------------------------------------------------------------------------- command

def parse_number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_LISTED:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1 to {MOST_LISTED:,}")
    return int(text)


def parse_file(text: str) -> Path:
    if not os.path.basename(text) or os.path.isdir(text) or text == "-":
        raise argparse.ArgumentTypeError(f"{text!r} is a folder, or no name at all; name a file")
    return Path(text)


def make_parser() -> argparse.ArgumentParser:
    parser = command.make_parser(__doc__, run)
    parser.prog = "python -m warehouse.report"
    parser.add_argument("--top", type=parse_number, default=10, metavar="N",
                        help=f"how many songs, artists, … to list, up to {MOST_LISTED:,}"
                        " (default: 10)")
    parser.add_argument("--html", type=parse_file, metavar="FILE",
                        help="write a page with charts to this file, in place of the tables")
    return parser


if __name__ == "__main__":
    sys.exit(command.main(make_parser()))
