"""`pledgebook govern nodes` and `change-validators`: who the nodes are, who votes, and with what weight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from registry.admission_document import DOCUMENT_BYTES_MAX, AdmissionRequest, decode_admission
from registry.errors import BadSignature, MalformedEntry
from registry.limits import POWER_MAX
from registry.nodes import NetworkNode, NodeSet
from registry.operations.validators import ChangeValidators, NodeAdmission
from registry.rules.validators import quorum_of_present

from ..errors import DirectoryError, InputError
from ..submission import Draft
from . import options as opt
from . import output
from .session import ASSOCIATION, Options, Session, in_session

ANSWER_S = 3.0


def show_nodes(
    network: opt.Network,
    acting: opt.Asker = None,
    node: opt.FirstNode = None,
    timeout_s: opt.Timeout = 20.0,
    as_json: opt.AsJson = False,
) -> None:
    """Show who the nodes are by the latest decision. The proof is checked, and their certificates are kept for later commands."""

    async def work(session: Session) -> None:
        _show(await session.nodes(), as_json=as_json)

    in_session(Options(network, acting, node, timeout_s, as_json, "govern"), work)


@opt.submits("govern", acting=ASSOCIATION)
def change_validators(
    options: opt.Options,
    admit: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="A node's request (`pledgebook node request`): it is added, or gets the key and certificate that it states.",
        ),
    ] = None,
    power: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE=POWER", help="Another weight; 0 takes the vote away and lets it follow."),
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="NODE", help="It is no node of the network any more.")
    ] = None,
    force: Annotated[
        bool, typer.Option(help="Also when those who are up now would be no quorum afterwards.")
    ] = False,
) -> None:
    """As the association, decide who the nodes are and who votes, from the block after the next one on.

    All that is not named stays as it is, proven before it is signed. The members of admitted nodes sign too.
    """
    requests = [_read_request(path) for path in admit or ()]
    powers = dict(_weight(text) for text in power or ())

    async def work(session: Session) -> None:
        present = await session.nodes()
        operation = _operation(session, present, requests, powers, frozenset(remove or ()), force=force)
        if not force:
            await _check_presence(session, present, operation)
        members = dict.fromkeys(request.node.member for request in requests)
        wallets = [session.wallet(ASSOCIATION)]
        wallets += [wallet for wallet in map(session.wallet, members) if wallet is not wallets[0]]
        await session.perform(Draft((operation,), tuple(wallets)))

    in_session(options, work)


def _read_request(path: Path) -> AdmissionRequest:
    try:
        with path.open("rb") as file:
            return decode_admission(file.read(DOCUMENT_BYTES_MAX + 1))
    except OSError as error:
        raise DirectoryError(f"cannot read {path}: {error.strerror}") from error
    except (MalformedEntry, BadSignature) as error:
        raise InputError(f"{path}: {error.message}") from error


def _weight(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    if not name or not number.isascii() or not number.isdecimal() or int(number) > POWER_MAX:
        raise InputError(f"--power {text!r}: write NODE=POWER, such as factor-2=1")
    return name, int(number)


def _operation(
    session: Session,
    present: NodeSet,
    requests: list[AdmissionRequest],
    powers: dict[str, int],
    removed: frozenset[str],
    *,
    force: bool,
) -> ChangeValidators:
    """The whole new set, from the present one and what is to be different."""
    nodes = {node.node_id: node for node in present.nodes}
    for request in requests:
        if request.chain_id != session.genesis.chain_id:
            raise InputError(f"the request of {request.node.node_id} is for another chain")
        nodes[request.node.node_id] = request.node
    unknown = sorted((powers.keys() | removed) - nodes.keys())
    if unknown:
        raise InputError(f"{unknown[0]!r} is no node; there are {', '.join(sorted(nodes))}")
    nodes |= {name: replace(nodes[name], power=weight) for name, weight in powers.items()}
    admitted = {
        request.node.node_id: NodeAdmission(request.node.node_id, request.possession) for request in requests
    }
    return ChangeValidators(
        nodes=tuple(nodes[name] for name in sorted(nodes) if name not in removed),
        admitted=tuple(admitted[name] for name in sorted(admitted) if name not in removed),
        forced=force,
    )


async def _check_presence(session: Session, present: NodeSet, operation: ChangeValidators) -> None:
    """Ask who is up, which the ledger cannot know: a set of which too few answer would decide nothing more."""
    answering = await session.client.answering(timeout_s=ANSWER_S)
    silent = set(session.client.node_ids) - answering
    voting = tuple(node for node in operation.nodes if node.power)
    up, _ = quorum_of_present(tuple(node for node in voting if node.node_id not in silent), present)
    total = sum(node.power for node in voting)
    missed = sorted(node.node_id for node in voting if node.node_id in silent)
    if missed and 3 * up <= 2 * total:
        raise InputError(
            f"{', '.join(missed)} do not answer: those who vote and are up would have {up} of a power of {total}, which is no "
            "quorum, and nothing could be decided any more; start them first, or say --force"
        )


def _show(nodes: NodeSet, *, as_json: bool) -> None:
    listed: list[dict[str, Any]] = [_facts(node) for node in nodes.nodes]
    if as_json:
        output.print_json({"from_height": nodes.from_height, "nodes": listed})
        return
    voting = len(nodes.validators())
    output.print_facts(
        f"Nodes from height {nodes.from_height} on, of which {voting} vote",
        {
            node.node_id: f"power {node.power}, {node.member}, key {node.consensus_key.hex()[:16]}"
            for node in nodes.nodes
        },
    )


def _facts(node: NetworkNode) -> dict[str, Any]:
    return {
        "node_id": node.node_id,
        "member_id": node.member,
        "power": node.power,
        "consensus_key": node.consensus_key.hex(),
    }
