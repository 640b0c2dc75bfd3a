"""The manifests of one load: writing them, and the values that they give its COPYs.

Redshift reads manifests from S3 only, so it needs MANIFESTS in dwh.cfg; the stand-in reads them
from a folder as well. Where no manifest can be written, a load copies everything by prefix.
"""

import json
import os
import tempfile
from datetime import datetime, timezone

from psycopg2 import extensions
from psycopg2.extensions import AsIs

from . import objects
from .config import Data
from .database.connection import is_standin
from .plan import Plan, list_sources

NOTHING_COPIED = {"staging_events_rows": 0, "staging_songs_rows": 0}  # for the checks, until COPY


class Manifests:
    """Writes the manifests of one load. A context manager: a folder made for them is removed.

    Without a connection, as etl.py --check may be, nothing but MANIFESTS can be their place.
    """

    def __init__(self, data: Data, connection: extensions.connection | None):
        self.data = data
        self.place = data.manifests  # '' where none can be written: the load is by prefix
        self.folder = None
        if not self.place and connection and is_standin(connection):
            self.folder = tempfile.TemporaryDirectory(prefix="sparkify-manifests-")
            self.place = self.folder.name
        # Sorts by time; unique even within one second.
        self.run = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{os.urandom(4).hex()}"

    def __enter__(self) -> "Manifests":
        return self

    def __exit__(self, *failure) -> None:
        if self.folder:
            self.folder.cleanup()

    def make_url(self, name: str) -> str:
        """Where something of this run is written."""
        return f"{self.place.rstrip('/')}/{self.run}-{name}"

    def make_values(self, plan: Plan) -> dict[str, object]:
        """What each COPY reads, and whether that is a manifest, by placeholder."""
        values: dict[str, object] = {"loaded_files": None if plan.by_prefix else
                                     self.make_url("loaded_files.json")}
        for table, _, prefix in list_sources(self.data):
            values[f"{table}_files"] = prefix if plan.by_prefix else self.make_url(f"{table}.manifest")
            values[f"{table}_manifest"] = AsIs("" if plan.by_prefix else "MANIFEST")
        return values | NOTHING_COPIED

    def write(self, plan: Plan) -> dict[str, object]:
        """Write them; returns the values for the SQL."""
        values = self.make_values(plan)
        if not plan.by_prefix:
            for source in plan.sources:
                if source.to_copy:
                    objects.write_new(
                        values[f"{source.table}_files"], objects.format_manifest(source.to_copy))
            objects.write_new(values["loaded_files"], format_rows(plan))
        return values


def format_rows(plan: Plan) -> bytes:
    """The rows for loaded_files, as JSON for its COPY."""
    return "".join(
        json.dumps({"url": file.url, "etag": file.etag, "bytes": file.size,
                    "loaded_into": source.table}, ensure_ascii=False) + "\n"
        for source in plan.sources for file in source.files
    ).encode()
