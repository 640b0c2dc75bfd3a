"""The findings of etl.py --check, and whether a load could run."""

import re
from typing import Callable, TypeVar

import psycopg2

from .. import BusyError, WarehouseError
from ..console import say
from ..database.errors import message_of
from ..signals import INTERRUPTION

Outcome = TypeVar("Outcome")


class PreflightWarning(Exception):
    """A load could run, but the message tells the user what to look at."""

    verdict = "warn"


class PreflightSkipped(PreflightWarning):
    """A part could not be tried. The message gives the reason."""

    verdict = "skip"


class NotReady(WarehouseError):
    """A load could not run. The exit status is the one that the load would have had."""

    def __init__(self, failures: list[WarehouseError]):
        what = "1 line above says" if len(failures) == 1 else f"{len(failures)} lines above say"
        super().__init__(f"a load could not run here: {what} FAIL. Nothing was loaded.")
        self.exit_status = failures[0].exit_status


class Findings:
    """Print each finding on stdout as it comes: verdict, part, message. Collect the failures."""

    def __init__(self, quiet: bool):
        self.quiet = quiet
        self.failures: list[WarehouseError] = []

    def add(self, verdict: str, part: str, message: str) -> None:
        if not self.quiet or verdict in ("warn", "FAIL"):
            one_line = re.sub(r"\s*\n\s*", " ", message)
            say(f"{verdict:<4}  {part:<17}  {one_line}")

    def attempt(self, part: str, inspect: Callable[..., Outcome], *arguments, needed: bool = True
                ) -> Outcome | None:
        """Call inspect, add what it returns or raises as a finding, and return the result or None.

        The result is a sentence, or its str() is one. An error is a failure, but only a warning if a
        load does not need the part (needed=False).
        """
        INTERRUPTION.raise_if_interrupted()
        result = None
        try:
            result = inspect(*arguments)
            verdict, message = "ok", str(result)
        except PreflightWarning as warning:
            verdict, message = warning.verdict, str(warning)
        except (WarehouseError, psycopg2.Error) as error:  # psycopg2's, if the connection is lost
            INTERRUPTION.raise_if_interrupted()
            if isinstance(error, psycopg2.Error):
                error = WarehouseError(message_of(error))
            verdict, message = "FAIL" if needed else "warn", str(error)
            if needed:
                self.failures.append(error)
        self.add(verdict, part, message)
        return result

    @property
    def is_busy(self) -> bool:
        return any(isinstance(error, BusyError) for error in self.failures)
