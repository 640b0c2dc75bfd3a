"""The cases of tests/cases, and comparisons of tables with the expected ones."""

import csv
import hashlib
import re
from pathlib import Path

from support import ROOT, oracle
from support.project import Project

CASES = sorted(path for path in (ROOT / "tests/cases").iterdir() if path.is_dir())


def settings_of(case: Path) -> dict[str, str]:
    file = case / "settings"
    lines = file.read_text().splitlines() if file.exists() else []
    return dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in lines)


def read_expected_tables(case: Path) -> dict[str, list[list[str | None]]]:
    """Return header and rows of each expected table, the rows sorted."""
    tables = {}
    for path in sorted((case / "expected").glob("*.csv")):
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        tables[path.stem] = [header, *sort_rows(list(map(parse_cell, row)) for row in rows)]
    return tables


def parse_cell(cell: str) -> str | None:
    if hashed := re.fullmatch(r"md5\((.*)\)", cell):
        return hashlib.md5(hashed[1].encode(), usedforsecurity=False).hexdigest()
    return None if cell == "NULL" else cell


def read_table(project: Project, table: str) -> list[list[str | None]]:
    """Return header and rows of a table as text, the rows sorted."""
    columns = [name for name, in project.query(
        "SELECT column_name FROM information_schema.columns"
        f" WHERE table_name = '{table}' ORDER BY ordinal_position")]
    as_text = ", ".join(f"CAST({column} AS text)" for column in columns)
    rows = project.query(f"SELECT {as_text} FROM {table}")
    return [columns, *sort_rows(map(list, rows))]


def sort_rows(rows) -> list[list[str | None]]:
    return sorted(rows, key=oracle.nulls_last)


def assert_same(found: dict[str, list[tuple]], expected: dict[str, list[tuple]]) -> None:
    """Compare table by table, because pytest takes minutes to show how large dictionaries differ."""
    assert {table: len(rows) for table, rows in found.items()} == {
        table: len(rows) for table, rows in expected.items()}
    for table, rows in expected.items():
        differing = [pair for pair in zip(found[table], rows, strict=True) if pair[0] != pair[1]]
        assert differing[:3] == [], table
