"""The command line that the scripts share: options, error messages, exit status."""

import argparse
import logging
import signal
import textwrap
import traceback
from pathlib import Path
from typing import Callable

import sql_queries

from . import WarehouseError, __version__
from .config import Config, read
from .console import open_streams, say, start_log
from .database.retry import run_with_retries
from .signals import INTERRUPTION

log = logging.getLogger(__name__)

SCRIPTS_FOLDER = Path(sql_queries.__file__).resolve().parent

EXIT_STATUS = """\
exit status:
  0        done, or nothing to do
  1        database, network or S3 failed; rolled back
  2        wrong usage or configuration; nothing was changed
  3        the data was refused: rejected rows or a failed check; rolled back
  75       another load or an open transaction holds a lock; try again later
  130, 143 interrupted; rolled back
"""


Run = Callable[[Config, argparse.Namespace], object]


class Parser(argparse.ArgumentParser):
    """A parser in which an option may require another one, as --max-age requires --status.

    required_options maps the dest of such an option to the option that it requires, and to the function
    which that option selects as run.
    """

    def __init__(self, **settings):
        super().__init__(**settings)
        self.required_options: dict[str, tuple[str, Run]] = {}

    def parse_args(self, args=None, namespace=None):
        arguments = super().parse_args(args, namespace)
        for dest, (other, run) in self.required_options.items():
            if getattr(arguments, dest) is not None and arguments.run is not run:
                self.error(f"--{dest.replace('_', '-')} needs {other}")
        return arguments


def make_parser(description: str, run: Run) -> Parser:
    """Make a parser with the options that all commands share.

    run is the default: an option that the command adds may select another function.
    """
    parser = Parser(
        description="\n\n".join(textwrap.fill(part, 79) for part in description.split("\n\n")),
        epilog=EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # --fo must not be --force
    )
    parser.set_defaults(run=run)
    parser.add_argument(
        "--config", metavar="FILE", type=Path, default=SCRIPTS_FOLDER / "dwh.cfg",
        help="configuration file (default: dwh.cfg next to etl.py)",
    )
    verbosity = parser.add_mutually_exclusive_group()
    verbosity.add_argument("--quiet", action="store_true", help="print only warnings and errors")
    verbosity.add_argument("--verbose", action="store_true", help="log every statement")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def main(parser: argparse.ArgumentParser) -> int:
    """Call the run that the arguments select, print its result if any, and return the exit status.

    A transient failure is retried. Any other failure is one message on stderr. An unexpected exception
    also prints its traceback, because it is a bug in the toolkit.
    """
    open_streams()
    arguments = parser.parse_args()
    start_log(arguments)
    try:
        config = read(arguments.config)
        for warning in config.warnings:
            log.warning("%s", warning)
        if config.ignored:
            log.info("ignored in %s: %s", config.path.name, ", ".join(config.ignored))
        result = run_with_retries(lambda: arguments.run(config, arguments), config.limits)
        if result is not None:
            say(result)
        return 0
    except WarehouseError as error:
        return report_failure(error, error.exit_status)
    except KeyboardInterrupt as error:
        return report_failure(error, 128 + signal.SIGINT)
    except MemoryError as error:
        error.add_note("This machine has too little memory. Free some, and run it again.")
        return report_failure(error, 1)
    except Exception as error:
        traceback.print_exc()
        return report_failure(error, 1)


def report_failure(error: BaseException, status: int) -> int:
    """Log the error and its notes as one message, and return the status."""
    message, notes = str(error) or type(error).__name__, getattr(error, "__notes__", ())
    if notes and message[-1] not in ".!?":
        message += "."
    log.error("%s", " ".join([message, *notes]))
    INTERRUPTION.reported = True
    return status


