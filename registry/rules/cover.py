"""Rules of cover (RULEBOOK, "Cover, pools"): no risk is insured twice, and no policy beyond its limit.

Binding, altering and ending dispose of nothing and are not barred by a freeze or an objection; a claim moves value and is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .. import limits
from ..errors import Code, Reason, Reference, RuleViolation
from ..identifiers import cover_id
from ..operations.cover import AlterCover, BindCover, ClaimCover, EndCover
from ..operations.governance import Role
from ..policy import RelatedPartyPolicy
from ..receivable import Receivable, with_fitting_claims
from ..record.attestations import is_voided
from ..record.covers import Cover, PolicyUse, cover_of, covered_of, policy_use_id, without_cover
from ..record.liens import fit_liens
from ..relations import Control, common_control
from ..stored import Namespace
from ..time_units import DAY_MS
from .arrears import first_unpaid_day
from .assignment import after_move
from .judgement import Judgement, Party, Rule, known_receivable, live_receivable, positive, unrestrained


def bind_cover(judgement: Judgement, operation: BindCover) -> bytes:
    """A cover on the insured's part.

    Order: the receivable, amounts, term, who is insured, parties, risk, loss payee, double cover, the policy's limit.
    """
    record = live_receivable(judgement, operation.receivable)
    positive(operation.amount)
    positive(operation.policy_limit)
    _check_term(judgement, operation.until_ms)
    _check_holds(record, operation.insured)
    _check_parties(judgement, record, operation.insurer, operation.insured, operation.amount)
    _check_risk(judgement, record, operation.insured, operation.amount)
    _check_loss_payee(record, operation.insured, operation.loss_payee, operation.amount)
    _check_double(record, operation.insured, operation.amount)
    identifier = cover_id(judgement.entry_id, judgement.operation_index)
    place = judgement.place(identifier)
    use = _use_of(judgement, record, operation.insurer, operation.policy)
    if use is None:
        use = PolicyUse(operation.policy_limit, covered=0, claimed=0, place=place)
    if use.limit != operation.policy_limit:
        raise _over_limit(use, f"the policy's limit was stated as {use.limit}")
    _check_limit(use, operation.amount)
    if len(record.covers) >= limits.COVERS_MAX:
        raise RuleViolation(Code.LIMIT_REACHED, f"a receivable has at most {limits.COVERS_MAX} covers")
    cover = Cover(
        cover_id=identifier,
        insurer=operation.insurer,
        insured=operation.insured,
        amount=operation.amount,
        policy=operation.policy,
        until_ms=operation.until_ms,
        loss_payee=operation.loss_payee,
        place=place,
    )
    key = policy_use_id(operation.insurer, operation.policy, record.currency)
    judgement.state.put(Namespace.COVERAGE, key, use)
    return _stored(judgement, record, (*record.covers, cover))


def alter_cover(judgement: Judgement, operation: AlterCover) -> bytes:
    """Another amount, end or loss payee. More or longer cover is judged as if it were bound now.

    Order: the receivable, amount, the cover, term, then parties and risk if it grows, loss payee, consent, double cover, limit.
    """
    record = live_receivable(judgement, operation.receivable)
    positive(operation.amount)
    cover = _cover_of(judgement, record, operation)
    _check_term(judgement, operation.until_ms)
    others = replace(record, covers=without_cover(record.covers, cover.cover_id))
    if operation.amount > cover.amount or operation.until_ms > cover.until_ms:
        _check_parties(judgement, record, cover.insurer, cover.insured, operation.amount)
        _check_risk(judgement, record, cover.insured, operation.amount)
    if operation.loss_payee != cover.loss_payee:
        _check_loss_payee(record, cover.insured, operation.loss_payee, operation.amount)
    if _takes_away(cover, operation):
        consenting = () if operation.consenting is None else (operation.consenting,)
        _check_payee_consents(record, cover, consenting)
    _check_double(others, cover.insured, operation.amount)
    use = _use_of(judgement, record, cover.insurer, cover.policy)
    assert use is not None
    if operation.amount > cover.amount:
        _check_limit(use, operation.amount - cover.amount)
    altered = replace(
        cover, amount=operation.amount, until_ms=operation.until_ms, loss_payee=operation.loss_payee
    )
    covers = tuple(altered if each is cover else each for each in record.covers)
    return _stored(judgement, record, covers)


def end_cover(judgement: Judgement, operation: EndCover) -> bytes:
    """The insured's own cover is over. Order: the receivable, the cover, consent of the loss payee."""
    record = known_receivable(judgement, operation.receivable)
    cover = cover_of(record.covers, operation.cover)
    if cover is None or cover.insured != operation.insured:
        raise _no_cover(record, operation.cover)
    _check_payee_consents(record, cover, () if operation.consenting is None else (operation.consenting,))
    return _stored(judgement, record, without_cover(record.covers, cover.cover_id))


