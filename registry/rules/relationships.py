"""Rules of what is declared (RULEBOOK, "Governance"), and what follows from it for a disposal.

A disposal is judged by its parties' groups, by the taker's exposure against the risk assets that it has signed, and by
the circles that the receivable stands on. Source: notice No. 205 of 2019 on the supervision of commercial factoring.
"""

from __future__ import annotations

from typing import Final

from .. import limits
from ..errors import Code, Reason, RuleViolation
from ..exposure import RiskAssets, risk_assets_id
from ..operations.governance import Role
from ..operations.relationships import DeclareRelationship, DeclareRiskAssets
from ..policy import RelatedPartyPolicy
from ..receivable import Receivable
from ..relations import Control, common_control, control_by
from ..state import WorkingState
from ..stored import Namespace
from ..time_units import DAY_MS
from ..trade_graph import Edge, cycle_hops, with_edge
from .judgement import Judgement, Party, Rule, positive


def declare_relationship(judgement: Judgement, operation: DeclareRelationship) -> bytes:
    """A party joins the group of its controller, or leaves it when the declaration is marked as false.

    Order: who says it, the references, what was declared before, the size of groups.
    """
    state = judgement.state
    governed = operation.countersigned or operation.false
    if not governed:
        member = None if operation.declarer is None else state.member(operation.declarer)
        if member is None or member.debtor_reference != operation.party:
            raise RuleViolation(
                Code.MISSING_SIGNATURE, "of another party a relationship is declared with the association"
            )
    if operation.party == operation.controller:
        raise RuleViolation(Code.BAD_IDENTIFIER, "a party does not control itself")
    controls = state.controls(operation.party)
    earlier = control_by(controls, operation.controller)
    others = tuple(control for control in controls if control is not earlier)
    if operation.false:
        return _mark_false(judgement, operation, earlier, others)
    if earlier is not None and earlier.since_day <= operation.since_day:
        # A later date would hide what was done in between.
        raise RuleViolation(
            Code.ALREADY_DECLARED, f"declared since day {earlier.since_day}", collided_with=earlier.place
        )
    control = Control(operation.controller, operation.since_day, judgement.place(operation.party))
    if len(others) >= limits.CONTROLLERS_MAX:
        raise RuleViolation(Code.LIMIT_REACHED, f"a party has at most {limits.CONTROLLERS_MAX} controllers")
    state.put(Namespace.CONTROL, operation.party, (*others, control))
    if earlier is None:
        group = state.controlled(operation.controller)
        if len(group) >= limits.GROUP_MEMBERS_MAX:
            raise RuleViolation(Code.LIMIT_REACHED, f"a group has at most {limits.GROUP_MEMBERS_MAX} members")
        state.put(Namespace.CONTROLLED, operation.controller, (*group, operation.party))
    return operation.party


def _mark_false(
    judgement: Judgement, operation: DeclareRelationship, earlier: Control | None, others: tuple[Control, ...]
) -> bytes:
    if earlier is None:
        raise RuleViolation(Code.UNKNOWN_RELATIONSHIP, "no such relationship is declared")
    state = judgement.state
    group = tuple(party for party in state.controlled(operation.controller) if party != operation.party)
    state.put(Namespace.CONTROL, operation.party, others or None)
    state.put(Namespace.CONTROLLED, operation.controller, group or None)
    return operation.party


def declare_risk_assets(judgement: Judgement, operation: DeclareRiskAssets) -> bytes:
    """The factor's latest word counts. Order: amount, currency, date."""
    positive(operation.amount)
    if operation.currency not in judgement.policy.currencies:
        raise RuleViolation(
            Code.CURRENCY_MISMATCH, f"{operation.currency} is not a currency of this consortium"
        )
    if operation.as_of_day > judgement.time_ms // DAY_MS:
        raise RuleViolation(Code.TOO_EARLY, "risk assets are stated as of a day that has come")
    subject = operation.factor.encode()
    judgement.state.put(
        Namespace.RISK_ASSETS,
        risk_assets_id(operation.factor, operation.currency),
        RiskAssets(operation.amount, operation.as_of_day, judgement.place(judgement.entry_id)),
    )
    return subject


# --- what follows for a disposal


def check_related(judgement: Judgement, record: Receivable, holder: str, taker: str, amount: int) -> None:
    """Exporter, present holder and taker are not of the debtor's group; what the policy lets pass is flagged."""
    state, day = judgement.state, judgement.time_ms // DAY_MS
    debtor = record.debtor_reference
    for member_id in dict.fromkeys((record.exporter, holder, taker)):
        reference = _reference_of(judgement, member_id)
        if reference is None:
            continue
        if reference == debtor:
            raise RuleViolation(Code.RELATED_PARTY, f"{member_id} is the debtor", collided_with=record.place)
        control = common_control(reference, state.controls(reference), debtor, state.controls(debtor), day)
        if control is None:
            continue
        if judgement.policy.related_party is RelatedPartyPolicy.REFUSE:
            raise RuleViolation(
                Code.RELATED_PARTY,
                f"{member_id} and the debtor are of one group",
                collided_with=control.place,
                reasons=(Reason("related_party", amount),),
            )
        judgement.flag("related_party", amount)


