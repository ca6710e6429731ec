"""What must hold, asked after every step, by judges that share no code with the judged beyond types and threshold.

agreement       no two honest nodes have different blocks at one height
chain           heights follow each other, each header names its parent, and the history never gets shorter
certificate     each committed block has a certificate of a quorum of the validators of its height: those of the genesis
                document, until two blocks after a decision was committed and applied
stranger        no honest node signs where it is no validator, or with a key that is not the recorded one
double sign     no honest key signs two things for one height, round and type: read from what was sent, across restarts
lock            no honest node prevotes against its precommit without a polka of that round or a later one
evidence        only the faulty are accused
exactly once    no entry stands in the chain twice
acknowledged    a block that a node has committed is there after every restart
memory          what peers made a node remember is within the stated bounds
halt            no honest node stops for safety as long as at most f are faulty
"""

from __future__ import annotations

from dataclasses import dataclass, field

from consensus.certificate import Certificate, verify_certificate
from consensus.evidence import Equivocation
from consensus.messages import BlockHash, Proposal, UnsignedProposal, UnsignedVote, Vote, VoteType
from consensus.validators import ValidatorSet
from node.ports import Committed, Message
from registry.block import decode_header
from registry.errors import BadSignature
from registry.receipt import Outcome, decode_receipt
from registry.signing import verify

Place = tuple[str, int, int, str]


class OracleViolation(AssertionError):
    """Something false was committed, signed or believed; `oracle` names the judge."""

    def __init__(self, oracle: str, detail: str) -> None:
        super().__init__(f"{oracle}: {detail}")
        self.oracle = oracle


@dataclass(slots=True)
class _SentVotes:
    """What one height's validators have let anybody see."""

    prevotes: dict[tuple[int, BlockHash], dict[str, None]] = field(default_factory=dict)
    precommits: dict[str, dict[int, BlockHash]] = field(default_factory=dict)