def claim_cover(judgement: Judgement, operation: ClaimCover) -> bytes:
    """What the insurer has paid passes to it with the insured's right. Undisputed value goes first.

    Order: the receivable, restraint, amount, the cover, default, what the cover is good for, consent of the loss payee, pool,
    liens, offers. A lien that no longer fits shrinks with its pledgee's signature, as by a payment.
    """
    record = live_receivable(judgement, operation.receivable)
    unrestrained(record)
    positive(operation.amount)
    cover = _cover_of(judgement, record, operation)
    if record.default is None:
        raise RuleViolation(Code.NO_DEFAULT, "no default is on record", collided_with=record.place)
    if operation.amount > cover.amount:
        raise RuleViolation(
            Code.OVER_LIMIT,
            f"{operation.amount} claimed, {cover.amount} covered",
            collided_with=cover.place,
            reasons=(Reason("covered", cover.amount),),
        )
    _check_payee_consents(record, cover, operation.consenting)
    moved = _subrogated(judgement, record, cover, operation.amount)
    _check_securities(record, moved, cover.insured, operation.consenting)
    _check_offers(record, moved)
    use = _use_of(judgement, record, cover.insurer, cover.policy)
    assert use is not None
    key = policy_use_id(cover.insurer, cover.policy, record.currency)
    judgement.state.put(Namespace.COVERAGE, key, replace(use, claimed=use.claimed + operation.amount))
    return judgement.store(moved)


def _subrogated(judgement: Judgement, record: Receivable, cover: Cover, amount: int) -> Receivable:
    held, disputed = record.amount_of(cover.insured), record.disputed_share(cover.insured)
    used_up = replace(record, covers=without_cover(record.covers, cover.cover_id))
    moved = after_move(
        judgement,
        used_up,
        cover.insured,
        cover.insurer,
        amount,
        disputed=max(0, amount - (held - disputed)),
    )
    return replace(moved, liens=fit_liens(moved, cover.insured))


# --- what is judged


def _check_term(judgement: Judgement, until_ms: int) -> None:
    if until_ms <= judgement.time_ms:
        raise RuleViolation(Code.TERM, "a cover ends after its block's time")


def _check_holds(record: Receivable, insured: str) -> None:
    # First of all that looks at the others: who holds nothing of it learns nothing of who does.
    if not record.amount_of(insured):
        raise _ineligible(record, f"{insured} holds nothing of it", "held", 0)


def _check_parties(judgement: Judgement, record: Receivable, insurer: str, insured: str, amount: int) -> None:
    """The insurer is nobody who gains or loses by the receivable, nor of their groups; the insured is not of the debtor's."""
    reference = _reference_of(judgement, insurer)
    if reference is None:
        raise _ineligible(record, f"of {insurer} no reference is on record", "insurer", amount)
    holders = [part.holder for part in record.parts if part.amount]
    facts = (
        ("exporter", insurer == record.exporter),
        ("debtor", reference == record.debtor_reference),
        ("holder", insurer in holders),
        ("pledgee", any(record.has_security(insurer, pledgor) for pledgor in (record.exporter, *holders))),
    )
    for word, applies in facts:
        if applies:
            raise _ineligible(record, f"{insurer} is the {word}", word, amount)
    debtor = record.debtor_reference
    pairs = [(reference, debtor)]
    for member_id in dict.fromkeys((record.exporter, *holders)):
        other = _reference_of(judgement, member_id)
        if other is not None:
            pairs.append((reference, other))
    own = _reference_of(judgement, insured)
    if own is not None:
        pairs.append((own, debtor))
    for left, right in pairs:
        control = _relation(judgement, left, right)
        if control is None:
            continue
        if judgement.policy.related_party is RelatedPartyPolicy.REFUSE:
            raise _ineligible(
                record, "two of the parties are of one group", "related_party", amount, control.place
            )
        judgement.flag("related_party", amount)


