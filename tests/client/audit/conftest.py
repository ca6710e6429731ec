"""Chains to audit, and the short way from blocks to a report."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.audit.auditing import Auditor
from tests.client.audit.chain_builder import (
    ChainBuilder,
    assign,
    confirm,
    payment,
    pledge,
    registered,
)


@pytest.fixture
def auditor(tmp_path: Path) -> Auditor:
    return Auditor(tmp_path / "chain.pbk")


@pytest.fixture
def chain() -> ChainBuilder:
    """Five blocks: two registrations, a confirmation, an assignment with two pledges of which one is refused, nothing, a payment."""
    builder = ChainBuilder()
    first, second = builder.register(), builder.register(amount=50_000)
    entries = [builder.entry("exporter-1", first), builder.entry("exporter-1", second)]
    builder.commit(entries)
    receivable, other = registered(entries[0]), registered(entries[1])
    builder.commit([builder.entry("debtor", confirm(receivable, 100_000))])
    both = ("exporter-1", "factor-1")
    builder.commit(
        [
            builder.entry("exporter-1", assign(receivable, first, 60_000), signers=both),
            builder.entry("exporter-1", pledge(other, second, 30_000), signers=both),
            builder.entry("exporter-1", pledge(other, second, 30_000), signers=both),
        ]
    )
    builder.commit()
    builder.commit([builder.entry("exporter-1", payment(receivable, 10_000, "one"))])
    return builder
