"""JSON files -> rows for PostgreSQL's COPY, read as Redshift's COPY reads them.

A file is a sequence of JSON documents with nothing but white space between them, on one line or many
(guide: copy-parameters-data-format); each document is a row. Files are streamed: what is held in
memory is one chunk, or one document where that is larger.

A chunk's documents are converted together, column by column (`many` of values.py). Where that is not
possible each is read again on its own, which finds the exact row, column and value to blame.
"""

import codecs
import json
import re
from operator import itemgetter
from typing import BinaryIO, Callable, Iterator, NamedTuple

from .values import Column, Number, Options, Rejected, Unusual, converter

CHUNK = 128 * 1024  # bytes; small enough that the server parses one chunk while the next is made
MAX_DOCUMENT = 4 * 1024 * 1024  # bytes (guide: copy-parameters-data-format)

WHITE = re.compile(r"[ \t\r\n]*")
STRAY = re.compile(r"[^{\[\n]+")
NEXT_DOCUMENT = re.compile(r"^[{\[]", re.MULTILINE)
MAX_EXCERPT = 200  # characters of a malformed document that are shown


class Document(NamedTuple):
    """A parsed document and where its text lies in the chunk."""

    value: object
    start: int
    end: int


def scanner(number: type) -> Callable:
    """The C scanner of the json module: (text, position) -> (value, end); digits stay as written."""

    def refuse(name: str):
        raise Rejected(1216, f"Invalid JSON: {name} is not a number", name)

    return json.JSONDecoder(
        parse_float=number, parse_int=number, parse_constant=refuse
    ).scan_once


class Keys:
    """JSON 'auto' and 'auto ignorecase': a column takes the first-level key of its name."""

    def __init__(self, columns: list[Column], ignorecase: bool):
        self.names = [column.name for column in columns]
        self.ignorecase = ignorecase
        self.getters = {}

    def row(self, document: object) -> tuple:
        """The values for the columns, None where there is no key; raises Rejected."""
        if not isinstance(document, dict):
            raise Rejected(1216, "Invalid JSONPath format: Member is not an object.", document)
        keys = tuple(document)
        getter = self.getters.get(keys)
        if getter is None:
            getter = self.getters[keys] = self.getter(keys)
            if len(self.getters) > 1000:  # data that has new keys in every document
                self.getters.clear()
        return getter(document)

    def getter(self, keys: tuple[str, ...]) -> Callable[[dict], tuple]:
        found = {key.lower() if self.ignorecase else key: key for key in keys}
        wanted = [found.get(name) for name in self.names]
        if len(wanted) > 1 and None not in wanted:
            return itemgetter(*wanted)
        return lambda document: tuple(document[key] if key is not None else None for key in wanted)


class Paths:
    """JSON 's3://…/jsonpaths': a column takes what its path leads to (copy-usage_notes-copy-from-json)."""

    def __init__(self, paths: list[list[str | int]]):
        self.paths = paths
        self.names = [path[0] for path in paths if len(path) == 1 and isinstance(path[0], str)]
        self.flat = len(self.names) == len(paths)

    def row(self, document: object) -> tuple:
        """The values for the columns, None where there is no member; raises Rejected."""
        if self.flat and isinstance(document, dict):
            return tuple(map(document.get, self.names))
        return tuple(self.walk(document, path) for path in self.paths)

    @staticmethod
    def walk(value: object, path: list[str | int]) -> object:
        for step in path:
            if value is None:
                return None
            if isinstance(step, str):
                if not isinstance(value, dict):
                    raise Rejected(
                        1216, "Invalid JSONPath format: Member is not an object.", value)
                value = value.get(step)
            elif isinstance(value, list) and step < len(value):
                value = value[step]
            else:
                raise Rejected(
                    1216, "Invalid JSONPath format: Not an array or index out of range.", value)
        return value


