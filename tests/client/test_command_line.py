"""The command `pledgebook` against four real node processes: what members do in a day, and what they do wrong."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from client.cli import run
from client.directory import read_directory
from client.trust import parse_checkpoint
from node.network import Network
from node.network_files import NetworkPlan, demonstration_lei, make_network

pytestmark = pytest.mark.integration

BUYER = "lei:529900T8BM49AURSDO55"
TODAY = datetime.datetime.now(datetime.UTC).date()
DUE = (TODAY + datetime.timedelta(days=60)).isoformat()
UNTIL = (TODAY + datetime.timedelta(days=90)).isoformat()
_AMOUNTS = count(2_000)
CSV = """\
countryCode,customerID,PaperlessDate,invoiceNumber,InvoiceDate,DueDate,InvoiceAmount,Disputed,SettledDate,PaperlessBill,DaysToSettle,DaysLate
391,0379-NEVHP,4/6/2013,611365,1/2/2013,2/1/2013,55.94,No,1/15/2013,Paper,13,0
406,8976-AMJEO,3/3/2012,7900770,1/26/2013,2/25/2013,61.74,Yes,3/3/2013,Electronic,36,6
391,8976-AMJEO,1/26/2012,9231909,7/3/2013,8/2/2013,65.88,Yes,,Electronic,5,0
406,9322-YCTQO,4/6/2012,9888306,2/10/2013,3/12/2013,105.92,No,,Electronic,35,5
"""


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed


class Shell:
    """Runs commands in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._capsys = capsys
        self.folder = folder

    def __call__(self, *arguments: str) -> Said:
        self._capsys.readouterr()
        code = run(arguments)
        said = self._capsys.readouterr()
        return Said(code, said.out, said.err)

    def on(self, command: str, *arguments: str) -> Said:
        """A command on the network, with its answer as JSON."""
        return self(command, *arguments, "--network", str(self.folder), "--json")

    def register(self, number: str, amount: str | None = None) -> Said:
        # Each over another amount: invoices that look alike would be suspicions of each other.
        amount = f"{next(_AMOUNTS)}.00" if amount is None else amount
        return self.on(
            "register", "--as", "exporter-1", "--debtor", BUYER, "--invoice", number, "--amount", amount,
            "--currency", "USD", "--issued", TODAY.isoformat(), "--due", DUE,
        )  # fmt: skip

    def registered(self, number: str, amount: str | None = None) -> str:
        said = self.register(number, amount)
        assert said.code == 0, said
        subject: str = said.document["operations"][0]["subject"]
        return subject


@pytest.fixture(scope="module")
def network_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cli") / "net"
    plan = NetworkPlan(network_delay_ms=200, heartbeat_ms=1_000)
    with Network(make_network(folder, plan, datetime.datetime.now(datetime.UTC))) as network:
        network.start_all()
        network.wait_healthy()
        arguments = ("enrol", "debtor-1", "--member-id", BUYER, "--role", "debtor", "--network", str(folder))
        assert run(arguments) == 0
        yield folder


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], network_folder: Path) -> Shell:
    return Shell(capsys, network_folder)


