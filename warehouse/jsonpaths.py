"""JSONPaths files: the values of a document that a COPY reads, in the order of the columns.

Guide: copy-parameters-data-format, copy-usage_notes-copy-from-json.
"""

import codecs
import json
import re

BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
BRACKETS = re.compile(r"""\$(?:\['[^']+'\]|\[[0-9]+\])+""", re.ASCII)
DOTS = re.compile(r"""\$(?:\[[0-9]+\])*(?:\.[^.'"\[\]\s]+(?:\[[0-9]+\])*)+""", re.ASCII)
STEP = re.compile(r"""\['([^']+)'\]|\.([^.\[]+)|\[([0-9]+)\]""", re.ASCII)


def parse_jsonpath(path: object) -> list[str | int] | None:
    """Parse a JSONPath expression into its steps; return None if Redshift does not support it.

    >>> parse_jsonpath("$['a']['b'][0]")
    ['a', 'b', 0]
    >>> parse_jsonpath("$.a.b[0]")
    ['a', 'b', 0]
    >>> parse_jsonpath("$.a['b']") is None    # the notations cannot be mixed
    True
    """
    if not isinstance(path, str) or not (BRACKETS.fullmatch(path) or DOTS.fullmatch(path)):
        return None
    if "*" in path.replace("['*']", ""):
        return None
    return [int(index) if index else name or word for name, word, index in STEP.findall(path)]


def parse_jsonpaths(data: bytes) -> list[list[str | int]] | None:
    """Parse a JSONPaths file into the steps of each path.

    Returns None if the file has no key "jsonpaths": Redshift then loads as with 'auto'. Raises
    ValueError with a message for the user.
    """
    if data.startswith(BYTE_ORDER_MARKS):
        raise ValueError("it begins with a byte order mark; save it as UTF-8 without one")
    try:
        document = json.loads(data.decode())
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("it is not one JSON object")
    if "jsonpaths" not in document:
        return None
    paths = document["jsonpaths"]
    if not isinstance(paths, list):
        raise ValueError("jsonpaths is not an array")
    steps = [parse_jsonpath(path) for path in paths]
    if None in steps:
        raise ValueError(f"Invalid JSONPath format: {paths[steps.index(None)]!r} is not supported")
    notations = {path.startswith("$[") and "." not in re.sub(r"\['[^']+'\]", "", path)
                 for path in paths if not re.fullmatch(r"\$(?:\[[0-9]+\])+", path)}
    if len(notations) > 1:
        raise ValueError("Invalid JSONPath format: bracket and dot notation are mixed")
    return steps
