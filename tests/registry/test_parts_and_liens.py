"""Parts and liens as sets: whatever happens to them, the invariants of the rulebook hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.errors import InvariantViolation, Reference
from registry.receivable import (
    MOVES,
    UNCONFIRMED,
    Confirmation,
    ConfirmationKind,
    Lien,
    Part,
    Phase,
    Receivable,
    check_invariants,
)
from registry.record.future import FutureTerms
from registry.record.liens import fit_liens, junior_of, without_expired, without_lien
from registry.record.parts import after_dilution, after_payment, with_dispute, without_dispute
from tests.registry.consortium import registration

PLACE = Reference(bytes(32), 1, 0, 0)


def parts_of(*amounts: tuple[int, int]) -> tuple[Part, ...]:
    return tuple(
        Part(f"h{n}", amount, disputed, False, PLACE) for n, (amount, disputed) in enumerate(amounts)
    )


def record_of(parts: tuple[Part, ...], liens: tuple[Lien, ...] = ()) -> Receivable:
    operation = registration("A", amount=sum(part.amount for part in parts))
    return Receivable(
        receivable_id=bytes(32),
        place=PLACE,
        exporter="h0",
        debtor_reference=bytes(32),
        currency="USD",
        face_amount=operation.face_amount,
        issue_date=0,
        due_date=1,
        fingerprints=operation.fingerprints,
        evidence=(),
        schedule=(),
        phase=Phase.LIVE,
        confirmation=UNCONFIRMED,
        diluted=0,
        paid=0,
        parts=parts,
        disposals=(),
        liens=liens,
        changed_height=1,
    )


_PARTS = st.lists(
    st.integers(0, 2**62 // 8).flatmap(lambda amount: st.tuples(st.just(amount), st.integers(0, amount))),
    min_size=1,
    max_size=8,
).map(lambda amounts: parts_of(*amounts))


def totals(parts: tuple[Part, ...]) -> tuple[int, int]:
    return sum(part.amount for part in parts), sum(part.disputed for part in parts)


@given(_PARTS, st.data())
def test_a_dispute_adds_up_and_stays_inside_the_parts(parts: tuple[Part, ...], data: st.DataObject) -> None:
    amount, disputed = totals(parts)
    more = data.draw(st.integers(0, amount - disputed))
    after = with_dispute(parts, more)
    assert totals(after) == (amount, disputed + more)
    for before_part, part in zip(parts, after, strict=True):
        assert before_part.disputed <= part.disputed <= part.amount


@given(_PARTS, st.data())
def test_a_freed_dispute_adds_up(parts: tuple[Part, ...], data: st.DataObject) -> None:
    amount, disputed = totals(parts)
    freed = data.draw(st.integers(0, disputed))
    after = without_dispute(parts, freed)
    assert totals(after) == (amount, disputed - freed)
    assert all(0 <= part.disputed <= before.disputed for before, part in zip(parts, after, strict=True))


@given(_PARTS, st.data())
def test_payments_and_dilutions_stay_inside_the_parts(parts: tuple[Part, ...], data: st.DataObject) -> None:
    amount, disputed = totals(parts)
    holder = data.draw(st.sampled_from(parts))
    paid = data.draw(st.integers(0, holder.amount))
    after = after_payment(parts, holder.holder, paid)
    assert totals(after)[0] == amount - paid
    assert all(0 <= part.disputed <= part.amount for part in after)
    diluted = data.draw(st.integers(0, min(disputed, holder.amount)))
    after = after_dilution(parts, holder.holder, diluted)
    assert totals(after) == (amount - diluted, disputed - diluted)
    assert all(0 <= part.disputed <= part.amount for part in after)


def test_a_dispute_falls_on_parts_in_proportion() -> None:
    after = with_dispute(parts_of((60, 0), (30, 0), (10, 0), (0, 0)), 10)
    assert [part.disputed for part in after] == [6, 3, 1, 0]
    after = with_dispute(parts_of((60, 60), (30, 0), (10, 0)), 4)
    assert [part.disputed for part in after] == [60, 3, 1]


# --- liens


def lien(
    number: int, amount: int, behind: int | None = None, pledgor: str = "h0", until_ms: int = 10
) -> Lien:
    identifier = bytes([number]) * 32
    senior = None if behind is None else bytes([behind]) * 32
    return Lien(identifier, pledgor, f"p{number}", amount, until_ms, senior, PLACE)


@st.composite
def pledged_records(draw: st.DrawFn) -> Receivable:
    """One part, first-ranking liens side by side on it, and chains of juniors behind them."""
    amount = draw(st.integers(1, 1_000))
    liens: list[Lien] = []
    left = amount
    for _ in range(draw(st.integers(0, 4))):
        if left == 0:
            break
        size = draw(st.integers(1, left))
        left -= size
        behind = None
        for _ in range(draw(st.integers(1, 3))):
            number = len(liens) + 1
            liens.append(lien(number, size, behind, until_ms=draw(st.integers(1, 20))))
            behind, size = number, draw(st.integers(1, size))
    return record_of(parts_of((amount, 0), (500, 0)), tuple(liens))


@given(pledged_records(), st.integers(0, 21))
def test_expiry_keeps_the_invariants(record: Receivable, time_ms: int) -> None:
    check_invariants(record)
    liens = without_expired(record.liens, time_ms)
    assert [left.lien_id for left in liens] == [
        before.lien_id for before in record.liens if before.until_ms > time_ms
    ]
    check_invariants(replace(record, liens=liens))


@given(pledged_records(), st.data())
def test_a_shrinking_part_keeps_the_invariants(record: Receivable, data: st.DataObject) -> None:
    paid = data.draw(st.integers(0, record.amount_of("h0")))
    shrunk = replace(record, parts=after_payment(record.parts, "h0", paid), paid=paid)
    after = replace(shrunk, liens=fit_liens(shrunk, "h0"))
    check_invariants(after)
    # No more is taken than must be: either the liens fitted before, or they fill the part.
    before, part = record.pledged_by("h0"), after.amount_of("h0")
    assert after.pledged_by("h0") == min(before, part)


@given(pledged_records(), st.data())
def test_release_keeps_the_invariants(record: Receivable, data: st.DataObject) -> None:
    liens = record.liens
    while liens:
        liens = without_lien(liens, data.draw(st.sampled_from(liens)).lien_id)
        check_invariants(replace(record, liens=liens))


def test_liens_of_others_are_left_alone() -> None:
    liens = (lien(1, 50), lien(2, 500, pledgor="h1"), lien(3, 50))
    record = record_of(parts_of((60, 0), (500, 0)), liens)
    after = fit_liens(record, "h0")
    assert [(left.pledgor, left.amount) for left in after] == [("h0", 50), ("h1", 500), ("h0", 10)]
    assert junior_of(liens, liens[0].lien_id) is None


# --- the invariants themselves find what they are there for


_BROKEN: dict[str, dict[str, Any]] = {
    "sum(parts)": {"parts": parts_of((99, 0))},
    "paid + diluted": {"paid": 101, "parts": parts_of((0, 0))},
    "0 <= disputed": {"parts": parts_of((100, 101))},
    "confirmed": {"confirmation": Confirmation(ConfirmationKind.EXPRESS, 101, ())},
    "rejected": {"confirmation": Confirmation(ConfirmationKind.REJECTED, 1, ())},
    "future": {"phase": Phase.FUTURE},
    "cap": {"future": FutureTerms(101, 0)},
    "not negative": {"parts": parts_of((101, 0), (-1, -1))},
    "one part per holder": {"parts": (*parts_of((50, 0)), *parts_of((50, 0)))},
    "liens <= part": {"liens": (lien(1, 60), lien(2, 41))},
    "pledgor holds": {"liens": (lien(1, 1, pledgor="nobody"),)},
    "liens are positive": {"liens": (lien(1, 0),)},
    "closed": {"phase": Phase.CANCELLED, "liens": (lien(1, 1),)},
    "junior": {"liens": (lien(1, 5), lien(2, 6, behind=1))},
    "junior <= senior": {"liens": (lien(2, 5, behind=1),)},
}


@pytest.mark.parametrize("name", list(_BROKEN))
def test_a_broken_invariant_is_found(name: str) -> None:
    good = record_of(parts_of((100, 0)))
    check_invariants(good)
    with pytest.raises(InvariantViolation):
        check_invariants(replace(good, **_BROKEN[name]))


def test_no_end_leads_to_the_other() -> None:
    record = record_of(parts_of((100, 0)))
    owed = {Phase.LIVE, Phase.OVERDUE}
    for end, ways in ((Phase.SETTLED, owed), (Phase.CANCELLED, {Phase.FUTURE, *owed})):
        closed = record.move_to(end)
        assert MOVES[end] == ways
        for phase in set(Phase) - ways:
            with pytest.raises(InvariantViolation):
                closed.move_to(phase)


def test_the_parties_of_a_record_are_all_who_have_or_had_a_part_or_a_lien() -> None:
    record = record_of(parts_of((100, 0), (5, 0)), (lien(1, 1),))
    assert record.parties() == {"h0", "h1", "p1"}
