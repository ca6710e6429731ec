"""What a client believes: honest answers, and not one bit of anything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest

from client.answers import (
    AbsentValue,
    ByFingerprint,
    ById,
    CertifiedHeader,
    PresentValue,
    ReceivableAnswer,
    ReceivableKey,
    StatusAnswer,
)
from client.trust import Checkpoint
from client.unverified import UncheckedChain
from client.verify import Fork, Head, HeadTooOld, TrustedChain
from registry.block import Header
from registry.codec import pack, unpack
from registry.entry import decode_entry
from registry.errors import Code, ProofInvalid
from registry.fingerprints import FingerprintKind
from registry.identifiers import EntryId
from registry.merkle.map import apply_updates, encode_inclusion, prove
from registry.merkle.map_proof import InclusionProof
from registry.receipt import Outcome
from registry.receivable import RECEIVABLE, Receivable
from registry.state import MemoryState
from registry.status import STATUS_SUMMARY, summarise
from registry.stored import (
    EMPTY_PRIVATE_DIGEST,
    Namespace,
    committed_hash,
    private_digest,
    split_stored,
    state_key,
)
from tests.client.answers_of import (
    absent,
    falsified,
    member_answer,
    present,
    receipt_answer,
    receivable_answer,
    status_answer,
)
from tests.client.audit.chain_builder import (
    BuiltBlock,
    ChainBuilder,
    assign,
    digest_of,
    member_id_of,
    registered,
)

A = TypeVar("A")

UNKNOWN = bytes([7]) * 32


class Ledger:
    """A chain with two receivables, of which the first is assigned in part; and who asks about them."""

    def __init__(self) -> None:
        self.builder = ChainBuilder("trust tests")
        first, second = self.builder.register(invoice="one"), self.builder.register(invoice="two")
        self.entries = [self.builder.entry("exporter-1", first), self.builder.entry("exporter-1", second)]
        self.builder.commit(self.entries)
        self.first, self.second = registered(self.entries[0]), registered(self.entries[1])
        both = ("exporter-1", "factor-1")
        self.assignment = self.builder.entry("exporter-1", assign(self.first, first, 60_000), signers=both)
        self.builder.commit([self.assignment])
        self.chain = TrustedChain(self.builder.genesis)

    @property
    def state(self) -> MemoryState:
        return self.builder.state

    @property
    def newest(self) -> BuiltBlock:
        return self.builder.blocks[-1]

    def head(self) -> Head:
        return self.chain.accept_head(self.newest.block.header_bytes, self.newest.certificate)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def by_invoice(name: str) -> ByFingerprint:
    return ByFingerprint(FingerprintKind.INVOICE, digest_of("invoice", name))


def refuses(check: Callable[[], object], what: str) -> ProofInvalid:
    try:
        check()
    except ProofInvalid as error:
        refused = error
    else:
        pytest.fail(f"accepted: {what}")
    assert isinstance(refused.details["answer"], bytes), what
    return refused


def refuses_all_changes(answer: A, check: Callable[[A], object]) -> None:
    """Not one changed byte, cut or additional part of an answer passes."""
    count = 0
    for what, changed in falsified(answer):
        refuses(partial(check, changed), what)
        count += 1
    assert count > 10


# -- Headers -----------------------------------------------------------------------------------------------------------


def test_a_certified_header_is_believed_and_remembered(ledger: Ledger) -> None:
    head = ledger.head()
    assert (head.header.height, head.block_hash) == ledger.builder.head
    assert head.is_verified
    assert ledger.chain.highest == Checkpoint(*ledger.builder.head)
    assert ledger.head() is head


def test_no_changed_byte_of_header_or_certificate_is_believed(ledger: Ledger) -> None:
    genuine = CertifiedHeader(ledger.newest.block.header_bytes, ledger.newest.certificate)

    def accept(answer: CertifiedHeader) -> None:
        chain = TrustedChain(ledger.builder.genesis)
        chain.accept_head(answer.header, answer.certificate)

    refuses_all_changes(genuine, accept)


def test_a_remembered_header_does_not_vouch_for_another_certificate(ledger: Ledger) -> None:
    head = ledger.head()
    forged = head.certificate_bytes[:-1] + bytes([head.certificate_bytes[-1] ^ 1])
    refuses(lambda: ledger.chain.accept_head(head.header_bytes, forged), "forged certificate")


def test_another_quorum_for_the_same_block_is_believed(ledger: Ledger) -> None:
    head = ledger.head()
    others = ledger.builder.certificate(
        head.header.height, head.block_hash, signers=("exporter-1", "factor-1", "factor-2"), round_=3
    )
    assert ledger.chain.accept_head(head.header_bytes, others).block_hash == head.block_hash


def test_the_certificate_of_another_block_is_refused(ledger: Ledger) -> None:
    older, newer = ledger.builder.blocks
    refuses(
        lambda: ledger.chain.accept_head(newer.block.header_bytes, older.certificate), "parent's certificate"
    )


def test_a_header_of_another_chain_is_refused(ledger: Ledger) -> None:
    stranger = ChainBuilder("another consortium")
    built = stranger.commit()
    error = refuses(
        lambda: ledger.chain.accept_head(built.block.header_bytes, built.certificate), "another chain"
    )
    assert error.details["field"] == "chain_id"


@pytest.mark.parametrize(
    ("field", "falsify"),
    [
        ("validators_hash", lambda header: replace(header, validators_hash=bytes(32))),
        ("history_size", lambda header: replace(header, history_size=header.history_size + 1)),
        ("rules_version", lambda header: replace(header, rules_version=2)),
    ],
)
def test_a_header_that_colluding_validators_certify_must_still_be_of_this_chain(
    ledger: Ledger, field: str, falsify: Callable[[Header], Header]
) -> None:
    built = ledger.builder.build(header=falsify)
    error = refuses(
        lambda: ledger.chain.accept_head(built.block.header_bytes, built.certificate), f"false {field}"
    )
    assert error.details["field"] == field


def test_an_older_header_is_refused_for_reading_state_but_not_for_receipts(ledger: Ledger) -> None:
    older = ledger.builder.blocks[0]
    newest = ledger.head()
    with pytest.raises(HeadTooOld) as caught:
        ledger.chain.accept_head(older.block.header_bytes, older.certificate)
    assert caught.value.details["seen"] == newest.header.height
    assert ledger.chain.verify_head(older.block.header_bytes, older.certificate).header.height == 1
    assert ledger.chain.highest == newest.checkpoint


def test_a_receipt_raises_the_height_below_which_state_is_refused(ledger: Ledger) -> None:
    older, newer = ledger.builder.blocks
    ledger.chain.verify_head(newer.block.header_bytes, newer.certificate)
    with pytest.raises(HeadTooOld):
        ledger.chain.accept_head(older.block.header_bytes, older.certificate)


@pytest.mark.parametrize(("age_ms", "is_accepted"), [(0, True), (5_000, True), (5_001, False), (-3, True)])
def test_a_header_may_be_as_old_as_the_caller_accepts(ledger: Ledger, age_ms: int, is_accepted: bool) -> None:
    chain = TrustedChain(ledger.builder.genesis, age_ms_max=5_000)
    block = ledger.newest.block
    now_ms = block.header.time_ms + age_ms
    if is_accepted:
        chain.accept_head(block.header_bytes, ledger.newest.certificate, now_ms)
    else:
        with pytest.raises(HeadTooOld):
            chain.accept_head(block.header_bytes, ledger.newest.certificate, now_ms)


def test_a_state_of_yesterday_is_refused_unless_any_age_is_accepted_in_so_many_words(ledger: Ledger) -> None:
    block, certificate = ledger.newest.block, ledger.newest.certificate
    tomorrow_ms = block.header.time_ms + 86_400_000
    with pytest.raises(HeadTooOld, match="86400 s old and at most 60 s"):
        TrustedChain(ledger.builder.genesis).accept_head(block.header_bytes, certificate, tomorrow_ms)
    TrustedChain(ledger.builder.genesis, age_ms_max=None).accept_head(
        block.header_bytes, certificate, tomorrow_ms
    )


def test_without_a_clock_the_age_is_not_judged(ledger: Ledger) -> None:
    chain = TrustedChain(ledger.builder.genesis, age_ms_max=1)
    chain.accept_head(ledger.newest.block.header_bytes, ledger.newest.certificate)


def test_a_checkpoint_is_the_lowest_height_and_fixes_its_block(ledger: Ledger) -> None:
    older, newer = ledger.builder.blocks
    genesis = ledger.builder.genesis
    at_newer = TrustedChain(genesis, checkpoint=Checkpoint(2, newer.block.block_hash))
    with pytest.raises(HeadTooOld):
        at_newer.accept_head(older.block.header_bytes, older.certificate)
    assert at_newer.accept_head(newer.block.header_bytes, newer.certificate).header.height == 2
    elsewhere = TrustedChain(genesis, checkpoint=Checkpoint(2, bytes(32)))
    refuses(lambda: elsewhere.accept_head(newer.block.header_bytes, newer.certificate), "another history")


def test_two_certified_blocks_of_one_height_are_kept_as_proof(ledger: Ledger) -> None:
    one = ledger.builder.build()
    other = ledger.builder.build(time_ms=one.block.header.time_ms + 1)
    ledger.chain.accept_head(one.block.header_bytes, one.certificate)
    with pytest.raises(Fork) as caught:
        ledger.chain.verify_head(other.block.header_bytes, other.certificate)
    fork = caught.value
    assert {fork.first.block_hash, fork.second.block_hash} == {one.block.block_hash, other.block.block_hash}
    assert fork.first.certificate_bytes != fork.second.certificate_bytes
    assert ledger.chain.forks == [fork]


# -- Status ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["id", "fingerprint"])
def test_a_status_is_proven_and_no_changed_byte_of_it_is_believed(ledger: Ledger, name: str) -> None:
    key: ReceivableKey = ById(ledger.first) if name == "id" else by_invoice("one")
    head, answer = ledger.head(), status_answer(ledger.state, key)
    proven = ledger.chain.check_status(head, key, answer)
    assert proven.summary is not None
    assert proven.summary.receivable_id == ledger.first
    assert (proven.summary.outstanding, proven.summary.assigned) == (100_000, 60_000)
    assert (proven.registered is not None) == (name == "fingerprint")
    refuses_all_changes(answer, partial(ledger.chain.check_status, head, key))


@pytest.mark.parametrize("name", ["id", "fingerprint"])
def test_absence_is_proven_and_no_changed_byte_of_it_is_believed(ledger: Ledger, name: str) -> None:
    key: ReceivableKey = ById(UNKNOWN) if name == "id" else by_invoice("never registered")
    head, answer = ledger.head(), status_answer(ledger.state, key)
    assert ledger.chain.check_status(head, key, answer).summary is None
    refuses_all_changes(answer, partial(ledger.chain.check_status, head, key))


def test_inclusion_is_not_taken_for_absence(ledger: Ledger) -> None:
    key, head = ById(ledger.first), ledger.head()
    shown = status_answer(ledger.state, key).present
    assert shown is not None
    disguised = StatusAnswer(None, None, AbsentValue(shown.proof))
    refuses(lambda: ledger.chain.check_status(head, key, disguised), "inclusion as absence")


def test_absence_is_not_taken_for_inclusion(ledger: Ledger) -> None:
    key, head = ById(UNKNOWN), ledger.head()
    missing = status_answer(ledger.state, key).absent
    genuine = status_answer(ledger.state, ById(ledger.first)).present
    assert missing is not None
    assert genuine is not None
    disguised = StatusAnswer(None, replace(genuine, proof=missing.proof), None)
    refuses(lambda: ledger.chain.check_status(head, key, disguised), "absence as inclusion")


def test_the_key_is_what_was_asked_and_not_what_was_answered(ledger: Ledger) -> None:
    head = ledger.head()
    other = status_answer(ledger.state, ById(ledger.second))
    refuses(lambda: ledger.chain.check_status(head, ById(ledger.first), other), "another receivable by id")
    other = status_answer(ledger.state, by_invoice("two"))
    refuses(
        lambda: ledger.chain.check_status(head, by_invoice("one"), other), "another receivable by fingerprint"
    )
    unknown = status_answer(ledger.state, ById(UNKNOWN))
    refuses(
        lambda: ledger.chain.check_status(head, ById(ledger.first), unknown), "the absence of another one"
    )


def test_a_fingerprint_leads_to_its_own_receivable_only(ledger: Ledger) -> None:
    head = ledger.head()
    link = status_answer(ledger.state, by_invoice("one")).fingerprint
    swapped = StatusAnswer(link, status_answer(ledger.state, ById(ledger.second)).present, None)
    refuses(lambda: ledger.chain.check_status(head, by_invoice("one"), swapped), "linked to another one")


def test_a_present_fingerprint_with_an_absent_receivable_is_refused(ledger: Ledger) -> None:
    head = ledger.head()
    link = status_answer(ledger.state, by_invoice("one")).fingerprint
    missing = status_answer(ledger.state, ById(UNKNOWN)).absent
    refuses(
        lambda: ledger.chain.check_status(head, by_invoice("one"), StatusAnswer(link, None, missing)), "half"
    )


def test_a_proof_from_an_older_state_does_not_hold_at_the_newest_head(ledger: Ledger) -> None:
    key = ById(ledger.first)
    old = status_answer(ledger.state, key)
    ledger.builder.commit([ledger.builder.entry("exporter-1", ledger.builder.register(invoice="three"))])
    refuses(lambda: ledger.chain.check_status(ledger.head(), key, old), "old proof, new head")


def test_each_key_of_a_batch_is_answered_in_its_place(ledger: Ledger) -> None:
    keys: list[ReceivableKey] = [ById(ledger.first), by_invoice("two"), ById(UNKNOWN)]
    head = ledger.head()
    answers = [status_answer(ledger.state, key) for key in keys]
    proven = ledger.chain.check_statuses(head, keys, answers)
    assert [status.summary.receivable_id if status.summary else None for status in proven] == [
        ledger.first,
        ledger.second,
        None,
    ]
    with pytest.raises(ProofInvalid):
        ledger.chain.check_statuses(head, keys, answers[:2])
    with pytest.raises(ProofInvalid):
        ledger.chain.check_statuses(head, keys, [answers[1], answers[0], answers[2]])


# -- Records -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["id", "fingerprint"])
def test_a_whole_record_is_proven_and_no_changed_byte_of_it_is_believed(ledger: Ledger, name: str) -> None:
    key: ReceivableKey = ById(ledger.first) if name == "id" else by_invoice("one")
    head, answer = ledger.head(), receivable_answer(ledger.state, key)
    record = ledger.chain.check_receivable(head, key, answer).record
    assert record is not None
    assert {part.holder: part.amount for part in record.parts} == {
        member_id_of("exporter-1"): 40_000,
        member_id_of("factor-1"): 60_000,
    }
    refuses_all_changes(answer, partial(ledger.chain.check_receivable, head, key))


def test_the_absence_of_a_record_is_proven_and_nothing_beside_it_is_accepted(ledger: Ledger) -> None:
    key, head = ById(UNKNOWN), ledger.head()
    answer = receivable_answer(ledger.state, key)
    assert ledger.chain.check_receivable(head, key, answer).record is None
    refuses_all_changes(answer, partial(ledger.chain.check_receivable, head, key))


def test_a_record_that_a_party_hands_over_is_held_against_the_proven_status(ledger: Ledger) -> None:
    key, head = ById(ledger.first), ledger.head()
    status = ledger.chain.check_status(head, key, status_answer(ledger.state, key))
    private = receivable_answer(ledger.state, key).private
    assert ledger.chain.check_disclosed_record(status, private).receivable_id == ledger.first
    other = receivable_answer(ledger.state, ById(ledger.second)).private
    refuses(lambda: ledger.chain.check_disclosed_record(status, other), "the record of another one")
    nothing = ledger.chain.check_status(head, ById(UNKNOWN), status_answer(ledger.state, ById(UNKNOWN)))
    refuses(lambda: ledger.chain.check_disclosed_record(nothing, private), "a record of nothing")


def colluded(ledger: Ledger, public: bytes, private: bytes) -> tuple[Head, ReceivableAnswer]:
    """A certified state in which the validators have put these bytes under the first receivable's key."""
    key_hash = state_key(Namespace.RECEIVABLE, ledger.first)
    state = MemoryState()
    update = apply_updates(state, {key_hash: committed_hash(public, private_digest(private))})
    for path, page in update.pages.items():
        state._pages[path] = page or b""
    proof = prove(state, key_hash)
    assert isinstance(proof, InclusionProof)
    built = ledger.builder.build(header=lambda honest: replace(honest, state_root=update.root))
    head = ledger.chain.accept_head(built.block.header_bytes, built.certificate)
    return head, ReceivableAnswer(None, public, private, encode_inclusion(proof), None)


