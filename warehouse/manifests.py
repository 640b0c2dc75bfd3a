"""The manifests of one load: where they are written, and the values that they give its COPYs.

Redshift reads manifests from S3 only, so it needs MANIFESTS in dwh.cfg; the stand-in reads them
from a folder as well. Where no manifest can be written, a load copies everything by prefix.
"""

import argparse
import os
import tempfile
from datetime import datetime, timezone

from psycopg2 import extensions
from psycopg2.extensions import AsIs

from . import ledger, objects
from .config import Config
from .database.connection import reads_folders
from .ledger import NO_MANIFESTS
from .plan import Plan, Source

NOTHING_COPIED = {"staging_events_rows": 0, "staging_songs_rows": 0}  # for the checks, until COPY


class Manifests:
    """Writes the manifests of one load. A context manager: a folder made for them is removed.

    Without a connection, as etl.py --check may be, nothing but MANIFESTS can be their place.
    """

    def __init__(self, config: Config, connection: extensions.connection | None):
        self.config = config
        self.place = config.manifests
        self.folder = None
        if not self.place and connection and reads_folders(connection):
            self.folder = tempfile.TemporaryDirectory(prefix="sparkify-manifests-")
            self.place = self.folder.name
        # Sorts by time; unique even within one second.
        self.run = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{os.urandom(4).hex()}"

    def __enter__(self) -> "Manifests":
        return self

    def __exit__(self, *failure) -> None:
        if self.folder:
            self.folder.cleanup()

    def plan(self, cursor: extensions.cursor, arguments: argparse.Namespace) -> Plan:
        """What to load; without a place for manifests, everything."""
        if self.place:
            return ledger.plan(cursor, self.config, arguments.full, not arguments.no_reload)
        ledger.read_ledger(cursor)  # which names a warehouse of an older version
        return Plan(*(Source(table, whole=NO_MANIFESTS, first=True)
                      for table, *_ in ledger.list_sources(self.config)),
                    full=NO_MANIFESTS, by_prefix=True)

    def url(self, name: str) -> str:
        """Where something of this run is written."""
        return f"{self.place.rstrip('/')}/{self.run}-{name}"

    def values(self, plan: Plan) -> dict[str, object]:
        """What each COPY reads, and whether that is a manifest, by placeholder."""
        values: dict[str, object] = {"loaded_files": None if plan.by_prefix else
                                     self.url("loaded_files.json")}
        for table, _, prefix in ledger.list_sources(self.config):
            values[f"{table}_files"] = prefix if plan.by_prefix else self.url(f"{table}.manifest")
            values[f"{table}_manifest"] = AsIs("" if plan.by_prefix else "MANIFEST")
        return values | NOTHING_COPIED

    def write(self, plan: Plan) -> dict[str, object]:
        """Write them; returns the values for the SQL."""
        values = self.values(plan)
        if not plan.by_prefix:
            for source in plan.sources:
                if source.to_copy:
                    objects.write_new(
                        values[f"{source.table}_files"], objects.manifest(source.to_copy))
            objects.write_new(values["loaded_files"], ledger.format_rows(plan))
        return values
