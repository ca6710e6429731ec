"""Tendermint ordering of opaque payloads, as a state machine without I/O.

The core is a function from an input to a list of effects; it reads no clock, opens nothing and knows no
receivable. It guarantees agreement while less than a third of the power is faulty, provided its host performs the
effects in order and persists before it sends. Timers, journal, network and the meaning of payloads are left to `node`.
"""
