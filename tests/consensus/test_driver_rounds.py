"""The driver inside one height: messages in any order, and what the node says to them. Height 1: b, c, d, a propose."""

import pytest

from consensus.certificate import Certificate
from consensus.driver import Driver, DropReason, Limits, Step, Timing
from consensus.effects import (
    Broadcast,
    Decide,
    EvidenceFound,
    Halt,
    NeedValue,
    RequestValue,
    SetTimer,
    SignAndSend,
    ValidateValue,
)
from consensus.errors import ContractViolation
from consensus.inputs import (
    CertificateReceived,
    HeightStarted,
    Input,
    ProposalReceived,
    Synced,
    Timeout,
    TimeoutElapsed,
    TimeoutKind,
    ValueBuilt,
    ValueReceived,
    ValueValidated,
    VoteReceived,
    WorkAvailable,
)
from consensus.messages import NO_ROUND, UnsignedProposal, UnsignedVote, ValueMessage, VoteType
from consensus.validators import NodeId
from tests.consensus.builders import (
    CHAIN_ID,
    FOUR,
    NOW_MS,
    PARENT_TIME_MS,
    TIMING,
    A,
    B,
    C,
    D,
    Node,
    asked,
    block,
    of_type,
    payload,
    precommit,
    prevote,
    proposal,
    value_received,
)

X, Y = block("x"), block("y")
PREVOTE, PRECOMMIT = VoteType.PREVOTE, VoteType.PRECOMMIT


def elapsed(kind: TimeoutKind, round: int = 0, height: int = 1) -> TimeoutElapsed:
    return TimeoutElapsed(Timeout(height, round, kind))


def built(value: str, round: int = 0, height: int = 1, time_ms: int = NOW_MS) -> ValueBuilt:
    return ValueBuilt(height, round, block(value), payload(value), time_ms)


def certificate(value: str, round: int = 0, height: int = 1) -> Certificate:
    return Certificate.from_votes([precommit(name, value, round, height) for name in (B, C, D)], FOUR)


# --- Beginning a height ---


def test_a_height_rests_until_there_is_work() -> None:
    node = Node()
    assert node.log == []
    assert (node.driver.height, node.driver.round, node.driver.current_step) == (1, 0, Step.NEW_HEIGHT)
    assert of_type(node.start(), SetTimer)[0].timeout == Timeout(1, 0, TimeoutKind.PROPOSE)
    assert node.driver.current_step is Step.PROPOSE
    assert node.start() == []


@pytest.mark.parametrize(
    "message",
    [
        ProposalReceived(proposal("x"), NOW_MS),
        VoteReceived(prevote(C, "x")),
        CertificateReceived(certificate("x")),
    ],
)
def test_a_message_of_the_height_wakes_it(
    message: ProposalReceived | VoteReceived | CertificateReceived,
) -> None:
    node = Node()
    node.feed(message)
    assert node.driver.current_step is Step.PROPOSE


def test_a_value_alone_wakes_nobody() -> None:
    node = Node()
    assert node.feed(value_received("x")) == []
    assert node.driver.current_step is Step.NEW_HEIGHT


def test_a_core_before_its_first_height_drops_everything() -> None:
    driver = Driver(CHAIN_ID, A, TIMING, Limits())
    assert (driver.height, driver.round, driver.current_step) == (0, 0, Step.NEW_HEIGHT)
    assert driver.step(VoteReceived(prevote(B, "x"))) == []
    assert driver.step(WorkAvailable(1)) == []
    assert driver.outstanding() == []
    assert driver.certificate is None


# --- A round without faults ---


def test_a_round_without_faults_decides() -> None:
    node = Node()
    assert of_type(node.feed(node.offered("x")), ValidateValue) == []
    assert of_type(node.feed(value_received("x")), ValidateValue) == [ValidateValue(1, X, payload("x"))]
    assert node.signed_votes == []
    node.feed(ValueValidated(1, X, True))
    assert node.signed_votes == [(PREVOTE, 0, X)]
    node.prevotes("x", B, C)
    assert node.signed_votes[1:] == [(PRECOMMIT, 0, X)]
    (decision,) = of_type(node.precommits("x", B, C), Decide)
    assert (decision.height, decision.round, decision.block_hash) == (1, 0, X)
    assert decision.payload == payload("x")
    assert decision.certificate == Certificate.from_votes([precommit(name, "x") for name in (A, B, C)], FOUR)
    assert node.driver.current_step is Step.DECIDED
    assert node.driver.certificate == decision.certificate