def genuine_record(ledger: Ledger) -> tuple[bytes, bytes, Receivable]:
    stored = ledger.state.value(state_key(Namespace.RECEIVABLE, ledger.first))
    assert stored is not None
    public, private = split_stored(stored)
    return public, private, RECEIVABLE.decode(unpack(private, 1 << 20), "receivable")


def test_a_summary_that_is_not_that_of_its_record_is_refused_even_when_certified(ledger: Ledger) -> None:
    _, private, record = genuine_record(ledger)
    public = pack(STATUS_SUMMARY.encode(replace(summarise(record), free=99_999), "summary"))
    head, answer = colluded(ledger, public, private)
    error = refuses(
        lambda: ledger.chain.check_receivable(head, ById(ledger.first), answer), "summary of another record"
    )
    assert "summary" in error.message


def test_a_record_of_another_receivable_under_this_key_is_refused_even_when_certified(ledger: Ledger) -> None:
    _, _, record = genuine_record(ledger)
    other = replace(record, receivable_id=UNKNOWN)
    public = pack(STATUS_SUMMARY.encode(summarise(other), "summary"))
    head, answer = colluded(ledger, public, pack(RECEIVABLE.encode(other, "receivable")))
    refuses(lambda: ledger.chain.check_receivable(head, ById(ledger.first), answer), "another id inside")
    shown = PresentValue(public, private_digest(answer.private), answer.proof)
    refuses(
        lambda: ledger.chain.check_status(head, ById(ledger.first), StatusAnswer(None, shown, None)),
        "another id inside",
    )


