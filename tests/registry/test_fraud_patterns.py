"""The fraud patterns of the rulebook that today's operations allow to try, each with the rule that stops it."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from registry.entry import Mode, assemble, decode_entry, encode_body, sign_body, verify_signatures
from registry.errors import Code, EntryRefused, NotPermitted, Reference
from registry.limits import SUSPICIONS_MAX
from registry.operations import Operation
from registry.operations.existence import Evidence, EvidenceKind
from registry.operations.governance import Role
from registry.operations.relationships import DeclareRelationship
from registry.policy import ConfirmationPolicy
from tests.registry.consortium import (
    AFFILIATE,
    BANK,
    DEBTOR,
    DEBTOR_FACTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    FINGERPRINT_KEY,
    OPEN_POLICY,
    START_DAY,
    STRANGER,
    SUSPENDED,
    TRADER,
    Consortium,
    checked,
    confirmation,
    dispute,
    found,
    key_of,
    payment,
    resolution,
    settlement,
)

_REFORMATTED = {
    "INV-0042/B": ["inv 42b", "ＩＮＶ－００４２／Ｂ", "INV_00042.B ", "Inv.42-b", "INV\u00a0042\u200bB", "INV-٤٢/B", "ⅠNV 42 ⒝"],
    "INV-2024-0042": ["INV20240042", "inv 2024 0042", "INV/20/240/042", "ＩＮＶ２０２４－００４２", "INV-002024-0042"],
    "发票-0071": ["发票71", "发票 ０７１"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("number", "copy"), [(number, copy) for number, copies in _REFORMATTED.items() for copy in copies]
)
def test_the_same_number_reformatted(consortium: Consortium, number: str, copy: str) -> None:
    first = consortium.registered(number)
    result = consortium.result(consortium.registration(copy))
    assert result.code is Code.DUPLICATE_RECEIVABLE
    assert result.collided_with == consortium.record(first).place


def test_the_same_invoice_with_another_amount_or_date(consortium: Consortium) -> None:
    consortium.registered("INV-1")
    for changed in ({"amount": 99_999}, {"due_date": START_DAY + 30}, {"issue_date": START_DAY - 30}):
        assert consortium.code(consortium.registration("INV-1", **changed)) is Code.DUPLICATE_RECEIVABLE


def test_the_same_invoice_in_another_currency(consortium: Consortium) -> None:
    consortium.registered("INV-1")
    assert consortium.code(consortium.registration("INV-1", currency="EUR")) is Code.DUPLICATE_RECEIVABLE


def test_the_same_invoice_handed_in_by_somebody_else(consortium: Consortium) -> None:
    consortium.registered("INV-1")
    code = consortium.code(consortium.registration("INV-1"), by=AFFILIATE, signed_by=(AFFILIATE, EXPORTER))
    assert code is Code.DUPLICATE_RECEIVABLE


def test_the_same_fiscal_invoice_through_an_affiliate(consortium: Consortium) -> None:
    first = consortium.registered("INV-1", fiscal="2431 2000 0000 0000 0001")
    copy = consortium.registration("A-77", exporter=AFFILIATE, fiscal="24312000000000000001")
    result = consortium.result(copy)
    assert result.code is Code.DUPLICATE_RECEIVABLE
    assert result.collided_with == consortium.record(first).place


def test_the_same_file_under_another_number(consortium: Consortium) -> None:
    consortium.registered("INV-1", document=b"%PDF the invoice")
    copy = consortium.registration("INV-2", document=b"%PDF the invoice")
    assert consortium.code(copy) is Code.DUPLICATE_RECEIVABLE


def test_the_same_parties_amount_and_date_under_another_number_is_a_suspicion(consortium: Consortium) -> None:
    """Monthly rents look like this too, so it is not refused; but no taker can say later that it did not know."""
    first = consortium.registered("INV-1", similar=None)
    consortium.do(consortium.assignment(first))
    second = consortium.registered("INV-2", similar=None)
    blind = consortium.assignment(second, to=FACTOR_2)
    result = consortium.result(blind)
    assert result.code is Code.SUSPICION_NOT_ACKNOWLEDGED
    assert result.collided_with == consortium.record(first).place
    assert consortium.code(replace(blind, acknowledged_suspicions=(first,))) is Code.OK


def test_one_delivery_behind_two_invoices(consortium: Consortium) -> None:
    first = consortium.registered("INV-1", deliveries=[("MAEU 123456789", 40, 40)])
    second = consortium.registration("INV-2", deliveries=[("maeu-123456789", 40, 40)])
    result = consortium.result(second)
    assert (result.code, result.collided_with) == (Code.DUPLICATE_DELIVERY, consortium.record(first).place)


def test_one_delivery_behind_the_invoices_of_two_exporters(consortium: Consortium) -> None:
    consortium.registered("INV-1", deliveries=[("BL-1", 40, 40)])
    other = consortium.registration("A-1", exporter=AFFILIATE, deliveries=[("BL-1", 40, 80)])
    assert consortium.code(other) is Code.DUPLICATE_DELIVERY


def test_an_invoice_split_whose_parts_exceed_the_whole(consortium: Consortium) -> None:
    """The parts carry numbers of their own, and the delivery behind them shows that they are one."""
    quantities = (50, 30, 20, 1)
    codes = [
        consortium.code(consortium.registration(f"INV-1/{n}", deliveries=[("BL-1", quantity, 100)]))
        for n, quantity in enumerate(quantities)
    ]
    assert codes == [Code.OK, Code.OK, Code.OK, Code.DUPLICATE_DELIVERY]


def test_a_credited_invoice_pledged_at_face(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(dispute(receivable, 3_000))
    consortium.do(resolution(receivable, dilution=[(EXPORTER, 3_000)]))
    assert consortium.code(consortium.pledging(receivable, 10_000)) is Code.EMPTY_PLEDGE
    assert consortium.code(consortium.assignment(receivable, 7_001)) is Code.EMPTY_ASSIGNMENT
    assert consortium.code(consortium.pledging(receivable, 7_000)) is Code.OK


def test_an_already_paid_invoice_registered_again(consortium: Consortium) -> None:
    receivable = consortium.registered("INV-1")
    consortium.do(payment(receivable, 10_000))
    consortium.do(settlement(receivable))
    result = consortium.result(consortium.registration("INV-1"))
    assert (result.code, result.collided_with) == (
        Code.DUPLICATE_RECEIVABLE,
        consortium.record(receivable).place,
    )


def test_the_same_payment_reported_twice(consortium: Consortium) -> None:
    """A second report would end a lien for which nothing was paid."""
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable))
    paid = payment(receivable, 5_000, reference="bank 1", consenting=[FACTOR_1])
    assert consortium.code(paid) is Code.OK
    assert consortium.code(paid) is Code.REFERENCE_REUSED
    assert consortium.record(receivable).liens[0].amount == 5_000


def test_a_pledgor_cannot_report_its_pledgee_s_security_away(consortium: Consortium) -> None:
    """A payment on its own word would end the lien, and settlement would close the rest."""
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable, 6_000))
    lien = consortium.record(receivable).liens[0]
    assert consortium.code(payment(receivable, 4_000, reference="free part")) is Code.OK
    result = consortium.result(payment(receivable, 1, reference="one too many"))
    assert (result.code, result.collided_with) == (Code.PLEDGED, lien.place)
    assert consortium.record(receivable).liens == (lien,)
    assert consortium.code(payment(receivable, 6_000, reporter=BANK)) is Code.OK


def test_a_debtor_that_attests_too_cannot_report_its_own_payment(consortium: Consortium) -> None:
    payments = (EvidenceKind.PAYMENT,)
    consortium.change_member(DEBTOR, roles=(Role.DEBTOR, Role.ATTESTER), accredited=payments)
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable, 10_000, FACTOR_1))
    own = payment(receivable, 10_000, holder=FACTOR_1, reporter=DEBTOR)
    assert consortium.code(own) is Code.NOT_PERMITTED
    assert consortium.record(receivable).outstanding == 10_000


def test_a_delivery_that_is_first_stated_too_large_backs_no_second_invoice(consortium: Consortium) -> None:
    consortium.registered("DUMMY", deliveries=[("BL-1", 1, 1_000_000)])
    consortium.registered("A", deliveries=[("BL-1", 99, 100)])
    second = consortium.registration("B", deliveries=[("BL-1", 99, 100)])
    assert consortium.code(second) is Code.DUPLICATE_DELIVERY


def test_a_stranger_s_copies_are_no_suspicions(consortium: Consortium) -> None:
    """Sixteen registrations under a copied value must not bar the receivable that they copy."""
    victim = consortium.registration("V", similar=None)
    for number in range(SUSPICIONS_MAX):
        junk = consortium.registration(f"J{number}", exporter=AFFILIATE)
        copied = replace(junk.fingerprints, similar=victim.fingerprints.similar)
        consortium.do(replace(junk, fingerprints=copied))
    receivable = consortium.result(victim).subject
    assert consortium.code(consortium.pledging(receivable)) is Code.OK


def test_pledge_by_who_does_not_hold(consortium: Consortium) -> None:
    receivable = consortium.registered()
    assert consortium.code(consortium.pledging(receivable, 1, pledgor=AFFILIATE)) is Code.NOT_HOLDER


def test_pledge_of_a_receivable_that_does_not_exist(consortium: Consortium) -> None:
    assert consortium.code(consortium.pledging(b"\xaa" * 32)) is Code.EMPTY_PLEDGE


_CLAIMS = (("assign", FACTOR_1, 6_000), ("assign", FACTOR_2, 5_000), ("pledge", FACTOR_3, 4_000))


@pytest.mark.parametrize("order", list(permutations(_CLAIMS)))
@pytest.mark.parametrize("blocks", ["one block", "a block each", "one entry"])
def test_sales_and_pledges_above_the_whole_in_every_order(
    consortium: Consortium, order: tuple[tuple[str, str, int], ...], blocks: str
) -> None:
    """Whatever comes first on the chain stands; together the claims never exceed the whole."""
    receivable = consortium.registered()
    operations: list[Operation] = [
        consortium.assignment(receivable, amount, to)
        if kind == "assign"
        else consortium.pledging(receivable, amount, to)
        for kind, to, amount in order
    ]
    if blocks == "one entry":
        codes = [r.code for r in consortium.do(*operations, mode=Mode.INDEPENDENT).results]
    elif blocks == "one block":
        committed = consortium.commit(*(consortium.entry(operation) for operation in operations))
        codes = [receipt.results[0].code for receipt in committed.receipts]
    else:
        codes = [consortium.code(operation) for operation in operations]
    left = 10_000
    for code, (kind, _to, amount) in zip(codes, order, strict=True):
        if amount <= left:
            assert code is Code.OK
            left -= amount
        elif kind == "pledge":
            assert code is Code.DUPLICATE_PLEDGE
        else:
            assert code in (Code.EMPTY_ASSIGNMENT, Code.PLEDGED)
    record = consortium.record(receivable)
    assert record.amount_of(EXPORTER) - record.pledged_by(EXPORTER) == left


def test_pledge_after_assignment(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.assignment(receivable))
    result = consortium.result(consortium.pledging(receivable, to=FACTOR_2))
    assert (result.code, result.collided_with) == (Code.DUPLICATE_PLEDGE, Reference(receivable, 2, 0, 0))


def test_assignment_after_pledge(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(consortium.pledging(receivable))
    result = consortium.result(consortium.assignment(receivable, to=FACTOR_2))
    assert (result.code, result.collided_with) == (
        Code.PLEDGED,
        consortium.record(receivable).liens[0].place,
    )


def test_the_same_pledge_handed_to_two_nodes_is_one_entry(consortium: Consortium) -> None:
    receivable = consortium.registered()
    raw = consortium.entry(consortium.pledging(receivable))
    execution = consortium.execution()
    execution.apply(checked(raw))
    with pytest.raises(EntryRefused) as refusal:
        execution.apply(checked(raw))
    assert refusal.value.code is Code.REPLAYED


def test_the_same_pledge_signed_anew_by_the_other_party_is_still_one_entry(consortium: Consortium) -> None:
    """A second, different signature over the same body makes other bytes and the same entry."""
    receivable = consortium.registered()
    body = encode_body(consortium.body(consortium.pledging(receivable), by=EXPORTER))
    both = tuple(sign_body(body, member, key_of(member)) for member in (EXPORTER, FACTOR_1))
    first = decode_entry(assemble(body, both))
    consortium.change_member(
        FACTOR_1,
        keys=tuple(
            replace(key, public_key=key_of(name).public_key)
            for name in (FACTOR_1, "second")
            for key in (consortium.genesis.members[0].keys[0],)
        ),
    )
    second = decode_entry(assemble(body, (both[0], sign_body(body, FACTOR_1, key_of("second")))))
    assert first.raw != second.raw
    assert first.entry_id == second.entry_id
    consortium.commit(first.raw)
    with pytest.raises(EntryRefused) as refusal:
        consortium.propose([second.raw])
    assert refusal.value.code is Code.REPLAYED


def test_the_same_pledge_under_two_sequence_numbers(consortium: Consortium) -> None:
    receivable = consortium.registered()
    pledge = consortium.pledging(receivable)
    receipts = consortium.commit(consortium.entry(pledge), consortium.entry(pledge)).receipts
    assert [receipt.results[0].code for receipt in receipts] == [Code.OK, Code.DUPLICATE_PLEDGE]


def test_a_forged_confirmation(consortium: Consortium) -> None:
    """The debtor's name under a key that is not enrolled."""
    receivable = consortium.registered()
    body = encode_body(consortium.body(confirmation(receivable), by=DEBTOR))
    entry = decode_entry(assemble(body, (sign_body(body, DEBTOR, key_of("forger")),)))
    verify_signatures(entry)
    with pytest.raises(NotPermitted) as refusal:
        consortium.execution().apply(entry)
    assert refusal.value.code is Code.UNKNOWN_SIGNER


