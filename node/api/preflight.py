"""How an entry would be judged now: the same functions as in a block, on the state after the last committed one.

It is an answer about this moment and no promise: other entries may come first. An entry may come without any signature,
so that a dry run hands no node an entry that it could use: the door then says MISSING_SIGNATURE, unless it would refuse the
entry for another reason even when all had signed, and the rules are judged as if the parties that the operations name had.

Guarantees: a verdict of the rules tells how much of a receivable is whose, so it is given only to a member that is itself a
named party of every operation. While others who must sign have not, anybody can name them: until then the caller must also
be one who may see the record of every receivable that the entry names, and the exporter of every blanket. Whoever is not gets
the door's verdict alone. What a refusal says of a taker's limits and group is told to others only once the taker has signed.
Leaves to others: how much a member may ask, and the log of it (`registry_service`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain

from node.api.visibility import may_see
from node.ports import StorePort
from registry.admission import check_chain, check_freshness, check_quota, check_right
from registry.entry import Entry, EntrySignature, verify_signatures
from registry.errors import Code, EntryRefused, NotPermitted
from registry.member import Member
from registry.operations import AssignBlanket, Operation, receivables_of
from registry.operations.governance import Role
from registry.receipt import Result
from registry.rules import RULES
from registry.state import WorkingState
from registry.transition import judge_operations, policy_at

_OF_THE_TAKER = frozenset({Code.CONCENTRATION, Code.RELATED_PARTY})
RULES_WITHHELD = (
    "; the rules are judged only for a party of every operation that may see the records it names"
)


@dataclass(frozen=True, slots=True)
class Preflight:
    """The door's verdict and, where the caller may have them, one result per operation, on the state at `height`."""

    height: int
    door_code: str
    door_message: str
    results: tuple[Result, ...]


def preflight(store: StorePort, chain_id: bytes, entry: Entry, caller: Member, now_ms: int) -> Preflight:
    """The door's verdict on an entry and the result of each operation, at the last committed height."""
    with store.read() as snapshot:
        state = WorkingState(snapshot)
        height = snapshot.height + 1
        code, message, consented = str(Code.OK), "", True
        try:
            signers = _pass_door(state, entry, chain_id, height, now_ms)
        except EntryRefused as refused:
            code, message, consented = str(refused.code), refused.message, False
            signers = frozenset(_named_members(entry)) | {party.member for party in entry.signatures}
            # What needs nobody else it could just as well submit.
            if signers != {caller.member_id} and not _may_see_all(state, entry, caller):
                return Preflight(snapshot.height, code, message + RULES_WITHHELD, ())
        if not all(_is_named(operation, caller) for operation in entry.body.operations):
            return Preflight(snapshot.height, code, message + RULES_WITHHELD, ())
        results, _ = judge_operations(
            state, policy_at(state, height), chain_id, height, now_ms, entry, 0, signers
        )
        if not consented:
            pairs = zip(entry.body.operations, results, strict=True)
            results = tuple(_discreet(operation, result, caller) for operation, result in pairs)
        return Preflight(snapshot.height, code, message, results)


def receivables_named(entry: Entry) -> list[bytes]:
    """The receivables that the operations are about, each once."""
    named = (receivables_of(operation) for operation in entry.body.operations)
    return list(dict.fromkeys(chain.from_iterable(named)))


def _pass_door(
    state: WorkingState, entry: Entry, chain_id: bytes, height: int, now_ms: int
) -> frozenset[str]:
    """Who has signed. Raises EntryRefused, as the door does."""
    check_chain(entry, chain_id)
    verify_signatures(entry)
    judged = entry if entry.signatures else _as_if_signed(state, entry, height)
    signers = check_right(state, judged, height)
    check_freshness(state, entry, now_ms)
    check_quota(state, policy_at(state, height), entry, now_ms)
    if not entry.signatures:
        raise NotPermitted(Code.MISSING_SIGNATURE, "nobody has signed")
    return signers


def _as_if_signed(state: WorkingState, entry: Entry, height: int) -> Entry:
    """The entry with an empty signature under a present key of each named member: for the questions after signatures."""
    signatures = []
    for member_id in _named_members(entry):
        member = state.member(member_id)
        keys = [] if member is None else [key for key in member.keys if key.is_valid_at(height)]
        if keys:
            signatures.append(EntrySignature(member_id, keys[0].public_key, b""))
    return replace(entry, signatures=tuple(signatures))


def _named_members(entry: Entry) -> Iterable[str]:
    """The submitter and the parties of the operations, each once."""
    named = dict.fromkeys([entry.body.submitter])
    for operation in entry.body.operations:
        named |= dict.fromkeys(party.member for party in RULES[type(operation)].parties(operation))
    return named


def _is_named(operation: Operation, caller: Member) -> bool:
    rule = RULES[type(operation)]
    if rule.by_governance:
        return Role.ASSOCIATION in caller.roles
    return any(party.member == caller.member_id for party in rule.parties(operation))


def _discreet(operation: Operation, result: Result, caller: Member) -> Result:
    """The result without the figures of a taker who has not signed: how much it bears, and whose group it is of."""
    taker = getattr(operation, "assignee", None) or getattr(operation, "pledgee", None)
    if result.code not in _OF_THE_TAKER or taker in (None, caller.member_id):
        return result
    return replace(result, collided_with=None, reasons=())


def _may_see_all(state: WorkingState, entry: Entry, caller: Member) -> bool:
    blankets = (operation for operation in entry.body.operations if isinstance(operation, AssignBlanket))
    if any(blanket.assignor != caller.member_id for blanket in blankets):
        # Whom an exporter has promised its registrations to is nobody else's business.
        return False
    records = (state.receivable(identifier) for identifier in receivables_named(entry))
    return all(record is None or may_see(caller, record) for record in records)
