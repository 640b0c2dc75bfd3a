"""The benchmark runs, prints its table, and leaves nothing behind. Its figures are not tested."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import benchmark
import pytest
from support import ROOT


@pytest.fixture
def folder():
    """Not under pytest's own folder, where the account that serves when root runs this cannot go."""
    folder = Path(tempfile.mkdtemp(prefix="sparkify-tests-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def run_benchmark(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, ROOT / "tests" / "benchmark.py", *arguments], text=True,
                          capture_output=True, env=os.environ | {"TMPDIR": str(folder)})


def find_processes(folder: Path) -> list[str]:
    """Return the numbers of the processes whose working folder it is, such as a server and moto."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(process / "cwd").startswith(str(folder)):
                found.append(process.name)
        except OSError:  # ended, or not ours
            pass
    return found


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split(" | ")]


@pytest.mark.parametrize("names, options", [
    (["copy", "files", "errors"], ["--runs", "2"]), (["night"], ["--loaded", "10000", "50000"])],
    ids=["of COPY, twice", "of nights"])
def test_each_comparison_has_lines_in_the_table_and_leaves_nothing_behind(folder, names, options):
    done = run_benchmark(folder, *names, "--quick", *options)
    assert done.returncode == 0, done.stderr
    header, _, *lines = [
        cells_of(line) for line in done.stdout.splitlines() if line.startswith("|")]
    assert {len(line) for line in lines} == {len(header)}
    assert list(dict.fromkeys(line[0] for line in lines)) == names
    assert list(folder.iterdir()) == []
    assert find_processes(folder) == []


def test_an_unknown_comparison_is_refused(folder):
    done = run_benchmark(folder, "speed")
    assert done.returncode == 2
    assert "no such comparison: speed" in done.stderr


@pytest.mark.parametrize("statement, part", [
    ("DELETE FROM users", "delete"), ("delete users", "delete"), ("touch plays", "touch and match"),
    ("span of touched_plays", "touch and match"), ("ANALYZE users", "analyze"),
    ("insert users", "inserts"), ("update songplays", "inserts"), ("copy staging_events", "COPY"),
    ("users_unique", "checks"), ("count songplays", "report"),
])
def test_the_time_of_a_statement_counts_in_the_part_of_its_first_word(statement, part):
    assert benchmark.part_of(statement) == part
