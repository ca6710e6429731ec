"""Case numbers: whether one names a case to who reads it, and whether two name the same.

A party that writes a number which shows as nothing would have an order, or an objection without end, that nobody can look up.
Guarantees: the answer is the same on every node, because it asks one fixed edition of Unicode. Leaves to others: what is well
formed as text (`registry.codec`), and whether a court knows the case.
"""

from __future__ import annotations

import unicodedata
from typing import Final

# Letters, marks and a symbol that are there for other characters' sake, and show as nothing when they stand alone. Unusual spaces and
# control characters do not come so far: they are no text.
_BLANK: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\uffa0") | frozenset(
    map(chr, range(0xFE00, 0xFE10))
)
# An edition that no later interpreter changes: else two nodes could judge one operation differently.
_UNICODE: Final = unicodedata.ucd_3_2_0


def names_a_case(case_number: str) -> bool:
    """Whether at least one letter or digit of it can be read."""
    return any(_UNICODE.category(char)[0] in "LN" for char in _legible(case_number))


def is_same_case(left: str, right: str) -> bool:
    """Whether they read alike: a space more or less, or what shows as nothing, is no other case."""
    return _legible(left) == _legible(right)


def _legible(text: str) -> str:
    return "".join(char for char in text if char != " " and char not in _BLANK)
