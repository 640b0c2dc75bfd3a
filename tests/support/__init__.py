"""Helpers of several test modules: servers and proxies, projects, data, and queries on all of them.

conftest.py registers the fixtures. Import functions and constants from here.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLE = ROOT / "tests/data"
REAL_DATA = ROOT.parent / "shared" / "sparkify-data"
