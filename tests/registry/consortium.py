"""A small consortium on an in-memory state, for tests: who is in it, how its entries are signed, and its chain of blocks.

Every block is built with `BlockExecution`, encoded, decoded and then judged by `apply_block`, as another node would; the
invariants of the rulebook are checked after it. Keys come from names, so the same test always makes the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from stdnum.cn import uscc

from registry.block import Block, decode_block, encode_block, make_block
from registry.entry import (
    Entry,
    EntryBody,
    Mode,
    assemble,
    decode_entry,
    encode_body,
    sign_body,
    verify_signatures,
)
from registry.errors import Code
from registry.exposure import exposure_id, exposures_of
from registry.fingerprints import Delivery, FingerprintKey, Fingerprints, Numbering
from registry.genesis import Genesis, encode_genesis, parse_genesis
from registry.identifiers import MemberId
from registry.member import FOREVER, Member, MemberKey, MemberStatus
from registry.nodes import NetworkNode
from registry.operations import (
    AcceptAssignment,
    AcknowledgeNotice,
    AddToPool,
    AlterCover,
    Assign,
    AssignBlanket,
    AttestEvidence,
    BindCover,
    CancelReceivable,
    ClaimCover,
    Confirm,
    ConfirmTacitly,
    CorrectReceivable,
    CreatePool,
    Crystallise,
    DeclareDefault,
    DrawPool,
    EndCover,
    EnforcePledge,
    Freeze,
    LinkExternalRegistration,
    LinkSearch,
    NotifyDebtor,
    OfferAssignment,
    Operation,
    Pledge,
    RaiseDispute,
    RaiseObjection,
    Reassign,
    RecordCreditNote,
    RecordPayment,
    RegisterFutureReceivable,
    RegisterReceivable,
    RejectReceivable,
    ReleasePledge,
    RemoveFromPool,
    RenewPledge,
    RepayPool,
    ReportIndirectPayment,
    ResolveDispute,
    ReverseByJudgment,
    ReversePayment,
    SetCollectionAccount,
    Settle,
    SubstituteInPool,
    Unfreeze,
    WithdrawObjection,
    WithdrawOffer,
)
from registry.operations.existence import (
    DisputeReason,
    Evidence,
    EvidenceKind,
    HolderShare,
    Instalment,
)
from registry.operations.governance import Role
from registry.operations.security import Junior
from registry.policy import ConfirmationPolicy, Policy
from registry.receipt import Receipt, Result, decode_receipt
from registry.receivable import Receivable, check_invariants
from registry.record.covers import policy_use_id
from registry.signing import SigningKey
from registry.state import MemoryState, WorkingState
from registry.stored import Namespace, decode_value, state_key
from registry.transition import (
    BlockExecution,
    BlockResult,
    ChainTip,
    apply_block,
    compose_header,
    genesis_state,
    genesis_tip,
)
from tests.registry.pool_oracle import shares_of

DAY_MS = 86_400_000
START_DAY = 19_723  # 2024-01-01
START_MS = START_DAY * DAY_MS
BLOCK_MS = 1_000
EPOCH = 1

FINGERPRINT_KEY = FingerprintKey(bytes(range(32)), EPOCH)


def key_of(name: str) -> SigningKey:
    """The signing key that belongs to a name."""
    return SigningKey(sha256(b"test key of " + name.encode()).digest())


def member_id_of(name: str) -> str:
    """A unified social credit code with a right check digit, made from a name."""
    digits = int.from_bytes(sha256(name.encode()).digest()[:8], "big") % 10**9
    body = f"91310000{digits:09d}"
    return f"uscc:{body}{uscc.calc_check_digit(body)}"


def lei_of(stem: str) -> str:
    """A legal entity identifier with right check digits, from 18 characters."""
    body = stem.ljust(18, "0")
    check = 98 - int("".join(str(int(char, 36)) for char in body + "00")) % 97
    return f"lei:{body}{check:02d}"


ASSOCIATION = member_id_of("association")
FACTOR_1 = member_id_of("factor-1")
FACTOR_2 = member_id_of("factor-2")
FACTOR_3 = member_id_of("factor-3")
EXPORTER = member_id_of("exporter-1")
AFFILIATE = member_id_of("exporter-2")
DEBTOR = member_id_of("debtor-1")
OTHER_DEBTOR = member_id_of("debtor-2")
BANK = member_id_of("bank")
COURT = member_id_of("court")
INSURER = member_id_of("insurer-1")
INSURER_2 = member_id_of("insurer-2")
INSURER_FACTOR = member_id_of("insurer-factor")  # under one licence, in one house
DEBTOR_FACTOR = member_id_of("debtor-factor")  # a core enterprise with a factoring arm under the same licence
TRADER = member_id_of("trader")  # an exporter that also buys receivables
SUSPENDED = member_id_of("suspended")  # both an exporter and a factor
EXPELLED = member_id_of("expelled")
STRANGER = member_id_of("stranger")  # not enrolled

DEBTOR_REFERENCE = FINGERPRINT_KEY.debtor(DEBTOR)
OTHER_DEBTOR_REFERENCE = FINGERPRINT_KEY.debtor(OTHER_DEBTOR)

ASSOCIATION_KEYS = tuple(key_of(f"association-{seat}") for seat in (1, 2, 3))

_ROLES: dict[str, tuple[Role, ...]] = {
    FACTOR_1: (Role.FACTOR,),
    FACTOR_2: (Role.FACTOR,),
    FACTOR_3: (Role.FACTOR,),
    EXPORTER: (Role.EXPORTER,),
    AFFILIATE: (Role.EXPORTER,),
    DEBTOR: (Role.DEBTOR,),
    OTHER_DEBTOR: (Role.DEBTOR,),
    BANK: (Role.ATTESTER,),
    COURT: (Role.COURT,),
    INSURER: (Role.INSURER,),
    INSURER_2: (Role.INSURER,),
    INSURER_FACTOR: (Role.FACTOR, Role.INSURER),
    DEBTOR_FACTOR: (Role.FACTOR, Role.DEBTOR),
    TRADER: (Role.FACTOR, Role.EXPORTER),
    SUSPENDED: (Role.FACTOR, Role.EXPORTER, Role.DEBTOR),
    EXPELLED: (Role.FACTOR, Role.EXPORTER),
}

OPEN_POLICY = Policy(
    require_confirmation=ConfirmationPolicy.NONE,
    require_delivery_evidence=False,
    tenor_max_days=365,
    dispose_past_due=False,
    currencies=("CNY", "EUR", "JPY", "USD"),
)


def _member(member_id: str, roles: tuple[Role, ...], keys: Sequence[SigningKey]) -> Member:
    return Member(
        member_id=member_id,
        roles=roles,
        status=MemberStatus.ACTIVE,
        numbering=Numbering.CONTINUOUS,
        debtor_reference=FINGERPRINT_KEY.debtor(member_id),
        keys=tuple(MemberKey(key.public_key, 0, FOREVER) for key in keys),
        accredited=(EvidenceKind.PAYMENT,) if member_id == BANK else (),
    )


def genesis_members() -> tuple[Member, ...]:
    members = [_member(member_id, roles, [key_of(member_id)]) for member_id, roles in _ROLES.items()]
    members.append(_member(ASSOCIATION, (Role.ASSOCIATION,), ASSOCIATION_KEYS))
    return tuple(sorted(members, key=lambda member: member.member_id))


def genesis_nodes() -> tuple[NetworkNode, ...]:
    homes = {
        "association": (ASSOCIATION, 1),
        "exporter-1": (EXPORTER, 1),
        "factor-1": (FACTOR_1, 1),
        "factor-2": (FACTOR_2, 1),
        "observer": (AFFILIATE, 0),
    }
    return tuple(
        NetworkNode(
            node_id,
            member,
            key_of("node " + node_id).public_key,
            power,
            b"certificate of " + node_id.encode(),
        )
        for node_id, (member, power) in homes.items()
    )


def genesis_document(policy: Policy = OPEN_POLICY, **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "name": "Test consortium",
        "time_ms": START_MS,
        "fingerprint_epoch": EPOCH,
        "governance_threshold": 2,
        "policy": policy,
        "nodes": genesis_nodes(),
        "members": genesis_members(),
    }
    return encode_genesis(**(fields | changes))


@dataclass(frozen=True, slots=True)
class Committed:
    """One block after it was judged."""

    block: Block
    raw: bytes
    result: BlockResult
    receipts: tuple[Receipt, ...]


@dataclass
class Consortium:
    """The chain so far. `key_of(member)` signs for everyone but the association, whose first two seats sign."""

    genesis: Genesis
    state: MemoryState
    tip: ChainTip
    sequences: dict[str, int] = field(default_factory=dict)
    receivables: dict[bytes, None] = field(default_factory=dict)
    pools: dict[bytes, None] = field(default_factory=dict)
    blocks: list[Committed] = field(default_factory=list)
    exposures: Counter[bytes] = field(default_factory=Counter)
    covered: Counter[bytes] = field(default_factory=Counter)
    serial: int = 0

    @property
    def now_ms(self) -> int:
        """The time of the next block, when none is given."""
        return self.tip.time_ms + BLOCK_MS

    # --- entries

    def body(self, *operations: Operation, by: str, mode: Mode = Mode.ATOMIC, **changes: Any) -> EntryBody:
        if "sequence" not in changes:
            self.sequences[by] = self.sequences.get(by, 0) + 1
        body = EntryBody(
            version=1,
            chain_id=self.genesis.chain_id,
            submitter=by,
            sequence=self.sequences.get(by, 0),
            valid_until_ms=self.now_ms + DAY_MS,
            mode=mode,
            operations=operations,
        )
        return replace(body, **changes)

    def entry(
        self,
        *operations: Operation,
        by: str | None = None,
        signed_by: Sequence[str] | None = None,
        mode: Mode = Mode.ATOMIC,
        **changes: Any,
    ) -> bytes:
        """A signed entry. By default it is signed by every party of its operations and handed in by the first."""
        if signed_by is None:
            signed_by = parties_of(operations)
        if by is None:
            by = signed_by[0]
        return signed(self.body(*operations, by=by, mode=mode, **changes), signed_by)

    # --- blocks

    def execution(self, time_ms: int | None = None) -> BlockExecution:
        return BlockExecution(self.state, self.tip, self.now_ms if time_ms is None else time_ms)

    def propose(self, raws: Sequence[bytes], time_ms: int | None = None) -> Block:
        """A block as an honest proposer makes it; nothing is committed."""
        execution = self.execution(time_ms)
        for raw in raws:
            execution.apply(checked(raw))
        result = execution.finish()
        certificate = b"" if self.tip.height == 0 else b"certificate of %d" % self.tip.height
        header = compose_header(execution, result, tuple(raws), certificate, (), "factor-1")
        return make_block(header, tuple(raws), certificate, ())

    def judge(self, block: Block) -> BlockResult:
        return apply_block(self.state, self.tip, block, [checked(raw) for raw in block.entries])

    def commit(self, *raws: bytes, time_ms: int | None = None) -> Committed:
        """Build a block, send it through its bytes, judge it as another node would, and write it."""
        raw = encode_block(self.propose(raws, time_ms))
        block = decode_block(raw)
        result = self.judge(block)
        self.state.apply(result.delta)
        self.tip = self.tip.after(block)
        receipts = tuple(decode_receipt(receipt) for receipt in result.receipts)
        committed = Committed(block, raw, result, receipts)
        self.blocks.append(committed)
        self._note(committed)
        self.check()
        return committed

    def do(self, *operations: Operation, time_ms: int | None = None, **how: Any) -> Receipt:
        """One entry in a block of its own."""
        return self.commit(self.entry(*operations, **how), time_ms=time_ms).receipts[0]

    def code(self, *operations: Operation, **how: Any) -> Code:
        """The code of the one operation, or of the first that failed."""
        return self.result(*operations, **how).code

    def result(self, *operations: Operation, **how: Any) -> Result:
        receipt = self.do(*operations, **how)
        return receipt.results[receipt.failed_operation or 0]

    def pass_time(self, until_ms: int) -> Committed:
        """An empty block at `until_ms`."""
        return self.commit(time_ms=until_ms)

    def _note(self, committed: Committed) -> None:
        for raw, receipt in zip(committed.block.entries, committed.receipts, strict=True):
            for operation, result in zip(decode_entry(raw).body.operations, receipt.results, strict=True):
                born = (RegisterReceivable, RegisterFutureReceivable, Crystallise)
                if isinstance(operation, born) and result.code is Code.OK:
                    self.receivables[result.subject] = None
                if isinstance(operation, CreatePool) and result.code is Code.OK:
                    self.pools[result.subject] = None

    # --- what stands in the state

    def working(self) -> WorkingState:
        return WorkingState(self.state)

    def record(self, receivable_id: bytes) -> Receivable:
        record = self.working().receivable(receivable_id)
        assert record is not None
        return record

    def check(self) -> None:
        """The rulebook's invariants over the whole state."""
        due: set[tuple[int, bytes]] = set()
        self.exposures = Counter(dict.fromkeys(self.exposures, 0))
        self.covered = Counter(dict.fromkeys(self.covered, 0))
        for receivable_id in self.receivables:
            record = self.record(receivable_id)
            check_invariants(record)
            due.update((lien.until_ms, receivable_id) for lien in record.liens)
            due.update((offer.until_ms, receivable_id) for offer in record.reservations)
            due.update((end_ms, receivable_id) for end_ms in record.restraints.ends_ms())
            due.update((end_ms, receivable_id) for end_ms in record.collection.ends_ms())
            if record.pool is not None:
                due.update((end_ms, receivable_id) for end_ms in record.pool.ends_ms(record.due_date))
                assert record.pool.pool_id in self.pools
            if record.default is None:
                due.update((cover.until_ms, receivable_id) for cover in record.covers)
            for cover in record.covers:
                self.covered[policy_use_id(cover.insurer, cover.policy, record.currency)] += cover.amount
            for member_id, amount in exposures_of(record).items():
                self.exposures[exposure_id(member_id, record.debtor_reference, record.currency)] += amount
        assert set(self.state.due(2**62, 2**31)) == due
        for pool_id in self.pools:
            pool = self.working().pool(pool_id)
            assert pool is not None
            assert pool.shares == shares_of(pool, map(self.record, self.receivables))
        for key, amount in self.exposures.items():
            assert stored_value(self.state, Namespace.EXPOSURE, key) == (amount or None)
        for key, amount in self.covered.items():
            use = stored_value(self.state, Namespace.COVERAGE, key)
            assert (use.covered if use else 0) == amount
            assert use is None or use.covered + use.claimed <= use.limit
        for key_hash, stored in self.state.stored_values().items():
            assert len(key_hash) == 32
            assert stored

    # --- a member's status is changed by later operation types; until then tests set it in the state

    def set_status(self, member_id: str, status: MemberStatus) -> None:
        self.change_member(member_id, status=status)

    def change_member(self, member_id: str, **changes: Any) -> None:
        state = self.working()
        member = state.member(member_id)
        assert member is not None
        state.put(Namespace.MEMBER, member_id.encode(), replace(member, **changes))
        delta, _root = state.finish()
        self.state.apply(delta)

    # --- operations with sensible defaults

    def registration(self, number: str | None = None, **changes: Any) -> RegisterReceivable:
        return registration(self._number(number), **changes)

    def _number(self, number: str | None) -> str:
        if number is None:
            self.serial += 1
            return f"INV-{self.serial}"
        return number

    def registered(self, number: str | None = None, **changes: Any) -> bytes:
        """The id of a new receivable."""
        receipt = self.do(self.registration(number, **changes))
        assert receipt.results[0].code is Code.OK, receipt
        return receipt.results[0].subject

    def assignment(
        self, receivable: bytes, amount: int = 10_000, to: str = FACTOR_1, **changes: Any
    ) -> Assign:
        operation = Assign(
            receivable=receivable,
            assignor=EXPORTER,
            assignee=to,
            amount=amount,
            with_recourse=False,
            price_commitment=None,
            verified_fingerprints=self._papers(receivable),
            acknowledged_suspicions=(),
        )
        return replace(operation, **changes)

    def pledging(self, receivable: bytes, amount: int = 10_000, to: str = FACTOR_1, **changes: Any) -> Pledge:
        operation = Pledge(
            receivable=receivable,
            pledgor=EXPORTER,
            pledgee=to,
            amount=amount,
            until_ms=self.now_ms + 60 * DAY_MS,
            junior_to=None,
            verified_fingerprints=self._papers(receivable),
            acknowledged_suspicions=(),
        )
        return replace(operation, **changes)

    def _papers(self, receivable: bytes) -> bytes:
        record = self.working().receivable(receivable)
        return bytes(32) if record is None else record.fingerprints.digest()