def test_the_proposer_builds_signs_and_sends() -> None:
    node = Node(own_id=B)
    assert RequestValue(1, 0) in node.start()
    effects = node.feed(built("x"))
    (offer,) = asked(effects, UnsignedProposal)
    assert (offer.valid_round, offer.block_hash, offer.payload_bytes) == (NO_ROUND, X, len(payload("x")))
    assert Broadcast(ValueMessage(1, X, payload("x"))) in effects
    assert node.signed_votes == [(PREVOTE, 0, X)]  # its own value needs no judgement
    assert of_type(node.log, ValidateValue) == []


def test_the_own_vote_counts_only_when_it_comes_back() -> None:
    node = Node()
    driver = node.driver
    for input in (node.offered("x"), *node.valid("x")):
        driver.step(input)
    driver.step(VoteReceived(prevote(B, "x")))
    assert driver.step(VoteReceived(prevote(C, "x"))) == []
    effects = driver.step(VoteReceived(prevote(A, "x")))
    assert [effect for effect in effects if isinstance(effect, SignAndSend)]


def test_an_observer_follows_and_signs_nothing() -> None:
    for own_id in (None, NodeId("z")):
        node = Node(own_id=own_id)
        node.propose("x")
        node.prevotes("x", B, C, D)
        assert of_type(node.precommits("x", B, C, D), Decide)
        assert of_type(node.log, SignAndSend) == []


# --- What makes a proposal unacceptable ---


def test_an_invalid_value_gets_nil() -> None:
    node = Node()
    node.feed(node.offered("x"), value_received("x"), ValueValidated(1, X, False, "wrong root"))
    assert node.signed_votes == [(PREVOTE, 0, None)]


def test_a_value_of_another_size_than_declared_gets_nil() -> None:
    node = Node()
    node.feed(ProposalReceived(proposal("x", payload_bytes=5), NOW_MS), *node.valid("x"))
    assert node.signed_votes == [(PREVOTE, 0, None)]


OLDEST_MS = NOW_MS - TIMING.proposal_delay_ms(0) - TIMING.precision_ms
NEWEST_MS = NOW_MS + TIMING.precision_ms


@pytest.mark.parametrize(
    ("time_ms", "timely"),
    [(OLDEST_MS, True), (OLDEST_MS - 1, False), (NEWEST_MS, True), (NEWEST_MS + 1, False)],
)
@pytest.mark.parametrize("value_first", [False, True])
def test_a_first_proposal_must_be_timely(time_ms: int, timely: bool, value_first: bool) -> None:
    node = Node()
    inputs = [node.offered("x"), value_received("x", time_ms=time_ms)]
    node.feed(*(reversed(inputs) if value_first else inputs), ValueValidated(1, X, True))
    assert node.signed_votes == [(PREVOTE, 0, X if timely else None)]


def test_a_reproposal_may_be_of_any_age() -> None:
    node = Node()
    node.prevotes("x", B, C, D, round=1)
    node.prevotes(None, B, C, round=2)
    node.feed(node.offered("x", 2, valid_round=1))
    node.feed(value_received("x", time_ms=PARENT_TIME_MS + 1), ValueValidated(1, X, True))
    assert node.signed_votes[-1] == (PREVOTE, 2, X)


@pytest.mark.parametrize("time_ms", [PARENT_TIME_MS - 1, PARENT_TIME_MS])
def test_a_value_not_after_its_parent_is_invalid_without_asking(time_ms: int) -> None:
    node = Node()
    effects = node.feed(ProposalReceived(proposal("x"), time_ms), value_received("x", time_ms=time_ms))
    assert of_type(effects, ValidateValue) == []
    assert node.signed_votes == [(PREVOTE, 0, None)]


def test_an_untimely_value_with_a_polka_is_followed_all_the_same() -> None:
    node = Node()
    node.feed(node.offered("x"), value_received("x", time_ms=NEWEST_MS + 1))
    assert node.signed_votes == [(PREVOTE, 0, None)]
    assert ValidateValue(1, X, payload("x")) in node.prevotes("x", B, C, D)
    node.feed(ValueValidated(1, X, True))
    assert node.signed_votes[-1] == (PRECOMMIT, 0, X)


