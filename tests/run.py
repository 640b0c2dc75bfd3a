"""Run the whole suite in two processes, each with one half of the test files. Options are pytest's.

The first process prints as it runs. The output of the second follows at the end.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterable

ROOT = Path(__file__).resolve().parent.parent
NOTHING_SELECTED = 5  # pytest's exit status if -k selects no test, which is normal for one half
SECONDS = {  # of the slow files, measured on two cores
    "test_file_histories.py": 45, "test_ledger.py": 36, "test_retries.py": 36,
    "test_end_to_end.py": 33, "test_incremental.py": 30, "test_failures.py": 26,
    "test_benchmark.py": 24, "test_classics.py": 20, "test_command.py": 20,
    "test_create_tables.py": 20, "test_rejected_rows.py": 20, "test_locks.py": 18,
    "test_server.py": 16, "test_signals.py": 16, "test_copy_errors.py": 15, "test_history.py": 13,
    "test_preflight.py": 13, "test_environment.py": 12, "test_patience.py": 12,
    "test_s3_faults.py": 12, "test_report.py": 10, "test_isolation.py": 8, "test_faults.py": 7,
    "test_deploy.py": 6, "test_logins.py": 6, "test_advice.py": 5, "test_copy.py": 5,
    "test_two_boxes.py": 5, "test_config.py": 4, "test_connection.py": 4, "test_kills.py": 4,
    "test_processes.py": 4, "test_views.py": 4,
}
SECONDS_OF_OTHERS = 1


def split(files: Iterable[Path]) -> tuple[set[Path], set[Path]]:
    """Split the files into two halves that take about the same time.

    Each file, the slowest first, goes to the half with less work.
    """
    def seconds(file: Path) -> int:
        return SECONDS.get(file.name, SECONDS_OF_OTHERS)

    one, two = set(), set()
    for file in sorted(files, key=lambda file: (-seconds(file), file.name)):
        min(one, two, key=lambda half: sum(map(seconds, half))).add(file)
    return one, two


def main() -> int:
    command = [sys.executable, "-m", "pytest", "-q", "tests", *sys.argv[1:]]
    with tempfile.TemporaryFile("w+") as output:
        second = subprocess.Popen(
            [*command, "--part=2"], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        first = subprocess.Popen([*command, "--part=1"], cwd=ROOT)
        try:
            first.wait()
            second.wait()
        except KeyboardInterrupt:  # both processes got the signal as well, and stop their servers
            first.wait()
            second.wait()
        output.seek(0)
        print(output.read())
    return max({first.returncode, second.returncode} - {NOTHING_SELECTED}, default=NOTHING_SELECTED)


if __name__ == "__main__":
    sys.exit(main())
