"""JSON documents -> lines for PostgreSQL's COPY, converted as Redshift's COPY converts them.

Here is the careful way, document by document and value by value; `fast` spares it where it can.
"""

from typing import BinaryIO, Callable, Iterator

from .documents import (
    CHUNK,
    MAX_DOCUMENT,
    TOO_DEEP,
    TOO_LARGE,
    Documents,
    Piece,
    scan_numbers,
)
from .fast import FastWay
from .mapping import Keys, Paths
from .types import converter
from .values import SEPARATOR, Column, NotEmulated, Options, Rejected

FAST = True  # False: every document takes the careful way, and all is read the same


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
        self.fast = FastWay(self.converters, mapping) if FAST else None
        self.scan = self.fast.scan if self.fast else scan_numbers

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
        """The rows held back to be sent together with those of further files."""
        held, self.held, self.size = self.held, [], 0
        if self.fast:
            lines = self.fast.lines(held, self.line)
        else:
            lines = b"".join(
                self.line(piece, nth) for piece in held for nth in range(len(piece.values)))
        if lines:
            self.rows += lines.count(b"\n")
            yield lines

    def line(self, piece: Piece, nth: int) -> bytes:
        """The line of the nth document of a piece, made value by value; b'' once it is rejected."""
        start, end = piece.span(nth)
        document = piece.text[start:end]
        try:
            values = self.mapping.row(self.read(document, piece.values[nth]))
            fields = [one.one(value) for one, value in zip(self.converters, values, strict=True)]
        except (Rejected, RecursionError) as error:
            rejected = error if isinstance(error, Rejected) else Rejected(1216, TOO_DEEP)
            rejected.raw_line = piece.shown(start)
            # The traceback would keep this whole text until the garbage is collected.
            rejected.__traceback__ = rejected.__context__ = None
            self.reject(piece.url, piece.line_at(end - 1), rejected)
            return b""
        except NotEmulated as error:
            raise NotEmulated(f"{error} ({piece.url}, line {piece.line_at(end - 1)})") from None
        if self.replaced:
            for one, value in zip(self.converters, values, strict=True):
                if one.replaces(value):
                    self.replaced(piece.url, piece.line_at(end - 1), one.column, document)
                    break
        return (SEPARATOR.join(fields) + "\n").encode()

    def read(self, document: str, value: object) -> object:
        """The document with its numbers told from strings; value is what was scanned of it."""
        if len(document) > MAX_DOCUMENT // 4:  # a character has 4 bytes at most
            if len(document.encode("utf-8", "surrogateescape")) > MAX_DOCUMENT:
                raise Rejected(1216, TOO_LARGE)
        return value if self.scan is scan_numbers else scan_numbers(document, 0)[0]