@pytest.fixture
def offline(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    """A network whose nodes do not run."""
    folder = tmp_path / "net"
    make_network(folder, NetworkPlan(), datetime.datetime.now(datetime.UTC))
    return Shell(capsys, folder)


def code_of(said: Said) -> str:
    code: str = said.document["operations"][0]["code"]
    return code


# -- A day's business --------------------------------------------------------------------------------------------------


def test_the_association_governs(shell: Shell, tmp_path: Path) -> None:
    """A member's roles, keys and group, and the policy: each from the command line to a proven receipt."""
    done = (
        ("change-member", "debtor-1", "--role", "debtor", "--role", "insurer", "--with-consent"),
        ("relationship", "debtor-1", "DE:HRB12345", "--as", "debtor-1", "--since", "2026-01-01"),
        ("relationship", "debtor-1", "DE:HRB12345", "--since", "2026-01-01", "--false"),
        (
            "risk-assets",
            "--as",
            "factor-1",
            "--amount",
            "5000000",
            "--currency",
            "USD",
            "--as-of",
            "2026-01-01",
        ),
        ("rotate-key", "debtor-1", str(tmp_path / "next.pem"), "--height", "100000"),
        ("revoke-key", "debtor-1", str(tmp_path / "next.pem")),
        ("schedule-upgrade", "--height", "100000", "--rules-version", "2"),
    )
    first_key = read_directory(shell.folder).members["debtor-1"].keys[0]
    assert [code_of(shell.on("govern", *arguments)) for arguments in done] == ["OK"] * len(done)
    # The folder signs with the new key, which is worth nothing now; the old one lasts until its height.
    used = shell("keys", "use", "debtor-1", str(first_key), "--network", str(shell.folder))
    assert used.code == 0, used
    assert code_of(shell.on("govern", "change-member", "debtor-1", "--yearly-numbers")) == "OK"
    shown = shell.on("govern", "member", "debtor-1").document
    assert (shown["roles"], shown["numbering"], shown["status"]) == (
        ["debtor", "insurer"],
        "yearly",
        "active",
    )
    assert shown["keys"][0]["until_height"] == 100_000
    for option, listed in (("--whitelisted", True), ("--no-whitelisted", False)):
        assert code_of(shell.on("govern", "change-member", "factor-1", option)) == "OK"
        assert shell.on("govern", "member", "factor-1").document["whitelisted"] is listed
    assert shell("govern", "member", "debtor-1", "--network", str(shell.folder)).code == 0
    assert shell.on("govern", "member", demonstration_lei("nobody")).code == 2
    policy = tmp_path / "policy.json"
    genesis = json.loads((shell.folder / "genesis.json").read_text())
    assert (
        shell.on("govern", "policy", "--as", "factor-1", "--out", str(policy)).document == genesis["policy"]
    )
    assert json.loads(policy.read_text()) == genesis["policy"]
    assert code_of(shell.on("govern", "set-policy", str(policy), "--height", "100000")) == "OK"
    refused = shell.on("govern", "set-policy", str(policy), "--height", "1")
    assert (refused.code, code_of(refused)) == (1, "TOO_EARLY")
    decided = shell("govern", "policy", "--network", str(shell.folder))
    assert (decided.code, "100000" in decided.out, "verified" in decided.out) == (0, True, True)
    policy.write_text("{}")
    assert shell.on("govern", "set-policy", str(policy), "--height", "100000").code == 2
    receivable = shell.registered("G-1", "10.00")
    kept = shell.on("govern", "release-fingerprint", receivable, "00" * 32, "--reason", "a test")
    assert (kept.code, code_of(kept)) == (1, "NOT_CLOSED")


def test_an_assignment_in_two_steps_and_the_notice_of_it(shell: Shell) -> None:
    receivable = shell.registered("O-1", "900.00")
    offered = ("offer", receivable, "--as", "exporter-1", "--to")
    assert shell.on(*offered, "factor-1", "--amount", "600", "--with-recourse").code == 0
    assert shell.on(*offered, "factor-2", "--amount", "300", "--hours", "1").code == 0
    again = shell.on(*offered, "factor-2", "--amount", "1")
    assert (again.code, code_of(again)) == (1, "RESERVED")
    offers = shell.on("receivable", receivable, "--as", "factor-1").document["offers"]
    assert [each["amount_minor_units"] for each in offers] == [60_000, 30_000]
    unnamed = shell.on("withdraw-offer", receivable, "--as", "exporter-1")
    assert (unnamed.code, "2 open offers" in unnamed.out + unnamed.err) == (2, True)
    second = offers[1]["offer_id"]
    assert shell.on("withdraw-offer", receivable, "--as", "exporter-1", "--offer", second).code == 0
    assert shell.on("accept", receivable, "--as", "factor-1").code == 0
    assert shell.on("notify", receivable, "--as", "factor-1").code == 0
    assert shell.on("acknowledge", receivable, "--as", "debtor-1", "--holder", "factor-1").code == 0
    early = shell.on("reassign", receivable, "--as", "factor-1", "--to", "exporter-1", "--amount", "600")
    assert (early.code, code_of(early)) == (1, "NOT_DUE")
    record = shell.on("receivable", receivable, "--as", "factor-1").document
    assert [part["amount_minor_units"] for part in record["parts"]] == [30_000, 60_000]
    assert record["notices"][0]["acknowledged_ms"] > 0
    assert shell("receivable", receivable, "--network", str(shell.folder), "--as", "factor-1").code == 0


def test_a_blanket_from_the_command_line(shell: Shell) -> None:
    blanket = ("assign-blanket", "--as", "exporter-1", "--to", "factor-1", "--debtor", "DE:HRB1")
    period = ("--from", TODAY.isoformat(), "--until", DUE)
    assert shell.on(*blanket, *period).code == 0
    again = shell.on(*blanket, *period, "--dry-run")
    assert (again.code, code_of(again)) == (1, "BLANKET_CONFLICT")


def test_a_receivable_from_its_invoice_to_its_settlement(shell: Shell) -> None:
    receivable = shell.registered("A-1", "1200.00")
    confirmed = shell.on("confirm", receivable, "--as", "debtor-1", "--amount", "1200", "--waive", "quality")
    assert (confirmed.code, confirmed.document["outcome"], confirmed.document["proof"]) == (
        0,
        "applied",
        "verified",
    )
    assert (
        shell.on("assign", receivable, "--as", "exporter-1", "--to", "factor-1", "--amount", "700").code == 0
    )
    pledged = ("pledge", receivable, "--as", "exporter-1", "--amount", "300.00", "--until", UNTIL, "--to")
    assert shell.on(*pledged, "factor-2").code == 0
    again = shell.on(*pledged, "factor-1")
    assert (again.code, code_of(again)) == (1, "DUPLICATE_PLEDGE")
    assert "--junior-to" in again.document["operations"][0]["what_to_do"]
    assert again.document["operations"][0]["collided_with"]["height"] > 0
    status = shell.on("status", receivable).document
    assert (
        status["outstanding_minor_units"],
        status["free_with_all_holders_minor_units"],
        status["assigned_minor_units"],
        status["pledged_minor_units"],
        status["confirmed_minor_units"],
    ) == (
        120_000,
        90_000,
        70_000,
        30_000,
        120_000,
    )
    assert status["proof"]["verified"]
    # Of the 900 that are free no more than 500 can be the exporter's, who has assigned 700 of 1,200.
    assert status["free_with_exporter"] == {"at_least_minor_units": 20_000, "at_most_minor_units": 50_000}
    assert status["free_with_assignees"] == {"at_least_minor_units": 40_000, "at_most_minor_units": 70_000}
    record = shell.on("receivable", receivable, "--as", "exporter-1").document
    assert [lien["amount_minor_units"] for lien in record["liens"]] == [30_000]
    assert shell.on("release", receivable, "--as", "factor-2").code == 0
    payment = ("--bank", "DEUTDEFF", "--reference")
    assert shell.on("pay", receivable, "--as", "factor-1", "--amount", "700", *payment, "A-1/1").code == 0
    used = shell.on("pay", receivable, "--as", "exporter-1", "--amount", "500", *payment, "a1 1")
    assert (used.code, code_of(used)) == (1, "REFERENCE_REUSED")
    early = shell.on("settle", receivable, "--as", "exporter-1")
    assert (early.code, code_of(early)) == (1, "OUTSTANDING")
    assert shell.on("pay", receivable, "--as", "exporter-1", "--amount", "500", *payment, "A-1/2").code == 0
    assert shell.on("settle", receivable, "--as", "exporter-1").code == 0
    assert shell.on("status", receivable).document["phase"] == "settled"


def test_the_papers_are_filed_although_the_program_dies_after_the_commit(shell: Shell) -> None:
    # Its output is a pipe that nobody reads: showing the receipt ends it.
    unread, output = os.pipe()
    os.close(unread)
    arguments = (
        "register", "--as", "exporter-1", "--debtor", BUYER, "--invoice", "CRASH-1", "--amount", "77.70", "--currency",
        "USD", "--issued", TODAY.isoformat(), "--due", DUE, "--network", str(shell.folder), "--json",
    )  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-m", "client.cli", *arguments], stdout=output, check=False, timeout=60
    )
    os.close(output)
    assert ended.returncode != 0
    again = shell.register("CRASH-1", "77.70")
    assert (again.code, code_of(again)) == (1, "DUPLICATE_RECEIVABLE")
    receivable = again.document["operations"][0]["collided_with"]["subject"]
    # The factor signs only when it is shown the papers.
    assigned = ("assign", receivable, "--as", "exporter-1", "--to", "factor-1", "--amount", "70")
    assert shell.on(*assigned).code == 0


