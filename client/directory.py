"""The folder of a network as a client reads it: where the nodes are, who the members are, which keys lie on this
machine.

`pledgebook network init DIR` writes `DIR/network.json` (format 1):

    name, chain_id, genesis, fingerprint_key, fingerprint_epoch, governance_threshold
    nodes:   NODE -> {member, power, peer, api, http, config}        api is `host:port`
    members: NAME -> {member_id, roles, keys}                        keys are paths of PKCS#8 files

This module adds what a client needs beside it, and writes nothing else:

    DIR/enrolled.json                 members enrolled later, same form as `members`
    DIR/members/NAME-key-N.pem        their keys
    DIR/papers/NAME.jsonl             each exporter's filing (`paper_file`)
    DIR/drafts/NAME.number            the last number that a draft of the member was given (`draft_numbers`)
    DIR/trusted-head.txt              the newest head that was seen (rollback protection)
    DIR/trusted-validators.bin        the validators that were shown to us, change by change
    DIR/trusted-nodes.bin             the nodes as they were last proven to us

Paths in the files are relative to DIR, except of keys that lie elsewhere. No secret is in a JSON file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from registry.fingerprints import FingerprintKey
from registry.genesis import Genesis
from registry.identifiers import BadIdentifier, MemberId, parse_member_id

from .errors import DirectoryError, KeyFileError
from .keys import read_key, read_secret
from .trust import read_genesis
from .wallet import Wallet

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a node serves members (`api`, gRPC) and people (`http`)."""

    node_id: str
    member: str
    api: str
    http: str


@dataclass(frozen=True, slots=True)
class MemberFiles:
    """A member by its short name; `keys` is empty when its keys are not on this machine."""

    name: str
    member_id: MemberId
    roles: tuple[str, ...]
    keys: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Directory:
    """One network's folder. Immutable: `with_members` returns a new one."""

    folder: Path
    name: str
    genesis_path: Path
    fingerprint_key_path: Path
    fingerprint_epoch: int
    governance_threshold: int
    nodes: Mapping[str, NodeAddress]
    members: Mapping[str, MemberFiles]

    @property
    def head_path(self) -> Path:
        return self.folder / "trusted-head.txt"

    @property
    def validators_path(self) -> Path:
        """Which validators were shown to us, change by change (`trust.read_known_sets`)."""
        return self.folder / "trusted-validators.bin"

    @property
    def nodes_path(self) -> Path:
        """The nodes as they were last proven to us: for certificates that the genesis document does not have."""
        return self.folder / "trusted-nodes.bin"

    def papers_path(self, member: MemberFiles) -> Path:
        return self.folder / "papers" / f"{member.name}.jsonl"

    def draft_number_path(self, member: MemberFiles) -> Path:
        """Where the last number is kept that a draft of the member was given (`draft_numbers`)."""
        return self.folder / "drafts" / f"{member.name}.number"

    def member(self, name: str) -> MemberFiles:
        """A member by short name or id. Raises DirectoryError, naming those that there are."""
        found = self.find_member(name)
        if found is None:
            known = ", ".join(list(self.members)[:12])
            raise DirectoryError(f"{self.folder} has no member {name!r}; there are {known}")
        return found

    def find_member(self, name: str) -> MemberFiles | None:
        """A member by short name or id, or None."""
        if name in self.members:
            return self.members[name]
        return next((entry for entry in self.members.values() if entry.member_id == name), None)

    def member_with_role(self, role: str) -> MemberFiles | None:
        """The first member that holds a role and whose keys are here, or None."""
        return next((entry for entry in self.members.values() if role in entry.roles and entry.keys), None)

    def node(self, name: str) -> NodeAddress:
        """Raises DirectoryError."""
        if name not in self.nodes:
            raise DirectoryError(f"{self.folder} has no node {name!r}; there are {', '.join(self.nodes)}")
        return self.nodes[name]

    def genesis(self) -> Genesis:
        """Raises DirectoryError, GenesisInvalid."""
        return read_genesis(self.genesis_path)

    def fingerprint_key(self) -> FingerprintKey:
        """The consortium's fingerprint key. Raises KeyFileError."""
        try:
            return FingerprintKey(
                bytes.fromhex(read_secret(self.fingerprint_key_path).decode("ascii").strip()),
                self.fingerprint_epoch,
            )
        except ValueError as error:
            raise KeyFileError(f"{self.fingerprint_key_path} is not a hexadecimal key") from error

    def wallet(
        self, name: str, chain_id: bytes, fingerprint_key: FingerprintKey, passphrase: str | None = None
    ) -> Wallet:
        """The wallet of a member whose keys are here. Raises DirectoryError, KeyFileError."""
        entry = self.member(name)
        if not entry.keys:
            raise DirectoryError(
                f"the keys of {name} are not in {self.folder}: it must sign on its own machine; "
                "--draft FILE writes what it is to sign"
            )
        keys = tuple(read_key(path, passphrase) for path in entry.keys)
        return Wallet(entry.member_id, keys, chain_id, fingerprint_key)

    def with_members(self, added: Mapping[str, MemberFiles]) -> Directory:
        """The directory with more members, which are also written to `enrolled.json`. Raises DirectoryError."""
        enrolled = {**_read_enrolled(self.folder), **added}
        document = {
            "format": FORMAT,
            "members": {
                name: {
                    "member_id": entry.member_id,
                    "roles": list(entry.roles),
                    "keys": [self._written(path) for path in entry.keys],
                }
                for name, entry in enrolled.items()
            },
        }
        path = self.folder / "enrolled.json"
        temporary = path.with_name(f"enrolled.json.{os.getpid()}")
        try:
            temporary.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            raise DirectoryError(f"cannot write {path}: {error.strerror}") from error
        return replace(self, members={**self.members, **added})

    def with_first_key(self, name: str, key: Path) -> Directory:
        """The directory with a member signing by this key in place of its first one, written as `with_members` does."""
        short, files = next(
            (short, files)
            for short, files in self.members.items()
            if self.member(name).member_id == files.member_id
        )
        others = tuple(path for path in files.keys[1:] if path != key)
        return self.with_members({short: replace(files, keys=(key, *others))})

    def _written(self, path: Path) -> str:
        """A path as the files have it: relative where it lies in the folder, so that the folder can be moved."""
        return str(path.relative_to(self.folder)) if path.is_relative_to(self.folder) else str(path)


