"""`pledgebook keys`, `enrol`: signing keys, and who belongs to the consortium."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from registry.errors import Code
from registry.fingerprints import Numbering
from registry.identifiers import BadIdentifier, parse_member_id
from registry.operations.existence import EvidenceKind
from registry.operations.governance import EnterpriseClass, Role

from ..directory import read_directory
from ..enrolment import NewMember, prepare_enrolment
from ..errors import DirectoryError, InputError
from ..keys import KEY_ENVIRONMENT_VARIABLE, create_key, passphrase_from_environment, read_key
from ..submission import Draft
from . import options as opt
from . import output
from .existence import choice_of
from .session import Session, in_session

keys_app = typer.Typer(
    help="Make and look at signing keys, and choose which one signs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

KeyFile = Annotated[
    Path, typer.Argument(metavar="FILE", dir_okay=False, help="The PKCS#8 PEM file of the key.")
]


@keys_app.command("new", epilog="Example: pledgebook keys new ./my-key.pem")
def new_key(file: KeyFile, as_json: opt.AsJson = False) -> None:
    """Make a key in a new file of mode 0600. Set PLEDGEBOOK_KEY_PASSPHRASE to protect it with a passphrase."""
    passphrase = passphrase_from_environment()
    key = create_key(file, passphrase)
    _show_key(file, key.public_key, protected=passphrase is not None, as_json=as_json)


@keys_app.command("show", epilog="Example: pledgebook keys show ./my-key.pem")
def show_key(file: KeyFile, as_json: opt.AsJson = False) -> None:
    """Show the public key of a key file."""
    key = read_key(file, passphrase_from_environment())
    _show_key(file, key.public_key, protected=None, as_json=as_json)


@keys_app.command("use", epilog="Example: pledgebook keys use factor-2 ./new.pem --network ./net")
def use_key(
    member: Annotated[str, typer.Argument(metavar="MEMBER", help="Its short name in the folder, or its id.")],
    file: KeyFile,
    network: opt.Network,
) -> None:
    """From now on sign for a member with this key in place of its first one: once a rotation that was drafted is committed."""
    public_key = read_key(file, passphrase_from_environment()).public_key
    read_directory(network).with_first_key(member, file.resolve())
    typer.echo(f"{member} signs with {file} ({public_key.hex()}) from now on")


def _show_key(file: Path, public_key: bytes, *, protected: bool | None, as_json: bool) -> None:
    if as_json:
        output.print_json({"file": str(file), "algorithm": "Ed25519", "public_key": public_key.hex()})
        return
    facts = {"file": str(file), "algorithm": "Ed25519", "public key": public_key.hex()}
    if protected is False:
        facts["passphrase"] = f"none; set {KEY_ENVIRONMENT_VARIABLE} before making a key to have one"
    output.print_facts("Signing key", facts)


@opt.submits("enrol", usually="association")
def enrol(
    options: opt.Options,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A short name for the member on this machine.")],
    member_id: Annotated[str, typer.Option(metavar="ID", help="lei:... or uscc:..., with its check digits.")],
    role: Annotated[
        list[str],
        typer.Option(help="exporter, factor, debtor, insurer, attester, auditor, court; may be repeated."),
    ],
    key: Annotated[
        list[Path] | None,
        typer.Option(dir_okay=False, help="An existing key file of the member; left out: a new one is made."),
    ] = None,
    accredit: Annotated[
        list[str] | None,
        typer.Option(
            help="What an attester may attest: invoice, contract, delivery, customs, tax, other; may be repeated."
        ),
    ] = None,
    yearly_numbers: Annotated[bool, typer.Option(help="Its invoice numbers restart each year.")] = False,
    enterprise_class: Annotated[
        str, typer.Option("--class", help="Its declared size: undeclared, large, medium, small, micro.")
    ] = "undeclared",
    whitelisted: Annotated[
        bool, typer.Option(help="It is on the supervisor's list of factors in good standing.")
    ] = False,
) -> None:
    """As the association, enrol a member and note where its keys lie."""
    try:
        identifier = parse_member_id(member_id)
    except BadIdentifier as error:
        raise InputError(f"--member-id: {error}") from error
    roles = tuple(sorted({role_of(text) for text in role}))
    kinds = tuple(choice_of(EvidenceKind, text) for text in accredit or ())
    numbering = Numbering.YEARLY if yearly_numbers else Numbering.CONTINUOUS
    size = class_of(enterprise_class)

    async def work(session: Session) -> None:
        directory = session.directory
        known = directory.find_member(name)
        if known is not None and known.member_id != identifier:
            raise DirectoryError(
                f"{name} is {known.member_id} in {directory.folder}: choose another short name"
            )
        enrolment = prepare_enrolment(
            directory,
            NewMember(name, identifier, roles, numbering, kinds, size, whitelisted),
            session.genesis.chain_id,
            session.fingerprint_key,
            tuple(path.resolve() for path in key or ()),
        )
        draft = Draft((enrolment.operation,), (session.wallet(session.acting.name),))
        receipt = await session.perform(draft)
        is_drafted = options.draft is not None and not options.dry_run
        if is_drafted or (receipt is not None and receipt.receipt.results[0].code is Code.OK):
            directory.with_members({name: enrolment.files})

    in_session(options, work)


def class_of(text: str) -> EnterpriseClass:
    """A declared size by its word. Raises InputError."""
    try:
        return EnterpriseClass[text.upper()]
    except KeyError as error:
        known = ", ".join(size.name.lower() for size in EnterpriseClass)
        raise InputError(f"--class {text!r}: choose one of {known}") from error


def role_of(text: str) -> Role:
    """A role by its word. Raises InputError."""
    try:
        return Role[text.upper()]
    except KeyError as error:
        known = ", ".join(role.name.lower() for role in Role)
        raise InputError(f"--role {text!r}: choose one of {known}") from error
