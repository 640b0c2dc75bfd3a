"""Conversion of JSON values to column values, by the rules of Redshift's COPY.

Each type has a converter, in types/. `convert` takes one value and either returns the text that
PostgreSQL's COPY reads or raises Rejected, with Redshift's code and message (guide:
r_Load_Error_Reference).
"""

import json
import re
from typing import NamedTuple

# The field separator and the NULL marker in the lines for PostgreSQL's COPY.
SEPARATOR, NULL = "\x02", "\x03"
ESCAPES = str.maketrans({
    "\\": r"\\", "\n": r"\n", "\r": r"\r", SEPARATOR: r"\x02", NULL: r"\x03",
})
WHITE = " \t\n\v\f\r"
SAFE_DIGITS = 15  # a double holds this many decimal digits exactly
WHOLE_NUMBER = re.compile(r"(-?[0-9]{1,%d})\.0+" % SAFE_DIGITS, re.ASCII)


class Column(NamedTuple):
    """A column to load. `size` is the length of a text in bytes, or the precision of a numeric."""

    name: str
    type: str
    size: int = 0
    scale: int = 0
    required: bool = False


class Options(NamedTuple):
    """The options of a COPY that change values (guide: copy-parameters-data-conversion).

    acceptinvchars is the character that replaces invalid ones, or ''.
    """

    roundec: bool = False
    trimblanks: bool = False
    truncatecolumns: bool = False
    emptyasnull: bool = False
    blanksasnull: bool = False
    acceptanydate: bool = False
    acceptinvchars: str = ""
    dateformat: str = ""
    timeformat: str = ""


class Number(str):
    """A JSON number as it was written, as opposed to a JSON string of the same digits."""


class Rejected(Exception):
    """COPY rejects a value or a document.

    `position` is the offset of the error in `value`; `raw_line` is the text of the file from the
    start of the document.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        value: object = "",
        column: Column | None = None,
        position: int = 0,
        raw_line: str = "",
    ):
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.value = as_text(value)
        self.column = column
        self.position = position
        self.raw_line = raw_line


class NotEmulated(Exception):
    """A value that Redshift may load and the stand-in cannot read; it fails the whole COPY."""


def to_json(value: object) -> str:
    """Return the JSON text of a parsed value, with numbers as they were written."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{to_json(key)}:{to_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(to_json, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def as_text(value: object) -> str:
    """Return the text that COPY converts: a string or number itself, or the JSON of anything else.

    Redshift reads a number as a double, so 1540919166796.0 is 1540919166796 in a column of any
    type. Its spelling of other doubles in a VARCHAR is unknown; they stay as written.
    """
    if isinstance(value, Number):
        whole = WHOLE_NUMBER.fullmatch(value)
        return whole[1] if whole else value
    return value if isinstance(value, str) else to_json(value)


def escape_field(text: str) -> str:
    """Escape a text as a field of PostgreSQL's text format."""
    return text.translate(ESCAPES)


class Converter:
    """Base class of the converters."""

    def __init__(self, column: Column, options: Options):
        self.column = column
        self.options = options

    def convert(self, value: object) -> str:
        """Return the value as a field of a line; raises Rejected, NotEmulated."""
        text = None if value is None else self.convert_non_null(value)
        if text is None:
            if self.column.required:
                raise self.rejection(1213, "Missing data for not-null field", "")
            return NULL
        return text

    def has_invalid_characters(self, value: object) -> bool:
        """Return whether ACCEPTINVCHARS changes the value."""
        return False

    def convert_non_null(self, value: object) -> str | None:
        """Return the field of a value that is not null, or None if COPY loads NULL for it."""
        raise NotImplementedError

    def rejection(self, code: int, reason: str, value: object, position: int = 0) -> Rejected:
        return Rejected(code, reason, value, self.column, position)


class BlankIsNull(Converter):
    """Base class of the types for which a blank text is NULL."""

    def convert_non_null(self, value):
        text = as_text(value)
        return self.parse(text, value) if text.strip(WHITE) else None

    def parse(self, text: str, value: object) -> str | None:
        """Return the field of a value that is not blank, or None for NULL; raises Rejected."""
        raise NotImplementedError

    def invalid_digit(self, text: str, prefix: str, type_name: str) -> Rejected:
        """Return the error for a text that is not a number; `prefix` matches its valid start."""
        index = min(re.match(prefix, text, re.ASCII).end(), len(text) - 1)
        reason = f"Invalid digit, Value '{text[index]}', Pos {index}, Type: {type_name}"
        return self.rejection(1207, reason, text, index)
