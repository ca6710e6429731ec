"""Orders opaque payloads by Tendermint, following arXiv 1807.04938 line by line.

This package is a pure core: `driver.Driver.step(input) -> [effect]`. It reads no clock, no file, no socket and no random
source, and it knows no receivable: it carries payload bytes and their digests. What the host must do with each effect,
and in which order, is written in `effects`.
"""
