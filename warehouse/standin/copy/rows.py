"""JSON documents -> lines for PostgreSQL's COPY, converted as Redshift's COPY converts them.

The documents of some 32 kB are made into lines together, as if every value loaded as it is written;
then one regular expression, made of what each column takes unchanged (`plain` of values.py), is
matched against all their bytes. It stops at a document that needs a closer look: that one is read
again on its own, value by value, which gives its line or the exact value to blame. So what is
unusual costs itself, and the rest of a batch nothing.
"""

import re
from typing import BinaryIO, Callable, Iterator

from .documents import (
    CHUNK,
    MAX_DOCUMENT,
    MAX_SHOWN,
    TOO_DEEP,
    TOO_LARGE,
    Documents,
    Piece,
    scan_numbers,
    scan_texts,
)
from .mapping import UNMAPPED, Keys, Paths
from .types import converter
from .values import END, MARKS, NULL, SEPARATOR, Column, Options, Rejected

SPECIAL = b"\0\n\r"  # what no plain field has
UNPLAIN = "\0"  # a line that no column's expression matches
WORDS = {None: NULL, True: "true", False: "false"}


class Reader:
    """Turns files into lines for `COPY … FROM STDIN`; one Reader serves all files of a COPY.

    reject(url, line, rejected) is called for every document or stray text that cannot be loaded, in
    their order, with the number of its last line; what it raises ends the reading.
    replaced(url, line, column, document) is called for every row in which ACCEPTINVCHARS replaced
    characters. `rows` counts the lines made, `lines_scanned` the lines of the file read last.
    """

    def __init__(
        self,
        columns: list[Column],
        mapping: Keys | Paths,
        options: Options,
        reject: Callable[[str, int, Rejected], None],
        replaced: Callable[[str, int, Column, str], None],
        header: int = 0,
    ):
        self.mapping = mapping
        self.converters = [converter(column, options) for column in columns]
        self.reject = reject
        self.replaced = replaced if options.acceptinvchars else None
        self.header = header
        self.rows = 0
        self.lines_scanned = 0
        self.held: list[Piece] = []
        self.size = 0  # of what is held, in characters
        tells_numbers = any(one.tells_numbers for one in self.converters)
        self.scan = scan_numbers if tells_numbers else scan_texts
        self.blanks = [one.blank for one in self.converters]
        self.always = [
            (nth, one.one) for nth, one in enumerate(self.converters) if one.plain(b"") is None]
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
            (one.plain(special or mark) or b"[^%s]*" % (special or mark)) + mark
            for one, mark in zip(self.converters, marks)]
        # Not (…)*+, which Python before 3.11.5 gets wrong around what may backtrack.
        return re.compile(b"(?>(?:%s)*)" % b"".join(fields))

    def lines(self, stream: BinaryIO, url: str) -> Iterator[bytes]:
        """The rows of one file, in pieces of many lines each, but for what is held back."""
        documents = Documents(stream, url, self.scan, self.header)
        for piece in documents:
            self.held.append(piece)
            self.size += len(piece.text)
            if piece.fault:
                yield from self.rest()
                self.reject(url, piece.line_at(piece.fault.at), piece.fault.rejected)
            elif self.size >= CHUNK:
                yield from self.rest()
        self.lines_scanned = documents.lines

    def rest(self) -> Iterator[bytes]:
        """The rows held back to be made together with those of further files."""
        held, self.held, self.size = self.held, [], 0
        data = self.as_written(held)
        special = any(byte in data for byte in SPECIAL)
        lines = self.special_lines if special else self.plain_lines
        made, position, nth = [], 0, 0
        while (end := lines.match(data, position).end()) < len(data):
            made.append(data[position:end])
            nth += data.count(END.encode(), position, end)
            made.append(self.made_carefully(held, nth))
            nth += 1
            position = data.index(END.encode(), end) + 1
        made.append(data[position:])
        lines = b"".join(made).replace(END.encode(), b"\n")
        if lines:
            self.rows += lines.count(b"\n")
            yield lines

    def as_written(self, held: list[Piece]) -> bytes:
        """The lines of all documents as if every value were plain."""
        values = [value for piece in held for value in piece.values]
        # A document may be too large (a character has 4 bytes at most), or hold a mark.
        if any(len(piece.text) > MAX_DOCUMENT // 4 or holds_mark(piece.text) for piece in held):
            return (UNPLAIN + END).encode() * len(values)
        rows = self.mapping.rows(values)
        if self.always:
            rows = list(map(self.converted, rows))
        join, made = SEPARATOR.join, self.with_words
        try:
            texts = [made(row) if None in row else join(row) for row in rows]
        except TypeError:  # a boolean
            texts = list(map(made, rows))
        lines = END.join([*texts, ""])
        if "\\" in lines:
            lines = lines.replace("\\", "\\\\")
        try:
            return lines.encode()
        except UnicodeEncodeError:
            return b"".join(map(encoded, lines.split(END)[:-1]))

    def converted(self, row: tuple) -> tuple | list:
        """The row with those values converted that never load as they are written."""
        if row is UNMAPPED:
            return row
        try:
            fields = list(row)
            for nth, one in self.always:
                fields[nth] = one(fields[nth])
            return fields
        except (Rejected, RecursionError):
            return UNMAPPED

    def with_words(self, row: tuple | list) -> str:
        """The line of a row that has null, true or false among its values."""
        try:
            return SEPARATOR.join([
                (value or blank) if isinstance(value, str) else WORDS[value]
                for value, blank in zip(row, self.blanks)])
        except TypeError:  # an object or an array
            return UNPLAIN

    def made_carefully(self, held: list[Piece], nth: int) -> bytes:
        """The line of the nth document, or b'' once it is rejected."""
        for piece in held:
            if nth < len(piece.values):
                break
            nth -= len(piece.values)
        start, end = piece.span(nth)
        document = piece.text[start:end]
        try:
            fields = self.fields_of(document)
            made = [one.one(field) for one, field in zip(self.converters, fields)]
        except (Rejected, RecursionError) as error:
            rejected = error if isinstance(error, Rejected) else Rejected(1216, TOO_DEEP)
            rejected.raw_line = document[:MAX_SHOWN]
            # The traceback would keep this whole text until the garbage is collected.
            rejected.__traceback__ = rejected.__context__ = None
            self.reject(piece.url, piece.line_at(end - 1), rejected)
            return b""
        if self.replaced:
            for one, field in zip(self.converters, fields):
                if one.replaces(field):
                    self.replaced(piece.url, piece.line_at(end - 1), one.column, document)
                    break
        return (SEPARATOR.join(made) + END).encode()

    def fields_of(self, document: str) -> tuple:
        """The values of one document, numbers told from strings; raises Rejected, RecursionError."""
        if len(document) > MAX_DOCUMENT // 4:
            if len(document.encode("utf-8", "surrogateescape")) > MAX_DOCUMENT:
                raise Rejected(1216, TOO_LARGE)
        value, _ = scan_numbers(document, 0)
        return self.mapping.row(value)


def holds_mark(text: str) -> bool:
    """Whether a value has a character that stands for something in the lines; JSON escapes it."""
    return r"\u000" in text and any(mark in text for mark in MARKS)


def encoded(line: str) -> bytes:
    try:
        return (line + END).encode()
    except UnicodeEncodeError:
        return (UNPLAIN + END).encode()
