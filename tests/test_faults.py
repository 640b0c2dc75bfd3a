"""The faults of faults.csv, each with its tests, and the tests that belong to no other module."""

import bz2
import csv
import gzip
import importlib
import json
from pathlib import Path

import pytest
from support.documents import event
from support.project import LASTING
from support.runs import assert_refused, load_here
from support.sessions import execute

from warehouse import WarehouseError

FAULTS = list(csv.DictReader(
    (Path(__file__).parent / "faults.csv").read_text().splitlines(keepends=True)))


def test_every_fault_has_a_test():
    assert [int(fault["number"]) for fault in FAULTS] == list(range(1, 66))
    for fault in FAULTS:
        assert all(fault.values()), fault
        for test in fault["tests"].split():
            module, name = test.split("::")
            assert callable(getattr(importlib.import_module(module), name, None)), test


ODD_LINES = {  # the text in place of the artist, and whether the row is loaded
    "U+2028, which is no line break": (json.dumps("a\u2028b", ensure_ascii=False), True),
    "VT and FF, escaped": (r'"a\u000b\u000c"', True),
    "NUL": ('"a\0"', False),
    "NUL, escaped": (r'"a\u0000"', False),
    "a lone surrogate": (r'"\ud800"', False),
    "two surrogates the wrong way round": (r'"\udfb5\ud83c"', False),
    "a pair of surrogates": (r'"\ud83c\udfb5"', True),
    "NUL in a key that no column takes": (r'"The Band", "other": "\u0000\ud800"', True),
    "bytes that are not UTF-8": ('"\udcff"', False),
    "NaN": ("NaN", False),
    "nesting 100,000 deep": ("[" * 100_000 + "]" * 100_000, False),
    "text of 5 MB": (json.dumps("x" * 5_000_000), False),
}
ODD_LENGTHS = {"1e999": ("1e999", False), "5,000 digits": ("9" * 5000, False)}


def test_text_that_is_odd_is_loaded_or_rejected_and_its_neighbours_are_loaded(fresh):
    lines, expected = [], {1, 2, 5, 6}
    for key, usual, odd in (("artist", '"The Band"', ODD_LINES), ("length", "200.5", ODD_LENGTHS)):
        for value, loaded in odd.values():
            number = 10 + len(lines)
            line = json.dumps(event(number)).replace(f'"{key}": {usual}', f'"{key}": {value}')
            lines += [line, json.dumps(event(number + 1))]
            expected |= {number, number + 1} if loaded else {number + 1}
    half = json.dumps(event(99))[:-20]
    data = "\r\n".join([*lines, half]).encode("utf-8", "surrogateescape")
    fresh.write("log_data/odd.json", data)
    fresh.configure(MAX_ERRORS="100")
    load_here(fresh)
    loaded = {(ts.second - 10) % 60 for ts, in fresh.query("SELECT start_time FROM songplays")}
    assert loaded == expected
    assert fresh.query("SELECT COUNT(*) FROM songplays") == [(len(expected),)]


ENCODINGS = {  # the encoding of a file, and a part of the message
    "UTF-16": (lambda text: text.encode("utf-16"), "UTF-16"),
    "UTF-16 without BOM": (lambda text: text.encode("utf-16-le"), "UTF-16"),
    "UTF-16, big-endian, without BOM": (lambda text: text.encode("utf-16-be"), "UTF-16"),
    "UTF-8 with BOM": (lambda text: text.encode("utf-8-sig"), "byte order mark (BOM)"),
    "latin-1": (lambda text: text.encode("latin-1"), "invalid or unsupported UTF-8 codepoints"),
    "gzip": (lambda text: gzip.compress(text.encode()), "packed by gzip"),
    "bzip2": (lambda text: bz2.compress(text.encode()), "packed by bzip2"),
}


