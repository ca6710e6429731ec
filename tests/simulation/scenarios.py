"""The table of CONSENSUS.md as plays: who does what to the consortium, and what must have come of it.

Each takes one seed. `arrange` sets the faults, the consortium is played until `faults_ms` with safety judged at every step,
then heals and must recover; `judge` asks for what the table expects beyond that. A new row is a function and a line in
`SCENARIOS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from consensus.inputs import NeedFromPeer
from consensus.messages import Proposal, ValueMessage, Vote, VoteType
from consensus.validators import NodeId, ValidatorSet
from node.node_history import validators_of
from registry.block import decode_header
from registry.nodes import NetworkNode, Voter, validators_hash
from registry.signing import SigningKey
from tests.node.chain_builders import key_of
from tests.node.validator_decisions import new_node, weighed, with_node
from tests.simulation import byzantine
from tests.simulation.consortium import EQUAL_POWERS, Change, Consortium, Outcome, replay_chain
from tests.simulation.network import LinkFaults, Packet
from tests.simulation.simulated_node import NETWORK_DELAY_MS, Build
from tests.simulation.virtual_disk import PersistencePoints

Nodes = tuple[NetworkNode, ...]
Admitted = tuple[tuple[str, SigningKey], ...]

FAULTY = "exporter-1"
"""The Byzantine node of the scenarios with one. Its turn to propose comes at heights 1, 5, 9 ..."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the table."""

    number: str
    name: str
    arrange: Callable[[Consortium], None]
    judge: Callable[[Consortium, Outcome], None]
    faults_ms: int = 8_000
    entries: int = 8
    faulty: tuple[str, ...] = ()
    newcomers: tuple[str, ...] = ()
    """Nodes that no genesis document knows."""
    powers: tuple[int, ...] = EQUAL_POWERS
    network_delay_ms: int = NETWORK_DELAY_MS
    """What the nodes expect, and derive their timeouts from."""


def play(
    scenario: Scenario, seed: int, build: Build | None = None, words: list[str] | None = None
) -> Outcome:
    """Play a scenario. Raises OracleViolation, NotRecovered, or what `judge` asserts; `words` takes the trace."""
    consortium = Consortium(
        seed,
        faulty=scenario.faulty,
        newcomers=scenario.newcomers,
        powers=scenario.powers,
        network_delay_ms=scenario.network_delay_ms,
        build=build,
    )
    consortium.world.lines = words
    scenario.arrange(consortium)
    consortium.start()
    consortium.submit(scenario.entries, scenario.faults_ms)
    consortium.play_until(scenario.faults_ms)
    consortium.recover()
    replay_chain(consortium)
    outcome = consortium.outcome()
    scenario.judge(consortium, outcome)
    return outcome


def nothing_more(consortium: Consortium, outcome: Outcome) -> None:
    """Safety and recovery say it all."""


def decides_during_the_faults(consortium: Consortium, outcome: Outcome) -> None:
    """A quorum is there all the time, so heights are decided all the time."""
    assert outcome.height_at_healing >= 2, outcome


# --- 1: all honest ---------------------------------------------------------------------------------------------------


def all_honest(consortium: Consortium) -> None:
    # Up to the whole delay that the nodes expect, each message for itself.
    consortium.network.faults = LinkFaults(0, consortium.network_delay_ms)


def round_0_only(consortium: Consortium, outcome: Outcome) -> None:
    assert set(outcome.rounds.values()) == {0}, outcome.rounds
    assert outcome.height_at_healing >= 4


# --- 2: proposer down ------------------------------------------------------------------------------------------------


def proposer_down(consortium: Consortium) -> None:
    name = consortium.world.random.choice(consortium.names)
    consortium.at(500, lambda: consortium.crash(name))


def round_1_decides(consortium: Consortium, outcome: Outcome) -> None:
    during = [round for height, round in outcome.rounds.items() if height <= outcome.height_at_healing]
    assert set(during) <= {0, 1}, during
    assert 1 in during, "the absent node's turn never came"


