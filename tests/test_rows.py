"""Files of JSON documents: rows, errors and their lines, for chunks of any size."""

import io
import json
import random
from decimal import Decimal

import pytest

from warehouse.jsonpaths import parse_jsonpath, parse_jsonpaths
from warehouse.standin.copy import documents, rows
from warehouse.standin.copy.documents import MAX_DOCUMENT
from warehouse.standin.copy.mapping import Keys, Paths
from warehouse.standin.copy.rows import Reader
from warehouse.standin.copy.values import (
    NULL,
    SEPARATOR,
    Column,
    NotEmulated,
    Options,
    Rejected,
)

ROUNDED = Options(roundec=True)
COLUMNS = [
    Column("id", "int4"), Column("name", "varchar", 12), Column("price", "numeric", 8, 2),
    Column("seen", "timestamp"),
]


def read(data, mapping=None, columns=COLUMNS, options=ROUNDED, header=0):
    """Read a file. Return its lines, and its errors as (line, column, code, reason, value, raw line)."""
    errors = []

    def reject(url: str, line: int, rejected: Rejected) -> None:
        name = rejected.column.name if rejected.column else ""
        errors.append(
            (line, name, rejected.code, rejected.reason, rejected.value, rejected.raw_line))

    reader = Reader(columns, mapping or Keys(columns, ignorecase=False), options, reject,
                    lambda *replaced: None, header)
    stream = io.BytesIO(data if isinstance(data, bytes) else data.encode())
    made = b"".join([*reader.convert_file(stream, "file"), *reader.flush()])
    lines = made.decode().split("\n")[:-1]
    assert reader.rows == len(lines)
    return lines, errors


def read_ids(data, **options):
    """Read a file. Return the loaded ids, and the lines with errors."""
    lines, errors = read(data, **options)
    return [int(line.split(SEPARATOR)[0]) for line in lines], [error[0] for error in errors]


@pytest.mark.parametrize("data, loaded, wrong", [
    pytest.param('{"id":1}\n{"id":2}\n', [1, 2], [], id="§1.2-lines"),
    pytest.param('{"id":1}{"id":2} {"id":3}', [1, 2, 3], [], id="§1.9-1-joined"),
    pytest.param('{\n  "id":\n1\n}\n\n\t{\n"id": 2}', [1, 2], [], id="J10"),
    pytest.param('{"id":1}\r\n{"id":2}\r\n', [1, 2], [], id="T13"),
    pytest.param("", [], [], id="§1.10-empty"),
    pytest.param(" \n\t\r\n", [], [], id="§1.10-blank"),
    pytest.param('{"id":1},\n{"id":2},\n{"id":3}', [1, 2, 3], [1, 2], id="J13"),
    pytest.param('x\n{"id":1} y {"id":2}\n"z"', [1, 2], [1, 2, 3], id="J13-text"),
    pytest.param('{"id":1}\n{"id":2,"name":x}\n{"id":3}', [1, 3], [2], id="J12"),
    pytest.param('{"id":1}\n{\n"id":\n"x"\n}\n{"id":3}', [1, 3], [5], id="J12-last-line"),
    pytest.param('{"id":1}\n{"id":2\n{"id":3}', [1, 3], [2], id="J12-incomplete"),
    pytest.param('{"id":1}\n{"id":2,"name":"x\n{"id":3}', [1, 3], [2], id="J12-quote"),
    pytest.param('{"id":1}\n{"id":2', [1], [2], id="J12-cut"),
    pytest.param("{'id':1}\n{\"id\":2}", [2], [1], id="§1.2-quotes"),
    pytest.param('{"id":NaN}\n{"id":2}', [2], [1], id="§1.2-NaN"),
    pytest.param('{"id":1,}\n{"id":2}', [2], [1], id="§1.2-comma"),
    pytest.param('[{"id":1},{"id":2}]\n{"id":3}', [3], [1], id="J11-array"),
    pytest.param('1\n"x"\nnull\n{"id":3}', [3], [1, 2, 3], id="J11-scalar"),
    pytest.param('\ufeff{"id":1}', [1], [1], id="§1.10-BOM"),
    pytest.param('{"id":1,"id":2}', [2], [], id="§1.10-doubled-key"),  # the last one, as JSON does
    pytest.param("[" * 5000 + "\n" + '{"id":2}', [2], [1], id="§1.2-deep"),
    pytest.param('{"id":1,"name":' + "[" * 5000 + "]" * 5000 + '}\n{"id":2}', [2], [1], id="deep"),
])
def test_a_file_is_read_document_by_document(data, loaded, wrong):
    assert read_ids(data) == (loaded, wrong)