def test_a_file_in_another_encoding_is_never_loaded_as_if_it_were_right(fresh):
    for number, (name, (written, _)) in enumerate(ENCODINGS.items(), start=50):
        text = json.dumps(event(number, artist="Björk"), ensure_ascii=False)
        fresh.write(f"log_data/{name}", written(text))
    fresh.configure(MAX_ERRORS="1000")
    load_here(fresh)
    # The mark alone is rejected: the document after it is loaded.
    whole = 50 + list(ENCODINGS).index("UTF-8 with BOM")
    loaded = fresh.query("SELECT iteminsession FROM staging_events WHERE artist <> 'The Band'")
    assert loaded == [(whole,)]
    told = dict(fresh.query(
        "SELECT DISTINCT ON (file_name) TRIM(file_name), TRIM(error_message)"
        " FROM standin.sys_load_error_detail ORDER BY file_name, line_number"))
    for name, (_, says) in ENCODINGS.items():
        assert says in told[f"{fresh.folder}/log_data/{name}"]


INJECTION = "\"x'; DROP TABLE songs;--\""


def test_sql_in_a_value_of_dwh_cfg_harms_nothing(fresh, undisturbed):
    fresh.settings["IAM_ROLE"] = {"ARN": "default"}
    fresh.configure(CONNECT_TIMEOUT="1", RETRIES="0")
    for section, key in (
        ("CLUSTER", "HOST"), ("CLUSTER", "DB_PORT"), ("CLUSTER", "DB_NAME"), ("CLUSTER", "DB_USER"),
        ("CLUSTER", "DB_PASSWORD"), ("CLUSTER", "SCHEMA"), ("CLUSTER", "SSLMODE"),
        ("IAM_ROLE", "ARN"), ("S3", "LOG_DATA"), ("S3", "SONG_DATA"), ("S3", "LOG_JSONPATH"),
        ("S3", "REGION"), ("LOAD", "MAX_ERRORS"), ("LOAD", "STATEMENT_TIMEOUT"),
    ):
        usual = dict(fresh.settings[section])
        fresh.settings[section][key] = INJECTION
        with pytest.raises(WarehouseError):
            load_here(fresh)
        fresh.settings[section] = usual
    fresh.settings["S3"]["MANIFESTS"] = INJECTION  # it makes a folder of that name
    load_here(fresh)
    assert fresh.snapshot() == undisturbed


NOW = "now() AT TIME ZONE 'UTC'"  # SYSDATE: when the transaction began


def test_a_clock_that_goes_backwards_changes_nothing(fresh, undisturbed):
    files = {path: path.read_bytes() for path in fresh.folder.glob("*_data/[12].json")}
    for path in files:
        if path.name == "2.json":
            path.unlink()
    log = fresh.folder / "log_data/1.json"
    log.write_bytes(b"".join(files[log].splitlines(keepends=True)[:2]))
    load_here(fresh)
    execute(fresh, "UPDATE loaded_files SET loaded_at = loaded_at + INTERVAL '80 years'")
    for path, content in files.items():
        path.write_bytes(content)
    load_here(fresh)
    assert fresh.snapshot(LASTING) == {table: undisturbed[table] for table in LASTING}


def test_two_versions_of_a_file_loaded_at_the_same_instant_are_not_confused(
    fresh, undisturbed
):
    fresh.load()
    grown = [event(number) for number in (1, 2, 5, 6, 30)]
    fresh.write("log_data/1.json", grown)
    execute(fresh, f"""
        CREATE FUNCTION same_instant() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN UPDATE loaded_files SET loaded_at = {NOW}; RETURN NULL; END $$;
        CREATE TRIGGER same_instant AFTER INSERT ON loaded_files
        FOR EACH STATEMENT EXECUTE FUNCTION same_instant();
    """)
    assert_refused(fresh.run("etl.py"), 3, "loaded_files_unique", "log_data/1.json")
    assert fresh.snapshot() == undisturbed
    execute(fresh, "DROP FUNCTION same_instant CASCADE")
    fresh.load()
    assert fresh.query("SELECT COUNT(*) FROM songplays") == [(len(grown),)]


@pytest.mark.parametrize("environment", [
    {"TZ": "America/St_Johns", "LC_ALL": "C", "LANG": "tr_TR.UTF-8"},
    {"TZ": "Pacific/Apia", "PYTHONUTF8": "0", "HOME": "/nowhere"},
], ids=["C, behind UTC", "no home, before UTC"])
def test_a_bare_environment_gives_the_same_tables(fresh, undisturbed, environment):
    fresh.environment = environment
    fresh.load()
    assert fresh.snapshot() == undisturbed