def test_bytes_that_are_no_record_are_a_false_answer_and_not_a_crash(ledger: Ledger) -> None:
    head, answer = colluded(ledger, b"\xc1", b"\xc1")
    error = refuses(lambda: ledger.chain.check_receivable(head, ById(ledger.first), answer), "no msgpack")
    assert "malformed" in error.message


# -- Members -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["exporter-1", "factor-2", "nobody"])
def test_a_member_is_proven_and_no_changed_byte_of_the_answer_is_believed(ledger: Ledger, who: str) -> None:
    member_id, head = member_id_of(who), ledger.head()
    answer = member_answer(ledger.state, member_id)
    proven = ledger.chain.check_member(head, member_id, answer)
    assert (proven.member is None) == (who == "nobody")
    assert proven.window.highest == (3 if who == "exporter-1" else 0)
    refuses_all_changes(answer, partial(ledger.chain.check_member, head, member_id))


def test_another_members_record_is_refused(ledger: Ledger) -> None:
    head = ledger.head()
    answer = member_answer(ledger.state, member_id_of("factor-1"))
    refuses(
        lambda: ledger.chain.check_member(head, member_id_of("factor-2"), answer), "the record of factor-1"
    )


def test_a_private_part_where_there_can_be_none_is_refused(ledger: Ledger) -> None:
    member_id = member_id_of("factor-1")
    genuine = present(ledger.state, Namespace.MEMBER, member_id.encode())
    assert genuine.private_digest == EMPTY_PRIVATE_DIGEST
    answer = member_answer(ledger.state, member_id)
    changed = replace(answer, member=replace(genuine, private_digest=private_digest(b"more")))
    refuses(lambda: ledger.chain.check_member(ledger.head(), member_id, changed), "private part")


