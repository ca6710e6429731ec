"""What all tests share: one Hypothesis profile, and the tests with real networks kept to one worker.

Two tests that each start four node processes would starve one another of the cores, and time out; so all that are
marked `integration` run one after the other, beside the rest, unless they name a group of their own.
"""

import os

import pytest
from hypothesis import settings

# No deadline per example: how long one takes says something about the machine, nothing about the code. Continuous
# integration plays the same examples every time, so that it judges the change; everyone else explores new ones.
settings.register_profile("pledgebook", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("pledgebook")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("integration") and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group("network"))
