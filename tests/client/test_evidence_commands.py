"""The commands of evidence and existence against real node processes."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.cli import run
from node.network import Network
from node.network_files import NetworkPlan, make_network
from tests.client.test_command_line import BUYER, DUE, TODAY, Said, Shell, code_of

pytestmark = pytest.mark.integration

CARRIER = "lei:5493001KJTIIGC8Y1R12"
COURT = "lei:529900HNOAA1KXQJUQ27"
ENDS = (TODAY + datetime.timedelta(days=300)).isoformat()


@pytest.fixture(scope="module")
def network_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("evidence") / "net"
    plan = NetworkPlan(network_delay_ms=200, heartbeat_ms=1_000)
    with Network(make_network(folder, plan, datetime.datetime.now(datetime.UTC))) as network:
        network.start_all()
        network.wait_healthy()
        on = ("--network", str(folder))
        assert run(("enrol", "debtor-1", "--member-id", BUYER, "--role", "debtor", *on)) == 0
        kinds = ("--accredit", "delivery", "--accredit", "invoice")
        assert run(("enrol", "carrier", "--member-id", CARRIER, "--role", "attester", *kinds, *on)) == 0
        assert run(("enrol", "court-1", "--member-id", COURT, "--role", "court", *on)) == 0
        yield folder


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], network_folder: Path) -> Shell:
    return Shell(capsys, network_folder)


def arisen(shell: Shell, future: str, invoice: str, amount: str) -> Said:
    return shell.on(
        "crystallise", future, "--as", "exporter-1", "--debtor", "debtor-1", "--witness", "debtor-1",
        "--invoice", invoice, "--amount", amount, "--issued", TODAY.isoformat(), "--due", DUE,
        "--delivery", f"BL {invoice}/1/90/90",
    )  # fmt: skip


def test_a_contract_and_the_invoice_that_arises_from_it(shell: Shell) -> None:
    said = shell.on(
        "register-future", "--as", "exporter-1", "--debtor", "debtor-1", "--contract", "C-9", "--cap", "1000",
        "--currency", "USD", "--signed", TODAY.isoformat(), "--ends", ENDS,
    )  # fmt: skip
    assert said.code == 0, said
    future = said.document["operations"][0]["subject"]
    pledge = ("pledge", future, "--as", "exporter-1", "--to", "factor-1", "--amount", "1", "--until", ENDS)
    assert code_of(shell.on(*pledge)) == "EMPTY_PLEDGE"
    first = arisen(shell, future, "F-1", "600")
    assert first.code == 0, first
    receivable = first.document["operations"][0]["subject"]
    assert code_of(arisen(shell, future, "F-2", "400.01")) == "OVER_CAP"
    attest = (
        "attest",
        receivable,
        "--as",
        "carrier",
        "--kind",
        "delivery",
        "--number",
        "BL F-1",
        "--line",
        "1",
    )
    assert code_of(shell.on(*attest, "--quantity", "89")) == "QUANTITY_EXCEEDED"
    assert shell.on(*attest, "--quantity", "90").code == 0
    taken = shell.on("assign", receivable, "--as", "exporter-1", "--to", "factor-1", "--amount", "600")
    assert taken.code == 0, taken


def test_a_wrong_number_is_corrected_and_the_factor_sees_the_right_papers(shell: Shell) -> None:
    receivable = shell.registered("K-1", "700.00")
    assert shell.on("correct", receivable, "--as", "exporter-1", "--invoice", "K-2").code == 0
    assert code_of(shell.register("K-2")) == "DUPLICATE_RECEIVABLE"
    taken = shell.on("assign", receivable, "--as", "exporter-1", "--to", "factor-1", "--amount", "500")
    assert taken.code == 0, taken
    again = shell.on("correct", receivable, "--as", "exporter-1", "--invoice", "K-3")
    assert again.code == 0, again


def test_a_credit_note_takes_value_away_once(shell: Shell) -> None:
    receivable = shell.registered("N-1", "300.00")
    note = (
        "credit-note",
        receivable,
        "--as",
        "exporter-1",
        "--number",
        "CN-3",
        "--share",
        "exporter-1=120.00",
    )
    assert shell.on(*note).code == 0
    assert code_of(shell.on(*note)) == "DUPLICATE_CREDIT_NOTE"
    record = shell.on("receivable", receivable, "--as", "exporter-1").document
    assert [part["amount_minor_units"] for part in record["parts"]] == [18_000]


def test_silence_needs_consent_and_time(shell: Shell, tmp_path: Path) -> None:
    receivable = shell.registered("T-1", "400.00")
    file = tmp_path / "consent.json"
    given = shell.on("consent", str(file), "--as", "debtor-1", "--exporter", "exporter-1", "--until", ENDS)
    assert given.code == 0, given
    silent = ("confirm-tacitly", receivable, "--as", "exporter-1", "--consent")
    assert code_of(shell.on(*silent, str(file))) == "TOO_EARLY"
    file.write_text(file.read_text().replace('"signature": "', '"signature": "00')[:-1])
    assert shell.on(*silent, str(file)).code in (1, 2)
    assert shell.on(*silent, str(tmp_path / "absent")).code == 2


def test_a_court_ends_a_dispute_with_the_association(shell: Shell) -> None:
    receivable = shell.registered("D-1", "600.00")
    assert shell.on("dispute", receivable, "--as", "debtor-1", "--amount", "500").code == 0
    decided = ("resolve", receivable, "--as", "court-1", "--court", "--freed", "300")
    said = shell.on(*decided, "--dilute", "exporter-1=200")
    assert said.code == 0, said
    record = shell.on("receivable", receivable, "--as", "exporter-1").document
    assert (record["disputed_minor_units"], record["outstanding_minor_units"]) == (0, 40_000)


def test_a_rejected_receivable_is_cancelled(shell: Shell) -> None:
    receivable = shell.registered("R-1", "500.00")
    assert shell.on("reject", receivable, "--as", "debtor-1", "--reason", "not_delivered").code == 0
    refused = shell.on("confirm", receivable, "--as", "debtor-1", "--amount", "1")
    assert code_of(refused) == "ALREADY_REJECTED"
    assert shell.on("cancel", receivable, "--as", "exporter-1").code == 0
