"""What one block of an export shows by itself, without its neighbours or the state: the part that runs in worker processes.

Decoding, the roots of the body, the certificates, the signatures of the entries under the keys named in them. Whose keys they
are, whether the block joins on and whether the rules were kept is judged afterwards, in order, by the reducer.

Guarantees: every byte of the frame is decoded or hashed into something that is compared; a broken body does not hide the
header, so that the chain of headers can still be followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from consensus.errors import EvidenceInvalid, InvalidMessage
from consensus.evidence import Equivocation, verify_evidence
from consensus.validators import NodeId
from registry import limits
from registry.block import (
    BLOCK_VERSION,
    HEADER_BYTES_MAX,
    RULES_VERSION,
    Block,
    BlockHash,
    Header,
    block_hash_of,
    decode_block,
    decode_header,
)
from registry.codec import unpack
from registry.entry import Entry, decode_entry, verify_signatures
from registry.errors import BadSignature, BlockInvalid, MalformedEntry
from registry.merkle.log import tree_root
from registry.operations import total_weight
from registry.signing import verify

from ..validator_sets import ValidatorSets
from .certificates import CertificateChecker, CertificateRefused, Certified
from .container import BLOCK_HEAD_BYTES, FRAME_HEAD_BYTES, BlockFrame, ExportedBlock, decode_block_payload
from .findings import FINDINGS_PER_BLOCK_MAX, Category, Check, CheckFailed, Finding, finding


@dataclass(frozen=True, slots=True)
class Anchor:
    """What the auditor was given and trusts, as far as a single block needs it."""

    chain_id: bytes
    sets: ValidatorSets
    """Who certifies at which height: the genesis document's validators, and those that followed (`validator_scan`)."""


@dataclass(frozen=True, slots=True)
class InspectedBlock:
    """The outcome for one frame. `header` is None when not even that could be read.

    `is_sound`: there is no finding, except that the exported receipts may be false, which are no part of the block. Only a sound
    block can be replayed, and only then `entries` is complete. `body_decoded`: the entries could be looked at.
    `receipts_are_certified` says that the exported receipts are the ones under the header's receipts_root; whether they are the
    right ones, replaying shows. `certified` and `parent_certified` are what its two certificates prove, None where they prove
    nothing.
    """

    offset: int
    header: Header | None
    block_hash: BlockHash | None
    certified: Certified | None
    parent_certified: Certified | None
    body_decoded: bool
    is_sound: bool
    entries: tuple[Entry, ...]
    receipts: tuple[bytes, ...]
    receipts_are_certified: bool
    findings: tuple[Finding, ...]
    findings_omitted: int


@dataclass(slots=True)
class _Notes:
    """Findings about one block, bounded."""

    offset: int
    height: int | None = None
    kept: list[Finding] = field(default_factory=list)
    omitted: int = 0
    about_block: int = 0

    def add(
        self,
        check: Check,
        category: Category,
        message: str,
        *,
        entry_index: int | None = None,
        offset: int | None = None,
        expected: object = None,
        found: object = None,
    ) -> None:
        self.put(
            finding(
                check,
                category,
                message,
                height=self.height,
                entry_index=entry_index,
                offset=self.offset if offset is None else offset,
                expected=expected,
                found=found,
            )
        )

    def put(self, made: Finding, *, about_block: bool = True) -> None:
        self.about_block += about_block
        if len(self.kept) < FINDINGS_PER_BLOCK_MAX:
            self.kept.append(made)
        else:
            self.omitted += 1


