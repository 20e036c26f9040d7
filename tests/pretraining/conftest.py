import pytest

from sarseg.pretraining.bank import PatchBank

PATCHES, SIZE, FIRST = 4, 64, 11


@pytest.fixture(scope="session")
def bank() -> PatchBank:
    """A few small patches, the first with the seed ``FIRST``; nobody may change them."""
    return PatchBank(PATCHES, SIZE, FIRST)
