"""The genesis document: one meaning, one document, and a named field for everything that is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from registry.errors import GenesisInvalid
from registry.genesis import parse_genesis
from registry.limits import CERTIFICATE_DER_BYTES_MAX, GENESIS_BYTES_MAX, VALIDATORS_MAX
from registry.member import MemberStatus
from registry.nodes import Voter, validators_hash
from registry.operations.governance import Role
from registry.policy import ConfirmationPolicy, Policy, RelatedPartyPolicy
from registry.signing import Tag, digest
from registry.state import MemoryState, WorkingState
from registry.stored import Governance, Namespace
from registry.transition import genesis_state
from tests.registry.consortium import (
    ASSOCIATION,
    ASSOCIATION_KEYS,
    EPOCH,
    EXPORTER,
    FACTOR_1,
    OPEN_POLICY,
    genesis_document,
    genesis_members,
    genesis_nodes,
    key_of,
    member_id_of,
)

DOCUMENT = genesis_document()


def written(fields: object) -> bytes:
    return (json.dumps(fields, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    fields = json.loads(DOCUMENT)
    change(fields)
    return written(fields)


def test_a_document_reads_back_and_has_one_hash() -> None:
    genesis = parse_genesis(DOCUMENT)
    assert genesis.members == genesis_members()
    assert genesis.nodes == genesis_nodes()
    assert genesis.policy == OPEN_POLICY
    assert genesis.chain_id == digest(Tag.GENESIS, DOCUMENT)
    assert [node.node_id for node in genesis.validators()] == [
        "association",
        "exporter-1",
        "factor-1",
        "factor-2",
    ]
    assert genesis.node("observer") == genesis_nodes()[4]
    assert genesis.node("nobody") is None


def test_a_name_in_any_script_is_kept() -> None:
    document = genesis_document(name="上海保理协会")
    assert "上海保理协会" in document.decode()
    assert parse_genesis(document).name == "上海保理协会"


def test_the_validators_hash_depends_on_names_keys_and_powers_and_not_on_order() -> None:
    both = (Voter("a", b"k" * 32, 1), Voter("b", b"l" * 32, 2))
    assert validators_hash(both) == validators_hash(both[::-1])
    others = (
        (Voter("c", b"k" * 32, 1), both[1]),
        (Voter("a", b"m" * 32, 1), both[1]),
        (Voter("a", b"k" * 32, 2), both[1]),
        both[:1],
    )
    assert len({validators_hash(both), *map(validators_hash, others)}) == 5
    genesis = parse_genesis(DOCUMENT)
    assert genesis.validators_hash() == validators_hash(
        tuple(Voter(node.node_id, node.consensus_key, 1) for node in genesis_nodes()[:4])
    )


def test_the_state_holds_what_the_document_says() -> None:
    genesis = parse_genesis(DOCUMENT)
    reader = MemoryState()
    reader.apply(genesis_state(genesis).delta)
    state = WorkingState(reader)
    assert state.policy() == OPEN_POLICY
    assert state.governance() == Governance(2, EPOCH, (ASSOCIATION,))
    for member in genesis.members:
        assert state.member(member.member_id) == member
        for key in member.keys:
            assert state.get(Namespace.KEY_OWNER, key.public_key) == member.member_id


_OTHER_SPELLINGS: list[tuple[str, bytes]] = [
    ("no newline at the end", DOCUMENT[:-1]),
    ("two newlines", DOCUMENT + b"\n"),
    ("a byte order mark", b"\xef\xbb\xbf" + DOCUMENT),
    ("no indent", json.dumps(json.loads(DOCUMENT), sort_keys=True).encode() + b"\n"),
    ("keys unsorted", json.dumps(json.loads(DOCUMENT), indent=2).replace("{", '{\n  "format": 1,', 1).encode()),
    ("a key twice", DOCUMENT.replace(b'  "format": 1,\n', b'  "format": 1,\n  "format": 1,\n')),
    ("windows line ends", DOCUMENT.replace(b"\n", b"\r\n")),
    ("an escaped letter", DOCUMENT.replace(b"Test", b"\\u0054est")),
    ("capital hexadecimal", DOCUMENT.replace(key_of(EXPORTER).public_key.hex().encode(), key_of(EXPORTER).public_key.hex().upper().encode())),
    ("hexadecimal with spaces", DOCUMENT.replace(key_of(EXPORTER).public_key.hex().encode(), key_of(EXPORTER).public_key.hex(" ").encode())),
    ("1 as 1.0", DOCUMENT.replace(b'"format": 1', b'"format": 1.0')),
    ("1 as 1e0", DOCUMENT.replace(b'"format": 1', b'"format": 1e0')),
    ("roles in another order", changed(lambda d: next(m for m in d["members"] if len(m["roles"]) > 1)["roles"].reverse())),
    ("base64 with a line end", changed(lambda d: d["nodes"][0].update(tls_certificate=d["nodes"][0]["tls_certificate"] + "\n"))),
]  # fmt: skip


@pytest.mark.parametrize("document", [pytest.param(d, id=name) for name, d in _OTHER_SPELLINGS])
def test_another_spelling_is_refused(document: bytes) -> None:
    assert document != DOCUMENT
    with pytest.raises(GenesisInvalid):
        parse_genesis(document)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\n",
        b"null\n",
        b"[]\n",
        b"7\n",
        b'"text"\n',
        b"{}\n",
        b"\xff\n",
        b"{",
        b"NaN\n",
        b"[" * 100_000,
        b"1" * 10_000 + b"\n",
        b" " * (GENESIS_BYTES_MAX + 1),
    ],
    ids=lambda document: repr(document[:10]),
)
def test_what_is_no_document_is_refused(document: bytes) -> None:
    with pytest.raises(GenesisInvalid):
        parse_genesis(document)


_WEAK_KEY = (b"\1" + bytes(31)).hex()
_WRONG: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    ("a field too many", lambda d: d.update(extra=1), "extra"),
    ("a field missing", lambda d: d.pop("name"), "name"),
    ("another format", lambda d: d.update(format=2), "format"),
    ("a true format", lambda d: d.update(format=True), "format"),
    ("an empty name", lambda d: d.update(name=""), "name"),
    ("a long name", lambda d: d.update(name="x" * 101), "name"),
    ("a name that is a number", lambda d: d.update(name=1), "name"),
    ("a name with a line end", lambda d: d.update(name="a\nb"), "name"),
    ("a negative time", lambda d: d.update(time_ms=-1), "time_ms"),
    ("a time in text", lambda d: d.update(time_ms="1"), "time_ms"),
    ("a time beyond bounds", lambda d: d.update(time_ms=2**63), "time_ms"),
    ("no threshold", lambda d: d.update(governance_threshold=0), "governance_threshold"),
    ("a threshold above the seats", lambda d: d.update(governance_threshold=4), "fewer governance keys"),
    ("an epoch beyond bounds", lambda d: d.update(fingerprint_epoch=2**32), "fingerprint_epoch"),
    ("nodes in a map", lambda d: d.update(nodes={}), "nodes"),
    ("nodes in text", lambda d: d.update(nodes="nodes"), "nodes"),
    ("no nodes", lambda d: d.update(nodes=[]), "validators"),
    ("a node of null", lambda d: d["nodes"].append(None), r"nodes\[5\]"),
    ("members of null", lambda d: d.update(members=None), "members"),
    ("observers only", lambda d: [node.update(power=0) for node in d["nodes"]], "validators"),
    ("a negative power", lambda d: d["nodes"][0].update(power=-1), r"nodes\[0\]\.power"),
    ("a true power", lambda d: d["nodes"][0].update(power=True), r"nodes\[0\]\.power"),
    ("a power beyond bounds", lambda d: d["nodes"][0].update(power=2**32 + 1), r"nodes\[0\]\.power"),
    ("nodes unsorted", lambda d: d["nodes"].reverse(), "sorted by node_id"),
    ("a node twice", lambda d: d["nodes"].insert(0, d["nodes"][0]), "sorted by node_id"),
    ("a capital node id", lambda d: d["nodes"][0].update(node_id="Association"), "node_id"),
    ("a path as node id", lambda d: d["nodes"][0].update(node_id="../x"), "node_id"),
    ("a node of a stranger", lambda d: d["nodes"][0].update(member_id=member_id_of("stranger")), "unknown member"),
    ("a node of nobody", lambda d: d["nodes"][0].update(member_id=7), r"nodes\[0\]\.member_id"),
    ("a certificate that is no base64", lambda d: d["nodes"][0].update(tls_certificate="%"), "base64"),
    ("a certificate in letters", lambda d: d["nodes"][0].update(tls_certificate="é"), "base64"),
    ("no certificate", lambda d: d["nodes"][0].update(tls_certificate=""), "tls_certificate"),
    ("a certificate of null", lambda d: d["nodes"][0].update(tls_certificate=None), "tls_certificate"),
    ("a long certificate", lambda d: d["nodes"][0].update(tls_certificate="AAAA" * (CERTIFICATE_DER_BYTES_MAX // 3 + 1)), "tls_certificate"),
    ("a weak consensus key", lambda d: d["nodes"][0].update(consensus_key=_WEAK_KEY), "public key"),
    ("a short consensus key", lambda d: d["nodes"][0].update(consensus_key="00"), r"consensus_key: has 1 bytes"),
    ("a consensus key of letters", lambda d: d["nodes"][0].update(consensus_key="xy" * 32), "hexadecimal"),
    ("a consensus key of null", lambda d: d["nodes"][0].update(consensus_key=None), "consensus_key"),
    ("a consensus key twice", lambda d: d["nodes"][0].update(consensus_key=d["nodes"][1]["consensus_key"]), "used twice"),
    ("a member's key as consensus key", lambda d: d["nodes"][0].update(consensus_key=d["members"][0]["keys"][0]), "used twice"),
    ("members unsorted", lambda d: d["members"].reverse(), "sorted by id"),
    ("a member twice", lambda d: d["members"].insert(0, d["members"][0]), "sorted by id"),
    ("a wrong check digit", lambda d: d["members"][0].update(member_id="uscc:91310000000000000A"), "USCC"),
    ("a member of a number", lambda d: d["members"][0].update(member_id=1), r"members\[0\]\.member_id"),
    ("an unknown role", lambda d: d["members"][0].update(roles=["king"]), "king"),
    ("a capital role", lambda d: d["members"][0].update(roles=["FACTOR"]), "FACTOR"),
    ("a role of a number", lambda d: d["members"][0].update(roles=[2]), "roles"),
    ("no role", lambda d: d["members"][0].update(roles=[]), "roles"),
    ("a role twice", lambda d: d["members"][0].update(roles=["factor", "factor"]), "roles"),
    ("roles in text", lambda d: d["members"][0].update(roles="factor"), "roles"),
    ("an unknown numbering", lambda d: d["members"][0].update(numbering="monthly"), "numbering"),
    ("a numbering of null", lambda d: d["members"][0].update(numbering=None), "numbering"),
    ("a short debtor reference", lambda d: d["members"][0].update(debtor_reference="00"), "debtor_reference"),
    ("an empty debtor reference", lambda d: d["members"][0].update(debtor_reference=""), "debtor_reference"),
    ("a debtor reference of a number", lambda d: d["members"][0].update(debtor_reference=1), "debtor_reference"),
    ("no keys", lambda d: d["members"][0].update(keys=[]), "keys"),
    ("too many keys", lambda d: d["members"][0].update(keys=[key_of(f"k{n}").public_key.hex() for n in range(9)]), "keys"),
    ("a key of null", lambda d: d["members"][0].update(keys=[None]), "keys"),
    ("a weak key", lambda d: d["members"][0].update(keys=[_WEAK_KEY]), "public key"),
    ("a key twice", lambda d: d["members"][0].update(keys=d["members"][0]["keys"] * 2), "used twice"),
    ("another member's key", lambda d: d["members"][0].update(keys=d["members"][1]["keys"]), "used twice"),
    ("a policy of null", lambda d: d.update(policy=None), "policy"),
    ("a policy with a field too many", lambda d: d["policy"].update(extra=1), "extra"),
    ("a policy with text for a truth", lambda d: d["policy"].update(dispose_past_due="no"), "dispose_past_due"),
    ("a policy with 0 for false", lambda d: d["policy"].update(dispose_past_due=0), "dispose_past_due"),
    ("a policy with 1 for true", lambda d: d["policy"].update(require_delivery_evidence=1), "require_delivery"),
    ("a policy with an unknown word", lambda d: d["policy"].update(require_confirmation="some"), "require_confirmation"),
    ("a policy without tenor", lambda d: d["policy"].update(tenor_max_days=0), "tenor_max_days"),
    ("a policy with a true tenor", lambda d: d["policy"].update(tenor_max_days=True), "tenor_max_days"),
    ("a policy without currencies", lambda d: d["policy"].update(currencies=[]), "currencies"),
    ("a policy with a long currency", lambda d: d["policy"].update(currencies=["EURO"]), "currencies"),
    ("a policy with unsorted currencies", lambda d: d["policy"].update(currencies=["USD", "EUR"]), "currencies"),
    ("a policy without a word on related parties", lambda d: d["policy"].update(related_party=None), "related_party"),
    ("a policy with a limit of 0", lambda d: d["policy"].update(single_debtor_max_percent=0), "single_debtor"),
    ("a policy with a limit of 101", lambda d: d["policy"].update(related_debtors_max_percent=101), "related_debtors"),
    ("a policy with a true limit", lambda d: d["policy"].update(operations_per_day_max=True), "operations_per_day"),
    ("a policy with too many hops", lambda d: d["policy"].update(cycle_hops_max=7), "cycle_hops"),
    ("a policy with offers of no time", lambda d: d["policy"].update(offer_max_hours=0), "offer_max_hours"),
    ("a policy with currencies of null", lambda d: d["policy"].update(currencies=None), "currencies"),
    ("a policy with a currency of null", lambda d: d["policy"].update(currencies=[None]), "currencies"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "named"), [pytest.param(change, named, id=name) for name, change, named in _WRONG]
)
def test_a_wrong_field_is_refused_and_named(change: Callable[[dict[str, Any]], object], named: str) -> None:
    with pytest.raises(GenesisInvalid, match=named):
        parse_genesis(changed(change))


def test_the_threshold_may_be_all_seats() -> None:
    assert parse_genesis(genesis_document(governance_threshold=3)).governance_threshold == 3


def test_the_number_of_validators_is_bounded() -> None:
    template = genesis_nodes()[0]

    def nodes(count: int) -> list[Any]:
        return [
            replace(template, node_id=f"n{n:03d}", consensus_key=key_of(f"node {n}").public_key)
            for n in range(count)
        ]

    parse_genesis(genesis_document(nodes=tuple(nodes(VALIDATORS_MAX))))
    with pytest.raises(GenesisInvalid, match="validators"):
        genesis_document(nodes=tuple(nodes(VALIDATORS_MAX + 1)))
    with pytest.raises(GenesisInvalid, match="at most 200"):
        genesis_document(nodes=tuple(replace(node, power=0) for node in nodes(201)))


def test_what_cannot_be_read_again_is_not_written() -> None:
    members = genesis_members()
    wrongs: list[dict[str, Any]] = [
        {"name": ""},
        {"time_ms": -1},
        {"governance_threshold": 4},
        {"nodes": genesis_nodes()[::-1]},
        {"members": members[::-1]},
        {"members": tuple(replace(member, status=MemberStatus.SUSPENDED) for member in members)},
        {
            "members": tuple(
                replace(m, keys=tuple(replace(k, from_height=1) for k in m.keys)) for m in members
            )
        },
    ]
    for wrong in wrongs:
        with pytest.raises(GenesisInvalid):
            genesis_document(**wrong)


def test_association_keys_are_counted_over_all_its_members() -> None:
    """Two organisations may share the association's seats."""
    members = tuple(
        replace(member, roles=(Role.ASSOCIATION, *member.roles)) if member.member_id == FACTOR_1 else member
        for member in genesis_members()
    )
    seats = len(ASSOCIATION_KEYS) + 1
    document = genesis_document(members=members, governance_threshold=seats)
    assert parse_genesis(document).governance_threshold == seats
    with pytest.raises(GenesisInvalid, match="fewer governance keys"):
        genesis_document(members=members, governance_threshold=seats + 1)