def test_the_same_invoice_written_otherwise_is_refused_and_says_what_it_collides_with(shell: Shell) -> None:
    receivable = shell.registered("DUP-0007")
    again = shell.register("dup 7", "1300.00")
    assert again.code == 1
    refused = again.document["operations"][0]
    assert (refused["code"], refused["collided_with"]["subject"]) == ("DUPLICATE_RECEIVABLE", receivable)
    told = shell(
        "register", "--as", "exporter-1", "--debtor", "debtor-1", "--invoice", "DUP-7", "--amount", "1", "--currency",
        "USD", "--issued", TODAY.isoformat(), "--due", DUE, "--network", str(shell.folder),
    )  # fmt: skip
    assert told.code == 1
    assert "REFUSED" in told.out
    assert "DUPLICATE_RECEIVABLE" in told.out


def test_status_by_what_is_printed_on_the_invoice_and_of_one_that_is_not_registered(shell: Shell) -> None:
    receivable = shell.registered("S-1")
    by_invoice = ("--exporter", "exporter-1", "--debtor", "debtor-1", "--invoice")
    assert shell.on("status", *by_invoice, "s 001").document["receivable_id"] == receivable
    unknown = shell.on("status", *by_invoice, "S-2")
    assert unknown.document["status"] == ["unknown"]
    assert (unknown.code, unknown.document["registered"], unknown.document["proof"]["verified"]) == (
        0,
        False,
        True,
    )
    assert 0 <= unknown.document["proof"]["age_ms"] < 60_000
    old = shell.on("status", receivable, "--max-age", "0.001", "--timeout", "1")
    assert (old.code, old.document["error"]["code"]) == (1, "HeadTooOld")
    assert shell.on("status", receivable, "--max-age", "0").code == 0
    told = shell("status", *by_invoice, "S-2", "--network", str(shell.folder))
    assert " s ago" in " ".join(told.out.split())
    assert "unknown: nothing stands under this key" in told.out


