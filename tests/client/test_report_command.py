"""`pledgebook report` from an export, and a report as a table or a workbook."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from client.answers import AlertBatch, RaisedAlert
from client.audit.container import write_export
from client.cli import run
from client.commands.reporting import _shown
from client.report_files import csv_bytes, xlsx_bytes
from tests.client.audit.chain_builder import (
    DAY_MS,
    GENESIS_TIME_MS,
    ChainBuilder,
    assign,
    member_id_of,
    pledge,
    registered,
)
from tests.client.audit.test_export_container import blocks_of

_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@dataclass(frozen=True, slots=True)
class Exported:
    """An export and its genesis document on disk."""

    file: Path
    genesis: Path
    head: str


@pytest.fixture
def exported(tmp_path: Path) -> Exported:
    chain = ChainBuilder()
    registration = chain.register(amount=100_000)
    entry = chain.entry("exporter-1", registration)
    chain.commit([entry])
    receivable = registered(entry)
    both = ("exporter-1", "factor-1")
    chain.commit([chain.entry("exporter-1", assign(receivable, registration, 60_000), signers=both)])
    chain.commit([chain.entry("exporter-1", pledge(receivable, registration, 60_000), signers=both)])
    chain.commit(time_ms=GENESIS_TIME_MS + 75 * DAY_MS)
    genesis = tmp_path / "genesis.json"
    genesis.write_bytes(chain.document)
    file = tmp_path / "chain.pbk"
    return Exported(file, genesis, str(write_export(file, chain.genesis.chain_id, blocks_of(chain))))


def report(exported: Exported, *arguments: str) -> int:
    return run(("report", "--export", str(exported.file), "--genesis", str(exported.genesis), *arguments))


def document(exported: Exported, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert report(exported, *arguments) == 0
    fields: dict[str, Any] = json.loads(capsys.readouterr().out)
    return fields


def test_figures_are_those_of_the_height(exported: Exported, capsys: pytest.CaptureFixture[str]) -> None:
    fields = document(exported, capsys, "--sector", "--head", exported.head)
    (figures,) = fields["figures"]["by_currency"]
    assert (fields["height"], fields["scope"]) == (4, "sector")
    assert (figures["currency"], figures["financing_balance"], figures["transactions"]) == ("CNY", 60_000, 1)
    assert fields["figures"]["refused"] == {"DUPLICATE_PLEDGE": 1}
    assert fields["alerts"]["standing"] == {"due_soon": 1}
    before = document(exported, capsys, "--sector", "--as-of", "1")
    assert (before["height"], before["figures"]["by_currency"]) == (1, [])


def test_one_factors_report_has_no_other_factor(
    exported: Exported, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = document(exported, capsys, "--factor", member_id_of("factor-2"))
    assert fields["factors"] == []
    assert fields["figures"]["scope"] == member_id_of("factor-2")
    assert fields["figures"]["by_currency"] == []


def test_the_document_is_canonical_and_named_by_its_sha256(
    exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    assert report(exported, "--sector", "--out", str(out)) == 0
    raw = out.read_bytes()
    said = capsys.readouterr().err
    assert sha256(raw).hexdigest() in said
    fields = json.loads(raw)
    assert (json.dumps(fields, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode() == raw
    assert fields["state_root"] in said
    assert fields["block_hash"] in said


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--sector", "--factor", "lei:529900T8BM49AURSDO55"),
        ("--factor", "lei:529900T8BM49AURSDO54"),
        ("--sector", "--as-of", "5"),
        ("--sector", "--since", "5"),
        ("--sector", "--format", "xlsx"),
    ],
)
def test_wrong_use_is_told_and_gives_no_report(
    exported: Exported, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(exported, *arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err


def test_there_is_no_report_of_what_was_not_checked(
    exported: Exported, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = bytearray(exported.file.read_bytes())
    raw[len(raw) // 2] ^= 1
    exported.file.write_bytes(raw)
    assert report(exported, "--sector", "--as-of", "1") not in (0, 2)
    assert capsys.readouterr().out == ""


def test_there_is_no_report_without_an_anchor(exported: Exported) -> None:
    assert run(("report", "--export", str(exported.file), "--sector")) == 2


def test_there_is_no_report_on_another_chain(exported: Exported, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(ChainBuilder("another consortium").document)
    assert run(("report", "--sector", "--export", str(exported.file), "--genesis", str(other))) == 4


# -- Tables and workbooks -------------------------------------------------------------------------------------------------


def test_the_table_says_what_the_document_says(
    exported: Exported, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = document(exported, capsys, "--sector")
    rows = list(csv.DictReader(io.StringIO(csv_bytes(fields).decode(), newline="")))
    values = {(row["scope"], row["currency"], row["figure"]): row["value"] for row in rows}
    assert values["sector", "CNY", "financing_balance"] == "60000"
    assert values["sector", "CNY", "ageing not_due"] == "60000"
    assert values["sector", "CNY", "decimals"] == "2"
    assert values["sector", "", "refused DUPLICATE_PLEDGE"] == "1"
    assert values[member_id_of("factor-1"), "CNY", "assigned"] == "60000"
    assert values["sector", "", "standing due_soon"] == "1"


def test_the_workbook_says_what_the_document_says_in_the_same_bytes_each_time(
    exported: Exported, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = document(exported, capsys, "--sector")
    book = xlsx_bytes(fields, "ab" * 32)
    assert book == xlsx_bytes(fields, "ab" * 32)
    sheets = sheets_of(book)
    heading, sector, *_ = sheets["figures"]
    assert sector[heading.index("scope")] == "sector"
    assert sector[heading.index("financing_balance")] == 60_000
    assert ["sha256 of the JSON", "ab" * 32] in sheets["report"]
    assert ["sector", "refused DUPLICATE_PLEDGE", 1] in sheets["counts"]


def test_a_currency_that_is_none_is_shown_as_it_is_named(
    exported: Exported, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = document(exported, capsys, "--sector")
    fields["figures"]["by_currency"][0]["currency"] = "ZZZ"
    rows = list(csv.DictReader(io.StringIO(csv_bytes(fields).decode(), newline="")))
    assert [row["value"] for row in rows if (row["currency"], row["figure"]) == ("ZZZ", "decimals")] == [""]
    alert = RaisedAlert("overdue", bytes(32), "ZZZ", 7, "over_90", None, b"", None, None)
    assert "7 minor units of 'ZZZ'" in _shown(AlertBatch(3, 0, (alert,)), alert, as_json=False)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(exported: Exported, capsys: pytest.CaptureFixture[str], start: str) -> None:
    fields = document(exported, capsys, "--sector")
    wicked = f'{start}HYPERLINK("http://example.test";"x")'
    fields["figures"]["scope"] = wicked
    fields["alerts"]["listed"][0]["detail"] = wicked
    rows = list(csv.reader(io.StringIO(csv_bytes(fields).decode(), newline="")))
    assert not [cell for row in rows for cell in row if cell.startswith(start)]
    assert [row for row in rows if f"'{wicked}" in row]
    book = xlsx_bytes(fields, "")
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/"):
                tree = _parsed(archive, name)
                assert not list(tree.iter(f"{_SHEET}f"))
                assert not list(tree.iter(f"{_SHEET}hyperlink"))


def test_a_number_that_a_spreadsheet_cannot_hold_stays_digits(
    exported: Exported, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = document(exported, capsys, "--sector")
    fields["figures"]["by_currency"][0]["assigned"] = 2**62 + 1
    heading, sector, *_ = sheets_of(xlsx_bytes(fields, ""))["figures"]
    assert sector[heading.index("assigned")] == str(2**62 + 1)


def sheets_of(book: bytes) -> dict[str, list[list[str | int]]]:
    """The cells of each sheet by its name: numbers as integers, text as text."""
    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        texts = [
            "".join(each.itertext()) for each in _parsed(archive, "xl/sharedStrings.xml").iter(f"{_SHEET}si")
        ]
        names = [sheet.attrib["name"] for sheet in _parsed(archive, "xl/workbook.xml").iter(f"{_SHEET}sheet")]
        found: dict[str, list[list[str | int]]] = {}
        for number, name in enumerate(names, 1):
            tree = _parsed(archive, f"xl/worksheets/sheet{number}.xml")
            found[name] = [
                [_cell(cell, texts) for cell in row.iter(f"{_SHEET}c")] for row in tree.iter(f"{_SHEET}row")
            ]
    return found


def _parsed(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    return ElementTree.fromstring(archive.read(name))  # noqa: S314  # what the code under test wrote


def _cell(cell: ElementTree.Element, texts: list[str]) -> str | int:
    value = cell.find(f"{_SHEET}v")
    assert value is not None
    assert value.text is not None
    return texts[int(value.text)] if cell.attrib.get("t") == "s" else int(value.text)
