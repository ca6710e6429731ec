"""The canonical JSON of a report: its bytes are published, and every figure is in it under its name."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

from registry.errors import Reference
from registry.supervision.alerts import DEFAULT_SETTINGS, Alert, AlertKind, AlertSettings
from registry.supervision.document import canonical_json, digest_of, report_bytes
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
