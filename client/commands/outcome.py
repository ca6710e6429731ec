"""What became of an entry, or would become of it: receipts and forecasts, for people and as JSON.

Of a large entry only the operations that were refused are told one by one; the JSON has them all.
"""

from __future__ import annotations

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


def show_forecast(operations: tuple[Operation, ...], answer: Preflight, *, as_json: bool) -> bool:
    """Tell how one node thinks that an unsigned entry would be judged; whether nothing stands in its way."""
    names = [TYPE_BY_CLASS[type(operation)].name for operation in operations]
    forecasts = list(zip(names, answer.forecasts, strict=False))
    is_past_door = passes_once_signed(answer)
    if as_json:
        output.print_json(forecast_document(operations, answer))
    else:
        door = "passes once it is signed" if is_past_door else f"{answer.door_code}: {answer.door_message}"
        told = [
            (index, name, forecast)
            for index, (name, forecast) in enumerate(forecasts)
            if len(forecasts) <= TOLD_SINGLY_MAX or forecast.code not in (Code.OK, Code.NOT_APPLIED)
        ]
        output.print_rows(
            f"Would be judged at height {answer.height} (one node's word, no promise; nothing was signed away); "
            f"at the door: {door}",
            ("operation", "code", "reasons", "what to do"),
            [
                (
                    name if len(names) == 1 else f"{index} {name}",
                    forecast.code,
                    ", ".join(forecast.reasons),
                    advice(forecast.code) or "",
                )
                for index, name, forecast in told
            ],
        )
        if not forecasts:
            typer.echo(f"The rules were not judged: {answer.door_message}")
    return is_past_door and bool(forecasts) and all(each.code == Code.OK for each in answer.forecasts)


def passes_once_signed(answer: Preflight) -> bool:
    """Whether the door objects to nothing but that signatures are missing."""
    return answer.door_code in (Code.OK, Code.MISSING_SIGNATURE)


def forecast_document(operations: tuple[Operation, ...], answer: Preflight) -> dict[str, Any]:
    """The JSON form of a forecast."""
    names = [TYPE_BY_CLASS[type(operation)].name for operation in operations]
    return {
        "dry_run": True,
        "height": answer.height,
        "door": {
            "code": answer.door_code,
            "message": answer.door_message,
            "passes_once_signed": passes_once_signed(answer),
        },
        "operations": [
            {"operation": name, **_forecast_document(forecast)}
            for name, forecast in zip(names, answer.forecasts, strict=False)
        ],
    }


def show_receipt(
    operations: tuple[Operation, ...], proven: ProvenReceipt, currency: str | None, *, as_json: bool
) -> None:
    """What became of an entry, and which of its operations failed first."""
    receipt = proven.receipt
    names = [TYPE_BY_CLASS[type(operation)].name for operation in operations]
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
                    {"operation": name, **output.result_document(result)}
                    for name, result in zip(names, receipt.results, strict=True)
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
        typer.echo(f"all or nothing: operation {receipt.failed_operation} was refused, so none took effect")
    for index, (name, result) in enumerate(zip(names, receipt.results, strict=True)):
        if len(names) > TOLD_SINGLY_MAX and result.code in (Code.OK, Code.NOT_APPLIED):
            continue
        place = f" {index}" if len(names) > 1 else ""
        output.print_facts(
            f"{name}{place}: {'committed' if result.code is Code.OK else 'REFUSED'} at height {receipt.height} ({proof})",
            {
                "result": output.describe(result, currency),
                "subject": output.show_subject(result.subject) or "-",
                "entry": show_id(receipt.entry_id),
            },
        )


def _forecast_document(forecast: Forecast) -> dict[str, Any]:
    return {
        "code": forecast.code,
        "what_to_do": advice(forecast.code),
        "subject": output.show_subject(forecast.subject),
        "collided_with": output.place_document(forecast.collided_with),
        "reasons": list(forecast.reasons),
    }
