"""The model's rules of what others say about a receivable: attestations, the debtor's word, its silence, disputes, credits."""

from __future__ import annotations

from copy import deepcopy

from registry.errors import Code, Reason
from registry.fingerprints import FingerprintKind
from registry.operations import (
    AttestEvidence,
    Confirm,
    ConfirmTacitly,
    RaiseDispute,
    RecordCreditNote,
    RejectReceivable,
    ResolveDispute,
)
from registry.operations.confirmation import OptIn, opt_in_message
from registry.operations.existence import EvidenceKind
from tests.registry.consortium import key_of
from tests.registry.model.book import (
    DAY_MS,
    Attestation,
    Book,
    Debt,
    Here,
    Judge,
    Refused,
    need_positive,
    need_unrejected,
    need_unrestrained,
)
from tests.registry.model.value import dilute, dispute, fit_liens, smaller_liens, undispute

_LINES = (EvidenceKind.DELIVERY, EvidenceKind.CUSTOMS)


# --- attestation


def attest(book: Book, here: Here, op: AttestEvidence) -> bytes:
    debt = book.not_closed(op.receivable)
    if op.kind not in book.members[op.attester].accredited:
        raise Refused(Code.NOT_PERMITTED, debt.place)
    if not book.is_stranger(op.attester, debt):
        raise Refused(Code.NOT_PERMITTED, debt.place)
    line = next((each for each in debt.prints.deliveries if each.fingerprint == op.paper), None)
    is_line = op.kind in _LINES and line is not None
    if not is_line and not names_paper(debt, op):
        raise Refused(Code.NO_TRADE_EVIDENCE, debt.place)
    before = [each for each in debt.attestations if each.paper == op.paper]
    if before and (before[-1].voided or not op.voided):
        raise Refused(Code.DUPLICATE_DELIVERY, before[-1].place)
    if is_line and not op.voided:
        assert line is not None
        count_line(book, here, debt, op, line.quantity)
    debt.attestations.append(
        Attestation(op.kind, op.paper, op.attester, op.quantity, op.voided, here.place(debt.name))
    )
    return debt.name


def names_paper(debt: Debt, op: AttestEvidence) -> bool:
    if op.kind is EvidenceKind.TAX and op.paper == debt.prints.fiscal:
        return True
    return any((each.kind, each.commitment) == (op.kind, op.paper) for each in debt.evidence)


def count_line(book: Book, here: Here, debt: Debt, op: AttestEvidence, claimed: int) -> None:
    known = book.deliveries[op.paper]
    whole = op.quantity if known.attested is None else min(op.quantity, known.attested)
    if claimed > op.quantity:
        raise Refused(Code.QUANTITY_EXCEEDED, debt.place, (Reason("attested", op.quantity),))
    if known.attested_use + claimed > whole:
        raise Refused(
            Code.DUPLICATE_DELIVERY, known.attested_first, (Reason("attested", known.attested_use),)
        )
    known.attested = whole
    known.attested_use += claimed
    known.attested_first = known.attested_first or here.place(debt.name)


# --- the debtor's word and its silence


def confirm(book: Book, here: Here, op: Confirm) -> bytes:
    debt = book.owed_now(op.receivable)
    need_positive(op.amount)
    book.need_debtor(op.debtor, debt)
    need_unrejected(debt)
    if op.amount > debt.owed:
        raise Refused(Code.AMOUNT_MISMATCH, debt.place, (Reason("outstanding", debt.owed),))
    if op.amount < debt.confirmed:
        raise Refused(Code.AMOUNT_MISMATCH, debt.place, (Reason("confirmed", debt.confirmed),))
    debt.confirmed_by, debt.confirmed, debt.waived = (
        "express",
        op.amount,
        tuple(sorted({*debt.waived, *op.waived})),
    )
    return debt.name


def confirm_tacitly(book: Book, here: Here, op: ConfirmTacitly) -> bytes:
    debt = book.owed_now(op.receivable)
    need_unrejected(debt)
    if debt.confirmed_by != "none":
        raise Refused(Code.ALREADY_CONFIRMED, debt.place, (Reason("confirmed", debt.confirmed),))
    if debt.held(op.holder) == 0:
        raise Refused(Code.NOT_HOLDER, debt.place)
    if not consents(book, here, debt, op.opt_in):
        raise Refused(Code.NO_OPT_IN, debt.place)
    notice = debt.notices.get(op.holder)
    silent_since = None if notice is None or notice.acknowledged is None else notice.acknowledged[0]
    if silent_since is None or here.now_ms < silent_since + book.policy.tacit_days * DAY_MS:
        answer = debt.place if notice is None else notice.place
        raise Refused(Code.TOO_EARLY, notice.acknowledged[1] if notice and notice.acknowledged else answer)
    if debt.disputed:
        raise Refused(Code.OBJECTED, debt.place, (Reason("disputed", debt.disputed),))
    if debt.objection() is not None:
        raise Refused(Code.OBJECTED, debt.objection())
    debt.confirmed_by, debt.confirmed = "tacit", debt.owed
    return debt.name


