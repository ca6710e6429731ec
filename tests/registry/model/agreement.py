"""Comparing the registry's state with the model's book, field by field."""

from __future__ import annotations

from registry.decisions import PendingPolicy, Upgrade
from registry.exposure import exposure_id, risk_assets_id
from registry.receivable import Receivable, free_amount
from registry.record.covers import policy_use_id
from registry.rules.judgement import similar_key
from registry.status import summarise
from registry.stored import SINGLETON, Namespace
from tests.registry.consortium import Consortium, stored
from tests.registry.model.book import DAY_MS, Book, Debt
from tests.registry.model.disposal import exposure
from tests.registry.model.pool import worth_of
from tests.registry.model.value import covered_under, free


def agree(consortium: Consortium, book: Book) -> None:
    """Everything that stands. Raises AssertionError with the first pair that differs."""
    assert set(consortium.receivables) == set(book.debts)
    for name, debt in book.debts.items():
        record = consortium.record(name)
        agree_on_value(book, record, debt)
        agree_on_claims(record, debt)
        agree_on_papers(record, debt)
        agree_on_restraints(record, debt)
        agree_on_collection(record, debt)
    agree_on_members(consortium, book)
    agree_on_papers_of_all(consortium, book)
    agree_on_groups(consortium, book)
    agree_on_exposure(consortium, book)
    agree_on_decisions(consortium, book)
    agree_on_policies(consortium, book)
    agree_on_pools(consortium, book)


def agree_on_value(book: Book, record: Receivable, debt: Debt) -> None:
    assert record.phase.name.lower() == debt.phase
    assert (record.face_amount, record.diluted, record.paid) == (debt.face, debt.diluted, debt.paid)
    parts = [(part.holder, part.amount, part.disputed, part.since) for part in record.parts]
    assert parts == [(name, part.amount, part.disputed, part.since) for name, part in debt.parts.items()]
    assert {part.holder: part.with_recourse for part in record.parts} == {
        holder: debt.recourse_of(holder) > 0 for holder in debt.parts
    }
    given = {each.holder: (each.amount, each.latest) for each in record.disposals}
    assert given == debt.given
    confirmation = record.confirmation
    assert (confirmation.kind.name.lower(), confirmation.amount, confirmation.waived) == (
        debt.confirmed_by,
        debt.confirmed,
        debt.waived,
    )
    status = summarise(record)
    for holder in debt.parts:
        suspended = not book.is_active(holder)
        mine = free_amount(record, holder, holder_suspended=suspended)
        assert (mine.amount, mine.reasons) == free(book, debt, holder)
    # What can still be disposed of never exceeds what is owed, and each amount is taken once.
    assert status.free + status.pledged + status.reserved <= status.outstanding == debt.owed
    terms = {
        (each.assignor, each.assignee): (each.recourse, each.resale_barred, each.latest)
        for each in record.terms
    }
    assert terms == {pair: (each.recourse, each.barred, each.latest) for pair, each in debt.terms.items()}


def agree_on_claims(record: Receivable, debt: Debt) -> None:
    liens = [
        (each.lien_id, each.pledgor, each.pledgee, each.amount, each.until_ms, each.behind, each.place)
        for each in record.liens
    ]
    assert liens == [
        (each.name, each.pledgor, each.pledgee, each.amount, each.until_ms, each.behind, each.place)
        for each in debt.liens.values()
    ]
    lapsed = [(each.lien_id, each.amount) for each in record.lapsed]
    assert lapsed == [(each.name, each.amount) for each in debt.lapsed]
    offers = [
        (
            each.offer_id, each.assignor, each.assignee, each.amount, each.until_ms, each.with_recourse,
            each.resale_barred, each.price_commitment, each.place,
        )
        for each in record.reservations
    ]  # fmt: skip
    assert offers == [
        (
            name, each.assignor, each.assignee, each.amount, each.until_ms, each.with_recourse, each.barred,
            each.price, each.place,
        )
        for name, each in debt.offers.items()
    ]  # fmt: skip
    notices = {
        each.holder: (
            each.time_ms,
            each.place,
            None if each.acknowledged is None else (each.acknowledged.time_ms, each.acknowledged.place),
        )
        for each in record.notices
    }
    assert notices == {
        holder: (each.time_ms, each.place, each.acknowledged) for holder, each in debt.notices.items()
    }