class Inspector:
    """Inspects block after block of one chain."""

    def __init__(self, anchor: Anchor) -> None:
        self._anchor = anchor
        self._certificates = CertificateChecker(anchor.chain_id, anchor.sets)

    def inspect(self, frame: BlockFrame) -> InspectedBlock:
        """Look at one frame. Never raises on what is in it."""
        notes = _Notes(frame.offset)
        try:
            exported = decode_block_payload(frame)
        except CheckFailed as error:
            notes.put(error.finding)
            return unreadable(notes.offset, tuple(notes.kept))
        block, header, block_hash = self._open(exported, notes)
        certified = self._certified(exported, header, block_hash, notes)
        if header is None or block_hash is None:
            return unreadable(notes.offset, tuple(notes.kept), notes.omitted, certified)
        self._check_header(header, notes)
        receipts_are_certified = _check_receipts(exported, header, notes)
        parent_certified = None if block is None else self._parent_certified(block, notes)
        entries = () if block is None else self._entries(block, frame, notes)
        if block is not None:
            self._check_evidence(block, notes)
        return InspectedBlock(
            offset=frame.offset,
            header=header,
            block_hash=block_hash,
            certified=certified,
            parent_certified=parent_certified,
            body_decoded=block is not None,
            is_sound=not notes.about_block,
            entries=entries,
            receipts=exported.receipts,
            receipts_are_certified=receipts_are_certified,
            findings=tuple(notes.kept),
            findings_omitted=notes.omitted,
        )

    def _open(
        self, exported: ExportedBlock, notes: _Notes
    ) -> tuple[Block | None, Header | None, BlockHash | None]:
        try:
            block = decode_block(exported.block)
        except BlockInvalid as error:
            header, block_hash = _salvage_header(exported.block, notes)
            _note_bad_block(error, notes)
            return None, header, block_hash
        notes.height = block.header.height
        return block, block.header, block.block_hash

    def _check_header(self, header: Header, notes: _Notes) -> None:
        if header.chain_id != self._anchor.chain_id:
            notes.add(
                Check.CHAIN_ID,
                Category.CORRUPT,
                "the block belongs to another chain",
                expected=self._anchor.chain_id,
                found=header.chain_id,
            )
        validators = self._anchor.sets.at(header.height).validators
        if validators.get(NodeId(header.proposer)) is None:
            notes.add(
                Check.VALIDATORS_HASH,
                Category.UNAUTHORISED,
                "the block's proposer is no validator",
                expected=", ".join(each.node_id for each in validators.validators),
                found=header.proposer,
            )
        if header.rules_version != RULES_VERSION:
            notes.add(
                Check.RULES,
                Category.UNSUPPORTED,
                "the block was made under rules that this program does not know; audit it with a newer one",
                expected=RULES_VERSION,
                found=header.rules_version,
            )

    def _certified(
        self, exported: ExportedBlock, header: Header | None, block_hash: bytes | None, notes: _Notes
    ) -> Certified | None:
        try:
            certified = self._certificates.certified(exported.certificate)
        except CertificateRefused as refusal:
            notes.put(refusal.as_finding(Check.CERTIFICATE, notes.height, notes.offset))
            return None
        if header is not None and block_hash is not None:
            stated, proven = (header.height, block_hash), (certified.height, certified.block_hash)
            if stated != proven:
                notes.add(
                    Check.CERTIFICATE,
                    Category.CORRUPT,
                    "the certificate is for another block: this one is not what the validators signed",
                    expected=f"{proven[0]}:{proven[1].hex()}",
                    found=f"{stated[0]}:{stated[1].hex()}",
                )
        return certified

    def _parent_certified(self, block: Block, notes: _Notes) -> Certified | None:
        header = block.header
        if header.height == 1:
            if block.last_certificate:
                notes.add(
                    Check.LAST_CERTIFICATE, Category.MALFORMED, "the first block has no parent to certify"
                )
            return None
        try:
            certified = self._certificates.certified(block.last_certificate)
        except CertificateRefused as refusal:
            notes.put(refusal.as_finding(Check.LAST_CERTIFICATE, notes.height, notes.offset))
            return None
        stated, proven = (header.height - 1, header.parent_hash), (certified.height, certified.block_hash)
        if stated != proven:
            notes.add(
                Check.LAST_CERTIFICATE,
                Category.CORRUPT,
                "the parent's certificate is for another block than the header names",
                expected=f"{stated[0]}:{stated[1].hex()}",
                found=f"{proven[0]}:{proven[1].hex()}",
            )
        return certified

    def _check_evidence(self, block: Block, notes: _Notes) -> None:
        """Each piece proves that a validator voted twice, and they stand oldest first, each once."""
        chain_id, height = self._anchor.chain_id, block.header.height
        places: list[tuple[int, bytes]] = []
        for index, raw in enumerate(block.evidence):
            what = f"evidence {index} proves nothing"
            try:
                evidence = Equivocation.decode(raw)
                verify_evidence(evidence, self._anchor.sets.at(evidence.height).validators, chain_id, verify)
            except InvalidMessage as error:
                notes.add(Check.EVIDENCE, Category.MALFORMED, f"{what}: {error}")
            except EvidenceInvalid as error:
                notes.add(Check.EVIDENCE, Category.UNAUTHORISED, f"{what}: {error}")
            except BadSignature as error:
                notes.add(Check.EVIDENCE, Category.FORGED, f"{what}: {error.message}")
            else:
                if evidence.height > height:
                    what = f"evidence {index} is of a later height than its block"
                    notes.add(
                        Check.EVIDENCE,
                        Category.RULE,
                        what,
                        expected=f"at most {height}",
                        found=evidence.height,
                    )
                places.append((evidence.height, evidence.id(chain_id)))
        if places != sorted(set(places)):
            notes.add(Check.EVIDENCE, Category.RULE, "evidence must stand oldest first, each once")

    def _entries(self, block: Block, frame: BlockFrame, notes: _Notes) -> tuple[Entry, ...]:
        entries: list[Entry] = []
        for index, (raw, offset) in enumerate(zip(block.entries, _entry_offsets(block, frame), strict=True)):
            entry = self._entry(raw, index, offset, notes)
            if entry is not None:
                entries.append(entry)
        operations = sum(total_weight(entry.body.operations) for entry in entries)
        if operations > limits.BLOCK_OPERATIONS_MAX:
            notes.add(
                Check.CONTAINER,
                Category.LIMIT,
                "too many operations in one block",
                expected=f"at most {limits.BLOCK_OPERATIONS_MAX}",
                found=operations,
            )
        return tuple(entries)

    def _entry(self, raw: bytes, index: int, offset: int, notes: _Notes) -> Entry | None:
        try:
            entry = decode_entry(raw)
        except MalformedEntry as error:
            notes.add(Check.CANONICAL, Category.MALFORMED, error.message, entry_index=index, offset=offset)
            return None
        if entry.body.chain_id != self._anchor.chain_id:
            notes.add(
                Check.CHAIN_ID,
                Category.UNAUTHORISED,
                "the entry was signed for another chain",
                entry_index=index,
                offset=offset,
                expected=self._anchor.chain_id,
                found=entry.body.chain_id,
            )
        try:
            verify_signatures(entry)
        except BadSignature as error:
            key = error.details.get("public_key")
            notes.add(
                Check.SIGNATURES,
                Category.FORGED,
                f"{error.message} (entry {entry.entry_id.hex()})",
                entry_index=index,
                offset=offset,
                expected=f"a signature of key {key}",
            )
        return entry


