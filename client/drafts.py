"""Who has signed a draft and who still must; and two copies of one draft put together.

Guarantees: nothing here takes a file's word. Who must sign follows from the operations, as at a node's door; whose key
signed follows from member records that the caller has proven. What is returned keeps every signature that was there.
No I/O, no clock: members, height and time are arguments. Leaves to others: papers (`wallet`), bytes (`draft_file`).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from registry.entry import Entry, EntryBody, EntrySignature
from registry.identifiers import show_id
from registry.limits import SIGNATURES_MAX
from registry.member import Member, MemberStatus
from registry.operations.governance import Role
from registry.rules import RULES

from .draft_file import encode_draft
from .errors import DraftRefused
from .wallet import is_governed


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a draft has come. `seats` of the association's keys have signed, of the `seats_needed` that it needs."""

    signed: tuple[str, ...]
    missing: tuple[str, ...]
    seats: int
    seats_needed: int

    @property
    def is_complete(self) -> bool:
        return not self.missing and self.seats >= self.seats_needed

    def wanting(self) -> str:
        """In words, what is missing; empty when nothing is."""
        wanted = list(self.missing)
        if self.seats < self.seats_needed:
            wanted.append(f"{self.seats_needed - self.seats} more of the association's keys")
        return ", ".join(wanted)


def parties_of(body: EntryBody) -> tuple[str, ...]:
    """Who must sign by name: the submitter, then the parties of the operations, each once."""
    named = dict.fromkeys([body.submitter])
    for operation in body.operations:
        named |= dict.fromkeys(party.member for party in RULES[type(operation)].parties(operation))
    return tuple(named)


def check_chain(entry: Entry, chain_id: bytes) -> None:
    """Raises DraftRefused: it is for another consortium's chain."""
    if entry.body.chain_id != chain_id:
        raise DraftRefused(
            f"the draft is for chain {entry.body.chain_id.hex()[:16]}…, and this network's is {chain_id.hex()[:16]}…"
        )


def check_time(entry: Entry, now_ms: int) -> None:
    """Raises DraftRefused: it is too late to sign it."""
    if now_ms > entry.body.valid_until_ms:
        until = datetime.datetime.fromtimestamp(entry.body.valid_until_ms / 1_000, datetime.UTC)
        raise DraftRefused(
            f"the draft was valid until {until.isoformat(timespec='seconds')}: have a new one made and signed"
        )


def standing_of(entry: Entry, members: Mapping[str, Member | None], height: int, threshold: int) -> Standing:
    """Who has signed and who has not, for a block of `height`. `members`: the proven records of all who have signed.

    `threshold`: how many of the association's keys a decision needs. Raises DraftRefused on a signature that is worth
    nothing: of no member, under no key of its, or of a member that the entry does not concern.
    """
    parties, governed = parties_of(entry.body), is_governed(entry.body)
    seats = 0
    for signature in entry.signatures:
        member = members.get(signature.member)
        if member is None or not member.has_key(signature.public_key, height):
            raise DraftRefused(
                f"it is signed for {signature.member} with key {signature.public_key.hex()}, which is no valid key of "
                "a member of that name"
            )
        if member.status is MemberStatus.EXPELLED:
            raise DraftRefused(f"{signature.member} has signed, and is expelled")
        sits = governed and Role.ASSOCIATION in member.roles
        seats += sits and member.status is MemberStatus.ACTIVE
        if not sits and signature.member not in parties:
            raise DraftRefused(f"{signature.member} has signed, and is no party to any of its operations")
    signed = tuple(dict.fromkeys(signature.member for signature in entry.signatures))
    missing = tuple(party for party in parties if party not in signed)
    return Standing(signed, missing, seats, threshold if governed else 0)


def with_signatures(entry: Entry, added: Iterable[EntrySignature]) -> bytes:
    """The draft file with more signatures. Raises DraftRefused when a key has signed already, or too many have."""
    keys = {signature.public_key for signature in entry.signatures}
    signatures = list(entry.signatures)
    for signature in added:
        if signature.public_key in keys:
            raise DraftRefused(f"{signature.member} has signed this draft already; nobody signs twice")
        keys.add(signature.public_key)
        signatures.append(signature)
    if len(signatures) > SIGNATURES_MAX:
        raise DraftRefused(f"{len(signatures)} signatures, at most {SIGNATURES_MAX} are allowed")
    return encode_draft(entry.body_bytes, signatures)


def merge(first: Entry, second: Entry) -> bytes:
    """One draft file with the signatures of two copies. Raises DraftRefused when they are not of one draft."""
    if first.body_bytes != second.body_bytes:
        raise DraftRefused(
            f"they are two drafts: {show_id(first.entry_id)} and {show_id(second.entry_id)}; a signature on one says nothing "
            "about the other"
        )
    keys = {signature.public_key for signature in first.signatures}
    return with_signatures(first, (each for each in second.signatures if each.public_key not in keys))
