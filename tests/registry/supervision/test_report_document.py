"""The canonical JSON of a report: its bytes are published, and every figure is in it under its name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from registry.errors import Reference
from registry.supervision.alerts import DEFAULT_SETTINGS, Alert, AlertKind, AlertSettings
from registry.supervision.document import canonical_json, digest_of, has_form_of_report, report_bytes
from registry.supervision.figures import CurrencyFigures, Figures
from registry.supervision.fold import Report, ReportRequest
from registry.supervision.observation import Head
from tests.registry.consortium import EXPORTER, FACTOR_1, FACTOR_2

VECTOR = Path(__file__).parents[2] / "vectors" / "report.json"

_NUMBERS = {
    field.name: number
    for number, field in enumerate(fields(CurrencyFigures), 1)
    if field.name not in ("currency", "ageing", "risk_assets")
}
IN_DOLLARS = CurrencyFigures(currency="USD", ageing=(5, 4, 3, 2, 1), risk_assets=None, **_NUMBERS)
OF_FACTOR = Figures(
    member_id=FACTOR_1,
    customers=3,
    customers_by_class=(1, 0, 0, 1, 1),
    debtors=2,
    refused=(("DUPLICATE_PLEDGE", 4),),
    by_currency=(IN_DOLLARS,),
)
OF_SECTOR = Figures(None, 3, (1, 0, 0, 1, 1), 2, (("DUPLICATE_PLEDGE", 4), ("NO_OFFER", 1)), (IN_DOLLARS,))
ALERT = Alert(
    kind=AlertKind.INDIRECT_PAYMENT,
    height=12,
    entry_index=None,
    operation_index=None,
    subject=bytes(range(32)),
    parties=(EXPORTER, FACTOR_1),
    debtor_reference=bytes(32),
    currency="USD",
    amount=700,
    detail=f"{FACTOR_1} {'00' * 32}",
    reference=Reference(bytes(range(32)), 9, 1, 2),
)
OF_NOTHING = Alert(
    AlertKind.CONCENTRATION, 12, None, None, b"", (FACTOR_1,), None, "USD", 2**63 - 1, "related debtors", None
)
REPORT = Report(
    head=Head(bytes(32), 12, bytes([1]) * 32, bytes([2]) * 32, 1_704_067_212_000),
    request=ReportRequest(12, None, from_height=3),
    settings=DEFAULT_SETTINGS,
    figures=OF_SECTOR,
    factors=(OF_FACTOR,),
    standing=(ALERT, OF_NOTHING),
    standing_count=(("indirect_payment", 1), ("concentration", 1)),
    raised=(("duplicate_attempt", 4),),
)


def write() -> None:
    """Write the published document anew: with every change of it, another version."""
    VECTOR.write_bytes(report_bytes(REPORT))


def test_the_published_document_is_what_is_written() -> None:
    assert report_bytes(REPORT) == VECTOR.read_bytes()


def test_the_document_is_in_the_one_form_that_its_fields_have() -> None:
    document = VECTOR.read_bytes()
    assert canonical_json(json.loads(document)) == document
    assert document.endswith(b"}\n")
    assert len(digest_of(document)) == 64


def test_every_figure_and_setting_stands_under_its_own_name() -> None:
    document = json.loads(VECTOR.read_bytes())
    (figures,) = document["figures"]["by_currency"]
    assert set(figures) == {field.name for field in fields(CurrencyFigures)}
    assert {name: figures[name] for name in _NUMBERS} == _NUMBERS
    assert set(document["settings"]) == {field.name for field in fields(AlertSettings)}
    assert set(document["figures"]) - {"scope"} == {field.name for field in fields(Figures)} - {"member_id"}


def test_an_alert_in_a_report_names_nobody_who_may_see_it() -> None:
    document = json.loads(VECTOR.read_bytes())
    assert EXPORTER not in json.dumps(document["alerts"])
    assert FACTOR_2 not in json.dumps(document)


def test_every_figure_and_every_alert_is_explained() -> None:
    page = (Path(__file__).parents[3] / "docs" / "report.md").read_text()
    explained = page.replace(
        "`..._of_risk_assets_bp`", "top_debtor_of_risk_assets_bp related_of_risk_assets_bp risk_assets"
    )
    explained = explained.replace("`_share_bp`", "top_debtor_share_bp related_share_bp")
    for name in ("currency", *(field.name for field in fields(CurrencyFigures)), *AlertKind):
        assert name in explained, name


def spoiled(value: Any, name: str = "") -> Iterator[Any]:
    """The value with one place of it at a time of another type, one field less, or one more."""
    yield 1.5
    if isinstance(value, dict):
        for each, inside in value.items():
            yield from (value | {each: bad} for bad in spoiled(inside, each))
        # Codes and kinds are counted under whatever names.
        if name not in ("refused", "raised", "standing"):
            yield value | {"more": 1}
            yield from ({other: value[other] for other in value if other != each} for each in value)
    elif isinstance(value, list) and value:
        yield from ([bad, *value[1:]] for bad in spoiled(value[0]))


def test_a_report_has_its_form_and_nothing_else_has() -> None:
    document = json.loads(VECTOR.read_text(encoding="utf-8"))
    assert has_form_of_report(document)
    false = list(spoiled(document))
    assert len(false) > 200
    assert not any(map(has_form_of_report, false))
