"""Drafts from the command line: two parties in two folders, with one file between them, against real node processes."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from client.cli import run
from client.draft_file import encode_draft, read_draft
from client.draft_file import papers_beside as beside
from client.keys import read_key
from client.paper_file import find_papers
from node.network import Network
from node.network_files import NetworkPlan, make_network
from registry.entry import encode_body, sign_body
from registry.identifiers import read_id
from registry.operations import Assign
from tests.client.test_command_line import BUYER, DUE, TODAY, Said, Shell, code_of

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def network_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("drafts") / "net"
    plan = NetworkPlan(network_delay_ms=200, heartbeat_ms=1_000)
    with Network(make_network(folder, plan, datetime.datetime.now(datetime.UTC))) as network:
        network.start_all()
        network.wait_healthy()
        on = ("--network", str(folder))
        assert run(("enrol", "debtor-1", "--member-id", BUYER, "--role", "debtor", *on)) == 0
        yield folder


def folder_of(network: Path, member: str, target: Path) -> Path:
    """What one member has on its machine: the directory of all, its own keys, and nobody's papers."""
    (target / "members").mkdir(parents=True)
    document = json.loads((network / "network.json").read_text())
    for name, entry in document["members"].items():
        if name != member:
            entry["keys"] = []
    (target / "network.json").write_text(json.dumps(document))
    shutil.copy(network / document["genesis"], target / document["genesis"])
    for kept in (document["fingerprint_key"], *document["members"].get(member, {}).get("keys", ())):
        shutil.copy(network / kept, target / kept)
    return target


@dataclass(frozen=True, slots=True)
class Machine:
    """One member's shell on its own folder."""

    name: str
    shell: Shell

    def __call__(self, *command: str) -> Said:
        said = self.shell(*command, "--network", str(self.shell.folder), "--as", self.name, "--json")
        return said

    def registered(self, invoice: str, amount: str) -> str:
        said = self(
            "register", "--debtor", BUYER, "--invoice", invoice, "--amount", amount, "--currency", "USD",
            "--issued", TODAY.isoformat(), "--due", DUE,
        )  # fmt: skip
        assert said.code == 0, said
        return str(said.document["operations"][0]["subject"])


@pytest.fixture
def exporter(capsys: pytest.CaptureFixture[str], network_folder: Path, tmp_path: Path) -> Machine:
    return Machine(
        "exporter-1", Shell(capsys, folder_of(network_folder, "exporter-1", tmp_path / "exporter"))
    )


@pytest.fixture
def factor(capsys: pytest.CaptureFixture[str], network_folder: Path, tmp_path: Path) -> Machine:
    return Machine("factor-1", Shell(capsys, folder_of(network_folder, "factor-1", tmp_path / "factor")))


@pytest.fixture
def stranger(capsys: pytest.CaptureFixture[str], network_folder: Path, tmp_path: Path) -> Machine:
    return Machine("factor-2", Shell(capsys, folder_of(network_folder, "factor-2", tmp_path / "stranger")))


def drafted(exporter: Machine, receivable: str, path: Path, amount: str = "600", *more: str) -> Path:
    said = exporter("assign", receivable, "--to", "factor-1", "--amount", amount, "--draft", str(path), *more)
    assert said.code == 0, said
    assert said.document["signed_by"] == read_draft(path).body.submitter
    return path


def message(said: Said) -> str:
    return str(said.document["error"]["message"])


