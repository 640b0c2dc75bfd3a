"""Parsers for the values of settings.

A parser takes the text and the Site. It returns the value, or raises Mistake, whose message completes
"write …".
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .file import Mistake
from .hosts import ELSEWHERE, REGION, split_endpoint

ROLE = r"arn:aws(?:-cn|-us-gov)?:iam::[0-9]{12}:role/[A-Za-z0-9_+=.@/-]+"
BUCKET = r"(?=[^/]{3,63}(?:/|\Z))(?![^/]*\.\.)(?![0-9.]+(?:/|\Z))[a-z0-9][a-z0-9.-]*[a-z0-9]"
S3_URI = re.compile(rf"s3://{BUCKET}(?:/[^\\\x00-\x1f\x7f-\x9f]*)?")
IDENTIFIER_HINT = "a name of lowercase letters, digits and hyphens, as the AWS console shows it"
SECRET_ARN = rf"arn:aws(?:-cn|-us-gov)?:secretsmanager:{REGION}:[0-9]{{12}}:secret:[\w/+=.@!-]+"


class Site(NamedTuple):
    """The facts about a dwh.cfg on which defaults and parsers depend."""

    kind: str  # of the host, as classify() returns it
    host: str
    folder: Path  # of the dwh.cfg
    uses_s3: bool
    login: str  # one of AWS_LOGINS, or '' for a password


def parse_text(text: str, site: Site) -> str:
    return text


def make_integer_parser(low: int, high: int) -> Callable[[str, Site], int]:
    def parse(text: str, site: Site) -> int:
        if not re.fullmatch("[0-9]{1,15}", text) or not low <= int(text) <= high:
            raise Mistake(f"a whole number from {low} to {high}")
        return int(text)
    return parse


def make_pattern_parser(pattern: str, description: str) -> Callable[[str, Site], str]:
    """Return a parser for text that matches the pattern, whatever its case. It returns lowercase."""
    def parse(text: str, site: Site) -> str:
        if not re.fullmatch(pattern, text, re.ASCII | re.IGNORECASE):
            raise Mistake(description)
        return text.lower()
    return parse


def parse_host(text: str, site: Site) -> str:
    name, port, database = split_endpoint(text)
    if not name:
        raise Mistake("a host name alone, the folder of a Unix socket, or local")
    if name != text:
        others = [f"DB_PORT = {port}"] * bool(port) + [f"DB_NAME = {database}"] * bool(database)
        more = f" and, on lines of their own, {' and '.join(others)}" if others else ""
        raise Mistake(f"HOST = {name}{more}")
    return text


def parse_sslmode(text: str, site: Site) -> str:
    parse = make_pattern_parser("disable|allow|prefer|require|verify-ca|verify-full",
                                "disable, allow, prefer, require, verify-ca or verify-full")
    mode = parse(text, site)
    if mode in ("allow", "prefer") and site.kind in ELSEWHERE:
        raise Mistake("require or, better, verify-full: a connection to another machine may silently "
                      "fall back to plain text. If you want plain text, write disable")
    return mode


def parse_root_certificate(text: str, site: Site) -> str:
    return "system" if text.lower() == "system" else str(site.folder / text)


def parse_secret(text: str, site: Site) -> str:
    if re.fullmatch("[A-Za-z0-9/+]{40}", text):
        raise Mistake("the name or ARN of a secret in Secrets Manager, not an AWS secret key")
    if not re.fullmatch(rf"{SECRET_ARN}|[\w/+=.@!-]{{1,512}}", text, re.ASCII):
        raise Mistake("the name or ARN of a secret in Secrets Manager")
    return text


def parse_role(text: str, site: Site) -> str:
    if text.lower() == "default":
        return "default"
    if not re.fullmatch(f"{ROLE}(?:,{ROLE})*", text):
        raise Mistake("default or arn:aws:iam::123456789012:role/NAME. Separate several with a comma and "
                      "no space")
    return text


def parse_location(text: str, site: Site) -> str:
    """Return an S3 URI unchanged, or a path made absolute. A trailing slash is kept: it has a meaning."""
    is_uri_like = re.match(r"(?i)[a-z][a-z0-9+.-]*:/|s3[an]?:", text)
    if site.kind == "redshift" and not is_uri_like:
        raise Mistake("s3://bucket/prefix: Redshift cannot read files on this machine")
    if is_uri_like and not S3_URI.fullmatch(text):
        raise Mistake("s3://bucket/prefix: a bucket name has 3 to 63 lowercase letters, digits, dots or "
                      "hyphens, and a prefix has no backslash or control character")
    if is_uri_like:
        return text
    path = remove_dots(str(site.folder / text))
    return path.rstrip("/") + "/" if text.endswith("/") else path


def remove_dots(path: str) -> str:
    """Return an absolute path without . and .. so that the ledger recognises the files of a folder.

    A symbolic link keeps its name, because its target may change. Only a link before .. is resolved.
    """
    result = "/"
    for name in path.split("/"):
        if name == "..":
            result = os.path.dirname(os.path.realpath(result) if os.path.islink(result) else result)
        elif name not in ("", "."):
            result = os.path.join(result, name)
    return result


def parse_log_jsonpath(text: str, site: Site) -> str:
    if text.lower() in ("auto", "auto ignorecase"):
        return text.lower()
    location = parse_location(text, site)
    if location.endswith("/") or re.fullmatch("s3://[^/]+", location):
        raise Mistake("the name of a JSONPaths file, auto, or auto ignorecase")
    return location


parse_region = make_pattern_parser(REGION, "a region such as us-west-2")
