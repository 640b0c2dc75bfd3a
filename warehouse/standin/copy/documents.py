"""A stream of JSON documents -> the documents parsed, and what is wrong between and within them.

A file is a sequence of JSON documents with nothing but white space between them, on one line or
many (guide: copy-parameters-data-format). It is streamed: what is held in memory is one chunk, or
one document where that is larger. Where a chunk ends changes nothing.
"""

import codecs
import json
import re
from typing import BinaryIO, Callable, Iterator, NamedTuple

from .values import Number, Rejected

CHUNK = 32 * 1024  # bytes; small enough to stay in the cache, and for the server to keep up
MAX_DOCUMENT = 4 * 1024 * 1024  # bytes (guide: copy-parameters-data-format)
MAX_SHOWN = 1024  # characters that the load-error tables keep, from the document on
MAX_EXCERPT = 200  # characters of a malformed document that are shown as its value

TOO_LARGE = f"JSON document is larger than {MAX_DOCUMENT} bytes"
TOO_DEEP = "Invalid JSON: nested too deeply"
UTF_16 = "Invalid JSON: the file is written in UTF-16"
FOREIGN = {  # how a file begins that is not UTF-8 text
    "\ufeff": "Invalid JSON: a byte order mark (BOM) at the start of the file",
    "\udcff\udcfe": UTF_16,
    "\udcfe\udcff": UTF_16,
    "\0": UTF_16,
    "{\0": UTF_16,
    "\x1f\udc8b": "Invalid JSON: the file is packed by gzip",
    "BZh": "Invalid JSON: the file is packed by bzip2",
}
WHITE = re.compile(r"[ \t\r\n]*")
STRAY = re.compile(r"[^{\[\n]+")
NEXT_DOCUMENT = re.compile(r"^[{\[]", re.MULTILINE)
# A literal or \u escape cut in two is reported where it starts, a few characters back.
CUT = 16

new_decoder = codecs.getincrementaldecoder("utf-8")
MALFORMED = (ValueError, StopIteration, RecursionError, Rejected)


class Fault(NamedTuple):
    """What is wrong at a position, and where to read on; None: with the next document's line."""

    at: int
    rejected: Rejected
    resume: int | None = None


class Piece(NamedTuple):
    """Documents that follow each other in a text, up to a fault or as far as the text goes.

    line is the number of the text's first line in its file; the documents begin at start, and
    ends has where each of them ends. beyond is what follows the text, as far as it may be shown.
    """

    url: str
    text: str
    line: int
    start: int
    values: list
    ends: list[int]
    fault: Fault | None = None
    beyond: str = ""

    def line_at(self, position: int) -> int:
        return self.line + self.text.count("\n", 0, position)

    def span(self, nth: int) -> tuple[int, int]:
        """Where the text of a document begins and ends."""
        begins = self.ends[nth - 1] if nth else self.start
        return WHITE.match(self.text, begins).end(), self.ends[nth]

    def shown(self, position: int) -> str:
        """What the load-error tables show of a document: it runs on into those after it."""
        return (self.text[position : position + MAX_SHOWN] + self.beyond)[:MAX_SHOWN]


def scanner(number: type) -> Callable:
    """The C scanner of the json module: (text, position) -> (value, end); digits stay text."""

    def refuse(name: str):
        raise Rejected(1216, f"Invalid JSON: {name} is not a number", name)

    return json.JSONDecoder(
        parse_float=number, parse_int=number, parse_constant=refuse
    ).scan_once


scan_numbers = scanner(Number)
scan_texts = scanner(str)


