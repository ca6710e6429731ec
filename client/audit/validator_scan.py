"""Who certifies which block of an export: found in a first pass, because certificates are checked out of order by workers.

A header that announces other validators gives their hash; who they are stands in the decision of the block before. Both are
looked up here, and believed as a client believes them: when the validators before have certified the header, and the set has the
hash. Whether the rulebook allowed the decision, replaying shows (check 15).

Guarantees: never raises on what is in the file, and holds two frames at a time. Where the trail ends, later certificates are
checked against the last validators that are vouched for: so no set that a file makes up can certify anything.
"""

from __future__ import annotations

from typing import BinaryIO

from registry.block import Header, decode_block, decode_header
from registry.entry import decode_entry
from registry.errors import BlockInvalid, MalformedEntry, ProofInvalid
from registry.genesis import Genesis
from registry.nodes import encode_voters, voters, voters_digest
from registry.operations.validators import ChangeValidators

from ..answers import ValidatorChange
from ..validator_sets import ValidatorSets
from ..verify import TrustedChain
from .container import BlockFrame, ExportReader, decode_block_payload
from .findings import CheckFailed
from .inspection import cut_header


def scan_validators(file: BinaryIO, genesis: Genesis) -> ValidatorSets:
    """The sets of all heights of the export. Raises OSError, and CheckFailed when it is no container."""
    chain = TrustedChain(genesis, age_ms_max=None)
    before: BlockFrame | None = None
    for frame in ExportReader(file).frames():
        try:
            exported = decode_block_payload(frame)
            header_bytes = cut_header(exported.block) or b""
            header = decode_header(header_bytes)
            if header.next_validators_hash != header.validators_hash:
                encoded = _announced(header, before)
                chain.learn_changes([ValidatorChange(header_bytes, exported.certificate, encoded)])
        except (CheckFailed, MalformedEntry):
            pass  # a block that cannot be read announces nothing; what is wrong with it, the inspection says
        except ProofInvalid:
            break
        before = frame
    return chain.sets


def _announced(header: Header, before: BlockFrame | None) -> bytes:
    """The set that the header announces, from the block before it. Raises ProofInvalid when that has decided no such set."""
    for encoded in [] if before is None else _decided(before):
        if voters_digest(encoded) == header.next_validators_hash:
            return encoded
    raise ProofInvalid("no decision on these validators", height=header.height)


def _decided(frame: BlockFrame) -> list[bytes]:
    """The validators of every decision in a block, allowed or not."""
    found: list[bytes] = []
    try:
        for raw in decode_block(decode_block_payload(frame).block).entries:
            for operation in decode_entry(raw).body.operations:
                if isinstance(operation, ChangeValidators):
                    found.append(encode_voters(voters(operation.nodes)))
    except (BlockInvalid, MalformedEntry, CheckFailed):
        return found
    return found
