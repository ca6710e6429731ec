"""Whether a node that starts may vote: the rule for journals and signer files that are lost, old or foreign.

Guarantees: `NormalStart` is answered only where the journal and the signer file can be shown to know everything that this
node ever signed at the heights it is about to vote on. A pure rule over numbers; reading them from disk, learning what the
peers have certified, and acting on the answer is left to the host.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SignedPlace:
    """Where the signer file says that the last signature was made."""

    height: int
    round: int


@dataclass(frozen=True, slots=True)
class StartFacts:
    """What is known at start. Heights: `store` is the last committed one (0: none); `journal` is the one being decided.

    `certified_by_peers` is the highest height for which a peer has shown a valid certificate (0: none seen, and also before
    any peer was reached); a height that is only claimed does not count.
    """

    store_height: int
    journal_height: int | None
    signed: SignedPlace | None
    certified_by_peers: int


@dataclass(frozen=True, slots=True)
class NormalStart:
    """Replay the journal, then take part."""


@dataclass(frozen=True, slots=True)
class ObserveOnly:
    """Follow and serve, sign nothing until a height above `until_above` is decided."""

    until_above: int
    reason: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do not start; a human must look."""

    reason: str


StartRule = NormalStart | ObserveOnly | Refuse


def judge_start(facts: StartFacts) -> StartRule:
    """Say how a validator may start. Total over all facts; a node without a vote need not ask."""
    store, journal, signed = facts.store_height, facts.journal_height, facts.signed
    # A quorum certified `highest`; we may have decided one more height than any peer we can see, and then have signed in
    # the height after it. Once `highest + 1` and one more are decided, nothing we ever signed can matter.
    highest = max(store, facts.certified_by_peers)
    unknown_past = highest + 1 if signed is None else max(highest + 1, signed.height)
    if journal is None:
        if highest == 0 and (signed is None or signed.height == 0):
            return NormalStart()  # a new node of a new chain: nothing has been signed anywhere
        return ObserveOnly(unknown_past, "the journal is missing beside a chain that exists")
    if journal > store + 1:
        return Refuse(
            f"the journal is at height {journal} and the store ends at {store}: the store is foreign or has lost blocks "
            "that it had acknowledged; restore it, or remove the journal to start as an observer"
        )
    if signed is not None and signed.height > journal:
        return ObserveOnly(
            unknown_past,
            f"this key has signed at height {signed.height} but the journal ends at {journal}: restored from a backup",
        )
    # The journal may be any number of heights behind the store: a height in which this node said nothing, because its
    # blocks came certified from a peer, leaves no durable record. The signer's file is the witness that it said nothing.
    if signed is None and store > 0:
        return ObserveOnly(unknown_past, "the signer file is missing beside a chain that exists")
    if facts.certified_by_peers > store + 1:
        # Away for a while, or all files restored from one old backup: from inside it looks the same. A height less is
        # no sign of either, and must not be: when everybody restarts, 2f + 1 nodes are at most one height behind.
        return ObserveOnly(
            unknown_past,
            f"the peers have certified height {facts.certified_by_peers}, the store ends at {store}",
        )
    return NormalStart()