def _check_receipts(exported: ExportedBlock, header: Header, notes: _Notes) -> bool:
    found = tree_root(exported.receipts)
    if found == header.receipts_root:
        return True
    notes.put(
        finding(
            Check.RULES,
            Category.CORRUPT,
            "the exported receipts are not those that the header fixes",
            height=notes.height,
            offset=notes.offset,
            expected=header.receipts_root,
            found=found,
        ),
        about_block=False,
    )
    return False


def unreadable(
    offset: int, findings: tuple[Finding, ...], omitted: int = 0, certified: Certified | None = None
) -> InspectedBlock:
    """A frame of which not even the header can be read."""
    return InspectedBlock(
        offset=offset,
        header=None,
        block_hash=None,
        certified=certified,
        parent_certified=None,
        body_decoded=False,
        is_sound=False,
        entries=(),
        receipts=(),
        receipts_are_certified=False,
        findings=findings,
        findings_omitted=omitted,
    )


def _entry_offsets(block: Block, frame: BlockFrame) -> Iterator[int]:
    """Where each entry begins in the file. Counted, not searched for: a hostile block may hold thousands of bad entries."""
    count = len(block.entries)
    offset = frame.offset + FRAME_HEAD_BYTES + BLOCK_HEAD_BYTES
    offset += _ARRAY_OF_4_BYTES + _binary_head_bytes(block.header_bytes) + len(block.header_bytes)
    offset += 1 if count < 16 else 3  # the head of an array (MessagePack)
    for raw in block.entries:
        offset += _binary_head_bytes(raw)
        yield offset
        offset += len(raw)


def _binary_head_bytes(content: bytes) -> int:
    """How many bytes MessagePack writes before binary content of this length."""
    if len(content) < 1 << 8:
        return 2
    return 3 if len(content) < 1 << 16 else 5


_ARRAY_OF_4_BYTES: Final = 1
_ARRAY_OF_4: Final = 0x94
_BIN_8: Final = 0xC4
_BIN_16: Final = 0xC5


def cut_header(block: bytes) -> bytes | None:
    """The header bytes of an encoded block: they come first, so they can be cut out without reading the rest."""
    if len(block) < 4 or block[0] != _ARRAY_OF_4:
        return None
    if block[1] == _BIN_8:
        start, length = 3, block[2]
    elif block[1] == _BIN_16:
        start, length = 4, int.from_bytes(block[2:4])
    else:
        return None
    return block[start : start + length]


def _salvage_header(block: bytes, notes: _Notes) -> tuple[Header | None, BlockHash | None]:
    """The header of a block whose body is broken."""
    header_bytes = cut_header(block)
    if header_bytes is None:
        return None, None
    try:
        header = decode_header(header_bytes)
    except MalformedEntry:
        _note_unknown_version(header_bytes, notes)
        return None, None
    notes.height = header.height
    return header, block_hash_of(header_bytes)


def _note_unknown_version(header_bytes: bytes, notes: _Notes) -> None:
    try:
        fields: Any = unpack(header_bytes, HEADER_BYTES_MAX)
    except MalformedEntry:
        return
    if type(fields) is tuple and fields and type(fields[0]) is int and fields[0] > BLOCK_VERSION:
        notes.add(
            Check.CANONICAL,
            Category.UNSUPPORTED,
            "the block has a version that this program does not know",
            expected=BLOCK_VERSION,
            found=fields[0],
        )


_CHECK_BY_FIELD: Final = {
    "entry_count": Check.BODY_ROOTS,
    "entries_root": Check.BODY_ROOTS,
    "evidence_root": Check.BODY_ROOTS,
    "last_certificate_hash": Check.LAST_CERTIFICATE,
}


def _note_bad_block(error: BlockInvalid, notes: _Notes) -> None:
    name = error.details.get("field")
    if isinstance(name, str):
        notes.add(
            _CHECK_BY_FIELD[name],
            Category.CORRUPT,
            error.message,
            expected=error.details.get("stated"),
            found=error.details.get("found"),
        )
    elif isinstance(error.__cause__, MalformedEntry):
        notes.add(Check.CANONICAL, Category.MALFORMED, error.message)
    else:
        notes.add(Check.CONTAINER, Category.LIMIT, error.message)