# --- 3: crashes ------------------------------------------------------------------------------------------------------


def some_crash(count: int) -> Callable[[Consortium], None]:
    def arrange(consortium: Consortium) -> None:
        for name in consortium.world.random.sample(consortium.names, count):
            consortium.at(consortium.world.random.randint(200, 1_500), partial(consortium.crash, name))

    return arrange


def stalls_without_a_quorum(consortium: Consortium, outcome: Outcome) -> None:
    # Both are dead after 1.5 s; what was under way is decided or not, and nothing follows it.
    assert outcome.height_at_healing <= 6
    assert outcome.height > outcome.height_at_healing


# --- 4: partitions ---------------------------------------------------------------------------------------------------


def partition(sides: str) -> Callable[[Consortium], None]:
    def arrange(consortium: Consortium) -> None:
        names = consortium.names
        consortium.world.random.shuffle(names)
        at_ms = consortium.world.random.randint(300, 2_000)

        def cut() -> None:
            match sides:
                case "2-2":
                    consortium.network.partition((names[0], names[1]), (names[2], names[3]))
                case "3-1":
                    consortium.network.partition((names[0], names[1], names[2]), (names[3],))
                case "ring":
                    # Each reaches its two neighbours only.
                    consortium.network.cut = {
                        pair: None
                        for one, other in ((0, 2), (1, 3))
                        for pair in ((names[one], names[other]), (names[other], names[one]))
                    }
                case _:
                    consortium.network.cut = {(names[0], names[1]): None, (names[2], names[1]): None}

        consortium.at(at_ms, cut)

    return arrange


def halves(consortium: Consortium) -> None:
    partition("2-2")(consortium)
    # What was under way at the cut, at 2 s at the latest, has arrived after another second.
    consortium.at(3_000, lambda: consortium.marks.update(height=consortium.oracles.height))


def halves_decide_nothing(consortium: Consortium, outcome: Outcome) -> None:
    assert outcome.height_at_healing == consortium.marks["height"], "half of the consortium decided something"


# --- 5: late proposals -----------------------------------------------------------------------------------------------


def late_proposals_of_round_0(consortium: Consortium) -> None:
    def rule(sender: str, receiver: str, packet: Packet) -> int | None:
        late = isinstance(packet, Proposal) and packet.round == 0 and packet.height % 2 == 0
        return 1_500 if late else 0

    consortium.network.rules.append(rule)


def nil_round_then_decision(consortium: Consortium, outcome: Outcome) -> None:
    # The re-sent proposal of a proposer is late as well.
    late = [r for h, r in outcome.rounds.items() if h % 2 == 0 and h <= outcome.height_at_healing]
    assert late, outcome
    assert all(round >= 1 for round in late), outcome.rounds


def one_node_gets_everything_late_but_votes(consortium: Consortium) -> None:
    behind = consortium.names[0]

    def rule(sender: str, receiver: str, packet: Packet) -> int | None:
        return 900 if receiver == behind and isinstance(packet, Proposal | ValueMessage) else 0

    consortium.network.rules.append(rule)


# --- 6: one node locked alone ----------------------------------------------------------------------------------------


def one_node_locked_alone(consortium: Consortium) -> None:
    """At height 2, round 0, one node alone sees the polka, locks, and is cut off; another never sees the proposal."""
    proposer = validators_of(consortium.genesis).proposer(2, 0)
    others = [name for name in consortium.names if name != proposer]
    locked, blind = consortium.world.random.sample(others, 2)

    def rule(sender: str, receiver: str, packet: Packet) -> int | None:
        match packet:
            case Proposal(height=2, round=0) if receiver == blind:
                return None
            case Vote(height=2, round=0) if packet.validator == locked:
                if packet.type is VoteType.PRECOMMIT and packet.block_hash is not None:
                    consortium.marks["locked"] = 1
                    rest = tuple(name for name in consortium.names if name != locked)
                    consortium.network.partition((locked,), rest)
                return None
        return 0

    consortium.network.rules.append(rule)


