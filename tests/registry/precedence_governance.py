"""Precedence: Governance: members and keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from registry import limits
from registry.block import RULES_VERSION
from registry.errors import Code
from registry.fingerprints import Numbering
from registry.member import FOREVER, MemberKey, MemberStatus, possession_message
from registry.nodes import NetworkNode
from registry.operations import ChangeMember, RevokeKey, RotateKey
from registry.operations.decisions import ReleaseFingerprint, ScheduleUpgrade, SetPolicy
from registry.operations.governance import EnrolMember, KeyEnrolment, Role
from registry.operations.relationships import DeclareRelationship, DeclareRiskAssets
from registry.operations.validators import ChangeValidators, NodeAdmission
from registry.receivable import Phase
from registry.relations import Control
from registry.stored import SINGLETON, Namespace
from tests.registry.consortium import (
    ASSOCIATION,
    ASSOCIATION_KEYS,
    DEBTOR,
    DEBTOR_REFERENCE,
    EXPORTER,
    FACTOR_1,
    FACTOR_2,
    FACTOR_3,
    FINGERPRINT_KEY,
    START_DAY,
    STRANGER,
    Consortium,
    key_of,
)
from tests.registry.governance_examples import admission, nodes_with
from tests.registry.precedence_base import (
    STRICT,
    case_of,
    consortium,
)
from tests.registry.precedence_case import (
    PLACE,
    POSITIVE,
    UNKNOWN,
    Break,
    Case,
    Order,
)


def _enrolment(**fields: Any) -> EnrolMember:
    made, _receivable = consortium()
    key = key_of(STRANGER)
    possession = key.sign(possession_message(made.genesis.chain_id, STRANGER, key.public_key))
    return EnrolMember(
        STRANGER,
        (Role.FACTOR,),
        made.genesis.members[0].numbering,
        FINGERPRINT_KEY.debtor(STRANGER),
        (KeyEnrolment(key.public_key, possession),),
        **fields,
    )


ENROL = Order(
    "EnrolMember",
    "",
    case_of(lambda _made, _receivable: _enrolment()),
    (
        Break("the identifier is right", Code.BAD_IDENTIFIER, lambda case: case.change(member="lei:1")),
        Break("it is no member", Code.ALREADY_ENROLLED, lambda case: case.change(member=EXPORTER)),
        Break(
            "it has a reference, where its roles need one",
            Code.BAD_IDENTIFIER,
            lambda case: case.change(debtor_reference=None),
        ),
        Break(
            "the reference is nobody else's",
            Code.IDENTIFIER_IN_USE,
            lambda case: case.change(debtor_reference=DEBTOR_REFERENCE),
        ),
        Break(
            "its keys are nobody's",
            Code.KEY_IN_USE,
            lambda case: case.put(Namespace.KEY_OWNER, key_of(STRANGER).public_key, EXPORTER),
        ),
        Break(
            "possession is proven",
            Code.BAD_SIGNATURE,
            lambda case: case.change(keys=(replace(case.operation.keys[0], possession=bytes(64)),)),
        ),
    ),
)


def _possessed(name: str, member_id: str) -> KeyEnrolment:
    made, _receivable = consortium()
    key = key_of(name)
    message = possession_message(made.genesis.chain_id, member_id, key.public_key)
    return KeyEnrolment(key.public_key, key.sign(message))


def _changing(_made: Consortium, _receivable: bytes) -> Any:
    return ChangeMember(
        EXPORTER,
        (Role.EXPORTER, Role.AUDITOR),
        MemberStatus.ACTIVE,
        Numbering.CONTINUOUS,
        (),
        (_possessed("a further key", EXPORTER),),
        with_consent=True,
    )


def _full_of_keys(case: Case) -> None:
    keys = (MemberKey(bytes([n]) * 32, 0, FOREVER) for n in range(limits.KEYS_PER_MEMBER_MAX))
    case.member(EXPORTER, keys=tuple(keys))


def _expelled(member_id: str) -> Callable[[Case], None]:
    return lambda case: case.member(member_id, status=MemberStatus.EXPELLED)


IS_MEMBER: Final = Break("it is a member", Code.UNKNOWN_MEMBER, lambda case: case.change(member="lei:1"))
KEY_FREE: Final = Break(
    "the key is nobody's",
    Code.KEY_IN_USE,
    lambda case: case.put(Namespace.KEY_OWNER, key_of("a further key").public_key, DEBTOR),
)
CHANGE = Order(
    "ChangeMember",
    "",
    case_of(_changing),
    (
        IS_MEMBER,
        Break("it was not expelled", Code.EXPELLED, _expelled(EXPORTER)),
        Break(
            "it consents to a role or key",
            Code.MISSING_SIGNATURE,
            lambda case: case.change(with_consent=False),
        ),
        Break(
            "it has a reference, where its roles need one",
            Code.BAD_IDENTIFIER,
            lambda case: case.member(EXPORTER, debtor_reference=None),
        ),
        KEY_FREE,
        Break(
            "possession is proven",
            Code.BAD_SIGNATURE,
            lambda case: case.change(new_keys=(replace(case.operation.new_keys[0], possession=bytes(64)),)),
        ),
        Break("there is room for another key", Code.LIMIT_REACHED, _full_of_keys),
    ),
)


def _rotating() -> Case:
    made, receivable = consortium()
    operation = RotateKey(
        EXPORTER, key_of(EXPORTER).public_key, _possessed("a further key", EXPORTER), made.tip.height + 9
    )
    case = Case(made, operation, receivable, made.now_ms, STRICT)
    case.keys = frozenset({key_of(EXPORTER).public_key})
    return case


ROTATE = Order(
    "RotateKey",
    "",
    _rotating,
    (
        IS_MEMBER,
        Break("it was not expelled", Code.EXPELLED, _expelled(EXPORTER)),
        Break(
            "the old key is its own and outlasts the block",
            Code.UNKNOWN_KEY,
            lambda case: case.change(old_key=bytes(32)),
        ),
        Break("the old key signs", Code.MISSING_SIGNATURE, lambda case: case.unsign()),
        Break(
            "it ends after this block, and no later than before",
            Code.TERM,
            lambda case: case.change(old_until_height=1),
        ),
        KEY_FREE,
        Break(
            "possession is proven",
            Code.BAD_SIGNATURE,
            lambda case: case.change(new_key=replace(case.operation.new_key, possession=bytes(64))),
        ),
    ),
)
SEAT = ASSOCIATION_KEYS[0].public_key


def _few_seats(case: Case) -> None:
    governance = case.state.governance()
    case.put(Namespace.GOVERNANCE, b"", replace(governance, threshold=3))


REVOKE = Order(
    "RevokeKey",
    "",
    case_of(lambda _made, _receivable: RevokeKey(ASSOCIATION, SEAT)),
    (
        IS_MEMBER,
        Break("it was not expelled", Code.EXPELLED, _expelled(ASSOCIATION)),
        Break(
            "the key is its own and outlasts the block",
            Code.UNKNOWN_KEY,
            lambda case: case.change(public_key=bytes(32)),
        ),
        Break("the association keeps enough keys", Code.NO_QUORUM, _few_seats),
    ),
)
SET_POLICY = Order(
    "SetPolicy",
    "",
    case_of(lambda made, _receivable: SetPolicy(STRICT, made.tip.height + 9)),
    (
        Break(
            "it comes as late as the present policy asks for",
            Code.TOO_EARLY,
            lambda case: case.change(from_height=1),
        ),
    ),
)
SCHEDULE_UPGRADE = Order(
    "ScheduleUpgrade",
    "",
    case_of(lambda made, _receivable: ScheduleUpgrade(made.tip.height + 9, RULES_VERSION + 1)),
    (
        Break("the height lies ahead", Code.TOO_EARLY, lambda case: case.change(halt_height=1)),
        Break(
            "the version is not in force", Code.ALREADY_IN_FORCE, lambda case: case.change(rules_version=0)
        ),
    ),
)


def _releasing(made: Consortium, receivable: bytes) -> Any:
    return ReleaseFingerprint(receivable, made.record(receivable).fingerprints.invoice, "reissued")


RELEASE_FINGERPRINT = Order(
    "ReleaseFingerprint",
    "",
    case_of(_releasing, phase=Phase.SETTLED),
    (
        UNKNOWN,
        Break("it is settled or cancelled", Code.NOT_CLOSED, lambda case: case.edit(phase=Phase.LIVE)),
        Break(
            "it holds this fingerprint",
            Code.UNKNOWN_FINGERPRINT,
            lambda case: case.change(fingerprint=bytes(32)),
        ),
    ),
)
OWN = FINGERPRINT_KEY.debtor(FACTOR_1)
CONTROLLER = b"\x07" * 32


def _declared(case: Case, *controllers: bytes) -> None:
    controls = tuple(Control(controller, 0, PLACE) for controller in controllers)
    case.put(Namespace.CONTROL, OWN, controls)


def _crowded_group(case: Case) -> None:
    case.put(Namespace.CONTROLLED, CONTROLLER, (bytes(32),) * limits.GROUP_MEMBERS_MAX)


RELATE = Order(
    "DeclareRelationship",
    "",
    case_of(
        lambda _made, _receivable: DeclareRelationship(FACTOR_1, OWN, CONTROLLER, START_DAY, False, False)
    ),
    (
        Break(
            "a party says it of itself, or the association with it",
            Code.MISSING_SIGNATURE,
            lambda case: case.change(declarer=FACTOR_2),
        ),
        Break(
            "a party does not control itself", Code.BAD_IDENTIFIER, lambda case: case.change(controller=OWN)
        ),
        Break(
            "it was not declared as early before",
            Code.ALREADY_DECLARED,
            lambda case: _declared(case, CONTROLLER),
        ),
        Break("there is room for another controller, and in the group", Code.LIMIT_REACHED, _crowded_group),
    ),
)
RISK_ASSETS = Order(
    "DeclareRiskAssets",
    "",
    case_of(lambda _made, _receivable: DeclareRiskAssets(FACTOR_1, "USD", 1, START_DAY)),
    (
        POSITIVE,
        Break(
            "the currency is the consortium's",
            Code.CURRENCY_MISMATCH,
            lambda case: case.change(currency="XXX"),
        ),
        Break("the day has come", Code.TOO_EARLY, lambda case: case.change(as_of_day=START_DAY + 9)),
    ),
)


def _new_node() -> NetworkNode:
    key = key_of("node factor-3")
    return NetworkNode("factor-3", FACTOR_3, key.public_key, 100, b"certificate of factor-3")


def _admitting(made: Consortium, _receivable: bytes) -> ChangeValidators:
    node = _new_node()
    admitted = (admission(made, node, key_of("node factor-3")),)
    # So much power that the others are no quorum any more, which is why it is forced.
    return ChangeValidators(nodes_with(made, node), admitted, forced=True)


def _pending(case: Case) -> None:
    present = case.state.newest_nodes()
    case.put(Namespace.VALIDATORS, SINGLETON, replace(present, from_height=10**6))


def _same_nodes(case: Case) -> None:
    case.change(nodes=case.state.newest_nodes().nodes)


CHANGE_VALIDATORS = Order(
    "ChangeValidators",
    "",
    case_of(_admitting),
    (
        Break("no earlier change is waiting", Code.CHANGE_PENDING, _pending),
        Break("the nodes are others than now", Code.ALREADY_IN_FORCE, _same_nodes),
        Break(
            "who runs a node is a member",
            Code.UNKNOWN_MEMBER,
            lambda case: case.put(Namespace.MEMBER, FACTOR_3.encode(), None),
        ),
        Break(
            "each new or changed node is admitted",
            Code.MISSING_SIGNATURE,
            lambda case: case.change(admitted=()),
        ),
        Break(
            "and no other one",
            Code.BAD_FORMAT,
            lambda case: case.change(admitted=(*case.operation.admitted, NodeAdmission("other", bytes(64)))),
        ),
        Break(
            "its key is nobody's",
            Code.KEY_IN_USE,
            lambda case: case.put(Namespace.KEY_OWNER, _new_node().consensus_key, DEBTOR),
        ),
        Break(
            "possession is proven",
            Code.BAD_SIGNATURE,
            lambda case: case.change(admitted=(NodeAdmission("factor-3", bytes(64)),)),
        ),
        Break(
            "those that stay are a quorum, or it is forced",
            Code.NO_QUORUM,
            lambda case: case.change(forced=False),
        ),
    ),
)

ORDERS: Final = (
    ENROL,
    CHANGE,
    ROTATE,
    REVOKE,
    SET_POLICY,
    CHANGE_VALIDATORS,
    SCHEDULE_UPGRADE,
    RELEASE_FINGERPRINT,
    RELATE,
    RISK_ASSETS,
)
