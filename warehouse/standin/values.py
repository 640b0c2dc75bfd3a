"""One JSON value -> the text PostgreSQL's COPY reads for a column, by the rules of Redshift's COPY.

Each type has a converter with two ways in. `one` takes one value and either returns its text or says
what is wrong with it, in Redshift's words and codes (guide: r_Load_Error_Reference). `many` takes a
whole column of values at once: it checks them together, which is many times faster, and gives up
(`Unusual`) on anything it cannot prove to be plain. Whoever calls `many` then goes value by value
through `one`, so both ways give the same text.
"""

import json
import re
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple

NULL = r"\N"
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
EPOCH = datetime(1970, 1, 1)
EXACT = Context(prec=100)  # holds any NUMERIC(38, s) and what is cut off it


class Column(NamedTuple):
    """A column to be loaded. size: bytes of a text type, precision of a numeric; scale: of a numeric."""

    name: str
    type: str
    size: int = 0
    scale: int = 0
    required: bool = False


class Options(NamedTuple):
    """The options of a COPY statement that change values (guide: copy-parameters-data-conversion)."""

    roundec: bool = False
    trimblanks: bool = False
    truncatecolumns: bool = False
    emptyasnull: bool = False
    blanksasnull: bool = False
    timeformat: str = ""


class Number(str):
    """The digits of a JSON number as written, told apart from a JSON string."""


class Rejected(Exception):
    """A value or document that COPY does not load: error code, reason, and the raw value."""

    def __init__(self, code: int, reason: str, value: object = "", column: Column | None = None):
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.value = value if isinstance(value, str) else to_json(value)
        self.column = column


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


class Converter:
    """Base of the types: NULLs, and the column way as a loop over the value way."""

    def __init__(self, column: Column, options: Options):
        self.column = column
        self.options = options

    def one(self, value: object) -> str:
        """The field's text; raises Rejected."""
        text = None if value is None else self.text(value)
        if text is None:
            if self.column.required:
                raise Rejected(1213, "Missing data for not-null field", "", self.column)
            return NULL
        return text

    def many(self, values: tuple) -> list[str]:
        """The texts of a column; raises Unusual or Rejected when they need a closer look."""
        return [self.one(value) for value in values]

    def text(self, value: object) -> str | None:
        """The text of a value that is not null, or None where COPY loads NULL for it."""
        return escape(as_text(value))

    def reject(self, code: int, reason: str, value: object) -> Rejected:
        return Rejected(code, reason, value, self.column)

    def present(self, values: tuple, blank: bool) -> list[str] | tuple:
        """The values that are not NULL (nor "", where that means NULL); Unusual if one is required."""
        if None not in values and not (blank and "" in values):
            return values
        if self.column.required:
            raise Unusual
        return [value for value in values if value is not None and not (blank and value == "")]

    @staticmethod
    def joined(present, separator: str) -> str:
        try:
            return separator.join(present)
        except TypeError:  # a boolean, an object or an array
            raise Unusual from None