def the_lock_was_overcome(consortium: Consortium, outcome: Outcome) -> None:
    assert consortium.marks["locked"] == 1, "nobody was locked"
    assert outcome.rounds[2] >= 1
    decides_during_the_faults(consortium, outcome)


def votes_are_lost(consortium: Consortium) -> None:
    """So many that polkas and quorums are seen by some and not by others, round after round, and locks pile up."""
    random = consortium.world.random
    vote_loss, proposal_loss = random.choice((0.25, 0.4, 0.55)), random.choice((0.1, 0.3))

    def rule(sender: str, receiver: str, packet: Packet) -> int | None:
        loss = {Vote: vote_loss, Proposal: proposal_loss}.get(type(packet), 0.0)
        return None if consortium.world.chance(loss) else 0

    consortium.network.rules.append(rule)


# --- 7: hidden lock --------------------------------------------------------------------------------------------------


def hidden_lock(consortium: Consortium) -> None:
    consortium.corrupt(FAULTY, byzantine.LockHider)
    consortium.network.faults = LinkFaults(1, 60, loss=0.02)


# --- 8, 9: equivocation ----------------------------------------------------------------------------------------------


def two_proposals(consortium: Consortium) -> None:
    consortium.corrupt(FAULTY, byzantine.SplitProposer)


def double_votes(consortium: Consortium) -> None:
    consortium.corrupt(FAULTY, byzantine.DoubleVoter)


def evidence_is_on_the_record_once(consortium: Consortium, outcome: Outcome) -> None:
    assert outcome.accused == (FAULTY,), outcome
    recorded: list[bytes] = []
    node = consortium.honest[0]
    with node.store.read() as snapshot:
        recorded = [
            evidence_id for evidence_id in consortium.oracles.evidence if snapshot.has_evidence(evidence_id)
        ]
    assert recorded, "no block carries evidence"


# --- 10: amnesia -----------------------------------------------------------------------------------------------------


def amnesia(consortium: Consortium) -> None:
    consortium.corrupt(FAULTY, byzantine.Amnesiac)
    votes_are_lost(consortium)


# --- 12: votes before their value ------------------------------------------------------------------------------------


def values_are_lost(consortium: Consortium) -> None:
    """No value reaches one node unasked, and the proposals of some rounds neither."""
    starved = consortium.world.random.choice(consortium.names)
    asked: dict[tuple[str, bytes], None] = {}

    def rule(sender: str, receiver: str, packet: Packet) -> int | None:
        match packet:
            case ValueMessage() if receiver == starved:
                return 0 if (sender, packet.block_hash) in asked else None
            case NeedFromPeer() if sender == starved:
                asked[receiver, packet.block_hash] = None
        return 0

    consortium.network.rules.append(rule)


# --- 13: floods ------------------------------------------------------------------------------------------------------


def flood(consortium: Consortium) -> None:
    consortium.corrupt(FAULTY, byzantine.Flooder)


# --- 14: invalid blocks ----------------------------------------------------------------------------------------------


def wrong_roots(consortium: Consortium) -> None:
    consortium.corrupt(FAULTY, byzantine.InvalidProposer)


def clock_of_the_next_hour(consortium: Consortium) -> None:
    consortium.nodes[FAULTY].clock_offset_ms = 3_600_000


def clock_of_the_last_hour(consortium: Consortium) -> None:
    # Its blocks are stamped one millisecond after their parent, which passes for timely while blocks follow fast.
    consortium.nodes[FAULTY].clock_offset_ms = -3_600_000


def no_block_of_the_faulty(consortium: Consortium, outcome: Outcome) -> None:
    turns = [h for h in outcome.rounds if h % 4 == 1 and h <= outcome.height_at_healing]
    assert turns, "its turn never came"
    assert all(outcome.rounds[height] >= 1 for height in turns), outcome.rounds


