"""Access tokens and rate limits: who is let in, and when not."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace

import pytest

from node.api.access import CLOCK_SKEW_MS_MAX, Gate, RateLimit
from node.status import CallCode, CallRefused
from registry.access_token import TOKEN_LIFE_MS_MAX, Token, make_token
from registry.codec import pack
from registry.fingerprints import Numbering
from registry.member import Member, MemberKey, MemberStatus
from registry.operations.governance import Role
from registry.signing import SigningKey, Tag

KEY = SigningKey(bytes(32))
OTHER = SigningKey(bytes([1]) * 32)
MEMBER = "lei:00000000000000000098"
NOW = 1_800_000_000_000


def enrolled(*keys: SigningKey, status: MemberStatus = MemberStatus.ACTIVE) -> Member:
    return Member(
        MEMBER,
        (Role.FACTOR,),
        status,
        Numbering.CONTINUOUS,
        None,
        tuple(MemberKey(key.public_key, 0, 100) for key in keys),
    )


@dataclass
class Members:
    """A ledger with one member."""

    at: int = 1
    record: Member | None = field(default_factory=lambda: enrolled(KEY))

    def height(self) -> int:
        return self.at

    def member(self, member_id: str) -> Member | None:
        return self.record if member_id == MEMBER else None


def gate(members: Members | None = None) -> Gate:
    return Gate("factor-1", members or Members())


def refused(gate: Gate, value: str | None, now_ms: int = NOW) -> CallRefused:
    with pytest.raises(CallRefused) as caught:
        gate.admit(value, now_ms)
    assert caught.value.code is CallCode.UNAUTHENTICATED
    return caught.value


def signed(token: Token, key: SigningKey = KEY, tag: bytes = Tag.ACCESS_TOKEN) -> str:
    """A token written down from its format, so that it can also be wrong."""
    body = pack(
        (token.version, token.member, token.public_key, token.node_id, token.issued_ms, token.expires_ms)
    )
    return "pledgebook " + base64.urlsafe_b64encode(pack((body, key.sign(tag + body)))).rstrip(b"=").decode()


TOKEN = Token(1, MEMBER, KEY.public_key, "factor-1", NOW, NOW + TOKEN_LIFE_MS_MAX)


def test_good_token_is_admitted_twice() -> None:
    at = gate()
    value = make_token(KEY, MEMBER, "factor-1", NOW)
    assert at.admit(value, NOW) == enrolled(KEY)
    assert at.admit(value, NOW + 1) == enrolled(KEY)


def test_missing_token_says_what_is_expected() -> None:
    assert "authorization" in refused(gate(), None).message


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer abc",
        "pledgebook ",
        "pledgebook !!!",
        "pledgebook " + "A" * 5_000,
        "pledgebook é",
        "pledgebook AAAA",
    ],
)
def test_garbage_is_refused(value: str) -> None:
    refused(gate(), value)


def test_token_for_another_node_is_refused() -> None:
    assert "'association'" in refused(gate(), make_token(KEY, MEMBER, "association", NOW)).message


def test_expired_token_is_refused_also_when_it_was_verified_before() -> None:
    at = gate()
    value = make_token(KEY, MEMBER, "factor-1", NOW, life_ms=1_000)
    at.admit(value, NOW + 999)
    assert "expired" in refused(at, value, NOW + 1_000).message
    assert "expired" in refused(gate(), value, NOW + 1_000).message


def test_stream_outlives_its_token_and_not_the_right_to_it() -> None:
    members = Members()
    at = gate(members)
    value = make_token(KEY, MEMBER, "factor-1", NOW, life_ms=1_000)
    at.admit(value, NOW)
    refused(at, value, NOW + 1_000)
    assert at.admitted_still(value) == enrolled(KEY)
    for record in (None, enrolled(OTHER), enrolled(KEY, status=MemberStatus.EXPELLED)):
        members.record = record
        with pytest.raises(CallRefused) as caught:
            at.admitted_still(value)
        assert caught.value.code is CallCode.UNAUTHENTICATED


def test_token_from_the_future_is_refused_beyond_the_allowed_skew() -> None:
    gate().admit(signed(TOKEN), NOW - CLOCK_SKEW_MS_MAX)
    assert "future" in refused(gate(), signed(TOKEN), NOW - CLOCK_SKEW_MS_MAX - 1).message


@pytest.mark.parametrize("life_ms", [0, TOKEN_LIFE_MS_MAX + 1])
def test_token_of_wrong_life_is_refused(life_ms: int) -> None:
    assert "lives" in refused(gate(), signed(replace(TOKEN, expires_ms=NOW + life_ms)), NOW).message


def test_key_that_the_ledger_does_not_know_is_refused() -> None:
    refused(gate(), signed(replace(TOKEN, public_key=OTHER.public_key), OTHER))


def test_key_is_refused_at_the_height_where_its_validity_ends() -> None:
    value = signed(TOKEN)
    gate(Members(at=98)).admit(value, NOW)
    refused(gate(Members(at=99)), value)


def test_expelled_member_is_refused() -> None:
    assert (
        "expelled"
        in refused(gate(Members(record=enrolled(KEY, status=MemberStatus.EXPELLED))), signed(TOKEN)).message
    )


def test_unknown_member_is_refused() -> None:
    refused(gate(Members(record=None)), signed(TOKEN))


def test_signature_of_another_key_or_for_another_purpose_is_refused() -> None:
    assert "verify" in refused(gate(), signed(TOKEN, OTHER)).message
    assert "verify" in refused(gate(), signed(TOKEN, tag=Tag.ENTRY)).message


def test_revoked_key_is_refused_at_the_next_height() -> None:
    members = Members()
    at = gate(members)
    value = signed(TOKEN)
    at.admit(value, NOW)
    members.record = enrolled(OTHER)
    at.admit(value, NOW)  # same height: what the ledger says has not changed
    members.at = 2
    refused(at, value)


def test_rate_limit_refuses_beyond_the_burst_and_says_when_to_return() -> None:
    limit = RateLimit(100)
    limit.take(MEMBER, 100, 0)
    with pytest.raises(CallRefused) as caught:
        limit.take(MEMBER, 10, 0)
    assert caught.value.code is CallCode.OVERLOADED
    assert caught.value.retry_after_ms == 100
    limit.take(MEMBER, 10, 100)


def test_rate_limit_of_one_member_does_not_touch_another() -> None:
    limit = RateLimit(1)
    limit.take(MEMBER, 1, 0)
    limit.take("lei:other", 1, 0)


def test_call_larger_than_the_bucket_passes_once_and_is_paid_for() -> None:
    limit = RateLimit(10)
    limit.take(MEMBER, 30, 0)
    with pytest.raises(CallRefused):
        limit.take(MEMBER, 1, 1_000)
    limit.take(MEMBER, 1, 2_100)
