"""What an honest node would answer from a chain in memory, and every way to falsify an answer in one place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from client.answers import (
    AbsentValue,
    ByFingerprint,
    ById,
    MemberAnswer,
    PolicyAnswer,
    PoolAnswer,
    PresentValue,
    ReceiptAnswer,
    ReceivableAnswer,
    ReceivableKey,
    StatusAnswer,
)
from registry.codec import unpack
from registry.merkle.log import inclusion_proof
from registry.merkle.map import InclusionProof, encode_absence, encode_inclusion, prove
from registry.receivable import REFERENCE
from registry.state import MemoryState
from registry.stored import Namespace, private_digest, split_stored, state_key
from tests.client.audit.chain_builder import BuiltBlock

A = TypeVar("A")


def looked_up(state: MemoryState, namespace: Namespace, identifier: bytes) -> PresentValue | AbsentValue:
    """The value under a key with its proof, or the proof that there is none."""
    key_hash = state_key(namespace, identifier)
    proof = prove(state, key_hash)
    if not isinstance(proof, InclusionProof):
        return AbsentValue(encode_absence(proof))
    stored = state.value(key_hash)
    assert stored is not None
    public, private = split_stored(stored)
    return PresentValue(public, private_digest(private), encode_inclusion(proof))


def present(state: MemoryState, namespace: Namespace, identifier: bytes) -> PresentValue:
    found = looked_up(state, namespace, identifier)
    assert isinstance(found, PresentValue)
    return found


def absent(state: MemoryState, namespace: Namespace, identifier: bytes) -> AbsentValue:
    found = looked_up(state, namespace, identifier)
    assert isinstance(found, AbsentValue)
    return found


def status_answer(state: MemoryState, key: ReceivableKey) -> StatusAnswer:
    if isinstance(key, ById):
        return _status(None, looked_up(state, Namespace.RECEIVABLE, key.receivable_id))
    link = looked_up(state, Namespace.FINGERPRINT, _fingerprint_id(key))
    if isinstance(link, AbsentValue):
        return StatusAnswer(None, None, link)
    subject = REFERENCE.decode(unpack(link.public, 1_000), "reference").subject
    return _status(link, looked_up(state, Namespace.RECEIVABLE, subject))


def _status(link: PresentValue | None, found: PresentValue | AbsentValue) -> StatusAnswer:
    if isinstance(found, AbsentValue):
        return StatusAnswer(link, None, found)
    return StatusAnswer(link, found, None)


def receivable_answer(state: MemoryState, key: ReceivableKey) -> ReceivableAnswer:
    status = status_answer(state, key)
    if status.present is None:
        return ReceivableAnswer(None, b"", b"", b"", status.absent)
    identifier = key.receivable_id if isinstance(key, ById) else b""
    if status.fingerprint is not None:
        identifier = REFERENCE.decode(unpack(status.fingerprint.public, 1_000), "reference").subject
    stored = state.value(state_key(Namespace.RECEIVABLE, identifier))
    assert stored is not None
    public, private = split_stored(stored)
    return ReceivableAnswer(status.fingerprint, public, private, status.present.proof, None)


def pool_answer(state: MemoryState, pool_id: bytes) -> PoolAnswer:
    found = looked_up(state, Namespace.POOL, pool_id)
    if isinstance(found, AbsentValue):
        return PoolAnswer(b"", b"", found)
    stored = state.value(state_key(Namespace.POOL, pool_id))
    assert stored is not None
    return PoolAnswer(split_stored(stored)[1], found.proof, None)


def member_answer(state: MemoryState, member_id: str) -> MemberAnswer:
    member = looked_up(state, Namespace.MEMBER, member_id.encode())
    window = looked_up(state, Namespace.WINDOW, member_id.encode())
    return MemberAnswer(
        member if isinstance(member, PresentValue) else None,
        window if isinstance(window, PresentValue) else None,
        member if isinstance(member, AbsentValue) else None,
        window if isinstance(window, AbsentValue) else None,
    )


def policy_answer(state: MemoryState) -> PolicyAnswer:
    pending = looked_up(state, Namespace.PENDING_POLICY, b"")
    return PolicyAnswer(
        present(state, Namespace.POLICY, b""),
        pending if isinstance(pending, PresentValue) else None,
        pending if isinstance(pending, AbsentValue) else None,
    )


def receipt_answer(built: BuiltBlock, index: int) -> ReceiptAnswer:
    return ReceiptAnswer(built.receipts[index], inclusion_proof(built.receipts, index))


def _fingerprint_id(key: ByFingerprint) -> bytes:
    return bytes([key.kind]) + key.value


def falsified(answer: A) -> Iterator[tuple[str, A]]:
    """Every version of an answer with one thing changed: a byte, a length, a missing or an additional part."""
    yield from _changes(answer, type(answer).__name__)


def _changes(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, bytes):
        yield from _byte_changes(value, path)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            for name, changed in _changes(item, f"{path}[{index}]"):
                yield name, (*value[:index], changed, *value[index + 1 :])
            yield f"{path}[{index}] left out", (*value[:index], *value[index + 1 :])
        yield f"{path} with one more", (*value, bytes(32))
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            part = getattr(value, field.name)
            where = f"{path}.{field.name}"
            if is_dataclass(part):
                yield f"{where} left out", replace(value, **{field.name: None})
            if part is None:
                for kind, added in (
                    ("present", PresentValue(b"", bytes(32), b"")),
                    ("absent", AbsentValue(b"")),
                ):
                    yield f"{where} added ({kind})", replace(value, **{field.name: added})
            else:
                for name, changed in _changes(part, where):
                    yield name, replace(value, **{field.name: changed})


def _byte_changes(value: bytes, path: str) -> Iterator[tuple[str, bytes]]:
    for index in range(len(value)):
        for bit in (0x01, 0x80):
            yield (
                f"{path} byte {index} ^ {bit:#x}",
                value[:index] + bytes([value[index] ^ bit]) + value[index + 1 :],
            )
    if value:
        yield f"{path} cut", value[:-1]
        yield f"{path} emptied", b""
    yield f"{path} lengthened", value + b"\0"
