"""What validators say to each other, and the exact bytes that they sign.

Guarantees: a value of these types is within all bounds; `decode(encode(x)) == x`, and `decode` accepts no second spelling of
a message. The signed bytes are `tag | chain id (32) | fixed-width big-endian fields`, so that a signature can be replayed
neither on another chain, nor at another height or round, nor as another kind of message. They do not name the validator: its
key does, and so a certificate needs to carry signatures only. Checking signatures is left to the host.

    prevote    "pledgebook/prevote/v1\\0"   | chain id | height u64 | round u32 | has value u8 | block hash 32 | valid round i32
    precommit  "pledgebook/precommit/v1\\0" | chain id | height u64 | round u32 | has value u8 | block hash 32
    proposal   "pledgebook/proposal/v1\\0"  | chain id | height u64 | round u32 | block hash 32 | valid round i32 | bytes u32

On the wire: `kind u8 | height u64 | round u32 | has value u8 | block hash 32 | valid round i32 | bytes u32 | name length u8 |
name | signature 64`, one layout for all three kinds; fields that a kind does not use are zero (valid round: -1).
"""

import enum
import struct
from dataclasses import dataclass, field
from typing import Final, NewType, Self

from .errors import InvalidMessage
from .validators import NODE_ID_BYTES_MAX, NodeId, is_node_name

BlockHash = NewType("BlockHash", bytes)

BLOCK_HASH_BYTES: Final = 32
CHAIN_ID_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
HEIGHT_MAX: Final = 2**63 - 1
ROUND_MAX: Final = 2**31 - 1
PAYLOAD_BYTES_MAX: Final = 2**31 - 1
"""What the format can say; the limit of the protocol is `limits.Limits.payload_bytes_max`."""
NO_ROUND: Final = -1

PREVOTE_TAG: Final = b"pledgebook/prevote/v1\0"
PRECOMMIT_TAG: Final = b"pledgebook/precommit/v1\0"
PROPOSAL_TAG: Final = b"pledgebook/proposal/v1\0"

_NO_HASH: Final = bytes(BLOCK_HASH_BYTES)
_WIRE: Final = struct.Struct(">BQIB32siIB")
_PREVOTE: Final = struct.Struct(">QIB32si")
_PRECOMMIT: Final = struct.Struct(">QIB32s")
_PROPOSAL: Final = struct.Struct(">QI32siI")
_PROPOSAL_KIND: Final = 3

MESSAGE_BYTES_MAX: Final = _WIRE.size + NODE_ID_BYTES_MAX + SIGNATURE_BYTES


class VoteType(enum.IntEnum):
    """The two votes of a round; the value is the kind byte on the wire."""

    PREVOTE = 1
    PRECOMMIT = 2


@dataclass(frozen=True, slots=True)
class UnsignedVote:
    """A vote for a block, or for nil when `block_hash` is None; `valid_round` repeats that of the proposal prevoted."""

    type: VoteType
    height: int
    round: int
    block_hash: BlockHash | None
    valid_round: int
    validator: NodeId

    def __post_init__(self) -> None:
        _check_place(self.height, self.round, self.validator)
        if self.block_hash is not None:
            _check_hash(self.block_hash)
        voted_block = self.type is VoteType.PREVOTE and self.block_hash is not None
        _check_valid_round(self.valid_round, self.round if voted_block else 0)

    def sign_bytes(self, chain_id: bytes) -> bytes:
        """The bytes that are signed; a precommit's follow from chain, height, round and block alone."""
        _check_chain_id(chain_id)
        has_value = 0 if self.block_hash is None else 1
        digest = _NO_HASH if self.block_hash is None else self.block_hash
        if self.type is VoteType.PREVOTE:
            fields = _PREVOTE.pack(self.height, self.round, has_value, digest, self.valid_round)
            return PREVOTE_TAG + chain_id + fields
        return PRECOMMIT_TAG + chain_id + _PRECOMMIT.pack(self.height, self.round, has_value, digest)

    def signed(self, signature: bytes) -> "Vote":
        """The same vote, signed."""
        return Vote(
            self.type,
            self.height,
            self.round,
            self.block_hash,
            self.valid_round,
            self.validator,
            signature,
        )


