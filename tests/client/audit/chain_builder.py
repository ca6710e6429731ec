"""A small consortium in memory that makes certified chains: honest ones, and ones that its validators collude to falsify.

Everything is derived from fixed seeds, so that a chain is the same bytes in every run. Blocks are executed by the real
`registry.transition`; a test then passes `header` to alter what the validators state and sign, or alters the exported parts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count

from stdnum.iso7064 import mod_97_10

from client.validator_sets import validator_set
from consensus.certificate import Certificate
from consensus.evidence import Equivocation
from consensus.messages import NO_ROUND, BlockHash, UnsignedVote, VoteType
from consensus.validators import NodeId, ValidatorSet
from registry.block import Block, Header, encode_block, make_block
from registry.entry import EntryBody, Mode, assemble, decode_entry, encode_body, sign_body
from registry.errors import EntryRefused
from registry.fingerprints import Delivery, Fingerprints, Numbering
from registry.genesis import Genesis, encode_genesis, parse_genesis
from registry.identifiers import receivable_id
from registry.member import FOREVER, Member, MemberKey, MemberStatus
from registry.nodes import NetworkNode, NodeSet, node_possession_message, voters
from registry.operations import Operation
from registry.operations.assignment import Assign
from registry.operations.collection import RecordPayment, Settle
from registry.operations.existence import Confirm, Defence, Evidence, EvidenceKind, RegisterReceivable
from registry.operations.governance import Role
from registry.operations.security import Pledge, ReleasePledge
from registry.operations.validators import ChangeValidators, NodeAdmission
from registry.policy import ConfirmationPolicy, Policy
from registry.signing import SigningKey
from registry.state import MemoryState, WorkingState
from registry.transition import BlockExecution, ChainTip, compose_header, genesis_state, genesis_tip

GENESIS_TIME_MS = 1_790_000_000_000
BLOCK_INTERVAL_MS = 1_000
DAY_MS = 86_400_000
TODAY = GENESIS_TIME_MS // DAY_MS


def key_of(name: str) -> SigningKey:
    return SigningKey(sha256(b"key of " + name.encode()).digest())


def member_id_of(name: str) -> str:
    stem = "5493" + sha256(b"lei of " + name.encode()).hexdigest().upper()[:14]
    return f"lei:{stem}{mod_97_10.calc_check_digits(stem)}"


def digest_of(*parts: object) -> bytes:
    return sha256(repr(parts).encode()).digest()


ROLES: dict[str, Role] = {
    "association": Role.ASSOCIATION,
    "bank": Role.ATTESTER,
    "debtor": Role.DEBTOR,
    "exporter-1": Role.EXPORTER,
    "exporter-2": Role.EXPORTER,
    "factor-1": Role.FACTOR,
    "factor-2": Role.FACTOR,
}
VALIDATORS = ("association", "exporter-1", "factor-1", "factor-2")
POLICY = Policy(
    require_confirmation=ConfirmationPolicy.NONE,
    require_delivery_evidence=False,
    tenor_max_days=365,
    dispose_past_due=False,
    currencies=("CNY", "USD"),
)


def debtor_reference_of(name: str) -> bytes:
    return digest_of("debtor", name)


def genesis_document(name: str = "audit tests") -> bytes:
    members = tuple(
        Member(
            member_id_of(who),
            (role,),
            MemberStatus.ACTIVE,
            Numbering.CONTINUOUS,
            debtor_reference_of(who) if role is not Role.ASSOCIATION else None,
            (MemberKey(key_of(who).public_key, 0, FOREVER),),
        )
        for who, role in ROLES.items()
    )
    nodes = tuple(
        NetworkNode(
            who, member_id_of(who), key_of("node " + who).public_key, 1, b"certificate of " + who.encode()
        )
        for who in VALIDATORS
    )
    return encode_genesis(
        name=name,
        time_ms=GENESIS_TIME_MS,
        fingerprint_epoch=1,
        governance_threshold=1,
        policy=POLICY,
        nodes=nodes,
        members=tuple(sorted(members, key=lambda member: member.member_id)),
    )


@dataclass(frozen=True, slots=True)
class BuiltBlock:
    """One block as it would be exported, and the decoded block beside it."""

    block: Block
    certificate: bytes
    receipts: tuple[bytes, ...]

    def exported(self) -> tuple[bytes, bytes, tuple[bytes, ...]]:
        return encode_block(self.block), self.certificate, self.receipts


class ChainBuilder:
    """Makes entries, executes and certifies blocks. `blocks` is the chain so far."""

    def __init__(self, name: str = "audit tests") -> None:
        self.document = genesis_document(name)
        self.genesis: Genesis = parse_genesis(self.document)
        self.node_keys = {key_of("node " + who).public_key: key_of("node " + who) for who in VALIDATORS}
        """The consensus keys of all nodes that ever were, by their public halves."""
        self.state = MemoryState()
        self.state.apply(genesis_state(self.genesis).delta)
        self.tip: ChainTip = genesis_tip(self.genesis)
        self.blocks: list[BuiltBlock] = []
        self._sequences: dict[str, count[int]] = {}
        self._invoices = count(1)

    def nodes_at(self, height: int) -> NodeSet:
        return WorkingState(self.state).nodes_at(height)

    def validators_at(self, height: int) -> ValidatorSet:
        """Who certifies a block, as far as the state knows."""
        return validator_set(voters(self.nodes_at(height).nodes))

    @property
    def head(self) -> tuple[int, bytes]:
        return self.tip.height, self.tip.block_hash

    def exported(self) -> list[tuple[bytes, bytes, tuple[bytes, ...]]]:
        return [built.exported() for built in self.blocks]

    def entry(
        self,
        submitter: str,
        operations: Operation | Sequence[Operation],
        *,
        signers: Sequence[str] | None = None,
        sequence: int | None = None,
        valid_until_ms: int | None = None,
        mode: Mode = Mode.ATOMIC,
        chain_id: bytes | None = None,
        keys: Callable[[str], SigningKey] = key_of,
    ) -> bytes:
        """A signed entry. `keys` may give the wrong key, to forge."""
        numbers = self._sequences.setdefault(submitter, count(1))
        operations = tuple(operations) if isinstance(operations, Sequence) else (operations,)
        until_ms = self.tip.time_ms + DAY_MS if valid_until_ms is None else valid_until_ms
        body = encode_body(
            EntryBody(
                1,
                self.genesis.chain_id if chain_id is None else chain_id,
                member_id_of(submitter),
                next(numbers) if sequence is None else sequence,
                until_ms,
                mode,
                operations,
            )
        )
        signing = (submitter,) if signers is None else tuple(signers)
        return assemble(body, tuple(sign_body(body, member_id_of(who), keys(who)) for who in signing))

    def certificate(
        self,
        height: int,
        block_hash: bytes,
        *,
        signers: Sequence[str] | None = None,
        round_: int = 0,
        of_height: int | None = None,
    ) -> bytes:
        """The precommits of `signers` for this block, whatever it is: by default of the first that make a quorum.

        `of_height`: the validators of another height sign, and their bitmap is theirs.
        """
        validators = self.validators_at(of_height or height)
        votes = []
        for who in first_quorum(validators) if signers is None else signers:
            voting = validators.get(NodeId(who))
            key = key_of("node " + who) if voting is None else self.node_keys[voting.public_key]
            unsigned = UnsignedVote(
                VoteType.PRECOMMIT, height, round_, BlockHash(block_hash), NO_ROUND, NodeId(who)
            )
            message = unsigned.sign_bytes(self.genesis.chain_id)
            votes.append(unsigned.signed(key.sign(message)))
        return Certificate.from_votes(votes, validators).encode()

    def double_vote(
        self, who: str, height: int, *, signer: str | None = None, key: SigningKey | None = None
    ) -> bytes:
        """Evidence that a validator precommitted two blocks of one height; `signer` is who really signed, or `key` with what."""
        signing = key or key_of("node " + (signer or who))
        votes = []
        for block_hash in (b"\x01" * 32, b"\x02" * 32):
            unsigned = UnsignedVote(
                VoteType.PRECOMMIT, height, 0, BlockHash(block_hash), NO_ROUND, NodeId(who)
            )
            message = unsigned.sign_bytes(self.genesis.chain_id)
            votes.append(unsigned.signed(signing.sign(message)))
        return Equivocation(*votes).encode()

    def build(
        self,
        entries: Sequence[bytes] = (),
        *,
        header: Callable[[Header], Header] = lambda honest: honest,
        time_ms: int | None = None,
        last_certificate: bytes | None = None,
        evidence: tuple[bytes, ...] = (),
    ) -> BuiltBlock:
        """Execute and certify a block on top of the tip without committing it.

        An entry that the door refuses gets no receipt and changes nothing: only colluding validators would include it.
        """
        when_ms = self.tip.time_ms + BLOCK_INTERVAL_MS if time_ms is None else time_ms
        execution = BlockExecution(self.state, self.tip, when_ms)
        for raw in entries:
            try:
                execution.apply(decode_entry(raw))
            except EntryRefused:
                continue
        result = execution.finish()
        if last_certificate is None:
            last_certificate = self.blocks[-1].certificate if self.blocks else b""
        honest = compose_header(
            execution, result, tuple(entries), last_certificate, evidence, self._proposer()
        )
        block = make_block(header(honest), tuple(entries), last_certificate, evidence)
        self._delta = result.delta
        return BuiltBlock(block, self.certificate(block.header.height, block.block_hash), result.receipts)

    def _proposer(self) -> str:
        return self.validators_at(self.tip.height + 1).validators[0].node_id

    def commit(
        self,
        entries: Sequence[bytes] = (),
        *,
        header: Callable[[Header], Header] = lambda honest: honest,
        time_ms: int | None = None,
        last_certificate: bytes | None = None,
        evidence: tuple[bytes, ...] = (),
    ) -> BuiltBlock:
        """Build a block and go on from it."""
        built = self.build(
            entries, header=header, time_ms=time_ms, last_certificate=last_certificate, evidence=evidence
        )
        self.state.apply(self._delta)
        self.tip = self.tip.after(built.block)
        self.blocks.append(built)
        return built

    # -- validators ---------------------------------------------------------------------------------------------------

    def decide_nodes(self, *changed: NetworkNode, without: Sequence[str] = (), forced: bool = False) -> bytes:
        """The entry that puts these nodes in the place of those of their names, or adds them, and drops others.

        A node whose key or certificate is new is admitted with its key, which must be in `node_keys`.
        """
        present = self.nodes_at(self.tip.height + 2)
        nodes = {node.node_id: node for node in present.nodes if node.node_id not in without}
        nodes |= {node.node_id: node for node in changed}
        admitted = []
        for node in changed:
            known = present.node(node.node_id)
            if known is not None and replace(known, power=node.power) == node:
                continue
            key = self.node_keys[node.consensus_key]
            message = node_possession_message(self.genesis.chain_id, node)
            admitted.append(NodeAdmission(node.node_id, key.sign(message)))
        operation = ChangeValidators(
            tuple(nodes[name] for name in sorted(nodes)),
            tuple(sorted(admitted, key=lambda each: each.node_id)),
            forced,
        )
        return self.entry("association", operation)

    def new_node(self, node_id: str, power: int = 1, *, key: str = "") -> NetworkNode:
        """A node of the association's with a key of its own."""
        signing = key_of(f"node {node_id} {key}")
        self.node_keys[signing.public_key] = signing
        certificate = f"certificate of {node_id} {key}".encode()
        return NetworkNode(node_id, member_id_of("association"), signing.public_key, power, certificate)

    def node(self, node_id: str) -> NetworkNode:
        """As the latest decision has it."""
        found = self.nodes_at(self.tip.height + 2).node(node_id)
        assert found is not None
        return found

    # -- operations ---------------------------------------------------------------------------------------------------

    def register(
        self,
        exporter: str = "exporter-1",
        amount: int = 100_000,
        *,
        invoice: object = None,
        delivery: Delivery | None = None,
    ) -> RegisterReceivable:
        number = next(self._invoices) if invoice is None else invoice
        return RegisterReceivable(
            exporter=member_id_of(exporter),
            debtor_reference=debtor_reference_of("debtor"),
            currency="CNY",
            face_amount=amount,
            issue_date=TODAY - 10,
            due_date=TODAY + 80,
            fingerprints=Fingerprints(
                epoch=1,
                invoice=digest_of("invoice", number),
                fiscal=None,
                document=digest_of("document", number),
                similar=digest_of("similar", number),
                deliveries=() if delivery is None else (delivery,),
            ),
            evidence=(Evidence(EvidenceKind.INVOICE, digest_of("evidence", number)),),
            schedule=(),
            reverse_factoring_debtor=None,
        )


