"""What one receivable's record is made of: a module for each thing that can stand on it, with its shape and its pure functions.

`registry.receivable` puts them together. Leaves to others: who may change them, and when (`registry.rules`).
"""
