"""What several test modules use: servers and proxies, projects, data, and questions to all of them.

conftest.py makes the fixtures known; functions and constants are imported from here.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLE = ROOT / "tests/data"
REAL_DATA = ROOT.parent / "shared" / "sparkify-data"
