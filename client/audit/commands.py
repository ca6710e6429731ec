"""`pledgebook audit` and `pledgebook export`: the two ends of an export file, for the command line."""

from __future__ import annotations

import asyncio
import json
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, Never

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from registry.errors import RegistryError
from registry.limits import GENESIS_BYTES_MAX

from ..connection import Identity
from ..directory import Directory, read_directory
from ..errors import ClientError, DirectoryError, InputError
from ..keys import KEY_ENVIRONMENT_VARIABLE, read_key
from ..registry_client import RegistryClient
from ..trust import Checkpoint, parse_checkpoint, read_known_nodes
from .audit import AuditRequest, run_audit
from .export import export_chain
from .findings import Exit
from .report import AuditReport
from .summary import render
from .workers import WorkerDied

READER_ROLES: Final = ("auditor", "association", "court")
SMALL_FILE_BYTES: Final = 1 << 20


def audit(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The export, as `pledgebook export` writes it.")
    ],
    genesis: Annotated[
        Path | None, typer.Option(metavar="G", help="The genesis document, obtained from people you trust.")
    ] = None,
    head: Annotated[
        str | None,
        typer.Option(metavar="HEIGHT:HASH", help="The head that the file must reach, obtained elsewhere."),
    ] = None,
    json_out: Annotated[
        Path | None,
        typer.Option("--json", metavar="OUT", help="Write the report as JSON; - for standard output."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=64,
            help="Worker processes; 0: none. Default: one for each core, none for a small file.",
        ),
    ] = None,
) -> None:
    """Check an exported chain against the genesis document, offline, without believing anything in the file.

    Exit codes: 0 complete, 1 integrity, authority or rule failure, 2 usage, 3 valid but short of the expected head or none given,
    4 no anchor or another one, 5 fork, 6 malformed or over a limit, 7 unsupported version, 70 internal error.
    """
    request = AuditRequest(
        file=file,
        genesis=None if genesis is None else _read_genesis(genesis),
        expected_head=_expected_head(head),
        workers=suitable_workers(file) if workers is None else workers,
    )
    if not file.is_file():
        _fail(f"{file} is not a file", Exit.USAGE)
    report = _run(request)
    if json_out is not None:
        _write_json(json_out, json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n")
    if json_out is None or str(json_out) != "-":
        Console().print(render(report))
    raise typer.Exit(int(report.exit))


def _run(request: AuditRequest) -> AuditReport:
    try:
        with bar("auditing", DownloadColumn()) as moved:
            return run_audit(request, moved)
    except OSError as error:
        _fail(f"cannot read {request.file}: {error.strerror}", Exit.USAGE)
    except WorkerDied as error:
        _fail(f"internal error, nothing is said about the file: {error}", Exit.INTERNAL)
    except Exception as error:  # noqa: BLE001  # the root: Python's own exit code 1 would accuse the file of our bug
        traceback.print_exception(error)
        _fail(f"internal error, nothing is said about the file: {error!r}", Exit.INTERNAL)


def export(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The file to write.")],
    network: Annotated[
        Path, typer.Option(metavar="DIR", envvar="PLEDGEBOOK_NETWORK", help="The network's folder.")
    ],
    member: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="MEMBER", help="As whom to ask: an auditor, the association, or a court."
        ),
    ] = None,
    node: Annotated[str | None, typer.Option(help="The node to ask; default: any.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Write the whole chain to a file, verifying each certificate on the way, and print its head as HEIGHT:HASH."""
    try:
        head = asyncio.run(_export(out, read_directory(network), member, node))
    except OSError as error:
        _fail(f"cannot write {out}: {error.strerror}", Exit.FAILED)
    except InputError as error:
        _fail(str(error), Exit.USAGE)
    except (ClientError, RegistryError) as error:
        _fail(str(error), Exit.FAILED)
    if as_json:
        fields = {
            "file": str(out),
            "head": str(head),
            "height": head.height,
            "block_hash": head.block_hash.hex(),
        }
        typer.echo(json.dumps(fields))
    else:
        typer.echo(str(head))


async def _export(out: Path, directory: Directory, member: str | None, node: str | None) -> Checkpoint:
    genesis, nodes = directory.genesis(), read_known_nodes(directory.nodes_path)
    known = {each.node_id for each in (*genesis.nodes, *nodes)}
    addresses = {name: each.api for name, each in directory.nodes.items() if name in known}
    if node is not None:
        addresses = {node: directory.node(node).api}
    # A network that stands still can be exported too, and the head that is printed says how far it goes.
    identity = _identity(directory, member)
    async with RegistryClient(genesis, addresses, identity, known_nodes=nodes, age_ms_max=None) as client:
        head = (await client.head()).checkpoint
        with bar("exporting", MofNCompleteColumn()) as moved:
            blocks = client.blocks(1, head.height)
            return await export_chain(
                out, client.chain, blocks, head, lambda height: moved(height, head.height)
            )


def _identity(directory: Directory, name: str | None) -> Identity:
    if name is not None:
        files = directory.member(name)
    else:
        found = (directory.member_with_role(role) for role in READER_ROLES)
        chosen = next((each for each in found if each is not None), None)
        if chosen is None:
            raise DirectoryError(
                "no key of an auditor, the association or a court is here; name a member with --as"
            )
        files = chosen
    if not files.keys:
        raise DirectoryError(f"the keys of {files.name} are not in {directory.folder}")
    return Identity(files.member_id, read_key(files.keys[0], os.environ.get(KEY_ENVIRONMENT_VARIABLE)))


def _expected_head(text: str | None) -> Checkpoint | None:
    try:
        return None if text is None else parse_checkpoint(text)
    except InputError as error:
        _fail(f"--head: {error}", Exit.USAGE)


def _read_genesis(path: Path) -> bytes | None:
    """The document's bytes; None when there is no such file, which the audit reports as a missing anchor."""
    try:
        with path.open("rb") as file:
            return file.read(GENESIS_BYTES_MAX + 1)
    except FileNotFoundError:
        return None


def _write_json(path: Path, text: str) -> None:
    if str(path) == "-":
        typer.echo(text, nl=False)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        _fail(f"cannot write {path}: {error.strerror}", Exit.USAGE)


def suitable_workers(file: Path) -> int:
    """One worker for each core; none for a file that is audited before they would have started."""
    is_small = file.is_file() and file.stat().st_size < SMALL_FILE_BYTES
    return 0 if is_small else max(1, len(os.sched_getaffinity(0)))


@contextmanager
def bar(label: str, *columns: ProgressColumn) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error where that is a terminal; what is yielded takes how much is done and how much there is."""
    console = Console(stderr=True)
    layout = (TextColumn(label), BarColumn(), *columns, TimeRemainingColumn())
    with Progress(*layout, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _fail(message: str, code: Exit) -> Never:
    typer.echo(f"pledgebook: {message}", err=True)
    raise typer.Exit(int(code))