class Oracles:
    """The judges of one run. `faulty` are the ids of Byzantine validators."""

    def __init__(self, chain_id: bytes, validators: ValidatorSet, faulty: tuple[str, ...]) -> None:
        self.faulty = faulty
        self.rounds: dict[int, int] = {}
        """The round in which each height was decided, as its first committer says."""
        self.evidence: dict[bytes, str] = {}
        self.committed_entries: dict[bytes, int] = {}
        self.sets: dict[int, ValidatorSet] = {1: validators}
        """Who votes from which height on, by the decisions that were committed."""
        self._decisions: dict[bytes, ValidatorSet] = {}
        self._chain_id = chain_id
        self._chain: dict[int, bytes] = {}
        self._chains: dict[str, list[bytes]] = {}
        self._signed: dict[Place, UnsignedVote | UnsignedProposal] = {}
        self._sent: dict[int, _SentVotes] = {}

    @property
    def height(self) -> int:
        """The highest height that any honest node has committed."""
        return len(self._chain)

    def decides(self, entry_id: bytes, validators: ValidatorSet) -> None:
        """An entry that is handed in will, if it is applied, make these the validators two blocks after its own."""
        self._decisions[entry_id] = validators

    def validators_at(self, height: int) -> ValidatorSet:
        """Who votes at a height."""
        return self.sets[max(from_height for from_height in self.sets if from_height <= height)]

    def voted_at(self, validator: str) -> list[int]:
        """The heights at which this honest validator has signed something."""
        return sorted({height for name, height, _, _ in self._signed if name == validator})

    def sent(self, message: Message) -> None:
        """Somebody has let a message out."""
        if isinstance(message, Vote | Proposal):
            self._judge_signature(message)
        if isinstance(message, Vote):
            self._judge_lock(message)

    def committed(self, node: str, block: Committed) -> None:
        """An honest node has a block on its disk."""
        chain = self._chains.setdefault(node, [])
        header = decode_header(block.header_bytes)
        if block.height != len(chain) + 1 or header.height != block.height:
            raise OracleViolation(
                "chain", f"{node} committed height {block.height} after {len(chain)} blocks"
            )
        if chain and header.parent_hash != chain[-1]:
            raise OracleViolation("chain", f"{node}'s block {block.height} does not follow its parent")
        certificate = Certificate.decode(block.certificate)
        first = block.height not in self.rounds
        agreed = self._chain.setdefault(block.height, bytes(block.block_hash))
        if agreed != block.block_hash:
            raise OracleViolation(
                "agreement",
                f"at height {block.height} {node} has {block.block_hash.hex()[:8]}, others {agreed.hex()[:8]}",
            )
        self._judge_certificate(node, block, certificate)
        chain.append(bytes(block.block_hash))
        if first:
            self.rounds[block.height] = certificate.round
            self._judge_entries(block)

    def told(self, node: str) -> int:
        """How many blocks this node is known to have."""
        return len(self._chains.get(node, []))

    def restarted(self, node: str, height: int) -> None:
        """An honest node is up again and says how far it is."""
        before = len(self._chains.get(node, []))
        if height < before:
            raise OracleViolation(
                "acknowledged", f"{node} had committed height {before}, now it is at {height}"
            )

    def recovered(self, node: str, block_hash: bytes) -> None:
        """A block that was durable, but not yet told, when the node died; the next start found it."""
        self._chains.setdefault(node, []).append(block_hash)
        agreed = self._chain.setdefault(len(self._chains[node]), block_hash)
        if agreed != block_hash:
            raise OracleViolation(
                "agreement", f"{node} restarted with another block {len(self._chains[node])}"
            )

    def accused(self, evidence: Equivocation) -> None:
        """A node holds evidence, or a block carries it."""
        if evidence.validator not in self.faulty:
            raise OracleViolation("evidence", f"{evidence.validator} is honest and accused by {evidence}")
        self.evidence[evidence.id(self._chain_id)] = evidence.validator

    def halted(self, node: str, reason: str) -> None:
        """An honest node stopped for safety."""
        raise OracleViolation("halt", f"{node}: {reason}")

    def remembers(self, node: str, what: str, found: int, bound: int) -> None:
        """How much a node holds of something that peers can grow."""
        if found > bound:
            raise OracleViolation("memory", f"{node} holds {found} {what}, the bound is {bound}")

    def chain(self) -> list[bytes]:
        """The agreed blocks."""
        return [self._chain[height] for height in sorted(self._chain)]

    def _judge_signature(self, message: Vote | Proposal) -> None:
        if message.validator in self.faulty:
            return
        kind = message.type.name.lower() if isinstance(message, Vote) else "proposal"
        place = (message.validator, message.height, message.round, kind)
        said = self._signed.setdefault(place, message.unsigned)
        if said != message.unsigned:
            raise OracleViolation("double sign", f"{place}: first {said}, now {message.unsigned}")
        if len(self.sets) > 1:
            self._judge_voter(message)

    def _judge_voter(self, message: Vote | Proposal) -> None:
        recorded = self.validators_at(message.height).get(message.validator)
        if recorded is None:
            raise OracleViolation("stranger", f"{message.validator} signs at height {message.height}")
        try:
            verify(recorded.public_key, message.sign_bytes(self._chain_id), message.signature)
        except BadSignature as error:
            raise OracleViolation(
                "stranger", f"{message.validator} signs at height {message.height} with another key"
            ) from error

    def _judge_lock(self, vote: Vote) -> None:
        sent = self._sent.setdefault(vote.height, _SentVotes())
        if vote.type is VoteType.PREVOTE and vote.block_hash is not None:
            if vote.validator not in self.faulty:
                self._judge_prevote(sent, vote, vote.block_hash)
            sent.prevotes.setdefault((vote.round, vote.block_hash), {})[vote.validator] = None
        if vote.type is VoteType.PRECOMMIT and vote.block_hash is not None:
            sent.precommits.setdefault(vote.validator, {})[vote.round] = vote.block_hash

    def _judge_prevote(self, sent: _SentVotes, vote: Vote, block_hash: BlockHash) -> None:
        locks = {r: v for r, v in sent.precommits.get(vote.validator, {}).items() if r < vote.round}
        if not locks or locks[max(locks)] == block_hash:
            return
        lock_round = max(locks)
        polka = sent.prevotes.get((vote.valid_round, block_hash), {})
        validators = self.validators_at(vote.height)
        power = sum(v.power for v in validators.validators if v.node_id in polka)
        if not lock_round <= vote.valid_round < vote.round or not 3 * power > 2 * validators.total_power:
            raise OracleViolation(
                "lock",
                f"{vote.validator} precommitted in round {lock_round} of height {vote.height} and prevotes another "
                f"value in round {vote.round} with valid round {vote.valid_round} and a polka of {power}",
            )

    def _judge_certificate(self, node: str, block: Committed, certificate: Certificate) -> None:
        place = (certificate.height, certificate.block_hash)
        if place != (block.height, block.block_hash):
            raise OracleViolation("certificate", f"{node}'s block {block.height} has one of {place}")
        validators = self.validators_at(block.height)
        power = sum(validators.validators[index].power for index in certificate.signer_indexes)
        if not 3 * power > 2 * validators.total_power:
            raise OracleViolation("certificate", f"{node}'s block {block.height} was signed by {power} only")
        verify_certificate(certificate, validators, self._chain_id, verify)

    def _judge_entries(self, block: Committed) -> None:
        for entry_id, receipt in zip(block.entry_ids, block.receipts, strict=True):
            if entry_id in self._decisions and decode_receipt(receipt).outcome is Outcome.APPLIED:
                self.sets[block.height + 2] = self._decisions[entry_id]
            if entry_id in self.committed_entries:
                raise OracleViolation(
                    "exactly once",
                    f"{entry_id.hex()[:8]} in blocks {self.committed_entries[entry_id]}, {block.height}",
                )
            self.committed_entries[entry_id] = block.height
