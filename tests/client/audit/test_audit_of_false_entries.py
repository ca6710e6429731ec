"""Checks 4, 6 and 16 to 22: what is false about entries, results and state is found and told apart."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from client.audit.findings import FINDINGS_MAX, FINDINGS_PER_BLOCK_MAX, Category, Check, Exit, Finding
from client.audit.invariants import Tally, check_final_state, check_record, records_to_check
from registry.block import RULES_VERSION
from registry.entry import assemble, decode_entry, sign_body
from registry.fingerprints import Delivery
from registry.operations.decisions import ScheduleUpgrade
from registry.operations.existence import Confirm
from registry.receipt import decode_receipt
from registry.receivable import Receivable
from registry.signing import SigningKey
from registry.state import MemoryState, WorkingState
from registry.stored import SINGLETON, Namespace
from tests.client.audit.auditing import Auditor, first_finding
from tests.client.audit.chain_builder import (
    ChainBuilder,
    assign,
    confirm,
    digest_of,
    key_of,
    member_id_of,
    payment,
    registered,
)


def forger(_who: str) -> SigningKey:
    return SigningKey(b"\x66" * 32)


def test_a_block_after_the_last_one_of_this_version_breaks_a_rule(
    auditor: Auditor, chain: ChainBuilder
) -> None:
    last = chain.tip.height + 2
    chain.commit([chain.entry("association", ScheduleUpgrade(last, RULES_VERSION + 1))])
    chain.commit([])
    # The validators forget the decision and go on.
    forgetful = WorkingState(chain.state)
    forgetful.put(Namespace.UPGRADE, SINGLETON, None)
    chain.state.apply(forgetful.finish()[0])
    chain.commit([])
    found = first_finding(auditor.blocks(chain), Check.RULES, Category.RULE, height=last + 1)
    assert f"height {last}" in found.message


# -- 4, 6, 16 to 19: entries that no honest validator lets in -----------------------------------------------------------


def test_an_entry_that_does_not_decode_is_malformed(auditor: Auditor, chain: ChainBuilder) -> None:
    good = chain.entry("exporter-1", chain.register())
    chain.commit([good, good[:-1]])
    found = first_finding(auditor.blocks(chain), Check.CANONICAL, Category.MALFORMED, height=6, entry_index=1)
    content = auditor.path.read_bytes()
    assert found.offset is not None
    assert content[found.offset :].startswith(good[:-1])


def test_bad_entries_are_found_at_their_bytes_however_many_are_before_them(
    auditor: Auditor, chain: ChainBuilder
) -> None:
    # The same bytes twice, short and long ones: a search from the front would find another place.
    bad = (b"\x00", b"\x91" + bytes(300), b"\x91" + bytes(70_000), b"\x00")
    chain.commit([chain.entry("exporter-1", chain.register()), *bad])
    report = auditor.blocks(chain)
    content = auditor.path.read_bytes()
    offsets = [found.offset or 0 for found in report.findings if found.check is Check.CANONICAL]
    assert [content[at : at + len(raw)] for at, raw in zip(offsets, bad, strict=True)] == list(bad)
    heads = [b"\xc4\x01", b"\xc5\x01\x2d", b"\xc6\x00\x01\x11\x71", b"\xc4\x01"]
    assert [content[at - len(head) : at] for at, head in zip(offsets, heads, strict=True)] == heads


def test_a_block_of_thousands_of_bad_entries_costs_no_more_than_reading_it(
    auditor: Auditor, chain: ChainBuilder
) -> None:
    chain.commit([b"\x93" + bytes(800) + index.to_bytes(4) for index in range(4_900)])
    started = time.process_time()
    report = auditor.blocks(chain)
    # Searching the block for each took twenty seconds.
    assert time.process_time() - started < 5.0
    assert report.findings_total == 4_900


def test_an_entry_of_another_chain_is_not_authorised(auditor: Auditor, chain: ChainBuilder) -> None:
    chain.commit([chain.entry("exporter-1", chain.register(), chain_id=b"\x01" * 32)])
    first_finding(auditor.blocks(chain), Check.CHAIN_ID, Category.UNAUTHORISED, height=6, entry_index=0)


def test_a_re_signed_forgery_is_not_authorised(auditor: Auditor, chain: ChainBuilder) -> None:
    chain.commit([chain.entry("exporter-1", chain.register(), keys=forger)])
    report = auditor.blocks(chain)
    found = first_finding(report, Check.RIGHT, Category.UNAUTHORISED, height=6, entry_index=0)
    assert "UNKNOWN_SIGNER" in found.message
    assert len(report.findings) == 1


def test_a_missing_party_is_not_authorised(auditor: Auditor, chain: ChainBuilder) -> None:
    registration = chain.register()
    entry = chain.entry("exporter-1", registration)
    chain.commit([entry])
    alone = chain.entry("exporter-1", assign(registered(entry), registration, 1_000))
    chain.commit([alone])
    found = first_finding(auditor.blocks(chain), Check.RIGHT, Category.UNAUTHORISED, height=7, entry_index=0)
    assert "MISSING_SIGNATURE" in found.message


def test_a_wrong_role_is_not_authorised(auditor: Auditor, chain: ChainBuilder) -> None:
    chain.commit([chain.entry("factor-1", chain.register("factor-1"))])
    found = first_finding(auditor.blocks(chain), Check.RIGHT, Category.UNAUTHORISED, height=6, entry_index=0)
    assert "NOT_PERMITTED" in found.message


def test_a_false_signature_is_forged(auditor: Auditor, chain: ChainBuilder) -> None:
    entry = decode_entry(chain.entry("exporter-1", chain.register()))
    body = entry.body_bytes
    stolen = sign_body(body + b"\x00", member_id_of("exporter-1"), key_of("exporter-1"))
    chain.commit([assemble(body, (stolen,))])
    report = auditor.blocks(chain)
    first_finding(report, Check.SIGNATURES, Category.FORGED, height=6, entry_index=0)
    assert report.blocks_replayed == 5


def test_a_used_sequence_number_breaks_a_rule(auditor: Auditor, chain: ChainBuilder) -> None:
    chain.commit([chain.entry("exporter-1", chain.register(), sequence=1)])
    found = first_finding(auditor.blocks(chain), Check.FRESHNESS, Category.RULE, height=6, entry_index=0)
    assert "REPLAYED" in found.message


def test_an_expired_entry_breaks_a_rule(auditor: Auditor, chain: ChainBuilder) -> None:
    chain.commit([chain.entry("exporter-1", chain.register(), valid_until_ms=chain.tip.time_ms)])
    found = first_finding(auditor.blocks(chain), Check.FRESHNESS, Category.RULE, height=6, entry_index=0)
    assert "EXPIRED" in found.message


@pytest.mark.parametrize("apart", [False, True])
def test_one_entry_twice_breaks_a_rule(auditor: Auditor, chain: ChainBuilder, apart: bool) -> None:
    entry = chain.entry("exporter-1", chain.register())
    if apart:
        chain.commit([entry])
        chain.commit([entry])
    else:
        chain.commit([entry, entry])
    height, index = (7, 0) if apart else (6, 1)
    report = auditor.blocks(chain)
    first_finding(report, Check.ENTRY_IDS, Category.RULE, height=height, entry_index=index)


def test_an_entry_signed_again_is_the_same_entry(auditor: Auditor, chain: ChainBuilder) -> None:
    registration = chain.register()
    entry = chain.entry("exporter-1", registration)
    chain.commit([entry])
    receivable = registered(entry)
    both = ("exporter-1", "factor-1")
    dual = chain.entry("exporter-1", assign(receivable, registration, 1_000), signers=both)
    body = decode_entry(dual)
    again = assemble(body.body_bytes, body.signatures[:1])
    chain.commit([dual])
    chain.commit([again])
    first_finding(auditor.blocks(chain), Check.ENTRY_IDS, Category.RULE, height=8, entry_index=0)


def test_a_signature_is_checked_in_every_block_after_a_failed_one(
    auditor: Auditor, chain: ChainBuilder
) -> None:
    """State cannot be derived any more after a failure; a signature can still be shown to be false."""
    chain.commit(header=lambda header: replace(header, state_root=bytes(32)))
    entry = decode_entry(chain.entry("exporter-1", chain.register()))
    stolen = sign_body(b"another body", member_id_of("exporter-1"), key_of("exporter-1"))
    chain.commit([assemble(entry.body_bytes, (stolen,))])
    report = auditor.blocks(chain)
    assert [(each.check, each.height) for each in report.findings] == [
        (Check.STATE_ROOT, 6),
        (Check.SIGNATURES, 7),
    ]


# -- 20, 21: results and state ------------------------------------------------------------------------------------------


def test_an_altered_receipt_is_corrupt_and_the_replay_goes_on(auditor: Auditor, chain: ChainBuilder) -> None:
    built = chain.blocks[0]
    receipt = built.receipts[1]
    altered = replace(built, receipts=(built.receipts[0], receipt[:-1] + bytes([receipt[-1] ^ 1])))
    report = auditor.blocks(chain, [altered, *chain.blocks[1:]])
    first_finding(report, Check.RULES, Category.CORRUPT, height=1)
    assert report.blocks_replayed == 5


@pytest.mark.parametrize("receipts", ["fewer", "more", "swapped"])
def test_receipts_are_exactly_one_for_each_entry(
    auditor: Auditor, chain: ChainBuilder, receipts: str
) -> None:
    built = chain.blocks[0]
    first, second = built.receipts
    chosen = {"fewer": (first,), "more": (first, second, second), "swapped": (second, first)}[receipts]
    report = auditor.blocks(chain, [replace(built, receipts=chosen), *chain.blocks[1:]])
    first_finding(report, Check.RULES, Category.CORRUPT, height=1)


def test_results_that_validators_falsified_break_a_rule(auditor: Auditor, chain: ChainBuilder) -> None:
    """A duplicate registration, accepted: the validators execute it as another invoice and certify that outcome."""
    accomplice = ChainBuilder()
    duplicate = accomplice.entry("exporter-1", accomplice.register(invoice=1))
    chain.commit([duplicate])  # honest: refused as DUPLICATE_RECEIVABLE, sequence number 1 was used
    report = auditor.blocks(chain)
    assert report.exit is Exit.FAILED
    colluding = accomplice.build([duplicate])
    last = ChainBuilder()
    last.commit([last.entry("exporter-1", last.register(invoice=1))])
    again = last.entry("exporter-1", last.register(invoice=1))
    honest = last.build([again])
    last.commit(
        [again],
        header=lambda header: replace(
            header,
            receipts_root=colluding.block.header.receipts_root,
            state_root=colluding.block.header.state_root,
        ),
    )
    report = auditor.blocks(last, [last.blocks[0], replace(last.blocks[1], receipts=colluding.receipts)])
    first_finding(report, Check.RULES, Category.RULE, height=2, entry_index=0)
    assert [each.check for each in report.findings] == [Check.RULES, Check.STATE_ROOT]
    assert honest.receipts != colluding.receipts


def test_findings_of_one_rotten_block_are_bounded(auditor: Auditor, chain: ChainBuilder) -> None:
    chain.commit([bytes([index]) for index in range(60)])
    report = auditor.blocks(chain)
    assert len(report.findings) == FINDINGS_PER_BLOCK_MAX
    assert report.findings_total == 60
    assert report.exit is Exit.MALFORMED


def test_findings_in_all_are_bounded(auditor: Auditor, chain: ChainBuilder) -> None:
    for _ in range(8):
        chain.commit([bytes([index]) for index in range(20)])
    report = auditor.blocks(chain)
    assert len(report.findings) == FINDINGS_MAX
    assert report.findings_total == 160


# -- 1: limits of a block ------------------------------------------------------------------------------------------------


def test_too_many_operations_in_one_block_are_over_a_limit(auditor: Auditor, chain: ChainBuilder) -> None:
    nothing = Confirm(bytes(32), member_id_of("debtor"), 1, ())
    chain.commit([chain.entry("debtor", [nothing] * 1_000) for _ in range(11)])
    first_finding(auditor.blocks(chain), Check.CONTAINER, Category.LIMIT, height=6)


# -- 22: the final state -------------------------------------------------------------------------------------------------


def _final(chain: ChainBuilder) -> Tally:
    tally = Tally()
    for built in chain.blocks:
        for raw, receipt in zip(built.block.entries, built.receipts, strict=True):
            tally.add(decode_entry(raw), decode_receipt(receipt))
    return tally


def problems(state: MemoryState, tally: Tally) -> list[Finding]:
    return list(check_final_state(state, tally, map(check_record, records_to_check(state, tally))))


def _altered(state: MemoryState, receivable: bytes, **changes: object) -> None:
    view = WorkingState(state)
    record = view.receivable(receivable)
    assert isinstance(record, Receivable)
    view.put(Namespace.RECEIVABLE, receivable, replace(record, **changes))  # type: ignore[arg-type]  # by name
    state.apply(view.finish()[0])


def test_the_state_of_an_honest_chain_keeps_every_invariant(chain: ChainBuilder) -> None:
    assert problems(chain.state, _final(chain)) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parts": ()}, "sum(parts) = outstanding"),
        ({"paid": 5}, "amount paid"),
        ({"face_amount": 100_001}, "face amount"),
        ({"receivable_id": bytes(32)}, "id"),
    ],
)
def test_a_record_that_breaks_an_invariant_is_found(
    chain: ChainBuilder, changes: dict[str, object], message: str
) -> None:
    tally = _final(chain)
    receivable = next(iter(tally.faces))
    if "receivable_id" in changes:
        view = WorkingState(chain.state)
        other = view.receivable(list(tally.faces)[1])
        view.put(Namespace.RECEIVABLE, receivable, other)
        chain.state.apply(view.finish()[0])
    else:
        _altered(chain.state, receivable, **changes)
    found = problems(chain.state, tally)
    assert any(message in each.message for each in found)
    assert {(each.check, each.category) for each in found} == {(Check.INVARIANTS, Category.RULE)}


def test_a_fingerprint_claimed_by_another_receivable_is_found(chain: ChainBuilder) -> None:
    tally = _final(chain)
    first, second = tally.faces
    record = WorkingState(chain.state).receivable(second)
    assert record is not None
    _altered(chain.state, first, fingerprints=record.fingerprints)
    messages = [each.message for each in problems(chain.state, tally)]
    assert any("invoice fingerprint" in message for message in messages)


def test_a_delivery_that_is_consumed_too_often_is_found(chain: ChainBuilder) -> None:
    delivery = Delivery(digest_of("delivery"), 6, 10)
    chain.commit([chain.entry("exporter-1", chain.register(delivery=delivery))])
    tally = _final(chain)
    assert problems(chain.state, tally) == []
    view = WorkingState(chain.state)
    use = view.get(Namespace.DELIVERY, delivery.fingerprint)
    view.put(Namespace.DELIVERY, delivery.fingerprint, replace(use, document_quantity=5))
    chain.state.apply(view.finish()[0])
    assert ["a delivery" in each.message for each in problems(chain.state, tally)] == [True]


def test_an_operation_on_a_receivable_that_never_was_is_found(chain: ChainBuilder) -> None:
    tally = _final(chain)
    stranger = Tally()
    entry = decode_entry(chain.entry("debtor", confirm(b"\x07" * 32, 5)))
    receipt_of = chain.blocks[1].receipts[0]
    stranger.add(entry, decode_receipt(receipt_of))
    stranger.faces |= tally.faces
    stranger.paid |= tally.paid
    assert ["never registered" in each.message for each in problems(chain.state, stranger)] == [True]


def test_a_registered_receivable_that_is_gone_is_found(chain: ChainBuilder) -> None:
    tally = _final(chain)
    tally.faces[b"\x09" * 32] = 1
    assert ["not in the state" in each.message for each in problems(chain.state, tally)] == [True]


def test_a_payment_of_an_entry_that_was_refused_does_not_count(chain: ChainBuilder) -> None:
    receivable = next(iter(_final(chain).faces))
    chain.commit([chain.entry("exporter-1", payment(receivable, 10**9, "too much"))])
    assert problems(chain.state, _final(chain)) == []
