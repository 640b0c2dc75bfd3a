"""The SQL that PostgreSQL accepts and Redshift refuses or runs differently, row by row.

dialect_rows.csv has the rows, numbered like our notes on Redshift, each with a verdict (refused,
emulated, impossible to see) and a statement that proves it. To list them:

    python -m pytest tests/test_dialect_rows.py -v
"""

import ast
import csv
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import psycopg2
import pytest
from support import ROOT
from support.scratch import run

VERDICTS = ("refused", "emulated", "impossible to see")


class Row(NamedTuple):
    """A difference. `statement` is a script or, if refused, one statement per line.

    `outcome` is a part of each refusal's message, or the rows of the script's last statement, or
    after `error: ` a part of PostgreSQL's message.
    """

    row: str
    what: str
    verdict: str
    statement: str
    outcome: str
    why: str


ROWS = [Row(**row) for row in csv.DictReader(
    (Path(__file__).parent / "dialect_rows.csv").read_text().splitlines(keepends=True))]

TABLES = """
    CREATE TABLE t (a INT, b BIGINT, c VARCHAR(20), d TIMESTAMP, e NUMERIC(8, 2));
    CREATE TABLE u (a INT, c VARCHAR(20));
    INSERT INTO t VALUES
        (1, 1, 'x', '2018-11-01 21:01:46.796', 1.5), (2, 2, 'x2', '2018-11-30 10:00:00', 2.5);
    INSERT INTO u VALUES (1, 'y'), (3, 'z');
"""


def run_script(connection, statement, tmp_path):
    """Run a script. Return its rows as text, separated by semicolons, or its error."""
    (tmp_path / "data").write_text('{"n": 20.259}')
    script = statement.replace("{data}", str(tmp_path / "data"))
    if script == "{huge}":
        script = f"SELECT '{'x' * (16 << 20)}'"
    run(connection, TABLES)
    try:
        rows = run(connection, script)
    except psycopg2.Error as error:
        return f"error: {error}"
    return "; ".join(", ".join(map(str, row)) for row in rows)


def parametrize_rows(*verdicts):
    rows = [row for row in ROWS if row.verdict in verdicts and row.statement]
    return pytest.mark.parametrize("row", rows, ids=[f"{r.row} {r.what}" for r in rows])


@parametrize_rows("refused")
def test_refused(connection, tmp_path, row):
    for statement in row.statement.splitlines():
        said = run_script(connection, statement, tmp_path)
        assert said.startswith("error: ") and "Redshift" in said and row.outcome in said
        connection.rollback()


@parametrize_rows("emulated")
def test_emulated(connection, tmp_path, row):
    given = run_script(connection, row.statement, tmp_path)
    if row.outcome.startswith("error: "):
        assert given.startswith("error: ") and row.outcome[7:] in given
    else:
        assert given == row.outcome


@parametrize_rows("impossible to see")
def test_impossible_to_see(connection, tmp_path, row):
    """It runs here without a message and differs from Redshift. If this changes, change the verdict."""
    assert run_script(connection, row.statement, tmp_path) == row.outcome


def test_every_row_has_a_verdict_and_what_proves_it():
    for row in ROWS:
        assert row.verdict in VERDICTS, row
        assert row.statement and row.outcome, row
        assert row.why or row.verdict != "impossible to see", row
    assert max(Counter(row.row for row in ROWS).values()) == 1
    numbers = {int(n) for row in ROWS for n in re.findall(r"^3\.7-(\d+)", row.row)}
    assert numbers == set(range(1, 59))
    assert {row.row[:3] for row in ROWS} == {f"3.{n}" for n in range(1, 8)}


def test_the_readme_of_the_tests_lists_what_is_impossible_to_see():
    readme = (ROOT / "tests" / "README.md").read_text()
    listed = re.findall(r"\(row (3\.\d-\w+)\)", readme)
    assert sorted(listed) == sorted(r.row for r in ROWS if r.verdict == "impossible to see")


PAGE = re.compile(r"\b(?:[crt]_[A-Z][\w-]+|(?:c_unsupported|r_names|r_pg)[\w-]*)|\(SPLIT_PART\)")


@pytest.mark.parametrize("text, is_page", [
    ("(r_names)", True), ("r_pg_keywords: words", True), ("(r_pg)", True), ("(r_LOCK)", True),
    ("c_SQL_commands", True), ("c_unsupported-postgresql-functions", True), ("(SPLIT_PART)", True),
    ("Redshift has no such name", False), ("for_names", False), ("r_", False), ("r_A", False)])
def test_the_name_of_a_page_is_recognised(text, is_page):
    assert bool(PAGE.search(text)) == is_page


@pytest.mark.parametrize("path", sorted((ROOT / "warehouse/standin/sql").glob("*.py")),
                         ids=lambda path: path.name)
def test_a_function_that_says_what_redshift_lacks_names_a_page_of_the_guide(path):
    source = path.read_text()
    for part in ast.walk(ast.parse(source)):
        if isinstance(part, ast.FunctionDef):
            text = ast.get_source_segment(source, part)
            assert "Redshift has no" not in text or PAGE.search(text), part.name


def test_every_list_of_what_redshift_lacks_begins_with_its_pages():
    source = (ROOT / "warehouse/standin/sql/refusals.py").read_text()
    lines = source[source.index("LACKS = ["):source.index("UNKNOWN = [")].splitlines()[1:]
    assert PAGE.search(lines[0])
    pages = [line for line in lines if line.startswith("    #")]
    assert len(pages) > 9 and all(PAGE.search(line) for line in pages)
