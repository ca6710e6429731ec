"""What became of an entry, or would become of it: receipts and forecasts, for people and as JSON.

Of a large entry only the operations that were refused are told one by one; the JSON has them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import typer

from registry.errors import Code
from registry.identifiers import show_id
from registry.operations import TYPE_BY_CLASS, Operation

from ..answers import Forecast, Preflight
from ..refusals import advice
from ..verify import ProvenReceipt
from . import output

TOLD_SINGLY_MAX: Final = 10


def show_forecast(
    operations: tuple[Operation, ...], answer: Preflight, *, places: Sequence[str] = (), as_json: bool
) -> bool:
    """Tell how one node thinks that an unsigned entry would be judged; whether nothing stands in its way."""
    names = _names(operations, places)
    forecasts = list(zip(names, answer.forecasts, strict=False))
    is_past_door = passes_once_signed(answer)
    if as_json:
        output.print_json(forecast_document(operations, answer, places=places))
    else:
        door = "passes once it is signed" if is_past_door else f"{answer.door_code}: {answer.door_message}"
        told = [
            (name, forecast)
            for name, forecast in forecasts
            if len(forecasts) <= TOLD_SINGLY_MAX or forecast.code not in (Code.OK, Code.NOT_APPLIED)
        ]
        title = (
            f"Would be judged at height {answer.height} (one node's word, no promise; nothing was signed away); "
            f"at the door: {door}"
        )
        headings = ("operation", "code", "reasons", "what to do")
        rows = [(name, each.code, ", ".join(each.reasons), advice(each.code) or "") for name, each in told]
        if rows:
            output.print_rows(title, headings, rows)
        else:
            typer.echo(title)
        if forecasts and not rows:
            typer.echo(f"All {len(forecasts)} operations would be applied.")
        if not forecasts:
            typer.echo(f"The rules were not judged: {answer.door_message}")
    return is_past_door and bool(forecasts) and all(each.code == Code.OK for each in answer.forecasts)


def passes_once_signed(answer: Preflight) -> bool:
    """Whether the door objects to nothing but that signatures are missing."""
    return answer.door_code in (Code.OK, Code.MISSING_SIGNATURE)


def forecast_document(
    operations: tuple[Operation, ...], answer: Preflight, *, places: Sequence[str] = ()
) -> dict[str, Any]:
    """The JSON form of a forecast."""
    return {
        "dry_run": True,
        "height": answer.height,
        "door": {
            "code": answer.door_code,
            "message": answer.door_message,
            "passes_once_signed": passes_once_signed(answer),
        },
        "operations": [
            {**named, **_forecast_document(forecast)}
            for named, forecast in zip(_named(operations, places), answer.forecasts, strict=False)
        ],
    }


def show_receipt(
    operations: tuple[Operation, ...],
    proven: ProvenReceipt,
    currency: str | None,
    *,
    places: Sequence[str] = (),
    as_json: bool,
) -> None:
    """What became of an entry, and which of its operations failed first. `places`: where each comes from, if one knows."""
    receipt = proven.receipt
    names = _names(operations, places)
    if as_json:
        output.print_json(
            {
                "entry_id": show_id(receipt.entry_id),
                "height": receipt.height,
                "entry": receipt.entry_index,
                "outcome": receipt.outcome.name.lower(),
                "failed_operation": receipt.failed_operation,
                "block_hash": proven.head.block_hash.hex(),
                "proof": "verified" if proven.head.is_verified else "not checked",
                "operations": [
                    {**named, **output.result_document(result)}
                    for named, result in zip(_named(operations, places), receipt.results, strict=True)
                ],
            }
        )
        return
    proof = "receipt verified" if proven.head.is_verified else "RECEIPT NOT VERIFIED"
    if len(names) > TOLD_SINGLY_MAX:
        applied = sum(result.code is Code.OK for result in receipt.results)
        output.print_facts(
            f"{len(names)} operations, {applied} committed at height {receipt.height} ({proof})",
            {"outcome": receipt.outcome.name.lower(), "entry": show_id(receipt.entry_id)},
        )
    if receipt.failed_operation is not None and len(names) > 1:
        typer.echo(f"All or nothing: {names[receipt.failed_operation]} was refused, so none took effect.")
    for name, result in zip(names, receipt.results, strict=True):
        if len(names) > TOLD_SINGLY_MAX and result.code in (Code.OK, Code.NOT_APPLIED):
            continue
        output.print_facts(
            f"{name}: {'committed' if result.code is Code.OK else 'REFUSED'} at height {receipt.height} ({proof})",
            {
                "result": output.describe(result, currency),
                "subject": output.show_subject(result.subject) or "-",
                "entry": show_id(receipt.entry_id),
            },
        )


def show_subjects(operations: tuple[Operation, ...], proven: ProvenReceipt, currency: str | None) -> None:
    """For scripts: the id that each operation is about, one on a line; what was refused goes to stderr, with its reason."""
    for name, result in zip(_names(operations, ()), proven.receipt.results, strict=True):
        if result.code is Code.OK:
            typer.echo(output.show_subject(result.subject) or "-")
        else:
            typer.echo(f"{name}: {output.describe(result, currency)}", err=True)


def _names(operations: tuple[Operation, ...], places: Sequence[str]) -> list[str]:
    """What each operation of an entry is called: by its index too where there are several, and by its place."""
    names = [TYPE_BY_CLASS[type(operation)].name for operation in operations]
    if len(names) > 1:
        names = [f"operation {index}, {name}" for index, name in enumerate(names)]
    return [f"{name} ({place})" for name, place in zip(names, places, strict=True)] if places else names


def _named(operations: tuple[Operation, ...], places: Sequence[str]) -> list[dict[str, str]]:
    named = [{"operation": TYPE_BY_CLASS[type(operation)].name} for operation in operations]
    return [{**name, "place": place} for name, place in zip(named, places, strict=True)] if places else named


def _forecast_document(forecast: Forecast) -> dict[str, Any]:
    return {
        "code": forecast.code,
        "what_to_do": advice(forecast.code),
        "subject": output.show_subject(forecast.subject),
        "collided_with": output.place_document(forecast.collided_with),
        "reasons": list(forecast.reasons),
    }
