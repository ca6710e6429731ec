"""`pledgebook govern`: what the association decides about members, relationships, policy and rules."""

from __future__ import annotations

import datetime
import json
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from registry.errors import MalformedEntry
from registry.fingerprints import Numbering
from registry.member import FOREVER, Member, MemberStatus
from registry.operations import Operation
from registry.operations.decisions import ReleaseFingerprint, ScheduleUpgrade, SetPolicy
from registry.operations.existence import EvidenceKind
from registry.operations.governance import KeyEnrolment
from registry.operations.members import ChangeMember, RevokeKey, RotateKey
from registry.operations.relationships import DeclareRelationship, DeclareRiskAssets
from registry.policy import Policy
from registry.policy_document import policy_from_json
from registry.signing import PUBLIC_KEY_BYTES

from ..enrolment import key_at
from ..errors import InputError
from ..keys import passphrase_from_environment, read_key
from ..papers import day_number
from ..submission import Draft
from ..verify import ProvenReceipt
from . import options as opt
from . import output
from .members import class_of, role_of
from .queries import by_papers
from .session import (
    ASSOCIATION,
    Session,
    amount_of,
    debtor_identifier,
    in_session,
    member_id_of,
    parse_id,
)

govern_app = typer.Typer(
    help="What the association decides: members, keys, relationships, policy, upgrades.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

MemberArgument = Annotated[
    str, typer.Argument(metavar="MEMBER", help="The member: its short name in the folder, or its id.")
]
Height = Annotated[int, typer.Option("--height", min=1, help="The block at which it takes effect.")]


class StatusWord(Enum):
    """What `--status` can say."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    EXPELLED = "expelled"


async def _decide(session: Session, operation: Operation, *also: str) -> ProvenReceipt | None:
    """Have the association sign, and the parties besides it, and commit. A draft may be begun by any of them; it has no receipt."""
    wallets = [session.wallet(ASSOCIATION)]
    wallets += [session.wallet(name) for name in also if session.wallet(name) is not wallets[0]]
    return await session.perform(Draft((operation,), tuple(wallets)))


@govern_app.command(
    "change-member",
    epilog="Example: pledgebook govern change-member factor-2 --network ./net --status suspended",
)
@opt.submits("govern", usually=ASSOCIATION)
def change_member(
    options: opt.Options,
    member: MemberArgument,
    role: Annotated[
        list[str] | None, typer.Option(help="Every role that it is to have; may be repeated.")
    ] = None,
    status: Annotated[StatusWord | None, typer.Option(help="Expelled is for ever.")] = None,
    yearly_numbers: Annotated[
        bool | None,
        typer.Option("--yearly-numbers/--running-numbers", help="Do its numbers restart each year?"),
    ] = None,
    accredited: Annotated[
        list[str] | None, typer.Option(help="Every kind of evidence that it may attest; may be repeated.")
    ] = None,
    enterprise_class: Annotated[
        str | None,
        typer.Option("--class", help="Its declared size: undeclared, large, medium, small, micro."),
    ] = None,
    whitelisted: Annotated[
        bool | None,
        typer.Option(help="Is it on the supervisor's list of factors in good standing?"),
    ] = None,
    new_key: Annotated[
        list[Path] | None, typer.Option(dir_okay=False, help="A further key; made if it is not there.")
    ] = None,
    with_consent: Annotated[
        bool, typer.Option(help="The member signs too: needed for a new role or key.")
    ] = False,
) -> None:
    """As the association, change what a member is. What is left out stays as it is, proven before it is signed."""
    roles = tuple(sorted({role_of(text) for text in role or ()}))
    kinds = tuple(sorted({_evidence_kind(text) for text in accredited or ()}))

    async def work(session: Session) -> None:
        present = await _present_member(session, member)
        numbering = present.numbering
        if yearly_numbers is not None:
            numbering = Numbering.YEARLY if yearly_numbers else Numbering.CONTINUOUS
        operation = ChangeMember(
            member=present.member_id,
            roles=roles or present.roles,
            status=present.status if status is None else MemberStatus[status.name],
            numbering=numbering,
            accredited=present.accredited if accredited is None else kinds,
            enterprise_class=present.enterprise_class
            if enterprise_class is None
            else class_of(enterprise_class),
            whitelisted=present.whitelisted if whitelisted is None else whitelisted,
            new_keys=tuple(
                sorted((_proven(session, member, path) for path in new_key or ()), key=lambda k: k.public_key)
            ),
            with_consent=with_consent,
        )
        await _decide(session, operation, *((member,) if with_consent else ()))

    in_session(options, work)


@govern_app.command("member", epilog="Example: pledgebook govern member factor-2 --network ./net")
@opt.asks("govern", by_anybody=True)
def show_member(
    options: opt.Options,
    member: MemberArgument,
) -> None:
    """Show what a member is, with its keys. The proof is checked."""

    async def work(session: Session) -> None:
        _show_member(await _present_member(session, member), as_json=options.as_json)

    in_session(options, work)


async def _present_member(session: Session, name: str) -> Member:
    member_id = member_id_of(session.directory, name)
    proven = await session.client.member(member_id)
    if proven.member is None:
        raise InputError(f"{member_id} is no member (proven at height {proven.head.header.height})")
    return proven.member


def _show_member(member: Member, *, as_json: bool) -> None:
    facts: dict[str, Any] = {
        "member_id": member.member_id,
        "roles": [role.name.lower() for role in member.roles],
        "status": member.status.name.lower(),
        "numbering": member.numbering.name.lower(),
        "accredited": [kind.name.lower() for kind in member.accredited],
        "enterprise_class": member.enterprise_class.name.lower(),
        "whitelisted": member.whitelisted,
        "keys": [
            {
                "public_key": key.public_key.hex(),
                "from_height": key.from_height,
                "until_height": None if key.until_height == FOREVER else key.until_height,
            }
            for key in member.keys
        ],
    }
    if as_json:
        output.print_json(facts)
        return
    lines = {
        name: ", ".join(value) if isinstance(value, list) else value
        for name, value in facts.items()
        if name != "keys"
    }
    lines["whitelisted"] = "yes" if member.whitelisted else "no"
    for number, key in enumerate(facts["keys"], 1):
        ends = "" if key["until_height"] is None else f", below {key['until_height']}"
        lines[f"key {number}"] = f"{key['public_key']}, from height {key['from_height']}{ends}"
    output.print_facts("Member", {name: value or "-" for name, value in lines.items()})


@govern_app.command(
    "rotate-key",
    epilog="Example: pledgebook govern rotate-key factor-2 ./new.pem --network ./net --height 5000",
)
@opt.submits("govern", usually=ASSOCIATION)
def rotate_key(
    options: opt.Options,
    member: MemberArgument,
    new_key: Annotated[Path, typer.Argument(metavar="FILE", help="The new key; made if it is not there.")],
    height: Annotated[
        int, typer.Option(min=1, help="The first block in which the old key is worth nothing.")
    ],
) -> None:
    """Put another key in the place of a member's first one; both and the association sign."""

    async def work(session: Session) -> None:
        present = await _present_member(session, member)
        own = session.wallet(member).keys
        old = own[0].public_key if own else present.keys[0].public_key
        operation = RotateKey(present.member_id, old, _proven(session, member, new_key), height)
        if await _decide(session, operation, member) is not None:
            # Until this is written the next command signs with the old key, which is good for the blocks below `height`.
            session.directory.with_first_key(member, new_key.resolve())

    in_session(options, work)


@govern_app.command("revoke-key", epilog="Example: pledgebook govern revoke-key factor-2 KEY --network ./net")
@opt.submits("govern", acting=ASSOCIATION)
def revoke_key(
    options: opt.Options,
    member: MemberArgument,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The public key in hexadecimal, or a key file.")],
) -> None:
    """As the association, end a key with the next block."""

    async def work(session: Session) -> None:
        await _decide(session, RevokeKey(member_id_of(session.directory, member), _public_key(key)))

    in_session(options, work)


@govern_app.command(
    "relationship",
    epilog="Example: pledgebook govern relationship debtor-1 DE:HRB12345 --network ./net --as debtor-1 --since 2026-01-01",
)
@opt.submits("govern", usually=ASSOCIATION)
def relationship(
    options: opt.Options,
    party: Annotated[
        str, typer.Argument(metavar="PARTY", help="A member, lei:..., uscc:... or DE:HRB12345.")
    ],
    controller: Annotated[str, typer.Argument(metavar="CONTROLLER", help="Who controls it in the end.")],
    since: Annotated[
        datetime.datetime, typer.Option(formats=["%Y-%m-%d"], help="The day since which it does.")
    ],
    countersigned: Annotated[
        bool, typer.Option(help="The association signs too: needed for another party.")
    ] = False,
    false: Annotated[bool, typer.Option("--false", help="Mark what was declared as false.")] = False,
) -> None:
    """As the association, an exporter, debtor or factor, declare that a party stands under a controller; or mark it as false."""
    day = day_number(since.date())

    async def work(session: Session) -> None:
        declarer = session.acting.name
        alone = declarer == ASSOCIATION
        key = session.fingerprint_key
        operation = DeclareRelationship(
            declarer=None if alone else session.acting.member_id,
            party=key.debtor(debtor_identifier(session.directory, party)),
            controller=key.debtor(debtor_identifier(session.directory, controller)),
            since_day=day,
            countersigned=countersigned or alone,
            false=false,
        )
        if operation.countersigned or false:
            await _decide(session, operation, *(() if alone else (declarer,)))
        else:
            await session.perform(Draft((operation,), (session.wallet(declarer),)))

    in_session(options, work)


@govern_app.command(
    "risk-assets",
    epilog="Example: pledgebook govern risk-assets --network ./net --as factor-1 --amount 5000000 --currency USD "
    "--as-of 2026-09-30",
)
@opt.submits("govern")
def risk_assets(
    options: opt.Options,
    amount: opt.Amount,
    currency: Annotated[str, typer.Option(metavar="CODE", help="ISO 4217.")],
    as_of: Annotated[datetime.datetime, typer.Option(formats=["%Y-%m-%d"], help="The day of the figure.")],
) -> None:
    """As a factor, sign what your risk assets are: your concentration limits are shares of them."""
    day = day_number(as_of.date())

    async def work(session: Session) -> None:
        wallet = session.wallet(session.acting.name)
        operation = DeclareRiskAssets(wallet.member, currency, amount_of(amount, currency), day)
        await session.perform(Draft((operation,), (wallet,)), currency=currency)

    in_session(options, work)


@govern_app.command(
    "set-policy", epilog="Example: pledgebook govern set-policy policy.json --network ./net --height 5000"
)
@opt.submits("govern", acting=ASSOCIATION)
def set_policy(
    options: opt.Options,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", dir_okay=False, help="JSON: the whole policy, as `policy` of a genesis."
        ),
    ],
    height: Height,
) -> None:
    """As the association, replace the policy whole from a height on."""
    operation = SetPolicy(_read_policy(file), height)
    in_session(options, lambda session: _decide(session, operation))


