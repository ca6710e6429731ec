"""Checks 5 to 15 and 24 to 26: what is false about a header, its certificate or its place is found and told apart.

`chain.commit(header=...)` makes a block whose falsehood its validators signed; altering the exported parts makes one that they
did not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from client.audit.audit import AuditRequest, run_audit
from client.audit.findings import Category, Check, Exit
from client.audit.report import AuditReport, Status
from client.trust import Checkpoint
from consensus.certificate import Certificate
from registry.block import Header, make_block
from registry.merkle.log import tree_root
from tests.client.audit.auditing import Auditor, first_finding
from tests.client.audit.chain_builder import ChainBuilder, with_header

OTHER = b"\x5a" * 32


def status_of(report: AuditReport, check: Check) -> Status:
    return next(result.status for result in report.checks if result.check is check)


def stating(**changes: Any) -> Callable[[Header], Header]:
    return lambda header: replace(header, **changes)


# -- 5 the anchor -----------------------------------------------------------------------------------------------------


def test_another_genesis_document_is_no_anchor(auditor: Auditor, chain: ChainBuilder) -> None:
    auditor.blocks(chain)
    stranger = ChainBuilder("another consortium")
    report = run_audit(AuditRequest(auditor.path, stranger.document, Checkpoint(*chain.head), 0))
    found = first_finding(report, Check.ANCHOR, Category.NO_ANCHOR)
    assert report.exit is Exit.NO_ANCHOR
    assert (found.expected, found.found) == (stranger.genesis.chain_id.hex(), chain.genesis.chain_id.hex())
    assert status_of(report, Check.RULES) is Status.NOT_EVALUATED


@pytest.mark.parametrize("document", [None, b"", b"{}\n", b"\xff"])
def test_without_a_genesis_document_nothing_is_believed(
    auditor: Auditor, chain: ChainBuilder, document: bytes | None
) -> None:
    auditor.blocks(chain)
    report = run_audit(AuditRequest(auditor.path, document, Checkpoint(*chain.head), 0))
    assert report.exit is Exit.NO_ANCHOR
    assert [found.check for found in report.findings] == [Check.ANCHOR]
    assert report.blocks == 0


# -- 6 to 12, 15 the header --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "check", "category"),
    [
        ({"chain_id": OTHER}, Check.CHAIN_ID, Category.CORRUPT),
        ({"parent_hash": OTHER}, Check.LAST_CERTIFICATE, Category.CORRUPT),
        ({"history_root": OTHER}, Check.HISTORY, Category.CORRUPT),
        ({"history_size": 3}, Check.HISTORY, Category.CORRUPT),
        ({"validators_hash": OTHER}, Check.VALIDATORS_HASH, Category.UNAUTHORISED),
        ({"next_validators_hash": OTHER}, Check.VALIDATOR_CHANGE, Category.UNAUTHORISED),
        ({"proposer": "nobody"}, Check.VALIDATORS_HASH, Category.UNAUTHORISED),
        ({"rules_version": 2}, Check.RULES, Category.UNSUPPORTED),
        ({"policy_hash": OTHER}, Check.RULES, Category.RULE),
        ({"receipts_root": OTHER}, Check.RULES, Category.CORRUPT),
        ({"state_root": OTHER}, Check.STATE_ROOT, Category.RULE),
        ({"entries_root": OTHER}, Check.BODY_ROOTS, Category.CORRUPT),
        ({"evidence_root": OTHER}, Check.BODY_ROOTS, Category.CORRUPT),
        ({"entry_count": 7}, Check.BODY_ROOTS, Category.CORRUPT),
        ({"last_certificate_hash": OTHER}, Check.LAST_CERTIFICATE, Category.CORRUPT),
    ],
)
def test_a_falsehood_that_the_validators_signed_is_found(
    auditor: Auditor, chain: ChainBuilder, changes: dict[str, Any], check: Check, category: Category
) -> None:
    chain.commit(header=stating(**changes))
    chain.commit()
    report = auditor.blocks(chain)
    first_finding(report, check, category, height=6)
    assert report.blocks_replayed == 5


def test_both_receipts_and_results_that_are_certified_wrong_break_a_rule(
    auditor: Auditor, chain: ChainBuilder
) -> None:
    honest = chain.build([chain.entry("exporter-1", chain.register())])
    forged = (honest.receipts[0][:-1] + b"\x01",)
    chain.commit(honest.block.entries, header=stating(receipts_root=tree_root(forged)))
    blocks = [*chain.blocks[:-1], replace(chain.blocks[-1], receipts=forged)]
    report = auditor.blocks(chain, blocks)
    first_finding(report, Check.RULES, Category.RULE, height=6, entry_index=0)


def test_a_wrong_parent_is_found_by_link_and_by_certificate(auditor: Auditor, chain: ChainBuilder) -> None:
    chain.commit(header=stating(parent_hash=OTHER))
    report = auditor.blocks(chain)
    assert [found.check for found in report.findings] == [Check.LAST_CERTIFICATE, Check.PARENT_HASH]


@pytest.mark.parametrize("late_ms", [0, -1, -5_000])
def test_time_that_does_not_move_forward_breaks_a_rule(
    auditor: Auditor, chain: ChainBuilder, late_ms: int
) -> None:
    chain.commit(time_ms=chain.tip.time_ms + late_ms)
    first_finding(auditor.blocks(chain), Check.TIME, Category.RULE, height=6)


def test_a_first_block_older_than_the_genesis_breaks_a_rule(auditor: Auditor) -> None:
    chain = ChainBuilder()
    chain.commit(time_ms=chain.tip.time_ms)
    first_finding(auditor.blocks(chain), Check.TIME, Category.RULE, height=1)


# -- 7 heights ---------------------------------------------------------------------------------------------------------


def test_a_missing_block_is_a_gap_and_headers_are_followed_beyond_it(
    auditor: Auditor, chain: ChainBuilder
) -> None:
    blocks = [*chain.blocks[:2], *chain.blocks[3:]]
    report = auditor.blocks(chain, blocks)
    found = first_finding(report, Check.HEIGHTS, Category.GAP, height=4)
    assert (found.expected, found.found) == ("3", "4")
    assert len(report.findings) == 1
    assert report.blocks_replayed == 2
    assert status_of(report, Check.STATE_ROOT) is Status.NOT_EVALUATED
    assert status_of(report, Check.INVARIANTS) is Status.NOT_EVALUATED
    assert status_of(report, Check.HEAD) is Status.PASSED


def test_a_missing_first_block_is_a_gap(auditor: Auditor, chain: ChainBuilder) -> None:
    report = auditor.blocks(chain, chain.blocks[1:])
    first_finding(report, Check.HEIGHTS, Category.GAP, height=2)


def test_blocks_out_of_order_are_a_gap(auditor: Auditor, chain: ChainBuilder) -> None:
    first, second, third, *rest = chain.blocks
    report = auditor.blocks(chain, [first, third, second, *rest])
    first_finding(report, Check.HEIGHTS, Category.GAP, height=3)


def test_a_repeated_block_is_out_of_order(auditor: Auditor, chain: ChainBuilder) -> None:
    report = auditor.blocks(chain, [*chain.blocks, chain.blocks[-1]])
    first_finding(report, Check.HEIGHTS, Category.GAP, height=5)


# -- 13, 14 certificates -----------------------------------------------------------------------------------------------


def test_a_false_signature_of_a_validator_is_forged(auditor: Auditor, chain: ChainBuilder) -> None:
    built = chain.blocks[2]
    certificate = Certificate.decode(built.certificate)
    first = certificate.signatures[0]
    forged = replace(
        certificate, signatures=(first[:-1] + bytes([first[-1] ^ 1]), *certificate.signatures[1:])
    )
    blocks = [*chain.blocks[:2], replace(built, certificate=forged.encode()), *chain.blocks[3:]]
    report = auditor.blocks(chain, blocks)
    first_finding(report, Check.CERTIFICATE, Category.FORGED, height=3)
    assert len(report.findings) == 1


def test_less_than_a_quorum_is_no_authority(auditor: Auditor, chain: ChainBuilder) -> None:
    built = chain.blocks[2]
    certificate = Certificate.decode(built.certificate)
    fewer = replace(certificate, signers=b"\xc0", signatures=certificate.signatures[:2])
    blocks = [*chain.blocks[:2], replace(built, certificate=fewer.encode()), *chain.blocks[3:]]
    first_finding(auditor.blocks(chain, blocks), Check.CERTIFICATE, Category.UNAUTHORISED, height=3)


def test_a_validator_counts_once(auditor: Auditor, chain: ChainBuilder) -> None:
    built = chain.blocks[2]
    certificate = Certificate.decode(built.certificate)
    first = certificate.signatures[0]
    repeated = replace(certificate, signatures=(first, first, first))
    blocks = [*chain.blocks[:2], replace(built, certificate=repeated.encode()), *chain.blocks[3:]]
    first_finding(auditor.blocks(chain, blocks), Check.CERTIFICATE, Category.FORGED, height=3)


@pytest.mark.parametrize("certificate", [b"", b"\x00" * 40, b"\xff" * 300])
def test_bytes_that_are_no_certificate_are_malformed(
    auditor: Auditor, chain: ChainBuilder, certificate: bytes
) -> None:
    blocks = [replace(chain.blocks[0], certificate=certificate), *chain.blocks[1:]]
    first_finding(auditor.blocks(chain, blocks), Check.CERTIFICATE, Category.MALFORMED, height=1)


def test_an_altered_header_is_not_what_was_certified_and_its_successors_stand(
    auditor: Auditor, chain: ChainBuilder
) -> None:
    altered = with_header(chain.blocks[2], time_ms=chain.blocks[2].block.header.time_ms - 1)
    report = auditor.blocks(chain, [*chain.blocks[:2], altered, *chain.blocks[3:]])
    first_finding(report, Check.CERTIFICATE, Category.CORRUPT, height=3)
    assert len(report.findings) == 1
    assert report.blocks_replayed == 2


def test_a_certificate_of_another_chain_is_forged(auditor: Auditor, chain: ChainBuilder) -> None:
    stranger = ChainBuilder("another consortium")
    foreign = stranger.certificate(3, chain.blocks[2].block.block_hash)
    blocks = [*chain.blocks[:2], replace(chain.blocks[2], certificate=foreign), *chain.blocks[3:]]
    first_finding(auditor.blocks(chain, blocks), Check.CERTIFICATE, Category.FORGED, height=3)


def test_a_false_certificate_of_the_parent_is_forged(auditor: Auditor, chain: ChainBuilder) -> None:
    honest = chain.blocks[-1].certificate
    chain.commit(last_certificate=honest[:-1] + bytes([honest[-1] ^ 1]))
    first_finding(auditor.blocks(chain), Check.LAST_CERTIFICATE, Category.FORGED, height=6)


def test_a_certificate_of_the_grandparent_does_not_stand_for_the_parent(
    auditor: Auditor, chain: ChainBuilder
) -> None:
    chain.commit(last_certificate=chain.blocks[-2].certificate)
    first_finding(auditor.blocks(chain), Check.LAST_CERTIFICATE, Category.CORRUPT, height=6)


def test_the_first_block_has_no_parent_to_certify(auditor: Auditor) -> None:
    chain = ChainBuilder()
    chain.commit(last_certificate=chain.certificate(1, OTHER))
    first_finding(auditor.blocks(chain), Check.LAST_CERTIFICATE, Category.MALFORMED, height=1)


# -- 24, 25 the head and forks -----------------------------------------------------------------------------------------


def test_a_dropped_last_block_is_truncated(auditor: Auditor, chain: ChainBuilder) -> None:
    report = auditor.blocks(chain, chain.blocks[:-1])
    found = report.findings[0]
    assert (report.exit, found.check, found.category) == (Exit.SHORT, Check.HEAD, Category.TRUNCATED)
    assert found.expected == str(Checkpoint(*chain.head))
    assert report.blocks_replayed == 4
    assert status_of(report, Check.STATE_ROOT) is Status.PASSED


def test_another_certified_block_at_the_expected_height_is_a_fork(
    auditor: Auditor, chain: ChainBuilder
) -> None:
    honest = Checkpoint(*chain.head)
    rival = ChainBuilder()
    for _ in range(5):
        rival.commit()
    report = auditor.blocks(rival, head=honest)
    found = first_finding(report, Check.FORK, Category.FORK, height=5)
    assert (found.expected, found.found) == (honest.block_hash.hex(), rival.tip.block_hash.hex())
    assert report.exit is Exit.FORK


def test_two_certified_blocks_of_one_height_are_a_fork(auditor: Auditor, chain: ChainBuilder) -> None:
    rival = chain.build(time_ms=chain.tip.time_ms + 7)
    chain.commit()
    report = auditor.blocks(chain, [*chain.blocks, rival])
    assert report.exit is Exit.FORK
    found = next(each for each in report.findings if each.check is Check.FORK)
    assert (found.height, found.found) == (6, rival.block.block_hash.hex())


def test_a_parent_certificate_for_another_block_is_a_fork(auditor: Auditor, chain: ChainBuilder) -> None:
    chain.commit(last_certificate=chain.certificate(5, OTHER))
    report = auditor.blocks(chain)
    assert report.exit is Exit.FORK
    assert [each.check for each in report.findings] == [Check.LAST_CERTIFICATE, Check.FORK]


def test_an_uncertified_rival_is_no_fork(auditor: Auditor, chain: ChainBuilder) -> None:
    rival = chain.build(time_ms=chain.tip.time_ms + 7)
    chain.commit()
    forged = replace(rival, certificate=chain.blocks[-1].certificate)
    report = auditor.blocks(chain, [*chain.blocks, forged])
    assert Check.FORK not in {each.check for each in report.findings}
    assert report.exit is Exit.FAILED


def test_an_expected_head_whose_certificate_fails_is_not_reached(
    auditor: Auditor, chain: ChainBuilder
) -> None:
    last = chain.blocks[-1]
    broken = replace(last, certificate=last.certificate[:-1] + bytes([last.certificate[-1] ^ 1]))
    report = auditor.blocks(chain, [*chain.blocks[:-1], broken])
    assert [each.check for each in report.findings] == [Check.CERTIFICATE, Check.HEAD]
    assert report.exit is Exit.FAILED


def test_false_blocks_in_several_places_are_all_reported(auditor: Auditor, chain: ChainBuilder) -> None:
    second = with_header(chain.blocks[1], state_root=OTHER)
    body = chain.blocks[3].block
    fourth = replace(
        chain.blocks[3],
        block=replace(make_block(body.header, (b"\x00",), body.last_certificate, ()), header=body.header),
    )
    report = auditor.blocks(chain, [chain.blocks[0], second, chain.blocks[2], fourth, chain.blocks[4]])
    assert [(each.check, each.height) for each in report.findings] == [
        (Check.CERTIFICATE, 2),
        (Check.BODY_ROOTS, 4),
    ]
    assert report.blocks_replayed == 1


# -- 26 evidence -------------------------------------------------------------------------------------------------------


def test_evidence_that_proves_a_double_vote_stands(auditor: Auditor, chain: ChainBuilder) -> None:
    chain.commit(evidence=(chain.double_vote("factor-1", 2), chain.double_vote("factor-2", 6)))
    assert auditor.blocks(chain).exit is Exit.COMPLETE


@pytest.mark.parametrize(
    ("pieces", "category"),
    [
        (lambda _chain: (b"a false accusation",), Category.MALFORMED),
        (lambda chain: (chain.double_vote("stranger", 2),), Category.UNAUTHORISED),
        (lambda chain: (chain.double_vote("factor-1", 2, signer="factor-2"),), Category.FORGED),
        (lambda chain: (chain.double_vote("factor-1", 7),), Category.RULE),
        (lambda chain: (chain.double_vote("factor-1", 2),) * 2, Category.RULE),
        (lambda chain: (chain.double_vote("factor-1", 3), chain.double_vote("factor-1", 2)), Category.RULE),
    ],
    ids=["no evidence", "a stranger", "signed by another", "of a later height", "twice", "out of order"],
)
def test_evidence_that_validators_recorded_and_that_proves_nothing_is_found(
    auditor: Auditor,
    chain: ChainBuilder,
    pieces: Callable[[ChainBuilder], tuple[bytes, ...]],
    category: Category,
) -> None:
    chain.commit(evidence=pieces(chain))
    chain.commit()
    first_finding(auditor.blocks(chain), Check.EVIDENCE, category, height=6)
