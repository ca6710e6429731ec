"""Every fraud pattern of the rulebook, played on four real nodes, through several of them at once where that is the point.

Each scenario looks at the proven receipt: the code, and what on the chain the attempt collided with. At the end all nodes are
found in one state, and the auditor derives it again from what one of them hands out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import permutations
from pathlib import Path

import pytest

from client.audit.audit import AuditRequest, run_audit
from client.audit.findings import Exit
from client.errors import PapersMismatch
from client.papers import DeliveryPaper, Papers
from registry.entry import Mode, assemble, decode_entry, sign_body
from registry.errors import Code, Reason
from registry.fingerprints import Numbering
from registry.member import MemberStatus
from registry.operations import (
    AcknowledgeNotice,
    AddToPool,
    AssignBlanket,
    AttestEvidence,
    BindCover,
    ChangeMember,
    Confirm,
    ConfirmTacitly,
    CreatePool,
    NotifyDebtor,
    RaiseObjection,
    RecordCreditNote,
    ReportIndirectPayment,
    ReversePayment,
    SetCollectionAccount,
    Settle,
)
from registry.operations.confirmation import OptIn, opt_in_message
from registry.operations.existence import EvidenceKind, HolderShare
from registry.operations.governance import Role
from registry.operations.pool import Addition, PoolTerms
from registry.operations.relationships import DeclareRelationship
from registry.receivable import Phase
from registry.signing import SigningKey
from tests.node.live_network import make_test_network
from tests.scenarios.stage import DAY_MS, NODES, WHOLE, Played, Stage, known_as, now_ms

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with make_test_network(tmp_path_factory.mktemp("frauds") / "net") as network:
        network.start_all()
        network.wait_healthy()
        with Stage(network) as opened:
            yield opened


def only_winner(played: list[Played]) -> tuple[Played, list[Played]]:
    """The one attempt that was applied, and the others; all of them collided with it."""
    winners = [each for each in played if each.code is Code.OK]
    losers = [each for each in played if each.code is not Code.OK]
    assert len(winners) == 1, [each.result for each in played]
    assert {each.collided_at for each in losers} <= {winners[0].place}, [each.result for each in losers]
    return winners[0], losers


# --- one invoice, twice


def test_the_same_number_reformatted(stage: Stage) -> None:
    first = stage.register(stage.invoice("inv-007/2024"))
    copies = ["INV 007 2024", "ＩＮＶ７２０２４", "Inv/7/2024", "INV-0007-2024"]
    entries = [stage.sign(stage.registration(stage.invoice(number)), by=("exporter-1",)) for number in copies]
    for copy in stage.at_once(*entries):
        assert (copy.code, copy.collided_with) == (Code.DUPLICATE_RECEIVABLE, first.subject)
        assert copy.collided_at == first.place


def test_the_same_invoice_with_another_amount_or_date(stage: Stage) -> None:
    papers = stage.invoice("ALTERED")
    first = stage.register(papers)
    altered = (
        replace(papers, amount=papers.amount + 1),
        replace(papers, due_date=papers.issue_date),
        replace(papers, currency="EUR"),
    )
    entries = [stage.sign(stage.registration(copy), by=("exporter-1",)) for copy in altered]
    for copy in stage.at_once(*entries):
        assert (copy.code, copy.collided_with) == (Code.DUPLICATE_RECEIVABLE, first.subject)


def test_the_same_invoice_handed_in_at_four_nodes_at_once_is_registered_once(stage: Stage) -> None:
    papers = stage.invoice("RACE")
    entries = [stage.sign(stage.registration(papers), by=("exporter-1",)) for _ in NODES]
    winner, losers = only_winner(stage.at_once(*entries))
    assert {each.code for each in losers} == {Code.DUPLICATE_RECEIVABLE}
    assert {each.collided_with for each in losers} == {winner.subject}


def test_the_same_fiscal_invoice_through_an_affiliate(stage: Stage) -> None:
    fiscal = "24312000000123456789"
    first = stage.register(replace(stage.invoice("FISCAL"), fiscal_number=fiscal))
    papers = replace(stage.invoice("A-1", exporter="exporter-2"), fiscal_number=fiscal)
    copy = stage.register(papers, by="exporter-2")
    assert (copy.code, copy.collided_at) == (Code.DUPLICATE_RECEIVABLE, first.place)


def test_the_same_file_under_another_number(stage: Stage) -> None:
    file = sha256(b"%PDF one invoice").digest()
    first = stage.register(replace(stage.invoice("FILE-1"), document_sha256=file))
    copy = stage.register(replace(stage.invoice("FILE-2"), document_sha256=file))
    assert (copy.code, copy.collided_at) == (Code.DUPLICATE_RECEIVABLE, first.place)
    assert [reason.word for reason in copy.result.reasons] == ["document"]


def test_an_already_paid_invoice_registered_again(stage: Stage) -> None:
    papers = stage.invoice("PAID")
    first = stage.register(papers)
    stage.play(stage.payment(first.subject, WHOLE, "paid once"), by=("bank-1",))
    stage.play(Settle(first.subject, (known_as("exporter-1"),), write_off=False), by=("exporter-1",))
    assert stage.record(first.subject).phase is Phase.SETTLED
    again = stage.register(papers)
    assert (again.code, again.collided_at) == (Code.DUPLICATE_RECEIVABLE, first.place)


def test_the_same_parties_amount_and_date_under_another_number(stage: Stage) -> None:
    papers = stage.invoice("TWIN-1")
    stage.register(papers)
    twin = stage.register(replace(papers, invoice_number="TWIN-2")).subject
    sold = stage.play(stage.assignment(twin, WHOLE, "factor-1"), by=("exporter-1", "factor-1"))
    assert sold.code is Code.SUSPICION_NOT_ACKNOWLEDGED


# --- what was delivered


def with_delivery(papers: Papers, quantity: int, document: str, whole: int = 100) -> Papers:
    return replace(papers, deliveries=(DeliveryPaper(document, "1", quantity, whole),))


def test_one_delivery_behind_two_invoices(stage: Stage) -> None:
    entries = [
        stage.sign(
            stage.registration(with_delivery(stage.invoice(f"BL-{name}", exporter=name), 60, "BL 1")),
            by=(name,),
        )
        for name in ("exporter-1", "exporter-2")
    ]
    _, losers = only_winner(stage.at_once(*entries))
    assert [each.code for each in losers] == [Code.DUPLICATE_DELIVERY]


def test_one_delivery_that_is_attested_for_two_invoices(stage: Stage) -> None:
    papers = [with_delivery(stage.invoice(f"ATT-{n}"), 50, "BL 2") for n in (1, 2)]
    receivables = [stage.register(each).subject for each in papers]
    paper = papers[0].fingerprints(stage.fingerprints).deliveries[0].fingerprint
    carrier = known_as("carrier-1")
    seen = [
        AttestEvidence(receivable, carrier, EvidenceKind.DELIVERY, paper, 50, voided=False)
        for receivable in receivables
    ]
    first = stage.play(seen[0], by=("carrier-1",))
    second = stage.play(seen[1], by=("carrier-1",))
    assert first.code is Code.OK
    assert (second.code, second.collided_at) == (Code.DUPLICATE_DELIVERY, first.place)


def test_an_invoice_split_whose_parts_exceed_the_whole(stage: Stage) -> None:
    split = [
        with_delivery(stage.invoice(f"SPLIT/{n}"), quantity, "BL 3")
        for n, quantity in enumerate((50, 30, 20, 1))
    ]
    parts = [stage.registration(each) for each in split]
    played = stage.play(*parts, by=("exporter-1",), mode=Mode.INDEPENDENT)
    codes = [result.code for result in played.proven.receipt.results]
    assert codes == [Code.OK, Code.OK, Code.OK, Code.DUPLICATE_DELIVERY]


# --- empty pledges


def test_a_credited_invoice_pledged_at_face(stage: Stage) -> None:
    receivable = stage.registered("CREDITED")
    exporter = known_as("exporter-1")
    number = stage.fingerprints.credit_note(exporter, stage.reference("debtor-1"), "CN-1")
    note = RecordCreditNote(receivable, exporter, (), number, (HolderShare(exporter, 400_000),))
    assert stage.play(note, by=("exporter-1",)).code is Code.OK
    at_face = stage.play(stage.pledge(receivable, WHOLE, "factor-1"), by=("exporter-1", "factor-1"))
    assert at_face.code is Code.EMPTY_PLEDGE
    left = stage.play(stage.pledge(receivable, 600_000, "factor-1"), by=("exporter-1", "factor-1"))
    assert left.code is Code.OK


def test_a_future_receivable_pledged_as_existing(stage: Stage) -> None:
    papers = replace(stage.invoice("CONTRACT-1"), is_contract=True)
    future = stage.play(papers.future_registration(stage.fingerprints, bytes(16)), by=("exporter-1",)).subject
    stage.show(future, papers)
    pledge = stage.play(stage.pledge(future, WHOLE, "factor-1"), by=("exporter-1", "factor-1"))
    assert (pledge.code, pledge.collided_with) == (Code.EMPTY_PLEDGE, future)
    assert Reason("future", WHOLE) in pledge.result.reasons


def test_a_pledge_by_who_does_not_hold(stage: Stage) -> None:
    first = stage.register(stage.invoice("NOT-MINE"))
    pledge = stage.pledge(first.subject, 1, "factor-1", pledgor="exporter-2")
    played = stage.play(pledge, by=("exporter-2", "factor-1"))
    assert (played.code, played.collided_at) == (Code.NOT_HOLDER, first.place)


def test_a_pledge_of_what_was_never_registered(stage: Stage) -> None:
    nothing = sha256(b"never registered").digest()
    stage.show(nothing, stage.invoice("NEVER"))
    played = stage.play(stage.pledge(nothing, WHOLE, "factor-1"), by=("exporter-1", "factor-1"))
    assert (played.code, played.result.reasons) == (Code.EMPTY_PLEDGE, (Reason("not_existing", 0),))


def test_other_papers_than_were_registered_are_shown_to_the_financier(stage: Stage) -> None:
    receivable = stage.registered("SHOWN")
    truth = stage.shown[receivable]
    stage.shown[receivable] = replace(truth, papers=replace(truth.papers, amount=2 * WHOLE))
    with pytest.raises(PapersMismatch):
        stage.sign(stage.pledge(receivable, WHOLE, "factor-1"), by=("exporter-1", "factor-1"))
    assert stage.shown.pop(receivable) is not truth


# --- more than the whole


FINANCIERS = ("factor-1", "factor-2", "factor-3")


@pytest.mark.parametrize("order", list(permutations(FINANCIERS)), ids="-".join)
def test_assignments_to_three_factors_above_the_whole_in_one_block(
    stage: Stage, order: tuple[str, ...]
) -> None:
    receivable = stage.registered("THREE-" + "".join(name[-1] for name in order))
    sales = [stage.assignment(receivable, 600_000, name) for name in order]
    played = stage.play(*sales, by=("exporter-1", *FINANCIERS), mode=Mode.INDEPENDENT)
    results = played.proven.receipt.results
    assert [each.code for each in results] == [Code.OK, Code.EMPTY_ASSIGNMENT, Code.EMPTY_ASSIGNMENT]
    for refused in results[1:]:
        assert refused.collided_with is not None
        assert refused.collided_with.operation_index == 0
    parts = {part.holder: part.amount for part in stage.record(receivable).parts}
    assert parts == {known_as("exporter-1"): 400_000, known_as(order[0]): 600_000}


@pytest.mark.parametrize("round_number", range(4))
def test_assignments_to_three_factors_above_the_whole_through_three_nodes(
    stage: Stage, round_number: int
) -> None:
    """Which of them is first is for the network to say, not for whoever hands in."""
    receivable = stage.registered(f"RACE-OF-THREE-{round_number}")
    entries = [
        stage.sign(stage.assignment(receivable, 600_000, name), by=("exporter-1", name))
        for name in FINANCIERS
    ]
    _, losers = only_winner(stage.at_once(*entries))
    assert [each.code for each in losers] == [Code.EMPTY_ASSIGNMENT] * 2


def test_a_sale_and_a_pledge_of_the_same_value_through_two_nodes(stage: Stage) -> None:
    receivable = stage.registered("SOLD-OR-PLEDGED")
    entries = [
        stage.sign(stage.assignment(receivable, WHOLE, "factor-1"), by=("exporter-1", "factor-1")),
        stage.sign(stage.pledge(receivable, WHOLE, "factor-2"), by=("exporter-1", "factor-2")),
    ]
    sale, pledge = stage.at_once(*entries)
    only_winner([sale, pledge])
    # In either order the later one names the earlier one.
    refusal = pledge.code if sale.code is Code.OK else sale.code
    assert refusal is (Code.DUPLICATE_PLEDGE if sale.code is Code.OK else Code.PLEDGED)


def test_a_pledge_after_an_assignment(stage: Stage) -> None:
    receivable = stage.registered("SOLD-FIRST")
    sale = stage.play(stage.assignment(receivable, WHOLE, "factor-1"), by=("exporter-1", "factor-1"))
    pledge = stage.play(stage.pledge(receivable, WHOLE, "factor-2"), by=("exporter-1", "factor-2"))
    assert (pledge.code, pledge.collided_at) == (Code.DUPLICATE_PLEDGE, sale.place)


def test_an_assignment_after_a_pledge(stage: Stage) -> None:
    receivable = stage.registered("PLEDGED-FIRST")
    pledge = stage.play(stage.pledge(receivable, WHOLE, "factor-1"), by=("exporter-1", "factor-1"))
    sale = stage.play(stage.assignment(receivable, 1, "factor-2"), by=("exporter-1", "factor-2"))
    assert (sale.code, sale.collided_at) == (Code.PLEDGED, pledge.place)
    lien = stage.record(receivable).liens[0]
    assert sale.collided_with == lien.lien_id


def test_the_same_pledge_submitted_to_two_nodes_at_once_is_one_pledge(stage: Stage) -> None:
    receivable = stage.registered("TWO-NODES")
    entry = stage.sign(stage.pledge(receivable, WHOLE, "factor-1"), by=("exporter-1", "factor-1"))
    (played,) = stage.at_once(entry, twice=True)
    assert played.code is Code.OK
    assert len(stage.record(receivable).liens) == 1


def test_the_same_value_pledged_to_two_factors_through_two_nodes(stage: Stage) -> None:
    receivable = stage.registered("TWO-PLEDGEES")
    entries = [
        stage.sign(stage.pledge(receivable, WHOLE, name), by=("exporter-1", name))
        for name in ("factor-1", "factor-2")
    ]
    _, losers = only_winner(stage.at_once(*entries))
    assert [each.code for each in losers] == [Code.DUPLICATE_PLEDGE]


def test_a_blanket_against_a_specific_assignment(stage: Stage) -> None:
    exporter, factor = known_as("exporter-2"), known_as("factor-1")
    blanket = AssignBlanket(
        exporter, factor, stage.reference("debtor-2"), now_ms() - DAY_MS, now_ms() + DAY_MS, False, False
    )
    agreed = stage.play(blanket, by=("exporter-2", "factor-1"))
    rival = replace(blanket, assignee=known_as("factor-2"), debtor_reference=None)
    conflict = stage.play(rival, by=("exporter-2", "factor-2"))
    assert (conflict.code, conflict.collided_at) == (Code.BLANKET_CONFLICT, agreed.place)
    papers = stage.invoice("COVERED", exporter="exporter-2", debtor="debtor-2")
    receivable = stage.register(papers, by="exporter-2").subject
    sale = stage.play(
        stage.assignment(receivable, 1, "factor-2", assignor="exporter-2"), by=("exporter-2", "factor-2")
    )
    assert (sale.code, sale.collided_at) == (Code.NOT_HOLDER, agreed.place)
    assert stage.record(receivable).amount_of(factor) == WHOLE


def test_a_contract_is_not_sold_from_under_a_blanket(stage: Stage) -> None:
    exporter, factor = known_as("exporter-2"), known_as("factor-1")
    blanket = AssignBlanket(
        exporter, factor, stage.reference("bank-1"), now_ms() - DAY_MS, now_ms() + DAY_MS, False, False
    )
    agreed = stage.play(blanket, by=("exporter-2", "factor-1"))
    papers = replace(stage.invoice("CONTRACT-2", exporter="exporter-2", debtor="bank-1"), is_contract=True)
    future = stage.play(papers.future_registration(stage.fingerprints, bytes(16)), by=("exporter-2",)).subject
    stage.show(future, papers)
    ahead = replace(stage.assignment(future, WHOLE, "factor-2", assignor="exporter-2"), future_consented=True)
    played = stage.play(ahead, by=("exporter-2", "factor-2"))
    assert (played.code, played.collided_at) == (Code.BLANKET_CONFLICT, agreed.place)


# --- the debtor, and the money


def test_a_confirmation_by_a_key_that_is_not_enrolled(stage: Stage) -> None:
    receivable = stage.registered("FORGED")
    confirmation = Confirm(receivable, known_as("debtor-1"), WHOLE, ())
    body = decode_entry(stage.sign(confirmation, by=("debtor-1",))).body_bytes
    forged = assemble(body, (sign_body(body, known_as("debtor-1"), SigningKey(sha256(b"forger").digest())),))
    assert set(stage.turned_away(forged)) == {Code.UNKNOWN_SIGNER}
    assert stage.record(receivable).confirmation.amount == 0


def test_a_confirmation_by_another_debtor(stage: Stage) -> None:
    receivable = stage.registered("NOT-ITS-DEBTOR")
    played = stage.play(Confirm(receivable, known_as("debtor-2"), WHOLE, ()), by=("debtor-2",))
    assert (played.code, played.collided_with) == (Code.NOT_PERMITTED, receivable)


def test_silence_about_an_invoice_that_has_just_arisen(stage: Stage) -> None:
    """A carrier who witnesses a false invoice under a contract does not bind the debtor by its silence about the contract."""
    exporter, factor, buyer = known_as("exporter-1"), known_as("factor-1"), known_as("debtor-1")
    papers = replace(stage.invoice("CONTRACT-3"), is_contract=True)
    future = stage.play(papers.future_registration(stage.fingerprints, bytes(16)), by=("exporter-1",)).subject
    stage.show(future, papers)
    ahead = replace(stage.assignment(future, WHOLE, "factor-1"), future_consented=True)
    stage.play(ahead, by=("exporter-1", "factor-1"))
    stage.play(NotifyDebtor(future, factor), by=("factor-1",))
    stage.play(AcknowledgeNotice(future, buyer, factor), by=("debtor-1",))
    invoice = with_delivery(stage.invoice("ARISEN"), 1, "BL 4")
    arising = invoice.crystallisation(stage.fingerprints, bytes(16), future, known_as("carrier-1"))
    arisen = stage.play(arising, by=("exporter-1", "carrier-1")).subject
    until_ms = now_ms() + DAY_MS
    key = stage.wallets["debtor-1"].keys[0]
    consent = OptIn(
        buyer,
        until_ms,
        key.public_key,
        key.sign(opt_in_message(stage.genesis.chain_id, buyer, exporter, until_ms)),
    )
    silent = stage.play(ConfirmTacitly(arisen, factor, consent), by=("factor-1",))
    assert silent.code is Code.TOO_EARLY
    assert stage.record(arisen).amount_of(factor) == WHOLE


def test_an_exporter_redirects_the_collection_account_alone(stage: Stage) -> None:
    receivable = stage.registered("REDIRECTED")
    exporter = known_as("exporter-1")
    own = SetCollectionAccount(receivable, (exporter,), sha256(b"the exporter's").digest())
    assert stage.play(own, by=("exporter-1",)).code is Code.OK
    stage.play(stage.assignment(receivable, WHOLE, "factor-1"), by=("exporter-1", "factor-1"))
    # Neither the one that it named just before the sale, nor another one after it.
    assert stage.record(receivable).collection.pending is None
    assert stage.play(own, by=("exporter-1",)).code is Code.HOLDER_CONSENT


def test_a_payment_to_the_exporter_after_notice(stage: Stage) -> None:
    receivable = stage.registered("INDIRECT")
    exporter, factor, buyer = known_as("exporter-1"), known_as("factor-1"), known_as("debtor-1")
    sale = stage.play(stage.assignment(receivable, WHOLE, "factor-1"), by=("exporter-1", "factor-1"))
    stage.play(NotifyDebtor(receivable, factor), by=("factor-1",))
    stage.play(AcknowledgeNotice(receivable, buyer, factor), by=("debtor-1",))
    discharging = stage.play(stage.payment(receivable, WHOLE, "astray"), by=("bank-1",))
    assert (discharging.code, discharging.collided_with) == (Code.NOT_HOLDER, receivable)
    reference = stage.fingerprints.payment("BANK", "astray")
    report = ReportIndirectPayment(receivable, factor, factor, WHOLE, reference, turned_over=False)
    reported = stage.play(report, by=("factor-1",))
    assert (reported.code, reported.result.reasons) == (Code.OK, (Reason("indirect", WHOLE),))
    record = stage.record(receivable)
    assert (record.outstanding, record.collection.indirect[0].holder) == (WHOLE, factor)
    assert exporter not in {part.holder for part in record.parts}
    assert sale.code is Code.OK


def test_a_debtor_of_the_exporters_group(stage: Stage) -> None:
    today = now_ms() // DAY_MS
    declared = stage.play(
        DeclareRelationship(
            None, stage.reference("carrier-1"), stage.reference("exporter-1"), today - 1, True, False
        ),
        by=("association",),
    )
    receivable = stage.register(stage.invoice("RELATED", debtor="carrier-1")).subject
    sale = stage.play(stage.assignment(receivable, WHOLE, "factor-1"), by=("exporter-1", "factor-1"))
    assert (sale.code, sale.collided_at) == (Code.RELATED_PARTY, declared.place)
    assert sale.result.reasons == (Reason("related_party", WHOLE),)


def test_trade_in_a_circle_is_flagged(stage: Stage) -> None:
    there = stage.register(stage.invoice("CIRCLE-1", debtor="exporter-2"))
    assert (there.code, there.result.reasons) == (Code.OK, ())
    back = stage.register(
        stage.invoice("CIRCLE-2", exporter="exporter-2", debtor="exporter-1"), by="exporter-2"
    )
    assert (back.code, back.result.reasons) == (Code.OK, (Reason("cycle", 2),))


# --- who may not, and who must not be let


def test_a_suspended_member_pledges(stage: Stage) -> None:
    idler = known_as("idler-1")
    papers = stage.invoice("IDLE", exporter="idler-1")
    receivable = stage.register(papers, by="idler-1").subject
    suspension = ChangeMember(
        idler, (Role.FACTOR, Role.EXPORTER), MemberStatus.SUSPENDED, Numbering.CONTINUOUS, (), (), False
    )
    assert stage.play(suspension, by=("association",)).code is Code.OK
    pledge = stage.pledge(receivable, WHOLE, "factor-1", pledgor="idler-1")
    assert set(stage.turned_away(stage.sign(pledge, by=("factor-1", "idler-1")))) == {Code.SUSPENDED}


def test_an_objection_abused_to_block_a_competitor(stage: Stage) -> None:
    receivable = stage.registered("WANTED")
    objection = RaiseObjection(receivable, known_as("factor-3"), sha256(b"claim").digest(), "(2026) 1")
    played = stage.play(objection, by=("factor-3",))
    assert (played.code, played.collided_with) == (Code.ABUSE, receivable)
    sale = stage.play(stage.assignment(receivable, WHOLE, "factor-1"), by=("exporter-1", "factor-1"))
    assert sale.code is Code.OK


# --- pools and cover


TERMS = PoolTerms(
    currency="USD",
    tenor_days_max=365,
    past_due_days_max=0,
    confirmation_required=False,
    debtor_share_bp_max=10_000,
    advance_rate_bp=8_000,
    credit_limit=None,
    until_ms=None,
)


def pooling(stage: Stage, pool: bytes, receivable: bytes, factor: str = "factor-1") -> AddToPool:
    addition = Addition(receivable, stage.verified(receivable))
    return AddToPool(pool, known_as("exporter-1"), known_as(factor), (addition,), ())


def test_a_pool_member_pledged_elsewhere(stage: Stage) -> None:
    created = CreatePool(known_as("exporter-1"), known_as("factor-1"), TERMS)
    pool = stage.play(created, by=("exporter-1", "factor-1")).subject
    member = stage.registered("POOLED")
    added = stage.play(pooling(stage, pool, member), by=("exporter-1", "factor-1"))
    assert added.code is Code.OK
    pledge = stage.play(stage.pledge(member, WHOLE, "factor-2"), by=("exporter-1", "factor-2"))
    assert (pledge.code, pledge.collided_at) == (Code.DUPLICATE_PLEDGE, added.place)
    other = stage.registered("PLEDGED-NOT-POOLED")
    stage.play(stage.pledge(other, WHOLE, "factor-2"), by=("exporter-1", "factor-2"))
    refused = stage.play(pooling(stage, pool, other), by=("exporter-1", "factor-1"))
    assert (refused.code, refused.collided_with) == (Code.INELIGIBLE, other)
    assert Reason("pledged", WHOLE) in refused.result.reasons


def test_a_pool_member_that_is_settled_called_back_and_sold(stage: Stage) -> None:
    created = CreatePool(known_as("exporter-1"), known_as("factor-1"), TERMS)
    pool = stage.play(created, by=("exporter-1", "factor-1")).subject
    member = stage.registered("POOLED-AND-BACK")
    added = stage.play(pooling(stage, pool, member), by=("exporter-1", "factor-1"))
    exporter = known_as("exporter-1")
    paid = stage.payment(member, WHOLE, "to itself", by="exporter-1")
    back = ReversePayment(member, exporter, paid.bank_reference)
    for operation in (paid, Settle(member, (exporter,), write_off=False), back):
        assert stage.play(operation, by=("exporter-1",)).code is Code.OK
    sale = stage.play(stage.assignment(member, WHOLE, "factor-2"), by=("exporter-1", "factor-2"))
    assert (sale.code, sale.collided_at) == (Code.PLEDGED, added.place)


def test_one_receivable_in_two_pools_through_two_nodes(stage: Stage) -> None:
    pools = {
        name: stage.play(
            CreatePool(known_as("exporter-1"), known_as(name), TERMS), by=("exporter-1", name)
        ).subject
        for name in ("factor-1", "factor-2")
    }
    member = stage.registered("TWO-POOLS")
    entries = [
        stage.sign(pooling(stage, pool, member, name), by=("exporter-1", name))
        for name, pool in pools.items()
    ]
    _, losers = only_winner(stage.at_once(*entries))
    assert [each.code for each in losers] == [Code.IN_OTHER_POOL]


def test_one_receivable_insured_twice_through_two_nodes(stage: Stage) -> None:
    receivable = stage.registered("INSURED")
    entries = [
        stage.sign(
            BindCover(
                receivable=receivable,
                insurer=known_as(insurer),
                insured=known_as("exporter-1"),
                amount=WHOLE,
                policy=sha256(insurer.encode()).digest(),
                policy_limit=10 * WHOLE,
                until_ms=now_ms() + 400 * DAY_MS,
                loss_payee=known_as("exporter-1"),
            ),
            by=(insurer, "exporter-1"),
        )
        for insurer in ("insurer-1", "insurer-2")
    ]
    _, losers = only_winner(stage.at_once(*entries))
    assert [each.code for each in losers] == [Code.DOUBLE_COVER]
    assert stage.record(receivable).covered(known_as("exporter-1")) == WHOLE


# --- afterwards


def test_afterwards_all_nodes_are_in_one_state_and_the_auditor_derives_it_again(
    stage: Stage, tmp_path: Path
) -> None:
    heads = {node: stage.clients[node].head() for node in NODES}
    height = max(head.header.height for head in heads.values())
    stage.network.wait_height(height)
    assert len({stage.clients[node].head(height).block_hash for node in NODES}) == 1
    assert len({stage.clients[node].head(height).header.state_root for node in NODES}) == 1
    path = tmp_path / "frauds.pbk"
    expected = stage.export("factor-2", height, path)
    genesis = stage.network.directory.genesis.read_bytes()
    report = run_audit(AuditRequest(path, genesis, expected, workers=0))
    assert (report.exit, report.findings) == (Exit.COMPLETE, ())
