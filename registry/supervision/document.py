"""A report as canonical JSON: the bytes that a node and an auditor compare. docs/report.md describes the fields.

Sorted keys, two-space indent, one newline at the end, no character escaped that need not be; integers only, amounts in minor
units. Nothing in it says who made it or when, so that whoever derives the same report writes the same bytes; their SHA-256 names
them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from typing import Any, Final

from ..errors import Reference
from ..identifiers import show_id
from ..operations.governance import EnterpriseClass
from ..policy import OverdueBucket
from .alerts import Alert, AlertSettings
from .figures import CurrencyFigures, Figures
from .fold import Report

FORMAT: Final = "pledgebook-report"
VERSION: Final = 1
SECTOR: Final = "sector"


@dataclass(frozen=True, slots=True)
class _Counts:
    """An object of integers under whatever names."""


_CURRENCY_FORM: Final = {each.name: int for each in fields(CurrencyFigures)} | {
    "currency": str,
    "ageing": {bucket.name.lower(): int for bucket in OverdueBucket},
    **dict.fromkeys(
        ("top_debtor_of_risk_assets_bp", "related_of_risk_assets_bp", "risk_assets"), (int, type(None))
    ),
}
_FIGURES_FORM: Final = {
    "scope": str,
    "customers": int,
    "customers_by_class": {size.name.lower(): int for size in EnterpriseClass},
    "debtors": int,
    "refused": _Counts(),
    "by_currency": [_CURRENCY_FORM],
}
_PLACE_FORM: Final = {"height": int, "entry": int, "operation": int, "subject": str}
_ALERT_FORM: Final = {
    "kind": str,
    "subject": (str, type(None)),
    "currency": str,
    "amount": int,
    "detail": str,
    "reference": (_PLACE_FORM, type(None)),
}
_REPORT_FORM: Final = {
    "format": str,
    "version": int,
    "scope": str,
    "chain_id": str,
    "height": int,
    "block_hash": str,
    "state_root": str,
    "time_ms": int,
    "from_height": int,
    "settings": {each.name: int for each in fields(AlertSettings)},
    "figures": _FIGURES_FORM,
    "factors": [_FIGURES_FORM],
    "alerts": {"raised": _Counts(), "standing": _Counts(), "listed": [_ALERT_FORM]},
}


def has_form_of_report(document: object) -> bool:
    """Whether every field of a report is there, of its type, and no other: who shows one that others made reads no further."""
    return _has_form(document, _REPORT_FORM)


def _has_form(value: object, form: object) -> bool:
    """`form`: a type, an object's fields, a list of one form, or forms of which one must fit."""
    match form:
        case _Counts():
            return isinstance(value, dict) and all(type(each) is int for each in value.values())
        case dict():
            return (
                isinstance(value, dict)
                and value.keys() == form.keys()
                and all(_has_form(value[name], each) for name, each in form.items())
            )
        case list():
            return isinstance(value, list) and all(_has_form(item, form[0]) for item in value)
        case tuple():
            return any(_has_form(value, each) for each in form)
        case _:
            return type(value) is form


def report_bytes(report: Report) -> bytes:
    """The canonical document."""
    return canonical_json(report_document(report))


def canonical_json(document: dict[str, Any]) -> bytes:
    """The one form of these fields."""
    return (json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def digest_of(document: bytes) -> str:
    """The name of a report: the SHA-256 of its bytes, as `sha256sum` prints it."""
    return sha256(document).hexdigest()


def report_document(report: Report) -> dict[str, Any]:
    head, request = report.head, report.request
    return {
        "format": FORMAT,
        "version": VERSION,
        "scope": SECTOR if request.member_id is None else request.member_id,
        "chain_id": head.chain_id.hex(),
        "height": head.height,
        "block_hash": head.block_hash.hex(),
        "state_root": head.state_root.hex(),
        "time_ms": head.time_ms,
        "from_height": request.from_height,
        "settings": asdict(report.settings),
        "figures": _figures(report.figures),
        "factors": [_figures(each) for each in report.factors],
        "alerts": {
            "raised": dict(report.raised),
            "standing": dict(report.standing_count),
            "listed": [_alert(alert) for alert in report.standing],
        },
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "scope": SECTOR if figures.member_id is None else figures.member_id,
        "customers": figures.customers,
        "customers_by_class": {
            size.name.lower(): count
            for size, count in zip(EnterpriseClass, figures.customers_by_class, strict=True)
        },
        "debtors": figures.debtors,
        "refused": dict(figures.refused),
        "by_currency": [_in_currency(each) for each in figures.by_currency],
    }


def _in_currency(figures: CurrencyFigures) -> dict[str, Any]:
    ageing = {bucket.name.lower(): sum_ for bucket, sum_ in zip(OverdueBucket, figures.ageing, strict=True)}
    return asdict(figures) | {"ageing": ageing}


def _alert(alert: Alert) -> dict[str, Any]:
    # Not who may see it: one party of a receivable is not told the others by an alert on it.
    return {
        "kind": alert.kind.value,
        "subject": show_id(alert.subject) if alert.subject else None,
        "currency": alert.currency,
        "amount": alert.amount,
        "detail": alert.detail,
        "reference": _reference(alert.reference),
    }


def _reference(place: Reference | None) -> dict[str, Any] | None:
    if place is None:
        return None
    return {
        "height": place.height,
        "entry": place.entry_index,
        "operation": place.operation_index,
        "subject": show_id(place.subject),
    }