def found(policy: Policy = OPEN_POLICY, **changes: Any) -> Consortium:
    """A consortium before its first block, with one member suspended and one expelled."""
    genesis = parse_genesis(genesis_document(policy, **changes))
    state = MemoryState()
    state.apply(genesis_state(genesis).delta)
    consortium = Consortium(genesis, state, genesis_tip(genesis))
    consortium.set_status(SUSPENDED, MemberStatus.SUSPENDED)
    consortium.set_status(EXPELLED, MemberStatus.EXPELLED)
    return consortium


def checked(raw: bytes) -> Entry:
    """Decoded, and with good signatures."""
    entry = decode_entry(raw)
    verify_signatures(entry)
    return entry


def signed(body: EntryBody, signed_by: Sequence[str]) -> bytes:
    body_bytes = encode_body(body)
    signatures = []
    for member_id in signed_by:
        keys = ASSOCIATION_KEYS[:2] if member_id == ASSOCIATION else (key_of(member_id),)
        signatures += [sign_body(body_bytes, member_id, key) for key in keys]
    return assemble(body_bytes, tuple(signatures))


def parties_of(operations: Sequence[Operation]) -> tuple[str, ...]:
    """Who must sign, written down here a second time so that the tests do not ask the code under test."""
    parties: dict[str, None] = {}
    for operation in operations:
        parties.update(dict.fromkeys(_parties_of(operation)))
    return tuple(parties)