def test_two_parties_sign_one_after_the_other(
    exporter: Machine, factor: Machine, tmp_path: Path, network_folder: Path
) -> None:
    receivable = exporter.registered("D-1", "1000.00")
    alone = exporter("assign", receivable, "--to", "factor-1", "--amount", "600")
    assert (alone.code, "--draft" in message(alone)) == (2, True)
    draft = drafted(exporter, receivable, tmp_path / "deal.draft")
    assert exporter("receivable", receivable).document["parts"][0]["amount_minor_units"] == 100_000
    early = factor("draft", "submit", str(draft))
    assert (early.code, early.document["error"]["code"]) == (1, "DraftRefused")
    assert "not signed by" in message(early)
    shown = factor("draft", "show", str(draft)).document
    assert shown["missing"] == [
        json.loads((network_folder / "network.json").read_text())["members"]["factor-1"]["member_id"]
    ]
    assert shown["operations"][0]["fields"]["amount"] == "600.00 USD"
    assert "factor-1" in shown["operations"][0]["in_words"]
    checked = factor("draft", "check", str(draft)).document
    assert (checked["papers_checked"], checked["forecast"]["door"]["passes_once_signed"]) == (1, True)
    signed = factor("draft", "sign", str(draft))
    assert (signed.code, signed.document["missing"]) == (0, []), signed
    assert [oct(draft.stat().st_mode)[-3:], oct(beside(draft).stat().st_mode)[-3:]] == ["600", "600"]
    again = factor("draft", "sign", str(draft))
    assert (again.code, "signed this draft already" in message(again)) == (1, True)
    done = factor("draft", "submit", str(draft))
    assert (done.code, code_of(done)) == (0, "OK"), done
    parts = {
        part["holder"]: part["amount_minor_units"]
        for part in exporter("receivable", receivable).document["parts"]
    }
    assert sorted(parts.values()) == [40_000, 60_000]
    twice = exporter("draft", "submit", str(draft))
    assert (twice.code, twice.document["entry_id"]) == (0, done.document["entry_id"])
    late = factor("draft", "check", str(draft))
    assert (late.code, "is used or too old" in message(late)) == (1, True)


def test_commands_in_between_do_not_take_the_number_of_a_draft(
    exporter: Machine, factor: Machine, tmp_path: Path
) -> None:
    receivable = exporter.registered("D-2", "2000.00")
    drafts = [
        drafted(exporter, receivable, tmp_path / f"{number}.draft", f"{number}.00") for number in (1, 2)
    ]
    numbers = [read_draft(draft).body.sequence for draft in drafts]
    assert numbers[0] < numbers[1]
    for number in range(3):
        exporter.registered(f"D-2-{number}", f"{300 + number}.00")
    for draft in drafts:
        assert factor("draft", "sign", str(draft)).code == 0
        assert factor("draft", "submit", str(draft)).code == 0


def test_a_draft_is_refused_whose_papers_are_not_those_of_the_registration(
    exporter: Machine, factor: Machine, tmp_path: Path
) -> None:
    receivable = exporter.registered("D-3", "3000.00")
    draft = drafted(exporter, receivable, tmp_path / "deal.draft")
    papers = beside(draft)
    shown = json.loads(papers.read_text())
    before = draft.read_bytes()
    for field, wrong in (
        ("invoice_number", "D-3000"),
        ("amount_minor_units", 400_000),
        ("receivable", "0" * 64),
    ):
        papers.write_text(json.dumps({**shown, field: wrong}) + "\n")
        for command in ("check", "sign"):
            said = factor("draft", command, str(draft))
            assert (said.code, said.document["error"]["code"]) == (1, "PapersMismatch"), said
    papers.unlink()
    said = factor("draft", "sign", str(draft))
    assert (said.code, "no papers were shown" in message(said)) == (1, True)
    assert draft.read_bytes() == before
    elsewhere = tmp_path / "mailed.jsonl"
    elsewhere.write_text(json.dumps(shown) + "\n")
    assert factor("draft", "sign", str(draft), "--papers", str(elsewhere)).code == 0


def test_an_amount_that_was_altered_after_the_first_signature_is_refused(
    exporter: Machine, factor: Machine, tmp_path: Path
) -> None:
    receivable = exporter.registered("D-4", "4000.00")
    draft = drafted(exporter, receivable, tmp_path / "deal.draft")
    entry = read_draft(draft)
    operation = entry.body.operations[0]
    assert isinstance(operation, Assign)
    altered = replace(entry.body, operations=(replace(operation, amount=operation.amount + 1),))
    draft.write_bytes(encode_draft(encode_body(altered), entry.signatures))
    for command in ("show", "check", "sign", "submit"):
        said = factor("draft", command, str(draft))
        assert (said.code, "altered after it was signed" in message(said)) == (1, True)


