"""The suite in two halves, as run.py runs it."""

from pathlib import Path

from run import SECONDS, split

FILES = set(Path(__file__).parent.glob("test_*.py"))


def test_every_file_is_in_exactly_one_half():
    one, two = split(FILES)
    assert one | two == FILES and not one & two


def test_every_file_with_a_known_time_exists():
    assert set(SECONDS) <= {file.name for file in FILES}
