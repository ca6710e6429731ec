"""Everything that can be wrong with an entry, a block or a proof, as one tree of types and one list of stable codes.

    RegistryError
    |-- EntryRefused          refused at the door: no receipt, and a block that contains it is invalid
    |   |-- MalformedEntry    the bytes are wrong
    |   |-- BadSignature      a signature does not verify, or a key is degenerate
    |   |-- NotPermitted      unknown signer, missing signature, wrong role, suspended
    |   `-- NotFresh          replayed, expired, or made for another chain
    |-- RuleViolation         well-formed and permitted, but a rule of the rulebook says no: a receipt on the chain
    |-- BlockInvalid          a block that no correct validator proposes
    |-- UpgradeNeeded         the association has decided that this software goes no further
    |-- GenesisInvalid        a genesis document that cannot start a chain
    |-- ProofInvalid          a proof that does not show what it claims
    |-- StoreCorrupt          bytes that this node itself stored do not read back
    `-- InvariantViolation    our own bug; never raised on foreign data

Codes are part of the chain's format: receipts carry them as text, so a code is never renamed or reused.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """Stable result codes. Order inside a group is the order of precedence in which they are judged."""

    OK = "OK"
    NOT_APPLIED = "NOT_APPLIED"  # an atomic entry failed at another operation

    # At the door: shape, signatures and right, freshness (RULEBOOK, "How an entry is judged", 1-3).
    MALFORMED = "MALFORMED"
    WRONG_CHAIN = "WRONG_CHAIN"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    UNKNOWN_SIGNER = "UNKNOWN_SIGNER"
    NOT_PERMITTED = "NOT_PERMITTED"
    MISSING_SIGNATURE = "MISSING_SIGNATURE"
    SUSPENDED = "SUSPENDED"
    REPLAYED = "REPLAYED"
    EXPIRED = "EXPIRED"
    QUOTA = "QUOTA"

    # Common to many operations.
    UNKNOWN_RECEIVABLE = "UNKNOWN_RECEIVABLE"
    FROZEN = "FROZEN"
    OBJECTED = "OBJECTED"
    CLOSED = "CLOSED"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    AMOUNT_NOT_POSITIVE = "AMOUNT_NOT_POSITIVE"
    LIMIT_REACHED = "LIMIT_REACHED"

    # Evidence and existence.
    DUPLICATE_RECEIVABLE = "DUPLICATE_RECEIVABLE"
    DUPLICATE_DELIVERY = "DUPLICATE_DELIVERY"
    BAD_IDENTIFIER = "BAD_IDENTIFIER"
    TENOR = "TENOR"
    SCHEDULE_SUM = "SCHEDULE_SUM"
    NO_TRADE_EVIDENCE = "NO_TRADE_EVIDENCE"
    AMOUNT_MISMATCH = "AMOUNT_MISMATCH"
    ALREADY_REJECTED = "ALREADY_REJECTED"
    OVER_OUTSTANDING = "OVER_OUTSTANDING"
    NO_DISPUTE = "NO_DISPUTE"
    NOT_FUTURE = "NOT_FUTURE"
    OVER_CAP = "OVER_CAP"
    QUANTITY_EXCEEDED = "QUANTITY_EXCEEDED"
    ALREADY_CONFIRMED = "ALREADY_CONFIRMED"
    NO_OPT_IN = "NO_OPT_IN"
    TOO_EARLY = "TOO_EARLY"
    DUPLICATE_CREDIT_NOTE = "DUPLICATE_CREDIT_NOTE"
    NOT_CLERICAL = "NOT_CLERICAL"
    HOLDER_CONSENT = "HOLDER_CONSENT"
    ENCUMBERED = "ENCUMBERED"

    # Assignment and security.
    FINGERPRINT_MISMATCH = "FINGERPRINT_MISMATCH"
    NOT_HOLDER = "NOT_HOLDER"
    DUPLICATE_PLEDGE = "DUPLICATE_PLEDGE"
    EMPTY_PLEDGE = "EMPTY_PLEDGE"
    EMPTY_ASSIGNMENT = "EMPTY_ASSIGNMENT"
    PLEDGED = "PLEDGED"
    RESERVED = "RESERVED"
    UNCONFIRMED = "UNCONFIRMED"
    NOT_WHITELISTED = "NOT_WHITELISTED"
    PAST_DUE = "PAST_DUE"
    RELATED_PARTY = "RELATED_PARTY"
    CONCENTRATION = "CONCENTRATION"
    RESALE_BARRED = "RESALE_BARRED"
    SUSPICION_NOT_ACKNOWLEDGED = "SUSPICION_NOT_ACKNOWLEDGED"
    NO_OFFER = "NO_OFFER"
    NO_RECOURSE = "NO_RECOURSE"
    NOT_DUE = "NOT_DUE"
    BLANKET_CONFLICT = "BLANKET_CONFLICT"
    NO_NOTICE = "NO_NOTICE"
    NOT_LIENHOLDER = "NOT_LIENHOLDER"
    LATE = "LATE"
    TERM = "TERM"
    NO_DEFAULT = "NO_DEFAULT"

    # Collection.
    OVERPAYMENT = "OVERPAYMENT"
    REFERENCE_REUSED = "REFERENCE_REUSED"
    OUTSTANDING = "OUTSTANDING"
    NOT_INDIRECT = "NOT_INDIRECT"
    UNKNOWN_PAYMENT = "UNKNOWN_PAYMENT"

    # Cover and pools.
    NO_COVER = "NO_COVER"
    INELIGIBLE = "INELIGIBLE"
    DOUBLE_COVER = "DOUBLE_COVER"
    OVER_LIMIT = "OVER_LIMIT"
    UNKNOWN_POOL = "UNKNOWN_POOL"
    NOT_IN_POOL = "NOT_IN_POOL"
    IN_OTHER_POOL = "IN_OTHER_POOL"
    SHORTFALL = "SHORTFALL"

    # Restraint.
    ABUSE = "ABUSE"
    NO_OBJECTION = "NO_OBJECTION"
    NO_ORDER = "NO_ORDER"
    BAD_FORMAT = "BAD_FORMAT"

    # Governance.
    ALREADY_ENROLLED = "ALREADY_ENROLLED"
    UNKNOWN_MEMBER = "UNKNOWN_MEMBER"
    EXPELLED = "EXPELLED"
    IDENTIFIER_IN_USE = "IDENTIFIER_IN_USE"
    KEY_IN_USE = "KEY_IN_USE"
    UNKNOWN_KEY = "UNKNOWN_KEY"
    NO_QUORUM = "NO_QUORUM"
    ALREADY_IN_FORCE = "ALREADY_IN_FORCE"
    CHANGE_PENDING = "CHANGE_PENDING"
    NOT_CLOSED = "NOT_CLOSED"
    UNKNOWN_FINGERPRINT = "UNKNOWN_FINGERPRINT"
    ALREADY_DECLARED = "ALREADY_DECLARED"
    UNKNOWN_RELATIONSHIP = "UNKNOWN_RELATIONSHIP"


class RegistryError(Exception):
    """Root of the tree. `details` holds the values that broke the rule, never a secret."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class EntryRefused(RegistryError):
    """The entry is refused at the door with a stable code; it never enters a block."""

    def __init__(self, code: Code, message: str, **details: object) -> None:
        super().__init__(message, **details)
        self.code = code