@govern_app.command(
    "release-fingerprint",
    epilog="Example: pledgebook govern release-fingerprint RECEIVABLE --network ./net --exporter exporter-1 --debtor debtor-1 "
    "--invoice INV-7 --reason 'reissued'",
)
@opt.submits("govern", acting=ASSOCIATION)
def release_fingerprint(
    options: opt.Options,
    receivable: opt.ReceivableArgument,
    reason: Annotated[str, typer.Option(help="It stands on the chain for everybody: name no paper.")],
    fingerprint: Annotated[
        str | None, typer.Argument(metavar="FINGERPRINT", help="64 hexadecimal digits; or give the papers.")
    ] = None,
    exporter: Annotated[str | None, typer.Option(help="With --debtor and --invoice: who issued it.")] = None,
    debtor: Annotated[str | None, typer.Option(help="With --invoice: who owes.")] = None,
    invoice: Annotated[str | None, typer.Option(help="The invoice number as printed.")] = None,
    issued: Annotated[
        datetime.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Its date, for an exporter whose numbers restart each year."),
    ] = None,
    fiscal: Annotated[str | None, typer.Option(help="Or: the fiscal invoice number.")] = None,
    document: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Or: the original invoice file.")
    ] = None,
) -> None:
    """As the association, let a number of a settled or cancelled receivable be registered again."""
    identifier = parse_id(receivable)
    given = None if fingerprint is None else _hexadecimal(fingerprint, 32)

    async def work(session: Session) -> None:
        value = given
        if value is None:
            value = (await by_papers(session, exporter, debtor, invoice, issued, fiscal, document)).value
        await _decide(session, ReleaseFingerprint(identifier, value, reason))

    in_session(options, work)


