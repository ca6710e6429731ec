"""Who may vote at a height, with what weight, and who proposes.

Guarantees: a `ValidatorSet` is non-empty, sorted by node id, without a repeated id or key, and all powers are positive
integers. Every threshold of the protocol is computed here and nowhere else, in integers. Where the set comes from (genesis,
the ledger) is left to the host.
"""

import math
from dataclasses import dataclass, field
from typing import Final, NewType

from .errors import InvalidValidatorSet

NodeId = NewType("NodeId", str)

PUBLIC_KEY_BYTES: Final = 32
NODE_ID_BYTES_MAX: Final = 64
"""Fits a SHA-256 digest in hexadecimal; a name travels in every vote."""
VALIDATORS_MAX: Final = 128
"""Each node handles all votes of all validators; beyond about 20 an embedded engine is the wrong tool anyway."""
TOTAL_POWER_MAX: Final = 2**53 - 1
"""Exact in every JSON reader, so that a set survives any export."""

_GOLDEN_NUMERATOR: Final = 618_034
_GOLDEN_DENOMINATOR: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Validator:
    """One voter: its name, its Ed25519 key and its weight."""

    node_id: NodeId
    public_key: bytes
    power: int

    def __post_init__(self) -> None:
        name = self.node_id.encode("utf-8", "surrogatepass")
        if not 1 <= len(name) <= NODE_ID_BYTES_MAX or not is_node_name(name):
            raise InvalidValidatorSet("a node id is 1 to 64 visible ASCII characters", node_id=self.node_id)
        if len(self.public_key) != PUBLIC_KEY_BYTES:
            raise InvalidValidatorSet(
                "a public key has 32 bytes", node_id=self.node_id, found_bytes=len(self.public_key)
            )
        if self.power <= 0:
            raise InvalidValidatorSet("power must be positive", node_id=self.node_id, power=self.power)


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """The voters of one height, sorted by node id.

    Raises InvalidValidatorSet when empty, too large, or with a repeated id or key. A repeated key would let one signature
    stand for two validators, because the signed bytes of a precommit name no validator.
    """

    validators: tuple[Validator, ...]
    total_power: int = field(init=False, repr=False, compare=False)
    _index_by_id: dict[NodeId, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.validators, key=lambda validator: validator.node_id))
        if not 1 <= len(ordered) <= VALIDATORS_MAX:
            raise InvalidValidatorSet(
                "a set has 1 to VALIDATORS_MAX members", found=len(ordered), limit=VALIDATORS_MAX
            )
        index_by_id = {validator.node_id: index for index, validator in enumerate(ordered)}
        if len(index_by_id) != len(ordered):
            raise InvalidValidatorSet("a node id is repeated", ids=[v.node_id for v in ordered])
        if len({validator.public_key for validator in ordered}) != len(ordered):
            raise InvalidValidatorSet("a public key is repeated", ids=[v.node_id for v in ordered])
        total_power = sum(validator.power for validator in ordered)
        if total_power > TOTAL_POWER_MAX:
            raise InvalidValidatorSet("total power is too large", total=total_power, limit=TOTAL_POWER_MAX)
        object.__setattr__(self, "validators", ordered)
        object.__setattr__(self, "total_power", total_power)
        object.__setattr__(self, "_index_by_id", index_by_id)

    def __len__(self) -> int:
        return len(self.validators)

    def __hash__(self) -> int:
        return hash(self.validators)

    def get(self, node_id: NodeId) -> Validator | None:
        """The validator of that name, or None."""
        index = self._index_by_id.get(node_id)
        return None if index is None else self.validators[index]

    def index(self, node_id: NodeId) -> int | None:
        """Its position in the sorted set, which is its bit in a certificate, or None."""
        return self._index_by_id.get(node_id)

    def power(self, node_id: NodeId) -> int:
        """Its weight; 0 for a stranger."""
        validator = self.get(node_id)
        return 0 if validator is None else validator.power

    def is_quorum(self, power: int) -> bool:
        """More than two thirds: any two quorums share an honest validator."""
        return 3 * power > 2 * self.total_power

    def is_honest(self, power: int) -> bool:
        """More than one third: at least one honest validator is among them."""
        return 3 * power > self.total_power

    def proposer(self, height: int, round: int) -> NodeId:
        """The validator whose proposal counts at this height and round: a pure function of set, height and round."""
        powers = {validator.power for validator in self.validators}
        if len(powers) == 1:
            return self.validators[(height + round) % len(self.validators)].node_id
        return self._weighted_proposer(height + round)

    def _weighted_proposer(self, turn: int) -> NodeId:
        """Walk the powers, laid end to end, in strides of the golden ratio.

        The stride is coprime to the length, so that in `length` turns in a row each validator proposes exactly as often as
        its power says; and it is far from 0 and from the length, so that turns in a row fall to different validators.
        """
        unit = math.gcd(*(validator.power for validator in self.validators))
        length = self.total_power // unit
        position = turn * _stride(length) % length
        for validator in self.validators:
            position -= validator.power // unit
            if position < 0:
                return validator.node_id
        raise AssertionError("a position lies inside the summed powers")


def is_node_name(name: bytes) -> bool:
    """Whether these bytes are visible ASCII: a name that looks the same in every log."""
    return all(0x21 <= byte <= 0x7E for byte in name)


def _stride(length: int) -> int:
    wished = length * _GOLDEN_NUMERATOR // _GOLDEN_DENOMINATOR
    for distance in range(length + 1):
        for candidate in (wished - distance, wished + distance):
            if candidate >= 1 and math.gcd(candidate, length) == 1:
                return candidate
    raise AssertionError("1 is coprime to every length")