class Reader:
    """Turns files into lines for `COPY … FROM STDIN`; one Reader serves all files of a COPY.

    reject(line, rejected) is called for every document or stray text that cannot be loaded, with the
    number of its last line; what it raises ends the reading. `rows` counts the lines made.
    """

    def __init__(
        self,
        columns: list[Column],
        mapping: Keys | Paths,
        options: Options,
        reject: Callable[[int, Rejected], None],
    ):
        self.columns = columns
        self.mapping = mapping
        self.converters = [converter(column, options) for column in columns]
        self.reject = reject
        self.rows = 0
        self.scan = scanner(str)
        self.scan_carefully = scanner(Number)

    def lines(self, stream: BinaryIO) -> Iterator[bytes]:
        """The rows of one file, in pieces of many lines each."""
        # Bytes that are no UTF-8 become lone surrogates, which condemn their own value only.
        decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        text, line, lost = "", 1, False
        while True:
            chunk = stream.read(CHUNK)
            text += decode(chunk, final=not chunk)
            position = self.next_document(text, 1) if lost else 0
            documents, faults, end, lost = self.scan_chunk(text, position, not chunk, lost)
            if documents:
                yield self.convert(text, line, documents)
            for at, fault in faults:
                self.reject(line + text.count("\n", 0, at), fault)
            if lost and end:
                end -= 1  # tells the next chunk whether it begins a line
            line += text.count("\n", 0, end)
            text = text[end:]
            if not chunk:
                return

    def scan_chunk(
        self, text: str, position: int, final: bool, lost: bool
    ) -> tuple[list[Document], list[tuple[int, Rejected]], int, bool]:
        """Parse what is complete: documents, faults with their positions, the end of what was used,
        and whether the rest of a malformed document is still to come."""
        documents, faults, scan = [], [], self.scan
        lost = lost and position == len(text)
        while True:
            position = WHITE.match(text, position).end()
            if position == len(text):
                return documents, faults, position, lost
            try:
                if text[position] not in "{[":
                    raise StopIteration(position)
                value, end = scan(text, position)
            except (ValueError, StopIteration, RecursionError, Rejected) as error:
                if self.unfinished(error, text, position, final):
                    return documents, faults, position, False
                at, fault, position = self.fault(error, text, position)
                faults.append((at, fault))
                lost = position == len(text)
                continue
            documents.append(Document(value, position, end))
            position = end

    @staticmethod
    def unfinished(error: Exception, text: str, position: int, final: bool) -> bool:
        """Whether a failed parse may only mean that the rest of the document was not read yet."""
        if final or len(text) - position > MAX_DOCUMENT:
            return False
        if isinstance(error, json.JSONDecodeError):
            # A literal or \u escape cut in two is reported where it starts, a few characters back.
            return error.pos >= len(text) - 16 or error.msg.startswith("Unterminated string")
        return isinstance(error, StopIteration) and (
            error.value >= len(text) - 16 or text.find("\n", position) < 0
        )

    def fault(self, error: Exception, text: str, position: int) -> tuple[int, Rejected, int]:
        """Where a malformed document or stray text is, what is wrong, and where to read on."""
        stray = STRAY.match(text, position)
        if stray:
            excerpt = stray[0].strip()[:MAX_EXCERPT]
            reason = "Invalid JSON: text outside of an object or array"
            if excerpt.startswith("\ufeff"):
                reason = "Invalid JSON: a byte order mark (BOM) at the start of the file"
            return position, Rejected(1216, reason, excerpt), stray.end()
        at = position
        if len(text) - position > MAX_DOCUMENT:
            reason = f"JSON document is larger than {MAX_DOCUMENT} bytes"
        elif isinstance(error, json.JSONDecodeError):
            at = min(error.pos, len(text))
            column = at - (text.rfind("\n", 0, at) + 1) + 1
            reason = f"Invalid JSON: {error.msg} (column {column})"
        elif isinstance(error, RecursionError):
            reason = "Invalid JSON: nested too deeply"
        elif isinstance(error, Rejected):
            reason = error.reason
        else:
            at = min(error.value, len(text))
            column = at - (text.rfind("\n", 0, at) + 1) + 1
            reason = f"Invalid JSON: a value is missing (column {column})"
        resume = self.next_document(text, position + 1)
        if resume <= at:  # it ran into the next document, which is where it was noticed
            at, reason = position, "Invalid JSON: the document is not complete"
        excerpt = text[position : position + MAX_EXCERPT].split("\n", 1)[0]
        return at, Rejected(1216, reason, excerpt), resume

    @staticmethod
    def next_document(text: str, position: int) -> int:
        """The next line that starts a document. A brace within the line may belong to the malformed one."""
        found = NEXT_DOCUMENT.search(text, position)
        return found.start() if found else len(text)

    def convert(self, text: str, line: int, documents: list[Document]) -> bytes:
        """The lines of a chunk's documents, all at once or else one by one."""
        try:
            rows = [self.mapping.row(document.value) for document in documents]
            columns = [
                one.many(values) for one, values in zip(self.converters, zip(*rows, strict=True))
            ]
            if len(text) > MAX_DOCUMENT // 4:  # 4 bytes a character at most
                raise Unusual
            lines = list(map("\t".join, zip(*columns, strict=True)))
        except (Unusual, Rejected, RecursionError):
            lines = list(self.convert_each(text, line, documents))
        self.rows += len(lines)
        return ("\n".join(lines) + "\n").encode() if lines else b""

    def convert_each(self, text: str, line: int, documents: list[Document]) -> Iterator[str]:
        for document in documents:
            try:
                yield self.convert_one(text, document)
            except Rejected as rejected:
                self.reject(line + text.count("\n", 0, document.end), rejected)

    def convert_one(self, text: str, document: Document) -> str:
        size = document.end - document.start
        if size > MAX_DOCUMENT // 4:
            size = len(text[document.start : document.end].encode("utf-8", "surrogatepass"))
            if size > MAX_DOCUMENT:
                raise Rejected(1216, f"JSON document is larger than {MAX_DOCUMENT} bytes")
        try:
            value, _ = self.scan_carefully(text, document.start)
            fields = self.mapping.row(value)
            return "\t".join([one.one(field) for one, field in zip(self.converters, fields)])
        except RecursionError:
            raise Rejected(1216, "Invalid JSON: nested too deeply") from None


PATH = re.compile(
    r"""\$(?:
        (?P<bracket>(?:\['[^']*'\]|\["[^"]*"\]|\[[0-9]+\])+)
        | (?P<dot>(?:\.[^.'\[\]\s]+(?:\[[0-9]+\])*)+)
        | (?P<index>\[[0-9]+\](?:\.[^.'\[\]\s]+(?:\[[0-9]+\])*)*)
    )""",
    re.VERBOSE,
)
STEP = re.compile(r"""\['([^']*)'\]|\["([^"]*)"\]|\.([^.\[]+)|\[([0-9]+)\]""")


def jsonpath(path: str) -> list[str | int] | None:
    """The steps of a JSONPath expression, or None if Redshift does not support it.

    >>> jsonpath("$['a']['b'][0]")
    ['a', 'b', 0]
    >>> jsonpath("$.a.b[0]")
    ['a', 'b', 0]
    >>> jsonpath("$.a['b']") is None    # the notations do not mix
    True
    """
    if not PATH.fullmatch(path) or "*" in path.replace("['*']", ""):
        return None
    return [
        int(index) if index else quoted or double_quoted or name
        for quoted, double_quoted, name, index in STEP.findall(path)
    ]
