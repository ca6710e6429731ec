"""The model's rule of who votes: all nodes are stated anew, and those who vote already must be a quorum of the new ones."""

from __future__ import annotations

from registry.errors import BadSignature, Code
from registry.limits import VALIDATORS_MAX
from registry.nodes import NetworkNode, node_possession_message
from registry.operations.validators import ChangeValidators
from registry.signing import verify
from tests.registry.model.book import Book, Here, Judge, Refused

ANNOUNCED_BLOCKS = 2  # decided in h, announced in the header of h + 1, in force from h + 2


def change(book: Book, here: Here, op: ChangeValidators) -> bytes:
    if book.nodes_from > here.height:
        raise Refused(Code.CHANGE_PENDING, book.nodes_decided)
    if op.nodes == book.nodes:
        raise Refused(Code.ALREADY_IN_FORCE, book.nodes_decided)
    if any(node.member not in book.members for node in op.nodes):
        raise Refused(Code.UNKNOWN_MEMBER)
    known = {node.node_id: node for node in book.nodes}
    changed = [node for node in op.nodes if is_changed(known.get(node.node_id), node)]
    admitted = {each.node_id: each.possession for each in op.admitted}
    if {node.node_id for node in changed} - set(admitted):
        raise Refused(Code.MISSING_SIGNATURE)
    if set(admitted) - {node.node_id for node in changed}:
        raise Refused(Code.BAD_FORMAT)
    for node in changed:
        need_own_key(book, op, node, known.get(node.node_id))
        need_possession(book, node, admitted[node.node_id])
    need_quorum_kept(book, op)
    book.nodes, book.nodes_from = op.nodes, here.height + ANNOUNCED_BLOCKS
    book.nodes_decided = here.place(here.entry_id)
    for node in changed:
        book.key_owners[node.consensus_key] = node.member
    return b"chain"


def is_changed(old: NetworkNode | None, new: NetworkNode) -> bool:
    """Another power alone needs nobody's consent."""
    return old is None or (old.member, old.consensus_key, old.tls_certificate_der) != (
        new.member,
        new.consensus_key,
        new.tls_certificate_der,
    )


def need_own_key(book: Book, op: ChangeValidators, node: NetworkNode, old: NetworkNode | None) -> None:
    """Nobody's and never anybody's; and no certificate serves two nodes."""
    others = [each for each in op.nodes if each.node_id != node.node_id]
    kept = old is not None and old.consensus_key == node.consensus_key
    taken = node.consensus_key in {each.consensus_key for each in others}
    if taken or (node.consensus_key in book.key_owners and not kept):
        raise Refused(Code.KEY_IN_USE)
    if node.tls_certificate_der in {each.tls_certificate_der for each in others}:
        raise Refused(Code.KEY_IN_USE)


def need_possession(book: Book, node: NetworkNode, possession: bytes) -> None:
    try:
        verify(node.consensus_key, node_possession_message(book.chain_id, node), possession)
    except BadSignature:
        raise Refused(Code.BAD_SIGNATURE) from None


def need_quorum_kept(book: Book, op: ChangeValidators) -> None:
    voting = {(node.node_id, node.consensus_key) for node in book.nodes if node.power}
    powers = [node.power for node in op.nodes if node.power]
    if len(powers) > VALIDATORS_MAX:
        raise Refused(Code.LIMIT_REACHED)
    kept = sum(node.power for node in op.nodes if (node.node_id, node.consensus_key) in voting)
    if not powers or (3 * kept <= 2 * sum(powers) and not op.forced):
        raise Refused(Code.NO_QUORUM)


RULES: dict[type, Judge] = {ChangeValidators: change}
