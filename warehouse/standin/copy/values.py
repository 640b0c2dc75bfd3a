"""One JSON value -> the text PostgreSQL's COPY reads for a column, by the rules of Redshift's COPY.

Each type has a converter. `one` takes one value and either returns its text or says what is wrong
with it, in Redshift's words and codes (guide: r_Load_Error_Reference). `plain` gives a regular
expression of bytes: what it matches is what `one` would return just as it is, so such values need
not be looked at one by one.

Here are numbers and booleans; `texts` and `moments` have the other types, `converters` the list.
"""

import json
import re
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple

# What stands in the lines for COPY: between two fields, for NULL, and at the end of a line until it
# is sent. JSON writes these characters as escapes only.
SEPARATOR, NULL, END = "\x02", "\x03", "\x04"
MARKS = (r"\u0002", r"\u0003", r"\u0004")
ESCAPES = str.maketrans({
    "\\": r"\\", "\n": r"\n", "\r": r"\r", SEPARATOR: r"\x02", NULL: r"\x03", END: r"\x04",
})
WHITE = " \t\n\v\f\r"
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
EXACT = Context(prec=400)  # holds any double, and what is cut off it, digit by digit


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

    raw_line is the document's text, as far as it is known.
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


def to_json(value: object) -> str:
    """The JSON text of a parsed value, numbers as they were written."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{to_json(k)}:{to_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(to_json, value)) + "]"
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def as_text(value: object) -> str:
    """What COPY sees of a value: the text of a string or number, JSON text of anything else."""
    return value if isinstance(value, str) else to_json(value)


def field(text: str) -> str:
    """Text as a field of PostgreSQL's text format that is taken for nothing else."""
    return text.translate(ESCAPES)


class Converter:
    """Base of the types.

    blank is what "" loads as. tells_numbers: whether a JSON number may load otherwise than a string
    of its digits.
    """

    blank = NULL
    tells_numbers = False

    def __init__(self, column: Column, options: Options):
        self.column = column
        self.options = options
        self.null = b"" if column.required else NULL.encode()

    def plain(self, stops: bytes) -> bytes | None:
        """What matches a field that loads as it is written, NULL's mark unless the column is
        required; None where every value has to be converted.

        stops: the characters that end the field or that no plain one has.
        """

    def one(self, value: object) -> str:
        """The field's text; raises Rejected."""
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


class Integer(BlankIsNull):
    """SMALLINT, INTEGER, BIGINT. What Redshift makes of a decimal point is unknown: refused."""

    names = {"int2": ("Short", 15), "int4": ("Integer", 31), "int8": ("Long", 63)}
    digits = re.compile(r"-?[0-9]+", re.ASCII)

    def __init__(self, column, options):
        super().__init__(column, options)
        self.type_name, bits = self.names[column.type]
        self.low, self.high = -(2**bits), 2**bits - 1

    def plain(self, stops):
        return b"-?[0-9%s]{1,%d}" % (self.null, len(str(self.high)) - 1)

    def parsed(self, text, value):
        if not self.digits.fullmatch(text):
            raise self.invalid_digit(text, r"-?[0-9]*", self.type_name)
        if len(text) > 20 or not self.low <= int(text) <= self.high:
            reason = f"Overflow ({self.type_name} valid range {self.low} to {self.high})"
            raise self.reject(1222, reason, text)
        return text


class Numeric(BlankIsNull):
    """NUMERIC(p, s). COPY reads a JSON number as a double and cuts it to the scale; ROUNDEC rounds.

    So without ROUNDEC even 0.29 loads as 0.28 into NUMERIC(8,2): no double is 0.29, and the nearest
    one is smaller (guide: copy-usage_notes-copy-from-json). A string is exact.
    """

    safe_digits = 15  # a double holds as many exactly, so rounding gives them back

    def __init__(self, column, options):
        super().__init__(column, options)
        self.step = Decimal(1).scaleb(-column.scale)
        self.room = column.size - column.scale  # digits before the point
        self.safe_room = min(self.room, self.safe_digits - column.scale)
        self.tells_numbers = self.safe_room <= 0 or (column.scale > 0 and not options.roundec)

    def plain(self, stops):
        if self.tells_numbers:
            return None
        decimals = b"[0-9]{1,%d}0*" % self.column.scale if self.column.scale else b"0+"
        return b"-?[0-9%s]{1,%d}(?:\\.%s)?" % (self.null, self.safe_room, decimals)

    def parsed(self, text, value):
        if not NUMBER.fullmatch(text):
            raise self.invalid_digit(text, r"-?[0-9]*\.?[0-9]*", "Decimal")
        rounding = ROUND_HALF_UP if self.options.roundec else ROUND_DOWN
        try:
            number = Decimal(float(text)) if isinstance(value, Number) else Decimal(text)
            if number and number.adjusted() >= self.room:
                raise ArithmeticError
            number = number.quantize(self.step, rounding, EXACT)
        except ArithmeticError:
            raise self.reject(1204, "Numeric data overflow", text) from None
        if number and number.adjusted() >= self.room:  # 99.999 rounded up
            raise self.reject(1204, "Numeric data overflow", text)
        return f"{number:f}"


class Float(BlankIsNull):
    """REAL and DOUBLE PRECISION; NaN, infinities, and what is nearer to 0 than any are refused."""

    limits = {
        "float4": (7.006492321624085e-46, 3.4028235677973366e38),
        "float8": (0.0, float("inf")),
    }

    def plain(self, stops):
        return b"(?:-(?=[0.]*[1-9]))?[0-9%s]{1,15}(?:\\.[0-9]{1,15})?" % self.null

    def parsed(self, text, value):
        if not NUMBER.fullmatch(text):
            raise self.reject(1208, "Invalid floating point format", text)
        number = abs(float(text))
        smallest, largest = self.limits[self.column.type]
        is_zero = not re.search("[1-9]", re.split("[eE]", text)[0])
        if not is_zero and not smallest < number < largest:
            raise self.reject(1204, "Floating point number out of range", text)
        return "0" if is_zero else text


class Boolean(BlankIsNull):
    """BOOLEAN, from JSON's true and false or from text."""

    words = ("t", "true", "y", "yes", "1", "f", "false", "n", "no", "0")

    def plain(self, stops):
        return b"(?:%s)" % b"|".join([*map(str.encode, self.words), self.null or b"(?!)"])

    def parsed(self, text, value):
        if text.lower() not in self.words:
            raise self.reject(1210, "Invalid boolean format", text)
        return text.lower()
