"""How an entry would be judged now: the same functions as in a block, on the state after the last committed one.

It is an answer about this moment and no promise: other entries may come first. Signatures that are missing or wrong are
told, and the rules are judged all the same, so that a party can see what it is asked to sign.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.ports import StorePort
from registry.admission import check_chain, check_freshness, check_quota, check_right
from registry.entry import Entry, Mode, decode_entry, verify_signatures
from registry.errors import Code, EntryRefused
from registry.receipt import Result
from registry.rules import Judgement
from registry.state import WorkingState
from registry.transition import judge_operation, policy_at


@dataclass(frozen=True, slots=True)
class Preflight:
    """The door's verdict, and one result per operation if the entry could be read, on the state at `height`."""

    height: int
    door_code: str
    door_message: str
    results: tuple[Result, ...]


def preflight(store: StorePort, chain_id: bytes, raw: bytes, now_ms: int) -> Preflight:
    """The door's verdict on an entry and the result of each operation, at the last committed height."""
    with store.read() as snapshot:
        try:
            entry = decode_entry(raw)
        except EntryRefused as refused:
            return Preflight(snapshot.height, str(refused.code), refused.message, ())
        state = WorkingState(snapshot)
        height = snapshot.height + 1
        code, message = str(Code.OK), ""
        try:
            check_chain(entry, chain_id)
            verify_signatures(entry)
            check_right(state, entry, height)
            check_freshness(state, entry, now_ms)
            check_quota(state, policy_at(state, height), entry, now_ms)
        except EntryRefused as refused:
            code, message = str(refused.code), refused.message
        results = _judge_operations(state, entry, chain_id, height, now_ms)
        return Preflight(snapshot.height, code, message, tuple(results))


def _judge_operations(
    state: WorkingState, entry: Entry, chain_id: bytes, height: int, now_ms: int
) -> list[Result]:
    """One result per operation, as the receipt would have them."""
    policy = policy_at(state, height)
    signers = frozenset(signature.member for signature in entry.signatures)
    keys = frozenset(signature.public_key for signature in entry.signatures)
    results: list[Result] = []
    for index, operation in enumerate(entry.body.operations):
        judgement = Judgement(
            state, policy, chain_id, height, now_ms, entry.entry_id, 0, index, signers, keys
        )
        results.append(judge_operation(judgement, operation))
        if results[-1].code is not Code.OK and entry.body.mode is Mode.ATOMIC:
            return _withheld(results, len(entry.body.operations))
    return results


def _withheld(results: list[Result], operations: int) -> list[Result]:
    """An atomic entry stops at the operation that fails, and nothing else of it is applied."""
    nothing = Result(Code.NOT_APPLIED, b"", None, ())
    return [nothing] * (len(results) - 1) + results[-1:] + [nothing] * (operations - len(results))
