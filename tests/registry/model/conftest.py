"""Where registry and model differ, pytest shows both sides."""

import pytest

pytest.register_assert_rewrite("tests.registry.model.agreement", "tests.registry.model.chain")
