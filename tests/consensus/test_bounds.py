"""What a peer can make the core remember: each test fills one bound, and shows that the node still decides."""

from consensus.driver import Driver, DropReason, Limits
from consensus.effects import Decide, EvidenceFound
from consensus.inputs import (
    CertificateReceived,
    HeightStarted,
    ProposalReceived,
    ValueReceived,
    VoteReceived,
    WorkAvailable,
)
from consensus.messages import ROUND_MAX, VoteType
from consensus.next_height import NextHeight
from consensus.validators import VALIDATORS_MAX, NodeId
from tests.consensus.builders import (
    CHAIN_ID,
    FOUR,
    NOW_MS,
    B,
    C,
    D,
    Node,
    block,
    of_type,
    precommit,
    prevote,
    proposal,
    value_received,
)

SMALL = Limits(payload_bytes_max=1000, rounds_kept=4)


def held_votes(driver: Driver) -> int:
    state = driver._open_state()
    assert state is not None
    book = state.votes
    return sum(
        len(votes.first) + len(votes.second) + sum(len(claimed) for claimed in votes.claimed.values())
        for votes in (book.votes(round, type) for round in book.rounds() for type in VoteType)
    )


def held_rounds(driver: Driver) -> list[int]:
    state = driver._open_state()
    assert state is not None
    return sorted({*state.votes.rounds(), *state.proposals})


def assert_still_decides(node: Node) -> None:
    round = node.driver.round
    node.propose("good", round)
    node.prevotes("good", B, C, round=round)
    assert of_type(node.precommits("good", B, C, round=round), Decide)


def test_one_validator_cannot_fill_future_rounds() -> None:
    node = Node()
    node.start()
    for round in range(2, 2000):
        node.prevotes("x", D, round=round)
        node.precommits("x", D, round=round)
    assert held_rounds(node.driver) == [1998, 1999]
    assert held_votes(node.driver) == 4
    node.prevotes("x", D, round=2)
    assert node.driver.dropped[DropReason.ROUND_TOO_FAR] == 1
    assert_still_decides(node)


def test_proposals_of_future_rounds_share_their_proposers_places() -> None:
    node = Node()
    node.start()
    for round in range(2, 402, 4):  # d proposes in each of them
        node.feed(ProposalReceived(proposal("x", round), NOW_MS))
    assert held_rounds(node.driver) == [394, 398]
    node.prevotes("x", D, round=ROUND_MAX)
    assert held_rounds(node.driver) == [398, ROUND_MAX]
    assert_still_decides(node)


def test_the_next_round_is_free_of_charge() -> None:
    node = Node()
    node.start()
    for round in (1, 500, 501):
        node.prevotes("x", D, round=round)
    assert held_rounds(node.driver) == [1, 500, 501]


def test_a_validator_that_is_pushed_out_by_itself_does_not_take_others_along() -> None:
    node = Node()
    node.start()
    node.prevotes("x", C, round=50)
    for round in (50, 51, 52):
        node.prevotes("x", D, round=round)
    assert node.driver.round == 50  # c and d met there before d moved on
    node = Node()
    node.start()
    for round in (50, 51, 52):
        node.prevotes("x", D, round=round)
    node.prevotes("x", C, round=50)
    assert node.driver.round == 0
    node.prevotes("x", C, round=52)
    assert node.driver.round == 52


def test_votes_of_one_round_are_bounded_per_validator_and_type() -> None:
    node = Node()
    node.start()
    for number in range(500):
        node.prevotes(f"value {number}", D)
        node.precommits(f"value {number}", D)
    assert held_votes(node.driver) == 4
    assert len(of_type(node.log, EvidenceFound)) == 2
    assert node.driver.dropped[DropReason.CONVICTED] == 996
    assert_still_decides(node)


def test_proposals_of_one_round_are_bounded() -> None:
    node = Node()
    for number in range(500):
        node.feed(ProposalReceived(proposal(f"value {number}"), NOW_MS))
    state = node.driver._open_state()
    assert state is not None
    assert len(state.proposals) == 1
    assert len(of_type(node.log, EvidenceFound)) == 1


def test_past_rounds_are_dropped_except_those_of_the_lock() -> None:
    node = Node(limits=SMALL)
    node.propose("x")
    node.prevotes("x", B, C)
    for round in range(1, 40):
        node.prevotes(None, B, C, round=round)
    assert node.driver.round == 39
    assert held_rounds(node.driver) == [0, 35, 36, 37, 38, 39]
    dropped = node.driver.dropped.get(DropReason.ROUND_TOO_OLD, 0)
    node.precommits(None, D, round=34)
    assert node.driver.dropped[DropReason.ROUND_TOO_OLD] == dropped + 1


def test_a_claim_brings_votes_of_a_dropped_round_back() -> None:
    node = Node(limits=SMALL)
    node.start()
    node.prevotes(None, B, C, round=38)
    node.feed(node.offered("x", 38, valid_round=2), *node.valid("x"))
    assert node.signed_votes == []
    node.prevotes("x", B, C, D, round=2)
    assert node.signed_votes == [(VoteType.PREVOTE, 38, block("x"))]


