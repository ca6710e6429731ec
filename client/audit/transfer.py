"""Inspected blocks on their way from a worker process to the reducer, as bytes.

Pickle does it, with one change: a frozen dataclass is sent as its type and the values of its fields. Its own way through
`__getstate__` and `__setstate__` takes twice as long, and most of what the reducer receives are small dataclasses.
What is loaded was written by our own worker from decoded, frozen types; no byte of the audited file is ever unpickled.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any, Final, get_args, get_type_hints

from registry.entry import Entry
from registry.operations import OPERATION_TYPES

from .inspection import InspectedBlock

Reducer = Callable[[Any], tuple[type[Any], tuple[Any, ...]]]


def dump_blocks(blocks: Sequence[InspectedBlock]) -> bytes:
    """The blocks as bytes for `load_blocks`."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _REDUCERS
    pickler.dump(blocks)
    return buffer.getvalue()


def load_blocks(dumped: bytes) -> list[InspectedBlock]:
    """The inverse of `dump_blocks`, for bytes of our own workers only."""
    blocks: list[InspectedBlock] = pickle.loads(dumped)  # noqa: S301  # see the module's docstring
    return blocks


def _reducer(kind: type[Any]) -> Reducer:
    names = [field.name for field in fields(kind)]
    if len(names) == 1:
        return lambda value: (kind, (getattr(value, names[0]),))
    values = attrgetter(*names)
    return lambda value: (kind, values(value))


def _collect(annotation: Any, found: set[type[Any]]) -> None:
    """All dataclasses that a value of this type may hold."""
    for argument in get_args(annotation):
        _collect(argument, found)
    if isinstance(annotation, type) and is_dataclass(annotation) and annotation not in found:
        found.add(annotation)
        for hint in get_type_hints(annotation).values():
            _collect(hint, found)


def _reducers() -> dict[type[Any], Reducer]:
    found: set[type[Any]] = set()
    _collect(Entry, found)
    for operation in OPERATION_TYPES:
        _collect(operation.build, found)
    return {kind: _reducer(kind) for kind in found}


_REDUCERS: Final = _reducers()
