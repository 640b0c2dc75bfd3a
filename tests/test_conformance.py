"""The conformance table: what COPY and CREATE TABLE do in each case that AWS documents, or leaves open.

conformance.csv has a line for each case: its id, which the tests have in their names or comments, the
verdict, and the tests that prove it. To count the verdicts:

    cut -d, -f3 tests/conformance.csv | sort | uniq -c
"""

import csv
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = list(csv.DictReader((HERE / "conformance.csv").read_text().splitlines()))
VERDICTS = ("as AWS documents", "as on a cluster", "strict", "refused by name", "open")
TESTS = {
    name
    for path in HERE.glob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
}


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_every_case_has_a_verdict_and_tests_that_exist(case):
    assert None not in case and None not in case.values(), "a comma too many or too few"
    assert case["case"] and case["verdict"] in VERDICTS
    tests = case["tests"].split()
    assert set(tests) <= TESTS
    assert tests or (case["verdict"] == "open" and case["why"])


def test_every_id_occurs_once_and_no_id_in_a_test_is_missing():
    ids = [case["id"] for case in CASES]
    assert len(set(ids)) == len(ids)
    carried = {
        found.upper()
        for path in HERE.glob("test_*.py")
        for found in re.findall(r"(?:\"|_|# |, )([LPJTED][1-9]\d?)(?=[\"_ ,-])", path.read_text(), re.I)
    }
    assert carried <= set(ids)
