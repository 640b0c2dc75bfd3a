"""The files that a COPY reads: listed by prefix or manifest, opened and decompressed."""

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

SMALL = 256 * 1024  # bytes; an object up to this size is read whole, and fetched ahead from S3
MAX_AHEAD = 64  # objects: 16 MB at most
THREADS = 16
DECOMPRESSION_ERRORS = (EOFError, OSError, zlib.error)

NEEDS_FULL_PATH = "COPY with MANIFEST parameter requires full path of an Amazon S3 object."


class CountingStream(io.RawIOBase):
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


def open_ahead(files: list[objects.Object]) -> Iterator[tuple[objects.Object, ContextManager]]:
    """Yield each object with a context manager that gives its stream.

    Threads fetch small objects from S3 ahead of their turn, because most of their cost is latency.
    """
    pool = ThreadPoolExecutor(THREADS)
    waiting = deque()
    try:
        for file in files:
            ahead = objects.is_s3(file.url) and file.size <= SMALL
            waiting.append((file, pool.submit(objects.read, file.url) if ahead else None))
            if len(waiting) > MAX_AHEAD:
                yield open_object(*waiting.popleft())
        while waiting:
            yield open_object(*waiting.popleft())
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def open_object(file: objects.Object, fetched: Future | None) -> tuple[objects.Object, ContextManager]:
    if fetched:
        return file, io.BytesIO(fetched.result())
    if file.size <= SMALL:
        return file, io.BytesIO(objects.read(file.url))
    return file, objects.opening(file.url)


def decompress(stream: BinaryIO, options: dict) -> BinaryIO:
    """Apply GZIP or BZIP2. Reading a stream of another format raises DECOMPRESSION_ERRORS."""
    if "gzip" in options:
        return gzip.GzipFile(fileobj=stream)
    if "bzip2" in options:
        return bz2.BZ2File(stream)
    return stream


def list_prefix(prefix: str) -> list[objects.Object]:
    """List every object whose key begins with the prefix (guide: copy-parameters-data-source-s3)."""
    files = objects.list_objects(prefix)
    if not files:
        key = objects.split_s3(prefix)[1] if objects.is_s3(prefix) else prefix
        raise objects.ObjectError(f"The specified S3 prefix '{key}' does not exist")
    return files


def list_manifest(url: str) -> list[objects.Object]:
    """List the objects of a manifest, as often as it names them.

    An object that is not mandatory may be missing (guide: loading-data-files-using-manifest).
    """
    try:
        text = objects.read(url)
    except objects.ObjectError as error:
        raise objects.ObjectError(f"{NEEDS_FULL_PATH} {error}") from error
    try:
        entries = json.loads(text.decode())["entries"]
        wanted = [(entry["url"], bool(entry.get("mandatory", False))) for entry in entries]
        present = find_objects({url for url, _ in wanted})
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise objects.ObjectError(f"{url} is not a manifest: {error!r}") from error
    for object_url, mandatory in wanted:
        if mandatory and object_url not in present:
            raise objects.ObjectError(
                f"{object_url} is mandatory in the manifest {url}, and is not there. {NEEDS_FULL_PATH}")
    if not present:
        raise objects.ObjectError(f"None of the objects of the manifest {url} was found")
    for object_url, file in present.items():
        if not file.size:
            raise errors.FeatureNotSupported(
                f"the stand-in does not load empty objects of a manifest ({object_url}): what"
                " Redshift does is not documented")
    return [present[object_url] for object_url, _ in wanted if object_url in present]


def find_objects(urls: set[str]) -> dict[str, objects.Object]:
    """Return the objects that exist, by url; lists once per folder."""
    folders = {}
    for url in urls:
        folders.setdefault(url.rpartition("/")[0], []).append(url)
    present = {}
    for siblings in folders.values():
        present |= {file.url: file for file in objects.list_objects(os.path.commonprefix(siblings))
                    if file.url in urls}
    return present