def _reference_of(judgement: Judgement, member_id: str) -> bytes | None:
    member = judgement.state.member(member_id)
    return None if member is None else member.debtor_reference


def _relation(judgement: Judgement, left: bytes, right: bytes) -> Control | None:
    state, day = judgement.state, judgement.time_ms // DAY_MS
    return common_control(left, state.controls(left), right, state.controls(right), day)


def _check_risk(judgement: Judgement, record: Receivable, insured: str, amount: int) -> None:
    """The loss has not come yet, and there is undisputed value of the insured that could be lost."""
    held, disputed = record.amount_of(insured), record.disputed_share(insured)
    overdue = record.default is not None or judgement.time_ms // DAY_MS > first_unpaid_day(record)
    for word, applies in (
        ("rejected", record.is_rejected),
        ("voided", is_voided(record.attestations)),
        ("overdue", overdue),
    ):
        if applies:
            raise _ineligible(record, f"the receivable is {word}", word, held)
    if amount > held - disputed:
        reasons = [Reason("held", held)]
        if disputed:
            reasons.append(Reason("disputed", disputed))
        raise RuleViolation(
            Code.INELIGIBLE,
            f"{insured} holds {held}, of which {disputed} is disputed",
            collided_with=record.place,
            reasons=tuple(reasons),
        )


def _check_loss_payee(record: Receivable, insured: str, loss_payee: str, amount: int) -> None:
    """Whom nothing is owed has nothing to be paid for."""
    if loss_payee != insured and not record.has_security(loss_payee, insured):
        raise _ineligible(record, f"{loss_payee} has no lien on the part of {insured}", "loss_payee", amount)


def _takes_away(cover: Cover, operation: AlterCover) -> bool:
    return (
        operation.loss_payee != cover.loss_payee
        or operation.amount < cover.amount
        or operation.until_ms < cover.until_ms
    )


def _check_payee_consents(record: Receivable, cover: Cover, consenting: tuple[str, ...]) -> None:
    """A lienholder that is to be paid is asked before it loses that. Once its lien is over it has nothing to lose."""
    payee = cover.loss_payee
    if payee != cover.insured and payee not in consenting and record.has_security(payee, cover.insured):
        raise RuleViolation(
            Code.HOLDER_CONSENT, f"{payee} must sign: it is the loss payee", collided_with=cover.place
        )


def _check_double(record: Receivable, insured: str, amount: int) -> None:
    held, covered = record.amount_of(insured), covered_of(record.covers, insured)
    if covered + amount > held:
        first = next(cover for cover in record.covers if cover.insured == insured)
        raise RuleViolation(
            Code.DOUBLE_COVER,
            f"of the {held} that {insured} holds, {covered} is covered already",
            collided_with=first.place,
            reasons=(Reason("held", held), Reason("covered", covered)),
        )


def _check_limit(use: PolicyUse, more: int) -> None:
    if more > use.left:
        raise _over_limit(use, f"{more} more is above the policy's limit of {use.limit}")


def _over_limit(use: PolicyUse, message: str) -> RuleViolation:
    words = (("limit", use.limit), ("covered", use.covered), ("claimed", use.claimed))
    return RuleViolation(
        Code.OVER_LIMIT,
        message,
        collided_with=use.place,
        reasons=tuple(Reason(word, amount) for word, amount in words if amount),
    )


