"""A receivable's whole record as its parties see it, for machines and for people."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from registry.identifiers import show_id
from registry.money import show_amount
from registry.receivable import Receivable, free_amount

from ..papers import date_of
from . import output


def record_document(record: Receivable) -> dict[str, Any]:
    """The whole record as JSON: ids in base32."""
    return {
        **_figures(record),
        **_holders(record),
        **_securities(record),
        **_restraints(record),
        **_evidence(record),
    }


def _figures(record: Receivable) -> dict[str, Any]:
    return {
        "receivable_id": show_id(record.receivable_id),
        "registered": output.place_document(record.place),
        "exporter": record.exporter,
        "debtor_reference": record.debtor_reference.hex(),
        "currency": record.currency,
        "face_amount_minor_units": record.face_amount,
        "paid_minor_units": record.paid,
        "diluted_minor_units": record.diluted,
        "outstanding_minor_units": record.outstanding,
        "disputed_minor_units": record.disputed,
        "confirmed_minor_units": record.confirmation.amount,
        "issue_date": date_of(record.issue_date).isoformat(),
        "due_date": date_of(record.due_date).isoformat(),
        "phase": record.phase.name.lower(),
    }


def _holders(record: Receivable) -> dict[str, Any]:
    return {
        "parts": [
            {
                "holder": part.holder,
                "amount_minor_units": part.amount,
                "free_minor_units": free_amount(record, part.holder).amount,
                "with_recourse": part.with_recourse,
                "since": output.place_document(part.since),
            }
            for part in record.parts
        ],
        "offers": [
            {
                "offer_id": show_id(offer.offer_id),
                "assignor": offer.assignor,
                "assignee": offer.assignee,
                "amount_minor_units": offer.amount,
                "until_ms": offer.until_ms,
                "with_recourse": offer.with_recourse,
                "resale_barred": offer.resale_barred,
                "place": output.place_document(offer.place),
            }
            for offer in record.reservations
        ],
        "notices": [
            {
                "holder": notice.holder,
                "time_ms": notice.time_ms,
                "acknowledged_ms": notice.acknowledged.time_ms if notice.acknowledged else None,
            }
            for notice in record.notices
        ],
    }


def _securities(record: Receivable) -> dict[str, Any]:
    return {
        "liens": [
            {
                "lien_id": show_id(lien.lien_id),
                "pledgor": lien.pledgor,
                "pledgee": lien.pledgee,
                "amount_minor_units": lien.amount,
                "until_ms": lien.until_ms,
                "behind": None if lien.behind is None else show_id(lien.behind),
                "place": output.place_document(lien.place),
            }
            for lien in record.liens
        ],
        "pool": None
        if record.pool is None
        else {
            "pool_id": show_id(record.pool.pool_id),
            "factor": record.pool.factor,
            "past_due": record.pool.is_past_due,
            "place": output.place_document(record.pool.place),
        },
        "covers": [
            {
                "cover_id": show_id(cover.cover_id),
                "insurer": cover.insurer,
                "insured": cover.insured,
                "amount_minor_units": cover.amount,
                "policy": cover.policy.hex(),
                "until_ms": cover.until_ms,
                "loss_payee": cover.loss_payee,
                "place": output.place_document(cover.place),
            }
            for cover in record.covers
        ],
    }


def _restraints(record: Receivable) -> dict[str, Any]:
    return {
        "freezes": [
            {
                "case_number": order.case_number,
                "court": order.court,
                "place": output.place_document(order.place),
            }
            for order in record.restraints.freezes
        ],
        "objections": [
            {
                "objector": each.objector,
                "statement": each.statement.hex(),
                "case_number": each.case_number,
                "until_ms": each.until_ms,
                "ended": each.ended,
                "place": output.place_document(each.place),
            }
            for each in record.restraints.objections
        ],
        "judgments": [
            {
                "case_number": each.case_number,
                "decision": each.decision.hex(),
                "court": each.court,
                "place": output.place_document(each.place),
            }
            for each in record.judgments
        ],
    }


def _evidence(record: Receivable) -> dict[str, Any]:
    return {
        "confirmation": record.confirmation.kind.name.lower(),
        "cap_minor_units": None if record.future is None else record.future.cap,
        "origin": None if record.origin is None else show_id(record.origin),
        "attestations": [
            {
                "kind": each.kind.name.lower(),
                "paper": each.paper.hex(),
                "attester": each.attester,
                "quantity": each.quantity,
                "voided": each.voided,
                "place": output.place_document(each.place),
            }
            for each in record.attestations
        ],
    }


def _restraint_lines(record: Receivable) -> dict[str, str]:
    frozen, objected = record.restraints.frozen, record.restraints.objected
    return {
        **({} if frozen is None else {"frozen": f"by {frozen.court} under {frozen.case_number}"}),
        **({} if objected is None else {"objected to": f"by {objected.objector}"}),
        **(
            {"executed on it": ", ".join(each.case_number for each in record.judgments)}
            if record.judgments
            else {}
        ),
    }


def print_record(record: Receivable, names: Mapping[str, str], debtor: str, proof: str) -> None:
    """The whole record for people. `names`: the folder's short names by member id; `debtor`: who owes, in words."""

    def named(member: str) -> str:
        return f"{names[member]} ({member})" if member in names else member

    currency = record.currency
    output.print_facts(
        f"Receivable {show_id(record.receivable_id)}",
        {
            "phase": record.phase.name.lower(),
            "exporter": named(record.exporter),
            "debtor": debtor,
            "face amount": show_amount(record.face_amount, currency),
            "paid": show_amount(record.paid, currency),
            "diluted": show_amount(record.diluted, currency),
            "outstanding": show_amount(record.outstanding, currency),
            "disputed": show_amount(record.disputed, currency),
            "confirmed": show_amount(record.confirmation.amount, currency),
            **({} if record.pool is None else {"in pool": show_id(record.pool.pool_id)}),
            **_restraint_lines(record),
            "issued, due": f"{date_of(record.issue_date)}, {date_of(record.due_date)}",
            "proof": proof,
        },
    )
    if record.parts:
        _print_parts(record, named)
    if record.liens:
        _print_liens(record, named)
    if record.reservations:
        _print_offers(record, named)
    if record.covers:
        _print_covers(record, named)
    if record.notices:
        _print_notices(record, named)


