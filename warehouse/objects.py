"""Objects in S3 and files in folders: list them by prefix, read them, write them.

A url is `s3://bucket/key` or an absolute path. Every failure raises ObjectError, with a message for
the user.
"""

import functools
import hashlib
import json
import os
import re
from contextlib import contextmanager
from typing import BinaryIO, Iterator, NamedTuple

from . import WarehouseError, aws

MAX_BYTES_COMPARED = 64 * 1024 * 1024
MD5 = re.compile("[0-9a-f]{32}")
ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")  # GLACIER_IR can be read at once
S3_URL = re.compile(r"s3://([^/]+)/?(.*)", re.DOTALL)


class ObjectError(WarehouseError):
    """An object could not be listed, read or written."""


class Object(NamedTuple):
    """An object or file as it was listed. size is in bytes; etag changes with the content."""

    url: str
    size: int
    etag: str
    storage_class: str = ""  # S3 only


# Control characters, and characters that change the writing direction or break a line.
UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def escape(name: str) -> str:
    """Escape a name from outside, such as a file name, so that it prints as one harmless line.

    >>> escape("a\\x1b[31m\\nb.json")
    'a\\\\x1b[31m\\\\nb.json'
    """
    return escape_lines(name.replace("\n", "\\n"))


def escape_lines(text: str) -> str:
    """Escape everything unprintable except newlines."""
    return UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def is_s3(url: str) -> bool:
    return url.startswith("s3://")


def split_s3(url: str) -> tuple[str, str]:
    """Split a url into bucket and key.

    >>> split_s3("s3://bucket/log_data/2018")
    ('bucket', 'log_data/2018')
    """
    match = S3_URL.fullmatch(url)
    if not match:
        raise ObjectError(f"{escape(url)} is not of the form s3://bucket/key")
    return match[1], match[2]


def list_objects(prefix: str) -> list[Object]:
    """List all objects whose url begins with the prefix, ordered by key.

    A prefix is plain text and not a folder, as in COPY: s3://b/log_data also matches s3://b/log_data2/x.
    """
    return list_s3(prefix) if is_s3(prefix) else list_folder(prefix)


def list_s3(prefix: str) -> list[Object]:
    bucket, key = split_s3(prefix)
    with explaining(prefix):
        pages = s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        return [
            Object(f"s3://{bucket}/{item['Key']}", item["Size"], item["ETag"].strip('"'),
                   item.get("StorageClass", ""))
            for page in pages
            for item in page.get("Contents", ())
        ]


def list_folder(prefix: str) -> list[Object]:
    folder, start = os.path.split(prefix)
    with explaining(prefix):
        return sorted(walk_folder(folder, start)) if os.path.isdir(folder) else []


def walk_folder(
    folder: str, start: str = "", above: frozenset[tuple[int, int]] = frozenset()
) -> Iterator[Object]:
    """Yield the files in a folder, at any depth, whose path inside it begins with start.

    Links are followed. above holds (device, inode) of the folders above, to detect links that form a loop.
    """
    status = os.stat(folder)
    itself = (status.st_dev, status.st_ino)
    if itself in above:
        raise ObjectError(f"{folder} leads back to a folder that contains it. Remove that link.")
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(start):
                continue
            if entry.is_file():
                status = entry.stat()
                etag = f"{status.st_size}-{status.st_mtime_ns}"
                yield Object(require_utf_8(entry.path), status.st_size, etag)
            elif entry.is_dir():
                yield from walk_folder(entry.path, above=above | {itself})