@pytest.mark.parametrize("header, loaded, wrong", [
    (0, [1, 2], [1, 3]), (1, [1, 2], [3]), (2, [2], [3]), (3, [2], []), (4, [], []), (9, [], []),
], ids="J23-{0} J23-1 J23-2 J23-3 J23-4 J23-9".split())
def test_a_header_is_so_many_physical_lines_of_every_file(header, loaded, wrong):
    data = 'a header\n{"id":1}\nx\n{"id":2}'
    assert read_ids(data, header=header) == (loaded, wrong)


def test_a_header_ends_inside_a_document_if_it_says_so():
    assert read_ids('{"id":1,\n"name":"x"}\n{"id":2}', header=1) == ([2], [2])


def test_j21_a_document_of_4_megabytes_loads_and_a_larger_one_fails():
    fits = '{"id":1,"x":"' + "é" * 2_097_144 + '"}'
    assert len(fits.encode()) == MAX_DOCUMENT - 1
    assert read_ids(f"{fits}\n{{\"id\":2}}") == ([1, 2], [])
    without_end = "[" + "1,\n" * 3_000_000
    for larger in (fits.replace("é", "éé", 1), f'{{"x":"{"a" * 9_000_000}"}}', without_end):
        lines, errors = read(f"{larger}\n{{\"id\":2}}")
        assert [line[0] for line in lines] == ["2"]
        assert [error[3] for error in errors] == ["JSON document is larger than 4194304 bytes"]


def test_stray_text_without_end_is_one_error():
    lines, errors = read(b"\x00" * 9_000_000 + b'\n{"id":2}')
    assert [line[0] for line in lines] == ["2"] and len(errors) == 1


def test_the_errors_of_a_file_are_in_the_order_of_its_lines():
    data = '{"id":"a"}\n{"id":}\n{"id":"b"}\n,\n{"id":"c"}\n{"id":1}\n{"id":"d"}'
    assert read_ids(data) == ([1], [1, 2, 3, 4, 5, 7])


def test_an_error_has_the_value_and_the_text_from_its_document_on():
    data = '{"id":1} ,\n{"name": "x", "id": "3é4"}\n{"id": 5, "oops\n' + '{"id":7}\n' * 200
    _, errors = read(data)
    assert errors == [
        (1, "", 1216, "Invalid JSON: text outside of an object or array", ",", data[9:1033]),
        (2, "id", 1207, "Invalid digit, Value 'é', Pos 1, Type: Integer", "3é4", data[11:1035]),
        (3, "", 1216, "Invalid JSON: Invalid control character at character 16 of the document",
         '{"id": 5, "oops', data[38:1062]),
    ]


@pytest.mark.parametrize("data, lines", [
    ("", 0), ("{}", 1), ("{}\n", 1), ("{}\n\n{", 3), ("x\ny", 2),
])
def test_the_lines_of_a_file_are_counted(data, lines):
    reader = Reader(COLUMNS, Keys(COLUMNS, False), Options(), lambda *_: None, lambda *_: None)
    list(reader.convert_file(io.BytesIO(data.encode()), "file"))
    assert reader.lines_scanned == lines


def test_a_character_that_a_chunk_cuts_does_not_end_the_file(monkeypatch):
    monkeypatch.setattr(documents, "CHUNK", 1)
    assert read_ids('{"id":1}\ufeff\n{"id":2}\n{"id":3}') == ([1, 2, 3], [1])


@pytest.mark.parametrize("path, steps", [
    ("$['a']['b'][0]", ["a", "b", 0]), ("$.a.b[0]", ["a", "b", 0]), ("$[0]", [0]),
    ("$[1][2]", [1, 2]), ("$['a.b']", ["a.b"]), ("$['*']", ["*"]), ("$[0].a", [0, "a"]),
    ("$[0]['a']", [0, "a"]),
    *[(path, None) for path in (
        "", "$", "a", "$.", "$..a", "$.a['b']", "$['a'].b", "$.*", "$['a'][*]", "$[-1]", "$[0:1]",
        "$.a b", "$.a'b", "$['']", '$["a"]', "$[?(@.a)]", "$.a\n")],
    (None, None), (1, None), ([], None),
])
def test_a_jsonpath_has_the_steps_that_redshift_supports(path, steps):
    assert parse_jsonpath(path) == steps


