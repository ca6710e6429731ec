"""Who is asking: the member behind an access token (`registry.access_token`), and how much each may ask per second.

Guarantees: a caller is known only by a token that names this node, whose signature verifies, whose key the ledger records
for that member at the present height, and whose life is at most ten minutes. Order of checks: size, decoding, audience
and time, key, signature. Verified tokens are remembered; the member's record is looked up again at every new height.
Leaves to others: what the caller may see (the services), and reading the member's record (`MemberDirectory`).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from node.status import CallCode, CallRefused
from registry.access_token import (
    METADATA_KEY,
    SCHEME,
    TOKEN_LIFE_MS_MAX,
    SignedToken,
    Token,
    check_token_signature,
    decode_token,
)
from registry.errors import BadSignature, MalformedEntry
from registry.member import Member, MemberStatus

# A member's clock may be ahead of the node's by this much.
CLOCK_SKEW_MS_MAX = 60_000
# A few tokens for each of a large consortium's members; beyond it the oldest is verified again.
VERIFIED_TOKENS_MAX = 4_096


class MemberDirectory(Protocol):
    """The members as the ledger records them after the node's last committed block."""

    def height(self) -> int:
        """The last committed height."""
        ...

    def member(self, member_id: str) -> Member | None:
        """The member's record at that height."""
        ...


class Gate:
    """Checks tokens for one node and remembers those that passed."""

    def __init__(self, node_id: str, directory: MemberDirectory) -> None:
        self._node_id = node_id
        self._directory = directory
        self._verified: OrderedDict[str, _Verified] = OrderedDict()

    def admit(self, value: str | None, now_ms: int) -> Member:
        """The member behind a metadata value. Raises CallRefused."""
        if value is None:
            raise CallRefused(
                CallCode.UNAUTHENTICATED, f"no {METADATA_KEY} metadata; expected '{SCHEME}TOKEN'"
            )
        known = self._verified.get(value)
        if known is None:
            known = self._check(value, now_ms)
            self._verified[value] = known
            if len(self._verified) > VERIFIED_TOKENS_MAX:
                self._verified.popitem(last=False)
        elif known.height != self._directory.height():
            known = self._look_up(known.token)
            self._verified[value] = known
        if now_ms >= known.token.expires_ms:
            del self._verified[value]
            raise CallRefused(CallCode.UNAUTHENTICATED, "the access token has expired; make a new one")
        return known.member

    def admitted_still(self, value: str | None) -> Member:
        """The member behind a value that was admitted when its stream began, as the ledger records it now. Raises CallRefused.

        A stream outlives its token, and must not outlive the right: a key that was revoked, or a member that was expelled, would
        go on reading for as long as it keeps the line open.
        """
        return self._look_up(_decoded(value or "").token).member

    def _check(self, value: str, now_ms: int) -> _Verified:
        signed = _decoded(value)
        token = signed.token
        if token.node_id != self._node_id:
            raise CallRefused(
                CallCode.UNAUTHENTICATED,
                f"the token is for node {token.node_id!r}, this is {self._node_id!r}",
            )
        if token.issued_ms > now_ms + CLOCK_SKEW_MS_MAX:
            ahead_ms = token.issued_ms - now_ms
            raise CallRefused(CallCode.UNAUTHENTICATED, f"the token is from the future by {ahead_ms} ms")
        if not 0 < token.expires_ms - token.issued_ms <= TOKEN_LIFE_MS_MAX:
            raise CallRefused(
                CallCode.UNAUTHENTICATED, f"a token lives for at most {TOKEN_LIFE_MS_MAX} ms, and more than 0"
            )
        verified = self._look_up(token)
        try:
            check_token_signature(signed)
        except BadSignature as error:
            raise CallRefused(CallCode.UNAUTHENTICATED, "the token's signature does not verify") from error
        return verified

    def _look_up(self, token: Token) -> _Verified:
        height = self._directory.height()
        member = self._directory.member(token.member)
        # The key must be good for the next block: what the member could sign an entry with now.
        if member is None or not member.has_key(token.public_key, height + 1):
            raise CallRefused(
                CallCode.UNAUTHENTICATED,
                f"{token.member} has no key {token.public_key.hex()} that is valid after height {height}",
            )
        if member.status is MemberStatus.EXPELLED:
            raise CallRefused(CallCode.UNAUTHENTICATED, f"{token.member} is expelled")
        return _Verified(token, member, height)


@dataclass(frozen=True, slots=True)
class _Verified:
    token: Token
    member: Member
    height: int  # at which the member was looked up


def _decoded(value: str) -> SignedToken:
    try:
        return decode_token(value)
    except MalformedEntry as error:
        raise CallRefused(
            CallCode.UNAUTHENTICATED, f"the access token cannot be read: {error.message}"
        ) from error


class RateLimit:
    """A token bucket per member: a burst of one second's worth, refilled evenly.

    Only admitted members have a bucket, so the number of buckets is bounded by the enrolment.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._buckets: dict[str, tuple[float, int]] = {}  # member -> (what is left, at which monotonic ms)

    def take(self, member: str, amount: int, now_ms: int) -> None:
        """Take `amount` from the member's bucket. Raises CallRefused with the time after which it will be there."""
        left = self._left(member, now_ms)
        # A call larger than the whole bucket would never pass: it may empty a full one.
        if left < min(amount, self._per_second):
            missing = min(amount, self._per_second) - left
            raise CallRefused(
                CallCode.OVERLOADED,
                f"{member} asks for more than {self._per_second} per second at this node",
                retry_after_ms=max(1, round(missing * 1_000 / self._per_second)),
            )
        self._buckets[member] = (left - amount, now_ms)

    def overdraw(self, member: str, amount: int, now_ms: int) -> int:
        """Take `amount` whatever is there; after how many ms that much will have flown in."""
        left = self._left(member, now_ms) - amount
        self._buckets[member] = (left, now_ms)
        return max(0, round(-left * 1_000 / self._per_second))

    def _left(self, member: str, now_ms: int) -> float:
        left, at_ms = self._buckets.get(member, (float(self._per_second), now_ms))
        return min(float(self._per_second), left + (now_ms - at_ms) * self._per_second / 1_000)