def _check_securities(
    record: Receivable, moved: Receivable, insured: str, consenting: tuple[str, ...]
) -> None:
    """What is pledged or pooled does not pass to the insurer behind the back of whom it secures."""
    pool = record.pool
    if pool is not None and insured == record.exporter and pool.factor not in consenting:
        raise RuleViolation(
            Code.PLEDGED,
            f"{pool.factor} must sign: the part secures its pool",
            collided_with=pool.place,
            reasons=(Reason("pooled", record.amount_of(insured)),),
        )
    kept = {lien.lien_id: lien.amount for lien in moved.liens}
    for lien in record.liens:
        if kept.get(lien.lien_id, 0) < lien.amount and lien.pledgee not in consenting:
            raise RuleViolation(
                Code.PLEDGED,
                f"{lien.pledgee} must sign: the claim takes the value under its lien",
                collided_with=lien.place,
                reasons=(Reason("pledged", lien.amount),),
            )


def _check_offers(record: Receivable, moved: Receivable) -> None:
    kept = with_fitting_claims(moved).reservations
    for offer in record.reservations:
        if offer not in kept:
            raise RuleViolation(
                Code.RESERVED,
                f"{offer.amount} is reserved for {offer.assignee}",
                collided_with=offer.place,
                reasons=(Reason("reserved", offer.amount),),
            )


def _use_of(judgement: Judgement, record: Receivable, insurer: str, policy: bytes) -> PolicyUse | None:
    use: PolicyUse | None = judgement.state.get(
        Namespace.COVERAGE, policy_use_id(insurer, policy, record.currency)
    )
    return use


def _cover_of(judgement: Judgement, record: Receivable, operation: AlterCover | ClaimCover) -> Cover:
    cover = cover_of(record.covers, operation.cover)
    if cover is None or (cover.insurer, cover.insured) != (operation.insurer, operation.insured):
        raise _no_cover(record, operation.cover)
    return cover


def _no_cover(record: Receivable, identifier: bytes) -> RuleViolation:
    return RuleViolation(Code.NO_COVER, f"no such cover {identifier.hex()} runs", collided_with=record.place)


def _ineligible(
    record: Receivable, message: str, word: str, amount: int, place: Reference | None = None
) -> RuleViolation:
    return RuleViolation(
        Code.INELIGIBLE, message, collided_with=place or record.place, reasons=(Reason(word, amount),)
    )


def _stored(judgement: Judgement, record: Receivable, covers: tuple[Cover, ...]) -> bytes:
    return judgement.store(replace(record, covers=covers, changed_height=judgement.height))


# --- who signs


def _agreeing(operation: BindCover) -> tuple[Party, ...]:
    # The insured signs also when it is the loss payee itself: cover has conditions, and takes up the part for any other cover.
    return (
        Party(operation.insurer, (Role.INSURER,)),
        Party(operation.insured, (Role.EXPORTER, Role.FACTOR)),
    )


def _altering(operation: AlterCover) -> tuple[Party, ...]:
    parties = (
        Party(operation.insurer, (Role.INSURER,)),
        Party(operation.insured, (Role.EXPORTER, Role.FACTOR)),
    )
    return (*parties, *_payee(operation.consenting))


def _ending(operation: EndCover) -> tuple[Party, ...]:
    # Not the insurer: it is only relieved, and must not be able to strip a holder of running cover by itself.
    return (Party(operation.insured, (Role.EXPORTER, Role.FACTOR)), *_payee(operation.consenting))


def _claiming(operation: ClaimCover) -> tuple[Party, ...]:
    return (
        Party(operation.insurer, (Role.INSURER,)),
        Party(operation.insured, (Role.EXPORTER, Role.FACTOR)),
        *(Party(member, (Role.FACTOR,)) for member in operation.consenting),
    )


def _payee(consenting: str | None) -> tuple[Party, ...]:
    return () if consenting is None else (Party(consenting, (Role.FACTOR,)),)


RULES: Final = (
    Rule(BindCover, _agreeing, bind_cover),
    Rule(AlterCover, _altering, alter_cover),
    Rule(EndCover, _ending, end_cover, while_suspended=True),
    # The insurer pays: a suspended holder is not denied its loss, nor a suspended insurer let off.
    Rule(ClaimCover, _claiming, claim_cover, while_suspended=True),
)