def test_a_confirmation_by_a_debtor_that_is_not_enrolled(consortium: Consortium) -> None:
    receivable = consortium.registered()
    raw = consortium.entry(confirmation(receivable, debtor=STRANGER))
    with pytest.raises(NotPermitted) as refusal:
        consortium.propose([raw])
    assert refusal.value.code is Code.UNKNOWN_SIGNER


def test_a_confirmation_by_the_exporters_friend(consortium: Consortium) -> None:
    receivable = consortium.registered()
    friend = confirmation(receivable, debtor=DEBTOR_FACTOR)
    assert consortium.code(friend) is Code.NOT_PERMITTED


def test_self_financing(consortium: Consortium) -> None:
    own = consortium.registration(debtor_reference=FINGERPRINT_KEY.debtor(EXPORTER))
    assert consortium.code(own) is Code.RELATED_PARTY
    owed_by_taker = consortium.registered(debtor_reference=FINGERPRINT_KEY.debtor(DEBTOR_FACTOR))
    assert consortium.code(consortium.assignment(owed_by_taker, to=DEBTOR_FACTOR)) is Code.RELATED_PARTY
    assert consortium.code(consortium.pledging(owed_by_taker, to=DEBTOR_FACTOR)) is Code.RELATED_PARTY


def test_a_suspended_member_pledges(consortium: Consortium) -> None:
    raw = consortium.entry(consortium.pledging(bytes(32), pledgor=SUSPENDED))
    with pytest.raises(NotPermitted) as refusal:
        consortium.propose([raw])
    assert refusal.value.code is Code.SUSPENDED


