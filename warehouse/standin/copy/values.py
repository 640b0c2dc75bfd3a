"""A value on its way from a JSON document into a column, by the rules of Redshift's COPY.

Each type has a converter, in types/. `one` takes one value and either returns the text that
PostgreSQL's COPY reads, or says what is wrong with it, in Redshift's words and codes (guide:
r_Load_Error_Reference).
"""

import json
import re
from typing import NamedTuple

# What stands in the lines for PostgreSQL's COPY between two fields, and for NULL.
SEPARATOR, NULL = "\x02", "\x03"
ESCAPES = str.maketrans({
    "\\": r"\\", "\n": r"\n", "\r": r"\r", SEPARATOR: r"\x02", NULL: r"\x03",
})
WHITE = " \t\n\v\f\r"
SAFE_DIGITS = 15  # as many a double holds exactly
WHOLE = re.compile(r"(-?[0-9]{1,%d})\.0+" % SAFE_DIGITS, re.ASCII)


class Column(NamedTuple):
    """A column to be loaded. size: bytes of a text, precision of a numeric; scale: of a numeric."""

    name: str
    type: str
    size: int = 0
    scale: int = 0
    required: bool = False


class Options(NamedTuple):
    """The options of a COPY that change values (guide: copy-parameters-data-conversion).

    acceptinvchars is the character to put for invalid ones, or ''.
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
    """The digits of a JSON number as written, told apart from a JSON string."""


class Rejected(Exception):
    """A value or document that COPY does not load: error code, reason, raw value, where in it.

    raw_line is the text of the file from the document on.
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
    """A value that Redshift may load and the stand-in cannot read: the COPY fails as a whole."""


def to_json(value: object) -> str:
    """The JSON text of a parsed value, numbers as they were written."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{to_json(k)}:{to_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(to_json, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def as_text(value: object) -> str:
    """What COPY sees of a value: the text of a string or number, JSON text of anything else.

    Redshift reads a number as a double, and 1540919166796.0 is 1540919166796 in a column of any
    type. How it spells other doubles in a VARCHAR is not known: they stay as they are written.
    """
    if isinstance(value, Number):
        whole = WHOLE.fullmatch(value)
        return whole[1] if whole else value
    return value if isinstance(value, str) else to_json(value)


def field(text: str) -> str:
    """Text as a field of PostgreSQL's text format that is taken for nothing else."""
    return text.translate(ESCAPES)


class Converter:
    """Base of the types."""

    def __init__(self, column: Column, options: Options):
        self.column = column
        self.options = options

    def one(self, value: object) -> str:
        """The field's text; raises Rejected, NotEmulated."""
        text = None if value is None else self.text(value)
        if text is None:
            if self.column.required:
                raise self.reject(1213, "Missing data for not-null field", "")
            return NULL
        return text

    def replaces(self, value: object) -> bool:
        """Whether ACCEPTINVCHARS changes the value."""
        return False

    def text(self, value: object) -> str | None:
        """The text of a value that is not null, or None where COPY loads NULL for it."""
        raise TypeError(f"{type(self).__name__} converts nothing")

    def reject(self, code: int, reason: str, value: object, position: int = 0) -> Rejected:
        return Rejected(code, reason, value, self.column, position)


class BlankIsNull(Converter):
    """Base of the types for which a blank text is NULL."""

    def text(self, value):
        text = as_text(value)
        return self.parsed(text, value) if text.strip(WHITE) else None

    def parsed(self, text: str, value: object) -> str | None:
        """The text of a value that is not blank; raises Rejected."""
        raise TypeError(f"{type(self).__name__} converts nothing")

    def invalid_digit(self, text: str, good: str, type_name: str) -> Rejected:
        """The error for a text that is no number; `good` matches what could begin one."""
        at = min(re.match(good, text, re.ASCII).end(), len(text) - 1)
        reason = f"Invalid digit, Value '{text[at]}', Pos {at}, Type: {type_name}"
        return self.reject(1207, reason, text, at)
