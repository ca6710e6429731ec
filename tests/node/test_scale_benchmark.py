"""The benchmark of sizes measures what it says: the smallest run of it, whose figures nobody looks at."""

from __future__ import annotations

from pathlib import Path

from scripts.benchmarks.scale import Chain, Extent, measure


def test_every_operation_is_measured_at_every_size_and_none_is_refused(tmp_path: Path) -> None:
    chain = Chain.begin(tmp_path / "store")
    extent = Extent(blocks=1, operations=2, expiring=(0, 3), rounds=1)
    told: list[str] = []

    small, large = measure(chain, (60, 120), extent, told.append)

    assert (small.receivables, large.receivables) == (60, 120)
    assert set(small.operations) == set(large.operations)
    assert all(cost.whole_us > 0 for cost in large.operations.values())
    assert set(large.expiry_us) == {0, 3}
    assert told[0] == "registering up to 60 receivables"
    chain.store.close()


def test_the_liens_of_the_benchmark_do_end(tmp_path: Path) -> None:
    chain = Chain.begin(tmp_path / "store")
    extent = Extent(blocks=1, operations=1, expiring=(4,), rounds=2)

    measure(chain, (80,), extent, lambda _: None)

    with chain.store.read() as snapshot:
        assert snapshot.due(chain.tip.time_ms, 100) == ()
    chain.store.close()