def test_a_proposal_after_the_own_prevote_is_not_judged_before_a_quorum_names_it() -> None:
    node = Node()
    node.start()
    node.feed(elapsed(TimeoutKind.PROPOSE))
    assert of_type(node.feed(node.offered("x"), value_received("x")), ValidateValue) == []
    assert of_type(node.prevotes("x", B, C), ValidateValue) == []
    assert ValidateValue(1, X, payload("x")) in node.prevotes("x", D)
    node.feed(ValueValidated(1, X, True))
    assert node.driver.certificate is None
    assert of_type(node.precommits("x", B, C, D), Decide)


def test_a_late_proposal_is_judged_when_precommits_certify_it() -> None:
    node = Node()
    node.start()
    node.feed(elapsed(TimeoutKind.PROPOSE), node.offered("x"), value_received("x"))
    assert ValidateValue(1, X, payload("x")) in node.precommits("x", B, C, D)
    assert of_type(node.feed(ValueValidated(1, X, True)), Decide)


def test_a_late_proposal_is_judged_when_it_is_proposed_again() -> None:
    node = Node()
    node.start()
    node.feed(elapsed(TimeoutKind.PROPOSE), node.offered("x"), value_received("x"))
    node.precommits(None, B, C, D)
    node.feed(elapsed(TimeoutKind.PRECOMMIT))
    assert ValidateValue(1, X, payload("x")) in node.feed(node.offered("x", 1))


def test_a_proposal_of_somebody_else_is_dropped() -> None:
    node = Node()
    node.feed(ProposalReceived(proposal("x", validator=C), NOW_MS), *node.valid("x"))
    assert node.signed_votes == []
    assert node.driver.dropped[DropReason.NOT_PROPOSER] == 1


# --- Locks ---


def lock(node: Node, value: str = "x", round: int = 0) -> None:
    """Bring the node to a lock on the value in this round, and to the next round."""
    node.propose(value, round)
    node.prevotes(value, B, C, round=round)
    assert node.signed_votes[-1] == (PRECOMMIT, round, block(value))
    node.precommits(None, B, C, round=round)
    node.feed(elapsed(TimeoutKind.PRECOMMIT, round))
    assert node.driver.round == round + 1


def test_a_locked_node_refuses_another_value_and_keeps_its_own() -> None:
    node = Node()
    lock(node, "x")
    node.propose("y", 1)
    assert node.signed_votes[-1] == (PREVOTE, 1, None)
    node.prevotes(None, B, C, round=1)  # L44 keeps the lock
    node.precommits(None, B, C, round=1)
    node.feed(elapsed(TimeoutKind.PRECOMMIT, 1))
    node.propose("y", 2)
    assert node.signed_votes[-1] == (PREVOTE, 2, None)


def test_L28_a_later_polka_unlocks() -> None:
    node = Node()
    lock(node, "x")
    node.prevotes("y", B, C, D, round=1)  # a polka that the node, without the value, cannot follow in round 1
    node.precommits(None, B, C, D, round=1)
    node.feed(elapsed(TimeoutKind.PRECOMMIT, 1))
    node.feed(node.offered("y", 2, valid_round=1), *node.valid("y"))
    assert node.signed_votes[-1] == (PREVOTE, 2, Y)
    assert asked(node.log, UnsignedVote)[-1].valid_round == 1


def test_L28_waits_for_the_polka() -> None:
    node = Node()
    node.prevotes(None, B, C, round=1)
    node.feed(node.offered("x", 1, valid_round=0), *node.valid("x"))
    assert node.signed_votes == []
    node.prevotes("x", B, C, D, round=0)
    assert node.signed_votes == [(PREVOTE, 1, X)]


def test_L36_polka_seen_after_a_nil_precommit_becomes_the_valid_value_and_is_proposed() -> None:
    node = Node()
    node.feed(elapsed(TimeoutKind.PROPOSE))
    node.start()
    node.feed(elapsed(TimeoutKind.PROPOSE))
    node.prevotes(None, B)
    node.prevotes("x", C)
    node.feed(elapsed(TimeoutKind.PREVOTE))
    assert node.signed_votes == [(PREVOTE, 0, None), (PRECOMMIT, 0, None)]
    node.feed(VoteReceived(prevote(B, "x")))  # B is an equivocator; its vote still completes a polka
    node.prevotes("x", D)
    node.feed(*node.valid("x"))
    node.prevotes(None, B, C, round=3)
    (offer,) = asked(node.log, UnsignedProposal)  # round 3 is ours
    assert (offer.round, offer.block_hash, offer.valid_round) == (3, X, 0)