class Text(Converter):
    """VARCHAR(n): n counts bytes of UTF-8 (guide: r_Character_types, multi-byte-character-load-errors)."""

    too_long = "String length exceeds DDL length"

    def text(self, value):
        text = as_text(value)
        if self.options.trimblanks:
            text = text.rstrip(" ")
        if self.options.emptyasnull and not as_text(value):
            return None
        if self.options.blanksasnull and value and not as_text(value).strip():
            return None
        return escape(self.fitted(text, self.encoded(text)))

    def encoded(self, text: str) -> bytes:
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            code = ord(text[error.start])
            # Bytes that are no UTF-8 arrive as U+DC80..U+DCFF (PEP 383); others are \ud800 escapes.
            raw, kind = (bytes([code - 0xDC00]), 3) if 0xDC80 <= code <= 0xDCFF else (
                text[error.start].encode("utf-8", "surrogatepass"), 5)
            raise self.reject(
                1220,
                "String contains invalid or unsupported UTF-8 codepoints. "
                f"Bad UTF-8 hex sequence: {raw.hex(' ')} (error {kind})",
                text,
            ) from None
        if b"\0" in data:
            raise self.reject(
                1220,
                "String contains invalid or unsupported UTF-8 codepoints. "
                "Bad UTF-8 hex sequence: 00 (error 9)",
                text,
            )
        return data

    def fitted(self, text: str, data: bytes) -> str:
        if len(data) <= self.column.size:
            return text
        if self.options.truncatecolumns:
            return data[: self.column.size].decode("utf-8", "ignore")
        raise self.reject(1204, self.too_long, text)

    def many(self, values):
        present = self.present(values, blank=False)
        blob = self.joined(present, "\t")
        self.prove_plain(present, blob)
        if self.options.trimblanks and (" \t" in blob or blob.endswith(" ")):
            values = [value and value.rstrip(" ") for value in values]
        if "\\" in blob or "\n" in blob or "\r" in blob or blob.count("\t") != len(present) - 1:
            values = [value and escape(value) for value in values]
        if len(present) != len(values):
            values = [NULL if value is None else value for value in values]
        return values

    def prove_plain(self, present, blob: str) -> None:
        if not present:
            return
        lengths = present
        if not blob.isascii():
            try:
                lengths = [value.encode() for value in present]
            except UnicodeEncodeError:
                raise Unusual from None
        if max(map(len, lengths)) > self.column.size or "\0" in blob:
            raise Unusual
        if (self.options.emptyasnull or self.options.blanksasnull) and not all(
            value.strip() for value in present
        ):
            raise Unusual


class Char(Text):
    """CHAR(n): single-byte characters only; blanks beyond n are cut."""

    too_long = "Char length exceeds DDL length"
    many = Converter.many

    def encoded(self, text):
        data = super().encoded(text)
        if not text.isascii():
            bad = next(character for character in text if ord(character) > 127)
            raise self.reject(
                1220,
                "Multibyte character not supported for CHAR (Hint: Try using VARCHAR). "
                f"Invalid char: {bad.encode().hex(' ')}",
                text,
            )
        return data

    def fitted(self, text, data):
        return super().fitted(text.rstrip(" ") if len(data) > self.column.size else text, data.rstrip(b" "))


class Integer(Converter):
    """SMALLINT, INTEGER, BIGINT. A decimal point is refused: what Redshift makes of it is undocumented."""

    names = {"int2": ("Short", 15), "int4": ("Integer", 31), "int8": ("Long", 63)}
    digits = re.compile(r"-?[0-9]+", re.ASCII)

    def __init__(self, column, options):
        super().__init__(column, options)
        self.type_name, bits = self.names[column.type]
        self.low, self.high = -(2**bits), 2**bits - 1
        self.safe_length = len(str(self.high)) - 1

    def text(self, value):
        text = as_text(value)
        if not text.strip():
            return None
        if not self.digits.fullmatch(text):
            raise self.invalid_digit(text)
        if len(text) > 20 or not self.low <= int(text) <= self.high:
            raise self.reject(
                1222, f"Overflow ({self.type_name} valid range {self.low} to {self.high})", value
            )
        return text

    def invalid_digit(self, text: str) -> Rejected:
        match = re.match(r"-?[0-9]*", text, re.ASCII)
        at = min(match.end(), len(text) - 1)
        return self.reject(
            1207, f"Invalid digit, Value '{text[at]}', Pos {at}, Type: {self.type_name}", text
        )

    def many(self, values):
        present = self.present(values, blank=True)
        if present:
            blob = self.joined(present, "")
            if not (blob.isascii() and blob.isdigit()):
                raise Unusual
            if max(map(len, present)) > self.safe_length:
                raise Unusual
        if len(present) != len(values):
            return [value or NULL for value in values]
        return values