def _print_parts(record: Receivable, named: Callable[[str], str]) -> None:
    output.print_rows(
        "Held by",
        ("holder", "amount", "free", "recourse", "since height"),
        [
            (
                named(part.holder),
                show_amount(part.amount, record.currency),
                show_amount(free_amount(record, part.holder).amount, record.currency),
                "yes" if part.with_recourse else "no",
                str(part.since.height),
            )
            for part in record.parts
        ],
    )


def _print_liens(record: Receivable, named: Callable[[str], str]) -> None:
    output.print_rows(
        "Pledged to",
        ("pledgee", "by", "amount", "until", "lien"),
        [
            (
                named(lien.pledgee),
                named(lien.pledgor),
                show_amount(lien.amount, record.currency),
                _moment(lien.until_ms).date().isoformat(),
                show_id(lien.lien_id),
            )
            for lien in record.liens
        ],
    )


def _print_offers(record: Receivable, named: Callable[[str], str]) -> None:
    output.print_rows(
        "Offered to",
        ("factor", "by", "amount", "until", "offer"),
        [
            (
                named(offer.assignee),
                named(offer.assignor),
                show_amount(offer.amount, record.currency),
                _moment(offer.until_ms).isoformat(" ", "minutes"),
                show_id(offer.offer_id),
            )
            for offer in record.reservations
        ],
    )


def _print_covers(record: Receivable, named: Callable[[str], str]) -> None:
    output.print_rows(
        "Covered by",
        ("insurer", "insured", "amount", "until", "loss payee", "cover"),
        [
            (
                named(cover.insurer),
                named(cover.insured),
                show_amount(cover.amount, record.currency),
                _moment(cover.until_ms).date().isoformat(),
                named(cover.loss_payee),
                show_id(cover.cover_id),
            )
            for cover in record.covers
        ],
    )


def _print_notices(record: Receivable, named: Callable[[str], str]) -> None:
    output.print_rows(
        "Notified to the debtor",
        ("payee", "since height", "acknowledged"),
        [
            (
                named(notice.holder),
                str(notice.place.height),
                f"at height {notice.acknowledged.place.height}" if notice.acknowledged else "not yet",
            )
            for notice in record.notices
        ],
    )


def _moment(time_ms: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(time_ms / 1_000, datetime.UTC)