def test_a_taker_that_no_node_tells_more_sees_by_itself_that_too_little_is_free(
    exporter: Machine, factor: Machine, tmp_path: Path
) -> None:
    receivable = exporter.registered("D-14", "1500.00")
    drafts = [drafted(exporter, receivable, tmp_path / f"{name}.draft", "800") for name in ("one", "two")]
    assert factor("draft", "sign", str(drafts[0])).code == 0
    assert factor("draft", "check", str(drafts[1])).document["overdrawn"] == []
    assert factor("draft", "submit", str(drafts[0])).code == 0
    # By now the factor holds a part, may see the record, and is told what a node thinks.
    told = factor("draft", "check", str(drafts[1])).document
    assert told["forecast"]["operations"][0]["code"] == "EMPTY_ASSIGNMENT"


def test_more_than_is_free_is_seen_in_the_public_view(
    exporter: Machine, factor: Machine, tmp_path: Path
) -> None:
    receivable = exporter.registered("D-15", "1600.00")
    draft = drafted(exporter, receivable, tmp_path / "deal.draft", "1600.01")
    checked = factor("draft", "check", str(draft))
    assert (checked.code, checked.document["forecast"]["operations"]) == (1, [])
    assert "it takes 1,600.01 USD of" in checked.document["overdrawn"][0]
    refused = factor("draft", "sign", str(draft))
    assert (refused.code, "1,600.00 USD are free" in message(refused)) == (1, True)
    on = ("--network", str(factor.shell.folder), "--as", "factor-1")
    assert "it takes 1,600.01 USD" in factor.shell("draft", "check", str(draft), *on).out


def test_papers_travel_on_with_an_onward_assignment(
    exporter: Machine, factor: Machine, stranger: Machine, tmp_path: Path
) -> None:
    receivable = exporter.registered("D-13", "1400.00")
    first, onward = tmp_path / "first.draft", tmp_path / "onward.draft"
    drafted(exporter, receivable, first)
    assert factor("draft", "sign", str(first)).code == 0
    assert factor("draft", "submit", str(first)).code == 0
    resale = ("assign", receivable, "--to", "factor-2", "--amount", "100", "--papers", str(beside(first)))
    said = factor(*resale, "--draft", str(onward))
    assert said.document["papers"] == str(beside(onward))
    assert stranger("draft", "sign", str(onward)).code == 0
    assert code_of(stranger("draft", "submit", str(onward))) == "OK"


def test_who_is_no_party_can_neither_sign_nor_be_slipped_in(
    exporter: Machine, factor: Machine, stranger: Machine, tmp_path: Path, network_folder: Path
) -> None:
    receivable = exporter.registered("D-5", "5000.00")
    draft = drafted(exporter, receivable, tmp_path / "deal.draft")
    said = stranger("draft", "sign", str(draft))
    assert (said.code, "no party" in message(said)) == (1, True)
    entry = read_draft(draft)
    key = read_key(network_folder / "members" / "factor-2-key-1.pem")
    member_id = json.loads((network_folder / "network.json").read_text())["members"]["factor-2"]["member_id"]
    for name, words in (
        (member_id, "no party"),
        ("lei:nobody", "no valid key"),
        (entry.body.submitter, "no valid key"),
    ):
        slipped = sign_body(entry.body_bytes, name, key)
        draft.write_bytes(encode_draft(entry.body_bytes, (*entry.signatures, slipped)))
        said = factor("draft", "sign", str(draft))
        assert (said.code, words in message(said)) == (1, True), said


def test_a_draft_of_another_chain_or_of_yesterday_is_refused(
    exporter: Machine, factor: Machine, tmp_path: Path, network_folder: Path
) -> None:
    receivable = exporter.registered("D-6", "6000.00")
    draft = drafted(exporter, receivable, tmp_path / "deal.draft")
    body = read_draft(draft).body
    key = read_key(network_folder / "members" / "exporter-1-key-1.pem")
    for changed, words in (
        (replace(body, chain_id=bytes(32)), "is for chain"),
        (replace(body, valid_until_ms=1_700_000_000_000), "was valid until 2023"),
    ):
        encoded = encode_body(changed)
        draft.write_bytes(encode_draft(encoded, (sign_body(encoded, body.submitter, key),)))
        said = factor("draft", "sign", str(draft))
        assert (said.code, words in message(said)) == (1, True), said


