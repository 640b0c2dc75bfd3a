"""The manifests of one load, and the values that they give to its COPY statements.

Redshift reads manifests from S3 only, so it needs MANIFESTS in dwh.cfg. The stand-in also reads them
from a folder. If no manifest can be written, a load copies everything by prefix.
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

NOTHING_COPIED = {"staging_events_rows": 0, "staging_songs_rows": 0}  # until a COPY reports its rows


class Manifests:
    """Writer of the manifests of one load. A context manager, which removes its temporary folder.

    location is where they are written: MANIFESTS, else a temporary folder for the stand-in, else ''.
    connection may be None, as in etl.py --check, and then only MANIFESTS is used.
    """

    def __init__(self, data: Data, connection: extensions.connection | None):
        self.data = data
        self.location = data.manifests
        self.folder = None
        if not self.location and connection and is_standin(connection):
            self.folder = tempfile.TemporaryDirectory(prefix="sparkify-manifests-")
            self.location = self.folder.name
        # Sorts by time; unique even within one second.
        self.name_prefix = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}-{os.urandom(4).hex()}"

    def __enter__(self) -> "Manifests":
        return self

    def __exit__(self, *failure) -> None:
        if self.folder:
            self.folder.cleanup()

    def make_url(self, name: str) -> str:
        """Make the url for a file of this run."""
        return f"{self.location.rstrip('/')}/{self.name_prefix}-{name}"

    def make_values(self, plan: Plan) -> dict[str, object]:
        """Make the values for the placeholders of each COPY: its url, and MANIFEST or nothing."""
        values: dict[str, object] = {"loaded_files": None if plan.by_prefix else
                                     self.make_url("loaded_files.json")}
        for table, _, prefix in list_sources(self.data):
            values[f"{table}_files"] = prefix if plan.by_prefix else self.make_url(f"{table}.manifest")
            values[f"{table}_manifest"] = AsIs("" if plan.by_prefix else "MANIFEST")
        return values | NOTHING_COPIED

    def write(self, plan: Plan) -> dict[str, object]:
        """Write the manifests of a plan, and return the values for the placeholders."""
        values = self.make_values(plan)
        if not plan.by_prefix:
            for source in plan.sources:
                if source.to_copy:
                    objects.write_new(
                        values[f"{source.table}_files"], objects.format_manifest(source.to_copy))
            objects.write_new(values["loaded_files"], format_rows(plan))
        return values


def format_rows(plan: Plan) -> bytes:
    """Format the new rows of loaded_files as JSON, one document per line, for its COPY."""
    return "".join(
        json.dumps({"url": file.url, "etag": file.etag, "bytes": file.size,
                    "loaded_into": source.table}, ensure_ascii=False) + "\n"
        for source in plan.sources for file in source.files
    ).encode()
