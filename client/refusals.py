"""What each refusal means and what to do about it: one table for everybody who shows one to people.

Keys are the stable codes of receipts and of the door (`registry.errors.Code`) and of refused calls. Details, such as what
an operation collided with, stand in the receipt; this says what follows from the code alone.
"""

from __future__ import annotations

from typing import Final

from registry.errors import Code

ADVICE_BY_CODE: Final[dict[str, str]] = {
    Code.NOT_APPLIED: "Another operation of the same entry was refused, so none took effect; mend that one and submit anew.",
    Code.MALFORMED: "The entry's bytes are not as the format demands; make it with a current version of this program.",
    Code.WRONG_CHAIN: "It was signed for another network; use the folder of the network that it is meant for.",
    Code.BAD_SIGNATURE: "A signature does not fit its key; check that the key files are the members' own and sign anew.",
    Code.UNKNOWN_SIGNER: "A signer, or the key it used, is not enrolled; the association enrols it with `pledgebook enrol`.",
    Code.NOT_PERMITTED: "A signer's role does not allow this; let a member that has the role act.",
    Code.MISSING_SIGNATURE: "Not all who must sign have signed; name them and have their keys at hand.",
    Code.SUSPENDED: "A signer is suspended; ask the association why, and wait until it is lifted.",
    Code.REPLAYED: "The entry's number counts as used; look at the receivable before you try again: it may have been done.",
    Code.EXPIRED: "The entry came too late; check this machine's clock, look at the receivable, and submit anew.",
    Code.UNKNOWN_RECEIVABLE: "No receivable has this id; check it, or ask by the invoice with `pledgebook status`.",
    Code.CLOSED: "It is settled or cancelled; nothing more can be done with it.",
    Code.CURRENCY_MISMATCH: "The amounts are in another currency than the receivable; state them in its currency.",
    Code.AMOUNT_NOT_POSITIVE: "An amount must be above zero; state the amount that is meant.",
    Code.LIMIT_REACHED: "A limit of the format or policy is reached, as the message says; split it, or tidy up what is open.",
    Code.DUPLICATE_RECEIVABLE: (
        "This invoice is registered already, however its number is written; use the receivable that it collides with."
    ),
    Code.DUPLICATE_DELIVERY: (
        "The delivery already stands behind other invoices in full; compare the transport document's quantities."
    ),
    Code.BAD_IDENTIFIER: "An identifier is wrong or names somebody else; compare it with the register.",
    Code.TENOR: "The due date lies before the date of issue or too far behind it, or the invoice is of the future; check both dates.",
    Code.SCHEDULE_SUM: "The instalments do not add up to the face amount; correct them.",
    Code.NO_TRADE_EVIDENCE: "The policy wants evidence of the trade; give --document, and --delivery where it asks for it.",
    Code.AMOUNT_MISMATCH: (
        "Another amount than the outstanding or the confirmed one; see `pledgebook receivable`. A confirmation stands."
    ),
    Code.ALREADY_REJECTED: "The debtor has rejected it before; settle the matter with the debtor.",
    Code.OVER_OUTSTANDING: "More than is left of it; see the amounts with `pledgebook status` and state less.",
    Code.NO_DISPUTE: "Nothing of it is disputed, so there is nothing to resolve.",
    Code.HOLDER_CONSENT: "A holder whose part this concerns must sign too; name every present holder.",
    Code.ENCUMBERED: "It is assigned, pledged or partly paid; have that released first, or settle it instead.",
    Code.FINGERPRINT_MISMATCH: (
        "What the taker says it has seen is not what was registered; do not take it, and ask for the original papers."
    ),
    Code.NOT_HOLDER: "Who gives it does not hold it (any more); `collides with` says when it was given away.",
    Code.DUPLICATE_PLEDGE: (
        "The amount is pledged or assigned already; see `collides with`. Pledge what is free, or behind that lien (--junior-to)."
    ),
    Code.EMPTY_PLEDGE: "Less than this is free to be pledged; see the reasons, and pledge at most what is free.",
    Code.EMPTY_ASSIGNMENT: "Less than this is free to be assigned; see the reasons, and assign at most what is free.",
    Code.PLEDGED: "A lien lies on what is to be given away; have it released first.",
    Code.RESERVED: "The amount is reserved for somebody else; ask for it to be freed.",
    Code.UNCONFIRMED: "The policy wants the debtor's confirmation first; have the debtor run `pledgebook confirm`.",
    Code.NOT_WHITELISTED: (
        "The policy lets only factors on the supervisor's list take anything; ask the association about the list."
    ),
    Code.PAST_DUE: "Its due date has passed, and the policy forbids disposing of it then; collect it instead.",
    Code.RELATED_PARTY: (
        "Two of the parties are one, or belong to one control group (`collides with` is the declaration); choose another party."
    ),
    Code.SUSPICION_NOT_ACKNOWLEDGED: (
        "A similar receivable is registered; compare both papers, then name it with --acknowledge if they differ."
    ),
    Code.NOT_LIENHOLDER: "Only the pledgee of this lien can do that; see the liens with `pledgebook receivable`.",
    Code.TERM: (
        "It ends too early or too late: a pledge runs for 30 days to 30 years, an offer as long as the policy says, all else "
        "beyond the present block; choose another end. A pool that has ended takes and advances nothing more."
    ),
    Code.OVERPAYMENT: "More than is outstanding, or this payee's part, or drawn; record what was really paid, and hand the rest back.",
    Code.REFERENCE_REUSED: "This bank reference was recorded before; the payment is known, or the reference is wrong.",
    Code.OUTSTANDING: "Part of it is still owed; collect it, or write it off.",
    Code.ALREADY_ENROLLED: "It is a member already; nothing needs to be done, or the id is another member's.",
    Code.IDENTIFIER_IN_USE: "The reference is that of another member; compute it from the member's own identifier.",
    Code.KEY_IN_USE: "This key belongs to a member already; make a new one with `pledgebook keys`.",
    "BAD_REQUEST": "The node cannot read the question; use versions of client and node that fit together.",
    "UNAUTHENTICATED": "The node does not know the caller; check --as, its key file, and this machine's clock.",
    "FORBIDDEN": "Only its parties, the association, auditors and courts may see this; ask as one of them (--as).",
    "UNKNOWN_HEIGHT": "The node has no such block (yet); ask another node, or a lower height.",
    "NO_BLOCK_YET": "The chain has no block yet; wait for the first one, or submit something.",
    "OVERLOADED": "The nodes are full; come again in a few seconds.",
    "STOPPING": "The node is being stopped; ask another one.",
    "WRONG_PEER": "The address is that of another node; correct the node's address in the folder.",
    "HeadTooOld": "Ask other nodes (--node), check this machine's clock, or accept an older state with --max-age.",
    "PapersMismatch": "Do not sign; ask the exporter for the papers that were registered.",
    "Unreachable": "Check that the nodes run and can be reached. What was handed in may still be committed: ask for its status.",
    Code.QUOTA: "The member has used up its operations of the day; submit the rest tomorrow, or ask the association for a higher quota.",
    Code.FROZEN: "A court has frozen it; nothing is disposed of until the freeze is lifted.",
    Code.OBJECTED: "Somebody objects to disposals of it; wait until the objection is withdrawn, lapses or is decided.",
    Code.NOT_FUTURE: "It is no future receivable (any more); use the receivable that has arisen from it.",
    Code.OVER_CAP: "More than is left of the contract's cap; state at most what is left.",
    Code.QUANTITY_EXCEEDED: "More than the attested quantity; compare the transport documents with the attestation.",
    Code.ALREADY_CONFIRMED: "The debtor has confirmed it and cannot reject it; it can dispute an amount.",
    Code.NO_OPT_IN: "The debtor has not agreed that its silence confirms; ask it to confirm expressly.",
    Code.TOO_EARLY: "The time for this has not come yet; see the policy's periods and try again then.",
    Code.DUPLICATE_CREDIT_NOTE: "This credit note is recorded already; look at the receivable's diluted amount.",
    Code.NOT_CLERICAL: "Only clerical mistakes can be corrected, with no gain in value; cancel it and register anew instead.",
    Code.CONCENTRATION: "The factor's share of risk on this debtor would pass the policy's limit, or the debtor's share the pool's; take less, or state present risk assets.",
    Code.RESALE_BARRED: "It was assigned on the terms that it is not assigned onward; ask the prior assignor.",
    Code.NO_OFFER: "There is no such open offer to this party (any more); ask for a new one.",
    Code.NO_RECOURSE: "It was taken without recourse and cannot be given back.",
    Code.NOT_DUE: "It is not overdue beyond the days of grace yet; wait until then.",
    Code.BLANKET_CONFLICT: "An earlier blanket assignment covers this exporter, debtor and period; agree on another period, or deal with the factor that has it.",
    Code.NO_NOTICE: "No notice of this holder stands; notify the debtor first.",
    Code.LATE: "The pledge has ended or has been renewed past this; agree on a new one.",
    Code.NO_DEFAULT: "No default is on record; declare it first, once it is due.",
    Code.NOT_INDIRECT: "No acknowledged notice stood when this was paid; record it as a payment to the holder.",
    Code.UNKNOWN_PAYMENT: "No payment under this bank reference is on record; check the reference.",
    Code.NO_COVER: "There is no such cover of this insurer and holder (any more); see the covers with `pledgebook receivable`.",
    Code.INELIGIBLE: "One of the parties, or the receivable, does not qualify; the reasons say what stands against it.",
    Code.DOUBLE_COVER: "This share of the risk is covered already; see `collides with`, and cover at most what is left of the part.",
    Code.OVER_LIMIT: "More than the policy or the cover is good for; the reasons say how much is used and what the limit is.",
    Code.UNKNOWN_POOL: "No pool has this id; check it with the other party.",
    Code.NOT_IN_POOL: "The receivable stands in no pool (any more): a closed one has left by itself.",
    Code.IN_OTHER_POOL: "The receivable stands in another pool; it must be removed there first.",
    Code.SHORTFALL: "The pool's base does not carry this; add receivables, repay, or ask for less.",
    Code.ABUSE: "This party has no interest in it on record, states no claim, or has objected before; file a case with the court first.",
    Code.NO_OBJECTION: "There is no such objection (any more).",
    Code.NO_ORDER: (
        "No order stands here, it was executed before, or what it names does not stand; check case, decision and record."
    ),
    Code.BAD_FORMAT: "The registration's number or dates are not of the register's form; copy them from its certificate.",
    Code.UNKNOWN_MEMBER: "No member has this id; check it, or enrol the member first.",
    Code.EXPELLED: "The member was expelled for good; enrol a successor under its own id.",
    Code.UNKNOWN_KEY: "The member has no such key; look at its present keys.",
    Code.NO_QUORUM: "Afterwards fewer keys or votes than needed would be left; add others first.",
    Code.ALREADY_IN_FORCE: "It is in force or decided already.",
    Code.CHANGE_PENDING: "An earlier change of the validators is not in force yet; decide again two blocks later.",
    Code.NOT_CLOSED: "The receivable is still open; a fingerprint is released only when it is settled or cancelled.",
    Code.UNKNOWN_FINGERPRINT: "The receivable has no such fingerprint; check it against the registration.",
    Code.ALREADY_DECLARED: "This relationship is on record already.",
    Code.UNKNOWN_RELATIONSHIP: "No such relationship is on record; check the parties.",
}


def advice(code: str) -> str | None:
    """What a refusal with this code means and what to do, in a sentence or two; None for one that is not known here."""
    return ADVICE_BY_CODE.get(code)