def test_parties_that_sign_at_the_same_time_merge_their_copies(
    exporter: Machine, factor: Machine, stranger: Machine, tmp_path: Path
) -> None:
    receivable = exporter.registered("D-7", "7000.00")
    settled = drafted(exporter, receivable, tmp_path / "deal.draft")
    assert factor("draft", "sign", str(settled)).code == 0
    assert factor("draft", "submit", str(settled)).code == 0
    joint = exporter(
        "assign", receivable, "--to", "factor-2", "--amount", "10", "--draft", str(tmp_path / "second.draft")
    )
    assert joint.code == 0
    assert stranger("draft", "sign", str(tmp_path / "second.draft")).code == 0
    assert stranger("draft", "submit", str(tmp_path / "second.draft")).code == 0
    closing = tmp_path / "settle.draft"
    assert exporter("settle", receivable, "--write-off", "--draft", str(closing)).code == 0
    copies = [Path(shutil.copy(closing, tmp_path / f"copy-{name}")) for name in ("a", "b")]
    assert factor("draft", "sign", str(copies[0])).code == 0
    assert stranger("draft", "sign", str(copies[1])).code == 0
    merged = tmp_path / "merged.draft"
    assert exporter.shell("draft", "merge", str(copies[0]), str(copies[1]), str(merged)).code == 0
    assert len(read_draft(merged).signatures) == 3
    other = exporter.shell("draft", "merge", str(copies[0]), str(settled), str(tmp_path / "x"), "--json")
    assert (other.code, "two drafts" in message(other)) == (1, True)
    assert code_of(exporter("draft", "submit", str(merged))) == "OK"


def test_people_are_told_what_they_sign(exporter: Machine, factor: Machine, tmp_path: Path) -> None:
    receivable = exporter.registered("D-8", "8000.00")
    draft = drafted(exporter, receivable, tmp_path / "deal.draft", "77.00", "--with-recourse")
    on = ("--network", str(factor.shell.folder), "--as", "factor-1")
    said = factor.shell("draft", "show", str(draft), *on)
    for words in ("77.00 USD", "factor-1", "with recourse", "yes", "valid until"):
        assert words in said.out
    offline = factor.shell("draft", "show", str(draft), "--offline", *on)
    assert "7700 minor units" in offline.out
    assert factor.shell("draft", "check", str(draft), *on).code == 0
    signing = factor.shell("draft", "sign", str(draft), *on)
    assert "assigns 77.00 USD" in signing.out
    assert "committed" in factor.shell("draft", "submit", str(draft), *on).out


def test_a_file_that_was_exchanged_after_it_was_looked_at_is_not_signed(
    exporter: Machine, factor: Machine, tmp_path: Path
) -> None:
    receivable = exporter.registered("D-EXCHANGED", "8000.00")
    shown = drafted(exporter, receivable, tmp_path / "shown.draft", "77.00")
    other = drafted(exporter, receivable, tmp_path / "other.draft", "78.00")
    entry_id = factor("draft", "show", str(shown)).document["entry_id"]
    other.replace(shown)
    refused = factor("draft", "sign", str(shown), "--entry", entry_id)
    assert (refused.code, refused.document["error"]["code"]) == (1, "DraftRefused")
    assert len(read_draft(shown).signatures) == 1
    present = factor("draft", "show", str(shown)).document["entry_id"]
    assert factor("draft", "sign", str(shown), "--entry", present).code == 0


