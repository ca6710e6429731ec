"""`pledgebook commitment new`, `check`: what stands on the chain for a text that does not, and how it is opened later.

Accounts, claims, decisions, policies and register numbers are on the chain as salted commitments. Who makes one keeps text
and salt in a file of its own and shows that file to whoever may know; nothing here reads or writes the network's folder.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from registry.operations.existence import EvidenceKind

from ..errors import InputError
from ..keys import write_secret
from ..papers import SALT_BYTES, commitment
from . import output
from .arrears import commitment_of

TEXT_BYTES_MAX = 100_000  # a judgment in full; the file is read whole
KeptFile = Annotated[
    Path, typer.Argument(metavar="FILE", dir_okay=False, help="As `commitment new` wrote it.")
]

commitments_app = typer.Typer(
    no_args_is_help=True, help="Salted commitments to texts that are not on the chain: make them, open them."
)


@commitments_app.command(
    "new", epilog='Example: pledgebook commitment new "the goods were never shipped" --keep claim.json'
)
def new(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="What is committed to, such as an account or a claim.")
    ],
    keep: Annotated[
        Path,
        typer.Option(
            "--keep", metavar="FILE", dir_okay=False, help="Where text and salt are kept; a new file."
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Print a commitment, as other commands take it, and keep text and salt: without them nobody can open it."""
    if not 0 < len(text.encode()) <= TEXT_BYTES_MAX:
        raise InputError(f"TEXT: {len(text.encode())} bytes; 1 to {TEXT_BYTES_MAX} are possible")
    salt = os.urandom(SALT_BYTES)
    made = _over(salt, text)
    document = {"commitment": made, "salt": salt.hex(), "text": text}
    write_secret(keep, (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
    if as_json:
        output.print_json({"commitment": made, "file": str(keep)})
    else:
        typer.echo(made)


@commitments_app.command("check", epilog=f"Example: pledgebook commitment check claim.json {'5e' * 32}")
def check(
    file: KeptFile,
    expected: Annotated[str, typer.Argument(metavar="HEX", help="The commitment that stands on the chain.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Whether a kept text is what the chain has a commitment to; exit code 1 when it is not."""
    wanted = commitment_of("HEX", expected).hex()
    text, salt = _read(file)
    is_it = _over(salt, text) == wanted
    if as_json:
        output.print_json({"opens": is_it, "text": text})
    else:
        typer.echo(f"{'It is this text' if is_it else 'It is NOT this text'}: {text}")
    if not is_it:
        raise typer.Exit(output.ExitCode.REFUSED)


def _over(salt: bytes, text: str) -> str:
    return commitment(EvidenceKind.OTHER, salt, text.encode()).hex()


def _read(file: Path) -> tuple[str, bytes]:
    try:
        if file.stat().st_size > 8 * TEXT_BYTES_MAX:
            raise InputError(f"{file}: too large to be a kept commitment")
        document = json.loads(file.read_bytes())
        text, salt = document["text"], bytes.fromhex(document["salt"])
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{file}: not a file that `pledgebook commitment new` wrote") from error
    if not isinstance(text, str) or len(salt) != SALT_BYTES:
        raise InputError(f"{file}: not a file that `pledgebook commitment new` wrote")
    return text, salt