def check_concentration(judgement: Judgement, record: Receivable, taker: str, amount: int) -> None:
    """With `amount` more, the taker stays within its limits for one debtor, and for the debtors of its own group."""
    policy, state = judgement.policy, judgement.state
    single, related = policy.single_debtor_max_percent, policy.related_debtors_max_percent
    if single is None and related is None:
        return
    assets: RiskAssets | None = state.get(Namespace.RISK_ASSETS, risk_assets_id(taker, record.currency))
    if assets is None:
        raise RuleViolation(
            Code.CONCENTRATION, f"{taker} has not stated its risk assets in {record.currency}"
        )
    if single is not None:
        exposure = state.exposure(taker, record.debtor_reference, record.currency)
        _check_share(assets, exposure + amount, single, "exposure")
    own = _reference_of(judgement, taker)
    if related is not None and own is not None and _are_related(judgement, own, record.debtor_reference):
        group = group_of(state, own, judgement.time_ms // DAY_MS)
        exposure = sum(state.exposure(taker, party, record.currency) for party in group)
        _check_share(assets, exposure + amount, related, "related_exposure")


def _reference_of(judgement: Judgement, member_id: str) -> bytes | None:
    """A member that was enrolled without its reference belongs to no group, and is nobody's debtor."""
    member = judgement.state.member(member_id)
    return None if member is None else member.debtor_reference


def _are_related(judgement: Judgement, left: bytes, right: bytes) -> bool:
    state, day = judgement.state, judgement.time_ms // DAY_MS
    return common_control(left, state.controls(left), right, state.controls(right), day) is not None


def _check_share(assets: RiskAssets, exposure: int, percent: int, word: str) -> None:
    if exposure * 100 > assets.amount * percent:
        raise RuleViolation(
            Code.CONCENTRATION,
            f"{exposure} of risk assets of {assets.amount} is more than {percent} %",
            collided_with=assets.place,
            reasons=(
                Reason(word, min(exposure, limits.AMOUNT_MAX)),
                Reason("limit", assets.amount * percent // 100),
            ),
        )


def group_of(state: WorkingState, own: bytes, day: int) -> tuple[bytes, ...]:
    """Every party related to this one on a day, without itself: its controllers, what they control, what it controls."""
    controllers = [control.controller for control in state.controls(own) if control.since_day <= day]
    parties = dict.fromkeys(controllers)
    for controller in (*controllers, own):
        for party in state.controlled(controller):
            control = control_by(state.controls(party), controller)
            if party != own and control is not None and control.since_day <= day:
                parties[party] = None
    return tuple(parties)


def note_trade(judgement: Judgement, exporter: str, debtor_reference: bytes) -> None:
    """Keep the edge from exporter to debtor, and flag it when it closes a circle."""
    own = _reference_of(judgement, exporter)
    if own is None:
        return
    flag_cycle(judgement, exporter, debtor_reference)
    day = judgement.time_ms // DAY_MS
    edges = judgement.state.trade_edges(own)
    if Edge(debtor_reference, day) not in edges:
        judgement.state.put(Namespace.TRADE, own, with_edge(edges, debtor_reference, day))


def flag_cycle(judgement: Judgement, exporter: str, debtor_reference: bytes) -> None:
    """Flag `cycle`, with the number of its edges, when debtor and exporter are joined by invoices the other way round."""
    policy, state = judgement.policy, judgement.state
    own = _reference_of(judgement, exporter)
    if own is None or policy.cycle_hops_max < 2:
        return
    since = max(0, judgement.time_ms // DAY_MS - policy.cycle_days)
    hops = cycle_hops(state.trade_edges, own, debtor_reference, policy.cycle_hops_max, since)
    if hops is not None:
        judgement.flag("cycle", hops)


def _declaring(operation: DeclareRelationship) -> tuple[Party, ...]:
    if operation.declarer is None:
        return ()
    return (Party(operation.declarer, (Role.EXPORTER, Role.DEBTOR, Role.FACTOR)),)


def _stating(operation: DeclareRiskAssets) -> tuple[Party, ...]:
    return (Party(operation.factor, (Role.FACTOR,)),)


RULES: Final = (
    Rule(
        DeclareRelationship,
        _declaring,
        declare_relationship,
        while_suspended=True,
        governed_when=lambda operation: operation.countersigned or operation.false,
    ),
    Rule(DeclareRiskAssets, _stating, declare_risk_assets),
)
