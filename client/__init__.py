"""What members and auditors link to: submitting, querying with verified proofs, importing, and auditing offline.

Nothing a node answers is believed before it has been checked against the consortium's keys, with the same pure
cores (`registry`, and of `consensus` only certificates, validators and messages) that the nodes use.
"""