# --- 16: crashes at persistence points -------------------------------------------------------------------------------


def crash_at_a_persistence_point(consortium: Consortium) -> None:
    """One node dies at the n-th moment before or after something reaches its disk; n is the seed's."""
    random = consortium.world.random
    node = consortium.nodes[random.choice(consortium.names)]
    node.points.die_at = 1 + consortium.world.seed % 120
    node.restart_after_ms = random.choice((1, 200, 1_500))
    consortium.network.faults = LinkFaults(1, random.choice((30, 150)), loss=random.choice((0.0, 0.05)))


def _die_soon(points: PersistencePoints, after: int) -> None:
    points.die_at = points.passed + after


def everybody_crashes_again_and_again(consortium: Consortium) -> None:
    random = consortium.world.random
    for node in consortium.nodes.values():
        node.restart_after_ms = random.choice((1, 100, 700))
        for _ in range(4):
            doom = partial(_die_soon, node.points, random.randint(1, 12))
            consortium.at(random.randint(0, 7_000), doom)
    consortium.network.faults = LinkFaults(1, 120, loss=0.03)


# --- 22: catching up -------------------------------------------------------------------------------------------------


def dies_while_it_catches_up(consortium: Consortium) -> None:
    """A node is away for many heights, and dies again among the first that it fetches."""
    node = consortium.nodes[consortium.world.random.choice(consortium.names)]
    node.restart_after_ms = 300
    consortium.crash_for(node.node_id, 500, 6_000)
    # A block that is fetched passes two persistence points; the floor of the signer may take two more.
    consortium.at(6_499, partial(_die_soon, node.points, 1 + consortium.world.seed % 12))


# --- 25, 26: changes of validators -----------------------------------------------------------------------------------

NEWCOMER = "newcomer"
NEXT_KEY = key_of("the next key")


def _added(nodes: Nodes) -> tuple[Nodes, Admitted]:
    return with_node(nodes, new_node(NEWCOMER)), ((NEWCOMER, key_of(NEWCOMER)),)


def _weighed(name: str, power: int) -> Change:
    return lambda nodes: (weighed(nodes, name, power), ())


def _rekeyed(name: str) -> Change:
    def change(nodes: Nodes) -> tuple[Nodes, Admitted]:
        present = next(node for node in nodes if node.node_id == name)
        # The nodes of the simulated genesis share a certificate, which a changed node may not.
        rotated = replace(
            present, consensus_key=NEXT_KEY.public_key, tls_certificate_der=b"certificate of " + name.encode()
        )
        return with_node(nodes, rotated), ((name, NEXT_KEY),)

    return change


def validators_change_under_partitions(consortium: Consortium) -> None:
    """One is added, one weighed anew, one loses its vote, while the network falls apart in ever other ways."""
    random = consortium.world.random
    consortium.network.faults = LinkFaults(1, random.choice((30, 120)), loss=random.choice((0.0, 0.05)))
    one, other = random.sample(sorted(set(consortium.names) - {NEWCOMER}), 2)
    changes: list[Change] = [_added, _weighed(one, 3), _weighed(other, 0)]
    random.shuffle(changes)
    for number, change in enumerate(changes):
        consortium.decide(600 + 5_000 * number + random.randint(0, 1_500), change)
    names = list(consortium.names)
    for number in range(3):
        random.shuffle(names)
        few, many = tuple(names[:2]), tuple(names[2:])
        at_ms = 500 + 5_000 * number + random.randint(0, 2_500)
        consortium.at(at_ms, partial(consortium.network.partition, few, many))
        consortium.at(at_ms + random.randint(300, 2_500), consortium.network.cut.clear)


def validators_change_while_all_crash(consortium: Consortium) -> None:
    validators_change_under_partitions(consortium)
    random = consortium.world.random
    for node in consortium.nodes.values():
        node.restart_after_ms = random.choice((1, 100, 700))
        for _ in range(4):
            doom = partial(_die_soon, node.points, random.randint(1, 12))
            consortium.at(random.randint(0, 14_000), doom)


