"""Inputs of consensus as bytes, for the journal alone: no peer ever sends or reads these.

Guarantees: `decode_input(encode_input(x), validators) == x` for every input that is journaled. Decoding is strict all the
same: the journal's checksum tells rot, not a file of another version. A validator set is not written but looked up by its
height in the ledger, which knows it for every height that was ever begun.

    kind u8 | fields, big-endian, fixed width; the last field of variable length takes the rest
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from consensus.certificate import Certificate
from consensus.errors import InvalidMessage
from consensus.inputs import (
    CertificateReceived,
    HeightStarted,
    Input,
    NeedFromPeer,
    PeerConnected,
    ProposalReceived,
    ResendDue,
    Synced,
    Timeout,
    TimeoutElapsed,
    TimeoutKind,
    ValueBuilt,
    ValueReceived,
    ValueValidated,
    VoteReceived,
    WorkAvailable,
)
from consensus.messages import BlockHash, Proposal, Vote
from consensus.validators import ValidatorSet

REASON_CHARS_MAX: Final = 500
"""A reason is for a person who reads the journal; a peer's block must not make it long."""

_HEIGHT_STARTED: Final = struct.Struct(">BQQ")
_HEIGHT: Final = struct.Struct(">BQ")
_RECEIVED: Final = struct.Struct(">Bq")
_VALUE: Final = struct.Struct(">BQ32sQ")
_BUILT: Final = struct.Struct(">BQI32sQ")
_VALIDATED: Final = struct.Struct(">BQ32sB")
_TIMEOUT: Final = struct.Struct(">BQIB")


class InputUnreadable(Exception):
    """A journal record with a good checksum that is no input: it was written by another version."""


def encode_input(input: Input) -> bytes:
    """The record of an input that is journaled."""
    match input:
        case HeightStarted():
            return _HEIGHT_STARTED.pack(1, input.height, input.parent_time_ms)
        case WorkAvailable():
            return _HEIGHT.pack(2, input.height)
        case ProposalReceived():
            return _RECEIVED.pack(3, input.received_ms) + input.proposal.encode()
        case VoteReceived():
            return b"\x04" + input.vote.encode()
        case ValueReceived():
            return _VALUE.pack(5, input.height, input.block_hash, input.time_ms) + input.payload
        case CertificateReceived():
            return b"\x06" + input.certificate.encode()
        case ValueBuilt():
            return _BUILT.pack(7, input.height, input.round, input.block_hash, input.time_ms) + input.payload
        case ValueValidated():
            reason = input.reason[:REASON_CHARS_MAX].encode("utf-8", "replace")
            return _VALIDATED.pack(8, input.height, input.block_hash, input.valid) + reason
        case TimeoutElapsed():
            return _TIMEOUT.pack(9, input.timeout.height, input.timeout.round, input.timeout.kind)
        case Synced():
            return _HEIGHT.pack(10, input.height)
        case ResendDue() | PeerConnected() | NeedFromPeer():
            raise AssertionError(f"{type(input).__name__} is not journaled")


def decode_input(record: bytes, validators: Callable[[int], ValidatorSet]) -> Input:
    """The input of a record. Raises InputUnreadable."""
    try:
        return _decode(record, validators)
    except (struct.error, ValueError, InvalidMessage) as error:
        raise InputUnreadable(
            f"a journal record of {len(record)} bytes, kind {record[:1].hex()!r}, is no input of this version: {error}"
        ) from error


def _decode(record: bytes, validators: Callable[[int], ValidatorSet]) -> Input:
    match record[:1]:
        case b"\x01":
            _, height, parent_time_ms = _HEIGHT_STARTED.unpack(record)
            return HeightStarted(height, validators(height), parent_time_ms)
        case b"\x02":
            return WorkAvailable(_HEIGHT.unpack(record)[1])
        case b"\x03":
            _, received_ms = _RECEIVED.unpack_from(record)
            return ProposalReceived(Proposal.decode(record[_RECEIVED.size :]), received_ms)
        case b"\x04":
            return VoteReceived(Vote.decode(record[1:]))
        case b"\x05":
            _, height, block_hash, time_ms = _VALUE.unpack_from(record)
            return ValueReceived(height, BlockHash(block_hash), record[_VALUE.size :], time_ms)
        case b"\x06":
            return CertificateReceived(Certificate.decode(record[1:]))
        case b"\x07":
            _, height, round, block_hash, time_ms = _BUILT.unpack_from(record)
            return ValueBuilt(height, round, BlockHash(block_hash), record[_BUILT.size :], time_ms)
        case b"\x08":
            _, height, block_hash, valid = _VALIDATED.unpack_from(record)
            reason = record[_VALIDATED.size :].decode("utf-8")
            return ValueValidated(height, BlockHash(block_hash), bool(valid), reason)
        case b"\x09":
            _, height, round, kind = _TIMEOUT.unpack(record)
            return TimeoutElapsed(Timeout(height, round, TimeoutKind(kind)))
        case b"\x0a":
            return Synced(_HEIGHT.unpack(record)[1])
        case _:
            raise ValueError("unknown kind")