def first_quorum(validators: ValidatorSet) -> list[str]:
    """The first validators that are enough."""
    names: list[str] = []
    for validator in validators.validators:
        if validators.is_quorum(sum(validators.power(NodeId(name)) for name in names)):
            break
        names.append(validator.node_id)
    return names


def registered(raw_entry: bytes, operation_index: int = 0) -> bytes:
    """The id of the receivable that an operation of this entry registers."""
    return receivable_id(decode_entry(raw_entry).entry_id, operation_index)


def confirm(receivable: bytes, amount: int) -> Confirm:
    return Confirm(receivable, member_id_of("debtor"), amount, (Defence.QUALITY,))


def assign(
    receivable: bytes,
    registration: RegisterReceivable,
    amount: int,
    *,
    to: str = "factor-1",
    by: str = "exporter-1",
) -> Assign:
    return Assign(
        receivable=receivable,
        assignor=member_id_of(by),
        assignee=member_id_of(to),
        amount=amount,
        with_recourse=False,
        price_commitment=None,
        verified_fingerprints=registration.fingerprints.digest(),
        acknowledged_suspicions=(),
    )


def pledge(
    receivable: bytes,
    registration: RegisterReceivable,
    amount: int,
    *,
    to: str = "factor-1",
    by: str = "exporter-1",
    days: int = 60,
) -> Pledge:
    return Pledge(
        receivable=receivable,
        pledgor=member_id_of(by),
        pledgee=member_id_of(to),
        amount=amount,
        until_ms=GENESIS_TIME_MS + days * DAY_MS,
        junior_to=None,
        verified_fingerprints=registration.fingerprints.digest(),
        acknowledged_suspicions=(),
    )


def release(receivable: bytes, lien: bytes, pledgee: str = "factor-1") -> ReleasePledge:
    return ReleasePledge(receivable, lien, member_id_of(pledgee))


def payment(
    receivable: bytes, amount: int, reference: object, *, holder: str = "exporter-1"
) -> RecordPayment:
    payee = member_id_of(holder)
    return RecordPayment(receivable, payee, payee, amount, digest_of("payment", reference), ())


def settle(receivable: bytes, *holders: str) -> Settle:
    return Settle(receivable, tuple(sorted(member_id_of(holder) for holder in holders)), write_off=False)


def with_header(built: BuiltBlock, **changes: object) -> BuiltBlock:
    """The same block with other header fields and therefore another hash; its certificate is for the old one."""
    header = replace(built.block.header, **changes)  # type: ignore[arg-type]  # field names are the test's business
    return replace(built, block=make_block(header, built.block.entries, built.block.last_certificate, ()))