def agree_on_papers(record: Receivable, debt: Debt) -> None:
    assert (record.exporter, record.debtor_reference, record.currency, record.place, record.origin) == (
        debt.exporter,
        debt.debtor,
        debt.currency,
        debt.place,
        debt.origin,
    )
    assert (record.issue_date, record.due_date, record.schedule) == (debt.issue, debt.due, debt.schedule)
    assert (record.fingerprints, record.evidence) == (debt.prints, debt.evidence)
    attested = [
        (each.kind, each.paper, each.attester, each.quantity, each.voided, each.place)
        for each in record.attestations
    ]
    assert attested == [
        (each.kind, each.paper, each.attester, each.quantity, each.voided, each.place)
        for each in debt.attestations
    ]
    future = None if record.future is None else (record.future.cap, record.future.crystallised)
    assert future == (None if debt.cap is None else (debt.cap, debt.arisen))


def agree_on_restraints(record: Receivable, debt: Debt) -> None:
    assert {each.case_number: each.place for each in record.restraints.freezes} == debt.freezes
    objections = {
        each.objector: (each.case_number, each.until_ms, each.ended, each.dismissed, each.place)
        for each in record.restraints.objections
    }
    assert objections == {
        name: (each.case_number, each.until_ms, each.ended, each.dismissed, each.place)
        for name, each in debt.objections.items()
    }
    judgments = {each.decision: (each.case_number, each.court, each.place) for each in record.judgments}
    assert judgments == debt.judgments
    links = {
        (each.factor, each.is_search): (each.number, each.at_ms, each.until_ms, each.registrant)
        for each in record.links
    }
    assert links == debt.links


def agree_on_collection(record: Receivable, debt: Debt) -> None:
    accounts = [
        None if each is None else (each.commitment, each.from_ms, each.place)
        for each in (record.collection.account, record.collection.pending)
    ]
    assert accounts == [debt.account, debt.next_account]
    indirect = {
        each.bank_reference: (each.holder, each.amount, each.place) for each in record.collection.indirect
    }
    assert indirect == debt.indirect
    assert record.default == debt.default
    for stands, pooled in ((record.pool, debt.pool), (record.closed_in, debt.closed_in)):
        assert (stands is None) == (pooled is None)
        if stands is not None and pooled is not None:
            assert (stands.pool_id, stands.factor, stands.place) == (pooled.name, pooled.factor, pooled.place)
    covers = [
        (each.cover_id, each.insurer, each.insured, each.amount, each.until_ms, each.loss_payee, each.place)
        for each in record.covers
    ]
    assert covers == [
        (name, each.insurer, each.insured, each.amount, each.until_ms, each.loss_payee, each.place)
        for name, each in debt.covers.items()
    ]


def agree_on_members(consortium: Consortium, book: Book) -> None:
    state = consortium.working()
    for name, person in book.members.items():
        member = state.member(name)
        assert member is not None
        assert (
            member.roles,
            member.status,
            member.numbering,
            member.accredited,
            member.debtor_reference,
        ) == (
            person.roles,
            person.status,
            person.numbering,
            person.accredited,
            person.reference,
        )
        assert (member.enterprise_class, member.whitelisted) == (person.enterprise, person.listed)
        keys = {key.public_key: (key.from_height, key.until_height) for key in member.keys}
        height = consortium.tip.height
        # A key that is over says nothing any more.
        assert {key: span for key, span in keys.items() if span[1] > height} == {
            key: span for key, span in person.keys.items() if span[1] > height
        }
    for key, owner in book.key_owners.items():
        assert stored(consortium, Namespace.KEY_OWNER, key) == owner


