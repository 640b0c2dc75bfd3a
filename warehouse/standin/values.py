"""One JSON value -> the text PostgreSQL's COPY reads for a column, by the rules of Redshift's COPY.

Each type has a converter with two ways in. `one` takes one value and either returns its text or
says what is wrong with it, in Redshift's words and codes (guide: r_Load_Error_Reference). `many`
takes a whole column of values at once: it checks them together, which is many times faster, and
gives up (`Unusual`) on anything it cannot prove to be plain. Whoever calls `many` then goes value
by value through `one`, so both ways load the same.

Here are numbers and booleans; `texts` and `moments` have the other types, `converters` the list.
"""

import json
import re
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple

# What stands for NULL in the lines for COPY, and between the texts of a column. A value that holds
# one of them is looked at on its own.
NULL = "\x03"
SEPARATOR = "\x02"
MARKS = (NULL, SEPARATOR, r"\u0003", r"\u0002")
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


class Unusual(Exception):
    """A column that cannot be converted as a whole; its values must be looked at one by one."""


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


def escape(text: str) -> str:
    """Text as a field of PostgreSQL's text format."""
    return (
        text.replace("\\", r"\\").replace("\t", r"\t").replace("\n", r"\n").replace("\r", r"\r")
    )


def field(text: str) -> str:
    """Text as a field that is not taken for NULL."""
    return escape(text).replace(NULL, r"\x03")


class Converter:
    """Base of the types: NULLs, and the column way as a loop over the value way."""

    # Whether the text of a JSON number may load otherwise than the same text as a string.
    tells_numbers = False

    def __init__(self, column: Column, options: Options):
        self.column = column
        self.options = options

    def one(self, value: object) -> str:
        """The field's text; raises Rejected."""
        text = None if value is None else self.text(value)
        if text is None:
            if self.column.required:
                raise self.reject(1213, "Missing data for not-null field", "")
            return NULL
        return text

    def many(self, values: tuple) -> list[str] | tuple:
        """The texts of a column; raises Unusual or Rejected when they need a closer look."""
        return [self.one(value) for value in values]

    def text(self, value: object) -> str | None:
        """The text of a value that is not null, or None where COPY loads NULL for it."""
        raise TypeError(f"{type(self).__name__} converts nothing")

    def reject(self, code: int, reason: str, value: object, position: int = 0) -> Rejected:
        return Rejected(code, reason, value, self.column, position)

    def filled(self, values: tuple) -> list:
        """The values with NULL for null; Unusual if one is required."""
        if self.column.required:
            raise Unusual
        return [NULL if value is None else value for value in values]


def joined(values, separator: str) -> str | None:
    """The values as one text; None if one of them is no text."""
    try:
        return separator.join(values)
    except TypeError:
        return None


class Plain(Converter):
    """Base of the types for which a blank text is NULL, and whose plain values load as written."""

    plain = re.compile(r"(?!)")  # values that end with a tab each

    def many(self, values):
        if self.are_plain(values):
            return values
        present = [value for value in values if value is not None and value != ""]
        if self.column.required or not self.are_plain(present):
            raise Unusual
        return [value or NULL for value in values]

    def are_plain(self, values) -> bool:
        text = joined(values, "\t")
        return text is not None and bool(self.plain.fullmatch(text + "\t"))

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


class Integer(Plain):
    """SMALLINT, INTEGER, BIGINT. What Redshift makes of a decimal point is unknown: refused."""

    names = {"int2": ("Short", 15), "int4": ("Integer", 31), "int8": ("Long", 63)}
    digits = re.compile(r"-?[0-9]+", re.ASCII)

    def __init__(self, column, options):
        super().__init__(column, options)
        self.type_name, bits = self.names[column.type]
        self.low, self.high = -(2**bits), 2**bits - 1
        self.safe_length = len(str(self.high)) - 1

    def parsed(self, text, value):
        if not self.digits.fullmatch(text):
            raise self.invalid_digit(text, r"-?[0-9]*", self.type_name)
        if len(text) > 20 or not self.low <= int(text) <= self.high:
            reason = f"Overflow ({self.type_name} valid range {self.low} to {self.high})"
            raise self.reject(1222, reason, text)
        return text

    def are_plain(self, values):
        text = joined(values, "\t")
        if not text:
            return text is not None and not values
        digits = text.replace("\t", "")
        return (
            digits.isascii() and digits.isdigit() and "\t\t" not in f"\t{text}\t"
            and max(map(len, values)) <= self.safe_length
        )


class Numeric(Plain):
    """NUMERIC(p, s). COPY reads a JSON number as a double and cuts it to the scale; ROUNDEC rounds.

    So without ROUNDEC even 0.29 loads as 0.28 into NUMERIC(8,2): no double is 0.29, and the nearest
    one is smaller (guide: copy-usage_notes-copy-from-json). A string is exact.
    """

    safe_digits = 15  # a double holds as many exactly, so rounding gives them back

    def __init__(self, column, options):
        super().__init__(column, options)
        self.step = Decimal(1).scaleb(-column.scale)
        self.tells_numbers = bool(column.scale) and not options.roundec
        whole = max(1, min(column.size, self.safe_digits) - column.scale)
        decimals = min(column.scale, self.safe_digits - whole)
        self.plain = re.compile(
            rf"(?:-?[0-9]{{1,{whole}}}(?:\.[0-9]{{0,{decimals}}}0*)?\t)*", re.ASCII)
        self.room = column.size - column.scale  # digits before the point

    def many(self, values):
        if self.tells_numbers:
            return [self.one(value) for value in values]
        return super().many(values)

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


class Float(Plain):
    """REAL and DOUBLE PRECISION; NaN, infinities, and what is nearer to 0 than any are refused."""

    plain = re.compile(r"(?:-?[0-9]{1,15}(?:\.[0-9]{1,15})?\t)*", re.ASCII)
    limits = {
        "float4": (7.006492321624085e-46, 3.4028235677973366e38),
        "float8": (0.0, float("inf")),
    }

    def parsed(self, text, value):
        if not NUMBER.fullmatch(text):
            raise self.reject(1208, "Invalid floating point format", text)
        number = abs(float(text))
        smallest, largest = self.limits[self.column.type]
        is_zero = not re.search("[1-9]", re.split("[eE]", text)[0])
        if not is_zero and not smallest < number < largest:
            raise self.reject(1204, "Floating point number out of range", text)
        return "0" if is_zero else text


class Boolean(Plain):
    """BOOLEAN, from JSON's true and false or from text."""

    words = {word: "t" for word in ("t", "true", "y", "yes", "1")}
    words |= {word: "f" for word in ("f", "false", "n", "no", "0")}

    many = Converter.many

    def parsed(self, text, value):
        word = self.words.get(text.lower())
        if word is None:
            raise self.reject(1210, "Invalid boolean format", text)
        return word
