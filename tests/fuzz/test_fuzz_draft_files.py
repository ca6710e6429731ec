"""Files that come from another member, against arbitrary content: a draft and the papers beside it.

Each is read, or refused with an error that the command line tells in one line; nothing else happens.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from client.draft_file import MAGIC, decode_draft, encode_draft
from client.errors import DraftRefused, InputError
from client.paper_file import read_papers
from registry.fingerprints import FingerprintKey
from tests.client.test_draft_files import EXPORTER, FACTOR, body, signed

KEY = FingerprintKey(bytes(32), 1)
LINE: dict[str, Any] = {
    "receivable": "09" * 32,
    "exporter": EXPORTER,
    "debtor": "DE:HRB12345",
    "invoice_number": "INV-7",
    "issue_date": "2026-11-01",
    "due_date": "2027-01-30",
    "amount_minor_units": 120_000,
    "currency": "USD",
    "fiscal_number": None,
    "document_sha256": None,
    "deliveries": [["BL-7", "1", 5, 10]],
    "numbering": "continuous",
    "is_contract": False,
    "salt": "00" * 16,
}
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@cache
def honest() -> bytes:
    return signed(body(), EXPORTER, FACTOR)


@given(st.binary(max_size=200))
@example(MAGIC)
@example(b"pledgebook draft \n")
def test_any_bytes_are_a_draft_or_refused(data: bytes) -> None:
    for candidate in (data, MAGIC + data):
        try:
            entry = decode_draft(candidate)
        except (InputError, DraftRefused):
            continue
        assert encode_draft(entry.body_bytes, entry.signatures) == candidate


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_byte_that_was_changed_on_the_way_changes_nothing_that_was_signed(place: int, flip: int) -> None:
    data = bytearray(honest())
    data[place % len(data)] ^= flip
    with suppress(InputError, DraftRefused):
        # Only whose signature it is said to be is not signed: that is held against the member's keys (`drafts`).
        entry = decode_draft(bytes(data))
        assert entry.body_bytes == body()
        assert {each.signature for each in entry.signatures} == {
            each.signature for each in decode_draft(honest()).signatures
        }


@given(st.sampled_from(sorted(LINE)), _JSON)
@example("amount_minor_units", float("inf"))
@example("amount_minor_units", 1.5)
@example("amount_minor_units", True)
@example("amount_minor_units", -1)
@example("debtor", "nonsense")
@example("debtor", "lei:\ud800")
@example("invoice_number", "---")
@example("currency", "\ud800")
@example("fiscal_number", 7)
@example("fiscal_number", "!")
@example("deliveries", [["BL", "1", -1, 5]])
@example("deliveries", [["BL", "1", 2**70, 5]])
@example("deliveries", [["", "", 1, 5]])
@example("due_date", "1960-01-01")
@example("document_sha256", "00")
@example("salt", "00")
@example("invoice_number", "7\ud800")
def test_any_value_on_a_paper_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, field: str, value: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "papers.jsonl"
    path.write_text(json.dumps({**LINE, field: value}) + "\n")
    with suppress(InputError):
        for filed in read_papers(path):
            # What a wallet computes before it signs.
            assert filed.papers.fingerprints(KEY).digest()
            assert filed.papers.evidence(filed.salt).commitment


def test_a_line_that_nests_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "papers.jsonl"
    for line in ("[" * 60_000, "{" + '"a":{' * 10_000, "[]", "7", '"x"', "\ufeff{}"):
        path.write_text(line + "}\n" if line.startswith("{") else line + "\n", encoding="utf-8")
        with pytest.raises(InputError, match="line 1: not a line of a paper file"):
            list(read_papers(path))
