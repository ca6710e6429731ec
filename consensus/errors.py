"""Everything that this package raises.

    ConsensusError
      InvalidMessage        bytes or fields that a peer sent and that can be no message: drop, count
      CertificateInvalid    a certificate that proves nothing: drop, count, keep as evidence
      EvidenceInvalid       an accusation that proves nothing: drop, count
      InvalidValidatorSet   a set that cannot vote: configuration or ledger is wrong
      ContractViolation     our own host broke the contract of inputs: a bug, stop
      SafetyViolation       our own key or state contradicts itself: stop at once, sign nothing more

Every error carries the values that broke the rule in `details`.
"""


class ConsensusError(Exception):
    """Root of the errors of ordering; `details` holds the offending values by name."""

    def __init__(self, message: str, **details: object) -> None:
        self.message = message
        self.details: dict[str, object] = details
        shown = ", ".join(f"{name}={value!r}" for name, value in details.items())
        super().__init__(f"{message} ({shown})" if shown else message)


class InvalidMessage(ConsensusError):
    """Foreign bytes or fields that can be no message."""


class CertificateInvalid(ConsensusError):
    """A certificate that does not prove that a quorum precommitted its block."""


class EvidenceInvalid(ConsensusError):
    """An accusation that does not prove a fault of the validator it names."""


class InvalidValidatorSet(ConsensusError):
    """A set of validators that cannot vote."""


class ContractViolation(ConsensusError):
    """Our own host fed an input that the contract forbids."""


class SafetyViolation(ConsensusError):
    """Our own key or state contradicts itself; nothing more may be signed."""
