"""Sequence numbers of drafts, which are signed today and handed in days later.

A command takes the next number and uses it at once. A draft's number has to stay unused meanwhile, though nobody sees yet
that it is taken: so drafts have a lane of their own among the submitter's numbers (`submission`), and the folder keeps the
last one that was given away. Guarantees: on one machine no two drafts of a member get one number, also when two commands ask
at once or one of them crashes. On two machines with the same member's keys they can; then the second draft is refused as
REPLAYED, and nothing else happens. A number is lost once the submitter's highest is 1,024 above it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from registry.limits import SEQUENCE_MAX

from .errors import DirectoryError
from .submission import next_in_lane

NUMBER_CHARS_MAX: Final = len(str(SEQUENCE_MAX))


def take_draft_number(path: Path, highest: int, *, lane: int, lanes: int) -> int:
    """The next number of the lane above `highest`, which the ledger has seen, and above the last one taken here.

    It is on disk as taken before it is returned. Raises DirectoryError.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            last = _parse(path, file.read(NUMBER_CHARS_MAX + 2))
            number = next_in_lane(max(highest, last), lane, lanes)
            file.seek(0)
            # Numbers only grow, so the new one covers the old one; if we were to crash here, it is skipped at most.
            file.write(b"%d\n" % number)
            file.flush()
            os.fsync(file.fileno())
            return number
    except OSError as error:
        raise DirectoryError(f"cannot write {path}: {error.strerror}") from error


def _parse(path: Path, content: bytes) -> int:
    if not content:
        return 0
    text = content.removesuffix(b"\n")
    if not text.isdigit() or int(text) > SEQUENCE_MAX:
        raise DirectoryError(f"{path} is damaged: it must hold the last number that a draft was given")
    return int(text)
