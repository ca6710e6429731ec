"""What an alert is: its kind, whom and what it is about, and where on the chain it was raised.

An alert says nothing that the chain does not say; it saves looking. `entry_index` and `operation_index` lead to the receipt that
proves it, and are None where only time has passed: then the record itself proves it.
Source: RULEBOOK, "Alerts and supervisor figures".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..errors import Reference


class AlertKind(StrEnum):
    """The words are stable: they stand in reports and answers."""

    DUPLICATE_ATTEMPT = "duplicate_attempt"
    EMPTY_ATTEMPT = "empty_attempt"
    SUSPICION = "suspicion"
    RELATED_PARTY = "related_party"
    CYCLE = "cycle"
    INDIRECT_PAYMENT = "indirect_payment"
    OVERDUE = "overdue"
    DUE_SOON = "due_soon"
    LIEN_EXPIRING = "lien_expiring"
    REGISTRATION_EXPIRING = "registration_expiring"
    CONCENTRATION = "concentration"
    POOL_SHORTFALL = "pool_shortfall"
    DILUTION_RATE = "dilution_rate"
    STALE_ATTESTATION = "stale_attestation"


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """From when on something is worth an alert. Part of every report, so that two can be compared.

    Days are days of UTC. `dilution_percent` is of the face amount. An attestation is stale `attestation_days` after the newest one.
    """

    due_soon_days: int = 7
    expiry_days: int = 30
    dilution_percent: int = 10
    attestation_days: int = 180


DEFAULT_SETTINGS: Final = AlertSettings()


@dataclass(frozen=True, slots=True)
class Alert:
    """`subject` is a receivable's or a pool's id, or empty. `parties`, in order, may see it, as may the debtor and the readers of
    all.

    `detail` says what of the subject: a refusal's code, an overdue bucket, a lien, a factor, a debtor. `reference` is what on the
    chain it goes back to, or what an attempt collided with. `amount` is in minor units of `currency`, 0 where there is none.
    """

    kind: AlertKind
    height: int
    entry_index: int | None
    operation_index: int | None
    subject: bytes
    parties: tuple[str, ...]
    debtor_reference: bytes | None
    currency: str
    amount: int
    detail: str
    reference: Reference | None