def test_every_word_of_a_policy_makes_another_hash() -> None:
    variants = [
        OPEN_POLICY,
        replace(OPEN_POLICY, require_confirmation=ConfirmationPolicy.BOTH),
        replace(OPEN_POLICY, require_delivery_evidence=True),
        replace(OPEN_POLICY, tenor_max_days=180),
        replace(OPEN_POLICY, dispose_past_due=True),
        replace(OPEN_POLICY, currencies=("USD",)),
        replace(OPEN_POLICY, offer_max_hours=1),
        replace(OPEN_POLICY, cooling_off_hours=0),
        replace(OPEN_POLICY, objection_days=1),
        replace(OPEN_POLICY, tacit_days=1),
        replace(OPEN_POLICY, grace_days=5),
        replace(OPEN_POLICY, related_party=RelatedPartyPolicy.FLAG),
        replace(OPEN_POLICY, single_debtor_max_percent=50),
        replace(OPEN_POLICY, related_debtors_max_percent=40),
        replace(OPEN_POLICY, operations_per_day_max=1_000),
        replace(OPEN_POLICY, cycle_hops_max=0),
        replace(OPEN_POLICY, cycle_days=1),
        replace(OPEN_POLICY, change_delay_blocks=10),
        replace(OPEN_POLICY, whitelisted_factors_only=True),
    ]
    assert len(variants) == len(fields(Policy)) + 1
    assert len({policy.hash() for policy in variants}) == len(variants)
    for policy in variants:
        assert parse_genesis(genesis_document(policy)).policy == policy
