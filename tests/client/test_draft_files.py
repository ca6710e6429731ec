"""Drafts: bytes of the file, who has signed, numbers set aside, and every operation told in full."""

from __future__ import annotations

import datetime
import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import nacl.bindings
import pytest

from client.answers import Forecast, Preflight
from client.cli import run
from client.commands import output
from client.commands.draft_checks import Checked
from client.commands.session import DRAFT_LANE, LANES
from client.draft_file import (
    DRAFT_BYTES_MAX,
    MAGIC,
    decode_draft,
    encode_draft,
    read_draft,
    replace_draft,
    write_draft,
)
from client.draft_numbers import take_draft_number
from client.drafts import Standing, check_time, merge, parties_of, standing_of, with_signatures
from client.errors import DirectoryError, DraftRefused, InputError
from client.operation_words import SENTENCES, Glossary, facts_of, sentence_of, sums_of
from client.submission import next_in_lane
from client.wallet import draft_body
from node.network_files import NetworkPlan, make_network
from registry.entry import Mode, decode_body, decode_entry, sign_body
from registry.fingerprints import Numbering
from registry.genesis import parse_genesis
from registry.identifiers import show_id
from registry.limits import OPERATIONS_MAX, SEQUENCE_WINDOW, SIGNATURES_MAX
from registry.member import FOREVER, Member, MemberKey, MemberStatus
from registry.operations import (
    OPERATION_TYPES,
    Assign,
    ConfirmTacitly,
    Freeze,
    NotifyDebtor,
    Operation,
    ReverseByJudgment,
)
from registry.operations.governance import Role
from registry.operations.reversal import AssignmentUndone, PledgeUndone, Step, StepUndone
from registry.sequence_window import SequenceWindow
from registry.signing import SigningKey
from tests.registry.test_registry_vectors import build as published

VECTORS = Path(__file__).parents[1] / "vectors"
PATH = VECTORS / "draft_file.json"
CHAIN_ID = bytes(range(32))
EXPORTER, FACTOR, COURT, ASSOCIATION, STRANGER = (
    "lei:549300E9PC51EN656011", "lei:529900T8BM49AURSDO55", "lei:529900HNOAA1KXQJUQ27", "lei:5493001KJTIIGC8Y1R12",
    "uscc:91330000706061690A",
)  # fmt: skip
KEYS = {
    name: tuple(SigningKey(bytes([number, seat]) * 16) for seat in range(2))
    for number, name in enumerate((EXPORTER, FACTOR, COURT, ASSOCIATION, STRANGER))
}
ROLES = {
    EXPORTER: Role.EXPORTER, FACTOR: Role.FACTOR, COURT: Role.COURT, ASSOCIATION: Role.ASSOCIATION,
    STRANGER: Role.FACTOR,
}  # fmt: skip
RECEIVABLE = bytes([9]) * 32
ASSIGNMENT = Assign(RECEIVABLE, EXPORTER, FACTOR, 600_00, True, None, bytes([7]) * 32, ())


def member(name: str) -> Member:
    keys = tuple(MemberKey(key.public_key, 1, FOREVER) for key in KEYS[name])
    return Member(name, (ROLES[name],), MemberStatus.ACTIVE, Numbering.CONTINUOUS, None, keys)


MEMBERS = {name: member(name) for name in KEYS}


def body(*operations: Operation, submitter: str = EXPORTER) -> bytes:
    return draft_body(CHAIN_ID, submitter, 17, 1_800_000_000_000, operations or (ASSIGNMENT,))


def signed(body_bytes: bytes, *names: str, seat: int = 0) -> bytes:
    return encode_draft(body_bytes, [sign_body(body_bytes, name, KEYS[name][seat]) for name in names])


# -- bytes -------------------------------------------------------------------------------------------------------------


