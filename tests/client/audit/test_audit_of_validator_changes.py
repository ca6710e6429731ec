"""Checks 12, 13 and 15 over changes of the validators: what governance has decided passes, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from client.audit.audit import AuditRequest, run_audit
from client.audit.container import ExportedBlock, ExportWriter
from client.audit.findings import Category, Check, Exit
from client.trust import Checkpoint
from registry.block import Header
from registry.entry import decode_entry
from registry.nodes import encode_voters, voters, voters_digest
from tests.client.audit.auditing import Auditor, first_finding
from tests.client.audit.chain_builder import BuiltBlock, ChainBuilder, with_header


def stating(**changes: Any) -> Callable[[Header], Header]:
    return lambda header: replace(header, **changes)


def changing(*heights: int, length: int = 10) -> ChainBuilder:
    """A chain in which these heights decide on a further validator each."""
    chain = ChainBuilder("changes")
    for height in range(1, length + 1):
        entries = [chain.entry("exporter-1", chain.register())]
        if height in heights:
            entries.append(chain.decide_nodes(chain.new_node(f"newcomer-{height}"), forced=True))
        chain.commit(entries)
    return chain


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("heights", [(1,), (2, 4, 6), (9,), (10,)])
def test_changes_that_governance_decided_are_complete(
    auditor: Auditor, heights: tuple[int, ...], workers: int
) -> None:
    chain = changing(*heights)
    report = auditor.blocks(chain, workers=workers)
    assert report.findings == ()
    assert report.exit is Exit.COMPLETE
    assert report.blocks_replayed == 10


def test_removal_another_weight_and_another_key_are_complete(auditor: Auditor) -> None:
    chain = ChainBuilder("more changes")
    chain.commit([chain.decide_nodes(replace(chain.node("factor-2"), power=0))])
    chain.commit()
    chain.commit([chain.decide_nodes(replace(chain.node("factor-1"), power=2))])
    chain.commit()
    chain.commit([chain.decide_nodes(without=("exporter-1",))])
    chain.commit()
    chain.commit([chain.decide_nodes(chain.new_node("association", key="next"), forced=True)])
    for _ in range(4):
        chain.commit(evidence=())
    assert {each.node_id for each in chain.validators_at(11).validators} == {"association", "factor-1"}
    report = auditor.blocks(chain)
    assert (report.findings, report.exit) == ((), Exit.COMPLETE)


def test_a_decision_that_changes_no_validator_needs_no_announcement(auditor: Auditor) -> None:
    chain = ChainBuilder("an observer")
    chain.commit([chain.decide_nodes(chain.new_node("observer", power=0))])
    chain.commit()
    chain.commit()
    assert all(
        built.block.header.next_validators_hash == built.block.header.validators_hash
        for built in chain.blocks
    )
    assert auditor.blocks(chain).exit is Exit.COMPLETE


def test_other_validators_without_a_decision_are_unauthorised(auditor: Auditor) -> None:
    """The validators collude to put others in their place, certify everything, and record nothing."""
    chain = changing(length=3)
    others = encode_voters(voters((chain.new_node("mallory"), *chain.genesis.nodes[1:])))
    chain.commit(header=stating(next_validators_hash=voters_digest(others)))
    chain.commit(header=stating(validators_hash=voters_digest(others)))
    report = auditor.blocks(chain)
    found = first_finding(report, Check.VALIDATOR_CHANGE, Category.UNAUTHORISED, height=4)
    assert "without a recorded decision" in found.message
    assert report.exit is Exit.FAILED
    assert report.blocks_replayed == 3


def test_a_decision_that_is_not_announced_is_found(auditor: Auditor) -> None:
    chain = changing(2, length=2)
    chain.commit(header=stating(next_validators_hash=chain.genesis.validators_hash()))
    report = auditor.blocks(chain)
    found = first_finding(report, Check.VALIDATOR_CHANGE, Category.UNAUTHORISED, height=3)
    assert "other validators than the recorded governance" in found.message


def test_an_announcement_one_block_too_early_is_found(auditor: Auditor) -> None:
    chain = ChainBuilder("too early")
    chain.commit()
    decision = chain.decide_nodes(chain.new_node("newcomer"))
    after = encode_voters(voters((*chain.genesis.nodes, chain.new_node("newcomer"))))
    chain.commit([decision], header=stating(next_validators_hash=voters_digest(after)))
    first_finding(auditor.blocks(chain), Check.VALIDATOR_CHANGE, Category.UNAUTHORISED, height=2)


def test_a_decision_that_nobody_was_entitled_to_is_found(auditor: Auditor) -> None:
    """An entry without the association's signature, announced by validators that collude: no quorum decided it."""
    chain = ChainBuilder("usurpers")
    chain.commit()
    nodes = (*chain.genesis.nodes, chain.new_node("mallory"))
    (operation,) = decode_entry(chain.decide_nodes(nodes[-1])).body.operations
    chain.commit([chain.entry("factor-1", operation)])
    after = voters_digest(encode_voters(voters(nodes)))
    chain.commit(header=stating(next_validators_hash=after))
    report = auditor.blocks(chain)
    first_finding(report, Check.RIGHT, Category.UNAUTHORISED, height=2, entry_index=0)


