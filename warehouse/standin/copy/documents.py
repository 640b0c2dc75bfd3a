"""A stream of JSON documents -> the parsed documents, and the errors in and between them.

A file is a sequence of JSON documents with nothing but white space between them, on one line or
many (guide: copy-parameters-data-format). It is streamed: memory holds one chunk, or one document
if that is larger. The size of the chunks does not change the result.
"""

import codecs
import json
import re
from typing import BinaryIO, Callable, Iterator, NamedTuple

from .values import Number, Rejected

CHUNK = 32 * 1024  # bytes; fits the CPU's cache, and the server can work on one while the next is read
MAX_DOCUMENT = 4 * 1024 * 1024  # bytes (guide: copy-parameters-data-format)
MAX_RAW_LINE = 1024  # characters that the load-error tables keep, from the start of the document
MAX_EXCERPT = 200  # characters of a malformed document that are reported as its value

TOO_LARGE = f"JSON document is larger than {MAX_DOCUMENT} bytes"
TOO_DEEP = "Invalid JSON: nested too deeply"
UTF_16 = "Invalid JSON: the file is written in UTF-16"
FILE_SIGNATURES = {  # first characters of files that are not plain UTF-8
    "\ufeff": "Invalid JSON: a byte order mark (BOM) at the start of the file",
    "\udcff\udcfe": UTF_16,
    "\udcfe\udcff": UTF_16,
    "\0": UTF_16,
    "{\0": UTF_16,
    "\x1f\udc8b": "Invalid JSON: the file is packed by gzip",
    "BZh": "Invalid JSON: the file is packed by bzip2",
}
JSON_WHITE = re.compile(r"[ \t\r\n]*")
STRAY = re.compile(r"[^{\[\n]+")
NEXT_DOCUMENT = re.compile(r"^[{\[]", re.MULTILINE)
# If the text ends within a literal or \u escape, the json module reports where that starts: a few
# characters before the end of the text.
CUT_LENGTH = 16

Utf8Decoder = codecs.getincrementaldecoder("utf-8")
MALFORMED = (ValueError, StopIteration, RecursionError, Rejected)


class Fault(NamedTuple):
    """An error at a position.

    Reading resumes at `resume` or, if that is None, at the next line that begins a document.
    """

    position: int
    rejected: Rejected
    resume: int | None = None


