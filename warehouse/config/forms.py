"""What the value of a setting may look like. A form takes the text and returns the value, or raises
Mistake(what to write)."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .file import Mistake
from .hosts import ELSEWHERE, REGION, endpoint

ROLE = r"arn:aws(?:-cn|-us-gov)?:iam::[0-9]{12}:role/[A-Za-z0-9_+=.@/-]+"
BUCKET = r"(?=[^/]{3,63}(?:/|\Z))(?![^/]*\.\.)(?![0-9.]+(?:/|\Z))[a-z0-9][a-z0-9.-]*[a-z0-9]"
S3_URI = re.compile(rf"s3://{BUCKET}(?:/[^\\\x00-\x1f\x7f-\x9f]*)?")
IDENTIFIER = "a name of small letters, digits and hyphens, as the AWS console shows it"
SECRET_ARN = rf"arn:aws(?:-cn|-us-gov)?:secretsmanager:{REGION}:[0-9]{{12}}:secret:[\w/+=.@!-]+"


class Site(NamedTuple):
    """What the meaning of one setting may depend on."""

    kind: str
    host: str
    folder: Path
    uses_s3: bool
    login: str  # one of LOGINS, or '' for a password


def anything(text: str, site: Site) -> str:
    return text


def whole(low: int, high: int) -> Callable[[str, Site], int]:
    def form(text: str, site: Site) -> int:
        if not re.fullmatch("[0-9]{1,15}", text) or not low <= int(text) <= high:
            raise Mistake(f"a whole number from {low} to {high}")
        return int(text)
    return form


def lower(pattern: str, wanted: str) -> Callable[[str, Site], str]:
    def form(text: str, site: Site) -> str:
        if not re.fullmatch(pattern, text, re.ASCII | re.IGNORECASE):
            raise Mistake(wanted)
        return text.lower()
    return form


def a_host(text: str, site: Site) -> str:
    name, port, database = endpoint(text)
    if not name:
        raise Mistake("the name of a host alone, the folder of a socket, or local")
    if name != text:
        also = [f"DB_PORT = {port}"] * bool(port) + [f"DB_NAME = {database}"] * bool(database)
        more = f" and, on lines of their own, {' and '.join(also)}" if also else ""
        raise Mistake(f"HOST = {name}{more}")
    return text


def an_sslmode(text: str, site: Site) -> str:
    mode = lower("disable|allow|prefer|require|verify-ca|verify-full",
                 "disable, allow, prefer, require, verify-ca or verify-full")(text, site)
    if mode in ("allow", "prefer") and site.kind in ELSEWHERE:
        raise Mistake("require or, better, verify-full: with another machine this may fall back "
                      "to plain text without a word. Where plain text is meant, write disable")
    return mode


def a_root_certificate(text: str, site: Site) -> str:
    return "system" if text.lower() == "system" else str(site.folder / text)


def a_secret(text: str, site: Site) -> str:
    if re.fullmatch("[A-Za-z0-9/+]{40}", text):
        raise Mistake("the name or ARN of a secret in Secrets Manager, and no AWS secret key")
    if not re.fullmatch(rf"{SECRET_ARN}|[\w/+=.@!-]{{1,512}}", text, re.ASCII):
        raise Mistake("the name or ARN of a secret in Secrets Manager")
    return text


def a_role(text: str, site: Site) -> str:
    if text.lower() == "default":
        return "default"
    if not re.fullmatch(f"{ROLE}(?:,{ROLE})*", text):
        raise Mistake("default or arn:aws:iam::123456789012:role/NAME; a comma alone joins several")
    return text


def a_place(text: str, site: Site) -> str:
    """An S3 URI as it is, or a path made absolute; a trailing slash means something and stays."""
    like_a_uri = re.match(r"(?i)[a-z][a-z0-9+.-]*:/|s3[an]?:", text)
    if site.kind == "redshift" and not like_a_uri:
        raise Mistake("s3://bucket/prefix: Redshift cannot read files of this machine")
    if like_a_uri and not S3_URI.fullmatch(text):
        raise Mistake("s3://bucket/prefix: the bucket has 3 to 63 small letters, digits, dots or "
                      "hyphens, and no backslash or control character follows")
    if like_a_uri:
        return text
    path = remove_dots(str(site.folder / text))
    return path.rstrip("/") + "/" if text.endswith("/") else path


def remove_dots(path: str) -> str:
    """One spelling for a folder, so that its files are known again: an absolute path without . and ..

    A link keeps its name unless .. follows it, for where it leads may change.
    """
    found = "/"
    for name in path.split("/"):
        if name == "..":
            found = os.path.dirname(os.path.realpath(found) if os.path.islink(found) else found)
        elif name not in ("", "."):
            found = os.path.join(found, name)
    return found


def a_jsonpath(text: str, site: Site) -> str:
    if text.lower() in ("auto", "auto ignorecase"):
        return text.lower()
    place = a_place(text, site)
    if place.endswith("/") or re.fullmatch("s3://[^/]+", place):
        raise Mistake("the name of a JSONPaths file, auto, or auto ignorecase")
    return place


a_region = lower(REGION, "a region such as us-west-2")
