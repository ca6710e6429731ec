"""The members as the ledger records them, read from the store once a height."""

from __future__ import annotations

from node.api.commit_feed import CommitFeed
from node.ports import StorePort
from registry.member import Member
from registry.stored import Namespace, decode_value, state_key


class StoredMembers:
    """`access.MemberDirectory` over the store; forgets what it read when the height rises."""

    def __init__(self, store: StorePort, feed: CommitFeed) -> None:
        self._store = store
        self._feed = feed
        self._read_at = -1
        self._members: dict[str, Member | None] = {}

    def height(self) -> int:
        """The last committed height."""
        return self._feed.height

    def member(self, member_id: str) -> Member | None:
        """The member's record, None for a stranger. Raises StoreCorrupt."""
        if self._read_at != self._feed.height:
            self._read_at = self._feed.height
            self._members.clear()
        if member_id not in self._members:
            with self._store.read() as snapshot:
                stored = snapshot.value(state_key(Namespace.MEMBER, member_id.encode()))
            found = None if stored is None else decode_value(Namespace.MEMBER, stored)
            if found is None:
                # Strangers are not kept: anybody can make up names.
                return None
            self._members[member_id] = found
        return self._members[member_id]