def test_a_reproposal_carries_its_value_and_its_polka() -> None:
    node = Node()
    lock(node, "x")
    effects = node.prevotes(None, B, C, round=3)
    sent = [effect.message for effect in of_type(effects, Broadcast)]
    assert ValueMessage(1, X, payload("x")) in sent
    assert {prevote(name, "x") for name in (A, B, C)} <= set(sent)


def test_late_validity_still_locks() -> None:
    node = Node()
    node.feed(node.offered("x"), value_received("x"), elapsed(TimeoutKind.PROPOSE))
    assert node.signed_votes == [(PREVOTE, 0, None)]
    node.prevotes("x", B, C, D)
    node.feed(ValueValidated(1, X, True))
    assert node.signed_votes[-1] == (PRECOMMIT, 0, X)


# --- Decisions ---


def test_L49_a_late_proposal_of_an_old_round_decides() -> None:
    node = Node()
    node.start()
    node.precommits("x", B, C, D, round=0)
    node.prevotes(None, B, C, round=2)
    assert node.driver.round == 2
    node.feed(node.offered("x", 0))
    (decision,) = of_type(node.feed(*node.valid("x")), Decide)
    assert (decision.round, decision.block_hash) == (0, X)


def test_L49_a_quorum_of_a_later_round_decides_before_it_is_skipped_to() -> None:
    node = Node()
    node.propose("x")
    node.precommits("x", B, round=1)
    effects = node.precommits("x", C, D, round=1)
    (decision,) = of_type(effects, Decide)
    assert decision.round == 1


def test_L49_a_certificate_decides_whatever_its_signers_told_us() -> None:
    node = Node()
    node.propose("x")
    node.precommits(None, B, C)
    node.precommits("y", B, C)
    (decision,) = of_type(node.feed(CertificateReceived(certificate("x"))), Decide)
    assert decision.certificate == certificate("x")


def test_a_quorum_for_a_value_that_is_not_here_asks_for_it() -> None:
    node = Node()
    assert NeedValue(1, 0, X) not in node.prevotes("x", B, C)
    assert of_type(node.prevotes("x", D), NeedValue) == [NeedValue(1, 0, X)]
    assert of_type(node.precommits("x", B, C, D), NeedValue) == []
    assert ValidateValue(1, X, payload("x")) in node.feed(value_received("x"))
    assert of_type(node.feed(ValueValidated(1, X, True)), Decide)


def test_a_certificate_for_a_value_that_is_not_here_asks_for_it() -> None:
    node = Node()
    assert NeedValue(1, 0, X) in node.feed(CertificateReceived(certificate("x")))


def test_a_quorum_on_a_value_we_hold_invalid_halts_the_node() -> None:
    node = Node()
    node.feed(node.offered("x"), value_received("x"), ValueValidated(1, X, False, "state root differs"))
    (halt,) = of_type(node.precommits("x", B, C, D), Halt)
    assert "state root differs" in halt.reason
    assert X.hex() in halt.reason
    assert node.feed(*node.valid("y"), node.offered("y")) == []
    assert node.driver.outstanding() == [halt]


def test_a_fork_halts_the_node() -> None:
    node = Node()
    node.feed(CertificateReceived(certificate("x")))
    (halt,) = of_type(node.feed(CertificateReceived(certificate("y", 1))), Halt)
    assert "two values are certified" in halt.reason


# --- Skipping, timers ---


def test_L55_a_sender_counts_once() -> None:
    node = Node()
    node.start()
    node.prevotes("x", B, round=4)
    node.precommits("x", B, round=4)
    assert node.driver.round == 0
    node.precommits(None, C, round=4)
    assert node.driver.round == 4


def test_L55_a_proposal_counts_as_its_senders_message() -> None:
    node = Node()
    node.start()
    node.feed(node.offered("x", 4))  # from b
    node.prevotes("x", B, round=4)
    assert node.driver.round == 0
    node.prevotes("x", C, round=4)
    assert node.driver.round == 4