class Numeric(Converter):
    """NUMERIC(p, s). COPY reads a JSON number as a double and cuts it to the scale; ROUNDEC rounds."""

    safe_digits = 15  # a double holds as many exactly, so its detour changes nothing

    def __init__(self, column, options):
        super().__init__(column, options)
        self.step = Decimal(1).scaleb(-column.scale)
        whole = max(1, min(column.size, self.safe_digits) - column.scale)
        self.plain = re.compile(
            rf"(?:-?[0-9]{{1,{whole}}}(?:\.[0-9]{{0,{column.scale}}}0*)?\t)*", re.ASCII
        )

    def text(self, value):
        text = as_text(value)
        if not text.strip():
            return None
        if not NUMBER.fullmatch(text):
            at = re.match(r"-?[0-9]*\.?[0-9]*", text, re.ASCII).end()
            at = min(at, len(text) - 1)
            raise self.reject(1207, f"Invalid digit, Value '{text[at]}', Pos {at}, Type: Decimal", text)
        rounding = ROUND_HALF_UP if self.options.roundec else ROUND_DOWN
        try:
            number = Decimal(float(text)) if isinstance(value, Number) else Decimal(text)
            number = number.quantize(self.step, rounding, EXACT)
        except ArithmeticError:
            number = None
        if number is None or (number and number.adjusted() >= self.column.size - self.column.scale):
            raise self.reject(1204, "Numeric data overflow", text)
        return f"{number:f}"

    def many(self, values):
        present = self.present(values, blank=True)
        if present and not self.plain.fullmatch(self.joined(present, "\t") + "\t"):
            raise Unusual
        if len(present) != len(values):
            return [value or NULL for value in values]
        return values


class Float(Converter):
    """REAL and DOUBLE PRECISION; NaN and infinities are refused."""

    largest = {"float4": 3.4028235677973366e38, "float8": float("inf")}

    def text(self, value):
        text = as_text(value)
        if not text.strip():
            return None
        if not NUMBER.fullmatch(text):
            raise self.reject(1208, "Invalid floating point format", text)
        number = float(text)
        if not abs(number) < self.largest[self.column.type]:
            raise self.reject(1204, "Floating point number out of range", text)
        return repr(number)


class Boolean(Converter):
    """BOOLEAN, from JSON's true and false or from text."""

    words = {word: "t" for word in ("t", "true", "y", "yes", "1")}
    words |= {word: "f" for word in ("f", "false", "n", "no", "0")}

    def text(self, value):
        text = as_text(value)
        if not text.strip():
            return None
        word = self.words.get(text.lower())
        if word is None:
            raise self.reject(1210, "Invalid boolean format", text)
        return word


class Moment(Converter):
    """DATE, TIMESTAMP, TIMESTAMPTZ (guide: r_DATEFORMAT_and_TIMEFORMAT_strings): the default formats,
    and for timestamps TIMEFORMAT 'epochsecs' and 'epochmillisecs'."""

    formats = {
        "date": ("%Y-%m-%d",),
        "timestamp": ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S"),
        "timestamptz": (
            "%Y-%m-%d %H:%M:%S.%f%z", "%Y-%m-%d %H:%M:%S%z",
            "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S",
        ),
    }
    said = {
        "date": (1205, "Invalid Date Format - length must be 10 or more"),
        "timestamp": (1206, "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]"),
        "timestamptz": (1206, "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SSOF]"),
    }
    per_second = {"epochsecs": 1, "epochmillisecs": 1000}

    def text(self, value):
        text = as_text(value)
        if not text.strip():
            return None
        if self.column.type != "date" and self.options.timeformat in self.per_second:
            return self.from_epoch(text, self.per_second[self.options.timeformat])
        for form in self.formats[self.column.type]:
            try:
                return str(datetime.strptime(text, form))
            except ValueError:
                continue
        raise self.reject(*self.said[self.column.type], text)

    def from_epoch(self, text: str, per_second: int) -> str:
        try:
            if not NUMBER.fullmatch(text):
                raise ValueError
            microseconds = int(Decimal(text) * 1_000_000 / per_second)
            return str(EPOCH + timedelta(microseconds=microseconds))
        except (ValueError, ArithmeticError):
            raise self.reject(
                1206, f"Invalid timestamp format or value [{self.options.timeformat}]", text
            ) from None



CONVERTERS = {
    "varchar": Text,
    "bpchar": Char,
    "int2": Integer,
    "int4": Integer,
    "int8": Integer,
    "numeric": Numeric,
    "float4": Float,
    "float8": Float,
    "bool": Boolean,
    "date": Moment,
    "timestamp": Moment,
    "timestamptz": Moment,
}


def converter(column: Column, options: Options) -> Converter:
    """The converter of a column; KeyError where COPY from JSON into its type is not emulated."""
    return CONVERTERS[column.type](column, options)
