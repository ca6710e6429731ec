"""The commands of pools against real node processes: agreed, filled, drawn, short, cured, and shown with proof."""

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

OTHER_BUYER = "lei:529900HNOAA1KXQJUQ27"


@pytest.fixture(scope="module")
def network_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("pools") / "net"
    plan = NetworkPlan(network_delay_ms=200, heartbeat_ms=1_000)
    with Network(make_network(folder, plan, datetime.datetime.now(datetime.UTC))) as network:
        network.start_all()
        network.wait_healthy()
        on = ("--network", str(folder))
        assert run(("enrol", "debtor-1", "--member-id", BUYER, "--role", "debtor", *on)) == 0
        assert run(("enrol", "debtor-2", "--member-id", OTHER_BUYER, "--role", "debtor", *on)) == 0
        yield folder


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], network_folder: Path) -> Shell:
    return Shell(capsys, network_folder)


def registered(shell: Shell, invoice: str, amount: str, debtor: str = "debtor-1") -> str:
    said = shell.on(
        "register", "--as", "exporter-1", "--debtor", debtor, "--invoice", invoice, "--amount", amount,
        "--currency", "USD", "--issued", TODAY.isoformat(), "--due", DUE,
    )  # fmt: skip
    assert said.code == 0, said
    subject = str(said.document["operations"][0]["subject"])
    assert shell.on("confirm", subject, "--as", debtor, "--amount", amount).code == 0
    return subject


def test_a_pool_from_the_command_line(shell: Shell) -> None:
    first, second = registered(shell, "P-A", "4000"), registered(shell, "P-B", "6000", "debtor-2")
    third = registered(shell, "P-C", "2000")
    own = ("--as", "exporter-1")
    made = shell.on(
        "pool", "create", *own, "--to", "factor-1", "--currency", "USD", "--tenor-days", "120",
        "--debtor-share", "60", "--advance-rate", "80", "--confirmed",
    )  # fmt: skip
    pool = str(made.document["operations"][0]["subject"])
    assert code_of(shell.on("pool", "add", pool, first, *own)) == "CONCENTRATION"
    assert shell.on("pool", "add", pool, first, second, *own).code == 0
    assert shell.on("pool", "draw", pool, *own, "--amount", "8000").code == 0
    assert code_of(shell.on("pool", "draw", pool, *own, "--amount", "0.01")) == "SHORTFALL"
    pledge = ("pledge", first, *own, "--to", "factor-2", "--amount", "1")
    refused = shell.on(*pledge, "--until", (TODAY + datetime.timedelta(days=200)).isoformat())
    assert code_of(refused) == "DUPLICATE_PLEDGE"
    assert refused.document["operations"][0]["collided_with"]["subject"] == pool
    paid = ("pay", second, *own, "--amount", "2000", "--bank", "DEUTDEFF", "--reference", "P-1")
    assert shell.on(*paid).code == 0
    short = shell.on("pool", "show", pool, "--as", "factor-1").document
    amounts = ("base", "secured", "drawn", "shortfall")
    assert [short[f"{name}_minor_units"] for name in amounts] == [800_000, 640_000, 800_000, 160_000]
    assert short["proof"]["verified"] is True
    assert shell.on("pool", "repay", pool, "--as", "factor-1", "--amount", "3200").code == 0
    swap = ("pool", "substitute", pool, "--out", first, "--in", third, *own)
    assert code_of(shell.on(*swap, "--dry-run")) == "CONCENTRATION"
    assert code_of(shell.on(*swap)) == "CONCENTRATION"
    assert shell.on("pool", "add", pool, third, *own).code == 0
    assert shell.on("pool", "remove", pool, third, "--as", "factor-1").code == 0
    assert shell.on("status", first).document["pooled_minor_units"] == 400_000
    told = shell("pool", "show", pool, "--network", str(shell.folder), *own)
    assert "of 6,400.00" in told.out


def test_a_pool_is_shown_to_its_parties_only(shell: Shell) -> None:
    made = shell.on(
        "pool", "create", "--as", "exporter-1", "--to", "factor-1", "--currency", "USD", "--tenor-days", "90",
        "--debtor-share", "33.33", "--advance-rate", "75.5", "--credit-limit", "100", "--until", "2099-12-31",
    )  # fmt: skip
    pool = str(made.document["operations"][0]["subject"])
    shown = shell.on("pool", "show", pool, "--as", "association").document
    assert (shown["debtor_share_bp_max"], shown["advance_rate_bp"]) == (3_333, 7_550)
    assert (shown["credit_limit_minor_units"], shown["members"], shown["debtors"]) == (10_000, 0, [])
    refused = shell.on("pool", "show", pool, "--as", "factor-2")
    assert (refused.code, refused.document["error"]["code"]) == (1, "FORBIDDEN")
    missing = shell.on("pool", "show", "00" * 32, "--as", "factor-2")
    assert (missing.code, "no pool" in missing.document["error"]["message"]) == (2, True)
    assert shell.on("pool", "draw", "00" * 32, "--as", "exporter-1", "--amount", "1").code == 2
