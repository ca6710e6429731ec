"""A portfolio as a CSV file: what is read, and every fault with its place."""

from __future__ import annotations

import io

import pytest

from client.errors import InputError
from client.importers.assignments import FILE_BYTES_MAX, AssignmentRow, read_assignments
from registry.identifiers import show_id
from registry.limits import OPERATIONS_MAX, SUSPICIONS_MAX

FIRST, SECOND, THIRD = (show_id(bytes([number]) * 32) for number in (1, 2, 3))
HEAD = "receivable,amount,with_recourse,bar_resale,acknowledge"


def read(*lines: str) -> tuple[list[AssignmentRow], list[str]]:
    rows, problems = read_assignments(io.BytesIO("\n".join(lines).encode()))
    return rows, [str(problem) for problem in problems]


def test_a_row_is_one_assignment() -> None:
    rows, problems = read(HEAD, f"{FIRST}, 12.50 ,yes,no,{THIRD} {SECOND}", "", f"{SECOND},7,,,")
    assert problems == []
    assert rows == [
        AssignmentRow(2, bytes([1]) * 32, "12.50", True, False, (bytes([2]) * 32, bytes([3]) * 32)),
        AssignmentRow(4, bytes([2]) * 32, "7", False, False, ()),
    ]


def test_two_columns_are_enough_in_any_order_and_with_a_byte_order_mark() -> None:
    rows, _ = read_assignments(io.BytesIO(f"\ufeffamount,receivable\r\n5,{FIRST}\r\n".encode()))
    assert [(row.amount, row.receivable) for row in rows] == [("5", bytes([1]) * 32)]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("nonsense,1,,,", "line 2, column receivable: "),
        (f"{FIRST},,,,", "line 2, column amount: is empty"),
        (f"{FIRST},1,maybe,,", "line 2, column with_recourse: 'maybe': write yes or no"),
        (f"{FIRST},1,,YES,", "line 2, column bar_resale: 'YES': write yes or no"),
        (f"{FIRST},1,,,{SECOND} x", "line 2, column acknowledge: "),
        (f"{FIRST},1,,,{' '.join([SECOND] * (SUSPICIONS_MAX + 1))}", "line 2, column acknowledge: names 17"),
    ],
)
def test_a_fault_is_told_with_its_line_and_column(row: str, problem: str) -> None:
    rows, problems = read(HEAD, row)
    assert (rows, len(problems)) == ([], 1)
    assert problems[0].startswith(problem)


def test_all_faults_of_a_file_are_told_at_once() -> None:
    _, problems = read(HEAD, "x,,what,,", f"{FIRST},1,,,", f"{FIRST},2,,,")
    assert [problem.split(":")[0] for problem in problems] == [
        "line 2, column receivable",
        "line 2, column amount",
        "line 2, column with_recourse",
        "line 4, column receivable",
    ]
    assert "stands in line 3 already" in problems[-1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1: the columns are"),
        (b"receivable\n", "missing amount"),
        (b"receivable,amount,price\n", "not known or twice: price"),
        (b"receivable,amount,amount\n", "not known or twice"),
        (b"receivable,amount\n", "names no receivable"),
        (b"receivable,amount\n1,2,3\n", "line 2: 3 fields"),
        (b'receivable,amount\n"1,2\n', "not readable as CSV"),
        (b"receivable,amount\n\xff,1\n", "not UTF-8 at byte 18"),
        (b"x" * (FILE_BYTES_MAX + 1), "longer than"),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_assignments(io.BytesIO(content))


def test_one_entry_has_a_thousand_assignments_and_no_more() -> None:
    lines = [f"{number:064x},1" for number in range(1, OPERATIONS_MAX + 2)]
    rows, problems = read("receivable,amount", *lines[:-1])
    assert (len(rows), problems) == (OPERATIONS_MAX, [])
    with pytest.raises(InputError, match="at most 1000 go into one entry"):
        read("receivable,amount", *lines)