def test_a_document_and_a_fiscal_number_name_a_receivable_too(shell: Shell, tmp_path: Path) -> None:
    document = tmp_path / "invoice.pdf"
    document.write_bytes(b"%PDF-1.7 an invoice")
    said = shell.on(
        "register", "--as", "exporter-1", "--debtor", "DE:HRB 12345", "--invoice", "F-1", "--amount", "10", "--currency",
        "USD", "--issued", TODAY.isoformat(), "--due", DUE, "--document", str(document), "--fiscal",
        "24312000000012345678", "--delivery", "BL-1/1/5/10",
    )  # fmt: skip
    assert said.code == 0
    receivable = said.document["operations"][0]["subject"]
    assert shell.on("status", "--document", str(document)).document["receivable_id"] == receivable
    assert shell.on("status", "--fiscal", "2431 2000 0000 1234 5678").document["receivable_id"] == receivable
    record = shell("receivable", receivable, "--as", "association", "--network", str(shell.folder))
    assert record.code == 0
    assert "exporter-1" in record.out


def test_a_dispute_is_raised_and_resolved_and_part_of_it_is_diluted(shell: Shell) -> None:
    receivable = shell.registered("D-1", "1210.00")
    raised = ("dispute", receivable, "--as", "debtor-1", "--amount", "200.00", "--reason", "quality")
    assert shell.on(*raised).code == 0
    assert shell.on("status", receivable).document["free_with_all_holders_minor_units"] == 101_000
    empty = shell.on(
        "pledge", receivable, "--as", "exporter-1", "--to", "factor-1", "--amount", "1100", "--until", UNTIL
    )
    assert (empty.code, code_of(empty)) == (1, "EMPTY_PLEDGE")
    resolved = shell.on(
        "resolve", receivable, "--as", "debtor-1", "--freed", "150", "--dilute", "exporter-1=50"
    )
    assert resolved.code == 0, resolved
    status = shell.on("status", receivable).document
    assert (
        status["outstanding_minor_units"],
        status["disputed_minor_units"],
        status["free_with_all_holders_minor_units"],
    ) == (116_000, 0, 116_000)