def test_other_papers_shown_to_the_financier_than_were_registered(consortium: Consortium) -> None:
    receivable = consortium.registered("INV-1", document=b"%PDF for the registry")
    shown = consortium.registration("INV-1", document=b"%PDF for the factor").fingerprints
    for operation in (
        consortium.assignment(receivable, verified_fingerprints=shown.digest()),
        consortium.pledging(receivable, verified_fingerprints=shown.digest()),
    ):
        assert consortium.code(operation) is Code.FINGERPRINT_MISMATCH


def test_a_receivable_made_of_a_contract_alone(consortium: Consortium) -> None:
    contract = (Evidence(EvidenceKind.CONTRACT, bytes(32)),)
    assert consortium.code(consortium.registration(evidence=contract)) is Code.NO_TRADE_EVIDENCE


def test_half_a_confirmation_for_two_factors() -> None:
    """Confirmed is one half; it is shown to one factor and then to the other."""
    consortium = found(replace(OPEN_POLICY, require_confirmation=ConfirmationPolicy.BOTH))
    receivable = consortium.registered()
    consortium.do(confirmation(receivable, 5_000))
    assert consortium.code(consortium.assignment(receivable, 5_000)) is Code.OK
    assert consortium.code(consortium.assignment(receivable, 5_000, FACTOR_2)) is Code.UNCONFIRMED
    assert consortium.code(consortium.pledging(receivable, 5_000, FACTOR_2)) is Code.EMPTY_PLEDGE