def agree_on_papers_of_all(consortium: Consortium, book: Book) -> None:
    for (exporter, debtor, similar), names in book.similar.items():
        listed = stored(consortium, Namespace.SIMILAR, similar_key(exporter, debtor, similar))
        assert (listed or ()) == tuple(names)
    for (kind, paper), place in book.papers.items():
        assert stored(consortium, Namespace.FINGERPRINT, bytes([kind]) + paper) == place
    for line, known in book.deliveries.items():
        use = stored(consortium, Namespace.DELIVERY, line)
        assert use is not None
        assert (use.document_quantity, use.consumed, use.first) == (known.whole, known.used, known.first)
        assert (use.attested_quantity, use.attested_use, use.attested_first) == (
            known.attested,
            known.attested_use,
            known.attested_first,
        )
    for reference, place in book.references.items():
        used = stored(consortium, Namespace.BANK_REFERENCE, reference)
        assert used is not None
        assert used.place == place
        paid, payment = book.payments.get(reference), consortium.working().payment(reference)
        assert (paid is None) == (payment is None)
        if paid is not None and payment is not None:
            assert (payment.holder, payment.amount, payment.disputed, payment.confirmed, payment.place) == (
                paid.holder, paid.amount, paid.disputed, paid.confirmed, paid.place,
            )  # fmt: skip
            assert [(each.lien_id, each.amount) for each in payment.liens] == [
                (each.name, each.amount) for each in paid.cut
            ]


def agree_on_groups(consortium: Consortium, book: Book) -> None:
    state = consortium.working()
    for party, declared in book.controls.items():
        controls = {each.controller: (each.since_day, each.place) for each in state.controls(party)}
        assert controls == {name: (each.since_day, each.place) for name, each in declared.items()}
    for (factor, currency), (amount, day, place) in book.risk_assets.items():
        assets = stored(consortium, Namespace.RISK_ASSETS, risk_assets_id(factor, currency))
        assert (assets.amount, assets.as_of_day, assets.place) == (amount, day, place)
    for exporter, blankets in book.blankets.items():
        assert [
            (each.blanket_id, each.assignee, each.debtor_reference, each.from_ms, each.until_ms, each.place)
            for each in state.blankets(exporter)
        ] == [
            (each.name, each.assignee, each.debtor, each.from_ms, each.until_ms, each.place)
            for each in blankets
        ]


def agree_on_policies(consortium: Consortium, book: Book) -> None:
    for (insurer, policy, currency), use in book.policies.items():
        counted = stored(consortium, Namespace.COVERAGE, policy_use_id(insurer, policy, currency))
        covered = covered_under(book, (insurer, policy, currency))
        assert (counted.limit, counted.covered, counted.claimed, counted.place) == (
            use.limit,
            covered,
            use.claimed,
            use.place,
        )


def agree_on_pools(consortium: Consortium, book: Book) -> None:
    """The counted base against a sum over the members."""
    today = consortium.tip.time_ms // DAY_MS
    for name, pool in book.pools.items():
        counted = stored(consortium, Namespace.POOL, name)
        assert (counted.exporter, counted.factor, counted.terms, counted.drawn, counted.place) == (
            pool.exporter,
            pool.factor,
            pool.terms,
            pool.drawn,
            pool.place,
        )
        value = worth_of(book, name, today)
        assert {share.debtor_reference: (share.members, share.base) for share in counted.shares} == {
            debtor: (members, value.by_debtor[debtor]) for debtor, members in value.members.items()
        }


def agree_on_exposure(consortium: Consortium, book: Book) -> None:
    """The counters against a sum over everything."""
    pairs = {(debt.debtor, debt.currency) for debt in book.debts.values()}
    for debtor, currency in sorted(pairs):
        for member in book.members:
            counted = stored(consortium, Namespace.EXPOSURE, exposure_id(member, debtor, currency))
            assert (counted or 0) == exposure(book, member, debtor, currency)


def agree_on_decisions(consortium: Consortium, book: Book) -> None:
    pending = stored(consortium, Namespace.PENDING_POLICY, SINGLETON)
    assert pending == (None if book.next_policy is None else PendingPolicy(*book.next_policy))
    newest = consortium.working().newest_nodes()
    assert (newest.nodes, newest.decided) == (book.nodes, book.nodes_decided)
    upgrade = stored(consortium, Namespace.UPGRADE, SINGLETON)
    assert upgrade == (None if book.upgrade is None else Upgrade(*book.upgrade))
