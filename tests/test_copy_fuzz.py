"""COPY turns any file into rows and rejected rows. A faulty document spoils no other.

    python -m pytest tests/test_copy_fuzz.py --inputs=1000000
"""

import gzip
import json
import random
from pathlib import Path

import psycopg2
import pytest

from warehouse.standin.copy import documents, rows

EVENTS = [
    json.loads(line)
    for path in sorted((Path(__file__).parent / "data/log_data").rglob("*.json"))[:3]
    for line in path.read_text().splitlines()[:100]]
KINDS = [
    {"id": 7, "name": "naïve", "price": 20.25, "level": "free", "flag": True, "code": "abc",
     "ratio": 0.5, "near": 1.5, "number": 1541030409796, "fine": 0.1},
    {"id": "7", "name": "", "price": "3.10", "level": "paid", "flag": "no", "code": "ab",
     "ratio": "2", "number": -2, "fine": "0.10000000000000000001", "more": {"id": [1, {}]}},
]
MOMENTS = {"seen": "2018-11-30 10:00:00.25", "born": "2016-02-29", "at": "2018-11-30 10:00:00+01"}
TABLES = (
    (EVENTS, EVENTS,
     "artist VARCHAR(64), auth VARCHAR(20), firstname VARCHAR(40), gender CHAR(1), iteminsession"
     " INT, length NUMERIC(10, 5), level VARCHAR(8) NOT NULL, location VARCHAR(60), registration"
     " FLOAT8, sessionid INT, song VARCHAR(255), status SMALLINT, ts BIGINT NOT NULL, useragent"
     " VARCHAR(255), userid INT, n BIGINT"),
    (KINDS, [{**kind, **MOMENTS} for kind in KINDS],
     "id INT, name VARCHAR(12), price NUMERIC(8, 2), seen TIMESTAMP, level VARCHAR(9) NOT NULL,"
     " flag BOOLEAN, code CHAR(3), ratio FLOAT8, near REAL, born DATE, at TIMESTAMPTZ, number"
     " BIGINT NOT NULL, fine NUMERIC(38, 20), n BIGINT"),
)
OPTIONS = (
    "", "ROUNDEC", "TRIMBLANKS ROUNDEC", "TRUNCATECOLUMNS EMPTYASNULL", "ACCEPTINVCHARS",
    "ACCEPTINVCHARS '^' TRIMBLANKS", "BLANKSASNULL TIMEFORMAT 'epochmillisecs'",
    "ACCEPTANYDATE DATEFORMAT 'YYYY-MM-DD' TIMEFORMAT 'YYYY-MM-DD HH:MI:SS'", "TIMEFORMAT 'epochsecs'",
)
NASTY = [
    b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b",", b":", b"{}", b"[]", b"{{", b"}}", b'""', b"null",
    b"true", b"NaN", b"-Infinity", b"-", b"0", b"1e999", b"1e-999", b"-0.0", b"9" * 400, b"1" * 5000,
    b"\0", b"\x02", b"\x03", b"\x04", b"\t", b"\r", b"\x0b", b"\x0c", b"\x1b", b"\x7f", b"\xc2\x85",
    b"\\u0000", b"\\u0002", b"\\u0003", b"\\u0004", b"\\ud800", b"\\udc00\\ud800", b"\\ud83c\\udfb5",
    b"\\u00", b"\\N", b"\\.", b"\\n", b"\\x", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80", b"\xe2\x80\xa8", b"\xef\xb7\x90", b"\xf0\x9f\x8e\xb5", b"\xe9", b"[" * 3000,
    b'{"a":' * 500, b" " * 70, b"/*x*/", b"//", b'"id":', b'"level":null', b'"ts":"x",', b'"more":{',
    b"2018-11-31", b"1541030409796", b'"9999-99-99 99:99:99"', b"+1", b"1.", b".5", b"0x10", b"1_0",
    "٣".encode(), b"True", b"\x1f\x8b\x08\x00", b"BZh9", b"COPY", b"\\", b"\\\\", b'\\"',
]


def mutate(chance: random.Random, data: bytearray, others: list[bytes], newlines: bool) -> bytes:
    """Damage data in one to four places, as people, disks and programs do."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((0, 1, 1, 2, 5, 20, 60)))
        match chance.randrange(9):
            case 0:  # cut short
                del data[at:]
            case 1:
                del data[at:end]
            case 2:  # repeated
                data[at:at] = data[at:end]
            case 3:  # a piece of another
                other = chance.choice(others)
                cut = chance.randrange(len(other))
                data[at:end] = other[cut : cut + chance.choice((1, 10, 100))]
            case 4 if data:  # a flipped bit
                data[at - 1] ^= 1 << chance.randrange(8)
            case 5:
                data[at:end] = chance.randbytes(chance.randrange(1, 4))
            case 6:
                data = data.replace(*chance.choice(((b'"', b"'"), (b'"', b""), (b":", b"="),
                                                    (b",", b";"), (b"}", b")"))))
            case _:
                data[at : chance.choice((at, end))] = chance.choice(NASTY)
    return bytes(data) if newlines else bytes(data).replace(b"\n", b"")


FIRST = 10**15  # no mutation turns another number into one of these


def make_lines(chance, good: list[dict], others: list[bytes], number: int) -> list[bytes]:
    """Return mutated documents, each followed by a good document with the next number as its n."""
    lines = []
    for n in range(number):
        lines.append(mutate(chance, bytearray(chance.choice(others)), others, newlines=False))
        lines.append(json.dumps(chance.choice(good) | {"n": FIRST + n}).encode())
    return lines


def is_swallowed(lines: list[bytes], n: int) -> bool:
    """Return whether the nth good line is part of a JSON document that begins in a mutated line."""
    before = 2 * n + 1
    text = b"\n".join(lines[max(before - 40, 0) : before + 40]).decode("utf-8", "surrogateescape")
    at = text.index(lines[before].decode())
    for start in range(at):
        if text[start] in "{[":
            try:
                if json.JSONDecoder().raw_decode(text, start)[1] > at:
                    return True
            except (ValueError, RecursionError):
                pass
    return False


class Loads:
    """COPYs of files into the two tables, and their results."""

    def __init__(self, copies):
        self.copies = copies
        self.plain = copies.connect()  # the stand-in has no TRUNCATE of its own tables
        self.plain.autocommit = True
        self.tables = [(good, [json.dumps(document).encode() for document in usual],
                        copies.create(columns), columns) for good, usual, columns in TABLES]

    def copy(self, chance, table: str, columns: str, data: bytes, options: str) -> tuple[list, list]:
        """COPY a file. Return the n of the loaded rows, and the lines of the rejected rows."""
        names = [column.split()[0] for column in columns.split(", ") if not column[0].isdigit()]
        usual = "$.{}" if chance.random() < 0.5 else "$['{}']"
        deep = usual.replace("{}", "more.x" if usual[1] == "." else "more']['x")
        paths = self.copies.write("paths", json.dumps({"jsonpaths": [
            deep if name in ("name", "artist") and chance.random() < 0.5 else usual.format(name)
            for name in names]}))
        self.copies.table = table
        with self.plain.cursor() as cursor:
            cursor.execute(f"TRUNCATE {table}, standin.load, standin.load_file, standin.load_error,"
                           " standin.replacement")
        how = chance.choice(("'auto'", "'auto ignorecase'", f"'{paths}'"))
        self.copies.copy(self.copies.write("data", data), f"JSON {how} {options}")
        loaded = [n for n, in self.copies.query(f"SELECT n FROM {table}")]
        rejected = self.copies.errors("line_number, error_code, error_message")
        (history,) = self.copies.query("SELECT loaded_rows, error_count FROM sys_load_history")
        assert history == (len(loaded), len(rejected))
        assert all(line >= 1 and code in range(1200, 1230) and message
                   for line, code, message in rejected)
        return loaded, [line for line, _, _ in rejected]


@pytest.fixture
def loads(copies):
    loads = Loads(copies)
    yield loads
    loads.plain.close()


@pytest.fixture
def vary_chunks(monkeypatch):
    """A function that draws other sizes of chunks, which must change nothing."""

    def vary_chunks(chance: random.Random) -> None:
        monkeypatch.setattr(documents, "CHUNK", chance.choice((32 * 1024, chance.randrange(1, 5000))))
        monkeypatch.setattr(rows, "CHUNK", chance.choice((32 * 1024, chance.randrange(1, 5000))))

    return vary_chunks


BATCH = 400  # mutated documents of a file


def test_each_line_is_a_row_or_rejected_and_a_wrong_one_harms_no_other(loads, vary_chunks, inputs):
    for batch in range(max(1, inputs // BATCH)):
        chance = random.Random(f"lines {batch}")
        vary_chunks(chance)
        good, usual, table, columns = chance.choice(loads.tables)
        lines = make_lines(chance, good, usual, BATCH)
        data = chance.choice((b"\n", b"\r\n")).join(lines) + chance.choice((b"", b"\n"))
        loaded, rejected = loads.copy(
            chance, table, columns, data, f"{chance.choice(OPTIONS)} MAXERROR 100000")
        found = [n - FIRST for n in loaded if n is not None and n >= FIRST]
        assert len(found) == len(set(found)), batch
        assert max(rejected, default=1) <= len(lines), batch
        lost = set(range(BATCH)) - set(found)
        assert all(is_swallowed(lines, n) for n in lost), (batch, lost)
        if not lost:
            written = sum(1 for line in lines if line.strip(b" \t\r\n"))
            assert len(loaded) + len(rejected) >= written, batch


def test_any_bytes_are_rows_and_rejected_rows(loads, vary_chunks, inputs):
    """Read documents over several lines, joined, cut and packed.

    An error is raised only if the file is not packed as the option says.
    """
    for batch in range(max(1, inputs // BATCH)):
        chance = random.Random(f"bytes {batch}")
        vary_chunks(chance)
        good, usual, table, columns = chance.choice(loads.tables)
        pieces = []
        for _ in range(BATCH):
            text = json.dumps(chance.choice(good), indent=chance.choice((None, None, 1)))
            piece = bytearray(text.encode())
            if chance.random() < 0.7:
                piece = mutate(chance, piece, usual, newlines=True)
            pieces += piece, chance.choice((b"\n", b"\n", b"\r\n", b"", b" ", b",\n", b"\n\n"))
        data = b"".join(pieces)
        options = f"{chance.choice(OPTIONS)} IGNOREALLERRORS IGNOREHEADER {chance.choice((0, 0, 3))}"
        packed = chance.random() < 0.2
        if packed:
            options, whole = options + " GZIP", gzip.compress(data, 1)
            data = mutate(chance, bytearray(whole), usual, True) if chance.random() < 0.7 else whole
        try:
            loaded, rejected = loads.copy(chance, table, columns, data, options)
            text = gzip.decompress(data) if packed else data
            assert len(loaded) <= text.count(b"}") + text.count(b"]"), batch
            assert max(rejected, default=1) <= text.count(b"\n") + 1, batch
        except psycopg2.InternalError as error:
            assert packed and data != whole and "not a whole compressed file" in str(error), batch
