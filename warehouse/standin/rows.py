"""JSON files -> rows for PostgreSQL's COPY, read as Redshift's COPY reads them.

A file is a sequence of JSON documents with nothing but white space between them, on one line or
many (guide: copy-parameters-data-format); each document is a row. Files are streamed: what is held
in memory is one chunk, or one document where that is larger. Where a chunk ends changes nothing.

A chunk's documents are converted together, column by column (`many` of values.py). Where that is
not possible each is read again on its own, which finds the exact row, column and value to blame.
"""

import codecs
import json
import re
from operator import itemgetter
from typing import BinaryIO, Callable, Iterator, NamedTuple

from .converters import converter
from .mapping import Keys, Paths
from .values import MARKS, Column, Number, Options, Rejected, Unusual

CHUNK = 128 * 1024  # bytes; small enough that the server parses one chunk while the next is made
MAX_DOCUMENT = 4 * 1024 * 1024  # bytes (guide: copy-parameters-data-format)
MAX_SHOWN = 1024  # characters of a document that the load-error tables keep
MAX_EXCERPT = 200  # characters of a malformed document that are shown as its value

TOO_LARGE = f"JSON document is larger than {MAX_DOCUMENT} bytes"
TOO_DEEP = "Invalid JSON: nested too deeply"
WHITE = re.compile(r"[ \t\r\n]*")
STRAY = re.compile(r"[^{\[\n]+")
NEXT_DOCUMENT = re.compile(r"^[{\[]", re.MULTILINE)
# A literal or \u escape cut in two is reported where it starts, a few characters back.
CUT = 16


Document = tuple[object, int, int]  # the value, and where its text begins and ends


class Fault(NamedTuple):
    """What is wrong at a position, and where to read on; None: with the next document's line."""

    at: int
    rejected: Rejected
    resume: int | None = None


class Scanned(NamedTuple):
    """Documents and faults of a text up to `end`; lost: the rest of a fault is still to come."""

    documents: list[Document]
    faults: list[Fault]
    end: int
    lost: bool = False


def scanner(number: type) -> Callable:
    """The C scanner of the json module: (text, position) -> (value, end); digits stay text."""

    def refuse(name: str):
        raise Rejected(1216, f"Invalid JSON: {name} is not a number", name)

    return json.JSONDecoder(
        parse_float=number, parse_int=number, parse_constant=refuse
    ).scan_once


class Reader:
    """Turns files into lines for `COPY … FROM STDIN`; one Reader serves all files of a COPY.

    reject(line, rejected) is called for every document or stray text that cannot be loaded, in
    their order, with the number of its last line; what it raises ends the reading. `rows` counts
    the lines made, `lines_scanned` the lines of the file read last.
    """

    def __init__(
        self,
        columns: list[Column],
        mapping: Keys | Paths,
        options: Options,
        reject: Callable[[int, Rejected], None],
        header: int = 0,
    ):
        self.mapping = mapping
        self.converters = [converter(column, options) for column in columns]
        self.reject = reject
        self.header = header
        self.rows = 0
        self.lines_scanned = 0
        self.scan_carefully = scanner(Number)
        tells_numbers = any(one.tells_numbers for one in self.converters)
        self.scan = self.scan_carefully if tells_numbers else scanner(str)

    def lines(self, stream: BinaryIO) -> Iterator[bytes]:
        """The rows of one file, in pieces of many lines each."""
        # Bytes that are no UTF-8 become lone surrogates, which condemn their own value only.
        decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        text, line, header, lost, chunk, last = "", 1, self.header, False, b"-", b"\n"
        while chunk:
            # As much again as is pending, so that a long document is not parsed over and over.
            chunk = stream.read(max(CHUNK, len(text)))
            text += decode(chunk, not chunk)
            last = chunk[-1:] or last
            position = 0
            if header:
                skipped, position = skip_lines(text, header)
                header -= skipped
            elif lost:  # the first character is there to tell whether the next one begins a line
                position = next_document(text, 1)
            if position is not None:
                found = self.scanned(text, position, not chunk)
                yield from self.converted(text, line, found)
                lost, position = found.lost, found.end - found.lost
            elif header:
                position = len(text)
            else:
                position = len(text) - 1
            line += text.count("\n", 0, position)
            text = text[position:]
        self.lines_scanned = line + text.count("\n") - (last == b"\n")

    def scanned(self, text: str, position: int, final: bool) -> Scanned:
        """Parse the documents of a text that are complete."""
        documents, faults = [], []
        scan, white, add = self.scan, WHITE.match, documents.append
        while True:
            if text.startswith("\n{", position):  # spares most documents what follows
                position += 1
            else:
                position = white(text, position).end()
                if position == len(text):
                    return Scanned(documents, faults, position)
            try:
                if text[position] not in "{[":
                    raise StopIteration(position)
                value, end = scan(text, position)
                if end - position > MAX_DOCUMENT:
                    raise Rejected(1216, TOO_LARGE)
            except (ValueError, StopIteration, RecursionError, Rejected) as error:
                fault = fault_of(error, text, position, final)
                if fault is None:
                    return Scanned(documents, faults, position)
                faults.append(fault)
                if fault.resume is None:
                    return Scanned(documents, faults, len(text), lost=True)
                position = fault.resume
                continue
            add((value, position, end))
            position = end

    def converted(self, text: str, line: int, found: Scanned) -> Iterator[bytes]:
        """The lines of a text's documents, made together or one by one; rejects what is wrong."""
        faults = found.faults
        try:
            lines = self.convert(text, found.documents)
        except (Unusual, Rejected, RecursionError):
            lines, rejected = self.convert_each(text, found.documents)
            faults = sorted(faults + rejected, key=itemgetter(0))
        done = 0
        for fault in faults:
            line += text.count("\n", done, fault.at)
            done = fault.at
            self.reject(line, fault.rejected)
        if lines:
            self.rows += len(lines)
            yield ("\n".join(lines) + "\n").encode()

    def convert(self, text: str, documents: list[Document]) -> list[str]:
        """The lines of documents that are all plain; raises Unusual, Rejected, RecursionError."""
        if len(text) > MAX_DOCUMENT // 4 or any(mark in text for mark in MARKS):
            raise Unusual  # a document may be too large (4 bytes a character), or hold a mark
        rows = self.mapping.rows([value for value, _, _ in documents])
        columns = [
            one.many(values) for one, values in zip(self.converters, zip(*rows, strict=True))
        ]
        return list(map("\t".join, zip(*columns, strict=True)))

    def convert_each(
        self, text: str, documents: list[Document]
    ) -> tuple[list[str], list[Fault]]:
        lines, faults = [], []
        for _, start, end in documents:
            try:
                lines.append(self.convert_one(text, start, end))
            except Rejected as rejected:
                rejected.raw_line = text[start:end][:MAX_SHOWN]
                # The traceback would keep this whole text until the garbage is collected.
                rejected.__traceback__ = rejected.__context__ = None
                faults.append(Fault(end - 1, rejected))
        return lines, faults

    def convert_one(self, text: str, start: int, end: int) -> str:
        size = end - start
        if size > MAX_DOCUMENT // 4:
            size = len(text[start:end].encode("utf-8", "surrogateescape"))
            if size > MAX_DOCUMENT:
                raise Rejected(1216, TOO_LARGE)
        try:
            value, _ = self.scan_carefully(text, start)
            fields = self.mapping.row(value)
            return "\t".join([one.one(field) for one, field in zip(self.converters, fields)])
        except RecursionError:
            raise Rejected(1216, TOO_DEEP) from None


