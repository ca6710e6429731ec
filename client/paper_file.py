"""The exporter's own filing: which papers and salts stand behind which receivable. It never leaves the member by
itself.

A paper file holds one JSON object a line (mode 0600). A line can be handed to a factor, who computes the fingerprints
from it. Lines are only appended, and the last one about a receivable counts. They are on disk before their entry is
handed in, under the id that the receivable will have: so no crash leaves a receivable without its papers and salt. A
line of an entry that was refused or never handed in is about an id that no receivable has, and nobody asks for it.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from registry.fingerprints import Numbering
from registry.identifiers import BadIdentifier, ReceivableId, parse_member_id, read_id, show_id
from registry.limits import AMOUNT_MAX, QUANTITY_MAX

from .errors import DirectoryError, InputError
from .papers import SALT_BYTES, DeliveryPaper, Papers

LINE_CHARS_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class FiledPapers:
    """The papers of one receivable, with the salt of the invoice's commitment."""

    receivable_id: ReceivableId
    papers: Papers
    salt: bytes


def append_papers(path: Path, filed: Iterable[FiledPapers]) -> None:
    """Add lines to the file, which is created for its owner only; they are on disk afterwards. Raises DirectoryError."""
    lines = "".join(json.dumps(_to_json(item), ensure_ascii=False) + "\n" for item in filed)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            file.write((b"" if _ends_whole(file) else b"\n") + lines.encode())
            file.flush()
            # If we were to crash before this is done, nothing was handed in yet: at most a torn line is left, which is passed over.
            os.fsync(file.fileno())
        if is_new:
            _sync_folder(path.parent)
    except OSError as error:
        raise DirectoryError(f"cannot write {path}: {error.strerror}") from error


def read_papers(path: Path) -> Iterator[FiledPapers]:
    """All lines of the file, in order; one that a crash has torn is passed over. Raises DirectoryError, InputError."""
    try:
        with path.open("r", encoding="utf-8") as file:
            for number, line in enumerate(iter(lambda: file.readline(LINE_CHARS_MAX), ""), start=1):
                if _is_torn(line):
                    continue
                yield _from_line(path, number, line)
    except OSError as error:
        raise DirectoryError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8") from error


def find_papers(path: Path, receivable_id: bytes) -> FiledPapers | None:
    """The last line about this receivable. Raises DirectoryError, InputError."""
    return find_all_papers(path, (receivable_id,)).get(receivable_id)


def find_all_papers(path: Path, receivable_ids: Iterable[bytes]) -> dict[bytes, FiledPapers]:
    """The last line about each of these receivables, where there is one, in one reading. Raises as `find_papers`."""
    wanted = frozenset(receivable_ids)
    found: dict[bytes, FiledPapers] = {}
    for filed in read_papers(path):
        if filed.receivable_id in wanted:
            found[filed.receivable_id] = filed
    return found


def _ends_whole(file: BinaryIO) -> bool:
    """Whether the last line has its end, so that a new one does not run into it."""
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _is_torn(line: str) -> bool:
    return line.startswith("{") and not line.rstrip("\n").endswith("}")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _to_json(filed: FiledPapers) -> dict[str, Any]:
    papers = filed.papers
    return {
        "receivable": show_id(filed.receivable_id),
        "exporter": papers.exporter,
        "debtor": papers.debtor,
        "invoice_number": papers.invoice_number,
        "issue_date": papers.issue_date.isoformat(),
        "due_date": papers.due_date.isoformat(),
        "amount_minor_units": papers.amount,
        "currency": papers.currency,
        "fiscal_number": papers.fiscal_number,
        "document_sha256": None if papers.document_sha256 is None else papers.document_sha256.hex(),
        "deliveries": [
            [paper.document_number, paper.line, paper.quantity, paper.document_quantity]
            for paper in papers.deliveries
        ],
        "numbering": papers.numbering.name.lower(),
        "is_contract": papers.is_contract,
        "salt": filed.salt.hex(),
    }


def _from_line(path: Path, number: int, line: str) -> FiledPapers:
    try:
        raw = json.loads(line)
        document = raw["document_sha256"]
        papers = Papers(
            exporter=parse_member_id(_text(raw["exporter"])),
            debtor=_text(raw["debtor"]),
            invoice_number=_text(raw["invoice_number"]),
            issue_date=datetime.date.fromisoformat(_text(raw["issue_date"])),
            due_date=datetime.date.fromisoformat(_text(raw["due_date"])),
            amount=_integer(raw["amount_minor_units"], AMOUNT_MAX),
            currency=_text(raw["currency"]),
            fiscal_number=None if raw["fiscal_number"] is None else _text(raw["fiscal_number"]),
            document_sha256=None if document is None else bytes.fromhex(_text(document)),
            deliveries=tuple(
                DeliveryPaper(
                    _text(document),
                    _text(line),
                    _integer(quantity, QUANTITY_MAX),
                    _integer(whole, QUANTITY_MAX),
                )
                for document, line, quantity, whole in raw["deliveries"]
            ),
            numbering=Numbering[_text(raw["numbering"]).upper()],
            is_contract=raw.get("is_contract", False) is True,
        )
        return FiledPapers(ReceivableId(read_id(_text(raw["receivable"]))), papers, _salt(raw["salt"]))
    # The file may come from another member: whatever it holds, it ends here.
    except (ValueError, KeyError, TypeError, RecursionError, BadIdentifier) as error:
        raise InputError(f"{path}, line {number}: not a line of a paper file: {repr(error)[:200]}") from error


def _text(raw: object) -> str:
    if type(raw) is not str:
        raise TypeError(f"{str(raw)[:40]} is not text")
    raw.encode()  # half a character, which JSON can hold, is none
    return raw


def _salt(raw: object) -> bytes:
    salt = bytes.fromhex(_text(raw))
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return salt


def _integer(raw: object, high: int) -> int:
    """A whole number of JSON: no truth value, no fraction, nothing that its field cannot hold."""
    if type(raw) is not int or not 0 <= raw <= high:
        raise ValueError(f"{str(raw)[:40]} is not a whole number from 0 to {high}")
    return raw
