"""JSON documents -> lines for PostgreSQL's COPY, converted as Redshift's COPY converts them.

This is the slow path: document by document, value by value. `fast` handles the common ones.
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
from .fast import FastPath
from .mapping import Keys, Paths
from .types import make_converter
from .values import SEPARATOR, Column, NotEmulated, Options, Rejected

FAST = True  # False sends every document down the slow path, with the same result


class Reader:
    """Turns files into lines for `COPY … FROM STDIN`; one Reader serves all files of a COPY.

    reject(url, line, rejected) is called, in file order, for every document or stray text that
    cannot be loaded; the line is that of the error in the JSON or, if the JSON is valid, the
    document's last. An exception that reject raises ends the reading.
    report_replacement(url, line, column, document) is called for every row in which ACCEPTINVCHARS
    replaced characters. `rows` counts the lines produced, `lines_scanned` the lines of the last file.
    """

    def __init__(
        self,
        columns: list[Column],
        mapping: Keys | Paths,
        options: Options,
        reject: Callable[[str, int, Rejected], None],
        report_replacement: Callable[[str, int, Column, str], None],
        header: int = 0,
    ):
        self.mapping = mapping
        self.converters = [make_converter(column, options) for column in columns]
        self.reject = reject
        self.report_replacement = report_replacement if options.acceptinvchars else None
        self.header = header
        self.rows = 0
        self.lines_scanned = 0
        self.pending: list[Piece] = []
        self.pending_size = 0  # characters
        self.fast = FastPath(self.converters, mapping) if FAST else None
        self.scan = self.fast.scan if self.fast else scan_numbers

    def convert_file(self, stream: BinaryIO, url: str) -> Iterator[bytes]:
        """Yield the rows of one file, many lines at a time; the last ones may stay pending."""
        documents = Documents(stream, url, self.scan, self.header)
        for piece in documents:
            self.pending.append(piece)
            self.pending_size += len(piece.text)
            if piece.fault:
                yield from self.flush()
                self.reject(url, piece.line_at(piece.fault.position), piece.fault.rejected)
            elif self.pending_size >= CHUNK:
                yield from self.flush()
        self.lines_scanned = documents.lines

    def flush(self) -> Iterator[bytes]:
        """Yield the pending rows, which may come from several files."""
        pieces, self.pending, self.pending_size = self.pending, [], 0
        if self.fast:
            lines = self.fast.convert(pieces, self.convert_document)
        else:
            lines = b"".join(self.convert_document(piece, index)
                             for piece in pieces for index in range(len(piece.values)))
        if lines:
            self.rows += lines.count(b"\n")
            yield lines

    def convert_document(self, piece: Piece, index: int) -> bytes:
        """Convert one document of a piece value by value; return b'' if it is rejected."""
        start, end = piece.span(index)
        document = piece.text[start:end]
        try:
            values = self.mapping.extract_row(self.rescan(document, piece.values[index]))
            fields = [converter.convert(value)
                      for converter, value in zip(self.converters, values, strict=True)]
        except (Rejected, RecursionError) as error:
            rejected = error if isinstance(error, Rejected) else Rejected(1216, TOO_DEEP)
            rejected.raw_line = piece.raw_line_at(start)
            # The traceback would keep this whole text until the garbage is collected.
            rejected.__traceback__ = rejected.__context__ = None
            self.reject(piece.url, piece.line_at(end - 1), rejected)
            return b""
        except NotEmulated as error:
            raise NotEmulated(f"{error} ({piece.url}, line {piece.line_at(end - 1)})") from None
        if self.report_replacement:
            for converter, value in zip(self.converters, values, strict=True):
                if converter.has_invalid_characters(value):
                    self.report_replacement(
                        piece.url, piece.line_at(end - 1), converter.column, document)
                    break
        return (SEPARATOR.join(fields) + "\n").encode()

    def rescan(self, document: str, value: object) -> object:
        """Return the document with its numbers as Number; `value` is the result of the first scan.

        Raises Rejected if the document is too large.
        """
        if len(document) > MAX_DOCUMENT // 4:  # a character has 4 bytes at most
            if len(document.encode("utf-8", "surrogateescape")) > MAX_DOCUMENT:
                raise Rejected(1216, TOO_LARGE)
        return value if self.scan is scan_numbers else scan_numbers(document, 0)[0]