def build() -> dict[str, Any]:
    both = body(ASSIGNMENT, NotifyDebtor(RECEIVABLE, FACTOR))
    return {
        "seeds": {
            name: [(bytes([number, seat]) * 16).hex() for seat in range(2)]
            for number, name in enumerate(KEYS)
        },
        "unsigned": encode_draft(both, ()).hex(),
        "signed_by_the_exporter": signed(both, EXPORTER).hex(),
        "signed_by_both": signed(both, EXPORTER, FACTOR).hex(),
    }


def write() -> None:
    PATH.write_text(json.dumps(build(), indent=1) + "\n")


def test_the_published_vector_is_what_is_written() -> None:
    assert json.loads(PATH.read_text()) == build()


def test_a_draft_is_readable_with_msgpack_and_libsodium_alone() -> None:
    vector = json.loads(PATH.read_text())
    data = bytes.fromhex(vector["signed_by_both"])
    assert data.startswith(b"pledgebook draft 1\n")
    signed_body, signatures = msgpack.unpackb(data[19:])
    assert len(signatures) == 2
    for _name, key, signature in signatures:
        message = nacl.bindings.crypto_sign_open(signature + b"pledgebook/entry/v1\0" + signed_body, key)
        assert message.endswith(signed_body)
    assert msgpack.unpackb(signed_body)[1] == CHAIN_ID


