"""The lines of log and song files: the document that a line holds, and the line that a row came from."""

import json
from typing import Sequence

from .objects import Object, ObjectError, escape, read

# A load holds its locks while it looks for lines.
MAX_BYTES_SEARCHED = 64 * 1024 * 1024
MAX_FILES_SEARCHED = 200


def read_document(text: str) -> dict[str, object]:
    """Read the document that a text begins with, its keys in lower case; {} if it is cut off.

    >>> read_document('{"userId": "abc"}{"userId": "7"')
    {'userid': 'abc'}
    """
    try:
        document, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return {}
    return {key.lower(): value for key, value in document.items()} if isinstance(document, dict) else {}


def find_lines(files: Sequence[Object], rows: Sequence[dict[str, object]]) -> list[str]:
    """Return for each row " (url:line)" of the first line that has its values, else ''.

    Each file is read once. The search ends early if a file cannot be read.
    """
    places = [""] * len(rows)
    left = MAX_BYTES_SEARCHED
    for file in files[:MAX_FILES_SEARCHED]:
        left -= file.size
        if all(places):
            break
        try:
            lines = read(file.url).split(b"\n") if left >= 0 else ()
        except ObjectError:
            break
        for number, line in enumerate(lines, 1):
            document = read_document(line.decode(errors="replace"))
            for nth, row in enumerate(rows):
                if document and not places[nth] and has_values(document, row):
                    places[nth] = f" ({escape(file.url)}:{number})"
    return places


def has_values(document: dict[str, object], row: dict[str, object]) -> bool:
    return all(normalize(document.get(name)) == normalize(value) for name, value in row.items())


def normalize(value: object) -> str:
    """Return a value of JSON or of staging as the text that both have in common."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str("" if value is None else value).rstrip()
