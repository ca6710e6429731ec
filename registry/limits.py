"""Every bound of the formats, named, with its reason. Beyond one of them an entry or block is refused, never truncated."""

from __future__ import annotations

from typing import Final

AMOUNT_MAX: Final = 2**63 - 1  # fits a signed 64-bit integer of every database and of ISO 20022 tooling
TIME_MS_MAX: Final = 253_402_300_799_999  # 9999-12-31: later dates do not print
DAY_MAX: Final = 2_932_896  # 9999-12-31 as days since 1970-01-01
HEIGHT_MAX: Final = 2**53  # exact in JSON readers that use doubles

NESTING_DEPTH_MAX: Final = 8  # the deepest legal entry, a judgment that names liens, has them all
# A block has the longest array. Msgpack reserves memory for the items that an array announces, at each level of nesting.
ARRAY_ITEMS_MAX: Final = 5_000
ENTRY_BYTES_MAX: Final = 1 << 20  # 1,000 operations of about 600 bytes, with room
OPERATIONS_MAX: Final = 1_000  # one portfolio
SIGNATURES_MAX: Final = 40  # all holders of one receivable, its debtor, and some of the association's keys
MEMBER_ID_CHARS_MAX: Final = 64  # `uscc:` and 18, `lei:` and 20; room for another scheme
NODE_ID_CHARS_MAX: Final = 32  # a label of a host name, to be read in a log line
POWER_MAX: Final = 2**32  # the sum over all validators stays far below 2^63

BLOCK_BYTES_MAX: Final = 4 << 20  # one proposal crosses a 100 Mbit/s link in about a third of a second
BLOCK_ENTRIES_MAX: Final = 5_000  # of the smallest kind, with several signatures: what fits its bytes
BLOCK_OPERATIONS_MAX: Final = 10_000  # bounds what one block can cost to execute, whatever the entries' sizes
CERTIFICATE_BYTES_MAX: Final = 16 << 10  # 100 validators: 6.4 KiB of signatures
EVIDENCE_ITEMS_MAX: Final = 16  # of misbehaving validators: what is left over comes with the next block
EVIDENCE_BYTES_MAX: Final = 8 << 10  # two messages of consensus, and to spare
# What is left is cleared away in the next block; no rule sees it any more.
EXPIRIES_PER_BLOCK_MAX: Final = 1_000

# Four bytes in what takers sign; a key is changed less than once a day.
FINGERPRINT_EPOCH_MAX: Final = 2**32 - 1
DELIVERIES_MAX: Final = 16  # transport documents behind one invoice
EVIDENCE_COMMITMENTS_MAX: Final = 16  # invoice, contract, deliveries, customs, tax, and as many again
ATTESTATIONS_MAX: Final = 2 * (EVIDENCE_COMMITMENTS_MAX + DELIVERIES_MAX)  # each paper once good, once void
INSTALMENTS_MAX: Final = 36  # three years of monthly instalments
HOLDERS_MAX: Final = 32  # parts of one receivable, including emptied ones
LIENS_MAX: Final = 32  # one by each holder that a receivable can have
COVERS_MAX: Final = 32  # on one receivable: as many as it can have liens
RESERVATIONS_MAX: Final = 32  # open offers on one receivable: as many as it can have liens
TERMS_MAX: Final = 64  # pairs of assignor and assignee: twice the hands it can pass through
BLANKETS_MAX: Final = 64  # running blankets of one exporter: about one for each of its debtors
DISPOSALS_MAX: Final = 32  # who once held a part: as many as can hold one
SUSPICIONS_MAX: Final = 16  # receivables listed under one `similar` fingerprint, and what a taker can name
KEYS_PER_MEMBER_MAX: Final = 8  # a few workers, and old keys that run out beside new ones
CONTROLLERS_MAX: Final = 8  # a party stands under few, whatever its group looks like
GROUP_MEMBERS_MAX: Final = 64  # each disposal may look at all of them
TRADE_EDGES_MAX: Final = 64  # debtors of one exporter that the search for circles follows, the latest ones
CYCLE_VISITS_MAX: Final = 32  # parties that one search for a circle looks at
CASE_NUMBER_CHARS_MAX: Final = 64  # the longest of a Chinese court has about 30
FREEZES_MAX: Final = 16  # orders of several courts can stand at once
JUDGMENTS_MAX: Final = 16  # first instance, appeal and retrial of several suits over one receivable
JUDGMENT_EFFECTS_MAX: Final = 32  # a chain of assignments through every holder
OBJECTIONS_MAX: Final = 64  # one of each party, standing or ended
POOL_DEBTORS_MAX: Final = 256  # debtors of one pool: each change of it may look at all of them
# Receivables that one operation adds, or removes: each counts as an operation of its own.
POOL_CHANGE_MAX: Final = 200
LINKS_MAX: Final = 128  # a registration and a search of each holder and lienholder
INDIRECT_PAYMENTS_MAX: Final = 64  # open ones: a debtor that errs once a week for a year
RULES_VERSION_MAX: Final = 2**16  # one upgrade a day for a century
REASON_CHARS_MAX: Final = 200  # one sentence: papers stay off the chain
ASSOCIATION_MEMBERS_MAX: Final = 40  # no more than can sign one entry
ROLES_MAX: Final = 8  # there are no more
CURRENCY_CHARS: Final = 3  # ISO 4217

SEQUENCE_MAX: Final = 2**62  # room above it for the window's arithmetic in 63 bits
SEQUENCE_WINDOW: Final = 1_024  # RFC 6479: several workers of one member submit at once
QUANTITY_MAX: Final = 2**53  # exact in JSON readers that use doubles

VALIDATORS_MAX: Final = 100  # every vote goes to everybody: beyond it a round takes seconds
NODES_MAX: Final = 200  # as many observers as validators
CERTIFICATE_DER_BYTES_MAX: Final = 4 << 10  # a pinned certificate has about 1 KiB
GENESIS_BYTES_MAX: Final = 4 << 20  # the members and nodes that it may name
GENESIS_MEMBERS_MAX: Final = 10_000  # of about 400 bytes; others are enrolled later
LIEN_TERM_MS_MIN: Final = 30 * 86_400_000  # registration measures: one month to thirty years
LIEN_TERM_MS_MAX: Final = 30 * 366 * 86_400_000  # as above

# Figures of the policy. Beyond these they are a slip of the pen, not a policy.
CURRENCIES_MAX: Final = 200  # ISO 4217 lists fewer
TENOR_DAYS_MAX: Final = 3_660  # ten years; what runs longer is no trade receivable
OFFER_HOURS_MAX: Final = 8_760  # a year
COOLING_OFF_HOURS_MAX: Final = 8_760  # a year
WAITING_DAYS_MAX: Final = 366  # of an objection, of silence, of grace, of a circle: a year
PERCENT_MAX: Final = 100  # of the risk assets
QUOTA_MAX: Final = 10_000_000  # more operations than a full chain orders in a day
CHANGE_DELAY_BLOCKS_MAX: Final = 1_000_000  # weeks at one block a second
CYCLE_HOPS_MAX: Final = 6  # the search visits a bounded number of edges; beyond six hops it would say nothing
