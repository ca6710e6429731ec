"""How an entry would be judged now: the same functions as in a block, on the state after the last committed one.

It is an answer about this moment and no promise: other entries may come first. Signatures that are missing or wrong are
told, and the rules are judged all the same, so that a party can see what it is asked to sign.
"""

from __future__ import annotations

from node.ports import StorePort
from pledgebook.v1 import registry_pb2
from registry.admission import check_chain, check_freshness, check_right
from registry.entry import Entry, Mode, decode_entry, verify_signatures
from registry.errors import Code, EntryRefused, RuleViolation
from registry.receipt import Result
from registry.rules import RULES, Judgement
from registry.state import WorkingState


def preflight(store: StorePort, chain_id: bytes, raw: bytes, now_ms: int) -> registry_pb2.PreflightResponse:
    """The door's verdict on an entry and the result of each operation, at the last committed height."""
    with store.read() as snapshot:
        response = registry_pb2.PreflightResponse(height=snapshot.height, door_code=str(Code.OK))
        try:
            entry = decode_entry(raw)
        except EntryRefused as refused:
            response.door_code, response.door_message = str(refused.code), refused.message
            return response
        state = WorkingState(snapshot)
        height = snapshot.height + 1
        try:
            check_chain(entry, chain_id)
            verify_signatures(entry)
            check_right(state, entry, height)
            check_freshness(state, entry, now_ms)
        except EntryRefused as refused:
            response.door_code, response.door_message = str(refused.code), refused.message
        for result in _judge_operations(state, entry, chain_id, height, now_ms):
            response.results.append(_message_of(result))
        return response


def _judge_operations(
    state: WorkingState, entry: Entry, chain_id: bytes, height: int, now_ms: int
) -> list[Result]:
    """One result per operation, as the receipt would have them."""
    policy = state.policy()
    signers = frozenset(signature.member for signature in entry.signatures)
    results: list[Result] = []
    for index, operation in enumerate(entry.body.operations):
        judgement = Judgement(state, policy, chain_id, height, now_ms, entry.entry_id, 0, index, signers)
        mark = state.savepoint()
        try:
            subject = RULES[type(operation)].apply(judgement, operation)
            results.append(Result(Code.OK, subject, None, ()))
        except RuleViolation as refusal:
            state.roll_back(mark)
            results.append(Result(refusal.code, b"", refusal.collided_with, refusal.reasons))
            if entry.body.mode is Mode.ATOMIC:
                return _withheld(results, len(entry.body.operations))
    return results


def _withheld(results: list[Result], operations: int) -> list[Result]:
    """An atomic entry stops at the operation that fails, and nothing else of it is applied."""
    nothing = Result(Code.NOT_APPLIED, b"", None, ())
    return [nothing] * (len(results) - 1) + results[-1:] + [nothing] * (operations - len(results))


def _message_of(result: Result) -> registry_pb2.OperationResult:
    message = registry_pb2.OperationResult(
        code=str(result.code),
        subject=result.subject,
        reasons=[f"{reason.word} {reason.amount}" for reason in result.reasons],
    )
    if result.collided_with is not None:
        message.collided_with = result.collided_with.subject
        message.collided_height = result.collided_with.height
        message.collided_entry = result.collided_with.entry_index
        message.collided_operation = result.collided_with.operation_index
    return message