def require_utf_8(path: str) -> str:
    """Return the path; raise ObjectError if it is not valid UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        raise ObjectError(f"{path!r}: the name is not UTF-8. Rename the file.") from None
    return path


@contextmanager
def opening(url: str) -> Iterator[BinaryIO]:
    """Open an object as a binary stream. Errors in the block are explained too."""
    with explaining(url):
        if is_s3(url):
            bucket, key = split_s3(url)
            stream = s3().get_object(Bucket=bucket, Key=key)["Body"]
        else:
            stream = open(url, "rb")
        with stream:
            yield stream


def read(url: str) -> bytes:
    """Read a small object into memory."""
    if is_s3(url):
        with opening(url) as stream:
            return stream.read()
    try:
        with open(url, "rb", buffering=0) as file:  # faster; there may be 100,000 files
            return file.read()
    except OSError as error:
        raise make_error(url, error) from error


def has_only_grown(file: Object, loaded: Object) -> bool | None:
    """Return whether an object that grew still begins with the content that was loaded.

    Returns None if that is unknown, and raises ObjectError if the object cannot be read. The etag of S3
    is the MD5 of the content, but only of an object uploaded in one part and not encrypted with a KMS
    key (S3 guide: API_Object). An object that was encrypted with such a key when it was loaded, and is
    not now, counts as different. No more than MAX_BYTES_COMPARED bytes are read.
    """
    if not (is_s3(file.url) and MD5.fullmatch(loaded.etag) and 0 < loaded.size <= MAX_BYTES_COMPARED):
        return None
    bucket, key = split_s3(file.url)
    digest = hashlib.md5(usedforsecurity=False)
    with explaining(file.url):
        answer = s3().get_object(
            Bucket=bucket, Key=key, Range=f"bytes=0-{loaded.size - 1}", IfMatch=f'"{file.etag}"')
        if answer.get("ServerSideEncryption", "AES256") != "AES256":
            return None
        with answer["Body"] as stream:
            for chunk in iter(lambda: stream.read(1 << 20), b""):
                digest.update(chunk)
    return digest.hexdigest() == loaded.etag


def write_new(url: str, data: bytes) -> str:
    """Write a new object and return its version id; '' in a folder or in a bucket without versioning.

    Raises ObjectError if it exists: nothing is ever overwritten.
    """
    with explaining(url, "s3:PutObject"):
        if is_s3(url):
            bucket, key = split_s3(url)
            put = s3().put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
            return put.get("VersionId", "")
        os.makedirs(os.path.dirname(url), exist_ok=True)
        with open(url, "xb") as file:
            file.write(data)
        return ""


def remove(url: str, version: str = "") -> None:
    """Delete an object. In a bucket with versioning, pass the version, so that nothing is left."""
    with explaining(url, "s3:DeleteObjectVersion" if version else "s3:DeleteObject"):
        if is_s3(url):
            bucket, key = split_s3(url)
            options = {"VersionId": version} if version else {}
            s3().delete_object(Bucket=bucket, Key=key, **options)
        else:
            os.remove(url)


def find_region(bucket: str) -> str:
    """Return the region of a bucket; '' if unknown. S3 names it even when it denies access."""
    try:
        answer = s3().head_bucket(Bucket=bucket)
    except Exception as error:
        if not aws.is_aws_error(error):
            raise
        answer = getattr(error, "response", {})
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers.get("x-amz-bucket-region", "")


def format_manifest(files: list[Object]) -> bytes:
    """Format a COPY manifest of exactly these objects (guide: loading-data-files-using-manifest).

    The entries are mandatory: otherwise COPY would silently skip a missing object.
    """
    return json.dumps({"entries": [
        {"url": file.url, "mandatory": True, "meta": {"content_length": file.size}} for file in files
    ]}, ensure_ascii=False).encode()


def refuse_archived(files: list[Object]) -> None:
    """Raise ObjectError if one of these objects is archived in S3 and not restored.

    A restored copy can be read (S3 guide: restoring-objects). Only HEAD reports it.
    """
    for file in files:
        if file.storage_class not in ARCHIVES:
            continue
        bucket, key = split_s3(file.url)
        with explaining(file.url):
            restored = s3().head_object(Bucket=bucket, Key=key).get("Restore", "")
        if 'ongoing-request="false"' not in restored:
            raise ObjectError(
                f"{escape(file.url)} is archived in {file.storage_class}, and this load would read it."
                " Restore it and all others like it, or move them out of the prefix: files that are"
                " loaded already stay loaded.")


@functools.cache
def s3():
    """Return the S3 client, made once. AWS_ENDPOINT_URL_S3 points it to any S3-compatible server."""
    return aws.make_client("s3", max_pool_connections=32)


NEXT_STEPS = {
    "NoSuchBucket": "Is the bucket's name right?",
    "NoSuchKey": "It does not exist, or no longer does.",
    "PermanentRedirect": "The bucket is in another region: set REGION and AWS_REGION.",
}
READ_ACTIONS = "s3:ListBucket on the bucket and s3:GetObject on its objects"


@contextmanager
def explaining(url: str, iam_actions: str = READ_ACTIONS) -> Iterator[None]:
    """Turn errors of the file system and of boto3 in this block into an ObjectError that names the url.

    iam_actions are those that the block needs.
    """
    try:
        yield
    except OSError as error:  # botocore's streaming errors are OSErrors too
        raise make_error(url, error) from error
    except Exception as error:
        if not aws.is_aws_error(error):
            raise
        steps = NEXT_STEPS | dict.fromkeys(("AccessDenied", "403"), f"Allow {iam_actions}.")
        raise ObjectError(f"{escape(url)}: {aws.explain_error(error, 'S3', steps)}") from error


def make_error(url: str, error: OSError) -> ObjectError:
    """Make the ObjectError for an error of the file system."""
    return ObjectError(f"{escape(url)}: {error.strerror or error}")
