"""Authenticated structures: `log`, which only grows (blocks, entries, receipts), and `map`, the state.

Both are pure. Where nodes and pages are kept is the caller's business; a Protocol in each module says what they read.
"""