def test_the_association_signs_with_as_many_keys_as_it_needs(
    capsys: pytest.CaptureFixture[str], network_folder: Path, tmp_path: Path
) -> None:
    folder = folder_of(network_folder, "association", tmp_path / "association")
    document = json.loads((folder / "network.json").read_text())
    keys = document["members"]["association"]["keys"]
    shells = []
    for number, key in enumerate(keys[:2]):
        seat = tmp_path / f"seat-{number}"
        shutil.copytree(folder, seat)
        document["members"]["association"]["keys"] = [key]
        (seat / "network.json").write_text(json.dumps(document))
        shells.append(Machine("association", Shell(capsys, seat)))
    first, second = shells
    draft = tmp_path / "member.draft"
    said = first.shell(
        "govern", "change-member", "factor-2", "--running-numbers", "--draft", str(draft), "--network",
        str(first.shell.folder), "--json",
    )  # fmt: skip
    assert said.code == 0, said
    early = first("draft", "submit", str(draft))
    assert "1 more of the association's keys" in message(early)
    assert "signed it already" in message(first("draft", "sign", str(draft)))
    assert second("draft", "sign", str(draft)).code == 0
    assert code_of(second("draft", "submit", str(draft))) == "OK"


def test_three_parties_sign_a_junior_pledge_each_on_its_own_machine(
    exporter: Machine, factor: Machine, stranger: Machine, tmp_path: Path
) -> None:
    receivable = exporter.registered("D-9", "9000.00")
    until = (TODAY + datetime.timedelta(days=200)).isoformat()
    senior, junior = tmp_path / "senior.draft", tmp_path / "junior.draft"
    pledge = ("pledge", receivable, "--until", until)
    assert exporter(*pledge, "--to", "factor-1", "--amount", "9000", "--draft", str(senior)).code == 0
    assert factor("draft", "sign", str(senior)).code == 0
    assert factor("draft", "submit", str(senior)).code == 0
    lien = exporter("receivable", receivable).document["liens"][0]["lien_id"]
    behind = ("--to", "factor-2", "--amount", "100", "--junior-to", lien)
    assert exporter(*pledge, *behind, "--draft", str(junior)).code == 0
    # The senior pledgee takes nothing over, so it needs no papers; the junior one does.
    beside(junior).rename(tmp_path / "kept-back")
    assert len(factor("draft", "sign", str(junior)).document["missing"]) == 1
    without = stranger("draft", "sign", str(junior))
    assert (without.code, without.document["error"]["code"]) == (1, "PapersMismatch")
    assert stranger("draft", "sign", str(junior), "--papers", str(tmp_path / "kept-back")).code == 0
    assert code_of(stranger("draft", "submit", str(junior))) == "OK"


def test_a_draft_that_a_rule_would_refuse_is_signed_only_in_so_many_words(
    exporter: Machine, factor: Machine, tmp_path: Path
) -> None:
    receivable = exporter.registered("D-10", "1100.00")
    taken = drafted(exporter, receivable, tmp_path / "taken.draft", "500", "--with-recourse")
    assert factor("draft", "sign", str(taken)).code == 0
    assert factor("draft", "submit", str(taken)).code == 0
    back = tmp_path / "back.draft"
    reassign = ("reassign", receivable, "--to", "exporter-1", "--amount", "500")
    asked = factor(*reassign, "--dry-run", "--draft", str(back))
    assert (asked.code, code_of(asked), back.exists()) == (1, "NOT_DUE", False)
    assert factor(*reassign, "--draft", str(back)).code == 0
    again = factor(*reassign, "--draft", str(back))
    assert (again.code, "exists already" in message(again)) == (2, True)
    checked = exporter("draft", "check", str(back))
    assert (checked.code, checked.document["forecast"]["operations"][0]["code"]) == (1, "NOT_DUE")
    refused = exporter("draft", "sign", str(back))
    assert (refused.code, "NOT_DUE" in message(refused)) == (1, True)
    assert exporter("draft", "sign", str(back), "--despite-forecast").code == 0
    done = exporter("draft", "submit", str(back))
    assert (done.code, code_of(done)) == (1, "NOT_DUE")


def filed_number(filing: Path, receivable: str) -> str:
    """The invoice number on the papers that are kept for a receivable."""
    filed = find_papers(filing, read_id(receivable))
    assert filed is not None
    return filed.papers.invoice_number


