"""How headers join on to each other, from the genesis document to the end of the file.

The chain is followed by what the validators certified: where a block's bytes were altered, its certificate still names the
hash that the next header must have as parent, so that one altered block is reported once and its successors are judged by
themselves. What cannot be known any more after a failure is None and the check that needs it is not evaluated.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from registry.block import Header
from registry.genesis import Genesis
from registry.merkle.log import EMPTY_FRONTIER, HASH_BYTES, Frontier

from ..trust import Checkpoint
from .certificates import Certified
from .findings import Category, Check, Finding, Place, finding
from .inspection import InspectedBlock


@dataclass(slots=True)
class _CertifiedHashes:
    """The certified block hash of every height seen so far: 32 bytes each, since chains grow long.

    Heights that do not follow the last one, as after a gap, are kept apart: a false height must not make us allocate.
    """

    _in_order: bytearray = field(default_factory=bytearray)
    _others: dict[int, bytes] = field(default_factory=dict)

    def at(self, height: int) -> bytes | None:
        """The hash, or None when no certificate for that height was seen."""
        start = (height - 1) * HASH_BYTES
        if start < len(self._in_order):
            return bytes(self._in_order[start : start + HASH_BYTES])
        return self._others.get(height)

    def put(self, certified: Certified) -> None:
        if (certified.height - 1) * HASH_BYTES == len(self._in_order):
            self._in_order += certified.block_hash
        else:
            self._others[certified.height] = certified.block_hash


class HeaderChain:
    """Follows the headers of an export. `evaluated` counts for how many blocks each check could be made."""

    def __init__(self, genesis: Genesis, expected_head: Checkpoint | None) -> None:
        self.evaluated: Counter[Check] = Counter()
        self.height = 0
        self.head_reached = expected_head is not None and expected_head.height == 0
        self._expected_head = expected_head
        self._parent_hash: bytes | None = genesis.chain_id
        self._time_ms: int | None = genesis.time_ms
        self._validators_hash: bytes | None = genesis.validators_hash()
        self._history: Frontier | None = EMPTY_FRONTIER
        self._certified = _CertifiedHashes()

    @property
    def head(self) -> Checkpoint | None:
        """The last block by what is certified of it; None when that is not known."""
        return None if self._parent_hash is None else Checkpoint(self.height, self._parent_hash)

    def follow(self, inspected: InspectedBlock) -> list[Finding]:
        """Join the next block of the file on, and say what does not fit."""
        found = self._forks(inspected)
        header = inspected.header
        if header is None:
            self._step_over(inspected)
            return found
        place = Place(header.height, inspected.offset)
        self.evaluated[Check.HEIGHTS] += 1
        if header.height != self.height + 1:
            gap = place.finding(
                Check.HEIGHTS,
                Category.GAP,
                "blocks are missing or out of order",
                expected=self.height + 1,
                found=header.height,
            )
            found.append(gap)
            self._parent_hash = self._time_ms = self._validators_hash = self._history = None
        found += self._links(header, place)
        found += self._head_findings(inspected, place)
        self._advance(inspected, header)
        return found

    def _links(self, header: Header, place: Place) -> list[Finding]:
        found: list[Finding] = []
        if self._parent_hash is not None:
            self.evaluated[Check.PARENT_HASH] += 1
            if header.parent_hash != self._parent_hash:
                what = "the block names another parent than the block before it"
                found.append(
                    place.finding(
                        Check.PARENT_HASH,
                        Category.CORRUPT,
                        what,
                        expected=self._parent_hash,
                        found=header.parent_hash,
                    )
                )
        if self._time_ms is not None:
            self.evaluated[Check.TIME] += 1
            if header.time_ms <= self._time_ms:
                what = "the block's time is not after its parent's"
                expected = f"after {self._time_ms}"
                found.append(
                    place.finding(Check.TIME, Category.RULE, what, expected=expected, found=header.time_ms)
                )
        found += self._validator_findings(header, place)
        found += self._history_findings(header, place)
        return found

    def _validator_findings(self, header: Header, place: Place) -> list[Finding]:
        found: list[Finding] = []
        if self._validators_hash is not None:
            self.evaluated[Check.VALIDATORS_HASH] += 1
            if header.validators_hash != self._validators_hash:
                what = "the validators are not those that the parent announced"
                found.append(
                    place.finding(
                        Check.VALIDATORS_HASH,
                        Category.UNAUTHORISED,
                        what,
                        expected=self._validators_hash,
                        found=header.validators_hash,
                    )
                )
        return found

    def _history_findings(self, header: Header, place: Place) -> list[Finding]:
        if header.history_size != header.height - 1:
            return [
                place.finding(
                    Check.HISTORY,
                    Category.CORRUPT,
                    "the history tree has another size than there are earlier blocks",
                    expected=header.height - 1,
                    found=header.history_size,
                )
            ]
        if self._history is None:
            return []
        self.evaluated[Check.HISTORY] += 1
        expected = self._history.root()
        if header.history_root == expected:
            return []
        # Which of the earlier hashes differs cannot be told from here: later roots would only repeat this.
        self._history = None
        what = "the history tree is not the one over the earlier blocks"
        return [
            place.finding(Check.HISTORY, Category.CORRUPT, what, expected=expected, found=header.history_root)
        ]

    def _forks(self, inspected: InspectedBlock) -> list[Finding]:
        """Two valid certificates for one height: at least a third of the power has signed twice."""
        found: list[Finding] = []
        for certified in (inspected.parent_certified, inspected.certified):
            if certified is None:
                continue
            known = self._certified.at(certified.height)
            if known is not None and known != certified.block_hash:
                found.append(
                    finding(
                        Check.FORK,
                        Category.FORK,
                        "a quorum certified two blocks at one height; both certificates are in this file",
                        height=certified.height,
                        offset=inspected.offset,
                        expected=known,
                        found=certified.block_hash,
                    )
                )
            if known is None:
                self._certified.put(certified)
        return found

    def _head_findings(self, inspected: InspectedBlock, place: Place) -> list[Finding]:
        expected = self._expected_head
        certified = inspected.certified
        if expected is None or certified is None or certified.height != expected.height:
            return []
        if certified.block_hash == expected.block_hash:
            self.head_reached = True
            return []
        what = "a quorum certified another block than the expected head; keep this file and the source of the head"
        return [
            place.finding(
                Check.FORK, Category.FORK, what, expected=expected.block_hash, found=certified.block_hash
            )
        ]

    def _advance(self, inspected: InspectedBlock, header: Header) -> None:
        certified = inspected.certified
        is_vouched = certified is not None and certified.height == header.height
        self._append(certified.block_hash if certified is not None and is_vouched else inspected.block_hash)
        self.height = header.height
        self._time_ms = header.time_ms
        self._validators_hash = header.next_validators_hash

    def _step_over(self, inspected: InspectedBlock) -> None:
        """A block whose header cannot be read: its certificate, if it is good, still says what its hash was."""
        certified = inspected.certified
        self._time_ms = self._validators_hash = None
        if certified is not None and certified.height == self.height + 1:
            self._append(certified.block_hash)
        else:
            self._append(None)
        self.height += 1

    def _append(self, block_hash: bytes | None) -> None:
        self._parent_hash = block_hash
        if block_hash is None:
            self._history = None
        elif self._history is not None:
            self._history = self._history.append(block_hash)
