"""What create_tables.py and etl.py share: configuration, connection, objects, the shell of a command.

Dependencies point one way: the scripts use this package, this package uses `standin`, and
`standin` (Amazon Redshift on PostgreSQL) knows nothing about Sparkify. `objects`, `aws` and the
exceptions below are leaves that both sides use.
"""

__version__ = "0.5.0"


class WarehouseError(Exception):
    """The outside world failed: database, network, S3, file system. The message is for the user."""

    exit_status = 1

    def take_notes(self, error: BaseException) -> None:
        """Add the notes of an error in whose place this one is raised."""
        for note in getattr(error, "__notes__", ()):
            self.add_note(note)


class ConfigError(WarehouseError):
    """Wrong usage or configuration; nothing was contacted, or nothing was changed."""

    exit_status = 2


class DataError(WarehouseError):
    """The data was refused: rejected rows over the limit, or a failed check."""

    exit_status = 3


class BusyError(WarehouseError):
    """Another load holds the lock; try again later (EX_TEMPFAIL)."""

    exit_status = 75
