"""What can go wrong for a caller of the client, as one tree. Every message says what to do next.

    ClientError
    |-- CallRefused         a node refused the call as a whole, with a stable code
    |-- Unreachable         no node answered, or not in time
    |-- PapersMismatch      the wallet refuses to sign: the papers shown are not those of the registration
    |-- DraftRefused        a draft that is not signed, merged or handed in as it stands
    |-- KeyFileError        a key file cannot be read or written
    |-- DirectoryError      the network's folder or a name in it is not there
    `-- InputError          a value given by the user is wrong

A proof that does not hold is `registry.errors.ProofInvalid`, with the answer kept in its details.
"""

from __future__ import annotations


class ClientError(Exception):
    """Root of the tree."""


class CallRefused(ClientError):
    """A node refused the call; `code` is stable, `retry_after_ms` is set when the same call may pass later."""

    def __init__(self, code: str, message: str, *, node_id: str, retry_after_ms: int | None = None) -> None:
        super().__init__(f"{node_id} refused: {code}: {message}")
        self.code = code
        self.message = message
        self.node_id = node_id
        self.retry_after_ms = retry_after_ms


class Unreachable(ClientError):
    """No node answered, or what was waited for did not come in time."""


class PapersMismatch(ClientError):
    """A signature is refused by the wallet itself, before anything is sent."""


class DraftRefused(ClientError):
    """A draft is altered, for another chain, too late, signed by a stranger, signed already, or not signed by all."""


class KeyFileError(ClientError):
    """A key file cannot be read or written; the message names the file, never its content."""


class DirectoryError(ClientError):
    """The folder of a network cannot be read, or has no such node or member."""


class InputError(ClientError):
    """A value that the user gave is wrong; the message says what is expected."""