def test_a_confirmed_receivable_is_cancelled_by_exporter_and_debtor_together(shell: Shell) -> None:
    receivable = shell.registered("C-1")
    assert shell.on("confirm", receivable, "--as", "debtor-1", "--amount", "1").code == 0
    alone = shell.on("cancel", receivable, "--as", "exporter-1")
    assert (alone.code, "--debtor" in alone.document["error"]["message"]) == (2, True)
    assert shell.on("cancel", receivable, "--as", "exporter-1", "--debtor", "debtor-1").code == 0
    assert shell.on("status", receivable).document["phase"] == "cancelled"


def test_a_dry_run_tells_the_judgement_and_changes_nothing(shell: Shell) -> None:
    receivable = shell.registered("P-1")
    good = shell.on(
        "assign", receivable, "--as", "exporter-1", "--to", "factor-1", "--amount", "700", "--dry-run"
    )
    assert (good.code, code_of(good), good.document["dry_run"]) == (0, "OK", True)
    empty = shell.on(
        "assign", receivable, "--as", "exporter-1", "--to", "factor-1", "--amount", "7000", "--dry-run"
    )
    assert (empty.code, code_of(empty)) == (1, "EMPTY_ASSIGNMENT")
    assert shell.on("status", receivable).document["assigned_minor_units"] == 0


def test_a_factor_that_is_shown_other_papers_does_not_sign(shell: Shell, tmp_path: Path) -> None:
    receivable, other = shell.registered("W-1"), shell.registered("W-2")
    filing = (shell.folder / "papers" / "exporter-1.jsonl").read_text().splitlines()
    line = next(json.loads(line) for line in filing if json.loads(line)["receivable"] == other)
    forged = tmp_path / "forged.jsonl"
    forged.write_text(json.dumps(line | {"receivable": receivable}) + "\n")
    said = shell.on(
        "assign",
        receivable,
        "--as",
        "exporter-1",
        "--to",
        "factor-1",
        "--amount",
        "1",
        "--papers",
        str(forged),
    )
    assert (said.code, said.document["error"]["code"]) == (1, "PapersMismatch")
    assert "not those of the registration" in said.document["error"]["message"]


def test_the_chain_is_exported_and_audited_and_the_newest_head_is_kept(shell: Shell, tmp_path: Path) -> None:
    shell.registered("E-1")
    file = tmp_path / "chain.pbk"
    exported = shell.on("export", "-o", str(file))
    assert exported.code == 0
    head = exported.document["head"]
    genesis = str(shell.folder / "genesis.json")
    report = tmp_path / "report.json"
    audited = shell("audit", str(file), "--genesis", genesis, "--head", head, "--json", str(report))
    assert (audited.code, json.loads(report.read_text())["exit"]) == (0, 0)
    kept = parse_checkpoint((shell.folder / "trusted-head.txt").read_text())
    assert 0 < kept.height <= parse_checkpoint(head).height


