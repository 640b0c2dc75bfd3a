"""The code that create_tables.py and etl.py share: configuration, connection, files, command line.

Dependencies point one way: the scripts use this package, and its other modules use its subpackage
`standin` (Amazon Redshift on PostgreSQL). `standin` knows nothing about Sparkify's tables. From outside
itself it uses only `objects`, `jsonpaths` and the exceptions below.
"""

__version__ = "0.5.0"


class WarehouseError(Exception):
    """A failure that is not a bug in the toolkit. The message is for the user.

    Raised itself if database, network, S3 or file system failed. Subclasses stand for other causes.
    """

    exit_status = 1

    def take_notes(self, error: BaseException) -> None:
        """Copy the notes of an error that this one replaces."""
        for note in getattr(error, "__notes__", ()):
            self.add_note(note)


class ConfigError(WarehouseError):
    """The usage or the configuration is wrong. Nothing was changed."""

    exit_status = 2


class DataError(WarehouseError):
    """The data was refused: too many rejected rows, or a failed check."""

    exit_status = 3


class BusyError(WarehouseError):
    """Another session holds a lock that this run needs. Try again later (EX_TEMPFAIL)."""

    exit_status = 75