def test_a_correction_is_consented_to_with_the_corrected_papers(
    exporter: Machine,
    factor: Machine,
    tmp_path: Path,
    network_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    receivable = exporter.registered("D-11", "1200.00")
    taken = drafted(exporter, receivable, tmp_path / "taken.draft", "500")
    assert factor("draft", "sign", str(taken)).code == 0
    assert factor("draft", "submit", str(taken)).code == 0
    right = tmp_path / "right.draft"
    assert exporter("correct", receivable, "--invoice", "D-11-B", "--draft", str(right)).code == 0
    stale = factor("draft", "sign", str(right), "--papers", str(beside(taken)))
    assert (stale.code, stale.document["error"]["code"]) == (1, "PapersMismatch")
    assert factor("draft", "sign", str(right)).document["association_keys_missing"] == 2
    association = Machine(
        "association", Shell(capsys, folder_of(network_folder, "association", tmp_path / "seat"))
    )
    assert association("draft", "sign", str(right)).code == 0
    filing = exporter.shell.folder / "papers" / "exporter-1.jsonl"
    told = json.loads(beside(right).read_text())
    # What has been to others and back is kept only if it is what was committed to.
    beside(right).write_text(json.dumps({**told, "amount_minor_units": 1}) + "\n")
    assert code_of(exporter("draft", "submit", str(right))) == "OK"
    assert filed_number(filing, receivable) == "D-11"
    beside(right).write_text(json.dumps(told) + "\n")
    assert code_of(exporter("draft", "submit", str(right))) == "OK"
    assert filed_number(filing, receivable) == "D-11-B"


def test_a_pool_is_agreed_and_told_in_its_currency(
    exporter: Machine, factor: Machine, tmp_path: Path
) -> None:
    receivable = exporter.registered("D-12", "1300.00")
    agreed, added, drawn = (tmp_path / f"{name}.draft" for name in ("agreed", "added", "drawn"))

    def passed(draft: Path) -> Said:
        assert factor("draft", "sign", str(draft)).code == 0
        said = factor("draft", "submit", str(draft))
        assert code_of(said) == "OK", said
        return said

    terms = ("--currency", "USD", "--tenor-days", "120", "--debtor-share", "100", "--advance-rate", "80")
    assert exporter("pool", "create", "--to", "factor-1", *terms, "--draft", str(agreed)).code == 0
    pool = passed(agreed).document["operations"][0]["subject"]
    assert exporter("pool", "add", pool, receivable, "--draft", str(added)).code == 0
    passed(added)
    assert exporter("pool", "draw", pool, "--amount", "1000", "--draft", str(drawn)).code == 0
    told = factor("draft", "show", str(drawn)).document["operations"][0]
    assert told["fields"]["amount"] == "1,000.00 USD"
    passed(drawn)


def test_a_member_begins_the_change_of_its_own_key(
    stranger: Machine, capsys: pytest.CaptureFixture[str], network_folder: Path, tmp_path: Path
) -> None:
    draft, key = tmp_path / "key.draft", tmp_path / "next.pem"
    begun = stranger(
        "govern", "rotate-key", "factor-2", str(key), "--height", "100000", "--draft", str(draft)
    )
    assert begun.code == 0, begun
    association = Machine(
        "association", Shell(capsys, folder_of(network_folder, "association", tmp_path / "seat"))
    )
    assert association("draft", "sign", str(draft)).code == 0
    assert code_of(association("draft", "submit", str(draft))) == "OK"
    keys = stranger.shell("govern", "member", "factor-2", "--network", str(stranger.shell.folder), "--json")
    assert read_key(key).public_key.hex() in [each["public_key"] for each in keys.document["keys"]]


PORTFOLIO = 18


@pytest.fixture
def portfolio(exporter: Machine, tmp_path: Path, request: pytest.FixtureRequest) -> list[str]:
    """As many receivables of the exporter, each of its own amount."""
    first = (len(request.node.name) + 1) * 1_000
    return [exporter.registered(f"P-{first + number}", f"{first + number}.00") for number in range(PORTFOLIO)]


def csv_of(path: Path, receivables: list[str], **amounts: str) -> Path:
    rows = [f"{each},{amounts.get(f'row_{index}', '10.00')}" for index, each in enumerate(receivables)]
    path.write_text("\n".join(("receivable,amount", *rows)) + "\n")
    return path


def test_a_portfolio_goes_over_with_one_signature_of_each_party(
    exporter: Machine, factor: Machine, portfolio: list[str], tmp_path: Path
) -> None:
    draft = tmp_path / "portfolio.draft"
    batch = ("assign-batch", "--to", "factor-1", str(csv_of(tmp_path / "p.csv", portfolio)))
    assert exporter(*batch, "--draft", str(draft)).code == 0
    on = ("--network", str(factor.shell.folder), "--as", "factor-1")
    shown = factor.shell("draft", "show", str(draft), *on).out
    assert "180.00 USD" in shown
    assert shown.count("assigns") == PORTFOLIO
    assert "10.00 USD" in factor.shell("draft", "show", str(draft), "--operation", "17", *on).out
    assert factor("draft", "show", str(draft), "--operation", "18").code == 2
    signed = factor("draft", "sign", str(draft))
    assert signed.code == 0, signed
    assert len(read_draft(draft).signatures) == 2
    done = factor("draft", "submit", str(draft))
    assert (done.code, len(done.document["operations"])) == (0, PORTFOLIO)
    told = factor.shell("draft", "submit", str(draft), *on).out
    assert "18 operations, 18 committed" in told


def test_an_atomic_portfolio_names_the_operation_and_the_row_that_fails(
    shell: Shell, portfolio: list[str], tmp_path: Path
) -> None:
    bad = csv_of(tmp_path / "p.csv", portfolio, row_17="999999.00")
    batch = ("assign-batch", str(bad), "--as", "exporter-1", "--to", "factor-1")
    papers = ("--papers", str(tmp_path / "exporter" / "papers" / "exporter-1.jsonl"))
    refused = shell.on(*batch, *papers)
    assert (refused.code, refused.document["outcome"], refused.document["failed_operation"]) == (
        1,
        "refused",
        17,
    )
    codes = [each["code"] for each in refused.document["operations"]]
    assert (codes.count("NOT_APPLIED"), codes[17]) == (PORTFOLIO - 1, "EMPTY_ASSIGNMENT")
    assert refused.document["operations"][17]["place"] == "line 19 of p.csv"
    told = shell(*batch, *papers, "--network", str(shell.folder))
    assert "operation 17, Assign (line 19 of p.csv)" in " ".join(told.out.split())
    partly = shell.on(*batch, *papers, "--independent")
    assert (partly.code, partly.document["outcome"], partly.document["failed_operation"]) == (
        1,
        "partly",
        None,
    )
    codes = [each["code"] for each in partly.document["operations"]]
    assert (codes.count("OK"), codes[17]) == (PORTFOLIO - 1, "EMPTY_ASSIGNMENT")


def test_a_portfolio_with_a_wrong_row_is_not_sent(shell: Shell, exporter: Machine, tmp_path: Path) -> None:
    few = [exporter.registered(f"W-{number}", f"{50 + number}.00") for number in range(2)]
    wrong = csv_of(tmp_path / "p.csv", few, row_1="10.005")
    batch = ("assign-batch", str(wrong), "--as", "exporter-1", "--to", "factor-1")
    said = shell.on(*batch)
    assert (said.code, said.document["problem_count"]) == (2, 1)
    assert (said.document["problems"][0]["line"], said.document["problems"][0]["column"]) == (3, "amount")
    told = shell(*batch, "--network", str(shell.folder))
    assert "line 3, column amount" in told.err
    unknown = csv_of(tmp_path / "u.csv", [few[0], "ab" * 32])
    said = shell.on("assign-batch", str(unknown), "--as", "exporter-1", "--to", "factor-1")
    assert (said.code, "line 3, column receivable" in message(said)) == (2, True)


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], network_folder: Path) -> Shell:
    return Shell(capsys, network_folder)
