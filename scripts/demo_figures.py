"""Counting what stands in an export: the figures of the demonstration come from the chain, not from what was intended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client.audit.container import ExportReader, decode_block_payload
from registry.block import decode_block
from registry.entry import decode_entry
from registry.errors import Code
from registry.identifiers import show_id
from registry.operations import TYPE_BY_CLASS
from registry.receipt import Result, decode_receipt


@dataclass(slots=True)
class Figures:
    """Operations by what became of them."""

    height: int = 0
    entries: int = 0
    operations: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    refusals: list[dict[str, Any]] = field(default_factory=list)


def count_export(path: Path) -> Figures:
    """Read the whole export and count."""
    figures = Figures()
    with path.open("rb") as file:
        for frame in ExportReader(file).frames():
            exported = decode_block_payload(frame)
            block = decode_block(exported.block)
            figures.height = block.header.height
            for index, (raw, receipt) in enumerate(zip(block.entries, exported.receipts, strict=True)):
                figures.entries += 1
                for place, (name, result) in enumerate(_results(raw, receipt)):
                    figures.operations += 1
                    if result.code is Code.OK:
                        figures.accepted[name] += 1
                    else:
                        figures.refused[str(result.code)] += 1
                        figures.refusals.append(_refusal(name, result, (figures.height, index, place)))
    return figures


def _results(raw_entry: bytes, raw_receipt: bytes) -> Iterator[tuple[str, Result]]:
    operations = decode_entry(raw_entry).body.operations
    for operation, result in zip(operations, decode_receipt(raw_receipt).results, strict=True):
        yield TYPE_BY_CLASS[type(operation)].name, result


def _refusal(name: str, result: Result, place: tuple[int, int, int]) -> dict[str, Any]:
    collided = result.collided_with
    return {
        "operation": name,
        "code": str(result.code),
        "height": place[0],
        "entry": place[1],
        "index": place[2],
        "collided_with": None
        if collided is None
        else {
            "subject": show_id(collided.subject),
            "height": collided.height,
            "entry": collided.entry_index,
            "operation": collided.operation_index,
        },
        "reasons": [{"word": reason.word, "amount_minor_units": reason.amount} for reason in result.reasons],
    }
