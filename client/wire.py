"""The edge where protobuf stops: requests out of plain values, answers into the types of `client.answers`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pledgebook.v1 import ledger_pb2, registry_pb2
from registry.errors import Reference

from .answers import (
    AbsentValue,
    ByFingerprint,
    ById,
    CertifiedBlock,
    Event,
    Forecast,
    LedgerStatus,
    MemberAnswer,
    PolicyAnswer,
    PoolAnswer,
    Preflight,
    PresentValue,
    ReceiptAnswer,
    ReceivableAnswer,
    ReceivableKey,
    StatusAnswer,
    ToldQuery,
    ValidatorChange,
)

# Many more than a node keeps; what a liar adds is not shown.
QUERIES_PER_NODE_MAX: Final = 1_000
# The longest that a correct node says is a few sentences.
WORDS_CHARS_MAX: Final = 2_000


def words_of(said: str) -> str:
    """What a node says in words, as something that a terminal only shows.

    With a control character a liar could wipe out its refusal where people read it, and write that all is done.
    """
    return "".join(char if char.isprintable() else "\ufffd" for char in said[:WORDS_CHARS_MAX])


def key_message(key: ReceivableKey) -> registry_pb2.ReceivableKey:
    match key:
        case ById(receivable_id):
            return registry_pb2.ReceivableKey(receivable_id=receivable_id)
        case ByFingerprint(kind, value):
            return registry_pb2.ReceivableKey(
                fingerprint=registry_pb2.Fingerprint(kind=int(kind), value=value)
            )


def validator_changes(messages: Sequence[ledger_pb2.ValidatorChange]) -> tuple[ValidatorChange, ...]:
    return tuple(
        ValidatorChange(each.head.header, each.head.certificate, each.validators) for each in messages
    )


def nodes_answer(message: registry_pb2.GetNodesResponse) -> PresentValue:
    return _present(message.nodes)


def status_answer(message: registry_pb2.StatusAnswer) -> StatusAnswer:
    return StatusAnswer(
        fingerprint=_present(message.fingerprint) if message.HasField("fingerprint") else None,
        present=_present(message.present) if message.HasField("present") else None,
        absent=_absent(message.absent) if message.HasField("absent") else None,
    )


def receivable_answer(message: registry_pb2.GetReceivableResponse) -> ReceivableAnswer:
    return ReceivableAnswer(
        fingerprint=_present(message.fingerprint) if message.HasField("fingerprint") else None,
        public=message.public,
        private=message.private,
        proof=message.inclusion_proof,
        absent=_absent(message.absent) if message.HasField("absent") else None,
    )


def pool_answer(message: registry_pb2.GetPoolResponse) -> PoolAnswer:
    return PoolAnswer(
        private=message.private,
        proof=message.inclusion_proof,
        absent=_absent(message.absent) if message.HasField("absent") else None,
    )


def member_answer(message: registry_pb2.GetMemberResponse) -> MemberAnswer:
    return MemberAnswer(
        member=_present(message.member) if message.HasField("member") else None,
        window=_present(message.window) if message.HasField("window") else None,
        member_absent=_absent(message.member_absent) if message.HasField("member_absent") else None,
        window_absent=_absent(message.window_absent) if message.HasField("window_absent") else None,
    )


def policy_answer(message: registry_pb2.GetPolicyResponse) -> PolicyAnswer:
    return PolicyAnswer(
        policy=_present(message.policy) if message.HasField("policy") else None,
        pending=_present(message.pending) if message.HasField("pending") else None,
        pending_absent=_absent(message.pending_absent) if message.HasField("pending_absent") else None,
    )


def receipt_answer(message: registry_pb2.ReceiptProof) -> ReceiptAnswer:
    return ReceiptAnswer(message.receipt, tuple(message.path))


def certified_block(message: ledger_pb2.CertifiedBlock) -> CertifiedBlock:
    return CertifiedBlock(message.height, message.block, message.certificate, tuple(message.receipts))


def ledger_status(message: ledger_pb2.GetLedgerStatusResponse) -> LedgerStatus:
    return LedgerStatus(
        node_id=words_of(message.node_id),
        chain_id=message.chain_id,
        height=message.height,
        block_hash=message.block_hash,
        time_ms=message.time_ms,
        validating=message.validating,
        catching_up=message.catching_up,
        software_version=words_of(message.software_version),
    )


def event(message: registry_pb2.Event) -> Event:
    return Event(
        height=message.height,
        entry_index=message.entry_index,
        operation_index=message.operation_index,
        entry_id=message.entry_id,
        operation=words_of(message.operation),
        code=words_of(message.code),
        receivable_id=message.receivable_id,
        time_ms=message.time_ms,
    )


def list_queries(receivable_id: bytes) -> registry_pb2.ListQueriesRequest:
    return registry_pb2.ListQueriesRequest(receivable_id=receivable_id)


def told_queries(node_id: str, message: registry_pb2.ListQueriesResponse) -> tuple[ToldQuery, ...]:
    return tuple(
        ToldQuery(
            node_id,
            words_of(each.asker),
            words_of(each.kind),
            words_of(each.purpose),
            each.first_ms,
            each.last_ms,
            each.times,
        )
        for each in message.queries[:QUERIES_PER_NODE_MAX]
    )


def preflight(message: registry_pb2.PreflightResponse) -> Preflight:
    return Preflight(
        height=message.height,
        door_code=words_of(message.door_code),
        door_message=words_of(message.door_message),
        forecasts=tuple(_forecast(result) for result in message.results),
    )


def _forecast(message: registry_pb2.OperationResult) -> Forecast:
    collided_with = None
    if message.collided_with:
        collided_with = Reference(
            message.collided_with,
            message.collided_height,
            message.collided_entry,
            message.collided_operation,
        )
    reasons = tuple(words_of(reason) for reason in message.reasons)
    return Forecast(words_of(message.code), message.subject, collided_with, reasons)


def _present(message: registry_pb2.PresentValue) -> PresentValue:
    return PresentValue(message.public, message.private_digest, message.inclusion_proof)


def _absent(message: registry_pb2.AbsentValue) -> AbsentValue:
    return AbsentValue(message.absence_proof)
