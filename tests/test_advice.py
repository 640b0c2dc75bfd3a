"""The advice about rejected rows, by their reason, their column and their file."""

import pytest
from support.documents import event, song
from support.runs import expect_refusal

DIGITS = "9" * 20
SWAPPED = "are LOG_DATA and SONG_DATA swapped"
JQ = "If a file is one JSON array, convert it with jq -c '.[]' FILE"
CASES = {  # what the files hold, the advice, and advice that would mislead
    "songs in one array": (
        {"song_data/1.json": "[{}]"}, (JQ,), ("LOG_JSONPATH",)),
    "logs in one array": (
        {"log_data/1.json": '[{"ts": 1}]'}, (JQ, "LOG_JSONPATH"), ()),
    "a text longer than its column, which is shown cut": (
        {"log_data/1.json": [event(1, userAgent="x" * 2049)]},
        ("widen useragent to more than 2,048 bytes",), ("1,024",)),
    "an integer that no type holds": (
        {"log_data/1.json": [event(1, userId=DIGITS)]},
        ("userid takes numbers up to 9223372036854775807.",), ("BIGINT",)),
    "an integer too large for its column": (
        {"log_data/1.json": [event(1, itemInSession=3_000_000_000)]},
        ("Or make iteminsession a BIGINT",), ("takes digits",)),
    "a song without an id": (
        {"song_data/1.json": {"title": "x", "artist_id": "AR1", "artist_name": "y", "duration": 1.0}},
        ("Every song needs song_id, under that name.", "move it out of SONG_DATA"), ("LOG_JSONPATH",)),
    "a decimal that is a word": (
        {"log_data/1.json": [event(1, length="long")]},
        ("length takes a number such as 200.5",), ("digits only",)),
    "a number with a blank before it": (
        {"log_data/1.json": [event(1, userId=" x39")]}, ("in ' x39'",), ()),
    "a song among the logs": (
        {"log_data/1.json": [song()]}, ("This looks like a song file", SWAPPED), ("LOG_JSONPATH",)),
    "a log among the songs": (
        {"song_data/1.json": [event(1)]}, ("This looks like a log file", SWAPPED), ()),
    "a file of another program": (
        {"log_data/.a.json.crc": b"crc\x00\x01"}, ("move it out of LOG_DATA",), ()),
    "a file that is packed": (
        {"log_data/1.json.zip": b"PK\x03\x04"},
        ("A file name ends in .zip: convert that zip file to plain JSON.",), ()),
}


@pytest.mark.parametrize("files, said, wrong", CASES.values(), ids=CASES)
def test_advice_fits_the_reason_and_the_file(warehouse, files, said, wrong):
    warehouse.write("log_data/0.json", [event(100)])
    warehouse.write("song_data/0.json", song("SO0"))
    for name, content in files.items():
        warehouse.write(name, content)
    message = expect_refusal(warehouse, 3, *said)
    assert [text for text in wrong if text in message] == []


def test_a_key_in_other_case_under_auto_suggests_auto_ignorecase(warehouse):
    warehouse.write("log_data/0.json", [event(100)])
    warehouse.write("song_data/0.json", song("SO0"))
    warehouse.configure(LOG_JSONPATH="auto")
    expect_refusal(warehouse, 3, "auto is case-sensitive, auto ignorecase is not")


@pytest.mark.parametrize("content, said", [
    (None, "No such file or directory. Check LOG_JSONPATH in dwh.cfg: it is the path of a file"),
    (b'\xef\xbb\xbf{"jsonpaths": ["$.ts"]}', "begins with a byte order mark; save it as UTF-8 without one"),
    ('{"jsonpaths": ["$.ts"]}'.encode("utf-16"), "it begins with a byte order mark"),
    (b'{"jsonpaths": ["$.\xe9"]}', "it is not text in UTF-8"),
], ids=["missing", "a byte order mark", "UTF-16", "Latin-1"])
def test_a_jsonpaths_file_that_cannot_be_read_is_named(warehouse, content, said):
    warehouse.write("log_data/0.json", [event(100)])
    warehouse.write("song_data/0.json", song("SO0"))
    if content:
        warehouse.write("paths.json", content)
    warehouse.configure(LOG_JSONPATH="paths.json")
    expect_refusal(warehouse, 1, f"{warehouse.folder}/paths.json", said)


def test_names_of_files_are_printed_as_one_line_without_control_characters(warehouse):
    warehouse.write("song_data/0.json", song("SO0"))
    warehouse.write("log_data/a\x1b[31m\nb.json", [event(1, userId="x")])
    done = warehouse.run("etl.py")
    assert r"log_data/a\x1b[31m\nb.json:1: column userid" in done.stderr and "\x1b" not in done.stderr
    status = warehouse.run("etl.py", "--dry-run")
    assert r"a\x1b[31m\nb.json" in status.stdout and "\x1b" not in status.stdout
