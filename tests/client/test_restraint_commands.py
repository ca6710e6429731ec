"""The commands of security, arrears and restraint against real node processes."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.cli import run
from node.network import Network
from node.network_files import NetworkPlan, make_network
from tests.client.test_command_line import BUYER, DUE, TODAY, Shell, code_of

pytestmark = pytest.mark.integration

COURT = "lei:529900HNOAA1KXQJUQ27"
LATER = tuple((TODAY + datetime.timedelta(days=days)).isoformat() for days in (200, 300))
HEX = "5e" * 32


@pytest.fixture(scope="module")
def network_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("restraint") / "net"
    plan = NetworkPlan(network_delay_ms=200, heartbeat_ms=1_000)
    with Network(make_network(folder, plan, datetime.datetime.now(datetime.UTC))) as network:
        network.start_all()
        network.wait_healthy()
        on = ("--network", str(folder))
        assert run(("enrol", "debtor-1", "--member-id", BUYER, "--role", "debtor", *on)) == 0
        assert run(("enrol", "court-1", "--member-id", COURT, "--role", "court", *on)) == 0
        yield folder


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], network_folder: Path) -> Shell:
    return Shell(capsys, network_folder)


def registered(shell: Shell, invoice: str, amount: str) -> str:
    said = shell.on(
        "register", "--as", "exporter-1", "--debtor", "debtor-1", "--invoice", invoice, "--amount", amount,
        "--currency", "USD", "--issued", TODAY.isoformat(), "--due", DUE,
    )  # fmt: skip
    assert said.code == 0, said
    return str(said.document["operations"][0]["subject"])


def test_a_restraint_from_the_command_line(shell: Shell) -> None:
    receivable = registered(shell, "R-1", "1000")
    assign = ("assign", receivable, "--as", "exporter-1", "--to", "factor-1", "--amount", "100")
    assert shell.on("object", receivable, "--as", "debtor-1", "--statement", HEX).code == 0
    assert code_of(shell.on(*assign)) == "OBJECTED"
    assert shell.on("withdraw-objection", receivable, "--as", "debtor-1").code == 0
    assert shell.on("freeze", receivable, "--as", "court-1", "--case", "2027-74-1").code == 0
    assert code_of(shell.on(*assign)) == "FROZEN"
    assert shell.on("status", receivable).document["status"] == ["frozen"]
    told = shell("status", receivable, "--network", str(shell.folder))
    assert "frozen" in told.out
    record = shell.on("receivable", receivable, "--as", "exporter-1").document
    assert [order["case_number"] for order in record["freezes"]] == ["2027-74-1"]
    assert [each["ended"] for each in record["objections"]] == [True]
    assert shell.on("unfreeze", receivable, "--as", "court-1", "--case", "2027-74-1").code == 0
    assert shell.on("object", receivable, "--as", "debtor-1", "--statement", HEX, "--case", "1").code == 0
    ended = shell.on("withdraw-objection", receivable, "--as", "court-1", "--objector", "debtor-1")
    assert ended.code == 0, ended
    assert shell.on(*assign).code == 0
    link = ("--as", "factor-1", "--number", HEX, "--registrant", HEX, "--on", TODAY.isoformat())
    assert shell.on("link-registration", receivable, *link, "--until", LATER[0]).code == 0
    assert shell.on("link-search", receivable, *link).code == 0


def test_a_judgment_from_the_command_line(shell: Shell) -> None:
    receivable = registered(shell, "R-3", "1500")
    assign = ("assign", receivable, "--as", "exporter-1", "--to", "factor-1", "--amount", "600")
    assert shell.on(*assign).code == 0
    pledge = ("pledge", receivable, "--as", "exporter-1", "--to", "factor-2", "--amount", "200")
    assert shell.on(*pledge, "--until", LATER[0]).code == 0
    lien = shell.on("receivable", receivable, "--as", "exporter-1").document["liens"][0]["lien_id"]
    judge = ("reverse-by-judgment", receivable, "--as", "court-1", "--case", "2027-74-1", "--decision")
    assert shell.on(*judge, HEX).code == 2
    assert shell.on(*judge, HEX, "--assignment", "exporter-1").code == 2
    sale = "exporter-1,factor-1,600"
    assert code_of(shell.on(*judge, HEX, "--assignment", f"{sale},{lien}")) == "NO_ORDER"
    undone = shell.on(*judge, HEX, "--assignment", sale)
    assert undone.code == 0, undone
    record = shell.on("receivable", receivable, "--as", "exporter-1").document
    assert [each["decision"] for each in record["judgments"]] == [HEX]
    assert code_of(shell.on(*judge, HEX, "--step", "registration")) == "NO_ORDER"
    assert code_of(shell.on(*judge, "5f" * 32, "--step", "closure")) == "NO_ORDER"
    assert code_of(shell.on(*judge, "5f" * 32, "--step", "pool")) == "NO_ORDER"
    both = ("--lien", lien, "--step", "registration")
    assert shell.on(*judge, "5f" * 32, *both).code == 0
    assert code_of(shell.on(*assign)) == "CLOSED"


def test_security_and_arrears_from_the_command_line(shell: Shell) -> None:
    receivable = registered(shell, "R-2", "2000")
    pledge = ("pledge", receivable, "--as", "exporter-1", "--to", "factor-2", "--amount", "300")
    assert shell.on(*pledge, "--until", LATER[0]).code == 0
    assert shell.on("renew", receivable, "--as", "factor-2", "--until", LATER[1]).code == 0
    enforce = ("enforce", receivable, "--as", "factor-2", "--amount", "300")
    assert code_of(shell.on(*enforce)) == "NO_DEFAULT"
    assert code_of(shell.on(*enforce, "--court", "court-1")) == "NO_DEFAULT"
    assert code_of(shell.on("declare-default", receivable, "--as", "exporter-1")) == "NOT_DUE"
    assert shell.on("set-account", receivable, "--as", "exporter-1", "--commitment", HEX).code == 0
    wrong = shell.on("set-account", receivable, "--as", "exporter-1", "--commitment", "5e")
    assert wrong.code == 2
    bank = ("--bank", "DEUTDEFF", "--reference", "2027-0042")
    assert shell.on("pay", receivable, "--as", "exporter-1", "--amount", "50", *bank).code == 0
    assert shell.on("reverse-payment", receivable, "--as", "exporter-1", *bank).code == 0
    indirect = shell.on(
        "report-indirect", receivable, "--as", "exporter-1", "--holder", "factor-2", "--amount", "1",
        "--bank", "DEUTDEFF", "--reference", "2027-0043",
    )  # fmt: skip
    assert code_of(indirect) == "NOT_INDIRECT"
