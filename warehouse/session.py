"""The connection of a run, which signals can interrupt and whose errors are explained."""

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from psycopg2 import extensions

from . import BusyError, rejected_rows
from .config import Config
from .database.connection import connect
from .database.errors import RowsRejected
from .history import RUN, escalate_if_stale
from .progress import PROGRESS
from .signals import INTERRUPTION


@contextmanager
def connecting(config: Config) -> Iterator[extensions.connection]:
    """Connect, and close the connection at the end. A signal cancels its statement.

    Errors of the block are explained: rejected rows are listed, and a BusyError also says so if no run
    has succeeded for STALE_AFTER hours.
    """
    with INTERRUPTION.ending_at_once():
        connection = connect(config, PROGRESS, f"{Path(sys.argv[0]).stem}-{RUN}")
    try:
        with INTERRUPTION.cancelling(connection):
            try:
                yield connection
            except RowsRejected as error:
                raise rejected_rows.explain_rejected(connection, error) from error
            except BusyError as error:
                raise escalate_if_stale(connection, error, config.limits.stale_after) from None
    finally:
        connection.close()
