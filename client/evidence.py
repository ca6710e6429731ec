"""False answers on disk: what a member shows the association when a node, or a third of the validators, has lied.

    FOLDER/false-NODE-DIGEST.bin    one whole answer (protobuf) whose proof did not hold
    FOLDER/fork-HEIGHT.bin          two certified headers of one height: pack([[header, certificate], [header, certificate]])

Whoever has the genesis document can check a fork. A false answer proves nothing to others, since answers are not
signed; it shows what to look into.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from registry.codec import pack

from .errors import DirectoryError
from .registry_client import RegistryClient
from .verify import Fork


def keep_evidence(folder: Path, client: RegistryClient) -> list[Path]:
    """Write what the client has against nodes; nothing when there is nothing. Raises DirectoryError."""
    contents = {
        f"false-{each.node_id}-{sha256(each.answer).hexdigest()[:16]}.bin": each.answer
        for each in client.evidence
    }
    contents |= {f"fork-{fork.first.header.height}.bin": fork_bytes(fork) for fork in client.chain.forks}
    paths = [folder / name for name in contents]
    try:
        if contents:
            folder.mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths, contents.values(), strict=True):
            path.write_bytes(content)
    except OSError as error:
        raise DirectoryError(f"cannot write the evidence to {folder}: {error.strerror}") from error
    return paths


def fork_bytes(fork: Fork) -> bytes:
    """Both headers with their certificates."""
    return pack(tuple((head.header_bytes, head.certificate_bytes) for head in (fork.first, fork.second)))
