"""What etl.py --check finds, a line each, and what that says of a load."""

import re
from typing import Callable, TypeVar

import psycopg2

from .. import BusyError, WarehouseError
from ..console import say
from ..database.errors import message_of
from ..signals import INTERRUPTION

Found = TypeVar("Found")


class Doubt(Exception):
    """A load could run, but the user should know what the message says."""

    verdict = "warn"


class Untried(Doubt):
    """What could not be tried, and why."""

    verdict = "skip"


class NotReady(WarehouseError):
    """A load could not run. The exit status is the one that it would have had."""

    def __init__(self, failures: list[WarehouseError]):
        what = "1 line above says" if len(failures) == 1 else f"{len(failures)} lines above say"
        super().__init__(f"a load could not run here: {what} FAIL. Nothing was loaded.")
        self.exit_status = failures[0].exit_status


class Findings:
    """Findings, a line each on stdout as they come: verdict, part, what is well or what to do."""

    def __init__(self, quiet: bool):
        self.quiet = quiet
        self.failures: list[WarehouseError] = []

    def add(self, verdict: str, part: str, said: str) -> None:
        if not self.quiet or verdict in ("warn", "FAIL"):
            one_line = re.sub(r"\s*\n\s*", " ", said)
            say(f"{verdict:<4}  {part:<17}  {one_line}")

    def attempt(self, part: str, find: Callable[..., Found], *arguments, needed: bool = True
                ) -> Found | None:
        """Add what find returns, which is well, or what it raises; where a load could do without
        (needed=False), the latter as a warning.

        What is well is a sentence, or something whose str() is one; it is returned, None if nothing is.
        """
        INTERRUPTION.raise_if_interrupted()
        well = None
        try:
            well = find(*arguments)
            verdict, said = "ok", str(well)
        except Doubt as doubt:
            verdict, said = doubt.verdict, str(doubt)
        except (WarehouseError, psycopg2.Error) as error:  # the latter of a lost connection
            INTERRUPTION.raise_if_interrupted()
            if isinstance(error, psycopg2.Error):
                error = WarehouseError(message_of(error))
            verdict, said = "FAIL" if needed else "warn", str(error)
            if needed:
                self.failures.append(error)
        self.add(verdict, part, said)
        return well

    @property
    def busy(self) -> bool:
        return any(isinstance(error, BusyError) for error in self.failures)
