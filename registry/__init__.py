"""The domain: entries, the rules they must obey, and the formats of blocks, state and proofs.

Everything here is pure: bytes and values in, values out, without clock, randomness, I/O or logging, so that every
node and every auditor derives the same state from the same entries. Ordering is left to `consensus`, storing and
talking to `node`.
"""
