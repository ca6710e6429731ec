"""An honest chain audits to exit 0, and only with an anchor and an expected head."""

from __future__ import annotations

from dataclasses import replace

import pytest

from client.audit.audit import AuditRequest, run_audit
from client.audit.findings import Category, Check, Exit
from client.audit.report import Status
from client.trust import Checkpoint
from registry.block import RULES_VERSION
from registry.operations.decisions import ReleaseFingerprint, ScheduleUpgrade, SetPolicy
from registry.operations.existence import CancelReceivable
from tests.client.audit.auditing import Auditor
from tests.client.audit.chain_builder import (
    BLOCK_INTERVAL_MS,
    DAY_MS,
    POLICY,
    ChainBuilder,
    member_id_of,
    pledge,
    registered,
)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_honest_chain_is_complete(auditor: Auditor, chain: ChainBuilder, workers: int) -> None:
    report = auditor.blocks(chain, workers=workers)
    assert report.exit is Exit.COMPLETE
    assert report.findings == ()
    assert (report.blocks, report.blocks_replayed, report.entries, report.operations) == (5, 5, 7, 7)
    assert report.head == Checkpoint(*chain.head)
    assert {result.status for result in report.checks} == {Status.PASSED}


def test_without_an_expected_head_the_result_is_short_at_best(auditor: Auditor, chain: ChainBuilder) -> None:
    auditor.blocks(chain)
    report = run_audit(AuditRequest(auditor.path, chain.document, None, 0))
    assert report.exit is Exit.SHORT
    assert report.findings == ()
    assert "--head" in report.verdict
    results = {result.check: result.status for result in report.checks}
    assert results.pop(Check.HEAD) is Status.NOT_EVALUATED
    assert set(results.values()) == {Status.PASSED}


def test_a_file_may_go_on_beyond_the_expected_head(auditor: Auditor, chain: ChainBuilder) -> None:
    third = chain.blocks[2].block
    report = auditor.blocks(chain, head=Checkpoint(3, third.block_hash))
    assert report.exit is Exit.COMPLETE
    assert report.blocks_replayed == 5


def test_a_chain_without_blocks_is_short_of_any_head(auditor: Auditor) -> None:
    report = auditor.blocks(ChainBuilder(), head=Checkpoint(1, bytes(32)))
    assert report.exit is Exit.SHORT
    assert report.findings[0].category is Category.TRUNCATED


def test_a_parent_certificate_of_other_signers_is_as_good(auditor: Auditor, chain: ChainBuilder) -> None:
    parent = chain.blocks[-1].block
    others = chain.certificate(
        parent.header.height, parent.block_hash, signers=("association", "exporter-1", "factor-2")
    )
    chain.commit(last_certificate=others)
    assert auditor.blocks(chain).exit is Exit.COMPLETE


def test_a_lien_that_runs_out_is_replayed(auditor: Auditor, chain: ChainBuilder) -> None:
    registration = chain.register()
    entry = chain.entry("exporter-1", registration)
    chain.commit([entry])
    lien = pledge(registered(entry), registration, 1_000, days=31)
    chain.commit([chain.entry("exporter-1", lien, signers=("exporter-1", "factor-1"))])
    chain.commit(time_ms=chain.tip.time_ms + 40 * DAY_MS)
    chain.commit(time_ms=chain.tip.time_ms + BLOCK_INTERVAL_MS)
    assert auditor.blocks(chain).exit is Exit.COMPLETE


def test_what_the_association_decides_is_replayed(auditor: Auditor) -> None:
    """Another policy in the header from its height on, and a number that was set free and taken again."""
    chain = ChainBuilder()
    registration = chain.register()
    entry = chain.entry("exporter-1", registration)
    chain.commit([entry])
    receivable = registered(entry)
    exporter, decider = member_id_of("exporter-1"), "association"
    shorter = replace(POLICY, tenor_max_days=200, operations_per_day_max=3)
    released = ReleaseFingerprint(receivable, registration.fingerprints.invoice, "reissued")
    chain.commit(
        [
            chain.entry("exporter-1", CancelReceivable(receivable, exporter, None)),
            chain.entry(decider, (released, SetPolicy(shorter, 4), ScheduleUpgrade(9, RULES_VERSION + 1))),
        ]
    )
    chain.commit([chain.entry("exporter-1", registration)])
    chain.commit([chain.entry("exporter-1", chain.register())])
    report = auditor.blocks(chain)
    assert report.findings == ()
    assert report.exit is Exit.COMPLETE
    assert chain.blocks[-1].block.header.policy_hash == shorter.hash()


def test_entries_beyond_the_quota_are_found(auditor: Auditor) -> None:
    chain = ChainBuilder()
    chain.commit([chain.entry("association", SetPolicy(replace(POLICY, operations_per_day_max=1), 2))])
    chain.commit([chain.entry("exporter-1", chain.register()), chain.entry("exporter-1", chain.register())])
    report = auditor.blocks(chain)
    first = report.findings[0]
    assert (first.check, first.entry_index) == (Check.FRESHNESS, 1)
