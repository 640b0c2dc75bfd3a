"""The manifests of a load: where they are written, and which statements go with them.

Redshift reads manifests from S3 only, so it needs MANIFESTS in dwh.cfg; the stand-in reads them
from a folder as well. Where no manifest can be written, a load copies everything by prefix.
"""

import os
import tempfile
from datetime import datetime, timezone

from psycopg2 import extensions

import sql_queries

from . import ledger, objects
from .config import Config
from .connection import reads_folders
from .ledger import Plan

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
        # In the order of time for who lists them; unique for who runs twice in a second.
        self.run = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{os.urandom(4).hex()}"

    def __enter__(self) -> "Manifests":
        return self

    def __exit__(self, *failure) -> None:
        if self.folder:
            self.folder.cleanup()

    def plan(self, cursor: extensions.cursor, full: bool) -> Plan:
        """What to load; without a place for manifests, everything."""
        if not self.place:
            return Plan([], [], "MANIFESTS is not set, so every file is copied by prefix")
        return ledger.plan(cursor, self.config, full)

    def url(self, name: str) -> str:
        """Where something of this run is written."""
        return f"{self.place.rstrip('/')}/{self.run}-{name}"

    def urls(self, plan: Plan) -> dict[str, str]:
        """Where each manifest and the rows for loaded_files are written, by placeholder."""
        if not plan.sources:
            return {}
        return {
            f"{source.table}_manifest": self.url(f"{source.table}.manifest")
            for source in plan.sources
            if plan.files(source)
        } | {"loaded_files": self.url("loaded_files.json")}

    def write(self, plan: Plan) -> dict[str, object]:
        """Write them; returns their urls and that no rows are copied yet, as values for the SQL."""
        urls = self.urls(plan)
        if plan.sources:
            for source in plan.sources:
                if files := plan.files(source):
                    objects.write_new(urls[f"{source.table}_manifest"], objects.manifest(files))
            objects.write_new(urls["loaded_files"], ledger.lines(plan.all_files))
        return urls | NOTHING_COPIED

    def copies(self, plan: Plan) -> list[tuple[str, int | None]]:
        """The COPY statements to run, each with its number of files where that is known."""
        if not plan.sources:
            return [(sql, None) for sql in sql_queries.copy_prefix_queries]
        return [
            (sql, len(plan.files(source)))
            for sql, source in zip(sql_queries.copy_table_queries, plan.sources, strict=True)
            if plan.files(source)
        ]

    def records(self, plan: Plan) -> tuple[str, ...]:
        """The statements that enter the files into the ledger; a load by prefix leaves it empty."""
        return sql_queries.record_queries if plan.sources else ()
