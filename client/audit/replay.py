"""The state, derived again: every entry judged by the rulebook in block order, and compared with what was certified.

The rules are those of `registry.transition`, the same code that validators run; the auditor brings its own state and believes
nothing that the file says about a result. The first block that fails ends the replay: what follows would be derived from a
state that nobody vouches for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from registry.block import Header
from registry.entry import Entry
from registry.errors import Code, EntryRefused, UpgradeNeeded
from registry.genesis import Genesis
from registry.merkle.log import tree_root
from registry.receipt import Receipt
from registry.state import MemoryState, StateReader
from registry.supervision.observation import ObservedBlock, head_of
from registry.transition import BlockExecution, BlockResult, ChainTip, Step, genesis_state, genesis_tip

from .findings import Category, Check, Finding, Place
from .inspection import InspectedBlock
from .invariants import Tally

_REFUSED: Final[dict[Code, tuple[Check, Category]]] = {
    Code.WRONG_CHAIN: (Check.CHAIN_ID, Category.UNAUTHORISED),
    Code.UNKNOWN_SIGNER: (Check.RIGHT, Category.UNAUTHORISED),
    Code.NOT_PERMITTED: (Check.RIGHT, Category.UNAUTHORISED),
    Code.MISSING_SIGNATURE: (Check.RIGHT, Category.UNAUTHORISED),
    Code.SUSPENDED: (Check.RIGHT, Category.UNAUTHORISED),
    Code.REPLAYED: (Check.FRESHNESS, Category.RULE),
    Code.EXPIRED: (Check.FRESHNESS, Category.RULE),
    Code.QUOTA: (Check.FRESHNESS, Category.RULE),
}
REPLAY_CHECKS: Final = (
    Check.VALIDATOR_CHANGE,
    Check.RIGHT,
    Check.FRESHNESS,
    Check.ENTRY_IDS,
    Check.RULES,
    Check.STATE_ROOT,
)


class Observer(Protocol):
    """Who derives something from the blocks while they are replayed."""

    def follow(self, block: ObservedBlock, reader: StateReader) -> None:
        """A block was replayed without a finding; `reader` is the state after it."""
        ...


class Replay:
    """The state as of the last replayed block, begun from the genesis document."""

    def __init__(self, genesis: Genesis, observer: Observer | None = None) -> None:
        self._observer = observer
        self.state = MemoryState()
        self.state.apply(genesis_state(genesis).delta)
        self.tally = Tally()
        self.height = 0
        self._genesis_tip = genesis_tip(genesis)
        self._entry_ids: set[bytes] = set()

    def apply(self, inspected: InspectedBlock, header: Header) -> list[Finding]:
        """Judge the entries of the next block and advance the state. A block with findings changes nothing."""
        place = Place(header.height, inspected.offset)
        steps: list[Step] | None = None if self._observer is None else []
        try:
            execution = BlockExecution(self.state, self._tip_before(header), header.time_ms, steps)
        except UpgradeNeeded as error:
            # A block of later software says so in its header, and is not replayed: this one is of validators that went on.
            return [place.finding(Check.RULES, Category.RULE, error.message)]
        receipts: list[Receipt] = []
        found = self._judge(execution, inspected.entries, place, receipts)
        if found:
            return found
        result = execution.finish()
        found = _compare(header, execution, result, inspected, place)
        if found:
            return found
        self.state.apply(result.delta)
        self.height = header.height
        if self._observer is not None and steps is not None and inspected.block_hash is not None:
            head = head_of(header, inspected.block_hash)
            observed = ObservedBlock(head, inspected.entries, tuple(receipts), tuple(steps))
            self._observer.follow(observed, self.state)
        return []

    def _tip_before(self, header: Header) -> ChainTip:
        # Links are checked by `header_chain`; an execution needs to know only which chain and height it is at.
        start = self._genesis_tip
        return ChainTip(
            start.chain_id,
            self.height,
            header.parent_hash,
            start.time_ms,
            start.history,
            start.validators_hash,
        )

    def _judge(
        self, execution: BlockExecution, entries: Sequence[Entry], place: Place, receipts: list[Receipt]
    ) -> list[Finding]:
        found: list[Finding] = []
        for index, entry in enumerate(entries):
            if entry.entry_id in self._entry_ids:
                what = f"entry {entry.entry_id.hex()} stands in the chain already"
                found.append(place.finding(Check.ENTRY_IDS, Category.RULE, what, entry_index=index))
                continue
            self._entry_ids.add(entry.entry_id)
            try:
                receipt = execution.apply(entry)
            except EntryRefused as refusal:
                check, category = _REFUSED[refusal.code]
                what = f"{refusal.code}: {refusal.message} (entry {entry.entry_id.hex()})"
                found.append(place.finding(check, category, what, entry_index=index))
                continue
            self.tally.add(entry, receipt)
            receipts.append(receipt)
        return found


def _compare(
    header: Header, execution: BlockExecution, result: BlockResult, inspected: InspectedBlock, place: Place
) -> list[Finding]:
    found: list[Finding] = []
    if not (inspected.receipts_are_certified and inspected.receipts == result.receipts):
        root = tree_root(result.receipts)
        if root != header.receipts_root:
            what = "the validators certified other results than the rulebook gives"
            index = _first_difference(inspected.receipts, result.receipts)
            found.append(
                place.finding(
                    Check.RULES,
                    Category.RULE,
                    what,
                    entry_index=index,
                    expected=root,
                    found=header.receipts_root,
                )
            )
    policy_hash = execution.policy.hash()
    if header.policy_hash != policy_hash:
        what = "the header is bound to another policy than the recorded one"
        found.append(
            place.finding(Check.RULES, Category.RULE, what, expected=policy_hash, found=header.policy_hash)
        )
    decided = execution.next_validators_hash
    if header.next_validators_hash != decided:
        what = "the header announces other validators than the recorded governance has decided"
        if decided == header.validators_hash:
            what = "the validators change without a recorded decision"
        found.append(
            place.finding(
                Check.VALIDATOR_CHANGE,
                Category.UNAUTHORISED,
                what,
                expected=decided,
                found=header.next_validators_hash,
            )
        )
    if header.state_root != result.state_root:
        what = "the validators certified another state than the entries lead to"
        found.append(
            place.finding(
                Check.STATE_ROOT, Category.RULE, what, expected=result.state_root, found=header.state_root
            )
        )
    return found


def _first_difference(stated: Sequence[bytes], derived: Sequence[bytes]) -> int | None:
    pairs = enumerate(zip(stated, derived, strict=False))
    return next((index for index, (left, right) in pairs if left != right), None)
