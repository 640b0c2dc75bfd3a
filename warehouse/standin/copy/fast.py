"""The fast path from documents to lines, for plain values: those that load exactly as written.

It saves time and changes nothing else: you need not read this module, and `rows.FAST = False`
disables it. With it 200,000 log events (93 MB) are converted 4.5 times as fast, and a whole COPY of
them is 3.8 times as fast.

Some 32 kB of documents at a time are first written as lines, as if every value were plain. Then one
regular expression, built from what each column accepts unchanged, runs over those lines. It stops
at the first line it does not match; that document alone takes the slow path, and matching resumes
after it. An unusual document therefore costs only itself.
"""

import re
from operator import itemgetter
from typing import Callable

from .documents import MAX_DOCUMENT, Piece, scan_numbers, scan_texts
from .mapping import Keys, Paths
from .types import Boolean, Char, Float, Integer, Moment, Numeric, Text
from .values import NULL, SAFE_DIGITS, SEPARATOR, Converter, NotEmulated, Rejected

END = "\x04"  # ends a line, because a value may contain a newline
ESCAPED_MARKS = (r"\u0002", r"\u0003", r"\u0004")  # JSON writes SEPARATOR, NULL and END as escapes only
SPECIAL = b"\0\n\r"  # no plain field has these
NOT_PLAIN = "\0"  # a line that the expression of no column matches
NOT_PLAIN_ROW = (NOT_PLAIN,)  # of a document that the slow path must convert or reject


