"""A pool as a client is told of it: proven to be the one that was asked for, or proven to be absent."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from client.unverified import UncheckedChain
from client.verify import Head, TrustedChain
from node.api.visibility import may_see_pool
from registry.errors import ProofInvalid
from registry.member import Member
from registry.operations.governance import Role
from tests.client.answers_of import falsified, pool_answer
from tests.registry.consortium import AFFILIATE, EXPORTER, FACTOR_1, FACTOR_2, Consortium, found
from tests.registry.pool_examples import pooled, present, run_a_pool

UNKNOWN = bytes(31) + b"\x01"


@pytest.fixture
def trade() -> tuple[Consortium, bytes, Head]:
    consortium = found()
    pool = run_a_pool(consortium)
    block = consortium.blocks[-1].block
    return consortium, pool, Head(block.header, block.block_hash, block.header_bytes, b"")


def test_a_proven_pool_is_the_one_that_was_asked_for(trade: tuple[Consortium, bytes, Head]) -> None:
    consortium, pool, head = trade
    chain = TrustedChain(consortium.genesis)
    answer = pool_answer(consortium.state, pool)
    proven = chain.check_pool(head, pool, answer)
    assert proven.pool == present(consortium, pool)
    assert UncheckedChain().check_pool(head, pool, answer) == proven
    for what, changed in falsified(answer):
        with pytest.raises(ProofInvalid):
            pytest.fail(f"accepted: {what}: {chain.check_pool(head, pool, changed)}")


def test_the_absence_of_a_pool_is_proven(trade: tuple[Consortium, bytes, Head]) -> None:
    consortium, _pool, head = trade
    chain = TrustedChain(consortium.genesis)
    answer = pool_answer(consortium.state, UNKNOWN)
    assert chain.check_pool(head, UNKNOWN, answer).pool is None
    assert UncheckedChain().check_pool(head, UNKNOWN, answer).pool is None
    for what, changed in falsified(answer):
        with pytest.raises(ProofInvalid):
            pytest.fail(f"accepted: {what}: {chain.check_pool(head, UNKNOWN, changed)}")


def test_one_pool_is_not_taken_for_another(trade: tuple[Consortium, bytes, Head]) -> None:
    consortium, pool, _head = trade
    other = pooled(consortium)
    block = consortium.blocks[-1].block
    head = Head(block.header, block.block_hash, block.header_bytes, b"")
    check = partial(TrustedChain(consortium.genesis).check_pool, head, pool)
    with pytest.raises(ProofInvalid):
        check(pool_answer(consortium.state, other))
    with pytest.raises(ProofInvalid):
        check(pool_answer(consortium.state, UNKNOWN))


def test_a_pool_is_for_its_parties_and_those_who_watch_over_all(
    trade: tuple[Consortium, bytes, Head],
) -> None:
    consortium, identifier, _head = trade
    pool = present(consortium, identifier)

    def member(member_id: str) -> Member:
        found_member = consortium.working().member(member_id)
        assert found_member is not None
        return found_member

    assert [may_see_pool(member(each), pool) for each in (EXPORTER, FACTOR_1)] == [True, True]
    assert [may_see_pool(member(each), pool) for each in (AFFILIATE, FACTOR_2)] == [False, False]
    for role in (Role.ASSOCIATION, Role.AUDITOR, Role.COURT):
        assert may_see_pool(replace(member(FACTOR_2), roles=(role,)), pool)
