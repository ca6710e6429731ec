"""A member's wallet: its keys, and the refusal to sign what its papers do not support.

Guarantees: a wallet signs only bytes that decode to an entry of its own chain; and as assignee or pledgee it signs
only when the fingerprints that it recomputes from the papers it was shown equal both those of the registration and
those in the operation. So a factor that uses this library cannot be led to vouch for an invoice that it has not seen.
Leaves to others: where keys lie (`keys`), which number an entry gets and how it is sent (`submission`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from registry.entry import EntryBody, EntrySignature, Mode, assemble, decode_body, encode_body, sign_body
from registry.fingerprints import FingerprintKey, Fingerprints, Numbering
from registry.identifiers import MemberId, show_id
from registry.member import possession_message
from registry.operations import (
    AcceptAssignment,
    AddToPool,
    Assign,
    CorrectReceivable,
    Operation,
    Pledge,
    SubstituteInPool,
)
from registry.operations.governance import KeyEnrolment
from registry.rules import RULES
from registry.signing import SigningKey

from .errors import PapersMismatch
from .papers import Papers


@dataclass(frozen=True, slots=True)
class ShownPapers:
    """What a factor has before it when it is asked to sign: the papers, and what the chain proves about them.

    `registered` is what the registration is known by. `numbering` is that of the exporter's member record: whether a number
    restarts each year decides what the invoice is known by, so it is not taken from a file that the exporter hands over.
    """

    papers: Papers
    registered: Fingerprints
    numbering: Numbering


ShownByReceivable = Mapping[bytes, ShownPapers]


@dataclass(frozen=True, slots=True)
class Wallet:
    """One member's keys on one chain. The association has several and signs with as many as its quorum needs."""

    member: MemberId
    keys: tuple[SigningKey, ...]
    chain_id: bytes
    fingerprint_key: FingerprintKey = field(repr=False)

    def sign(
        self, body_bytes: bytes, shown: ShownByReceivable | None = None, *, key_count: int = 1
    ) -> tuple[EntrySignature, ...]:
        """This member's signatures over an entry's body, with `key_count` of its keys.

        Raises PapersMismatch when a disposal to this member is not supported by the papers, or the entry is for another
        chain; MalformedEntry when the bytes are no body.
        """
        self.check(body_bytes, shown)
        return tuple(sign_body(body_bytes, self.member, key) for key in self.keys[:key_count])

    def check(self, body_bytes: bytes, shown: ShownByReceivable | None = None) -> None:
        """What `sign` looks at before it signs; raises as it does."""
        body = decode_body(body_bytes)
        if body.chain_id != self.chain_id:
            raise PapersMismatch("the entry is for another chain; this wallet does not sign it")
        for operation in body.operations:
            self._check_papers(operation, shown or {})

    def enrolment_of(self, key: SigningKey) -> KeyEnrolment:
        """The proof that this member holds one of its keys, for `EnrolMember`."""
        return KeyEnrolment(
            key.public_key, key.sign(possession_message(self.chain_id, self.member, key.public_key))
        )

    def _check_papers(self, operation: Operation, shown: ShownByReceivable) -> None:
        for vouching in vouchings_of(operation):
            if self.member not in vouching.members:
                continue
            if vouching.corrected is not None:
                # It vouches for the corrected papers as it did for the first ones.
                self._check_corrected(vouching.receivable, vouching.corrected, shown)
            else:
                self._check_shown(vouching.receivable, vouching.verified, shown)

    def _check_shown(self, receivable: bytes, verified: bytes, shown: ShownByReceivable) -> None:
        name = show_id(receivable)
        seen = shown.get(receivable)
        if seen is None:
            raise PapersMismatch(f"no papers were shown for {name}; ask the assignor for them before signing")
        computed = replace(seen.papers, numbering=seen.numbering).fingerprints(self.fingerprint_key)
        if computed != seen.registered:
            raise PapersMismatch(
                f"{name}: the papers shown are not those of the registration ({_difference(computed, seen.registered)}); "
                "do not sign, and ask the assignor why"
            )
        if verified != computed.digest():
            raise PapersMismatch(f"{name}: the entry states other fingerprints than the papers have")

    def _check_corrected(self, receivable: bytes, new: Fingerprints, shown: ShownByReceivable) -> None:
        seen = shown.get(receivable)
        if seen is None or seen.papers.fingerprints(self.fingerprint_key) != new:
            raise PapersMismatch(
                f"{show_id(receivable)}: the corrected papers were not shown, or are not those of the correction"
            )


@dataclass(frozen=True, slots=True)
class Vouching:
    """Who vouches for a receivable's papers by signing: those of the registration, or the `corrected` ones."""

    receivable: bytes
    members: tuple[str, ...]
    verified: bytes = b""
    corrected: Fingerprints | None = None


def vouchings_of(operation: Operation) -> tuple[Vouching, ...]:
    """What the signers of an operation vouch for: empty unless it is one that they should see papers for."""
    match operation:
        case Assign() | AcceptAssignment():
            return (Vouching(operation.receivable, (operation.assignee,), operation.verified_fingerprints),)
        case Pledge():
            return (Vouching(operation.receivable, (operation.pledgee,), operation.verified_fingerprints),)
        case AddToPool() | SubstituteInPool():
            return tuple(
                Vouching(addition.receivable, (operation.factor,), addition.verified_fingerprints)
                for addition in operation.additions
            )
        case CorrectReceivable(fingerprints=Fingerprints() as new):
            return (Vouching(operation.receivable, operation.consenting, corrected=new),)
        case _:
            return ()


def is_governed(body: EntryBody) -> bool:
    """Whether the association's quorum has to sign it."""
    return any(RULES[type(operation)].needs_quorum(operation) for operation in body.operations)


def draft_body(
    chain_id: bytes,
    submitter: str,
    sequence: int,
    valid_until_ms: int,
    operations: tuple[Operation, ...],
    mode: Mode = Mode.ATOMIC,
) -> bytes:
    """The bytes that every party signs. Raises MalformedEntry naming the field that is out of bounds."""
    return encode_body(EntryBody(1, chain_id, submitter, sequence, valid_until_ms, mode, operations))


def sign_for_all(
    body_bytes: bytes,
    wallets: Iterable[Wallet],
    shown: ShownByReceivable | None = None,
    *,
    association_keys: int = 1,
) -> bytes:
    """The whole entry, signed by each wallet; raises what `Wallet.sign` raises.

    `association_keys` is the governance quorum: with how many of its keys a wallet that has several signs an entry of governance.
    """
    governed = is_governed(decode_body(body_bytes))
    signatures: list[EntrySignature] = []
    for wallet in wallets:
        signatures += wallet.sign(body_bytes, shown, key_count=association_keys if governed else 1)
    return assemble(body_bytes, tuple(signatures))


def _difference(computed: Fingerprints, registered: Fingerprints) -> str:
    names = ("epoch", "invoice", "fiscal", "document", "similar", "deliveries")
    return ", ".join(name for name in names if getattr(computed, name) != getattr(registered, name))
