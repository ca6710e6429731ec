"""The consortium of `consortium.py`, fresh for each test."""

import pytest

from tests.registry.consortium import Consortium, found


@pytest.fixture
def consortium() -> Consortium:
    return found()