# -- Receipts ----------------------------------------------------------------------------------------------------------


def test_a_receipt_is_proven_and_no_changed_byte_of_it_is_believed(ledger: Ledger) -> None:
    built = ledger.builder.blocks[0]
    entry_id = decode_entry(ledger.entries[1]).entry_id
    head = ledger.chain.verify_head(built.block.header_bytes, built.certificate)
    answer = receipt_answer(built, 1)
    proven = ledger.chain.check_receipt(head, entry_id, answer)
    assert proven.receipt.outcome is Outcome.APPLIED
    assert proven.receipt.results[0].subject == ledger.second
    refuses_all_changes(answer, partial(ledger.chain.check_receipt, head, entry_id))


def test_a_refusal_is_provable(ledger: Ledger) -> None:
    again = ledger.builder.entry("exporter-1", ledger.builder.register(invoice="one"))
    built = ledger.builder.commit([again])
    head = ledger.head()
    proven = ledger.chain.check_receipt(head, decode_entry(again).entry_id, receipt_answer(built, 0))
    assert proven.receipt.results[0].code is Code.DUPLICATE_RECEIVABLE


def test_the_receipt_of_another_entry_is_refused(ledger: Ledger) -> None:
    built = ledger.builder.blocks[0]
    head = ledger.chain.verify_head(built.block.header_bytes, built.certificate)
    asked = decode_entry(ledger.entries[0]).entry_id
    refuses(lambda: ledger.chain.check_receipt(head, asked, receipt_answer(built, 1)), "of the other entry")
    refuses(
        lambda: ledger.chain.check_receipt(head, EntryId(UNKNOWN), receipt_answer(built, 0)), "of no entry"
    )


