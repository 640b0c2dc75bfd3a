"""The whole suite, in two processes side by side, each with one half of the files. Options are pytest's.

Both print what they find: the first half as it goes, the second at the end.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTHING_SELECTED = 5  # pytest's exit status where -k leaves nothing, as it may in one half


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
