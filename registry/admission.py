"""The door: who may hand this entry in, and is it fresh. What fails here never enters a block.

The same functions serve a node's door, a proposer filling a block and a validator checking one. Shape has been checked by
decoding, signatures by `entry.verify_signatures`; here the keys find their owners.
Source: RULEBOOK, "How an entry is judged", steps 2 and 3.
"""

from __future__ import annotations

from . import limits
from .entry import Entry
from .errors import Code, NotFresh, NotPermitted
from .member import Member, MemberStatus
from .operations import Operation, total_weight
from .operations.governance import Role
from .policy import Policy
from .rules import RULES, Party
from .state import WorkingState
from .stored import DayUse, Namespace
from .time_units import DAY_MS


def check_chain(entry: Entry, chain_id: bytes) -> None:
    """Raises NotFresh (WRONG_CHAIN): an entry signed for another consortium is worth nothing here."""
    if entry.body.chain_id != chain_id:
        raise NotFresh(
            Code.WRONG_CHAIN,
            f"the entry is for chain {entry.body.chain_id.hex()[:16]}…, this is {chain_id.hex()[:16]}…",
        )


def check_right(state: WorkingState, entry: Entry, height: int) -> frozenset[str]:
    """The members who signed, once every operation has the parties it needs. Raises NotPermitted."""
    signers = _signers(state, entry, height)
    if entry.body.submitter not in signers:
        raise NotPermitted(Code.MISSING_SIGNATURE, f"the submitter {entry.body.submitter} has not signed")
    needed = {entry.body.submitter}
    governed = False
    for index, operation in enumerate(entry.body.operations):
        rule = RULES[type(operation)]
        governed = governed or rule.needs_quorum(operation)
        needed.update(_check_parties(operation, index, signers))
        if signers[entry.body.submitter].status is MemberStatus.SUSPENDED and not rule.while_suspended:
            raise NotPermitted(
                Code.SUSPENDED, f"operations[{index}]: {entry.body.submitter} is suspended and hands it in"
            )
    if governed:
        needed.update(_check_quorum(state, entry, signers))
    idle = sorted(set(signers) - needed)
    if idle:
        raise NotPermitted(Code.NOT_PERMITTED, f"{idle[0]} has signed but is no party to any operation")
    return frozenset(signers)


def _signers(state: WorkingState, entry: Entry, height: int) -> dict[str, Member]:
    signers: dict[str, Member] = {}
    for signature in entry.signatures:
        member = state.member(signature.member)
        if member is None or not member.has_key(signature.public_key, height):
            raise NotPermitted(
                Code.UNKNOWN_SIGNER,
                f"{signature.member} has no key {signature.public_key.hex()} valid at height {height}",
            )
        if member.status is MemberStatus.EXPELLED:
            raise NotPermitted(Code.NOT_PERMITTED, f"{signature.member} is expelled")
        signers[signature.member] = member
    return signers


def _check_parties(operation: Operation, index: int, signers: dict[str, Member]) -> list[str]:
    rule = RULES[type(operation)]
    parties = rule.parties(operation)
    names = [party.member for party in parties]
    if len(set(names)) != len(names):
        raise NotPermitted(
            Code.NOT_PERMITTED, f"operations[{index}]: one member cannot act on both sides of an operation"
        )
    for party in parties:
        member = signers.get(party.member)
        if member is None:
            raise NotPermitted(
                Code.MISSING_SIGNATURE, f"operations[{index}]: {party.member} must sign and has not"
            )
        if not any(role in member.roles for role in party.roles):
            allowed = " or ".join(role.name.lower() for role in party.roles)
            raise NotPermitted(
                Code.NOT_PERMITTED, f"operations[{index}]: {party.member} must be enrolled as {allowed}"
            )
        if rule.needs_quorum(operation) and _is_other_side(member, party):
            raise NotPermitted(
                Code.NOT_PERMITTED,
                f"operations[{index}]: {party.member} is of the association, which must agree with it",
            )
        if member.status is MemberStatus.SUSPENDED and not rule.while_suspended:
            raise NotPermitted(Code.SUSPENDED, f"operations[{index}]: {party.member} is suspended")
    return names


def _is_other_side(member: Member, party: Party) -> bool:
    """Where the association decides with somebody, such as a court, that one is not of the association.

    Only what concerns a member as such (its roles, its keys, its node) the association decides about its own members too.
    """
    return Role.ASSOCIATION in member.roles and Role.ASSOCIATION not in party.roles


def _check_quorum(state: WorkingState, entry: Entry, signers: dict[str, Member]) -> list[str]:
    """The association's k of n: distinct keys, whoever of its people holds them."""
    seats = {
        signature.public_key
        for signature in entry.signatures
        if Role.ASSOCIATION in signers[signature.member].roles
        and signers[signature.member].status is MemberStatus.ACTIVE
    }
    threshold = state.governance().threshold
    if len(seats) < threshold:
        raise NotPermitted(
            Code.MISSING_SIGNATURE,
            f"{len(seats)} of the association's keys have signed, {threshold} are needed",
        )
    return [member_id for member_id, member in signers.items() if Role.ASSOCIATION in member.roles]


def check_freshness(state: WorkingState, entry: Entry, time_ms: int) -> None:
    """Raises NotFresh: the sequence number was used or is older than the window, or the entry's time has run out."""
    body = entry.body
    window = state.window(body.submitter)
    if not window.accepts(body.sequence):
        raise NotFresh(
            Code.REPLAYED,
            f"sequence {body.sequence} of {body.submitter} was used before, or is more than "
            f"{limits.SEQUENCE_WINDOW} behind {window.highest}; take a number above {window.highest}",
        )
    if time_ms > body.valid_until_ms:
        raise NotFresh(Code.EXPIRED, f"valid until {body.valid_until_ms}, the block's time is {time_ms}")


def check_quota(state: WorkingState, policy: Policy, entry: Entry, time_ms: int) -> DayUse | None:
    """What the submitter has used of its day with this entry, None when no quota is set. Raises NotFresh (QUOTA).

    Refused at the door and not by a rule: an attempt beyond the quota must not take up room in a block.
    """
    quota = policy.operations_per_day_max
    if quota is None:
        return None
    submitter, day = entry.body.submitter, time_ms // DAY_MS
    use: DayUse | None = state.get(Namespace.QUOTA, submitter.encode())
    used = use.operations if use is not None and use.day == day else 0
    asked = used + total_weight(entry.body.operations)
    if asked > quota:
        raise NotFresh(
            Code.QUOTA,
            f"{submitter} has handed in {used} operations today, and {quota} are allowed; a new day begins at 00:00 UTC",
        )
    return DayUse(day, asked)
