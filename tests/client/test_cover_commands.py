"""The commands of cover against real node processes."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.cli import run
from node.network import Network
from node.network_files import NetworkPlan, demonstration_lei, make_network
from tests.client.test_command_line import BUYER, DUE, TODAY, Shell, code_of

pytestmark = pytest.mark.integration

LATER = tuple((TODAY + datetime.timedelta(days=days)).isoformat() for days in (200, 300))
POLICY = "5e" * 32
INSURERS = tuple(demonstration_lei(f"insurer-{number}") for number in (1, 2))


@pytest.fixture(scope="module")
def network_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cover") / "net"
    plan = NetworkPlan(network_delay_ms=200, heartbeat_ms=1_000)
    with Network(make_network(folder, plan, datetime.datetime.now(datetime.UTC))) as network:
        network.start_all()
        network.wait_healthy()
        on = ("--network", str(folder))
        assert run(("enrol", "debtor-1", "--member-id", BUYER, "--role", "debtor", *on)) == 0
        for number, identifier in enumerate(INSURERS, 1):
            enrol = ("enrol", f"insurer-{number}", "--member-id", identifier, "--role", "insurer")
            assert run((*enrol, *on)) == 0
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


def bind(receivable: str, amount: str, *changes: str, policy: str = POLICY) -> tuple[str, ...]:
    terms = ("--amount", amount, "--policy", policy, "--limit", "2000", "--until", LATER[0])
    return ("cover", "bind", receivable, *terms, *changes)


def test_a_cover_from_the_command_line(shell: Shell) -> None:
    receivable = registered(shell, "C-1", "1000")
    by_insurer = ("--as", "insurer-1", "--insured", "exporter-1")
    assert shell.on(*bind(receivable, "600", *by_insurer)).code == 0
    by_insured = ("--as", "exporter-1", "--insurer", "insurer-2")
    doubled = shell.on(*bind(receivable, "401", *by_insured, policy="5f" * 32))
    assert code_of(doubled) == "DOUBLE_COVER"
    assert code_of(shell.on(*bind(receivable, "1001", *by_insured))) == "INELIGIBLE"
    (cover,) = shell.on("receivable", receivable, "--as", "insurer-1").document["covers"]
    assert (cover["insurer"], cover["amount_minor_units"]) == (INSURERS[0], 60_000)
    altered = shell.on(
        "cover", "alter", receivable, "--as", "insurer-1", "--amount", "500", "--until", LATER[1]
    )
    assert altered.code == 0, altered
    claim = ("cover", "claim", receivable, "--as", "exporter-1", "--amount", "500")
    assert code_of(shell.on(*claim, "--cover", cover["cover_id"])) == "NO_DEFAULT"
    assert shell.on("cover", "end", receivable, "--as", "exporter-1").code == 0
    assert shell.on("receivable", receivable, "--as", "exporter-1").document["covers"] == []
    # It has no cover any more, and no insurer sees it.
    assert shell.on("cover", "end", receivable, "--as", "exporter-1").code == 2
    assert shell.on("receivable", receivable, "--as", "insurer-1").code == 1


def test_a_lienholder_is_paid_and_asked(shell: Shell) -> None:
    receivable = registered(shell, "C-2", "2000")
    pledge = ("pledge", receivable, "--as", "exporter-1", "--to", "factor-2", "--amount", "300")
    assert shell.on(*pledge, "--until", LATER[0]).code == 0
    loss_payee = ("--as", "exporter-1", "--insurer", "insurer-1", "--loss-payee", "factor-2")
    assert shell.on(*bind(receivable, "300", *loss_payee)).code == 0
    alter = ("cover", "alter", receivable, "--as", "exporter-1", "--loss-payee", "exporter-1")
    assert shell.on(*alter).code == 0
    assert shell.on("cover", "end", receivable, "--as", "exporter-1").code == 0


def test_one_other_party_is_named(shell: Shell) -> None:
    receivable = registered(shell, "C-3", "3000")
    assert shell.on(*bind(receivable, "1", "--as", "exporter-1")).code == 2
    both = ("--as", "exporter-1", "--insured", "exporter-1", "--insurer", "insurer-1")
    assert shell.on(*bind(receivable, "1", *both)).code == 2