def each_set_holds_from_its_height(consortium: Consortium, outcome: Outcome) -> None:
    """Every header, and every honest node's own account, is that of the decisions and of two blocks later."""
    sets = consortium.oracles.sets
    assert len(sets) == 4, f"not all was decided: {sorted(sets)}"
    for node in consortium.honest:
        assert node.executor is not None
        for height in range(1, node.height + 2):
            assert node.executor.validators(height) == consortium.oracles.validators_at(height), height
    with consortium.honest[0].store.read() as snapshot:
        for height in range(1, snapshot.height + 1):
            header = decode_header(snapshot.header(height) or b"")
            expected = [_hash_of(consortium.oracles.validators_at(at)) for at in (height, height + 1)]
            assert [header.validators_hash, header.next_validators_hash] == expected, height
    first_vote = min(consortium.oracles.voted_at(NEWCOMER), default=None)
    if first_vote is not None:
        added = min(at for at, voting in sets.items() if voting.get(NodeId(NEWCOMER)) is not None)
        assert first_vote >= added


def _hash_of(validators: ValidatorSet) -> bytes:
    return validators_hash(
        tuple(Voter(each.node_id, each.public_key, each.power) for each in validators.validators)
    )


ROTATED = "factor-1"


def key_rotates_while_its_node_is_away(consortium: Consortium) -> None:
    """It comes back with the old key, which is worth nothing any more, and then with the new one."""
    node = consortium.nodes[ROTATED]
    random = consortium.world.random
    consortium.network.faults = LinkFaults(1, random.choice((30, 120)))
    consortium.at(random.randint(100, 900), lambda: consortium.crash(ROTATED))
    consortium.decide(1_000 + random.randint(0, 500), _rekeyed(ROTATED))
    consortium.at(random.randint(1_600, 4_000), lambda: consortium.restart(ROTATED))

    def take_the_new_key() -> None:
        consortium.crash(ROTATED)
        node.key = NEXT_KEY
        consortium.restart(ROTATED)

    consortium.at(random.randint(6_000, 8_000), take_the_new_key)


def the_new_key_votes(consortium: Consortium, outcome: Outcome) -> None:
    decides_during_the_faults(consortium, outcome)
    assert len(consortium.oracles.sets) == 2, "the rotation was not decided"
    rotated_at = max(consortium.oracles.sets)
    after = [height for height in consortium.oracles.voted_at(ROTATED) if height >= rotated_at]
    # That none of these was signed with the old key, the oracles have seen to.
    assert after, f"{ROTATED} never voted with its new key; it is in force from {rotated_at}"
    assert outcome.accused == ()


# --- Everything at once ----------------------------------------------------------------------------------------------


def chaos(consortium: Consortium) -> None:
    """What the seed draws of all faults above, with or without a liar, and clocks that are wrong."""
    random = consortium.world.random
    consortium.network.faults = LinkFaults(
        1,
        random.choice((50, 300, 1_200)),
        loss=random.choice((0.0, 0.05, 0.25)),
        duplication=random.choice((0.0, 0.1)),
    )
    if consortium.oracles.faulty:
        consortium.corrupt(FAULTY, random.choice(LIARS))
    for node in consortium.nodes.values():
        node.restart_after_ms = random.randint(1, 2_000)
        if consortium.world.chance(0.4):
            node.points.die_at = random.randint(1, 150)
    for _ in range(random.randint(0, 3)):
        partition(random.choice(("2-2", "3-1", "ring", "one-way")))(consortium)
        consortium.at(random.randint(2_500, 7_500), consortium.network.cut.clear)
    if consortium.world.chance(0.3):
        skewed = consortium.nodes[random.choice(consortium.names)]
        skewed.clock_offset_ms = random.choice((-600_000, -2_000, 2_000, 600_000))


