"""A store of pages in memory, and the map's root as the rules define it, without pages."""

from collections.abc import Callable, Mapping
from hashlib import sha256

import pytest

from registry.merkle.map import MapUpdate, apply_updates


class MemoryPages:
    """A PageReader that also takes what a batch of updates says to store."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}

    def page(self, path: bytes) -> bytes | None:
        return self.stored.get(path)

    def update(self, updates: Mapping[bytes, bytes | None]) -> bytes:
        """Apply and store one batch; returns the root."""
        result = apply_updates(self, updates)
        self.store(result)
        return result.root

    def store(self, result: MapUpdate) -> None:
        for path, encoded in result.pages.items():
            if encoded is None:
                del self.stored[path]  # only what exists is ever removed
            else:
                assert self.stored.get(path) != encoded  # only what changed is ever written
                self.stored[path] = encoded


def _reference_root(pairs: Mapping[bytes, bytes], depth: int = 0) -> bytes:
    """Root of a set of pairs, by the definition: no key, one key, or several split by the next bit."""
    if not pairs:
        return b"SPARSE_MERKLE_PLACEHOLDER_HASH__"
    if len(pairs) == 1:
        ((key, value),) = pairs.items()
        return sha256(b"JMT::LeafNode" + key + value).digest()
    halves: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
    for key, value in pairs.items():
        halves[key[depth // 8] >> (7 - depth % 8) & 1][key] = value
    left, right = (_reference_root(half, depth + 1) for half in halves)
    return sha256(b"JMT::IntrnalNode" + left + right).digest()


@pytest.fixture(scope="session")
def memory_pages() -> type[MemoryPages]:
    return MemoryPages


@pytest.fixture(scope="session")
def reference_root() -> Callable[[Mapping[bytes, bytes]], bytes]:
    return _reference_root