def test_a_dispute_does_not_thin_out_as_the_rest_is_sold(consortium: Consortium) -> None:
    receivable = consortium.registered()
    consortium.do(dispute(receivable, 5_000))
    sold = 0
    for factor in (FACTOR_1, FACTOR_2, FACTOR_3):
        for amount in (5_000, 2_500, 1_250, 1):
            if consortium.code(consortium.assignment(receivable, amount, factor)) is Code.OK:
                sold += amount
    assert sold == 5_000


def test_fingerprints_under_a_key_of_ones_own(consortium: Consortium) -> None:
    """Another epoch would give the same papers other fingerprints."""
    consortium.registered("INV-1")
    copy = consortium.registration("INV-1")
    other = replace(copy.fingerprints, epoch=2, invoice=b"\x01" * 32, similar=b"\x02" * 32)
    assert consortium.code(replace(copy, fingerprints=other)) is Code.FINGERPRINT_MISMATCH


def test_a_debtor_of_the_exporters_group(consortium: Consortium) -> None:
    """Sister companies invoice each other and have it financed."""
    receivable = consortium.registered()
    head_office = bytes([1]) * 32
    for member_id in (EXPORTER, DEBTOR):
        sister = DeclareRelationship(
            member_id, FINGERPRINT_KEY.debtor(member_id), head_office, START_DAY, False, False
        )
        assert consortium.code(sister, by=member_id, signed_by=(member_id,)) is Code.OK
    assert consortium.code(consortium.assignment(receivable)) is Code.RELATED_PARTY
    assert consortium.code(consortium.pledging(receivable)) is Code.RELATED_PARTY


def test_trade_in_a_circle(consortium: Consortium) -> None:
    """Three exporters invoice each other round: each invoice is new, and the turnover is made of nothing."""
    last = bytes(32)
    for seller, buyer in ((EXPORTER, TRADER), (TRADER, AFFILIATE), (AFFILIATE, EXPORTER)):
        last = consortium.registered(exporter=seller, debtor_reference=FINGERPRINT_KEY.debtor(buyer))
    result = consortium.result(consortium.assignment(last, assignor=AFFILIATE))
    assert result.code is Code.OK
    assert [(flag.word, flag.amount) for flag in result.reasons] == [("cycle", 3)]