# -- Imports -----------------------------------------------------------------------------------------------------------


def test_a_file_is_imported_once_however_often_it_is_run(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "invoices.csv"
    file.write_text(CSV)
    arguments = ("import", str(file), "--as", "exporter-1", "--currency", "USD")
    first = shell.on(*arguments)
    assert first.code == 0, first
    assert first.document["accepted"] == {
        "EnrolMember": 3,
        "RegisterReceivable": 4,
        "RaiseDispute": 2,
        "ResolveDispute": 1,
        "RecordPayment": 2,
        "Settle": 2,
    }
    again = shell.on(*arguments)
    assert again.code == 0
    assert again.document["accepted"] == {}
    assert again.document["already_there"] == {"RegisterReceivable": 4, "RaiseDispute": 2, "Settle": 2}
    by_invoice = ("status", "--exporter", "exporter-1", "--debtor", "debtor-8976-AMJEO", "--invoice")
    disputed = shell.on(*by_invoice, "9231909").document
    assert (
        disputed["phase"],
        disputed["disputed_minor_units"],
        disputed["free_with_all_holders_minor_units"],
    ) == ("live", 6_588, 0)
    assert shell.on(*by_invoice, "7900770").document["phase"] == "settled"
    # What was left open is taken up when the file says more.
    file.write_text(CSV.replace("105.92,No,,", "105.92,No,3/17/2013,"))
    more = shell.on(*arguments)
    assert more.document["accepted"] == {"RecordPayment": 1, "Settle": 1}
    # Another invoice under a number that is taken is not taken for the same.
    file.write_text(CSV.replace("55.94", "56.94"))
    altered = shell.on(*arguments)
    assert altered.code == 1
    (refused,) = altered.document["refused"]
    assert (refused["line"], refused["code"]) == (2, "DUPLICATE_RECEIVABLE")
    assert "5594 minor units" in refused["message"]


def test_an_import_that_was_cut_off_after_enrolling_is_taken_up_with_the_keys_that_lie_there(
    shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "invoices.csv"
    file.write_text(
        CSV.replace("8976-AMJEO", "1111-CUTOF").replace("79007", "89007").replace("92319", "82319")
    )
    arguments = ("import", str(file), "--as", "exporter-1", "--currency", "USD")
    assert shell.on(*arguments).code == 0
    listed = shell.folder / "enrolled.json"
    before = listed.read_text()
    listed.unlink()
    again = shell.on(*arguments)
    assert (again.code, again.document["already_there"]["EnrolMember"]) == (0, 3)
    listed.unlink()
    key = shell.folder / "members" / "debtor-1111-CUTOF-key-1.pem"
    key.rename(tmp_path / "lost.pem")
    lost = shell.on(*arguments)
    assert (lost.code, "is enrolled with a key that is not on this machine" in lost.out) == (2, True)
    listed.write_text(before)


def test_nothing_of_a_file_with_a_fault_is_sent(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "invoices.csv"
    file.write_text(CSV.replace("55.94", "55,94").replace("611365", "700001"))
    arguments = ("import", str(file), "--as", "exporter-1", "--currency", "USD")
    said = shell.on(*arguments)
    assert (said.code, said.document["problem_count"]) == (2, 1)
    assert said.document["problems"][0]["line"] == 2
    told = shell(*arguments, "--network", str(shell.folder))
    assert (told.code, "line 2: has 13 fields" in told.err) == (2, True)
    unknown = shell.on(
        "status", "--exporter", "exporter-1", "--debtor", "debtor-9322-YCTQO", "--invoice", "700001"
    )
    assert not unknown.document["registered"]


def test_a_file_can_be_checked_without_a_network_that_runs(offline: Shell, tmp_path: Path) -> None:
    file = tmp_path / "invoices.csv"
    file.write_text(CSV)
    said = offline.on("import", str(file), "--as", "exporter-1", "--currency", "USD", "--check")
    assert (said.code, said.document["rows"], said.document["customers"]) == (0, 4, 3)
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(offline("import-mapping").out)
    mapped = json.loads(offline("import-mapping", "--json").out)
    assert mapped["columns"]["invoice_number"] == "invoiceNumber"
    own = offline.on(
        "import", str(file), "--as", "exporter-1", "--currency", "USD", "--check", "--mapping", str(mapping)
    )
    assert own.code == 0


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("pledgebook 0.")


# -- Wrong use ---------------------------------------------------------------------------------------------------------

A_RECEIVABLE = "B" * 64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("status", "NOT-AN-ID"), "is not an id"),
        (("status", "A" * 52 + "B"), "wrong check symbol"),
        (("status",), "give the receivable's id, or --invoice"),
        (("status", "--fiscal", "--"), "no letter or digit"),
        (("status", "--document", "/no/such/file"), "cannot read"),
        (("status", A_RECEIVABLE, "--as", "nobody"), "has no member 'nobody'"),
        (("status", A_RECEIVABLE, "--node", "nobody"), "has no node 'nobody'"),
        (("confirm", "x", "--as", "exporter-1", "--amount", "1"), "is not an id"),
        (
            ("confirm", A_RECEIVABLE, "--as", "exporter-1", "--amount", "1", "--waive", "all"),
            "choose one of quality",
        ),
        (
            ("dispute", A_RECEIVABLE, "--as", "exporter-1", "--amount", "1", "--reason", "x"),
            "choose one of quality",
        ),
        (("enrol", "x", "--member-id", "lei:1", "--role", "debtor"), "--member-id"),
        (("enrol", "x", "--member-id", BUYER, "--role", "king"), "choose one of association"),
        (("enrol", "../x", "--member-id", BUYER, "--role", "debtor"), "cannot be a short name"),
        (("import", "/no/such/file", "--as", "exporter-1"), "cannot read"),
    ],
)
def test_wrong_use_is_told_in_one_line_without_asking_a_node(
    offline: Shell, arguments: tuple[str, ...], message: str
) -> None:
    said = offline(*arguments, "--network", str(offline.folder))
    assert said.code == 2, said
    assert message in said.err
    assert said.err.startswith("pledgebook: ")
    assert said.err.count("\n") == 1
    assert offline.on(*arguments).document["error"]["message"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--debtor": "somebody"}, "COUNTRY:REGISTER-NUMBER"),
        ({"--debtor": "lei:529900T8BM49AURSDO56"}, "LEI"),
        ({"--amount": "12,00"}, "is not an amount"),
        ({"--amount": "0.001"}, "decimals"),
        ({"--amount": "-1"}, "is not an amount"),
        ({"--currency": "XYZ"}, "ISO 4217"),
        ({"--invoice": "--"}, "no letter or digit"),
        ({"--delivery": "BL-1"}, "NUMBER/LINE/QUANTITY/TOTAL"),
        ({"--delivery": "BL-1/1/11/10"}, "at most the line's total"),
    ],
)
def test_a_wrong_invoice_is_told_before_anything_is_signed(
    shell: Shell, changes: dict[str, str], message: str
) -> None:
    options = {
        "--debtor": BUYER,
        "--invoice": "WRONG-1",
        "--amount": "1",
        "--currency": "USD",
        "--issued": TODAY.isoformat(),
        "--due": DUE,
    }
    flat = [f"{name}={value}" for name, value in (options | changes).items()]
    said = shell("register", "--as", "exporter-1", *flat, "--network", str(shell.folder))
    assert said.code == 2, said
    assert message in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("no-such-command",),
        ("register",),
        ("status", "--no-such-option"),
        ("register", "--as", "exporter-1", "--issued", "1.1.2026"),
    ],
)
def test_usage_errors_end_with_two(offline: Shell, arguments: tuple[str, ...]) -> None:
    assert offline(*arguments).code == 2