def _parties_of(operation: Operation) -> tuple[str, ...]:
    match operation:
        case RegisterReceivable(exporter=exporter, reverse_factoring_debtor=debtor):
            return (exporter,) if debtor is None else (exporter, debtor)
        case Confirm(debtor=debtor) | RaiseDispute(debtor=debtor):
            return (debtor,)
        case ResolveDispute(court=str(court)):
            return (court, ASSOCIATION)
        case ResolveDispute(debtor=debtor, holders=holders):
            return holders if debtor is None else (debtor, *holders)
        case RegisterFutureReceivable(exporter=exporter):
            return (exporter,)
        case Crystallise(exporter=exporter, witness=witness):
            return (exporter, witness)
        case AttestEvidence(attester=attester):
            return (attester,)
        case ConfirmTacitly(holder=holder):
            return (holder,)
        case RejectReceivable(debtor=debtor):
            return (debtor,)
        case RecordCreditNote(exporter=exporter, consenting=consenting):
            return (exporter, *consenting)
        case CorrectReceivable(exporter=exporter, consenting=consenting, fingerprints=new):
            return (exporter, *consenting, *(() if new is None else (ASSOCIATION,)))
        case CancelReceivable(exporter=exporter, debtor=debtor):
            return (exporter,) if debtor is None else (exporter, debtor)
        case (
            Assign(assignor=assignor, assignee=assignee) | AssignBlanket(assignor=assignor, assignee=assignee)
        ):
            return (assignor, assignee)
        case OfferAssignment(assignor=assignor) | WithdrawOffer(assignor=assignor):
            return (assignor,)
        case AcceptAssignment(assignee=assignee):
            return (assignee,)
        case Reassign(holder=holder, prior_assignor=prior):
            return (holder, prior)
        case NotifyDebtor(holder=holder):
            return (holder,)
        case AcknowledgeNotice(debtor=debtor):
            return (debtor,)
        case Pledge(pledgor=pledgor, pledgee=pledgee, junior_to=Junior(senior_pledgee=senior)):
            return (pledgor, pledgee, senior)
        case Pledge(pledgor=pledgor, pledgee=pledgee):
            return (pledgor, pledgee)
        case ReleasePledge(pledgee=pledgee) | RenewPledge(pledgee=pledgee):
            return (pledgee,)
        case EnforcePledge(pledgee=pledgee, pledgor=pledgor, court=court):
            return tuple(member for member in (pledgee, pledgor, court) if member is not None)
        case RecordPayment(reporter=reporter, consenting_pledgees=pledgees):
            return (reporter, *pledgees)
        case ReportIndirectPayment(reporter=reporter) | ReversePayment(reporter=reporter):
            return (reporter,)
        case DeclareDefault(holder=holder):
            return (holder,)
        case BindCover(insurer=insurer, insured=insured):
            return (insurer, insured)
        case AlterCover(insurer=insurer, insured=insured, consenting=consenting):
            return (insurer, insured, *(() if consenting is None else (consenting,)))
        case EndCover(insured=insured, consenting=consenting):
            return (insured, *(() if consenting is None else (consenting,)))
        case ClaimCover(insurer=insurer, insured=insured, consenting=consenting):
            return (insurer, insured, *consenting)
        case RaiseObjection(objector=objector) | WithdrawObjection(objector=objector, court=None):
            return (objector,)
        case WithdrawObjection(court=str(court)) | Freeze(court=court) | Unfreeze(court=court):
            return (court, ASSOCIATION)
        case ReverseByJudgment(court=court):
            return (court, ASSOCIATION)
        case (
            CreatePool(exporter=exporter, factor=factor)
            | AddToPool(exporter=exporter, factor=factor)
            | RemoveFromPool(exporter=exporter, factor=factor)
            | SubstituteInPool(exporter=exporter, factor=factor)
            | DrawPool(exporter=exporter, factor=factor)
        ):
            return (exporter, factor)
        case RepayPool(factor=factor):
            return (factor,)
        case LinkExternalRegistration(factor=factor) | LinkSearch(factor=factor):
            return (factor,)
        case Settle(holders=holders) | SetCollectionAccount(holders=holders):
            return holders
        case _:
            return (ASSOCIATION,)


