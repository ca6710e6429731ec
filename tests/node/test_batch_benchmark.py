"""The benchmark of batches compares the same work: one entry and many, and only the signatures and envelopes differ."""

from __future__ import annotations

from pathlib import Path

from scripts.benchmarks.batch import measure_batches
from scripts.benchmarks.scale import Chain


def test_one_entry_has_one_signature_of_each_party_whatever_it_holds(tmp_path: Path) -> None:
    chain = Chain.begin(tmp_path / "store")

    together, apart = measure_batches(chain, 30)

    assert (together.entries, apart.entries) == (1, 30)
    assert (together.signatures, apart.signatures) == (2, 60)
    assert together.assignments == apart.assignments == 30
    # Body and two signatures of an entry without its operation.
    assert apart.bytes - together.bytes > 29 * 300
    assert together.judged_ms > 0
    chain.store.close()