LIARS: tuple[Callable[..., byzantine.Liar], ...] = (
    byzantine.DoubleVoter,
    byzantine.NilVoter,
    byzantine.LockHider,
    byzantine.LateProposer,
    byzantine.SplitProposer,
    byzantine.InvalidProposer,
    byzantine.Flooder,
    byzantine.Amnesiac,
)

ONE_LIAR = (FAULTY,)

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("1", "all honest, delay 0-200 ms", all_honest, round_0_only, network_delay_ms=200),
    Scenario("2", "proposer down", proposer_down, round_1_decides, faults_ms=12_000, entries=12),
    Scenario("3a", "f crashed", some_crash(1), decides_during_the_faults),
    Scenario("3b", "f+1 crashed", some_crash(2), stalls_without_a_quorum),
    Scenario("4a", "partition 2-2", halves, halves_decide_nothing),
    Scenario("4b", "partition 3-1", partition("3-1"), decides_during_the_faults),
    Scenario("4c", "partition ring", partition("ring"), decides_during_the_faults),
    Scenario("4d", "links cut one way", partition("one-way"), decides_during_the_faults),
    Scenario(
        "5a", "proposal later than its timeout", late_proposals_of_round_0, nil_round_then_decision, 12_000
    ),
    Scenario(
        "5b",
        "late proposal, precommits first",
        one_node_gets_everything_late_but_votes,
        decides_during_the_faults,
    ),
    Scenario("6a", "one node locked alone", one_node_locked_alone, the_lock_was_overcome),
    Scenario("6b", "votes are lost, locks pile up", votes_are_lost, nothing_more, faults_ms=16_000),
    Scenario("7", "hidden lock", hidden_lock, decides_during_the_faults, faulty=ONE_LIAR),
    Scenario(
        "8", "two proposals of one proposer", two_proposals, evidence_is_on_the_record_once, faulty=ONE_LIAR
    ),
    Scenario("9", "double votes", double_votes, evidence_is_on_the_record_once, faulty=ONE_LIAR),
    Scenario("10", "amnesia while votes are lost", amnesia, nothing_more, 16_000, faulty=ONE_LIAR),
    Scenario("12", "votes before their value", values_are_lost, decides_during_the_faults),
    Scenario("13", "floods", flood, decides_during_the_faults, faulty=ONE_LIAR),
    Scenario("14a", "wrong state root", wrong_roots, no_block_of_the_faulty, 12_000, faulty=ONE_LIAR),
    Scenario("14b", "time of the next hour", clock_of_the_next_hour, no_block_of_the_faulty, 12_000),
    Scenario("14c", "time of the last hour", clock_of_the_last_hour, decides_during_the_faults, 12_000),
    Scenario("16a", "crash at a persistence point", crash_at_a_persistence_point, nothing_more),
    Scenario("16b", "everybody crashes again and again", everybody_crashes_again_and_again, nothing_more),
    Scenario(
        "22", "dies while it catches up", dies_while_it_catches_up, decides_during_the_faults, entries=24
    ),
    Scenario(
        "25a",
        "validators change under partitions",
        validators_change_under_partitions,
        each_set_holds_from_its_height,
        faults_ms=18_000,
        entries=18,
        newcomers=(NEWCOMER,),
    ),
    Scenario(
        "25b",
        "validators change while all crash",
        validators_change_while_all_crash,
        each_set_holds_from_its_height,
        faults_ms=18_000,
        entries=18,
        newcomers=(NEWCOMER,),
    ),
    Scenario(
        "26",
        "a key rotates while its node is away",
        key_rotates_while_its_node_is_away,
        the_new_key_votes,
        faults_ms=16_000,
        entries=24,
    ),
    Scenario("powers", "unequal powers", all_honest, decides_during_the_faults, powers=(2, 2, 1, 1)),
    Scenario("chaos", "all faults, all honest", chaos, nothing_more),
    Scenario("chaos-liar", "all faults, one liar", chaos, nothing_more, faulty=ONE_LIAR),
)