def test_timers_of_each_step() -> None:
    node = Node()
    timers = of_type(node.start(), SetTimer)
    assert {t.timeout.kind: t.duration_ms for t in timers} == {
        TimeoutKind.PROPOSE: TIMING.timeout_ms(TimeoutKind.PROPOSE, 0),
        TimeoutKind.RESEND: TIMING.timeout_ms(TimeoutKind.RESEND, 0),
    }
    node.feed(elapsed(TimeoutKind.PROPOSE))
    node.prevotes("x", B)
    assert [t.timeout.kind for t in of_type(node.prevotes(None, C), SetTimer)] == [TimeoutKind.PREVOTE]
    assert of_type(node.prevotes(None, D), SetTimer) == []
    node.precommits(None, B)
    assert [t.timeout.kind for t in of_type(node.precommits(None, C), SetTimer)] == [TimeoutKind.PRECOMMIT]
    timers = of_type(node.feed(elapsed(TimeoutKind.PRECOMMIT)), SetTimer)
    assert {t.timeout.round for t in timers} == {1}


def test_timers_out_of_place_are_ignored() -> None:
    node = Node()
    node.start()
    stale = [
        elapsed(TimeoutKind.PREVOTE),
        elapsed(TimeoutKind.PROPOSE, round=1),
        elapsed(TimeoutKind.PROPOSE, height=2),
        elapsed(TimeoutKind.RESEND, round=1),
    ]
    assert node.feed(*stale) == []


def test_timeouts_grow_with_the_round_but_not_in_the_first_two() -> None:
    for kind in (TimeoutKind.PROPOSE, TimeoutKind.PREVOTE, TimeoutKind.PRECOMMIT):
        waits = [TIMING.timeout_ms(kind, round) for round in range(6)]
        assert waits[0] == waits[1]
        assert waits[1:] == sorted(set(waits[1:]))


# --- The own key ---


def test_a_value_built_too_late_is_not_proposed() -> None:
    node = Node(own_id=B)
    node.start()
    node.feed(elapsed(TimeoutKind.PROPOSE))
    assert node.feed(built("x")) == []
    assert node.feed(built("x", round=1)) == []


@pytest.mark.parametrize("time_ms", [PARENT_TIME_MS, PARENT_TIME_MS - 5])
def test_an_own_block_before_its_parent_is_our_bug(time_ms: int) -> None:
    node = Node(own_id=B)
    node.start()
    with pytest.raises(ContractViolation):
        node.feed(built("x", time_ms=time_ms))


def test_an_own_vote_that_we_never_cast_halts_the_node() -> None:
    node = Node()
    node.propose("x")
    effects = node.feed(VoteReceived(prevote(A, "y")))
    assert of_type(effects, EvidenceFound)
    assert "another process uses the key" in of_type(effects, Halt)[0].reason


def test_an_own_vote_that_comes_back_from_a_peer_is_fine() -> None:
    node = Node()
    node.propose("x")
    assert node.feed(VoteReceived(prevote(A, "x"))) == []


# --- Evidence ---


def test_a_double_vote_is_reported_once() -> None:
    node = Node()
    node.propose("x")
    node.prevotes("x", D)
    (found,) = of_type(node.prevotes("y", D), EvidenceFound)
    assert (found.evidence.validator, found.evidence.height) == (D, 1)
    assert node.prevotes("y", D) == []
    assert node.prevotes(None, D) == []
    assert node.driver.dropped == {DropReason.REPEATED: 1, DropReason.CONVICTED: 1}


def test_two_proposals_of_one_proposer_are_reported_once_and_the_first_is_judged() -> None:
    node = Node()
    node.propose("x")
    (found,) = of_type(node.feed(node.offered("y")), EvidenceFound)
    assert found.evidence.validator == B
    assert node.feed(node.offered("y"), node.offered("z"), node.offered("x")) == []
    assert node.signed_votes == [(PREVOTE, 0, X)]


def test_the_other_proposal_of_an_equivocating_proposer_can_still_win() -> None:
    node = Node()
    node.propose("x")
    node.feed(node.offered("y"))
    node.prevotes("y", B, C, D)
    node.feed(*node.valid("y"))
    assert node.signed_votes[-1] == (PRECOMMIT, 0, Y)
    (decision,) = of_type(node.precommits("y", B, C), Decide)
    assert decision.block_hash == Y


# --- Heights ---


def decide(node: Node, value: str = "x") -> None:
    node.propose(value)
    node.prevotes(value, B, C)
    assert of_type(node.precommits(value, B, C), Decide)


def test_after_a_decision_the_node_waits_for_the_next_height() -> None:
    node = Node()
    decide(node)
    assert node.precommits("x", D) == []
    assert (
        node.feed(elapsed(TimeoutKind.PRECOMMIT), WorkAvailable(1), CertificateReceived(certificate("x")))
        == []
    )
    node.feed(HeightStarted(2, FOUR, NOW_MS))
    assert (node.driver.height, node.driver.current_step) == (2, Step.NEW_HEIGHT)