@pytest.mark.parametrize("text, problem", [
    pytest.param(b'{"jsonpaths": ["$[\'a\']"', "Expecting", id="J18-malformed"),
    pytest.param(b'{"jsonpaths": ["$.a"]} {}', "Extra data", id="J18-two-objects"),
    pytest.param(b'{"jsonpaths": ["$.a", ""]}', "''", id="J18-empty"),
    pytest.param(b'{"jsonpaths": ["$.a", 5]}', "5", id="J18-number"),
    pytest.param(b'["$.a"]', "not one JSON object", id="J18-array"),
    pytest.param(b'{"jsonpaths": "$.a"}', "not an array", id="J18-text"),
    pytest.param(b'{"jsonpaths": ["$.a", "$[\'b\']"]}', "mixed", id="J15-mixed"),
    pytest.param(b'{"jsonpaths": ["$.a.*"]}', "not supported", id="J15-wildcard"),
    pytest.param('{"jsonpaths": ["$.a"]}'.encode("utf-16"), "byte order mark", id="§1.2-utf-16"),
    pytest.param(b'{"jsonpaths": ["$.\xe9"]}', "not text in UTF-8", id="§1.2-latin-1"),
    pytest.param(b"[" * 100_000, "nested too deeply", id="J18-deep"),
])
def test_a_jsonpaths_file_that_is_wrong_is_refused(text, problem):
    with pytest.raises(ValueError, match=problem):
        parse_jsonpaths(text)


def test_j17_a_jsonpaths_file_without_that_key_is_none():
    assert parse_jsonpaths(b'{"paths": ["$.a"]}') is None


@pytest.mark.parametrize("document, value", [
    ('{"a":{"b":[7]}}', "7"), ('{"a":{"b":[]}}', "array"), ('{"a":{"b":5}}', "array"),
    ('{"a":{}}', "array"), ('{"a":null}', "array"), ('{"a":5}', "object"), ("[1]", "object"),
])
def test_j16_a_member_may_be_missing_and_an_element_may_not(document, value):
    lines, errors = read(document, Paths([["a", "b", 0]]), [Column("v", "int4")])
    if value == "7":
        assert (lines, errors) == (["7"], [])
    else:
        reason = {"array": "Invalid JSONPath format: Not an array or index out of range.",
                  "object": "Invalid JSONPath format: Member is not an object."}[value]
        assert (lines, [error[2:4] for error in errors]) == ([], [(1216, reason)])


def test_j16_a_member_that_is_missing_is_null():
    assert read('{"a":1}\n{"b":{"c":null}}\n{"b":{}}\n{}', Paths([["b", "c"]]),
                [Column("v", "int4")])[0] == [NULL] * 4


def test_a_document_that_fits_no_column_is_rejected_where_a_date_may_be_anything():
    options = Options(acceptanydate=True, timeformat="epochmillisecs")
    for columns in ([Column("ts", "timestamp")], [Column("ts", "timestamp"), Column("i", "int4")]):
        lines, errors = read('[1]\n{"ts":1,"i":2}', columns=columns, options=options)
        assert len(lines) == 1 and [error[:3] for error in errors] == [(1, "", 1216)]


# ---------------------------------------------------------------------------------- fast and slow

KINDS = [
    Column("id", "int4"), Column("name", "varchar", 12), Column("price", "numeric", 8, 2),
    Column("seen", "timestamp"), Column("level", "varchar", 9, 0, True), Column("flag", "bool"),
    Column("code", "bpchar", 3), Column("ratio", "float8"), Column("near", "float4"),
    Column("born", "date"), Column("at", "timestamptz"), Column("number", "int8", 0, 0, True),
    Column("fine", "numeric", 38, 20),
]
USUAL = {
    "id": (7, "7", -1), "name": ("a", "a ", "naïve", ""), "price": (1, 20.25, "3.10"),
    "seen": ("2018-11-30 10:00:00", "2018-11-30 10:00:00.25"), "level": ("free", "paid"),
    "flag": (True, False, "t"), "code": ("abc", "ab"), "ratio": (0.5, "2"), "near": (1.5,),
    "born": ("2018-02-28", "2016-02-29"), "at": ("2018-11-30 10:00:00+01",),
    "number": (1541030409796, 2), "fine": (0.1, "0.10000000000000000001"),
}
ODD = (
    None, True, False, 0, -5, 12, 2**31, 2**63, 7.0, 1541030409796.0, 1e15, "7.0", 1.5, 20.259, 0.29,
    1e300, 1e-320, "", " ", "7", "x", "+1", " 1", "1e2", "12.", -0.0, "-0", "naïve 🎵", "a\tb\n\\",
    "\\N", "\\.", "a\udcff\ud800", "\ufdd0", "\ufffe", "\x02", "\x03", "\x04", "a\x03",
    "2018-11-31 10:00:00", "2018-02-29", "1541030409796", "twelve bytes", "thirteen bytes", "x" * 300,
    [], {}, {"id": 1}, ["a", 1.50], "\ud800", "\0", "\r",
)
BETWEEN = (b"\n",) * 9 + (b"\r\n", b"", b" ", b",", b", x\n", b"\n\n", b"\n{\n", b"\xef\xbb\xbf\n")
OPTIONS = (
    Options(roundec=True), Options(roundec=True, trimblanks=True), Options(),
    Options(trimblanks=True, acceptinvchars="?"), Options(truncatecolumns=True, emptyasnull=True),
    Options(blanksasnull=True, timeformat="epochmillisecs"),
    Options(acceptanydate=True, dateformat="YYYY-MM-DD", timeformat="auto"),
)
MAPPINGS = (
    Keys(KINDS, False), Keys(KINDS, True), Paths([[column.name] for column in KINDS]),
    Paths([["other", "id"] if column.name == "name" else [column.name] for column in KINDS]),
    Paths([["name"], *[[column.name] for column in KINDS[1:]]]),
)


