"""What a member runs: the I/O and wiring round the two pure cores, `registry` and `consensus`.

It guarantees that what a core asks to be persisted is on disk before anything that follows from it is sent.
Rules are left to `registry`, ordering to `consensus`.
"""
