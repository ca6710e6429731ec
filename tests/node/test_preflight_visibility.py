"""Preflight: a forecast for the parties of an entry, signed or not, and nothing for those who merely name them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from node.api.preflight import Preflight, preflight, receivables_named
from registry.entry import EntryBody, Mode, decode_entry
from registry.operations import Operation
from registry.operations.relationships import DeclareRiskAssets
from tests.registry.assignment_examples import blanket
from tests.registry.consortium import (
    AFFILIATE,
    ASSOCIATION,
    BANK,
    DEBTOR,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    OPEN_POLICY,
    START_DAY,
    Consortium,
    dispute,
    found,
    payment,
    signed,
)


class ConsortiumStore:
    """The state of a consortium as a store that can only be read."""

    def __init__(self, consortium: Consortium) -> None:
        self._consortium = consortium

    @contextmanager
    def read(self) -> Iterator[Any]:
        state = self._consortium.state
        yield SimpleNamespace(
            height=self._consortium.tip.height, value=state.value, page=state.page, due=state.due
        )


@pytest.fixture
def trade() -> Consortium:
    return found()


def ask(
    trade: Consortium,
    caller: str,
    *operations: Operation,
    signers: tuple[str, ...] = (),
    sequence: int = 900,
    **changes: Any,
) -> Preflight:
    """What `caller` hears of an entry that it submits and `signers` have signed."""
    body = EntryBody(
        1, trade.genesis.chain_id, caller, sequence, trade.now_ms + 10**6, Mode.INDEPENDENT, operations
    )
    entry = decode_entry(signed(replace(body, **changes), signers))
    member = trade.working().member(caller)
    assert member is not None
    store: Any = ConsortiumStore(trade)
    return preflight(store, trade.genesis.chain_id, entry, member, trade.now_ms)


def codes(judged: Preflight) -> list[str]:
    return [str(result.code) for result in judged.results]


@pytest.fixture
def receivable(trade: Consortium) -> bytes:
    registered = trade.registered("SECRET", amount=10_000)
    trade.do(trade.assignment(registered, 6_000, FACTOR_2))
    trade.do(trade.pledging(registered, 1_500, FACTOR_1))
    return registered


@pytest.fixture
def receivable_of_limits() -> tuple[Consortium, bytes]:
    """factor-1 may have 5,000 at stake with one debtor."""
    trade = found(replace(OPEN_POLICY, single_debtor_max_percent=50))
    trade.do(DeclareRiskAssets(FACTOR_1, "USD", 10_000, START_DAY), by=FACTOR_1, signed_by=(FACTOR_1,))
    return trade, trade.registered()


def test_stranger_that_names_others_hears_nothing_of_what_they_hold(
    trade: Consortium, receivable: bytes
) -> None:
    probe = trade.assignment(receivable, 2**40, FACTOR_3, assignor=EXPORTER)
    for signers in ((), (AFFILIATE,)):
        judged = ask(trade, AFFILIATE, probe, signers=signers)
        assert (judged.door_code, judged.results) == ("MISSING_SIGNATURE", ())


def test_stranger_that_names_itself_beside_others_hears_nothing_either(
    trade: Consortium, receivable: bytes
) -> None:
    probe = trade.assignment(receivable, 2**40, FACTOR_3, assignor=FACTOR_2)
    for signers in ((), (FACTOR_3,)):
        judged = ask(trade, FACTOR_3, probe, signers=signers)
        assert (judged.door_code, judged.results) == ("MISSING_SIGNATURE", ())


def test_one_operation_of_others_withholds_the_judgement_of_all(trade: Consortium, receivable: bytes) -> None:
    own = trade.assignment(receivable, 100, FACTOR_3)
    foreign = trade.assignment(receivable, 100, FACTOR_3, assignor=FACTOR_2)
    assert ask(trade, EXPORTER, own, foreign).results == ()
    assert ask(trade, EXPORTER, own, foreign, signers=(EXPORTER, FACTOR_2, FACTOR_3)).results == ()


def test_party_hears_the_judgement_of_an_entry_that_nobody_has_signed(
    trade: Consortium, receivable: bytes
) -> None:
    good, excess = (trade.assignment(receivable, amount, FACTOR_3) for amount in (2_500, 2_501))
    judged = ask(trade, EXPORTER, good)
    assert (judged.door_code, codes(judged)) == ("MISSING_SIGNATURE", ["OK"])
    judged = ask(trade, EXPORTER, excess)
    assert judged.door_code == "MISSING_SIGNATURE"
    assert codes(judged) != ["OK"]


def test_assignee_hears_the_judgement_once_all_have_signed(trade: Consortium, receivable: bytes) -> None:
    offered = trade.assignment(receivable, 2_500, FACTOR_3)
    judged = ask(trade, FACTOR_3, offered, signers=(EXPORTER, FACTOR_3))
    assert (judged.door_code, codes(judged)) == ("OK", ["OK"])


def test_sole_party_of_an_operation_needs_no_sight_of_the_record(
    trade: Consortium, receivable: bytes
) -> None:
    reported = payment(receivable, 100, reporter=BANK)
    assert len(ask(trade, BANK, reported).results) == 1


def test_debtor_hears_the_judgement_of_what_it_raises(trade: Consortium, receivable: bytes) -> None:
    assert codes(ask(trade, DEBTOR, dispute(receivable, 777))) == ["OK"]
    assert ask(trade, ASSOCIATION, dispute(receivable, 777)).results == ()


def test_unsigned_entry_is_told_what_the_door_would_refuse_besides(
    trade: Consortium, receivable: bytes
) -> None:
    assignment = trade.assignment(receivable, 100, FACTOR_3)
    late = ask(trade, EXPORTER, assignment, valid_until_ms=trade.now_ms - 1)
    assert late.door_code == "EXPIRED"
    to_a_debtor = replace(assignment, assignee=DEBTOR)
    assert ask(trade, EXPORTER, to_a_debtor).door_code == "NOT_PERMITTED"


def test_forged_signature_is_no_consent(trade: Consortium, receivable: bytes) -> None:
    probe = trade.assignment(receivable, 2**40, FACTOR_3, assignor=FACTOR_2)
    body = EntryBody(
        1, trade.genesis.chain_id, FACTOR_3, 900, trade.now_ms + 10**6, Mode.INDEPENDENT, (probe,)
    )
    entry = decode_entry(signed(body, (FACTOR_2, FACTOR_3)))
    forged = replace(
        entry, signatures=tuple(replace(party, signature=bytes(64)) for party in entry.signatures)
    )
    member = trade.working().member(FACTOR_3)
    assert member is not None
    store: Any = ConsortiumStore(trade)
    judged = preflight(store, trade.genesis.chain_id, forged, member, trade.now_ms)
    assert (judged.door_code, judged.results) == ("BAD_SIGNATURE", ())


def test_a_factor_hears_nothing_of_the_blankets_of_an_exporter_that_has_not_signed(trade: Consortium) -> None:
    trade.do(blanket(trade))
    probe = blanket(trade, FACTOR_2)
    for signers in ((), (FACTOR_2,)):
        assert ask(trade, FACTOR_2, probe, signers=signers).results == ()
    assert codes(ask(trade, EXPORTER, probe)) == ["BLANKET_CONFLICT"]
    assert codes(ask(trade, FACTOR_2, probe, signers=(FACTOR_2, EXPORTER))) == ["BLANKET_CONFLICT"]


def test_an_exporter_does_not_hear_what_a_factor_can_bear(
    receivable_of_limits: tuple[Consortium, bytes],
) -> None:
    trade, registered = receivable_of_limits
    probe = trade.assignment(registered, 10_000)
    refused = ask(trade, EXPORTER, probe).results[0]
    assert (str(refused.code), refused.collided_with, refused.reasons) == ("CONCENTRATION", None, ())
    told = ask(trade, EXPORTER, probe, signers=(EXPORTER, FACTOR_1)).results[0]
    assert [reason.word for reason in told.reasons] == ["exposure", "limit"]
    trade.do(trade.assignment(registered, 1))
    own = ask(trade, FACTOR_1, trade.assignment(registered, 9_999)).results[0]
    assert [reason.word for reason in own.reasons] == ["exposure", "limit"]


def test_each_receivable_is_named_once_in_the_log(trade: Consortium, receivable: bytes) -> None:
    operation = trade.assignment(receivable, 1, FACTOR_3)
    body = EntryBody(1, trade.genesis.chain_id, EXPORTER, 900, 1, Mode.ATOMIC, (operation, operation))
    assert receivables_named(decode_entry(signed(body, ()))) == [receivable]
