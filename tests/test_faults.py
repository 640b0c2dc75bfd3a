"""The faults of faults.csv, each with its test or the reason why there is none; and the last of them."""

import csv
import importlib
import json
from pathlib import Path

import pytest
from test_incremental import event
from test_retries import fresh, project_with_files, proxy, ready, undisturbed  # noqa: F401
from test_s3_faults import load

from warehouse import WarehouseError

FAULTS = list(csv.DictReader(
    (Path(__file__).parent / "faults.csv").read_text().splitlines(keepends=True)))


def test_every_fault_has_a_test_or_a_reason_why_there_is_none():
    assert [int(fault["number"]) for fault in FAULTS] == list(range(1, 63))
    for fault in FAULTS:
        assert all(fault[column] for column in ("fault", "behaviour")), fault
        assert bool(fault["tests"]) != bool(fault["missing"]), fault
        for test in fault["tests"].split():
            module, name = test.split("::")
            assert callable(getattr(importlib.import_module(module), name, None)), test


ODD_LINES = {  # what stands in place of the artist, and whether the row is loaded
    "U+2028, which is no line break": (json.dumps("a\u2028b", ensure_ascii=False), True),
    "VT and FF, escaped": (r'"a\u000b\u000c"', True),
    "NUL": ('"a\0"', False),
    "NUL, escaped": (r'"a\u0000"', False),
    "a lone surrogate": (r'"\ud800"', False),
    "bytes that are not UTF-8": ('"\udcff"', False),
    "NaN": ("NaN", False),
    "nesting 100,000 deep": ("[" * 100_000 + "]" * 100_000, False),
    "text of 5 MB": (json.dumps("x" * 5_000_000), False),
}
ODD_LENGTHS = {"1e999": ("1e999", False), "5,000 digits": ("9" * 5000, False)}


def test_text_that_is_odd_is_loaded_or_rejected_and_its_neighbours_are_loaded(fresh):  # noqa: F811
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
    load(fresh)
    loaded = {(ts.second - 10) % 60 for ts, in fresh.query("SELECT start_time FROM songplays")}
    assert loaded == expected
    assert fresh.query("SELECT COUNT(*) FROM songplays") == [(len(expected),)]


INJECTION = "\"x'; DROP TABLE songs;--\""


def test_sql_in_a_value_of_dwh_cfg_harms_nothing(fresh, undisturbed):  # noqa: F811
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
            load(fresh)
        fresh.settings[section] = usual
    fresh.settings["S3"]["MANIFESTS"] = INJECTION  # a folder of that name is made
    load(fresh)
    assert fresh.snapshot() == undisturbed


@pytest.mark.parametrize("environment", [
    {"TZ": "America/St_Johns", "LC_ALL": "C", "LANG": "tr_TR.UTF-8"},
    {"TZ": "Pacific/Apia", "PYTHONUTF8": "0", "HOME": "/nowhere"},
], ids=["C, behind UTC", "no home, before UTC"])
def test_a_bare_environment_gives_the_same_tables(fresh, undisturbed, environment):  # noqa: F811
    fresh.environment = environment
    fresh.load()
    assert fresh.snapshot() == undisturbed
