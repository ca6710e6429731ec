"""Four cores on an instant network: every message of one is in the queue of all, timers fire when the network is quiet."""

import hashlib
from collections import deque
from dataclasses import dataclass, field

import pytest

from consensus.certificate import Certificate, verify_certificate
from consensus.driver import Driver, Limits
from consensus.effects import (
    Broadcast,
    Decide,
    Effect,
    EvidenceFound,
    Halt,
    Message,
    NeedValue,
    RequestValue,
    SendTo,
    SetTimer,
    SignAndSend,
    ValidateValue,
)
from consensus.inputs import (
    CertificateReceived,
    HeightStarted,
    Input,
    NeedFromPeer,
    ProposalReceived,
    TimeoutElapsed,
    ValueBuilt,
    ValueReceived,
    ValueValidated,
    VoteReceived,
    WorkAvailable,
)
from consensus.messages import BlockHash, Proposal, ValueMessage, Vote
from consensus.validators import NodeId, ValidatorSet
from tests.consensus.builders import CHAIN_ID, FOUR, TIMING, A, B, C, D, signed, validator_set, verify


@dataclass
class Consortium:
    """All nodes share one clock, which jumps to the next timer when no message is under way."""

    validators: ValidatorSet = FOUR
    silent: tuple[NodeId, ...] = ()
    cut: tuple[tuple[NodeId, NodeId], ...] = ()
    drivers: dict[NodeId, Driver] = field(default_factory=dict)
    queue: deque[tuple[NodeId, Input]] = field(default_factory=deque)
    timers: list[tuple[int, int, NodeId, TimeoutElapsed]] = field(default_factory=list)
    decided: dict[NodeId, list[Decide]] = field(default_factory=dict)
    rest_after: int = 1_000
    """No work above this height."""
    now_ms: int = 1_000_000

    def __post_init__(self) -> None:
        for validator in self.validators.validators:
            name = validator.node_id
            self.drivers[name] = Driver(CHAIN_ID, name, TIMING, Limits())
            self.decided[name] = []
            if name not in self.silent:
                self.queue.append((name, HeightStarted(1, self.validators, self.now_ms)))
                self.queue.append((name, WorkAvailable(1)))

    def run_until(self, height: int, *, unless: tuple[NodeId, ...] = (), steps: int = 20_000) -> None:
        """Play until every node that speaks has decided this height; those of `unless` need not."""
        waited_for = [name for name in self.drivers if name not in (*self.silent, *unless)]
        for _ in range(steps):
            if all(len(self.decided[name]) >= height for name in waited_for):
                return
            if not self.queue:
                self._advance_clock()
            name, input = self.queue.popleft()
            for effect in self.drivers[name].step(input):
                self._perform(name, effect)
        raise AssertionError("no progress")

    def _advance_clock(self) -> None:
        self.timers.sort(key=lambda timer: timer[:2])
        due_ms, _, name, elapsed = self.timers.pop(0)
        self.now_ms = max(self.now_ms, due_ms)
        self.queue.append((name, elapsed))

    def _perform(self, name: NodeId, effect: Effect) -> None:
        match effect:
            case SignAndSend(message):
                own = signed(message)
                self.queue.appendleft((name, self._input(own)))
                self._send(name, own)
            case Broadcast(message):
                self._send(name, message)
            case SendTo(peer, message):
                self._deliver(name, peer, self._input(message))
            case SetTimer(timeout, duration_ms):
                due_ms = self.now_ms + duration_ms
                self.timers.append((due_ms, len(self.timers), name, TimeoutElapsed(timeout)))
            case RequestValue(height, round):
                payload = f"{self.now_ms}/{height}/{round}/{name}".encode()
                block_hash = BlockHash(hashlib.sha256(payload).digest())
                self.queue.append((name, ValueBuilt(height, round, block_hash, payload, self.now_ms + 1)))
            case ValidateValue(height, block_hash, _):
                self.queue.append((name, ValueValidated(height, block_hash, True)))
            case NeedValue(height, _, block_hash):
                for peer in self.drivers:
                    self._deliver(name, peer, NeedFromPeer(name, height, block_hash))
                    for decision in self.decided[peer][
                        height - 1 : height
                    ]:  # what the host has committed, it gives
                        value = ValueMessage(height, decision.block_hash, decision.payload)
                        self._deliver(peer, name, self._input(value))
            case Decide(height=height):
                self.decided[name].append(effect)
                parent_ms = int(effect.payload.split(b"/")[0]) + 1
                self.now_ms = max(self.now_ms, parent_ms)
                self.queue.append((name, HeightStarted(height + 1, self.validators, parent_ms)))
                if height < self.rest_after:
                    self.queue.append((name, WorkAvailable(height + 1)))
            case EvidenceFound() | Halt():
                raise AssertionError(effect)

    def _send(self, name: NodeId, message: Message) -> None:
        for peer in self.drivers:
            if peer != name:
                self._deliver(name, peer, self._input(message))

    def _deliver(self, sender: NodeId, receiver: NodeId, input: Input) -> None:
        if receiver not in self.silent and (sender, receiver) not in self.cut:
            self.queue.append((receiver, input))

    def _input(self, message: Message) -> Input:
        match message:
            case Vote():
                return VoteReceived(message)
            case Proposal():
                return ProposalReceived(message, self.now_ms)
            case ValueMessage(height, block_hash, payload):
                return ValueReceived(height, block_hash, payload, int(payload.split(b"/")[0]) + 1)
            case Certificate():
                return CertificateReceived(message)


