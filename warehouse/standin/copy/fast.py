"""The fast way from documents to lines, for those whose values all load as they are written.

It changes nothing but the time: a reader may skip this module, and `rows.FAST = False` does without
it. With it 200,000 log events (93 MB) are read and converted 4.5 times as fast, and a whole COPY of
them is 3.8 times as fast.

The documents of some 32 kB are made into lines together, as if every value loaded as it is written;
then one regular expression, made of what each column takes unchanged, is matched against all their
bytes. It stops at a document that needs a closer look, which then takes the careful way alone.
So what is unusual costs itself, and the rest of a batch nothing.
"""

import re
from operator import itemgetter
from typing import Callable

from .documents import MAX_DOCUMENT, Piece, scan_numbers, scan_texts
from .mapping import Keys, Paths
from .types import Boolean, Char, Float, Integer, Moment, Numeric, Text
from .values import NULL, SAFE_DIGITS, SEPARATOR, Converter, NotEmulated, Rejected

END = "\x04"  # of a line, for a value may have a newline
MARKS = (r"\u0002", r"\u0003", r"\u0004")  # JSON writes SEPARATOR, NULL and END as escapes only
SPECIAL = b"\0\n\r"  # what no plain field has
UNPLAIN = "\0"  # a line that no column's expression matches
UNMAPPED = (UNPLAIN,)  # the row of a document that is rejected


