"""The export container and the offline audit: how a stranger re-derives the whole registry from one file.

An auditor holds three things: the genesis document and the expected head, which come from people it trusts, and the file,
which comes from anybody. `report.AuditReport` says which of the checks of docs/audit.md hold, and where the first fails.

    container     the bytes of a `chain.pbk`: writer, and a reader that trusts no length
    inspection    what one block shows by itself: decoding, roots, signatures (runs in worker processes)
    certificates  quorums of precommits
    header_chain  how headers join on to each other and to the anchor
    replay        the business rules, receipts and state roots, in block order
    invariants    what must hold of the final state
    audit         the reducer that puts these together
    export        from the blocks that a node streams to a file, each certificate verified on the way
    commands      `pledgebook audit` and `pledgebook export`

Nothing here talks to a network; `commands` alone reads a terminal.
"""
