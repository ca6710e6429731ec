"""Who certifies at which height, as far as a client has been shown: from the genesis document, change by change.

Guarantees: a set is only learnt by its bytes, whose hash is what a header certified by the set before it announced; so whoever
trusts the genesis document's validators may trust every set in here. Pure: the changes come from `TrustedChain`, which has
checked their headers.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from consensus.errors import InvalidValidatorSet
from consensus.validators import NodeId, Validator, ValidatorSet
from registry.errors import MalformedEntry, ProofInvalid
from registry.genesis import Genesis
from registry.nodes import Voter, decode_voters, encode_voters, voters, voters_digest

# A node sends as many at most; a client further behind begins at a newer genesis-anchored copy of these sets.
VALIDATOR_CHANGES_MAX: Final = 1_000
# Ten years of a change each day: every set is kept in memory.
SETS_MAX: Final = 4 * VALIDATOR_CHANGES_MAX


@dataclass(frozen=True, slots=True)
class KnownSet:
    """The validators from a height on, as their canonical bytes."""

    from_height: int
    voters: bytes


@dataclass(frozen=True, slots=True)
class SetInForce:
    """A known set, ready to check certificates with."""

    from_height: int
    encoded: bytes
    hash: bytes
    validators: ValidatorSet


class ValidatorSets:
    """All sets that are known, by the height from which they are in force."""

    def __init__(self, genesis: Genesis, known: Sequence[KnownSet] = ()) -> None:
        """`known`: what an earlier run has learnt and kept. Raises ProofInvalid when it is damaged."""
        self._from: list[int] = []
        self._sets: list[SetInForce] = []
        self._add(KnownSet(1, encode_voters(voters(genesis.nodes))))
        for each in known:
            self._add(each)

    @property
    def newest_from(self) -> int:
        """From which height on the newest known set is in force: changes after it are to be shown to us."""
        return self._from[-1]

    def at(self, height: int) -> SetInForce:
        """The set that is in force at a height, as far as we know."""
        return self._sets[max(0, bisect_right(self._from, height) - 1)]

    def beginning_at(self, height: int) -> SetInForce | None:
        """The set whose first block this is."""
        found = self.at(height)
        return found if found.from_height == height else None

    def learnt(self) -> tuple[KnownSet, ...]:
        """Every set but the first, to be kept for the next run."""
        return tuple(KnownSet(each.from_height, each.encoded) for each in self._sets[1:])

    def learn(self, from_height: int, encoded: bytes, announced: bytes) -> None:
        """Add the set that a certified header announces for the block after it. Raises ProofInvalid."""
        if voters_digest(encoded) != announced:
            raise ProofInvalid(
                "the validators are not those that the header announces",
                height=from_height - 1,
                expected=announced.hex(),
                found=voters_digest(encoded).hex(),
            )
        self._add(KnownSet(from_height, encoded))

    def _add(self, known: KnownSet) -> None:
        if len(self._sets) > SETS_MAX:
            raise ProofInvalid(f"more than {SETS_MAX} changes of the validators: too many to follow")
        present = self.beginning_at(known.from_height) if self._sets else None
        if present is not None:
            if present.encoded != known.voters:
                raise ProofInvalid(
                    f"two sets of validators for height {known.from_height}; keep both answers",
                    height=known.from_height,
                )
            return
        place = bisect_right(self._from, known.from_height)
        in_force = SetInForce(
            known.from_height, known.voters, voters_digest(known.voters), _voting(known.voters)
        )
        self._from.insert(place, known.from_height)
        self._sets.insert(place, in_force)


def validator_set(voting: Sequence[Voter]) -> ValidatorSet:
    """The validators in the words of consensus. Raises InvalidValidatorSet."""
    return ValidatorSet(
        tuple(Validator(NodeId(each.node_id), each.consensus_key, each.power) for each in voting)
    )


def _voting(encoded: bytes) -> ValidatorSet:
    try:
        return validator_set(decode_voters(encoded))
    except (MalformedEntry, InvalidValidatorSet) as error:
        raise ProofInvalid(f"a set of validators does not read back: {error}") from error