class FastWay:
    """Makes lines of the documents of a COPY. scan is how the documents are to be scanned."""

    def __init__(self, converters: list[Converter], mapping: Keys | Paths):
        self.converters = converters
        self.mapping = mapping
        self.scan = scan_numbers if any(map(tells_numbers, converters)) else scan_texts
        self.empties = [{None: NULL, "": blank(one), False: "false"} for one in converters]
        self.always = [
            (nth, one.one) for nth, one in enumerate(converters) if plain(one, b"") is None]
        self.plain_lines = self.expression(b"")
        self.special_lines = self.expression(SPECIAL)

    def expression(self, special: bytes) -> re.Pattern:
        """What matches lines whose fields are all plain, in data with these special characters.

        In data without any, a field ends at the mark after it and nowhere else: one character to
        look for is several times faster than a class of them.
        """
        marks = [SEPARATOR.encode()] * (len(self.converters) - 1) + [END.encode()]
        if special:
            special += (SEPARATOR + END).encode()
        fields = [
            (plain(one, special or mark) or b"[^%s]*" % (special or mark)) + mark
            for one, mark in zip(self.converters, marks, strict=True)]
        # Not (…)*+, which Python before 3.11.5 gets wrong around what may backtrack.
        return re.compile(b"(?>(?:%s)*)" % b"".join(fields))

    def lines(self, held: list[Piece], careful: Callable[[Piece, int], bytes]) -> bytes:
        """The lines of the documents; careful makes that of the nth document of a piece."""
        data = self.as_written(held)
        special = any(byte in data for byte in SPECIAL)
        lines = self.special_lines if special else self.plain_lines
        end_mark, made, position, nth = END.encode(), [], 0, 0
        while (end := lines.match(data, position).end()) < len(data):
            made.append(data[position:end].replace(end_mark, b"\n"))
            nth += data.count(end_mark, position, end)
            made.append(careful(*place(held, nth)))
            nth += 1
            position = data.index(end_mark, end) + 1
        made.append(data[position:].replace(end_mark, b"\n"))
        return b"".join(made)

    def as_written(self, held: list[Piece]) -> bytes:
        """The lines of all documents as if every value were plain."""
        values = [value for piece in held for value in piece.values]
        # A document may be too large (a character has 4 bytes at most), or hold a mark.
        if any(len(piece.text) > MAX_DOCUMENT // 4 or holds_mark(piece.text) for piece in held):
            return (UNPLAIN + END).encode() * len(values)
        rows = rows_of(self.mapping, values)
        if self.always:
            rows = list(map(self.convert, rows))
        join, made = SEPARATOR.join, self.with_words
        try:
            texts = [join(row) if all(row) else made(row) for row in rows]
        except TypeError:  # true, an object or an array
            texts = list(map(self.with_truth, rows))
        lines = END.join([*texts, ""])
        if "\\" in lines:
            lines = lines.replace("\\", "\\\\")
        try:
            return lines.encode()
        except UnicodeEncodeError:
            return b"".join(map(encode, lines.split(END)[:-1]))

    def convert(self, row: tuple) -> tuple | list:
        """The row with those values converted that never load as they are written."""
        if row is UNMAPPED:
            return row
        try:
            fields = list(row)
            for nth, one in self.always:
                fields[nth] = one(fields[nth])
            return fields
        except (Rejected, NotEmulated, RecursionError):
            return UNMAPPED

    def with_words(self, row: tuple | list) -> str:
        """The line of a row that has null, "" or false among its values."""
        return SEPARATOR.join([
            value or empty[value]
            for value, empty in zip(row, self.empties, strict=False)])  # UNMAPPED is shorter

    def with_truth(self, row: tuple | list) -> str:
        """The line of a row that may have true among its values, or an object or array."""
        try:
            return self.with_words(["true" if value is True else value for value in row])
        except TypeError:
            return UNPLAIN


def place(held: list[Piece], nth: int) -> tuple[Piece, int]:
    """The piece of the nth document of all, and the document's number in it."""
    for piece in held:
        if nth < len(piece.values):
            return piece, nth
        nth -= len(piece.values)
    raise IndexError(nth)


def rows_of(mapping: Keys | Paths, documents: list) -> list[tuple]:
    """The rows of many documents, at once where all have just the keys or paths of the first."""
    getter = None
    if set(map(type, documents)) == {dict}:
        if isinstance(mapping, Paths):
            getter = itemgetter(*mapping.names) if mapping.flat else None
        elif set(map(len, documents)) == {len(mapping.names)}:
            getter = mapping.getter(tuple(documents[0]))
    # With one column it gives no tuple, and a key may be no column's.
    if isinstance(getter, itemgetter) and len(mapping.names) > 1:
        try:
            return list(map(getter, documents))
        except KeyError:
            pass
    rows = []
    for document in documents:
        try:
            rows.append(mapping.row(document))
        except Rejected:
            rows.append(UNMAPPED)
    return rows


def holds_mark(text: str) -> bool:
    """Whether a value has a character that stands for something in the lines; JSON escapes it."""
    return r"\u000" in text and any(mark in text for mark in MARKS)


def encode(line: str) -> bytes:
    try:
        return (line + END).encode()
    except UnicodeEncodeError:
        return (UNPLAIN + END).encode()


# ------------------------------------------------------------- what loads as it is written, by type

# A number whose fraction is zero, which a VARCHAR takes without it; as text it would stay.
WHOLE_NUMBER = rb"[-0-9][0-9]*\.0+[%s]" % (SEPARATOR + END).encode()
# What needs no look at a calendar, in the default formats.
DAY = (
    rb"[1-9][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    rb"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
TIME_OF_DAY = rb" (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"


def plain(one: Converter, stops: bytes) -> bytes | None:
    """What matches a field that loads as it is written, NULL's mark unless the column is required;
    None where every value has to be converted.

    stops: the characters that end the field or that no plain one has.
    """
    null = b"" if one.column.required else NULL.encode()
    if isinstance(one, Text):
        return plain_text(one, stops)
    if isinstance(one, Integer):
        return b"-?[0-9%s]{1,%d}" % (null, len(str(one.high)) - 1)
    if isinstance(one, Numeric):
        if tells_numbers(one):
            return None
        decimals = b"[0-9]{1,%d}0*" % one.column.scale if one.column.scale else b"0+"
        return b"-?[0-9%s]{1,%d}(?:\\.%s)?" % (null, safe_room(one), decimals)
    if isinstance(one, Float):
        return b"(?:-(?=[0.]*[1-9]))?[0-9%s]{1,15}(?:\\.[0-9]{1,15})?" % null
    if isinstance(one, Boolean):
        return b"(?:%s)" % b"|".join([*map(str.encode, one.words), null or b"(?!)"])
    if isinstance(one, Moment) and not one.form and one.column.type in ("date", "timestamp"):
        time = b"" if one.column.type == "date" else TIME_OF_DAY
        return b"(?:%s%s|%s)" % (DAY, time, null or b"(?!)")
    return None


def plain_text(one: Text, stops: bytes) -> bytes:
    options = one.options
    if options.acceptinvchars:
        stops += rb"\xef\xf0-\xf4"  # with which those begin that are no characters
    if isinstance(one, Char):
        stops += rb"\x80-\xff"
    required = b"(?!%s)" % NULL.encode() if one.column.required else b""
    trailing = options.trimblanks or options.blanksasnull
    return b"(?!%s)%s[^%s]{%d,%d}+%s" % (
        WHOLE_NUMBER, required, stops, options.emptyasnull, one.column.size,
        rb"(?<![ \t\v\f])" if trailing else b"")


def tells_numbers(one: Converter) -> bool:
    """Whether a JSON number may load otherwise than a string of its digits."""
    if not isinstance(one, Numeric):
        return False
    return safe_room(one) <= 0 or (one.column.scale > 0 and not one.options.roundec)


def safe_room(one: Numeric) -> int:
    """How many digits before the point leave those after it exact in a double."""
    return min(one.room, SAFE_DIGITS - one.column.scale)


def blank(one: Converter) -> str:
    """What "" loads as."""
    return "" if isinstance(one, Text) and not one.options.emptyasnull else NULL