def skip_lines(text: str, count: int) -> tuple[int, int | None]:
    """How many of the first lines end in the text, and where what follows them all begins.

    >>> skip_lines("a\\nb\\nc", 2), skip_lines("a\\nb", 2)
    ((2, 4), (1, None))
    """
    position = 0
    for skipped in range(count):
        position = text.find("\n", position) + 1
        if not position:
            return skipped, None
    return count, position


def next_document(text: str, position: int) -> int | None:
    """The next line that starts a document. A brace within a line may belong to a malformed one."""
    found = NEXT_DOCUMENT.search(text, position)
    return found.start() if found else None


def fault_of(error: Exception, text: str, position: int, final: bool) -> Fault | None:
    """What is wrong with the text at a position; None: the rest was not read yet."""
    if text[position] not in "{[":
        return stray(text, position, final)
    beyond = position + MAX_DOCUMENT
    at, reason, cut = explained(error, text, position)
    resume = next_document(text, position + 1)
    if len(text) <= beyond and not final and (cut or resume is None):
        return None
    if reason == TOO_LARGE or at > beyond or (cut and len(text) > beyond):
        at, reason, resume = position, TOO_LARGE, next_document(text, beyond)
    elif resume is not None and resume <= at:
        # It ran into the next document, which is where it was noticed.
        at, reason = position, "Invalid JSON: the document is not complete"
    first_line = text[position : position + MAX_SHOWN].split("\n", 1)[0]
    rejected = Rejected(1216, reason, first_line[:MAX_EXCERPT], raw_line=first_line)
    return Fault(min(at, len(text) - 1), rejected, resume)


def explained(error: Exception, text: str, position: int) -> tuple[int, str, bool]:
    """Where a document is malformed, why, and whether that may only be the end of the text."""
    if isinstance(error, json.JSONDecodeError):
        at, reason = error.pos, error.msg.removesuffix(" at").rstrip(": ")
        cut = at >= len(text) - CUT or reason.startswith("Unterminated string")
    elif isinstance(error, StopIteration):
        at, reason = error.value, "a value is missing"
        cut = at >= len(text) - CUT
    elif isinstance(error, RecursionError):
        return position, TOO_DEEP, False
    else:
        return position, getattr(error, "reason", str(error)), False
    return at, f"Invalid JSON: {reason} at character {at - position + 1} of the document", cut


def stray(text: str, position: int, final: bool) -> Fault | None:
    """The fault of a text that is outside of any document, up to its end or that of its line."""
    end = STRAY.match(text, position).end()
    beyond = position + MAX_DOCUMENT
    if end == len(text) and not final and end <= beyond:
        return None
    raw_line = text[position : min(end, position + MAX_SHOWN)].strip()
    reason = "Invalid JSON: text outside of an object or array"
    if raw_line.startswith("\ufeff"):
        reason = "Invalid JSON: a byte order mark (BOM) at the start of the file"
    rejected = Rejected(1216, reason, raw_line[:MAX_EXCERPT], raw_line=raw_line)
    return Fault(position, rejected, end if end <= beyond else next_document(text, beyond))
