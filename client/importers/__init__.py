"""Bringing receivables in from files of other systems: strict readers, and one import that can be run again."""
