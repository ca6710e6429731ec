"""The model's rules of governance: members, keys and seats, groups, risk assets, policy, upgrades, released fingerprints."""

from __future__ import annotations

from collections.abc import Sequence

from registry.block import RULES_VERSION
from registry.errors import BadSignature, Code
from registry.identifiers import BadIdentifier, parse_member_id
from registry.limits import (
    ASSOCIATION_MEMBERS_MAX,
    CONTROLLERS_MAX,
    GROUP_MEMBERS_MAX,
    HEIGHT_MAX,
    KEYS_PER_MEMBER_MAX,
)
from registry.member import MemberStatus, possession_message
from registry.operations import ChangeMember, EnrolMember, RevokeKey, RotateKey
from registry.operations.decisions import ReleaseFingerprint, ScheduleUpgrade, SetPolicy
from registry.operations.governance import KeyEnrolment, Role
from registry.operations.relationships import DeclareRelationship, DeclareRiskAssets
from registry.signing import verify
from tests.registry.model.book import Book, Control, Here, Judge, Paper, Person, Refused, need_positive

# --- members and keys


def need_keys(book: Book, member: str, keys: Sequence[KeyEnrolment]) -> None:
    """A key that was ever enrolled is never enrolled again; each proves that its holder has the private half."""
    for key in keys:
        if key.public_key in book.key_owners:
            raise Refused(Code.KEY_IN_USE)
        try:
            verify(key.public_key, possession_message(book.chain_id, member, key.public_key), key.possession)
        except BadSignature:
            raise Refused(Code.BAD_SIGNATURE) from None


def lasting(person: Person, here: Here) -> list[bytes]:
    return [key for key, (_from, until) in person.keys.items() if until > here.height]


def give_keys(book: Book, here: Here, member: str, keys: Sequence[KeyEnrolment]) -> None:
    """Valid from the next block on."""
    person = book.members[member]
    if keys:
        # A key that is over makes room.
        person.keys = {key: span for key, span in person.keys.items() if span[1] > here.height}
    for key in keys:
        book.key_owners[key.public_key] = member
        book.members[member].keys[key.public_key] = (here.height + 1, HEIGHT_MAX)


def enrol(book: Book, here: Here, op: EnrolMember) -> bytes:
    try:
        parse_member_id(op.member)
    except BadIdentifier:
        raise Refused(Code.BAD_IDENTIFIER) from None
    if op.member in book.members:
        raise Refused(Code.ALREADY_ENROLLED)
    need_reference(book, op.member, op.roles, op.debtor_reference)
    need_keys(book, op.member, op.keys)
    book.members[op.member] = Person(
        op.roles,
        MemberStatus.ACTIVE,
        op.numbering,
        op.debtor_reference,
        {},
        op.accredited,
        op.enterprise_class,
        op.whitelisted,
    )
    give_keys(book, here, op.member, op.keys)
    return op.member.encode()


def need_reference(book: Book, member: str, roles: tuple[Role, ...], reference: bytes | None) -> None:
    """Who can stand on a side of a receivable has the reference of its own identifier, and nobody another's."""
    if reference is None:
        if set(roles) & {Role.FACTOR, Role.EXPORTER, Role.DEBTOR, Role.INSURER}:
            raise Refused(Code.BAD_IDENTIFIER)
        return
    if any(each.reference == reference for name, each in book.members.items() if name != member):
        raise Refused(Code.IDENTIFIER_IN_USE)


def need_unexpelled(book: Book, member: str) -> Person:
    if member not in book.members:
        raise Refused(Code.UNKNOWN_MEMBER)
    person = book.members[member]
    if person.status is MemberStatus.EXPELLED:
        raise Refused(Code.EXPELLED)
    return person


def need_seats(book: Book, here: Here, member: str, person: Person) -> None:
    """As many of the association's keys must be left, without an end, as must sign."""
    people = {**book.members, member: person}
    seats = {
        key
        for each in people.values()
        if Role.ASSOCIATION in each.roles and each.is_active
        for key, (_from, until) in each.keys.items()
        if until == HEIGHT_MAX
    }
    if len(seats) < book.association_keys_needed:
        raise Refused(Code.NO_QUORUM)


def change_member(book: Book, here: Here, op: ChangeMember) -> bytes:
    person = need_unexpelled(book, op.member)
    gains = not set(op.roles) <= set(person.roles) or bool(op.new_keys)
    if gains and not op.with_consent:
        raise Refused(Code.MISSING_SIGNATURE)
    need_reference(book, op.member, op.roles, person.reference)
    need_keys(book, op.member, op.new_keys)
    if op.new_keys and len(lasting(person, here)) + len(op.new_keys) > KEYS_PER_MEMBER_MAX:
        raise Refused(Code.LIMIT_REACHED)
    joins = Role.ASSOCIATION in op.roles and Role.ASSOCIATION not in person.roles
    seated = sum(Role.ASSOCIATION in each.roles for each in book.members.values())
    if joins and seated >= ASSOCIATION_MEMBERS_MAX:
        raise Refused(Code.LIMIT_REACHED)
    keys = person.keys | {key.public_key: (here.height + 1, HEIGHT_MAX) for key in op.new_keys}
    changed = Person(
        op.roles,
        op.status,
        op.numbering,
        person.reference,
        keys,
        op.accredited,
        op.enterprise_class,
        op.whitelisted,
    )
    need_seats(book, here, op.member, changed)
    book.members[op.member] = changed
    give_keys(book, here, op.member, op.new_keys)
    return op.member.encode()