def fingerprints_of(
    number: str,
    *,
    exporter: str = EXPORTER,
    debtor_reference: bytes = DEBTOR_REFERENCE,
    amount: int = 10_000,
    currency: str = "USD",
    due_date: int = START_DAY + 90,
    fiscal: str | None = None,
    document: bytes | None = None,
    deliveries: Sequence[tuple[str, int, int]] = (),
) -> Fingerprints:
    """What an honest client computes from the papers. A delivery is (document number, quantity, document's quantity)."""
    key = FINGERPRINT_KEY
    used = [Delivery(key.delivery(paper, "1"), quantity, whole) for paper, quantity, whole in deliveries]
    return Fingerprints(
        epoch=key.epoch,
        invoice=key.invoice(MemberId(exporter), debtor_reference, number, None),
        fiscal=None if fiscal is None else key.fiscal(fiscal),
        document=None if document is None else key.document(sha256(document).digest()),
        similar=key.similar(MemberId(exporter), debtor_reference, amount, currency, due_date),
        deliveries=tuple(sorted(used, key=lambda delivery: delivery.fingerprint)),
    )


def registration(
    number: str,
    *,
    exporter: str = EXPORTER,
    debtor_reference: bytes = DEBTOR_REFERENCE,
    amount: int = 10_000,
    currency: str = "USD",
    issue_date: int = START_DAY - 1,
    due_date: int = START_DAY + 90,
    fiscal: str | None = None,
    document: bytes | None = None,
    deliveries: Sequence[tuple[str, int, int]] = (),
    schedule: tuple[Instalment, ...] = (),
    reverse_factoring_debtor: str | None = None,
    similar: bytes | None = b"",
    **changes: Any,
) -> RegisterReceivable:
    """A registration. Two with other numbers do not look similar to each other unless `similar=None` asks for it."""
    prints = fingerprints_of(
        number,
        exporter=exporter,
        debtor_reference=debtor_reference,
        amount=amount,
        currency=currency,
        due_date=due_date,
        fiscal=fiscal,
        document=document,
        deliveries=deliveries,
    )
    if similar is not None:
        prints = replace(prints, similar=sha256(b"not similar to " + similar + prints.invoice).digest())
    operation = RegisterReceivable(
        exporter=exporter,
        debtor_reference=debtor_reference,
        currency=currency,
        face_amount=amount,
        issue_date=issue_date,
        due_date=due_date,
        fingerprints=prints,
        evidence=(Evidence(EvidenceKind.INVOICE, sha256(b"invoice " + number.encode()).digest()),),
        schedule=schedule,
        reverse_factoring_debtor=reverse_factoring_debtor,
    )
    return replace(operation, **changes)


