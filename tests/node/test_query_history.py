"""The history of queries on disk: bounded, fair between members, there after a restart."""

from __future__ import annotations

from pathlib import Path

import lmdb
import msgpack
import pytest

from node.query_history import (
    QUESTIONS_MAX,
    REPEATED_MS,
    HistoryDamaged,
    QueryHistory,
    Question,
    Questions,
    remembered,
)

CHAIN = bytes(32)


def question(asker: str = "factor", at_ms: int = 1_000, purpose: str = "why") -> Question:
    return Question(asker, "status", purpose, at_ms, at_ms)


def test_repeated_question_is_counted_and_not_kept_twice() -> None:
    kept = remembered(Questions(), [question(at_ms=5), question(at_ms=4 + REPEATED_MS)]).kept
    assert kept == (Question("factor", "status", "why", 5, 4 + REPEATED_MS, 2),)


def test_same_question_after_an_hour_is_another_one() -> None:
    kept = remembered(Questions(), [question(at_ms=5), question(at_ms=5 + REPEATED_MS)]).kept
    assert [each.times for each in kept] == [1, 1]


def test_question_of_another_purpose_is_another_one() -> None:
    assert len(remembered(Questions(), [question(purpose="a"), question(purpose="b")]).kept) == 2


def test_oldest_gives_way_and_is_counted() -> None:
    new = [question(f"member-{number}", number) for number in range(QUESTIONS_MAX + 3)]
    after = remembered(Questions(), new)
    assert after.forgotten == 3
    assert [each.asker for each in after.kept] == [each.asker for each in new[3:]]


def test_many_questions_of_one_member_do_not_push_out_that_of_another() -> None:
    before = remembered(Questions(), [question("snooper", 1)])
    after = remembered(before, [question("accomplice", 2 + n, str(n)) for n in range(5 * QUESTIONS_MAX)])
    assert len(after.kept) == QUESTIONS_MAX
    assert after.kept[0].asker == "snooper"


def test_questions_are_there_after_a_restart(tmp_path: Path) -> None:
    history = QueryHistory.open(tmp_path / "queries", CHAIN)
    history.note({b"a" * 32: [question()], b"b" * 32: [question("other")]})
    history.close()
    history = QueryHistory.open(tmp_path / "queries", CHAIN)
    assert history.of(b"a" * 32) == Questions((question(),))
    assert history.of(b"c" * 32) == Questions()
    history.close()


def test_receivable_that_was_asked_about_the_longest_ago_gives_way_to_the_size(tmp_path: Path) -> None:
    history = QueryHistory.open(tmp_path / "queries", CHAIN, bytes_max=1_000)
    names = [bytes([number]) * 32 for number in range(50)]
    for at_ms, name in enumerate(names):
        history.note({name: [question(at_ms=at_ms)], names[0]: [question("again", at_ms)]})
    left = [name for name in names if history.of(name).kept]
    assert 5 < len(left) < 20
    assert left == [names[0], *names[-len(left) + 1 :]]
    history.close()


def test_size_holds_while_lists_are_replaced_over_and_over(tmp_path: Path) -> None:
    history = QueryHistory.open(tmp_path / "queries", CHAIN, bytes_max=1 << 20)
    for at_ms in range(60):
        purpose = f"{at_ms} " + "x" * 190
        history.note({bytes([n]) * 32: [question(f"member-{n}", at_ms, purpose)] for n in range(250)})
    history.close()
    assert (tmp_path / "queries" / "data.mdb").stat().st_size <= 16 << 20


def test_history_of_another_chain_is_set_aside(tmp_path: Path) -> None:
    for chain_id in (CHAIN, b"x" * 32):
        history = QueryHistory.open(tmp_path / "queries", chain_id)
        assert history.of(b"a" * 32) == Questions()
        history.note({b"a" * 32: [question()]})
        history.close()
    assert (tmp_path / "queries.aside").is_dir()


def test_damaged_file_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "data.mdb").write_bytes(b"no database" * 1_000)
    QueryHistory.open(tmp_path / "queries", CHAIN).close()
    assert (tmp_path / "queries.aside" / "data.mdb").is_file()


@pytest.mark.parametrize("value", [b"", b"\xc1", msgpack.packb([0, [["too", "few"]]])])
def test_list_that_does_not_read_back_is_named(tmp_path: Path, value: bytes) -> None:
    environment = lmdb.open(str(tmp_path / "queries"), max_dbs=3)
    asked = environment.open_db(b"asked")
    with environment.begin(write=True) as transaction:
        transaction.put(b"a" * 32, value, db=asked)
    environment.close()
    history = QueryHistory.open(tmp_path / "queries", CHAIN)
    with pytest.raises(HistoryDamaged):
        history.of(b"a" * 32)
    with pytest.raises(HistoryDamaged):
        history.note({b"a" * 32: [question()]})
    history.close()