def test_strangers_count_for_nothing() -> None:
    node = Node()
    node.start()
    for number in range(100):
        node.prevotes("x", NodeId(f"stranger-{number}"), round=5)
    assert node.driver.round == 0
    assert held_votes(node.driver) == 0
    assert node.driver.dropped[DropReason.STRANGER] == 100


def test_an_oversized_proposal_is_refused_before_it_is_held() -> None:
    node = Node(limits=SMALL)
    node.feed(ProposalReceived(proposal("x", payload_bytes=1001), NOW_MS))
    node.feed(ProposalReceived(proposal("x", height=2, payload_bytes=1001), NOW_MS))
    node.feed(ValueReceived(1, block("x"), bytes(1001), NOW_MS))
    assert held_rounds(node.driver) == []
    assert node.driver.dropped[DropReason.OVERSIZED] == 3
    node.feed(ProposalReceived(proposal("x", payload_bytes=1000), NOW_MS))
    assert held_rounds(node.driver) == [0]


def test_unasked_payloads_are_bounded_and_claimed_ones_stay() -> None:
    node = Node()
    node.propose("good")
    for number in range(100):
        node.feed(value_received(f"spam {number}"))
    state = node.driver._open_state()
    assert state is not None
    assert len(state.values) == 1 + node.driver._limits.values_unclaimed_max
    assert node.driver.dropped[DropReason.NO_PLACE] == 100 - node.driver._limits.values_unclaimed_max
    node.prevotes("good", B, C)
    assert of_type(node.precommits("good", B, C), Decide)


def test_payloads_of_past_rounds_go_and_the_locked_one_stays() -> None:
    node = Node()
    node.propose("locked")
    node.prevotes("locked", B, C)
    for round in range(1, 30):
        node.prevotes(None, B, C, round=round)
        node.propose(f"value {round}", round)
    state = node.driver._open_state()
    assert state is not None
    # The locked one, those of this round and the last, and as many others as may lie about.
    assert len(state.values) <= 3 + node.driver._limits.values_unclaimed_max
    assert state.values.is_valid(block("locked"))


def test_certificates_of_other_heights_are_not_held() -> None:
    node = Node()
    certificates = []
    for height in (2, 3, 50):
        other = Node(height=height)
        other.propose("x")
        other.prevotes("x", B, C)
        certificates.append(of_type(other.precommits("x", B, C), Decide)[0].certificate)
    assert node.feed(*(CertificateReceived(certificate) for certificate in certificates)) == []
    assert node.driver.dropped[DropReason.OTHER_HEIGHT] == 3


def test_heights_beyond_the_next_are_dropped() -> None:
    node = Node()
    for height in range(3, 500):
        node.feed(VoteReceived(prevote(D, "x", height=height)))
        node.feed(ProposalReceived(proposal("x", height=height), NOW_MS))
        node.feed(value_received("x", height=height))
    assert node.driver.dropped[DropReason.OTHER_HEIGHT] == 3 * 497
    assert node.driver._next is not None
    assert len(node.driver._next) == 0


def test_one_validator_cannot_fill_the_next_height() -> None:
    node = Node()
    for round in range(200):
        node.feed(VoteReceived(prevote(D, "x", round, height=2)))
        node.feed(VoteReceived(precommit(D, "x", round, height=2)))
        node.feed(value_received(f"spam {round}", height=2, time_ms=NOW_MS + 1))
    assert node.driver._next is not None
    limits = node.driver._limits
    assert len(node.driver._next) == limits.next_height_messages_per_validator + limits.next_height_values_max
    node.feed(VoteReceived(prevote(C, "y", height=2)))
    assert_still_decides(node)
    node.feed(HeightStarted(2, FOUR, NOW_MS), WorkAvailable(2))
    assert node.driver.round == 0
    assert held_votes(node.driver) == limits.next_height_messages_per_validator + 1


def test_a_repeated_early_message_takes_no_second_place() -> None:
    early = NextHeight(Limits(), 2)
    assert early.hold(VoteReceived(prevote(D, "x", height=2)))
    assert not early.hold(VoteReceived(prevote(D, "x", height=2)))
    assert early.hold(value_received("x", height=2))
    assert not early.hold(value_received("x", height=2))
    assert len(early) == 2


def test_the_next_height_is_bounded_even_if_names_are_not() -> None:
    early = NextHeight(Limits(), 2)
    taken = [
        early.hold(VoteReceived(prevote(NodeId(f"n{i}"), "x", height=2))) for i in range(VALIDATORS_MAX + 50)
    ]
    assert taken.count(True) == VALIDATORS_MAX


def test_evidence_is_found_at_most_once_per_validator_round_and_type() -> None:
    node = Node()
    node.start()
    for number in range(20):
        node.prevotes(f"value {number}", C, D, round=0)
        node.prevotes(f"value {number}", C, D, round=1)
    found = [effect.evidence for effect in of_type(node.log, EvidenceFound)]
    assert len(found) == 4
    assert len({evidence.id(CHAIN_ID) for evidence in found}) == 4


def test_a_proposal_below_its_senders_far_rounds_is_refused() -> None:
    node = Node()
    node.start()
    node.prevotes("x", D, round=500)
    node.prevotes("x", D, round=501)
    node.feed(ProposalReceived(proposal("x", 2), NOW_MS))
    assert held_rounds(node.driver) == [500, 501]
    assert node.driver.dropped[DropReason.ROUND_TOO_FAR] == 1