@dataclass(frozen=True, slots=True)
class Vote:
    """A vote with its signature, which the host has checked before the core sees it."""

    type: VoteType
    height: int
    round: int
    block_hash: BlockHash | None
    valid_round: int
    validator: NodeId
    signature: bytes
    unsigned: UnsignedVote = field(init=False, repr=False, compare=False)
    """What was signed; two votes with equal `unsigned` are the same vote, whatever their signatures."""

    def __post_init__(self) -> None:
        unsigned = UnsignedVote(
            self.type, self.height, self.round, self.block_hash, self.valid_round, self.validator
        )
        object.__setattr__(self, "unsigned", unsigned)
        _check_signature(self.signature)

    def sign_bytes(self, chain_id: bytes) -> bytes:
        """The bytes that are signed."""
        return self.unsigned.sign_bytes(chain_id)

    def encode(self) -> bytes:
        """The wire form."""
        return _pack(
            self.type,
            self.height,
            self.round,
            self.block_hash,
            self.valid_round,
            0,
            self.validator,
            self.signature,
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a wire form. Raises InvalidMessage unless it is the one spelling of a vote within bounds."""
        kind, height, round, block_hash, valid_round, payload_bytes, validator, signature = _unpack(data)
        if kind not in (VoteType.PREVOTE, VoteType.PRECOMMIT):
            raise InvalidMessage("not a vote", kind=kind)
        if payload_bytes != 0:
            raise InvalidMessage("a vote declares no payload", payload_bytes=payload_bytes)
        return cls(VoteType(kind), height, round, block_hash, valid_round, validator, signature)


@dataclass(frozen=True, slots=True)
class UnsignedProposal:
    """A proposer's offer of a block; `valid_round` is -1 for a first proposal, else the round of the polka it stands on."""

    height: int
    round: int
    valid_round: int
    block_hash: BlockHash
    payload_bytes: int
    validator: NodeId

    def __post_init__(self) -> None:
        _check_place(self.height, self.round, self.validator)
        _check_hash(self.block_hash)
        _check_valid_round(self.valid_round, self.round)
        if not 0 <= self.payload_bytes <= PAYLOAD_BYTES_MAX:
            raise InvalidMessage("declared size is out of range", payload_bytes=self.payload_bytes)

    def sign_bytes(self, chain_id: bytes) -> bytes:
        """The bytes that are signed."""
        _check_chain_id(chain_id)
        fields = _PROPOSAL.pack(
            self.height, self.round, self.block_hash, self.valid_round, self.payload_bytes
        )
        return PROPOSAL_TAG + chain_id + fields

    def signed(self, signature: bytes) -> "Proposal":
        """The same proposal, signed."""
        return Proposal(
            self.height,
            self.round,
            self.valid_round,
            self.block_hash,
            self.payload_bytes,
            self.validator,
            signature,
        )


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposal with its signature, which the host has checked before the core sees it."""

    height: int
    round: int
    valid_round: int
    block_hash: BlockHash
    payload_bytes: int
    validator: NodeId
    signature: bytes
    unsigned: UnsignedProposal = field(init=False, repr=False, compare=False)
    """What was signed."""

    def __post_init__(self) -> None:
        unsigned = UnsignedProposal(
            self.height, self.round, self.valid_round, self.block_hash, self.payload_bytes, self.validator
        )
        object.__setattr__(self, "unsigned", unsigned)
        _check_signature(self.signature)

    def sign_bytes(self, chain_id: bytes) -> bytes:
        """The bytes that are signed."""
        return self.unsigned.sign_bytes(chain_id)

    def encode(self) -> bytes:
        """The wire form."""
        return _pack(
            _PROPOSAL_KIND,
            self.height,
            self.round,
            self.block_hash,
            self.valid_round,
            self.payload_bytes,
            self.validator,
            self.signature,
        )

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a wire form. Raises InvalidMessage unless it is the one spelling of a proposal within bounds."""
        kind, height, round, block_hash, valid_round, payload_bytes, validator, signature = _unpack(data)
        if kind != _PROPOSAL_KIND:
            raise InvalidMessage("not a proposal", kind=kind)
        if block_hash is None:
            raise InvalidMessage("a proposal names a block", height=height, round=round)
        return cls(height, round, valid_round, block_hash, payload_bytes, validator, signature)


@dataclass(frozen=True, slots=True)
class ValueMessage:
    """The bytes behind a block hash, on their way between nodes; unsigned, because the hash vouches for them."""

    height: int
    block_hash: BlockHash
    payload: bytes

    def __post_init__(self) -> None:
        _check_height(self.height)
        _check_hash(self.block_hash)


def _pack(
    kind: int,
    height: int,
    round: int,
    block_hash: BlockHash | None,
    valid_round: int,
    payload_bytes: int,
    validator: NodeId,
    signature: bytes,
) -> bytes:
    name = validator.encode("ascii")
    has_value = 0 if block_hash is None else 1
    digest = _NO_HASH if block_hash is None else block_hash
    head = _WIRE.pack(kind, height, round, has_value, digest, valid_round, payload_bytes, len(name))
    return head + name + signature


def _unpack(data: bytes) -> tuple[int, int, int, BlockHash | None, int, int, NodeId, bytes]:
    if not _WIRE.size + 1 + SIGNATURE_BYTES <= len(data) <= MESSAGE_BYTES_MAX:
        raise InvalidMessage("wrong length", found_bytes=len(data), limit=MESSAGE_BYTES_MAX)
    kind, height, round, has_value, digest, valid_round, payload_bytes, name_bytes = _WIRE.unpack_from(data)
    if len(data) != _WIRE.size + name_bytes + SIGNATURE_BYTES:
        raise InvalidMessage("length does not fit the name", found_bytes=len(data), name_bytes=name_bytes)
    if has_value not in (0, 1) or (has_value == 0 and digest != _NO_HASH):
        raise InvalidMessage("nil is spelled wrongly", has_value=has_value)
    name = data[_WIRE.size : _WIRE.size + name_bytes]
    if not is_node_name(name):
        raise InvalidMessage("a node id is visible ASCII", name=name)
    block_hash = BlockHash(bytes(digest)) if has_value else None
    validator = NodeId(name.decode("ascii"))
    return kind, height, round, block_hash, valid_round, payload_bytes, validator, data[-SIGNATURE_BYTES:]


def _check_height(height: int) -> None:
    if not 1 <= height <= HEIGHT_MAX:
        raise InvalidMessage("height is out of range", height=height)


def _check_place(height: int, round: int, validator: NodeId) -> None:
    _check_height(height)
    if not 0 <= round <= ROUND_MAX:
        raise InvalidMessage("round is out of range", round=round)
    name = validator.encode("utf-8", "surrogatepass")
    if not 1 <= len(name) <= NODE_ID_BYTES_MAX or not is_node_name(name):
        raise InvalidMessage("a node id is 1 to 64 visible ASCII characters", validator=validator)


def _check_hash(block_hash: bytes) -> None:
    if len(block_hash) != BLOCK_HASH_BYTES:
        raise InvalidMessage("a block hash has 32 bytes", found_bytes=len(block_hash))


def _check_valid_round(valid_round: int, below: int) -> None:
    if valid_round != NO_ROUND and not 0 <= valid_round < below:
        raise InvalidMessage("valid round is out of range", valid_round=valid_round, below=below)


def _check_chain_id(chain_id: bytes) -> None:
    if len(chain_id) != CHAIN_ID_BYTES:
        raise InvalidMessage("a chain id has 32 bytes", found_bytes=len(chain_id))


def _check_signature(signature: bytes) -> None:
    if len(signature) != SIGNATURE_BYTES:
        raise InvalidMessage("a signature has 64 bytes", found_bytes=len(signature))