def consents(book: Book, here: Here, debt: Debt, opt_in: OptIn | None) -> bool:
    if opt_in is None or not book.is_debtor(opt_in.debtor, debt) or opt_in.until_ms <= here.now_ms:
        return False
    from_height, until_height = book.members[opt_in.debtor].keys.get(opt_in.public_key, (0, 0))
    if not from_height <= here.height < until_height:
        return False
    message = opt_in_message(book.chain_id, opt_in.debtor, debt.exporter, opt_in.until_ms)
    return opt_in.signature == key_of(opt_in.debtor).sign(message)


def reject(book: Book, here: Here, op: RejectReceivable) -> bytes:
    debt = book.owed_now(op.receivable)
    book.need_debtor(op.debtor, debt)
    need_unrejected(debt)
    if debt.confirmed_by != "none":
        raise Refused(Code.ALREADY_CONFIRMED, debt.place, (Reason("confirmed", debt.confirmed),))
    debt.confirmed_by = "rejected"
    return debt.name


# --- disputes


def raise_dispute(book: Book, here: Here, op: RaiseDispute) -> bytes:
    debt = book.owed_now(op.receivable)
    need_positive(op.amount)
    book.need_debtor(op.debtor, debt)
    need_unrejected(debt)
    if op.amount > debt.owed - debt.disputed:
        raise Refused(
            Code.OVER_OUTSTANDING,
            debt.place,
            (Reason("disputed", debt.disputed), Reason("outstanding", debt.owed)),
        )
    dispute(debt, op.amount)
    return debt.name


def resolve(book: Book, here: Here, op: ResolveDispute) -> bytes:
    debt = book.owed_now(op.receivable)
    if op.debtor is None and op.court is None:
        raise Refused(Code.MISSING_SIGNATURE, debt.place)
    if op.court is None and op.debtor is not None:
        book.need_debtor(op.debtor, debt)
    if op.court is None and op.dilution:
        need_unrestrained(debt)
    total = op.freed + sum(share.amount for share in op.dilution)
    need_positive(total)
    if total > debt.disputed:
        raise Refused(Code.NO_DISPUTE, debt.place, (Reason("disputed", debt.disputed),))
    if any(holder not in debt.parts for holder in op.holders):
        raise Refused(Code.NOT_HOLDER, debt.place)
    if op.court is None and not any(debt.held(holder) for holder in op.holders):
        raise Refused(Code.NOT_HOLDER, debt.place)
    left = {holder: part.amount for holder, part in debt.parts.items()}
    for share in op.dilution:
        need_positive(share.amount)
        if op.court is None and share.holder not in op.holders:
            raise Refused(Code.HOLDER_CONSENT, debt.place)
        if share.amount > left.get(share.holder, 0):
            raise Refused(Code.OVER_OUTSTANDING, debt.place, (Reason("held", left.get(share.holder, 0)),))
        left[share.holder] -= share.amount
        if op.court is None and left[share.holder] < debt.pledged(share.holder):
            lien = next(each for each in debt.liens.values() if each.pledgor == share.holder)
            raise Refused(Code.PLEDGED, lien.place, (Reason("pledged", debt.pledged(share.holder)),))
    for share in op.dilution:
        dilute(debt, share.holder, share.amount)
        fit_liens(debt, share.holder)
    undispute(debt, op.freed)
    debt.confirmed = min(debt.confirmed, debt.owed)
    return debt.name


# --- credit notes


def record_credit_note(book: Book, here: Here, op: RecordCreditNote) -> bytes:
    debt = book.owed_now(op.receivable)
    need_unrestrained(debt)
    need_unrejected(debt)
    if op.exporter != debt.exporter:
        raise Refused(Code.NOT_PERMITTED, debt.place)
    for share in op.shares:
        need_positive(share.amount)
    paper = (FingerprintKind.CREDIT_NOTE, op.credit_note)
    if paper in book.papers:
        raise Refused(Code.DUPLICATE_CREDIT_NOTE, book.papers[paper])
    if sum(share.amount for share in op.shares) > debt.owed:
        raise Refused(Code.OVER_OUTSTANDING, debt.place, (Reason("outstanding", debt.owed),))
    signing = {op.exporter, *op.consenting}
    after = deepcopy(debt)
    for share in op.shares:
        if share.holder not in signing:
            raise Refused(Code.HOLDER_CONSENT, debt.place)
        if share.amount > after.held(share.holder):
            raise Refused(Code.OVER_OUTSTANDING, debt.place, (Reason("held", after.held(share.holder)),))
        part = after.parts[share.holder]
        part.amount -= share.amount
        part.disputed = min(part.disputed, part.amount)
        after.diluted += share.amount
        before = deepcopy(after)
        fit_liens(after, share.holder)
        for lien in smaller_liens(before, after):
            if lien.pledgee not in signing:
                raise Refused(Code.HOLDER_CONSENT, lien.place)
    after.confirmed = min(after.confirmed, after.owed)
    book.debts[debt.name] = after
    book.papers[paper] = here.place(debt.name)
    return debt.name


RULES: dict[type, Judge] = {
    AttestEvidence: attest,
    Confirm: confirm,
    ConfirmTacitly: confirm_tacitly,
    RejectReceivable: reject,
    RaiseDispute: raise_dispute,
    ResolveDispute: resolve,
    RecordCreditNote: record_credit_note,
}