def test_a_receipt_hangs_in_its_own_block_only(ledger: Ledger) -> None:
    older = ledger.builder.blocks[0]
    head = ledger.head()
    asked = decode_entry(ledger.entries[0]).entry_id
    refuses(
        lambda: ledger.chain.check_receipt(head, asked, receipt_answer(older, 0)), "older block, newer head"
    )


# -- Without verification -----------------------------------------------------------------------------------------------


def test_what_is_not_verified_says_so(ledger: Ledger) -> None:
    checks = UncheckedChain()
    genuine = ledger.newest
    head = checks.accept_head(genuine.block.header_bytes, b"no certificate at all")
    assert not head.is_verified
    answer = status_answer(ledger.state, ById(ledger.first))
    assert answer.present is not None
    unproven = replace(answer, present=replace(answer.present, proof=b""))
    assert checks.check_statuses(head, [ById(ledger.first)], [unproven])[0].summary is not None
    assert (
        checks.check_member(head, "x", member_answer(ledger.state, member_id_of("factor-1"))).member
        is not None
    )
    missing = receivable_answer(ledger.state, ById(UNKNOWN))
    assert checks.check_receivable(head, ById(UNKNOWN), missing).record is None
    assert absent(ledger.state, Namespace.RECEIVABLE, UNKNOWN) == missing.absent