class FastPath:
    """Converts batches of documents. `scan` is the scanner that they must be read with."""

    def __init__(self, converters: list[Converter], mapping: Keys | Paths):
        self.converters = converters
        self.mapping = mapping
        self.scan = scan_numbers if any(map(is_number_sensitive, converters)) else scan_texts
        self.falsy_fields = [
            {None: NULL, "": convert_empty(converter), False: "false"} for converter in converters]
        self.never_plain = [
            (index, converter.convert) for index, converter in enumerate(converters)
            if plain_pattern(converter, b"") is None]
        self.plain_lines = self.compile_lines(b"")
        self.special_lines = self.compile_lines(SPECIAL)

    def compile_lines(self, special: bytes) -> re.Pattern:
        """Return a pattern of lines whose fields are all plain, for data with these special bytes.

        Without special bytes a field ends only at the mark that follows it, and searching for one
        character is several times faster than for a class of them.
        """
        marks = [SEPARATOR.encode()] * (len(self.converters) - 1) + [END.encode()]
        if special:
            special += (SEPARATOR + END).encode()
        fields = [
            (plain_pattern(converter, special or mark) or b"[^%s]*" % (special or mark)) + mark
            for converter, mark in zip(self.converters, marks, strict=True)]
        # Not (…)*+: Python before 3.11.5 mishandles it around parts that may backtrack.
        return re.compile(b"(?>(?:%s)*)" % b"".join(fields))

    def convert(
        self, pieces: list[Piece], convert_slowly: Callable[[Piece, int], bytes]
    ) -> bytes:
        """Return the lines of the documents; convert_slowly(piece, index) takes those not plain."""
        data = self.format_plain(pieces)
        special = any(byte in data for byte in SPECIAL)
        pattern = self.special_lines if special else self.plain_lines
        end_mark, lines, position, index = END.encode(), [], 0, 0
        while (end := pattern.match(data, position).end()) < len(data):
            lines.append(data[position:end].replace(end_mark, b"\n"))
            index += data.count(end_mark, position, end)
            lines.append(convert_slowly(*locate(pieces, index)))
            index += 1
            position = data.index(end_mark, end) + 1
        lines.append(data[position:].replace(end_mark, b"\n"))
        return b"".join(lines)

    def format_plain(self, pieces: list[Piece]) -> bytes:
        """Return the lines of all documents as if every value were plain."""
        values = [value for piece in pieces for value in piece.values]
        # A document may be too large (a character has 4 bytes at most), or hold a mark.
        if any(len(piece.text) > MAX_DOCUMENT // 4 or has_mark(piece.text) for piece in pieces):
            return (NOT_PLAIN + END).encode() * len(values)
        rows = map_rows(self.mapping, values)
        if self.never_plain:
            rows = list(map(self.convert_never_plain, rows))
        join, join_falsy = SEPARATOR.join, self.join_falsy
        try:
            texts = [join(row) if all(row) else join_falsy(row) for row in rows]
        except TypeError:  # true, an object or an array
            texts = list(map(self.join_mixed, rows))
        lines = END.join([*texts, ""])
        if "\\" in lines:
            lines = lines.replace("\\", "\\\\")
        try:
            return lines.encode()
        except UnicodeEncodeError:
            return b"".join(map(encode_line, lines.split(END)[:-1]))

    def convert_never_plain(self, row: tuple) -> tuple | list:
        """Convert the values of those columns that never load as written."""
        if row is NOT_PLAIN_ROW:
            return row
        try:
            fields = list(row)
            for index, convert in self.never_plain:
                fields[index] = convert(fields[index])
            return fields
        except (Rejected, NotEmulated, RecursionError):
            return NOT_PLAIN_ROW

    def join_falsy(self, row: tuple | list) -> str:
        """Return the line of a row with null, "" or false among its values."""
        return SEPARATOR.join([
            value or falsy[value]
            for value, falsy in zip(row, self.falsy_fields, strict=False)])  # NOT_PLAIN_ROW is shorter

    def join_mixed(self, row: tuple | list) -> str:
        """Return the line of a row that may hold true; NOT_PLAIN if it holds an object or array."""
        try:
            return self.join_falsy(["true" if value is True else value for value in row])
        except TypeError:
            return NOT_PLAIN


def locate(pieces: list[Piece], index: int) -> tuple[Piece, int]:
    """Return the piece that holds a document, and the document's index in it."""
    for piece in pieces:
        if index < len(piece.values):
            return piece, index
        index -= len(piece.values)
    raise IndexError(index)


def map_rows(mapping: Keys | Paths, documents: list) -> list[tuple]:
    """Return the rows of many documents; fastest if all have exactly the keys of the first."""
    getter = None
    if set(map(type, documents)) == {dict}:
        if isinstance(mapping, Paths):
            getter = itemgetter(*mapping.names) if mapping.flat else None
        elif set(map(len, documents)) == {len(mapping.names)}:
            getter = mapping.find_getter(tuple(documents[0]))
    # An itemgetter of one name returns no tuple; if a column has no key, the getter is another function.
    if isinstance(getter, itemgetter) and len(mapping.names) > 1:
        try:
            return list(map(getter, documents))
        except KeyError:
            pass
    rows = []
    for document in documents:
        try:
            rows.append(mapping.extract_row(document))
        except Rejected:
            rows.append(NOT_PLAIN_ROW)
    return rows


def has_mark(text: str) -> bool:
    """Return whether a JSON text holds one of ESCAPED_MARKS, which would corrupt the lines."""
    return r"\u000" in text and any(mark in text for mark in ESCAPED_MARKS)


def encode_line(line: str) -> bytes:
    """Encode a line and its END; a line with invalid characters becomes NOT_PLAIN."""
    try:
        return (line + END).encode()
    except UnicodeEncodeError:
        return (NOT_PLAIN + END).encode()


# ------------------------------------------------------------------- plain values, type by type

# A VARCHAR takes a number without its zero fraction; the fast path would keep it.
ZERO_FRACTION = rb"[-0-9][0-9]*\.0+[%s]" % (SEPARATOR + END).encode()
# Dates and times, in the default formats, that are valid without a look at the calendar.
DAY = (
    rb"[1-9][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    rb"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
TIME_OF_DAY = rb" (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"


def plain_pattern(converter: Converter, stops: bytes) -> bytes | None:
    """Return a pattern of the fields that load as written, or None if every value needs converting.

    It includes NULL's mark unless the column is required. `stops` are the bytes that end a field or
    that no plain field has.
    """
    null = b"" if converter.column.required else NULL.encode()
    type_name, scale = converter.column.type, converter.column.scale
    if isinstance(converter, Text):
        return plain_text_pattern(converter, stops)
    if isinstance(converter, Integer):
        return b"-?[0-9%s]{1,%d}" % (null, len(str(converter.high)) - 1)
    if isinstance(converter, Numeric):
        if is_number_sensitive(converter):
            return None
        decimals = b"[0-9]{1,%d}0*" % scale if scale else b"0+"
        return b"-?[0-9%s]{1,%d}(?:\\.%s)?" % (null, exact_integer_digits(converter), decimals)
    if isinstance(converter, Float):
        return b"(?:-(?=[0.]*[1-9]))?[0-9%s]{1,15}(?:\\.[0-9]{1,15})?" % null
    if isinstance(converter, Boolean):
        return b"(?:%s)" % b"|".join([*map(str.encode, converter.words), null or b"(?!)"])
    if isinstance(converter, Moment) and not converter.format and type_name in ("date", "timestamp"):
        time = b"" if type_name == "date" else TIME_OF_DAY
        return b"(?:%s%s|%s)" % (DAY, time, null or b"(?!)")
    return None


def plain_text_pattern(converter: Text, stops: bytes) -> bytes:
    options = converter.options
    if options.acceptinvchars:
        stops += rb"\xef\xf0-\xf4"  # every noncharacter begins with one of these bytes
    if isinstance(converter, Char):
        stops += rb"\x80-\xff"
    required = b"(?!%s)" % NULL.encode() if converter.column.required else b""
    trailing = options.trimblanks or options.blanksasnull
    return b"(?!%s)%s[^%s]{%d,%d}+%s" % (
        ZERO_FRACTION, required, stops, options.emptyasnull, converter.column.size,
        rb"(?<![ \t\v\f])" if trailing else b"")


def is_number_sensitive(converter: Converter) -> bool:
    """Return whether a JSON number may load differently from a string of its digits."""
    if not isinstance(converter, Numeric):
        return False
    has_decimals = converter.column.scale > 0
    return exact_integer_digits(converter) <= 0 or has_decimals and not converter.options.roundec


def exact_integer_digits(converter: Numeric) -> int:
    """Return how many digits a double may have before the point and still hold the decimals exactly."""
    return min(converter.integer_digits, SAFE_DIGITS - converter.column.scale)


def convert_empty(converter: Converter) -> str:
    """Return the field that "" loads as."""
    return "" if isinstance(converter, Text) and not converter.options.emptyasnull else NULL
