"""What a node says again, to whom, and what it does after a crash."""

from consensus.certificate import Certificate
from consensus.driver import Driver, Limits
from consensus.effects import (
    Broadcast,
    Decide,
    Effect,
    NeedValue,
    RequestValue,
    SendTo,
    SetTimer,
    SignAndSend,
    ValidateValue,
)
from consensus.inputs import (
    HeightStarted,
    NeedFromPeer,
    PeerConnected,
    ResendDue,
    Timeout,
    TimeoutElapsed,
    TimeoutKind,
    ValueBuilt,
    ValueValidated,
    VoteReceived,
    must_be_journaled,
)
from consensus.messages import UnsignedProposal, UnsignedVote, ValueMessage, VoteType
from tests.consensus.builders import (
    CHAIN_ID,
    FOUR,
    NOW_MS,
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

X = block("x")


def resend(node: Node) -> list[Effect]:
    return node.feed(ResendDue(node.driver.height, node.driver.round))


def said(effects: list[Effect]) -> list[object]:
    return [effect.message for effect in of_type(effects, Broadcast)]


def elapsed(kind: TimeoutKind, round: int = 0) -> TimeoutElapsed:
    return TimeoutElapsed(Timeout(1, round, kind))


# --- Repeating ---


def test_a_resting_node_repeats_nothing() -> None:
    assert resend(Node()) == []


def test_what_was_said_in_the_round_is_repeated_by_whomever() -> None:
    node = Node()
    node.propose("x")
    node.prevotes("x", B, C)
    votes = [prevote(A, "x"), prevote(B, "x"), prevote(C, "x"), precommit(A, "x")]
    assert said(resend(node)) == [proposal("x"), *votes]


def test_both_votes_of_an_equivocator_are_repeated() -> None:
    node = Node()
    node.start()
    node.prevotes("x", B)
    node.prevotes("y", B)
    assert said(resend(node)) == [prevote(B, "x"), prevote(B, "y")]


def test_the_proposer_repeats_proposal_and_value() -> None:
    node = Node(own_id=B)
    node.start()
    node.feed(ValueBuilt(1, 0, X, payload("x"), NOW_MS))
    offer, value, own_vote = said(resend(node))
    assert value == ValueMessage(1, X, payload("x"))
    assert own_vote == prevote(B, "x")
    assert asked(node.log, UnsignedProposal)[0] == getattr(offer, "unsigned", None)


def test_the_precommits_that_opened_the_round_are_repeated_with_the_own_last_ones() -> None:
    node = Node()
    node.feed(elapsed(TimeoutKind.PROPOSE))
    node.start()
    node.feed(elapsed(TimeoutKind.PROPOSE))
    node.prevotes(None, B, C)
    node.precommits(None, B, C)
    node.feed(elapsed(TimeoutKind.PRECOMMIT))
    assert node.driver.round == 1
    repeated = said(resend(node))
    assert {precommit(name, None) for name in (A, B, C)} <= set(repeated)
    assert prevote(A, None) in repeated
    assert len(repeated) == len(set(repeated)) == 4


def test_the_messages_that_made_us_skip_are_repeated() -> None:
    node = Node()
    node.prevotes("x", B, C, round=5)
    assert set(said(resend(node))) == {prevote(B, "x", 5), prevote(C, "x", 5)}


def test_a_reproposal_is_repeated_with_its_polka() -> None:
    node = Node()
    node.propose("x")
    node.prevotes("x", B, C)
    node.prevotes(None, B, C, round=3)
    repeated = said(resend(node))
    assert {prevote(name, "x") for name in (A, B, C)} <= set(repeated)
    assert ValueMessage(1, X, payload("x")) in repeated


def test_from_round_ten_a_locked_node_repeats_value_and_polka() -> None:
    node = Node()
    node.propose("x")
    node.prevotes("x", B, C)
    for round, expected in ((9, False), (10, True)):
        node.prevotes(None, B, C, round=round)
        repeated = said(resend(node))
        assert (ValueMessage(1, X, payload("x")) in repeated) is expected
        assert ({prevote(name, "x") for name in (A, B, C)} <= set(repeated)) is expected


def test_a_node_without_a_lock_repeats_no_value() -> None:
    node = Node()
    node.prevotes(None, B, C, round=12)
    assert not [message for message in said(resend(node)) if isinstance(message, ValueMessage)]


def test_the_resend_timer_repeats_and_sets_itself_again() -> None:
    node = Node()
    node.propose("x")
    effects = node.feed(elapsed(TimeoutKind.RESEND))
    assert said(effects) == [proposal("x"), prevote(A, "x")]
    assert of_type(effects, SetTimer) == [
        SetTimer(Timeout(1, 0, TimeoutKind.RESEND), TIMING.timeout_ms(TimeoutKind.RESEND, 0))
    ]
    assert node.feed(elapsed(TimeoutKind.RESEND, round=1), ResendDue(1, 1), ResendDue(2, 0)) == []


def test_an_observer_passes_on_what_it_heard() -> None:
    node = Node(own_id=None)
    node.propose("x")
    node.prevotes("x", C)
    assert said(resend(node)) == [proposal("x"), prevote(C, "x")]


def test_a_missing_value_is_asked_for_again() -> None:
    node = Node()
    node.prevotes("x", B, C, D)
    assert NeedValue(1, 0, X) in resend(node)
    assert NeedValue(1, 0, X) in resend(node)


def test_a_proposal_without_its_value_is_asked_for_when_the_timer_says() -> None:
    node = Node()
    assert of_type(node.feed(node.offered("x")), NeedValue) == []
    assert of_type(resend(node), NeedValue) == [NeedValue(1, 0, X)]


def test_a_value_with_honest_votes_is_asked_for_when_the_timer_says() -> None:
    node = Node()
    node.prevotes("x", B)
    assert of_type(resend(node), NeedValue) == []
    node.prevotes("x", C)
    assert of_type(resend(node), NeedValue) == [NeedValue(1, 0, X)]


# --- Peers ---


def test_a_peer_that_comes_back_is_told_the_present_round() -> None:
    node = Node()
    node.prevotes(None, B, C, round=5)
    node.feed(elapsed(TimeoutKind.PROPOSE, 5))
    told = [effect.message for effect in of_type(node.feed(PeerConnected(D)), SendTo)]
    assert {prevote(A, None, 5), prevote(B, None, 5), prevote(C, None, 5)} <= set(told)


def test_a_peer_that_comes_back_is_told_the_last_decision() -> None:
    node = _decided()
    certificate = node.driver.certificate
    assert certificate is not None
    assert node.feed(PeerConnected(D)) == [SendTo(D, certificate)]
    node.feed(HeightStarted(2, FOUR, NOW_MS))
    assert node.feed(PeerConnected(D)) == [SendTo(D, certificate)]


def test_a_peer_in_need_gets_the_value() -> None:
    node = Node()
    node.feed(value_received("x"))
    assert node.feed(NeedFromPeer(D, 1, X)) == [SendTo(D, ValueMessage(1, X, payload("x")))]
    assert node.feed(NeedFromPeer(D, 1, block("y")), NeedFromPeer(D, 2, X)) == []


def test_the_decided_value_is_given_until_the_next_height() -> None:
    node = _decided()
    assert of_type(node.feed(NeedFromPeer(D, 1, X)), SendTo)
    node.feed(HeightStarted(2, FOUR, NOW_MS))
    assert node.feed(NeedFromPeer(D, 1, X)) == []


def test_a_straggler_that_repeats_itself_gets_the_certificate() -> None:
    node = _decided()
    node.feed(HeightStarted(2, FOUR, NOW_MS))
    straggling = VoteReceived(prevote(D, "x"))
    assert node.feed(straggling) == []
    assert isinstance(node.driver.certificate, Certificate)
    assert node.feed(straggling) == [SendTo(D, node.driver.certificate)]
    assert node.feed(VoteReceived(precommit(A, "x")), VoteReceived(precommit(A, "x"))) == []


def test_the_memory_of_late_votes_is_bounded() -> None:
    node = Node(limits=Limits(late_votes_max=2))
    _decide(node)
    for round in range(3):
        node.feed(VoteReceived(prevote(D, "x", round)))
    assert node.feed(VoteReceived(prevote(D, "x", 2))) == []
    assert of_type(node.feed(VoteReceived(prevote(D, "x", 1))), SendTo)


# --- After a crash ---


def replayed(node: Node, *, own_id: str = "a") -> Driver:
    """A new core fed what was journaled."""
    driver = Driver(CHAIN_ID, A if own_id == "a" else B, TIMING, Limits())
    for input in node.inputs:
        if must_be_journaled(input):
            driver.step(input)
    return driver


def test_a_replay_asks_for_nothing_that_is_done_and_repeats_what_was_said() -> None:
    node = Node()
    node.propose("x")
    effects = replayed(node).outstanding()
    assert of_type(effects, SignAndSend) == []
    assert said(effects) == [proposal("x"), prevote(A, "x")]


def test_a_vote_that_was_not_signed_before_the_crash_is_signed_after_it() -> None:
    node = Node()
    driver = node.driver
    for input in (
        node.offered("x"),
        *node.valid("x"),
        VoteReceived(prevote(B, "x")),
        VoteReceived(prevote(C, "x")),
    ):
        node.inputs.append(input)
        driver.step(input)
    (sign,) = of_type(replayed(node).outstanding(), SignAndSend)
    assert sign.message == prevote(A, "x").unsigned


def test_two_votes_of_one_step_are_outstanding_in_order() -> None:
    node = Node()
    node.inputs += [VoteReceived(prevote(name, "x")) for name in (B, C, D)]
    node.inputs += [node.offered("x"), *node.valid("x")]
    votes = [sign.message for sign in of_type(replayed(node).outstanding(), SignAndSend)]
    assert votes == [prevote(A, "x").unsigned, precommit(A, "x").unsigned]


def test_timers_are_set_anew() -> None:
    node = Node()
    node.start()
    kinds = [timer.timeout.kind for timer in of_type(replayed(node).outstanding(), SetTimer)]
    assert kinds == [TimeoutKind.RESEND, TimeoutKind.PROPOSE]
    node.feed(elapsed(TimeoutKind.PROPOSE))
    node.prevotes("x", B, C)
    node.precommits("x", B, C, D)
    kinds = [timer.timeout.kind for timer in of_type(replayed(node).outstanding(), SetTimer)]
    assert kinds == [TimeoutKind.RESEND, TimeoutKind.PREVOTE, TimeoutKind.PRECOMMIT]


def test_a_value_being_built_is_requested_again_and_a_built_one_is_proposed() -> None:
    node = Node(own_id=B)
    node.start()
    assert RequestValue(1, 0) in replayed(node, own_id="b").outstanding()
    node.inputs.append(ValueBuilt(1, 0, X, payload("x"), NOW_MS))
    effects = replayed(node, own_id="b").outstanding()
    assert RequestValue(1, 0) not in effects
    assert [sign.message.block_hash for sign in of_type(effects, SignAndSend)] == [X]
    assert Broadcast(ValueMessage(1, X, payload("x"))) in effects


def test_a_judgement_is_asked_for_again() -> None:
    node = Node()
    node.feed(node.offered("x"), value_received("x"))
    assert ValidateValue(1, X, payload("x")) in replayed(node).outstanding()
    node.feed(ValueValidated(1, X, True))
    assert of_type(replayed(node).outstanding(), ValidateValue) == []


def test_a_judgement_lost_in_a_crash_is_asked_for_when_a_quorum_names_the_value() -> None:
    node = Node()
    node.feed(node.offered("x"), value_received("x"), elapsed(TimeoutKind.PROPOSE))
    after = replayed(node)
    assert of_type(after.outstanding(), ValidateValue) == []
    effects = [effect for name in (B, C, D) for effect in after.step(VoteReceived(prevote(name, "x")))]
    assert ValidateValue(1, X, payload("x")) in effects


def test_a_missing_value_is_asked_for_after_a_crash() -> None:
    node = Node()
    node.prevotes("x", B, C, D)
    assert NeedValue(1, 0, X) in replayed(node).outstanding()


def test_a_decision_is_outstanding_until_the_next_height() -> None:
    node = _decided()
    decision = of_type(node.log, Decide)[0]
    assert replayed(node).outstanding() == [decision]
    node.feed(HeightStarted(2, FOUR, NOW_MS))
    assert replayed(node).outstanding() == []


def test_a_replay_ends_in_the_same_state() -> None:
    node = Node()
    node.propose("x")
    node.prevotes("x", B, C)
    node.precommits(None, B, C)
    node.feed(elapsed(TimeoutKind.PRECOMMIT), ResendDue(1, 1), PeerConnected(D), NeedFromPeer(D, 1, X))
    driver = replayed(node)
    following = [VoteReceived(prevote(name, None, round=3)) for name in (B, C)]
    assert [driver.step(input) for input in following] == [node.driver.step(input) for input in following]


def test_repetitions_are_not_journaled() -> None:
    assert not must_be_journaled(elapsed(TimeoutKind.RESEND))
    assert must_be_journaled(elapsed(TimeoutKind.PROPOSE))
    assert not must_be_journaled(PeerConnected(D))
    assert must_be_journaled(VoteReceived(prevote(A, "x")))


def _decide(node: Node) -> None:
    node.propose("x")
    node.prevotes("x", B, C)
    assert of_type(node.precommits("x", B, C), Decide)


def _decided() -> Node:
    node = Node()
    _decide(node)
    assert [v.type for v in asked(node.log, UnsignedVote)] == [VoteType.PREVOTE, VoteType.PRECOMMIT]
    return node