def test_a_header_of_validators_that_nobody_announced_is_found(auditor: Auditor) -> None:
    chain = changing(2, length=6)
    at = 5
    forged = with_header(chain.blocks[at - 1], validators_hash=chain.genesis.validators_hash())
    blocks = [*chain.blocks[: at - 1], forged, *chain.blocks[at:]]
    report = auditor.blocks(chain, blocks)
    assert Check.VALIDATORS_HASH in {found.check for found in report.findings}


def recertified(chain: ChainBuilder, height: int, of_height: int, *signers: str) -> list[BuiltBlock]:
    """The chain, one block of it certified by the validators of another height."""
    built = chain.blocks[height - 1]
    certificate = chain.certificate(
        height, built.block.block_hash, of_height=of_height, signers=signers or None
    )
    return [*chain.blocks[: height - 1], replace(built, certificate=certificate), *chain.blocks[height:]]


@pytest.mark.parametrize(
    ("height", "of_height", "signers"),
    [
        (4, 1, ()),  # three of the old four are no quorum of the five
        (3, 4, ("exporter-1", "factor-1", "factor-2", "newcomer-2")),
        (10, 1, ()),
    ],
)
def test_a_certificate_of_the_wrong_validators_is_found(
    auditor: Auditor, height: int, of_height: int, signers: tuple[str, ...]
) -> None:
    chain = changing(2)
    report = auditor.blocks(chain, recertified(chain, height, of_height, *signers))
    found = report.findings[0]
    assert (found.check, found.height) == (Check.CERTIFICATE, height)
    assert report.exit is Exit.FAILED


def test_validators_that_a_file_makes_up_certify_nothing(auditor: Auditor) -> None:
    """Block 3 is certified by the newcomers alone: what it announces is not believed, and nothing after it is certified."""
    chain = ChainBuilder("made up")
    chain.commit()
    gang = tuple(chain.new_node(f"mallory-{number}") for number in range(4))
    chain.commit(
        [
            chain.decide_nodes(
                *gang, without=("association", "exporter-1", "factor-1", "factor-2"), forced=True
            )
        ]
    )
    chain.commit()
    for _ in range(3):
        chain.commit()
    genuine = chain.blocks[2]
    forged = chain.certificate(3, genuine.block.block_hash, of_height=4)
    blocks = [*chain.blocks[:2], replace(genuine, certificate=forged), *chain.blocks[3:]]
    report = auditor.blocks(chain, blocks)
    failed = {(found.check, found.height) for found in report.findings}
    assert (Check.CERTIFICATE, 3) in failed
    assert {(Check.CERTIFICATE, height) for height in (4, 5, 6)} <= failed
    assert report.exit is Exit.FAILED


def test_evidence_is_judged_by_the_validators_of_its_height(auditor: Auditor) -> None:
    for height, good in ((3, False), (4, True)):
        chain = changing(2, length=6)
        newcomer = "newcomer-2"
        key = chain.node(newcomer).consensus_key
        evidence = chain.double_vote(newcomer, height, key=chain.node_keys[key])
        chain.commit(evidence=(evidence,))
        report = auditor.blocks(chain)
        if good:
            assert report.exit is Exit.COMPLETE
        else:
            first_finding(report, Check.EVIDENCE, Category.UNAUTHORISED, height=7)


def test_a_proposer_must_be_a_validator_of_its_height(auditor: Auditor) -> None:
    chain = changing(2, length=2)
    chain.commit(header=stating(proposer="newcomer-2"))
    first_finding(auditor.blocks(chain), Check.VALIDATORS_HASH, Category.UNAUTHORISED, height=3)
    chain = changing(2, length=3)
    chain.commit(header=stating(proposer="newcomer-2"))
    assert auditor.blocks(chain).exit is Exit.COMPLETE


def test_a_file_cut_anywhere_is_no_complaint_about_validators(auditor: Auditor) -> None:
    chain = changing(2, 5)
    for length in range(1, 11):
        report = auditor.blocks(chain, chain.blocks[:length])
        assert {found.check for found in report.findings} <= {Check.HEAD}
        assert report.exit in (Exit.SHORT, Exit.COMPLETE)


def test_an_export_of_the_writer_with_changes_is_complete(tmp_path: Path) -> None:
    chain = changing(3)
    path = tmp_path / "chain.pbk"
    with ExportWriter(path, chain.genesis.chain_id) as writer:
        for built in chain.blocks:
            writer.add(ExportedBlock(*built.exported()))
        writer.finish()
    report = run_audit(AuditRequest(path, chain.document, Checkpoint(*chain.head), 1))
    assert report.exit is Exit.COMPLETE