def confirmation(receivable: bytes, amount: int = 10_000, debtor: str = DEBTOR, **changes: Any) -> Confirm:
    return replace(Confirm(receivable, debtor, amount, ()), **changes)


def dispute(receivable: bytes, amount: int, debtor: str = DEBTOR) -> RaiseDispute:
    return RaiseDispute(receivable, debtor, amount, DisputeReason.QUALITY)


def resolution(
    receivable: bytes,
    *,
    freed: int = 0,
    dilution: Sequence[tuple[str, int]] = (),
    holders: Sequence[str] = (EXPORTER,),
    debtor: str = DEBTOR,
) -> ResolveDispute:
    shares = tuple(HolderShare(holder, amount) for holder, amount in dilution)
    return ResolveDispute(receivable, debtor, tuple(sorted(holders)), freed, shares)


def payment(
    receivable: bytes,
    amount: int,
    *,
    holder: str = EXPORTER,
    reporter: str | None = None,
    reference: str = "",
    consenting: Sequence[str] = (),
) -> RecordPayment:
    bank_reference = FINGERPRINT_KEY.payment("ICBKCNBJ", reference or receivable.hex() + holder + str(amount))
    return RecordPayment(
        receivable, reporter or holder, holder, amount, bank_reference, tuple(sorted(consenting))
    )


def settlement(receivable: bytes, holders: Sequence[str] = (EXPORTER,), *, write_off: bool = False) -> Settle:
    return Settle(receivable, tuple(sorted(holders)), write_off)


def cancellation(receivable: bytes, exporter: str = EXPORTER, debtor: str | None = None) -> CancelReceivable:
    return CancelReceivable(receivable, exporter, debtor)


def release(receivable: bytes, lien: bytes, pledgee: str = FACTOR_1) -> ReleasePledge:
    return ReleasePledge(receivable, lien, pledgee)


def stored(consortium: Consortium, namespace: Namespace, identifier: bytes) -> Any:
    """A value as it is committed."""
    return stored_value(consortium.state, namespace, identifier)


def stored_value(state: MemoryState, namespace: Namespace, identifier: bytes) -> Any:
    value = state.value(state_key(namespace, identifier))
    return None if value is None else decode_value(namespace, value)