def rotate(book: Book, here: Here, op: RotateKey) -> bytes:
    person = need_unexpelled(book, op.member)
    from_height, until_height = person.keys.get(op.old_key, (0, 0))
    if until_height <= here.height + 1:
        raise Refused(Code.UNKNOWN_KEY)
    if op.old_key not in here.keys:
        raise Refused(Code.MISSING_SIGNATURE)
    if not here.height < op.old_until_height <= until_height:
        raise Refused(Code.TERM)
    need_keys(book, op.member, [op.new_key])
    if len(lasting(person, here)) + 1 > KEYS_PER_MEMBER_MAX:
        raise Refused(Code.LIMIT_REACHED)
    person.keys[op.old_key] = (from_height, op.old_until_height)
    give_keys(book, here, op.member, [op.new_key])
    return op.member.encode()


def revoke(book: Book, here: Here, op: RevokeKey) -> bytes:
    person = need_unexpelled(book, op.member)
    from_height, until_height = person.keys.get(op.public_key, (0, 0))
    if until_height <= here.height + 1:
        raise Refused(Code.UNKNOWN_KEY)
    ended = {**person.keys, op.public_key: (min(from_height, here.height + 1), here.height + 1)}
    changed = Person(
        person.roles,
        person.status,
        person.numbering,
        person.reference,
        ended,
        person.accredited,
        person.enterprise,
        person.listed,
    )
    need_seats(book, here, op.member, changed)
    book.members[op.member] = changed
    return op.member.encode()


# --- groups and risk assets


def declare(book: Book, here: Here, op: DeclareRelationship) -> bytes:
    if not op.countersigned and not op.false:
        own = None if op.declarer is None else book.members[op.declarer].reference
        if op.party != own:
            raise Refused(Code.MISSING_SIGNATURE)
    if op.party == op.controller:
        raise Refused(Code.BAD_IDENTIFIER)
    declared = book.controls.get(op.party, {})
    before = declared.get(op.controller)
    if op.false:
        if before is None:
            raise Refused(Code.UNKNOWN_RELATIONSHIP)
        del declared[op.controller]
        return op.party
    if before is not None and op.since_day >= before.since_day:
        raise Refused(Code.ALREADY_DECLARED, before.place)
    under = sum(op.controller in each for each in book.controls.values())
    if before is None and (len(declared) >= CONTROLLERS_MAX or under >= GROUP_MEMBERS_MAX):
        raise Refused(Code.LIMIT_REACHED)
    declared.pop(op.controller, None)
    declared[op.controller] = Control(op.since_day, here.place(op.party))
    book.controls[op.party] = declared
    return op.party


def declare_risk_assets(book: Book, here: Here, op: DeclareRiskAssets) -> bytes:
    need_positive(op.amount)
    if op.currency not in book.policy.currencies:
        raise Refused(Code.CURRENCY_MISMATCH)
    if op.as_of_day > here.today:
        raise Refused(Code.TOO_EARLY)
    book.risk_assets[op.factor, op.currency] = (op.amount, op.as_of_day, here.place(here.entry_id))
    return op.factor.encode()


# --- decisions


def set_policy(book: Book, here: Here, op: SetPolicy) -> bytes:
    if op.from_height < here.height + 1 + book.policy.change_delay_blocks:
        raise Refused(Code.TOO_EARLY)
    book.next_policy = (op.policy, op.from_height)
    return b"chain"


def schedule_upgrade(book: Book, here: Here, op: ScheduleUpgrade) -> bytes:
    if op.halt_height <= here.height:
        raise Refused(Code.TOO_EARLY)
    if op.rules_version <= RULES_VERSION:
        raise Refused(Code.ALREADY_IN_FORCE)
    book.upgrade = (op.halt_height, op.rules_version)
    return b"chain"


def release_fingerprint(book: Book, here: Here, op: ReleaseFingerprint) -> bytes:
    debt = book.known(op.receivable)
    if not debt.is_closed:
        raise Refused(Code.NOT_CLOSED, debt.place)
    own = [
        (kind, paper)
        for kind, paper in debt.prints.strong()
        if paper == op.fingerprint and owns(book, debt.name, (kind, paper))
    ]
    if not own:
        raise Refused(Code.UNKNOWN_FINGERPRINT, debt.place)
    del book.papers[own[0]]
    return debt.name


def owns(book: Book, name: bytes, paper: Paper) -> bool:
    return paper in book.papers and book.papers[paper].subject == name


RULES: dict[type, Judge] = {
    EnrolMember: enrol,
    ChangeMember: change_member,
    RotateKey: rotate,
    RevokeKey: revoke,
    DeclareRelationship: declare,
    DeclareRiskAssets: declare_risk_assets,
    SetPolicy: set_policy,
    ScheduleUpgrade: schedule_upgrade,
    ReleaseFingerprint: release_fingerprint,
}
