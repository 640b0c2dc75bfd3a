"""The files that a COPY reads: those under a prefix or of a manifest, and how they are unpacked."""

import bz2
import gzip
import io
import json
import os
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, Callable, ContextManager, Iterator

from psycopg2 import errors

from warehouse import objects

SMALL = 256 * 1024  # bytes of an object that is read whole, and fetched ahead from S3
AHEAD = 64  # objects, 16 MB at most
THREADS = 16
NOT_PACKED = (EOFError, OSError, zlib.error)  # what reading raises, not packed as the option says

FULL_PATH = "COPY with MANIFEST parameter requires full path of an Amazon S3 object."


class Counted(io.RawIOBase):
    """A stream that reports how many bytes were read from it."""

    def __init__(self, stream: BinaryIO, count: Callable[[int], None]):
        self.stream = stream
        self.count = count

    def readable(self):
        return True

    def readinto(self, buffer):
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size=-1):
        data = self.stream.read(size)
        self.count(len(data))
        return data


def opened_ahead(listed: list[objects.Object]) -> Iterator[tuple[objects.Object, ContextManager]]:
    """Each object with what opens it.

    Small ones are fetched from S3 ahead of their turn, by threads: what they cost is not their
    bytes but the wait for each.
    """
    pool = ThreadPoolExecutor(THREADS)
    waiting = deque()
    try:
        for file in listed:
            ahead = objects.is_s3(file.url) and file.size <= SMALL
            waiting.append((file, pool.submit(objects.read, file.url) if ahead else None))
            if len(waiting) > AHEAD:
                yield opening(*waiting.popleft())
        while waiting:
            yield opening(*waiting.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def opening(file: objects.Object, fetched: Future | None) -> tuple[objects.Object, ContextManager]:
    if fetched:
        return file, io.BytesIO(fetched.result())
    if file.size <= SMALL:
        return file, io.BytesIO(objects.read(file.url))
    return file, objects.opening(file.url)


def unpacked(stream: BinaryIO, options: dict) -> BinaryIO:
    """The stream as GZIP and BZIP2 make it; reading raises NOT_PACKED where it is not packed so."""
    if "gzip" in options:
        return gzip.GzipFile(fileobj=stream)
    if "bzip2" in options:
        return bz2.BZ2File(stream)
    return stream


def listed(prefix: str) -> list[objects.Object]:
    """Every object under a prefix, which is no folder (guide: copy-parameters-data-source-s3)."""
    files = objects.list_objects(prefix)
    if not files:
        key = objects.split_s3(prefix)[1] if objects.is_s3(prefix) else prefix
        raise objects.ObjectError(f"The specified S3 prefix '{key}' does not exist")
    return files


def of_manifest(url: str) -> list[objects.Object]:
    """The objects of a manifest, once for each time it names them; optional ones may lack.

    Guide: loading-data-files-using-manifest.
    """
    try:
        text = objects.read(url)
    except objects.ObjectError as error:
        raise objects.ObjectError(f"{FULL_PATH} {error}") from error
    try:
        entries = json.loads(text.decode())["entries"]
        wanted = [(entry["url"], bool(entry.get("mandatory", False))) for entry in entries]
        present = found({name for name, _ in wanted})
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise objects.ObjectError(f"{url} is not a manifest: {error!r}") from error
    for name, mandatory in wanted:
        if mandatory and name not in present:
            raise objects.ObjectError(
                f"{name} is mandatory in the manifest {url}, and is not there. {FULL_PATH}")
    if not present:
        raise objects.ObjectError(f"None of the objects of the manifest {url} was found")
    for name, file in present.items():
        if not file.size:
            raise errors.FeatureNotSupported(
                f"the stand-in does not load empty objects of a manifest ({name}): what Redshift"
                " does is not documented")
    return [present[name] for name, _ in wanted if name in present]


def found(urls: set[str]) -> dict[str, objects.Object]:
    """The objects that exist, by url; asks once for all that lie side by side."""
    folders = {}
    for url in urls:
        folders.setdefault(url.rpartition("/")[0], []).append(url)
    present = {}
    for names in folders.values():
        present |= {file.url: file for file in objects.list_objects(os.path.commonprefix(names))
                    if file.url in urls}
    return present
