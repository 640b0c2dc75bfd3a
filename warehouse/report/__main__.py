"""Report what people listen to, when, where and how long, from the views of the warehouse.

Prints tables, or writes a page with charts with --html. It only reads, in one transaction, so that all
numbers agree.
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
from ..database.transactions import rolling_back
from ..history import RUN
from ..session import connecting
from . import page, questions
from .answers import Answer, Report, describe_total
from .text import cut, format_count, format_value, is_number, measure_width

log = logging.getLogger("warehouse.report")

MOST_TABLE_DAYS = 62  # the latest two months, in a table on the terminal
MOST_LISTED = 1000  # largest value of --top
MIN_TEXT_WIDTH = 12  # characters, even on a narrow terminal


def run(config: Config, arguments: argparse.Namespace) -> str | None:
    """Read the views. Write the page if --html names a file, else return the tables as text."""
    with connecting(config) as connection, rolling_back(connection) as cursor:
        report = questions.make_report(cursor, arguments.top)
    if arguments.html:
        write(arguments.html, page.make_page(report))
        return None
    return format_report(report)


def write(path: Path, text: str) -> None:
    """Write a file. A link stays a link to its file, and a pipe or device is written into."""
    data = text.encode()
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            replace(Path(os.path.realpath(path)), data)
    except OSError as error:
        raise WarehouseError(f"{path}: {error.strerror}. Name another file with --html FILE. What"
                             " was there is unchanged.") from error
    log.info("wrote %s: %s bytes", path, f"{len(data):,}")


def replace(path: Path, data: bytes) -> None:
    """Replace a file atomically and keep its mode. A reader sees the whole old or the whole new page."""
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
    """Format title, purpose and rows of an answer: texts left-aligned, numbers right-aligned."""
    screen = shutil.get_terminal_size((100, 0)).columns
    values = list(answer.rows[0].values())
    hidden = max(0, len(answer.rows) - MOST_TABLE_DAYS) if isinstance(values[0], date) else 0
    numeric = list(map(is_number, values))
    cells = [answer.question.heads] + [
        tuple(map(format_value, row.values())) for row in [*answer.rows[hidden:], *answer.end_rows]]
    widths = [max(map(measure_width, column)) for column in zip(*cells, strict=True)]
    room = screen - sum(size + 2 for size, is_numeric in zip(widths, numeric, strict=True) if is_numeric)
    most = fit_width(room, [size for size, is_numeric in zip(widths, numeric, strict=True)
                            if not is_numeric])
    widths = [size if is_numeric else min(size, most)
              for size, is_numeric in zip(widths, numeric, strict=True)]
    lines = ["  ".join(pad(*cell) for cell in zip(line, widths, numeric, strict=True)).rstrip()
             for line in cells]
    rule = "  ".join("-" * size for size in widths)
    lines.insert(len(lines) - len(answer.end_rows), rule)
    lines.insert(1, rule)
    if hidden:
        lines.insert(2, f"… {format_count(hidden, 'earlier row')}, shown by --html")
    question = answer.question
    return "\n".join([
        question.title, textwrap.fill(question.purpose, min(screen, 100)), "", *lines])


def fit_width(room: int, sizes: list[int]) -> int:
    """Return the largest width of a text column, if columns of these sizes share the room.

    Narrow columns leave more room to the others.

    >>> fit_width(60, [3, 80, 40])
    25
    """
    for left, size in zip(range(len(sizes), 0, -1), sorted(sizes), strict=True):
        share = room // left - 2
        if size > share:
            return max(MIN_TEXT_WIDTH, share)
        room -= size + 2
    return max(sizes, default=0)


def pad(text: str, size: int, to_the_right: bool) -> str:
    text = cut(text, size)
    blanks = " " * (size - measure_width(text))
    return blanks + text if to_the_right else text + blanks


# ---------------------------------------------------------------------------------------- command

def parse_number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_LISTED:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 to {MOST_LISTED:,}")
    return int(text)


def parse_file(text: str) -> Path:
    if not os.path.basename(text) or os.path.isdir(text) or text == "-":
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a file; name a file to write")
    return Path(text)


def make_parser() -> argparse.ArgumentParser:
    parser = command.make_parser(__doc__, run)
    parser.prog = "python -m warehouse.report"
    parser.add_argument("--top", type=parse_number, default=10, metavar="N",
                        help=f"how many songs, artists and so on to list, up to {MOST_LISTED:,}"
                        " (default: 10)")
    parser.add_argument("--html", type=parse_file, metavar="FILE",
                        help="write a page with charts to this file instead of printing tables")
    return parser


if __name__ == "__main__":
    sys.exit(command.main(make_parser()))
