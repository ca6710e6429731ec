"""How long the core waits and how much it remembers: every duration and every bound of ordering, with its reason."""

from dataclasses import dataclass
from typing import assert_never

from .errors import ContractViolation
from .inputs import TimeoutKind


@dataclass(frozen=True, slots=True)
class Timing:
    """All waits, derived from the one delay that the network is expected to keep. Integer milliseconds.

    `network_delay_ms`: how long a message, a payload included, takes to reach every correct node when all is well.
    `precision_ms`: how far two correct clocks may be apart.
    """

    network_delay_ms: int
    precision_ms: int

    def __post_init__(self) -> None:
        if self.network_delay_ms <= 0 or self.precision_ms < 0:
            raise ContractViolation(
                "waits must be positive",
                network_delay_ms=self.network_delay_ms,
                precision_ms=self.precision_ms,
            )

    def timeout_ms(self, kind: TimeoutKind, round: int) -> int:
        """The wait of this kind in this round. Grows without end, as the paper needs, but not in the first two rounds."""
        match kind:
            case TimeoutKind.PROPOSE:
                # The proposer must notice, build and send, and we must execute before we vote.
                return 4 * self.network_delay_ms + self._growth_ms(round)
            case TimeoutKind.PREVOTE | TimeoutKind.PRECOMMIT:
                return 2 * self.network_delay_ms + self._growth_ms(round)
            case TimeoutKind.RESEND:
                # Rarer than a round without faults, so that a healthy network repeats nothing.
                return 5 * self.network_delay_ms
            case _:
                assert_never(kind)

    def proposal_delay_ms(self, round: int) -> int:
        """How old a first proposal may be when it comes in: one that beats the timeout is not late."""
        return self.timeout_ms(TimeoutKind.PROPOSE, round)

    def _growth_ms(self, round: int) -> int:
        return max(0, round - 1) * self.network_delay_ms


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound on what peers can make the core remember.

    Per height the core holds at most `2 * validators` votes and one proposal in each of at most
    `rounds_kept + 2 + catchup_rounds_per_validator * validators` rounds, the same again in conflicting votes, and payloads of
    `payload_bytes_max`: those locked, valid, certified, with a polka of this round, or proposed for this round and its two
    neighbours, and `values_unclaimed_max` others.
    """

    payload_bytes_max: int = 4 * 1024 * 1024
    """A proposal that declares more is refused before it is held."""
    catchup_rounds_per_validator: int = 2
    """Rounds beyond the next in which one validator may place messages; its highest ones are kept, since it is there."""
    rounds_kept: int = 64
    """Rounds behind the present one whose votes are kept, besides those of locks, polkas that are claimed, and quorums."""
    values_unclaimed_max: int = 4
    """Payloads that overtook the message that names them; the oldest goes first."""
    next_height_messages_per_validator: int = 6
    """Held while our own host still commits: a proposal, and both votes of two rounds, and one to spare."""
    next_height_values_max: int = 2
    """Payloads of the next height: the first proposer's, and that of one round more."""
    late_votes_max: int = 512
    """Votes of the last height remembered, to tell a straggler's repetition from the normal last precommits."""
    resend_values_from_round: int = 10
    """From here on a node with a lock repeats its value and polka unasked: something hides it from the others."""