def test_a_draft_that_was_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.draft"
    write_draft(path, signed(body(), EXPORTER))
    entry = read_draft(path)
    assert (entry.body, [each.member for each in entry.signatures]) == (decode_body(body()), [EXPORTER])
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(DirectoryError, match="exists already"):
        write_draft(path, b"")
    replace_draft(path, signed(body(), EXPORTER, FACTOR))
    assert len(read_draft(path).signatures) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["a.draft"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "does not begin"),
        (b"PK\x03\x04", "does not begin"),
        (b"pledgebook draft 2\n", "format 2; this version reads format 1"),
        (b"pledgebook draft \xff\xff\n", "this version reads format 1"),
        (MAGIC, "not a draft"),
        (MAGIC + b"\xc1", "not a draft"),
        (MAGIC + b"\x92\xc4\x00\x90", "not a draft"),
        (MAGIC + b"\xdd\xff\xff\xff\xff", "not a draft"),
        (MAGIC + b"\x91" * 100_000, "not a draft"),
        (signed(body(), EXPORTER) + b"\x00", "not a draft"),
        (signed(body(), EXPORTER)[:-1], "not a draft"),
        (b"\x00" * (DRAFT_BYTES_MAX + 1), "longer than"),
    ],
)
def test_what_is_no_draft_is_named_and_hurts_nothing(data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.draft"
    path.write_bytes(data)
    with pytest.raises(InputError, match=words) as refused:
        read_draft(path)
    assert len(str(refused.value)) < 500


def test_a_signature_over_another_body_is_refused(tmp_path: Path) -> None:
    first = decode_draft(signed(body(), EXPORTER))
    altered = body(replace(ASSIGNMENT, amount=601_00))
    path = tmp_path / "altered.draft"
    path.write_bytes(encode_draft(altered, first.signatures))
    with pytest.raises(DraftRefused, match="altered after it was signed"):
        read_draft(path)


# -- who has signed ----------------------------------------------------------------------------------------------------


def test_parties_are_the_submitter_and_those_whom_the_operations_need() -> None:
    assert parties_of(decode_body(body())) == (EXPORTER, FACTOR)
    assert parties_of(decode_body(body(submitter=STRANGER))) == (STRANGER, EXPORTER, FACTOR)


@pytest.mark.parametrize(
    ("signers", "missing", "is_complete"),
    [((), (EXPORTER, FACTOR), False), ((FACTOR,), (EXPORTER,), False), ((EXPORTER, FACTOR), (), True)],
)
def test_a_draft_is_complete_when_all_parties_have_signed(
    signers: tuple[str, ...], missing: tuple[str, ...], is_complete: bool
) -> None:
    standing = standing_of(decode_draft(signed(body(), *signers)), MEMBERS, 5, 2)
    assert (standing.missing, standing.is_complete, standing.seats_needed) == (missing, is_complete, 0)
    assert standing.wanting() == ", ".join(missing)


def test_a_decision_needs_as_many_of_the_associations_keys_as_its_quorum() -> None:
    order = body(Freeze(RECEIVABLE, COURT, "2027-74-1"), submitter=COURT)
    one = decode_draft(signed(order, COURT, ASSOCIATION))
    standing = standing_of(one, MEMBERS, 5, 2)
    assert (standing.missing, standing.seats, standing.is_complete) == ((), 1, False)
    assert standing.wanting() == "1 more of the association's keys"
    second = sign_body(order, ASSOCIATION, KEYS[ASSOCIATION][1])
    suspended = {**MEMBERS, ASSOCIATION: replace(MEMBERS[ASSOCIATION], status=MemberStatus.SUSPENDED)}
    assert standing_of(one, suspended, 5, 2).seats == 0
    assert standing_of(decode_draft(with_signatures(one, [second])), MEMBERS, 5, 2).is_complete


def test_signatures_that_are_worth_nothing_are_refused() -> None:
    with pytest.raises(DraftRefused, match="is no party"):
        standing_of(decode_draft(signed(body(), EXPORTER, STRANGER)), MEMBERS, 5, 2)
    with pytest.raises(DraftRefused, match="is no party"):
        standing_of(decode_draft(signed(body(), ASSOCIATION)), MEMBERS, 5, 2)
    with pytest.raises(DraftRefused, match="no valid key"):
        standing_of(decode_draft(signed(body(), EXPORTER)), {}, 5, 2)
    expired = replace(MEMBERS[EXPORTER], keys=(MemberKey(KEYS[EXPORTER][0].public_key, 1, 5),))
    assert standing_of(decode_draft(signed(body(), EXPORTER)), {EXPORTER: expired}, 4, 2).signed == (
        EXPORTER,
    )
    with pytest.raises(DraftRefused, match="no valid key"):
        standing_of(decode_draft(signed(body(), EXPORTER)), {EXPORTER: expired}, 5, 2)
    gone = replace(MEMBERS[EXPORTER], status=MemberStatus.EXPELLED)
    with pytest.raises(DraftRefused, match="is expelled"):
        standing_of(decode_draft(signed(body(), EXPORTER)), {EXPORTER: gone}, 5, 2)


def test_nobody_signs_twice() -> None:
    once = decode_draft(signed(body(), EXPORTER))
    with pytest.raises(DraftRefused, match="signed this draft already"):
        with_signatures(once, once.signatures)


def test_more_signatures_than_an_entry_holds_are_refused() -> None:
    entry = decode_draft(signed(body()))
    keys = [SigningKey(bytes([number]) * 32) for number in range(SIGNATURES_MAX + 1)]
    most = [sign_body(entry.body_bytes, EXPORTER, key) for key in keys]
    assert len(decode_draft(with_signatures(entry, most[:-1])).signatures) == SIGNATURES_MAX
    with pytest.raises(DraftRefused, match=f"at most {SIGNATURES_MAX}"):
        with_signatures(entry, most)


def test_copies_are_merged_into_the_same_draft_whichever_comes_first() -> None:
    mine, theirs = decode_draft(signed(body(), EXPORTER)), decode_draft(signed(body(), EXPORTER, FACTOR))
    assert merge(mine, theirs) == merge(theirs, mine) == signed(body(), EXPORTER, FACTOR)
    other = decode_draft(signed(body(replace(ASSIGNMENT, amount=1)), FACTOR))
    with pytest.raises(DraftRefused, match="two drafts"):
        merge(mine, other)


def test_a_draft_is_valid_until_its_last_millisecond() -> None:
    entry = decode_draft(signed(body()))
    check_time(entry, 1_800_000_000_000)
    with pytest.raises(DraftRefused, match="was valid until 2027-01-15"):
        check_time(entry, 1_800_000_000_001)


def test_of_all_or_nothing_the_operation_is_named_that_fails() -> None:
    codes = ("NOT_APPLIED", "EMPTY_ASSIGNMENT", "NOT_APPLIED")
    forecasts = tuple(Forecast(code, b"", None, ()) for code in codes)
    standing = Standing((EXPORTER,), (FACTOR,), 0, 0)
    entry = decode_draft(signed(body(), EXPORTER))
    told = Preflight(9, "MISSING_SIGNATURE", "", forecasts)
    assert "operation 1: EMPTY_ASSIGNMENT" in str(Checked(entry, standing, {}, told, ()).refusal())
    nothing = Preflight(9, "MISSING_SIGNATURE", "", ())
    assert Checked(entry, standing, {}, nothing, ()).refusal() is None
    assert Checked(entry, standing, {}, nothing, ("too much",)).refusal() == "too much"


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_each_draft_has_a_number_of_its_own_in_the_drafts_lane(tmp_path: Path) -> None:
    path = tmp_path / "drafts" / "exporter-1.number"
    taken = [
        take_draft_number(path, highest, lane=16, lanes=17) for highest in (0, 0, 15, 16, 50, 51, 1_000, 3)
    ]
    assert taken == [16, 33, 50, 67, 84, 101, 1_002, 1_019]
    assert all(number % 17 == 16 for number in taken)


def test_a_number_is_above_what_the_ledger_has_seen(tmp_path: Path) -> None:
    for highest in range(200):
        number = take_draft_number(tmp_path / str(highest), highest, lane=16, lanes=17)
        assert highest < number <= highest + 17 < highest + SEQUENCE_WINDOW


def test_a_draft_outlives_a_hundred_further_commands_of_its_submitter(tmp_path: Path) -> None:
    window = SequenceWindow.empty().add(5_000)
    number = take_draft_number(tmp_path / "n", window.highest, lane=DRAFT_LANE, lanes=LANES)
    entries = 0
    while window.accepts(number):
        # As every command does: the next number of its lane above all that the ledger has seen.
        window = window.add(next_in_lane(window.highest, 7 * entries % DRAFT_LANE, LANES))
        entries += 1
    assert entries > 100


@pytest.mark.parametrize("content", [b"x\n", b"-1\n", b"1 2\n", b"9" * 40])
def test_a_damaged_number_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "n"
    path.write_bytes(content)
    with pytest.raises(DirectoryError, match="is damaged"):
        take_draft_number(path, 0, lane=16, lanes=17)


# -- words -------------------------------------------------------------------------------------------------------------


@functools.cache
def every_operation() -> tuple[Operation, ...]:
    """One of each type at least: those of the entries that are published as vectors."""
    entries = (decode_entry(bytes.fromhex(entry["raw"])) for entry in published()["entries"])
    return tuple(operation for entry in entries for operation in entry.body.operations)


def test_every_field_of_every_operation_is_told() -> None:
    glossary = Glossary()
    told = {}
    for operation in every_operation():
        facts = facts_of(operation, glossary)
        kind = next(kind for kind in OPERATION_TYPES if kind.build is type(operation))
        assert [name for name, _ in facts] == [name for name, _ in kind.shape.fields]
        assert all(words for _, words in facts), operation
        told[kind.name] = sentence_of(operation, glossary)
    assert told.keys() == {kind.name for kind in OPERATION_TYPES}


def test_every_operation_has_its_sentence() -> None:
    assert {kind.name for kind in OPERATION_TYPES} <= SENTENCES.keys()
    for operation in every_operation():
        assert "{" not in sentence_of(operation, Glossary())


def test_amounts_are_told_in_their_currency_or_as_minor_units() -> None:
    glossary = Glossary({EXPORTER: "exporter-1"}, {RECEIVABLE: "JPY"})
    assert dict(facts_of(ASSIGNMENT, glossary))["amount"] == "60,000 JPY"
    assert dict(facts_of(ASSIGNMENT, Glossary()))["amount"] == "60000 minor units"
    assert dict(facts_of(ASSIGNMENT, glossary))["assignor"] == f"exporter-1 ({EXPORTER})"
    assert dict(facts_of(ASSIGNMENT, glossary))["with_recourse"] == "yes"


def test_a_consent_inside_an_operation_is_told_field_by_field() -> None:
    consents = (
        each for each in every_operation() if isinstance(each, ConfirmTacitly) and each.opt_in is not None
    )
    operation = next(consents)
    assert operation.opt_in is not None
    told = dict(facts_of(operation, Glossary()))["opt_in"]
    assert operation.opt_in.debtor in told
    assert "until ms" in told
    assert "UTC" in told


def test_what_a_judgment_undoes_is_told_effect_by_effect() -> None:
    undone = (
        AssignmentUndone(EXPORTER, FACTOR, 60_000, (bytes([7]) * 32,)),
        PledgeUndone(bytes([6]) * 32),
        StepUndone(Step.POOL),
    )
    judgment = ReverseByJudgment(RECEIVABLE, EXPORTER, "7", RECEIVABLE, undone)
    told = dict(facts_of(judgment, Glossary({EXPORTER: "exporter-1"}, {RECEIVABLE: "JPY"})))["undone"]
    sale = f"assignor exporter-1 ({EXPORTER}); assignee {FACTOR}; amount 60,000 JPY"
    assert told == (
        f"[{sale}; with liens {show_id(bytes([7]) * 32)}], [lien {show_id(bytes([6]) * 32)}], [step pool]"
    )


def test_a_large_entry_is_summed_by_type_members_and_currency() -> None:
    other = bytes([8]) * 32
    operations = (
        [ASSIGNMENT] * 600
        + [replace(ASSIGNMENT, receivable=other, amount=1)] * 399
        + [NotifyDebtor(other, FACTOR)]
    )
    sums = sums_of(operations, Glossary({}, {RECEIVABLE: "EUR", other: "USD"}))
    assert [(each.operation, each.count, each.amount, each.currency) for each in sums] == [
        ("Assign", 600, 36_000_000, "EUR"),
        ("Assign", 399, 399, "USD"),
        ("NotifyDebtor", 1, 0, "USD"),
    ]
    assert (
        decode_body(draft_body(CHAIN_ID, EXPORTER, 1, 1, tuple(operations), Mode.INDEPENDENT)).mode
        is Mode.INDEPENDENT
    )


def test_what_another_party_wrote_cannot_hide_a_part_of_itself(capsys: pytest.CaptureFixture[str]) -> None:
    hidden = "[link=http://x]2027-74-1[/link] :smile: [/]"
    output.print_facts("[bold]case[/bold]", {"case": hidden, "fields": "[debtor x; amount 5]"})
    output.print_rows("rows", ("[a]",), [(hidden,)])
    told = capsys.readouterr().out
    assert told.count(hidden) == 2
    for words in ("[bold]case[/bold]", "[debtor x; amount 5]", "[a]"):
        assert words in told


def test_a_draft_of_a_thousand_operations_is_told_line_by_line_and_summed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "net"
    make_network(folder, NetworkPlan(), datetime.datetime.now(datetime.UTC))
    chain_id = parse_genesis((folder / "genesis.json").read_bytes()).chain_id
    operations = tuple(
        replace(ASSIGNMENT, receivable=number.to_bytes(32, "big")) for number in range(OPERATIONS_MAX)
    )
    large = draft_body(chain_id, EXPORTER, 1, 1_800_000_000_000, operations)
    draft = tmp_path / "large.draft"
    write_draft(draft, signed(large, EXPORTER))
    asked = ("draft", "show", str(draft), "--offline", "--network", str(folder))
    assert run(asked) == 0
    told = capsys.readouterr().out
    assert told.count("assigns") == OPERATIONS_MAX
    assert f"{OPERATIONS_MAX * ASSIGNMENT.amount} minor units" in " ".join(told.split())
    assert run((*asked, "--json")) == 0
    assert len(json.loads(capsys.readouterr().out)["operations"]) == OPERATIONS_MAX
    assert len(read_draft(draft).signatures) == 1