@govern_app.command(
    "schedule-upgrade",
    epilog="Example: pledgebook govern schedule-upgrade --network ./net --height 90000 --rules-version 2",
)
@opt.submits("govern", acting=ASSOCIATION)
def schedule_upgrade(
    options: opt.Options,
    height: Annotated[int, typer.Option(min=1, help="The last block of the present software.")],
    rules_version: Annotated[int, typer.Option(min=2, help="What the software after it knows.")],
) -> None:
    """As the association, have every node stop at a height until it runs other software."""
    operation = ScheduleUpgrade(height, rules_version)
    in_session(options, lambda session: _decide(session, operation))


def _proven(session: Session, member: str, path: Path) -> KeyEnrolment:
    return session.wallet(member).enrolment_of(key_at(path, may_create=True))


def _public_key(text: str) -> bytes:
    if len(text) == 2 * PUBLIC_KEY_BYTES and not Path(text).exists():
        return _hexadecimal(text, PUBLIC_KEY_BYTES)
    return read_key(Path(text), passphrase_from_environment()).public_key


def _hexadecimal(text: str, size: int) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError as error:
        raise InputError(f"{text!r} is not hexadecimal") from error
    if len(value) != size:
        raise InputError(f"{text!r} has {len(value)} bytes, and {size} are needed")
    return value


def _read_policy(file: Path) -> Policy:
    try:
        return policy_from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, MalformedEntry) as error:
        raise InputError(f"{file}: {error}") from error


def _evidence_kind(text: str) -> EvidenceKind:
    try:
        return EvidenceKind[text.upper()]
    except KeyError as error:
        known = ", ".join(kind.name.lower() for kind in EvidenceKind)
        raise InputError(f"--accredited {text!r}: choose one of {known}") from error
