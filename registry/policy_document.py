"""A policy as JSON: in the genesis document, and in the file from which a change of policy is signed.

It guarantees that what it reads is a policy that can be stored, and that one policy has one form. Whether the policy is
wise is for the association to decide.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

from .codec import Choice, Flag, Items, Optional_
from .errors import MalformedEntry
from .policy import POLICY, Policy

_FIELDS: Final = dict(POLICY.fields)


def policy_to_json(policy: Policy) -> dict[str, Any]:
    """Words for choices, true and false for truths, null where no limit is set."""
    return {name: _to_json(getattr(policy, name)) for name in _FIELDS}


def _to_json(value: object) -> object:
    if isinstance(value, IntEnum):
        return value.name.lower()
    return list(value) if isinstance(value, tuple) else value


def policy_from_json(raw: object, path: str = "policy") -> Policy:
    """Raises MalformedEntry, which names the field: nothing may be missing, nothing unknown."""
    if not isinstance(raw, dict) or raw.keys() != _FIELDS.keys():
        odd = sorted(_FIELDS.keys() ^ raw.keys()) if isinstance(raw, dict) else type(raw).__name__
        raise MalformedEntry(
            f"must have exactly the fields {sorted(_FIELDS)}; wrong or missing: {odd}", path=path
        )
    # The shape that hashes a policy also reads it, from the same values as an array.
    in_order = tuple(_to_raw(shape, raw[name], f"{path}.{name}") for name, shape in POLICY.fields)
    return POLICY.decode(in_order, path)


def _to_raw(shape: object, value: object, path: str) -> object:
    match shape:
        case Choice(enum=enum):
            known = {choice.name.lower(): int(choice) for choice in enum}
            if not isinstance(value, str) or value not in known:
                raise MalformedEntry(f"{value!r} must be one of {', '.join(known)}", path=path)
            return known[value]
        case Flag():
            if not isinstance(value, bool):
                raise MalformedEntry("must be true or false", path=path)
            return int(value)
        case Items():
            if not isinstance(value, list):
                raise MalformedEntry("must be an array", path=path)
            return tuple(value)
        case Optional_():
            return () if value is None else (value,)
        case _:
            return value