def test_messages_of_the_next_height_wait_for_it() -> None:
    node = Node()
    decide(node)
    early: list[Input] = [
        ProposalReceived(proposal("y", height=2), NOW_MS + 100),
        value_received("y", height=2, time_ms=NOW_MS + 100),
        VoteReceived(prevote(C, "y", height=2)),
    ]
    assert node.feed(*early) == []
    effects = node.feed(HeightStarted(2, FOUR, NOW_MS))
    assert ValidateValue(2, Y, payload("y")) in effects
    node.feed(ValueValidated(2, Y, True))
    assert node.signed_votes[-1] == (PREVOTE, 0, Y)


def test_early_messages_can_decide_the_next_height_at_once() -> None:
    node = Node()
    decide(node)
    node.feed(*(VoteReceived(precommit(name, "y", height=2)) for name in (B, C, D)))
    node.feed(value_received("y", height=2, time_ms=NOW_MS + 1))
    effects = node.feed(HeightStarted(2, FOUR, NOW_MS))
    assert ValidateValue(2, Y, payload("y")) in effects
    assert of_type(node.feed(ValueValidated(2, Y, True)), Decide)


def test_a_synced_height_is_abandoned() -> None:
    node = Node()
    node.propose("x")
    assert node.feed(Synced(1)) == []
    assert node.prevotes("x", B, C, D) == []
    assert node.driver.outstanding() == []
    node.feed(HeightStarted(2, FOUR, NOW_MS))
    assert node.driver.height == 2


def test_sync_can_pass_many_heights_and_old_news_is_ignored() -> None:
    node = Node()
    decide(node)
    node.feed(HeightStarted(2, FOUR, NOW_MS), Synced(1))
    assert of_type(node.start(), SetTimer)
    node.feed(Synced(40), HeightStarted(41, FOUR, NOW_MS))
    assert node.driver.height == 41
    assert node.driver.certificate is None


@pytest.mark.parametrize("height", [1, 2])
def test_no_height_starts_while_one_is_open(height: int) -> None:
    node = Node()
    with pytest.raises(ContractViolation, match="open"):
        node.feed(HeightStarted(height, FOUR, NOW_MS))


def test_no_height_starts_twice() -> None:
    node = Node()
    decide(node)
    with pytest.raises(ContractViolation, match="only grow"):
        node.feed(HeightStarted(1, FOUR, NOW_MS))


def test_an_early_quorum_of_the_next_height_leaves_no_message_behind() -> None:
    node = Node()
    node.feed(VoteReceived(precommit(B, "y", height=2)), ValueReceived(2, Y, payload("y"), NOW_MS + 1))
    node.feed(Synced(2), HeightStarted(3, FOUR, NOW_MS))
    assert node.driver.current_step is Step.NEW_HEIGHT


def test_waits_must_be_positive() -> None:
    for delay_ms, precision_ms in ((0, 5), (-1, 5), (5, -1)):
        with pytest.raises(ContractViolation):
            Timing(delay_ms, precision_ms)


def test_a_verdict_on_a_value_that_is_not_here_changes_nothing() -> None:
    node = Node()
    assert node.feed(ValueValidated(1, X, True)) == []


def test_a_certificate_of_the_height_before_outlives_a_synced_height() -> None:
    node = Node()
    decide(node)
    node.feed(HeightStarted(2, FOUR, NOW_MS))
    assert node.driver.certificate is not None


def test_a_node_halted_by_its_own_key_starts_nothing() -> None:
    node = Node()
    effects = node.feed(VoteReceived(prevote(A, "x")), VoteReceived(prevote(A, "y")))
    assert isinstance(effects[-1], Halt)
    node = Node()
    effects = node.feed(CertificateReceived(certificate("x")), CertificateReceived(certificate("y", 1)))
    assert isinstance(effects[-1], Halt)


def test_a_node_halts_once_even_for_two_reasons() -> None:
    node = Node()
    node.feed(node.offered("y", 1), value_received("y"))
    node.feed(CertificateReceived(certificate("x")))
    node.feed(ValueValidated(1, Y, False, "wrong root"))
    assert len(of_type(node.feed(CertificateReceived(certificate("y", 1))), Halt)) == 1
