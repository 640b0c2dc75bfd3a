"""The real Sparkify data, if it is next to the project."""

import tarfile

import pytest

from support import REAL_DATA

needs_real_data = pytest.mark.skipif(
    not REAL_DATA.is_dir(), reason="the real Sparkify data is not next to the project")


@pytest.fixture(scope="session")
def real_songs() -> list[bytes]:
    """The documents of the songs, read from the archive: its 14,896 files take seconds to unpack."""
    with tarfile.open(REAL_DATA / "song_data.tar.gz") as archive:
        return [archive.extractfile(member).read().strip() for member in archive if member.isfile()]
