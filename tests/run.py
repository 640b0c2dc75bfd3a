"""The whole suite, in two processes side by side, each with one half of the files. Options are pytest's.

Both print what they find: the first half as it goes, the second at the end.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterable

ROOT = Path(__file__).resolve().parent.parent
NOTHING_SELECTED = 5  # pytest's exit status where -k leaves nothing, as it may in one half
SECONDS = {  # that the slow files take, measured on two cores
    "test_incremental.py": 60, "test_file_histories.py": 50, "test_ledger.py": 50,
    "test_benchmark.py": 45, "test_command.py": 40, "test_classics.py": 40,
    "test_end_to_end.py": 32, "test_retries.py": 30, "test_failures.py": 28,
    "test_create_tables.py": 22, "test_preflight.py": 18,
    "test_copy_errors.py": 15, "test_server.py": 14, "test_environment.py": 13,
    "test_s3_faults.py": 12, "test_logins.py": 12, "test_signals.py": 12, "test_copy.py": 8,
    "test_config.py": 8,
}
SECONDS_OF_OTHERS = 3


def halves(files: Iterable[Path]) -> tuple[set[Path], set[Path]]:
    """The files, each in one of two halves that take about as long.

    They are dealt out, the slowest first, each to the half that has less to do.
    """
    def seconds(file: Path) -> int:
        return SECONDS.get(file.name, SECONDS_OF_OTHERS)

    one, two = set(), set()
    for file in sorted(files, key=lambda file: (-seconds(file), file.name)):
        min(one, two, key=lambda half: sum(map(seconds, half))).add(file)
    return one, two


def main() -> int:
    command = [sys.executable, "-m", "pytest", "-q", "tests", *sys.argv[1:]]
    with tempfile.TemporaryFile("w+") as said:
        second = subprocess.Popen(
            [*command, "--part=2"], cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
        first = subprocess.Popen([*command, "--part=1"], cwd=ROOT)
        try:
            first.wait()
            second.wait()
        except KeyboardInterrupt:  # they have had it as well, and stop their servers
            first.wait()
            second.wait()
        said.seek(0)
        print(said.read())
    return max({first.returncode, second.returncode} - {NOTHING_SELECTED}, default=NOTHING_SELECTED)


if __name__ == "__main__":
    sys.exit(main())