def test_nodes_that_do_not_run_are_unreachable(offline: Shell) -> None:
    said = offline.on("status", A_RECEIVABLE, "--timeout", "0.5")
    assert (said.code, said.document["error"]["code"]) == (3, "Unreachable")


def test_a_folder_that_is_no_network_says_how_to_make_one(offline: Shell, tmp_path: Path) -> None:
    said = offline("status", A_RECEIVABLE, "--network", str(tmp_path / "nowhere"))
    assert (said.code, "pledgebook network init" in said.err) == (2, True)


def test_what_is_not_registered_is_told_with_its_proof(shell: Shell) -> None:
    said = shell.on("confirm", A_RECEIVABLE, "--as", "debtor-1", "--amount", "1")
    assert said.code == 2
    assert "proven at height" in said.document["error"]["message"]


def test_a_record_is_not_shown_to_those_who_are_no_party(shell: Shell) -> None:
    said = shell.on("receivable", shell.registered("X-1"), "--as", "factor-2")
    assert (said.code, said.document["error"]["code"]) == (1, "FORBIDDEN")


def test_parties_are_told_who_asked_about_their_receivable_and_others_are_not(shell: Shell) -> None:
    receivable = shell.registered("X-2")
    assert shell.on("status", receivable, "--as", "factor-2", "--node", "factor-1").code == 0
    assert shell.on("receivable", receivable, "--as", "factor-2", "--node", "association").code == 1
    time.sleep(1.5)  # what was asked in the last second may not be kept yet
    said = shell.on("queries", receivable, "--as", "exporter-1")
    assert said.code == 0, said
    asked = {(each["kind"], each["node_id"]) for each in said.document["queries"]}
    assert {("status", "factor-1"), ("record", "association")} <= asked
    assert {each["purpose"] for each in said.document["queries"]} <= {"status", "receivable", "preflight"}
    assert said.document["did_not_tell"] == {}
    shown = shell("queries", receivable, "--as", "debtor-1", "--network", str(shell.folder))
    assert "factor-2" in shown.out
    assert "Not proven" in shown.out
    refused = shell.on("queries", receivable, "--as", "factor-2")
    assert (refused.code, refused.document["error"]["code"]) == (1, "FORBIDDEN")