class MalformedEntry(EntryRefused):
    """The bytes are not a canonical entry; `path` names the field."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(Code.MALFORMED, f"{path}: {message}" if path else message, path=path)
        self._problem = message
        self._path = path

    def inside(self, outer: str) -> MalformedEntry:
        """The same failure, of a field of `outer`. Only a failure pays for putting its path together."""
        dot = "." if outer and self._path and not self._path.startswith("[") else ""
        return MalformedEntry(self._problem, path=f"{outer}{dot}{self._path}")


class BadSignature(EntryRefused):
    """A signature does not verify under the key that is named beside it."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(Code.BAD_SIGNATURE, message, **details)


class NotPermitted(EntryRefused):
    """The signers have no right to this entry (UNKNOWN_SIGNER, NOT_PERMITTED, MISSING_SIGNATURE, SUSPENDED)."""


class NotFresh(EntryRefused):
    """The entry is a replay, has expired, or was signed for another chain."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a refused operation collided with: an id, and the place on the chain that put it there."""

    subject: bytes
    height: int
    entry_index: int
    operation_index: int

    @property
    def rank(self) -> tuple[int, int, int]:
        """What priority goes by: block, entry in it, operation in that. The earlier one is the smaller."""
        return self.height, self.entry_index, self.operation_index


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an amount is not free: a word of the glossary and the amount in minor units that it takes away."""

    word: str
    amount: int


class RuleViolation(RegistryError):
    """A rule of the rulebook refuses the operation. It is ordered all the same and its refusal stands on the chain."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        collided_with: Reference | None = None,
        reasons: tuple[Reason, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.collided_with = collided_with
        self.reasons = reasons


class BlockInvalid(RegistryError):
    """The block breaks a rule that every correct proposer keeps; validators vote nil on it."""


class UpgradeNeeded(RegistryError):
    """A scheduled halt has been reached and this software does not know the rules that follow; install those, go on."""


class GenesisInvalid(RegistryError):
    """The genesis document cannot start a chain; the message says which field and what it must be."""


class ProofInvalid(RegistryError):
    """The proof does not show what it claims; keep the answer as evidence against the node that gave it."""


class StoreCorrupt(RegistryError):
    """Bytes stored by this node do not read back; the node must stop and say what and where."""


class InvariantViolation(RegistryError):
    """An invariant of our own does not hold: a bug. Stop; never continue on a wrong state."""