def read_directory(folder: Path) -> Directory:
    """Read a network's folder. Raises DirectoryError, saying what to do."""
    folder = folder.resolve()
    path = folder / "network.json"
    raw = _read_json(
        path, "`pledgebook network init DIR` makes it; choose it with --network or PLEDGEBOOK_NETWORK"
    )
    try:
        members = _members(folder, raw["members"])
        return Directory(
            folder=folder,
            name=str(raw["name"]),
            genesis_path=folder / raw["genesis"],
            fingerprint_key_path=folder / raw["fingerprint_key"],
            fingerprint_epoch=int(raw["fingerprint_epoch"]),
            governance_threshold=int(raw["governance_threshold"]),
            nodes={
                name: NodeAddress(name, str(node["member"]), str(node["api"]), str(node["http"]))
                for name, node in raw["nodes"].items()
            },
            members={**members, **_read_enrolled(folder)},
        )
    except (ValueError, KeyError, TypeError, AttributeError, BadIdentifier) as error:
        raise DirectoryError(f"{path} is not a network directory of format {FORMAT}: {error!r}") from error


def _read_enrolled(folder: Path) -> dict[str, MemberFiles]:
    path = folder / "enrolled.json"
    if not path.exists():
        return {}
    raw = _read_json(path, "it lists members that were enrolled later")
    try:
        return _members(folder, raw["members"])
    except (ValueError, KeyError, TypeError, AttributeError, BadIdentifier) as error:
        raise DirectoryError(f"{path} is damaged: {error!r}") from error


def _members(folder: Path, raw: dict[str, Any]) -> dict[str, MemberFiles]:
    return {
        name: MemberFiles(
            name=name,
            member_id=parse_member_id(entry["member_id"]),
            roles=tuple(entry["roles"]),
            keys=tuple(folder / key for key in entry["keys"]),
        )
        for name, entry in raw.items()
    }


def _read_json(path: Path, hint: str) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DirectoryError(f"cannot read {path}: {error.strerror}; {hint}") from error
    except ValueError as error:
        raise DirectoryError(f"{path} is not JSON: {error}") from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise DirectoryError(f"{path} is not of format {FORMAT}, which this version reads")
    return raw
