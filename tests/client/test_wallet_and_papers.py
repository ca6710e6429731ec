"""A wallet signs what its papers support, and nothing else."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from client.errors import DirectoryError, InputError, PapersMismatch
from client.paper_file import FiledPapers, append_papers, find_papers, read_papers
from client.papers import DeliveryPaper, Papers, commitment, date_of, day_number
from client.wallet import ShownPapers, Wallet, draft_body, sign_for_all
from registry.entry import decode_entry, verify_signatures
from registry.errors import MalformedEntry
from registry.fingerprints import FingerprintKey, Numbering
from registry.identifiers import MemberId, ReceivableId
from registry.member import possession_message
from registry.operations import AcceptAssignment, Assign, CorrectReceivable, EnrolMember, Operation, Pledge
from registry.operations.existence import EvidenceKind
from registry.operations.governance import Role
from registry.operations.security import Junior
from registry.signing import SigningKey, verify

CHAIN_ID = bytes(range(32))
KEY = FingerprintKey(bytes(32), 1)
EXPORTER = MemberId("lei:549300E9PC51EN656011")
FACTOR = MemberId("lei:529900T8BM49AURSDO55")
RECEIVABLE = bytes([9]) * 32

PAPERS = Papers(
    exporter=EXPORTER,
    debtor="DE:HRB 12345",
    invoice_number="INV-007/2024",
    issue_date=datetime.date(2024, 3, 1),
    due_date=datetime.date(2024, 5, 30),
    amount=1_200_00,
    currency="EUR",
    fiscal_number="24312000000012345678",
    document_sha256=bytes([3]) * 32,
    deliveries=(DeliveryPaper("BL-77", "1", 500, 2_000), DeliveryPaper("BL-77", "2", 10, 10)),
)


def wallet(member: MemberId, seed: int = 1, keys: int = 1) -> Wallet:
    return Wallet(member, tuple(SigningKey(bytes([seed + n]) * 32) for n in range(keys)), CHAIN_ID, KEY)


def assignment(**changes: object) -> Assign:
    honest = Assign(RECEIVABLE, EXPORTER, FACTOR, 500_00, False, None, PAPERS.fingerprints(KEY).digest(), ())
    return replace(honest, **changes)  # type: ignore[arg-type]  # field names are the test's business


def pledge(**changes: object) -> Pledge:
    honest = Pledge(
        RECEIVABLE, EXPORTER, FACTOR, 500_00, 1_900_000_000_000, None, PAPERS.fingerprints(KEY).digest(), ()
    )
    return replace(honest, **changes)  # type: ignore[arg-type]  # field names are the test's business


def acceptance() -> AcceptAssignment:
    return AcceptAssignment(RECEIVABLE, bytes(32), FACTOR, PAPERS.fingerprints(KEY).digest(), ())


def body(*operations: Operation, chain_id: bytes = CHAIN_ID) -> bytes:
    return draft_body(chain_id, EXPORTER, 1, 1_800_000_000_000, operations)


def shown(papers: Papers = PAPERS, registered: Papers = PAPERS) -> dict[bytes, ShownPapers]:
    return {RECEIVABLE: ShownPapers(papers, registered.fingerprints(KEY), Numbering.CONTINUOUS)}


@pytest.mark.parametrize("operation", [assignment(), pledge()])
def test_a_factor_signs_a_disposal_whose_papers_it_was_shown(operation: Operation) -> None:
    raw = sign_for_all(body(operation), (wallet(EXPORTER), wallet(FACTOR, 2)), shown())
    entry = decode_entry(raw)
    verify_signatures(entry)
    assert {signature.member for signature in entry.signatures} == {EXPORTER, FACTOR}


@pytest.mark.parametrize("operation", [assignment(), pledge(), acceptance()])
def test_a_factor_does_not_sign_without_papers(operation: Operation) -> None:
    with pytest.raises(PapersMismatch, match="no papers were shown"):
        wallet(FACTOR).sign(body(operation))


@pytest.mark.parametrize(
    ("altered", "named"),
    [
        (replace(PAPERS, invoice_number="INV-008/2024"), "invoice"),
        (replace(PAPERS, debtor="DE:HRB 12346"), "invoice, similar"),
        (replace(PAPERS, amount=1_300_00), "similar"),
        (replace(PAPERS, due_date=datetime.date(2024, 6, 1)), "similar"),
        (replace(PAPERS, fiscal_number=None), "fiscal"),
        (replace(PAPERS, document_sha256=bytes(32)), "document"),
        (replace(PAPERS, deliveries=PAPERS.deliveries[:1]), "deliveries"),
        (
            replace(PAPERS, deliveries=(replace(PAPERS.deliveries[0], quantity=501), PAPERS.deliveries[1])),
            "deliveries",
        ),
    ],
)
def test_a_factor_does_not_sign_for_other_papers_than_were_registered(altered: Papers, named: str) -> None:
    with pytest.raises(PapersMismatch, match=rf"\({named}\)"):
        wallet(FACTOR).sign(body(assignment()), shown(papers=altered))


def test_the_exporter_cannot_choose_the_numbering_in_its_paper_file() -> None:
    # Known by another year's fingerprint the same invoice could be registered, and disposed of, twice.
    yearly = replace(PAPERS, numbering=Numbering.YEARLY)
    operation = assignment(verified_fingerprints=yearly.fingerprints(KEY).digest())
    with pytest.raises(PapersMismatch, match=r"\(invoice\)"):
        wallet(FACTOR).sign(body(operation), shown(papers=yearly, registered=yearly))
    honest = shown(papers=yearly)  # what the file says of the numbering does not count
    assert wallet(FACTOR).sign(body(assignment()), honest)


def test_a_factor_does_not_sign_an_entry_that_states_other_fingerprints() -> None:
    with pytest.raises(PapersMismatch, match="states other fingerprints"):
        wallet(FACTOR).sign(body(assignment(verified_fingerprints=bytes(32))), shown())


def test_a_factor_does_not_accept_an_offer_for_other_papers() -> None:
    altered = replace(PAPERS, invoice_number="INV-008/2024")
    with pytest.raises(PapersMismatch, match=r"\(invoice\)"):
        wallet(FACTOR).sign(body(acceptance()), shown(papers=altered))
    assert wallet(FACTOR).sign(body(acceptance()), shown())


def test_a_factor_vouches_for_corrected_papers_only_when_it_was_shown_them() -> None:
    right = replace(PAPERS, invoice_number="INV-008/2024")
    correction = CorrectReceivable(
        receivable=RECEIVABLE,
        exporter=EXPORTER,
        consenting=(FACTOR,),
        issue_date=day_number(right.issue_date),
        due_date=day_number(right.due_date),
        evidence=(right.evidence(bytes(16)),),
        schedule=(),
        fingerprints=right.fingerprints(KEY),
    )
    assert wallet(FACTOR).sign(body(correction), shown(papers=right))
    for papers in (None, shown()):
        with pytest.raises(PapersMismatch, match="corrected papers"):
            wallet(FACTOR).sign(body(correction), papers)
    # Who does not take part in it, and who sees no fingerprint change, has nothing to look at.
    assert wallet(EXPORTER).sign(body(correction))
    assert wallet(FACTOR).sign(body(replace(correction, fingerprints=None)))


def test_a_contract_is_known_by_another_fingerprint_than_an_invoice(tmp_path: Path) -> None:
    contract = replace(PAPERS, is_contract=True, deliveries=())
    assert contract.invoice_fingerprint(KEY) != PAPERS.invoice_fingerprint(KEY)
    operation = contract.future_registration(KEY, bytes(16))
    assert (operation.cap, operation.evidence[0].kind) == (PAPERS.amount, EvidenceKind.CONTRACT)
    filed = FiledPapers(ReceivableId(RECEIVABLE), contract, bytes(16))
    append_papers(tmp_path / "papers", [filed])
    assert list(read_papers(tmp_path / "papers")) == [filed]


def test_one_false_disposal_among_true_ones_is_enough_to_refuse() -> None:
    other = bytes([8]) * 32
    papers = {
        **shown(),
        other: ShownPapers(
            PAPERS, replace(PAPERS, invoice_number="X-1").fingerprints(KEY), Numbering.CONTINUOUS
        ),
    }
    with pytest.raises(PapersMismatch):
        wallet(FACTOR).sign(body(assignment(), assignment(receivable=other)), papers)


def test_the_assignor_and_a_consenting_senior_pledgee_need_no_papers() -> None:
    assert wallet(EXPORTER).sign(body(assignment()))
    junior = pledge(pledgee=EXPORTER, pledgor=FACTOR, junior_to=Junior(bytes(32), "lei:00000000000000000098"))
    assert wallet(MemberId("lei:00000000000000000098")).sign(body(junior))


def test_a_wallet_signs_for_its_own_chain_only() -> None:
    with pytest.raises(PapersMismatch, match="another chain"):
        wallet(EXPORTER).sign(body(assignment(), chain_id=bytes(32)))


def test_a_wallet_signs_no_bytes_that_are_no_entry() -> None:
    with pytest.raises(MalformedEntry):
        wallet(EXPORTER).sign(b"\x93\x01\x02\x03")


def test_governance_is_signed_with_the_quorum_of_keys_and_nothing_else_is() -> None:
    association = wallet(MemberId("lei:00000000000000000098"), keys=3)
    newcomer = wallet(FACTOR, 7)
    enrol = EnrolMember(
        FACTOR, (Role.FACTOR,), Numbering.CONTINUOUS, None, (newcomer.enrolment_of(newcomer.keys[0]),)
    )
    governed = draft_body(CHAIN_ID, association.member, 1, 1_800_000_000_000, (enrol,))
    assert len(decode_entry(sign_for_all(governed, (association,), association_keys=2)).signatures) == 2
    assert (
        len(decode_entry(sign_for_all(body(assignment()), (association,), association_keys=2)).signatures)
        == 1
    )


def test_possession_is_proven_for_this_member_and_chain() -> None:
    newcomer = wallet(FACTOR, 7)
    enrolment = newcomer.enrolment_of(newcomer.keys[0])
    verify(
        enrolment.public_key, possession_message(CHAIN_ID, FACTOR, enrolment.public_key), enrolment.possession
    )


def test_a_wallet_never_prints_its_secrets() -> None:
    printed = repr(wallet(FACTOR))
    assert bytes([1] * 32).hex() not in printed
    assert "fingerprint_key" not in printed


# -- Papers ------------------------------------------------------------------------------------------------------------


def test_an_invoice_number_written_otherwise_has_the_same_fingerprint() -> None:
    same = replace(PAPERS, invoice_number=" inv 7-2024 ")
    assert same.invoice_fingerprint(KEY) == PAPERS.invoice_fingerprint(KEY)


def test_a_yearly_numbering_keeps_the_same_number_of_two_years_apart() -> None:
    yearly = replace(PAPERS, numbering=Numbering.YEARLY)
    next_year = replace(yearly, issue_date=datetime.date(2025, 3, 1))
    assert yearly.invoice_fingerprint(KEY) != next_year.invoice_fingerprint(KEY)
    later = replace(PAPERS, issue_date=datetime.date(2025, 3, 1))
    assert PAPERS.invoice_fingerprint(KEY) == later.invoice_fingerprint(KEY)


def test_a_registration_carries_the_papers_fingerprints_and_a_salted_commitment() -> None:
    one, other = PAPERS.registration(KEY, bytes(16)), PAPERS.registration(KEY, bytes([1]) * 16)
    assert one.fingerprints == other.fingerprints == PAPERS.fingerprints(KEY)
    assert one.evidence != other.evidence
    assert one.evidence[0].commitment == commitment(EvidenceKind.INVOICE, bytes(16), bytes([3]) * 32)
    assert (one.face_amount, one.issue_date, one.due_date) == (1_200_00, 19_783, 19_873)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(PAPERS, invoice_number=" -/- "),
        replace(PAPERS, fiscal_number="--"),
        replace(PAPERS, deliveries=(DeliveryPaper("..", "1", 1, 1),)),
        replace(PAPERS, issue_date=datetime.date(1969, 12, 31)),
    ],
)
def test_papers_that_identify_nothing_are_refused(wrong: Papers) -> None:
    with pytest.raises(InputError):
        wrong.registration(KEY, bytes(16))


def test_a_salt_has_its_full_length() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        commitment(EvidenceKind.INVOICE, bytes(15), b"value")


def test_days_are_counted_from_the_epoch_and_back() -> None:
    assert day_number(datetime.date(1970, 1, 1)) == 0
    assert date_of(day_number(datetime.date(2024, 2, 29))) == datetime.date(2024, 2, 29)


# -- The filing --------------------------------------------------------------------------------------------------------


def test_filed_papers_read_back_and_the_last_line_counts(tmp_path: Path) -> None:
    path = tmp_path / "papers" / "exporter-1.jsonl"
    first = FiledPapers(ReceivableId(RECEIVABLE), PAPERS, bytes(16))
    plain = replace(
        PAPERS, fiscal_number=None, document_sha256=None, deliveries=(), numbering=Numbering.YEARLY
    )
    second = FiledPapers(ReceivableId(bytes([4]) * 32), plain, bytes([1]) * 16)
    corrected = replace(first, salt=bytes([2]) * 16)
    append_papers(path, [first, second])
    append_papers(path, [corrected])
    assert list(read_papers(path)) == [first, second, corrected]
    assert find_papers(path, RECEIVABLE) == corrected
    assert find_papers(path, bytes(32)) is None
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("line", ["", "nonsense", "{}", '{"receivable": "AAAA"}', "[1]"])
def test_a_damaged_filing_is_told_with_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "filing.jsonl"
    append_papers(path, [FiledPapers(ReceivableId(RECEIVABLE), PAPERS, bytes(16))])
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match="line 2"):
        list(read_papers(path))


def test_a_missing_filing_is_told(tmp_path: Path) -> None:
    with pytest.raises(DirectoryError, match="cannot read"):
        find_papers(tmp_path / "nowhere.jsonl", RECEIVABLE)


def test_a_line_that_a_crash_has_torn_is_passed_over_and_not_run_into(tmp_path: Path) -> None:
    path = tmp_path / "papers.jsonl"
    first, second = (FiledPapers(ReceivableId(bytes([each]) * 32), PAPERS, bytes(16)) for each in (1, 2))
    append_papers(path, [first])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-40])
    assert list(read_papers(path)) == [first]
    append_papers(path, [second])
    assert list(read_papers(path)) == [first, second]
