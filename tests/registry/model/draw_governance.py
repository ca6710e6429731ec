"""Drawing operations of governance: members come, change and go; keys, groups, risk assets, policy, upgrades."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

from registry.block import RULES_VERSION
from registry.fingerprints import Numbering
from registry.limits import HEIGHT_MAX
from registry.member import MemberStatus, possession_message
from registry.nodes import NetworkNode, node_possession_message
from registry.operations import ChangeMember, EnrolMember, RevokeKey, RotateKey
from registry.operations.decisions import ReleaseFingerprint, ScheduleUpgrade, SetPolicy
from registry.operations.existence import EvidenceKind
from registry.operations.governance import EnterpriseClass, KeyEnrolment, Role
from registry.operations.relationships import DeclareRelationship, DeclareRiskAssets
from registry.operations.validators import ChangeValidators, NodeAdmission
from registry.policy import ConfirmationPolicy, Policy, RelatedPartyPolicy
from tests.registry.consortium import (
    ASSOCIATION,
    BANK,
    EXPELLED,
    FINGERPRINT_KEY,
    OPEN_POLICY,
    STRANGER,
    key_of,
)
from tests.registry.model.book import DAY_MS
from tests.registry.model.scene import (
    DEBTORS,
    EVERYONE,
    EXPORTERS,
    FACTORS,
    NEWCOMERS,
    NOWHERE,
    Dice,
    Draw,
    Scene,
)

_CONTROLLER = sha256(b"a holding abroad").digest()
_ROLES = (Role.FACTOR, Role.EXPORTER, Role.DEBTOR, Role.INSURER, Role.ATTESTER, Role.COURT)


def drawn_key(scene: Scene, dice: Dice, member: str) -> KeyEnrolment:
    """A new key of the member; the scene remembers it for signing."""
    key = key_of(scene.fresh(f"key of {member}"))
    if dice.rarely(15):
        key = key_of(dice.one(EVERYONE))
    owner = member if not dice.rarely(15) else STRANGER
    scene.signing_keys.setdefault(key.public_key, key)
    return KeyEnrolment(
        key.public_key, key.sign(possession_message(scene.book.chain_id, owner, key.public_key))
    )


def accreditation(scene: Scene, dice: Dice) -> Any:
    """The bank may attest every kind of evidence: how each example begins."""
    person = scene.book.members[BANK]
    return ChangeMember(BANK, person.roles, person.status, person.numbering, tuple(EvidenceKind), (), False)


def draw_enrolment(scene: Scene, dice: Dice) -> Any:
    waiting = [each for each in NEWCOMERS if each not in scene.book.members]
    member = (
        dice.one(waiting)
        if waiting and not dice.rarely(6)
        else dice.one((*NEWCOMERS, "uscc:91310000000000000X"))
    )
    roles = sorted({dice.one(_ROLES), dice.one(_ROLES)})
    accredited = tuple(EvidenceKind) if Role.ATTESTER in roles and dice.half() else ()
    reference = FINGERPRINT_KEY.debtor(member) if member in NEWCOMERS else None
    if dice.rarely(10):
        reference = dice.one((None, scene.book.members[dice.one(DEBTORS)].reference))
    key = drawn_key(scene, dice, member)
    return EnrolMember(member, tuple(roles), Numbering.CONTINUOUS, reference, (key,), accredited)


def draw_member_change(scene: Scene, dice: Dice) -> Any:
    book = scene.book
    away = [name for name, each in book.members.items() if each.status is MemberStatus.SUSPENDED]
    name = dice.one(EVERYONE) if not dice.rarely(12) else dice.one((STRANGER, EXPELLED))
    if away and dice.half():
        name = dice.one(away)
    person = book.members.get(name)
    if person is None:
        return ChangeMember(name, (Role.FACTOR,), MemberStatus.ACTIVE, Numbering.CONTINUOUS, (), (), False)
    status = MemberStatus.ACTIVE
    if person.is_active and dice.rarely(3):
        status = MemberStatus.SUSPENDED
    if name in NEWCOMERS and dice.rarely(6):
        status = MemberStatus.EXPELLED
    roles = set(person.roles)
    if dice.rarely(3):
        roles ^= {dice.one(_ROLES)}
    if dice.rarely(20):
        roles ^= {Role.ASSOCIATION}
    keys = [drawn_key(scene, dice, name)] if dice.rarely(5) else []
    gains = not roles <= set(person.roles) or keys
    return ChangeMember(
        member=name,
        roles=tuple(sorted(roles or person.roles)),
        status=status,
        numbering=dice.one((person.numbering, Numbering.YEARLY)),
        accredited=tuple(EvidenceKind) if Role.ATTESTER in roles and not dice.rarely(10) else (),
        new_keys=tuple(keys),
        enterprise_class=dice.one(tuple(EnterpriseClass)),
        whitelisted=dice.half(),
        with_consent=bool(gains) != dice.rarely(8),
    )


def draw_rotation(scene: Scene, dice: Dice) -> Any:
    member = dice.one(EVERYONE) if not dice.rarely(15) else dice.one((EXPELLED, STRANGER))
    own = scene.current_keys(member) or [key_of(member).public_key]
    old = own[0] if not dice.rarely(8) else dice.one((own[-1], key_of(dice.one(EVERYONE)).public_key))
    until = dice.one((scene.height + 1, scene.height + 3, scene.height + 1, scene.height))
    if dice.rarely(15):
        until = HEIGHT_MAX
    return RotateKey(member, old, drawn_key(scene, dice, member), until)


def draw_revocation(scene: Scene, dice: Dice) -> Any:
    """Mostly of a member that has a second key, so that it can go on."""
    several = [name for name in scene.book.members if len(scene.current_keys(name)) > 1]
    member = (
        dice.one(several)
        if several and not dice.rarely(4)
        else dice.one((*NEWCOMERS, ASSOCIATION, STRANGER, EXPELLED))
    )
    own = scene.current_keys(member) or [NOWHERE]
    return RevokeKey(member, dice.one(own[::-1]) if not dice.rarely(10) else key_of(STRANGER).public_key)


def draw_policy(scene: Scene, dice: Dice) -> Any:
    earliest = scene.height + 1 + scene.book.policy.change_delay_blocks
    return SetPolicy(drawn_policy(dice), earliest + dice.one((0, 0, 2, 1, -1)))


def drawn_policy(dice: Dice) -> Policy:
    return replace(
        OPEN_POLICY,
        require_confirmation=dice.one((ConfirmationPolicy.NONE,) * 4 + tuple(ConfirmationPolicy)),
        require_delivery_evidence=dice.rarely(12),
        tenor_max_days=dice.one((365, 365, 365, 60)),
        dispose_past_due=dice.half(),
        offer_max_hours=dice.one((72, 24, 400)),
        cooling_off_hours=dice.one((72, 0, 24)),
        objection_days=dice.one((30, 3)),
        tacit_days=dice.one((10, 3, 1)),
        grace_days=dice.one((0, 5)),
        related_party=dice.one((RelatedPartyPolicy.REFUSE, RelatedPartyPolicy.FLAG)),
        single_debtor_max_percent=dice.one((None,) * 7 + (50,)),
        related_debtors_max_percent=dice.one((None,) * 7 + (40,)),
        operations_per_day_max=dice.one((None,) * 11 + (4,)),
        cycle_hops_max=dice.one((4, 2, 0)),
        cycle_days=dice.one((90, 5)),
        change_delay_blocks=dice.one((0, 0, 3)),
        whitelisted_factors_only=dice.rarely(12),
    )


def draw_upgrade(scene: Scene, dice: Dice) -> Any:
    """Far ahead, or refused: an upgrade that is reached would end the example."""
    height = scene.height + 1_000_000 if not dice.rarely(4) else scene.height
    return ScheduleUpgrade(height, RULES_VERSION + dice.one((1, 1, 2, 0)))


def draw_released_fingerprint(scene: Scene, dice: Dice) -> Any:
    debt = scene.debt(dice, lambda debt: debt.is_closed)
    if debt is None:
        return ReleaseFingerprint(NOWHERE, NOWHERE, "a reason")
    papers = [paper for _kind, paper in debt.prints.strong()]
    return ReleaseFingerprint(debt.name, dice.one(papers) if not dice.rarely(10) else NOWHERE, "a reason")


def draw_relationship(scene: Scene, dice: Dice) -> Any:
    book = scene.book
    declarer: str | None = dice.one((*FACTORS, *EXPORTERS, *DEBTORS))
    party = book.members[declarer].reference if declarer else None
    if dice.rarely(3):
        party = book.members[dice.one((*DEBTORS, *EXPORTERS, *FACTORS))].reference
    controller = dice.one((_CONTROLLER, _CONTROLLER, book.members[dice.one(DEBTORS)].reference))
    if book.controls and dice.rarely(3):
        party, declared = dice.one(list(book.controls.items()))
        controller = dice.one(list(declared) or [_CONTROLLER])
        if dice.half():
            return DeclareRelationship(None, party, controller, 0, dice.rarely(8), not dice.rarely(8))
    own = declarer is not None and party == book.members[declarer].reference
    today = scene.now_ms // DAY_MS
    if dice.rarely(5):
        declarer = None
    return DeclareRelationship(
        declarer,
        party or NOWHERE,
        controller or NOWHERE,
        today + dice.one((0, -10, 0, 5)),
        own == dice.rarely(8),
        dice.rarely(15),
    )


def draw_risk_assets(scene: Scene, dice: Dice) -> Any:
    factor = scene.taker(dice)
    today = scene.now_ms // DAY_MS
    return DeclareRiskAssets(
        factor,
        dice.one(("USD", "USD", "JPY")) if not dice.rarely(20) else "GBP",
        dice.one((1_000, 200, 400, 100)) if not dice.rarely(20) else 0,
        today + dice.one((0, 0, 0, -1, 1)),
    )


def draw_validators(scene: Scene, dice: Dice) -> Any:
    """One node more, fewer, stronger, or with another key."""
    nodes = {node.node_id: node for node in scene.book.nodes}
    admitted = []
    name = dice.one([*nodes, "newcomer", "newcomer-2"])
    match dice.below(5):
        case 0 if name in nodes and len(nodes) > 2:
            del nodes[name]
        case 1 | 2 if name in nodes:
            nodes[name] = replace(nodes[name], power=dice.one((0, 1, 2, 9)))
        case _:
            node, possession = drawn_node(scene, dice, name)
            nodes[name] = node
            if not dice.rarely(10):
                admitted.append(NodeAdmission(name, possession))
    if dice.rarely(30):
        admitted.append(NodeAdmission("nobody", bytes(64)))
    ordered = tuple(sorted(nodes.values(), key=lambda node: node.node_id))
    admitted.sort(key=lambda each: each.node_id)
    return ChangeValidators(ordered, tuple(admitted), dice.rarely(5))


def drawn_node(scene: Scene, dice: Dice, name: str) -> tuple[NetworkNode, bytes]:
    key = key_of(scene.fresh(f"node {name}") if not dice.rarely(10) else dice.one(EVERYONE))
    member = dice.one((ASSOCIATION, *FACTORS)) if not dice.rarely(20) else STRANGER
    certificate = f"certificate {scene.serial[0] if not dice.rarely(10) else 0}".encode()
    node = NetworkNode(name, member, key.public_key, dice.one((0, 1)), certificate)
    signer = key if not dice.rarely(15) else key_of(STRANGER)
    return node, signer.sign(node_possession_message(scene.book.chain_id, node))


DRAWS: tuple[tuple[int, Draw], ...] = (
    (3, draw_enrolment),
    (6, draw_member_change),
    (3, draw_rotation),
    (2, draw_revocation),
    (4, draw_policy),
    (1, draw_upgrade),
    (3, draw_released_fingerprint),
    (4, draw_relationship),
    (4, draw_risk_assets),
    (3, draw_validators),
)
