"""Rules of security (RULEBOOK, "Security"): where duplicate and empty pledges are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .. import limits
from ..errors import Code, Reason, RuleViolation
from ..identifiers import lien_id
from ..operations.governance import Role
from ..operations.security import EnforcePledge, Pledge, ReleasePledge, RenewPledge
from ..receivable import Disposal, Lien, Receivable
from ..record.liens import after_enforcement, junior_of, without_lien
from .assignment import after_move
from .disposal import check_policy, confirmed_for, earlier_claim, free_of, place_of, relied_on
from .judgement import (
    Judgement,
    Party,
    Rule,
    known_receivable,
    live_receivable,
    positive,
    unclosed_receivable,
    unrestrained,
)


def pledge(judgement: Judgement, operation: Pledge) -> bytes:
    """A lien on the pledgor's part, ranking by its place on the chain.

    Order: existence, holder, term, value, then the policy of a disposal. DUPLICATE_PLEDGE when another party's lien or
    assignment already covers the amount, EMPTY_PLEDGE when the value is not there for another reason.
    Source: Civil Code art. 445 and 768; RULEBOOK, "Security".
    """
    record = judgement.receivable(operation.receivable)
    if record is None:
        raise RuleViolation(
            Code.EMPTY_PLEDGE,
            f"no receivable {operation.receivable.hex()} is registered",
            reasons=(Reason("not_existing", 0),),
        )
    unrestrained(record)
    positive(operation.amount)
    _check_holder(record, operation)
    _check_term(judgement, operation)
    if operation.junior_to is None:
        _check_value(judgement, record, operation)
    else:
        _check_senior(judgement, record, operation)
    check_policy(
        judgement,
        record,
        operation.pledgee,
        operation.verified_fingerprints,
        operation.acknowledged_suspicions,
        holder=operation.pledgor,
        amount=operation.amount,
    )
    if len(record.liens) >= limits.LIENS_MAX:
        raise RuleViolation(Code.LIMIT_REACHED, f"a receivable carries at most {limits.LIENS_MAX} liens")
    return judgement.store(_encumbered(judgement, record, operation))


def _check_holder(record: Receivable, operation: Pledge) -> None:
    if record.amount_of(operation.pledgor) > 0:
        return
    disposal = record.disposed_by(operation.pledgor)
    if record.part_of(operation.pledgor) is None and disposal is None:
        raise RuleViolation(Code.NOT_HOLDER, f"{operation.pledgor} holds no part", collided_with=record.place)
    claim = earlier_claim(record, operation.pledgor, operation.amount)
    taken = (Reason("assigned", disposal.amount if disposal else 0), Reason("paid", record.paid))
    raise RuleViolation(
        Code.EMPTY_PLEDGE if claim is None else Code.DUPLICATE_PLEDGE,
        f"{operation.pledgor} holds nothing of it any more",
        collided_with=place_of(claim) or record.place,
        reasons=tuple(reason for reason in taken if reason.amount > 0),
    )


def _check_term(judgement: Judgement, operation: Pledge) -> None:
    term_ms = operation.until_ms - judgement.time_ms
    if not limits.LIEN_TERM_MS_MIN <= term_ms <= limits.LIEN_TERM_MS_MAX:
        raise RuleViolation(Code.TERM, "a pledge runs for 30 days to 30 years from its block's time")


def _check_value(judgement: Judgement, record: Receivable, operation: Pledge) -> None:
    free = free_of(judgement, record, operation.pledgor)
    if operation.amount > free.amount:
        claim = earlier_claim(record, operation.pledgor, operation.amount)
        # What was assigned away is not held any more: beside what is held it says why the amount once was there.
        assigned = (Reason("assigned", claim.amount),) if isinstance(claim, Disposal) else ()
        raise RuleViolation(
            Code.EMPTY_PLEDGE if claim is None else Code.DUPLICATE_PLEDGE,
            f"{operation.amount} pledged, {free.amount} free",
            collided_with=place_of(claim) or record.place,
            reasons=(Reason("held", record.amount_of(operation.pledgor)), *assigned, *free.reasons),
        )
    if judgement.policy.require_confirmation.covers_pledge():
        left = confirmed_for(judgement.policy, record, operation.pledgor)
        if operation.amount > left:
            raise RuleViolation(
                Code.EMPTY_PLEDGE,
                f"the debtor has confirmed {record.confirmation.amount}, of which {left} is left",
                collided_with=record.place,
                reasons=(Reason("confirmed", record.confirmation.amount),),
            )


def _check_senior(judgement: Judgement, record: Receivable, operation: Pledge) -> None:
    junior = operation.junior_to
    assert junior is not None
    senior = record.lien(junior.senior_lien)
    if senior is None or senior.pledgee != junior.senior_pledgee or senior.pledgor != operation.pledgor:
        raise RuleViolation(
            Code.NOT_LIENHOLDER,
            f"{junior.senior_pledgee} has no such lien on the part of {operation.pledgor}",
            collided_with=record.place,
        )
    barred = record.barred()
    if barred is not None:
        # What secures nothing in the first rank secures nothing in the second.
        raise RuleViolation(
            Code.EMPTY_PLEDGE,
            f"nothing of it can be pledged: {barred}",
            collided_with=record.place,
            reasons=(Reason(barred, senior.amount),),
        )
    if record.pool is not None and operation.pledgor == record.exporter:
        # What the senior lien sets free is the pool's.
        raise RuleViolation(
            Code.DUPLICATE_PLEDGE, "the receivable stands in a pool", collided_with=record.pool.place
        )
    behind = junior_of(record.liens, senior.lien_id)
    if behind is not None:
        raise RuleViolation(
            Code.DUPLICATE_PLEDGE, "another lien stands behind the senior one", collided_with=behind.place
        )
    if operation.amount > senior.amount:
        raise RuleViolation(
            Code.EMPTY_PLEDGE,
            f"a junior pledge is at most as large as the senior one, {senior.amount}",
            collided_with=senior.place,
            reasons=(Reason("pledged", senior.amount),),
        )
    leaned = relied_on(judgement.policy, record)
    if judgement.policy.require_confirmation.covers_pledge() and leaned > record.confirmation.amount:
        # It leans on the same confirmation as the senior one, which came before the policy asked for any.
        raise RuleViolation(
            Code.EMPTY_PLEDGE,
            f"the debtor has confirmed {record.confirmation.amount}, and {leaned} is assigned or pledged",
            collided_with=record.place,
            reasons=(Reason("confirmed", record.confirmation.amount),),
        )


def _encumbered(judgement: Judgement, record: Receivable, operation: Pledge) -> Receivable:
    identifier = lien_id(judgement.entry_id, judgement.operation_index)
    lien = Lien(
        lien_id=identifier,
        pledgor=operation.pledgor,
        pledgee=operation.pledgee,
        amount=operation.amount,
        until_ms=operation.until_ms,
        behind=operation.junior_to.senior_lien if operation.junior_to else None,
        place=judgement.place(identifier),
    )
    return replace(record, liens=(*record.liens, lien), changed_height=judgement.height)


def release_pledge(judgement: Judgement, operation: ReleasePledge) -> bytes:
    """The pledgee gives its lien up; a junior lien behind it moves up."""
    record = known_receivable(judgement, operation.receivable)
    lien = _lien_of(record, operation.lien, operation.pledgee)
    liens = without_lien(record.liens, lien.lien_id)
    return judgement.store(replace(record, liens=liens, changed_height=judgement.height))


def _lien_of(record: Receivable, lien_id: bytes, pledgee: str) -> Lien:
    lien = record.lien(lien_id)
    if lien is None or lien.pledgee != pledgee:
        raise RuleViolation(Code.NOT_LIENHOLDER, f"{pledgee} has no such lien", collided_with=record.place)
    return lien


def renew_pledge(judgement: Judgement, operation: RenewPledge) -> bytes:
    """Another end, one month to thirty years after the present one; the rank stays.

    Order: the receivable, the lien and whether it has run out, the term. No end lies more than thirty years ahead.
    Source: movable-property registration measures (renewal before the end; a term of 1 month to 30 years).
    """
    record = unclosed_receivable(judgement, operation.receivable)
    over = next((lien for lien in record.lapsed if lien.lien_id == operation.lien), None)
    lien = over or record.lien(operation.lien)
    if lien is None or lien.pledgee != operation.pledgee:
        raise RuleViolation(
            Code.NOT_LIENHOLDER, f"{operation.pledgee} has no such lien", collided_with=record.place
        )
    if over is not None:
        raise RuleViolation(Code.LATE, f"the lien ran out at {lien.until_ms}", collided_with=lien.place)
    longer_ms = operation.until_ms - lien.until_ms
    ahead_ms = operation.until_ms - judgement.time_ms
    if longer_ms < limits.LIEN_TERM_MS_MIN or ahead_ms > limits.LIEN_TERM_MS_MAX:
        raise RuleViolation(
            Code.TERM,
            "a renewal adds 30 days at least and ends 30 years from its block's time at most",
            collided_with=lien.place,
        )
    renewed = replace(lien, until_ms=operation.until_ms)
    liens = tuple(renewed if each is lien else each for each in record.liens)
    return judgement.store(replace(record, liens=liens, changed_height=judgement.height))


def enforce_pledge(judgement: Judgement, operation: EnforcePledge) -> bytes:
    """`amount` of the pledged part passes to the pledgee, and its lien ends; a lien behind keeps what is left over.

    Order: the receivable, restraint, amount, the lien, who agrees, its rank, the default. Undisputed value goes first.
    Source: Civil Code art. 446, 436 (enforcement by agreement, or by the court); RULEBOOK, "Security".
    """
    record = live_receivable(judgement, operation.receivable)
    unrestrained(record)
    positive(operation.amount)
    lien = _lien_of(record, operation.lien, operation.pledgee)
    if operation.amount > lien.amount:
        raise RuleViolation(
            Code.NOT_LIENHOLDER,
            f"{operation.pledgee} has a lien for {lien.amount} until {lien.until_ms}",
            collided_with=lien.place,
            reasons=(Reason("pledged", lien.amount),),
        )
    if operation.court is None and operation.pledgor != lien.pledgor:
        raise RuleViolation(
            Code.NOT_PERMITTED,
            f"{lien.pledgor} must agree, or a court must order it",
            collided_with=lien.place,
        )
    senior = None if lien.behind is None else record.lien(lien.behind)
    if senior is not None:
        raise RuleViolation(
            Code.PLEDGED, f"the lien of {senior.pledgee} comes first", collided_with=senior.place
        )
    if record.default is None:
        raise RuleViolation(Code.NO_DEFAULT, "no default is on record", collided_with=record.place)
    held, disputed = record.amount_of(lien.pledgor), record.disputed_share(lien.pledgor)
    enforced = replace(record, liens=after_enforcement(record.liens, lien, operation.amount))
    return judgement.store(
        after_move(
            judgement,
            enforced,
            lien.pledgor,
            lien.pledgee,
            operation.amount,
            disputed=max(0, operation.amount - (held - disputed)),
        )
    )


def _pledging(operation: Pledge) -> tuple[Party, ...]:
    parties = (
        Party(operation.pledgor, (Role.EXPORTER, Role.FACTOR)),
        Party(operation.pledgee, (Role.FACTOR,)),
    )
    if operation.junior_to is None:
        return parties
    return (*parties, Party(operation.junior_to.senior_pledgee, (Role.FACTOR,)))


def _enforcing(operation: EnforcePledge) -> tuple[Party, ...]:
    parties = [Party(operation.pledgee, (Role.FACTOR,))]
    if operation.pledgor is not None:
        parties.append(Party(operation.pledgor, (Role.EXPORTER, Role.FACTOR)))
    if operation.court is not None:
        parties.append(Party(operation.court, (Role.COURT,)))
    return tuple(parties)


def _releasing(operation: ReleasePledge | RenewPledge) -> tuple[Party, ...]:
    return (Party(operation.pledgee, (Role.FACTOR,)),)


RULES: Final = (
    Rule(Pledge, _pledging, pledge),
    Rule(RenewPledge, _releasing, renew_pledge),
    Rule(ReleasePledge, _releasing, release_pledge, while_suspended=True),
    Rule(EnforcePledge, _enforcing, enforce_pledge),
)