def assert_agreement(consortium: Consortium) -> None:
    chains = [[decision.block_hash for decision in done] for done in consortium.decided.values()]
    longest = max(chains, key=len)
    assert all(chain == longest[: len(chain)] for chain in chains)
    for done in consortium.decided.values():
        for decision in done:
            verify_certificate(decision.certificate, consortium.validators, CHAIN_ID, verify)


def test_four_honest_validators_decide_every_height_at_round_0() -> None:
    consortium = Consortium()
    consortium.run_until(20)
    assert_agreement(consortium)
    assert {decision.round for done in consortium.decided.values() for decision in done} == {0}


@pytest.mark.parametrize("silent", [A, B, C, D])
def test_three_of_four_decide_and_an_absent_proposer_costs_one_round(silent: NodeId) -> None:
    consortium = Consortium(silent=(silent,))
    consortium.run_until(8)
    assert_agreement(consortium)
    rounds = [decision.round for decision in consortium.decided[A if silent != A else B]]
    assert set(rounds) == {0, 1}
    assert rounds.count(1) == 2  # it was its turn twice in eight heights


def test_two_of_four_decide_nothing() -> None:
    consortium = Consortium(silent=(C, D))
    with pytest.raises(AssertionError, match="no progress"):
        consortium.run_until(1, steps=3_000)


@pytest.mark.parametrize("powers", [(1,), (1, 1), (5, 1, 1), (3, 2, 2, 2, 1), (1,) * 7, (10, 9, 8, 1, 1)])
def test_any_powers_decide(powers: tuple[int, ...]) -> None:
    validators = validator_set(*powers)
    consortium = Consortium(validators=validators)
    consortium.run_until(6)
    assert_agreement(consortium)


@pytest.mark.parametrize("pair", [(A, B), (B, A), (C, A), (D, B)])
def test_a_link_that_is_cut_one_way_stops_nobody_else(pair: tuple[NodeId, NodeId]) -> None:
    consortium = Consortium(cut=(pair,))
    consortium.run_until(6, unless=(pair[1],))
    assert_agreement(consortium)


def test_a_value_that_passed_a_node_by_is_fetched() -> None:
    # b proposes height 1; c and d are the only ones that a can ask.
    consortium = Consortium(cut=((B, A),), rest_after=1)
    consortium.run_until(1)
    assert_agreement(consortium)
    assert len(consortium.decided[A]) == 1