COMMANDS = (
    *(("keys", verb) for verb in ("new", "show", "use")),
    *(("commitment", verb) for verb in ("new", "check")),
    *(
        (verb,)
        for verb in (
            "enrol", "register", "confirm", "dispute", "resolve", "cancel", "assign", "pledge", "release", "pay", "settle",
            "register-future", "crystallise", "attest", "consent", "confirm-tacitly", "reject", "credit-note", "correct",
            "status", "receivable", "queries", "import", "import-mapping", "export", "audit",
        )
    ),
    *(
        ("govern", verb)
        for verb in (
            "member", "change-member", "rotate-key", "revoke-key", "relationship", "risk-assets", "policy", "set-policy", "release-fingerprint",
            "schedule-upgrade",
        )
    ),
    ("network", "init"),
    ("network", "up"),
    ("node", "run"),
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(
    capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert run((*command, "--help")) == 0
    shown = capsys.readouterr().out
    assert f"Example: pledgebook {' '.join(command)}" in shown


def test_a_key_is_made_and_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    assert run(("keys", "new", str(path), "--json")) == 0
    made = json.loads(capsys.readouterr().out)
    assert run(("keys", "show", str(path), "--json")) == 0
    assert json.loads(capsys.readouterr().out) == made
    assert len(made["public_key"]) == 64
    assert run(("keys", "new", str(path))) == 2
    assert "never overwritten" in capsys.readouterr().err
