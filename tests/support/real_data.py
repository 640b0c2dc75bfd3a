"""The real Sparkify data, where it is beside the project."""

import tarfile

import pytest

from support import REAL_DATA

needs_real_data = pytest.mark.skipif(
    not REAL_DATA.is_dir(), reason="the real Sparkify data is not beside the project")


@pytest.fixture(scope="session")
def real_songs() -> list[bytes]:
    """The documents of its songs, which lie in a file each: 14,896 files take seconds to unpack."""
    with tarfile.open(REAL_DATA / "song_data.tar.gz") as archive:
        return [archive.extractfile(member).read().strip() for member in archive if member.isfile()]