class Piece(NamedTuple):
    """Consecutive documents in a text, up to a fault or the end of the text.

    `line` is the number of the text's first line in its file. The documents begin at `start`;
    `ends` holds the position after each. `beyond` is the beginning of the text that follows.
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

    def span(self, index: int) -> tuple[int, int]:
        """Return the start and the end of a document in the text."""
        start = self.ends[index - 1] if index else self.start
        return JSON_WHITE.match(self.text, start).end(), self.ends[index]

    def raw_line_at(self, position: int) -> str:
        """Return what the load-error tables show of a document; this runs on into those that follow."""
        return (self.text[position : position + MAX_RAW_LINE] + self.beyond)[:MAX_RAW_LINE]


def make_scanner(number_class: type) -> Callable:
    """Return the json module's C scanner, (text, position) -> (value, end).

    It returns a number as `number_class`, which is str or a class of it.
    """

    def reject_constant(name: str):
        raise Rejected(1216, f"Invalid JSON: {name} is not a number", name)

    return json.JSONDecoder(
        parse_float=number_class, parse_int=number_class, parse_constant=reject_constant
    ).scan_once


scan_numbers = make_scanner(Number)
scan_texts = make_scanner(str)


class Documents:
    """The documents of one file, as an iterable of pieces.

    `scan` is scan_texts, or scan_numbers to tell a number from a string of its digits. `header` is
    the number of lines to skip. `lines` is the number of lines in the file, once all have been read.
    """

    def __init__(self, stream: BinaryIO, url: str, scan: Callable, header: int = 0):
        self.stream = stream
        self.url = url
        self.scan = scan
        self.header = header
        self.line = 1
        self.lines = 0

    def __iter__(self) -> Iterator[Piece]:
        # Invalid bytes become lone surrogates, so that only the value they are in is rejected.
        decode = Utf8Decoder("surrogateescape").decode
        text, skipping, chunk, last = "", False, b"-", b"\n"
        while chunk:
            # Read as much again as is pending, so that a long document is not parsed over and over.
            chunk = self.stream.read(max(CHUNK, len(text)))
            text += decode(chunk, not chunk)
            last = chunk[-1:] or last
            if not text:  # the end of the file, or a part of a character
                continue
            position = 0
            if self.header:
                skipped, position = skip_lines(text, self.header)
                self.header -= skipped
            elif skipping:  # text[0] is kept to tell whether text[1] begins a line
                position = find_next_document(text, 1)
            if position is not None:
                # The last document that begins in the text may be incomplete: leave it pending.
                limit = max(position, len(text) - MAX_RAW_LINE) if chunk else len(text)
                end = text.rfind("\n{", position, limit) if chunk else -1
                end = end if end > position else limit
                beyond = text[end : end + MAX_RAW_LINE]
                position, skipping = yield from self.parse_pieces(
                    text[:end], position, not chunk, beyond)
                position -= skipping
            elif self.header:
                position = len(text)
            else:
                position = len(text) - 1
            self.line += text.count("\n", 0, position)
            text = text[position:]
        self.lines = self.line + text.count("\n") - (last == b"\n")

    def parse_pieces(self, text: str, start: int, final: bool, beyond: str) -> Iterator[Piece]:
        """Yield the complete documents of a text.

        Returns the position to resume at, and whether to skip from there to the next line that
        begins a document.
        """
        scan, match_white, starts_with, position = self.scan, JSON_WHITE.match, text.startswith, start
        values, ends = [], []
        while True:
            try:
                while starts_with("\n{", position):  # most documents
                    value, position = scan(text, position + 1)
                    values.append(value)
                    ends.append(position)
            except MALFORMED:
                pass  # the code below finds it again
            position = match_white(text, position).end()
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
                    fault = find_fault(error, text, position, final)
            if values or fault:
                piece = Piece(self.url, text, self.line, start, values, ends, fault, beyond)
                if fault:
                    fault.rejected.raw_line = piece.raw_line_at(position)
                yield piece
            if fault is None:
                return position, False
            if fault.resume is None:
                return len(text), True
            position = start = fault.resume
            values, ends = [], []


def skip_lines(text: str, count: int) -> tuple[int, int | None]:
    """Return how many of the first `count` lines end in the text, and where the line after begins.

    The position is None if the text ends within them.

    >>> skip_lines("a\\nb\\nc", 2), skip_lines("a\\nb", 2)
    ((2, 4), (1, None))
    """
    position = 0
    for ended in range(count):
        position = text.find("\n", position) + 1
        if not position:
            return ended, None
    return count, position


def find_next_document(text: str, position: int) -> int | None:
    """Return the start of the next line that begins a document.

    A brace in the middle of a line may belong to the malformed document.
    """
    match = NEXT_DOCUMENT.search(text, position)
    return match.start() if match else None


def find_fault(error: Exception, text: str, position: int, final: bool) -> Fault | None:
    """Return the fault at a position; None if the rest of the document has not been read yet."""
    if text[position] not in "{[":
        return find_stray_text(text, position, final)
    limit = position + MAX_DOCUMENT
    at, reason, may_be_cut = locate_error(error, text, position)
    resume = find_next_document(text, position + 1)
    if len(text) <= limit and not final and (may_be_cut or resume is None):
        return None
    if at > limit or (may_be_cut and len(text) > limit):
        at, reason, resume = position, TOO_LARGE, find_next_document(text, limit)
    elif resume is not None and resume <= at:
        # The scanner noticed the error only in the next document.
        at, reason = position, "Invalid JSON: the document is not complete"
    reason = identify_format(text, position) or reason
    first_line = text[position : position + MAX_EXCERPT].split("\n", 1)[0]
    rejected = Rejected(1216, reason, first_line)
    return Fault(min(at, len(text) - 1), rejected, resume)


def locate_error(error: Exception, text: str, position: int) -> tuple[int, str, bool]:
    """Return the position and reason of an error, and whether the document may simply go on there."""
    if isinstance(error, json.JSONDecodeError):
        at, reason = error.pos, error.msg.removesuffix(" at").rstrip(": ")
        may_be_cut = at >= len(text) - CUT_LENGTH or reason.startswith("Unterminated string")
    elif isinstance(error, StopIteration):
        at, reason = error.value, "a value is missing"
        may_be_cut = at >= len(text) - CUT_LENGTH
    elif isinstance(error, RecursionError):
        return position, TOO_DEEP, False
    else:
        return position, getattr(error, "reason", str(error)), False
    reason = f"Invalid JSON: {reason} at character {at - position + 1} of the document"
    return at, reason, may_be_cut


def identify_format(text: str, position: int) -> str:
    """Return why the file is not plain UTF-8, judged by the text at this position, or ''."""
    return next((reason for signature, reason in FILE_SIGNATURES.items()
                 if text.startswith(signature, position)), "")


def find_stray_text(text: str, position: int, final: bool) -> Fault | None:
    """Return the fault of a text outside of any document, up to the end of its line.

    None if the rest of it has not been read yet.
    """
    end = STRAY.match(text, position).end()
    limit = position + MAX_DOCUMENT
    if end == len(text) and not final and end <= limit:
        return None
    reason = identify_format(text, position) or "Invalid JSON: text outside of an object or array"
    rejected = Rejected(1216, reason, text[position : min(end, position + MAX_EXCERPT)].strip())
    return Fault(position, rejected, end if end <= limit else find_next_document(text, limit))