def random_file(chance: random.Random, documents: int) -> bytes:
    """Make a file of documents, most of them ordinary, with odd values in them and between them."""
    pieces = []
    oddity, damage = chance.choice((0, 0.02, 0.3)), chance.choice((0, 0.02, 0.3))
    for _ in range(documents):
        document = {
            name: chance.choice(ODD if chance.random() < oddity else usual)
            for name, usual in USUAL.items() if chance.random() >= oddity / 3}
        if chance.random() < oddity:
            document[chance.choice(("ID", "other", "Name"))] = chance.choice(ODD)
        text = json.dumps(document, ensure_ascii=chance.random() < 0.5,
                          indent=chance.choice((None, None, None, None, 0, 1)))
        data = bytearray(text.encode("utf-8", "surrogatepass"))
        if chance.random() < damage:
            data[chance.randrange(len(data))] = chance.randrange(256)
        if chance.random() < damage / 3:
            del data[chance.randrange(len(data)):]
        pieces += bytes(data), chance.choice(BETWEEN) if chance.random() < damage else b"\n"
    return b"".join(pieces)


def read_as_loaded(*args, **how):
    """Read a file. Return values as the table has them: 12 and 12.00 are one NUMERIC(8, 2)."""
    try:
        lines, errors = read(*args, **how)
    except NotEmulated as error:
        return str(error)
    numbers = [(place, {"numeric": Decimal, "float4": float, "float8": float}[column.type])
               for place, column in enumerate(KINDS) if column.type in ("numeric", "float4", "float8")]
    rows = []
    for line in lines:
        fields = line.split(SEPARATOR)
        for place, number in numbers:
            if fields[place] != NULL:
                fields[place] = number(fields[place])
        rows.append(fields)
    return rows, errors


@pytest.mark.parametrize("part", range(40))
def test_the_fast_path_the_slow_path_and_small_chunks_read_alike(
    part, document_count, monkeypatch
):
    """They give the same rows, and the same errors in the same order (--documents=100000 tries more)."""
    compared, chance = 0, random.Random(part)
    while compared < document_count / 40:
        size = chance.choice((1, 5, 20, 100))
        data, compared = random_file(chance, size), compared + size
        how = {"columns": KINDS, "mapping": chance.choice(MAPPINGS),
               "options": chance.choice(OPTIONS)}
        found = read_as_loaded(data, **how)
        for chunk in (None, chance.randrange(1, 40), chance.randrange(40, 5000)):
            with monkeypatch.context() as patch:
                if chunk:
                    patch.setattr(documents, "CHUNK", chunk)
                    patch.setattr(rows, "CHUNK", chance.choice((1, chunk, 100_000)))
                assert read_as_loaded(data, **how) == found
                patch.setattr(rows, "FAST", False)
                assert read_as_loaded(data, **how) == found


@pytest.mark.parametrize("seed", range(40))
def test_a_mutated_line_costs_itself_and_at_most_the_next_one(seed):
    chance = random.Random(seed)
    good = [json.dumps({"id": i, "name": f"n{i}", "other": {"id": [i]}}) for i in range(200)]
    data = bytearray("\n".join(good).encode() + b"\n")
    starts = [0]
    for line in good:
        starts.append(starts[-1] + len(line) + 1)
    hit, lost = set(), set()
    for _ in range(chance.randrange(1, 12)):
        at = chance.randrange(len(data))
        line = next(i for i, start in enumerate(starts[1:]) if at < start)
        lost |= {line, line + 1} if at == starts[line + 1] - 1 else {line}
        hit.add(line)
        data[at] = chance.randrange(256)
    lines, errors = read(bytes(data), columns=COLUMNS[:2])
    loaded = {line.split(SEPARATOR)[1] for line in lines}
    assert {f"n{i}" for i in set(range(200)) - lost} <= loaded
    assert len(lines) <= len(good)
    assert all(1 <= error[0] <= 200 for error in errors)
