"""What an audit can find: the checks with their stable ids, the categories of failure, and their exit codes.

Numbers and names of checks and categories appear in reports that are kept for years: none is renamed or reused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final

FINDINGS_MAX: Final = 100  # a report is read by people; beyond this, counts say enough
VALUE_CHARS_MAX: Final = 200  # a file can put a megabyte where a hash belongs
FINDINGS_PER_BLOCK_MAX: Final = 20  # one rotten block must not crowd out the others


class Check(IntEnum):
    """The checks of an offline audit. The text of each is in `TITLES`."""

    CONTAINER = 1
    MANIFEST = 2
    FRAMES = 3
    CANONICAL = 4
    ANCHOR = 5
    CHAIN_ID = 6
    HEIGHTS = 7
    PARENT_HASH = 8
    TIME = 9
    BODY_ROOTS = 10
    HISTORY = 11
    VALIDATORS_HASH = 12
    CERTIFICATE = 13
    LAST_CERTIFICATE = 14
    VALIDATOR_CHANGE = 15
    RIGHT = 16
    SIGNATURES = 17
    FRESHNESS = 18
    ENTRY_IDS = 19
    RULES = 20
    STATE_ROOT = 21
    INVARIANTS = 22
    HEAD = 24
    FORK = 25
    EVIDENCE = 26


TITLES: Final[dict[Check, str]] = {
    Check.CONTAINER: "container magic, version, limits",
    Check.MANIFEST: "manifest agrees with the file",
    Check.FRAMES: "frame lengths, nothing trailing",
    Check.CANONICAL: "every byte decodes canonically",
    Check.ANCHOR: "genesis equals the anchor",
    Check.CHAIN_ID: "chain id in every header and entry",
    Check.HEIGHTS: "heights are contiguous",
    Check.PARENT_HASH: "each block names its parent",
    Check.TIME: "time only moves forward",
    Check.BODY_ROOTS: "entry count and roots of the body",
    Check.HISTORY: "history tree over all earlier blocks",
    Check.VALIDATORS_HASH: "validators and proposer are those the parent announced",
    Check.CERTIFICATE: "a quorum of validators signed each block",
    Check.LAST_CERTIFICATE: "each block carries its parent's certificate",
    Check.VALIDATOR_CHANGE: "validators change only by governance",
    Check.RIGHT: "signers enrolled, keys valid, parties complete",
    Check.SIGNATURES: "entry signatures",
    Check.FRESHNESS: "sequence window and expiry",
    Check.ENTRY_IDS: "no entry twice",
    Check.RULES: "business rules replayed, receipts equal",
    Check.STATE_ROOT: "state root of every block",
    Check.INVARIANTS: "invariants of the rulebook at the end",
    Check.HEAD: "the expected head is reached",
    Check.FORK: "no two certificates for one height",
    Check.EVIDENCE: "recorded evidence of double votes holds",
}


class Category(StrEnum):
    """What kind of failure it is; each has one exit code."""

    MALFORMED = "MALFORMED"
    CORRUPT = "CORRUPT"
    FORGED = "FORGED"
    UNAUTHORISED = "UNAUTHORISED"
    RULE = "RULE"
    FORK = "FORK"
    GAP = "GAP"
    TRUNCATED = "TRUNCATED"
    NO_ANCHOR = "NO_ANCHOR"
    UNSUPPORTED = "UNSUPPORTED"
    LIMIT = "LIMIT"


class Exit(IntEnum):
    """Exit codes of `pledgebook audit`."""

    COMPLETE = 0
    FAILED = 1
    USAGE = 2
    SHORT = 3
    NO_ANCHOR = 4
    FORK = 5
    MALFORMED = 6
    UNSUPPORTED = 7
    INTERNAL = 70


EXIT_BY_CATEGORY: Final[dict[Category, Exit]] = {
    Category.MALFORMED: Exit.MALFORMED,
    Category.CORRUPT: Exit.FAILED,
    Category.FORGED: Exit.FAILED,
    Category.UNAUTHORISED: Exit.FAILED,
    Category.RULE: Exit.FAILED,
    Category.FORK: Exit.FORK,
    Category.GAP: Exit.FAILED,
    Category.TRUNCATED: Exit.SHORT,
    Category.NO_ANCHOR: Exit.NO_ANCHOR,
    Category.UNSUPPORTED: Exit.UNSUPPORTED,
    Category.LIMIT: Exit.MALFORMED,
}

# When findings of several kinds meet, the one that accuses most decides: a fork names culprits, a false signature or rule
# shows intent or a fault of the chain, a malformed byte only shows that the file is not what it should be.
EXIT_PRECEDENCE: Final = (
    Exit.NO_ANCHOR,
    Exit.FORK,
    Exit.FAILED,
    Exit.MALFORMED,
    Exit.UNSUPPORTED,
    Exit.SHORT,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One failure: which check, what kind, where, and what was expected against what was found.

    `offset` counts bytes from the start of the file; `expected` and `found` are texts, hashes in hexadecimal.
    """

    check: Check
    category: Category
    message: str
    height: int | None = None
    entry_index: int | None = None
    offset: int | None = None
    expected: str | None = None
    found: str | None = None


def finding(
    check: Check,
    category: Category,
    message: str,
    *,
    height: int | None = None,
    entry_index: int | None = None,
    offset: int | None = None,
    expected: object = None,
    found: object = None,
) -> Finding:
    """A finding whose values are put into text: bytes in hexadecimal, everything else as it prints."""
    return Finding(check, category, message, height, entry_index, offset, _shown(expected), _shown(found))


def _shown(value: object) -> str | None:
    if value is None:
        return None
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 1] + "…"


@dataclass(frozen=True, slots=True)
class Place:
    """One block of the file, where several findings may be made."""

    height: int
    offset: int

    def finding(
        self,
        check: Check,
        category: Category,
        message: str,
        *,
        entry_index: int | None = None,
        expected: object = None,
        found: object = None,
    ) -> Finding:
        return finding(
            check,
            category,
            message,
            height=self.height,
            entry_index=entry_index,
            offset=self.offset,
            expected=expected,
            found=found,
        )


class CheckFailed(Exception):
    """One check failed in a way that leaves nothing more to read at this place."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@dataclass(slots=True)
class Findings:
    """A bounded list of findings, in the order in which they were made, with the full counts."""

    kept: list[Finding] = field(default_factory=list)
    count_by_check: dict[Check, int] = field(default_factory=dict)
    categories: set[Category] = field(default_factory=set)
    total: int = 0

    def add(self, finding: Finding) -> None:
        self.total += 1
        self.count_by_check[finding.check] = self.count_by_check.get(finding.check, 0) + 1
        self.categories.add(finding.category)
        if len(self.kept) < FINDINGS_MAX:
            self.kept.append(finding)

    def worst_exit(self) -> Exit:
        """The exit code that these findings demand; COMPLETE when there are none."""
        exits = {EXIT_BY_CATEGORY[category] for category in self.categories}
        return next((code for code in EXIT_PRECEDENCE if code in exits), Exit.COMPLETE)