class Documents:
    """The documents of one file, as pieces. lines counts the file's lines when all were read.

    scan is scan_texts, or scan_numbers to tell a number from a string of its digits; header is how
    many lines to skip.
    """

    def __init__(self, stream: BinaryIO, url: str, scan: Callable, header: int = 0):
        self.stream = stream
        self.url = url
        self.scan = scan
        self.header = header
        self.line = 1
        self.lines = 0

    def __iter__(self) -> Iterator[Piece]:
        # Bytes that are no UTF-8 become lone surrogates, which condemn their own value only.
        decode = new_decoder("surrogateescape").decode
        text, lost, chunk, last = "", False, b"-", b"\n"
        while chunk:
            # As much again as is pending, so that a long document is not parsed over and over.
            chunk = self.stream.read(max(CHUNK, len(text)))
            text += decode(chunk, not chunk)
            last = chunk[-1:] or last
            if not text:  # the end, or a part of a character
                continue
            position = 0
            if self.header:
                skipped, position = skip_lines(text, self.header)
                self.header -= skipped
            elif lost:  # the first character is there to tell whether the next one begins a line
                position = next_document(text, 1)
            if position is not None:
                # What follows the last line that begins a document may be the half of one.
                limit = max(position, len(text) - MAX_SHOWN) if chunk else len(text)
                whole = text.rfind("\n{", position, limit) if chunk else -1
                whole = whole if whole > position else limit
                beyond = text[whole : whole + MAX_SHOWN]
                position, lost = yield from self.pieces(text[:whole], position, not chunk, beyond)
                position -= lost
            elif self.header:
                position = len(text)
            else:
                position = len(text) - 1
            self.line += text.count("\n", 0, position)
            text = text[position:]
        self.lines = self.line + text.count("\n") - (last == b"\n")

    def pieces(self, text: str, start: int, final: bool, beyond: str) -> Iterator[Piece]:
        """The complete documents of a text. Returns where to read on, and whether that is with the
        line of the next document, which is still to come."""
        scan, white, begins, position = self.scan, WHITE.match, text.startswith, start
        values, ends = [], []
        while True:
            try:
                while begins("\n{", position):  # most documents
                    value, position = scan(text, position + 1)
                    values.append(value)
                    ends.append(position)
            except MALFORMED:
                pass  # what follows meets it again
            position = white(text, position).end()
            fault = None
            if position < len(text):
                try:
                    if text[position] not in "{[":
                        raise StopIteration(position)
                    value, position = scan(text, position)
                    values.append(value)
                    ends.append(position)
                    continue
                except MALFORMED as error:
                    fault = fault_of(error, text, position, final)
            if values or fault:
                piece = Piece(self.url, text, self.line, start, values, ends, fault, beyond)
                if fault:
                    fault.rejected.raw_line = piece.shown(position)
                yield piece
            if fault is None:
                return position, False
            if fault.resume is None:
                return len(text), True
            position = start = fault.resume
            values, ends = [], []


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
    if at > beyond or (cut and len(text) > beyond):
        at, reason, resume = position, TOO_LARGE, next_document(text, beyond)
    elif resume is not None and resume <= at:
        # It ran into the next document, which is where it was noticed.
        at, reason = position, "Invalid JSON: the document is not complete"
    reason = foreign(text, position) or reason
    first_line = text[position : position + MAX_EXCERPT].split("\n", 1)[0]
    rejected = Rejected(1216, reason, first_line)
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


def foreign(text: str, position: int) -> str:
    """What the file is if it is no UTF-8 text, as far as this position tells; else ''."""
    return next((why for start, why in FOREIGN.items() if text.startswith(start, position)), "")


def stray(text: str, position: int, final: bool) -> Fault | None:
    """The fault of a text that is outside of any document, up to its end or that of its line."""
    end = STRAY.match(text, position).end()
    beyond = position + MAX_DOCUMENT
    if end == len(text) and not final and end <= beyond:
        return None
    reason = foreign(text, position) or "Invalid JSON: text outside of an object or array"
    rejected = Rejected(1216, reason, text[position : min(end, position + MAX_EXCERPT)].strip())
    return Fault(position, rejected, end if end <= beyond else next_document(text, beyond))
